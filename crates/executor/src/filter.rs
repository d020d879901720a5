//! A predicate bound to the columns of one stream: what it says of each row, block by block.
//!
//! Binding turns a test into something a vector loop can do: dictionaries stand in text order, so
//! equality, ranges and prefixes are ranges of codes; numbers are ranges of stored offsets, found
//! by exact comparison; any other test of text is asked once per distinct text.

mod scattered;

use crate::EvalError;
use crate::attribute::Attribute;
use crate::clock::ClockTest;
use crate::kernel::{BLOCK, Code, Machine};
use crate::truth::{Truth, ValueRef, compare_values, satisfies};
use crate::value::{Values, decimal, last_offset, part_value};
use crate::widths::{with_codes, with_offsets};
use crowdset_query::{Cast, CompareOp, Operand};
use crowdset_query::{PlanLiteral, PlanPredicate, PlanTest};
use crowdset_storage::{Bits, Codes, ColumnPart, Dictionary, PartData, Stream, Times};
use crowdset_types::{ChunkId, Number};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// More ranges than these are slower than a table lookup.
const RANGES_MAX: usize = 4;

/// What must hold of a row.
pub(crate) enum Filter<'a> {
    Always,
    Never,
    And(Vec<Filter<'a>>),
    Or(Vec<Filter<'a>>),
    Not(Box<Filter<'a>>),
    /// A property's value; false where there is none.
    Column(Vec<PartTest<'a>>),
    /// The row's time lies in one of these ranges, both ends inclusive.
    Times(Vec<(i64, i64)>),
    /// The hour or the weekday of the row's time.
    Clock(ClockTest),
    /// Against an attribute of the row's user.
    Attribute {
        left: RowOperand<'a>,
        op: CompareOp,
        right: Arc<Attribute<'a>>,
    },
}

/// What an attribute is compared with.
pub(crate) enum RowOperand<'a> {
    Values(Values<'a>),
    Timestamp,
    Clock(ClockTest),
}

/// The test of one part of a column.
pub(crate) struct PartTest<'a> {
    presence: Option<&'a Bits>,
    kind: PartTestKind<'a>,
}

enum PartTestKind<'a> {
    /// Every value passes.
    All,
    /// Values whose code or offset lies in one of these ranges, both ends inclusive.
    Ranges(&'a Codes, Vec<(u64, u64)>),
    /// Values whose code has a 1 here.
    Table(&'a Codes, Vec<u8>),
    Bool(&'a Bits, bool),
    Floats(&'a [f64], Vec<(f64, f64)>),
    /// No shorter way: each row's value, changed and asked.
    Each(&'a PartData, Option<Cast>, Arc<Truth<'a>>),
}

/// A test of a column whose rows are told apart by their codes.
pub(crate) struct CodeTest<'a> {
    /// Rows without a value have any code.
    pub(crate) presence: Option<&'a Bits>,
    pub(crate) codes: &'a Codes,
    /// The codes that pass, both ends inclusive, ascending.
    pub(crate) ranges: Vec<(u64, u64)>,
}

/// Finds the attributes that predicates compare with.
pub(crate) trait Attributes<'a> {
    /// The attribute as of the plan's instant.
    fn attribute(
        &self,
        attribute: &'a crowdset_query::PlanAttribute,
    ) -> Result<Attribute<'a>, EvalError>;
}

/// The rows that a filter is asked about, all of one chunk.
#[derive(Clone, Copy)]
pub(crate) struct RowContext<'a> {
    pub(crate) machine: Machine,
    pub(crate) chunk: ChunkId,
    pub(crate) users: &'a [u16],
    pub(crate) times: Times<'a>,
}

impl<'a> Filter<'a> {
    /// Binds a predicate to a stream. Checks the sections of the columns it names.
    pub(crate) fn bind(
        predicate: Option<&'a PlanPredicate>,
        stream: &'a Stream,
        attributes: &dyn Attributes<'a>,
    ) -> Result<Self, EvalError> {
        let all = |parts: &'a [PlanPredicate]| -> Result<Vec<Self>, EvalError> {
            parts
                .iter()
                .map(|part| Self::bind(Some(part), stream, attributes))
                .collect()
        };
        Ok(match predicate {
            None | Some(PlanPredicate::Always) => Self::Always,
            Some(PlanPredicate::Never) => Self::Never,
            Some(PlanPredicate::And(parts)) => Self::and(all(parts)?),
            Some(PlanPredicate::Or(parts)) => Self::or(all(parts)?),
            Some(PlanPredicate::Not(part)) => {
                Self::not(Self::bind(Some(part), stream, attributes)?)
            }
            Some(PlanPredicate::Test { operand, test }) => {
                Self::bind_test(operand, test, stream, attributes)?
            }
        })
    }

    /// Binds one comparison to a stream.
    pub(crate) fn bind_test(
        operand: &'a Operand,
        test: &'a PlanTest,
        stream: &'a Stream,
        attributes: &dyn Attributes<'a>,
    ) -> Result<Self, EvalError> {
        let left = match operand {
            Operand::Property(path) => RowOperand::Values(Values {
                column: stream.property(path)?,
                cast: None,
            }),
            Operand::Cast { cast, property } => RowOperand::Values(Values {
                column: stream.property(property)?,
                cast: Some(*cast),
            }),
            Operand::Timestamp => RowOperand::Timestamp,
            Operand::Hour { zone } => {
                RowOperand::Clock(ClockTest::hour(zone.as_deref(), stream.span())?)
            }
            Operand::Weekday { zone } => {
                RowOperand::Clock(ClockTest::weekday(zone.as_deref(), stream.span())?)
            }
            // The planner folds it; a name is text like any other.
            Operand::EventName => {
                let truth = Truth::new(Cow::Borrowed(test), false)?;
                let holds = truth.of(&ValueRef::Text(Cow::Borrowed(stream.name())));
                return Ok(if holds { Self::Always } else { Self::Never });
            }
        };
        if let PlanTest::CompareAttribute(op, attribute) = test {
            let right = Arc::new(attributes.attribute(attribute)?);
            return Ok(Self::Attribute {
                left,
                op: *op,
                right,
            });
        }
        let truth = Arc::new(Truth::new(Cow::Borrowed(test), false)?);
        Ok(match left {
            RowOperand::Values(values) => Self::of_values(values, &truth),
            RowOperand::Timestamp => {
                let at = |offset: u64| ValueRef::Time(i64::MIN.wrapping_add(offset as i64));
                let ranges = truth.ranges(u64::MAX, at).unwrap_or_default();
                Self::Times(
                    ranges
                        .into_iter()
                        .map(|(low, high)| {
                            (
                                i64::MIN.wrapping_add(low as i64),
                                i64::MIN.wrapping_add(high as i64),
                            )
                        })
                        .collect(),
                )
            }
            RowOperand::Clock(mut clock) => {
                clock.allow(|number| truth.of(&ValueRef::Number(Number::Integer(number))));
                Self::Clock(clock)
            }
        })
    }

    /// The rows of a column of whose values the test is true.
    pub(crate) fn of_values(values: Values<'a>, truth: &Arc<Truth<'a>>) -> Self {
        if matches!(truth.test(), PlanTest::IsNotSet) {
            return Self::not(Self::is_set(values));
        }
        if matches!(truth.test(), PlanTest::IsSet) {
            return Self::is_set(values);
        }
        Self::of_parts(
            values
                .parts()
                .iter()
                .filter_map(|part| PartTest::bind(part, values.cast, truth))
                .collect(),
        )
    }

    fn is_set(values: Values<'a>) -> Self {
        let Ok(truth) = Truth::new(Cow::Owned(PlanTest::IsSet), false).map(Arc::new) else {
            return Self::Never;
        };
        Self::of_parts(
            values
                .parts()
                .iter()
                .filter_map(|part| PartTest::bind(part, values.cast, &truth))
                .collect(),
        )
    }

    fn of_parts(parts: Vec<PartTest<'a>>) -> Self {
        if parts.is_empty() {
            return Self::Never;
        }
        if parts
            .iter()
            .any(|part| part.presence.is_none() && matches!(part.kind, PartTestKind::All))
        {
            return Self::Always;
        }
        Self::Column(parts)
    }

    fn and(parts: Vec<Self>) -> Self {
        if parts.iter().any(|part| matches!(part, Self::Never)) {
            return Self::Never;
        }
        let mut parts: Vec<Self> = parts
            .into_iter()
            .filter(|part| !matches!(part, Self::Always))
            .collect();
        match parts.len() {
            0 => Self::Always,
            1 => parts.swap_remove(0),
            _ => Self::And(parts),
        }
    }

    fn or(parts: Vec<Self>) -> Self {
        if parts.iter().any(|part| matches!(part, Self::Always)) {
            return Self::Always;
        }
        let mut parts: Vec<Self> = parts
            .into_iter()
            .filter(|part| !matches!(part, Self::Never))
            .collect();
        match parts.len() {
            0 => Self::Never,
            1 => parts.swap_remove(0),
            _ => Self::Or(parts),
        }
    }

    fn not(part: Self) -> Self {
        match part {
            Self::Always => Self::Never,
            Self::Never => Self::Always,
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    /// The codes that pass, if they alone decide.
    pub(crate) fn codes(&self) -> Option<CodeTest<'a>> {
        let Self::Column(parts) = self else {
            return None;
        };
        let [part] = &parts[..] else { return None };
        let (codes, ranges) = match &part.kind {
            PartTestKind::Ranges(codes, ranges) => (*codes, ranges.clone()),
            PartTestKind::Table(codes, table) => (*codes, runs(table, usize::MAX)),
            _ => return None,
        };
        Some(CodeTest {
            presence: part.presence,
            codes,
            ranges,
        })
    }

    /// Bytes read per row, for profiles.
    pub(crate) fn bytes_per_row(&self) -> u64 {
        match self {
            Self::Always | Self::Never => 0,
            Self::And(parts) | Self::Or(parts) => parts.iter().map(Self::bytes_per_row).sum(),
            Self::Not(part) => part.bytes_per_row(),
            Self::Column(parts) => parts
                .iter()
                .map(|part| match &part.kind {
                    PartTestKind::All | PartTestKind::Bool(..) => 0,
                    PartTestKind::Ranges(codes, _) | PartTestKind::Table(codes, _) => {
                        codes.width() as u64
                    }
                    PartTestKind::Floats(..) | PartTestKind::Each(..) => 8,
                })
                .sum(),
            Self::Times(_) | Self::Clock(_) => 4,
            Self::Attribute { .. } => 12,
        }
    }

    /// Writes 1 to `mask` for each of `rows` that passes, 0 for the others.
    ///
    /// At most [`BLOCK`] rows at a time.
    pub(crate) fn eval(&self, context: &RowContext<'_>, rows: Range<usize>, mask: &mut [u8]) {
        let machine = context.machine;
        match self {
            Self::Always => mask.fill(1),
            Self::Never => mask.fill(0),
            Self::And(parts) => {
                parts[0].eval(context, rows.clone(), mask);
                let mut other = [0; BLOCK];
                for part in &parts[1..] {
                    let other = &mut other[..mask.len()];
                    part.eval(context, rows.clone(), other);
                    machine.and_mask(mask, other);
                }
            }
            Self::Or(parts) => {
                parts[0].eval(context, rows.clone(), mask);
                let mut other = [0; BLOCK];
                for part in &parts[1..] {
                    let other = &mut other[..mask.len()];
                    part.eval(context, rows.clone(), other);
                    machine.or_mask(mask, other);
                }
            }
            Self::Not(part) => {
                part.eval(context, rows, mask);
                machine.not_mask(mask);
            }
            Self::Column(parts) => {
                parts[0].eval(machine, rows.clone(), mask);
                let mut other = [0; BLOCK];
                for part in &parts[1..] {
                    let other = &mut other[..mask.len()];
                    part.eval(machine, rows.clone(), other);
                    machine.or_mask(mask, other);
                }
            }
            Self::Times(ranges) => {
                mask.fill(0);
                let base = context.times.base;
                for &(low, high) in ranges {
                    // Offsets are unsigned and start at base.
                    let (low, high) = (
                        i128::from(low) - i128::from(base),
                        i128::from(high) - i128::from(base),
                    );
                    if high < 0 {
                        continue;
                    }
                    let (low, high) = (low.max(0), high);
                    with_offsets!(context.times.offsets, offsets => {
                        or_range(machine, &offsets[rows.clone()], low, high, mask);
                    });
                }
            }
            Self::Clock(clock) => clock.eval(context.times, rows, mask),
            Self::Attribute { left, op, right } => {
                for (row, mask) in rows.zip(mask) {
                    let left = match left {
                        RowOperand::Values(values) => values.get(row),
                        RowOperand::Timestamp => Some(ValueRef::Time(context.times.get(row))),
                        RowOperand::Clock(clock) => Some(ValueRef::Number(Number::Integer(
                            clock.number(context.times.get(row)),
                        ))),
                    };
                    *mask = u8::from(left.is_some_and(|left| {
                        let right =
                            right.value(context.chunk.first().0 + u32::from(context.users[row]));
                        right.is_some_and(|right| values_satisfy(&left, *op, &right, false))
                    }));
                }
            }
        }
    }
}

/// Whether `left OP right`. Truth values know only `=` and `!=`.
pub(crate) fn values_satisfy(
    left: &ValueRef<'_>,
    op: CompareOp,
    right: &ValueRef<'_>,
    left_is_attribute: bool,
) -> bool {
    compare_values(left, right, left_is_attribute).is_some_and(|ordering| satisfies(op, ordering))
        && (!matches!(left, ValueRef::Bool(_))
            || matches!(op, CompareOp::Equal | CompareOp::NotEqual))
}

/// `mask |= low <= offset <= high`, the bounds cut to what the width can hold.
fn or_range<T: Code>(machine: Machine, offsets: &[T], low: i128, high: i128, mask: &mut [u8]) {
    let widest = i128::from(u64::MAX >> (64 - 8 * size_of::<T>()));
    let high = high.min(widest);
    if low <= high {
        machine.or_code_range(
            offsets,
            T::narrow(low as u64),
            T::narrow((high - low) as u64),
            mask,
        );
    }
}

impl<'a> PartTest<'a> {
    /// `None` if no value of the part can pass.
    fn bind(part: &'a ColumnPart, cast: Option<Cast>, truth: &Arc<Truth<'a>>) -> Option<Self> {
        let kind = match (&part.data, cast) {
            (data, None)
            | (
                data @ (PartData::Integer { .. } | PartData::Decimal { .. } | PartData::Float(_)),
                Some(Cast::Number),
            )
            | (data @ PartData::Text { .. }, Some(Cast::Text))
            | (
                data @ PartData::Time { .. },
                Some(Cast::Time | Cast::TimeSeconds | Cast::TimeMillis),
            ) => Self::bind_plain(data, truth)?,
            (PartData::Text { dictionary, codes }, Some(cast)) => {
                let passes = |text| {
                    ValueRef::Text(Cow::Borrowed(text))
                        .cast(Some(cast))
                        .is_some_and(|v| truth.of(&v))
                };
                of_dictionary(dictionary, codes, passes)?
            }
            (PartData::Array { .. }, Some(_)) => return None,
            (data, Some(cast)) => PartTestKind::Each(data, Some(cast), truth.clone()),
        };
        Some(Self {
            presence: part.presence.as_ref(),
            kind,
        })
    }

    fn bind_plain(data: &'a PartData, truth: &Arc<Truth<'a>>) -> Option<PartTestKind<'a>> {
        if matches!(truth.test(), PlanTest::IsSet) {
            return Some(PartTestKind::All);
        }
        match data {
            PartData::Bool(bits) => match (
                truth.of(&ValueRef::Bool(false)),
                truth.of(&ValueRef::Bool(true)),
            ) {
                (true, true) => Some(PartTestKind::All),
                (false, false) => None,
                (_, value) => Some(PartTestKind::Bool(bits, value)),
            },
            PartData::Integer { base, offsets } => of_offsets(*base, offsets, truth, |offset| {
                ValueRef::Number(Number::Integer(base.wrapping_add(offset as i64)))
            }),
            PartData::Decimal {
                places,
                base,
                offsets,
            } => of_offsets(*base, offsets, truth, |offset| {
                ValueRef::Number(decimal(*base, *places, offset))
            }),
            PartData::Time { base, offsets } => of_offsets(*base, offsets, truth, |offset| {
                ValueRef::Time(base.wrapping_add(offset as i64))
            }),
            PartData::Float(values) => {
                let (first, last) = (float_key(f64::NEG_INFINITY), float_key(f64::INFINITY));
                let at =
                    |offset: u64| ValueRef::Number(Number::Float(float_of_key(first + offset)));
                let ranges = truth.ranges(last - first, at)?;
                let ranges: Vec<(f64, f64)> = ranges
                    .into_iter()
                    .map(|(low, high)| (float_of_key(first + low), float_of_key(first + high)))
                    .collect();
                (!ranges.is_empty()).then_some(PartTestKind::Floats(values, ranges))
            }
            PartData::Text { dictionary, codes } => match text_ranges(dictionary, truth) {
                Some(ranges) => of_ranges(codes, ranges, dictionary.len() as u64),
                None => of_dictionary(dictionary, codes, |text| {
                    truth.of(&ValueRef::Text(Cow::Borrowed(text)))
                }),
            },
            PartData::Array { dictionary, codes } => match truth.test() {
                PlanTest::Has(_) | PlanTest::HasAny(_) | PlanTest::HasAll(_) => {
                    of_dictionary(dictionary, codes, |json| truth.of(&ValueRef::Array(json)))
                }
                _ => None,
            },
        }
    }

    fn eval(&self, machine: Machine, rows: Range<usize>, mask: &mut [u8]) {
        match &self.kind {
            PartTestKind::All => mask.fill(1),
            PartTestKind::Ranges(codes, ranges) => {
                mask.fill(0);
                for &(low, high) in ranges {
                    let (low, high) = (i128::from(low), i128::from(high));
                    with_codes!(codes, codes => {
                        or_range(machine, &codes[rows.clone()], low, high, mask);
                    });
                }
            }
            PartTestKind::Table(codes, table) => {
                mask.fill(0);
                with_codes!(codes, codes => {
                    machine.or_code_table(&codes[rows.clone()], table, mask);
                });
            }
            PartTestKind::Bool(bits, value) => {
                mask.fill(0);
                machine.or_bits(&bits.0, rows.start, *value, mask);
            }
            PartTestKind::Floats(values, ranges) => {
                mask.fill(0);
                for &(low, high) in ranges {
                    machine.or_float_range(&values[rows.clone()], low, high, mask);
                }
            }
            PartTestKind::Each(data, cast, truth) => {
                for (row, mask) in rows.clone().zip(&mut *mask) {
                    *mask = u8::from(
                        self.presence.is_none_or(|bits| bits.get(row))
                            && part_value(data, row)
                                .cast(*cast)
                                .is_some_and(|value| truth.of(&value)),
                    );
                }
            }
        }
        if let Some(bits) = self.presence {
            machine.and_bits(&bits.0, rows.start, mask);
        }
    }
}

fn of_offsets<'a, 'v>(
    base: i64,
    offsets: &'a Codes,
    truth: &Truth<'_>,
    value: impl Fn(u64) -> ValueRef<'v>,
) -> Option<PartTestKind<'a>> {
    let last = last_offset(base, offsets);
    of_ranges(offsets, truth.ranges(last, value)?, last.saturating_add(1))
}

/// `domain`: how many codes there are.
fn of_ranges(codes: &Codes, ranges: Vec<(u64, u64)>, domain: u64) -> Option<PartTestKind<'_>> {
    if ranges.is_empty() {
        return None;
    }
    if domain > 0
        && ranges
            .iter()
            .any(|&(low, high)| low == 0 && high >= domain - 1)
    {
        return Some(PartTestKind::All);
    }
    if ranges.len() > RANGES_MAX && domain <= 1 << 16 {
        let mut table = vec![0; domain as usize];
        for (low, high) in ranges {
            table[low as usize..=high.min(domain - 1) as usize].fill(1);
        }
        return Some(PartTestKind::Table(codes, table));
    }
    Some(PartTestKind::Ranges(codes, ranges))
}

/// The runs of ones, both ends inclusive; those beyond one more than `max` are left out.
pub(crate) fn runs(table: &[u8], max: usize) -> Vec<(u64, u64)> {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for (code, _) in (0..).zip(table).filter(|(_, passes)| **passes == 1) {
        match ranges.last_mut() {
            Some((_, high)) if *high + 1 == code => *high = code,
            _ => ranges.push((code, code)),
        }
        if ranges.len() > max {
            break;
        }
    }
    ranges
}

/// Asks once per distinct text.
fn of_dictionary<'a>(
    dictionary: &'a Dictionary,
    codes: &'a Codes,
    passes: impl Fn(&'a str) -> bool,
) -> Option<PartTestKind<'a>> {
    let table: Vec<u8> = (0..dictionary.len())
        .map(|code| u8::from(passes(dictionary.get(code))))
        .collect();
    let ranges = runs(&table, RANGES_MAX);
    if ranges.len() > RANGES_MAX {
        return Some(PartTestKind::Table(codes, table));
    }
    of_ranges(codes, ranges, dictionary.len() as u64)
}

/// The codes of which a test is true, where the order of the dictionary says so at once.
pub(crate) fn text_ranges(dictionary: &Dictionary, truth: &Truth<'_>) -> Option<Vec<(u64, u64)>> {
    let len = dictionary.len() as u64;
    // The first code at or (`strictly`) after the text.
    let bound = |text: &str, strictly: bool| match dictionary.find(text) {
        Ok(code) => code as u64 + u64::from(strictly),
        Err(code) => code as u64,
    };
    // Texts are read one by one where they stand for numbers or times.
    let is_read = |literal: &PlanLiteral| match literal {
        PlanLiteral::Integer(_) | PlanLiteral::Float(_) => truth.text_numbers(),
        PlanLiteral::Time(_) => true,
        PlanLiteral::Text(..) | PlanLiteral::Bool(_) => false,
    };
    let text_of = |literal: &'_ PlanLiteral| match literal {
        PlanLiteral::Text(text, _) => Some(text.clone()),
        _ => None,
    };
    let mut spans: Vec<(u64, u64)> = Vec::new(); // half-open
    match truth.test() {
        PlanTest::Compare(op, literal) => {
            if is_read(literal) {
                return None;
            }
            if let Some(text) = text_of(literal) {
                let (at_least, above) = (bound(&text, false), bound(&text, true));
                match op {
                    CompareOp::Equal => spans.push((at_least, above)),
                    CompareOp::NotEqual => spans.extend([(0, at_least), (above, len)]),
                    CompareOp::Less => spans.push((0, at_least)),
                    CompareOp::LessOrEqual => spans.push((0, above)),
                    CompareOp::Greater => spans.push((above, len)),
                    CompareOp::GreaterOrEqual => spans.push((at_least, len)),
                }
            }
        }
        PlanTest::Between(low, high) => {
            if is_read(low) || is_read(high) {
                return None;
            }
            if let (Some(low), Some(high)) = (text_of(low), text_of(high)) {
                spans.push((bound(&low, false), bound(&high, true)));
            }
        }
        PlanTest::In(literals) | PlanTest::NotIn(literals) => {
            if literals.iter().any(is_read) {
                return None;
            }
            let mut equal: Vec<(u64, u64)> = literals
                .iter()
                .filter_map(text_of)
                .map(|text| (bound(&text, false), bound(&text, true)))
                .collect();
            equal.sort_unstable();
            equal.dedup();
            if matches!(truth.test(), PlanTest::In(_)) {
                spans = equal;
            } else if !equal.is_empty() {
                let mut from = 0;
                for (low, high) in equal {
                    spans.push((from, low));
                    from = from.max(high);
                }
                spans.push((from, len));
            }
        }
        PlanTest::StartsWith(prefix) => {
            let from = bound(prefix, false);
            let (mut low, mut high) = (from, len);
            while low < high {
                let middle = low.midpoint(high);
                if dictionary
                    .get_bytes(middle as usize)
                    .starts_with(prefix.as_bytes())
                {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            spans.push((from, low));
        }
        PlanTest::Contains(_) | PlanTest::EndsWith(_) | PlanTest::Matches(_) => return None,
        // What is asked of arrays, and what is true of no text.
        _ => {}
    }
    Some(
        spans
            .into_iter()
            .filter(|(low, high)| low < high)
            .map(|(low, high)| (low, high - 1))
            .collect(),
    )
}

/// Maps doubles to integers in the same order; NaNs lie at the ends.
fn float_key(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits >> 63 == 1 {
        !bits
    } else {
        bits | 1 << 63
    }
}

fn float_of_key(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 {
        key & !(1 << 63)
    } else {
        !key
    })
}
