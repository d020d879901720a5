//! Events of candidate users in order, and the chains of steps among them.

use super::tie::TieMatcher;
use crate::scratch::vec_bytes;
use crate::words::{self, Words};
use crowdset_types::{CHUNK_USERS, DurationMillis};

/// No such chain.
const NONE: i64 = i64::MIN;

/// An event that fits at least one step.
#[derive(Clone, Copy, Default)]
struct Event {
    time: i64,
    /// The steps it fits: one bit each, or, of more than 64 steps, a position in [`Gathered::sets`].
    steps: u64,
}

/// The events of candidate users that fit any step, apart by user.
#[derive(Default)]
pub(crate) struct Gathered {
    /// As they come: the first `len` count.
    users: Vec<u16>,
    incoming: Vec<Event>,
    len: usize,
    /// By user, then time.
    events: Vec<Event>,
    /// Where each user's events begin in `events`, and the end.
    starts: Vec<u32>,
    /// Sets of more than 64 steps, `words` words each.
    sets: Vec<u64>,
    words: usize,
}

impl Gathered {
    /// What it takes.
    pub(crate) fn bytes(&self) -> usize {
        vec_bytes(&self.users)
            + vec_bytes(&self.incoming)
            + vec_bytes(&self.events)
            + vec_bytes(&self.starts)
            + vec_bytes(&self.sets)
    }

    /// Forgets all events and awaits those of a sequence of so many steps.
    pub(super) fn reset(&mut self, steps: usize) {
        self.len = 0;
        self.words = steps.div_ceil(64);
        self.sets.clear();
    }

    /// Adds the rows that fit steps, if their user is a candidate: `steps` has a row each.
    ///
    /// For sequences of up to 64 steps, see [`Gathered::add_wide`].
    pub(super) fn add(&mut self, users: &[u16], times: &[i64], steps: &[u64], candidates: &Words) {
        self.reserve(users.len());
        let mut len = self.len;
        for ((&user, &time), &steps) in users.iter().zip(times).zip(steps) {
            // Every row is written, and the next one over it unless this one counts: no branch.
            self.users[len] = user;
            self.incoming[len] = Event { time, steps };
            let user = user as usize & (CHUNK_USERS - 1);
            len += (candidates[user / 64] >> (user % 64) & 1) as usize & usize::from(steps != 0);
        }
        self.len = len;
    }

    /// Adds an event of a sequence of more than 64 steps.
    pub(super) fn add_wide(&mut self, user: u16, time: i64, steps: impl Iterator<Item = usize>) {
        self.reserve(1);
        let start = self.sets.len();
        self.sets.resize(start + self.words, 0);
        for step in steps {
            self.sets[start + step / 64] |= 1 << (step % 64);
        }
        self.users[self.len] = user;
        self.incoming[self.len] = Event {
            time,
            steps: (start / self.words) as u64,
        };
        self.len += 1;
    }

    fn reserve(&mut self, more: usize) {
        let needed = self.len + more;
        if needed > self.users.len() {
            let room = needed.next_power_of_two();
            self.users.resize(room, 0);
            self.incoming.resize(room, Event::default());
        }
    }

    /// Orders events by user, then time.
    pub(super) fn sort(&mut self) {
        self.starts.clear();
        self.starts.resize(CHUNK_USERS + 1, 0);
        let users = &self.users[..self.len];
        for &user in users {
            self.starts[user as usize + 1] += 1;
        }
        for user in 0..CHUNK_USERS {
            self.starts[user + 1] += self.starts[user];
        }
        self.events.clear();
        self.events.resize(self.len, Event::default());
        // Each start moves to its user's end, which is the next user's start.
        for (&user, &event) in users.iter().zip(&self.incoming) {
            let place = &mut self.starts[user as usize];
            self.events[*place as usize] = event;
            *place += 1;
        }
        self.starts.copy_within(0..CHUNK_USERS, 1);
        self.starts[0] = 0;
        for bounds in self.starts.windows(2) {
            let events = &mut self.events[bounds[0] as usize..bounds[1] as usize];
            if !events.is_sorted_by_key(|event| event.time) {
                events.sort_unstable_by_key(|event| event.time);
            }
        }
    }

    fn of_user(&self, user: usize) -> &[Event] {
        &self.events[self.starts[user] as usize..self.starts[user + 1] as usize]
    }

    fn fits(&self, event: Event, step: usize) -> bool {
        let word = if self.words == 1 {
            event.steps
        } else {
            self.sets[event.steps as usize * self.words + step / 64]
        };
        word >> (step % 64) & 1 == 1
    }
}

/// Chains of steps of one user.
pub(super) struct Chains {
    steps: usize,
    within: Option<DurationMillis>,
    /// The latest begin of a chain of so many steps; [`NONE`]: there is no such chain.
    begins: Vec<i64>,
    before: Vec<i64>,
    reach: Vec<usize>,
    matcher: TieMatcher,
}

impl Chains {
    pub(super) fn new(steps: usize, within: Option<DurationMillis>) -> Self {
        Self {
            steps,
            within,
            begins: vec![NONE; steps + 1],
            before: Vec::new(),
            reach: Vec::new(),
            matcher: TieMatcher::default(),
        }
    }

    /// The candidates whose events hold a whole chain.
    pub(super) fn find(&mut self, gathered: &Gathered, candidates: &Words, found: &mut Words) {
        words::for_each(candidates, |user| {
            if self.run(gathered, gathered.of_user(user)) {
                words::set(found, user);
            }
        });
    }

    /// Whether the events, ascending in time, hold a whole chain.
    fn run(&mut self, gathered: &Gathered, events: &[Event]) -> bool {
        if events.len() < self.steps {
            return false;
        }
        self.begins.fill(NONE);
        let mut rest = events;
        while let Some((first, later)) = rest.split_first() {
            let now = first.time;
            if later.first().is_none_or(|next| next.time != now) {
                rest = later;
                self.step(gathered, *first, now);
            } else {
                let tied = rest.iter().take_while(|event| event.time == now).count();
                let (group, later) = rest.split_at(tied);
                rest = later;
                self.step_tied(gathered, group, now);
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

    fn advance(&mut self, step: usize, now: i64) {
        let begin = if step == 0 { now } else { self.begins[step] };
        if self.is_alive(begin, now) {
            self.begins[step + 1] = self.begins[step + 1].max(begin);
        }
    }

    fn step(&mut self, gathered: &Gathered, event: Event, now: i64) {
        // Longest chains first, so that the event is taken once.
        if gathered.words == 1 {
            let mut rest = event.steps;
            while rest != 0 {
                let step = rest.ilog2();
                rest ^= 1 << step;
                self.advance(step as usize, now);
            }
            return;
        }
        for step in (0..self.steps).rev() {
            if gathered.fits(event, step) {
                self.advance(step, now);
            }
        }
    }

    fn step_tied(&mut self, gathered: &Gathered, group: &[Event], now: i64) {
        let fits = |event: usize, step: usize| gathered.fits(group[event], step);
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
            let mut gathered = Gathered::default();
            gathered.reset(steps);
            let mask = (1 << steps) - 1;
            let candidates = [u64::MAX; 256];
            for &(time, fitting) in &events {
                gathered.add(&[5], &[time], &[fitting & mask], &candidates);
            }
            gathered.sort();
            let mut users = words::EMPTY;
            Chains::new(steps, within.map(DurationMillis)).find(&gathered, &candidates, &mut users);
            let found = words::get(&users, 5);
            let expected = exists(&events, steps, within);
            assert_eq!(found, expected, "{events:?} {steps} {within:?}");
            if expected { yes += 1 } else { no += 1 }
        }
        assert!(yes > 2_000 && no > 2_000, "{yes} {no}");
    }

    #[test]
    fn has_no_cap_on_steps() {
        let mut gathered = Gathered::default();
        gathered.reset(200);
        for time in 0..200 {
            gathered.add_wide(0, time, std::iter::once(time as usize));
        }
        gathered.sort();
        let holds = |within: Option<i64>| {
            let mut chains = Chains::new(200, within.map(DurationMillis));
            chains.run(&gathered, gathered.of_user(0))
        };
        assert!(holds(None) && holds(Some(199)) && !holds(Some(198)));
    }
}
