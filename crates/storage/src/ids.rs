//! User ids and the ordinals they stand for.
//!
//! ```text
//! texts    all ids, one after the other, in order of ordinals
//! offsets  where each begins, and the end
//! slots    open addressing, linear probing: upper half of the hash │ ordinal
//! ```
//!
//! The same arrays are used while loading and in files, so that opening rebuilds nothing. Hashes are
//! seeded per store, because ids come from outside.

use crate::users::Users;
use rapidhash::v3::{RapidSecrets, rapidhash_v3_seeded};
use serde::{Deserialize, Serialize};

/// How user ids are printed and sorted. Inside they are always text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum IdKind {
    /// As text, sorted by bytes.
    #[default]
    Text,
    /// As integers, sorted as numbers.
    Integer,
}

/// A slot without an id: no ordinal is `u32::MAX`.
const EMPTY: u64 = u64::MAX;

/// How many ids are looked up at a time: their reads of memory overlap.
const BATCH: usize = 64;

/// The hash of ids, by the seed of the store.
#[derive(Clone)]
pub(crate) struct IdHasher(RapidSecrets);

impl IdHasher {
    pub(crate) fn new(seed: u64) -> Self {
        Self(RapidSecrets::seed(seed))
    }

    pub(crate) fn hash(&self, id: &str) -> u64 {
        rapidhash_v3_seeded(id.as_bytes(), &self.0)
    }
}

/// The three arrays, wherever they are.
#[derive(Clone, Copy)]
pub(crate) struct IdTable<'a> {
    pub(crate) texts: &'a [u8],
    pub(crate) offsets: &'a [u64],
    /// A power of two of them.
    pub(crate) slots: &'a [u64],
}

impl<'a> IdTable<'a> {
    pub(crate) fn text(&self, ordinal: u32) -> &'a [u8] {
        &self.texts
            [self.offsets[ordinal as usize] as usize..self.offsets[ordinal as usize + 1] as usize]
    }

    pub(crate) fn find(&self, hash: u64, id: &str) -> Option<u32> {
        self.find_from(hash, self.slots[hash as usize & (self.slots.len() - 1)], id)
    }

    /// As [`IdTable::find`], the first slot already read.
    fn find_from(&self, hash: u64, first: u64, id: &str) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        let mut slot = first;
        while slot != EMPTY {
            if slot >> 32 == hash >> 32 && self.text(slot as u32) == id.as_bytes() {
                return Some(slot as u32);
            }
            at = (at + 1) & mask;
            slot = self.slots[at];
        }
        None
    }

    /// `width` is the length of all ids, if they have one in common: then their places are known
    /// without a look at the offsets.
    fn find_batch(
        &self,
        hasher: &IdHasher,
        width: Option<usize>,
        ids: &[&str],
        ordinals: &mut [u32],
    ) {
        let mask = self.slots.len() - 1;
        let mut hashes = [0_u64; BATCH];
        let mut slots = [0_u64; BATCH];
        let mut starts = [0_usize; BATCH];
        let mut ends = [0_usize; BATCH];
        let mut edges = [(0_u8, 0_u8); BATCH];
        for (ids, ordinals) in ids.chunks(BATCH).zip(ordinals.chunks_mut(BATCH)) {
            // Passes of independent reads: each waits for memory once, not once per id.
            for (hash, id) in hashes.iter_mut().zip(ids) {
                *hash = hasher.hash(id);
            }
            for (slot, hash) in slots.iter_mut().zip(&hashes[..ids.len()]) {
                *slot = self.slots[*hash as usize & mask];
            }
            for (index, slot) in slots[..ids.len()].iter().enumerate() {
                let ordinal = *slot as u32 as usize;
                (starts[index], ends[index]) = match width {
                    _ if *slot == EMPTY => (0, 0),
                    Some(width) => (ordinal * width, (ordinal + 1) * width),
                    None => (
                        self.offsets[ordinal] as usize,
                        self.offsets[ordinal + 1] as usize,
                    ),
                };
            }
            // An id may lie across two lines of the cache: both of its ends are wanted.
            let byte = |at: usize| self.texts.get(at).copied().unwrap_or(0);
            for (index, edges) in edges[..ids.len()].iter_mut().enumerate() {
                *edges = (byte(starts[index]), byte(ends[index].wrapping_sub(1)));
            }
            for (index, (ordinal, id)) in ordinals.iter_mut().zip(ids).enumerate() {
                let (hash, slot) = (hashes[index], slots[index]);
                let (first, last) = edges[index];
                let id = id.as_bytes();
                // The common case: the first slot is the right one.
                let hit = slot != EMPTY
                    && slot >> 32 == hash >> 32
                    && id.first().is_none_or(|byte| *byte == first)
                    && id.last().is_none_or(|byte| *byte == last)
                    && &self.texts[starts[index]..ends[index]] == id;
                *ordinal = if hit {
                    slot as u32
                } else {
                    self.find_from(hash, slot, ids[index])
                        .unwrap_or(UserIds::MISSING)
                };
            }
        }
    }
}

/// User ids while they are being collected: gives each new id the next ordinal.
#[derive(Clone)]
pub struct UserIds {
    seed: u64,
    hasher: IdHasher,
    texts: Vec<u8>,
    offsets: Vec<u64>,
    slots: Vec<u64>,
    width: Width,
}

/// The lengths of ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    /// There are no ids yet.
    Unknown,
    /// All ids have this length, as those of many systems do.
    Same(usize),
    Different,
}

impl Width {
    fn see(&mut self, length: usize) {
        *self = match *self {
            Self::Unknown => Self::Same(length),
            Self::Same(width) if width == length => return,
            _ => Self::Different,
        };
    }
}

impl std::fmt::Debug for UserIds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserIds")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl UserIds {
    /// What [`UserIds::lookup_batch`] says of an id that has no ordinal.
    pub const MISSING: u32 = u32::MAX;

    /// No ids yet. The seed is the store's own ([`crate::Manifest::seed`]).
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            hasher: IdHasher::new(seed),
            texts: Vec::new(),
            offsets: vec![0],
            slots: vec![EMPTY; 16],
            width: Width::Unknown,
        }
    }

    /// The ids of an image, to go on from: ordinals stay. Costs a copy.
    ///
    /// # Errors
    ///
    /// [`crate::Damaged`] if the ids of the image are.
    pub fn from_users(users: &Users) -> Result<Self, crate::Damaged> {
        users.touch_ids()?;
        let table = users.id_table();
        let mut width = Width::Unknown;
        for offsets in table.offsets.windows(2) {
            width.see((offsets[1] - offsets[0]) as usize);
        }
        Ok(Self {
            seed: users.seed(),
            hasher: IdHasher::new(users.seed()),
            texts: table.texts.to_vec(),
            offsets: table.offsets.to_vec(),
            slots: table.slots.to_vec(),
            width,
        })
    }

    /// How many ids.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The seed of the hashes.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    pub(crate) fn table(&self) -> IdTable<'_> {
        IdTable {
            texts: &self.texts,
            offsets: &self.offsets,
            slots: &self.slots,
        }
    }

    /// The id of an ordinal.
    ///
    /// # Panics
    ///
    /// If there is no such ordinal.
    pub fn id(&self, ordinal: u32) -> &str {
        std::str::from_utf8(self.table().text(ordinal)).unwrap_or_default()
    }

    /// The ordinal of an id, if it has one.
    pub fn find(&self, id: &str) -> Option<u32> {
        self.table().find(self.hasher.hash(id), id)
    }

    /// The ordinals of many ids, [`UserIds::MISSING`] for those without. About half the time of
    /// looking them up one by one, as reads of memory overlap.
    ///
    /// # Panics
    ///
    /// If the slices have different lengths.
    pub fn lookup_batch(&self, ids: &[&str], ordinals: &mut [u32]) {
        assert_eq!(ids.len(), ordinals.len(), "one ordinal per id");
        let width = match self.width {
            Width::Same(width) => Some(width),
            Width::Unknown | Width::Different => None,
        };
        self.table().find_batch(&self.hasher, width, ids, ordinals);
    }

    /// The ordinal of an id; a new id gets the next one.
    ///
    /// # Panics
    ///
    /// At 2^32 - 1 ids, of which no machine that this runs on can hold the text.
    pub fn get_or_insert(&mut self, id: &str) -> u32 {
        let hash = self.hasher.hash(id);
        if let Some(ordinal) = self.table().find(hash, id) {
            return ordinal;
        }
        let ordinal = self.len() as u32;
        assert!(ordinal < Self::MISSING, "ordinals are 32 bits wide");
        self.texts.extend_from_slice(id.as_bytes());
        self.offsets.push(self.texts.len() as u64);
        self.width.see(id.len());
        if slots_for(self.len()) > self.slots.len() {
            self.grow(self.slots.len() * 2);
        } else {
            put(&mut self.slots, hash, ordinal);
        }
        ordinal
    }

    /// Makes room for so many more ids, so that the table does not grow step by step.
    pub fn reserve(&mut self, additional: usize) {
        self.offsets.reserve(additional);
        let slots = slots_for(self.len() + additional);
        if slots > self.slots.len() {
            self.grow(slots);
        }
    }

    fn grow(&mut self, slots: usize) {
        let mut slots = vec![EMPTY; slots];
        for ordinal in 0..self.len() as u32 {
            put(&mut slots, self.hasher.hash(self.id(ordinal)), ordinal);
        }
        self.slots = slots;
    }
}

/// How many slots so many ids need at least: two thirds of them are full at most.
fn slots_for(ids: usize) -> usize {
    (ids + ids.div_ceil(2)).next_power_of_two()
}

fn put(slots: &mut [u64], hash: u64, ordinal: u32) {
    let mask = slots.len() - 1;
    let mut at = hash as usize & mask;
    while slots[at] != EMPTY {
        at = (at + 1) & mask;
    }
    slots[at] = hash >> 32 << 32 | u64::from(ordinal);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinals_are_dense_in_order_of_first_appearance() {
        let mut ids = UserIds::new(7);
        for round in 0..2 {
            for number in 0..5_000_u32 {
                assert_eq!(
                    ids.get_or_insert(&format!("u{number}")),
                    number,
                    "round {round}"
                );
            }
        }
        assert_eq!(ids.get_or_insert(""), 5_000);
        assert_eq!(ids.len(), 5_001);
        let names: Vec<String> = (0..6_000).map(|number| format!("u{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut found = vec![0; names.len()];
        ids.lookup_batch(&names, &mut found);
        for (number, (name, ordinal)) in names.iter().zip(&found).enumerate() {
            assert_eq!(ids.find(name), (number < 5_000).then_some(number as u32));
            assert_eq!(*ordinal, ids.find(name).unwrap_or(UserIds::MISSING));
        }
        assert_eq!(ids.id(17), "u17");
    }

    #[test]
    fn ids_of_one_length_are_found_as_others_are() {
        let name = |number: u32| format!("{number:036}");
        let mut ids = UserIds::new(11);
        for number in 0..1_000 {
            ids.get_or_insert(&name(number));
        }
        assert_eq!(ids.width, Width::Same(36));
        let mut names: Vec<String> = (0..2_000).map(name).collect();
        names.extend([String::new(), "0".repeat(35), "0".repeat(37)]);
        let expected = |number: usize| (number < 1_000).then_some(number as u32);
        for round in 0..2 {
            let asked: Vec<&str> = names.iter().map(String::as_str).collect();
            let mut found = vec![0; asked.len()];
            ids.lookup_batch(&asked, &mut found);
            for (number, ordinal) in found.iter().enumerate().take(2_003) {
                let expected = expected(number).unwrap_or(UserIds::MISSING);
                assert_eq!(*ordinal, expected, "round {round}, {number}");
            }
            // From here on their places are looked up.
            assert_eq!(ids.get_or_insert("another length"), 1_000);
            assert_eq!(ids.width, Width::Different);
        }
    }
}
