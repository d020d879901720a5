//! Answers to conditions that are asked for more than once in a chunk.

use crate::words::{self, Words};

/// Not answered yet.
const UNKNOWN: u32 = u32::MAX;

/// The users of one chunk that pass conditions, in the order in which these were answered.
#[derive(Default)]
pub(crate) struct Answered {
    /// The place of each condition's answer.
    places: Vec<u32>,
    /// Memory of earlier chunks beyond those in use.
    answers: Vec<Words>,
    used: usize,
}

impl Answered {
    /// Forgets all answers; there may be some to so many conditions.
    pub(crate) fn reset(&mut self, conditions: usize) {
        self.places.clear();
        self.places.resize(conditions, UNKNOWN);
        self.used = 0;
    }

    /// Where the answer to a condition is to be put; holds anything.
    pub(crate) fn put(&mut self, condition: usize) -> &mut Words {
        let place = self.used;
        self.places[condition] = place as u32;
        self.used += 1;
        if place == self.answers.len() {
            self.answers.push(words::EMPTY);
        }
        &mut self.answers[place]
    }

    /// The answer to a condition, if there is one.
    pub(crate) fn get(&self, condition: usize) -> Option<&Words> {
        self.answers.get(*self.places.get(condition)? as usize)
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
        }
    }
}
