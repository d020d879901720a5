//! A number per user, and what it must be.

use super::arithmetic::Arithmetic;
use super::bucket::Bucket;
use super::distinct::Distinct;
use super::numeric::Numeric;
use super::occurrence::Occurrence;
use super::periods::{Calendar, Slices};
use crate::attribute::{Attribute, AttributeCondition};
use crate::dataset::Binder;
use crate::events::Events;
use crate::filter::Attributes;
use crate::pass::ChunkPass;
use crate::scratch::Scratch;
use crate::truth::{Truth, ValueRef};
use crate::words::{self, Words};
use crate::{EvalError, Path};
use crowdset_query::{Aggregate, NumberTest, Position};
use crowdset_query::{PlanLiteral, PlanMeasure, PlanTest};
use crowdset_types::{
    CHUNK_USERS, CHUNK_WORDS, ExactSum, Number, TimestampMillis, UserOrdinal, arithmetic,
    parse_number,
};
use std::borrow::Cow;

const DAY_MS: i64 = 86_400_000;

/// Periods or values up to this many are kept as bits per user, further ones as sorted pairs.
pub(super) const BITS_MAX: u64 = 1_024;

/// No count is larger.
const COUNT_MAX: u64 = u32::MAX as u64;

/// Counters of eight bits decide thresholds up to this one.
const NARROW_MAX: u64 = 250;

/// Arrays of numbers that a worker keeps.
const NUMBERS_MAX: usize = 8;

/// A number per user.
pub(crate) enum Measure<'a> {
    Count(Events<'a>),
    Calendar(Calendar<'a>),
    Slices(Slices<'a>),
    DaysSince {
        occurrence: Occurrence<'a>,
        as_of: TimestampMillis,
    },
    Numeric(Numeric<'a>),
    Distinct(Distinct<'a>),
    Attribute(Attribute<'a>),
    Bucket(Bucket<'a>),
    Number(Number),
    Negative(Box<Self>),
    Arithmetic(Arithmetic<'a>),
}

/// What a stored 64-bit integer stands for. A larger integer never stands for a lesser number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// Units of `10^-places`.
    Decimal(u32),
    /// Milliseconds that stand for days.
    Days,
}

impl Scale {
    pub(crate) fn number(self, value: i64) -> Number {
        match self {
            Self::Decimal(places) => {
                let mut sum = ExactSum::default();
                sum.add_scaled(i128::from(value), places);
                sum.total()
            }
            Self::Days => Number::Float(value as f64 / DAY_MS as f64),
        }
    }

    /// The nearest double to the number.
    pub(super) fn double(self, value: i64) -> f64 {
        match self {
            // Both are exact doubles, so that their quotient is rounded once.
            Self::Decimal(places) if value.unsigned_abs() < 1 << 53 => {
                value as f64 / 10_f64.powi(places as i32)
            }
            _ => self.number(value).to_f64(),
        }
    }
}

/// The numbers of one chunk's users.
pub(crate) enum Numbers {
    Counts(Box<[u32; CHUNK_USERS]>),
    /// What they stand for is known where the measure was bound.
    Scaled(Box<[i64; CHUNK_USERS]>),
    Any(Vec<Number>),
}

impl Numbers {
    pub(crate) fn give(self, scratch: &mut Scratch) {
        match self {
            Self::Counts(counts) => scratch.u32s.give(counts),
            Self::Scaled(values) => scratch.i64s.give(values),
            // Not every maker of numbers takes them from there: the pool must not grow.
            Self::Any(numbers) if scratch.numbers.len() < NUMBERS_MAX => {
                scratch.numbers.push(numbers);
            }
            Self::Any(_) => {}
        }
    }
}

impl<'a> Measure<'a> {
    /// `max`: a count need not be told from larger ones beyond it.
    pub(crate) fn bind(
        binder: Binder<'a>,
        plan: &'a PlanMeasure,
        max: u64,
    ) -> Result<Self, EvalError> {
        let since = |position, events| -> Result<Self, EvalError> {
            Ok(Self::DaysSince {
                occurrence: Occurrence::new(binder, position, events)?,
                as_of: binder.as_of,
            })
        };
        Ok(match plan {
            PlanMeasure::Count(events) => {
                let counted = Events::bind(binder, events)?;
                let counted = counted.with_selection(binder, events);
                // Who did it at all is told by less.
                Self::Count(if max > 1 {
                    counted.with_totals(binder, events)
                } else {
                    counted
                })
            }
            PlanMeasure::Calendar { unit, zone, of } => {
                Self::Calendar(Calendar::bind(binder, *unit, zone.as_deref(), of)?)
            }
            PlanMeasure::Periods { length, each, of } => {
                Self::Slices(Slices::bind(binder, *length, *each, of)?)
            }
            PlanMeasure::DaysSinceFirst(events) => since(Position::First, events)?,
            PlanMeasure::DaysSinceLast(events) => since(Position::Last, events)?,
            PlanMeasure::Attribute(attribute) => Self::Attribute(binder.attribute(attribute)?),
            PlanMeasure::Bucket(salt) => {
                let users = &*binder.dataset.users;
                users.touch_ids()?;
                Self::Bucket(Bucket::new(salt, users))
            }
            PlanMeasure::Number(number) => Self::Number(*number),
            PlanMeasure::Negative(inner) => {
                Self::Negative(Box::new(Self::bind(binder, inner, u64::MAX)?))
            }
            PlanMeasure::Arithmetic { first, rest } => {
                Self::Arithmetic(Arithmetic::bind(binder, first, rest)?)
            }
            PlanMeasure::Aggregate {
                function: Aggregate::Distinct,
                operand,
                of,
            } => Self::Distinct(Distinct::bind(Events::bind(binder, of)?, operand, max)?),
            PlanMeasure::Aggregate {
                function,
                operand,
                of,
            } => Self::Numeric(Numeric::bind(
                *function,
                Events::bind(binder, of)?,
                operand,
            )?),
        })
    }

    /// The events it is over; `None` for an attribute and what is made of several measures.
    pub(crate) fn events(&self) -> Option<&Events<'a>> {
        match self {
            Self::Count(events) => Some(events),
            Self::Calendar(calendar) => Some(calendar.events()),
            Self::Slices(slices) => Some(slices.events()),
            Self::DaysSince { occurrence, .. } => Some(occurrence.events()),
            Self::Numeric(numeric) => Some(numeric.events()),
            Self::Distinct(distinct) => Some(distinct.events()),
            Self::Attribute(_)
            | Self::Bucket(_)
            | Self::Number(_)
            | Self::Negative(_)
            | Self::Arithmetic(_) => None,
        }
    }

    /// About how many rows are read, over all users.
    pub(crate) fn cost_rows(&self) -> u64 {
        match self {
            Self::Negative(inner) => inner.cost_rows(),
            Self::Arithmetic(arithmetic) => arithmetic.parts().map(Self::cost_rows).sum(),
            Self::Calendar(calendar) => calendar.cost_rows(),
            Self::DaysSince { occurrence, .. } => occurrence.cost_rows(),
            other => other.events().map_or(0, Events::cost_rows),
        }
    }

    /// How the numbers are found, for profiles.
    fn path(&self) -> Path {
        match self {
            Self::Calendar(calendar) if calendar.is_summarised() => Path::Summary,
            Self::DaysSince { occurrence, .. } if occurrence.is_summarised() => Path::Summary,
            Self::Count(events) if events.has_totals() => Path::Summary,
            _ => Path::Scan,
        }
    }

    /// What its [`Numbers::Scaled`] stand for.
    pub(super) fn scale(&self) -> Option<Scale> {
        match self {
            Self::DaysSince { .. } => Some(Scale::Days),
            Self::Numeric(numeric) => numeric.scale(),
            _ => None,
        }
    }

    /// The number of each wanted user; `present` says who has one. Hand the numbers back.
    pub(crate) fn eval(
        &self,
        pass: &mut ChunkPass<'_>,
        wanted: &Words,

        present: &mut Words,
    ) -> Numbers {
        *present = *wanted;
        match self {
            Self::Count(events) => Numbers::Counts(count(events, pass, wanted)),
            Self::Calendar(calendar) => Numbers::Counts(calendar.eval(pass, wanted)),
            Self::Slices(slices) => Numbers::Counts(slices.eval(pass, wanted)),
            Self::Distinct(distinct) => Numbers::Counts(distinct.eval(pass, wanted)),
            Self::Numeric(numeric) => numeric.eval(pass, wanted, present),
            Self::DaysSince { occurrence, as_of } => {
                let mut times = pass.scratch.i64s.take();
                occurrence.times(pass, wanted, &mut times, present);
                for time in times.iter_mut() {
                    *time = as_of.0.wrapping_sub(*time);
                }
                Numbers::Scaled(times)
            }
            Self::Attribute(attribute) => {
                let mut numbers = pass.scratch.numbers.pop().unwrap_or_default();
                numbers.resize(CHUNK_USERS, Number::Integer(0));
                present.fill(0);
                words::for_each(wanted, |user| {
                    let number = match attribute.value(pass.chunk.first().0 + user as u32) {
                        Some(ValueRef::Number(number)) => Some(number),
                        Some(ValueRef::Text(text)) => parse_number(&text),
                        _ => None,
                    };
                    if let Some(number) = number {
                        numbers[user] = number;
                        words::set(present, user);
                    }
                });
                Numbers::Any(numbers)
            }
            Self::Bucket(bucket) => {
                let mut numbers = pass.scratch.numbers.pop().unwrap_or_default();
                numbers.resize(CHUNK_USERS, Number::Integer(0));
                let mut number = bucket.numbers();
                let first = pass.chunk.first().0;
                words::for_each(wanted, |user| {
                    numbers[user] = number(UserOrdinal(first + user as u32));
                });
                Numbers::Any(numbers)
            }
            Self::Number(number) => {
                let mut numbers = pass.scratch.numbers.pop().unwrap_or_default();
                numbers.clear();
                numbers.resize(CHUNK_USERS, *number);
                Numbers::Any(numbers)
            }
            Self::Negative(inner) => {
                let mut numbers = pass.scratch.numbers.pop().unwrap_or_default();
                let mut having = words::EMPTY;
                inner.numbers(pass, wanted, &mut having, &mut numbers);
                present.fill(0);
                words::for_each(&having, |user| {
                    if let Some(number) = arithmetic::negate(numbers[user]) {
                        numbers[user] = number;
                        words::set(present, user);
                    }
                });
                Numbers::Any(numbers)
            }
            Self::Arithmetic(arithmetic) => arithmetic.eval(pass, wanted, present),
        }
    }
}

/// Rows per user.
fn count(events: &Events<'_>, pass: &mut ChunkPass<'_>, wanted: &Words) -> Box<[u32; CHUNK_USERS]> {
    let machine = pass.machine;
    let mut counts = pass.scratch.u32s.take();
    counts.fill(0);
    // Narrow counters stay in the first level of cache; they are emptied before one can overflow.
    let mut narrow = pass.scratch.u16s.take();
    narrow.fill(0);
    let mut room = usize::from(u16::MAX);
    let left = events.counted(pass, &mut counts);
    let mut visit = |users: &[u16], mask: Option<&[u8]>| {
        for start in (0..users.len()).step_by(usize::from(u16::MAX)) {
            let rows = start..users.len().min(start + usize::from(u16::MAX));
            if rows.len() > room {
                machine.empty_u16(&mut narrow, &mut counts);
                room = usize::from(u16::MAX);
            }
            room -= rows.len();
            match mask {
                None => machine.count_u16(&users[rows], &mut narrow),
                Some(mask) => {
                    machine.count_u16_masked(&users[rows.clone()], &mask[rows], &mut narrow);
                }
            }
        }
    };
    match left {
        None => events.scan_users(pass, wanted, &mut visit),
        Some(ranges) => {
            for range in ranges {
                events.scan_range(pass, range, &mut |rows| visit(rows.users, rows.mask));
            }
        }
    }
    machine.empty_u16(&mut narrow, &mut counts);
    pass.scratch.u16s.give(narrow);
    counts
}

/// A set of small numbers per user: bits, or pairs to be sorted where they would be too many.
pub(super) enum UserSets {
    Bits {
        words_per_user: usize,
        words: Vec<u64>,
    },
    Pairs(Vec<u64>),
}

impl UserSets {
    /// Sets of numbers below `domain`.
    pub(super) fn new(scratch: &mut Scratch, domain: u64) -> Self {
        let mut memory = std::mem::take(&mut scratch.pairs);
        memory.clear();
        if domain > BITS_MAX {
            return Self::Pairs(memory);
        }
        let words_per_user = (domain.div_ceil(64) as usize).max(1);
        memory.resize(words_per_user * CHUNK_USERS, 0);
        Self::Bits {
            words_per_user,
            words: memory,
        }
    }

    /// Adds to each row's user the number that stands for the row, where the mask is 1.
    pub(super) fn add<T: Copy>(
        &mut self,
        users: &[u16],
        mask: Option<&[u8]>,
        rows: &[T],
        number: impl Fn(T) -> u64,
    ) {
        match mask {
            None => self.add_rows(
                users
                    .iter()
                    .zip(rows)
                    .map(|(&user, &row)| (user, 1, number(row))),
            ),
            Some(mask) => self.add_rows(
                users
                    .iter()
                    .zip(mask)
                    .zip(rows)
                    .map(|((&user, &mask), &row)| (user, mask, number(row))),
            ),
        }
    }

    /// Adds numbers to users where the mask, between them, is 1. The others may be anything.
    fn add_rows(&mut self, rows: impl Iterator<Item = (u16, u8, u64)>) {
        match self {
            Self::Bits {
                words_per_user: 1,
                words,
            } => {
                let Some(words) = words.first_chunk_mut::<CHUNK_USERS>() else {
                    return;
                };
                for (user, mask, number) in rows {
                    words[user as usize & (CHUNK_USERS - 1)] |= u64::from(mask) << (number & 63);
                }
            }
            Self::Bits {
                words_per_user,
                words,
            } => {
                for (user, mask, number) in rows {
                    let word = (number as usize / 64).min(*words_per_user - 1);
                    words[user as usize * *words_per_user + word] |=
                        u64::from(mask) << (number & 63);
                }
            }
            Self::Pairs(pairs) => {
                pairs.extend(
                    rows.filter(|&(_, mask, _)| mask == 1)
                        .map(|(user, _, number)| u64::from(user) << 48 | number),
                );
            }
        }
    }

    /// The size of each user's set.
    pub(super) fn count(self, scratch: &mut Scratch) -> Box<[u32; CHUNK_USERS]> {
        let mut counts = scratch.u32s.take();
        match self {
            Self::Bits {
                words_per_user,
                words,
            } => {
                for (count, words) in counts.iter_mut().zip(words.chunks_exact(words_per_user)) {
                    *count = words.iter().map(|word| word.count_ones()).sum();
                }
                scratch.pairs = words;
            }
            Self::Pairs(mut pairs) => {
                counts.fill(0);
                pairs.sort_unstable();
                pairs.dedup();
                for pair in &pairs {
                    counts[(pair >> 48) as usize & (CHUNK_USERS - 1)] += 1;
                }
                scratch.pairs = pairs;
            }
        }
        counts
    }
}

/// A number test as a test of values.
pub(crate) fn number_test(test: &NumberTest) -> PlanTest {
    let literal = |number: &Number| match number {
        Number::Integer(value) => PlanLiteral::Integer(*value),
        Number::Float(value) => PlanLiteral::Float(*value),
    };
    match test {
        NumberTest::Compare(op, number) => PlanTest::Compare(*op, literal(number)),
        NumberTest::Between(low, high) => PlanTest::Between(literal(low), literal(high)),
    }
}

/// The counts of which a test is true, both ends inclusive. No count is larger than 32 bits.
pub(crate) fn count_ranges(test: &NumberTest) -> Result<Vec<(u64, u64)>, EvalError> {
    let truth = Truth::new(Cow::Owned(number_test(test)), false)?;
    let count = |offset: u64| ValueRef::Number(Number::Integer(offset as i64));
    Ok(truth.ranges(COUNT_MAX, count).unwrap_or_default())
}

/// The stored integers of which a test is true, both ends inclusive.
pub(crate) fn scaled_ranges(test: &NumberTest, scale: Scale) -> Result<Vec<(i64, i64)>, EvalError> {
    let truth = Truth::new(Cow::Owned(number_test(test)), false)?;
    let back = |offset: u64| i64::MIN.wrapping_add(offset as i64);
    let value = |offset: u64| ValueRef::Number(scale.number(back(offset)));
    let ranges = truth.ranges(u64::MAX, value).unwrap_or_default();
    Ok(ranges
        .into_iter()
        .map(|(low, high)| (back(low), back(high)))
        .collect())
}

/// A test that counters of eight bits, which stop at 255, can decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NarrowTest {
    pub(crate) low: u8,
    pub(crate) high: u8,
    /// The counts outside of the range pass.
    pub(crate) outside: bool,
}

/// `None` if counts pass that eight bits cannot tell from others.
pub(crate) fn narrow(counts: &[(u64, u64)]) -> Option<NarrowTest> {
    match *counts {
        [(low, high)] if low <= NARROW_MAX && (high <= NARROW_MAX || high == COUNT_MAX) => {
            Some(NarrowTest {
                low: low as u8,
                high: high.min(255) as u8,
                outside: false,
            })
        }
        [(0, low), (high, COUNT_MAX)] if high <= NARROW_MAX => Some(NarrowTest {
            low: low as u8 + 1,
            high: high as u8 - 1,
            outside: true,
        }),
        _ => None,
    }
}

/// `MEASURE OP number`, made ready.
pub(crate) enum MeasureCondition<'a> {
    Never,
    Always,
    /// The count is at least one; or it is not.
    Did {
        events: Events<'a>,
        is_negated: bool,
    },
    /// Counters of eight bits tell.
    Narrow {
        events: Events<'a>,
        test: NarrowTest,
    },
    /// An attribute is tested like any attribute.
    Attribute(AttributeCondition<'a>),
    Numbers {
        measure: Box<Measure<'a>>,
        counts: Vec<(u64, u64)>,
        scaled: Vec<(i64, i64)>,
        truth: Truth<'a>,
    },
}

impl<'a> MeasureCondition<'a> {
    pub(crate) fn bind(
        binder: Binder<'a>,
        plan: &'a PlanMeasure,
        test: &'a NumberTest,
    ) -> Result<Self, EvalError> {
        if let PlanMeasure::Attribute(attribute) = plan {
            let attribute = binder.attribute(attribute)?;
            return Ok(Self::Attribute(AttributeCondition::new(
                attribute,
                Cow::Owned(number_test(test)),
                None,
            )?));
        }
        let counts = count_ranges(test)?;
        let bound = |&(low, high): &(u64, u64)| low.max(if high == COUNT_MAX { 0 } else { high });
        let max = counts.iter().map(bound).max().unwrap_or(0);
        let measure = Measure::bind(binder, plan, max)?;
        let truth = Truth::new(Cow::Owned(number_test(test)), false)?;
        if let Measure::Count(events) = measure {
            let did = |events: Events<'a>| match plan {
                PlanMeasure::Count(plan) => events.with_kept(binder, plan),
                _ => events,
            };
            return Ok(match counts[..] {
                [] => Self::Never,
                [(0, COUNT_MAX)] => Self::Always,
                [(1, COUNT_MAX)] => Self::Did {
                    events: did(events),
                    is_negated: false,
                },
                [(0, 0)] => Self::Did {
                    events: did(events),
                    is_negated: true,
                },
                _ => match narrow(&counts) {
                    Some(test) if !events.has_totals() => Self::Narrow { events, test },
                    _ => Self::Numbers {
                        measure: Box::new(Measure::Count(events)),
                        counts,
                        scaled: Vec::new(),
                        truth,
                    },
                },
            });
        }
        let scaled = match measure.scale() {
            Some(scale) => scaled_ranges(test, scale)?,
            None => Vec::new(),
        };
        Ok(Self::Numbers {
            measure: Box::new(measure),
            counts,
            scaled,
            truth,
        })
    }

    /// How the answer is found, for profiles.
    pub(crate) fn path(&self) -> Path {
        match self {
            Self::Never | Self::Always => Path::Algebra,
            Self::Did { events, .. } => events.did_path(),
            Self::Attribute(condition) => condition.path(),
            Self::Numbers { measure, .. } => measure.path(),
            Self::Narrow { .. } => Path::Scan,
        }
    }

    /// About how many rows are read, over all users.
    pub(crate) fn cost_rows(&self) -> u64 {
        match self {
            Self::Never | Self::Always => 0,
            Self::Did { events, .. } => events.did_cost_rows(),
            Self::Narrow { events, .. } => events.cost_rows(),
            Self::Attribute(condition) => condition.rows(),
            Self::Numbers { measure, .. } => measure.cost_rows() * 2,
        }
    }

    pub(crate) fn eval(&self, pass: &mut ChunkPass<'_>, wanted: &Words, found: &mut Words) {
        let machine = pass.machine;
        match self {
            Self::Never => found.fill(0),
            Self::Always => *found = *wanted,
            Self::Did { events, is_negated } => {
                events.did(pass, wanted, found);
                if *is_negated {
                    let did = *found;
                    *found = *wanted;
                    words::and_not(found, &did);
                }
            }
            Self::Narrow { events, test } => {
                let mut counters = pass.scratch.u8s.take();
                counters.fill(0);
                events.scan_users(pass, wanted, &mut |users, mask| match mask {
                    None => machine.count_u8(users, &mut counters),
                    Some(mask) => machine.count_u8_masked(users, mask, &mut counters),
                });
                machine.counters_within(&counters, test.low, test.high, test.outside, found);
                words::and(found, wanted);
                pass.scratch.u8s.give(counters);
            }
            Self::Attribute(condition) => condition.eval(pass, wanted, found),
            Self::Numbers {
                measure,
                counts,
                scaled,
                truth,
            } => {
                found.fill(0);
                if let Measure::Calendar(calendar) = &**measure
                    && calendar.or_within(pass, counts, found)
                {
                    words::and(found, wanted);
                    return;
                }
                let mut present = [0; CHUNK_WORDS];
                let numbers = measure.eval(pass, wanted, &mut present);
                match &numbers {
                    Numbers::Counts(values) => {
                        for &(low, high) in counts {
                            machine.or_u32_within(values, low as u32, high as u32, found);
                        }
                    }
                    Numbers::Scaled(values) => {
                        for &(low, high) in scaled {
                            machine.or_i64_within(values, low, high, found);
                        }
                    }
                    Numbers::Any(numbers) => words::for_each(&present, |user| {
                        if truth.of(&ValueRef::Number(numbers[user])) {
                            words::set(found, user);
                        }
                    }),
                }
                words::and(found, &present);
                numbers.give(pass.scratch);
            }
        }
    }
}
