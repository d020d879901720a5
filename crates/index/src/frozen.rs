//! Sets of user ordinals, read in place.
//!
//! A set is a posting (sorted ordinals of four bytes) or a roaring bitmap in its portable format
//! (`RoaringFormatSpec`): containers of 65,536 ordinals as arrays, bitmaps, or runs. A chunk is a
//! quarter of a container.

use crate::format::{u16_at, u32_at};
use crowdset_types::{CHUNK_USERS, CHUNK_WORDS, ChunkId};
use roaring::RoaringBitmap;

const COOKIE_WITHOUT_RUNS: u32 = 12_346;
const COOKIE_WITH_RUNS: u16 = 12_347;
/// With runs, offsets are left out for fewer containers than this.
const OFFSETS_FROM: usize = 4;
/// Containers of more ordinals than this are bitmaps.
const ARRAY_MAX: usize = 4_096;
const BITMAP_BYTES: usize = 8_192;
const CHUNKS_PER_CONTAINER: u32 = 65_536 / CHUNK_USERS as u32;

/// A set of user ordinals over borrowed bytes. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct FrozenSet<'a> {
    len: u64,
    repr: Repr<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Repr<'a> {
    /// Sorted ordinals, four bytes each.
    Posting(&'a [u8]),
    Roaring(Roaring<'a>),
}

#[derive(Debug, Clone, Copy)]
struct Roaring<'a> {
    bytes: &'a [u8],
    containers: usize,
    /// Where the bits that mark containers of runs begin; `None`: there are no runs.
    run_marks: Option<usize>,
    /// Where key and cardinality of each container begin, four bytes each.
    keys: usize,
    /// Where the places of containers begin; `None`: they follow one another.
    offsets: Option<usize>,
    /// Where the first container begins.
    first: usize,
}

#[derive(Debug, Clone, Copy)]
enum Container<'a> {
    /// Sorted, two bytes each.
    Array(&'a [u8]),
    /// A bit each.
    Bitmap(&'a [u8]),
    /// First, and how many follow: two bytes each.
    Runs(&'a [u8]),
}

impl<'a> FrozenSet<'a> {
    /// No users.
    pub const EMPTY: Self = Self {
        len: 0,
        repr: Repr::Posting(&[]),
    };

    /// Sorted ordinals of four bytes, little-endian.
    pub(crate) fn posting(bytes: &'a [u8]) -> Self {
        Self {
            len: bytes.len() as u64 / 4,
            repr: Repr::Posting(bytes),
        }
    }

    /// A roaring bitmap in its portable format, possibly followed by other bytes. `None` if its
    /// header does not fit its bytes.
    pub(crate) fn roaring(bytes: &'a [u8], len: u64) -> Option<Self> {
        let roaring = Roaring::parse(bytes)?;
        Some(Self {
            len,
            repr: Repr::Roaring(roaring),
        })
    }

    /// How many users.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether a user is in it. Costs one or two binary searches.
    pub fn contains(&self, user: u32) -> bool {
        match self.repr {
            Repr::Posting(bytes) => {
                let at = posting_lower_bound(bytes, user);
                at < bytes.len() / 4 && u32_at(bytes, at * 4) == user
            }
            Repr::Roaring(roaring) => {
                let low = user as u16;
                match roaring.container((user >> 16) as u16) {
                    None => false,
                    Some(Container::Array(values)) => {
                        let at = array_lower_bound(values, u32::from(low));
                        at < values.len() / 2 && u16_at(values, at * 2) == low
                    }
                    Some(Container::Bitmap(bits)) => {
                        bits[usize::from(low) / 8] >> (low % 8) & 1 == 1
                    }
                    Some(Container::Runs(runs)) => {
                        each_run(runs).any(|(from, to)| (from..to).contains(&u32::from(low)))
                    }
                }
            }
        }
    }

    /// Whether a chunk may have users in it: never false when it has. Looks at the container's key
    /// only, so a quarter of a container that happens to be empty may be reported.
    pub fn may_touch(&self, chunk: ChunkId) -> bool {
        match self.repr {
            Repr::Posting(_) => self.chunk_len(chunk) > 0,
            Repr::Roaring(roaring) => roaring
                .find((chunk.0 / CHUNKS_PER_CONTAINER) as u16)
                .is_some(),
        }
    }

    /// How many users of a chunk are in it.
    pub fn chunk_len(&self, chunk: ChunkId) -> u32 {
        match self.repr {
            Repr::Posting(bytes) => posting_chunk(bytes, chunk).len() as u32 / 4,
            Repr::Roaring(roaring) => {
                let (low, high) = quarter(chunk);
                match roaring.chunk_container(chunk) {
                    None => 0,
                    Some(Container::Array(values)) => {
                        (array_lower_bound(values, high) - array_lower_bound(values, low)) as u32
                    }
                    Some(Container::Bitmap(bits)) => {
                        quarter_words(bits, low).map(u64::count_ones).sum()
                    }
                    Some(Container::Runs(runs)) => each_run(runs)
                        .map(|(from, to)| to.min(high).saturating_sub(from.max(low)))
                        .sum(),
                }
            }
        }
    }

    /// Sets the bits of a chunk's users: bit `u` of word `w` is the chunk's user `64 * w + u`.
    pub fn or_chunk(&self, chunk: ChunkId, words: &mut [u64; CHUNK_WORDS]) {
        match self.repr {
            Repr::Posting(bytes) => {
                for value in posting_chunk(bytes, chunk).chunks_exact(4) {
                    let user = u32_at(value, 0) as usize % CHUNK_USERS;
                    words[user / 64] |= 1 << (user % 64);
                }
            }
            Repr::Roaring(roaring) => {
                let (low, high) = quarter(chunk);
                match roaring.chunk_container(chunk) {
                    None => {}
                    Some(Container::Array(values)) => {
                        let (from, to) = (
                            array_lower_bound(values, low),
                            array_lower_bound(values, high),
                        );
                        for value in values[from * 2..to * 2].chunks_exact(2) {
                            let user = usize::from(u16_at(value, 0)) % CHUNK_USERS;
                            words[user / 64] |= 1 << (user % 64);
                        }
                    }
                    Some(Container::Bitmap(bits)) => {
                        for (word, bits) in words.iter_mut().zip(quarter_words(bits, low)) {
                            *word |= bits;
                        }
                    }
                    Some(Container::Runs(runs)) => {
                        for (from, to) in each_run(runs) {
                            let (from, to) = (from.max(low), to.min(high));
                            if from < to {
                                set_run(words, (from - low) as usize, (to - low) as usize);
                            }
                        }
                    }
                }
            }
        }
    }

    /// The set as a bitmap of its own; an empty one if the bytes are no roaring bitmap, which a
    /// checked index never holds.
    pub fn to_bitmap(&self) -> RoaringBitmap {
        match self.repr {
            Repr::Posting(bytes) => bytes
                .chunks_exact(4)
                .map(|value| u32_at(value, 0))
                .collect(),
            Repr::Roaring(roaring) => {
                RoaringBitmap::deserialize_from(roaring.bytes).unwrap_or_default()
            }
        }
    }

    /// The number of chunks up to and including the last that may have users.
    pub fn chunks(&self) -> usize {
        match self.repr {
            Repr::Posting([]) => 0,
            Repr::Posting(bytes) => u32_at(bytes, bytes.len() - 4) as usize / CHUNK_USERS + 1,
            Repr::Roaring(roaring) => match roaring.containers.checked_sub(1) {
                None => 0,
                Some(last) => (usize::from(roaring.key(last)) + 1) * CHUNKS_PER_CONTAINER as usize,
            },
        }
    }
}

impl<'a> Roaring<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let cookie = u32_at(bytes.get(..4)?, 0);
        let (containers, run_marks, keys) = if cookie == COOKIE_WITHOUT_RUNS {
            (u32_at(bytes.get(4..8)?, 0) as usize, None, 8)
        } else if cookie as u16 == COOKIE_WITH_RUNS {
            let containers = (cookie >> 16) as usize + 1;
            (containers, Some(4), 4 + containers.div_ceil(8))
        } else {
            return None;
        };
        if containers > 65_536 {
            return None;
        }
        let after_keys = keys + containers * 4;
        let has_offsets = run_marks.is_none() || containers >= OFFSETS_FROM;
        let first = if has_offsets {
            after_keys + containers * 4
        } else {
            after_keys
        };
        let offsets = has_offsets.then_some(after_keys);
        let roaring = Self {
            bytes,
            containers,
            run_marks,
            keys,
            offsets,
            first,
        };
        if bytes.len() < first {
            return None;
        }
        // The last container ends last: if it fits, every container before it does.
        match containers.checked_sub(1) {
            Some(last) => roaring
                .place(last)
                .filter(|(at, length)| at + length <= bytes.len())
                .map(|_| roaring),
            None => Some(roaring),
        }
    }

    fn key(&self, index: usize) -> u16 {
        u16_at(self.bytes, self.keys + index * 4)
    }

    fn cardinality(&self, index: usize) -> usize {
        usize::from(u16_at(self.bytes, self.keys + index * 4 + 2)) + 1
    }

    fn is_runs(&self, index: usize) -> bool {
        self.run_marks
            .is_some_and(|at| self.bytes[at + index / 8] >> (index % 8) & 1 == 1)
    }

    fn find(&self, key: u16) -> Option<usize> {
        let (mut low, mut high) = (0, self.containers);
        while low < high {
            let middle = low.midpoint(high);
            if self.key(middle) < key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (low < self.containers && self.key(low) == key).then_some(low)
    }

    /// Where a container begins, and its length.
    fn place(&self, index: usize) -> Option<(usize, usize)> {
        if let Some(offsets) = self.offsets {
            let at = u32_at(self.bytes, offsets + index * 4) as usize;
            return Some((at, self.length(index, at)?));
        }
        let mut at = self.first;
        for before in 0..index {
            at += self.length(before, at)?;
        }
        Some((at, self.length(index, at)?))
    }

    fn length(&self, index: usize, at: usize) -> Option<usize> {
        if self.is_runs(index) {
            let runs = u16_at(self.bytes.get(at..at + 2)?, 0);
            return Some(2 + usize::from(runs) * 4);
        }
        let cardinality = self.cardinality(index);
        Some(if cardinality > ARRAY_MAX {
            BITMAP_BYTES
        } else {
            cardinality * 2
        })
    }

    fn container(&self, key: u16) -> Option<Container<'a>> {
        let index = self.find(key)?;
        let (at, length) = self.place(index)?;
        let bytes = self.bytes.get(at..at + length)?;
        Some(if self.is_runs(index) {
            Container::Runs(&bytes[2..])
        } else if self.cardinality(index) > ARRAY_MAX {
            Container::Bitmap(bytes)
        } else {
            Container::Array(bytes)
        })
    }

    fn chunk_container(&self, chunk: ChunkId) -> Option<Container<'a>> {
        self.container(u16::try_from(chunk.0 / CHUNKS_PER_CONTAINER).ok()?)
    }
}

/// A chunk's ordinals within its container, half-open.
fn quarter(chunk: ChunkId) -> (u32, u32) {
    let low = chunk.0 % CHUNKS_PER_CONTAINER * CHUNK_USERS as u32;
    (low, low + CHUNK_USERS as u32)
}

fn quarter_words(bits: &[u8], low: u32) -> impl Iterator<Item = u64> {
    let start = low as usize / 8;
    bits[start..start + CHUNK_WORDS * 8]
        .as_chunks::<8>()
        .0
        .iter()
        .map(|word| u64::from_le_bytes(*word))
}

/// Half-open runs.
fn each_run(runs: &[u8]) -> impl Iterator<Item = (u32, u32)> {
    runs.chunks_exact(4).map(|run| {
        let from = u32::from(u16_at(run, 0));
        (from, from + u32::from(u16_at(run, 2)) + 1)
    })
}

/// Sets the bits `from..to`, of which there is at least one.
fn set_run(words: &mut [u64; CHUNK_WORDS], from: usize, to: usize) {
    let (first, last) = (from / 64, (to - 1) / 64);
    let head = u64::MAX << (from % 64);
    let tail = u64::MAX >> (63 - (to - 1) % 64);
    if first == last {
        words[first] |= head & tail;
        return;
    }
    words[first] |= head;
    words[first + 1..last].fill(u64::MAX);
    words[last] |= tail;
}

fn posting_lower_bound(bytes: &[u8], user: u32) -> usize {
    bytes
        .as_chunks::<4>()
        .0
        .partition_point(|value| u32::from_le_bytes(*value) < user)
}

fn posting_chunk(bytes: &[u8], chunk: ChunkId) -> &[u8] {
    let first = chunk.first().0;
    let from = posting_lower_bound(bytes, first);
    let to = match first.checked_add(CHUNK_USERS as u32) {
        Some(next) => posting_lower_bound(bytes, next),
        None => bytes.len() / 4,
    };
    &bytes[from * 4..to * 4]
}

fn array_lower_bound(values: &[u8], user: u32) -> usize {
    values
        .as_chunks::<2>()
        .0
        .partition_point(|value| u32::from(u16::from_le_bytes(*value)) < user)
}

#[cfg(test)]
mod tests {
    // Goal: a frozen set answers what the bitmap it was made from answers.
    // Method: random sets of all kinds of containers, dense, sparse and in runs, around the edges of
    // chunks and containers, as roaring bytes with and without runs and as postings.

    use super::*;
    use proptest::prelude::*;

    fn part() -> impl Strategy<Value = Vec<u32>> {
        let edge = (0_u32..12).prop_map(|chunk| chunk * CHUNK_USERS as u32);
        let near = (edge.clone(), 0_u32..40)
            .prop_map(|(edge, back)| vec![(edge + 20).saturating_sub(back)]);
        let run = (edge.clone(), 0_u32..40_000, 1_u32..40_000)
            .prop_map(|(edge, offset, length)| (edge + offset..edge + offset + length).collect());
        let dense = (edge, any::<u64>(), 5_000_usize..20_000).prop_map(|(edge, seed, count)| {
            let mut state = seed;
            (0..count)
                .map(|_| {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    edge + (state >> 40) as u32 % 65_536
                })
                .collect()
        });
        let sparse = prop::collection::vec(0_u32..400_000, 0..50);
        prop_oneof![
            near,
            run,
            dense,
            sparse,
            Just(vec![u32::MAX - 1]),
            Just(vec![1 << 31])
        ]
    }

    fn check(set: FrozenSet<'_>, expected: &RoaringBitmap) {
        assert_eq!(set.len(), expected.len());
        assert_eq!(set.is_empty(), expected.is_empty());
        assert_eq!(&set.to_bitmap(), expected);
        let chunks = (0..30)
            .chain([
                (1 << 31) / CHUNK_USERS as u32,
                u32::MAX / CHUNK_USERS as u32,
            ])
            .map(ChunkId);
        for chunk in chunks {
            let mut words = [0_u64; CHUNK_WORDS];
            words[7] = 1 << 63;
            set.or_chunk(chunk, &mut words);
            let mut wanted = [0_u64; CHUNK_WORDS];
            wanted[7] = 1 << 63;
            let first = chunk.first().0;
            let last = first + (CHUNK_USERS - 1) as u32;
            for user in expected.range(first..=last) {
                wanted[(user - first) as usize / 64] |= 1 << ((user - first) % 64);
            }
            assert_eq!(words, wanted, "{chunk:?}");
            let count = expected.range_cardinality(first..=last);
            assert_eq!(u64::from(set.chunk_len(chunk)), count);
            assert!(set.may_touch(chunk) || count == 0);
            assert!(chunk.index() < set.chunks() || count == 0);
            for user in [first, first + 1, first + 63, last - 1, last] {
                assert_eq!(set.contains(user), expected.contains(user), "{user}");
            }
        }
        for user in expected.iter().step_by(97) {
            assert!(set.contains(user));
        }
    }

    fn check_forms(expected: &RoaringBitmap) {
        let mut forms = vec![expected.clone(), expected.clone()];
        forms[1].optimize();
        for bitmap in &forms {
            let mut bytes = Vec::new();
            bitmap.serialize_into(&mut bytes).unwrap();
            check(FrozenSet::roaring(&bytes, bitmap.len()).unwrap(), expected);
            for length in [0, 3, 4, 7, bytes.len() / 2, bytes.len() - 1] {
                assert!(
                    FrozenSet::roaring(&bytes[..length], bitmap.len()).is_none(),
                    "{length} of {}",
                    bytes.len()
                );
            }
        }
        let posting: Vec<u8> = expected.iter().flat_map(u32::to_le_bytes).collect();
        check(FrozenSet::posting(&posting), expected);
    }

    #[test]
    fn extremes() {
        check(FrozenSet::EMPTY, &RoaringBitmap::new());
        check_forms(&(0..400_000).collect());
        check_forms(&RoaringBitmap::from_iter([u32::MAX]));
        check_forms(&(0..131_072).filter(|user| user % 2 == 0).collect());
        check_forms(&(16_383..16_385).chain(65_535..65_537).collect());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn equals_the_bitmap(parts in prop::collection::vec(part(), 1..5)) {
            check_forms(&parts.into_iter().flatten().collect());
        }
    }
}
