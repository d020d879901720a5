//! CSV: records that tell an empty field from empty text, and the types of whole columns.
//!
//! Commas between fields, double quotes around a field that needs them (a quote inside is doubled),
//! lines end in LF or CRLF, the first line is the header. A field of nothing is null, `""` is empty
//! text. Blank lines are skipped.

use crate::error::{IngestError, Rejections, RowProblem};
use crate::input::TableKind;
use crate::progress::Meter;
use crate::spool::{BATCH_ROWS, Spool, Spooled};
use crate::table::IdKinds;
use crate::{ColumnMap, OnBadRow};
use arrow_array::builder::{
    BooleanBuilder, Float64Builder, Int64Builder, StringBuilder, TimestampMillisecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use crowdset_storage::IdKind;
use crowdset_types::{Number, TimestampMillis, parse_number};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

/// One record: its fields, one after the other.
#[derive(Debug, Default)]
struct Record {
    bytes: Vec<u8>,
    /// Where each field ends in `bytes`, and whether it stood in quotes.
    ends: Vec<(usize, bool)>,
    problem: Option<&'static str>,
}

impl Record {
    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.problem = None;
    }

    fn end_field(&mut self, quoted: bool) {
        self.ends.push((self.bytes.len(), quoted));
    }

    /// The field, or `None` if it is null; `Err` if it is no UTF-8.
    fn field(&self, index: usize) -> Result<Option<&str>, std::str::Utf8Error> {
        let start = if index == 0 {
            0
        } else {
            self.ends[index - 1].0
        };
        let (end, quoted) = self.ends[index];
        if start == end && !quoted {
            return Ok(None);
        }
        std::str::from_utf8(&self.bytes[start..end]).map(Some)
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    FieldStart,
    Plain,
    Quoted,
    /// After a quote inside a quoted field: it is over, or the quote is doubled.
    QuoteInQuoted,
}

/// Reads record after record.
#[derive(Debug)]
struct Scanner<R> {
    input: R,
}

impl<R: BufRead> Scanner<R> {
    fn new(mut input: R) -> io::Result<Self> {
        if input.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
            input.consume(3);
        }
        Ok(Self { input })
    }

    /// Whether there was another record.
    fn next(&mut self, record: &mut Record) -> io::Result<bool> {
        record.clear();
        let mut state = State::FieldStart;
        loop {
            let buffer = self.input.fill_buf()?;
            if buffer.is_empty() {
                if state == State::FieldStart && record.ends.is_empty() {
                    return Ok(false);
                }
                if state == State::Quoted {
                    record.problem = Some("the file ends inside a quoted field");
                }
                record.end_field(matches!(state, State::Quoted | State::QuoteInQuoted));
                return Ok(true);
            }
            let mut used = 0;
            let mut done = false;
            for &byte in buffer {
                used += 1;
                state = match (state, byte) {
                    (State::FieldStart, b'"') => State::Quoted,
                    // A carriage return after the closing quote belongs to the end of the line.
                    (State::Quoted, b'"') | (State::QuoteInQuoted, b'\r') => State::QuoteInQuoted,
                    (State::QuoteInQuoted, b'"') => {
                        record.bytes.push(b'"');
                        State::Quoted
                    }
                    (State::Quoted, _) => {
                        record.bytes.push(byte);
                        State::Quoted
                    }
                    (_, b',') => {
                        record.end_field(state == State::QuoteInQuoted);
                        State::FieldStart
                    }
                    (_, b'\n') => {
                        let start = record.ends.last().map_or(0, |(end, _)| *end);
                        if state == State::Plain
                            && record.bytes.len() > start
                            && record.bytes.ends_with(b"\r")
                        {
                            record.bytes.pop();
                        }
                        record.end_field(state == State::QuoteInQuoted);
                        if record.ends.len() == 1
                            && record.bytes.is_empty()
                            && state != State::QuoteInQuoted
                        {
                            record.clear();
                            State::FieldStart
                        } else {
                            done = true;
                            break;
                        }
                    }
                    (State::QuoteInQuoted, _) => {
                        record.problem =
                            Some("there is text between a closing quote and the next comma");
                        State::QuoteInQuoted
                    }
                    (State::FieldStart | State::Plain, _) => {
                        record.bytes.push(byte);
                        State::Plain
                    }
                };
            }
            self.input.consume(used);
            if done {
                return Ok(true);
            }
        }
    }
}

/// What a column's fields have had in common so far.
#[derive(Debug, Clone, Copy)]
struct Inference {
    any: bool,
    bools: bool,
    integers: bool,
    numbers: bool,
    times: bool,
    /// Integers that an integer column would print the same.
    ids: bool,
}

impl Inference {
    const NOTHING: Self = Self {
        any: false,
        bools: true,
        integers: true,
        numbers: true,
        times: true,
        ids: true,
    };

    fn see(&mut self, text: &str) {
        self.any = true;
        self.bools = self.bools && parse_bool(text).is_some();
        if self.numbers || self.integers {
            let number = parse_number(text);
            self.numbers = number.is_some();
            self.integers = self.integers && matches!(number, Some(Number::Integer(_)));
            self.ids = self.integers && text != "-0";
        }
        self.times = self.times && TimestampMillis::parse(text).is_ok();
    }

    fn kind(self) -> DataType {
        if !self.any {
            DataType::Utf8
        } else if self.bools {
            DataType::Boolean
        } else if self.integers {
            DataType::Int64
        } else if self.numbers {
            DataType::Float64
        } else if self.times {
            DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
        } else {
            DataType::Utf8
        }
    }

    fn id_kind(self) -> Option<IdKind> {
        self.any.then_some(if self.integers && self.ids {
            IdKind::Integer
        } else {
            IdKind::Text
        })
    }
}

fn parse_bool(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// The values of one column of one batch.
#[derive(Debug)]
enum Cells {
    Bool(BooleanBuilder),
    Integer(Int64Builder),
    Float(Float64Builder),
    Time(TimestampMillisecondBuilder),
    Text(StringBuilder),
}

impl Cells {
    fn new(kind: &DataType) -> Self {
        match kind {
            DataType::Boolean => Self::Bool(BooleanBuilder::new()),
            DataType::Int64 => Self::Integer(Int64Builder::new()),
            DataType::Float64 => Self::Float(Float64Builder::new()),
            DataType::Timestamp(..) => {
                Self::Time(TimestampMillisecondBuilder::new().with_timezone("UTC"))
            }
            _ => Self::Text(StringBuilder::new()),
        }
    }

    fn push(&mut self, text: Option<&str>) {
        let number = || text.and_then(parse_number);
        match self {
            Self::Bool(cells) => cells.append_option(text.and_then(parse_bool)),
            Self::Integer(cells) => cells.append_option(match number() {
                Some(Number::Integer(value)) => Some(value),
                _ => None,
            }),
            Self::Float(cells) => cells.append_option(number().map(Number::to_f64)),
            Self::Time(cells) => {
                cells.append_option(
                    text.and_then(|text| Some(TimestampMillis::parse(text).ok()?.0.0)),
                );
            }
            Self::Text(cells) => cells.append_option(text),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Bool(cells) => Arc::new(cells.finish()),
            Self::Integer(cells) => Arc::new(cells.finish()),
            Self::Float(cells) => Arc::new(cells.finish()),
            Self::Time(cells) => Arc::new(cells.finish()),
            Self::Text(cells) => Arc::new(cells.finish()),
        }
    }
}

/// Copies a CSV file into a temporary Parquet file. Reads it twice: types first, then values.
pub(crate) fn spool(
    path: &Path,
    name: &str,
    kind: TableKind,
    map: &ColumnMap,
    on_bad_row: OnBadRow,
    rejections: &mut Rejections,
    meter: &Meter<'_>,
) -> Result<Spooled, IngestError> {
    let open = || -> Result<_, IngestError> {
        let file = File::open(path).map_err(IngestError::io(name))?;
        Scanner::new(BufReader::with_capacity(1 << 20, file)).map_err(IngestError::io(name))
    };
    let mut record = Record::default();
    let mut scanner = open()?;
    let header = read_header(&mut scanner, &mut record, name)?;
    let mut inferred = vec![Inference::NOTHING; header.len()];
    while scanner.next(&mut record).map_err(IngestError::io(name))? {
        if problem_of(&record, header.len()).is_some() {
            continue;
        }
        for (index, column) in inferred.iter_mut().enumerate() {
            if let Ok(Some(text)) = record.field(index) {
                column.see(text);
            }
        }
    }

    let role_of = |column: &str| {
        kind.roles()
            .iter()
            .map(|(role, _)| *role)
            .find(|role| map.column(kind, role) == column)
    };
    let mut id_kinds = IdKinds::default();
    let fields: Vec<Field> = header
        .iter()
        .zip(&inferred)
        .map(|(column, inferred)| {
            let role = role_of(column);
            match role {
                Some("user_id") => id_kinds.user = inferred.id_kind(),
                Some("event_id" | "property_id") => id_kinds.row = inferred.id_kind(),
                _ => {}
            }
            // Columns that mean something are text as they stand; others have the type of their values.
            let kind = if role.is_some() {
                DataType::Utf8
            } else {
                inferred.kind()
            };
            Field::new(column, kind, true)
        })
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let mut cells: Vec<Cells> = schema
        .fields()
        .iter()
        .map(|field| Cells::new(field.data_type()))
        .collect();

    let mut spool = Spool::new(name, schema.clone())?;
    let mut scanner = open()?;
    read_header(&mut scanner, &mut record, name)?;
    let mut pending = 0;
    let flush = |spool: &mut Spool, cells: &mut [Cells]| -> Result<(), IngestError> {
        let columns = cells.iter_mut().map(Cells::finish).collect();
        spool.write(
            &RecordBatch::try_new(schema.clone(), columns).map_err(IngestError::arrow(name))?,
        )
    };
    let mut row = 0;
    while scanner.next(&mut record).map_err(IngestError::io(name))? {
        row += 1;
        if let Some(problem) = problem_of(&record, header.len()) {
            spool.reject(row);
            rejections.push(name, row, RowProblem::Line(problem));
            continue;
        }
        for (index, cells) in cells.iter_mut().enumerate() {
            cells.push(record.field(index).unwrap_or_default());
        }
        pending += 1;
        if pending == BATCH_ROWS {
            flush(&mut spool, &mut cells)?;
            meter.add(pending as u64)?;
            pending = 0;
            rejections.check(on_bad_row)?;
        }
    }
    flush(&mut spool, &mut cells)?;
    rejections.check(on_bad_row)?;
    let mut spooled = spool.finish()?;
    spooled.id_kinds = id_kinds;
    Ok(spooled)
}

fn read_header<R: BufRead>(
    scanner: &mut Scanner<R>,
    record: &mut Record,
    name: &str,
) -> Result<Vec<String>, IngestError> {
    let refuse = |problem: String| IngestError::Header {
        file: name.to_owned(),
        problem,
    };
    if !scanner.next(record).map_err(IngestError::io(name))? {
        return Err(refuse(
            "the file is empty; its first line must name the columns".to_owned(),
        ));
    }
    if let Some(problem) = record.problem {
        return Err(refuse(format!("in the header {problem}")));
    }
    let mut header = Vec::with_capacity(record.ends.len());
    for index in 0..record.ends.len() {
        let column = record
            .field(index)
            .map_err(|_| refuse("the header is no UTF-8".to_owned()))?
            .filter(|column| !column.is_empty())
            .ok_or_else(|| refuse(format!("column {} has no name in the header", index + 1)))?;
        if header.iter().any(|other| other == column) {
            return Err(refuse(format!("two columns are named `{column}`")));
        }
        header.push(column.to_owned());
    }
    Ok(header)
}

fn problem_of(record: &Record, columns: usize) -> Option<String> {
    if let Some(problem) = record.problem {
        return Some(problem.to_owned());
    }
    if record.ends.len() != columns {
        return Some(format!(
            "the row has {} fields, the header {columns}",
            record.ends.len()
        ));
    }
    if (0..columns).any(|index| record.field(index).is_err()) {
        return Some("the row is no UTF-8".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(text: &str) -> Vec<Result<Vec<Option<String>>, &'static str>> {
        // A tiny buffer, so that every state meets its end.
        let mut scanner = Scanner::new(BufReader::with_capacity(3, text.as_bytes())).unwrap();
        let mut record = Record::default();
        let mut records = Vec::new();
        while scanner.next(&mut record).unwrap() {
            records.push(match record.problem {
                Some(problem) => Err(problem),
                None => Ok((0..record.ends.len())
                    .map(|index| record.field(index).unwrap().map(str::to_owned))
                    .collect()),
            });
        }
        records
    }

    fn row(fields: &[Option<&str>]) -> Vec<Option<String>> {
        fields
            .iter()
            .map(|field| field.map(str::to_owned))
            .collect()
    }

    #[test]
    fn an_empty_field_is_null_and_quotes_make_text() {
        assert_eq!(
            records("a,,\"\"\r\n\n\"x\"\"y\n,\",\"z\"\r\nlast,1,"),
            [
                Ok(row(&[Some("a"), None, Some("")])),
                Ok(row(&[Some("x\"y\n,"), Some("z")])),
                Ok(row(&[Some("last"), Some("1"), None])),
            ]
        );
    }

    #[test]
    fn broken_quotes_are_problems() {
        assert!(records("\"a\"b,c\n")[0].is_err());
        assert!(records("\"a")[0].is_err());
        assert_eq!(records("a\"b\n"), [Ok(row(&[Some("a\"b")]))]);
    }

    #[test]
    fn types_hold_for_the_whole_column() {
        let kind = |fields: &[&str]| {
            let mut inferred = Inference::NOTHING;
            for field in fields {
                inferred.see(field);
            }
            inferred.kind()
        };
        assert_eq!(kind(&["1", "-2"]), DataType::Int64);
        assert_eq!(kind(&["1", "2.5"]), DataType::Float64);
        assert_eq!(kind(&["1", "9223372036854775808"]), DataType::Float64);
        assert_eq!(kind(&["1", "007"]), DataType::Utf8);
        assert_eq!(kind(&["true", "FALSE"]), DataType::Boolean);
        assert!(matches!(
            kind(&["2026-01-01", "2026-01-01T08:00:00Z"]),
            DataType::Timestamp(..)
        ));
        assert_eq!(kind(&["2026-01-01", ""]), DataType::Utf8);
        assert_eq!(kind(&[]), DataType::Utf8);
    }
}
