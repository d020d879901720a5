//! Answers to conditions that are asked for more than once in a chunk.

use crate::scratch::vec_bytes;
use crate::words::{self, Words};

/// Not answered yet.
const UNKNOWN: u32 = u32::MAX;

/// Answered: nobody.
const NOBODY: u32 = u32::MAX - 1;

/// The users of one chunk that pass conditions, in the order in which these were answered.
#[derive(Default)]
pub(crate) struct Answered {
    /// The place of each condition's answer.
    places: Vec<u32>,
    /// Memory of earlier chunks beyond those in use.
    answers: Vec<Words>,
    used: usize,
    /// Places of answers that nobody asks for any more.
    free: Vec<u32>,
}

impl Answered {
    /// What it takes.
    pub(crate) fn bytes(&self) -> usize {
        vec_bytes(&self.places) + vec_bytes(&self.answers) + vec_bytes(&self.free)
    }

    /// Forgets all answers; there may be some to so many conditions.
    pub(crate) fn reset(&mut self, conditions: usize) {
        self.places.clear();
        self.places.resize(conditions, UNKNOWN);
        self.used = 0;
        self.free.clear();
    }

    /// Where the answer to a condition is to be put; holds anything.
    pub(crate) fn put(&mut self, condition: usize) -> &mut Words {
        let place = self.free.pop().unwrap_or_else(|| {
            let place = self.used;
            self.used += 1;
            if place == self.answers.len() {
                self.answers.push(words::EMPTY);
            }
            place as u32
        });
        self.places[condition] = place;
        &mut self.answers[place as usize]
    }

    /// Nobody asks for the answer to a condition any more: its memory, which is still near, is for the
    /// next one.
    pub(crate) fn release(&mut self, condition: usize) {
        let place = std::mem::replace(&mut self.places[condition], UNKNOWN);
        if place < NOBODY {
            self.free.push(place);
        }
    }

    /// Nobody is the answer to a condition.
    pub(crate) fn put_nobody(&mut self, condition: usize) {
        self.places[condition] = NOBODY;
    }

    /// The answer to a condition, if there is one.
    pub(crate) fn get(&self, condition: usize) -> Option<&Words> {
        match *self.places.get(condition)? {
            NOBODY => Some(&words::EMPTY),
            place => self.answers.get(place as usize),
        }
    }

    /// Whether it was put down that nobody is the answer to a condition.
    pub(crate) fn is_nobody(&self, condition: usize) -> bool {
        self.places.get(condition) == Some(&NOBODY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_last_for_a_chunk() {
        let mut answered = Answered::default();
        for chunk in 1..4 {
            answered.reset(5);
            assert!((0..5).all(|condition| answered.get(condition).is_none()));
            answered.put(4).fill(chunk);
            answered.put(1).fill(chunk + 10);
            assert_eq!(answered.get(1).map(|words| words[9]), Some(chunk + 10));
            assert_eq!(answered.get(4).map(|words| words[0]), Some(chunk));
            assert!(answered.get(0).is_none() && answered.get(7).is_none());
            answered.put_nobody(0);
            assert_eq!(answered.get(0), Some(&words::EMPTY));
            answered.release(4);
            answered.release(4);
            answered.release(0);
            answered.put(3).fill(chunk + 20);
            answered.put(4).fill(chunk + 30);
            assert_eq!(
                [1, 3, 4].map(|condition| answered.get(condition).map(|words| words[0])),
                [10, 20, 30].map(|base| Some(chunk + base))
            );
            answered.put_nobody(0);
            assert!(answered.is_nobody(0) && !answered.is_nobody(1) && !answered.is_nobody(2));
        }
    }
}
