//! Members with their attributes, batch by batch, and the files they can be written to.

use crate::audience::{Audience, PIECE};
use crate::error::{EvaluateError, RoaringError, WriteError};
use crate::segment::{AttributeOperand, AttributeTable};
use crate::{Diagnostic, SegmentError};
use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, GenericStringArray, Int64Array, Int64Builder,
    OffsetSizeTrait, RecordBatch, RecordBatchReader, StringBuilder, TimestampMillisecondBuilder,
};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use arrow::ipc::writer::{FileWriter, StreamWriter};
use crowdset_executor::{AttributeColumn, ColumnType};
use crowdset_query::{PlanAttribute, plan_attribute};
use crowdset_storage::{AttributeValue, IdKind, Table, Users};
use crowdset_types::UserOrdinal;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use roaring::{RoaringBitmap, RoaringTreemap};
use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

/// How many members one batch holds at most.
const BATCH_MEMBERS: usize = PIECE;

/// So many batches are made at once, on as many threads as there are.
const BATCHES_AT_ONCE: usize = 8;

/// A batch whose texts take more ends early, which bounds its memory. From then on batches are made one
/// at a time.
const BATCH_TEXT_BYTES: usize = 64 << 20;

/// The values of so many members are fetched at a time.
const BLOCK: usize = 64;

/// The members of an audience in the order of their ids, as Arrow batches: `user_id`, and a column
/// for each attribute asked for. Made by [`Audience::members`] and [`Audience::with_attributes`].
///
/// # Cost
///
/// 4 bytes per member, and eight batches of up to 65,536 members at a time, which several threads make.
pub struct Members {
    audience: Audience,
    attributes: Vec<(PlanAttribute, ColumnType)>,
    schema: SchemaRef,
    /// The members' places in the order of ids, ascending.
    ranks: Vec<u32>,
    /// How many have been put into batches.
    next: usize,
    /// How many batches are made at once.
    at_once: usize,
    /// Batches that are still to be handed out.
    ready: VecDeque<RecordBatch>,
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Members")
            .field("schema", &self.schema)
            .field("left", &self.left())
            .finish_non_exhaustive()
    }
}

impl Audience {
    /// The members' ids as batches of one column, `user_id`, with the type that
    /// [`Audience::user_ids`] has.
    pub fn members(&self) -> Members {
        Members::new(self, Vec::new(), Vec::new())
    }

    /// The members as batches: `user_id`, and a column for each attribute with its values as of the
    /// audience's instant.
    ///
    /// # Shapes and units
    ///
    /// - A column is named as the attribute was: `plan`, `users.plan`, `number(property.seats)`.
    /// - A column has one type, whoever the members are: `Boolean`, `Int64`, `Float64`,
    ///   `Timestamp(Millisecond, "UTC")` or `Utf8`. An attribute of several types is text, and so are
    ///   arrays, as their JSON. User properties are text; `number(…)` and `time(…)` change that.
    ///   Integers among other numbers are doubles where that loses nothing, and text otherwise.
    /// - Null stands for no value.
    ///
    /// # Errors
    ///
    /// [`EvaluateError::Segment`] for a name that no table has, for a bare name that both have, and
    /// for a column that would stand there twice; [`EvaluateError::Execution`] if data is damaged.
    ///
    /// # Examples
    ///
    /// ```
    /// use crowdset::arrow::array::{ArrayRef, AsArray, Int64Array, StringArray};
    /// use crowdset::arrow::datatypes::Int64Type;
    /// use crowdset::arrow::record_batch::RecordBatch;
    /// use crowdset::{AsOf, Engine, LoadOptions, Tables};
    /// use std::sync::Arc;
    ///
    /// let users = RecordBatch::try_from_iter([
    ///     ("user_id", Arc::new(StringArray::from(vec!["ada", "bob"])) as ArrayRef),
    ///     ("seats", Arc::new(Int64Array::from(vec![Some(12), None])) as ArrayRef),
    /// ])?;
    /// let engine = Engine::in_memory();
    /// engine.load(&Tables::default().user_batch(users), &LoadOptions::default())?;
    ///
    /// let audience = engine.snapshot().evaluate(&"everyone".parse()?, AsOf::now())?;
    /// for batch in audience.with_attributes(&["users.seats".parse()?])? {
    ///     let batch = batch?;
    ///     assert_eq!(batch["user_id"].as_string::<i32>(), &StringArray::from(vec!["ada", "bob"]));
    ///     let seats = batch["users.seats"].as_primitive::<Int64Type>();
    ///     assert_eq!(seats, &Int64Array::from(vec![Some(12), None]));
    /// }
    ///
    /// let error = audience.with_attributes(&["seat".parse()?]).expect_err("no such name");
    /// assert!(error.to_string().contains("did you mean `seats`?"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_attributes(
        &self,
        attributes: &[AttributeOperand],
    ) -> Result<Members, EvaluateError> {
        let state = &self.state;
        let mut names = HashSet::from(["user_id".to_owned()]);
        let (mut fields, mut planned) = (Vec::new(), Vec::new());
        for operand in attributes {
            let attribute = plan_attribute(operand, state.catalog())?;
            let name = column_name(operand);
            if !names.insert(name.clone()) {
                let finding = Diagnostic::error(
                    "duplicate-column",
                    format!("there would be two columns `{name}`"),
                );
                let finding = finding.help("name each attribute once; `users.` or `property.` before its name makes another column name");
                return Err(SegmentError::new(vec![finding], "".into()).into());
            }
            let of = AttributeColumn::type_of(&state.dataset, &attribute, self.as_of.instant())?;
            fields.push(Field::new(name, data_type(of), true));
            planned.push((attribute, of));
        }
        Ok(Members::new(self, planned, fields))
    }

    /// The members' ids as an Arrow array, ascending: `Int64` if all of them are integers of 64 bits,
    /// `Utf8` otherwise (`LargeUtf8` where the ids together exceed 2 GiB).
    ///
    /// # Cost
    ///
    /// A copy of the members' ids, and 4 bytes per member beside the array; ids of one length are put
    /// together by several threads. [`Audience::members`] hands out the same ids in
    /// pieces.
    pub fn user_ids(&self) -> ArrayRef {
        let ranks = self.ranks();
        let ids = || self.ids_of(&ranks, &self.id_type(&ranks));
        match &self.pool {
            Some(pool) if ranks.len() > PIECE => pool.install(ids),
            _ => ids(),
        }
    }

    /// The type of the column of the ids at these ranks, which are ascending.
    fn id_type(&self, ranks: &[u32]) -> DataType {
        let users = &self.state.users;
        let id = |&rank: &u32| users.id(users.by_rank(rank));
        if self.has_integer_ids() {
            // What is no integer comes last, so that the others lie between these two.
            let mut ends = ranks.first().into_iter().chain(ranks.last());
            if ends.all(|rank| id(rank).parse::<i64>().is_ok()) {
                return DataType::Int64;
            }
        }
        let fits = |bytes: usize| i32::try_from(bytes).is_ok();
        // Where everybody's ids fit, the members' do.
        if fits(users.id_bytes()) || fits(ranks.iter().map(|rank| id(rank).len()).sum()) {
            DataType::Utf8
        } else {
            DataType::LargeUtf8
        }
    }

    /// The ids at some ranks as a column of the type that [`Audience::id_type`] found.
    fn ids_of(&self, ranks: &[u32], data_type: &DataType) -> ArrayRef {
        let users = &self.state.users;
        match data_type {
            DataType::Int64 => {
                let ids = users
                    .ids_of(ranks.iter().copied())
                    .map(|id| id.parse::<i64>().ok());
                Arc::new(ids.collect::<Int64Array>())
            }
            DataType::LargeUtf8 => Arc::new(text_column::<i64>(users, ranks)),
            _ => Arc::new(text_column::<i32>(users, ranks)),
        }
    }

    /// The members' ids themselves as a roaring bitmap, where they are integers from 0 on.
    ///
    /// # Errors
    ///
    /// [`RoaringError`] where ids are text or less than 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use crowdset::{AsOf, Engine, LoadOptions, Tables};
    /// use crowdset::arrow::array::{ArrayRef, Int64Array};
    /// use crowdset::arrow::record_batch::RecordBatch;
    /// use std::sync::Arc;
    ///
    /// let ids = Int64Array::from(vec![7, 3]);
    /// let users = RecordBatch::try_from_iter([("user_id", Arc::new(ids) as ArrayRef)])?;
    /// let engine = Engine::in_memory();
    /// engine.load(&Tables::default().user_batch(users), &LoadOptions::default())?;
    ///
    /// let audience = engine.snapshot().evaluate(&"everyone".parse()?, AsOf::now())?;
    /// let ids = audience.to_roaring()?;
    /// assert!(!ids.is_64_bit());
    /// let mut bytes = Vec::new();
    /// ids.write(&mut bytes)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_roaring(&self) -> Result<RoaringIds, RoaringError> {
        let users = &self.state.users;
        if !matches!(users.id_kind(), IdKind::Integer) {
            return Err(RoaringError::TextIds);
        }
        let number = |rank: u32| {
            let id = users.id(users.by_rank(rank));
            id.parse::<u64>()
                .map_err(|_| RoaringError::NotUnsigned { id: id.to_owned() })
        };
        let ranks = self.ranks();
        // All ids decide, not the members': each audience of a store has one form.
        let last = (users.ordinals() as u32).checked_sub(1);
        let last = last.map(number).transpose();
        let ids = if last.is_ok_and(|last| last.is_none_or(|last| u32::try_from(last).is_ok())) {
            let ids: Vec<u32> = ranks
                .into_iter()
                .map(|rank| number(rank).map(|id| id as u32))
                .collect::<Result<_, _>>()?;
            Ids::Narrow(ids.into_iter().collect())
        } else {
            let ids: Vec<u64> = ranks.into_iter().map(number).collect::<Result<_, _>>()?;
            Ids::Wide(ids.into_iter().collect())
        };
        Ok(RoaringIds(ids))
    }
}

/// The ids of an audience as a roaring bitmap, in the portable form that all implementations read.
#[derive(Debug, Clone)]
pub struct RoaringIds(Ids);

#[derive(Debug, Clone)]
enum Ids {
    Narrow(RoaringBitmap),
    Wide(RoaringTreemap),
}

impl RoaringIds {
    /// Whether it is the form of 64-bit numbers, because some id of the store (not necessarily a
    /// member's) is 2^32 or more.
    pub fn is_64_bit(&self) -> bool {
        matches!(self.0, Ids::Wide(_))
    }

    /// Writes it in its portable form.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        match &self.0 {
            Ids::Narrow(ids) => ids.serialize_into(out),
            Ids::Wide(ids) => ids.serialize_into(out),
        }
    }
}

impl Members {
    fn new(
        audience: &Audience,
        attributes: Vec<(PlanAttribute, ColumnType)>,
        mut fields: Vec<Field>,
    ) -> Self {
        let ranks = audience.ranks();
        fields.insert(0, Field::new("user_id", audience.id_type(&ranks), false));
        Self {
            audience: audience.clone(),
            attributes,
            schema: Arc::new(Schema::new(fields)),
            ranks,
            next: 0,
            at_once: BATCHES_AT_ONCE,
            ready: VecDeque::new(),
        }
    }

    /// How many members are still to be handed out.
    fn left(&self) -> usize {
        let ready = self.ready.iter().map(RecordBatch::num_rows);
        self.ranks.len() - self.next + ready.sum::<usize>()
    }

    /// The columns.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Writes all batches to a Parquet file.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if the writer fails or data is damaged.
    pub fn write_parquet(self, out: impl Write + Send) -> Result<(), WriteError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .build();
        let mut writer = ArrowWriter::try_new(out, self.schema(), Some(properties))?;
        for batch in self {
            writer.write(&batch?)?;
        }
        writer.close()?;
        Ok(())
    }

    /// Writes all batches to an Arrow IPC file, which can be read in any order.
    ///
    /// # Errors
    ///
    /// As [`Members::write_parquet`].
    pub fn write_arrow_file(self, out: impl Write) -> Result<(), WriteError> {
        let mut writer = FileWriter::try_new(out, &self.schema)?;
        for batch in self {
            writer.write(&batch?)?;
        }
        Ok(writer.finish()?)
    }

    /// Writes all batches as an Arrow IPC stream, which can be read while it is written.
    ///
    /// # Errors
    ///
    /// As [`Members::write_parquet`].
    pub fn write_arrow_stream(self, out: impl Write) -> Result<(), WriteError> {
        let mut writer = StreamWriter::try_new(out, &self.schema)?;
        for batch in self {
            writer.write(&batch?)?;
        }
        Ok(writer.finish()?)
    }

    /// Makes the next batches.
    fn make_batches(&mut self) -> Result<(), ArrowError> {
        let left = self.ranks[self.next..].chunks(BATCH_MEMBERS);
        let pieces: Vec<&[u32]> = left.take(self.at_once).collect();
        let batches = self.audience.map(&pieces, |ranks| self.batch(ranks));
        let wanted: Vec<usize> = pieces.iter().map(|ranks| ranks.len()).collect();
        for (wanted, batch) in wanted.into_iter().zip(batches) {
            let batch = batch?;
            let rows = batch.num_rows();
            self.next += rows;
            self.ready.push_back(batch);
            if rows < wanted {
                // The batches after it do not follow it.
                self.at_once = 1;
                break;
            }
        }
        Ok(())
    }

    /// A batch of these members, or of the first of them.
    fn batch(&self, ranks: &[u32]) -> Result<RecordBatch, ArrowError> {
        let users = &self.audience.state.users;
        let (dataset, as_of) = (&self.audience.state.dataset, self.audience.as_of.instant());
        let mut columns = self
            .attributes
            .iter()
            .map(|(attribute, of)| {
                let values = AttributeColumn::new(dataset, attribute, *of, as_of)
                    .map_err(|error| ArrowError::from_external_error(Box::new(error)))?;
                Ok((values, Builder::new(*of, ranks.len())))
            })
            .collect::<Result<Vec<_>, ArrowError>>()?;
        // Ids alone need no look at anybody's values.
        let mut rows = if columns.is_empty() { ranks.len() } else { 0 };
        let mut text_bytes = 0;
        let mut ordinals = Vec::with_capacity(BLOCK);
        for block in ranks[rows..].chunks(BLOCK) {
            ordinals.clear();
            ordinals.extend(block.iter().map(|&rank| users.by_rank(rank).0));
            for (values, builder) in &mut columns {
                values.fetch(&ordinals);
                for &ordinal in &ordinals {
                    text_bytes +=
                        values.with_value(UserOrdinal(ordinal), |value| builder.push(value));
                }
            }
            rows += block.len();
            if text_bytes > BATCH_TEXT_BYTES {
                break;
            }
        }
        let ids = self
            .audience
            .ids_of(&ranks[..rows], self.schema.field(0).data_type());
        let columns = columns.into_iter().map(|(_, builder)| builder.finish());
        let arrays = std::iter::once(ids).chain(columns).collect();
        RecordBatch::try_new(Arc::clone(&self.schema), arrays)
    }
}

impl Iterator for Members {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty()
            && self.next < self.ranks.len()
            && let Err(error) = self.make_batches()
        {
            // Damage stays, so trying again would never end.
            self.next = self.ranks.len();
            self.ready.clear();
            return Some(Err(error));
        }
        self.ready.pop_front().map(Ok)
    }
}

impl RecordBatchReader for Members {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// The ids at some ranks as a column of text.
fn text_column<O: OffsetSizeTrait>(users: &Users, ranks: &[u32]) -> GenericStringArray<O> {
    let (texts, ends) = users.texts_of::<O>(ranks);
    let ends = OffsetBuffer::new(ScalarBuffer::from(ends));
    // Whether it is text is asked of all of it together.
    match GenericStringArray::try_new(ends, Buffer::from_vec(texts), None) {
        Ok(column) => column,
        // Some file has the right checksum and no text in it: here as in `Users::id`.
        Err(_) => GenericStringArray::from_iter_values(users.ids_of(ranks.iter().copied())),
    }
}

/// The name of an attribute's column: as it was asked for, without quotes.
fn column_name(operand: &AttributeOperand) -> String {
    let attribute = &operand.attribute;
    match (operand.cast, attribute.table) {
        (Some(_), _) => operand.to_string(),
        (None, Some(table)) => format!("{}.{}", table_prefix(table), attribute.name),
        (None, None) => attribute.name.clone(),
    }
}

fn table_prefix(table: AttributeTable) -> &'static str {
    match table {
        AttributeTable::Users => Table::Users.prefix(),
        AttributeTable::Property => Table::Properties.prefix(),
    }
}

fn data_type(of: ColumnType) -> DataType {
    match of {
        ColumnType::Bool => DataType::Boolean,
        ColumnType::Integer => DataType::Int64,
        ColumnType::Float => DataType::Float64,
        ColumnType::Time => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
        ColumnType::Text => DataType::Utf8,
    }
}

/// A column that grows.
enum Builder {
    Bool(BooleanBuilder),
    Integer(Int64Builder),
    Float(Float64Builder),
    Time(TimestampMillisecondBuilder),
    Text(StringBuilder),
}

impl Builder {
    /// Room for so many values.
    fn new(of: ColumnType, rows: usize) -> Self {
        match of {
            ColumnType::Bool => Self::Bool(BooleanBuilder::with_capacity(rows)),
            ColumnType::Integer => Self::Integer(Int64Builder::with_capacity(rows)),
            ColumnType::Float => Self::Float(Float64Builder::with_capacity(rows)),
            ColumnType::Time => Self::Time(TimestampMillisecondBuilder::with_capacity(rows)),
            ColumnType::Text => Self::Text(StringBuilder::with_capacity(rows, 8 * rows)),
        }
    }

    /// Adds a value of the column's type; how many bytes of text that takes.
    fn push(&mut self, value: Option<AttributeValue<'_>>) -> usize {
        match (self, value) {
            (Self::Bool(column), Some(AttributeValue::Bool(value))) => column.append_value(value),
            (Self::Integer(column), Some(AttributeValue::Integer(value))) => {
                column.append_value(value);
            }
            (Self::Float(column), Some(AttributeValue::Float(value))) => column.append_value(value),
            (Self::Time(column), Some(AttributeValue::Time(at))) => column.append_value(at),
            (Self::Text(column), Some(AttributeValue::Text(text))) => {
                column.append_value(text);
                return text.len();
            }
            (Self::Bool(column), _) => column.append_null(),
            (Self::Integer(column), _) => column.append_null(),
            (Self::Float(column), _) => column.append_null(),
            (Self::Time(column), _) => column.append_null(),
            (Self::Text(column), _) => column.append_null(),
        }
        0
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Bool(mut column) => Arc::new(column.finish()),
            Self::Integer(mut column) => Arc::new(column.finish()),
            Self::Float(mut column) => Arc::new(column.finish()),
            Self::Time(mut column) => Arc::new(column.finish().with_timezone("UTC")),
            Self::Text(mut column) => Arc::new(column.finish()),
        }
    }
}
