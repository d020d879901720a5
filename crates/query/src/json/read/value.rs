//! Attributes, casts, paths, tests and values.

use crate::ast::{
    AttributeOperand, AttributeRef, AttributeTable, Cast, CompareOp, Literal, Operand, Span, Test,
    TimePoint,
};
use crate::checks;
use crate::json::place::{Fields, Place, Read};
use crowdset_types::Number;
use serde_json::Value;

pub(super) fn attribute(place: &Place<'_>) -> Read<AttributeRef> {
    let plain = |table, name: &str| AttributeRef {
        table,
        name: name.to_owned(),
        span: Span::default(),
    };
    if let Value::String(text) = place.value {
        return Ok(match text.split_once('.') {
            Some(("users", name)) => plain(Some(AttributeTable::Users), name),
            Some(("property", name)) => plain(Some(AttributeTable::Property), name),
            _ => plain(None, text),
        });
    }
    let mut fields = place.object()?;
    let name = fields.need("name")?.text("a name")?.to_owned();
    let table = match fields.take("table") {
        None => None,
        Some(table) => match table.text("`users` or `property`")? {
            "users" => Some(AttributeTable::Users),
            "property" => Some(AttributeTable::Property),
            _ => return Err(table.expected("`users` or `property`")),
        },
    };
    fields.finish()?;
    Ok(plain(table, &name))
}

pub(super) fn attribute_operand(
    place: &Place<'_>,
    fields: &mut Fields<'_>,
) -> Read<AttributeOperand> {
    Ok(AttributeOperand {
        attribute: attribute(place)?,
        cast: cast(fields)?,
    })
}

pub(super) fn cast(fields: &mut Fields<'_>) -> Read<Option<Cast>> {
    let Some(place) = fields.take("cast") else {
        return Ok(None);
    };
    let unit = fields.take("unit");
    let cast = match place.text("`number`, `text` or `time`")? {
        "number" => Cast::Number,
        "text" => Cast::Text,
        "time" => Cast::Time,
        _ => return Err(place.expected("`number`, `text` or `time`")),
    };
    let Some(unit) = unit else {
        return Ok(Some(cast));
    };
    match (cast, unit.text("`s` or `ms`")?) {
        (Cast::Time, "s") => Ok(Some(Cast::TimeSeconds)),
        (Cast::Time, "ms") => Ok(Some(Cast::TimeMillis)),
        (Cast::Time, _) => Err(unit.expected("`s` or `ms`")),
        _ => Err(unit.error("only the cast to `time` has a unit")),
    }
}

/// A dotted path, or its parts.
pub(in crate::json) fn path(place: &Place<'_>) -> Read<String> {
    if let Value::String(path) = place.value {
        return Ok(path.clone());
    }
    let parts = place.all(|part| part.text("a part of a path"))?;
    if parts.is_empty() {
        return Err(place.expected("a property"));
    }
    Ok(parts.join("."))
}

pub(super) fn compare_op(op: &str) -> Option<CompareOp> {
    Some(match op {
        "=" => CompareOp::Equal,
        "!=" => CompareOp::NotEqual,
        "<" => CompareOp::Less,
        "<=" => CompareOp::LessOrEqual,
        ">" => CompareOp::Greater,
        ">=" => CompareOp::GreaterOrEqual,
        _ => return None,
    })
}

pub(super) fn test(fields: &mut Fields<'_>, place: &Place<'_>, operand: &Operand) -> Read<Test> {
    let op = fields.need("op")?;
    let name = op.text("an operator")?;
    let test = match name {
        "is set" => Test::IsSet,
        "is not set" => Test::IsNotSet,
        _ => {
            let value = fields.need("value")?;
            test_with_value(&op, name, &value)?
        }
    };
    place.accept(checks::leaf_problem(operand, &test))?;
    Ok(test)
}

pub(super) fn test_with_value(op: &Place<'_>, name: &str, value: &Place<'_>) -> Read<Test> {
    let list = || value.all(|item| literal(&item));
    let text = || value.text("text").map(str::to_owned);
    if let Some(op) = compare_op(name) {
        if value.value.get("attr").is_some() {
            let mut inner = value.object()?;
            let right = attribute(&inner.need("attr")?)?;
            inner.finish()?;
            if right.table.is_none() {
                return Err(value.error(
                    "an attribute on the right side names its table: `users.x` or `property.x`",
                ));
            }
            return Ok(Test::CompareAttribute(op, right));
        }
        return Ok(Test::Compare(op, literal(value)?));
    }
    Ok(match name {
        "between" => {
            let [low, high] = value.pair("two values")?;
            Test::Between(literal(&low)?, literal(&high)?)
        }
        "in" => Test::In(list()?),
        "not in" => Test::NotIn(list()?),
        "contains" => Test::Contains(text()?),
        "starts with" => Test::StartsWith(text()?),
        "ends with" => Test::EndsWith(text()?),
        "like" => Test::Like(text()?),
        "ilike" => Test::ILike(text()?),
        "matches" => Test::Matches(text()?),
        "has" => Test::Has(literal(value)?),
        "has any" => Test::HasAny(list()?),
        "has all" => Test::HasAll(list()?),
        _ => return Err(op.expected("an operator such as `=`, `in`, `starts with` or `is set`")),
    })
}

pub(super) fn literal(place: &Place<'_>) -> Read<Literal> {
    Ok(match place.value {
        Value::String(text) => Literal::Text(text.clone()),
        Value::Bool(value) => Literal::Bool(*value),
        Value::Number(_) => match place.number()? {
            Number::Integer(value) => Literal::Integer(value),
            Number::Float(value) => Literal::Float(value),
        },
        Value::Object(_) => {
            if let Some(point) = place.relative_time()? {
                return Ok(Literal::Time(point));
            }
            let mut fields = place.object()?;
            let instant = fields.need("at")?.instant()?;
            fields.finish()?;
            Literal::Time(TimePoint::At(instant))
        }
        Value::Null | Value::Array(_) => return Err(place.expected("a value")),
    })
}
