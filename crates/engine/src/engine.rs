//! One lifecycle: open, load, hand out snapshots.

use crate::error::{OpenError, SaveError};
use crate::load::{self, LoadError, LoadOptions, LoadReport, Progress, Tables};
use crate::options::EngineOptions;
use crate::snapshot::Snapshot;
use crate::state::State;
use crate::whole::WholeFiles;
use arrow::record_batch::RecordBatch;
use crowdset_storage::{Directory, FsDirectory, MANIFEST, MemoryDirectory};
use rayon::ThreadPool;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Whether an engine may change its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// It reads.
    Read,
    /// It holds the writer's lock, or nobody else can reach the store.
    Write,
}

/// An error that can say that a change was stored, and yet the store could not be opened again.
pub(crate) trait Reopen {
    /// This error, for that reason.
    fn reopen(source: Box<OpenError>) -> Self;
}

impl Reopen for LoadError {
    fn reopen(source: Box<OpenError>) -> Self {
        Self::Reopen(source)
    }
}

impl Reopen for SaveError {
    fn reopen(source: Box<OpenError>) -> Self {
        Self::Reopen(source)
    }
}

/// A store: users, events and user properties, on disk or in memory, and whoever asks it.
///
/// Share it between threads as it is or in an `Arc`. One writer at a time, any number of readers:
/// [`Engine::snapshot`] hands out an immutable state that no load changes, and a load becomes visible
/// to later snapshots at once and as a whole.
pub struct Engine {
    directory: Arc<dyn Directory>,
    path: Option<PathBuf>,
    /// The newest state; locked for as long as it takes to copy or replace a pointer.
    state: RwLock<Arc<State>>,
    /// Held by the one load that runs.
    writer: Mutex<()>,
    pool: Option<Arc<ThreadPool>>,
    pub(crate) access: Access,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("path", &self.path)
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// An empty engine in memory, gone with the last snapshot of it.
    pub fn in_memory() -> Self {
        // Writes one small file in memory and reads it back; nothing of it depends on any input.
        Self::create_in_memory(EngineOptions::default(), Access::Write)
            .expect("an empty store in memory")
    }

    /// Opens the store in `path` to read and write.
    ///
    /// A missing directory is made; it holds a store from the first load on. Only one process at
    /// a time may write; readers ([`Engine::open_read_only`]) are not hindered.
    ///
    /// # Cost
    ///
    /// Milliseconds, whatever the size: files are mapped, and checked when they are first touched.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if another writer holds the store, or files are missing, damaged or of a newer
    /// format.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::options().open(path)
    }

    /// Opens the store in `path` to read: the state of this moment, beside a writer or not.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if there is no store, or files are missing, damaged or of a newer format.
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::options().open_read_only(path)
    }

    /// Loads a folder that holds `users`, `events` or `user_properties` as `.parquet`, `.csv` or
    /// `.ndjson` (or a folder `events/` of such files) into memory, to read.
    ///
    /// # Errors
    ///
    /// [`OpenError::NoStore`] if there are no such tables, [`OpenError::Load`] if they cannot be
    /// loaded.
    pub fn from_tables(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::options().from_tables(path, |_: &Progress| {})
    }

    /// Where the defaults do not fit: a pool, a number of threads, files read whole.
    pub fn options() -> EngineOptions {
        EngineOptions::default()
    }

    /// Whether `path` is a directory that holds a store.
    pub fn is_store(path: impl AsRef<Path>) -> bool {
        path.as_ref().join(MANIFEST).is_file()
    }
}

impl Engine {
    pub(crate) fn create_in_memory(
        options: EngineOptions,
        access: Access,
    ) -> Result<Self, OpenError> {
        let directory: Arc<dyn Directory> = Arc::new(MemoryDirectory::default());
        let state = State::empty(Arc::clone(&directory))?;
        Ok(Self::with_state(directory, None, state, options, access))
    }

    pub(crate) fn open_directory(
        path: &Path,
        options: EngineOptions,
        access: Access,
    ) -> Result<Self, OpenError> {
        let _span = tracing::debug_span!("open").entered();
        let failed = |source| OpenError::Storage {
            path: Some(path.to_owned()),
            source,
        };
        let mode = match access {
            Access::Read => crowdset_storage::Access::Read,
            Access::Write => crowdset_storage::Access::Write,
        };
        let files = FsDirectory::open(path, mode).map_err(failed)?;
        let directory: Arc<dyn Directory> = if options.read_whole {
            Arc::new(WholeFiles(files))
        } else {
            Arc::new(files)
        };
        let state = State::open(&directory, None).map_err(|error| error.in_path(path))?;
        Ok(Self::with_state(
            directory,
            Some(path.to_owned()),
            state,
            options,
            access,
        ))
    }

    fn with_state(
        directory: Arc<dyn Directory>,
        path: Option<PathBuf>,
        state: State,
        options: EngineOptions,
        access: Access,
    ) -> Self {
        Self {
            directory,
            path,
            state: RwLock::new(Arc::new(state)),
            writer: Mutex::new(()),
            pool: options.pool,
            access,
        }
    }

    /// The newest state, to be asked from any thread for as long as it is wanted.
    ///
    /// # Cost
    ///
    /// The copy of two pointers; no writer is waited for.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            state: self.state(),
            pool: self.pool.clone(),
        }
    }

    fn state(&self) -> Arc<State> {
        // The lock guards one pointer, which is whole at any time: a panic elsewhere cannot harm it.
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds tables to the store: all of them or, on any error, nothing.
    ///
    /// A second event with a stored `event_id` is ignored and counted, so a load may be repeated.
    /// Snapshots taken before do not change; later ones see everything.
    ///
    /// # Errors
    ///
    /// [`LoadError`]; the store is as it was.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use crowdset::{Engine, LoadOptions, Tables};
    ///
    /// let engine = Engine::open("store")?;
    /// let tables = Tables::default().users("users.parquet").events("events/");
    /// let report = engine.load(&tables, &LoadOptions::default())?;
    /// println!("{} events stored, {} known already", report.stored, report.duplicates);
    /// # Ok::<(), crowdset::Error>(())
    /// ```
    pub fn load(&self, tables: &Tables, options: &LoadOptions) -> Result<LoadReport, LoadError> {
        if self.access == Access::Read {
            return Err(LoadError::ReadOnly);
        }
        let _span = tracing::debug_span!("load").entered();
        self.as_writer(|_, _| {
            let load = || load::load(&self.directory, tables, options);
            match &self.pool {
                Some(pool) => pool.install(load),
                None => load(),
            }
        })
    }

    /// Makes one change of what is stored, given the files and the state before, and publishes the
    /// state after.
    pub(crate) fn as_writer<T, E: Reopen>(
        &self,
        change: impl FnOnce(&dyn Directory, &State) -> Result<T, E>,
    ) -> Result<T, E> {
        // What the lock guards is on disk and swapped as a whole: a panic of an earlier change left
        // it whole.
        let _writing = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.state();
        let made = change(self.directory.as_ref(), &before)?;
        let after = State::open(&self.directory, Some(&before))
            .map_err(|error| E::reopen(Box::new(error)))?;
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(after);
        Ok(made)
    }

    /// Adds one batch of events.
    ///
    /// Batches are worth gathering: each makes the partition of its time span anew.
    ///
    /// # Errors
    ///
    /// [`LoadError`]; nothing was added.
    pub fn append(&self, events: &RecordBatch) -> Result<LoadReport, LoadError> {
        self.load(
            &Tables::default().event_batch(events.clone()),
            &LoadOptions::default(),
        )
    }

    /// Adds one batch of rows of `users`.
    ///
    /// # Errors
    ///
    /// [`LoadError`]; nothing was added.
    pub fn append_users(&self, users: &RecordBatch) -> Result<LoadReport, LoadError> {
        self.load(
            &Tables::default().user_batch(users.clone()),
            &LoadOptions::default(),
        )
    }

    /// Adds one batch of rows of `user_properties`.
    ///
    /// # Errors
    ///
    /// [`LoadError`]; nothing was added.
    pub fn append_user_properties(
        &self,
        properties: &RecordBatch,
    ) -> Result<LoadReport, LoadError> {
        self.load(
            &Tables::default().user_property_batch(properties.clone()),
            &LoadOptions::default(),
        )
    }
}
