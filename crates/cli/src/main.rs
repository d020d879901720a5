//! The `crowdset` command.
fn main() {}
