//! `crowdset load`: tables into a store, and a report.

use crate::args::{Load, OnBadRow};
use crate::failure::Failure;
use crate::meaning::Meaning;
use crate::output;
use crate::progress::Bar;
use crowdset::{LoadOptions, LoadReport, Tables};
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

pub(crate) fn run(args: &Load, meaning: &mut Meaning) -> Result<(), Failure> {
    if args.users.is_empty() && args.events.is_empty() && args.user_properties.is_empty() {
        return Err(Failure::Usage(
            "nothing to load; give --users, --events or --user-properties".into(),
        ));
    }
    let inputs = [&args.users, &args.events, &args.user_properties];
    if inputs
        .into_iter()
        .flatten()
        .filter(|input| *input == "-")
        .count()
        > 1
    {
        return Err(Failure::Usage(
            "`-` can stand for one table only: standard input can be read once".into(),
        ));
    }
    let mut tables = Tables::default();
    for path in &args.users {
        tables = tables.users(path);
    }
    for path in &args.events {
        tables = tables.events(path);
    }
    for path in &args.user_properties {
        tables = tables.user_properties(path);
    }
    for mapping in &args.map {
        tables = tables
            .column(mapping)
            .map_err(|error| Failure::Usage(error.to_string()))?;
    }
    let options = LoadOptions::default().on_bad_row(match args.on_bad_row {
        OnBadRow::Fail => crowdset::OnBadRow::Fail,
        OnBadRow::Skip => crowdset::OnBadRow::Skip,
    });

    let bar = Arc::new(Bar::new("rows"));
    let engine = meaning
        .engine_options()
        .open(&args.store)
        .map_err(crowdset::Error::from)?;
    let loaded = engine.load(&tables, &with_bar(options, &bar));
    bar.finish();
    let report = loaded.map_err(crowdset::Error::from)?;
    if meaning.json {
        return output::print_json(&mut meaning.out, &report);
    }
    // A report beside the work, as nothing was asked that has a result.
    print_report(&report, &mut io::stderr().lock())?;
    Ok(())
}

/// The options, with a bar that follows the load.
pub(crate) fn with_bar(options: LoadOptions, bar: &Arc<Bar>) -> LoadOptions {
    let bar = Arc::clone(bar);
    options.progress(move |progress| bar.show_load(progress))
}

/// Shows a report as a table.
pub(crate) fn print_report(report: &LoadReport, out: &mut dyn Write) -> io::Result<()> {
    let mut table = output::table(&["events", ""], &[1]);
    for (name, count) in [
        ("rows read", report.rows),
        ("stored", report.stored),
        ("duplicates ignored", report.duplicates),
        ("orphans (no row in users yet)", report.orphans),
        ("partitions written", report.partitions),
    ] {
        table.add_row([name.to_owned(), output::number(count)]);
    }
    output::print_table(out, &table)?;

    let mut table = output::table(&["other rows", ""], &[1]);
    table.add_row(["users".to_owned(), output::number(report.users)]);
    table.add_row([
        "user properties".to_owned(),
        output::number(report.user_properties),
    ]);
    for (name, count) in [
        ("user properties of orphans", report.orphan_user_properties),
        ("rejected, of any table", report.rejected),
        (
            "times floored to the millisecond",
            report.floored_timestamps,
        ),
        (
            "JSON keys hidden by a plain column",
            report.column_over_json_key,
        ),
        ("JSON keys with a dot, read as a path", report.dotted_keys),
    ] {
        if count > 0 {
            table.add_row([name.to_owned(), output::number(count)]);
        }
    }
    writeln!(out)?;
    output::print_table(out, &table)?;
    if report.universe_replaced {
        writeln!(
            out,
            "
until now everyone seen was a user; from now on the rows of users are"
        )?;
    }
    if !report.rejected_samples.is_empty() {
        writeln!(
            out,
            "
rejected, the first of them:"
        )?;
        for row in &report.rejected_samples {
            writeln!(out, "  {row}")?;
        }
    }
    writeln!(
        out,
        "
{} in all, {} events a second",
        output::duration(Duration::from_secs_f64(report.seconds.max(0.0))),
        output::number(report.rows_per_second as u64)
    )
}
