//! What people read when a definition is wrong: the place, carets under it, the cause and the cure.
//!
//! `INSTA_UPDATE=always cargo test -p crowdset-query --test errors` writes the snapshot anew; read
//! the difference before it is committed.

use crowdset_query::Segment;
use serde_json::Value;
use std::fmt::Write;

const WRONG: [&str; 43] = [
    "",
    "-- nothing",
    "and",
    "account_type = 'free' and",
    "account_type = 'free' or or industry = 'SaaS'",
    "(account_type = 'free'",
    "account_type = 'free')",
    "account_type == 'free'",
    "account_type = \"free\"",
    "account_type = 'free",
    "account_type = free",
    "account_type is 'free'",
    "account_type in 'free'",
    "account_type in ()",
    "seats between 5",
    "seats > true",
    "name contains 5",
    "email like 'a\\'",
    "email matches '('",
    "did(purchase",
    "did()",
    "did(purchase where)",
    "did(purchase where amount >)",
    "did(Page Viewed)",
    "dit(purchase)",
    "did(purchase, last 7)",
    "did(purchase, last 7 fortnights)",
    "did(purchase, last 1.5 hours)",
    "did(purchase, last 1 months)",
    "did(purchase, since '2026-13-01')",
    "did(purchase, after purchase)",
    "did(purchase, in 'Mars' last 7 days)",
    "did(purchase where hour(timestamp, 'Mars') > 5)",
    "count(purchase)",
    "count(purchase) > 'x'",
    "sum(purchase) > 5",
    "top(0, count(purchase))",
    "top(200%, count(purchase))",
    "nth(0, purchase).amount > 5",
    "sequence(product_viewed purchase)",
    "sequence(product_viewed then purchase, within 7)",
    "account_type = 'free'\nand did(\n  purchase where amout > > 5\n)",
    "§ = 5",
];

#[test]
fn every_wrong_definition_is_told_its_place_and_cause() {
    let mut shown = String::new();
    for text in WRONG {
        let error = text.parse::<Segment>().expect_err(text);
        writeln!(shown, "{text:?}\n{error}\n").expect("a string takes all");

        // The same as data, for editors.
        let located = serde_json::to_value(&error).expect("serializes");
        for finding in located.as_array().expect("a list") {
            let number = |key: &str| finding[key].as_u64().expect(key) as usize;
            let (start, end) = (number("start"), number("end"));
            assert!(start <= end && end <= text.len(), "{finding} of {text}");
            let before = &text[..start];
            assert_eq!(number("line"), 1 + before.matches('\n').count(), "{text}");
            let line = before.rsplit('\n').next().expect("a line");
            assert_eq!(number("column"), 1 + line.chars().count(), "{text}");
            assert!(
                finding["message"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty())
            );
            assert!(matches!(finding["help"], Value::Null | Value::String(_)));
        }
    }
    insta::assert_snapshot!(shown);
}
