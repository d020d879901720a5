//! Counts the instructions of each question: steady where times are not, so that a change that makes
//! one dearer is seen on any machine.
//!
//! ```sh
//! cargo run --release -p crowdset-benches --bin instructions              # against benches/instructions.json
//! cargo run --release -p crowdset-benches --bin instructions -- --update  # after a change that is meant
//! ```
//!
//! Counts with valgrind's cachegrind, which must be installed; without it the program says so and
//! succeeds. Each question is asked once and twice in processes of one thread, over a small store
//! made on the spot; the difference is what asking it costs. Valgrind offers AVX2 and no AVX-512, so
//! that counts are alike on all machines of an architecture.

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crowdset::Engine;
use crowdset_benches::{STORE_VARIABLE, member, questions, sample};
use serde_json::{Value, json};

const USAGE: &str = "usage: instructions [--update] [--only q02,q05] [--tolerance PERCENT]";

/// How much more a question may cost than the baseline: hash tables are seeded by chance.
const TOLERANCE_PERCENT: f64 = 5.0;

/// What was typed.
struct Arguments {
    update: bool,
    only: Vec<String>,
    tolerance: f64,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut typed = env::args().skip(1);
    let mut arguments = Arguments {
        update: false,
        only: Vec::new(),
        tolerance: TOLERANCE_PERCENT,
    };
    while let Some(word) = typed.next() {
        match word.as_str() {
            "--update" => arguments.update = true,
            "--only" => {
                let ids = typed.next().ok_or(USAGE)?;
                arguments.only = ids.split(',').map(str::to_owned).collect();
            }
            "--tolerance" => arguments.tolerance = typed.next().ok_or(USAGE)?.parse()?,
            "--ask" => {
                let id = typed.next().ok_or(USAGE)?;
                let times = typed.next().ok_or(USAGE)?.parse()?;
                ask(&id, times)?;
                return Ok(ExitCode::SUCCESS);
            }
            _ => return Err(USAGE.into()),
        }
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("instructions are not counted: valgrind is not installed");
        return Ok(ExitCode::SUCCESS);
    }
    count_all(&arguments)
}

/// Asks one question some times, with nothing beside it that would differ from run to run.
fn ask(id: &str, times: usize) -> Result<(), Box<dyn Error>> {
    let sample = sample()?;
    let engine = Engine::open_read_only(sample.path())?;
    let snapshot = engine.snapshot();
    let user = member(&snapshot)?;
    let all = questions();
    let question = all.iter().find(|question| question.id == id);
    let question = question.ok_or("no such question")?;
    for _ in 0..times {
        std::hint::black_box(question.ask(&snapshot, &user)?);
    }
    Ok(())
}

fn count_all(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.json");
    let mut kept = match fs::read(&path) {
        Ok(text) => serde_json::from_slice::<Value>(&text)?,
        Err(_) => json!({"counts": {}}),
    };
    let mut baseline: BTreeMap<String, u64> = serde_json::from_value(kept["counts"].take())?;
    let compiler = compiler();
    let sample = sample()?;
    let mut dearer = Vec::new();
    println!("| | instructions | baseline | change |\n|---|--:|--:|--:|");
    for question in questions() {
        let id = question.id;
        if !arguments.only.is_empty() && !arguments.only.iter().any(|only| only == id) {
            continue;
        }
        // The first time maps files and checks them.
        let (once, twice) = (count(sample.path(), id, 1)?, count(sample.path(), id, 2)?);
        let counted = twice.saturating_sub(once);
        let before = baseline.insert(id.to_owned(), counted);
        let change = before.map(|before| 100.0 * (counted as f64 / before.max(1) as f64 - 1.0));
        println!(
            "| {id} | {counted} | {} | {} |",
            before.map(|before| before.to_string()).unwrap_or_default(),
            change
                .map(|change| format!("{change:+.1} %"))
                .unwrap_or_default()
        );
        if change.is_some_and(|change| change > arguments.tolerance) {
            dearer.push(id);
        }
    }
    if arguments.update {
        let about =
            "instructions of one warm answer under valgrind; made by the program `instructions`";
        let object = json!({
            "about": about, "arch": env::consts::ARCH, "compiler": compiler, "counts": baseline
        });
        fs::write(&path, serde_json::to_string_pretty(&object)? + "\n")?;
        println!("\n{} is written", path.display());
        return Ok(ExitCode::SUCCESS);
    }
    if dearer.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "\nDearer by more than {} %: {}",
        arguments.tolerance,
        dearer.join(", ")
    );
    let of = |what: &str| kept[what].as_str().unwrap_or("another one").to_owned();
    if (of("arch"), of("compiler")) != (env::consts::ARCH.to_owned(), compiler.clone()) {
        println!(
            "Not judged: the baseline was counted on {} with {}, this is {} with {compiler}",
            of("arch"),
            of("compiler"),
            env::consts::ARCH,
        );
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}

/// The version of the compiler: others make other instructions.
fn compiler() -> String {
    let told = Command::new("rustc").arg("--version").output();
    let told = told.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    told.unwrap_or_default()
}

/// The instructions of a process that asks a question some times.
fn count(store: &Path, id: &str, times: usize) -> Result<u64, Box<dyn Error>> {
    let this: PathBuf = env::current_exe()?;
    let output = Command::new("valgrind")
        .args([
            "--tool=cachegrind",
            "--cache-sim=no",
            "--cachegrind-out-file=/dev/null",
        ])
        .arg(this)
        .args(["--ask", id, &times.to_string()])
        .env(STORE_VARIABLE, store)
        .env("RAYON_NUM_THREADS", "1")
        .output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    let counted = told.lines().find_map(|line| line.split_once("I   refs:"));
    let digits = counted.map(|(_, number)| number.trim().replace(',', ""));
    match digits.and_then(|digits| digits.parse().ok()) {
        Some(number) if output.status.success() => Ok(number),
        _ => Err(format!("valgrind did not count {id}:\n{told}").into()),
    }
}
