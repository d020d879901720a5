//! Who has a sequence, and who has none, by coarse time.
//!
//! The window is cut into 32 slots. For each step a word per user tells in which slots the user
//! has an event of it. Events of different slots are in order, and slots bound how far apart they are;
//! so a look at the words decides about most users, and rows are put into order for the others only.
//!
//! ```text
//! slots          0 1 2 3 4 5 6 7
//! viewed         x . . x . . . .
//! added          . x . . . . . .      0 < 1 < 4: a chain, within 5 slots at most
//! purchased      . . . . x . . .
//! ```

use crate::events::{Events, Rows, TIME_BYTES};
use crate::kernel::Machine;
use crate::pass::ChunkPass;
use crate::widths::with_offsets;
use crate::words::{self, Words};
use crowdset_types::{CHUNK_USERS, DurationMillis};

/// Sequences of more steps go without: a worker takes 64 KB for each.
pub(crate) const STEPS_MAX: usize = 8;

const SLOTS: u32 = u32::BITS;

/// Time is counted in units of which there are fewer in a window than this power of two.
const UNITS_BITS: u32 = 26;

/// How time is cut into slots.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slots {
    /// Where the first one begins.
    start: i64,
    /// A unit is `2^shift` milliseconds.
    shift: u32,
    /// Slots a unit, times `2^32`.
    factor: u64,
}

impl Slots {
    /// Cuts the time from one instant to another, which is after it.
    fn new(start: i64, end: i64) -> Self {
        let last = end.wrapping_sub(start).wrapping_sub(1) as u64;
        let shift = (u64::BITS - last.leading_zeros()).saturating_sub(UNITS_BITS);
        let factor = (u64::from(SLOTS) << 32) / ((last >> shift) + 1);
        Self {
            start,
            shift,
            factor,
        }
    }

    /// A bit for the slot of an instant between the two, so many milliseconds after a base.
    #[inline]
    pub(crate) fn bit(self, base: i64, offset: u64) -> u32 {
        let time = base.wrapping_sub(self.start).wrapping_add(offset as i64) as u64;
        1_u32.wrapping_shl(((time >> self.shift).wrapping_mul(self.factor) >> 32) as u32)
    }

    /// How far from one another instants in slots that are so many apart may lie at most, and how far
    /// they do at least; or a little farther, and less far.
    fn distances(self, apart: u32) -> (u128, u128) {
        let factor = u128::from(self.factor);
        let millis = |units: u128| units << self.shift;
        let most = (u128::from(apart + 1) << 32).div_ceil(factor);
        let least = (u128::from(apart.saturating_sub(1)) << 32) / factor;
        (millis(most + 1), millis(least.saturating_sub(1)))
    }
}

/// Made ready for one sequence.
pub(super) struct Sieve {
    slots: Slots,
    /// Steps in slots that ascend are a chain if the last is at most so many after the first.
    sure: Option<u32>,
    /// Without slots that do not descend, and the last at most so many after the first, there is none.
    possible: u32,
    /// The steps, those of few rows first.
    order: Vec<usize>,
}

/// What the slots tell.
pub(super) struct Sieved {
    /// Who has a chain.
    pub(super) sure: Words,
    /// Who else may have one.
    pub(super) open: Words,
}

impl Sieve {
    /// `steps`: the events of each step. `None` if there are too many steps, or one without rows.
    pub(super) fn new(steps: &[Events<'_>], within: Option<DurationMillis>) -> Option<Self> {
        if steps.len() > STEPS_MAX || steps.iter().any(|step| step.sources.is_empty()) {
            return None;
        }
        let sources = || steps.iter().flat_map(|step| &step.sources);
        let start = sources().map(|source| source.range.from.0).min()?;
        let end = sources().map(|source| source.range.to.0).max()?;
        let slots = Slots::new(start, end);
        let (sure, possible) = slots_within(slots, within);
        let mut order: Vec<usize> = (0..steps.len()).collect();
        order.sort_by_key(|&step| steps[step].cost_rows());
        Some(Self {
            slots,
            sure,
            possible,
            order,
        })
    }

    /// Looks at the rows of the wanted users.
    pub(super) fn find(
        &self,
        steps: &[Events<'_>],
        pass: &mut ChunkPass<'_>,
        wanted: &Words,
    ) -> Sieved {
        let machine = pass.machine;
        let mut sieved = Sieved {
            sure: words::EMPTY,
            open: words::EMPTY,
        };
        let mut candidates = *wanted;
        let mut slots: [Option<Box<[u32; CHUNK_USERS]>>; STEPS_MAX] = Default::default();
        for &step in &self.order {
            let mut of_step = pass.scratch.u32s.take();
            of_step.fill(0);
            let events = &steps[step];
            let mut rows_len = 0;
            events.scan(pass, &candidates, &mut |rows| {
                rows_len += rows.users.len();
                self.mark(events, machine, rows, &mut of_step);
            });
            pass.tally.bytes += rows_len as u64 * TIME_BYTES;
            machine.and_not_zero(&of_step, &mut candidates);
            slots[step] = Some(of_step);
            if words::is_empty(&candidates) {
                break;
            }
        }
        let len = words::count(&candidates) as usize;
        if len > 0 {
            // The words of the candidates come first. No place is after the user's own.
            for of_step in slots.iter_mut().flatten() {
                let mut place = 0;
                words::for_each(&candidates, |user| {
                    of_step[place] = of_step[user];
                    place += 1;
                });
            }
            let mut verdicts = pass.scratch.u8s.take();
            machine.chains(&slots[..steps.len()], len, 0, self.possible, &mut verdicts);
            words::mark(&candidates, &verdicts[..], &mut sieved.open);
            if let Some(sure) = self.sure {
                machine.chains(&slots[..steps.len()], len, 1, sure, &mut verdicts);
                words::mark(&candidates, &verdicts[..], &mut sieved.sure);
                words::and_not(&mut sieved.open, &sieved.sure);
            }
            pass.scratch.u8s.give(verdicts);
        }
        for of_step in slots.into_iter().flatten() {
            pass.scratch.u32s.give(of_step);
        }
        sieved
    }

    /// Notes the slots of rows for their users.
    fn mark(
        &self,
        events: &Events<'_>,
        machine: Machine,
        rows: &Rows<'_>,
        slots: &mut [u32; CHUNK_USERS],
    ) {
        let times = events.sources[rows.source].stream.times();
        let (base, cut) = (times.base, self.slots);
        with_offsets!(times.offsets, offsets => {
            let offsets = &offsets[rows.range.clone()];
            match rows.mask {
                None => machine.mark_slots(rows.users, offsets, base, cut, slots),
                Some(mask) => {
                    machine.mark_slots_masked(rows.users, mask, offsets, base, cut, slots);
                }
            }
        });
    }
}

/// How many slots the last event may be after the first, to be surely within so long of it, and to be
/// possibly within.
fn slots_within(slots: Slots, within: Option<DurationMillis>) -> (Option<u32>, u32) {
    let Some(within) = within else {
        return (Some(SLOTS - 1), SLOTS - 1);
    };
    let within = within.0.max(0) as u128;
    let all = || (0..SLOTS).rev();
    let sure = all().find(|&apart| slots.distances(apart).0 <= within);
    let possible = all().find(|&apart| slots.distances(apart).1 <= within);
    (sure, possible.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kernels;
    use crate::scratch::Pool;

    #[test]
    fn what_slots_tell_holds_at_every_instant() {
        for (start, end) in [
            (-3, -2),
            (0, 31),
            (5, 38),
            (7, 160),
            (0, (1 << 40) + 12_345),
            (i64::MIN, i64::MAX),
        ] {
            let slots = Slots::new(start, end);
            let length = end.wrapping_sub(start) as u64;
            let slot = |time: u64| {
                slots
                    .bit(start.wrapping_add(time as i64), 0)
                    .trailing_zeros()
            };
            let step = (length / 80).max(1) as usize;
            let times: Vec<u64> = (0..length).step_by(step).chain([length - 1]).collect();
            assert!(times.iter().all(|&time| slot(time) < SLOTS));
            for &within in &times {
                let within = i64::try_from(within).unwrap_or(i64::MAX);
                let (sure, possible) = slots_within(slots, Some(DurationMillis(within)));
                for (number, &first) in times.iter().enumerate() {
                    for &last in &times[number..] {
                        let apart = slot(last) - slot(first);
                        let is_within = last - first <= within as u64;
                        assert!(!is_within || apart <= possible, "{first} {last} {within}");
                        assert!(is_within || sure.is_none_or(|sure| apart > sure));
                    }
                }
            }
        }
    }

    /// Slots of steps one after the other, ascending by at least so many, the last at most so many after
    /// the first.
    fn has_chain(slots: &[u32], least: u32, most: u32) -> bool {
        fn goes_on(slots: &[u32], from: u32, to: u32, least: u32) -> bool {
            let Some((next, rest)) = slots.split_first() else {
                return true;
            };
            (from..=to).any(|slot| next >> slot & 1 == 1 && goes_on(rest, slot + least, to, least))
        }
        (0..SLOTS).any(|first| {
            slots[0] >> first & 1 == 1
                && goes_on(
                    &slots[1..],
                    first + least,
                    (SLOTS - 1).min(first + most),
                    least,
                )
        })
    }

    #[test]
    fn chains_are_those_of_the_slots() {
        let mut seed = 3_u64;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            seed >> 32
        };
        for steps in 1..=4 {
            let mut slots: Vec<_> = (0..steps)
                .map(|_| Some(Pool::<u32>::default().take()))
                .collect();
            let len = 203;
            for of_step in slots.iter_mut().flatten() {
                for word in &mut of_step[..len] {
                    for _ in 0..=random() % 3 {
                        *word |= 1 << (random() % 32);
                    }
                }
            }
            for machine in [Machine::new(Kernels::Simd), Machine::new(Kernels::Scalar)] {
                for (least, most) in [(0, 0), (0, 5), (1, 5), (1, 0), (0, 31), (1, 31)] {
                    let mut verdicts = [7; CHUNK_USERS];
                    machine.chains(&slots, len, least, most, &mut verdicts);
                    for (user, &verdict) in verdicts[..len].iter().enumerate() {
                        let of_user = slots.iter().flatten().map(|of_step| of_step[user]);
                        let of_user: Vec<u32> = of_user.collect();
                        let expected = has_chain(&of_user, least, most);
                        assert_eq!(verdict == 1, expected, "{of_user:?}, {least}, {most}");
                    }
                }
            }
        }
    }
}
