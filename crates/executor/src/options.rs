//! Switches for every optimisation, so that tests can hold each path against the others.

/// Which machine code the inner loops run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Kernels {
    /// The widest vectors that this processor has, found at run time.
    #[default]
    Simd,
    /// Plain code for any processor of the architecture.
    Scalar,
}

/// How an answer is worked out. No setting changes the answer; every one is on by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExecOptions {
    /// Spread runs of chunks over the current rayon pool, where the work is worth a hand-over.
    pub parallel: bool,
    /// Answer from the sets of users per term where they are exact, instead of scanning rows.
    pub use_index: bool,
    /// Answer from what is kept of the rows once a query asked for it ([`crate::Summaries`]): first and
    /// last rows and what a property is in them, active days, counts of any event, the rows that pass a
    /// predicate.
    pub use_summaries: bool,
    /// Merge the rows of a sequence's steps in order of time where no row fits two of them, instead of
    /// gathering them by user.
    pub funnels: bool,
    /// Decide by coarse time about most users of a sequence, before rows are put into order.
    pub sieves: bool,
    /// Skip partitions and chunks that cannot hold a match.
    pub prune: bool,
    /// Stop a condition's parts as soon as its answer is known for every user of a chunk, and work
    /// out each part only for users for whom it matters.
    pub short_circuit: bool,
    /// Answer conditions about the same events together: all their windows and thresholds in one walk
    /// over the rows.
    pub families: bool,
    /// The machine code of the inner loops.
    pub kernels: Kernels,
}

impl Default for ExecOptions {
    fn default() -> Self {
        Self {
            parallel: true,
            use_index: true,
            use_summaries: true,
            funnels: true,
            sieves: true,
            prune: true,
            short_circuit: true,
            families: true,
            kernels: Kernels::Simd,
        }
    }
}
