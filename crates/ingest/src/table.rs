//! One file of one table, opened: always Parquet, either as given or as a temporary copy.

use crate::backing::{Backing, Copied};
use crate::cells::{id_kind, is_text, is_time};
use crate::error::{IngestError, Rejections};
use crate::input::{Format, Input, Origin, TableKind, resolve};
use crate::pages::Groups;
use crate::progress::{Meter, OnProgress, Stage};
use crate::spool::{Spooled, spool_batches};
use crate::{ColumnMap, OnBadRow, csv, ndjson};
use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, FieldRef, Schema};
use crowdset_storage::IdKind;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, RowSelection,
};
use parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels};
use parquet::basic::Encoding;
use parquet::column::writer::ColumnCloseResult;
use parquet::schema::types::ColumnDescriptor;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;
use std::sync::Arc;

/// Metadata key of a Parquet field whose property has another name than the column. Two columns
/// hold one property where its type differs between inputs.
pub(crate) const PROPERTY_KEY: &str = "crowdset.property";

/// Rows that are decoded together.
const DECODE_ROWS: usize = 8_192;

/// Kinds of ids in a file whose types do not tell them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct IdKinds {
    pub(crate) user: Option<IdKind>,
    pub(crate) row: Option<IdKind>,
}

/// A column that is a property of its own.
#[derive(Debug, Clone)]
pub(crate) struct PlainColumn {
    /// The column's place in the file.
    pub(crate) root: usize,
    /// The property it holds.
    pub(crate) property: Arc<str>,
}

/// A Parquet file with known columns.
#[derive(Debug, Clone)]
pub(crate) struct TableFile {
    /// What messages call it.
    pub(crate) name: Arc<str>,
    pub(crate) kind: TableKind,
    backing: Backing,
    metadata: ArrowReaderMetadata,
    /// The place of each role's column, in the order of [`TableKind::roles`].
    roles: Vec<Option<usize>>,
    pub(crate) plain: Vec<PlainColumn>,
    /// The place of a column of JSON attributes (users from NDJSON).
    pub(crate) json: Option<usize>,
    pub(crate) time_keys: BTreeSet<String>,
    id_kinds: IdKinds,
    /// Rows of the input that are not in the copy, ascending, from 1.
    missing: Vec<u64>,
}

impl TableFile {
    /// Opens a Parquet file that is known to have the columns under their own names.
    pub(crate) fn from_store(
        name: &str,
        kind: TableKind,
        bytes: bytes::Bytes,
    ) -> Result<Self, IngestError> {
        Self::open(name, kind, Backing::Memory(bytes), &ColumnMap::default())
    }

    fn open(
        name: &str,
        kind: TableKind,
        backing: Backing,
        map: &ColumnMap,
    ) -> Result<Self, IngestError> {
        let options = ArrowReaderOptions::new();
        let metadata =
            ArrowReaderMetadata::load(&backing, options).map_err(IngestError::parquet(name))?;
        // Views are the fastest form that text can be decoded to.
        let fields: Vec<Field> = metadata
            .schema()
            .fields()
            .iter()
            .map(|field| {
                let view = is_text(field.data_type());
                let field = field.as_ref().clone();
                if view {
                    field.with_data_type(DataType::Utf8View)
                } else {
                    field
                }
            })
            .collect();
        let schema = Schema::new_with_metadata(fields, metadata.schema().metadata().clone());
        let options = ArrowReaderOptions::new().with_schema(Arc::new(schema));
        let metadata = ArrowReaderMetadata::try_new(metadata.metadata().clone(), options)
            .map_err(IngestError::parquet(name))?;

        let schema = metadata.schema();
        let found = || {
            schema
                .fields()
                .iter()
                .map(|field| field.name().clone())
                .collect::<Vec<_>>()
        };
        let mut roles = Vec::new();
        for (role, required) in kind.roles() {
            let column = map.column(kind, role);
            let place = schema
                .fields()
                .iter()
                .position(|field| field.name() == column);
            // A column that was mapped by hand must be there.
            if place.is_none() && (*required || column != *role) {
                return Err(IngestError::MissingColumn {
                    file: name.to_owned(),
                    table: kind.name(),
                    column: column.to_owned(),
                    found: found(),
                });
            }
            if let Some(place) = place {
                check_type(name, role, schema.field(place))?;
            }
            roles.push(place);
        }
        let mut plain = Vec::new();
        for (root, field) in schema.fields().iter().enumerate() {
            if roles.contains(&Some(root)) || kind == TableKind::UserProperties {
                continue;
            }
            let property = field.metadata().get(PROPERTY_KEY).unwrap_or(field.name());
            plain.push(PlainColumn {
                root,
                property: property.as_str().into(),
            });
        }
        let mut file = Self {
            name: name.into(),
            kind,
            backing,
            metadata,
            roles,
            plain,
            json: None,
            time_keys: BTreeSet::new(),
            id_kinds: IdKinds::default(),
            missing: Vec::new(),
        };
        file.spread_struct_properties();
        Ok(file)
    }

    /// `properties` of a struct or map type are plain columns; only text is JSON.
    fn spread_struct_properties(&mut self) {
        if self.kind != TableKind::Events {
            return;
        }
        if let Some(root) = self.role("properties")
            && !is_text(self.metadata.schema().field(root).data_type())
        {
            self.roles[4] = None;
            // First, so that a plain column of the same name wins over it.
            self.plain.insert(
                0,
                PlainColumn {
                    root,
                    property: "".into(),
                },
            );
        }
    }

    fn from_spooled(
        name: &str,
        kind: TableKind,
        spooled: Spooled,
        map: &ColumnMap,
    ) -> Result<Self, IngestError> {
        let mut file = Self::open(name, kind, spooled.backing, map)?;
        if spooled.has_json_attributes {
            file.json = file.plain.pop().map(|column| column.root);
        }
        file.time_keys = spooled.time_keys;
        file.id_kinds = spooled.id_kinds;
        file.missing = spooled.rejected;
        Ok(file)
    }

    pub(crate) fn rows(&self) -> u64 {
        self.metadata
            .metadata()
            .file_metadata()
            .num_rows()
            .unsigned_abs()
    }

    pub(crate) fn row_groups(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    pub(crate) fn row_group_rows(&self, group: usize) -> usize {
        self.metadata.metadata().row_group(group).num_rows() as usize
    }

    /// Uncompressed bytes of a row group.
    pub(crate) fn row_group_bytes(&self, group: usize) -> u64 {
        self.metadata
            .metadata()
            .row_group(group)
            .total_byte_size()
            .unsigned_abs()
    }

    /// The place of a role's column.
    pub(crate) fn role(&self, role: &str) -> Option<usize> {
        let index = self
            .kind
            .roles()
            .iter()
            .position(|(name, _)| *name == role)?;
        self.roles[index]
    }

    pub(crate) fn field(&self, root: usize) -> &Field {
        self.metadata.schema().field(root)
    }

    /// Kind of the ids of users.
    pub(crate) fn user_id_kind(&self) -> Option<IdKind> {
        self.kind_of(self.id_kinds.user, "user_id")
    }

    /// Kind of the ids of rows.
    pub(crate) fn row_id_kind(&self) -> Option<IdKind> {
        self.kind_of(
            self.id_kinds.row,
            if self.kind == TableKind::Events {
                "event_id"
            } else {
                "property_id"
            },
        )
    }

    fn kind_of(&self, told: Option<IdKind>, role: &str) -> Option<IdKind> {
        // A file without rows says nothing about ids.
        if self.rows() == 0 {
            return None;
        }
        told.or_else(|| id_kind(self.field(self.role(role)?).data_type()))
    }

    /// Whether a column can hold a null in a row group, as far as its statistics tell.
    pub(crate) fn may_have_nulls(&self, group: usize, root: usize) -> bool {
        if !self.field(root).is_nullable() {
            return false;
        }
        let group = self.metadata.metadata().row_group(group);
        let leaf = (0..group.num_columns())
            .find(|leaf| self.metadata.parquet_schema().get_column_root_idx(*leaf) == root);
        let nulls = leaf.and_then(|leaf| group.column(leaf).statistics()?.null_count_opt());
        nulls != Some(0)
    }

    /// The leaf column that `root` consists of, if its form is exactly `wanted`.
    pub(crate) fn leaf_like(&self, root: usize, wanted: &ColumnDescriptor) -> Option<usize> {
        let schema = self.metadata.parquet_schema();
        (0..schema.num_columns()).find(|leaf| {
            schema.get_column_root_idx(*leaf) == root && *schema.column(*leaf) == *wanted
        })
    }

    /// The bytes of a column of a row group, to be copied into another file.
    pub(crate) fn column_chunk(
        &self,
        group: usize,
        leaf: usize,
    ) -> (Copied<'_>, ColumnCloseResult) {
        let group = self.metadata.metadata().row_group(group);
        let metadata = group.column(leaf).clone();
        let close = ColumnCloseResult {
            bytes_written: metadata.compressed_size().unsigned_abs(),
            rows_written: group.num_rows().unsigned_abs(),
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        (Copied(&self.backing), close)
    }

    /// The number (from 1) of the input's row that row `row` (from 0) of the copy came from.
    pub(crate) fn origin_row(&self, row: u64) -> u64 {
        let mut number = row + 1;
        for &missing in &self.missing {
            if missing > number {
                break;
            }
            number += 1;
        }
        number
    }

    /// Batches of some columns of row groups, the columns in ascending order of their place.
    pub(crate) fn read(
        &self,
        groups: Vec<usize>,
        roots: &[usize],
        selection: Option<RowSelection>,
    ) -> Result<ParquetRecordBatchReader, IngestError> {
        self.read_lists(groups, roots, selection, None)
    }

    /// As [`TableFile::read`]; the text column `list` comes as numbers of a list of texts, which it
    /// should be in the file, too: see [`TableFile::is_dictionary`].
    pub(crate) fn read_lists(
        &self,
        groups: Vec<usize>,
        roots: &[usize],
        selection: Option<RowSelection>,
        list: Option<usize>,
    ) -> Result<ParquetRecordBatchReader, IngestError> {
        let failed = || IngestError::parquet(&self.name);
        let schema = self.metadata.parquet_schema();
        let mask = ProjectionMask::roots(schema, roots.iter().copied());
        let mut fields = self.metadata.schema().fields().clone();
        if let Some(list) = list {
            let kind = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
            let of_list = |(root, field): (usize, &FieldRef)| {
                if root == list {
                    Arc::new(field.as_ref().clone().with_data_type(kind.clone()))
                } else {
                    Arc::clone(field)
                }
            };
            fields = fields.iter().enumerate().map(of_list).collect();
        }
        let levels = parquet_to_arrow_field_levels(schema, mask, Some(&fields)).map_err(failed())?;
        let groups = Groups::new(&self.backing, self.metadata.metadata(), groups);
        ParquetRecordBatchReader::try_new_with_row_groups(&levels, &groups, DECODE_ROWS, selection)
            .map_err(failed())
    }

    /// Whether a text column is nothing but numbers of a list of texts in a row group, as far as
    /// its metadata tell.
    pub(crate) fn is_dictionary(&self, group: usize, root: usize) -> bool {
        let schema = self.metadata.parquet_schema();
        let group = self.metadata.metadata().row_group(group);
        let leaf = (0..group.num_columns()).find(|leaf| schema.get_column_root_idx(*leaf) == root);
        let chunk = leaf.map(|leaf| group.column(leaf));
        is_text(self.field(root).data_type())
            && chunk
                .filter(|chunk| chunk.dictionary_page_offset().is_some())
                .and_then(|chunk| chunk.page_encoding_stats_mask())
                .is_some_and(|pages| {
                    pages.is_only(Encoding::RLE_DICTIONARY)
                        || pages.is_only(Encoding::PLAIN_DICTIONARY)
                })
    }

    pub(crate) fn batch(
        &self,
        batch: Result<RecordBatch, arrow_schema::ArrowError>,
    ) -> Result<RecordBatch, IngestError> {
        batch.map_err(IngestError::arrow(&self.name))
    }
}

fn check_type(file: &str, role: &str, field: &Field) -> Result<(), IngestError> {
    let kind = field.data_type();
    let (fits, expected) = match role {
        "user_id" | "event_id" | "property_id" => {
            (id_kind(kind).is_some(), "text or an integer type")
        }
        "timestamp" | "updated_at" => (
            is_time(kind),
            "a timestamp or date type, or RFC 3339 text; a number does not say its unit",
        ),
        "properties" => (
            is_text(kind)
                || matches!(
                    kind,
                    DataType::Struct(_) | DataType::Map(..) | DataType::Null
                ),
            "JSON text, a struct or a map",
        ),
        _ => (is_text(kind), "text"),
    };
    if fits || *kind == DataType::Null {
        return Ok(());
    }
    Err(IngestError::ColumnType {
        file: file.to_owned(),
        column: field.name().clone(),
        found: kind.to_string(),
        expected,
    })
}

/// Opens all inputs of a table, in order; copies those that are no Parquet. Also returns how many
/// values gave way to a column of the same name while copying.
pub(crate) fn open_all(
    inputs: &[Input],
    kind: TableKind,
    map: &ColumnMap,
    on_bad_row: OnBadRow,
    rejections: &mut Rejections,
    progress: OnProgress<'_>,
) -> Result<(Vec<TableFile>, u64), IngestError> {
    let meter = Meter::new(Stage::Copying, 0, progress)?;
    let mut files = Vec::new();
    let mut column_over_key = 0;
    for origin in resolve(inputs)? {
        let (name, spooled) = match origin {
            Origin::File(path, Format::Parquet) => {
                let name = path.display().to_string();
                let backing = File::open(&path)
                    .and_then(Backing::from_file)
                    .map_err(IngestError::io(&name))?;
                files.push(TableFile::open(&name, kind, backing, map)?);
                continue;
            }
            Origin::File(path, Format::Csv) => {
                let name = path.display().to_string();
                let spooled = csv::spool(&path, &name, kind, map, on_bad_row, rejections, &meter)?;
                (name, spooled)
            }
            Origin::File(path, Format::Ndjson) => {
                let name = path.display().to_string();
                let file = File::open(&path).map_err(IngestError::io(&name))?;
                let input = BufReader::with_capacity(1 << 20, file);
                let spooled =
                    ndjson::spool(input, &name, kind, map, on_bad_row, rejections, &meter)?;
                (name, spooled)
            }
            Origin::Stdin => {
                let name = "standard input".to_owned();
                let spooled = ndjson::spool(
                    std::io::stdin().lock(),
                    &name,
                    kind,
                    map,
                    on_bad_row,
                    rejections,
                    &meter,
                )?;
                (name, spooled)
            }
            Origin::Batches(batches) => {
                let name = "record batches".to_owned();
                let Some(spooled) = spool_batches(&name, &batches, &meter)? else {
                    continue;
                };
                (name, spooled)
            }
        };
        column_over_key += spooled.column_over_key;
        files.push(TableFile::from_spooled(&name, kind, spooled, map)?);
    }
    Ok((files, column_over_key))
}
