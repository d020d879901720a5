//! Goal: every path gives the answers of the suite.
//! Method: run each case of `data/suite` by the reference; by an engine in memory with each
//! optimisation switched off in turn and all of them off; with tiny partitions; after several loads;
//! from a store that was closed and opened again; for one user at a time; and all cases of one world
//! in one pass.

mod support;

use crowdset::{AsOf, Engine, EvalOptions, Segment};
use crowdset_testkit::suite::{self, Case, Expect};
use crowdset_testkit::{Data, Reference};
use crowdset_types::Number;
use std::collections::BTreeMap;
use std::path::Path;
use support::{Loading, SWITCHES, answer, load, message, switches};

/// The cases by world, so that each world is loaded once per path.
fn worlds() -> Vec<Vec<Case>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/suite");
    let cases = suite::load(&folder).unwrap_or_else(|error| panic!("{}", message(&error)));
    let mut worlds: BTreeMap<String, Vec<Case>> = BTreeMap::new();
    for case in cases {
        // NaN is not equal to itself, so that worlds compare by their print.
        worlds
            .entry(format!("{:?}", case.data))
            .or_default()
            .push(case);
    }
    worlds.into_values().collect()
}

/// Collects what goes wrong, so that one run shows all of it.
#[derive(Default)]
struct Failures(Vec<String>);

impl Failures {
    fn expect(&mut self, path: &str, case: &Case, found: &Result<Vec<String>, String>) {
        let is_right = match (&case.expect, found) {
            (Expect::Users(expected), Ok(found)) => expected == found,
            (Expect::Error(part), Err(message)) => message.contains(part),
            _ => false,
        };
        if !is_right {
            let (segment, expected) = (&case.segment, &case.expect);
            self.0.push(format!(
                "{}, {path}: {segment}\n  {found:?} instead of {expected:?}",
                case.name
            ));
        }
    }

    fn report(self) {
        assert!(
            self.0.is_empty(),
            "{} failures\n{}",
            self.0.len(),
            self.0.join("\n")
        );
    }
}

fn ask(engine: &Engine, case: &Case, options: &EvalOptions) -> Result<Vec<String>, String> {
    let segment: Segment = case.segment.parse().map_err(|error| message(&error))?;
    answer(&engine.snapshot(), &segment, case.as_of, options)
}

fn in_memory(data: &Data, loading: Loading) -> Engine {
    let engine = Engine::in_memory();
    load(&engine, data, loading);
    engine
}

#[test]
fn by_every_switch() {
    let mut failures = Failures::default();
    for cases in worlds() {
        let whole = in_memory(&cases[0].data, Loading::Whole);
        let small = in_memory(&cases[0].data, Loading::SmallPartitions);
        for case in &cases {
            // All on, each one off, all off.
            let settings = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, SWITCHES - 1];
            for setting in settings {
                let options = switches(setting);
                failures.expect(
                    &format!("switches {setting:#b}"),
                    case,
                    &ask(&whole, case, &options),
                );
                failures.expect(
                    &format!("small partitions, switches {setting:#b}"),
                    case,
                    &ask(&small, case, &options),
                );
            }
        }
    }
    failures.report();
}

#[test]
fn by_the_reference() {
    let mut failures = Failures::default();
    for case in worlds().iter().flatten() {
        if let (Expect::Users(_), Ok(segment)) = (&case.expect, case.segment.parse::<Segment>()) {
            let found = Reference::new(&case.data).evaluate(&segment, case.as_of);
            failures.expect("reference", case, &found.map_err(|error| message(&error)));
        }
    }
    failures.report();
}

#[test]
fn after_several_loads() {
    let mut failures = Failures::default();
    for (seed, cases) in (0..).zip(worlds()) {
        let engine = in_memory(&cases[0].data, Loading::InParts(seed));
        for case in &cases {
            failures.expect(
                "several loads",
                case,
                &ask(&engine, case, &EvalOptions::default()),
            );
        }
    }
    failures.report();
}

#[test]
fn from_a_store_opened_again() {
    let mut failures = Failures::default();
    for (seed, cases) in (0..).zip(worlds()) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store");
        let loading = if seed % 2 == 0 {
            Loading::SmallPartitions
        } else {
            Loading::InParts(seed)
        };
        load(
            &Engine::open(&path).expect("a new store"),
            &cases[0].data,
            loading,
        );
        let mapped = Engine::open(&path).expect("the store");
        for case in &cases {
            failures.expect(
                "opened again",
                case,
                &ask(&mapped, case, &EvalOptions::default()),
            );
        }
        drop(mapped);
        let whole = Engine::options()
            .read_whole(true)
            .open_read_only(&path)
            .expect("the store");
        for case in &cases {
            failures.expect(
                "read whole",
                case,
                &ask(&whole, case, &EvalOptions::default()),
            );
        }
    }
    failures.report();
}

#[test]
fn for_one_user_and_for_many_segments() {
    let mut failures = Failures::default();
    for cases in worlds() {
        let engine = in_memory(&cases[0].data, Loading::SmallPartitions);
        let snapshot = engine.snapshot();
        let everyone =
            snapshot.evaluate(&"everyone".parse().expect("a segment"), AsOf::at_millis(0));
        let everyone: Vec<String> = everyone
            .expect("everyone")
            .iter()
            .map(str::to_owned)
            .collect();
        let read = |case: &Case| case.segment.parse::<Segment>().ok();
        let segments: Vec<(&Case, Segment)> = cases
            .iter()
            .filter_map(|case| read(case).map(|segment| (case, segment)))
            .collect();

        let questions: Vec<_> = segments
            .iter()
            .map(|(case, segment)| (segment, AsOf::at(case.as_of)))
            .collect();
        let audiences = snapshot.evaluate_many(&questions, &EvalOptions::default());
        for ((case, segment), audience) in segments.iter().zip(audiences) {
            let found = audience
                .map(|audience| audience.iter().map(str::to_owned).collect())
                .map_err(|error| message(&error));
            failures.expect("many segments", case, &found);

            let one_by_one: Result<Vec<String>, String> = everyone
                .iter()
                .filter_map(
                    |id| match snapshot.contains(segment, id, AsOf::at(case.as_of)) {
                        Ok(true) => Some(Ok(id.clone())),
                        Ok(false) => None,
                        Err(error) => Some(Err(message(&error))),
                    },
                )
                .collect();
            if !everyone.is_empty() {
                failures.expect("one by one", case, &one_by_one);
            }
            let reasons: Result<Vec<String>, String> = everyone
                .iter()
                .filter_map(|id| {
                    let now = AsOf::at(case.as_of);
                    let tree = match snapshot.why(segment, id, now) {
                        Ok(why) => why.tree?,
                        Err(error) => return Some(Err(message(&error))),
                    };
                    // What lacks nothing is true: a sequence of which all steps are shown.
                    let by = tree.miss.as_ref().and_then(|miss| miss.by);
                    assert_ne!(by, Some(Number::Integer(0)), "{}: {id}", case.name);
                    tree.is_true.then(|| Ok(id.clone()))
                })
                .collect();
            if !everyone.is_empty() {
                failures.expect("by the reasons", case, &reasons);
            }
            let count = snapshot.count(segment, AsOf::at(case.as_of)).ok();
            if let Expect::Users(expected) = &case.expect {
                assert_eq!(count, Some(expected.len() as u64), "{}: count", case.name);
            }
        }
    }
    failures.report();
}
