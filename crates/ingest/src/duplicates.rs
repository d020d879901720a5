//! Events whose id is already there: found by hash, confirmed by the id itself.
//!
//! Hashes that occur once and are not stored need no second look, which is nearly all of them. For
//! the others the ids are read again, a bounded number of hashes at a time, and compared.

use crate::cells::TextCells;
use crate::error::{IngestError, OnBadRow};
use crate::hashes::HashBuckets;
use crate::json::JsonReader;
use crate::stage::BlockBuilder;
use crate::survey::{EventFile, GroupSurvey};
use crate::table::TableFile;
use crowdset_storage::{EventIdHasher, EventIds};
use hashbrown::HashSet;
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

/// Suspicious hashes whose rows are compared together.
const SUSPECTS_AT_ONCE: usize = 4 << 20;

/// The event ids of a partition of the store.
#[derive(Debug)]
pub struct StoredIds<'a> {
    /// Their hashes.
    pub hashes: &'a EventIds,
    /// The partition's rows, in Parquet.
    pub rows: bytes::Bytes,
    /// Name of the file of rows.
    pub name: &'a str,
}

/// A row whose hash is suspicious.
struct Candidate {
    hash: u64,
    /// 0 for the store, else the number of the file from 1: which row came first.
    source: u32,
    row: u64,
    id: Box<str>,
}

/// Leaves out every event whose id is stored already or came before; returns how many.
pub(crate) fn leave_out_duplicates(
    files: &mut [EventFile],
    hashes: &mut HashBuckets,
    stored: &[StoredIds<'_>],
    hasher: &EventIdHasher,
    on_bad_row: OnBadRow,
) -> Result<u64, IngestError> {
    let touched: Vec<AtomicBool> = stored.iter().map(|_| AtomicBool::new(false)).collect();
    let suspects = hashes.suspects(&|asked, known| {
        for (stored, touched) in stored.iter().zip(&touched) {
            let mut found = |index: usize| {
                known[index] = true;
                touched.store(true, Ordering::Relaxed);
            };
            stored
                .hashes
                .find_all(asked, &mut found)
                .map_err(crowdset_storage::StorageError::from)?;
        }
        Ok(())
    })?;
    if suspects.is_empty() {
        return Ok(0);
    }
    let mut tables = Vec::new();
    for (stored, touched) in stored.iter().zip(&touched) {
        if touched.load(Ordering::Relaxed) {
            let table =
                TableFile::from_store(stored.name, crate::TableKind::Events, stored.rows.clone())?;
            tables.push(EventFile::new(table, true));
        }
    }

    let mut duplicates = 0;
    let mut changed: BTreeSet<(usize, usize)> = BTreeSet::new();
    for suspects in suspects.chunks(SUSPECTS_AT_ONCE) {
        let suspects: HashSet<u64, foldhash::fast::FixedState> = suspects.iter().copied().collect();
        let of_store = tables.iter().map(|file| (0, file));
        let of_load = (1..).zip(files.iter());
        let tasks: Vec<(u32, &EventFile, usize)> = of_store
            .chain(of_load)
            .flat_map(|(source, file)| {
                (0..file.groups.len()).map(move |group| (source, file, group))
            })
            .collect();
        let found: Vec<Result<Vec<Candidate>, IngestError>> = tasks
            .par_iter()
            .map(|&(source, file, group)| {
                candidates(source, file, group, &suspects, hasher, on_bad_row)
            })
            .collect();
        drop(tasks);
        let mut candidates = Vec::new();
        for found in found {
            candidates.extend(found?);
        }
        candidates.par_sort_unstable_by_key(|candidate| {
            (candidate.hash, candidate.source, candidate.row)
        });
        for same_hash in candidates.chunk_by(|left, right| left.hash == right.hash) {
            // Different ids with one hash are possible, if only just.
            let mut ids: Vec<&str> = Vec::new();
            for candidate in same_hash {
                if !ids.contains(&&*candidate.id) {
                    ids.push(&candidate.id);
                } else if candidate.source > 0 {
                    let index = candidate.source as usize - 1;
                    let file = &mut files[index];
                    file.left_out.insert(candidate.row);
                    let group = file
                        .groups
                        .partition_point(|group| group.first_row <= candidate.row)
                        - 1;
                    changed.insert((index, group));
                    duplicates += 1;
                }
            }
        }
    }
    let recounted: Vec<((usize, usize), Result<GroupSurvey, IngestError>)> = changed
        .into_par_iter()
        .map(|(file, group)| ((file, group), files[file].recount(group)))
        .collect();
    for ((file, group), survey) in recounted {
        files[file].groups[group] = survey?;
    }
    Ok(duplicates)
}

fn candidates(
    source: u32,
    file: &EventFile,
    group: usize,
    suspects: &HashSet<u64, foldhash::fast::FixedState>,
    hasher: &EventIdHasher,
    on_bad_row: OnBadRow,
) -> Result<Vec<Candidate>, IngestError> {
    let table = &file.table;
    let id_root = file.role("event_id")?;
    // A row with broken properties will be rejected: it must not push out a later row of its id.
    // Where a bad row fails the load, nobody will notice.
    let json_root = table
        .role("properties")
        .filter(|_| on_bad_row == OnBadRow::Skip && !file.stored);
    let mut roots = vec![id_root];
    roots.extend(json_root);
    roots.sort_unstable();
    let mut found = Vec::new();
    let mut json = JsonCheck::default();
    let mut row = file.groups[group].first_row;
    for batch in table.read(vec![group], &roots, None)? {
        let batch = table.batch(batch)?;
        let column = |root: usize| batch.column(roots.binary_search(&root).unwrap_or_default());
        let ids = TextCells::new(column(id_root), &table.name)?;
        let texts = json_root
            .map(|root| TextCells::new(column(root), &table.name))
            .transpose()?;
        for index in 0..batch.num_rows() {
            let id = ids.text(index);
            let hash = hasher.hash(id);
            if suspects.contains(&hash)
                && !file.left_out.contains(row)
                && texts
                    .as_ref()
                    .and_then(|texts| texts.get(index))
                    .is_none_or(|text| json.is_right(text))
            {
                found.push(Candidate {
                    hash,
                    source,
                    row,
                    id: id.into(),
                });
            }
            row += 1;
        }
    }
    Ok(found)
}

/// Whether properties can be read, by the reader that will read them.
#[derive(Default)]
struct JsonCheck {
    block: BlockBuilder,
    reader: JsonReader,
}

impl JsonCheck {
    fn is_right(&mut self, text: &str) -> bool {
        let stream = self.block.stream("");
        let hasher = self.block.hasher.clone();
        self.reader
            .read(&mut self.block.streams[stream], text, &hasher)
            .is_ok()
    }
}
