//! Goal: answers about several segments, instants or values say what single answers say.
//! Method: random segments over random worlds; each answer against the reference, asked once for each
//! segment, instant and user.

mod support;

use crowdset::{AsOf, Engine, Segment, Value};
use crowdset_testkit::Reference;
use crowdset_testkit::random::{Rng, segment as random_segment, world, world_among};
use crowdset_types::TimestampMillis;
use support::{Loading, SWITCHES, load, switches};

const DAY: i64 = 86_400_000;

fn check(seed: u64, world: &crowdset_testkit::random::World, segments: usize) {
    let mut rng = Rng::new(seed ^ 0xa25);
    let loading = *rng.pick(&[Loading::Whole, Loading::SmallPartitions]);
    let engine = Engine::in_memory();
    load(&engine, &world.data, loading);
    let snapshot = engine.snapshot();
    let reference = Reference::new(&world.data);
    let ask = |segment: &Segment, at: TimestampMillis| {
        reference.evaluate(segment, at).expect("an answer")
    };
    let all: Vec<Segment> = (0..segments)
        .map(|depth| random_segment(&mut rng, world, depth % 4))
        .collect();
    let as_of = *rng.pick(&world.as_of);
    let options = switches(seed % SWITCHES);

    let overlap = snapshot
        .overlap_with(&all, AsOf::at(as_of), &options)
        .expect("an answer");
    let members: Vec<Vec<String>> = all.iter().map(|segment| ask(segment, as_of)).collect();
    for (left, row) in members.iter().zip(&overlap.sizes) {
        for (right, size) in members.iter().zip(row) {
            let both = left.iter().filter(|id| right.contains(id)).count();
            assert_eq!(both as u64, *size, "seed {seed}");
        }
    }

    for segment in &all {
        // Steps of every length, back and forth.
        let start = as_of.0 - rng.below(20) as i64 * DAY;
        let step = *rng.pick(&[1, 3_600_000, DAY, 7 * DAY, -DAY]);
        let mut instants: Vec<TimestampMillis> = (0..8)
            .map(|number| TimestampMillis(start + number * step))
            .collect();
        instants.push(as_of);
        let asked: Vec<AsOf> = instants.iter().copied().map(AsOf::at).collect();
        let sizes = snapshot
            .trend_with(segment, &asked, &options)
            .expect("an answer");
        let expected: Vec<u64> = instants
            .iter()
            .map(|&at| ask(segment, at).len() as u64)
            .collect();
        assert_eq!(sizes, expected, "seed {seed}, {instants:?}: {segment}");

        let (from, to) = (instants[0], as_of);
        let diff = snapshot
            .diff_with(segment, AsOf::at(from), AsOf::at(to), &options)
            .expect("an answer");
        let (before, after) = (ask(segment, from), ask(segment, to));
        let only = |these: &[String], those: &[String]| -> Vec<String> {
            these
                .iter()
                .filter(|id| !those.contains(id))
                .cloned()
                .collect()
        };
        let ids = |audience: &crowdset::Audience| -> Vec<String> {
            audience.iter().map(str::to_owned).collect()
        };
        assert_eq!(
            ids(&diff.entered),
            only(&after, &before),
            "seed {seed}: {segment}"
        );
        assert_eq!(
            ids(&diff.left),
            only(&before, &after),
            "seed {seed}: {segment}"
        );

        for name in [
            "users.plan",
            "users.age",
            "users.score",
            "users.vip",
            "users.created_at",
            "property.industry",
            "property.size",
            "number(property.size)",
            "users.nothing",
        ] {
            let by = name.parse().expect("an attribute");
            let broken_down = match snapshot.breakdown_with(segment, &by, AsOf::at(as_of), &options)
            {
                Ok(broken_down) => broken_down,
                // A name that the world doesn't have is refused, and only that.
                Err(error) => {
                    let refusal = error.to_string();
                    assert!(refusal.contains("there is no attribute"), "{refusal}");
                    let has_it: Segment = format!("{name} is set").parse().expect("a test");
                    let having = ask(&has_it, as_of);
                    assert!(having.is_empty(), "seed {seed}, {name}: {having:?}");
                    continue;
                }
            };
            let total: u64 = broken_down.groups.iter().map(|(_, count)| count).sum();
            let expected = ask(segment, as_of).len() as u64;
            assert_eq!(total, expected, "seed {seed}, {name}: {segment}");
            let is_in_order = broken_down
                .groups
                .windows(2)
                .all(|pair| pair[0].1 >= pair[1].1);
            assert!(is_in_order, "seed {seed}, {name}: {:?}", broken_down.groups);
            for (value, count) in &broken_down.groups {
                let test = match value {
                    None => "is not set".to_owned(),
                    Some(Value::Text(text)) => format!("= '{}'", text.replace('\'', "''")),
                    Some(Value::Integer(value)) => format!("= {value}"),
                    Some(Value::Float(value)) if value.is_finite() => format!("= {value:?}"),
                    Some(Value::Bool(value)) => format!("= {value}"),
                    Some(Value::Time(at)) => format!("= '{}'", TimestampMillis(*at)),
                    // Nothing equals NaN or an array.
                    Some(_) => continue,
                };
                // Text that is a number equals numbers; as text it is itself.
                let name = match value {
                    Some(Value::Text(_)) => format!("text({name})"),
                    _ => name.to_owned(),
                };
                let of_value: Segment = format!("{name} {test}").parse().expect("a test");
                let members = ask(segment, as_of);
                let with = ask(&of_value, as_of);
                let expected = members.iter().filter(|id| with.contains(id)).count() as u64;
                assert_eq!(*count, expected, "seed {seed}, {of_value}: {segment}");
            }
        }
    }
}

#[test]
fn agree_with_the_reference() {
    let cases = std::env::var("CROWDSET_AGREEMENT_CASES").ok();
    let cases = cases.and_then(|cases| cases.parse().ok()).unwrap_or(40);
    for seed in 0..cases {
        check(seed, &world(seed), 5);
    }
}

#[test]
fn agree_across_chunks() {
    for seed in 0..2 {
        check(seed, &world_among(seed, 40_000), 2);
    }
}
