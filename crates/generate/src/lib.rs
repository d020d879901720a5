//! Crowdset's sample data: the three tables of a product that never was.
//!
//! This crate answers *what could such data look like, at any size?* [`generate`] writes
//! `users.parquet`, `events/YYYY-MM-DD.parquet` and `user_properties.parquet`: lognormal activity,
//! Zipf-distributed event names and values, typed JSON properties. The same options give the same
//! bytes, whatever the number of threads. It must not know how the tables are loaded or asked.

mod calendar;
mod distribution;
mod error;
mod events;
mod generate;
mod population;
mod properties;
mod random;
mod table;
mod users;
mod vocabulary;

pub use error::GenerateError;
pub use generate::{END_MS, GenerateOptions, GenerateReport, Progress, ProgressFn, generate};
