//! The rows of a family that pass its filter, found once for all windows that hold them.
//!
//! Windows that slide look at a row twice, when it enters and when it leaves; of rows with a filter
//! the second look need not ask again, and neither has to pass over the rows that do not count.

use super::counts::{Feed, VisitRows};
use crate::events::{Events, Rows, SPARSE};
use crate::kernel::Machine;
use crate::pass::ChunkPass;
use crate::scratch::vec_bytes;
use crate::selection::{SelectedRows, Selection};
use crate::words::Words;
use crowdset_types::TimeRange;
use std::ops::Range;

/// The rows of a chunk that count, source by source: memory that is used again.
#[derive(Default)]
pub(crate) struct Picks {
    rows: Vec<u32>,
    users: Vec<u16>,
    /// Where the rows of each source begin, and where the last ones end.
    starts: Vec<usize>,
}

impl Picks {
    /// What they take.
    pub(crate) fn bytes(&self) -> usize {
        vec_bytes(&self.rows) + vec_bytes(&self.users) + vec_bytes(&self.starts)
    }

    pub(super) fn pick(&mut self, events: &Events<'_>, pass: &mut ChunkPass<'_>) {
        let machine = pass.machine;
        self.rows.clear();
        self.users.clear();
        self.starts.clear();
        for source in 0..events.sources.len() {
            self.starts.push(self.rows.len());
            events.scan_source(pass, source, None, &mut |rows| self.add(machine, rows));
        }
        self.starts.push(self.rows.len());
    }

    fn add(&mut self, machine: Machine, rows: &Rows<'_>) {
        let first = rows.range.start as u32;
        let Some(mask) = rows.mask else {
            self.rows.extend(rows.range.clone().map(|row| row as u32));
            self.users.extend_from_slice(rows.users);
            return;
        };
        let count = machine.count_mask(mask) as usize;
        if count * SPARSE <= mask.len() {
            for row in machine.ones(mask).take(count) {
                self.rows.push(first + row as u32);
                self.users.push(rows.users[row]);
            }
            return;
        }
        let mut place = self.rows.len();
        let end = place + count;
        // Every row is written, and the next one over it unless this one counts.
        self.rows.resize(end + 1, 0);
        self.users.resize(end + 1, 0);
        for ((&user, &mask), row) in rows.users.iter().zip(mask).zip(first..) {
            self.rows[place] = row;
            self.users[place] = user;
            place += usize::from(mask);
        }
        self.rows.truncate(end);
        self.users.truncate(end);
    }
}

/// Picked rows as those of a family.
pub(super) struct PickedFeed<'f, 'a> {
    pub(super) events: &'f Events<'a>,
    pub(super) picks: &'f Picks,
}

impl PickedFeed<'_, '_> {
    fn for_each(&self, pass: &ChunkPass<'_>, range: TimeRange, mut visit: impl FnMut(&[u16])) {
        if range.is_empty() {
            return;
        }
        for (source, starts) in self.events.sources.iter().zip(self.picks.starts.windows(2)) {
            let part = range.intersection(source.range);
            let picked = starts[0]..starts[1];
            if part.is_empty() || picked.is_empty() {
                continue;
            }
            let mut users = &self.picks.users[picked.clone()];
            if part != source.range {
                let Range { start, end } = source.stream.rows_in(pass.chunk, part);
                let rows = &self.picks.rows[picked];
                let first = rows.partition_point(|&row| (row as usize) < start);
                let len = rows[first..].partition_point(|&row| (row as usize) < end);
                users = &users[first..first + len];
            }
            visit(users);
        }
    }
}

/// Rows that are kept as those of a family.
pub(super) struct SelectedFeed<'f, 'a> {
    pub(super) selection: &'f Selection<'a>,
    /// All of the chunk.
    pub(super) rows: SelectedRows<'f>,
}

impl SelectedFeed<'_, '_> {
    fn users_of(&self, pass: &mut ChunkPass<'_>, range: TimeRange) -> &[u16] {
        if range.is_empty() {
            return &[];
        }
        let rows = self.selection.rows_within(self.rows, pass.chunk, range);
        pass.tally.rows += rows.users.len() as u64;
        pass.tally.bytes += size_of_val(rows.users) as u64;
        rows.users
    }
}

impl Feed for SelectedFeed<'_, '_> {
    fn users(&self, pass: &mut ChunkPass<'_>, range: TimeRange, users: &mut Words) {
        let machine = pass.machine;
        machine.set_users(self.users_of(pass, range), users);
    }

    fn rows(&self, pass: &mut ChunkPass<'_>, range: TimeRange, visit: &mut VisitRows<'_>) {
        visit(self.users_of(pass, range), None);
    }
}

impl Feed for PickedFeed<'_, '_> {
    fn users(&self, pass: &mut ChunkPass<'_>, range: TimeRange, users: &mut Words) {
        let machine = pass.machine;
        self.for_each(pass, range, |of_rows| machine.set_users(of_rows, users));
    }

    fn rows(&self, pass: &mut ChunkPass<'_>, range: TimeRange, visit: &mut VisitRows<'_>) {
        self.for_each(pass, range, |users| visit(users, None));
    }
}
