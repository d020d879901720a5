//! What a state knows about its names: made once per state, from the tables of contents of its
//! files. No row is read.

use crate::library::Library;
use crowdset_executor::Dataset;
use crowdset_index::Term;
use crowdset_query::{AttributeTable, Catalog, Segment, SegmentError, TypeSet};
use crowdset_storage::{Kinds, Table};
use crowdset_types::{TimeRange, TimestampMillis};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The names of one state, with their types and rough numbers.
#[derive(Debug, Default, Clone)]
pub(crate) struct StateCatalog {
    universe_len: u64,
    /// Ascending; the keys of `events`.
    names: Vec<String>,
    events: BTreeMap<String, EventFacts>,
    attributes: BTreeMap<(AttributeTable, String), ValueFacts>,
    span: Option<(TimestampMillis, TimestampMillis)>,
    library: Arc<Library>,
}

/// What is known of one event name.
#[derive(Debug, Default, Clone)]
struct EventFacts {
    /// For each partition that has it: from the first row to the last, and how many.
    spans: Vec<(TimeRange, u64)>,
    /// At most so many users; exact if one partition holds all rows.
    users: u64,
    properties: BTreeMap<String, ValueFacts>,
}

/// What is known of the values of one property or attribute.
#[derive(Debug, Default, Clone, Copy)]
struct ValueFacts {
    types: TypeSet,
    /// At least so many different ones; `None` if some kind of value is not counted.
    values: Option<u64>,
}

impl StateCatalog {
    /// Gathers what the partitions' and users' tables of contents say.
    pub(crate) fn of(dataset: &Dataset, library: Arc<Library>) -> Self {
        let universe_len = dataset.users.universe_len();
        let mut events: BTreeMap<String, EventFacts> = BTreeMap::new();
        let mut span: Option<(TimestampMillis, TimestampMillis)> = None;
        for handle in &dataset.partitions {
            for stream in handle.partition.streams() {
                let (rows, range) = (stream.rows() as u64, stream.span());
                let facts = events.entry(stream.name().to_owned()).or_default();
                let indexed = handle
                    .index
                    .as_ref()
                    .and_then(|index| index.users_of(Term::Event(stream.name())));
                facts.users += indexed.unwrap_or(rows);
                facts.spans.push((range, rows));
                let last = TimestampMillis(range.to.0.saturating_sub(1));
                span = Some(span.map_or((range.from, last), |(from, to)| {
                    (from.min(range.from), to.max(last))
                }));
                for property in stream.properties() {
                    facts
                        .properties
                        .entry(property.path().to_owned())
                        .and_modify(|facts| facts.merge(property.kinds(), property.distinct()))
                        .or_insert_with(|| ValueFacts::new(property.kinds(), property.distinct()));
                }
            }
        }
        for facts in events.values_mut() {
            facts.users = facts.users.min(dataset.users.ordinals() as u64);
        }
        let attributes = dataset
            .users
            .attributes()
            .iter()
            .map(|attribute| {
                let key = (
                    attribute_table(attribute.table()),
                    attribute.name().to_owned(),
                );
                (
                    key,
                    ValueFacts::new(attribute.kinds(), attribute.distinct()),
                )
            })
            .collect();
        Self {
            universe_len,
            names: events.keys().cloned().collect(),
            events,
            attributes,
            span,
            library,
        }
    }

    /// The same data with something else saved.
    pub(crate) fn with_library(&self, library: Arc<Library>) -> Self {
        Self {
            library,
            ..self.clone()
        }
    }
}

impl ValueFacts {
    fn new(kinds: Kinds, values: Option<u64>) -> Self {
        Self {
            types: type_set(kinds),
            values,
        }
    }

    /// The same property in another partition.
    fn merge(&mut self, kinds: Kinds, values: Option<u64>) {
        let other = type_set(kinds);
        self.types = TypeSet {
            bool: self.types.bool || other.bool,
            number: self.types.number || other.number,
            text: self.types.text || other.text,
            time: self.types.time || other.time,
            array: self.types.array || other.array,
        };
        // Mostly the same values again, so the larger number is the better guess.
        self.values = self
            .values
            .zip(values)
            .map(|(mine, theirs)| mine.max(theirs));
    }
}

fn type_set(kinds: Kinds) -> TypeSet {
    TypeSet {
        bool: kinds.bool,
        number: kinds.number,
        text: kinds.text,
        time: kinds.time,
        array: kinds.array,
    }
}

/// The language's word for a table of storage.
pub(crate) fn attribute_table(table: Table) -> AttributeTable {
    match table {
        Table::Users => AttributeTable::Users,
        Table::Properties => AttributeTable::Property,
    }
}

impl Catalog for StateCatalog {
    fn universe_len(&self) -> u64 {
        self.universe_len
    }

    fn event_names(&self) -> &[String] {
        &self.names
    }

    fn event_rows(&self, name: &str, range: TimeRange) -> u64 {
        let Some(facts) = self.events.get(name) else {
            return 0;
        };
        facts
            .spans
            .iter()
            .map(|&(span, rows)| rows_within(span, rows, range))
            .sum()
    }

    fn event_users(&self, name: &str) -> u64 {
        self.events.get(name).map_or(0, |facts| facts.users)
    }

    fn property_names(&self, event: &str) -> Vec<String> {
        self.events
            .get(event)
            .map(|facts| facts.properties.keys().cloned().collect())
            .unwrap_or_default()
    }

    fn property_types(&self, event: &str, path: &str) -> Option<TypeSet> {
        Some(self.events.get(event)?.properties.get(path)?.types)
    }

    fn property_values(&self, event: &str, path: &str) -> Option<u64> {
        self.events.get(event)?.properties.get(path)?.values
    }

    fn attribute_names(&self) -> Vec<(AttributeTable, String)> {
        self.attributes.keys().cloned().collect()
    }

    fn attribute_types(&self, table: AttributeTable, name: &str) -> Option<TypeSet> {
        Some(self.attributes.get(&(table, name.to_owned()))?.types)
    }

    fn attribute_values(&self, table: AttributeTable, name: &str) -> Option<u64> {
        self.attributes.get(&(table, name.to_owned()))?.values
    }

    fn event_span(&self) -> Option<(TimestampMillis, TimestampMillis)> {
        self.span
    }

    fn saved_segment(&self, name: &str) -> Option<Result<Arc<Segment>, SegmentError>> {
        self.library.segment(name)
    }

    fn saved_segment_names(&self) -> Vec<String> {
        self.library.segment_names()
    }

    fn static_list(&self, name: &str) -> Option<Result<Arc<[String]>, String>> {
        self.library.list(name)
    }

    fn static_list_names(&self) -> Vec<String> {
        self.library.list_names()
    }
}

/// About how many of `rows`, spread evenly over `span`, lie in `range`; exact where all or none do.
fn rows_within(span: TimeRange, rows: u64, range: TimeRange) -> u64 {
    if range.covers(span) {
        return rows;
    }
    let common = range.intersection(span);
    if common.is_empty() {
        return 0;
    }
    let length = |range: TimeRange| i128::from(range.to.0) - i128::from(range.from.0);
    let share = i128::from(rows) * length(common) / length(span);
    u64::try_from(share).unwrap_or(rows).min(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_part_of_a_span_are_in_proportion() {
        let range = |from, to| TimeRange::new(TimestampMillis(from), TimestampMillis(to));
        assert_eq!(rows_within(range(0, 100), 1_000, TimeRange::ALL), 1_000);
        assert_eq!(rows_within(range(0, 100), 1_000, range(50, 100)), 500);
        assert_eq!(rows_within(range(0, 100), 1_000, range(100, 200)), 0);
        assert_eq!(
            rows_within(range(i64::MIN, i64::MAX), u64::MAX, range(0, i64::MAX)),
            u64::MAX / 2
        );
    }
}
