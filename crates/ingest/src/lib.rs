//! Crowdset's readers: files and record batches of the three tables to typed rows.
//!
//! This crate answers *which rows are there, what do they hold, and which of them count?* It reads
//! Parquet, CSV, NDJSON and record batches, finds duplicates and unusable rows, types JSON and plain
//! columns, cuts time into partitions, and writes rows back as Parquet. It must not know segments,
//! indexes or the manifest: who calls it decides where files go and when they count.
//!
//! A load runs through it twice, in bounded memory:
//!
//! ```text
//! inputs ─ copy what is no Parquet ─▶ files
//! PeopleFiles ─▶ People: users and their properties, which give the first ordinals
//! Events ─ survey ─▶ times, hashes of ids ─▶ duplicates, bad rows ─▶ plan of partitions
//! Events ─ read one partition ─▶ staged blocks for storage, Parquet row groups, hashes of ids
//! ```
//!
//! The outcome depends on the inputs only, never on the number of threads. Memory: the rows of one
//! partition as staged blocks, twelve bytes per event id up to 1.5 GiB (then a temporary file), pages
//! of Parquet that are used again, up to 64 MiB, and the ids of users.

mod backing;
mod batch;
mod bitset;
mod buffers;
mod cells;
mod csv;
mod decode;
mod duplicates;
mod error;
mod events;
mod group_file;
mod hashes;
mod input;
mod json;
mod ndjson;
mod pages;
mod partitions;
mod people;
mod progress;
mod property_rows;
mod row_file;
mod rows;
mod spool;
mod stage;
mod survey;
mod table;
mod tasks;
mod texts;
mod user_rows;
mod values;

pub use duplicates::StoredIds;
pub use error::{IngestError, OnBadRow, REJECTED_SAMPLES, RejectedRow, Rejections, RowProblem};
pub use events::{Events, PartitionContent, Reader};
pub use input::{ColumnMap, Input, TableKind};
pub use partitions::{PartitionPlan, PartitionSizes};
pub use people::{People, PeopleFiles};
pub use progress::{OnProgress, Progress, Stage};
pub use property_rows::PropertyRows;
pub use user_rows::write_users;
