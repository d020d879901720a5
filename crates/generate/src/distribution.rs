//! Draws from a finite set with given weights, in constant time.

use crate::random::Random;

/// Walker's alias table: one 64-bit draw and one look-up per sample, eight bytes per item.
pub(crate) struct Weighted {
    slots: Vec<Slot>,
}

/// An item, its share of its own slot (in 2^-32) and the item that has the rest of the slot.
struct Slot {
    keep: u32,
    alias: u32,
}

impl Weighted {
    /// A table over `0..weights.len()`. At least one weight must be positive, none negative.
    pub(crate) fn new(weights: &[f64]) -> Self {
        let total: f64 = weights.iter().sum();
        let scale = weights.len() as f64 / total;
        let mut shares: Vec<f64> = weights.iter().map(|weight| weight * scale).collect();
        let mut slots: Vec<Slot> = (0..weights.len())
            .map(|item| Slot {
                keep: u32::MAX,
                alias: item as u32,
            })
            .collect();
        let (mut small, mut large): (Vec<u32>, Vec<u32>) =
            (0..weights.len() as u32).partition(|&item| shares[item as usize] < 1.0);
        while let (Some(poor), Some(&rich)) = (small.pop(), large.last()) {
            let share = shares[poor as usize];
            slots[poor as usize] = Slot {
                keep: (share * 2f64.powi(32)) as u32,
                alias: rich,
            };
            shares[rich as usize] -= 1.0 - share;
            if shares[rich as usize] < 1.0 {
                large.pop();
                small.push(rich);
            }
        }
        Self { slots }
    }

    /// Zipf's law: rank `r` (from 1) has weight `r^-exponent`; the item is the rank less one.
    pub(crate) fn zipf(items: usize, exponent: f64) -> Self {
        let weights: Vec<f64> = (1..=items)
            .map(|rank| (rank as f64).powf(-exponent))
            .collect();
        Self::new(&weights)
    }

    /// One item.
    pub(crate) fn draw(&self, random: &mut Random) -> usize {
        let bits = random.bits();
        let item = ((bits >> 32) * self.slots.len() as u64) >> 32;
        let slot = &self.slots[item as usize];
        // The low half decides between the slot's two owners; the high half chose the slot.
        if (bits as u32) < slot.keep {
            item as usize
        } else {
            slot.alias as usize
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    #[test]
    fn draws_follow_the_weights() {
        let weights = [70.0, 10.0, 0.0, 12.0, 6.0, 2.0];
        let table = Weighted::new(&weights);
        let mut random = Random::new(11, Purpose::User, 0);
        let mut seen = [0u32; 6];
        for _ in 0..100_000 {
            seen[table.draw(&mut random)] += 1;
        }
        for (item, weight) in weights.iter().enumerate() {
            let share = f64::from(seen[item]) / 1000.0;
            assert!(
                (share - weight).abs() < 0.6,
                "item {item}: {share} % instead of {weight} %"
            );
        }
    }

    #[test]
    fn zipf_halves_by_rank() {
        let table = Weighted::zipf(40, 1.1);
        let mut random = Random::new(12, Purpose::User, 0);
        let mut seen = [0u32; 40];
        for _ in 0..200_000 {
            seen[table.draw(&mut random)] += 1;
        }
        let ratio = f64::from(seen[0]) / f64::from(seen[1]);
        assert!((ratio - 2f64.powf(1.1)).abs() < 0.1, "{ratio}");
        assert!(seen.iter().all(|&count| count > 0));
    }

    #[test]
    fn one_item_is_always_drawn() {
        let table = Weighted::new(&[0.25]);
        let mut random = Random::new(13, Purpose::User, 0);
        assert!((0..100).all(|_| table.draw(&mut random) == 0));
    }
}
