//! A small world: the rows of the three tables, in the order in which they arrive, and what is saved.

use crowdset_query::Segment;
use crowdset_types::Value;
use serde_json::Value as Json;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// The rows of the three tables, in the order in which they arrive, and what is saved.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Data {
    /// The users table; `None` if none was ever given, so that everyone seen is a user.
    pub users: Option<Vec<UserRow>>,
    /// The events.
    pub events: Vec<EventRow>,
    /// The user properties.
    pub properties: Vec<PropertyRow>,
    /// Whether the table of user properties has a column `updated_at`. Without it the last row of
    /// a (user, name) wins; with it the rows are a history.
    pub history: bool,
    /// The saved segments by name, none part of itself.
    pub segments: BTreeMap<String, Segment>,
    /// The static lists by name: user ids, known or not.
    pub lists: BTreeMap<String, Vec<String>>,
    /// What user ids are in all three tables.
    pub user_ids: IdKind,
    /// What event ids are.
    pub event_ids: IdKind,
    /// What property ids are.
    pub property_ids: IdKind,
}

/// Whether ids are texts, ordered by bytes, or integers, ordered as numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IdKind {
    /// Any text.
    #[default]
    Text,
    /// A 64-bit integer, held as its text.
    Integer,
}

impl IdKind {
    /// The order of two ids of this kind.
    ///
    /// # Panics
    ///
    /// If an integer id is no integer.
    pub fn order(self, left: &str, right: &str) -> Ordering {
        let integer = |id: &str| id.parse::<i64>().expect("an integer id");
        match self {
            Self::Text => left.as_bytes().cmp(right.as_bytes()),
            Self::Integer => integer(left).cmp(&integer(right)),
        }
    }
}

/// A row of the users table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UserRow {
    /// Whose row it is.
    pub user_id: String,
    /// The further columns; a null has no entry.
    pub columns: BTreeMap<String, Value>,
}

/// A row of the events table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EventRow {
    /// The primary key.
    pub event_id: String,
    /// Whose event it is.
    pub user_id: String,
    /// What happened.
    pub event_name: String,
    /// When, in milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// With which properties.
    pub properties: serde_json::Map<String, Json>,
    /// What stands in further columns of the table, all of doubles, which may be NaN as no JSON is.
    /// They win over a JSON key of the same name; a null has no entry.
    pub columns: BTreeMap<String, f64>,
}

impl EventRow {
    /// The properties as the language sees them: nested objects are dotted paths, null is missing,
    /// and an object has no value of its own. Columns win.
    pub fn values(&self) -> BTreeMap<String, Value> {
        let mut values = BTreeMap::new();
        for (key, value) in &self.properties {
            flatten(key, value, &mut values);
        }
        for (name, value) in &self.columns {
            values.insert(name.clone(), Value::Float(*value));
        }
        values
    }
}

/// A row of the user properties table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PropertyRow {
    /// The primary key.
    pub property_id: String,
    /// Whose property it is.
    pub user_id: String,
    /// Which property.
    pub name: String,
    /// Its value; `None`: unset from then on.
    pub value: Option<String>,
    /// Since when, in milliseconds since the epoch; `None` is the oldest. Means nothing unless
    /// [`Data::history`].
    pub updated_at: Option<i64>,
}

fn flatten(path: &str, value: &Json, into: &mut BTreeMap<String, Value>) {
    let value = match value {
        Json::Null => return,
        Json::Object(members) => {
            for (key, member) in members {
                flatten(&format!("{path}.{key}"), member, into);
            }
            return;
        }
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => Value::Integer(integer),
            // Beyond 64 bits, or with a point or an exponent.
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(_) => Value::Array(value.to_string()),
    };
    into.insert(path.to_owned(), value);
}
