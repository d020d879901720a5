//! `did(E, after last(F))` and the like, where F is told apart by one property: the instants of each
//! user's last E are found once, and every F is compared with them.

use super::split::BranchFeed;
use super::{By, Member};
use crate::EvalError;
use crate::events::Events;
use crate::pass::ChunkPass;
use crate::words::{self, Words};
use crowdset_query::PlanEvents;
use crowdset_types::{CHUNK_USERS, TimeRange, TimestampMillis};

/// The instants of each user of a chunk.
type Instants = Box<[i64; CHUNK_USERS]>;

/// The events that have to follow others, each once.
#[derive(Default)]
pub(super) struct Lasts<'a> {
    found: Vec<(&'a PlanEvents, TimestampMillis, Events<'a>)>,
}

/// One condition.
pub(super) struct Followed {
    condition: usize,
    /// Where the followed event is looked for.
    range: TimeRange,
    /// Which of the [`Lasts`] has to come after it.
    last: usize,
    /// The last event is to be followed; otherwise the first.
    is_last: bool,
    /// An event of the same instant follows as well.
    is_since: bool,
}

impl<'a> Lasts<'a> {
    pub(super) fn bind(
        &mut self,
        members: &[Member<'a>],
        by: By<'a>,
    ) -> Result<Vec<Followed>, EvalError> {
        let binder = members[0].question.binder;
        let known = self.found.iter().position(|(events, as_of, _)| {
            // Filters may ask for attributes, which differ from instant to instant.
            *as_of == binder.as_of
                && events.selector == by.events.selector
                && events.window.range == by.events.window.range
        });
        let last = if let Some(known) = known {
            known
        } else {
            let window = by.events.window.range;
            let events = Events::bind_range(binder, &by.events.selector, window)?;
            self.found.push((by.events, binder.as_of, events));
            self.found.len() - 1
        };
        let followed = members.iter().map(|member| Followed {
            condition: member.condition,
            range: member.question.events.window.range,
            last,
            is_last: by.last,
            is_since: by.since,
        });
        Ok(followed.collect())
    }

    /// About how many rows are read, over all users.
    pub(super) fn cost_rows(&self) -> u64 {
        self.found
            .iter()
            .map(|(.., events)| events.cost_rows())
            .sum()
    }

    /// The instant of each user's last event, the least there is where there is none. To be given back
    /// to the pool.
    pub(super) fn eval(&self, pass: &mut ChunkPass<'_>) -> Vec<Instants> {
        let mut all = Vec::with_capacity(self.found.len());
        for (plan, _, events) in &self.found {
            let machine = pass.machine;
            let mut last = pass.scratch.i64s.take();
            last.fill(i64::MIN);
            events.scan_range(pass, plan.window.range, &mut |rows| {
                let source = &events.sources[rows.source];
                source.max_times(machine, rows, &mut last);
            });
            all.push(last);
        }
        all
    }
}

impl Followed {
    /// Puts the answer among those of the chunk's pass.
    pub(super) fn eval(
        &self,
        feed: &BranchFeed<'_, '_>,
        lasts: &[Instants],
        pass: &mut ChunkPass<'_>,
        universe: &Words,
    ) {
        // Only users with rows are looked at: where there are few, most of the array is never touched.
        let mut at = pass.scratch.i64s.take();
        let slot = |user: u16| usize::from(user) & (CHUNK_USERS - 1);
        let nothing = if self.is_last { i64::MIN } else { i64::MAX };
        feed.for_each(pass, self.range, |_, _, users| {
            for &user in users {
                at[slot(user)] = nothing;
            }
        });
        feed.for_each(pass, self.range, |stream, rows, users| {
            let times = stream.times();
            for (&row, &user) in rows.iter().zip(users) {
                let (time, at) = (times.get(row as usize), &mut at[slot(user)]);
                *at = if self.is_last {
                    time.max(*at)
                } else {
                    time.min(*at)
                };
            }
        });
        let mut found = words::EMPTY;
        let last = &lasts[self.last];
        feed.for_each(pass, self.range, |_, _, users| {
            for &user in users {
                let (user, at) = (slot(user), at[slot(user)]);
                let follows = (last[user] > at) | (self.is_since & (last[user] == at));
                found[user / 64] |= u64::from(follows) << (user % 64);
            }
        });
        words::and(&mut found, universe);
        *pass.scratch.answers.put(self.condition) = found;
        pass.scratch.i64s.give(at);
    }
}
