//! The builder: segments written in Rust, equal to those read from text or JSON.
//!
//! Start with a condition ([`did`], [`count`], [`attr`], …), refine it, and join conditions with
//! [`all`], [`any`] and [`not`]. Everything converts into a [`Segment`] with `into()`.
//!
//! ```
//! use crowdset_query::Segment;
//! use crowdset_query::build::{all, attr, count, days, did, last, not, prop};
//!
//! let built: Segment = all([
//!     attr("account_type").eq("free"),
//!     count("report_generated").within(last(days(30))).gt(5),
//!     not(did("purchase").filter(prop("amount").gt(100)).within(last(days(90)))),
//! ])
//! .into();
//!
//! let written = "account_type = 'free' and count(report_generated, last 30 days) > 5
//!                and not did(purchase where amount > 100, last 90 days)";
//! assert_eq!(built, written.parse()?);
//! # Ok::<(), crowdset_query::SegmentError>(())
//! ```
//!
//! What the text form refuses (`top(0, …)`, a broken regular expression) the builder lets pass;
//! the planner reports it.

use crate::ast::{
    Aggregate, Anchor, AnchorRelation, AttributeOperand, AttributeRef, AttributeTable, Cast,
    CompareOp, EventName, EventNames, EventSelector, EventWindow, Expr, ExprKind, Literal, Measure,
    NumberTest, Occurrence, OccurrenceTest, Operand, Position, Predicate, RankEnd, RankSize,
    Segment, Span, Test, TimePoint, Window,
};
use crowdset_types::{DurationMillis, Number, TimestampMillis};

impl From<Expr> for Segment {
    fn from(root: Expr) -> Self {
        Self::new(root)
    }
}

impl From<Did> for Expr {
    fn from(did: Did) -> Self {
        ExprKind::Did(did.0).into()
    }
}

impl From<Did> for Segment {
    fn from(did: Did) -> Self {
        Self::new(did.into())
    }
}

impl From<Sequence> for Expr {
    fn from(sequence: Sequence) -> Self {
        let Sequence {
            steps,
            within,
            window,
        } = sequence;
        ExprKind::Sequence {
            steps,
            within,
            window,
        }
        .into()
    }
}

impl From<Sequence> for Segment {
    fn from(sequence: Sequence) -> Self {
        Self::new(sequence.into())
    }
}

// Joining.

/// Every user of the universe.
pub fn everyone() -> Expr {
    ExprKind::Everyone.into()
}

/// No user.
pub fn nobody() -> Expr {
    ExprKind::Nobody.into()
}

/// Users that pass all conditions; everyone if there are none.
pub fn all<T: Into<Expr>>(conditions: impl IntoIterator<Item = T>) -> Expr {
    let mut parts = Vec::new();
    for condition in conditions {
        match condition.into() {
            Expr {
                kind: ExprKind::And(inner),
                ..
            } => parts.extend(inner),
            single => parts.push(single),
        }
    }
    match parts.len() {
        0 => everyone(),
        1 => parts.swap_remove(0),
        _ => ExprKind::And(parts).into(),
    }
}

/// Users that pass any of the conditions; nobody if there are none.
pub fn any<T: Into<Expr>>(conditions: impl IntoIterator<Item = T>) -> Expr {
    let mut parts = Vec::new();
    for condition in conditions {
        match condition.into() {
            Expr {
                kind: ExprKind::Or(inner),
                ..
            } => parts.extend(inner),
            single => parts.push(single),
        }
    }
    match parts.len() {
        0 => nobody(),
        1 => parts.swap_remove(0),
        _ => ExprKind::Or(parts).into(),
    }
}

/// Users that do not pass.
pub fn not(condition: impl Into<Expr>) -> Expr {
    ExprKind::Not(Box::new(condition.into())).into()
}

impl Expr {
    /// This and that.
    pub fn and(self, other: impl Into<Expr>) -> Self {
        all([self, other.into()])
    }

    /// This or that.
    pub fn or(self, other: impl Into<Expr>) -> Self {
        any([self, other.into()])
    }
}

/// The users with these ids; integer ids as their text.
pub fn user_id<T: Into<String>>(ids: impl IntoIterator<Item = T>) -> Expr {
    ExprKind::UserId(ids.into_iter().map(Into::into).collect()).into()
}

// Events.

/// One event by name.
pub fn event(name: impl Into<String>) -> EventSelector {
    EventNames::One(EventName::from(name.into())).into()
}

/// `any event`.
pub fn any_event() -> EventSelector {
    EventNames::Any { except: Vec::new() }.into()
}

/// `any event except (…)`.
pub fn any_event_except<T: Into<String>>(names: impl IntoIterator<Item = T>) -> EventSelector {
    EventNames::Any {
        except: names
            .into_iter()
            .map(|name| EventName::from(name.into()))
            .collect(),
    }
    .into()
}

/// `any of (…)`: names, or [`event`]s with a filter. Selectors of several names are taken apart.
pub fn any_of<T: Into<EventSelector>>(events: impl IntoIterator<Item = T>) -> EventSelector {
    let mut parts = Vec::new();
    for selector in events {
        let EventSelector { names, filter, .. } = selector.into();
        match names {
            EventNames::One(name) => parts.push((name, filter)),
            EventNames::AnyOf(inner) => parts.extend(inner.into_iter().map(|(name, own)| {
                let both = own.into_iter().chain(filter.clone());
                (name, both.reduce(Predicate::and))
            })),
            EventNames::Any { except } => {
                // `any of` lists names: everything but some names is left as it is.
                return EventSelector {
                    names: EventNames::Any { except },
                    filter,
                    span: Span::default(),
                };
            }
        }
    }
    EventNames::AnyOf(parts).into()
}

impl From<String> for EventName {
    fn from(name: String) -> Self {
        Self {
            name,
            span: Span::default(),
        }
    }
}

impl From<EventNames> for EventSelector {
    fn from(names: EventNames) -> Self {
        Self {
            names,
            filter: None,
            span: Span::default(),
        }
    }
}

impl From<&str> for EventSelector {
    fn from(name: &str) -> Self {
        event(name)
    }
}

impl From<String> for EventSelector {
    fn from(name: String) -> Self {
        event(name)
    }
}

impl EventSelector {
    /// The same with `where` the predicate; a second one is joined by `and`.
    pub fn filter(mut self, predicate: Predicate) -> Self {
        self.filter = Some(match self.filter {
            Some(before) => before.and(predicate),
            None => predicate,
        });
        self
    }
}

impl<T: Into<EventSelector>> From<T> for EventWindow {
    fn from(events: T) -> Self {
        Self {
            events: events.into(),
            window: Window::Ever,
        }
    }
}

impl EventWindow {
    /// The same with `where` the predicate; a second one is joined by `and`.
    pub fn filter(mut self, predicate: Predicate) -> Self {
        self.events = self.events.filter(predicate);
        self
    }

    /// The same within a window.
    pub fn within(mut self, window: Window) -> Self {
        self.window = window;
        self
    }
}

/// `did(E)`, at least one event. Made by [`did`].
#[derive(Debug, Clone, PartialEq)]
pub struct Did(EventWindow);

/// `did(E)`: at least one event.
pub fn did(events: impl Into<EventWindow>) -> Did {
    Did(events.into())
}

impl Did {
    /// The same with `where` the predicate; a second one is joined by `and`.
    pub fn filter(self, predicate: Predicate) -> Self {
        Self(self.0.filter(predicate))
    }

    /// The same within a window.
    pub fn within(self, window: Window) -> Self {
        Self(self.0.within(window))
    }
}

// Windows.

/// `n` weeks.
pub fn weeks(n: u32) -> DurationMillis {
    days_i64(7 * i64::from(n))
}

/// `n` days of 24 hours.
pub fn days(n: u32) -> DurationMillis {
    days_i64(i64::from(n))
}

fn days_i64(days: i64) -> DurationMillis {
    DurationMillis::days(days)
}

/// `n` hours.
pub fn hours(n: u32) -> DurationMillis {
    DurationMillis::hours(i64::from(n))
}

/// `n` minutes.
pub fn minutes(n: u32) -> DurationMillis {
    seconds(60 * u64::from(n))
}

/// `n` seconds.
pub fn seconds(n: u64) -> DurationMillis {
    DurationMillis(i64::try_from(n.saturating_mul(1000)).unwrap_or(i64::MAX))
}

/// `last 30 days`.
pub fn last(duration: DurationMillis) -> Window {
    Window::Last(duration)
}

/// `30 days ago`.
pub fn ago(duration: DurationMillis) -> TimePoint {
    TimePoint::Ago(duration)
}

/// An absolute instant.
pub fn at(instant: TimestampMillis) -> TimePoint {
    TimePoint::At(instant.0)
}

/// `now`: the instant of the evaluation.
pub fn now() -> TimePoint {
    TimePoint::Now
}

/// `between a and b`, `from a to b`: from the first included to the second excluded.
pub fn between(from: TimePoint, to: TimePoint) -> Window {
    Window::Between(from, to)
}

/// What a window can begin or end at: an instant, or an anchor of the user's own.
#[derive(Debug, Clone, PartialEq)]
pub enum Bound {
    /// The same instant for everybody.
    Instant(TimePoint),
    /// One of the user's events or attributes.
    Anchor(Anchor),
}

impl From<TimePoint> for Bound {
    fn from(point: TimePoint) -> Self {
        Self::Instant(point)
    }
}

impl From<Occurrence> for Bound {
    fn from(occurrence: Occurrence) -> Self {
        Self::Anchor(occurrence.into())
    }
}

impl From<AttributeRef> for Bound {
    fn from(attribute: AttributeRef) -> Self {
        Self::Anchor(attribute.into())
    }
}

impl From<Occurrence> for Anchor {
    fn from(occurrence: Occurrence) -> Self {
        Self::Event(occurrence)
    }
}

impl From<AttributeRef> for Anchor {
    fn from(attribute: AttributeRef) -> Self {
        Self::Attribute(attribute)
    }
}

fn anchored(relation: AnchorRelation, anchor: Anchor) -> Window {
    Window::Anchored {
        relation,
        anchor: Box::new(anchor),
    }
}

/// `since …`: from an instant or anchor on, itself included.
pub fn since(bound: impl Into<Bound>) -> Window {
    match bound.into() {
        Bound::Instant(point) => Window::Since(point),
        Bound::Anchor(anchor) => anchored(AnchorRelation::Since, anchor),
    }
}

/// `before …`: up to an instant or anchor, itself excluded.
pub fn before(bound: impl Into<Bound>) -> Window {
    match bound.into() {
        Bound::Instant(point) => Window::Before(point),
        Bound::Anchor(anchor) => anchored(AnchorRelation::Before, anchor),
    }
}

/// `after …`: later than an anchor.
pub fn after(anchor: impl Into<Anchor>) -> Window {
    anchored(AnchorRelation::After, anchor.into())
}

/// `within 3 days after …`: from an anchor to so much later, both included.
pub fn within_after(duration: DurationMillis, anchor: impl Into<Anchor>) -> Window {
    anchored(AnchorRelation::WithinAfter(duration), anchor.into())
}

/// `within 3 days before …`: from so much earlier to the anchor, both included.
pub fn within_before(duration: DurationMillis, anchor: impl Into<Anchor>) -> Window {
    anchored(AnchorRelation::WithinBefore(duration), anchor.into())
}

/// An attribute as an anchor or a right side: `users.created_at`, `property.renewed_at`, or a bare
/// name. A prefix `users.` or `property.` names the table.
pub fn attribute(name: &str) -> AttributeRef {
    let (table, name) = match name.split_once('.') {
        Some(("users", rest)) => (Some(AttributeTable::Users), rest),
        Some(("property", rest)) => (Some(AttributeTable::Property), rest),
        _ => (None, name),
    };
    AttributeRef {
        table,
        name: name.to_owned(),
        span: Span::default(),
    }
}

// One event by its place.

/// `first(E)`: the user's earliest of these events.
pub fn first_event(of: impl Into<EventWindow>) -> Occurrence {
    Occurrence {
        position: Position::First,
        of: of.into(),
    }
}

/// `last(E)`: the user's latest of these events.
pub fn last_event(of: impl Into<EventWindow>) -> Occurrence {
    Occurrence {
        position: Position::Last,
        of: of.into(),
    }
}

/// `nth(n, E)`: the user's n-th of these events, from 1.
pub fn nth_event(n: u32, of: impl Into<EventWindow>) -> Occurrence {
    Occurrence {
        position: Position::Nth(n),
        of: of.into(),
    }
}

impl Occurrence {
    /// The same with its events within a window.
    pub fn within(mut self, window: Window) -> Self {
        self.of.window = window;
        self
    }

    /// `… in last 14 days`: the event lies in the window.
    pub fn is_in(self, window: Window) -> Expr {
        ExprKind::Occurrence {
            occurrence: self,
            test: OccurrenceTest::When(window),
        }
        .into()
    }

    /// `… .prop`: one of its properties, to be compared.
    pub fn prop(self, path: impl Into<String>) -> Subject<(Self, Operand)> {
        self.operand(Operand::Property(path.into()))
    }

    /// `… .event`: its name, to be compared.
    pub fn event(self) -> Subject<(Self, Operand)> {
        self.operand(Operand::EventName)
    }

    /// `… .timestamp`, or another operand, to be compared.
    pub fn operand(self, operand: Operand) -> Subject<(Self, Operand)> {
        Subject((self, operand))
    }
}

// Tests.

/// Something that can be tested: an operand of an event, an attribute, a property of one event.
pub trait Testable {
    /// What a test of it is: a predicate over one event, or a condition over a user.
    type Tested;

    /// The test of it.
    fn tested(self, test: Test) -> Self::Tested;

    /// The same with a cast around it. Of `event_name` and `timestamp` there is no cast.
    fn cast_to(self, cast: Cast) -> Self;
}

impl Testable for Operand {
    type Tested = Predicate;

    fn tested(self, test: Test) -> Predicate {
        Predicate::Test {
            operand: self,
            test,
            span: Span::default(),
        }
    }

    fn cast_to(self, cast: Cast) -> Self {
        match self {
            Self::Property(property) | Self::Cast { property, .. } => Self::Cast { cast, property },
            other => other,
        }
    }
}

impl Testable for AttributeOperand {
    type Tested = Expr;

    fn tested(self, test: Test) -> Expr {
        ExprKind::Attribute {
            operand: self,
            test,
        }
        .into()
    }

    fn cast_to(self, cast: Cast) -> Self {
        Self {
            cast: Some(cast),
            ..self
        }
    }
}

impl Testable for (Occurrence, Operand) {
    type Tested = Expr;

    fn tested(self, test: Test) -> Expr {
        let (occurrence, operand) = self;
        ExprKind::Occurrence {
            occurrence,
            test: OccurrenceTest::Property { operand, test },
        }
        .into()
    }

    fn cast_to(self, cast: Cast) -> Self {
        (self.0, self.1.cast_to(cast))
    }
}

/// Something to compare, not compared yet. Its methods are the operators of the language.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject<S>(S);

/// A property of an event, by its dotted path: `prop("cart.total").gt(100)`.
pub fn prop(path: impl Into<String>) -> Subject<Operand> {
    operand(Operand::Property(path.into()))
}

/// `event_name`, `timestamp`, `hour(timestamp)` and the like.
pub fn operand(operand: Operand) -> Subject<Operand> {
    Subject(operand)
}

/// An attribute of the user; a prefix `users.` or `property.` names the table.
pub fn attr(name: &str) -> Subject<AttributeOperand> {
    Subject(AttributeOperand {
        attribute: attribute(name),
        cast: None,
    })
}

impl<S: Testable> Subject<S> {
    /// The same with a cast around it. Of `event_name` and `timestamp` there is no cast.
    pub fn cast(self, to: Cast) -> Self {
        Self(self.0.cast_to(to))
    }

    /// Any test.
    pub fn is(self, test: Test) -> S::Tested {
        self.0.tested(test)
    }

    /// `=`
    pub fn eq(self, value: impl Into<Literal>) -> S::Tested {
        self.is(Test::Compare(CompareOp::Equal, value.into()))
    }

    /// `!=`; false of a missing value.
    pub fn ne(self, value: impl Into<Literal>) -> S::Tested {
        self.is(Test::Compare(CompareOp::NotEqual, value.into()))
    }

    /// `<`
    pub fn lt(self, value: impl Into<Literal>) -> S::Tested {
        self.is(Test::Compare(CompareOp::Less, value.into()))
    }

    /// `<=`
    pub fn le(self, value: impl Into<Literal>) -> S::Tested {
        self.is(Test::Compare(CompareOp::LessOrEqual, value.into()))
    }

    /// `>`
    pub fn gt(self, value: impl Into<Literal>) -> S::Tested {
        self.is(Test::Compare(CompareOp::Greater, value.into()))
    }

    /// `>=`
    pub fn ge(self, value: impl Into<Literal>) -> S::Tested {
        self.is(Test::Compare(CompareOp::GreaterOrEqual, value.into()))
    }

    /// An operator and an attribute of the same user: `amount > users.credit_limit`.
    pub fn compare_attribute(self, op: CompareOp, attribute: AttributeRef) -> S::Tested {
        self.is(Test::CompareAttribute(op, attribute))
    }

    /// `between x and y`, both included.
    pub fn between(self, low: impl Into<Literal>, high: impl Into<Literal>) -> S::Tested {
        self.is(Test::Between(low.into(), high.into()))
    }

    /// `in (…)`
    pub fn is_in<L: Into<Literal>>(self, values: impl IntoIterator<Item = L>) -> S::Tested {
        self.is(Test::In(literals(values)))
    }

    /// `not in (…)`; false of a missing value.
    pub fn not_in<L: Into<Literal>>(self, values: impl IntoIterator<Item = L>) -> S::Tested {
        self.is(Test::NotIn(literals(values)))
    }

    /// `contains 'x'`
    pub fn contains(self, text: impl Into<String>) -> S::Tested {
        self.is(Test::Contains(text.into()))
    }

    /// `starts with 'x'`
    pub fn starts_with(self, text: impl Into<String>) -> S::Tested {
        self.is(Test::StartsWith(text.into()))
    }

    /// `ends with 'x'`
    pub fn ends_with(self, text: impl Into<String>) -> S::Tested {
        self.is(Test::EndsWith(text.into()))
    }

    /// `like 'a%_'`
    pub fn like(self, pattern: impl Into<String>) -> S::Tested {
        self.is(Test::Like(pattern.into()))
    }

    /// `ilike 'a%_'`
    pub fn ilike(self, pattern: impl Into<String>) -> S::Tested {
        self.is(Test::ILike(pattern.into()))
    }

    /// `matches 'regex'`
    pub fn matches(self, regex: impl Into<String>) -> S::Tested {
        self.is(Test::Matches(regex.into()))
    }

    /// `is set`
    pub fn is_set(self) -> S::Tested {
        self.is(Test::IsSet)
    }

    /// `is not set`
    pub fn is_not_set(self) -> S::Tested {
        self.is(Test::IsNotSet)
    }

    /// `has v`
    pub fn has(self, value: impl Into<Literal>) -> S::Tested {
        self.is(Test::Has(value.into()))
    }

    /// `has any (…)`
    pub fn has_any<L: Into<Literal>>(self, values: impl IntoIterator<Item = L>) -> S::Tested {
        self.is(Test::HasAny(literals(values)))
    }

    /// `has all (…)`
    pub fn has_all<L: Into<Literal>>(self, values: impl IntoIterator<Item = L>) -> S::Tested {
        self.is(Test::HasAll(literals(values)))
    }
}

fn literals<L: Into<Literal>>(values: impl IntoIterator<Item = L>) -> Vec<Literal> {
    values.into_iter().map(Into::into).collect()
}

impl Predicate {
    /// This and that.
    pub fn and(self, other: Self) -> Self {
        let mut parts = match self {
            Self::And(parts) => parts,
            single => vec![single],
        };
        match other {
            Self::And(more) => parts.extend(more),
            single => parts.push(single),
        }
        Self::And(parts)
    }

    /// This or that.
    pub fn or(self, other: Self) -> Self {
        let mut parts = match self {
            Self::Or(parts) => parts,
            single => vec![single],
        };
        match other {
            Self::Or(more) => parts.extend(more),
            single => parts.push(single),
        }
        Self::Or(parts)
    }

    /// Not this: true where it is false for whatever reason, a missing value included.
    pub fn negate(self) -> Self {
        Self::Not(Box::new(self))
    }
}

impl From<&str> for Literal {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Literal {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i32> for Literal {
    fn from(value: i32) -> Self {
        Self::Integer(value.into())
    }
}

impl From<i64> for Literal {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<f64> for Literal {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<bool> for Literal {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<TimePoint> for Literal {
    fn from(point: TimePoint) -> Self {
        Self::Time(point)
    }
}

// Measures.

/// `count(E)`
pub fn count(of: impl Into<EventWindow>) -> Measure {
    Measure::Count(of.into())
}

/// `days(E)`: distinct UTC days with an event.
pub fn active_days(of: impl Into<EventWindow>) -> Measure {
    Measure::Days(of.into())
}

/// `days_since_first(E)`
pub fn days_since_first(of: impl Into<EventWindow>) -> Measure {
    Measure::DaysSinceFirst(of.into())
}

/// `days_since_last(E)`
pub fn days_since_last(of: impl Into<EventWindow>) -> Measure {
    Measure::DaysSinceLast(of.into())
}

/// `sum(E.prop)`
pub fn sum(of: impl Into<EventWindow>, property: impl Into<String>) -> Measure {
    aggregate(Aggregate::Sum, of, property)
}

/// `min(E.prop)`
pub fn min(of: impl Into<EventWindow>, property: impl Into<String>) -> Measure {
    aggregate(Aggregate::Min, of, property)
}

/// `max(E.prop)`
pub fn max(of: impl Into<EventWindow>, property: impl Into<String>) -> Measure {
    aggregate(Aggregate::Max, of, property)
}

/// `avg(E.prop)`
pub fn avg(of: impl Into<EventWindow>, property: impl Into<String>) -> Measure {
    aggregate(Aggregate::Avg, of, property)
}

/// `distinct(E.prop)`
pub fn distinct(of: impl Into<EventWindow>, property: impl Into<String>) -> Measure {
    aggregate(Aggregate::Distinct, of, property)
}

fn aggregate(
    function: Aggregate,
    of: impl Into<EventWindow>,
    property: impl Into<String>,
) -> Measure {
    Measure::Aggregate {
        function,
        property: property.into(),
        cast: None,
        of: of.into(),
    }
}

/// `users.x` or `property.x` as a measure, for [`top`] and [`bottom`].
pub fn value_of(attribute: AttributeRef) -> Measure {
    Measure::Attribute(AttributeOperand {
        attribute,
        cast: None,
    })
}

impl Measure {
    fn events_mut(&mut self) -> Option<&mut EventWindow> {
        match self {
            Self::Count(of)
            | Self::Aggregate { of, .. }
            | Self::Days(of)
            | Self::DaysSinceFirst(of)
            | Self::DaysSinceLast(of) => Some(of),
            Self::Attribute(_) => None,
        }
    }

    /// The same over events with `where` the predicate. An attribute has no events and stays.
    pub fn filter(mut self, predicate: Predicate) -> Self {
        if let Some(of) = self.events_mut() {
            *of = of.clone().filter(predicate);
        }
        self
    }

    /// The same over events within a window. An attribute has no events and stays.
    pub fn within(mut self, window: Window) -> Self {
        if let Some(of) = self.events_mut() {
            of.window = window;
        }
        self
    }

    /// The same with a cast around the property or attribute; other measures have none.
    pub fn cast(mut self, to: Cast) -> Self {
        if let Self::Aggregate { cast, .. } | Self::Attribute(AttributeOperand { cast, .. }) =
            &mut self
        {
            *cast = Some(to);
        }
        self
    }

    fn compare(self, op: CompareOp, value: impl IntoNumber) -> Expr {
        ExprKind::Measure {
            measure: self,
            test: NumberTest::Compare(op, value.into_number()),
        }
        .into()
    }

    /// `=`
    pub fn eq(self, value: impl IntoNumber) -> Expr {
        self.compare(CompareOp::Equal, value)
    }

    /// `!=`; false where the measure has no value.
    pub fn ne(self, value: impl IntoNumber) -> Expr {
        self.compare(CompareOp::NotEqual, value)
    }

    /// `<`
    pub fn lt(self, value: impl IntoNumber) -> Expr {
        self.compare(CompareOp::Less, value)
    }

    /// `<=`
    pub fn le(self, value: impl IntoNumber) -> Expr {
        self.compare(CompareOp::LessOrEqual, value)
    }

    /// `>`
    pub fn gt(self, value: impl IntoNumber) -> Expr {
        self.compare(CompareOp::Greater, value)
    }

    /// `>=`
    pub fn ge(self, value: impl IntoNumber) -> Expr {
        self.compare(CompareOp::GreaterOrEqual, value)
    }

    /// `between a and b`, both included.
    pub fn between(self, low: impl IntoNumber, high: impl IntoNumber) -> Expr {
        let test = NumberTest::Between(low.into_number(), high.into_number());
        ExprKind::Measure {
            measure: self,
            test,
        }
        .into()
    }
}

/// What a measure can be compared with: integers stay exact, doubles stay doubles.
pub trait IntoNumber {
    /// The number.
    fn into_number(self) -> Number;
}

impl IntoNumber for Number {
    fn into_number(self) -> Number {
        self
    }
}

impl IntoNumber for i32 {
    fn into_number(self) -> Number {
        Number::Integer(self.into())
    }
}

impl IntoNumber for i64 {
    fn into_number(self) -> Number {
        Number::Integer(self)
    }
}

impl IntoNumber for f64 {
    fn into_number(self) -> Number {
        Number::Float(self)
    }
}

/// `top(1000, M)`: so many users with the largest measure.
pub fn top(users: u64, measure: Measure) -> Expr {
    rank(RankEnd::Top, RankSize::Users(users), measure)
}

/// `bottom(1000, M)`: so many users with the smallest measure.
pub fn bottom(users: u64, measure: Measure) -> Expr {
    rank(RankEnd::Bottom, RankSize::Users(users), measure)
}

/// `top(10%, M)`, `bottom(10%, M)` and the like.
pub fn rank(end: RankEnd, size: RankSize, measure: Measure) -> Expr {
    ExprKind::Rank { end, size, measure }.into()
}

// Sequences.

/// `sequence(E then E …)`. Made by [`sequence`].
#[derive(Debug, Clone, PartialEq)]
pub struct Sequence {
    steps: Vec<EventSelector>,
    within: Option<DurationMillis>,
    window: Window,
}

/// `sequence(E then E …)`: events in this order.
pub fn sequence<T: Into<EventSelector>>(steps: impl IntoIterator<Item = T>) -> Sequence {
    Sequence {
        steps: steps.into_iter().map(Into::into).collect(),
        within: None,
        window: Window::Ever,
    }
}

impl Sequence {
    /// The same with one more step.
    pub fn then(mut self, step: impl Into<EventSelector>) -> Self {
        self.steps.push(step.into());
        self
    }

    /// `within 7 days`: the last event at most so long after the first.
    pub fn spanning(mut self, at_most: DurationMillis) -> Self {
        self.within = Some(at_most);
        self
    }

    /// All events within a window.
    pub fn within(mut self, window: Window) -> Self {
        self.window = window;
        self
    }
}
