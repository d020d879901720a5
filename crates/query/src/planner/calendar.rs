//! Calendar periods, made milliseconds.

use crate::ast::{CalendarUnit, CivilTime, Period};
use crowdset_types::{TimeRange, TimestampMillis};
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Span, Timestamp};

const BEGINNING: TimestampMillis = TimestampMillis(i64::MIN);
const END: TimestampMillis = TimestampMillis(i64::MAX);

/// The instants of a period, as seen at `as_of` in a zone; not cut at `as_of`. What lies before or
/// after all dates there are is cut there.
pub(super) fn range(period: Period, zone: &TimeZone, as_of: TimestampMillis) -> TimeRange {
    let today = day_of(as_of, zone);
    let whole = |first: Option<Date>, after: Option<Date>| {
        TimeRange::new(
            first.map_or(BEGINNING, |day| start_of_day(day, zone)),
            after.map_or(END, |day| start_of_day(day, zone)),
        )
    };
    match period {
        Period::Today => whole(Some(today), shift(today, CalendarUnit::Day, 1)),
        Period::Yesterday => whole(shift(today, CalendarUnit::Day, -1), Some(today)),
        Period::This(unit) => {
            let first = first_of(today, unit);
            whole(Some(first), shift(first, unit, 1))
        }
        Period::Last(count, unit) => {
            let first = first_of(today, unit);
            whole(shift(first, unit, -i64::from(count)), Some(first))
        }
        Period::On(day) => {
            let day = civil(day).date();
            whole(Some(day), shift(day, CalendarUnit::Day, 1))
        }
        Period::Between(from, to) => TimeRange::new(instant(from, zone), instant(to, zone)),
        Period::Since(from) => TimeRange::new(instant(from, zone), END),
        Period::Before(to) => TimeRange::new(BEGINNING, instant(to, zone)),
    }
}

/// The beginning of the period that comes so many after the one an instant lies in; `None` beyond all
/// dates there are.
pub(crate) fn edge_after(
    instant: TimestampMillis,
    unit: CalendarUnit,
    zone: &TimeZone,
    after: u32,
) -> Option<TimestampMillis> {
    let this = day_of(instant, zone);
    let day = shift(first_of(this, unit), unit, i64::from(after))?;
    Some(start_of_day(day, zone))
}

/// The day of an instant. It begins with its first instant, though clocks that are set back past
/// midnight show the day before once more.
fn day_of(instant: TimestampMillis, zone: &TimeZone) -> Date {
    let at = Timestamp::from_millisecond(instant.0).unwrap_or(if instant.0 < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    });
    let shown = zone.to_datetime(at).date();
    match shift(shown, CalendarUnit::Day, 1) {
        Some(next) if start_of_day(next, zone) <= instant => next,
        _ => shown,
    }
}

/// The first day of the period that a day lies in.
fn first_of(day: Date, unit: CalendarUnit) -> Date {
    let first = match unit {
        CalendarUnit::Day => Some(day),
        CalendarUnit::Week => {
            let since_monday = day.weekday().to_monday_zero_offset();
            shift(day, CalendarUnit::Day, -i64::from(since_monday))
        }
        CalendarUnit::Month => Date::new(day.year(), day.month(), 1).ok(),
        CalendarUnit::Quarter => Date::new(day.year(), (day.month() - 1) / 3 * 3 + 1, 1).ok(),
        CalendarUnit::Year => Date::new(day.year(), 1, 1).ok(),
    };
    // Every day but the first few there are lies in a week that has a Monday.
    first.unwrap_or(Date::MIN)
}

/// So many periods later; `None` beyond all dates there are.
fn shift(first: Date, unit: CalendarUnit, count: i64) -> Option<Date> {
    let span = match unit {
        CalendarUnit::Day => Span::new().try_days(count),
        CalendarUnit::Week => Span::new().try_weeks(count),
        CalendarUnit::Month => Span::new().try_months(count),
        CalendarUnit::Quarter => Span::new().try_months(count.checked_mul(3)?),
        CalendarUnit::Year => Span::new().try_years(count),
    };
    first.checked_add(span.ok()?).ok()
}

/// The first instant of a day, which need not be a midnight.
fn start_of_day(day: Date, zone: &TimeZone) -> TimestampMillis {
    match day.to_zoned(zone.clone()).and_then(|at| at.start_of_day()) {
        Ok(start) => TimestampMillis(start.timestamp().as_millisecond()),
        Err(_) if day.year() < 0 => BEGINNING,
        Err(_) => END,
    }
}

/// The first instant at which a zone's clocks show a time; if they leave it out, the first after
/// the gap it lies in.
fn instant(time: CivilTime, zone: &TimeZone) -> TimestampMillis {
    let ambiguous = zone.to_ambiguous_timestamp(civil(time));
    let is_gap = matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. });
    let at = if is_gap {
        // The clocks leave the time out by the first change after what they would have shown.
        let before = ambiguous.earlier();
        before.map(|before| match zone.following(before).next() {
            Some(change) => change.timestamp(),
            None => before,
        })
    } else {
        ambiguous.earlier()
    };
    match at {
        Ok(at) => TimestampMillis(at.as_millisecond()),
        Err(_) if time.0 < 0 => BEGINNING,
        Err(_) => END,
    }
}

fn civil(time: CivilTime) -> DateTime {
    let epoch = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
    epoch.saturating_add(SignedDuration::from_millis(time.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> TimestampMillis {
        TimestampMillis::parse(text).unwrap().0
    }

    fn shown(period: Period, zone: &str, as_of: &str) -> String {
        let zone = TimeZone::get(zone).unwrap();
        let range = range(period, &zone, at(as_of));
        format!("{} to {}", range.from, range.to)
    }

    #[test]
    fn days_of_23_and_25_hours() {
        let today = |as_of| shown(Period::Today, "Europe/Berlin", as_of);
        assert_eq!(
            today("2026-03-29T12:00:00Z"),
            "2026-03-28T23:00:00Z to 2026-03-29T22:00:00Z"
        );
        assert_eq!(
            today("2026-10-25T12:00:00Z"),
            "2026-10-24T22:00:00Z to 2026-10-25T23:00:00Z"
        );
        // The clocks of São Paulo went from 23:59:59 to 01:00:00.
        assert_eq!(
            shown(
                Period::On(CivilTime(at("2018-11-04").0)),
                "America/Sao_Paulo",
                "2026-01-01"
            ),
            "2018-11-04T03:00:00Z to 2018-11-05T02:00:00Z"
        );
        // Samoa had no 30th of December in 2011.
        assert_eq!(
            shown(
                Period::On(CivilTime(at("2011-12-30").0)),
                "Pacific/Apia",
                "2026-01-01"
            ),
            "2011-12-30T10:00:00Z to 2011-12-30T10:00:00Z"
        );
    }

    #[test]
    fn whole_periods_before_this_one() {
        let as_of = "2026-03-01T00:00:00Z";
        for (count, unit, expected) in [
            (
                1,
                CalendarUnit::Day,
                "2026-02-28T00:00:00Z to 2026-03-01T00:00:00Z",
            ),
            // A Sunday.
            (
                1,
                CalendarUnit::Week,
                "2026-02-16T00:00:00Z to 2026-02-23T00:00:00Z",
            ),
            (
                3,
                CalendarUnit::Month,
                "2025-12-01T00:00:00Z to 2026-03-01T00:00:00Z",
            ),
            (
                1,
                CalendarUnit::Quarter,
                "2025-10-01T00:00:00Z to 2026-01-01T00:00:00Z",
            ),
            (
                2,
                CalendarUnit::Year,
                "2024-01-01T00:00:00Z to 2026-01-01T00:00:00Z",
            ),
        ] {
            assert_eq!(shown(Period::Last(count, unit), "UTC", as_of), expected);
        }
        let all = range(
            Period::Last(u32::MAX, CalendarUnit::Year),
            &TimeZone::UTC,
            at(as_of),
        );
        assert_eq!(all.from, BEGINNING);
    }

    #[test]
    fn written_times_are_what_the_clocks_show() {
        let since = |text: &str| {
            let period = Period::Since(CivilTime(at(text).0));
            range(
                period,
                &TimeZone::get("Europe/Berlin").unwrap(),
                at("2026-12-01"),
            )
            .from
        };
        assert_eq!(since("2026-01-01"), at("2025-12-31T23:00:00Z"));
        assert_eq!(since("2026-03-29T02:30:00"), at("2026-03-29T01:00:00Z"));
        assert_eq!(since("2026-10-25T02:30:00"), at("2026-10-25T00:30:00Z"));
    }
}
