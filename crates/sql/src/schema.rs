//! What is known of the tables that are to be asked.

use crowdset_query::{AttributeTable, Catalog, Segment, SegmentError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The type of a users column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// `true` and `false`.
    Bool,
    /// Integers or doubles.
    Number,
    /// Text.
    Text,
    /// Instants.
    Time,
    /// Values of several types, or arrays: nothing exact can be asked.
    Other,
}

/// What is known of the tables, and the saved segments and lists to be written out.
///
/// The default knows no data: `email`, `name` and `account_type` are text columns of users and
/// `created_at` a time; other bare names are user properties; `users.x` is taken to be of the
/// type of the value it is compared with.
#[derive(Debug, Clone)]
pub struct SqlSchema {
    pub(crate) columns: BTreeMap<String, ColumnType>,
    /// The user properties there are; `None`: any name may be one.
    pub(crate) properties: Option<BTreeSet<String>>,
    pub(crate) segments: BTreeMap<String, Result<Arc<Segment>, SegmentError>>,
    pub(crate) lists: BTreeMap<String, Result<Arc<[String]>, String>>,
    pub(crate) has_history: bool,
}

impl Default for SqlSchema {
    fn default() -> Self {
        let columns = [
            ("email", ColumnType::Text),
            ("name", ColumnType::Text),
            ("created_at", ColumnType::Time),
            ("account_type", ColumnType::Text),
        ];
        Self {
            columns: columns
                .map(|(name, kind)| (name.to_owned(), kind))
                .into_iter()
                .collect(),
            properties: None,
            segments: BTreeMap::new(),
            lists: BTreeMap::new(),
            has_history: true,
        }
    }
}

impl SqlSchema {
    /// Everything a catalog knows: names, types, saved segments and lists.
    pub fn of(catalog: &dyn Catalog) -> Self {
        let mut columns = BTreeMap::new();
        let mut properties = BTreeSet::new();
        for (table, name) in catalog.attribute_names() {
            if table == AttributeTable::Property {
                properties.insert(name);
                continue;
            }
            let types = catalog.attribute_types(table, &name).unwrap_or_default();
            let kind = match (
                types.bool,
                types.number,
                types.text,
                types.time,
                types.array,
            ) {
                (true, false, false, false, false) => ColumnType::Bool,
                (false, true, false, false, false) => ColumnType::Number,
                (false, false, true, false, false) => ColumnType::Text,
                (false, false, false, true, false) => ColumnType::Time,
                _ => ColumnType::Other,
            };
            columns.insert(name, kind);
        }
        let segments = catalog.saved_segment_names().into_iter();
        let lists = catalog.static_list_names().into_iter();
        Self {
            columns,
            properties: Some(properties),
            segments: segments
                .filter_map(|name| Some((name.clone(), catalog.saved_segment(&name)?)))
                .collect(),
            lists: lists
                .filter_map(|name| Some((name.clone(), catalog.static_list(&name)?)))
                .collect(),
            has_history: true,
        }
    }

    /// Whether `user_properties` has a column `updated_at`, so that its rows are a history; it has
    /// unless said otherwise.
    pub fn history(mut self, has_history: bool) -> Self {
        self.has_history = has_history;
        self
    }
}
