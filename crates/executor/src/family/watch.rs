//! Who passes a test that every window asks alike, kept up to date row by row.
//!
//! From one instant of a trend to the next few rows come and go: looking again at the users of these
//! is cheaper than at the counters of all users.

use crate::kernel::Machine;
use crate::words::{self, Words};
use crowdset_types::CHUNK_USERS;

/// Of more rows between two windows all counters are looked at instead.
const MOVED_MAX: usize = 2_048;

/// Counts that pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CountTest {
    /// Both ends inclusive.
    pub(super) low: u32,
    pub(super) high: u32,
    /// The counts outside of the range pass.
    pub(super) is_outside: bool,
}

impl CountTest {
    /// Writes who passes.
    pub(super) fn find(self, machine: Machine, counters: &[u32; CHUNK_USERS], found: &mut Words) {
        found.fill(0);
        machine.or_u32_within(counters, self.low, self.high, found);
        if self.is_outside {
            for word in found {
                *word = !*word;
            }
        }
    }
}

/// The users who pass, while rows come and go.
pub(super) struct Watch {
    test: CountTest,
    /// Who passes, if that is known, and how many they are.
    users: Words,
    len: u32,
    is_known: bool,
    /// So many rows may still come and go until the next window.
    room: usize,
}

impl Watch {
    pub(super) fn new(test: CountTest) -> Self {
        Self {
            test,
            users: words::EMPTY,
            len: 0,
            is_known: false,
            room: MOVED_MAX,
        }
    }

    /// All counters became 0.
    pub(super) fn clear(&mut self) {
        let CountTest {
            low, is_outside, ..
        } = self.test;
        let passes = (low == 0) != is_outside;
        self.users.fill(if passes { u64::MAX } else { 0 });
        self.len = if passes { CHUNK_USERS as u32 } else { 0 };
        self.is_known = true;
    }

    /// Adds `by` to the counter of each row's user, where the mask is 1, and looks who passes now.
    /// False if these are too many rows: then nothing is done.
    pub(super) fn add(
        &mut self,
        users: &[u16],
        mask: Option<&[u8]>,
        by: i32,
        counters: &mut [u32; CHUNK_USERS],
    ) -> bool {
        if !self.is_known || users.len() > self.room {
            self.is_known = false;
            return false;
        }
        self.room -= users.len();
        match mask {
            None => self.add_rows(users.iter().map(|&user| (user, by)), counters),
            Some(mask) => {
                let rows = users.iter().zip(mask);
                let rows = rows.map(|(&user, &mask)| (user, by * i32::from(mask)));
                self.add_rows(rows, counters);
            }
        }
        true
    }

    fn add_rows(
        &mut self,
        rows: impl Iterator<Item = (u16, i32)>,
        counters: &mut [u32; CHUNK_USERS],
    ) {
        let CountTest {
            low,
            high,
            is_outside,
        } = self.test;
        let span = high - low;
        for (user, by) in rows {
            let user = user as usize & (CHUNK_USERS - 1);
            let count = counters[user].wrapping_add_signed(by);
            counters[user] = count;
            let passes = (count.wrapping_sub(low) <= span) != is_outside;
            let (word, bit) = (&mut self.users[user / 64], user % 64);
            let passed = (*word >> bit) as u32 & 1;
            self.len = self.len + u32::from(passes) - passed;
            *word = *word & !(1 << bit) | u64::from(passes) << bit;
        }
    }

    /// Who passes at the next window; `None` if nobody does.
    pub(super) fn reach(
        &mut self,
        machine: Machine,
        counters: &[u32; CHUNK_USERS],
    ) -> Option<&Words> {
        if !self.is_known {
            self.test.find(machine, counters, &mut self.users);
            self.len = machine.count_bits(&self.users) as u32;
            self.is_known = true;
        }
        self.room = MOVED_MAX;
        (self.len > 0).then_some(&self.users)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kernels;

    #[test]
    fn knows_what_all_counters_say() {
        let machine = Machine::new(Kernels::Simd);
        let mut seed = 5_u64;
        let mut below = |bound: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as usize % bound
        };
        for (low, high, is_outside) in [
            (0, 0, false),
            (0, 0, true),
            (1, u32::MAX, false),
            (2, 3, false),
            (2, 3, true),
            (0, u32::MAX, true),
        ] {
            let test = CountTest {
                low,
                high,
                is_outside,
            };
            let mut watch = Watch::new(test);
            let mut counters = vec![0; CHUNK_USERS].into_boxed_slice();
            let counters: &mut [u32; CHUNK_USERS] = (&mut *counters).try_into().unwrap();
            watch.clear();
            let mut windows: Vec<(Vec<u16>, Vec<u8>)> = Vec::new();
            for window in 0..12_usize {
                // Few rows, or more than are watched.
                let rows = [below(50), MOVED_MAX + below(50)][usize::from(below(4) == 0)];
                let users: Vec<u16> = (0..rows).map(|_| below(40) as u16).collect();
                let mask: Vec<u8> = (0..rows).map(|_| below(2) as u8).collect();
                windows.push((users, mask));
                for (place, by) in [(Some(window), 1), (window.checked_sub(3), -1)] {
                    let Some((users, mask)) = place.and_then(|place| windows.get(place)) else {
                        continue;
                    };
                    if !watch.add(users, Some(mask), by, counters) {
                        for (&user, &mask) in users.iter().zip(mask) {
                            let counter = &mut counters[usize::from(user)];
                            *counter = counter.wrapping_add_signed(by * i32::from(mask));
                        }
                    }
                }
                let mut expected = words::EMPTY;
                test.find(machine, counters, &mut expected);
                let reached = watch.reach(machine, counters);
                assert_eq!(*reached.unwrap_or(&words::EMPTY), expected, "{test:?}");
                assert!(reached.is_none_or(|users| !words::is_empty(users)));
            }
        }
    }
}
