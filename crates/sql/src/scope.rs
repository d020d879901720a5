//! Rows in the making: what stands behind FROM and WHERE.

use crowdset_query::AttributeTable;

/// Rows that a condition looks at, each of one user.
pub(crate) struct Scope {
    /// The name of the row.
    pub(crate) row: String,
    /// The id of the user whose row it is.
    pub(crate) user: String,
    /// The table behind FROM, with the name of its rows.
    pub(crate) table: String,
    /// What must be joined to it.
    pub(crate) joins: String,
    /// What must hold of the rows.
    pub(crate) filter: Vec<String>,
    /// Before this instant there are no rows.
    pub(crate) since: Option<i64>,
    /// The tables of attributes that are joined, by property name, and the names of their rows.
    pub(crate) joined: Vec<(AttributeTable, String, String)>,
}

impl Scope {
    pub(crate) fn new(table: &str, row: String) -> Self {
        Self {
            user: format!("{row}.user_id"),
            table: format!("{table} AS {row}"),
            joins: String::new(),
            row,
            filter: Vec::new(),
            since: None,
            joined: Vec::new(),
        }
    }

    /// The rows of users themselves, whose columns need no join.
    pub(crate) fn of_users(row: String) -> Self {
        let columns = (AttributeTable::Users, String::new(), row.clone());
        let mut scope = Self::new("users", row);
        scope.joined.push(columns);
        scope
    }

    /// What stands behind FROM.
    pub(crate) fn from(&self) -> String {
        format!("{}{}", self.table, self.joins)
    }

    /// Joins what stands for the user of each row.
    pub(crate) fn join(&mut self, kind: &str, table: &str, row: &str, also: &str) {
        let user = &self.user;
        let join = format!(" {kind} {table} AS {row} ON {row}.user_id = {user}{also}");
        self.joins.push_str(&join);
    }

    pub(crate) fn must(&mut self, condition: String) {
        if condition != "TRUE" {
            self.filter.push(condition);
        }
    }

    pub(crate) fn filter(&self) -> String {
        crate::value::all(self.filter.clone())
    }

    /// The users of the rows, as a query.
    pub(crate) fn users(&self) -> String {
        format!(
            "SELECT {} FROM {} WHERE {}",
            self.user,
            self.from(),
            self.filter()
        )
    }
}
