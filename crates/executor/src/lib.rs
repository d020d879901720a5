//! Crowdset's executor: a plan over partitions of events, chunk by chunk of users.
//!
//! This crate answers *who?*: which users of one immutable state of a store ([`Dataset`]) does a
//! plan select? It must not know query text, files, or how rows came to be. It runs on whatever
//! rayon pool it is called in, and its answers do not depend on it.
//!
//! ```text
//! Plan ─bind─▶ conditions, each bound to every partition: streams, row ranges, filters, index sets
//!                │
//!                ▼  for each chunk of 16,384 users, on any thread
//!              256 words per node ─ and, or, not ─▶ Audience
//! ```
//!
//! Binding turns literals into ranges of stored codes; the pass over chunks is loops over slices
//! without a branch per row ([`Kernels`]). Conditions are tried in the order of the plan, each only
//! for users for whom it still matters.

#![allow(
    clippy::needless_bitwise_bool,
    reason = "`&` and `|` of what is already known cost less per row than a branch that is guessed wrong"
)]

mod anchor;
mod answered;
mod answers;
mod attribute;
mod audience;
mod clock;
mod columns;
mod condition;
mod control;
mod dataset;
mod days;
mod edge;
mod error;
mod evaluate;
mod events;
mod family;
mod filter;
mod groups;
mod kernel;
mod one;
mod options;
mod pass;
mod planes;
mod profile;
mod program;
mod schedule;
mod scratch;
mod selection;
mod summary;
mod totals;
mod truth;
mod value;
mod widths;
mod words;

pub use answers::{breakdown, overlap};
pub use audience::Audience;
pub use columns::{AttributeColumn, ColumnType};
pub use control::{Control, ProgressFn};
pub use dataset::{Dataset, ListSets, PartitionHandle};
pub use error::EvalError;
pub use evaluate::{count_many, evaluate, evaluate_many, profile};
pub use one::{
    Aged, Finding, FindingKind, FoundEvent, Miss, OneUser, Place, attribute_changes,
    attribute_values, contains, event_instants,
};
pub use options::{ExecOptions, Kernels};
pub use profile::{NodeProfile, Path, Profile};
pub use scratch::Workers;
pub use summary::{Summaries, SummaryPolicy};
