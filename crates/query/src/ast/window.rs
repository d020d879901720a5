//! Windows in time, and the instants they hang on.

use super::{AttributeRef, EventWindow, Operand, Test};
use crowdset_types::{DurationMillis, TimeRange, TimestampMillis};

/// An instant as written.
#[derive(Debug, Clone, PartialEq)]
pub enum TimePoint {
    /// `now`: `as_of`.
    Now,
    /// `30 days ago`.
    Ago(DurationMillis),
    /// `'2026-01-01'`, as milliseconds since the epoch.
    At(i64),
}

/// Where in time events must lie: half-open, cut at `as_of`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Window {
    /// Everything before `as_of`.
    Ever,
    /// `last 7 days`: `[as_of - d, as_of)`.
    Last(DurationMillis),
    /// `between a and b`, `from a to b`: `[a, b)`.
    Between(TimePoint, TimePoint),
    /// `since a`: `[a, as_of)`.
    Since(TimePoint),
    /// `before a`.
    Before(TimePoint),
    /// Relative to an instant of the user's own. No such instant: the window is empty.
    Anchored {
        /// On which side, and how far.
        relation: AnchorRelation,
        /// The instant.
        anchor: Box<Anchor>,
    },
    /// `this month`, `last 3 calendar weeks in 'Europe/Berlin'`, and written dates with a zone.
    Calendar {
        /// Which part of the calendar.
        period: Period,
        /// An IANA zone; UTC if none.
        zone: Option<String>,
    },
}

impl Window {
    /// The zone whose calendar the window was written in.
    pub fn zone(&self) -> Option<&str> {
        match self {
            Self::Calendar { zone, .. } => zone.as_deref(),
            _ => None,
        }
    }

    /// The instants of a calendar window as seen at `as_of`, not cut there. `None` for any other
    /// window, and for a zone or a date that there is not.
    pub fn calendar_range(&self, as_of: TimestampMillis) -> Option<TimeRange> {
        match self {
            Self::Calendar { period, zone } => {
                crate::planner::calendar_range(*period, zone.as_deref(), as_of)
            }
            _ => None,
        }
    }
}

/// A part of a calendar. A day begins where the zone's clocks first show its date, so that it may
/// have 23 or 25 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// `today`: the day of `as_of`.
    Today,
    /// `yesterday`: the day before it.
    Yesterday,
    /// `this month`: the period of `as_of`.
    This(CalendarUnit),
    /// `last 3 calendar months`: so many whole periods before the one of `as_of`.
    Last(u32, CalendarUnit),
    /// `on '2026-01-05'`: one day.
    On(CivilTime),
    /// `from '2026-01-01' to '2026-02-01' in 'Europe/Berlin'`. Without a zone it is written as
    /// [`Window::Between`], and so on for the two below.
    Between(CivilTime, CivilTime),
    /// `since '2026-01-01' in 'Europe/Berlin'`.
    Since(CivilTime),
    /// `before '2026-01-01' in 'Europe/Berlin'`.
    Before(CivilTime),
}

/// What the clocks of a zone show: the milliseconds from 1970-01-01T00:00:00 to it, as if every day
/// had 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CivilTime(pub i64);

/// A unit of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CalendarUnit {
    /// From midnight to midnight.
    Day,
    /// ISO: from Monday on.
    Week,
    /// From the first of a month on.
    Month,
    /// From the first of January, April, July or October on.
    Quarter,
    /// From the first of January on.
    Year,
}

impl CalendarUnit {
    /// Every unit, shortest first.
    pub const ALL: [Self; 5] = [
        Self::Day,
        Self::Week,
        Self::Month,
        Self::Quarter,
        Self::Year,
    ];

    /// The unit's name in the singular.
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }
}

/// How a window lies to its anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnchorRelation {
    /// `since A`: from the anchor on, its instant included.
    Since,
    /// `after A`: later than the anchor's instant.
    After,
    /// `before A`: earlier than the anchor's instant.
    Before,
    /// `within D after A`: `[anchor, anchor + D]`.
    WithinAfter(DurationMillis),
    /// `within D before A`: `[anchor - D, anchor]`.
    WithinBefore(DurationMillis),
}

/// An instant of the user's own.
#[derive(Debug, Clone, PartialEq)]
pub enum Anchor {
    /// `first(E [, W])`, `last(E [, W])`, `nth(2, E [, W])`.
    Event(Occurrence),
    /// `users.created_at`, `property.renewed_at`: a time, or text that is RFC 3339.
    Attribute(AttributeRef),
}

/// One event of a user by its place in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Occurrence {
    /// Which.
    pub position: Position,
    /// Among these events.
    pub of: EventWindow,
}

/// A place in the order of a user's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Position {
    /// The earliest.
    First,
    /// The latest.
    Last,
    /// The n-th earliest, from 1.
    Nth(u32),
}

/// What must hold of one event.
#[derive(Debug, Clone, PartialEq)]
pub enum OccurrenceTest {
    /// Its time lies in the window: `in last 14 days`, `before 30 days ago`.
    When(Window),
    /// One of its properties: `.source = 'email'`; `.event` is [`Operand::EventName`].
    Property {
        /// What is looked at.
        operand: Operand,
        /// What it must be.
        test: Test,
    },
}
