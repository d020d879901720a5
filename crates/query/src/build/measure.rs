//! Numbers per user, and ranks.

use crate::ast::{
    Aggregate, Arithmetic, ArithmeticOp, AttributeOperand, AttributeRef, Cast, CompareOp,
    EventWindow, Expr, ExprKind, Measure, PeriodUnit, Predicate, RankEnd, RankSize, Window,
};
use crowdset_types::{DurationMillis, Number, arithmetic};
use std::ops::{Add, Div, Mul, Neg, Sub};

/// `count(E)`
pub fn count(of: impl Into<EventWindow>) -> Measure {
    Measure::Count(of.into())
}

/// `days(E)`: distinct UTC days with an event; see [`Measure::in_zone`].
pub fn active_days(of: impl Into<EventWindow>) -> Measure {
    calendar(PeriodUnit::Day, of)
}

/// `weeks(E)`: distinct ISO weeks with an event.
pub fn active_weeks(of: impl Into<EventWindow>) -> Measure {
    calendar(PeriodUnit::Week, of)
}

/// `months(E)`: distinct calendar months with an event.
pub fn active_months(of: impl Into<EventWindow>) -> Measure {
    calendar(PeriodUnit::Month, of)
}

fn calendar(unit: PeriodUnit, of: impl Into<EventWindow>) -> Measure {
    Measure::Calendar {
        unit,
        zone: None,
        of: of.into(),
    }
}

/// `periods(E, of D)`: slices of that length, counted back from the window's end, with at least one
/// event; see [`Measure::each`].
pub fn active_periods(of: impl Into<EventWindow>, length: DurationMillis) -> Measure {
    Measure::Periods {
        length,
        each: 1,
        of: of.into(),
    }
}

/// `days_since_first(E)`
pub fn days_since_first(of: impl Into<EventWindow>) -> Measure {
    Measure::DaysSinceFirst(of.into())
}

/// `days_since_last(E)`
pub fn days_since_last(of: impl Into<EventWindow>) -> Measure {
    Measure::DaysSinceLast(of.into())
}

/// `sum(E.prop)`
pub fn sum(of: impl Into<EventWindow>, property: impl Into<String>) -> Measure {
    aggregate(Aggregate::Sum, of, property)
}

/// `min(E.prop)`
pub fn min(of: impl Into<EventWindow>, property: impl Into<String>) -> Measure {
    aggregate(Aggregate::Min, of, property)
}

/// `max(E.prop)`
pub fn max(of: impl Into<EventWindow>, property: impl Into<String>) -> Measure {
    aggregate(Aggregate::Max, of, property)
}

/// `avg(E.prop)`
pub fn avg(of: impl Into<EventWindow>, property: impl Into<String>) -> Measure {
    aggregate(Aggregate::Avg, of, property)
}

/// `distinct(E.prop)`
pub fn distinct(of: impl Into<EventWindow>, property: impl Into<String>) -> Measure {
    aggregate(Aggregate::Distinct, of, property)
}

fn aggregate(
    function: Aggregate,
    of: impl Into<EventWindow>,
    property: impl Into<String>,
) -> Measure {
    Measure::Aggregate {
        function,
        property: property.into(),
        cast: None,
        of: of.into(),
    }
}

/// `users.x` or `property.x` as a measure, for arithmetic, [`top`] and [`bottom`].
pub fn value_of(attribute: AttributeRef) -> Measure {
    Measure::Attribute(AttributeOperand {
        attribute,
        cast: None,
    })
}

impl Measure {
    fn events_mut(&mut self) -> Option<&mut EventWindow> {
        match self {
            Self::Count(of)
            | Self::Aggregate { of, .. }
            | Self::Calendar { of, .. }
            | Self::Periods { of, .. }
            | Self::DaysSinceFirst(of)
            | Self::DaysSinceLast(of) => Some(of),
            Self::Attribute(_)
            | Self::Bucket(_)
            | Self::Number(_)
            | Self::Negative(_)
            | Self::Arithmetic(_) => None,
        }
    }

    /// The same over events with `where` the predicate. What has no events of its own, such as an
    /// attribute or a sum of measures, stays.
    pub fn filter(mut self, predicate: Predicate) -> Self {
        if let Some(of) = self.events_mut() {
            *of = of.clone().filter(predicate);
        }
        self
    }

    /// The same over events within a window. What has no events of its own, such as an attribute
    /// or a sum of measures, stays.
    pub fn within(mut self, window: Window) -> Self {
        if let Some(of) = self.events_mut() {
            of.window = window;
        }
        match self {
            Self::Calendar { unit, zone, of } => Self::calendar(unit, zone, of),
            other => other,
        }
    }

    /// The same with a cast around the property or attribute; other measures have none.
    pub fn cast(mut self, to: Cast) -> Self {
        if let Self::Aggregate { cast, .. } | Self::Attribute(AttributeOperand { cast, .. }) =
            &mut self
        {
            *cast = Some(to);
        }
        self
    }

    /// The same with the days, weeks or months of a zone such as `Europe/Berlin`; other measures
    /// have none.
    pub fn in_zone(self, name: impl Into<String>) -> Self {
        match self {
            Self::Calendar { unit, of, .. } => Self::calendar(unit, Some(name.into()), of),
            other => other,
        }
    }

    /// The same with at least so many events in each period; for [`active_periods`].
    pub fn each(mut self, at_least: u32) -> Self {
        if let Self::Periods { each, .. } = &mut self {
            *each = at_least;
        }
        self
    }

    fn compare(self, op: CompareOp, right: impl Into<Measure>) -> Expr {
        ExprKind::comparison(self, op, right.into()).into()
    }

    /// `=`
    pub fn eq(self, right: impl Into<Measure>) -> Expr {
        self.compare(CompareOp::Equal, right)
    }

    /// `!=`; false where either side has no value.
    pub fn ne(self, right: impl Into<Measure>) -> Expr {
        self.compare(CompareOp::NotEqual, right)
    }

    /// `<`
    pub fn lt(self, right: impl Into<Measure>) -> Expr {
        self.compare(CompareOp::Less, right)
    }

    /// `<=`
    pub fn le(self, right: impl Into<Measure>) -> Expr {
        self.compare(CompareOp::LessOrEqual, right)
    }

    /// `>`
    pub fn gt(self, right: impl Into<Measure>) -> Expr {
        self.compare(CompareOp::Greater, right)
    }

    /// `>=`
    pub fn ge(self, right: impl Into<Measure>) -> Expr {
        self.compare(CompareOp::GreaterOrEqual, right)
    }

    /// `between a and b`, both included.
    pub fn between(self, low: impl IntoNumber, high: impl IntoNumber) -> Expr {
        ExprKind::between(self, low.into_number(), high.into_number()).into()
    }

    fn joined(self, op: ArithmeticOp, right: Self) -> Self {
        match self {
            Self::Arithmetic(mut left) if left.is_multiplicative() == op.is_multiplicative() => {
                left.rest.push((op, right));
                Self::Arithmetic(left)
            }
            first => Self::Arithmetic(Arithmetic {
                first: Box::new(first),
                rest: vec![(op, right)],
            }),
        }
    }
}

impl<T: IntoNumber> From<T> for Measure {
    fn from(number: T) -> Self {
        Self::Number(number.into_number())
    }
}

impl<T: Into<Self>> Add<T> for Measure {
    type Output = Self;

    fn add(self, right: T) -> Self {
        self.joined(ArithmeticOp::Add, right.into())
    }
}

impl<T: Into<Self>> Sub<T> for Measure {
    type Output = Self;

    fn sub(self, right: T) -> Self {
        self.joined(ArithmeticOp::Subtract, right.into())
    }
}

impl<T: Into<Self>> Mul<T> for Measure {
    type Output = Self;

    fn mul(self, right: T) -> Self {
        self.joined(ArithmeticOp::Multiply, right.into())
    }
}

impl<T: Into<Self>> Div<T> for Measure {
    type Output = Self;

    /// By zero: no value.
    fn div(self, right: T) -> Self {
        self.joined(ArithmeticOp::Divide, right.into())
    }
}

impl Neg for Measure {
    type Output = Self;

    fn neg(self) -> Self {
        match self {
            Self::Number(number) => Self::Number(arithmetic::negate(number).unwrap_or(number)),
            other => Self::Negative(Box::new(other)),
        }
    }
}

/// `bucket('salt')`: a stable number per user from 0 up to but not 1.
pub fn bucket(salt: impl Into<String>) -> Measure {
    Measure::Bucket(salt.into())
}

/// A number, to begin arithmetic with: `constant(2) * count("a")`.
pub fn constant(number: impl IntoNumber) -> Measure {
    Measure::Number(number.into_number())
}

/// What a measure can be compared with: integers stay exact, doubles stay doubles.
pub trait IntoNumber {
    /// The number.
    fn into_number(self) -> Number;
}

impl IntoNumber for Number {
    fn into_number(self) -> Number {
        self
    }
}

impl IntoNumber for i32 {
    fn into_number(self) -> Number {
        Number::Integer(self.into())
    }
}

impl IntoNumber for i64 {
    fn into_number(self) -> Number {
        Number::Integer(self)
    }
}

impl IntoNumber for f64 {
    fn into_number(self) -> Number {
        Number::Float(self)
    }
}

/// `top(1000, M)`: so many users with the largest measure.
pub fn top(users: u64, measure: Measure) -> Expr {
    rank(RankEnd::Top, RankSize::Users(users), measure)
}

/// `bottom(1000, M)`: so many users with the smallest measure.
pub fn bottom(users: u64, measure: Measure) -> Expr {
    rank(RankEnd::Bottom, RankSize::Users(users), measure)
}

/// `top(10%, M)`, `bottom(10%, M)` and the like.
pub fn rank(end: RankEnd, size: RankSize, measure: Measure) -> Expr {
    ExprKind::Rank { end, size, measure }.into()
}
