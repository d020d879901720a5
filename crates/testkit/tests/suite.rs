//! Goal: the suite says what the reference says.
//! Method: two readings of the language, made independently (people's, in `data/suite`, and the
//! reference's), must agree on every case. Errors of names and times need the engine and are
//! checked there.

use crowdset_query::Segment;
use crowdset_testkit::suite::{self, Expect};
use crowdset_testkit::{Data, PropertyRow, Reference, UserRow};
use crowdset_types::{TimestampMillis, Value};
use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;

fn with_cause(error: &suite::SuiteError) -> String {
    error
        .source()
        .map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

fn cases() -> Vec<suite::Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/suite");
    suite::load(&folder).unwrap_or_else(|error| panic!("{}", with_cause(&error)))
}

#[test]
fn the_reference_agrees_with_people() {
    let mut failures = Vec::new();
    for case in cases() {
        let Expect::Users(expected) = &case.expect else {
            continue;
        };
        match case.segment.parse::<Segment>() {
            Err(error) => failures.push(format!("{}\n{error}", case.name)),
            Ok(segment) => {
                let found = Reference::new(&case.data).evaluate(&segment, case.as_of);
                if found.as_ref() != Ok(expected) {
                    failures.push(format!(
                        "{}: {}\n  {found:?} instead of {expected:?}",
                        case.name, case.segment
                    ));
                }
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} cases fail\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn names_are_unique() {
    let mut names = BTreeSet::new();
    for case in cases() {
        assert!(
            names.insert(case.name.clone()),
            "`{}` stands twice",
            case.name
        );
    }
}

#[test]
fn what_is_printed_is_read_back() {
    for case in cases() {
        let (Expect::Users(expected), Ok(segment)) =
            (&case.expect, case.segment.parse::<Segment>())
        else {
            continue;
        };
        let printed = suite::print(&case.name, &case.data, &segment, case.as_of, expected);
        let read = suite::parse(Path::new("printed.toml"), &printed).unwrap_or_else(|error| {
            panic!("{}: {}\n{printed}", case.name, with_cause(&error));
        });
        let [read] = &read[..] else {
            panic!("one case")
        };
        // NaN is not equal to itself, so that worlds compare by their print.
        let again = suite::print(
            &case.name,
            &read.data,
            &read.segment.parse().expect("text"),
            read.as_of,
            expected,
        );
        assert_eq!(printed, again, "{}", case.name);
        assert_eq!(read.expect, case.expect, "{}", case.name);
    }
}

#[test]
fn wrong_files_are_refused_by_name() {
    let parse = |text: &str| {
        suite::parse(Path::new("x.toml"), text)
            .expect_err("an error")
            .to_string()
    };
    assert!(parse("casse = 1").contains("x.toml"));
    let message = parse("as_of = '2026-01-01'\n[[case]]\nname = 'n'\nsegment = 'everyone'");
    assert_eq!(
        message,
        "x.toml: case `n`: one of `expect` and `error` is needed"
    );
    let message = parse("[[case]]\nname = 'n'\nsegment = 'everyone'\nexpect = []");
    assert_eq!(message, "x.toml: case `n`: `as_of` is missing");
    let message = parse(
        "as_of = '2026-01-01'\nevents = [['e1', 'u1', 'a']]\n[[case]]\nname = 'n'\nsegment = 'everyone'\nexpect = []",
    );
    assert!(message.contains("is no event"), "{message}");
}

#[test]
fn an_ambiguous_name_has_no_answer() {
    let columns = [("x".to_owned(), Value::Bool(true))].into();
    let data = Data {
        users: Some(vec![UserRow {
            user_id: "u1".to_owned(),
            columns,
        }]),
        properties: vec![PropertyRow {
            user_id: "u1".to_owned(),
            name: "x".to_owned(),
            ..PropertyRow::default()
        }],
        ..Data::default()
    };
    let segment = "x = true".parse().expect("a segment");
    let error = Reference::new(&data)
        .evaluate(&segment, TimestampMillis(0))
        .expect_err("ambiguous");
    assert!(error.to_string().contains("users.x"), "{error}");
}
