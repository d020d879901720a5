//! Values as numbers: equal values of one type have one number, whatever stream they come from.

use super::distinct::typed_key;
use crate::EvalError;
use crate::value::part_value;
use crowdset_storage::{Codes, ColumnPart, PartData, Stream};
use hashbrown::HashMap;

/// The numbers that texts and arrays have been given.
pub(super) type Numbers<'a> = HashMap<(bool, &'a [u8]), u64>;

/// A property of one stream.
pub(super) struct KeyColumn<'a> {
    parts: Vec<KeyPart<'a>>,
}

struct KeyPart<'a> {
    part: &'a ColumnPart,
    /// For texts and arrays: the number of each code.
    coded: Option<(bool, &'a Codes, Vec<u64>)>,
}

impl<'a> KeyColumn<'a> {
    pub(super) fn bind(
        stream: &'a Stream,
        path: &str,
        numbers: &mut Numbers<'a>,
    ) -> Result<Self, EvalError> {
        let column = stream.property(path)?;
        let parts = column.map_or(&[][..], |column| &column.parts);
        let parts = parts.iter().map(|part| {
            let coded = match &part.data {
                PartData::Text { dictionary, codes } => Some((false, dictionary, codes)),
                PartData::Array { dictionary, codes } => Some((true, dictionary, codes)),
                _ => None,
            };
            let coded = coded.map(|(is_array, dictionary, codes)| {
                let of_codes = (0..dictionary.len()).map(|code| {
                    let next = numbers.len() as u64;
                    *numbers
                        .entry((is_array, dictionary.get_bytes(code)))
                        .or_insert(next)
                });
                (is_array, codes, of_codes.collect())
            });
            KeyPart { part, coded }
        });
        Ok(Self {
            parts: parts.collect(),
        })
    }

    /// The number of a row's value; `None` if there is none, or one that equals nothing.
    pub(super) fn key(&self, row: usize) -> Option<u128> {
        let KeyPart { part, coded } = self.parts.iter().find(|part| part.part.is_present(row))?;
        if let Some((is_array, codes, numbers)) = coded {
            let number = numbers.get(codes.get(row) as usize)?;
            return Some(u128::from(*is_array) << 64 | u128::from(*number));
        }
        let value = part_value(&part.data, row);
        if value.is_nan() {
            return None;
        }
        // Texts and arrays have taken kinds 0 and 1.
        Some(typed_key(&value, |_, _| 0) + (2 << 64))
    }
}
