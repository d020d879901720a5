//! `crowdset members`: the ids of the users a segment selects.

use crate::args::{MemberFormat, Members};
use crate::failure::Failure;
use crate::meaning::{self, Meaning};
use crate::output;
use crowdset::{Audience, Segment};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};

pub(crate) fn run(args: &Members, meaning: &mut Meaning) -> Result<(), Failure> {
    if meaning.json && args.format != MemberFormat::Lines {
        return Err(Failure::Usage(
            "--json prints one object and --format prints another form; give one of them".into(),
        ));
    }
    if args.format == MemberFormat::Parquet && args.output.is_none() && io::stdout().is_terminal() {
        return Err(Failure::Usage(
            "a Parquet file is no text for a terminal; write it to a file with `-o FILE`".into(),
        ));
    }
    let segment = meaning::segment(&args.of.segment)?;
    let engine = meaning.open(&args.of.store)?;
    let audience = engine
        .snapshot()
        .evaluate_with(&segment, meaning.as_of, &meaning.options())
        .map_err(crowdset::Error::from)?;
    if !meaning.json {
        meaning::warn(&segment, audience.warnings());
    }
    let format = if meaning.json {
        None
    } else {
        Some(args.format)
    };
    let Some(path) = &args.output else {
        write(&segment, &audience, format, &mut meaning.out)?;
        meaning.out.flush()?;
        return Ok(());
    };
    let failed =
        |error: &io::Error| Failure::io(format_args!("cannot write `{}`", path.display()), error);
    let mut file = BufWriter::new(File::create(path).map_err(|error| failed(&error))?);
    write(&segment, &audience, format, &mut file)?;
    file.flush().map_err(|error| failed(&error))?;
    if meaning::is_watched() {
        eprintln!(
            "{} users written to {}",
            output::number(audience.len()),
            path.display()
        );
    }
    Ok(())
}

/// Writes the ids; no format stands for the one JSON object.
fn write(
    segment: &Segment,
    audience: &Audience,
    format: Option<MemberFormat>,
    out: &mut (impl Write + Send),
) -> Result<(), Failure> {
    let integers = audience.has_integer_ids();
    match format {
        None => {
            let members: Vec<Value> = audience.iter().map(|id| id_value(id, integers)).collect();
            output::print_json(
                out,
                &json!({
                    "as_of": audience.as_of().to_string(),
                    "count": audience.len(),
                    "universe": audience.universe_len(),
                    "members": members,
                    "warnings": meaning::located(segment, audience.warnings()),
                }),
            )?;
        }
        Some(MemberFormat::Lines) => {
            for id in audience.iter() {
                writeln!(out, "{id}")?;
            }
        }
        Some(MemberFormat::Csv) => {
            writeln!(out, "user_id")?;
            for id in audience.iter() {
                writeln!(out, "{}", csv_field(id))?;
            }
        }
        Some(MemberFormat::Ndjson) => {
            for id in audience.iter() {
                writeln!(out, "{{\"user_id\":{}}}", id_value(id, integers))?;
            }
        }
        Some(MemberFormat::Parquet) => {
            audience.write_parquet(out).map_err(crowdset::Error::from)?;
        }
    }
    Ok(())
}

/// An id as JSON: a number if ids are integers.
fn id_value(id: &str, integers: bool) -> Value {
    if integers {
        if let Ok(number) = id.parse::<i64>() {
            return number.into();
        }
        if let Ok(number) = id.parse::<u64>() {
            return number.into();
        }
    }
    id.into()
}

/// A field of CSV, quoted only where RFC 4180 asks for it, and where it is empty (a bare empty line
/// is no row to most readers).
fn csv_field(text: &str) -> std::borrow::Cow<'_, str> {
    if text.is_empty() || text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\"")).into()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_quotes_only_what_needs_it() {
        assert_eq!(
            ["u1", "a,b", "say \"x\"", ""].map(csv_field),
            ["u1", "\"a,b\"", "\"say \"\"x\"\"\"", "\"\""]
        );
    }

    #[test]
    fn integer_ids_are_json_numbers() {
        assert_eq!(id_value("12", true), json!(12));
        assert_eq!(id_value("18446744073709551615", true), json!(u64::MAX));
        assert_eq!(id_value("12", false), json!("12"));
    }
}
