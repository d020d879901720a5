//! Goal: one user is told what everybody's evaluation says of that user, and time alone changes the
//! answer exactly when it is said to.
//! Method: random worlds through the real load path, in memory and in stores that are opened again;
//! every user and random segments; verdicts against the evaluation and the reference. The next change
//! is held against the reference just before it, at it, and at instants in between (at edges of
//! windows and at random).
//!
//! `CROWDSET_WHY_CASES` asks for more worlds than usual.

mod support;

use crowdset::{AsOf, Engine, Finding, FindingKind, NextChange, Segment, Snapshot};
use crowdset_testkit::Reference;
use crowdset_testkit::random::{Rng, World, segment, world};
use crowdset_types::{Number, TimestampMillis};
use std::collections::HashMap;
use support::{Loading, load};

const DAY_MS: i64 = 86_400_000;

fn cases(usual: u64) -> u64 {
    let asked = std::env::var("CROWDSET_WHY_CASES").ok();
    asked.map_or(usual, |asked| {
        asked.parse().expect("CROWDSET_WHY_CASES is a number")
    })
}

/// Answers of the reference, each worked out once.
struct Expected<'a> {
    reference: &'a Reference,
    segment: &'a Segment,
    known: HashMap<i64, Vec<String>>,
}

impl Expected<'_> {
    fn is_in(&mut self, user: &str, at: i64) -> bool {
        let (reference, segment) = (self.reference, self.segment);
        let members = self.known.entry(at).or_insert_with(|| {
            reference
                .evaluate(segment, TimestampMillis(at))
                .expect("an answer")
        });
        members.iter().any(|id| id == user)
    }
}

/// Instants worth a look: around every event and change, as they are and moved by whole days.
fn edges(world: &World) -> Vec<i64> {
    let events = world.data.events.iter().map(|event| event.timestamp_ms);
    let changes = world
        .data
        .properties
        .iter()
        .filter_map(|row| row.updated_at);
    let mut edges: Vec<i64> = events.chain(changes).collect();
    edges.sort_unstable();
    edges.dedup();
    edges
}

fn check(seed: u64, world: &World, snapshot: &Snapshot, segments: usize) -> [usize; 3] {
    let mut rng = Rng::new(seed ^ 0x3417);
    let segments: Vec<Segment> = (0..segments)
        .map(|number| segment(&mut rng, world, number % 5))
        .collect();
    check_segments(seed, world, snapshot, &segments)
}

/// How many of the next changes are instants, none at all, and bounds only.
fn check_segments(
    seed: u64,
    world: &World,
    snapshot: &Snapshot,
    segments: &[Segment],
) -> [usize; 3] {
    let mut rng = Rng::new(seed ^ 0x4713);
    let reference = Reference::new(&world.data);
    let edges = edges(world);
    let users: Vec<String> = {
        let everyone: Segment = "everyone".parse().expect("a segment");
        reference
            .evaluate(&everyone, TimestampMillis(0))
            .expect("an answer")
    };
    let mut reached = [0; 3];
    for segment in segments {
        let as_of = *rng.pick(&world.as_of);
        let now = AsOf::at(as_of);
        let audience = snapshot.evaluate(segment, now).expect("an answer");
        let mut expected = Expected {
            reference: &reference,
            segment,
            known: HashMap::new(),
        };
        for user in &users {
            let told = format!("seed {seed}, user {user}, as of {as_of}: {segment}");
            let is_in = expected.is_in(user, as_of.0);
            let why = snapshot.why(segment, user, now).expect("an answer");
            assert_eq!(audience.iter().any(|id| id == user), is_in, "{told}");
            let contains = snapshot.contains(segment, user, now).expect("an answer");
            assert_eq!(contains, is_in, "{told}");
            assert_eq!(why.is_in, is_in, "{told}");
            assert!(why.is_in_universe, "{told}");
            let tree = why.tree.as_ref().expect("a user of the universe");
            assert_eq!(tree.is_true, is_in, "{told}\n{tree:#?}");
            sound(tree, &told);
            let until = match why.next_change {
                NextChange::At(at) => {
                    reached[0] += 1;
                    assert!(at > as_of, "{told}");
                    assert_ne!(expected.is_in(user, at.0), is_in, "{told}, at {at}");
                    at.0
                }
                NextChange::Never => {
                    reached[1] += 1;
                    i64::MAX
                }
                NextChange::NotBefore(at) => {
                    println!("{told}: not before {at}");
                    reached[2] += 1;
                    at.0
                }
            };
            let mut looks = vec![until.saturating_sub(1), as_of.0 + 1];
            for _ in 0..6 {
                let span = until.min(as_of.0.saturating_add(400 * DAY_MS)) - as_of.0;
                looks.push(as_of.0 + rng.below(span.max(1) as usize) as i64);
                if !edges.is_empty() {
                    let days = *rng.pick(&[0, 1, 2, 7, 30, 60, 90]);
                    looks.push(rng.pick(&edges) + days * DAY_MS + rng.below(3) as i64 - 1);
                }
            }
            for at in looks {
                if at >= as_of.0 && at < until && TimestampMillis(at).is_in_range() {
                    assert_eq!(
                        expected.is_in(user, at),
                        is_in,
                        "{told}: changes {:?}, but at {}",
                        why.next_change,
                        TimestampMillis(at)
                    );
                }
            }
        }
    }
    reached
}

/// What holds of every tree.
fn sound(node: &Finding, told: &str) {
    let parts = &node.parts;
    match node.kind {
        FindingKind::And => assert_eq!(
            node.is_true,
            parts.iter().all(|part| part.is_true),
            "{told}"
        ),
        FindingKind::Saved => assert_eq!([node.is_true], [parts[0].is_true], "{told}"),
        FindingKind::Or => assert_eq!(
            node.is_true,
            parts.iter().any(|part| part.is_true),
            "{told}"
        ),
        FindingKind::Not => {
            assert_eq!(parts.len(), 1, "{told}");
            assert_ne!(node.is_true, parts[0].is_true, "{told}");
        }
        FindingKind::Condition => assert!(parts.is_empty(), "{told}"),
    }
    assert!(!node.is_true || node.miss.is_none(), "{told}");
    // What lacks nothing is true: all steps of a sequence, a number that is high enough.
    let by = node.miss.as_ref().and_then(|miss| miss.by);
    assert_ne!(by, Some(Number::Integer(0)), "{told}\n{node:#?}");
    assert!(node.events.len() as u64 <= node.events_total, "{told}");
    assert!(node.events.is_sorted_by_key(|event| event.at), "{told}");
    for part in parts {
        sound(part, told);
    }
}

#[test]
fn agrees_with_everybody_and_the_reference_in_memory() {
    let mut reached = [0; 3];
    for seed in 0..cases(60) {
        let world = world(seed);
        let engine = Engine::in_memory();
        load(&engine, &world.data, Loading::InParts(seed));
        for (all, own) in reached
            .iter_mut()
            .zip(check(seed, &world, &engine.snapshot(), 6))
        {
            *all += own;
        }
    }
    assert!(
        reached[0] > 20 && reached[1] > 20,
        "changes, none, bounds: {reached:?}"
    );
}

/// Numbers that grow with every millisecond, and windows that are empty for an instant again and again.
const PASSING: [&str; 18] = [
    "days_since_last(a) > 3.5",
    "days_since_first(b) = 2 or days_since_last(b) between 1 and 1.25",
    "2 * days_since_last(a) - 1 > 7",
    "days_since_last(a) / days_since_first(any event) < 0.5",
    "days_since_first(a) - days_since_last(b) >= count(a, last 3 days)",
    "days_since_last(a) * days_since_last(b) between 2 and 50",
    "1 / (days_since_last(a) - 4) > 0.5 and not days_since_last(b) > 30 / count(b)",
    "-days_since_last(any event) < -users.age",
    "days_since_last(a) < days_since_last(b) + 0.125 and did(a, last 20 days)",
    "had(property.industry is set, this month)",
    "had(users.plan = 'pro', today) and not had(property.size is set, this week)",
    "not had(property.industry is set, this year in 'America/New_York')",
    "had(property.industry is set, last 2 calendar weeks) or had(users.age > 5, this quarter)",
    // Slices that stand still, and jump with the period.
    "periods(any event, of 36 hours, this month) >= 2",
    "periods(any event, of 2 days, last 2 calendar weeks in 'Europe/Berlin', each >= 2) = 1",
    "not periods(any event, of 5 hours, yesterday) > 1 or periods(a, of 1 days, last 3 calendar months) = 2",
    // All grow old alike.
    "top(2, -days_since_last(any event, last 20 days))",
    "bottom(50%, days_since_first(a)) and count(a, this week) < 2",
];

/// Ranks in which one overtakes another. Where two are as good as equal for long, rounding decides between
/// them at every millisecond, so that a bound may be all that is told.
const OVERTAKING: [&str; 3] = [
    "top(2, 3 * days_since_last(a) - days_since_first(any event))",
    "bottom(40%, days_since_last(any event) / (count(a) + 1))",
    "not top(1, -days_since_last(any event) * count(any event)) or bottom(1, 1 / (5 - days_since_last(b)))",
];

/// Calendars of two zones, whose beginnings are looked at one by one.
const OF_TWO_ZONES: [&str; 3] = [
    "had(property.industry is set, this month) and had(users.age is set, this month in 'America/New_York')",
    "had(users.plan is set, today in 'Asia/Tokyo') or had(users.age is set, this week in 'Europe/Berlin')",
    "not had(users.age is set, this quarter) and not had(users.age is set, this year in 'Asia/Tokyo')",
];

/// Both at once: these may end with a bound.
const PASSING_AND_BEGINNING: &str =
    "had(users.plan is set, this month) and days_since_first(any event) * 1.5 > 20";

#[test]
fn what_passes_steadily_is_told_to_the_millisecond() {
    let read = |texts: &[&str]| -> Vec<Segment> {
        let read = |text: &&str| text.parse().expect("a segment");
        texts.iter().map(read).collect()
    };
    let (segments, of_two_zones) = (read(&PASSING), read(&OF_TWO_ZONES));
    let (overtaking, mut overtaken) = (read(&OVERTAKING), [0; 3]);
    let mut reached = [0; 3];
    for seed in 0..cases(60).div_ceil(2) {
        let seed = seed + 2_000_000;
        let world = world(seed);
        let engine = Engine::in_memory();
        load(&engine, &world.data, Loading::Whole);
        let mut asked = vec![&segments];
        if seed % 5 == 0 {
            asked.push(&of_two_zones);
        }
        for segments in asked {
            let own = check_segments(seed, &world, &engine.snapshot(), segments);
            for (all, own) in reached.iter_mut().zip(own) {
                *all += own;
            }
        }
        let own = check_segments(seed, &world, &engine.snapshot(), &overtaking);
        for (all, own) in overtaken.iter_mut().zip(own) {
            *all += own;
        }
        let both = PASSING_AND_BEGINNING.parse().expect("a segment");
        check_segments(seed, &world, &engine.snapshot(), &[both]);
    }
    assert!(reached[0] > 100 && reached[1] > 100, "{reached:?}");
    assert_eq!(reached[2], 0, "nothing is left open: {reached:?}");
    assert!(
        overtaken[0] > 20 && overtaken[2] < overtaken[0],
        "changes, none, bounds: {overtaken:?}"
    );
}

#[test]
fn agrees_with_everybody_and_the_reference_in_a_store_opened_again() {
    for seed in 0..cases(60).div_ceil(10) {
        let seed = seed + 1_000_000;
        let world = world(seed);
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("store");
        let engine = Engine::open(&place).expect("a new store");
        load(&engine, &world.data, Loading::SmallPartitions);
        drop(engine);
        let engine = Engine::open(&place).expect("the store");
        check(seed, &world, &engine.snapshot(), 6);
    }
}

#[test]
fn a_saved_segment_shows_its_definition() {
    let engine = Engine::in_memory();
    let world = world(1);
    load(&engine, &world.data, Loading::Whole);
    let everyone: Segment = "everyone".parse().expect("a segment");
    let now = AsOf::at(world.as_of[0]);
    let snapshot = engine.snapshot();
    let everybody = snapshot.evaluate(&everyone, now).expect("an answer");
    let user = everybody.iter().next().expect("somebody").to_owned();
    let saved = format!("user_id = '{user}' and everyone");
    engine
        .save_segment("one of them", &saved.parse().expect("a segment"))
        .expect("saved");
    let segment: Segment = "not segment('one of them')".parse().expect("a segment");
    let why = engine
        .snapshot()
        .why(&segment, &user, now)
        .expect("an answer");
    assert!(!why.is_in);
    assert_eq!(why.next_change, NextChange::Never);
    let reference = &why.tree.expect("a user of the universe").parts[0];
    assert_eq!(reference.kind, FindingKind::Saved);
    assert_eq!(reference.condition, "segment('one of them')");
    assert_eq!(reference.parts[0].condition, saved);
    assert!(reference.is_true && reference.parts[0].is_true);
}
