//! What `why` prints about one user, by hand-counted examples.

mod common;

use common::World;
use serde_json::json;

const AS_OF: &str = "2026-01-01";

fn why(world: &World, segment: &str, user: &str) -> String {
    world.ok(&["why", "store", segment, user, "--as-of", AS_OF])
}

#[test]
fn tells_what_was_found_and_what_was_missing() {
    let world = World::with_store();
    let segment = "account_type = 'free' and count(purchase, last 30 days) >= 2";
    assert_eq!(
        why(&world, segment, "u1"),
        "\
u1 is out as of 2026-01-01T00:00:00Z

✗ account_type = 'free' and count(purchase, last 30 days) >= 2
├─ ✓ account_type = 'free'
│    found 'free'
└─ ✗ count(purchase, last 30 days) >= 2
     1 of at least 2, 1 short
     2025-12-15T10:00:00Z  purchase  amount = 20.5, product_id = 'B'

without new data this never changes
"
    );
    let said = why(&world, "not did(purchase, last 30 days)", "u1");
    assert!(
        said.contains("✗ not\n└─ ✓ did(purchase, last 30 days)"),
        "{said}"
    );
    assert!(
        said.ends_with(
            "without new data this changes at 2026-01-14T10:00:00.001Z, in 13 days 10 hours\n"
        ),
        "{said}"
    );
}

#[test]
fn tells_of_unknown_names_and_unknown_users() {
    let world = World::with_store();
    let said = world.run(&["why", "store", "did(purchse)", "u1", "--as-of", AS_OF]);
    assert_eq!(said.status, 0);
    assert!(
        said.out
            .contains("unknown event `purchse`: it matches nothing; did you mean `purchase`?"),
        "{}",
        said.out
    );
    assert!(said.err.contains("warning: "), "{}", said.err);
    let strict = world.run(&["why", "store", "did(purchse)", "u1", "--strict"]);
    assert_eq!(strict.status, 2);
    assert_eq!(
        why(&world, "everyone", "nobody-knows"),
        "nobody-knows is out as of 2026-01-01T00:00:00Z: not in the universe, nothing is known of such a user\n"
    );
    assert_eq!(
        why(&world, "did(purchase)", "stranger"),
        "stranger is out as of 2026-01-01T00:00:00Z: not in the universe; its one event counts once its row of users arrives\n"
    );
}

#[test]
fn prints_one_object() {
    let world = World::with_store();
    let object = |segment: &str, user: &str| {
        world.json(&["why", "store", segment, user, "--as-of", AS_OF, "--json"])
    };
    assert_eq!(
        object("did(page_viewed, last 2 days) or seats > 5", "u2"),
        json!({
            "as_of": "2026-01-01T00:00:00Z",
            "user": "u2",
            "in_universe": true,
            "events_total": 2,
            "in": true,
            "tree": {
                "condition": "did(page_viewed, last 2 days) or seats > 5",
                "kind": "or",
                "holds": true,
                "parts": [
                    {
                        "condition": "did(page_viewed, last 2 days)",
                        "kind": "condition",
                        "holds": true,
                        "value": 1,
                        "events_total": 1,
                        "events": [{
                            "timestamp": "2025-12-30T08:00:00Z",
                            "event_name": "page_viewed",
                            "properties": { "url": "/pricing" },
                        }],
                    },
                    {
                        "condition": "seats > 5",
                        "kind": "condition",
                        "holds": false,
                        "value": null,
                        "miss": { "text": "no value" },
                    },
                ],
            },
            "next_change": "2026-01-01T08:00:00.001Z",
            "warnings": [],
        })
    );
    let stranger = object("everyone", "stranger");
    assert_eq!(stranger["in"], json!(false));
    assert_eq!(stranger["in_universe"], json!(false));
    assert_eq!(stranger["tree"], json!(null));
    assert_eq!(stranger["events_total"], json!(1));
    let ranked = object("top(1, sum(purchase.amount))", "u1");
    assert_eq!(ranked["tree"]["place"], json!(2));
    assert_eq!(ranked["tree"]["value"], json!(30.5));
    assert_eq!(
        ranked["tree"]["miss"]["text"],
        json!("place 2 of 3, where 1 are selected")
    );
}

#[test]
fn shows_the_events_of_a_sequence() {
    let world = World::with_store();
    let said = why(
        &world,
        "sequence(purchase where product_id = 'A' then purchase where product_id = 'B')",
        "u1",
    );
    assert!(said.starts_with("u1 is in"), "{said}");
    assert!(
        said.contains("2025-12-01T10:00:00Z  purchase  amount = 10, product_id = 'A'"),
        "{said}"
    );
    let said = why(
        &world,
        "sequence(purchase then page_viewed then purchase)",
        "u2",
    );
    assert!(said.contains("1 of 3 steps, 2 short"), "{said}");
}
