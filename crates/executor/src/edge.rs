//! The first and the last row of each user among the rows of one event name.

mod codes;

use crate::dataset::Binder;
use crate::kernel::Machine;
use crate::summary::{End, Table};
use crowdset_storage::{Stream, Times};
use crowdset_types::{CHUNK_USERS, ChunkId, TimeRange, TimestampMillis};
use std::ops::Range;
use std::sync::Arc;

pub(crate) use codes::{EdgeCodes, EdgeTest};

/// Numbers of rows, one per user of a chunk.
///
/// The rows that a chunk has of one name are numbered from 1, through all partitions, so that they
/// ascend in time: a window is a range of numbers. A user without a row has 0 among last rows and
/// [`u32::MAX`] among first ones, which are neutral when the greatest or the least is looked for.
pub(crate) type RowNumbers = [u32; CHUNK_USERS];

/// The number of a user without a row.
pub(crate) fn no_row(end: End) -> u32 {
    match end {
        End::First => u32::MAX,
        End::Last => 0,
    }
}

/// The first or the last rows of one event name, made when they are first asked for and kept.
pub(crate) struct Edge<'a> {
    end: End,
    /// By partition, ascending: all that have the name, whatever the window.
    streams: Vec<(usize, &'a Stream)>,
    table: Arc<Table<Box<[u32]>>>,
}

impl<'a> Edge<'a> {
    /// `None` if summaries are switched off, would take too much memory, or if rows are damaged,
    /// which is for the scan to report if it needs them.
    pub(crate) fn bind(binder: Binder<'a>, end: End, name: &str) -> Option<Self> {
        if !binder.options.use_summaries {
            return None;
        }
        let streams = streams(binder, name)?;
        let chunks = binder.dataset.users.chunks();
        let table = binder.dataset.summaries.edge(end, name, chunks)?;
        Some(Self {
            end,
            streams,
            table,
        })
    }

    /// The same, but only if somebody asked for them before.
    pub(crate) fn known(binder: Binder<'a>, end: End, name: &str) -> Option<Self> {
        if !binder.options.use_summaries {
            return None;
        }
        let table = binder.dataset.summaries.known_edge(end, name)?;
        Some(Self {
            end,
            streams: streams(binder, name)?,
            table,
        })
    }

    /// The row of each user of a chunk; `None` beyond the last chunk.
    pub(crate) fn numbers(&self, machine: Machine, chunk: ChunkId) -> Option<&RowNumbers> {
        let make = || {
            let mut numbers = vec![no_row(self.end); CHUNK_USERS].into_boxed_slice();
            if let Some(numbers) = numbers.as_mut_array() {
                let mut number = 1;
                for (_, stream) in &self.streams {
                    let rows = stream.chunk_rows(chunk);
                    let users = &stream.users()[rows.clone()];
                    match self.end {
                        End::First => machine.least_row(users, number, numbers),
                        End::Last => machine.greatest_row(users, number, numbers),
                    }
                    number += rows.len() as u32;
                }
            }
            numbers
        };
        self.table.get_or_make(chunk, make)?.as_array()
    }

    /// The same, but only if somebody asked for them before.
    pub(crate) fn known_numbers(&self, chunk: ChunkId) -> Option<&RowNumbers> {
        self.table.get(chunk)?.as_array()
    }

    /// About what it costs to answer for everybody, in rows of a scan.
    pub(crate) fn cost_rows(&self) -> u64 {
        self.table.chunks() as u64 * CHUNK_USERS as u64
    }

    /// Whether a range holds the rows of all users.
    pub(crate) fn is_covered(&self, range: TimeRange) -> bool {
        let mut streams = self.streams.iter();
        streams.all(|(_, stream)| range.covers(stream.span()))
    }

    /// How many rows a chunk has.
    pub(crate) fn rows(&self, chunk: ChunkId) -> u32 {
        let streams = self.streams.iter();
        streams
            .map(|(_, stream)| stream.chunk_rows(chunk).len() as u32)
            .sum()
    }

    /// How many rows a chunk has before an instant: the number of the last of them.
    pub(crate) fn rows_before(&self, chunk: ChunkId, instant: TimestampMillis) -> u32 {
        let range = TimeRange::new(TimestampMillis(i64::MIN), instant);
        let streams = self.streams.iter();
        streams
            .map(|(_, stream)| stream.rows_in(chunk, range).len() as u32)
            .sum()
    }

    /// The number before that of the first row that a chunk has in a partition.
    pub(crate) fn base(&self, chunk: ChunkId, partition: usize) -> u32 {
        let before = self.streams.iter().take_while(|(of, _)| *of < partition);
        before
            .map(|(_, stream)| stream.chunk_rows(chunk).len() as u32)
            .sum()
    }

    /// The times of the rows of a chunk.
    pub(crate) fn times(&self, chunk: ChunkId) -> EdgeTimes<'_> {
        let mut first = 1;
        let streams = self.streams.iter().map(|(_, stream)| {
            let rows = stream.chunk_rows(chunk);
            let of = (first, rows.clone(), stream.times());
            first += rows.len() as u32;
            of
        });
        EdgeTimes(streams.collect())
    }
}

/// The times of the rows that a chunk has of one name: of each stream the number of the first row, the
/// rows, and the times.
pub(crate) struct EdgeTimes<'e>(Vec<(u32, Range<usize>, Times<'e>)>);

impl EdgeTimes<'_> {
    /// The time of a row by its number; `None` for the number of no row.
    pub(crate) fn get(&self, number: u32) -> Option<i64> {
        // Most last rows are in the last partition.
        let (first, rows, times) = self.0.iter().rev().find(|(first, ..)| *first <= number)?;
        let row = rows.start + (number - first) as usize;
        (row < rows.end).then(|| times.get(row))
    }
}

/// All streams of a name by partition, if all are sound and their rows can be numbered.
pub(crate) fn streams<'a>(binder: Binder<'a>, name: &str) -> Option<Vec<(usize, &'a Stream)>> {
    let mut streams = Vec::with_capacity(binder.dataset.partitions.len());
    let mut rows = 0_u64;
    for (position, handle) in binder.dataset.partitions.iter().enumerate() {
        if let Some(stream) = handle.partition.stream(name) {
            stream.touch().ok()?;
            rows += stream.rows() as u64;
            streams.push((position, stream));
        }
    }
    (rows < u64::from(u32::MAX)).then_some(streams)
}
