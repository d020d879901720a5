//! Conditions on a user `u`, and the statement around them.

use crate::dialect::Dialect;
use crate::schema::{ColumnType, SqlSchema};
use crate::value::{Sides, all, any};
use crate::{Refusal, SqlError};
use crowdset_query::{
    AttributeRef, AttributeTable, Diagnostic, EventSelector, EventWindow, Expr, ExprKind, HopTime,
    Lifecycle, Segment, Sequence, Span, Test, TimePoint, Window,
};
use crowdset_types::{DurationMillis, TimestampMillis};

/// Writes one statement.
pub(crate) struct Writer<'a> {
    pub(crate) dialect: Dialect,
    pub(crate) as_of: TimestampMillis,
    schema: &'a SqlSchema,
    aliases: u32,
    uses_events: bool,
    uses_properties: bool,
    /// The saved segments that are being written out.
    within: Vec<String>,
}

/// Where an attribute's value stands.
#[derive(Clone)]
pub(crate) enum Place {
    /// In the row of the user.
    User,
    /// In a row of `crowdset_properties`; the text is the name, as a literal.
    Property(String),
}

/// An attribute as it can be asked for.
pub(crate) struct Attribute {
    /// `None` if no table has it.
    pub(crate) table: Option<AttributeTable>,
    pub(crate) place: Place,
    pub(crate) sides: Sides,
}

impl Place {
    /// The condition that the user's value is so.
    pub(crate) fn user_with(&self, condition: &str) -> String {
        match self {
            Self::User => condition.to_owned(),
            Self::Property(name) => format!(
                "u.user_id IN (SELECT p.user_id FROM crowdset_properties AS p WHERE p.property_name = {name} AND {condition})"
            ),
        }
    }
}

impl<'a> Writer<'a> {
    pub(crate) fn new(dialect: Dialect, schema: &'a SqlSchema, as_of: TimestampMillis) -> Self {
        Self {
            dialect,
            as_of,
            schema,
            aliases: 0,
            uses_events: false,
            uses_properties: false,
            within: Vec::new(),
        }
    }

    /// A new name for a row.
    pub(crate) fn alias(&mut self, prefix: &str) -> String {
        self.uses_events = true;
        self.aliases += 1;
        format!("{prefix}{}", self.aliases)
    }

    pub(crate) fn cannot(&self, what: &str, span: Span) -> Refusal {
        let message = format!("{} cannot say {what} exactly", self.dialect);
        Refusal::CannotSay(Box::new(
            Diagnostic::error("cannot-say", message).at(span).help(
                "ask in another way or in another dialect; docs/SQL.md lists what each can say",
            ),
        ))
    }

    /// The condition of a whole definition.
    pub(crate) fn segment(&mut self, segment: &Segment) -> Result<String, SqlError> {
        self.condition(&segment.root)
            .map_err(|refusal| refusal.about(segment))
    }

    fn condition(&mut self, expr: &Expr) -> Result<String, Refusal> {
        let span = expr.span;
        Ok(match &expr.kind {
            ExprKind::Everyone => "TRUE".to_owned(),
            ExprKind::Nobody => "FALSE".to_owned(),
            ExprKind::And(parts) => all(self.each(parts)?),
            ExprKind::Or(parts) => any(self.each(parts)?),
            ExprKind::Not(part) => format!("NOT ({})", self.condition(part)?),
            ExprKind::UserId(ids) => self.is_one_of(ids),
            ExprKind::Attribute { operand, test } => {
                let of = self.attribute(&operand.attribute)?;
                let sides = self.cast(of.sides, operand.cast, true, span)?;
                if *test == Test::IsNotSet {
                    format!("NOT ({})", of.place.user_with(&sides.is_set))
                } else {
                    of.place.user_with(&self.test(&sides, test, span)?)
                }
            }
            ExprKind::Did(of) => self.did(of)?,
            ExprKind::Measure { measure, test } => self.measure_holds(measure, test, span)?,
            ExprKind::Occurrence { occurrence, test } => self.occurrence_holds(occurrence, test)?,
            ExprKind::Sequence(sequence) => self.sequence(sequence, span)?,
            ExprKind::Lifecycle { events, change } => self.lifecycle(events, *change)?,
            ExprKind::Rank { end, size, measure } => self.rank(*end, *size, measure, span)?,
            ExprKind::SavedSegment(name) => self.saved(name, span)?,
            ExprKind::StaticList(name) => match self.schema.lists.get(name) {
                Some(Ok(ids)) => self.is_one_of(ids),
                Some(Err(reason)) => {
                    return Err(named(
                        format!("the list `{name}` cannot be read: {reason}"),
                        span,
                    ));
                }
                None => return Err(unknown("list", name, span)),
            },
            _ => return Err(self.cannot("this condition", span)),
        })
    }

    fn each(&mut self, parts: &[Expr]) -> Result<Vec<String>, Refusal> {
        parts.iter().map(|part| self.condition(part)).collect()
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
        let rows = self.events(of)?;
        Ok(format!(
            "u.user_id IN (SELECT {}.user_id FROM {} WHERE {})",
            rows.row, rows.from, rows.filter
        ))
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

    /// Different events in order, one for each step: as many rows joined.
    fn sequence(&mut self, sequence: &Sequence, span: Span) -> Result<String, Refusal> {
        if !sequence.same.is_empty() {
            return Err(self.cannot("`same` in a sequence", span));
        }
        let later = if sequence.strictly { ">" } else { ">=" };
        let mut from = String::new();
        let mut filter = Vec::new();
        let mut rows: Vec<String> = Vec::new();
        for step in &sequence.steps {
            if step.hop.directly || !step.hop.without.is_empty() {
                return Err(self.cannot("`without` and `directly` in a sequence", span));
            }
            let row = self.alias("s");
            filter.push(self.selects(&row, &step.events)?);
            let Some(before) = rows.last() else {
                from = format!("crowdset_events AS {row}");
                rows.push(row);
                continue;
            };
            let hop = format!("{row}.at_ms - {before}.at_ms");
            from = format!(
                "{from} JOIN crowdset_events AS {row} ON {row}.user_id = {}.user_id",
                rows[0]
            );
            filter.push(format!("{row}.at_ms {later} {before}.at_ms"));
            match step.hop.time {
                HopTime::Any => {}
                HopTime::Within(most) => filter.push(format!("{hop} <= {}", most.0)),
                HopTime::After(least) => filter.push(format!("{hop} >= {}", least.0)),
                HopTime::Between(least, most) => {
                    filter.push(format!("{hop} >= {}", least.0));
                    filter.push(format!("{hop} <= {}", most.0));
                }
            }
            filter.extend(
                rows.iter()
                    .map(|other| format!("{row}.event_id <> {other}.event_id")),
            );
            rows.push(row);
        }
        let (first, last) = (&rows[0], &rows[rows.len() - 1]);
        if let Some(within) = sequence.within {
            filter.push(format!("{last}.at_ms - {first}.at_ms <= {}", within.0));
        }
        for row in &rows {
            self.window(row, &sequence.window, span, &mut from, &mut filter)?;
        }
        Ok(format!(
            "u.user_id IN (SELECT {first}.user_id FROM {from} WHERE {})",
            all(filter)
        ))
    }

    fn saved(&mut self, name: &str, span: Span) -> Result<String, Refusal> {
        if self.within.iter().any(|outer| outer == name) {
            return Err(named(
                format!("the segment `{name}` is part of itself"),
                span,
            ));
        }
        match self.schema.segments.get(name) {
            Some(Ok(segment)) => {
                self.within.push(name.to_owned());
                let condition = self.segment(segment);
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

    pub(crate) fn attribute(&mut self, attribute: &AttributeRef) -> Result<Attribute, Refusal> {
        let name = attribute.name.as_str();
        let is_column = self.schema.columns.contains_key(name);
        let properties = &self.schema.properties;
        let is_property = properties
            .as_ref()
            .is_some_and(|known| known.contains(name));
        let table = match attribute.table {
            Some(AttributeTable::Users) => {
                (is_column || properties.is_none()).then_some(AttributeTable::Users)
            }
            Some(AttributeTable::Property) => {
                (is_property || properties.is_none()).then_some(AttributeTable::Property)
            }
            None if is_column && is_property => {
                let message = format!("`{name}` is a column of users and a user property");
                let cure = format!("write `users.{name}` or `property.{name}`");
                return Err(Refusal::Name(Box::new(
                    Diagnostic::error("ambiguous", message)
                        .at(attribute.span)
                        .help(cure),
                )));
            }
            None if is_column => Some(AttributeTable::Users),
            None => (is_property || properties.is_none()).then_some(AttributeTable::Property),
        };
        let (place, sides) = match table {
            None => (Place::User, Sides::new("FALSE".to_owned())),
            Some(AttributeTable::Property) => {
                self.uses_properties = true;
                let place = Place::Property(self.dialect.text(name));
                (place, self.text_sides("p.property_value".to_owned()))
            }
            Some(AttributeTable::Users) => (Place::User, self.column(name, attribute.span)?),
        };
        Ok(Attribute {
            table,
            place,
            sides,
        })
    }

    /// Text of an attribute, which reads as a number where it wholly is one.
    fn text_sides(&self, value: String) -> Sides {
        Sides {
            number: Some(self.dialect.number_of_text(&value)),
            text: Some(value.clone()),
            ..Sides::new(format!("{value} IS NOT NULL"))
        }
    }

    fn column(&self, name: &str, span: Span) -> Result<Sides, Refusal> {
        let value = format!("u.{}", self.dialect.ident(name));
        let number = || {
            let double = self.dialect.as_double(&value);
            format!(
                "CASE WHEN NOT {} THEN {double} END",
                self.dialect.is_nan(&double)
            )
        };
        let sides = Sides::new(format!("{value} IS NOT NULL"));
        Ok(match self.schema.columns.get(name) {
            Some(ColumnType::Text) => self.text_sides(value),
            Some(ColumnType::Number) => Sides {
                number: Some(number()),
                ..sides
            },
            Some(ColumnType::Bool) => Sides {
                flag: Some(value),
                ..sides
            },
            Some(ColumnType::Time) => Sides {
                time: Some(self.dialect.epoch_ms(&value)),
                ..sides
            },
            Some(ColumnType::Other) => {
                return Err(self.cannot("a column of several types", span));
            }
            None => Sides {
                number: Some(number()),
                time: Some(self.dialect.epoch_ms(&value)),
                text: Some(value.clone()),
                flag: Some(value),
                is_assumed: true,
                ..sides
            },
        })
    }

    /// The statement that selects the users of a condition.
    pub(crate) fn statement(&self, condition: &str) -> String {
        let mut out = format!(
            "-- As of {}. Written for {}.\n-- Taken for granted: one row a user in users and a row for everybody; one row an event_id; ids of one type;\n-- no null ids, names or times; times in milliseconds; no dots in the keys of properties; valid JSON.\n",
            self.as_of, self.dialect
        );
        let mut tables = Vec::new();
        if self.uses_events {
            let at = self.dialect.epoch_ms(&self.dialect.ident("timestamp"));
            let properties = match self.dialect {
                Dialect::DuckDb | Dialect::ClickHouse => ", properties",
                Dialect::DataFusion | Dialect::Spark => "",
            };
            tables.push(format!(
                "crowdset_events AS (\n  SELECT event_id, user_id, event_name{properties}, {at} AS at_ms\n  FROM events WHERE {at} < {}\n)",
                self.as_of.0
            ));
        }
        if self.uses_properties && self.schema.has_history {
            out.push_str(
                "-- user_properties is a history: the latest row before the instant holds.\n",
            );
            let at = self.dialect.epoch_ms("updated_at");
            tables.push(format!(
                "crowdset_properties AS (\n  SELECT user_id, property_name, property_value FROM (\n    SELECT user_id, property_name, property_value, ROW_NUMBER() OVER (\n      PARTITION BY user_id, property_name ORDER BY updated_at DESC NULLS LAST, property_id DESC\n    ) AS place\n    FROM user_properties WHERE updated_at IS NULL OR {at} < {}\n  ) AS held WHERE place = 1 AND property_value IS NOT NULL\n)",
                self.as_of.0
            ));
        } else if self.uses_properties {
            out.push_str("-- user_properties has one row a user and name.\n");
            tables.push("crowdset_properties AS (\n  SELECT user_id, property_name, property_value FROM user_properties WHERE property_value IS NOT NULL\n)".to_owned());
        }
        if !tables.is_empty() {
            out.push_str("WITH ");
            out.push_str(&tables.join(", "));
            out.push('\n');
        }
        out.push_str("SELECT u.user_id\nFROM users AS u\nWHERE ");
        out.push_str(condition);
        out.push_str("\nORDER BY u.user_id\n");
        out
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
