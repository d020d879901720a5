//! `crowdset sql`: the same question, for another engine.

use crate::args::{Sql, SqlDialect};
use crate::failure::Failure;
use crate::meaning::{self, Meaning};
use crate::output;
use crowdset::{Dialect, SqlSchema};
use serde_json::json;
use std::io::Write;

pub(crate) fn run(args: &Sql, meaning: &mut Meaning) -> Result<(), Failure> {
    let segment = meaning::segment(&args.segment)?;
    let schema = match &args.store {
        Some(store) => SqlSchema::of(meaning.open(store)?.snapshot().catalog()),
        None => SqlSchema::default(),
    };
    let dialect = match args.dialect {
        SqlDialect::Duckdb => Dialect::DuckDb,
        SqlDialect::Datafusion => Dialect::DataFusion,
        SqlDialect::Clickhouse => Dialect::ClickHouse,
        SqlDialect::Spark => Dialect::Spark,
    };
    let schema = schema.history(!args.no_history);
    let as_of = meaning.as_of.instant();
    let text = crowdset::sql(&segment, dialect, &schema, as_of)
        .map_err(|error| Failure::Segment(error.to_string()))?;
    if meaning.json {
        let object =
            json!({ "as_of": as_of.to_string(), "dialect": dialect.to_string(), "sql": text });
        return output::print_json(&mut meaning.out, &object);
    }
    meaning.out.write_all(text.as_bytes())?;
    Ok(())
}
