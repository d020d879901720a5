//! Crowdset's columnar storage: partitions of typed event columns, users, snapshots.
