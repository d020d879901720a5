//! The rows of one event name in one partition, ordered by chunk of users, then time.

use crate::column::Column;
use crate::column_meta::{DataKind, Kinds, LazyColumn, PartMeta};
use crate::error::{Damaged, StorageError};
use crate::image::{Image, SectionId};
use crate::stats::{ColumnBytes, StreamStats};
use arrow_buffer::ScalarBuffer;
use crowdset_types::{ChunkId, TimeRange, TimestampMillis};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::OnceLock;

/// Rows are looked for so far from where they are expected, and then twice as far each time.
const GALLOP: usize = 16;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StreamMeta {
    pub(crate) name: String,
    pub(crate) rows: u64,
    /// Offsets of the first and the last row from the partition's base.
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) chunks: u32,
    pub(crate) slots: SlotsMeta,
    pub(crate) users: SectionId,
    pub(crate) times: SectionId,
    pub(crate) starts: SectionId,
    /// Ascending by path.
    pub(crate) properties: Vec<(String, Vec<PartMeta>)>,
}

/// The coarse time index: each chunk is cut into slots of `2^shift` ms, counted from the first row.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct SlotsMeta {
    pub(crate) count: u32,
    pub(crate) shift: u32,
}

/// The rows of one event name in one partition.
///
/// Rows are ordered by chunk of users, then by time; rows of one user at the same time by event id.
/// So a window is one contiguous range of rows per chunk, and the rows of one user are in the order
/// of the segment language.
#[derive(Debug)]
pub struct Stream {
    image: Image,
    name: String,
    rows: usize,
    base: i64,
    first: u64,
    last: u64,
    chunks: usize,
    slots: usize,
    shift: u32,
    sections: [SectionId; 3],
    users: ScalarBuffer<u16>,
    times: OwnedOffsets,
    /// The first row of every slot of every chunk, then the number of rows.
    starts: ScalarBuffer<u32>,
    properties: Vec<Property>,
    checked: OnceLock<Result<(), Damaged>>,
}

#[derive(Debug)]
enum OwnedOffsets {
    U32(ScalarBuffer<u32>),
    U64(ScalarBuffer<u64>),
}

/// Milliseconds since [`Times::base`], a row each.
#[derive(Debug, Clone, Copy)]
pub enum TimeOffsets<'a> {
    /// The partition spans less than 2^32 ms, about 49 days.
    U32(&'a [u32]),
    /// A longer span.
    U64(&'a [u64]),
}

/// The times of a stream's rows.
#[derive(Debug, Clone, Copy)]
pub struct Times<'a> {
    /// Milliseconds since the epoch that all offsets count from; the same for all streams of a
    /// partition, and no row is earlier.
    pub base: i64,
    /// A row each.
    pub offsets: TimeOffsets<'a>,
}

impl Times<'_> {
    /// Milliseconds since the epoch of a row.
    ///
    /// # Panics
    ///
    /// If there are not so many rows.
    pub fn get(&self, row: usize) -> i64 {
        match self.offsets {
            TimeOffsets::U32(offsets) => self.base + i64::from(offsets[row]),
            TimeOffsets::U64(offsets) => self.base.wrapping_add(offsets[row] as i64),
        }
    }
}

impl Stream {
    pub(crate) fn open(
        image: &Image,
        meta: StreamMeta,
        base: i64,
        wide: bool,
    ) -> Result<Self, StorageError> {
        let rows = meta.rows as usize;
        let chunks = meta.chunks as usize;
        let slots = meta.slots.count as usize;
        let fits = meta.first <= meta.last
            && slots > 0
            && meta.slots.shift < 64
            && (meta.last - meta.first) >> meta.slots.shift < slots as u64;
        if !fits {
            let what = format!("the times of stream `{}` do not fit together", meta.name);
            return Err(StorageError::malformed(image.name(), what));
        }
        image.expect::<u16>(meta.users, rows)?;
        image.expect::<u32>(meta.starts, chunks.saturating_mul(slots).saturating_add(1))?;
        let times = if wide {
            image.expect::<u64>(meta.times, rows)?;
            OwnedOffsets::U64(image.values(meta.times))
        } else {
            image.expect::<u32>(meta.times, rows)?;
            OwnedOffsets::U32(image.values(meta.times))
        };
        let properties = meta
            .properties
            .into_iter()
            .map(|(path, parts)| {
                Ok(Property {
                    path,
                    column: LazyColumn::open(image, parts, rows)?,
                })
            })
            .collect::<Result<Vec<_>, StorageError>>()?;
        Ok(Self {
            image: image.clone(),
            name: meta.name,
            rows,
            base,
            first: meta.first,
            last: meta.last,
            chunks,
            slots,
            shift: meta.slots.shift,
            sections: [meta.starts, meta.users, meta.times],
            users: image.values(meta.users),
            times,
            starts: image.values(meta.starts),
            properties,
            checked: OnceLock::new(),
        })
    }

    /// The event name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many rows; at least one.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// From the first row's time to just after the last row's.
    pub fn span(&self) -> TimeRange {
        let at = |offset: u64| self.base.wrapping_add(offset as i64);
        TimeRange::new(
            TimestampMillis(at(self.first)),
            TimestampMillis(at(self.last).saturating_add(1)),
        )
    }

    /// How many chunks of users the stream covers; later chunks have no rows.
    pub fn chunks(&self) -> usize {
        self.chunks
    }

    /// Checks users, times and row starts against their checksums, the first time; after that it
    /// costs a load. Call it before [`Stream::chunk_rows`], [`Stream::rows_in`], [`Stream::users`]
    /// and [`Stream::times`], which read without asking.
    ///
    /// # Errors
    ///
    /// [`Damaged`] names the section.
    pub fn touch(&self) -> Result<(), Damaged> {
        self.checked
            .get_or_init(|| self.image.check_all(&self.sections))
            .clone()
    }

    /// The rows of a chunk; empty beyond the last chunk. Valid after [`Stream::touch`].
    pub fn chunk_rows(&self, chunk: ChunkId) -> Range<usize> {
        let chunk = chunk.index();
        if chunk >= self.chunks {
            return self.rows..self.rows;
        }
        self.starts[chunk * self.slots] as usize..self.starts[(chunk + 1) * self.slots] as usize
    }

    /// The rows of a chunk within a range of time: one contiguous run. Valid after [`Stream::touch`].
    ///
    /// Costs nothing if the range covers the stream's span, and otherwise a binary search among
    /// some hundred rows for each end that cuts it.
    pub fn rows_in(&self, chunk: ChunkId, range: TimeRange) -> Range<usize> {
        let rows = self.chunk_rows(chunk);
        let span = self.span();
        if rows.is_empty() || range.covers(span) {
            return rows;
        }
        let cut = range.intersection(span);
        if cut.is_empty() {
            return rows.start..rows.start;
        }
        let from = if cut.from == span.from {
            rows.start
        } else {
            self.first_at_or_after(chunk, cut.from)
        };
        let to = if cut.to == span.to {
            rows.end
        } else {
            self.first_at_or_after(chunk, cut.to)
        };
        from..to.max(from)
    }

    /// The first row of a chunk that is not before an instant inside the span.
    fn first_at_or_after(&self, chunk: ChunkId, instant: TimestampMillis) -> usize {
        let offset = instant.0.wrapping_sub(self.base) as u64;
        let slot = ((offset - self.first) >> self.shift) as usize;
        let at = chunk.index() * self.slots + slot;
        let (low, high) = (self.starts[at] as usize, self.starts[at + 1] as usize);
        // The share of the slot that lies before the instant.
        let into = (offset - self.first) & ((1 << self.shift) - 1);
        let guess = (into as f64 / (1_u64 << self.shift) as f64 * (high - low) as f64) as usize;
        low + match &self.times {
            // Every offset of the stream fits into 32 bits, and the instant lies inside its span.
            OwnedOffsets::U32(times) => {
                let offset = offset as u32;
                partition_point_near(&times[low..high], guess, |time| *time < offset)
            }
            OwnedOffsets::U64(times) => {
                partition_point_near(&times[low..high], guess, |time| *time < offset)
            }
        }
    }

    /// Each row's user: the ordinal within its chunk. Valid after [`Stream::touch`].
    pub fn users(&self) -> &[u16] {
        &self.users
    }

    /// Each row's time. Valid after [`Stream::touch`].
    pub fn times(&self) -> Times<'_> {
        let offsets = match &self.times {
            OwnedOffsets::U32(offsets) => TimeOffsets::U32(offsets),
            OwnedOffsets::U64(offsets) => TimeOffsets::U64(offsets),
        };
        Times {
            base: self.base,
            offsets,
        }
    }

    /// The properties that occur, ascending by path: what is known of them without reading values.
    pub fn properties(&self) -> &[Property] {
        &self.properties
    }

    /// The dotted paths of the properties that occur, ascending.
    pub fn property_names(&self) -> impl Iterator<Item = &str> {
        self.properties.iter().map(Property::path)
    }

    /// What is known of one property without reading values; `None` if it does not occur.
    pub fn property_info(&self, path: &str) -> Option<&Property> {
        let found = self
            .properties
            .binary_search_by(|property| property.path.as_str().cmp(path));
        found.ok().map(|index| &self.properties[index])
    }

    /// The types that occur in one property; `None` if it does not occur.
    pub fn property_types(&self, path: &str) -> Option<Kinds> {
        self.property_info(path).map(Property::kinds)
    }

    /// The values of one property; `None` if it does not occur. Its checksums are checked the first
    /// time.
    ///
    /// # Errors
    ///
    /// [`Damaged`] names the section.
    pub fn property(&self, path: &str) -> Result<Option<&Column>, Damaged> {
        self.property_info(path).map(Property::column).transpose()
    }

    /// Bytes by column.
    pub fn stats(&self) -> StreamStats {
        let [starts, users, times] = self
            .sections
            .map(|section| self.image.section_bytes(section));
        StreamStats {
            name: self.name.clone(),
            rows: self.rows as u64,
            users,
            times,
            starts,
            properties: self
                .properties
                .iter()
                .map(|property| (property.path.clone(), property.bytes()))
                .collect(),
        }
    }
}

/// The first place from which on the predicate is false, looked for around a guess: rows of a slot are
/// spread evenly, more or less, so that few other lines of memory are read than that of the answer.
fn partition_point_near<T>(values: &[T], guess: usize, is_before: impl Fn(&T) -> bool) -> usize {
    let (mut low, mut high) = (0, values.len());
    let mut at = guess.min(high);
    let mut step = GALLOP;
    if at < high && is_before(&values[at]) {
        while at < high && is_before(&values[at]) {
            low = at + 1;
            at += step;
            step *= 2;
        }
        high = high.min(at);
    } else {
        high = at;
        while at > 0 && !is_before(&values[at - 1]) {
            high = at - 1;
            at = high.saturating_sub(step);
            step *= 2;
        }
        low = at;
    }
    low + values[low..high].partition_point(is_before)
}

/// One property of a stream.
#[derive(Debug)]
pub struct Property {
    path: String,
    column: LazyColumn,
}

impl Property {
    /// The dotted path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The types that occur.
    pub fn kinds(&self) -> Kinds {
        self.column.kinds()
    }

    /// How each type that occurs is stored.
    pub fn data_kinds(&self) -> Vec<DataKind> {
        self.column.data_kinds()
    }

    /// How many rows have a value.
    pub fn present(&self) -> u64 {
        self.column.present()
    }

    /// How many different values there are; `None` if there are numbers or instants, which are not
    /// counted.
    pub fn distinct(&self) -> Option<u64> {
        self.column.distinct()
    }

    /// How many different texts there are; `None` if there is no text.
    pub fn text_values(&self) -> Option<u64> {
        self.column.text_dictionary_len()
    }

    /// Bytes by kind.
    pub fn bytes(&self) -> ColumnBytes {
        self.column.bytes()
    }

    /// The values. Their checksums are checked the first time.
    ///
    /// # Errors
    ///
    /// [`Damaged`] names the section.
    pub fn column(&self) -> Result<&Column, Damaged> {
        self.column.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_guess_leads_to_the_same_place() {
        for len in [0, 1, 2, 15, 16, 17, 100] {
            let values: Vec<usize> = (0..len).map(|value| value / 3).collect();
            for bound in 0..=len {
                let expected = values.partition_point(|value| *value < bound);
                for guess in 0..=len + 1 {
                    let found = partition_point_near(&values, guess, |value| *value < bound);
                    assert_eq!(found, expected, "{bound} of {len} from {guess}");
                }
            }
        }
    }
}
