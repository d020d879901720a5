//! How an engine is opened.

use crate::engine::{Access, Engine};
use crate::error::OpenError;
use crate::load::{LoadOptions, Progress};
use crate::tables;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::path::Path;
use std::sync::Arc;

/// How an [`Engine`] is opened, where the defaults do not fit.
///
/// # Examples
///
/// ```
/// use crowdset::Engine;
///
/// let engine = Engine::options().threads(2).in_memory()?;
/// assert_eq!(engine.snapshot().universe_len(), 0);
/// # Ok::<(), crowdset::OpenError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct EngineOptions {
    pub(crate) pool: Option<Arc<ThreadPool>>,
    pub(crate) threads: Option<usize>,
    pub(crate) read_whole: bool,
}

impl EngineOptions {
    /// Works on this pool. Without one, work runs on the pool it is called in, which outside of any
    /// is rayon's global one. The thread that asks a question takes the place of one of the pool's.
    pub fn pool(mut self, pool: Arc<ThreadPool>) -> Self {
        self.pool = Some(pool);
        self.threads = None;
        self
    }

    /// Works on a pool of its own of so many threads.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self.pool = None;
        self
    }

    /// Reads the store's files whole into memory instead of mapping them: slower to open, and no
    /// longer concerned by what happens to the files.
    pub fn read_whole(mut self, read_whole: bool) -> Self {
        self.read_whole = read_whole;
        self
    }

    /// An empty engine in memory.
    ///
    /// # Errors
    ///
    /// [`OpenError::Threads`] if the threads asked for cannot be started.
    pub fn in_memory(self) -> Result<Engine, OpenError> {
        Engine::create_in_memory(self.started()?, Access::Write)
    }

    /// Opens the store in `path` to read and write, and makes an empty one if there is none. See
    /// [`Engine::open`].
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn open(self, path: impl AsRef<Path>) -> Result<Engine, OpenError> {
        Engine::open_directory(path.as_ref(), self.started()?, Access::Write)
    }

    /// Opens the store in `path` to read. See [`Engine::open_read_only`].
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn open_read_only(self, path: impl AsRef<Path>) -> Result<Engine, OpenError> {
        let path = path.as_ref();
        if !Engine::is_store(path) {
            return Err(OpenError::NoStore {
                path: path.to_owned(),
            });
        }
        Engine::open_directory(path, self.started()?, Access::Read)
    }

    /// Loads a folder of tables into memory, to read. See [`Engine::from_tables`]. `progress` is told
    /// how far it is.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn from_tables(
        self,
        path: impl AsRef<Path>,
        progress: impl Fn(&Progress) + Send + Sync + 'static,
    ) -> Result<Engine, OpenError> {
        let path = path.as_ref();
        let Some(tables) = tables::tables_in_folder(path) else {
            return Err(OpenError::NoStore {
                path: path.to_owned(),
            });
        };
        let mut engine = Engine::create_in_memory(self.started()?, Access::Write)?;
        engine.load(
            &tables,
            &LoadOptions::default().keep_rows(false).progress(progress),
        )?;
        engine.access = Access::Read;
        Ok(engine)
    }

    /// Opens a store to read, or loads a folder of tables into memory where there is no store: what
    /// every reading command of the command line does with its STORE.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn open_store_or_tables(
        self,
        path: impl AsRef<Path>,
        progress: impl Fn(&Progress) + Send + Sync + 'static,
    ) -> Result<Engine, OpenError> {
        if Engine::is_store(path.as_ref()) {
            self.open_read_only(path)
        } else {
            self.from_tables(path, progress)
        }
    }

    /// Starts the threads asked for.
    fn started(mut self) -> Result<Self, OpenError> {
        if let Some(threads) = self.threads {
            let pool = ThreadPoolBuilder::new()
                .num_threads(threads)
                .thread_name(|index| format!("crowdset-{index}"))
                .build()
                .map_err(|error| OpenError::Threads {
                    threads,
                    reason: error.to_string(),
                })?;
            self.pool = Some(Arc::new(pool));
        }
        Ok(self)
    }
}
