//! Goal: what is saved is there for every reader after, as a whole, with its past, and nothing that
//! cannot be answered gets saved.

mod support;

use crowdset::arrow::array::{ArrayRef, StringArray};
use crowdset::arrow::record_batch::RecordBatch;
use crowdset::{AsOf, Engine, SaveError, Segment, Snapshot};
use crowdset_testkit::{Data, EventRow, UserRow};
use std::path::Path;
use std::sync::Arc;
use support::{Loading, load};

fn segment(text: &str) -> Segment {
    text.parse().expect("a segment")
}

fn members(snapshot: &Snapshot, text: &str) -> Vec<String> {
    let audience = snapshot
        .evaluate(&segment(text), AsOf::at_millis(2_000))
        .expect("an answer");
    audience.iter().map(str::to_owned).collect()
}

fn world() -> Data {
    let user = |id: &str| UserRow {
        user_id: id.to_owned(),
        ..UserRow::default()
    };
    let event = |id: &str, user: &str, at: i64| EventRow {
        event_id: id.to_owned(),
        user_id: user.to_owned(),
        event_name: "purchase".to_owned(),
        timestamp_ms: at,
        ..EventRow::default()
    };
    Data {
        users: Some(vec![user("u1"), user("u2")]),
        events: vec![event("e1", "u1", 1_000), event("e2", "u3", 1_500)],
        ..Data::default()
    }
}

fn store() -> (tempfile::TempDir, Engine) {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = Engine::open(folder.path().join("store")).expect("a new store");
    load(&engine, &world(), Loading::Whole);
    (folder, engine)
}

fn texts(snapshot: &Snapshot, name: &str) -> Vec<(u64, String, bool)> {
    let versions = snapshot.segment_versions(name).into_iter();
    versions
        .map(|saved| (saved.version, saved.text, saved.is_in_force))
        .collect()
}

#[test]
fn every_save_is_a_version_and_none_is_lost() {
    let (folder, engine) = store();
    let before = engine.snapshot();
    engine
        .save_segment("buyers", &segment("did(purchase) -- all of them"))
        .expect("saved");
    let first = engine.snapshot();
    let (saved, warnings) = engine
        .save_segment("buyers", &segment("did(purchas)"))
        .expect("saved");
    assert_eq!((saved.version, saved.is_in_force), (2, true));
    assert_eq!(warnings.len(), 1, "an unknown name is told");
    // A snapshot is of its moment.
    assert!(before.segments().is_empty());
    assert_eq!(members(&first, "segment('buyers')"), ["u1"]);
    assert!(members(&engine.snapshot(), "segment('buyers')").is_empty());

    engine.drop_segment("buyers").expect("dropped");
    assert!(engine.snapshot().segments().is_empty());
    let comment = "did(purchase) -- all of them".to_owned();
    let expected = [
        (1, comment.clone(), false),
        (2, "did(purchas)".to_owned(), false),
    ];
    assert_eq!(texts(&engine.snapshot(), "buyers"), expected);
    assert!(matches!(
        engine.drop_segment("buyers"),
        Err(SaveError::NotSaved { .. })
    ));

    let json = segment(r#"{"did": {"event": "purchase"}}"#);
    engine.save_segment("buyers", &json).expect("saved");
    drop(engine);
    let reader = Engine::open_read_only(folder.path().join("store")).expect("the store");
    assert_eq!(members(&reader.snapshot(), "segment('buyers')"), ["u1"]);
    let versions = texts(&reader.snapshot(), "buyers");
    assert_eq!(versions[0].1, comment);
    assert_eq!(versions[2], (3, "did(purchase)".to_owned(), true));
    assert!(reader.snapshot().verify().ok);
    assert!(matches!(
        reader.save_segment("x", &json),
        Err(SaveError::ReadOnly)
    ));
}

#[test]
fn cycles_and_what_is_not_saved_are_refused() {
    let engine = Engine::in_memory();
    load(&engine, &world(), Loading::Whole);
    let refused = |name: &str, text: &str| {
        let error = engine
            .save_segment(name, &segment(text))
            .expect_err("cannot be saved");
        assert!(matches!(error, SaveError::Segment(_)), "{error}");
        error.to_string()
    };
    assert_eq!(
        refused("a", "not segment('a')"),
        "1:5: saved segments form a cycle: a → a\n  not segment('a')\n      ^^^^^^^^^^^^\n  help: a segment cannot be part of its own definition"
    );
    assert!(refused("a", "segment('b')").contains("there is no saved segment `b`"));
    assert!(refused("a", "list('b')").contains("there is no list `b`"));
    engine
        .save_segment("a", &segment("did(purchase)"))
        .expect("saved");
    engine
        .save_segment("b", &segment("not segment('a')"))
        .expect("saved");
    engine
        .save_segment("c", &segment("segment('b')"))
        .expect("saved");
    let shown = refused("a", "segment('c')");
    assert!(
        shown.starts_with("1:1: in segment `b`: saved segments form a cycle: a → c → b → a\n"),
        "{shown}"
    );
    // Nothing of it was saved.
    assert_eq!(texts(&engine.snapshot(), "a").len(), 1);

    let (x, y) = (
        segment("segment('y')"),
        segment("segment('x') or did(purchase)"),
    );
    assert!(engine.save_segments(&[("x", &x), ("y", &y)]).is_err());
    assert!(engine.snapshot().segment_versions("x").is_empty());
    let y = segment("did(purchase)");
    engine
        .save_segments(&[("x", &x), ("y", &y)])
        .expect("in any order");
    assert_eq!(members(&engine.snapshot(), "segment('x')"), ["u1"]);
}

#[test]
fn what_is_in_use_is_not_dropped() {
    let engine = Engine::in_memory();
    engine.save_list("friends", ["u1"]).expect("saved");
    engine
        .save_segment("a", &segment("list('friends')"))
        .expect("saved");
    engine
        .save_segment("b", &segment("not segment('a')"))
        .expect("saved");
    let error = engine
        .drop_list("friends")
        .expect_err("is in use")
        .to_string();
    assert_eq!(
        error,
        "list `friends` is part of segment `a`; drop or change what uses it first"
    );
    assert!(matches!(
        engine.drop_segment("a"),
        Err(SaveError::InUse { .. })
    ));
    engine.drop_segment("b").expect("nobody names it");
    engine.drop_segment("a").expect("nobody names it any more");
    engine
        .drop_list("friends")
        .expect("nobody names it any more");
    assert!(engine.snapshot().lists().is_empty());
    let error = engine.snapshot().list_ids("friends").expect_err("is gone");
    assert!(matches!(error, SaveError::NotSaved { .. }), "{error}");
    assert_eq!(
        engine.save_list("friends", ["u2"]).expect("saved").version,
        2
    );
}

#[test]
fn a_list_holds_ids_that_nobody_has_yet() {
    let (folder, engine) = store();
    let saved = engine
        .save_list("friends", ["u9", "u1", "u9"])
        .expect("saved");
    assert_eq!((saved.ids, saved.version), (2, 1));
    let before = engine.snapshot();
    assert_eq!(members(&before, "list('friends')"), ["u1"]);
    let arrival = Data {
        users: Some(vec![UserRow {
            user_id: "u9".to_owned(),
            ..UserRow::default()
        }]),
        ..Data::default()
    };
    load(&engine, &arrival, Loading::Whole);
    assert_eq!(members(&engine.snapshot(), "list('friends')"), ["u1", "u9"]);
    assert_eq!(members(&before, "list('friends')"), ["u1"]);

    // A list that is replaced stays readable to whoever holds the state before.
    let held = engine.snapshot();
    engine.save_list("friends", ["u2"]).expect("saved");
    assert_eq!(&*held.list_ids("friends").expect("readable"), ["u1", "u9"]);
    assert_eq!(members(&held, "list('friends')"), ["u1", "u9"]);
    assert_eq!(members(&engine.snapshot(), "list('friends')"), ["u2"]);
    // And the file of the old ids is gone.
    let files = std::fs::read_dir(folder.path().join("store")).expect("the store");
    let lists = files
        .filter_map(|file| file.expect("a file").file_name().into_string().ok())
        .filter(|name| name.starts_with("list-"));
    assert_eq!(lists.count(), 1);
}

#[test]
fn names_that_nobody_could_find_again_are_refused() {
    let engine = Engine::in_memory();
    for name in ["", "  ", "a\nb", &"x".repeat(201)] {
        assert!(matches!(
            engine.save_segment(name, &segment("everyone")),
            Err(SaveError::BadName { .. })
        ));
        assert!(matches!(
            engine.save_list(name, ["u1"]),
            Err(SaveError::BadName { .. })
        ));
    }
    engine
        .save_segment(&"ü".repeat(200), &segment("everyone"))
        .expect("long and readable");
}

#[test]
fn a_damaged_list_is_an_error_with_its_file() {
    let (folder, engine) = store();
    engine.save_list("friends", ["u1"]).expect("saved");
    drop(engine);
    let path = folder.path().join("store");
    let list = std::fs::read_dir(&path)
        .expect("the store")
        .map(|file| file.expect("a file").path())
        .find(|path| path.to_string_lossy().contains("list-"))
        .expect("the list's file");
    let mut bytes = std::fs::read(&list).expect("readable");
    *bytes.last_mut().expect("bytes") ^= 1;
    std::fs::write(&list, bytes).expect("writable");
    let snapshot = Engine::open_read_only(&path).expect("opens").snapshot();
    let error = snapshot
        .evaluate(&segment("list('friends')"), AsOf::now())
        .expect_err("damaged")
        .to_string();
    assert!(
        error.contains("list `friends` cannot be read: list-000001.frame"),
        "{error}"
    );
    assert!(!snapshot.verify().ok);
    assert!(snapshot.list_ids("friends").is_err());
    // All else can be answered.
    assert_eq!(members(&snapshot, "did(purchase)"), ["u1"]);
}

/// A store of each version of the format stays readable, and becomes one of today's with its first
/// change.
#[test]
fn a_store_of_format_1_is_read_and_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stores/v1");
    for file in std::fs::read_dir(old).expect("the old store") {
        let file = file.expect("a file");
        std::fs::copy(file.path(), folder.path().join(file.file_name())).expect("copied");
    }
    let as_of: AsOf = "2026-03-01".parse().expect("an instant");
    let ask = |snapshot: &Snapshot, text: &str| {
        let audience = snapshot.evaluate(&segment(text), as_of).expect("an answer");
        audience.iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let all = "sum(purchase.amount) = 12.5 and industry = 'Retail' and account_type = 'free'";
    let ask_of_the_past = |snapshot: &Snapshot| {
        let past: AsOf = "2026-01-20".parse().expect("an instant");
        let was = snapshot.evaluate(&segment("industry = 'SaaS'"), past);
        let was = was.expect("an answer");
        assert!(was.iter().eq(["u1", "u3"]) && was.contains_user("u3"));
        let changes = "changed(industry from 'SaaS' to 'Retail', last 60 days)";
        assert_eq!(ask(snapshot, changes), ["u1"]);
        assert_eq!(ask(snapshot, "user_id = 'u2'"), ["u2"]);
    };
    let reader = Engine::open_read_only(folder.path()).expect("opens");
    assert_eq!(ask(&reader.snapshot(), all), ["u1"]);
    ask_of_the_past(&reader.snapshot());
    assert!(reader.snapshot().verify().ok);
    let engine = Engine::open(folder.path()).expect("opens");
    engine.save_segment("all", &segment(all)).expect("saved");
    engine.save_list("some", ["u3"]).expect("saved");
    load(
        &engine,
        &Data {
            users: None,
            ..world()
        },
        Loading::Whole,
    );
    // The users' files are made anew by a load of users only.
    ask_of_the_past(&engine.snapshot());
    let users = RecordBatch::try_from_iter([(
        "user_id",
        Arc::new(StringArray::from(vec!["u0"])) as ArrayRef,
    )]);
    engine
        .append_users(&users.expect("a column"))
        .expect("a user is loaded");
    drop(engine);
    let engine = Engine::open(folder.path()).expect("opens");
    assert_eq!(
        ask(&engine.snapshot(), "everyone"),
        ["u0", "u1", "u2", "u3"]
    );
    assert_eq!(
        ask(&engine.snapshot(), "segment('all') or list('some')"),
        ["u1", "u3"]
    );
    ask_of_the_past(&engine.snapshot());
    assert_eq!(
        ask(&engine.snapshot(), "count(purchase) > 2"),
        Vec::<String>::new()
    );
    assert!(engine.snapshot().verify().ok);
}
