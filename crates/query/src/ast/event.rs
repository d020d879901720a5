//! Events, what is looked at in them, and what it must be.

use super::{AttributeRef, Span, TimePoint, Window};

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

impl From<crowdset_types::Number> for Literal {
    fn from(number: crowdset_types::Number) -> Self {
        match number {
            crowdset_types::Number::Integer(value) => Self::Integer(value),
            crowdset_types::Number::Float(value) => Self::Float(value),
        }
    }
}
