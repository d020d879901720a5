//! Clocks of a zone, for those who ask another engine than ours.

use crowdset_types::TimestampMillis;
use jiff::Timestamp;
use jiff::tz::TimeZoneDatabase;

const DAY_MS: i64 = 86_400_000;

/// How far the clocks of a zone are from UTC, from an instant on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZoneOffset {
    /// The first instant for which this holds.
    pub since: TimestampMillis,
    /// What is added to an instant for what the clocks show, in milliseconds.
    pub clock: i64,
    /// What is added to an instant for the day it lies in. Another than `clock` only where clocks
    /// were put back past midnight and show a day once more that is over: a day begins once.
    pub day: i64,
}

/// The offsets that hold at the instants from `from` to before `to`, in order; the first holds for
/// all earlier instants as well. `None` if there is no such zone.
///
/// # Examples
///
/// ```
/// # use crowdset_query::zone_offsets;
/// # use crowdset_types::TimestampMillis;
/// let at = |text| TimestampMillis::parse(text).map(|(at, _)| at);
/// let summer = zone_offsets("Europe/Berlin", at("2026-03-01")?, at("2026-05-01")?).unwrap();
/// assert_eq!(summer.len(), 2);
/// assert_eq!(summer[1].since, at("2026-03-29T01:00:00Z")?);
/// assert_eq!(summer[1].clock, 7_200_000);
/// # Ok::<(), crowdset_types::ParseTimeError>(())
/// ```
pub fn zone_offsets(
    zone: &str,
    from: TimestampMillis,
    to: TimestampMillis,
) -> Option<Vec<ZoneOffset>> {
    let zone = TimeZoneDatabase::bundled().get(zone).ok()?;
    // Two days earlier no clock is put back past a midnight that counts.
    let start = from.0.saturating_sub(2 * DAY_MS);
    let start = start.clamp(TimestampMillis::MIN.0, TimestampMillis::MAX.0);
    let start = Timestamp::from_millisecond(start).ok()?;
    let mut clock = i64::from(zone.to_offset(start).seconds()) * 1_000;
    let mut offsets = vec![ZoneOffset {
        since: TimestampMillis::MIN,
        clock,
        day: clock,
    }];
    for change in zone.following(start) {
        let at = change.timestamp().as_millisecond();
        if at >= to.0 {
            break;
        }
        let before = clock;
        clock = i64::from(change.offset().seconds()) * 1_000;
        if clock == before {
            continue;
        }
        let last_day = (at - 1 + before).div_euclid(DAY_MS);
        let since = TimestampMillis(at);
        if last_day > (at + clock).div_euclid(DAY_MS) {
            offsets.push(ZoneOffset {
                since,
                clock,
                day: before,
            });
            offsets.push(ZoneOffset {
                since: TimestampMillis(last_day * DAY_MS - clock),
                clock,
                day: clock,
            });
        } else {
            offsets.push(ZoneOffset {
                since,
                clock,
                day: clock,
            });
        }
    }
    Some(offsets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> TimestampMillis {
        TimestampMillis::parse(text).unwrap().0
    }

    #[test]
    fn a_day_that_has_begun_does_not_end_before_it_ends() {
        // In Havana clocks went back from one to midnight, in São Paulo from midnight to eleven.
        for (zone, from, to, pieces) in [
            ("America/Havana", "2012-11-01", "2012-11-10", 2),
            ("America/Sao_Paulo", "2018-02-15", "2018-02-20", 2),
            // From a minute past midnight back to the day before.
            ("America/St_Johns", "2006-10-20", "2006-11-01", 3),
        ] {
            let offsets = zone_offsets(zone, at(from), at(to)).unwrap();
            assert_eq!(offsets.len(), pieces, "{zone}: {offsets:?}");
            let mut day = i64::MIN;
            for ms in (at(from).0..at(to).0).step_by(30_000) {
                let held = offsets.iter().rfind(|offset| offset.since.0 <= ms).unwrap();
                let next = (ms + held.day).div_euclid(DAY_MS);
                assert!(next >= day, "{zone} at {ms}");
                day = next;
            }
        }
        assert_eq!(
            zone_offsets("Nowhere", at("2026-01-01"), at("2026-02-01")),
            None
        );
    }
}
