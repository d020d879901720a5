//! How many events of any name each user had in each span of some days: what counts of all events are
//! answered from.

use crate::dataset::Binder;
use crate::days::{DAY_MS, RowsByDay};
use crate::kernel::Machine;
use crate::scratch::Pool;
use crate::summary::{OfChunk, Table};
use crowdset_storage::Stream;
use crowdset_types::{CHUNK_USERS, ChunkId, TimeRange, TimestampMillis};
use std::ops::Range;
use std::sync::Arc;

/// At most one byte in so many of those for all that is kept.
const SHARE: u64 = 4;

/// The events of one chunk of users, span by span.
#[derive(Debug)]
pub(crate) struct ChunkTotals(Box<[SpanTotals]>);

/// Those of one span.
#[derive(Debug)]
struct SpanTotals {
    /// For each user, modulo 256.
    low: Box<[u8; CHUNK_USERS]>,
    /// Who had more, ascending, and how many of them are left out above.
    rest: Box<[(u16, u32)]>,
}

impl OfChunk for ChunkTotals {
    fn bytes(&self) -> u64 {
        let of_span = |span: &SpanTotals| CHUNK_USERS + size_of_val(&*span.rest);
        self.0.iter().map(of_span).sum::<usize>() as u64
    }
}

/// Counts of all events, made when they are first asked for and kept.
pub(crate) struct Totals<'a> {
    /// All of them.
    streams: Vec<&'a Stream>,
    /// Where the first span begins; the last one ends with the last day of rows.
    start: i64,
    length: i64,
    spans: usize,
    table: Arc<Table<ChunkTotals>>,
}

impl<'a> Totals<'a> {
    /// `None` if summaries are switched off, are not worth it, if no span lies in the window, or if rows
    /// are damaged, which is for the scan to report if it needs them.
    pub(crate) fn bind(binder: Binder<'a>, window: TimeRange) -> Option<Self> {
        let RowsByDay {
            streams,
            first,
            days,
            ..
        } = RowsByDay::of(binder)?;
        let end = first.checked_add(i64::try_from(days).ok()?)?;
        let policy = binder.dataset.summaries.policy();
        let chunks = binder.dataset.users.chunks();
        let bytes_of = |spans: u64| spans * (chunks * CHUNK_USERS) as u64;
        let span_days = (0..16).map(|shift| 1_u64 << shift).find(|length| {
            let spans = days / length + 1;
            bytes_of(spans) <= policy.bytes_max / SHARE
        })?;
        let spans_len = days.div_ceil(span_days) as usize;
        let length = span_days.cast_signed().checked_mul(DAY_MS)?;
        // Who asks, asks about the latest days most.
        let whole = length.checked_mul(i64::try_from(spans_len).ok()?)?;
        let start = end.checked_mul(DAY_MS)?.checked_sub(whole)?;
        let mut totals = Self {
            streams,
            start,
            length,
            spans: spans_len,
            table: Arc::new(Table::new(0)),
        };
        if totals.cut(window).0.is_empty() {
            return None;
        }
        if totals.streams.iter().any(|stream| stream.touch().is_err()) {
            return None;
        }
        let bytes_full = bytes_of(spans_len as u64);
        let summaries = &binder.dataset.summaries;
        totals.table = summaries.totals(chunks, bytes_full)?;
        Some(totals)
    }

    fn instants(&self, span: usize) -> TimeRange {
        let from = self.start + span as i64 * self.length;
        TimeRange::new(TimestampMillis(from), TimestampMillis(from + self.length))
    }

    /// The spans that lie in a window, and what is left of it before and behind them.
    pub(crate) fn cut(&self, window: TimeRange) -> (Range<usize>, [TimeRange; 2]) {
        let end = self.instants(self.spans).from;
        let hull = TimeRange::new(TimestampMillis(self.start), end);
        let window = window.intersection(hull);
        let into = |instant: TimestampMillis| (instant.0 - self.start) as u64;
        let length = self.length as u64;
        let from = into(window.from).div_ceil(length) as usize;
        let to = (into(window.to) / length) as usize;
        if window.is_empty() || from >= to {
            let nothing = TimeRange::new(window.from, window.from);
            return (0..0, [window, nothing]);
        }
        let before = TimeRange::new(window.from, self.instants(from).from);
        let behind = TimeRange::new(self.instants(to).from, window.to);
        (from..to, [before, behind])
    }

    /// Adds the events of some spans, which [`Totals::cut`] gave; how many bytes that read.
    pub(crate) fn add(
        &self,
        machine: Machine,
        chunk: ChunkId,
        spans: Range<usize>,
        counts: &mut [u32; CHUNK_USERS],
    ) -> u64 {
        let made = self.table.get_or_make(chunk, || self.make(machine, chunk));
        let spans = made.and_then(|made| made.0.get(spans)).unwrap_or_default();
        for span in spans {
            machine.widen_u8(&span.low, counts);
            for &(user, rest) in &span.rest {
                counts[user as usize & (CHUNK_USERS - 1)] += rest;
            }
        }
        (spans.len() * CHUNK_USERS) as u64
    }

    fn make(&self, machine: Machine, chunk: ChunkId) -> ChunkTotals {
        let mut counts = Pool::<u32>::default().take();
        let spans = (0..self.spans).map(|span| {
            counts.fill(0);
            let range = self.instants(span);
            for stream in &self.streams {
                if !range.intersection(stream.span()).is_empty() {
                    let rows = stream.rows_in(chunk, range);
                    machine.count_u32(&stream.users()[rows], &mut counts);
                }
            }
            let mut low = Box::new([0; CHUNK_USERS]);
            for (low, count) in low.iter_mut().zip(&*counts) {
                *low = *count as u8;
            }
            let rest = (0..).zip(&*counts).filter(|(_, count)| **count > 255);
            let rest = rest.map(|(user, count)| (user, count & !255));
            SpanTotals {
                low,
                rest: rest.collect(),
            }
        });
        ChunkTotals(spans.collect())
    }
}
