//! What can go wrong, by operation, and one type that holds any of it.

use crate::LoadError;
use crowdset_executor::EvalError;
use crowdset_index::IndexError;
use crowdset_query::SegmentError;
use crowdset_storage::{Damaged, StorageError};
use std::path::{Path, PathBuf};

/// Anything that can go wrong, for callers that pass errors on.
///
/// Every operation has an error of its own, which converts into this one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A store could not be opened or read.
    #[error(transparent)]
    Open(OpenError),
    /// Rows could not be loaded; the store is as it was.
    #[error(transparent)]
    Load(LoadError),
    /// A definition is wrong.
    #[error(transparent)]
    Segment(SegmentError),
    /// A right definition could not be answered.
    #[error(transparent)]
    Evaluate(EvaluateError),
    /// An answer could not be written.
    #[error(transparent)]
    Write(WriteError),
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is nothing there, or nothing that is a store.
    #[error("{} holds no store and no tables; `crowdset load {}` creates a store there, and a folder with users.parquet, events.parquet or events/, or user_properties.parquet (or .csv, .ndjson) works as it is", path.display(), path.display())]
    NoStore {
        /// Where was looked.
        path: PathBuf,
    },
    /// A file of the store is missing, unreadable, damaged or of a newer format, or another writer
    /// holds the store. The cause says which.
    #[error("cannot open the store{}", in_path(path.as_ref()))]
    Storage {
        /// The store's directory; `None` for a store in memory.
        path: Option<PathBuf>,
        /// What is wrong.
        source: StorageError,
    },
    /// An index of the store is damaged or of a newer format.
    #[error("cannot open an index of the store{}", in_path(path.as_ref()))]
    Index {
        /// The store's directory; `None` for a store in memory.
        path: Option<PathBuf>,
        /// What is wrong.
        source: IndexError,
    },
    /// The folder's tables could not be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The threads could not be started.
    #[error("cannot start {threads} threads: {reason}")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What the system says.
        reason: String,
    },
}

fn in_path(path: Option<&PathBuf>) -> String {
    path.map(|path| format!(" in {}", path.display()))
        .unwrap_or_default()
}

/// Why a segment could not be answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// The definition does not fit the data, such as a bare name that two tables have.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// Damaged data, cancellation, or a bound that was reached. Never a partial answer.
    #[error(transparent)]
    Execution(#[from] EvalError),
}

/// Why an audience could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The file could not be written.
    #[error("cannot write Parquet")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// The ids did not fit together; a defect of this crate.
    #[error("cannot build the batch of user ids")]
    Arrow(#[from] arrow::error::ArrowError),
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}

impl From<LoadError> for Error {
    fn from(error: LoadError) -> Self {
        Self::Load(error)
    }
}

impl From<SegmentError> for Error {
    fn from(error: SegmentError) -> Self {
        Self::Segment(error)
    }
}

impl From<EvaluateError> for Error {
    fn from(error: EvaluateError) -> Self {
        match error {
            EvaluateError::Segment(error) => Self::Segment(error),
            error @ EvaluateError::Execution(_) => Self::Evaluate(error),
        }
    }
}

impl From<WriteError> for Error {
    fn from(error: WriteError) -> Self {
        Self::Write(error)
    }
}

impl OpenError {
    /// The same error, with the place of the store.
    pub(crate) fn in_path(self, place: &Path) -> Self {
        match self {
            Self::Storage { path: None, source } => Self::Storage {
                path: Some(place.to_owned()),
                source,
            },
            Self::Index { path: None, source } => Self::Index {
                path: Some(place.to_owned()),
                source,
            },
            other => other,
        }
    }
}

impl From<Damaged> for EvaluateError {
    fn from(damaged: Damaged) -> Self {
        Self::Execution(EvalError::Damaged(damaged))
    }
}

/// An error and what caused it in one line, without saying a thing twice (many errors print their
/// cause).
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
