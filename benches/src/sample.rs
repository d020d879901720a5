//! The data that is measured: a store somebody made before, or a small one made here.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};

use crowdset::{Engine, LoadOptions, Tables};
use crowdset_generate::{GenerateOptions, generate};
use tempfile::TempDir;

/// Names the store to measure; made by `crowdset load` from the tables of `crowdset generate`.
pub const STORE_VARIABLE: &str = "CROWDSET_BENCH_STORE";

/// A store to measure. A small one that was made here is removed when this is dropped.
#[derive(Debug)]
pub struct Sample {
    path: PathBuf,
    // Removes the folder on drop.
    _made: Option<TempDir>,
}

impl Sample {
    /// The store's folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The store that `CROWDSET_BENCH_STORE` names; without it, one of 20,000 users and a million
/// events, made on the spot.
///
/// # Errors
///
/// What generating or loading says.
pub fn sample() -> Result<Sample, Box<dyn Error>> {
    if let Some(path) = env::var_os(STORE_VARIABLE) {
        return Ok(Sample {
            path: path.into(),
            _made: None,
        });
    }
    let dir = TempDir::new()?;
    let tables = dir.path().join("tables");
    generate(&GenerateOptions {
        users: 20_000,
        events: 1_000_000,
        ..GenerateOptions::new(&tables)
    })?;
    let path = dir.path().join("store");
    let tables = Tables::default()
        .users(tables.join("users.parquet"))
        .events(tables.join("events"))
        .user_properties(tables.join("user_properties.parquet"));
    Engine::open(&path)?.load(&tables, &LoadOptions::default())?;
    Ok(Sample {
        path,
        _made: Some(dir),
    })
}
