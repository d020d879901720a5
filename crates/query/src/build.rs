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

mod history;
mod measure;
mod sequence;
mod test;

pub use history::*;
pub use measure::*;
pub use sequence::*;
pub use test::*;

use crate::ast::{
    Anchor, AnchorRelation, AttributeRef, AttributeTable, CalendarUnit, CivilTime, EventName,
    EventNames, EventSelector, EventWindow, Expr, ExprKind, Occurrence, OccurrenceTest, Operand,
    Period, Position, Predicate, Segment, Span, TimePoint, Window,
};
use crowdset_types::{DurationMillis, TimestampMillis};

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

/// The users of a saved segment, at the same instant.
pub fn saved(name: impl Into<String>) -> Expr {
    ExprKind::SavedSegment(name.into()).into()
}

/// The users of a static list.
pub fn list(name: impl Into<String>) -> Expr {
    ExprKind::StaticList(name.into()).into()
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

/// `today`
pub fn today() -> Window {
    calendar(Period::Today)
}

/// `yesterday`
pub fn yesterday() -> Window {
    calendar(Period::Yesterday)
}

/// `this month` and the like.
pub fn this(unit: CalendarUnit) -> Window {
    match unit {
        CalendarUnit::Day => today(),
        unit => calendar(Period::This(unit)),
    }
}

/// `last 3 calendar months`: so many whole periods before the current one.
pub fn last_calendar(count: u32, unit: CalendarUnit) -> Window {
    calendar(Period::Last(count, unit))
}

/// `on '2026-01-05'`: the day of which this is the midnight in UTC.
pub fn on(day: TimestampMillis) -> Window {
    calendar(Period::On(CivilTime(day.0)))
}

fn calendar(period: Period) -> Window {
    Window::Calendar { period, zone: None }
}

impl Window {
    /// The same in a zone: calendar periods are those of its calendar, and absolute instants, as
    /// UTC shows them, are what its clocks show. All other windows stay as they are.
    pub fn in_zone(self, zone: impl Into<String>) -> Self {
        use TimePoint::At;
        let period = match self {
            Self::Calendar { period, .. } => period,
            Self::Between(At(from), At(to)) => Period::Between(CivilTime(from), CivilTime(to)),
            Self::Since(At(from)) => Period::Since(CivilTime(from)),
            Self::Before(At(to)) => Period::Before(CivilTime(to)),
            other => return other,
        };
        Self::Calendar {
            period,
            zone: Some(zone.into()),
        }
    }
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
