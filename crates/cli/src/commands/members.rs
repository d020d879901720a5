//! `crowdset members`: the ids of the users a segment selects.

use crate::args::{self, MemberFormat};
use crate::commands::rows;
use crate::failure::Failure;
use crate::meaning::{self, Meaning};
use crate::output;
use crowdset::segment::AttributeOperand;
use crowdset::{Audience, Members, RoaringIds, Segment};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};

pub(crate) fn run(args: &args::Members, meaning: &mut Meaning) -> Result<(), Failure> {
    if meaning.json && args.format != MemberFormat::Lines {
        return Err(Failure::Usage(
            "--json prints one object and --format prints another form; give one of them".into(),
        ));
    }
    if !args.with.is_empty() && !args.format.has_columns() {
        let what = if meaning.json {
            "--json prints ids alone; leave it out and add `--format ndjson`"
        } else {
            "this format holds ids alone; add `--format csv`, `ndjson`, `parquet` or `arrow`"
        };
        return Err(Failure::Usage(format!("--with adds columns, and {what}")));
    }
    if args.format.is_binary() && args.output.is_none() && io::stdout().is_terminal() {
        return Err(Failure::Usage(
            "this format is no text for a terminal; write it to a file with `-o FILE`".into(),
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
    // Made before the file, so that what is refused leaves none behind.
    let content = Content::of(args, &audience, meaning.json)?;
    let Some(path) = &args.output else {
        return content.write(&segment, &audience, false, &mut meaning.out);
    };
    let failed =
        |error: &io::Error| Failure::io(format_args!("cannot write `{}`", path.display()), error);
    let mut file = BufWriter::new(File::create(path).map_err(|error| failed(&error))?);
    content.write(&segment, &audience, true, &mut file)?;
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

/// What is written: ids alone, or a table of them with attributes.
enum Content {
    Json,
    Lines,
    Table(MemberFormat, Members),
    Roaring(RoaringIds),
}

impl Content {
    fn of(args: &args::Members, audience: &Audience, json: bool) -> Result<Self, Failure> {
        Ok(match args.format {
            _ if json => Self::Json,
            MemberFormat::Lines => Self::Lines,
            MemberFormat::Roaring => {
                Self::Roaring(audience.to_roaring().map_err(crowdset::Error::from)?)
            }
            format => {
                let attributes = attributes(&args.with)?;
                let members = audience.with_attributes(&attributes);
                Self::Table(format, members.map_err(crowdset::Error::from)?)
            }
        })
    }

    fn write(
        self,
        segment: &Segment,
        audience: &Audience,
        is_file: bool,
        out: &mut (impl Write + Send),
    ) -> Result<(), Failure> {
        let integers = audience.has_integer_ids();
        match self {
            Self::Json => {
                let ids = audience.iter().map(|id| output::id_json(id, integers));
                output::print_json(
                    out,
                    &json!({
                        "as_of": audience.as_of().to_string(),
                        "count": audience.len(),
                        "universe": audience.universe_len(),
                        "members": ids.collect::<Vec<Value>>(),
                        "warnings": meaning::located(segment, audience.warnings()),
                    }),
                )?;
            }
            Self::Lines => audience.write_lines(out)?,
            Self::Roaring(ids) => ids.write(out)?,
            Self::Table(MemberFormat::Parquet, members) => {
                members.write_parquet(out).map_err(crowdset::Error::from)?;
            }
            Self::Table(MemberFormat::Arrow, members) => {
                let written = if is_file {
                    members.write_arrow_file(out)
                } else {
                    members.write_arrow_stream(out)
                };
                written.map_err(crowdset::Error::from)?;
            }
            Self::Table(MemberFormat::Csv, members) => rows::write_csv(members, out)?,
            Self::Table(_, members) => rows::write_ndjson(members, integers, out)?,
        }
        Ok(())
    }
}

/// The attributes of `--with`: commas part them, but for those in parentheses and quotes.
fn attributes(typed: &[String]) -> Result<Vec<AttributeOperand>, Failure> {
    let mut attributes = Vec::new();
    for typed in typed {
        let (mut depth, mut quote) = (0_i32, None);
        let words = typed.split(|letter| {
            match (quote, letter) {
                (None, '\'' | '"') => quote = Some(letter),
                (Some(open), _) if open == letter => quote = None,
                (None, '(') => depth += 1,
                (None, ')') => depth -= 1,
                _ => {}
            }
            letter == ',' && depth == 0 && quote.is_none()
        });
        for word in words {
            let word = word.trim();
            if word.is_empty() {
                return Err(Failure::Usage(format!(
                    "--with: `{typed}` has an empty name; write names with a comma between them, such as `email,property.industry`"
                )));
            }
            attributes.push(word.parse()?);
        }
    }
    Ok(attributes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_part_attributes_but_not_within_them() {
        let typed = ["plan, property.\"a, b\"", "time(x, 's'),y"].map(str::to_owned);
        let found = attributes(&typed).unwrap_or_else(|failure| panic!("{failure:?}"));
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, ["plan", "property.\"a, b\"", "time(x, 's')", "y"]);
        assert!(attributes(&["a,,b".to_owned()]).is_err());
    }
}
