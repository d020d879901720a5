//! One module for each kind of condition: what it needs per query, and its answer per chunk.

mod arithmetic;
mod bucket;
mod chains;
mod distinct;
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
mod slide;
mod tie;

pub(crate) use arithmetic::Comparison;
pub(crate) use bucket::Bucket;
pub(crate) use chains::Gathered;
pub(crate) use distinct::{SLOTS, key as distinct_key};
pub(crate) use history::{Changed, Held};
pub(crate) use linked::Linked;
pub(crate) use measure::{MeasureCondition, number_test};
pub(crate) use occurrence::{Occurrence, OccurrenceCondition};
pub(crate) use periods::distinct_periods;
pub(crate) use rank::Rank;
pub(crate) use sequence::Sequence;
pub(crate) use slide::{Position, Slide, SlideState, sliding};
