//! `crowdset verify`: every checksum and invariant.

use crate::args::OneStore;
use crate::failure::Failure;
use crate::meaning::Meaning;
use crate::output;
use std::io::Write;
use std::time::Instant;

pub(crate) fn run(args: &OneStore, meaning: &mut Meaning) -> Result<(), Failure> {
    let started = Instant::now();
    let engine = meaning.open(&args.store)?;
    let found = engine.snapshot().verify();
    if meaning.json {
        output::print_json(&mut meaning.out, &found)?;
    } else {
        for fault in &found.faults {
            writeln!(meaning.out, "{}: {}", fault.file, fault.message)?;
        }
        writeln!(
            meaning.out,
            "{}: {} files, {} checked in {}",
            if found.ok { "ok" } else { "damaged" },
            output::number(found.files),
            output::bytes(found.bytes),
            output::duration(started.elapsed())
        )?;
    }
    meaning.out.flush()?;
    if found.ok { Ok(()) } else { Err(Failure::Told) }
}
