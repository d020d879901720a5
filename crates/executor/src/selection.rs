//! The rows of one event name that pass a predicate, kept once it was asked for again.
//!
//! A predicate that few rows pass still reads all rows of a window. Kept, the rows that pass are
//! listed by chunk, in order of time: a window is a range of the list, whatever it is, and its users
//! stand one after the other.

use crate::dataset::Binder;
use crate::edge::streams;
use crate::filter::{Filter, RowContext};
use crate::kernel::{BLOCK, Code, Machine};
use crate::pass::ChunkPass;
use crate::summary::{OfChunk, Table};
use crate::widths::with_offsets;
use crowdset_query::{PlanEvent, PlanEvents};
use crowdset_storage::Stream;
use crowdset_types::{ChunkId, TimeRange, TimestampMillis};
use std::ops::Range;
use std::sync::Arc;

/// Rows are kept where at most one in so many passes.
const SHARE: usize = 4;

/// So few rows are kept in any case.
const FEW: usize = 64;

/// Bytes of a row that is kept: its number and its user.
const ROW_BYTES: usize = size_of::<u32>() + size_of::<u16>();

/// The rows of one chunk of users that pass, ascending in time.
#[derive(Debug)]
pub(crate) enum Selected {
    Rows {
        /// As [`crate::edge::RowNumbers`] are: from 1, through all partitions.
        numbers: Box<[u32]>,
        users: Box<[u16]>,
    },
    /// Reading them all is nearly as quick.
    TooMany,
}

impl OfChunk for Selected {
    fn bytes(&self) -> u64 {
        let rows = match self {
            Self::Rows { numbers, .. } => numbers.len() * ROW_BYTES,
            Self::TooMany => 0,
        };
        (size_of::<Self>() + rows) as u64
    }
}

/// The rows that pass the predicate of a condition.
pub(crate) struct Selection<'a> {
    /// By partition, ascending: all that have the name, whatever the window.
    streams: Vec<(usize, &'a Stream)>,
    /// For each stream what must hold of a row; empty if everything is kept already.
    filters: Vec<Filter<'a>>,
    window: TimeRange,
    /// Whether the window holds all rows.
    is_covered: bool,
    table: Arc<Table<Selected>>,
}

/// Those of one chunk that lie in the window.
#[derive(Clone, Copy)]
pub(crate) struct SelectedRows<'s> {
    pub(crate) numbers: &'s [u32],
    pub(crate) users: &'s [u16],
}

impl<'a> Selection<'a> {
    /// `None` if summaries are switched off, the condition is not about one name and a predicate that
    /// says the same of a row at every instant, if the rows are not kept, or if some are damaged, which is for
    /// the scan to report if it needs them.
    pub(crate) fn bind(binder: Binder<'a>, plan: &'a PlanEvents) -> Option<Self> {
        if !binder.options.use_summaries || plan.window.anchor.is_some() {
            return None;
        }
        let [
            PlanEvent {
                name,
                filter: Some(predicate),
            },
        ] = &plan.selector.events[..]
        else {
            return None;
        };
        if !crate::family::is_timeless(predicate) {
            return None;
        }
        let streams = streams(binder, name)?;
        let rows: usize = streams.iter().map(|(_, stream)| stream.rows()).sum();
        let chunks = binder.dataset.users.chunks();
        let bytes_full =
            rows / SHARE * ROW_BYTES + chunks * (FEW * ROW_BYTES + size_of::<Selected>());
        let summaries = &binder.dataset.summaries;
        let table = summaries.selected(name, predicate, bytes_full as u64, chunks)?;
        let filters = if table.is_complete() {
            Vec::new()
        } else {
            let filters = streams
                .iter()
                .map(|(_, stream)| Filter::bind(Some(predicate), stream, &binder));
            filters.collect::<Result<_, _>>().ok()?
        };
        let window = plan.window.range;
        let mut spans = streams.iter().map(|(_, stream)| stream.span());
        Some(Self {
            is_covered: spans.all(|span| window.covers(span)),
            streams,
            filters,
            window,
            table,
        })
    }

    /// The rows of a chunk in the window; `None` if they are not kept.
    pub(crate) fn rows(&self, pass: &mut ChunkPass<'_>) -> Option<SelectedRows<'_>> {
        let chunk = pass.chunk;
        let all = self.all_rows(pass)?;
        let rows = if self.is_covered {
            all
        } else {
            self.rows_within(all, chunk, self.window)
        };
        pass.tally.rows += rows.users.len() as u64;
        pass.tally.bytes += size_of_val(rows.users) as u64;
        let all = self.streams.iter();
        let all = all.map(|(_, stream)| stream.chunk_rows(chunk).len());
        pass.tally.rows_skipped += (all.sum::<usize>() - rows.users.len()) as u64;
        Some(rows)
    }

    /// The rows of a chunk, whatever the window; `None` if they are not kept.
    pub(crate) fn all_rows(&self, pass: &ChunkPass<'_>) -> Option<SelectedRows<'_>> {
        let (machine, chunk) = (pass.machine, pass.chunk);
        let make = || self.make(machine, chunk);
        match self.table.get_or_make(chunk, make)? {
            Selected::Rows { numbers, users } => Some(SelectedRows { numbers, users }),
            Selected::TooMany => None,
        }
    }

    /// Those of all rows of a chunk that lie in a range of time.
    pub(crate) fn rows_within<'s>(
        &self,
        all: SelectedRows<'s>,
        chunk: ChunkId,
        range: TimeRange,
    ) -> SelectedRows<'s> {
        let place = |instant| {
            let before = self.rows_before(chunk, instant);
            all.numbers.partition_point(|number| *number <= before)
        };
        let from = place(range.from);
        let range = from..place(range.to).max(from);
        SelectedRows {
            numbers: &all.numbers[range.clone()],
            users: &all.users[range],
        }
    }

    /// Calls `visit` with the user and the time of each of a chunk's rows, in order of time or, reversed,
    /// the latest first.
    pub(crate) fn each_time(
        &self,
        chunk: ChunkId,
        rows: SelectedRows<'_>,
        is_reversed: bool,
        mut visit: impl FnMut(u16, i64),
    ) {
        let mut parts = Vec::with_capacity(self.streams.len());
        let (mut before, mut from) = (0, 0);
        for (_, stream) in &self.streams {
            let all = stream.chunk_rows(chunk);
            let last = before + all.len() as u32;
            let len = rows.numbers[from..].partition_point(|number| *number <= last);
            parts.push((stream, all.start, before, from..from + len));
            (before, from) = (last, from + len);
        }
        if is_reversed {
            parts.reverse();
        }
        for (stream, start, before, part) in parts {
            let times = stream.times();
            let of_rows = rows.users[part.clone()].iter().zip(&rows.numbers[part]);
            with_offsets!(times.offsets, offsets => {
                let mut each = |(&user, &number): (&u16, &u32)| {
                    let offset = offsets[start + (number - before - 1) as usize];
                    visit(user, times.base.wrapping_add(offset.widen() as i64));
                };
                if is_reversed {
                    of_rows.rev().for_each(&mut each);
                } else {
                    of_rows.for_each(&mut each);
                }
            });
        }
    }

    /// The number before that of the first row that a chunk has in a partition.
    pub(crate) fn base(&self, chunk: ChunkId, partition: usize) -> u32 {
        let before = self.streams.iter().take_while(|(of, _)| *of < partition);
        before
            .map(|(_, stream)| stream.chunk_rows(chunk).len() as u32)
            .sum()
    }

    /// About what it costs to answer for everybody, in rows of a scan; `None` while that is not known.
    pub(crate) fn cost_rows(&self) -> Option<u64> {
        if !self.filters.is_empty() {
            return None;
        }
        let of_chunks = self.table.made().map(|selected| match selected {
            Selected::Rows { users, .. } => Some(users.len() as u64),
            Selected::TooMany => None,
        });
        of_chunks.sum()
    }

    fn rows_before(&self, chunk: ChunkId, instant: TimestampMillis) -> u32 {
        let range = TimeRange::new(TimestampMillis(i64::MIN), instant);
        let streams = self.streams.iter();
        streams
            .map(|(_, stream)| stream.rows_in(chunk, range).len() as u32)
            .sum()
    }

    fn make(&self, machine: Machine, chunk: ChunkId) -> Selected {
        let chunk_rows = |stream: &Stream| stream.chunk_rows(chunk);
        let all: usize = self
            .streams
            .iter()
            .map(|(_, stream)| chunk_rows(stream).len())
            .sum();
        let most = (all / SHARE).max(FEW);
        let (mut numbers, mut users) = (Vec::new(), Vec::new());
        let mut mask = [0; BLOCK];
        let mut first = 1;
        for ((_, stream), filter) in self.streams.iter().zip(&self.filters) {
            let context = RowContext {
                machine,
                chunk,
                users: stream.users(),
                times: stream.times(),
            };
            let rows: Range<usize> = chunk_rows(stream);
            for start in rows.clone().step_by(BLOCK) {
                let block = start..rows.end.min(start + BLOCK);
                let mask = &mut mask[..block.len()];
                filter.eval(&context, block, mask);
                for row in machine.ones(mask) {
                    numbers.push(first + (start - rows.start + row) as u32);
                    users.push(context.users[start + row]);
                }
                if numbers.len() > most {
                    return Selected::TooMany;
                }
            }
            first += rows.len() as u32;
        }
        Selected::Rows {
            numbers: numbers.into_boxed_slice(),
            users: users.into_boxed_slice(),
        }
    }
}
