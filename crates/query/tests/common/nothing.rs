//! Plans where nothing is known.

use crowdset_query::{AttributeTable, Catalog, Plan, PlanOptions, Segment, TypeSet, plan};
use crowdset_types::{TimeRange, TimestampMillis};

/// A catalog that knows nothing.
struct Nothing;

impl Catalog for Nothing {
    fn universe_len(&self) -> u64 {
        0
    }
    fn event_names(&self) -> &[String] {
        &[]
    }
    fn event_rows(&self, _: &str, _: TimeRange) -> u64 {
        0
    }
    fn event_users(&self, _: &str) -> u64 {
        0
    }
    fn property_names(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
    fn property_types(&self, _: &str, _: &str) -> Option<TypeSet> {
        None
    }
    fn property_values(&self, _: &str, _: &str) -> Option<u64> {
        None
    }
    fn attribute_names(&self) -> Vec<(AttributeTable, String)> {
        Vec::new()
    }
    fn attribute_types(&self, _: AttributeTable, _: &str) -> Option<TypeSet> {
        None
    }
    fn attribute_values(&self, _: AttributeTable, _: &str) -> Option<u64> {
        None
    }
    fn event_span(&self) -> Option<(TimestampMillis, TimestampMillis)> {
        None
    }
}

/// The plan of a segment; `None` if it has none.
pub(crate) fn plan_on_nothing(segment: &Segment) -> Option<Plan> {
    plan(
        segment,
        &Nothing,
        TimestampMillis(1_700_000_000_000),
        &PlanOptions::default(),
    )
    .ok()
}
