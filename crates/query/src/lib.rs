//! Crowdset's segment language: *what does this text ask for, and what must be worked out?*
//!
//! A [`Segment`] is read from text or JSON, or put together with [`build`]; the three give equal
//! trees. [`plan`] binds it to a [`Catalog`] and an instant: the [`Plan`] has names looked up,
//! time made absolute, and conditions in the order in which they should be tried. Everything that
//! can be wrong is a [`Diagnostic`] with a place, a cause and a cure.
//!
//! This crate must not know that bitmaps and partitions exist, and does no input or output.
//!
//! # Grammar
//!
//! Keywords ignore case. Names that are no plain identifiers stand in double quotes, text in
//! single ones, `--` begins a comment.
//!
//! ```text
//! segment   = and-part { "or" and-part }
//! and-part  = part { "and" part }
//! part      = "not" part | "(" segment ")" | condition
//! condition = "everyone" | "nobody" | "user_id" (("=" | "!=") id | ["not"] "in" "(" id, … ")")
//!           | ("segment" | "list") "(" text ")"
//!           | A test
//!           | "had" "(" A test ["," window] ")" | "held" "(" A test "," "for" duration ")"
//!           | "changed" "(" attribute ["from" value] ["to" value] ["," window] ")"
//!           | "did" "(" events ")"
//!           | sum op sum | sum "between" number "and" number
//!           | occurrence ( ["in"] window | "." path test )
//!           | "sequence" "(" E { hop E } { "," ("within" duration | window | "same" path | "strictly") } ")"
//!           | "stopped" "(" E "," "for" duration "," "after" duration ")"
//!           | "restarted" "(" E "," "in" duration "," "after" "gap" "of" duration ")"
//!           | ("top" | "bottom") "(" (n | n "%") "," sum ")"
//! A         = attribute | cast "(" attribute ["," unit] ")"
//! hop       = { "without" E } ["directly"] "then"
//!             ["within" duration | "after" duration | "between" duration "and" duration]
//! sum       = product { ("+" | "-") product }
//! product   = signed { ("*" | "/") signed }
//! signed    = "-" signed | "(" sum ")" | number | measure
//! measure   = ("count" | "days_since_first" | "days_since_last") "(" events ")"
//!           | ("days" | "weeks" | "months") "(" events ["in" zone] ")"
//!           | "periods" "(" E "," "of" duration ["," window] ["," "each" ">=" n] ")"
//!           | ("sum" | "min" | "max" | "avg" | "distinct") "(" M ["where" P] ["," window] ")"
//!           | "bucket" "(" text ")"
//!           | "users." path | "property." path | cast "(" ("users." | "property.") path ["," unit] ")"
//! M         = names "." path | cast "(" names "." path ["," unit] ")"
//! cast      = "number" | "text" | "time"
//! events    = E ["," window]
//! E         = names ["where" P]
//! names     = name | "any event" ["except" "(" name, … ")"] | "any of" "(" name ["where" P], … ")"
//! P         = tests of properties, joined by "and", "or", "not" and parentheses
//! test      = op (value | users.x | property.x) | "between" value "and" value
//!           | ["not"] "in" "(" value, … ")" | ("contains" | "starts with" | "ends with") text
//!           | ("like" | "ilike" | "matches") text | "is" ["not"] "set"
//!           | "has" (value | ("any" | "all") "(" value, … ")")
//! window    = "ever" | "last" duration | "between" instant "and" instant | "from" instant "to" instant
//!           | ("since" | "before") (instant | anchor) | "after" anchor
//!           | "within" duration ("after" | "before") anchor
//!           | period ["in" zone]
//! period    = "today" | "yesterday" | "this" unit | "last" n "calendar" units | "on" 'date'
//!           | "from" 'time' "to" 'time' | ("since" | "before") 'time'
//! instant   = 'time' | duration "ago" | "now"
//! anchor    = occurrence | "users." path | "property." path
//! occurrence = ("first" | "last") "(" events ")" | "nth" "(" n "," events ")"
//! ```
//!
//! # Examples
//!
//! ```
//! use crowdset_query::Segment;
//!
//! let segment: Segment = "account_type = 'free' AND count(report_generated, last 30 days) > 5".parse()?;
//! assert_eq!(segment.to_string(), "account_type = 'free' and count(report_generated, last 30 days) > 5");
//!
//! let wrong = "count(report_generated, last 1 months) > 5".parse::<Segment>().unwrap_err();
//! assert_eq!(wrong.to_string(), "\
//! 1:25: a month has no fixed length; write `last 30 days` or `last 1 calendar months`
//!   count(report_generated, last 1 months) > 5
//!                           ^^^^^^^^^^^^^");
//! # Ok::<(), crowdset_query::SegmentError>(())
//! ```

mod ast;
pub mod build;
mod catalog;
mod checks;
mod diagnostic;
mod drift;
mod explain;
mod json;
mod lexer;
mod parser;
mod plan;
mod planner;
mod print;
mod zone;

pub use ast::{
    Aggregate, Anchor, AnchorRelation, Arithmetic, ArithmeticOp, AttributeOperand, AttributeRef,
    AttributeTable, CalendarUnit, Cast, CivilTime, CompareOp, EventName, EventNames, EventSelector,
    EventWindow, Expr, ExprKind, Hop, HopTime, Lifecycle, Literal, Measure, NumberTest, Occurrence,
    OccurrenceTest, Operand, Period, PeriodUnit, Position, Predicate, RankEnd, RankSize,
    References, Segment, Sequence, SequenceStep, Span, Test, TimePoint, Window,
};
pub use catalog::{Catalog, TypeSet};
pub use checks::nearest as nearest_name;
pub use diagnostic::{Diagnostic, LocatedDiagnostic, SegmentError, Severity, Suggestion};
pub use drift::{Drift, DriftEdge, DriftInstants, calendar_edge};
pub use json::json_schema;
pub use plan::{
    HistoryExtent, Plan, PlanAnchor, PlanAnchorInstant, PlanAttribute, PlanEvent, PlanEvents,
    PlanHop, PlanKind, PlanLiteral, PlanMeasure, PlanNode, PlanOccurrence, PlanOccurrenceTest,
    PlanPredicate, PlanSelector, PlanSequence, PlanStep, PlanTest, PlanWindow,
};
pub use planner::{PlanOptions, check_saved, plan, plan_attribute};
pub use zone::{ZoneOffset, zone_offsets};

impl Segment {
    /// Reads the text form.
    ///
    /// # Errors
    ///
    /// [`SegmentError`] with everything that is wrong, each with its place.
    pub fn parse_text(text: &str) -> Result<Self, SegmentError> {
        parser::parse(text)
    }
}

impl std::str::FromStr for AttributeOperand {
    type Err = SegmentError;

    /// Reads an attribute as a segment would name it: `industry`, `users."Company Size"`,
    /// `number(property.seats)`.
    fn from_str(text: &str) -> Result<Self, SegmentError> {
        parser::parse_attribute(text)
    }
}

impl std::str::FromStr for Segment {
    type Err = SegmentError;

    /// Reads text, or JSON if it begins with `{`.
    fn from_str(text: &str) -> Result<Self, SegmentError> {
        if text.trim_start().starts_with('{') {
            Self::parse_json(text)
        } else {
            Self::parse_text(text)
        }
    }
}
