//! Crowdset's benches: kernels, the 24 questions, load.
