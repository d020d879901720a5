//! Who the users are: ids, when they came, how active they are.

use rayon::prelude::*;

use crate::distribution::Weighted;
use crate::random::{Purpose, Random, key, mix};

/// Spread of activity: the standard deviation of its logarithm.
const ACTIVITY_SIGMA: f64 = 1.5;
/// Share of users who were there before the first event of the period.
const SHARE_BEFORE: f64 = 0.6;
/// How far back those came, in milliseconds: two years.
const BEFORE_MS: u64 = 730 * 86_400_000;
/// How often a user who had not come yet is replaced by another draw before the founder steps in.
/// At the given share it happens once in 10^25 draws, except in tiny populations.
const REDRAWS: usize = 64;

/// All users, by index.
pub(crate) struct Population {
    seed: u64,
    start_ms: i64,
    end_ms: i64,
    created_ms: Vec<i64>,
    activity: Weighted,
}

impl Population {
    /// `users` (at least one) users of a period `[start_ms, end_ms)`.
    pub(crate) fn new(seed: u64, users: u32, start_ms: i64, end_ms: i64) -> Self {
        let weights: Vec<f64> = (0..users)
            .into_par_iter()
            .map(|user| {
                Random::new(seed, Purpose::Activity, user.into()).lognormal(1.0, ACTIVITY_SIGMA)
            })
            .collect();
        let created_ms = (0..users)
            .into_par_iter()
            .map(|user| arrival(seed, user, start_ms, end_ms).1)
            .collect();
        Self {
            seed,
            start_ms,
            end_ms,
            created_ms,
            activity: Weighted::new(&weights),
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> u32 {
        self.created_ms.len() as u32
    }

    /// The period's first millisecond.
    pub(crate) fn start_ms(&self) -> i64 {
        self.start_ms
    }

    /// The period's end, exclusive.
    pub(crate) fn end_ms(&self) -> i64 {
        self.end_ms
    }

    /// When a user came.
    pub(crate) fn created_ms(&self, user: u32) -> i64 {
        self.created_ms[user as usize]
    }

    /// The stream that the rest of a user's row is drawn from.
    pub(crate) fn row_random(&self, user: u32) -> Random {
        arrival(self.seed, user, self.start_ms, self.end_ms).0
    }

    /// Somebody active at an instant: by activity, among those who had come.
    pub(crate) fn draw(&self, random: &mut Random, at_ms: i64) -> u32 {
        for _ in 0..REDRAWS {
            let user = self.activity.draw(random);
            if self.created_ms[user] <= at_ms {
                return user as u32;
            }
        }
        0
    }
}

/// A user's arrival, and the stream behind it. User 0, the founder, precedes every event.
fn arrival(seed: u64, user: u32, start_ms: i64, end_ms: i64) -> (Random, i64) {
    let mut random = Random::new(seed, Purpose::User, user.into());
    let before = random.chance(SHARE_BEFORE);
    let created_ms = if before || user == 0 {
        start_ms - 1 - random.below(BEFORE_MS) as i64
    } else {
        start_ms + random.below((end_ms - start_ms) as u64) as i64
    };
    (random, created_ms)
}

/// The id of a user: a version 4 UUID as text. Neighbours are not near each other, and no two
/// users share one, since 64 of its bits are a bijection of the index.
pub(crate) struct UserIds {
    key: u64,
}

impl UserIds {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            key: key(seed, Purpose::UserId),
        }
    }

    /// Writes the id over `text`.
    pub(crate) fn write(&self, user: u32, text: &mut String) {
        let unique = mix(u64::from(user) ^ self.key);
        let noise = mix(unique ^ self.key.rotate_left(32));
        let high = (unique & !0xffff) | 0x4000 | (unique >> 4 & 0xfff);
        // The four bits of `unique` that had no place above stand here.
        let low = (0b10 << 62) | (unique & 0xf) << 58 | noise >> 6;
        write_uuid(high, low, text);
    }
}

/// The id of an event: a version 7 UUID as text. It begins with the event's time; 64 of its other
/// bits are a bijection of the event's number, so that no two events share one.
pub(crate) struct EventIds {
    key: u64,
}

impl EventIds {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            key: key(seed, Purpose::EventId),
        }
    }

    /// Writes the id over `text`.
    pub(crate) fn write(&self, number: u64, at_ms: i64, text: &mut String) {
        let unique = mix(number ^ self.key);
        let noise = mix(unique ^ self.key.rotate_left(32));
        let high = (at_ms as u64) << 16 | 0x7000 | unique >> 52;
        let low = (0b10 << 62) | (noise >> 54) << 52 | (unique & ((1 << 52) - 1));
        write_uuid(high, low, text);
    }
}

/// `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`, in lower case.
fn write_uuid(high: u64, low: u64, text: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let bits = u128::from(high) << 64 | u128::from(low);
    let mut uuid = [b'-'; 36];
    let mut shift = 128;
    for (place, byte) in uuid.iter_mut().enumerate() {
        if !matches!(place, 8 | 13 | 18 | 23) {
            shift -= 4;
            *byte = DIGITS[(bits >> shift) as usize & 0xf];
        }
    }
    text.clear();
    text.push_str(std::str::from_utf8(&uuid).expect("hexadecimal digits and dashes are ASCII"));
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_unique_uuids_in_no_order() {
        let ids = UserIds::new(42);
        let mut text = String::new();
        let mut all = Vec::new();
        for user in 0..50_000 {
            ids.write(user, &mut text);
            all.push(text.clone());
        }
        assert!(all.iter().all(|id| id.len() == 36 && &id[14..15] == "4"));
        assert!(all.iter().all(|id| "89ab".contains(&id[19..20])));
        assert!(!all.is_sorted());
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    }

    #[test]
    fn every_bit_of_the_unique_part_reaches_the_id() {
        // The bijection's 64 bits sit outside the version and variant bits; were one of them lost,
        // two numbers that differ in it alone would collide. Read them back instead.
        let key = key(9, Purpose::EventId);
        let ids = EventIds::new(9);
        let mut text = String::new();
        for number in [0, 1, 2, u64::MAX, 1 << 63, 12_345_678_901] {
            ids.write(number, 1_790_000_000_123, &mut text);
            let bits = u128::from_str_radix(&text.replace('-', ""), 16).unwrap();
            assert_eq!((bits >> 80) as u64, 1_790_000_000_123);
            let unique = ((bits >> 64) as u64 & 0xfff) << 52 | (bits as u64 & ((1 << 52) - 1));
            assert_eq!(unique, mix(number ^ key));
        }
        let user_key = super::key(9, Purpose::UserId);
        let ids = UserIds::new(9);
        for user in [0, 1, 77, u32::MAX] {
            ids.write(user, &mut text);
            let bits = u128::from_str_radix(&text.replace('-', ""), 16).unwrap();
            let (high, low) = ((bits >> 64) as u64, bits as u64);
            let unique = (high & !0xffff) | (high & 0xfff) << 4 | (low >> 58 & 0xf);
            assert_eq!(unique, mix(u64::from(user) ^ user_key));
        }
    }

    #[test]
    fn nobody_acts_before_arriving() {
        let population = Population::new(1, 500, 1_000_000, 2_000_000);
        let mut random = Random::new(1, Purpose::Events, 0);
        for at_ms in (1_000_000..2_000_000).step_by(1_000) {
            let user = population.draw(&mut random, at_ms);
            assert!(population.created_ms(user) <= at_ms);
        }
        let within = (0..500)
            .filter(|&user| population.created_ms(user) >= 1_000_000)
            .count();
        assert!((150..250).contains(&within), "{within}");
    }
}
