//! `crowdset sql`: the statement, what it takes from a store, what it refuses.

mod common;

use common::World;

#[test]
fn writes_one_statement_as_of_the_instant() {
    let world = World::new();
    let segment = "account_type = 'free' and not did(purchase where amount > 5, last 30 days)";
    let words = [
        "sql",
        segment,
        "--dialect",
        "duckdb",
        "--as-of",
        "2026-01-01",
    ];
    let text = world.ok(&words);
    for part in [
        "-- As of 2026-01-01T00:00:00Z. Written for DuckDB.",
        "u.\"account_type\" = 'free'",
        "< 1767225600000",
        ">= 1764633600000",
        "ORDER BY u.user_id",
    ] {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
    let object = world.json(&[&words[..], &["--json"]].concat());
    assert_eq!(object["as_of"], "2026-01-01T00:00:00Z");
    assert_eq!(object["dialect"], "DuckDB");
    assert_eq!(object["sql"], text);
}

#[test]
fn a_store_tells_names_segments_and_lists() {
    let world = World::with_store();
    world.write("ids", "u1\nu3\n");
    world.ok(&["list", "save", "store", "friends", "ids"]);
    world.ok(&["segment", "save", "store", "buyers", "did(purchase)"]);
    let segment =
        "segment('buyers') and list('friends') and industry = 'SaaS' and nowhere is not set";
    for dialect in ["duckdb", "datafusion", "clickhouse", "spark"] {
        let text = world.ok(&["sql", segment, "--dialect", dialect, "--store", "store"]);
        for part in [
            "= 'purchase'",
            "IN ('u1', 'u3')",
            "= 'industry'",
            "NOT (FALSE)",
        ] {
            assert!(text.contains(part), "{part} is missing:\n{text}");
        }
        let said = world.run(&[
            "sql",
            "segment('gone')",
            "--dialect",
            dialect,
            "--store",
            "store",
        ]);
        assert_eq!((said.status, said.out.as_str()), (2, ""));
        assert!(
            said.err.starts_with("error: 1:1: no segment `gone`"),
            "{}",
            said.err
        );
    }
}

#[test]
fn what_a_dialect_cannot_say_is_refused_with_its_place() {
    let world = World::new();
    for (segment, dialect, place) in [
        (
            "everyone and bucket('x') < 0.5",
            "spark",
            "1:14: Spark cannot say `bucket`",
        ),
        (
            "did(a where text(n) = '5')",
            "spark",
            "1:13: Spark cannot say `text(…)` of what may be a number exactly",
        ),
        (
            "did(a where s matches '\\d')",
            "clickhouse",
            "1:13: ClickHouse cannot say this regular expression exactly",
        ),
        (
            "max(a.n) > 9007199254740993",
            "datafusion",
            "1:1: DataFusion cannot say a measure beside a number",
        ),
    ] {
        let said = world.run(&["sql", segment, "--dialect", dialect]);
        assert_eq!((said.status, said.out.as_str()), (2, ""), "{segment}");
        assert!(said.err.contains(place), "{segment}: {}", said.err);
        assert!(said.err.contains("docs/SQL.md"), "{}", said.err);
    }
    assert_eq!(world.run(&["sql", "everyone"]).status, 2);
    assert_eq!(
        world.run(&["sql", "everyone", "--dialect", "basic"]).status,
        2
    );
}
