//! One file per command. Each takes its words and what holds for all, and writes its result.

mod answers;
mod check;
mod count;
mod demo;
mod eval;
mod explain;
mod fmt;
mod generate;
mod load;
mod members;
mod rows;
mod saved;
mod schema;
mod sql;
mod stats;
mod verify;
mod why;

use crate::args::{Command, CommandLine};
use crate::failure::Failure;
use crate::meaning::Meaning;
use std::io::Write;

/// Runs the command that was typed.
pub(crate) fn run(line: CommandLine) -> Result<(), Failure> {
    let mut meaning = Meaning::of(&line.common)?;
    match line.command {
        Command::Demo(args) => demo::run(&args, &mut meaning),
        Command::Load(args) => load::run(&args, &mut meaning),
        Command::Count(args) => count::run(&args, &mut meaning),
        Command::Members(args) => members::run(&args, &mut meaning),
        Command::Eval(args) => eval::run(&args, &mut meaning),
        Command::Explain(args) => explain::run(&args, &mut meaning),
        Command::Why(args) => why::run(&args, &mut meaning),
        Command::Breakdown(args) => answers::breakdown(&args, &mut meaning),
        Command::Overlap(args) => answers::overlap(&args, &mut meaning),
        Command::Trend(args) => answers::trend(&args, &mut meaning),
        Command::Diff(args) => answers::diff(&args, &mut meaning),
        Command::Segment { command } => saved::segment(&command, &mut meaning),
        Command::List { command } => saved::list(&command, &mut meaning),
        Command::Stats(args) => stats::run(&args, &mut meaning),
        Command::Verify(args) => verify::run(&args, &mut meaning),
        Command::Generate(args) => generate::run(&args, &mut meaning),
        Command::Check(args) => check::run(&args, &mut meaning),
        Command::Sql(args) => sql::run(&args, &mut meaning),
        Command::Fmt(args) => fmt::run(&args, &mut meaning),
        Command::Schema => schema::run(&mut meaning),
    }?;
    meaning.out.flush()?;
    Ok(())
}
