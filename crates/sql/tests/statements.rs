//! Goal: a statement says what the segment means, or nothing is written. What statements answer is
//! held to the reference elsewhere (docs/SQL.md); here stand the words and the refusals.

use crowdset_query::Segment;
use crowdset_sql::{Dialect, SqlError, SqlSchema, sql};
use crowdset_types::TimestampMillis;

const ALL: [Dialect; 4] = [
    Dialect::DuckDb,
    Dialect::DataFusion,
    Dialect::ClickHouse,
    Dialect::Spark,
];

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
    for dialect in ALL {
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
        "did(a where s ilike 'x')",
        "did(a where time(s) < now)",
        "did(a where text(s) = '5')",
        "did(a where n > 9007199254740992)",
        "did(a where n > users.limit)",
        "did(a where hour(timestamp, 'Europe/Berlin') = 5)",
        "sequence(a without b then c)",
        "sequence(a directly then c)",
        "sequence(a then c, same x)",
        "top(5, max(a.n))",
        "count(a) < count(b)",
        "had(industry = 'x')",
        "bucket('x') < 0.5",
        "did(a, after property.renewed_at)",
        "days(a, ever in 'Europe/Berlin') > 3",
        "days(a, this month in 'Europe/Berlin') > 3",
    ] {
        for dialect in ALL {
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
    for dialect in [Dialect::DataFusion, Dialect::Spark] {
        assert!(write("did(a where n > 5)", dialect).is_err());
    }
    // Every reading of regular expressions agrees on plain patterns only.
    assert!(write("name matches '^a.*[0-9]+$'", Dialect::DuckDb).is_ok());
    assert!(write(r"name matches '\d'", Dialect::DuckDb).is_err());
    assert!(write(r"name matches '\d'", Dialect::DataFusion).is_ok());
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
