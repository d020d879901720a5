//! Crowdset's bitmap index.
//!
//! This crate answers *here is a term, which users?* A term is an event name, a value of a property
//! of an event, or a value of an attribute. It must not know where rows came from, nor paths of
//! files: it turns sorted user ordinals into bytes, and bytes into sets that are read in place.
//!
//! Not useful for: counting repetitions, and windows that cut a partition. A set says that a user
//! has at least one row with the term somewhere in the partition, no more.
//!
//! ```
//! use crowdset_index::{Policy, Term, TermGroup, TermIndex, TermIndexBuilder};
//!
//! let mut builder = TermIndexBuilder::new();
//! builder.add(TermGroup::event("purchase", [3, 7]));
//! let bytes = builder.finish()?;
//!
//! let index = TermIndex::open("p000001.index", bytes.into())?;
//! let buyers = index.get(Term::Event("purchase"))?.expect("it was added");
//! assert_eq!(buyers.len(), 2);
//! assert!(buyers.contains(7));
//! assert!(index.get(Term::Event("refund"))?.is_none());
//! # Ok::<(), crowdset_index::IndexError>(())
//! ```

mod builder;
mod error;
mod format;
mod frozen;
mod policy;
mod postings;
mod reader;
mod term;

pub use builder::{TermGroup, TermIndexBuilder};
pub use error::IndexError;
pub use frozen::FrozenSet;
pub use policy::Policy;
pub use postings::{PostingsBuilder, TooLarge};
pub use reader::{GroupStats, TermIndex};
pub use term::Term;
