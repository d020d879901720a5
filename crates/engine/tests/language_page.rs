//! `docs/SEGMENT_LANGUAGE.md` stays true: each cell of its truth tables is what the engine answers
//! for a value of that kind, and each of its segments is one, with one meaning for all forms.

use crowdset::arrow::array::{Float64Array, StringArray, TimestampMillisecondArray};
use crowdset::arrow::record_batch::RecordBatch;
use crowdset::{AsOf, Engine, LoadOptions, Segment, Tables, TimestampMillis};
use serde_json::Value;
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

/// One user with one event that has a property of each kind.
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
        ("time", Arc::new(time) as _),
    ])
    .expect("columns of one length");
    let engine = Engine::in_memory();
    let tables = Tables::default().event_batch(events);
    engine
        .load(&tables, &LoadOptions::default())
        .expect("one event is loaded");
    engine
}

fn verdict(engine: &Engine, condition: &str, property: &str) -> &'static str {
    let condition = condition
        .replace("(p", &format!("({property}"))
        .replace("p ", &format!("{property} "));
    let segment: Segment = match format!("did(e where {condition})").parse() {
        Ok(segment) => segment,
        Err(error) => panic!("{error}"),
    };
    match engine.snapshot().evaluate(&segment, AsOf::at(AS_OF)) {
        Ok(audience) if audience.is_empty() => "·",
        Ok(_) => "true",
        Err(_) => "error",
    }
}

fn cells(row: &str) -> Vec<&str> {
    row.trim_matches('|').split('|').map(str::trim).collect()
}

#[test]
fn every_cell_of_the_truth_tables_is_so() {
    let engine = one_of_each();
    let mut lines = PAGE.lines();
    let (mut tables, mut wrong) = (0, Vec::new());
    while let Some(head) = lines.find(|line| line.starts_with("| `p` is |")) {
        tables += 1;
        let conditions = cells(head);
        let rows: Vec<_> = lines
            .by_ref()
            .skip(1)
            .take_while(|line| line.starts_with('|'))
            .map(cells)
            .collect();
        assert_eq!(rows.len(), KINDS.len(), "{head}");
        for (row, (name, property)) in rows.iter().zip(KINDS) {
            assert_eq!((row[0], row.len()), (name, conditions.len()), "{head}");
            for (condition, cell) in conditions.iter().zip(row).skip(1) {
                let found = verdict(&engine, condition.trim_matches('`'), property);
                if found != *cell {
                    wrong.push(format!("{name}: {condition} is {found}, not {cell}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert_eq!(tables, 4, "the page has four tables");
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
    let mut segments = 0;
    // Segments are separated by empty lines; a line break within one means nothing.
    for text in blocks("segment")
        .iter()
        .flat_map(|block| block.split("\n\n"))
    {
        segments += 1;
        let segment: Segment = match text.parse() {
            Ok(segment) => segment,
            Err(error) => panic!("{error}"),
        };
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
    assert!(segments >= 10, "{segments} segments only");
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
