//! Families that differ in the values of one property: rows are told apart once for all of them.
//!
//! Every value belongs to one class: the values that pass the same filters. One counting sort puts
//! the rows of a chunk into the order of their classes, those of one class still in order of time;
//! then each filter's counts walk over the rows of its own classes and read no others.
//!
//! ```text
//! product = 'a'           class 1: a        rows by time  a x b a c b
//! product in ('a', 'b')   class 2: b        by class      a a │ b b │ c        (x: nobody asks)
//! product >= 'b'          class 3: c …                    └──────┴─ product in ('a', 'b')
//! ```

use super::counts::{Counts, Feed, VisitRows};
use super::followed::{Followed, Lasts};
use super::{Member, Stops, What, bind_events};
use crate::EvalError;
use crate::events::{self, Events};
use crate::filter::CodeTest;
use crate::kernel::Code;
use crate::pass::ChunkPass;
use crate::widths::with_codes;
use crate::words::Words;
use crowdset_storage::{Bits, Codes, Stream};
use crowdset_types::TimeRange;
use hashbrown::HashMap;

/// Members of one filter, and the number of their group.
pub(super) type Group<'m, 'a> = (usize, &'m [Member<'a>]);

/// Fewer filters are asked one by one.
pub(super) const FILTERS_MIN: usize = 8;

/// Nanoseconds a row: to sort it into its class, and to ask it whether it passes one filter.
const SORT: f64 = 4.0;
const ASK: f64 = 0.45;

/// Families about rows of one event, told apart by one property.
pub(crate) struct Split<'a> {
    sources: Vec<Source<'a>>,
    branches: Vec<Branch>,
    lasts: Lasts<'a>,
    rows: u64,
}

/// The rows of one stream that some branch may count.
struct Source<'a> {
    stream: &'a Stream,
    range: TimeRange,
    /// Rows without a value have any code.
    presence: Option<&'a Bits>,
    codes: &'a Codes,
    classes: Classes,
    /// How many classes; 0 is that of values nobody asks for.
    classes_len: usize,
}

/// The class of each code.
struct Classes {
    /// Of small codes, one each.
    table: Vec<u16>,
    /// Where other classes begin, ascending, and which; used beyond the table.
    cuts: Vec<u64>,
    of_cuts: Vec<u16>,
}

/// What is made of one filter's rows.
enum Use {
    Counts(Counts),
    Followed(Vec<Followed>),
}

/// One filter's rows.
struct Branch {
    of_rows: Use,
    /// For each source, the classes that pass.
    classes: Vec<Vec<u16>>,
}

/// One filter while classes are made.
struct Candidate<'m, 'a> {
    group: usize,
    members: &'m [Member<'a>],
    events: Events<'a>,
    stops: Stops,
}

impl<'a> Split<'a> {
    /// Joins those of the groups that can be told apart by their codes, each of one filter; also
    /// returns which these are. `None` if that is not worth it.
    pub(super) fn bind(groups: &[Group<'_, 'a>]) -> Result<Option<(Self, Vec<usize>)>, EvalError> {
        let mut candidates: Vec<Candidate<'_, 'a>> = Vec::new();
        let mut columns: HashMap<usize, &'a Codes> = HashMap::new();
        for &(group, members) in groups {
            let events = bind_events(members)?;
            let is_known = |source: &events::Source<'a>| {
                let codes = source.filter.codes().map(|test| test.codes);
                codes.filter(|codes| match columns.get(&source.partition) {
                    // A column may have several parts.
                    Some(known) => std::ptr::eq(*known, *codes),
                    None => true,
                })
            };
            let codes: Option<Vec<&'a Codes>> = events.sources.iter().map(is_known).collect();
            // What the index answers needs no rows.
            if let Some(codes) = codes
                && !events.is_answered_by_index()
            {
                let partitions = events.sources.iter().map(|source| source.partition);
                columns.extend(partitions.zip(codes));
                let stops = Stops::new(members, &events);
                candidates.push(Candidate {
                    group,
                    members,
                    events,
                    stops,
                });
            }
        }
        if candidates.len() < FILTERS_MIN {
            return Ok(None);
        }
        let mut branches = Vec::with_capacity(candidates.len());
        let mut asked_rows = 0.0;
        let mut lasts = Lasts::default();
        for candidate in &candidates {
            let (members, events) = (candidate.members, &candidate.events);
            let of_rows = if let What::Followed(by) = members[0].question.what {
                asked_rows += (events.cost_rows() * members.len() as u64) as f64;
                Use::Followed(lasts.bind(members, by)?)
            } else {
                let counts = Counts::bind(members, &candidate.stops, events)?;
                asked_rows += counts.cost_rows() as f64;
                Use::Counts(counts)
            };
            branches.push(Branch {
                of_rows,
                classes: Vec::new(),
            });
        }
        let mut sources = Vec::new();
        let mut rows = 0;
        let mut partitions: Vec<usize> = columns.keys().copied().collect();
        partitions.sort_unstable();
        for partition in partitions {
            let Some((source, classes)) = Source::bind(&candidates, partition) else {
                return Ok(None);
            };
            rows += source.cost_rows();
            for (branch, classes) in branches.iter_mut().zip(classes) {
                branch.classes.push(classes);
            }
            sources.push(source);
        }
        if asked_rows * ASK < rows as f64 * SORT {
            return Ok(None);
        }
        let taken = candidates.iter().map(|candidate| candidate.group).collect();
        let split = Self {
            sources,
            branches,
            lasts,
            rows,
        };
        Ok(Some((split, taken)))
    }

    pub(super) fn cost_rows(&self) -> u64 {
        // Sorting takes as long as some scans.
        self.rows * 8 + self.lasts.cost_rows()
    }

    pub(super) fn eval(&self, pass: &mut ChunkPass<'_>, universe: &Words) {
        let mut sorted = std::mem::take(&mut pass.scratch.sorted);
        sorted.clear();
        for source in &self.sources {
            source.sort(pass, &mut sorted);
        }
        let lasts = self.lasts.eval(pass);
        for branch in &self.branches {
            let feed = BranchFeed {
                split: self,
                branch,
                sorted: &sorted,
            };
            match &branch.of_rows {
                Use::Counts(counts) => counts.eval(&feed, pass, universe),
                Use::Followed(all) => {
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

impl<'a> Source<'a> {
    /// The rows of a partition, and the classes of each candidate; `None` if classes are too many.
    fn bind(candidates: &[Candidate<'_, 'a>], partition: usize) -> Option<(Self, Vec<Vec<u16>>)> {
        let tests: Vec<Option<(&events::Source<'a>, CodeTest<'a>)>> = candidates
            .iter()
            .map(|candidate| {
                let mut sources = candidate.events.sources.iter();
                let source = sources.find(|source| source.partition == partition)?;
                Some((source, source.filter.codes()?))
            })
            .collect();
        let (first, test) = tests.iter().flatten().next()?;
        let (stream, presence, codes) = (first.stream, test.presence, test.codes);
        let ranges = tests.iter().flatten().map(|(source, _)| source.range);
        let range = ranges.fold(first.range, |hull, range| {
            TimeRange::new(hull.from.min(range.from), hull.to.max(range.to))
        });
        // The codes of each test, half-open.
        let spans = tests.iter().map(|test| {
            let ranges = test.iter().flat_map(|(_, test)| &test.ranges);
            let spans = ranges.map(|&(low, high)| (low, high.saturating_add(1)));
            spans.collect()
        });
        let spans: Vec<Vec<(u64, u64)>> = spans.collect();
        let (classes, classes_len, of_tests) = Classes::new(&spans, codes)?;
        let source = Self {
            stream,
            range,
            presence,
            codes,
            classes,
            classes_len,
        };
        Some((source, of_tests))
    }

    fn cost_rows(&self) -> u64 {
        let (range, span) = (self.range, self.stream.span());
        let share =
            (range.to.0 - range.from.0) as f64 / ((span.to.0 - span.from.0) as f64).max(1.0);
        (self.stream.rows() as f64 * share) as u64
    }

    /// Adds the rows of the chunk, class by class.
    fn sort(&self, pass: &mut ChunkPass<'_>, sorted: &mut Sorted) {
        let rows = self.stream.rows_in(pass.chunk, self.range);
        pass.tally.rows += rows.len() as u64;
        pass.tally.bytes += rows.len() as u64 * (2 + self.codes.width() as u64);
        let classes = &mut sorted.classes;
        classes.clear();
        classes.resize(rows.len(), 0);
        with_codes!(self.codes, codes => self.classes.find(&codes[rows.clone()], classes));
        if let Some(presence) = self.presence {
            for (class, row) in classes.iter_mut().zip(rows.clone()) {
                *class *= u16::from(presence.get(row));
            }
        }
        let cursors = &mut sorted.cursors;
        cursors.clear();
        cursors.resize(self.classes_len, 0);
        for &class in &*classes {
            cursors[class as usize] += 1;
        }
        // Rows that nobody asks for all go to one place.
        let first = sorted.rows.len() as u32;
        let wanted = rows.len() as u32 - cursors[0];
        cursors[0] = first;
        let mut start = first + 1;
        for cursor in &mut cursors[1..] {
            sorted.starts.push(start);
            start += std::mem::replace(cursor, start);
        }
        sorted.starts.push(start);
        let end = (first + 1 + wanted) as usize;
        sorted.rows.resize(end, 0);
        sorted.users.resize(end, 0);
        let users = &self.stream.users()[rows.clone()];
        for ((&class, &user), row) in classes.iter().zip(users).zip(rows.start as u32..) {
            let cursor = &mut cursors[class as usize];
            let place = *cursor as usize;
            *cursor += u32::from(class != 0);
            sorted.rows[place] = row;
            sorted.users[place] = user;
        }
    }
}

impl Classes {
    /// The class of every code, how many there are, and those of each test; `None` if there are too
    /// many.
    fn new(tests: &[Vec<(u64, u64)>], codes: &Codes) -> Option<(Self, usize, Vec<Vec<u16>>)> {
        let mut cuts: Vec<u64> = vec![0];
        cuts.extend(tests.iter().flatten().flat_map(|&(low, end)| [low, end]));
        cuts.sort_unstable();
        cuts.dedup();
        let words = tests.len().div_ceil(64);
        let mut passing = vec![0_u64; cuts.len() * words];
        for (test, spans) in tests.iter().enumerate() {
            for &(low, end) in spans {
                let between =
                    cuts.partition_point(|&cut| cut < low)..cuts.partition_point(|&cut| cut < end);
                for cut in between {
                    passing[cut * words + test / 64] |= 1 << (test % 64);
                }
            }
        }
        let nobody = vec![0; words];
        let mut known: HashMap<&[u64], u16> = HashMap::new();
        known.insert(&nobody, 0);
        let mut of_tests: Vec<Vec<u16>> = vec![Vec::new(); tests.len()];
        let mut of_cuts = Vec::with_capacity(cuts.len());
        for passing in passing.chunks_exact(words) {
            let next = u16::try_from(known.len()).ok()?;
            let class = *known.entry(passing).or_insert(next);
            if class == next {
                for (test, classes) in of_tests.iter_mut().enumerate() {
                    if passing[test / 64] >> (test % 64) & 1 == 1 {
                        classes.push(class);
                    }
                }
            }
            of_cuts.push(class);
        }
        let classes_len = known.len();
        // Codes from the last cut on are all alike.
        let is_small = matches!(codes, Codes::U8(_) | Codes::U16(_));
        let table_len = if is_small {
            cuts.last().map_or(0, |&cut| cut.min(1 << 16))
        } else {
            0
        };
        let mut table = Vec::with_capacity(table_len as usize);
        for (place, &class) in of_cuts.iter().enumerate() {
            let end = cuts
                .get(place + 1)
                .map_or(table_len, |&end| end.min(table_len));
            table.resize(end as usize, class);
        }
        let classes = Self {
            table,
            cuts,
            of_cuts,
        };
        Some((classes, classes_len, of_tests))
    }

    fn find<T: Code>(&self, codes: &[T], classes: &mut [u16]) {
        let last = self.of_cuts.last().copied().unwrap_or(0);
        if self.table.is_empty() {
            for (class, code) in classes.iter_mut().zip(codes) {
                let code = code.widen();
                // The first cut is 0.
                *class = self.of_cuts[self.cuts.partition_point(|&cut| cut <= code) - 1];
            }
        } else {
            for (class, code) in classes.iter_mut().zip(codes) {
                *class = self
                    .table
                    .get(code.widen() as usize)
                    .copied()
                    .unwrap_or(last);
            }
        }
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
    fn clear(&mut self) {
        self.rows.clear();
        self.users.clear();
        self.starts.clear();
    }
}

/// The rows of one branch.
pub(super) struct BranchFeed<'f, 'a> {
    split: &'f Split<'a>,
    branch: &'f Branch,
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
        for (source, classes) in self.split.sources.iter().zip(&self.branch.classes) {
            let of_source;
            (of_source, starts) = starts.split_at(source.classes_len);
            let part = range.intersection(source.range);
            if part.is_empty() || classes.is_empty() {
                continue;
            }
            let is_whole = part == source.range;
            let within = source.stream.rows_in(pass.chunk, part);
            for &class in classes {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_say_what_tests_say() {
        let tests = [
            vec![(0, 3), (7, 8)],
            vec![(2, 9)],
            vec![],
            vec![(2, 9), (9, 9)],
            vec![(0, u64::MAX)],
            vec![(70_000, 70_001)],
        ];
        let narrow: Vec<u16> = (0..20).chain([65_535]).collect();
        let wide: Vec<u32> = (0..20).chain([65_535, 70_000, 70_001, u32::MAX]).collect();
        for codes in [Codes::U16(narrow.into()), Codes::U32(wide.into())] {
            let (classes, classes_len, of_tests) = Classes::new(&tests, &codes).unwrap();
            let mut found = vec![9; codes.len()];
            with_codes!(&codes, codes => classes.find(codes, &mut found));
            for (row, class) in found.iter().enumerate() {
                assert!(usize::from(*class) < classes_len);
                for (spans, classes) in tests.iter().zip(&of_tests) {
                    let code = codes.get(row);
                    let passes = spans.iter().any(|&(low, end)| (low..end).contains(&code));
                    assert_eq!(classes.contains(class), passes, "{code} in {spans:?}");
                }
            }
        }
    }
}
