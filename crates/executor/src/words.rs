//! One bit per user of a chunk: what every condition computes, and what `and`, `or`, `not` combine.

use crowdset_types::CHUNK_WORDS;

/// The users of one chunk, least significant bit first.
pub(crate) type Words = [u64; CHUNK_WORDS];

/// No user.
pub(crate) const EMPTY: Words = [0; CHUNK_WORDS];

pub(crate) fn is_empty(words: &Words) -> bool {
    words.iter().fold(0, |all, word| all | word) == 0
}

pub(crate) fn count(words: &[u64]) -> u64 {
    words.iter().map(|word| u64::from(word.count_ones())).sum()
}

pub(crate) fn and(into: &mut Words, other: &Words) {
    for (left, right) in into.iter_mut().zip(other) {
        *left &= right;
    }
}

pub(crate) fn or(into: &mut Words, other: &Words) {
    for (left, right) in into.iter_mut().zip(other) {
        *left |= right;
    }
}

pub(crate) fn and_not(into: &mut Words, other: &Words) {
    for (left, right) in into.iter_mut().zip(other) {
        *left &= !right;
    }
}

/// Adds those of `wanted` who are among `others`, or, if negated, who are not.
pub(crate) fn or_some(into: &mut Words, wanted: &Words, others: &Words, is_negated: bool) {
    let flip = if is_negated { u64::MAX } else { 0 };
    for ((into, wanted), other) in into.iter_mut().zip(wanted).zip(others) {
        *into |= wanted & (other ^ flip);
    }
}

/// Whether every user of `inner` is in `outer`.
pub(crate) fn covers(outer: &Words, inner: &Words) -> bool {
    inner
        .iter()
        .zip(outer)
        .fold(0, |left_out, (inner, outer)| left_out | (inner & !outer))
        == 0
}

pub(crate) fn get(words: &Words, user: usize) -> bool {
    words[user / 64] >> (user % 64) & 1 == 1
}

pub(crate) fn set(words: &mut Words, user: usize) {
    words[user / 64] |= 1 << (user % 64);
}

/// Adds the users of a set whose verdict is 1; verdicts stand in the order of the users.
pub(crate) fn mark(users: &Words, verdicts: &[u8], into: &mut Words) {
    let mut verdicts = verdicts.iter();
    for_each(users, |user| {
        let verdict = verdicts.next().copied().unwrap_or(0);
        into[user / 64] |= u64::from(verdict) << (user % 64);
    });
}

/// Calls `f` with each user of the set, ascending.
pub(crate) fn for_each(words: &[u64], mut f: impl FnMut(usize)) {
    for (index, &word) in words.iter().enumerate() {
        let mut rest = word;
        while rest != 0 {
            f(index * 64 + rest.trailing_zeros() as usize);
            rest &= rest - 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_bit_once() {
        let mut words = EMPTY;
        for user in [0, 63, 64, 16_383] {
            set(&mut words, user);
            assert!(get(&words, user));
        }
        let mut seen = Vec::new();
        for_each(&words, |user| seen.push(user));
        assert_eq!(seen, [0, 63, 64, 16_383]);
        assert_eq!(count(&words), 4);
        assert!(covers(&words, &EMPTY) && !covers(&EMPTY, &words));
    }
}
