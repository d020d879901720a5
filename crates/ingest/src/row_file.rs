//! The Parquet file of a partition's rows: its schema, and its row groups, encoded anew or copied.
//!
//! Most loads bring files whose row groups lie in one partition, are free of duplicates and have the
//! form that the store's own file would have. Their columns are copied byte by byte, which saves the
//! larger part of writing.

use crate::error::IngestError;
use crate::rows::Context;
use crate::survey::EventFile;
use crate::table::PROPERTY_KEY;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use crowdset_storage::IdKind;
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory,
};
use parquet::arrow::{ArrowSchemaConverter, encode_arrow_schema};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, SchemaDescriptor};
use std::io::Write;
use std::sync::Arc;

/// One column of the partition's file that holds a property.
#[derive(Debug, Clone)]
struct OutputColumn {
    property: Arc<str>,
    kind: DataType,
}

/// The schema of the partition's file, and what of each input file goes where in it.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) schema: SchemaRef,
    parquet: SchemaDescriptor,
    columns: Vec<OutputColumn>,
    /// For each input file and each field: the leaf column whose bytes can be copied.
    copies: Vec<Vec<Option<usize>>>,
}

/// Columns that every partition's file has, before those of properties.
const ROLES: [&str; 5] = [
    "event_id",
    "user_id",
    "event_name",
    "timestamp",
    "properties",
];

impl Output {
    pub(crate) fn new(context: &Context<'_>) -> Result<Self, IngestError> {
        let mut columns: Vec<OutputColumn> = Vec::new();
        for file in context.files {
            for plain in &file.table.plain {
                let kind = file.table.field(plain.root).data_type();
                if !columns
                    .iter()
                    .any(|column| column.property == plain.property && column.kind == *kind)
                {
                    columns.push(OutputColumn {
                        property: plain.property.clone(),
                        kind: kind.clone(),
                    });
                }
            }
        }
        // Struct columns spread over many properties; single columns stand behind and win.
        columns.sort_by_key(|column| !column.property.is_empty());
        let id = |kind: IdKind| {
            if kind == IdKind::Integer {
                DataType::Int64
            } else {
                DataType::Utf8View
            }
        };
        // As the inputs say, so that their columns can be copied as they are.
        let nullable = |role: &str| {
            let mut tables = context.files.iter().map(|file| &file.table);
            tables.any(|table| {
                table
                    .role(role)
                    .is_none_or(|root| table.field(root).is_nullable())
            })
        };
        let time = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
        let mut fields: Vec<Field> = [
            ("event_id", id(context.event_id_kind)),
            ("user_id", id(context.user_id_kind)),
            ("event_name", DataType::Utf8View),
            ("timestamp", time),
            ("properties", DataType::Utf8View),
        ]
        .into_iter()
        .map(|(role, kind)| Field::new(role, kind, nullable(role)))
        .collect();
        for column in &columns {
            let base = if column.property.is_empty() {
                "properties"
            } else {
                &*column.property
            };
            let mut name = base.to_owned();
            let mut number = 1;
            while fields.iter().any(|field| *field.name() == name) {
                number += 1;
                name = format!("{base}#{number}");
            }
            let mut field = Field::new(&name, column.kind.clone(), true);
            if *name != *column.property {
                field.set_metadata([(PROPERTY_KEY.to_owned(), column.property.to_string())].into());
            }
            fields.push(field);
        }
        let schema = Schema::new(fields);
        let parquet = ArrowSchemaConverter::new()
            .convert(&schema)
            .map_err(IngestError::parquet("the partition's rows"))?;
        let mut output = Self {
            schema: Arc::new(schema),
            parquet,
            columns,
            copies: Vec::new(),
        };
        output.copies = context
            .files
            .iter()
            .map(|file| output.copies_of(file))
            .collect();
        Ok(output)
    }

    /// The columns of a file that have the very form of the partition's file.
    fn copies_of(&self, file: &EventFile) -> Vec<Option<usize>> {
        (0..self.fields())
            .map(|field| {
                let root = match ROLES.get(field) {
                    Some(role) => file.table.role(role),
                    None => self.source(field, file),
                }?;
                let mut leaves = (0..self.parquet.num_columns())
                    .filter(|leaf| self.parquet.get_column_root_idx(*leaf) == field);
                let (leaf, None) = (leaves.next()?, leaves.next()) else {
                    return None;
                };
                file.table.leaf_like(root, &self.parquet.column(leaf))
            })
            .collect()
    }

    /// How many fields there are.
    pub(crate) fn fields(&self) -> usize {
        self.schema.fields().len()
    }

    /// How many leaf columns a field has.
    pub(crate) fn leaves(&self, field: usize) -> usize {
        (0..self.parquet.num_columns())
            .filter(|leaf| self.parquet.get_column_root_idx(*leaf) == field)
            .count()
    }

    /// The leaf column of an input file that can be copied into a field.
    pub(crate) fn copied_leaf(&self, file: usize, field: usize) -> Option<usize> {
        self.copies[file][field]
    }

    /// Whether any column of an input file can be copied.
    pub(crate) fn copies_any(&self, file: usize) -> bool {
        self.copies[file].iter().any(Option::is_some)
    }

    /// The plain column of an input file that goes into a field behind the fixed ones.
    pub(crate) fn source(&self, field: usize, file: &EventFile) -> Option<usize> {
        let column = &self.columns[field - ROLES.len()];
        let mut plain = file.table.plain.iter();
        plain
            .find(|plain| {
                plain.property == column.property
                    && *file.table.field(plain.root).data_type() == column.kind
            })
            .map(|plain| plain.root)
    }
}

/// One column of a row group of the partition's file.
pub(crate) enum OutputChunk {
    Encoded(Box<ArrowColumnChunk>),
    /// As it is in the row group of an input file.
    Copied {
        file: usize,
        group: usize,
        leaf: usize,
    },
}

/// The file of a partition's rows, to which row groups are added in order.
pub(crate) struct RowFile<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    name: String,
}

/// Makes what encodes the columns of a file's row groups, on any thread.
pub(crate) struct RowEncoders {
    factory: ArrowRowGroupWriterFactory,
    name: String,
}

impl RowEncoders {
    /// Writers for the columns of one row group.
    pub(crate) fn column_writers(&self) -> Result<Vec<ArrowColumnWriter>, IngestError> {
        // The number matters to encrypted files only.
        self.factory
            .create_column_writers(0)
            .map_err(IngestError::parquet(&self.name))
    }
}

impl<W: Write + Send> RowFile<W> {
    pub(crate) fn create(
        sink: W,
        name: &str,
        output: &Output,
    ) -> Result<(Self, RowEncoders), IngestError> {
        let schema = &output.schema;
        // Readers in other languages know plain text columns best; views are a matter of memory only.
        let shown: Vec<Field> = schema
            .fields()
            .iter()
            .map(|field| {
                let field = field.as_ref().clone();
                if *field.data_type() == DataType::Utf8View {
                    field.with_data_type(DataType::Utf8)
                } else {
                    field
                }
            })
            .collect();
        let shown = KeyValue::new(
            "ARROW:schema".to_owned(),
            encode_arrow_schema(&Schema::new(shown)),
        );
        let level = ZstdLevel::try_new(1).map_err(IngestError::parquet(name))?;
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_key_value_metadata(Some(vec![shown]))
            .set_statistics_enabled(EnabledStatistics::Chunk)
            // Copied columns come without one, and none of our readers asks for it.
            .set_offset_index_disabled(true);
        // Nearly every value of these is another one: a dictionary and bounds would be built in vain.
        for column in ["event_id", "user_id", "properties"] {
            let path = ColumnPath::from(column);
            properties = properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_statistics_enabled(path, EnabledStatistics::None);
        }
        // Times come nearly in order: small differences, and a dictionary would hold them all.
        let timestamp = ColumnPath::from("timestamp");
        properties = properties
            .set_column_dictionary_enabled(timestamp.clone(), false)
            .set_column_encoding(timestamp, Encoding::DELTA_BINARY_PACKED);
        let writer = SerializedFileWriter::new(
            sink,
            output.parquet.root_schema_ptr(),
            Arc::new(properties.build()),
        )
        .map_err(IngestError::parquet(name))?;
        let factory = ArrowRowGroupWriterFactory::new(&writer, schema.clone());
        let name = name.to_owned();
        let encoders = RowEncoders {
            factory,
            name: name.clone(),
        };
        Ok((Self { writer, name }, encoders))
    }

    pub(crate) fn append(
        &mut self,
        chunks: Vec<OutputChunk>,
        files: &[EventFile],
    ) -> Result<(), IngestError> {
        let failed = || IngestError::parquet(&self.name);
        let mut group = self.writer.next_row_group().map_err(failed())?;
        for chunk in chunks {
            match chunk {
                OutputChunk::Encoded(chunk) => {
                    chunk.append_to_row_group(&mut group).map_err(failed())?;
                }
                OutputChunk::Copied {
                    file,
                    group: from,
                    leaf,
                } => {
                    let (bytes, close) = files[file].table.column_chunk(from, leaf);
                    group.append_column(&bytes, close).map_err(failed())?;
                }
            }
        }
        group.close().map_err(failed())?;
        Ok(())
    }

    /// Ends the file.
    pub(crate) fn finish(self) -> Result<W, IngestError> {
        self.writer
            .into_inner()
            .map_err(IngestError::parquet(&self.name))
    }
}
