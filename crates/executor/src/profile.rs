//! What an evaluation did, node by node.

use std::fmt;

/// How a condition was answered. Shown as one word, in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Path {
    /// By combining the answers of its parts, or without looking at anything.
    Algebra,
    /// From sets of users per term alone.
    Index,
    /// From first and last rows, active days or counts that are kept, scanning only what they leave open.
    Summary,
    /// By scanning rows of events, the index helping where it could.
    Scan,
    /// By scanning a column of attribute values.
    Column,
    /// From the history of an attribute.
    History,
    /// By ranking everybody before anything else.
    Rank,
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Algebra => "algebra",
            Self::Index => "index",
            Self::Summary => "summary",
            Self::Scan => "scan",
            Self::Column => "column",
            Self::History => "history",
            Self::Rank => "rank",
        })
    }
}

/// What answering a plan took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// What each node took, in order of the nodes' numbers.
    pub nodes: Vec<NodeProfile>,
    /// Chunks of users in all.
    pub chunks: u64,
    /// Threads that worked on it.
    pub workers: usize,
}

/// What answering one node took, in all chunks together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeProfile {
    /// The node of the plan.
    pub node: u32,
    /// How it was answered.
    pub path: Path,
    /// Chunks of users for which it was worked out.
    pub chunks: u64,
    /// Chunks that did not need it: other conditions had decided about everybody in them.
    pub chunks_skipped: u64,
    /// Rows of events read.
    pub rows: u64,
    /// Rows of the same events that were not read in the chunks worked out: outside of the window, or
    /// the index knew enough. Partitions outside of the window are not counted.
    pub rows_skipped: u64,
    /// Bytes of columns read for these rows: users, times and values, as far as each was needed.
    pub bytes: u64,
    /// Index sets read, one per chunk and term.
    pub index_sets: u64,
    /// Streams skipped, one per chunk, because the index said that no row could match.
    pub pruned: u64,
    /// Time spent, parts included, summed over threads.
    pub nanos: u64,
    /// Users of the universe found, in the chunks that were worked out and among the users asked for.
    pub users: u64,
}

/// The growing numbers of a [`NodeProfile`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) chunks: u64,
    pub(crate) rows: u64,
    pub(crate) rows_skipped: u64,
    pub(crate) bytes: u64,
    pub(crate) index_sets: u64,
    pub(crate) pruned: u64,
    pub(crate) nanos: u64,
    pub(crate) users: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.chunks += other.chunks;
        self.rows += other.rows;
        self.rows_skipped += other.rows_skipped;
        self.bytes += other.bytes;
        self.index_sets += other.index_sets;
        self.pruned += other.pruned;
        self.nanos += other.nanos;
        self.users += other.users;
    }

    pub(crate) fn profile(&self, node: u32, path: Path, chunks_in_all: u64) -> NodeProfile {
        let Self {
            chunks,
            rows,
            rows_skipped,
            bytes,
            index_sets,
            pruned,
            nanos,
            users,
        } = *self;
        NodeProfile {
            node,
            path,
            chunks,
            chunks_skipped: chunks_in_all.saturating_sub(chunks),
            rows,
            rows_skipped,
            bytes,
            index_sets,
            pruned,
            nanos,
            users,
        }
    }
}
