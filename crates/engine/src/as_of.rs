//! The instant of an evaluation.

use crowdset_types::{ParseTimeError, TimestampMillis};
use std::fmt;
use std::str::FromStr;

/// The instant a segment is answered for: it sees the events and property values before it.
///
/// Nothing else in an evaluation depends on the clock, so a segment has one answer at one instant.
///
/// # Examples
///
/// ```
/// use crowdset::AsOf;
///
/// let as_of: AsOf = "2026-01-05T08:00:00Z".parse()?;
/// assert_eq!(as_of.to_string(), "2026-01-05T08:00:00Z");
/// assert!("2026-01-05".parse::<AsOf>()? < as_of);
/// # Ok::<(), crowdset::ParseTimeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AsOf(TimestampMillis);

impl AsOf {
    /// Now, by the system's clock, read once: here.
    pub fn now() -> Self {
        Self(TimestampMillis::now())
    }

    /// A given instant.
    pub fn at(instant: TimestampMillis) -> Self {
        Self(instant)
    }

    /// A given instant in milliseconds since 1970-01-01T00:00:00Z.
    pub fn at_millis(millis: i64) -> Self {
        Self(TimestampMillis(millis))
    }

    /// The instant.
    pub fn instant(self) -> TimestampMillis {
        self.0
    }
}

impl From<TimestampMillis> for AsOf {
    fn from(instant: TimestampMillis) -> Self {
        Self(instant)
    }
}

impl FromStr for AsOf {
    type Err = ParseTimeError;

    /// Reads `now`, RFC 3339 text (without a zone it is UTC; floored to the millisecond), or a date
    /// (midnight UTC).
    fn from_str(text: &str) -> Result<Self, ParseTimeError> {
        if text.eq_ignore_ascii_case("now") {
            return Ok(Self::now());
        }
        TimestampMillis::parse(text).map(|(instant, _)| Self(instant))
    }
}

impl fmt::Display for AsOf {
    /// RFC 3339 in UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
