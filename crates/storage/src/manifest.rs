//! The manifest: which files make up a store. It is swapped as a whole, and nothing else changes a
//! store.

use crate::codec::{FrameKind, decode, encode, version_of};
use crate::directory::Directory;
use crate::error::{Damaged, StorageError};
use crate::ids::IdKind;
use crowdset_types::{PartitionId, TimeRange, TimestampMillis};
use serde::{Deserialize, Serialize};

/// Name of the manifest's file.
pub const MANIFEST: &str = "MANIFEST";

/// A file of a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// The checksum (CRC-32) of all its bytes, which [`FileEntry::check`] compares.
    pub crc32: u32,
}

impl FileEntry {
    /// Reads the file to its last byte and compares length and checksum.
    ///
    /// # Errors
    ///
    /// [`StorageError::Length`] or [`StorageError::Damaged`] if it is not what was written,
    /// [`StorageError::Io`] if it cannot be opened.
    pub fn check(&self, directory: &dyn Directory) -> Result<(), StorageError> {
        let bytes = directory.open(&self.name)?;
        if bytes.len() as u64 != self.bytes {
            return Err(StorageError::Length {
                file: self.name.clone(),
                expected: self.bytes,
                found: bytes.len() as u64,
            });
        }
        let computed = crc32fast::hash(&bytes);
        if computed == self.crc32 {
            return Ok(());
        }
        Err(Damaged {
            file: self.name.clone(),
            section: "the whole file".to_owned(),
            stored: self.crc32,
            computed,
        }
        .into())
    }
}

/// The files of the users.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsersFiles {
    /// Rows of the users table, in Parquet. `None`: no users table was ever given.
    pub users_rows: Option<FileEntry>,
    /// Rows of the user properties table, in Parquet.
    pub properties_rows: Option<FileEntry>,
    /// The image of ids and attributes.
    pub columns: Option<FileEntry>,
    /// The index of attributes.
    pub index: Option<FileEntry>,
}

/// The files of one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionFiles {
    /// The rows, in Parquet: the durable truth.
    pub rows: FileEntry,
    /// The image.
    pub columns: FileEntry,
    /// The index of terms.
    pub index: FileEntry,
    /// The hashes of event ids.
    pub ids: FileEntry,
}

/// The files of what is saved under names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibraryFiles {
    /// Saved segments, and the records of lists.
    pub library: FileEntry,
    /// The ids of each list that was not dropped.
    pub lists: Vec<FileEntry>,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionEntry {
    /// Its number.
    pub id: PartitionId,
    /// Its span; all rows lie inside.
    pub range: TimeRange,
    /// How many rows.
    pub rows: u64,
    /// Its files.
    pub files: PartitionFiles,
}

/// What all loads together have done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// How many loads.
    pub loads: u64,
    /// Rows of events read.
    pub rows: u64,
    /// Rows of events stored.
    pub stored: u64,
    /// Events whose id was already stored.
    pub duplicates: u64,
    /// Rows that could not be used, of any table.
    pub rejected: u64,
}

/// What makes up a store.
///
/// # Examples
///
/// ```
/// use crowdset_storage::{Manifest, MemoryDirectory};
///
/// let directory = MemoryDirectory::new();
/// assert_eq!(Manifest::read(&directory)?, None);
/// let mut manifest = Manifest::new(42);
/// manifest.commit(&directory)?;
/// assert_eq!(Manifest::read(&directory)?.map(|manifest| manifest.generation), Some(1));
/// # Ok::<(), crowdset_storage::StorageError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// How often the manifest was committed.
    pub generation: u64,
    /// The seed of all hashes of the store; random, made once.
    pub seed: u64,
    /// The number of the next partition. Numbers are never used twice.
    pub next_partition: u64,
    /// The number of the next file of users. Numbers are never used twice.
    pub next_users: u64,
    /// Users and their attributes.
    pub users: UsersFiles,
    /// Partitions, ascending by time; their spans never overlap.
    pub partitions: Vec<PartitionEntry>,
    /// What all loads together have done.
    pub totals: Totals,
    /// No users table was ever given: everyone seen is a user.
    pub universe_from_events: bool,
    /// How user ids are printed and sorted.
    pub user_id_kind: IdKind,
    /// How event ids are ordered.
    pub event_id_kind: IdKind,
    /// When it was committed.
    pub committed_at: TimestampMillis,
    /// The number of the next file of the library. Numbers are never used twice.
    pub next_library: u64,
    /// Saved segments and static lists; `None`: nothing was ever saved.
    pub library: Option<LibraryFiles>,
}

/// The manifest of format 1, from before anything could be saved under a name.
#[derive(Deserialize)]
struct ManifestV1 {
    generation: u64,
    seed: u64,
    next_partition: u64,
    next_users: u64,
    users: UsersFiles,
    partitions: Vec<PartitionEntry>,
    totals: Totals,
    universe_from_events: bool,
    user_id_kind: IdKind,
    event_id_kind: IdKind,
    committed_at: TimestampMillis,
}

impl From<ManifestV1> for Manifest {
    fn from(old: ManifestV1) -> Self {
        Self {
            generation: old.generation,
            seed: old.seed,
            next_partition: old.next_partition,
            next_users: old.next_users,
            users: old.users,
            partitions: old.partitions,
            totals: old.totals,
            universe_from_events: old.universe_from_events,
            user_id_kind: old.user_id_kind,
            event_id_kind: old.event_id_kind,
            committed_at: old.committed_at,
            next_library: 1,
            library: None,
        }
    }
}

impl Manifest {
    /// The manifest of an empty store.
    pub fn new(seed: u64) -> Self {
        Self {
            generation: 0,
            seed,
            next_partition: 1,
            next_users: 1,
            users: UsersFiles::default(),
            partitions: Vec::new(),
            totals: Totals::default(),
            universe_from_events: true,
            user_id_kind: IdKind::Text,
            event_id_kind: IdKind::Text,
            committed_at: TimestampMillis(0),
            next_library: 1,
            library: None,
        }
    }

    /// Reads the manifest of a directory; `None` if the directory holds no store.
    ///
    /// # Errors
    ///
    /// [`StorageError::Frame`] if it is foreign, newer than this build, or damaged;
    /// [`StorageError::Malformed`] if partitions overlap.
    pub fn read(directory: &dyn Directory) -> Result<Option<Self>, StorageError> {
        let Some(bytes) = directory.read(MANIFEST)? else {
            return Ok(None);
        };
        let manifest: Self = match version_of(&bytes) {
            1 => decode::<ManifestV1>(FrameKind::Manifest, &bytes).map(Self::from),
            _ => decode(FrameKind::Manifest, &bytes),
        }
        .map_err(|source| StorageError::Frame {
            file: MANIFEST.to_owned(),
            source,
        })?;
        if !manifest
            .partitions
            .is_sorted_by(|left, right| left.range.to <= right.range.from)
        {
            return Err(StorageError::malformed(
                MANIFEST,
                "the partitions overlap or are not in order",
            ));
        }
        Ok(Some(manifest))
    }

    /// Checks that every file is there with the length that was written.
    ///
    /// # Errors
    ///
    /// [`StorageError::Length`] or [`StorageError::Io`] for the first that is not.
    pub fn check_files(&self, directory: &dyn Directory) -> Result<(), StorageError> {
        for file in self.files() {
            let found = directory.open(&file.name)?.len() as u64;
            if found != file.bytes {
                return Err(StorageError::Length {
                    file: file.name.clone(),
                    expected: file.bytes,
                    found,
                });
            }
        }
        Ok(())
    }

    /// All files of the store but the manifest.
    pub fn files(&self) -> impl Iterator<Item = &FileEntry> {
        let users = &self.users;
        let of_users = [
            &users.users_rows,
            &users.properties_rows,
            &users.columns,
            &users.index,
        ];
        let of_partitions = self.partitions.iter().flat_map(|partition| {
            let files = &partition.files;
            [&files.rows, &files.columns, &files.index, &files.ids]
        });
        let of_library = self
            .library
            .iter()
            .flat_map(|files| std::iter::once(&files.library).chain(&files.lists));
        of_users
            .into_iter()
            .flatten()
            .chain(of_partitions)
            .chain(of_library)
    }

    /// Takes the next number for a file of the library.
    pub fn take_library_number(&mut self) -> u64 {
        let number = self.next_library;
        self.next_library += 1;
        number
    }

    /// Takes the next number for a partition.
    pub fn take_partition_id(&mut self) -> PartitionId {
        let id = PartitionId(self.next_partition);
        self.next_partition += 1;
        id
    }

    /// Takes the next number for files of users.
    pub fn take_users_number(&mut self) -> u64 {
        let number = self.next_users;
        self.next_users += 1;
        number
    }

    /// Makes this the manifest of the store: from here on, or, after an error, not at all. Partitions
    /// are put in order of time.
    ///
    /// # Errors
    ///
    /// If the file cannot be written, or partitions overlap; then the old manifest still holds.
    pub fn commit(&mut self, directory: &dyn Directory) -> Result<(), StorageError> {
        let mut next = self.clone();
        next.partitions
            .sort_by_key(|partition| partition.range.from);
        if !next
            .partitions
            .is_sorted_by(|left, right| left.range.to <= right.range.from)
        {
            return Err(StorageError::malformed(MANIFEST, "partitions overlap"));
        }
        // What the manifest names must outlive a crash before the manifest does.
        directory.sync()?;
        next.generation += 1;
        next.committed_at = TimestampMillis::now();
        directory.replace(MANIFEST, &encode(FrameKind::Manifest, &next)?)?;
        *self = next;
        Ok(())
    }

    /// Removes files that belong to no manifest any more: leftovers of stopped writers, and what a
    /// commit has replaced. Call it after [`Manifest::commit`], as the one writer. Files that
    /// readers have open stay readable to them.
    ///
    /// Only names of the forms that a store uses are touched. Returns how many were removed.
    ///
    /// # Errors
    ///
    /// If the directory refuses; the store is whole all the same.
    pub fn remove_dead_files(&self, directory: &dyn Directory) -> Result<usize, StorageError> {
        let alive: std::collections::BTreeSet<&str> =
            self.files().map(|file| file.name.as_str()).collect();
        let mut removed = 0;
        for name in directory.list()? {
            if is_store_file(&name) && !alive.contains(name.as_str()) {
                directory.remove(&name)?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

/// Whether a name is of a form that stores use: `p000001.…`, `users-000001.…`, `list-000001.…`. A folder may hold
/// files of the user's own, such as `users.parquet`, and those are not ours to remove.
fn is_store_file(name: &str) -> bool {
    let Some((stem, extension)) = name.split_once('.') else {
        return false;
    };
    let number = stem
        .strip_prefix("users-")
        .or_else(|| stem.strip_prefix("user_properties-"))
        .or_else(|| stem.strip_prefix("library-"))
        .or_else(|| stem.strip_prefix("list-"))
        .or_else(|| stem.strip_prefix('p'));
    number
        .is_some_and(|number| number.len() >= 6 && number.bytes().all(|byte| byte.is_ascii_digit()))
        && matches!(extension, "parquet" | "columns" | "index" | "ids" | "frame")
}
