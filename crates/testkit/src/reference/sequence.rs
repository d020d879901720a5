//! Events in order, by trying every choice; and habits that stopped or came back.

use super::people::Event;
use super::value::{key, order};
use super::{Inquiry, ReferenceError};
use crowdset_query::{EventSelector, Hop, HopTime, Lifecycle, Sequence};
use std::cmp::Ordering;

/// What a choice of events is tried against.
struct Search<'a> {
    sequence: &'a Sequence,
    /// The user's events in the window, in order.
    events: Vec<&'a Event>,
    /// For each step, which events fit it.
    fits: Vec<Vec<bool>>,
    /// For each step, which events may not lie between it and the step before.
    unwanted: Vec<Vec<bool>>,
}

impl<'a> Inquiry<'a> {
    /// Whether there are different events, one per step, as the sequence asks for.
    pub(super) fn sequence(self, sequence: &'a Sequence) -> Result<bool, ReferenceError> {
        let range = self.window(&sequence.window)?;
        let mut events: Vec<&Event> = Vec::new();
        for event in &self.person.events {
            if range.contains(event.at) {
                events.push(event);
            }
        }
        let mut search = Search {
            sequence,
            fits: Vec::new(),
            unwanted: Vec::new(),
            events,
        };
        for step in &sequence.steps {
            search.fits.push(self.which(&search.events, &step.events)?);
            let mut unwanted = vec![false; search.events.len()];
            for selector in &step.hop.without {
                for (unwanted, is_one) in unwanted
                    .iter_mut()
                    .zip(self.which(&search.events, selector)?)
                {
                    *unwanted |= is_one;
                }
            }
            search.unwanted.push(unwanted);
        }
        Ok(search.goes_on(&mut Vec::new()))
    }

    fn which(
        self,
        events: &[&Event],
        selector: &EventSelector,
    ) -> Result<Vec<bool>, ReferenceError> {
        events
            .iter()
            .map(|event| self.selects(selector, event))
            .collect()
    }

    /// Whether the user did it when they should have, and not when they should not.
    pub(super) fn lifecycle(
        self,
        events: &EventSelector,
        change: Lifecycle,
    ) -> Result<bool, ReferenceError> {
        let mut times = Vec::new();
        for event in &self.person.events {
            if event.at < self.as_of && self.selects(events, event)? {
                times.push(event.at);
            }
        }
        let did = |from: i64, to: i64| times.iter().any(|&at| from <= at && at < to);
        let now = self.as_of;
        Ok(match change {
            Lifecycle::Stopped { quiet, since } => {
                let (quiet, since) = (now - quiet.0, now - since.0);
                did(since, quiet) && !did(quiet, now)
            }
            Lifecycle::Restarted { recent, gap } => {
                let recent = now - recent.0;
                let gap = recent - gap.0;
                did(recent, now) && !did(gap, recent) && did(i64::MIN, gap)
            }
        })
    }
}

impl Search<'_> {
    /// Tries every event for the next step after those chosen.
    fn goes_on(&self, chosen: &mut Vec<usize>) -> bool {
        let step = chosen.len();
        if step == self.sequence.steps.len() {
            return true;
        }
        for event in 0..self.events.len() {
            if self.fits[step][event] && !chosen.contains(&event) && self.follows(chosen, event) {
                chosen.push(event);
                if self.goes_on(chosen) {
                    return true;
                }
                chosen.pop();
            }
        }
        false
    }

    /// Whether the event may stand after those chosen.
    fn follows(&self, chosen: &[usize], event: usize) -> bool {
        let at = self.events[event].at;
        let first = chosen.first().copied().unwrap_or(event);
        for property in &self.sequence.same {
            let value = self.events[event].properties.get(property);
            let other = self.events[first].properties.get(property);
            let is_same = match (value, other) {
                (Some(value), Some(other)) => is_same(value, other),
                _ => false,
            };
            if !is_same {
                return false;
            }
        }
        let span = at - self.events[first].at;
        if self.sequence.within.is_some_and(|within| span > within.0) {
            return false;
        }
        let Some(&before) = chosen.last() else {
            return true;
        };
        self.hops(
            &self.sequence.steps[chosen.len()].hop,
            chosen.len(),
            before,
            event,
        )
    }

    /// Whether one event may follow another, as the step's hop.
    fn hops(&self, hop: &Hop, step: usize, before: usize, event: usize) -> bool {
        let (from, to) = (self.events[before].at, self.events[event].at);
        let later = to - from;
        if later < 0 || (self.sequence.strictly && later == 0) {
            return false;
        }
        let is_in_time = match hop.time {
            HopTime::Any => true,
            HopTime::Within(most) => later <= most.0,
            HopTime::After(least) => later >= least.0,
            HopTime::Between(least, most) => least.0 <= later && later <= most.0,
        };
        let is_disturbed = (0..self.events.len()).any(|other| {
            let at = self.events[other].at;
            self.unwanted[step][other] && from < at && at < to
        });
        let is_direct = before.abs_diff(event) == 1;
        is_in_time && !is_disturbed && (!hop.directly || is_direct)
    }
}

/// Whether two values are one: of one type and equal, arrays by their text. NaN is not even itself.
fn is_same(value: &crowdset_types::Value, other: &crowdset_types::Value) -> bool {
    use crowdset_types::Value::Array;
    match (value, other) {
        (Array(value), Array(other)) => value == other,
        _ => key(value) == key(other) && order(value, other) == Some(Ordering::Equal),
    }
}
