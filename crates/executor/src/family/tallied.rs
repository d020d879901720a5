//! Counts that differ in the values of one property, in windows that end together: each class of
//! values ([`super::classes`]) has counters of its own. From the end of the windows back each row is
//! counted once, for its class; where a window begins, what a filter counts is the sum of its classes.
//!
//! ```text
//!                          │ last 7 days                │ all end here
//!            │ last 30 days                             │
//! rows  ◀── c  a ◀─── b ◀── a ◀───────── c ◀─── a ◀─────┤     each to the counters of its class
//! ```

use super::What;
use super::classes::{Candidate, Classified, Source};
use super::counts::{Asked, Passing};
use super::split::{ASK, SORT};
use crate::EvalError;
use crate::pass::ChunkPass;
use crate::scratch::vec_bytes;
use crate::words::{self, Words};
use crowdset_types::{CHUNK_USERS, TimeRange, TimestampMillis};
use std::ops::Range;

/// Fewer filters are asked one by one.
pub(super) const FILTERS_MIN: usize = 4;

/// Nanoseconds to find a row's class and to count it, and to add the counters of a class to others.
const COUNT: f64 = 1.5;
const ADD: f64 = 300.0;

/// Counters that do not fit into the second level of cache are slower than sorting rows.
const BYTES_MAX: usize = 512 << 10;

/// Counts of rows of one event, told apart by one property.
pub(crate) struct Tallied<'a> {
    rows: Classified<'a>,
    /// The shortest window first.
    stops: Vec<Stop>,
    /// Whether counts matter, not only who has any row.
    is_counted: bool,
}

/// Where some windows begin.
struct Stop {
    /// From here to where the last window begun.
    enter: TimeRange,
    /// Filters, and what is asked of them.
    asked: Vec<(usize, Vec<Asked>)>,
}

/// Counters of each class: memory that is used again.
#[derive(Default)]
pub(crate) struct Tallies {
    /// For each class and user how many rows there are, up to 255.
    counts: Vec<[u8; CHUNK_USERS]>,
    /// For each class who has a row.
    users: Vec<Words>,
}

impl Tallies {
    /// What they take.
    pub(crate) fn bytes(&self) -> usize {
        vec_bytes(&self.counts) + vec_bytes(&self.users)
    }
}

impl<'a> Tallied<'a> {
    /// Joins those of the filters of whose windows most end together; also returns their places.
    /// `None` if that is not worth it.
    pub(super) fn bind(
        candidates: &[Candidate<'_, 'a>],
    ) -> Result<Option<(Self, Vec<usize>)>, EvalError> {
        let sources = candidates
            .iter()
            .flat_map(|candidate| &candidate.events.sources);
        let Some(behind) = sources.map(|source| source.stream.span().to).max() else {
            return Ok(None);
        };
        let ends: Vec<Option<TimestampMillis>> = candidates
            .iter()
            .map(|candidate| common_end(candidate, behind))
            .collect();
        let known = || ends.iter().flatten().copied();
        let Some(end) = known().max_by_key(|&end| known().filter(|&other| other == end).count())
        else {
            return Ok(None);
        };
        let places = (0..candidates.len()).filter(|&place| ends[place] == Some(end));
        let places: Vec<usize> = places.collect();
        let filters: Vec<&Candidate<'_, 'a>> =
            places.iter().map(|&place| &candidates[place]).collect();
        if filters.len() < FILTERS_MIN {
            return Ok(None);
        }
        let Some(rows) = Classified::bind(&filters) else {
            return Ok(None);
        };
        let asked_rows = filters.iter().map(|filter| filter.events.cost_rows());
        if asked_rows.sum::<u64>() as f64 * ASK < rows.cost_rows() as f64 * COUNT {
            return Ok(None);
        }
        // Begins of windows and what is asked there; behind all rows there is nothing to tell apart.
        let mut asked: Vec<(TimestampMillis, usize, Asked)> = Vec::new();
        for (place, filter) in filters.iter().enumerate() {
            for member in filter.members {
                let from = member.question.events.window.range.from.min(end);
                asked.push((from, place, Asked::new(member)?));
            }
        }
        let mut is_counted = false;
        for (.., asked) in &asked {
            match &asked.passing {
                Passing::Ranges(_) => return Ok(None),
                Passing::Narrow(_) => is_counted = true,
                Passing::Nobody | Passing::Everyone | Passing::Did { .. } => {}
            }
        }
        let of_class = if is_counted {
            size_of::<[u8; CHUNK_USERS]>()
        } else {
            size_of::<Words>()
        };
        let adds = asked
            .iter()
            .map(|(_, place, _)| rows.of_filters[*place].len().saturating_sub(1))
            .sum::<usize>();
        let chunks = filters[0].members[0].question.binder.dataset.users.chunks();
        let adding = if is_counted {
            adds as f64 * ADD * chunks as f64
        } else {
            0.0
        };
        // Ranges that lie within one another have many classes: better sort their rows.
        let sorting = rows.cost_rows() as f64 * (SORT - COUNT);
        if rows.len * of_class > BYTES_MAX || adding > sorting {
            return Ok(None);
        }
        asked.sort_by_key(|&(from, place, _)| (std::cmp::Reverse(from), place));
        let mut stops: Vec<Stop> = Vec::new();
        let mut to = end;
        for (from, place, asked) in asked {
            if stops.last().is_none_or(|stop| stop.enter.from != from) {
                stops.push(Stop {
                    enter: TimeRange::new(from, to),
                    asked: Vec::new(),
                });
                to = from;
            }
            if let Some(stop) = stops.last_mut() {
                match stop.asked.last_mut() {
                    Some((filter, of_filter)) if *filter == place => of_filter.push(asked),
                    _ => stop.asked.push((place, vec![asked])),
                }
            }
        }
        let tallied = Self {
            rows,
            stops,
            is_counted,
        };
        Ok(Some((tallied, places)))
    }

    pub(super) fn cost_rows(&self) -> u64 {
        self.rows.cost_rows() * 4
    }

    pub(super) fn eval(&self, pass: &mut ChunkPass<'_>, universe: &Words) {
        let mut tallies = std::mem::take(&mut pass.scratch.tallied);
        if self.is_counted {
            self.eval_counts(&mut tallies.counts, pass, universe);
        } else {
            self.eval_users(&mut tallies.users, pass, universe);
        }
        pass.scratch.tallied = tallies;
    }

    fn eval_counts(
        &self,
        counts: &mut Vec<[u8; CHUNK_USERS]>,
        pass: &mut ChunkPass<'_>,
        universe: &Words,
    ) {
        let machine = pass.machine;
        counts.clear();
        counts.resize(self.rows.len, [0; CHUNK_USERS]);
        let mut sum = pass.scratch.u8s.take();
        for stop in &self.stops {
            self.enter(stop.enter, pass, |source, rows| {
                source.count_users(machine, rows, counts.as_flattened_mut());
            });
            for (filter, asked) in &stop.asked {
                let of_filter = match self.rows.of_filters[*filter][..] {
                    [class] => &counts[usize::from(class)],
                    [] => {
                        sum.fill(0);
                        &*sum
                    }
                    [first, ref others @ ..] => {
                        sum.copy_from_slice(&counts[usize::from(first)]);
                        for &class in others {
                            machine.add_u8(&counts[usize::from(class)], &mut sum);
                        }
                        &*sum
                    }
                };
                for asked in asked {
                    asked.put_narrow(machine, of_filter, &mut pass.scratch.answers, universe);
                }
            }
        }
        pass.scratch.u8s.give(sum);
    }

    fn eval_users(&self, of_classes: &mut Vec<Words>, pass: &mut ChunkPass<'_>, universe: &Words) {
        let machine = pass.machine;
        of_classes.clear();
        of_classes.resize(self.rows.len, words::EMPTY);
        for stop in &self.stops {
            self.enter(stop.enter, pass, |source, rows| {
                source.set_users(machine, rows, of_classes.as_flattened_mut());
            });
            for (filter, asked) in &stop.asked {
                let mut users = words::EMPTY;
                for &class in &self.rows.of_filters[*filter] {
                    words::or(&mut users, &of_classes[usize::from(class)]);
                }
                for asked in asked {
                    asked.put_users(&users, &mut pass.scratch.answers, universe);
                }
            }
        }
    }

    /// Hands out the rows of a range of time.
    fn enter(
        &self,
        range: TimeRange,
        pass: &mut ChunkPass<'_>,
        mut visit: impl FnMut(&Source<'a>, Range<usize>),
    ) {
        for source in &self.rows.sources {
            if !range.intersection(source.stream.span()).is_empty() {
                let rows = source.stream.rows_in(pass.chunk, range);
                source.read(pass, rows.len());
                visit(source, rows);
            }
        }
    }
}

/// Where all windows of a filter end, if they end together; what lies `behind` all rows is one place.
fn common_end(candidate: &Candidate<'_, '_>, behind: TimestampMillis) -> Option<TimestampMillis> {
    let mut ends = candidate.members.iter().map(|member| {
        let question = member.question;
        let is_count = question.what == What::Count;
        is_count.then(|| question.events.window.range.to.min(behind))
    });
    let first = ends.next()??;
    ends.all(|end| end == Some(first)).then_some(first)
}
