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
    /// Something could not be saved or dropped; the store is as it was.
    #[error(transparent)]
    Save(SaveError),
    /// A definition is wrong.
    #[error(transparent)]
    Segment(SegmentError),
    /// A right definition could not be answered.
    #[error(transparent)]
    Evaluate(EvaluateError),
    /// An answer could not be written.
    #[error(transparent)]
    Write(WriteError),
    /// An audience is no roaring bitmap.
    #[error(transparent)]
    Roaring(#[from] RoaringError),
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

/// Why a segment or a list could not be saved, read or dropped. The store is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    /// The definition names what is not saved, is part of itself, or does not fit the data.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// There is nothing of that name.
    #[error("there is no {what} `{name}`{}", did_you_mean(like.as_ref()))]
    NotSaved {
        /// `saved segment` or `list`.
        what: &'static str,
        /// The name asked for.
        name: String,
        /// The nearest name there is.
        like: Option<String>,
    },
    /// Saved segments name it. Save them without it, or drop them, before it is dropped.
    #[error(
        "{what} `{name}` is part of {}; drop or change what uses it first",
        listed(by)
    )]
    InUse {
        /// `segment` or `list`.
        what: &'static str,
        /// Its name.
        name: String,
        /// Which segments name it.
        by: Vec<String>,
    },
    /// A name that nobody could find again.
    #[error("`{name}` is no name: it needs 1 to 200 characters, and no control characters")]
    BadName {
        /// Its beginning.
        name: String,
    },
    /// No segment was given.
    #[error("there is no segment to save")]
    Nothing,
    /// What is saved under the name cannot be read. Restore the file from a copy, or save it again.
    #[error("list `{name}` cannot be read: {reason}")]
    Unreadable {
        /// The name.
        name: String,
        /// Why.
        reason: String,
    },
    /// The store was opened to read only.
    #[error("the store is open to read only; open it to write")]
    ReadOnly,
    /// A file of the store could not be read or written.
    #[error("cannot write the store")]
    Storage(#[from] StorageError),
    /// The store was written, yet it cannot be opened again.
    #[error("the change is stored, yet the store cannot be opened again")]
    Reopen(#[source] Box<OpenError>),
}

impl SaveError {
    pub(crate) fn not_saved(what: &'static str, name: &str, names: &[String]) -> Self {
        let like = crowdset_query::nearest_name(name, names.iter().map(String::as_str));
        Self::NotSaved {
            what,
            name: name.chars().take(60).collect(),
            like: like.map(str::to_owned),
        }
    }
}

fn did_you_mean(like: Option<&String>) -> String {
    like.map(|like| format!("; did you mean `{like}`?"))
        .unwrap_or_default()
}

fn listed(names: &[String]) -> String {
    let names: Vec<String> = names
        .iter()
        .map(|name| format!("segment `{name}`"))
        .collect();
    names.join(", ")
}

/// Why an audience could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The file could not be written.
    #[error("cannot write Parquet")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// The file could not be written, or what was to be written is damaged. The cause says which.
    #[error("cannot write the members")]
    Arrow(#[from] arrow::error::ArrowError),
}

/// Why an audience is no roaring bitmap of its user ids.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RoaringError {
    /// Ids are text. Write them in another form.
    #[error(
        "user ids are text, and a roaring bitmap holds numbers only; write lines, csv, ndjson, parquet or arrow instead"
    )]
    TextIds,
    /// An id is less than 0. Write them in another form.
    #[error(
        "user id {id} is less than 0, and a roaring bitmap holds numbers from 0 on; write lines, csv, ndjson, parquet or arrow instead"
    )]
    NotUnsigned {
        /// The id.
        id: String,
    },
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

impl From<SaveError> for Error {
    fn from(error: SaveError) -> Self {
        match error {
            SaveError::Segment(error) => Self::Segment(error),
            error => Self::Save(error),
        }
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
