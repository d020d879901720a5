//! `crowdset eval`: many segments in one pass.

use crate::args::Eval;
use crate::failure::{Failure, chain};
use crate::meaning::{self, Meaning};
use crate::output;
use crowdset::{AsOf, EvaluateError, LocatedDiagnostic, Segment};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::io::{BufRead, Write};

/// One line of the input.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    name: String,
    #[serde(borrow)]
    segment: &'a RawValue,
    as_of: Option<String>,
}

/// One line of the output.
#[derive(Default, Serialize)]
struct Answer<'a> {
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    as_of: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<LocatedDiagnostic<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// A line on its way: what it is called and asks, or why it cannot be asked.
struct Asked {
    name: Option<String>,
    as_of: AsOf,
    segment: Result<Segment, String>,
}

pub(crate) fn run(args: &Eval, meaning: &mut Meaning) -> Result<(), Failure> {
    let engine = meaning.open(&args.store)?;
    let mut asked = Vec::new();
    for line in meaning::input(&args.file)?.split(b'\n') {
        let line = line.map_err(|error| {
            Failure::io(
                format_args!("cannot read `{}`", args.file.display()),
                &error,
            )
        })?;
        let line = String::from_utf8_lossy(&line);
        if !line.trim().is_empty() {
            asked.push(ask(&line, meaning.as_of));
        }
    }

    let questions: Vec<(&Segment, AsOf)> = asked
        .iter()
        .filter_map(|asked| {
            asked
                .segment
                .as_ref()
                .ok()
                .map(|segment| (segment, asked.as_of))
        })
        .collect();
    let mut answers = engine
        .snapshot()
        .count_many(&questions, &meaning.options())
        .into_iter();
    let mut failed = false;
    for asked in &asked {
        let answer = Answer {
            name: asked.name.as_deref(),
            as_of: asked.as_of.to_string(),
            ..Answer::default()
        };
        let segment = match &asked.segment {
            Ok(segment) => segment,
            Err(error) => {
                failed = true;
                output::print_json(
                    &mut meaning.out,
                    &Answer {
                        error: Some(error.clone()),
                        ..answer
                    },
                )?;
                continue;
            }
        };
        let answer = match answers.next() {
            Some(Ok((prepared, count))) => {
                output::print_json(
                    &mut meaning.out,
                    &Answer {
                        count: Some(count),
                        warnings: meaning::located(segment, prepared.warnings()),
                        ..answer
                    },
                )?;
                continue;
            }
            Some(Err(error)) => Answer {
                error: Some(told(&error)),
                ..answer
            },
            None => Answer {
                error: Some("there is no answer; this is a defect of crowdset".to_owned()),
                ..answer
            },
        };
        failed = true;
        output::print_json(&mut meaning.out, &answer)?;
    }
    meaning.out.flush()?;
    if failed { Err(Failure::Told) } else { Ok(()) }
}

/// Understands one line.
fn ask(line: &str, default_as_of: AsOf) -> Asked {
    let line: Line<'_> = match serde_json::from_str(line) {
        Ok(line) => line,
        Err(error) => {
            // The name, if there is one to be had, tells which line this was.
            let name = serde_json::from_str::<Value>(line)
                .ok()
                .and_then(|value| Some(value.get("name")?.as_str()?.to_owned()));
            let reason = format!(
                "{error}; a line is one JSON object {{\"name\": \"…\", \"segment\": text or node, \"as_of\": optional}}"
            );
            return Asked {
                name,
                as_of: default_as_of,
                segment: Err(reason),
            };
        }
    };
    let as_of = line
        .as_of
        .as_deref()
        .map_or(Ok(default_as_of), str::parse::<AsOf>);
    let segment = meaning::written(line.segment).map_err(|error| error.to_string());
    match as_of {
        Ok(as_of) => Asked {
            name: Some(line.name),
            as_of,
            segment,
        },
        Err(error) => Asked {
            name: Some(line.name),
            as_of: default_as_of,
            segment: Err(format!("as_of: {error}")),
        },
    }
}

/// An error of one line as text.
fn told(error: &EvaluateError) -> String {
    match error {
        EvaluateError::Segment(error) => error.to_string().trim_end().to_owned(),
        other => chain(other),
    }
}
