//! Goal: a statement says what the segment means, or nothing is written. What statements answer is
//! held to the reference elsewhere (docs/SQL.md); here stand the words and the refusals.

use crowdset_query::Segment;
use crowdset_sql::{Dialect, SqlError, SqlSchema, sql};
use crowdset_types::TimestampMillis;

fn write(segment: &str, dialect: Dialect) -> Result<String, SqlError> {
    let segment: Segment = segment.parse().expect("a segment");
    let as_of = TimestampMillis(1_000_000_000);
    sql(&segment, dialect, &SqlSchema::default(), as_of)
}

fn written(segment: &str, dialect: Dialect) -> String {
    write(segment, dialect).unwrap_or_else(|error| panic!("{dialect}: {error}"))
}

#[test]
fn users_without_events_are_counted_as_zero() {
    for dialect in Dialect::ALL {
        assert!(written("count(a) < 3", dialect).contains("u.user_id NOT IN (SELECT"));
        assert!(written("count(a) >= 3", dialect).contains("u.user_id IN (SELECT"));
        // Of no event there is no first: nobody is let in.
        assert!(written("days_since_first(a) < 3", dialect).contains("u.user_id IN (SELECT"));
    }
}

#[test]
fn text_cannot_leave_its_quotes() {
    let segment = r"name = 'it''s \' and user_id = 'x'' or 1=1'";
    for dialect in [Dialect::DuckDb, Dialect::DataFusion] {
        let text = written(segment, dialect);
        assert!(
            text.contains(r"'it''s \'") && text.contains("'x'' or 1=1'"),
            "{text}"
        );
    }
    for dialect in [Dialect::ClickHouse, Dialect::Spark] {
        let text = written(segment, dialect);
        assert!(
            text.contains(r"'it\'s \\'") && text.contains(r"'x\' or 1=1'"),
            "{text}"
        );
    }
    let text = written("users.\"a\"\"b`c\" = 1", Dialect::DuckDb);
    assert!(text.contains("u.\"a\"\"b`c\""), "{text}");
    let text = written("users.\"a\"\"b`c\" = 1", Dialect::Spark);
    assert!(text.contains("u.`a\"b``c`"), "{text}");
}

#[test]
fn only_the_tables_that_are_needed_are_read() {
    let text = written("account_type = 'free'", Dialect::DuckDb);
    assert!(
        !text.contains("WITH") && !text.contains("user_properties is"),
        "{text}"
    );
    let text = written("industry = 'SaaS'", Dialect::DuckDb);
    assert!(
        text.contains("crowdset_properties") && !text.contains("FROM events"),
        "{text}"
    );
    let segment: Segment = "industry = 'SaaS'".parse().expect("a segment");
    let schema = SqlSchema::default().history(false);
    let text = sql(&segment, Dialect::DuckDb, &schema, TimestampMillis(0)).expect("can be said");
    assert!(!text.contains("updated_at"), "{text}");
}

#[test]
fn what_cannot_be_said_exactly_is_refused_with_its_place() {
    for segment in [
        "did(a where n > users.limit)",
        "number(users.limit) > 5",
        "max(a.n) > 9007199254740993",
        "count(a) * 9007199254740993 > count(b)",
    ] {
        for dialect in Dialect::ALL {
            let Err(SqlError::CannotSay(error)) = write(segment, dialect) else {
                panic!("{dialect} said {segment}");
            };
            let shown = error.to_string();
            assert!(
                shown.starts_with("1:") && shown.contains("cannot say"),
                "{shown}"
            );
        }
    }
}

#[test]
fn only_the_events_that_are_asked_for_are_read() {
    let text = written("did(a) and not did(any of (b, c))", Dialect::DuckDb);
    assert!(text.contains("e.event_name IN ('a', 'b', 'c')"), "{text}");
    // Any event may stand between two.
    for segment in ["did(a) and did(any event)", "sequence(a directly then b)"] {
        let text = written(segment, Dialect::DuckDb);
        assert!(!text.contains("e.event_name IN"), "{text}");
    }
}

#[test]
fn clocks_are_written_for_as_long_as_they_are_asked_for() {
    // In January 1970 nobody's clocks were changed, and before that often.
    let text = written("days(a, last 5 days) = 2", Dialect::DuckDb);
    assert!(!text.contains("clock"), "{text}");
    let asked = "did(a where hour(timestamp, 'Europe/Berlin') = 5, last 5 days)";
    let text = written(asked, Dialect::Spark);
    assert!(text.contains("r.at_ms + 3600000 AS clock1_ms"), "{text}");
    let asked = "did(a where hour(timestamp, 'Europe/Berlin') = 5)";
    let text = written(asked, Dialect::Spark);
    assert!(text.contains("CASE WHEN r.at_ms >= -"), "{text}");
}

#[test]
fn counts_are_reckoned_with_whole_numbers() {
    let text = written("count(a) < 0.5 * count(b)", Dialect::DuckDb);
    assert!(
        text.contains("((5e0 * c.v") && text.contains(" / 1e1)"),
        "{text}"
    );
    assert!(!text.contains("error("), "{text}");
}

#[test]
fn unknown_names_are_told() {
    for segment in ["segment('gone')", "list('gone')"] {
        let Err(SqlError::Name(error)) = write(segment, Dialect::DuckDb) else {
            panic!("{segment} was written");
        };
        assert!(error.to_string().contains("`gone`"));
    }
}
