//! Plans: what names, windows and truths become.

use crowdset_query::{
    AttributeTable, Catalog, Diagnostic, Plan, PlanKind, PlanLiteral, PlanMeasure,
    PlanOccurrenceTest, PlanOptions, PlanPredicate, PlanTest, Segment, SegmentError, Severity,
    TypeSet, build, plan,
};
use crowdset_types::{TimeRange, TimestampMillis};
use std::collections::BTreeMap;
use std::sync::Arc;

const DAY: i64 = 86_400_000;
/// Day 1000 since the epoch.
const AS_OF: TimestampMillis = TimestampMillis(1000 * DAY);

/// What is saved in the shop; `loop…` could not have been, `double…` should not be.
const SAVED: [(&str, &str); 8] = [
    ("buyers", "did(purchase, last 0 days) or did(purchase)"),
    ("free buyers", "segment('buyers') and account_type = 'free'"),
    ("loop a", "did(purchase) and segment('loop b')"),
    ("loop b", "not segment('loop c')"),
    ("loop c", "segment('loop a')"),
    ("odd", "did(purchas)"),
    ("odder", "plan = 'x' or segment('odd')"),
    ("later", "did("),
];

struct Shop {
    names: Vec<String>,
    properties: BTreeMap<(&'static str, &'static str), TypeSet>,
    attributes: BTreeMap<(AttributeTable, &'static str), TypeSet>,
}

fn shop() -> Shop {
    let text = TypeSet {
        text: true,
        ..TypeSet::default()
    };
    let number = TypeSet {
        number: true,
        ..TypeSet::default()
    };
    let time = TypeSet {
        time: true,
        ..TypeSet::default()
    };
    Shop {
        names: ["Page Viewed", "page_viewed", "purchase", "signed_in"]
            .map(str::to_owned)
            .to_vec(),
        properties: BTreeMap::from([
            (("page_viewed", "url"), text),
            (("purchase", "amount"), number),
            (("purchase", "currency"), text),
            (("purchase", "paid_at"), time),
        ]),
        attributes: BTreeMap::from([
            ((AttributeTable::Users, "account_type"), text),
            ((AttributeTable::Users, "created_at"), time),
            ((AttributeTable::Users, "plan"), text),
            ((AttributeTable::Property, "industry"), text),
            ((AttributeTable::Property, "plan"), text),
        ]),
    }
}

impl Catalog for Shop {
    fn universe_len(&self) -> u64 {
        1000
    }
    fn event_names(&self) -> &[String] {
        &self.names
    }
    fn event_rows(&self, name: &str, range: TimeRange) -> u64 {
        let rows = if name == "purchase" { 500 } else { 50_000 };
        let hundred_days = TimeRange::new(
            AS_OF.minus(crowdset_types::DurationMillis::days(100)),
            AS_OF,
        );
        let both = range.intersection(hundred_days);
        if both.is_empty() {
            0
        } else {
            rows * ((both.to.0 - both.from.0) / DAY) as u64 / 100
        }
    }
    fn event_users(&self, name: &str) -> u64 {
        if name == "purchase" { 200 } else { 900 }
    }
    fn property_names(&self, event: &str) -> Vec<String> {
        self.properties
            .keys()
            .filter(|(of, _)| *of == event)
            .map(|(_, path)| (*path).to_owned())
            .collect()
    }
    fn property_types(&self, event: &str, path: &str) -> Option<TypeSet> {
        self.properties
            .iter()
            .find(|((of, at), _)| *of == event && *at == path)
            .map(|(_, types)| *types)
    }
    fn property_values(&self, _: &str, _: &str) -> Option<u64> {
        Some(10)
    }
    fn attribute_names(&self) -> Vec<(AttributeTable, String)> {
        self.attributes
            .keys()
            .map(|(table, name)| (*table, (*name).to_owned()))
            .collect()
    }
    fn attribute_types(&self, table: AttributeTable, name: &str) -> Option<TypeSet> {
        self.attributes
            .iter()
            .find(|((in_table, known), _)| *in_table == table && *known == name)
            .map(|(_, types)| *types)
    }
    fn attribute_values(&self, _: AttributeTable, _: &str) -> Option<u64> {
        Some(4)
    }
    fn saved_segment(&self, name: &str) -> Option<Result<Arc<Segment>, SegmentError>> {
        let text = SAVED.iter().find(|(saved, _)| *saved == name)?.1;
        Some(text.parse().map(Arc::new))
    }
    fn saved_segment_names(&self) -> Vec<String> {
        SAVED.iter().map(|(name, _)| (*name).to_owned()).collect()
    }
    fn static_list(&self, name: &str) -> Option<Result<Arc<[String]>, String>> {
        match name {
            "friends" => Some(Ok(["a", "b"].map(str::to_owned).into())),
            "empty" => Some(Ok(Arc::new([]))),
            "damaged" => Some(Err("a bit flipped".to_owned())),
            _ => None,
        }
    }
    fn static_list_names(&self) -> Vec<String> {
        vec!["empty".to_owned(), "friends".to_owned()]
    }
    fn event_span(&self) -> Option<(TimestampMillis, TimestampMillis)> {
        Some((
            AS_OF.minus(crowdset_types::DurationMillis::days(100)),
            TimestampMillis(AS_OF.0 - 1),
        ))
    }
}

fn planned_with(text: &str, options: &PlanOptions) -> Result<Plan, SegmentError> {
    plan(
        &text.parse().expect("is valid text"),
        &shop(),
        AS_OF,
        options,
    )
}

#[track_caller]
fn planned(text: &str) -> Plan {
    planned_with(text, &PlanOptions::default()).expect("can be planned")
}

#[track_caller]
fn refused(text: &str) -> String {
    planned_with(text, &PlanOptions::default())
        .expect_err("cannot be planned")
        .to_string()
}

fn warnings(text: &str) -> Vec<String> {
    planned(text)
        .warnings
        .iter()
        .map(|warning| warning.render(text))
        .collect()
}

#[test]
fn unknown_names_fold_by_the_rules_of_truth() {
    for (text, everyone) in [
        ("did(x)", false),
        ("not did(x)", true),
        ("count(x) = 0", true),
        ("count(x) < 3", true),
        ("count(x) > 0", false),
        ("count(x) between -1 and 0", true),
        ("sum(x.y) >= 0", true),
        ("distinct(x.y) = 0.0", true),
        ("days(x) != 0", false),
        ("weeks(x) = 0", true),
        (
            "months(purchase, last 0 days in 'Europe/Berlin') > 0",
            false,
        ),
        ("periods(x, of 7 days) = 0", true),
        ("stopped(x, for 30 days, after 60 days)", false),
        ("stopped(purchase, for 60 days, after 30 days)", false),
        ("restarted(x, in 7 days, after gap of 30 days)", false),
        ("min(x.y) != 5", false),
        ("avg(x.y) < 5", false),
        ("days_since_last(x) > 0", false),
        ("first(x) in ever", false),
        ("last(x).y is not set", false),
        ("sequence(purchase then x)", false),
        ("top(10, count(x))", false),
        ("top(10, users.x)", false),
        ("x = 1", false),
        ("x != 1", false),
        ("not x != 1", true),
        ("x is set", false),
        ("x is not set", true),
        ("number(x) is not set", true),
        ("account_type = users.x", false),
        ("did(purchase, after last(x))", false),
        ("count(purchase, after users.x) = 0", true),
        ("count(purchase, last 0 days) = 0", true),
        ("did(purchase, since now)", false),
        ("did(purchase, from '2020-01-01' to '2021-01-01')", false),
        ("did(purchase where x = 1)", false),
        ("did(purchase where currency = users.x)", false),
        ("did(purchase where event_name = 'signed_in')", false),
        ("first(purchase).x = 1", false),
        ("last(purchase).event != 'purchase'", false),
        ("did(x) or not did(y)", true),
        ("did(x) and did(purchase)", false),
    ] {
        let expected = if everyone {
            PlanKind::Everyone
        } else {
            PlanKind::Nobody
        };
        assert_eq!(planned(text).root.kind, expected, "{text}");
    }
    // A measure over partly unknown names keeps the known ones.
    let PlanKind::Measure {
        measure: PlanMeasure::Count(of),
        ..
    } = planned("count(any of (x, purchase)) > 0").root.kind
    else {
        panic!("a measure")
    };
    assert_eq!(
        of.selector
            .events
            .iter()
            .map(|event| event.name.as_str())
            .collect::<Vec<_>>(),
        ["purchase"]
    );
    // There is such an event, and its property is not set.
    assert!(matches!(
        planned("last(purchase).x is not set").root.kind,
        PlanKind::Occurrence { .. }
    ));
}

#[test]
fn warnings_name_the_nearest() {
    assert_eq!(
        warnings("did(purchse)"),
        [
            "1:5: unknown event `purchse`: it matches nothing\n  did(purchse)\n      ^^^^^^^\n  help: did you mean `purchase`?"
        ]
    );
    assert_eq!(
        warnings("acount_type = 'x'"),
        [
            "1:1: unknown attribute `acount_type`: it matches nothing\n  acount_type = 'x'\n  ^^^^^^^^^^^\n  help: did you mean `account_type`?"
        ]
    );
    assert_eq!(
        warnings("users.industry = 'x'"),
        ["1:1: unknown attribute `users.industry`: it matches nothing\n  users.industry = 'x'\n  ^^^^^^^^^^^^^^\n  help: did you mean `property.industry`?"
            .replace("`users.industry`:", "`industry`:")]
    );
    assert_eq!(
        warnings("did(purchase where amout > 5)"),
        [
            "1:20: event `purchase` has no property `amout`: it matches nothing\n  did(purchase where amout > 5)\n                     ^^^^^^^^^\n  help: did you mean `amount`?"
        ]
    );
    assert_eq!(warnings("sum(purchase.amout) > 5").len(), 1,);
    assert!(
        warnings("did(any event where amount > 5) and did(purchase) and industry = 'x'").is_empty()
    );
    assert!(warnings("purchase = 'x'")[0].ends_with("help: did you mean `did(purchase)`?"));
    assert_eq!(
        warnings("did(\"Page Viewd\")")[0].lines().last(),
        Some("  help: did you mean `\"Page Viewed\"`?")
    );
    assert_eq!(warnings("did(purchase, last 0 days)").len(), 1);

    let strict = PlanOptions {
        strict: true,
        ..PlanOptions::default()
    };
    let error = planned_with("did(purchse) or x = 1", &strict).expect_err("names are unknown");
    assert_eq!(error.diagnostics.len(), 2);
    assert!(
        error
            .diagnostics
            .iter()
            .all(|finding| finding.severity == Severity::Error)
    );
    assert!(planned_with("did(purchase)", &strict).is_ok());
}

#[test]
fn what_data_makes_wrong_is_an_error() {
    assert_eq!(
        refused("plan = 'x'"),
        "1:1: `plan` is both a column of users and a user property\n  plan = 'x'\n  ^^^^\n  help: write `users.plan` or `property.plan`"
    );
    assert!(
        planned("users.plan = 'x' and property.plan = 'y'")
            .warnings
            .is_empty()
    );
    let no_time = "is no time; write RFC 3339";
    for text in [
        "created_at > 'yesterday'",
        "created_at in ('2026-01-01', 'x')",
        "did(purchase where timestamp > 'x')",
        "did(purchase where paid_at = 'x')",
        "did(purchase where time(currency) = 'x')",
        "last(purchase).timestamp < 'x'",
        "did(any event where paid_at between 'a' and 'b')",
    ] {
        assert!(refused(text).contains(no_time), "{text}: {}", refused(text));
    }
    for text in [
        "created_at > '2026-01-01'",
        "created_at starts with 'x'",
        "did(purchase where currency < 'x')",
    ] {
        planned(text);
    }
}

#[test]
fn trees_of_the_builder_are_checked() {
    let refused = |segment: Segment| -> Vec<Diagnostic> {
        plan(&segment, &shop(), AS_OF, &PlanOptions::default())
            .expect_err("is refused")
            .diagnostics
    };
    for segment in [
        build::top(0, build::count("purchase")).into(),
        Segment::from(build::attr("account_type").matches("(")),
        build::did("purchase")
            .filter(build::prop("currency").like("\\"))
            .into(),
        build::did("purchase")
            .filter(build::prop("amount").lt(true))
            .into(),
        build::attr("account_type").is_in(Vec::<i64>::new()).into(),
        build::count("purchase").gt(f64::NAN).into(),
        build::nth_event(0, "purchase").prop("amount").eq(1).into(),
        build::sequence(Vec::<&str>::new()).into(),
        build::did("purchase")
            .within(build::last(crowdset_types::DurationMillis(-1)))
            .into(),
    ] {
        let findings = refused(segment.clone());
        assert_eq!(findings.len(), 1, "{segment}: {findings:?}");
        assert_eq!(findings[0].span, None, "there is no text to point into");
    }
    let mut deep = build::attr("account_type").eq("x");
    for _ in 0..500 {
        deep = build::not(deep);
    }
    assert_eq!(refused(deep.into())[0].code, "too-deep");
}

fn range_of(text: &str) -> (i64, i64) {
    match planned(text).root.kind {
        PlanKind::Did(of) => (of.window.range.from.0, of.window.range.to.0),
        other => panic!("{other:?}"),
    }
}

#[test]
fn windows_are_cut_at_as_of() {
    let beginning = i64::MIN;
    for (window, from, to) in [
        ("ever", beginning, AS_OF.0),
        ("last 7 days", 993 * DAY, AS_OF.0),
        ("between 60 days ago and 30 days ago", 940 * DAY, 970 * DAY),
        ("before 30 days ago", beginning, 970 * DAY),
        ("since 30 days ago", 970 * DAY, AS_OF.0),
        ("from '1972-01-01' to '1999-01-01'", 730 * DAY, AS_OF.0),
        ("before '1999-01-01'", beginning, AS_OF.0),
        (
            "last 9000000000000 seconds",
            AS_OF.0 - 9_000_000_000_000_000,
            AS_OF.0,
        ),
        ("after last(signed_in)", beginning, AS_OF.0),
    ] {
        assert_eq!(
            range_of(&format!("did(purchase, {window})")),
            (from, to),
            "{window}"
        );
    }
}

#[test]
fn selectors_list_names_and_fold_them() {
    let events = |text: &str| match planned(text).root.kind {
        PlanKind::Did(of) => {
            let names: Vec<String> = of
                .selector
                .events
                .iter()
                .map(|event| {
                    format!(
                        "{}{}",
                        event.name,
                        if event.filter.is_some() { "?" } else { "" }
                    )
                })
                .collect();
            (names.join(" "), of.selector.any_unfiltered)
        }
        other => panic!("{other:?}"),
    };
    let all = "Page Viewed page_viewed purchase signed_in";
    assert_eq!(events("did(any event)"), (all.into(), true));
    assert_eq!(
        events("did(any event except (nothing))"),
        (all.into(), true)
    );
    assert_eq!(
        events("did(any event except (purchase))"),
        ("Page Viewed page_viewed signed_in".into(), false)
    );
    assert_eq!(
        events("did(any event where event_name starts with 'p')"),
        ("page_viewed purchase".into(), false)
    );
    assert_eq!(
        events("did(any event where event_name ilike 'page%')"),
        ("Page Viewed page_viewed".into(), false)
    );
    assert_eq!(
        events("did(any event where amount > 5)"),
        ("purchase?".into(), false)
    );
    assert_eq!(
        events("did(any event where amount is not set)"),
        ("Page Viewed page_viewed purchase? signed_in".into(), false)
    );
    assert_eq!(
        events("did(any event where not amount > 5)"),
        ("Page Viewed page_viewed purchase? signed_in".into(), false)
    );
    assert_eq!(
        events("did(any event where timestamp is set)"),
        (all.into(), true)
    );
    assert_eq!(
        events("did(any of (purchase, signed_in, purchase where amount > 5))"),
        ("purchase signed_in".into(), false)
    );
    assert_eq!(
        events(
            "did(any of (purchase where amount > 5, purchase where amount < 1) where currency = 'EUR')"
        ),
        ("purchase?".into(), false)
    );
    // The truth of `.event` by name, in the selector's order.
    let PlanKind::Occurrence {
        test: PlanOccurrenceTest::EventName(verdicts),
        ..
    } = planned("last(any event).event in ('purchase', 'x')")
        .root
        .kind
    else {
        panic!("a test of the name")
    };
    assert_eq!(
        verdicts
            .iter()
            .map(|(_, verdict)| *verdict)
            .collect::<Vec<_>>(),
        [false, false, true, false]
    );
}

#[test]
fn literals_are_resolved() {
    let test = |text: &str| match planned(&format!("did(purchase where {text})")).root.kind {
        PlanKind::Did(of) => match &of.selector.events[0].filter {
            Some(PlanPredicate::Test { test, .. }) => test.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    let compare = |literal| PlanTest::Compare(crowdset_query::CompareOp::Equal, literal);
    assert_eq!(
        test("currency = 'EUR'"),
        compare(PlanLiteral::Text("EUR".into(), None))
    );
    assert_eq!(
        test("currency = '1970-01-02'"),
        compare(PlanLiteral::Text(
            "1970-01-02".into(),
            Some(TimestampMillis(DAY))
        ))
    );
    assert_eq!(
        test("paid_at = 1 days ago"),
        compare(PlanLiteral::Time(TimestampMillis(999 * DAY)))
    );
    assert_eq!(test("paid_at = now"), compare(PlanLiteral::Time(AS_OF)));
    assert_eq!(test("amount = 5"), compare(PlanLiteral::Integer(5)));
    assert_eq!(test("currency like 'E%'"), PlanTest::StartsWith("E".into()));
    assert_eq!(
        test("currency ilike 'e%'"),
        PlanTest::Matches(r"(?is)\Ae.*\z".into())
    );
}

#[test]
fn cheap_and_decisive_conditions_come_first() {
    let order = |text: &str, reorder: bool| -> Vec<String> {
        let options = PlanOptions {
            reorder,
            ..PlanOptions::default()
        };
        let plan = planned_with(text, &options).expect("can be planned");
        assert!(
            plan.nodes()
                .iter()
                .enumerate()
                .all(|(id, node)| node.id as usize == id)
        );
        plan.root
            .children()
            .iter()
            .map(|node| node.text.clone())
            .collect()
    };
    let text = "top(5, count(page_viewed)) and count(page_viewed) > 5 and did(purchase, last 7 days) and account_type = 'free'";
    assert_eq!(
        order(text, true),
        [
            "did(purchase, last 7 days)",
            "account_type = 'free'",
            "top(5, count(page_viewed))",
            "count(page_viewed) > 5"
        ]
    );
    assert_eq!(
        order(text, false).first().map(String::as_str),
        Some("top(5, count(page_viewed))")
    );
    // For `or` the part that decides for most users comes first.
    assert_eq!(
        order("user_id = 'x' or account_type != 'free'", true)
            .first()
            .map(String::as_str),
        Some("account_type != 'free'")
    );
}

#[test]
fn the_tree_is_printed() {
    let text = planned("account_type = 'free' and not (did(purchase) or count(page_viewed, last 10 days) > 5) and not did(x)")
        .to_string();
    let shape: Vec<&str> = text
        .lines()
        .map(|line| line.split("  ~").next().unwrap_or_default())
        .collect();
    assert_eq!(
        shape,
        [
            "as of 1972-09-27T00:00:00Z",
            "#0 and",
            "├─ #1 account_type = 'free'",
            "└─ #2 not",
            "   └─ #3 or",
            "      ├─ #4 did(purchase)",
            "      └─ #5 count(page_viewed, last 10 days) > 5",
        ]
    );
    assert!(text.contains("~25.0 % of users"), "{text}");
    assert!(
        planned("did(x)")
            .to_string()
            .contains("#0 nobody, as never did(x)")
    );
}

#[test]
fn a_saved_segment_is_its_definition() {
    let kind = |text: &str| planned(text).root.kind;
    assert_eq!(kind("segment('buyers')"), kind("did(purchase)"));
    let plan = planned("segment('free buyers')");
    assert_eq!(plan.root.saved.as_deref(), Some("free buyers"));
    assert_eq!(plan.root.label(), "and, as segment 'free buyers'");
    let PlanKind::And(parts) = &plan.root.kind else {
        panic!("{plan}")
    };
    let labels: Vec<String> = parts.iter().map(crowdset_query::PlanNode::label).collect();
    assert_eq!(labels.len(), 2);
    assert!(
        labels.contains(
            &"did(purchase, last 0 days) or did(purchase), as segment 'buyers'".to_owned()
        ),
        "{labels:?}"
    );
}

#[test]
fn a_list_is_its_ids() {
    let PlanKind::List { name, ids } = planned("list('friends')").root.kind else {
        panic!("a list")
    };
    assert_eq!((name.as_str(), ids.len()), ("friends", 2));
    assert_eq!(planned("list('empty')").root.kind, PlanKind::Nobody);
    assert_eq!(planned("not list('empty')").root.kind, PlanKind::Everyone);
}

#[test]
fn what_is_not_saved_is_an_error() {
    assert_eq!(
        refused("did(purchase) and segment('buyer')"),
        "1:19: there is no saved segment `buyer`\n  did(purchase) and segment('buyer')\n                    ^^^^^^^^^^^^^^^^\n  help: did you mean `segment('buyers')`?"
    );
    assert!(refused("list('freinds')").contains("did you mean `list('friends')`?"));
    assert!(refused("list('buyers')").contains("did you mean `segment('buyers')`?"));
    assert!(refused("segment('friends')").contains("did you mean `list('friends')`?"));
    assert!(refused("list('damaged')").contains("list `damaged` cannot be read: a bit flipped"));
    assert!(refused("list('zzz')").contains("`crowdset list list` shows what is saved"));
    assert!(refused("segment('later')").contains("saved segment `later` cannot be read"));
}

#[test]
fn a_cycle_is_named() {
    let shown = refused("segment('loop b') and did(purchase)");
    assert!(
        shown.starts_with(
            "1:1: in segment `loop a`: saved segments form a cycle: loop b → loop c → loop a → loop b\n"
        ),
        "{shown}"
    );
}

#[test]
fn findings_inside_stand_where_the_name_is_written() {
    let text = "did(purchase) or segment('odder')";
    let shown = refused(text);
    assert!(
        shown.starts_with("1:18: in segment `odder`: `plan` is both a column"),
        "{shown}"
    );
    let text = "did(purchase) or segment('odd')";
    assert_eq!(
        warnings(text),
        [
            "1:18: in segment `odd`: unknown event `purchas`: it matches nothing\n  did(purchase) or segment('odd')\n                   ^^^^^^^^^^^^^^\n  help: did you mean `purchase`?"
        ]
    );
    assert_eq!(warnings("segment('buyers')").len(), 1);
}

#[test]
fn what_doubles_without_end_is_refused() {
    /// Segments of which each names the one before it twice.
    struct Doubling(Shop);
    impl Catalog for Doubling {
        fn universe_len(&self) -> u64 {
            self.0.universe_len()
        }
        fn event_names(&self) -> &[String] {
            self.0.event_names()
        }
        fn event_rows(&self, name: &str, range: TimeRange) -> u64 {
            self.0.event_rows(name, range)
        }
        fn event_users(&self, name: &str) -> u64 {
            self.0.event_users(name)
        }
        fn property_names(&self, event: &str) -> Vec<String> {
            self.0.property_names(event)
        }
        fn property_types(&self, event: &str, path: &str) -> Option<TypeSet> {
            self.0.property_types(event, path)
        }
        fn property_values(&self, event: &str, path: &str) -> Option<u64> {
            self.0.property_values(event, path)
        }
        fn attribute_names(&self) -> Vec<(AttributeTable, String)> {
            self.0.attribute_names()
        }
        fn attribute_types(&self, table: AttributeTable, name: &str) -> Option<TypeSet> {
            self.0.attribute_types(table, name)
        }
        fn attribute_values(&self, table: AttributeTable, name: &str) -> Option<u64> {
            self.0.attribute_values(table, name)
        }
        fn event_span(&self) -> Option<(TimestampMillis, TimestampMillis)> {
            self.0.event_span()
        }
        fn saved_segment(&self, name: &str) -> Option<Result<Arc<Segment>, SegmentError>> {
            let number: u32 = name.parse().ok()?;
            let text = match number.checked_sub(1) {
                Some(before) => format!("segment('{before}') or segment('{before}')"),
                None => "did(purchase)".to_owned(),
            };
            Some(text.parse().map(Arc::new))
        }
    }
    let planned = |text: &str| {
        let segment = text.parse().expect("is valid text");
        plan(&segment, &Doubling(shop()), AS_OF, &PlanOptions::default())
    };
    assert!(planned("segment('8')").is_ok());
    let error = planned("segment('60')")
        .expect_err("is too large")
        .to_string();
    assert!(
        error.starts_with(
            "1:1: saved segments within saved segments become more than 1000000 conditions"
        ),
        "{error}"
    );
}
