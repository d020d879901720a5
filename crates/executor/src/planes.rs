//! Small counts of a chunk's users, kept as bits: plane `i` holds bit `i` of every user's count, so
//! that a set of users is added, and a threshold asked, for 64 users at a time.

use crate::words::{self, Words};

/// A count for each user of a chunk.
pub(crate) struct Planes(Vec<Words>);

impl Planes {
    /// Counts up to `max`, all 0, in the given memory.
    pub(crate) fn new(mut memory: Vec<Words>, max: usize) -> Self {
        let bits = usize::BITS - max.leading_zeros();
        memory.clear();
        memory.resize(bits as usize, words::EMPTY);
        Self(memory)
    }

    /// The memory.
    pub(crate) fn into_inner(self) -> Vec<Words> {
        self.0
    }

    /// All counts become 0.
    pub(crate) fn clear(&mut self) {
        self.0.fill(words::EMPTY);
    }

    /// Counts each of the users once more. No count may come to more than the greatest.
    pub(crate) fn add(&mut self, users: &Words) {
        let mut carry = *users;
        for plane in &mut self.0 {
            let mut rest = 0;
            for (bits, carry) in plane.iter_mut().zip(&mut carry) {
                let both = *bits & *carry;
                *bits ^= *carry;
                *carry = both;
                rest |= both;
            }
            if rest == 0 {
                break;
            }
        }
    }

    /// Adds to `found` the users whose count lies in `low..=high`.
    pub(crate) fn or_within(&self, low: u64, high: u64, found: &mut Words) {
        let mut within = self.at_least(low);
        if let Some(above) = high.checked_add(1) {
            words::and_not(&mut within, &self.at_least(above));
        }
        words::or(found, &within);
    }

    /// Writes each user's count.
    pub(crate) fn write(&self, counts: &mut [u32]) {
        counts.fill(0);
        for (place, plane) in self.0.iter().enumerate() {
            words::for_each(plane, |user| counts[user] += 1 << place);
        }
    }

    /// The users whose count is at least so much.
    fn at_least(&self, least: u64) -> Words {
        let planes = self.0.len() as u32;
        if planes < u64::BITS && least >> planes > 0 {
            return words::EMPTY;
        }
        // From the lowest bit on: whether the bits so far are at least those of the bound.
        let mut passing = [u64::MAX; _];
        for (place, plane) in self.0.iter().enumerate() {
            let is_set = least >> place & 1 == 1;
            for (passing, bits) in passing.iter_mut().zip(plane) {
                *passing = if is_set {
                    *passing & bits
                } else {
                    *passing | bits
                };
            }
        }
        passing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crowdset_types::CHUNK_USERS;

    #[test]
    fn counts_like_counters() {
        for max in [0, 1, 2, 3, 5, 31, 32] {
            let mut planes = Planes::new(vec![[7; _]], max);
            let mut counters = vec![0_u64; CHUNK_USERS];
            for round in 0..max {
                let mut users = words::EMPTY;
                for (user, counter) in counters.iter_mut().enumerate() {
                    if (user * 7 + round * 13) % 5 < 3 {
                        words::set(&mut users, user);
                        *counter += 1;
                    }
                }
                planes.add(&users);
            }
            let mut written = vec![9; CHUNK_USERS];
            planes.write(&mut written);
            assert!(
                written
                    .iter()
                    .zip(&counters)
                    .all(|(&count, &counter)| u64::from(count) == counter)
            );
            for (low, high) in [
                (0, 0),
                (0, u64::MAX),
                (1, u64::MAX),
                (2, 4),
                (3, 3),
                (20, 40),
                (64, 70),
                (5, 2),
            ] {
                let mut found = words::EMPTY;
                planes.or_within(low, high, &mut found);
                for (user, counter) in counters.iter().enumerate() {
                    assert_eq!(
                        words::get(&found, user),
                        (low..=high).contains(counter),
                        "{counter} in {low}..={high}"
                    );
                }
            }
        }
    }
}
