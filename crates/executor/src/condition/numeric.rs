//! Sum, average, least and greatest of a property's numbers.
//!
//! Integers and short decimals are brought to one scale and kept as 64-bit integers where they
//! cannot overflow, which is decided once per query: it is exact and fast. Everything else goes
//! number by number through the exact sum.

use super::measure::{Numbers, Scale};
use crate::EvalError;
use crate::events::{Events, Rows};
use crate::kernel::{BLOCK, Machine};
use crate::pass::ChunkPass;
use crate::value::{Values, last_offset};
use crate::widths::with_codes;
use crate::words::{self, Words};
use crowdset_query::{Aggregate, Cast, Operand};
use crowdset_storage::{Bits, Codes, ColumnPart, PartData};
use crowdset_types::{CHUNK_USERS, ExactSum, Number, compare_numbers};
use std::cmp::Ordering;
use std::ops::Range;

/// Sums and scaled values stay below this in magnitude.
const SAFE: i128 = 1 << 62;

/// An aggregate of numbers.
pub(crate) struct Numeric<'a> {
    function: Aggregate,
    events: Events<'a>,
    /// A column for each source.
    values: Vec<Values<'a>>,
    /// The parts of each source's column at one scale, if all of them can be.
    scaled: Option<Scaled<'a>>,
}

struct Scaled<'a> {
    places: u32,
    sources: Vec<Vec<ScaledPart<'a>>>,
}

struct ScaledPart<'a> {
    presence: Option<&'a Bits>,
    offsets: &'a Codes,
    base: i64,
    /// Brings a value to the common scale.
    factor: i64,
}

/// The columns of an operand, one for each source; none for operands that are no property.
pub(super) fn columns<'a>(
    events: &Events<'a>,
    operand: &'a Operand,
) -> Result<Vec<Values<'a>>, EvalError> {
    let (path, cast) = match operand {
        Operand::Property(path) => (path, None),
        Operand::Cast { cast, property } => (property, Some(*cast)),
        _ => {
            return Ok(vec![
                Values {
                    column: None,
                    cast: None
                };
                events.sources.len()
            ]);
        }
    };
    events
        .sources
        .iter()
        .map(|source| {
            Ok(Values {
                column: source.stream.property(path)?,
                cast,
            })
        })
        .collect()
}

impl<'a> Numeric<'a> {
    pub(crate) fn bind(
        function: Aggregate,
        events: Events<'a>,
        operand: &'a Operand,
    ) -> Result<Self, EvalError> {
        let values = columns(&events, operand)?;
        let rows_max = if matches!(function, Aggregate::Sum | Aggregate::Avg) {
            events.chunk_rows_max()
        } else {
            1
        };
        let events = events.with_values(&values);
        let scaled = Scaled::new(&values, i128::from(rows_max.max(1)));
        Ok(Self {
            function,
            events,
            values,
            scaled,
        })
    }

    pub(crate) fn events(&self) -> &Events<'a> {
        &self.events
    }

    /// What the stored integers stand for; `None` if numbers are of any kind.
    pub(crate) fn scale(&self) -> Option<Scale> {
        let scaled = self.scaled.as_ref()?;
        (self.function != Aggregate::Avg).then_some(Scale::Decimal(scaled.places))
    }

    /// The stored integer of a user without values. Like all that follows, only where there is a
    /// scale.
    pub(crate) fn nothing(&self) -> i64 {
        match self.function {
            Aggregate::Min => i64::MAX,
            Aggregate::Max => i64::MIN,
            _ => 0,
        }
    }

    /// Adds rows to the numbers of their users.
    pub(crate) fn add(&self, machine: Machine, rows: &Rows<'_>, values: &mut [i64; CHUNK_USERS]) {
        for part in self.scaled_parts(rows.source) {
            part.add(self.function, machine, rows, part.factor, values);
        }
    }

    /// Takes rows back from the sums of their users.
    pub(crate) fn subtract(
        &self,
        machine: Machine,
        rows: &Rows<'_>,
        values: &mut [i64; CHUNK_USERS],
    ) {
        for part in self.scaled_parts(rows.source) {
            part.add(self.function, machine, rows, -part.factor, values);
        }
    }

    /// Leaves the users that have a number.
    pub(crate) fn and_having(
        &self,
        machine: Machine,
        values: &[i64; CHUNK_USERS],
        users: &mut Words,
    ) {
        if matches!(self.function, Aggregate::Min | Aggregate::Max) {
            // No value reaches the ends of 64 bits: what stayed there has none.
            let mut having = words::EMPTY;
            machine.or_i64_within(values, i64::MIN + 1, i64::MAX - 1, &mut having);
            words::and(users, &having);
        }
    }

    fn scaled_parts(&self, source: usize) -> &[ScaledPart<'a>] {
        self.scaled
            .as_ref()
            .map_or(&[][..], |scaled| &scaled.sources[source])
    }

    pub(crate) fn eval(
        &self,
        pass: &mut ChunkPass<'_>,
        wanted: &Words,
        present: &mut Words,
    ) -> Numbers {
        match &self.scaled {
            Some(scaled) => self.eval_scaled(scaled, pass, wanted, present),
            None => self.eval_any(pass, wanted, present),
        }
    }

    fn eval_scaled(
        &self,
        scaled: &Scaled<'_>,
        pass: &mut ChunkPass<'_>,
        wanted: &Words,
        present: &mut Words,
    ) -> Numbers {
        let machine = pass.machine;
        let mut values = pass.scratch.i64s.take();
        values.fill(self.nothing());
        if self.function != Aggregate::Avg {
            self.events.scan(pass, wanted, &mut |rows| {
                self.add(machine, rows, &mut values);
            });
            self.and_having(machine, &values, present);
            return Numbers::Scaled(values);
        }
        let mut counts = pass.scratch.u32s.take();
        counts.fill(0);
        self.events.scan(pass, wanted, &mut |rows| {
            for part in &scaled.sources[rows.source] {
                part.add(self.function, machine, rows, part.factor, &mut values);
                part.count(machine, rows, &mut counts);
            }
        });
        let scale = Scale::Decimal(scaled.places);
        let averages = average(wanted, present, &counts, |user| scale.double(values[user]));
        pass.scratch.i64s.give(values);
        pass.scratch.u32s.give(counts);
        averages
    }

    fn eval_any(&self, pass: &mut ChunkPass<'_>, wanted: &Words, present: &mut Words) -> Numbers {
        let each = |pass: &mut ChunkPass<'_>, visit: &mut dyn FnMut(usize, Number)| {
            self.events.scan(pass, wanted, &mut |rows| {
                let values = &self.values[rows.source];
                for (index, (row, &user)) in rows.range.clone().zip(rows.users).enumerate() {
                    if rows.mask.is_none_or(|mask| mask[index] == 1)
                            && let Some(number) = values.get(row).and_then(|value| value.number())
                            // NaN is like a missing value.
                            && !number.to_f64().is_nan()
                    {
                        visit(user as usize, number);
                    }
                }
            });
        };
        match self.function {
            Aggregate::Min | Aggregate::Max => {
                let wins = if self.function == Aggregate::Min {
                    Ordering::Less
                } else {
                    Ordering::Greater
                };
                let mut best: Vec<Option<Number>> = vec![None; CHUNK_USERS];
                each(pass, &mut |user, number| {
                    if best[user].is_none_or(|old| compare_numbers(number, old) == Some(wins)) {
                        best[user] = Some(number);
                    }
                });
                present.fill(0);
                words::for_each(wanted, |user| {
                    if best[user].is_some() {
                        words::set(present, user);
                    }
                });
                Numbers::Any(
                    best.into_iter()
                        .map(|number| number.unwrap_or(Number::Integer(0)))
                        .collect(),
                )
            }
            _ => {
                let mut sums = vec![ExactSum::default(); CHUNK_USERS];
                let mut counts = pass.scratch.u32s.take();
                counts.fill(0);
                each(pass, &mut |user, number| {
                    sums[user].add(number);
                    counts[user] += 1;
                });
                let numbers = if self.function == Aggregate::Avg {
                    average(wanted, present, &counts, |user| sums[user].total().to_f64())
                } else {
                    Numbers::Any(sums.iter().map(ExactSum::total).collect())
                };
                pass.scratch.u32s.give(counts);
                numbers
            }
        }
    }
}

/// Sums over counts, of the wanted users with any values; `present` says who they are.
fn average(
    wanted: &Words,
    present: &mut Words,
    counts: &[u32; CHUNK_USERS],
    sum: impl Fn(usize) -> f64,
) -> Numbers {
    let mut numbers = vec![Number::Integer(0); CHUNK_USERS];
    present.fill(0);
    words::for_each(wanted, |user| {
        if counts[user] > 0 {
            numbers[user] = Number::Float(sum(user) / f64::from(counts[user]));
            words::set(present, user);
        }
    });
    Numbers::Any(numbers)
}

impl<'a> Scaled<'a> {
    /// `None` if a part is no decimal, or a sum of `rows_max` values might overflow.
    fn new(values: &[Values<'a>], rows_max: i128) -> Option<Self> {
        let mut parts: Vec<Vec<(&'a ColumnPart, i64, u32, &'a Codes)>> = Vec::new();
        for values in values {
            let mut of_source = Vec::new();
            for part in values.parts() {
                match (&part.data, values.cast) {
                    (_, Some(Cast::Text | Cast::Time | Cast::TimeSeconds | Cast::TimeMillis)) => {}
                    (PartData::Float(_), _) | (PartData::Text { .. }, Some(Cast::Number)) => {
                        return None;
                    }
                    (PartData::Integer { base, offsets }, _) => {
                        of_source.push((part, *base, 0, offsets));
                    }
                    (
                        PartData::Decimal {
                            places,
                            base,
                            offsets,
                        },
                        _,
                    ) => of_source.push((part, *base, *places, offsets)),
                    _ => {}
                }
            }
            parts.push(of_source);
        }
        let places = parts
            .iter()
            .flatten()
            .map(|&(_, _, places, _)| places)
            .max()
            .unwrap_or(0);
        for &(_, base, of_part, offsets) in parts.iter().flatten() {
            let last = i128::from(base) + i128::from(last_offset(base, offsets));
            let largest = i128::from(base).abs().max(last.abs());
            let factor = 10_i128.pow(places - of_part);
            if largest.checked_mul(factor)?.checked_mul(rows_max)? >= SAFE {
                return None;
            }
        }
        let scale =
            |(part, base, of_part, offsets): (&'a ColumnPart, i64, u32, &'a Codes)| ScaledPart {
                presence: part.presence.as_ref(),
                offsets,
                base,
                factor: 10_i64.pow(places - of_part),
            };
        let sources = parts
            .into_iter()
            .map(|parts| parts.into_iter().map(scale).collect())
            .collect();
        Some(Self { places, sources })
    }
}

impl ScaledPart<'_> {
    /// Adds the values of rows, times a factor, to their users' sums; or finds the least, or the
    /// greatest.
    fn add(
        &self,
        function: Aggregate,
        machine: Machine,
        rows: &Rows<'_>,
        factor: i64,
        values: &mut [i64; CHUNK_USERS],
    ) {
        let base = self.base;
        let is_sum = !matches!(function, Aggregate::Min | Aggregate::Max);
        if is_sum && rows.mask.is_none() && self.presence.is_none() {
            let (users, range) = (rows.users, rows.range.clone());
            with_codes!(self.offsets, codes => {
                machine.add_codes(users, &codes[range], base, factor, values);
            });
            return;
        }
        self.with_masks(machine, rows, |users, mask, range| {
            with_codes!(self.offsets, codes => {
                let codes = &codes[range];
                match function {
                    Aggregate::Min => machine.min_codes(users, mask, codes, base, factor, values),
                    Aggregate::Max => machine.max_codes(users, mask, codes, base, factor, values),
                    _ => machine.add_codes_masked(users, mask, codes, base, factor, values),
                }
            });
        });
    }

    /// Counts the rows with a value.
    fn count(&self, machine: Machine, rows: &Rows<'_>, counts: &mut [u32; CHUNK_USERS]) {
        self.with_masks(machine, rows, |users, mask, _| {
            machine.count_u32_masked(users, mask, counts);
        });
    }

    /// Hands out rows, block by block: users, 1 where a value counts, and where they stand.
    fn with_masks(
        &self,
        machine: Machine,
        rows: &Rows<'_>,
        mut visit: impl FnMut(&[u16], &[u8], Range<usize>),
    ) {
        let mut mask = [1_u8; BLOCK];
        for start in (0..rows.users.len()).step_by(BLOCK) {
            let len = BLOCK.min(rows.users.len() - start);
            let mask = &mut mask[..len];
            match rows.mask {
                Some(other) => mask.copy_from_slice(&other[start..start + len]),
                None => mask.fill(1),
            }
            let range = rows.range.start + start..rows.range.start + start + len;
            if let Some(bits) = self.presence {
                machine.and_bits(&bits.0, range.start, mask);
            }
            visit(&rows.users[start..start + len], mask, range);
        }
    }
}
