//! Exit codes, refusals and help: what a wrong command line, segment or store gets.

mod common;

use common::World;
use serde_json::Value;
use std::fs;

#[test]
fn wrong_usage_is_2_and_says_so() {
    let world = World::with_store();
    for words in [
        &["frobnicate"][..],
        &["count"],
        &["count", "store"],
        &["count", "store", "everyone", "more"],
        &["count", "store", "everyone", "--as-of", "soon"],
        &["count", "store", "everyone", "--threads", "0"],
        &["load", "store"],
        &[
            "load",
            "store",
            "--users",
            "tables/users.ndjson",
            "--map",
            "users.user_id",
        ],
        &[
            "load",
            "store",
            "--users",
            "tables/users.ndjson",
            "--on-bad-row",
            "shrug",
        ],
        &["members", "store", "everyone", "--format", "xml"],
        &["members", "store", "everyone", "--format", "csv", "--json"],
    ] {
        let said = world.run(words);
        assert_eq!(
            (said.status, said.out.as_str()),
            (2, ""),
            "{words:?}: {}",
            said.err
        );
        assert!(said.err.starts_with("error: "), "{words:?}: {}", said.err);
    }
    assert_eq!(world.run(&[]).status, 2);
}

#[test]
fn every_command_has_help_with_an_example() {
    let world = World::new();
    assert_eq!(world.run(&["--version"]).status, 0);
    let help = world.ok(&["--help"]);
    for command in [
        "demo", "load", "count", "members", "eval", "explain", "stats", "verify", "generate",
        "check", "fmt", "sql", "schema",
    ] {
        assert!(
            help.contains(&format!("\n  {command} ")),
            "{command} is missing:\n{help}"
        );
        let help = world.ok(&[command, "--help"]);
        assert!(help.contains(&format!("  crowdset {command}")), "{help}");
    }
}

#[test]
fn a_wrong_segment_is_2_with_its_place() {
    let world = World::with_store();
    for command in ["count", "members", "explain"] {
        let said = world.run(&[
            command,
            "store",
            "count(report_generated, last 1 months) > 5",
        ]);
        assert_eq!((said.status, said.out.as_str()), (2, ""));
        assert!(
            said.err.contains("1:25: ") && said.err.contains("\n                          ^^^"),
            "{}",
            said.err
        );
        assert!(said.err.contains("last 30 days"), "{}", said.err);
    }
    for segment in [
        "",
        "   ",
        "-- nothing but a comment",
        "{",
        "{\"did\": {\"evnt\": \"x\"}}",
        "did(",
        "((((",
        "💥",
    ] {
        let said = world.run(&["count", "store", segment]);
        assert_eq!(
            (said.status, said.out.as_str()),
            (2, ""),
            "{segment}: {}",
            said.err
        );
    }
}

#[test]
fn schema_prints_what_is_published() {
    let published = include_str!("../../../docs/segment.schema.json");
    assert_eq!(World::new().ok(&["schema"]), published);
}

#[test]
fn check_and_fmt_need_no_store() {
    let world = World::with_store();
    assert_eq!(world.ok(&["check", "did(purchase)"]), "ok\n");
    let said = world.run(&["check", "did(purchase", "--json"]);
    assert_eq!(said.status, 2);
    let object: Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(object["ok"], false);
    assert_eq!(object["diagnostics"][0]["severity"], "error");
    assert_eq!(object["diagnostics"][0]["line"], 1);
    let object = world.json(&["check", "did(purchase)", "--json"]);
    assert_eq!(object["ok"], true);

    let said = world.run(&["check", "did(purchas)", "--store", "store"]);
    assert_eq!((said.status, said.out.as_str()), (0, "ok\n"));
    assert!(said.err.contains("purchase"), "{}", said.err);
    assert_eq!(
        world
            .run(&["check", "did(purchas)", "--store", "store", "--strict"])
            .status,
        2
    );

    let text = world.ok(&["fmt", "NOT DID( purchase ,  last 720 hours )"]);
    assert_eq!(text, "not did(purchase, last 30 days)\n");
    let object = world.json(&["fmt", "not did(purchase, last 30 days)", "--json"]);
    assert_eq!(object["v"], 1);
    assert_eq!(
        world.ok(&["fmt", &object.to_string()]),
        text,
        "JSON and text are one"
    );
}

#[test]
fn a_missing_store_says_where_and_what_helps() {
    let world = World::new();
    fs::create_dir(world.path("empty")).expect("a folder");
    for store in ["missing", "empty", "tables/users.ndjson"] {
        for words in [
            &["count", store, "everyone"][..],
            &["stats", store],
            &["verify", store],
        ] {
            let said = world.run(words);
            assert_eq!((said.status, said.out.as_str()), (1, ""), "{words:?}");
            assert!(
                said.err.starts_with("error: ") && said.err.contains(store),
                "{}",
                said.err
            );
            assert!(said.err.contains("crowdset load"), "{}", said.err);
        }
    }
    assert!(!world.path("missing").exists(), "asking creates nothing");
}

#[test]
fn a_damaged_store_is_named_never_answered_from() {
    let world = World::with_store();
    assert_eq!(world.run(&["verify", "store"]).status, 0);
    for (name, bytes) in world.files("store") {
        if name == "LOCK" || bytes.is_empty() {
            continue;
        }
        let path = world.path("store").join(&name);
        // One bit in the middle, then the second half missing.
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 2] ^= 0x10;
        for damaged in [&flipped[..], &bytes[..bytes.len() / 2]] {
            fs::write(&path, damaged).expect("a file");
            let said = world.run(&["verify", "store"]);
            assert_eq!(
                said.status,
                1,
                "{name} with {} bytes: {}{}",
                damaged.len(),
                said.out,
                said.err
            );
            assert!(
                format!("{}{}", said.out, said.err).contains(&name),
                "{name}: {}{}",
                said.out,
                said.err
            );
            let said = world.run(&[
                "count",
                "store",
                "count(purchase where amount > 7) >= 1",
                "--as-of",
                "2026-01-01",
            ]);
            assert!(
                said.status == 1 || said.out == "2\n",
                "{name}: {}{}",
                said.out,
                said.err
            );
        }
        fs::write(&path, &bytes).expect("a file");
    }
    assert_eq!(world.run(&["verify", "store"]).status, 0);
}

#[test]
fn demo_outside_of_a_checkout_says_what_it_needs() {
    let world = World::new();
    let said = world.run(&["demo"]);
    assert_eq!(said.status, 1);
    assert!(said.err.contains("--data"), "{}", said.err);
}
