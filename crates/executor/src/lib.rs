//! Crowdset's executor: a plan over partitions, chunk by chunk of users.
