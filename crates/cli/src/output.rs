//! How results look: numbers people can read, tables, JSON.

use crate::failure::Failure;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use serde::Serialize;
use serde_json::Value;
use std::io::{self, Write};
use std::time::Duration;

/// An integer with its thousands apart: `1,234,567`.
pub(crate) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size: `812 B`, `3.4 KB`, `1.2 GB`; powers of 1,000.
pub(crate) fn bytes(value: u64) -> String {
    let mut size = value as f64;
    let mut unit = "B";
    for next in ["KB", "MB", "GB", "TB"] {
        if size < 1_000.0 {
            break;
        }
        size /= 1_000.0;
        unit = next;
    }
    if unit == "B" {
        format!("{value} B")
    } else {
        format!("{size:.1} {unit}")
    }
}

/// A duration to three digits: `12.3 µs`, `1.24 ms`, `3.10 s`.
pub(crate) fn duration(value: Duration) -> String {
    let micros = value.as_secs_f64() * 1e6;
    let (scaled, unit) = match micros {
        micros if micros < 1e3 => (micros, "µs"),
        micros if micros < 1e6 => (micros / 1e3, "ms"),
        micros => (micros / 1e6, "s"),
    };
    let places = if scaled < 10.0 {
        2
    } else {
        usize::from(scaled < 100.0)
    };
    format!("{scaled:.places$} {unit}")
}

/// A share in per cent: `12.3 %`; nothing of nothing is 0.
pub(crate) fn share(part: u64, whole: u64) -> String {
    let share = if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64 * 100.0
    };
    format!("{share:.1} %")
}

/// A ratio in per cent: `12.3 %`; whole from 100 on.
pub(crate) fn ratio(value: f64) -> String {
    let percent = value * 100.0;
    let places = usize::from(percent < 99.95);
    format!("{percent:.places$} %")
}

/// A table without lines, its named columns flushed right.
pub(crate) fn table(head: &[&str], right: &[usize]) -> Table {
    let mut table = Table::new();
    table
        .load_style(comfy_table::presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(head);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for &index in right {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Prints a table; comfy-table pads the last column, which nobody wants in a terminal or a diff.
pub(crate) fn print_table(out: &mut dyn Write, table: &Table) -> io::Result<()> {
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Prints one JSON object on a line of its own.
pub(crate) fn print_json(out: &mut dyn Write, value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| Failure::of(&error))?;
    writeln!(out, "{text}")?;
    Ok(())
}

/// An id as JSON: a number if ids are integers.
pub(crate) fn id_json(id: &str, integers: bool) -> Value {
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn integer_ids_are_json_numbers() {
        assert_eq!(id_json("12", true), json!(12));
        assert_eq!(id_json("18446744073709551615", true), json!(u64::MAX));
        assert_eq!(id_json("12", false), json!("12"));
    }

    #[test]
    fn numbers_sizes_and_durations_read_well() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(number),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [0, 999, 1_500, 2_000_000].map(bytes),
            ["0 B", "999 B", "1.5 KB", "2.0 MB"]
        );
        assert_eq!(duration(Duration::from_nanos(1_500)), "1.50 µs");
        assert_eq!(duration(Duration::from_micros(12_340)), "12.3 ms");
        assert_eq!(duration(Duration::from_secs(100)), "100 s");
        assert_eq!(
            (share(1, 8), share(0, 0)),
            ("12.5 %".to_owned(), "0.0 %".to_owned())
        );
    }
}
