//! Goal: whatever path answers, the answer is the definition's.
//! Method: random segments over random worlds, planned and run over partitions cut at random places,
//! with every optimisation switched on and off, against the reference that reads user by user.

use crowdset_executor::{
    Audience, Control, Dataset, ExecOptions, Kernels, ListSets, OneUser, PartitionHandle,
    Summaries, SummaryPolicy, Workers, contains, count_many, evaluate, evaluate_many, profile,
};
use crowdset_index::{Policy, TermGroup, TermIndex, TermIndexBuilder};
use crowdset_query::{Plan, PlanKind, PlanOptions, plan};
use crowdset_storage::{
    AttributeBuilder, AttributeValue, Column, EventIdKey, FrameKind, HistoryBuilder, IdKind,
    ImageWriter, MemoryDirectory, PartData, Partition, StagedBlock, StagedPart, StagedRows,
    StagedTexts, Stream, Table, Universe, UserIds, Users, UsersBuilder, seal,
};
use crowdset_testkit::random::{Rng, World, busy_world, kin, segment, world, world_among};
use crowdset_testkit::{Data, EventRow, Reference, WorldCatalog};
use crowdset_types::{ChunkId, PartitionId, TimeRange, TimestampMillis, UserOrdinal, Value};
use roaring::RoaringBitmap;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

fn put<T>(part: &mut StagedPart<T>, row: u32, value: T) {
    part.rows.push(row);
    part.values.push(value);
}

fn put_text(texts: &mut StagedTexts, row: u32, text: &str) {
    // Codes need not be shared: a dictionary may hold a text twice on its way in.
    texts.bytes.extend_from_slice(text.as_bytes());
    texts.ends.push(texts.bytes.len() as u32);
    put(&mut texts.codes, row, texts.ends.len() as u32 - 1);
}

fn add(rows: &mut StagedRows, user: u32, position: u32, event: &EventRow) {
    let row = rows.users.len() as u32;
    rows.users.push(user);
    rows.times.push(event.timestamp_ms);
    rows.positions.push(position);
    for (path, value) in event.values() {
        let column = rows.properties.entry(path).or_default();
        match value {
            Value::Bool(value) => put(&mut column.bools, row, value),
            Value::Integer(value) => put(&mut column.integers, row, value),
            Value::Float(value) => put(&mut column.floats, row, value),
            Value::Time(value) => put(&mut column.times, row, value),
            Value::Text(text) => put_text(&mut column.texts, row, &text),
            Value::Array(json) => put_text(&mut column.arrays, row, &json),
        }
    }
}

fn event_key(data: &Data, event: &EventRow) -> EventIdKey {
    match data.event_ids {
        crowdset_testkit::IdKind::Integer => {
            EventIdKey::Integer(event.event_id.parse().expect("an integer id"))
        }
        crowdset_testkit::IdKind::Text => EventIdKey::Text(event.event_id.as_str().into()),
    }
}

/// The sets of each code of a column's text.
fn text_sets(column: &Column, user: impl Fn(usize) -> u32) -> Option<Vec<RoaringBitmap>> {
    column.parts.iter().find_map(|part| match &part.data {
        PartData::Text { dictionary, codes } => {
            let mut sets = vec![RoaringBitmap::new(); dictionary.len()];
            for row in (0..column.rows).filter(|&row| part.is_present(row)) {
                sets[codes.get(row) as usize].insert(user(row));
            }
            Some(sets)
        }
        _ => None,
    })
}

fn row_users(stream: &Stream) -> Vec<u32> {
    stream.touch().expect("sound bytes");
    let chunks = (0..stream.chunks() as u32).map(ChunkId);
    chunks
        .flat_map(|chunk| {
            stream
                .chunk_rows(chunk)
                .map(move |row| chunk.first().0 + u32::from(stream.users()[row]))
        })
        .collect()
}

fn index_of(partition: &Partition) -> TermIndex {
    let mut builder = TermIndexBuilder::new();
    for stream in partition.streams() {
        let users = row_users(stream);
        builder.add(TermGroup::event_set(
            stream.name(),
            users.iter().copied().collect(),
        ));
        for path in stream.property_names() {
            let column = stream
                .property(path)
                .expect("sound bytes")
                .expect("a known name");
            if let Some(sets) = text_sets(column, |row| users[row]) {
                builder.add(TermGroup::values(
                    stream.name(),
                    path,
                    sets,
                    &Policy::EVERYTHING,
                ));
            }
        }
    }
    TermIndex::open("index", builder.finish().expect("small").into()).expect("just written")
}

/// The rows of a world as a store would hold them, events cut into partitions at `cuts`.
fn dataset(data: &Data, cuts: &[i64]) -> Dataset {
    let directory = MemoryDirectory::new();
    let mut ids = UserIds::new(7);
    for user in data.users.iter().flatten() {
        ids.get_or_insert(&user.user_id);
    }
    let listed = ids.len();
    let mut known = HashSet::new();
    let events: Vec<&EventRow> = data
        .events
        .iter()
        .filter(|event| known.insert(&event.event_id))
        .collect();
    for event in &events {
        ids.get_or_insert(&event.user_id);
    }
    let mut history = data.properties.clone();
    for row in &history {
        ids.get_or_insert(&row.user_id);
    }

    let universe = if data.users.is_some() {
        let mut bits = vec![0_u64; listed.div_ceil(64)];
        (0..listed).for_each(|user| bits[user / 64] |= 1 << (user % 64));
        Universe::Bits(bits)
    } else {
        Universe::Everyone
    };
    let kind = match data.user_ids {
        crowdset_testkit::IdKind::Integer => IdKind::Integer,
        crowdset_testkit::IdKind::Text => IdKind::Text,
    };
    let mut builder = UsersBuilder::new(&ids, kind, universe);
    let mut columns: BTreeMap<&str, AttributeBuilder> = BTreeMap::new();
    for user in data.users.iter().flatten() {
        let ordinal = UserOrdinal(ids.find(&user.user_id).expect("just added"));
        for (name, value) in &user.columns {
            let column = columns
                .entry(name)
                .or_insert_with(|| AttributeBuilder::new(Table::Users, name));
            column.set(
                ordinal,
                match value {
                    Value::Bool(value) => AttributeValue::Bool(*value),
                    Value::Integer(value) => AttributeValue::Integer(*value),
                    Value::Float(value) => AttributeValue::Float(*value),
                    Value::Time(value) => AttributeValue::Time(*value),
                    Value::Text(text) => AttributeValue::Text(text),
                    Value::Array(json) => AttributeValue::Array(json),
                },
            );
        }
    }
    for column in columns.into_values() {
        builder.attribute(column.encode(ids.len()).expect("small"));
    }
    if data.history {
        history.sort_by(|a, b| {
            a.updated_at
                .cmp(&b.updated_at)
                .then_with(|| data.property_ids.order(&a.property_id, &b.property_id))
        });
    }
    let mut properties: BTreeMap<&str, HistoryBuilder> = BTreeMap::new();
    for row in &history {
        let ordinal = UserOrdinal(ids.find(&row.user_id).expect("just added"));
        let property = properties
            .entry(&row.name)
            .or_insert_with(|| HistoryBuilder::new(&row.name));
        property.push(
            ordinal,
            row.updated_at.filter(|_| data.history),
            row.value.as_deref(),
        );
    }
    for property in properties.into_values() {
        builder.attribute(property.encode(ids.len()).expect("small"));
    }
    builder
        .write(&directory, "users.columns")
        .expect("memory holds it");
    let users = Users::open(&directory, "users.columns").expect("just written");
    users.touch_ids().expect("sound bytes");

    let mut attributes = TermIndexBuilder::new();
    for attribute in users.attributes() {
        let column = attribute.column().expect("sound bytes");
        if let Some(sets) = text_sets(column, |row| row as u32) {
            let table = attribute.table() as u8;
            attributes.add(TermGroup::attribute(
                table,
                attribute.name(),
                sets,
                &Policy::EVERYTHING,
            ));
        }
    }
    let attributes = TermIndex::open("users.index", attributes.finish().expect("small").into())
        .expect("just written");

    let mut bounds = vec![i64::MIN];
    bounds.extend(cuts);
    bounds.push(i64::MAX);
    let mut partitions = Vec::new();
    for (number, span) in (0..).zip(bounds.windows(2)) {
        let range = TimeRange::new(TimestampMillis(span[0]), TimestampMillis(span[1]));
        let mut block = StagedBlock::default();
        for (position, event) in (0..).zip(&events) {
            if range.contains(TimestampMillis(event.timestamp_ms)) {
                let user = ids.find(&event.user_id).expect("just added");
                add(
                    block.streams.entry(event.event_name.clone()).or_default(),
                    user,
                    position,
                    event,
                );
            }
        }
        if block.streams.is_empty() {
            continue;
        }
        let name = format!("p{number}.columns");
        let writer =
            ImageWriter::create(&directory, &name, FrameKind::Partition).expect("memory holds it");
        let mut ties = |positions: &[u32]| {
            Ok(positions
                .iter()
                .map(|&position| event_key(data, events[position as usize]))
                .collect())
        };
        seal(PartitionId(number), range, vec![block], &mut ties, writer).expect("sound rows");
        let partition = Partition::open(&directory, &name).expect("just written");
        let index = Some(Arc::new(index_of(&partition)));
        partitions.push(PartitionHandle {
            partition: Arc::new(partition),
            index,
        });
    }
    Dataset {
        users: Arc::new(users),
        attribute_index: Some(Arc::new(attributes)),
        partitions,
        lists: ListSets::default(),
        // Nothing, one table at a time, or everything is kept.
        summaries: Summaries::new(SummaryPolicy {
            bytes_max: [0, 65_536, 64 << 20][data.events.len() % 3],
            day_rows_min: 0,
            predicate_asks_min: 1 + (data.events.len() / 3 % 2) as u32,
        }),
        workers: Workers::default(),
    }
}

fn cuts(rng: &mut Rng, data: &Data) -> Vec<i64> {
    let mut cuts: Vec<i64> = Vec::new();
    for _ in 0..rng.below(4) {
        if !data.events.is_empty() {
            cuts.push(rng.pick(&data.events).timestamp_ms + rng.below(2) as i64);
        }
    }
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}

fn ids(audience: &Audience) -> Vec<String> {
    audience
        .iter_by_id()
        .expect("sound bytes")
        .map(|user| audience.users().id(user).to_owned())
        .collect()
}

/// Everything on, everything off, and each switch alone against either.
fn all_options() -> Vec<ExecOptions> {
    (0..512_u32)
        .map(|bits| ExecOptions {
            parallel: bits & 1 != 0,
            use_index: bits & 2 != 0,
            prune: bits & 4 != 0,
            short_circuit: bits & 8 != 0,
            families: bits & 32 != 0,
            use_summaries: bits & 64 != 0,
            funnels: bits & 128 != 0,
            sieves: bits & 256 != 0,
            kernels: if bits & 16 != 0 {
                Kernels::Simd
            } else {
                Kernels::Scalar
            },
        })
        .collect()
}

fn check(seed: u64, world: &World, segments: usize) {
    let mut rng = Rng::new(seed ^ 0xe1ec);
    let data = dataset(&world.data, &cuts(&mut rng, &world.data));
    let reference = Reference::new(&world.data);
    let catalog = WorldCatalog::new(&world.data);
    let options = all_options();
    let control = Control::default();
    let mut plans: Vec<(Plan, Audience)> = Vec::new();
    for number in 0..segments {
        let segment = segment(&mut rng, world, number % 5);
        let as_of = world.as_of[rng.below(world.as_of.len())];
        // What cannot be planned is the planner's to test.
        let Ok(plan) = plan(&segment, &catalog, as_of, &PlanOptions::default()) else {
            continue;
        };
        let Ok(expected) = reference.evaluate(&segment, as_of) else {
            continue;
        };
        let first = evaluate(&data, &plan, &options[511], &control).expect("sound bytes");
        assert_eq!(
            ids(&first),
            expected,
            "seed {seed}, as of {as_of}: {segment}\n{:?}",
            world.data
        );
        for options in [options[0], *rng.pick(&options), *rng.pick(&options)] {
            let audience = evaluate(&data, &plan, &options, &control).expect("sound bytes");
            assert_eq!(
                ids(&audience),
                expected,
                "seed {seed}, {options:?}, as of {as_of}: {segment}"
            );
        }
        let (profiled, taken) =
            profile(&data, &plan, &options[511], &control).expect("sound bytes");
        assert_eq!(profiled, first);
        assert_eq!(taken.nodes.len(), plan.node_count as usize, "{segment}");
        for options in [options[255], *rng.pick(&options)] {
            let counts = count_many(&data, &[&plan], &options, &control).expect("sound bytes");
            let shown = format!("seed {seed}, {options:?}, as of {as_of}: {segment}");
            assert_eq!(counts, [first.len()], "{shown}");
        }
        let ordinals = data.users.ordinals();
        // Every user of a small world, some of a large one.
        let step = (ordinals / 16).max(1);
        for user in (rng.below(step)..ordinals).step_by(step) {
            let user = UserOrdinal(user as u32);
            let options = rng.pick(&options);
            let is_in = contains(&data, &plan, user, options, &control).expect("sound bytes");
            let one = OneUser::new(&data, user, options, &control);
            let kept = one.contains(&plan).expect("sound bytes");
            // Asked again, from the rows that were kept.
            let finding = one.finding(&plan).expect("sound bytes");
            assert_eq!(
                [is_in, kept, finding.is_true && one.is_in_universe()],
                [first.contains(user); 3],
                "seed {seed}, user {user}, as of {as_of}: {segment}"
            );
            assert!(!finding.is_true || finding.miss.is_none(), "{segment}");
            if let PlanKind::Sequence(sequence) = &plan.root.kind
                && one.is_in_universe()
            {
                let is_whole = finding.events_total == sequence.steps.len() as u64;
                assert_eq!(
                    is_whole, finding.is_true,
                    "seed {seed}, user {user}, as of {as_of}: {segment}"
                );
            }
        }
        plans.push((plan, first));
    }
    let together: Vec<&Plan> = plans.iter().map(|(plan, _)| plan).collect();
    let audiences = evaluate_many(&data, &together, &options[511], &control).expect("sound bytes");
    let counts = count_many(&data, &together, &options[509], &control).expect("sound bytes");
    for ((audience, count), (_, alone)) in audiences.iter().zip(counts).zip(&plans) {
        assert_eq!(audience, alone);
        assert_eq!(count, alone.len());
    }
}

/// Batches of related segments, whose conditions are answered together.
fn check_kin(seed: u64, world: &World, segments: usize) {
    let mut rng = Rng::new(seed ^ 0x417);
    let data = dataset(&world.data, &cuts(&mut rng, &world.data));
    let reference = Reference::new(&world.data);
    let catalog = WorldCatalog::new(&world.data);
    let control = Control::default();
    // One instant for most batches, as for most questions; many for the others.
    let instants = if rng.chance(60) {
        vec![*rng.pick(&world.as_of)]
    } else {
        world.as_of.clone()
    };
    let mut asked = Vec::new();
    for segment in kin(&mut rng, world, segments) {
        let as_of = *rng.pick(&instants);
        if let Ok(plan) = plan(&segment, &catalog, as_of, &PlanOptions::default())
            && let Ok(expected) = reference.evaluate(&segment, as_of)
        {
            asked.push((segment, plan, expected));
        }
    }
    let plans: Vec<&Plan> = asked.iter().map(|(_, plan, _)| plan).collect();
    let options = all_options();
    let scanning = ExecOptions {
        use_index: false,
        ..options[511]
    };
    for options in [options[511], scanning, *rng.pick(&options)] {
        let audiences = evaluate_many(&data, &plans, &options, &control).expect("sound bytes");
        let counts = count_many(&data, &plans, &options, &control).expect("sound bytes");
        for ((audience, count), (segment, plan, expected)) in
            audiences.iter().zip(counts).zip(&asked)
        {
            let as_of = plan.as_of;
            assert_eq!(
                ids(audience),
                *expected,
                "seed {seed}, {options:?}, as of {as_of}, among others: {segment}\n{:?}",
                world.data
            );
            assert_eq!(count, audience.len());
        }
    }
}

/// Segments as of many instants one after the other: windows that slide over the same rows.
fn check_trends(seed: u64, world: &World, segments: usize) {
    let mut rng = Rng::new(seed ^ 0x7e4d);
    let data = dataset(&world.data, &cuts(&mut rng, &world.data));
    let reference = Reference::new(&world.data);
    let catalog = WorldCatalog::new(&world.data);
    let control = Control::default();
    let times = || world.data.events.iter().map(|event| event.timestamp_ms);
    let (Some(first), Some(last)) = (times().min(), times().max()) else {
        return;
    };
    let instants = 4 + rng.below(12) as i64;
    let step = (last - first) / instants + 1 + rng.below(2) as i64;
    let instants = (0..=instants).map(|number| TimestampMillis(first + number * step));
    let instants: Vec<TimestampMillis> = instants.collect();
    for segment in kin(&mut rng, world, segments) {
        let plans = instants.iter().map(|&as_of| {
            let plan = plan(&segment, &catalog, as_of, &PlanOptions::default()).ok()?;
            let expected = reference.evaluate(&segment, as_of).ok()?;
            Some((plan, expected))
        });
        let Some(asked) = plans.collect::<Option<Vec<_>>>() else {
            continue;
        };
        let plans: Vec<&Plan> = asked.iter().map(|(plan, _)| plan).collect();
        let options = all_options();
        for options in [options[511], *rng.pick(&options)] {
            let audiences = evaluate_many(&data, &plans, &options, &control).expect("sound bytes");
            for (audience, (plan, expected)) in audiences.iter().zip(&asked) {
                let as_of = plan.as_of;
                assert_eq!(
                    ids(audience),
                    *expected,
                    "seed {seed}, {options:?}, as of {as_of}, in a trend: {segment}\n{:?}",
                    world.data
                );
            }
        }
    }
}

/// How many worlds there are, of so many usually; more for a longer search: `AGREEMENT_WORLDS=5000`.
fn worlds(usual: u64) -> u64 {
    let worlds = std::env::var("AGREEMENT_WORLDS").ok();
    worlds
        .and_then(|worlds| worlds.parse().ok())
        .unwrap_or(usual)
}

#[test]
fn related_segments_agree_with_the_definition() {
    for seed in 0..worlds(400) {
        // Of many segments more have something in common.
        check_kin(seed, &world(seed), [8, 16, 60][seed as usize % 3]);
    }
}

#[test]
fn related_segments_agree_with_the_definition_where_rows_are_many() {
    for seed in 0..worlds(400).div_ceil(100) {
        check_kin(seed, &busy_world(seed), 40);
        check_kin(seed, &world_among(seed, 40_000), 12);
    }
}

#[test]
fn trends_agree_with_the_definition() {
    for seed in 0..worlds(100) {
        check_trends(seed, &world(seed), 3);
    }
    for seed in 0..worlds(100).div_ceil(100) {
        check_trends(seed, &busy_world(seed), 3);
        check_trends(seed, &world_among(seed, 20_000), 1);
    }
}

#[test]
fn agrees_with_the_definition_in_small_worlds() {
    for seed in 0..worlds(400) {
        check(seed, &world(seed), 12);
    }
}

#[test]
fn agrees_with_the_definition_across_chunks() {
    for seed in 0..6 {
        check(seed, &world_among(seed, 40_000), 8);
    }
}
