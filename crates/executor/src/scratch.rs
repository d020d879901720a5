//! Memory that one worker uses again and again: a chunk costs no allocation once it is warm.

use crate::answered::Answered;
use crate::condition::{Gathered, Linked, Merging};
use crate::family::{Picks, Sorted};
use crate::words::Words;
use crowdset_types::{CHUNK_USERS, Number};

/// Arrays of one number per user of a chunk.
pub(crate) struct Pool<T> {
    free: Vec<Box<[T; CHUNK_USERS]>>,
}

impl<T: Copy + Default> Pool<T> {
    /// An array with arbitrary content.
    #[allow(
        clippy::unnecessary_box_returns,
        reason = "up to 128 KB: no stack is to hold it"
    )]
    pub(crate) fn take(&mut self) -> Box<[T; CHUNK_USERS]> {
        self.free.pop().unwrap_or_else(|| {
            let array = vec![T::default(); CHUNK_USERS].into_boxed_slice();
            array
                .try_into()
                .unwrap_or_else(|_| Box::new([T::default(); CHUNK_USERS]))
        })
    }

    /// Hands an array back.
    pub(crate) fn give(&mut self, array: Box<[T; CHUNK_USERS]>) {
        self.free.push(array);
    }
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self { free: Vec::new() }
    }
}

/// One worker's memory.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(crate) u8s: Pool<u8>,
    pub(crate) u16s: Pool<u16>,
    pub(crate) u32s: Pool<u32>,
    pub(crate) i64s: Pool<i64>,
    /// Numbers of the users of a chunk, of any kind.
    pub(crate) numbers: Vec<Vec<Number>>,
    /// For each source of an occurrence, where the numbers of its rows begin.
    pub(crate) bases: Vec<u32>,
    /// Users, the first and the last instant of the window of each, and an instant to be held against
    /// it.
    pub(crate) windows: Vec<(usize, i64, i64, Option<i64>)>,
    /// (user, key) pairs to be sorted.
    pub(crate) pairs: Vec<u64>,
    /// A few values of each user, where they are wide.
    pub(crate) wide_lanes: Vec<u128>,
    pub(crate) gathered: Gathered,
    pub(crate) merging: Merging,
    pub(crate) linked: Linked,
    pub(crate) wide_pairs: Vec<(u16, u128)>,
    /// Answers that are asked for again, for the chunk at hand.
    pub(crate) answers: Answered,
    /// Rows told apart by their values.
    pub(crate) sorted: Sorted,
    /// Rows of a family that count.
    pub(crate) picks: Picks,
    /// Counts as bits.
    pub(crate) planes: Vec<Words>,
    /// Why the chunk at hand has no answer.
    pub(crate) failure: Option<crate::EvalError>,
    /// What was read, a tally per leaf.
    pub(crate) tallies: Vec<crate::profile::Tally>,
}
