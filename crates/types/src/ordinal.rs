//! Dense numbers that stand for users, chunks of users and partitions of time.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How many consecutive user ordinals form one chunk: a quarter of a roaring container.
///
/// A constant of the file format: row order inside a stream follows it.
pub const CHUNK_USERS: usize = 16_384;

/// How many 64-bit words hold one bit per user of a chunk.
pub const CHUNK_WORDS: usize = CHUNK_USERS / 64;

/// A user's dense number: its position in every column and bitmap. The users of a store's first users
/// table have numbers that ascend by id, all others in order of first appearance.
///
/// Never an external user id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UserOrdinal(pub u32);

impl UserOrdinal {
    /// The chunk this user belongs to.
    pub const fn chunk(self) -> ChunkId {
        ChunkId(self.0 / CHUNK_USERS as u32)
    }

    /// The user's position within its chunk, below [`CHUNK_USERS`].
    pub const fn within_chunk(self) -> u16 {
        (self.0 % CHUNK_USERS as u32) as u16
    }
}

impl fmt::Display for UserOrdinal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A run of [`CHUNK_USERS`] consecutive user ordinals, the unit of evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChunkId(pub u32);

impl ChunkId {
    /// The first user ordinal of the chunk.
    pub const fn first(self) -> UserOrdinal {
        UserOrdinal(self.0 * CHUNK_USERS as u32)
    }

    /// The chunk as an index into per-chunk tables.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// How many chunks hold `users` ordinals.
pub const fn chunk_count(users: usize) -> usize {
    users.div_ceil(CHUNK_USERS)
}

/// The number of one partition; never used twice in the life of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PartitionId(pub u64);

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{:06}", self.0)
    }
}
