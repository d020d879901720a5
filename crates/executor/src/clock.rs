//! Hours and weekdays of instants, in a zone, without calendar arithmetic per row.

use crate::EvalError;
use crowdset_storage::Times;
use crowdset_types::TimeRange;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::ops::Range;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The hour (0 to 23) or the weekday (1 is Monday) of an instant, and which of them pass.
pub(crate) struct ClockTest {
    field: Field,
    /// From when on which offset from UTC holds, in milliseconds; the first from the beginning.
    offsets: Vec<(i64, i64)>,
    /// 1 for each number that passes.
    allowed: [u8; 24],
}

#[derive(Clone, Copy)]
enum Field {
    Hour,
    Weekday,
}

impl ClockTest {
    /// The hours of instants within `span`.
    pub(crate) fn hour(zone: Option<&str>, span: TimeRange) -> Result<Self, EvalError> {
        Ok(Self {
            field: Field::Hour,
            offsets: offsets(zone, span)?,
            allowed: [0; 24],
        })
    }

    /// The weekdays of instants within `span`.
    pub(crate) fn weekday(zone: Option<&str>, span: TimeRange) -> Result<Self, EvalError> {
        Ok(Self {
            field: Field::Weekday,
            offsets: offsets(zone, span)?,
            allowed: [0; 24],
        })
    }

    /// Lets pass the numbers for which `passes` is true.
    pub(crate) fn allow(&mut self, passes: impl Fn(i64) -> bool) {
        for (number, allowed) in (0..).zip(&mut self.allowed) {
            *allowed = u8::from(passes(number));
        }
    }

    /// The hour or weekday of an instant.
    pub(crate) fn number(&self, at: i64) -> i64 {
        let index = self.offsets.partition_point(|&(from, _)| from <= at) - 1;
        self.local_number(at.saturating_add(self.offsets[index].1))
    }

    fn local_number(&self, local: i64) -> i64 {
        match self.field {
            Field::Hour => local.div_euclid(HOUR_MS).rem_euclid(24),
            // 1970-01-01 was a Thursday.
            Field::Weekday => (local.div_euclid(DAY_MS) + 3).rem_euclid(7) + 1,
        }
    }

    /// Writes 1 for each row that passes.
    pub(crate) fn eval(&self, times: Times<'_>, rows: Range<usize>, mask: &mut [u8]) {
        let mut index = 0;
        for (row, mask) in rows.zip(mask) {
            let at = times.get(row);
            // Rows ascend in time within a chunk, so the offset only ever moves on.
            while self
                .offsets
                .get(index + 1)
                .is_some_and(|&(from, _)| from <= at)
            {
                index += 1;
            }
            *mask =
                self.allowed[self.local_number(at.saturating_add(self.offsets[index].1)) as usize];
        }
    }
}

fn offsets(zone: Option<&str>, span: TimeRange) -> Result<Vec<(i64, i64)>, EvalError> {
    let Some(name) = zone else {
        return Ok(vec![(i64::MIN, 0)]);
    };
    let zone = TimeZone::get(name).map_err(|_| EvalError::Zone {
        zone: name.to_owned(),
    })?;
    let start = Timestamp::from_millisecond(span.from.0).unwrap_or(Timestamp::MIN);
    let millis = |offset: jiff::tz::Offset| i64::from(offset.seconds()) * 1_000;
    let mut offsets = vec![(i64::MIN, millis(zone.to_offset(start)))];
    for transition in zone.following(start) {
        // Transitions fall on whole seconds.
        let at = transition.timestamp().as_millisecond();
        if at >= span.to.0 {
            break;
        }
        offsets.push((at, millis(transition.offset())));
    }
    Ok(offsets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crowdset_types::TimestampMillis;

    fn at(text: &str) -> i64 {
        TimestampMillis::parse(text).unwrap().0.0
    }

    #[test]
    fn follows_daylight_saving() {
        let span = TimeRange::new(
            TimestampMillis(at("2026-01-01")),
            TimestampMillis(at("2027-01-01")),
        );
        let berlin = ClockTest::hour(Some("Europe/Berlin"), span).unwrap();
        assert_eq!(berlin.number(at("2026-03-29T00:59:59Z")), 1);
        assert_eq!(berlin.number(at("2026-03-29T01:00:00Z")), 3);
        assert_eq!(berlin.number(at("2026-10-25T01:00:00Z")), 2);
        let utc = ClockTest::weekday(None, span).unwrap();
        assert_eq!(utc.number(at("2026-11-22T23:59:59.999Z")), 7);
        assert_eq!(utc.number(at("2026-11-23")), 1);
        assert_eq!(utc.number(at("1969-12-31")), 3);
        let tokyo = ClockTest::weekday(Some("Asia/Tokyo"), span).unwrap();
        assert_eq!(tokyo.number(at("2026-11-22T15:00:00Z")), 1);
        assert!(ClockTest::hour(Some("Mars/Olympus"), span).is_err());
    }
}
