//! The JSON form: the same tree for user interfaces and for storage.
//!
//! ```text
//! SEGMENT   {"v": 1, "segment": NODE}, or a bare NODE
//! NODE      {"everyone": true} {"nobody": true} {"and": [NODE…]} {"or": [NODE…]} {"not": NODE}
//!           {"user_id": ["u1", …]}
//!           {"segment": name} {"list": name}
//!           {"attr": ATTR, CAST, TEST}
//!           {"did": EVENTS}
//!           {"measure": MEASURE, "op": …, "value": MEASURE, or two numbers for "between"}
//!           {"had": {"attr": ATTR, CAST, TEST, "window": WINDOW}}
//!           {"changed": {"attr": ATTR, "from": VALUE, "to": VALUE, "window": WINDOW}}
//!           {"held": {"attr": ATTR, CAST, TEST, "for": DURATION}}
//!           {"first"|"last": EVENTS, OF}  {"nth": {"n": 2, EVENTS…}, OF}
//!           {"sequence": {"steps": [STEP…], "within": DURATION, "window": WINDOW, "same": [path…], "strictly": true}}
//!           {"stopped": SELECTOR with "for": DURATION, "after": DURATION}
//!           {"restarted": SELECTOR with "in": DURATION, "gap": DURATION}
//!           {"top"|"bottom": {"size": 1000 or "10%", "measure": MEASURE}}
//! OF        "in": WINDOW, or OPERAND, TEST
//! EVENTS    SELECTOR with "window": WINDOW
//! SELECTOR  {"event": name, "where": PREDICATE}, or instead of "event"
//!           "any_event": true, "except": [name…]; "any_of": [{"event": name, "where": PREDICATE}…]
//! STEP      SELECTOR; behind the first one with "within"|"after": DURATION or "between": [DURATION, DURATION],
//!           "without": [SELECTOR…], "directly": true
//! MEASURE   {"count"|"days_since_first"|"days_since_last": EVENTS}
//!           {"days"|"weeks"|"months": EVENTS with "zone": name}
//!           {"periods": EVENTS with "of": DURATION, "each": 2}
//!           {"sum"|"min"|"max"|"avg"|"distinct": EVENTS with "prop": path, CAST}  {"attr": ATTR, CAST}
//!           a number  {"bucket": salt}  {"negative": MEASURE}  {"arithmetic": [MEASURE, "+", MEASURE, …]}
//! PREDICATE {"and": […]} {"or": […]} {"not": …} {OPERAND, TEST}
//! OPERAND   "prop": path, CAST; "prop": "event_name" or "timestamp"; "hour"|"weekday": "timestamp", "zone": name
//! CAST      "cast": "number"|"text"|"time", "unit": "s"|"ms"
//! TEST      "op": operator as in the text, "value": VALUE, a list for "in", "between", "has any" and the like
//! VALUE     text, number, true, false, {"ago": DURATION}, {"now": true}, {"at": time}, {"attr": ATTR}
//! ATTR      "account_type", "users.x", "property.x", {"table": "users", "name": "x"}
//! WINDOW    "ever", {"last": DURATION}, {"between": [INSTANT, INSTANT]}, {"since"|"before": INSTANT or ANCHOR},
//!           {"after": ANCHOR}, {"within": DURATION, "after"|"before": ANCHOR},
//!           {"today"|"yesterday": true}, {"this": "month"}, {"last": 3, "calendar": "months"}, {"on": "2026-01-05"},
//!           each of these, and "between", "since", "before" with dates, with "zone": name
//! INSTANT   "2026-01-01", {"ago": DURATION}, {"now": true}
//! ANCHOR    {"first"|"last": EVENTS} {"nth": {"n": 2, EVENTS…}} {"attr": ATTR}
//! DURATION  "2w" "30d" "36h" "90m" "5s" "250ms"
//! path      "cart.total", or its parts: ["cart", "total"]
//! ```
//!
//! A path in parts is always a property, `["event_name"]` too. Unknown keys are errors, and so is a key that
//! an object has twice.

mod place;
mod read;
mod schema;
mod sequence;
mod twice;
mod write;

pub use schema::json_schema;

use crate::ast::Segment;
use crate::ast::Span;
use crate::diagnostic::{Diagnostic, SegmentError};
use serde::de::DeserializeSeed;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::de::StrRead;
use twice::OnlyOnce;

/// How deeply the brackets of JSON text may be nested: more than any readable tree needs.
const BRACKETS_MAX: usize = 1024;

impl Segment {
    /// Reads the JSON form: `{"v": 1, "segment": …}` or a bare node.
    ///
    /// # Errors
    ///
    /// [`SegmentError`] whose message begins with the path of the value that is wrong, such as
    /// `$.and[2].did.window`.
    pub fn from_json(json: &Value) -> Result<Self, SegmentError> {
        read::segment(json).map_err(|finding| SegmentError::new(vec![finding], "".into()))
    }

    /// The JSON form, with its version. [`Segment::from_json`] gives an equal segment back.
    pub fn to_json(&self) -> Value {
        serde_json::json!({"v": 1, "segment": write::expr(&self.root)})
    }

    /// Reads JSON text.
    pub(crate) fn parse_json(text: &str) -> Result<Self, SegmentError> {
        let fail = |finding| Err(SegmentError::new(vec![finding], text.into()));
        if let Some(offset) = too_deep(text) {
            let span = Span {
                start: offset as u32,
                end: offset as u32 + 1,
            };
            return fail(
                Diagnostic::error(
                    "too-deep",
                    format!("nested more than {BRACKETS_MAX} levels deep"),
                )
                .at(span),
            );
        }
        if let Err(error) = read_text(text, |reader| OnlyOnce::Top.deserialize(reader)) {
            return fail(broken(text, &error));
        }
        match read_text(text, |reader| Value::deserialize(reader)) {
            Ok(value) => Self::from_json(&value),
            Err(error) => fail(broken(text, &error)),
        }
    }
}

/// Reads all of a text whose depth has been checked, so that the parser's own limit of 128 brackets may go.
fn read_text<'a, T>(
    text: &'a str,
    read: impl FnOnce(&mut serde_json::Deserializer<StrRead<'a>>) -> serde_json::Result<T>,
) -> serde_json::Result<T> {
    let mut reader = serde_json::Deserializer::from_str(text);
    reader.disable_recursion_limit();
    let value = read(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// Why a text cannot be read, and where.
fn broken(text: &str, error: &serde_json::Error) -> Diagnostic {
    let shown = error.to_string();
    let reason = shown
        .rsplit_once(" at line ")
        .map_or(shown.as_str(), |(reason, _)| reason);
    let line_start = text
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum::<usize>();
    let offset = (line_start + error.column().saturating_sub(1)).min(text.len());
    // What is wrong with JSON that can be read is a key that is there twice: the last one up to here.
    if error.is_data()
        && let Some(span) = last_text(text, offset)
    {
        return Diagnostic::error("json", reason)
            .at(span)
            .help("every key stands once in an object; conditions are joined by \"and\": [...]");
    }
    let start = (0..=offset)
        .rev()
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(0);
    let end = (start + 1..=text.len())
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(start);
    let span = Span {
        start: start as u32,
        end: end as u32,
    };
    Diagnostic::error("json", format!("broken JSON: {reason}")).at(span)
}

/// The last text in double quotes that ends at `offset` or before.
fn last_text(text: &str, offset: usize) -> Option<Span> {
    let bytes = text.as_bytes();
    let quote = |before: usize| bytes.get(..before)?.iter().rposition(|&byte| byte == b'"');
    let end = quote((offset + 1).min(bytes.len()))?;
    let mut start = quote(end)?;
    // Quotes inside stand behind an odd number of backslashes.
    while bytes[..start]
        .iter()
        .rev()
        .take_while(|&&byte| byte == b'\\')
        .count()
        % 2
        == 1
    {
        start = quote(start)?;
    }
    Some(Span {
        start: start as u32,
        end: end as u32 + 1,
    })
}

/// Where the brackets of a JSON text become too many, if they do.
fn too_deep(text: &str) -> Option<usize> {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                if depth > BRACKETS_MAX {
                    return Some(at);
                }
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

impl Serialize for Segment {
    /// The JSON form.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Segment {
    /// The JSON form. Of a key that is there twice the last counts, as in any [`Value`]; where text is
    /// parsed (`"{…}".parse()`) it is an error.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::from_json(&value).map_err(serde::de::Error::custom)
    }
}
