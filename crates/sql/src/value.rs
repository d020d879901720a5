//! Tests on one value. Every text that is returned is TRUE or FALSE, never NULL.

use crate::Refusal;
use crate::condition::Writer;
use crate::dialect::JsonValue;
use crowdset_query::{Cast, CompareOp, Literal, Span, Test, TimePoint};
use crowdset_types::TimestampMillis;

/// Below this, comparing as doubles is comparing exactly: no other integer rounds to the literal.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// What a value is by type. Each is an expression that is NULL where the value has another type;
/// `None` where it never has that type.
pub(crate) struct Sides {
    pub(crate) is_set: String,
    /// As a double, never NaN.
    pub(crate) number: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) flag: Option<String>,
    /// Milliseconds since the epoch.
    pub(crate) time: Option<String>,
    pub(crate) array: Option<String>,
    /// Arrays may occur, yet their elements cannot be looked at.
    pub(crate) hides_arrays: bool,
    /// Of the type of whatever it is compared with.
    pub(crate) is_assumed: bool,
}

impl Sides {
    /// A value that is set where `is_set` says so, and of no type yet.
    pub(crate) fn new(is_set: String) -> Self {
        Self {
            is_set,
            number: None,
            text: None,
            flag: None,
            time: None,
            array: None,
            hides_arrays: false,
            is_assumed: false,
        }
    }

    pub(crate) fn json(value: JsonValue) -> Self {
        Self {
            number: Some(value.number),
            text: Some(value.text),
            flag: Some(value.flag),
            hides_arrays: value.array.is_none(),
            array: value.array,
            ..Self::new(value.is_set)
        }
    }
}

pub(crate) fn sign(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Equal => "=",
        CompareOp::NotEqual => "<>",
        CompareOp::Less => "<",
        CompareOp::LessOrEqual => "<=",
        CompareOp::Greater => ">",
        CompareOp::GreaterOrEqual => ">=",
    }
}

/// `(a OR b)`; FALSE for none.
pub(crate) fn any(parts: Vec<String>) -> String {
    joined(parts, " OR ", "FALSE")
}

/// `(a AND b)`; TRUE for none.
pub(crate) fn all(parts: Vec<String>) -> String {
    joined(parts, " AND ", "TRUE")
}

fn joined(mut parts: Vec<String>, between: &str, none: &str) -> String {
    match parts.len() {
        0 => none.to_owned(),
        1 => parts.remove(0),
        _ => format!("({})", parts.join(between)),
    }
}

fn sure(condition: &str) -> String {
    format!("COALESCE({condition}, FALSE)")
}

impl Writer<'_> {
    /// A number as a double, if comparing with it as a double is exact.
    pub(crate) fn number(&self, value: f64, span: Span) -> Result<String, Refusal> {
        if value.abs() < EXACT {
            Ok(self.dialect.double(value))
        } else {
            Err(self.cannot("a number of more than 53 bits", span))
        }
    }

    pub(crate) fn instant(&self, point: &TimePoint) -> i64 {
        match point {
            TimePoint::Now => self.as_of.0,
            TimePoint::Ago(length) => self.as_of.0.saturating_sub(length.0),
            TimePoint::At(instant) => *instant,
        }
    }

    pub(crate) fn cast(
        &self,
        of: Sides,
        cast: Option<Cast>,
        is_attribute: bool,
        span: Span,
    ) -> Result<Sides, Refusal> {
        let Some(cast) = cast else { return Ok(of) };
        match cast {
            _ if of.is_assumed => Err(self.cannot("a cast of a column of unknown type", span)),
            Cast::Number => {
                let has_text = of.text.is_some();
                let number = match (of.number, &of.text) {
                    // Of an attribute the number already is what its text says.
                    (Some(number), Some(text)) if !is_attribute => Some(format!(
                        "COALESCE({number}, {})",
                        self.dialect.number_of_text(text)
                    )),
                    (number, _) => number,
                };
                let is_set = match &number {
                    // NaN is set.
                    Some(_) if !has_text => of.is_set,
                    Some(number) => format!("{number} IS NOT NULL"),
                    None => "FALSE".to_owned(),
                };
                Ok(Sides {
                    number,
                    ..Sides::new(is_set)
                })
            }
            Cast::Text if of.number.is_none() || is_attribute && of.text.is_some() => {
                if of.flag.is_some() || of.time.is_some() || of.array.is_some() {
                    return Err(self.cannot("`text(…)`", span));
                }
                Ok(Sides {
                    text: of.text,
                    ..Sides::new(of.is_set)
                })
            }
            Cast::Time if of.text.is_none() && of.time.is_some() => Ok(of),
            Cast::Text => Err(self.cannot("`text(…)`", span)),
            Cast::Time | Cast::TimeSeconds | Cast::TimeMillis => {
                Err(self.cannot("`time(…)`", span))
            }
        }
    }

    fn compare(
        &self,
        of: &Sides,
        op: CompareOp,
        literal: &Literal,
        span: Span,
    ) -> Result<String, Refusal> {
        let sign = sign(op);
        let mut parts = Vec::new();
        let mut add = |side: &Option<String>, other: String| {
            if let Some(side) = side {
                parts.push(format!("{side} {sign} {other}"));
            }
        };
        match literal {
            Literal::Integer(value) => add(&of.number, self.number(*value as f64, span)?),
            Literal::Float(value) => add(&of.number, self.number(*value, span)?),
            Literal::Bool(value) => add(&of.flag, if *value { "TRUE" } else { "FALSE" }.to_owned()),
            Literal::Text(text) => {
                add(&of.text, self.dialect.text(text));
                if !of.is_assumed && of.time.is_some() {
                    let Ok((at, _)) = TimestampMillis::parse(text) else {
                        return Err(self.cannot("a time compared with text that is none", span));
                    };
                    add(&of.time, at.0.to_string());
                }
            }
            Literal::Time(point) => {
                if of.text.is_some() && !of.is_assumed {
                    return Err(self.cannot("text read as a time", span));
                }
                add(&of.time, self.instant(point).to_string());
            }
        }
        let parts = parts.iter().map(|part| sure(part)).collect();
        Ok(any(parts))
    }

    /// Whether the value can be compared with the literal at all.
    fn is_comparable(of: &Sides, literal: &Literal) -> String {
        let mut sides = Vec::new();
        match literal {
            Literal::Integer(_) | Literal::Float(_) => sides.extend(&of.number),
            Literal::Bool(_) => sides.extend(&of.flag),
            Literal::Text(_) => {
                sides.extend(&of.text);
                if !of.is_assumed {
                    sides.extend(&of.time);
                }
            }
            Literal::Time(_) => sides.extend(&of.time),
        }
        any(sides
            .iter()
            .map(|side| format!("{side} IS NOT NULL"))
            .collect())
    }

    fn of_text(of: &Sides, condition: impl Fn(&str) -> String) -> String {
        of.text
            .as_deref()
            .map_or_else(|| "FALSE".to_owned(), |text| sure(&condition(text)))
    }

    fn has(&self, of: &Sides, literal: &Literal, span: Span) -> Result<String, Refusal> {
        if of.hides_arrays {
            return Err(self.cannot("`has`", span));
        }
        let Some(array) = &of.array else {
            return Ok("FALSE".to_owned());
        };
        // Only DuckDB comes here: the others hide their arrays.
        let (kinds, is_it) = match literal {
            Literal::Integer(value) => (
                "'BIGINT', 'UBIGINT', 'HUGEINT', 'UHUGEINT', 'DOUBLE'",
                format!("CAST(x AS DOUBLE) = {}", self.number(*value as f64, span)?),
            ),
            Literal::Float(value) => (
                "'BIGINT', 'UBIGINT', 'HUGEINT', 'UHUGEINT', 'DOUBLE'",
                format!("CAST(x AS DOUBLE) = {}", self.number(*value, span)?),
            ),
            Literal::Text(text) => (
                "'VARCHAR'",
                format!("json_extract_string(x, '$') = {}", self.dialect.text(text)),
            ),
            Literal::Bool(value) => (
                "'BOOLEAN'",
                format!("json_extract_string(x, '$') = '{value}'"),
            ),
            // An element of an array is never a time.
            Literal::Time(_) => return Ok("FALSE".to_owned()),
        };
        Ok(sure(&format!(
            "len(list_filter(CAST({array} AS JSON[]), lambda x: CASE WHEN json_type(x) IN ({kinds}) THEN {is_it} ELSE FALSE END)) > 0"
        )))
    }

    /// The test of a value.
    pub(crate) fn test(&self, of: &Sides, test: &Test, span: Span) -> Result<String, Refusal> {
        let each = |literals: &[Literal], one: &dyn Fn(&Literal) -> Result<String, Refusal>| {
            literals.iter().map(one).collect::<Result<Vec<_>, _>>()
        };
        let equals = |literal: &Literal| self.compare(of, CompareOp::Equal, literal, span);
        let has = |literal: &Literal| self.has(of, literal, span);
        Ok(match test {
            Test::Compare(op, literal) => self.compare(of, *op, literal, span)?,
            Test::Between(low, high) => all(vec![
                self.compare(of, CompareOp::GreaterOrEqual, low, span)?,
                self.compare(of, CompareOp::LessOrEqual, high, span)?,
            ]),
            Test::In(literals) => any(each(literals, &equals)?),
            Test::NotIn(literals) => {
                let equal = any(each(literals, &equals)?);
                let comparable = literals
                    .iter()
                    .map(|literal| Self::is_comparable(of, literal));
                all(vec![any(comparable.collect()), format!("NOT {equal}")])
            }
            Test::Contains(part) if part.is_empty() => {
                Self::of_text(of, |text| format!("{text} IS NOT NULL"))
            }
            Test::StartsWith(part) if part.is_empty() => {
                Self::of_text(of, |text| format!("{text} IS NOT NULL"))
            }
            Test::EndsWith(part) if part.is_empty() => {
                Self::of_text(of, |text| format!("{text} IS NOT NULL"))
            }
            Test::Contains(part) => Self::of_text(of, |text| self.dialect.contains(text, part)),
            Test::StartsWith(part) => {
                Self::of_text(of, |text| self.dialect.starts_with(text, part))
            }
            Test::EndsWith(part) => Self::of_text(of, |text| self.dialect.ends_with(text, part)),
            Test::Like(pattern) => {
                let pattern = tidy(pattern);
                Self::of_text(of, |text| self.dialect.like(text, &pattern))
            }
            Test::ILike(_) => return Err(self.cannot("`ilike`", span)),
            Test::Matches(pattern) => {
                if self.dialect.matches("", pattern).is_none() {
                    return Err(self.cannot("this regular expression", span));
                }
                Self::of_text(of, |text| {
                    self.dialect.matches(text, pattern).unwrap_or_default()
                })
            }
            Test::IsSet => of.is_set.clone(),
            Test::IsNotSet => format!("NOT ({})", of.is_set),
            Test::Has(literal) => has(literal)?,
            Test::HasAny(literals) => any(each(literals, &has)?),
            Test::HasAll(literals) => all(each(literals, &has)?),
            Test::CompareAttribute(..) => {
                return Err(self.cannot("a comparison with an attribute", span));
            }
        })
    }
}

/// The pattern with backslashes only where they are needed.
fn tidy(pattern: &str) -> String {
    let mut tidy = String::new();
    let mut chars = pattern.chars();
    while let Some(char) = chars.next() {
        if char == '\\' {
            let literal = chars.next().unwrap_or('\\');
            if matches!(literal, '%' | '_' | '\\') {
                tidy.push('\\');
            }
            tidy.push(literal);
        } else {
            tidy.push(char);
        }
    }
    tidy
}
