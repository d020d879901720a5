//! The JSON form, and that text, JSON and builder say the same.

use crowdset_query::build::{
    active_days, active_months, active_periods, active_weeks, after, ago, all, any, any_event,
    any_event_except, any_of, at, attr, attribute, avg, before, between, bottom, count, days,
    days_since_first, days_since_last, did, distinct, event, everyone, first_event, hours, last,
    last_event, list, max, min, minutes, nobody, not, now, nth_event, operand, prop, rank,
    restarted, saved, seconds, sequence, since, step, stopped, sum, top, user_id, value_of, weeks,
    within_after, within_before,
};
use crowdset_query::{Cast, CompareOp, Expr, Operand, RankEnd, RankSize, Segment};
use crowdset_types::TimestampMillis;
use serde_json::json;

#[track_caller]
fn is_text(segment: impl Into<Segment>, text: &str) {
    let segment = segment.into();
    let written: Segment = text.parse().expect("is valid text");
    assert_eq!(segment, written, "\n built: {segment}");
    assert_eq!(
        Segment::from_json(&segment.to_json()).as_ref(),
        Ok(&segment)
    );
}

#[test]
fn the_language_page_example() {
    let json = json!({"and": [
        {"attr": "account_type", "op": "=", "value": "free"},
        {"measure": {"count": {"event": "report_generated", "window": {"last": "30d"}}}, "op": ">", "value": 5},
        {"not": {"did": {"event": "trial_started"}}},
        {"did": {"event": "page_viewed", "where": {"prop": "url", "op": "starts with", "value": "/docs/"},
                 "window": {"last": "7d"}}},
        {"sequence": {"steps": [{"event": "product_viewed"}, {"event": "purchase"}], "within": "7d",
                      "window": {"last": "30d"}}}
    ]});
    let text = "account_type = 'free' and count(report_generated, last 30 days) > 5 and not did(trial_started) \
                and did(page_viewed where url starts with '/docs/', last 7 days) \
                and sequence(product_viewed then purchase, within 7 days, last 30 days)";
    let segment = Segment::from_json(&json).expect("is valid");
    assert_eq!(segment.to_string(), text);
    assert_eq!(segment.to_json(), json!({"v": 1, "segment": json}));
    assert_eq!(segment, json.to_string().parse().expect("is valid"));
    assert_eq!(segment, text.parse().expect("is valid"));

    let through_serde: Segment =
        serde_json::from_value(serde_json::to_value(&segment).expect("serializes")).expect("reads");
    assert_eq!(through_serde, segment);
}

#[test]
fn every_form_has_its_json() {
    for (text, json) in [
        ("everyone", json!({"everyone": true})),
        ("nobody", json!({"nobody": true})),
        ("user_id in ('a', '5')", json!({"user_id": ["a", 5]})),
        ("segment('paying')", json!({"segment": "paying"})),
        ("segment('x')", json!({"v": 1, "segment": {"segment": "x"}})),
        ("list('it''s')", json!({"list": "it's"})),
        (
            "user_id = 'a'",
            json!({"attr": "user_id", "op": "=", "value": "a"}),
        ),
        (
            "not user_id in ('a')",
            json!({"attr": "user_id", "op": "not in", "value": ["a"]}),
        ),
        (
            "users.x != 5.0",
            json!({"attr": "users.x", "op": "!=", "value": 5.0}),
        ),
        (
            "\"users\".x is set",
            json!({"attr": {"name": "users.x"}, "op": "is set"}),
        ),
        (
            "time(x, 's') > 30 days ago",
            json!({"attr": "x", "cast": "time", "unit": "s", "op": ">", "value": {"ago": "30d"}}),
        ),
        (
            "x = time('2026-01-01')",
            json!({"attr": "x", "op": "=", "value": {"at": "2026-01-01"}}),
        ),
        (
            "x < now",
            json!({"attr": "x", "op": "<", "value": {"now": true}}),
        ),
        (
            "users.x > property.y",
            json!({"attr": "users.x", "op": ">", "value": {"attr": "property.y"}}),
        ),
        (
            "users.x > 3",
            json!({"measure": {"attr": "users.x"}, "op": ">", "value": 3}),
        ),
        (
            "did(any event except (a), since '2026-01-01')",
            json!({"did": {"any_event": true, "except": ["a"], "window": {"since": "2026-01-01"}}}),
        ),
        (
            "did(any of (a, b where x = 1))",
            json!({"did": {"any_of": ["a", {"event": "b", "where": {"prop": "x", "op": "=", "value": 1}}]}}),
        ),
        (
            "did(a where event_name = 'a' and \"event_name\" = 'b')",
            json!({"did": {"event": "a", "where": {"and": [
            {"prop": "event_name", "op": "=", "value": "a"}, {"prop": ["event_name"], "op": "=", "value": "b"}]}}}),
        ),
        (
            "did(a where hour(timestamp, 'Europe/Berlin') = 9)",
            json!({"did": {"event": "a", "where": {"hour": "timestamp", "zone": "Europe/Berlin", "op": "=", "value": 9}}}),
        ),
        (
            "sum(number(a.x.y)) between 1 and 2",
            json!({"measure": {"sum": {"event": "a", "prop": ["x", "y"], "cast": "number"}}, "op": "between", "value": [1, 2]}),
        ),
        (
            "sequence(a without x without y then within 1 hours b directly then c, same p, same q.r, strictly)",
            json!({"sequence": {"steps": [{"event": "a"},
                {"event": "b", "within": "1h", "without": [{"event": "x"}, {"event": "y"}]},
                {"event": "c", "directly": true}], "same": ["p", ["q", "r"]], "strictly": true}}),
        ),
        (
            "sequence(a then after 1 hours b then between 1 hours and 2 days c)",
            json!({"sequence": {"steps": [{"event": "a"}, {"event": "b", "after": "60m"},
                {"event": "c", "between": ["1h", "2d"]}]}}),
        ),
        (
            "stopped(a where x = 1, for 30 days, after 60 days) or restarted(a, in 1 week, after gap of 30 days)",
            json!({"or": [
                {"stopped": {"event": "a", "where": {"prop": "x", "op": "=", "value": 1}, "for": "30d", "after": "60d"}},
                {"restarted": {"event": "a", "in": "7d", "gap": "30d"}}]}),
        ),
        (
            "weeks(a, last 90 days in 'Europe/Berlin') > 5",
            json!({"measure": {"weeks": {"event": "a", "window": {"last": "90d"}, "zone": "Europe/Berlin"}}, "op": ">", "value": 5}),
        ),
        (
            "periods(a, of 7 days, last 90 days, each >= 2) > 5",
            json!({"measure": {"periods": {"event": "a", "of": "1w", "window": {"last": "90d"}, "each": 2}}, "op": ">", "value": 5}),
        ),
        (
            "first(a) in last 7 days",
            json!({"first": {"event": "a"}, "in": {"last": "1w"}}),
        ),
        (
            "nth(2, a).event = 'a'",
            json!({"nth": {"n": 2, "event": "a"}, "prop": "event", "op": "=", "value": "a"}),
        ),
        (
            "did(a, within 1 hours after first(b, before now))",
            json!({"did": {"event": "a", "window": {"within": "1h", "after": {"first": {"event": "b", "window": {"before": {"now": true}}}}}}}),
        ),
        (
            "did(a, after users.x)",
            json!({"did": {"event": "a", "window": {"after": {"attr": "users.x"}}}}),
        ),
        (
            "top(10%, users.x) or bottom(5, count(a))",
            json!({"or": [{"top": {"size": "10%", "measure": {"attr": "users.x"}}}, {"bottom": {"size": 5, "measure": {"count": {"event": "a"}}}}]}),
        ),
    ] {
        let segment: Segment = text.parse().expect("is valid text");
        assert_eq!(Segment::from_json(&json).as_ref(), Ok(&segment), "{json}");
        assert_eq!(
            Segment::from_json(&segment.to_json()).as_ref(),
            Ok(&segment),
            "{}",
            segment.to_json()
        );
    }
}

#[test]
fn errors_name_the_path() {
    for (json, message) in [
        (
            json!({"and": [{"everyone": true}, {"nobody": true}, {"did": {"event": "a", "windw": {"last": "7d"}}}]}),
            "$.and[2].did.windw: unknown key\n  help: did you mean `window`?",
        ),
        (
            json!({"did": {"event": "a", "window": {"last": "1 month"}}}),
            "$.did.window.last: `1 month` is no duration; write a whole number and a unit: `2w`, `30d`, `36h`, `90m`, `5s` or `250ms`",
        ),
        (
            json!({"v": 2, "segment": {"everyone": true}}),
            "$.v: version 2 of the JSON form; this version reads 1",
        ),
        (json!({"v": 1}), "$: the key `segment` is missing"),
        (
            json!({"v": 1, "segment": []}),
            "$.segment: expected an object, found a list",
        ),
        (
            json!({"dit": {"event": "a"}}),
            "$: this object is no condition\n  help: did you mean `did` instead of `dit`?",
        ),
        (
            json!({"and": []}),
            "$.and: the list is empty; it needs at least one condition",
        ),
        (
            json!({"everyone": true, "nobody": true}),
            "$: `everyone` and `nobody` do not go together in one object",
        ),
        (
            json!({"attr": "x", "op": "=", "value": null}),
            "$.value: expected a value, found null",
        ),
        (
            json!({"attr": "x", "op": "<", "value": true}),
            "$: `true` and `false` have no order; compare them with `=` or `!=`",
        ),
        (
            json!({"attr": "x", "op": "is set", "value": 1}),
            "$.value: unknown key\n  help: known here: attr, cast, op",
        ),
        (
            json!({"attr": "x", "op": "~", "value": 1}),
            "$.op: expected an operator such as `=`, `in`, `starts with` or `is set`, found `~`",
        ),
        (
            json!({"did": {"event": "a", "any_event": true}}),
            "$.did: `event` and `any_event` do not go together in one object",
        ),
        (
            json!({"did": {"where": {"prop": "x", "op": "is set"}}}),
            "$.did: which event? one of the keys `event`, `any_event` and `any_of` is needed",
        ),
        (
            json!({"top": {"size": 0, "measure": {"count": {"event": "a"}}}}),
            "$.top.size: the size of a rank is at least 1\n  help: `nobody` selects no user",
        ),
        (
            json!({"sequence": {"steps": [{"event": "a", "directly": true}]}}),
            "$.sequence.steps[0]: nothing can be asked of the way to the first step: no step is before it",
        ),
        (
            json!({"sequence": {"steps": [{"event": "a"}, {"event": "a", "within": "1h", "after": "1h"}]}}),
            "$.sequence.steps[1]: `within` and `after` do not go together in one step; write `between`",
        ),
        (
            json!({"sequence": {"steps": [{"event": "a"}], "same": ["timestamp"]}}),
            "$.sequence.same[0]: `same` takes properties; one of that name is [\"timestamp\"]",
        ),
        (
            json!({"measure": {"periods": {"event": "a", "of": "0d"}}, "op": ">", "value": 1}),
            "$.measure.periods.of: a period is longer than nothing\n  help: write a length such as `of 7 days`",
        ),
        (
            json!({"measure": {"days": {"event": "a", "zone": "Mars"}}, "op": ">", "value": 1}),
            "$.measure.days.zone: unknown time zone `Mars`\n  help: zones are named as in the IANA database, such as `Europe/Berlin`",
        ),
        (
            json!({"did": {"event": "a", "window": {"last": "7d", "since": "2026-01-01"}}}),
            "$.did.window: `last` and `since` do not go together in one object",
        ),
        (
            json!({"attr": "x", "op": "matches", "value": "("}),
            "$: no regular expression: unclosed group\n  help: the syntax is that of the Rust crate `regex`; a backslash makes a sign literal",
        ),
    ] {
        let error = Segment::from_json(&json).expect_err("is wrong");
        assert_eq!(error.to_string(), message, "{json}");
    }
    let warned = Segment::from_json(&json!({"did": {"event": "a", "window": {"last": "0d"}}}))
        .expect("is legal");
    assert_eq!(
        warned.warnings()[0].message,
        "$.did.window: the window `last 0 days` is empty: no event lies in it"
    );
}

#[test]
fn broken_json_text_has_a_place() {
    let error = "{\"and\": [\n  {\"everyone\" true}]}"
        .parse::<Segment>()
        .expect_err("is broken");
    assert_eq!(
        error.to_string(),
        "2:15: broken JSON: expected `:`\n    {\"everyone\" true}]}\n                ^"
    );
    assert!("{".parse::<Segment>().is_err());
    assert!("{}".parse::<Segment>().is_err());
    assert!("{\"everyone\": true} x".parse::<Segment>().is_err());
}

#[test]
fn the_builder_says_the_same() {
    is_text(everyone().and(nobody()), "everyone and nobody");
    is_text(all::<Expr>([]), "everyone");
    is_text(any::<Expr>([]), "nobody");
    is_text(
        all([
            attr("account_type").eq("free"),
            count("report_generated").within(last(days(30))).gt(5),
            not(did("purchase")
                .filter(prop("amount").gt(100))
                .within(last(weeks(1)))),
        ]),
        "account_type = 'free' and count(report_generated, last 30 days) > 5 and not did(purchase where amount > 100, last 7 days)",
    );
    is_text(
        any([did("a"), did(any_event()), did(any_event_except(["b"]))]),
        "did(a) or did(any event) or did(any event except (b))",
    );
    is_text(
        did(
            any_of([event("a").filter(prop("x").is_in([1, 2])), event("b")])
                .filter(prop("y").is_set().or(prop("z").ne(1.5))),
        ),
        "did(any of (a where x in (1, 2), b) where y is set or z != 1.5)",
    );
    is_text(
        did("a").filter(
            prop("x")
                .like("a%")
                .and(prop("y").ilike("b"))
                .and(prop("z").matches("c").negate()),
        ),
        "did(a where x like 'a%' and y ilike 'b' and not z matches 'c')",
    );
    is_text(
        did("a").filter(
            prop("t")
                .has("x")
                .and(prop("t").has_any([1]))
                .and(prop("t").has_all(["y"]))
                .and(prop("t").not_in(["z"])),
        ),
        "did(a where t has 'x' and t has any (1) and t has all ('y') and t not in ('z'))",
    );
    is_text(
        did("a").filter(
            prop("x")
                .contains("a")
                .or(prop("x").starts_with("b"))
                .or(prop("x").ends_with("c"))
                .or(prop("x").is_not_set())
                .or(prop("x").between(1, 2)),
        ),
        "did(a where x contains 'a' or x starts with 'b' or x ends with 'c' or x is not set or x between 1 and 2)",
    );
    is_text(
        did("a").filter(
            operand(Operand::Hour { zone: None })
                .ge(9)
                .and(prop("p").cast(Cast::TimeMillis).lt(now())),
        ),
        "did(a where hour(timestamp) >= 9 and time(p, 'ms') < now)",
    );
    is_text(
        did("a").filter(
            prop("amount").compare_attribute(CompareOp::Greater, attribute("users.credit_limit")),
        ),
        "did(a where amount > users.credit_limit)",
    );
    is_text(
        attr("users.age")
            .cast(Cast::Number)
            .le(5)
            .or(attr("x").eq(true)),
        "number(users.age) <= 5 or x = true",
    );
    is_text(
        attr("created_at").gt(ago(hours(36))),
        "created_at > 36 hours ago",
    );
    is_text(
        sum("a", "x.y")
            .cast(Cast::Number)
            .filter(prop("c").eq("EUR"))
            .ge(2.0),
        "sum(number(a.x.y) where c = 'EUR') >= 2.0",
    );
    is_text(
        all([
            min("a", "x").lt(1),
            max("a", "x").le(1),
            avg("a", "x").ne(1),
            distinct("a", "x").between(1, 2),
        ]),
        "min(a.x) < 1 and max(a.x) <= 1 and avg(a.x) != 1 and distinct(a.x) between 1 and 2",
    );
    is_text(
        all([
            active_days("a").eq(3),
            active_weeks("a").in_zone("Europe/Berlin").eq(3),
            active_months("a").within(last(days(90))).eq(3),
            active_periods("a", days(7))
                .each(2)
                .within(last(days(90)))
                .eq(3),
            days_since_first("a").gt(1),
            days_since_last("a").gt(1),
        ]),
        "days(a) = 3 and weeks(a, ever in 'Europe/Berlin') = 3 and months(a, last 90 days) = 3 \
         and periods(a, of 7 days, last 90 days, each >= 2) = 3 and days_since_first(a) > 1 and days_since_last(a) > 1",
    );
    is_text(
        all([
            did("a").within(between(ago(days(60)), ago(days(30)))),
            did("a").within(since(at(TimestampMillis(0)))),
            did("a").within(before(ago(minutes(90)))),
            did("a").within(after(last_event("b"))),
            did("a").within(since(first_event("b").within(last(seconds(30))))),
            did("a").within(before(attribute("property.x"))),
            did("a").within(within_after(days(3), nth_event(2, "b"))),
            did("a").within(within_before(days(3), attribute("users.created_at"))),
        ]),
        "did(a, between 60 days ago and 30 days ago) and did(a, since '1970-01-01') and did(a, before 90 minutes ago) \
         and did(a, after last(b)) and did(a, since first(b, last 30 seconds)) and did(a, before property.x) \
         and did(a, within 3 days after nth(2, b)) and did(a, within 3 days before users.created_at)",
    );
    is_text(
        all([
            first_event("a").is_in(last(days(14))),
            last_event("a").prop("source").eq("email"),
            last_event(any_event()).event().is_in(["a"]),
            nth_event(3, "a")
                .prop("x")
                .cast(Cast::Text)
                .starts_with("1"),
            last_event("a").operand(Operand::Timestamp).gt("2026-01-01"),
        ]),
        "first(a) in last 14 days and last(a).source = 'email' and last(any event).event in ('a') \
         and text(nth(3, a).x) starts with '1' and last(a).timestamp > '2026-01-01'",
    );
    is_text(
        sequence(["a", "b"])
            .then(event("c").filter(prop("x").eq(1)))
            .spanning(days(7))
            .within(last(days(30))),
        "sequence(a then b then c where x = 1, within 7 days, last 30 days)",
    );
    is_text(
        sequence(["a"])
            .then(step("b").within(hours(1)).without("x"))
            .then(step("c").after(days(1)))
            .then(step("d").between(hours(1), days(3)).directly())
            .same("p")
            .strictly(),
        "sequence(a without x then within 1 hour b then after 1 day c directly then between 1 hour and 3 days d, \
         same p, strictly)",
    );
    is_text(
        stopped("a", days(30), days(60)).and(restarted("a", days(7), days(30))),
        "stopped(a, for 30 days, after 60 days) and restarted(a, in 7 days, after gap of 30 days)",
    );
    is_text(
        top(1000, count("a"))
            .or(bottom(5, value_of(attribute("users.x"))))
            .or(rank(RankEnd::Top, RankSize::Percent(2.5), count("a"))),
        "top(1000, count(a)) or bottom(5, users.x) or top(2.5%, count(a))",
    );
    is_text(user_id(["a", "b"]), "user_id in ('a', 'b')");
    is_text(saved("a").and(list("b")), "segment('a') and list('b')");
}

#[test]
fn a_key_that_is_there_twice_is_an_error() {
    for (text, message) in [
        (
            r#"{"everyone": true, "everyone": true}"#,
            "1:20: $.everyone: the key is there twice\n  {\"everyone\": true, \"everyone\": true}\n                     ^^^^^^^^^^\n",
        ),
        (
            "{\"and\": [\n {\"everyone\": true},\n {\"did\": {\"event\": \"a\", \"event\" : \"b\"}}]}",
            "3:25: $.and[1].did.event: the key is there twice",
        ),
        (
            r#"{"attr": "a \" b", "op": "=", "value": "ä\"", "op":"!="}"#,
            "1:47: $.op: the key is there twice",
        ),
        // However it is written, also where nobody would look.
        (
            r#"{"or": [{"everyone": true}], "\u006fr": 5}"#,
            "1:30: $.or: the key is there twice",
        ),
        (
            r#"{"x": {"a": [1, {"b": 1.5, "b": null}]}}"#,
            "1:28: $.x.a[1].b: the key is there twice",
        ),
    ] {
        let error = text.parse::<Segment>().expect_err(text).to_string();
        assert!(error.starts_with(message), "{error}");
        assert!(error.contains("help: every key stands once"), "{error}");
    }
}
