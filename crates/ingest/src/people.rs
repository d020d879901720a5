//! Users and their properties: ordinals, attribute values, histories.

use crate::cells::{IdCells, TextCells, read_times};
use crate::error::{IngestError, Rejections, RowProblem};
use crate::events::Events;
use crate::json::JsonReader;
use crate::progress::Meter;
use crate::property_rows::{PropertyId, PropertyRows};
use crate::stage::{BlockBuilder, ValueRef};
use crate::table::TableFile;
use crate::values::ValueCells;
use crate::{ColumnMap, Input, OnBadRow, OnProgress, Stage, TableKind};
use crowdset_storage::{
    AttributeBuilder, AttributeValue, EncodedAttribute, HistoryBuilder, IdKind, Table, Universe,
    UserIds, Users,
};
use crowdset_types::{TimestampMillis, UserOrdinal};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{PoisonError, RwLock};

/// The users of a load: those of the store, those of its tables, and all that turn up later.
#[derive(Debug)]
pub struct People<'a> {
    /// The users of the store whose attributes have not been taken over yet: a load of events alone
    /// leaves them as they are.
    stored: Option<&'a Users>,
    ids: RwLock<UserIds>,
    /// A bit for each row of a users table; `None` where none was ever given.
    universe: Option<Vec<u64>>,
    columns: BTreeMap<String, AttributeBuilder>,
    histories: BTreeMap<String, HistoryBuilder>,
    id_kind: Option<IdKind>,
    /// Rows of `users` that were read.
    pub users_rows: u64,
    /// Rows of `user_properties` that were read.
    pub properties_rows: u64,
    /// Rows of `user_properties` whose user is in no users table.
    pub orphans: u64,
    /// Times that were finer than a millisecond.
    pub floored: u64,
    /// All rows of `user_properties` that count, if new ones were read.
    properties: Option<PropertyRows>,
}

/// The tables of users as they were given.
#[derive(Debug)]
pub struct PeopleFiles {
    users: Vec<TableFile>,
    pub(crate) properties: Vec<TableFile>,
}

impl PeopleFiles {
    /// Opens the inputs of both tables; copies those that are no Parquet.
    ///
    /// # Errors
    ///
    /// [`IngestError`] if an input cannot be read, or rows cannot be used and must be.
    pub fn open(
        users: &[Input],
        properties: &[Input],
        columns: &ColumnMap,
        on_bad_row: OnBadRow,
        rejections: &mut Rejections,
        progress: OnProgress<'_>,
    ) -> Result<Self, IngestError> {
        let mut open = |inputs, kind| {
            crate::table::open_all(inputs, kind, columns, on_bad_row, rejections, progress)
        };
        let (users, _) = open(users, TableKind::Users)?;
        let (properties, _) = open(properties, TableKind::UserProperties)?;
        Ok(Self { users, properties })
    }

    /// Whether there are files of `users`.
    pub fn has_users(&self) -> bool {
        !self.users.is_empty()
    }

    /// Whether there are files of `user_properties`.
    pub fn has_properties(&self) -> bool {
        !self.properties.is_empty()
    }
}

impl<'a> People<'a> {
    /// The users of a store (`None`: a new one) before anything is read. `has_universe` says whether
    /// a users table was ever given.
    ///
    /// # Errors
    ///
    /// [`crowdset_storage::Damaged`] if the image of the users is.
    pub fn new(
        stored: Option<&'a Users>,
        has_universe: bool,
        seed: u64,
    ) -> Result<Self, IngestError> {
        let mut people = Self {
            stored: None,
            ids: RwLock::new(UserIds::new(seed)),
            universe: None,
            columns: BTreeMap::new(),
            histories: BTreeMap::new(),
            id_kind: None,
            users_rows: 0,
            properties_rows: 0,
            orphans: 0,
            floored: 0,
            properties: None,
        };
        if has_universe {
            people.universe = Some(Vec::new());
        }
        let Some(stored) = stored.filter(|users| users.ordinals() > 0) else {
            return Ok(people);
        };
        people.ids = RwLock::new(UserIds::from_users(stored).map_err(damaged)?);
        people.id_kind = Some(stored.id_kind());
        if has_universe {
            let mut words = vec![0; stored.ordinals().div_ceil(64)];
            for user in (0..stored.ordinals() as u32).map(UserOrdinal) {
                if stored.in_universe(user) {
                    words[user.0 as usize / 64] |= 1 << (user.0 % 64);
                }
            }
            people.universe = Some(words);
        }
        people.stored = Some(stored);
        Ok(people)
    }

    /// Takes over the attributes that the store has, the first time: a copy of all of them.
    fn take_attributes(&mut self) -> Result<(), IngestError> {
        let Some(stored) = self.stored.take() else {
            return Ok(());
        };
        for attribute in stored.attributes() {
            let name = attribute.name().to_owned();
            match attribute.table() {
                Table::Users => {
                    let builder = AttributeBuilder::from_attribute(attribute).map_err(damaged)?;
                    self.columns.insert(name, builder);
                }
                Table::Properties => {
                    let builder = HistoryBuilder::from_attribute(attribute).map_err(damaged)?;
                    self.histories.insert(name, builder);
                }
            }
        }
        Ok(())
    }

    /// Reads both tables, users first. `stored_properties` is the file of the rows of
    /// `user_properties` that the store holds.
    ///
    /// # Errors
    ///
    /// [`IngestError`] if a file cannot be read, or rows cannot be used and must be.
    pub fn read(
        &mut self,
        files: &PeopleFiles,
        stored_properties: Option<(&str, bytes::Bytes)>,
        on_bad_row: OnBadRow,
        rejections: &mut Rejections,
        progress: OnProgress<'_>,
    ) -> Result<(), IngestError> {
        let rows = files
            .users
            .iter()
            .chain(&files.properties)
            .map(TableFile::rows)
            .sum();
        let meter = Meter::new(Stage::Users, rows, progress)?;
        for file in files.users.iter().chain(&files.properties) {
            self.see_id_kind(file.user_id_kind());
        }
        if files.has_users() || files.has_properties() {
            self.take_attributes()?;
        }
        if files.has_users() {
            self.universe.get_or_insert_default();
        }
        let is_new = self.ordinals() == 0;
        for file in &files.users {
            self.read_users(file, on_bad_row, rejections, &meter)?;
        }
        if is_new {
            self.sort_users();
        }
        if !files.has_properties() {
            return Ok(());
        }
        let mut rows = PropertyRows::new(stored_properties.is_some());
        if let Some((name, bytes)) = stored_properties {
            let file = TableFile::from_store(name, TableKind::UserProperties, bytes)?;
            self.read_properties(&file, true, &mut rows, on_bad_row, rejections, &meter)?;
        }
        for file in &files.properties {
            self.read_properties(file, false, &mut rows, on_bad_row, rejections, &meter)?;
        }
        rows.settle();
        self.histories = rows.histories();
        self.properties = Some(rows);
        Ok(())
    }

    /// Gives the first users of a store ordinals that ascend by id: then their ids lie in the order of
    /// ordinals, and lists of members are read off bit by bit. Ordinals that somebody has seen stay.
    fn sort_users(&mut self) {
        let kind = self.id_kind();
        let ids = self.ids.get_mut().unwrap_or_else(PoisonError::into_inner);
        // All of them are rows of a users table: the universe stays as it is.
        let new = ids.sort(kind);
        let columns: Vec<&mut AttributeBuilder> = self.columns.values_mut().collect();
        columns
            .into_par_iter()
            .for_each(|column| column.renumber(&new));
    }

    /// Takes in the kind of user ids of the events; ids of different kinds compare as text. Call it
    /// before rows of events are read.
    pub fn see_events(&mut self, events: &Events) {
        for kind in events.user_id_kinds() {
            self.see_id_kind(Some(kind));
        }
    }

    fn see_id_kind(&mut self, kind: Option<IdKind>) {
        if let Some(kind) = kind {
            self.id_kind = Some(if self.id_kind.is_some_and(|known| known != kind) {
                IdKind::Text
            } else {
                kind
            });
        }
    }

    /// How ids are printed and sorted.
    pub fn id_kind(&self) -> IdKind {
        self.id_kind.unwrap_or_default()
    }

    /// How many users and orphans there are.
    pub fn ordinals(&self) -> usize {
        self.ids
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    pub(crate) fn ids(&self) -> &RwLock<UserIds> {
        &self.ids
    }

    pub(crate) fn universe(&self) -> Option<&[u64]> {
        self.universe.as_deref()
    }

    /// Whether a users table was ever given.
    pub fn has_universe(&self) -> bool {
        self.universe.is_some()
    }

    /// The rows of `user_properties` that the store must keep, if new ones were read.
    pub fn take_properties(&mut self) -> Option<PropertyRows> {
        self.properties.take()
    }

    /// All that makes up the users' image.
    ///
    /// # Errors
    ///
    /// If an attribute holds more text than a column can address, or the store's are damaged.
    pub fn into_parts(
        mut self,
    ) -> Result<(UserIds, IdKind, Universe, Vec<EncodedAttribute>), IngestError> {
        self.take_attributes()?;
        let id_kind = self.id_kind();
        let ids = self
            .ids
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let ordinals = ids.len();
        let columns: Vec<AttributeBuilder> = self.columns.into_values().collect();
        let histories: Vec<HistoryBuilder> = self.histories.into_values().collect();
        let columns = columns
            .into_par_iter()
            .with_max_len(1)
            .map(|column| column.encode(ordinals));
        let histories = histories
            .into_par_iter()
            .with_max_len(1)
            .map(|history| history.encode(ordinals));
        let attributes = columns.chain(histories).collect::<Result<Vec<_>, _>>()?;
        Ok((
            ids,
            id_kind,
            self.universe.map_or(Universe::Everyone, Universe::Bits),
            attributes,
        ))
    }

    fn read_users(
        &mut self,
        file: &TableFile,
        on_bad_row: OnBadRow,
        rejections: &mut Rejections,
        meter: &Meter<'_>,
    ) -> Result<(), IngestError> {
        let id_root = role(file, "user_id")?;
        let mut roots = vec![id_root];
        roots.extend(file.plain.iter().map(|plain| plain.root));
        roots.extend(file.json);
        roots.sort_unstable();
        let place = |root: usize| roots.binary_search(&root).unwrap_or_default();
        let mut buffer = String::new();
        let mut path = String::new();
        let mut json = JsonReader::default();
        let mut block = BlockBuilder::default();
        let hasher = block.hasher.clone();
        let stream = block.stream("");
        let mut row_number = 0;
        // Most rows are users of their own.
        let ids = self.ids.get_mut().unwrap_or_else(PoisonError::into_inner);
        ids.reserve((file.rows() as usize).saturating_sub(ids.len()));
        for batch in file.read((0..file.row_groups()).collect(), &roots, None)? {
            let batch = file.batch(batch)?;
            let ids = IdCells::new(batch.column(place(id_root)), &file.name)?;
            let texts = file
                .json
                .map(|root| TextCells::new(batch.column(place(root)), &file.name))
                .transpose()?;
            let stream = &mut block.streams[stream];
            // Ordinals first, then column by column: the values of one column are one run of memory.
            let mut users: Vec<Option<u32>> = Vec::with_capacity(batch.num_rows());
            for row in 0..batch.num_rows() {
                row_number += 1;
                let outcome = required(&ids, row, file.field(id_root).name(), &mut buffer)
                    .and_then(|id| {
                        let text = texts.as_ref().and_then(|texts| texts.get(row));
                        if let Some(text) = text {
                            json.read(stream, text, &hasher)?;
                        }
                        Ok((id, text))
                    });
                let (id, text) = match outcome {
                    Ok(outcome) => outcome,
                    Err(problem) => {
                        rejections.push(&file.name, file.origin_row(row_number - 1), problem);
                        users.push(None);
                        continue;
                    }
                };
                let ids = self.ids.get_mut().unwrap_or_else(PoisonError::into_inner);
                let ordinal = ids.get_or_insert(id);
                users.push(Some(ordinal));
                self.users_rows += 1;
                let universe = self.universe.get_or_insert_default();
                let word = ordinal as usize / 64;
                if universe.len() <= word {
                    universe.resize(word + 1, 0);
                }
                universe[word] |= 1 << (ordinal % 64);
                if let Some(text) = text {
                    for (slot, value) in json.values(text) {
                        let name = &*stream.properties[slot].path;
                        let value = match value {
                            ValueRef::Text(text) if file.time_keys.contains(name) => {
                                TimestampMillis::parse(text)
                                    .map_or(AttributeValue::Text(text), |(time, _)| {
                                        AttributeValue::Time(time.0)
                                    })
                            }
                            value => attribute_value(value),
                        };
                        set(&mut self.columns, name, ordinal, value);
                    }
                }
            }
            for plain in &file.plain {
                let cells = ValueCells::new(batch.column(place(plain.root)), &file.name)?;
                path.clear();
                path.push_str(&plain.property);
                // Columns are there even if they hold nothing: their name is known.
                if !cells.is_nested() {
                    column(&mut self.columns, &plain.property);
                }
                for (row, user) in users.iter().enumerate() {
                    let Some(user) = *user else { continue };
                    let Ok(()) = cells.visit::<Infallible>(row, &mut path, &mut |name, value| {
                        set(&mut self.columns, name, user, attribute_value(value));
                        Ok(())
                    });
                }
            }
            rejections.check(on_bad_row)?;
            meter.add(batch.num_rows() as u64)?;
        }
        Ok(())
    }

    fn read_properties(
        &mut self,
        file: &TableFile,
        stored: bool,
        rows: &mut PropertyRows,
        on_bad_row: OnBadRow,
        rejections: &mut Rejections,
        meter: &Meter<'_>,
    ) -> Result<(), IngestError> {
        let (user, name, value) = (
            role(file, "user_id")?,
            role(file, "property_name")?,
            role(file, "property_value")?,
        );
        let (id, at) = (file.role("property_id"), file.role("updated_at"));
        let mut roots = vec![user, name, value];
        roots.extend(id);
        roots.extend(at);
        roots.sort_unstable();
        let place = |root: usize| roots.binary_search(&root).unwrap_or_default();
        // Only a history tells which of two rows is the later one by id.
        let id = id.filter(|_| at.is_some());
        let id_kind = file.row_id_kind().unwrap_or_default();
        let (mut user_buffer, mut id_buffer) = (String::new(), String::new());
        let mut times = Vec::new();
        let mut time_problems: Vec<Option<RowProblem>> = Vec::new();
        let mut known = Vec::new();
        let mut row_number = 0;
        let ids = self.ids.get_mut().unwrap_or_else(PoisonError::into_inner);
        for batch in file.read((0..file.row_groups()).collect(), &roots, None)? {
            let batch = file.batch(batch)?;
            let column = |root: usize| batch.column(place(root));
            let users = IdCells::new(column(user), &file.name)?;
            let names = TextCells::new(column(name), &file.name)?;
            let values = TextCells::new(column(value), &file.name)?;
            let row_ids = id
                .map(|root| IdCells::new(column(root), &file.name))
                .transpose()?;
            // Nearly all of them are known, and many looked up together take half the time.
            known.clear();
            known.resize(batch.num_rows(), UserIds::MISSING);
            if let IdCells::Text(cells) = &users {
                let texts: Vec<&str> = (0..batch.num_rows()).map(|row| cells.text(row)).collect();
                ids.lookup_batch(&texts, &mut known);
            }
            times.clear();
            time_problems.clear();
            time_problems.resize(batch.num_rows(), None);
            if let Some(root) = at {
                let field = file.field(root).name();
                let array = column(root);
                let floored = read_times(array, &file.name, &mut times, |row, problem| {
                    // A null is the oldest, and no problem.
                    if problem != crate::cells::TimeProblem::Null {
                        time_problems[row] = Some(problem.into_row_problem(field));
                    }
                })?;
                self.floored += if stored { 0 } else { floored };
            }
            for row in 0..batch.num_rows() {
                row_number += 1;
                let outcome = required(&users, row, file.field(user).name(), &mut user_buffer)
                    .and_then(|user| {
                        let name = names.get(row).ok_or_else(|| RowProblem::Null {
                            column: file.field(name).name().clone(),
                        })?;
                        match time_problems[row].take() {
                            None => Ok((user, name)),
                            Some(problem) => Err(problem),
                        }
                    });
                let row_id = match (&row_ids, id) {
                    // Rows that came without times were stored without a say for their ids.
                    (Some(cells), Some(_)) if stored => cells.get(row, &mut id_buffer),
                    (Some(cells), Some(root)) => {
                        required(cells, row, file.field(root).name(), &mut id_buffer).map(Some)
                    }
                    _ => Ok(None),
                };
                let read = outcome.and_then(|(user, name)| Ok((user, name, row_id?)));
                let (user, name, id) = match read {
                    Ok((user, name, id)) => (user, name, id.map(|id| PropertyId::new(id, id_kind))),
                    Err(problem) => {
                        rejections.push(&file.name, file.origin_row(row_number - 1), problem);
                        continue;
                    }
                };
                let ordinal = match known[row] {
                    UserIds::MISSING => ids.get_or_insert(user),
                    ordinal => ordinal,
                };
                let at = at
                    .filter(|root| column(*root).is_valid(row))
                    .map(|_| times[row]);
                rows.push(name, ordinal, at, id, values.get(row));
                if !stored {
                    self.properties_rows += 1;
                    if let Some(universe) = &self.universe {
                        let word = universe.get(ordinal as usize / 64).copied().unwrap_or(0);
                        self.orphans += u64::from(word >> (ordinal % 64) & 1 == 0);
                    }
                }
            }
            rejections.check(on_bad_row)?;
            if !stored {
                meter.add(batch.num_rows() as u64)?;
            }
        }
        Ok(())
    }
}

fn damaged(error: crowdset_storage::Damaged) -> IngestError {
    IngestError::from(crowdset_storage::StorageError::from(error))
}

fn role(file: &TableFile, role: &str) -> Result<usize, IngestError> {
    file.role(role).ok_or_else(|| IngestError::MissingColumn {
        file: file.name.to_string(),
        table: file.kind.name(),
        column: role.to_owned(),
        found: Vec::new(),
    })
}

fn required<'a>(
    cells: &'a IdCells,
    row: usize,
    column: &str,
    buffer: &'a mut String,
) -> Result<&'a str, RowProblem> {
    cells.get(row, buffer)?.ok_or_else(|| RowProblem::Null {
        column: column.to_owned(),
    })
}

fn column<'a>(
    columns: &'a mut BTreeMap<String, AttributeBuilder>,
    name: &str,
) -> &'a mut AttributeBuilder {
    if !columns.contains_key(name) {
        columns.insert(name.to_owned(), AttributeBuilder::new(Table::Users, name));
    }
    columns
        .get_mut(name)
        .expect("it was put there if it was missing")
}

fn set(
    columns: &mut BTreeMap<String, AttributeBuilder>,
    name: &str,
    user: u32,
    value: AttributeValue<'_>,
) {
    column(columns, name).set(UserOrdinal(user), value);
}

fn attribute_value(value: ValueRef<'_>) -> AttributeValue<'_> {
    match value {
        ValueRef::Bool(value) => AttributeValue::Bool(value),
        ValueRef::Integer(value) => AttributeValue::Integer(value),
        ValueRef::Float(value) => AttributeValue::Float(value),
        ValueRef::Text(value) => AttributeValue::Text(value),
        ValueRef::Time(value) => AttributeValue::Time(value),
        ValueRef::Array(value) => AttributeValue::Array(value),
    }
}
