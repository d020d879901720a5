//! Goal: what a load yields depends on the rows, never on the form they come in, on how they are
//! spread over files, or on the number of threads.
//! Method: the same few rows through every way in, dumped as plain lines.

use arrow::array::{
    ArrayRef, Int64Array, RecordBatch, StringArray, StructArray, TimestampMicrosecondArray,
    TimestampMillisecondArray,
};
use arrow_schema::{DataType, Field};
use crowdset_ingest::{
    ColumnMap, Events, IngestError, Input, OnBadRow, PartitionSizes, People, PeopleFiles, Progress,
    Rejections,
};
use crowdset_storage::{
    AttributeBuilder, IdKind, MemoryDirectory, PartData, StagedBlock, StagedColumn, StagedPart,
    StagedTexts, Table, Universe, Users, UsersBuilder,
};
use crowdset_types::UserOrdinal;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

const SEED: u64 = 11;

fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// What a load yields.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    /// `time event user {path=value, …}`, in the order of the contract.
    rows: Vec<String>,
    /// `user table.name=value`; histories as `user property.name@time=value`.
    attributes: BTreeSet<String>,
    universe: Vec<String>,
    partitions: Vec<(i64, i64, u64)>,
    duplicates: u64,
    orphans: u64,
    floored: u64,
    rejected: Vec<String>,
    column_over_key: u64,
    dotted_keys: u64,
}

#[derive(Clone)]
struct Setup {
    users: Vec<Input>,
    events: Vec<Input>,
    properties: Vec<Input>,
    columns: ColumnMap,
    on_bad_row: OnBadRow,
    sizes: PartitionSizes,
}

impl Setup {
    fn new() -> Self {
        Self {
            users: Vec::new(),
            events: Vec::new(),
            properties: Vec::new(),
            columns: ColumnMap::default(),
            on_bad_row: OnBadRow::Fail,
            sizes: PartitionSizes::default(),
        }
    }

    fn users(mut self, input: Input) -> Self {
        self.users.push(input);
        self
    }

    fn events(mut self, input: Input) -> Self {
        self.events.push(input);
        self
    }

    fn properties(mut self, input: Input) -> Self {
        self.properties.push(input);
        self
    }

    fn skip(mut self) -> Self {
        self.on_bad_row = OnBadRow::Skip;
        self
    }

    fn load(&self) -> Result<Outcome, IngestError> {
        let mut rejections = Rejections::default();
        let files = PeopleFiles::open(
            &self.users,
            &self.properties,
            &self.columns,
            self.on_bad_row,
            &mut rejections,
            &go_on,
        )?;
        let mut events = Events::open(
            &self.events,
            &self.columns,
            self.on_bad_row,
            &mut rejections,
            SEED,
            None,
            &go_on,
        )?;
        let mut people = People::new(None, false, SEED)?;
        people.read(&files, None, self.on_bad_row, &mut rejections, &go_on)?;
        people.see_events(&events);
        events.survey(&[], &mut rejections, &go_on)?;
        let mut outcome = Outcome::default();
        let mut rows = Vec::new();
        let plans = events.partitions(&[], self.sizes);
        let mut ids: Vec<(i64, String, u32, String)> = Vec::new();
        let mut hashes = vec![Vec::new(); plans.len()];
        events.take_hashes(&plans, &mut hashes, |all, some| {
            all.extend_from_slice(some);
            Ok::<(), IngestError>(())
        })?;
        let mut reader = events.reader(&people, &go_on)?;
        for (plan, hashes) in plans.into_iter().zip(hashes) {
            let (mut content, sink) =
                reader.read(plan.range, Some((Vec::new(), "p.parquet")), &mut rejections)?;
            assert!(!sink.expect("a sink was given").is_empty());
            outcome
                .partitions
                .push((plan.range.from.0, plan.range.to.0, content.rows()));
            // Those of rows that were left out may be among them.
            assert!(hashes.is_sorted() && hashes.len() as u64 >= content.rows());
            assert!(content.take_stored_hashes().is_empty());
            let positions: Vec<u32> = (0..content.rows() as u32).rev().collect();
            let mut keys = reader.event_ids(&content, &positions)?;
            keys.reverse();
            for (position, time, event, user, properties) in dump(content.take_blocks()) {
                assert!(plan.range.from.0 <= time && time < plan.range.to.0);
                rows.push((
                    time,
                    event.clone(),
                    keys[position as usize].clone(),
                    user,
                    properties,
                ));
                ids.push((time, event, user, format!("{:?}", keys[position as usize])));
            }
        }
        rows.sort_by(|left, right| (left.0, &left.1, &left.2).cmp(&(right.0, &right.1, &right.2)));
        rejections.check(self.on_bad_row)?;
        outcome.duplicates = events.duplicates;
        outcome.orphans = events.orphans + people.orphans;
        outcome.floored = events.floored + people.floored;
        outcome.column_over_key = events.column_over_key;
        outcome.dotted_keys = events.dotted_keys;
        outcome.rejected = rejections
            .samples
            .iter()
            .map(|row| format!("{}: {}", row.row, row.reason))
            .collect();
        assert_eq!(
            events.rows,
            events.stored + events.duplicates + rejected_events(&rejections, &self.events)
        );

        let (users, attributes, universe) = users_of(people);
        outcome.attributes = attributes;
        outcome.universe = universe;
        outcome.rows = rows
            .into_iter()
            .map(|(time, event, id, user, properties)| {
                format!(
                    "{time} {event} {} {id:?} {properties}",
                    users[user as usize]
                )
            })
            .collect();
        Ok(outcome)
    }
}

/// Rejected rows of these tests are all of one table.
fn rejected_events(rejections: &Rejections, events: &[Input]) -> u64 {
    if events.is_empty() {
        0
    } else {
        rejections.count
    }
}

fn users_of(people: People) -> (Vec<String>, BTreeSet<String>, Vec<String>) {
    let (ids, kind, universe, encoded) = people.into_parts().unwrap();
    let directory = MemoryDirectory::new();
    let mut builder = UsersBuilder::new(&ids, kind, universe);
    for attribute in encoded {
        builder.attribute(attribute);
    }
    builder.write(&directory, "users-000001.columns").unwrap();
    let users = Users::open(&directory, "users-000001.columns").unwrap();
    users.touch_ids().unwrap();
    let names: Vec<String> = (0..users.ordinals() as u32)
        .map(|user| users.id(UserOrdinal(user)).to_owned())
        .collect();
    let mut lines = BTreeSet::new();
    for attribute in users.attributes() {
        let table = if attribute.table() == Table::Users {
            "users"
        } else {
            "property"
        };
        let column = attribute.column().unwrap();
        for part in &column.parts {
            for row in (0..column.rows).filter(|row| part.is_present(*row)) {
                let value = match &part.data {
                    PartData::Bool(bits) => format!("{}", bits.get(row)),
                    PartData::Integer { base, offsets } => {
                        format!("{}i", base.wrapping_add(offsets.get(row) as i64))
                    }
                    PartData::Decimal {
                        places,
                        base,
                        offsets,
                    } => {
                        let scaled = base + offsets.get(row) as i64;
                        format!(
                            "{}f",
                            crowdset_types::Decimal {
                                scaled,
                                places: *places
                            }
                            .to_f64()
                        )
                    }
                    PartData::Float(values) => format!("{}f", values[row]),
                    PartData::Time { base, offsets } => {
                        format!("@{}", base + offsets.get(row) as i64)
                    }
                    PartData::Text { dictionary, codes } => {
                        format!("{:?}", dictionary.get(codes.get(row) as usize))
                    }
                    PartData::Array { dictionary, codes } => {
                        dictionary.get(codes.get(row) as usize).to_owned()
                    }
                };
                lines.insert(format!(
                    "{} {table}.{}={value}",
                    names[row],
                    attribute.name()
                ));
            }
        }
        let Some(history) = attribute.history().unwrap() else {
            continue;
        };
        let dictionary = column.parts.iter().find_map(|part| match &part.data {
            PartData::Text { dictionary, .. } => Some(dictionary),
            _ => None,
        });
        for chunk in (0..users.chunks() as u32).map(crowdset_types::ChunkId) {
            let rows = history.chunk(chunk);
            for (user, at, code) in rows.iter() {
                let value = if code == u32::MAX {
                    "unset"
                } else {
                    dictionary.unwrap().get(code as usize)
                };
                lines.insert(format!(
                    "{} property.{}@{at}={value}",
                    names[user as usize],
                    attribute.name()
                ));
            }
        }
    }
    let universe =
        (0..users.ordinals()).filter(|user| users.in_universe(UserOrdinal(*user as u32)));
    let universe = universe.map(|user| names[user].clone()).collect();
    (names, lines, universe)
}

/// All rows: position, time, event, user, properties.
fn dump(blocks: Vec<StagedBlock>) -> Vec<(u32, i64, String, u32, String)> {
    let mut dumped = Vec::new();
    for (event, rows) in blocks.into_iter().flat_map(|block| block.streams) {
        let mut properties: Vec<BTreeMap<String, String>> = vec![BTreeMap::new(); rows.users.len()];
        for (path, column) in rows.properties {
            let StagedColumn {
                bools,
                integers,
                floats,
                times,
                texts,
                arrays,
            } = column;
            let mut put = |row: u32, value: String| {
                let old = properties[row as usize].insert(path.clone(), value);
                assert_eq!(old, None, "one value per row and property");
            };
            each(&bools, |row, value| put(row, format!("{value}")));
            each(&integers, |row, value| put(row, format!("{value}i")));
            each(&floats, |row, value| put(row, format!("{value:?}f")));
            each(&times, |row, value| put(row, format!("@{value}")));
            each_text(&texts, |row, value| put(row, format!("{value:?}")));
            each_text(&arrays, |row, value| put(row, value.to_owned()));
        }
        for (row, properties) in properties.iter().enumerate() {
            let shown: Vec<String> = properties
                .iter()
                .map(|(path, value)| format!("{path}={value}"))
                .collect();
            dumped.push((
                rows.positions[row],
                rows.times[row],
                event.clone(),
                rows.users[row],
                format!("{{{}}}", shown.join(", ")),
            ));
        }
    }
    dumped
}

fn each<T: Copy>(part: &StagedPart<T>, mut visit: impl FnMut(u32, T)) {
    assert!(part.rows.is_empty() || part.rows.len() == part.values.len());
    assert!(part.rows.is_sorted_by(|left, right| left < right));
    for (index, value) in part.values.iter().enumerate() {
        visit(
            part.rows.get(index).copied().unwrap_or(index as u32),
            *value,
        );
    }
}

fn each_text(texts: &StagedTexts, mut visit: impl FnMut(u32, &str)) {
    each(&texts.codes, |row, code| {
        let start = if code == 0 {
            0
        } else {
            texts.ends[code as usize - 1]
        };
        visit(
            row,
            std::str::from_utf8(&texts.bytes[start as usize..texts.ends[code as usize] as usize])
                .unwrap(),
        );
    });
}

fn path(path: &Path) -> Input {
    Input::Path(path.to_str().unwrap().to_owned())
}

fn write(folder: &Path, name: &str, text: &str) -> Input {
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap();
    path(&file)
}

fn text(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn maybe(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn millis(values: &[i64]) -> ArrayRef {
    Arc::new(TimestampMillisecondArray::from(values.to_vec()))
}

fn batch(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(
        columns
            .iter()
            .map(|(name, array)| (*name, array.clone(), true)),
    )
    .unwrap()
}

fn parquet(folder: &Path, name: &str, batch: &RecordBatch, group_rows: usize) -> Input {
    let file = folder.join(name);
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(group_rows))
        .build();
    let mut writer = ArrowWriter::try_new(
        std::fs::File::create(&file).unwrap(),
        batch.schema(),
        Some(properties),
    )
    .unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    path(&file)
}

fn batches(batch: &RecordBatch) -> Input {
    Input::Batches(vec![batch.clone()])
}

fn event_batch() -> RecordBatch {
    batch(&[
        ("event_id", text(&["e1", "e2", "e3", "e4"])),
        ("user_id", text(&["ada", "bob", "ada", "cy"])),
        ("event_name", text(&["buy", "view", "buy", "view"])),
        ("timestamp", millis(&[3_000, 1_000, 2_000, 1_000])),
        (
            "properties",
            maybe(&[
                Some(r#"{"sku":"a","price":9.5,"cart":{"n":2}}"#),
                None,
                Some(r#"{"sku":"b\n","tags":["x",1],"vip":true}"#),
                Some(r#"{"sku":7}"#),
            ]),
        ),
    ])
}

fn user_batch() -> RecordBatch {
    batch(&[
        ("user_id", text(&["ada", "bob", "ada"])),
        ("plan", maybe(&[Some("free"), None, Some("pro")])),
        (
            "age",
            Arc::new(Int64Array::from(vec![Some(30), Some(41), None])) as ArrayRef,
        ),
        ("created_at", millis(&[0, 86_400_000, 1_500])),
    ])
}

fn property_batch() -> RecordBatch {
    batch(&[
        (
            "property_id",
            Arc::new(Int64Array::from(vec![9, 10, 11, 12])) as ArrayRef,
        ),
        ("user_id", text(&["ada", "ada", "bob", "cy"])),
        ("property_name", text(&["stage", "stage", "stage", "lang"])),
        (
            "property_value",
            maybe(&[Some("new"), Some("won"), None, Some("de")]),
        ),
        (
            "updated_at",
            Arc::new(TimestampMillisecondArray::from(vec![
                Some(5_000),
                Some(5_000),
                Some(7_000),
                None,
            ])) as ArrayRef,
        ),
    ])
}

fn expected() -> Outcome {
    let lines = |lines: &[&str]| {
        lines
            .iter()
            .map(|line| (*line).to_owned())
            .collect::<Vec<_>>()
    };
    Outcome {
        rows: lines(&[
            r#"1000 view bob Text("e2") {}"#,
            r#"1000 view cy Text("e4") {sku=7i}"#,
            r#"2000 buy ada Text("e3") {sku="b\n", tags=["x",1], vip=true}"#,
            r#"3000 buy ada Text("e1") {cart.n=2i, price=9.5f, sku="a"}"#,
        ]),
        attributes: lines(&[
            "ada users.plan=\"pro\"",
            "ada users.age=30i",
            "bob users.age=41i",
            "ada users.created_at=@1500",
            "bob users.created_at=@86400000",
            "ada property.stage=\"won\"",
            "ada property.stage@5000=won",
            "bob property.stage@7000=unset",
            "cy property.lang=\"de\"",
        ])
        .into_iter()
        .collect(),
        universe: lines(&["ada", "bob"]),
        partitions: vec![(0, 86_400_000, 4)],
        orphans: 2,
        ..Outcome::default()
    }
}

#[test]
fn every_form_of_input_yields_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let of_batches = Setup::new()
        .users(batches(&user_batch()))
        .events(batches(&event_batch()))
        .properties(batches(&property_batch()));
    assert_eq!(of_batches.load().unwrap(), expected());

    let of_parquet = Setup::new()
        .users(parquet(root, "users.parquet", &user_batch(), 2))
        .events(parquet(root, "events.parquet", &event_batch(), 1))
        .properties(parquet(root, "props.parquet", &property_batch(), 100));
    assert_eq!(of_parquet.load().unwrap(), expected());

    let of_csv = Setup::new()
        .users(write(
            root,
            "users.csv",
            "user_id,plan,age,created_at\nada,free,30,1970-01-01\nbob,,41,1970-01-02T00:00:00Z\r\nada,pro,,1970-01-01T00:00:01.500Z\n",
        ))
        .events(write(
            root,
            "events.csv",
            "event_id,user_id,event_name,timestamp,properties\n\
             e1,ada,buy,1970-01-01T00:00:03Z,\"{\"\"sku\"\":\"\"a\"\",\"\"price\"\":9.5,\"\"cart\"\":{\"\"n\"\":2}}\"\n\
             e2,bob,view,1970-01-01 00:00:01,\n\
             e3,ada,buy,1970-01-01T00:00:02Z,\"{\"\"sku\"\":\"\"b\\n\"\",\"\"tags\"\":[\"\"x\"\",1],\"\"vip\"\":true}\"\n\
             e4,cy,view,1970-01-01T01:00:01+01:00,\"{\"\"sku\"\":7}\"\n",
        ))
        .properties(write(
            root,
            "props.csv",
            "property_id,user_id,property_name,property_value,updated_at\n\
             9,ada,stage,new,1970-01-01T00:00:05Z\n10,ada,stage,won,1970-01-01T00:00:05Z\n\
             11,bob,stage,,1970-01-01T00:00:07Z\n12,cy,lang,de,\n",
        ));
    assert_eq!(of_csv.load().unwrap(), expected());

    let of_ndjson = Setup::new()
        .users(write(
            root,
            "users.ndjson",
            "{\"user_id\":\"ada\",\"plan\":\"free\",\"age\":30,\"created_at\":\"1970-01-01\"}\n\n\
             {\"user_id\":\"bob\",\"plan\":null,\"age\":41,\"created_at\":\"1970-01-02\"}\n\
             {\"user_id\":\"ada\",\"plan\":\"pro\",\"created_at\":\"1970-01-01T00:00:01.5Z\"}",
        ))
        .events(write(
            root,
            "events.ndjson",
            "{\"event_id\":\"e1\",\"user_id\":\"ada\",\"event_name\":\"buy\",\"timestamp\":\"1970-01-01T00:00:03Z\",\"properties\":{\"sku\":\"a\",\"price\":9.5},\"cart\":{\"n\":2}}\n\
             {\"event_id\":\"e2\",\"user_id\":\"bob\",\"event_name\":\"view\",\"timestamp\":\"1970-01-01T00:00:01Z\",\"properties\":null}\n\
             {\"event_id\":\"e3\",\"user_id\":\"ada\",\"event_name\":\"buy\",\"timestamp\":\"1970-01-01T00:00:02Z\",\"sku\":\"b\\n\",\"tags\":[\"x\",1],\"vip\":true}\n\
             {\"event_id\":\"e4\",\"user_id\":\"cy\",\"event_name\":\"view\",\"timestamp\":\"1970-01-01T00:00:01Z\",\"properties\":\"{\\\"sku\\\":7}\"}\n",
        ))
        .properties(write(
            root,
            "props.ndjson",
            "{\"property_id\":9,\"user_id\":\"ada\",\"property_name\":\"stage\",\"property_value\":\"new\",\"updated_at\":\"1970-01-01T00:00:05Z\"}\n\
             {\"property_id\":10,\"user_id\":\"ada\",\"property_name\":\"stage\",\"property_value\":\"won\",\"updated_at\":\"1970-01-01T00:00:05Z\"}\n\
             {\"property_id\":11,\"user_id\":\"bob\",\"property_name\":\"stage\",\"property_value\":null,\"updated_at\":\"1970-01-01T00:00:07Z\"}\n\
             {\"property_id\":12,\"user_id\":\"cy\",\"property_name\":\"lang\",\"property_value\":\"de\"}\n",
        ));
    assert_eq!(of_ndjson.load().unwrap(), expected());
}

#[test]
fn plain_columns_are_properties_and_win_over_json() {
    let plain = batch(&[
        ("event_id", text(&["1", "2"])),
        ("user_id", text(&["a", "b"])),
        ("event_name", text(&["buy", "buy"])),
        ("timestamp", millis(&[1, 2])),
        (
            "properties",
            text(&[r#"{"price":1,"cart.n":5,"x":1}"#, r#"{"price":1}"#]),
        ),
        (
            "price",
            Arc::new(Int64Array::from(vec![Some(9), None])) as ArrayRef,
        ),
        (
            "paid_at",
            Arc::new(TimestampMicrosecondArray::from(vec![1_500, 2_000])) as ArrayRef,
        ),
    ]);
    let outcome = Setup::new().events(batches(&plain)).load().unwrap();
    assert_eq!(
        outcome.rows,
        [
            r#"1 buy a Text("1") {cart.n=5i, paid_at=@1, price=9i, x=1i}"#,
            r#"2 buy b Text("2") {paid_at=@2, price=1i}"#
        ]
    );
    assert_eq!((outcome.column_over_key, outcome.dotted_keys), (1, 1));
    assert_eq!(
        outcome.universe,
        ["a", "b"],
        "without a users table everyone seen is a user"
    );
}

#[test]
fn struct_properties_are_typed_as_they_are() {
    let properties = StructArray::from(vec![
        (
            Arc::new(Field::new("price", DataType::Int64, true)),
            Arc::new(Int64Array::from(vec![Some(1), None])) as ArrayRef,
        ),
        (
            Arc::new(Field::new("at", millis(&[]).data_type().clone(), true)),
            millis(&[7, 8]),
        ),
    ]);
    let events = batch(&[
        ("event_id", text(&["1", "2"])),
        ("user_id", text(&["a", "b"])),
        ("event_name", text(&["buy", "buy"])),
        ("timestamp", millis(&[1, 2])),
        ("properties", Arc::new(properties)),
    ]);
    assert_eq!(
        Setup::new().events(batches(&events)).load().unwrap().rows,
        [
            r#"1 buy a Text("1") {at=@7, price=1i}"#,
            r#"2 buy b Text("2") {at=@8}"#
        ]
    );
}

/// Many events, four to an instant, over some days; every tenth id comes a second time, later.
fn many(rows: usize) -> RecordBatch {
    let day = 86_400_000_i64;
    let ids: Vec<String> = (0..rows)
        .map(|row| format!("e{}", if row % 10 == 9 { row - 7 } else { row }))
        .collect();
    let users: Vec<String> = (0..rows)
        .map(|row| format!("u{}", row * 7919 % 97))
        .collect();
    let names: Vec<&str> = (0..rows)
        .map(|row| ["buy", "view", "sign"][row % 3])
        .collect();
    // Not in order of time.
    let times: Vec<i64> = (0..rows)
        .map(|row| (row as i64 * 31 % rows as i64) / 4 * (day / 50))
        .collect();
    let json: Vec<String> = (0..rows)
        .map(|row| format!(r#"{{"n":{row},"s":"t{}"}}"#, row % 5))
        .collect();
    batch(&[
        ("event_id", Arc::new(StringArray::from(ids)) as ArrayRef),
        ("user_id", Arc::new(StringArray::from(users)) as ArrayRef),
        ("event_name", text(&names)),
        ("timestamp", millis(&times)),
        ("properties", Arc::new(StringArray::from(json)) as ArrayRef),
    ])
}

#[test]
fn neither_files_nor_threads_nor_partitions_change_the_rows() {
    let rows = 2_000;
    let all = many(rows);
    let whole = Setup::new().events(batches(&all)).load().unwrap();
    assert_eq!(whole.duplicates, rows as u64 / 10);
    assert_eq!(whole.rows.len(), rows - rows / 10);

    let folder = tempfile::tempdir().unwrap();
    for (number, start) in (0..rows).step_by(300).enumerate() {
        let piece = all.slice(start, 300.min(rows - start));
        parquet(folder.path(), &format!("{number:03}.parquet"), &piece, 70);
    }
    let sizes = PartitionSizes {
        rows: 250,
        ..PartitionSizes::default()
    };
    let setup = Setup {
        sizes,
        ..Setup::new().events(path(folder.path()))
    };
    let mut outcomes = Vec::new();
    for threads in [1, 4] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        outcomes.push(pool.install(|| setup.load()).unwrap());
    }
    assert_eq!(outcomes[0], outcomes[1]);
    assert!(outcomes[0].partitions.len() > 3);
    assert_eq!(outcomes[0].rows, whole.rows);
    assert_eq!(outcomes[0].duplicates, whole.duplicates);
}

#[test]
fn ids_may_be_integers_and_order_as_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let events = batch(&[
        (
            "event_id",
            Arc::new(Int64Array::from(vec![10, 9])) as ArrayRef,
        ),
        (
            "user_id",
            Arc::new(arrow::array::UInt32Array::from(vec![7, 7])) as ArrayRef,
        ),
        ("event_name", text(&["e", "e"])),
        ("timestamp", millis(&[1, 1])),
    ]);
    let rows = ["1 e 7 Integer(9) {}", "1 e 7 Integer(10) {}"];
    assert_eq!(
        Setup::new().events(batches(&events)).load().unwrap().rows,
        rows
    );
    let csv = write(
        folder.path(),
        "e.csv",
        "event_id,user_id,event_name,timestamp\n10,7,e,1970-01-01T00:00:00.001\n9,7,e,1970-01-01T00:00:00.001\n",
    );
    assert_eq!(Setup::new().events(csv).load().unwrap().rows, rows);
    let lines = write(
        folder.path(),
        "e.ndjson",
        "{\"event_id\":10,\"user_id\":7,\"event_name\":\"e\",\"timestamp\":\"1970-01-01T00:00:00.001\"}\n{\"event_id\":9,\"user_id\":7,\"event_name\":\"e\",\"timestamp\":\"1970-01-01T00:00:00.001\"}",
    );
    assert_eq!(
        Setup::new().events(lines.clone()).load().unwrap().rows,
        rows
    );
    // Of different types they compare as text, and 10 is 10.
    let mixed = batch(&[
        ("event_id", text(&["10", "x"])),
        ("user_id", text(&["7", "7"])),
        ("event_name", text(&["e", "e"])),
        ("timestamp", millis(&[1, 1])),
    ]);
    let outcome = Setup::new()
        .events(lines)
        .events(batches(&mixed))
        .load()
        .unwrap();
    assert_eq!(
        outcome.rows,
        [
            r#"1 e 7 Text("10") {}"#,
            r#"1 e 7 Text("9") {}"#,
            r#"1 e 7 Text("x") {}"#
        ]
    );
    assert_eq!(outcome.duplicates, 1);
}

#[test]
fn bad_rows_fail_or_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let csv = "event_id,user_id,event_name,timestamp,properties\n\
               1,a,e,1970-01-01T00:00:00Z,{}\n\
               ,a,e,1970-01-01T00:00:00Z,\n\
               3,,e,1970-01-01T00:00:00Z,\n\
               4,a,,1970-01-01T00:00:00Z,\n\
               5,a,e,,\n\
               6,a,e,soon,\n\
               7,a,e,1500-01-01,\n\
               8,a,e\n\
               9,a,e,1970-01-01T00:00:00Z,{\n\
               10,a,e,1970-01-01T00:00:00Z,[]\n\
               11,a,e,1970-01-01T00:00:00Z,\"{\"\"n\"\":1e400}\"\n\
               9,a,e,1970-01-01T00:00:00Z,\"{\"\"n\"\":1}\"\n";
    let setup = Setup::new().events(write(folder.path(), "e.csv", csv));
    assert!(matches!(setup.load(), Err(IngestError::BadRows { .. })));
    let outcome = setup.skip().load().unwrap();
    // The broken row does not push out the later one of its id.
    assert_eq!(
        outcome.rows,
        ["0 e a Integer(1) {}", "0 e a Integer(9) {n=1i}"]
    );
    assert_eq!(outcome.duplicates, 0);
    let mut rows: Vec<u64> = outcome
        .rejected
        .iter()
        .map(|line| line.split(':').next().unwrap().parse().unwrap())
        .collect();
    rows.sort_unstable();
    assert_eq!(rows, [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    let reason = |row: u64| {
        outcome
            .rejected
            .iter()
            .find(|line| line.starts_with(&format!("{row}:")))
            .unwrap()
            .clone()
    };
    assert!(reason(2).contains("`event_id` is null"), "{}", reason(2));
    assert!(reason(6).contains("`soon` is no time"), "{}", reason(6));
    assert!(reason(7).contains("1677 to 2262"), "{}", reason(7));
    assert!(reason(8).contains("3 fields"), "{}", reason(8));
    assert!(reason(10).contains("no object"), "{}", reason(10));
}

#[test]
fn a_failing_load_names_the_first_bad_rows() {
    let times: Vec<Option<&str>> = (0..50)
        .map(|row| (row % 2 == 0).then_some("1970-01-01"))
        .collect();
    let ids: Vec<String> = (0..50).map(|row| row.to_string()).collect();
    let events = batch(&[
        ("event_id", Arc::new(StringArray::from(ids)) as ArrayRef),
        ("user_id", text(&["a"; 50])),
        ("event_name", text(&["e"; 50])),
        ("timestamp", maybe(&times)),
    ]);
    let error = Setup::new().events(batches(&events)).load().unwrap_err();
    let message = error.to_string();
    assert!(message.starts_with("25 rows cannot be used"), "{message}");
    assert!(
        message.contains("record batches, row 2: `timestamp` is null"),
        "{message}"
    );
    assert!(message.contains("… and 15 more"), "{message}");
}

#[test]
fn columns_are_checked_and_may_be_mapped() {
    let events = batch(&[
        ("event_id", text(&["1"])),
        ("who", text(&["a"])),
        ("event_name", text(&["decoy"])),
        ("action", text(&["e"])),
        ("timestamp", millis(&[5])),
    ]);
    let setup = Setup::new().events(batches(&events));
    let message = setup.load().unwrap_err().to_string();
    assert!(
        message.contains("no column `user_id`") && message.contains("--map events.user_id=NAME"),
        "{message}"
    );
    let mut columns = ColumnMap::default();
    columns.add("events.user_id=who").unwrap();
    columns.add("events.event_name=action").unwrap();
    let outcome = Setup { columns, ..setup }.load().unwrap();
    assert_eq!(outcome.rows, [r#"5 e a Text("1") {event_name="decoy"}"#]);

    let numbers = batch(&[
        ("event_id", text(&["1"])),
        ("user_id", text(&["a"])),
        ("event_name", text(&["e"])),
        ("timestamp", Arc::new(Int64Array::from(vec![5])) as ArrayRef),
    ]);
    let message = Setup::new()
        .events(batches(&numbers))
        .load()
        .unwrap_err()
        .to_string();
    assert!(message.contains("does not say its unit"), "{message}");

    // In a line the cure is shown by the time that was probably meant.
    let folder = tempfile::tempdir().unwrap();
    for number in ["1767225600", "1767225600000", "1.7672256e9"] {
        let line = format!(
            r#"{{"event_id": 1, "user_id": "a", "event_name": "e", "timestamp": {number}}}"#
        );
        let input = write(folder.path(), "numbers.ndjson", &line);
        let message = Setup::new().events(input).load().unwrap_err().to_string();
        let cure = format!(
            "`timestamp` is {number}; a time is RFC 3339 text such as \"2026-01-01T00:00:00Z\""
        );
        assert!(message.contains(&cure), "{message}");
    }
}

#[test]
fn empty_inputs_are_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let empty = event_batch().slice(0, 0);
    for input in [
        batches(&empty),
        parquet(folder.path(), "e.parquet", &empty, 10),
        write(folder.path(), "e.ndjson", ""),
        write(
            folder.path(),
            "e.csv",
            "event_id,user_id,event_name,timestamp\n",
        ),
        Input::Batches(Vec::new()),
    ] {
        assert_eq!(
            Setup::new().events(input).load().unwrap(),
            Outcome::default()
        );
    }
    let nothing = write(folder.path(), "nothing.csv", "");
    assert!(matches!(
        Setup::new().events(nothing).load(),
        Err(IngestError::Header { .. })
    ));
}

#[test]
fn centuries_make_few_partitions_and_the_ends_of_time_fit() {
    let (first, last) = (
        crowdset_types::TimestampMillis::MIN.0,
        crowdset_types::TimestampMillis::MAX.0,
    );
    let year = 365 * 86_400_000_i64;
    let mut times = vec![first, last];
    times.extend((0..150).map(|number| -100 * year + number * year));
    let ids: Vec<String> = (0..times.len()).map(|row| row.to_string()).collect();
    let rows = times.len();
    let events = batch(&[
        ("event_id", Arc::new(StringArray::from(ids)) as ArrayRef),
        ("user_id", text(&vec!["a"; rows])),
        ("event_name", text(&vec!["e"; rows])),
        ("timestamp", millis(&times)),
    ]);
    let outcome = Setup::new().events(batches(&events)).load().unwrap();
    assert_eq!(outcome.rows.len(), rows);
    assert_eq!(outcome.partitions.len(), 1);
    assert!(outcome.rows[0].starts_with(&first.to_string()));
    assert!(outcome.rows[rows - 1].starts_with(&last.to_string()));
}

#[test]
fn a_cancelled_load_says_so() {
    let mut events = Events::open(
        &[batches(&event_batch())],
        &ColumnMap::default(),
        OnBadRow::Fail,
        &mut Rejections::default(),
        SEED,
        None,
        &go_on,
    )
    .unwrap();
    let outcome = events.survey(&[], &mut Rejections::default(), &|_| ControlFlow::Break(()));
    assert!(matches!(outcome, Err(IngestError::Cancelled)));
}

#[test]
fn the_users_table_can_be_written_and_read_again() {
    let mut people = People::new(None, false, SEED).unwrap();
    let mixed = batch(&[
        ("user_id", text(&["ada", "cy"])),
        ("age", text(&["old", "7"])),
    ]);
    let files = PeopleFiles::open(
        &[batches(&user_batch()), batches(&mixed)],
        &[],
        &ColumnMap::default(),
        OnBadRow::Fail,
        &mut Rejections::default(),
        &go_on,
    )
    .unwrap();
    people
        .read(
            &files,
            None,
            OnBadRow::Fail,
            &mut Rejections::default(),
            &go_on,
        )
        .unwrap();
    let (ids, kind, universe, attributes) = people.into_parts().unwrap();
    assert!(matches!(
        (kind, &universe),
        (IdKind::Text, Universe::Bits(_))
    ));
    let directory = MemoryDirectory::new();
    let mut builder = UsersBuilder::new(&ids, kind, universe);
    for attribute in attributes {
        builder.attribute(attribute);
    }
    builder.write(&directory, "users-000001.columns").unwrap();
    let users = Users::open(&directory, "users-000001.columns").unwrap();
    let written = crowdset_ingest::write_users(&users, Vec::new(), "users.parquet").unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("users.parquet"), written).unwrap();
    let outcome = Setup::new()
        .users(path(&folder.path().join("users.parquet")))
        .load()
        .unwrap();
    assert_eq!(
        outcome
            .attributes
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>(),
        [
            "ada users.age=\"old\"",
            "ada users.created_at=@1500",
            "ada users.plan=\"pro\"",
            "bob users.age=41i",
            "bob users.created_at=@86400000",
            "cy users.age=\"7\"",
        ]
    );
    assert_eq!(
        AttributeBuilder::from_attribute(&users.attributes()[0])
            .unwrap()
            .name(),
        "age"
    );
}
