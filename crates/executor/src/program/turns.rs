//! The order in which the roots of a program are evaluated.
//!
//! A family answers all its conditions at once. Evaluated one after the other, the roots that ask for
//! them find the answers in the caches, and so does the next family the memory of those that nobody asks
//! for any more.

use super::{Bound, Condition, Node, NodeKind};

/// When a root is evaluated.
pub(super) struct Turn {
    pub(super) root: usize,
    /// Conditions with an answer of their own that no root after this one asks for.
    pub(super) last_asked: Vec<usize>,
}

/// All roots, those next to one another that ask the same family.
pub(super) fn turns(roots: &[Node<'_>], conditions: &[Bound<'_>]) -> Vec<Turn> {
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
    let mut is_asked_later = vec![false; conditions.len()];
    let mut turns: Vec<Turn> = order
        .into_iter()
        .rev()
        .map(|root| {
            let mut last_asked = Vec::new();
            for &condition in &asked[root] {
                let is_known = std::mem::replace(&mut is_asked_later[condition], true);
                if !is_known && conditions[condition].is_shared {
                    last_asked.push(condition);
                }
            }
            Turn { root, last_asked }
        })
        .collect();
    turns.reverse();
    turns
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
}
