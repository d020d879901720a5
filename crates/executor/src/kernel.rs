//! The inner loops. Each is plain code over slices that the compiler turns into vectors; pulp
//! compiles it once per instruction set and picks at run time.
//!
//! Nothing here branches per row: a mispredicted branch costs more than forty rows. Masks are bytes
//! of 0 or 1, one per row of a block, so that they combine as vectors.

#![allow(
    clippy::inline_always,
    reason = "a kernel that is not inlined into pulp's dispatch is compiled without its instruction set"
)]

use crate::Kernels;
use crate::words::Words;
use crowdset_types::{CHUNK_USERS, CHUNK_WORDS};
use pulp::{Arch, Simd, WithSimd};
use std::hint::select_unpredictable;

/// Rows per block: a mask and its temporaries stay in the first-level cache.
pub(crate) const BLOCK: usize = 1_024;

/// The instruction set chosen for one evaluation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine(Option<Arch>);

impl Machine {
    pub(crate) fn new(kernels: Kernels) -> Self {
        Self(match kernels {
            Kernels::Simd => Some(Arch::new()),
            Kernels::Scalar => None,
        })
    }

    #[inline(always)]
    fn run<Op: WithSimd>(self, op: Op) -> Op::Output {
        match self.0 {
            Some(arch) => arch.dispatch(op),
            None => op.with_simd(pulp::Scalar::new()),
        }
    }
}

/// An unsigned number that rows are stored as.
pub(crate) trait Code: Copy + Ord + Send + Sync + 'static {
    /// Widens.
    fn widen(self) -> u64;
    /// Narrows; the value must fit.
    fn narrow(value: u64) -> Self;
    /// `self - other`, modulo the width.
    fn minus(self, other: Self) -> Self;
}

macro_rules! codes {
    ($($type:ty),*) => {$(
        impl Code for $type {
            #[inline(always)]
            fn widen(self) -> u64 {
                u64::from(self)
            }
            #[inline(always)]
            fn narrow(value: u64) -> Self {
                value as Self
            }
            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
        }
    )*};
}

codes!(u8, u16, u32, u64);

/// Declares kernels: a method of [`Machine`] each, whose body is compiled once per instruction set, and
/// may ask for it by a name: `[simd]`.
macro_rules! kernels {
    ($(
        $(#[$doc:meta])*
        fn $name:ident as $op:ident $(<$type:ident>)? $([$set:ident])? ($($arg:ident: $arg_type:ty),* $(,)?) $(-> $output:ty)? $body:block
    )*) => {$(
        struct $op<'k $(, $type: Code)?> { $($arg: $arg_type,)* marker: std::marker::PhantomData<&'k ()> }

        impl<'k $(, $type: Code)?> WithSimd for $op<'k $(, $type)?> {
            type Output = kernels!(@output $($output)?);

            #[inline(always)]
            fn with_simd<S: Simd>(self, set: S) -> Self::Output {
                let _ = set;
                $(let $set = set;)?
                let Self { $($arg,)* .. } = self;
                $body
            }
        }

        impl Machine {
            $(#[$doc])*
            pub(crate) fn $name<'k $(, $type: Code)?>(self, $($arg: $arg_type),*) -> kernels!(@output $($output)?) {
                self.run($op::<'k $(, $type)?> { $($arg,)* marker: std::marker::PhantomData })
            }
        }
    )*};
    (@output) => { () };
    (@output $output:ty) => { $output };
}

mod sequences;

#[inline(always)]
fn slot(user: u16) -> usize {
    // The mask lets the compiler see that the index is within the chunk.
    user as usize & (CHUNK_USERS - 1)
}

kernels! {
    /// `mask |= low <= code <= low + span`.
    fn or_code_range as OrCodeRange<T>(codes: &'k [T], low: T, span: T, mask: &'k mut [u8]) {
        for (mask, &code) in mask.iter_mut().zip(codes) {
            *mask |= u8::from(code.minus(low) <= span);
        }
    }

    /// `mask |= table[code]`; codes beyond the table are false.
    fn or_code_table as OrCodeTable<T>(codes: &'k [T], table: &'k [u8], mask: &'k mut [u8]) {
        for (mask, &code) in mask.iter_mut().zip(codes) {
            *mask |= table.get(code.widen() as usize).copied().unwrap_or(0);
        }
    }

    /// `mask |= low <= value <= high`.
    fn or_float_range as OrFloatRange(values: &'k [f64], low: f64, high: f64, mask: &'k mut [u8]) {
        for (mask, &value) in mask.iter_mut().zip(values) {
            *mask |= u8::from(value >= low) & u8::from(value <= high);
        }
    }

    /// `mask &= other`.
    fn and_mask as AndMask(mask: &'k mut [u8], other: &'k [u8]) {
        for (mask, &other) in mask.iter_mut().zip(other) {
            *mask &= other;
        }
    }

    /// `mask |= other`.
    fn or_mask as OrMask(mask: &'k mut [u8], other: &'k [u8]) {
        for (mask, &other) in mask.iter_mut().zip(other) {
            *mask |= other;
        }
    }

    /// `mask = !mask`.
    fn not_mask as NotMask(mask: &'k mut [u8]) {
        for mask in mask {
            *mask ^= 1;
        }
    }

    /// `mask |= bits[start..] == value`.
    fn or_bits as OrBits(bits: &'k [u64], start: usize, value: bool, mask: &'k mut [u8]) {
        let flip = u8::from(!value);
        for (row, mask) in (start..).zip(mask) {
            *mask |= ((bits[row / 64] >> (row % 64)) as u8 & 1) ^ flip;
        }
    }

    /// `mask &= bits[start..]`.
    fn and_bits as AndBits(bits: &'k [u64], start: usize, mask: &'k mut [u8]) {
        for (row, mask) in (start..).zip(mask) {
            *mask &= (bits[row / 64] >> (row % 64)) as u8;
        }
    }

    /// A bit for each block of 64 rows, of which there are at most 64, that holds the user.
    fn blocks_of_user as BlocksOfUser(users: &'k [u16], user: u16) -> u64 {
        let holds = |block: &[u16]| {
            let any = block.iter().fold(0, |any, &other| any | u16::from(other == user));
            u64::from(any)
        };
        let (whole, rest) = users.as_chunks::<64>();
        let mut blocks = 0;
        for (place, block) in whole.iter().enumerate() {
            blocks |= holds(block) << place;
        }
        if !rest.is_empty() {
            blocks |= holds(rest) << whole.len();
        }
        blocks
    }

    /// Adds each row's user to the set.
    fn set_users as SetUsers(users: &'k [u16], words: &'k mut Words) {
        for &user in users {
            let user = slot(user);
            words[user / 64] |= 1 << (user % 64);
        }
    }

    /// Adds the user of each row whose mask is 1 to the set.
    fn set_users_masked as SetUsersMasked(users: &'k [u16], mask: &'k [u8], words: &'k mut Words) {
        for (&user, &mask) in users.iter().zip(mask) {
            let user = slot(user);
            words[user / 64] |= u64::from(mask) << (user % 64);
        }
    }

    /// Counts rows per user, up to 255.
    fn count_u8 as CountU8(users: &'k [u16], counters: &'k mut [u8; CHUNK_USERS]) {
        for &user in users {
            let counter = &mut counters[slot(user)];
            *counter = counter.saturating_add(1);
        }
    }

    /// Counts rows whose mask is 1 per user, up to 255.
    fn count_u8_masked as CountU8Masked(users: &'k [u16], mask: &'k [u8], counters: &'k mut [u8; CHUNK_USERS]) {
        for (&user, &mask) in users.iter().zip(mask) {
            let counter = &mut counters[slot(user)];
            *counter = counter.saturating_add(mask);
        }
    }

    /// Adds each row's user to the set of the row's class: sets follow one another.
    fn set_users_by_class as SetUsersByClass(users: &'k [u16], classes: &'k [u16], sets: &'k mut [u64]) {
        for (&user, &class) in users.iter().zip(classes) {
            let user = slot(user);
            if let Some(word) = sets.get_mut(class as usize * CHUNK_WORDS + user / 64) {
                *word |= 1 << (user % 64);
            }
        }
    }

    /// Counts rows per class and user, up to 255: the counters of all users of a class follow one
    /// another.
    fn count_u8_by_class as CountU8ByClass(users: &'k [u16], classes: &'k [u16], counters: &'k mut [u8]) {
        for (&user, &class) in users.iter().zip(classes) {
            if let Some(counter) = counters.get_mut(class as usize * CHUNK_USERS + slot(user)) {
                *counter = counter.saturating_add(1);
            }
        }
    }

    /// How many of the users are in all of the sets; of a set with all ones beside it the complement is
    /// meant.
    fn count_all as CountAll(users: &'k Words, others: &'k [(&'k Words, u64)]) -> u64 {
        let mut count = 0;
        for (place, users) in users.as_chunks::<32>().0.iter().enumerate() {
            let mut all = *users;
            for (other, flip) in others {
                for (all, other) in all.iter_mut().zip(&other.as_chunks::<32>().0[place]) {
                    *all &= other ^ flip;
                }
            }
            count += all.iter().map(|word| u64::from(word.count_ones())).sum::<u64>();
        }
        count
    }

    /// Adds each row's user to the set of the class of the row's code.
    fn set_users_by_code as SetUsersByCode<T>(users: &'k [u16], codes: &'k [T], classes: &'k [u16], sets: &'k mut [u64]) {
        for (&user, &code) in users.iter().zip(codes) {
            let (user, class) = (slot(user), classes.get(code.widen() as usize));
            let place = class.map_or(0, |&class| class as usize * CHUNK_WORDS) + user / 64;
            if let Some(word) = sets.get_mut(place) {
                *word |= 1 << (user % 64);
            }
        }
    }

    /// Counts rows per class of the row's code and user, up to 255.
    fn count_u8_by_code as CountU8ByCode<T>(users: &'k [u16], codes: &'k [T], classes: &'k [u16], counters: &'k mut [u8]) {
        for (&user, &code) in users.iter().zip(codes) {
            let class = classes.get(code.widen() as usize);
            let place = class.map_or(0, |&class| class as usize * CHUNK_USERS) + slot(user);
            if let Some(counter) = counters.get_mut(place) {
                *counter = counter.saturating_add(1);
            }
        }
    }

    /// Adds counters to others, up to 255.
    fn add_u8 as AddU8(more: &'k [u8; CHUNK_USERS], counters: &'k mut [u8; CHUNK_USERS]) {
        for (counter, more) in counters.iter_mut().zip(more) {
            *counter = counter.saturating_add(*more);
        }
    }

    /// Counts rows per user; no more than 65,535 of them may have been counted before they are emptied.
    fn count_u16 as CountU16(users: &'k [u16], counters: &'k mut [u16; CHUNK_USERS]) {
        for &user in users {
            let counter = &mut counters[slot(user)];
            *counter = counter.wrapping_add(1);
        }
    }

    /// The same of rows whose mask is 1.
    fn count_u16_masked as CountU16Masked(users: &'k [u16], mask: &'k [u8], counters: &'k mut [u16; CHUNK_USERS]) {
        for (&user, &mask) in users.iter().zip(mask) {
            let counter = &mut counters[slot(user)];
            *counter = counter.wrapping_add(u16::from(mask));
        }
    }

    /// Adds what narrow counters counted to wide ones, and sets them to 0.
    fn empty_u16 as EmptyU16(narrow: &'k mut [u16; CHUNK_USERS], counters: &'k mut [u32; CHUNK_USERS]) {
        for (counter, narrow) in counters.iter_mut().zip(narrow) {
            *counter += u32::from(*narrow);
            *narrow = 0;
        }
    }

    /// Adds narrow counts to wide ones.
    fn widen_u8 as WidenU8(narrow: &'k [u8; CHUNK_USERS], counters: &'k mut [u32; CHUNK_USERS]) {
        for (counter, &narrow) in counters.iter_mut().zip(narrow) {
            *counter += u32::from(narrow);
        }
    }

    /// Counts rows per user.
    fn count_u32 as CountU32(users: &'k [u16], counters: &'k mut [u32; CHUNK_USERS]) {
        for &user in users {
            counters[slot(user)] += 1;
        }
    }

    /// Counts rows whose mask is 1 per user.
    fn count_u32_masked as CountU32Masked(users: &'k [u16], mask: &'k [u8], counters: &'k mut [u32; CHUNK_USERS]) {
        for (&user, &mask) in users.iter().zip(mask) {
            counters[slot(user)] += u32::from(mask);
        }
    }

    /// Takes back what `count_u32` counted.
    fn uncount_u32 as UncountU32(users: &'k [u16], counters: &'k mut [u32; CHUNK_USERS]) {
        for &user in users {
            counters[slot(user)] -= 1;
        }
    }

    /// Takes back what `count_u32_masked` counted.
    fn uncount_u32_masked as UncountU32Masked(users: &'k [u16], mask: &'k [u8], counters: &'k mut [u32; CHUNK_USERS]) {
        for (&user, &mask) in users.iter().zip(mask) {
            counters[slot(user)] -= u32::from(mask);
        }
    }

    /// The least number of a row per user; rows are numbered from `first` on.
    fn least_row as LeastRow(users: &'k [u16], first: u32, numbers: &'k mut [u32; CHUNK_USERS]) {
        for (&user, number) in users.iter().zip(first..) {
            let least = &mut numbers[slot(user)];
            *least = number.min(*least);
        }
    }

    /// The same of rows whose mask is 1.
    fn least_row_masked as LeastRowMasked(users: &'k [u16], mask: &'k [u8], first: u32, numbers: &'k mut [u32; CHUNK_USERS]) {
        for ((&user, &mask), number) in users.iter().zip(mask).zip(first..) {
            let least = &mut numbers[slot(user)];
            // All ones are more than any number.
            *least = (number | u32::from(mask).wrapping_sub(1)).min(*least);
        }
    }

    /// The greatest number of a row per user; rows are numbered from `first` on.
    fn greatest_row as GreatestRow(users: &'k [u16], first: u32, numbers: &'k mut [u32; CHUNK_USERS]) {
        for (&user, number) in users.iter().zip(first..) {
            let greatest = &mut numbers[slot(user)];
            *greatest = number.max(*greatest);
        }
    }

    /// The same of rows whose mask is 1.
    fn greatest_row_masked as GreatestRowMasked(users: &'k [u16], mask: &'k [u8], first: u32, numbers: &'k mut [u32; CHUNK_USERS]) {
        for ((&user, &mask), number) in users.iter().zip(mask).zip(first..) {
            let greatest = &mut numbers[slot(user)];
            *greatest = (number & u32::from(mask).wrapping_neg()).max(*greatest);
        }
    }

    /// Counts rows whose mask is 1 per user, and notes the number of the `n`-th.
    fn nth_row_masked as NthRowMasked(users: &'k [u16], mask: &'k [u8], first: u32, n: u32, counts: &'k mut [u32; CHUNK_USERS], numbers: &'k mut [u32; CHUNK_USERS]) {
        for ((&user, &mask), number) in users.iter().zip(mask).zip(first..) {
            let (count, nth) = (&mut counts[slot(user)], &mut numbers[slot(user)]);
            *count = count.saturating_add(u32::from(mask));
            let is_it = (mask == 1) & (*count == n);
            *nth = select_unpredictable(is_it, number, *nth);
        }
    }

    /// The number of the earliest row per user among those whose mask is 1; of equal times the one
    /// that came first stays.
    fn earliest_row as EarliestRow(users: &'k [u16], mask: &'k [u8], times: &'k [i64], first: u32, best: &'k mut [i64; CHUNK_USERS], numbers: &'k mut [u32; CHUNK_USERS]) {
        for (((&user, &mask), &time), number) in users.iter().zip(mask).zip(times).zip(first..) {
            let (best, earliest) = (&mut best[slot(user)], &mut numbers[slot(user)]);
            let is_better = (time < *best) | (*earliest == u32::MAX);
            let takes = (mask == 1) & is_better;
            *best = select_unpredictable(takes, time, *best);
            *earliest = select_unpredictable(takes, number, *earliest);
        }
    }

    /// The number of the latest row per user among those whose mask is 1; of equal times the one
    /// that came last counts.
    fn latest_row as LatestRow(users: &'k [u16], mask: &'k [u8], times: &'k [i64], first: u32, best: &'k mut [i64; CHUNK_USERS], numbers: &'k mut [u32; CHUNK_USERS]) {
        for (((&user, &mask), &time), number) in users.iter().zip(mask).zip(times).zip(first..) {
            let (best, latest) = (&mut best[slot(user)], &mut numbers[slot(user)]);
            let takes = (mask == 1) & (time >= *best);
            *best = select_unpredictable(takes, time, *best);
            *latest = select_unpredictable(takes, number, *latest);
        }
    }

    /// Adds `base + code` times `factor` to each row's user.
    fn add_codes as AddCodes<T>(users: &'k [u16], codes: &'k [T], base: i64, factor: i64, sums: &'k mut [i64; CHUNK_USERS]) {
        for (&user, &code) in users.iter().zip(codes) {
            sums[slot(user)] += base.wrapping_add(code.widen() as i64) * factor;
        }
    }

    /// The same for rows whose mask is 1.
    fn add_codes_masked as AddCodesMasked<T>(users: &'k [u16], mask: &'k [u8], codes: &'k [T], base: i64, factor: i64, sums: &'k mut [i64; CHUNK_USERS]) {
        for ((&user, &mask), &code) in users.iter().zip(mask).zip(codes) {
            // All ones or all zeros: arbitrary values of rows without one must not even overflow.
            let keep = -i64::from(mask);
            sums[slot(user)] += (base.wrapping_add(code.widen() as i64) & keep).wrapping_mul(factor);
        }
    }

    /// The smallest `base + code` times `factor` per user, of rows whose mask is 1.
    fn min_codes as MinCodes<T>(users: &'k [u16], mask: &'k [u8], codes: &'k [T], base: i64, factor: i64, best: &'k mut [i64; CHUNK_USERS]) {
        for ((&user, &mask), &code) in users.iter().zip(mask).zip(codes) {
            let value = base.wrapping_add(code.widen() as i64).wrapping_mul(factor);
            let best = &mut best[slot(user)];
            let value = select_unpredictable(mask == 1, value, i64::MAX);
            *best = select_unpredictable(value < *best, value, *best);
        }
    }

    /// The largest `base + code` per user.
    fn max_offsets as MaxOffsets<T>(users: &'k [u16], offsets: &'k [T], base: i64, best: &'k mut [i64; CHUNK_USERS]) {
        for (&user, &offset) in users.iter().zip(offsets) {
            let best = &mut best[slot(user)];
            *best = base.wrapping_add(offset.widen() as i64).max(*best);
        }
    }

    /// The largest.
    fn max_codes as MaxCodes<T>(users: &'k [u16], mask: &'k [u8], codes: &'k [T], base: i64, factor: i64, best: &'k mut [i64; CHUNK_USERS]) {
        for ((&user, &mask), &code) in users.iter().zip(mask).zip(codes) {
            let value = base.wrapping_add(code.widen() as i64).wrapping_mul(factor);
            let best = &mut best[slot(user)];
            let value = select_unpredictable(mask == 1, value, i64::MIN);
            *best = select_unpredictable(value > *best, value, *best);
        }
    }

    /// `mask &= low[user] <= base + offset <= high[user]`.
    fn and_user_bounds as AndUserBounds<T>(users: &'k [u16], base: i64, offsets: &'k [T], low: &'k [i64; CHUNK_USERS], high: &'k [i64; CHUNK_USERS], mask: &'k mut [u8]) {
        for ((&user, &offset), mask) in users.iter().zip(offsets).zip(mask) {
            let (user, time) = (slot(user), base.wrapping_add(offset.widen() as i64));
            *mask &= u8::from(low[user] <= time) & u8::from(time <= high[user]);
        }
    }

    /// How many of the four lanes of 16 bits are not 0, where these are at the low end.
    fn count_lanes as CountLanes(lanes: &'k [u64; CHUNK_USERS], counts: &'k mut [u32; CHUNK_USERS]) {
        const ONES: u64 = 0x0001_0001_0001_0001;
        const ALL_BUT_HIGHEST: u64 = ONES * 0x7FFF;
        for (count, &lanes) in counts.iter_mut().zip(lanes) {
            // The highest bit of a lane is carried into, or there, if the lane is not 0.
            let carried = (lanes & ALL_BUT_HIGHEST) + ALL_BUT_HIGHEST;
            let is_set = (carried | lanes) >> 15 & ONES;
            let pairs = is_set + (is_set >> 32);
            *count = (pairs + (pairs >> 16)) as u32 & 7;
        }
    }

    /// How many bytes are 1; at most so many as a block has rows.
    fn count_mask as CountMask(mask: &'k [u8]) -> u32 {
        mask.iter().map(|&mask| u32::from(mask)).sum()
    }

    /// How many bits are set.
    fn count_bits as CountBits(words: &'k [u64]) -> u64 {
        words.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// How many bits are set in both.
    fn count_common as CountCommon(left: &'k Words, right: &'k Words) -> u64 {
        let both = left.iter().zip(right).map(|(left, right)| left & right);
        both.map(|word| u64::from(word.count_ones())).sum()
    }

    /// Bytes of 0 or 1 into bits.
    fn pack as Pack[simd](bytes: &'k [u8], words: &'k mut [u64]) {
        let (whole, rest) = bytes.as_chunks::<64>();
        for (word, bytes) in words.iter_mut().zip(whole) {
            *word = pack_sixty_four(simd, bytes);
        }
        if let (false, Some(word)) = (rest.is_empty(), words.get_mut(whole.len())) {
            let mut padded = [0; 64];
            padded[..rest.len()].copy_from_slice(rest);
            *word = pack_sixty_four(simd, &padded);
        }
    }

    /// The users whose counter lies in `low..=high`, or, with `outside`, those whose does not.
    fn counters_within as CountersWithin[simd](counters: &'k [u8; CHUNK_USERS], low: u8, high: u8, outside: bool, words: &'k mut Words) {
        let (span, flip) = (high - low, if outside { u64::MAX } else { 0 });
        for (word, counters) in words.iter_mut().zip(counters.as_chunks::<64>().0) {
            *word = within_u8(simd, counters, low, span) ^ flip;
        }
    }

    /// The users whose number lies in `low..=high` are added.
    fn or_u32_within as OrU32Within[simd](values: &'k [u32; CHUNK_USERS], low: u32, high: u32, words: &'k mut Words) {
        let span = high - low;
        for (words, values) in blocks(words, values) {
            let mut flags = [0_u8; BLOCK];
            for (flag, value) in flags.iter_mut().zip(values) {
                *flag = u8::from(value.wrapping_sub(low) <= span);
            }
            or_packed(simd, &flags, words);
        }
    }

    /// The users whose number lies in `low..=high` are added.
    fn or_i64_within as OrI64Within[simd](values: &'k [i64; CHUNK_USERS], low: i64, high: i64, words: &'k mut Words) {
        for (word, values) in words.iter_mut().zip(values.as_chunks::<64>().0) {
            let mut bits = 0;
            for (place, values) in values.as_chunks::<4>().0.iter().enumerate() {
                bits |= within_i64(simd, values, low, high) << (4 * place);
            }
            *word |= bits;
        }
    }
}

impl Machine {
    /// The places of the ones in the mask of a block, ascending.
    pub(crate) fn ones(self, mask: &[u8]) -> impl Iterator<Item = usize> + use<> {
        let mut words = [0_u64; BLOCK / 64];
        self.pack(mask, &mut words);
        (0..).step_by(64).zip(words).flat_map(|(first, word)| {
            std::iter::successors(Some(word), |rest| Some(rest & rest.wrapping_sub(1)))
                .take(word.count_ones() as usize)
                .map(move |rest| first + rest.trailing_zeros() as usize)
        })
    }
}

/// A chunk's words and values in blocks: comparing a block of values first and packing it then is more
/// than twice as fast as both for 64 of them at a time.
#[inline(always)]
fn blocks<'k, T>(
    words: &'k mut Words,
    values: &'k [T; CHUNK_USERS],
) -> impl Iterator<Item = (&'k mut [u64; BLOCK / 64], &'k [T; BLOCK])> {
    let words = words.as_chunks_mut::<{ BLOCK / 64 }>().0;
    words.iter_mut().zip(values.as_chunks::<BLOCK>().0)
}

/// Adds the bits of bytes of 0 or 1.
#[inline(always)]
fn or_packed<S: Simd>(simd: S, flags: &[u8; BLOCK], words: &mut [u64; BLOCK / 64]) {
    for (word, flags) in words.iter_mut().zip(flags.as_chunks::<64>().0) {
        *word |= pack_sixty_four(simd, flags);
    }
}

/// Eight bytes of 0 or 1 into eight bits: the product moves byte `i` to bit `56 + i`.
#[inline(always)]
fn pack_eight(bytes: [u8; 8]) -> u64 {
    u64::from_le_bytes(bytes).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// Sixty-four bytes of 0 or 1 into as many bits. The compiler knows the instruction set where this is
/// inlined, so that asking for it costs nothing.
#[inline(always)]
fn pack_sixty_four<S: Simd>(simd: S, flags: &[u8; 64]) -> u64 {
    let _ = simd;
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = (&simd as &dyn std::any::Any).downcast_ref::<pulp::x86::V3>() {
        // One instruction gathers the highest bits of 32 bytes.
        // No closures: they would be compiled without the instruction set.
        let [low, high]: [std::arch::x86_64::__m256i; 2] = pulp::bytemuck::cast(*flags);
        let low = simd.avx2._mm256_slli_epi16::<7>(low);
        let high = simd.avx2._mm256_slli_epi16::<7>(high);
        let low = simd.avx2._mm256_movemask_epi8(low).cast_unsigned();
        let high = simd.avx2._mm256_movemask_epi8(high).cast_unsigned();
        return u64::from(low) | u64::from(high) << 32;
    }
    let mut word = 0;
    for (byte, eight) in flags.as_chunks::<8>().0.iter().enumerate() {
        word |= pack_eight(*eight) << (8 * byte);
    }
    word
}

/// A bit for each of the counters that lie in `low..=low + span`.
#[inline(always)]
fn within_u8<S: Simd>(simd: S, counters: &[u8; 64], low: u8, span: u8) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = (&simd as &dyn std::any::Any).downcast_ref::<pulp::x86::V3>() {
        let [first, second]: [std::arch::x86_64::__m256i; 2] = pulp::bytemuck::cast(*counters);
        let (lows, spans) = (
            simd.avx._mm256_set1_epi8(low.cast_signed()),
            simd.avx._mm256_set1_epi8(span.cast_signed()),
        );
        let first = simd.avx2._mm256_sub_epi8(first, lows);
        let second = simd.avx2._mm256_sub_epi8(second, lows);
        let first = simd
            .avx2
            ._mm256_cmpeq_epi8(simd.avx2._mm256_min_epu8(first, spans), first);
        let second = simd
            .avx2
            ._mm256_cmpeq_epi8(simd.avx2._mm256_min_epu8(second, spans), second);
        let first = simd.avx2._mm256_movemask_epi8(first).cast_unsigned();
        let second = simd.avx2._mm256_movemask_epi8(second).cast_unsigned();
        return u64::from(first) | u64::from(second) << 32;
    }
    let mut flags = [0; 64];
    for (flag, counter) in flags.iter_mut().zip(counters) {
        *flag = u8::from(counter.wrapping_sub(low) <= span);
    }
    pack_sixty_four(simd, &flags)
}

/// A bit for each of the values that lie in `low..=high`.
#[inline(always)]
fn within_i64<S: Simd>(simd: S, values: &[i64; 4], low: i64, high: i64) -> u64 {
    let _ = simd;
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = (&simd as &dyn std::any::Any).downcast_ref::<pulp::x86::V3>() {
        let values: std::arch::x86_64::__m256i = pulp::bytemuck::cast(*values);
        let below = simd
            .avx2
            ._mm256_cmpgt_epi64(simd.avx._mm256_set1_epi64x(low), values);
        let above = simd
            .avx2
            ._mm256_cmpgt_epi64(values, simd.avx._mm256_set1_epi64x(high));
        let outside = simd.avx2._mm256_or_si256(below, above);
        let outside = simd
            .avx
            ._mm256_movemask_pd(pulp::bytemuck::cast(outside))
            .cast_unsigned();
        return u64::from(outside ^ 0b1111);
    }
    let mut bits = 0;
    for (place, &value) in values.iter().enumerate() {
        bits |= u64::from(u8::from(low <= value) & u8::from(value <= high)) << place;
    }
    bits
}

#[cfg(test)]
#[allow(
    clippy::large_stack_arrays,
    reason = "kernels take arrays; a test has stack to spare"
)]
mod tests {
    use super::*;

    /// A small generator: the kernels need variety, not quality.
    fn random(seed: &mut u64) -> u64 {
        *seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        *seed >> 33
    }

    fn rows(seed: &mut u64, len: usize) -> (Vec<u16>, Vec<u16>, Vec<u8>) {
        let users = (0..len)
            .map(|_| (random(seed) % CHUNK_USERS as u64) as u16 % 300)
            .collect();
        let codes = (0..len).map(|_| random(seed) as u16 % 50).collect();
        let mask = (0..len).map(|_| random(seed) as u8 & 1).collect();
        (users, codes, mask)
    }

    #[test]
    fn every_instruction_set_counts_alike() {
        let mut seed = 1;
        for len in [0, 1, 7, 63, 64, 65, 1_000, 5_000] {
            let (users, codes, mask) = rows(&mut seed, len);
            let mut expected_counts = [0_u32; CHUNK_USERS];
            let mut expected_sums = [0_i64; CHUNK_USERS];
            for row in 0..len {
                expected_counts[users[row] as usize] += u32::from(mask[row]);
                expected_sums[users[row] as usize] +=
                    i64::from(mask[row]) * (i64::from(codes[row]) - 7) * 100;
            }
            for machine in [Machine::new(Kernels::Simd), Machine::new(Kernels::Scalar)] {
                let mut narrow = [0; CHUNK_USERS];
                machine.count_u8_masked(&users, &mask, &mut narrow);
                let mut wide = [0; CHUNK_USERS];
                machine.count_u32_masked(&users, &mask, &mut wide);
                let mut sums = [0; CHUNK_USERS];
                machine.add_codes_masked(&users, &mask, &codes, -7, 100, &mut sums);
                let mut middle = [0; CHUNK_USERS];
                machine.count_u16_masked(&users, &mask, &mut middle);
                let mut emptied = [0; CHUNK_USERS];
                machine.empty_u16(&mut middle, &mut emptied);
                assert_eq!(emptied, expected_counts);
                assert_eq!(middle, [0; CHUNK_USERS]);
                assert_eq!(wide, expected_counts);
                assert_eq!(sums, expected_sums);
                assert!(
                    narrow
                        .iter()
                        .zip(&wide)
                        .all(|(&narrow, &wide)| u32::from(narrow) == wide.min(255))
                );

                let mut words = [0; _];
                machine.counters_within(&narrow, 2, 200, true, &mut words);
                let mut wide_words = [0; _];
                machine.or_u32_within(&wide, 0, 1, &mut wide_words);
                machine.or_u32_within(&wide, 201, u32::MAX, &mut wide_words);
                for (user, count) in wide.iter().enumerate() {
                    let outside = !(2..=200).contains(count);
                    assert_eq!(crate::words::get(&words, user), outside);
                    assert_eq!(crate::words::get(&wide_words, user), outside);
                }
            }
        }
    }

    #[test]
    fn masks_agree_with_their_definitions() {
        let mut seed = 2;
        let (users, codes, mask) = rows(&mut seed, 777);
        let bits: Vec<u64> = (0..20)
            .map(|_| random(&mut seed) << 31 | random(&mut seed))
            .collect();
        for machine in [Machine::new(Kernels::Simd), Machine::new(Kernels::Scalar)] {
            let mut ranged = vec![0; 777];
            machine.or_code_range(&codes, 10, 5, &mut ranged);
            let mut table = vec![0; 777];
            let truth: Vec<u8> = (0..40)
                .map(|code| u8::from((10..=15).contains(&code)))
                .collect();
            machine.or_code_table(&codes, &truth, &mut table);
            assert_eq!(ranged, table);

            let mut from_bits = vec![0; 777];
            machine.or_bits(&bits, 100, true, &mut from_bits);
            let mut complement = vec![0; 777];
            machine.or_bits(&bits, 100, false, &mut complement);
            let mut anded = vec![1; 777];
            machine.and_bits(&bits, 100, &mut anded);
            assert_eq!(from_bits, anded);
            machine.not_mask(&mut complement);
            assert_eq!(from_bits, complement);
            assert!(
                (0..777).all(|row| u64::from(from_bits[row])
                    == bits[(100 + row) / 64] >> ((100 + row) % 64) & 1)
            );

            let mut set = crate::words::EMPTY;
            machine.set_users_masked(&users, &mask, &mut set);
            assert!(
                users
                    .iter()
                    .zip(&mask)
                    .all(|(&user, &mask)| mask == 0 || crate::words::get(&set, user as usize))
            );

            assert_eq!(
                machine.count_mask(&mask),
                mask.iter().map(|&one| u32::from(one)).sum::<u32>()
            );
            assert!(
                machine
                    .ones(&mask)
                    .eq((0..777).filter(|&row| mask[row] == 1))
            );
            let mut packed = [0; 13];
            machine.pack(&mask, &mut packed);
            assert!((0..777).all(|row| packed[row / 64] >> (row % 64) & 1 == u64::from(mask[row])));
        }
    }
}
