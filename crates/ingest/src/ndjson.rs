//! NDJSON: one JSON object a line. Blank lines are skipped and have no row number.
//!
//! The columns that mean something are read by name; every other key of an event or a user is one of
//! its properties or attributes, with its JSON type.

use crate::error::{IngestError, Rejections, RowProblem};
use crate::input::TableKind;
use crate::progress::Meter;
use crate::spool::{BATCH_ROWS, Spool, Spooled};
use crate::table::IdKinds;
use crate::{ColumnMap, OnBadRow};
use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use crowdset_storage::IdKind;
use crowdset_types::TimestampMillis;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::BufRead;
use std::sync::Arc;

/// The keys and values of one line; the values as they stand there.
struct Entries<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> serde::Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;
        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::new();
                while let Some(key) = map.next_key::<Key<'de>>()? {
                    let value = map.next_value()?;
                    // Of a key given twice the last counts.
                    match entries.iter_mut().find(|(other, _)| *other == key.0) {
                        Some(entry) => entry.1 = value,
                        None => entries.push((key.0, value)),
                    }
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(EntriesVisitor)
    }
}

/// A key; borrowed unless it has to be unescaped.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// The text of a JSON string, or `None` if the value is something else.
fn string_of(value: &RawValue) -> Option<Cow<'_, str>> {
    let text = value.get();
    if !text.starts_with('"') {
        return None;
    }
    let inner = &text[1..text.len() - 1];
    if inner.contains('\\') {
        serde_json::from_str::<String>(text).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// What the ids of one column have had in common so far.
#[derive(Debug, Clone, Copy, Default)]
struct IdInference {
    integers: bool,
    texts: bool,
}

impl IdInference {
    fn kind(self) -> Option<IdKind> {
        match (self.integers, self.texts) {
            (_, true) => Some(IdKind::Text),
            (true, false) => Some(IdKind::Integer),
            (false, false) => None,
        }
    }

    /// Reads an id: text or an integer of 64 bits.
    fn read<'a>(
        &mut self,
        column: &str,
        value: &'a RawValue,
    ) -> Result<Option<Cow<'a, str>>, RowProblem> {
        if let Some(text) = string_of(value) {
            self.texts = true;
            return Ok(Some(text));
        }
        match value.get() {
            "null" => Ok(None),
            text if text.parse::<i64>().is_ok() && text != "-0" => {
                self.integers = true;
                Ok(Some(Cow::Borrowed(text)))
            }
            text => Err(RowProblem::Line(format!(
                "`{column}` is {text}; an id is text or an integer of 64 bits"
            ))),
        }
    }
}

/// Reads text that must be text.
fn read_text<'a>(column: &str, value: &'a RawValue) -> Result<Option<Cow<'a, str>>, RowProblem> {
    match string_of(value) {
        Some(text) => Ok(Some(text)),
        None if value.get() == "null" => Ok(None),
        None => Err(RowProblem::Line(format!(
            "`{column}` is {}; it must be text",
            value.get()
        ))),
    }
}

/// Reads the text of an instant. A number could count anything since any day.
fn read_time<'a>(column: &str, value: &'a RawValue) -> Result<Option<Cow<'a, str>>, RowProblem> {
    read_text(column, value).map_err(|problem| {
        let number = value.get();
        let Ok(seconds) = number.parse::<f64>() else {
            return problem;
        };
        // Milliseconds of our days are seconds of days tens of thousands of years away.
        let millis = if seconds.abs() < 1e11 {
            seconds * 1e3
        } else {
            seconds
        };
        let example = TimestampMillis(millis as i64);
        let example = if example.is_in_range() {
            example
        } else {
            TimestampMillis(0)
        };
        RowProblem::Line(format!(
            "`{column}` is {number}; a time is RFC 3339 text such as \"{example}\", since a number does not say \
             whether it counts seconds or milliseconds; convert it first"
        ))
    })
}

/// The rows of one table on their way into the copy.
struct Lines<'m> {
    kind: TableKind,
    /// The name each role has in the lines.
    names: Vec<&'m str>,
    /// Whether each role was seen.
    seen: Vec<bool>,
    /// Other keys that were seen, for the error about a missing one.
    others: BTreeSet<String>,
    columns: Vec<StringBuilder>,
    user_ids: IdInference,
    row_ids: IdInference,
    /// Attributes of users, and whether all their values can be read as instants so far.
    times: BTreeMap<String, bool>,
    column_over_key: u64,
}

/// How many other keys an error mentions.
const OTHERS_MAX: usize = 20;

impl<'m> Lines<'m> {
    fn new(kind: TableKind, map: &'m ColumnMap) -> Self {
        let names: Vec<&str> = kind
            .roles()
            .iter()
            .map(|(role, _)| map.column(kind, role))
            .collect();
        // Users have one column more: their attributes as JSON.
        let columns = names.len() + usize::from(kind == TableKind::Users);
        Self {
            kind,
            seen: vec![false; names.len()],
            names,
            others: BTreeSet::new(),
            columns: (0..columns).map(|_| StringBuilder::new()).collect(),
            user_ids: IdInference::default(),
            row_ids: IdInference::default(),
            times: BTreeMap::new(),
            column_over_key: 0,
        }
    }

    fn schema(&self) -> Schema {
        let mut fields: Vec<Field> = self
            .names
            .iter()
            .map(|name| Field::new(*name, DataType::Utf8, true))
            .collect();
        if self.kind == TableKind::Users {
            fields.push(Field::new("properties", DataType::Utf8, true));
        }
        Schema::new(fields)
    }

    /// Takes one line, all of it or nothing.
    fn push(&mut self, line: &str) -> Result<(), RowProblem> {
        let Entries(entries) = serde_json::from_str(line)
            .map_err(|error| RowProblem::Line(format!("no JSON object: {error}")))?;
        let mut cells: Vec<Option<Cow<'_, str>>> = vec![None; self.columns.len()];
        let mut extra = String::new();
        for (key, value) in &entries {
            let Some(role) = self.names.iter().position(|name| name == key) else {
                self.keep_extra(key, value, &mut extra)?;
                continue;
            };
            self.seen[role] = true;
            let column = self.names[role];
            cells[role] = match self.kind.roles()[role].0 {
                "user_id" => self.user_ids.read(column, value)?,
                "event_id" | "property_id" => self.row_ids.read(column, value)?,
                "properties" => read_properties(value)?,
                // Any scalar will do: the value of a property is text.
                "property_value" => match string_of(value) {
                    Some(text) => Some(text),
                    None if value.get() == "null" => None,
                    None => Some(Cow::Borrowed(value.get())),
                },
                "timestamp" | "updated_at" => read_time(column, value)?,
                _ => read_text(column, value)?,
            };
        }
        if !extra.is_empty() {
            extra.push('}');
            let json = cells
                .last_mut()
                .filter(|_| self.kind != TableKind::UserProperties);
            if let Some(json) = json {
                *json = Some(match json.take() {
                    None => Cow::Owned(extra),
                    Some(properties) => {
                        let (merged, replaced) = merge_objects(&properties, &extra)?;
                        self.column_over_key += replaced;
                        Cow::Owned(merged)
                    }
                });
            }
        }
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.append_option(cell);
        }
        Ok(())
    }

    fn keep_extra(
        &mut self,
        key: &str,
        value: &RawValue,
        extra: &mut String,
    ) -> Result<(), RowProblem> {
        if self.others.len() < OTHERS_MAX && !self.others.contains(key) {
            self.others.insert(key.to_owned());
        }
        if self.kind == TableKind::Users && value.get() != "null" {
            let is_time =
                string_of(value).is_some_and(|text| TimestampMillis::parse(&text).is_ok());
            match self.times.get_mut(key) {
                Some(times) => *times &= is_time,
                None => {
                    self.times.insert(key.to_owned(), is_time);
                }
            }
        }
        extra.push(if extra.is_empty() { '{' } else { ',' });
        let key =
            serde_json::to_string(key).map_err(|error| RowProblem::Line(error.to_string()))?;
        extra.push_str(&key);
        extra.push(':');
        extra.push_str(value.get());
        Ok(())
    }

    fn finish(&mut self) -> Vec<ArrayRef> {
        self.columns
            .iter_mut()
            .map(|column| Arc::new(column.finish()) as ArrayRef)
            .collect()
    }
}

/// Properties: an object as it stands, or a string that holds one.
fn read_properties(value: &RawValue) -> Result<Option<Cow<'_, str>>, RowProblem> {
    if let Some(text) = string_of(value) {
        return Ok(Some(text));
    }
    match value.get() {
        "null" => Ok(None),
        text if text.starts_with('{') => Ok(Some(Cow::Borrowed(text))),
        _ => Err(RowProblem::NoObject),
    }
}

/// One object with the keys of both; those of `columns` win. Also how many did.
fn merge_objects(properties: &str, columns: &str) -> Result<(String, u64), RowProblem> {
    let read = |text| serde_json::from_str::<Entries<'_>>(text);
    let Entries(properties) =
        read(properties).map_err(|error| RowProblem::Json(error.to_string()))?;
    let Entries(columns) = read(columns).map_err(|error| RowProblem::Json(error.to_string()))?;
    let mut merged = String::from("{");
    let mut replaced = 0;
    let mut push = |key: &str, value: &RawValue| -> Result<(), RowProblem> {
        if merged.len() > 1 {
            merged.push(',');
        }
        merged.push_str(
            &serde_json::to_string(key).map_err(|error| RowProblem::Json(error.to_string()))?,
        );
        merged.push(':');
        merged.push_str(value.get());
        Ok(())
    };
    for (key, value) in &properties {
        if columns
            .iter()
            .any(|(column, given)| column == key && given.get() != "null")
        {
            replaced += 1;
        } else {
            push(key, value)?;
        }
    }
    for (key, value) in &columns {
        // A column without a value leaves the key's value.
        if value.get() != "null" {
            push(key, value)?;
        }
    }
    merged.push('}');
    Ok((merged, replaced))
}

/// Copies NDJSON into a temporary Parquet file, line by line.
pub(crate) fn spool(
    mut input: impl BufRead,
    name: &str,
    kind: TableKind,
    map: &ColumnMap,
    on_bad_row: OnBadRow,
    rejections: &mut Rejections,
    meter: &Meter<'_>,
) -> Result<Spooled, IngestError> {
    let mut lines = Lines::new(kind, map);
    let schema = Arc::new(lines.schema());
    let mut spool = Spool::new(name, schema.clone())?;
    let mut bytes = Vec::new();
    let mut row = 0;
    let mut pending = 0;
    let flush = |spool: &mut Spool, lines: &mut Lines<'_>| -> Result<(), IngestError> {
        let batch = RecordBatch::try_new(schema.clone(), lines.finish())
            .map_err(IngestError::arrow(name))?;
        spool.write(&batch)
    };
    loop {
        bytes.clear();
        if input
            .read_until(b'\n', &mut bytes)
            .map_err(IngestError::io(name))?
            == 0
        {
            break;
        }
        if row == 0 && bytes.starts_with(b"\xef\xbb\xbf") {
            bytes.drain(..3);
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        row += 1;
        let outcome = match std::str::from_utf8(&bytes) {
            Ok(line) => lines.push(line.trim_ascii()),
            Err(_) => Err(RowProblem::Line("the line is no UTF-8".to_owned())),
        };
        match outcome {
            Ok(()) => pending += 1,
            Err(problem) => {
                spool.reject(row);
                rejections.push(name, row, problem);
            }
        }
        if pending == BATCH_ROWS {
            flush(&mut spool, &mut lines)?;
            meter.add(pending as u64)?;
            pending = 0;
            rejections.check(on_bad_row)?;
        }
    }
    flush(&mut spool, &mut lines)?;
    rejections.check(on_bad_row)?;
    for ((_, required), (column, seen)) in
        kind.roles().iter().zip(lines.names.iter().zip(&lines.seen))
    {
        if *required && !seen && row > spool.rejected_rows() {
            let mut found: Vec<String> = lines
                .names
                .iter()
                .zip(&lines.seen)
                .filter(|(_, seen)| **seen)
                .map(|(name, _)| (*name).to_owned())
                .collect();
            found.extend(lines.others.iter().cloned());
            return Err(IngestError::MissingColumn {
                file: name.to_owned(),
                table: kind.name(),
                column: (*column).to_owned(),
                found,
            });
        }
    }
    let mut spooled = spool.finish()?;
    spooled.id_kinds = IdKinds {
        user: lines.user_ids.kind(),
        row: lines.row_ids.kind(),
    };
    spooled.time_keys = lines
        .times
        .into_iter()
        .filter(|(_, times)| *times)
        .map(|(key, _)| key)
        .collect();
    spooled.column_over_key = lines.column_over_key;
    spooled.has_json_attributes = kind == TableKind::Users;
    Ok(spooled)
}
