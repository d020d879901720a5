//! One module for each kind of condition: what it needs per query, and its answer per chunk.

mod arithmetic;
mod bucket;
mod chains;
mod distinct;
mod funnel;
mod history;
mod hops;
mod linked;
mod measure;
mod numeric;
mod occurrence;
mod periods;
mod rank;
mod same;
mod sequence;
mod sieve;
mod tie;

pub(crate) use arithmetic::Comparison;
pub(crate) use bucket::Bucket;
pub(crate) use chains::Gathered;
pub(crate) use distinct::key as distinct_key;
pub(crate) use funnel::Merging;
pub(crate) use history::{Changed, Held};
pub(crate) use linked::Linked;
pub(crate) use measure::{
    MeasureCondition, NarrowTest, count_ranges, narrow, number_test, scaled_ranges,
};
pub(crate) use numeric::Numeric;
pub(crate) use occurrence::{Occurrence, OccurrenceCondition};
pub(crate) use periods::{distinct_periods, period_starts};
pub(crate) use rank::Rank;
pub(crate) use sequence::Sequence;
pub(crate) use sieve::{STEPS_MAX, Slots};
