//! Events in order: for every step an event of its own, each at or after the one before, the last
//! at most so long after the first.
//!
//! Users that lack a step drop out first, by index or scan. Of the others, events are gathered in
//! order of time, and for every number of steps taken the latest instant at which such a chain can
//! have begun is kept: of two chains of one length the later begun is never worse. So any choice of
//! events counts, not only the greedy one, and the work is steps times events.

use super::chains::{Chains, Gathered};
use crate::EvalError;
use crate::dataset::Binder;
use crate::events::{Anchor, Events, UserBounds};
use crate::kernel::{BLOCK, Machine};
use crate::profile::Tally;
use crate::scratch::Scratch;
use crate::words::{self, Words};
use crowdset_query::PlanSequence;
use crowdset_types::{ChunkId, DurationMillis};
use std::collections::BTreeMap;

/// `sequence(…)`, made ready.
pub(crate) struct Sequence<'a> {
    /// The events of each step, without the user's own window.
    steps: Vec<Events<'a>>,
    anchor: Option<Box<Anchor<'a>>>,
    within: Option<DurationMillis>,
    /// The streams in order of partition, then name.
    streams: Vec<Lookers>,
}

/// Who looks at a stream: steps, and the stream's position among each step's sources.
type Lookers = Vec<(usize, usize)>;

impl<'a> Sequence<'a> {
    pub(crate) fn bind(binder: Binder<'a>, plan: &'a PlanSequence) -> Result<Self, EvalError> {
        let range = plan.window.range;
        let steps: Vec<Events<'a>> = plan
            .steps
            .iter()
            .map(|step| Events::bind_range(binder, &step.selector, range))
            .collect::<Result<_, _>>()?;
        let mut streams: BTreeMap<(usize, &str), Lookers> = BTreeMap::new();
        for (step, events) in steps.iter().enumerate() {
            for (position, source) in events.sources.iter().enumerate() {
                let stream = (source.partition, source.stream.name());
                streams.entry(stream).or_default().push((step, position));
            }
        }
        let streams = streams.into_values().collect();
        Ok(Self {
            steps,
            anchor: Anchor::bind(binder, &plan.window)?,
            within: plan.within,
            streams,
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
        let mut gathered = std::mem::take(&mut scratch.gathered);
        gathered.reset(self.steps.len());
        self.gather(
            machine,
            chunk,
            &candidates,
            bounds.as_ref(),
            tally,
            &mut gathered,
        );
        gathered.sort();
        Chains::new(self.steps.len(), self.within).find(&gathered, &candidates, found);
        scratch.gathered = gathered;
        if let Some(bounds) = bounds {
            bounds.give(scratch);
        }
    }

    /// Adds the candidates' events that fit any step, each once however many steps it fits.
    fn gather(
        &self,
        machine: Machine,
        chunk: ChunkId,
        candidates: &Words,
        bounds: Option<&UserBounds>,
        tally: &mut Tally,
        gathered: &mut Gathered,
    ) {
        let mut masks: Vec<[u8; BLOCK]> = Vec::new();
        let mut times = [0_i64; BLOCK];
        let mut fitting = [0_u64; BLOCK];
        for lookers in &self.streams {
            masks.resize(masks.len().max(lookers.len()), [0; BLOCK]);
            // All steps have the same window, so they see the same rows of the stream.
            let (step, position) = lookers[0];
            let source = &self.steps[step].sources[position];
            let rows = source.stream.rows_in(chunk, source.range);
            tally.rows += rows.len() as u64;
            for start in rows.clone().step_by(BLOCK) {
                let block = start..rows.end.min(start + BLOCK);
                let len = block.len();
                tally.bytes += len as u64 * 6;
                for (mask, &(step, position)) in masks.iter_mut().zip(lookers) {
                    let source = &self.steps[step].sources[position];
                    tally.bytes += len as u64 * source.filter.bytes_per_row();
                    source.mask(machine, chunk, block.clone(), bounds, &mut mask[..len]);
                }
                source.read_times(block.clone(), &mut times[..len]);
                let users = &source.stream.users()[block];
                if self.steps.len() > 64 {
                    for (index, (&user, &time)) in users.iter().zip(&times).enumerate() {
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
                    continue;
                }
                let fitting = &mut fitting[..len];
                fitting.fill(0);
                for (mask, &(step, _)) in masks.iter().zip(lookers) {
                    for (fitting, &mask) in fitting.iter_mut().zip(mask) {
                        *fitting |= u64::from(mask) << step;
                    }
                }
                gathered.add(users, &times[..len], fitting, candidates);
            }
        }
    }
}
