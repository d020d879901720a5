//! Real orders, asked by the engine and by SQL.
//!
//! `online_retail.sql` holds segments, each beside the query that finds the same users, and what
//! `DuckDB` answered: how many, and a fingerprint of their ids. This test asks the engine the
//! segments. The numbers come from `online_retail.py`, never from here.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use crowdset::{AsOf, Audience, Engine, EvalOptions, LoadOptions, Segment, Snapshot, Tables};

const CASES: &str = include_str!("online_retail.sql");

/// The end of the data, exclusive.
const END: &str = "2011-12-10";

/// One segment and what SQL found.
struct Case {
    name: &'static str,
    segment: Segment,
    as_of: AsOf,
    users: u64,
    ids: &'static str,
}

/// Reads the cases: comment lines of the form `-- key: value`, the segment's going on in lines that
/// begin with `--   `.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for text in CASES.split("\n-- case: ").skip(1) {
        let name = text.lines().next().unwrap_or_default();
        let value = |key: &str| {
            let found = text.lines().find_map(|line| {
                line.strip_prefix("-- ")?
                    .strip_prefix(key)?
                    .strip_prefix(": ")
            });
            found.map(str::trim)
        };
        let required =
            |key: &str| value(key).unwrap_or_else(|| panic!("{name}: no line `-- {key}: …`"));
        let mut segment = required("segment").to_owned();
        for more in text.lines().filter_map(|line| line.strip_prefix("--   ")) {
            segment.push(' ');
            segment.push_str(more);
        }
        cases.push(Case {
            name,
            segment: segment
                .parse()
                .unwrap_or_else(|error| panic!("{name}: {error}")),
            as_of: value("as of").unwrap_or(END).parse().unwrap(),
            users: required("users").parse().unwrap(),
            ids: required("ids"),
        });
    }
    cases
}

fn data() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../data/online-retail")
}

/// FNV-1a, 64 bits, of the ids in the order given and a line feed after each.
fn fingerprint<'a>(ids: impl Iterator<Item = &'a str>) -> String {
    let mut value = 0xcbf2_9ce4_8422_2325_u64;
    for id in ids {
        for byte in id.bytes().chain([b'\n']) {
            value = (value ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{value:016x}")
}

/// Compares audiences with what SQL found; all differences are told at once.
fn check<'a>(path: &str, answers: impl Iterator<Item = (&'a Case, Audience)>) {
    let mut differences = String::new();
    for (case, audience) in answers {
        assert!(
            audience.warnings().is_empty(),
            "{}: {:?}",
            case.name,
            audience.warnings()
        );
        let found = fingerprint(audience.iter());
        if (audience.len(), found.as_str()) != (case.users, case.ids) {
            let Case {
                name,
                segment,
                users,
                ids,
                ..
            } = case;
            let len = audience.len();
            let _ = writeln!(
                differences,
                "{name}: {len} ({found}) instead of {users} ({ids})\n  {segment}"
            );
        }
    }
    assert!(differences.is_empty(), "{path}\n{differences}");
}

fn evaluate(snapshot: &Snapshot, case: &Case) -> Audience {
    snapshot
        .evaluate(&case.segment, case.as_of)
        .unwrap_or_else(|error| panic!("{}: {error}", case.name))
}

#[test]
fn a_folder_of_tables_answers_as_sql_does() {
    let cases = cases();
    assert!(cases.len() >= 35, "only {} cases were read", cases.len());
    assert_eq!(
        cases
            .iter()
            .map(|case| case.name)
            .collect::<HashSet<_>>()
            .len(),
        cases.len()
    );

    let snapshot = Engine::from_tables(data()).unwrap().snapshot();
    assert_eq!(snapshot.universe_len(), 4_372);
    check(
        "folder of tables",
        cases.iter().map(|case| (case, evaluate(&snapshot, case))),
    );

    // One user at a time: of each audience its first and last member, and as many who are not in it.
    let everyone = snapshot
        .evaluate(&"everyone".parse().unwrap(), cases[0].as_of)
        .unwrap();
    for case in &cases {
        let audience = evaluate(&snapshot, case);
        let members: Vec<&str> = audience.iter().collect();
        let others = everyone
            .iter()
            .filter(|id| !audience.contains_user(id))
            .step_by(997)
            .take(2);
        for (id, expected) in members
            .first()
            .into_iter()
            .chain(members.last())
            .map(|id| (*id, true))
            .chain(others.map(|id| (id, false)))
        {
            let found = snapshot.contains(&case.segment, id, case.as_of).unwrap();
            assert_eq!(found, expected, "{}: user {id}", case.name);
        }
    }
}

#[test]
fn a_store_answers_as_sql_does_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    let tables = Tables::default()
        .users(data().join("users.parquet"))
        .events(data().join("events"))
        .user_properties(data().join("user_properties.parquet"));
    {
        let engine = Engine::open(&store).unwrap();
        let report = engine.load(&tables, &LoadOptions::default()).unwrap();
        assert_eq!(
            (
                report.stored,
                report.duplicates,
                report.orphans,
                report.rejected
            ),
            (429_019, 0, 0, 0)
        );
    }
    let cases = cases();
    let snapshot = Engine::open_read_only(&store).unwrap().snapshot();
    let questions: Vec<_> = cases
        .iter()
        .map(|case| (&case.segment, case.as_of))
        .collect();
    let answers = snapshot.evaluate_many(&questions, &EvalOptions::default());
    let answers = cases.iter().zip(answers).map(|(case, answer)| {
        (
            case,
            answer.unwrap_or_else(|error| panic!("{}: {error}", case.name)),
        )
    });
    check("store, reopened, all in one pass", answers);
    drop(snapshot);

    // The same files again: every event is known, no answer changes.
    let engine = Engine::open(&store).unwrap();
    let report = engine.load(&tables, &LoadOptions::default()).unwrap();
    assert_eq!((report.stored, report.duplicates), (0, 429_019));
    let snapshot = engine.snapshot();
    check(
        "store, loaded twice",
        cases.iter().map(|case| (case, evaluate(&snapshot, case))),
    );
}
