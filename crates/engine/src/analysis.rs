//! An answer together with what it cost.

use crate::{Audience, Plan};
use crowdset_executor::NodeProfile;
use std::sync::Arc;
use std::time::Duration;

/// An answer and what every node of its plan cost.
#[derive(Debug, Clone)]
pub struct Analysis {
    pub(crate) plan: Arc<Plan>,
    pub(crate) audience: Audience,
    /// Ascending by node.
    pub(crate) nodes: Vec<NodeProfile>,
    pub(crate) elapsed: Duration,
}

impl Analysis {
    /// The plan that was run.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The answer.
    pub fn audience(&self) -> &Audience {
        &self.audience
    }

    /// What the node with this number in the plan cost; `None` for a number that no node has.
    pub fn node(&self, id: u32) -> Option<&NodeProfile> {
        self.nodes
            .binary_search_by_key(&id, |node| node.node)
            .ok()
            .map(|index| &self.nodes[index])
    }

    /// What all nodes cost, ascending by number.
    pub fn nodes(&self) -> &[NodeProfile] {
        &self.nodes
    }

    /// How long the answer took by the clock, the measuring included; nodes count the time of all
    /// threads.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }
}
