//! Events in order, and habits that change.

use super::{EventSelector, Window};
use crowdset_types::DurationMillis;

/// Events in order: `sequence(E then E …, options)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Sequence {
    /// The steps in order; at least one.
    pub steps: Vec<SequenceStep>,
    /// The longest time from the first step's event to the last one's, inclusive.
    pub within: Option<DurationMillis>,
    /// Where all steps' events must lie.
    pub window: Window,
    /// `same x`: properties, by their dotted paths, of which all steps have one value.
    pub same: Vec<String>,
    /// `strictly`: each step is later in time than the one before.
    pub strictly: bool,
}

/// One step of a sequence, and the way to it from the step before.
#[derive(Debug, Clone, PartialEq)]
pub struct SequenceStep {
    /// Which events.
    pub events: EventSelector,
    /// What must hold between the step before and this one; nothing for the first step.
    pub hop: Hop,
}

/// What must hold between two steps' events: `then within D`, `without X then`, `directly then`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Hop {
    /// How much later the second may be.
    pub time: HopTime,
    /// `without X`: none of these with a time strictly between the two.
    pub without: Vec<EventSelector>,
    /// `directly then`: no other event of the user between the two, in the order of events.
    pub directly: bool,
}

/// How much later than the step before a step may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HopTime {
    /// Not earlier.
    #[default]
    Any,
    /// `then within D`: at most so much, inclusive.
    Within(DurationMillis),
    /// `then after D`: at least so much, inclusive.
    After(DurationMillis),
    /// `then between D and D`: both inclusive.
    Between(DurationMillis, DurationMillis),
}

/// How a user's habit has changed, as of the instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifecycle {
    /// `stopped(E, for QUIET, after SINCE)`: did between `since` ago and `quiet` ago, and not since.
    Stopped {
        /// How long nothing has been done.
        quiet: DurationMillis,
        /// How far back the habit is looked for.
        since: DurationMillis,
    },
    /// `restarted(E, in RECENT, after gap of GAP)`: did lately, not in the gap before, but before
    /// that.
    Restarted {
        /// How far back the new start is looked for.
        recent: DurationMillis,
        /// How long nothing was done before that.
        gap: DurationMillis,
    },
}
