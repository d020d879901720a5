//! What is saved in a store under names: segments with all their versions, and static lists.
//!
//! The library is one small frame, written anew with each change and named by the manifest; the ids
//! of each list are a frame of their own, so that saving a segment does not write a million ids.

use crate::codec::{FrameKind, decode, encode};
use crate::directory::Directory;
use crate::error::StorageError;
use crate::manifest::FileEntry;
use crowdset_types::TimestampMillis;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What is saved in a store under names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Library {
    /// Segments, ascending by name, dropped ones included.
    pub segments: Vec<SegmentRecord>,
    /// Static lists, ascending by name, dropped ones included.
    pub lists: Vec<ListRecord>,
}

/// A saved segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentRecord {
    /// Its name.
    pub name: String,
    /// Its definitions; the first is version 1, the last is in force.
    pub versions: Vec<SegmentVersionRecord>,
    /// When it was dropped; the next version begins where this one ended.
    pub dropped_at: Option<TimestampMillis>,
}

/// One definition of a saved segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentVersionRecord {
    /// The definition as it was written.
    pub text: String,
    /// When it was saved.
    pub saved_at: TimestampMillis,
}

/// A static list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListRecord {
    /// Its name.
    pub name: String,
    /// How often it was saved.
    pub version: u64,
    /// When it was saved.
    pub saved_at: TimestampMillis,
    /// How many different ids it holds.
    pub ids: u64,
    /// The file of its ids; `None`: the list was dropped.
    pub file: Option<FileEntry>,
}

impl Library {
    /// Reads a library.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the file is missing, damaged or of a newer format.
    pub fn read(directory: &dyn Directory, file: &FileEntry) -> Result<Self, StorageError> {
        read_frame(directory, file, FrameKind::Library)
    }

    /// Writes the library to a new file; it counts once a manifest names it.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the file cannot be written.
    pub fn write(&self, directory: &dyn Directory, name: &str) -> Result<FileEntry, StorageError> {
        write_frame(directory, name, FrameKind::Library, self)
    }
}

/// Reads the ids of a list: ascending by bytes, each once.
///
/// # Errors
///
/// [`StorageError`] if the file is missing, damaged or of a newer format.
pub fn read_list(directory: &dyn Directory, file: &FileEntry) -> Result<Vec<String>, StorageError> {
    read_frame(directory, file, FrameKind::List)
}

/// Writes the ids of a list, ascending by bytes and each once, to a new file; it counts once a
/// manifest names it.
///
/// # Errors
///
/// [`StorageError`] if the file cannot be written, or the ids take more than 1 GiB.
pub fn write_list(
    directory: &dyn Directory,
    name: &str,
    ids: &[String],
) -> Result<FileEntry, StorageError> {
    write_frame(directory, name, FrameKind::List, &ids)
}

fn read_frame<T: DeserializeOwned>(
    directory: &dyn Directory,
    file: &FileEntry,
    kind: FrameKind,
) -> Result<T, StorageError> {
    let bytes = directory.open(&file.name)?;
    decode(kind, &bytes).map_err(|source| StorageError::Frame {
        file: file.name.clone(),
        source,
    })
}

fn write_frame<T: Serialize>(
    directory: &dyn Directory,
    name: &str,
    kind: FrameKind,
    value: &T,
) -> Result<FileEntry, StorageError> {
    let frame = encode(kind, value)?;
    let mut file = directory.create(name)?;
    file.write_all(&frame)
        .map_err(StorageError::io("write", name))?;
    file.finish()
}
