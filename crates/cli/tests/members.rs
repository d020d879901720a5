//! `members` with attributes and in binary formats, and what the answers about many segments warn of.

mod common;

use common::World;
use serde_json::json;
use std::fs;

const AS_OF: &str = "2026-01-01";

fn members(world: &World, more: &[&str]) -> String {
    let words = ["members", "store", "everyone", "--as-of", AS_OF];
    world.ok(&[&words, more].concat())
}

#[test]
fn attributes_stand_beside_ids_as_of_the_instant() {
    let world = World::with_store();
    let with = "account_type,property.industry,number(property.seats),users.created_at";
    assert_eq!(
        members(&world, &["--format", "csv", "--with", with]),
        "user_id,account_type,property.industry,number(property.seats),users.created_at\n\
         \"u,6\",agency,,,2025-03-01T00:00:00Z\n\
         u1,free,SaaS,,2025-01-01T00:00:00Z\n\
         u2,free,SaaS,,2025-06-01T00:00:00Z\n\
         u3,agency,SaaS,,2025-12-20T00:00:00Z\n\
         u4,free,,12,2025-02-01T00:00:00Z\n\
         u5,,,,2025-03-01T00:00:00Z\n"
    );
    let words = [
        "members",
        "store",
        "user_id = 'u2'",
        "--as-of",
        "2025-12-01",
        "--format",
        "ndjson",
        "--with",
        "industry",
        "--with",
        "number(seats)",
    ];
    // At the very instant of an update the value before it holds.
    assert_eq!(
        world.ok(&words),
        "{\"user_id\":\"u2\",\"industry\":\"Retail\",\"number(seats)\":null}\n"
    );
}

#[test]
fn columns_that_cannot_be_are_refused_with_the_cure() {
    let world = World::with_store();
    for (more, said_of_it) in [
        (&["--with", "account_type"][..], "--format csv"),
        (
            &["--with", "account_type", "--format", "roaring"],
            "--format csv",
        ),
        (&["--with", "account_type", "--json"], "--format ndjson"),
        (
            &["--with", "acount_type", "--format", "csv"],
            "account_type",
        ),
        (
            &["--with", "users.industry", "--format", "csv"],
            "property.industry",
        ),
        (
            &["--with", "email,email", "--format", "csv"],
            "two columns `email`",
        ),
        (&["--with", "email,,name", "--format", "csv"], "empty name"),
        (&["--with", "a b", "--format", "csv"], "^"),
    ] {
        let words = [&["members", "store", "everyone", "-o", "out"], more].concat();
        let said = world.run(&words);
        assert_eq!((said.status, said.out.as_str()), (2, ""), "{more:?}");
        assert!(said.err.contains(said_of_it), "{more:?}: {}", said.err);
        assert!(!world.path("out").exists(), "{more:?}");
    }
}

#[test]
fn parquet_with_attributes_is_a_users_table() {
    let world = World::with_store();
    let with = "account_type,email";
    let file = ["--format", "parquet", "--with", with, "-o", "users.parquet"];
    members(&world, &file);
    assert_eq!(
        world.ok(&["members", ".", "account_type = 'agency' and email is set"]),
        "u,6\n"
    );
}

#[test]
fn arrow_is_a_file_in_a_file_and_a_stream_on_standard_output() {
    let world = World::with_store();
    let arrow = ["--format", "arrow", "--with", "created_at"];
    members(&world, &[&arrow[..], &["-o", "out.arrow"]].concat());
    let file = fs::read(world.path("out.arrow")).expect("a file");
    assert!(file.starts_with(b"ARROW1") && file.ends_with(b"ARROW1"));
    let words = ["members", "store", "everyone"];
    let output = world
        .command(&[&words[..], &arrow].concat())
        .output()
        .expect("the binary runs");
    assert!(output.status.success());
    // A stream begins with the mark of a message.
    assert!(output.stdout.starts_with(&[0xff; 4]), "{:?}", output.stdout);
}

#[test]
fn roaring_holds_the_ids_themselves() {
    let world = World::with_store();
    let roaring = |store: &str, file: &str| {
        let words = [
            "members", store, "everyone", "--format", "roaring", "-o", file,
        ];
        world.run(&words)
    };
    let said = roaring("store", "text");
    assert_eq!(said.status, 1);
    assert!(
        said.err.contains("user ids are text") && said.err.contains("csv"),
        "{}",
        said.err
    );
    assert!(!world.path("text").exists());

    fs::create_dir(world.path("narrow")).expect("a folder");
    world.write("narrow/users.ndjson", "{\"user_id\":7}\n{\"user_id\":3}\n");
    assert_eq!(roaring("narrow", "narrow.bin").status, 0);
    // The cookie of a bitmap without runs, one container, its key, its size less one, where it
    // begins, and its two values.
    let container = [0, 0, 1, 0, 16, 0, 0, 0, 3, 0, 7, 0];
    let narrow = [&[0x3a, 0x30, 0, 0, 1, 0, 0, 0], &container[..]].concat();
    let found = fs::read(world.path("narrow.bin")).expect("a file");
    assert_eq!(found, narrow);

    fs::create_dir(world.path("wide")).expect("a folder");
    let users = "{\"user_id\":7}\n{\"user_id\":3}\n{\"user_id\":4294967296}\n";
    world.write("wide/users.ndjson", users);
    assert_eq!(roaring("wide", "wide.bin").status, 0);
    // How many bitmaps, and before each the upper half of its numbers.
    let found = fs::read(world.path("wide.bin")).expect("a file");
    assert_eq!(found[..8], 2_u64.to_le_bytes());
    assert_eq!(found[8..12], [0; 4]);
    assert_eq!(found[12..12 + narrow.len()], narrow);
    assert_eq!(found[12 + narrow.len()..][..4], 1_u32.to_le_bytes());

    fs::create_dir(world.path("negative")).expect("a folder");
    world.write(
        "negative/users.ndjson",
        "{\"user_id\":7}\n{\"user_id\":-3}\n",
    );
    let said = roaring("negative", "negative.bin");
    assert_eq!(said.status, 1);
    assert!(said.err.contains("user id -3"), "{}", said.err);
}

#[test]
fn answers_about_many_warn_of_unknown_names() {
    let world = World::with_store();
    let span = ["--from", "2025-12-31", "--to", AS_OF];
    for words in [
        &["overlap", "store", "everyone", "did(purchas)"][..],
        &[&["trend", "store", "did(purchas)"], &span[..]].concat(),
        &[&["diff", "store", "did(purchas)"], &span[..]].concat(),
    ] {
        let said = world.run(words);
        assert_eq!(said.status, 0, "{}", said.err);
        assert!(
            said.err.contains("did you mean `purchase`?"),
            "{}",
            said.err
        );
        let object = world.json(&[words, &["--json"]].concat());
        let warnings = object["warnings"].as_array();
        assert_eq!(warnings.map(Vec::len), Some(1), "{object}");
        let said = world.run(&[words, &["--strict"]].concat());
        assert_eq!(said.status, 2, "{}", said.err);
    }
    let trend = [&["trend", "store", "everyone", "--json"], &span[..]].concat();
    assert_eq!(world.json(&trend)["as_of"], "2026-01-01T00:00:00Z");
}

#[test]
fn each_segment_of_overlap_may_begin_with_a_comment() {
    let world = World::with_store();
    let commented = "-- buyers\ndid(purchase)";
    let words = ["overlap", "store", commented, commented, "--as-of", AS_OF];
    let found = world.json(&[&words[..], &["--json"]].concat());
    assert_eq!(found["sizes"], json!([[3, 3], [3, 3]]));
}

#[test]
fn integer_ids_are_numbers_in_every_json() {
    let world = World::new();
    fs::create_dir(world.path("numbers")).expect("a folder");
    world.write(
        "numbers/events.ndjson",
        r#"{"event_id":1,"user_id":7,"event_name":"purchase","timestamp":"2025-12-31T10:00:00Z"}
{"event_id":2,"user_id":3,"event_name":"purchase","timestamp":"2025-12-01T10:00:00Z"}
"#,
    );
    let recent = "did(purchase, last 1 days)";
    let diff = world.json(&[
        "diff",
        "numbers",
        recent,
        "--from",
        "2025-12-02",
        "--to",
        AS_OF,
        "--json",
    ]);
    assert_eq!(
        (&diff["entered"], &diff["left"]),
        (&json!([7]), &json!([3]))
    );
    assert_eq!(
        world.ok(&["members", "numbers", "everyone", "--format", "ndjson"]),
        "{\"user_id\":3}\n{\"user_id\":7}\n"
    );
}
