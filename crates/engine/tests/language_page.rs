//! `docs/SEGMENT_LANGUAGE.md` stays true: each cell of its truth tables is what the engine answers
//! for a value of that kind, each of its segments is one, with one meaning for all forms, and no part
//! of the language is without an example.

use crowdset::arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, ListBuilder, StringArray, StringBuilder,
    TimestampMillisecondArray,
};
use crowdset::arrow::record_batch::RecordBatch;
use crowdset::{AsOf, Engine, LoadOptions, Segment, Tables, TimestampMillis};
use crowdset_testkit::coverage;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

const PAGE: &str = include_str!("../../../docs/SEGMENT_LANGUAGE.md");

/// 2026-03-01.
const AS_OF: TimestampMillis = TimestampMillis(1_772_323_200_000);

/// The kinds of values, as the page's rows name them, and the property that has such a value.
const KINDS: [(&str, &str); 13] = [
    ("missing", "missing"),
    ("`null`", "null"),
    ("`true`", "truth"),
    ("`5`", "integer"),
    ("`2.5`", "float"),
    ("NaN", "nan"),
    ("`'abc'`", "text"),
    ("`'5'`", "number_text"),
    ("`'2026-02-01T00:00:00Z'`", "time_text"),
    ("a time, 2026-02-01", "time"),
    ("`['abc']`", "array"),
    ("`[]`", "empty"),
    ("an object", "object"),
];

/// The kinds of attributes, and the attribute that has such a value.
const ATTRIBUTE_KINDS: [(&str, &str); 16] = [
    ("nothing: nobody has such a name", "users.nowhere"),
    ("`null`", "users.null"),
    ("`true`", "users.truth"),
    ("`5`", "users.integer"),
    ("`2.5`", "users.float"),
    ("NaN", "users.nan"),
    ("`'abc'`", "users.text"),
    ("`'5'`", "users.number_text"),
    ("`'2026-02-01T00:00:00Z'`", "users.time_text"),
    ("a time, 2026-02-01", "users.time"),
    ("`['abc']`", "users.array"),
    ("`[]`", "users.empty"),
    ("unset again", "property.unset"),
    ("the property `'abc'`", "property.text"),
    ("the property `'5'`", "property.number_text"),
    (
        "the property `'2026-02-01T00:00:00Z'`",
        "property.time_text",
    ),
];

/// One user with one event that has a property of each kind, and with an attribute of each kind.
fn one_of_each() -> Engine {
    let text = |text: &str| Arc::new(StringArray::from_iter_values([text])) as _;
    let at = TimestampMillisecondArray::from(vec![AS_OF.0 - 1]).with_timezone("UTC");
    // 2026-02-01.
    let time = TimestampMillisecondArray::from(vec![1_769_904_000_000]).with_timezone("UTC");
    let properties = r#"{"null": null, "truth": true, "integer": 5, "float": 2.5, "text": "abc",
        "number_text": "5", "time_text": "2026-02-01T00:00:00Z", "array": ["abc"], "empty": [], "object": {"x": 1}}"#;
    let events = RecordBatch::try_from_iter([
        ("event_id", text("e1")),
        ("user_id", text("u1")),
        ("event_name", text("e")),
        ("timestamp", Arc::new(at) as _),
        ("properties", text(properties)),
        ("nan", Arc::new(Float64Array::from(vec![f64::NAN])) as _),
        ("time", Arc::new(time.clone()) as _),
    ])
    .expect("columns of one length");
    let list = |values: &[Option<&str>]| {
        let values = values.iter().map(|value| value.map(str::to_owned));
        let mut list = ListBuilder::new(StringBuilder::new());
        list.append_value(values);
        Arc::new(list.finish()) as ArrayRef
    };
    let users = RecordBatch::try_from_iter([
        ("user_id", text("u1")),
        ("null", Arc::new(Int64Array::from(vec![None])) as _),
        ("truth", Arc::new(BooleanArray::from(vec![true])) as _),
        ("integer", Arc::new(Int64Array::from(vec![5])) as _),
        ("float", Arc::new(Float64Array::from(vec![2.5])) as _),
        ("nan", Arc::new(Float64Array::from(vec![f64::NAN])) as _),
        ("text", text("abc")),
        ("number_text", text("5")),
        ("time_text", text("2026-02-01T00:00:00Z")),
        ("time", Arc::new(time.clone()) as _),
        ("array", list(&[Some("abc")])),
        ("empty", list(&[])),
    ])
    .expect("columns of one length");
    let names = ["text", "number_text", "time_text", "unset", "unset"];
    let values = [
        Some("abc"),
        Some("5"),
        Some("2026-02-01T00:00:00Z"),
        Some("x"),
        None,
    ];
    let days = (1..).map(|days| AS_OF.0 - (10 - days) * 86_400_000);
    let updated_at = TimestampMillisecondArray::from_iter_values(days.take(names.len()));
    let properties_of_users = RecordBatch::try_from_iter([
        (
            "property_id",
            Arc::new(Int64Array::from_iter_values(0..names.len() as i64)) as _,
        ),
        (
            "user_id",
            Arc::new(StringArray::from(vec!["u1"; names.len()])) as _,
        ),
        (
            "property_name",
            Arc::new(StringArray::from(names.to_vec())) as _,
        ),
        (
            "property_value",
            Arc::new(StringArray::from(values.to_vec())) as _,
        ),
        ("updated_at", Arc::new(updated_at.with_timezone("UTC")) as _),
    ])
    .expect("columns of one length");
    let engine = Engine::in_memory();
    let tables = Tables::default()
        .event_batch(events)
        .user_batch(users)
        .user_property_batch(properties_of_users);
    engine
        .load(&tables, &LoadOptions::default())
        .expect("the user is loaded");
    engine
}

/// What a condition is of the user, however it is asked. `around`: what stands around it.
fn verdict(engine: &Engine, around: [&str; 2], condition: &str, name: &str) -> &'static str {
    let condition = condition
        .replace("(p", &format!("({name}"))
        .replace("p ", &format!("{name} "));
    let segment: Segment = match format!("{}{condition}{}", around[0], around[1]).parse() {
        Ok(segment) => segment,
        Err(error) => panic!("{error}"),
    };
    let (snapshot, now) = (engine.snapshot(), AsOf::at(AS_OF));
    let audience = snapshot.evaluate(&segment, now);
    let is_in = audience.map(|audience| !audience.is_empty()).ok();
    let contains = snapshot.contains(&segment, "u1", now).ok();
    assert_eq!(contains, is_in, "{segment}: one user is asked");
    let why = snapshot.why(&segment, "u1", now).ok();
    let told = why.map(|why| why.tree.map_or(why.is_in, |tree| tree.is_true));
    assert_eq!(told, is_in, "{segment}: one user is told why");
    match is_in {
        Some(true) => "true",
        Some(false) => "·",
        None => "error",
    }
}

fn cells(row: &str) -> Vec<&str> {
    row.trim_matches('|').split('|').map(str::trim).collect()
}

/// The cells of the page's tables that begin with `head` and are not so.
fn wrong_cells(head: &str, kinds: &[(&str, &str)], around: [&str; 2]) -> Vec<String> {
    let engine = one_of_each();
    let mut lines = PAGE.lines();
    let (mut tables, mut wrong) = (0, Vec::new());
    while let Some(head) = lines.find(|line| line.starts_with(head)) {
        tables += 1;
        let conditions = cells(head);
        let rows: Vec<_> = lines
            .by_ref()
            .skip(1)
            .take_while(|line| line.starts_with('|'))
            .map(cells)
            .collect();
        assert_eq!(rows.len(), kinds.len(), "{head}");
        for (row, (kind, name)) in rows.iter().zip(kinds) {
            assert_eq!((row[0], row.len()), (*kind, conditions.len()), "{head}");
            for (condition, cell) in conditions.iter().zip(row).skip(1) {
                let found = verdict(&engine, around, condition.trim_matches('`'), name);
                if found != *cell {
                    wrong.push(format!("{kind}: {condition} is {found}, not {cell}"));
                }
            }
        }
    }
    assert_eq!(tables, 4, "the page has four tables of `{head}`");
    wrong
}

#[test]
fn every_cell_of_the_truth_tables_of_events_is_so() {
    let wrong = wrong_cells("| `p` is |", &KINDS, ["did(e where ", ")"]);
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_cell_of_the_truth_tables_of_attributes_is_so() {
    let wrong = wrong_cells("| attribute `p` is |", &ATTRIBUTE_KINDS, ["", ""]);
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn blocks<'a>(language: &str) -> Vec<&'a str> {
    PAGE.split(&format!("\n```{language}\n"))
        .skip(1)
        .map(|rest| rest.split("\n```").next().expect("a block ends"))
        .collect()
}

#[test]
fn every_segment_of_the_page_is_one() {
    let engine = one_of_each();
    let snapshot = engine.snapshot();
    let mut missing: BTreeSet<&str> = coverage::PARTS.iter().copied().collect();
    // Segments are separated by empty lines; a line break within one means nothing.
    for text in blocks("segment")
        .iter()
        .flat_map(|block| block.split("\n\n"))
    {
        let segment: Segment = match text.parse() {
            Ok(segment) => segment,
            Err(error) => panic!("{error}"),
        };
        let mut parts = BTreeSet::new();
        coverage::reached(&segment, &mut parts);
        missing.retain(|part| !parts.contains(part));
        let again: Segment = segment.to_string().parse().expect("prints what it reads");
        assert_eq!(again, segment, "{text}");
        assert_eq!(
            Segment::from_json(&segment.to_json()).as_ref(),
            Ok(&segment)
        );
        // What is saved in a store is known to that store only.
        if !text.contains("segment('") && !text.contains("list('") {
            let audience = snapshot.evaluate(&segment, AsOf::at(AS_OF));
            assert!(audience.is_ok(), "{text}: {:?}", audience.err());
        }
    }
    assert!(missing.is_empty(), "without an example: {missing:?}");
}

#[test]
fn every_json_of_the_page_is_a_segment() {
    let blocks = blocks("json");
    assert!(!blocks.is_empty());
    for block in blocks {
        let json: Value = serde_json::from_str(block).expect("is JSON");
        assert!(Segment::from_json(&json).is_ok(), "{json:#}");
    }
}

#[test]
fn every_piece_of_json_on_the_page_is_part_of_one() {
    let mut pieces = 0;
    for line in PAGE.lines() {
        for piece in line.split('`').filter(|piece| piece.starts_with('{')) {
            // Some have words for what may stand there.
            let Ok(json) = serde_json::from_str::<Value>(piece) else {
                continue;
            };
            pieces += 1;
            let stands_in = [
                json.clone(),
                json!({"measure": json, "op": ">", "value": 1}),
                json!({"did": {"event": "a", "window": json}}),
            ];
            assert!(
                stands_in
                    .iter()
                    .any(|json| Segment::from_json(json).is_ok()),
                "{piece}: {}",
                Segment::from_json(&json).expect_err("it is no condition")
            );
        }
    }
    assert!(pieces >= 10, "{pieces} pieces only");
}
