//! Why sample data could not be written.

use std::io;
use std::path::PathBuf;

use parquet::errors::ParquetError;

/// Why [`generate`](crate::generate) wrote nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// The folder holds one of the tables already. Choose another folder or remove it first.
    #[error("{} exists already; choose an empty folder, nothing is overwritten", path.display())]
    Exists {
        /// The table that is in the way.
        path: PathBuf,
    },
    /// An option is outside of what makes sense. The message says what is allowed.
    #[error("{option} cannot be {value}: {allowed}")]
    Option {
        /// Name of the option.
        option: &'static str,
        /// What was given.
        value: u64,
        /// What may be given.
        allowed: &'static str,
    },
    /// A file or folder could not be made or written. Check space and permissions.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The Parquet writer failed; mostly a full disk.
    #[error("cannot write {} as Parquet; is the disk full?", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What the writer said.
        source: ParquetError,
    },
    /// The threads that were asked for could not be started. Ask for fewer.
    #[error("cannot start {threads} threads; ask for fewer")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What the pool said.
        source: rayon::ThreadPoolBuildError,
    },
}
