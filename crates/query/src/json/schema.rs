//! The JSON Schema of the JSON form, for editors, user interfaces and code generators.
//!
//! It describes shapes: keys, types, and which of them go together. What a shape cannot say (that
//! an expression is regular, that a zone exists, that a truth value has no order) the reader says.

use super::read::{ANCHORS, MEASURES, NODES, PREDICATES, SELECTORS, WINDOWS};
use crate::ast::{CalendarUnit, CompareOp};
use crowdset_types::DurationMillis;
use serde_json::{Map, Value, json};

/// The JSON Schema (draft 2020-12) of [`Segment::to_json`](crate::Segment::to_json) and of all that
/// [`Segment::from_json`](crate::Segment::from_json) reads.
///
/// What it refuses, the reader refuses too. The reader looks closer in some places: at regular
/// expressions, zones, and values that do not suit an operator.
///
/// ```
/// let schema = crowdset_query::json_schema();
/// assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
/// ```
pub fn json_schema() -> Value {
    let defs: Map<String, Value> = [
        ("document", document()),
        ("node", one_of(&NODES, &nodes())),
        ("events", selector().with(window_key).json()),
        ("selector", selector().json()),
        ("which_events", which_events()),
        ("part", part()),
        ("test", operators()),
        ("unit", unit()),
        ("predicate", one_of(&PREDICATES, &predicates())),
        ("measure", measure()),
        ("window", window()),
        ("anchor", one_of(&ANCHORS, &anchors())),
        ("occurrence", occurrence()),
        ("step", step()),
        ("first_step", first_step()),
        ("duration", duration()),
        ("instant", instant()),
        ("relative_time", relative_time()),
        (
            "time_point",
            any_of([local("instant"), local("relative_time")]),
        ),
        ("literal", literal()),
        ("civil_time", civil_time()),
        ("number", json!({"type": "number"})),
        ("attribute", attribute()),
        ("attribute_in_table", attribute_in_table()),
        ("path", path()),
        ("user_id", json!({"type": ["string", "integer"]})),
    ]
    .into_iter()
    .map(|(name, schema)| (name.to_owned(), schema))
    .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Crowdset segment",
        "description": "A definition of an audience, with the version of its form or bare.",
        "oneOf": [local("document"), local("node")],
        "$defs": defs,
    })
}

/// One of the definitions.
fn local(name: &str) -> Value {
    json!({"$ref": format!("#/$defs/{name}")})
}

fn any_of<const N: usize>(schemas: [Value; N]) -> Value {
    json!({"anyOf": schemas.to_vec()})
}

fn list_of(item: &str) -> Value {
    json!({"type": "array", "items": local(item)})
}

fn some_of(item: &str) -> Value {
    json!({"type": "array", "items": local(item), "minItems": 1})
}

fn pair_of(item: &str) -> Value {
    json!({"type": "array", "items": local(item), "minItems": 2, "maxItems": 2})
}

fn text() -> Value {
    json!({"type": "string"})
}

fn truth() -> Value {
    json!({"const": true})
}

/// The forms of each kind in the reader's order; a kind that the reader knows and this page does
/// not has none, which a test finds.
fn one_of(kinds: &[&str], forms: &[(&str, Shape)]) -> Value {
    let listed = kinds
        .iter()
        .flat_map(|kind| forms.iter().filter(move |(of, _)| of == kind))
        .map(|(_, shape)| shape.json());
    json!({"oneOf": listed.collect::<Vec<_>>()})
}

/// An object, the keys that it may have, and how they go together.
#[derive(Clone, Default)]
struct Shape {
    keys: Map<String, Value>,
    needed: Vec<String>,
    rules: Vec<Value>,
}

impl Shape {
    fn of(key: &str, value: Value) -> Self {
        Self::default().need(key, value)
    }

    fn need(mut self, key: &str, value: Value) -> Self {
        self.needed.push(key.to_owned());
        self.may(key, value)
    }

    fn may(mut self, key: &str, value: Value) -> Self {
        self.keys.insert(key.to_owned(), value);
        self
    }

    fn rule(mut self, rule: Value) -> Self {
        self.rules.push(rule);
        self
    }

    fn with(self, part: impl FnOnce(Self) -> Self) -> Self {
        part(self)
    }

    fn json(&self) -> Value {
        let mut object = json!({
            "type": "object",
            "properties": self.keys,
            "additionalProperties": false,
        });
        if !self.needed.is_empty() {
            object["required"] = json!(self.needed);
        }
        if !self.rules.is_empty() {
            object["allOf"] = json!(self.rules);
        }
        object
    }
}

fn document() -> Value {
    // `{"segment": "name"}` is a condition, `{"segment": {…}}` a definition without its version.
    Shape::default()
        .may("v", json!({"const": 1}))
        .need("segment", local("node"))
        .json()
}

fn nodes() -> Vec<(&'static str, Shape)> {
    let mut nodes = vec![
        ("and", Shape::of("and", some_of("node"))),
        ("or", Shape::of("or", some_of("node"))),
        ("not", Shape::of("not", local("node"))),
        ("everyone", Shape::of("everyone", truth())),
        ("nobody", Shape::of("nobody", truth())),
        (
            "user_id",
            Shape::of("user_id", any_of([local("user_id"), some_of("user_id")])),
        ),
        ("attr", user_id_test()),
        (
            "attr",
            Shape::of(
                "attr",
                json!({"allOf": [local("attribute")], "not": {"const": "user_id"}}),
            )
            .with(cast)
            .with(test),
        ),
        ("did", Shape::of("did", local("events"))),
        (
            "measure",
            Shape::of("measure", local("measure")).with(number_test),
        ),
        (
            "had",
            Shape::of("had", attribute_test().with(window_key).json()),
        ),
        ("changed", Shape::of("changed", changed())),
        (
            "held",
            Shape::of(
                "held",
                attribute_test().need("for", local("duration")).json(),
            ),
        ),
        ("sequence", Shape::of("sequence", sequence())),
        (
            "stopped",
            Shape::of(
                "stopped",
                selector()
                    .need("for", local("duration"))
                    .need("after", local("duration"))
                    .json(),
            ),
        ),
        (
            "restarted",
            Shape::of(
                "restarted",
                selector()
                    .need("in", local("duration"))
                    .need("gap", local("duration"))
                    .json(),
            ),
        ),
        ("segment", Shape::of("segment", text())),
        ("list", Shape::of("list", text())),
    ];
    for kind in ["first", "last", "nth"] {
        let of = || Shape::of(kind, local(occurrence_of(kind)));
        nodes.push((kind, of().need("in", local("window"))));
        for shape in operands(&of(), &["event", "event_name", "timestamp"]) {
            nodes.push((kind, shape.with(test)));
        }
    }
    for end in ["top", "bottom"] {
        let size = json!({"oneOf": [
            {"type": "integer", "minimum": 1},
            {"type": "string", "pattern": r"^[+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?%$"}
        ]});
        let rank = Shape::of("size", size).need("measure", local("measure"));
        nodes.push((end, Shape::of(end, rank.json())));
    }
    nodes
}

fn attribute_test() -> Shape {
    Shape::of("attr", local("attribute")).with(cast).with(test)
}

fn changed() -> Value {
    Shape::of("attr", local("attribute"))
        .may("from", local("literal"))
        .may("to", local("literal"))
        .with(window_key)
        .json()
}

/// Which definition describes the events behind `first`, `last` and `nth`.
fn occurrence_of(kind: &str) -> &'static str {
    if kind == "nth" {
        "occurrence"
    } else {
        "events"
    }
}

fn user_id_test() -> Shape {
    Shape::of("attr", json!({"const": "user_id"}))
        .need("op", text())
        .need("value", json!(true))
        .rule(json!({"oneOf": [
            by_op(&["=", "!="], local("user_id")),
            by_op(&["in", "not in"], some_of("user_id")),
        ]}))
}

/// Where `op` is one of these, `value` is so.
fn by_op(ops: &[&str], value: Value) -> Value {
    json!({"properties": {"op": {"enum": ops}, "value": value}, "required": ["op", "value"]})
}

fn compare_ops() -> [&'static str; 6] {
    [
        CompareOp::Equal,
        CompareOp::NotEqual,
        CompareOp::Less,
        CompareOp::LessOrEqual,
        CompareOp::Greater,
        CompareOp::GreaterOrEqual,
    ]
    .map(CompareOp::symbol)
}

fn test(shape: Shape) -> Shape {
    shape
        .need("op", text())
        .may("value", json!(true))
        .rule(local("test"))
}

/// How `op` and `value` go together.
fn operators() -> Value {
    let right = Shape::of("attr", local("attribute_in_table")).json();
    json!({"oneOf": [
        by_op(&compare_ops(), any_of([local("literal"), right])),
        by_op(&["between"], pair_of("literal")),
        by_op(&["in", "not in", "has any", "has all"], list_of("literal")),
        by_op(&["contains", "starts with", "ends with", "like", "ilike", "matches"], text()),
        by_op(&["has"], local("literal")),
        {"properties": {"op": {"enum": ["is set", "is not set"]}, "value": false}},
    ]})
}

fn number_test(shape: Shape) -> Shape {
    shape
        .need("op", text())
        .need("value", json!(true))
        .rule(json!({"oneOf": [
            by_op(&compare_ops(), local("measure")),
            by_op(&["between"], pair_of("number")),
        ]}))
}

fn cast(shape: Shape) -> Shape {
    shape
        .may("cast", json!({"enum": ["number", "text", "time"]}))
        .may("unit", json!({"enum": ["s", "ms"]}))
        .rule(local("unit"))
}

/// Only the cast to `time` has a unit.
fn unit() -> Value {
    json!({"dependentSchemas": {
        "unit": {"properties": {"cast": {"const": "time"}}, "required": ["cast"]}
    }})
}

/// The object with what a test looks at; `always_there` are the words that name no property.
fn operands(object: &Shape, always_there: &[&str]) -> [Shape; 4] {
    let of = |key, value| object.clone().need(key, value);
    let calendar = |function| of(function, json!({"const": "timestamp"})).may("zone", text());
    [
        of("prop", json!({"enum": always_there})),
        of("prop", property(always_there)).with(cast),
        calendar("hour"),
        calendar("weekday"),
    ]
}

/// A path that is none of the words which are taken.
fn property(taken: &[&str]) -> Value {
    json!({"allOf": [local("path")], "not": {"enum": taken}})
}

fn path() -> Value {
    json!({
        "description": "A dotted path, or its parts.",
        "anyOf": [text(), {"type": "array", "items": text(), "minItems": 1}],
    })
}

/// Which events: a name, any, or any of some.
fn selector() -> Shape {
    Shape::default()
        .may("event", text())
        .may("any_event", truth())
        .may("except", json!({"type": "array", "items": text()}))
        .may("any_of", some_of("part"))
        .may("where", local("predicate"))
        .rule(local("which_events"))
}

/// Exactly one key says which events.
fn which_events() -> Value {
    let kinds = SELECTORS.map(|kind| {
        let others = SELECTORS.into_iter().filter(|other| *other != kind);
        let except = Some("except").filter(|_| kind != "any_event");
        let absent: Map<String, Value> = others
            .chain(except)
            .map(|key| (key.to_owned(), json!(false)))
            .collect();
        json!({"required": [kind], "properties": absent})
    });
    json!({"oneOf": kinds.to_vec()})
}

fn part() -> Value {
    let filtered = Shape::of("event", text()).may("where", local("predicate"));
    any_of([text(), filtered.json()])
}

fn window_key(shape: Shape) -> Shape {
    shape.may("window", local("window"))
}

fn occurrence() -> Value {
    selector()
        .with(window_key)
        .need(
            "n",
            json!({"type": "integer", "minimum": 1, "maximum": u32::MAX}),
        )
        .json()
}

fn predicates() -> Vec<(&'static str, Shape)> {
    let mut predicates = vec![
        ("and", Shape::of("and", some_of("predicate"))),
        ("or", Shape::of("or", some_of("predicate"))),
        ("not", Shape::of("not", local("predicate"))),
    ];
    let tests = operands(&Shape::default(), &["event_name", "timestamp"]);
    predicates.extend(
        ["prop", "prop", "hour", "weekday"]
            .into_iter()
            .zip(tests.map(|shape| shape.with(test))),
    );
    predicates
}

fn measure() -> Value {
    any_of([local("number"), one_of(&MEASURES, &measures())])
}

/// Measures with operators between them, of one rank in one list. That the two alternate behind the
/// first three no schema can say.
fn arithmetic() -> Value {
    let of = |ops: [&str; 2]| {
        let op = json!({"enum": ops});
        json!({
            "type": "array",
            "prefixItems": [local("measure"), op, local("measure")],
            "items": any_of([local("measure"), op]),
            "minItems": 3,
        })
    };
    any_of([of(["+", "-"]), of(["*", "/"])])
}

fn measures() -> Vec<(&'static str, Shape)> {
    let mut measures: Vec<_> = ["count", "days_since_first", "days_since_last"]
        .map(|kind| (kind, Shape::of(kind, local("events"))))
        .into();
    for kind in ["sum", "min", "max", "avg", "distinct"] {
        let events = selector()
            .with(window_key)
            .need("prop", property(&["event_name", "timestamp"]))
            .with(cast);
        measures.push((kind, Shape::of(kind, events.json())));
    }
    for kind in ["days", "weeks", "months"] {
        let events = selector().with(window_key).may("zone", text());
        measures.push((kind, Shape::of(kind, events.json())));
    }
    let periods = selector()
        .with(window_key)
        .need("of", local("duration"))
        .may(
            "each",
            json!({"type": "integer", "minimum": 1, "maximum": u32::MAX}),
        );
    measures.push(("periods", Shape::of("periods", periods.json())));
    let negative = json!({"allOf": [local("measure")], "not": local("number")});
    measures.push(("negative", Shape::of("negative", negative)));
    measures.push(("arithmetic", Shape::of("arithmetic", arithmetic())));
    measures.push(("bucket", Shape::of("bucket", text())));
    measures.push((
        "attr",
        Shape::of("attr", local("attribute_in_table")).with(cast),
    ));
    measures
}

fn windows() -> Vec<(&'static str, Shape)> {
    let edge = || any_of([local("time_point"), local("anchor")]);
    let mut windows = vec![
        ("last", Shape::of("last", local("duration"))),
        ("between", Shape::of("between", pair_of("time_point"))),
        ("since", Shape::of("since", edge())),
        ("before", Shape::of("before", edge())),
        ("after", Shape::of("after", local("anchor"))),
    ];
    for side in ["after", "before"] {
        let near = Shape::of("within", local("duration")).need(side, local("anchor"));
        windows.push((side, near));
    }
    windows.extend(calendar_windows());
    windows
}

/// Periods of the calendar, and dates in a zone.
fn calendar_windows() -> Vec<(&'static str, Shape)> {
    let this = units(|unit| (unit != CalendarUnit::Day).then(|| vec![unit.name().to_owned()]));
    let plural = units(|unit| Some(vec![unit.name().to_owned(), format!("{}s", unit.name())]));
    let periods = json!({"type": "integer", "minimum": 0, "maximum": u32::MAX});
    let in_zone = |shape: Shape| shape.may("zone", text());
    let mut windows = vec![
        ("today", Shape::of("today", truth()).with(in_zone)),
        ("yesterday", Shape::of("yesterday", truth()).with(in_zone)),
        ("this", Shape::of("this", this).with(in_zone)),
        (
            "last",
            Shape::of("last", periods)
                .need("calendar", plural)
                .with(in_zone),
        ),
        ("on", Shape::of("on", local("civil_time")).with(in_zone)),
        (
            "between",
            Shape::of("between", pair_of("civil_time")).need("zone", text()),
        ),
    ];
    for side in ["since", "before"] {
        let edge = Shape::of(side, local("civil_time")).need("zone", text());
        windows.push((side, edge));
    }
    windows
}

/// The names of the calendar's units.
fn units(names: impl Fn(CalendarUnit) -> Option<Vec<String>>) -> Value {
    let names: Vec<String> = CalendarUnit::ALL
        .into_iter()
        .filter_map(names)
        .flatten()
        .collect();
    json!({"enum": names})
}

fn window() -> Value {
    any_of([json!({"const": "ever"}), one_of(&WINDOWS, &windows())])
}

fn anchors() -> Vec<(&'static str, Shape)> {
    let mut anchors: Vec<_> = ["first", "last", "nth"]
        .map(|kind| (kind, Shape::of(kind, local(occurrence_of(kind)))))
        .into();
    anchors.push(("attr", Shape::of("attr", local("attribute_in_table"))));
    anchors
}

fn sequence() -> Value {
    let steps = json!({
        "type": "array",
        "prefixItems": [local("first_step")],
        "items": local("step"),
        "minItems": 1,
    });
    let same = json!({"type": "array", "items": property(&["event_name", "timestamp"])});
    Shape::of("steps", steps)
        .may("within", local("duration"))
        .may("same", same)
        .may("strictly", truth())
        .with(window_key)
        .json()
}

fn step() -> Value {
    selector()
        .may("within", local("duration"))
        .may("after", local("duration"))
        .may("between", pair_of("duration"))
        .may("without", list_of("selector"))
        .may("directly", truth())
        .rule(json!({"dependentSchemas": {
            "within": {"properties": {"after": false, "between": false}},
            "after": {"properties": {"between": false}},
        }}))
        .json()
}

/// Nothing is asked of the way to the first step: no step is before it.
fn first_step() -> Value {
    selector()
        .may("without", json!({"type": "array", "maxItems": 0}))
        .json()
}

fn duration() -> Value {
    let units = DurationMillis::UNITS.map(|(_, short, _)| short).join("|");
    json!({
        "description": "A whole number and a unit: `2w`, `30d`, `36h`, `90m`, `5s`, `250ms`.",
        "type": "string",
        "pattern": format!("^[0-9]+({units})$"),
    })
}

fn instant() -> Value {
    json!({
        "description": "A date, midnight UTC, or a time as in RFC 3339.",
        "type": "string",
        "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}",
    })
}

/// An instant that says nothing of its offset from UTC.
fn civil_time() -> Value {
    json!({
        "description": "A date or a time of a calendar, without an offset.",
        "type": "string",
        "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}([^zZ+-]*)$",
    })
}

fn relative_time() -> Value {
    json!({"oneOf": [
        Shape::of("ago", local("duration")).json(),
        Shape::of("now", truth()).json(),
    ]})
}

fn literal() -> Value {
    any_of([
        json!({"type": ["string", "number", "boolean"]}),
        local("relative_time"),
        Shape::of("at", local("instant")).json(),
    ])
}

fn attribute() -> Value {
    let name = Shape::of("name", text()).may("table", json!({"enum": ["users", "property"]}));
    any_of([text(), name.json()])
}

/// An attribute whose table is named: `users.x`, `property.x`.
fn attribute_in_table() -> Value {
    let name = Shape::of("name", text()).need("table", json!({"enum": ["users", "property"]}));
    any_of([
        json!({"type": "string", "pattern": "^(users|property)[.]"}),
        name.json(),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kinds that the reader knows and those described here are the same.
    #[test]
    fn every_kind_is_described() {
        let same = |what: &str, known: &[&str], forms: Vec<(&'static str, Shape)>| {
            for kind in known {
                assert!(
                    forms.iter().any(|(of, _)| of == kind),
                    "json/schema.rs lacks the {what} `{kind}`"
                );
            }
            for (kind, _) in forms {
                assert!(known.contains(&kind), "no {what} `{kind}` is read");
            }
        };
        same("condition", &NODES, nodes());
        same("measure", &MEASURES, measures());
        same("predicate", &PREDICATES, predicates());
        same("window", &WINDOWS, windows());
        same("anchor", &ANCHORS, anchors());
    }
}
