//! What a plan runs over, and how its parts are bound to it.

use crate::attribute::Attribute;
use crate::filter::Attributes;
use crate::scratch::Workers;
use crate::summary::Summaries;
use crate::{EvalError, ExecOptions};
use crowdset_index::TermIndex;
use crowdset_query::AttributeTable;
use crowdset_query::PlanAttribute;
use crowdset_storage::{Damaged, Partition, Table, Users};
use crowdset_types::{CHUNK_WORDS, TimestampMillis};
use hashbrown::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// One immutable state of a store.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Ids, universe and attributes.
    pub users: Arc<Users>,
    /// The users of each value of the attributes, at the end of time.
    pub attribute_index: Option<Arc<TermIndex>>,
    /// The events, ascending in time; the spans never overlap.
    pub partitions: Vec<PartitionHandle>,
    /// The users of static lists, looked up once per state.
    pub lists: ListSets,
    /// What queries made of the events of this state.
    pub summaries: Summaries,
    /// What queries work in.
    pub workers: Workers,
}

/// The users of static lists by name, filled as plans ask for them.
#[derive(Debug, Clone, Default)]
pub struct ListSets(Arc<Mutex<HashMap<String, ListSet>>>);

/// The ids of a list, and its users: one bit per ordinal.
#[derive(Debug, Clone)]
struct ListSet {
    ids: Arc<[String]>,
    words: Arc<Vec<u64>>,
}

impl Dataset {
    /// The users of a list, one bit per ordinal. Ids are looked up when the list is first asked for.
    pub(crate) fn list(&self, name: &str, ids: &Arc<[String]>) -> Result<Arc<Vec<u64>>, Damaged> {
        self.users.touch_ids()?;
        // A panic while the lock was held left the map whole: sets are inserted when they are done.
        let mut sets = self.lists.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Plans of another catalog may know other ids under the name.
        if let Some(set) = sets.get(name)
            && (Arc::ptr_eq(&set.ids, ids) || set.ids == *ids)
        {
            return Ok(Arc::clone(&set.words));
        }
        let words = Arc::new(words_of(&self.users, ids));
        let set = ListSet {
            ids: Arc::clone(ids),
            words: Arc::clone(&words),
        };
        sets.insert(name.to_owned(), set);
        Ok(words)
    }
}

/// The users with these ids, one bit per ordinal; unknown ids are nobody's.
pub(crate) fn words_of(users: &Users, ids: &[String]) -> Vec<u64> {
    let mut words = vec![0; users.chunks() * CHUNK_WORDS];
    for user in ids.iter().filter_map(|id| users.find(id)) {
        words[user.0 as usize / 64] |= 1 << (user.0 % 64);
    }
    words
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
