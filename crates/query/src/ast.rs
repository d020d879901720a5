//! The syntax tree that text, JSON and the builder share: what somebody wrote, nothing resolved.
//!
//! Spans are carried for messages only: two trees are equal if they say the same.

mod event;
mod measure;
mod sequence;
mod window;

use crate::diagnostic::Diagnostic;

use crowdset_types::DurationMillis;
use std::collections::BTreeSet;
use std::sync::Arc;

pub use event::{
    Cast, CompareOp, EventName, EventNames, EventSelector, EventWindow, Literal, Operand,
    Predicate, Test,
};
pub use measure::{
    Aggregate, Arithmetic, ArithmeticOp, Measure, NumberTest, PeriodUnit, RankEnd, RankSize,
};
pub use sequence::{Hop, HopTime, Lifecycle, Sequence, SequenceStep};
pub use window::{
    Anchor, AnchorRelation, CalendarUnit, CivilTime, Occurrence, OccurrenceTest, Period, Position,
    TimePoint, Window,
};

/// A place in the text: byte offsets, `start..end`. All spans are equal, so that trees from text
/// and trees from JSON or the builder compare by what they say.
#[derive(Debug, Clone, Copy, Default)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl PartialEq for Span {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Span {}

/// A definition somebody wrote. Parse it from text or JSON with [`str::parse`], or build it with
/// [`crate::build`]. [`std::fmt::Display`] prints its canonical text.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// The whole condition.
    pub root: Expr,
    /// The text it was read from, for messages; empty if it came from JSON or the builder.
    pub(crate) source: Source,
}

/// The text that spans point into, and what its reader had to remark. All sources are equal, as
/// all spans are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Source {
    pub(crate) text: Arc<str>,
    pub(crate) warnings: Vec<Diagnostic>,
}

impl PartialEq for Source {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Segment {
    /// A segment of this tree, written by no text.
    pub fn new(root: Expr) -> Self {
        Self {
            root,
            source: Source::default(),
        }
    }

    /// The text the segment was parsed from; empty if it came from JSON or the builder.
    pub fn source_text(&self) -> &str {
        &self.source.text
    }

    /// What is legal as written yet probably not meant, known without any data: `last 0 days`.
    /// The planner repeats these among the warnings of its plan.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.source.warnings
    }
}

/// The saved segments and static lists that a definition names itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// Names of saved segments.
    pub segments: BTreeSet<String>,
    /// Names of static lists.
    pub lists: BTreeSet<String>,
}

impl Segment {
    /// The saved segments and static lists that the definition names itself; what those name in
    /// turn is not among them.
    pub fn references(&self) -> References {
        let mut references = References::default();
        let mut rest = vec![&self.root];
        while let Some(expr) = rest.pop() {
            match &expr.kind {
                ExprKind::And(parts) | ExprKind::Or(parts) => rest.extend(parts),
                ExprKind::Not(part) => rest.push(part),
                ExprKind::SavedSegment(name) => {
                    references.segments.insert(name.clone());
                }
                ExprKind::StaticList(name) => {
                    references.lists.insert(name.clone());
                }
                _ => {}
            }
        }
        references
    }
}

/// A condition and where it stands in the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What is asked.
    pub kind: ExprKind,
    /// Where it was written.
    pub span: Span,
}

impl From<ExprKind> for Expr {
    fn from(kind: ExprKind) -> Self {
        Self {
            kind,
            span: Span::default(),
        }
    }
}

/// What one condition asks of a user.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ExprKind {
    /// Every user of the universe.
    Everyone,
    /// No user.
    Nobody,
    /// All of these. Never nested directly in another `And`; at least two parts.
    And(Vec<Expr>),
    /// Any of these. Never nested directly in another `Or`; at least two parts.
    Or(Vec<Expr>),
    /// The complement in the universe.
    Not(Box<Expr>),
    /// `user_id = 'x'`, `user_id in (…)`. Integer ids are given as their text.
    UserId(Vec<String>),
    /// `attr OP value`.
    Attribute {
        /// The attribute, with a cast if one was written.
        operand: AttributeOperand,
        /// What its value must be.
        test: Test,
    },
    /// `did(E [, W])`.
    Did(EventWindow),
    /// `MEASURE OP number`, `MEASURE between a and b`.
    Measure {
        /// The number per user.
        measure: Measure,
        /// What it must be.
        test: NumberTest,
    },
    /// `first(E [, W]) PRED`, `last(…) PRED`, `nth(n, …) PRED`; false when there is no such event.
    Occurrence {
        /// Which of the user's events.
        occurrence: Occurrence,
        /// What must hold of it.
        test: OccurrenceTest,
    },
    /// `sequence(E then E …, options)`.
    Sequence(Sequence),
    /// `stopped(E, for D, after D)`, `restarted(E, in D, after gap of D)`. Kept as written; the
    /// planner takes it apart into what was done and what was not.
    Lifecycle {
        /// Which events.
        events: EventSelector,
        /// How the user's habit has changed.
        change: Lifecycle,
    },
    /// `segment('name')`: a saved segment, at the same instant.
    SavedSegment(String),
    /// `list('name')`: the users of a static list.
    StaticList(String),
    /// `MEASURE OP MEASURE`, where the right one is more than a number.
    MeasureComparison {
        /// The left number.
        left: Box<Measure>,
        /// How they must compare.
        op: CompareOp,
        /// The right number; never [`Measure::Number`].
        right: Box<Measure>,
    },
    /// `had(attr OP value [, W])`: true at some instant of W.
    Had {
        /// The attribute, with a cast if one was written.
        operand: AttributeOperand,
        /// What its value must have been.
        test: Test,
        /// When.
        window: Window,
    },
    /// `changed(attr [from v] [to v] [, W])`: at some instant of W one value followed another.
    Changed {
        /// The attribute.
        attribute: AttributeRef,
        /// The value before.
        from: Option<Literal>,
        /// The value after.
        to: Option<Literal>,
        /// When.
        window: Window,
    },
    /// `held(attr OP value, for 7 days)`: true at every instant of the last 7 days.
    Held {
        /// The attribute, with a cast if one was written.
        operand: AttributeOperand,
        /// What its value must have been throughout.
        test: Test,
        /// How long, at least a millisecond.
        length: DurationMillis,
    },
    /// `top(1000, MEASURE)`, `bottom(10%, MEASURE)`.
    Rank {
        /// From which end.
        end: RankEnd,
        /// How many.
        size: RankSize,
        /// By what.
        measure: Measure,
    },
}

impl ExprKind {
    /// `left OP right`. An attribute alone, beside a number or another attribute, is tested like
    /// any attribute, whichever way it was written.
    pub(crate) fn comparison(left: Measure, op: CompareOp, right: Measure) -> Self {
        match (left, right) {
            (Measure::Attribute(operand), Measure::Number(value)) => Self::Attribute {
                operand,
                test: Test::Compare(op, value.into()),
            },
            (
                Measure::Attribute(operand),
                Measure::Attribute(AttributeOperand {
                    attribute,
                    cast: None,
                }),
            ) => Self::Attribute {
                operand,
                test: Test::CompareAttribute(op, attribute),
            },
            (measure, Measure::Number(value)) => Self::Measure {
                measure,
                test: NumberTest::Compare(op, value),
            },
            (left, right) => Self::MeasureComparison {
                left: Box::new(left),
                op,
                right: Box::new(right),
            },
        }
    }

    /// `measure between low and high`; as [`ExprKind::comparison`].
    pub(crate) fn between(
        measure: Measure,
        low: crowdset_types::Number,
        high: crowdset_types::Number,
    ) -> Self {
        match measure {
            Measure::Attribute(operand) => Self::Attribute {
                operand,
                test: Test::Between(low.into(), high.into()),
            },
            measure => Self::Measure {
                measure,
                test: NumberTest::Between(low, high),
            },
        }
    }
}

/// An attribute's name and the table it is said to be in.
#[derive(Debug, Clone, PartialEq)]
pub struct AttributeRef {
    /// `users.x` or `property.x`; `None` for a bare name.
    pub table: Option<AttributeTable>,
    /// The column's or property's name.
    pub name: String,
    /// Where it was written.
    pub span: Span,
}

/// Which layer an attribute belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AttributeTable {
    /// A column of `users`: who a person is. Has no history.
    Users,
    /// A row of `user_properties`: what else is known. May have a history.
    Property,
}

/// An attribute, or a cast of it.
#[derive(Debug, Clone, PartialEq)]
pub struct AttributeOperand {
    /// The attribute.
    pub attribute: AttributeRef,
    /// The cast around it.
    pub cast: Option<Cast>,
}
