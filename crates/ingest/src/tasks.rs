//! What of the input is decoded together: row groups, pieces of large ones, small ones put together.

use crate::error::OnBadRow;
use crate::row_file::Output;
use crate::rows::Context;
use crowdset_types::TimeRange;

/// Rows a task decodes at most; also the rows of a row group of the partition's file.
const TASK_ROWS: usize = 262_144;

/// Uncompressed bytes a task decodes at most, about.
const TASK_BYTES: u64 = 256 << 20;

/// Rows of one row group of one file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slice {
    pub(crate) file: usize,
    pub(crate) group: usize,
    /// Within the row group.
    pub(crate) start: usize,
    pub(crate) rows: usize,
}

/// What is decoded together and becomes one row group of the partition's file.
#[derive(Debug, Default)]
pub(crate) struct Task {
    pub(crate) slices: Vec<Slice>,
    /// It is one whole row group, whose columns are copied where their form is right.
    pub(crate) whole: bool,
}

/// Row groups of so many rows are copied as they are; smaller ones are put together.
const COPIED_ROWS_MIN: usize = 32_768;
const COPIED_ROWS_MAX: usize = 2 << 20;
const COPIED_BYTES_MAX: u64 = 1 << 30;

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
pub(crate) fn tasks(context: &Context<'_>, range: TimeRange, output: Option<&Output>) -> Vec<Task> {
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
