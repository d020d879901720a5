//! One immutable state of a store: what snapshots share.

use crate::catalog::StateCatalog;
use crate::error::OpenError;
use crate::library::Library;
use crate::stats::FileStats;
use crate::verify::{Findings, check_partition, check_rows, check_users};
use crowdset_executor::{Dataset, ListSets, PartitionHandle, Summaries, SummaryPolicy, Workers};
use crowdset_index::TermIndex;
use crowdset_query::Catalog;
use crowdset_storage::{
    Damaged, Directory, EventIds, FileBytes, FileEntry, IdKind, Manifest, MemoryDirectory,
    Partition, PartitionEntry, StorageError, Universe, UserIds, Users, UsersBuilder,
};
use crowdset_types::PartitionId;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, OnceLock};

/// What may be kept of the rows for later questions, at most: a byte per event, and some megabytes in
/// any case.
const SUMMARY_BYTES_PER_EVENT: u64 = 1;
const SUMMARY_BYTES_LEAST: u64 = 16 << 20;

/// How often a reader looks at the manifest again when files it names are gone: a writer that
/// commits removes what it replaced.
const MANIFEST_LOOKS: usize = 10;

/// One immutable state of a store.
#[derive(Debug)]
pub(crate) struct State {
    /// Where its files are.
    directory: Arc<dyn Directory>,
    /// What makes it up.
    manifest: Manifest,
    /// What plans run over.
    pub(crate) dataset: Dataset,
    /// The users, also part of the data set.
    pub(crate) users: Arc<Users>,
    /// What is saved under names.
    pub(crate) library: Arc<Library>,
    /// Names and rough numbers, gathered when the first segment is planned.
    catalog: OnceLock<StateCatalog>,
}

impl State {
    /// The state that the directory's manifest tells of; an empty one if there is no manifest.
    /// Partitions that `previous` has open already are shared with it.
    pub(crate) fn open(
        directory: &Arc<dyn Directory>,
        previous: Option<&Self>,
    ) -> Result<Self, OpenError> {
        let read = || Manifest::read(directory.as_ref()).map_err(storage_error);
        let Some(mut manifest) = read()? else {
            return Self::empty(Arc::clone(directory));
        };
        for _ in 1..MANIFEST_LOOKS {
            match Self::of_manifest(directory, manifest.clone(), previous) {
                Err(error) if is_gone(&error) => {
                    let newer = read()?;
                    match newer {
                        Some(newer) if newer.generation != manifest.generation => manifest = newer,
                        _ => return Err(error),
                    }
                }
                outcome => return outcome,
            }
        }
        Self::of_manifest(directory, manifest, previous)
    }

    /// The state of a store that holds nothing yet.
    pub(crate) fn empty(directory: Arc<dyn Directory>) -> Result<Self, OpenError> {
        let users = no_users().map_err(storage_error)?;
        Ok(Self::of_parts(
            directory,
            Manifest::new(0),
            Arc::new(users),
            None,
            Vec::new(),
            Arc::default(),
        ))
    }

    fn of_manifest(
        directory: &Arc<dyn Directory>,
        manifest: Manifest,
        previous: Option<&Self>,
    ) -> Result<Self, OpenError> {
        let open_already: HashMap<PartitionId, &PartitionHandle> = previous
            .map(|state| {
                state
                    .dataset
                    .partitions
                    .iter()
                    .map(|handle| (handle.partition.id(), handle))
                    .collect()
            })
            .unwrap_or_default();
        let mut partitions = Vec::with_capacity(manifest.partitions.len());
        for entry in &manifest.partitions {
            partitions.push(match open_already.get(&entry.id) {
                Some(&handle) => handle.clone(),
                None => open_partition(directory.as_ref(), entry)?,
            });
        }
        let same_users = previous.filter(|state| state.manifest.users == manifest.users);
        let (users, attribute_index) = match (same_users, &manifest.users.columns) {
            (Some(state), _) => (
                Arc::clone(&state.users),
                state.dataset.attribute_index.clone(),
            ),
            (None, Some(columns)) => {
                let file = open_file(directory.as_ref(), columns)?;
                let users = Users::of_file(&columns.name, file).map_err(storage_error)?;
                let index = manifest
                    .users
                    .index
                    .as_ref()
                    .map(|file| open_index(directory.as_ref(), file));
                (Arc::new(users), index.transpose()?)
            }
            (None, None) => (Arc::new(no_users().map_err(storage_error)?), None),
        };
        let same_library = previous.filter(|state| state.manifest.library == manifest.library);
        let library = if let Some(state) = same_library {
            Arc::clone(&state.library)
        } else {
            let library = Library::open(directory.as_ref(), manifest.library.as_ref());
            Arc::new(library.map_err(storage_error)?)
        };
        Ok(Self::of_parts(
            Arc::clone(directory),
            manifest,
            users,
            attribute_index,
            partitions,
            library,
        ))
    }

    fn of_parts(
        directory: Arc<dyn Directory>,
        manifest: Manifest,
        users: Arc<Users>,
        attribute_index: Option<Arc<TermIndex>>,
        partitions: Vec<PartitionHandle>,
        library: Arc<Library>,
    ) -> Self {
        // Together with columns and indexes that is within what a state may take.
        let rows: u64 = partitions
            .iter()
            .map(|handle| handle.partition.rows())
            .sum();
        let summaries = Summaries::new(SummaryPolicy {
            bytes_max: (rows * SUMMARY_BYTES_PER_EVENT).max(SUMMARY_BYTES_LEAST),
            ..SummaryPolicy::default()
        });
        let dataset = Dataset {
            users: Arc::clone(&users),
            attribute_index,
            partitions,
            lists: ListSets::default(),
            summaries,
            workers: Workers::default(),
        };
        Self {
            directory,
            manifest,
            dataset,
            users,
            library,
            catalog: OnceLock::new(),
        }
    }

    /// Names and rough numbers.
    pub(crate) fn catalog(&self) -> &dyn Catalog {
        self.data_catalog()
    }

    /// The same, to be joined with what is about to be saved.
    pub(crate) fn data_catalog(&self) -> &StateCatalog {
        self.catalog
            .get_or_init(|| StateCatalog::of(&self.dataset, Arc::clone(&self.library)))
    }

    /// Checks what reading user ids in order will touch; remembered.
    pub(crate) fn touch_ids(&self) -> Result<(), Damaged> {
        self.users.touch_ids()?;
        self.users.touch_ranks()
    }

    /// The files by the ending of their names.
    pub(crate) fn file_stats(&self) -> Vec<FileStats> {
        let mut kinds: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for file in self.manifest.files().filter(|file| file.bytes > 0) {
            let kind = file
                .name
                .rsplit_once('.')
                .map_or(file.name.as_str(), |(_, ending)| ending);
            let (files, bytes) = kinds.entry(kind).or_default();
            *files += 1;
            *bytes += file.bytes;
        }
        kinds
            .into_iter()
            .map(|(kind, (files, bytes))| FileStats {
                kind: kind.to_owned(),
                files,
                bytes,
            })
            .collect()
    }

    /// Reads every file to its last byte.
    pub(crate) fn verify(&self, findings: &mut Findings) {
        let directory = self.directory.as_ref();
        for file in self.manifest.files().filter(|file| file.bytes > 0) {
            match file.check(directory) {
                Ok(()) => findings.read(file.bytes),
                Err(error) => findings.fault(&file.name, crate::error::chain(&error)),
            }
        }
        self.library.verify(findings);
        check_users(&self.dataset, &self.manifest, findings);
        for (entry, handle) in self
            .manifest
            .partitions
            .iter()
            .zip(&self.dataset.partitions)
        {
            check_partition(entry, handle, &self.users, findings);
            if entry.files.ids.bytes > 0 {
                let name = &entry.files.ids.name;
                match EventIds::open(directory, name) {
                    Ok(ids) => ids.verify(&mut |damaged| findings.fault(name, damaged)),
                    Err(error) => findings.fault(name, crate::error::chain(&error)),
                }
            }
            if entry.files.rows.bytes > 0 {
                check_rows(directory, &entry.files.rows, Some(entry.rows), findings);
            }
        }
        for file in [
            &self.manifest.users.users_rows,
            &self.manifest.users.properties_rows,
        ]
        .into_iter()
        .flatten()
        {
            if file.bytes > 0 {
                check_rows(directory, file, None, findings);
            }
        }
    }
}

fn open_partition(
    directory: &dyn Directory,
    entry: &PartitionEntry,
) -> Result<PartitionHandle, OpenError> {
    let columns = &entry.files.columns;
    let file = open_file(directory, columns)?;
    let partition = Partition::of_file(&columns.name, file).map_err(storage_error)?;
    let index = (entry.files.index.bytes > 0)
        .then(|| open_index(directory, &entry.files.index))
        .transpose()?;
    Ok(PartitionHandle {
        partition: Arc::new(partition),
        index,
    })
}

fn open_index(directory: &dyn Directory, file: &FileEntry) -> Result<Arc<TermIndex>, OpenError> {
    let bytes = open_file(directory, file)?;
    match TermIndex::open(&file.name, bytes.bytes().clone()) {
        Ok(index) => Ok(Arc::new(index)),
        Err(source) => Err(OpenError::Index { path: None, source }),
    }
}

/// A file that is there and has all its bytes.
fn open_file(directory: &dyn Directory, file: &FileEntry) -> Result<FileBytes, OpenError> {
    let bytes = directory.open(&file.name).map_err(storage_error)?;
    let found = bytes.len() as u64;
    if found == file.bytes {
        return Ok(bytes);
    }
    Err(storage_error(StorageError::Length {
        file: file.name.clone(),
        expected: file.bytes,
        found,
    }))
}

/// The users of a store without any.
fn no_users() -> Result<Users, StorageError> {
    let directory = MemoryDirectory::new();
    let name = "users-000000.columns";
    UsersBuilder::new(&UserIds::new(0), IdKind::Text, Universe::Everyone)
        .write(&directory, name)?;
    Users::open(&directory, name)
}

fn storage_error(source: StorageError) -> OpenError {
    OpenError::Storage { path: None, source }
}

/// Whether a file was named and is not there.
fn is_gone(error: &OpenError) -> bool {
    matches!(error, OpenError::Storage { source: StorageError::Io { source, .. }, .. } if source.kind() == io::ErrorKind::NotFound)
}
