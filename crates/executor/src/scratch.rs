//! Memory that one worker uses again and again: a chunk costs no allocation once it is warm.

use crate::answered::Answered;
use crate::condition::{Gathered, Linked, Merging};
use crate::family::{Picks, Sorted, Tallies};
use crate::words::Words;
use crowdset_types::{CHUNK_USERS, Number};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Of more bytes than these in all, memory is not kept from one question to the next.
const KEPT_BYTES_MAX: usize = 64 << 20;

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

    fn bytes(&self) -> usize {
        self.free.len() * size_of::<[T; CHUNK_USERS]>()
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
    /// Counters by value.
    pub(crate) tallied: Tallies,
    /// Rows of a family that count.
    pub(crate) picks: Picks,
    /// Counts as bits.
    pub(crate) planes: Vec<Words>,
    /// Why the chunk at hand has no answer.
    pub(crate) failure: Option<crate::EvalError>,
    /// What was read, a tally per leaf.
    pub(crate) tallies: Vec<crate::profile::Tally>,
}

impl Scratch {
    /// Forgets what is of one question only.
    fn clear(&mut self) {
        self.numbers = Vec::new();
        self.bases = Vec::new();
        self.wide_lanes = Vec::new();
        self.linked = Linked::default();
        self.wide_pairs = Vec::new();
        self.failure = None;
        self.tallies.clear();
    }

    /// How much it is, once it was cleared.
    fn bytes(&self) -> usize {
        self.u8s.bytes()
            + self.u16s.bytes()
            + self.u32s.bytes()
            + self.i64s.bytes()
            + vec_bytes(&self.windows)
            + vec_bytes(&self.pairs)
            + self.gathered.bytes()
            + self.merging.bytes()
            + self.answers.bytes()
            + self.sorted.bytes()
            + self.tallied.bytes()
            + self.picks.bytes()
            + vec_bytes(&self.planes)
    }
}

/// What a vector takes.
pub(crate) fn vec_bytes<T>(of: &Vec<T>) -> usize {
    of.capacity() * size_of::<T>()
}

/// Memory of workers that are between two questions. To touch fresh memory for the first time costs
/// more than many questions do.
///
/// Copies share it. At most 64 MiB are kept.
#[derive(Clone, Default)]
pub struct Workers(Arc<Mutex<Vec<Scratch>>>);

impl Workers {
    /// The memory of one worker.
    pub(crate) fn take(&self) -> Scratch {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.pop().unwrap_or_default()
    }

    /// Keeps the memory of workers for the next question.
    pub(crate) fn give(&self, scratches: Vec<Scratch>) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes: usize = idle.iter().map(Scratch::bytes).sum();
        for mut scratch in scratches {
            scratch.clear();
            bytes += scratch.bytes();
            if bytes > KEPT_BYTES_MAX {
                return;
            }
            idle.push(scratch);
        }
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").finish_non_exhaustive()
    }
}
