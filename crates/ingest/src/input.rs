//! Which files are meant by what was typed.

use crate::error::IngestError;
use arrow_array::RecordBatch;
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

/// One of the three tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableKind {
    /// One row per user.
    Users,
    /// One row per event.
    Events,
    /// One row per value that a property of a user took.
    UserProperties,
}

impl TableKind {
    /// The name the table has in files and options.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Events => "events",
            Self::UserProperties => "user_properties",
        }
    }

    /// The columns that mean something, and whether a table must have them.
    pub(crate) const fn roles(self) -> &'static [(&'static str, bool)] {
        match self {
            Self::Users => &[("user_id", true)],
            Self::Events => &[
                ("event_id", true),
                ("user_id", true),
                ("event_name", true),
                ("timestamp", true),
                ("properties", false),
            ],
            Self::UserProperties => &[
                ("property_id", false),
                ("user_id", true),
                ("property_name", true),
                ("property_value", true),
                ("updated_at", false),
            ],
        }
    }
}

impl fmt::Display for TableKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where rows of one table come from.
#[derive(Debug, Clone)]
pub enum Input {
    /// A file (`.parquet`, `.csv`, `.ndjson`), a folder of such files, a pattern with `*`, `?` and
    /// `**`, or `-` for NDJSON on standard input.
    Path(String),
    /// Record batches of one schema, in order.
    Batches(Vec<RecordBatch>),
}

/// The form of a file, told by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Format {
    Parquet,
    Csv,
    Ndjson,
}

impl Format {
    fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "parquet" | "pq" => Some(Self::Parquet),
            "csv" => Some(Self::Csv),
            "ndjson" | "jsonl" | "json" => Some(Self::Ndjson),
            _ => None,
        }
    }
}

/// One thing to read.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    File(PathBuf, Format),
    Stdin,
    Batches(Vec<RecordBatch>),
}

/// All that the inputs of a table stand for: files once each, by name, then standard input, then
/// record batches. This order decides which of two rows is the second.
pub(crate) fn resolve(inputs: &[Input]) -> Result<Vec<Origin>, IngestError> {
    let mut files = BTreeSet::new();
    let mut stdin = false;
    let mut batches = Vec::new();
    for input in inputs {
        match input {
            Input::Path(path) if path == "-" => stdin = true,
            Input::Path(path) => resolve_path(path, &mut files)?,
            Input::Batches(given) => batches.push(Origin::Batches(given.clone())),
        }
    }
    let mut origins: Vec<Origin> = files
        .into_iter()
        .map(|(path, format)| Origin::File(path, format))
        .collect();
    origins.extend(stdin.then_some(Origin::Stdin));
    origins.extend(batches);
    Ok(origins)
}

fn resolve_path(text: &str, files: &mut BTreeSet<(PathBuf, Format)>) -> Result<(), IngestError> {
    let not_found = || IngestError::NotFound {
        path: text.to_owned(),
    };
    let path = Path::new(text);
    if path.is_dir() {
        let before = files.len();
        walk(path, &mut |file| {
            if let Some(format) = Format::of(file) {
                files.insert((file.to_owned(), format));
            }
        })?;
        return if files.len() == before {
            Err(not_found())
        } else {
            Ok(())
        };
    }
    if path.exists() {
        let format = Format::of(path).ok_or_else(|| IngestError::Unsupported {
            path: text.to_owned(),
            reason: "the name must end in .parquet, .csv or .ndjson",
        })?;
        files.insert((path.to_owned(), format));
        return Ok(());
    }
    if text.contains("://") {
        return Err(IngestError::Unsupported {
            path: text.to_owned(),
            reason: "this build reads local files only; copy the objects to a folder first",
        });
    }
    if !text.contains(['*', '?']) {
        return Err(not_found());
    }
    // The folder before the first wildcard is where the search starts.
    let fixed = text
        .find(['*', '?'])
        .map_or(text, |wildcard| &text[..wildcard]);
    let root = match fixed.rfind(std::path::is_separator) {
        Some(0) => "/",
        Some(slash) => &text[..slash],
        None => ".",
    };
    if !Path::new(root).is_dir() {
        return Err(not_found());
    }
    let pattern: Vec<&str> = text
        .split(std::path::is_separator)
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    let before = files.len();
    walk(Path::new(root), &mut |file| {
        let shown = file.to_string_lossy();
        let parts: Vec<&str> = shown
            .split(std::path::is_separator)
            .filter(|part| !part.is_empty() && *part != ".")
            .collect();
        if matches_parts(&pattern, &parts)
            && let Some(format) = Format::of(file)
        {
            files.insert((file.to_owned(), format));
        }
    })?;
    if files.len() == before {
        Err(not_found())
    } else {
        Ok(())
    }
}

/// Every file below a folder that is not hidden (`.x`, `_x`, as other tools leave them).
fn walk(folder: &Path, visit: &mut dyn FnMut(&Path)) -> Result<(), IngestError> {
    let shown = folder.display().to_string();
    let entries = std::fs::read_dir(folder).map_err(IngestError::io(&shown))?;
    for entry in entries {
        let entry = entry.map_err(IngestError::io(&shown))?;
        if entry.file_name().to_string_lossy().starts_with(['.', '_']) {
            continue;
        }
        let path = entry.path();
        if path.is_dir() {
            walk(&path, visit)?;
        } else {
            visit(&path);
        }
    }
    Ok(())
}

fn matches_parts(pattern: &[&str], parts: &[&str]) -> bool {
    match (pattern, parts) {
        ([], []) => true,
        (["**", rest @ ..], _) => {
            (0..=parts.len()).any(|skipped| matches_parts(rest, &parts[skipped..]))
        }
        ([first, rest @ ..], [part, others @ ..]) => {
            matches_name(first.as_bytes(), part.as_bytes()) && matches_parts(rest, others)
        }
        _ => false,
    }
}

/// `*` is any run of bytes, `?` any one byte. Linear, since only the last `*` need be tried again.
fn matches_name(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut in_name) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while in_name < name.len() {
        if pattern.get(at) == Some(&b'*') {
            retry = Some((at, in_name));
            at += 1;
        } else if pattern
            .get(at)
            .is_some_and(|&byte| byte == b'?' || byte == name[in_name])
        {
            at += 1;
            in_name += 1;
        } else if let Some((star, from)) = retry {
            at = star + 1;
            in_name = from + 1;
            retry = Some((star, from + 1));
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

/// Which column of a file plays which part, where the names differ.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnMap {
    renamed: Vec<(TableKind, &'static str, String)>,
}

impl ColumnMap {
    /// Adds a mapping such as `events.event_name=action`: the column `action` of events holds the
    /// event names.
    ///
    /// # Errors
    ///
    /// [`IngestError::Mapping`] if the text has another form, names no table or column there is, or
    /// maps a column a second time.
    ///
    /// # Examples
    ///
    /// ```
    /// # use crowdset_ingest::ColumnMap;
    /// let mut columns = ColumnMap::default();
    /// columns.add("events.event_name=action")?;
    /// assert!(columns.add("events.name=action").is_err());
    /// # Ok::<(), crowdset_ingest::IngestError>(())
    /// ```
    pub fn add(&mut self, text: &str) -> Result<(), IngestError> {
        let refuse = |reason: String| IngestError::Mapping {
            text: text.to_owned(),
            reason,
        };
        let (role, column) = text
            .split_once('=')
            .ok_or_else(|| refuse("there is no `=`".to_owned()))?;
        let (table, role) = role
            .split_once('.')
            .ok_or_else(|| refuse("there is no `TABLE.`".to_owned()))?;
        let kind = [
            TableKind::Users,
            TableKind::Events,
            TableKind::UserProperties,
        ]
        .into_iter()
        .find(|kind| kind.name() == table)
        .ok_or_else(|| {
            refuse(format!(
                "there is no table `{table}`; it is users, events or user_properties"
            ))
        })?;
        let names: Vec<&str> = kind.roles().iter().map(|(name, _)| *name).collect();
        let role = *names
            .iter()
            .find(|name| **name == role)
            .ok_or_else(|| refuse(format!("`{role}` is none of {}", names.join(", "))))?;
        if column.is_empty() {
            return Err(refuse("no column stands behind the `=`".to_owned()));
        }
        if self
            .renamed
            .iter()
            .any(|(table, name, _)| *table == kind && *name == role)
        {
            return Err(refuse(format!("`{kind}.{role}` is mapped twice")));
        }
        self.renamed.push((kind, role, column.to_owned()));
        Ok(())
    }

    /// The name that the column `role` of a table has in files.
    pub(crate) fn column<'a>(&'a self, table: TableKind, role: &'a str) -> &'a str {
        self.renamed
            .iter()
            .find(|(kind, name, _)| *kind == table && *name == role)
            .map_or(role, |(_, _, column)| column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("*.csv", "a.csv", true),
            ("*.csv", "a.csv.gz", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b", "xxaxxbxb", true),
            ("", "", true),
            ("*", "", true),
        ] {
            assert_eq!(
                matches_name(pattern.as_bytes(), name.as_bytes()),
                expected,
                "{pattern} {name}"
            );
        }
        assert!(matches_parts(
            &["a", "**", "*.csv"],
            &["a", "b", "c", "x.csv"]
        ));
        assert!(matches_parts(&["a", "**", "*.csv"], &["a", "x.csv"]));
        assert!(!matches_parts(&["a", "*.csv"], &["a", "b", "x.csv"]));
    }

    #[test]
    fn files_come_once_and_by_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.csv", "a.parquet", "notes.txt", "_SUCCESS", ".hidden.csv"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let root = folder.path().to_str().unwrap();
        let inputs = [
            Input::Path(format!("{root}/*.csv")),
            Input::Path(root.to_owned()),
            Input::Path("-".to_owned()),
        ];
        let names: Vec<String> = resolve(&inputs)
            .unwrap()
            .iter()
            .map(|origin| match origin {
                Origin::File(path, _) => path.file_name().unwrap().to_str().unwrap().to_owned(),
                Origin::Stdin => "-".to_owned(),
                Origin::Batches(_) => "batches".to_owned(),
            })
            .collect();
        assert_eq!(names, ["a.parquet", "b.csv", "-"]);
        assert!(matches!(
            resolve(&[Input::Path(format!("{root}/nothing"))]),
            Err(IngestError::NotFound { .. })
        ));
        assert!(matches!(
            resolve(&[Input::Path(format!("{root}/notes.txt"))]),
            Err(IngestError::Unsupported { .. })
        ));
    }

    #[test]
    fn mappings_are_checked() {
        let mut columns = ColumnMap::default();
        columns.add("users.user_id=customer=id").unwrap();
        assert_eq!(columns.column(TableKind::Users, "user_id"), "customer=id");
        assert_eq!(columns.column(TableKind::Events, "user_id"), "user_id");
        for text in [
            "",
            "users.user_id",
            "user_id=x",
            "people.user_id=x",
            "users.name=x",
            "users.user_id=y",
            "events.user_id=",
        ] {
            assert!(columns.add(text).is_err(), "{text}");
        }
    }
}
