//! Crowdset's benches: the 24 questions that speed is measured by, and the figures around them.
//!
//! The questions ([`questions`]) are asked of the data that `crowdset generate` makes, as of its
//! end. `cargo bench -p crowdset-benches` times them with criterion; the program `measure` loads,
//! reopens, asks and prints Markdown; `peers/` asks other engines the same of the same files and
//! compares; the program `instructions` counts what the processor does for each.

mod generated;
mod machine;
mod question;
mod sample;

pub use generated::{Drawn, generated};
pub use machine::{Memory, machine, processor_time};
pub use question::{Answer, Question, Work, as_of, first_question, member, questions};
pub use sample::{STORE_VARIABLE, Sample, sample};
