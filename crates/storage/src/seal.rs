//! From staged blocks to the image of a partition.

use crate::encode::{EncodedColumn, Piece, encode_column};
use crate::error::StorageError;
use crate::event_ids::EventIdKey;
use crate::image::ImageWriter;
use crate::manifest::FileEntry;
use crate::partition::PartitionMeta;
use crate::sorting::{SortedRows, sort_rows};
use crate::staging::{StagedBlock, StagedColumn, StagedRows};
use crate::stream::StreamMeta;
use crowdset_types::{PartitionId, TimeRange, TimestampMillis};
use rayon::prelude::*;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// What was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedPartition {
    /// Its number.
    pub id: PartitionId,
    /// The span it was made for.
    pub range: TimeRange,
    /// How many rows.
    pub rows: u64,
    /// How many event names.
    pub streams: usize,
    /// The image file.
    pub file: FileEntry,
}

/// Returns the event ids of rows, given their positions ([`StagedRows::positions`]), in the same order.
pub type TieIds<'a> =
    dyn FnMut(&[u32]) -> Result<Vec<EventIdKey>, Box<dyn std::error::Error + Send + Sync>> + 'a;

/// Sorts and encodes the rows of one span of time and writes the image of a partition.
///
/// Blocks are taken in input order. Event names and columns are worked on in parallel, on rayon's
/// current pool, and blocks are dropped as they are encoded, so that memory stays near one copy of
/// the rows.
///
/// `ties` is asked once, and only if some user has events of one name at the same millisecond: see
/// [`TieIds`]. The writer must be of [`crate::FrameKind::Partition`].
///
/// # Errors
///
/// [`StorageError::OutsideOfPartition`] if a row lies outside of `range`, [`StorageError::BadRows`]
/// if a block contradicts itself, [`StorageError::TooLarge`] past 2^32 rows of one name or 4 GiB of
/// distinct texts of one property, [`StorageError::Ties`] from `ties`, and what the writer says.
/// Then no file appears.
pub fn seal(
    id: PartitionId,
    range: TimeRange,
    blocks: Vec<StagedBlock>,
    ties: &mut TieIds<'_>,
    mut writer: ImageWriter,
) -> Result<SealedPartition, StorageError> {
    let mut by_name: BTreeMap<String, Vec<StagedRows>> = BTreeMap::new();
    for block in blocks {
        for (name, rows) in block.streams {
            if !rows.users.is_empty() {
                by_name.entry(name).or_default().push(rows);
            }
        }
    }
    let (base, wide) = time_base(range, &by_name)?;

    let mut by_size: Vec<(String, Vec<StagedRows>)> = by_name.into_iter().collect();
    // Long work first, so that threads end together.
    by_size.sort_by_cached_key(|(_, blocks)| {
        Reverse(blocks.iter().map(|block| block.users.len()).sum::<usize>())
    });
    let mut sorted = by_size
        .into_par_iter()
        .with_max_len(1)
        .map(|(name, blocks)| {
            let rows = sort_rows(&name, &blocks, base, wide)?;
            Ok(SortedStream {
                name,
                rows,
                pieces: pieces_of(blocks),
            })
        })
        .collect::<Result<Vec<_>, StorageError>>()?;
    order_ties(&mut sorted, ties)?;

    let mut encoded = sorted
        .into_par_iter()
        .with_max_len(1)
        .map(encode_stream)
        .collect::<Result<Vec<_>, StorageError>>()?;
    encoded.sort_unstable_by(|left, right| left.name.cmp(&right.name));
    let streams = encoded
        .into_iter()
        .map(|stream| stream.write(&mut writer))
        .collect::<Result<Vec<_>, StorageError>>()?;
    let rows = streams.iter().map(|stream| stream.rows).sum();
    let count = streams.len();
    let file = writer.finish(PartitionMeta {
        id,
        range,
        rows,
        base,
        wide,
        streams,
    })?;
    Ok(SealedPartition {
        id,
        range,
        rows,
        streams: count,
        file,
    })
}

struct SortedStream {
    name: String,
    rows: SortedRows,
    /// By property.
    pieces: BTreeMap<String, Vec<Piece>>,
}

/// The first row's time, and whether 32 bits are too few to count from it.
fn time_base(
    range: TimeRange,
    by_name: &BTreeMap<String, Vec<StagedRows>>,
) -> Result<(i64, bool), StorageError> {
    let (mut low, mut high) = (i64::MAX, i64::MIN);
    for (name, blocks) in by_name {
        for time in blocks.iter().flat_map(|block| &block.times) {
            low = low.min(*time);
            high = high.max(*time);
        }
        if let Some(at) = [low, high]
            .into_iter()
            .find(|time| low <= high && !range.contains(TimestampMillis(*time)))
        {
            return Err(StorageError::OutsideOfPartition {
                event: name.clone(),
                at,
            });
        }
    }
    if low > high {
        return Ok((range.from.0, false));
    }
    Ok((low, high.wrapping_sub(low) as u64 > u64::from(u32::MAX)))
}

/// Takes the properties out of blocks, apart by name.
fn pieces_of(blocks: Vec<StagedRows>) -> BTreeMap<String, Vec<Piece>> {
    let mut pieces: BTreeMap<String, Vec<Piece>> = BTreeMap::new();
    let mut start = 0;
    for block in blocks {
        let rows = block.users.len();
        for (path, column) in block.properties {
            if !is_empty(&column) {
                pieces.entry(path).or_default().push(Piece {
                    start,
                    rows,
                    column,
                });
            }
        }
        start += rows;
    }
    pieces
}

fn is_empty(column: &StagedColumn) -> bool {
    column.bools.values.is_empty()
        && column.integers.values.is_empty()
        && column.floats.values.is_empty()
        && column.times.values.is_empty()
        && column.texts.codes.values.is_empty()
        && column.arrays.codes.values.is_empty()
}

fn order_ties(streams: &mut [SortedStream], ties: &mut TieIds<'_>) -> Result<(), StorageError> {
    let positions: Vec<u32> = streams
        .iter()
        .flat_map(|stream| &stream.rows.tie_positions)
        .copied()
        .collect();
    if positions.is_empty() {
        return Ok(());
    }
    let ids = ties(&positions).map_err(StorageError::Ties)?;
    if ids.len() != positions.len() {
        let problem = format!("{} ids for {} rows", ids.len(), positions.len());
        return Err(StorageError::Ties(problem.into()));
    }
    let mut rest = ids.as_slice();
    for stream in streams {
        let (own, others) = rest.split_at(stream.rows.tie_positions.len());
        rest = others;
        stream.rows.order_ties(own);
    }
    Ok(())
}

struct EncodedStream {
    name: String,
    rows: SortedRows,
    row_count: usize,
    properties: Vec<(String, EncodedColumn)>,
}

fn encode_stream(stream: SortedStream) -> Result<EncodedStream, StorageError> {
    let SortedStream {
        name,
        mut rows,
        pieces,
    } = stream;
    let places = std::mem::take(&mut rows.places);
    let properties = pieces
        .into_iter()
        .collect::<Vec<_>>()
        .into_par_iter()
        .map(|(path, pieces)| {
            let shown = format!("{name}.{path}");
            let column = encode_column(&shown, pieces, places.len(), Some(&places))?;
            Ok((path, column))
        })
        .collect::<Result<Vec<_>, StorageError>>()?;
    Ok(EncodedStream {
        name,
        rows,
        row_count: places.len(),
        properties,
    })
}

impl EncodedStream {
    fn write(self, writer: &mut ImageWriter) -> Result<StreamMeta, StorageError> {
        let name = self.name;
        let users = writer.put_section(format!("{name}, users"), &self.rows.users)?;
        let times = writer.put_section(format!("{name}, times"), &self.rows.times)?;
        let starts = writer.put_section(format!("{name}, starts"), &self.rows.starts)?;
        let properties = self
            .properties
            .into_iter()
            .map(|(path, column)| {
                let parts = column.write(writer, &format!("{name}.{path}"))?;
                Ok((path, parts))
            })
            .collect::<Result<Vec<_>, StorageError>>()?;
        Ok(StreamMeta {
            name,
            rows: self.row_count as u64,
            first: self.rows.first,
            last: self.rows.last,
            chunks: self.rows.chunks as u32,
            slots: self.rows.slots,
            users,
            times,
            starts,
            properties,
        })
    }
}
