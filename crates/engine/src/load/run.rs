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

use super::created::Created;
use super::{LoadError, LoadOptions, LoadReport, Tables};
use crate::indexing;
use crowdset_index::Policy;
use crowdset_ingest::{
    Events, IngestError, PartitionContent, PartitionPlan, People, PeopleFiles, Progress, Reader,
    Rejections, Stage, StoredIds, write_users,
};
use crowdset_storage::{
    Directory, EventIds, EventIdsWriter, FileEntry, FrameKind, ImageWriter, Manifest, Partition,
    PartitionEntry, PartitionFiles, StorageError, Users, UsersBuilder, UsersFiles, seal,
};
use crowdset_types::PartitionId;
use rayon::prelude::*;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;
use std::time::Instant;

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
            self.write_users(people, &people_files)?;
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
                self.created.note(&name);
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
            Some(self.create_rows(&rows_name)?)
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

        self.created.note(&columns_name);
        let writer = ImageWriter::create(directory, &columns_name, FrameKind::Partition)?;
        let blocks = content.take_blocks();
        let mut ties = |positions: &[u32]| tie_ids(reader, &content, positions);
        let sealed = seal(id, plan.range, blocks, &mut ties, writer)?;
        let columns = sealed.file;
        let ids = match ids {
            PlannedIds::NotKept => absent(ids_name),
            PlannedIds::Written(writer) => writer.finish()?,
            PlannedIds::InMemory(new) => {
                self.created.note(&ids_name);
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
        files: &PeopleFiles,
    ) -> Result<(), LoadError> {
        let directory = self.directory;
        let number = self.next.take_users_number();
        let properties = people.take_properties();
        let (ids, id_kind, universe, attributes) = people.into_parts()?;

        let columns_name = format!("users-{number:06}.columns");
        let index_name = format!("users-{number:06}.index");
        self.created.note(&columns_name);
        let index_sink = self.create(&index_name)?;
        let keeps_rows = self.options.keep_rows;
        let users_name = format!("users-{number:06}.parquet");
        let users_sink = (keeps_rows && files.has_users())
            .then(|| self.create_rows(&users_name))
            .transpose()?;
        let properties_name = format!("user_properties-{number:06}.parquet");
        let properties = match properties.filter(|_| keeps_rows) {
            Some(rows) => Some((rows, self.create_rows(&properties_name)?)),
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
                    let sink = rows.write(files, &ids, id_kind, sink, &properties_name)?;
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
        self.created.note(name);
        self.directory.create(name)
    }

    /// A file of rows as they came, which answers never read.
    fn create_rows(
        &mut self,
        name: &str,
    ) -> Result<Box<dyn crowdset_storage::FileWriter>, StorageError> {
        let mut file = self.create(name)?;
        file.expect_no_reads();
        Ok(file)
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
