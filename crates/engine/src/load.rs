//! From tables to a committed state of the store: reading is the work of `crowdset-ingest`, files and
//! the manifest are the work of this module.
//!
//! ```text
//! users, user_properties ─▶ ordinals, attributes
//! events ─ survey ─▶ duplicates left out ─▶ partitions planned, overlapping ones written anew
//! for each partition: rows (Parquet) ─▶ columns ─▶ hashes of ids ─▶ index
//! users' image ─▶ index ─▶ manifest, swapped as the very last step
//! ```
//!
//! Until the manifest is swapped nothing counts: a failed or cancelled load removes what it wrote,
//! and what a killed one left behind goes with the next load.

use crate::indexing::{self, IndexingError};
use arrow::record_batch::RecordBatch;
use crowdset_index::{IndexError, Policy};
use crowdset_ingest::{
    ColumnMap, Events, IngestError, Input, PartitionContent, PartitionPlan, PartitionSizes, People,
    PeopleFiles, Reader, Rejections, Stage, StoredIds, write_users,
};
use crowdset_storage::{
    Directory, EventIds, EventIdsWriter, FileEntry, FrameKind, ImageWriter, Manifest, Partition,
    PartitionEntry, PartitionFiles, StorageError, Users, UsersBuilder, UsersFiles, seal,
};
use crowdset_types::PartitionId;
use rayon::prelude::*;
use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

pub use crowdset_ingest::{OnBadRow, Progress, RejectedRow, RowProblem, Stage as LoadStage};

/// Where the three tables come from.
///
/// A path is a file (`.parquet`, `.csv`, `.ndjson`), a folder of such files, a pattern with `*`, `?`
/// and `**`, or `-` for NDJSON on standard input. Several paths of one table are read in order of
/// their names.
///
/// # Examples
///
/// ```
/// use crowdset::Tables;
///
/// let tables = Tables::default()
///     .users("users.parquet")
///     .events("events/2026-*.parquet")
///     .column("events.event_name=action")?;
/// # Ok::<(), crowdset::LoadError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Tables {
    users: Vec<Input>,
    events: Vec<Input>,
    user_properties: Vec<Input>,
    columns: ColumnMap,
}

impl Tables {
    /// Reads `users` from here too.
    pub fn users(mut self, path: impl Into<PathBuf>) -> Self {
        self.users.push(path_input(path.into()));
        self
    }

    /// Reads `events` from here too.
    pub fn events(mut self, path: impl Into<PathBuf>) -> Self {
        self.events.push(path_input(path.into()));
        self
    }

    /// Reads `user_properties` from here too.
    pub fn user_properties(mut self, path: impl Into<PathBuf>) -> Self {
        self.user_properties.push(path_input(path.into()));
        self
    }

    /// Adds rows of `users`, behind those of files.
    pub fn user_batch(mut self, batch: RecordBatch) -> Self {
        self.users.push(Input::Batches(vec![batch]));
        self
    }

    /// Adds rows of `events`, behind those of files.
    pub fn event_batch(mut self, batch: RecordBatch) -> Self {
        self.events.push(Input::Batches(vec![batch]));
        self
    }

    /// Adds rows of `user_properties`, behind those of files.
    pub fn user_property_batch(mut self, batch: RecordBatch) -> Self {
        self.user_properties.push(Input::Batches(vec![batch]));
        self
    }

    /// Says which column holds what, where it has another name: `events.event_name=action`.
    ///
    /// # Errors
    ///
    /// [`LoadError::Input`] if the text has another form or names no table or column there is.
    pub fn column(mut self, mapping: &str) -> Result<Self, LoadError> {
        self.columns.add(mapping)?;
        Ok(self)
    }
}

fn path_input(path: PathBuf) -> Input {
    Input::Path(path.to_string_lossy().into_owned())
}

type ProgressFn = Arc<dyn Fn(&Progress) + Send + Sync>;

/// How tables are loaded.
#[derive(Clone)]
pub struct LoadOptions {
    on_bad_row: OnBadRow,
    keep_rows: bool,
    sizes: PartitionSizes,
    progress: Option<ProgressFn>,
    cancel: Option<Arc<AtomicBool>>,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            on_bad_row: OnBadRow::Fail,
            keep_rows: true,
            sizes: PartitionSizes::default(),
            progress: None,
            cancel: None,
        }
    }
}

impl fmt::Debug for LoadOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadOptions")
            .field("on_bad_row", &self.on_bad_row)
            .field("keep_rows", &self.keep_rows)
            .field("sizes", &self.sizes)
            .finish_non_exhaustive()
    }
}

impl LoadOptions {
    /// What to do with rows that cannot be used; without this they fail the load.
    pub fn on_bad_row(mut self, on_bad_row: OnBadRow) -> Self {
        self.on_bad_row = on_bad_row;
        self
    }

    /// Whether the store keeps the rows as they came, beside the columns. A store that does not is
    /// smaller and loads faster, yet nothing can be added to it: right for one look at a folder of
    /// tables. The default is to keep them.
    pub fn keep_rows(mut self, keep_rows: bool) -> Self {
        self.keep_rows = keep_rows;
        self
    }

    /// How many rows a partition should have at most; 32 million by default. Memory while loading
    /// grows with it, and queries over very many small partitions become slower.
    pub fn partition_rows(mut self, rows: u64) -> Self {
        self.sizes.rows = rows.max(1);
        self.sizes.dense_rows = self.sizes.dense_rows.min(self.sizes.rows);
        self
    }

    /// Tells how far the load is, every few hundred thousand rows, from any of the threads that load,
    /// one call at a time.
    pub fn progress(mut self, progress: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }

    /// Stops the load soon after the flag is set; the store stays as it was.
    pub fn cancel(mut self, flag: Arc<AtomicBool>) -> Self {
        self.cancel = Some(flag);
        self
    }

    fn check_cancelled(&self) -> ControlFlow<()> {
        let cancel = self.cancel.as_ref();
        if cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed)) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn tell(&self, progress: Progress) -> ControlFlow<()> {
        self.check_cancelled()?;
        if let Some(tell) = &self.progress {
            tell(&progress);
        }
        ControlFlow::Continue(())
    }
}

/// What a load did. `rows`, `stored`, `duplicates` and `orphans` count events.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct LoadReport {
    /// Events that were read, those that could not be used included.
    pub rows: u64,
    /// Events that were stored.
    pub stored: u64,
    /// Events whose id was stored already or came before in this load.
    pub duplicates: u64,
    /// Stored events of users that are in no users table.
    pub orphans: u64,
    /// Rows of any table that could not be used.
    pub rejected: u64,
    /// The first of them.
    pub rejected_samples: Vec<RejectedRow>,
    /// Times that were finer than a millisecond, and were floored.
    pub floored_timestamps: u64,
    /// JSON values that gave way to a plain column of the same name.
    pub column_over_json_key: u64,
    /// JSON keys with a dot in them, which name the same property as the path.
    pub dotted_keys: u64,
    /// Until now everyone seen was a user; from this load on the rows of `users` are.
    pub universe_replaced: bool,
    /// Rows of `users` that were read and used.
    pub users: u64,
    /// Rows of `user_properties` that were read and used.
    pub user_properties: u64,
    /// Those of `user_properties` whose user is in no users table.
    pub orphan_user_properties: u64,
    /// Partitions that were written.
    pub partitions: u64,
    /// How long it took.
    pub seconds: f64,
    /// Events read per second.
    pub rows_per_second: f64,
}

/// Why a load failed. The store is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The input cannot be read, or rows of it cannot be used.
    #[error(transparent)]
    Input(#[from] IngestError),
    /// A file of the store could not be read or written.
    #[error("cannot write the store")]
    Storage(#[from] StorageError),
    /// An index could not be built.
    #[error("cannot build the index")]
    Index(#[from] IndexError),
    /// The store was opened to read only.
    #[error("the store is open to read only; open it to write")]
    ReadOnly,
    /// The store does not keep the rows its columns were made of, so nothing can be added to it.
    #[error(
        "rows can only be added to a store that keeps its rows; load all tables at once, or keep rows"
    )]
    RowsNotKept,
    /// The store was written, yet it cannot be opened again.
    #[error("the load is stored, yet the store cannot be opened again")]
    Reopen(#[source] Box<crate::OpenError>),
}

impl From<IndexingError> for LoadError {
    fn from(error: IndexingError) -> Self {
        match error {
            IndexingError::Damaged(damaged) => Self::Storage(damaged.into()),
            IndexingError::Index(error) => Self::Index(error),
        }
    }
}

/// Adds tables to the store in `directory`: all of them or, on any error, nothing.
pub(crate) fn load(
    directory: &Arc<dyn Directory>,
    tables: &Tables,
    options: &LoadOptions,
) -> Result<LoadReport, LoadError> {
    let started = Instant::now();
    let directory = directory.as_ref();
    let stored = Manifest::read(directory)?;
    let keeps_rows = |manifest: &Manifest| {
        let users = &manifest.users;
        let of_users = [&users.users_rows, &users.properties_rows]
            .into_iter()
            .flatten();
        let of_partitions = manifest
            .partitions
            .iter()
            .map(|partition| &partition.files.rows);
        of_users.chain(of_partitions).all(|file| file.bytes > 0)
    };
    if stored
        .as_ref()
        .is_some_and(|manifest| !options.keep_rows || !keeps_rows(manifest))
    {
        return Err(LoadError::RowsNotKept);
    }
    let manifest = stored.unwrap_or_else(|| Manifest::new(random_seed()));
    // What a killed load left behind has the names that this one is about to use.
    manifest.remove_dead_files(directory)?;
    let mut load = Load {
        directory,
        options,
        created: Created::new(directory),
        next: manifest.clone(),
    };
    let mut report = load.run(&manifest, tables)?;
    let Load {
        created, mut next, ..
    } = load;
    next.commit(directory)?;
    created.keep();
    // The store is whole with or without its dead files; the next load tries again.
    if let Err(error) = next.remove_dead_files(directory) {
        tracing::warn!(%error, "files that are no longer needed could not be removed");
    }
    report.seconds = started.elapsed().as_secs_f64();
    report.rows_per_second = report.rows as f64 / report.seconds.max(1e-9);
    Ok(report)
}

/// From the system's randomness, which seeds its hash maps.
pub(crate) fn random_seed() -> u64 {
    std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
}

/// Files that count only once the manifest names them; removed if it never does.
pub(crate) struct Created<'a> {
    directory: &'a dyn Directory,
    names: Vec<String>,
}

impl<'a> Created<'a> {
    pub(crate) fn new(directory: &'a dyn Directory) -> Self {
        Self {
            directory,
            names: Vec::new(),
        }
    }

    /// A file is about to be written.
    pub(crate) fn note(&mut self, name: &str) {
        self.names.push(name.to_owned());
    }

    /// The manifest names the files now.
    pub(crate) fn keep(mut self) {
        self.names.clear();
    }
}

impl Drop for Created<'_> {
    fn drop(&mut self) {
        if self.names.is_empty() {
            return;
        }
        // Nothing may be left of them that a later load would wait for.
        if let Err(error) = self.directory.sync() {
            tracing::warn!(%error, "files of a failed load could not be synced");
        }
        for name in &self.names {
            if let Err(error) = self.directory.remove(name) {
                tracing::warn!(%error, name, "a file of a failed load could not be removed");
            }
        }
    }
}

/// A file that is not there: of a store that does not keep rows.
fn absent(name: String) -> FileEntry {
    FileEntry {
        name,
        bytes: 0,
        crc32: 0,
    }
}

/// A partition to be written.
struct PlannedPartition {
    plan: PartitionPlan,
    id: PartitionId,
    ids: PlannedIds,
}

/// Where the hashes of a partition's new event ids are.
enum PlannedIds {
    /// Nowhere: rows are not kept, so that nothing can be loaded beside them.
    NotKept,
    /// To be put in order with those of stored rows, which are read when the partition is written.
    InMemory(Vec<u64>),
    /// In their file, which is complete.
    Written(EventIdsWriter),
}

/// One load on its way.
struct Load<'a> {
    directory: &'a dyn Directory,
    options: &'a LoadOptions,
    created: Created<'a>,
    next: Manifest,
}

impl Load<'_> {
    fn run(&mut self, manifest: &Manifest, tables: &Tables) -> Result<LoadReport, LoadError> {
        let options = self.options;
        let tell = |progress| options.tell(progress);
        let on_bad_row = options.on_bad_row;
        let mut rejections = Rejections::default();

        let people_files = PeopleFiles::open(
            &tables.users,
            &tables.user_properties,
            &tables.columns,
            on_bad_row,
            &mut rejections,
            &tell,
        )?;
        let event_id_kind = (!manifest.partitions.is_empty()).then_some(manifest.event_id_kind);
        let mut events = Events::open(
            &tables.events,
            &tables.columns,
            on_bad_row,
            &mut rejections,
            manifest.seed,
            event_id_kind,
            &tell,
        )?;

        let stored_users = match &manifest.users.columns {
            Some(file) => Some(Users::open(self.directory, &file.name)?),
            None => None,
        };
        let mut people = People::new(
            stored_users.as_ref(),
            !manifest.universe_from_events,
            manifest.seed,
        )?;
        let stored_properties = match &manifest.users.properties_rows {
            Some(file) => Some((
                file.name.as_str(),
                self.directory.open(&file.name)?.bytes().clone(),
            )),
            None => None,
        };
        people.see_events(&events);
        // Users are read by one thread, events are surveyed by all. Only the longer of the two, which
        // is that of events if there are any, tells how far it is.
        let has_events = !events.is_empty();
        let quietly = |progress| {
            if has_events {
                options.check_cancelled()
            } else {
                options.tell(progress)
            }
        };
        let mut event_rejections = Rejections::default();
        let (read, surveyed) = rayon::join(
            || {
                people.read(
                    &people_files,
                    stored_properties,
                    on_bad_row,
                    &mut rejections,
                    &quietly,
                )
            },
            || self.survey(manifest, &mut events, &mut event_rejections),
        );
        read?;
        let rewritten = surveyed?;
        rejections.merge(event_rejections);
        let partitions =
            self.write_partitions(manifest, &rewritten, &mut events, &people, &mut rejections)?;

        let mut report = LoadReport {
            rows: events.rows,
            stored: events.stored,
            duplicates: events.duplicates,
            orphans: events.orphans,
            floored_timestamps: events.floored + people.floored,
            column_over_json_key: events.column_over_key,
            dotted_keys: events.dotted_keys,
            universe_replaced: manifest.universe_from_events
                && stored_users.is_some()
                && people.has_universe(),
            users: people.users_rows,
            user_properties: people.properties_rows,
            orphan_user_properties: people.orphans,
            partitions,
            ..LoadReport::default()
        };
        self.next.event_id_kind = events.id_kind();
        self.next.user_id_kind = people.id_kind();
        self.next.universe_from_events = !people.has_universe();
        let unchanged = stored_users.as_ref().is_some_and(|stored| {
            !people_files.has_users()
                && !people_files.has_properties()
                && stored.ordinals() == people.ordinals()
                && stored.id_kind() == people.id_kind()
        });
        if !unchanged {
            self.write_users(people, people_files.has_users())?;
        }

        rejections.check(on_bad_row)?;
        report.rejected = rejections.count;
        report.rejected_samples = rejections.samples;
        let totals = &mut self.next.totals;
        totals.loads += 1;
        totals.rows += report.rows;
        totals.stored += report.stored;
        totals.duplicates += report.duplicates;
        totals.rejected += report.rejected;
        Ok(report)
    }

    /// Looks at all events; returns which of the store's partitions must be written anew.
    fn survey(
        &self,
        manifest: &Manifest,
        events: &mut Events,
        rejections: &mut Rejections,
    ) -> Result<Vec<bool>, LoadError> {
        if events.is_empty() {
            return Ok(vec![false; manifest.partitions.len()]);
        }
        let directory = self.directory;
        let hashes = manifest
            .partitions
            .iter()
            .map(|partition| EventIds::open(directory, &partition.files.ids.name))
            .collect::<Result<Vec<_>, _>>()?;
        let stored = manifest
            .partitions
            .iter()
            .zip(&hashes)
            .map(|(partition, hashes)| {
                let name = &partition.files.rows.name;
                Ok(StoredIds {
                    hashes,
                    rows: directory.open(name)?.bytes().clone(),
                    name,
                })
            })
            .collect::<Result<Vec<_>, StorageError>>()?;
        let options = self.options;
        events.survey(&stored, rejections, &|progress| options.tell(progress))?;
        let plans: Vec<PartitionPlan> = manifest
            .partitions
            .iter()
            .map(|partition| PartitionPlan {
                range: partition.range,
                rows: partition.rows,
            })
            .collect();
        let rewritten = events.to_rewrite(&plans, options.sizes);
        for (stored, _) in stored
            .iter()
            .zip(&rewritten)
            .filter(|(_, rewritten)| **rewritten)
        {
            events.add_stored(stored.name, stored.rows.clone())?;
        }
        Ok(rewritten)
    }

    /// Writes all planned partitions; returns how many.
    fn write_partitions(
        &mut self,
        manifest: &Manifest,
        rewritten: &[bool],
        events: &mut Events,
        people: &People<'_>,
        rejections: &mut Rejections,
    ) -> Result<u64, LoadError> {
        let kept: Vec<PartitionEntry> = manifest
            .partitions
            .iter()
            .zip(rewritten)
            .filter(|(_, rewritten)| !**rewritten)
            .map(|(partition, _)| partition.clone())
            .collect();
        let others: Vec<_> = kept.iter().map(|partition| partition.range).collect();
        self.next.partitions = kept;
        let plans = events.partitions(&others, self.options.sizes);
        let total: u64 = plans.iter().map(|plan| plan.rows).sum();
        let options = self.options;
        let tell = |progress| options.tell(progress);
        let planned = self.plan_partitions(plans, manifest, rewritten, events)?;
        let mut reader = events.reader(people, &tell)?;
        let mut written = 0;
        let mut done = 0;
        for partition in planned {
            let rows = partition.plan.rows;
            written += u64::from(self.write_partition(partition, &mut reader, rejections)?);
            done += rows;
            if tell(Progress {
                stage: Stage::Sealing,
                rows_done: done,
                rows_total: total,
            })
            .is_break()
            {
                return Err(IngestError::Cancelled.into());
            }
        }
        Ok(written)
    }

    /// Gives partitions their numbers and deals out the hashes of the new event ids, which are
    /// gone from memory then.
    fn plan_partitions(
        &mut self,
        plans: Vec<PartitionPlan>,
        manifest: &Manifest,
        rewritten: &[bool],
        events: &mut Events,
    ) -> Result<Vec<PlannedPartition>, LoadError> {
        let stored: Vec<_> = manifest
            .partitions
            .iter()
            .zip(rewritten)
            .filter_map(|(partition, rewritten)| rewritten.then_some(partition.range))
            .collect();
        let mut planned = Vec::with_capacity(plans.len());
        for plan in &plans {
            let id = self.next.take_partition_id();
            let overlaps = |range: &crowdset_types::TimeRange| {
                range.from < plan.range.to && plan.range.from < range.to
            };
            let ids = if !self.options.keep_rows {
                PlannedIds::NotKept
            } else if stored.iter().any(overlaps) {
                PlannedIds::InMemory(Vec::new())
            } else {
                let name = format!("{id}.ids");
                self.created.names.push(name.clone());
                PlannedIds::Written(EventIdsWriter::create(self.directory, &name)?)
            };
            planned.push(PlannedPartition {
                plan: *plan,
                id,
                ids,
            });
        }
        events.take_hashes(&plans, &mut planned, |partition, hashes| {
            match &mut partition.ids {
                PlannedIds::NotKept => {}
                PlannedIds::InMemory(all) => all.extend_from_slice(hashes),
                PlannedIds::Written(writer) => writer.extend(hashes)?,
            }
            Ok::<(), LoadError>(())
        })?;
        Ok(planned)
    }

    /// Writes one partition; false if no row was left for it.
    fn write_partition(
        &mut self,
        partition: PlannedPartition,
        reader: &mut Reader<'_>,
        rejections: &mut Rejections,
    ) -> Result<bool, LoadError> {
        let directory = self.directory;
        let PlannedPartition { plan, id, ids } = partition;
        let name = |ending: &str| format!("{id}.{ending}");
        let (rows_name, columns_name, ids_name, index_name) =
            (name("parquet"), name("columns"), name("ids"), name("index"));
        let sink = if self.options.keep_rows {
            Some(self.create(&rows_name)?)
        } else {
            None
        };
        let (mut content, sink) = reader.read(
            plan.range,
            sink.map(|sink| (sink, rows_name.as_str())),
            rejections,
        )?;
        if content.rows() == 0 {
            return Ok(false);
        }
        let rows = match sink {
            Some(sink) => sink.finish()?,
            None => absent(rows_name),
        };

        self.created.names.push(columns_name.clone());
        let writer = ImageWriter::create(directory, &columns_name, FrameKind::Partition)?;
        let blocks = content.take_blocks();
        let mut ties = |positions: &[u32]| tie_ids(reader, &content, positions);
        let sealed = seal(id, plan.range, blocks, &mut ties, writer)?;
        let columns = sealed.file;
        let ids = match ids {
            PlannedIds::NotKept => absent(ids_name),
            PlannedIds::Written(writer) => writer.finish()?,
            PlannedIds::InMemory(new) => {
                self.created.names.push(ids_name.clone());
                let mut hashes = content.take_stored_hashes();
                hashes.extend(new);
                hashes.par_sort_unstable();
                let mut writer = EventIdsWriter::create(directory, &ids_name)?;
                writer.extend(&hashes)?;
                writer.finish()?
            }
        };
        drop(content);

        let partition = Partition::open(directory, &columns.name)?;
        let index = indexing::build(&partition, &Policy::default())?;
        let index = write_bytes(self.create(&index_name)?, &index_name, &index)?;
        self.next.partitions.push(PartitionEntry {
            id,
            range: plan.range,
            rows: sealed.rows,
            files: PartitionFiles {
                rows,
                columns,
                index,
                ids,
            },
        });
        Ok(true)
    }

    /// Writes the users' files anew.
    fn write_users(
        &mut self,
        mut people: People<'_>,
        has_new_users: bool,
    ) -> Result<(), LoadError> {
        let directory = self.directory;
        let number = self.next.take_users_number();
        let properties = people.take_properties();
        let (ids, id_kind, universe, attributes) = people.into_parts()?;

        let columns_name = format!("users-{number:06}.columns");
        let index_name = format!("users-{number:06}.index");
        self.created.names.push(columns_name.clone());
        let index_sink = self.create(&index_name)?;
        let keeps_rows = self.options.keep_rows;
        let users_name = format!("users-{number:06}.parquet");
        let users_sink = (keeps_rows && has_new_users)
            .then(|| self.create(&users_name))
            .transpose()?;
        let properties_name = format!("user_properties-{number:06}.parquet");
        let properties = match properties.filter(|_| keeps_rows) {
            Some(rows) => Some((rows, self.create(&properties_name)?)),
            None => None,
        };
        let write_image = || -> Result<_, LoadError> {
            let mut builder = UsersBuilder::new(&ids, id_kind, universe);
            for attribute in attributes {
                builder.attribute(attribute);
            }
            let columns = builder.write(directory, &columns_name)?;
            let users = Users::open(directory, &columns_name)?;
            let index = indexing::build_attributes(&users, &Policy::ATTRIBUTES)?;
            let index = write_bytes(index_sink, &index_name, &index)?;
            let rows = users_sink
                .map(|sink| Ok::<_, LoadError>(write_users(&users, sink, &users_name)?.finish()?))
                .transpose()?;
            Ok((columns, index, rows))
        };
        let write_properties = || -> Result<_, LoadError> {
            properties
                .map(|(rows, sink)| {
                    let sink = rows.write(&ids, id_kind, sink, &properties_name)?;
                    Ok(sink.finish()?)
                })
                .transpose()
        };
        let (image, properties_rows) = rayon::join(write_image, write_properties);
        let (columns, index, users_rows) = image?;

        let mut files = UsersFiles {
            columns: Some(columns),
            index: Some(index),
            ..self.next.users.clone()
        };
        files.users_rows = users_rows.or(files.users_rows);
        files.properties_rows = properties_rows?.or(files.properties_rows);
        self.next.users = files;
        Ok(())
    }

    fn create(
        &mut self,
        name: &str,
    ) -> Result<Box<dyn crowdset_storage::FileWriter>, StorageError> {
        self.created.names.push(name.to_owned());
        self.directory.create(name)
    }
}

fn write_bytes(
    mut writer: Box<dyn crowdset_storage::FileWriter>,
    name: &str,
    bytes: &[u8],
) -> Result<FileEntry, StorageError> {
    let written = writer.write_all(bytes);
    written.map_err(|source| StorageError::Io {
        action: "write",
        file: name.to_owned(),
        source,
    })?;
    writer.finish()
}

/// The ids that order rows of one user and time.
fn tie_ids(
    reader: &Reader<'_>,
    content: &PartitionContent,
    positions: &[u32],
) -> Result<Vec<crowdset_storage::EventIdKey>, Box<dyn std::error::Error + Send + Sync>> {
    reader.event_ids(content, positions).map_err(Into::into)
}
