//! What is loaded, how, and what came of it; `run.rs` does it.

mod created;
mod run;

pub(crate) use created::Created;
pub(crate) use run::{load, random_seed};

use crate::indexing::IndexingError;
use arrow::record_batch::RecordBatch;
use crowdset_index::IndexError;
use crowdset_ingest::{ColumnMap, IngestError, Input, PartitionSizes};
use crowdset_storage::StorageError;
use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use crowdset_ingest::{OnBadRow, Progress, RejectedRow, RowProblem, Stage as LoadStage};

/// Where the three tables come from.
///
/// A path is a file (`.parquet`, `.csv`, `.ndjson`), a folder of such files, a pattern with `*`, `?`
/// and `**`, or `-` for NDJSON on standard input. Several paths of one table are read in order of
/// their names.
///
/// # Examples
///
/// ```
/// use crowdset::Tables;
///
/// let tables = Tables::default()
///     .users("users.parquet")
///     .events("events/2026-*.parquet")
///     .column("events.event_name=action")?;
/// # Ok::<(), crowdset::LoadError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Tables {
    users: Vec<Input>,
    events: Vec<Input>,
    user_properties: Vec<Input>,
    columns: ColumnMap,
}

impl Tables {
    /// Reads `users` from here too.
    pub fn users(mut self, path: impl Into<PathBuf>) -> Self {
        self.users.push(path_input(path.into()));
        self
    }

    /// Reads `events` from here too.
    pub fn events(mut self, path: impl Into<PathBuf>) -> Self {
        self.events.push(path_input(path.into()));
        self
    }

    /// Reads `user_properties` from here too.
    pub fn user_properties(mut self, path: impl Into<PathBuf>) -> Self {
        self.user_properties.push(path_input(path.into()));
        self
    }

    /// Adds rows of `users`, behind those of files.
    pub fn user_batch(mut self, batch: RecordBatch) -> Self {
        self.users.push(Input::Batches(vec![batch]));
        self
    }

    /// Adds rows of `events`, behind those of files.
    pub fn event_batch(mut self, batch: RecordBatch) -> Self {
        self.events.push(Input::Batches(vec![batch]));
        self
    }

    /// Adds rows of `user_properties`, behind those of files.
    pub fn user_property_batch(mut self, batch: RecordBatch) -> Self {
        self.user_properties.push(Input::Batches(vec![batch]));
        self
    }

    /// Says which column holds what, where it has another name: `events.event_name=action`.
    ///
    /// # Errors
    ///
    /// [`LoadError::Input`] if the text has another form or names no table or column there is.
    pub fn column(mut self, mapping: &str) -> Result<Self, LoadError> {
        self.columns.add(mapping)?;
        Ok(self)
    }
}

fn path_input(path: PathBuf) -> Input {
    Input::Path(path.to_string_lossy().into_owned())
}

type ProgressFn = Arc<dyn Fn(&Progress) + Send + Sync>;

/// How tables are loaded.
#[derive(Clone)]
pub struct LoadOptions {
    on_bad_row: OnBadRow,
    keep_rows: bool,
    sizes: PartitionSizes,
    progress: Option<ProgressFn>,
    cancel: Option<Arc<AtomicBool>>,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            on_bad_row: OnBadRow::Fail,
            keep_rows: true,
            sizes: PartitionSizes::default(),
            progress: None,
            cancel: None,
        }
    }
}

impl fmt::Debug for LoadOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadOptions")
            .field("on_bad_row", &self.on_bad_row)
            .field("keep_rows", &self.keep_rows)
            .field("sizes", &self.sizes)
            .finish_non_exhaustive()
    }
}

impl LoadOptions {
    /// What to do with rows that cannot be used; without this they fail the load.
    pub fn on_bad_row(mut self, on_bad_row: OnBadRow) -> Self {
        self.on_bad_row = on_bad_row;
        self
    }

    /// Whether the store keeps the rows as they came, beside the columns. A store that does not is
    /// smaller and loads faster, yet nothing can be added to it: right for one look at a folder of
    /// tables. The default is to keep them.
    pub fn keep_rows(mut self, keep_rows: bool) -> Self {
        self.keep_rows = keep_rows;
        self
    }

    /// How many rows a partition should have at most; 32 million by default. Memory while loading
    /// grows with it, and queries over very many small partitions become slower.
    pub fn partition_rows(mut self, rows: u64) -> Self {
        self.sizes.rows = rows.max(1);
        self.sizes.dense_rows = self.sizes.dense_rows.min(self.sizes.rows);
        self
    }

    /// Tells how far the load is, every few hundred thousand rows, from any of the threads that load,
    /// one call at a time.
    pub fn progress(mut self, progress: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }

    /// Stops the load soon after the flag is set; the store stays as it was.
    pub fn cancel(mut self, flag: Arc<AtomicBool>) -> Self {
        self.cancel = Some(flag);
        self
    }

    fn check_cancelled(&self) -> ControlFlow<()> {
        let cancel = self.cancel.as_ref();
        if cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed)) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn tell(&self, progress: Progress) -> ControlFlow<()> {
        self.check_cancelled()?;
        if let Some(tell) = &self.progress {
            tell(&progress);
        }
        ControlFlow::Continue(())
    }
}

/// What a load did. `rows`, `stored`, `duplicates` and `orphans` count events.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct LoadReport {
    /// Events that were read, those that could not be used included.
    pub rows: u64,
    /// Events that were stored.
    pub stored: u64,
    /// Events whose id was stored already or came before in this load.
    pub duplicates: u64,
    /// Stored events of users that are in no users table.
    pub orphans: u64,
    /// Rows of any table that could not be used.
    pub rejected: u64,
    /// The first of them.
    pub rejected_samples: Vec<RejectedRow>,
    /// Times that were finer than a millisecond, and were floored.
    pub floored_timestamps: u64,
    /// JSON values that gave way to a plain column of the same name.
    pub column_over_json_key: u64,
    /// JSON keys with a dot in them, which name the same property as the path.
    pub dotted_keys: u64,
    /// Until now everyone seen was a user; from this load on the rows of `users` are.
    pub universe_replaced: bool,
    /// Rows of `users` that were read and used.
    pub users: u64,
    /// Rows of `user_properties` that were read and used.
    pub user_properties: u64,
    /// Those of `user_properties` whose user is in no users table.
    pub orphan_user_properties: u64,
    /// Partitions that were written.
    pub partitions: u64,
    /// How long it took.
    pub seconds: f64,
    /// Events read per second.
    pub rows_per_second: f64,
}

/// Why a load failed. The store is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The input cannot be read, or rows of it cannot be used.
    #[error(transparent)]
    Input(#[from] IngestError),
    /// A file of the store could not be read or written.
    #[error("cannot write the store")]
    Storage(#[from] StorageError),
    /// An index could not be built.
    #[error("cannot build the index")]
    Index(#[from] IndexError),
    /// The store was opened to read only.
    #[error("the store is open to read only; open it to write")]
    ReadOnly,
    /// The store does not keep the rows its columns were made of, so nothing can be added to it.
    #[error(
        "rows can only be added to a store that keeps its rows; load all tables at once, or keep rows"
    )]
    RowsNotKept,
    /// The store was written, yet it cannot be opened again.
    #[error("the load is stored, yet the store cannot be opened again")]
    Reopen(#[source] Box<crate::OpenError>),
}

impl From<IndexingError> for LoadError {
    fn from(error: IndexingError) -> Self {
        match error {
            IndexingError::Damaged(damaged) => Self::Storage(damaged.into()),
            IndexingError::Index(error) => Self::Index(error),
        }
    }
}
