//! What a plan runs over, and how its parts are bound to it.

use crate::attribute::Attribute;
use crate::filter::Attributes;
use crate::{EvalError, ExecOptions};
use crowdset_index::TermIndex;
use crowdset_query::AttributeTable;
use crowdset_query::PlanAttribute;
use crowdset_storage::{Partition, Table, Users};
use crowdset_types::TimestampMillis;
use std::sync::Arc;

/// One immutable state of a store.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Ids, universe and attributes.
    pub users: Arc<Users>,
    /// The users of each value of the attributes, at the end of time.
    pub attribute_index: Option<Arc<TermIndex>>,
    /// The events, ascending in time; the spans never overlap.
    pub partitions: Vec<PartitionHandle>,
}

/// The events of one span of time, and the users of its terms.
#[derive(Debug, Clone)]
pub struct PartitionHandle {
    /// The rows.
    pub partition: Arc<Partition>,
    /// The users of each term, if there is an index.
    pub index: Option<Arc<TermIndex>>,
}

/// The table as storage names it.
pub(crate) fn storage_table(table: AttributeTable) -> Table {
    match table {
        AttributeTable::Users => Table::Users,
        AttributeTable::Property => Table::Properties,
    }
}

/// Binds the parts of a plan to a data set, as of an instant.
#[derive(Clone, Copy)]
pub(crate) struct Binder<'a> {
    pub(crate) dataset: &'a Dataset,
    pub(crate) options: &'a ExecOptions,
    pub(crate) as_of: TimestampMillis,
}

impl<'a> Attributes<'a> for Binder<'a> {
    fn attribute(&self, attribute: &'a PlanAttribute) -> Result<Attribute<'a>, EvalError> {
        let users = &self.dataset.users;
        let stored = users.attribute(storage_table(attribute.table), &attribute.name);
        Attribute::new(stored, attribute.cast, self.as_of, users.ordinals())
    }
}
