//! User ids and the numbers they stand for.
//!
//! ```text
//! texts    all ids, one after the other, in order of their numbers
//! starts   where each begins, and the end; nothing if all have one length
//! slots    open addressing, linear probing: bits of the hash │ number
//! ```
//!
//! A number takes as many of a slot's 32 bits as it takes to count the slots; the hash has the rest.
//!
//! The same arrays are used while loading and in files, so that opening rebuilds nothing. While loading
//! the numbers are ordinals; in files they ascend by id. Hashes are seeded per store, because ids come
//! from outside.

use crate::users::Users;
use crowdset_types::UserOrdinal;
use rapidhash::v3::{RapidSecrets, rapidhash_v3_seeded};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// How user ids are printed and sorted. Inside they are always text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum IdKind {
    /// As text, sorted by bytes.
    #[default]
    Text,
    /// As integers, sorted as numbers.
    Integer,
}

/// A slot without an id: at most two thirds of the slots have one, so that no number is all ones.
const EMPTY: u32 = u32::MAX;

/// How many ids are looked up at a time: their reads of memory overlap.
const BATCH: usize = 64;

/// The hash of ids, by the seed of the store.
#[derive(Clone)]
pub(crate) struct IdHasher(RapidSecrets);

impl std::fmt::Debug for IdHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdHasher")
    }
}

impl IdHasher {
    pub(crate) fn new(seed: u64) -> Self {
        Self(RapidSecrets::seed(seed))
    }

    pub(crate) fn hash(&self, id: &str) -> u64 {
        rapidhash_v3_seeded(id.as_bytes(), &self.0)
    }
}

/// Where each id begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Starts<'a> {
    /// All ids have this length, as those of many systems do: no id's place has to be looked up.
    Same(usize),
    /// An offset each, and the end.
    Each(&'a [u64]),
}

/// The three arrays, wherever they are.
#[derive(Clone, Copy)]
pub(crate) struct IdTable<'a> {
    pub(crate) texts: &'a [u8],
    pub(crate) starts: Starts<'a>,
    /// A power of two of them.
    pub(crate) slots: &'a [u32],
}

/// The bits of a slot that hold a number, where there are so many slots.
fn number_mask(slots: usize) -> u32 {
    (slots - 1) as u32
}

/// The slot of a number.
fn slot(hash: u64, number: u32, mask: u32) -> u32 {
    (hash >> 32) as u32 & !mask | number
}

/// A slot of the first format: the upper half of the hash, and 32 bits for the number.
pub(crate) fn narrowed(wide: u64, slots: usize) -> u32 {
    let mask = number_mask(slots);
    if wide == u64::MAX {
        EMPTY
    } else {
        slot(wide, wide as u32 & mask, mask)
    }
}

impl<'a> IdTable<'a> {
    /// The place of an id in the texts.
    #[inline]
    pub(crate) fn place(&self, number: u32) -> (usize, usize) {
        let number = number as usize;
        match self.starts {
            Starts::Same(width) => (number * width, (number + 1) * width),
            Starts::Each(starts) => (starts[number] as usize, starts[number + 1] as usize),
        }
    }

    pub(crate) fn text(&self, number: u32) -> &'a [u8] {
        let (start, end) = self.place(number);
        &self.texts[start..end]
    }

    /// The number of an id, if it has one.
    pub(crate) fn find(&self, hash: u64, id: &str) -> Option<u32> {
        self.find_from(hash, self.slots[hash as usize & (self.slots.len() - 1)], id)
    }

    /// As [`IdTable::find`], the first slot already read.
    fn find_from(&self, hash: u64, first: u32, id: &str) -> Option<u32> {
        let (last, mask) = (self.slots.len() - 1, number_mask(self.slots.len()));
        let mut at = hash as usize & last;
        let mut found = first;
        while found != EMPTY {
            let number = found & mask;
            if found == slot(hash, number, mask) && self.text(number) == id.as_bytes() {
                return Some(number);
            }
            at = (at + 1) & last;
            found = self.slots[at];
        }
        None
    }

    fn find_batch(&self, hasher: &IdHasher, ids: &[&str], numbers: &mut [u32]) {
        let (last, mask) = (self.slots.len() - 1, number_mask(self.slots.len()));
        let mut hashes = [0_u64; BATCH];
        let mut slots = [0_u32; BATCH];
        let mut places = [(0_usize, 0_usize); BATCH];
        let mut edges = [(0_u8, 0_u8); BATCH];
        for (ids, numbers) in ids.chunks(BATCH).zip(numbers.chunks_mut(BATCH)) {
            // Passes of independent reads: each waits for memory once, not once per id.
            for (hash, id) in hashes.iter_mut().zip(ids) {
                *hash = hasher.hash(id);
            }
            for (slot, hash) in slots.iter_mut().zip(&hashes[..ids.len()]) {
                *slot = self.slots[*hash as usize & last];
            }
            for (place, slot) in places.iter_mut().zip(&slots[..ids.len()]) {
                *place = if *slot == EMPTY {
                    (0, 0)
                } else {
                    self.place(*slot & mask)
                };
            }
            // An id may lie across two lines of the cache: both of its ends are wanted.
            let byte = |at: usize| self.texts.get(at).copied().unwrap_or(0);
            for (edges, place) in edges.iter_mut().zip(&places[..ids.len()]) {
                *edges = (byte(place.0), byte(place.1.wrapping_sub(1)));
            }
            for (index, (number, id)) in numbers.iter_mut().zip(ids).enumerate() {
                let (hash, found) = (hashes[index], slots[index]);
                let (first, last) = edges[index];
                let id = id.as_bytes();
                // The common case: the first slot is the right one.
                let hit = found != EMPTY
                    && found == slot(hash, found & mask, mask)
                    && id.first().is_none_or(|byte| *byte == first)
                    && id.last().is_none_or(|byte| *byte == last)
                    && &self.texts[places[index].0..places[index].1] == id;
                *number = if hit {
                    found & mask
                } else {
                    self.find_from(hash, found, ids[index])
                        .unwrap_or(UserIds::MISSING)
                };
            }
        }
    }

    /// The slots for other numbers of the same ids.
    pub(crate) fn renumbered(&self, new: impl Fn(u32) -> u32 + Sync) -> Vec<u32> {
        let mask = number_mask(self.slots.len());
        let slots = self.slots.par_iter().with_min_len(1 << 16);
        slots
            .map(|&slot| {
                if slot == EMPTY {
                    EMPTY
                } else {
                    slot & !mask | new(slot & mask)
                }
            })
            .collect()
    }
}

/// User ids while they are being collected: gives each new id the next ordinal.
#[derive(Clone)]
pub struct UserIds {
    seed: u64,
    hasher: IdHasher,
    texts: Texts,
    slots: Vec<u32>,
}

/// Texts, one after the other.
#[derive(Debug, Clone)]
struct Texts {
    len: usize,
    bytes: Vec<u8>,
    starts: OwnedStarts,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum OwnedStarts {
    Same(usize),
    Each(Vec<u64>),
}

impl Texts {
    fn with_capacity(bytes: usize) -> Self {
        Self {
            len: 0,
            bytes: Vec::with_capacity(bytes),
            starts: OwnedStarts::Same(0),
        }
    }

    fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        match &mut self.starts {
            OwnedStarts::Each(starts) => starts.push(self.bytes.len() as u64),
            OwnedStarts::Same(width) if self.len == 0 => *width = text.len(),
            OwnedStarts::Same(width) if *width == text.len() => {}
            OwnedStarts::Same(width) => {
                let starts = (0..=self.len).map(|number| (number * *width) as u64);
                let starts = starts.chain([self.bytes.len() as u64]).collect();
                self.starts = OwnedStarts::Each(starts);
            }
        }
        self.len += 1;
    }

    fn starts(&self) -> Starts<'_> {
        match &self.starts {
            OwnedStarts::Same(width) => Starts::Same(*width),
            OwnedStarts::Each(starts) => Starts::Each(starts),
        }
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
            texts: Texts::with_capacity(0),
            slots: vec![EMPTY; 16],
        }
    }

    /// The ids of an image, to go on from: ordinals stay. Costs a copy.
    ///
    /// # Errors
    ///
    /// [`crate::Damaged`] if the ids of the image are.
    pub fn from_users(users: &Users) -> Result<Self, crate::Damaged> {
        users.touch_ids()?;
        let stored = users.stored_ids();
        let mut texts = Texts::with_capacity(stored.table().texts.len());
        for ordinal in (0..users.ordinals() as u32).map(UserOrdinal) {
            texts.push(stored.text(ordinal));
        }
        Ok(Self {
            seed: users.seed(),
            hasher: IdHasher::new(users.seed()),
            texts,
            slots: stored.slots_by_ordinal(),
        })
    }

    /// How many ids.
    pub fn len(&self) -> usize {
        self.texts.len
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
            texts: &self.texts.bytes,
            starts: self.texts.starts(),
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
        self.table().find_batch(&self.hasher, ids, ordinals);
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
        self.texts.push(id.as_bytes());
        if slots_for(self.len()) > self.slots.len() {
            self.grow(self.slots.len() * 2);
        } else {
            put(&mut self.slots, hash, ordinal);
        }
        ordinal
    }

    /// Makes room for so many more ids, so that the table does not grow step by step.
    pub fn reserve(&mut self, additional: usize) {
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

    /// Gives the ids other ordinals, which ascend by id; returns the new ordinal of each old one. Only
    /// while nobody else holds ordinals, or whoever does is told.
    pub fn sort(&mut self, kind: IdKind) -> Vec<u32> {
        let order = self.order(kind);
        let ranks = ranks(&order);
        *self = self.renumbered(&order, &ranks);
        ranks
    }

    /// The same ids in another order: `order` has their ordinals of today, `ranks` those to come.
    pub(crate) fn renumbered(&self, order: &[u32], ranks: &[u32]) -> Self {
        let table = self.table();
        let mut texts = Texts::with_capacity(table.texts.len());
        for &ordinal in order {
            texts.push(table.text(ordinal));
        }
        Self {
            seed: self.seed,
            hasher: self.hasher.clone(),
            texts,
            slots: table.renumbered(|ordinal| ranks[ordinal as usize]),
        }
    }

    /// All ordinals, ascending by id.
    pub(crate) fn order(&self, kind: IdKind) -> Vec<u32> {
        let table = self.table();
        let count = self.len() as u32;
        if kind == IdKind::Integer {
            // What is no integer follows the integers, as text.
            let mut keys: Vec<(u8, i128, u32)> = (0..count)
                .map(|ordinal| match self.id(ordinal).parse::<i128>() {
                    Ok(number) => (0, number, ordinal),
                    Err(_) => (1, 0, ordinal),
                })
                .collect();
            sort(&mut keys, |left, right| {
                (left.0, left.1)
                    .cmp(&(right.0, right.1))
                    .then_with(|| table.text(left.2).cmp(table.text(right.2)))
            });
            return keys.into_iter().map(|(_, _, ordinal)| ordinal).collect();
        }
        // Ids often begin alike (`user_…`). What follows, as a number, decides nearly every comparison
        // without a walk through memory.
        let common = (1..count).fold(
            if count == 0 { 0 } else { table.text(0).len() },
            |common, ordinal| {
                let (first, text) = (table.text(0), table.text(ordinal));
                first[..common]
                    .iter()
                    .zip(text)
                    .take_while(|(left, right)| left == right)
                    .count()
            },
        );
        let mut keys: Vec<(u128, u32)> = (0..count)
            .map(|ordinal| {
                let rest = &table.text(ordinal)[common..];
                let mut head = [0_u8; 16];
                let length = rest.len().min(16);
                head[..length].copy_from_slice(&rest[..length]);
                (u128::from_be_bytes(head), ordinal)
            })
            .collect();
        sort(&mut keys, |left, right| {
            left.0
                .cmp(&right.0)
                .then_with(|| table.text(left.1).cmp(table.text(right.1)))
        });
        keys.into_iter().map(|(_, ordinal)| ordinal).collect()
    }
}

/// How many slots so many ids need at least: two thirds of them are full at most.
fn slots_for(ids: usize) -> usize {
    (ids + ids.div_ceil(2)).next_power_of_two()
}

/// Sorts, unless there is nothing to do: ids that were sorted once stay so while none is added.
fn sort<T: Send>(keys: &mut [T], compare: impl Fn(&T, &T) -> Ordering + Sync) {
    if !keys.is_sorted_by(|left, right| compare(left, right).is_le()) {
        keys.par_sort_unstable_by(compare);
    }
}

/// The place of each ordinal in an order of all of them.
pub(crate) fn ranks(order: &[u32]) -> Vec<u32> {
    let mut ranks = vec![0; order.len()];
    for (rank, ordinal) in (0_u32..).zip(order) {
        ranks[*ordinal as usize] = rank;
    }
    ranks
}

fn put(slots: &mut [u32], hash: u64, number: u32) {
    let last = slots.len() - 1;
    let mut at = hash as usize & last;
    while slots[at] != EMPTY {
        at = (at + 1) & last;
    }
    slots[at] = slot(hash, number, number_mask(slots.len()));
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
        assert_eq!(ids.texts.starts, OwnedStarts::Same(36));
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
            assert!(matches!(ids.texts.starts, OwnedStarts::Each(_)));
        }
    }

    #[test]
    fn sorted_ids_are_found_under_their_new_ordinals() {
        for kind in [IdKind::Text, IdKind::Integer] {
            let names: Vec<String> = (0..300_u32)
                .map(|number| (number * 7_919 % 1_000).to_string())
                .collect();
            let mut ids = UserIds::new(3);
            for name in &names {
                ids.get_or_insert(name);
            }
            let new = ids.sort(kind);
            let mut sorted = names.clone();
            match kind {
                IdKind::Text => sorted.sort(),
                IdKind::Integer => sorted.sort_by_key(|name| name.parse::<u32>().unwrap()),
            }
            for (ordinal, name) in (0..).zip(&sorted) {
                assert_eq!(
                    (ids.id(ordinal), ids.find(name)),
                    (name.as_str(), Some(ordinal))
                );
            }
            for (old, name) in names.iter().enumerate() {
                assert_eq!(ids.find(name), Some(new[old]));
            }
            assert_eq!(ids.get_or_insert("1001"), 300);
            assert!(ids.order(kind).len() == 301 && ids.find("x").is_none());
        }
    }

    #[test]
    fn slots_of_the_first_format_are_those_of_today_made_narrow() {
        let hasher = IdHasher::new(5);
        let mut ids = UserIds::new(5);
        let mut wide = vec![u64::MAX; 1_024];
        for number in 0..600_u32 {
            let id = number.to_string();
            ids.get_or_insert(&id);
            let hash = hasher.hash(&id);
            let mut at = hash as usize % wide.len();
            while wide[at] != u64::MAX {
                at = (at + 1) % wide.len();
            }
            wide[at] = hash >> 32 << 32 | u64::from(number);
        }
        let narrow: Vec<u32> = wide
            .iter()
            .map(|slot| narrowed(*slot, wide.len()))
            .collect();
        let table = IdTable {
            slots: &narrow,
            ..ids.table()
        };
        for number in 0..600 {
            let id = number.to_string();
            assert_eq!(table.find(hasher.hash(&id), &id), Some(number));
        }
        assert_eq!(table.find(hasher.hash("600"), "600"), None);
    }
}
