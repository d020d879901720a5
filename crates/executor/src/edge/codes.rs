//! What a text property is in the first or the last row of each user.
//!
//! A byte per user, so that a test of the property is a comparison of bytes and reads neither rows nor
//! their numbers. Each partition has a dictionary of its own; here the texts of all of them are put in
//! one order.

use super::{Edge, no_row};
use crate::dataset::Binder;
use crate::filter::runs;
use crate::kernel::Machine;
use crate::summary::Table;
use crate::truth::{Truth, ValueRef};
use crate::words::Words;
use crowdset_query::PlanTest;
use crowdset_storage::{ColumnPart, Dictionary, PartData, Stream};
use crowdset_types::{CHUNK_USERS, ChunkId};
use std::borrow::Cow;
use std::sync::Arc;

/// The user has no row.
const NO_ROW: u8 = 0;

/// The row has no value.
const NO_VALUE: u8 = 1;

/// The byte of the first text.
const FIRST_TEXT: usize = 2;

/// More texts have no place in a byte.
const TEXTS_MAX: usize = 256 - FIRST_TEXT;

/// A byte per user, made when they are first asked for and kept.
#[derive(Debug)]
pub(crate) struct EdgeCodes {
    /// Those of all partitions, ascending.
    texts: Box<[Box<str>]>,
    of_chunks: Table<Box<[u8]>>,
}

impl EdgeCodes {
    /// `None` if the property has values that are not text, or too many of them, or is damaged.
    fn new(edge: &Edge<'_>, property: &str) -> Option<Self> {
        let mut texts: Vec<&str> = Vec::new();
        for (_, stream) in &edge.streams {
            if let Some((_, dictionary)) = text(stream, property).ok()? {
                if dictionary.len() > TEXTS_MAX {
                    return None;
                }
                texts.extend((0..dictionary.len()).map(|code| dictionary.get(code)));
            }
        }
        texts.sort_unstable();
        texts.dedup();
        (texts.len() <= TEXTS_MAX).then(|| Self {
            texts: texts.into_iter().map(Box::from).collect(),
            of_chunks: Table::new(edge.table.chunks()),
        })
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.of_chunks.bytes()
    }

    fn make(&self, edge: &Edge<'_>, property: &str, machine: Machine, chunk: ChunkId) -> Box<[u8]> {
        let mut bytes = vec![NO_ROW; CHUNK_USERS].into_boxed_slice();
        let Some(numbers) = edge.numbers(machine, chunk) else {
            return bytes;
        };
        let mut first = 1;
        for (_, stream) in &edge.streams {
            let rows = stream.chunk_rows(chunk);
            let of_stream = first..first + rows.len() as u32;
            // Damage was found when this was bound.
            let values = text(stream, property).ok().flatten();
            let of_codes: Vec<u8> = values.as_ref().map_or(Vec::new(), |(_, dictionary)| {
                let texts = (0..dictionary.len()).map(|code| dictionary.get(code));
                texts.map(|text| self.byte(text)).collect()
            });
            for (byte, &number) in bytes.iter_mut().zip(numbers) {
                if number == no_row(edge.end) || !of_stream.contains(&number) {
                    continue;
                }
                let row = rows.start + (number - first) as usize;
                *byte = match &values {
                    Some((part, _)) if part.is_present(row) => match &part.data {
                        PartData::Text { codes, .. } => of_codes[codes.get(row) as usize],
                        _ => NO_VALUE,
                    },
                    _ => NO_VALUE,
                };
            }
            first = of_stream.end;
        }
        bytes
    }

    fn byte(&self, text: &str) -> u8 {
        let found = self.texts.binary_search_by(|other| (**other).cmp(text));
        found.map_or(NO_VALUE, |place| (FIRST_TEXT + place) as u8)
    }
}

/// A property has other values than text, or is damaged.
struct NotText;

/// A property's values and texts; `None` if it does not occur.
fn text<'a>(
    stream: &'a Stream,
    property: &str,
) -> Result<Option<(&'a ColumnPart, &'a Dictionary)>, NotText> {
    let Some(column) = stream.property(property).map_err(|_| NotText)? else {
        return Ok(None);
    };
    match &column.parts[..] {
        [] => Ok(None),
        [part] => match &part.data {
            PartData::Text { dictionary, .. } => Ok(Some((part, dictionary))),
            _ => Err(NotText),
        },
        _ => Err(NotText),
    }
}

/// A test of a property in the first or last rows.
pub(crate) struct EdgeTest<'a> {
    codes: Arc<EdgeCodes>,
    property: &'a str,
    /// The bytes that pass, both ends inclusive.
    ranges: Vec<(u8, u8)>,
}

impl<'a> EdgeTest<'a> {
    /// `None` if the property is not kept, or the test needs more than it.
    pub(crate) fn bind(
        binder: Binder<'a>,
        edge: &Edge<'_>,
        property: &'a str,
        test: &PlanTest,
    ) -> Option<Self> {
        if matches!(test, PlanTest::CompareAttribute(..)) {
            return None;
        }
        let (_, stream) = edge.streams.first()?;
        let codes = binder.dataset.summaries.codes(
            edge.end,
            stream.name(),
            property,
            edge.table.chunks(),
            || EdgeCodes::new(edge, property),
        )?;
        let truth = Truth::new(Cow::Borrowed(test), false).ok()?;
        let passes = |text: &str| match test {
            PlanTest::IsSet => true,
            PlanTest::IsNotSet => false,
            _ => truth.of(&ValueRef::Text(Cow::Borrowed(text))),
        };
        let without = [NO_ROW, NO_VALUE]
            .map(|byte| u8::from(byte == NO_VALUE && matches!(test, PlanTest::IsNotSet)));
        let mut table = Vec::from(without);
        table.extend(codes.texts.iter().map(|text| u8::from(passes(text))));
        let ranges = runs(&table, usize::MAX).into_iter();
        let ranges = ranges.map(|(low, high)| (low as u8, high as u8)).collect();
        Some(Self {
            codes,
            property,
            ranges,
        })
    }

    /// The users of whose row the test is true; `None` beyond the last chunk.
    pub(crate) fn passing(
        &self,
        edge: &Edge<'_>,
        machine: Machine,
        chunk: ChunkId,
    ) -> Option<Words> {
        let make = || self.codes.make(edge, self.property, machine, chunk);
        let bytes = self.codes.of_chunks.get_or_make(chunk, make)?;
        let mut passing = crate::words::EMPTY;
        match &self.ranges[..] {
            [] => {}
            [(low, high)] => {
                machine.counters_within(bytes.as_array()?, *low, *high, false, &mut passing);
            }
            ranges => {
                let mut flags = [0; CHUNK_USERS];
                for (low, high) in ranges {
                    machine.or_code_range(bytes, *low, high - low, &mut flags);
                }
                machine.pack(&flags, &mut passing);
            }
        }
        Some(passing)
    }
}
