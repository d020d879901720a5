//! The statement around a condition: which tables it reads, and what it reads of them.

use crate::dialect::Dialect;
use crate::schema::SqlSchema;
use crate::scope::Scope;
use crate::{Refusal, SqlError};
use crowdset_query::{Diagnostic, Segment, Span};
use crowdset_types::TimestampMillis;
use std::collections::BTreeSet;

/// Writes one statement.
pub(crate) struct Writer<'a> {
    pub(crate) dialect: Dialect,
    pub(crate) as_of: TimestampMillis,
    pub(crate) schema: &'a SqlSchema,
    aliases: u32,
    pub(crate) uses_properties: bool,
    /// User properties whose history is looked at.
    pub(crate) histories: BTreeSet<String>,
    uses_events: bool,
    /// The events that are looked at; `None`: any.
    names: Option<BTreeSet<String>>,
    /// Event properties that are looked at, by dotted path.
    paths: Vec<String>,
    /// Zones whose clocks are looked at, and from which instant on.
    pub(crate) clocks: Vec<(String, Option<i64>)>,
    /// Tables made of events for one condition.
    tables: Vec<String>,
    /// What is written stands in a column, not behind WHERE.
    pub(crate) is_column: bool,
    /// The saved segments that are being written out.
    pub(crate) within: Vec<String>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(dialect: Dialect, schema: &'a SqlSchema, as_of: TimestampMillis) -> Self {
        Self {
            dialect,
            as_of,
            schema,
            aliases: 0,
            uses_properties: false,
            histories: BTreeSet::new(),
            uses_events: false,
            names: Some(BTreeSet::new()),
            paths: Vec::new(),
            clocks: Vec::new(),
            tables: Vec::new(),
            is_column: false,
            within: Vec::new(),
        }
    }

    /// A new name for a row.
    pub(crate) fn alias(&mut self, prefix: &str) -> String {
        self.aliases += 1;
        format!("{prefix}{}", self.aliases)
    }

    /// Rows of events, as yet of all of them.
    pub(crate) fn event_rows(&mut self, prefix: &str) -> Scope {
        self.uses_events = true;
        let row = self.alias(prefix);
        Scope::new("crowdset_events", row)
    }

    pub(crate) fn reads_event(&mut self, name: &str) {
        if let Some(names) = &mut self.names {
            names.insert(name.to_owned());
        }
    }

    pub(crate) fn reads_any_event(&mut self) {
        self.names = None;
    }

    /// The number of an event's property, which names its columns.
    pub(crate) fn path(&mut self, path: &str) -> usize {
        let known = self.paths.iter().position(|known| known == path);
        1 + known.unwrap_or_else(|| {
            self.paths.push(path.to_owned());
            self.paths.len() - 1
        })
    }

    /// A table of its own, made by this query; returns its name.
    pub(crate) fn table(&mut self, prefix: &str, query: &str) -> String {
        let name = self.alias(prefix);
        self.tables.push(format!("{name} AS (\n  {query}\n)"));
        name
    }

    pub(crate) fn cannot(&self, what: &str, span: Span) -> Refusal {
        let message = format!("{} cannot say {what} exactly", self.dialect);
        Refusal::CannotSay(Box::new(
            Diagnostic::error("cannot-say", message).at(span).help(
                "ask in another way or in another dialect; docs/SQL.md lists what each can say",
            ),
        ))
    }

    /// The statement that selects the users of a segment.
    pub(crate) fn statement(mut self, segment: &Segment) -> Result<String, SqlError> {
        let mut users = Scope::of_users("u".to_owned());
        let condition = self.segment(&mut users, segment)?;
        let mut out = format!(
            "-- As of {}. Written for {}.\n-- Taken for granted: one row a user in users and a row for everybody; one row an event_id; ids of one type;\n-- no null ids, names or times; times in milliseconds; no dots in the keys of properties; valid JSON.\n",
            self.as_of, self.dialect
        );
        let history = if self.schema.has_history {
            "-- user_properties is a history: the latest row before the instant holds.\n"
        } else {
            "-- user_properties has one row a user and name.\n"
        };
        if self.uses_properties || !self.histories.is_empty() {
            out.push_str(history);
        }
        let mut tables = Vec::new();
        if self.uses_events {
            tables.push(self.events_table());
        }
        if self.uses_properties {
            tables.push(self.properties_table());
        }
        if !self.histories.is_empty() {
            tables.push(self.history_table());
        }
        tables.append(&mut self.tables);
        if !tables.is_empty() {
            out.push_str("WITH ");
            out.push_str(&tables.join(", "));
            out.push('\n');
        }
        out.push_str("SELECT u.user_id\nFROM ");
        out.push_str(&users.from());
        out.push_str("\nWHERE ");
        out.push_str(&condition);
        out.push_str("\nORDER BY u.user_id\n");
        if self.dialect == Dialect::ClickHouse {
            // Who has no row on the other side of a join has NULL, not 0; nothing stops a statement
            // for rows that it does not concern.
            out.push_str(
                "SETTINGS join_use_nulls = 1, short_circuit_function_evaluation = 'force_enable'\n",
            );
        }
        Ok(out)
    }

    /// The events before the instant, with the properties and clocks that are looked at.
    fn events_table(&self) -> String {
        let d = self.dialect;
        let at = d.epoch_ms(&format!("e.{}", d.ident("timestamp")));
        let mut columns = vec![
            "e.event_id AS event_id".to_owned(),
            "e.user_id AS user_id".to_owned(),
            "e.event_name AS event_name".to_owned(),
            format!("{at} AS at_ms"),
        ];
        let mut from = "events AS e".to_owned();
        let mut more = Vec::new();
        for (number, path) in self.paths.iter().enumerate() {
            let p = format!("prop{}", number + 1);
            let value = d.property("e", &p, path, &mut from);
            columns.push(format!("{} AS {p}_type", value.kind));
            columns.push(format!("{} AS {p}", value.text));
            more.push(format!(
                "CASE WHEN r.{p}_type = 'number' THEN {} END AS {p}_number",
                d.try_double(&format!("r.{p}"))
            ));
        }
        for number in 0..self.clocks.len() {
            more.extend(self.clock_columns(number));
        }
        let mut filter = format!("{at} < {}", self.as_of.0);
        if let Some(names) = &self.names {
            let names: Vec<String> = names.iter().map(|name| d.text(name)).collect();
            if !names.is_empty() {
                filter = format!("{filter} AND e.event_name IN ({})", names.join(", "));
            }
        }
        let mut query = format!(
            "SELECT {}\n  FROM {from} WHERE {filter}",
            columns.join(", ")
        );
        if !more.is_empty() {
            query = format!(
                "SELECT r.*, {} FROM (\n  {query}\n  ) AS r",
                more.join(", ")
            );
        }
        format!("crowdset_events AS (\n  {query}\n)")
    }

    /// The value of each user property at the instant.
    fn properties_table(&self) -> String {
        if !self.schema.has_history {
            return "crowdset_properties AS (\n  SELECT user_id, property_name, property_value FROM user_properties WHERE property_value IS NOT NULL\n)".to_owned();
        }
        let at = self.dialect.epoch_ms("updated_at");
        format!(
            "crowdset_properties AS (\n  SELECT user_id, property_name, property_value FROM (\n    SELECT user_id, property_name, property_value, ROW_NUMBER() OVER (\n      PARTITION BY user_id, property_name ORDER BY updated_at DESC NULLS LAST, property_id DESC\n    ) AS place\n    FROM user_properties WHERE updated_at IS NULL OR {at} < {}\n  ) AS held WHERE place = 1 AND property_value IS NOT NULL\n)",
            self.as_of.0
        )
    }

    /// Each value that a user property had before the instant: since when, until when, and which one
    /// it had before. A value without a beginning was always there.
    fn history_table(&self) -> String {
        let d = self.dialect;
        let names: Vec<String> = self.histories.iter().map(|name| d.text(name)).collect();
        let names = names.join(", ");
        if !self.schema.has_history {
            let never = d.try_integer("'never'");
            return format!(
                "crowdset_history AS (\n  SELECT user_id, property_name, property_value, {never} AS since_ms, {never} AS until_ms, property_value AS before_value FROM user_properties WHERE property_name IN ({names})\n)"
            );
        }
        let at = d.epoch_ms("updated_at");
        let order = "(PARTITION BY h.user_id, h.property_name ORDER BY h.since_ms NULLS FIRST)";
        format!(
            "crowdset_history AS (\n  SELECT h.user_id AS user_id, h.property_name AS property_name, h.property_value AS property_value, h.since_ms AS since_ms, LEAD(h.since_ms) OVER {order} AS until_ms, LAG(h.property_value) OVER {order} AS before_value FROM (\n    SELECT user_id, property_name, property_value, {at} AS since_ms, ROW_NUMBER() OVER (\n      PARTITION BY user_id, property_name, updated_at ORDER BY property_id DESC\n    ) AS place\n    FROM user_properties WHERE property_name IN ({names}) AND (updated_at IS NULL OR {at} < {})\n  ) AS h WHERE h.place = 1\n)",
            self.as_of.0
        )
    }
}
