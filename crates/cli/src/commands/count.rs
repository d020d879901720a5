//! `crowdset count`: how many users a segment selects.

use crate::args::OneSegment;
use crate::failure::Failure;
use crate::meaning::{self, Meaning};
use crate::output;
use crowdset::LocatedDiagnostic;
use serde::Serialize;
use std::io::Write;
use std::time::Instant;

/// What `--json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    as_of: String,
    count: u64,
    universe: u64,
    elapsed_us: u64,
    warnings: Vec<LocatedDiagnostic<'a>>,
}

pub(crate) fn run(args: &OneSegment, meaning: &mut Meaning) -> Result<(), Failure> {
    let segment = meaning::segment(&args.segment)?;
    let engine = meaning.open(&args.store)?;
    let snapshot = engine.snapshot();
    let universe = snapshot.universe_len();
    let started = Instant::now();
    let prepared = snapshot
        .prepare_with(&segment, meaning.as_of, &meaning.options())
        .map_err(crowdset::Error::from)?;
    let count = prepared.count().map_err(crowdset::Error::from)?;
    let elapsed = started.elapsed();
    if meaning.json {
        return output::print_json(
            &mut meaning.out,
            &Answer {
                as_of: prepared.as_of().to_string(),
                count,
                universe,
                elapsed_us: u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
                warnings: meaning::located(&segment, prepared.warnings()),
            },
        );
    }
    meaning::warn(&segment, prepared.warnings());
    writeln!(meaning.out, "{count}")?;
    meaning.out.flush()?;
    if meaning::is_watched() {
        eprintln!(
            "{} of {} users as of {}, in {}",
            output::share(count, universe),
            output::number(universe),
            prepared.as_of(),
            output::duration(elapsed)
        );
    }
    Ok(())
}
