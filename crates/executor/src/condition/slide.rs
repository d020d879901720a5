//! Counts of one selector's events in a window that moves: from one instant to the next only the rows
//! that enter the window and those that leave it are read.

use crate::dataset::Binder;
use crate::events::Events;
use crate::pass::ChunkPass;
use crate::truth::{Truth, ValueRef};
use crate::words::Words;
use crate::{EvalError, condition::number_test};
use crowdset_query::{
    NumberTest, PlanEvents, PlanKind, PlanMeasure, PlanPredicate, PlanSelector, PlanTest,
};
use crowdset_types::{CHUNK_USERS, Number, TimeRange};
use std::borrow::Cow;

/// The events of one selector, wherever a window has to go.
pub(crate) struct Slide<'a> {
    events: Events<'a>,
}

/// What one window of a slide is asked for.
pub(crate) struct Position {
    /// Which slide.
    pub(crate) slide: usize,
    pub(crate) range: TimeRange,
    /// The counts that pass, inclusive.
    passing: Vec<(u32, u32)>,
}

/// Where a worker's window stands in the chunk at hand, and what it counts there.
#[derive(Default)]
pub(crate) struct SlideState {
    range: Option<TimeRange>,
    counts: Option<Box<[u32; CHUNK_USERS]>>,
}

impl SlideState {
    /// Forgets the chunk.
    pub(crate) fn leave_chunk(&mut self) {
        self.range = None;
    }
}

/// The events and the test of a condition whose window can slide: a count, or `did`, in a window that
/// is the same for all users, of rows that count whatever the instant is.
pub(crate) fn sliding(kind: &PlanKind) -> Option<(&PlanEvents, Option<&NumberTest>)> {
    let (events, test) = match kind {
        PlanKind::Did(events) => (events, None),
        PlanKind::Measure {
            measure: PlanMeasure::Count(events),
            test,
        } => (events, Some(test)),
        _ => return None,
    };
    let is_steady = |filter: Option<&PlanPredicate>| filter.is_none_or(is_timeless);
    let can_slide = events.window.anchor.is_none()
        && events
            .selector
            .events
            .iter()
            .all(|event| is_steady(event.filter.as_ref()));
    can_slide.then_some((events, test))
}

/// Whether a row passes or fails whatever the instant is: attributes have a history.
fn is_timeless(predicate: &PlanPredicate) -> bool {
    match predicate {
        PlanPredicate::Always | PlanPredicate::Never => true,
        PlanPredicate::And(parts) | PlanPredicate::Or(parts) => parts.iter().all(is_timeless),
        PlanPredicate::Not(part) => is_timeless(part),
        PlanPredicate::Test { test, .. } => !matches!(test, PlanTest::CompareAttribute(..)),
    }
}

impl Position {
    pub(crate) fn new(
        slide: usize,
        range: TimeRange,
        test: Option<&NumberTest>,
    ) -> Result<Self, EvalError> {
        let passing = match test {
            None => vec![(1, u32::MAX)],
            Some(test) => {
                let truth = Truth::new(Cow::Owned(number_test(test)), false)?;
                let count = |offset: u64| ValueRef::Number(Number::Integer(offset as i64));
                let ranges = truth.ranges(u64::from(u32::MAX), count).unwrap_or_default();
                ranges
                    .into_iter()
                    .map(|(low, high)| (low as u32, high as u32))
                    .collect()
            }
        };
        Ok(Self {
            slide,
            range,
            passing,
        })
    }
}

impl<'a> Slide<'a> {
    /// `hull` holds every window that will be asked for.
    pub(crate) fn bind(
        binder: Binder<'a>,
        selector: &'a PlanSelector,
        hull: TimeRange,
    ) -> Result<Self, EvalError> {
        Ok(Self {
            events: Events::bind_range(binder, selector, hull)?,
        })
    }

    /// About how many rows are read over all users: each enters and leaves once.
    pub(crate) fn cost_rows(&self) -> u64 {
        self.events.cost_rows() * 2
    }

    /// The users of the chunk who pass at a position.
    pub(crate) fn eval(
        &self,
        position: &Position,
        pass: &mut ChunkPass<'_>,
        state: &mut SlideState,
        found: &mut Words,
    ) {
        let mut counts = state
            .counts
            .take()
            .unwrap_or_else(|| pass.scratch.u32s.take());
        let to = position.range;
        match state.range {
            Some(from) if !from.intersection(to).is_empty() => {
                // Between the starts and between the ends lie the rows that differ.
                for (left, right, enters) in [
                    (to.from, from.from, true),
                    (from.from, to.from, false),
                    (from.to, to.to, true),
                    (to.to, from.to, false),
                ] {
                    let rows = TimeRange::new(left, right);
                    self.add(pass, rows, enters, &mut counts);
                }
            }
            _ => {
                counts.fill(0);
                self.add(pass, to, true, &mut counts);
            }
        }
        found.fill(0);
        for &(low, high) in &position.passing {
            pass.machine.or_u32_within(&counts, low, high, found);
        }
        state.range = Some(to);
        state.counts = Some(counts);
    }

    /// Counts the rows of a range in, or out.
    fn add(
        &self,
        pass: &mut ChunkPass<'_>,
        range: TimeRange,
        enters: bool,
        counts: &mut [u32; CHUNK_USERS],
    ) {
        if range.is_empty() {
            return;
        }
        let machine = pass.machine;
        self.events
            .scan_range(pass, range, &mut |rows| match (rows.mask, enters) {
                (None, true) => machine.count_u32(rows.users, counts),
                (Some(mask), true) => machine.count_u32_masked(rows.users, mask, counts),
                (None, false) => machine.uncount_u32(rows.users, counts),
                (Some(mask), false) => machine.uncount_u32_masked(rows.users, mask, counts),
            });
    }
}
