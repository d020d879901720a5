//! Goal: nesting has a bound, which is told, and within it nothing is too deep for the stack.
//! Method: shapes of every kind at the bound and beyond it, in a thread with a small stack. Run it
//! without optimisation as well (`CARGO_PROFILE_DEV_OPT_LEVEL=0`): frames are largest there.

#[path = "common/nothing.rs"]
mod nothing;

use crowdset_query::Segment;
use nothing::plan_on_nothing;
use serde_json::Value;

/// What a thread has by default.
const STACK_BYTES: usize = 2 << 20;

/// Runs a test on a small stack.
fn on_a_small_stack(test: fn()) {
    std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(test)
        .expect("a thread")
        .join()
        .expect("holds on a small stack");
}

/// Shapes of nesting in text: what each level begins and ends with, and what stands innermost.
/// Each level is one of the text's.
const SHAPES: [(&str, &str, &str); 12] = [
    ("(", "x = 1", ")"),
    ("not ", "x = 1", ""),
    ("a = 1 and (b = 2 or ", "x = 1", ")"),
    ("c = 1 or a = 1 and (b = 2 or ", "x = 1", ")"),
    ("did(a where |y = 1 and (z = 2 or ", "x = 1", ")|)"),
    ("did(a where |not ", "x = 1", "|)"),
    ("did(a|, after last(a", "", ")|)"),
    (
        "did(a|, within 3 days after nth(2, any of (a where x = 1, b)",
        "",
        ")|)",
    ),
    ("|- ", "count(a)", "| > 1"),
    ("|1 + 2 * (", "count(a)", ")| > 1"),
    ("top(5, |2 * (1 - ", "count(a)", ")|)"),
    ("had(x = 1|, since first(a where x != 1", "", ")|)"),
];

/// A text of so many levels. What stands before `|` is there once.
fn nested((open, inner, close): (&str, &str, &str), levels: usize) -> String {
    let (begin, open) = open.split_once('|').unwrap_or(("", open));
    let (close, end) = close.split_once('|').unwrap_or((close, ""));
    [
        begin,
        &open.repeat(levels),
        inner,
        &close.repeat(levels),
        end,
    ]
    .concat()
}

fn errors(text: &str) -> String {
    text.parse::<Segment>()
        .expect_err("is too deep")
        .to_string()
}

#[test]
fn what_is_deep_but_allowed_keeps_its_forms() {
    on_a_small_stack(|| {
        for shape in SHAPES {
            let text = nested(shape, 128);

            let segment: Segment = text.parse().expect("is within the bound");
            let printed = segment.to_string();
            assert_eq!(printed.parse::<Segment>().as_ref(), Ok(&segment), "{text}");
            let json = segment.to_json().to_string();
            assert_eq!(json.parse::<Segment>().as_ref(), Ok(&segment), "{text}");
            assert!(plan_on_nothing(&segment).is_some(), "{text}");
        }
    });
}

#[test]
fn text_that_is_too_deep_is_told_once() {
    on_a_small_stack(|| {
        for levels in [129, 1_000, 100_000] {
            for shape in SHAPES {
                let told = errors(&nested(shape, levels));
                let times = told.matches("nested more than 128 levels deep").count();
                assert_eq!(times, 1, "{shape:?}, {levels}: {told:.300}");
            }
        }
    });
}

/// Shapes of nesting in JSON, as [`SHAPES`]; how many levels of the text each of theirs is comes first.
const JSON_SHAPES: [(usize, (&str, &str, &str)); 7] = [
    (1, (r#"{"not": "#, r#"{"everyone": true}"#, "}")),
    (
        1,
        (
            r#"{"or": [{"nobody": true}, {"and": [{"everyone": true}, "#,
            r#"{"everyone": true}"#,
            "]}]}",
        ),
    ),
    (
        1,
        (
            r#"{"did": {"event": "a", "where": |{"not": "#,
            r#"{"prop": "x", "op": "is set"}"#,
            "}|}}",
        ),
    ),
    (
        1,
        (
            r#"{"did": {"event": "a"|, "window": {"after": {"last": {"event": "a""#,
            "",
            "}}}|}}",
        ),
    ),
    (
        1,
        (
            r#"{"measure": |{"negative": "#,
            r#"{"count": {"event": "a"}}"#,
            r#"}|, "op": ">", "value": 1}"#,
        ),
    ),
    (
        1,
        (
            r#"{"measure": |{"arithmetic": [1, "+", {"arithmetic": [2, "*", "#,
            r#"{"count": {"event": "a"}}"#,
            r#"]}]}|, "op": ">", "value": 1}"#,
        ),
    ),
    (
        2,
        (
            r#"{"measure": |{"negative": {"arithmetic": [1, "+", "#,
            r#"{"count": {"event": "a"}}"#,
            r#"]}}|, "op": ">", "value": 1}"#,
        ),
    ),
];

#[test]
fn json_is_held_to_the_depth_of_text() {
    on_a_small_stack(|| {
        for (weight, shape) in JSON_SHAPES {
            // The innermost of some shapes needs no parentheses.

            let allowed: Segment = nested(shape, 128 / weight)
                .parse()
                .expect("is within the bound");
            let printed = allowed.to_string();
            assert_eq!(
                printed.parse::<Segment>().as_ref(),
                Ok(&allowed),
                "{shape:?}"
            );
            for levels in [130 / weight, 192, 250, 100_000] {
                let told = errors(&nested(shape, levels));
                assert!(
                    told.contains("nested more than"),
                    "{shape:?}, {levels}: {told:.300}"
                );
            }
        }
        // Brackets that say nothing.
        for open in ["[", "{\"and\": [", "{\"x\":"] {
            let told = errors(&format!("{{\"and\": {}", open.repeat(100_000)));
            assert!(told.contains("nested more than"), "{open}: {told:.300}");
        }
    });
}

#[test]
fn a_deep_value_that_is_no_text_is_refused() {
    on_a_small_stack(|| {
        let mut json = serde_json::json!({"everyone": true});
        for _ in 0..5_000 {
            json = Value::Object([("not".to_owned(), json)].into_iter().collect());
        }
        let told = Segment::from_json(&json)
            .expect_err("is too deep")
            .to_string();
        assert!(told.contains("nested more than 128 levels deep"), "{told}");
        // A value of `serde_json` goes away one in the other; take it apart.
        while let Value::Object(mut object) = json {
            json = object.remove("not").unwrap_or_default();
        }
    });
}
