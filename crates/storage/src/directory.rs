//! Where files live: a directory of the file system, or memory.

use crate::error::StorageError;
use crate::manifest::FileEntry;
use crate::map::FileMap;
use bytes::Bytes;
use std::fmt;
use std::io;
use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::Arc;

/// The place of a store's files: plain names, no folders.
///
/// Every file but the manifest is written once and never changed; its name is never used again.
pub trait Directory: Send + Sync + fmt::Debug {
    /// Begins a new file. It appears under its name when [`FileWriter::finish`] succeeds, and
    /// leaves no trace if the writer is dropped before.
    ///
    /// # Errors
    ///
    /// If there is a file of that name, the directory is read-only, or the file system refuses.
    fn create(&self, name: &str) -> Result<Box<dyn FileWriter>, StorageError>;

    /// Waits until every file that was finished is durable, as far as the system can tell. Writing to
    /// the disk begins when a file is finished, beside whatever the caller does next.
    ///
    /// # Errors
    ///
    /// If the file system refuses: then files that seemed finished may be missing or broken after
    /// a crash, and nothing must point to them.
    fn sync(&self) -> Result<(), StorageError>;

    /// The bytes of a file, mapped or shared: nothing is copied.
    ///
    /// # Errors
    ///
    /// If there is no such file, or the file system refuses.
    fn open(&self, name: &str) -> Result<FileBytes, StorageError>;

    /// Puts `bytes` under `name`, in the place of what was there: all of it or nothing, also if the
    /// machine stops in between. For small files that are read with [`Directory::read`].
    ///
    /// # Errors
    ///
    /// If the directory is read-only, or the file system refuses; then the old file is still there.
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StorageError>;

    /// A small file's bytes, as a copy; `None` if there is no such file.
    ///
    /// # Errors
    ///
    /// If the file system refuses.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError>;

    /// Whether there is a file of that name.
    ///
    /// # Errors
    ///
    /// If the file system refuses.
    fn exists(&self, name: &str) -> Result<bool, StorageError>;

    /// Removes a file; it is no error if there is none. Bytes that are open stay readable.
    ///
    /// # Errors
    ///
    /// If the directory is read-only, or the file system refuses.
    fn remove(&self, name: &str) -> Result<(), StorageError>;

    /// The names of all files, ascending.
    ///
    /// # Errors
    ///
    /// If the file system refuses.
    fn list(&self) -> Result<Vec<String>, StorageError>;

    /// The folder, if the files are in the file system.
    fn path(&self) -> Option<&Path>;
}

/// A file on its way into a [`Directory`].
pub trait FileWriter: io::Write + Send {
    /// Tells that no answer reads this file: what is written of it may leave the system's memory as
    /// soon as it is on the disk, which goes on while the file grows. A load writes several times
    /// as many bytes of such files as of others, and would push those out that are asked next.
    fn expect_no_reads(&mut self) {}

    /// Makes the file visible under its name; returns what it consists of, the checksum taken while
    /// it was written. It is durable after [`Directory::sync`].
    ///
    /// # Errors
    ///
    /// If the file system refuses; then there is no file.
    fn finish(self: Box<Self>) -> Result<FileEntry, StorageError>;
}

/// The bytes of an open file. Cheap to clone.
#[derive(Debug, Clone)]
pub struct FileBytes {
    bytes: Bytes,
    map: Option<Arc<FileMap>>,
}

impl FileBytes {
    /// Bytes in memory as a file.
    pub fn from_bytes(bytes: Bytes) -> Self {
        Self { bytes, map: None }
    }

    pub(crate) fn from_map(map: FileMap) -> Self {
        let map = Arc::new(map);
        Self {
            bytes: Bytes::from_owner(SharedMap(Arc::clone(&map))),
            map: Some(map),
        }
    }

    /// The bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Tells the system that reads will be few and scattered, so that it reads nothing ahead.
    pub fn expect_scattered_reads(&self) {
        if let Some(map) = &self.map {
            map.expect_scattered_reads();
        }
    }

    /// Tells the system that these bytes will soon be read, so that it fetches them in one go.
    pub fn will_need(&self, range: Range<usize>) {
        if let Some(map) = &self.map {
            map.will_need(range);
        }
    }
}

impl Deref for FileBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

struct SharedMap(Arc<FileMap>);

impl AsRef<[u8]> for SharedMap {
    fn as_ref(&self) -> &[u8] {
        self.0.as_slice()
    }
}

/// Names are made by this workspace, but a manifest is a file too: nothing may point elsewhere.
pub(crate) fn check_name(name: &str) -> Result<(), StorageError> {
    let plain = !name.is_empty()
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    if plain {
        Ok(())
    } else {
        Err(StorageError::BadName {
            name: name.to_owned(),
        })
    }
}
