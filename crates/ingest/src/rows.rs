//! Second look at events: the rows of one partition, read, typed and written.
//!
//! ```text
//! tasks (≤ 256 k rows) ─ decode in parallel ─▶ Piece ─ merge in order ─▶ Rows
//!                          Parquet, JSON, typing, look-up of     new ordinals, positions,
//!                          users, encoding of the row group      writing of the row group
//! ```
//!
//! Whatever depends on order (ordinals of new users, positions) is decided while merging, so the
//! outcome does not depend on threads.

use crate::cells::TextCells;
use crate::decode::{Decoder, Piece, Run, select};
use crate::error::{IngestError, OnBadRow, Rejections};
use crate::json::NameCounts;
use crate::progress::Meter;
use crate::row_file::{Output, RowEncoders, RowFile};
use crate::survey::EventFile;
use crate::tasks::{Task, tasks};
use crowdset_storage::{EventIdHasher, EventIdKey, IdKind, StagedBlock, UserIds, in_order};
use crowdset_types::TimeRange;
use rayon::prelude::*;
use std::collections::HashMap;
use std::io::Write;
use std::sync::{PoisonError, RwLock};

/// Tasks that each thread may decode before earlier ones are merged: pieces wait in memory.
const TASKS_AHEAD: usize = 4;

/// Rows of a partition and where they came from.
#[derive(Debug, Default)]
pub(crate) struct PartitionRows {
    pub(crate) blocks: Vec<StagedBlock>,
    pub(crate) rows: u64,
    /// Hashes of the event ids of rows from the store.
    pub(crate) stored_hashes: Vec<u64>,
    /// Rows of users that are in no users table; without those that were stored already.
    pub(crate) orphans: u64,
    /// Rows of this load that were stored.
    pub(crate) stored: u64,
    pub(crate) names: NameCounts,
    origins: Vec<OriginRun>,
}

/// Consecutive positions that came from consecutive rows of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OriginRun {
    pub(crate) position: u32,
    pub(crate) file: u32,
    /// Row of the file.
    pub(crate) row: u64,
}

/// What all tasks of a load share.
pub(crate) struct Context<'a> {
    pub(crate) files: &'a [EventFile],
    pub(crate) users: &'a RwLock<UserIds>,
    /// Users of the users table; `None` where there is none and nobody is an orphan.
    pub(crate) universe: Option<&'a [u64]>,
    pub(crate) hasher: &'a EventIdHasher,
    pub(crate) on_bad_row: OnBadRow,
    /// Kinds of ids, of all files and of the store.
    pub(crate) event_id_kind: IdKind,
    pub(crate) user_id_kind: IdKind,
}

/// Reads and types all rows of a partition; writes them to `sink` if there is one, which is returned.
pub(crate) fn read_partition<W: Write + Send>(
    context: &Context<'_>,
    range: TimeRange,
    sink: Option<(W, &str)>,
    rejections: &mut Rejections,
    meter: &Meter<'_>,
) -> Result<(PartitionRows, Option<W>), IngestError> {
    let output = Output::new(context)?;
    let (mut file, encoders) = sink
        .map(|(sink, name)| RowFile::create(sink, name, &output))
        .transpose()?
        .unzip();
    let tasks = tasks(context, range, file.as_ref().map(|_| &output));
    let mut rows = PartitionRows::default();
    let decode = |task: &Task| {
        let writers = encoders
            .as_ref()
            .map(RowEncoders::column_writers)
            .transpose()?;
        Decoder::new(context, range, &output, writers).decode(task)
    };
    in_order(
        TASKS_AHEAD,
        tasks.iter(),
        decode,
        |piece: Result<Piece, IngestError>| {
            merge(context, &mut rows, file.as_mut(), piece?, rejections, meter)
        },
    )?;
    let sink = file.map(RowFile::finish).transpose()?;
    Ok((rows, sink))
}

fn merge<W: Write + Send>(
    context: &Context<'_>,
    rows: &mut PartitionRows,
    file: Option<&mut RowFile<W>>,
    mut piece: Piece,
    rejections: &mut Rejections,
    meter: &Meter<'_>,
) -> Result<(), IngestError> {
    rejections.merge(std::mem::take(&mut piece.rejections));
    rejections.check(context.on_bad_row)?;
    if !piece.missing.is_empty() {
        let mut users = context
            .users
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let mut start = 0;
        for missing in &piece.missing {
            let end = missing.end as usize;
            let ordinal = users.get_or_insert(&piece.missing_ids[start..end]);
            piece.block.streams[missing.stream as usize].rows.users[missing.row as usize] = ordinal;
            start = end;
        }
    }
    let base = rows.rows as u32;
    for stream in &mut piece.block.streams {
        for position in &mut stream.rows.positions {
            *position += base;
        }
    }
    rows.origins
        .extend(piece.origins.iter().map(|run| OriginRun {
            position: run.position + base,
            ..*run
        }));
    rows.rows += u64::from(piece.rows);
    rows.stored += piece.stored;
    rows.stored_hashes.append(&mut piece.stored_hashes);
    rows.orphans += piece.orphans;
    rows.names.column_over_key += piece.names.column_over_key;
    rows.names.dotted_keys += piece.names.dotted_keys;
    if piece.rows > 0
        && let Some(file) = file
    {
        file.append(piece.chunks, context.files)?;
    }
    rows.blocks.push(piece.block.finish());
    meter.add(piece.read)
}

impl PartitionRows {
    /// The event ids at some positions, in the order of the positions.
    pub(crate) fn event_ids(
        &self,
        context: &Context<'_>,
        positions: &[u32],
    ) -> Result<Vec<EventIdKey>, IngestError> {
        // By file and row group, so that each is read once; the index says where the answer belongs.
        let mut wanted: HashMap<(usize, usize), Vec<(usize, usize)>> = HashMap::new();
        for (index, &position) in positions.iter().enumerate() {
            let run =
                &self.origins[self.origins.partition_point(|run| run.position <= position) - 1];
            let row = run.row + u64::from(position - run.position);
            let file = run.file as usize;
            let groups = &context.files[file].groups;
            let group = groups.partition_point(|group| group.first_row <= row) - 1;
            wanted
                .entry((file, group))
                .or_default()
                .push(((row - groups[group].first_row) as usize, index));
        }
        let found: Vec<Result<Vec<(usize, EventIdKey)>, IngestError>> = wanted
            .into_par_iter()
            .map(|((file, group), mut rows)| {
                rows.sort_unstable();
                let file = &context.files[file];
                let selection = select(&runs_of(&rows));
                let mut found = Vec::with_capacity(rows.len());
                let mut next = rows.iter();
                for batch in
                    file.table
                        .read(vec![group], &[file.role("event_id")?], Some(selection))?
                {
                    let batch = file.table.batch(batch)?;
                    let ids = TextCells::new(batch.column(0), &file.table.name)?;
                    for row in 0..batch.num_rows() {
                        if let Some((_, index)) = next.next() {
                            found.push((*index, key_of(ids.text(row), context.event_id_kind)));
                        }
                    }
                }
                Ok(found)
            })
            .collect();
        let mut ids = vec![EventIdKey::Integer(0); positions.len()];
        for found in found {
            for (index, key) in found? {
                ids[index] = key;
            }
        }
        Ok(ids)
    }
}

/// Ascending different rows as runs.
fn runs_of(rows: &[(usize, usize)]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for &(row, _) in rows {
        match runs.last_mut() {
            Some((_, end)) if *end == row => *end += 1,
            _ => runs.push((row, row + 1)),
        }
    }
    runs
}

fn key_of(id: &str, kind: IdKind) -> EventIdKey {
    match id.parse() {
        Ok(number) if kind == IdKind::Integer => EventIdKey::Integer(number),
        _ => EventIdKey::Text(id.into()),
    }
}
