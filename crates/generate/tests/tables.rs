//! The tables as a reader finds them: the same bytes for the same options, and the numbers that the
//! data is described by.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use crowdset_generate::{END_MS, GenerateError, GenerateOptions, generate};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

const DAY_MS: i64 = 86_400_000;

fn options(dir: &Path) -> GenerateOptions {
    GenerateOptions::new(dir)
}

/// All files below `dir`, by path relative to it.
fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in [dir.to_owned(), dir.join("events")]
        .iter()
        .flat_map(|dir| fs::read_dir(dir).unwrap())
    {
        let path = entry.unwrap().path();
        if path.is_file() {
            files.insert(
                path.strip_prefix(dir).unwrap().to_owned(),
                fs::read(path).unwrap(),
            );
        }
    }
    files
}

fn read(path: &Path) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    reader.build().unwrap().map(Result::unwrap).collect()
}

fn text(batches: &[RecordBatch], name: &str) -> Vec<String> {
    let column = |batch: &RecordBatch| batch.column_by_name(name).unwrap().clone();
    let values = |array: Arc<dyn Array>| -> Vec<String> {
        array
            .as_string::<i32>()
            .iter()
            .map(|value| value.unwrap().to_owned())
            .collect()
    };
    batches.iter().map(column).flat_map(values).collect()
}

fn instants(batches: &[RecordBatch], name: &str) -> Vec<i64> {
    let utc = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    let mut all = Vec::new();
    for batch in batches {
        let array = batch.column_by_name(name).unwrap();
        assert_eq!((array.data_type(), array.null_count()), (&utc, 0));
        all.extend(
            array
                .as_primitive::<TimestampMillisecondType>()
                .values()
                .iter(),
        );
    }
    all
}

struct Event {
    id: String,
    user: String,
    name: String,
    at: i64,
    properties: String,
}

/// All events, file by file in the order of the names.
fn events(dir: &Path) -> Vec<Event> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir.join("events"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let batches = read(&file);
        let [ids, users, names, properties] =
            ["event_id", "user_id", "event_name", "properties"].map(|name| text(&batches, name));
        let times = instants(&batches, "timestamp");
        let rows = ids
            .into_iter()
            .zip(users)
            .zip(names)
            .zip(times)
            .zip(properties);
        all.extend(rows.map(|((((id, user), name), at), properties)| Event {
            id,
            user,
            name,
            at,
            properties,
        }));
    }
    all
}

#[test]
fn the_same_bytes_for_any_number_of_threads() {
    let [one, three, other] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let small = |dir: &tempfile::TempDir, threads, seed| GenerateOptions {
        events: 5_000,
        days: 10,
        threads: NonZeroUsize::new(threads),
        seed,
        ..options(dir.path())
    };
    generate(&small(&one, 1, 1)).unwrap();
    generate(&small(&three, 3, 1)).unwrap();
    generate(&small(&other, 3, 2)).unwrap();
    let first = contents(one.path());
    assert_eq!(first.len(), 12);
    assert!(first == contents(three.path()), "threads change the bytes");
    assert!(
        first != contents(other.path()),
        "the seed does not change the bytes"
    );
}

#[test]
fn counts_days_order_and_ids() {
    let dir = tempfile::tempdir().unwrap();
    let heard = Arc::new(AtomicU64::new(0));
    let progress = heard.clone();
    let report = generate(&GenerateOptions {
        progress: Some(Arc::new(move |made| {
            assert_eq!(made.events_total, 20_000);
            progress.fetch_max(made.events, Ordering::Relaxed);
        })),
        ..options(dir.path())
    })
    .unwrap();
    assert_eq!(
        (report.users, report.events, report.files),
        (1_000, 20_000, 92)
    );
    assert_eq!(
        report.bytes,
        contents(dir.path())
            .values()
            .map(|file| file.len() as u64)
            .sum::<u64>()
    );
    assert_eq!(heard.load(Ordering::Relaxed), 20_000);

    let users = read(&dir.path().join("users.parquet"));
    let ids = text(&users, "user_id");
    let created: HashMap<&String, i64> = ids.iter().zip(instants(&users, "created_at")).collect();
    assert_eq!(created.len(), 1_000);
    assert!(!ids.is_sorted());
    assert_eq!(
        text(&users, "email").iter().collect::<HashSet<_>>().len(),
        1_000
    );
    assert_eq!(text(&users, "name").len(), 1_000);

    let events = events(dir.path());
    assert_eq!(events.len(), 20_000);
    assert_eq!(
        events
            .iter()
            .map(|event| &event.id)
            .collect::<HashSet<_>>()
            .len(),
        20_000
    );
    assert!(
        events.is_sorted_by_key(|event| event.at),
        "files by name, rows by time"
    );
    assert!(events[0].at >= END_MS - 90 * DAY_MS && events[19_999].at < END_MS);
    assert!(
        events.iter().all(|event| created[&event.user] <= event.at),
        "nobody acts before arriving"
    );
    for event in &events {
        assert_eq!(
            i64::from_str_radix(&event.id[..13].replace('-', ""), 16).unwrap(),
            event.at
        );
    }
    for day in 0..90 {
        let from = END_MS - (90 - day) * DAY_MS;
        let count = events
            .iter()
            .filter(|event| (from..from + DAY_MS).contains(&event.at))
            .count();
        assert!((120..320).contains(&count), "day {day}: {count}");
    }
    assert!(dir.path().join("events/2026-07-03.parquet").exists());
    assert!(dir.path().join("events/2026-09-30.parquet").exists());
}

#[test]
fn names_and_values_follow_their_laws() {
    let dir = tempfile::tempdir().unwrap();
    generate(&GenerateOptions {
        events: 60_000,
        days: 20,
        ..options(dir.path())
    })
    .unwrap();
    let events = events(dir.path());
    let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for event in &events {
        by_name
            .entry(&event.name)
            .or_default()
            .push(&event.properties);
    }
    assert_eq!(by_name.len(), 40);
    // Zipf(1.1) over 40 ranks gives the first 27.2 %, the second 12.7 %, the sixth 3.8 %.
    let share = |name: &str| by_name[name].len() as f64 / events.len() as f64;
    for (name, expected) in [
        ("page_viewed", 0.272),
        ("signed_in", 0.127),
        ("report_generated", 0.0379),
        ("feature_01_used", 0.0591),
    ] {
        assert!(
            (share(name) / expected - 1.0).abs() < 0.1,
            "{name}: {}",
            share(name)
        );
    }

    let part = |name: &str, test: &dyn Fn(&str) -> bool| {
        by_name[name]
            .iter()
            .filter(|properties| test(properties))
            .count() as f64
            / by_name[name].len() as f64
    };
    let pricing = part("page_viewed", &|json| {
        json.starts_with(r#"{"url":"/pricing","source":""#)
    });
    assert!((0.015..0.035).contains(&pricing), "{pricing}");
    let docs = part("page_viewed", &|json| json.contains(r#""/docs/"#));
    assert!((0.2..0.5).contains(&docs), "{docs}");
    let coupon = part("purchase", &|json| json.contains("coupon"));
    assert!((0.11..0.19).contains(&coupon), "{coupon}");
    assert!(part("purchase", &|json| json.contains(r#""product_id":"p0001""#)) > 0.1);

    let shapes = [
        ("page_viewed", r#"{"url":"#, r#","source":"#),
        ("product_viewed", r#"{"product_id":"p"#, r#","source":"#),
        ("item_added_to_cart", r#"{"product_id":"p"#, r#","price":"#),
        ("purchase", r#"{"product_id":"p"#, r#","amount":"#),
        (
            "report_generated",
            r#"{"report_type":"#,
            r#","duration_ms":"#,
        ),
        ("trial_started", r#"{"plan":"#, "}"),
        ("webinar_attended", r#"{"webinar_id":"w"#, r#","minutes":"#),
        ("signed_in", r#"{"method":"#, r#","device":"#),
        ("feature_32_used", r#"{"source":"#, r#","value":"#),
    ];
    for (name, begins, holds) in shapes {
        assert_eq!(
            part(name, &|json| json.starts_with(begins)
                && json.contains(holds)
                && json.ends_with('}')),
            1.0,
            "{name}"
        );
    }
    let amounts = |json: &str| {
        let (_, rest) = json.split_once(r#""amount":"#).unwrap();
        let (amount, rest) = rest.split_once(',').unwrap();
        assert!(rest.starts_with(r#""currency":""#));
        assert_eq!(
            amount.len() - amount.find('.').unwrap(),
            3,
            "two decimals: {amount}"
        );
        amount.parse::<f64>().unwrap() > 0.0
    };
    assert_eq!(part("purchase", &amounts), 1.0);

    // Lognormal activity: the busiest tenth makes about half of the events.
    let mut by_user: HashMap<&str, u32> = HashMap::new();
    for event in &events {
        *by_user.entry(&event.user).or_default() += 1;
    }
    let mut counts: Vec<u32> = by_user.into_values().collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let top = f64::from(counts[..100].iter().sum::<u32>()) / events.len() as f64;
    assert!((0.4..0.7).contains(&top), "{top}");
}

#[test]
fn users_and_their_properties() {
    let dir = tempfile::tempdir().unwrap();
    let report = generate(&GenerateOptions {
        users: 5_000,
        events: 0,
        days: 90,
        ..options(dir.path())
    })
    .unwrap();
    let users = read(&dir.path().join("users.parquet"));
    let account_types = text(&users, "account_type");
    for (value, expected) in [
        ("free", 0.70),
        ("trial", 0.10),
        ("direct_client", 0.12),
        ("agency", 0.06),
        ("enterprise", 0.02),
    ] {
        let share = account_types.iter().filter(|found| *found == value).count() as f64 / 5_000.0;
        assert!((share - expected).abs() < 0.02, "{value}: {share}");
    }
    let created = instants(&users, "created_at");
    let within = created
        .iter()
        .filter(|&&at| at >= END_MS - 90 * DAY_MS)
        .count();
    assert!((1_800..2_200).contains(&within), "{within}");

    let properties = read(&dir.path().join("user_properties.parquet"));
    let ids: Vec<i64> = properties
        .iter()
        .flat_map(|batch| {
            batch
                .column(0)
                .as_primitive::<Int64Type>()
                .values()
                .to_vec()
        })
        .collect();
    assert!(ids.iter().copied().eq(1..=report.user_properties as i64));
    let names = text(&properties, "property_name");
    let values = text(&properties, "property_value");
    let owners = text(&properties, "user_id");
    let mut distinct: BTreeMap<&str, HashSet<&str>> = BTreeMap::new();
    let mut stages: HashMap<&str, Vec<(i64, &str)>> = HashMap::new();
    for (row, updated_at) in instants(&properties, "updated_at").into_iter().enumerate() {
        assert!(updated_at < END_MS);
        distinct
            .entry(&names[row])
            .or_default()
            .insert(&values[row]);
        if names[row] == "lifecycle_stage" {
            stages
                .entry(&owners[row])
                .or_default()
                .push((updated_at, &values[row]));
        }
    }
    let sizes: Vec<(&str, usize)> = distinct
        .iter()
        .map(|(name, values)| (*name, values.len()))
        .collect();
    assert_eq!(
        sizes,
        [
            ("company_size", 6),
            ("country", 60),
            ("industry", 24),
            ("language", 20),
            ("last_seen_feature", 32),
            ("lifecycle_stage", 5)
        ]
    );
    assert!(distinct["industry"].contains("SaaS") && distinct["company_size"].contains("51-200"));
    assert_eq!(stages.len(), 5_000);
    let histories: Vec<_> = stages.values().filter(|rows| rows.len() == 2).collect();
    assert!((400..600).contains(&histories.len()), "{}", histories.len());
    assert!(
        histories
            .iter()
            .all(|rows| rows[0].0 <= rows[1].0 && rows[0].1 != rows[1].1)
    );
    assert_eq!(names.len(), 30_000 + histories.len());
}

#[test]
fn nothing_is_overwritten_and_nonsense_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let tiny = |dir: &Path| GenerateOptions {
        users: 1,
        events: 50,
        days: 1,
        ..options(dir)
    };
    generate(&tiny(dir.path())).unwrap();
    let before = contents(dir.path());
    let error = generate(&tiny(dir.path())).unwrap_err();
    assert!(
        matches!(&error, GenerateError::Exists { path } if path.ends_with("users.parquet")),
        "{error}"
    );
    assert!(error.to_string().contains("choose an empty folder"));
    assert!(before == contents(dir.path()));

    let empty = tempfile::tempdir().unwrap();
    for refused in [
        GenerateOptions {
            users: 0,
            ..tiny(empty.path())
        },
        GenerateOptions {
            days: 0,
            ..tiny(empty.path())
        },
        GenerateOptions {
            days: 40_000,
            ..tiny(empty.path())
        },
    ] {
        assert!(matches!(
            generate(&refused),
            Err(GenerateError::Option { .. })
        ));
    }
    assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0);
}

#[test]
fn a_failed_run_leaves_no_tables() {
    let dir = tempfile::tempdir().unwrap();
    // The writer's own temporary name is taken by a folder, so the file can't be created.
    fs::create_dir(dir.path().join("users.parquet.partial")).unwrap();
    let error = generate(&GenerateOptions {
        days: 2,
        ..options(dir.path())
    })
    .unwrap_err();
    assert!(matches!(error, GenerateError::Write { .. }), "{error}");
    for table in ["users.parquet", "events", "user_properties.parquet"] {
        assert!(!dir.path().join(table).exists(), "{table} is left behind");
    }
}
