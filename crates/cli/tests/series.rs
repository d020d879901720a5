//! Sizes by value, of pairs and over time, by hand-counted examples.

mod common;

use common::World;
use serde_json::json;

const AS_OF: &str = "2026-01-01";

#[test]
fn breakdown_counts_values_as_of_the_instant() {
    let world = World::with_store();
    let by = |attribute: &str, as_of: &str| {
        let words = [
            "breakdown",
            "store",
            "everyone",
            "--by",
            attribute,
            "--as-of",
            as_of,
            "--json",
        ];
        world.json(&words)["groups"].clone()
    };
    assert_eq!(
        by("account_type", AS_OF),
        json!([{"value": "free", "count": 3}, {"value": "agency", "count": 2}, {"value": null, "count": 1}])
    );
    assert_eq!(
        by("industry", "2025-12-01"),
        json!([{"value": null, "count": 3}, {"value": "SaaS", "count": 2}, {"value": "Retail", "count": 1}])
    );
    assert!(
        world
            .ok(&["breakdown", "store", "everyone", "--by", "industry"])
            .contains("(none)")
    );
    assert_eq!(
        world
            .run(&["breakdown", "store", "everyone", "--by", "a b"])
            .status,
        2
    );
    let said = world.run(&["breakdown", "store", "everyone", "--by", "acount_type"]);
    assert_eq!(said.status, 2);
    assert!(said.err.contains("there is no attribute `acount_type`"));
    assert!(
        said.err.contains("did you mean `account_type`?"),
        "{}",
        said.err
    );
}

#[test]
fn overlap_trend_and_diff() {
    let world = World::with_store();
    let found = world.json(&[
        "overlap",
        "store",
        "did(purchase)",
        "account_type = 'free'",
        "--as-of",
        AS_OF,
        "--json",
    ]);
    assert_eq!(found["sizes"], json!([[3, 2], [2, 3]]));
    let of = [
        "store",
        "did(purchase, last 7 days)",
        "--from",
        "2025-12-25",
        "--to",
        "2026-01-01T12:00:00Z",
    ];
    let trend = world.json(&[&["trend"], &of[..], &["--every", "4d", "--json"]].concat());
    assert_eq!(
        trend["points"],
        json!([
            {"as_of": "2025-12-25T00:00:00Z", "count": 1},
            {"as_of": "2025-12-29T00:00:00Z", "count": 1},
            {"as_of": "2026-01-01T12:00:00Z", "count": 1},
        ])
    );
    assert_eq!(world.ok(&[&["diff"], &of[..]].concat()), "+ u2\n- u,6\n");
    let said = world.run(&[&["trend"], &of[..], &["--every", "1 day"]].concat());
    assert_eq!(said.status, 2, "{}", said.err);
}
