//! The text form: what it reads, how it prints, and what it says about mistakes.

use crowdset_query::Segment;

/// The canonical text, or the errors as people see them.
fn read(input: &str) -> String {
    match input.parse::<Segment>() {
        Ok(segment) => segment.to_string(),
        Err(error) => error.to_string(),
    }
}

#[track_caller]
fn check(input: &str, expected: &str) {
    assert_eq!(
        read(input),
        expected.trim_start_matches('\n'),
        "\n--- of: {input}"
    );
    if input.parse::<Segment>().is_ok() {
        assert_eq!(
            read(expected),
            expected,
            "the canonical text must read as itself"
        );
    }
}

/// Reads and prints as itself.
#[track_caller]
fn same(input: &str) {
    check(input, input);
}

#[test]
fn the_language_page_reads_as_it_stands() {
    for text in [
        "account_type = 'free' and count(report_generated, last 30 days) > 5",
        "count(page_viewed where url = '/pricing', last 7 days) >= 3 and not did(trial_started)",
        "did(purchase where product_id = 'A') and not did(product_viewed where product_id = 'B')",
        "did(webinar_attended) and not did(signed_in, after last(webinar_attended))",
        "industry = 'SaaS' and company_size = '51-200' and did(webinar_attended where webinar_id = 'w03')",
        // Event selectors.
        "did(name)",
        "did(\"Page Viewed\" where x = 1)",
        "did(any event)",
        "did(any event where x = 1)",
        "did(any event except (a, b))",
        "did(any of (a, b where x = 1, \"c d\"))",
        "did(any of (a, b) where x = 1)",
        "sum(any event.amount) > 1",
        "distinct(any of (a, b).cart.total where currency = 'EUR') > 1",
        "max(any event except (a).amount) > 1",
        // Predicates.
        "did(a where x = 1 and x != 1 and x < 1 and x <= 1 and x > 1 and x >= 1)",
        "did(a where x between 1 and 2 and y between 'a' and 'b')",
        "did(a where x in (1, 2.5, 'a', true) and x not in ('a'))",
        "did(a where x contains 'x' or x starts with 'x' or x ends with 'x')",
        "did(a where x like 'a%' or x ilike '_\\%' or x matches '^a+$')",
        "did(a where x is set and (y is not set or not z is set))",
        "did(a where tags has 'x' and tags has any (1, 2) and tags has all ('a', 'b'))",
        "did(a where number(p) > 1 and text(p) = '1' and time(p) > now and time(p, 's') < now and time(p, 'ms') < now)",
        "did(a where event_name = 'a' and timestamp > 30 days ago and hour(timestamp, 'Europe/Berlin') >= 9)",
        "did(a where weekday(timestamp) <= 5 and hour(timestamp) < 17)",
        "did(a where amount > users.credit_limit and plan = property.plan)",
        "did(a where flag = true and flag != false)",
        // Attributes.
        "users.created_at > 30 days ago and property.plan != 'x' and created_at < now",
        "created_at between '2026-01-01' and 30 days ago",
        "number(age) > 5 and time(renewed_at, 's') > '2026-01-01' and users.\"first name\" ilike 'a%'",
        "users.x > property.y",
        // Measures.
        "count(a) = 0 and count(a) != 1.5 and count(a, last 36 hours) between 1 and 5",
        "sum(purchase.amount where currency = 'EUR', last 90 days) > 100",
        "min(a.x) < 1 and max(a.x) > -1 and avg(a.x) >= 0.5 and distinct(a.x) > 3",
        "sum(number(purchase.amount)) > 5 and distinct(text(a.b.c), last 1 day) > 2",
        "days(a, last 7 days) >= 3",
        "days(a, last 7 days in 'Europe/Berlin') >= 3 and weeks(a where x = 1) > 1",
        "months(a, ever in 'Asia/Kolkata') between 1 and 5 or months(a) = 0",
        "periods(a, of 7 days) > 3 and periods(a where x = 1, of 1 hour, last 30 days, each >= 2) = 4",
        "periods(a, of 7 days, within 30 days after first(b)) > 1",
        "days_since_last(a) > 30 and days_since_first(a where x = 1, last 90 days) < 2.5",
        // One event by its place.
        "first(a) in last 14 days",
        "first(a, last 60 days) before 30 days ago",
        "last(page_viewed).source = 'email'",
        "nth(3, purchase where amount > 5, last 90 days).cart.total > 100",
        "last(any event).event = 'signed_out' and last(a).timestamp > '2026-01-01'",
        "number(last(a).x) > 5 and hour(first(a).timestamp, 'Europe/Berlin') = 9",
        "last(a) within 7 days after users.created_at",
        // Sequences and ranks.
        "sequence(a then b where x = 1 then any event)",
        "sequence(a then b, within 7 days, last 30 days)",
        "sequence(a)",
        "sequence(a then b, within 3 days after first(c))",
        "sequence(a then within 1 hour b then after 3 days c then between 1 hour and 3 days d)",
        "sequence(a where x = 1 without b where y = 2 without any of (c, d) then e directly then f)",
        "sequence(a without b directly then within 1 hour c)",
        "sequence(a then b, within 7 days, last 30 days, same product_id, same cart.id, same \"timestamp\", strictly)",
        "sequence(a, same x, strictly)",
        "sequence(without without without then directly directly then then then within)",
        "stopped(a where x = 1, for 30 days, after 60 days)",
        "restarted(any event, in 7 days, after gap of 30 days)",
        "top(1000, count(a, last 30 days)) or bottom(10%, sum(purchase.amount))",
        "top(2.5%, users.age) and bottom(1, number(property.score))",
        "user_id = 'u1' or user_id in ('a', 'b')",
        "everyone and not nobody",
        // Windows.
        "did(a, last 7 days) and did(a, last 36 hours) and did(a, last 90 minutes) and did(a, last 30 seconds)",
        "did(a, last 5 milliseconds) and did(a, last 1 day)",
        "did(a, between 60 days ago and 30 days ago)",
        "did(a, before 30 days ago) and did(a, since 30 days ago) and did(a, before now)",
        "did(a, from '2026-01-01' to '2026-02-01')",
        "did(a, since '2026-01-01T08:00:00Z') and did(a, before '2026-01-01')",
        "did(a, after last(b)) and did(a, since first(b)) and did(a, before first(b))",
        "did(a, after nth(2, b where x = 1, last 7 days))",
        "did(a, within 3 days after first(b)) and did(a, within 1 hour before last(b, after first(c)))",
        "did(a, within 7 days after users.created_at) and did(a, since property.renewed_at)",
        "did(a, before users.x) and did(a, after property.\"y z\")",
    ] {
        same(text);
    }
}

#[test]
fn spelling_is_made_canonical() {
    check(
        "ACCOUNT_TYPE = 'x' AND NOT DID(a WHERE b IS SET, LAST 2 WEEKS)",
        "ACCOUNT_TYPE = 'x' and not did(a where b is set, last 14 days)",
    );
    check("a = 1 and (b = 2 and c = 3)", "a = 1 and b = 2 and c = 3");
    check("(a = 1 or b = 2) and (c = 3)", "(a = 1 or b = 2) and c = 3");
    check("a = 1 or (b = 2 and c = 3)", "a = 1 or b = 2 and c = 3");
    check("not ((a = 1))", "not a = 1");
    check("not (a = 1 or b = 2)", "not (a = 1 or b = 2)");
    check("did(\"a\", ever)", "did(a)");
    check(
        "SEQUENCE(a THEN b, STRICTLY, SAME x, last 7 days, WITHIN 1 WEEKS)",
        "sequence(a then b, within 7 days, last 7 days, same x, strictly)",
    );
    check(
        "days(a in 'Europe/Berlin') > 1 and days(a, in 'UTC') > 1",
        "days(a, ever in 'Europe/Berlin') > 1 and days(a, ever in 'UTC') > 1",
    );
    check(
        "periods(a, of 1 weeks, each >= 1) > 1",
        "periods(a, of 7 days) > 1",
    );
    check(
        "did(a, in last 7 days) and did(a in last 7 days)",
        "did(a, last 7 days) and did(a, last 7 days)",
    );
    check("first(a) last 7 days", "first(a) in last 7 days");
    check(
        "did(a, between '2026-01-01' and '2026-02-01T00:00:00Z')",
        "did(a, from '2026-01-01' to '2026-02-01')",
    );
    check(
        "did(a, from 2 days ago to 1 days ago)",
        "did(a, between 2 days ago and 1 day ago)",
    );
    check("-- why\na = 1 -- because\nand b = +2", "a = 1 and b = 2");
    check(
        "user_id = 5 or user_id in (-007, 'x') or user_id != 'y'",
        "user_id = '5' or user_id in ('-7', 'x') or not user_id = 'y'",
    );
    check("user_id not in (1)", "not user_id = '1'");
    check(
        "sequence(a then b, last 30 days, within 7 days)",
        "sequence(a then b, within 7 days, last 30 days)",
    );
    check(
        "a = 5.0 and b = 1e3 and c = 99999999999999999999",
        "a = 5.0 and b = 1000.0 and c = 1e20",
    );
    check("a = -9223372036854775808", "a = -9223372036854775808");
    check(
        "a = 'it''s' and \"b\"\"c\" = ''",
        "a = 'it''s' and \"b\"\"c\" = ''",
    );
    check(
        "\"cart\".\"total\" = 1 and cart.\"a b\" = 2",
        "cart.total = 1 and cart.\"a b\" = 2",
    );
    check("last(a).event_name = 'a'", "last(a).event = 'a'");
    check("x = time('2026-01-01')", "x = time('2026-01-01')");
}

#[test]
fn no_word_is_reserved_where_a_name_must_stand() {
    for text in [
        "did(any where any = 1)",
        "did(last, last 7 days)",
        "did(in)",
        "sequence(then then then)",
        "sequence(within then after then between)",
        "count(count) > 1 and count = 1 and first in ('a') and last is set and did = 1",
        "sum(number.amount) > 1 and sum(number(number.number)) > 1",
        "did(event) and did(any of (of, any, event))",
        "did(a where set is set and number = 1 and time = 2 and timestamp > now)",
        "first(first).first = 1",
    ] {
        same(text);
    }
    check(
        "did(where where where = 1)",
        "did(where where \"where\" = 1)",
    );
    check(
        "did(a where not in (1) and not not = 1)",
        "did(a where \"not\" in (1) and not \"not\" = 1)",
    );
    check(
        "did(a where \"event_name\" = 1 and last = 1)",
        "did(a where \"event_name\" = 1 and last = 1)",
    );
    check("last(a).\"event\" = 1", "last(a).\"event\" = 1");
    check(
        "\"users\".x = 1 and \"user_id\" = 1",
        "\"users\".x = 1 and \"user_id\" = 1",
    );
}

#[test]
fn durations_and_calendars_are_different_things() {
    check(
        "count(report_generated, last 1 months) > 5",
        "
1:25: a month has no fixed length; write `last 30 days` or `last 1 calendar months`
  count(report_generated, last 1 months) > 5
                          ^^^^^^^^^^^^^",
    );
    check(
        "did(a, since 2 years ago)",
        "
1:14: a year has no fixed length; write `730 days ago`
  did(a, since 2 years ago)
               ^^^^^^^",
    );
    check(
        "did(a, last 1.5 hours)",
        "
1:8: a duration is a whole number of units
  did(a, last 1.5 hours)
         ^^^^^^^^^^^^^^
  help: write `last 90 minutes`",
    );
    check(
        "did(a, last 7d)",
        "
1:14: `d` is no unit of time
  did(a, last 7d)
               ^
  help: write `7 days`",
    );
    check(
        "did(a, last 7)",
        "
1:14: expected a unit: milliseconds, seconds, minutes, hours, days or weeks, found `)`
  did(a, last 7)
               ^",
    );
    check(
        "did(a, last 9999999999999999 days)",
        "
1:8: the duration is longer than any time can be
  did(a, last 9999999999999999 days)
         ^^^^^^^^^^^^^^^^^^^^^^^^^^",
    );
    check(
        "did(a, after 30 days ago)",
        "
1:14: expected an anchor after `after`: `first(E)`, `last(E)`, `nth(2, E)` or `users.created_at`, found `30`
  did(a, after 30 days ago)
               ^^
  help: from an instant on is written `since`",
    );
    check(
        "did(a, since '2026-13-01')",
        "
1:14: `2026-13-01` is no time; write RFC 3339 such as `2026-01-05T08:00:00Z`, or a date such as `2026-01-05`
  did(a, since '2026-13-01')
               ^^^^^^^^^^^^",
    );
}

#[test]
fn an_empty_window_is_a_warning() {
    for (text, place) in [
        (
            "did(a, last 0 days)",
            "1:8: the window `last 0 days` is empty: no event lies in it",
        ),
        (
            "did(a, between 1 days ago and 2 days ago)",
            "1:8: the window `between 1 days ago and 2 days ago` is empty: no event lies in it",
        ),
    ] {
        let segment: Segment = text.parse().expect("is legal");
        let [warning] = segment.warnings() else {
            panic!("one warning for {text}")
        };
        assert!(
            warning.render(text).starts_with(place),
            "{}",
            warning.render(text)
        );
    }
}

#[test]
fn what_is_saved_is_named_by_text() {
    same("segment('paying users') and not list('it''s')");
    check("SEGMENT ( 'a' ) OR List('b')", "segment('a') or list('b')");
    // Names of attributes all the same.
    same("segment = 'x' and list in ('a', 'b')");
    check(
        "segment(paying)",
        "1:9: expected the name of a saved segment, such as `'paying'`, found `paying`\n  segment(paying)\n          ^^^^^^\n  help: text stands in single quotes: `'paying'`",
    );
    check(
        "list('a', 'b')",
        "1:9: expected `)`, found `,`\n  list('a', 'b')\n          ^",
    );
}

#[test]
fn sequences_and_periods_say_what_is_wrong_with_them() {
    for (text, message) in [
        (
            "sequence(a then b, strictly, strictly)",
            "1:30: `strictly` is given twice; a sequence takes one",
        ),
        (
            "sequence(a then b, last 7 days, ever)",
            "1:33: a window is given twice; a sequence takes one",
        ),
        (
            "sequence(a without b)",
            "1:21: expected `then` and the next step, found `)`",
        ),
        (
            "sequence(a then directly b)",
            "1:17: expected the next step, found `directly`",
        ),
        (
            "sequence(a then between 1 hours b)",
            "1:33: expected `and` and the longest time between the steps, found `b`",
        ),
        (
            "sequence(a then within 1 months b)",
            "1:24: a month has no fixed length; write `30 days`",
        ),
        (
            "sequence(a then b, same timestamp)",
            "1:25: `same timestamp` asks for no property",
        ),
        (
            "stopped(a, after 60 days, for 30 days)",
            "1:10: expected `, for 30 days, after 60 days`: how long nothing was done, and since when to look for the habit, found `,`",
        ),
        (
            "restarted(a, in 7 days, after 30 days)",
            "1:23: expected `, in 7 days, after gap of 30 days`: how recent the new start is, and how long nothing was done before it, found `,`",
        ),
        (
            "weeks(a, last 7 days in 'Europe/Berlim') > 1",
            "1:25: unknown time zone `Europe/Berlim`",
        ),
        (
            "periods(a, last 30 days) > 1",
            "1:10: expected `, of 7 days`: the length of a period, found `,`",
        ),
        (
            "periods(a, of 0 days) > 1",
            "1:15: a period is longer than nothing",
        ),
        (
            "periods(a, of 7 days, each >= 0) > 1",
            "1:31: a period that counts holds at least 1 event",
        ),
        (
            "periods(a, of 7 days, each > 2) > 1",
            "1:28: expected `>=` and how many events each period must hold, found `>`",
        ),
    ] {
        let shown = read(text);
        assert_eq!(shown.lines().next(), Some(message), "{shown}");
    }
    for text in [
        "sequence(a then between 3 hours and 1 hours b)",
        "stopped(a, for 30 days, after 30 days)",
        "restarted(a, in 0 days, after gap of 30 days)",
    ] {
        let segment: Segment = text.parse().expect("is legal");
        assert_eq!(segment.warnings().len(), 1, "{text}");
    }
}

#[test]
fn windows_of_the_calendar() {
    for text in [
        "did(a, today)",
        "did(a, yesterday in 'Europe/Berlin')",
        "did(a, this week) and did(a, this quarter in 'UTC')",
        "count(a, last 1 calendar month) > 1",
        "count(a, last 3 calendar quarters in 'Asia/Tokyo') > 1",
        "did(a, on '2026-01-05')",
        "did(a, from '2026-01-01' to '2026-02-01T08:30:00' in 'Europe/Berlin')",
        "did(a, since '2026-01-01' in 'Europe/Berlin')",
        "did(a, before '2026-01-01' in 'Europe/Berlin')",
        "did(a, since first(b, this year in 'Asia/Tokyo'))",
        "first(a) in this month",
        "last(a) on '2026-01-05' in 'Asia/Tokyo'",
        "last(a) today",
        "days(a, this month in 'Europe/Berlin') > 1",
        "days(a, last 7 days in 'Europe/Berlin') > 1",
        "weeks(a, since '2026-01-01T00:00:00Z' in 'Europe/Berlin') > 1",
    ] {
        same(text);
    }
    check("did(a, THIS Month)", "did(a, this month)");
    check(
        "did(a, last 2 calendar day)",
        "did(a, last 2 calendar days)",
    );
    check(
        "days(a, today in 'UTC' in 'UTC') > 1",
        "days(a, today in 'UTC') > 1",
    );
    check(
        "did(a, between '2026-01-01' and '2026-02-01' in 'UTC')",
        "did(a, from '2026-01-01' to '2026-02-01' in 'UTC')",
    );
    for (text, message) in [
        (
            "did(a, last 1 months)",
            "1:8: a month has no fixed length; write `last 30 days` or `last 1 calendar months`",
        ),
        (
            "did(a, last 3 calendar hours)",
            "1:24: `hours` are no calendar periods",
        ),
        (
            "did(a, last 3 calendar mnths)",
            "1:24: expected `days`, `weeks`, `months`, `quarters` or `years`, found `mnths`",
        ),
        (
            "did(a, this day)",
            "1:13: expected `week`, `month`, `quarter` or `year`, found `day`",
        ),
        (
            "did(a, on '2026-01-05T08:00:00Z')",
            "1:11: a day is written as a date such as `'2026-01-05'`",
        ),
        (
            "did(a, today in 'Europe/Berlim')",
            "1:17: unknown time zone `Europe/Berlim`",
        ),
        (
            "did(a, last 7 days in 'Europe/Berlin')",
            "1:20: `last 7 days` has no use for a time zone",
        ),
        (
            "did(a, since '2026-01-01T00:00:00Z' in 'Europe/Berlin')",
            "1:37: `since '2026-01-01'` has no use for a time zone",
        ),
        (
            "did(a, from '2026-01-01T00:00:00+01:00' to '2026-02-01' in 'Europe/Berlin')",
            "1:13: an instant that names its own offset from UTC",
        ),
        ("did(a today)", "1:7: expected `,` or `)`, found `today`"),
    ] {
        assert_eq!(read(text).lines().next(), Some(message), "{text}");
    }
    let empty: Segment = "did(a, last 0 calendar days)".parse().expect("is legal");
    assert_eq!(empty.warnings().len(), 1);
}

#[test]
fn what_attributes_were() {
    for text in [
        "had(plan = 'pro')",
        "had(plan in ('pro', 'max'), last 30 days)",
        "had(number(property.size) between 5 and 10, this month in 'Europe/Berlin')",
        "had(plan is not set, after last(purchase))",
        "held(plan = 'pro', for 7 days)",
        "held(property.size > users.quota, for 12 hours)",
        "changed(plan)",
        "changed(property.plan from 'free' to 'pro', last 30 days)",
        "changed(\"user_id\" to 5, since '2026-01-01')",
        "changed(from from 'x')",
    ] {
        same(text);
    }
    check(
        "had(plan = 'pro' in last 7 days)",
        "had(plan = 'pro', last 7 days)",
    );
    for (text, message) in [
        (
            "held(plan = 'pro')",
            "1:18: expected `, for` and a duration, found `)`",
        ),
        (
            "held(plan = 'pro', for 0 days)",
            "1:24: a value is held for at least a millisecond",
        ),
        (
            "changed(plan = 'pro')",
            "1:14: expected `from`, `to`, `,` or `)`, found `=`",
        ),
        (
            "had(plan)",
            "1:9: expected an operator such as `=`, `>`, `in`, `contains` or `is set`, found `)`",
        ),
    ] {
        assert_eq!(read(text).lines().next(), Some(message), "{text}");
    }
}

#[test]
fn measures_are_calculated_with() {
    for text in [
        "count(a, last 7 days) < 0.5 * count(a, between 14 days ago and 7 days ago)",
        "count(a) / (count(b) + 1) > 2",
        "2 * count(a) - 1 > 3",
        "5 < count(a)",
        "-count(a) + 1 < 0",
        "- -count(a) = 1",
        "-(count(a) + 1) = -1",
        "count(a) - (count(b) - count(c)) = 0",
        "count(a) - -2 = 0",
        "(count(a) + count(b)) + count(c) = 0",
        "(count(a) + count(b)) * 2 between -1 and 7.5",
        "users.age + 1 > 18",
        "users.age > count(a)",
        "users.age > number(property.size)",
        "number(property.size) / 2 > 1",
        "users.age > users.limit and property.x = 'y'",
        "not (count(a) + 1) * 2 > 3 or did(a) or did(b)",
        "bucket('salt') < 0.1",
        "bucket('it''s') between 0.25 and 0.5",
        "top(10%, count(a) - count(b))",
    ] {
        same(text);
    }
    check("(users.age) > 3", "users.age > 3");
    check("((count(a))) > (3)", "count(a) > 3");
    check("count(a) > -(5)", "count(a) > -5");
    check("count(a) * 2 + count(b) = 1", "count(a) * 2 + count(b) = 1");
    check(
        "count(a) + (count(b) * 2) = 1",
        "count(a) + count(b) * 2 = 1",
    );
    for (text, message) in [
        (
            "count(a) >",
            "1:11: expected a number or a measure such as `count(purchase)`, found the end",
        ),
        ("count(a) > 5%", "1:13: expected a plain number, found `%`"),
        ("age + 1 > 5", "1:5: expected a comparison, found `+`"),
        (
            "count(a) > age",
            "1:12: expected a measure such as `count(purchase, last 30 days)`, found `age`",
        ),
        (
            "count(a) between 1 and 2 * 3",
            "1:26: expected `and`, `or` or the end, found `*`",
        ),
        (
            "did(a where x > 5 * 2)",
            "1:19: expected the end of the test, found `*`",
        ),
        (
            "bucket(salt) < 0.1",
            "1:8: expected a salt in single quotes: `bucket('a')`, found `salt`",
        ),
    ] {
        assert_eq!(read(text).lines().next(), Some(message), "{text}");
    }
}

#[test]
fn what_is_missing_is_named() {
    check(
        "",
        "1:1: the segment is empty\n\n  ^\n  help: `everyone` selects every user",
    );
    check(
        "purchase",
        "
1:1: `purchase` alone is no condition
  purchase
  ^^^^^^^^
  help: compare it: `purchase = 'x'`; or, if it is an event, write `did(purchase)`",
    );
    check(
        "account_type free",
        "
1:14: expected an operator such as `=`, `>`, `in`, `contains` or `is set`, found `free`
  account_type free
               ^^^^",
    );
    check(
        "account_type = free",
        "
1:16: expected a value, found `free`
  account_type = free
                 ^^^^
  help: text stands in single quotes: `'free'`",
    );
    check(
        "account_type = \"free\"",
        "
1:16: expected a value, found `\"free\"`
  account_type = \"free\"
                 ^^^^^^
  help: text stands in single quotes: `'free'`",
    );
    check(
        "'account' = 'free'",
        "
1:1: expected a condition, found `'account'`
  'account' = 'free'
  ^^^^^^^^^
  help: single quotes are for text; a name is written `account`",
    );
    check(
        "did(a) did(b)",
        "
1:8: expected `and`, `or` or the end, found `did`
  did(a) did(b)
         ^^^
  help: two conditions are joined by `and` or `or`",
    );
    check(
        "count(a)",
        "
1:9: expected `=`, `!=`, `<`, `<=`, `>`, `>=` or `between` after the measure, found the end
  count(a)
          ^",
    );
    check(
        "did(a last 7 days)",
        "
1:7: expected `,` or `)`, found `last`
  did(a last 7 days)
        ^^^^
  help: a comma stands before the window",
    );
    check(
        "(did(a) or did(b)",
        "
1:1: this `(` is never closed
  (did(a) or did(b)
  ^",
    );
    check(
        "did(a))",
        "
1:7: this `)` closes nothing
  did(a))
        ^",
    );
    check(
        "a = 'x",
        "
1:5: this text is never closed
  a = 'x
      ^
  help: end it with `'`; inside, `'` is written `''`",
    );
    check(
        "sum(purchase) > 5",
        "
1:13: expected `.` and a property, found `)`
  sum(purchase) > 5
              ^
  help: write `sum(purchase.property)`",
    );
    check(
        "did(cart.viewed)",
        "
1:9: an event name with a dot stands in double quotes
  did(cart.viewed)
          ^
  help: write `\"cart.viewed\"`; properties belong into `where` or into `sum(event.property)`",
    );
    check(
        "first(a) > '2026-01-01'",
        "
1:10: expected a window or `.property`, found `>`
  first(a) > '2026-01-01'
           ^
  help: write `first(E) in last 14 days`, `last(E).source = 'email'` or `last(E).timestamp > '2026-01-01'`",
    );
    check(
        "top(1000, credit)",
        "
1:11: expected a measure such as `count(purchase, last 30 days)`, found `credit`
  top(1000, credit)
            ^^^^^^
  help: an attribute is a measure with its table: `users.credit` or `property.credit`",
    );
}

#[test]
fn what_cannot_be_meant_is_refused() {
    check(
        "did(a where x < true)",
        "
1:15: `true` and `false` have no order; compare them with `=` or `!=`
  did(a where x < true)
                ^^^^^^",
    );
    check(
        "x in ()",
        "
1:3: a list needs at least one value
  x in ()
    ^^^^^",
    );
    check(
        "x is not null and y = null",
        "
1:10: null is being without a value; write `is set`
  x is not null and y = null
           ^^^^
1:23: nothing equals null; write `is set` or `is not set`
  x is not null and y = null
                        ^^^^",
    );
    check(
        "top(0, count(a)) or bottom(0%, count(a)) or top(101%, count(a))",
        "
1:5: the size of a rank is at least 1
  top(0, count(a)) or bottom(0%, count(a)) or top(101%, count(a))
      ^
  help: `nobody` selects no user
1:28: a percentage lies above 0 and is at most 100
  top(0, count(a)) or bottom(0%, count(a)) or top(101%, count(a))
                             ^^
1:49: a percentage lies above 0 and is at most 100
  top(0, count(a)) or bottom(0%, count(a)) or top(101%, count(a))
                                                  ^^^^",
    );
    check(
        "nth(0, a).x = 1",
        "
1:5: events are counted from 1
  nth(0, a).x = 1
      ^
  help: the earliest is `first(…)` or `nth(1, …)`",
    );
    check(
        "nth(1.5, a).x = 1",
        "
1:5: `1.5` is no whole number
  nth(1.5, a).x = 1
      ^^^",
    );
    check(
        "top(99999999999999999999, count(a))",
        "
1:5: `99999999999999999999` is too large; at most 18446744073709551615
  top(99999999999999999999, count(a))
      ^^^^^^^^^^^^^^^^^^^^",
    );
    check(
        "x = 1e400",
        "
1:5: the number is too large for a 64-bit float
  x = 1e400
      ^^^^^",
    );
    check(
        "did(a where x matches 'it''s a(b')",
        "
1:31: no regular expression: unclosed group
  did(a where x matches 'it''s a(b')
                                ^
  help: the syntax is that of the Rust crate `regex`; a backslash makes a sign literal",
    );
    check(
        "x like 'a\\'",
        "
1:3: the pattern ends with a lone backslash, which escapes nothing
  x like 'a\\'
    ^^^^^^^^^
  help: a backslash itself is written `\\\\`",
    );
    check(
        "did(a where hour(timestamp, 'Europe/Berlim') = 1)",
        "
1:29: unknown time zone `Europe/Berlim`
  did(a where hour(timestamp, 'Europe/Berlim') = 1)
                              ^^^^^^^^^^^^^^^
  help: did you mean `Europe/Berlin`?",
    );
    check(
        "did(a where hour(x) = 1)",
        "
1:18: `hour` takes `timestamp`, the time of the event
  did(a where hour(x) = 1)
                   ^",
    );
    check(
        "did(a where number(timestamp) = 1)",
        "
1:20: `timestamp` needs no cast; a cast takes a property
  did(a where number(timestamp) = 1)
                     ^^^^^^^^^",
    );
    check(
        "did(any event where event_name = users.x)",
        "
1:32: the name of an event cannot be compared with an attribute
  did(any event where event_name = users.x)
                                 ^^^^^^^^^
  help: compare it with text: `event_name = 'purchase'`",
    );
    check(
        "sequence(a then b, within 1 days, within 2 days)",
        "
1:35: `within` is given twice; a sequence takes one
  sequence(a then b, within 1 days, within 2 days)
                                    ^^^^^^^^^^^^^",
    );
    check(
        "cout(a) > 1 and foo(b)",
        "
1:1: there is no function `cout`
  cout(a) > 1 and foo(b)
  ^^^^
  help: did you mean `count`?
1:17: there is no function `foo`
  cout(a) > 1 and foo(b)
                  ^^^
  help: an event is asked for with `did(name)` or `count(name) > 5`",
    );
    check(
        "a == 1 && b <> 2",
        "
1:3: equality is written `=`
  a == 1 && b <> 2
    ^^
1:8: write `and`
  a == 1 && b <> 2
         ^^
1:13: inequality is written `!=`
  a == 1 && b <> 2
              ^^",
    );
}

#[test]
fn several_errors_are_told_in_one_run() {
    check(
        "a = and\n(did(b, last 1 month) or c < false)\nand d between 1 or e",
        "
1:5: expected a value, found `and`
  a = and
      ^^^
2:9: a month has no fixed length; write `last 30 days` or `last 1 calendar months`
  (did(b, last 1 month) or c < false)
          ^^^^^^^^^^^^
2:28: `true` and `false` have no order; compare them with `=` or `!=`
  (did(b, last 1 month) or c < false)
                             ^^^^^^^
3:17: expected `and` and the upper end, found `or`
  and d between 1 or e
                  ^^
3:20: `e` alone is no condition
  and d between 1 or e
                     ^
  help: compare it: `e = 'x'`; or, if it is an event, write `did(e)`",
    );
}
