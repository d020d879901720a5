//! JSON values that know where they stand, so that every error can say it.

use crate::ast::TimePoint;
use crate::checks::{self, nearest};
use crate::diagnostic::Diagnostic;
use crate::parser::shorten;
use crowdset_types::{DurationMillis, Number, TimestampMillis};
use serde_json::{Map, Value};
use std::fmt::{self, Display, Formatter};

pub(in crate::json) type Read<T> = Result<T, Diagnostic>;

/// The keys and numbers that lead to a value: `$.and[2].did`.
#[derive(Debug, Clone)]
pub(in crate::json) struct Path(String);

impl Path {
    /// The way to the whole.
    pub(in crate::json) fn top() -> Self {
        Self("$".to_owned())
    }

    fn key(&self, key: &str) -> Self {
        Self(format!("{}.{key}", self.0))
    }

    fn item(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }
}

impl Display for Path {
    /// Of a long path its ends: the middle of a hundred levels tells nobody anything.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        const END_CHARS: usize = 60;
        let (path, chars) = (&self.0, self.0.chars().count());
        if chars <= 2 * END_CHARS + 1 {
            return f.write_str(path);
        }
        let ends = [END_CHARS, chars - END_CHARS].map(|end| {
            path.char_indices()
                .nth(end)
                .map_or(path.len(), |(at, _)| at)
        });
        write!(f, "{}…{}", &path[..ends[0]], &path[ends[1]..])
    }
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(in crate::json) struct Place<'a> {
    pub(in crate::json) value: &'a Value,
    pub(in crate::json) path: Path,
}

impl<'a> Place<'a> {
    pub(in crate::json) fn error(&self, message: impl Display) -> Diagnostic {
        Diagnostic::error("json", format!("{}: {message}", self.path))
    }

    pub(in crate::json) fn expected(&self, what: &str) -> Diagnostic {
        let found = match self.value {
            Value::Null => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Number(value) => value.to_string(),
            Value::String(text) => format!("`{}`", shorten(text)),
            Value::Array(_) => "a list".to_owned(),
            Value::Object(_) => "an object".to_owned(),
        };
        self.error(format!("expected {what}, found {found}"))
    }

    /// A finding of [`checks`] at this place.
    pub(in crate::json) fn accept(&self, finding: Option<Diagnostic>) -> Read<()> {
        match finding {
            Some(finding) => Err(Diagnostic {
                message: format!("{}: {}", self.path, finding.message),
                ..finding
            }),
            None => Ok(()),
        }
    }

    pub(in crate::json) fn object(&self) -> Read<Fields<'a>> {
        match self.value {
            Value::Object(object) => Ok(Fields {
                object,
                path: self.path.clone(),
                known: Vec::new(),
            }),
            _ => Err(self.expected("an object")),
        }
    }

    /// The items of a list, one after the other: a long list far inside has long paths.
    pub(in crate::json) fn items(&self) -> Read<impl Iterator<Item = Place<'a>> + use<'a>> {
        let Value::Array(values) = self.value else {
            return Err(self.expected("a list"));
        };
        let path = self.path.clone();
        Ok(values.iter().enumerate().map(move |(index, value)| Place {
            value,
            path: path.item(index),
        }))
    }

    /// The items of a list, in the form of `read`.
    pub(in crate::json) fn all<T>(&self, read: impl FnMut(Place<'a>) -> Read<T>) -> Read<Vec<T>> {
        self.items()?.map(read).collect()
    }

    /// A list of two; `what` they are.
    pub(in crate::json) fn pair(&self, what: &str) -> Read<[Place<'a>; 2]> {
        let mut items = self.items()?;
        match (items.next(), items.next(), items.next()) {
            (Some(first), Some(second), None) => Ok([first, second]),
            _ => Err(self.expected(what)),
        }
    }

    pub(in crate::json) fn text(&self, what: &str) -> Read<&'a str> {
        self.value.as_str().ok_or_else(|| self.expected(what))
    }

    pub(in crate::json) fn is_true(&self) -> Read<()> {
        if self.value == &Value::Bool(true) {
            Ok(())
        } else {
            Err(self.expected("true"))
        }
    }

    pub(in crate::json) fn number(&self) -> Read<Number> {
        let number = match self.value {
            Value::Number(number) => match number.as_i64() {
                Some(value) => Some(Number::Integer(value)),
                None => number.as_f64().map(Number::Float),
            },
            _ => None,
        };
        let number = number.ok_or_else(|| self.expected("a number"))?;
        self.accept(checks::number_problem(number))?;
        Ok(number)
    }

    pub(in crate::json) fn duration(&self) -> Read<DurationMillis> {
        let text = self.text("a duration such as `30d`")?;
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let unit = DurationMillis::UNITS
            .into_iter()
            .find(|(_, short, _)| *short == &text[digits..]);
        let Some((_, _, unit)) = unit.filter(|_| digits > 0) else {
            let units = "`2w`, `30d`, `36h`, `90m`, `5s` or `250ms`";
            return Err(self.error(format!(
                "`{text}` is no duration; write a whole number and a unit: {units}"
            )));
        };
        let millis = text[..digits]
            .parse::<i64>()
            .ok()
            .and_then(|amount| amount.checked_mul(unit));
        millis
            .map(DurationMillis)
            .ok_or_else(|| self.error("the duration is longer than any time can be"))
    }

    pub(in crate::json) fn instant(&self) -> Read<i64> {
        let text = self.text("a time such as `2026-01-01`")?;
        TimestampMillis::parse(text)
            .map(|(instant, _)| instant.0)
            .map_err(|error| self.error(error))
    }

    /// `{"ago": …}`, `{"now": true}`; `None` if the object is something else.
    pub(in crate::json) fn relative_time(&self) -> Read<Option<TimePoint>> {
        if self.value.get("ago").is_none() && self.value.get("now").is_none() {
            return Ok(None);
        }
        let mut fields = self.object()?;
        let point = if let Some(ago) = fields.take("ago") {
            TimePoint::Ago(ago.duration()?)
        } else {
            fields.need("now")?.is_true()?;
            TimePoint::Now
        };
        fields.finish()?;
        Ok(Some(point))
    }

    pub(in crate::json) fn time_point(&self) -> Read<TimePoint> {
        match self.relative_time()? {
            Some(point) => Ok(point),
            None => self.instant().map(TimePoint::At),
        }
    }
}

/// The keys of one object; each must be asked for.
pub(in crate::json) struct Fields<'a> {
    pub(in crate::json) object: &'a Map<String, Value>,
    path: Path,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    pub(in crate::json) fn take(&mut self, key: &'static str) -> Option<Place<'a>> {
        self.known.push(key);
        self.object.get(key).map(|value| Place {
            value,
            path: self.path.key(key),
        })
    }

    pub(in crate::json) fn need(&mut self, key: &'static str) -> Read<Place<'a>> {
        let path = self.path.clone();
        self.take(key)
            .ok_or_else(|| Diagnostic::error("json", format!("{path}: the key `{key}` is missing")))
    }

    pub(in crate::json) fn has(&self, key: &str) -> bool {
        self.object.contains_key(key)
    }

    /// Which of these keys is there.
    pub(in crate::json) fn which(&mut self, keys: &[&'static str]) -> Option<&'static str> {
        self.known.extend(keys);
        keys.iter()
            .copied()
            .find(|key| self.object.contains_key(*key))
    }

    /// No key may be left that nobody asked for.
    pub(in crate::json) fn finish(mut self) -> Read<()> {
        let Some(unknown) = self
            .object
            .keys()
            .find(|key| !self.known.contains(&key.as_str()))
        else {
            return Ok(());
        };
        self.known.sort_unstable();
        self.known.dedup();
        let finding = Diagnostic::error(
            "unknown-key",
            format!("{}: unknown key", self.path.key(&shorten(unknown))),
        );
        Err(
            match nearest(unknown, self.known.iter().copied())
                .filter(|key| !self.object.contains_key(*key))
            {
                Some(key) => finding.help(format!("did you mean `{key}`?")),
                None => finding.help(format!("known here: {}", self.known.join(", "))),
            },
        )
    }

    /// As [`Fields::finish`], for objects whose kind `chosen` decided: of the `others` none may be
    /// there as well.
    pub(in crate::json) fn finish_kind(
        mut self,
        chosen: &str,
        others: &[&'static str],
    ) -> Read<()> {
        self.known
            .retain(|key| *key == chosen || !others.contains(key));
        match others
            .iter()
            .find(|key| **key != chosen && self.object.contains_key(**key))
        {
            Some(other) => Err(Diagnostic::error(
                "json",
                format!(
                    "{}: `{chosen}` and `{other}` do not go together in one object",
                    self.path
                ),
            )),
            None => self.finish(),
        }
    }
}
