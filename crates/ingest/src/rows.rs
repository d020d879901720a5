//! Second look at events: the rows of one partition, read, typed and written.
//!
//! ```text
//! tasks (≤ 256 k rows) ─ decode in parallel, a wave at a time ─▶ Piece ─ merge in order ─▶ Rows
//!                          Parquet, JSON, typing, look-up of        new ordinals, positions,
//!                          users, encoding of the row group         writing of the row group
//! ```
//!
//! While one wave is merged the next one is decoded. Whatever depends on order (ordinals of new
//! users, positions) is decided while merging, so the outcome does not depend on threads.

use crate::cells::{TextCells, read_times};
use crate::error::{IngestError, OnBadRow, Rejections};
use crate::json::{JsonReader, NameCounts};
use crate::progress::Meter;
use crate::row_file::{Output, OutputChunk, RowFile};
use crate::stage::BlockBuilder;
use crate::survey::EventFile;
use crate::values::ValueCells;
use arrow_array::{Array as _, ArrayRef, BooleanArray, TimestampMillisecondArray, new_null_array};
use crowdset_storage::{EventIdHasher, EventIdKey, IdKind, StagedBlock, UserIds};
use crowdset_types::TimeRange;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use parquet::arrow::arrow_writer::{ArrowColumnWriter, compute_leaves};
use rayon::prelude::*;
use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, PoisonError, RwLock};

/// Rows a task decodes at most; also the rows of a row group of the partition's file.
const TASK_ROWS: usize = 262_144;

/// Uncompressed bytes a task decodes at most, about.
const TASK_BYTES: u64 = 256 << 20;

/// Rows of one row group of one file.
#[derive(Debug, Clone, Copy)]
struct Slice {
    file: usize,
    group: usize,
    /// Within the row group.
    start: usize,
    rows: usize,
}

/// What is decoded together and becomes one row group of the partition's file.
#[derive(Debug, Default)]
struct Task {
    slices: Vec<Slice>,
    /// It is one whole row group, whose columns are copied where their form is right.
    whole: bool,
}

/// Row groups of so many rows are copied as they are; smaller ones are put together.
const COPIED_ROWS_MIN: usize = 32_768;
const COPIED_ROWS_MAX: usize = 2 << 20;
const COPIED_BYTES_MAX: u64 = 1 << 30;

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
struct OriginRun {
    position: u32,
    file: u32,
    /// Row of the file.
    row: u64,
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

/// A new user and where its ordinal belongs.
#[derive(Debug)]
struct Missing {
    stream: u32,
    row: u32,
    /// End of its id in the piece's text of ids.
    end: u32,
}

/// The rows of one task.
struct Piece {
    block: BlockBuilder,
    rows: u32,
    stored: u64,
    stored_hashes: Vec<u64>,
    missing: Vec<Missing>,
    missing_ids: String,
    orphans: u64,
    /// Where rows came from; positions count from 0.
    origins: Vec<OriginRun>,
    chunks: Vec<OutputChunk>,
    names: NameCounts,
    rejections: Rejections,
    /// Rows that were looked at.
    read: u64,
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
    let mut file = sink
        .map(|(sink, name)| RowFile::create(sink, name, &output))
        .transpose()?;
    let tasks = tasks(context, range, file.as_ref().map(|_| &output));
    let mut rows = PartitionRows::default();
    let wave_tasks = rayon::current_num_threads().max(2) * 4;
    let mut waves = tasks.chunks(wave_tasks);

    let decode = |tasks: &[Task],
                  writers: Vec<Option<Vec<ArrowColumnWriter>>>|
     -> Vec<Result<Piece, IngestError>> {
        tasks
            .par_iter()
            .zip(writers)
            .map(|(task, writers)| Decoder::new(context, range, &output, writers).decode(task))
            .collect()
    };
    // Writers are made here, since the factory belongs to the file that is being written.
    let writers = |file: &Option<RowFile<W>>, count: usize| -> Result<Vec<_>, IngestError> {
        (0..count)
            .map(|_| file.as_ref().map(RowFile::column_writers).transpose())
            .collect()
    };

    let mut pieces = match waves.next() {
        Some(wave) => decode(wave, writers(&file, wave.len())?),
        None => Vec::new(),
    };
    while !pieces.is_empty() {
        let wave = waves.next().unwrap_or_default();
        let next_writers = writers(&file, wave.len())?;
        let (merged, next) = rayon::join(
            || merge(context, &mut rows, file.as_mut(), pieces, rejections, meter),
            || decode(wave, next_writers),
        );
        merged?;
        pieces = next;
    }
    let sink = file.map(RowFile::finish).transpose()?;
    Ok((rows, sink))
}

fn merge<W: Write + Send>(
    context: &Context<'_>,
    rows: &mut PartitionRows,
    mut file: Option<&mut RowFile<W>>,
    pieces: Vec<Result<Piece, IngestError>>,
    rejections: &mut Rejections,
    meter: &Meter<'_>,
) -> Result<(), IngestError> {
    for piece in pieces {
        let mut piece = piece?;
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
                piece.block.streams[missing.stream as usize].rows.users[missing.row as usize] =
                    ordinal;
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
            && let Some(file) = &mut file
        {
            file.append(piece.chunks, context.files)?;
        }
        rows.blocks.push(piece.block.finish());
        meter.add(piece.read)?;
    }
    Ok(())
}

/// Whether a row group can go into the partition's file as a whole, columns as they are encoded.
///
/// Where bad rows are left out, what is broken in the JSON is only known after decoding.
fn is_whole(context: &Context<'_>, file: usize, group: usize, range: TimeRange) -> bool {
    let events = &context.files[file];
    let survey = &events.groups[group];
    let end = survey.first_row + survey.rows as u64;
    (events.stored || context.on_bad_row == OnBadRow::Fail)
        && survey.is_within(range)
        && !events.left_out.any_in(survey.first_row, end)
}

/// Cuts the row groups that may have rows in a range into tasks, in order. `output` is there if the
/// rows are written.
fn tasks(context: &Context<'_>, range: TimeRange, output: Option<&Output>) -> Vec<Task> {
    let mut tasks: Vec<Task> = Vec::new();
    let mut open = Task::default();
    let mut open_rows = 0;
    for (file, events) in context.files.iter().enumerate() {
        for (group, survey) in events.groups.iter().enumerate() {
            if survey.rows == 0 || !survey.overlaps(range) {
                continue;
            }
            let bytes = events.table.row_group_bytes(group);
            let whole = (COPIED_ROWS_MIN..=COPIED_ROWS_MAX).contains(&survey.rows)
                && bytes <= COPIED_BYTES_MAX
                && output.is_some_and(|output| output.copies_any(file))
                && is_whole(context, file, group, range);
            if whole {
                if !open.slices.is_empty() {
                    tasks.push(std::mem::take(&mut open));
                    open_rows = 0;
                }
                let slice = Slice {
                    file,
                    group,
                    start: 0,
                    rows: survey.rows,
                };
                tasks.push(Task {
                    slices: vec![slice],
                    whole,
                });
                continue;
            }
            let row_bytes = (bytes / survey.rows as u64).max(1);
            let rows_max = ((TASK_BYTES / row_bytes) as usize).clamp(1, TASK_ROWS);
            // Pieces of equal size, so that none is left with a few rows.
            let rows_max = survey.rows.div_ceil(survey.rows.div_ceil(rows_max));
            for start in (0..survey.rows).step_by(rows_max) {
                let rows = rows_max.min(survey.rows - start);
                if open_rows + rows > rows_max && !open.slices.is_empty() {
                    tasks.push(std::mem::take(&mut open));
                    open_rows = 0;
                }
                open.slices.push(Slice {
                    file,
                    group,
                    start,
                    rows,
                });
                open_rows += rows;
            }
        }
    }
    if !open.slices.is_empty() {
        tasks.push(open);
    }
    tasks
}

/// Rows `start..end` of a row group.
type Run = (usize, usize);

/// Reads the slices of one task.
struct Decoder<'a> {
    context: &'a Context<'a>,
    range: TimeRange,
    output: &'a Output,
    writers: Option<Vec<ArrowColumnWriter>>,
    /// The file and the row group that are copied.
    copied: Option<(usize, usize)>,
    json: JsonReader,
    piece: Piece,
}

impl<'a> Decoder<'a> {
    fn new(
        context: &'a Context<'a>,
        range: TimeRange,
        output: &'a Output,
        writers: Option<Vec<ArrowColumnWriter>>,
    ) -> Self {
        let piece = Piece {
            block: BlockBuilder::default(),
            rows: 0,
            stored: 0,
            stored_hashes: Vec::new(),
            missing: Vec::new(),
            missing_ids: String::new(),
            orphans: 0,
            origins: Vec::new(),
            chunks: Vec::new(),
            names: NameCounts::default(),
            rejections: Rejections::default(),
            read: 0,
        };
        Self {
            context,
            range,
            output,
            writers,
            copied: None,
            json: JsonReader::default(),
            piece,
        }
    }

    fn decode(mut self, task: &Task) -> Result<Piece, IngestError> {
        if let ([slice], true) = (&*task.slices, task.whole) {
            self.copied = Some((slice.file, slice.group));
        }
        for slice in &task.slices {
            let runs = self.runs(slice)?;
            if !runs.is_empty() {
                self.slice(slice, &runs)?;
            }
            self.piece.read += runs
                .iter()
                .map(|(start, end)| (end - start) as u64)
                .sum::<u64>();
        }
        let Some(writers) = self.writers.take().filter(|_| self.piece.rows > 0) else {
            return Ok(self.piece);
        };
        let mut writers = writers.into_iter();
        for field in 0..self.output.fields() {
            if let Some((file, group)) = self.copied
                && let Some(leaf) = self.output.copied_leaf(file, field)
            {
                writers.next();
                self.piece
                    .chunks
                    .push(OutputChunk::Copied { file, group, leaf });
                continue;
            }
            for writer in writers.by_ref().take(self.output.leaves(field)) {
                let chunk = writer
                    .close()
                    .map_err(IngestError::parquet("the partition's rows"))?;
                self.piece
                    .chunks
                    .push(OutputChunk::Encoded(Box::new(chunk)));
            }
        }
        Ok(self.piece)
    }

    /// Whether a column of the partition's file is copied and need not be encoded.
    fn is_copied(&self, field: usize) -> bool {
        self.copied
            .is_some_and(|(file, _)| self.output.copied_leaf(file, field).is_some())
    }

    /// The rows of a slice that belong to the partition, as numbers within the row group.
    fn runs(&self, slice: &Slice) -> Result<Vec<Run>, IngestError> {
        let file = &self.context.files[slice.file];
        let survey = &file.groups[slice.group];
        let first = survey.first_row + slice.start as u64;
        let all_used = !file.left_out.any_in(first, first + slice.rows as u64);
        if all_used && survey.is_within(self.range) {
            return Ok(vec![(slice.start, slice.start + slice.rows)]);
        }
        let selection = select(&[(slice.start, slice.start + slice.rows)]);
        let mut runs: Vec<Run> = Vec::new();
        let mut row = slice.start;
        let mut times = Vec::new();
        for batch in file.table.read(
            vec![slice.group],
            &[file.role("timestamp")?],
            Some(selection),
        )? {
            let batch = file.table.batch(batch)?;
            times.clear();
            read_times(batch.column(0), &file.table.name, &mut times, |_, _| {})?;
            for &time in &times {
                let in_range = self.range.from.0 <= time && time < self.range.to.0;
                if in_range && !file.left_out.contains(survey.first_row + row as u64) {
                    match runs.last_mut() {
                        Some((_, end)) if *end == row => *end += 1,
                        _ => runs.push((row, row + 1)),
                    }
                }
                row += 1;
            }
        }
        Ok(runs)
    }

    fn slice(&mut self, slice: &Slice, runs: &[Run]) -> Result<(), IngestError> {
        let file = &self.context.files[slice.file];
        let table = &file.table;
        let name = table.name.clone();
        // Nobody asks for the ids of new rows here, but the writer, if it does not copy them.
        let needs_ids = file.stored || (self.writers.is_some() && !self.is_copied(0));
        let mut roots: Vec<usize> = ["user_id", "event_name", "timestamp", "properties"]
            .iter()
            .filter_map(|role| table.role(role))
            .chain(table.plain.iter().map(|plain| plain.root))
            .chain(needs_ids.then(|| table.role("event_id")).flatten())
            .collect();
        roots.sort_unstable();
        let place = |root: usize| roots.binary_search(&root).unwrap_or_default();
        let (id, user, event, time) = (
            file.role("event_id")?,
            file.role("user_id")?,
            file.role("event_name")?,
            file.role("timestamp")?,
        );
        let properties = table.role("properties");

        let selection = (runs != [(0, table.row_group_rows(slice.group))]).then(|| select(runs));
        let mut source = Source {
            file: slice.file,
            first_row: file.groups[slice.group].first_row,
            runs,
            run: 0,
            taken: 0,
        };
        let mut times = Vec::new();
        for batch in table.read(vec![slice.group], &roots, selection)? {
            let batch = table.batch(batch)?;
            let column = |root: usize| batch.column(place(root));
            times.clear();
            read_times(column(time), &name, &mut times, |_, _| {})?;
            let cells = BatchCells {
                ids: needs_ids
                    .then(|| TextCells::new(column(id), &name))
                    .transpose()?,
                users: TextCells::new(column(user), &name)?,
                events: TextCells::new(column(event), &name)?,
                json: properties
                    .map(|root| TextCells::new(column(root), &name))
                    .transpose()?,
                plain: table
                    .plain
                    .iter()
                    .map(|plain| ValueCells::new(column(plain.root), &name))
                    .collect::<Result<_, _>>()?,
            };
            let broken = self.stage(file, &cells, &times, &mut source)?;
            let kept = keep_mask(times.len(), &broken);
            let arrays = |root: usize| batch.column(place(root)).clone();
            self.write(file, &cells, &times, &arrays, kept.as_ref())?;
        }
        Ok(())
    }

    /// Stages the rows of a batch; returns those that were rejected.
    fn stage(
        &mut self,
        file: &EventFile,
        cells: &BatchCells,
        times: &[i64],
        source: &mut Source<'_>,
    ) -> Result<Vec<usize>, IngestError> {
        let piece = &mut self.piece;
        let hasher = piece.block.hasher.clone();
        let name = &file.table.name;
        let mut broken = Vec::new();
        let stored_ids = cells.ids.as_ref().filter(|_| file.stored);
        // Where each kept row went, to give it its user afterwards.
        let mut staged: Vec<(u32, u32)> = Vec::with_capacity(times.len());
        let mut users: Vec<&str> = Vec::with_capacity(times.len());
        let mut path = String::new();
        let mut last: Option<(&str, usize)> = None;
        for (row, &time) in times.iter().enumerate() {
            let file_row = source.next();
            let event = cells.events.text(row);
            let index = match last {
                Some((same, index)) if same == event => index,
                _ => piece.block.stream(event),
            };
            last = Some((event, index));
            let stream = &mut piece.block.streams[index];
            let text = cells.json.as_ref().and_then(|json| json.get(row));
            if let Some(text) = text
                && let Err(problem) = self.json.read(stream, text, &hasher)
            {
                piece
                    .rejections
                    .push(name, file.table.origin_row(file_row), problem);
                broken.push(row);
                continue;
            }
            let stream_row = stream.next_row();
            let too_large = |stream: &crate::stage::StreamBuilder| IngestError::TextTooLarge {
                file: name.to_string(),
                property: stream
                    .properties
                    .last()
                    .map(|property| property.path.to_string())
                    .unwrap_or_default(),
                rows: stream.rows.times.len(),
            };
            // Later columns win over earlier ones, and all of them over JSON.
            for (number, (plain, values)) in
                file.table.plain.iter().zip(&cells.plain).enumerate().rev()
            {
                path.clear();
                path.push_str(&plain.property);
                let base = path.len();
                let stored = values.visit(row, &mut path, &mut |found, value| {
                    let slot = if found.len() == base {
                        stream.plain_slot(source.file, number, found, &hasher)
                    } else {
                        stream.slot(found, 0, &hasher)
                    };
                    let property = &mut stream.properties[slot];
                    if property.column_row == stream_row {
                        return Ok(());
                    }
                    property.column_row = stream_row;
                    property.push(stream_row, value, &hasher)
                });
                stored.map_err(|_| too_large(stream))?;
            }
            if let Some(text) = text {
                self.json
                    .store(stream, text, stream_row, &hasher, &mut piece.names)
                    .map_err(|_| too_large(stream))?;
            }
            stream.push_row(time, piece.rows);
            match piece.origins.last() {
                Some(run)
                    if run.file as usize == source.file
                        && file_row - run.row == u64::from(piece.rows - run.position) => {}
                _ => piece.origins.push(OriginRun {
                    position: piece.rows,
                    file: source.file as u32,
                    row: file_row,
                }),
            }
            if let Some(ids) = &stored_ids {
                piece
                    .stored_hashes
                    .push(self.context.hasher.hash(ids.text(row)));
            }
            piece.rows += 1;
            staged.push((index as u32, stream_row));
            users.push(cells.users.text(row));
        }
        if !file.stored {
            piece.stored += staged.len() as u64;
        }
        self.look_up(&users, &staged, file.stored);
        Ok(broken)
    }

    fn look_up(&mut self, ids: &[&str], staged: &[(u32, u32)], stored: bool) {
        let piece = &mut self.piece;
        let mut ordinals = vec![0; ids.len()];
        self.context
            .users
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .lookup_batch(ids, &mut ordinals);
        let mut orphans = 0;
        for ((&ordinal, id), &(stream, row)) in ordinals.iter().zip(ids).zip(staged) {
            if ordinal == UserIds::MISSING {
                piece.missing_ids.push_str(id);
                piece.missing.push(Missing {
                    stream,
                    row,
                    end: piece.missing_ids.len() as u32,
                });
            } else {
                piece.block.streams[stream as usize].rows.users[row as usize] = ordinal;
            }
            if let Some(universe) = self.context.universe {
                let word = universe.get(ordinal as usize / 64).copied().unwrap_or(0);
                orphans += u64::from(word >> (ordinal % 64) & 1 == 0);
            }
        }
        if !stored {
            piece.orphans += orphans;
        }
    }

    /// Encodes the rows of one batch that are kept.
    fn write(
        &mut self,
        file: &EventFile,
        cells: &BatchCells,
        times: &[i64],
        arrays: &dyn Fn(usize) -> ArrayRef,
        kept: Option<&BooleanArray>,
    ) -> Result<(), IngestError> {
        let Some(mut all) = self.writers.take() else {
            return Ok(());
        };
        let name = &*file.table.name;
        let mut writers = all.iter_mut();
        for (index, field) in self.output.schema.fields().iter().enumerate() {
            if self.is_copied(index) {
                writers.next();
                continue;
            }
            let source = match index {
                0 => cells.ids.as_ref().map(TextCells::array),
                1 => Some(cells.users.array()),
                2 => Some(cells.events.array()),
                3 => {
                    let times = TimestampMillisecondArray::from(times.to_vec());
                    Some(Arc::new(times.with_timezone("UTC")) as ArrayRef)
                }
                4 => cells.json.as_ref().map(TextCells::array),
                _ => self.output.source(index, file).map(arrays),
            };
            let mut column = match source {
                Some(source) if source.data_type() == field.data_type() => source,
                Some(source) => arrow::compute::cast(&source, field.data_type())
                    .map_err(IngestError::arrow(name))?,
                None => new_null_array(field.data_type(), times.len()),
            };
            if let Some(kept) = kept {
                column = arrow::compute::filter(&column, kept).map_err(IngestError::arrow(name))?;
            }
            for leaf in compute_leaves(field, &column).map_err(IngestError::parquet(name))? {
                if let Some(writer) = writers.next() {
                    writer.write(&leaf).map_err(IngestError::parquet(name))?;
                }
            }
        }
        self.writers = Some(all);
        Ok(())
    }
}

/// The columns of one batch.
struct BatchCells {
    /// Only where they are written or hashed.
    ids: Option<TextCells>,
    users: TextCells,
    events: TextCells,
    json: Option<TextCells>,
    plain: Vec<ValueCells>,
}

/// Counts through the rows of a selection.
struct Source<'a> {
    file: usize,
    /// Number of the row group's first row in the file.
    first_row: u64,
    runs: &'a [Run],
    run: usize,
    taken: usize,
}

impl Source<'_> {
    /// The next row's number in the file.
    fn next(&mut self) -> u64 {
        let (start, end) = self.runs[self.run];
        let row = self.first_row + (start + self.taken) as u64;
        self.taken += 1;
        if start + self.taken == end {
            self.run += 1;
            self.taken = 0;
        }
        row
    }
}

fn keep_mask(rows: usize, broken: &[usize]) -> Option<BooleanArray> {
    if broken.is_empty() {
        return None;
    }
    let mut kept = vec![true; rows];
    for &row in broken {
        kept[row] = false;
    }
    Some(kept.into())
}

fn select(runs: &[Run]) -> RowSelection {
    let mut selectors = Vec::with_capacity(runs.len() * 2);
    let mut at = 0;
    for &(start, end) in runs {
        if start > at {
            selectors.push(RowSelector::skip(start - at));
        }
        selectors.push(RowSelector::select(end - start));
        at = end;
    }
    selectors.into()
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
