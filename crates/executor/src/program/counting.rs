//! How many users a root selects: most roots of many segments are conditions that families answer, and
//! some of them joined with `and`. Counted at once, their users are never written down; and a set of an
//! index knows its size.

use super::turns::Part;
use super::{Condition, Node, NodeKind, Program, Purpose, Worker};
use crate::scratch::Scratch;
use crate::words;

/// A root of more parts is evaluated.
const PARTS_MAX: usize = 8;

impl Program<'_> {
    /// How many users each root selects, where nobody has to be looked at for it.
    pub(super) fn known_counts(&self) -> Vec<Option<u64>> {
        if !self.options.short_circuit || self.purpose == Purpose::Profile {
            return vec![None; self.roots.len()];
        }
        let roots = self.roots.iter();
        roots.map(|root| self.known_count(root)).collect()
    }

    fn known_count(&self, node: &Node<'_>) -> Option<u64> {
        let users = &self.dataset.users;
        let everyone = users.universe_len();
        match &node.kind {
            NodeKind::Everyone => Some(everyone),
            NodeKind::Nobody => Some(0),
            NodeKind::Not(part) => Some(everyone - self.known_count(part)?),
            NodeKind::Condition(index) => match &self.conditions[*index].condition {
                // Sets hold orphans too.
                Condition::Attribute(attribute) if everyone == users.ordinals() as u64 => {
                    attribute.known_len()
                }
                _ => None,
            },
            NodeKind::And(_) | NodeKind::Or(_) => None,
        }
    }
}

impl Worker<'_, '_> {
    /// How many users of the chunk the root selects; `parts`: what it joins, if that is nothing but kept
    /// answers.
    pub(super) fn count(
        &self,
        root: &Node<'_>,
        parts: Option<&[Part]>,
        scratch: &mut Scratch,
    ) -> u64 {
        let options = &self.program.options;
        let is_counted = options.short_circuit && self.program.purpose != Purpose::Profile;
        match parts {
            Some(parts) if is_counted && parts.len() <= PARTS_MAX => {
                self.count_answers(parts, scratch)
            }
            _ => {
                let mut found = words::EMPTY;
                self.eval(root, &self.universe, scratch, &mut found);
                self.machine.count_bits(&found)
            }
        }
    }

    fn count_answers(&self, parts: &[Part], scratch: &mut Scratch) -> u64 {
        let is_nobody = |part: &Part| !part.is_negated && scratch.answers.is_nobody(part.condition);
        if parts.iter().any(is_nobody) {
            return 0;
        }
        for (place, part) in parts.iter().enumerate() {
            if scratch.answers.get(part.condition).is_none() {
                // It need not be answered where the others leave nobody.
                if place > 0 && self.count_all(&parts[..place], scratch) == 0 {
                    return 0;
                }
                self.answer(part.condition, part.slot, scratch);
            }
        }
        self.count_all(parts, scratch)
    }

    /// How many users pass all of some conditions, which are answered.
    fn count_all(&self, parts: &[Part], scratch: &Scratch) -> u64 {
        let mut answers = [(&words::EMPTY, 0); PARTS_MAX];
        for (answer, part) in answers.iter_mut().zip(parts) {
            let of_condition = scratch.answers.get(part.condition);
            let flip = if part.is_negated { u64::MAX } else { 0 };
            *answer = (of_condition.unwrap_or(&words::EMPTY), flip);
        }
        let answers = &answers[..parts.len()];
        self.machine.count_all(&self.universe, answers)
    }
}
