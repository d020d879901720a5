//! Rows of a table as text: CSV and NDJSON.

use crate::failure::Failure;
use crate::output;
use crowdset::arrow::array::{Array, AsArray};
use crowdset::arrow::datatypes::{
    DataType, Float64Type, Int64Type, SchemaRef, TimestampMillisecondType,
};
use crowdset::arrow::record_batch::RecordBatch;
use crowdset::{Members, TimestampMillis};
use serde_json::Value;
use std::borrow::Cow;
use std::io::Write;

/// One value of a column.
enum Cell<'a> {
    Bool(bool),
    Integer(i64),
    Float(f64),
    Time(TimestampMillis),
    Text(&'a str),
}

/// The value at a row; `None` for null.
fn cell(column: &dyn Array, row: usize) -> Option<Cell<'_>> {
    if column.is_null(row) {
        return None;
    }
    Some(match column.data_type() {
        DataType::Boolean => Cell::Bool(column.as_boolean().value(row)),
        DataType::Int64 => Cell::Integer(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => Cell::Float(column.as_primitive::<Float64Type>().value(row)),
        DataType::Timestamp(..) => {
            let column = column.as_primitive::<TimestampMillisecondType>();
            Cell::Time(TimestampMillis(column.value(row)))
        }
        DataType::LargeUtf8 => Cell::Text(column.as_string::<i64>().value(row)),
        _ => Cell::Text(column.as_string::<i32>().value(row)),
    })
}

/// Writes CSV with a header: an empty field is null, `""` is empty text.
pub(crate) fn write_csv(members: Members, out: &mut impl Write) -> Result<(), Failure> {
    let schema: SchemaRef = members.schema();
    for (position, field) in schema.fields().iter().enumerate() {
        let comma = if position == 0 { "" } else { "," };
        write!(out, "{comma}{}", csv_field(field.name()))?;
    }
    writeln!(out)?;
    for batch in members {
        let batch: RecordBatch = batch.map_err(|error| Failure::of(&error))?;
        for row in 0..batch.num_rows() {
            for (position, column) in batch.columns().iter().enumerate() {
                if position > 0 {
                    write!(out, ",")?;
                }
                match cell(column, row) {
                    None => {}
                    Some(Cell::Bool(value)) => write!(out, "{value}")?,
                    Some(Cell::Integer(value)) => write!(out, "{value}")?,
                    Some(Cell::Float(value)) => write!(out, "{value:?}")?,
                    Some(Cell::Time(at)) => write!(out, "{at}")?,
                    Some(Cell::Text(text)) => write!(out, "{}", csv_field(text))?,
                }
            }
            writeln!(out)?;
        }
    }
    Ok(())
}

/// Writes one JSON object a line, null for no value. Ids too large for a column of integers are
/// numbers all the same where ids are integers.
pub(crate) fn write_ndjson(
    members: Members,
    integers: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let schema: SchemaRef = members.schema();
    let names = schema.fields().iter();
    let keys: Vec<String> = names
        .map(|field| Value::from(field.name().as_str()).to_string())
        .collect();
    for batch in members {
        let batch: RecordBatch = batch.map_err(|error| Failure::of(&error))?;
        for row in 0..batch.num_rows() {
            for (position, (key, column)) in keys.iter().zip(batch.columns()).enumerate() {
                let value = match cell(column, row) {
                    None => Value::Null,
                    Some(Cell::Bool(value)) => value.into(),
                    Some(Cell::Integer(value)) => value.into(),
                    // What is no number of JSON becomes null.
                    Some(Cell::Float(value)) => value.into(),
                    Some(Cell::Time(at)) => at.to_string().into(),
                    Some(Cell::Text(id)) if position == 0 => output::id_json(id, integers),
                    Some(Cell::Text(text)) => text.into(),
                };
                let before = if position == 0 { '{' } else { ',' };
                write!(out, "{before}{key}:{value}")?;
            }
            writeln!(out, "}}")?;
        }
    }
    Ok(())
}

/// A field of CSV, quoted only where RFC 4180 asks for it, and where it is empty (a bare empty line
/// is no row to most readers).
fn csv_field(text: &str) -> Cow<'_, str> {
    if text.is_empty() || text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\"")).into()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_quotes_only_what_needs_it() {
        assert_eq!(
            ["u1", "a,b", "say \"x\"", ""].map(csv_field),
            ["u1", "\"a,b\"", "\"say \"\"x\"\"\"", "\"\""]
        );
    }
}
