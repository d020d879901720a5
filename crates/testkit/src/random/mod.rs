//! Random worlds and segments, each from a seed, so that a failure is repeated by its number.
//!
//! Worlds are small and their instants stand on few places, so that ties, window edges and events
//! at `as_of` itself are the rule; names and values come from short lists, so that conditions meet
//! rows that they match.

mod arithmetic;
mod calendar;
mod kin;
mod rng;
mod segment;
mod sequence;
mod world;

pub use kin::kin;
pub use rng::Rng;
pub use segment::segment;
pub use world::{World, busy_world, world, world_among};
