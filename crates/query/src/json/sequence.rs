//! Sequences, lifecycles and measures of periods, to and from JSON.

use super::place::{Fields, Place, Read};
use super::read::{Reader, value::path};
use super::write::{duration, events, put_window, selector, taken_path};
use crate::ast::{
    EventSelector, EventWindow, ExprKind, Hop, HopTime, Lifecycle, Measure, PeriodUnit, Sequence,
    SequenceStep,
};
use crate::checks;
use crate::diagnostic::Diagnostic;
use crowdset_types::DurationMillis;
use serde_json::{Map, Value, json};

impl Reader {
    pub(super) fn sequence(&mut self, place: &Place<'_>) -> Read<ExprKind> {
        let mut fields = place.object()?;
        let list = fields.need("steps")?;
        let mut steps = Vec::new();
        for step in list.items()? {
            let mut step_fields = step.object()?;
            let events = self.selector(&step, &mut step_fields)?;
            let hop = self.hop(&step, &mut step_fields)?;
            step_fields.finish()?;
            if steps.is_empty() && hop != Hop::default() {
                return Err(step.error(checks::FIRST_HOP));
            }
            steps.push(SequenceStep { events, hop });
        }
        if steps.is_empty() {
            return Err(list.error("a sequence needs at least one step"));
        }
        let within = fields
            .take("within")
            .map(|within| within.duration())
            .transpose()?;
        let same = match fields.take("same") {
            Some(list) => list.all(|path| property(&path))?,
            None => Vec::new(),
        };
        let strictly = flag(&mut fields, "strictly")?;
        let window = self.optional_window(&mut fields)?;
        fields.finish()?;
        Ok(ExprKind::Sequence(Sequence {
            steps,
            within,
            window,
            same,
            strictly,
        }))
    }

    fn hop(&mut self, place: &Place<'_>, fields: &mut Fields<'_>) -> Read<Hop> {
        const TIMES: [&str; 3] = ["within", "after", "between"];
        let mut time = HopTime::Any;
        if let Some(kind) = fields.which(&TIMES) {
            if let Some(other) = TIMES.iter().find(|key| **key != kind && fields.has(key)) {
                return Err(place.error(format!(
                    "`{kind}` and `{other}` do not go together in one step; write `between`"
                )));
            }
            let of = fields.need(kind)?;
            time = match kind {
                "within" => HopTime::Within(of.duration()?),
                "after" => HopTime::After(of.duration()?),
                _ => {
                    let [least, most] = of.pair("two durations")?;
                    HopTime::Between(least.duration()?, most.duration()?)
                }
            };
            self.warn(&of, checks::hop_warning(time));
        }
        let mut without = Vec::new();
        if let Some(list) = fields.take("without") {
            for place in list.items()? {
                let mut inner = place.object()?;
                without.push(self.selector(&place, &mut inner)?);
                inner.finish()?;
            }
        }
        let directly = flag(fields, "directly")?;
        Ok(Hop {
            time,
            without,
            directly,
        })
    }

    pub(super) fn lifecycle(&mut self, kind: &str, place: &Place<'_>) -> Read<ExprKind> {
        let mut fields = place.object()?;
        let events = self.selector(place, &mut fields)?;
        let change = if kind == "stopped" {
            Lifecycle::Stopped {
                quiet: fields.need("for")?.duration()?,
                since: fields.need("after")?.duration()?,
            }
        } else {
            Lifecycle::Restarted {
                recent: fields.need("in")?.duration()?,
                gap: fields.need("gap")?.duration()?,
            }
        };
        fields.finish()?;
        self.warn(place, checks::lifecycle_warning(change));
        Ok(ExprKind::Lifecycle { events, change })
    }

    pub(super) fn calendar_measure(
        &mut self,
        unit: PeriodUnit,
        place: &Place<'_>,
    ) -> Read<Measure> {
        let mut fields = place.object()?;
        let events = self.selector(place, &mut fields)?;
        let window = self.optional_window(&mut fields)?;
        let zone = match fields.take("zone") {
            Some(zone) => {
                let name = zone.text("the name of a time zone")?;
                zone.accept(checks::zone_problem(name))?;
                Some(name.to_owned())
            }
            None => None,
        };
        fields.finish()?;
        Ok(Measure::calendar(
            unit,
            zone,
            EventWindow { events, window },
        ))
    }

    pub(super) fn periods(&mut self, place: &Place<'_>) -> Read<Measure> {
        let mut fields = place.object()?;
        let events = self.selector(place, &mut fields)?;
        let of = fields.need("of")?;
        let length = of.duration()?;
        of.accept(checks::period_problem(length))?;
        let each = match fields.take("each") {
            Some(each) => {
                let number = each
                    .value
                    .as_u64()
                    .and_then(|value| u32::try_from(value).ok())
                    .ok_or_else(|| each.expected("a whole number of events"))?;
                each.accept(checks::each_problem(number))?;
                number
            }
            None => 1,
        };
        let window = self.optional_window(&mut fields)?;
        fields.finish()?;
        Ok(Measure::Periods {
            length,
            each,
            of: EventWindow { events, window },
        })
    }

    fn warn(&mut self, place: &Place<'_>, warning: Option<Diagnostic>) {
        self.warnings.extend(warning.map(|finding| Diagnostic {
            message: format!("{}: {}", place.path, finding.message),
            ..finding
        }));
    }
}

/// A key that is `true` or left out.
fn flag(fields: &mut Fields<'_>, key: &'static str) -> Read<bool> {
    match fields.take(key) {
        Some(place) => place.is_true().map(|()| true),
        None => Ok(false),
    }
}

/// The path of a property, which `same` takes.
fn property(place: &Place<'_>) -> Read<String> {
    let property = path(place)?;
    if place.value == "event_name" || place.value == "timestamp" {
        return Err(place.error(format!(
            "`same` takes properties; one of that name is [\"{property}\"]"
        )));
    }
    Ok(property)
}

pub(super) fn write_sequence(sequence: &Sequence) -> Value {
    let mut object = Map::new();
    object.insert("steps".into(), sequence.steps.iter().map(step).collect());
    if let Some(within) = sequence.within {
        object.insert("within".into(), duration(within));
    }
    put_window(&mut object, &sequence.window);
    if !sequence.same.is_empty() {
        let paths = sequence.same.iter();
        object.insert(
            "same".into(),
            paths
                .map(|path| taken_path(path, &["event_name", "timestamp"]))
                .collect(),
        );
    }
    if sequence.strictly {
        object.insert("strictly".into(), json!(true));
    }
    object.into()
}

fn step(SequenceStep { events, hop }: &SequenceStep) -> Value {
    let mut object = selector(events);
    match hop.time {
        HopTime::Any => {}
        HopTime::Within(most) => {
            object.insert("within".into(), duration(most));
        }
        HopTime::After(least) => {
            object.insert("after".into(), duration(least));
        }
        HopTime::Between(least, most) => {
            object.insert("between".into(), json!([duration(least), duration(most)]));
        }
    }
    if !hop.without.is_empty() {
        let without = hop.without.iter().map(|events| selector(events).into());
        object.insert("without".into(), Value::Array(without.collect()));
    }
    if hop.directly {
        object.insert("directly".into(), json!(true));
    }
    object.into()
}

pub(super) fn write_lifecycle(of: &EventSelector, change: Lifecycle) -> Value {
    let mut object = selector(of);
    let mut put = |key: &str, length: DurationMillis| object.insert(key.into(), duration(length));
    let kind = match change {
        Lifecycle::Stopped { quiet, since } => {
            put("for", quiet);
            put("after", since);
            "stopped"
        }
        Lifecycle::Restarted { recent, gap } => {
            put("in", recent);
            put("gap", gap);
            "restarted"
        }
    };
    json!({kind: object})
}

pub(super) fn write_calendar(unit: PeriodUnit, zone: Option<&str>, of: &EventWindow) -> Value {
    let mut object = events(of);
    if let Some(zone) = zone {
        object.insert("zone".into(), json!(zone));
    }
    json!({unit.measure(): object})
}

pub(super) fn write_periods(length: DurationMillis, each: u32, of: &EventWindow) -> Value {
    let mut object = events(of);
    object.insert("of".into(), duration(length));
    if each > 1 {
        object.insert("each".into(), json!(each));
    }
    json!({"periods": object})
}
