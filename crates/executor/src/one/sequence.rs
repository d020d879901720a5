//! The events of one user that make up a sequence, or the most steps of it that there are.

use super::Asked;
use super::rows::Row;
use crate::EvalError;
use crate::condition::distinct_key;
use crowdset_query::{Operand, PlanSequence};
use hashbrown::HashMap;

/// So many choices are tried to find the events to show. Not the verdict: that is never cut short.
const CHOICES_MAX: usize = 20_000;

/// An event that fits a step.
struct Candidate<'a> {
    row: Row<'a>,
    /// Its place among the user's events that matter, in order.
    place: usize,
    /// The values that all steps must share.
    shared: Vec<u128>,
}

/// A search for a chain of events, depth first.
struct Search<'s, 'a> {
    plan: &'s PlanSequence,
    /// The candidates of each step, in order.
    steps: &'s [Vec<Candidate<'a>>],
    /// The times of events that may not stand between a step and the one before, ascending.
    without: &'s [Vec<i64>],
    choices: usize,
    taken: Vec<&'s Candidate<'a>>,
    longest: Vec<Row<'a>>,
}

impl<'a> Asked<'_, 'a> {
    /// The events of a chain, one per step; fewer than steps if there is no whole one, or none was
    /// found among as many choices as are tried.
    pub(super) fn chain(self, plan: &PlanSequence) -> Result<Vec<Row<'a>>, EvalError> {
        let Some(bounds) = self.bounds(&plan.window)? else {
            return Ok(Vec::new());
        };
        let mut rows = Vec::new();
        for step in &plan.steps {
            rows.push(self.select(&step.selector, bounds)?);
        }
        // All events of the user, or those of any step: the places of two tell their order.
        let mut order = match &plan.all {
            Some(all) => self.select(all, bounds)?,
            None => rows.iter().flatten().copied().collect(),
        };
        order.sort_by(|left, right| key(left).cmp(&key(right)));
        // An event may fit several steps.
        order.dedup_by(|left, right| key(left) == key(right));
        let mut texts = HashMap::new();
        let mut steps = Vec::new();
        for rows in rows {
            let mut candidates = Vec::new();
            for row in rows {
                let mut shared = Vec::new();
                for path in &plan.same {
                    let value = row.value(&Operand::Property(path.clone()))?;
                    // NaN is the same as nothing, itself included.
                    let value = value.filter(|value| !value.is_nan());
                    shared.extend(value.map(|value| distinct_key(&value, &mut texts)));
                }
                if shared.len() == plan.same.len() {
                    let place = order.partition_point(|other| key(other) < key(&row));
                    candidates.push(Candidate { row, place, shared });
                }
            }
            steps.push(candidates);
        }
        let mut without = Vec::new();
        for step in &plan.steps {
            let mut times = Vec::new();
            for selector in &step.hop.without {
                times.extend(self.select(selector, bounds)?.iter().map(|row| row.at));
            }
            times.sort_unstable();
            without.push(times);
        }
        Ok(longest(plan, &steps, &without))
    }
}

/// What two events are told apart and ordered by.
fn key<'a>(row: &Row<'a>) -> (i64, &'a str, usize) {
    (row.at, row.stream.name(), row.index)
}

fn longest<'a>(
    plan: &PlanSequence,
    steps: &[Vec<Candidate<'a>>],
    without: &[Vec<i64>],
) -> Vec<Row<'a>> {
    let mut search = Search {
        plan,
        steps,
        without,
        choices: 0,
        taken: Vec::new(),
        longest: Vec::new(),
    };
    search.go();
    search.longest
}

impl<'a> Search<'_, 'a> {
    /// Takes an event for the next step, and goes on from there; true once a whole chain is found or
    /// enough was tried.
    fn go(&mut self) -> bool {
        if self.taken.len() > self.longest.len() {
            self.longest = self.taken.iter().map(|candidate| candidate.row).collect();
        }
        let Some(candidates) = self.steps.get(self.taken.len()) else {
            return true;
        };
        // Earlier events leave more room for the steps to come.
        for candidate in candidates {
            if !self.fits(candidate) {
                continue;
            }
            self.choices += 1;
            if self.choices > CHOICES_MAX {
                return true;
            }
            self.taken.push(candidate);
            if self.go() {
                return true;
            }
            self.taken.pop();
        }
        false
    }

    fn fits(&self, next: &Candidate<'a>) -> bool {
        let (Some(first), Some(last)) = (self.taken.first(), self.taken.last()) else {
            return true;
        };
        let step = self.taken.len();
        let hop = &self.plan.steps[step].hop;
        let (from, to) = (last.row.at, next.row.at);
        let later = to.saturating_sub(from);
        let is_in_time = to >= from
            && !(self.plan.strictly && to == from)
            && later >= hop.least.0
            && hop.most.is_none_or(|most| later <= most.0)
            && self
                .plan
                .within
                .is_none_or(|within| to.saturating_sub(first.row.at) <= within.0);
        let in_the_way = &self.without[step];
        let is_free = in_the_way
            .get(in_the_way.partition_point(|&at| at <= from))
            .is_none_or(|&at| at >= to);
        is_in_time
            && is_free
            // Of events at one instant either may come first.
            && (!hop.directly || next.place.abs_diff(last.place) == 1)
            && next.shared == first.shared
            && self.taken.iter().all(|other| other.place != next.place)
    }
}
