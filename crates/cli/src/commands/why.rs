//! `crowdset why`: whether a segment selects one user, and why.

use crate::args::Why as Words;
use crate::failure::Failure;
use crate::meaning::{self, Meaning};
use crate::output;
use crowdset::{
    AsOf, Finding, FindingKind, FoundEvent, Miss, NextChange, Number, Place, TimestampMillis,
    Value, Why,
};
use serde_json::json;
use std::io::{self, Write};

pub(crate) fn run(args: &Words, meaning: &mut Meaning) -> Result<(), Failure> {
    let segment = meaning::segment(&args.of.segment)?;
    let engine = meaning.open(&args.of.store)?;
    let why = engine
        .snapshot()
        .why_with(&segment, &args.user, meaning.as_of, &meaning.options())
        .map_err(crowdset::Error::from)?;
    if meaning.json {
        let mut object = serde_json::to_value(&why).map_err(|error| Failure::of(&error))?;
        object["warnings"] = json!(meaning::located(&segment, &why.warnings));
        return output::print_json(&mut meaning.out, &object);
    }
    meaning::warn(&segment, &why.warnings);
    print(&why, &mut meaning.out)?;
    Ok(())
}

fn print(why: &Why, out: &mut dyn Write) -> io::Result<()> {
    let (user, as_of) = (&why.user_id, why.as_of);
    let Some(tree) = &why.tree else {
        write!(out, "{user} is out as of {as_of}: not in the universe")?;
        return match why.events_total {
            0 => writeln!(out, ", nothing is known of such a user"),
            1 => writeln!(out, "; its one event counts once its row of users arrives"),
            events => writeln!(
                out,
                "; its {} events count once its row of users arrives",
                output::number(events)
            ),
        };
    };
    let verdict = if why.is_in { "in" } else { "out" };
    writeln!(out, "{user} is {verdict} as of {as_of}\n")?;
    print_node(tree, "", "", "", out)?;
    writeln!(out)?;
    match why.next_change {
        NextChange::Never => writeln!(out, "without new data this never changes"),
        NextChange::At(at) => writeln!(
            out,
            "without new data this changes at {at}, {}",
            later(as_of, at)
        ),
        NextChange::NotBefore(at) => writeln!(
            out,
            "without new data this does not change before {at}, {}; later instants were not looked at",
            later(as_of, at)
        ),
    }
}

fn print_node(
    node: &Finding,
    indent: &str,
    branch: &str,
    below: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mark = if node.is_true { '✓' } else { '✗' };
    let label = match node.kind {
        // What is joined stands below; whole it would be said again on every level.
        FindingKind::And if !indent.is_empty() || !branch.is_empty() => "and",
        FindingKind::Or if !indent.is_empty() || !branch.is_empty() => "or",
        FindingKind::Not => "not",
        _ => &node.condition,
    };
    writeln!(out, "{indent}{branch}{mark} {label}")?;
    let indent = format!("{indent}{below}");
    let bar = if node.parts.is_empty() { "  " } else { "│ " };
    for line in remarks(node) {
        writeln!(out, "{indent}{bar}{line}")?;
    }
    for (index, part) in node.parts.iter().enumerate() {
        let (branch, below) = if index + 1 == node.parts.len() {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        print_node(part, &indent, branch, below, out)?;
    }
    Ok(())
}

/// What was found and what was missing, a line each.
fn remarks(node: &Finding) -> Vec<String> {
    let mut lines = Vec::new();
    match (&node.miss, &node.value) {
        (Some(miss), _) => lines.push(miss_text(miss)),
        (None, Some(value)) => lines.push(format!("found {}", value_text(value))),
        (None, None) => {}
    }
    if let Some(Place {
        position: Some(position),
        candidates,
        size,
        ..
    }) = node.place
        && node.is_true
    {
        lines.push(format!(
            "place {position} of {candidates}, where {size} are selected"
        ));
    }
    let told = node.events.len() as u64;
    if node.events_total > told {
        let more = output::number(node.events_total - told);
        lines.push(format!("{more} earlier events, then:"));
    }
    lines.extend(node.events.iter().map(event_text));
    lines.extend(node.notes.iter().cloned());
    lines
}

fn miss_text(miss: &Miss) -> String {
    let by = match miss.by {
        Some(Number::Integer(by)) if by > 0 => format!(", {} short", output::number(by as u64)),
        Some(Number::Integer(by)) if by < 0 => {
            format!(", {} too many", output::number(by.unsigned_abs()))
        }
        _ => String::new(),
    };
    format!("{}{by}", miss.text)
}

fn event_text(event: &FoundEvent) -> String {
    let properties: Vec<String> = event
        .properties
        .iter()
        .map(|(path, value)| format!("{path} = {}", value_text(value)))
        .collect();
    let text = format!("{}  {}  {}", event.at, event.name, properties.join(", "));
    text.trim_end().to_owned()
}

fn value_text(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Text(text) => format!("'{text}'"),
        Value::Time(at) => TimestampMillis(*at).to_string(),
        Value::Array(json) => json.clone(),
    }
}

/// How much later an instant is, in its two largest units: `in 3 days 4 hours`.
fn later(as_of: AsOf, at: TimestampMillis) -> String {
    let mut rest = at.0.saturating_sub(as_of.instant().0).max(0);
    let mut words = vec!["in".to_owned()];
    for (unit, length) in [
        ("day", 86_400_000),
        ("hour", 3_600_000),
        ("minute", 60_000),
        ("second", 1_000),
        ("millisecond", 1),
    ] {
        let amount = rest / length;
        rest %= length;
        if amount > 0 {
            let plural = if amount == 1 { "" } else { "s" };
            words.push(format!("{amount} {unit}{plural}"));
        }
        // A millisecond more after days is noise.
        if words.len() == 3 || (words.len() == 2 && rest < length / 1_000) {
            break;
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_until_a_change_reads_well() {
        let until = |millis| later(AsOf::at_millis(0), TimestampMillis(millis));
        assert_eq!(until(3 * 86_400_000 + 1), "in 3 days");
        assert_eq!(until(86_400_000 + 2 * 3_600_000), "in 1 day 2 hours");
        assert_eq!(until(61_000), "in 1 minute 1 second");
        assert_eq!(until(1), "in 1 millisecond");
    }
}
