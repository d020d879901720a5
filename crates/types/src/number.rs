//! Numbers that come out the same on every path: exact comparison of integers with doubles, and
//! sums that do not depend on the order or the storage of what is summed.

use crate::Number;
use std::cmp::Ordering;

/// How many decimal places a double may have to be summed as an exact decimal.
pub const DECIMAL_PLACES_MAX: u32 = 6;

const POWERS_OF_TEN: [i64; DECIMAL_PLACES_MAX as usize + 1] =
    [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];

/// The largest magnitude of [`Decimal::scaled`]: beyond it doubles skip integers.
const SCALED_MAX: f64 = 9_007_199_254_740_992.0;

/// A double that is exactly the nearest one to `scaled / 10^places`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    /// The digits, as an integer of at most 53 bits.
    pub scaled: i64,
    /// How many of the digits stand behind the point, at most [`DECIMAL_PLACES_MAX`].
    pub places: u32,
}

impl Decimal {
    /// The double it came from: division is correctly rounded, so this is exact.
    pub fn to_f64(self) -> f64 {
        self.scaled as f64 / POWERS_OF_TEN[self.places as usize] as f64
    }
}

/// Reads a double as a decimal of at most [`DECIMAL_PLACES_MAX`] places, the fewest possible.
///
/// `None` for what has more places, is too large, or is no number. Negative zero reads as zero.
///
/// # Examples
///
/// ```
/// # use crowdset_types::{Decimal, as_decimal};
/// assert_eq!(as_decimal(12.34), Some(Decimal { scaled: 1234, places: 2 }));
/// assert_eq!(as_decimal(1.0 / 3.0), None);
/// ```
pub fn as_decimal(value: f64) -> Option<Decimal> {
    for (places, power) in (0..).zip(POWERS_OF_TEN) {
        let scaled = (value * power as f64).round();
        if scaled.is_nan() || scaled.abs() >= SCALED_MAX {
            return None;
        }
        let decimal = Decimal {
            scaled: scaled as i64,
            places,
        };
        if decimal.to_f64() == value {
            return Some(decimal);
        }
    }
    None
}

/// Orders two numbers by their exact values, also where a double cannot hold the integer.
///
/// `None` only if one of them is NaN.
pub fn compare_numbers(left: Number, right: Number) -> Option<Ordering> {
    match (left, right) {
        (Number::Integer(a), Number::Integer(b)) => Some(a.cmp(&b)),
        (Number::Float(a), Number::Float(b)) => a.partial_cmp(&b),
        (Number::Integer(a), Number::Float(b)) => compare_mixed(a, b),
        (Number::Float(a), Number::Integer(b)) => compare_mixed(b, a).map(Ordering::reverse),
    }
}

fn compare_mixed(integer: i64, double: f64) -> Option<Ordering> {
    if double.is_nan() {
        return None;
    }
    // 2^63 is exact as a double; i64::MAX is not.
    if double >= 9_223_372_036_854_775_808.0 {
        return Some(Ordering::Less);
    }
    if double < -9_223_372_036_854_775_808.0 {
        return Some(Ordering::Greater);
    }
    let whole = double.trunc();
    Some(integer.cmp(&(whole as i64)).then_with(|| {
        let fraction = double - whole;
        0.0_f64.partial_cmp(&fraction).unwrap_or(Ordering::Equal)
    }))
}

/// Reads text that is wholly one JSON number: `-1`, `2.50`, `1e3`, but not `+1`, `.5`, `0x1` or ` 1`.
///
/// Integers beyond 64 bits become doubles, and so does everything with a point or an exponent.
/// `None` also for what is too large for a double.
pub fn parse_number(text: &str) -> Option<Number> {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let whole = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if whole == 0 || (digits[0] == b'0' && whole > 1) {
        return None;
    }
    let mut rest = &digits[whole..];
    if rest.is_empty()
        && let Ok(value) = text.parse::<i64>()
    {
        return Some(Number::Integer(value));
    }
    if let [b'.', tail @ ..] = rest {
        let places = tail.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if places == 0 {
            return None;
        }
        rest = &tail[places..];
    }
    if let [b'e' | b'E', tail @ ..] = rest {
        let tail = tail
            .strip_prefix(b"+")
            .or_else(|| tail.strip_prefix(b"-"))
            .unwrap_or(tail);
        if tail.is_empty() || !tail.iter().all(u8::is_ascii_digit) {
            return None;
        }
        rest = &[];
    }
    if !rest.is_empty() {
        return None;
    }
    text.parse::<f64>()
        .ok()
        .filter(|value| value.is_finite())
        .map(Number::Float)
}

/// A sum that does not depend on order or storage for integers and decimals.
///
/// Integers and doubles of at most [`DECIMAL_PLACES_MAX`] places (see [`as_decimal`]) are summed
/// exactly, as people expect of money. All other doubles are summed apart with twice the precision
/// of a double (Neumaier's variant of Kahan summation), and the two parts are added at the end.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ExactSum {
    /// In units of `10^-DECIMAL_PLACES_MAX`. 63 bits of value, 20 of scale: room for 2^44 rows.
    micros: i128,
    rough: f64,
    compensation: f64,
    has_rough: bool,
}

impl ExactSum {
    /// Adds a number.
    pub fn add(&mut self, number: Number) {
        match number {
            Number::Integer(value) => self.add_scaled(i128::from(value), 0),
            Number::Float(value) => match as_decimal(value) {
                Some(decimal) => self.add_scaled(i128::from(decimal.scaled), decimal.places),
                None => self.add_rough(value),
            },
        }
    }

    /// Adds `scaled / 10^places`, for example the exact sum of a column of decimals.
    ///
    /// # Panics
    ///
    /// If `places` is more than [`DECIMAL_PLACES_MAX`].
    pub fn add_scaled(&mut self, scaled: i128, places: u32) {
        self.micros += scaled * i128::from(POWERS_OF_TEN[(DECIMAL_PLACES_MAX - places) as usize]);
    }

    /// Adds a double that is no short decimal.
    pub fn add_rough(&mut self, value: f64) {
        self.has_rough = true;
        let sum = self.rough + value;
        self.compensation += if self.rough.abs() >= value.abs() {
            (self.rough - sum) + value
        } else {
            (value - sum) + self.rough
        };
        self.rough = sum;
    }

    /// Adds all that `other` has summed.
    pub fn merge(&mut self, other: &Self) {
        self.micros += other.micros;
        if other.has_rough {
            self.add_rough(other.rough);
            self.compensation += other.compensation;
        }
    }

    /// The sum as a number: an integer where it is whole and fits, otherwise the nearest double.
    pub fn total(&self) -> Number {
        let power = i128::from(POWERS_OF_TEN[DECIMAL_PLACES_MAX as usize]);
        if !self.has_rough {
            if self.micros % power == 0
                && let Ok(whole) = i64::try_from(self.micros / power)
            {
                return Number::Integer(whole);
            }
            return Number::Float(self.exact_part());
        }
        // An infinite or undefined sum has no meaningful compensation.
        let rough = if self.rough.is_finite() {
            self.rough + self.compensation
        } else {
            self.rough
        };
        Number::Float(self.exact_part() + rough)
    }

    fn exact_part(&self) -> f64 {
        let power = POWERS_OF_TEN[DECIMAL_PLACES_MAX as usize];
        if self.micros.unsigned_abs() < 1 << 53 {
            return self.micros as f64 / power as f64;
        }
        // Beyond 53 bits a division of two rounded doubles would round twice; text is read exactly.
        let magnitude = self.micros.unsigned_abs();
        let sign = if self.micros < 0 { "-" } else { "" };
        let (whole, rest) = (magnitude / power as u128, magnitude % power as u128);
        format!("{sign}{whole}.{rest:06}")
            .parse()
            .unwrap_or(f64::NAN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_integers_and_doubles_by_exact_value() {
        let big = 9_007_199_254_740_993_i64; // 2^53 + 1, which no double holds
        assert_eq!(
            compare_numbers(Number::Integer(big), Number::Float(big as f64)),
            Some(Ordering::Greater)
        );
        assert_eq!(
            compare_numbers(Number::Integer(1), Number::Float(1.0)),
            Some(Ordering::Equal)
        );
        assert_eq!(
            compare_numbers(Number::Integer(-1), Number::Float(-1.5)),
            Some(Ordering::Greater)
        );
        assert_eq!(
            compare_numbers(Number::Float(1.5), Number::Integer(1)),
            Some(Ordering::Greater)
        );
        assert_eq!(
            compare_numbers(Number::Integer(i64::MAX), Number::Float(9.3e18)),
            Some(Ordering::Less)
        );
        assert_eq!(
            compare_numbers(Number::Integer(0), Number::Float(f64::NAN)),
            None
        );
    }

    #[test]
    fn reads_json_numbers_only() {
        assert_eq!(parse_number("-12"), Some(Number::Integer(-12)));
        assert_eq!(parse_number("2.50"), Some(Number::Float(2.5)));
        assert_eq!(parse_number("1e3"), Some(Number::Float(1000.0)));
        assert_eq!(
            parse_number("9223372036854775808"),
            Some(Number::Float(9_223_372_036_854_775_808.0))
        );
        for text in [
            "", "-", "+1", ".5", "5.", "01", "0x1", " 1", "1 ", "1e", "1e999", "NaN", "inf",
        ] {
            assert_eq!(parse_number(text), None, "{text}");
        }
    }

    #[test]
    fn money_sums_exactly_in_any_order() {
        let mut sum = ExactSum::default();
        for _ in 0..10 {
            sum.add(Number::Float(0.1));
        }
        assert_eq!(sum.total(), Number::Integer(1));
        sum.add(Number::Float(1.0 / 3.0));
        assert_eq!(sum.total(), Number::Float(1.0 + 1.0 / 3.0));
    }
}
