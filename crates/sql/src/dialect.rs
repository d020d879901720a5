//! The words in which dialects differ. What a dialect has no exact word for is `None`.

use crate::value::Sides;
use std::fmt;

/// Whose SQL is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `DuckDB` 1.3 and later.
    DuckDb,
    /// Apache `DataFusion`. It has no functions for JSON of its own: tests of event properties are
    /// refused.
    DataFusion,
    /// `ClickHouse`.
    ClickHouse,
    /// Apache Spark 3.4 and later. It reads a JSON property without its type: tests of event
    /// properties are refused.
    Spark,
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DuckDb => "DuckDB",
            Self::DataFusion => "DataFusion",
            Self::ClickHouse => "ClickHouse",
            Self::Spark => "Spark",
        })
    }
}

/// One JSON property, by type: each is NULL for values of another type.
pub(crate) struct JsonValue {
    pub(crate) is_set: String,
    pub(crate) number: String,
    pub(crate) text: String,
    pub(crate) flag: String,
    /// The array; only where its elements can be tested.
    pub(crate) array: Option<String>,
}

/// A number as JSON writes it, and nothing around it.
const JSON_NUMBER: &str = r"\A-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\z";

impl Dialect {
    pub(crate) fn ident(self, name: &str) -> String {
        match self {
            Self::DuckDb | Self::DataFusion => format!("\"{}\"", name.replace('"', "\"\"")),
            Self::ClickHouse => format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")),
            Self::Spark => format!("`{}`", name.replace('`', "``")),
        }
    }

    pub(crate) fn text(self, text: &str) -> String {
        match self {
            Self::DuckDb | Self::DataFusion => format!("'{}'", text.replace('\'', "''")),
            Self::ClickHouse | Self::Spark => {
                format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
            }
        }
    }

    /// A double, with its exponent, so that it is no decimal.
    pub(crate) fn double(self, value: f64) -> String {
        let text = if self == Self::Spark {
            format!("{value:e}D")
        } else {
            format!("{value:e}")
        };
        if value < 0.0 {
            format!("({text})")
        } else {
            text
        }
    }

    pub(crate) fn as_double(self, value: &str) -> String {
        match self {
            Self::ClickHouse => format!("CAST({value} AS Nullable(Float64))"),
            _ => format!("CAST({value} AS DOUBLE)"),
        }
    }

    pub(crate) fn as_text(self, value: &str) -> String {
        match self {
            Self::ClickHouse => format!("toString({value})"),
            Self::Spark => format!("CAST({value} AS STRING)"),
            _ => format!("CAST({value} AS VARCHAR)"),
        }
    }

    /// Milliseconds since the epoch.
    pub(crate) fn epoch_ms(self, time: &str) -> String {
        match self {
            Self::DuckDb => format!("epoch_ms({time})"),
            Self::DataFusion => format!("CAST(to_timestamp_millis({time}) AS BIGINT)"),
            Self::ClickHouse => {
                format!("toUnixTimestamp64Milli(CAST({time} AS Nullable(DateTime64(3, 'UTC'))))")
            }
            Self::Spark => format!("unix_millis({time})"),
        }
    }

    /// Year and month of milliseconds since the epoch, in UTC, as one number.
    pub(crate) fn month(self, at: &str) -> Option<String> {
        let (time, year, month) = match self {
            Self::DuckDb => (format!("make_timestamp({at} * 1000)"), "year", "month"),
            Self::ClickHouse => (
                format!("fromUnixTimestamp64Milli({at}, 'UTC')"),
                "toYear",
                "toMonth",
            ),
            Self::DataFusion => {
                let time = format!("to_timestamp_millis({at})");
                return Some(format!(
                    "date_part('year', {time}) * 12 + date_part('month', {time})"
                ));
            }
            // Reads instants in the zone of the session.
            Self::Spark => return None,
        };
        Some(format!("{year}({time}) * 12 + {month}({time})"))
    }

    pub(crate) fn is_nan(self, value: &str) -> String {
        match self {
            Self::ClickHouse => format!("isNaN({value})"),
            _ => format!("isnan({value})"),
        }
    }

    /// The number that a text wholly is, as a double; NULL if it is none.
    pub(crate) fn number_of_text(self, text: &str) -> String {
        let pattern = self.text(JSON_NUMBER);
        let (is_number, number) = match self {
            Self::DuckDb => (
                format!("regexp_matches({text}, {pattern})"),
                format!("TRY_CAST({text} AS DOUBLE)"),
            ),
            Self::DataFusion => (
                format!("regexp_like({text}, {pattern})"),
                format!("TRY_CAST({text} AS DOUBLE)"),
            ),
            Self::ClickHouse => (
                format!("match({text}, {pattern})"),
                // The quick reading of text may miss the nearest double by a bit.
                format!("CAST(CAST({text} AS Nullable(String)) AS Nullable(Float64))"),
            ),
            Self::Spark => (
                format!("{text} RLIKE {pattern}"),
                format!("TRY_CAST({text} AS DOUBLE)"),
            ),
        };
        let largest = self.double(f64::MAX);
        format!(
            "CASE WHEN {is_number} THEN CASE WHEN ABS({number}) <= {largest} THEN {number} END END"
        )
    }

    pub(crate) fn contains(self, text: &str, part: &str) -> String {
        let part = self.text(part);
        match self {
            Self::DuckDb | Self::DataFusion => format!("strpos({text}, {part}) > 0"),
            Self::ClickHouse => format!("position({text}, {part}) > 0"),
            Self::Spark => format!("instr({text}, {part}) > 0"),
        }
    }

    pub(crate) fn starts_with(self, text: &str, part: &str) -> String {
        let part = self.text(part);
        match self {
            Self::DuckDb | Self::DataFusion => format!("starts_with({text}, {part})"),
            Self::ClickHouse => format!("startsWith({text}, {part})"),
            Self::Spark => format!("startswith({text}, {part})"),
        }
    }

    pub(crate) fn ends_with(self, text: &str, part: &str) -> String {
        let part = self.text(part);
        match self {
            Self::DuckDb | Self::DataFusion => format!("ends_with({text}, {part})"),
            Self::ClickHouse => format!("endsWith({text}, {part})"),
            Self::Spark => format!("endswith({text}, {part})"),
        }
    }

    /// `like` with a pattern whose backslashes stand before `%`, `_` and backslashes only.
    pub(crate) fn like(self, text: &str, pattern: &str) -> String {
        let pattern = self.text(pattern);
        match self {
            Self::DuckDb => format!("{text} LIKE {pattern} ESCAPE '\\'"),
            _ => format!("{text} LIKE {pattern}"),
        }
    }

    /// Where the engine's regular expressions are those of the language.
    pub(crate) fn matches(self, text: &str, pattern: &str) -> Option<String> {
        let written = self.text(pattern);
        match self {
            Self::DataFusion => Some(format!("regexp_like({text}, {written})")),
            Self::DuckDb if is_common(pattern) => {
                Some(format!("regexp_matches({text}, {written})"))
            }
            _ => None,
        }
    }

    /// A double as a decimal of six places, for exact sums. Stops the statement where it has more
    /// places or more than 53 bits: its sum would depend on the order of rows.
    pub(crate) fn decimal(self, number: &str) -> Option<String> {
        if self != Self::DuckDb {
            return None;
        }
        let decimal = format!("TRY_CAST(CAST({number} AS VARCHAR) AS DECIMAL(38, 6))");
        Some(format!(
            "CASE WHEN {number} IS NULL THEN NULL WHEN CAST(CAST({decimal} AS VARCHAR) AS DOUBLE) = {number} AND (ABS({number}) < 9e9 OR (ABS({number}) < 9.007199254740992e15 AND {number} = FLOOR({number}))) THEN {decimal} ELSE error('no exact sum: a number has more than 6 places or 53 bits: ' || CAST({number} AS VARCHAR)) END"
        ))
    }

    /// Text that is the same for values that are one, and NULL for what is missing.
    pub(crate) fn distinct(self, of: &Sides) -> Option<String> {
        if self != Self::DuckDb {
            return None;
        }
        let mut cases = Vec::new();
        if let Some(number) = &of.number {
            // Integers of more bits would be taken for their neighbours.
            cases.push(format!(" WHEN ABS({number}) >= 9.007199254740992e15 THEN error('no exact count of different values: a number has more than 53 bits') WHEN {number} = 0 THEN 'n0' WHEN {number} IS NOT NULL THEN 'n' || CAST({number} AS VARCHAR)"));
        }
        if let Some(text) = &of.text {
            cases.push(format!(" WHEN {text} IS NOT NULL THEN 't' || {text}"));
        }
        if let Some(flag) = &of.flag {
            cases.push(format!(
                " WHEN {flag} IS NOT NULL THEN 'b' || CAST({flag} AS VARCHAR)"
            ));
        }
        if let Some(array) = &of.array {
            cases.push(format!(
                " WHEN {array} IS NOT NULL THEN 'a' || CAST({array} AS VARCHAR)"
            ));
        }
        Some(if cases.is_empty() {
            "NULL".to_owned()
        } else {
            format!("CASE{} END", cases.concat())
        })
    }

    /// A property of the JSON text in column `properties` of `row`, by its dotted path.
    pub(crate) fn json(self, row: &str, path: &str) -> Option<JsonValue> {
        match self {
            Self::DuckDb => {
                if path.contains(['"', '\\', '*']) {
                    return None;
                }
                let quoted: Vec<String> = path.split('.').map(|key| format!("\"{key}\"")).collect();
                let path = self.text(&format!("$.{}", quoted.join(".")));
                let kind = format!("json_type({row}.properties, {path})");
                let json = format!("json_extract({row}.properties, {path})");
                let text = format!("json_extract_string({row}.properties, {path})");
                Some(JsonValue {
                    is_set: format!("COALESCE({kind} NOT IN ('NULL', 'OBJECT'), FALSE)"),
                    number: format!(
                        "CASE WHEN {kind} IN ('BIGINT', 'UBIGINT', 'HUGEINT', 'UHUGEINT', 'DOUBLE') THEN CAST({text} AS DOUBLE) END"
                    ),
                    text: format!("CASE WHEN {kind} = 'VARCHAR' THEN {text} END"),
                    flag: format!("CASE WHEN {kind} = 'BOOLEAN' THEN {text} = 'true' END"),
                    array: Some(format!("CASE WHEN {kind} = 'ARRAY' THEN {json} END")),
                })
            }
            Self::ClickHouse => {
                let keys: Vec<String> = path.split('.').map(|key| self.text(key)).collect();
                let of = format!("{row}.properties, {}", keys.join(", "));
                // As text: the types of the function are an enumeration.
                let kind = format!("toString(JSONType({of}))");
                Some(JsonValue {
                    is_set: format!("COALESCE({kind} NOT IN ('Null', 'Object'), FALSE)"),
                    number: format!(
                        "CASE WHEN {kind} IN ('Int64', 'UInt64', 'Double') THEN JSONExtractFloat({of}) END"
                    ),
                    text: format!("CASE WHEN {kind} = 'String' THEN JSONExtractString({of}) END"),
                    flag: format!("CASE WHEN {kind} = 'Bool' THEN JSONExtractBool({of}) END"),
                    array: None,
                })
            }
            Self::DataFusion | Self::Spark => None,
        }
    }
}

/// Whether all regular expressions read a pattern alike: plain letters, repetition, alternatives
/// and simple classes.
fn is_common(pattern: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || " _/-.*+?^$|()[]:@,=%".contains(c);
    let odd = ["(?", "[:", "[[", "--", "]["];
    let nested = pattern.matches('[').count() != pattern.matches(']').count();
    pattern.chars().all(plain) && !odd.iter().any(|odd| pattern.contains(odd)) && !nested
}
