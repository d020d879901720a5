//! The JSON form of a [`Why`].

use super::{NextChange, Why};
use crowdset_executor::{Finding, FindingKind, FoundEvent, Miss};
use crowdset_types::{Number, TimestampMillis, Value};
use serde::ser::{Serialize, SerializeMap, Serializer};

impl Serialize for Why {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("as_of", &self.as_of.to_string())?;
        map.serialize_entry("user", &self.user_id)?;
        map.serialize_entry("in_universe", &self.is_in_universe)?;
        map.serialize_entry("events_total", &self.events_total)?;
        map.serialize_entry("in", &self.is_in)?;
        map.serialize_entry("tree", &self.tree.as_ref().map(Node))?;
        let (next, unchanged) = match self.next_change {
            NextChange::Never => (None, None),
            NextChange::At(at) => (Some(at), None),
            NextChange::NotBefore(at) => (None, Some(at)),
        };
        map.serialize_entry("next_change", &next.map(|at| at.to_string()))?;
        if let Some(at) = unchanged {
            map.serialize_entry("unchanged_before", &at.to_string())?;
        }
        map.end()
    }
}

/// One condition.
struct Node<'a>(&'a Finding);

impl Serialize for Node<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(node) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("condition", &node.condition)?;
        let kind = match node.kind {
            FindingKind::And => "and",
            FindingKind::Or => "or",
            FindingKind::Not => "not",
            FindingKind::Saved => "segment",
            FindingKind::Condition => "condition",
        };
        map.serialize_entry("kind", kind)?;
        map.serialize_entry("holds", &node.is_true)?;
        if node.kind == FindingKind::Condition {
            map.serialize_entry("value", &node.value.as_ref().map(Plain))?;
        }
        if node.events_total > 0 {
            map.serialize_entry("events_total", &node.events_total)?;
            map.serialize_entry("events", &List(&node.events, Event))?;
        }
        if let Some(place) = &node.place {
            map.serialize_entry("place", &place.position)?;
            map.serialize_entry("candidates", &place.candidates)?;
            map.serialize_entry("selected", &place.size)?;
        }
        if let Some(miss) = &node.miss {
            map.serialize_entry("miss", &Missing(miss))?;
        }
        if !node.notes.is_empty() {
            map.serialize_entry("notes", &node.notes)?;
        }
        if !node.parts.is_empty() {
            map.serialize_entry("parts", &List(&node.parts, Node))?;
        }
        map.end()
    }
}

/// A value as plain JSON: an instant is its RFC 3339 text, NaN is null.
struct Plain<'a>(&'a Value);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Integer(value) => serializer.serialize_i64(*value),
            Value::Float(value) => serializer.serialize_f64(*value),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Time(at) => serializer.collect_str(&TimestampMillis(*at)),
            // Arrays were stored as compact JSON.
            Value::Array(json) => match serde_json::from_str::<serde_json::Value>(json) {
                Ok(array) => array.serialize(serializer),
                Err(_) => serializer.serialize_str(json),
            },
        }
    }
}

/// A list of things shown through a wrapper.
struct List<'a, T, W>(&'a [T], fn(&'a T) -> W);

impl<T, W: Serialize> Serialize for List<'_, T, W> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(self.1))
    }
}

struct Event<'a>(&'a FoundEvent);

impl Serialize for Event<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("timestamp", &self.0.at.to_string())?;
        map.serialize_entry("event_name", &self.0.name)?;
        map.serialize_entry("properties", &Properties(&self.0.properties))?;
        map.end()
    }
}

struct Properties<'a>(&'a [(String, Value)]);

impl Serialize for Properties<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(path, value)| (path, Plain(value))))
    }
}

struct Missing<'a>(&'a Miss);

impl Serialize for Missing<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("text", &self.0.text)?;
        if let Some(by) = self.0.by {
            let value = match by {
                Number::Integer(value) => Value::Integer(value),
                Number::Float(value) => Value::Float(value),
            };
            map.serialize_entry("by", &Plain(&value))?;
        }
        map.end()
    }
}
