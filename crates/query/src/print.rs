//! Canonical text: what `fmt` prints, and what parses back into the same tree.

use crate::ast::{
    Aggregate, Anchor, AnchorRelation, Arithmetic, ArithmeticOp, AttributeOperand, AttributeRef,
    AttributeTable, CalendarUnit, Cast, CivilTime, CompareOp, EventNames, EventSelector,
    EventWindow, Expr, ExprKind, HopTime, Lifecycle, Literal, Measure, NumberTest, Occurrence,
    OccurrenceTest, Operand, Period, PeriodUnit, Position, Predicate, RankEnd, RankSize, Segment,
    Sequence, SequenceStep, Test, TimePoint, Window,
};
use crate::lexer::is_plain_name;
use crowdset_types::{DurationMillis, Number, TimestampMillis};
use std::fmt::{self, Display, Formatter, Write};

/// Words that a name at the beginning of a test must not be mistaken for.
const WORDS_BEFORE_TESTS: [&str; 20] = [
    "and", "or", "not", "in", "is", "between", "contains", "starts", "ends", "like", "ilike",
    "matches", "has", "everyone", "nobody", "true", "false", "now", "where", "then",
];

impl Display for Segment {
    /// The canonical text.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}

impl Display for Expr {
    /// The canonical text.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Everyone => f.write_str("everyone"),
            ExprKind::Nobody => f.write_str("nobody"),
            ExprKind::And(parts) if parts.is_empty() => f.write_str("everyone"),
            ExprKind::Or(parts) if parts.is_empty() => f.write_str("nobody"),
            ExprKind::And(parts) => joined(f, parts, " and ", |f, part| {
                parenthesized(
                    f,
                    part,
                    matches!(part.kind, ExprKind::And(_) | ExprKind::Or(_)),
                )
            }),
            ExprKind::Or(parts) => joined(f, parts, " or ", |f, part| {
                parenthesized(f, part, matches!(part.kind, ExprKind::Or(_)))
            }),
            ExprKind::Not(inner) => {
                f.write_str("not ")?;
                parenthesized(
                    f,
                    inner,
                    matches!(inner.kind, ExprKind::And(_) | ExprKind::Or(_)),
                )
            }
            ExprKind::UserId(ids) => match ids.as_slice() {
                [] => f.write_str("nobody"),
                [id] => {
                    f.write_str("user_id = ")?;
                    text(f, id)
                }
                ids => {
                    f.write_str("user_id in (")?;
                    joined(f, ids, ", ", |f, id| text(f, id))?;
                    f.write_str(")")
                }
            },
            ExprKind::SavedSegment(name) => {
                f.write_str("segment(")?;
                text(f, name)?;
                f.write_str(")")
            }
            ExprKind::StaticList(name) => {
                f.write_str("list(")?;
                text(f, name)?;
                f.write_str(")")
            }
            ExprKind::Attribute { operand, test } => write!(f, "{operand}{test}"),
            ExprKind::Did(of) => write!(f, "did({of})"),
            ExprKind::Measure { measure, test } => write!(f, "{measure}{test}"),
            ExprKind::Occurrence { occurrence, test } => occurrence_test(f, occurrence, test),
            ExprKind::Sequence(sequence) => sequence.fmt(f),
            ExprKind::Lifecycle { events, change } => match change {
                Lifecycle::Stopped { quiet, since } => {
                    write!(f, "stopped({events}, for {quiet}, after {since})")
                }
                Lifecycle::Restarted { recent, gap } => {
                    write!(f, "restarted({events}, in {recent}, after gap of {gap})")
                }
            },
            ExprKind::MeasureComparison { left, op, right } => write!(f, "{left} {op} {right}"),
            ExprKind::Had {
                operand,
                test,
                window,
            } => {
                write!(f, "had({operand}{test}")?;
                option(f, window)?;
                f.write_str(")")
            }
            ExprKind::Changed {
                attribute,
                from,
                to,
                window,
            } => {
                write!(f, "changed({attribute}")?;
                if let Some(from) = from {
                    write!(f, " from {from}")?;
                }
                if let Some(to) = to {
                    write!(f, " to {to}")?;
                }
                option(f, window)?;
                f.write_str(")")
            }
            ExprKind::Held {
                operand,
                test,
                length,
            } => write!(f, "held({operand}{test}, for {length})"),
            ExprKind::Rank { end, size, measure } => {
                let end = match end {
                    RankEnd::Top => "top",
                    RankEnd::Bottom => "bottom",
                };
                match size {
                    RankSize::Users(users) => write!(f, "{end}({users}, {measure})"),
                    RankSize::Percent(percent) => write!(f, "{end}({percent}%, {measure})"),
                }
            }
        }
    }
}

fn joined<T>(
    f: &mut Formatter<'_>,
    parts: &[T],
    separator: &str,
    print: impl Fn(&mut Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(separator)?;
        }
        print(f, part)?;
    }
    Ok(())
}

fn parenthesized(f: &mut Formatter<'_>, part: &impl Display, needed: bool) -> fmt::Result {
    if needed {
        write!(f, "({part})")
    } else {
        part.fmt(f)
    }
}

fn text(f: &mut Formatter<'_>, value: &str) -> fmt::Result {
    quoted(f, value, '\'')
}

fn quoted(f: &mut Formatter<'_>, value: &str, quote: char) -> fmt::Result {
    f.write_char(quote)?;
    for c in value.chars() {
        if c == quote {
            f.write_char(quote)?;
        }
        f.write_char(c)?;
    }
    f.write_char(quote)
}

/// A name that stands where no keyword can.
fn name(f: &mut Formatter<'_>, value: &str) -> fmt::Result {
    if is_plain_name(value) {
        f.write_str(value)
    } else {
        quoted(f, value, '"')
    }
}

/// A dotted path after a dot, where no keyword can stand.
fn path(f: &mut Formatter<'_>, value: &str) -> fmt::Result {
    for (index, part) in value.split('.').enumerate() {
        if index > 0 {
            f.write_str(".")?;
        }
        name(f, part)?;
    }
    Ok(())
}

/// A dotted path at the beginning of a test, where `taken` words mean something else.
fn leading_path(
    f: &mut Formatter<'_>,
    value: &str,
    taken: impl Fn(&str, bool) -> bool,
) -> fmt::Result {
    let (first, rest) = value
        .split_once('.')
        .map_or((value, None), |(first, rest)| (first, Some(rest)));
    let word = WORDS_BEFORE_TESTS
        .iter()
        .any(|word| word.eq_ignore_ascii_case(first));
    if word || taken(first, rest.is_some()) {
        quoted(f, first, '"')?;
    } else {
        name(f, first)?;
    }
    if let Some(rest) = rest {
        f.write_str(".")?;
        path(f, rest)?;
    }
    Ok(())
}

/// A property as it stands in a predicate.
fn property(f: &mut Formatter<'_>, value: &str) -> fmt::Result {
    leading_path(f, value, |first, dotted| {
        !dotted && matches!(first, "event_name" | "timestamp")
    })
}

/// A property as it stands after an occurrence: `.event` is the name, `."event"` a property.
fn occurrence_property(f: &mut Formatter<'_>, value: &str) -> fmt::Result {
    if matches!(value, "event" | "event_name" | "timestamp") {
        quoted(f, value, '"')
    } else {
        path(f, value)
    }
}

impl Display for AttributeRef {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.table {
            Some(table) => {
                write!(f, "{table}.")?;
                path(f, &self.name)
            }
            None => leading_path(f, &self.name, |first, dotted| {
                first == "user_id"
                    || (dotted
                        && (first.eq_ignore_ascii_case("users")
                            || first.eq_ignore_ascii_case("property")))
            }),
        }
    }
}

impl Display for AttributeTable {
    /// `users` or `property`, as before the dot.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Users => "users",
            Self::Property => "property",
        })
    }
}

impl Display for AttributeOperand {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.cast {
            Some(cast) => with_cast(f, cast, |f| self.attribute.fmt(f)),
            None => self.attribute.fmt(f),
        }
    }
}

fn with_cast(
    f: &mut Formatter<'_>,
    cast: Cast,
    inner: impl Fn(&mut Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    let (function, unit) = match cast {
        Cast::Number => ("number", ""),
        Cast::Text => ("text", ""),
        Cast::Time => ("time", ""),
        Cast::TimeSeconds => ("time", ", 's'"),
        Cast::TimeMillis => ("time", ", 'ms'"),
    };
    write!(f, "{function}(")?;
    inner(f)?;
    write!(f, "{unit})")
}

/// An operand around what `inner` prints for a property.
fn operand_around(
    f: &mut Formatter<'_>,
    operand: &Operand,
    event_name: &dyn Fn(&mut Formatter<'_>) -> fmt::Result,
    timestamp: &dyn Fn(&mut Formatter<'_>) -> fmt::Result,
    property: &dyn Fn(&mut Formatter<'_>, &str) -> fmt::Result,
) -> fmt::Result {
    let calendar = |f: &mut Formatter<'_>, function: &str, zone: &Option<String>| {
        write!(f, "{function}(")?;
        timestamp(f)?;
        if let Some(zone) = zone {
            f.write_str(", ")?;
            text(f, zone)?;
        }
        f.write_str(")")
    };
    match operand {
        Operand::Property(path) => property(f, path),
        Operand::EventName => event_name(f),
        Operand::Timestamp => timestamp(f),
        Operand::Hour { zone } => calendar(f, "hour", zone),
        Operand::Weekday { zone } => calendar(f, "weekday", zone),
        Operand::Cast {
            cast,
            property: path,
        } => with_cast(f, *cast, |f| property(f, path)),
    }
}

impl Display for Operand {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        operand_around(
            f,
            self,
            &|f| f.write_str("event_name"),
            &|f| f.write_str("timestamp"),
            &property,
        )
    }
}

fn occurrence_test(
    f: &mut Formatter<'_>,
    occurrence: &Occurrence,
    test: &OccurrenceTest,
) -> fmt::Result {
    match test {
        OccurrenceTest::When(window) => {
            // `in last 14 days` and `in ever` read better with the word, `before …` without.
            let is_in = match window {
                Window::Last(_) | Window::Ever => true,
                Window::Calendar { period, .. } => {
                    matches!(period, Period::This(_) | Period::Last(..))
                }
                _ => false,
            };
            let word = if is_in { "in " } else { "" };
            write!(f, "{occurrence} {word}{window}")
        }
        OccurrenceTest::Property { operand, test } => {
            operand_around(
                f,
                operand,
                &|f| write!(f, "{occurrence}.event"),
                &|f| write!(f, "{occurrence}.timestamp"),
                &|f, path| {
                    write!(f, "{occurrence}.")?;
                    occurrence_property(f, path)
                },
            )?;
            test.fmt(f)
        }
    }
}

impl Display for Sequence {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("sequence(")?;
        for (index, SequenceStep { events, hop }) in self.steps.iter().enumerate() {
            if index > 0 {
                for events in &hop.without {
                    write!(f, " without {events}")?;
                }
                f.write_str(if hop.directly {
                    " directly then "
                } else {
                    " then "
                })?;
                match hop.time {
                    HopTime::Any => {}
                    HopTime::Within(most) => write!(f, "within {most} ")?,
                    HopTime::After(least) => write!(f, "after {least} ")?,
                    HopTime::Between(least, most) => write!(f, "between {least} and {most} ")?,
                }
            }
            events.fmt(f)?;
        }
        if let Some(within) = self.within {
            write!(f, ", within {within}")?;
        }
        option(f, &self.window)?;
        for property in &self.same {
            f.write_str(", same ")?;
            same_property(f, property)?;
        }
        if self.strictly {
            f.write_str(", strictly")?;
        }
        f.write_str(")")
    }
}

/// A property after `same`, where `timestamp` and `event_name` mean something else.
fn same_property(f: &mut Formatter<'_>, value: &str) -> fmt::Result {
    if matches!(value, "event_name" | "timestamp") {
        quoted(f, value, '"')
    } else {
        path(f, value)
    }
}

impl Display for EventWindow {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.events.fmt(f)?;
        option(f, &self.window)
    }
}

fn option(f: &mut Formatter<'_>, window: &Window) -> fmt::Result {
    match window {
        Window::Ever => Ok(()),
        window => write!(f, ", {window}"),
    }
}

impl Display for EventSelector {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.names.fmt(f)?;
        filter(f, self.filter.as_ref())
    }
}

fn filter(f: &mut Formatter<'_>, predicate: Option<&Predicate>) -> fmt::Result {
    predicate.map_or(Ok(()), |predicate| write!(f, " where {predicate}"))
}

impl Display for EventNames {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any { except } if except.is_empty() => f.write_str("any event"),
            Self::Any { except } => {
                f.write_str("any event except (")?;
                joined(f, except, ", ", |f, event| name(f, &event.name))?;
                f.write_str(")")
            }
            Self::One(event) => name(f, &event.name),
            Self::AnyOf(parts) => {
                f.write_str("any of (")?;
                joined(f, parts, ", ", |f, (event, predicate)| {
                    name(f, &event.name)?;
                    filter(f, predicate.as_ref())
                })?;
                f.write_str(")")
            }
        }
    }
}

impl Display for Predicate {
    /// The canonical text.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(parts) => joined(f, parts, " and ", |f, part| {
                parenthesized(f, part, matches!(part, Self::And(_) | Self::Or(_)))
            }),
            Self::Or(parts) => joined(f, parts, " or ", |f, part| {
                parenthesized(f, part, matches!(part, Self::Or(_)))
            }),
            Self::Not(inner) => {
                f.write_str("not ")?;
                parenthesized(f, &**inner, matches!(**inner, Self::And(_) | Self::Or(_)))
            }
            Self::Test { operand, test, .. } => write!(f, "{operand}{test}"),
        }
    }
}

impl Display for Test {
    /// The operator and its values, with a leading blank.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let with_text = |f: &mut Formatter<'_>, word: &str, value: &str| {
            write!(f, " {word} ")?;
            text(f, value)
        };
        let with_list = |f: &mut Formatter<'_>, word: &str, values: &[Literal]| {
            write!(f, " {word} (")?;
            joined(f, values, ", ", |f, value| value.fmt(f))?;
            f.write_str(")")
        };
        match self {
            Self::Compare(op, value) => write!(f, " {op} {value}"),
            Self::CompareAttribute(op, attribute) => write!(f, " {op} {attribute}"),
            Self::Between(low, high) => write!(f, " between {low} and {high}"),
            Self::In(values) => with_list(f, "in", values),
            Self::NotIn(values) => with_list(f, "not in", values),
            Self::Contains(value) => with_text(f, "contains", value),
            Self::StartsWith(value) => with_text(f, "starts with", value),
            Self::EndsWith(value) => with_text(f, "ends with", value),
            Self::Like(value) => with_text(f, "like", value),
            Self::ILike(value) => with_text(f, "ilike", value),
            Self::Matches(value) => with_text(f, "matches", value),
            Self::IsSet => f.write_str(" is set"),
            Self::IsNotSet => f.write_str(" is not set"),
            Self::Has(value) => write!(f, " has {value}"),
            Self::HasAny(values) => with_list(f, "has any", values),
            Self::HasAll(values) => with_list(f, "has all", values),
        }
    }
}

impl CompareOp {
    /// The operator as written.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

impl Display for CompareOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.symbol())
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(value) => text(f, value),
            Self::Integer(value) => value.fmt(f),
            // Debug keeps the point: `5.0` stays a decimal.
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Bool(value) => value.fmt(f),
            // Quoted alone it would be text that may also be read as a time.
            Self::Time(TimePoint::At(instant)) => write!(f, "time('{}')", time_text(*instant)),
            Self::Time(point) => point.fmt(f),
        }
    }
}

/// An instant as it is written in quotes: a bare date where it is midnight.
pub(crate) fn time_text(millis: i64) -> String {
    let text = TimestampMillis(millis).to_string();
    match text.strip_suffix("T00:00:00Z") {
        Some(date) => date.to_owned(),
        None => text,
    }
}

impl Display for TimePoint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now => f.write_str("now"),
            Self::Ago(duration) => write!(f, "{duration} ago"),
            Self::At(instant) => write!(f, "'{}'", time_text(*instant)),
        }
    }
}

impl Display for Window {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ever => f.write_str("ever"),
            Self::Last(duration) => write!(f, "last {duration}"),
            Self::Between(from @ TimePoint::At(_), to @ TimePoint::At(_)) => {
                write!(f, "from {from} to {to}")
            }
            Self::Between(from, to) => write!(f, "between {from} and {to}"),
            Self::Since(from) => write!(f, "since {from}"),
            Self::Before(to) => write!(f, "before {to}"),
            Self::Anchored { relation, anchor } => {
                let within = |f: &mut Formatter<'_>, duration: DurationMillis, side: &str| {
                    write!(f, "within {duration} {side} {anchor}")
                };
                match *relation {
                    AnchorRelation::Since => write!(f, "since {anchor}"),
                    AnchorRelation::After => write!(f, "after {anchor}"),
                    AnchorRelation::Before => write!(f, "before {anchor}"),
                    AnchorRelation::WithinAfter(duration) => within(f, duration, "after"),
                    AnchorRelation::WithinBefore(duration) => within(f, duration, "before"),
                }
            }
            Self::Calendar { period, zone } => {
                period.fmt(f)?;
                if let Some(zone) = zone {
                    f.write_str(" in ")?;
                    text(f, zone)?;
                }
                Ok(())
            }
        }
    }
}

/// A window before a zone that is not its own: instants say that they are in UTC.
fn window_with_offsets(f: &mut Formatter<'_>, window: &Window) -> fmt::Result {
    let at = |instant: &i64| TimestampMillis(*instant);
    match window {
        Window::Between(TimePoint::At(from), TimePoint::At(to)) => {
            write!(f, "from '{}' to '{}'", at(from), at(to))
        }
        Window::Since(TimePoint::At(from)) => write!(f, "since '{}'", at(from)),
        Window::Before(TimePoint::At(to)) => write!(f, "before '{}'", at(to)),
        other => other.fmt(f),
    }
}

impl Display for Period {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Today => f.write_str("today"),
            Self::Yesterday => f.write_str("yesterday"),
            Self::This(unit) => write!(f, "this {unit}"),
            Self::Last(count, unit) => {
                let plural = if *count == 1 { "" } else { "s" };
                write!(f, "last {count} calendar {unit}{plural}")
            }
            Self::On(day) => write!(f, "on {day}"),
            Self::Between(from, to) => write!(f, "from {from} to {to}"),
            Self::Since(from) => write!(f, "since {from}"),
            Self::Before(to) => write!(f, "before {to}"),
        }
    }
}

impl Display for CalendarUnit {
    /// Its name in the singular.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl CivilTime {
    /// As it is written in quotes: a bare date where it is midnight.
    pub(crate) fn text(self) -> String {
        time_text(self.0).trim_end_matches('Z').to_owned()
    }
}

impl Display for CivilTime {
    /// Quoted.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.text())
    }
}

impl Display for Anchor {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(occurrence) => occurrence.fmt(f),
            Self::Attribute(attribute) => attribute.fmt(f),
        }
    }
}

impl Display for Occurrence {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.position {
            Position::First => write!(f, "first({})", self.of),
            Position::Last => write!(f, "last({})", self.of),
            Position::Nth(n) => write!(f, "nth({n}, {})", self.of),
        }
    }
}

impl Aggregate {
    /// The function's name as written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
            Self::Avg => "avg",
            Self::Distinct => "distinct",
        }
    }
}

impl PeriodUnit {
    /// The measure that counts such periods: `days`, `weeks`, `months`.
    pub fn measure(self) -> &'static str {
        match self {
            Self::Day => "days",
            Self::Week => "weeks",
            Self::Month => "months",
        }
    }
}

impl Display for Measure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(of) => write!(f, "count({of})"),
            Self::Aggregate {
                function,
                property,
                cast,
                of,
            } => {
                write!(f, "{}(", function.name())?;
                let subject = |f: &mut Formatter<'_>| {
                    write!(f, "{}.", of.events.names)?;
                    path(f, property)
                };
                match cast {
                    Some(cast) => with_cast(f, *cast, subject)?,
                    None => subject(f)?,
                }
                filter(f, of.events.filter.as_ref())?;
                option(f, &of.window)?;
                f.write_str(")")
            }
            Self::Calendar { unit, zone, of } => {
                write!(f, "{}({}", unit.measure(), of.events)?;
                match (zone, &of.window) {
                    (None, window) => option(f, window)?,
                    (Some(zone), window) => {
                        f.write_str(", ")?;
                        window_with_offsets(f, window)?;
                        f.write_str(" in ")?;
                        text(f, zone)?;
                    }
                }
                f.write_str(")")
            }
            Self::Periods { length, each, of } => {
                write!(f, "periods({}, of {length}", of.events)?;
                option(f, &of.window)?;
                if *each > 1 {
                    write!(f, ", each >= {each}")?;
                }
                f.write_str(")")
            }
            Self::DaysSinceFirst(of) => write!(f, "days_since_first({of})"),
            Self::DaysSinceLast(of) => write!(f, "days_since_last({of})"),
            Self::Attribute(operand) => operand.fmt(f),
            Self::Bucket(salt) => {
                f.write_str("bucket(")?;
                text(f, salt)?;
                f.write_str(")")
            }
            Self::Number(value) => number(f, *value),
            Self::Negative(inner) => {
                f.write_str("-")?;
                // Two signs in a row would begin a comment.
                let is_plain = !matches!(
                    **inner,
                    Self::Number(_) | Self::Negative(_) | Self::Arithmetic(_)
                );
                parenthesized(f, &**inner, !is_plain)
            }
            Self::Arithmetic(arithmetic) => arithmetic.fmt(f),
        }
    }
}

impl Arithmetic {
    /// Whether it is made of `*` and `/`.
    pub(crate) fn is_multiplicative(&self) -> bool {
        self.rest.iter().any(|(op, _)| op.is_multiplicative())
    }
}

impl Display for Arithmetic {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let needs_parentheses = |part: &Measure| match part {
            Measure::Arithmetic(inner) => self.is_multiplicative() || !inner.is_multiplicative(),
            _ => false,
        };
        parenthesized(f, &*self.first, needs_parentheses(&self.first))?;
        for (op, part) in &self.rest {
            write!(f, " {op} ")?;
            parenthesized(f, part, needs_parentheses(part))?;
        }
        Ok(())
    }
}

impl Display for ArithmeticOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.symbol())
    }
}

impl Display for NumberTest {
    /// The operator and its numbers, with a leading blank.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compare(op, value) => {
                write!(f, " {op} ")?;
                number(f, *value)
            }
            Self::Between(low, high) => {
                f.write_str(" between ")?;
                number(f, *low)?;
                f.write_str(" and ")?;
                number(f, *high)
            }
        }
    }
}

fn number(f: &mut Formatter<'_>, value: Number) -> fmt::Result {
    match value {
        Number::Integer(value) => value.fmt(f),
        // Debug keeps the point: `5.0` stays a decimal.
        Number::Float(value) => write!(f, "{value:?}"),
    }
}
