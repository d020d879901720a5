//! The rules of the three tables: what a person is after all rows have been read.

use super::Reference;
use crate::data::{Data, IdKind};
use crowdset_types::Value;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// One user of the universe with everything known of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Person {
    pub(super) id: String,
    pub(super) columns: BTreeMap<String, Value>,
    /// Per property its values from the oldest to the latest.
    history: BTreeMap<String, Vec<Held>>,
    /// In the order of a user's events: timestamp, event name, event id.
    pub(super) events: Vec<Event>,
}

/// A value of a property and since when it holds; `None` for a value that unset it, and for the
/// oldest instant.
#[derive(Debug, Clone)]
struct Held {
    since: Option<i64>,
    value: Option<String>,
}

/// One event, its properties flattened.
#[derive(Debug, Clone)]
pub(super) struct Event {
    id: String,
    pub(super) name: String,
    pub(super) at: i64,
    pub(super) properties: BTreeMap<String, Value>,
}

impl Person {
    /// The value that a property has at an instant: that of the last row before it.
    pub(super) fn property_at(&self, name: &str, as_of: i64) -> Option<Value> {
        let rows = self.history.get(name)?;
        let last = rows
            .iter()
            .rfind(|row| row.since.is_none_or(|since| since < as_of))?;
        last.value.clone().map(Value::Text)
    }

    /// The instants of a property's rows that have one.
    pub(super) fn updates(&self, name: &str) -> impl Iterator<Item = i64> {
        let rows = self.history.get(name).into_iter().flatten();
        rows.filter_map(|row| row.since)
    }
}

pub(super) fn gather(data: &Data) -> Reference {
    let mut people: BTreeMap<String, Person> = BTreeMap::new();
    let mut columns = BTreeSet::new();
    // A second row of a user replaces the first column by column; a null keeps the old value.
    for row in data.users.iter().flatten() {
        let person = people.entry(row.user_id.clone()).or_default();
        for (name, value) in &row.columns {
            person.columns.insert(name.clone(), value.clone());
            columns.insert(name.clone());
        }
    }
    let universe: Option<BTreeSet<String>> = data
        .users
        .as_ref()
        .map(|_| people.keys().cloned().collect());

    // The first event of an id is the event.
    let mut known_ids = HashSet::new();
    for row in &data.events {
        if known_ids.insert(&row.event_id) {
            people
                .entry(row.user_id.clone())
                .or_default()
                .events
                .push(Event {
                    id: row.event_id.clone(),
                    name: row.event_name.clone(),
                    at: row.timestamp_ms,
                    properties: row.values(),
                });
        }
    }

    let mut rows: Vec<_> = data.properties.iter().collect();
    if data.history {
        // A null is the oldest; of equal instants the larger property_id holds, then the later row
        // (the sort is stable).
        rows.sort_by(|a, b| {
            a.updated_at
                .cmp(&b.updated_at)
                .then_with(|| data.property_ids.order(&a.property_id, &b.property_id))
        });
    }
    let mut properties = BTreeSet::new();
    for row in rows {
        let person = people.entry(row.user_id.clone()).or_default();
        let since = row.updated_at.filter(|_| data.history);
        let held = Held {
            since,
            value: row.value.clone(),
        };
        person
            .history
            .entry(row.name.clone())
            .or_default()
            .push(held);
        properties.insert(row.name.clone());
    }

    let mut people: Vec<Person> = people
        .into_iter()
        .filter(|(id, _)| {
            universe
                .as_ref()
                .is_none_or(|universe| universe.contains(id))
        })
        .map(|(id, person)| Person { id, ..person })
        .collect();
    people.sort_by(|a, b| data.user_ids.order(&a.id, &b.id));
    for person in &mut people {
        sort_events(&mut person.events, data.event_ids);
    }
    Reference {
        people,
        columns,
        properties,
        segments: data.segments.clone(),
        lists: data.lists.clone(),
        regexes: std::cell::RefCell::default(),
    }
}

fn sort_events(events: &mut [Event], event_ids: IdKind) {
    events.sort_by(|a, b| {
        a.at.cmp(&b.at)
            .then_with(|| a.name.as_bytes().cmp(b.name.as_bytes()))
            .then_with(|| event_ids.order(&a.id, &b.id))
    });
}
