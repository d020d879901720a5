//! Goal: the random worlds and segments are worth their time.
//! Method: look at what they reach: every part of the language, the text form of every segment, both
//! answers for most, and the same pair from the same seed.

use crowdset_query::Segment;
use crowdset_testkit::random::{Rng, kin, segment, world, world_among};
use crowdset_testkit::{Reference, coverage, shrink};
use std::collections::BTreeSet;

fn pairs(worlds: u64) -> impl Iterator<Item = (u64, crowdset_testkit::random::World, Segment)> {
    (0..worlds).map(|seed| {
        let world = world(seed);
        let segment = segment(&mut Rng::new(seed ^ 0x5e9), &world, (seed % 6) as usize);
        (seed, world, segment)
    })
}

#[test]
fn every_part_of_the_language_is_reached() {
    let mut reached = BTreeSet::new();
    for (_, _, segment) in pairs(5_000) {
        coverage::reached(&segment, &mut reached);
    }
    let missing: Vec<_> = coverage::PARTS
        .iter()
        .filter(|part| !reached.contains(*part))
        .collect();
    assert!(missing.is_empty(), "never reached: {missing:?}");
    let unlisted: Vec<_> = reached
        .iter()
        .filter(|part| !coverage::PARTS.contains(part))
        .collect();
    assert!(unlisted.is_empty(), "not listed: {unlisted:?}");
}

#[test]
fn every_segment_has_a_text() {
    for (seed, _, segment) in pairs(3_000) {
        let text = segment.to_string();
        match text.parse::<Segment>() {
            Err(error) => panic!("seed {seed}: {error}"),
            Ok(read) => assert_eq!(read, segment, "seed {seed}: {text}"),
        }
    }
}

#[test]
fn kin_have_texts_and_much_in_common() {
    for seed in 0..300 {
        let segments = kin(&mut Rng::new(seed), &world(seed), 12);
        let names = segments.iter().map(|segment| {
            let text = segment.to_string();
            assert_eq!(
                text.parse::<Segment>().as_ref(),
                Ok(segment),
                "seed {seed}: {text}"
            );
            text
        });
        assert!(names.collect::<BTreeSet<_>>().len() > 6, "seed {seed}");
    }
}

#[test]
fn most_segments_select_some_users_and_leave_some_out() {
    let (mut nobody, mut everyone, mut some) = (0, 0, 0);
    for (seed, world, segment) in pairs(3_000) {
        let reference = Reference::new(&world.data);
        let as_of = world.as_of[seed as usize % world.as_of.len()];
        let members = reference
            .evaluate(&segment, as_of)
            .expect("names are qualified where they must be");
        assert!(members.len() <= reference.universe_len());
        match members.len() {
            0 => nobody += 1,
            len if len == reference.universe_len() => everyone += 1,
            _ => some += 1,
        }
    }
    assert!(
        some > 500,
        "{some} with some users, {nobody} with none, {everyone} with all"
    );
}

#[test]
fn a_seed_is_a_world() {
    assert_eq!(format!("{:?}", world(7)), format!("{:?}", world(7)));
    assert_ne!(format!("{:?}", world(7)), format!("{:?}", world(8)));
    let wide = world_among(7, 20_000);
    assert!(wide.data.users.expect("a users table").len() > 20_000);
}

#[test]
fn shrinking_keeps_the_failure_and_little_else() {
    // A made-up fault: a count anywhere, over a world with an event of `b`.
    let counts = |segment: &Segment| segment.to_string().contains("count(");
    let fails = |data: &crowdset_testkit::Data, segment: &Segment| {
        counts(segment) && data.events.iter().any(|event| event.event_name == "b")
    };
    let (_, world, segment) = pairs(500)
        .find(|(_, world, segment)| fails(&world.data, segment))
        .expect("a failing pair");
    let (data, segment) = shrink(&world.data, &segment, fails);
    assert_eq!(data.events.len(), 1);
    assert!(data.events[0].properties.is_empty());
    assert!(data.properties.is_empty());
    assert!(counts(&segment));
    assert!(segment.to_string().len() < 120, "{segment}");
}
