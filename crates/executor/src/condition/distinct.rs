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
use crowdset_storage::{Bits, Codes, PartData};
use crowdset_types::{CHUNK_USERS, Number, compare_numbers};
use hashbrown::HashMap;
use std::cmp::Ordering;
use std::hint::select_unpredictable;

/// Thresholds up to this one need no more than so many values of each user to be remembered.
pub(crate) const SLOTS: usize = 4;

/// An empty slot: no dictionary has so many texts.
const NO_CODE: u32 = u32::MAX;

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
        let mut numbers: HashMap<(bool, &'a [u8]), u32> = HashMap::new();
        let parts_len: usize = values.iter().map(|values| values.parts().len()).sum();
        let mut len = 0;
        let sources = values
            .iter()
            .map(|values| {
                let parts = values.parts().iter().filter_map(|part| {
                    let (is_array, dictionary, codes) = match &part.data {
                        PartData::Text { dictionary, codes } => (false, dictionary, codes),
                        PartData::Array { dictionary, codes } => (true, dictionary, codes),
                        _ => return None,
                    };
                    let of_codes = (0..dictionary.len())
                        .map(|code| {
                            // One part alone needs no common numbers.
                            if parts_len == 1 {
                                len = code as u32 + 1;
                                return code as u32;
                            }
                            let next = numbers.len() as u32;
                            len = len.max(next + 1);
                            *numbers
                                .entry((is_array, dictionary.get_bytes(code)))
                                .or_insert(next)
                        })
                        .collect();
                    Some(CodedPart {
                        presence: part.presence.as_ref(),
                        codes,
                        numbers: of_codes,
                    })
                });
                parts.collect()
            })
            .collect();
        Keys::Codes {
            sources,
            len: u64::from(len),
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
                if *len > BITS_MAX && self.max < SLOTS as u64 {
                    few(pass, &visit_all)
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

/// Remembers up to [`SLOTS`] values of each user, side by side.
fn few(pass: &mut ChunkPass<'_>, visit_all: VisitAll<'_>) -> Box<[u32; CHUNK_USERS]> {
    let mut slots = std::mem::take(&mut pass.scratch.slots);
    slots.clear();
    slots.resize(CHUNK_USERS, [NO_CODE; SLOTS]);
    let mut counts = pass.scratch.u32s.take();
    counts.fill(0);
    visit_all(pass, &mut |users, mask, numbers| {
        for ((&user, &mask), &number) in users.iter().zip(mask).zip(numbers) {
            let user = user as usize & (CHUNK_USERS - 1);
            let (slots, count) = (&mut slots[user], &mut counts[user]);
            let seen = slots
                .iter()
                .fold(false, |seen, &slot| seen | (slot == number));
            let is_new = (mask == 1) & !seen & (*count < SLOTS as u32);
            let slot = &mut slots[*count as usize % SLOTS];
            *slot = select_unpredictable(is_new, number, *slot);
            *count += u32::from(is_new);
        }
    });
    pass.scratch.slots = slots;
    counts
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
