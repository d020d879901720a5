//! What attributes were.

use super::{Planner, test};
use crate::ast::{
    AttributeOperand, AttributeRef, AttributeTable, CompareOp, Literal, Operand, Span, Test, Window,
};
use crate::catalog::TypeSet;
use crate::checks;
use crate::diagnostic::Diagnostic;
use crate::plan::{HistoryExtent, PlanAttribute, PlanKind, PlanTest, PlanWindow};
use crowdset_types::{DurationMillis, TimeRange};

impl Planner<'_> {
    pub(super) fn had(
        &mut self,
        operand: &AttributeOperand,
        test: &Test,
        window: &Window,
        span: Span,
    ) -> PlanKind {
        let window = self.window(window, span);
        self.history(operand, test, HistoryExtent::Some, window, span)
    }

    pub(super) fn held(
        &mut self,
        operand: &AttributeOperand,
        test: &Test,
        length: DurationMillis,
        span: Span,
    ) -> PlanKind {
        self.check(checks::held_problem(length), span);
        let window = PlanWindow {
            range: TimeRange::new(self.as_of.minus(length), self.as_of),
            anchor: None,
        };
        self.history(operand, test, HistoryExtent::All, window, span)
    }

    fn history(
        &mut self,
        operand: &AttributeOperand,
        test: &Test,
        extent: HistoryExtent,
        window: PlanWindow,
        span: Span,
    ) -> PlanKind {
        let known = self.attribute(&operand.attribute);
        let types = known
            .as_ref()
            .map(|known| self.types_behind(known, operand.cast));
        self.lint_test(
            &Operand::Property(String::new()),
            test,
            types.unwrap_or_default(),
            span,
        );
        let (Some(test), false) = (self.test(test), window.range.is_empty()) else {
            return PlanKind::Nobody;
        };
        let attribute = match known {
            Some(attribute) => attribute,
            None if test != PlanTest::IsNotSet => return PlanKind::Nobody,
            // Nobody ever had a value: what is left to ask is whether the window has an instant.
            None if window.anchor.is_none() => return PlanKind::Everyone,
            None => PlanAttribute {
                table: operand.attribute.table.unwrap_or(AttributeTable::Property),
                name: operand.attribute.name.clone(),
                cast: None,
            },
        };
        PlanKind::History {
            operand: PlanAttribute {
                cast: operand.cast,
                ..attribute
            },
            test,
            extent,
            window,
        }
    }

    pub(super) fn changed(
        &mut self,
        attribute: &AttributeRef,
        from: Option<&Literal>,
        to: Option<&Literal>,
        window: &Window,
        span: Span,
    ) -> PlanKind {
        let known = self.attribute(attribute);
        for value in [from, to].into_iter().flatten() {
            let test = Test::Compare(CompareOp::Equal, value.clone());
            let operand = Operand::Property(String::new());
            self.lint_test(&operand, &test, TypeSet::default(), span);
        }
        let window = self.window(window, span);
        let Some(attribute) = known.filter(|_| !window.range.is_empty()) else {
            return PlanKind::Nobody;
        };
        if attribute.table == AttributeTable::Users {
            let shown = &attribute.name;
            let message =
                format!("`{shown}` is a column of users, which has no history: it never changed");
            self.report(Diagnostic::warning("no-history", message), span);
            return PlanKind::Nobody;
        }
        let resolve = |value: Option<&Literal>| value.map(|value| test::resolve(value, self.as_of));
        PlanKind::Changed {
            attribute,
            from: resolve(from),
            to: resolve(to),
            window,
        }
    }
}
