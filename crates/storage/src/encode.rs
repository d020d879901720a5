//! From staged values to columns: one dictionary out of many, the narrowest width, bits only where
//! a value is missing.

use crate::column_meta::{CodesMeta, DataMeta, DictionaryMeta, PartMeta, bit_words};
use crate::error::StorageError;
use crate::image::{ImageWriter, SectionBytes};
use crate::staging::{StagedColumn, StagedPart, StagedTexts};
use crowdset_types::{DECIMAL_PLACES_MAX, as_decimal};
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use rayon::prelude::*;
use std::hash::BuildHasher;

/// One block's values of a column.
#[derive(Debug)]
pub(crate) struct Piece {
    /// The number of the block's first row.
    pub(crate) start: usize,
    /// How many rows the block has.
    pub(crate) rows: usize,
    pub(crate) column: StagedColumn,
}

/// A column, encoded, not yet written.
#[derive(Debug)]
pub(crate) struct EncodedColumn {
    pub(crate) parts: Vec<EncodedPart>,
}

#[derive(Debug)]
pub(crate) struct EncodedPart {
    present: u64,
    presence: Option<SectionBytes>,
    data: EncodedData,
}

#[derive(Debug)]
enum EncodedData {
    Bool(SectionBytes),
    Integer {
        base: i64,
        offsets: EncodedCodes,
    },
    Decimal {
        places: u32,
        base: i64,
        offsets: EncodedCodes,
    },
    Float(SectionBytes),
    Time {
        base: i64,
        offsets: EncodedCodes,
    },
    Text {
        dictionary: EncodedDictionary,
        codes: EncodedCodes,
    },
    Array {
        dictionary: EncodedDictionary,
        codes: EncodedCodes,
    },
}

#[derive(Debug)]
pub(crate) struct EncodedCodes {
    width: u8,
    section: SectionBytes,
}

impl EncodedCodes {
    /// Writes the section `name`.
    pub(crate) fn write(
        &self,
        writer: &mut ImageWriter,
        name: String,
    ) -> Result<CodesMeta, StorageError> {
        Ok(CodesMeta {
            width: self.width,
            section: writer.put_section(name, &self.section)?,
        })
    }
}

/// Distinct texts in byte order.
#[derive(Debug)]
pub(crate) struct EncodedDictionary {
    len: u64,
    bytes: u64,
    offsets: SectionBytes,
    texts: SectionBytes,
}

impl EncodedDictionary {
    /// How many texts.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }
}

impl EncodedColumn {
    /// Writes all sections; `shown` names the column in errors.
    pub(crate) fn write(
        self,
        writer: &mut ImageWriter,
        shown: &str,
    ) -> Result<Vec<PartMeta>, StorageError> {
        self.parts
            .into_iter()
            .map(|part| part.write(writer, shown))
            .collect()
    }
}

impl EncodedPart {
    fn write(self, writer: &mut ImageWriter, shown: &str) -> Result<PartMeta, StorageError> {
        let kind = match &self.data {
            EncodedData::Bool(_) => "bool",
            EncodedData::Integer { .. } => "integer",
            EncodedData::Decimal { .. } => "decimal",
            EncodedData::Float(_) => "float",
            EncodedData::Time { .. } => "time",
            EncodedData::Text { .. } => "text",
            EncodedData::Array { .. } => "array",
        };
        let name = |what: &str| format!("{shown}, {kind} {what}");
        let presence = match &self.presence {
            Some(bits) => Some(writer.put_section(name("presence"), bits)?),
            None => None,
        };
        let put_codes =
            |writer: &mut ImageWriter, codes: &EncodedCodes| codes.write(writer, name("values"));
        let put_dictionary = |writer: &mut ImageWriter, dictionary: &EncodedDictionary| {
            Ok::<_, StorageError>(DictionaryMeta {
                len: dictionary.len,
                bytes: dictionary.bytes,
                offsets: writer.put_section(name("dictionary offsets"), &dictionary.offsets)?,
                texts: writer.put_section(name("dictionary"), &dictionary.texts)?,
            })
        };
        let data = match &self.data {
            EncodedData::Bool(values) => DataMeta::Bool {
                values: writer.put_section(name("values"), values)?,
            },
            EncodedData::Float(values) => DataMeta::Float {
                values: writer.put_section(name("values"), values)?,
            },
            EncodedData::Integer { base, offsets } => DataMeta::Integer {
                base: *base,
                offsets: put_codes(writer, offsets)?,
            },
            EncodedData::Decimal {
                places,
                base,
                offsets,
            } => DataMeta::Decimal {
                places: *places,
                base: *base,
                offsets: put_codes(writer, offsets)?,
            },
            EncodedData::Time { base, offsets } => DataMeta::Time {
                base: *base,
                offsets: put_codes(writer, offsets)?,
            },
            EncodedData::Text { dictionary, codes } => DataMeta::Text {
                dictionary: put_dictionary(writer, dictionary)?,
                codes: put_codes(writer, codes)?,
            },
            EncodedData::Array { dictionary, codes } => DataMeta::Array {
                dictionary: put_dictionary(writer, dictionary)?,
                codes: put_codes(writer, codes)?,
            },
        };
        Ok(PartMeta {
            present: self.present,
            presence,
            data,
        })
    }
}

/// Where the rows of blocks stand in the finished stream.
#[derive(Clone, Copy)]
struct Placement<'a> {
    rows: usize,
    /// By number of arrival; `None`: rows stay where they are.
    places: Option<&'a [u32]>,
}

impl Placement<'_> {
    /// Calls `put` with the final place and the value of each row of a block's part.
    #[inline]
    fn each<T: Copy>(self, start: usize, part: &StagedPart<T>, mut put: impl FnMut(usize, T)) {
        let row_of = |index: usize| {
            if part.rows.is_empty() {
                index
            } else {
                part.rows[index] as usize
            }
        };
        match self.places {
            Some(places) if part.rows.is_empty() => {
                for (place, value) in places[start..].iter().zip(&part.values) {
                    put(*place as usize, *value);
                }
            }
            Some(places) => {
                let places = &places[start..];
                for (row, value) in part.rows.iter().zip(&part.values) {
                    put(places[*row as usize] as usize, *value);
                }
            }
            None => {
                for (index, value) in part.values.iter().enumerate() {
                    put(start + row_of(index), *value);
                }
            }
        }
    }

    /// The bits of the rows that have a value; `None` if all have one.
    fn presence<T: Copy>(self, pieces: &[(usize, StagedPart<T>)]) -> (u64, Option<SectionBytes>) {
        let present: usize = pieces.iter().map(|(_, part)| part.values.len()).sum();
        if present == self.rows {
            return (present as u64, None);
        }
        let mut words = vec![0_u64; bit_words(self.rows)];
        for (start, part) in pieces {
            self.each(*start, part, |place, _| {
                words[place / 64] |= 1 << (place % 64);
            });
        }
        (present as u64, Some(SectionBytes::new(words)))
    }
}

/// Encodes a column of `rows` rows. `places` says where each row, by number of arrival, belongs.
///
/// Values of pieces are dropped as soon as they are encoded, type by type.
pub(crate) fn encode_column(
    shown: &str,
    pieces: Vec<Piece>,
    rows: usize,
    places: Option<&[u32]>,
) -> Result<EncodedColumn, StorageError> {
    let placement = Placement { rows, places };
    let (mut bools, mut integers, mut floats, mut times) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut texts, mut arrays) = (Vec::new(), Vec::new());
    for Piece {
        start,
        rows: block_rows,
        column,
    } in pieces
    {
        check_piece(shown, block_rows, &column)?;
        take(&mut bools, start, column.bools);
        take(&mut integers, start, column.integers);
        take(&mut floats, start, column.floats);
        take(&mut times, start, column.times);
        take_texts(&mut texts, start, column.texts);
        take_texts(&mut arrays, start, column.arrays);
    }
    let mut parts = Vec::new();
    if !bools.is_empty() {
        parts.push(encode_bools(placement, bools));
    }
    if !integers.is_empty() {
        let (present, presence) = placement.presence(&integers);
        let (base, offsets) = encode_offsets(placement, integers);
        parts.push(EncodedPart {
            present,
            presence,
            data: EncodedData::Integer { base, offsets },
        });
    }
    if !floats.is_empty() {
        parts.push(encode_floats(placement, floats));
    }
    if !times.is_empty() {
        let (present, presence) = placement.presence(&times);
        let (base, offsets) = encode_offsets(placement, times);
        parts.push(EncodedPart {
            present,
            presence,
            data: EncodedData::Time { base, offsets },
        });
    }
    for (texts, is_text) in [(texts, true), (arrays, false)] {
        if texts.is_empty() {
            continue;
        }
        let (present, presence, dictionary, codes) = encode_texts(shown, placement, texts)?;
        let data = if is_text {
            EncodedData::Text { dictionary, codes }
        } else {
            EncodedData::Array { dictionary, codes }
        };
        parts.push(EncodedPart {
            present,
            presence,
            data,
        });
    }
    Ok(EncodedColumn { parts })
}

/// Refuses parts whose rows and values do not belong together, so that what follows may index.
fn check_piece(shown: &str, rows: usize, column: &StagedColumn) -> Result<(), StorageError> {
    fn fits<T>(rows: usize, part: &StagedPart<T>) -> bool {
        if part.rows.is_empty() {
            return part.values.len() <= rows;
        }
        part.rows.len() == part.values.len()
            && part.rows.is_sorted_by(|left, right| left < right)
            && part.rows.last().is_none_or(|last| (*last as usize) < rows)
    }
    fn texts_fit(rows: usize, texts: &StagedTexts) -> bool {
        fits(rows, &texts.codes)
            && texts.ends.is_sorted()
            && texts.ends.last().map_or(0, |end| *end as usize) == texts.bytes.len()
            && texts
                .codes
                .values
                .iter()
                .all(|code| (*code as usize) < texts.ends.len())
    }
    let all = fits(rows, &column.bools)
        && fits(rows, &column.integers)
        && fits(rows, &column.floats)
        && fits(rows, &column.times)
        && texts_fit(rows, &column.texts)
        && texts_fit(rows, &column.arrays);
    if all {
        return Ok(());
    }
    Err(StorageError::BadRows {
        event: shown.to_owned(),
        what: "rows, values and codes disagree".to_owned(),
    })
}

fn take<T>(pieces: &mut Vec<(usize, StagedPart<T>)>, start: usize, part: StagedPart<T>) {
    if !part.values.is_empty() {
        pieces.push((start, part));
    }
}

fn take_texts(pieces: &mut Vec<(usize, StagedTexts)>, start: usize, texts: StagedTexts) {
    if !texts.codes.values.is_empty() {
        pieces.push((start, texts));
    }
}

fn encode_bools(placement: Placement<'_>, pieces: Vec<(usize, StagedPart<bool>)>) -> EncodedPart {
    let (present, presence) = placement.presence(&pieces);
    let mut words = vec![0_u64; bit_words(placement.rows)];
    for (start, part) in pieces {
        placement.each(start, &part, |place, value| {
            words[place / 64] |= u64::from(value) << (place % 64);
        });
    }
    EncodedPart {
        present,
        presence,
        data: EncodedData::Bool(SectionBytes::new(words)),
    }
}

/// Integers as the smallest, and how much larger each is.
fn encode_offsets(
    placement: Placement<'_>,
    pieces: Vec<(usize, StagedPart<i64>)>,
) -> (i64, EncodedCodes) {
    let (mut low, mut high) = (i64::MAX, i64::MIN);
    for value in pieces.iter().flat_map(|(_, part)| &part.values) {
        low = low.min(*value);
        high = high.max(*value);
    }
    let codes = scatter(placement.rows, high.wrapping_sub(low) as u64, |sink| {
        for (start, part) in pieces {
            placement.each(start, &part, |place, value| {
                sink.put(place, value.wrapping_sub(low) as u64);
            });
        }
    });
    (low, codes)
}

fn encode_floats(placement: Placement<'_>, pieces: Vec<(usize, StagedPart<f64>)>) -> EncodedPart {
    let (present, presence) = placement.presence(&pieces);
    if let Some(places) = decimal_places(&pieces) {
        let power = 10_f64.powi(places as i32);
        let scaled: Vec<(usize, StagedPart<i64>)> = pieces
            .into_iter()
            .map(|(start, part)| {
                let values = part
                    .values
                    .iter()
                    .map(|value| (value * power).round() as i64)
                    .collect();
                (
                    start,
                    StagedPart {
                        rows: part.rows,
                        values,
                    },
                )
            })
            .collect();
        let (base, offsets) = encode_offsets(placement, scaled);
        return EncodedPart {
            present,
            presence,
            data: EncodedData::Decimal {
                places,
                base,
                offsets,
            },
        };
    }
    let mut values = vec![0_f64; placement.rows];
    for (start, part) in pieces {
        placement.each(start, &part, |place, value| values[place] = value);
    }
    EncodedPart {
        present,
        presence,
        data: EncodedData::Float(SectionBytes::new(values)),
    }
}

/// The fewest decimal places at which every double is exactly an integer of 53 bits, divided by a
/// power of ten; `None` if there are none. Negative zero counts as zero.
fn decimal_places(pieces: &[(usize, StagedPart<f64>)]) -> Option<u32> {
    // The bound of `as_decimal`: below it, division by a power of ten gives back the same double.
    const SCALED_MAX: f64 = 9_007_199_254_740_992.0;
    let is_exact = |value: f64, power: f64| {
        let scaled = (value * power).round();
        scaled.abs() < SCALED_MAX && scaled / power == value
    };
    let mut places = 0;
    let mut power = 1.0;
    let values = || {
        pieces
            .iter()
            .flat_map(|(_, part)| part.values.iter().copied())
    };
    for value in values() {
        if !is_exact(value, power) {
            places = places.max(as_decimal(value)?.places);
            power = 10_f64.powi(places as i32);
        }
    }
    // A value seen early may be too large for the places that a later one needs.
    (places <= DECIMAL_PLACES_MAX && values().all(|value| is_exact(value, power))).then_some(places)
}

/// Numbers at the narrowest width that holds `largest`.
pub(crate) fn scatter(rows: usize, largest: u64, fill: impl FnOnce(&mut Sink)) -> EncodedCodes {
    let mut sink = match largest {
        0..=0xff => Sink::U8(vec![0; rows]),
        0x100..=0xffff => Sink::U16(vec![0; rows]),
        0x1_0000..=0xffff_ffff => Sink::U32(vec![0; rows]),
        _ => Sink::U64(vec![0; rows]),
    };
    fill(&mut sink);
    match sink {
        Sink::U8(values) => EncodedCodes {
            width: 1,
            section: SectionBytes::new(values),
        },
        Sink::U16(values) => EncodedCodes {
            width: 2,
            section: SectionBytes::new(values),
        },
        Sink::U32(values) => EncodedCodes {
            width: 4,
            section: SectionBytes::new(values),
        },
        Sink::U64(values) => EncodedCodes {
            width: 8,
            section: SectionBytes::new(values),
        },
    }
}

pub(crate) enum Sink {
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
    U64(Vec<u64>),
}

impl Sink {
    /// The width never changes between two calls: the branch is predicted.
    #[inline]
    pub(crate) fn put(&mut self, place: usize, value: u64) {
        match self {
            Self::U8(values) => values[place] = value as u8,
            Self::U16(values) => values[place] = value as u16,
            Self::U32(values) => values[place] = value as u32,
            Self::U64(values) => values[place] = value,
        }
    }
}

type EncodedTexts = (u64, Option<SectionBytes>, EncodedDictionary, EncodedCodes);

/// Texts of many blocks, each with a dictionary of its own, over one dictionary in byte order.
fn encode_texts(
    shown: &str,
    placement: Placement<'_>,
    pieces: Vec<(usize, StagedTexts)>,
) -> Result<EncodedTexts, StorageError> {
    let (distinct, numbers) = distinct_texts(&pieces);
    let (dictionary, ranks) = sorted_dictionary(shown, &distinct)?;
    drop(distinct);
    let parts: Vec<(usize, StagedPart<u32>)> = pieces
        .into_iter()
        .zip(numbers)
        .map(|((start, texts), mut numbers)| {
            for number in &mut numbers {
                *number = ranks[*number as usize];
            }
            let StagedPart { rows, mut values } = texts.codes;
            for code in &mut values {
                *code = numbers[*code as usize];
            }
            (start, StagedPart { rows, values })
        })
        .collect();
    let (present, presence) = placement.presence(&parts);
    let codes = scatter(placement.rows, dictionary.len.saturating_sub(1), |sink| {
        for (start, part) in parts {
            placement.each(start, &part, |place, code| sink.put(place, u64::from(code)));
        }
    });
    Ok((present, presence, dictionary, codes))
}

/// The texts of all blocks, each once if there are several, and, for each block, what its codes are
/// among them.
fn distinct_texts(pieces: &[(usize, StagedTexts)]) -> (Vec<&[u8]>, Vec<Vec<u32>>) {
    let mut of_blocks = pieces
        .iter()
        .map(|(_, texts)| split_texts(&texts.bytes, &texts.ends));
    // Those of one block differ as a rule, and where they do not the dictionary sees it: an e-mail for
    // every user is not looked up again.
    if pieces.len() == 1
        && let Some(distinct) = of_blocks.next()
    {
        let numbers = (0..distinct.len() as u32).collect();
        return (distinct, vec![numbers]);
    }
    let hasher = FixedState::default();
    let mut table: HashTable<u32> = HashTable::new();
    let mut distinct: Vec<&[u8]> = Vec::new();
    let mut numbers: Vec<Vec<u32>> = Vec::with_capacity(pieces.len());
    for texts in of_blocks {
        let of_block = texts.into_iter().map(|text| {
            let found = table.entry(
                hasher.hash_one(text),
                |number| distinct[*number as usize] == text,
                |number| hasher.hash_one(distinct[*number as usize]),
            );
            match found {
                hashbrown::hash_table::Entry::Occupied(entry) => *entry.get(),
                hashbrown::hash_table::Entry::Vacant(entry) => {
                    let number = distinct.len() as u32;
                    entry.insert(number);
                    distinct.push(text);
                    number
                }
            }
        });
        numbers.push(of_block.collect());
    }
    (distinct, numbers)
}

/// A text part whose codes and presence are known; bits of rows without a value are zero.
pub(crate) fn encode_text_part(
    dictionary: EncodedDictionary,
    codes: &[u32],
    present: Vec<u64>,
) -> EncodedPart {
    let count: u64 = present
        .iter()
        .map(|word| u64::from(word.count_ones()))
        .sum();
    let presence = (count < codes.len() as u64).then(|| SectionBytes::new(present));
    let codes = scatter(codes.len(), dictionary.len.saturating_sub(1), |sink| {
        for (row, code) in codes.iter().enumerate() {
            sink.put(row, u64::from(*code));
        }
    });
    EncodedPart {
        present: count,
        presence,
        data: EncodedData::Text { dictionary, codes },
    }
}

/// The texts in byte order, each once, and the rank of each.
pub(crate) fn sorted_dictionary(
    shown: &str,
    distinct: &[&[u8]],
) -> Result<(EncodedDictionary, Vec<u32>), StorageError> {
    let total: u64 = distinct.iter().map(|text| text.len() as u64).sum();
    let limit = u64::from(u32::MAX);
    if total > limit || distinct.len() as u64 >= limit {
        let what = format!("bytes of distinct texts of `{shown}`");
        return Err(StorageError::TooLarge {
            what,
            found: total.max(distinct.len() as u64),
            limit,
        });
    }
    let mut order: Vec<u32> = (0..distinct.len() as u32).collect();
    let by_text = |left: &u32, right: &u32| distinct[*left as usize].cmp(distinct[*right as usize]);
    // Hand-over to other threads costs more than sorting a short list.
    if order.len() > 20_000 {
        order.par_sort_unstable_by(by_text);
    } else {
        order.sort_unstable_by(by_text);
    }
    let mut ranks = vec![0; order.len()];
    let mut offsets = Vec::with_capacity(order.len() + 1);
    let mut texts = Vec::with_capacity(total as usize);
    for number in &order {
        let text = distinct[*number as usize];
        let is_known = offsets
            .last()
            .is_some_and(|before| texts[*before as usize..] == *text);
        if !is_known {
            offsets.push(texts.len() as u32);
            texts.extend_from_slice(text);
        }
        ranks[*number as usize] = offsets.len() as u32 - 1;
    }
    let len = offsets.len() as u64;
    offsets.push(texts.len() as u32);
    let dictionary = EncodedDictionary {
        len,
        bytes: texts.len() as u64,
        offsets: SectionBytes::new(offsets),
        texts: SectionBytes::new(texts),
    };
    Ok((dictionary, ranks))
}

/// The texts of an arena.
pub(crate) fn split_texts<'a>(bytes: &'a [u8], ends: &[u32]) -> Vec<&'a [u8]> {
    let mut start = 0;
    ends.iter()
        .map(|end| {
            let text = &bytes[start..*end as usize];
            start = *end as usize;
            text
        })
        .collect()
}

/// Gives each distinct text a number, in order of first appearance.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    table: HashTable<u32>,
    ends: Vec<usize>,
    bytes: Vec<u8>,
}

impl Interner {
    pub(crate) fn intern(&mut self, text: &[u8]) -> u32 {
        let Self { table, ends, bytes } = self;
        let hasher = FixedState::default();
        let at = |number: u32| text_at(bytes, ends, number);
        let found = table.entry(
            hasher.hash_one(text),
            |number| at(*number) == text,
            |number| hasher.hash_one(at(*number)),
        );
        match found {
            hashbrown::hash_table::Entry::Occupied(entry) => *entry.get(),
            hashbrown::hash_table::Entry::Vacant(entry) => {
                let number = ends.len() as u32;
                entry.insert(number);
                bytes.extend_from_slice(text);
                ends.push(bytes.len());
                number
            }
        }
    }

    /// Begins to give new numbers, to used texts only.
    pub(crate) fn renumber(&self) -> Renumbering<'_> {
        Renumbering {
            interner: self,
            numbers: vec![u32::MAX; self.ends.len()],
            used: Vec::new(),
        }
    }
}

fn text_at<'a>(bytes: &'a [u8], ends: &[usize], number: u32) -> &'a [u8] {
    let number = number as usize;
    let start = if number == 0 { 0 } else { ends[number - 1] };
    &bytes[start..ends[number]]
}

/// New numbers for the texts of an [`Interner`] that are still in use.
pub(crate) struct Renumbering<'a> {
    interner: &'a Interner,
    numbers: Vec<u32>,
    used: Vec<u32>,
}

impl Renumbering<'_> {
    pub(crate) fn code(&mut self, old: u32) -> u32 {
        let number = &mut self.numbers[old as usize];
        if *number == u32::MAX {
            *number = self.used.len() as u32;
            self.used.push(old);
        }
        *number
    }

    /// The used texts and where each ends.
    pub(crate) fn finish(self, shown: &str) -> Result<(Vec<u8>, Vec<u32>), StorageError> {
        let (mut bytes, mut ends) = (Vec::new(), Vec::with_capacity(self.used.len()));
        for number in &self.used {
            bytes.extend_from_slice(text_at(&self.interner.bytes, &self.interner.ends, *number));
            ends.push(
                u32::try_from(bytes.len()).map_err(|_| StorageError::TooLarge {
                    what: format!("bytes of distinct texts of `{shown}`"),
                    found: bytes.len() as u64,
                    limit: u64::from(u32::MAX),
                })?,
            );
        }
        Ok((bytes, ends))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dictionary_has_each_text_once() {
        let texts: [&[u8]; 5] = [b"b", b"", b"a", b"b", b""];
        let (dictionary, ranks) = sorted_dictionary("e.p", &texts).unwrap();
        assert_eq!((dictionary.len, dictionary.bytes), (3, 2));
        assert_eq!(ranks, [2, 0, 1, 2, 0]);
    }
}
