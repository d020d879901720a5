//! `load`, `stats`, `verify` and `generate` as a user runs them.

mod common;

use common::World;
use serde_json::json;
use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

#[test]
fn the_report_counts_every_row() {
    let world = World::new();
    let report = world.json(&[
        "load",
        "store",
        "--users",
        "tables/users.ndjson",
        "--events",
        "tables/events.ndjson",
        "--user-properties",
        "tables/user_properties.ndjson",
        "--json",
    ]);
    for (key, expected) in [
        ("rows", 11),
        ("stored", 10),
        ("duplicates", 1),
        ("orphans", 1),
        ("rejected", 0),
    ] {
        assert_eq!(report[key], json!(expected), "{key} in {report}");
    }
    assert!(report["seconds"].is_number());

    // The same again adds nothing: every event is there already.
    let report = world.json(&[
        "load",
        "store",
        "--events",
        "tables/events.ndjson",
        "--json",
    ]);
    assert_eq!(
        (&report["stored"], &report["duplicates"]),
        (&json!(0), &json!(11)),
        "{report}"
    );
    assert_eq!(
        world.ok(&["count", "store", "did(purchase)", "--as-of", "2026-01-01"]),
        "3\n"
    );
}

/// A load has no result: what it says to people is a report, beside the standard output.
#[test]
fn the_report_for_people_goes_to_standard_error() {
    let world = World::new();
    let said = world.run(&["load", "store", "--events", "tables/events.ndjson"]);
    assert_eq!((said.status, said.out.as_str()), (0, ""));
    for part in ["rows read", "11", "duplicates ignored", "events a second"] {
        assert!(said.err.contains(part), "{part} in {}", said.err);
    }
}

#[test]
fn orphans_count_once_their_user_arrives() {
    let world = World::with_store();
    world.write("more.csv", "user_id,account_type\nstranger,agency\n");
    world.ok(&["load", "store", "--users", "more.csv"]);
    assert_eq!(
        world.ok(&["count", "store", "did(purchase)", "--as-of", "2026-01-01"]),
        "4\n"
    );
    assert_eq!(world.ok(&["count", "store", "everyone"]), "7\n");
}

#[test]
fn a_bad_row_refuses_the_load_and_changes_nothing() {
    let world = World::with_store();
    let before: Vec<_> = world.files("store");
    world.write(
        "bad.csv",
        "event_id,user_id,event_name,timestamp\nx1,u1,purchase,2025-12-01\nx2,u1,purchase,soon\nx3,,purchase,2025-12-01\n",
    );
    let said = world.run(&["load", "store", "--events", "bad.csv"]);
    assert_eq!((said.status, said.out.as_str()), (1, ""));
    for part in ["bad.csv", "2", "soon", "--on-bad-row skip"] {
        assert!(said.err.contains(part), "{part} in: {}", said.err);
    }
    assert!(before == world.files("store"), "the store changed");

    let report = world.json(&[
        "load",
        "store",
        "--events",
        "bad.csv",
        "--on-bad-row",
        "skip",
        "--json",
    ]);
    assert_eq!(
        (&report["rejected"], &report["stored"]),
        (&json!(2), &json!(1)),
        "{report}"
    );
}

#[test]
fn columns_of_other_names_are_mapped() {
    let world = World::new();
    world.write(
        "log.csv",
        "id,who,action,at\n1,7,clicked,2025-12-01\n2,8,clicked,2025-12-02T10:00:00Z\n",
    );
    let said = world.run(&["load", "store", "--events", "log.csv"]);
    assert_eq!(said.status, 1);
    assert!(said.err.contains("--map"), "{}", said.err);
    world.ok(&[
        "load",
        "store",
        "--events",
        "log.csv",
        "--map",
        "events.event_id=id",
        "--map",
        "events.user_id=who",
        "--map",
        "events.event_name=action",
        "--map",
        "events.timestamp=at",
    ]);
    assert_eq!(
        world.ok(&["members", "store", "did(clicked)", "--format", "ndjson"]),
        "{\"user_id\":7}\n{\"user_id\":8}\n"
    );
}

#[test]
fn events_come_through_a_pipe_and_a_glob() {
    let world = World::new();
    let events = fs::read_to_string(world.path("tables/events.ndjson")).expect("a file");
    let said = world.run_with_input(&["load", "piped", "--events", "-"], &events);
    assert_eq!(said.status, 0, "{}", said.err);
    // Without a users table everybody seen is a user.
    assert_eq!(world.ok(&["count", "piped", "everyone"]), "6\n");
    world.ok(&["load", "globbed", "--events", "tables/ev*.ndjson"]);
    assert_eq!(world.ok(&["count", "globbed", "everyone"]), "6\n");
    let said = world.run(&["load", "none", "--events", "tables/nothing*.csv"]);
    assert_eq!(said.status, 1);
    assert!(said.err.contains("nothing*.csv"), "{}", said.err);
}

#[test]
fn a_load_that_is_killed_leaves_the_store_as_it_was() {
    let world = World::new();
    world.ok(&[
        "generate", "sample", "--users", "2000", "--events", "100000", "--days", "20",
    ]);
    world.ok(&[
        "load",
        "store",
        "--users",
        "sample/users.parquet",
        "--events",
        "sample/events/2026-09-30.parquet",
    ]);
    let before = world.ok(&["count", "store", "count(any event) >= 1"]);
    for delay_ms in [0, 20, 60, 150, 400] {
        let mut child = world
            .command(&["load", "store", "--events", "sample/events"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary runs");
        thread::sleep(Duration::from_millis(delay_ms));
        // It may be done already; then there is nothing to kill, and the store holds everything.
        let _ = child.kill();
        let done = child.wait().expect("the binary ends").success();
        assert_eq!(
            world.run(&["verify", "store"]).status,
            0,
            "after {delay_ms} ms"
        );
        let after = world.ok(&["count", "store", "count(any event) >= 1"]);
        if done {
            return;
        }
        // Killed after the swap and before the exit it may hold everything; never anything between.
        if after != before {
            let rows = world.json(&["stats", "store", "--json"])["events"]["rows"].clone();
            assert_eq!(rows, json!(100_000));
            return;
        }
    }
    world.ok(&["load", "store", "--events", "sample/events"]);
    assert_eq!(
        world.json(&["stats", "store", "--json"])["events"]["rows"],
        json!(100_000)
    );
}

#[test]
fn two_writers_are_one_too_many() {
    let world = World::with_store();
    let mut first = world
        .command(&["load", "store", "--events", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let mut input = first.stdin.take().expect("piped");
    // More than any pipe holds: once it is written, the first is reading, and so has the lock.
    for n in 0..20_000 {
        writeln!(
            input,
            r#"{{"event_id":"n{n}","user_id":"u1","event_name":"x","timestamp":"2025-12-01"}}"#
        )
        .expect("a line");
    }
    let refused = world.run(&["load", "store", "--users", "tables/users.ndjson"]);
    assert_ne!(refused.status, 0);
    assert!(refused.err.contains("LOCK"), "{}", refused.err);
    // Readers are not hindered.
    assert_eq!(world.ok(&["count", "store", "everyone"]), "6\n");
    drop(input);
    assert!(first.wait().expect("the first ends").success());
}

#[test]
fn generated_data_is_the_same_for_the_same_seed_and_loads() {
    let world = World::new();
    let words = [
        "--users", "300", "--events", "5000", "--days", "5", "--seed", "7",
    ];
    let made = world.json(&[&["generate", "a", "--json"][..], &words].concat());
    assert_eq!(
        (&made["users"], &made["events"]),
        (&json!(300), &json!(5000))
    );
    world.ok(&[&["generate", "b", "--threads", "2"][..], &words].concat());
    for name in [
        "users.parquet",
        "user_properties.parquet",
        "events/2026-09-30.parquet",
    ] {
        let read = |dir: &str| fs::read(world.path(dir).join(name)).expect("a file");
        assert!(read("a") == read("b"), "{name}");
    }
    let said = world.run(&[&["generate", "a"][..], &words].concat());
    assert_eq!(said.status, 1, "nothing is overwritten");
    assert_eq!(world.ok(&["count", "a", "everyone"]), "300\n");
}

#[test]
fn stats_tell_where_the_bytes_are() {
    let world = World::with_store();
    let stats = world.json(&["stats", "store", "--json"]);
    assert_eq!(stats["users"]["universe"], 6);
    assert_eq!(stats["users"]["orphans"], 1);
    assert_eq!(stats["events"]["rows"], 10);
    let streams = stats["events"]["streams"].as_array().expect("streams");
    let names: Vec<_> = streams
        .iter()
        .map(|stream| stream["event"].as_str().expect("a name"))
        .collect();
    assert_eq!(names, ["page_viewed", "purchase", "signed_out"]);
    let text = world.ok(&["stats", "store"]);
    for part in ["purchase", "amount", "bytes", "index"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(world.ok(&["stats", "tables"]).contains("purchase"));
    assert_eq!(world.json(&["verify", "store", "--json"])["ok"], true);
    assert_eq!(world.run(&["verify", "tables"]).status, 0);
}
