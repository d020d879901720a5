//! Loads, reopens, asks, and prints Markdown.
//!
//! ```sh
//! crowdset generate TABLES --users 2000000 --events 100000000 --days 90 --seed 42
//! cargo run --release -p crowdset-benches --bin measure -- TABLES STORE --threads 2 --runs 21 --json answers.json
//! ```
//!
//! An existing STORE is not loaded again. Each part runs in a process of its own, so that memory is
//! that of the part and opening is that of a new process.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crowdset::{Engine, LoadOptions, Snapshot, Tables};
use crowdset_benches::{Memory, as_of, machine, questions, skipped};
use serde_json::{Map, Value, json};

const USAGE: &str =
    "usage: measure TABLES STORE [--threads N] [--runs N] [--only q02,q05] [--json FILE]";

/// What was typed.
struct Arguments {
    part: Part,
    tables: PathBuf,
    store: PathBuf,
    threads: usize,
    runs: usize,
    only: Vec<String>,
    json: Option<PathBuf>,
}

/// What this process does.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    /// Starts the others.
    All,
    Load,
    First,
    Ask,
}

fn main() -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    let arguments = arguments(env::args().skip(1))?;
    match arguments.part {
        Part::All => all(&arguments),
        Part::Load => load(&arguments),
        Part::First => first(&arguments, started),
        Part::Ask => ask(&arguments),
    }
}

fn arguments(mut typed: impl Iterator<Item = String>) -> Result<Arguments, Box<dyn Error>> {
    let mut paths = Vec::new();
    let mut arguments = Arguments {
        part: Part::All,
        tables: PathBuf::new(),
        store: PathBuf::new(),
        threads: std::thread::available_parallelism()?.get(),
        runs: 11,
        only: Vec::new(),
        json: None,
    };
    while let Some(word) = typed.next() {
        if !word.starts_with("--") {
            paths.push(PathBuf::from(word));
            continue;
        }
        let value = typed.next().ok_or(USAGE)?;
        match word.as_str() {
            "--threads" => arguments.threads = value.parse()?,
            "--runs" => arguments.runs = value.parse::<usize>()?.max(1),
            "--only" => arguments.only = value.split(',').map(str::to_owned).collect(),
            "--json" => arguments.json = Some(value.into()),
            "--part" => {
                arguments.part = match value.as_str() {
                    "load" => Part::Load,
                    "first" => Part::First,
                    "ask" => Part::Ask,
                    _ => return Err(USAGE.into()),
                }
            }
            _ => return Err(USAGE.into()),
        }
    }
    let [tables, store] = <[PathBuf; 2]>::try_from(paths).map_err(|_| USAGE)?;
    Ok(Arguments {
        tables,
        store,
        ..arguments
    })
}

/// The report: each part in its own process, one after the other.
fn all(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    println!(
        "{}; {} threads, {} runs, as of {}\n",
        machine(),
        arguments.threads,
        arguments.runs,
        as_of()
    );
    println!("| what | figure |\n|---|---|");
    if !Engine::is_store(&arguments.store) {
        run_part(arguments, "load")?;
    }
    println!(
        "| store on disk | {} |",
        bytes(folder_bytes(&arguments.store)?)
    );
    run_part(arguments, "first")?;
    run_part(arguments, "ask")
}

fn run_part(arguments: &Arguments, part: &str) -> Result<(), Box<dyn Error>> {
    let status = Command::new(env::current_exe()?)
        .args(env::args_os().skip(1))
        .args(["--part", part])
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{part} of {} failed", arguments.store.display()).into())
    }
}

/// Tables to store.
fn load(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let tables = Tables::default()
        .users(arguments.tables.join("users.parquet"))
        .events(arguments.tables.join("events"))
        .user_properties(arguments.tables.join("user_properties.parquet"));
    let started = Instant::now();
    let engine = Engine::options()
        .threads(arguments.threads)
        .open(&arguments.store)?;
    let report = engine.load(&tables, &LoadOptions::default())?;
    let elapsed = started.elapsed();
    let peak = Memory::now().peak;
    let rate = report.stored as f64 / elapsed.as_secs_f64() / 1e6;
    println!(
        "| load, Parquet with JSON text, duplicates checked | {} events in {} = {rate:.2} M events/s |",
        count(report.stored),
        time(elapsed)
    );
    println!("| peak memory of the load | {} |", bytes(peak));
    Ok(())
}

/// From the start of the process to the first answer.
fn first(arguments: &Arguments, started: Instant) -> Result<(), Box<dyn Error>> {
    let question = questions()
        .into_iter()
        .find(|question| question.id == "q02")
        .ok_or("q02 is gone")?;
    let engine = Engine::options()
        .threads(arguments.threads)
        .open_read_only(&arguments.store)?;
    let opened = started.elapsed();
    let snapshot = engine.snapshot();
    let answer = question.ask(&snapshot, "")?;
    let answered = started.elapsed();
    println!(
        "| reopen, new process, files in the page cache: open | {} |",
        time(opened)
    );
    println!(
        "| … to the first answer (q02: {}) | {} |",
        count(answer),
        time(answered)
    );
    Ok(())
}

/// All questions, warm.
fn ask(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let engine = Engine::options()
        .threads(arguments.threads)
        .open_read_only(&arguments.store)?;
    let snapshot = engine.snapshot();
    let stats = snapshot.stats();
    let rows = stats.events.rows.max(1) as f64;
    println!(
        "| events, users | {}, {} |",
        count(stats.events.rows),
        count(stats.users.universe)
    );
    println!(
        "| columns of events | {:.2} bytes/event in {} partitions |",
        stats.events.bytes as f64 / rows,
        stats.events.partitions.len()
    );
    println!(
        "| indexes | {:.2} bytes/event |",
        stats.indexes.bytes as f64 / rows
    );
    println!(
        "| users and attributes | {:.2} bytes/event |",
        stats.users.bytes as f64 / rows
    );
    println!(
        "| everything that answers are read from | {:.2} bytes/event |",
        stats.answer_bytes as f64 / rows
    );

    let user = middle_user(&snapshot)?;
    let mut lines = Vec::new();
    let mut answers = Map::new();
    for question in questions() {
        if !arguments.only.is_empty() && !arguments.only.iter().any(|only| only == question.id) {
            continue;
        }
        // Once outside of the clock: checksums are checked and pages mapped on first touch.
        let answer = match question.ask(&snapshot, &user) {
            Ok(answer) => answer,
            Err(error) => {
                lines.push(format!(
                    "| {} | {} | {error} | | |",
                    question.id, question.title
                ));
                continue;
            }
        };
        let mut times = Vec::with_capacity(arguments.runs);
        for _ in 0..arguments.runs {
            let started = Instant::now();
            let again = question.ask(&snapshot, &user)?;
            times.push(started.elapsed());
            assert_eq!(
                again, answer,
                "{} answers differently the second time",
                question.id
            );
        }
        times.sort_unstable();
        let (median, least) = (times[times.len() / 2], times[0]);
        lines.push(format!(
            "| {} | {} | {} | {} | {} |",
            question.id,
            question.title,
            count(answer),
            time(median),
            time(least)
        ));
        answers.insert(
            question.id.to_owned(),
            json!({"answer": answer, "median_us": micros(median), "min_us": micros(least)}),
        );
    }
    let memory = Memory::now();
    println!(
        "| resident after all questions | {} = {:.2} bytes/event, {} of it private |",
        bytes(memory.resident),
        memory.resident as f64 / rows,
        bytes(memory.private)
    );
    println!("\n| | question | answer | median | min |\n|---|---|--:|--:|--:|");
    for line in lines {
        println!("{line}");
    }
    println!(
        "\nTimes are planning and evaluation. Not asked: {}.",
        skipped()
            .map(|(id, reason)| format!("{id} ({reason})"))
            .join(", ")
    );
    if let Some(path) = &arguments.json {
        let object = json!({"machine": machine(), "threads": arguments.threads, "questions": Value::Object(answers)});
        fs::write(path, serde_json::to_string_pretty(&object)?)?;
    }
    Ok(())
}

/// The id in the middle of all ids.
fn middle_user(snapshot: &Snapshot) -> Result<String, Box<dyn Error>> {
    let everyone = snapshot.evaluate(&"everyone".parse()?, as_of())?;
    Ok(everyone
        .iter()
        .nth(everyone.len() as usize / 2)
        .unwrap_or_default()
        .to_owned())
}

fn folder_bytes(folder: &Path) -> Result<u64, Box<dyn Error>> {
    let mut sum = 0;
    for entry in fs::read_dir(folder)? {
        let metadata = entry?.metadata()?;
        sum += metadata.len();
    }
    Ok(sum)
}

fn micros(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1e3
}

fn time(duration: Duration) -> String {
    let micros = micros(duration);
    match micros {
        ..1e3 => format!("{micros:.1} µs"),
        ..1e6 => format!("{:.2} ms", micros / 1e3),
        _ => format!("{:.1} s", micros / 1e6),
    }
}

fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{:.0} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.0} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

/// A whole number with a comma at every third digit.
fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
