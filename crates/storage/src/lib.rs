//! Crowdset's columnar storage: immutable partitions of typed event columns in time order, the table
//! of users with their attributes, and the snapshot files that hold both.
//!
//! This crate answers *where are the rows of this event, of these users, in this time, and what do
//! their properties hold?* It must not know segments, indexes, or where rows came from.
//!
//! ```text
//! Directory ─ MANIFEST                which files make up the store (swapped atomically)
//!           ├ users-000001.columns    Users: ids, universe, attributes        ┐
//!           ├ p000001.columns         Partition: streams ─ columns            ├ images: 64-byte
//!           ├ p000001.ids             EventIds: hashes of event ids           ┘ aligned sections
//!           └ p000001.parquet, …      opaque here
//! ```
//!
//! Files are written once, under names that are never used again, and mapped; see [`FsDirectory`].
//! Opening a file decodes its table of sections only. The checksum of a section is checked when the
//! section is first asked for, once; damage is an error that names file and section.

#[cfg(target_endian = "big")]
compile_error!(
    "sections are little-endian and read in place: a big-endian machine cannot map them"
);

mod attribute;
mod codec;
mod column;
mod column_meta;
mod directory;
mod encode;
mod error;
mod event_ids;
mod fs_directory;
mod history;
mod id_texts;
mod ids;
mod image;
mod in_order;
mod library;
mod manifest;
mod map;
mod memory_directory;
mod partition;
mod seal;
mod sorting;
mod staging;
mod stats;
mod stored_ids;
mod stream;
mod users;
mod users_v1;

pub use attribute::{AttributeBuilder, AttributeValue, EncodedAttribute, HistoryBuilder, Table};
pub use codec::{CodecError, FrameKind, decode, encode};
pub use column::{Bits, Codes, Column, ColumnPart, Dictionary, PartData};
pub use column_meta::{DataKind, Kinds};
pub use directory::{Directory, FileBytes, FileWriter};
pub use error::{Damaged, StorageError};
pub use event_ids::{EventIdHasher, EventIdKey, EventIds, EventIdsWriter};
pub use fs_directory::{Access, FsDirectory};
pub use history::{History, HistoryRows};
pub use ids::{IdKind, UserIds};
pub use image::{Image, ImageWriter, SectionId};
pub use in_order::in_order;
pub use library::{
    Library, ListRecord, SegmentRecord, SegmentVersionRecord, read_list, write_list,
};
pub use manifest::{
    FileEntry, LibraryFiles, MANIFEST, Manifest, PartitionEntry, PartitionFiles, Totals, UsersFiles,
};
pub use memory_directory::MemoryDirectory;
pub use partition::Partition;
pub use seal::{SealedPartition, TieIds, seal};
pub use staging::{StagedBlock, StagedColumn, StagedPart, StagedRows, StagedTexts};
pub use stats::{ColumnBytes, PartitionStats, StreamStats, UsersStats};
pub use stream::{Property, Stream, TimeOffsets, Times};
pub use users::{Attribute, Universe, Users, UsersBuilder};
