//! A directory whose files are read whole instead of mapped.

use arrow::buffer::{Buffer, MutableBuffer};
use bytes::Bytes;
use crowdset_storage::{Directory, FileBytes, FileWriter, StorageError};
use std::path::Path;

/// Reads files of another directory whole into memory, aligned as Arrow buffers are.
#[derive(Debug)]
pub(crate) struct WholeFiles<D>(pub(crate) D);

struct Aligned(Buffer);

impl AsRef<[u8]> for Aligned {
    fn as_ref(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl<D: Directory> Directory for WholeFiles<D> {
    fn create(&self, name: &str) -> Result<Box<dyn FileWriter>, StorageError> {
        self.0.create(name)
    }

    fn sync(&self) -> Result<(), StorageError> {
        self.0.sync()
    }

    fn open(&self, name: &str) -> Result<FileBytes, StorageError> {
        let mapped = self.0.open(name)?;
        let mut copy = MutableBuffer::with_capacity(mapped.len());
        copy.extend_from_slice(&mapped);
        Ok(FileBytes::from_bytes(Bytes::from_owner(Aligned(
            copy.into(),
        ))))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StorageError> {
        self.0.replace(name, bytes)
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.0.read(name)
    }

    fn exists(&self, name: &str) -> Result<bool, StorageError> {
        self.0.exists(name)
    }

    fn remove(&self, name: &str) -> Result<(), StorageError> {
        self.0.remove(name)
    }

    fn list(&self) -> Result<Vec<String>, StorageError> {
        self.0.list()
    }

    fn path(&self) -> Option<&Path> {
        self.0.path()
    }
}
