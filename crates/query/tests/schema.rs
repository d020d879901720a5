//! The JSON Schema: `docs/segment.schema.json` is what the code generates, it accepts whatever the
//! reader reads, and refuses what the reader refuses for its shape.
//!
//! Method: random trees of the whole language and the conformance suite, as they are and with one
//! random change each; reader and schema must judge alike.

mod common;
mod validator;

use common::segment;
use crowdset_query::{Segment, json_schema};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use regex::Regex;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use validator::Validator;

static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| Validator::new(json_schema()));

fn top(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

#[test]
fn the_published_schema_is_the_generated_one() {
    let path = top("docs/segment.schema.json");
    let generated = format!("{:#}\n", json_schema());
    if std::env::var_os("CROWDSET_BLESS").is_some() {
        fs::write(&path, &generated).expect("docs can be written");
    }
    let published = fs::read_to_string(&path).expect("the schema is published");
    assert!(
        published == generated,
        "docs/segment.schema.json is old; `crowdset schema > docs/segment.schema.json` renews it"
    );
}

#[test]
fn every_definition_is_used() {
    VALIDATOR.check_itself();
}

#[test]
fn the_suite_is_valid() {
    let validator = &*VALIDATOR;
    let mut cases = 0;
    for file in fs::read_dir(top("data/suite")).expect("the suite is there") {
        let path = file.expect("can be listed").path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("can be read");
        let file: toml::Table = text.parse().expect("is TOML");
        for case in file["case"].as_array().expect("cases") {
            let Some(text) = case.get("segment").and_then(toml::Value::as_str) else {
                continue;
            };
            let Ok(segment) = text.parse::<Segment>() else {
                continue;
            };
            let json = segment.to_json();
            assert!(validator.accepts(&json), "{json:#}");
            cases += 1;
        }
    }
    assert!(cases > 100, "{cases} cases only");
}

/// Forms that are read but never written.
#[test]
fn other_spellings_are_valid() {
    let validator = &*VALIDATOR;
    for json in [
        json!({"segment": {"everyone": true}}),
        json!({"segment": "saved"}),
        json!({"user_id": "a"}),
        json!({"user_id": 5}),
        json!({"attr": "user_id", "op": "!=", "value": "a"}),
        json!({"attr": "user_id", "op": "not in", "value": ["a", 5]}),
        json!({"attr": {"table": "users", "name": "x"}, "op": "is set"}),
        json!({"attr": {"name": "user_id"}, "op": "=", "value": {"at": "2026-01-01"}}),
        json!({"attr": "x", "op": "<", "value": {"attr": {"table": "property", "name": "y"}}}),
        json!({"measure": {"attr": "users.x"}, "op": "between", "value": [1, 2.5]}),
        json!({"did": {"any_of": ["a", {"event": "b"}], "window": "ever"}}),
        json!({"did": {"any_event": true, "except": [], "where": {"prop": ["a", "b"], "op": "is set"}}}),
        json!({"top": {"size": "2.5%", "measure": {"periods": {"event": "a", "of": "1w", "each": 1}}}}),
        json!({"measure": 2, "op": "<", "value": {"arithmetic": [{"bucket": "s"}, "*", 2, "/", 3]}}),
        json!({"did": {"event": "a", "window": {"last": 2, "calendar": "month"}}}),
        json!({"sequence": {"steps": [{"event": "a", "without": []}], "same": [["timestamp"]]}}),
    ] {
        let read = Segment::from_json(&json);
        assert!(read.is_ok(), "{json}: {read:?}");
        assert!(validator.accepts(&json), "{json}");
        let canonical = read.expect("has been checked").to_json();
        assert!(validator.accepts(&canonical), "{canonical}");
    }
}

/// Every place of a tree, the root first.
fn places(json: &Value) -> Vec<String> {
    let mut found = vec![String::new()];
    let children: Vec<(String, &Value)> = match json {
        Value::Object(object) => object
            .iter()
            .map(|(key, value)| (key.replace('~', "~0").replace('/', "~1"), value))
            .collect(),
        Value::Array(values) => values
            .iter()
            .enumerate()
            .map(|(index, value)| (index.to_string(), value))
            .collect(),
        _ => Vec::new(),
    };
    for (key, value) in children {
        found.extend(places(value).iter().map(|rest| format!("/{key}{rest}")));
    }
    found
}

/// One change of a tree.
#[derive(Debug, Clone)]
enum Change {
    Replace(Value),
    Insert(&'static str, Value),
    Remove(Index),
    /// What stands at another place of the same tree.
    Copy(Index),
}

fn value() -> impl Strategy<Value = Value> {
    select(vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(-1),
        json!(2.5),
        json!("§"),
        json!("30d"),
        json!("2026-01-01"),
        json!("timestamp"),
        json!("users.x"),
        json!("user_id"),
        json!("="),
        json!("in"),
        json!("+"),
        json!("week"),
        json!("2026-01-01T00:00:00+02:00"),
        json!([]),
        json!(["a"]),
        json!([1, 2]),
        json!([null]),
        json!({}),
        json!({"§": 1}),
        json!({"ago": "1d"}),
        json!({"now": true}),
        json!({"event": "a"}),
        json!({"everyone": true}),
    ])
}

fn change() -> impl Strategy<Value = Change> {
    let key = select(vec![
        "§",
        "and",
        "not",
        "first",
        "last",
        "measure",
        "event",
        "any_event",
        "any_of",
        "except",
        "where",
        "window",
        "within",
        "after",
        "before",
        "between",
        "since",
        "without",
        "directly",
        "same",
        "strictly",
        "prop",
        "hour",
        "zone",
        "cast",
        "unit",
        "op",
        "value",
        "in",
        "n",
        "v",
        "segment",
        "each",
        "of",
        "for",
        "table",
        "attr",
    ]);
    prop_oneof![
        value().prop_map(Change::Replace),
        (key, value()).prop_map(|(key, value)| Change::Insert(key, value)),
        any::<Index>().prop_map(Change::Remove),
        any::<Index>().prop_map(Change::Copy),
    ]
}

/// To a schema 1.0 is a whole number, to the reader only 1 is one: such floats stay out of changes.
fn without_whole_floats(json: Value) -> Value {
    match json {
        Value::Number(number) if number.is_f64() => json!(2.5),
        Value::Array(values) => values.into_iter().map(without_whole_floats).collect(),
        Value::Object(object) => object
            .into_iter()
            .map(|(key, value)| (key, without_whole_floats(value)))
            .collect(),
        other => other,
    }
}

fn apply(change: &Change, json: &mut Value, at: Index) {
    let places = places(json);
    let at = at.get(&places);
    let object = |value: &mut Value, change: &dyn Fn(&mut Map<String, Value>)| {
        if let Some(object) = value.as_object_mut() {
            change(object);
        }
    };
    match change {
        Change::Replace(value) => *json.pointer_mut(at).expect("is there") = value.clone(),
        Change::Insert(key, value) => object(json.pointer_mut(at).expect("is there"), &|object| {
            object.insert((*key).to_owned(), value.clone());
        }),
        Change::Remove(which) => object(json.pointer_mut(at).expect("is there"), &|object| {
            if !object.is_empty() {
                let key = object.keys().nth(which.index(object.len())).cloned();
                object.remove(&key.expect("is there"));
            }
        }),
        Change::Copy(from) => {
            let copy = json
                .pointer(from.get(&places).as_str())
                .expect("is there")
                .clone();
            *json.pointer_mut(at).expect("is there") = copy;
        }
    }
}

proptest! {
    #[test]
    fn every_tree_is_valid_and_changed_ones_are_judged_alike(
        segment in segment(), changes in prop::collection::vec((any::<Index>(), change()), 20),
    ) {
        let validator = &*VALIDATOR;
        let alternation = Regex::new(r"arithmetic(\[([3-9]|\d\d+)\])?: expected").expect("is a pattern");
        let json = segment.to_json();
        prop_assert!(validator.accepts(&json), "{:#}", json);
        let json = without_whole_floats(json);
        for (at, change) in changes {
            let mut changed = json.clone();
            apply(&change, &mut changed, at);
            match Segment::from_json(&changed) {
                Ok(_) => prop_assert!(validator.accepts(&changed), "refused, yet it is read: {:#}", changed),
                // No schema can say that measures and operators alternate.
                Err(error) if alternation.is_match(error.message()) => {}
                // Other codes are of what a shape cannot say.
                Err(error) if ["json", "unknown-key"].contains(&error.diagnostics[0].code) => {
                    prop_assert!(!validator.accepts(&changed), "accepted, though {}\n{:#}", error, changed);
                }
                Err(_) => {}
            }
        }
    }
}
