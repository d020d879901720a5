//! `crowdset schema`: the JSON Schema of the JSON form of segments.

use crate::failure::Failure;
use crate::meaning::Meaning;
use std::io::Write;

pub(crate) fn run(meaning: &mut Meaning) -> Result<(), Failure> {
    writeln!(meaning.out, "{:#}", crowdset::json_schema())?;
    Ok(())
}
