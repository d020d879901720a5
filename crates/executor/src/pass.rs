//! What the conditions of one chunk of users share while they are worked out.

use crate::kernel::Machine;
use crate::profile::Tally;
use crate::scratch::Scratch;
use crowdset_types::ChunkId;

/// One condition's pass over one chunk of users.
pub(crate) struct ChunkPass<'p> {
    /// The instruction set.
    pub(crate) machine: Machine,
    pub(crate) chunk: ChunkId,
    /// The worker's memory.
    pub(crate) scratch: &'p mut Scratch,
    /// What was read so far.
    pub(crate) tally: Tally,
}

impl<'p> ChunkPass<'p> {
    pub(crate) fn new(machine: Machine, chunk: ChunkId, scratch: &'p mut Scratch) -> Self {
        Self {
            machine,
            chunk,
            scratch,
            tally: Tally::default(),
        }
    }
}
