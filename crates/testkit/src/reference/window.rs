//! Windows: which instants lie inside, for one user.

use super::{Inquiry, ReferenceError};
use crowdset_query::{Anchor, AnchorRelation, CalendarUnit, Period, TimePoint, Window};
use crowdset_types::{TimestampMillis, Value};
use jiff::tz::TimeZone;

/// The instants of a window as its definition bounds them: `from <= t < to`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Instants {
    pub(super) from: i64,
    pub(super) to: i64,
    /// The instant that slices of time are counted back from.
    pub(super) end: i64,
}

impl Instants {
    pub(super) fn contains(self, instant: i64) -> bool {
        self.from <= instant && instant < self.to
    }
}

impl Inquiry<'_> {
    /// The window's instants, always cut at `as_of`.
    pub(super) fn window(self, window: &Window) -> Result<Instants, ReferenceError> {
        const BEGINNING: i64 = i64::MIN;
        let now = self.as_of;
        let (from, to) = match window {
            Window::Ever => (BEGINNING, now),
            Window::Last(length) => (now.saturating_sub(length.0), now),
            Window::Between(from, to) => (self.instant(from), self.instant(to)),
            Window::Since(from) => (self.instant(from), now),
            Window::Before(to) => (BEGINNING, self.instant(to)),
            Window::Anchored { relation, anchor } => match self.anchor(anchor)? {
                // No such instant: the window is empty.
                None => (0, 0),
                Some(at) => match relation {
                    AnchorRelation::Since => (at, now),
                    AnchorRelation::After => (at + 1, now),
                    AnchorRelation::Before => (BEGINNING, at),
                    // These two hold both their ends: [anchor, anchor + w].
                    AnchorRelation::WithinAfter(length) => {
                        (at, at.saturating_add(length.0).saturating_add(1))
                    }
                    AnchorRelation::WithinBefore(length) => (at.saturating_sub(length.0), at + 1),
                },
            },
            Window::Calendar { period, zone } => Calendar::of(zone.as_deref()).bounds(*period, now),
            other => panic!("the reference does not know {other:?}"),
        };
        // Windows that hold both their ends end with an instant, others before one.
        let holds_its_end = matches!(
            window,
            Window::Anchored {
                relation: AnchorRelation::WithinAfter(_) | AnchorRelation::WithinBefore(_),
                ..
            }
        );
        let end = if holds_its_end { to - 1 } else { to };
        Ok(Instants {
            from,
            to: to.min(now),
            end: end.min(now),
        })
    }

    pub(super) fn instant(self, point: &TimePoint) -> i64 {
        match point {
            TimePoint::Now => self.as_of,
            TimePoint::Ago(length) => self.as_of.saturating_sub(length.0),
            TimePoint::At(instant) => *instant,
        }
    }

    /// The anchor's instant: that of an event, or an attribute that is a time or RFC 3339 text.
    fn anchor(self, anchor: &Anchor) -> Result<Option<i64>, ReferenceError> {
        Ok(match anchor {
            Anchor::Event(occurrence) => self.occurrence(occurrence)?.map(|event| event.at),
            Anchor::Attribute(attribute) => match self.attribute(attribute)? {
                Some(Value::Time(at)) => Some(at),
                Some(Value::Text(text)) => TimestampMillis::parse(&text).ok().map(|(at, _)| at.0),
                _ => None,
            },
        })
    }
}

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The clocks of a zone. They show milliseconds since 1970-01-01T00:00:00; days are numbered from
/// there.
struct Calendar {
    zone: TimeZone,
}

impl Calendar {
    fn of(zone: Option<&str>) -> Self {
        let zone = zone.map_or(TimeZone::UTC, |zone| {
            TimeZone::get(zone).expect("a known zone")
        });
        Self { zone }
    }

    /// How far the clocks are from UTC at an instant.
    fn offset(&self, at: i64) -> i64 {
        let at = jiff::Timestamp::from_millisecond(at).expect("an instant in range");
        i64::from(self.zone.to_offset(at).seconds()) * 1_000
    }

    fn shown(&self, at: i64) -> i64 {
        at + self.offset(at)
    }

    /// The first instant at which the clocks show a time, or a later one if they leave it out.
    fn first_instant(&self, shown: i64) -> i64 {
        let hours = || (shown - 2 * DAY_MS..shown + 2 * DAY_MS).step_by(HOUR_MS as usize);
        let exact = hours()
            .map(|at| shown - self.offset(at))
            .filter(|&at| self.shown(at) == shown)
            .min();
        exact.unwrap_or_else(|| {
            // Clocks change on whole minutes.
            let start = (shown - 2 * DAY_MS).div_euclid(MINUTE_MS) * MINUTE_MS;
            (start..)
                .step_by(MINUTE_MS as usize)
                .find(|&at| self.shown(at) >= shown)
                .expect("time goes on")
        })
    }

    /// From and to of a period.
    fn bounds(&self, period: Period, now: i64) -> (i64, i64) {
        let today = self.shown(now).div_euclid(DAY_MS);
        let (unit, first, last) = match period {
            Period::Today => (CalendarUnit::Day, today, today),
            Period::Yesterday => (CalendarUnit::Day, today - 1, today - 1),
            Period::This(unit) => (unit, number(today, unit), number(today, unit)),
            Period::Last(count, unit) => {
                let this = number(today, unit);
                (unit, this - i64::from(count), this - 1)
            }
            Period::On(day) => {
                let day = day.0.div_euclid(DAY_MS);
                return (
                    self.first_instant(day * DAY_MS),
                    self.first_instant((day + 1) * DAY_MS),
                );
            }
            Period::Between(from, to) => {
                return (self.first_instant(from.0), self.first_instant(to.0));
            }
            Period::Since(from) => return (self.first_instant(from.0), now),
            Period::Before(to) => return (i64::MIN, self.first_instant(to.0)),
        };
        // Walk to the first day of the first period, and to the first day after the last.
        let mut from = today;
        while number(from, unit) < first {
            from += 1;
        }
        while number(from - 1, unit) >= first {
            from -= 1;
        }
        let mut to = from;
        while number(to, unit) <= last {
            to += 1;
        }
        (
            self.first_instant(from * DAY_MS),
            self.first_instant(to * DAY_MS),
        )
    }
}

/// The number of the period that a day lies in; periods that follow each other have numbers that do.
fn number(day: i64, unit: CalendarUnit) -> i64 {
    let date = || {
        let midnight = jiff::Timestamp::from_millisecond(day * DAY_MS);
        TimeZone::UTC
            .to_datetime(midnight.expect("an instant in range"))
            .date()
    };
    match unit {
        CalendarUnit::Day => day,
        // 1970-01-05 was a Monday.
        CalendarUnit::Week => (day - 4).div_euclid(7),
        CalendarUnit::Month => i64::from(date().year()) * 12 + i64::from(date().month()),
        CalendarUnit::Quarter => {
            i64::from(date().year()) * 4 + (i64::from(date().month()) - 1).div_euclid(3)
        }
        CalendarUnit::Year => i64::from(date().year()),
    }
}
