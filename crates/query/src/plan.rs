//! The plan: a segment bound to a catalog and an instant.
//!
//! A plan is data. Relative time has become milliseconds, names are known or marked as unknown,
//! conditions stand in the order in which they should be tried. It can be printed, compared and
//! cached; nothing in it depends on how rows are stored.

use crate::ast::{
    Aggregate, AnchorRelation, ArithmeticOp, AttributeTable, Cast, CompareOp, NumberTest, Operand,
    PeriodUnit, Position, RankEnd, RankSize,
};
use crate::diagnostic::Diagnostic;
use crowdset_types::{DurationMillis, Number, TimeRange, TimestampMillis};
use std::sync::Arc;

/// A segment made ready to run over one catalog at one instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The instant of the evaluation.
    pub as_of: TimestampMillis,
    /// The condition.
    pub root: PlanNode,
    /// Unknown names and other things that are legal yet probably not meant.
    pub warnings: Vec<Diagnostic>,
    /// How many nodes there are; ids are below it.
    pub node_count: u32,
}

/// One node of the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanNode {
    /// Dense number in depth-first order of the plan, the key of profiles.
    pub id: u32,
    /// The condition in canonical text.
    pub text: String,
    /// What must be worked out.
    pub kind: PlanKind,
    /// The saved segment whose definition this is, if it stands for `segment('name')`.
    pub saved: Option<String>,
    /// Estimated rows to read over all users: what the order of conditions is decided by.
    pub cost_rows: u64,
    /// Estimated share of the universe, 0 to 1.
    pub selectivity: f64,
}

/// What a node asks.
#[derive(Debug, Clone, PartialEq)]
pub enum PlanKind {
    /// Every user of the universe.
    Everyone,
    /// No user; also what a condition on nothing but unknown names has become.
    Nobody,
    /// All parts, cheapest and most selective first.
    And(Vec<PlanNode>),
    /// Any part, cheapest and least selective first.
    Or(Vec<PlanNode>),
    /// The complement in the universe.
    Not(Box<PlanNode>),
    /// These user ids, ascending, without repetition.
    UserId(Vec<String>),
    /// The users of a static list.
    List {
        /// Its name.
        name: String,
        /// Its ids, ascending by bytes, without repetition.
        ids: Arc<[String]>,
    },
    /// An attribute's value as of the instant.
    Attribute {
        /// Which attribute, and a cast.
        operand: PlanAttribute,
        /// What its value must be.
        test: PlanTest,
    },
    /// At least one event.
    Did(PlanEvents),
    /// A number per user.
    Measure {
        /// The number.
        measure: PlanMeasure,
        /// What it must be.
        test: NumberTest,
    },
    /// One event by its place.
    Occurrence {
        /// Which.
        occurrence: PlanOccurrence,
        /// What must hold of it.
        test: PlanOccurrenceTest,
    },
    /// Events in order.
    Sequence(PlanSequence),
    /// Two numbers per user.
    MeasureComparison {
        /// The left number.
        left: PlanMeasure,
        /// How they must compare.
        op: CompareOp,
        /// The right number.
        right: PlanMeasure,
    },
    /// An attribute's value at some instant, or at every instant, of a window.
    History {
        /// Which attribute, and a cast. One that nobody has stands here only where that can be
        /// what is asked for.
        operand: PlanAttribute,
        /// What its value must be.
        test: PlanTest,
        /// At some instant, or at every one.
        extent: HistoryExtent,
        /// When; a window without an instant is passed by nobody.
        window: PlanWindow,
    },
    /// An attribute's value followed by another.
    Changed {
        /// Which attribute; never with a cast.
        attribute: PlanAttribute,
        /// The value before, if it matters.
        from: Option<PlanLiteral>,
        /// The value after, if it matters.
        to: Option<PlanLiteral>,
        /// When the second value began.
        window: PlanWindow,
    },
    /// By rank among the users of the universe.
    Rank {
        /// From which end.
        end: RankEnd,
        /// How many.
        size: RankSize,
        /// By what.
        measure: PlanMeasure,
    },
}

/// Over which instants of a window a test must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HistoryExtent {
    /// At least one of them: `had`.
    Some,
    /// Every one: `held`.
    All,
}

/// A known attribute.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanAttribute {
    /// Its table.
    pub table: AttributeTable,
    /// Its name.
    pub name: String,
    /// A cast of its value.
    pub cast: Option<Cast>,
}

/// Events in time.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanEvents {
    /// Which.
    pub selector: PlanSelector,
    /// When.
    pub window: PlanWindow,
}

/// Which events: a list of names, each with what must hold of its rows.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanSelector {
    /// Known names only, ascending, each once (parts of the same name are joined with `or`), even
    /// for `any event`, which lists all names of the catalog.
    pub events: Vec<PlanEvent>,
    /// All names of the catalog, none filtered: summaries over any event may answer it.
    pub any_unfiltered: bool,
}

/// One event name and its predicate.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanEvent {
    /// The name.
    pub name: String,
    /// What must hold of the row; `None`: every row counts.
    pub filter: Option<PlanPredicate>,
}

/// A test over one row, its literals resolved. [`Operand::EventName`] never occurs: it is folded,
/// as the name is known where the predicate stands.
#[derive(Debug, Clone, PartialEq)]
pub enum PlanPredicate {
    /// True for every row.
    Always,
    /// False for every row.
    Never,
    /// All of these.
    And(Vec<PlanPredicate>),
    /// Any of these.
    Or(Vec<PlanPredicate>),
    /// The complement.
    Not(Box<PlanPredicate>),
    /// One comparison.
    Test {
        /// What is looked at.
        operand: Operand,
        /// What it must be.
        test: PlanTest,
    },
}

/// A test with its literals resolved. Truth as in [`crate::Test`].
#[derive(Debug, Clone, PartialEq)]
pub enum PlanTest {
    /// Against a value.
    Compare(CompareOp, PlanLiteral),
    /// Against an attribute of the same user, as of the instant.
    CompareAttribute(CompareOp, PlanAttribute),
    /// Both inclusive.
    Between(PlanLiteral, PlanLiteral),
    /// One of these.
    In(Vec<PlanLiteral>),
    /// Set, of a type that occurs in the list, and none of these.
    NotIn(Vec<PlanLiteral>),
    /// Text that contains this.
    Contains(String),
    /// Text that starts with this.
    StartsWith(String),
    /// Text that ends with this.
    EndsWith(String),
    /// Text that matches this regular expression (`like` and `ilike` are translated into one,
    /// anchored at both ends).
    Matches(String),
    /// There is a value.
    IsSet,
    /// There is none.
    IsNotSet,
    /// An array that holds this.
    Has(PlanLiteral),
    /// An array that holds one of these.
    HasAny(Vec<PlanLiteral>),
    /// An array that holds all of these.
    HasAll(Vec<PlanLiteral>),
}

/// A value to compare with.
#[derive(Debug, Clone, PartialEq)]
pub enum PlanLiteral {
    /// Text; the second value is the instant it names, if it names one, for comparison with times.
    Text(String, Option<TimestampMillis>),
    /// An integer.
    Integer(i64),
    /// A double.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// An instant: matches times, and text that is RFC 3339.
    Time(TimestampMillis),
}

/// Where in time events must lie.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanWindow {
    /// Already cut at `as_of`; `from` may be the beginning of time.
    pub range: TimeRange,
    /// A further bound of the user's own.
    pub anchor: Option<Box<PlanAnchor>>,
}

/// A bound relative to an instant of the user's own.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanAnchor {
    /// On which side, and how far.
    pub relation: AnchorRelation,
    /// The instant.
    pub of: PlanAnchorInstant,
}

/// An instant of the user's own.
#[derive(Debug, Clone, PartialEq)]
pub enum PlanAnchorInstant {
    /// One event by its place.
    Event(PlanOccurrence),
    /// An attribute: a time, or text that is RFC 3339.
    Attribute(PlanAttribute),
}

/// One event of a user by its place in the order (timestamp, event name, event id).
#[derive(Debug, Clone, PartialEq)]
pub struct PlanOccurrence {
    /// Which.
    pub position: Position,
    /// Among these.
    pub of: PlanEvents,
}

/// What must hold of one event.
#[derive(Debug, Clone, PartialEq)]
pub enum PlanOccurrenceTest {
    /// Its time lies in the window.
    When(PlanWindow),
    /// Its name is this one's: the truth of `.event OP value` by name, in the selector's order.
    EventName(Vec<(String, bool)>),
    /// One of its properties.
    Property {
        /// What is looked at.
        operand: Operand,
        /// What it must be.
        test: PlanTest,
    },
}

/// Events in order.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanSequence {
    /// The steps.
    pub steps: Vec<PlanStep>,
    /// The longest time from first to last, inclusive.
    pub within: Option<DurationMillis>,
    /// Where all steps' events must lie.
    pub window: PlanWindow,
    /// Properties of which all steps have one value.
    pub same: Vec<String>,
    /// Whether each step is later in time than the one before.
    pub strictly: bool,
    /// All events there are, if a hop is taken directly: who may stand between two steps.
    pub all: Option<PlanSelector>,
}

/// One step of a sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanStep {
    /// Which events.
    pub selector: PlanSelector,
    /// The way to it from the step before.
    pub hop: PlanHop,
}

/// The way from one step to the next.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanHop {
    /// How much later the step must be, at least, inclusive.
    pub least: DurationMillis,
    /// How much later it may be, at most, inclusive.
    pub most: Option<DurationMillis>,
    /// None of these may have a time strictly between the two.
    pub without: Vec<PlanSelector>,
    /// No other event of the user may stand between the two.
    pub directly: bool,
}

/// A number per user.
#[derive(Debug, Clone, PartialEq)]
pub enum PlanMeasure {
    /// How many events.
    Count(PlanEvents),
    /// One number out of the values of a property.
    Aggregate {
        /// How.
        function: Aggregate,
        /// [`Operand::Property`] or [`Operand::Cast`].
        operand: Operand,
        /// Over which events.
        of: PlanEvents,
    },
    /// Distinct calendar periods with an event.
    Calendar {
        /// Of what length.
        unit: PeriodUnit,
        /// A known IANA zone; UTC if none.
        zone: Option<String>,
        /// Which events.
        of: PlanEvents,
    },
    /// Slices of time, counted back from the window's end, with at least so many events.
    Periods {
        /// The length of a slice, more than nothing.
        length: DurationMillis,
        /// How many events a slice must hold, at least 1.
        each: u32,
        /// Which events.
        of: PlanEvents,
    },
    /// Days of 24 h from the first event to `as_of`, not floored.
    DaysSinceFirst(PlanEvents),
    /// Days of 24 h from the last event to `as_of`, not floored.
    DaysSinceLast(PlanEvents),
    /// A numeric attribute; text that is wholly a number counts as that number.
    Attribute(PlanAttribute),
    /// `xxh3_64(salt, 0, user_id) / 2^64`.
    Bucket(String),
    /// The same for everybody.
    Number(Number),
    /// With the other sign.
    Negative(Box<PlanMeasure>),
    /// Worked out from left to right, by [`ArithmeticOp::apply`].
    Arithmetic {
        /// The leftmost.
        first: Box<PlanMeasure>,
        /// What is done with it, at least once.
        rest: Vec<(ArithmeticOp, PlanMeasure)>,
    },
}
