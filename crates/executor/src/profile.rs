//! What an evaluation did, node by node.

/// How a condition was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Path {
    /// By combining the answers of its parts, or without looking at anything.
    Algebra,
    /// From sets of users per term alone.
    Index,
    /// From first and last rows or active days that are kept, scanning only what they leave open.
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

/// What answering one node took, in all chunks together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeProfile {
    /// The node of the plan.
    pub node: u32,
    /// How it was answered.
    pub path: Path,
    /// Chunks of users for which it was worked out; the others did not need it.
    pub chunks: u64,
    /// Rows of events read.
    pub rows: u64,
    /// Bytes of columns read for these rows.
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
        self.bytes += other.bytes;
        self.index_sets += other.index_sets;
        self.pruned += other.pruned;
        self.nanos += other.nanos;
        self.users += other.users;
    }

    pub(crate) fn profile(&self, node: u32, path: Path) -> NodeProfile {
        let Self {
            chunks,
            rows,
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
            rows,
            bytes,
            index_sets,
            pruned,
            nanos,
            users,
        }
    }
}
