//! The users table as a file: what the store keeps of all rows of `users`.

use crate::error::IngestError;
use crate::group_file::{GROUP_ROWS, write_groups};
use crate::property_rows::IdBuilder;
use crate::table::PROPERTY_KEY;
use arrow_array::builder::{
    BooleanBuilder, Float64Builder, Int64Builder, StringBuilder, TimestampMillisecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use crowdset_storage::{ColumnPart, PartData, StorageError, Table, Users};
use crowdset_types::{Decimal, UserOrdinal};
use std::io::Write;
use std::sync::Arc;

/// Metadata key of a field whose text is the JSON of arrays.
const JSON_KEY: &str = "crowdset.json";

/// Writes the users table that an image holds, in order of ordinals; returns the sink.
///
/// A column that holds several types is written once for each.
///
/// # Errors
///
/// If the image is damaged or the sink cannot be written.
pub fn write_users<W: Write + Send>(users: &Users, sink: W, name: &str) -> Result<W, IngestError> {
    let damaged = |error: crowdset_storage::Damaged| IngestError::from(StorageError::from(error));
    users.touch_ids().map_err(damaged)?;
    let id_kind = users.id_kind();
    let id_type = IdBuilder::new(id_kind).finish().data_type().clone();
    let mut fields = vec![Field::new("user_id", id_type, false)];
    let mut parts: Vec<&ColumnPart> = Vec::new();
    for attribute in users
        .attributes()
        .iter()
        .filter(|attribute| attribute.table() == Table::Users)
    {
        for part in &attribute.column().map_err(damaged)?.parts {
            let mut field_name = attribute.name().to_owned();
            let mut number = 1;
            while fields.iter().any(|field| *field.name() == field_name) {
                number += 1;
                field_name = format!("{}#{number}", attribute.name());
            }
            let (kind, is_json) = match &part.data {
                PartData::Bool(_) => (DataType::Boolean, false),
                PartData::Integer { .. } => (DataType::Int64, false),
                PartData::Decimal { .. } | PartData::Float(_) => (DataType::Float64, false),
                PartData::Time { .. } => (
                    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
                    false,
                ),
                PartData::Text { .. } => (DataType::Utf8, false),
                PartData::Array { .. } => (DataType::Utf8, true),
            };
            let mut metadata = std::collections::HashMap::new();
            if field_name != attribute.name() {
                metadata.insert(PROPERTY_KEY.to_owned(), attribute.name().to_owned());
            }
            if is_json {
                metadata.insert(JSON_KEY.to_owned(), "array".to_owned());
            }
            fields.push(Field::new(field_name, kind, true).with_metadata(metadata));
            parts.push(part);
        }
    }
    let schema = Arc::new(Schema::new(fields));
    let all: Vec<usize> = (0..users.ordinals())
        .filter(|user| users.in_universe(UserOrdinal(*user as u32)))
        .collect();
    let groups: Vec<&[usize]> = all.chunks(GROUP_ROWS).collect();
    write_groups(sink, name, &schema, &["user_id"], groups.len(), |group| {
        let rows = groups[group];
        let mut ids = IdBuilder::new(id_kind);
        for &row in rows {
            ids.push(Some(users.id(UserOrdinal(row as u32))));
        }
        let mut columns = vec![ids.finish()];
        columns.extend(parts.iter().map(|part| values(part, rows)));
        RecordBatch::try_new(schema.clone(), columns).map_err(IngestError::arrow(name))
    })
}

fn values(part: &ColumnPart, rows: &[usize]) -> ArrayRef {
    macro_rules! column {
        ($builder:expr, $value:expr) => {{
            let mut builder = $builder;
            for &row in rows {
                builder.append_option(part.is_present(row).then(|| $value(row)));
            }
            Arc::new(builder.finish())
        }};
    }
    match &part.data {
        PartData::Bool(bits) => column!(BooleanBuilder::new(), |row| bits.get(row)),
        PartData::Integer { base, offsets } => {
            column!(Int64Builder::new(), |row| base
                .wrapping_add(offsets.get(row) as i64))
        }
        PartData::Decimal {
            places,
            base,
            offsets,
        } => column!(Float64Builder::new(), |row| {
            Decimal {
                scaled: base.wrapping_add(offsets.get(row) as i64),
                places: *places,
            }
            .to_f64()
        }),
        PartData::Float(values) => column!(Float64Builder::new(), |row: usize| values[row]),
        PartData::Time { base, offsets } => {
            column!(
                TimestampMillisecondBuilder::new().with_timezone("UTC"),
                |row| base.wrapping_add(offsets.get(row) as i64)
            )
        }
        PartData::Text { dictionary, codes } | PartData::Array { dictionary, codes } => {
            column!(StringBuilder::new(), |row| dictionary
                .get(codes.get(row) as usize))
        }
    }
}
