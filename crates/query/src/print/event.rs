//! Events and the tests of their properties.

use super::window::{option, time_text};
use super::{joined, leading_path, name, parenthesized, path, quoted, text, with_cast};
use crate::ast::{
    CompareOp, EventNames, EventSelector, EventWindow, Literal, Occurrence, OccurrenceTest,
    Operand, Period, Predicate, Test, TimePoint, Window,
};
use std::fmt::{self, Display, Formatter};

/// A property as it stands in a predicate.
fn property(f: &mut Formatter<'_>, value: &str) -> fmt::Result {
    leading_path(f, value, |first, dotted| {
        !dotted && matches!(first, "event_name" | "timestamp")
    })
}

/// A property as it stands after an occurrence: `.event` is the name, `."event"` a property.
fn occurrence_property(f: &mut Formatter<'_>, value: &str) -> fmt::Result {
    if matches!(value, "event" | "event_name" | "timestamp") {
        quoted(f, value, '"')
    } else {
        path(f, value)
    }
}

/// An operand around what `inner` prints for a property.
fn operand_around(
    f: &mut Formatter<'_>,
    operand: &Operand,
    event_name: &dyn Fn(&mut Formatter<'_>) -> fmt::Result,
    timestamp: &dyn Fn(&mut Formatter<'_>) -> fmt::Result,
    property: &dyn Fn(&mut Formatter<'_>, &str) -> fmt::Result,
) -> fmt::Result {
    let calendar = |f: &mut Formatter<'_>, function: &str, zone: &Option<String>| {
        write!(f, "{function}(")?;
        timestamp(f)?;
        if let Some(zone) = zone {
            f.write_str(", ")?;
            text(f, zone)?;
        }
        f.write_str(")")
    };
    match operand {
        Operand::Property(path) => property(f, path),
        Operand::EventName => event_name(f),
        Operand::Timestamp => timestamp(f),
        Operand::Hour { zone } => calendar(f, "hour", zone),
        Operand::Weekday { zone } => calendar(f, "weekday", zone),
        Operand::Cast {
            cast,
            property: path,
        } => with_cast(f, *cast, |f| property(f, path)),
    }
}

impl Display for Operand {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        operand_around(
            f,
            self,
            &|f| f.write_str("event_name"),
            &|f| f.write_str("timestamp"),
            &property,
        )
    }
}

pub(super) fn occurrence_test(
    f: &mut Formatter<'_>,
    occurrence: &Occurrence,
    test: &OccurrenceTest,
) -> fmt::Result {
    match test {
        OccurrenceTest::When(window) => {
            // `in last 14 days` and `in ever` read better with the word, `before …` without.
            let is_in = match window {
                Window::Last(_) | Window::Ever => true,
                Window::Calendar { period, .. } => {
                    matches!(period, Period::This(_) | Period::Last(..))
                }
                _ => false,
            };
            let word = if is_in { "in " } else { "" };
            write!(f, "{occurrence} {word}{window}")
        }
        OccurrenceTest::Property { operand, test } => {
            operand_around(
                f,
                operand,
                &|f| write!(f, "{occurrence}.event"),
                &|f| write!(f, "{occurrence}.timestamp"),
                &|f, path| {
                    write!(f, "{occurrence}.")?;
                    occurrence_property(f, path)
                },
            )?;
            test.fmt(f)
        }
    }
}

impl Display for EventWindow {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.events.fmt(f)?;
        option(f, &self.window)
    }
}

impl Display for EventSelector {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.names.fmt(f)?;
        filter(f, self.filter.as_ref())
    }
}

pub(super) fn filter(f: &mut Formatter<'_>, predicate: Option<&Predicate>) -> fmt::Result {
    predicate.map_or(Ok(()), |predicate| write!(f, " where {predicate}"))
}

impl Display for EventNames {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any { except } if except.is_empty() => f.write_str("any event"),
            Self::Any { except } => {
                f.write_str("any event except (")?;
                joined(f, except, ", ", |f, event| name(f, &event.name))?;
                f.write_str(")")
            }
            Self::One(event) => name(f, &event.name),
            Self::AnyOf(parts) => {
                f.write_str("any of (")?;
                joined(f, parts, ", ", |f, (event, predicate)| {
                    name(f, &event.name)?;
                    filter(f, predicate.as_ref())
                })?;
                f.write_str(")")
            }
        }
    }
}

impl Display for Predicate {
    /// The canonical text.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(parts) => joined(f, parts, " and ", |f, part| {
                parenthesized(f, part, self.needs_parentheses(part))
            }),
            Self::Or(parts) => joined(f, parts, " or ", |f, part| {
                parenthesized(f, part, self.needs_parentheses(part))
            }),
            Self::Not(inner) => {
                f.write_str("not ")?;
                parenthesized(f, &**inner, self.needs_parentheses(inner))
            }
            Self::Test { operand, test, .. } => write!(f, "{operand}{test}"),
        }
    }
}

impl Predicate {
    /// Whether a part of it stands in parentheses.
    pub(super) fn needs_parentheses(&self, part: &Self) -> bool {
        match part {
            Self::And(_) => !matches!(self, Self::Or(_)),
            Self::Or(_) => true,
            _ => false,
        }
    }
}

impl Display for Test {
    /// The operator and its values, with a leading blank.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let with_text = |f: &mut Formatter<'_>, word: &str, value: &str| {
            write!(f, " {word} ")?;
            text(f, value)
        };
        let with_list = |f: &mut Formatter<'_>, word: &str, values: &[Literal]| {
            write!(f, " {word} (")?;
            joined(f, values, ", ", |f, value| value.fmt(f))?;
            f.write_str(")")
        };
        match self {
            Self::Compare(op, value) => write!(f, " {op} {value}"),
            Self::CompareAttribute(op, attribute) => write!(f, " {op} {attribute}"),
            Self::Between(low, high) => write!(f, " between {low} and {high}"),
            Self::In(values) => with_list(f, "in", values),
            Self::NotIn(values) => with_list(f, "not in", values),
            Self::Contains(value) => with_text(f, "contains", value),
            Self::StartsWith(value) => with_text(f, "starts with", value),
            Self::EndsWith(value) => with_text(f, "ends with", value),
            Self::Like(value) => with_text(f, "like", value),
            Self::ILike(value) => with_text(f, "ilike", value),
            Self::Matches(value) => with_text(f, "matches", value),
            Self::IsSet => f.write_str(" is set"),
            Self::IsNotSet => f.write_str(" is not set"),
            Self::Has(value) => write!(f, " has {value}"),
            Self::HasAny(values) => with_list(f, "has any", values),
            Self::HasAll(values) => with_list(f, "has all", values),
        }
    }
}

impl CompareOp {
    /// The operator as written.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

impl Display for CompareOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.symbol())
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(value) => text(f, value),
            Self::Integer(value) => value.fmt(f),
            // Debug keeps the point: `5.0` stays a decimal.
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Bool(value) => value.fmt(f),
            // Quoted alone it would be text that may also be read as a time.
            Self::Time(TimePoint::At(instant)) => write!(f, "time('{}')", time_text(*instant)),
            Self::Time(point) => point.fmt(f),
        }
    }
}
