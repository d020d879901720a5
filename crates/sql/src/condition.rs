//! Conditions on a user `u`.

use crate::scope::Scope;
use crate::value::{all, any};
use crate::writer::Writer;
use crate::{Refusal, SqlError};
use crowdset_query::{
    Diagnostic, EventSelector, EventWindow, Expr, ExprKind, Lifecycle, Segment, Span, TimePoint,
    Window,
};
use crowdset_types::DurationMillis;

impl Writer<'_> {
    /// The condition of a whole definition.
    pub(crate) fn segment(
        &mut self,
        users: &mut Scope,
        segment: &Segment,
    ) -> Result<String, SqlError> {
        self.condition(users, &segment.root)
            .map_err(|refusal| refusal.about(segment))
    }

    fn condition(&mut self, users: &mut Scope, expr: &Expr) -> Result<String, Refusal> {
        let span = expr.span;
        match &expr.kind {
            ExprKind::Everyone => Ok("TRUE".to_owned()),
            ExprKind::Nobody => Ok("FALSE".to_owned()),
            ExprKind::And(parts) => Ok(all(self.each(users, parts)?)),
            ExprKind::Or(parts) => Ok(any(self.each(users, parts)?)),
            ExprKind::Not(part) => Ok(format!("NOT ({})", self.condition(users, part)?)),
            ExprKind::UserId(ids) => Ok(self.is_one_of(ids)),
            ExprKind::Attribute { operand, test } => {
                let of = self.attribute(users, &operand.attribute)?;
                let of = self.cast(of, operand.cast, span)?;
                self.test(users, &of, test, span)
            }
            ExprKind::Had {
                operand,
                test,
                window,
            } => self.had(users, operand, test, window, span),
            ExprKind::Held {
                operand,
                test,
                length,
            } => self.held(users, operand, test, *length, span),
            ExprKind::Changed {
                attribute,
                from,
                to,
                window,
            } => self.changed(attribute, from.as_ref(), to.as_ref(), window, span),
            ExprKind::Did(of) => self.did(of),
            ExprKind::Measure { measure, test } => self.measure_holds(users, measure, test, span),
            ExprKind::MeasureComparison { left, op, right } => {
                self.measures_compare(left, *op, right, span)
            }
            ExprKind::Occurrence { occurrence, test } => self.occurrence_holds(occurrence, test),
            ExprKind::Sequence(sequence) => self.sequence(sequence, span),
            ExprKind::Lifecycle { events, change } => self.lifecycle(events, *change),
            ExprKind::Rank { end, size, measure } => self.rank(*end, *size, measure, span),
            ExprKind::SavedSegment(name) => self.saved(users, name, span),
            ExprKind::StaticList(name) => match self.schema.lists.get(name) {
                Some(Ok(ids)) => Ok(self.is_one_of(ids)),
                Some(Err(reason)) => Err(named(
                    format!("the list `{name}` cannot be read: {reason}"),
                    span,
                )),
                None => Err(unknown("list", name, span)),
            },
            _ => Err(self.cannot("this condition", span)),
        }
    }

    fn each(&mut self, users: &mut Scope, parts: &[Expr]) -> Result<Vec<String>, Refusal> {
        let parts = parts.iter();
        parts.map(|part| self.condition(users, part)).collect()
    }

    fn is_one_of(&self, ids: &[String]) -> String {
        let ids: Vec<String> = ids.iter().map(|id| self.dialect.text(id)).collect();
        if ids.is_empty() {
            return "FALSE".to_owned();
        }
        format!(
            "{} IN ({})",
            self.dialect.as_text("u.user_id"),
            ids.join(", ")
        )
    }

    fn did(&mut self, of: &EventWindow) -> Result<String, Refusal> {
        Ok(format!("u.user_id IN ({})", self.events(of)?.users()))
    }

    fn lifecycle(&mut self, events: &EventSelector, change: Lifecycle) -> Result<String, Refusal> {
        let ago = TimePoint::Ago;
        let mut did = |window| {
            self.did(&EventWindow {
                events: events.clone(),
                window,
            })
        };
        Ok(match change {
            Lifecycle::Stopped { quiet, since } => all(vec![
                did(Window::Between(ago(since), ago(quiet)))?,
                format!("NOT ({})", did(Window::Last(quiet))?),
            ]),
            Lifecycle::Restarted { recent, gap } => {
                let before = DurationMillis(recent.0.saturating_add(gap.0));
                all(vec![
                    did(Window::Last(recent))?,
                    format!("NOT ({})", did(Window::Between(ago(before), ago(recent)))?),
                    did(Window::Before(ago(before)))?,
                ])
            }
        })
    }

    fn saved(&mut self, users: &mut Scope, name: &str, span: Span) -> Result<String, Refusal> {
        if self.within.iter().any(|outer| outer == name) {
            return Err(named(
                format!("the segment `{name}` is part of itself"),
                span,
            ));
        }
        match self.schema.segments.get(name) {
            Some(Ok(segment)) => {
                self.within.push(name.to_owned());
                let condition = self.segment(users, segment);
                self.within.pop();
                condition.map_err(|error| Refusal::Saved(Box::new(error)))
            }
            Some(Err(error)) => Err(named(
                format!("the segment `{name}` cannot be read: {error}"),
                span,
            )),
            None => Err(unknown("segment", name, span)),
        }
    }
}

fn named(message: String, span: Span) -> Refusal {
    Refusal::Name(Box::new(Diagnostic::error("name", message).at(span)))
}

fn unknown(what: &str, name: &str, span: Span) -> Refusal {
    let finding = Diagnostic::error("unknown-name", format!("no {what} `{name}` is known"));
    Refusal::Name(Box::new(
        finding
            .at(span)
            .help("name a store that has it saved: `--store STORE`"),
    ))
}
