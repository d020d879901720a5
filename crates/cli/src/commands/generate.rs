//! `crowdset generate`: sample data.

use crate::args::Generate;
use crate::failure::Failure;
use crate::meaning::Meaning;
use crate::output;
use crate::progress::Bar;
use crowdset_generate::{END_MS, GenerateError, GenerateOptions, generate};
use serde_json::json;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::sync::Arc;

pub(crate) fn run(args: &Generate, meaning: &mut Meaning) -> Result<(), Failure> {
    let bar = Arc::new(Bar::new("events"));
    let shown = Arc::clone(&bar);
    let report = generate(&GenerateOptions {
        users: args.users,
        events: args.events,
        days: args.days,
        seed: args.seed,
        threads: meaning.threads.and_then(NonZeroUsize::new),
        progress: Some(Arc::new(move |progress| {
            shown.show("generating", progress.events, progress.events_total);
        })),
        ..GenerateOptions::new(&args.dir)
    });
    bar.finish();
    let report = report.map_err(|error| match error {
        GenerateError::Option { .. } => Failure::Usage(error.to_string()),
        other => Failure::of(&other),
    })?;
    let end = crowdset::AsOf::at_millis(END_MS);
    let seconds = report.elapsed.as_secs_f64();
    if meaning.json {
        let object = json!({
            "as_of": end.to_string(),
            "users": report.users,
            "events": report.events,
            "user_properties": report.user_properties,
            "files": report.files,
            "bytes": report.bytes,
            "seconds": seconds,
        });
        return output::print_json(&mut meaning.out, &object);
    }
    let mut err = io::stderr().lock();
    writeln!(
        err,
        "{} users, {} events, {} user properties in {} files, {}, written to {} in {}",
        output::number(report.users),
        output::number(report.events),
        output::number(report.user_properties),
        output::number(report.files),
        output::bytes(report.bytes),
        args.dir.display(),
        output::duration(report.elapsed)
    )?;
    writeln!(err, "the data ends at {end}: ask with --as-of {end}")?;
    Ok(())
}
