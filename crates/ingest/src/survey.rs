//! First look at all events: which rows can be used, when they happened, and the hashes of their ids.

use crate::bitset::RowSet;
use crate::cells::{IdCells, TextCells, read_times};
use crate::error::{IngestError, OnBadRow, Rejections, RowProblem};
use crate::hashes::HashBuckets;
use crate::progress::{Meter, OnProgress, Stage};
use crate::table::TableFile;
use arrow_array::Array as _;
use crowdset_storage::{EventIdHasher, in_order};
use crowdset_types::{TimeRange, TimestampMillis};
use std::collections::BTreeMap;

/// A day in milliseconds.
pub(crate) const DAY_MILLIS: i64 = 86_400_000;

/// After so many row groups bad rows end a load that takes none: late enough to name several of them,
/// early enough not to look at everything first.
const GROUPS_BETWEEN_CHECKS: usize = 16;

/// Row groups that each thread may survey before what was found in earlier ones is noted.
const GROUPS_AHEAD: usize = 4;

/// What is known of one row group.
#[derive(Debug, Clone, Default)]
pub(crate) struct GroupSurvey {
    /// The number of its first row in the file.
    pub(crate) first_row: u64,
    pub(crate) rows: usize,
    /// From the first to the last instant of the usable rows; empty if there are none.
    pub(crate) span: Option<(i64, i64)>,
    /// Usable rows by day since the epoch.
    pub(crate) days: BTreeMap<i64, u64>,
}

impl GroupSurvey {
    fn see(&mut self, time: i64) {
        let (first, last) = self.span.get_or_insert((time, time));
        *first = (*first).min(time);
        *last = (*last).max(time);
    }

    /// Whether usable rows may lie in a range.
    pub(crate) fn overlaps(&self, range: TimeRange) -> bool {
        self.span
            .is_some_and(|(first, last)| first < range.to.0 && range.from.0 <= last)
    }

    /// Whether all usable rows lie in a range.
    pub(crate) fn is_within(&self, range: TimeRange) -> bool {
        self.span
            .is_some_and(|(first, last)| range.from.0 <= first && last < range.to.0)
    }
}

/// Counts rows by day; most rows are of the same day as the one before.
struct DayCounter<'a> {
    days: &'a mut BTreeMap<i64, u64>,
    current: (i64, u64),
}

impl DayCounter<'_> {
    /// Returns the day.
    fn see(&mut self, time: i64) -> i64 {
        let day = time.div_euclid(DAY_MILLIS);
        if day != self.current.0 {
            self.flush();
            self.current = (day, 0);
        }
        self.current.1 += 1;
        day
    }

    fn flush(&mut self) {
        if self.current.1 > 0 {
            *self.days.entry(self.current.0).or_default() += self.current.1;
        }
    }
}

/// A file of events and what is known of its rows.
#[derive(Debug)]
pub(crate) struct EventFile {
    pub(crate) table: TableFile,
    /// Rows of the store that are written anew: they are usable and no duplicates.
    pub(crate) stored: bool,
    pub(crate) groups: Vec<GroupSurvey>,
    /// Rows that are no events: rejected ones and duplicates.
    pub(crate) left_out: RowSet,
}

impl EventFile {
    pub(crate) fn new(table: TableFile, stored: bool) -> Self {
        let mut first_row = 0;
        let groups = (0..table.row_groups())
            .map(|group| {
                let rows = table.row_group_rows(group);
                let survey = GroupSurvey {
                    first_row,
                    rows,
                    ..GroupSurvey::default()
                };
                first_row += rows as u64;
                survey
            })
            .collect();
        Self {
            table,
            stored,
            groups,
            left_out: RowSet::default(),
        }
    }

    pub(crate) fn role(&self, role: &str) -> Result<usize, IngestError> {
        self.table
            .role(role)
            .ok_or_else(|| IngestError::MissingColumn {
                file: self.table.name.to_string(),
                table: "events",
                column: role.to_owned(),
                found: Vec::new(),
            })
    }

    /// Reads the times of a row group again and counts the rows that are not left out.
    pub(crate) fn recount(&self, group: usize) -> Result<GroupSurvey, IngestError> {
        let old = &self.groups[group];
        let mut survey = GroupSurvey {
            first_row: old.first_row,
            rows: old.rows,
            ..GroupSurvey::default()
        };
        let mut days = std::mem::take(&mut survey.days);
        let mut counter = DayCounter {
            days: &mut days,
            current: (i64::MIN, 0),
        };
        let mut row = old.first_row;
        let mut times = Vec::new();
        for batch in self
            .table
            .read(vec![group], &[self.role("timestamp")?], None)?
        {
            let batch = self.table.batch(batch)?;
            times.clear();
            read_times(batch.column(0), &self.table.name, &mut times, |_, _| {})?;
            for &time in &times {
                if !self.left_out.contains(row) {
                    counter.see(time);
                    survey.see(time);
                }
                row += 1;
            }
        }
        counter.flush();
        survey.days = days;
        Ok(survey)
    }
}

/// What the survey found in one row group.
struct Found {
    survey: GroupSurvey,
    hashes: Vec<u64>,
    /// The day of each hash's event.
    days: Vec<i32>,
    bad: Vec<(u64, RowProblem)>,
    floored: u64,
}

fn survey_group(
    file: &EventFile,
    group: usize,
    hasher: &EventIdHasher,
) -> Result<Found, IngestError> {
    let table = &file.table;
    let old = &file.groups[group];
    let (event_id, time) = (file.role("event_id")?, file.role("timestamp")?);
    // Columns that must hold something, and do according to their statistics, need not be read.
    let mut roots = vec![event_id, time];
    for role in ["user_id", "event_name"] {
        let root = file.role(role)?;
        if table.may_have_nulls(group, root)
            || *table.field(root).data_type() == arrow_schema::DataType::UInt64
        {
            roots.push(root);
        }
    }
    roots.sort_unstable();
    let place = |role: &str| {
        table
            .role(role)
            .and_then(|root| roots.binary_search(&root).ok())
    };

    let mut found = Found {
        survey: GroupSurvey {
            first_row: old.first_row,
            rows: old.rows,
            ..GroupSurvey::default()
        },
        hashes: Vec::with_capacity(old.rows),
        days: Vec::with_capacity(old.rows),
        bad: Vec::new(),
        floored: 0,
    };
    let mut days = BTreeMap::new();
    let mut counter = DayCounter {
        days: &mut days,
        current: (i64::MIN, 0),
    };
    let mut times = Vec::new();
    let mut problems: Vec<Option<RowProblem>> = Vec::new();
    let mut buffer = String::new();
    let mut first_row = old.first_row;
    for batch in table.read(vec![group], &roots, None)? {
        let batch = table.batch(batch)?;
        let rows = batch.num_rows();
        times.clear();
        problems.clear();
        problems.resize(rows, None);
        let mut any_problem = false;
        let time_column = batch.column(place("timestamp").unwrap_or_default());
        found.floored += read_times(time_column, &table.name, &mut times, |row, problem| {
            any_problem = true;
            problems[row] = Some(problem.into_row_problem(table.field(time).name()));
        })?;
        for role in ["event_name", "user_id", "event_id"] {
            let Some(place) = place(role) else { continue };
            let column = batch.column(place);
            let unsigned = *column.data_type() == arrow_schema::DataType::UInt64;
            if column.null_count() == 0 && !unsigned {
                continue;
            }
            let cells = IdCells::new(column, &table.name)?;
            for (row, problem) in problems.iter_mut().enumerate() {
                match cells.get(row, &mut buffer) {
                    Ok(Some(_)) => {}
                    Ok(None) => {
                        any_problem = true;
                        *problem = Some(RowProblem::Null {
                            column: table.field(roots[place]).name().clone(),
                        });
                    }
                    Err(found) => {
                        any_problem = true;
                        *problem = Some(found);
                    }
                }
            }
        }
        let ids = TextCells::new(
            batch.column(place("event_id").unwrap_or_default()),
            &table.name,
        )?;
        for (row, &time) in times.iter().enumerate() {
            if any_problem && let Some(problem) = problems[row].take() {
                found.bad.push((first_row + row as u64, problem));
                continue;
            }
            found.hashes.push(hasher.hash(ids.text(row)));
            found.days.push(counter.see(time) as i32);
            found.survey.see(time);
        }
        first_row += rows as u64;
    }
    counter.flush();
    found.survey.days = days;
    Ok(found)
}

/// What all files hold.
#[derive(Debug)]
pub(crate) struct Surveyed {
    pub(crate) hashes: HashBuckets,
    pub(crate) floored: u64,
}

/// Surveys all files that are not from the store; notes unusable rows.
pub(crate) fn survey(
    files: &mut [EventFile],
    hasher: &EventIdHasher,
    on_bad_row: OnBadRow,
    rejections: &mut Rejections,
    progress: OnProgress<'_>,
) -> Result<Surveyed, IngestError> {
    let rows = files.iter().map(|file| file.table.rows()).sum();
    let groups: Vec<(usize, usize)> = (0..files.len())
        .flat_map(|file| (0..files[file].groups.len()).map(move |group| (file, group)))
        .collect();
    let mut notes = Notes {
        files,
        hashes: HashBuckets::with_capacity(rows),
        floored: 0,
        left_out: vec![RowSet::default(); files.len()],
        surveys: Vec::with_capacity(groups.len()),
        rejections,
        meter: Meter::new(Stage::Surveying, rows, progress)?,
    };
    let look = |&(file, group): &(usize, usize)| survey_group(&files[file], group, hasher);
    in_order(
        GROUPS_AHEAD,
        groups.iter(),
        look,
        |found: Result<Found, IngestError>| {
            let number = notes.surveys.len();
            notes.note(groups[number].0, found?)?;
            if (number + 1).is_multiple_of(GROUPS_BETWEEN_CHECKS) || number + 1 == groups.len() {
                notes.rejections.check(on_bad_row)?;
            }
            Ok::<(), IngestError>(())
        },
    )?;
    let Notes {
        hashes,
        floored,
        left_out,
        surveys,
        ..
    } = notes;
    for ((file, group), survey) in groups.into_iter().zip(surveys) {
        files[file].groups[group] = survey;
    }
    for (file, left_out) in files.iter_mut().zip(left_out) {
        file.left_out = left_out;
    }
    Ok(Surveyed { hashes, floored })
}

/// What was found so far.
struct Notes<'a> {
    files: &'a [EventFile],
    hashes: HashBuckets,
    floored: u64,
    /// Of each file.
    left_out: Vec<RowSet>,
    /// Of all row groups, in order.
    surveys: Vec<GroupSurvey>,
    rejections: &'a mut Rejections,
    meter: Meter<'a>,
}

impl Notes<'_> {
    fn note(&mut self, file: usize, found: Found) -> Result<(), IngestError> {
        self.floored += found.floored;
        self.hashes.extend(&found.hashes, &found.days)?;
        let table = &self.files[file].table;
        for (row, problem) in found.bad {
            self.left_out[file].insert(row);
            self.rejections
                .push(&table.name, table.origin_row(row), problem);
        }
        self.meter.add(found.survey.rows as u64)?;
        self.surveys.push(found.survey);
        Ok(())
    }
}

/// Usable rows of all files by day since the epoch.
pub(crate) fn days(files: &[EventFile]) -> BTreeMap<i64, u64> {
    let mut days = BTreeMap::new();
    for (day, rows) in files
        .iter()
        .flat_map(|file| &file.groups)
        .flat_map(|group| &group.days)
    {
        *days.entry(*day).or_default() += rows;
    }
    days
}

/// The instants of the days `first..=last`.
pub(crate) fn range_of_days(first: i64, last: i64) -> TimeRange {
    TimeRange::new(
        TimestampMillis(first * DAY_MILLIS),
        TimestampMillis((last + 1) * DAY_MILLIS),
    )
}
