//! Changes of type that somebody asked for.

use crate::Refusal;
use crate::dialect::{As, Dialect};
use crate::number::{EXACT, Number};
use crate::value::Sides;
use crate::writer::Writer;
use crowdset_query::{Cast, Span};
use crowdset_types::TimestampMillis;

impl Writer<'_> {
    pub(crate) fn cast(&self, of: Sides, cast: Option<Cast>, span: Span) -> Result<Sides, Refusal> {
        let Some(cast) = cast else { return Ok(of) };
        if of.is_assumed {
            return Err(self.cannot("a cast of a column of unknown type", span));
        }
        let d = self.dialect;
        let missing = || "FALSE".to_owned();
        Ok(match cast {
            Cast::Number => {
                let read = match (of.read, &of.text) {
                    (None, Some(text)) => Some(Number::of(d, d.number_of_text(text), text)),
                    (read, _) => read,
                };
                match (of.number, read) {
                    // NaN is set.
                    (Some(number), None) => Sides {
                        number: Some(number),
                        ..Sides::new(of.is_set)
                    },
                    (Some(number), Some(read)) => numeric(number.or(read)),
                    (None, Some(read)) => numeric(read),
                    (None, None) => Sides::new(missing()),
                }
            }
            Cast::Text => {
                if of.time.is_some() {
                    return Err(self.cannot("`text(…)` of a time", span));
                }
                let number = match &of.number {
                    Some(_) if of.text.is_none() => {
                        return Err(self.cannot("`text(…)` of a column of numbers", span));
                    }
                    Some(_) if d == Dialect::Spark => {
                        return Err(self.cannot("`text(…)` of what may be a number", span));
                    }
                    number => number.as_ref().map(|number| text_of_number(d, number)),
                };
                let flag = of.flag.as_ref().map(|flag| {
                    format!("CASE WHEN {flag} THEN 'true' WHEN NOT {flag} THEN 'false' END")
                });
                let parts: Vec<String> = [of.text, number, flag].into_iter().flatten().collect();
                match parts.as_slice() {
                    [] => Sides::new(missing()),
                    [one] => textual(one.clone()),
                    more => textual(format!("COALESCE({})", more.join(", "))),
                }
            }
            Cast::Time => {
                let read = of.text.as_ref().map(|text| d.instant_of_text(text));
                timely(of.time.or(read))
            }
            Cast::TimeSeconds | Cast::TimeMillis => {
                let factor = if cast == Cast::TimeSeconds { 1e3 } else { 1.0 };
                let of_number = of.number.map(|number| {
                    let millis = format!("FLOOR({} * {})", number.double, d.double(factor));
                    // An instant that no table may hold is no instant.
                    format!(
                        "CASE WHEN {millis} BETWEEN {} AND {} THEN {} END",
                        TimestampMillis::MIN.0,
                        TimestampMillis::MAX.0,
                        d.as_integer(&millis)
                    )
                });
                // A time stays one, whatever the unit.
                timely(of.time.or(of_number))
            }
        })
    }
}

fn numeric(number: Number) -> Sides {
    Sides {
        is_set: format!("{} IS NOT NULL", number.double),
        number: Some(number),
        ..Sides::new(String::new())
    }
}

fn textual(text: String) -> Sides {
    Sides {
        is_set: format!("{text} IS NOT NULL"),
        text: Some(text),
        ..Sides::new(String::new())
    }
}

fn timely(time: Option<String>) -> Sides {
    match time {
        None => Sides::new("FALSE".to_owned()),
        Some(time) => Sides {
            is_set: format!("{time} IS NOT NULL"),
            time: Some(time),
            ..Sides::new(String::new())
        },
    }
}

/// The shortest text of a number; stops the statement where engines write an exponent.
fn text_of_number(d: Dialect, number: &Number) -> String {
    let double = &number.double;
    let whole = d.as_text(&d.as_integer(double));
    let stop = d.stop(
        "no exact text: a number has an exponent or more than 53 bits: ",
        double,
        As::Text,
    );
    format!(
        "CASE WHEN {double} IS NULL THEN NULL WHEN {double} = 0 OR ABS({double}) >= {} OR ABS({double}) < {} THEN CASE WHEN {double} = 0 AND {} NOT LIKE '-%' THEN '0' ELSE {stop} END WHEN {double} = FLOOR({double}) THEN {whole} ELSE {} END",
        d.double(EXACT),
        d.double(1e-3),
        d.as_text(double),
        d.as_text(double)
    )
}
