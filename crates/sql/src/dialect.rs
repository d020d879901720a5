//! The words in which dialects differ.

use std::fmt;

/// Whose SQL is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `DuckDB` 1.3 and later.
    DuckDb,
    /// Apache `DataFusion`. It has no functions for JSON of its own: event properties are read from
    /// a fourth table, `event_properties(event_id, name, type, value)`.
    DataFusion,
    /// `ClickHouse` 25 and later.
    ClickHouse,
    /// Apache Spark 4 and later.
    Spark,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 4] = [
        Self::DuckDb,
        Self::DataFusion,
        Self::ClickHouse,
        Self::Spark,
    ];
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

/// What an expression that never returns is taken for.
#[derive(Clone, Copy)]
pub(crate) enum As {
    Double,
    Text,
    Integer,
}

/// A number as JSON writes it, and nothing around it.
const JSON_NUMBER: &str = r"\A-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\z";

/// A date, or a date and a time of day, as RFC 3339 writes them.
const TIME: &str = r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-5][0-9])?)?\z";

/// What may be a time in some other form.
const NEARLY_TIME: &str =
    r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}[^0-9A-Za-z_-]|\A[0-9]{4}-[0-9]{2}-[0-9]{2}[tT][0-9]";

const WITH_ZONE: &str = r"\A.{11}.*(?:Z|[+-][0-9]{2}:[0-9]{2})\z";

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

    /// The double that a text says; NULL if it says none.
    pub(crate) fn try_double(self, text: &str) -> String {
        match self {
            // The quick reading of text may miss the nearest double by a bit.
            Self::ClickHouse => {
                format!("CAST(CAST({text} AS Nullable(String)) AS Nullable(Float64))")
            }
            _ => format!("TRY_CAST({text} AS DOUBLE)"),
        }
    }

    /// The integer of 64 bits that a text or a number is; NULL if it is none.
    pub(crate) fn try_integer(self, value: &str) -> String {
        match self {
            Self::ClickHouse => format!("toInt64OrNull(toString({value}))"),
            _ => format!("TRY_CAST({value} AS BIGINT)"),
        }
    }

    /// A whole double below 2^63 as an integer.
    pub(crate) fn as_integer(self, value: &str) -> String {
        match self {
            Self::ClickHouse => format!("CAST({value} AS Nullable(Int64))"),
            _ => format!("CAST({value} AS BIGINT)"),
        }
    }

    /// An integer with room for sums.
    pub(crate) fn wide(self, integer: &str) -> String {
        match self {
            Self::DuckDb => format!("CAST({integer} AS HUGEINT)"),
            Self::ClickHouse => format!("CAST({integer} AS Nullable(Decimal(38, 0)))"),
            _ => format!("CAST({integer} AS DECIMAL(38, 0))"),
        }
    }

    pub(crate) fn as_text(self, value: &str) -> String {
        match self {
            Self::ClickHouse => format!("toString({value})"),
            Self::Spark => format!("CAST({value} AS STRING)"),
            _ => format!("CAST({value} AS VARCHAR)"),
        }
    }

    /// Texts one behind the other.
    pub(crate) fn joined(self, parts: &[&str]) -> String {
        match self {
            Self::ClickHouse | Self::Spark => format!("concat({})", parts.join(", ")),
            _ => format!("({})", parts.join(" || ")),
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

    /// Year and month as one number, of a day counted from the epoch.
    pub(crate) fn month_of_day(self, day: &str) -> String {
        let (date, year, month) = match self {
            Self::DuckDb => (
                format!("(DATE '1970-01-01' + CAST({day} AS INTEGER))"),
                "year",
                "month",
            ),
            Self::ClickHouse => (
                format!(
                    "addDays(toDateTime64('1970-01-01 00:00:00', 3, 'UTC'), CAST({day} AS Int64))"
                ),
                "toYear",
                "toMonth",
            ),
            Self::DataFusion => {
                let time = format!("to_timestamp_millis(CAST({day} * 8.64e7 AS BIGINT))");
                return format!("date_part('year', {time}) * 12 + date_part('month', {time})");
            }
            Self::Spark => (
                format!("date_add(DATE '1970-01-01', CAST({day} AS INT))"),
                "year",
                "month",
            ),
        };
        format!("{year}({date}) * 12 + {month}({date})")
    }

    pub(crate) fn is_nan(self, value: &str) -> String {
        match self {
            Self::ClickHouse => format!("isNaN({value})"),
            _ => format!("isnan({value})"),
        }
    }

    /// Whether a text matches a regular expression that all engines read alike.
    pub(crate) fn matches(self, text: &str, pattern: &str) -> String {
        let pattern = self.text(pattern);
        match self {
            Self::DuckDb => format!("regexp_matches({text}, {pattern})"),
            Self::DataFusion => format!("regexp_like({text}, {pattern})"),
            Self::ClickHouse => format!("match({text}, {pattern})"),
            Self::Spark => format!("{text} RLIKE {pattern}"),
        }
    }

    /// The share of a bucket, for an engine that has its hash.
    pub(crate) fn bucket(self, salt: &str, user: &str) -> Option<String> {
        if self != Self::ClickHouse {
            return None;
        }
        let hash = format!("xxh3(concat({}, char(0), {user}))", self.text(salt));
        // The largest hashes are nearer to 2^64 than any double below it.
        Some(format!(
            "LEAST(toFloat64({hash}) / {}, {})",
            self.double(18_446_744_073_709_551_616.0),
            self.double(1.0_f64.next_down())
        ))
    }

    /// The number that a text wholly is, as a double; NULL if it is none.
    pub(crate) fn number_of_text(self, text: &str) -> String {
        let is_number = self.matches(text, JSON_NUMBER);
        let number = self.try_double(text);
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

    /// Stops the statement with a message where it is reached. `value` is what it stops about.
    pub(crate) fn stop(self, why: &str, value: &str, kind: As) -> String {
        let message = self.text(why);
        let (double, text, integer) = match self {
            Self::ClickHouse => (
                "Nullable(Float64)",
                "Nullable(String)",
                "Nullable(Decimal(38, 0))",
            ),
            Self::Spark => ("DOUBLE", "STRING", "DECIMAL(38, 0)"),
            Self::DuckDb => ("DOUBLE", "VARCHAR", "HUGEINT"),
            Self::DataFusion => ("DOUBLE", "VARCHAR", "DECIMAL(38, 0)"),
        };
        let kind = match kind {
            As::Double => double,
            As::Text => text,
            As::Integer => integer,
        };
        let stop = match self {
            Self::DuckDb => format!("error({message})"),
            // There is no word for it, but text that is no number cannot be read as one.
            Self::DataFusion => {
                let text = self.joined(&[&message, &self.as_text(value)]);
                format!("CAST({text} AS BIGINT)")
            }
            Self::ClickHouse => format!("throwIf({value} IS NOT NULL, {message})"),
            Self::Spark => format!("raise_error({message})"),
        };
        format!("CAST({stop} AS {kind})")
    }

    /// The instant that a text is, in milliseconds since the epoch; NULL if it is none. Stops the
    /// statement where a time may be written in a form that engines read in different ways.
    pub(crate) fn instant_of_text(self, text: &str) -> String {
        let day_only = self.joined(&[text, "'T00:00:00Z'"]);
        let in_utc = self.joined(&[text, "'Z'"]);
        let length = if self == Self::ClickHouse {
            "lengthUTF8"
        } else {
            "length"
        };
        let written = format!(
            "CASE WHEN {length}({text}) = 10 THEN {day_only} WHEN {} THEN {text} ELSE {in_utc} END",
            self.matches(text, WITH_ZONE)
        );
        let instant = match self {
            // A date beyond the last of its month is none.
            Self::DuckDb => format!("FLOOR(epoch_us(TRY_CAST({written} AS TIMESTAMPTZ)) / 1e3)"),
            Self::DataFusion => {
                format!("FLOOR(CAST(TRY_CAST({written} AS TIMESTAMP) AS BIGINT) / 1e6)")
            }
            Self::ClickHouse => format!(
                "CASE WHEN toDayOfMonth(toDate32OrNull(substring({text}, 1, 10))) = toUInt8OrNull(substring({text}, 9, 2)) AND substring({text}, 12, 2) < '24' THEN toUnixTimestamp64Milli(parseDateTime64BestEffortOrNull({written}, 3, 'UTC')) END"
            ),
            Self::Spark => format!("unix_millis(TRY_CAST({written} AS TIMESTAMP))"),
        };
        let stop = self.stop(
            "no exact reading of this as a time; write RFC 3339: ",
            text,
            As::Double,
        );
        // What lies outside of the years that a table may hold is no instant.
        format!(
            "CASE WHEN {text} < '1677-09-22' OR {text} >= '2262-04-11' THEN NULL WHEN {} THEN {instant} WHEN {} THEN {stop} END",
            self.matches(text, TIME),
            self.matches(text, NEARLY_TIME)
        )
    }
}
