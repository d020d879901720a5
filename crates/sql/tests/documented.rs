//! Goal: the table in docs/SQL.md says what each dialect can, and each "no" is one.

use crowdset_query::Segment;
use crowdset_sql::{Dialect, SqlError, SqlSchema, sql};
use crowdset_types::TimestampMillis;

const PAGE: &str = include_str!("../../../docs/SQL.md");

#[test]
fn the_table_says_what_each_dialect_can() {
    let rows: Vec<Vec<&str>> = PAGE
        .lines()
        .filter(|line| line.starts_with('|') && line.ends_with(" |"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let heads = rows
        .iter()
        .find(|cells| cells[1..].contains(&"for example"));
    let heads = heads.expect("the head of the table");
    assert_eq!(heads[2..], Dialect::ALL.map(|dialect| dialect.to_string()));
    let mut answers = 0;
    for cells in rows.iter().filter(|cells| cells[1].starts_with('`')) {
        let example = cells[1].trim_matches('`');
        let segment: Segment = example
            .parse()
            .unwrap_or_else(|error| panic!("{example}: {error}"));
        for (dialect, cell) in Dialect::ALL.into_iter().zip(&cells[2..]) {
            let schema = SqlSchema::default();
            let written = sql(&segment, dialect, &schema, TimestampMillis(1_000_000_000));
            match (*cell, written) {
                ("yes", Ok(_)) | ("no", Err(SqlError::CannotSay(_))) => {}
                (cell, written) => panic!("{dialect}, {example}: {cell}, yet {written:?}"),
            }
            answers += 1;
        }
    }
    assert!(answers >= 100, "{answers} answers are few: is it read?");
}

#[test]
fn the_first_example_is_what_is_written() {
    let segment = "account_type = 'free' and not did(purchase, last 30 days)";
    assert!(PAGE.contains(&format!(
        "$ crowdset sql \"{segment}\" --dialect duckdb --as-of 2026-01-01"
    )));
    let segment: Segment = segment.parse().expect("a segment");
    let (as_of, _) = TimestampMillis::parse("2026-01-01").expect("a date");
    let text = sql(&segment, Dialect::DuckDb, &SqlSchema::default(), as_of).expect("can be said");
    assert!(PAGE.contains(&text), "{text}");
}

#[test]
fn the_refusal_is_what_is_said() {
    let segment: Segment = "everyone and bucket('spring') < 0.1"
        .parse()
        .expect("a segment");
    let schema = SqlSchema::default();
    let Err(error) = sql(&segment, Dialect::Spark, &schema, TimestampMillis(0)) else {
        panic!("Spark said it");
    };
    let shown = error.to_string();
    let lines: Vec<&str> = shown.lines().take(3).collect();
    assert!(PAGE.contains(&lines.join("\n")), "{shown}");
}
