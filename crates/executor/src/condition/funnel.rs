//! Steps in order where no row fits two of them: the rows of all steps are merged in order of time
//! and run past counters of each user, without a branch that depends on them.
//!
//! A row is one number, so that merging compares and moves nothing else: its time, its step and its
//! user, who is numbered among those that have an event for each step: they are few, and all that is
//! known of them stays in the first level of cache. At one instant earlier steps come first. As no row fits two steps, that is the
//! order in which most steps can be taken.
//!
//! Time is cut into slices: who has taken all steps by the end of one is not looked at in the next. The
//! busiest users, whose rows are most of all rows, are found early.

use crate::anchor::UserBounds;
use crate::events::{Events, Source};
use crate::filter::Filter;
use crate::kernel::{BLOCK, Code};
use crate::pass::ChunkPass;
use crate::scratch::vec_bytes;
use crate::widths::with_offsets;
use crate::words::{self, Words};
use crowdset_types::{CHUNK_USERS, CHUNK_WORDS, DurationMillis, TimeRange, TimestampMillis};
use std::hint::select_unpredictable;
use std::ops::Range;

const USER_BITS: u32 = 16;
const STEP_BITS: u32 = 8;
const TIME_SHIFT: u32 = USER_BITS + STEP_BITS;

/// Times of rows fit into the bits that are left; neither the least nor the greatest is a row's.
const SPAN_MAX: i128 = (1 << (u64::BITS - TIME_SHIFT)) - 2;

/// About so many rows are merged at once: they stay in the second level of cache, and finding where a
/// slice begins costs next to nothing.
const SLICE_ROWS: usize = 8_192;

/// A sequence whose rows can be merged.
pub(super) struct Funnel {
    steps: usize,
    /// The first instant; times count from 1.
    start: i64,
    within: u64,
    /// Ascending.
    partitions: Vec<Part>,
}

/// What a partition has of a sequence.
struct Part {
    /// Holds the range of every source.
    range: TimeRange,
    /// Each step's sources, those of short streams first: step, and position among its sources.
    sources: Vec<(usize, usize)>,
}

impl Part {
    /// Cuts the time into so many equal slices.
    fn slices(&self, slices: usize) -> impl Iterator<Item = TimeRange> + use<> {
        let TimeRange { from, to } = self.range;
        let length = i128::from(to.0) - i128::from(from.0);
        let cut = move |slice: usize| {
            let into = length * slice as i128 / slices as i128;
            TimestampMillis(from.0.wrapping_add(into as i64))
        };
        (0..slices).map(move |slice| TimeRange::new(cut(slice), cut(slice + 1)))
    }
}

/// Memory for the rows of a chunk.
#[derive(Default)]
pub(crate) struct Merging {
    /// The number of each user among the candidates, from 1 on; 0 for all who are not looked for.
    numbers: Vec<u16>,
    /// Candidates still to be found, and their numbers.
    open: Vec<(u16, u16)>,
    /// They as a set.
    open_users: Vec<u64>,
    /// For each number of a user and number of steps the latest begin of a chain of so many; 0: there
    /// is none.
    begins: Vec<u64>,
    run: Run,
    merged: Run,
    other: Run,
}

/// Rows in order, between the least and the greatest number.
#[derive(Default)]
struct Run {
    /// Memory of earlier runs, which were longer, stands after them.
    memory: Vec<u64>,
    /// How many rows.
    len: usize,
}

impl Merging {
    /// What it takes.
    pub(crate) fn bytes(&self) -> usize {
        let runs = [&self.run, &self.merged, &self.other];
        let of_runs: usize = runs.iter().map(|run| vec_bytes(&run.memory)).sum();
        let of_users = vec_bytes(&self.open) + vec_bytes(&self.open_users);
        of_runs + of_users + vec_bytes(&self.numbers) + vec_bytes(&self.begins)
    }
}

impl Run {
    /// Room for so many rows, which may be anything, and both ends.
    fn room(&mut self, rows: usize) -> &mut [u64] {
        if self.memory.len() < rows + 2 {
            self.memory.resize(rows + 2, 0);
        }
        self.memory[0] = 0;
        &mut self.memory[..rows + 2]
    }

    /// So many rows were written.
    fn end(&mut self, len: usize) {
        self.len = len;
        self.memory[len + 1] = u64::MAX;
    }

    fn rows(&self) -> &[u64] {
        self.memory.get(1..=self.len).unwrap_or_default()
    }

    fn with_ends(&self) -> &[u64] {
        &self.memory[..self.len + 2]
    }
}

impl Funnel {
    /// `lookers`: the events of each step. No stream may have two of them. `None` if there are too
    /// many steps, or rows too far apart in time.
    pub(super) fn new(lookers: &[Events<'_>], within: Option<DurationMillis>) -> Option<Self> {
        if lookers.len() >= 1 << STEP_BITS {
            return None;
        }
        let ranges = || {
            let sources = lookers.iter().flat_map(|looker| &looker.sources);
            sources.map(|source| source.range)
        };
        let start = ranges().map(|range| range.from.0).min()?;
        let end = ranges().map(|range| range.to.0).max()?;
        if i128::from(end) - i128::from(start) >= SPAN_MAX {
            return None;
        }
        let mut all: Vec<(usize, usize, usize)> = Vec::new();
        for (step, looker) in lookers.iter().enumerate() {
            let sources = looker.sources.iter().enumerate();
            all.extend(sources.map(|(position, source)| (source.partition, step, position)));
        }
        // Small runs are merged before they meet a large one.
        let source_of = |&(_, step, position): &(usize, usize, usize)| {
            let source: &Source<'_> = &lookers[step].sources[position];
            source
        };
        all.sort_unstable_by_key(|of| (of.0, source_of(of).stream.rows(), of.1, of.2));
        let partitions = all.chunk_by(|left, right| left.0 == right.0);
        let parts = partitions.map(|of| {
            let ranges = of.iter().map(|of| source_of(of).range);
            let range = ranges.reduce(|hull, range| {
                TimeRange::new(hull.from.min(range.from), hull.to.max(range.to))
            });
            let sources = of.iter().map(|&(_, step, position)| (step, position));
            Some(Part {
                range: range?,
                sources: sources.collect(),
            })
        });
        Some(Self {
            steps: lookers.len(),
            start,
            within: within.map_or(u64::MAX, |within| within.0.max(0) as u64),
            partitions: parts.collect::<Option<_>>()?,
        })
    }

    /// Adds the candidates whose rows hold a whole chain.
    pub(super) fn find(
        &self,
        lookers: &[Events<'_>],
        pass: &mut ChunkPass<'_>,
        bounds: Option<&UserBounds>,
        candidates: &Words,
        found: &mut Words,
    ) {
        let mut memory = std::mem::take(&mut pass.scratch.merging);
        let chunk = pass.chunk;
        memory.look_for(candidates, self.steps);
        'all: for part in &self.partitions {
            let rows_of = |range: TimeRange, &(step, position): &(usize, usize)| {
                let source = &lookers[step].sources[position];
                let range = range.intersection(source.range);
                source.stream.rows_in(chunk, range)
            };
            let all = part.sources.iter().map(|of| rows_of(part.range, of).len());
            for slice in part.slices((all.sum::<usize>() / SLICE_ROWS).max(1)) {
                if memory.open.is_empty() {
                    break 'all;
                }
                memory.merged.len = 0;
                for of in &part.sources {
                    let rows = rows_of(slice, of);
                    if rows.is_empty() {
                        continue;
                    }
                    self.collect(&lookers[of.0], *of, rows, pass, bounds, &mut memory);
                    memory.merge();
                }
                self.advance(memory.merged.rows(), &mut memory.begins);
                memory.leave_out(self.steps, found);
            }
        }
        pass.scratch.merging = memory;
    }

    /// Writes the rows of one source whose users are looked for.
    fn collect(
        &self,
        looker: &Events<'_>,
        (step, position): (usize, usize),
        rows: Range<usize>,
        pass: &mut ChunkPass<'_>,
        bounds: Option<&UserBounds>,
        Merging {
            numbers,
            open_users,
            run,
            ..
        }: &mut Merging,
    ) {
        let source = &looker.sources[position];
        let times = source.stream.times();
        let is_plain = bounds.is_none() && matches!(source.filter, Filter::Always);
        pass.tally.rows += rows.len() as u64;
        pass.tally.bytes += rows.len() as u64 * (6 + source.filter.bytes_per_row());
        let Some(numbers) = numbers.first_chunk::<CHUNK_USERS>() else {
            return;
        };
        let Some(open_users) = open_users.first_chunk::<CHUNK_WORDS>() else {
            return;
        };
        let machine = pass.machine;
        let lead = times.base.wrapping_sub(self.start).wrapping_add(1);
        let out = run.room(rows.len());
        let mut len = 1;
        let (mut mask, mut places) = ([1; BLOCK], [0; BLOCK]);
        for first in rows.clone().step_by(BLOCK) {
            let block = first..rows.end.min(first + BLOCK);
            let mask = &mut mask[..block.len()];
            let users = &source.stream.users()[block.clone()];
            let found = if is_plain {
                machine.places_of(users, open_users, &mut places)
            } else {
                source.mask(pass, block.clone(), bounds, mask);
                machine.places_of_masked(users, mask, open_users, &mut places)
            };
            with_offsets!(times.offsets, offsets => {
                let offsets = &offsets[block];
                for (&place, row) in places[..found].iter().zip(&mut out[len..]) {
                    let place = usize::from(place);
                    let time = lead.wrapping_add(offsets[place].widen() as i64) as u64;
                    let number = numbers[users[place] as usize & (CHUNK_USERS - 1)];
                    *row = time << TIME_SHIFT | (step as u64) << USER_BITS | u64::from(number);
                }
            });
            len += found;
        }
        run.end(len - 1);
    }

    /// Runs rows in order past the begins of their users' chains.
    fn advance(&self, rows: &[u64], begins: &mut [u64]) {
        for &row in rows {
            let number = row as usize & ((1 << USER_BITS) - 1);
            let step = (row >> USER_BITS) as usize & ((1 << STEP_BITS) - 1);
            let now = row >> TIME_SHIFT;
            let chain = &mut begins[number * self.steps..][..self.steps];
            let begin = select_unpredictable(step == 0, now, chain[step.saturating_sub(1)]);
            let is_alive = (begin != 0) & (now - begin <= self.within);
            let reached = select_unpredictable(is_alive, begin, 0);
            chain[step] = chain[step].max(reached);
        }
    }
}

impl Merging {
    /// Forgets everything, and looks for these users.
    fn look_for(&mut self, candidates: &Words, steps: usize) {
        self.numbers.clear();
        self.numbers.resize(CHUNK_USERS, 0);
        self.open.clear();
        self.open_users.clear();
        self.open_users.extend_from_slice(candidates);
        words::for_each(candidates, |user| {
            let number = self.open.len() as u16 + 1;
            self.numbers[user] = number;
            self.open.push((user as u16, number));
        });
        self.begins.clear();
        self.begins.resize((self.open.len() + 1) * steps, 0);
    }

    /// Merges the run into those merged before.
    fn merge(&mut self) {
        if self.merged.len == 0 {
            std::mem::swap(&mut self.run, &mut self.merged);
        } else if self.run.len > 0 {
            merge(&self.merged, &self.run, &mut self.other);
            std::mem::swap(&mut self.other, &mut self.merged);
        }
    }

    /// Moves the users with a whole chain to those found.
    fn leave_out(&mut self, steps: usize, found: &mut Words) {
        let (numbers, begins) = (&mut self.numbers, &self.begins);
        let open_users = &mut self.open_users;
        self.open.retain(|&(user, number)| {
            let is_whole = begins[usize::from(number) * steps + steps - 1] != 0;
            if is_whole {
                words::set(found, usize::from(user));
                numbers[usize::from(user)] = 0;
                open_users[usize::from(user) / 64] &= !(1 << (user % 64));
            }
            !is_whole
        });
    }
}

/// Merges two runs that ascend in time and step. Of rows that are equal in these, those of the left run
/// come first.
///
/// From both ends at once: the two halves do not wait for each other.
fn merge(left: &Run, right: &Run, merged: &mut Run) {
    let len = left.len + right.len;
    let into = merged.room(len);
    let (left, right) = (left.with_ends(), right.with_ends());
    let (mut left_low, mut right_low) = (1, 1);
    let (mut left_high, mut right_high) = (left.len() - 2, right.len() - 2);
    let (low, high) = into[1..=len].split_at_mut(len / 2);
    let mut high = high.iter_mut().rev();
    for low in low {
        let (first, second) = (left[left_low], right[right_low]);
        let is_left = first >> USER_BITS <= second >> USER_BITS;
        *low = select_unpredictable(is_left, first, second);
        left_low += usize::from(is_left);
        right_low += usize::from(!is_left);
        if let Some(high) = high.next() {
            let (first, second) = (left[left_high], right[right_high]);
            let is_left = first >> USER_BITS > second >> USER_BITS;
            *high = select_unpredictable(is_left, first, second);
            left_high -= usize::from(is_left);
            right_high -= usize::from(!is_left);
        }
    }
    // An odd one in the middle.
    for high in high {
        let (first, second) = (left[left_high], right[right_high]);
        let is_left = first >> USER_BITS > second >> USER_BITS;
        *high = if is_left { first } else { second };
    }
    merged.end(len);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_from_both_ends() {
        let mut seed = 1_u64;
        let mut merged = Run::default();
        for left_len in 0..12 {
            for right_len in 0..12 {
                let mut run = |len: usize| {
                    let mut rows: Vec<u64> = (0..len)
                        .map(|_| {
                            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                            // Few times and many users, who stand in any order.
                            ((seed >> 61) + 1) << USER_BITS | (seed >> 40 & 0xFFFF)
                        })
                        .collect();
                    rows.sort_by_key(|row| row >> USER_BITS);
                    let mut run = Run::default();
                    run.room(len + 3)[1..=len].copy_from_slice(&rows);
                    run.end(len);
                    run
                };
                let (left, right) = (run(left_len), run(right_len));
                let mut expected = [left.rows(), right.rows()].concat();
                expected.sort_by_key(|row| row >> USER_BITS);
                merge(&left, &right, &mut merged);
                assert_eq!(merged.rows(), expected);
            }
        }
    }
}
