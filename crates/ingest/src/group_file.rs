//! A Parquet file whose row groups are made and encoded in parallel.

use crate::error::IngestError;
use arrow_array::RecordBatch;
use arrow_schema::{DataType, SchemaRef};
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::arrow::{ArrowSchemaConverter, add_encoded_arrow_schema_to_metadata};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;
use rayon::prelude::*;
use std::io::Write;
use std::sync::Arc;

/// Rows of a row group.
pub(crate) const GROUP_ROWS: usize = 262_144;

/// Writes `groups` row groups to `sink`, which is returned; `make` makes the rows of one. Of the
/// columns in `different` nearly every value is another one: they get no dictionary and no bounds.
pub(crate) fn write_groups<W: Write + Send>(
    sink: W,
    name: &str,
    schema: &SchemaRef,
    different: &[&str],
    groups: usize,
    make: impl Fn(usize) -> Result<RecordBatch, IngestError> + Sync,
) -> Result<W, IngestError> {
    let failed = || IngestError::parquet(name);
    let level = ZstdLevel::try_new(1).map_err(failed())?;
    let mut properties = WriterProperties::builder().set_compression(Compression::ZSTD(level));
    for column in different {
        let path = ColumnPath::from(*column);
        properties = properties
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_statistics_enabled(path, EnabledStatistics::None);
    }
    // Instants and ids that are integers: small differences, and a dictionary would hold them all.
    for field in schema.fields() {
        let kind = field.data_type();
        let is_id = *kind == DataType::Int64 && different.contains(&field.name().as_str());
        if is_id || matches!(kind, DataType::Timestamp(..)) {
            let path = ColumnPath::from(field.name().as_str());
            properties = properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
        }
    }
    let mut properties = properties.build();
    add_encoded_arrow_schema_to_metadata(schema, &mut properties);
    let parquet = ArrowSchemaConverter::new()
        .convert(schema)
        .map_err(failed())?;
    let mut writer =
        SerializedFileWriter::new(sink, parquet.root_schema_ptr(), Arc::new(properties))
            .map_err(failed())?;
    let factory = ArrowRowGroupWriterFactory::new(&writer, Arc::clone(schema));
    let encode = |group: usize| -> Result<Vec<ArrowColumnChunk>, IngestError> {
        let mut columns = factory.create_column_writers(group).map_err(failed())?;
        let batch = make(group)?;
        let mut writers = columns.iter_mut();
        for (field, column) in schema.fields().iter().zip(batch.columns()) {
            for leaf in compute_leaves(field, column).map_err(failed())? {
                if let Some(writer) = writers.next() {
                    writer.write(&leaf).map_err(failed())?;
                }
            }
        }
        columns
            .into_iter()
            .map(|column| column.close().map_err(failed()))
            .collect()
    };
    let numbers: Vec<usize> = (0..groups).collect();
    for wave in numbers.chunks(rayon::current_num_threads() * 2) {
        let encoded: Vec<_> = wave.par_iter().map(|group| encode(*group)).collect();
        for chunks in encoded {
            let mut group = writer.next_row_group().map_err(failed())?;
            for chunk in chunks? {
                chunk.append_to_row_group(&mut group).map_err(failed())?;
            }
            group.close().map_err(failed())?;
        }
    }
    writer.into_inner().map_err(failed())
}
