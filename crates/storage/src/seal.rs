//! From staged blocks to the image of a partition.

use crate::encode::{EncodedColumn, Piece, encode_column};
use crate::error::StorageError;
use crate::event_ids::EventIdKey;
use crate::image::ImageWriter;
use crate::in_order::in_order;
use crate::manifest::FileEntry;
use crate::partition::PartitionMeta;
use crate::sorting::{SortedRows, sort_rows};
use crate::staging::{StagedBlock, StagedColumn, StagedRows};
use crate::stream::StreamMeta;
use crowdset_types::{PartitionId, TimeRange, TimestampMillis};
use rayon::prelude::*;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

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

    let mut streams = Vec::new();
    // All of it is in memory as it is: nothing has to wait.
    in_order(
        usize::MAX,
        parts_of(sorted).into_iter(),
        Part::encode,
        |encoded| encoded?.write(&mut writer, &mut streams),
    )?;
    streams.sort_unstable_by(|left, right| left.name.cmp(&right.name));
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

/// What is written in one go.
enum Part<P> {
    /// The rows of a stream; its properties follow.
    Rows {
        name: String,
        row_count: usize,
        rows: SortedRows,
    },
    /// One of the properties of the stream before.
    Property {
        path: String,
        /// Event name and path.
        shown: String,
        property: P,
    },
}

/// A property that is yet to be encoded.
struct StagedProperty {
    pieces: Vec<Piece>,
    /// Where the rows of the stream go.
    places: Arc<Vec<u32>>,
}

fn parts_of(streams: Vec<SortedStream>) -> Vec<Part<StagedProperty>> {
    let mut parts = Vec::new();
    for mut stream in streams {
        let places = Arc::new(std::mem::take(&mut stream.rows.places));
        let name = stream.name;
        let properties: Vec<_> = stream
            .pieces
            .into_iter()
            .map(|(path, pieces)| Part::Property {
                shown: format!("{name}.{path}"),
                path,
                property: StagedProperty {
                    pieces,
                    places: Arc::clone(&places),
                },
            })
            .collect();
        parts.push(Part::Rows {
            name,
            row_count: places.len(),
            rows: stream.rows,
        });
        parts.extend(properties);
    }
    parts
}

impl Part<StagedProperty> {
    fn encode(self) -> Result<Part<EncodedColumn>, StorageError> {
        Ok(match self {
            Self::Rows {
                name,
                row_count,
                rows,
            } => Part::Rows {
                name,
                row_count,
                rows,
            },
            Self::Property {
                path,
                shown,
                property,
            } => {
                let StagedProperty { pieces, places } = property;
                let property = encode_column(&shown, pieces, places.len(), Some(&places))?;
                Part::Property {
                    path,
                    shown,
                    property,
                }
            }
        })
    }
}

impl Part<EncodedColumn> {
    fn write(
        self,
        writer: &mut ImageWriter,
        streams: &mut Vec<StreamMeta>,
    ) -> Result<(), StorageError> {
        match self {
            Self::Rows {
                name,
                row_count,
                rows,
            } => {
                let users = writer.put_section(format!("{name}, users"), &rows.users)?;
                let times = writer.put_section(format!("{name}, times"), &rows.times)?;
                let starts = writer.put_section(format!("{name}, starts"), &rows.starts)?;
                streams.push(StreamMeta {
                    name,
                    rows: row_count as u64,
                    first: rows.first,
                    last: rows.last,
                    chunks: rows.chunks as u32,
                    slots: rows.slots,
                    users,
                    times,
                    starts,
                    properties: Vec::new(),
                });
            }
            Self::Property {
                path,
                shown,
                property,
            } => {
                let parts = property.write(writer, &shown)?;
                let stream = streams.last_mut();
                let stream = stream.expect("rows come before their properties");
                stream.properties.push((path, parts));
            }
        }
        Ok(())
    }
}
