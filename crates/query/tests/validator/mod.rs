//! A validator for the part of JSON Schema that the published schema uses; any other keyword is an
//! error, so that nothing is silently left unchecked.

use regex::Regex;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// A schema, its patterns compiled.
pub(crate) struct Validator {
    root: Value,
    patterns: HashMap<String, Regex>,
}

impl Validator {
    pub(crate) fn new(root: Value) -> Self {
        let mut patterns = HashMap::new();
        collect_patterns(&root, &mut patterns);
        Self { root, patterns }
    }

    pub(crate) fn accepts(&self, value: &Value) -> bool {
        self.holds(&self.root, value)
    }

    /// Every reference leads somewhere, and every definition is used.
    pub(crate) fn check_itself(&self) {
        let text = self.root.to_string();
        let defs = self.root["$defs"].as_object().expect("definitions");
        for name in defs.keys() {
            let reference = format!("\"#/$defs/{name}\"");
            assert!(text.contains(&reference), "`{name}` is never used");
        }
        for rest in text.split("\"#/$defs/").skip(1) {
            let name = rest.split('"').next().expect("ends");
            assert!(defs.contains_key(name), "`{name}` is not defined");
        }
    }

    fn holds(&self, schema: &Value, value: &Value) -> bool {
        let schema = match schema {
            Value::Bool(verdict) => return *verdict,
            Value::Object(schema) => schema,
            _ => panic!("no schema: {schema}"),
        };
        // What decides most alternatives comes first: it keeps the work linear in the depth.
        let cheap = ["type", "const", "required", "additionalProperties"];
        let (first, rest): (Vec<_>, Vec<_>) = schema
            .iter()
            .partition(|(keyword, _)| cheap.contains(&keyword.as_str()));
        first
            .into_iter()
            .chain(rest)
            .all(|(keyword, rule)| self.keyword(schema, keyword, rule, value))
    }

    fn keyword(
        &self,
        schema: &Map<String, Value>,
        keyword: &str,
        rule: &Value,
        value: &Value,
    ) -> bool {
        let schemas = || rule.as_array().expect("a list of schemas").iter();
        let limit = || rule.as_u64().expect("a whole number") as usize;
        match keyword {
            "$schema" | "$defs" | "title" | "description" => true,
            "$ref" => {
                let pointer = rule.as_str().and_then(|rule| rule.strip_prefix('#'));
                let target = pointer.and_then(|pointer| self.root.pointer(pointer));
                self.holds(target.expect("the reference leads somewhere"), value)
            }
            "type" => match rule {
                Value::Array(types) => types.iter().any(|name| is_of_type(name, value)),
                name => is_of_type(name, value),
            },
            "const" => equal(rule, value),
            "enum" => schemas().any(|listed| equal(listed, value)),
            "allOf" => schemas().all(|schema| self.holds(schema, value)),
            "anyOf" => schemas().any(|schema| self.holds(schema, value)),
            "oneOf" => {
                schemas()
                    .filter(|schema| self.holds(schema, value))
                    .take(2)
                    .count()
                    == 1
            }
            "not" => !self.holds(rule, value),
            "pattern" => value.as_str().is_none_or(|text| {
                self.patterns[rule.as_str().expect("a pattern is text")].is_match(text)
            }),
            "minimum" => value.as_f64().is_none_or(|value| value >= limit() as f64),
            "maximum" => value.as_f64().is_none_or(|value| value <= limit() as f64),
            "minItems" => value.as_array().is_none_or(|list| list.len() >= limit()),
            "maxItems" => value.as_array().is_none_or(|list| list.len() <= limit()),
            "prefixItems" => value.as_array().is_none_or(|list| {
                schemas()
                    .zip(list)
                    .all(|(schema, item)| self.holds(schema, item))
            }),
            "items" => value.as_array().is_none_or(|list| {
                let prefix = schema.get("prefixItems").and_then(Value::as_array);
                list.iter()
                    .skip(prefix.map_or(0, Vec::len))
                    .all(|item| self.holds(rule, item))
            }),
            "properties" => value.as_object().is_none_or(|object| {
                let rules = rule.as_object().expect("schemas by key");
                rules
                    .iter()
                    .filter_map(|(key, schema)| Some((schema, object.get(key)?)))
                    .all(|(schema, value)| self.holds(schema, value))
            }),
            "required" => value.as_object().is_none_or(|object| {
                schemas().all(|key| object.contains_key(key.as_str().expect("a key")))
            }),
            "additionalProperties" => value.as_object().is_none_or(|object| {
                assert_eq!(rule, &Value::Bool(false), "others are not checked here");
                let known = schema["properties"].as_object().expect("keys");
                object.keys().all(|key| known.contains_key(key))
            }),
            "dependentSchemas" => value.as_object().is_none_or(|object| {
                let rules = rule.as_object().expect("schemas by key");
                rules
                    .iter()
                    .filter(|(key, _)| object.contains_key(*key))
                    .all(|(_, schema)| self.holds(schema, value))
            }),
            _ => panic!("the keyword `{keyword}` is not known here"),
        }
    }
}

fn collect_patterns(schema: &Value, found: &mut HashMap<String, Regex>) {
    match schema {
        Value::Object(object) => {
            if let Some(pattern) = object.get("pattern").and_then(Value::as_str) {
                found
                    .entry(pattern.to_owned())
                    .or_insert_with(|| Regex::new(pattern).expect("is a pattern"));
            }
            for schema in object.values() {
                collect_patterns(schema, found);
            }
        }
        Value::Array(schemas) => {
            for schema in schemas {
                collect_patterns(schema, found);
            }
        }
        _ => {}
    }
}

fn is_of_type(name: &Value, value: &Value) -> bool {
    match name.as_str().expect("a type's name") {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|value| value.fract() == 0.0),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the type `{other}` is not known here"),
    }
}

/// Numbers by value, as JSON Schema has it.
fn equal(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}
