//! How many bytes what takes.

use crowdset_types::{PartitionId, TimeRange};

/// Bytes of one column by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ColumnBytes {
    /// Codes, numbers, bits.
    pub values: u64,
    /// Which rows have a value.
    pub presence: u64,
    /// Distinct texts.
    pub dictionary: u64,
    /// Values over time, of a user property.
    pub history: u64,
}

impl ColumnBytes {
    /// All of them.
    pub fn total(self) -> u64 {
        self.values + self.presence + self.dictionary + self.history
    }
}

/// Bytes of one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamStats {
    /// The event name.
    pub name: String,
    /// How many rows.
    pub rows: u64,
    /// Bytes that say whose each row is.
    pub users: u64,
    /// Bytes of the rows' times.
    pub times: u64,
    /// Bytes of the first rows of chunks and time slots.
    pub starts: u64,
    /// Bytes of each property, ascending by path.
    pub properties: Vec<(String, ColumnBytes)>,
}

impl StreamStats {
    /// All bytes of the stream.
    pub fn total(&self) -> u64 {
        let properties: u64 = self.properties.iter().map(|(_, bytes)| bytes.total()).sum();
        self.users + self.times + self.starts + properties
    }
}

/// Bytes of one partition's image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionStats {
    /// Which partition.
    pub id: PartitionId,
    /// Its span.
    pub range: TimeRange,
    /// How many rows.
    pub rows: u64,
    /// Length of the image file, table included.
    pub file_bytes: u64,
    /// Bytes of each stream, ascending by name.
    pub streams: Vec<StreamStats>,
}

/// Bytes of the users' image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsersStats {
    /// How many ordinals.
    pub ordinals: u64,
    /// Length of the image file, table included.
    pub file_bytes: u64,
    /// Bytes of the user ids' text and its places.
    pub ids: u64,
    /// Bytes of the hash table from ids to ordinals.
    pub lookup: u64,
    /// Bytes of the order of ids.
    pub ranks: u64,
    /// Bytes of each attribute, in order, by name with its table: `users.plan`.
    pub attributes: Vec<(String, ColumnBytes)>,
}
