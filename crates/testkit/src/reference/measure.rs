//! Numbers per user.

use super::value::{cast, key, order};
use super::{Inquiry, ReferenceError};
use crowdset_query::{Aggregate, ArithmeticOp, Cast, EventWindow, Measure, PeriodUnit};
use crowdset_types::{ExactSum, Number, Value, compare_numbers, parse_number};
use jiff::Timestamp;
use jiff::civil::{Date, ISOWeekDate, Weekday};
use jiff::tz::TimeZone;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use xxhash_rust::xxh3::xxh3_64;

const DAY_MS: i64 = 86_400_000;

/// Whether `number` is more than `count` times a percentage, which is the shortest decimal that is
/// read as the double: both sides are made whole by as many zeros as it has decimal places.
pub(super) fn exceeds(number: u64, count: u64, percent: f64) -> bool {
    let text = percent.to_string();
    let places = text.split_once('.').map_or(0, |(_, places)| places.len());
    let digits: u128 = text.replace('.', "").parse().expect("a positive decimal");
    u128::from(number) * 10_u128.pow(places as u32) > u128::from(count) * digits
}

/// The day of an instant in a zone: it begins with its first instant, though a clock that is set
/// back past midnight may show the day before once more.
fn day(at: i64, zone: &TimeZone) -> Date {
    let shown = Timestamp::from_millisecond(at)
        .expect("an instant in range")
        .to_zoned(zone.clone())
        .date();
    let next = shown.tomorrow().expect("a day in range");
    let begun = next.to_zoned(zone.clone()).expect("a day in range");
    if begun.timestamp().as_millisecond() <= at {
        next
    } else {
        shown
    }
}

/// The first day of the period that a day lies in.
fn period(unit: PeriodUnit, day: Date) -> Date {
    match unit {
        PeriodUnit::Day => day,
        PeriodUnit::Week => {
            let week = day.iso_week_date();
            ISOWeekDate::new(week.year(), week.week(), Weekday::Monday)
                .expect("every week has a Monday")
                .date()
        }
        PeriodUnit::Month => day.first_of_month(),
    }
}

impl Inquiry<'_> {
    /// Whether a rank is drawn among users of whom this is one: one with an event of the measure, or
    /// a value of an attribute or bucket, whatever is calculated with them.
    pub(super) fn is_candidate(self, measure: &Measure) -> Result<bool, ReferenceError> {
        match measure {
            Measure::Count(of)
            | Measure::Aggregate { of, .. }
            | Measure::Calendar { of, .. }
            | Measure::Periods { of, .. }
            | Measure::DaysSinceFirst(of)
            | Measure::DaysSinceLast(of) => Ok(!self.events(of)?.is_empty()),
            Measure::Attribute(_) | Measure::Bucket(_) => Ok(self.measure(measure)?.is_some()),
            Measure::Number(_) => Ok(false),
            Measure::Negative(inner) => self.is_candidate(inner),
            Measure::Arithmetic(arithmetic) => {
                let mut any = self.is_candidate(&arithmetic.first)?;
                for (_, part) in &arithmetic.rest {
                    any |= self.is_candidate(part)?;
                }
                Ok(any)
            }
            other => panic!("the reference does not know {other:?}"),
        }
    }

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
            Measure::Calendar { unit, zone, of } => {
                // A window's zone is that of its periods.
                let zone = zone.as_deref().or(of.window.zone());
                let zone = zone.map_or(TimeZone::UTC, |zone| {
                    TimeZone::get(zone).expect("a known zone")
                });
                let periods: BTreeSet<Date> = self
                    .events(of)?
                    .iter()
                    .map(|event| period(*unit, day(event.at, &zone)))
                    .collect();
                Some(Number::Integer(periods.len() as i64))
            }
            Measure::Periods { length, each, of } => {
                let end = self.window(&of.window)?.end;
                let mut slices: BTreeMap<i64, u32> = BTreeMap::new();
                for event in self.events(of)? {
                    // An event at the very end belongs to the slice before it.
                    let before = (end - 1 - event.at).max(0);
                    *slices.entry(before / length.0).or_default() += 1;
                }
                let full = slices.values().filter(|held| *held >= each);
                Some(Number::Integer(full.count() as i64))
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
            Measure::Bucket(salt) => {
                let hash = xxh3_64(format!("{salt}\0{}", self.person.id).as_bytes());
                // The largest hashes are nearer to 2^64 than any double below it.
                let share = hash as f64 / 2_f64.powi(64);
                Some(Number::Float(if share < 1.0 {
                    share
                } else {
                    1.0_f64.next_down()
                }))
            }
            Measure::Number(number) => Some(*number),
            Measure::Negative(inner) => {
                let zero = Number::Integer(0);
                self.measure(inner)?
                    .and_then(|number| ArithmeticOp::Subtract.apply(zero, number))
            }
            Measure::Arithmetic(arithmetic) => {
                let mut value = self.measure(&arithmetic.first)?;
                for (op, part) in &arithmetic.rest {
                    let pair = value.zip(self.measure(part)?);
                    value = pair.and_then(|(left, right)| op.apply(left, right));
                }
                value
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
    // A value of another type is like a missing one, and so is NaN.
    let numbers = values.iter().filter_map(Value::as_number);
    let numbers: Vec<Number> = numbers.filter(|number| !number.to_f64().is_nan()).collect();
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

/// One distinct value or two: of one type and equal; an array is one value by what it holds, and so
/// is what is no number.
pub(super) fn is_same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Float(left), Value::Float(right)) if left.is_nan() => right.is_nan(),
        (Value::Array(left), Value::Array(right)) => left == right,
        _ => key(left) == key(right) && order(left, right) == Some(Ordering::Equal),
    }
}
