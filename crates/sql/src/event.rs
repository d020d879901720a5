//! Events: which, when, and the one at a place.

use crate::Refusal;
use crate::condition::Writer;
use crate::value::{Sides, all, any};
use crowdset_query::{
    Anchor, AnchorRelation, AttributeTable, EventNames, EventSelector, EventWindow, Occurrence,
    OccurrenceTest, Operand, Position, Predicate, Span, Window,
};

/// Longer than any two instants are apart.
const LONGEST: i64 = 1 << 53;

/// An instant that every dialect can write, and beyond which there are no events.
fn bounded(instant: i64) -> i64 {
    instant.clamp(-LONGEST, LONGEST)
}

/// Rows of events: what stands behind FROM and WHERE, and the name of the row.
pub(crate) struct Rows {
    pub(crate) row: String,
    pub(crate) from: String,
    pub(crate) filter: String,
}

impl Writer<'_> {
    pub(crate) fn events(&mut self, of: &EventWindow) -> Result<Rows, Refusal> {
        let row = self.alias("e");
        let mut from = format!("crowdset_events AS {row}");
        let mut filter = vec![self.selects(&row, &of.events)?];
        self.window(&row, &of.window, of.events.span, &mut from, &mut filter)?;
        Ok(Rows {
            row,
            from,
            filter: all(filter.into_iter().filter(|part| part != "TRUE").collect()),
        })
    }

    /// Bounds the instants of `row`; an anchor is joined.
    pub(crate) fn window(
        &mut self,
        row: &str,
        window: &Window,
        span: Span,
        from: &mut String,
        filter: &mut Vec<String>,
    ) -> Result<(), Refusal> {
        let at = format!("{row}.at_ms");
        match window {
            Window::Ever => {}
            Window::Last(length) => {
                let start = bounded(self.as_of.0.saturating_sub(length.0));
                filter.push(format!("{at} >= {start}"));
            }
            Window::Between(start, end) => {
                filter.push(format!("{at} >= {}", bounded(self.instant(start))));
                filter.push(format!("{at} < {}", bounded(self.instant(end))));
            }
            Window::Since(start) => {
                filter.push(format!("{at} >= {}", bounded(self.instant(start))));
            }
            Window::Before(end) => filter.push(format!("{at} < {}", bounded(self.instant(end)))),
            Window::Anchored { relation, anchor } => {
                let anchors = self.anchor(anchor)?;
                let alias = self.alias("a");
                *from = format!(
                    "{from} JOIN ({anchors}) AS {alias} ON {alias}.user_id = {row}.user_id"
                );
                let anchor = format!("{alias}.anchor_at");
                match relation {
                    AnchorRelation::Since => filter.push(format!("{at} >= {anchor}")),
                    AnchorRelation::After => filter.push(format!("{at} > {anchor}")),
                    AnchorRelation::Before => filter.push(format!("{at} < {anchor}")),
                    AnchorRelation::WithinAfter(length) => {
                        let length = length.0.min(LONGEST);
                        filter.push(format!("{at} >= {anchor}"));
                        filter.push(format!("{at} <= {anchor} + {length}"));
                    }
                    AnchorRelation::WithinBefore(length) => {
                        let length = length.0.min(LONGEST);
                        filter.push(format!("{at} >= {anchor} - {length}"));
                        filter.push(format!("{at} <= {anchor}"));
                    }
                }
            }
            other => {
                let Some(range) = other.calendar_range(self.as_of) else {
                    return Err(self.cannot("this window", span));
                };
                filter.push(format!("{at} >= {}", bounded(range.from.0)));
                filter.push(format!("{at} < {}", bounded(range.to.0)));
            }
        }
        Ok(())
    }

    /// Users and the instants of their anchors, one each.
    fn anchor(&mut self, anchor: &Anchor) -> Result<String, Refusal> {
        match anchor {
            Anchor::Event(occurrence) => {
                let chosen = self.alias("o");
                let rows = self.occurrence(occurrence)?;
                Ok(format!(
                    "SELECT {chosen}.user_id AS user_id, {chosen}.at_ms AS anchor_at FROM ({rows}) AS {chosen}"
                ))
            }
            Anchor::Attribute(attribute) => {
                let of = self.attribute(attribute)?;
                match (of.table, of.sides.time) {
                    (Some(AttributeTable::Users), Some(time))
                        if of.sides.text.is_none() || of.sides.is_assumed =>
                    {
                        Ok(format!(
                            "SELECT u.user_id AS user_id, {time} AS anchor_at FROM users AS u"
                        ))
                    }
                    (None, _) => Ok(
                        "SELECT u.user_id AS user_id, 0 AS anchor_at FROM users AS u WHERE FALSE"
                            .to_owned(),
                    ),
                    _ => Err(self.cannot("an anchor that is text read as a time", attribute.span)),
                }
            }
        }
    }

    /// One row per user: the event at the place.
    fn occurrence(&mut self, occurrence: &Occurrence) -> Result<String, Refusal> {
        let Rows { row, from, filter } = self.events(&occurrence.of)?;
        let (order, place) = match occurrence.position {
            Position::First => ("", 1),
            Position::Last => (" DESC", 1),
            Position::Nth(nth) => ("", nth),
        };
        let numbered = self.alias("n");
        Ok(format!(
            "SELECT {numbered}.* FROM (SELECT {row}.*, ROW_NUMBER() OVER (PARTITION BY {row}.user_id ORDER BY {row}.at_ms{order}, {row}.event_name{order}, {row}.event_id{order}) AS place FROM {from} WHERE {filter}) AS {numbered} WHERE {numbered}.place = {place}"
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
        let mut from = format!("({rows}) AS {row}");
        let mut filter = Vec::new();
        match test {
            OccurrenceTest::When(window) => {
                self.window(&row, window, span, &mut from, &mut filter)?;
            }
            OccurrenceTest::Property { operand, test } => {
                let of = self.operand(&row, operand, span)?;
                filter.push(self.test(&of, test, span)?);
            }
        }
        Ok(format!(
            "u.user_id IN (SELECT {row}.user_id FROM {from} WHERE {})",
            all(filter)
        ))
    }

    pub(crate) fn selects(&self, row: &str, selector: &EventSelector) -> Result<String, Refusal> {
        let is = |name: &str| format!("{row}.event_name = {}", self.dialect.text(name));
        let mut parts = Vec::new();
        match &selector.names {
            EventNames::Any { except } if except.is_empty() => {}
            EventNames::Any { except } => {
                let names: Vec<String> = except
                    .iter()
                    .map(|name| self.dialect.text(&name.name))
                    .collect();
                parts.push(format!("{row}.event_name NOT IN ({})", names.join(", ")));
            }
            EventNames::One(name) => parts.push(is(&name.name)),
            EventNames::AnyOf(names) => {
                let mut alternatives = Vec::new();
                for (name, filter) in names {
                    let mut both = vec![is(&name.name)];
                    if let Some(filter) = filter {
                        both.push(self.predicate(row, filter)?);
                    }
                    alternatives.push(all(both));
                }
                parts.push(any(alternatives));
            }
        }
        if let Some(filter) = &selector.filter {
            parts.push(self.predicate(row, filter)?);
        }
        Ok(all(parts))
    }

    fn predicate(&self, row: &str, predicate: &Predicate) -> Result<String, Refusal> {
        let each = |parts: &[Predicate]| {
            parts
                .iter()
                .map(|part| self.predicate(row, part))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(match predicate {
            Predicate::And(parts) => all(each(parts)?),
            Predicate::Or(parts) => any(each(parts)?),
            Predicate::Not(part) => format!("NOT ({})", self.predicate(row, part)?),
            Predicate::Test {
                operand,
                test,
                span,
            } => {
                let of = self.operand(row, operand, *span)?;
                self.test(&of, test, *span)?
            }
        })
    }

    fn operand(&self, row: &str, operand: &Operand, span: Span) -> Result<Sides, Refusal> {
        let day = self.dialect.double(8.64e7);
        let days = format!("FLOOR({row}.at_ms / {day})");
        let in_utc = |zone: &Option<String>| zone.as_deref().is_none_or(|zone| zone == "UTC");
        Ok(match operand {
            Operand::Property(path) => self.property(row, path, span)?,
            Operand::Cast { cast, property } => {
                let of = self.property(row, property, span)?;
                self.cast(of, Some(*cast), false, span)?
            }
            Operand::EventName => Sides {
                text: Some(format!("{row}.event_name")),
                ..Sides::new("TRUE".to_owned())
            },
            Operand::Timestamp => Sides {
                time: Some(format!("{row}.at_ms")),
                ..Sides::new("TRUE".to_owned())
            },
            Operand::Hour { zone } if in_utc(zone) => Sides {
                number: Some(format!(
                    "FLOOR(({row}.at_ms - {days} * {day}) / {})",
                    self.dialect.double(3.6e6)
                )),
                ..Sides::new("TRUE".to_owned())
            },
            Operand::Weekday { zone } if in_utc(zone) => {
                // The first day of the epoch was a Thursday.
                let (three, seven, one) = (
                    self.dialect.double(3.0),
                    self.dialect.double(7.0),
                    self.dialect.double(1.0),
                );
                Sides {
                    number: Some(format!(
                        "({days} + {three} - FLOOR(({days} + {three}) / {seven}) * {seven} + {one})"
                    )),
                    ..Sides::new("TRUE".to_owned())
                }
            }
            Operand::Hour { .. } | Operand::Weekday { .. } => {
                return Err(self.cannot("a time zone other than UTC", span));
            }
        })
    }

    pub(crate) fn property(&self, row: &str, path: &str, span: Span) -> Result<Sides, Refusal> {
        match self.dialect.json(row, path) {
            Some(value) => Ok(Sides::json(value)),
            None => Err(self.cannot("a test of an event property", span)),
        }
    }
}
