//! Sequences, and habits that stopped or came back.

use crate::ast::{
    EventSelector, Expr, ExprKind, Hop, HopTime, Lifecycle, Segment, Sequence, SequenceStep, Window,
};
use crowdset_types::DurationMillis;

/// `sequence(E then E …)`: events in this order. Steps are events, or [`step`]s with a hop.
///
/// ```
/// use crowdset_query::Segment;
/// use crowdset_query::build::{days, hours, sequence, step};
///
/// let built: Segment = sequence(["product_viewed"])
///     .then(step("purchase").within(hours(1)).without("signed_out"))
///     .same("product_id")
///     .spanning(days(7))
///     .into();
/// let written = "sequence(product_viewed without signed_out then within 1 hour purchase,
///                within 7 days, same product_id)";
/// assert_eq!(built, written.parse()?);
/// # Ok::<(), crowdset_query::SegmentError>(())
/// ```
pub fn sequence<T: Into<SequenceStep>>(steps: impl IntoIterator<Item = T>) -> Sequence {
    Sequence {
        steps: steps.into_iter().map(Into::into).collect(),
        within: None,
        window: Window::Ever,
        same: Vec::new(),
        strictly: false,
    }
}

/// One step of a sequence, to be given a hop from the step before.
pub fn step(events: impl Into<EventSelector>) -> SequenceStep {
    SequenceStep {
        events: events.into(),
        hop: Hop::default(),
    }
}

impl<T: Into<EventSelector>> From<T> for SequenceStep {
    fn from(events: T) -> Self {
        step(events)
    }
}

impl SequenceStep {
    /// `then within D`: at most so long after the step before.
    pub fn within(self, at_most: DurationMillis) -> Self {
        self.at(HopTime::Within(at_most))
    }

    /// `then after D`: at least so long after the step before.
    pub fn after(self, at_least: DurationMillis) -> Self {
        self.at(HopTime::After(at_least))
    }

    /// `then between D and D`: so long after the step before, both included.
    pub fn between(self, at_least: DurationMillis, at_most: DurationMillis) -> Self {
        self.at(HopTime::Between(at_least, at_most))
    }

    fn at(mut self, time: HopTime) -> Self {
        self.hop.time = time;
        self
    }

    /// `without X then`: no such event between the step before and this one.
    pub fn without(mut self, events: impl Into<EventSelector>) -> Self {
        self.hop.without.push(events.into());
        self
    }

    /// `directly then`: no other event of the user between the step before and this one.
    pub fn directly(mut self) -> Self {
        self.hop.directly = true;
        self
    }
}

impl Sequence {
    /// The same with one more step.
    pub fn then(mut self, step: impl Into<SequenceStep>) -> Self {
        self.steps.push(step.into());
        self
    }

    /// `within 7 days`: the last event at most so long after the first.
    pub fn spanning(mut self, at_most: DurationMillis) -> Self {
        self.within = Some(at_most);
        self
    }

    /// All events within a window.
    pub fn within(mut self, window: Window) -> Self {
        self.window = window;
        self
    }

    /// `same x`: all steps have one value of the property.
    pub fn same(mut self, property: impl Into<String>) -> Self {
        self.same.push(property.into());
        self
    }

    /// `strictly`: each step is later in time than the one before.
    pub fn strictly(mut self) -> Self {
        self.strictly = true;
        self
    }
}

impl From<Sequence> for Expr {
    fn from(sequence: Sequence) -> Self {
        ExprKind::Sequence(sequence).into()
    }
}

impl From<Sequence> for Segment {
    fn from(sequence: Sequence) -> Self {
        Self::new(sequence.into())
    }
}

/// `stopped(E, for QUIET, after SINCE)`: did between `since` ago and `quiet` ago, and not since.
pub fn stopped(
    events: impl Into<EventSelector>,
    quiet: DurationMillis,
    since: DurationMillis,
) -> Expr {
    lifecycle(events, Lifecycle::Stopped { quiet, since })
}

/// `restarted(E, in RECENT, after gap of GAP)`: did lately, not in the gap before, but before that.
pub fn restarted(
    events: impl Into<EventSelector>,
    recent: DurationMillis,
    gap: DurationMillis,
) -> Expr {
    lifecycle(events, Lifecycle::Restarted { recent, gap })
}

fn lifecycle(events: impl Into<EventSelector>, change: Lifecycle) -> Expr {
    ExprKind::Lifecycle {
        events: events.into(),
        change,
    }
    .into()
}
