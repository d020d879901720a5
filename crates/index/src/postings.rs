//! Collecting the users of every value, chunk by chunk, in one pass over codes.

use crate::policy::Policy;
use crowdset_types::{CHUNK_USERS, CHUNK_WORDS, ChunkId};
use roaring::RoaringBitmap;

/// With at most so many codes, a bit per user and code is marked (512 KiB); with more, pairs are
/// sorted.
const MATRIX_CODES_MAX: usize = 256;

/// In a chunk with more users than this, a set is merged as words; otherwise pushed one by one.
const MERGE_FROM: u32 = 256;

/// The sets take more bytes than the policy allows: the values are not worth an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sets of all values take more than {bytes_max} bytes")]
pub struct TooLarge {
    /// What the policy allows.
    pub bytes_max: u64,
}

/// Collects, for each code of a dictionary, the users that have it.
///
/// Chunks are added in ascending order; the rows of a chunk in any order, repeatedly if need be.
#[derive(Debug)]
pub struct PostingsBuilder {
    sets: Vec<RoaringBitmap>,
    bytes: u64,
    bytes_max: u64,
    /// Of a chunk: a word row per code. Empty if pairs are sorted.
    matrix: Vec<[u64; CHUNK_WORDS]>,
    /// Of a chunk: code times chunk size plus user.
    pairs: Vec<u64>,
    next_chunk: u32,
}

impl PostingsBuilder {
    /// A collection for `codes` codes of a column of `rows` rows; the policy limits its bytes.
    pub fn new(codes: usize, rows: usize, policy: &Policy) -> Self {
        let matrix = if codes <= MATRIX_CODES_MAX {
            vec![[0; CHUNK_WORDS]; codes]
        } else {
            Vec::new()
        };
        Self {
            sets: vec![RoaringBitmap::new(); codes],
            bytes: 0,
            bytes_max: policy.bytes_max(rows),
            matrix,
            pairs: Vec::new(),
            next_chunk: 0,
        }
    }

    /// Adds all rows of a chunk: the user's ordinal within the chunk, and the code.
    ///
    /// Costs one to two nanoseconds a row with few codes, some twenty with many.
    ///
    /// # Errors
    ///
    /// [`TooLarge`] as soon as the sets take more bytes than the policy allows; then give up.
    ///
    /// # Panics
    ///
    /// If a chunk comes twice or late, or a code is not below the number of codes.
    pub fn add_chunk(
        &mut self,
        chunk: ChunkId,
        rows: impl Iterator<Item = (u16, u32)>,
    ) -> Result<(), TooLarge> {
        assert!(chunk.0 >= self.next_chunk, "chunks come in ascending order");
        self.next_chunk = chunk.0 + 1;
        if self.sets.len() <= MATRIX_CODES_MAX {
            for (user, code) in rows {
                self.matrix[code as usize][usize::from(user) / 64 % CHUNK_WORDS] |=
                    1 << (user % 64);
            }
            for (set, words) in self.sets.iter_mut().zip(&mut self.matrix) {
                let count: u32 = words.iter().map(|word| word.count_ones()).sum();
                if count > 0 {
                    self.bytes += estimate(count, run_count(words));
                    put_words(set, chunk, words, count);
                    words.fill(0);
                }
            }
        } else {
            self.pairs.clear();
            self.pairs.extend(
                rows.map(|(user, code)| u64::from(code) * CHUNK_USERS as u64 + u64::from(user)),
            );
            self.pairs.sort_unstable();
            self.pairs.dedup();
            for of_code in self
                .pairs
                .chunk_by(|left, right| left / CHUNK_USERS as u64 == right / CHUNK_USERS as u64)
            {
                let runs = 1 + of_code
                    .windows(2)
                    .filter(|pair| pair[0] + 1 != pair[1])
                    .count() as u32;
                self.bytes += estimate(of_code.len() as u32, runs);
                let set = &mut self.sets[(of_code[0] / CHUNK_USERS as u64) as usize];
                for pair in of_code {
                    set.insert(chunk.first().0 + (pair % CHUNK_USERS as u64) as u32);
                }
            }
        }
        if self.bytes > self.bytes_max {
            Err(TooLarge {
                bytes_max: self.bytes_max,
            })
        } else {
            Ok(())
        }
    }

    /// The set of each code.
    pub fn finish(self) -> Vec<RoaringBitmap> {
        self.sets
    }
}

/// Bytes that a chunk's part of a set will take: as array, bitmap, or runs.
fn estimate(count: u32, runs: u32) -> u64 {
    u64::from((count * 2).min(CHUNK_WORDS as u32 * 8).min(runs * 4))
}

fn run_count(words: &[u64; CHUNK_WORDS]) -> u32 {
    let mut before = 0;
    words
        .iter()
        .map(|word| {
            let starts = word & !(word << 1 | before);
            before = word >> 63;
            starts.count_ones()
        })
        .sum()
}

fn put_words(set: &mut RoaringBitmap, chunk: ChunkId, words: &[u64; CHUNK_WORDS], count: u32) {
    let first = chunk.first().0;
    if count > MERGE_FROM {
        let mut bytes = [0; CHUNK_WORDS * 8];
        for (bytes, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *bytes = word.to_le_bytes();
        }
        *set |= RoaringBitmap::from_lsb0_bytes(first, &bytes);
        return;
    }
    for (index, word) in (0_u32..).zip(words) {
        let mut bits = *word;
        while bits != 0 {
            set.insert(first + index * 64 + bits.trailing_zeros());
            bits &= bits - 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn both_ways_collect_the_same() {
        for codes in [1_usize, 3, 256, 257, 3_000] {
            let mut builder = PostingsBuilder::new(codes, 0, &Policy::EVERYTHING);
            let mut expected = vec![BTreeSet::new(); codes];
            let mut state = 1_u64;
            for chunk in [0_u32, 1, 2, 5, 9] {
                let mut next = || {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    state >> 33
                };
                let rows: Vec<(u16, u32)> = (0..20_000)
                    .map(|_| {
                        (
                            (next() % 16_384) as u16,
                            (next() % codes as u64 * (next() % 2)) as u32,
                        )
                    })
                    .collect();
                for (user, code) in &rows {
                    expected[*code as usize].insert(chunk * 16_384 + u32::from(*user));
                }
                builder.add_chunk(ChunkId(chunk), rows.into_iter()).unwrap();
            }
            for (set, expected) in builder.finish().iter().zip(&expected) {
                assert!(set.iter().eq(expected.iter().copied()));
            }
        }
    }

    #[test]
    fn gives_up_when_it_does_not_pay() {
        let policy = Policy {
            bytes_per_row_max: 0.5,
            ..Policy::default()
        };
        for codes in [100, 1_000] {
            // Every second user, so that runs do not help: two bytes a row.
            let rows = (0..8_192_u16).map(|user| (user * 2, u32::from(user) % codes));
            let mut builder = PostingsBuilder::new(codes as usize, 8_192, &policy);
            assert_eq!(
                builder.add_chunk(ChunkId(0), rows),
                Err(TooLarge { bytes_max: 4_096 })
            );
        }
        // Everyone has the same value: one run.
        let mut builder = PostingsBuilder::new(1, 8_192, &policy);
        builder
            .add_chunk(ChunkId(0), (0..16_384_u16).map(|user| (user, 0)))
            .unwrap();
        assert_eq!(builder.finish()[0].len(), 16_384);
    }
}
