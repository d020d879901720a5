//! Segments as SQL: *how would another engine be asked?*
//!
//! [`sql()`] writes one statement over the tables `users`, `events` and `user_properties` that selects
//! the users of a segment, ascending. It says exactly what the segment means or refuses: where a
//! dialect has no exact words for a condition, [`SqlError::CannotSay`] names it and its place.
//!
//! This crate must not know how Crowdset itself answers, and runs nothing.
//!
//! # Examples
//!
//! ```
//! use crowdset_query::Segment;
//! use crowdset_sql::{Dialect, SqlSchema, sql};
//! use crowdset_types::TimestampMillis;
//!
//! let segment: Segment = "account_type = 'free' and not did(purchase)".parse()?;
//! let text = sql(&segment, Dialect::DuckDb, &SqlSchema::default(), TimestampMillis(0))?;
//! assert!(text.contains(r#"u."account_type" = 'free'"#));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod attribute;
mod calculated;
mod cast;
mod clock;
mod condition;
mod dialect;
mod event;
mod history;
mod json;
mod measure;
mod number;
mod pattern;
mod schema;
mod scope;
mod sequence;
mod value;
mod window;
mod writer;

pub use dialect::Dialect;
pub use schema::{ColumnType, SqlSchema};

use crowdset_query::{Diagnostic, Segment, SegmentError};
use crowdset_types::TimestampMillis;
use writer::Writer;

/// Why there is no statement.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SqlError {
    /// The dialect has no exact words for a condition; the finding says which, where and why. Ask
    /// in another way, or another engine.
    #[error("{0}")]
    CannotSay(SegmentError),
    /// A name that stands for nothing, or for two things; the finding says which.
    #[error("{0}")]
    Name(SegmentError),
}

/// A condition that cannot be written, before its source text is known.
#[derive(Debug)]
enum Refusal {
    CannotSay(Box<Diagnostic>),
    Name(Box<Diagnostic>),
    /// From within a saved segment: its own text is told along.
    Saved(Box<SqlError>),
}

impl Refusal {
    fn about(self, segment: &Segment) -> SqlError {
        let error = |mut finding: Box<Diagnostic>| {
            // What was not read from text has no places.
            if segment.source_text().is_empty() {
                finding.span = None;
            }
            SegmentError::new(vec![*finding], segment.source_text().into())
        };
        match self {
            Self::CannotSay(finding) => SqlError::CannotSay(error(finding)),
            Self::Name(finding) => SqlError::Name(error(finding)),
            Self::Saved(inner) => *inner,
        }
    }
}

/// The segment as one statement: `WITH … SELECT u.user_id FROM users AS u WHERE … ORDER BY …`.
///
/// `as_of` is written into it. Comments at its top say what is taken for granted of the tables.
///
/// # Errors
///
/// [`SqlError`] if the dialect cannot say it exactly, or a name is unknown or ambiguous.
pub fn sql(
    segment: &Segment,
    dialect: Dialect,
    schema: &SqlSchema,
    as_of: TimestampMillis,
) -> Result<String, SqlError> {
    Writer::new(dialect, schema, as_of).statement(segment)
}
