//! Measures and arithmetic.

use super::event::filter;
use super::window::{option, window_with_offsets};
use super::{parenthesized, path, text, with_cast};
use crate::ast::{Aggregate, Arithmetic, ArithmeticOp, Measure, NumberTest, PeriodUnit};
use crowdset_types::Number;
use std::fmt::{self, Display, Formatter};

impl Aggregate {
    /// The function's name as written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
            Self::Avg => "avg",
            Self::Distinct => "distinct",
        }
    }
}

impl PeriodUnit {
    /// The measure that counts such periods: `days`, `weeks`, `months`.
    pub fn measure(self) -> &'static str {
        match self {
            Self::Day => "days",
            Self::Week => "weeks",
            Self::Month => "months",
        }
    }
}

impl Display for Measure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(of) => write!(f, "count({of})"),
            Self::Aggregate {
                function,
                property,
                cast,
                of,
            } => {
                write!(f, "{}(", function.name())?;
                let subject = |f: &mut Formatter<'_>| {
                    write!(f, "{}.", of.events.names)?;
                    path(f, property)
                };
                match cast {
                    Some(cast) => with_cast(f, *cast, subject)?,
                    None => subject(f)?,
                }
                filter(f, of.events.filter.as_ref())?;
                option(f, &of.window)?;
                f.write_str(")")
            }
            Self::Calendar { unit, zone, of } => {
                write!(f, "{}({}", unit.measure(), of.events)?;
                match (zone, &of.window) {
                    (None, window) => option(f, window)?,
                    (Some(zone), window) => {
                        f.write_str(", ")?;
                        window_with_offsets(f, window)?;
                        f.write_str(" in ")?;
                        text(f, zone)?;
                    }
                }
                f.write_str(")")
            }
            Self::Periods { length, each, of } => {
                write!(f, "periods({}, of {length}", of.events)?;
                option(f, &of.window)?;
                if *each > 1 {
                    write!(f, ", each >= {each}")?;
                }
                f.write_str(")")
            }
            Self::DaysSinceFirst(of) => write!(f, "days_since_first({of})"),
            Self::DaysSinceLast(of) => write!(f, "days_since_last({of})"),
            Self::Attribute(operand) => operand.fmt(f),
            Self::Bucket(salt) => {
                f.write_str("bucket(")?;
                text(f, salt)?;
                f.write_str(")")
            }
            Self::Number(value) => number(f, *value),
            Self::Negative(inner) => {
                // Two signs side by side would begin a comment.
                let sign = if matches!(**inner, Self::Negative(_)) {
                    "- "
                } else {
                    "-"
                };
                f.write_str(sign)?;
                parenthesized(f, &**inner, inner.needs_parentheses_after_sign())
            }
            Self::Arithmetic(arithmetic) => arithmetic.fmt(f),
        }
    }
}

impl Measure {
    pub(super) fn needs_parentheses_after_sign(&self) -> bool {
        matches!(self, Self::Number(_) | Self::Arithmetic(_))
    }
}

impl Arithmetic {
    /// Whether a part of it stands in parentheses.
    pub(super) fn needs_parentheses(&self, part: &Measure) -> bool {
        match part {
            Measure::Arithmetic(inner) => self.is_multiplicative() || !inner.is_multiplicative(),
            _ => false,
        }
    }

    /// Whether it is made of `*` and `/`.
    pub(crate) fn is_multiplicative(&self) -> bool {
        self.rest.iter().any(|(op, _)| op.is_multiplicative())
    }
}

impl Display for Arithmetic {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        parenthesized(f, &*self.first, self.needs_parentheses(&self.first))?;
        for (op, part) in &self.rest {
            write!(f, " {op} ")?;
            parenthesized(f, part, self.needs_parentheses(part))?;
        }
        Ok(())
    }
}

impl Display for ArithmeticOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.symbol())
    }
}

impl Display for NumberTest {
    /// The operator and its numbers, with a leading blank.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compare(op, value) => {
                write!(f, " {op} ")?;
                number(f, *value)
            }
            Self::Between(low, high) => {
                f.write_str(" between ")?;
                number(f, *low)?;
                f.write_str(" and ")?;
                number(f, *high)
            }
        }
    }
}

fn number(f: &mut Formatter<'_>, value: Number) -> fmt::Result {
    match value {
        Number::Integer(value) => value.fmt(f),
        // Debug keeps the point: `5.0` stays a decimal.
        Number::Float(value) => write!(f, "{value:?}"),
    }
}
