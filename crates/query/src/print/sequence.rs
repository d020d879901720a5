//! Sequences.

use super::window::option;
use super::{path, quoted};
use crate::ast::{HopTime, Sequence, SequenceStep};
use std::fmt::{self, Display, Formatter};

impl Display for Sequence {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("sequence(")?;
        for (index, SequenceStep { events, hop }) in self.steps.iter().enumerate() {
            if index > 0 {
                for events in &hop.without {
                    write!(f, " without {events}")?;
                }
                f.write_str(if hop.directly {
                    " directly then "
                } else {
                    " then "
                })?;
                match hop.time {
                    HopTime::Any => {}
                    HopTime::Within(most) => write!(f, "within {most} ")?,
                    HopTime::After(least) => write!(f, "after {least} ")?,
                    HopTime::Between(least, most) => write!(f, "between {least} and {most} ")?,
                }
            }
            events.fmt(f)?;
        }
        if let Some(within) = self.within {
            write!(f, ", within {within}")?;
        }
        option(f, &self.window)?;
        for property in &self.same {
            f.write_str(", same ")?;
            same_property(f, property)?;
        }
        if self.strictly {
            f.write_str(", strictly")?;
        }
        f.write_str(")")
    }
}

/// A property after `same`, where `timestamp` and `event_name` mean something else.
fn same_property(f: &mut Formatter<'_>, value: &str) -> fmt::Result {
    if matches!(value, "event_name" | "timestamp") {
        quoted(f, value, '"')
    } else {
        path(f, value)
    }
}
