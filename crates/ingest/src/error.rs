//! Why input could not be read, and which rows of it cannot be used.

use crowdset_storage::StorageError;
use std::fmt;
use std::io;

/// Why reading the three tables failed. Nothing of the store has changed when it is returned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
    /// No file, folder or match of a pattern. Check the path.
    #[error("nothing to read at `{path}`: no such file or folder, and no file matches")]
    NotFound {
        /// The path as it was given.
        path: String,
    },
    /// A path that this build cannot read.
    #[error("cannot read `{path}`: {reason}")]
    Unsupported {
        /// The path as it was given.
        path: String,
        /// What would be right.
        reason: &'static str,
    },
    /// The operating system refused to read or write.
    #[error("cannot read {file}")]
    Io {
        /// The file, or what it stands for.
        file: String,
        /// The cause.
        source: io::Error,
    },
    /// The temporary copy of an input could not be written. Free some space or set `TMPDIR`.
    #[error("cannot write the temporary copy of {file}")]
    Spool {
        /// The input that was being copied.
        file: String,
        /// The cause.
        source: io::Error,
    },
    /// No Parquet file, or a damaged one.
    #[error("cannot read {file} as Parquet")]
    Parquet {
        /// The file.
        file: String,
        /// The cause.
        source: parquet::errors::ParquetError,
    },
    /// Arrow data that does not fit together.
    #[error("cannot read {file}")]
    Arrow {
        /// The file.
        file: String,
        /// The cause.
        source: arrow_schema::ArrowError,
    },
    /// A CSV file without a usable header line.
    #[error("{file}: {problem}")]
    Header {
        /// The file.
        file: String,
        /// What is wrong with its header.
        problem: String,
    },
    /// A column that a table must have is not there.
    #[error(
        "{file} has no column `{column}` (it has: {}); if another column holds it, say so with `--map {table}.{column}=NAME`",
        found.join(", ")
    )]
    MissingColumn {
        /// The file.
        file: String,
        /// The table it was read as.
        table: &'static str,
        /// The column that is missing.
        column: String,
        /// The columns that are there.
        found: Vec<String>,
    },
    /// A column has a type that cannot mean what the column must mean.
    #[error("{file}: column `{column}` has the type {found}; it must be {expected}")]
    ColumnType {
        /// The file.
        file: String,
        /// The column.
        column: String,
        /// The type it has.
        found: String,
        /// The types it may have.
        expected: &'static str,
    },
    /// A mapping of columns that says nothing.
    #[error("`{text}` is no column mapping: {reason}; write `events.event_name=action`")]
    Mapping {
        /// The mapping as it was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Rows that cannot be used, under [`OnBadRow::Fail`].
    #[error("{}", describe_bad_rows(*count, first))]
    BadRows {
        /// How many were met before reading stopped.
        count: u64,
        /// The first of them.
        first: Vec<RejectedRow>,
    },
    /// One batch holds more text than a column can address. Split its values or its row groups.
    #[error("{file}: the values of property `{property}` in {rows} rows take more than 4 GiB")]
    TextTooLarge {
        /// The file.
        file: String,
        /// The property.
        property: String,
        /// How many rows were read together.
        rows: usize,
    },
    /// Storage refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The caller's progress callback asked to stop.
    #[error("the load was cancelled; the store is unchanged")]
    Cancelled,
}

impl IngestError {
    pub(crate) fn parquet(file: &str) -> impl FnOnce(parquet::errors::ParquetError) -> Self {
        move |source| Self::Parquet {
            file: file.to_owned(),
            source,
        }
    }

    pub(crate) fn arrow(file: &str) -> impl FnOnce(arrow_schema::ArrowError) -> Self {
        move |source| Self::Arrow {
            file: file.to_owned(),
            source,
        }
    }

    pub(crate) fn io(file: &str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            file: file.to_owned(),
            source,
        }
    }

    pub(crate) fn spool(file: &str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Spool {
            file: file.to_owned(),
            source,
        }
    }
}

fn describe_bad_rows(count: u64, first: &[RejectedRow]) -> String {
    use fmt::Write as _;
    let mut text = format!(
        "{count} row{} cannot be used (`--on-bad-row skip` loads the others)",
        if count == 1 { "" } else { "s" }
    );
    for row in first {
        let _ = write!(text, "\n  {row}");
    }
    if count > first.len() as u64 {
        let _ = write!(text, "\n  … and {} more", count - first.len() as u64);
    }
    text
}

/// What to do with a row that cannot be used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnBadRow {
    /// The load fails and changes nothing.
    #[default]
    Fail,
    /// The row is left out, counted and sampled in the report.
    Skip,
}

/// A row that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RejectedRow {
    /// The file, or `standard input`, or `record batches`.
    pub file: String,
    /// Number of the data row in the file, from 1; a header line does not count.
    pub row: u64,
    /// Why.
    pub reason: RowProblem,
}

impl fmt::Display for RejectedRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, row {}: {}", self.file, self.row, self.reason)
    }
}

/// Why a row cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RowProblem {
    /// A column that must hold something is null.
    #[error("`{column}` is null")]
    Null {
        /// The column.
        column: String,
    },
    /// The time is in no form that is understood.
    #[error("{0}")]
    Time(String),
    /// The instant lies outside of the years 1677 to 2262.
    #[error("the time lies outside of the years 1677 to 2262")]
    TimeOutOfRange,
    /// The properties are no JSON.
    #[error("properties are no JSON: {0}")]
    Json(String),
    /// The properties are JSON, yet no object.
    #[error("properties are JSON but no object")]
    NoObject,
    /// An unsigned id beyond what a signed 64-bit integer holds.
    #[error("the id {0} is larger than 9223372036854775807; store it as text")]
    IdTooLarge(u64),
    /// A line of a text file cannot be read at all.
    #[error("{0}")]
    Line(String),
}

impl serde::Serialize for RowProblem {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How many rejected rows an error or a report shows.
pub const REJECTED_SAMPLES: usize = 10;

/// Rows that were rejected so far: a count and the first few.
#[derive(Debug, Clone, Default)]
pub struct Rejections {
    /// How many.
    pub count: u64,
    /// The first [`REJECTED_SAMPLES`].
    pub samples: Vec<RejectedRow>,
}

impl Rejections {
    /// Notes one row. Under [`OnBadRow::Fail`] call [`Rejections::check`] soon after.
    pub fn push(&mut self, file: &str, row: u64, reason: RowProblem) {
        self.count += 1;
        if self.samples.len() < REJECTED_SAMPLES {
            self.samples.push(RejectedRow {
                file: file.to_owned(),
                row,
                reason,
            });
        }
    }

    /// Adds the rows that `other` noted, which come later.
    pub fn merge(&mut self, other: Self) {
        self.count += other.count;
        let room = REJECTED_SAMPLES - self.samples.len();
        self.samples.extend(other.samples.into_iter().take(room));
    }

    /// Fails if there are any and they must not be.
    ///
    /// # Errors
    ///
    /// [`IngestError::BadRows`] with the count and the first rows.
    pub fn check(&self, on_bad_row: OnBadRow) -> Result<(), IngestError> {
        if self.count > 0 && on_bad_row == OnBadRow::Fail {
            return Err(IngestError::BadRows {
                count: self.count,
                first: self.samples.clone(),
            });
        }
        Ok(())
    }
}
