//! JSON to tree. Every error names the path of the value that is wrong.

mod condition;
mod event;
mod measure;
mod tree;
pub(super) mod value;
mod window;

use super::place::{Path, Place, Read};
use crate::ast::{Segment, Source};
use crate::diagnostic::Diagnostic;
use crate::parser::DEPTH_MAX;
use crate::print::levels;
use serde_json::Value;

/// How deeply trees may be nested while they are read. Text of [`DEPTH_MAX`] levels makes no deeper
/// ones: each of its parentheses may hold an `or` of `and`s, or a sum of products, and so may the
/// whole, and what stands innermost.
const TREE_DEPTH_MAX: usize = 2 * DEPTH_MAX + 4;

pub(super) fn segment(json: &Value) -> Read<Segment> {
    let mut reader = Reader {
        depth: 0,
        warnings: Vec::new(),
    };
    let top = Place {
        value: json,
        path: Path::top(),
    };
    // `{"segment": "name"}` is a condition, `{"segment": {…}}` a definition without its version.
    let is_wrapped =
        json.get("v").is_some() || json.get("segment").is_some_and(|node| !node.is_string());
    let root = if is_wrapped {
        let mut fields = top.object()?;
        if let Some(version) = fields.take("v")
            && version.value != &Value::from(1)
        {
            return Err(version.error(format!(
                "version {} of the JSON form; this version reads 1",
                version.value
            )));
        }
        let node = fields.need("segment")?;
        fields.finish()?;
        reader.tree(node)?
    } else {
        reader.tree(top.clone())?
    };
    // What text could not hold is refused.
    if levels(&root) > DEPTH_MAX {
        return Err(too_deep(&top));
    }
    Ok(Segment {
        root,
        source: Source {
            text: "".into(),
            warnings: reader.warnings,
        },
    })
}

fn too_deep(place: &Place<'_>) -> Diagnostic {
    Diagnostic {
        code: "too-deep",
        ..place.error(format!("nested more than {DEPTH_MAX} levels deep"))
    }
}

pub(super) const NODES: [&str; 22] = [
    "and",
    "or",
    "not",
    "everyone",
    "nobody",
    "user_id",
    "attr",
    "did",
    "measure",
    "had",
    "changed",
    "held",
    "first",
    "last",
    "nth",
    "sequence",
    "stopped",
    "restarted",
    "top",
    "bottom",
    "segment",
    "list",
];
pub(super) const MEASURES: [&str; 16] = [
    "arithmetic",
    "negative",
    "bucket",
    "count",
    "sum",
    "min",
    "max",
    "avg",
    "distinct",
    "days",
    "weeks",
    "months",
    "periods",
    "days_since_first",
    "days_since_last",
    "attr",
];
pub(super) const SELECTORS: [&str; 3] = ["event", "any_event", "any_of"];
pub(super) const PREDICATES: [&str; 6] = ["and", "or", "not", "prop", "hour", "weekday"];

pub(super) const WINDOWS: [&str; 9] = [
    "last",
    "between",
    "since",
    "before",
    "after",
    "today",
    "yesterday",
    "this",
    "on",
];

pub(super) const ANCHORS: [&str; 4] = ["first", "last", "nth", "attr"];

pub(super) struct Reader {
    depth: usize,
    pub(super) warnings: Vec<Diagnostic>,
}
