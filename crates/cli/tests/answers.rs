//! What the answering commands print, by hand-counted examples.

mod common;

use common::World;
use serde_json::json;

const AS_OF: &str = "2026-01-01";

fn members(world: &World, store: &str, segment: &str) -> Vec<String> {
    world
        .ok(&["members", store, segment, "--as-of", AS_OF])
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_store_and_a_folder_of_tables_answer_alike() {
    let world = World::with_store();
    for (segment, expected) in [
        ("everyone", vec!["u,6", "u1", "u2", "u3", "u4", "u5"]),
        ("nobody", vec![]),
        ("account_type = 'free'", vec!["u1", "u2", "u4"]),
        ("account_type != 'free'", vec!["u,6", "u3"]),
        ("did(purchase)", vec!["u,6", "u1", "u2"]),
        ("not did(purchase)", vec!["u3", "u4", "u5"]),
        ("did(purchase, last 7 days)", vec!["u2"]),
        ("count(purchase) >= 2", vec!["u1"]),
        ("sum(purchase.amount) > 30", vec!["u1", "u2"]),
        (
            "did(page_viewed where url starts with '/docs/')",
            vec!["u3"],
        ),
        ("industry = 'SaaS'", vec!["u1", "u2", "u3"]),
        ("seats > 5", vec!["u4"]),
        ("did(signed_out)", vec!["u1"]),
        ("did(signed_out, after last(purchase))", vec!["u1"]),
        (
            "sequence(purchase where product_id = 'A' then purchase where product_id = 'B', within 14 days)",
            vec!["u1"],
        ),
        ("top(1, sum(purchase.amount))", vec!["u2"]),
        ("-- a comment first\ndid(purchase)", vec!["u,6", "u1", "u2"]),
        (
            "{\"did\": {\"event\": \"purchase\"}}",
            vec!["u,6", "u1", "u2"],
        ),
    ] {
        assert_eq!(members(&world, "store", segment), expected, "{segment}");
        assert_eq!(
            members(&world, "tables", segment),
            expected,
            "{segment} over the folder"
        );
    }
    assert_eq!(
        world.ok(&[
            "count",
            "store",
            "industry = 'Retail'",
            "--as-of",
            "2025-12-01"
        ]),
        "1\n"
    );
}

#[test]
fn count_prints_a_number_or_one_object() {
    let world = World::with_store();
    assert_eq!(
        world.ok(&["count", "store", "did(purchase)", "--as-of", AS_OF]),
        "3\n"
    );
    let mut object = world.json(&[
        "count",
        "store",
        "did(purchase)",
        "--as-of",
        AS_OF,
        "--json",
    ]);
    assert!(object["elapsed_us"].is_u64());
    object
        .as_object_mut()
        .expect("an object")
        .remove("elapsed_us");
    assert_eq!(
        object,
        json!({ "as_of": "2026-01-01T00:00:00Z", "count": 3, "universe": 6, "warnings": [] })
    );
}

#[test]
fn segments_come_from_files_and_standard_input() {
    let world = World::with_store();
    world.write(
        "trial.segment",
        "did(purchase)\n  and account_type = 'free'\n",
    );
    assert_eq!(
        world.ok(&["count", "store", "@trial.segment", "--as-of", AS_OF]),
        "2\n"
    );
    let said = world.run_with_input(&["count", "store", "@-", "--as-of", AS_OF], "did(purchase)");
    assert_eq!((said.status, said.out.as_str()), (0, "3\n"));
    let said = world.run(&["count", "store", "@missing.segment"]);
    assert_eq!(said.status, 1);
    assert!(said.err.contains("missing.segment"), "{}", said.err);
}

#[test]
fn members_in_every_format() {
    let world = World::with_store();
    let run = |format: &str| {
        world.ok(&[
            "members",
            "store",
            "did(purchase)",
            "--as-of",
            AS_OF,
            "--format",
            format,
        ])
    };
    assert_eq!(run("lines"), "u,6\nu1\nu2\n");
    assert_eq!(run("csv"), "user_id\n\"u,6\"\nu1\nu2\n");
    assert_eq!(
        run("ndjson"),
        "{\"user_id\":\"u,6\"}\n{\"user_id\":\"u1\"}\n{\"user_id\":\"u2\"}\n"
    );
    let object = world.json(&[
        "members",
        "store",
        "did(purchase)",
        "--as-of",
        AS_OF,
        "--json",
    ]);
    assert_eq!(object["members"], json!(["u,6", "u1", "u2"]));

    // The Parquet file is a users table again, so it can be asked itself.
    world.ok(&[
        "members",
        "store",
        "did(purchase)",
        "--as-of",
        AS_OF,
        "--format",
        "parquet",
        "-o",
        "users.parquet",
    ]);
    assert_eq!(world.ok(&["members", ".", "everyone"]), "u,6\nu1\nu2\n");
}

#[test]
fn eval_answers_in_order_and_keeps_errors_to_their_lines() {
    let world = World::with_store();
    world.write(
        "segments.ndjson",
        r#"{"name": "buyers", "segment": "did(purchase)"}
{"name": "broken", "segment": "did(purchase"}
not json

{"name": "node", "segment": {"not": {"did": {"event": "purchase"}}}}
{"name": "earlier", "segment": "did(purchase)", "as_of": "2025-12-10"}
{"name": "typo", "segment": "everyone", "as_off": "2025-12-10"}
"#,
    );
    let said = world.run(&[
        "eval",
        "store",
        "segments.ndjson",
        "--as-of",
        AS_OF,
        "--threads",
        "2",
    ]);
    assert_eq!(said.status, 1, "{}", said.err);
    let lines: Vec<serde_json::Value> = said
        .out
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 6, "{}", said.out);
    assert_eq!(
        lines[0],
        json!({ "name": "buyers", "count": 3, "as_of": "2026-01-01T00:00:00Z" })
    );
    assert!(
        lines[1]["error"].as_str().expect("an error").contains('^'),
        "{}",
        lines[1]
    );
    assert_eq!(
        (&lines[1]["name"], lines[1].get("count")),
        (&json!("broken"), None)
    );
    assert!(lines[2]["error"].is_string() && lines[2]["name"].is_null());
    assert_eq!(lines[3]["count"], 3);
    assert_eq!(
        (&lines[4]["count"], &lines[4]["as_of"]),
        (&json!(1), &json!("2025-12-10T00:00:00Z"))
    );
    assert!(
        lines[5]["error"]
            .as_str()
            .expect("an error")
            .contains("as_off"),
        "{}",
        lines[5]
    );

    let said = world.run_with_input(
        &["eval", "store", "-", "--as-of", AS_OF],
        r#"{"name": "all", "segment": "everyone"}"#,
    );
    assert_eq!(
        (said.status, said.out.as_str()),
        (
            0,
            "{\"name\":\"all\",\"count\":6,\"as_of\":\"2026-01-01T00:00:00Z\"}\n"
        )
    );
}

#[test]
fn explain_shows_the_plan_and_what_it_cost() {
    let world = World::with_store();
    let segment = "account_type = 'free' and count(purchase, last 30 days) >= 2";
    let plan = world.ok(&["explain", "store", segment, "--as-of", AS_OF]);
    assert!(
        plan.contains("count(purchase, last 30 days) >= 2"),
        "{plan}"
    );
    let profile = world.ok(&["explain", "store", segment, "--as-of", AS_OF, "--analyze"]);
    assert!(
        profile.contains("rows") && profile.contains("time"),
        "{profile}"
    );
    let object = world.json(&[
        "explain",
        "store",
        segment,
        "--as-of",
        AS_OF,
        "--analyze",
        "--json",
    ]);
    assert_eq!(object["as_of"], "2026-01-01T00:00:00Z");
    assert_eq!(object["count"], 0);
    assert!(
        object["plan"]["children"]
            .as_array()
            .is_some_and(|children| children.len() == 2),
        "{object}"
    );
    assert!(object["memory_bandwidth"].as_f64() > Some(0.0), "{object}");
    let profile = &object["plan"]["children"][0]["profile"];
    for key in [
        "answered_by",
        "users",
        "chunks",
        "chunks_skipped",
        "rows",
        "rows_skipped",
        "bytes",
        "index_sets",
        "pruned",
        "time_us",
        "bytes_per_second",
        "bandwidth_share",
    ] {
        assert!(profile.get(key).is_some(), "{key}: {object}");
    }
}

#[test]
fn explain_draws_what_each_condition_cost() {
    let world = World::with_store();
    let segment = "account_type = 'free' and count(purchase where amount < 5, last 30 days) >= 2";
    let of = ["explain", "store", segment, "--as-of", AS_OF];
    let asked = [&of[..], &["--analyze", "--svg", "cost.svg"]].concat();
    world.ok(&asked);
    let svg = std::fs::read_to_string(world.path("cost.svg")).unwrap();
    assert!(
        svg.starts_with("<svg ") && svg.ends_with("</svg>\n"),
        "{svg}"
    );
    assert!(svg.contains("where amount &lt; 5"), "{svg}");
    assert!(!svg.contains("< 5"), "{svg}");
    let refused = world.run(&[&of[..], &["--svg", "cost.svg"]].concat());
    assert_eq!(refused.status, 2, "{}", refused.err);
}

#[test]
fn unknown_names_warn_with_the_nearest_one_and_fail_when_strict() {
    let world = World::with_store();
    let said = world.run(&["count", "store", "did(purchas)"]);
    assert_eq!((said.status, said.out.as_str()), (0, "0\n"));
    assert!(
        said.err.contains("warning") && said.err.contains("purchase"),
        "{}",
        said.err
    );
    let object = world.json(&["count", "store", "did(purchas)", "--json"]);
    assert_eq!(
        object["warnings"].as_array().map(Vec::len),
        Some(1),
        "{object}"
    );
    let said = world.run(&["count", "store", "did(purchas)", "--strict"]);
    assert_eq!((said.status, said.out.as_str()), (2, ""));
    assert!(said.err.contains("purchase"), "{}", said.err);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    use std::process::Stdio;
    let world = World::new();
    world.ok(&[
        "generate", "sample", "--users", "20000", "--events", "20000", "--days", "3",
    ]);
    let mut child = world
        .command(&["members", "sample", "everyone"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    // Closed before the first line is written.
    drop(child.stdout.take());
    let said = common::said(&child.wait_with_output().expect("the binary ends"));
    assert_eq!((said.status, said.err.as_str()), (0, ""));
}
