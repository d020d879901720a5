//! Windows and what they hang on.

use super::value::attribute;
use super::{ANCHORS, Reader, TREE_DEPTH_MAX, WINDOWS, too_deep};
use crate::ast::{
    Anchor, AnchorRelation, CalendarUnit, CivilTime, EventSelector, EventWindow, Occurrence,
    Period, Position, Window,
};
use crate::checks;
use crate::diagnostic::Diagnostic;
use crate::json::place::{Fields, Place, Read};

impl Reader {
    pub(in crate::json) fn optional_window(&mut self, fields: &mut Fields<'_>) -> Read<Window> {
        match fields.take("window") {
            Some(place) => self.window(&place),
            None => Ok(Window::Ever),
        }
    }

    /// A window may hang on an event that is sought in a window of its own, and so on: these are
    /// read one after the other, so that a long chain takes no stack.
    pub(super) fn window(&mut self, place: &Place<'_>) -> Read<Window> {
        let mut outer: Vec<Hanging<'_>> = Vec::new();
        let mut next = place.clone();
        let mut window = loop {
            match self.link(&next)? {
                Link::Window(window) => break window,
                Link::Hanging(hanging) => {
                    if self.depth + outer.len() == TREE_DEPTH_MAX {
                        return Err(too_deep(&next));
                    }
                    let inner = hanging.window.clone();
                    outer.push(hanging);
                    match inner {
                        Some(inner) => next = inner,
                        None => break Window::Ever,
                    }
                }
            }
        };
        for hanging in outer.into_iter().rev() {
            if let Some(place) = &hanging.window {
                self.warn_if_empty(place, &window);
            }
            let events = hanging.events;
            window = Window::Anchored {
                relation: hanging.relation,
                anchor: Box::new(Anchor::Event(Occurrence {
                    position: hanging.position,
                    of: EventWindow { events, window },
                })),
            };
        }
        self.warn_if_empty(place, &window);
        Ok(window)
    }

    fn warn_if_empty(&mut self, place: &Place<'_>, window: &Window) {
        if checks::is_always_empty(window) {
            let message = format!(
                "{}: the window `{window}` is empty: no event lies in it",
                place.path
            );
            self.warnings
                .push(Diagnostic::warning("empty-window", message));
        }
    }

    fn link<'a>(&mut self, place: &Place<'a>) -> Read<Link<'a>> {
        if place.value == "ever" {
            return Ok(Link::Window(Window::Ever));
        }
        let mut fields = place.object()?;
        if let Some(within) = fields.take("within") {
            let duration = within.duration()?;
            let (relation, anchor) = if let Some(anchor) = fields.take("after") {
                (AnchorRelation::WithinAfter(duration), anchor)
            } else if let Some(anchor) = fields.take("before") {
                (AnchorRelation::WithinBefore(duration), anchor)
            } else {
                return Err(place.error("`within` needs `after` or `before` and an anchor"));
            };
            fields.finish_kind("within", &WINDOWS[..3])?;
            return self.anchored(relation, &anchor);
        }
        let Some(kind) = fields.which(&WINDOWS) else {
            return Err(place.error("this object is no window").help(format!(
                "a window is \"ever\" or has one of the keys {}, within",
                WINDOWS.join(", ")
            )));
        };
        let of = fields.need(kind)?;
        let zone = fields.take("zone");
        if let Some(window) = calendar(kind, &of, &mut fields, zone.as_ref())? {
            fields.finish_kind(kind, &WINDOWS)?;
            return Ok(Link::Window(window));
        }
        fields.finish_kind(kind, &WINDOWS)?;
        if let Some(zone) = zone {
            return Err(zone.error(
                "only calendar periods and written dates without an offset of their own take a zone",
            ));
        }
        let is_anchor = of.value.is_object() && of.relative_time()?.is_none();
        let window = match kind {
            "after" => return self.anchored(AnchorRelation::After, &of),
            "since" if is_anchor => return self.anchored(AnchorRelation::Since, &of),
            "before" if is_anchor => return self.anchored(AnchorRelation::Before, &of),
            "last" => Window::Last(of.duration()?),
            "between" => {
                let [from, to] = of.pair("two instants")?;
                Window::Between(from.time_point()?, to.time_point()?)
            }
            "since" => Window::Since(of.time_point()?),
            _ => Window::Before(of.time_point()?),
        };
        Ok(Link::Window(window))
    }

    /// A window that hangs on an anchor.
    fn anchored<'a>(&mut self, relation: AnchorRelation, place: &Place<'a>) -> Read<Link<'a>> {
        let mut fields = place.object()?;
        let Some(kind) = fields.which(&ANCHORS) else {
            return Err(place.error("an anchor has one of the keys first, last, nth and attr"));
        };
        let of = fields.need(kind)?;
        fields.finish_kind(kind, &ANCHORS)?;
        if kind == "attr" {
            let attribute = attribute(&of)?;
            if attribute.table.is_none() {
                return Err(of.error(
                    "an anchor names the table of its attribute: `users.x` or `property.x`",
                ));
            }
            return Ok(Link::Window(Window::Anchored {
                relation,
                anchor: Box::new(Anchor::Attribute(attribute)),
            }));
        }
        let (position, events, window) = self.occurrence_but_window(kind, &of)?;
        Ok(Link::Hanging(Hanging {
            relation,
            position,
            events,
            window,
        }))
    }

    pub(super) fn occurrence(&mut self, kind: &str, place: &Place<'_>) -> Read<Occurrence> {
        let (position, events, window) = self.occurrence_but_window(kind, place)?;
        let window = match window {
            Some(window) => self.window(&window)?,
            None => Window::Ever,
        };
        Ok(Occurrence {
            position,
            of: EventWindow { events, window },
        })
    }

    fn occurrence_but_window<'a>(
        &mut self,
        kind: &str,
        place: &Place<'a>,
    ) -> Read<(Position, EventSelector, Option<Place<'a>>)> {
        let mut fields = place.object()?;
        let position = match kind {
            "first" => Position::First,
            "last" => Position::Last,
            _ => {
                let n = fields.need("n")?;
                let number = n.value.as_u64().and_then(|value| u32::try_from(value).ok());
                let position = Position::Nth(number.ok_or_else(|| n.expected("a whole number"))?);
                n.accept(checks::position_problem(position))?;
                position
            }
        };
        let events = self.selector(place, &mut fields)?;
        let window = fields.take("window");
        fields.finish()?;
        Ok((position, events, window))
    }
}

/// What stands at the place of a window.
enum Link<'a> {
    Window(Window),
    /// A window that hangs on an event.
    Hanging(Hanging<'a>),
}

struct Hanging<'a> {
    relation: AnchorRelation,
    position: Position,
    events: EventSelector,
    /// Where the window stands in which the event is sought.
    window: Option<Place<'a>>,
}

/// The window of a calendar whose key is `kind`; `None` for windows without one.
pub(super) fn calendar(
    kind: &str,
    of: &Place<'_>,
    fields: &mut Fields<'_>,
    zone: Option<&Place<'_>>,
) -> Read<Option<Window>> {
    let civil = |place: &Place<'_>| -> Read<CivilTime> {
        let at = place.instant()?;
        if place.value.as_str().is_some_and(checks::has_offset) {
            return Err(place.error("leave out either the offset from UTC or the zone"));
        }
        Ok(CivilTime(at))
    };
    let unit = |place: &Place<'_>, ending: &str| -> Read<CalendarUnit> {
        let name = place.text("a unit of the calendar")?;
        let singular = name.strip_suffix(ending).unwrap_or(name);
        CalendarUnit::ALL
            .into_iter()
            .find(|unit| unit.name() == singular)
            .ok_or_else(|| place.expected("days, weeks, months, quarters or years"))
    };
    let period = match kind {
        "today" | "yesterday" => {
            of.is_true()?;
            if kind == "today" {
                Period::Today
            } else {
                Period::Yesterday
            }
        }
        "this" => match unit(of, "")? {
            CalendarUnit::Day => return Err(of.expected("week, month, quarter or year")),
            unit => Period::This(unit),
        },
        "last" => match fields.take("calendar") {
            None => return Ok(None),
            Some(place) => {
                let count = of
                    .value
                    .as_u64()
                    .and_then(|count| u32::try_from(count).ok());
                let count = count.ok_or_else(|| of.expected("a whole number of periods"))?;
                Period::Last(count, unit(&place, "s")?)
            }
        },
        "on" => Period::On(civil(of)?),
        "between" if zone.is_some() => {
            let [from, to] = of.pair("two instants")?;
            Period::Between(civil(&from)?, civil(&to)?)
        }
        "since" if zone.is_some() && of.value.is_string() => Period::Since(civil(of)?),
        "before" if zone.is_some() && of.value.is_string() => Period::Before(civil(of)?),
        _ => return Ok(None),
    };
    let zone = zone
        .map(|zone| zone.text("a time zone"))
        .transpose()?
        .map(str::to_owned);
    of.accept(checks::calendar_problem(&period, zone.as_deref()))?;
    Ok(Some(Window::Calendar { period, zone }))
}
