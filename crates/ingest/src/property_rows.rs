//! Rows of `user_properties`: which of them count, and their file.

use crate::error::IngestError;
use crate::group_file::{GROUP_ROWS, write_groups};
use crate::people::PeopleFiles;
use crate::table::TableFile;
use arrow_array::builder::{Int64Builder, StringBuilder, TimestampMillisecondBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use crowdset_storage::{HistoryBuilder, IdKind, UserIds};
use crowdset_types::UserOrdinal;
use hashbrown::HashTable;
use parquet::arrow::{ArrowSchemaConverter, add_encoded_arrow_schema_to_metadata};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::SchemaDescriptor;
use rayon::prelude::*;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::hash::BuildHasher as _;
use std::io::Write;
use std::sync::Arc;

/// The id of a row, which decides between rows of one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PropertyId<'a> {
    Integer(i64),
    Text(&'a str),
}

impl<'a> PropertyId<'a> {
    pub(crate) fn new(id: &'a str, kind: IdKind) -> Self {
        match id.parse() {
            Ok(number) if kind == IdKind::Integer => Self::Integer(number),
            _ => Self::Text(id),
        }
    }

    fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Integer(left), Self::Integer(right)) => left.cmp(&right),
            (Self::Text(left), Self::Text(right)) => left.cmp(right),
            // Ids of different types compare as text.
            (Self::Integer(left), Self::Text(right)) => left.to_string().as_str().cmp(right),
            (Self::Text(left), Self::Integer(right)) => left.cmp(right.to_string().as_str()),
        }
    }
}

/// Distinct texts, numbered in order of first appearance.
#[derive(Debug, Default)]
struct Texts {
    ends: Vec<usize>,
    bytes: String,
    codes: HashTable<u32>,
    hasher: foldhash::fast::FixedState,
}

impl Texts {
    fn text(ends: &[usize], bytes: &'_ str, code: u32) -> std::ops::Range<usize> {
        debug_assert!(ends.last().is_none_or(|end| *end <= bytes.len()));
        let start = if code == 0 {
            0
        } else {
            ends[code as usize - 1]
        };
        start..ends[code as usize]
    }

    fn get(&self, code: u32) -> &str {
        &self.bytes[Self::text(&self.ends, &self.bytes, code)]
    }

    fn intern(&mut self, text: &str) -> u32 {
        let Self {
            ends,
            bytes,
            codes,
            hasher,
        } = self;
        let hash = hasher.hash_one(text.as_bytes());
        if let Some(&code) = codes.find(hash, |&code| &bytes[Self::text(ends, bytes, code)] == text)
        {
            return code;
        }
        let code = ends.len() as u32;
        bytes.push_str(text);
        ends.push(bytes.len());
        codes.insert_unique(hash, code, |&code| {
            hasher.hash_one(&bytes.as_bytes()[Self::text(ends, bytes, code)])
        });
        code
    }
}

/// Where a row's id is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IdForm {
    None,
    Integer,
    /// The id is the number of a text.
    Text,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    /// Milliseconds since the epoch; the earliest of all for null.
    at: i64,
    id: i64,
    user: u32,
    /// Number of a text, or [`UNSET`].
    code: u32,
    id_form: IdForm,
}

const UNSET: u32 = u32::MAX;

/// The rows of one property.
#[derive(Debug, Default)]
struct OneProperty {
    rows: Vec<Row>,
    texts: Texts,
}

/// Rows of `user_properties` on their way into the store.
#[derive(Debug, Default)]
pub struct PropertyRows {
    properties: BTreeMap<String, OneProperty>,
    /// Ids of rows that are text.
    ids: Vec<Box<str>>,
    any_integer_ids: bool,
    /// Whether rows that the store held already are among them.
    has_stored: bool,
}

impl PropertyRows {
    /// No rows yet. `has_stored` says whether rows of the store will be among them.
    pub(crate) fn new(has_stored: bool) -> Self {
        Self {
            has_stored,
            ..Self::default()
        }
    }

    /// Adds a row, later than those before. `at` is `None` for a null, which is the oldest.
    pub(crate) fn push(
        &mut self,
        name: &str,
        user: u32,
        at: Option<i64>,
        id: Option<PropertyId<'_>>,
        value: Option<&str>,
    ) {
        if !self.properties.contains_key(name) {
            self.properties
                .insert(name.to_owned(), OneProperty::default());
        }
        let property = self
            .properties
            .get_mut(name)
            .expect("it was put there if it was missing");
        let code = value.map_or(UNSET, |value| property.texts.intern(value));
        let (id_form, id) = match id {
            None => (IdForm::None, 0),
            Some(PropertyId::Integer(id)) => {
                self.any_integer_ids = true;
                (IdForm::Integer, id)
            }
            Some(PropertyId::Text(id)) => {
                self.ids.push(id.into());
                (IdForm::Text, self.ids.len() as i64 - 1)
            }
        };
        property.rows.push(Row {
            at: at.unwrap_or(i64::MIN),
            id,
            user,
            code,
            id_form,
        });
    }

    /// Keeps one row of each user, property and time: that with the larger id, then the later one.
    /// Rows of a table without times have no say by their ids: of those the later one counts.
    pub(crate) fn settle(&mut self) {
        let Self {
            properties, ids, ..
        } = self;
        let ids: &[Box<str>] = ids;
        properties
            .values_mut()
            .collect::<Vec<_>>()
            .into_par_iter()
            .for_each(|property| {
                sort(&mut property.rows);
                property.rows.dedup_by(|later, kept| {
                    let same = later.user == kept.user && later.at == kept.at;
                    if same
                        && match (id_of(later, ids), id_of(kept, ids)) {
                            (Some(later), Some(kept)) => later.compare(kept) != Ordering::Less,
                            _ => true,
                        }
                    {
                        *kept = *later;
                    }
                    same
                });
            });
    }

    /// Whether every row of some files counts, and no other does.
    fn are_those_of(&self, files: &[TableFile]) -> bool {
        let rows = self.properties.values().map(|property| property.rows.len());
        let rows_of_files = files.iter().map(TableFile::rows);
        !self.has_stored && rows.sum::<usize>() as u64 == rows_of_files.sum::<u64>()
    }

    /// The values of each property over time.
    pub(crate) fn histories(&self) -> BTreeMap<String, HistoryBuilder> {
        let built: Vec<(String, HistoryBuilder)> = self
            .properties
            .par_iter()
            .map(|(name, property)| {
                let mut history = HistoryBuilder::new(name.as_str());
                for row in &property.rows {
                    let at = (row.at != i64::MIN).then_some(row.at);
                    let value = (row.code != UNSET).then(|| property.texts.get(row.code));
                    history.push(UserOrdinal(row.user), at, value);
                }
                (name.clone(), history)
            })
            .collect();
        built.into_iter().collect()
    }

    /// Writes all rows as Parquet; returns the sink. If they are those of `files`, no more and no
    /// fewer, and these have the form that the store's file would have, their columns are copied byte
    /// by byte; otherwise rows go by property, user and time.
    ///
    /// # Errors
    ///
    /// If the sink cannot be written, or a file can no longer be read.
    pub fn write<W: Write + Send>(
        &self,
        files: &PeopleFiles,
        users: &UserIds,
        id_kind: IdKind,
        sink: W,
        name: &str,
    ) -> Result<W, IngestError> {
        let row_ids = if self.any_integer_ids && self.ids.is_empty() {
            IdKind::Integer
        } else {
            IdKind::Text
        };
        if self.are_those_of(&files.properties) {
            let schema = schema(row_ids, id_kind, &|role| {
                let mut files = files.properties.iter();
                files.any(|file| {
                    file.role(role)
                        .is_none_or(|root| file.field(root).is_nullable())
                })
            });
            if let Some(copies) = Copies::of(&files.properties, &schema, name)? {
                return copies.write(sink, name);
            }
        }
        let schema = schema(row_ids, id_kind, &|role| {
            !matches!(role, "user_id" | "property_name")
        });
        let groups: Vec<(&str, &OneProperty, &[Row])> = self
            .properties
            .iter()
            .flat_map(|(name, property)| {
                let groups = property.rows.chunks(GROUP_ROWS);
                groups.map(move |rows| (name.as_str(), property, rows))
            })
            .collect();
        let different = ["property_id", "user_id"];
        write_groups(sink, name, &schema, &different, groups.len(), |group| {
            let (property, texts, rows) = groups[group];
            let mut ids = IdBuilder::new(row_ids);
            let mut user_ids = IdBuilder::new(id_kind);
            let mut names = StringBuilder::new();
            let mut values = StringBuilder::new();
            let mut times = TimestampMillisecondBuilder::new().with_timezone("UTC");
            for row in rows {
                match id_of(row, &self.ids) {
                    None => ids.push(None),
                    Some(PropertyId::Integer(id)) => ids.push(Some(&id.to_string())),
                    Some(PropertyId::Text(id)) => ids.push(Some(id)),
                }
                user_ids.push(Some(users.id(row.user)));
                names.append_value(property);
                values.append_option((row.code != UNSET).then(|| texts.texts.get(row.code)));
                times.append_option((row.at != i64::MIN).then_some(row.at));
            }
            let columns: Vec<ArrayRef> = vec![
                ids.finish(),
                user_ids.finish(),
                Arc::new(names.finish()),
                Arc::new(values.finish()),
                Arc::new(times.finish()),
            ];
            RecordBatch::try_new(schema.clone(), columns).map_err(IngestError::arrow(name))
        })
    }
}

/// By user and time; rows of one user and time stay in the order in which they came. Most users have one
/// row or two, so that the number of rows of each says where they belong.
fn sort(rows: &mut Vec<Row>) {
    if rows.is_sorted_by_key(|row| (row.user, row.at)) {
        return;
    }
    let users = rows.iter().map(|row| row.user as usize + 1).max();
    let mut ends = vec![0_usize; users.unwrap_or(0)];
    for row in rows.iter() {
        ends[row.user as usize] += 1;
    }
    let mut start = 0;
    for end in &mut ends {
        start += std::mem::replace(end, start);
    }
    let mut sorted = rows.clone();
    for row in rows.iter() {
        let end = &mut ends[row.user as usize];
        sorted[*end] = *row;
        *end += 1;
    }
    for of_user in sorted.chunk_by_mut(|left, right| left.user == right.user) {
        of_user.sort_by_key(|row| row.at);
    }
    *rows = sorted;
}

/// The columns of the store's file, in order.
const ROLES: [&str; 5] = [
    "property_id",
    "user_id",
    "property_name",
    "property_value",
    "updated_at",
];

fn schema(row_ids: IdKind, user_ids: IdKind, nullable: &dyn Fn(&str) -> bool) -> SchemaRef {
    let kind = |role: &str| match role {
        "property_id" if row_ids == IdKind::Integer => DataType::Int64,
        "user_id" if user_ids == IdKind::Integer => DataType::Int64,
        "updated_at" => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
        _ => DataType::Utf8,
    };
    let field = |role| Field::new(role, kind(role), nullable(role));
    Arc::new(Schema::new(ROLES.map(field).to_vec()))
}

/// Files whose row groups can be copied, and for each the leaf columns in the order of [`ROLES`].
struct Copies<'a> {
    files: Vec<(&'a TableFile, [usize; ROLES.len()])>,
    schema: SchemaRef,
    parquet: SchemaDescriptor,
}

impl<'a> Copies<'a> {
    /// `None` if a column of a file is missing or has another form.
    fn of(
        files: &'a [TableFile],
        schema: &SchemaRef,
        name: &str,
    ) -> Result<Option<Self>, IngestError> {
        let parquet = ArrowSchemaConverter::new()
            .convert(schema)
            .map_err(IngestError::parquet(name))?;
        let leaves = |file: &'a TableFile| {
            let mut leaves = [0; ROLES.len()];
            for (field, role) in ROLES.iter().enumerate() {
                leaves[field] = file.leaf_like(file.role(role)?, &parquet.column(field))?;
            }
            Some((file, leaves))
        };
        let files: Option<Vec<_>> = files.iter().map(leaves).collect();
        Ok(files.map(|files| Self {
            files,
            schema: Arc::clone(schema),
            parquet,
        }))
    }

    fn write<W: Write + Send>(&self, sink: W, name: &str) -> Result<W, IngestError> {
        let failed = || IngestError::parquet(name);
        // Copied columns come without an offset index, and none of our readers asks for it.
        let mut properties = WriterProperties::builder()
            .set_offset_index_disabled(true)
            .build();
        add_encoded_arrow_schema_to_metadata(&self.schema, &mut properties);
        let mut writer =
            SerializedFileWriter::new(sink, self.parquet.root_schema_ptr(), Arc::new(properties))
                .map_err(failed())?;
        for (file, leaves) in &self.files {
            for group in 0..file.row_groups() {
                let mut copy = writer.next_row_group().map_err(failed())?;
                for leaf in leaves {
                    let (bytes, close) = file.column_chunk(group, *leaf);
                    copy.append_column(&bytes, close).map_err(failed())?;
                }
                copy.close().map_err(failed())?;
            }
        }
        writer.into_inner().map_err(failed())
    }
}

fn id_of<'a>(row: &Row, ids: &'a [Box<str>]) -> Option<PropertyId<'a>> {
    match row.id_form {
        IdForm::None => None,
        IdForm::Integer => Some(PropertyId::Integer(row.id)),
        IdForm::Text => Some(PropertyId::Text(&ids[row.id as usize])),
    }
}

/// A column of ids of either kind.
pub(crate) enum IdBuilder {
    Integer(Int64Builder),
    Text(StringBuilder),
}

impl IdBuilder {
    pub(crate) fn new(kind: IdKind) -> Self {
        match kind {
            IdKind::Integer => Self::Integer(Int64Builder::new()),
            IdKind::Text => Self::Text(StringBuilder::new()),
        }
    }

    pub(crate) fn push(&mut self, id: Option<&str>) {
        match self {
            Self::Integer(builder) => builder.append_option(id.and_then(|id| id.parse().ok())),
            Self::Text(builder) => builder.append_option(id),
        }
    }

    pub(crate) fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Integer(builder) => Arc::new(builder.finish()),
            Self::Text(builder) => Arc::new(builder.finish()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(rows: &[(Option<i64>, Option<PropertyId<'_>>, &str)]) -> Vec<(i64, String)> {
        let mut all = PropertyRows::default();
        for (at, id, value) in rows {
            all.push("p", 7, *at, *id, Some(value));
        }
        all.settle();
        let property = &all.properties["p"];
        property
            .rows
            .iter()
            .map(|row| (row.at, property.texts.get(row.code).to_owned()))
            .collect()
    }

    #[test]
    fn rows_go_by_user_and_time_and_stay_in_order() {
        let row = |number: i64| Row {
            at: number * 7 % 4,
            id: number,
            user: (number * 5 % 9) as u32,
            code: 0,
            id_form: IdForm::Integer,
        };
        for count in [0, 1, 2, 40, 200] {
            let mut rows: Vec<Row> = (0..count).map(row).collect();
            let mut expected = rows.clone();
            expected.sort_by_key(|row| (row.user, row.at));
            sort(&mut rows);
            let ids = |rows: &[Row]| rows.iter().map(|row| row.id).collect::<Vec<_>>();
            assert_eq!(ids(&rows), ids(&expected));
        }
    }

    #[test]
    fn of_one_time_the_larger_id_holds_then_the_later_row() {
        let integer = |id| Some(PropertyId::Integer(id));
        assert_eq!(
            settled(&[
                (Some(5), integer(10), "ten"),
                (Some(5), integer(9), "nine"),
                (Some(3), integer(1), "old")
            ]),
            [(3, "old".to_owned()), (5, "ten".to_owned())]
        );
        assert_eq!(
            settled(&[(Some(5), integer(1), "a"), (Some(5), integer(1), "b")]),
            [(5, "b".to_owned())]
        );
        let text = |id| Some(PropertyId::Text(id));
        assert_eq!(
            settled(&[(Some(5), text("9"), "a"), (Some(5), text("10"), "b")]),
            [(5, "a".to_owned())]
        );
        assert_eq!(
            settled(&[
                (None, integer(9), "a"),
                (None, None, "b"),
                (Some(0), integer(1), "c")
            ]),
            [(i64::MIN, "b".to_owned()), (0, "c".to_owned())]
        );
    }
}
