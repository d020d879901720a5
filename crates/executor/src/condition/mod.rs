//! One module for each kind of condition: what it needs per query, and its answer per chunk.

mod chains;
mod distinct;
mod measure;
mod numeric;
mod occurrence;
mod periods;
mod rank;
mod sequence;
mod tie;

pub(crate) use chains::Gathered;
pub(crate) use distinct::{SLOTS, key as distinct_key};
pub(crate) use measure::{MeasureCondition, number_test};
pub(crate) use occurrence::{Occurrence, OccurrenceCondition};
pub(crate) use periods::distinct_periods;
pub(crate) use rank::Rank;
pub(crate) use sequence::Sequence;
