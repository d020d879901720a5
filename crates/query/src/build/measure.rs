//! Numbers per user, and ranks.

use crate::ast::{
    Aggregate, AttributeOperand, AttributeRef, Cast, CompareOp, EventWindow, Expr, ExprKind,
    Measure, NumberTest, PeriodUnit, Predicate, RankEnd, RankSize, Window,
};
use crowdset_types::{DurationMillis, Number};

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

/// `users.x` or `property.x` as a measure, for [`top`] and [`bottom`].
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
            Self::Attribute(_) => None,
        }
    }

    /// The same over events with `where` the predicate. An attribute has no events and stays.
    pub fn filter(mut self, predicate: Predicate) -> Self {
        if let Some(of) = self.events_mut() {
            *of = of.clone().filter(predicate);
        }
        self
    }

    /// The same over events within a window. An attribute has no events and stays.
    pub fn within(mut self, window: Window) -> Self {
        if let Some(of) = self.events_mut() {
            of.window = window;
        }
        self
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
    pub fn in_zone(mut self, name: impl Into<String>) -> Self {
        if let Self::Calendar { zone, .. } = &mut self {
            *zone = Some(name.into());
        }
        self
    }

    /// The same with at least so many events in each period; for [`active_periods`].
    pub fn each(mut self, at_least: u32) -> Self {
        if let Self::Periods { each, .. } = &mut self {
            *each = at_least;
        }
        self
    }

    fn compare(self, op: CompareOp, value: impl IntoNumber) -> Expr {
        ExprKind::Measure {
            measure: self,
            test: NumberTest::Compare(op, value.into_number()),
        }
        .into()
    }

    /// `=`
    pub fn eq(self, value: impl IntoNumber) -> Expr {
        self.compare(CompareOp::Equal, value)
    }

    /// `!=`; false where the measure has no value.
    pub fn ne(self, value: impl IntoNumber) -> Expr {
        self.compare(CompareOp::NotEqual, value)
    }

    /// `<`
    pub fn lt(self, value: impl IntoNumber) -> Expr {
        self.compare(CompareOp::Less, value)
    }

    /// `<=`
    pub fn le(self, value: impl IntoNumber) -> Expr {
        self.compare(CompareOp::LessOrEqual, value)
    }

    /// `>`
    pub fn gt(self, value: impl IntoNumber) -> Expr {
        self.compare(CompareOp::Greater, value)
    }

    /// `>=`
    pub fn ge(self, value: impl IntoNumber) -> Expr {
        self.compare(CompareOp::GreaterOrEqual, value)
    }

    /// `between a and b`, both included.
    pub fn between(self, low: impl IntoNumber, high: impl IntoNumber) -> Expr {
        let test = NumberTest::Between(low.into_number(), high.into_number());
        ExprKind::Measure {
            measure: self,
            test,
        }
        .into()
    }
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
