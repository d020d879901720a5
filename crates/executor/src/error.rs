//! Why a plan could not be answered.

use crowdset_index::IndexError;
use crowdset_storage::Damaged;

/// Why an evaluation gave no answer. There is never a partial one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// Stored bytes changed after they were written. Rebuild the file from the durable tables, or
    /// restore it from a copy.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// An index is damaged or malformed. Rebuild it, or evaluate without indexes
    /// ([`crate::ExecOptions::use_index`]).
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The caller asked to stop, through [`crate::Control`].
    #[error("the evaluation was cancelled")]
    Cancelled,
    /// A regular expression is wrong or compiles to too much. Write a simpler one.
    #[error("`{pattern}` cannot be used as a regular expression: {reason}")]
    Pattern {
        /// The expression.
        pattern: String,
        /// What the compiler said.
        reason: String,
    },
    /// A zone's name is not in the time-zone database of this machine. Use an IANA name such as
    /// `Europe/Berlin`.
    #[error(
        "`{zone}` is no time zone this machine knows; write an IANA name such as `Europe/Berlin`"
    )]
    Zone {
        /// The name.
        zone: String,
    },
    /// A `first`, `last` or `nth` is over more than 4 billion events of one chunk of 16,384 users. Name
    /// rarer events or a shorter window.
    #[error(
        "`first`, `last` and `nth` cannot number more than 4,294,967,294 events of 16,384 users; name rarer events or a shorter window"
    )]
    OccurrenceRows,
    /// A sequence with `directly` takes events of one instant in more ways than can be tried for one
    /// user. Write `strictly`, name rarer events or a shorter window.
    #[error(
        "a sequence has more than {tries_max} ways to take one user's events of one instant; write `strictly`, name rarer events, or leave out `directly`"
    )]
    SequenceSearch {
        /// How many ways are tried for one user.
        tries_max: u64,
    },
}
