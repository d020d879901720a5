//! What the agreement tests share: small worlds through the real load path, and answers by every
//! path there is.

// Each test file is a program of its own and uses a part of this.
#![allow(dead_code, reason = "shared by several test programs")]

use crowdset::arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, TimestampMillisecondArray,
};
use crowdset::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use crowdset::arrow::record_batch::RecordBatch;
use crowdset::{
    AsOf, Engine, EvalOptions, ExecOptions, Kernels, LoadOptions, Segment, Snapshot, Tables,
};
use crowdset_testkit::random::Rng;
use crowdset_testkit::{Data, EventRow, IdKind, PropertyRow, UserRow};
use crowdset_types::{TimestampMillis, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::Arc;

/// A column of a table, by its name.
type NamedColumn = (String, ArrayRef);

fn batch(columns: Vec<NamedColumn>) -> RecordBatch {
    let field = |(name, column): &NamedColumn| Field::new(name, column.data_type().clone(), true);
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    let arrays = columns.into_iter().map(|(_, column)| column).collect();
    RecordBatch::try_new(Arc::new(schema), arrays).expect("columns of one length")
}

fn ids<'a>(kind: IdKind, ids: impl Iterator<Item = &'a String>) -> ArrayRef {
    match kind {
        IdKind::Text => Arc::new(StringArray::from_iter_values(ids)),
        IdKind::Integer => Arc::new(Int64Array::from_iter_values(
            ids.map(|id| id.parse::<i64>().expect("an integer id")),
        )),
    }
}

fn texts<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn times(values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(
        values
            .collect::<TimestampMillisecondArray>()
            .with_timezone("UTC"),
    )
}

/// The type of each users column: that of its first value anywhere in the table, so that parts of
/// the table agree.
fn column_types(users: &[UserRow]) -> BTreeMap<&str, DataType> {
    let mut types = BTreeMap::new();
    for (name, value) in users.iter().flat_map(|user| &user.columns) {
        types.entry(name.as_str()).or_insert(match value {
            Value::Bool(_) => DataType::Boolean,
            Value::Integer(_) => DataType::Int64,
            Value::Float(_) => DataType::Float64,
            Value::Time(_) => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
            Value::Text(_) | Value::Array(_) => DataType::Utf8,
        });
    }
    types
}

fn user_batch(users: &[UserRow], types: &BTreeMap<&str, DataType>, kind: IdKind) -> RecordBatch {
    let mut columns = vec![(
        "user_id".to_owned(),
        ids(kind, users.iter().map(|user| &user.user_id)),
    )];
    for (name, data_type) in types {
        let values = || users.iter().map(|user| user.columns.get(*name));
        let column: ArrayRef = match data_type {
            DataType::Boolean => Arc::new(
                values()
                    .map(|value| {
                        if let Some(Value::Bool(value)) = value {
                            Some(*value)
                        } else {
                            None
                        }
                    })
                    .collect::<BooleanArray>(),
            ),
            DataType::Int64 => Arc::new(
                values()
                    .map(|value| {
                        if let Some(Value::Integer(value)) = value {
                            Some(*value)
                        } else {
                            None
                        }
                    })
                    .collect::<Int64Array>(),
            ),
            DataType::Float64 => Arc::new(
                values()
                    .map(|value| {
                        if let Some(Value::Float(value)) = value {
                            Some(*value)
                        } else {
                            None
                        }
                    })
                    .collect::<Float64Array>(),
            ),
            DataType::Utf8 => texts(values().map(|value| {
                if let Some(Value::Text(text)) = value {
                    Some(text.as_str())
                } else {
                    None
                }
            })),
            _ => times(values().map(|value| {
                if let Some(Value::Time(at)) = value {
                    Some(*at)
                } else {
                    None
                }
            })),
        };
        columns.push(((*name).to_owned(), column));
    }
    batch(columns)
}

fn event_batch(events: &[EventRow], user_ids: IdKind, event_ids: IdKind) -> RecordBatch {
    let properties: Vec<String> = events
        .iter()
        .map(|event| serde_json::Value::Object(event.properties.clone()).to_string())
        .collect();
    let mut columns = vec![
        (
            "event_id".to_owned(),
            ids(event_ids, events.iter().map(|event| &event.event_id)),
        ),
        (
            "user_id".to_owned(),
            ids(user_ids, events.iter().map(|event| &event.user_id)),
        ),
        (
            "event_name".to_owned(),
            texts(events.iter().map(|event| Some(event.event_name.as_str()))),
        ),
        (
            "timestamp".to_owned(),
            times(events.iter().map(|event| Some(event.timestamp_ms))),
        ),
        (
            "properties".to_owned(),
            texts(properties.iter().map(|text| Some(text.as_str()))),
        ),
    ];
    let further: BTreeSet<&String> = events
        .iter()
        .flat_map(|event| event.columns.keys())
        .collect();
    for name in further {
        let values = events.iter().map(|event| event.columns.get(name).copied());
        columns.push((name.clone(), Arc::new(values.collect::<Float64Array>())));
    }
    batch(columns)
}

fn property_batch(rows: &[PropertyRow], data: &Data) -> RecordBatch {
    let mut columns = vec![
        (
            "property_id".to_owned(),
            ids(data.property_ids, rows.iter().map(|row| &row.property_id)),
        ),
        (
            "user_id".to_owned(),
            ids(data.user_ids, rows.iter().map(|row| &row.user_id)),
        ),
        (
            "property_name".to_owned(),
            texts(rows.iter().map(|row| Some(row.name.as_str()))),
        ),
        (
            "property_value".to_owned(),
            texts(rows.iter().map(|row| row.value.as_deref())),
        ),
    ];
    if data.history {
        columns.push((
            "updated_at".to_owned(),
            times(rows.iter().map(|row| row.updated_at)),
        ));
    }
    batch(columns)
}

/// How a world gets into an engine.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Loading {
    /// All at once, into few partitions.
    Whole,
    /// All at once, into as many partitions as there are days.
    SmallPartitions,
    /// In several loads, whose cuts and order come from this seed.
    InParts(u64),
}

/// Loads a world through the public door.
pub(crate) fn load(engine: &Engine, data: &Data, loading: Loading) {
    // Lists may come before the users they name, and segments before the events.
    for (name, ids) in &data.lists {
        engine.save_list(name, ids).expect("a list is saved");
    }
    let segments: Vec<_> = data
        .segments
        .iter()
        .map(|(name, segment)| (name.as_str(), segment))
        .collect();
    if !segments.is_empty() {
        engine
            .save_segments(&segments)
            .expect("segments are saved, in any order");
    }
    let small = LoadOptions::default().partition_rows(1);
    let types = column_types(data.users.as_deref().unwrap_or_default());
    match loading {
        Loading::Whole | Loading::SmallPartitions => {
            let mut tables = Tables::default();
            if let Some(users) = &data.users {
                tables = tables.user_batch(user_batch(users, &types, data.user_ids));
            }
            if !data.events.is_empty() {
                tables =
                    tables.event_batch(event_batch(&data.events, data.user_ids, data.event_ids));
            }
            if !data.properties.is_empty() {
                tables = tables.user_property_batch(property_batch(&data.properties, data));
            }
            let usual = LoadOptions::default();
            let options = if matches!(loading, Loading::Whole) {
                &usual
            } else {
                &small
            };
            engine.load(&tables, options).expect("a world is loaded");
        }
        Loading::InParts(seed) => {
            let mut rng = Rng::new(seed);
            // Rows of one table stay in order; the tables take turns as the seed says.
            let mut events = cut(&mut rng, &data.events).into_iter().map(|rows| {
                Tables::default().event_batch(event_batch(rows, data.user_ids, data.event_ids))
            });
            let mut properties = cut(&mut rng, &data.properties)
                .into_iter()
                .map(|rows| Tables::default().user_property_batch(property_batch(rows, data)));
            let mut users = match &data.users {
                None => Vec::new(),
                // An empty table was given as well.
                Some(users) if users.is_empty() => vec![&users[..]],
                Some(users) => cut(&mut rng, users),
            }
            .into_iter()
            .map(|rows| Tables::default().user_batch(user_batch(rows, &types, data.user_ids)));
            loop {
                let next = match rng.below(3) {
                    0 => events
                        .next()
                        .or_else(|| properties.next())
                        .or_else(|| users.next()),
                    1 => properties
                        .next()
                        .or_else(|| users.next())
                        .or_else(|| events.next()),
                    _ => users
                        .next()
                        .or_else(|| events.next())
                        .or_else(|| properties.next()),
                };
                let Some(tables) = next else { break };
                let usual = LoadOptions::default();
                let options = if rng.chance(50) { &usual } else { &small };
                engine
                    .load(&tables, options)
                    .expect("a part of a world is loaded");
            }
        }
    }
}

/// Cuts rows into up to three parts, none of them empty.
fn cut<'a, T>(rng: &mut Rng, rows: &'a [T]) -> Vec<&'a [T]> {
    let mut rest = rows;
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let len = if parts.len() == 2 {
            rest.len()
        } else {
            rng.between(1, rest.len())
        };
        let (part, tail) = rest.split_at(len);
        parts.push(part);
        rest = tail;
    }
    parts
}

/// One setting of the switches that change the speed of an answer and never the answer.
pub(crate) fn switches(number: u64) -> EvalOptions {
    let is_on = |bit: u32| (number >> bit) & 1 == 0;
    EvalOptions {
        reorder: is_on(0),
        execution: ExecOptions {
            parallel: is_on(1),
            use_index: is_on(2),
            prune: is_on(3),
            short_circuit: is_on(4),
            families: is_on(6),
            use_summaries: is_on(7),
            funnels: is_on(8),
            sieves: is_on(9),
            kernels: if is_on(5) {
                Kernels::Simd
            } else {
                Kernels::Scalar
            },
        },
        ..EvalOptions::default()
    }
}

/// How many settings [`switches`] has.
pub(crate) const SWITCHES: u64 = 1_024;

/// The members' ids, or the whole message of the error.
pub(crate) fn answer(
    snapshot: &Snapshot,
    segment: &Segment,
    as_of: TimestampMillis,
    options: &EvalOptions,
) -> Result<Vec<String>, String> {
    let audience = snapshot
        .evaluate_with(segment, AsOf::at(as_of), options)
        .map_err(|error| message(&error))?;
    let members: Vec<String> = audience.iter().map(str::to_owned).collect();
    assert_eq!(
        audience.len(),
        members.len() as u64,
        "the length is the number of members"
    );
    Ok(members)
}

/// An error and its causes.
pub(crate) fn message(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.fold(error.to_string(), |message, cause| {
        format!("{message}: {cause}")
    })
}
