//! A folder of plain tables, as the command line and [`crate::Engine::from_tables`] take it.

use crate::load::Tables;
use std::path::{Path, PathBuf};

/// What a table may end in; the first that is there is taken.
const ENDINGS: [&str; 3] = ["parquet", "csv", "ndjson"];

/// The tables of a folder: `users`, `events` and `user_properties`, each a file that ends in
/// `.parquet`, `.csv` or `.ndjson` or a folder of such files. `None` if there is none of them.
pub fn tables_in_folder(folder: &Path) -> Option<Tables> {
    let find = |table: &str| -> Option<PathBuf> {
        let files = ENDINGS
            .iter()
            .map(|ending| folder.join(format!("{table}.{ending}")))
            .find(|path| path.is_file());
        files.or_else(|| Some(folder.join(table)).filter(|path| path.is_dir()))
    };
    let (users, events, properties) = (find("users"), find("events"), find("user_properties"));
    if users.is_none() && events.is_none() && properties.is_none() {
        return None;
    }
    let mut tables = Tables::default();
    if let Some(path) = users {
        tables = tables.users(path);
    }
    if let Some(path) = events {
        tables = tables.events(path);
    }
    if let Some(path) = properties {
        tables = tables.user_properties(path);
    }
    Some(tables)
}
