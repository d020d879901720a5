//! Events: which, when, and the one at a place.

use crate::Refusal;
use crate::number::Number;
use crate::scope::Scope;
use crate::value::{Sides, all, any};
use crate::window::Bounds;
use crate::writer::Writer;
use crowdset_query::{
    EventNames, EventSelector, EventWindow, Occurrence, OccurrenceTest, Operand, Position,
    Predicate, Span,
};

impl Writer<'_> {
    pub(crate) fn events(&mut self, of: &EventWindow) -> Result<Scope, Refusal> {
        Ok(self.events_in(of)?.0)
    }

    /// Rows of events, and the window they lie in.
    pub(crate) fn events_in(&mut self, of: &EventWindow) -> Result<(Scope, Bounds), Refusal> {
        let mut scope = self.event_rows("e");
        let bounds = self.window(&mut scope, &of.window, of.events.span)?;
        let selected = self.selects(&mut scope, &of.events)?;
        if selected != "TRUE" {
            scope.filter.insert(0, selected);
        }
        Ok((scope, bounds))
    }

    /// One row per user: the event at the place.
    pub(crate) fn occurrence(&mut self, occurrence: &Occurrence) -> Result<String, Refusal> {
        let scope = self.events(&occurrence.of)?;
        let (order, place) = match occurrence.position {
            Position::First => ("", 1),
            Position::Last => (" DESC", 1),
            Position::Nth(nth) => ("", nth),
        };
        let (row, numbered) = (&scope.row, self.alias("n"));
        Ok(format!(
            "SELECT {numbered}.* FROM (SELECT {row}.*, ROW_NUMBER() OVER (PARTITION BY {row}.user_id ORDER BY {row}.at_ms{order}, {row}.event_name{order}, {row}.event_id{order}) AS place FROM {} WHERE {}) AS {numbered} WHERE {numbered}.place = {place}",
            scope.from(),
            scope.filter()
        ))
    }

    pub(crate) fn occurrence_holds(
        &mut self,
        occurrence: &Occurrence,
        test: &OccurrenceTest,
    ) -> Result<String, Refusal> {
        let span = occurrence.of.events.span;
        let rows = self.occurrence(occurrence)?;
        let row = self.alias("o");
        let mut scope = Scope::new(&format!("({rows})"), row);
        match test {
            OccurrenceTest::When(window) => {
                self.window(&mut scope, window, span)?;
            }
            OccurrenceTest::Property { operand, test } => {
                let of = self.operand(&scope, operand, span)?;
                let holds = self.test(&mut scope, &of, test, span)?;
                scope.must(holds);
            }
        }
        Ok(format!("u.user_id IN ({})", scope.users()))
    }

    /// That the row of the scope is one of these events.
    pub(crate) fn selects(
        &mut self,
        scope: &mut Scope,
        selector: &EventSelector,
    ) -> Result<String, Refusal> {
        let row = scope.row.clone();
        let mut parts = Vec::new();
        match &selector.names {
            EventNames::Any { except } => {
                self.reads_any_event();
                if !except.is_empty() {
                    let names = except.iter().map(|name| self.dialect.text(&name.name));
                    let names: Vec<String> = names.collect();
                    parts.push(format!("{row}.event_name NOT IN ({})", names.join(", ")));
                }
            }
            EventNames::One(name) => parts.push(self.is_named(&row, &name.name)),
            EventNames::AnyOf(names) => {
                let mut alternatives = Vec::new();
                for (name, filter) in names {
                    let mut both = vec![self.is_named(&row, &name.name)];
                    if let Some(filter) = filter {
                        both.push(self.predicate(scope, filter)?);
                    }
                    alternatives.push(all(both));
                }
                parts.push(any(alternatives));
            }
        }
        if let Some(filter) = &selector.filter {
            parts.push(self.predicate(scope, filter)?);
        }
        Ok(all(parts))
    }

    fn is_named(&mut self, row: &str, name: &str) -> String {
        self.reads_event(name);
        format!("{row}.event_name = {}", self.dialect.text(name))
    }

    fn predicate(&mut self, scope: &mut Scope, predicate: &Predicate) -> Result<String, Refusal> {
        Ok(match predicate {
            Predicate::And(parts) => all(self.predicates(scope, parts)?),
            Predicate::Or(parts) => any(self.predicates(scope, parts)?),
            Predicate::Not(part) => format!("NOT ({})", self.predicate(scope, part)?),
            Predicate::Test {
                operand,
                test,
                span,
            } => {
                let of = self.operand(scope, operand, *span)?;
                self.test(scope, &of, test, *span)?
            }
        })
    }

    fn predicates(
        &mut self,
        scope: &mut Scope,
        parts: &[Predicate],
    ) -> Result<Vec<String>, Refusal> {
        let parts = parts.iter();
        parts.map(|part| self.predicate(scope, part)).collect()
    }

    fn operand(&mut self, scope: &Scope, operand: &Operand, span: Span) -> Result<Sides, Refusal> {
        let row = &scope.row;
        let always = || Sides::new("TRUE".to_owned());
        Ok(match operand {
            Operand::Property(path) => self.property(row, path, span)?,
            Operand::Cast { cast, property } => {
                let of = self.property(row, property, span)?;
                self.cast(of, Some(*cast), span)?
            }
            Operand::EventName => Sides {
                text: Some(format!("{row}.event_name")),
                ..always()
            },
            Operand::Timestamp => Sides {
                time: Some(format!("{row}.at_ms")),
                ..always()
            },
            Operand::Hour { zone } => Sides {
                number: Some(Number::double(self.hour(scope, zone.as_deref(), span)?)),
                ..always()
            },
            Operand::Weekday { zone } => Sides {
                number: Some(Number::double(self.weekday(
                    scope,
                    zone.as_deref(),
                    span,
                )?)),
                ..always()
            },
        })
    }
}
