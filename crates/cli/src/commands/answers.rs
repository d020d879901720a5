//! `breakdown`, `overlap`, `trend`, `diff`: sizes by value, of pairs and over time, and who came and
//! went.

use crate::args::{Breakdown, DiffArgs, OverlapArgs, Trend};
use crate::failure::Failure;
use crate::meaning::{self, Meaning};
use crate::output;
use crowdset::segment::AttributeOperand;
use crowdset::{
    AsOf, Audience, DurationMillis, LocatedDiagnostic, Segment, TimestampMillis, Value,
};
use serde_json::{Value as Json, json};
use std::io::Write;

/// More points than this are a step that was typed wrong.
const POINTS_MAX: i64 = 1_000_000;

pub(crate) fn breakdown(args: &Breakdown, meaning: &mut Meaning) -> Result<(), Failure> {
    let segment = meaning::segment(&args.of.segment)?;
    let attribute: AttributeOperand = args.by.parse()?;
    let engine = meaning.open(&args.of.store)?;
    let found = engine
        .snapshot()
        .breakdown_with(&segment, &attribute, meaning.as_of, &meaning.options())
        .map_err(crowdset::Error::from)?;
    if meaning.json {
        let groups: Vec<Json> = found
            .groups
            .iter()
            .map(
                |(value, count)| json!({ "value": value.as_ref().map(value_json), "count": count }),
            )
            .collect();
        let object = json!({
            "as_of": found.as_of.to_string(),
            "groups": groups,
            "warnings": meaning::located(&segment, &found.warnings),
        });
        return output::print_json(&mut meaning.out, &object);
    }
    meaning::warn(&segment, &found.warnings);
    let total = found.groups.iter().map(|(_, count)| count).sum();
    let mut table = output::table(&[args.by.as_str(), "users", "share"], &[1, 2]);
    for (value, count) in &found.groups {
        table.add_row([
            value.as_ref().map_or("(none)".to_owned(), value_text),
            output::number(*count),
            output::share(*count, total),
        ]);
    }
    Ok(output::print_table(&mut meaning.out, &table)?)
}

/// A value for programs: times as RFC 3339 text, arrays as arrays; NaN has no number in JSON.
fn value_json(value: &Value) -> Json {
    match value {
        Value::Bool(value) => json!(value),
        Value::Integer(value) => json!(value),
        Value::Float(value) if value.is_finite() => json!(value),
        Value::Array(text) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        Value::Float(_) | Value::Text(_) | Value::Time(_) => json!(value_text(value)),
    }
}

/// A value for people.
fn value_text(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Text(text) | Value::Array(text) => text.clone(),
        Value::Time(at) => TimestampMillis(*at).to_string(),
    }
}

pub(crate) fn overlap(args: &OverlapArgs, meaning: &mut Meaning) -> Result<(), Failure> {
    let segments: Vec<Segment> = args
        .segments
        .iter()
        .map(|segment| meaning::segment(segment))
        .collect::<Result<_, _>>()?;
    let engine = meaning.open(&args.store)?;
    let found = engine
        .snapshot()
        .overlap_with(&segments, meaning.as_of, &meaning.options())
        .map_err(crowdset::Error::from)?;
    if meaning.json {
        let warnings: Vec<LocatedDiagnostic<'_>> = segments
            .iter()
            .zip(&found.warnings)
            .flat_map(|(segment, warnings)| meaning::located(segment, warnings))
            .collect();
        let object = json!({
            "as_of": found.as_of.to_string(),
            "sizes": found.sizes,
            "warnings": warnings,
        });
        return output::print_json(&mut meaning.out, &object);
    }
    for (segment, warnings) in segments.iter().zip(&found.warnings) {
        meaning::warn(segment, warnings);
    }
    let numbers: Vec<String> = (1..=segments.len())
        .map(|number| number.to_string())
        .collect();
    let mut head = vec!["", "segment"];
    head.extend(numbers.iter().map(String::as_str));
    let right: Vec<usize> = (2..head.len()).collect();
    let mut table = output::table(&head, &right);
    for ((number, segment), sizes) in numbers.iter().zip(&segments).zip(&found.sizes) {
        let mut row = vec![number.clone(), segment.to_string()];
        row.extend(sizes.iter().map(|&size| output::number(size)));
        table.add_row(row);
    }
    Ok(output::print_table(&mut meaning.out, &table)?)
}

pub(crate) fn trend(args: &Trend, meaning: &mut Meaning) -> Result<(), Failure> {
    let (from, to) = (instant("--from", &args.from)?, instant("--to", &args.to)?);
    let every = step(&args.every)?;
    let instants = points(from.instant().0, to.instant().0, every.0)?;
    let segment = meaning::segment(&args.of.segment)?;
    let engine = meaning.open(&args.of.store)?;
    let (snapshot, options) = (engine.snapshot(), meaning.options());
    let sizes = snapshot
        .trend_with(&segment, &instants, &options)
        .map_err(crowdset::Error::from)?;
    // Names are known or not whatever the instant.
    let prepared = snapshot
        .prepare_with(&segment, to, &options)
        .map_err(crowdset::Error::from)?;
    let points = instants.iter().zip(&sizes);
    if meaning.json {
        let points: Vec<Json> = points
            .map(|(as_of, count)| json!({ "as_of": as_of.to_string(), "count": count }))
            .collect();
        let object = json!({
            "as_of": to.to_string(),
            "points": points,
            "warnings": meaning::located(&segment, prepared.warnings()),
        });
        return output::print_json(&mut meaning.out, &object);
    }
    meaning::warn(&segment, prepared.warnings());
    let mut table = output::table(&["as of", "users"], &[1]);
    for (as_of, count) in points {
        table.add_row([as_of.to_string(), output::number(*count)]);
    }
    Ok(output::print_table(&mut meaning.out, &table)?)
}

pub(crate) fn diff(args: &DiffArgs, meaning: &mut Meaning) -> Result<(), Failure> {
    let (from, to) = (instant("--from", &args.from)?, instant("--to", &args.to)?);
    let segment = meaning::segment(&args.of.segment)?;
    let engine = meaning.open(&args.of.store)?;
    let found = engine
        .snapshot()
        .diff_with(&segment, from, to, &meaning.options())
        .map_err(crowdset::Error::from)?;
    if meaning.json {
        let ids = |audience: &Audience| {
            let integers = audience.has_integer_ids();
            let ids = audience.iter().map(|id| output::id_json(id, integers));
            ids.collect::<Vec<Json>>()
        };
        let object = json!({
            "from": from.to_string(),
            "to": to.to_string(),
            "as_of": to.to_string(),
            "entered": ids(&found.entered),
            "left": ids(&found.left),
            "warnings": meaning::located(&segment, found.entered.warnings()),
        });
        return output::print_json(&mut meaning.out, &object);
    }
    meaning::warn(&segment, found.entered.warnings());
    for (sign, audience) in [("+", &found.entered), ("-", &found.left)] {
        for id in audience.iter() {
            writeln!(meaning.out, "{sign} {id}")?;
        }
    }
    Ok(())
}

fn instant(flag: &str, text: &str) -> Result<AsOf, Failure> {
    text.parse()
        .map_err(|error| Failure::Usage(format!("{flag}: {error}")))
}

/// `1d`, `12h`, `2w`: a whole number and its unit.
fn step(text: &str) -> Result<DurationMillis, Failure> {
    let wrong = || {
        Failure::Usage(format!(
            "--every: `{text}` is no step; write a whole number and ms, s, m, h, d or w, such as `1d`"
        ))
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit: i64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 7 * 86_400_000,
        _ => return Err(wrong()),
    };
    let number: i64 = number.parse().map_err(|_| wrong())?;
    let step = number.checked_mul(unit).filter(|step| *step > 0);
    step.map(DurationMillis).ok_or_else(wrong)
}

/// Both ends and every step between.
fn points(from: i64, to: i64, every: i64) -> Result<Vec<AsOf>, Failure> {
    if from > to {
        return Err(Failure::Usage("--from lies after --to".into()));
    }
    if to.saturating_sub(from) / every >= POINTS_MAX {
        return Err(Failure::Usage(format!(
            "--every makes more than {POINTS_MAX} points; take a longer step"
        )));
    }
    let steps = (0..=(to - from) / every).map(|number| from + number * every);
    let mut points: Vec<AsOf> = steps.map(AsOf::at_millis).collect();
    if points.last() != Some(&AsOf::at_millis(to)) {
        points.push(AsOf::at_millis(to));
    }
    Ok(points)
}
