//! Goal: however often and in whatever order tables are loaded, the store holds what the rules say,
//! and a load that fails changes nothing.
//! Method: small tables, loaded into stores in memory and on disk, asked by segments and reopened.

use crowdset::arrow::array::{
    ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use crowdset::arrow::datatypes::Schema;
use crowdset::{AsOf, Engine, LoadError, LoadOptions, LoadReport, OnBadRow, Segment, Tables};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

const DAY: i64 = 86_400_000;

fn text(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn batch(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(
        columns
            .iter()
            .map(|(name, array)| (*name, array.clone(), true)),
    )
    .unwrap()
}

/// Events of `(id, user, name, day, amount)`.
fn events(rows: &[(&str, &str, &str, i64, i64)]) -> RecordBatch {
    let times: Vec<i64> = rows.iter().map(|row| row.3 * DAY + 1_000).collect();
    let json: Vec<String> = rows
        .iter()
        .map(|row| format!(r#"{{"amount":{}}}"#, row.4))
        .collect();
    batch(&[
        (
            "event_id",
            text(&rows.iter().map(|row| row.0).collect::<Vec<_>>()),
        ),
        (
            "user_id",
            text(&rows.iter().map(|row| row.1).collect::<Vec<_>>()),
        ),
        (
            "event_name",
            text(&rows.iter().map(|row| row.2).collect::<Vec<_>>()),
        ),
        (
            "timestamp",
            Arc::new(TimestampMillisecondArray::from(times)),
        ),
        ("properties", Arc::new(StringArray::from(json))),
    ])
}

fn users(rows: &[(&str, &str)]) -> RecordBatch {
    let (ids, plans): (Vec<&str>, Vec<Option<&str>>) = rows
        .iter()
        .map(|(id, plan)| (*id, (!plan.is_empty()).then_some(*plan)))
        .unzip();
    batch(&[
        ("user_id", text(&ids)),
        ("plan", Arc::new(StringArray::from(plans))),
    ])
}

fn members(engine: &Engine, segment: &str) -> Vec<String> {
    members_at(engine, segment, AsOf::now())
}

fn members_at(engine: &Engine, segment: &str, as_of: AsOf) -> Vec<String> {
    let segment: Segment = segment.parse().unwrap();
    let audience = engine.snapshot().evaluate(&segment, as_of).unwrap();
    let ids = audience.user_ids();
    let ids = ids
        .as_any()
        .downcast_ref::<StringArray>()
        .expect("ids are text here");
    ids.iter().flatten().map(str::to_owned).collect()
}

fn load(engine: &Engine, batch: &RecordBatch) -> LoadReport {
    engine.append(batch).unwrap()
}

#[test]
fn a_second_load_of_the_same_rows_changes_nothing() {
    let engine = Engine::in_memory();
    let rows = events(&[
        ("1", "a", "buy", 0, 5),
        ("2", "b", "buy", 1, 7),
        ("2", "a", "buy", 1, 100),
    ]);
    let first = load(&engine, &rows);
    assert_eq!(
        (first.rows, first.stored, first.duplicates, first.orphans),
        (3, 2, 1, 0)
    );
    let second = load(&engine, &rows);
    assert_eq!(
        (
            second.rows,
            second.stored,
            second.duplicates,
            second.partitions
        ),
        (3, 0, 3, 0)
    );
    assert_eq!(members(&engine, "sum(buy.amount) >= 5"), ["a", "b"]);
    assert_eq!(members(&engine, "sum(buy.amount) > 6"), ["b"]);
}

#[test]
fn late_events_join_the_partition_of_their_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    {
        let engine = Engine::open(&path).unwrap();
        load(
            &engine,
            &events(&[("1", "a", "buy", 10, 1), ("2", "b", "view", 11, 1)]),
        );
        load(&engine, &events(&[("3", "a", "buy", 400, 1)]));
        // Before, between, in the middle of, and after what is there.
        load(
            &engine,
            &events(&[
                ("4", "c", "buy", -300, 1),
                ("5", "a", "view", 10, 2),
                ("6", "c", "buy", 200, 1),
                ("1", "z", "buy", 900, 1),
            ]),
        );
    }
    let engine = Engine::open_read_only(&path).unwrap();
    assert_eq!(members(&engine, "did(buy)"), ["a", "c"]);
    assert_eq!(members(&engine, "count(any event) = 3"), ["a"]);
    assert_eq!(members(&engine, "count(buy) = 2"), ["a", "c"]);
    assert_eq!(members(&engine, "sequence(view then buy)"), ["a"]);
    assert!(engine.snapshot().verify().faults.is_empty());
}

#[test]
fn orphans_count_as_soon_as_their_user_arrives() {
    let engine = Engine::in_memory();
    engine.append_users(&users(&[("a", "free")])).unwrap();
    let report = load(
        &engine,
        &events(&[("1", "a", "buy", 0, 1), ("2", "b", "buy", 0, 1)]),
    );
    assert_eq!((report.stored, report.orphans), (2, 1));
    assert_eq!(members(&engine, "did(buy)"), ["a"]);
    assert_eq!(members(&engine, "everyone"), ["a"]);
    let report = engine.append_users(&users(&[("b", "pro")])).unwrap();
    assert_eq!(
        (report.rows, report.users, report.universe_replaced),
        (0, 1, false)
    );
    assert_eq!(members(&engine, "did(buy)"), ["a", "b"]);
    assert_eq!(members(&engine, "plan = 'pro'"), ["b"]);
}

#[test]
fn a_users_table_replaces_a_universe_of_events() {
    let engine = Engine::in_memory();
    load(
        &engine,
        &events(&[("1", "a", "buy", 0, 1), ("2", "b", "buy", 0, 1)]),
    );
    assert_eq!(members(&engine, "everyone"), ["a", "b"]);
    let report = engine
        .append_users(&users(&[("b", "free"), ("c", "free")]))
        .unwrap();
    assert!(report.universe_replaced);
    assert_eq!(members(&engine, "everyone"), ["b", "c"]);
    assert_eq!(members(&engine, "not did(buy)"), ["c"]);
}

#[test]
fn later_rows_of_a_user_replace_it_column_by_column() {
    let engine = Engine::in_memory();
    engine
        .append_users(&users(&[("a", "free"), ("b", "free")]))
        .unwrap();
    engine
        .append_users(&users(&[("a", ""), ("b", "pro")]))
        .unwrap();
    let more = batch(&[
        ("user_id", text(&["a"])),
        ("age", Arc::new(Int64Array::from(vec![30]))),
    ]);
    engine.append_users(&more).unwrap();
    assert_eq!(members(&engine, "plan = 'free' and age = 30"), ["a"]);
    assert_eq!(members(&engine, "plan = 'pro' and age is not set"), ["b"]);
}

#[test]
fn histories_go_on_over_loads() {
    let engine = Engine::in_memory();
    let property = |id: i64, value: &str, at: Option<i64>| {
        batch(&[
            (
                "property_id",
                Arc::new(Int64Array::from(vec![id])) as ArrayRef,
            ),
            ("user_id", text(&["a"])),
            ("property_name", text(&["stage"])),
            ("property_value", text(&[value])),
            (
                "updated_at",
                Arc::new(TimestampMillisecondArray::from(vec![at])),
            ),
        ])
    };
    for (id, value, at) in [
        (5, "new", Some(10 * DAY)),
        (4, "late", Some(10 * DAY)),
        (1, "won", Some(20 * DAY)),
        (2, "first", None),
    ] {
        let report = engine
            .append_user_properties(&property(id, value, at))
            .unwrap();
        assert_eq!(report.user_properties, 1);
    }
    let value_at = |day: i64, value: &str| {
        let segment: Segment = format!("stage = '{value}'").parse().unwrap();
        engine
            .snapshot()
            .evaluate(&segment, AsOf::at(crowdset::TimestampMillis(day * DAY)))
            .unwrap()
            .len()
            == 1
    };
    assert!(value_at(5, "first"));
    assert!(
        value_at(15, "new"),
        "of equal times the larger property_id holds, over loads too"
    );
    assert!(value_at(25, "won"));
}

#[test]
fn a_failed_load_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let engine = Engine::open(&path).unwrap();
    load(&engine, &events(&[("1", "a", "buy", 0, 1)]));
    let files = |path: &Path| {
        let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| {
                (
                    entry.file_name().into_string().unwrap(),
                    std::fs::read(entry.path()).unwrap(),
                )
            })
            .collect();
        files.sort();
        files
    };
    let before = files(&path);
    let good = events(&[("2", "b", "buy", 0, 1), ("3", "c", "buy", 0, 1)]);
    // The last row's JSON is broken, which only the second look at the rows finds.
    let json = text(&[r#"{"amount":1}"#, "{"]);
    let mut columns = good.columns().to_vec();
    columns[4] = json;
    let bad = RecordBatch::try_new(good.schema(), columns).unwrap();
    let tables = Tables::default()
        .event_batch(bad.clone())
        .user_batch(users(&[("q", "free")]));
    assert!(matches!(
        engine.load(&tables, &LoadOptions::default()),
        Err(LoadError::Input(_))
    ));
    assert_eq!(files(&path), before);
    assert_eq!(members(&engine, "everyone"), ["a"]);

    let cancelled = LoadOptions::default().cancel(Arc::new(AtomicBool::new(true)));
    assert!(
        engine
            .load(&Tables::default().event_batch(good), &cancelled)
            .is_err()
    );
    assert_eq!(files(&path), before);

    let report = engine
        .load(
            &Tables::default().event_batch(bad),
            &LoadOptions::default().on_bad_row(OnBadRow::Skip),
        )
        .unwrap();
    assert_eq!((report.rows, report.stored, report.rejected), (2, 1, 1));
    assert_eq!(members(&engine, "did(buy)"), ["a", "b"]);
}

#[test]
fn small_partitions_answer_as_one_does() {
    let rows: Vec<(String, String, i64)> = (0..600_i64)
        .map(|row| {
            (
                format!("e{row}"),
                format!("u{}", row * 7 % 13),
                row * 17 % 120,
            )
        })
        .collect();
    let all: Vec<(&str, &str, &str, i64, i64)> = rows
        .iter()
        .map(|(id, user, day)| {
            (
                id.as_str(),
                user.as_str(),
                ["buy", "view"][(day % 2) as usize],
                *day,
                *day,
            )
        })
        .collect();
    let whole = Engine::in_memory();
    load(&whole, &events(&all));
    let pieces = Engine::in_memory();
    let options = LoadOptions::default().partition_rows(50);
    for piece in all.chunks(97) {
        pieces
            .load(&Tables::default().event_batch(events(piece)), &options)
            .unwrap();
    }
    assert!(pieces.snapshot().stats().events.partitions.len() > 5);
    for segment in [
        "count(buy) > 23",
        "sum(view.amount) > 1300",
        "sequence(buy then view then buy, within 3 days)",
    ] {
        assert_eq!(
            members(&pieces, segment),
            members(&whole, segment),
            "{segment}"
        );
    }
}

/// Large row groups go into the store as they are encoded; what is read from there must be the same.
#[test]
fn copied_row_groups_read_as_encoded_ones_do() {
    let rows: Vec<(String, String, i64)> = (0..40_000_i64)
        .map(|row| {
            (
                format!("e{row}"),
                format!("u{}", row * 7 % 1_013),
                row / 4_000,
            )
        })
        .collect();
    let all: Vec<(&str, &str, &str, i64, i64)> = rows
        .iter()
        .map(|(id, user, day)| {
            (
                id.as_str(),
                user.as_str(),
                ["buy", "view"][id.len() % 2],
                *day,
                *day,
            )
        })
        .collect();
    let nullable = events(&all);
    let fields = nullable
        .schema()
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_nullable(false))
        .collect::<Vec<_>>();
    let required =
        RecordBatch::try_new(Arc::new(Schema::new(fields)), nullable.columns().to_vec()).unwrap();
    let late = events(&[("late", "u1", "buy", 3, 9), ("e5", "u2", "buy", 3, 9)]);
    // Rows that may be left out are never copied.
    let encoded = Engine::in_memory();
    let skip = LoadOptions::default().on_bad_row(OnBadRow::Skip);
    encoded
        .load(&Tables::default().event_batch(nullable.clone()), &skip)
        .unwrap();
    encoded
        .load(&Tables::default().event_batch(late.clone()), &skip)
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (name, first) in [("nullable", nullable), ("required", required)] {
        let path = folder.path().join(name);
        let copied = Engine::open(&path).unwrap();
        assert_eq!(load(&copied, &first).stored, 40_000);
        assert_eq!(load(&copied, &first).duplicates, 40_000);
        let report = load(&copied, &late);
        assert_eq!((report.stored, report.duplicates), (1, 1));
        drop(copied);
        let copied = Engine::open_read_only(&path).unwrap();
        for segment in [
            "count(buy) > 17",
            "sum(view.amount) > 90",
            "did(buy where amount = 9)",
            "last(any event).amount = 8",
        ] {
            assert_eq!(
                members(&copied, segment),
                members(&encoded, segment),
                "{name}: {segment}"
            );
        }
        let faults = copied.snapshot().verify().faults;
        assert!(faults.is_empty(), "{faults:?}");
    }
}

/// As long as every row counts, rows of user properties are stored as they came, and go on from there.
#[test]
fn copied_user_properties_read_as_encoded_ones_do() {
    type Row = (i64, &'static str, &'static str, i64);
    let table = |rows: &[Row]| {
        let times = rows.iter().map(|row| row.3 * DAY);
        let times = TimestampMillisecondArray::from_iter_values(times).with_timezone("UTC");
        let column =
            |value: fn(&Row) -> &'static str| text(&rows.iter().map(value).collect::<Vec<_>>());
        let ids = Int64Array::from_iter_values(rows.iter().map(|row| row.0));
        batch(&[
            ("property_id", Arc::new(ids) as ArrayRef),
            ("user_id", column(|row| row.1)),
            ("property_name", column(|_| "stage")),
            ("property_value", column(|row| row.2)),
            ("updated_at", Arc::new(times)),
        ])
    };
    let first: [Row; 4] = [
        (7, "b", "new", 10),
        (3, "a", "won", 20),
        (9, "a", "new", 10),
        (1, "b", "lost", 5),
    ];
    // The second row comes too late to count: it has the smaller id.
    let second: [Row; 2] = [(2, "b", "won", 30), (8, "a", "lost", 10)];
    let folder = tempfile::tempdir().unwrap();
    let stored = |path: &Path| {
        let mut names: Vec<_> = std::fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_string_lossy().contains("user_properties-"))
            .collect();
        let file = std::fs::File::open(names.pop().unwrap()).unwrap();
        assert!(names.is_empty(), "{names:?}");
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
        let ids = batches[0].column(0).as_any().downcast_ref::<Int64Array>();
        ids.unwrap().values().to_vec()
    };
    let repeated = [first[0], first[0], first[1], first[2], first[3]];
    for (name, rows, order) in [
        ("copied", &first[..], [7, 3, 9, 1]),
        ("encoded", &repeated[..], [1, 7, 9, 3]),
    ] {
        let path = folder.path().join(name);
        let engine = Engine::open(&path).unwrap();
        engine.append_user_properties(&table(rows)).unwrap();
        assert_eq!(stored(&path), order, "{name}");
        let value_at = |day: i64, value: &str| {
            let as_of = AsOf::at(crowdset::TimestampMillis(day * DAY));
            members_at(&engine, &format!("stage = '{value}'"), as_of)
        };
        assert_eq!(value_at(8, "lost"), ["b"], "{name}");
        assert_eq!(value_at(15, "new"), ["a", "b"], "{name}");
        assert_eq!(value_at(25, "won"), ["a"], "{name}");
        engine.append_user_properties(&table(&second)).unwrap();
        assert_eq!(stored(&path), [1, 7, 2, 9, 3], "{name}");
        assert_eq!(value_at(15, "new"), ["a", "b"], "{name}");
        assert_eq!(value_at(35, "won"), ["a", "b"], "{name}");
        let faults = engine.snapshot().verify().faults;
        assert!(faults.is_empty(), "{faults:?}");
    }
}

#[test]
fn a_store_without_rows_takes_no_more() {
    let engine = Engine::in_memory();
    let tables = Tables::default()
        .event_batch(events(&[("1", "a", "buy", 0, 1)]))
        .user_batch(users(&[("a", "x")]));
    engine
        .load(&tables, &LoadOptions::default().keep_rows(false))
        .unwrap();
    assert_eq!(members(&engine, "did(buy) and plan = 'x'"), ["a"]);
    assert!(matches!(
        engine.load(&tables, &LoadOptions::default()),
        Err(LoadError::RowsNotKept)
    ));
}
