//! `crowdset segment …`, `crowdset list …`: what a store keeps under names.

use crate::args::{ListCommand, SegmentCommand};
use crate::failure::Failure;
use crate::meaning::{self, Meaning};
use crate::output;
use crowdset::{Engine, Error, OpenError, SaveError, SavedSegment, Segment};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::io::{BufRead, Write};
use std::path::Path;

/// One line of `import` and `export`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    name: String,
    #[serde(borrow)]
    segment: &'a RawValue,
}

pub(crate) fn segment(command: &SegmentCommand, meaning: &mut Meaning) -> Result<(), Failure> {
    match command {
        SegmentCommand::Save {
            store,
            name,
            segment,
        } => {
            let segment = meaning::segment(segment)?;
            let (saved, warnings) = writer(store, meaning)?
                .save_segment(name, &segment)
                .map_err(failed)?;
            meaning::warn(&segment, &warnings);
            tell_saved(&saved, meaning)
        }
        SegmentCommand::List { store } => {
            let saved = meaning.open(store)?.snapshot().segments();
            if meaning.json {
                let all: Vec<Value> = saved.iter().map(object).collect();
                return output::print_json(&mut meaning.out, &json!({ "segments": all }));
            }
            let mut table = output::table(&["name", "version", "saved", "definition"], &[1]);
            for saved in &saved {
                table.add_row([
                    saved.name.clone(),
                    saved.version.to_string(),
                    saved.saved_at.to_string(),
                    saved.text.split_whitespace().collect::<Vec<_>>().join(" "),
                ]);
            }
            Ok(output::print_table(&mut meaning.out, &table)?)
        }
        SegmentCommand::Show {
            store,
            name,
            version,
        } => {
            let versions = meaning.open(store)?.snapshot().segment_versions(name);
            let found = versions.iter().find(|saved| match version {
                Some(version) => saved.version == *version,
                None => saved.is_in_force,
            });
            let Some(saved) = found else {
                return Err(Failure::Usage(match (version, versions.len()) {
                    (_, 0) => format!(
                        "there is no saved segment `{name}`; `crowdset segment list` shows all"
                    ),
                    (Some(version), last) => {
                        format!("segment `{name}` has versions 1 to {last}, not {version}")
                    }
                    (None, last) => format!(
                        "segment `{name}` was dropped; `--version {last}` shows its last definition"
                    ),
                }));
            };
            if meaning.json {
                return output::print_json(&mut meaning.out, &object(saved));
            }
            writeln!(meaning.out, "{}", saved.text)?;
            Ok(())
        }
        SegmentCommand::Drop { store, name } => {
            writer(store, meaning)?.drop_segment(name).map_err(failed)
        }
        SegmentCommand::Import { store, file } => {
            let mut read: Vec<(String, Segment)> = Vec::new();
            for (number, line) in (1..).zip(meaning::input(file)?.lines()) {
                let line = line.map_err(|error| {
                    Failure::io(format_args!("cannot read line {number}"), &error)
                })?;
                if line.trim().is_empty() {
                    continue;
                }
                let wrong = |reason: String| Failure::Segment(format!("line {number}: {reason}"));
                let line: Line<'_> = serde_json::from_str(&line).map_err(|error| {
                    let shown = error.to_string();
                    let reason = shown.split(" at line ").next().unwrap_or_default();
                    let column = error.column();
                    wrong(format!("column {column}: {reason}; a line is one JSON object {{\"name\": \"…\", \"segment\": text or node}}"))
                })?;
                let segment = meaning::written(line.segment);
                read.push((
                    line.name,
                    segment.map_err(|error| wrong(error.to_string()))?,
                ));
            }
            let all: Vec<(&str, &Segment)> = read
                .iter()
                .map(|(name, segment)| (name.as_str(), segment))
                .collect();
            let saved = writer(store, meaning)?
                .save_segments(&all)
                .map_err(failed)?;
            for ((saved, warnings), (_, segment)) in saved.iter().zip(&all) {
                meaning::warn(segment, warnings);
                tell_saved(saved, meaning)?;
            }
            Ok(())
        }
        SegmentCommand::Export { store } => {
            for saved in meaning.open(store)?.snapshot().segments() {
                let line = json!({ "name": saved.name, "segment": saved.text });
                output::print_json(&mut meaning.out, &line)?;
            }
            Ok(())
        }
    }
}

pub(crate) fn list(command: &ListCommand, meaning: &mut Meaning) -> Result<(), Failure> {
    match command {
        ListCommand::Save { store, name, file } => {
            let (mut ids, mut trimmed) = (Vec::new(), 0_u64);
            for (number, line) in (1..).zip(meaning::input(file)?.lines()) {
                let line = line.map_err(|error| {
                    let place = format_args!("cannot read line {number} of `{}`", file.display());
                    Failure::io(place, &error)
                })?;
                // Blanks and carriage returns around an id are the file's.
                let id = line.trim();
                if !id.is_empty() {
                    trimmed += u64::from(id.len() < line.len());
                    ids.push(id.to_owned());
                }
            }
            if trimmed > 0 {
                let trimmed = output::number(trimmed);
                meaning::remark(format_args!("left out blanks around {trimmed} of the ids"));
            }
            let saved = writer(store, meaning)?
                .save_list(name, ids)
                .map_err(failed)?;
            if meaning.json {
                let object = json!({ "name": saved.name, "version": saved.version, "saved_at": saved.saved_at.to_string(), "ids": saved.ids });
                return output::print_json(&mut meaning.out, &object);
            }
            writeln!(
                meaning.out,
                "saved list `{}`, version {}: {} {}",
                saved.name,
                saved.version,
                output::number(saved.ids),
                if saved.ids == 1 { "id" } else { "ids" }
            )?;
            Ok(())
        }
        ListCommand::List { store } => {
            let lists = meaning.open(store)?.snapshot().lists();
            if meaning.json {
                let all: Vec<Value> = lists
                    .iter()
                    .map(|list| json!({ "name": list.name, "version": list.version, "saved_at": list.saved_at.to_string(), "ids": list.ids }))
                    .collect();
                return output::print_json(&mut meaning.out, &json!({ "lists": all }));
            }
            let mut table = output::table(&["name", "version", "saved", "ids"], &[1, 3]);
            for list in &lists {
                table.add_row([
                    list.name.clone(),
                    list.version.to_string(),
                    list.saved_at.to_string(),
                    output::number(list.ids),
                ]);
            }
            Ok(output::print_table(&mut meaning.out, &table)?)
        }
        ListCommand::Show { store, name } => {
            let ids = meaning
                .open(store)?
                .snapshot()
                .list_ids(name)
                .map_err(failed)?;
            if meaning.json {
                return output::print_json(
                    &mut meaning.out,
                    &json!({ "name": name, "ids": &*ids }),
                );
            }
            for id in ids.iter() {
                writeln!(meaning.out, "{id}")?;
            }
            Ok(())
        }
        ListCommand::Drop { store, name } => {
            writer(store, meaning)?.drop_list(name).map_err(failed)
        }
    }
}

/// Opens a store that is there already: a folder of tables has no place to keep anything.
fn writer(path: &Path, meaning: &Meaning) -> Result<Engine, Failure> {
    if !Engine::is_store(path) {
        let missing = OpenError::NoStore {
            path: path.to_owned(),
        };
        return Err(Error::from(missing).into());
    }
    let opened = meaning.engine_options().open(path);
    Ok(opened.map_err(Error::from)?)
}

/// A name that is not there or is no name was typed wrong; all else failed.
fn failed(error: SaveError) -> Failure {
    match error {
        SaveError::NotSaved { .. } | SaveError::BadName { .. } => Failure::Usage(error.to_string()),
        error => Error::from(error).into(),
    }
}

fn object(saved: &SavedSegment) -> Value {
    json!({
        "name": saved.name,
        "version": saved.version,
        "saved_at": saved.saved_at.to_string(),
        "segment": saved.text,
    })
}

fn tell_saved(saved: &SavedSegment, meaning: &mut Meaning) -> Result<(), Failure> {
    if meaning.json {
        return output::print_json(&mut meaning.out, &object(saved));
    }
    writeln!(
        meaning.out,
        "saved segment `{}`, version {}",
        saved.name, saved.version
    )?;
    Ok(())
}
