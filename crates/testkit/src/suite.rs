//! The suite: cases as data, with answers that people worked out.
//!
//! A file of `data/suite` holds the rows its cases share and the cases:
//!
//! ```toml
//! as_of = "2026-03-01"
//! users = [{ user_id = "u1", plan = "free", created_at = 2026-01-05T00:00:00Z }, { user_id = "u2" }]
//! events = [["e1", "u1", "purchase", "2026-02-27T12:00:00Z", '{"amount": 5}']]
//! user_properties = [{ id = "p1", user_id = "u1", name = "industry", value = "SaaS", at = "2026-01-01" }]
//!
//! [[case]]
//! name = "the end of a window is excluded"
//! segment = "did(purchase, before '2026-02-27T12:00:00Z')"
//! expect = []
//! ```
//!
//! `segments = { paying = "did(purchase)" }` and `lists = { friends = ["u1", "u3"] }` are what is saved.
//! Without `users` no users table is given. A value left out is null. A property without `at` was
//! never said to be updated; the table has the column if any row has it, or if `history = true`. Behind
//! an event's JSON may stand what further columns of doubles hold, as TOML: `"{ price = nan }"`. A
//! case may bring rows and an `as_of` of its own, which then replace the file's, and instead of
//! `expect` an `error`, a part of the message.

use crate::data::{Data, EventRow, IdKind, PropertyRow, UserRow};
use crowdset_query::Segment;
use crowdset_types::{TimestampMillis, Value};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

/// One case of the suite.
#[derive(Debug, Clone)]
pub struct Case {
    /// The file's stem and the case's name, for messages.
    pub name: String,
    /// The rows.
    pub data: Data,
    /// The segment's text.
    pub segment: String,
    /// The instant of the evaluation.
    pub as_of: TimestampMillis,
    /// What must come out.
    pub expect: Expect,
}

/// What must come out of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// These user ids, ascending.
    Users(Vec<String>),
    /// An error whose message holds this.
    Error(String),
}

/// Why the suite could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SuiteError {
    /// A file or the folder could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is no TOML or has other keys than the module describes.
    #[error("{} is no suite file", path.display())]
    Form {
        /// Which.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A row or a case means nothing.
    #[error("{}: {message}", path.display())]
    Meaning {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

/// The rows of a file or of a case; what is `None` is the file's.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    as_of: Option<String>,
    users: Option<Vec<toml::Table>>,
    events: Option<Vec<Vec<String>>>,
    user_properties: Option<Vec<PropertyForm>>,
    history: Option<bool>,
    /// Saved segments by name, as text.
    segments: Option<BTreeMap<String, String>>,
    /// Static lists by name.
    lists: Option<BTreeMap<String, Vec<String>>>,
    /// Which ids are integers: `user`, `event`, `property`.
    integer_ids: Option<Vec<String>>,
    #[serde(default)]
    case: Vec<CaseForm>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseForm {
    name: String,
    segment: String,
    expect: Option<Vec<String>>,
    error: Option<String>,
    as_of: Option<String>,
    users: Option<Vec<toml::Table>>,
    events: Option<Vec<Vec<String>>>,
    user_properties: Option<Vec<PropertyForm>>,
    history: Option<bool>,
    segments: Option<BTreeMap<String, String>>,
    lists: Option<BTreeMap<String, Vec<String>>>,
    integer_ids: Option<Vec<String>>,
    /// The case has no users table though the file has one.
    #[serde(default)]
    no_users_table: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct PropertyForm {
    id: String,
    user_id: String,
    name: String,
    value: Option<String>,
    at: Option<String>,
}

/// Reads every `.toml` file of a folder, in the order of their names.
///
/// # Errors
///
/// [`SuiteError`] if a file cannot be read, has another form, or holds a row or a case that means
/// nothing.
pub fn load(folder: &Path) -> Result<Vec<Case>, SuiteError> {
    let read = |path: &Path| {
        let path = path.to_owned();
        move |source| SuiteError::Read { path, source }
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(read(folder))? {
        let path = entry.map_err(read(folder))?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            paths.push(path);
        }
    }
    paths.sort();
    let mut cases = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).map_err(read(&path))?;
        cases.extend(parse(&path, &text)?);
    }
    Ok(cases)
}

/// Reads the cases of one file's text; `path` is for messages and names.
///
/// # Errors
///
/// [`SuiteError`] as of [`load`].
pub fn parse(path: &Path, text: &str) -> Result<Vec<Case>, SuiteError> {
    let file: Form = toml::from_str(text).map_err(|source| SuiteError::Form {
        path: path.to_owned(),
        source: Box::new(source),
    })?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut cases = Vec::new();
    for case in &file.case {
        let in_case = |message| SuiteError::Meaning {
            path: path.to_owned(),
            message: format!("case `{}`: {message}", case.name),
        };
        let expect = match (&case.expect, &case.error) {
            (Some(users), None) => Expect::Users(users.clone()),
            (None, Some(message)) => Expect::Error(message.clone()),
            _ => return Err(in_case("one of `expect` and `error` is needed".to_owned())),
        };
        let as_of = case.as_of.as_ref().or(file.as_of.as_ref());
        let as_of = as_of.ok_or_else(|| in_case("`as_of` is missing".to_owned()))?;
        cases.push(Case {
            name: format!("{stem}: {}", case.name),
            data: rows(&file, case).map_err(in_case)?,
            segment: case.segment.clone(),
            as_of: TimestampMillis(instant(as_of).map_err(in_case)?),
            expect,
        });
    }
    Ok(cases)
}

fn instant(text: &str) -> Result<i64, String> {
    TimestampMillis::parse(text)
        .map(|(instant, _)| instant.0)
        .map_err(|error| error.to_string())
}

fn rows(file: &Form, case: &CaseForm) -> Result<Data, String> {
    let mut data = Data::default();
    let users = case
        .users
        .as_ref()
        .or(file.users.as_ref())
        .filter(|_| !case.no_users_table);
    if let Some(users) = users {
        data.users = Some(users.iter().map(user_row).collect::<Result<_, _>>()?);
    }
    for row in case
        .events
        .as_ref()
        .or(file.events.as_ref())
        .into_iter()
        .flatten()
    {
        data.events.push(event_row(row)?);
    }
    for row in case
        .user_properties
        .as_ref()
        .or(file.user_properties.as_ref())
        .into_iter()
        .flatten()
    {
        data.properties.push(PropertyRow {
            property_id: row.id.clone(),
            user_id: row.user_id.clone(),
            name: row.name.clone(),
            value: row.value.clone(),
            updated_at: row.at.as_deref().map(instant).transpose()?,
        });
    }
    for (name, text) in case
        .segments
        .as_ref()
        .or(file.segments.as_ref())
        .into_iter()
        .flatten()
    {
        let segment: Segment = text
            .parse()
            .map_err(|error| format!("segment `{name}`: {error}"))?;
        data.segments.insert(name.clone(), segment);
    }
    let lists = case.lists.as_ref().or(file.lists.as_ref());
    data.lists = lists.cloned().unwrap_or_default();
    let has_instants = data.properties.iter().any(|row| row.updated_at.is_some());
    data.history = case.history.or(file.history).unwrap_or(has_instants);
    for table in case
        .integer_ids
        .as_ref()
        .or(file.integer_ids.as_ref())
        .into_iter()
        .flatten()
    {
        match table.as_str() {
            "user" => data.user_ids = IdKind::Integer,
            "event" => data.event_ids = IdKind::Integer,
            "property" => data.property_ids = IdKind::Integer,
            other => return Err(format!("`{other}` has no ids")),
        }
    }
    Ok(data)
}

fn user_row(row: &toml::Table) -> Result<UserRow, String> {
    let mut user = UserRow::default();
    for (name, value) in row {
        if name == "user_id" {
            value
                .as_str()
                .ok_or("a user_id is a text")?
                .clone_into(&mut user.user_id);
            continue;
        }
        let value = match value {
            toml::Value::String(text) => Value::Text(text.clone()),
            toml::Value::Integer(value) => Value::Integer(*value),
            toml::Value::Float(value) => Value::Float(*value),
            toml::Value::Boolean(value) => Value::Bool(*value),
            toml::Value::Datetime(at) => Value::Time(instant(&at.to_string())?),
            other => {
                return Err(format!(
                    "column `{name}`: {other:?} is no value of a users column"
                ));
            }
        };
        user.columns.insert(name.clone(), value);
    }
    if user.user_id.is_empty() {
        Err("a user without user_id".to_owned())
    } else {
        Ok(user)
    }
}

fn event_row(row: &[String]) -> Result<EventRow, String> {
    let [event_id, user_id, event_name, at, rest @ ..] = row else {
        return Err(not_an_event(row));
    };
    let (properties, columns) = match rest {
        [] => ("{}", "{}"),
        [properties] => (properties.as_str(), "{}"),
        [properties, columns] => (properties.as_str(), columns.as_str()),
        _ => return Err(not_an_event(row)),
    };
    let columns: EventColumns = toml::from_str(&format!("columns = {columns}"))
        .map_err(|error| format!("{columns}: {error}"))?;
    Ok(EventRow {
        event_id: event_id.clone(),
        user_id: user_id.clone(),
        event_name: event_name.clone(),
        timestamp_ms: instant(at)?,
        properties: serde_json::from_str(properties)
            .map_err(|error| format!("{properties}: {error}"))?,
        columns: columns.columns,
    })
}

/// The columns of doubles behind an event.
#[derive(Deserialize)]
struct EventColumns {
    columns: BTreeMap<String, f64>,
}

fn not_an_event(row: &[String]) -> String {
    format!("{row:?} is no event: id, user, name, time, and perhaps properties and columns")
}

/// Writes a case in the form that [`parse`] reads, ready to be put into `data/suite`; the segment is
/// its canonical text.
pub fn print(
    name: &str,
    data: &Data,
    segment: &Segment,
    as_of: TimestampMillis,
    expect: &[String],
) -> String {
    let mut out = format!("as_of = {}\n", quoted(&as_of.to_string()));
    let kinds = [
        ("user", data.user_ids),
        ("event", data.event_ids),
        ("property", data.property_ids),
    ];
    let integers: Vec<String> = kinds
        .iter()
        .filter(|(_, kind)| *kind == IdKind::Integer)
        .map(|(table, _)| quoted(table))
        .collect();
    if !integers.is_empty() {
        let _ = writeln!(out, "integer_ids = [{}]", integers.join(", "));
    }
    if let Some(users) = &data.users {
        out.push_str("users = [\n");
        for user in users {
            let _ = write!(out, "  {{ user_id = {}", quoted(&user.user_id));
            for (name, value) in &user.columns {
                let value = match value {
                    Value::Bool(value) => value.to_string(),
                    Value::Integer(value) => value.to_string(),
                    Value::Float(value) => double(*value),
                    Value::Text(text) | Value::Array(text) => quoted(text),
                    Value::Time(at) => TimestampMillis(*at).to_string(),
                };
                let _ = write!(out, ", {} = {value}", quoted(name));
            }
            out.push_str(" },\n");
        }
        out.push_str("]\n");
    }
    out.push_str("events = [\n");
    for event in &data.events {
        let at = TimestampMillis(event.timestamp_ms).to_string();
        let properties = serde_json::Value::Object(event.properties.clone()).to_string();
        let mut texts = vec![
            quoted(&event.event_id),
            quoted(&event.user_id),
            quoted(&event.event_name),
            quoted(&at),
            quoted(&properties),
        ];
        if !event.columns.is_empty() {
            let columns: Vec<String> = event
                .columns
                .iter()
                .map(|(name, value)| format!("{} = {}", quoted(name), double(*value)))
                .collect();
            texts.push(quoted(&format!("{{ {} }}", columns.join(", "))));
        }
        let _ = writeln!(out, "  [{}],", texts.join(", "));
    }
    out.push_str("]\n");
    if !data.properties.is_empty() {
        let _ = writeln!(out, "history = {}\nuser_properties = [", data.history);
        for row in &data.properties {
            let [id, user_id, name] =
                [&row.property_id, &row.user_id, &row.name].map(|text| quoted(text));
            let _ = write!(out, "  {{ id = {id}, user_id = {user_id}, name = {name}");
            if let Some(value) = &row.value {
                let _ = write!(out, ", value = {}", quoted(value));
            }
            if let Some(at) = row.updated_at {
                let _ = write!(out, ", at = {}", quoted(&TimestampMillis(at).to_string()));
            }
            out.push_str(" },\n");
        }
        out.push_str("]\n");
    }
    if !data.segments.is_empty() {
        let saved = data.segments.iter();
        let saved: Vec<String> = saved
            .map(|(name, segment)| format!("{} = {}", quoted(name), quoted(&segment.to_string())))
            .collect();
        let _ = writeln!(out, "segments = {{ {} }}", saved.join(", "));
    }
    if !data.lists.is_empty() {
        let lists = data.lists.iter().map(|(name, ids)| {
            let ids: Vec<String> = ids.iter().map(|id| quoted(id)).collect();
            format!("{} = [{}]", quoted(name), ids.join(", "))
        });
        let lists: Vec<String> = lists.collect();
        let _ = writeln!(out, "lists = {{ {} }}", lists.join(", "));
    }
    let expect: Vec<String> = expect.iter().map(|id| quoted(id)).collect();
    let _ = writeln!(
        out,
        "\n[[case]]\nname = {}\nsegment = {}\nexpect = [{}]",
        quoted(name),
        quoted(&segment.to_string()),
        expect.join(", ")
    );
    out
}

/// A TOML number.
fn double(value: f64) -> String {
    if value.is_nan() {
        // Its sign would be lost, but nothing asks for it.
        "nan".to_owned()
    } else {
        format!("{value:?}")
    }
}

/// A TOML string: literal where it can be, else with escapes.
fn quoted(text: &str) -> String {
    if text.contains(['\'', '\n']) || text.chars().any(char::is_control) {
        // JSON's escapes are among TOML's.
        serde_json::Value::from(text).to_string()
    } else if text.contains(['"', '\\']) {
        format!("'{text}'")
    } else {
        format!("\"{text}\"")
    }
}
