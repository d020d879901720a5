//! Conditions that hold no others.

use super::event::operand;
use super::value::{attribute, attribute_operand, literal, test};
use super::{NODES, Reader};
use crate::ast::{CompareOp, ExprKind, Literal, OccurrenceTest, Operand, RankEnd, RankSize, Test};
use crate::checks::{self, nearest};
use crate::diagnostic::Diagnostic;
use crate::json::place::{Fields, Place, Read};
use serde_json::Value;

impl Reader {
    /// A condition without conditions inside, of the key `kind`.
    pub(super) fn condition(
        &mut self,
        kind: &str,
        of: &Place<'_>,
        place: &Place<'_>,
        fields: &mut Fields<'_>,
    ) -> Read<ExprKind> {
        Ok(match kind {
            "everyone" => {
                of.is_true()?;
                ExprKind::Everyone
            }
            "nobody" => {
                of.is_true()?;
                ExprKind::Nobody
            }
            "user_id" => ExprKind::UserId(user_ids(of)?),
            "attr" if of.value == "user_id" => user_id_test(fields)?,
            "attr" => {
                let operand = attribute_operand(of, fields)?;
                let test = test(fields, place, &Operand::Property(String::new()))?;
                ExprKind::Attribute { operand, test }
            }
            "did" => ExprKind::Did(self.events(of)?),
            "measure" => {
                let measure = self.measure(of)?;
                self.measure_condition(measure, fields)?
            }
            "had" => self.had(of)?,
            "changed" => self.changed(of)?,
            "held" => held(of)?,
            "first" | "last" | "nth" => {
                let occurrence = self.occurrence(kind, of)?;
                let test = if let Some(window) = fields.take("in") {
                    OccurrenceTest::When(self.window(&window)?)
                } else {
                    let operand = operand(fields, place, &["event", "event_name"])?;
                    let test = test(fields, place, &operand)?;
                    OccurrenceTest::Property { operand, test }
                };
                ExprKind::Occurrence { occurrence, test }
            }
            "sequence" => self.sequence(of)?,
            "segment" => ExprKind::SavedSegment(of.text("the name of a saved segment")?.to_owned()),
            "list" => ExprKind::StaticList(of.text("the name of a list")?.to_owned()),
            "stopped" | "restarted" => self.lifecycle(kind, of)?,
            _ => {
                let end = if kind == "top" {
                    RankEnd::Top
                } else {
                    RankEnd::Bottom
                };
                let mut inner = of.object()?;
                let size = rank_size(&inner.need("size")?)?;
                let measure = self.measure(&inner.need("measure")?)?;
                inner.finish()?;
                ExprKind::Rank { end, size, measure }
            }
        })
    }

    pub(super) fn had(&mut self, place: &Place<'_>) -> Read<ExprKind> {
        let mut fields = place.object()?;
        let operand = attribute_operand(&fields.need("attr")?, &mut fields)?;
        let test = test(&mut fields, place, &Operand::Property(String::new()))?;
        let window = self.optional_window(&mut fields)?;
        fields.finish()?;
        Ok(ExprKind::Had {
            operand,
            test,
            window,
        })
    }

    pub(super) fn changed(&mut self, place: &Place<'_>) -> Read<ExprKind> {
        let mut fields = place.object()?;
        let attribute = attribute(&fields.need("attr")?)?;
        let mut value = |key| -> Read<Option<Literal>> {
            let Some(place) = fields.take(key) else {
                return Ok(None);
            };
            let value = literal(&place)?;
            let test = Test::Compare(CompareOp::Equal, value.clone());
            place.accept(checks::test_problem(&test))?;
            Ok(Some(value))
        };
        let (from, to) = (value("from")?, value("to")?);
        let window = self.optional_window(&mut fields)?;
        fields.finish()?;
        Ok(ExprKind::Changed {
            attribute,
            from,
            to,
            window,
        })
    }
}

pub(super) fn no_condition(place: &Place<'_>, fields: &Fields<'_>) -> Diagnostic {
    let known = NODES.join(", ");
    let first = fields.object.keys().next().map_or("", String::as_str);
    let finding = place.error("this object is no condition");
    match nearest(first, NODES.into_iter()) {
        Some(key) => finding.help(format!("did you mean `{key}` instead of `{first}`?")),
        None => finding.help(format!("a condition has one of the keys {known}")),
    }
}

pub(super) fn held(place: &Place<'_>) -> Read<ExprKind> {
    let mut fields = place.object()?;
    let operand = attribute_operand(&fields.need("attr")?, &mut fields)?;
    let test = test(&mut fields, place, &Operand::Property(String::new()))?;
    let length_place = fields.need("for")?;
    let length = length_place.duration()?;
    length_place.accept(checks::held_problem(length))?;
    fields.finish()?;
    Ok(ExprKind::Held {
        operand,
        test,
        length,
    })
}

/// A user id: text or an integer.
pub(super) fn user_id(place: &Place<'_>) -> Read<String> {
    match place.value {
        Value::String(id) => Ok(id.clone()),
        Value::Number(id) if id.is_i64() || id.is_u64() => Ok(id.to_string()),
        _ => Err(place.expected("a user id")),
    }
}

pub(super) fn user_ids(place: &Place<'_>) -> Read<Vec<String>> {
    if !place.value.is_array() {
        return Ok(vec![user_id(place)?]);
    }
    let ids: Vec<String> = place.all(|id| user_id(&id))?;
    if ids.is_empty() {
        Err(place.error("the list is empty; it needs at least one user id"))
    } else {
        Ok(ids)
    }
}

/// `{"attr": "user_id", "op": …, "value": …}`.
pub(super) fn user_id_test(fields: &mut Fields<'_>) -> Read<ExprKind> {
    let op = fields.need("op")?;
    let value = fields.need("value")?;
    let (negated, list) = match op.text("an operator")? {
        "=" => (false, false),
        "!=" => (true, false),
        "in" => (false, true),
        "not in" => (true, true),
        _ => return Err(op.expected("`=`, `!=`, `in` or `not in`")),
    };
    if list != value.value.is_array() {
        return Err(value.expected(if list { "a list" } else { "a user id" }));
    }
    let ids = ExprKind::UserId(user_ids(&value)?);
    Ok(if negated {
        ExprKind::Not(Box::new(ids.into()))
    } else {
        ids
    })
}

pub(super) fn rank_size(place: &Place<'_>) -> Read<RankSize> {
    let size = match place.value {
        Value::String(text) => {
            let percent = text
                .strip_suffix('%')
                .and_then(|digits| digits.parse().ok());
            percent.map(RankSize::Percent)
        }
        value => value.as_u64().map(RankSize::Users),
    };
    let size =
        size.ok_or_else(|| place.expected("a number of users or a percentage such as `10%`"))?;
    place.accept(checks::rank_problem(size))?;
    Ok(size)
}
