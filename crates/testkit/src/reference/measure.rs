//! Numbers per user.

use super::value::{cast, key, order};
use super::{Inquiry, ReferenceError};
use crowdset_query::{Aggregate, Cast, EventWindow, Measure};
use crowdset_types::{ExactSum, Number, Value, compare_numbers, parse_number};
use std::cmp::Ordering;

const DAY_MS: i64 = 86_400_000;

/// The events a measure is over; `None` for an attribute.
pub(super) fn events_of(measure: &Measure) -> Option<&EventWindow> {
    match measure {
        Measure::Count(of)
        | Measure::Aggregate { of, .. }
        | Measure::Days(of)
        | Measure::DaysSinceFirst(of)
        | Measure::DaysSinceLast(of) => Some(of),
        _ => None,
    }
}

impl Inquiry<'_> {
    /// The measure's number; `None` where it has no value.
    pub(super) fn measure(self, measure: &Measure) -> Result<Option<Number>, ReferenceError> {
        Ok(match measure {
            Measure::Count(of) => Some(Number::Integer(self.events(of)?.len() as i64)),
            Measure::Aggregate {
                function,
                property,
                cast,
                of,
            } => aggregate(*function, self.values(property, *cast, of)?),
            Measure::Days(of) => {
                let mut days: Vec<i64> = self
                    .events(of)?
                    .iter()
                    .map(|event| event.at.div_euclid(DAY_MS))
                    .collect();
                days.sort_unstable();
                days.dedup();
                Some(Number::Integer(days.len() as i64))
            }
            Measure::DaysSinceFirst(of) => self
                .events(of)?
                .first()
                .map(|event| self.days_since(event.at)),
            Measure::DaysSinceLast(of) => self
                .events(of)?
                .last()
                .map(|event| self.days_since(event.at)),
            Measure::Attribute(operand) => {
                let value = cast(self.attribute(&operand.attribute)?, operand.cast);
                match value {
                    Some(Value::Text(text)) => parse_number(&text),
                    other => other.and_then(|value| value.as_number()),
                }
            }
            other => panic!("the reference does not know {other:?}"),
        })
    }

    /// Not floored.
    fn days_since(self, at: i64) -> Number {
        Number::Float((self.as_of - at) as f64 / DAY_MS as f64)
    }

    /// The values of a property over the events that have one.
    fn values(
        self,
        property: &str,
        to: Option<Cast>,
        of: &EventWindow,
    ) -> Result<Vec<Value>, ReferenceError> {
        let events = self.events(of)?;
        Ok(events
            .iter()
            .filter_map(|event| cast(event.properties.get(property).cloned(), to))
            .collect())
    }
}

fn aggregate(function: Aggregate, values: Vec<Value>) -> Option<Number> {
    if function == Aggregate::Distinct {
        // A value is one more if no earlier one is the same.
        let different: Vec<&Value> = values
            .iter()
            .enumerate()
            .filter(|(index, value)| {
                !values[..*index]
                    .iter()
                    .any(|earlier| is_same(earlier, value))
            })
            .map(|(_, value)| value)
            .collect();
        return Some(Number::Integer(different.len() as i64));
    }
    // A value of another type is like a missing one.
    let numbers: Vec<Number> = values.iter().filter_map(Value::as_number).collect();
    let mut sum = ExactSum::default();
    for number in &numbers {
        sum.add(*number);
    }
    let by_size = |a: &Number, b: &Number| compare_numbers(*a, *b).unwrap_or(Ordering::Equal);
    match function {
        Aggregate::Sum => Some(sum.total()),
        Aggregate::Min => numbers.into_iter().min_by(by_size),
        Aggregate::Max => numbers.into_iter().max_by(by_size),
        Aggregate::Avg if numbers.is_empty() => None,
        Aggregate::Avg => Some(Number::Float(sum.total().to_f64() / numbers.len() as f64)),
        Aggregate::Distinct => unreachable!("answered above"),
    }
}

/// One distinct value or two: of one type and equal; an array is one value by what it holds.
fn is_same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Array(left), Value::Array(right)) => left == right,
        _ => key(left) == key(right) && order(left, right) == Some(Ordering::Equal),
    }
}
