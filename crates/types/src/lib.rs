//! Crowdset's vocabulary: ordinals, instants, windows and values.
//!
//! This crate answers *what do the words mean?* It knows ids, timestamps, property values and the
//! arithmetic that must come out the same everywhere (comparison of numbers, exact sums). It must
//! not know files, bitmaps or threads.

pub mod arithmetic;
mod number;
mod ordinal;
mod time;
mod value;

pub use number::{
    DECIMAL_PLACES_MAX, Decimal, ExactSum, as_decimal, compare_numbers, parse_number,
};
pub use ordinal::{CHUNK_USERS, CHUNK_WORDS, ChunkId, PartitionId, UserOrdinal, chunk_count};
pub use time::{DurationMillis, ParseTimeError, TimeRange, TimestampMillis};
pub use value::{Number, Value};
