//! The users with the largest or the smallest measure. Everybody must be measured before anybody is
//! known to be selected, so this runs before the pass over chunks, which then reads a plain set.

use super::measure::{Measure, Numbers};
use crate::EvalError;
use crate::control::Control;
use crate::dataset::Binder;
use crate::one::Place;
use crate::pass::ChunkPass;
use crate::profile::Tally;
use crate::schedule::{Schedule, Work};
use crate::scratch::Scratch;
use crate::words::{self, Words};
use crowdset_query::PlanMeasure;
use crowdset_query::{RankEnd, RankSize};
use crowdset_storage::Users;
use crowdset_types::{CHUNK_WORDS, ChunkId, Number, UserOrdinal, compare_numbers};
use std::cmp::Ordering;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, PoisonError};

/// So many users are gathered before it is worth finding the best of them.
const GATHERED_LEAST: u64 = 4_096;

/// `top(…)` or `bottom(…)`, made ready.
pub(crate) struct Rank<'a> {
    end: RankEnd,
    size: RankSize,
    measure: Measure<'a>,
    users: &'a Users,
}

/// The best of the chunks measured so far, and what it takes to be among them.
struct Best {
    users: Mutex<Vec<(i64, u32)>>,
    /// Who has less cannot be selected any more; the other way round where the least are ranked.
    bound: AtomicI64,
}

/// Measured users; all chunks of one measure have the same kind.
enum Measured {
    /// Integers in the order of the numbers they stand for: they are gathered in [`Best`].
    Raw,
    Any(Vec<(Number, u32)>),
}

impl<'a> Rank<'a> {
    pub(crate) fn bind(
        binder: Binder<'a>,
        end: RankEnd,
        size: RankSize,
        measure: &'a PlanMeasure,
    ) -> Result<Self, EvalError> {
        let users = &*binder.dataset.users;
        users.touch_ranks()?;
        Ok(Self {
            end,
            size,
            measure: Measure::bind(binder, measure, u64::MAX)?,
            users,
        })
    }

    /// The selected users, one bit each.
    pub(crate) fn select(
        &self,
        schedule: &Schedule,
        control: &Control,
    ) -> Result<(Vec<u64>, Tally), EvalError> {
        let size = match self.size {
            RankSize::Users(users) => users,
            RankSize::Percent(_) => u64::MAX,
        };
        let (mut raw, mut any, candidates, tally) = self.measure_all(schedule, control, size)?;
        let size = self.size_of(candidates);
        self.keep_raw(&mut raw, size);
        self.keep_any(&mut any, size);
        let mut selected = vec![0; self.users.chunks() * CHUNK_WORDS];
        for ordinal in raw
            .iter()
            .map(|(_, user)| user)
            .chain(any.iter().map(|(_, user)| user))
        {
            selected[*ordinal as usize / 64] |= 1_u64 << (ordinal % 64);
        }
        Ok((selected, tally))
    }

    /// Where one user stands.
    pub(crate) fn place(
        &self,
        user: UserOrdinal,
        schedule: &Schedule,
        control: &Control,
    ) -> Result<Place, EvalError> {
        let (raw, any, candidates, _) = self.measure_all(schedule, control, u64::MAX)?;
        let position = self
            .position(&raw, user, |left, right| left.cmp(&right))
            .or_else(|| self.position(&any, user, compare_any));
        Ok(Place {
            position,
            candidates,
            size: self.size_of(candidates),
        })
    }

    /// The place of one user among the measured, from 1.
    fn position<T: Copy>(
        &self,
        users: &[(T, u32)],
        user: UserOrdinal,
        compare: impl Fn(T, T) -> Ordering,
    ) -> Option<u64> {
        let own = *users.iter().find(|(_, other)| *other == user.0)?;
        let before = users
            .iter()
            .filter(|other| self.order(**other, own, &compare).is_lt());
        Some(before.count() as u64 + 1)
    }

    /// Measures everybody; at least the first `size` of the ranking are returned, and how many
    /// candidates there are.
    #[allow(
        clippy::type_complexity,
        reason = "two kinds of numbers, one of them empty"
    )]
    fn measure_all(
        &self,
        schedule: &Schedule,
        control: &Control,
        size: u64,
    ) -> Result<(Vec<(i64, u32)>, Vec<(Number, u32)>, u64, Tally), EvalError> {
        let rows = self.measure.cost_rows() * 3;
        let work = Work {
            chunks: self.users.chunks(),
            rows,
            conditions: 2,
        };
        let best = Best {
            users: Mutex::default(),
            bound: AtomicI64::new(match self.end {
                RankEnd::Top => i64::MIN,
                RankEnd::Bottom => i64::MAX,
            }),
        };
        let measured = schedule.run(work, control, |chunk, scratch| {
            Ok(self.measure_chunk(schedule, chunk, scratch, size, &best))
        })?;
        let mut tally = Tally::default();
        let mut candidates = 0;
        let raw = best
            .users
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let mut any = Vec::new();
        for (measured, of_chunk, of_tally) in measured {
            candidates += of_chunk;
            tally.add(&of_tally);
            match measured {
                Measured::Raw => {}
                Measured::Any(users) => any.extend(users),
            }
        }
        Ok((raw, any, candidates, tally))
    }

    /// The candidates of a chunk that may be among the first `size`, and how many candidates there
    /// are.
    fn measure_chunk(
        &self,
        schedule: &Schedule,
        chunk: ChunkId,
        scratch: &mut Scratch,
        size: u64,
        best: &Best,
    ) -> (Measured, u64, Tally) {
        let machine = schedule.machine();
        let pass = &mut ChunkPass::new(machine, chunk, scratch);
        pass.tally.chunks = 1;
        let mut wanted = words::EMPTY;
        wanted.copy_from_slice(self.users.universe(chunk));
        // A count says itself who did it at all, and an attribute who has a value.
        let is_count = matches!(self.measure, Measure::Count(_));
        let says_itself = is_count || matches!(self.measure, Measure::Attribute(_));
        if !says_itself {
            // Only who did is ranked.
            let everyone = wanted;
            self.measure.candidates(pass, &everyone, &mut wanted);
        }
        let mut present = words::EMPTY;
        let numbers = self.measure.eval(pass, &wanted, &mut present);
        if let (true, Numbers::Counts(counts)) = (is_count, &numbers) {
            let mut did = words::EMPTY;
            machine.or_u32_within(counts, 1, u32::MAX, &mut did);
            words::and(&mut wanted, &did);
            present = wanted;
        }
        let candidates = words::count(if matches!(self.measure, Measure::Attribute(_)) {
            &present
        } else {
            &wanted
        });
        let first = chunk.first().0;
        let measured = match &numbers {
            Numbers::Counts(counts) => {
                let mut hopeful = words::EMPTY;
                let clamp = |bound: i64| bound.clamp(0, i64::from(u32::MAX)) as u32;
                let (low, high) = self.hopeful(best);
                machine.or_u32_within(counts, clamp(low), clamp(high), &mut hopeful);
                words::and(&mut hopeful, &present);
                self.gather(best, size, &hopeful, |user| {
                    (i64::from(counts[user]), first + user as u32)
                });
                Measured::Raw
            }
            Numbers::Scaled(values) => {
                let mut hopeful = words::EMPTY;
                let (low, high) = self.hopeful(best);
                machine.or_i64_within(values, low, high, &mut hopeful);
                words::and(&mut hopeful, &present);
                self.gather(best, size, &hopeful, |user| {
                    (values[user], first + user as u32)
                });
                Measured::Raw
            }
            Numbers::Any(numbers) => {
                let mut users = Vec::new();
                words::for_each(&present, |user| {
                    // Who has no number that compares has no rank.
                    if !numbers[user].to_f64().is_nan() {
                        users.push((numbers[user], first + user as u32));
                    }
                });
                self.keep_any(&mut users, size);
                Measured::Any(users)
            }
        };
        numbers.give(pass.scratch);
        (measured, candidates, pass.tally)
    }

    /// The values that may still be selected, both ends inclusive.
    fn hopeful(&self, best: &Best) -> (i64, i64) {
        let bound = best.bound.load(Relaxed);
        match self.end {
            RankEnd::Top => (bound, i64::MAX),
            RankEnd::Bottom => (i64::MIN, bound),
        }
    }

    /// Adds users to the best, and raises what it takes once there are many more than are asked for.
    fn gather(
        &self,
        best: &Best,
        size: u64,
        hopeful: &Words,
        value_of: impl Fn(usize) -> (i64, u32),
    ) {
        let mut users = best.users.lock().unwrap_or_else(PoisonError::into_inner);
        words::for_each(hopeful, |user| users.push(value_of(user)));
        if users.len() as u64 > size.saturating_mul(4).max(GATHERED_LEAST) {
            self.keep_raw(&mut users, size);
            let values = users.iter().map(|(value, _)| *value);
            let bound = match self.end {
                RankEnd::Top => values.min(),
                RankEnd::Bottom => values.max(),
            };
            if let Some(bound) = bound {
                best.bound.store(bound, Relaxed);
            }
        }
    }

    fn size_of(&self, candidates: u64) -> u64 {
        match self.size {
            RankSize::Users(users) => users,
            RankSize::Percent(percent) => percent_of(percent, candidates),
        }
    }

    fn keep_raw(&self, users: &mut Vec<(i64, u32)>, size: u64) {
        self.keep(users, size, |left, right| left.cmp(&right));
    }

    fn keep_any(&self, users: &mut Vec<(Number, u32)>, size: u64) {
        self.keep(users, size, compare_any);
    }

    /// Keeps the first `size` users of the ranking, in any order.
    fn keep<T: Copy>(
        &self,
        users: &mut Vec<(T, u32)>,
        size: u64,
        compare: impl Fn(T, T) -> Ordering,
    ) {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if size == 0 {
            users.clear();
        }
        if users.len() <= size {
            return;
        }
        users.select_nth_unstable_by(size - 1, |left, right| self.order(*left, *right, &compare));
        users.truncate(size);
    }

    /// Who stands before whom.
    fn order<T>(
        &self,
        (left, left_user): (T, u32),
        (right, right_user): (T, u32),
        compare: &impl Fn(T, T) -> Ordering,
    ) -> Ordering {
        let rank = |user: u32| self.users.rank(UserOrdinal(user));
        let order = compare(left, right);
        let order = if self.end == RankEnd::Top {
            order.reverse()
        } else {
            order
        };
        order.then_with(|| rank(left_user).cmp(&rank(right_user)))
    }
}

/// Numbers that are ranked are never NaN.
fn compare_any(left: Number, right: Number) -> Ordering {
    compare_numbers(left, right).unwrap_or(Ordering::Equal)
}

/// So many per cent of `candidates`, rounded down: 4.35 % of 1,000 is 43 as people reckon, whatever
/// a double makes of 4.35. The percentage is the shortest decimal that is read as the double.
fn percent_of(percent: f64, candidates: u64) -> u64 {
    let text = percent.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    // A double has at most 17 digits that matter; zeros before them leave nothing of any count.
    let digits: i128 = format!("{whole}{fraction}").parse().unwrap_or(0);
    let Some(hundred) = 10_i128.checked_pow(fraction.len() as u32 + 2) else {
        return 0;
    };
    u64::try_from(digits * i128::from(candidates) / hundred).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::percent_of;

    #[test]
    fn per_cent_are_reckoned_exactly() {
        assert_eq!(percent_of(4.35, 1_000), 43);
        assert_eq!(percent_of(0.7, 1_000), 7);
        assert_eq!(
            percent_of(12.345_678_901_2, 10_000_000_000_000),
            1_234_567_890_120
        );
        assert_eq!(percent_of(100.0, u64::MAX), u64::MAX);
        assert_eq!(percent_of(1e-9, 99_999_999_999), 0);
        assert_eq!(percent_of(1e-9, 100_000_000_000), 1);
        assert_eq!(percent_of(f64::MIN_POSITIVE, u64::MAX), 0);
    }
}
