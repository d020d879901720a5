//! One Parquet file, written row group by row group and visible only when it is whole.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::error::GenerateError;

/// Rows of a batch handed to the writer: large enough to pay for the call, small enough for cache.
pub(crate) const BATCH_ROWS: usize = 8_192;
/// Rows of a row group. A reader works on one per core, so a day of a large set has several.
const ROW_GROUP_ROWS: usize = 131_072;
/// Dictionary pages may hold all user ids of a row group. With the default (1 MiB) they would
/// overflow half-way, and pages of mixed encodings are the slowest to read.
const DICTIONARY_BYTES: usize = 8 << 20;

/// The type of every instant in the tables.
pub(crate) fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
}

/// A column without nulls.
pub(crate) fn column(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, false)
}

/// A table file under its temporary name; [`finish`](TableFile::finish) renames it.
pub(crate) struct TableFile {
    path: PathBuf,
    partial: PathBuf,
    // None once finished.
    writer: Option<ArrowWriter<File>>,
    rows: u64,
}

impl TableFile {
    /// Starts a file. `plain` names the columns whose values hardly repeat: they get no dictionary.
    pub(crate) fn create(
        path: &Path,
        schema: SchemaRef,
        plain: &[&str],
    ) -> Result<Self, GenerateError> {
        let partial = path.with_extension("parquet.partial");
        let file = File::create(&partial).map_err(|source| GenerateError::Write {
            path: partial.clone(),
            source,
        })?;
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_dictionary_page_size_limit(DICTIONARY_BYTES)
            .set_created_by("crowdset generate".to_owned());
        for field in schema.fields() {
            let path = ColumnPath::from(field.name().as_str());
            if matches!(field.data_type(), DataType::Timestamp(..) | DataType::Int64) {
                // Ascending or nearly so: differences take a byte or two, a dictionary ten.
                properties = properties
                    .set_column_dictionary_enabled(path.clone(), false)
                    .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
            } else if plain.contains(&field.name().as_str()) {
                properties = properties
                    .set_column_dictionary_enabled(path.clone(), false)
                    .set_column_statistics_enabled(path, EnabledStatistics::Chunk);
            }
        }
        let writer =
            ArrowWriter::try_new(file, schema, Some(properties.build())).map_err(|source| {
                GenerateError::Parquet {
                    path: partial.clone(),
                    source,
                }
            })?;
        Ok(Self {
            path: path.to_owned(),
            partial,
            writer: Some(writer),
            rows: 0,
        })
    }

    /// Adds rows.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), GenerateError> {
        if let Some(writer) = &mut self.writer {
            writer
                .write(batch)
                .map_err(|source| GenerateError::Parquet {
                    path: self.partial.clone(),
                    source,
                })?;
            self.rows += batch.num_rows() as u64;
        }
        Ok(())
    }

    /// Writes what is buffered and gives the file its name. Returns (rows, bytes).
    pub(crate) fn finish(mut self) -> Result<(u64, u64), GenerateError> {
        if let Some(writer) = self.writer.take() {
            writer.close().map_err(|source| GenerateError::Parquet {
                path: self.partial.clone(),
                source,
            })?;
        }
        let failed = |source| GenerateError::Write {
            path: self.path.clone(),
            source,
        };
        fs::rename(&self.partial, &self.path).map_err(failed)?;
        let bytes = fs::metadata(&self.path).map_err(failed)?.len();
        Ok((self.rows, bytes))
    }
}

/// A batch of columns that were built to this schema.
pub(crate) fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>) -> RecordBatch {
    RecordBatch::try_new(schema.clone(), columns)
        .expect("the builders above follow the schema and have one value per row")
}
