//! What no tree may hold, whichever way it was written: the parser, the JSON reader and, for the
//! builder's sake, the planner ask here, so that the three cannot differ.

use crate::ast::{
    CivilTime, CompareOp, HopTime, Lifecycle, Literal, Operand, Period, Position, RankSize, Test,
    TimePoint, Window,
};
use crate::diagnostic::Diagnostic;
use crowdset_types::{DurationMillis, Number, TimestampMillis};
use regex::{Regex, RegexBuilder};

/// The bytes a compiled regular expression may take: enough for any pattern a person writes.
const REGEX_BYTES_MAX: usize = 4 << 20;

/// Compiles a pattern within [`REGEX_BYTES_MAX`].
pub(crate) fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern)
        .size_limit(REGEX_BYTES_MAX)
        .build()
}

/// What is wrong with a regular expression.
pub(crate) struct RegexProblem {
    pub(crate) finding: Diagnostic,
    /// The byte of the pattern where it stands, if known.
    pub(crate) offset: Option<usize>,
}

/// Checks a pattern in the syntax of the `regex` crate.
pub(crate) fn regex_problem(pattern: &str) -> Option<RegexProblem> {
    let error = compile(pattern).err()?;
    let shown = error.to_string();
    let reason = match &error {
        regex::Error::CompiledTooBig(_) => "the pattern is too large".to_owned(),
        _ => shown
            .lines()
            .last()
            .unwrap_or_default()
            .trim_start_matches("error: ")
            .to_owned(),
    };
    // The crate shows the pattern after four blanks and a caret under the place; for a pattern of
    // several lines it shows line numbers instead, and the place is left out here.
    let caret = shown
        .lines()
        .nth(2)
        .filter(|line| line.trim_start().starts_with('^') && !pattern.contains('\n'));
    let offset = caret.and_then(|line| line.find('^')).and_then(|column| {
        pattern
            .char_indices()
            .nth(column.checked_sub(4)?)
            .map(|(at, _)| at)
    });
    let finding = Diagnostic::error("regex", format!("no regular expression: {reason}"))
        .help("the syntax is that of the Rust crate `regex`; a backslash makes a sign literal");
    Some(RegexProblem { finding, offset })
}

/// Checks a test: order of truth values, empty lists, patterns, numbers, times.
pub(crate) fn test_problem(test: &Test) -> Option<Diagnostic> {
    let bool_order = |values: &[&Literal]| {
        values
            .iter()
            .any(|value| matches!(value, Literal::Bool(_)))
            .then(|| {
                Diagnostic::error(
                    "bool-order",
                    "`true` and `false` have no order; compare them with `=` or `!=`",
                )
            })
    };
    match test {
        Test::Compare(op, value) => {
            let ordered = !matches!(op, CompareOp::Equal | CompareOp::NotEqual);
            ordered
                .then(|| bool_order(&[value]))
                .flatten()
                .or_else(|| literal_problem(value))
        }
        Test::Between(low, high) => bool_order(&[low, high])
            .or_else(|| literal_problem(low))
            .or_else(|| literal_problem(high)),
        Test::In(values) | Test::NotIn(values) | Test::HasAny(values) | Test::HasAll(values) => {
            if values.is_empty() {
                return Some(Diagnostic::error(
                    "empty-list",
                    "a list needs at least one value",
                ));
            }
            values.iter().find_map(literal_problem)
        }
        Test::Has(value) => literal_problem(value),
        Test::Like(pattern) | Test::ILike(pattern) => like_problem(pattern),
        Test::Matches(pattern) => regex_problem(pattern).map(|problem| problem.finding),
        Test::CompareAttribute(..)
        | Test::Contains(_)
        | Test::StartsWith(_)
        | Test::EndsWith(_)
        | Test::IsSet
        | Test::IsNotSet => None,
    }
}

fn like_problem(pattern: &str) -> Option<Diagnostic> {
    let trailing = pattern
        .bytes()
        .rev()
        .take_while(|&byte| byte == b'\\')
        .count();
    (trailing % 2 == 1).then(|| {
        Diagnostic::error(
            "like-escape",
            "the pattern ends with a lone backslash, which escapes nothing",
        )
        .help("a backslash itself is written `\\\\`")
    })
}

fn literal_problem(literal: &Literal) -> Option<Diagnostic> {
    match literal {
        Literal::Float(value) => number_problem(Number::Float(*value)),
        Literal::Time(point) => time_point_problem(point),
        Literal::Text(_) | Literal::Integer(_) | Literal::Bool(_) => None,
    }
}

/// Checks that a number is one.
pub(crate) fn number_problem(number: Number) -> Option<Diagnostic> {
    (!number.to_f64().is_finite())
        .then(|| Diagnostic::error("number", "the number is too large for a 64-bit float"))
}

/// Checks that an instant is one that data may hold.
pub(crate) fn time_point_problem(point: &TimePoint) -> Option<Diagnostic> {
    match *point {
        TimePoint::Now => None,
        TimePoint::Ago(duration) => duration_problem(duration),
        TimePoint::At(instant) => (!TimestampMillis(instant).is_in_range()).then(|| {
            Diagnostic::error("time", "the instant lies outside of the years 1677 to 2262")
        }),
    }
}

/// Checks that a duration is not negative.
pub(crate) fn duration_problem(duration: DurationMillis) -> Option<Diagnostic> {
    (duration.0 < 0).then(|| Diagnostic::error("duration", "a duration cannot be negative"))
}

/// Whether a window is empty whatever the time is, which nobody means.
pub(crate) fn is_always_empty(window: &Window) -> bool {
    match window {
        Window::Last(duration) => duration.0 == 0,
        Window::Between(from, to) => match (from, to) {
            (TimePoint::At(from), TimePoint::At(to)) => from >= to,
            (TimePoint::Ago(from), TimePoint::Ago(to)) => from <= to,
            (TimePoint::Now, TimePoint::Ago(_) | TimePoint::Now) => true,
            _ => false,
        },
        Window::Calendar { period, .. } => match period {
            Period::Last(count, _) => *count == 0,
            Period::Between(from, to) => from >= to,
            _ => false,
        },
        Window::Ever | Window::Since(_) | Window::Before(_) | Window::Anchored { .. } => false,
    }
}

/// Why the first step of a sequence has no hop.
pub(crate) const FIRST_HOP: &str =
    "nothing can be asked of the way to the first step: no step is before it";

/// What is odd about the time between two steps.
pub(crate) fn hop_warning(time: HopTime) -> Option<Diagnostic> {
    let HopTime::Between(least, most) = time else {
        return None;
    };
    (least > most).then(|| {
        let message =
            format!("no step follows `between {least} and {most}`: the first time is the longer");
        Diagnostic::warning("empty-window", message)
            .help(format!("write `between {most} and {least}`"))
    })
}

/// Checks the time between two steps.
pub(crate) fn hop_problem(time: HopTime) -> Option<Diagnostic> {
    match time {
        HopTime::Any => None,
        HopTime::Within(length) | HopTime::After(length) => duration_problem(length),
        HopTime::Between(least, most) => duration_problem(least).or_else(|| duration_problem(most)),
    }
}

/// What is odd about `stopped` and `restarted`.
pub(crate) fn lifecycle_warning(change: Lifecycle) -> Option<Diagnostic> {
    match change {
        Lifecycle::Stopped { quiet, since } => (since <= quiet).then(|| {
            let message = format!("nobody did it between {since} ago and {quiet} ago");
            Diagnostic::warning("empty-window", message)
                .help("`after` looks back further than `for`: `for 30 days, after 60 days`")
        }),
        Lifecycle::Restarted { recent, .. } => (recent.0 == 0).then(|| {
            let message = format!("the window `last {recent}` is empty: no event lies in it");
            Diagnostic::warning("empty-window", message)
        }),
    }
}

/// Checks the lengths of `stopped` and `restarted`.
pub(crate) fn lifecycle_problem(change: Lifecycle) -> Option<Diagnostic> {
    let (Lifecycle::Stopped {
        quiet: first,
        since: second,
    }
    | Lifecycle::Restarted {
        recent: first,
        gap: second,
    }) = change;
    duration_problem(first).or_else(|| duration_problem(second))
}

/// Checks the length of `periods`.
pub(crate) fn period_problem(length: DurationMillis) -> Option<Diagnostic> {
    (length.0 <= 0).then(|| {
        Diagnostic::error("duration", "a period is longer than nothing")
            .help("write a length such as `of 7 days`")
    })
}

/// Checks how many events each of `periods` must hold.
pub(crate) fn each_problem(each: u32) -> Option<Diagnostic> {
    (each == 0).then(|| {
        Diagnostic::error("each", "a period that counts holds at least 1 event")
            .help("periods without events are not counted; write `each >= 1` or leave it out")
    })
}

/// Checks the dates and the zone of a calendar window.
pub(crate) fn calendar_problem(period: &Period, zone: Option<&str>) -> Option<Diagnostic> {
    let civil = |time: &CivilTime| time_point_problem(&TimePoint::At(time.0));
    let of_period = match period {
        Period::Today | Period::Yesterday | Period::This(_) | Period::Last(..) => None,
        Period::On(day) => civil(day).or_else(|| {
            (day.0 % 86_400_000 != 0).then(|| {
                Diagnostic::error("time", "a day is written as a date such as `'2026-01-05'`")
            })
        }),
        Period::Between(from, to) => civil(from).or_else(|| civil(to)),
        Period::Since(at) | Period::Before(at) => civil(at),
    };
    of_period.or_else(|| zone.and_then(zone_problem))
}

/// Whether a text that is a time says how far it is from UTC.
pub(crate) fn has_offset(text: &str) -> bool {
    text.parse::<jiff::Timestamp>().is_ok()
}

/// Checks how long a value must have been held.
pub(crate) fn held_problem(length: DurationMillis) -> Option<Diagnostic> {
    duration_problem(length).or_else(|| {
        (length.0 == 0).then(|| {
            Diagnostic::error("duration", "a value is held for at least a millisecond")
                .help("what holds now is written without `held`")
        })
    })
}

/// Checks the zone of `hour` and `weekday`.
pub(crate) fn operand_problem(operand: &Operand) -> Option<Diagnostic> {
    match operand {
        Operand::Hour { zone: Some(zone) } | Operand::Weekday { zone: Some(zone) } => {
            zone_problem(zone)
        }
        _ => None,
    }
}

/// Checks the name of a time zone.
pub(crate) fn zone_problem(zone: &str) -> Option<Diagnostic> {
    let database = jiff::tz::TimeZoneDatabase::bundled();
    if database.get(zone).is_ok() {
        return None;
    }
    let finding = Diagnostic::error("zone", format!("unknown time zone `{zone}`"));
    let names: Vec<String> = database
        .available()
        .map(|name| name.as_str().to_owned())
        .collect();
    Some(match nearest(zone, names.iter().map(String::as_str)) {
        Some(name) => finding.help(format!("did you mean `{name}`?")),
        None => finding.help("zones are named as in the IANA database, such as `Europe/Berlin`"),
    })
}

/// Checks the event and the test of a predicate's leaf together.
pub(crate) fn leaf_problem(operand: &Operand, test: &Test) -> Option<Diagnostic> {
    if matches!(
        (operand, test),
        (Operand::EventName, Test::CompareAttribute(..))
    ) {
        return Some(
            Diagnostic::error(
                "event-name",
                "the name of an event cannot be compared with an attribute",
            )
            .help("compare it with text: `event_name = 'purchase'`"),
        );
    }
    operand_problem(operand).or_else(|| test_problem(test))
}

/// Checks the size of `top` and `bottom`.
pub(crate) fn rank_problem(size: RankSize) -> Option<Diagnostic> {
    match size {
        RankSize::Users(0) => Some(
            Diagnostic::error("rank-size", "the size of a rank is at least 1")
                .help("`nobody` selects no user"),
        ),
        RankSize::Users(_) => None,
        RankSize::Percent(percent) => (!(percent > 0.0 && percent <= 100.0)).then(|| {
            Diagnostic::error("rank-size", "a percentage lies above 0 and is at most 100")
        }),
    }
}

/// Checks the number of `nth`.
pub(crate) fn position_problem(position: Position) -> Option<Diagnostic> {
    (position == Position::Nth(0)).then(|| {
        Diagnostic::error("nth", "events are counted from 1")
            .help("the earliest is `first(…)` or `nth(1, …)`")
    })
}

/// The name most like `wanted`, if one is like enough to have been meant.
pub fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Beyond this length nobody mistypes by a letter, and the distance is quadratic.
    const CHARS_MAX: usize = 64;
    let length = wanted.chars().count();
    if length > CHARS_MAX {
        return None;
    }
    let folded = wanted.to_lowercase();
    let allowed = (length / 3).max(1);
    names
        .filter(|name| name.chars().count().abs_diff(length) <= allowed)
        .map(|name| {
            (
                strsim::damerau_levenshtein(&folded, &name.to_lowercase()),
                name,
            )
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_place_in_a_pattern() {
        let problem = regex_problem("äb(c").expect("is broken");
        assert_eq!(problem.offset, Some(3));
        assert_eq!(
            problem.finding.message,
            "no regular expression: unclosed group"
        );
        assert!(regex_problem("a+").is_none());
        assert!(regex_problem("(?:x{1000}){1000}").is_some());
    }

    #[test]
    fn nearest_knows_when_nothing_is_near() {
        let names = ["purchase", "page_viewed", "signed_in"];
        assert_eq!(nearest("purchas", names.into_iter()), Some("purchase"));
        assert_eq!(
            nearest("Page_Veiwed", names.into_iter()),
            Some("page_viewed")
        );
        assert_eq!(nearest("webinar", names.into_iter()), None);
    }

    #[test]
    fn zones_are_known_on_every_machine() {
        assert!(zone_problem("Europe/Berlin").is_none());
        assert_eq!(
            zone_problem("Europe/Berlim").and_then(|finding| finding.help),
            Some("did you mean `Europe/Berlin`?".to_owned())
        );
    }
}
