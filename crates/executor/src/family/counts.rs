//! Families of counts: who did at all, or so many times.

use super::picked::{PickedFeed, SelectedFeed};
use super::watch::{CountTest, Watch};
use super::windows::{Step, Walk};
use super::{Member, Stops};
use crate::EvalError;
use crate::answered::Answered;
use crate::condition::{NarrowTest, narrow};
use crate::events::{Events, Source};
use crate::filter::Filter;
use crate::kernel::Machine;
use crate::pass::ChunkPass;
use crate::words::{self, Words};
use crowdset_types::{CHUNK_USERS, TimeRange};

/// Nanoseconds a row, and nanoseconds a test of all users of a chunk: measured, and rough.
const BITS: (f64, f64) = (0.3, 50.0);
const NARROW: (f64, f64) = (0.4, 1_000.0);
const WIDE: (f64, f64) = (0.45, 3_000.0);
const WATCHED: (f64, f64) = (1.5, 200.0);

/// Counts of one selector's events in several windows.
pub(crate) struct Counts {
    stops: Vec<Stop>,
    counters: Counters,
    /// The one test that all windows ask, if that is so and rows come and go.
    watched: Option<CountTest>,
    /// Rows with a filter come and go: they are picked first.
    is_picked: bool,
    rows: u64,
}

/// Takes users of rows, and 1 for each row that counts if not all do.
pub(super) type VisitRows<'v> = dyn FnMut(&[u16], Option<&[u8]>) + 'v;

/// Where the rows of a family come from.
pub(super) trait Feed {
    /// Adds the users of the rows of a range of time.
    fn users(&self, pass: &mut ChunkPass<'_>, range: TimeRange, users: &mut Words);

    /// Hands out the rows of a range of time.
    fn rows(&self, pass: &mut ChunkPass<'_>, range: TimeRange, visit: &mut VisitRows<'_>);
}

impl Feed for Events<'_> {
    fn users(&self, pass: &mut ChunkPass<'_>, range: TimeRange, users: &mut Words) {
        self.did_in(pass, range, users);
    }

    fn rows(&self, pass: &mut ChunkPass<'_>, range: TimeRange, visit: &mut VisitRows<'_>) {
        self.scan_range(pass, range, &mut |rows| visit(rows.users, rows.mask));
    }
}

/// A window and what is asked there.
struct Stop {
    step: Step,
    asked: Vec<Asked>,
}

/// A member's test.
pub(super) struct Asked {
    condition: usize,
    pub(super) passing: Passing,
}

/// Which counts pass.
pub(super) enum Passing {
    Nobody,
    Everyone,
    /// Those with a row, or those without.
    Did {
        is_negated: bool,
    },
    Narrow(NarrowTest),
    /// Counts within, both ends inclusive.
    Ranges(Vec<(u64, u64)>),
}

/// What is kept of each user's rows.
#[derive(Clone, Copy)]
enum Counters {
    /// Whether there is any.
    Bits,
    /// Up to 255: enough for small thresholds while windows grow.
    Narrow,
    /// All: rows can be taken back.
    Wide,
}

impl Passing {
    fn new(ranges: Vec<(u64, u64)>) -> Self {
        let last = u64::from(u32::MAX);
        match ranges[..] {
            [] => Self::Nobody,
            [(0, high)] if high == last => Self::Everyone,
            [(1, high)] if high == last => Self::Did { is_negated: false },
            [(0, 0)] => Self::Did { is_negated: true },
            _ => match narrow(&ranges) {
                Some(test) => Self::Narrow(test),
                None => Self::Ranges(ranges),
            },
        }
    }

    /// As a test of one range of counts; `None` for several ranges, and where counts do not matter.
    fn count_test(&self) -> Option<CountTest> {
        let (low, high, is_outside) = match self {
            Self::Did { is_negated } => (1, u32::MAX, *is_negated),
            Self::Narrow(NarrowTest { low, high, outside }) => {
                let high = match *high {
                    u8::MAX => u32::MAX,
                    high => u32::from(high),
                };
                (u32::from(*low), high, *outside)
            }
            Self::Ranges(ranges) => match ranges[..] {
                [(low, high)] => (low as u32, high as u32, false),
                _ => return None,
            },
            Self::Nobody | Self::Everyone => return None,
        };
        Some(CountTest {
            low,
            high,
            is_outside,
        })
    }
}

impl Counts {
    /// `events`: all that the windows may hold.
    pub(super) fn bind(
        members: &[Member<'_>],
        stops: &Stops,
        events: &Events<'_>,
    ) -> Result<Self, EvalError> {
        let mut asked = Vec::with_capacity(stops.windows.len());
        for positions in &stops.members {
            let of_stop = positions
                .iter()
                .map(|&position| Asked::new(&members[position]));
            asked.push(of_stop.collect::<Result<Vec<_>, EvalError>>()?);
        }
        let tests = || asked.iter().flatten().map(|asked| &asked.passing);
        let counters = if tests().any(|passing| matches!(passing, Passing::Ranges(_))) {
            Counters::Wide
        } else if tests().any(|passing| matches!(passing, Passing::Narrow(_))) {
            Counters::Narrow
        } else {
            Counters::Bits
        };
        // Of how many chunks' worth of users: costs are those of a chunk.
        let chunks = events.sources.iter().map(|source| source.stream.chunks());
        let chunks = chunks.max().unwrap_or(1).max(1) as f64;
        let nanos = |walk: &Walk, (row, test): (f64, f64)| {
            stops.rows(walk, events) / chunks * row + tests().count() as f64 * test
        };
        let mut asked_tests = tests().map(Passing::count_test);
        let watched = asked_tests.next().flatten();
        let watched = watched.filter(|test| asked_tests.all(|other| other == Some(*test)));
        let nested = Walk::nested(&stops.windows, false);
        let of_nested = match counters {
            Counters::Bits => BITS,
            Counters::Narrow => NARROW,
            Counters::Wide => WIDE,
        };
        let sliding = Walk::sliding(&stops.windows);
        let of_sliding = match watched {
            Some(_) => nanos(&sliding, WIDE).min(nanos(&sliding, WATCHED)),
            None => nanos(&sliding, WIDE),
        };
        let slides = of_sliding < nanos(&nested, of_nested);
        let (walk, counters) = if slides {
            (sliding, Counters::Wide)
        } else {
            (nested, counters)
        };
        let is_plain = |source: &Source<'_>| matches!(source.filter, Filter::Always);
        let rows = stops.rows(&walk, events) as u64;
        let mut asked: Vec<Option<Vec<Asked>>> = asked.into_iter().map(Some).collect();
        let stops = walk.steps.into_iter().map(|step| Stop {
            asked: asked[step.window].take().unwrap_or_default(),
            step,
        });
        Ok(Self {
            stops: stops.collect(),
            counters,
            watched: watched.filter(|_| slides),
            is_picked: slides && !events.sources.iter().all(is_plain),
            rows,
        })
    }

    pub(super) fn cost_rows(&self) -> u64 {
        self.rows
    }

    /// Puts the answers of all members among those of the chunk's pass, from the family's own rows.
    pub(super) fn eval_events(
        &self,
        events: &Events<'_>,
        pass: &mut ChunkPass<'_>,
        universe: &Words,
    ) {
        let kept = events.selection();
        if let Some((selection, rows)) = kept.and_then(|kept| Some((kept, kept.all_rows(pass)?))) {
            self.eval(&SelectedFeed { selection, rows }, pass, universe);
            return;
        }
        if !self.is_picked {
            self.eval(events, pass, universe);
            return;
        }
        let mut picks = std::mem::take(&mut pass.scratch.picks);
        picks.pick(events, pass);
        let feed = PickedFeed {
            events,
            picks: &picks,
        };
        self.eval(&feed, pass, universe);
        pass.scratch.picks = picks;
    }

    /// The same, from rows that come from elsewhere.
    pub(super) fn eval(&self, feed: &impl Feed, pass: &mut ChunkPass<'_>, universe: &Words) {
        match self.counters {
            Counters::Bits => self.eval_bits(feed, pass, universe),
            Counters::Narrow => self.eval_narrow(feed, pass, universe),
            Counters::Wide => self.eval_wide(feed, pass, universe),
        }
    }

    fn eval_bits(&self, feed: &impl Feed, pass: &mut ChunkPass<'_>, universe: &Words) {
        let mut users = words::EMPTY;
        for Stop { step, asked } in &self.stops {
            if step.is_fresh {
                users = words::EMPTY;
            }
            for &range in &step.enter {
                feed.users(pass, range, &mut users);
            }
            for asked in asked {
                asked.put_users(&users, &mut pass.scratch.answers, universe);
            }
        }
    }

    fn eval_narrow(&self, feed: &impl Feed, pass: &mut ChunkPass<'_>, universe: &Words) {
        let machine = pass.machine;
        let mut counters = pass.scratch.u8s.take();
        for Stop { step, asked } in &self.stops {
            if step.is_fresh {
                counters.fill(0);
            }
            for &range in &step.enter {
                feed.rows(pass, range, &mut |users, mask| match mask {
                    None => machine.count_u8(users, &mut counters),
                    Some(mask) => machine.count_u8_masked(users, mask, &mut counters),
                });
            }
            for asked in asked {
                asked.put_narrow(machine, &counters, &mut pass.scratch.answers, universe);
            }
        }
        pass.scratch.u8s.give(counters);
    }

    fn eval_wide(&self, feed: &impl Feed, pass: &mut ChunkPass<'_>, universe: &Words) {
        let machine = pass.machine;
        let mut counters = pass.scratch.u32s.take();
        let mut watch = self.watched.map(Watch::new);
        for Stop { step, asked } in &self.stops {
            if step.is_fresh {
                counters.fill(0);
                watch.iter_mut().for_each(Watch::clear);
            }
            let mut is_watched = |users: &[u16], mask: Option<&[u8]>, by, counters: &mut _| {
                let watch = watch.as_mut();
                watch.is_some_and(|watch| watch.add(users, mask, by, counters))
            };
            for &range in &step.enter {
                feed.rows(pass, range, &mut |users, mask| {
                    if !is_watched(users, mask, 1, &mut *counters) {
                        match mask {
                            None => machine.count_u32(users, &mut counters),
                            Some(mask) => machine.count_u32_masked(users, mask, &mut counters),
                        }
                    }
                });
            }
            for &range in &step.leave {
                feed.rows(pass, range, &mut |users, mask| {
                    if !is_watched(users, mask, -1, &mut *counters) {
                        match mask {
                            None => machine.uncount_u32(users, &mut counters),
                            Some(mask) => machine.uncount_u32_masked(users, mask, &mut counters),
                        }
                    }
                });
            }
            let watched = watch.as_mut().map(|watch| watch.reach(machine, &counters));
            for asked in asked {
                if let Some(None) = watched {
                    pass.scratch.answers.put_nobody(asked.condition);
                    continue;
                }
                asked.put(&mut pass.scratch.answers, universe, |passing, found| {
                    if let Some(Some(users)) = watched {
                        *found = *users;
                    } else if let Some(test) = passing.count_test() {
                        test.find(machine, &counters, found);
                    } else {
                        found.fill(0);
                        let Passing::Ranges(ranges) = passing else {
                            return;
                        };
                        for &(low, high) in ranges {
                            machine.or_u32_within(&counters, low as u32, high as u32, found);
                        }
                    }
                });
            }
        }
        pass.scratch.u32s.give(counters);
    }
}

impl Asked {
    pub(super) fn new(member: &Member<'_>) -> Result<Self, EvalError> {
        Ok(Self {
            condition: member.condition,
            passing: Passing::new(member.question.count_ranges()?),
        })
    }

    /// Keeps the answer, from the users that have any row.
    pub(super) fn put_users(&self, users: &Words, answers: &mut Answered, universe: &Words) {
        self.put(answers, universe, |passing, found| match passing {
            Passing::Did { is_negated } => {
                *found = *users;
                negate(found, *is_negated);
            }
            _ => found.fill(0),
        });
    }

    /// Keeps the answer, from counts up to 255.
    pub(super) fn put_narrow(
        &self,
        machine: Machine,
        counts: &[u8; CHUNK_USERS],
        answers: &mut Answered,
        universe: &Words,
    ) {
        self.put(answers, universe, |passing, found| match passing {
            Passing::Did { is_negated } => {
                machine.counters_within(counts, 1, u8::MAX, *is_negated, found);
            }
            Passing::Narrow(NarrowTest { low, high, outside }) => {
                machine.counters_within(counts, *low, *high, *outside, found);
            }
            _ => found.fill(0),
        });
    }

    /// Keeps the answer; `find` writes the users that pass over a set that may be anything.
    fn put(
        &self,
        answers: &mut Answered,
        universe: &Words,
        find: impl FnOnce(&Passing, &mut Words),
    ) {
        let found = answers.put(self.condition);
        match &self.passing {
            Passing::Nobody => found.fill(0),
            Passing::Everyone => *found = *universe,
            passing => {
                find(passing, found);
                words::and(found, universe);
            }
        }
    }
}

fn negate(users: &mut Words, is_negated: bool) {
    let flip = if is_negated { u64::MAX } else { 0 };
    for word in users {
        *word ^= flip;
    }
}
