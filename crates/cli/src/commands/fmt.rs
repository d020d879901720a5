//! `crowdset fmt`: a segment in canonical text, or in its JSON form.

use crate::args::Fmt;
use crate::failure::Failure;
use crate::meaning::{self, Meaning};
use crate::output;
use std::io::Write;

pub(crate) fn run(args: &Fmt, meaning: &mut Meaning) -> Result<(), Failure> {
    let segment = meaning::segment(&args.segment)?;
    if meaning.json {
        return output::print_json(&mut meaning.out, &segment.to_json());
    }
    writeln!(meaning.out, "{segment}")?;
    Ok(())
}
