//! The inner loops of sequences.

use super::{BLOCK, Code, Machine, WithSimd, blocks, pack_sixty_four, slot};
use crate::condition::{STEPS_MAX, Slots};
use crate::words::Words;
use crowdset_types::CHUNK_USERS;
use pulp::Simd;

/// Users whose words are looked at together.
const LANES: usize = 8;

kernels! {
    /// Notes the slot of each row's time for its user, as a bit.
    fn mark_slots as MarkSlots<T>(users: &'k [u16], offsets: &'k [T], base: i64, cut: Slots, slots: &'k mut [u32; CHUNK_USERS]) {
        for (&user, &offset) in users.iter().zip(offsets) {
            slots[slot(user)] |= cut.bit(base, offset.widen());
        }
    }

    /// The same of rows whose mask is 1.
    fn mark_slots_masked as MarkSlotsMasked<T>(users: &'k [u16], mask: &'k [u8], offsets: &'k [T], base: i64, cut: Slots, slots: &'k mut [u32; CHUNK_USERS]) {
        for ((&user, &mask), &offset) in users.iter().zip(mask).zip(offsets) {
            slots[slot(user)] |= cut.bit(base, offset.widen()) & u32::from(mask).wrapping_neg();
        }
    }

    /// Leaves the users whose number is not 0.
    fn and_not_zero as AndNotZero [simd](numbers: &'k [u32; CHUNK_USERS], words: &'k mut Words) {
        for (words, numbers) in blocks(words, numbers) {
            let mut flags = [0_u8; BLOCK];
            for (flag, &number) in flags.iter_mut().zip(numbers) {
                *flag = u8::from(number != 0);
            }
            for (word, flags) in words.iter_mut().zip(flags.as_chunks::<64>().0) {
                *word &= pack_sixty_four(simd, flags);
            }
        }
    }

    /// Writes 1 for each of the first `len` users that has a bit in the word of each step, each at least
    /// `least`, 0 or 1, above the one before, and the last at most `most` above the first.
    fn chains as Chains(steps: &'k [Option<Box<[u32; CHUNK_USERS]>>], len: usize, least: u32, most: u32, verdicts: &'k mut [u8; CHUNK_USERS]) {
        match steps.len() {
            0 | 1 => chains_of::<1>(steps, len, least, most, verdicts),
            2 => chains_of::<2>(steps, len, least, most, verdicts),
            3 => chains_of::<3>(steps, len, least, most, verdicts),
            4 => chains_of::<4>(steps, len, least, most, verdicts),
            _ => chains_of::<STEPS_MAX>(steps, len, least, most, verdicts),
        }
    }

    /// Writes the places of rows whose user is in the set, and how many they are.
    fn places_of as PlacesOf(users: &'k [u16], words: &'k Words, places: &'k mut [u16; BLOCK]) -> usize {
        let mut len = 0;
        for (place, &user) in (0..BLOCK).zip(users) {
            let user = slot(user);
            // Every place is written, and the next one over it unless this one counts.
            places[len & (BLOCK - 1)] = place as u16;
            len += (words[user / 64] >> (user % 64)) as usize & 1;
        }
        len
    }

    /// The same of rows whose mask is 1.
    fn places_of_masked as PlacesOfMasked(users: &'k [u16], mask: &'k [u8], words: &'k Words, places: &'k mut [u16; BLOCK]) -> usize {
        let mut len = 0;
        for ((place, &user), &mask) in (0..BLOCK).zip(users).zip(mask) {
            let user = slot(user);
            places[len & (BLOCK - 1)] = place as u16;
            len += (words[user / 64] >> (user % 64)) as usize & usize::from(mask);
        }
        len
    }
}

/// [`Machine::chains`] of up to `STEPS` steps.
#[inline(always)]
fn chains_of<const STEPS: usize>(
    steps: &[Option<Box<[u32; CHUNK_USERS]>>],
    len: usize,
    least: u32,
    most: u32,
    verdicts: &mut [u8; CHUNK_USERS],
) {
    let last = steps.len().clamp(1, STEPS) - 1;
    for first in (0..len).step_by(LANES) {
        let mut slots = [[0_u32; LANES]; STEPS];
        for (slots, step) in slots.iter_mut().zip(steps.iter().flatten()) {
            slots.copy_from_slice(&step[first..first + LANES]);
        }
        // A bit for each first step of a chain of so many steps.
        let mut reached = [[0_u32; LANES]; STEPS];
        reached[0] = slots[0];
        let mut reach = |step: usize, above: u32| {
            for lane in 0..LANES {
                reached[step][lane] |= reached[step - 1][lane] & slots[step][lane] >> above;
            }
        };
        if least == 0 {
            for above in 0..=most {
                (1..STEPS).for_each(|step| reach(step, above));
            }
        } else {
            // From what was reached before.
            for above in least..=most {
                (1..STEPS).rev().for_each(|step| reach(step, above));
            }
        }
        for (verdict, starts) in verdicts[first..].iter_mut().zip(reached[last]) {
            *verdict = u8::from(starts != 0);
        }
    }
}
