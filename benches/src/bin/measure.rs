//! Loads, reopens, asks, and prints Markdown.
//!
//! ```sh
//! crowdset generate TABLES --users 2000000 --events 100000000 --days 90 --seed 42
//! cargo run --release -p crowdset-benches --bin measure -- TABLES STORE --threads 2 --runs 21 --json answers.json
//! ```
//!
//! An existing STORE is not loaded again. Each part runs in a process of its own, so that memory is
//! that of the part and opening is that of a new process. A host chooses its allocator; this one takes
//! what the `crowdset` command takes. `--json` keeps all figures and answers;
//! `benches/peers/run.py` compares them with what other engines answer.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crowdset::arrow::error::ArrowError;
use crowdset::{
    Audience, Engine, LoadOptions, Prepared, Segment, Snapshot, Tables, memory_bandwidth,
};
use crowdset_benches::{
    Memory, Question, Work, as_of, first_question, generated, machine, member, processor_time,
    questions,
};
use serde_json::{Map, Value, json};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str =
    "usage: measure TABLES STORE [--threads N] [--runs N] [--only q02,q05] [--json FILE]";

/// A question that took so long is not asked more often than [`FEW_RUNS`].
const LONG: Duration = Duration::from_secs(10);
const FEW_RUNS: usize = 3;

/// What `--only` calls the handing out of ids, and whose they are.
const MEMBERS: &str = "members";
const LARGE: &str = "account_type = 'free'";

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
    let figures = match arguments.part {
        Part::All => return all(&arguments),
        Part::Load => load(&arguments)?,
        Part::First => first(&arguments, started)?,
        Part::Ask => ask(&arguments)?,
    };
    println!("{figures}");
    Ok(())
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
    let load = if Engine::is_store(&arguments.store) {
        Value::Null
    } else {
        run_part(arguments, "load")?
    };
    let disk = folder_bytes(&arguments.store)?;
    let first = run_part(arguments, "first")?;
    let ask = run_part(arguments, "ask")?;
    let report = json!({
        "engine": concat!("Crowdset ", env!("CARGO_PKG_VERSION")),
        "machine": machine(),
        "threads": arguments.threads,
        "runs": arguments.runs,
        "as_of": as_of().to_string(),
        "load": load,
        "disk_bytes": disk,
        "reopen": first,
        "state": ask["state"],
        "memory_bandwidth": ask["memory_bandwidth"],
        "user": ask["user"],
        "members": ask["members"],
        "generated": generated(1_000).into_iter().map(|drawn| drawn.parameters).collect::<Vec<_>>(),
        "questions": ask["questions"],
    });
    print_markdown(&report);
    if let Some(path) = &arguments.json {
        fs::write(path, serde_json::to_string(&report)?)?;
    }
    Ok(())
}

/// What one part found, from a process of its own.
fn run_part(arguments: &Arguments, part: &str) -> Result<Value, Box<dyn Error>> {
    let mut command = Command::new(env::current_exe()?);
    if part == "load" {
        // As the `crowdset` command sets them for a load.
        command.envs([
            ("MIMALLOC_PURGE_DELAY", "10000"),
            ("MIMALLOC_ALLOW_LARGE_OS_PAGES", "1"),
        ]);
    }
    let output = command
        .args(env::args_os().skip(1))
        .args(["--part", part])
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("{part} of {} failed", arguments.store.display()).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Tables to store.
fn load(arguments: &Arguments) -> Result<Value, Box<dyn Error>> {
    let tables = Tables::default()
        .users(arguments.tables.join("users.parquet"))
        .events(arguments.tables.join("events"))
        .user_properties(arguments.tables.join("user_properties.parquet"));
    let started = Instant::now();
    let engine = Engine::options()
        .threads(arguments.threads)
        .open(&arguments.store)?;
    let report = engine.load(&tables, &LoadOptions::default())?;
    let seconds = started.elapsed().as_secs_f64();
    Ok(json!({"events": report.stored, "seconds": seconds, "peak_bytes": Memory::now().peak}))
}

/// From the start of the process to the first answer.
fn first(arguments: &Arguments, started: Instant) -> Result<Value, Box<dyn Error>> {
    let question = first_question();
    let engine = Engine::options()
        .threads(arguments.threads)
        .open_read_only(&arguments.store)?;
    let opened = started.elapsed();
    question.ask(&engine.snapshot(), "")?;
    Ok(json!({"open_us": micros(opened), "first_answer_us": micros(started.elapsed())}))
}

/// All questions, warm.
fn ask(arguments: &Arguments) -> Result<Value, Box<dyn Error>> {
    let engine = Engine::options()
        .threads(arguments.threads)
        .open_read_only(&arguments.store)?;
    let snapshot = engine.snapshot();
    let user = member(&snapshot)?;
    let is_wanted =
        |id: &str| arguments.only.is_empty() || arguments.only.iter().any(|only| only == id);
    let mut figures = Map::new();
    for question in questions() {
        if is_wanted(question.id) {
            let figure = time_question(&question, &snapshot, &user, arguments.runs)?;
            figures.insert(question.id.to_owned(), figure);
        }
    }
    let memory = Memory::now();
    let members = if is_wanted(MEMBERS) {
        time_members(&snapshot, arguments.runs)?
    } else {
        Value::Null
    };
    let stats = snapshot.stats();
    // What the answers are, and what each read, outside of time and memory.
    for question in questions() {
        if let Some(figure) = figures.get_mut(question.id) {
            look_into(&question, &snapshot, figure)?;
        }
    }
    Ok(json!({
        "state": {
            "events": stats.events.rows,
            "users": stats.users.universe,
            "partitions": stats.events.partitions.len(),
            "column_bytes": stats.events.bytes,
            "index_bytes": stats.indexes.bytes,
            "user_bytes": stats.users.bytes,
            "answer_bytes": stats.answer_bytes,
            "resident_bytes": memory.resident,
            "private_bytes": memory.private,
        },
        "memory_bandwidth": memory_bandwidth(arguments.threads),
        "user": user,
        "members": members,
        "questions": Value::Object(figures),
    }))
}

/// The times of handing out everybody's id who is in a large audience, in order: as Arrow's batches,
/// and as lines to a new file. Answering who that is is not part of them.
fn time_members(snapshot: &Snapshot, runs: usize) -> Result<Value, Box<dyn Error>> {
    let audience = snapshot.evaluate(&LARGE.parse()?, as_of())?;
    let (mut arrow, mut lines) = (Vec::with_capacity(runs), Vec::with_capacity(runs));
    let (mut arrow_work, mut lines_work) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..runs {
        let (started, worked) = (Instant::now(), processor_time());
        let sizes = audience.members().map(|batch| Ok(batch?.num_rows() as u64));
        let size = sizes.sum::<Result<u64, ArrowError>>()?;
        arrow.push(started.elapsed());
        arrow_work += processor_time().saturating_sub(worked);
        assert_eq!(size, audience.len());
        let mut file = tempfile::tempfile()?;
        let (started, worked) = (Instant::now(), processor_time());
        audience.write_lines(&mut file)?;
        lines.push(started.elapsed());
        lines_work += processor_time().saturating_sub(worked);
    }
    arrow.sort_unstable();
    lines.sort_unstable();
    Ok(json!({
        "segment": LARGE,
        "size": audience.len(),
        "arrow_median_us": micros(arrow[runs / 2]),
        "arrow_min_us": micros(arrow[0]),
        "arrow_processor_us": micros(arrow_work / runs as u32),
        "lines_median_us": micros(lines[runs / 2]),
        "lines_min_us": micros(lines[0]),
        "lines_processor_us": micros(lines_work / runs as u32),
    }))
}

/// The times of one question: from its text, and where it is one segment, for everybody or for one user,
/// also of its prepared plan.
fn time_question(
    question: &Question,
    snapshot: &Snapshot,
    user: &str,
    runs: usize,
) -> Result<Value, Box<dyn Error>> {
    // Once outside of the clock: checksums are checked and pages mapped on first touch.
    let answer = question.ask(snapshot, user)?;
    let worked = processor_time();
    let times = times(runs, || {
        let again = question.ask(snapshot, user)?;
        assert_eq!(again, answer, "{} answers otherwise now", question.id);
        Ok(())
    })?;
    let worked = processor_time().saturating_sub(worked) / times.len() as u32;
    let mut figure = json!({
        "title": question.title,
        "answer": answer.to_json(),
        "total": answer.total(),
        "median_us": micros(times[times.len() / 2]),
        "min_us": micros(times[0]),
        "processor_us": micros(worked),
        "runs": times.len(),
    });
    let prepare = |text: &str| -> Result<Prepared, Box<dyn Error>> {
        Ok(snapshot.prepare(&text.parse::<Segment>()?, as_of())?)
    };
    let ascending = if let Some(text) = question.segment() {
        let prepared = prepare(text)?;
        self::times(runs, || Ok(prepared.count().map(drop)?))?
    } else if let Work::Contains(text) = &question.work {
        let prepared = prepare(text)?;
        self::times(runs, || Ok(prepared.contains(user).map(drop)?))?
    } else {
        return Ok(figure);
    };
    figure["prepared_median_us"] = json!(micros(ascending[ascending.len() / 2]));
    figure["prepared_min_us"] = json!(micros(ascending[0]));
    Ok(figure)
}

/// Ascending.
fn times(
    runs: usize,
    mut work: impl FnMut() -> Result<(), crowdset::Error>,
) -> Result<Vec<Duration>, Box<dyn Error>> {
    let mut times = Vec::with_capacity(runs);
    let all = Instant::now();
    while times.len() < runs && (times.len() < FEW_RUNS || all.elapsed() < LONG) {
        let started = Instant::now();
        work()?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}

/// Adds the members' fingerprint to a figure, and the rows and bytes that were read.
fn look_into(
    question: &Question,
    snapshot: &Snapshot,
    figure: &mut Value,
) -> Result<(), Box<dyn Error>> {
    let Some(text) = question.segment() else {
        return Ok(());
    };
    let analysis = snapshot.analyze(&text.parse()?, as_of(), &crowdset::EvalOptions::default())?;
    figure["answer"]["members"] = json!(fingerprint(analysis.audience()));
    let nodes = &analysis.profile().nodes;
    figure["rows"] = json!(nodes.iter().map(|node| node.rows).sum::<u64>());
    figure["rows_skipped"] = json!(nodes.iter().map(|node| node.rows_skipped).sum::<u64>());
    figure["bytes"] = json!(analysis.bytes());
    Ok(())
}

/// CRC-32 of the ids, ascending, each with a line feed behind it: any engine can say it too.
fn fingerprint(audience: &Audience) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for id in audience.iter() {
        hasher.update(id.as_bytes());
        hasher.update(b"\n");
    }
    hasher.finalize()
}

fn print_markdown(report: &Value) {
    let state = &report["state"];
    let rows = number(&state["events"]).max(1.0);
    let per_event = |key: &str| format!("{:.2} bytes/event", number(&state[key]) / rows);
    println!(
        "{}; {} threads, {} runs, as of {}\n",
        text(&report["machine"]),
        report["threads"],
        report["runs"],
        text(&report["as_of"])
    );
    println!("| what | figure |\n|---|---|");
    let line = |what: &str, figure: String| println!("| {what} | {figure} |");
    if let Some(seconds) = report["load"]["seconds"].as_f64() {
        let events = number(&report["load"]["events"]);
        line(
            "load, Parquet with JSON text, duplicates checked",
            format!(
                "{} events in {seconds:.1} s = {:.2} M events/s",
                count(events as u64),
                events / seconds / 1e6
            ),
        );
        line(
            "peak memory of the load",
            bytes(&report["load"]["peak_bytes"]),
        );
    }
    line("store on disk", bytes(&report["disk_bytes"]));
    line(
        "reopen, new process, files in the page cache: open",
        time(&report["reopen"]["open_us"]),
    );
    line(
        "… to the first answer (q02)",
        time(&report["reopen"]["first_answer_us"]),
    );
    line(
        "events, users, partitions",
        format!(
            "{}, {}, {}",
            count(rows as u64),
            count(number(&state["users"]) as u64),
            state["partitions"]
        ),
    );
    line("columns of events", per_event("column_bytes"));
    line("indexes", per_event("index_bytes"));
    line("users and attributes", per_event("user_bytes"));
    line(
        "everything that answers are read from",
        per_event("answer_bytes"),
    );
    line(
        "resident after all questions",
        format!(
            "{} = {}, {} of it private",
            bytes(&state["resident_bytes"]),
            per_event("resident_bytes"),
            bytes(&state["private_bytes"])
        ),
    );
    let members = &report["members"];
    for (form, key) in [
        ("Arrow", "arrow_median_us"),
        ("lines of a file", "lines_median_us"),
    ] {
        if let Some(micros) = members[key].as_f64() {
            let size = number(&members["size"]);
            line(
                &format!("ids of an audience, in order, as {form}"),
                format!(
                    "{} in {} = {:.0} M ids/s",
                    count(size as u64),
                    time(&members[key]),
                    size / micros
                ),
            );
        }
    }
    let bandwidth = number(&report["memory_bandwidth"]);
    line(
        "memory bandwidth, read in order by all threads",
        format!("{:.1} GB/s", bandwidth / 1e9),
    );
    println!("\n| | question | answer | median | min | prepared | rows | bytes | of bandwidth |");
    println!("|---|---|--:|--:|--:|--:|--:|--:|--:|");
    for (id, figure) in report["questions"].as_object().into_iter().flatten() {
        let read = figure["bytes"].as_f64();
        let seconds = number(&figure["median_us"]) / 1e6;
        let shown = |key: &str, show: fn(&Value) -> String| match &figure[key] {
            Value::Null => String::new(),
            value => show(value),
        };
        println!(
            "| {id} | {} | {} | {} | {} | {} | {} | {} | {} |",
            text(&figure["title"]),
            count(number(&figure["total"]) as u64),
            time(&figure["median_us"]),
            time(&figure["min_us"]),
            shown("prepared_median_us", time),
            shown("rows", |rows| count(number(rows) as u64)),
            shown("bytes", bytes),
            read.map(|read| format!("{:.0} %", 100.0 * read / seconds / bandwidth))
                .unwrap_or_default(),
        );
    }
    println!(
        "\nTimes are reading the text, planning and evaluation; `prepared` is evaluation alone."
    );
}

fn folder_bytes(folder: &Path) -> Result<u64, Box<dyn Error>> {
    let mut sum = 0;
    for entry in fs::read_dir(folder)? {
        let metadata = entry?.metadata()?;
        sum += metadata.len();
    }
    Ok(sum)
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(0.0)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn micros(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1e3
}

fn time(micros: &Value) -> String {
    let micros = number(micros);
    match micros {
        ..1e3 => format!("{micros:.1} µs"),
        ..1e6 => format!("{:.2} ms", micros / 1e3),
        _ => format!("{:.1} s", micros / 1e6),
    }
}

fn bytes(bytes: &Value) -> String {
    let bytes = number(bytes);
    match bytes {
        ..1e6 => format!("{:.0} kB", bytes / 1e3),
        ..1e9 => format!("{:.0} MB", bytes / 1e6),
        _ => format!("{:.2} GB", bytes / 1e9),
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
