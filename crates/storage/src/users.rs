//! The users: ids, who belongs to the universe, and attributes.

use crate::attribute::{EncodedAttribute, HistoryMeta, Table};
use crate::codec::FrameKind;
use crate::column::Column;
use crate::column_meta::{DataKind, Kinds, LazyColumn, PartMeta};
use crate::directory::{Directory, FileBytes};
use crate::error::{Damaged, StorageError};
use crate::ids::{IdHasher, IdKind, IdTable, UserIds};
use crate::image::{Image, ImageWriter, SectionId};
use crate::manifest::FileEntry;
use crate::stats::{ColumnBytes, UsersStats};
use arrow_buffer::{Buffer, ScalarBuffer};
use crowdset_types::{CHUNK_WORDS, ChunkId, UserOrdinal, chunk_count};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

#[derive(Debug, Serialize, Deserialize)]
struct UsersMeta {
    ordinals: u64,
    universe_len: u64,
    id_kind: IdKind,
    seed: u64,
    text_bytes: u64,
    slot_count: u64,
    texts: SectionId,
    offsets: SectionId,
    slots: SectionId,
    ranked: SectionId,
    ranks: SectionId,
    universe: SectionId,
    /// Ascending by table and name.
    attributes: Vec<AttributeMeta>,
}

#[derive(Debug, Serialize, Deserialize)]
struct AttributeMeta {
    table: Table,
    name: String,
    parts: Vec<PartMeta>,
    history: Option<HistoryMeta>,
}

/// Whose ordinals belong to the universe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Universe {
    /// Everyone: no users table was ever given.
    Everyone,
    /// A bit per ordinal, least significant first; ordinals past the end do not belong.
    Bits(Vec<u64>),
}

/// The users of a store: ids, universe and attributes, one value per ordinal.
#[derive(Debug)]
pub struct Users {
    image: Image,
    ordinals: usize,
    universe_len: u64,
    id_kind: IdKind,
    seed: u64,
    id_sections: [SectionId; 3],
    rank_sections: [SectionId; 2],
    texts: Buffer,
    offsets: ScalarBuffer<u64>,
    slots: ScalarBuffer<u64>,
    ranked: ScalarBuffer<u32>,
    ranks: ScalarBuffer<u32>,
    universe: ScalarBuffer<u64>,
    attributes: Vec<Attribute>,
    /// Looked for when many ids are first asked for.
    pub(crate) id_width: OnceLock<Option<usize>>,
    ids_checked: OnceLock<Result<(), Damaged>>,
    ranks_checked: OnceLock<Result<(), Damaged>>,
}

static NOBODY: [u64; CHUNK_WORDS] = [0; CHUNK_WORDS];

impl Users {
    /// Opens an image that [`UsersBuilder::write`] wrote. Reads its table and the universe.
    ///
    /// # Errors
    ///
    /// As [`crate::Partition::open`]; [`StorageError::Damaged`] if the universe is.
    pub fn open(directory: &dyn Directory, name: &str) -> Result<Self, StorageError> {
        Self::of_file(name, directory.open(name)?)
    }

    /// The same of a file that is open already.
    ///
    /// # Errors
    ///
    /// As [`Users::open`].
    pub fn of_file(name: &str, file: FileBytes) -> Result<Self, StorageError> {
        let (image, meta): (Image, UsersMeta) = Image::of_file(name, file, FrameKind::Users)?;
        let ordinals = meta.ordinals as usize;
        image.expect::<u8>(meta.texts, meta.text_bytes as usize)?;
        image.expect::<u64>(meta.offsets, ordinals.saturating_add(1))?;
        image.expect::<u64>(meta.slots, meta.slot_count as usize)?;
        image.expect::<u32>(meta.ranked, ordinals)?;
        image.expect::<u32>(meta.ranks, ordinals)?;
        image.expect::<u64>(meta.universe, chunk_count(ordinals) * CHUNK_WORDS)?;
        if !meta.slot_count.is_power_of_two() {
            return Err(StorageError::malformed(
                name,
                "the number of hash slots is no power of two",
            ));
        }
        image.check(meta.universe)?;
        let attributes = meta
            .attributes
            .into_iter()
            .map(|attribute| {
                Ok(Attribute {
                    image: image.clone(),
                    table: attribute.table,
                    name: attribute.name,
                    column: LazyColumn::open(&image, attribute.parts, ordinals)?,
                    history: attribute
                        .history
                        .map(|history| LazyHistory::open(&image, history))
                        .transpose()?,
                })
            })
            .collect::<Result<Vec<_>, StorageError>>()?;
        Ok(Self {
            ordinals,
            universe_len: meta.universe_len,
            id_kind: meta.id_kind,
            seed: meta.seed,
            id_sections: [meta.texts, meta.offsets, meta.slots],
            rank_sections: [meta.ranked, meta.ranks],
            texts: image.buffer(meta.texts),
            offsets: image.values(meta.offsets),
            slots: image.values(meta.slots),
            ranked: image.values(meta.ranked),
            ranks: image.values(meta.ranks),
            universe: image.values(meta.universe),
            attributes,
            id_width: OnceLock::new(),
            ids_checked: OnceLock::new(),
            ranks_checked: OnceLock::new(),
            image,
        })
    }

    /// How many ordinals there are, users and orphans.
    pub fn ordinals(&self) -> usize {
        self.ordinals
    }

    /// How many of them belong to the universe.
    pub fn universe_len(&self) -> u64 {
        self.universe_len
    }

    /// How many chunks the ordinals fill.
    pub fn chunks(&self) -> usize {
        chunk_count(self.ordinals)
    }

    /// A chunk's users that belong to the universe: always [`CHUNK_WORDS`] words.
    pub fn universe(&self, chunk: ChunkId) -> &[u64] {
        let start = chunk.index() * CHUNK_WORDS;
        self.universe
            .get(start..start + CHUNK_WORDS)
            .unwrap_or(&NOBODY)
    }

    /// Whether an ordinal belongs to the universe.
    pub fn in_universe(&self, user: UserOrdinal) -> bool {
        self.universe
            .get(user.0 as usize / 64)
            .is_some_and(|word| word >> (user.0 % 64) & 1 == 1)
    }

    /// How ids are printed and sorted.
    pub fn id_kind(&self) -> IdKind {
        self.id_kind
    }

    /// The seed of the ids' hashes.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Checks the ids' checksums, the first time. Call it before [`Users::id`] and [`Users::find`],
    /// which read without asking.
    ///
    /// # Errors
    ///
    /// [`Damaged`] names the section.
    pub fn touch_ids(&self) -> Result<(), Damaged> {
        self.ids_checked
            .get_or_init(|| self.image.check_all(&self.id_sections))
            .clone()
    }

    /// Checks the checksums of the ids' order, the first time. Call it before [`Users::ranked`] and
    /// [`Users::rank`], which read without asking.
    ///
    /// # Errors
    ///
    /// [`Damaged`] names the section.
    pub fn touch_ranks(&self) -> Result<(), Damaged> {
        self.ranks_checked
            .get_or_init(|| self.image.check_all(&self.rank_sections))
            .clone()
    }

    pub(crate) fn id_table(&self) -> IdTable<'_> {
        IdTable {
            texts: &self.texts,
            offsets: &self.offsets,
            slots: &self.slots,
        }
    }

    /// The id of an ordinal. Valid after [`Users::touch_ids`].
    ///
    /// # Panics
    ///
    /// If there is no such ordinal.
    pub fn id(&self, user: UserOrdinal) -> &str {
        std::str::from_utf8(self.id_table().text(user.0)).unwrap_or_default()
    }

    /// How many bytes all ids have together.
    pub fn id_bytes(&self) -> usize {
        self.texts.len()
    }

    /// The ordinal of an id, if it has one. Valid after [`Users::touch_ids`].
    pub fn find(&self, id: &str) -> Option<UserOrdinal> {
        self.id_table()
            .find(IdHasher::new(self.seed).hash(id), id)
            .map(UserOrdinal)
    }

    /// All ordinals, ascending by id. Valid after [`Users::touch_ranks`].
    pub fn ranked(&self) -> &[u32] {
        &self.ranked
    }

    /// The place of an ordinal in [`Users::ranked`]. Valid after [`Users::touch_ranks`].
    ///
    /// # Panics
    ///
    /// If there is no such ordinal.
    pub fn rank(&self, user: UserOrdinal) -> u32 {
        self.ranks[user.0 as usize]
    }

    /// All attributes, ascending by table and name.
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// One attribute; `None` if there is none of that name.
    pub fn attribute(&self, table: Table, name: &str) -> Option<&Attribute> {
        let found = self
            .attributes
            .binary_search_by(|attribute| (attribute.table, attribute.name()).cmp(&(table, name)));
        found.ok().map(|index| &self.attributes[index])
    }

    /// Bytes by what they are for.
    pub fn stats(&self) -> UsersStats {
        let bytes = |sections: &[SectionId]| {
            sections
                .iter()
                .map(|id| self.image.section_bytes(*id))
                .sum()
        };
        let [texts, offsets, slots] = self.id_sections;
        UsersStats {
            ordinals: self.ordinals as u64,
            file_bytes: self.image.file_bytes(),
            ids: bytes(&[texts, offsets]),
            lookup: bytes(&[slots]),
            ranks: bytes(&self.rank_sections),
            attributes: self
                .attributes
                .iter()
                .map(|attribute| {
                    (
                        format!("{}.{}", attribute.table.prefix(), attribute.name),
                        attribute.bytes(),
                    )
                })
                .collect(),
        }
    }

    /// Reads every section and calls `damaged` for each that changed.
    pub fn verify(&self, damaged: &mut dyn FnMut(Damaged)) {
        self.image.verify(damaged);
    }
}

/// One users column or one user property.
#[derive(Debug)]
pub struct Attribute {
    image: Image,
    table: Table,
    name: String,
    column: LazyColumn,
    history: Option<LazyHistory>,
}

impl Attribute {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its table.
    pub fn table(&self) -> Table {
        self.table
    }

    /// The types that occur.
    pub fn kinds(&self) -> Kinds {
        self.column.kinds()
    }

    /// How each type that occurs is stored.
    pub fn data_kinds(&self) -> Vec<DataKind> {
        self.column.data_kinds()
    }

    /// How many users have a value at the end of time.
    pub fn present(&self) -> u64 {
        self.column.present()
    }

    /// How many different values there are, now or ever; `None` if there are numbers or instants,
    /// which are not counted.
    pub fn distinct(&self) -> Option<u64> {
        self.column.distinct()
    }

    /// How many different texts there are, now or ever; `None` if there is no text.
    pub fn text_values(&self) -> Option<u64> {
        self.column.text_dictionary_len()
    }

    /// The value of each ordinal at the end of time. Checksums are checked the first time.
    ///
    /// # Errors
    ///
    /// [`Damaged`] names the section.
    pub fn column(&self) -> Result<&Column, Damaged> {
        self.column.get()
    }

    /// The values over time; `None` if no value has a time, so that [`Attribute::column`] is right
    /// at every instant. Checksums are checked the first time.
    ///
    /// # Errors
    ///
    /// [`Damaged`] names the section.
    pub fn history(&self) -> Result<Option<&History>, Damaged> {
        self.history.as_ref().map(LazyHistory::get).transpose()
    }

    /// The latest time of a value, milliseconds since the epoch; `None` without history. At a later
    /// instant [`Attribute::column`] is exact. Reads no values.
    pub fn latest(&self) -> Option<i64> {
        self.history.as_ref().map(|history| history.meta.latest)
    }

    /// Bytes by kind.
    pub fn bytes(&self) -> ColumnBytes {
        let mut bytes = self.column.bytes();
        if let Some(history) = &self.history {
            bytes.history = history
                .meta
                .sections()
                .iter()
                .map(|id| self.image.section_bytes(*id))
                .sum();
        }
        bytes
    }
}

#[derive(Debug)]
struct LazyHistory {
    image: Image,
    meta: HistoryMeta,
    history: History,
    checked: OnceLock<Result<(), Damaged>>,
}

impl LazyHistory {
    fn open(image: &Image, meta: HistoryMeta) -> Result<Self, StorageError> {
        let rows = meta.rows as usize;
        image.expect::<u32>(meta.starts, (meta.chunks as usize).saturating_add(1))?;
        image.expect::<u16>(meta.users, rows)?;
        image.expect::<i64>(meta.at, rows)?;
        image.expect::<u32>(meta.codes, rows)?;
        let history = History {
            latest: meta.latest,
            starts: image.values(meta.starts),
            users: image.values(meta.users),
            at: image.values(meta.at),
            codes: image.values(meta.codes),
        };
        Ok(Self {
            image: image.clone(),
            meta,
            history,
            checked: OnceLock::new(),
        })
    }

    fn get(&self) -> Result<&History, Damaged> {
        self.checked
            .get_or_init(|| self.image.check_all(&self.meta.sections()))
            .clone()?;
        Ok(&self.history)
    }
}

/// The values of one user property over time.
#[derive(Debug)]
pub struct History {
    latest: i64,
    starts: ScalarBuffer<u32>,
    users: ScalarBuffer<u16>,
    at: ScalarBuffer<i64>,
    codes: ScalarBuffer<u32>,
}

/// A chunk's part of a [`History`], sorted by user, then time; one row per user and time.
#[derive(Debug, Clone, Copy)]
pub struct HistoryRows<'a> {
    /// Ordinal within the chunk.
    pub users: &'a [u16],
    /// Since when, milliseconds since the epoch; `i64::MIN`: always.
    pub at: &'a [i64],
    /// Code of the attribute's text dictionary; `u32::MAX`: unset from then on.
    pub codes: &'a [u32],
}

impl History {
    /// The latest time of a value: for any later instant the attribute's column is exact.
    pub fn latest(&self) -> i64 {
        self.latest
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.users.len()
    }

    /// The rows of a chunk; empty beyond the last chunk.
    pub fn chunk(&self, chunk: ChunkId) -> HistoryRows<'_> {
        let rows = match self.starts.get(chunk.index()..chunk.index() + 2) {
            Some(starts) => starts[0] as usize..starts[1] as usize,
            None => 0..0,
        };
        HistoryRows {
            users: &self.users[rows.clone()],
            at: &self.at[rows.clone()],
            codes: &self.codes[rows],
        }
    }
}

/// Writes the image of the users.
#[derive(Debug)]
pub struct UsersBuilder<'a> {
    ids: &'a UserIds,
    id_kind: IdKind,
    universe: Universe,
    attributes: Vec<EncodedAttribute>,
}

impl<'a> UsersBuilder<'a> {
    /// Users without attributes yet.
    pub fn new(ids: &'a UserIds, id_kind: IdKind, universe: Universe) -> Self {
        Self {
            ids,
            id_kind,
            universe,
            attributes: Vec::new(),
        }
    }

    /// Adds an attribute; its table and name must be new.
    pub fn attribute(&mut self, attribute: EncodedAttribute) {
        self.attributes.push(attribute);
    }

    /// Writes the image `name` and returns its length in bytes. Sorts the ids on rayon's current
    /// pool.
    ///
    /// # Errors
    ///
    /// If the file cannot be written, or two attributes have the same name.
    pub fn write(
        mut self,
        directory: &dyn Directory,
        name: &str,
    ) -> Result<FileEntry, StorageError> {
        let mut writer = ImageWriter::create(directory, name, FrameKind::Users)?;
        let ordinals = self.ids.len();
        let table = self.ids.table();
        let texts = writer.section("user ids, text".to_owned(), table.texts)?;
        let offsets = writer.section("user ids, offsets".to_owned(), table.offsets)?;
        let slots = writer.section("user ids, hash table".to_owned(), table.slots)?;

        let order = rank_ids(self.ids, self.id_kind);
        let mut rank_of = vec![0; ordinals];
        for (rank, ordinal) in (0_u32..).zip(&order) {
            rank_of[*ordinal as usize] = rank;
        }
        let ranked = writer.section("user ids, order".to_owned(), &order)?;
        let ranks = writer.section("user ids, ranks".to_owned(), &rank_of)?;

        let words = universe_words(&self.universe, ordinals);
        let universe_len = words.iter().map(|word| u64::from(word.count_ones())).sum();
        let universe = writer.section("universe".to_owned(), &words)?;

        self.attributes
            .sort_by(|left, right| left.key().cmp(&right.key()));
        if let Some(pair) = self
            .attributes
            .windows(2)
            .find(|pair| pair[0].key() == pair[1].key())
        {
            let what = format!("the attribute `{}` is there twice", pair[0].key().1);
            return Err(StorageError::malformed(name, what));
        }
        let mut attributes = Vec::with_capacity(self.attributes.len());
        for attribute in self.attributes {
            if attribute.ordinals != ordinals {
                let what = format!(
                    "the attribute `{}` has {} rows for {ordinals} ordinals",
                    attribute.name, attribute.ordinals
                );
                return Err(StorageError::malformed(name, what));
            }
            let shown = format!("{}.{}", attribute.table.prefix(), attribute.name);
            let parts = attribute.column.write(&mut writer, &shown)?;
            let history = attribute
                .history
                .map(|history| history.write(&mut writer, &shown))
                .transpose()?;
            attributes.push(AttributeMeta {
                table: attribute.table,
                name: attribute.name,
                parts,
                history,
            });
        }
        writer.finish(UsersMeta {
            ordinals: ordinals as u64,
            universe_len,
            id_kind: self.id_kind,
            seed: self.ids.seed(),
            text_bytes: table.texts.len() as u64,
            slot_count: table.slots.len() as u64,
            texts,
            offsets,
            slots,
            ranked,
            ranks,
            universe,
            attributes,
        })
    }
}

fn universe_words(universe: &Universe, ordinals: usize) -> Vec<u64> {
    let mut words = vec![0_u64; chunk_count(ordinals) * CHUNK_WORDS];
    let limit = |word: usize| match ordinals.saturating_sub(word * 64) {
        64.. => u64::MAX,
        bits => (1 << bits) - 1,
    };
    for (index, word) in words.iter_mut().enumerate() {
        *word = match universe {
            Universe::Everyone => limit(index),
            Universe::Bits(bits) => bits.get(index).copied().unwrap_or(0) & limit(index),
        };
    }
    words
}

/// All ordinals, ascending by id.
fn rank_ids(ids: &UserIds, kind: IdKind) -> Vec<u32> {
    let table = ids.table();
    let count = ids.len() as u32;
    if kind == IdKind::Integer {
        // What is no integer follows the integers, as text.
        let mut keys: Vec<(u8, i128, u32)> = (0..count)
            .map(|ordinal| match ids.id(ordinal).parse::<i128>() {
                Ok(number) => (0, number, ordinal),
                Err(_) => (1, 0, ordinal),
            })
            .collect();
        keys.par_sort_unstable_by(|left, right| {
            (left.0, left.1)
                .cmp(&(right.0, right.1))
                .then_with(|| table.text(left.2).cmp(table.text(right.2)))
        });
        return keys.into_iter().map(|(_, _, ordinal)| ordinal).collect();
    }
    // Ids often begin alike (`user_…`). What follows, as a number, decides nearly every comparison
    // without a walk through memory.
    let common = (1..count).fold(
        if count == 0 { 0 } else { table.text(0).len() },
        |common, ordinal| {
            let (first, text) = (table.text(0), table.text(ordinal));
            first[..common]
                .iter()
                .zip(text)
                .take_while(|(left, right)| left == right)
                .count()
        },
    );
    let mut keys: Vec<(u128, u32)> = (0..count)
        .map(|ordinal| {
            let rest = &table.text(ordinal)[common..];
            let mut head = [0_u8; 16];
            let length = rest.len().min(16);
            head[..length].copy_from_slice(&rest[..length]);
            (u128::from_be_bytes(head), ordinal)
        })
        .collect();
    keys.par_sort_unstable_by(|left, right| {
        left.0
            .cmp(&right.0)
            .then_with(|| table.text(left.1).cmp(table.text(right.1)))
    });
    keys.into_iter().map(|(_, ordinal)| ordinal).collect()
}
