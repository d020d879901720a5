//! A directory in memory: the same code path for stores that live as long as the process.

use crate::directory::{Directory, FileBytes, FileWriter, check_name};
use crate::error::StorageError;
use crate::manifest::FileEntry;
use arrow_buffer::{Buffer, MutableBuffer};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Files = Arc<Mutex<BTreeMap<String, Bytes>>>;

/// Files in memory, aligned as Arrow buffers are. Clones share the files.
#[derive(Debug, Clone, Default)]
pub struct MemoryDirectory {
    files: Files,
}

impl MemoryDirectory {
    /// An empty directory.
    pub fn new() -> Self {
        Self::default()
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<String, Bytes>> {
        lock(&self.files)
    }
}

/// No code panics while it holds the lock, and every entry is complete before it is inserted.
fn lock(files: &Files) -> MutexGuard<'_, BTreeMap<String, Bytes>> {
    files.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Aligned(Buffer);

impl AsRef<[u8]> for Aligned {
    fn as_ref(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl Directory for MemoryDirectory {
    fn create(&self, name: &str) -> Result<Box<dyn FileWriter>, StorageError> {
        if self.exists(name)? {
            return Err(StorageError::Exists {
                file: name.to_owned(),
            });
        }
        Ok(Box::new(MemoryWriter {
            files: Arc::clone(&self.files),
            name: name.to_owned(),
            bytes: MutableBuffer::new(0),
        }))
    }

    fn sync(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn open(&self, name: &str) -> Result<FileBytes, StorageError> {
        check_name(name)?;
        let found = self.files().get(name).cloned();
        found
            .map(FileBytes::from_bytes)
            .ok_or_else(|| StorageError::io("open", name)(io::Error::from(io::ErrorKind::NotFound)))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StorageError> {
        check_name(name)?;
        self.files()
            .insert(name.to_owned(), Bytes::copy_from_slice(bytes));
        Ok(())
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        check_name(name)?;
        Ok(self.files().get(name).map(|bytes| bytes.to_vec()))
    }

    fn exists(&self, name: &str) -> Result<bool, StorageError> {
        check_name(name)?;
        Ok(self.files().contains_key(name))
    }

    fn remove(&self, name: &str) -> Result<(), StorageError> {
        check_name(name)?;
        self.files().remove(name);
        Ok(())
    }

    fn list(&self) -> Result<Vec<String>, StorageError> {
        Ok(self.files().keys().cloned().collect())
    }

    fn path(&self) -> Option<&Path> {
        None
    }
}

struct MemoryWriter {
    files: Files,
    name: String,
    bytes: MutableBuffer,
}

impl Write for MemoryWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl FileWriter for MemoryWriter {
    fn finish(self: Box<Self>) -> Result<FileEntry, StorageError> {
        let mut buffer = Buffer::from(self.bytes);
        // Growing by doubling may have taken twice what is needed.
        buffer.shrink_to_fit();
        let entry = FileEntry {
            name: self.name.clone(),
            bytes: buffer.len() as u64,
            crc32: crc32fast::hash(&buffer),
        };
        lock(&self.files).insert(self.name, Bytes::from_owner(Aligned(buffer)));
        Ok(entry)
    }
}
