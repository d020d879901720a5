//! The immutable events of one span of time.

use crate::codec::FrameKind;
use crate::directory::{Directory, FileBytes};
use crate::error::{Damaged, StorageError};
use crate::image::Image;
use crate::stats::PartitionStats;
use crate::stream::{Stream, StreamMeta};
use crowdset_types::{PartitionId, TimeRange};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PartitionMeta {
    pub(crate) id: PartitionId,
    pub(crate) range: TimeRange,
    pub(crate) rows: u64,
    /// The time that offsets count from: the first row's.
    pub(crate) base: i64,
    /// Offsets of 64 bits instead of 32.
    pub(crate) wide: bool,
    /// Ascending by name.
    pub(crate) streams: Vec<StreamMeta>,
}

/// The immutable events of one span of time, apart by event name.
///
/// A partition is self-contained: it has its own event names, property names and dictionaries.
#[derive(Debug)]
pub struct Partition {
    image: Image,
    id: PartitionId,
    range: TimeRange,
    rows: u64,
    streams: Vec<Stream>,
}

impl Partition {
    /// Opens an image that [`crate::seal`] wrote. Reads its table only: microseconds.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the file is missing, foreign, newer than this build, cut off, or its
    /// table is damaged. Damage to sections is found when they are first asked for.
    pub fn open(directory: &dyn Directory, name: &str) -> Result<Self, StorageError> {
        Self::of_file(name, directory.open(name)?)
    }

    /// The same of a file that is open already.
    ///
    /// # Errors
    ///
    /// As [`Partition::open`].
    pub fn of_file(name: &str, file: FileBytes) -> Result<Self, StorageError> {
        let (image, meta): (Image, PartitionMeta) =
            Image::of_file(name, file, FrameKind::Partition)?;
        let streams = meta
            .streams
            .into_iter()
            .map(|stream| Stream::open(&image, stream, meta.base, meta.wide))
            .collect::<Result<Vec<_>, _>>()?;
        if !streams.is_sorted_by(|left, right| left.name() < right.name()) {
            return Err(StorageError::malformed(
                name,
                "the streams are not in order",
            ));
        }
        Ok(Self {
            image,
            id: meta.id,
            range: meta.range,
            rows: meta.rows,
            streams,
        })
    }

    /// Its number, never used twice in the life of a store.
    pub fn id(&self) -> PartitionId {
        self.id
    }

    /// The span it was made for; all rows lie inside, and no other partition overlaps it.
    pub fn range(&self) -> TimeRange {
        self.range
    }

    /// How many rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The rows of each event name that occurs, ascending by name.
    pub fn streams(&self) -> &[Stream] {
        &self.streams
    }

    /// The rows of one event name; `None` if it does not occur.
    pub fn stream(&self, name: &str) -> Option<&Stream> {
        self.streams
            .binary_search_by(|stream| stream.name().cmp(name))
            .ok()
            .map(|index| &self.streams[index])
    }

    /// Bytes by stream and column.
    pub fn stats(&self) -> PartitionStats {
        PartitionStats {
            id: self.id,
            range: self.range,
            rows: self.rows,
            file_bytes: self.image.file_bytes(),
            streams: self.streams.iter().map(Stream::stats).collect(),
        }
    }

    /// Reads every section and calls `damaged` for each that changed.
    pub fn verify(&self, damaged: &mut dyn FnMut(Damaged)) {
        self.image.verify(damaged);
    }
}
