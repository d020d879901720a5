//! Events and the predicates over their properties.

use super::value::{cast, path, test};
use super::{Reader, SELECTORS};
use crate::ast::{EventName, EventNames, EventSelector, EventWindow, Operand, Predicate, Span};
use crate::checks;
use crate::json::place::{Fields, Place, Read};

impl Reader {
    /// A selector and a window, and no other key.
    pub(super) fn events(&mut self, place: &Place<'_>) -> Read<EventWindow> {
        let mut fields = place.object()?;
        let events = self.selector(place, &mut fields)?;
        let window = self.optional_window(&mut fields)?;
        fields.finish()?;
        Ok(EventWindow { events, window })
    }

    pub(in crate::json) fn selector(
        &mut self,
        place: &Place<'_>,
        fields: &mut Fields<'_>,
    ) -> Read<EventSelector> {
        let Some(kind) = fields.which(&SELECTORS) else {
            return Err(place.error(
                "which event? one of the keys `event`, `any_event` and `any_of` is needed",
            ));
        };
        if let Some(other) = SELECTORS
            .iter()
            .find(|key| **key != kind && fields.has(key))
        {
            return Err(place.error(format!(
                "`{kind}` and `{other}` do not go together in one object"
            )));
        }
        let of = fields.need(kind)?;
        let names = match kind {
            "event" => EventNames::One(event_name(&of)?),
            "any_event" => {
                of.is_true()?;
                let except = match fields.take("except") {
                    Some(list) => list.all(|name| event_name(&name))?,
                    None => Vec::new(),
                };
                EventNames::Any { except }
            }
            _ => {
                let mut parts = Vec::new();
                for part in of.items()? {
                    if part.value.is_string() {
                        parts.push((event_name(&part)?, None));
                        continue;
                    }
                    let mut part_fields = part.object()?;
                    let name = event_name(&part_fields.need("event")?)?;
                    let filter = self.filter(&mut part_fields)?;
                    part_fields.finish()?;
                    parts.push((name, filter));
                }
                if parts.is_empty() {
                    return Err(of.error("the list is empty; it needs at least one event"));
                }
                EventNames::AnyOf(parts)
            }
        };
        let filter = self.filter(fields)?;
        Ok(EventSelector {
            names,
            filter,
            span: Span::default(),
        })
    }

    pub(super) fn filter(&mut self, fields: &mut Fields<'_>) -> Read<Option<Predicate>> {
        match fields.take("where") {
            Some(place) => self.tree(place).map(Some),
            None => Ok(None),
        }
    }
}

pub(super) fn event_name(place: &Place<'_>) -> Read<EventName> {
    Ok(EventName {
        name: place.text("the name of an event")?.to_owned(),
        span: Span::default(),
    })
}

/// What a test looks at; `names` are the words that stand for the event's name.
pub(super) fn operand(fields: &mut Fields<'_>, place: &Place<'_>, names: &[&str]) -> Read<Operand> {
    const KINDS: [&str; 3] = ["prop", "hour", "weekday"];
    let Some(kind) = fields.which(&KINDS) else {
        return Err(
            place.error("what is tested? one of the keys `prop`, `hour` and `weekday` is needed")
        );
    };
    let of = fields.need(kind)?;
    if kind != "prop" {
        if of.value != "timestamp" {
            return Err(of.expected("`timestamp`"));
        }
        let zone_place = fields.take("zone");
        let zone = zone_place
            .as_ref()
            .map(|zone| zone.text("a time zone"))
            .transpose()?
            .map(str::to_owned);
        let operand = if kind == "hour" {
            Operand::Hour { zone }
        } else {
            Operand::Weekday { zone }
        };
        zone_place
            .as_ref()
            .unwrap_or(&of)
            .accept(checks::operand_problem(&operand))?;
        return Ok(operand);
    }
    let property = path(&of)?;
    let always_there = match of.value.as_str() {
        Some(name) if names.contains(&name) => Some(Operand::EventName),
        Some("timestamp") => Some(Operand::Timestamp),
        _ => None,
    };
    match (always_there, cast(fields)?) {
        (None, None) => Ok(Operand::Property(property)),
        (None, Some(cast)) => Ok(Operand::Cast { cast, property }),
        (Some(operand), None) => Ok(operand),
        (Some(_), Some(_)) => Err(of.error(format!(
            "`{property}` needs no cast; a cast takes a property"
        ))),
    }
}

/// A predicate that holds no others.
pub(super) fn predicate_test(place: &Place<'_>, fields: &mut Fields<'_>) -> Read<Predicate> {
    let operand = operand(fields, place, &["event_name"])?;
    let test = test(fields, place, &operand)?;
    Ok(Predicate::Test {
        operand,
        test,
        span: Span::default(),
    })
}
