//! The lifecycle as an embedding program sees it: states that do not change, ids in order, many
//! questions at once, threads and files as the host wants them.

use crowdset::arrow::array::{Array, ArrayRef, Int64Array, StringArray, TimestampMillisecondArray};
use crowdset::arrow::record_batch::RecordBatch;
use crowdset::{
    AsOf, Control, Engine, Error, EvalError, EvalOptions, EvaluateError, LoadError, Segment,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

const AS_OF_MS: i64 = 1_000_000;

fn text(values: impl IntoIterator<Item = impl AsRef<str>>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn users(ids: &[&str]) -> RecordBatch {
    RecordBatch::try_from_iter([("user_id", text(ids))]).expect("a batch")
}

/// One purchase each, a millisecond apart.
fn purchases(first: i64, users: ArrayRef) -> RecordBatch {
    let numbers: Vec<i64> = (first..first + users.len() as i64).collect();
    RecordBatch::try_from_iter([
        (
            "event_id",
            text(numbers.iter().map(|number| format!("e{number}"))),
        ),
        ("user_id", users),
        ("event_name", text(numbers.iter().map(|_| "purchase"))),
        (
            "timestamp",
            Arc::new(TimestampMillisecondArray::from(numbers)) as ArrayRef,
        ),
    ])
    .expect("a batch")
}

fn segment(text: &str) -> Segment {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn as_of() -> AsOf {
    AsOf::at_millis(AS_OF_MS)
}

fn ids(engine: &Engine, text: &str) -> Vec<String> {
    let audience = engine
        .snapshot()
        .evaluate(&segment(text), as_of())
        .expect("an answer");
    audience.iter().map(str::to_owned).collect()
}

#[test]
fn an_engine_is_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Engine>();
    shared::<crowdset::Snapshot>();
    shared::<crowdset::Prepared>();
    shared::<crowdset::Audience>();
}

#[test]
fn an_empty_engine_answers() {
    let engine = Engine::in_memory();
    for text in [
        "everyone",
        "not everyone",
        "did(x)",
        "not did(x)",
        "count(x) = 0",
        "top(5, count(x))",
    ] {
        assert!(ids(&engine, text).is_empty(), "{text}");
    }
    assert!(engine.snapshot().verify().ok);
    assert_eq!(engine.snapshot().stats().events.rows, 0);
    assert_eq!(engine.snapshot().event_span(), None);
}

#[test]
fn a_snapshot_never_changes() {
    let engine = Engine::in_memory();
    engine
        .append(&purchases(0, text(["b", "a"])))
        .expect("a load");
    let before = engine.snapshot();
    let audience = before
        .evaluate(&segment("did(purchase)"), as_of())
        .expect("an answer");
    engine.append(&purchases(10, text(["c"]))).expect("a load");
    engine
        .append_users(&users(&["a", "c", "d"]))
        .expect("a load");

    assert_eq!(audience.iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(
        (
            before.universe_len(),
            before
                .count(&segment("did(purchase)"), as_of())
                .expect("a count")
        ),
        (2, 2)
    );
    // From now on the rows of users are the universe: b waits for one.
    assert_eq!(ids(&engine, "did(purchase)"), ["a", "c"]);
    assert_eq!(ids(&engine, "not did(purchase)"), ["d"]);
}

#[test]
fn readers_ask_while_a_writer_adds() {
    let engine = Arc::new(Engine::in_memory());
    engine.append_users(&users(&["a", "b"])).expect("a load");
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let engine = Arc::clone(&engine);
            thread::spawn(move || {
                let (buyers, others) = (segment("did(purchase)"), segment("not did(purchase)"));
                for _ in 0..50 {
                    let snapshot = engine.snapshot();
                    let count = |segment| snapshot.count(segment, as_of()).expect("a count");
                    assert_eq!(
                        count(&buyers) + count(&others),
                        2,
                        "one state, two questions"
                    );
                }
            })
        })
        .collect();
    for first in 0..5 {
        engine
            .append(&purchases(first * 10, text(["a"])))
            .expect("a load");
    }
    for reader in readers {
        reader.join().expect("no reader fails");
    }
    assert_eq!(ids(&engine, "count(purchase) = 5"), ["a"]);
}

#[test]
fn integer_ids_are_ordered_as_numbers() {
    let engine = Engine::in_memory();
    engine
        .append(&purchases(
            0,
            Arc::new(Int64Array::from(vec![10, 9, -1, 100])),
        ))
        .expect("a load");
    let audience = engine
        .snapshot()
        .evaluate(&segment("did(purchase)"), as_of())
        .expect("an answer");
    assert_eq!(
        audience.user_ids().as_ref(),
        &Int64Array::from(vec![-1, 9, 10, 100])
    );
    assert!(audience.contains_user("9") && !audience.contains_user("8"));
    assert_eq!(ids(&engine, "user_id = 100"), ["100"]);
}

/// Few members are ordered by their ranks, many by walking all ids; the order is the same.
#[test]
fn ids_are_ascending_however_they_are_listed() {
    let engine = Engine::in_memory();
    let names: Vec<String> = (0..40_000)
        .map(|number| format!("{:05}", number * 7_919 % 40_000))
        .collect();
    engine
        .append_users(&RecordBatch::try_from_iter([("user_id", text(&names))]).expect("a batch"))
        .expect("a load");
    engine
        .append(&purchases(0, text(&names[..100])))
        .expect("a load");
    for (asked, expected) in [
        ("did(purchase)", 100),
        ("not did(purchase)", 39_900),
        ("everyone", 40_000),
    ] {
        let audience = engine
            .snapshot()
            .evaluate(&segment(asked), as_of())
            .expect("an answer");
        let listed: Vec<&str> = audience.iter().collect();
        assert_eq!(
            (listed.len(), audience.len()),
            (expected, expected as u64),
            "{asked}"
        );
        assert!(listed.is_sorted(), "{asked}");
        assert_eq!(
            audience.user_ids().as_ref(),
            &StringArray::from(listed),
            "{asked}"
        );
    }
}

#[test]
fn many_segments_answer_as_each_alone() {
    let engine = Engine::in_memory();
    engine
        .append(&purchases(0, text(["a", "b", "a", "c"])))
        .expect("a load");
    let snapshot = engine.snapshot();
    let texts = [
        "did(purchase)",
        "count(purchase) >= 2",
        "not did(purchase)",
        "user_id in ('b', 'c')",
        "nobody",
    ];
    let segments: Vec<Segment> = texts.map(segment).into();
    let questions: Vec<(&Segment, AsOf)> = segments
        .iter()
        .flat_map(|segment| [(segment, as_of()), (segment, AsOf::at_millis(1))])
        .collect();
    let audiences = snapshot.evaluate_many(&questions, &EvalOptions::default());
    let counts = snapshot.count_many(&questions, &EvalOptions::default());
    for (((segment, as_of), audience), count) in questions.iter().zip(audiences).zip(counts) {
        let alone = snapshot.evaluate(segment, *as_of).expect("an answer");
        let (audience, (prepared, count)) = (audience.expect("an answer"), count.expect("a count"));
        assert!(audience.iter().eq(alone.iter()), "{segment} at {as_of}");
        assert_eq!((count, prepared.as_of()), (alone.len(), *as_of));
        for user in ["a", "b", "c", "nobody knows"] {
            let is_in = snapshot.contains(segment, user, *as_of).expect("an answer");
            assert_eq!(
                is_in,
                alone.contains_user(user),
                "{user} in {segment} at {as_of}"
            );
        }
    }
}

#[test]
fn one_question_that_cannot_be_planned_fails_alone() {
    let engine = Engine::in_memory();
    engine.append(&purchases(0, text(["a"]))).expect("a load");
    let options = EvalOptions {
        strict: true,
        ..EvalOptions::default()
    };
    let (good, bad) = (segment("did(purchase)"), segment("did(purchas)"));
    let answers = engine
        .snapshot()
        .evaluate_many(&[(&bad, as_of()), (&good, as_of())], &options);
    assert!(
        matches!(&answers[0], Err(EvaluateError::Segment(error)) if error.to_string().contains("purchase"))
    );
    assert_eq!(answers[1].as_ref().expect("an answer").len(), 1);
}

#[test]
fn an_evaluation_can_be_followed_and_stopped() {
    let engine = Engine::in_memory();
    engine
        .append(&purchases(0, text(["a", "b"])))
        .expect("a load");
    let (steps, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, last) = (Arc::clone(&steps), Arc::clone(&seen));
    let control = Control::with_progress(move |done, total| {
        counted.fetch_add(1, Ordering::Relaxed);
        last.store(total - done, Ordering::Relaxed);
    });
    let options = EvalOptions {
        control,
        ..EvalOptions::default()
    };
    let snapshot = engine.snapshot();
    // A count that no index answers.
    let asked = segment("count(purchase) = 1");
    assert_eq!(
        snapshot
            .evaluate_with(&asked, as_of(), &options)
            .expect("an answer")
            .len(),
        2
    );
    assert_eq!(
        (steps.load(Ordering::Relaxed), seen.load(Ordering::Relaxed)),
        (1, 0)
    );

    options.control.cancel();
    let stopped = snapshot.evaluate_with(&asked, as_of(), &options);
    assert!(
        matches!(stopped, Err(EvaluateError::Execution(EvalError::Cancelled))),
        "{stopped:?}"
    );
}

#[test]
fn a_store_reopens_on_any_threads_mapped_or_read_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store");
    {
        let engine = Engine::open(&path).expect("a new store");
        assert_eq!(engine.snapshot().universe_len(), 0);
        engine
            .append(&purchases(0, text(["b", "a", "b"])))
            .expect("a load");
        assert_eq!(ids(&engine, "did(purchase)"), ["a", "b"]);
        assert!(
            matches!(
                Engine::open(&path),
                Err(crowdset::OpenError::Storage { .. })
            ),
            "one writer at a time"
        );
        // A reader sees what is committed, beside the writer.
        let reader = Engine::open_read_only(&path).expect("a reader");
        engine.append(&purchases(10, text(["c"]))).expect("a load");
        assert_eq!(ids(&reader, "did(purchase)"), ["a", "b"]);
        assert!(matches!(
            reader.append(&purchases(20, text(["d"]))),
            Err(LoadError::ReadOnly)
        ));
    }
    let options = [
        Engine::options(),
        Engine::options().threads(1),
        Engine::options().threads(3),
        Engine::options().read_whole(true),
    ];
    for options in options {
        let engine = options
            .clone()
            .open_read_only(&path)
            .unwrap_or_else(|error| panic!("{options:?}: {error}"));
        assert_eq!(
            ids(&engine, "count(purchase) >= 1"),
            ["a", "b", "c"],
            "{options:?}"
        );
        assert!(engine.snapshot().verify().ok, "{options:?}");
    }
}

#[test]
fn errors_of_every_operation_fit_into_one() {
    fn ask(path: &str) -> Result<u64, Error> {
        let engine = Engine::open_read_only(path)?;
        let segment: Segment = "everyone".parse()?;
        Ok(engine.snapshot().count(&segment, AsOf::now())?)
    }
    let error = ask("/nowhere/at/all").expect_err("there is no store");
    assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
}

#[test]
fn an_audience_is_written_as_parquet_and_as_a_bitmap() {
    let engine = Engine::in_memory();
    engine
        .append(&purchases(0, text(["b", "a"])))
        .expect("a load");
    let snapshot = engine.snapshot();
    let audience = snapshot
        .evaluate(&segment("user_id = 'a'"), as_of())
        .expect("an answer");
    let mut file = Vec::new();
    audience.members().write_parquet(&mut file).expect("a file");
    assert_eq!(
        (&file[..4], &file[file.len() - 4..]),
        (&b"PAR1"[..], &b"PAR1"[..])
    );
    let bitmap = roaring::RoaringBitmap::deserialize_from(&audience.to_roaring_bytes()[..])
        .expect("a bitmap");
    assert_eq!(bitmap.iter().collect::<Vec<_>>(), [1], "b came first");
}
