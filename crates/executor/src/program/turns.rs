//! The order in which the roots of a program are evaluated.
//!
//! A family answers all its conditions at once. Evaluated one after the other, the roots that ask for
//! them find the answers in the caches, and so does the next family the memory of those that nobody asks
//! for any more.

use super::{Bound, Condition, Node, NodeKind};
use std::ops::Range;

/// All roots in order. What is asked of each chunk for each root stands together: walking trees costs
/// more than joining answers.
pub(super) struct Turns {
    in_order: Vec<Turn>,
    parts: Vec<Part>,
    last_asked: Vec<usize>,
}

/// When a root is evaluated.
struct Turn {
    root: usize,
    /// What the root joins with `and`, if that is nothing but kept answers.
    parts: Option<Range<usize>>,
    last_asked: Range<usize>,
}

/// A condition whose answer is kept for all who ask.
#[derive(Clone, Copy)]
pub(super) struct Part {
    pub(super) condition: usize,
    /// The tally of the node that asks.
    pub(super) slot: usize,
    /// The others are meant.
    pub(super) is_negated: bool,
}

impl Turns {
    /// Puts those roots next to one another that ask the same family.
    pub(super) fn new(roots: &[Node<'_>], conditions: &[Bound<'_>]) -> Self {
        let asked: Vec<Vec<usize>> = roots
            .iter()
            .map(|root| {
                let mut asked = Vec::new();
                root.add_conditions(&mut asked);
                asked
            })
            .collect();
        let family = |condition: &usize| match conditions[*condition].condition {
            Condition::Member(family) => Some(family),
            _ => None,
        };
        let mut order: Vec<usize> = (0..roots.len()).collect();
        order.sort_by_key(|&root| asked[root].iter().filter_map(family).max());
        // From the last turn back: who asks first asks last.
        let mut is_asked_later = vec![false; conditions.len()];
        let mut turns = Self {
            in_order: Vec::with_capacity(roots.len()),
            parts: Vec::new(),
            last_asked: Vec::new(),
        };
        for root in order.into_iter().rev() {
            let first = turns.last_asked.len();
            for &condition in &asked[root] {
                let is_known = std::mem::replace(&mut is_asked_later[condition], true);
                if !is_known && conditions[condition].is_shared {
                    turns.last_asked.push(condition);
                }
            }
            let last_asked = first..turns.last_asked.len();
            let parts = roots[root].parts(conditions).map(|mut parts| {
                let first = turns.parts.len();
                turns.parts.append(&mut parts);
                first..turns.parts.len()
            });
            turns.in_order.push(Turn {
                root,
                parts,
                last_asked,
            });
        }
        turns.in_order.reverse();
        turns
    }

    /// The roots in order, with what they join, if that is nothing but kept answers, and the conditions
    /// with kept answers that no root asks for afterwards.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, Option<&[Part]>, &[usize])> {
        self.in_order.iter().map(|turn| {
            let parts = turn.parts.clone().map(|parts| &self.parts[parts]);
            (turn.root, parts, &self.last_asked[turn.last_asked.clone()])
        })
    }
}

impl Node<'_> {
    fn add_conditions(&self, conditions: &mut Vec<usize>) {
        match &self.kind {
            NodeKind::Everyone | NodeKind::Nobody => {}
            NodeKind::And(parts) | NodeKind::Or(parts) => {
                for part in parts {
                    part.add_conditions(conditions);
                }
            }
            NodeKind::Not(part) => part.add_conditions(conditions),
            NodeKind::Condition(condition) => conditions.push(*condition),
        }
    }

    /// What the node joins with `and`, if that is nothing but kept answers.
    fn parts(&self, conditions: &[Bound<'_>]) -> Option<Vec<Part>> {
        let parts = match &self.kind {
            NodeKind::And(parts) => parts.as_slice(),
            _ => std::slice::from_ref(self),
        };
        let parts = parts.iter().map(|part| part.part(conditions));
        parts.collect()
    }

    /// The condition that the node is or negates, if its answer is kept.
    pub(super) fn part(&self, conditions: &[Bound<'_>]) -> Option<Part> {
        let (node, is_negated) = match &self.kind {
            NodeKind::Not(part) => (&**part, true),
            _ => (self, false),
        };
        match node.kind {
            NodeKind::Condition(condition) if conditions[condition].is_shared => Some(Part {
                condition,
                slot: node.slot,
                is_negated,
            }),
            _ => None,
        }
    }
}
