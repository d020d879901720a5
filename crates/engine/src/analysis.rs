//! An answer together with what it cost.

use crate::{Audience, Plan};
use crowdset_executor::{NodeProfile, Profile};
use std::sync::Arc;
use std::time::Duration;

/// An answer and what every node of its plan cost.
#[derive(Debug, Clone)]
pub struct Analysis {
    pub(crate) plan: Arc<Plan>,
    pub(crate) audience: Audience,
    pub(crate) profile: Profile,
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
        let nodes = &self.profile.nodes;
        let found = nodes.binary_search_by_key(&id, |node| node.node);
        found.ok().map(|index| &nodes[index])
    }

    /// What all nodes cost, ascending by number, over how many chunks and threads.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// How long the answer took by the clock, the measuring included; nodes count the time of all
    /// threads.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Bytes of columns read by all nodes.
    pub fn bytes(&self) -> u64 {
        self.profile.nodes.iter().map(|node| node.bytes).sum()
    }

    /// Bytes a second that a node read while it was worked on, all threads that took part together;
    /// `None` where nothing was read. To be held against [`memory_bandwidth`](crate::memory_bandwidth).
    pub fn bytes_per_second(&self, node: &NodeProfile) -> Option<f64> {
        let seconds = node.nanos as f64 / 1e9 / self.profile.workers.max(1) as f64;
        (node.bytes > 0 && seconds > 0.0).then(|| node.bytes as f64 / seconds)
    }
}
