//! Segments and lists that a store keeps under names.

mod common;

use common::World;
use serde_json::json;

const AS_OF: &str = "2026-01-01";

#[test]
fn segments_are_saved_listed_shown_and_dropped() {
    let world = World::with_store();
    assert_eq!(
        world.ok(&["segment", "save", "store", "buyers", "did(purchase)"]),
        "saved segment `buyers`, version 1\n"
    );
    world.ok(&[
        "segment",
        "save",
        "store",
        "buyers",
        "did(purchase, last 7 days)",
    ]);
    world.ok(&[
        "segment",
        "save",
        "store",
        "free buyers",
        "segment('buyers') and account_type = 'free'",
    ]);
    assert_eq!(
        world.ok(&["count", "store", "segment('free buyers')", "--as-of", AS_OF]),
        "1\n"
    );
    assert_eq!(
        world.ok(&["segment", "show", "store", "buyers"]),
        "did(purchase, last 7 days)\n"
    );
    assert_eq!(
        world.ok(&["segment", "show", "store", "buyers", "--version", "1"]),
        "did(purchase)\n"
    );
    let listed = world.json(&["segment", "list", "store", "--json"]);
    assert_eq!(listed["segments"][0]["name"], "buyers");
    assert_eq!(listed["segments"][0]["version"], 2);
    assert_eq!(listed["segments"].as_array().expect("a list").len(), 2);
    assert!(
        world
            .ok(&["segment", "list", "store"])
            .contains("free buyers")
    );
    let said = world.run(&["segment", "drop", "store", "buyers"]);
    assert_eq!(said.status, 1);
    assert!(
        said.err.contains("part of segment `free buyers`"),
        "{}",
        said.err
    );
    world.ok(&["segment", "drop", "store", "free buyers"]);
    world.ok(&["segment", "drop", "store", "buyers"]);
    for words in [
        vec!["segment", "show", "store", "buyers"],
        vec!["segment", "drop", "store", "buyers"],
        vec!["count", "store", "segment('buyers')"],
        vec!["segment", "save", "store", "a", "segment('a')"],
        vec!["segment", "save", "store", "", "everyone"],
        vec!["list", "show", "store", "x"],
    ] {
        let said = world.run(&words);
        assert_eq!(said.status, 2, "{words:?}: {}", said.err);
    }
    let said = world.run(&["segment", "save", "tables", "a", "everyone"]);
    assert_eq!(said.status, 1, "{}", said.err);
}

#[test]
fn what_is_exported_can_be_imported() {
    let world = World::with_store();
    // In any order.
    world.write(
        "segments.ndjson",
        "{\"name\": \"a\", \"segment\": \"segment('b') -- both\"}\n{\"name\": \"b\", \"segment\": {\"did\": {\"event\": \"purchase\"}}}\n",
    );
    world.ok(&["segment", "import", "store", "segments.ndjson"]);
    let exported = world.ok(&["segment", "export", "store"]);
    assert_eq!(
        exported,
        "{\"name\":\"a\",\"segment\":\"segment('b') -- both\"}\n{\"name\":\"b\",\"segment\":\"did(purchase)\"}\n"
    );
    let said = world.run_with_input(&["segment", "import", "store", "-"], &exported);
    assert_eq!(
        said.out,
        "saved segment `a`, version 2\nsaved segment `b`, version 2\n"
    );
    let said = world.run_with_input(&["segment", "import", "store", "-"], "{\"name\": \"c\"}");
    assert_eq!(said.status, 2);
    assert!(said.err.contains("line 1"), "{}", said.err);
}

#[test]
fn lists_are_saved_listed_shown_and_dropped() {
    let world = World::with_store();
    let said = world.run_with_input(
        &["list", "save", "store", "friends", "-"],
        "u2\nu1\n\nu2\nu99\n",
    );
    assert_eq!(said.out, "saved list `friends`, version 1: 3 ids\n");
    assert_eq!(
        world.ok(&["members", "store", "list('friends')"]),
        "u1\nu2\n"
    );
    assert_eq!(
        world.ok(&["list", "show", "store", "friends"]),
        "u1\nu2\nu99\n"
    );
    let listed = world.json(&["list", "list", "store", "--json"]);
    assert_eq!(listed["lists"][0]["ids"], json!(3));
    // As a spreadsheet writes it.
    let said = world.run_with_input(
        &["list", "save", "store", "friends", "-"],
        "\u{feff}u2 \r\n  u1\t\r\n \r\nu3\r\n",
    );
    assert!(
        said.err.contains("blanks around 2 of the ids"),
        "{}",
        said.err
    );
    assert_eq!(
        world.ok(&["list", "show", "store", "friends"]),
        "u1\nu2\nu3\n"
    );
    world.ok(&["list", "drop", "store", "friends"]);
    let said = world.run(&["count", "store", "list('friends')"]);
    assert_eq!(said.status, 2);
    assert!(
        said.err.contains("there is no list `friends`"),
        "{}",
        said.err
    );
}
