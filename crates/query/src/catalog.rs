//! What a planner may ask of the data: names, types and rough numbers. Never rows.

use crate::ast::{AttributeTable, Segment};
use crate::diagnostic::SegmentError;
use crowdset_types::{TimeRange, TimestampMillis};
use std::sync::Arc;

/// The types that occur in one property or attribute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TypeSet {
    /// `true` and `false`.
    pub bool: bool,
    /// Integers and doubles.
    pub number: bool,
    /// Text.
    pub text: bool,
    /// Instants of a timestamp column.
    pub time: bool,
    /// Arrays.
    pub array: bool,
}

/// The names a segment may use, and what their use costs.
///
/// Implemented by the engine over a snapshot, and by tests over a list.
pub trait Catalog {
    /// How many users there are.
    fn universe_len(&self) -> u64;

    /// All event names, ascending by bytes.
    fn event_names(&self) -> &[String];

    /// About how many rows an event has within a range; exact over everything.
    fn event_rows(&self, name: &str, range: TimeRange) -> u64;

    /// About how many users have the event at all.
    fn event_users(&self, name: &str) -> u64;

    /// The dotted paths of an event's properties, ascending.
    fn property_names(&self, event: &str) -> Vec<String>;

    /// The types that occur in a property; `None` if the event has no such property.
    fn property_types(&self, event: &str, path: &str) -> Option<TypeSet>;

    /// How many different values a property has, if that is known.
    fn property_values(&self, event: &str, path: &str) -> Option<u64>;

    /// All attributes, ascending by table and name.
    fn attribute_names(&self) -> Vec<(AttributeTable, String)>;

    /// The types that occur in an attribute; `None` if there is no such attribute.
    fn attribute_types(&self, table: AttributeTable, name: &str) -> Option<TypeSet>;

    /// How many different values an attribute has, if that is known.
    fn attribute_values(&self, table: AttributeTable, name: &str) -> Option<u64>;

    /// The times of the first and the last event; `None` without events.
    fn event_span(&self) -> Option<(TimestampMillis, TimestampMillis)>;

    /// The definition that `segment('name')` stands for; `None` if no such segment is saved, an
    /// error if what is saved can no longer be read.
    fn saved_segment(&self, _name: &str) -> Option<Result<Arc<Segment>, SegmentError>> {
        None
    }

    /// The names of all saved segments, ascending.
    fn saved_segment_names(&self) -> Vec<String> {
        Vec::new()
    }

    /// The user ids of `list('name')`, ascending by bytes, each once; `None` if there is no such list,
    /// the reason if its ids cannot be read.
    fn static_list(&self, _name: &str) -> Option<Result<Arc<[String]>, String>> {
        None
    }

    /// The names of all static lists, ascending.
    fn static_list_names(&self) -> Vec<String> {
        Vec::new()
    }
}
