//! Who had any event on each day: what activity and inactivity are answered from.

use crate::dataset::Binder;
use crate::kernel::Machine;
use crate::summary::Table;
use crate::words::{self, Words};
use crowdset_storage::Stream;
use crowdset_types::{ChunkId, TimeRange, TimestampMillis};
use std::ops::Range;
use std::sync::Arc;

pub(crate) const DAY_MS: i64 = 86_400_000;

/// A bit per user and UTC day on which the user had any event, made when it is first asked for and
/// kept.
pub(crate) struct ActiveDays<'a> {
    /// All of them.
    streams: Vec<&'a Stream>,
    /// From the first row to the last.
    span: TimeRange,
    /// The first day, counted from the epoch.
    first: i64,
    days: usize,
    table: Arc<Table<Box<[Words]>>>,
}

/// A window cut along days.
pub(crate) struct CutWindow {
    /// Days that it holds whole, as far as there are rows; counted from the epoch.
    pub(crate) whole: Range<i64>,
    /// What is left before them and behind them: of one day each, and empty where nothing is.
    pub(crate) edges: [TimeRange; 2],
}

/// The rows of all names, which some conditions keep day by day.
pub(crate) struct RowsByDay<'a> {
    pub(crate) streams: Vec<&'a Stream>,
    /// From the first row to behind the last one.
    span: TimeRange,
    /// The day of the first row, counted from the epoch.
    pub(crate) first: i64,
    pub(crate) days: u64,
}

impl<'a> RowsByDay<'a> {
    /// `None` if summaries are switched off, there are no rows, or too few for as many days.
    pub(crate) fn of(binder: Binder<'a>) -> Option<Self> {
        if !binder.options.use_summaries {
            return None;
        }
        let partitions = binder.dataset.partitions.iter();
        let streams: Vec<&'a Stream> = partitions
            .flat_map(|handle| handle.partition.streams())
            .collect();
        let spans = || streams.iter().map(|stream| stream.span());
        let span = TimeRange::new(
            spans().map(|span| span.from).min()?,
            spans().map(|span| span.to).max()?,
        );
        let first = span.from.0.div_euclid(DAY_MS);
        let days = (span.to.0 - 1).div_euclid(DAY_MS).checked_sub(first)? as u64 + 1;
        let chunks = binder.dataset.users.chunks();
        let rows: u64 = streams.iter().map(|stream| stream.rows() as u64).sum();
        let least = binder.dataset.summaries.policy().day_rows_min;
        if rows < days.checked_mul(chunks as u64)?.checked_mul(least)? {
            return None;
        }
        Some(Self {
            streams,
            span,
            first,
            days,
        })
    }
}

impl<'a> ActiveDays<'a> {
    /// `None` if summaries are switched off, are not worth it, or if rows are damaged, which is for
    /// the scan to report if it needs them.
    pub(crate) fn bind(binder: Binder<'a>) -> Option<Self> {
        let RowsByDay {
            streams,
            span,
            first,
            days,
        } = RowsByDay::of(binder)?;
        if streams.iter().any(|stream| stream.touch().is_err()) {
            return None;
        }
        let chunks = binder.dataset.users.chunks();
        let table = binder.dataset.summaries.days(chunks, days as usize)?;
        Some(Self {
            streams,
            span,
            first,
            days: days as usize,
            table,
        })
    }

    /// About what it costs to answer for everybody, in rows of a scan.
    pub(crate) fn cost_rows(&self) -> u64 {
        (self.table.chunks() * self.days) as u64 * 64
    }

    /// The users of a chunk on each day from the first on; none beyond the last chunk.
    fn chunk(&self, machine: Machine, chunk: ChunkId) -> &[Words] {
        let make = || {
            let mut days = vec![words::EMPTY; self.days];
            for stream in &self.streams {
                let span = stream.span();
                for (day, users) in (self.first..).zip(&mut days) {
                    let range = day_range(day);
                    if !range.intersection(span).is_empty() {
                        machine.set_users(&stream.users()[stream.rows_in(chunk, range)], users);
                    }
                }
            }
            days.into_boxed_slice()
        };
        self.table
            .get_or_make(chunk, make)
            .map_or(&[], |made| &**made)
    }

    /// Cuts a window along days. A day counts as whole if all its rows lie inside.
    pub(crate) fn cut(&self, window: TimeRange) -> CutWindow {
        let window = window.intersection(self.span);
        if window.is_empty() {
            let nothing = TimeRange::new(window.from, window.from);
            return CutWindow {
                whole: 0..0,
                edges: [nothing; 2],
            };
        }
        let last = (window.to.0 - 1).div_euclid(DAY_MS);
        let mut whole = window.from.0.div_euclid(DAY_MS)..last + 1;
        // Before the first row and behind the last one there is nothing to leave out.
        if window.from != self.span.from && day_range(whole.start).from != window.from {
            whole.start += 1;
        }
        if whole.end > whole.start && window.to != self.span.to && day_range(last).to != window.to {
            whole.end -= 1;
        }
        let edges = if whole.is_empty() {
            // One day or two, neither of them whole.
            let middle = day_range(window.from.0.div_euclid(DAY_MS))
                .to
                .min(window.to);
            [
                TimeRange::new(window.from, middle),
                TimeRange::new(middle, window.to),
            ]
        } else {
            [
                TimeRange::new(window.from, day_range(whole.start).from),
                TimeRange::new(day_range(whole.end - 1).to, window.to),
            ]
        };
        CutWindow { whole, edges }
    }

    /// The users of a chunk on each of some days, which [`ActiveDays::cut`] gave.
    pub(crate) fn days(&self, machine: Machine, chunk: ChunkId, whole: Range<i64>) -> &[Words] {
        let all = self.chunk(machine, chunk);
        let (from, to) = (whole.start - self.first, whole.end - self.first);
        all.get(from.max(0) as usize..to.max(0) as usize)
            .unwrap_or_default()
    }
}

/// The instants of a UTC day.
fn day_range(day: i64) -> TimeRange {
    let start = day.saturating_mul(DAY_MS);
    TimeRange::new(
        TimestampMillis(start),
        TimestampMillis(start.saturating_add(DAY_MS)),
    )
}
