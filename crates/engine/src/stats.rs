//! What a state holds and where its bytes are.

use crate::state::State;
use crowdset_storage::{ColumnBytes, Kinds, Table};
use serde::Serialize;
use std::collections::BTreeMap;

/// What a state holds: rows, users, and bytes by column and index. Serializes to the object that
/// `crowdset stats --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// Users and what is known of them.
    pub users: UserStats,
    /// Events by name and by partition.
    pub events: EventStats,
    /// Sets of users per term.
    pub indexes: IndexStats,
    /// Bytes of all files that answers are read from: columns and indexes.
    pub answer_bytes: u64,
    /// The same per event; `None` without events.
    pub answer_bytes_per_event: Option<f64>,
    /// Bytes that queries to this state made of its rows and keep in memory until they are wanted for
    /// something else: first and last rows, active days.
    pub summary_bytes: u64,
    /// The most that these ever are.
    pub summary_bytes_max: u64,
    /// Bytes of all files of the store by kind, the durable tables included; in memory only those
    /// that answers are read from.
    pub files: Vec<FileStats>,
}

/// Users and what is known of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct UserStats {
    /// How many users a segment can select.
    pub universe: u64,
    /// User ids of events or properties that have no row in `users`.
    pub orphans: u64,
    /// Bytes of ids, of the table that finds them, of their order, and of all attributes.
    pub bytes: u64,
    /// Bytes of the ids' text.
    pub id_bytes: u64,
    /// Bytes of the table that finds a user by id.
    pub lookup_bytes: u64,
    /// Bytes of the order of ids.
    pub rank_bytes: u64,
    /// Columns of `users` and user properties.
    pub attributes: Vec<AttributeStats>,
}

/// One column of `users` or one user property.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AttributeStats {
    /// `users` or `property`.
    pub table: &'static str,
    /// Its name.
    pub name: String,
    /// The types that occur.
    pub types: Vec<&'static str>,
    /// How many different values, if that is known.
    pub values: Option<u64>,
    /// Bytes in all.
    pub bytes: u64,
    /// Bytes of the values over time among them.
    pub history_bytes: u64,
}

/// Events by name and by partition.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EventStats {
    /// How many events.
    pub rows: u64,
    /// The time of the first event, RFC 3339.
    pub first: Option<String>,
    /// The time of the last event, RFC 3339.
    pub last: Option<String>,
    /// Bytes of all columns.
    pub bytes: u64,
    /// Bytes of all columns per event; `None` without events.
    pub bytes_per_event: Option<f64>,
    /// By event name, ascending.
    pub streams: Vec<EventNameStats>,
    /// By span of time, ascending.
    pub partitions: Vec<PartitionSummary>,
}

/// The rows of one event name.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EventNameStats {
    /// The name.
    pub event: String,
    /// How many rows.
    pub rows: u64,
    /// Bytes of all columns.
    pub bytes: u64,
    /// Bytes of all columns per row.
    pub bytes_per_event: f64,
    /// `(user)`, `(time)` and `(row starts)`, then the properties, ascending.
    pub columns: Vec<ColumnStats>,
}

/// One column of one event name.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ColumnStats {
    /// The property's dotted path, or `(user)`, `(time)`, `(row starts)`.
    pub column: String,
    /// The types that occur; empty for those in brackets.
    pub types: Vec<&'static str>,
    /// At least so many different values, if that is known.
    pub values: Option<u64>,
    /// Bytes in all.
    pub bytes: u64,
    /// Bytes per row of the event.
    pub bytes_per_event: f64,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PartitionSummary {
    /// Its number, as in the names of its files.
    pub id: String,
    /// The start of its span, RFC 3339.
    pub from: String,
    /// The end of its span, exclusive.
    pub to: String,
    /// How many events.
    pub rows: u64,
    /// How many event names.
    pub streams: u64,
    /// Bytes of its columns.
    pub bytes: u64,
    /// Bytes of its index.
    pub index_bytes: u64,
}

/// Sets of users per term.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct IndexStats {
    /// Bytes in all.
    pub bytes: u64,
    /// Bytes in all per event; `None` without events.
    pub bytes_per_event: Option<f64>,
    /// Terms of events: names and property values, over all partitions.
    pub event_terms: u64,
    /// Terms of attributes.
    pub attribute_terms: u64,
}

/// Files of one kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FileStats {
    /// The ending of their names.
    pub kind: String,
    /// How many.
    pub files: u64,
    /// Bytes in all.
    pub bytes: u64,
}

/// Facts of one column, added up over partitions.
#[derive(Default)]
struct ColumnFacts {
    kinds: Kinds,
    values: Option<u64>,
    bytes: u64,
}

/// Facts of one event name, added up over partitions.
#[derive(Default)]
struct StreamFacts {
    rows: u64,
    fixed: [u64; 3],
    properties: BTreeMap<String, ColumnFacts>,
}

impl Stats {
    /// Reads tables of contents only: no column is touched.
    pub(crate) fn of(state: &State) -> Self {
        let dataset = &state.dataset;
        let (events, event_index) = events(state);
        let users = users(state);
        let attribute_index = dataset.attribute_index.as_ref();
        let index_bytes = event_index.0 + attribute_index.map_or(0, |index| index.bytes());
        let answer_bytes = events.bytes + users.bytes + index_bytes;
        let per_event = |bytes: u64| (events.rows > 0).then(|| bytes as f64 / events.rows as f64);
        let indexes = IndexStats {
            bytes: index_bytes,
            bytes_per_event: per_event(index_bytes),
            event_terms: event_index.1,
            attribute_terms: attribute_index.map_or(0, |index| index.terms() as u64),
        };
        let answer_bytes_per_event = per_event(answer_bytes);
        Self {
            users,
            events,
            indexes,
            answer_bytes,
            answer_bytes_per_event,
            summary_bytes: state.dataset.summaries.bytes(),
            summary_bytes_max: state.dataset.summaries.policy().bytes_max,
            files: state.file_stats(),
        }
    }
}

fn events(state: &State) -> (EventStats, (u64, u64)) {
    let mut facts: BTreeMap<String, StreamFacts> = BTreeMap::new();
    let mut partitions = Vec::new();
    let (mut index_bytes, mut terms, mut bytes) = (0, 0, 0);
    for handle in &state.dataset.partitions {
        let stats = handle.partition.stats();
        for (stream, stored) in stats.streams.iter().zip(handle.partition.streams()) {
            let facts = facts.entry(stream.name.clone()).or_default();
            facts.rows += stream.rows;
            for (sum, bytes) in
                facts
                    .fixed
                    .iter_mut()
                    .zip([stream.users, stream.times, stream.starts])
            {
                *sum += bytes;
            }
            for ((path, bytes), property) in stream.properties.iter().zip(stored.properties()) {
                let facts = facts.properties.entry(path.clone()).or_default();
                facts.kinds = facts.kinds.union(property.kinds());
                facts.values = facts.values.max(property.distinct());
                facts.bytes += bytes.total();
            }
        }
        let index = handle.index.as_ref();
        let summary = PartitionSummary {
            id: stats.id.to_string(),
            from: stats.range.from.to_string(),
            to: stats.range.to.to_string(),
            rows: stats.rows,
            streams: stats.streams.len() as u64,
            bytes: stats.file_bytes,
            index_bytes: index.map_or(0, |index| index.bytes()),
        };
        index_bytes += summary.index_bytes;
        terms += index.map_or(0, |index| index.terms() as u64);
        bytes += summary.bytes;
        partitions.push(summary);
    }
    let rows = partitions.iter().map(|partition| partition.rows).sum();
    let span = state.catalog().event_span();
    let events = EventStats {
        rows,
        first: span.map(|(first, _)| first.to_string()),
        last: span.map(|(_, last)| last.to_string()),
        bytes,
        bytes_per_event: (rows > 0).then(|| bytes as f64 / rows as f64),
        streams: facts
            .into_iter()
            .map(|(event, facts)| event_name(event, facts))
            .collect(),
        partitions,
    };
    (events, (index_bytes, terms))
}

fn event_name(event: String, facts: StreamFacts) -> EventNameStats {
    let rows = facts.rows;
    let per_row = |bytes: u64| {
        if rows == 0 {
            0.0
        } else {
            bytes as f64 / rows as f64
        }
    };
    let fixed = ["(user)", "(time)", "(row starts)"]
        .into_iter()
        .zip(facts.fixed)
        .map(|(column, bytes)| ColumnStats {
            column: column.to_owned(),
            types: Vec::new(),
            values: None,
            bytes,
            bytes_per_event: per_row(bytes),
        });
    let properties = facts
        .properties
        .into_iter()
        .map(|(column, facts)| ColumnStats {
            column,
            types: type_names(facts.kinds),
            values: facts.values,
            bytes: facts.bytes,
            bytes_per_event: per_row(facts.bytes),
        });
    let columns: Vec<_> = fixed.chain(properties).collect();
    let bytes = columns.iter().map(|column| column.bytes).sum();
    EventNameStats {
        event,
        rows,
        bytes,
        bytes_per_event: per_row(bytes),
        columns,
    }
}

fn users(state: &State) -> UserStats {
    let users = &state.dataset.users;
    let stats = users.stats();
    let attributes = users
        .attributes()
        .iter()
        .zip(&stats.attributes)
        .map(|(attribute, (_, bytes))| AttributeStats {
            table: match attribute.table() {
                Table::Users => "users",
                Table::Properties => "property",
            },
            name: attribute.name().to_owned(),
            types: type_names(attribute.kinds()),
            values: attribute.distinct(),
            bytes: ColumnBytes::total(*bytes),
            history_bytes: bytes.history,
        })
        .collect();
    UserStats {
        universe: users.universe_len(),
        orphans: (users.ordinals() as u64).saturating_sub(users.universe_len()),
        bytes: stats.file_bytes,
        id_bytes: stats.ids,
        lookup_bytes: stats.lookup,
        rank_bytes: stats.ranks,
        attributes,
    }
}

/// The types as the language's page calls them.
fn type_names(kinds: Kinds) -> Vec<&'static str> {
    [
        (kinds.bool, "bool"),
        (kinds.number, "number"),
        (kinds.text, "text"),
        (kinds.time, "time"),
        (kinds.array, "array"),
    ]
    .into_iter()
    .filter_map(|(occurs, name)| occurs.then_some(name))
    .collect()
}
