//! How many different values a property has among a user's events.

use super::measure::{BITS_MAX, UserSets};
use super::numeric::columns;
use crate::EvalError;
use crate::events::{Events, Rows};
use crate::kernel::{BLOCK, Machine};
use crate::pass::ChunkPass;
use crate::truth::ValueRef;
use crate::value::Values;
use crate::widths::with_codes;
use crate::words::Words;
use crowdset_query::Operand;
use crowdset_storage::{Bits, Codes, Dictionary, PartData};
use crowdset_types::{CHUNK_USERS, Number, compare_numbers};
use hashbrown::HashMap;
use std::cmp::Ordering;
use std::hint::select_unpredictable;

/// Thresholds below this one need no more than so many values of each user to be remembered.
const LANES: u32 = 4;

/// How many different values.
pub(crate) struct Distinct<'a> {
    events: Events<'a>,
    keys: Keys<'a>,
    max: u64,
}

enum Keys<'a> {
    /// All values are texts or arrays: numbers that mean the same in every partition.
    Codes {
        sources: Vec<Vec<CodedPart<'a>>>,
        len: u64,
    },
    /// Values of any type.
    Any(Vec<Values<'a>>),
}

struct CodedPart<'a> {
    presence: Option<&'a Bits>,
    codes: &'a Codes,
    /// The number of each code.
    numbers: Vec<u32>,
}

impl<'a> Distinct<'a> {
    /// `max`: no need to tell counts beyond it apart.
    pub(crate) fn bind(
        events: Events<'a>,
        operand: &'a Operand,
        max: u64,
    ) -> Result<Self, EvalError> {
        let values = columns(&events, operand)?;
        let is_coded = values.iter().all(|values| {
            values.cast.is_none()
                && values
                    .parts()
                    .iter()
                    .all(|part| matches!(part.data, PartData::Text { .. } | PartData::Array { .. }))
        });
        let events = events.with_values(&values);
        let keys = if is_coded {
            Self::codes(&values)
        } else {
            Keys::Any(values)
        };
        Ok(Self { events, keys, max })
    }

    fn codes(values: &[Values<'a>]) -> Keys<'a> {
        let dictionaries = || {
            let parts = values.iter().flat_map(Values::parts);
            parts.filter_map(|part| match &part.data {
                PartData::Text { dictionary, .. } => Some((false, dictionary)),
                PartData::Array { dictionary, .. } => Some((true, dictionary)),
                _ => None,
            })
        };
        let mut numbering = Numbering::new(dictionaries());
        let sources = values
            .iter()
            .map(|values| {
                let parts = values.parts().iter().filter_map(|part| {
                    let (is_array, dictionary, codes) = match &part.data {
                        PartData::Text { dictionary, codes } => (false, dictionary, codes),
                        PartData::Array { dictionary, codes } => (true, dictionary, codes),
                        _ => return None,
                    };
                    Some(CodedPart {
                        presence: part.presence.as_ref(),
                        codes,
                        numbers: numbering.numbers(is_array, dictionary),
                    })
                });
                parts.collect()
            })
            .collect();
        Keys::Codes {
            sources,
            len: u64::from(numbering.len),
        }
    }

    pub(crate) fn events(&self) -> &Events<'a> {
        &self.events
    }

    /// The count of each wanted user; counts beyond the maximum may come out as any number beyond it.
    pub(crate) fn eval(&self, pass: &mut ChunkPass<'_>, wanted: &Words) -> Box<[u32; CHUNK_USERS]> {
        match &self.keys {
            Keys::Codes { sources, len } => {
                let machine = pass.machine;
                let visit_all = |pass: &mut ChunkPass<'_>, visit: &mut Visit<'_>| {
                    self.events.scan(pass, wanted, &mut |rows| {
                        for part in &sources[rows.source] {
                            part.visit(machine, rows, visit);
                        }
                    });
                };
                if *len > BITS_MAX && self.max < u64::from(LANES) {
                    if u16::try_from(*len).is_ok() {
                        let mut memory = std::mem::take(&mut pass.scratch.pairs);
                        let counts = few(pass, &mut memory, &visit_all);
                        pass.scratch.pairs = memory;
                        counts
                    } else {
                        let mut memory = std::mem::take(&mut pass.scratch.wide_lanes);
                        let counts = few(pass, &mut memory, &visit_all);
                        pass.scratch.wide_lanes = memory;
                        counts
                    }
                } else {
                    let mut sets = UserSets::new(pass.scratch, *len);
                    visit_all(pass, &mut |users, mask, numbers| {
                        sets.add(users, Some(mask), numbers, u64::from);
                    });
                    sets.count(pass.scratch)
                }
            }
            Keys::Any(values) => {
                let mut pairs = std::mem::take(&mut pass.scratch.wide_pairs);
                pairs.clear();
                let mut texts: HashMap<(bool, String), u64> = HashMap::new();
                self.events.scan(pass, wanted, &mut |rows| {
                    let values = &values[rows.source];
                    for (index, (row, &user)) in rows.range.clone().zip(rows.users).enumerate() {
                        if rows.mask.is_none_or(|mask| mask[index] == 1)
                            && let Some(value) = values.get(row)
                        {
                            pairs.push((user, key(&value, &mut texts)));
                        }
                    }
                });
                pairs.sort_unstable();
                pairs.dedup();
                let mut counts = pass.scratch.u32s.take();
                counts.fill(0);
                for &(user, _) in &pairs {
                    counts[user as usize] += 1;
                }
                pass.scratch.wide_pairs = pairs;
                counts
            }
        }
    }
}

impl CodedPart<'_> {
    /// Hands out blocks of users, masks and numbers.
    fn visit(&self, machine: Machine, rows: &Rows<'_>, visit: &mut Visit<'_>) {
        let mut mask = [0_u8; BLOCK];
        let mut numbers = [0_u32; BLOCK];
        for start in (0..rows.users.len()).step_by(BLOCK) {
            let len = BLOCK.min(rows.users.len() - start);
            let (mask, numbers) = (&mut mask[..len], &mut numbers[..len]);
            match rows.mask {
                Some(other) => mask.copy_from_slice(&other[start..start + len]),
                None => mask.fill(1),
            }
            let range = rows.range.start + start..rows.range.start + start + len;
            if let Some(bits) = self.presence {
                machine.and_bits(&bits.0, range.start, mask);
            }
            // Rows without a value may hold any code; their mask is zero.
            let number = |code: usize| self.numbers.get(code).copied().unwrap_or(0);
            with_codes!(self.codes, codes => {
                for (out, &code) in numbers.iter_mut().zip(&codes[range]) {
                    *out = number(code as usize);
                }
            });
            visit(&rows.users[start..start + len], mask, numbers);
        }
    }
}

/// Is handed blocks of users, masks and numbers.
type Visit<'v> = dyn FnMut(&[u16], &[u8], &[u32]) + 'v;

/// Scans, and hands blocks out.
type VisitAll<'v> = &'v dyn Fn(&mut ChunkPass<'_>, &mut Visit<'_>);

/// A few numbers side by side in one: the latest comes in at the low end and moves the others up.
trait Lanes: Copy {
    /// No number: all lanes are empty.
    const EMPTY: Self;

    /// With a number, unless it is there already or does not count.
    fn with(self, number: u32, counts: bool) -> Self;

    /// Writes how many numbers there are; [`LANES`] also where there were more.
    fn write_lens(machine: Machine, all: &[Self; CHUNK_USERS], lens: &mut [u32; CHUNK_USERS]);
}

/// A lane holds one more than its number: 0 is an empty lane. All lanes are compared at once: of a
/// difference `d` some lane is 0 exactly if `(d - 1 in each lane) & !d` has the highest bit of a lane.
macro_rules! with_number {
    ($lanes:expr, $number:expr, $counts:expr, $type:ty, $lane:ty) => {{
        const BITS: u32 = <$lane>::BITS;
        const ONES: $type = <$type>::MAX / (<$lane>::MAX as $type);
        let number = ($number as $lane).wrapping_add(1) as $type;
        let differences = $lanes ^ number.wrapping_mul(ONES);
        let is_known = differences.wrapping_sub(ONES) & !differences & (ONES << (BITS - 1));
        select_unpredictable((is_known == 0) & $counts, $lanes << BITS | number, $lanes)
    }};
}

impl Lanes for u64 {
    const EMPTY: Self = 0;

    #[inline]
    fn with(self, number: u32, counts: bool) -> Self {
        with_number!(self, number, counts, u64, u16)
    }

    fn write_lens(machine: Machine, all: &[Self; CHUNK_USERS], lens: &mut [u32; CHUNK_USERS]) {
        machine.count_lanes(all, lens);
    }
}

impl Lanes for u128 {
    const EMPTY: Self = 0;

    #[inline]
    fn with(self, number: u32, counts: bool) -> Self {
        with_number!(self, number, counts, u128, u32)
    }

    fn write_lens(_: Machine, all: &[Self; CHUNK_USERS], lens: &mut [u32; CHUNK_USERS]) {
        for (len, lanes) in lens.iter_mut().zip(all) {
            *len = LANES - lanes.leading_zeros() / u32::BITS;
        }
    }
}

/// Remembers up to [`LANES`] values of each user.
fn few<L: Lanes>(
    pass: &mut ChunkPass<'_>,
    memory: &mut Vec<L>,
    visit_all: VisitAll<'_>,
) -> Box<[u32; CHUNK_USERS]> {
    memory.clear();
    memory.resize(CHUNK_USERS, L::EMPTY);
    let mut counts = pass.scratch.u32s.take();
    let Some(lanes) = memory.first_chunk_mut::<CHUNK_USERS>() else {
        return counts;
    };
    visit_all(pass, &mut |users, mask, numbers| {
        for ((&user, &mask), &number) in users.iter().zip(mask).zip(numbers) {
            let lanes = &mut lanes[user as usize & (CHUNK_USERS - 1)];
            *lanes = lanes.with(number, mask == 1);
        }
    });
    L::write_lens(pass.machine, lanes, &mut counts);
    counts
}

/// Numbers for the texts of several dictionaries: equal texts have the same.
struct Numbering<'a> {
    /// The longest dictionary: its texts' numbers are their codes.
    longest: Option<(bool, &'a Dictionary)>,
    others: HashMap<(bool, &'a [u8]), u32>,
    /// How many numbers there are.
    len: u32,
}

impl<'a> Numbering<'a> {
    /// Dictionaries of texts, or of arrays (`true`).
    fn new(dictionaries: impl Iterator<Item = (bool, &'a Dictionary)>) -> Self {
        let longest = dictionaries.max_by_key(|(_, dictionary)| dictionary.len());
        Self {
            longest,
            others: HashMap::new(),
            len: longest.map_or(0, |(_, dictionary)| dictionary.len() as u32),
        }
    }

    /// The number of each code.
    fn numbers(&mut self, is_array: bool, dictionary: &'a Dictionary) -> Vec<u32> {
        let longest = self.longest.filter(|(kind, _)| *kind == is_array);
        let longest = longest.map(|(_, longest)| longest);
        if longest.is_some_and(|longest| std::ptr::eq(longest, dictionary)) {
            return (0..dictionary.len() as u32).collect();
        }
        let mut next = 0;
        let numbers = (0..dictionary.len()).map(|code| {
            let text = dictionary.get_bytes(code);
            // Both stand in order of text, and differ in few places.
            if let Some(longest) = longest {
                next = first_from(longest, next, text);
                if next < longest.len() && longest.get_bytes(next) == text {
                    next += 1;
                    return next as u32 - 1;
                }
            }
            *self.others.entry((is_array, text)).or_insert_with(|| {
                self.len += 1;
                self.len - 1
            })
        });
        numbers.collect()
    }
}

/// The first code from `first` on whose text is not less; found in steps that double, as it is near.
fn first_from(dictionary: &Dictionary, first: usize, text: &[u8]) -> usize {
    let is_less = |code: usize| dictionary.get_bytes(code) < text;
    let (mut low, mut step) = (first, 1);
    while low + step <= dictionary.len() && is_less(low + step - 1) {
        low += step;
        step *= 2;
    }
    // The last one known not to be less, or the end.
    let mut high = (low + step - 1).min(dictionary.len());
    while low < high {
        let middle = low.midpoint(high);
        if is_less(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// A number that is the same for equal values of one type, and for no others.
pub(crate) fn key(value: &ValueRef<'_>, texts: &mut HashMap<(bool, String), u64>) -> u128 {
    typed_key(value, |is_array, text| {
        let next = texts.len() as u64;
        *texts.entry((is_array, text.to_owned())).or_insert(next)
    })
}

/// As [`key`], with the numbers of texts and arrays (`true`) from elsewhere.
pub(super) fn typed_key(
    value: &ValueRef<'_>,
    mut number_of: impl FnMut(bool, &str) -> u64,
) -> u128 {
    let (kind, bits) = match value {
        ValueRef::Bool(value) => (0, u64::from(*value)),
        ValueRef::Number(Number::Integer(value)) => (1, *value as u64),
        ValueRef::Number(Number::Float(value)) => {
            let whole = *value as i64;
            if compare_numbers(Number::Integer(whole), Number::Float(*value))
                == Some(Ordering::Equal)
            {
                (1, whole as u64)
            } else if value.is_nan() {
                // However it is written, it is one value.
                (2, f64::NAN.to_bits())
            } else {
                (2, value.to_bits())
            }
        }
        ValueRef::Text(text) => (3, number_of(false, text)),
        ValueRef::Time(at) => (4, *at as u64),
        ValueRef::Array(json) => (5, number_of(true, json)),
    };
    kind << 64 | u128::from(bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kernels;

    fn check<L: Lanes>(numbers: &[u32]) {
        let (mut lanes, mut known) = (L::EMPTY, Vec::new());
        let len = |lanes: L| {
            let lens = [Kernels::Simd, Kernels::Scalar].map(|kernels| {
                let all: Vec<L> = std::iter::repeat_n(lanes, CHUNK_USERS).collect();
                let mut lens = vec![9; CHUNK_USERS];
                let of_users = lens.first_chunk_mut().unwrap();
                L::write_lens(Machine::new(kernels), all.first_chunk().unwrap(), of_users);
                assert!(lens.iter().all(|len| *len == lens[0]));
                lens[0]
            });
            assert_eq!(lens[0], lens[1]);
            lens[0]
        };
        for (place, &number) in numbers.iter().enumerate() {
            let counts = place % 3 != 0;
            lanes = lanes.with(number, counts);
            if counts && !known.contains(&number) {
                known.push(number);
            }
            assert_eq!(len(lanes), (known.len() as u32).min(LANES), "{numbers:?}");
        }
    }

    #[test]
    fn lanes_remember_what_they_saw() {
        let mut seed = 3_u64;
        for round in 0..100 {
            let numbers: Vec<u32> = (0..12)
                .map(|_| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    // Neighbours, and the ends of what a lane can hold.
                    [0, 1, 2, 0x7FFE, 0x7FFF, 0x8000, 0xFFFD, 0xFFFE]
                        [(seed >> 60) as usize % (2 + round % 7)]
                })
                .collect();
            check::<u64>(&numbers);
            check::<u128>(&numbers);
        }
    }
}
