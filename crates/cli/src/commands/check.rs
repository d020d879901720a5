//! `crowdset check`: is this a segment, and does the data know its names?

use crate::args::Check;
use crate::failure::Failure;
use crate::meaning::{self, Meaning};
use crate::output;
use crowdset::{Diagnostic, Segment};
use serde_json::json;
use std::io::Write;

pub(crate) fn run(args: &Check, meaning: &mut Meaning) -> Result<(), Failure> {
    match check(args, meaning) {
        Ok((segment, warnings)) => {
            if meaning.json {
                let object = json!({ "ok": true, "segment": segment.to_string(), "diagnostics": meaning::located(&segment, &warnings) });
                return output::print_json(&mut meaning.out, &object);
            }
            meaning::warn(&segment, &warnings);
            writeln!(meaning.out, "ok")?;
            Ok(())
        }
        Err(Problem::Wrong(error)) if meaning.json => {
            output::print_json(
                &mut meaning.out,
                &json!({ "ok": false, "diagnostics": error }),
            )?;
            meaning.out.flush()?;
            Err(error.into())
        }
        Err(Problem::Wrong(error)) => Err(error.into()),
        Err(Problem::Other(failure)) => Err(failure),
    }
}

/// Why a segment does not pass.
enum Problem {
    /// The definition is wrong.
    Wrong(crowdset::SegmentError),
    /// Something else failed.
    Other(Failure),
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self::Other(failure)
    }
}

fn check(args: &Check, meaning: &Meaning) -> Result<(Segment, Vec<Diagnostic>), Problem> {
    let text = meaning::segment_text(&args.segment)?;
    let segment: Segment = text.parse().map_err(Problem::Wrong)?;
    let Some(store) = &args.store else {
        return Ok((segment, Vec::new()));
    };
    let engine = meaning.open(store)?;
    match engine
        .snapshot()
        .prepare_with(&segment, meaning.as_of, &meaning.options())
    {
        Ok(prepared) => {
            let warnings = prepared.warnings().to_vec();
            Ok((segment, warnings))
        }
        Err(crowdset::EvaluateError::Segment(error)) => Err(Problem::Wrong(error)),
        Err(error) => Err(Problem::Other(crowdset::Error::from(error).into())),
    }
}
