//! What must hold of every tree and of every text.
//!
//! Method: random trees of the whole language, names that look like keywords on purpose; random
//! texts of the language's own words, where a parser has the most to get wrong.

mod common;
#[path = "common/nothing.rs"]
mod nothing;

use common::segment;
use crowdset_query::{Plan, PlanKind, Segment};
use nothing::plan_on_nothing;
use proptest::prelude::*;
use std::time::Instant;

proptest! {
    #[test]
    fn text_and_tree_are_one(segment in segment()) {
        let text = segment.to_string();
        let read: Segment = match text.parse() {
            Ok(read) => read,
            Err(error) => return Err(TestCaseError::fail(format!("{error}\n{text}"))),
        };
        prop_assert_eq!(&read, &segment, "{}", text);
        prop_assert_eq!(read.to_string(), text);
    }

    #[test]
    fn json_and_tree_are_one(segment in segment()) {
        let json = segment.to_json().to_string();
        let read: Segment = match json.parse() {
            Ok(read) => read,
            Err(error) => return Err(TestCaseError::fail(format!("{error}\n{json}"))),
        };
        prop_assert_eq!(&read, &segment, "{}", json);
        prop_assert_eq!(read.to_json().to_string(), json);
    }

    /// Without data everything folds: a condition on nothing is true of everybody or of nobody. Only
    /// what asks for the user id itself is left, and so are buckets, which are made of it.
    #[test]
    fn without_data_every_plan_is_constant(segment in segment()) {
        if let Some(plan) = plan_on_nothing(&segment) {
            let constant = |plan: &Plan| plan.nodes().iter().all(|node| {
                matches!(
                    node.kind,
                    PlanKind::Everyone | PlanKind::Nobody | PlanKind::UserId(_) | PlanKind::And(_) | PlanKind::Or(_)
                        | PlanKind::Not(_)
                ) || node.text.contains("bucket(")
            });
            prop_assert!(constant(&plan), "{}", plan);
            prop_assert_eq!(plan.nodes().len(), plan.node_count as usize);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,80}") {
        if let Err(error) = text.parse::<Segment>() {
            prop_assert!(!error.diagnostics.is_empty());
            prop_assert!(!error.to_string().is_empty());
        }
    }

    /// Where a parser has the most to get wrong: what is nearly right, in both forms.
    #[test]
    fn what_is_nearly_a_segment_is_read_or_refused(
        segment in segment(), is_json in any::<bool>(), cut in any::<prop::sample::Index>(), width in 0_usize..6,
        put in "[ -~]{0,3}",
    ) {
        let whole = if is_json { segment.to_json().to_string() } else { segment.to_string() };
        let mut chars: Vec<char> = whole.chars().collect();
        let start = cut.index(chars.len());
        let end = (start + width).min(chars.len());
        chars.splice(start..end, put.chars());
        let text: String = chars.into_iter().collect();
        match text.parse::<Segment>() {
            Ok(read) => {
                prop_assert_eq!(read.to_string().parse::<Segment>(), Ok(read.clone()), "{}", text);
                prop_assert_eq!(Segment::from_json(&read.to_json()), Ok(read), "{}", text);
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn any_words_are_read_or_refused(words in prop::collection::vec(prop::sample::select(WORDS.to_vec()), 0..40)) {
        let text = words.join(" ");
        match text.parse::<Segment>() {
            Ok(segment) => prop_assert_eq!(segment.to_string().parse::<Segment>(), Ok(segment), "{}", text),
            Err(error) => {
                for finding in &error.diagnostics {
                    prop_assert!(finding.position(&text).is_some(), "{:?} of {}", finding, text);
                }
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }
}

const WORDS: [&str; 86] = [
    "(",
    ")",
    "(",
    ")",
    ",",
    ".",
    "=",
    "!=",
    "<",
    ">=",
    "-",
    "+",
    "*",
    "%",
    "and",
    "or",
    "not",
    "did(",
    "count(",
    "sum(",
    "first(",
    "last(",
    "nth(2,",
    "sequence(",
    "without",
    "directly",
    "then within 1 hours",
    "same x",
    "strictly",
    "stopped(",
    "restarted(",
    "weeks(",
    "periods(",
    "of 7 days",
    "each >= 2",
    "in 'UTC'",
    "top(5,",
    "a",
    "b",
    "a.x",
    "\"q q\"",
    "'t'",
    "'2026-01-01'",
    "5",
    "2.5",
    "where",
    "then",
    "last 7 days",
    "in",
    "between",
    "within 1 days",
    "after",
    "before",
    "since",
    "any event",
    "any of",
    "except",
    "is",
    "set",
    "has",
    "matches",
    "contains",
    "today",
    "this month",
    "last 2 calendar weeks",
    "on '2026-01-05'",
    "in 'Europe/Berlin'",
    "had(",
    "changed(",
    "held(",
    "for 7 days",
    "from",
    "to",
    "bucket('s')",
    "/",
    "(users.x +",
    "users.x",
    "property.y",
    "number(",
    "time(",
    "user_id",
    "now",
    "30 days ago",
    "ever",
    "everyone",
    "true",
];

/// Twice the text takes about twice the time. The bound is generous: a quadratic step would miss
/// it by orders of magnitude.
#[test]
fn megabytes_are_read_in_linear_time() {
    let million = 1 << 20;
    let texts = [
        "x = 'y' and ".repeat(million / 12) + "x = 1",
        format!("user_id in ('a'{})", ", 'abc'".repeat(million / 7)),
        "(".repeat(million),
        ")".repeat(million),
        "\"".repeat(million + 1),
        "a.".repeat(million / 2),
        "- ".repeat(million / 2),
        format!("count(a){} > 1", " + count(a)".repeat(million / 11)),
        format!("users.x{} > 1", " + 1".repeat(million / 4)),
        "x = = and ".repeat(million / 10),
        "did(".repeat(million / 4),
        "§".repeat(million / 2),
        format!("x = '{}", "y".repeat(million)),
        format!("{} = 'y'", "n".repeat(million)),
        format!("x like '{}'", "a_".repeat(million / 2)),
        "\n".repeat(million) + "x =",
        "{\"and\": [".repeat(million / 9),
    ];
    for text in texts {
        let start = Instant::now();
        let result = text.parse::<Segment>();
        if let Err(error) = &result {
            assert!(error.to_string().len() < 100_000);
        }
        let took = start.elapsed();
        assert!(took.as_secs() < 10, "{took:?} for {text:.40}…");
    }
}
