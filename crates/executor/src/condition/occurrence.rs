//! The first, last or n-th event of each user.
//!
//! Partitions do not overlap in time, so they are visited in the order of the question and left as
//! soon as every user that can have an answer has one. Within a partition rows of one name stand in
//! the order of the contract; several names are held apart by their times, ties by name.

use crate::EvalError;
use crate::dataset::Binder;
use crate::events::{Anchor, Events, Rows, Source, UserBounds};
use crate::filter::{Filter, RowContext};
use crate::kernel::{BLOCK, Machine};
use crate::pass::ChunkPass;
use crate::words::{self, Words};
use crowdset_query::Position;
use crowdset_query::{PlanOccurrence, PlanOccurrenceTest};
use crowdset_types::{CHUNK_USERS, TimeRange};
use std::hint::select_unpredictable;
use std::ops::Range;

/// One event of each user by its place.
pub(crate) struct Occurrence<'a> {
    position: Position,
    events: Events<'a>,
    short_circuit: bool,
}

/// Found in a partition visited before, or in the one at hand.
const EARLIER: u8 = 2;
const HERE: u8 = 1;

/// Says what goes into the slots of the users of some rows of the source at a position.
type Payload<'p, T> = dyn FnMut(&Source<'_>, usize, Range<usize>, &mut [T]) + 'p;

impl<'a> Occurrence<'a> {
    pub(crate) fn bind(binder: Binder<'a>, plan: &'a PlanOccurrence) -> Result<Self, EvalError> {
        Ok(Self::new(
            plan.position,
            Events::bind(binder, &plan.of)?,
            binder.options.short_circuit,
        ))
    }

    pub(crate) fn new(position: Position, events: Events<'a>, short_circuit: bool) -> Self {
        let position = if position == Position::Nth(1) {
            Position::First
        } else {
            position
        };
        Self {
            position,
            events,
            short_circuit,
        }
    }

    pub(crate) fn events(&self) -> &Events<'a> {
        &self.events
    }

    pub(crate) fn cost_rows(&self) -> u64 {
        self.events.cost_rows()
    }

    /// The time of the event of each wanted user that has one; `found` says who.
    pub(crate) fn times(
        &self,
        pass: &mut ChunkPass<'_>,
        wanted: &Words,
        times: &mut [i64; CHUNK_USERS],
        found: &mut Words,
    ) {
        let mut time_of = |source: &Source<'_>, _: usize, rows: Range<usize>, out: &mut [i64]| {
            source.read_times(rows, out);
        };
        self.select(pass, wanted, &mut time_of, times, found);
    }

    /// The wanted users that have the event and of whose event the source's filter is true.
    fn verdicts(&self, pass: &mut ChunkPass<'_>, wanted: &Words, tests: &[Filter<'_>]) -> Words {
        let (machine, chunk) = (pass.machine, pass.chunk);
        let mut verdicts = pass.scratch.u8s.take();
        let mut found = words::EMPTY;
        let mut ask = |source: &Source<'_>, position: usize, rows: Range<usize>, out: &mut [u8]| {
            let (users, times) = (source.stream.users(), source.stream.times());
            tests[position].eval(
                &RowContext {
                    machine,
                    chunk,
                    users,
                    times,
                },
                rows,
                out,
            );
        };
        self.select(pass, wanted, &mut ask, &mut verdicts, &mut found);
        let mut passing = words::EMPTY;
        // Users without the event have arbitrary verdicts; `found` leaves them out.
        for verdict in verdicts.iter_mut() {
            *verdict &= 1;
        }
        machine.pack(&verdicts[..], &mut passing);
        words::and(&mut passing, &found);
        pass.scratch.u8s.give(verdicts);
        passing
    }

    /// Puts what `payload` says of each user's event into the user's slot.
    fn select<T: Copy + Default>(
        &self,
        pass: &mut ChunkPass<'_>,
        wanted: &Words,
        payload: &mut Payload<'_, T>,
        slots: &mut [T; CHUNK_USERS],
        found: &mut Words,
    ) {
        let machine = pass.machine;
        let sources = &self.events.sources;
        let bounds = self.events.bounds(pass, wanted);
        let mut state = pass.scratch.u8s.take();
        state.fill(0);
        let mut counts = pass.scratch.u32s.take();
        let mut best = pass.scratch.i64s.take();
        if matches!(self.position, Position::Nth(_)) {
            counts.fill(0);
        }
        let mut groups: Vec<Range<usize>> = Vec::new();
        for position in 0..sources.len() {
            match groups.last_mut() {
                Some(group) if sources[group.start].partition == sources[position].partition => {
                    group.end += 1;
                }
                _ => groups.push(position..position + 1),
            }
        }
        if self.position == Position::Last {
            groups.reverse();
        }
        let groups_len = groups.len();
        for (done, group) in groups.into_iter().enumerate() {
            let mut walk = PartitionWalk {
                occurrence: self,
                pass,
                wanted,
                bounds: bounds.as_ref(),
                payload,
                slots,
                state: &mut state,
            };
            match (self.position, group.len()) {
                (Position::First, 1) => walk.first(group.start),
                (Position::Last, 1) => walk.last(group.start),
                (Position::Nth(n), 1) => walk.nth(group.start, n, &mut counts),
                (Position::Nth(n), _) => walk.nth_of_many(group, n, &mut counts),
                (Position::First, _) => walk.first_of_many(group, &mut best),
                (Position::Last, _) => walk.last_of_many(group, &mut best),
            }
            // What is found stays found: a user's bit moves from "here" to "earlier".
            for state in state.iter_mut() {
                *state = (*state << 1 | *state) & EARLIER;
            }
            if self.short_circuit && done + 1 < groups_len {
                collect(machine, &state, found);
                if words::covers(found, wanted) {
                    break;
                }
            }
        }
        collect(machine, &state, found);
        words::and(found, wanted);
        pass.scratch.u8s.give(state);
        pass.scratch.u32s.give(counts);
        pass.scratch.i64s.give(best);
        if let Some(bounds) = bounds {
            bounds.give(pass.scratch);
        }
    }
}

fn collect(machine: Machine, state: &[u8; CHUNK_USERS], found: &mut Words) {
    let mut bytes = [0_u8; CHUNK_USERS];
    for (byte, &state) in bytes.iter_mut().zip(state) {
        *byte = u8::from(state != 0);
    }
    machine.pack(&bytes, found);
}

/// A walk over the rows that one partition has of a chunk.
struct PartitionWalk<'p, 's, 'a, T> {
    occurrence: &'p Occurrence<'a>,
    pass: &'p mut ChunkPass<'s>,
    wanted: &'p Words,
    bounds: Option<&'p UserBounds>,
    payload: &'p mut Payload<'p, T>,
    slots: &'p mut [T; CHUNK_USERS],
    state: &'p mut [u8; CHUNK_USERS],
}

impl<T: Copy + Default> PartitionWalk<'_, '_, '_, T> {
    /// Calls `step` with (user, counts, payload, time) for each row of a source, in order.
    /// `state` and `slots` are handed through, as they are borrowed here.
    fn rows(
        &mut self,
        position: usize,
        with_times: bool,
        mut step: impl FnMut(&mut [u8; CHUNK_USERS], &mut [T; CHUNK_USERS], usize, u8, T, i64),
    ) {
        let events = &self.occurrence.events;
        let source = &events.sources[position];
        if !source.may_match(self.pass.chunk, self.wanted) {
            return;
        }
        let (payload, slots, state) = (&mut *self.payload, &mut *self.slots, &mut *self.state);
        let mut values = [T::default(); BLOCK];
        let mut times = [0_i64; BLOCK];
        events.scan_source(self.pass, position, self.bounds, &mut |rows: &Rows<'_>| {
            for start in (0..rows.users.len()).step_by(BLOCK) {
                let len = BLOCK.min(rows.users.len() - start);
                let block = rows.range.start + start..rows.range.start + start + len;
                payload(source, position, block.clone(), &mut values[..len]);
                if with_times {
                    source.read_times(block, &mut times[..len]);
                }
                let users = &rows.users[start..start + len];
                match rows.mask {
                    None => {
                        for (index, &user) in users.iter().enumerate() {
                            step(
                                state,
                                slots,
                                user as usize & (CHUNK_USERS - 1),
                                1,
                                values[index],
                                times[index],
                            );
                        }
                    }
                    Some(mask) => {
                        for (index, (&user, &mask)) in
                            users.iter().zip(&mask[start..start + len]).enumerate()
                        {
                            step(
                                state,
                                slots,
                                user as usize & (CHUNK_USERS - 1),
                                mask,
                                values[index],
                                times[index],
                            );
                        }
                    }
                }
            }
        });
    }

    fn first(&mut self, position: usize) {
        self.rows(position, false, |state, slots, user, mask, value, _| {
            let takes = (mask == 1) & (state[user] == 0);
            slots[user] = select_unpredictable(takes, value, slots[user]);
            state[user] |= mask;
        });
    }

    fn last(&mut self, position: usize) {
        self.rows(position, false, |state, slots, user, mask, value, _| {
            let takes = (mask == 1) & (state[user] & EARLIER == 0);
            slots[user] = select_unpredictable(takes, value, slots[user]);
            state[user] |= mask;
        });
    }

    fn nth(&mut self, position: usize, n: u32, counts: &mut [u32; CHUNK_USERS]) {
        self.rows(position, false, |state, slots, user, mask, value, _| {
            counts[user] = counts[user].saturating_add(u32::from(mask));
            let takes = (mask == 1) & (counts[user] == n);
            slots[user] = select_unpredictable(takes, value, slots[user]);
            state[user] |= u8::from(takes);
        });
    }

    fn first_of_many(&mut self, group: Range<usize>, best: &mut [i64; CHUNK_USERS]) {
        best.fill(i64::MAX);
        for position in group {
            self.rows(position, true, |state, slots, user, mask, value, time| {
                // Of equal times the lesser name wins, and that came before.
                let is_better = (state[user] & HERE == 0) | (time < best[user]);
                let takes = (mask == 1) & (state[user] & EARLIER == 0) & is_better;
                slots[user] = select_unpredictable(takes, value, slots[user]);
                best[user] = select_unpredictable(takes, time, best[user]);
                state[user] |= mask;
            });
        }
    }

    fn last_of_many(&mut self, group: Range<usize>, best: &mut [i64; CHUNK_USERS]) {
        best.fill(i64::MIN);
        for position in group {
            self.rows(position, true, |state, slots, user, mask, value, time| {
                let takes = (mask == 1) & (state[user] & EARLIER == 0) & (time >= best[user]);
                slots[user] = select_unpredictable(takes, value, slots[user]);
                best[user] = select_unpredictable(takes, time, best[user]);
                state[user] |= mask;
            });
        }
    }

    fn nth_of_many(&mut self, group: Range<usize>, n: u32, counts: &mut [u32; CHUNK_USERS]) {
        let mut rows: Vec<(u16, i64, T)> = Vec::new();
        for position in group {
            self.rows(position, true, |_, _, user, mask, value, time| {
                if mask == 1 {
                    rows.push((user as u16, time, value));
                }
            });
        }
        // Stable: rows were added by name, and in order within a name.
        rows.sort_by_key(|&(user, time, _)| (user, time));
        for (user, _, value) in rows {
            let user = user as usize;
            counts[user] = counts[user].saturating_add(1);
            if counts[user] == n {
                self.slots[user] = value;
                self.state[user] |= HERE;
            }
        }
    }
}

/// `first(E) PRED` and the like.
pub(crate) struct OccurrenceCondition<'a> {
    occurrence: Occurrence<'a>,
    test: Test<'a>,
}

enum Test<'a> {
    /// The event's time lies in the range and in the user's own window.
    When {
        range: TimeRange,
        anchor: Option<Box<Anchor<'a>>>,
    },
    /// A filter for each source.
    Rows(Vec<Filter<'a>>),
}

impl<'a> OccurrenceCondition<'a> {
    pub(crate) fn bind(
        binder: Binder<'a>,
        plan: &'a PlanOccurrence,
        test: &'a PlanOccurrenceTest,
    ) -> Result<Self, EvalError> {
        let occurrence = Occurrence::bind(binder, plan)?;
        let sources = &occurrence.events.sources;
        let test = match test {
            PlanOccurrenceTest::When(window) => Test::When {
                range: window.range,
                anchor: Anchor::bind(binder, window)?,
            },
            PlanOccurrenceTest::EventName(verdicts) => Test::Rows(
                sources
                    .iter()
                    .map(|source| {
                        let name = source.stream.name();
                        let holds = verdicts
                            .iter()
                            .any(|(other, holds)| other == name && *holds);
                        if holds { Filter::Always } else { Filter::Never }
                    })
                    .collect(),
            ),
            PlanOccurrenceTest::Property { operand, test } => Test::Rows(
                sources
                    .iter()
                    .map(|source| Filter::bind_test(operand, test, source.stream, &binder))
                    .collect::<Result<_, _>>()?,
            ),
        };
        Ok(Self { occurrence, test })
    }

    pub(crate) fn cost_rows(&self) -> u64 {
        self.occurrence.cost_rows()
    }

    pub(crate) fn eval(&self, pass: &mut ChunkPass<'_>, wanted: &Words, found: &mut Words) {
        let (range, anchor) = match &self.test {
            Test::Rows(filters) => {
                *found = self.occurrence.verdicts(pass, wanted, filters);
                return;
            }
            Test::When { range, anchor } => (range, anchor),
        };
        found.fill(0);
        let machine = pass.machine;
        let mut times = pass.scratch.i64s.take();
        let mut having = words::EMPTY;
        self.occurrence.times(pass, wanted, &mut times, &mut having);
        if !range.is_empty() {
            machine.or_i64_within(&times, range.from.0, range.to.0 - 1, found);
            words::and(found, &having);
        }
        if let Some(anchor) = anchor {
            let having = *found;
            let bounds = anchor.bounds(pass, &having);
            words::for_each(&having, |user| {
                if !(bounds.low[user]..=bounds.high[user]).contains(&times[user]) {
                    found[user / 64] &= !(1 << (user % 64));
                }
            });
            bounds.give(pass.scratch);
        }
        pass.scratch.i64s.give(times);
    }
}
