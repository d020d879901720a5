//! Rows on their way in: typed, yet neither sorted nor encoded.
//!
//! A reader turns each batch of its input into one [`StagedBlock`]; the blocks of one span of time,
//! in input order, are sealed into a partition.

use std::collections::BTreeMap;

/// The typed rows of one batch, apart by event name.
#[derive(Debug, Default)]
pub struct StagedBlock {
    /// The rows of each event name that occurs.
    pub streams: BTreeMap<String, StagedRows>,
}

/// Rows of one event name, in input order.
#[derive(Debug, Default)]
pub struct StagedRows {
    /// User ordinal of each row.
    pub users: Vec<u32>,
    /// Milliseconds since the epoch of each row.
    pub times: Vec<i64>,
    /// The row's position in the partition's row file, which tells ties apart by event id.
    pub positions: Vec<u32>,
    /// The properties that occur, by dotted path.
    pub properties: BTreeMap<String, StagedColumn>,
}

/// The values of one property in the rows of one block, apart by type. Only rows with a value have
/// one; `rows` are ascending indexes into the block's rows of that event name.
#[derive(Debug, Default, Clone)]
pub struct StagedColumn {
    /// Truth values.
    pub bools: StagedPart<bool>,
    /// Integers.
    pub integers: StagedPart<i64>,
    /// Doubles.
    pub floats: StagedPart<f64>,
    /// Instants of timestamp columns, milliseconds since the epoch.
    pub times: StagedPart<i64>,
    /// Text: codes of `StagedTexts::dictionary`.
    pub texts: StagedTexts,
    /// Arrays: codes of their compact JSON text.
    pub arrays: StagedTexts,
}

/// Values of one type and the rows they belong to.
#[derive(Debug, Clone)]
pub struct StagedPart<T> {
    /// Ascending; empty stands for `0, 1, 2, …` if there are values (all rows from the first on).
    pub rows: Vec<u32>,
    /// One per row.
    pub values: Vec<T>,
}

impl<T> Default for StagedPart<T> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            values: Vec::new(),
        }
    }
}

/// Texts of one block as codes of a dictionary of the block's own.
#[derive(Debug, Default, Clone)]
pub struct StagedTexts {
    /// The codes, and the rows they belong to.
    pub codes: StagedPart<u32>,
    /// Where each distinct text ends in `bytes`, in order of first appearance; codes index it.
    pub ends: Vec<u32>,
    /// The distinct texts, one after the other.
    pub bytes: Vec<u8>,
}
