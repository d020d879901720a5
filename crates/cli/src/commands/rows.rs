//! Rows of a table as text: CSV and NDJSON.

use crate::failure::Failure;
use crate::output;
use crowdset::arrow::array::{
    Array, AsArray, BooleanArray, Float64Array, Int64Array, LargeStringArray, StringArray,
    TimestampMillisecondArray,
};
use crowdset::arrow::buffer::NullBuffer;
use crowdset::arrow::datatypes::{DataType, SchemaRef};
use crowdset::arrow::record_batch::RecordBatch;
use crowdset::{Members, TimestampMillis};
use serde_json::Value;
use std::borrow::Cow;
use std::io::Write;

/// Text is handed over in blocks of about so many bytes.
const BLOCK_BYTES: usize = 1 << 18;

/// One value of a column.
enum Cell<'a> {
    Bool(bool),
    Integer(i64),
    Float(f64),
    Time(TimestampMillis),
    Text(&'a str),
}

/// A column whose type is known.
struct Cells<'a> {
    nulls: Option<&'a NullBuffer>,
    values: Values<'a>,
}

enum Values<'a> {
    Bool(&'a BooleanArray),
    Integer(&'a Int64Array),
    Float(&'a Float64Array),
    Time(&'a TimestampMillisecondArray),
    Text(&'a StringArray),
    LargeText(&'a LargeStringArray),
}

impl<'a> Cells<'a> {
    fn of(column: &'a dyn Array) -> Self {
        let values = match column.data_type() {
            DataType::Boolean => Values::Bool(column.as_boolean()),
            DataType::Int64 => Values::Integer(column.as_primitive()),
            DataType::Float64 => Values::Float(column.as_primitive()),
            DataType::Timestamp(..) => Values::Time(column.as_primitive()),
            DataType::LargeUtf8 => Values::LargeText(column.as_string()),
            _ => Values::Text(column.as_string()),
        };
        Self {
            nulls: column.nulls(),
            values,
        }
    }

    /// The value at a row; `None` for null.
    fn get(&self, row: usize) -> Option<Cell<'a>> {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            return None;
        }
        Some(match self.values {
            Values::Bool(column) => Cell::Bool(column.value(row)),
            Values::Integer(column) => Cell::Integer(column.value(row)),
            Values::Float(column) => Cell::Float(column.value(row)),
            Values::Time(column) => Cell::Time(TimestampMillis(column.value(row))),
            Values::Text(column) => Cell::Text(column.value(row)),
            Values::LargeText(column) => Cell::Text(column.value(row)),
        })
    }
}

/// Writes rows as `row` puts them into text, each with its values, a block of text at a time.
fn write_rows<W: Write>(
    members: Members,
    out: &mut W,
    mut row: impl FnMut(&mut Vec<u8>, usize, Option<Cell<'_>>) -> Result<(), Failure>,
    end: &[u8],
) -> Result<(), Failure> {
    let mut text = Vec::with_capacity(2 * BLOCK_BYTES);
    for batch in members {
        let batch: RecordBatch = batch.map_err(|error| Failure::of(&error))?;
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| Cells::of(column))
            .collect();
        for index in 0..batch.num_rows() {
            for (position, column) in columns.iter().enumerate() {
                row(&mut text, position, column.get(index))?;
            }
            text.extend_from_slice(end);
            if text.len() >= BLOCK_BYTES {
                out.write_all(&text)?;
                text.clear();
            }
        }
    }
    Ok(out.write_all(&text)?)
}

/// Writes CSV with a header: an empty field is null, `""` is empty text.
pub(crate) fn write_csv(members: Members, out: &mut impl Write) -> Result<(), Failure> {
    let schema: SchemaRef = members.schema();
    for (position, field) in schema.fields().iter().enumerate() {
        let comma = if position == 0 { "" } else { "," };
        write!(out, "{comma}{}", csv_field(field.name()))?;
    }
    writeln!(out)?;
    let put = |text: &mut Vec<u8>, position: usize, cell: Option<Cell<'_>>| {
        if position > 0 {
            text.push(b',');
        }
        match cell {
            None => {}
            Some(Cell::Bool(value)) => write!(text, "{value}")?,
            Some(Cell::Integer(value)) => write!(text, "{value}")?,
            Some(Cell::Float(value)) => write!(text, "{value:?}")?,
            Some(Cell::Time(at)) => write!(text, "{at}")?,
            Some(Cell::Text(value)) => text.extend_from_slice(csv_field(value).as_bytes()),
        }
        Ok(())
    };
    write_rows(members, out, put, b"\n")
}

/// Writes one JSON object a line, null for no value. Ids too large for a column of integers are
/// numbers all the same where ids are integers.
pub(crate) fn write_ndjson(
    members: Members,
    integers: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let schema: SchemaRef = members.schema();
    let keys = schema.fields().iter().enumerate().map(|(position, field)| {
        let before = if position == 0 { '{' } else { ',' };
        format!("{before}{}:", Value::from(field.name().as_str()))
    });
    let keys: Vec<String> = keys.collect();
    let put = |text: &mut Vec<u8>, position: usize, cell: Option<Cell<'_>>| {
        text.extend_from_slice(keys[position].as_bytes());
        let written = match cell {
            None => serde_json::to_writer(text, &Value::Null),
            Some(Cell::Bool(value)) => serde_json::to_writer(text, &value),
            Some(Cell::Integer(value)) => serde_json::to_writer(text, &value),
            // What is no number of JSON becomes null.
            Some(Cell::Float(value)) => serde_json::to_writer(text, &value),
            Some(Cell::Time(at)) => serde_json::to_writer(text, &at.to_string()),
            Some(Cell::Text(id)) if position == 0 && integers => {
                serde_json::to_writer(text, &output::id_json(id, integers))
            }
            Some(Cell::Text(value)) => serde_json::to_writer(text, value),
        };
        written.map_err(|error| Failure::of(&error))
    };
    write_rows(members, out, put, b"}\n")
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
