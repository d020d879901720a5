//! Temporary Parquet copies of inputs in other forms, so that all that follows reads one form.

use crate::backing::Backing;
use crate::error::IngestError;
use crate::progress::Meter;
use crate::table::IdKinds;
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use std::collections::BTreeSet;
use tempfile::{SpooledData, SpooledTempFile};

/// Rows that are converted together.
pub(crate) const BATCH_ROWS: usize = 8_192;

/// Copies up to this size stay in memory.
const MEMORY_BYTES: usize = 32 << 20;

/// Rows of a row group of a copy, the unit of parallel reading.
const GROUP_ROWS: usize = 262_144;

/// A copy that is being written.
pub(crate) struct Spool {
    name: String,
    writer: ArrowWriter<SpooledTempFile>,
    rejected: Vec<u64>,
}

/// A finished copy.
#[derive(Debug)]
pub(crate) struct Spooled {
    pub(crate) backing: Backing,
    /// Rows of the input (from 1, ascending) that are not in the copy.
    pub(crate) rejected: Vec<u64>,
    /// Kinds of ids that the copy's types do not tell.
    pub(crate) id_kinds: IdKinds,
    /// Attributes of users in the JSON column that always are readable as instants.
    pub(crate) time_keys: BTreeSet<String>,
    /// Values that gave way to a column of the same name while the copy was made.
    pub(crate) column_over_key: u64,
    /// Whether the column `properties` holds JSON although the table has no such column.
    pub(crate) has_json_attributes: bool,
}

impl Spool {
    pub(crate) fn new(name: &str, schema: SchemaRef) -> Result<Self, IngestError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .build();
        let file = SpooledTempFile::new(MEMORY_BYTES);
        let writer = ArrowWriter::try_new(file, schema, Some(properties))
            .map_err(IngestError::parquet(name))?;
        Ok(Self {
            name: name.to_owned(),
            writer,
            rejected: Vec::new(),
        })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), IngestError> {
        self.writer
            .write(batch)
            .map_err(IngestError::parquet(&self.name))
    }

    /// Notes a row of the input (from 1) that is left out.
    pub(crate) fn reject(&mut self, row: u64) {
        self.rejected.push(row);
    }

    /// How many rows are left out so far.
    pub(crate) fn rejected_rows(&self) -> u64 {
        self.rejected.len() as u64
    }

    pub(crate) fn finish(self) -> Result<Spooled, IngestError> {
        let file = self
            .writer
            .into_inner()
            .map_err(IngestError::parquet(&self.name))?;
        let backing = match file.into_inner() {
            SpooledData::InMemory(cursor) => Backing::Memory(cursor.into_inner().into()),
            SpooledData::OnDisk(file) => {
                Backing::from_file(file).map_err(IngestError::spool(&self.name))?
            }
        };
        Ok(Spooled {
            backing,
            rejected: self.rejected,
            id_kinds: IdKinds::default(),
            time_keys: BTreeSet::new(),
            column_over_key: 0,
            has_json_attributes: false,
        })
    }
}

/// Copies record batches.
pub(crate) fn spool_batches(
    name: &str,
    batches: &[RecordBatch],
    meter: &Meter<'_>,
) -> Result<Option<Spooled>, IngestError> {
    let Some(first) = batches.first() else {
        return Ok(None);
    };
    let mut spool = Spool::new(name, first.schema())?;
    for batch in batches {
        spool.write(batch)?;
        meter.add(batch.num_rows() as u64)?;
    }
    spool.finish().map(Some)
}
