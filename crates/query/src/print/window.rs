//! Windows, instants and anchors.

use super::text;
use crate::ast::{
    Anchor, AnchorRelation, CalendarUnit, CivilTime, Occurrence, Period, Position, TimePoint,
    Window,
};
use crowdset_types::{DurationMillis, TimestampMillis};
use std::fmt::{self, Display, Formatter};

pub(super) fn option(f: &mut Formatter<'_>, window: &Window) -> fmt::Result {
    match window {
        Window::Ever => Ok(()),
        window => write!(f, ", {window}"),
    }
}

/// An instant as it is written in quotes: a bare date where it is midnight.
pub(crate) fn time_text(millis: i64) -> String {
    let text = TimestampMillis(millis).to_string();
    match text.strip_suffix("T00:00:00Z") {
        Some(date) => date.to_owned(),
        None => text,
    }
}

impl Display for TimePoint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now => f.write_str("now"),
            Self::Ago(duration) => write!(f, "{duration} ago"),
            Self::At(instant) => write!(f, "'{}'", time_text(*instant)),
        }
    }
}

impl Display for Window {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ever => f.write_str("ever"),
            Self::Last(duration) => write!(f, "last {duration}"),
            Self::Between(from @ TimePoint::At(_), to @ TimePoint::At(_)) => {
                write!(f, "from {from} to {to}")
            }
            Self::Between(from, to) => write!(f, "between {from} and {to}"),
            Self::Since(from) => write!(f, "since {from}"),
            Self::Before(to) => write!(f, "before {to}"),
            Self::Anchored { relation, anchor } => {
                let within = |f: &mut Formatter<'_>, duration: DurationMillis, side: &str| {
                    write!(f, "within {duration} {side} {anchor}")
                };
                match *relation {
                    AnchorRelation::Since => write!(f, "since {anchor}"),
                    AnchorRelation::After => write!(f, "after {anchor}"),
                    AnchorRelation::Before => write!(f, "before {anchor}"),
                    AnchorRelation::WithinAfter(duration) => within(f, duration, "after"),
                    AnchorRelation::WithinBefore(duration) => within(f, duration, "before"),
                }
            }
            Self::Calendar { period, zone } => {
                period.fmt(f)?;
                if let Some(zone) = zone {
                    f.write_str(" in ")?;
                    text(f, zone)?;
                }
                Ok(())
            }
        }
    }
}

/// A window before a zone that is not its own: instants say that they are in UTC.
pub(super) fn window_with_offsets(f: &mut Formatter<'_>, window: &Window) -> fmt::Result {
    let at = |instant: &i64| TimestampMillis(*instant);
    match window {
        Window::Between(TimePoint::At(from), TimePoint::At(to)) => {
            write!(f, "from '{}' to '{}'", at(from), at(to))
        }
        Window::Since(TimePoint::At(from)) => write!(f, "since '{}'", at(from)),
        Window::Before(TimePoint::At(to)) => write!(f, "before '{}'", at(to)),
        other => other.fmt(f),
    }
}

impl Display for Period {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Today => f.write_str("today"),
            Self::Yesterday => f.write_str("yesterday"),
            Self::This(unit) => write!(f, "this {unit}"),
            Self::Last(count, unit) => {
                let plural = if *count == 1 { "" } else { "s" };
                write!(f, "last {count} calendar {unit}{plural}")
            }
            Self::On(day) => write!(f, "on {day}"),
            Self::Between(from, to) => write!(f, "from {from} to {to}"),
            Self::Since(from) => write!(f, "since {from}"),
            Self::Before(to) => write!(f, "before {to}"),
        }
    }
}

impl Display for CalendarUnit {
    /// Its name in the singular.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl CivilTime {
    /// As it is written in quotes: a bare date where it is midnight.
    pub(crate) fn text(self) -> String {
        time_text(self.0).trim_end_matches('Z').to_owned()
    }
}

impl Display for CivilTime {
    /// Quoted.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.text())
    }
}

impl Display for Anchor {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(occurrence) => occurrence.fmt(f),
            Self::Attribute(attribute) => attribute.fmt(f),
        }
    }
}

impl Display for Occurrence {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.position {
            Position::First => write!(f, "first({})", self.of),
            Position::Last => write!(f, "last({})", self.of),
            Position::Nth(n) => write!(f, "nth({n}, {})", self.of),
        }
    }
}
