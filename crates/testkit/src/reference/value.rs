//! Tests on one value. A value that is missing or of another type fails everything but
//! `is not set`.

use super::people::Event;
use super::{Inquiry, ReferenceError};
use crowdset_query::{Cast, CompareOp, Literal, Operand, Test};
use crowdset_types::{Number, TimestampMillis, Value, compare_numbers, parse_number};
use jiff::tz::TimeZone;
use std::cmp::Ordering;

/// What an operand shows of an event.
pub(super) fn look_up(operand: &Operand, event: &Event) -> Option<Value> {
    match operand {
        Operand::Property(path) => event.properties.get(path).cloned(),
        Operand::EventName => Some(Value::Text(event.name.clone())),
        Operand::Timestamp => Some(Value::Time(event.at)),
        Operand::Hour { zone } => Some(Value::Integer(i64::from(
            civil(event.at, zone.as_deref()).hour(),
        ))),
        Operand::Weekday { zone } => {
            let weekday = civil(event.at, zone.as_deref())
                .weekday()
                .to_monday_one_offset();
            Some(Value::Integer(i64::from(weekday)))
        }
        Operand::Cast { cast: to, property } => {
            cast(event.properties.get(property).cloned(), Some(*to))
        }
    }
}

fn civil(at: i64, zone: Option<&str>) -> jiff::Zoned {
    let zone = zone.map_or(TimeZone::UTC, |zone| {
        TimeZone::get(zone).expect("a known zone")
    });
    jiff::Timestamp::from_millisecond(at)
        .expect("an instant in range")
        .to_zoned(zone)
}

/// A value changed to another type; what cannot be changed is missing.
pub(super) fn cast(value: Option<Value>, to: Option<Cast>) -> Option<Value> {
    let value = value?;
    let Some(to) = to else { return Some(value) };
    match (to, value) {
        (Cast::Number, number @ (Value::Integer(_) | Value::Float(_))) => Some(number),
        (Cast::Number, Value::Text(text)) => parse_number(&text).map(from_number),
        (Cast::Text, Value::Array(_)) => None,
        (Cast::Text, value) => Some(Value::Text(as_text(value))),
        (Cast::Time | Cast::TimeSeconds | Cast::TimeMillis, time @ Value::Time(_)) => Some(time),
        (Cast::Time, Value::Text(text)) => TimestampMillis::parse(&text)
            .ok()
            .map(|(at, _)| Value::Time(at.0)),
        (Cast::TimeSeconds, Value::Integer(seconds)) => {
            seconds.checked_mul(1000).and_then(in_range)
        }
        (Cast::TimeSeconds, Value::Float(seconds)) => floored(seconds * 1000.0),
        (Cast::TimeMillis, Value::Integer(millis)) => in_range(millis),
        (Cast::TimeMillis, Value::Float(millis)) => floored(millis),
        _ => None,
    }
}

fn floored(millis: f64) -> Option<Value> {
    let is_whole_range = (i64::MIN as f64..i64::MAX as f64).contains(&millis);
    in_range(is_whole_range.then(|| millis.floor() as i64)?)
}

/// An instant that no table may hold is no instant.
fn in_range(millis: i64) -> Option<Value> {
    TimestampMillis(millis)
        .is_in_range()
        .then_some(Value::Time(millis))
}

fn from_number(number: Number) -> Value {
    match number {
        Number::Integer(value) => Value::Integer(value),
        Number::Float(value) => Value::Float(value),
    }
}

fn as_text(value: Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        // The shortest text: 5.0 is `5`.
        Value::Float(value) => value.to_string(),
        Value::Text(text) | Value::Array(text) => text,
        Value::Time(at) => TimestampMillis(at).to_string(),
    }
}

/// Which kind of value it is: values of different kinds are never the same.
pub(super) fn key(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "bool",
        Value::Integer(_) | Value::Float(_) => "number",
        Value::Text(_) => "text",
        Value::Time(_) => "time",
        Value::Array(_) => "array",
    }
}

/// The order of two values of one kind; `None` for different kinds, arrays and NaN.
pub(super) fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::Text(left), Value::Text(right)) => Some(left.as_bytes().cmp(right.as_bytes())),
        (Value::Time(left), Value::Time(right)) => Some(left.cmp(right)),
        _ => compare_numbers(left.as_number()?, right.as_number()?),
    }
}

/// Whether an order is what the operator asks for.
pub(super) fn fits(order: Ordering, op: CompareOp) -> bool {
    match op {
        CompareOp::Equal => order.is_eq(),
        CompareOp::NotEqual => order.is_ne(),
        CompareOp::Less => order.is_lt(),
        CompareOp::LessOrEqual => order.is_le(),
        CompareOp::Greater => order.is_gt(),
        CompareOp::GreaterOrEqual => order.is_ge(),
    }
}

/// Tests the values of one user's event or of the user.
pub(super) struct Tester<'a> {
    pub(super) user: Inquiry<'a>,
    /// Attributes that are wholly a number compare with numbers though they are text.
    pub(super) is_attribute: bool,
}

impl Tester<'_> {
    pub(super) fn holds(&self, value: Option<&Value>, test: &Test) -> Result<bool, ReferenceError> {
        if *test == Test::IsNotSet {
            return Ok(value.is_none());
        }
        let Some(value) = value else { return Ok(false) };
        Ok(match test {
            Test::Compare(op, literal) => self
                .order(value, literal)
                .is_some_and(|order| fits(order, *op)),
            Test::CompareAttribute(op, attribute) => {
                let other = self.user.attribute(attribute)?;
                other.is_some_and(|other| self.compares(value, *op, &other))
            }
            Test::Between(low, high) => {
                self.order(value, low).is_some_and(Ordering::is_ge)
                    && self.order(value, high).is_some_and(Ordering::is_le)
            }
            Test::In(literals) => literals.iter().any(|literal| self.is_equal(value, literal)),
            // Of a type that stands in the list, and none of these.
            Test::NotIn(literals) => {
                literals
                    .iter()
                    .any(|literal| self.order(value, literal).is_some())
                    && !literals.iter().any(|literal| self.is_equal(value, literal))
            }
            Test::Contains(part) => text(value).is_some_and(|text| text.contains(part.as_str())),
            Test::StartsWith(part) => {
                text(value).is_some_and(|text| text.starts_with(part.as_str()))
            }
            Test::EndsWith(part) => text(value).is_some_and(|text| text.ends_with(part.as_str())),
            Test::Like(pattern) => {
                text(value).is_some_and(|text| like(&symbols(pattern), &chars(text), |c| c))
            }
            Test::ILike(pattern) => {
                text(value).is_some_and(|text| like(&symbols(pattern), &chars(text), fold))
            }
            Test::Matches(pattern) => text(value).is_some_and(|text| self.matches(pattern, text)),
            Test::IsSet => true,
            Test::IsNotSet => false,
            Test::Has(literal) => self.has(value, literal),
            Test::HasAny(literals) => literals.iter().any(|literal| self.has(value, literal)),
            Test::HasAll(literals) => {
                matches!(value, Value::Array(_))
                    && literals.iter().all(|literal| self.has(value, literal))
            }
        })
    }

    fn is_equal(&self, value: &Value, literal: &Literal) -> bool {
        self.order(value, literal) == Some(Ordering::Equal)
    }

    fn order(&self, value: &Value, literal: &Literal) -> Option<Ordering> {
        let other = self.literal(literal);
        match (value, &other) {
            (Value::Text(text), Value::Integer(_) | Value::Float(_)) if self.is_attribute => {
                order(&from_number(parse_number(text)?), &other)
            }
            // Text that is RFC 3339 is a time where the literal is one, and a quoted date where the
            // value is one.
            (Value::Text(text), Value::Time(_)) => order(&time(text)?, &other),
            (Value::Time(_), Value::Text(text)) => {
                order(value, &Value::Time(TimestampMillis::parse(text).ok()?.0.0))
            }
            _ => order(value, &other),
        }
    }

    fn literal(&self, literal: &Literal) -> Value {
        match literal {
            Literal::Text(text) => Value::Text(text.clone()),
            Literal::Integer(value) => Value::Integer(*value),
            Literal::Float(value) => Value::Float(*value),
            Literal::Bool(value) => Value::Bool(*value),
            Literal::Time(point) => Value::Time(self.user.instant(point)),
        }
    }

    /// Against an attribute, which reads as a number where the other side is one. Text that is RFC
    /// 3339 reads as a time where the other side is one.
    fn compares(&self, value: &Value, op: CompareOp, other: &Value) -> bool {
        let found = match (value, other) {
            (Value::Bool(_), Value::Bool(_))
                if !matches!(op, CompareOp::Equal | CompareOp::NotEqual) =>
            {
                None
            }
            (Value::Integer(_) | Value::Float(_), Value::Text(text)) => {
                parse_number(text).and_then(|number| order(value, &from_number(number)))
            }
            (Value::Text(text), Value::Integer(_) | Value::Float(_)) if self.is_attribute => {
                parse_number(text).and_then(|number| order(&from_number(number), other))
            }
            (Value::Text(text), Value::Time(_)) => time(text).and_then(|time| order(&time, other)),
            (Value::Time(_), Value::Text(text)) => time(text).and_then(|time| order(value, &time)),
            _ => order(value, other),
        };
        found.is_some_and(|order| fits(order, op))
    }

    /// Whether an array holds an element equal to the literal.
    fn has(&self, value: &Value, literal: &Literal) -> bool {
        let Value::Array(elements) = value else {
            return false;
        };
        let Ok(serde_json::Value::Array(elements)) = serde_json::from_str(elements) else {
            return false;
        };
        let wanted = self.literal(literal);
        elements.iter().any(|element| {
            let element = match element {
                serde_json::Value::Bool(value) => Value::Bool(*value),
                serde_json::Value::String(text) => Value::Text(text.clone()),
                serde_json::Value::Number(number) => match number.as_i64() {
                    Some(integer) => Value::Integer(integer),
                    None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
                },
                _ => return false,
            };
            order(&element, &wanted) == Some(Ordering::Equal)
        })
    }

    fn matches(&self, pattern: &str, text: &str) -> bool {
        let mut regexes = self.user.world.regexes.borrow_mut();
        let regex = regexes
            .entry(pattern.to_owned())
            .or_insert_with(|| regex::Regex::new(pattern).ok());
        regex.as_ref().is_some_and(|regex| regex.is_match(text))
    }
}

fn time(text: &str) -> Option<Value> {
    let (instant, _) = TimestampMillis::parse(text).ok()?;
    Some(Value::Time(instant.0))
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

/// One place of a `like` pattern.
enum Symbol {
    AnyText,
    AnyChar,
    Char(char),
}

/// `%` is any text, `_` any character, a backslash takes the next character as it is.
fn symbols(pattern: &str) -> Vec<Symbol> {
    let mut chars = pattern.chars();
    let mut symbols = Vec::new();
    while let Some(char) = chars.next() {
        symbols.push(match char {
            '%' => Symbol::AnyText,
            '_' => Symbol::AnyChar,
            '\\' => Symbol::Char(chars.next().unwrap_or('\\')),
            other => Symbol::Char(other),
        });
    }
    symbols
}

fn chars(text: &str) -> Vec<char> {
    text.chars().collect()
}

fn like(pattern: &[Symbol], text: &[char], folded: fn(char) -> char) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([Symbol::AnyText, rest @ ..], _) => {
            (0..=text.len()).any(|skipped| like(rest, &text[skipped..], folded))
        }
        ([Symbol::AnyChar, rest @ ..], [_, tail @ ..]) => like(rest, tail, folded),
        ([Symbol::Char(wanted), rest @ ..], [char, tail @ ..]) => {
            folded(*wanted) == folded(*char) && like(rest, tail, folded)
        }
        _ => false,
    }
}

/// Simple case folding: up, then down, where each is one character.
fn fold(char: char) -> char {
    fn single(mut chars: impl Iterator<Item = char>) -> Option<char> {
        chars.next().filter(|_| chars.next().is_none())
    }
    // The dotless i folds to itself, though its upper case is the I of everyone.
    if char == '\u{131}' {
        return char;
    }
    let upper = single(char.to_uppercase()).unwrap_or(char);
    single(upper.to_lowercase()).unwrap_or(upper)
}
