//! Steps in order where no row fits two of them: the rows of all steps are merged in order of time
//! and run past counters of each user, without a branch that depends on them.
//!
//! A row is one number, so that merging compares and moves nothing else: its time, its step and its
//! user. At one instant earlier steps come first. As no row fits two steps, that is the
//! order in which most steps can be taken.

use crate::anchor::UserBounds;
use crate::events::Events;
use crate::filter::Filter;
use crate::kernel::{BLOCK, Code};
use crate::pass::ChunkPass;
use crate::widths::with_offsets;
use crate::words::{self, Words};
use crowdset_types::{CHUNK_USERS, DurationMillis};
use std::hint::select_unpredictable;

const USER_BITS: u32 = 16;
const STEP_BITS: u32 = 8;
const TIME_SHIFT: u32 = USER_BITS + STEP_BITS;

/// Times of rows fit into the bits that are left; neither the least nor the greatest is a row's.
const SPAN_MAX: i128 = (1 << (u64::BITS - TIME_SHIFT)) - 2;

/// A sequence whose rows can be merged.
pub(super) struct Funnel {
    steps: usize,
    /// The first instant; times count from 1.
    start: i64,
    within: u64,
    /// For each partition, ascending, each step's sources: step, and position among its sources.
    partitions: Vec<Vec<(usize, usize)>>,
}

/// Memory for the rows of a chunk.
#[derive(Default)]
pub(crate) struct Merging {
    run: Vec<u64>,
    merged: Vec<u64>,
    other: Vec<u64>,
    /// For each user and number of steps the latest begin of a chain of so many; 0: there is none.
    begins: Vec<u64>,
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
        all.sort_unstable();
        let partitions = all.chunk_by(|left, right| left.0 == right.0);
        Some(Self {
            steps: lookers.len(),
            start,
            within: within.map_or(u64::MAX, |within| within.0.max(0) as u64),
            partitions: partitions
                .map(|of| {
                    of.iter()
                        .map(|&(_, step, position)| (step, position))
                        .collect()
                })
                .collect(),
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
        let Merging {
            run,
            merged,
            other,
            begins,
        } = &mut memory;
        let steps = self.steps;
        begins.resize(CHUNK_USERS * steps, 0);
        words::for_each(candidates, |user| begins[user * steps..][..steps].fill(0));
        for partition in &self.partitions {
            let mut is_first = true;
            for &(step, position) in partition {
                self.collect(
                    &lookers[step],
                    step,
                    position,
                    pass,
                    bounds,
                    candidates,
                    run,
                );
                if std::mem::take(&mut is_first) {
                    std::mem::swap(run, merged);
                } else {
                    merge(merged, run, other);
                    std::mem::swap(other, merged);
                }
            }
            self.advance(merged, begins);
        }
        words::for_each(candidates, |user| {
            if begins[user * steps + steps - 1] != 0 {
                words::set(found, user);
            }
        });
        pass.scratch.merging = memory;
    }

    /// Writes the candidates' rows of one source, between the least and the greatest number.
    #[allow(
        clippy::too_many_arguments,
        reason = "which rows, of whom, and where they go"
    )]
    fn collect(
        &self,
        looker: &Events<'_>,
        step: usize,
        position: usize,
        pass: &mut ChunkPass<'_>,
        bounds: Option<&UserBounds>,
        candidates: &Words,
        run: &mut Vec<u64>,
    ) {
        let source = &looker.sources[position];
        let rows = source.stream.rows_in(pass.chunk, source.range);
        let times = source.stream.times();
        let is_plain = bounds.is_none() && matches!(source.filter, Filter::Always);
        pass.tally.rows += rows.len() as u64;
        pass.tally.bytes += rows.len() as u64 * (6 + source.filter.bytes_per_row());
        // Room for every row and both ends.
        run.resize(rows.len() + 2, 0);
        run[0] = 0;
        let mut len = 1;
        let mut mask = [1; BLOCK];
        for first in rows.clone().step_by(BLOCK) {
            let block = first..rows.end.min(first + BLOCK);
            let mask = &mut mask[..block.len()];
            if !is_plain {
                source.mask(pass, block.clone(), bounds, mask);
            }
            let users = &source.stream.users()[block.clone()];
            let lead = times.base.wrapping_sub(self.start).wrapping_add(1);
            with_offsets!(times.offsets, offsets => {
                let offsets = &offsets[block];
                for ((&user, &offset), &mask) in users.iter().zip(offsets).zip(&*mask) {
                    let time = lead.wrapping_add(offset.widen() as i64) as u64;
                    // Every row is written, and the next one over it unless this one counts.
                    run[len] = time << TIME_SHIFT | (step as u64) << USER_BITS | u64::from(user);
                    let user = user as usize & (CHUNK_USERS - 1);
                    let is_asked = candidates[user / 64] >> (user % 64) & u64::from(mask);
                    len += is_asked as usize;
                }
            });
        }
        run.truncate(len);
        run.push(u64::MAX);
    }

    /// Runs rows in order past the begins of their users' chains.
    fn advance(&self, rows: &[u64], begins: &mut [u64]) {
        let rows = rows.get(1..rows.len().max(2) - 1).unwrap_or_default();
        for &row in rows {
            let user = row as usize & (CHUNK_USERS - 1);
            let step = (row >> USER_BITS) as usize & ((1 << STEP_BITS) - 1);
            let now = row >> TIME_SHIFT;
            let chain = &mut begins[user * self.steps..][..self.steps];
            let begin = select_unpredictable(step == 0, now, chain[step.saturating_sub(1)]);
            let is_alive = (begin != 0) & (now - begin <= self.within);
            let reached = select_unpredictable(is_alive, begin, 0);
            chain[step] = chain[step].max(reached);
        }
    }
}

/// Merges two runs that ascend in time and step, each between 0 and the greatest number; so is the
/// result. Of rows that are equal in these, those of the left run come first.
///
/// From both ends at once: the two halves do not wait for each other.
fn merge(left: &[u64], right: &[u64], into: &mut Vec<u64>) {
    let len = left.len() + right.len() - 4;
    // All between is written below.
    into.resize(len + 2, 0);
    into[0] = 0;
    into[len + 1] = u64::MAX;
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_from_both_ends() {
        let mut seed = 1_u64;
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
                    [vec![0], rows, vec![u64::MAX]].concat()
                };
                let (left, right) = (run(left_len), run(right_len));
                let mut expected = [&left[..left.len() - 1], &right[1..]].concat();
                expected.sort_by_key(|row| row >> USER_BITS);
                let mut merged = vec![3; 5];
                merge(&left, &right, &mut merged);
                assert_eq!(merged, expected, "{left:?} {right:?}");
            }
        }
    }
}
