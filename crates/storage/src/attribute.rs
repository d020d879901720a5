//! Attributes on their way into an image: values per user, collected in any order.

use crate::column::PartData;
use crate::encode::{
    EncodedColumn, EncodedPart, Interner, Piece, encode_column, encode_text_part,
    sorted_dictionary, split_texts,
};
use crate::error::{Damaged, StorageError};
use crate::history::{EncodedHistory, HistoryRow, UNSET};
use crate::staging::StagedColumn;
use crate::users::Attribute;
use crowdset_types::{ChunkId, UserOrdinal, chunk_count};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Where an attribute comes from. The numbers are written into indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Table {
    /// A column of the users table.
    Users = 0,
    /// A property of the user properties table.
    Properties = 1,
}

impl Table {
    /// What stands before the point in a segment: `users` or `property`.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Properties => "property",
        }
    }
}

/// One value of a users column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum AttributeValue<'a> {
    /// A truth value.
    Bool(bool),
    /// An integer.
    Integer(i64),
    /// A double.
    Float(f64),
    /// An instant, milliseconds since the epoch.
    Time(i64),
    /// Text.
    Text(&'a str),
    /// An array, as its compact JSON text.
    Array(&'a str),
}

/// An attribute ready to be written; see [`crate::UsersBuilder::attribute`].
#[derive(Debug)]
pub struct EncodedAttribute {
    pub(crate) table: Table,
    pub(crate) name: String,
    pub(crate) ordinals: usize,
    pub(crate) column: EncodedColumn,
    pub(crate) history: Option<EncodedHistory>,
}

impl EncodedAttribute {
    pub(crate) fn key(&self) -> (Table, &str) {
        (self.table, &self.name)
    }
}

/// What a slot holds. The numbers are not written anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    None,
    Bool,
    Integer,
    Float,
    Time,
    Text,
    Array,
}

/// Collects the values of one users column: one per user, the last one set wins.
///
/// Takes nine bytes per ordinal, and the distinct texts once.
#[derive(Debug)]
pub struct AttributeBuilder {
    table: Table,
    name: String,
    tags: Vec<Tag>,
    payloads: Vec<u64>,
    texts: Interner,
}

impl AttributeBuilder {
    /// An attribute without values yet.
    pub fn new(table: Table, name: impl Into<String>) -> Self {
        Self {
            table,
            name: name.into(),
            tags: Vec::new(),
            payloads: Vec::new(),
            texts: Interner::default(),
        }
    }

    /// The values of an image, to go on from. History is left out; see [`HistoryBuilder`].
    ///
    /// # Errors
    ///
    /// [`Damaged`] if the values are.
    pub fn from_attribute(attribute: &Attribute) -> Result<Self, Damaged> {
        let mut builder = Self::new(attribute.table(), attribute.name());
        let column = attribute.column()?;
        for part in &column.parts {
            // Each text is interned once, not once per user.
            let texts: Vec<u32> = match &part.data {
                PartData::Text { dictionary, .. } | PartData::Array { dictionary, .. } => (0
                    ..dictionary.len())
                    .map(|code| builder.texts.intern(dictionary.get_bytes(code)))
                    .collect(),
                _ => Vec::new(),
            };
            for row in (0..column.rows).filter(|row| part.is_present(*row)) {
                let user = UserOrdinal(row as u32);
                match &part.data {
                    PartData::Bool(bits) => builder.set(user, AttributeValue::Bool(bits.get(row))),
                    PartData::Integer { base, offsets } => {
                        builder.set(
                            user,
                            AttributeValue::Integer(base.wrapping_add(offsets.get(row) as i64)),
                        );
                    }
                    PartData::Time { base, offsets } => {
                        builder.set(
                            user,
                            AttributeValue::Time(base.wrapping_add(offsets.get(row) as i64)),
                        );
                    }
                    PartData::Decimal {
                        places,
                        base,
                        offsets,
                    } => {
                        let scaled = base.wrapping_add(offsets.get(row) as i64);
                        let value = crowdset_types::Decimal {
                            scaled,
                            places: *places,
                        }
                        .to_f64();
                        builder.set(user, AttributeValue::Float(value));
                    }
                    PartData::Float(values) => {
                        builder.set(user, AttributeValue::Float(values[row]));
                    }
                    PartData::Text { codes, .. } => {
                        builder.put(user, Tag::Text, u64::from(texts[codes.get(row) as usize]));
                    }
                    PartData::Array { codes, .. } => {
                        builder.put(user, Tag::Array, u64::from(texts[codes.get(row) as usize]));
                    }
                }
            }
        }
        Ok(builder)
    }

    /// The attribute's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Gives a user a value, in the place of the one it had.
    pub fn set(&mut self, user: UserOrdinal, value: AttributeValue<'_>) {
        match value {
            AttributeValue::Bool(value) => self.put(user, Tag::Bool, u64::from(value)),
            AttributeValue::Integer(value) => self.put(user, Tag::Integer, value as u64),
            AttributeValue::Float(value) => self.put(user, Tag::Float, value.to_bits()),
            AttributeValue::Time(value) => self.put(user, Tag::Time, value as u64),
            AttributeValue::Text(text) => {
                let code = self.texts.intern(text.as_bytes());
                self.put(user, Tag::Text, u64::from(code));
            }
            AttributeValue::Array(text) => {
                let code = self.texts.intern(text.as_bytes());
                self.put(user, Tag::Array, u64::from(code));
            }
        }
    }

    /// Takes a user's value away.
    pub fn unset(&mut self, user: UserOrdinal) {
        if let Some(tag) = self.tags.get_mut(user.0 as usize) {
            *tag = Tag::None;
        }
    }

    fn put(&mut self, user: UserOrdinal, tag: Tag, payload: u64) {
        let index = user.0 as usize;
        if index >= self.tags.len() {
            self.tags.resize(index + 1, Tag::None);
            self.payloads.resize(index + 1, 0);
        }
        self.tags[index] = tag;
        self.payloads[index] = payload;
    }

    /// Gives the users other ordinals: the new one of each old one, all different and fewer than there
    /// are old ones.
    ///
    /// # Panics
    ///
    /// If a user that has a value is given none, or one too large.
    pub fn renumber(&mut self, new: &[u32]) {
        let mut tags = vec![Tag::None; new.len()];
        let mut payloads = vec![0; new.len()];
        for (old, (tag, payload)) in self.tags.iter().zip(&self.payloads).enumerate() {
            if *tag != Tag::None {
                let place = new[old] as usize;
                (tags[place], payloads[place]) = (*tag, *payload);
            }
        }
        (self.tags, self.payloads) = (tags, payloads);
    }

    /// Encodes the values for a store of so many ordinals.
    ///
    /// # Errors
    ///
    /// [`StorageError::TooLarge`] if the distinct texts take more than 4 GiB.
    pub fn encode(self, ordinals: usize) -> Result<EncodedAttribute, StorageError> {
        let mut staged = StagedColumn::default();
        // Only texts still in use: replaced values must not linger in the dictionary.
        let (mut texts, mut arrays) = (self.texts.renumber(), self.texts.renumber());
        for (row, (tag, payload)) in (0_u32..)
            .zip(self.tags.iter().zip(&self.payloads))
            .take(ordinals)
        {
            match tag {
                Tag::None => {}
                Tag::Bool => push(&mut staged.bools, row, *payload != 0),
                Tag::Integer => push(&mut staged.integers, row, *payload as i64),
                Tag::Float => push(&mut staged.floats, row, f64::from_bits(*payload)),
                Tag::Time => push(&mut staged.times, row, *payload as i64),
                Tag::Text => push(&mut staged.texts.codes, row, texts.code(*payload as u32)),
                Tag::Array => push(&mut staged.arrays.codes, row, arrays.code(*payload as u32)),
            }
        }
        (staged.texts.bytes, staged.texts.ends) = texts.finish(&self.name)?;
        (staged.arrays.bytes, staged.arrays.ends) = arrays.finish(&self.name)?;
        let piece = Piece {
            start: 0,
            rows: ordinals,
            column: staged,
        };
        let column = encode_column(&self.name, vec![piece], ordinals, None)?;
        Ok(EncodedAttribute {
            table: self.table,
            name: self.name,
            ordinals,
            column,
            history: None,
        })
    }
}

fn push<T>(part: &mut crate::staging::StagedPart<T>, row: u32, value: T) {
    part.rows.push(row);
    part.values.push(value);
}

/// Collects the values of one user property over time.
///
/// Takes 16 bytes per value, and the distinct texts once.
#[derive(Debug)]
pub struct HistoryBuilder {
    name: String,
    rows: Vec<HistoryRow>,
    texts: Interner,
}

impl HistoryBuilder {
    /// A property without values yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            rows: Vec::new(),
            texts: Interner::default(),
        }
    }

    /// The values of an image, to go on from.
    ///
    /// # Errors
    ///
    /// [`Damaged`] if the values are.
    pub fn from_attribute(attribute: &Attribute) -> Result<Self, Damaged> {
        let mut builder = Self::new(attribute.name());
        let column = attribute.column()?;
        let part = column.parts.iter().find_map(|part| match &part.data {
            PartData::Text { dictionary, codes } => Some((part, dictionary, codes)),
            _ => None,
        });
        let Some((part, dictionary, codes)) = part else {
            return Ok(builder);
        };
        let texts: Vec<u32> = (0..dictionary.len())
            .map(|code| builder.texts.intern(dictionary.get_bytes(code)))
            .collect();
        let Some(history) = attribute.history()? else {
            let present = (0..column.rows).filter(|row| part.is_present(*row));
            builder.rows.extend(present.map(|row| HistoryRow {
                user: row as u32,
                code: texts[codes.get(row) as usize],
                at: i64::MIN,
            }));
            return Ok(builder);
        };
        for chunk in (0..chunk_count(column.rows) as u32).map(ChunkId) {
            let rows = history.chunk(chunk);
            builder
                .rows
                .extend(rows.iter().map(|(user, at, code)| HistoryRow {
                    user: chunk.first().0 + u32::from(user),
                    code: texts.get(code as usize).copied().unwrap_or(UNSET),
                    at,
                }));
        }
        Ok(builder)
    }

    /// The property's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds what holds for a user from `updated_at` on (milliseconds since the epoch; `None`:
    /// always): a text, or nothing. Of several rows of one user and time the last one added holds.
    pub fn push(&mut self, user: UserOrdinal, updated_at: Option<i64>, value: Option<&str>) {
        let code = value.map_or(UNSET, |text| self.texts.intern(text.as_bytes()));
        self.rows.push(HistoryRow {
            user: user.0,
            code,
            at: updated_at.unwrap_or(i64::MIN),
        });
    }

    /// Encodes the values for a store of so many ordinals. Sorts on rayon's current pool.
    ///
    /// # Errors
    ///
    /// [`StorageError::TooLarge`] if there are 2^32 rows or the distinct texts take more than 4 GiB.
    pub fn encode(mut self, ordinals: usize) -> Result<EncodedAttribute, StorageError> {
        let limit = u64::from(u32::MAX);
        if self.rows.len() as u64 > limit {
            let what = format!("values of property `{}`", self.name);
            return Err(StorageError::TooLarge {
                what,
                found: self.rows.len() as u64,
                limit,
            });
        }
        self.rows.retain(|row| (row.user as usize) < ordinals);
        // Stable: rows of one user and time stay in the order in which they were added.
        self.rows.par_sort_by_key(|row| (row.user, row.at));
        // `dedup_by` keeps the first of a run; the one to keep is the last.
        self.rows.reverse();
        self.rows.dedup_by_key(|row| (row.user, row.at));
        self.rows.reverse();

        let mut used = self.texts.renumber();
        for row in &mut self.rows {
            if row.code != UNSET {
                row.code = used.code(row.code);
            }
        }
        let (bytes, ends) = used.finish(&self.name)?;
        let (dictionary, ranks) = sorted_dictionary(&self.name, &split_texts(&bytes, &ends))?;
        for row in &mut self.rows {
            if row.code != UNSET {
                row.code = ranks[row.code as usize];
            }
        }

        let mut current = vec![0_u32; ordinals];
        let mut present = vec![0_u64; ordinals.div_ceil(64)];
        for row in &self.rows {
            let (word, bit) = (row.user as usize / 64, 1 << (row.user % 64));
            if row.code == UNSET {
                present[word] &= !bit;
            } else {
                present[word] |= bit;
                current[row.user as usize] = row.code;
            }
        }
        let timed = self.rows.iter().any(|row| row.at != i64::MIN);
        let history = timed.then(|| EncodedHistory::new(&self.rows, dictionary.len(), ordinals));
        let part: EncodedPart = encode_text_part(dictionary, &current, present);
        Ok(EncodedAttribute {
            table: Table::Properties,
            name: self.name,
            ordinals,
            column: EncodedColumn { parts: vec![part] },
            history,
        })
    }
}
