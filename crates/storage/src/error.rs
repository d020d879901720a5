//! What can go wrong with files, and what helps.

use crate::codec::CodecError;
use std::io;

/// A section of a file changed after it was written. Restore the file from a copy, or rebuild it
/// from the Parquet files of the store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{file}: section `{section}` is damaged: its checksum is {computed:#010x}, the file says {stored:#010x}; \
     restore the file from a copy, or rebuild it from the Parquet files beside it"
)]
pub struct Damaged {
    /// Name of the file.
    pub file: String,
    /// Name of the section: which stream, property and part.
    pub section: String,
    /// The checksum that was written.
    pub stored: u32,
    /// The checksum of what is there.
    pub computed: u32,
}

/// Why a file of a store could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The file system refused. Trying again may help once the cause is gone.
    #[error("cannot {action} `{file}`")]
    Io {
        /// What was tried: `read`, `write`, …
        action: &'static str,
        /// Name of the file.
        file: String,
        /// Why not.
        source: io::Error,
    },
    /// Another process writes to the store. Wait until it is done.
    #[error(
        "the store is being written by another process, which holds `{path}`; wait until it is done"
    )]
    Locked {
        /// The lock file.
        path: String,
    },
    /// The directory was opened for reading only. Open it for writing.
    #[error("`{file}` cannot be changed: the store is open for reading only")]
    ReadOnly {
        /// Name of the file.
        file: String,
    },
    /// A name that is no plain file name.
    #[error("`{name}` is no plain file name")]
    BadName {
        /// The name.
        name: String,
    },
    /// A file of that name exists; names are never used twice.
    #[error("`{file}` exists already; files of a store are never overwritten")]
    Exists {
        /// Name of the file.
        file: String,
    },
    /// A frame could not be decoded; the cause says why, and what helps.
    #[error("{file}: {source}")]
    Frame {
        /// Name of the file.
        file: String,
        /// Why.
        source: CodecError,
    },
    /// A value could not be encoded.
    #[error("cannot encode a header")]
    Encode(#[from] CodecError),
    /// The file is shorter or longer than it was when written. Restore it from a copy.
    #[error(
        "{file}: the file has {found} bytes where {expected} were written; restore it from a copy"
    )]
    Length {
        /// Name of the file.
        file: String,
        /// Bytes written, or the fewest possible.
        expected: u64,
        /// Bytes there.
        found: u64,
    },
    /// The checksums are right, yet the parts contradict each other.
    #[error("{file}: {what}; restore it from a copy, or report it")]
    Malformed {
        /// Name of the file.
        file: String,
        /// What contradicts what.
        what: String,
    },
    /// A section changed after it was written.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// More of something than the format holds. Load fewer rows at a time.
    #[error(
        "{what}: {found} is more than {limit}, the most that one file holds; load fewer rows at a time"
    )]
    TooLarge {
        /// Of what.
        what: String,
        /// How much there is.
        found: u64,
        /// How much fits.
        limit: u64,
    },
    /// An event lies outside of the span its partition was made for.
    #[error("an event of `{event}` at {at} ms lies outside of its partition")]
    OutsideOfPartition {
        /// Name of the event.
        event: String,
        /// Its time, milliseconds since the epoch.
        at: i64,
    },
    /// Rows at hand that do not fit together, for example fewer times than users.
    #[error("the rows of `{event}` do not fit together: {what}")]
    BadRows {
        /// Name of the event.
        event: String,
        /// What does not fit.
        what: String,
    },
    /// The event ids that tell ties apart could not be had.
    #[error("cannot read the event ids of events at the same time")]
    Ties(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StorageError {
    pub(crate) fn io(action: &'static str, file: &str) -> impl FnOnce(io::Error) -> Self {
        let file = file.to_owned();
        move |source| Self::Io {
            action,
            file,
            source,
        }
    }

    pub(crate) fn malformed(file: &str, what: impl Into<String>) -> Self {
        Self::Malformed {
            file: file.to_owned(),
            what: what.into(),
        }
    }
}
