//! Properties and attributes, and the operators that test them.

use super::attribute;
use crate::ast::{
    AttributeOperand, AttributeRef, Cast, CompareOp, Expr, ExprKind, Literal, Occurrence,
    OccurrenceTest, Operand, Predicate, Span, Test, TimePoint,
};

/// Something that can be tested: an operand of an event, an attribute, a property of one event.
pub trait Testable {
    /// What a test of it is: a predicate over one event, or a condition over a user.
    type Tested;

    /// The test of it.
    fn tested(self, test: Test) -> Self::Tested;

    /// The same with a cast around it. Of `event_name` and `timestamp` there is no cast.
    fn cast_to(self, cast: Cast) -> Self;
}

impl Testable for Operand {
    type Tested = Predicate;

    fn tested(self, test: Test) -> Predicate {
        Predicate::Test {
            operand: self,
            test,
            span: Span::default(),
        }
    }

    fn cast_to(self, cast: Cast) -> Self {
        match self {
            Self::Property(property) | Self::Cast { property, .. } => Self::Cast { cast, property },
            other => other,
        }
    }
}

impl Testable for AttributeOperand {
    type Tested = Expr;

    fn tested(self, test: Test) -> Expr {
        ExprKind::Attribute {
            operand: self,
            test,
        }
        .into()
    }

    fn cast_to(self, cast: Cast) -> Self {
        Self {
            cast: Some(cast),
            ..self
        }
    }
}

impl Testable for (Occurrence, Operand) {
    type Tested = Expr;

    fn tested(self, test: Test) -> Expr {
        let (occurrence, operand) = self;
        ExprKind::Occurrence {
            occurrence,
            test: OccurrenceTest::Property { operand, test },
        }
        .into()
    }

    fn cast_to(self, cast: Cast) -> Self {
        (self.0, self.1.cast_to(cast))
    }
}

/// Something to compare, not compared yet. Its methods are the operators of the language.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject<S>(pub(super) S);

/// A property of an event, by its dotted path: `prop("cart.total").gt(100)`.
pub fn prop(path: impl Into<String>) -> Subject<Operand> {
    operand(Operand::Property(path.into()))
}

/// `event_name`, `timestamp`, `hour(timestamp)` and the like.
pub fn operand(operand: Operand) -> Subject<Operand> {
    Subject(operand)
}

/// An attribute of the user; a prefix `users.` or `property.` names the table.
pub fn attr(name: &str) -> Subject<AttributeOperand> {
    Subject(AttributeOperand {
        attribute: attribute(name),
        cast: None,
    })
}

impl<S: Testable> Subject<S> {
    /// The same with a cast around it. Of `event_name` and `timestamp` there is no cast.
    pub fn cast(self, to: Cast) -> Self {
        Self(self.0.cast_to(to))
    }

    /// Any test.
    pub fn is(self, test: Test) -> S::Tested {
        self.0.tested(test)
    }

    /// `=`
    pub fn eq(self, value: impl Into<Literal>) -> S::Tested {
        self.is(Test::Compare(CompareOp::Equal, value.into()))
    }

    /// `!=`; false of a missing value.
    pub fn ne(self, value: impl Into<Literal>) -> S::Tested {
        self.is(Test::Compare(CompareOp::NotEqual, value.into()))
    }

    /// `<`
    pub fn lt(self, value: impl Into<Literal>) -> S::Tested {
        self.is(Test::Compare(CompareOp::Less, value.into()))
    }

    /// `<=`
    pub fn le(self, value: impl Into<Literal>) -> S::Tested {
        self.is(Test::Compare(CompareOp::LessOrEqual, value.into()))
    }

    /// `>`
    pub fn gt(self, value: impl Into<Literal>) -> S::Tested {
        self.is(Test::Compare(CompareOp::Greater, value.into()))
    }

    /// `>=`
    pub fn ge(self, value: impl Into<Literal>) -> S::Tested {
        self.is(Test::Compare(CompareOp::GreaterOrEqual, value.into()))
    }

    /// An operator and an attribute of the same user: `amount > users.credit_limit`.
    pub fn compare_attribute(self, op: CompareOp, attribute: AttributeRef) -> S::Tested {
        self.is(Test::CompareAttribute(op, attribute))
    }

    /// `between x and y`, both included.
    pub fn between(self, low: impl Into<Literal>, high: impl Into<Literal>) -> S::Tested {
        self.is(Test::Between(low.into(), high.into()))
    }

    /// `in (…)`
    pub fn is_in<L: Into<Literal>>(self, values: impl IntoIterator<Item = L>) -> S::Tested {
        self.is(Test::In(literals(values)))
    }

    /// `not in (…)`; false of a missing value.
    pub fn not_in<L: Into<Literal>>(self, values: impl IntoIterator<Item = L>) -> S::Tested {
        self.is(Test::NotIn(literals(values)))
    }

    /// `contains 'x'`
    pub fn contains(self, text: impl Into<String>) -> S::Tested {
        self.is(Test::Contains(text.into()))
    }

    /// `starts with 'x'`
    pub fn starts_with(self, text: impl Into<String>) -> S::Tested {
        self.is(Test::StartsWith(text.into()))
    }

    /// `ends with 'x'`
    pub fn ends_with(self, text: impl Into<String>) -> S::Tested {
        self.is(Test::EndsWith(text.into()))
    }

    /// `like 'a%_'`
    pub fn like(self, pattern: impl Into<String>) -> S::Tested {
        self.is(Test::Like(pattern.into()))
    }

    /// `ilike 'a%_'`
    pub fn ilike(self, pattern: impl Into<String>) -> S::Tested {
        self.is(Test::ILike(pattern.into()))
    }

    /// `matches 'regex'`
    pub fn matches(self, regex: impl Into<String>) -> S::Tested {
        self.is(Test::Matches(regex.into()))
    }

    /// `is set`
    pub fn is_set(self) -> S::Tested {
        self.is(Test::IsSet)
    }

    /// `is not set`
    pub fn is_not_set(self) -> S::Tested {
        self.is(Test::IsNotSet)
    }

    /// `has v`
    pub fn has(self, value: impl Into<Literal>) -> S::Tested {
        self.is(Test::Has(value.into()))
    }

    /// `has any (…)`
    pub fn has_any<L: Into<Literal>>(self, values: impl IntoIterator<Item = L>) -> S::Tested {
        self.is(Test::HasAny(literals(values)))
    }

    /// `has all (…)`
    pub fn has_all<L: Into<Literal>>(self, values: impl IntoIterator<Item = L>) -> S::Tested {
        self.is(Test::HasAll(literals(values)))
    }
}

fn literals<L: Into<Literal>>(values: impl IntoIterator<Item = L>) -> Vec<Literal> {
    values.into_iter().map(Into::into).collect()
}

impl Predicate {
    /// This and that.
    pub fn and(self, other: Self) -> Self {
        let mut parts = match self {
            Self::And(parts) => parts,
            single => vec![single],
        };
        match other {
            Self::And(more) => parts.extend(more),
            single => parts.push(single),
        }
        Self::And(parts)
    }

    /// This or that.
    pub fn or(self, other: Self) -> Self {
        let mut parts = match self {
            Self::Or(parts) => parts,
            single => vec![single],
        };
        match other {
            Self::Or(more) => parts.extend(more),
            single => parts.push(single),
        }
        Self::Or(parts)
    }

    /// Not this: true where it is false for whatever reason, a missing value included.
    pub fn negate(self) -> Self {
        Self::Not(Box::new(self))
    }
}

impl From<&str> for Literal {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Literal {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i32> for Literal {
    fn from(value: i32) -> Self {
        Self::Integer(value.into())
    }
}

impl From<i64> for Literal {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<f64> for Literal {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<bool> for Literal {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<TimePoint> for Literal {
    fn from(point: TimePoint) -> Self {
        Self::Time(point)
    }
}
