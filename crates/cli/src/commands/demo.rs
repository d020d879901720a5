//! `crowdset demo`: the main job on the sample of a checkout.

use crate::args::Demo;
use crate::commands::explain::Cost;
use crate::commands::load;
use crate::failure::Failure;
use crate::meaning::Meaning;
use crate::output;
use crate::progress::Bar;
use crowdset::{AsOf, Engine, LoadOptions, Segment, tables_in_folder};
use serde_json::{Value, json};
use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where a checkout keeps the sample.
const SAMPLE: &str = "data/online-retail";

/// The sample's own `now`: the end of its last day.
const SAMPLE_END: &str = "2011-12-10";

/// How often each segment is answered; the fastest counts, as the first also opens what it touches.
const RUNS: usize = 5;

/// What to ask, and in which words a marketer would.
const QUESTIONS: [(&str, &str); 10] = [
    (
        "export customers with 3 orders in 90 days",
        "account_type = 'export' and count(order_placed, last 90 days) >= 3",
    ),
    (
        "spent 5,000 or more, ever",
        "sum(order_placed.total) >= 5000",
    ),
    ("bought once and never again", "count(order_placed) = 1"),
    (
        "lapsed: ordered, but not for 90 days",
        "did(order_placed) and not did(order_placed, last 90 days)",
    ),
    (
        "new: the first order in the last 30 days",
        "first(order_placed) in last 30 days",
    ),
    (
        "bought 100 different items",
        "distinct(item_purchased.stock_code) >= 100",
    ),
    (
        "cancelled within an hour of a large order",
        "sequence(order_placed where total > 1000 then order_cancelled, within 1 hour)",
    ),
    (
        "bought the white lantern and returned it",
        "did(item_purchased where stock_code = '85123A') and did(item_returned where stock_code = '85123A')",
    ),
    (
        "in France by the latest order",
        "last(order_placed).country = 'France'",
    ),
    (
        "the 50 best customers who never cancelled",
        "top(50, sum(order_placed.total)) and not did(order_cancelled)",
    ),
];

pub(crate) fn run(args: &Demo, meaning: &mut Meaning) -> Result<(), Failure> {
    let folder = match &args.data {
        Some(folder) => folder.clone(),
        None => find_sample()?,
    };
    let Some(tables) = tables_in_folder(&folder) else {
        return Err(Failure::Failed(format!(
            "{} holds no users, events or user_properties; give a folder of tables with --data DIR",
            folder.display()
        )));
    };
    let as_of = if meaning.is_as_of_given {
        meaning.as_of
    } else {
        SAMPLE_END
            .parse::<AsOf>()
            .map_err(|error| Failure::of(&error))?
    };

    // A real store in a directory of its own, so that what is shown is what a user would get.
    let store = tempfile::tempdir()
        .map_err(|error| Failure::io("cannot make a temporary directory", &error))?;
    let engine = meaning
        .engine_options()
        .open(store.path())
        .map_err(crowdset::Error::from)?;
    let bar = std::sync::Arc::new(Bar::new("rows"));
    let report = engine
        .load(&tables, &load::with_bar(LoadOptions::default(), &bar))
        .map_err(crowdset::Error::from)?;
    bar.finish();
    if !meaning.json {
        writeln!(meaning.out, "Load {} into a store\n", folder.display())?;
        load::print_report(&report, &mut meaning.out)?;
        writeln!(meaning.out)?;
    }
    drop(engine);

    let started = Instant::now();
    let engine = meaning
        .engine_options()
        .open_read_only(store.path())
        .map_err(crowdset::Error::from)?;
    let first = engine
        .snapshot()
        .count(&parse(QUESTIONS[0].1)?, as_of)
        .map_err(crowdset::Error::from)?;
    let reopened = started.elapsed();
    if !meaning.json {
        writeln!(
            meaning.out,
            "Reopen the store and answer the first question: {} ({} users)\n",
            output::duration(reopened),
            output::number(first)
        )?;
    }

    let answers = ask(&engine, as_of, meaning)?;
    let explained = parse(QUESTIONS[0].1)?;
    let prepared = engine
        .snapshot()
        .prepare_with(&explained, as_of, &meaning.options())
        .map_err(crowdset::Error::from)?;
    let cost = Cost::of(&prepared, meaning.threads)?;
    if meaning.json {
        let object = json!({
            "as_of": as_of.to_string(),
            "load": report,
            "reopen_us": reopened.as_micros(),
            "segments": answers,
            "analysis": cost.to_json(),
        });
        return output::print_json(&mut meaning.out, &object);
    }
    writeln!(meaning.out, "What one answer cost: {}\n", QUESTIONS[0].1)?;
    cost.print(&mut meaning.out)?;
    writeln!(
        meaning.out,
        "\nYour own segment on the same data:\n  crowdset count {} \"did(order_placed, last 30 days)\" --as-of {SAMPLE_END}",
        folder.display()
    )?;
    Ok(())
}

/// Answers all questions, shows them as a table, and hands them back for JSON.
fn ask(engine: &Engine, as_of: AsOf, meaning: &mut Meaning) -> Result<Vec<Value>, Failure> {
    let snapshot = engine.snapshot();
    let universe = snapshot.universe_len();
    let mut table = output::table(&["users", "share", "time", "segment"], &[0, 1, 2]);
    let mut answers = Vec::new();
    for (words, text) in QUESTIONS {
        let segment = parse(text)?;
        let mut fastest = Duration::MAX;
        let mut count = 0;
        for _ in 0..RUNS {
            let started = Instant::now();
            let prepared = snapshot
                .prepare_with(&segment, as_of, &meaning.options())
                .map_err(crowdset::Error::from)?;
            count = prepared.count().map_err(crowdset::Error::from)?;
            fastest = fastest.min(started.elapsed());
        }
        table.add_row([
            output::number(count),
            output::share(count, universe),
            output::duration(fastest),
            format!("{words}\n  {text}"),
        ]);
        answers.push(json!({ "name": words, "segment": text, "count": count, "elapsed_us": fastest.as_micros() }));
    }
    if !meaning.json {
        writeln!(
            meaning.out,
            "Answer {} segments as of {as_of}, of {} users (the fastest of {RUNS} runs)\n",
            QUESTIONS.len(),
            output::number(universe)
        )?;
        output::print_table(&mut meaning.out, &table)?;
        writeln!(meaning.out)?;
    }
    Ok(answers)
}

fn parse(text: &str) -> Result<Segment, Failure> {
    Ok(text.parse::<Segment>()?)
}

/// Looks for the sample in the current directory and in those around it.
fn find_sample() -> Result<PathBuf, Failure> {
    let here = env::current_dir()
        .map_err(|error| Failure::io("cannot tell the current directory", &error))?;
    for (steps, around) in here.ancestors().enumerate() {
        if around.join(SAMPLE).is_dir() {
            // Relative, so that what is printed can be typed.
            let way: PathBuf = std::iter::repeat_n(Path::new(".."), steps).collect();
            return Ok(way.join(SAMPLE));
        }
    }
    Err(Failure::Failed(format!(
        "there is no {SAMPLE} here or in a directory above; run `crowdset demo` inside a checkout of the project, \
         or give a folder of tables with --data DIR"
    )))
}
