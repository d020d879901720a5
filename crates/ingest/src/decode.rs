//! Decoding: the rows of one task, typed, apart by event name, and encoded for the partition's file.

use crate::batch::{BatchCells, Grouping, UserCells, UserLookup};
use crate::cells::{TextCells, read_times};
use crate::error::{IngestError, Rejections, RowProblem};
use crate::json::{JsonReader, NameCounts};
use crate::row_file::{Output, OutputChunk};
use crate::rows::{Context, OriginRun};
use crate::stage::{BlockBuilder, NO_ROW, StreamBuilder};
use crate::survey::EventFile;
use crate::tasks::{Slice, Task};
use crate::texts::TextTooLarge;
use crate::values::ValueCells;
use arrow_array::{ArrayRef, BooleanArray, TimestampMillisecondArray, new_null_array};
use crowdset_storage::UserIds;
use crowdset_types::TimeRange;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use parquet::arrow::arrow_writer::{ArrowColumnWriter, compute_leaves};
use std::sync::Arc;

/// A new user and where its ordinal belongs.
#[derive(Debug)]
pub(crate) struct Missing {
    pub(crate) stream: u32,
    pub(crate) row: u32,
    /// End of its id in the piece's text of ids.
    pub(crate) end: u32,
}

/// The rows of one task.
pub(crate) struct Piece {
    pub(crate) block: BlockBuilder,
    pub(crate) rows: u32,
    pub(crate) stored: u64,
    pub(crate) stored_hashes: Vec<u64>,
    pub(crate) missing: Vec<Missing>,
    pub(crate) missing_ids: String,
    pub(crate) orphans: u64,
    /// Where rows came from; positions count from 0.
    pub(crate) origins: Vec<OriginRun>,
    pub(crate) chunks: Vec<OutputChunk>,
    pub(crate) names: NameCounts,
    pub(crate) rejections: Rejections,
    /// Rows that were looked at.
    pub(crate) read: u64,
}

/// Rows `start..end` of a row group.
pub(crate) type Run = (usize, usize);

/// Reads the slices of one task.
pub(crate) struct Decoder<'a> {
    context: &'a Context<'a>,
    range: TimeRange,
    output: &'a Output,
    writers: Option<Vec<ArrowColumnWriter>>,
    /// The file and the row group that are copied.
    copied: Option<(usize, usize)>,
    json: JsonReader,
    hasher: foldhash::fast::FixedState,
    lookup: UserLookup,
    grouping: Grouping,
    /// How many rows the task has.
    rows: usize,
    /// Of each row of the batch, its number in its stream; [`NO_ROW`] where it is left out.
    placed: Vec<u32>,
    /// Scratch.
    path: String,
    piece: Piece,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(
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
            hasher: piece.block.hasher.clone(),
            lookup: UserLookup::default(),
            grouping: Grouping::default(),
            rows: 0,
            placed: Vec::new(),
            path: String::new(),
            piece,
        }
    }

    pub(crate) fn decode(mut self, task: &Task) -> Result<Piece, IngestError> {
        if let ([slice], true) = (&*task.slices, task.whole) {
            self.copied = Some((slice.file, slice.group));
        }
        self.rows = task.slices.iter().map(|slice| slice.rows).sum();
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
        let lists = table.is_dictionary(slice.group, user).then_some(user);
        for batch in table.read_lists(vec![slice.group], &roots, selection, lists)? {
            let batch = table.batch(batch)?;
            let column = |root: usize| batch.column(place(root));
            times.clear();
            read_times(column(time), &name, &mut times, |_, _| {})?;
            let cells = BatchCells {
                ids: needs_ids
                    .then(|| TextCells::new(column(id), &name))
                    .transpose()?,
                users: UserCells::new(column(user), &name)?,
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
        let rows = times.len();
        let base = self.piece.rows;
        self.grouping.group(&cells.events, &mut self.piece.block);
        self.lookup.look_up(self.context.users, &cells.users, rows);
        self.placed.clear();
        self.placed.resize(rows, NO_ROW);
        let mut broken: Vec<(usize, RowProblem)> = Vec::new();
        for (index, group) in self.grouping.groups() {
            let stream = &mut self.piece.block.streams[index];
            if stream.next_row() == 0 {
                // As often as in this batch, and some more.
                let often = group.len() * (self.rows - base as usize) / rows;
                stream.expect_rows(often + 3 * often.isqrt() + group.len());
            }
            let mut staging = Staging {
                file,
                cells,
                file_number: source.file,
                hasher: &self.hasher,
                json: &mut self.json,
                names: &mut self.piece.names,
                path: &mut self.path,
            };
            for &row in group {
                let row = row as usize;
                let stream_row = stream.next_row();
                if let Err(problem) = staging.values(stream, row)? {
                    broken.push((row, problem));
                    continue;
                }
                stream.push_row(self.lookup.ordinals[row], times[row], base + row as u32);
                self.placed[row] = stream_row;
            }
        }
        broken.sort_unstable_by_key(|(row, _)| *row);
        let (broken, problems): (Vec<usize>, Vec<RowProblem>) = broken.into_iter().unzip();
        self.note_origins(file, source, rows, &broken, problems);
        if !broken.is_empty() {
            self.close_gaps(base);
        }
        self.note_users(cells, file.stored);
        if let Some(ids) = cells.ids.as_ref().filter(|_| file.stored) {
            let kept = (0..rows).filter(|row| self.placed[*row] != NO_ROW);
            let hashes = kept.map(|row| self.context.hasher.hash(ids.text(row)));
            self.piece.stored_hashes.extend(hashes);
        }
        if !file.stored {
            self.piece.stored += (rows - broken.len()) as u64;
        }
        Ok(broken)
    }

    /// Notes where the rows of a batch came from, but those that are broken.
    fn note_origins(
        &mut self,
        file: &EventFile,
        source: &mut Source<'_>,
        rows: usize,
        broken: &[usize],
        problems: Vec<RowProblem>,
    ) {
        let piece = &mut self.piece;
        let number = source.file;
        let mut add = |rows: std::ops::Range<usize>, file_row: u64| {
            if rows.is_empty() {
                return;
            }
            let goes_on = piece.origins.last().is_some_and(|run| {
                run.file as usize == number
                    && run.row + u64::from(piece.rows - run.position) == file_row
            });
            if !goes_on {
                piece.origins.push(OriginRun {
                    position: piece.rows,
                    file: number as u32,
                    row: file_row,
                });
            }
            piece.rows += rows.len() as u32;
        };
        let mut broken = broken.iter().copied().zip(problems).peekable();
        let mut start = 0;
        while start < rows {
            let (file_row, count) = source.run(rows - start);
            let end = start + count;
            let file_row = |row: usize| file_row + (row - start) as u64;
            let mut from = start;
            while let Some((row, problem)) = broken.next_if(|(row, _)| *row < end) {
                add(from..row, file_row(from));
                from = row + 1;
                let origin = file.table.origin_row(file_row(row));
                piece.rejections.push(&file.table.name, origin, problem);
            }
            add(from..end, file_row(from));
            start = end;
        }
    }

    /// Numbers the rows of a batch anew, as some of them are left out.
    fn close_gaps(&mut self, base: u32) {
        let mut position = base;
        for (placed, stream) in self.placed.iter().zip(&self.grouping.streams) {
            if *placed != NO_ROW {
                let stream = &mut self.piece.block.streams[*stream as usize];
                stream.rows.positions[*placed as usize] = position;
                position += 1;
            }
        }
    }

    /// Notes new users, who get their ordinals later, and counts orphans.
    fn note_users(&mut self, cells: &BatchCells, stored: bool) {
        let piece = &mut self.piece;
        let mut orphans = 0;
        for (row, &ordinal) in self.lookup.ordinals.iter().enumerate() {
            if self.placed[row] == NO_ROW {
                continue;
            }
            if ordinal == UserIds::MISSING {
                piece.missing_ids.push_str(cells.users.text(row));
                piece.missing.push(Missing {
                    stream: self.grouping.streams[row],
                    row: self.placed[row],
                    end: piece.missing_ids.len() as u32,
                });
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
                1 => file.table.role("user_id").map(arrays),
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

/// What it takes to stage the values of a row.
struct Staging<'a> {
    file: &'a EventFile,
    cells: &'a BatchCells,
    file_number: usize,
    hasher: &'a foldhash::fast::FixedState,
    json: &'a mut JsonReader,
    names: &'a mut NameCounts,
    path: &'a mut String,
}

impl Staging<'_> {
    /// Stages the values of a row as those of the stream's next one; none of them if there is a
    /// problem.
    fn values(
        &mut self,
        stream: &mut StreamBuilder,
        row: usize,
    ) -> Result<Result<(), RowProblem>, IngestError> {
        let text = self.cells.json.as_ref().and_then(|json| json.get(row));
        if let Some(text) = text
            && let Err(problem) = self.json.read(stream, text, self.hasher)
        {
            return Ok(Err(problem));
        }
        let stream_row = stream.next_row();
        // Later columns win over earlier ones, and all of them over JSON.
        let columns = self.file.table.plain.iter().zip(&self.cells.plain);
        for (number, (plain, values)) in columns.enumerate().rev() {
            self.path.clear();
            self.path.push_str(&plain.property);
            let base = self.path.len();
            let stored = values.visit(row, self.path, &mut |found, value| {
                let slot = if found.len() == base {
                    stream.plain_slot(self.file_number, number, found, self.hasher)
                } else {
                    stream.slot(found, 0, self.hasher)
                };
                let property = &mut stream.properties[slot];
                if property.column_row == stream_row {
                    return Ok(());
                }
                property.column_row = stream_row;
                property.push(stream_row, value, self.hasher)
            });
            stored.map_err(|TextTooLarge| self.too_large(stream))?;
        }
        if let Some(text) = text {
            self.json
                .store(stream, text, stream_row, self.hasher, self.names)
                .map_err(|TextTooLarge| self.too_large(stream))?;
        }
        Ok(Ok(()))
    }

    fn too_large(&self, stream: &StreamBuilder) -> IngestError {
        let property = stream.properties.last();
        IngestError::TextTooLarge {
            file: self.file.table.name.to_string(),
            property: property
                .map(|property| property.path.to_string())
                .unwrap_or_default(),
            rows: stream.rows.times.len(),
        }
    }
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
    /// The next rows that follow each other in the file: the number of the first one there, and how
    /// many they are, up to `rows`.
    fn run(&mut self, rows: usize) -> (u64, usize) {
        let (start, end) = self.runs[self.run];
        let first = self.first_row + (start + self.taken) as u64;
        let count = rows.min(end - start - self.taken);
        self.taken += count;
        if start + self.taken == end {
            self.run += 1;
            self.taken = 0;
        }
        (first, count)
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

pub(crate) fn select(runs: &[Run]) -> RowSelection {
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
