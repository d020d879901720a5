//! Event ids: their order, and a sorted file of their hashes per partition, which tells whether an
//! id may already be stored.
//!
//! Ids themselves are cold: they are in the Parquet file only. A hash that is found must be
//! confirmed there; one that is not found is new for certain.

use crate::codec::FrameKind;
use crate::directory::Directory;
use crate::error::{Damaged, StorageError};
use crate::ids::IdHasher;
use crate::image::{Image, ImageWriter, SectionId};
use crate::manifest::FileEntry;
use arrow_buffer::ScalarBuffer;
use serde::{Deserialize, Serialize};

/// An event id as the order of events compares it: integers as numbers, text by bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventIdKey {
    /// An integer.
    Integer(i64),
    /// Text. Where integers and text meet, text comes last.
    Text(Box<str>),
}

/// Hashes event ids with the seed of the store, since ids come from outside.
#[derive(Clone)]
pub struct EventIdHasher(IdHasher);

impl std::fmt::Debug for EventIdHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventIdHasher").finish_non_exhaustive()
    }
}

impl EventIdHasher {
    /// The seed is the store's own ([`crate::Manifest::seed`]).
    pub fn new(seed: u64) -> Self {
        Self(IdHasher::new(seed))
    }

    /// The hash of an id's text; integers are hashed as their decimal text.
    pub fn hash(&self, id: &str) -> u64 {
        self.0.hash(id)
    }
}

/// Hashes per section: a look-up checks and reads 1 MiB of the file, not all of it.
const BLOCK: usize = 131_072;

#[derive(Debug, Serialize, Deserialize)]
struct EventIdsMeta {
    len: u64,
    /// The first hash of each block, and its section.
    blocks: Vec<(u64, SectionId)>,
}

/// Writes an image of hashes, as they come.
#[derive(Debug)]
pub struct EventIdsWriter {
    image: ImageWriter,
    /// Those of the block that is not yet full.
    pending: Vec<u64>,
    len: u64,
    blocks: Vec<(u64, SectionId)>,
}

impl EventIdsWriter {
    /// Begins the image `name`.
    ///
    /// # Errors
    ///
    /// As [`Directory::create`].
    pub fn create(directory: &dyn Directory, name: &str) -> Result<Self, StorageError> {
        let mut image = ImageWriter::create(directory, name, FrameKind::EventIds)?;
        image.expect_no_reads();
        Ok(Self {
            image,
            // Grows with what comes: a load has one of these for each partition that it writes.
            pending: Vec::new(),
            len: 0,
            blocks: Vec::new(),
        })
    }

    /// Appends hashes, ascending and none smaller than the one before them.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn extend(&mut self, mut hashes: &[u64]) -> Result<(), StorageError> {
        debug_assert!(hashes.is_sorted());
        debug_assert!(
            self.pending
                .last()
                .is_none_or(|last| hashes.iter().all(|hash| last <= hash))
        );
        while !hashes.is_empty() {
            let room = (BLOCK - self.pending.len()).min(hashes.len());
            let (some, rest) = hashes.split_at(room);
            self.pending.extend_from_slice(some);
            hashes = rest;
            if self.pending.len() == BLOCK {
                self.write_block()?;
            }
        }
        Ok(())
    }

    fn write_block(&mut self) -> Result<(), StorageError> {
        let name = format!("hashes {}", self.blocks.len());
        let section = self.image.section(name, &self.pending)?;
        self.blocks.push((self.pending[0], section));
        self.len += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    /// Ends the image.
    ///
    /// # Errors
    ///
    /// If the file cannot be written; then there is none.
    pub fn finish(mut self) -> Result<FileEntry, StorageError> {
        if !self.pending.is_empty() {
            self.write_block()?;
        }
        self.image.finish(EventIdsMeta {
            len: self.len,
            blocks: self.blocks,
        })
    }
}

/// The hashes of the event ids of one partition, and maybe some of rows that were left out later:
/// what is found must be confirmed in any case.
#[derive(Debug)]
pub struct EventIds {
    image: Image,
    len: u64,
    blocks: Vec<Block>,
}

#[derive(Debug)]
struct Block {
    first: u64,
    section: SectionId,
    hashes: ScalarBuffer<u64>,
}

impl EventIds {
    /// Opens an image of [`EventIdsWriter`]. Reads its table only.
    ///
    /// # Errors
    ///
    /// As [`crate::Partition::open`].
    pub fn open(directory: &dyn Directory, name: &str) -> Result<Self, StorageError> {
        let (image, meta): (Image, EventIdsMeta) =
            Image::open(directory, name, FrameKind::EventIds)?;
        if meta.blocks.len() as u64 != meta.len.div_ceil(BLOCK as u64) {
            return Err(StorageError::malformed(
                name,
                "the number of blocks is wrong",
            ));
        }
        let mut left = meta.len as usize;
        let mut blocks = Vec::with_capacity(meta.blocks.len());
        for (first, section) in meta.blocks {
            let rows = left.min(BLOCK);
            image.expect::<u64>(section, rows)?;
            blocks.push(Block {
                first,
                section,
                hashes: image.values(section),
            });
            left -= rows;
        }
        Ok(Self {
            image,
            len: meta.len,
            blocks,
        })
    }

    /// How many hashes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of the file.
    pub fn file_bytes(&self) -> u64 {
        self.image.file_bytes()
    }

    /// Calls `found` with the index of each hash that is there. `sorted` must be ascending.
    ///
    /// Reads only the blocks that a hash falls into, and checks each the first time.
    ///
    /// # Errors
    ///
    /// [`Damaged`] names the block.
    pub fn find_all(&self, sorted: &[u64], found: &mut dyn FnMut(usize)) -> Result<(), Damaged> {
        let mut index = 0;
        while index < sorted.len() {
            // Equal hashes may cross from one block into the next: the earlier one is enough, as it
            // then ends with them.
            let after = self
                .blocks
                .partition_point(|block| block.first < sorted[index]);
            let next = self.blocks.get(after);
            if next.is_some_and(|block| block.first == sorted[index]) {
                found(index);
                index += 1;
                continue;
            }
            let Some(block) = after.checked_sub(1).map(|before| &self.blocks[before]) else {
                // Smaller than all there are.
                index += 1;
                continue;
            };
            self.image.check(block.section)?;
            let end = next.map_or(sorted.len(), |next| {
                index + sorted[index..].partition_point(|hash| *hash < next.first)
            });
            let hashes: &[u64] = &block.hashes;
            let mut low = 0;
            for (number, hash) in sorted[index..end].iter().enumerate() {
                low += gallop(&hashes[low..], *hash);
                if hashes.get(low) == Some(hash) {
                    found(index + number);
                }
            }
            index = end;
        }
        Ok(())
    }

    /// Reads every block and calls `damaged` for each that changed.
    pub fn verify(&self, damaged: &mut dyn FnMut(Damaged)) {
        self.image.verify(damaged);
    }
}

/// How many of the ascending hashes are smaller than `hash`: in steps that double from the start.
fn gallop(hashes: &[u64], hash: u64) -> usize {
    let mut step = 1;
    while step < hashes.len() && hashes[step - 1] < hash {
        step *= 2;
    }
    let low = step / 2;
    low + hashes[low..hashes.len().min(step)].partition_point(|other| *other < hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory_directory::MemoryDirectory;
    use std::collections::BTreeSet;

    fn write_event_ids(directory: &dyn Directory, name: &str, mut hashes: Vec<u64>) {
        hashes.sort_unstable();
        let mut writer = EventIdsWriter::create(directory, name).unwrap();
        // In pieces of all sizes: blocks are filled and split.
        for some in hashes.chunks(hashes.len() / 3 + 1) {
            writer.extend(some).unwrap();
        }
        writer.finish().unwrap();
    }

    #[test]
    fn finds_what_is_there_and_nothing_else() {
        let directory = MemoryDirectory::new();
        let hasher = EventIdHasher::new(3);
        let hashes: Vec<u64> = (0..300_000)
            .map(|number| hasher.hash(&format!("e{number}")))
            .collect();
        let stored: BTreeSet<u64> = hashes.iter().copied().collect();
        write_event_ids(&directory, "p.ids", hashes);
        let ids = EventIds::open(&directory, "p.ids").unwrap();
        assert_eq!(ids.len(), 300_000);
        let mut asked: Vec<u64> = (290_000..310_000)
            .map(|number| hasher.hash(&format!("e{number}")))
            .chain([0, u64::MAX])
            .collect();
        asked.extend(
            ids.blocks
                .iter()
                .flat_map(|block| [block.first, block.first - 1, block.first + 1]),
        );
        asked.sort_unstable();
        let mut found = BTreeSet::new();
        ids.find_all(&asked, &mut |index| assert!(found.insert(index)))
            .unwrap();
        let expected: BTreeSet<usize> = (0..asked.len())
            .filter(|index| stored.contains(&asked[*index]))
            .collect();
        assert_eq!(found, expected);
        assert!(expected.len() >= 10_003);
    }

    #[test]
    fn equal_hashes_and_empty_files_are_fine() {
        let directory = MemoryDirectory::new();
        write_event_ids(&directory, "same.ids", vec![7; BLOCK + 5]);
        write_event_ids(&directory, "none.ids", Vec::new());
        let same = EventIds::open(&directory, "same.ids").unwrap();
        let none = EventIds::open(&directory, "none.ids").unwrap();
        let mut found = Vec::new();
        same.find_all(&[6, 7, 7, 8], &mut |index| found.push(index))
            .unwrap();
        none.find_all(&[7], &mut |index| found.push(index)).unwrap();
        assert_eq!(found, [1, 2]);
        assert!(none.is_empty());
    }

    #[test]
    fn damage_is_reported_by_block() {
        let directory = MemoryDirectory::new();
        write_event_ids(&directory, "p.ids", (0..BLOCK as u64 * 2).collect());
        let mut bytes = directory.open("p.ids").unwrap().to_vec();
        bytes[64 + BLOCK * 8 + 100] ^= 1;
        directory.replace("p.ids", &bytes).unwrap();
        let ids = EventIds::open(&directory, "p.ids").unwrap();
        ids.find_all(&[5], &mut |_| {}).unwrap();
        let damaged = ids.find_all(&[BLOCK as u64 + 7], &mut |_| {}).unwrap_err();
        assert_eq!(damaged.section, "hashes 1");
    }
}
