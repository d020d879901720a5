//! The `crowdset` command: what was typed ([`args`]), what is meant ([`meaning`]), one file per
//! command ([`commands`]), how results look ([`output`]).
//!
//! Exit codes, the broken pipe and the last resort for defects are decided here and nowhere else.

mod allocator;
mod args;
mod commands;
mod failure;
mod meaning;
mod output;
mod progress;

use crate::args::CommandLine;
use clap::Parser;
use clap::error::ErrorKind;
use std::env;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

fn main() -> ExitCode {
    let line = match CommandLine::try_parse_from(CommandLine::words(env::args_os())) {
        Ok(line) => line,
        Err(error) => {
            // Help that nobody reads to its end is no error either, so the result does not matter.
            let _ = error.print();
            let help = matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            );
            return ExitCode::from(if help { 0 } else { 2 });
        }
    };
    if matches!(line.command, args::Command::Load(_)) {
        allocator::prepare_for_load();
    }
    // A defect says so in one line; nobody who segments an audience can act on a backtrace.
    panic::set_hook(Box::new(|_| {}));
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| commands::run(line)));
    let failure = match outcome {
        Ok(Ok(())) => return ExitCode::SUCCESS,
        Ok(Err(failure)) => failure,
        Err(payload) => failure::Failure::Failed(format!(
            "internal error: {}; this is a defect of crowdset, please report it with the command that led to it",
            panic_text(payload.as_ref())
        )),
    };
    if let Some(message) = failure.message() {
        // Standard error may be closed; there is nowhere left to say so.
        let _ = writeln!(io::stderr(), "{message}");
    }
    ExitCode::from(failure.status())
}

/// What a panic said.
fn panic_text(payload: &(dyn std::any::Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}
