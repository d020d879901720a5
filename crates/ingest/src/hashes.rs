//! Hashes of many ids, and which of them occur more than once, in bounded memory.

use crate::error::IngestError;
use rayon::prelude::*;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};

/// Buckets by the top byte of a hash: each is sorted on its own.
const BUCKETS: usize = 256;

/// Hashes in memory before they go to a temporary file: 256 MiB.
const IN_MEMORY_MAX: usize = 32 << 20;

/// Marks those of some hashes that are known.
pub(crate) type IsKnown<'a> = &'a (dyn Fn(&[u64], &mut [bool]) -> Result<(), IngestError> + Sync);

/// Hashes in the order they came, apart by their top byte.
#[derive(Debug)]
pub(crate) struct HashBuckets {
    buckets: Vec<Vec<u64>>,
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

impl Default for HashBuckets {
    fn default() -> Self {
        Self {
            buckets: vec![Vec::new(); BUCKETS],
            in_memory: 0,
            in_memory_max: IN_MEMORY_MAX,
            spilled: None,
        }
    }
}

impl HashBuckets {
    pub(crate) fn extend(&mut self, hashes: &[u64]) -> Result<(), IngestError> {
        for &hash in hashes {
            self.buckets[(hash >> 56) as usize].push(hash);
        }
        self.in_memory += hashes.len();
        if self.in_memory >= self.in_memory_max {
            self.spill()
                .map_err(IngestError::spool("the hashes of event ids"))?;
        }
        Ok(())
    }

    fn spill(&mut self) -> std::io::Result<()> {
        let spilled = match &mut self.spilled {
            Some(spilled) => spilled,
            None => self.spilled.insert(Spilled {
                file: tempfile::tempfile()?,
                bytes: 0,
                pieces: vec![Vec::new(); BUCKETS],
            }),
        };
        let mut bytes = Vec::new();
        for (bucket, pieces) in self.buckets.iter_mut().zip(&mut spilled.pieces) {
            bytes.clear();
            bytes.extend(bucket.iter().flat_map(|hash| hash.to_le_bytes()));
            spilled.file.write_all(&bytes)?;
            pieces.push((spilled.bytes, bucket.len()));
            spilled.bytes += bytes.len() as u64;
            *bucket = Vec::new();
        }
        self.in_memory = 0;
        Ok(())
    }

    /// The hashes that occur more than once, or for which `is_known` says yes, ascending and each
    /// once. `is_known` is asked for ascending hashes without repetition, and answers in place.
    pub(crate) fn into_suspects(self, is_known: IsKnown<'_>) -> Result<Vec<u64>, IngestError> {
        let Self {
            buckets,
            mut spilled,
            ..
        } = self;
        let mut suspects = Vec::new();
        let mut buckets = buckets.into_iter().enumerate();
        loop {
            // A few at a time: what was spilled comes back only that far.
            let mut some: Vec<Vec<u64>> = Vec::new();
            for (index, mut bucket) in buckets.by_ref().take(8) {
                if let Some(spilled) = &mut spilled {
                    spilled
                        .read_back(index, &mut bucket)
                        .map_err(IngestError::spool("the hashes of event ids"))?;
                }
                some.push(bucket);
            }
            if some.is_empty() {
                return Ok(suspects);
            }
            let found: Vec<Result<Vec<u64>, IngestError>> = some
                .into_par_iter()
                .map(|bucket| suspects_of(bucket, is_known))
                .collect();
            for found in found {
                suspects.extend(found?);
            }
        }
    }
}

impl Spilled {
    fn read_back(&mut self, bucket: usize, hashes: &mut Vec<u64>) -> std::io::Result<()> {
        for &(start, count) in &self.pieces[bucket] {
            let mut bytes = vec![0; count * 8];
            self.file.seek(SeekFrom::Start(start))?;
            self.file.read_exact(&mut bytes)?;
            hashes.extend(
                bytes
                    .as_chunks()
                    .0
                    .iter()
                    .map(|hash| u64::from_le_bytes(*hash)),
            );
        }
        Ok(())
    }
}

fn suspects_of(mut hashes: Vec<u64>, is_known: IsKnown<'_>) -> Result<Vec<u64>, IngestError> {
    hashes.sort_unstable();
    let mut repeated: Vec<u64> = hashes
        .windows(2)
        .filter(|pair| pair[0] == pair[1])
        .map(|pair| pair[0])
        .collect();
    repeated.dedup();
    hashes.dedup();
    let mut known = vec![false; hashes.len()];
    is_known(&hashes, &mut known)?;
    let mut known: Vec<u64> = hashes
        .iter()
        .zip(known)
        .filter(|(_, known)| *known)
        .map(|(hash, _)| *hash)
        .collect();
    known.extend(repeated);
    known.sort_unstable();
    known.dedup();
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spilling_changes_nothing() {
        // Spread over all buckets; every third number comes twice, number 5 is known.
        let spread = |number: u64| number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut hashes: Vec<u64> = (0..1_000).map(spread).collect();
        hashes.extend((0..1_000).filter(|number| number % 3 == 0).map(spread));
        let mut expected: Vec<u64> = (0..1_000)
            .filter(|number| number % 3 == 0 || *number == 5)
            .map(spread)
            .collect();
        expected.sort_unstable();
        for in_memory_max in [64, usize::MAX] {
            let mut buckets = HashBuckets {
                in_memory_max,
                ..HashBuckets::default()
            };
            for hashes in hashes.chunks(100) {
                buckets.extend(hashes).unwrap();
            }
            assert_eq!(buckets.spilled.is_some(), in_memory_max == 64);
            let suspects = buckets
                .into_suspects(&|asked, known| {
                    assert!(asked.is_sorted());
                    for (hash, known) in asked.iter().zip(known) {
                        *known |= *hash == spread(5);
                    }
                    Ok(())
                })
                .unwrap();
            assert_eq!(suspects, expected);
        }
    }
}
