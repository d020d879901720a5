//! How far a load has come.

use crate::error::IngestError;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// CSV, NDJSON and record batches are copied to a form that can be read in parallel.
    Copying,
    /// Users and their properties are read.
    Users,
    /// Ids and times of all events are read: duplicates are found, partitions are planned.
    Surveying,
    /// Events are read, typed and written, partition by partition.
    Loading,
    /// Columns and indexes of a partition are built.
    Sealing,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Copying => "copying",
            Self::Users => "reading users",
            Self::Surveying => "checking event ids",
            Self::Loading => "loading events",
            Self::Sealing => "building columns and indexes",
        })
    }
}

/// How far a load has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// Rows behind us in this stage.
    pub rows_done: u64,
    /// Rows of this stage in all; 0 if that is not known.
    pub rows_total: u64,
}

/// Told of progress every few hundred thousand rows, from any of the threads that load, one call at
/// a time. Answer [`ControlFlow::Break`] to cancel; the store stays as it was.
pub type OnProgress<'a> = &'a (dyn Fn(Progress) -> ControlFlow<()> + Sync);

/// Counts the rows of one stage and tells the caller.
pub(crate) struct Meter<'a> {
    stage: Stage,
    done: AtomicU64,
    total: u64,
    tell: OnProgress<'a>,
}

impl<'a> Meter<'a> {
    pub(crate) fn new(stage: Stage, total: u64, tell: OnProgress<'a>) -> Result<Self, IngestError> {
        let meter = Self {
            stage,
            done: AtomicU64::new(0),
            total,
            tell,
        };
        meter.add(0)?;
        Ok(meter)
    }

    pub(crate) fn add(&self, rows: u64) -> Result<(), IngestError> {
        let rows_done = self.done.fetch_add(rows, Ordering::Relaxed) + rows;
        match (self.tell)(Progress {
            stage: self.stage,
            rows_done,
            rows_total: self.total,
        }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(IngestError::Cancelled),
        }
    }
}
