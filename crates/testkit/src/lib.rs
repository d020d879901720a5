//! Crowdset's test tools.
//!
//! This crate answers *what would be right?* It holds the contract of the segment language as a
//! slow evaluator that reads rows user by user, random data and random segments that hit the
//! boundaries on purpose, and the suite: cases as data with the answers worked out by hand.
//!
//! It must not know how the engine stores, indexes or evaluates anything: whatever it shared with
//! the engine beyond the syntax tree and the arithmetic of `crowdset-types`, a test could not find
//! wrong. It is only ever a dev-dependency.
//!
//! - [`Data`] is a small world: the rows of the three tables as they arrive.
//! - [`Reference`] answers a segment over it, straight from the definition of the language.
//! - [`random`] makes worlds and segments from a seed, [`shrink`] makes a failing pair small, and
//!   [`coverage`] says which parts of the language were reached.
//! - [`suite`] reads the cases of `data/suite` and writes failing pairs in the same form.

mod catalog;
pub mod coverage;
mod data;
pub mod random;
mod reference;
mod shrink;
pub mod suite;

pub use catalog::WorldCatalog;
pub use data::{Data, EventRow, IdKind, PropertyRow, UserRow};
pub use reference::{Reference, ReferenceError};
pub use shrink::shrink;
