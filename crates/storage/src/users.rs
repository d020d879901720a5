//! The users: ids, who belongs to the universe, and attributes.

use crate::attribute::{EncodedAttribute, Table};
use crate::codec::FrameKind;
use crate::column::{Column, Dictionary};
use crate::column_meta::{DataKind, Kinds, LazyColumn, PartMeta};
use crate::directory::{Directory, FileBytes};
use crate::error::{Damaged, StorageError};
use crate::history::{History, HistoryMeta, LazyHistory};
use crate::ids::{IdHasher, IdKind, UserIds};
use crate::image::{Image, ImageWriter, SectionId};
use crate::manifest::FileEntry;
use crate::stats::{ColumnBytes, UsersStats};
use crate::stored_ids::{IdsMeta, StoredIds, write_ids};
use crate::users_v1::UsersMetaV1;
use arrow_buffer::ScalarBuffer;
use crowdset_types::{CHUNK_WORDS, ChunkId, UserOrdinal, chunk_count};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::OnceLock;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct UsersMeta {
    pub(crate) ordinals: u64,
    pub(crate) universe_len: u64,
    pub(crate) id_kind: IdKind,
    pub(crate) seed: u64,
    pub(crate) ids: IdsMeta,
    pub(crate) universe: SectionId,
    /// Ascending by table and name.
    pub(crate) attributes: Vec<AttributeMeta>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AttributeMeta {
    pub(crate) table: Table,
    pub(crate) name: String,
    pub(crate) parts: Vec<PartMeta>,
    pub(crate) history: Option<HistoryMeta>,
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
    hasher: IdHasher,
    ids: StoredIds,
    universe: ScalarBuffer<u64>,
    attributes: Vec<Attribute>,
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
        let (image, meta): (Image, UsersMeta) = if Image::version_of(&file) == 1 {
            let (image, meta): (Image, UsersMetaV1) = Image::of_file(name, file, FrameKind::Users)?;
            (image, meta.into())
        } else {
            Image::of_file(name, file, FrameKind::Users)?
        };
        let ordinals = meta.ordinals as usize;
        let ids = StoredIds::open(&image, meta.ids, ordinals)?;
        image.expect::<u64>(meta.universe, chunk_count(ordinals) * CHUNK_WORDS)?;
        image.check(meta.universe)?;
        let attributes = meta
            .attributes
            .into_iter()
            .map(|attribute| {
                Ok(Attribute {
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
            hasher: IdHasher::new(meta.seed),
            ids,
            universe: image.values(meta.universe),
            attributes,
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

    /// Checks the checksums of the ids and their order, the first time. Call it before [`Users::id`],
    /// [`Users::find`] and what reads many ids, which read without asking.
    ///
    /// # Errors
    ///
    /// [`Damaged`] names the section.
    pub fn touch_ids(&self) -> Result<(), Damaged> {
        self.ids_checked
            .get_or_init(|| self.image.check_all(&self.ids.meta.sections()))
            .clone()
    }

    /// Checks the checksums of the ids' order, the first time. Call it before [`Users::by_rank`] and
    /// [`Users::rank`], which read without asking.
    ///
    /// # Errors
    ///
    /// [`Damaged`] names the section.
    pub fn touch_ranks(&self) -> Result<(), Damaged> {
        self.ranks_checked
            .get_or_init(|| self.image.check_all(&self.ids.meta.order_sections()))
            .clone()
    }

    pub(crate) fn stored_ids(&self) -> &StoredIds {
        &self.ids
    }

    /// The id of an ordinal. Valid after [`Users::touch_ids`].
    ///
    /// # Panics
    ///
    /// If there is no such ordinal.
    pub fn id(&self, user: UserOrdinal) -> &str {
        std::str::from_utf8(self.ids.text(user)).unwrap_or_default()
    }

    /// How many bytes all ids have together.
    pub fn id_bytes(&self) -> usize {
        self.ids.table().texts.len()
    }

    /// The ordinal of an id, if it has one. Valid after [`Users::touch_ids`].
    pub fn find(&self, id: &str) -> Option<UserOrdinal> {
        self.ids.find(&self.hasher, id)
    }

    /// Whether ordinals ascend by id, so that each is its own rank.
    pub fn is_in_order(&self) -> bool {
        self.ids.ranked().is_none()
    }

    /// The ordinal at a place in the order of ids, from 0 on. Valid after [`Users::touch_ranks`].
    ///
    /// # Panics
    ///
    /// If there are not so many ordinals.
    #[inline]
    pub fn by_rank(&self, rank: u32) -> UserOrdinal {
        self.ids.by_rank(rank)
    }

    /// The place of an ordinal in the order of ids: the other way round than [`Users::by_rank`].
    /// Valid after [`Users::touch_ranks`].
    ///
    /// # Panics
    ///
    /// If there is no such ordinal.
    #[inline]
    pub fn rank(&self, user: UserOrdinal) -> u32 {
        self.ids.rank(user)
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

    /// Bytes by what they are for. What attributes have in common counts for the first of them.
    pub fn stats(&self) -> UsersStats {
        let mut counted = HashSet::new();
        let mut count = |id: SectionId| {
            if counted.insert(id) {
                self.image.section_bytes(id)
            } else {
                0
            }
        };
        let meta = &self.ids.meta;
        UsersStats {
            ordinals: self.ordinals as u64,
            file_bytes: self.image.file_bytes(),
            ids: meta.text_sections().into_iter().map(&mut count).sum(),
            lookup: count(meta.slots_section()),
            ranks: meta.order_sections().into_iter().map(&mut count).sum(),
            attributes: self
                .attributes
                .iter()
                .map(|attribute| {
                    (
                        format!("{}.{}", attribute.table.prefix(), attribute.name),
                        attribute.bytes(&mut count),
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

    /// The texts that occur, now or ever, if all values are text: of the column no more is read.
    /// Checksums are checked the first time.
    ///
    /// # Errors
    ///
    /// [`Damaged`] names the section.
    pub fn texts(&self) -> Result<Option<Dictionary>, Damaged> {
        self.column.dictionary()
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

    /// Bytes by kind, by how much each section counts.
    fn bytes(&self, count: &mut impl FnMut(SectionId) -> u64) -> ColumnBytes {
        let mut bytes = self.column.bytes_by(&mut *count);
        if let Some(history) = &self.history {
            bytes.history = history.meta.sections().into_iter().map(count).sum();
        }
        bytes
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
        let ids = write_ids(&mut writer, self.ids, self.id_kind)?;

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
        writer.share_sections();
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
            ids,
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
