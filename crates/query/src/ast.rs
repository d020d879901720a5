//! The syntax tree that text, JSON and the builder share: what somebody wrote, nothing resolved.
//!
//! Spans are carried for messages only: two trees are equal if they say the same.

use crate::diagnostic::Diagnostic;
use crowdset_types::{DurationMillis, TimeRange, TimestampMillis};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A place in the text: byte offsets, `start..end`. All spans are equal, so that trees from text
/// and trees from JSON or the builder compare by what they say.
#[derive(Debug, Clone, Copy, Default)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl PartialEq for Span {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Span {}

/// A definition somebody wrote. Parse it from text or JSON with [`str::parse`], or build it with
/// [`crate::build`]. [`std::fmt::Display`] prints its canonical text.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// The whole condition.
    pub root: Expr,
    /// The text it was read from, for messages; empty if it came from JSON or the builder.
    pub(crate) source: Source,
}

/// The text that spans point into, and what its reader had to remark. All sources are equal, as
/// all spans are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Source {
    pub(crate) text: Arc<str>,
    pub(crate) warnings: Vec<Diagnostic>,
}

impl PartialEq for Source {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Segment {
    /// A segment of this tree, written by no text.
    pub fn new(root: Expr) -> Self {
        Self {
            root,
            source: Source::default(),
        }
    }

    /// The text the segment was parsed from; empty if it came from JSON or the builder.
    pub fn source_text(&self) -> &str {
        &self.source.text
    }

    /// What is legal as written yet probably not meant, known without any data: `last 0 days`.
    /// The planner repeats these among the warnings of its plan.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.source.warnings
    }
}

/// The saved segments and static lists that a definition names itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// Names of saved segments.
    pub segments: BTreeSet<String>,
    /// Names of static lists.
    pub lists: BTreeSet<String>,
}

impl Segment {
    /// The saved segments and static lists that the definition names itself; what those name in
    /// turn is not among them.
    pub fn references(&self) -> References {
        let mut references = References::default();
        let mut rest = vec![&self.root];
        while let Some(expr) = rest.pop() {
            match &expr.kind {
                ExprKind::And(parts) | ExprKind::Or(parts) => rest.extend(parts),
                ExprKind::Not(part) => rest.push(part),
                ExprKind::SavedSegment(name) => {
                    references.segments.insert(name.clone());
                }
                ExprKind::StaticList(name) => {
                    references.lists.insert(name.clone());
                }
                _ => {}
            }
        }
        references
    }
}

/// A condition and where it stands in the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What is asked.
    pub kind: ExprKind,
    /// Where it was written.
    pub span: Span,
}

impl From<ExprKind> for Expr {
    fn from(kind: ExprKind) -> Self {
        Self {
            kind,
            span: Span::default(),
        }
    }
}

/// What one condition asks of a user.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ExprKind {
    /// Every user of the universe.
    Everyone,
    /// No user.
    Nobody,
    /// All of these. Never nested directly in another `And`; at least two parts.
    And(Vec<Expr>),
    /// Any of these. Never nested directly in another `Or`; at least two parts.
    Or(Vec<Expr>),
    /// The complement in the universe.
    Not(Box<Expr>),
    /// `user_id = 'x'`, `user_id in (…)`. Integer ids are given as their text.
    UserId(Vec<String>),
    /// `attr OP value`.
    Attribute {
        /// The attribute, with a cast if one was written.
        operand: AttributeOperand,
        /// What its value must be.
        test: Test,
    },
    /// `did(E [, W])`.
    Did(EventWindow),
    /// `MEASURE OP number`, `MEASURE between a and b`.
    Measure {
        /// The number per user.
        measure: Measure,
        /// What it must be.
        test: NumberTest,
    },
    /// `first(E [, W]) PRED`, `last(…) PRED`, `nth(n, …) PRED`; false when there is no such event.
    Occurrence {
        /// Which of the user's events.
        occurrence: Occurrence,
        /// What must hold of it.
        test: OccurrenceTest,
    },
    /// `sequence(E then E …, options)`.
    Sequence(Sequence),
    /// `stopped(E, for D, after D)`, `restarted(E, in D, after gap of D)`. Kept as written; the
    /// planner takes it apart into what was done and what was not.
    Lifecycle {
        /// Which events.
        events: EventSelector,
        /// How the user's habit has changed.
        change: Lifecycle,
    },
    /// `segment('name')`: a saved segment, at the same instant.
    SavedSegment(String),
    /// `list('name')`: the users of a static list.
    StaticList(String),
    /// `MEASURE OP MEASURE`, where the right one is more than a number.
    MeasureComparison {
        /// The left number.
        left: Box<Measure>,
        /// How they must compare.
        op: CompareOp,
        /// The right number; never [`Measure::Number`].
        right: Box<Measure>,
    },
    /// `had(attr OP value [, W])`: true at some instant of W.
    Had {
        /// The attribute, with a cast if one was written.
        operand: AttributeOperand,
        /// What its value must have been.
        test: Test,
        /// When.
        window: Window,
    },
    /// `changed(attr [from v] [to v] [, W])`: at some instant of W one value followed another.
    Changed {
        /// The attribute.
        attribute: AttributeRef,
        /// The value before.
        from: Option<Literal>,
        /// The value after.
        to: Option<Literal>,
        /// When.
        window: Window,
    },
    /// `held(attr OP value, for 7 days)`: true at every instant of the last 7 days.
    Held {
        /// The attribute, with a cast if one was written.
        operand: AttributeOperand,
        /// What its value must have been throughout.
        test: Test,
        /// How long, at least a millisecond.
        length: DurationMillis,
    },
    /// `top(1000, MEASURE)`, `bottom(10%, MEASURE)`.
    Rank {
        /// From which end.
        end: RankEnd,
        /// How many.
        size: RankSize,
        /// By what.
        measure: Measure,
    },
}

impl ExprKind {
    /// `left OP right`. An attribute alone, beside a number or another attribute, is tested like
    /// any attribute, whichever way it was written.
    pub(crate) fn comparison(left: Measure, op: CompareOp, right: Measure) -> Self {
        match (left, right) {
            (Measure::Attribute(operand), Measure::Number(value)) => Self::Attribute {
                operand,
                test: Test::Compare(op, value.into()),
            },
            (
                Measure::Attribute(operand),
                Measure::Attribute(AttributeOperand {
                    attribute,
                    cast: None,
                }),
            ) => Self::Attribute {
                operand,
                test: Test::CompareAttribute(op, attribute),
            },
            (measure, Measure::Number(value)) => Self::Measure {
                measure,
                test: NumberTest::Compare(op, value),
            },
            (left, right) => Self::MeasureComparison {
                left: Box::new(left),
                op,
                right: Box::new(right),
            },
        }
    }

    /// `measure between low and high`; as [`ExprKind::comparison`].
    pub(crate) fn between(
        measure: Measure,
        low: crowdset_types::Number,
        high: crowdset_types::Number,
    ) -> Self {
        match measure {
            Measure::Attribute(operand) => Self::Attribute {
                operand,
                test: Test::Between(low.into(), high.into()),
            },
            measure => Self::Measure {
                measure,
                test: NumberTest::Between(low, high),
            },
        }
    }
}

impl From<crowdset_types::Number> for Literal {
    fn from(number: crowdset_types::Number) -> Self {
        match number {
            crowdset_types::Number::Integer(value) => Self::Integer(value),
            crowdset_types::Number::Float(value) => Self::Float(value),
        }
    }
}

/// An attribute's name and the table it is said to be in.
#[derive(Debug, Clone, PartialEq)]
pub struct AttributeRef {
    /// `users.x` or `property.x`; `None` for a bare name.
    pub table: Option<AttributeTable>,
    /// The column's or property's name.
    pub name: String,
    /// Where it was written.
    pub span: Span,
}

/// Which layer an attribute belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AttributeTable {
    /// A column of `users`: who a person is. Has no history.
    Users,
    /// A row of `user_properties`: what else is known. May have a history.
    Property,
}

/// An attribute, or a cast of it.
#[derive(Debug, Clone, PartialEq)]
pub struct AttributeOperand {
    /// The attribute.
    pub attribute: AttributeRef,
    /// The cast around it.
    pub cast: Option<Cast>,
}

/// Events and where in time they must lie.
#[derive(Debug, Clone, PartialEq)]
pub struct EventWindow {
    /// Which events.
    pub events: EventSelector,
    /// When.
    pub window: Window,
}

/// Which events of a user are meant.
#[derive(Debug, Clone, PartialEq)]
pub struct EventSelector {
    /// By name.
    pub names: EventNames,
    /// The predicate over one event's properties, for all the names.
    pub filter: Option<Predicate>,
    /// Where it was written.
    pub span: Span,
}

/// Events by name.
#[derive(Debug, Clone, PartialEq)]
pub enum EventNames {
    /// `any event`, `any event except (a, b)`.
    Any {
        /// The names left out; mostly empty.
        except: Vec<EventName>,
    },
    /// `name`.
    One(EventName),
    /// `any of (a, b where P, …)`: an event counts once, however many of the parts it matches.
    AnyOf(Vec<(EventName, Option<Predicate>)>),
}

/// The name of an event, as it was ingested.
#[derive(Debug, Clone, PartialEq)]
pub struct EventName {
    /// The name.
    pub name: String,
    /// Where it was written.
    pub span: Span,
}

/// A test over the properties of one event.
#[derive(Debug, Clone, PartialEq)]
pub enum Predicate {
    /// All of these.
    And(Vec<Predicate>),
    /// Any of these.
    Or(Vec<Predicate>),
    /// The complement: true where the inner test is false for whatever reason, missing included.
    Not(Box<Predicate>),
    /// One comparison.
    Test {
        /// What is looked at.
        operand: Operand,
        /// What it must be.
        test: Test,
        /// Where it was written.
        span: Span,
    },
}

/// What a comparison in a predicate looks at.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// A property by its dotted path, parts joined with `.`: `cart.total`.
    Property(String),
    /// `event_name`.
    EventName,
    /// `timestamp`.
    Timestamp,
    /// `hour(timestamp [, zone])`: 0 to 23.
    Hour {
        /// An IANA zone; UTC if none.
        zone: Option<String>,
    },
    /// `weekday(timestamp [, zone])`: ISO, 1 is Monday.
    Weekday {
        /// An IANA zone; UTC if none.
        zone: Option<String>,
    },
    /// `number(p)`, `text(p)`, `time(p)`, `time(p, 's')`, `time(p, 'ms')`.
    Cast {
        /// To what.
        cast: Cast,
        /// The property's dotted path.
        property: String,
    },
}

/// A change of type that somebody asked for; a value that cannot be changed is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cast {
    /// Numbers stay; text that is wholly a JSON number becomes that number.
    Number,
    /// Text stays; numbers become their shortest text (`5.0` is `5`), `true` and `false` theirs,
    /// times RFC 3339.
    Text,
    /// Times stay; RFC 3339 text (a bare date is midnight UTC) becomes that instant.
    Time,
    /// Numbers become an instant, in seconds since the epoch, floored to the millisecond.
    TimeSeconds,
    /// Numbers become an instant, in milliseconds since the epoch, floored.
    TimeMillis,
}

/// What a value must be. A value that is missing or of another type fails every one of these but
/// `is not set`.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// `= != < <= > >=` and a literal.
    Compare(CompareOp, Literal),
    /// `= != < <= > >=` and an attribute of the same user.
    CompareAttribute(CompareOp, AttributeRef),
    /// `between x and y`, both inclusive.
    Between(Literal, Literal),
    /// `in (…)`.
    In(Vec<Literal>),
    /// `not in (…)`.
    NotIn(Vec<Literal>),
    /// `contains 'x'`.
    Contains(String),
    /// `starts with 'x'`.
    StartsWith(String),
    /// `ends with 'x'`.
    EndsWith(String),
    /// `like 'a%_'`, escaped with a backslash.
    Like(String),
    /// `ilike`, the same with simple Unicode case folding.
    ILike(String),
    /// `matches 'regex'`, unanchored.
    Matches(String),
    /// `is set`.
    IsSet,
    /// `is not set`.
    IsNotSet,
    /// `has v`.
    Has(Literal),
    /// `has any (…)`.
    HasAny(Vec<Literal>),
    /// `has all (…)`.
    HasAll(Vec<Literal>),
}

/// How two values compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl CompareOp {
    /// The operator with its sides changed: `a < b` is `b > a`.
    pub fn reversed(self) -> Self {
        match self {
            Self::Equal | Self::NotEqual => self,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }
}

/// A value as written.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// `'text'`; against a time it is read as RFC 3339 or a date.
    Text(String),
    /// `5`
    Integer(i64),
    /// `5.5`; never NaN or infinite.
    Float(f64),
    /// `true`, `false`; only with `=`, `!=`, `in`, `not in` and `has`.
    Bool(bool),
    /// `now`, `30 days ago`; against times, and text that is RFC 3339.
    Time(TimePoint),
}

/// An instant as written.
#[derive(Debug, Clone, PartialEq)]
pub enum TimePoint {
    /// `now`: `as_of`.
    Now,
    /// `30 days ago`.
    Ago(DurationMillis),
    /// `'2026-01-01'`, as milliseconds since the epoch.
    At(i64),
}

/// Where in time events must lie: half-open, cut at `as_of`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Window {
    /// Everything before `as_of`.
    Ever,
    /// `last 7 days`: `[as_of - d, as_of)`.
    Last(DurationMillis),
    /// `between a and b`, `from a to b`: `[a, b)`.
    Between(TimePoint, TimePoint),
    /// `since a`: `[a, as_of)`.
    Since(TimePoint),
    /// `before a`.
    Before(TimePoint),
    /// Relative to an instant of the user's own. No such instant: the window is empty.
    Anchored {
        /// On which side, and how far.
        relation: AnchorRelation,
        /// The instant.
        anchor: Box<Anchor>,
    },
    /// `this month`, `last 3 calendar weeks in 'Europe/Berlin'`, and written dates with a zone.
    Calendar {
        /// Which part of the calendar.
        period: Period,
        /// An IANA zone; UTC if none.
        zone: Option<String>,
    },
}

impl Window {
    /// The zone whose calendar the window was written in.
    pub fn zone(&self) -> Option<&str> {
        match self {
            Self::Calendar { zone, .. } => zone.as_deref(),
            _ => None,
        }
    }

    /// The instants of a calendar window as seen at `as_of`, not cut there. `None` for any other
    /// window, and for a zone or a date that there is not.
    pub fn calendar_range(&self, as_of: TimestampMillis) -> Option<TimeRange> {
        match self {
            Self::Calendar { period, zone } => {
                crate::planner::calendar_range(*period, zone.as_deref(), as_of)
            }
            _ => None,
        }
    }
}

/// A part of a calendar. A day begins where the zone's clocks first show its date, so that it may
/// have 23 or 25 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// `today`: the day of `as_of`.
    Today,
    /// `yesterday`: the day before it.
    Yesterday,
    /// `this month`: the period of `as_of`.
    This(CalendarUnit),
    /// `last 3 calendar months`: so many whole periods before the one of `as_of`.
    Last(u32, CalendarUnit),
    /// `on '2026-01-05'`: one day.
    On(CivilTime),
    /// `from '2026-01-01' to '2026-02-01' in 'Europe/Berlin'`. Without a zone it is written as
    /// [`Window::Between`], and so on for the two below.
    Between(CivilTime, CivilTime),
    /// `since '2026-01-01' in 'Europe/Berlin'`.
    Since(CivilTime),
    /// `before '2026-01-01' in 'Europe/Berlin'`.
    Before(CivilTime),
}

/// What the clocks of a zone show: the milliseconds from 1970-01-01T00:00:00 to it, as if every day
/// had 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CivilTime(pub i64);

/// A unit of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CalendarUnit {
    /// From midnight to midnight.
    Day,
    /// ISO: from Monday on.
    Week,
    /// From the first of a month on.
    Month,
    /// From the first of January, April, July or October on.
    Quarter,
    /// From the first of January on.
    Year,
}

impl CalendarUnit {
    /// Every unit, shortest first.
    pub const ALL: [Self; 5] = [
        Self::Day,
        Self::Week,
        Self::Month,
        Self::Quarter,
        Self::Year,
    ];

    /// The unit's name in the singular.
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }
}

/// How a window lies to its anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnchorRelation {
    /// `since A`: from the anchor on, its instant included.
    Since,
    /// `after A`: later than the anchor's instant.
    After,
    /// `before A`: earlier than the anchor's instant.
    Before,
    /// `within D after A`: `[anchor, anchor + D]`.
    WithinAfter(DurationMillis),
    /// `within D before A`: `[anchor - D, anchor]`.
    WithinBefore(DurationMillis),
}

/// An instant of the user's own.
#[derive(Debug, Clone, PartialEq)]
pub enum Anchor {
    /// `first(E [, W])`, `last(E [, W])`, `nth(2, E [, W])`.
    Event(Occurrence),
    /// `users.created_at`, `property.renewed_at`: a time, or text that is RFC 3339.
    Attribute(AttributeRef),
}

/// One event of a user by its place in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Occurrence {
    /// Which.
    pub position: Position,
    /// Among these events.
    pub of: EventWindow,
}

/// A place in the order of a user's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Position {
    /// The earliest.
    First,
    /// The latest.
    Last,
    /// The n-th earliest, from 1.
    Nth(u32),
}

/// What must hold of one event.
#[derive(Debug, Clone, PartialEq)]
pub enum OccurrenceTest {
    /// Its time lies in the window: `in last 14 days`, `before 30 days ago`.
    When(Window),
    /// One of its properties: `.source = 'email'`; `.event` is [`Operand::EventName`].
    Property {
        /// What is looked at.
        operand: Operand,
        /// What it must be.
        test: Test,
    },
}

/// Events in order: `sequence(E then E …, options)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Sequence {
    /// The steps in order; at least one.
    pub steps: Vec<SequenceStep>,
    /// The longest time from the first step's event to the last one's, inclusive.
    pub within: Option<DurationMillis>,
    /// Where all steps' events must lie.
    pub window: Window,
    /// `same x`: properties, by their dotted paths, of which all steps have one value.
    pub same: Vec<String>,
    /// `strictly`: each step is later in time than the one before.
    pub strictly: bool,
}

/// One step of a sequence, and the way to it from the step before.
#[derive(Debug, Clone, PartialEq)]
pub struct SequenceStep {
    /// Which events.
    pub events: EventSelector,
    /// What must hold between the step before and this one; nothing for the first step.
    pub hop: Hop,
}

/// What must hold between two steps' events: `then within D`, `without X then`, `directly then`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Hop {
    /// How much later the second may be.
    pub time: HopTime,
    /// `without X`: none of these with a time strictly between the two.
    pub without: Vec<EventSelector>,
    /// `directly then`: no other event of the user between the two, in the order of events.
    pub directly: bool,
}

/// How much later than the step before a step may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HopTime {
    /// Not earlier.
    #[default]
    Any,
    /// `then within D`: at most so much, inclusive.
    Within(DurationMillis),
    /// `then after D`: at least so much, inclusive.
    After(DurationMillis),
    /// `then between D and D`: both inclusive.
    Between(DurationMillis, DurationMillis),
}

/// How a user's habit has changed, as of the instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifecycle {
    /// `stopped(E, for QUIET, after SINCE)`: did between `since` ago and `quiet` ago, and not since.
    Stopped {
        /// How long nothing has been done.
        quiet: DurationMillis,
        /// How far back the habit is looked for.
        since: DurationMillis,
    },
    /// `restarted(E, in RECENT, after gap of GAP)`: did lately, not in the gap before, but before
    /// that.
    Restarted {
        /// How far back the new start is looked for.
        recent: DurationMillis,
        /// How long nothing was done before that.
        gap: DurationMillis,
    },
}

/// A number per user.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Measure {
    /// `count(E [, W])`: 0 for users without events.
    Count(EventWindow),
    /// `sum|min|max|avg|distinct(E.prop [where P] [, W])`.
    Aggregate {
        /// How the values become one number.
        function: Aggregate,
        /// The property's dotted path, with its cast.
        property: String,
        /// A cast around the property.
        cast: Option<Cast>,
        /// Which events.
        of: EventWindow,
    },
    /// `days(E, W [in zone])`, `weeks(…)`, `months(…)`: distinct calendar periods with an event.
    Calendar {
        /// Of what length.
        unit: PeriodUnit,
        /// An IANA zone; UTC if none.
        zone: Option<String>,
        /// Which events.
        of: EventWindow,
    },
    /// `periods(E, of D [, W] [, each >= k])`: slices of time, counted back from the window's end,
    /// that hold enough events.
    Periods {
        /// The length of a slice, more than nothing.
        length: DurationMillis,
        /// How many events a slice must hold, at least 1.
        each: u32,
        /// Which events.
        of: EventWindow,
    },
    /// `days_since_first(E)`: `(as_of - first) / 24 h`, not floored; no value without one.
    DaysSinceFirst(EventWindow),
    /// `days_since_last(E)`.
    DaysSinceLast(EventWindow),
    /// `users.x`, `property.x` where numeric.
    Attribute(AttributeOperand),
    /// `bucket('salt')`: a stable number from 0 up to but not 1, drawn from salt and user id.
    Bucket(String),
    /// A number as written; finite.
    Number(crowdset_types::Number),
    /// `-MEASURE`; never directly around a number.
    Negative(Box<Measure>),
    /// `a + b - c`, `a * b / c`.
    Arithmetic(Arithmetic),
}

impl Measure {
    /// Distinct periods with an event. A zone belongs to the window if that takes one, and is not
    /// said twice, so that there is one tree for one meaning.
    pub(crate) fn calendar(unit: PeriodUnit, zone: Option<String>, mut of: EventWindow) -> Self {
        let mut zone = zone;
        if let Window::Calendar { zone: own, .. } = &mut of.window {
            if own.is_none() {
                *own = zone.take();
            } else if *own == zone {
                zone = None;
            }
        }
        Self::Calendar { unit, zone, of }
    }
}

/// Measures joined by operators of one rank, worked out from left to right. What is not a finite
/// number, or needs a measure without a value, is no value.
#[derive(Debug, Clone, PartialEq)]
pub struct Arithmetic {
    /// The leftmost.
    pub first: Box<Measure>,
    /// What is done with it, at least once: either all `+` and `-` or all `*` and `/`.
    pub rest: Vec<(ArithmeticOp, Measure)>,
}

/// What is done with two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArithmeticOp {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`; by zero: no value.
    Divide,
}

impl ArithmeticOp {
    /// Whether it is `*` or `/`, which bind more tightly.
    pub fn is_multiplicative(self) -> bool {
        matches!(self, Self::Multiply | Self::Divide)
    }

    /// The operator as written.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
        }
    }

    /// The number that comes out; `None` is no value. See [`crowdset_types::arithmetic`].
    pub fn apply(
        self,
        left: crowdset_types::Number,
        right: crowdset_types::Number,
    ) -> Option<crowdset_types::Number> {
        use crowdset_types::arithmetic;
        match self {
            Self::Add => arithmetic::add(left, right),
            Self::Subtract => arithmetic::subtract(left, right),
            Self::Multiply => arithmetic::multiply(left, right),
            Self::Divide => arithmetic::divide(left, right),
        }
    }
}

/// A unit of the calendar whose periods a measure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PeriodUnit {
    /// From midnight to midnight in the zone, 23 to 25 hours.
    Day,
    /// ISO weeks: from Monday.
    Week,
    /// From the first of the month.
    Month,
}

/// How values become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Aggregate {
    /// Of nothing: 0. Exact for integers and short decimals.
    Sum,
    /// Of nothing: no value.
    Min,
    /// Of nothing: no value.
    Max,
    /// Of nothing: no value.
    Avg,
    /// How many different values of any type; `1` and `1.0` are one.
    Distinct,
}

/// What a measure must be.
#[derive(Debug, Clone, PartialEq)]
pub enum NumberTest {
    /// `OP number`.
    Compare(CompareOp, crowdset_types::Number),
    /// `between a and b`, both inclusive.
    Between(crowdset_types::Number, crowdset_types::Number),
}

/// From which end users are ranked. Ties are broken by user id, ascending, at both ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RankEnd {
    /// The largest.
    Top,
    /// The smallest.
    Bottom,
}

/// How many users a rank selects, at least one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RankSize {
    /// So many users.
    Users(u64),
    /// So many per cent of the users that have at least one event of E in W (or a value of the
    /// attribute), rounded down.
    Percent(f64),
}
