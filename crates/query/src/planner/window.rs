//! Windows, instants, and the events that lie in them.

use super::{Planner, calendar};
use crate::ast::{Anchor, CalendarUnit, EventWindow, Occurrence, Period, Span, TimePoint, Window};
use crate::checks;
use crate::plan::{PlanAnchor, PlanAnchorInstant, PlanEvents, PlanOccurrence, PlanWindow};
use crowdset_types::{DurationMillis, TimeRange, TimestampMillis};
use jiff::tz::{TimeZone, TimeZoneDatabase};

impl Planner<'_> {
    pub(super) fn instant(&mut self, point: &TimePoint, span: Span) -> TimestampMillis {
        self.check(checks::time_point_problem(point), span);
        match *point {
            TimePoint::Now => self.as_of,
            TimePoint::Ago(duration) => self.as_of.minus(duration),
            TimePoint::At(instant) => TimestampMillis(instant),
        }
    }

    /// The window cut at `as_of`. One that cannot hold an event has an empty range and no anchor.
    pub(super) fn window(&mut self, window: &Window, span: Span) -> PlanWindow {
        const BEGINNING: TimestampMillis = TimestampMillis(i64::MIN);
        let as_of = self.as_of;
        let mut anchor = None;
        let range = match window {
            Window::Ever => TimeRange::new(BEGINNING, as_of),
            Window::Last(duration) => {
                self.check(checks::duration_problem(*duration), span);
                TimeRange::new(as_of.minus(*duration), as_of)
            }
            Window::Between(from, to) => {
                TimeRange::new(self.instant(from, span), self.instant(to, span))
            }
            Window::Since(from) => TimeRange::new(self.instant(from, span), as_of),
            Window::Before(to) => TimeRange::new(BEGINNING, self.instant(to, span)),
            Window::Calendar { period, zone } => {
                let problem = checks::calendar_problem(period, zone.as_deref());
                if self.check(problem, span) {
                    calendar::range(*period, &time_zone(zone.as_deref()), as_of)
                } else {
                    TimeRange::new(as_of, as_of)
                }
            }
            Window::Anchored {
                relation,
                anchor: of,
            } => {
                use crate::ast::AnchorRelation::{WithinAfter, WithinBefore};
                if let WithinAfter(duration) | WithinBefore(duration) = *relation {
                    self.check(checks::duration_problem(duration), span);
                }
                match self.nested(None, |planner| planner.anchor(of, span)) {
                    Some(of) => {
                        anchor = Some(Box::new(PlanAnchor {
                            relation: *relation,
                            of,
                        }));
                        TimeRange::new(BEGINNING, as_of)
                    }
                    None => TimeRange::new(as_of, as_of),
                }
            }
        };
        let range = range.intersection(TimeRange::new(BEGINNING, as_of));
        if range.is_empty() {
            return PlanWindow {
                range: TimeRange::new(as_of, as_of),
                anchor: None,
            };
        }
        PlanWindow { range, anchor }
    }

    pub(super) fn anchor(&mut self, anchor: &Anchor, span: Span) -> Option<PlanAnchorInstant> {
        match anchor {
            Anchor::Event(occurrence) => self
                .occurrence(occurrence, span)
                .map(PlanAnchorInstant::Event),
            Anchor::Attribute(attribute) => {
                self.attribute(attribute).map(PlanAnchorInstant::Attribute)
            }
        }
    }

    /// `None` if nobody can have such an event.
    pub(super) fn occurrence(
        &mut self,
        occurrence: &Occurrence,
        span: Span,
    ) -> Option<PlanOccurrence> {
        self.check(checks::position_problem(occurrence.position), span);
        let of = self.events(&occurrence.of)?;
        Some(PlanOccurrence {
            position: occurrence.position,
            of,
        })
    }

    /// `None` if nobody can have such an event.
    pub(super) fn events(&mut self, of: &EventWindow) -> Option<PlanEvents> {
        let selector = self.selector(&of.events);
        let window = self.window(&of.window, of.events.span);
        (!selector.events.is_empty() && !window.range.is_empty())
            .then_some(PlanEvents { selector, window })
    }
}

/// See [`crate::calendar_edge`].
pub(crate) fn calendar_edge(
    instant: TimestampMillis,
    unit: CalendarUnit,
    zone: Option<&str>,
    after: u32,
) -> Option<TimestampMillis> {
    calendar::edge_after(instant, unit, &time_zone(zone), after)
}

/// The instants at which a period begins and ends that does not move with the evaluation.
pub(crate) fn written_instants(period: Period, zone: Option<&str>) -> [i64; 2] {
    // No such period asks for the instant of the evaluation.
    let range = calendar::range(period, &time_zone(zone), TimestampMillis(0));
    [range.from.0, range.to.0]
}

/// The instants of a period of the calendar; `None` for a zone or a date that there is not.
pub(crate) fn calendar_range(
    period: Period,
    zone: Option<&str>,
    as_of: TimestampMillis,
) -> Option<TimeRange> {
    checks::calendar_problem(&period, zone)
        .is_none()
        .then(|| calendar::range(period, &time_zone(zone), as_of))
}

/// The zone of this name, which has been checked; UTC without one.
pub(super) fn time_zone(name: Option<&str>) -> TimeZone {
    name.and_then(|name| TimeZoneDatabase::bundled().get(name).ok())
        .unwrap_or(TimeZone::UTC)
}

/// The share of `range` within the time from `first` to `last`.
pub(super) fn overlap(
    range: TimeRange,
    first: TimestampMillis,
    last: TimestampMillis,
) -> DurationMillis {
    let events = TimeRange::new(first, last.plus(DurationMillis(1)));
    let both = range.intersection(events);
    DurationMillis(if both.is_empty() {
        0
    } else {
        both.to.0.saturating_sub(both.from.0)
    })
}
