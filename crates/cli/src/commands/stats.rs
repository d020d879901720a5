//! `crowdset stats`: what a store holds and where its bytes are.

use crate::args::Stats;
use crate::failure::Failure;
use crate::meaning::Meaning;
use crate::output;
use crowdset::stats::Stats as StoreStats;
use std::io::{self, Write};

/// How many columns are shown of each kind, the largest first, unless all are asked for.
const COLUMNS_SHOWN: usize = 20;

pub(crate) fn run(args: &Stats, meaning: &mut Meaning) -> Result<(), Failure> {
    let engine = meaning.open(&args.store)?;
    let stats = engine.snapshot().stats();
    if meaning.json {
        return output::print_json(&mut meaning.out, &stats);
    }
    print(
        &stats,
        if args.all { usize::MAX } else { COLUMNS_SHOWN },
        &mut meaning.out,
    )?;
    Ok(())
}

fn print(stats: &StoreStats, shown: usize, out: &mut dyn Write) -> io::Result<()> {
    let (users, events) = (&stats.users, &stats.events);
    let mut table = output::table(&["", "rows", "bytes", "bytes/event"], &[1, 2, 3]);
    let per_event =
        |bytes: Option<f64>| bytes.map(|bytes| format!("{bytes:.2}")).unwrap_or_default();
    let share = |bytes: u64| (events.rows > 0).then(|| bytes as f64 / events.rows as f64);
    table.add_row([
        "events",
        &output::number(events.rows),
        &output::bytes(events.bytes),
        &per_event(events.bytes_per_event),
    ]);
    table.add_row([
        "users",
        &output::number(users.universe),
        &output::bytes(users.bytes),
        &per_event(share(users.bytes)),
    ]);
    let terms = output::number(stats.indexes.event_terms + stats.indexes.attribute_terms);
    table.add_row([
        "index terms",
        &terms,
        &output::bytes(stats.indexes.bytes),
        &per_event(stats.indexes.bytes_per_event),
    ]);
    let total = per_event(stats.answer_bytes_per_event);
    table.add_row([
        "answers read from",
        "",
        &output::bytes(stats.answer_bytes),
        &total,
    ]);
    output::print_table(out, &table)?;
    if let (Some(first), Some(last)) = (&events.first, &events.last) {
        writeln!(out, "\nevents from {first} to {last}")?;
    }
    if users.orphans > 0 {
        writeln!(
            out,
            "{} ids without a row in users wait for one",
            output::number(users.orphans)
        )?;
    }

    if !events.streams.is_empty() {
        let mut table = output::table(&["event", "rows", "bytes", "bytes/event"], &[1, 2, 3]);
        let mut streams: Vec<_> = events.streams.iter().collect();
        streams.sort_by_key(|stream| std::cmp::Reverse(stream.rows));
        for stream in streams.iter().take(shown) {
            table.add_row([
                stream.event.clone(),
                output::number(stream.rows),
                output::bytes(stream.bytes),
                format!("{:.2}", stream.bytes_per_event),
            ]);
        }
        section(
            out,
            "Events by name, most frequent first",
            &table,
            streams.len(),
            shown,
        )?;

        let mut table = output::table(
            &["event", "column", "types", "values", "bytes", "bytes/event"],
            &[3, 4, 5],
        );
        let mut columns: Vec<_> = events
            .streams
            .iter()
            .flat_map(|stream| stream.columns.iter().map(move |column| (stream, column)))
            .collect();
        columns.sort_by_key(|(_, column)| std::cmp::Reverse(column.bytes));
        for (stream, column) in columns.iter().take(shown) {
            table.add_row([
                stream.event.clone(),
                column.column.clone(),
                column.types.join(", "),
                column.values.map(output::number).unwrap_or_default(),
                output::bytes(column.bytes),
                format!("{:.2}", column.bytes_per_event),
            ]);
        }
        section(
            out,
            "Event columns, largest first",
            &table,
            columns.len(),
            shown,
        )?;
    }

    let mut table = output::table(&["attribute", "types", "values", "bytes"], &[2, 3]);
    table.add_row([
        "(ids)".to_owned(),
        String::new(),
        String::new(),
        output::bytes(users.id_bytes),
    ]);
    table.add_row([
        "(id lookup)".to_owned(),
        String::new(),
        String::new(),
        output::bytes(users.lookup_bytes),
    ]);
    table.add_row([
        "(id order)".to_owned(),
        String::new(),
        String::new(),
        output::bytes(users.rank_bytes),
    ]);
    for attribute in users.attributes.iter().take(shown) {
        table.add_row([
            format!("{}.{}", attribute.table, attribute.name),
            attribute.types.join(", "),
            attribute.values.map(output::number).unwrap_or_default(),
            output::bytes(attribute.bytes),
        ]);
    }
    section(out, "Users", &table, users.attributes.len(), shown)?;

    if !events.partitions.is_empty() {
        let mut table = output::table(
            &[
                "partition",
                "from",
                "to",
                "rows",
                "names",
                "columns",
                "index",
            ],
            &[3, 4, 5, 6],
        );
        for partition in events.partitions.iter().take(shown) {
            table.add_row([
                partition.id.clone(),
                partition.from.clone(),
                partition.to.clone(),
                output::number(partition.rows),
                output::number(partition.streams),
                output::bytes(partition.bytes),
                output::bytes(partition.index_bytes),
            ]);
        }
        section(out, "Partitions", &table, events.partitions.len(), shown)?;
    }

    let mut table = output::table(&["files", "count", "bytes"], &[1, 2]);
    for files in &stats.files {
        table.add_row([
            files.kind.clone(),
            output::number(files.files),
            output::bytes(files.bytes),
        ]);
    }
    section(out, "Files", &table, stats.files.len(), usize::MAX)
}

/// A heading, a table, and what was left out of it.
fn section(
    out: &mut dyn Write,
    heading: &str,
    table: &comfy_table::Table,
    rows: usize,
    shown: usize,
) -> io::Result<()> {
    writeln!(out, "\n{heading}")?;
    output::print_table(out, table)?;
    if rows > shown {
        writeln!(out, "… and {} more; --all shows them", rows - shown)?;
    }
    Ok(())
}
