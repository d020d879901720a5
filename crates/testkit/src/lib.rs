//! Crowdset's test tools: the reference evaluator, random data and segments, the suite.
