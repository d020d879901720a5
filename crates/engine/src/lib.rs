//! Crowdset: exact audiences from users, events and user properties, embedded.
//!
//! A *segment* is a definition somebody wrote: `account_type = 'free' and count(report_generated,
//! last 30 days) > 5`. An *audience* is the set of users it selects at one instant, exact to the
//! user. This crate holds the data ([`Engine`]), hands out consistent states of it ([`Snapshot`]),
//! and answers segments over them ([`Audience`]).
//!
//! It knows one lifecycle: open, load, snapshot, audience. It must not know flags or printing, and
//! it installs no allocator, logger, panic hook or signal handler: the program that embeds it
//! decides, also about threads (a rayon pool of its own, or the one it is called in).
//!
//! # Example
//!
//! ```
//! use crowdset::arrow::array::{ArrayRef, StringArray, TimestampMillisecondArray};
//! use crowdset::arrow::record_batch::RecordBatch;
//! use crowdset::{AsOf, Engine, Segment};
//! use std::sync::Arc;
//!
//! let text = |values: [&'static str; 3]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
//! let record_batch = RecordBatch::try_from_iter([
//!     ("event_id", text(["e1", "e2", "e3"])),
//!     ("user_id", text(["ada", "ada", "bob"])),
//!     ("event_name", text(["purchase", "purchase", "signed_in"])),
//!     ("timestamp", Arc::new(TimestampMillisecondArray::from(vec![1_000, 2_000, 3_000])) as ArrayRef),
//!     ("properties", text([r#"{"amount": 20}"#, r#"{"amount": 5.5}"#, "{}"])),
//! ])?;
//!
//! let engine = Engine::in_memory();                    // or Engine::open("store")?
//! engine.append(&record_batch)?;                       // Arrow in
//! let segment: Segment = "sum(purchase.amount) > 25 and not did(signed_in)".parse()?;
//! let snapshot = engine.snapshot();                    // cheap, consistent, readers never block writers
//! let audience = snapshot.evaluate(&segment, AsOf::now())?;
//! println!("{} of {}", audience.len(), snapshot.universe_len());
//! let ids = audience.user_ids();                       // Arrow array, ascending
//! assert_eq!(ids.as_ref(), &StringArray::from(vec!["ada"]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where to look
//!
//! - Files of the three tables instead of batches: [`Engine::load`], [`Tables`], [`LoadOptions`].
//! - A segment in Rust instead of text: [`segment`]. Its JSON form: [`Segment::to_json`].
//! - The plan, and what it cost: [`Snapshot::prepare`], [`Snapshot::analyze`].
//! - One user, with the reasons: [`Snapshot::why`], [`Snapshot::contains`].
//! - Segments and lists kept in the store by name: [`Engine::save_segment`], [`Engine::save_list`].
//! - Sizes by attribute, of pairs, over time: [`Snapshot::breakdown`], [`Snapshot::overlap`],
//!   [`Snapshot::trend`], [`Snapshot::diff`].
//! - Members with their attributes, and as files: [`Audience::with_attributes`], [`Members`].
//! - The same question for another engine: [`sql()`].
//! - Many segments in one pass: [`Snapshot::evaluate_many`].
//! - Cancellation and progress: [`Control`] in [`EvalOptions`], and [`LoadOptions`].
//! - What is in a store, and whether it is sound: [`Snapshot::stats`], [`Snapshot::verify`].

mod analysis;
mod answers;
mod as_of;
mod audience;
mod bandwidth;
mod catalog;
mod engine;
mod error;
mod indexing;
mod library;
mod load;
mod members;
mod options;
mod snapshot;
mod state;
pub mod stats;
mod tables;
mod verify;
mod whole;
mod why;

pub use analysis::Analysis;
pub use answers::{Breakdown, Diff, Overlap};
pub use as_of::AsOf;
pub use audience::Audience;
pub use bandwidth::memory_bandwidth;
pub use engine::Engine;
pub use error::{Error, EvaluateError, OpenError, RoaringError, SaveError, WriteError};
pub use library::{SavedList, SavedSegment};
pub use load::{
    LoadError, LoadOptions, LoadReport, LoadStage, OnBadRow, Progress, RejectedRow, RowProblem,
    Tables,
};
pub use members::{Members, RoaringIds};
pub use options::EngineOptions;
pub use snapshot::{EvalOptions, Prepared, Snapshot};
pub use tables::tables_in_folder;
pub use verify::{Fault, Verification};
pub use why::{NextChange, Why};

pub use arrow;
pub use crowdset_executor::{
    Control, EvalError, ExecOptions, Finding, FindingKind, FoundEvent, Kernels, Miss, NodeProfile,
    Path, Place, Profile,
};
pub use crowdset_query::{
    Catalog, Diagnostic, LocatedDiagnostic, Plan, PlanKind, PlanNode, Segment, SegmentError,
    Severity, Suggestion, json_schema,
};
pub use crowdset_sql::{ColumnType, Dialect, SqlError, SqlSchema, sql};
pub use crowdset_types::{
    DurationMillis, Number, ParseTimeError, TimeRange, TimestampMillis, Value,
};

/// Segments built in Rust: the same trees as from text and JSON.
///
/// ```
/// use crowdset::{Segment, segment};
///
/// let built: Segment = segment::did("purchase").within(segment::last(segment::days(30))).into();
/// assert_eq!(built, "did(purchase, last 30 days)".parse::<Segment>()?);
/// # Ok::<(), crowdset::SegmentError>(())
/// ```
pub mod segment {
    pub use crowdset_query::build::*;
    pub use crowdset_query::{
        Aggregate, Anchor, AnchorRelation, AttributeOperand, AttributeRef, AttributeTable, Cast,
        CompareOp, EventName, EventNames, EventSelector, EventWindow, Expr, ExprKind, Literal,
        Measure, NumberTest, Occurrence, OccurrenceTest, Operand, Position, Predicate, RankEnd,
        RankSize, Test, TimePoint, Window,
    };
}

/// The code of README.md compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
