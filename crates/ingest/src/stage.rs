//! Builds one [`StagedBlock`] row by row, without an allocation per row or value.

use crate::texts::{TextCodes, TextTooLarge};
use crowdset_storage::{StagedBlock, StagedColumn, StagedPart, StagedRows};
use hashbrown::HashTable;
use std::hash::BuildHasher;

/// One value on its way into a block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum ValueRef<'a> {
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(&'a str),
    Time(i64),
    /// Compact JSON text of an array.
    Array(&'a str),
}

/// No row of a block has this number: blocks hold far fewer.
pub(crate) const NO_ROW: u32 = u32::MAX;

/// The values of one property of one stream.
#[derive(Debug)]
pub(crate) struct PropertyBuilder {
    pub(crate) path: Box<str>,
    /// Whether there is a dot in the path.
    pub(crate) has_dot: bool,
    key: Option<Key>,
    /// The reading of a JSON text that named this path last; see [`crate::json::JsonReader`].
    pub(crate) seen_in: u64,
    /// The row for which a plain column gave the value last; it wins over JSON.
    pub(crate) column_row: u32,
    /// How many values there may be.
    expected: usize,
    staged: StagedColumn,
    text_codes: TextCodes,
    array_codes: TextCodes,
}

/// How a path stands in JSON as the key of a flat object, up to the closing quote.
#[derive(Debug)]
struct Key {
    /// The first eight bytes, as far as there are.
    head: u64,
    mask: u64,
    text: Box<str>,
}

impl Key {
    /// `None` for a path that JSON would escape.
    fn new(path: &str) -> Option<Self> {
        let escaped = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
        if path.as_bytes().iter().any(escaped) {
            return None;
        }
        let text = format!("{path}\"");
        let mut head = [0; 8];
        let count = text.len().min(8);
        head[..count].copy_from_slice(&text.as_bytes()[..count]);
        Some(Self {
            head: u64::from_le_bytes(head),
            mask: u64::MAX >> (64 - 8 * count),
            text: text.into(),
        })
    }

    /// Whether some bytes begin with the key.
    #[inline]
    fn begins(&self, bytes: &[u8]) -> bool {
        let Some(first) = bytes.first_chunk() else {
            return bytes.starts_with(self.text.as_bytes());
        };
        (u64::from_le_bytes(*first) ^ self.head) & self.mask == 0
            && (self.text.len() <= 8 || bytes[8..].starts_with(&self.text.as_bytes()[8..]))
    }
}

impl PropertyBuilder {
    fn new(path: &str, expected: usize) -> Self {
        Self {
            path: path.into(),
            has_dot: path.contains('.'),
            key: Key::new(path),
            seen_in: 0,
            column_row: NO_ROW,
            expected,
            staged: StagedColumn::default(),
            text_codes: TextCodes::default(),
            array_codes: TextCodes::default(),
        }
    }

    /// Whether some bytes begin with the path and a closing quote; then the quote's place.
    #[inline]
    pub(crate) fn key_end(&self, bytes: &[u8]) -> Option<usize> {
        let key = self.key.as_ref()?;
        key.begins(bytes).then(|| key.text.len() - 1)
    }

    pub(crate) fn push(
        &mut self,
        row: u32,
        value: ValueRef<'_>,
        hasher: &foldhash::fast::FixedState,
    ) -> Result<(), TextTooLarge> {
        let room = self.expected;
        match value {
            ValueRef::Bool(value) => push_part(&mut self.staged.bools, row, value, room),
            ValueRef::Integer(value) => push_part(&mut self.staged.integers, row, value, room),
            // One zero: JSON's `-0` and `-0.0` are the number 0.
            ValueRef::Float(value) => push_part(&mut self.staged.floats, row, value + 0.0, room),
            ValueRef::Time(value) => push_part(&mut self.staged.times, row, value, room),
            ValueRef::Text(text) => {
                let texts = &mut self.staged.texts;
                let code = self.text_codes.intern(texts, text, hasher)?;
                push_part(&mut texts.codes, row, code, room);
            }
            ValueRef::Array(text) => {
                let arrays = &mut self.staged.arrays;
                let code = self.array_codes.intern(arrays, text, hasher)?;
                push_part(&mut arrays.codes, row, code, room);
            }
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        let staged = &self.staged;
        staged.bools.values.is_empty()
            && staged.integers.values.is_empty()
            && staged.floats.values.is_empty()
            && staged.times.values.is_empty()
            && staged.texts.codes.values.is_empty()
            && staged.arrays.codes.values.is_empty()
    }
}

/// Appends a value; the first one makes room for as many as are expected.
#[inline]
fn push_part<T>(part: &mut StagedPart<T>, row: u32, value: T, room: usize) {
    if part.values.is_empty() {
        part.values.reserve_exact(room);
    }
    if !part.rows.is_empty() {
        part.rows.push(row);
    } else if part.values.len() != row as usize {
        // The first gap: until now the rows were 0, 1, 2, … and needed no list.
        part.rows.extend(0..part.values.len() as u32);
        part.rows.push(row);
    }
    part.values.push(value);
}

/// The rows of one event name of the block.
#[derive(Debug)]
pub(crate) struct StreamBuilder {
    name: Box<str>,
    pub(crate) rows: StagedRows,
    pub(crate) properties: Vec<PropertyBuilder>,
    by_path: HashTable<u32>,
    /// Where each plain column's values go, by the number it has in `plain_file`.
    plain: Vec<u32>,
    plain_file: usize,
    /// How many rows there may be.
    expected: usize,
}

impl StreamBuilder {
    fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            rows: StagedRows::default(),
            properties: Vec::new(),
            by_path: HashTable::new(),
            plain: Vec::new(),
            plain_file: usize::MAX,
            expected: 0,
        }
    }

    /// Makes room for so many rows, before the first one comes: memory that grows by doubling is
    /// copied over and over, and half of it may stay unused until the partition is sealed.
    pub(crate) fn expect_rows(&mut self, expected: usize) {
        self.expected = expected;
        self.rows.users.reserve_exact(expected);
        self.rows.times.reserve_exact(expected);
        self.rows.positions.reserve_exact(expected);
    }

    /// The slot of a property, made where there is none. `guess` is tried first.
    pub(crate) fn slot(
        &mut self,
        path: &str,
        guess: usize,
        hasher: &foldhash::fast::FixedState,
    ) -> usize {
        if self
            .properties
            .get(guess)
            .is_some_and(|property| *property.path == *path)
        {
            return guess;
        }
        let hash = hasher.hash_one(path.as_bytes());
        let properties = &mut self.properties;
        let entry = self.by_path.entry(
            hash,
            |&slot| *properties[slot as usize].path == *path,
            |&slot| hasher.hash_one(properties[slot as usize].path.as_bytes()),
        );
        match entry {
            hashbrown::hash_table::Entry::Occupied(found) => *found.get() as usize,
            hashbrown::hash_table::Entry::Vacant(vacant) => {
                let slot = properties.len();
                vacant.insert(slot as u32);
                properties.push(PropertyBuilder::new(path, self.expected));
                slot
            }
        }
    }

    /// The slot of plain column number `column` of file number `file`, whose property is `path`.
    pub(crate) fn plain_slot(
        &mut self,
        file: usize,
        column: usize,
        path: &str,
        hasher: &foldhash::fast::FixedState,
    ) -> usize {
        if self.plain_file != file {
            self.plain_file = file;
            self.plain.clear();
        }
        if let Some(&slot) = self.plain.get(column)
            && slot != NO_ROW
        {
            return slot as usize;
        }
        let slot = self.slot(path, 0, hasher);
        if self.plain.len() <= column {
            self.plain.resize(column + 1, NO_ROW);
        }
        self.plain[column] = slot as u32;
        slot
    }

    /// The number the next row will have.
    pub(crate) fn next_row(&self) -> u32 {
        self.rows.times.len() as u32
    }

    /// Adds the row that the properties of [`StreamBuilder::next_row`] belong to.
    pub(crate) fn push_row(&mut self, user: u32, time: i64, position: u32) {
        self.rows.users.push(user);
        self.rows.times.push(time);
        self.rows.positions.push(position);
    }
}

/// A [`StagedBlock`] that grows row by row.
#[derive(Debug, Default)]
pub(crate) struct BlockBuilder {
    pub(crate) streams: Vec<StreamBuilder>,
    by_name: HashTable<u32>,
    pub(crate) hasher: foldhash::fast::FixedState,
}

impl BlockBuilder {
    /// The stream of an event name, made where there is none.
    pub(crate) fn stream(&mut self, name: &str) -> usize {
        let hash = self.hasher.hash_one(name.as_bytes());
        let streams = &mut self.streams;
        let hasher = &self.hasher;
        let entry = self.by_name.entry(
            hash,
            |&index| *streams[index as usize].name == *name,
            |&index| hasher.hash_one(streams[index as usize].name.as_bytes()),
        );
        match entry {
            hashbrown::hash_table::Entry::Occupied(found) => *found.get() as usize,
            hashbrown::hash_table::Entry::Vacant(vacant) => {
                let index = streams.len();
                vacant.insert(index as u32);
                streams.push(StreamBuilder::new(name));
                index
            }
        }
    }

    /// The block; properties without any value and streams without rows are left out.
    pub(crate) fn finish(self) -> StagedBlock {
        let mut block = StagedBlock::default();
        for stream in self.streams {
            if stream.rows.times.is_empty() {
                continue;
            }
            let mut rows = stream.rows;
            for property in stream.properties {
                if !property.is_empty() {
                    rows.properties
                        .insert(property.path.into_string(), property.staged);
                }
            }
            block.streams.insert(stream.name.into_string(), rows);
        }
        block
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_listed_only_where_there_is_a_gap() {
        let mut block = BlockBuilder::default();
        let hasher = block.hasher.clone();
        let stream = block.stream("buy");
        assert_eq!(block.stream("buy"), stream);
        let stream = &mut block.streams[stream];
        for row in 0..5_u32 {
            assert_eq!(stream.next_row(), row);
            let dense = stream.slot("dense", 0, &hasher);
            stream.properties[dense]
                .push(row, ValueRef::Integer(i64::from(row)), &hasher)
                .unwrap();
            let sparse = stream.slot("sparse", 1, &hasher);
            if row != 2 {
                let text = if row % 2 == 0 { "even" } else { "odd" };
                stream.properties[sparse]
                    .push(row, ValueRef::Text(text), &hasher)
                    .unwrap();
            }
            stream.slot("never", 2, &hasher);
            stream.push_row(0, 100, row);
        }
        let block = block.finish();
        let rows = &block.streams["buy"];
        assert!(rows.properties["dense"].integers.rows.is_empty());
        assert_eq!(rows.properties["dense"].integers.values, [0, 1, 2, 3, 4]);
        let texts = &rows.properties["sparse"].texts;
        assert_eq!(texts.codes.rows, [0, 1, 3, 4]);
        assert_eq!(texts.codes.values, [0, 1, 1, 0]);
        assert_eq!(
            (texts.bytes.as_slice(), texts.ends.as_slice()),
            (&b"evenodd"[..], &[4, 7][..])
        );
        assert!(!rows.properties.contains_key("never"));
    }
}
