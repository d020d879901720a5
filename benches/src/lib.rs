//! Crowdset's benches: the 24 questions that speed is measured by, and the figures around them.
//!
//! The questions ([`questions`]) are asked of the data that `crowdset generate` makes, as of its
//! end. `cargo bench -p crowdset-benches` times them with criterion; the program `measure` loads,
//! reopens, asks and prints Markdown; `peers/` asks other engines the same of the same files.

mod machine;
mod question;
mod sample;

pub use machine::{Memory, machine};
pub use question::{Question, Work, as_of, questions, skipped};
pub use sample::{Sample, sample};
