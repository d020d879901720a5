//! What a planner may know of a world.

use crate::data::Data;
use crowdset_query::{AttributeTable, Catalog, Segment, SegmentError, TypeSet};
use crowdset_types::{TimeRange, TimestampMillis, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The catalog of a world: exact, as small worlds allow.
#[derive(Debug, Default)]
pub struct WorldCatalog {
    events: Vec<String>,
    /// How many rows, and the types of the properties.
    streams: BTreeMap<String, (Vec<i64>, BTreeMap<String, TypeSet>)>,
    attributes: BTreeMap<(AttributeTable, String), TypeSet>,
    users: u64,
    segments: BTreeMap<String, Arc<Segment>>,
    lists: BTreeMap<String, Arc<[String]>>,
}

fn note(types: &mut TypeSet, value: &Value) {
    match value {
        Value::Bool(_) => types.bool = true,
        Value::Integer(_) | Value::Float(_) => types.number = true,
        Value::Text(_) => types.text = true,
        Value::Time(_) => types.time = true,
        Value::Array(_) => types.array = true,
    }
}

impl WorldCatalog {
    /// What a planner may know of these rows.
    pub fn new(data: &Data) -> Self {
        let mut names = Self {
            users: data.users.as_ref().map_or(1, |users| users.len() as u64),
            segments: data
                .segments
                .iter()
                .map(|(name, segment)| (name.clone(), Arc::new(segment.clone())))
                .collect(),
            ..Self::default()
        };
        for (name, ids) in &data.lists {
            let ids: BTreeSet<String> = ids.iter().cloned().collect();
            names.lists.insert(name.clone(), ids.into_iter().collect());
        }
        for event in &data.events {
            let (times, types) = names.streams.entry(event.event_name.clone()).or_default();
            times.push(event.timestamp_ms);
            for (path, value) in event.values() {
                note(types.entry(path).or_default(), &value);
            }
        }
        names.events = names.streams.keys().cloned().collect();
        for user in data.users.iter().flatten() {
            for (name, value) in &user.columns {
                note(
                    names
                        .attributes
                        .entry((AttributeTable::Users, name.clone()))
                        .or_default(),
                    value,
                );
            }
        }
        for row in &data.properties {
            names
                .attributes
                .entry((AttributeTable::Property, row.name.clone()))
                .or_default()
                .text = true;
        }
        names
    }
}

impl Catalog for WorldCatalog {
    fn universe_len(&self) -> u64 {
        self.users
    }

    fn event_names(&self) -> &[String] {
        &self.events
    }

    fn event_rows(&self, name: &str, range: TimeRange) -> u64 {
        let times = self
            .streams
            .get(name)
            .map_or(&[] as &[i64], |(times, _)| times);
        times
            .iter()
            .filter(|time| range.contains(TimestampMillis(**time)))
            .count() as u64
    }

    fn event_users(&self, name: &str) -> u64 {
        self.event_rows(name, TimeRange::ALL).min(self.users)
    }

    fn property_names(&self, event: &str) -> Vec<String> {
        self.streams
            .get(event)
            .map_or_else(Vec::new, |(_, types)| types.keys().cloned().collect())
    }

    fn property_types(&self, event: &str, path: &str) -> Option<TypeSet> {
        self.streams.get(event)?.1.get(path).copied()
    }

    fn property_values(&self, _: &str, _: &str) -> Option<u64> {
        None
    }

    fn attribute_names(&self) -> Vec<(AttributeTable, String)> {
        self.attributes.keys().cloned().collect()
    }

    fn attribute_types(&self, table: AttributeTable, name: &str) -> Option<TypeSet> {
        self.attributes.get(&(table, name.to_owned())).copied()
    }

    fn attribute_values(&self, _: AttributeTable, _: &str) -> Option<u64> {
        None
    }

    fn event_span(&self) -> Option<(TimestampMillis, TimestampMillis)> {
        let times = || self.streams.values().flat_map(|(times, _)| times);
        Some((
            TimestampMillis(*times().min()?),
            TimestampMillis(*times().max()?),
        ))
    }

    fn saved_segment(&self, name: &str) -> Option<Result<Arc<Segment>, SegmentError>> {
        self.segments.get(name).cloned().map(Ok)
    }

    fn saved_segment_names(&self) -> Vec<String> {
        self.segments.keys().cloned().collect()
    }

    fn static_list(&self, name: &str) -> Option<Result<Arc<[String]>, String>> {
        self.lists.get(name).cloned().map(Ok)
    }

    fn static_list_names(&self) -> Vec<String> {
        self.lists.keys().cloned().collect()
    }
}
