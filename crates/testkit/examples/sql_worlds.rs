//! Random worlds, random segments, their SQL in every dialect and the users they select: what
//! `benches/peers/sql_check.py` holds other engines to. Prints one world a line.
//!
//! `cargo run -p crowdset-testkit --example sql_worlds -- WORLDS [SEGMENTS [FIRST SEED]] > worlds.ndjson`

use crowdset_query::{Plan, PlanOptions, Segment, plan};
use crowdset_sql::{Dialect, SqlSchema, sql};
use crowdset_testkit::random::{Rng, World, segment, world};
use crowdset_testkit::{Data, IdKind, Reference, WorldCatalog};
use crowdset_types::{TimestampMillis, Value};
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::Write;

const DIALECTS: [(&str, Dialect); 4] = [
    ("duckdb", Dialect::DuckDb),
    ("datafusion", Dialect::DataFusion),
    ("clickhouse", Dialect::ClickHouse),
    ("spark", Dialect::Spark),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<u64> = std::env::args()
        .skip(1)
        .map(|word| word.parse())
        .collect::<Result<_, _>>()?;
    let worlds = words.first().copied().unwrap_or(100);
    let segments = words.get(1).copied().unwrap_or(12);
    let first = words.get(2).copied().unwrap_or(0);
    let mut out = std::io::stdout().lock();
    for seed in first..first + worlds {
        let mut world = world(seed);
        // A statement reads properties from their JSON only.
        for row in &mut world.data.events {
            row.columns.clear();
        }
        writeln!(out, "{}", line(seed, &world, segments)?)?;
    }
    Ok(())
}

fn line(seed: u64, world: &World, segments: u64) -> Result<Json, Box<dyn std::error::Error>> {
    let mut rng = Rng::new(seed ^ 0x5c1);
    let reference = Reference::new(&world.data);
    let catalog = WorldCatalog::new(&world.data);
    let schema = SqlSchema::of(&catalog).history(world.data.history);
    let mut cases = Vec::new();
    for number in 0..segments {
        let segment = segment(&mut rng, world, (number % 3) as usize);
        let as_of = world.as_of[rng.below(world.as_of.len())];
        let planned: Result<Plan, _> = plan(&segment, &catalog, as_of, &PlanOptions::default());
        // What has no meaning has no users.
        if planned.is_err() {
            continue;
        }
        let Ok(expected) = reference.evaluate(&segment, as_of) else {
            continue;
        };
        let mut texts = Map::new();
        let mut refused = Map::new();
        for (name, dialect) in DIALECTS {
            match sql(&segment, dialect, &schema, as_of) {
                Ok(text) => texts.insert(name.to_owned(), text.into()),
                Err(error) => refused.insert(name.to_owned(), error.to_string().into()),
            };
        }
        cases.push(json!({ "segment": segment.to_string(), "as_of": as_of.0, "expected": expected, "sql": texts, "refused": refused }));
    }
    let everyone: Segment = "everyone".parse()?;
    let ids = reference.evaluate(&everyone, TimestampMillis(0))?;
    Ok(json!({
        "seed": seed,
        "integer_user_ids": world.data.user_ids == IdKind::Integer,
        "integer_event_ids": world.data.event_ids == IdKind::Integer,
        "integer_property_ids": world.data.property_ids == IdKind::Integer,
        "users": users(&world.data, &ids),
        "events": events(&world.data),
        "history": world.data.history,
        "user_properties": properties(&world.data),
        "cases": cases,
    }))
}

/// The rows that hold after all rules of the table: one a user.
fn users(data: &Data, ids: &[String]) -> Json {
    let mut rows: BTreeMap<&str, BTreeMap<&str, &Value>> = BTreeMap::new();
    let mut names = BTreeSet::new();
    for row in data.users.iter().flatten() {
        let columns = rows.entry(&row.user_id).or_default();
        for (name, value) in &row.columns {
            columns.insert(name, value);
            names.insert(name.as_str());
        }
    }
    let mut columns = Map::new();
    for name in names {
        let values: Vec<Json> = ids
            .iter()
            .map(|id| rows.get(id.as_str()).and_then(|row| row.get(name)))
            .map(|value| value.map_or(Json::Null, |value| cell(value)))
            .collect();
        columns.insert(name.to_owned(), values.into());
    }
    json!({ "ids": ids, "columns": columns })
}

/// A value with its type.
fn cell(value: &Value) -> Json {
    match value {
        Value::Bool(value) => json!({ "bool": value }),
        Value::Integer(value) => json!({ "integer": value }),
        Value::Float(value) => json!({ "float": value.to_string() }),
        Value::Text(text) | Value::Array(text) => json!({ "text": text }),
        Value::Time(at) => json!({ "time": at }),
    }
}

fn events(data: &Data) -> Vec<Json> {
    let mut known = HashSet::new();
    let stored = data.events.iter().filter(|row| known.insert(&row.event_id));
    stored
        .map(|row| {
            let properties = Json::Object(row.properties.clone()).to_string();
            json!([
                row.event_id,
                row.user_id,
                row.event_name,
                row.timestamp_ms,
                properties
            ])
        })
        .collect()
}

/// Without a history the last row of a user and name.
fn properties(data: &Data) -> Vec<Json> {
    let mut last = BTreeMap::new();
    for (place, row) in data.properties.iter().enumerate() {
        last.insert((&row.user_id, &row.name), place);
    }
    let rows = data.properties.iter().enumerate();
    rows.filter(|(place, row)| data.history || last[&(&row.user_id, &row.name)] == *place)
        .map(|(_, row)| {
            json!([
                row.property_id,
                row.user_id,
                row.name,
                row.value,
                row.updated_at
            ])
        })
        .collect()
}
