//! Families that differ in the values of one property: rows are told apart once for all of them.
//!
//! One counting sort puts the rows of a chunk into the order of their classes ([`super::classes`]), those
//! of one class still in order of time; then each filter's counts walk over the rows of its own classes
//! and read no others. Where all windows end together, no rows are moved ([`super::tallied`]).
//!
//! ```text
//! product = 'a'           class 1: a        rows by time  a x b a c b
//! product in ('a', 'b')   class 2: b        by class      a a │ b b │ c        (x: nobody asks)
//! product >= 'b'          class 3: c …                    └──────┴─ product in ('a', 'b')
//! ```

use super::What;
use super::classes::{Candidate, Classified, Source};
use super::counts::{Counts, Feed, VisitRows};
use super::followed::{Followed, Lasts};
use crate::EvalError;
use crate::pass::ChunkPass;
use crate::scratch::vec_bytes;
use crate::words::Words;
use crowdset_storage::Stream;
use crowdset_types::TimeRange;

/// Fewer filters are asked one by one.
pub(super) const FILTERS_MIN: usize = 8;

/// Nanoseconds a row: to sort it into its class, and to ask it whether it passes one filter.
pub(super) const SORT: f64 = 4.0;
pub(super) const ASK: f64 = 0.45;

/// Families about rows of one event, told apart by one property.
pub(crate) struct Split<'a> {
    rows: Classified<'a>,
    branches: Vec<Branch>,
    lasts: Lasts<'a>,
}

/// What is made of one filter's rows.
enum Branch {
    Counts(Counts),
    Followed(Vec<Followed>),
}

impl<'a> Split<'a> {
    /// `None` if these filters are better off one by one.
    pub(super) fn bind(candidates: &[Candidate<'_, 'a>]) -> Result<Option<Self>, EvalError> {
        if candidates.len() < FILTERS_MIN {
            return Ok(None);
        }
        let mut branches = Vec::with_capacity(candidates.len());
        let mut asked_rows = 0.0;
        let mut lasts = Lasts::default();
        for candidate in candidates {
            let (members, events) = (candidate.members, &candidate.events);
            branches.push(if let What::Followed(by) = members[0].question.what {
                asked_rows += (events.cost_rows() * members.len() as u64) as f64;
                Branch::Followed(lasts.bind(members, by)?)
            } else {
                let counts = Counts::bind(members, &candidate.stops, events)?;
                asked_rows += counts.cost_rows() as f64;
                Branch::Counts(counts)
            });
        }
        let Some(rows) = Classified::bind(&candidates.iter().collect::<Vec<_>>()) else {
            return Ok(None);
        };
        if asked_rows * ASK < rows.cost_rows() as f64 * SORT {
            return Ok(None);
        }
        Ok(Some(Self {
            rows,
            branches,
            lasts,
        }))
    }

    pub(super) fn cost_rows(&self) -> u64 {
        // Sorting takes as long as some scans.
        self.rows.cost_rows() * 8 + self.lasts.cost_rows()
    }

    pub(super) fn eval(&self, pass: &mut ChunkPass<'_>, universe: &Words) {
        let mut sorted = std::mem::take(&mut pass.scratch.sorted);
        sorted.clear();
        for source in &self.rows.sources {
            sorted.add(source, self.rows.len, pass);
        }
        let lasts = self.lasts.eval(pass);
        for (branch, classes) in self.branches.iter().zip(&self.rows.of_filters) {
            let feed = BranchFeed {
                rows: &self.rows,
                classes,
                sorted: &sorted,
            };
            match branch {
                Branch::Counts(counts) => counts.eval(&feed, pass, universe),
                Branch::Followed(all) => {
                    for followed in all {
                        followed.eval(&feed, &lasts, pass, universe);
                    }
                }
            }
        }
        for last in lasts {
            pass.scratch.i64s.give(last);
        }
        pass.scratch.sorted = sorted;
    }
}

/// The rows of a chunk, source by source, class by class: memory that is used again.
#[derive(Default)]
pub(crate) struct Sorted {
    /// The class of each row of the source at hand, in order of time.
    classes: Vec<u16>,
    cursors: Vec<u32>,
    rows: Vec<u32>,
    users: Vec<u16>,
    /// For each source: where its classes begin, from class 1 on, and where the last ends.
    starts: Vec<u32>,
}

impl Sorted {
    /// What it takes.
    pub(crate) fn bytes(&self) -> usize {
        vec_bytes(&self.classes)
            + vec_bytes(&self.cursors)
            + vec_bytes(&self.rows)
            + vec_bytes(&self.users)
            + vec_bytes(&self.starts)
    }

    fn clear(&mut self) {
        self.rows.clear();
        self.users.clear();
        self.starts.clear();
    }

    /// Adds the rows of the chunk, class by class.
    fn add(&mut self, source: &Source<'_>, classes_len: usize, pass: &mut ChunkPass<'_>) {
        let rows = source.stream.rows_in(pass.chunk, source.range);
        source.read(pass, rows.len());
        let classes = &mut self.classes;
        classes.clear();
        classes.resize(rows.len(), 0);
        source.classes(rows.clone(), classes);
        let cursors = &mut self.cursors;
        cursors.clear();
        cursors.resize(classes_len, 0);
        for &class in &*classes {
            cursors[class as usize] += 1;
        }
        // Rows that nobody asks for all go to one place.
        let first = self.rows.len() as u32;
        let wanted = rows.len() as u32 - cursors[0];
        cursors[0] = first;
        let mut start = first + 1;
        for cursor in &mut cursors[1..] {
            self.starts.push(start);
            start += std::mem::replace(cursor, start);
        }
        self.starts.push(start);
        let end = (first + 1 + wanted) as usize;
        self.rows.resize(end, 0);
        self.users.resize(end, 0);
        let users = &source.stream.users()[rows.clone()];
        for ((&class, &user), row) in classes.iter().zip(users).zip(rows.start as u32..) {
            let cursor = &mut cursors[class as usize];
            let place = *cursor as usize;
            *cursor += u32::from(class != 0);
            self.rows[place] = row;
            self.users[place] = user;
        }
    }
}

/// The rows of one branch.
pub(super) struct BranchFeed<'f, 'a> {
    rows: &'f Classified<'a>,
    classes: &'f [u16],
    sorted: &'f Sorted,
}

impl BranchFeed<'_, '_> {
    /// Hands out the rows of a range of time, class by class: their stream, where they stand in it, and
    /// their users.
    pub(super) fn for_each(
        &self,
        pass: &ChunkPass<'_>,
        range: TimeRange,
        mut visit: impl FnMut(&Stream, &[u32], &[u16]),
    ) {
        if range.is_empty() {
            return;
        }
        let mut starts = &self.sorted.starts[..];
        for source in &self.rows.sources {
            let of_source;
            (of_source, starts) = starts.split_at(self.rows.len);
            let part = range.intersection(source.range);
            if part.is_empty() {
                continue;
            }
            let is_whole = part == source.range;
            let within = source.stream.rows_in(pass.chunk, part);
            for &class in self.classes {
                let class = usize::from(class);
                let of_class = of_source[class - 1] as usize..of_source[class] as usize;
                let mut rows = &self.sorted.rows[of_class.clone()];
                let mut users = &self.sorted.users[of_class];
                if !is_whole {
                    let first = rows.partition_point(|&row| (row as usize) < within.start);
                    let end = rows.partition_point(|&row| (row as usize) < within.end);
                    (rows, users) = (&rows[first..end], &users[first..end]);
                }
                visit(source.stream, rows, users);
            }
        }
    }
}

impl Feed for BranchFeed<'_, '_> {
    fn users(&self, pass: &mut ChunkPass<'_>, range: TimeRange, users: &mut Words) {
        let machine = pass.machine;
        self.for_each(pass, range, |_, _, of_rows| {
            machine.set_users(of_rows, users);
        });
    }

    fn rows(&self, pass: &mut ChunkPass<'_>, range: TimeRange, visit: &mut VisitRows<'_>) {
        self.for_each(pass, range, |_, _, users| visit(users, None));
    }
}
