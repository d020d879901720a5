//! Tests on one value. Every text that is returned is TRUE or FALSE, never NULL.

use crate::Refusal;
use crate::dialect::Dialect;
use crate::number::Number;
use crate::pattern;
use crate::scope::Scope;
use crate::writer::Writer;
use crowdset_query::{CompareOp, Literal, Span, Test, TimePoint};
use crowdset_types::TimestampMillis;

/// What a value is by type. Each is an expression that is NULL where the value has another type;
/// `None` where it never has that type.
#[derive(Clone)]
pub(crate) struct Sides {
    pub(crate) is_set: String,
    pub(crate) number: Option<Number>,
    /// The number that an attribute's text wholly is.
    pub(crate) read: Option<Number>,
    pub(crate) text: Option<String>,
    pub(crate) flag: Option<String>,
    /// Milliseconds since the epoch.
    pub(crate) time: Option<String>,
    pub(crate) array: Option<Array>,
    /// Of the type of whatever it is compared with.
    pub(crate) is_assumed: bool,
}

/// An array of an event.
#[derive(Clone)]
pub(crate) struct Array {
    /// The row of the event.
    pub(crate) row: String,
    /// The property's dotted path.
    pub(crate) path: String,
    /// Its JSON text.
    pub(crate) json: String,
}

impl Sides {
    /// A value that is set where `is_set` says so, and of no type yet.
    pub(crate) fn new(is_set: String) -> Self {
        Self {
            is_set,
            number: None,
            read: None,
            text: None,
            flag: None,
            time: None,
            array: None,
            is_assumed: false,
        }
    }

    /// Text of an attribute, which reads as a number where it wholly is one.
    pub(crate) fn of_text(dialect: Dialect, value: String) -> Self {
        let double = dialect.number_of_text(&value);
        Self {
            read: Some(Number::of(dialect, double, &value)),
            text: Some(value.clone()),
            ..Self::new(format!("{value} IS NOT NULL"))
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
    let parts = parts.into_iter().filter(|part| part != "TRUE").collect();
    joined(parts, " AND ", "TRUE")
}

fn joined(mut parts: Vec<String>, between: &str, none: &str) -> String {
    match parts.len() {
        0 => none.to_owned(),
        1 => parts.remove(0),
        _ => format!("({})", parts.join(between)),
    }
}

pub(crate) fn sure(condition: &str) -> String {
    format!("COALESCE({condition}, FALSE)")
}

/// That two values are one, of one type and equal.
pub(crate) fn is_same(one: &Sides, two: &Sides) -> String {
    let number = |of: &Sides| of.number.clone();
    let texts = |of: &Sides| {
        let array = of.array.as_ref().map(|array| array.json.clone());
        [of.text.clone(), of.flag.clone(), array]
    };
    let mut parts = Vec::new();
    if let (Some(one), Some(two)) = (number(one), number(two)) {
        parts.push(one.compare(CompareOp::Equal, &two));
    }
    for (one, two) in texts(one).into_iter().zip(texts(two)) {
        if let (Some(one), Some(two)) = (one, two) {
            parts.push(format!("{one} = {two}"));
        }
    }
    any(parts.iter().map(|part| sure(part)).collect())
}

impl Writer<'_> {
    pub(crate) fn instant(&self, point: &TimePoint) -> i64 {
        match point {
            TimePoint::Now => self.as_of.0,
            TimePoint::Ago(length) => self.as_of.0.saturating_sub(length.0),
            TimePoint::At(instant) => *instant,
        }
    }

    fn compare(
        &self,
        of: &Sides,
        op: CompareOp,
        literal: &Literal,
        span: Span,
    ) -> Result<String, Refusal> {
        let signed = |side: &String, other: &str| format!("{side} {} {other}", sign(op));
        let numbers = |other: &Number| {
            let sides = [&of.number, &of.read].into_iter().flatten();
            sides.map(|side| side.compare(op, other)).collect()
        };
        let d = self.dialect;
        let parts: Vec<String> = match literal {
            Literal::Integer(value) => numbers(&Number::integer(d, *value)),
            Literal::Float(value) => numbers(&Number::float(d, *value)),
            Literal::Bool(value) => {
                let value = if *value { "TRUE" } else { "FALSE" };
                of.flag.iter().map(|flag| signed(flag, value)).collect()
            }
            Literal::Text(text) => {
                let other = d.text(text);
                let mut parts: Vec<String> =
                    of.text.iter().map(|side| signed(side, &other)).collect();
                if let Some(time) = of.time.as_ref().filter(|_| !of.is_assumed) {
                    let Ok((at, _)) = TimestampMillis::parse(text) else {
                        return Err(self.cannot("a time compared with text that is none", span));
                    };
                    parts.push(signed(time, &at.0.to_string()));
                }
                parts
            }
            Literal::Time(point) => {
                let at = self.instant(point).to_string();
                let times = self.times(of).into_iter();
                times.map(|time| signed(&time, &at)).collect()
            }
        };
        Ok(any(parts.iter().map(|part| sure(part)).collect()))
    }

    /// What is a time, and what reads as one beside a time.
    fn times(&self, of: &Sides) -> Vec<String> {
        let mut times: Vec<String> = of.time.iter().cloned().collect();
        if let Some(text) = of.text.as_ref().filter(|_| !of.is_assumed) {
            times.push(self.dialect.instant_of_text(text));
        }
        times
    }

    /// Whether the value can be compared with the literal at all.
    fn is_comparable(&self, of: &Sides, literal: &Literal) -> String {
        let mut sides: Vec<String> = Vec::new();
        match literal {
            Literal::Integer(_) | Literal::Float(_) => {
                let numbers = [&of.number, &of.read].into_iter().flatten();
                sides.extend(numbers.map(|number| number.double.clone()));
            }
            Literal::Bool(_) => sides.extend(of.flag.clone()),
            Literal::Text(_) => {
                sides.extend(of.text.clone());
                if !of.is_assumed {
                    sides.extend(of.time.clone());
                }
            }
            Literal::Time(_) => sides = self.times(of),
        }
        any(sides
            .iter()
            .map(|side| format!("{side} IS NOT NULL"))
            .collect())
    }

    fn compare_attribute(&self, of: &Sides, op: CompareOp, other: &Sides) -> String {
        let pair = |one: &Option<Number>, two: &Option<Number>| {
            Some(one.as_ref()?.compare(op, two.as_ref()?))
        };
        let plain = |one: Option<&String>, two: Option<&String>| {
            Some(format!("{} {} {}", one?, sign(op), two?))
        };
        let read = |sides: &Sides| {
            let text = sides.text.as_ref();
            text.map(|text| self.dialect.instant_of_text(text))
        };
        let flags_compare = matches!(op, CompareOp::Equal | CompareOp::NotEqual);
        let mut parts = vec![
            pair(&of.number, &other.number),
            pair(&of.number, &other.read),
            pair(&of.read, &other.number),
            plain(of.text.as_ref(), other.text.as_ref()),
            plain(of.time.as_ref(), other.time.as_ref()),
        ];
        if flags_compare {
            parts.push(plain(of.flag.as_ref(), other.flag.as_ref()));
        }
        if let (Some(_), Some(time)) = (&of.text, &other.time) {
            parts.push(plain(read(of).as_ref(), Some(time)));
        }
        if let (Some(time), Some(_)) = (&of.time, &other.text) {
            parts.push(plain(Some(time), read(other).as_ref()));
        }
        any(parts
            .into_iter()
            .flatten()
            .map(|part| sure(&part))
            .collect())
    }

    fn of_text(of: &Sides, condition: impl Fn(&str) -> String) -> String {
        of.text
            .as_deref()
            .map_or_else(|| "FALSE".to_owned(), |text| sure(&condition(text)))
    }

    fn matched(
        &self,
        of: &Sides,
        pattern: Option<String>,
        what: &str,
        span: Span,
    ) -> Result<String, Refusal> {
        match pattern {
            Some(pattern) => Ok(Self::of_text(of, |text| {
                self.dialect.matches(text, &pattern)
            })),
            None => Err(self.cannot(what, span)),
        }
    }

    /// The test of a value that `scope` holds.
    pub(crate) fn test(
        &mut self,
        scope: &mut Scope,
        of: &Sides,
        test: &Test,
        span: Span,
    ) -> Result<String, Refusal> {
        if let Test::CompareAttribute(op, attribute) = test {
            let other = self.attribute(scope, attribute)?;
            if of.is_assumed || other.is_assumed {
                return Err(self.cannot("a comparison with a column of unknown type", span));
            }
            return Ok(self.compare_attribute(of, *op, &other));
        }
        let each = |literals: &[Literal], one: &dyn Fn(&Literal) -> Result<String, Refusal>| {
            literals.iter().map(one).collect::<Result<Vec<_>, _>>()
        };
        let equals = |literal: &Literal| self.compare(of, CompareOp::Equal, literal, span);
        let has = |literal: &Literal| match &of.array {
            Some(array) => self.has(array, literal, span),
            None => Ok("FALSE".to_owned()),
        };
        let is_text = |text: &str| format!("{text} IS NOT NULL");
        let d = self.dialect;
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
                    .map(|literal| self.is_comparable(of, literal));
                all(vec![any(comparable.collect()), format!("NOT {equal}")])
            }
            Test::Contains(part) | Test::StartsWith(part) | Test::EndsWith(part)
                if part.is_empty() =>
            {
                Self::of_text(of, is_text)
            }
            Test::Contains(part) => Self::of_text(of, |text| d.contains(text, part)),
            Test::StartsWith(part) => Self::of_text(of, |text| d.starts_with(text, part)),
            Test::EndsWith(part) => Self::of_text(of, |text| d.ends_with(text, part)),
            Test::Like(like) => {
                let like = pattern::tidy(like);
                Self::of_text(of, |text| d.like(text, &like))
            }
            Test::ILike(like) => Self::of_text(of, |text| d.matches(text, &pattern::folded(like))),
            Test::Matches(regex) => {
                let read = pattern::common(d, regex);
                self.matched(of, read, "this regular expression", span)?
            }
            Test::IsSet => of.is_set.clone(),
            Test::IsNotSet => format!("NOT ({})", of.is_set),
            Test::Has(literal) => has(literal)?,
            Test::HasAny(literals) => any(each(literals, &has)?),
            Test::HasAll(literals) => all(each(literals, &has)?),
            Test::CompareAttribute(..) => unreachable!("answered above"),
        })
    }
}
