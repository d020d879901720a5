//! How deeply the canonical text of a tree is nested.
//!
//! Text is read to a bounded depth. What comes from JSON is held to the same bound, so that
//! whatever was read can be printed and read again.

use crate::ast::{
    Anchor, Arithmetic, EventNames, EventSelector, EventWindow, Expr, ExprKind, Measure,
    Occurrence, OccurrenceTest, Predicate, Sequence, Window,
};

/// The levels of a condition: each `not` and each sign, each anchor, and each pair of parentheses
/// that groups.
pub(crate) fn levels(expr: &Expr) -> usize {
    match &expr.kind {
        ExprKind::Everyone
        | ExprKind::Nobody
        | ExprKind::UserId(_)
        | ExprKind::SavedSegment(_)
        | ExprKind::StaticList(_)
        | ExprKind::Attribute { .. }
        | ExprKind::Held { .. } => 0,
        ExprKind::And(parts) | ExprKind::Or(parts) => most(
            parts
                .iter()
                .map(|part| levels(part) + usize::from(expr.needs_parentheses(part))),
        ),
        ExprKind::Not(inner) => 1 + levels(inner) + usize::from(expr.needs_parentheses(inner)),
        ExprKind::Did(of) => events(of),
        ExprKind::Measure {
            measure: of,
            test: _,
        }
        | ExprKind::Rank { measure: of, .. } => measure(of),
        ExprKind::MeasureComparison { left, op: _, right } => measure(left).max(measure(right)),
        ExprKind::Had { window: of, .. } | ExprKind::Changed { window: of, .. } => window(of),
        ExprKind::Occurrence { occurrence, test } => {
            let own = events(&occurrence.of);
            match test {
                OccurrenceTest::When(of) => own.max(window(of)),
                OccurrenceTest::Property { .. } => own,
            }
        }
        ExprKind::Sequence(Sequence {
            steps,
            window: of,
            within: _,
            same: _,
            strictly: _,
        }) => {
            let named = steps
                .iter()
                .flat_map(|step| step.hop.without.iter().chain([&step.events]));
            most(named.map(selector)).max(window(of))
        }
        ExprKind::Lifecycle { events, change: _ } => selector(events),
    }
}

fn most(levels: impl Iterator<Item = usize>) -> usize {
    levels.max().unwrap_or(0)
}

fn events(of: &EventWindow) -> usize {
    selector(&of.events).max(window(&of.window))
}

fn selector(of: &EventSelector) -> usize {
    let filters = match &of.names {
        EventNames::AnyOf(parts) => most(
            parts
                .iter()
                .filter_map(|(_, filter)| filter.as_ref())
                .map(predicate),
        ),
        EventNames::Any { .. } | EventNames::One(_) => 0,
    };
    of.filter.as_ref().map_or(0, predicate).max(filters)
}

fn predicate(of: &Predicate) -> usize {
    match of {
        Predicate::And(parts) | Predicate::Or(parts) => most(
            parts
                .iter()
                .map(|part| predicate(part) + usize::from(of.needs_parentheses(part))),
        ),
        Predicate::Not(inner) => 1 + predicate(inner) + usize::from(of.needs_parentheses(inner)),
        Predicate::Test { .. } => 0,
    }
}

fn window(of: &Window) -> usize {
    match of {
        Window::Anchored {
            relation: _,
            anchor,
        } => match &**anchor {
            Anchor::Event(Occurrence { position: _, of }) => 1 + events(of),
            Anchor::Attribute(_) => 0,
        },
        Window::Ever
        | Window::Last(_)
        | Window::Between(..)
        | Window::Since(_)
        | Window::Before(_)
        | Window::Calendar { .. } => 0,
    }
}

fn measure(of: &Measure) -> usize {
    match of {
        Measure::Count(of)
        | Measure::Aggregate { of, .. }
        | Measure::Calendar { of, .. }
        | Measure::Periods { of, .. }
        | Measure::DaysSinceFirst(of)
        | Measure::DaysSinceLast(of) => events(of),
        Measure::Attribute(_) | Measure::Bucket(_) | Measure::Number(_) => 0,
        Measure::Negative(inner) => {
            1 + measure(inner) + usize::from(inner.needs_parentheses_after_sign())
        }
        Measure::Arithmetic(arithmetic) => arithmetic_levels(arithmetic),
    }
}

fn arithmetic_levels(arithmetic: &Arithmetic) -> usize {
    let rest = arithmetic.rest.iter().map(|(_, part)| part);
    most(
        rest.chain([&*arithmetic.first])
            .map(|part| measure(part) + usize::from(arithmetic.needs_parentheses(part))),
    )
}
