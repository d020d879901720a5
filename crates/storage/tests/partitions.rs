//! Goal: a sealed partition holds exactly the rows it was given, in the order of the segment
//! language, and says so when its bytes have changed.
//! Method: random rows in random blocks, compared with a list that is sorted and searched naively.

use crowdset_storage::{
    Column, Directory, EventIdKey, FrameKind, ImageWriter, MemoryDirectory, PartData, Partition,
    StagedBlock, StagedColumn, StagedPart, StagedTexts, StorageError, Stream, seal,
};
use crowdset_types::{
    ChunkId, Decimal, PartitionId, TimeRange, TimestampMillis, UserOrdinal, Value,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// One event, as the naive model keeps it.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    event: &'static str,
    user: u32,
    time: i64,
    id: EventIdKey,
    properties: BTreeMap<&'static str, Value>,
}

fn stage(block: &mut StagedBlock, row: &Row, position: u32) {
    let rows = block.streams.entry(row.event.to_owned()).or_default();
    let index = rows.users.len() as u32;
    rows.users.push(row.user);
    rows.times.push(row.time);
    rows.positions.push(position);
    for (path, value) in &row.properties {
        let column = rows.properties.entry((*path).to_owned()).or_default();
        match value {
            Value::Bool(value) => put(&mut column.bools, index, *value),
            Value::Integer(value) => put(&mut column.integers, index, *value),
            Value::Float(value) => put(&mut column.floats, index, *value),
            Value::Time(value) => put(&mut column.times, index, *value),
            Value::Text(text) => put_text(&mut column.texts, index, text),
            Value::Array(text) => put_text(&mut column.arrays, index, text),
        }
    }
}

fn put<T>(part: &mut StagedPart<T>, row: u32, value: T) {
    part.rows.push(row);
    part.values.push(value);
}

fn put_text(texts: &mut StagedTexts, row: u32, text: &str) {
    let mut start = 0;
    let known = texts.ends.iter().position(|end| {
        let found = &texts.bytes[start..*end as usize] == text.as_bytes();
        start = *end as usize;
        found
    });
    let code = known.unwrap_or_else(|| {
        texts.bytes.extend(text.as_bytes());
        texts.ends.push(texts.bytes.len() as u32);
        texts.ends.len() - 1
    });
    put(&mut texts.codes, row, code as u32);
}

/// Turns full parts into their short form, as readers of real input do.
fn shorten(column: &mut StagedColumn, rows: usize) {
    fn part<T>(part: &mut StagedPart<T>, rows: usize) {
        if part.rows.len() == rows {
            part.rows.clear();
        }
    }
    part(&mut column.bools, rows);
    part(&mut column.integers, rows);
    part(&mut column.floats, rows);
    part(&mut column.times, rows);
    part(&mut column.texts.codes, rows);
    part(&mut column.arrays.codes, rows);
}

fn seal_rows(
    directory: &MemoryDirectory,
    rows: &[Row],
    block_rows: usize,
) -> Result<Partition, StorageError> {
    let mut blocks = Vec::new();
    for (number, rows) in rows.chunks(block_rows).enumerate() {
        let mut block = StagedBlock::default();
        for (index, row) in rows.iter().enumerate() {
            stage(&mut block, row, (number * block_rows + index) as u32);
        }
        for rows in block.streams.values_mut() {
            let count = rows.users.len();
            rows.properties
                .values_mut()
                .for_each(|column| shorten(column, count));
        }
        blocks.push(block);
    }
    let mut asked = 0;
    let mut ties = |positions: &[u32]| {
        asked += 1;
        Ok(positions
            .iter()
            .map(|position| rows[*position as usize].id.clone())
            .collect())
    };
    let range = TimeRange::new(TimestampMillis::MIN, TimestampMillis::MAX);
    let writer = ImageWriter::create(directory, "p000001.columns", FrameKind::Partition)?;
    let sealed = seal(PartitionId(1), range, blocks, &mut ties, writer)?;
    assert!(asked <= 1, "ids are asked for once");
    assert_eq!(sealed.rows, rows.len() as u64);
    let partition = Partition::open(directory, "p000001.columns")?;
    assert_eq!(sealed.streams, partition.streams().len());
    Ok(partition)
}

fn value_at(column: &Column, row: usize) -> Option<Value> {
    let mut values =
        column
            .parts
            .iter()
            .filter(|part| part.is_present(row))
            .map(|part| match &part.data {
                PartData::Bool(bits) => Value::Bool(bits.get(row)),
                PartData::Integer { base, offsets } => {
                    Value::Integer(base.wrapping_add(offsets.get(row) as i64))
                }
                PartData::Time { base, offsets } => {
                    Value::Time(base.wrapping_add(offsets.get(row) as i64))
                }
                PartData::Decimal {
                    places,
                    base,
                    offsets,
                } => {
                    let scaled = base.wrapping_add(offsets.get(row) as i64);
                    Value::Float(
                        Decimal {
                            scaled,
                            places: *places,
                        }
                        .to_f64(),
                    )
                }
                PartData::Float(values) => Value::Float(values[row]),
                PartData::Text { dictionary, codes } => {
                    Value::Text(dictionary.get(codes.get(row) as usize).to_owned())
                }
                PartData::Array { dictionary, codes } => {
                    Value::Array(dictionary.get(codes.get(row) as usize).to_owned())
                }
            });
    let value = values.next();
    assert!(values.next().is_none(), "a row has one value at most");
    value
}

fn check(partition: &Partition, rows: &[Row]) {
    let names: BTreeSet<&str> = rows.iter().map(|row| row.event).collect();
    assert!(
        partition
            .streams()
            .iter()
            .map(Stream::name)
            .eq(names.iter().copied())
    );
    for name in names {
        let mut expected: Vec<&Row> = rows.iter().filter(|row| row.event == name).collect();
        expected.sort_by(|a, b| (a.user, a.time, &a.id).cmp(&(b.user, b.time, &b.id)));
        let stream = partition.stream(name).unwrap();
        check_stream(stream, &expected);
    }
    assert!(partition.stream("missing").is_none());
}

fn check_stream(stream: &Stream, expected: &[&Row]) {
    stream.touch().unwrap();
    assert_eq!(stream.rows(), expected.len());
    let (first, last) = (
        expected.iter().map(|row| row.time).min(),
        expected.iter().map(|row| row.time).max(),
    );
    let span = stream.span();
    assert_eq!(
        (span.from.0, span.to.0 - 1),
        (first.unwrap(), last.unwrap())
    );
    let paths: BTreeSet<&str> = expected
        .iter()
        .flat_map(|row| row.properties.keys().copied())
        .collect();
    assert!(stream.property_names().eq(paths.iter().copied()));

    let (users, times) = (stream.users(), stream.times());
    let mut by_user: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    let mut covered = 0;
    for chunk in (0..stream.chunks() as u32 + 2).map(ChunkId) {
        let rows = stream.chunk_rows(chunk);
        assert_eq!(rows.start, covered);
        covered = rows.end;
        assert!(rows.clone().is_sorted_by_key(|row| times.get(row)));
        for row in rows {
            by_user
                .entry(chunk.first().0 + u32::from(users[row]))
                .or_default()
                .push(row);
        }
    }
    assert_eq!(covered, stream.rows());

    // All rows of each user, in order, with their values.
    let order: Vec<usize> = by_user.values().flatten().copied().collect();
    assert_eq!(order.len(), expected.len());
    for (row, expected) in order.iter().zip(expected) {
        assert_eq!(times.get(*row), expected.time);
        assert!(by_user[&expected.user].contains(row));
        for path in &paths {
            let value = value_at(stream.property(path).unwrap().unwrap(), *row);
            // Negative zero reads as zero.
            assert_eq!(
                value.as_ref(),
                expected.properties.get(path),
                "{path} of {expected:?}"
            );
        }
    }
    for path in paths {
        let present = expected
            .iter()
            .filter(|row| row.properties.contains_key(path))
            .count();
        assert_eq!(
            stream.property_info(path).unwrap().present(),
            present as u64
        );
    }
    assert!(stream.property("missing").unwrap().is_none());

    // Windows, at every edge there is.
    let mut edges: Vec<i64> = expected
        .iter()
        .step_by(expected.len() / 40 + 1)
        .flat_map(|row| [row.time, row.time + 1])
        .collect();
    edges.extend([
        i64::MIN,
        i64::MAX,
        span.from.0,
        span.to.0,
        span.from.0 - 1,
        span.to.0 + 1,
    ]);
    for from in &edges {
        for to in &edges {
            let range = TimeRange::new(TimestampMillis(*from), TimestampMillis(*to));
            let chunks: Vec<u32> = by_user
                .keys()
                .map(|user| UserOrdinal(*user).chunk().0)
                .collect();
            for chunk in chunks.into_iter().take(3).map(ChunkId) {
                let rows = stream.rows_in(chunk, range);
                let inside = stream
                    .chunk_rows(chunk)
                    .filter(|row| range.contains(TimestampMillis(times.get(*row))))
                    .count();
                assert_eq!(rows.len(), inside);
                assert!(
                    rows.into_iter()
                        .all(|row| range.contains(TimestampMillis(times.get(row))))
                );
            }
        }
    }
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        prop_oneof![Just(i64::MIN), Just(i64::MAX), -3_i64..3, any::<i64>()]
            .prop_map(Value::Integer),
        (-2_000_i64..2_000, 0_u32..4)
            .prop_map(|(scaled, places)| Value::Float(Decimal { scaled, places }.to_f64() + 0.0)),
        prop_oneof![
            Just(1.0 / 3.0),
            Just(f64::INFINITY),
            Just(1e300),
            Just(0.1 + 0.2)
        ]
        .prop_map(Value::Float),
        (0_i64..1 << 42).prop_map(Value::Time),
        "[a-c]{0,3}|é|\u{1F600}".prop_map(Value::Text),
        Just(Value::Text(String::new())),
        prop_oneof![Just("[]"), Just("[1,2]"), Just(r#"["a"]"#)]
            .prop_map(|text| Value::Array(text.to_owned())),
    ]
}

/// Values of one property: all of one type, of all types, or missing here and there.
fn rows(wide: bool) -> impl Strategy<Value = Vec<Row>> {
    let users = prop_oneof![0_u32..4, Just(16_383), Just(16_384), 40_000_u32..40_003];
    let far = if wide {
        6_000_000_000_000
    } else {
        4_000_000_000
    };
    let times = prop_oneof![Just(0_i64), 0_i64..3, Just(far - 1), 0..far]
        .prop_map(|time| time - 1_000_000_000);
    let events = prop_oneof![Just("purchase"), Just("page viewed"), Just("")];
    let properties = prop::collection::btree_map(
        prop_oneof![Just("a"), Just("a.b"), Just("c")],
        value(),
        0..3,
    );
    prop::collection::vec((events, users, times, properties), 1..120).prop_map(|rows| {
        // Ids in no order of arrival; some integers of different lengths, some text.
        let id = |number: usize| match number % 3 {
            0 => EventIdKey::Text(format!("e{}", number * 7 % 101).into()),
            _ => EventIdKey::Integer((number as i64 * 37 % 201) - 100),
        };
        rows.into_iter()
            .enumerate()
            .map(|(number, (event, user, time, properties))| Row {
                event,
                user,
                time,
                id: id(number),
                properties,
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn holds_what_it_was_given(rows in rows(false), block_rows in 1_usize..50) {
        check(&seal_rows(&MemoryDirectory::new(), &rows, block_rows).unwrap(), &rows);
    }

    #[test]
    fn holds_long_spans_too(rows in rows(true), block_rows in 1_usize..50) {
        check(&seal_rows(&MemoryDirectory::new(), &rows, block_rows).unwrap(), &rows);
    }
}

fn random_rows(count: usize, users: u32, step: i64) -> Vec<Row> {
    let mut state = 3_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u32
    };
    (0..count)
        .map(|number| Row {
            event: ["a", "b"][next() as usize % 2],
            user: next() % users,
            time: number as i64 * step + i64::from(next() % 50),
            id: EventIdKey::Integer(i64::from(next())),
            properties: BTreeMap::from([
                ("url", Value::Text(format!("/{}", next() % 700))),
                (
                    "amount",
                    Value::Float(
                        Decimal {
                            scaled: i64::from(next() % 90_000),
                            places: 2,
                        }
                        .to_f64(),
                    ),
                ),
            ]),
        })
        .collect()
}

#[test]
fn many_rows_of_many_chunks_use_the_time_index_and_narrow_widths() {
    let rows = random_rows(30_000, 50_000, 100);
    let partition = seal_rows(&MemoryDirectory::new(), &rows, 777).unwrap();
    check(&partition, &rows);
    let stats = partition.stats();
    assert_eq!(stats.rows, 30_000);
    for stream in &stats.streams {
        assert_eq!(
            (stream.users, stream.times),
            (stream.rows * 2, stream.rows * 4)
        );
        // 700 urls take two bytes, amounts below 90,000 cents four; nothing is missing.
        let bytes = |index: usize| stream.properties[index].1;
        assert_eq!(
            (bytes(0).values, bytes(0).presence, bytes(0).dictionary),
            (stream.rows * 4, 0, 0)
        );
        assert_eq!((bytes(1).values, bytes(1).presence), (stream.rows * 2, 0));
        assert!(
            stream.starts > 4 * 5 && stream.starts < stream.rows / 4,
            "{}",
            stream.starts
        );
    }
    let sections: u64 = stats
        .streams
        .iter()
        .map(crowdset_storage::StreamStats::total)
        .sum();
    assert!(sections < stats.file_bytes && stats.file_bytes < sections + 8_192);
}

#[test]
fn a_partition_without_rows_is_fine() {
    let partition = seal_rows(&MemoryDirectory::new(), &[], 1).unwrap();
    assert_eq!((partition.rows(), partition.streams().len()), (0, 0));
}

#[test]
fn rows_outside_of_the_span_are_refused() {
    let mut block = StagedBlock::default();
    let row = |time| Row {
        event: "a",
        user: 0,
        time,
        id: EventIdKey::Integer(1),
        properties: BTreeMap::new(),
    };
    stage(&mut block, &row(10), 0);
    let directory = MemoryDirectory::new();
    let writer = ImageWriter::create(&directory, "p000001.columns", FrameKind::Partition).unwrap();
    let range = TimeRange::new(TimestampMillis(0), TimestampMillis(10));
    let error = seal(
        PartitionId(1),
        range,
        vec![block],
        &mut |_| Ok(Vec::new()),
        writer,
    )
    .unwrap_err();
    assert!(
        matches!(error, StorageError::OutsideOfPartition { at: 10, .. }),
        "{error}"
    );
    assert!(directory.list().unwrap().is_empty(), "nothing appears");
}

#[test]
fn blocks_that_contradict_themselves_are_refused() {
    let broken: [fn(&mut StagedBlock); 4] = [
        |block| block.streams.get_mut("a").unwrap().times.clear(),
        |block| block.streams.get_mut("a").unwrap().positions.clear(),
        |block| {
            column(block).integers = StagedPart {
                rows: vec![9],
                values: vec![1],
            }
        },
        |block| {
            column(block).texts.codes = StagedPart {
                rows: vec![0],
                values: vec![5],
            }
        },
    ];
    fn column(block: &mut StagedBlock) -> &mut StagedColumn {
        block
            .streams
            .get_mut("a")
            .unwrap()
            .properties
            .entry("p".to_owned())
            .or_default()
    }
    for break_it in broken {
        let mut block = StagedBlock::default();
        let row = Row {
            event: "a",
            user: 0,
            time: 1,
            id: EventIdKey::Integer(1),
            properties: BTreeMap::new(),
        };
        stage(&mut block, &row, 0);
        break_it(&mut block);
        let directory = MemoryDirectory::new();
        let writer =
            ImageWriter::create(&directory, "p000001.columns", FrameKind::Partition).unwrap();
        let error = seal(
            PartitionId(1),
            TimeRange::ALL,
            vec![block],
            &mut |_| Ok(Vec::new()),
            writer,
        )
        .unwrap_err();
        assert!(matches!(error, StorageError::BadRows { .. }), "{error}");
    }
}

#[test]
fn changed_bytes_are_reported_by_name_and_never_answered_from() {
    let mut rows = random_rows(300, 20_000, 1_000);
    for (number, row) in rows.iter_mut().enumerate() {
        row.properties.insert(
            "mixed",
            match number % 4 {
                0 => Value::Bool(true),
                1 => Value::Integer(number as i64),
                2 => Value::Array("[1]".to_owned()),
                _ => Value::Float(1.0 / 3.0),
            },
        );
    }
    let directory = MemoryDirectory::new();
    seal_rows(&directory, &rows, 100).unwrap();
    let bytes = directory.open("p000001.columns").unwrap().to_vec();
    let mut reported = BTreeSet::new();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let directory = MemoryDirectory::new();
        directory.replace("p000001.columns", &changed).unwrap();
        let Ok(partition) = Partition::open(&directory, "p000001.columns") else {
            continue;
        };
        let mut by_verify = Vec::new();
        partition.verify(&mut |damaged| by_verify.push(damaged.section));
        let mut by_use = Vec::new();
        for stream in partition.streams() {
            by_use.extend(stream.touch().err().map(|damaged| damaged.section));
            by_use.extend(
                stream
                    .properties()
                    .iter()
                    .filter_map(|property| property.column().err().map(|damaged| damaged.section)),
            );
        }
        assert_eq!(by_use, by_verify, "byte {at}");
        assert!(by_use.len() <= 1);
        reported.extend(by_use);
    }
    let expected = [
        ", users",
        ", times",
        ", starts",
        ".url, text values",
        ".url, text dictionary",
        ".url, text dictionary offsets",
        ".amount, decimal values",
        ".mixed, bool presence",
        ".mixed, bool values",
        ".mixed, integer presence",
        ".mixed, integer values",
        ".mixed, float presence",
        ".mixed, float values",
        ".mixed, array presence",
        ".mixed, array values",
        ".mixed, array dictionary",
        ".mixed, array dictionary offsets",
    ];
    let expected: BTreeSet<String> = ["a", "b"]
        .iter()
        .flat_map(|name| expected.map(|what| format!("{name}{what}")))
        .collect();
    assert_eq!(reported, expected);
}

#[test]
fn truncated_images_are_errors() {
    let directory = MemoryDirectory::new();
    seal_rows(&directory, &random_rows(50, 100, 1_000), 10).unwrap();
    let bytes = directory.open("p000001.columns").unwrap().to_vec();
    for length in (0..bytes.len()).step_by(13) {
        let directory = MemoryDirectory::new();
        directory
            .replace("p000001.columns", &bytes[..length])
            .unwrap();
        assert!(
            Partition::open(&directory, "p000001.columns").is_err(),
            "{length}"
        );
    }
}
