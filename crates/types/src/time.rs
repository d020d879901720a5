//! Instants, durations and half-open ranges, all in milliseconds of UTC.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An instant: milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
///
/// Input is limited to the years 1677 to 2262 ([`TimestampMillis::MIN`] to
/// [`TimestampMillis::MAX`]), what 64-bit nanoseconds hold, so that every table that a tool may
/// hand us can be read and written back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TimestampMillis(pub i64);

/// Why a text is no instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseTimeError {
    /// The text has another form.
    #[error(
        "`{0}` is no time; write RFC 3339 such as `2026-01-05T08:00:00Z`, or a date such as `2026-01-05`"
    )]
    Malformed(String),
    /// The instant lies outside of 1677-09-21 to 2262-04-11.
    #[error("`{0}` lies outside of the years 1677 to 2262")]
    OutOfRange(String),
}

impl TimestampMillis {
    /// The earliest instant that input may hold: 1677-09-21T00:12:43.146Z.
    pub const MIN: Self = Self(i64::MIN / 1_000_000 + 1);
    /// The latest instant that input may hold: 2262-04-11T23:47:16.854Z.
    pub const MAX: Self = Self(i64::MAX / 1_000_000);

    /// Whether the instant lies within what input may hold.
    pub fn is_in_range(self) -> bool {
        (Self::MIN..=Self::MAX).contains(&self)
    }

    /// Reads RFC 3339 text, the same without zone (taken as UTC), with a blank for the `T`, or a
    /// bare date (midnight UTC). Finer digits than milliseconds are floored; the second value says
    /// whether there were any.
    ///
    /// # Errors
    ///
    /// [`ParseTimeError`] if the text has another form or the instant is out of range.
    ///
    /// # Examples
    ///
    /// ```
    /// # use crowdset_types::TimestampMillis;
    /// assert_eq!(TimestampMillis::parse("1970-01-02")?, (TimestampMillis(86_400_000), false));
    /// assert_eq!(TimestampMillis::parse("1970-01-01T01:00:00.0009+01:00")?, (TimestampMillis(0), true));
    /// assert!(TimestampMillis::parse("yesterday").is_err());
    /// # Ok::<(), crowdset_types::ParseTimeError>(())
    /// ```
    pub fn parse(text: &str) -> Result<(Self, bool), ParseTimeError> {
        let malformed = || ParseTimeError::Malformed(text.to_owned());
        // A bare `12` or `20260105` is a civil date to the ISO parser, yet no date anyone means here.
        let bytes = text.as_bytes();
        if bytes.len() < 10 || bytes[4] != b'-' {
            return Err(malformed());
        }
        let timestamp: Timestamp = if bytes.len() == 10 {
            let date: Date = text.parse().map_err(|_| malformed())?;
            date.to_zoned(TimeZone::UTC)
                .map_err(|_| malformed())?
                .timestamp()
        } else if let Ok(instant) = text.parse::<Timestamp>() {
            instant
        } else {
            // `DateTime` would also accept an annotation or offset and drop it; an instant with one
            // has been read above, so what is left with a zone mark is broken.
            if text.contains(['[', 'Z', 'z', '+']) {
                return Err(malformed());
            }
            let civil: DateTime = text.parse().map_err(|_| malformed())?;
            civil
                .to_zoned(TimeZone::UTC)
                .map_err(|_| malformed())?
                .timestamp()
        };
        let nanos = timestamp.as_nanosecond();
        let millis = nanos.div_euclid(1_000_000);
        let instant = Self(i64::try_from(millis).map_err(|_| malformed())?);
        if !instant.is_in_range() {
            return Err(ParseTimeError::OutOfRange(text.to_owned()));
        }
        Ok((instant, nanos.rem_euclid(1_000_000) != 0))
    }

    /// Now, by the system's clock.
    pub fn now() -> Self {
        Self(Timestamp::now().as_millisecond())
    }

    /// The instant `duration` earlier; saturates at the ends of 64 bits.
    pub fn minus(self, duration: DurationMillis) -> Self {
        Self(self.0.saturating_sub(duration.0))
    }

    /// The instant `duration` later; saturates at the ends of 64 bits.
    pub fn plus(self, duration: DurationMillis) -> Self {
        Self(self.0.saturating_add(duration.0))
    }
}

impl fmt::Display for TimestampMillis {
    /// RFC 3339 in UTC, with milliseconds only where there are any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_millisecond(self.0) {
            Ok(timestamp) => timestamp.fmt(f),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

/// A length of time in whole milliseconds, zero or more. A day is 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DurationMillis(pub i64);

impl DurationMillis {
    /// The units of durations, longest first: full name, short form, milliseconds.
    pub const UNITS: [(&'static str, &'static str, i64); 6] = [
        ("week", "w", 604_800_000),
        ("day", "d", 86_400_000),
        ("hour", "h", 3_600_000),
        ("minute", "m", 60_000),
        ("second", "s", 1_000),
        ("millisecond", "ms", 1),
    ];

    /// The duration of `days` days of 24 hours.
    pub const fn days(days: i64) -> Self {
        Self(days * 86_400_000)
    }

    /// The duration of `hours` hours.
    pub const fn hours(hours: i64) -> Self {
        Self(hours * 3_600_000)
    }
}

impl fmt::Display for DurationMillis {
    /// The longest unit that divides it, except that weeks are written as days: `30 days`, `1 hour`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, _, unit) = Self::UNITS
            .into_iter()
            .skip(1)
            .find(|(_, _, unit)| self.0 % unit == 0)
            .unwrap_or(Self::UNITS[5]);
        let amount = self.0 / unit;
        write!(f, "{amount} {name}{}", if amount == 1 { "" } else { "s" })
    }
}

/// The instants `from <= t < to`; empty if `to <= from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TimeRange {
    /// The first instant inside.
    pub from: TimestampMillis,
    /// The first instant after.
    pub to: TimestampMillis,
}

impl TimeRange {
    /// Every instant there is.
    pub const ALL: Self = Self {
        from: TimestampMillis(i64::MIN),
        to: TimestampMillis(i64::MAX),
    };

    /// The half-open range from `from` to `to`.
    pub const fn new(from: TimestampMillis, to: TimestampMillis) -> Self {
        Self { from, to }
    }

    /// Whether no instant lies inside.
    pub fn is_empty(self) -> bool {
        self.to <= self.from
    }

    /// Whether `instant` lies inside.
    pub fn contains(self, instant: TimestampMillis) -> bool {
        self.from <= instant && instant < self.to
    }

    /// Whether every instant of `other` lies inside; true if `other` is empty.
    pub fn covers(self, other: Self) -> bool {
        other.is_empty() || (self.from <= other.from && other.to <= self.to)
    }

    /// What both ranges hold.
    pub fn intersection(self, other: Self) -> Self {
        Self {
            from: self.from.max(other.from),
            to: self.to.min(other.to),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_people_write_and_nothing_else() {
        for (text, millis) in [
            ("1970-01-01", 0),
            ("1970-01-01T00:00:01Z", 1_000),
            ("1970-01-01 00:00:01", 1_000),
            ("1970-01-01T00:00:01.5", 1_500),
            ("1970-01-01T02:00:00+02:00", 0),
            ("1969-12-31T23:59:59.9999Z", -1),
        ] {
            assert_eq!(
                TimestampMillis::parse(text).map(|(instant, _)| instant.0),
                Ok(millis),
                "{text}"
            );
        }
        for text in [
            "",
            "12",
            "20260105",
            "2026-13-01",
            "2026-01-05T25:00:00Z",
            "now",
            "1600-01-01",
            "2300-01-01",
        ] {
            assert!(TimestampMillis::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_print_in_the_longest_unit() {
        assert_eq!(DurationMillis::days(30).to_string(), "30 days");
        assert_eq!(DurationMillis(3_600_000).to_string(), "1 hour");
        assert_eq!(DurationMillis(90_000).to_string(), "90 seconds");
        assert_eq!(DurationMillis(0).to_string(), "0 days");
    }
}
