//! Hashes of many event ids, which of them occur more than once, and of which day their events are,
//! in bounded memory.

use crate::error::IngestError;
use rayon::prelude::*;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};

/// Buckets by the top bits of a hash: each is sorted on its own, within a core's cache as a rule.
const BUCKETS: usize = 1 << BUCKET_BITS;
const BUCKET_BITS: u32 = 10;

/// Buckets that are worked on together: what was spilled comes back only that far.
const BUCKETS_AT_ONCE: usize = 32;

/// Hashes of a bucket that should share a place while it is sorted.
const PLACE_HASHES: usize = 4;

/// Hashes in memory before they go to a temporary file, of 12 bytes each: 1.5 GiB, which is less than
/// what sealing a partition takes afterwards.
const IN_MEMORY_MAX: usize = 128 << 20;

/// Bytes of one hash and its day in the temporary file.
const SPILLED_BYTES: usize = 12;

/// Marks those of some hashes that are known.
pub(crate) type IsKnown<'a> = &'a (dyn Fn(&[u64], &mut [bool]) -> Result<(), IngestError> + Sync);

/// Hashes of one bucket and, in the same order, the days since the epoch of their events.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bucket {
    pub(crate) hashes: Vec<u64>,
    pub(crate) days: Vec<i32>,
}

/// Hashes apart by their top bits.
#[derive(Debug)]
pub(crate) struct HashBuckets {
    buckets: Vec<Bucket>,
    in_memory: usize,
    in_memory_max: usize,
    spilled: Option<Spilled>,
}

/// Pieces of buckets in a temporary file.
#[derive(Debug)]
struct Spilled {
    file: File,
    bytes: u64,
    /// For each bucket, where its pieces begin and how many hashes they hold.
    pieces: Vec<Vec<(u64, usize)>>,
}

impl HashBuckets {
    /// Room for about so many hashes, as far as they are kept in memory.
    pub(crate) fn with_capacity(hashes: u64) -> Self {
        Self::with_memory(hashes, IN_MEMORY_MAX)
    }

    fn with_memory(hashes: u64, in_memory_max: usize) -> Self {
        let expected = (hashes as usize).min(in_memory_max) / BUCKETS;
        // Hashes spread evenly: three standard deviations more fit nearly every bucket.
        let room = expected + 3 * expected.isqrt();
        let bucket = || Bucket {
            hashes: Vec::with_capacity(room),
            days: Vec::with_capacity(room),
        };
        Self {
            buckets: std::iter::repeat_with(bucket).take(BUCKETS).collect(),
            in_memory: 0,
            in_memory_max,
            spilled: None,
        }
    }

    /// Adds hashes; `days` has the day of each.
    pub(crate) fn extend(&mut self, hashes: &[u64], days: &[i32]) -> Result<(), IngestError> {
        for (&hash, &day) in hashes.iter().zip(days) {
            let bucket = &mut self.buckets[(hash >> (u64::BITS - BUCKET_BITS)) as usize];
            bucket.hashes.push(hash);
            bucket.days.push(day);
        }
        self.in_memory += hashes.len();
        if self.in_memory >= self.in_memory_max {
            self.spill().map_err(spool())?;
        }
        Ok(())
    }

    fn spill(&mut self) -> std::io::Result<()> {
        let spilled = match &mut self.spilled {
            Some(spilled) => spilled,
            none => none.insert(Spilled {
                file: tempfile::tempfile()?,
                bytes: 0,
                pieces: vec![Vec::new(); BUCKETS],
            }),
        };
        for (index, bucket) in self.buckets.iter_mut().enumerate() {
            spilled.append(index, bucket)?;
            bucket.hashes.clear();
            bucket.days.clear();
        }
        self.in_memory = 0;
        Ok(())
    }

    /// The hashes that occur more than once, or for which `is_known` says yes, ascending and each
    /// once. `is_known` is asked for ascending hashes, and answers in place.
    /// Afterwards all hashes are in order.
    pub(crate) fn suspects(&mut self, is_known: IsKnown<'_>) -> Result<Vec<u64>, IngestError> {
        if self.spilled.is_some() {
            // All of them in the file, from where they come back in order.
            self.spill().map_err(spool())?;
        }
        let mut suspects = Vec::new();
        for (some, buckets) in self.buckets.chunks_mut(BUCKETS_AT_ONCE).enumerate() {
            let first = some * BUCKETS_AT_ONCE;
            if let Some(spilled) = &mut self.spilled {
                for (index, bucket) in (first..).zip(&mut *buckets) {
                    spilled.read_back(index, bucket).map_err(spool())?;
                }
            }
            let found: Vec<Result<Vec<u64>, IngestError>> = buckets
                .par_iter_mut()
                .map(|bucket| {
                    bucket.sort();
                    suspects_of(&bucket.hashes, is_known)
                })
                .collect();
            for found in found {
                suspects.extend(found?);
            }
            if let Some(spilled) = &mut self.spilled {
                for (index, bucket) in (first..).zip(buckets) {
                    spilled.pieces[index].clear();
                    spilled.append(index, bucket).map_err(spool())?;
                    *bucket = Bucket::default();
                }
            }
        }
        Ok(suspects)
    }

    /// All hashes and the days of their events, a few buckets at a time, ascending from bucket to
    /// bucket and in each; after [`HashBuckets::suspects`].
    pub(crate) fn for_each_some<E: From<IngestError>>(
        self,
        mut take: impl FnMut(&[Bucket]) -> Result<(), E>,
    ) -> Result<(), E> {
        let Self {
            buckets,
            mut spilled,
            ..
        } = self;
        let mut buckets = buckets.into_iter().enumerate();
        loop {
            let mut some = Vec::with_capacity(BUCKETS_AT_ONCE);
            for (index, mut bucket) in buckets.by_ref().take(BUCKETS_AT_ONCE) {
                if let Some(spilled) = &mut spilled {
                    spilled.read_back(index, &mut bucket).map_err(spool())?;
                }
                some.push(bucket);
            }
            if some.is_empty() {
                return Ok(());
            }
            take(&some)?;
        }
    }
}

fn spool() -> impl FnOnce(std::io::Error) -> IngestError {
    IngestError::spool("the hashes of event ids")
}

impl Bucket {
    /// By hash, then by day. Hashes are spread evenly: their next bits say nearly where each belongs, and
    /// the few of one place are sorted.
    fn sort(&mut self) {
        let count = self.hashes.len();
        let bits = (count / PLACE_HASHES).max(2).ilog2();
        let place = |hash: u64| (hash << BUCKET_BITS >> (u64::BITS - bits)) as usize;
        let mut ends = vec![0_u32; 1 << bits];
        for hash in &self.hashes {
            ends[place(*hash)] += 1;
        }
        let mut start = 0;
        for end in &mut ends {
            start += std::mem::replace(end, start);
        }
        let mut pairs = vec![(0, 0); count];
        for (&hash, &day) in self.hashes.iter().zip(&self.days) {
            let end = &mut ends[place(hash)];
            pairs[*end as usize] = (hash, day);
            *end += 1;
        }
        let mut start = 0;
        for end in ends {
            pairs[start..end as usize].sort_unstable();
            start = end as usize;
        }
        for (index, (hash, day)) in pairs.into_iter().enumerate() {
            self.hashes[index] = hash;
            self.days[index] = day;
        }
    }
}

impl Spilled {
    fn append(&mut self, index: usize, bucket: &Bucket) -> std::io::Result<()> {
        let mut bytes = Vec::with_capacity(bucket.hashes.len() * SPILLED_BYTES);
        bytes.extend(bucket.hashes.iter().flat_map(|hash| hash.to_le_bytes()));
        bytes.extend(bucket.days.iter().flat_map(|day| day.to_le_bytes()));
        self.file.seek(SeekFrom::Start(self.bytes))?;
        self.file.write_all(&bytes)?;
        self.pieces[index].push((self.bytes, bucket.hashes.len()));
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Puts what the file holds of a bucket in the place of what the bucket holds.
    fn read_back(&mut self, index: usize, bucket: &mut Bucket) -> std::io::Result<()> {
        bucket.hashes.clear();
        bucket.days.clear();
        let mut bytes = Vec::new();
        for &(start, count) in &self.pieces[index] {
            bytes.resize(count * SPILLED_BYTES, 0);
            self.file.seek(SeekFrom::Start(start))?;
            self.file.read_exact(&mut bytes)?;
            let (hashes, days) = bytes.split_at(count * size_of::<u64>());
            let hashes = hashes.as_chunks().0.iter();
            bucket
                .hashes
                .extend(hashes.map(|hash| u64::from_le_bytes(*hash)));
            let days = days.as_chunks().0.iter();
            bucket.days.extend(days.map(|day| i32::from_le_bytes(*day)));
        }
        Ok(())
    }
}

/// Of ascending hashes.
fn suspects_of(hashes: &[u64], is_known: IsKnown<'_>) -> Result<Vec<u64>, IngestError> {
    let mut suspects: Vec<u64> = hashes
        .windows(2)
        .filter(|pair| pair[0] == pair[1])
        .map(|pair| pair[0])
        .collect();
    let mut known = vec![false; hashes.len()];
    is_known(hashes, &mut known)?;
    let known = hashes.iter().zip(known).filter(|(_, known)| *known);
    suspects.extend(known.map(|(hash, _)| *hash));
    suspects.sort_unstable();
    suspects.dedup();
    Ok(suspects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_sorted_as_pairs_are() {
        // Hashes of one bucket have their top bits in common.
        fn spread(number: u64) -> u64 {
            number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> BUCKET_BITS
        }
        // Spread evenly, with repetitions, and all in one place.
        let hashes: [fn(u64) -> u64; 3] =
            [spread, |number| spread(number % 3), |number| number % 50];
        for count in [0_u64, 1, 2, 7, 8, 9, 100, 5_000] {
            for hash in hashes {
                let hashes: Vec<u64> = (0..count).map(hash).collect();
                let days: Vec<i32> = (0..count).map(|number| spread(number) as i32).collect();
                let mut expected: Vec<(u64, i32)> =
                    hashes.iter().copied().zip(days.iter().copied()).collect();
                expected.sort_unstable();
                let mut bucket = Bucket { hashes, days };
                bucket.sort();
                let found: Vec<(u64, i32)> = bucket.hashes.into_iter().zip(bucket.days).collect();
                assert_eq!(found, expected, "{count}");
            }
        }
    }

    #[test]
    fn spilling_changes_nothing() {
        // Spread over all buckets; every third number comes twice, number 5 is known.
        let spread = |number: u64| number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut hashes: Vec<u64> = (0..1_000).map(spread).collect();
        hashes.extend((0..1_000).filter(|number| number % 3 == 0).map(spread));
        let days: Vec<i32> = (0..hashes.len() as i32).map(|day| day - 700).collect();
        let mut expected: Vec<u64> = (0..1_000)
            .filter(|number| number % 3 == 0 || *number == 5)
            .map(spread)
            .collect();
        expected.sort_unstable();
        let mut all: Vec<(u64, i32)> = hashes.iter().copied().zip(days.clone()).collect();
        all.sort_unstable();
        for in_memory_max in [64, 1_300, usize::MAX] {
            let mut buckets = HashBuckets::with_memory(1_000, in_memory_max.min(1 << 20));
            for (hashes, days) in hashes.chunks(100).zip(days.chunks(100)) {
                buckets.extend(hashes, days).unwrap();
            }
            assert_eq!(buckets.spilled.is_some(), in_memory_max < hashes.len());
            let suspects = buckets
                .suspects(&|asked, known| {
                    assert!(asked.is_sorted());
                    for (hash, known) in asked.iter().zip(known) {
                        *known |= *hash == spread(5);
                    }
                    Ok(())
                })
                .unwrap();
            assert_eq!(suspects, expected);
            let mut found = Vec::new();
            buckets
                .for_each_some(|some| {
                    for bucket in some {
                        found.extend(bucket.hashes.iter().copied().zip(bucket.days.clone()));
                    }
                    Ok::<(), IngestError>(())
                })
                .unwrap();
            assert_eq!(found, all);
        }
    }
}
