//! One row's value, for the paths that must look at rows one by one.

use crate::truth::ValueRef;
use crowdset_query::Cast;
use crowdset_storage::{Codes, Column, ColumnPart, PartData};
use crowdset_types::{Decimal, Number};
use std::borrow::Cow;

/// The value of a part at a row that it has.
pub(crate) fn part_value(data: &PartData, row: usize) -> ValueRef<'_> {
    match data {
        PartData::Bool(bits) => ValueRef::Bool(bits.get(row)),
        PartData::Integer { base, offsets } => {
            ValueRef::Number(Number::Integer(base.wrapping_add(offsets.get(row) as i64)))
        }
        PartData::Decimal {
            places,
            base,
            offsets,
        } => ValueRef::Number(decimal(*base, *places, offsets.get(row))),
        PartData::Float(values) => ValueRef::Number(Number::Float(values[row])),
        PartData::Time { base, offsets } => {
            ValueRef::Time(base.wrapping_add(offsets.get(row) as i64))
        }
        PartData::Text { dictionary, codes } => {
            ValueRef::Text(Cow::Borrowed(dictionary.get(codes.get(row) as usize)))
        }
        PartData::Array { dictionary, codes } => {
            ValueRef::Array(dictionary.get(codes.get(row) as usize))
        }
    }
}

/// The double that a stored decimal stands for.
pub(crate) fn decimal(base: i64, places: u32, offset: u64) -> Number {
    Number::Float(
        Decimal {
            scaled: base.wrapping_add(offset as i64),
            places,
        }
        .to_f64(),
    )
}

/// The largest offset of a width that does not wrap past the end of 64 bits. Offsets beyond it
/// stand in rows without a value only.
pub(crate) fn last_offset(base: i64, offsets: &Codes) -> u64 {
    let widest = u64::MAX >> (64 - 8 * offsets.width() as u32);
    widest.min(i64::MAX.wrapping_sub(base) as u64)
}

/// A column that may be missing, and a change of type.
#[derive(Clone, Copy)]
pub(crate) struct Values<'a> {
    pub(crate) column: Option<&'a Column>,
    pub(crate) cast: Option<Cast>,
}

impl<'a> Values<'a> {
    /// The value at a row; `None` if there is none or it cannot be changed as asked.
    pub(crate) fn get(&self, row: usize) -> Option<ValueRef<'a>> {
        self.stored(row)?.cast(self.cast)
    }

    fn stored(&self, row: usize) -> Option<ValueRef<'a>> {
        let column = self.column?;
        // A column of users may end before the last user that has been seen in events.
        if row >= column.rows {
            return None;
        }
        column
            .parts
            .iter()
            .find(|part| part.is_present(row))
            .map(|part| part_value(&part.data, row))
    }

    pub(crate) fn parts(&self) -> &'a [ColumnPart] {
        self.column.map_or(&[], |column| &column.parts)
    }

    /// Bytes of a row's value in all parts, for profiles; bits are not counted.
    pub(crate) fn bytes_per_row(&self) -> u64 {
        let width = |part: &ColumnPart| match &part.data {
            PartData::Bool(_) => 0,
            PartData::Float(_) => 8,
            PartData::Integer { offsets: codes, .. }
            | PartData::Decimal { offsets: codes, .. }
            | PartData::Time { offsets: codes, .. }
            | PartData::Text { codes, .. }
            | PartData::Array { codes, .. } => codes.width() as u64,
        };
        self.parts().iter().map(width).sum()
    }
}
