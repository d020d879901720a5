//! The users that a segment selects, and the algebra on them.

use crate::words::{self, Words};
use crowdset_storage::{Damaged, Users};
use crowdset_types::{CHUNK_USERS, CHUNK_WORDS, ChunkId, UserOrdinal};
use roaring::RoaringBitmap;
use std::fmt;
use std::sync::Arc;

/// The users of the universe that a segment selects at one instant.
///
/// Everyone and nobody have forms of their own: algebra on them is free, and a chunk of users takes
/// no memory where all or none of them are in it. All else is one bit per user ordinal. Two audiences
/// can be combined only if they come from the same state of the store.
#[derive(Clone)]
pub struct Audience {
    users: Arc<Users>,
    form: Form,
}

#[derive(Clone)]
enum Form {
    Everyone,
    Nobody,
    /// Neither empty nor full.
    Some {
        chunks: Arc<[Part]>,
        len: u64,
    },
}

/// The users of one chunk.
#[derive(Default)]
pub(crate) enum Part {
    #[default]
    Nobody,
    /// All of the universe.
    Everyone,
    /// Neither, and how many.
    Some(Box<Words>, u32),
}

impl Part {
    /// Users of the universe, all of one chunk.
    pub(crate) fn new(users: &Words, universe: &[u64]) -> Self {
        match words::count(users) as u32 {
            0 => Self::Nobody,
            _ if users[..] == *universe => Self::Everyone,
            len => Self::Some(Box::new(*users), len),
        }
    }
}

impl Audience {
    /// The whole universe.
    pub fn everyone(users: Arc<Users>) -> Self {
        if users.universe_len() == 0 {
            return Self::nobody(users);
        }
        Self {
            users,
            form: Form::Everyone,
        }
    }

    /// No user.
    pub fn nobody(users: Arc<Users>) -> Self {
        Self {
            users,
            form: Form::Nobody,
        }
    }

    /// The users of the universe among `ordinals`; others are left out.
    pub fn from_ordinals(
        users: Arc<Users>,
        ordinals: impl IntoIterator<Item = UserOrdinal>,
    ) -> Self {
        let mut words = vec![words::EMPTY; users.chunks()];
        for ordinal in ordinals {
            if let Some(words) = words.get_mut(ordinal.chunk().index()) {
                words::set(words, usize::from(ordinal.within_chunk()));
            }
        }
        let parts = words.iter_mut().zip(chunks(&users)).map(|(words, chunk)| {
            let universe = users.universe(chunk);
            for (word, universe) in words.iter_mut().zip(universe) {
                *word &= universe;
            }
            Part::new(words, universe)
        });
        let parts = parts.collect();
        Self::from_parts(users, parts)
    }

    /// The users of each chunk.
    pub(crate) fn from_parts(users: Arc<Users>, parts: Vec<Part>) -> Self {
        let of_parts = parts
            .iter()
            .zip(chunks(&users))
            .map(|(part, chunk)| match part {
                Part::Nobody => 0,
                Part::Everyone => words::count(users.universe(chunk)),
                Part::Some(_, len) => u64::from(*len),
            });
        let len = of_parts.sum();
        let form = if len == 0 {
            Form::Nobody
        } else if len == users.universe_len() {
            Form::Everyone
        } else {
            Form::Some {
                chunks: parts.into(),
                len,
            }
        };
        Self { users, form }
    }

    /// The users and ids this audience refers to.
    pub fn users(&self) -> &Arc<Users> {
        &self.users
    }

    /// How many users.
    pub fn len(&self) -> u64 {
        match &self.form {
            Form::Everyone => self.users.universe_len(),
            Form::Nobody => 0,
            Form::Some { len, .. } => *len,
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        matches!(self.form, Form::Nobody)
    }

    /// Whether it is the whole universe.
    pub fn is_everyone(&self) -> bool {
        self.len() == self.users.universe_len()
    }

    /// Whether the user is in it; false for a user outside of the universe.
    pub fn contains(&self, user: UserOrdinal) -> bool {
        let within = usize::from(user.within_chunk());
        let word = self.chunk(user.chunk()).get(within / 64);
        word.is_some_and(|word| word >> (within % 64) & 1 == 1)
    }

    /// The bits of one chunk, `CHUNK_WORDS` words, least significant first; empty if nobody is in it.
    pub fn chunk(&self, chunk: ChunkId) -> &[u64] {
        if chunk.index() >= self.users.chunks() {
            return &[];
        }
        match &self.form {
            Form::Everyone => self.users.universe(chunk),
            Form::Nobody => &[],
            Form::Some { chunks, .. } => match &chunks[chunk.index()] {
                Part::Nobody => &[],
                Part::Everyone => self.users.universe(chunk),
                Part::Some(words, _) => &words[..],
            },
        }
    }

    /// One bit per ordinal, least significant first, all chunks one after the other.
    pub fn to_words(&self) -> Vec<u64> {
        let mut words = Vec::with_capacity(self.users.chunks() * CHUNK_WORDS);
        for chunk in chunks(&self.users) {
            let end = words.len() + CHUNK_WORDS;
            words.extend_from_slice(self.chunk(chunk));
            words.resize(end, 0);
        }
        words
    }

    /// The users, ascending by ordinal, which need not be the order of ids.
    pub fn iter(&self) -> impl Iterator<Item = UserOrdinal> + '_ {
        (0..self.users.chunks() as u32).flat_map(move |chunk| {
            self.chunk(ChunkId(chunk))
                .iter()
                .enumerate()
                .flat_map(move |(index, &word)| {
                    let first = chunk * CHUNK_USERS as u32 + index as u32 * 64;
                    Bits(word).map(move |bit| UserOrdinal(first + bit))
                })
        })
    }

    /// The users by ascending id. Costs one look at every user of the store.
    ///
    /// # Errors
    ///
    /// [`Damaged`] if the stored order of ids is.
    pub fn iter_by_id(&self) -> Result<impl Iterator<Item = UserOrdinal> + '_, Damaged> {
        self.users.touch_ranks()?;
        Ok((0..self.users.ordinals() as u32)
            .map(|rank| self.users.by_rank(rank))
            .filter(|&user| self.contains(user)))
    }

    /// The users that are in this one, in the other, or in both.
    ///
    /// # Panics
    ///
    /// If the two come from different states of a store, like all binary operations here.
    pub fn union(&self, other: &Self) -> Self {
        self.combine(other, |left, right| left | right)
    }

    /// The users that are in both.
    pub fn intersection(&self, other: &Self) -> Self {
        self.combine(other, |left, right| left & right)
    }

    /// The users that are in this one and not in the other.
    pub fn difference(&self, other: &Self) -> Self {
        self.combine(other, |left, right| left & !right)
    }

    /// The users of the universe that are not in this one.
    pub fn complement(&self) -> Self {
        Self::everyone(self.users.clone()).difference(self)
    }

    /// How many users are in both, without making the set.
    pub fn intersection_len(&self, other: &Self) -> u64 {
        self.check_same(other);
        (0..self.users.chunks() as u32)
            .map(|chunk| {
                let pairs = self
                    .chunk(ChunkId(chunk))
                    .iter()
                    .zip(other.chunk(ChunkId(chunk)));
                pairs
                    .map(|(left, right)| u64::from((left & right).count_ones()))
                    .sum::<u64>()
            })
            .sum()
    }

    /// The same set of ordinals as a roaring bitmap.
    pub fn to_bitmap(&self) -> RoaringBitmap {
        RoaringBitmap::from_sorted_iter(self.iter().map(|user| user.0)).unwrap_or_default()
    }

    fn check_same(&self, other: &Self) {
        assert!(
            Arc::ptr_eq(&self.users, &other.users),
            "audiences of different states of a store cannot be combined"
        );
    }

    fn combine(&self, other: &Self, op: impl Fn(u64, u64) -> u64) -> Self {
        self.check_same(other);
        let is_one_sided = |form: &Form| matches!(form, Form::Everyone | Form::Nobody);
        if is_one_sided(&self.form) && is_one_sided(&other.form) {
            // Equal bits in, equal bits out: the operation on all ones and all zeros decides.
            let ones = |form: &Form| {
                if matches!(form, Form::Everyone) {
                    u64::MAX
                } else {
                    0
                }
            };
            let is_nobody = op(ones(&self.form), ones(&other.form)) == 0;
            let users = self.users.clone();
            return if is_nobody {
                Self::nobody(users)
            } else {
                Self::everyone(users)
            };
        }
        let parts = chunks(&self.users).map(|chunk| {
            let (left, right) = (self.chunk(chunk), other.chunk(chunk));
            let mut words = words::EMPTY;
            for (place, word) in words.iter_mut().enumerate() {
                // Nobody has no words.
                let word_of = |users: &[u64]| users.get(place).copied().unwrap_or(0);
                *word = op(word_of(left), word_of(right));
            }
            Part::new(&words, self.users.universe(chunk))
        });
        Self::from_parts(self.users.clone(), parts.collect())
    }
}

/// All chunks of users.
fn chunks(users: &Users) -> impl Iterator<Item = ChunkId> + use<> {
    (0..users.chunks() as u32).map(ChunkId)
}

impl PartialEq for Audience {
    /// Equal if both hold the same ordinals.
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for Audience {}

impl fmt::Debug for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Audience({} of {})",
            self.len(),
            self.users.universe_len()
        )
    }
}

/// The positions of the bits of a word.
struct Bits(u64);

impl Iterator for Bits {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if self.0 == 0 {
            return None;
        }
        let bit = self.0.trailing_zeros();
        self.0 &= self.0 - 1;
        Some(bit)
    }
}
