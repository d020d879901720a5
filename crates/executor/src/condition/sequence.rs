//! Events in order: for every step an event of its own, each at or after the one before, the last
//! at most so long after the first.
//!
//! Users that lack a step drop out first, and most others are decided about by coarse time
//! ([`super::sieve`]). Of those that are left, events are gathered in
//! order of time, and for every number of steps taken the latest instant at which such a chain can
//! have begun is kept: of two chains of one length the later begun is never worse. So any choice of
//! events counts, not only the greedy one, and the work is steps times events. Where no row fits two
//! steps, rows are merged instead of gathered by user ([`super::funnel`]). Sequences that bind their
//! steps further go the way of [`super::hops`].

use super::chains::{Chains, Gathered};
use super::funnel::Funnel;
use super::linked::Binding;
use super::sieve::Sieve;
use crate::EvalError;
use crate::anchor::{Anchor, UserBounds};
use crate::dataset::Binder;
use crate::events::{Events, TIME_BYTES};
use crate::kernel::BLOCK;
use crate::pass::ChunkPass;
use crate::words::{self, Words};
use crowdset_query::{PlanSelector, PlanSequence};
use crowdset_types::DurationMillis;
use std::collections::BTreeMap;
use std::ops::Range;

/// `sequence(…)`, made ready.
pub(crate) struct Sequence<'a> {
    /// The events of each step, then those unwanted between steps, then all if their order matters;
    /// without the user's own window.
    lookers: Vec<Events<'a>>,
    steps: usize,
    anchor: Option<Box<Anchor<'a>>>,
    within: Option<DurationMillis>,
    /// The streams in order of partition, then name.
    streams: Vec<Lookers>,
    /// What binds steps, if something does.
    binding: Option<Binding<'a>>,
    /// Otherwise: whether no row fits two steps, so that rows can be merged.
    funnel: Option<Funnel>,
    /// Tells about most users beforehand.
    sieve: Option<Sieve>,
}

/// Who looks at a stream, and the stream's position among each one's sources.
type Lookers = Vec<(usize, usize)>;

/// Some rows of one stream, all of one chunk.
pub(super) struct Block<'s> {
    /// Position of the stream.
    pub(super) stream: usize,
    pub(super) lookers: &'s [(usize, usize)],
    pub(super) rows: Range<usize>,
    pub(super) users: &'s [u16],
    pub(super) times: &'s [i64],
    /// For each looker, 1 for each row that it looks for.
    pub(super) masks: &'s [[u8; BLOCK]],
}

/// Whether a sequence asks for more than steps in order within a time.
fn is_bound(plan: &PlanSequence) -> bool {
    let is_bound = |step: &crowdset_query::PlanStep| {
        let hop = &step.hop;
        hop.least.0 > 0 || hop.most.is_some() || hop.directly || !hop.without.is_empty()
    };
    plan.strictly || !plan.same.is_empty() || plan.steps.iter().any(is_bound)
}

impl<'a> Sequence<'a> {
    pub(crate) fn bind(binder: Binder<'a>, plan: &'a PlanSequence) -> Result<Self, EvalError> {
        let range = plan.window.range;
        let steps = plan.steps.iter().map(|step| &step.selector);
        let unwanted = plan.steps.iter().flat_map(|step| &step.hop.without);
        let selectors: Vec<&'a PlanSelector> = steps.chain(unwanted).chain(&plan.all).collect();
        let lookers: Vec<Events<'a>> = selectors
            .into_iter()
            .map(|selector| Events::bind_range(binder, selector, range))
            .collect::<Result<_, _>>()?;
        let mut streams: BTreeMap<(usize, &str), Lookers> = BTreeMap::new();
        for (looker, events) in lookers.iter().enumerate() {
            for (position, source) in events.sources.iter().enumerate() {
                let stream = (source.partition, source.stream.name());
                streams.entry(stream).or_default().push((looker, position));
            }
        }
        let streams: Vec<Lookers> = streams.into_values().collect();
        let binding = if is_bound(plan) {
            let of_lookers = streams.iter().map(|of_stream| {
                let (looker, position) = of_stream[0];
                lookers[looker].sources[position].stream
            });
            Some(Binding::new(plan, of_lookers)?)
        } else {
            None
        };
        let is_apart = streams.iter().all(|lookers| lookers.len() == 1);
        let funnel = if binding.is_none() && is_apart && binder.options.funnels {
            Funnel::new(&lookers, plan.within)
        } else {
            None
        };
        let steps = plan.steps.len();
        let sieve = if binder.options.sieves {
            Sieve::new(&lookers[..steps], plan.within)
        } else {
            None
        };
        Ok(Self {
            sieve,
            funnel,
            anchor: Anchor::bind(binder, &plan.window)?,
            within: plan.within,
            steps,
            lookers,
            streams,
            binding,
        })
    }

    pub(crate) fn cost_rows(&self) -> u64 {
        self.lookers
            .iter()
            .map(|looker| looker.cost_rows() * 3)
            .sum()
    }

    pub(crate) fn eval(&self, pass: &mut ChunkPass<'_>, wanted: &Words, found: &mut Words) {
        found.fill(0);
        let Some(candidates) = self.candidates(pass, wanted, found) else {
            return;
        };
        let bounds = self
            .anchor
            .as_ref()
            .map(|anchor| anchor.bounds(pass, &candidates));
        if let Some(binding) = &self.binding {
            let mut linked = std::mem::take(&mut pass.scratch.linked);
            Binding::reset(&mut linked);
            self.visit(pass, bounds.as_ref(), &mut |block| {
                binding.add(&mut linked, block, &candidates);
            });
            if let Err(error) = binding.find(&mut linked, found) {
                pass.scratch.failure = Some(error);
            }
            pass.scratch.linked = linked;
        } else if let Some(funnel) = &self.funnel {
            funnel.find(&self.lookers, pass, bounds.as_ref(), &candidates, found);
        } else {
            let mut gathered = std::mem::take(&mut pass.scratch.gathered);
            gathered.reset(self.steps);
            let mut fitting = [0_u64; BLOCK];
            self.visit(pass, bounds.as_ref(), &mut |block| {
                self.gather(block, &candidates, &mut fitting, &mut gathered);
            });
            gathered.sort();
            Chains::new(self.steps, self.within).find(&gathered, &candidates, found);
            pass.scratch.gathered = gathered;
        }
        if let Some(bounds) = bounds {
            bounds.give(pass.scratch);
        }
    }

    /// Adds users who have a sequence, and finds out who else may have one; `None`: nobody. The user's own
    /// window comes later: it can only take events away.
    fn candidates(
        &self,
        pass: &mut ChunkPass<'_>,
        wanted: &Words,
        found: &mut Words,
    ) -> Option<Words> {
        let steps = &self.lookers[..self.steps];
        let mut candidates = *wanted;
        if let Some(sieve) = &self.sieve {
            let sieved = sieve.find(steps, pass, wanted);
            candidates = sieved.open;
            // What else is asked of the events, slots do not tell.
            if self.binding.is_none() && self.anchor.is_none() {
                *found = sieved.sure;
            } else {
                words::or(&mut candidates, &sieved.sure);
            }
            return (!words::is_empty(&candidates)).then_some(candidates);
        }
        // Without an event for each step there is no sequence.
        for step in steps {
            let mut did = words::EMPTY;
            step.did(pass, &candidates, &mut did);
            candidates = did;
            if words::is_empty(&candidates) {
                return None;
            }
        }
        Some(candidates)
    }

    /// Hands out the rows of all streams, and who looks for which.
    fn visit(
        &self,
        pass: &mut ChunkPass<'_>,
        bounds: Option<&UserBounds>,
        visit: &mut dyn FnMut(&Block<'_>),
    ) {
        let mut masks: Vec<[u8; BLOCK]> = Vec::new();
        let mut times = [0_i64; BLOCK];
        for (stream, lookers) in self.streams.iter().enumerate() {
            masks.resize(masks.len().max(lookers.len()), [0; BLOCK]);
            // All have the same window, so they see the same rows of the stream.
            let (looker, position) = lookers[0];
            let source = &self.lookers[looker].sources[position];
            let rows = source.stream.rows_in(pass.chunk, source.range);
            source.read(pass, rows.len());
            source.skip_all_but(pass, rows.len());
            let others = lookers[1..].iter();
            let filters = others.map(|&(looker, position)| {
                let source = &self.lookers[looker].sources[position];
                source.filter.bytes_per_row()
            });
            pass.tally.bytes += rows.len() as u64 * (TIME_BYTES + filters.sum::<u64>());
            for start in rows.clone().step_by(BLOCK) {
                let block = start..rows.end.min(start + BLOCK);
                let len = block.len();
                for (mask, &(looker, position)) in masks.iter_mut().zip(lookers) {
                    let source = &self.lookers[looker].sources[position];
                    source.mask(pass, block.clone(), bounds, &mut mask[..len]);
                }
                source.read_times(block.clone(), &mut times[..len]);
                visit(&Block {
                    stream,
                    lookers,
                    users: &source.stream.users()[block.clone()],
                    times: &times[..len],
                    masks: &masks[..lookers.len()],
                    rows: block,
                });
            }
        }
    }

    /// Adds the candidates' events that fit any step, each once however many steps it fits.
    fn gather(
        &self,
        block: &Block<'_>,
        candidates: &Words,
        fitting: &mut [u64; BLOCK],
        gathered: &mut Gathered,
    ) {
        let Block {
            lookers,
            users,
            times,
            masks,
            ..
        } = *block;
        if self.steps > 64 {
            for (index, (&user, &time)) in users.iter().zip(times).enumerate() {
                let mut steps = masks
                    .iter()
                    .zip(lookers)
                    .filter(|(mask, _)| mask[index] == 1)
                    .map(|(_, &(step, _))| step)
                    .peekable();
                if words::get(candidates, user as usize) && steps.peek().is_some() {
                    gathered.add_wide(user, time, steps);
                }
            }
            return;
        }
        let fitting = &mut fitting[..users.len()];
        fitting.fill(0);
        for (mask, &(step, _)) in masks.iter().zip(lookers) {
            for (fitting, &mask) in fitting.iter_mut().zip(mask) {
                *fitting |= u64::from(mask) << step;
            }
        }
        gathered.add(users, times, fitting, candidates);
    }
}
