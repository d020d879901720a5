//! Sequences, and habits that stopped or came back.

use super::Planner;
use super::cost::Estimate;
use crate::ast::{
    EventSelector, EventWindow, Expr, ExprKind, Hop, HopTime, Lifecycle, Sequence, Span, TimePoint,
    Window,
};
use crate::checks;
use crate::diagnostic::Diagnostic;
use crate::plan::{PlanEvent, PlanHop, PlanKind, PlanSelector, PlanSequence, PlanStep};
use crowdset_types::DurationMillis;

impl Planner<'_> {
    pub(super) fn sequence(&mut self, sequence: &Sequence, span: Span) -> PlanKind {
        if sequence.steps.is_empty() {
            self.report(
                Diagnostic::error("sequence", "a sequence needs at least one step"),
                span,
            );
        }
        if sequence
            .steps
            .first()
            .is_some_and(|step| step.hop != Hop::default())
        {
            self.report(Diagnostic::error("sequence", checks::FIRST_HOP), span);
        }
        if let Some(within) = sequence.within {
            self.check(checks::duration_problem(within), span);
        }
        let mut is_possible = true;
        let mut steps = Vec::with_capacity(sequence.steps.len());
        for step in &sequence.steps {
            let selector = self.selector(&step.events);
            let hop = self.hop(&step.hop, span);
            is_possible &= !selector.events.is_empty();
            is_possible &= hop.most.is_none_or(|most| hop.least <= most);
            is_possible &= !(sequence.strictly && hop.most == Some(DurationMillis(0)));
            let names: Vec<&str> = selector
                .events
                .iter()
                .map(|event| event.name.as_str())
                .collect();
            for property in &sequence.same {
                self.lint_property(property, &names, step.events.span);
                is_possible &= self.property_types(property, &names).is_some();
            }
            steps.push(PlanStep { selector, hop });
        }
        let window = self.window(&sequence.window, span);
        if window.range.is_empty() || !is_possible {
            return PlanKind::Nobody;
        }
        let all = steps
            .iter()
            .any(|step| step.hop.directly)
            .then(|| self.all_events());
        PlanKind::Sequence(PlanSequence {
            steps,
            within: sequence.within,
            window,
            same: sequence.same.clone(),
            strictly: sequence.strictly,
            all,
        })
    }

    fn hop(&mut self, hop: &Hop, span: Span) -> PlanHop {
        self.check(checks::hop_problem(hop.time), span);
        let (least, most) = match hop.time {
            HopTime::Any => (DurationMillis(0), None),
            HopTime::Within(most) => (DurationMillis(0), Some(most)),
            HopTime::After(least) => (least, None),
            HopTime::Between(least, most) => (least, Some(most)),
        };
        let without = hop.without.iter().map(|events| self.selector(events));
        PlanHop {
            least,
            most,
            // What nobody can do is in nobody's way.
            without: without
                .filter(|selector| !selector.events.is_empty())
                .collect(),
            directly: hop.directly,
        }
    }

    fn all_events(&self) -> PlanSelector {
        let names = self.catalog.event_names().iter();
        PlanSelector {
            events: names
                .map(|name| PlanEvent {
                    name: name.clone(),
                    filter: None,
                })
                .collect(),
            any_unfiltered: true,
        }
    }

    /// What was done and what was not, as conditions of their own.
    pub(super) fn lifecycle(
        &mut self,
        events: &EventSelector,
        change: Lifecycle,
        span: Span,
    ) -> (PlanKind, Estimate) {
        self.check(checks::lifecycle_problem(change), span);
        let did = |window| {
            let events = events.clone();
            Expr {
                kind: ExprKind::Did(EventWindow { events, window }),
                span,
            }
        };
        let not = |inner| Expr {
            kind: ExprKind::Not(Box::new(inner)),
            span,
        };
        let between = |from, to| Window::Between(TimePoint::Ago(from), TimePoint::Ago(to));
        let parts = match change {
            Lifecycle::Stopped { quiet, since } => {
                vec![did(between(since, quiet)), not(did(Window::Last(quiet)))]
            }
            Lifecycle::Restarted { recent, gap } => {
                let before = DurationMillis(recent.0.saturating_add(gap.0));
                vec![
                    did(Window::Last(recent)),
                    not(did(between(before, recent))),
                    did(Window::Before(TimePoint::Ago(before))),
                ]
            }
        };
        let nodes = parts.iter().map(|part| self.node(part)).collect();
        self.junction(nodes, true)
    }
}
