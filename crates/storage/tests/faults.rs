//! Goal: whatever fails while a store is changed, the store is then the old one or the new one, and
//! whole.
//! Method: a directory that fails after N operations or bytes, for every N.

use crowdset_storage::{
    Directory, FileBytes, FileEntry, FileWriter, IdKind, MANIFEST, Manifest, MemoryDirectory,
    StorageError, Universe, UserIds, Users, UsersBuilder, UsersFiles,
};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Memory that fails for ever after its budget is used up: every operation that changes something
/// costs one, every byte written one more.
#[derive(Debug, Clone)]
struct Failing {
    inner: MemoryDirectory,
    left: Arc<AtomicU64>,
}

impl Failing {
    fn new(inner: &MemoryDirectory, budget: u64) -> Self {
        Self {
            inner: inner.clone(),
            left: Arc::new(AtomicU64::new(budget)),
        }
    }
}

fn spend(left: &AtomicU64, cost: u64) -> io::Result<()> {
    let spent = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
        left.checked_sub(cost)
    });
    if spent.is_err() {
        left.store(0, Ordering::Relaxed);
    }
    spent
        .map(|_| ())
        .map_err(|_| io::Error::other("the disk is gone"))
}

fn failed(source: io::Error) -> StorageError {
    StorageError::Io {
        action: "write",
        file: "a file".to_owned(),
        source,
    }
}

impl Directory for Failing {
    fn create(&self, name: &str) -> Result<Box<dyn FileWriter>, StorageError> {
        spend(&self.left, 1).map_err(failed)?;
        Ok(Box::new(FailingWriter {
            inner: self.inner.create(name)?,
            left: Arc::clone(&self.left),
        }))
    }

    fn open(&self, name: &str) -> Result<FileBytes, StorageError> {
        self.inner.open(name)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StorageError> {
        spend(&self.left, 1 + bytes.len() as u64).map_err(failed)?;
        self.inner.replace(name, bytes)
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.inner.read(name)
    }

    fn exists(&self, name: &str) -> Result<bool, StorageError> {
        self.inner.exists(name)
    }

    fn remove(&self, name: &str) -> Result<(), StorageError> {
        spend(&self.left, 1).map_err(failed)?;
        self.inner.remove(name)
    }

    fn sync(&self) -> Result<(), StorageError> {
        spend(&self.left, 1).map_err(failed)?;
        self.inner.sync()
    }

    fn list(&self) -> Result<Vec<String>, StorageError> {
        self.inner.list()
    }

    fn path(&self) -> Option<&Path> {
        None
    }
}

struct FailingWriter {
    inner: Box<dyn FileWriter>,
    left: Arc<AtomicU64>,
}

impl Write for FailingWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        spend(&self.left, bytes.len() as u64)?;
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl FileWriter for FailingWriter {
    fn finish(self: Box<Self>) -> Result<FileEntry, StorageError> {
        spend(&self.left, 1).map_err(failed)?;
        self.inner.finish()
    }
}

/// One load: a new file of users, a new manifest, the old file removed.
fn load(directory: &dyn Directory, user: &str) -> Result<(), StorageError> {
    let mut manifest = Manifest::read(directory)?.unwrap_or_else(|| Manifest::new(7));
    // A stopped writer may have left a file under the next number.
    manifest.remove_dead_files(directory)?;
    let mut ids = match &manifest.users.columns {
        Some(file) => UserIds::from_users(&Users::open(directory, &file.name)?)?,
        None => UserIds::new(manifest.seed),
    };
    ids.get_or_insert(user);
    let name = format!("users-{:06}.columns", manifest.take_users_number());
    let file = UsersBuilder::new(&ids, IdKind::Text, Universe::Everyone).write(directory, &name)?;
    manifest.users = UsersFiles {
        columns: Some(file),
        ..UsersFiles::default()
    };
    manifest.commit(directory)?;
    manifest.remove_dead_files(directory)?;
    Ok(())
}

/// The generation and the users of a store that must be whole.
fn state(directory: &dyn Directory) -> (u64, Vec<String>) {
    let manifest = Manifest::read(directory).unwrap().unwrap();
    manifest.check_files(directory).unwrap();
    let users = Users::open(directory, &manifest.users.columns.unwrap().name).unwrap();
    users.verify(&mut |damaged| panic!("{damaged}"));
    let ids = (0..users.ordinals() as u32)
        .map(|ordinal| users.id(crowdset_types::UserOrdinal(ordinal)).to_owned());
    (manifest.generation, ids.collect())
}

#[test]
fn a_load_that_fails_anywhere_leaves_the_old_store_or_the_new_one() {
    let fresh = || {
        let directory = MemoryDirectory::new();
        load(&directory, "ada").unwrap();
        directory
    };
    let old = (1, vec!["ada".to_owned()]);
    let new = (2, vec!["ada".to_owned(), "bob".to_owned()]);
    let (mut failures, mut budget) = (0, 0);
    loop {
        let directory = fresh();
        let outcome = load(&Failing::new(&directory, budget), "bob");
        let found = state(&directory);
        assert!(found == old || found == new, "budget {budget}: {found:?}");
        if outcome.is_ok() {
            assert_eq!(found, new);
            assert_eq!(
                directory.list().unwrap(),
                [MANIFEST, "users-000002.columns"]
            );
            break;
        }
        failures += 1;
        // Nothing stands in the way of trying again.
        load(&directory, "bob").unwrap();
        let generation = if found == old { 2 } else { 3 };
        assert_eq!(
            state(&directory),
            (generation, new.1.clone()),
            "budget {budget}"
        );
        assert_eq!(directory.list().unwrap().len(), 2);
        budget += 1;
    }
    assert!(
        failures > 500,
        "every byte and operation was tried: {failures}"
    );
}

#[test]
fn a_damaged_manifest_is_an_error_and_not_an_empty_store() {
    let directory = MemoryDirectory::new();
    load(&directory, "ada").unwrap();
    let bytes = directory.read(MANIFEST).unwrap().unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 2;
        directory.replace(MANIFEST, &changed).unwrap();
        let error = Manifest::read(&directory).unwrap_err();
        assert!(error.to_string().starts_with("MANIFEST: "), "{error}");
        directory.replace(MANIFEST, &bytes[..at]).unwrap();
        assert!(Manifest::read(&directory).is_err());
    }
}

#[test]
fn missing_and_shortened_files_are_noticed() {
    let directory = MemoryDirectory::new();
    load(&directory, "ada").unwrap();
    let manifest = Manifest::read(&directory).unwrap().unwrap();
    let name = &manifest.users.columns.as_ref().unwrap().name;
    directory.replace(name, b"short").unwrap();
    assert!(matches!(
        manifest.check_files(&directory),
        Err(StorageError::Length { found: 5, .. })
    ));
    directory.remove(name).unwrap();
    assert!(matches!(
        manifest.check_files(&directory),
        Err(StorageError::Io { .. })
    ));
}

#[test]
fn files_of_other_people_are_left_alone() {
    let directory = MemoryDirectory::new();
    for name in [
        "users.parquet",
        "p1.parquet",
        "notes.txt",
        "p000009.columns",
        "user_properties-000003.parquet",
    ] {
        directory.replace(name, b"x").unwrap();
    }
    load(&directory, "ada").unwrap();
    let left = directory.list().unwrap();
    assert_eq!(
        left,
        [
            MANIFEST,
            "notes.txt",
            "p1.parquet",
            "users-000001.columns",
            "users.parquet"
        ]
    );
}
