//! Event properties: their types and values, and the elements of arrays.

use crate::Refusal;
use crate::dialect::Dialect;
use crate::number::Number;
use crate::value::{Array, Sides, all, is_same, sure};
use crate::writer::Writer;
use crowdset_query::{CompareOp, Literal, Span};

/// A property as two columns.
pub(crate) struct Property {
    /// `number`, `text`, `bool`, `array`, or NULL for what is not set.
    pub(crate) kind: String,
    /// What JSON writes, texts without quotes.
    pub(crate) text: String,
}

const DUCKDB_NUMBERS: &str = "'BIGINT', 'UBIGINT', 'HUGEINT', 'UHUGEINT', 'DOUBLE'";

impl Dialect {
    /// Whether the path of a property can be written.
    fn takes_path(self, path: &str) -> bool {
        match self {
            Self::DuckDb => !path.contains(['"', '\\', '*']),
            Self::Spark => !path.contains(['\'', '"', '\\', '[', ']', '*']),
            Self::DataFusion | Self::ClickHouse => true,
        }
    }

    /// The property of a row of events, by its dotted path; `name` is free for a joined row.
    pub(crate) fn property(self, row: &str, name: &str, path: &str, from: &mut String) -> Property {
        let kinds = |kind: &str, kinds: [&str; 4]| {
            let [number, text, bool, array] = kinds;
            format!(
                "CASE WHEN {kind} IN ({number}) THEN 'number' WHEN {kind} = {text} THEN 'text' WHEN {kind} = {bool} THEN 'bool' WHEN {kind} {array} THEN 'array' END"
            )
        };
        match self {
            Self::DuckDb => {
                let quoted: Vec<String> = path.split('.').map(|key| format!("\"{key}\"")).collect();
                let path = self.text(&format!("$.{}", quoted.join(".")));
                let kind = format!("json_type({row}.properties, {path})");
                let names = [DUCKDB_NUMBERS, "'VARCHAR'", "'BOOLEAN'", "= 'ARRAY'"];
                Property {
                    kind: kinds(&kind, names),
                    text: format!("json_extract_string({row}.properties, {path})"),
                }
            }
            Self::DataFusion => {
                *from = format!(
                    "{from} LEFT JOIN event_properties AS {name} ON {name}.event_id = {row}.event_id AND {name}.name = {} AND {name}.type IN ('number', 'text', 'bool', 'array')",
                    self.text(path)
                );
                Property {
                    kind: format!("{name}.type"),
                    text: format!("{name}.value"),
                }
            }
            Self::ClickHouse => {
                let keys: Vec<String> = path.split('.').map(|key| self.text(key)).collect();
                let of = format!("{row}.properties, {}", keys.join(", "));
                // As text: the types of the function are an enumeration.
                let kind = format!("toString(JSONType({of}))");
                let names = [
                    "'Int64', 'UInt64', 'Double'",
                    "'String'",
                    "'Bool'",
                    "= 'Array'",
                ];
                Property {
                    text: format!(
                        "CASE WHEN {kind} = 'String' THEN JSONExtractString({of}) ELSE JSONExtractRaw({of}) END"
                    ),
                    kind: kinds(&kind, names),
                }
            }
            Self::Spark => {
                let keys: Vec<String> = path.split('.').map(|key| format!("['{key}']")).collect();
                let path = self.text(&format!("${}", keys.concat()));
                let json = format!("try_parse_json({row}.properties)");
                let kind = format!("schema_of_variant(variant_get({json}, {path}, 'variant'))");
                let kind = format!("regexp_extract({kind}, '^[A-Z]+', 0)");
                let names = [
                    "'BIGINT', 'DECIMAL', 'DOUBLE', 'FLOAT'",
                    "'STRING'",
                    "'BOOLEAN'",
                    "= 'ARRAY'",
                ];
                Property {
                    text: format!(
                        "CASE WHEN {kind} = 'ARRAY' THEN get_json_object({row}.properties, {path}) ELSE variant_get({json}, {path}, 'string') END"
                    ),
                    kind: kinds(&kind, names),
                }
            }
        }
    }
}

impl Writer<'_> {
    /// A property of an event by its dotted path.
    pub(crate) fn property(&mut self, row: &str, path: &str, span: Span) -> Result<Sides, Refusal> {
        if !self.dialect.takes_path(path) {
            return Err(self.cannot("a property of this name", span));
        }
        let p = format!("{row}.prop{}", self.path(path));
        let of = |kind: &str| format!("CASE WHEN {p}_type = '{kind}' THEN {p} END");
        Ok(Sides {
            number: Some(Number::of(self.dialect, format!("{p}_number"), &p)),
            text: Some(of("text")),
            flag: Some(format!("CASE WHEN {p}_type = 'bool' THEN {p} = 'true' END")),
            array: Some(Array {
                row: row.to_owned(),
                path: path.to_owned(),
                json: of("array"),
            }),
            ..Sides::new(format!("{p}_type IS NOT NULL"))
        })
    }

    /// Whether an array holds an element equal to the literal.
    pub(crate) fn has(
        &self,
        array: &Array,
        literal: &Literal,
        span: Span,
    ) -> Result<String, Refusal> {
        let d = self.dialect;
        let wanted = match literal {
            Literal::Integer(value) => Some(Number::integer(d, *value)),
            Literal::Float(value) => Some(Number::float(d, *value)),
            _ => None,
        };
        if wanted.as_ref().is_some_and(|wanted| wanted.rest.is_some()) {
            return Err(self.cannot("a number of more than 53 bits in an array", span));
        }
        // What is looked for: a type, and the condition of the text of an element.
        let is = |text: &str| match (literal, &wanted) {
            (_, Some(wanted)) => {
                Number::double(d.try_double(text)).compare(CompareOp::Equal, wanted)
            }
            (Literal::Text(value), _) => format!("{text} = {}", d.text(value)),
            (Literal::Bool(value), _) => format!("{text} = '{value}'"),
            _ => "FALSE".to_owned(),
        };
        if d == Dialect::DataFusion && self.is_column {
            // Its subqueries stand behind WHERE only.
            return Err(self.cannot("an array in `without`", span));
        }
        let kind = match literal {
            Literal::Text(_) => "text",
            Literal::Bool(_) => "bool",
            // An element of an array is never a time.
            Literal::Time(_) => return Ok("FALSE".to_owned()),
            _ => "number",
        };
        let json = &array.json;
        Ok(match d {
            Dialect::DuckDb => {
                let kinds = match kind {
                    "text" => "'VARCHAR'",
                    "bool" => "'BOOLEAN'",
                    _ => DUCKDB_NUMBERS,
                };
                let is = is("json_extract_string(x, '$')");
                sure(&format!(
                    "len(list_filter(CAST({json} AS JSON[]), lambda x: CASE WHEN json_type(x) IN ({kinds}) THEN {is} ELSE FALSE END)) > 0"
                ))
            }
            Dialect::DataFusion => {
                let is = is("a.value");
                let path = d.text(&array.path);
                format!(
                    "{}.event_id IN (SELECT a.event_id FROM event_properties AS a WHERE a.name = {path} AND a.type = '{kind} in array' AND {is})",
                    array.row
                )
            }
            Dialect::ClickHouse => {
                let (kinds, text) = match kind {
                    "text" => ("'String'", "JSONExtractString(x)"),
                    "bool" => ("'Bool'", "x"),
                    _ => ("'Int64', 'UInt64', 'Double'", "x"),
                };
                sure(&format!(
                    "arrayExists(x -> COALESCE(toString(JSONType(x)) IN ({kinds}) AND {}, FALSE), JSONExtractArrayRaw(COALESCE({json}, '[]')))",
                    is(text)
                ))
            }
            Dialect::Spark => {
                let kinds = match kind {
                    "text" => "'STRING'",
                    "bool" => "'BOOLEAN'",
                    _ => "'BIGINT', 'DECIMAL', 'DOUBLE', 'FLOAT'",
                };
                let is = is("CAST(x AS STRING)");
                sure(&format!(
                    "exists(CAST(try_parse_json({json}) AS ARRAY<VARIANT>), x -> COALESCE(regexp_extract(schema_of_variant(x), '^[A-Z]+', 0) IN ({kinds}) AND {is}, FALSE))"
                ))
            }
        })
    }

    /// Text that is the same for values that are one, and NULL for what is missing.
    pub(crate) fn distinct(&self, of: &Sides) -> String {
        let d = self.dialect;
        let mut cases = Vec::new();
        if let Some(number) = &of.number {
            let double = &number.double;
            // The text of a double reads as that double and no other.
            let text = d.as_text(double);
            let rest = number.rest.as_ref().map(|rest| d.as_text(rest));
            let key = match &rest {
                Some(rest) => d.joined(&["'n'", &text, "'+'", rest]),
                None => d.joined(&["'n'", &text]),
            };
            cases.push(format!(
                " WHEN {double} = 0 THEN 'n' WHEN {double} IS NOT NULL THEN {key}"
            ));
        }
        let flag = of.flag.as_ref().map(|flag| d.as_text(flag));
        let array = of.array.as_ref().map(|array| array.json.clone());
        let time = of.time.as_ref().map(|time| d.as_text(time));
        for (mark, text) in [
            ("'t'", of.text.clone()),
            ("'b'", flag),
            ("'a'", array),
            ("'i'", time),
        ] {
            if let Some(text) = text {
                let key = d.joined(&[mark, &text]);
                cases.push(format!(" WHEN {text} IS NOT NULL THEN {key}"));
            }
        }
        if cases.is_empty() {
            return "NULL".to_owned();
        }
        format!("CASE{} END", cases.concat())
    }

    /// That each of these rows has the same value of a property as the first, which has one.
    pub(crate) fn share(
        &mut self,
        rows: &[String],
        path: &str,
        span: Span,
    ) -> Result<String, Refusal> {
        let first = self.property(&rows[0], path, span)?;
        let mut parts = Vec::new();
        for row in rows {
            let other = self.property(row, path, span)?;
            parts.push(is_same(&other, &first));
        }
        Ok(all(parts))
    }
}
