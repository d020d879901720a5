//! Events in order: for every step an event of its own, each at or after the one before, the last
//! at most so long after the first.
//!
//! Users that lack a step drop out first, by index or scan. Of the others, events are gathered in
//! order of time, and for every number of steps taken the latest instant at which such a chain can
//! have begun is kept: of two chains of one length the later begun is never worse. So any choice of
//! events counts, not only the greedy one, and the work is steps times events.

use super::tie::TieMatcher;
use crate::EvalError;
use crate::dataset::Binder;
use crate::events::{Anchor, Events, UserBounds};
use crate::kernel::{BLOCK, Machine};
use crate::profile::Tally;
use crate::scratch::Scratch;
use crate::words::{self, Words};
use crowdset_query::{PlanSelector, PlanWindow};
use crowdset_types::{CHUNK_USERS, ChunkId, DurationMillis};
use hashbrown::HashMap;

/// No such chain.
const NONE: i64 = i64::MIN;

/// `sequence(…)`, made ready.
pub(crate) struct Sequence<'a> {
    /// The events of each step, without the user's own window.
    steps: Vec<Events<'a>>,
    anchor: Option<Box<Anchor<'a>>>,
    within: Option<DurationMillis>,
}

/// Who looks at a stream: steps, and the stream's position among each step's sources.
type Lookers = Vec<(usize, usize)>;

/// The events of candidate users that fit any step.
#[derive(Default)]
struct Gathered {
    users: Vec<u16>,
    times: Vec<i64>,
    /// The steps that each event fits, `words` words for each.
    steps: Vec<u64>,
    words: usize,
    /// Positions of events, by user, then time.
    order: Vec<u32>,
    /// Where each user's events begin in `order`, and the end.
    starts: Vec<u32>,
}

impl<'a> Sequence<'a> {
    pub(crate) fn bind(
        binder: Binder<'a>,
        steps: &'a [PlanSelector],
        within: Option<DurationMillis>,
        window: &'a PlanWindow,
    ) -> Result<Self, EvalError> {
        let steps = steps
            .iter()
            .map(|step| Events::bind_range(binder, step, window.range))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            steps,
            anchor: Anchor::bind(binder, window)?,
            within,
        })
    }

    pub(crate) fn cost_rows(&self) -> u64 {
        self.steps.iter().map(|step| step.cost_rows() * 3).sum()
    }

    pub(crate) fn eval(
        &self,
        machine: Machine,
        chunk: ChunkId,
        wanted: &Words,
        scratch: &mut Scratch,
        tally: &mut Tally,
        found: &mut Words,
    ) {
        found.fill(0);
        // Without an event for each step there is no sequence. The user's own window comes later:
        // it can only take events away.
        let mut candidates = *wanted;
        for step in &self.steps {
            let mut did = words::EMPTY;
            step.did(machine, chunk, &candidates, scratch, tally, &mut did);
            candidates = did;
            if words::is_empty(&candidates) {
                return;
            }
        }
        let bounds = self
            .anchor
            .as_ref()
            .map(|anchor| anchor.bounds(machine, chunk, &candidates, scratch, tally));
        let gathered = self.gather(machine, chunk, &candidates, bounds.as_ref(), tally);
        let mut chains = Chains::new(self.steps.len(), self.within);
        words::for_each(&candidates, |user| {
            let order =
                &gathered.order[gathered.starts[user] as usize..gathered.starts[user + 1] as usize];
            if chains.run(&gathered, order) {
                words::set(found, user);
            }
        });
        if let Some(bounds) = bounds {
            bounds.give(scratch);
        }
    }

    /// The candidates' events that fit any step, each once however many steps it fits.
    fn gather(
        &self,
        machine: Machine,
        chunk: ChunkId,
        candidates: &Words,
        bounds: Option<&UserBounds>,
        tally: &mut Tally,
    ) -> Gathered {
        let mut gathered = Gathered {
            words: self.steps.len().div_ceil(64),
            ..Gathered::default()
        };
        // Streams in order of partition, then name; each with the steps that look at it.
        let mut streams: Vec<(usize, &str, Lookers)> = Vec::new();
        let mut places: HashMap<(usize, &str), usize> = HashMap::new();
        for (step, events) in self.steps.iter().enumerate() {
            for (position, source) in events.sources.iter().enumerate() {
                let key = (source.partition, source.stream.name());
                let place = *places.entry(key).or_insert_with(|| {
                    streams.push((key.0, key.1, Vec::new()));
                    streams.len() - 1
                });
                streams[place].2.push((step, position));
            }
        }
        streams.sort_unstable_by_key(|&(partition, name, _)| (partition, name));
        for (_, _, lookers) in &streams {
            let [(first_step, first_position), rest @ ..] = &lookers[..] else {
                continue;
            };
            if rest.is_empty() {
                // The usual case: one step looks at the stream.
                self.steps[*first_step].scan_source(
                    machine,
                    chunk,
                    *first_position,
                    bounds,
                    tally,
                    &mut |rows| {
                        let times = self.steps[*first_step].sources[*first_position]
                            .stream
                            .times();
                        for (index, (row, &user)) in rows.range.clone().zip(rows.users).enumerate()
                        {
                            let counts = rows.mask.is_none_or(|mask| mask[index] == 1);
                            if counts && words::get(candidates, user as usize) {
                                gathered.push(user, times.get(row), &[*first_step]);
                            }
                        }
                    },
                );
                continue;
            }
            self.gather_shared(
                machine,
                chunk,
                lookers,
                candidates,
                bounds,
                tally,
                &mut gathered,
            );
        }
        gathered.sort();
        gathered
    }

    /// The events of a stream that several steps look at.
    #[allow(
        clippy::too_many_arguments,
        reason = "the context of a chunk, and where the answer goes"
    )]
    fn gather_shared(
        &self,
        machine: Machine,
        chunk: ChunkId,
        lookers: &[(usize, usize)],
        candidates: &Words,
        bounds: Option<&UserBounds>,
        tally: &mut Tally,
        gathered: &mut Gathered,
    ) {
        // All steps have the same window, so they see the same rows of the stream.
        let (step, position) = lookers[0];
        let source = &self.steps[step].sources[position];
        let rows = source.stream.rows_in(chunk, source.range);
        let (users, times) = (source.stream.users(), source.stream.times());
        tally.rows += rows.len() as u64;
        tally.bytes += rows.len() as u64 * 6;
        let mut masks = vec![[0_u8; BLOCK]; lookers.len()];
        let mut fitting = Vec::new();
        for start in rows.clone().step_by(BLOCK) {
            let block = start..rows.end.min(start + BLOCK);
            for (mask, &(step, position)) in masks.iter_mut().zip(lookers) {
                let source = &self.steps[step].sources[position];
                let mask = &mut mask[..block.len()];
                source.mask(machine, chunk, block.clone(), bounds, mask);
            }
            for (index, row) in block.enumerate() {
                let user = users[row];
                if !words::get(candidates, user as usize) {
                    continue;
                }
                fitting.clear();
                fitting.extend(
                    masks
                        .iter()
                        .zip(lookers)
                        .filter(|(mask, _)| mask[index] == 1)
                        .map(|(_, &(step, _))| step),
                );
                if !fitting.is_empty() {
                    gathered.push(user, times.get(row), &fitting);
                }
            }
        }
    }
}

impl Gathered {
    fn push(&mut self, user: u16, time: i64, steps: &[usize]) {
        self.users.push(user);
        self.times.push(time);
        let start = self.steps.len();
        self.steps.resize(start + self.words, 0);
        for step in steps {
            self.steps[start + step / 64] |= 1 << (step % 64);
        }
    }

    fn fits(&self, event: u32, step: usize) -> bool {
        self.steps[event as usize * self.words + step / 64] >> (step % 64) & 1 == 1
    }

    /// Orders events by user, then time.
    fn sort(&mut self) {
        self.starts = vec![0; CHUNK_USERS + 1];
        for &user in &self.users {
            self.starts[user as usize + 1] += 1;
        }
        for user in 0..CHUNK_USERS {
            self.starts[user + 1] += self.starts[user];
        }
        let mut next = self.starts.clone();
        self.order = vec![0; self.users.len()];
        for (event, &user) in (0..).zip(&self.users) {
            let place = &mut next[user as usize];
            self.order[*place as usize] = event;
            *place += 1;
        }
        for bounds in self.starts.windows(2) {
            let events = &mut self.order[bounds[0] as usize..bounds[1] as usize];
            if !events.is_sorted_by_key(|&event| self.times[event as usize]) {
                events.sort_unstable_by_key(|&event| self.times[event as usize]);
            }
        }
    }
}

/// Chains of steps of one user.
struct Chains {
    steps: usize,
    within: Option<DurationMillis>,
    /// The latest begin of a chain of so many steps; [`NONE`]: there is no such chain.
    begins: Vec<i64>,
    before: Vec<i64>,
    reach: Vec<usize>,
    matcher: TieMatcher,
}

impl Chains {
    fn new(steps: usize, within: Option<DurationMillis>) -> Self {
        Self {
            steps,
            within,
            begins: vec![NONE; steps + 1],
            before: Vec::new(),
            reach: Vec::new(),
            matcher: TieMatcher::default(),
        }
    }

    /// Whether the events, ascending in time, hold a whole chain.
    fn run(&mut self, events: &Gathered, order: &[u32]) -> bool {
        if order.len() < self.steps {
            return false;
        }
        self.begins.fill(NONE);
        let mut rest = order;
        while let Some(&first) = rest.first() {
            let now = events.times[first as usize];
            let tied = rest
                .iter()
                .take_while(|&&event| events.times[event as usize] == now)
                .count();
            let (group, later) = rest.split_at(tied);
            rest = later;
            if let [event] = group {
                self.step(events, *event, now);
            } else {
                self.step_tied(events, group, now);
            }
            if self.begins[self.steps] != NONE {
                return true;
            }
        }
        false
    }

    /// Whether a chain that began then can still go on now.
    fn is_alive(&self, begin: i64, now: i64) -> bool {
        begin != NONE
            && self
                .within
                .is_none_or(|within| now.saturating_sub(begin) <= within.0)
    }

    fn step(&mut self, events: &Gathered, event: u32, now: i64) {
        // Longest chains first, so that the event is taken once.
        for step in (0..self.steps).rev() {
            if !events.fits(event, step) {
                continue;
            }
            let begin = if step == 0 { now } else { self.begins[step] };
            if self.is_alive(begin, now) {
                self.begins[step + 1] = self.begins[step + 1].max(begin);
            }
        }
    }

    fn step_tied(&mut self, events: &Gathered, group: &[u32], now: i64) {
        let fits = |event: usize, step: usize| events.fits(group[event], step);
        self.matcher
            .reach(group.len(), self.steps, &fits, &mut self.reach);
        self.before.clone_from(&self.begins);
        for taken in 0..self.steps {
            let begin = if taken == 0 { now } else { self.before[taken] };
            if !self.is_alive(begin, now) {
                continue;
            }
            for chain in &mut self.begins[taken + 1..=self.reach[taken]] {
                *chain = (*chain).max(begin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every choice of events, tried out.
    fn exists(events: &[(i64, u64)], steps: usize, within: Option<i64>) -> bool {
        fn go(
            events: &[(i64, u64)],
            step: usize,
            steps: usize,
            used: u32,
            first: i64,
            last: i64,
            within: Option<i64>,
        ) -> bool {
            step == steps
                || events.iter().enumerate().any(|(index, &(time, mask))| {
                    let first = if step == 0 { time } else { first };
                    used >> index & 1 == 0
                        && mask >> step & 1 == 1
                        && (step == 0 || time >= last)
                        && within.is_none_or(|within| time - first <= within)
                        && go(
                            events,
                            step + 1,
                            steps,
                            used | 1 << index,
                            first,
                            time,
                            within,
                        )
                })
        }
        go(events, 0, steps, 0, 0, 0, within)
    }

    #[test]
    fn finds_a_chain_exactly_where_there_is_one() {
        let mut seed = 11_u64;
        let mut random = move |below: u64| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        let (mut yes, mut no) = (0, 0);
        for _ in 0..20_000 {
            let steps = random(4) as usize + 1;
            let within = (random(2) == 0).then(|| random(6) as i64);
            let events: Vec<(i64, u64)> = (0..random(7))
                .map(|_| (random(8) as i64, random(16)))
                .collect();
            let mut gathered = Gathered {
                words: 1,
                ..Gathered::default()
            };
            for &(time, mask) in &events {
                let fitting: Vec<usize> = (0..4).filter(|step| mask >> step & 1 == 1).collect();
                gathered.push(5, time, &fitting);
            }
            gathered.sort();
            let found =
                Chains::new(steps, within.map(DurationMillis)).run(&gathered, &gathered.order);
            let expected = exists(&events, steps, within);
            assert_eq!(found, expected, "{events:?} {steps} {within:?}");
            if expected { yes += 1 } else { no += 1 }
        }
        assert!(yes > 2_000 && no > 2_000, "{yes} {no}");
    }

    #[test]
    fn has_no_cap_on_steps() {
        let mut gathered = Gathered {
            words: 4,
            ..Gathered::default()
        };
        for time in 0..200 {
            gathered.push(0, time, &[time as usize]);
        }
        gathered.sort();
        assert!(Chains::new(200, None).run(&gathered, &gathered.order));
        assert!(Chains::new(200, Some(DurationMillis(199))).run(&gathered, &gathered.order));
        assert!(!Chains::new(200, Some(DurationMillis(198))).run(&gathered, &gathered.order));
    }
}
