//! Random numbers that are the same on every machine, for every number of threads.

/// One step of `SplitMix64`: a bijection of `u64` that scatters neighbouring inputs.
///
/// Being a bijection is what makes ids made from it unique.
pub(crate) fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// What a stream of random numbers is for. Streams of different purposes are independent, so that
/// a change to one table leaves the others as they were.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    /// How active a user is.
    Activity = 1,
    /// The columns of a user's row.
    User = 2,
    /// The properties of a user.
    Properties = 3,
    /// The events of one hour.
    Events = 4,
    /// Ids of users.
    UserId = 5,
    /// Ids of events.
    EventId = 6,
}

/// A key that differs for every (seed, purpose).
pub(crate) fn key(seed: u64, purpose: Purpose) -> u64 {
    mix(mix(seed) ^ purpose as u64)
}

/// xoshiro256++ (Blackman and Vigna, public domain).
pub(crate) struct Random {
    state: [u64; 4],
}

impl Random {
    /// The stream number `stream` of `purpose`: user 17's row, hour 3's events, and so on.
    pub(crate) fn new(seed: u64, purpose: Purpose, stream: u64) -> Self {
        let start = mix(key(seed, purpose).wrapping_add(mix(stream)));
        let mut state = [0; 4];
        for (step, word) in state.iter_mut().enumerate() {
            *word = mix(start.wrapping_add(step as u64));
        }
        Self { state }
    }

    /// 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let shifted = b << 17;
        let c = c ^ a;
        let d = d ^ b;
        self.state = [a ^ d, b ^ c, c ^ shifted, d.rotate_left(45)];
        result
    }

    /// A whole number in `0..bound`; 0 for a bound of 0. The bias of at most `bound / 2^64` shows
    /// in no sample that fits a disk.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// A fraction in `[0, 1)`.
    pub(crate) fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// True with the given probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.fraction() < probability
    }

    /// A number of the standard normal distribution (Box and Muller, first of the pair).
    pub(crate) fn normal(&mut self) -> f64 {
        // 1 - fraction lies in (0, 1], so the logarithm is finite.
        let radius = (-2.0 * (1.0 - self.fraction()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.fraction()).cos()
    }

    /// A number of the lognormal distribution with the given median and sigma.
    pub(crate) fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        median * (sigma * self.normal()).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_differ() {
        let draw = |seed, purpose, stream| {
            let mut random = Random::new(seed, purpose, stream);
            [random.bits(), random.bits(), random.bits()]
        };
        assert_eq!(draw(1, Purpose::User, 2), draw(1, Purpose::User, 2));
        assert_ne!(draw(1, Purpose::User, 2), draw(2, Purpose::User, 2));
        assert_ne!(draw(1, Purpose::User, 2), draw(1, Purpose::User, 3));
        assert_ne!(draw(1, Purpose::User, 2), draw(1, Purpose::Events, 2));
    }

    #[test]
    fn below_stays_below_and_covers() {
        let mut random = Random::new(7, Purpose::User, 0);
        let mut seen = [0u32; 10];
        for _ in 0..10_000 {
            seen[random.below(10) as usize] += 1;
        }
        assert!(
            seen.iter().all(|&count| (850..1150).contains(&count)),
            "{seen:?}"
        );
        assert_eq!(random.below(0), 0);
        assert_eq!(random.below(1), 0);
    }

    #[test]
    fn normal_has_mean_zero_and_variance_one() {
        let mut random = Random::new(3, Purpose::Activity, 0);
        let draws: Vec<f64> = (0..50_000).map(|_| random.normal()).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance =
            draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        assert!(
            mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03,
            "{mean} {variance}"
        );
    }
}
