//! All events of a load: opened, surveyed, cut into partitions, read partition by partition.

use crate::duplicates::{StoredIds, leave_out_duplicates};
use crate::error::{IngestError, Rejections};
use crate::hashes::HashBuckets;
use crate::partitions::{PartitionPlan, PartitionSizes, plan, to_rewrite};
use crate::people::People;
use crate::progress::Meter;
use crate::rows::{Context, PartitionRows, read_partition};
use crate::survey::{DAY_MILLIS, EventFile, days, survey};
use crate::table::{TableFile, open_all};
use crate::{ColumnMap, Input, OnBadRow, OnProgress, Stage, TableKind};
use crowdset_storage::{EventIdHasher, EventIdKey, IdKind, StagedBlock};
use crowdset_types::{TimeRange, TimestampMillis};
use rayon::prelude::*;
use std::io::Write;

/// The events of a load.
#[derive(Debug)]
pub struct Events {
    files: Vec<EventFile>,
    /// How many of the files are the store's; they come first.
    stored_files: usize,
    hasher: EventIdHasher,
    on_bad_row: OnBadRow,
    id_kind: Option<IdKind>,
    /// Of the event ids of the inputs, from the survey on.
    hashes: Option<HashBuckets>,
    /// Rows of the inputs, those that cannot be used included.
    pub rows: u64,
    /// Rows whose event id was there already.
    pub duplicates: u64,
    /// Rows whose time was finer than a millisecond.
    pub floored: u64,
    /// JSON values that gave way to a plain column of the same name.
    pub column_over_key: u64,
    /// JSON keys with a dot in them.
    pub dotted_keys: u64,
    /// Rows that were stored.
    pub stored: u64,
    /// Stored rows of users that are in no users table.
    pub orphans: u64,
}

impl Events {
    /// Opens the inputs; copies those that are no Parquet. `seed` is the store's own, `stored_kind`
    /// the kind of event ids it holds, if it holds any.
    ///
    /// # Errors
    ///
    /// [`IngestError`] if an input cannot be read, or rows cannot be used and must be.
    pub fn open(
        inputs: &[Input],
        columns: &ColumnMap,
        on_bad_row: OnBadRow,
        rejections: &mut Rejections,
        seed: u64,
        stored_kind: Option<IdKind>,
        progress: OnProgress<'_>,
    ) -> Result<Self, IngestError> {
        let before = rejections.count;
        let (tables, column_over_key) = open_all(
            inputs,
            TableKind::Events,
            columns,
            on_bad_row,
            rejections,
            progress,
        )?;
        let lost = rejections.count - before;
        let mut events = Self {
            files: tables
                .into_iter()
                .map(|table| EventFile::new(table, false))
                .collect(),
            stored_files: 0,
            hasher: EventIdHasher::new(seed),
            on_bad_row,
            id_kind: stored_kind,
            hashes: None,
            rows: lost,
            duplicates: 0,
            floored: 0,
            column_over_key,
            dotted_keys: 0,
            stored: 0,
            orphans: 0,
        };
        for file in &events.files {
            events.rows += file.table.rows();
            if let Some(kind) = file.table.row_id_kind() {
                events.id_kind = Some(if events.id_kind.is_some_and(|known| known != kind) {
                    IdKind::Text
                } else {
                    kind
                });
            }
        }
        Ok(events)
    }

    /// How event ids are ordered.
    pub fn id_kind(&self) -> IdKind {
        self.id_kind.unwrap_or_default()
    }

    /// The kinds of user ids in the inputs.
    pub(crate) fn user_id_kinds(&self) -> impl Iterator<Item = IdKind> {
        self.files
            .iter()
            .filter_map(|file| file.table.user_id_kind())
    }

    /// Whether there is nothing to read.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Finds the rows that can be used and are no duplicates, of each other or of what is stored.
    ///
    /// # Errors
    ///
    /// [`IngestError`] if a file cannot be read, or rows cannot be used and must be.
    pub fn survey(
        &mut self,
        stored: &[StoredIds<'_>],
        rejections: &mut Rejections,
        progress: OnProgress<'_>,
    ) -> Result<(), IngestError> {
        let mut surveyed = survey(
            &mut self.files,
            &self.hasher,
            self.on_bad_row,
            rejections,
            progress,
        )?;
        self.floored = surveyed.floored;
        self.duplicates = leave_out_duplicates(
            &mut self.files,
            &mut surveyed.hashes,
            stored,
            &self.hasher,
            self.on_bad_row,
        )?;
        self.hashes = Some(surveyed.hashes);
        Ok(())
    }

    /// Deals out the hashes of the event ids of the inputs: to each of `sinks`, which are those of
    /// `plans`, some at a time and ascending all in all; several sinks are served in parallel. Once,
    /// after [`Events::survey`]. Rows that are left out for their properties are only known later:
    /// their hashes are among them, and so are those of duplicates.
    ///
    /// # Errors
    ///
    /// [`IngestError`] if a temporary file cannot be read, and what `take` returns.
    pub fn take_hashes<S: Send, E: From<IngestError> + Send>(
        &mut self,
        plans: &[PartitionPlan],
        sinks: &mut [S],
        take: impl Fn(&mut S, &[u64]) -> Result<(), E> + Sync,
    ) -> Result<(), E> {
        let Some(hashes) = self.hashes.take() else {
            return Ok(());
        };
        let days: Vec<(i64, i64)> = plans
            .iter()
            .map(|plan| {
                let day = |at: TimestampMillis| at.0.div_euclid(DAY_MILLIS);
                (day(plan.range.from), day(plan.range.to))
            })
            .collect();
        hashes.for_each_some(|buckets| {
            let dealt: Vec<Vec<Vec<u64>>> = buckets
                .par_iter()
                .map(|bucket| {
                    let mut of_plans = vec![Vec::new(); days.len()];
                    for (&hash, &day) in bucket.hashes.iter().zip(&bucket.days) {
                        let day = i64::from(day);
                        let plan = days.partition_point(|(_, end)| *end <= day);
                        // There is none on days of nothing but duplicates.
                        if days.get(plan).is_some_and(|(first, _)| *first <= day) {
                            of_plans[plan].push(hash);
                        }
                    }
                    of_plans
                })
                .collect();
            sinks
                .par_iter_mut()
                .enumerate()
                .try_for_each(|(plan, sink)| {
                    dealt
                        .iter()
                        .try_for_each(|of_plans| take(sink, &of_plans[plan]))
                })
        })
    }

    /// Which of the store's partitions, ascending by time, must be written anew.
    pub fn to_rewrite(&self, stored: &[PartitionPlan], sizes: PartitionSizes) -> Vec<bool> {
        to_rewrite(stored, &days(&self.files), sizes)
    }

    /// Adds the rows of a partition of the store that is written anew. Call it for partitions in
    /// ascending order, after [`Events::survey`].
    ///
    /// # Errors
    ///
    /// [`IngestError`] if the file cannot be read.
    pub fn add_stored(&mut self, name: &str, bytes: bytes::Bytes) -> Result<(), IngestError> {
        let table = TableFile::from_store(name, TableKind::Events, bytes)?;
        let mut file = EventFile::new(table, true);
        file.groups = (0..file.groups.len())
            .into_par_iter()
            .map(|group| file.recount(group))
            .collect::<Result<_, _>>()?;
        self.files.insert(self.stored_files, file);
        self.stored_files += 1;
        Ok(())
    }

    /// The partitions to write, ascending by time; `others` are the spans of those that stay.
    pub fn partitions(&self, others: &[TimeRange], sizes: PartitionSizes) -> Vec<PartitionPlan> {
        plan(&days(&self.files), others, sizes)
    }

    /// Begins to read rows; [`Reader::read`] takes one partition at a time.
    ///
    /// # Errors
    ///
    /// [`IngestError::Cancelled`] if the caller says so.
    pub fn reader<'a>(
        &'a mut self,
        people: &'a People<'a>,
        progress: OnProgress<'a>,
    ) -> Result<Reader<'a>, IngestError> {
        let rows = days(&self.files).values().sum();
        Ok(Reader {
            meter: Meter::new(Stage::Loading, rows, progress)?,
            events: self,
            people,
        })
    }
}

/// Reads the rows of partitions.
pub struct Reader<'a> {
    events: &'a mut Events,
    people: &'a People<'a>,
    meter: Meter<'a>,
}

/// The typed rows of one partition.
#[derive(Debug)]
pub struct PartitionContent {
    rows: PartitionRows,
}

impl PartitionContent {
    /// How many rows.
    pub fn rows(&self) -> u64 {
        self.rows.rows
    }

    /// The blocks, in order; they are gone afterwards.
    pub fn take_blocks(&mut self) -> Vec<StagedBlock> {
        std::mem::take(&mut self.rows.blocks)
    }

    /// The hashes of the event ids of rows that come from the store, in any order; they are gone
    /// afterwards. Those of new rows are handed out by [`Events::take_hashes`].
    pub fn take_stored_hashes(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.rows.stored_hashes)
    }
}

impl Reader<'_> {
    fn context(&self) -> Context<'_> {
        Context {
            files: &self.events.files,
            users: self.people.ids(),
            universe: self.people.universe(),
            hasher: &self.events.hasher,
            on_bad_row: self.events.on_bad_row,
            event_id_kind: self.events.id_kind(),
            user_id_kind: self.people.id_kind(),
        }
    }

    /// Reads and types the rows of one partition; writes them to `sink`, a new Parquet file that is
    /// called `name`, if there is one. The sink comes back.
    ///
    /// # Errors
    ///
    /// [`IngestError`] if a file cannot be read or written, rows cannot be used and must be, or the
    /// caller cancels.
    pub fn read<W: Write + Send>(
        &mut self,
        range: TimeRange,
        sink: Option<(W, &str)>,
        rejections: &mut Rejections,
    ) -> Result<(PartitionContent, Option<W>), IngestError> {
        let (rows, sink) = read_partition(&self.context(), range, sink, rejections, &self.meter)?;
        self.events.stored += rows.stored;
        self.events.orphans += rows.orphans;
        self.events.column_over_key += rows.names.column_over_key;
        self.events.dotted_keys += rows.names.dotted_keys;
        Ok((PartitionContent { rows }, sink))
    }

    /// The event ids at some positions of a partition, in the order of the positions: what tells
    /// rows of one user and time apart.
    ///
    /// # Errors
    ///
    /// [`IngestError`] if a file cannot be read.
    pub fn event_ids(
        &self,
        content: &PartitionContent,
        positions: &[u32],
    ) -> Result<Vec<EventIdKey>, IngestError> {
        content.rows.event_ids(&self.context(), positions)
    }
}
