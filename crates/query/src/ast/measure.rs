//! Numbers per user.

use super::{AttributeOperand, Cast, CompareOp, EventWindow, Window};
use crowdset_types::DurationMillis;

/// A number per user.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Measure {
    /// `count(E [, W])`: 0 for users without events.
    Count(EventWindow),
    /// `sum|min|max|avg|distinct(E.prop [where P] [, W])`.
    Aggregate {
        /// How the values become one number.
        function: Aggregate,
        /// The property's dotted path, with its cast.
        property: String,
        /// A cast around the property.
        cast: Option<Cast>,
        /// Which events.
        of: EventWindow,
    },
    /// `days(E, W [in zone])`, `weeks(…)`, `months(…)`: distinct calendar periods with an event.
    Calendar {
        /// Of what length.
        unit: PeriodUnit,
        /// An IANA zone; UTC if none.
        zone: Option<String>,
        /// Which events.
        of: EventWindow,
    },
    /// `periods(E, of D [, W] [, each >= k])`: slices of time, counted back from the window's end,
    /// that hold enough events.
    Periods {
        /// The length of a slice, more than nothing.
        length: DurationMillis,
        /// How many events a slice must hold, at least 1.
        each: u32,
        /// Which events.
        of: EventWindow,
    },
    /// `days_since_first(E)`: `(as_of - first) / 24 h`, not floored; no value without one.
    DaysSinceFirst(EventWindow),
    /// `days_since_last(E)`.
    DaysSinceLast(EventWindow),
    /// `users.x`, `property.x` where numeric.
    Attribute(AttributeOperand),
    /// `bucket('salt')`: a stable number from 0 up to but not 1, drawn from salt and user id.
    Bucket(String),
    /// A number as written; finite.
    Number(crowdset_types::Number),
    /// `-MEASURE`; never directly around a number.
    Negative(Box<Measure>),
    /// `a + b - c`, `a * b / c`.
    Arithmetic(Arithmetic),
}

impl Measure {
    /// Distinct periods with an event. A zone belongs to the window if that takes one, and is not
    /// said twice, so that there is one tree for one meaning.
    pub(crate) fn calendar(unit: PeriodUnit, zone: Option<String>, mut of: EventWindow) -> Self {
        let mut zone = zone;
        if let Window::Calendar { zone: own, .. } = &mut of.window {
            if own.is_none() {
                *own = zone.take();
            } else if *own == zone {
                zone = None;
            }
        }
        Self::Calendar { unit, zone, of }
    }
}

/// Measures joined by operators of one rank, worked out from left to right. What is not a finite
/// number, or needs a measure without a value, is no value.
#[derive(Debug, Clone, PartialEq)]
pub struct Arithmetic {
    /// The leftmost.
    pub first: Box<Measure>,
    /// What is done with it, at least once: either all `+` and `-` or all `*` and `/`.
    pub rest: Vec<(ArithmeticOp, Measure)>,
}

/// What is done with two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArithmeticOp {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`; by zero: no value.
    Divide,
}

impl ArithmeticOp {
    /// Whether it is `*` or `/`, which bind more tightly.
    pub fn is_multiplicative(self) -> bool {
        matches!(self, Self::Multiply | Self::Divide)
    }

    /// The operator as written.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
        }
    }

    /// The number that comes out; `None` is no value. See [`crowdset_types::arithmetic`].
    pub fn apply(
        self,
        left: crowdset_types::Number,
        right: crowdset_types::Number,
    ) -> Option<crowdset_types::Number> {
        use crowdset_types::arithmetic;
        match self {
            Self::Add => arithmetic::add(left, right),
            Self::Subtract => arithmetic::subtract(left, right),
            Self::Multiply => arithmetic::multiply(left, right),
            Self::Divide => arithmetic::divide(left, right),
        }
    }
}

/// A unit of the calendar whose periods a measure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PeriodUnit {
    /// From midnight to midnight in the zone, 23 to 25 hours.
    Day,
    /// ISO weeks: from Monday.
    Week,
    /// From the first of the month.
    Month,
}

/// How values become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Aggregate {
    /// Of nothing: 0. Exact for integers and short decimals.
    Sum,
    /// Of nothing: no value.
    Min,
    /// Of nothing: no value.
    Max,
    /// Of nothing: no value.
    Avg,
    /// How many different values of any type; `1` and `1.0` are one.
    Distinct,
}

/// What a measure must be.
#[derive(Debug, Clone, PartialEq)]
pub enum NumberTest {
    /// `OP number`.
    Compare(CompareOp, crowdset_types::Number),
    /// `between a and b`, both inclusive.
    Between(crowdset_types::Number, crowdset_types::Number),
}

/// From which end users are ranked. Ties are broken by user id, ascending, at both ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RankEnd {
    /// The largest.
    Top,
    /// The smallest.
    Bottom,
}

/// How many users a rank selects, at least one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RankSize {
    /// So many users.
    Users(u64),
    /// So many per cent of the users that have at least one event of E in W (or a value of the
    /// attribute), rounded down.
    Percent(f64),
}
