//! Goal: storage, indexes and the order of work change the speed of an answer, never the answer.
//! Method: load a random world through the real load path, at once or in parts, into memory or into
//! a store that is opened again; answer random segments with the switches in every position; compare
//! with the reference, which reads the definition user by user. With few users and names, few pairs
//! cover the truth table. A failing pair is made small and printed as a case of `data/suite`.
//!
//! `CROWDSET_AGREEMENT_CASES` asks for more worlds than usual.

mod support;

use crowdset::{AsOf, Engine, EvalOptions, Path, Segment};
use crowdset_testkit::random::{Rng, World, busy_world, segment, world, world_among};
use crowdset_testkit::{Data, Reference, coverage, shrink, suite};
use crowdset_types::TimestampMillis;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use support::{Loading, SWITCHES, answer, load, message, switches};

/// Where a world is kept.
#[derive(Debug, Clone, Copy)]
enum Place {
    Memory,
    /// A store that is closed and opened again.
    Store,
}

/// A loaded world; the folder lives as long as the engine.
struct Loaded {
    engine: Engine,
    _folder: Option<tempfile::TempDir>,
}

fn loaded(data: &Data, loading: Loading, place: Place) -> Loaded {
    match place {
        Place::Memory => {
            let engine = Engine::in_memory();
            load(&engine, data, loading);
            Loaded {
                engine,
                _folder: None,
            }
        }
        Place::Store => {
            let folder = tempfile::tempdir().expect("a folder");
            load(
                &Engine::open(folder.path().join("store")).expect("a new store"),
                data,
                loading,
            );
            let engine = Engine::open(folder.path().join("store")).expect("the store");
            Loaded {
                engine,
                _folder: Some(folder),
            }
        }
    }
}

fn cases(usual: u64) -> u64 {
    let asked = std::env::var("CROWDSET_AGREEMENT_CASES").ok();
    asked.map_or(usual, |asked| {
        asked.parse().expect("CROWDSET_AGREEMENT_CASES is a number")
    })
}

fn questions(seed: u64, world: &World, count: usize) -> Vec<(Segment, TimestampMillis)> {
    let mut rng = Rng::new(seed ^ 0xa6ee);
    (0..count)
        .map(|depth| (segment(&mut rng, world, depth % 6), *rng.pick(&world.as_of)))
        .collect()
}

/// Fails with the smallest pair it finds, ready for the suite, if engine and reference disagree.
fn check(
    seed: u64,
    world: &World,
    questions: &[(Segment, TimestampMillis)],
    loading: Loading,
    place: Place,
) {
    let loaded_world = loaded(&world.data, loading, place);
    let snapshot = loaded_world.engine.snapshot();
    let reference = Reference::new(&world.data);
    assert_eq!(
        snapshot.universe_len(),
        reference.universe_len() as u64,
        "seed {seed}, {loading:?}: the universe"
    );
    let mut answers = Vec::new();
    for (number, (segment, as_of)) in (seed..).zip(questions) {
        let options = switches(number % SWITCHES);
        let expected = reference.evaluate(segment, *as_of).expect("an answer");
        let found = catch_unwind(AssertUnwindSafe(|| {
            answer(&snapshot, segment, *as_of, &options)
        }));
        if !found.is_ok_and(|found| found.as_ref() == Ok(&expected)) {
            let ask = |data: &Data, segment: &Segment| {
                let ask = || {
                    answer(
                        &loaded(data, loading, place).engine.snapshot(),
                        segment,
                        *as_of,
                        &options,
                    )
                };
                catch_unwind(AssertUnwindSafe(ask)).unwrap_or_else(|_| Err("a panic".to_owned()))
            };
            let differs = |data: &Data, segment: &Segment| {
                let expected = Reference::new(data).evaluate(segment, *as_of);
                ask(data, segment) != expected.map_err(|error| message(&error))
            };
            let (data, segment) = shrink(&world.data, segment, differs);
            let expected = Reference::new(&data)
                .evaluate(&segment, *as_of)
                .expect("an answer");
            panic!(
                "seed {seed}, {loading:?}, {place:?}, {options:?}\nthe engine answers {:?}\n{}",
                ask(&data, &segment),
                suite::print("to be named", &data, &segment, *as_of, &expected)
            );
        }
        if let Some(user) = somebody(&world.data, number) {
            let contains = snapshot.contains(segment, user, AsOf::at(*as_of));
            assert_eq!(
                contains.expect("an answer"),
                expected.iter().any(|id| id == user),
                "seed {seed}, {loading:?}, user {user} alone: {segment} as of {as_of}"
            );
        }
        answers.push(expected);
    }
    let many: Vec<_> = questions
        .iter()
        .map(|(segment, as_of)| (segment, AsOf::at(*as_of)))
        .collect();
    let audiences = snapshot.evaluate_many(&many, &switches(seed % SWITCHES));
    for ((audience, expected), (segment, as_of)) in audiences.iter().zip(&answers).zip(questions) {
        let found: Vec<&str> = audience.as_ref().expect("an answer").iter().collect();
        assert_eq!(
            found, *expected,
            "seed {seed}, {loading:?}, in one pass with others: {segment} as of {as_of}"
        );
    }
}

/// One of the users, whether the universe holds them or not.
fn somebody(data: &Data, number: u64) -> Option<&str> {
    let listed = data.users.iter().flatten().map(|user| &user.user_id);
    let seen = data.events.iter().map(|event| &event.user_id);
    let users: Vec<&String> = listed.chain(seen).collect();
    let at = number.checked_rem(users.len() as u64)?;
    users.get(at as usize).map(|user| user.as_str())
}

/// Questions without sequences, which the reference tries by brute force.
fn quick_questions(seed: u64, world: &World, count: usize) -> Vec<(Segment, TimestampMillis)> {
    let is_quick = |segment: &Segment| {
        let mut parts = BTreeSet::new();
        coverage::reached(segment, &mut parts);
        !parts.contains("sequence")
    };
    let mut questions = questions(seed, world, 2 * count);
    questions.retain(|(segment, _)| is_quick(segment));
    questions.truncate(count);
    questions
}

fn loading(seed: u64) -> Loading {
    match seed % 3 {
        0 => Loading::Whole,
        1 => Loading::SmallPartitions,
        _ => Loading::InParts(seed),
    }
}

#[test]
fn in_memory() {
    for seed in 0..cases(1_000) {
        let world = world(seed);
        check(
            seed,
            &world,
            &questions(seed, &world, 10),
            loading(seed),
            Place::Memory,
        );
    }
}

#[test]
fn in_a_store_opened_again() {
    for seed in 0..cases(1_000).div_ceil(12) {
        let seed = seed + 1_000_000;
        let world = world(seed);
        check(
            seed,
            &world,
            &questions(seed, &world, 10),
            loading(seed),
            Place::Store,
        );
    }
}

#[test]
fn with_users_in_several_chunks() {
    for seed in 0..cases(1_000).div_ceil(200) {
        let seed = seed + 2_000_000;
        let world = world_among(seed, 40_000);
        check(
            seed,
            &world,
            &questions(seed, &world, 20),
            loading(seed),
            Place::Memory,
        );
    }
}

#[test]
fn with_many_rows() {
    for seed in 0..cases(1_000).div_ceil(200) {
        let seed = seed + 3_000_000;
        let world = busy_world(seed);
        check(
            seed,
            &world,
            &quick_questions(seed, &world, 20),
            loading(seed),
            Place::Memory,
        );
    }
}

#[test]
fn every_path_is_taken() {
    let mut taken = HashSet::new();
    for seed in 0..60 {
        let world = world(seed);
        let loaded = loaded(&world.data, loading(seed), Place::Memory);
        let snapshot = loaded.engine.snapshot();
        for (segment, as_of) in questions(seed, &world, 10) {
            let analysis = snapshot
                .analyze(&segment, AsOf::at(as_of), &EvalOptions::default())
                .expect("an analysis");
            taken.extend(analysis.profile().nodes.iter().map(|node| node.path));
        }
    }
    for path in [
        Path::Algebra,
        Path::Index,
        Path::Summary,
        Path::Scan,
        Path::Column,
        Path::History,
        Path::Rank,
    ] {
        assert!(taken.contains(&path), "{path:?} answered nothing");
    }
}

#[test]
fn every_part_of_the_language_is_asked() {
    let mut reached: BTreeMap<&str, u32> = coverage::PARTS.iter().map(|part| (*part, 0)).collect();
    let mut segments = 0;
    for seed in 0..1_000 {
        for (segment, _) in questions(seed, &world(seed), 10) {
            segments += 1;
            let mut parts = BTreeSet::new();
            coverage::reached(&segment, &mut parts);
            for part in parts {
                *reached.entry(part).or_default() += 1;
            }
        }
    }
    println!("of {segments} random segments so many use");
    for (part, count) in &reached {
        println!("{count:6}  {part}");
    }
    let missing: Vec<_> = reached
        .iter()
        .filter_map(|(part, count)| (*count == 0).then_some(part))
        .collect();
    assert!(missing.is_empty(), "never asked: {missing:?}");
}
