//! One user's number, and the events it is made of.

use super::rows::Row;
use super::{Asked, is_true};
use crate::EvalError;
use crate::condition::{Bucket, distinct_key, distinct_periods, number_test};
use crate::truth::{Truth, ValueRef};
use crowdset_query::{Aggregate, NumberTest, Operand};
use crowdset_query::{PlanEvents, PlanMeasure};
use crowdset_types::{ExactSum, Number, arithmetic, compare_numbers, parse_number};
use hashbrown::HashMap;
use std::borrow::Cow;
use std::cmp::Ordering;

const DAY_MS: i64 = 86_400_000;

/// Whether a number, or none, passes a test.
pub(super) fn passes(number: Option<Number>, test: &NumberTest) -> Result<bool, EvalError> {
    let truth = Truth::new(Cow::Owned(number_test(test)), false)?;
    Ok(number.is_some_and(|number| is_true(&truth, Some(&ValueRef::Number(number)))))
}

impl<'a> Asked<'_, 'a> {
    /// The user's number; `None` if there is none.
    pub(super) fn number(self, measure: &PlanMeasure) -> Result<Option<Number>, EvalError> {
        Ok(match measure {
            PlanMeasure::Count(of) => Some(Number::Integer(self.count(of)?)),
            PlanMeasure::Aggregate {
                function,
                operand,
                of,
            } => aggregate(*function, operand, &self.events(of)?)?,
            PlanMeasure::Calendar { unit, zone, of } => {
                let times: Vec<i64> = self.events(of)?.iter().map(|row| row.at).collect();
                let periods = distinct_periods(*unit, zone.as_deref(), &times)?;
                Some(Number::Integer(periods as i64))
            }
            PlanMeasure::Periods { length, each, of } => {
                let Some(bounds) = self.bounds(&of.window)? else {
                    return Ok(Some(Number::Integer(0)));
                };
                // Slices go back from the window's end.
                let end = self.slices_end(&of.window)?;
                let slice =
                    |row: &Row<'a>| (end - 1).saturating_sub(row.at).max(0) / length.0.max(1);
                let full = self
                    .select(&of.selector, bounds)?
                    .chunk_by(|left, right| slice(left) == slice(right))
                    .filter(|rows| rows.len() >= *each as usize)
                    .count();
                Some(Number::Integer(full as i64))
            }
            PlanMeasure::DaysSinceFirst(of) => self.days_since(self.events(of)?.first()),
            PlanMeasure::DaysSinceLast(of) => self.days_since(self.events(of)?.last()),
            PlanMeasure::Attribute(attribute) => {
                match self.attribute(attribute)?.value(self.user().0) {
                    Some(ValueRef::Number(number)) => Some(number),
                    Some(ValueRef::Text(text)) => parse_number(&text),
                    _ => None,
                }
            }
            PlanMeasure::Bucket(salt) => {
                let users = &self.one.dataset.users;
                users.touch_ids()?;
                let bucket = Bucket::new(salt, users);
                let number = bucket.numbers()(self.user());
                Some(number)
            }
            PlanMeasure::Number(number) => Some(*number),
            PlanMeasure::Negative(inner) => self.number(inner)?.and_then(arithmetic::negate),
            PlanMeasure::Arithmetic { first, rest } => {
                let mut value = self.number(first)?;
                for (op, part) in rest {
                    let Some(left) = value else { break };
                    value = self.number(part)?.and_then(|right| op.apply(left, right));
                }
                value
            }
        })
    }

    fn days_since(self, row: Option<&Row<'a>>) -> Option<Number> {
        row.map(|row| days_between(row.at, self.as_of.0))
    }
}

/// Days of 24 hours from one instant to another.
pub(super) fn days_between(from: i64, to: i64) -> Number {
    Number::Float(to.wrapping_sub(from) as f64 / DAY_MS as f64)
}

/// The events of a measure.
pub(super) fn events_of(measure: &PlanMeasure) -> Vec<&PlanEvents> {
    match measure {
        PlanMeasure::Count(of)
        | PlanMeasure::Aggregate { of, .. }
        | PlanMeasure::Calendar { of, .. }
        | PlanMeasure::Periods { of, .. }
        | PlanMeasure::DaysSinceFirst(of)
        | PlanMeasure::DaysSinceLast(of) => vec![of],
        PlanMeasure::Negative(inner) => events_of(inner),
        PlanMeasure::Arithmetic { first, rest } => {
            let rest = rest.iter().flat_map(|(_, part)| events_of(part));
            events_of(first).into_iter().chain(rest).collect()
        }
        PlanMeasure::Attribute(_) | PlanMeasure::Bucket(_) | PlanMeasure::Number(_) => Vec::new(),
    }
}

fn aggregate(
    function: Aggregate,
    operand: &Operand,
    rows: &[Row<'_>],
) -> Result<Option<Number>, EvalError> {
    let mut values = Vec::with_capacity(rows.len());
    for row in rows {
        values.extend(row.value(operand)?);
    }
    if function == Aggregate::Distinct {
        let mut texts = HashMap::new();
        let mut keys: Vec<u128> = values
            .iter()
            .map(|value| distinct_key(value, &mut texts))
            .collect();
        keys.sort_unstable();
        keys.dedup();
        return Ok(Some(Number::Integer(keys.len() as i64)));
    }
    // NaN is like a missing value.
    let numbers = || {
        let numbers = values.iter().filter_map(ValueRef::number);
        numbers.filter(|number| !number.to_f64().is_nan())
    };
    let best = |wins: Ordering| {
        let mut comparable = numbers();
        let first = comparable.next()?;
        Some(comparable.fold(first, |best, number| {
            if compare_numbers(number, best) == Some(wins) {
                number
            } else {
                best
            }
        }))
    };
    let mut sum = ExactSum::default();
    let mut count = 0_u32;
    for number in numbers() {
        sum.add(number);
        count += 1;
    }
    Ok(match function {
        Aggregate::Min => best(Ordering::Less),
        Aggregate::Max => best(Ordering::Greater),
        Aggregate::Avg if count == 0 => None,
        Aggregate::Avg => Some(Number::Float(sum.total().to_f64() / f64::from(count))),
        Aggregate::Sum | Aggregate::Distinct => Some(sum.total()),
    })
}
