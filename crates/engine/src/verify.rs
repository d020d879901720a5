//! Everything that can be checked about the files of one state.

use crate::error::chain;
use crate::state::State;
use crowdset_executor::{Dataset, PartitionHandle};
use crowdset_index::Term;
use crowdset_storage::{
    Column, Directory, FileEntry, Manifest, PartData, PartitionEntry, Stream, Users,
};
use crowdset_types::{ChunkId, TimeRange, UserOrdinal};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use roaring::RoaringBitmap;
use serde::Serialize;

/// One thing that is wrong with a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The file.
    pub file: String,
    /// What is wrong with it, and what helps.
    pub message: String,
}

/// What a check of all files found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Verification {
    /// Whether nothing is wrong.
    pub ok: bool,
    /// How many files were read, to the last byte.
    pub files: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// What is wrong; empty if nothing is.
    pub faults: Vec<Fault>,
}

/// Gathers what is found while files are checked.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    pub(crate) faults: Vec<Fault>,
}

impl Findings {
    /// A file was read to the last byte.
    pub(crate) fn read(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }

    /// Something is wrong with a file.
    pub(crate) fn fault(&mut self, file: impl Into<String>, message: impl ToString) {
        self.faults.push(Fault {
            file: file.into(),
            message: message.to_string(),
        });
    }
}

impl Verification {
    pub(crate) fn of(state: &State) -> Self {
        let mut findings = Findings::default();
        state.verify(&mut findings);
        Self {
            ok: findings.faults.is_empty(),
            files: findings.files,
            bytes: findings.bytes,
            faults: findings.faults,
        }
    }
}

/// Checks ids, universe, attributes and their index.
pub(crate) fn check_users(dataset: &Dataset, manifest: &Manifest, findings: &mut Findings) {
    let users = &dataset.users;
    let file = manifest
        .users
        .columns
        .as_ref()
        .map_or("users", |file| file.name.as_str());
    let before = findings.faults.len();
    users.verify(&mut |damaged| findings.fault(file, damaged));
    if let (Some(index), Some(index_file)) = (&dataset.attribute_index, &manifest.users.index) {
        index.verify(&mut |error| findings.fault(&index_file.name, error));
    }
    if findings.faults.len() > before {
        return;
    }
    let ranks_agree = (0..users.ordinals() as u32).all(|rank| {
        let user = users.by_rank(rank);
        (user.0 as usize) < users.ordinals() && users.rank(user) == rank
    });
    if !ranks_agree {
        findings.fault(
            file,
            "the order of user ids and the ranks contradict each other",
        );
    }
    if findings.faults.len() > before {
        return;
    }
    let lost = (0..users.ordinals() as u32)
        .map(UserOrdinal)
        .find(|&user| users.find(users.id(user)) != Some(user));
    if let Some(user) = lost {
        findings.fault(
            file,
            format!(
                "user id `{}` is not found under its own name",
                users.id(user)
            ),
        );
    }
    let members: u64 = (0..users.chunks())
        .flat_map(|chunk| users.universe(ChunkId(chunk as u32)))
        .map(|word| u64::from(word.count_ones()))
        .sum();
    if members != users.universe_len() {
        let told = users.universe_len();
        findings.fault(
            file,
            format!("the universe has {members} users where its header says {told}"),
        );
    }
    for attribute in users.attributes() {
        let name = attribute.name();
        match attribute.column() {
            Ok(column) => {
                if let Some(problem) = column_problem(column, users.ordinals()) {
                    findings.fault(file, format!("attribute `{name}`: {problem}"));
                }
            }
            Err(damaged) => findings.fault(file, damaged),
        }
    }
}

/// Checks one partition's columns, their order, and their index against the rows.
pub(crate) fn check_partition(
    entry: &PartitionEntry,
    handle: &PartitionHandle,
    users: &Users,
    findings: &mut Findings,
) {
    let (partition, file) = (&handle.partition, entry.files.columns.name.as_str());
    let before = findings.faults.len();
    partition.verify(&mut |damaged| findings.fault(file, damaged));
    if let Some(index) = &handle.index {
        index.verify(&mut |error| findings.fault(&entry.files.index.name, error));
    }
    if findings.faults.len() > before {
        return;
    }
    let rows: u64 = partition
        .streams()
        .iter()
        .map(|stream| stream.rows() as u64)
        .sum();
    if rows != entry.rows || partition.rows() != entry.rows {
        findings.fault(
            file,
            format!(
                "there are {rows} rows where the manifest says {}",
                entry.rows
            ),
        );
    }
    if partition.range() != entry.range || partition.id() != entry.id {
        findings.fault(
            file,
            "the file and the manifest do not agree which partition this is",
        );
    }
    for stream in partition.streams() {
        match stream_users(stream, entry.range, users) {
            Ok(found) => {
                let indexed = handle
                    .index
                    .as_ref()
                    .map(|index| index.get(Term::Event(stream.name())));
                if let Some(Ok(Some(set))) = indexed
                    && set.to_bitmap() != found
                {
                    let name = stream.name();
                    findings.fault(
                        &entry.files.index.name,
                        format!("the users of `{name}` are not those of its rows"),
                    );
                }
            }
            Err(problem) => findings.fault(file, format!("event `{}`: {problem}", stream.name())),
        }
    }
}

/// Checks the rows of one event name; returns the users that have any.
fn stream_users(stream: &Stream, range: TimeRange, users: &Users) -> Result<RoaringBitmap, String> {
    stream.touch().map_err(|damaged| damaged.to_string())?;
    let (row_users, times) = (stream.users(), stream.times());
    let mut found = RoaringBitmap::new();
    let mut rows = 0;
    for chunk in (0..stream.chunks() as u32).map(ChunkId) {
        let chunk_rows = stream.chunk_rows(chunk);
        rows += chunk_rows.len();
        let mut earlier = range.from.0;
        for row in chunk_rows {
            let (user, time) = (
                UserOrdinal(chunk.first().0 + u32::from(row_users[row])),
                times.get(row),
            );
            if user.0 as usize >= users.ordinals() || user.chunk() != chunk {
                return Err(format!(
                    "row {row} belongs to user {user}, who does not exist"
                ));
            }
            if time < earlier || time >= range.to.0 {
                return Err(format!(
                    "row {row} is out of order or outside of its partition"
                ));
            }
            earlier = time;
            found.insert(user.0);
        }
    }
    if rows != stream.rows() {
        return Err(format!("the chunks have {rows} rows of {}", stream.rows()));
    }
    for property in stream.properties() {
        let column = property.column().map_err(|damaged| damaged.to_string())?;
        if let Some(problem) = column_problem(column, stream.rows()) {
            return Err(format!("property `{}`: {problem}", property.path()));
        }
    }
    Ok(found)
}

/// What contradicts itself in a column of so many rows.
fn column_problem(column: &Column, rows: usize) -> Option<String> {
    if column.rows != rows {
        return Some(format!("{} rows of {rows}", column.rows));
    }
    for part in &column.parts {
        if let PartData::Text { dictionary, codes } | PartData::Array { dictionary, codes } =
            &part.data
        {
            let texts = dictionary.len();
            if (1..texts).any(|code| dictionary.get_bytes(code - 1) >= dictionary.get_bytes(code)) {
                return Some("its texts are not in order".to_owned());
            }
            if codes.len() < rows
                || (0..rows).any(|row| part.is_present(row) && codes.get(row) >= texts as u64)
            {
                return Some("a row has a text that does not exist".to_owned());
            }
        }
    }
    let several = |row: usize| {
        column
            .parts
            .iter()
            .filter(|part| part.is_present(row))
            .count()
            > 1
    };
    if column.parts.len() > 1 && (0..rows).any(several) {
        return Some("a row has values of two types".to_owned());
    }
    None
}

/// Reads a Parquet file of the store to its last row.
pub(crate) fn check_rows(
    directory: &dyn Directory,
    file: &FileEntry,
    expected: Option<u64>,
    findings: &mut Findings,
) {
    match count_rows(directory, file) {
        Ok(rows) => {
            if let Some(expected) = expected
                && rows != expected
            {
                findings.fault(
                    &file.name,
                    format!("there are {rows} rows where the manifest says {expected}"),
                );
            }
        }
        Err(problem) => findings.fault(
            &file.name,
            format!("{problem}; restore the file from a copy"),
        ),
    }
}

fn count_rows(directory: &dyn Directory, file: &FileEntry) -> Result<u64, String> {
    let bytes = directory.open(&file.name).map_err(|error| chain(&error))?;
    let batches = ParquetRecordBatchReaderBuilder::try_new(bytes.bytes().clone())
        .and_then(ParquetRecordBatchReaderBuilder::build)
        .map_err(|error| error.to_string())?;
    let mut rows = 0;
    for batch in batches {
        rows += batch.map_err(|error| error.to_string())?.num_rows() as u64;
    }
    Ok(rows)
}
