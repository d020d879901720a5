//! Sequences whose steps are bound to one another: by the time between them, by what may not lie
//! between, by one value of a property.
//!
//! Instants are visited in order. Steps joined by `directly` form a *block*, taken as a whole: its
//! events stand side by side in the order of the user's events. For every block the latest begin of
//! a chain up to it is kept for each instant at which it can end; of two chains that end with the
//! same block at the same instant the later begun is never worse. A hop looks back at a stretch of
//! such instants, and both ends of the stretch only ever move on, so that its best chain is found
//! in constant time: events times steps in all.
//!
//! What is left is to take different events for blocks at one instant. Where blocks are single
//! steps that is a matching; longer ones are packed by a search over sets of blocks, whose size is
//! bounded.

use super::tie::TieMatcher;
use crate::EvalError;
use crowdset_query::PlanSequence;
use std::collections::VecDeque;
use std::ops::Range;

/// No such chain.
const NONE: i64 = i64::MIN;

/// No such place.
const NOWHERE: u32 = u32::MAX;

/// How many placements of blocks are tried for one user before the search is given up.
pub(super) const TRIES_MAX: u64 = 1 << 22;

/// An event that fits a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event {
    pub(super) time: i64,
    /// Its place among all of the user's events, if hops are taken directly.
    pub(super) rank: u32,
    /// Which of the sets of steps it fits.
    pub(super) set: u32,
}

/// Sets of steps, so many words each.
pub(super) struct Sets<'s> {
    pub(super) words: usize,
    pub(super) bits: &'s [u64],
}

impl Sets<'_> {
    fn fits(&self, event: Event, step: usize) -> bool {
        self.bits[event.set as usize * self.words + step / 64] >> (step % 64) & 1 == 1
    }
}

/// What binds the steps of a sequence.
pub(super) struct Rules {
    within: Option<i64>,
    strictly: bool,
    /// By step: how much later than the step before, at least and at most.
    hops: Vec<(i64, i64)>,
    /// The steps of each block.
    blocks: Vec<Range<usize>>,
}

impl Rules {
    pub(super) fn new(plan: &PlanSequence) -> Self {
        let mut blocks: Vec<Range<usize>> = Vec::new();
        for (step, of) in plan.steps.iter().enumerate() {
            match blocks.last_mut() {
                Some(block) if of.hop.directly => block.end = step + 1,
                _ => blocks.push(step..step + 1),
            }
        }
        let bounds = |step: &crowdset_query::PlanStep| {
            let most = step.hop.most.map_or(i64::MAX, |most| most.0);
            (step.hop.least.0, most)
        };
        Self {
            within: plan.within.map(|within| within.0),
            strictly: plan.strictly,
            hops: plan.steps.iter().map(bounds).collect(),
            blocks,
        }
    }

    fn steps(&self) -> usize {
        self.hops.len()
    }

    /// Whether a step may be so much later than the one before.
    fn allows(&self, step: usize, later: i64) -> bool {
        let (least, most) = self.hops[step];
        least <= later && later <= most && !(self.strictly && later == 0)
    }

    /// Whether a chain that began then can still go on now.
    fn is_alive(&self, begin: i64, now: i64) -> bool {
        begin != NONE
            && self
                .within
                .is_none_or(|within| now.saturating_sub(begin) <= within)
    }
}

/// Where chains up to one block have ended: times that ascend, each with the latest begin.
#[derive(Default)]
struct Ends {
    /// Too recent to go on from.
    waiting: VecDeque<(i64, i64)>,
    /// Begins that descend: what began earlier and ended earlier is of no more use.
    useful: VecDeque<(i64, i64)>,
}

impl Ends {
    fn clear(&mut self) {
        self.waiting.clear();
        self.useful.clear();
    }

    /// The latest begin of a chain that ended from `low` to `high`. Neither may ever go back.
    fn latest(&mut self, low: i64, high: i64) -> i64 {
        while let Some(&(at, begin)) = self.waiting.front()
            && at <= high
        {
            self.waiting.pop_front();
            while self.useful.back().is_some_and(|&(_, other)| other <= begin) {
                self.useful.pop_back();
            }
            self.useful.push_back((at, begin));
        }
        while self.useful.front().is_some_and(|&(at, _)| at < low) {
            self.useful.pop_front();
        }
        self.useful.front().map_or(NONE, |&(_, begin)| begin)
    }
}

/// A block that was begun at an earlier instant than it ends at.
struct Arrival {
    block: usize,
    begin: i64,
    /// Its last event.
    last: usize,
}

/// A block that may be begun at the instant at hand and ends later.
struct Departure {
    block: usize,
    /// Its first event, counted from the first of the instant.
    start: usize,
    /// The latest begin of a chain that takes it.
    begin: i64,
}

/// The search for chains among the events of one user after the other.
pub(super) struct Search<'r> {
    rules: &'r Rules,
    /// By step, the times of events that may not lie between it and the step before, ascending.
    pub(super) unwanted: Vec<Vec<i64>>,
    ends: Vec<Ends>,
    arrivals: Vec<Arrival>,
    departures: Vec<Departure>,
    /// By block, the latest begin of a chain that ends at the instant at hand.
    best: Vec<i64>,
    matcher: TieMatcher,
    reach: Vec<usize>,
    /// By block, then place: where the block ends that is placed there or later, first of all.
    next_ends: Vec<u32>,
    /// By set of blocks: how little room they take.
    packed: Vec<u32>,
    tries: u64,
}

impl<'r> Search<'r> {
    pub(super) fn new(rules: &'r Rules) -> Self {
        let blocks = rules.blocks.len();
        Self {
            rules,
            unwanted: vec![Vec::new(); rules.steps()],
            ends: (0..blocks).map(|_| Ends::default()).collect(),
            arrivals: Vec::new(),
            departures: Vec::new(),
            best: vec![NONE; blocks],
            matcher: TieMatcher::default(),
            reach: Vec::new(),
            next_ends: Vec::new(),
            packed: Vec::new(),
            tries: 0,
        }
    }

    /// To be called for each user, before what is unwanted is written down.
    pub(super) fn begin_user(&mut self) {
        for times in &mut self.unwanted {
            times.clear();
        }
        self.tries = 0;
    }

    /// Whether events, in the order of the user's events, hold a whole chain.
    pub(super) fn run(&mut self, events: &[Event], sets: &Sets<'_>) -> Result<bool, EvalError> {
        if events.len() < self.rules.steps() {
            return Ok(false);
        }
        self.ends.iter_mut().for_each(Ends::clear);
        self.arrivals.clear();
        let is_single = self.rules.blocks.len() == self.rules.steps();
        let mut low = 0;
        while low < events.len() {
            let now = events[low].time;
            let tied = events[low..]
                .iter()
                .take_while(|event| event.time == now)
                .count();
            let group = low..low + tied;
            low = group.end;
            self.best.fill(NONE);
            if is_single {
                self.take_steps(&events[group], sets, now);
            } else {
                self.take_blocks(events, group, sets, now)?;
            }
            for (ends, &begin) in self.ends.iter_mut().zip(&self.best) {
                if begin != NONE {
                    ends.waiting.push_back((now, begin));
                }
            }
            if self.best.last().is_some_and(|&begin| begin != NONE) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The latest begin of a chain that may go on with the block now, from an earlier instant.
    fn entry(&mut self, block: usize, now: i64) -> i64 {
        let begin = match block.checked_sub(1) {
            None => now,
            Some(before) => {
                let step = self.rules.blocks[block].start;
                let (least, most) = self.rules.hops[step];
                let unwanted = &self.unwanted[step];
                let passed = unwanted.partition_point(|&at| at < now);
                let low = now.saturating_sub(most);
                let low = match passed.checked_sub(1) {
                    Some(last) => low.max(unwanted[last]),
                    None => low,
                };
                self.ends[before].latest(low, now.saturating_sub(least))
            }
        };
        if self.rules.is_alive(begin, now) {
            begin
        } else {
            NONE
        }
    }

    /// Takes the events of one instant, where each block is one step.
    fn take_steps(&mut self, group: &[Event], sets: &Sets<'_>, now: i64) {
        let steps = self.rules.steps();
        if let [event] = *group {
            self.reach.clear();
            self.reach
                .extend((0..steps).map(|step| step + usize::from(sets.fits(event, step))));
        } else {
            let fits = |event: usize, step: usize| sets.fits(group[event], step);
            self.matcher
                .reach(group.len(), steps, &fits, &mut self.reach);
        }
        for first in 0..steps {
            if self.reach[first] == first {
                continue;
            }
            let begin = self.entry(first, now);
            if begin == NONE {
                continue;
            }
            for step in first..self.reach[first] {
                if step > first && !self.rules.allows(step, 0) {
                    break;
                }
                self.best[step] = self.best[step].max(begin);
            }
        }
    }

    /// Takes the events of one instant.
    fn take_blocks(
        &mut self,
        events: &[Event],
        group: Range<usize>,
        sets: &Sets<'_>,
        now: i64,
    ) -> Result<(), EvalError> {
        let rules = self.rules;
        self.departures.clear();
        self.next_ends.clear();
        for (block, steps) in rules.blocks.iter().enumerate() {
            let base = self.next_ends.len();
            self.next_ends.resize(base + group.len() + 1, NOWHERE);
            for place in (0..group.len()).rev() {
                let taken = group.start + place..group.start + place + steps.len();
                let is_there = taken.end <= group.end
                    && (ascends(rules, steps, &events[taken.clone()], sets)
                        || descends(rules, steps, &events[taken.clone()], sets));
                self.next_ends[base + place] = if is_there {
                    (place + steps.len()) as u32
                } else {
                    self.next_ends[base + place + 1]
                };
                if taken.end > group.end
                    && taken.end <= events.len()
                    && ascends(rules, steps, &events[taken], sets)
                {
                    self.departures.push(Departure {
                        block,
                        start: place,
                        begin: NONE,
                    });
                }
            }
        }
        for block in 0..rules.blocks.len() {
            let begin = self.entry(block, now);
            if begin != NONE {
                self.place(block, begin, 0, false, group.len())?;
            }
        }
        let mut next = 0;
        while next < self.arrivals.len() {
            if self.arrivals[next].last >= group.end {
                next += 1;
                continue;
            }
            let Arrival { block, begin, last } = self.arrivals.swap_remove(next);
            if rules.is_alive(begin, now) {
                self.best[block] = self.best[block].max(begin);
                self.place(block + 1, begin, last + 1 - group.start, true, group.len())?;
            }
        }
        for departure in &self.departures {
            if departure.begin != NONE {
                self.arrivals.push(Arrival {
                    block: departure.block,
                    begin: departure.begin,
                    last: group.start + departure.start + rules.blocks[departure.block].len() - 1,
                });
            }
        }
        Ok(())
    }

    /// Goes on with a chain from the block `first`, with the events of the instant from `from` on:
    /// with as many whole blocks as can be, and with one that ends later. `is_here`: the chain has
    /// ended at this very instant.
    ///
    /// Of each set of blocks it is worth knowing how little room it takes, from the first event on.
    fn place(
        &mut self,
        first: usize,
        begin: i64,
        from: usize,
        is_here: bool,
        room: usize,
    ) -> Result<(), EvalError> {
        let rules = self.rules;
        self.packed.clear();
        self.packed.push(from as u32);
        let mut taken = from as u32;
        for (count, block) in (first..rules.blocks.len()).enumerate() {
            let is_hop_here = is_here || count > 0;
            if is_hop_here && !rules.allows(rules.blocks[block].start, 0) {
                break;
            }
            for departure in &mut self.departures {
                if departure.block == block && departure.start >= taken as usize {
                    departure.begin = departure.begin.max(begin);
                }
            }
            // Each block takes an event at least.
            if count >= room - from {
                break;
            }
            self.tries += (count as u64 + 1) << count;
            if self.tries > TRIES_MAX {
                return Err(EvalError::SequenceSearch {
                    tries_max: TRIES_MAX,
                });
            }
            let sets = 1_usize << count;
            for set in sets..2 * sets {
                let ends = (0..=count).filter(|last| set >> last & 1 == 1).map(|last| {
                    match self.packed[set ^ (1 << last)] {
                        NOWHERE => NOWHERE,
                        place => self.next_ends[(first + last) * (room + 1) + place as usize],
                    }
                });
                let end = ends.min().unwrap_or(NOWHERE);
                self.packed.push(end);
            }
            taken = self.packed[2 * sets - 1];
            if taken == NOWHERE {
                break;
            }
            self.best[block] = self.best[block].max(begin);
        }
        Ok(())
    }
}

/// Whether events stand side by side and fit the steps of a block in their order.
fn ascends(rules: &Rules, steps: &Range<usize>, events: &[Event], sets: &Sets<'_>) -> bool {
    let fits = |(step, event): (usize, &Event)| sets.fits(*event, step);
    let follows = |(step, pair): (usize, &[Event])| {
        pair[0].rank + 1 == pair[1].rank && rules.allows(step, pair[1].time - pair[0].time)
    };
    steps.clone().zip(events).all(fits) && (steps.start + 1..).zip(events.windows(2)).all(follows)
}

/// Whether events of one instant stand side by side and fit the steps of a block backwards.
fn descends(rules: &Rules, steps: &Range<usize>, events: &[Event], sets: &Sets<'_>) -> bool {
    let fits = |(step, event): (usize, &Event)| sets.fits(*event, step);
    let are_side_by_side = events
        .windows(2)
        .all(|pair| pair[0].rank + 1 == pair[1].rank);
    are_side_by_side
        && steps.clone().zip(events.iter().rev()).all(fits)
        && steps.clone().skip(1).all(|step| rules.allows(step, 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crowdset_query::{PlanHop, PlanSelector, PlanStep, PlanWindow};
    use crowdset_types::{DurationMillis, TimeRange};

    /// An event in order, as the exhaustive search sees it.
    #[derive(Debug, Clone, Copy)]
    struct Seen {
        time: i64,
        steps: u64,
        /// The steps whose hops do not want it.
        unwanted: u64,
    }

    fn plan(hops: Vec<PlanHop>, within: Option<i64>, strictly: bool) -> PlanSequence {
        let selector = PlanSelector {
            events: Vec::new(),
            any_unfiltered: false,
        };
        let steps = hops.into_iter().map(|hop| PlanStep {
            selector: selector.clone(),
            hop,
        });
        PlanSequence {
            steps: steps.collect(),
            within: within.map(DurationMillis),
            window: PlanWindow {
                range: TimeRange::ALL,
                anchor: None,
            },
            same: Vec::new(),
            strictly,
            all: None,
        }
    }

    fn hop(least: i64, most: Option<i64>, directly: bool) -> PlanHop {
        PlanHop {
            least: DurationMillis(least),
            most: most.map(DurationMillis),
            without: Vec::new(),
            directly,
        }
    }

    /// Every choice of events, tried out.
    fn exists(plan: &PlanSequence, events: &[Seen], chosen: &mut Vec<usize>) -> bool {
        let step = chosen.len();
        if step == plan.steps.len() {
            return true;
        }
        (0..events.len()).any(|next| {
            let event = events[next];
            if event.steps >> step & 1 == 0 || chosen.contains(&next) {
                return false;
            }
            if let (Some(&first), Some(&last)) = (chosen.first(), chosen.last()) {
                let (later, hop) = (event.time - events[last].time, &plan.steps[step].hop);
                let is_between = |other: &Seen| {
                    other.unwanted >> step & 1 == 1
                        && events[last].time < other.time
                        && other.time < event.time
                };
                if later < 0
                    || plan.strictly && later == 0
                    || later < hop.least.0
                    || hop.most.is_some_and(|most| later > most.0)
                    || hop.directly && next.abs_diff(last) != 1
                    || events.iter().any(is_between)
                    || plan
                        .within
                        .is_some_and(|within| event.time - events[first].time > within.0)
                {
                    return false;
                }
            }
            chosen.push(next);
            let is_found = exists(plan, events, chosen);
            chosen.pop();
            is_found
        })
    }

    fn finds(plan: &PlanSequence, seen: &[Seen]) -> Result<bool, EvalError> {
        let rules = Rules::new(plan);
        let mut search = Search::new(&rules);
        search.begin_user();
        let bits: Vec<u64> = seen.iter().map(|event| event.steps).collect();
        for event in seen {
            for (step, unwanted) in search.unwanted.iter_mut().enumerate() {
                if event.unwanted >> step & 1 == 1 {
                    unwanted.push(event.time);
                }
            }
        }
        let events: Vec<Event> = (0..)
            .zip(seen)
            .filter(|(_, event)| event.steps != 0)
            .map(|(rank, event)| Event {
                time: event.time,
                rank,
                set: rank,
            })
            .collect();
        search.run(
            &events,
            &Sets {
                words: 1,
                bits: &bits,
            },
        )
    }

    #[test]
    fn finds_a_chain_exactly_where_there_is_one() {
        let mut seed = 5_u64;
        let mut random = move |below: u64| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        let (mut yes, mut no) = (0, 0);
        for _ in 0..60_000 {
            let steps = random(5) as usize + 1;
            let is_direct = random(3) > 0;
            let hops = (0..steps).map(|step| {
                if step == 0 {
                    return hop(0, None, false);
                }
                let least = if random(4) == 0 { random(3) as i64 } else { 0 };
                let most = (random(3) == 0).then(|| least + random(3) as i64);
                hop(least, most, is_direct && random(2) == 0)
            });
            let hops = hops.collect();
            let within = (random(3) == 0).then(|| random(6) as i64);
            let plan = plan(hops, within, random(6) == 0);
            let instants = random(6) + 1;
            let mut seen: Vec<Seen> = (0..random(8))
                .map(|_| Seen {
                    time: random(instants) as i64,
                    steps: (random(32) | random(32)) & ((1 << steps) - 1),
                    unwanted: if random(4) == 0 { random(32) } else { 0 },
                })
                .collect();
            seen.sort_by_key(|event| event.time);
            let expected = exists(&plan, &seen, &mut Vec::new());
            let found = finds(&plan, &seen).expect("few events");
            assert_eq!(found, expected, "{plan:#?} {seen:?}");
            if expected { yes += 1 } else { no += 1 }
        }
        assert!(yes > 5_000 && no > 5_000, "{yes} {no}");
    }

    #[test]
    fn too_many_ways_are_an_error_and_never_an_answer() {
        let hops = |steps: usize, directly: usize| {
            (0..steps)
                .map(|step| hop(0, None, step == directly))
                .collect()
        };
        let tied = |count: usize| {
            vec![
                Seen {
                    time: 1,
                    steps: u64::MAX,
                    unwanted: 0
                };
                count
            ]
        };
        let many = finds(&plan(hops(40, 1), None, false), &tied(40));
        assert!(matches!(many, Err(EvalError::SequenceSearch { .. })));
        // Without `directly`, with different times, or few events, there is no bound to meet.
        assert!(finds(&plan(hops(40, 99), None, false), &tied(40)).unwrap());
        assert!(!finds(&plan(hops(40, 1), None, true), &tied(40)).unwrap());
        assert!(finds(&plan(hops(12, 1), None, false), &tied(12)).unwrap());
        let apart: Vec<Seen> = (0..5_000).map(|time| Seen { time, ..tied(1)[0] }).collect();
        assert!(finds(&plan(hops(40, 1), Some(39), false), &apart).unwrap());
        assert!(!finds(&plan(hops(40, 1), Some(38), false), &apart).unwrap());
    }
}
