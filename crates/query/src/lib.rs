//! Crowdset's segment language: text and JSON to a syntax tree, and from there to a plan.
