//! Sums, differences, products and quotients of two numbers, the same on every path.
//!
//! Integers, and doubles of at most [`crate::DECIMAL_PLACES_MAX`] decimal places (see
//! [`crate::as_decimal`]), are exact decimals: the exact result is worked out and then, if it is
//! whole and fits 64 bits, it is an integer, and otherwise the nearest double. With any other
//! double the result is that of double arithmetic. A result that is no finite number, and a
//! quotient by zero, is no value.

use crate::{Decimal, ExactSum, Number, as_decimal};

/// `left + right`
pub fn add(left: Number, right: Number) -> Option<Number> {
    if let (Number::Integer(left), Number::Integer(right)) = (left, right)
        && let Some(sum) = left.checked_add(right)
    {
        return Some(Number::Integer(sum));
    }
    let mut sum = ExactSum::default();
    sum.add(left);
    sum.add(right);
    finite(sum.total())
}

/// `left - right`
pub fn subtract(left: Number, right: Number) -> Option<Number> {
    if let (Number::Integer(left), Number::Integer(right)) = (left, right)
        && let Some(difference) = left.checked_sub(right)
    {
        return Some(Number::Integer(difference));
    }
    add(left, negate(right)?)
}

/// `-number`
pub fn negate(number: Number) -> Option<Number> {
    finite(match number {
        Number::Integer(value) => match value.checked_neg() {
            Some(value) => Number::Integer(value),
            None => Number::Float(-(value as f64)),
        },
        Number::Float(value) => Number::Float(-value),
    })
}

/// `left * right`
pub fn multiply(left: Number, right: Number) -> Option<Number> {
    match (exact(left), exact(right)) {
        // At most 63 bits each.
        (Some(left), Some(right)) => finite(quotient(
            left.digits * right.digits,
            10_i128.pow(left.places + right.places),
        )),
        _ => finite(Number::Float(left.to_f64() * right.to_f64())),
    }
}

/// `left / right`; no value if `right` is zero.
pub fn divide(left: Number, right: Number) -> Option<Number> {
    if right.to_f64() == 0.0 {
        return None;
    }
    match (exact(left), exact(right)) {
        (Some(left), Some(right)) => finite(quotient(
            left.digits * 10_i128.pow(right.places),
            right.digits * 10_i128.pow(left.places),
        )),
        _ => finite(Number::Float(left.to_f64() / right.to_f64())),
    }
}

/// `digits / 10^places`.
struct Exact {
    digits: i128,
    places: u32,
}

fn exact(number: Number) -> Option<Exact> {
    match number {
        Number::Integer(value) => Some(Exact {
            digits: value.into(),
            places: 0,
        }),
        Number::Float(value) => as_decimal(value).map(|Decimal { scaled, places }| Exact {
            digits: scaled.into(),
            places,
        }),
    }
}

/// The quotient as an integer if it is one of 64 bits, otherwise the nearest double.
fn quotient(numerator: i128, denominator: i128) -> Number {
    if numerator % denominator == 0
        && let Ok(whole) = i64::try_from(numerator / denominator)
    {
        return Number::Integer(whole);
    }
    let negative = (numerator < 0) != (denominator < 0);
    let magnitude = rounded(numerator.unsigned_abs(), denominator.unsigned_abs());
    Number::Float(if negative { -magnitude } else { magnitude })
}

/// The double nearest to a quotient of two numbers, ties to even. The denominator is not zero.
fn rounded(numerator: u128, denominator: u128) -> f64 {
    const EXACT_BITS: u32 = 53;
    if (numerator | denominator) >> EXACT_BITS == 0 {
        // Two exact doubles: their quotient is rounded once.
        return numerator as f64 / denominator as f64;
    }
    // Long division down to more bits than a double has, the rest kept as one sticky bit, so that
    // what is rounded is on the same side of every tie as the true quotient.
    let whole = numerator / denominator;
    let mut rest = numerator % denominator;
    let (mut bits, mut scale) = (whole, 0_i32);
    while bits >> (EXACT_BITS + 2) == 0 && rest != 0 {
        bits <<= 1;
        // Denominators have at most 84 bits, so that twice a rest fits.
        rest <<= 1;
        if rest >= denominator {
            bits |= 1;
            rest -= denominator;
        }
        scale -= 1;
    }
    let sticky = u128::from(rest != 0);
    // A conversion from an integer rounds once, to even.
    let value = ((bits << 1) | sticky) as f64;
    value * 2_f64.powi(scale - 1)
}

fn finite(number: Number) -> Option<Number> {
    number.to_f64().is_finite().then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Number::{Float, Integer};

    #[test]
    fn decimals_come_out_as_people_reckon() {
        assert_eq!(add(Float(0.1), Float(0.2)), Some(Float(0.3)));
        assert_eq!(subtract(Float(0.3), Float(0.1)), Some(Float(0.2)));
        assert_eq!(multiply(Float(0.1), Integer(3)), Some(Float(0.3)));
        assert_eq!(multiply(Float(2.5), Integer(4)), Some(Integer(10)));
        assert_eq!(divide(Float(0.3), Float(0.1)), Some(Integer(3)));
        assert_eq!(divide(Integer(1), Integer(3)), Some(Float(1.0 / 3.0)));
        assert_eq!(divide(Integer(-7), Integer(2)), Some(Float(-3.5)));
        assert_eq!(divide(Float(0.0), Integer(5)), Some(Integer(0)));
    }

    #[test]
    fn integers_are_exact_and_grow_into_doubles() {
        let big = 9_007_199_254_740_993; // 2^53 + 1
        assert_eq!(add(Integer(big), Integer(1)), Some(Integer(big + 1)));
        assert_eq!(
            add(Integer(i64::MAX), Integer(1)),
            Some(Float(9_223_372_036_854_775_808.0))
        );
        assert_eq!(
            subtract(Integer(i64::MIN), Integer(i64::MIN)),
            Some(Integer(0))
        );
        assert_eq!(
            negate(Integer(i64::MIN)),
            Some(Float(9_223_372_036_854_775_808.0))
        );
        assert_eq!(divide(Integer(big), Integer(1)), Some(Integer(big)));
        assert_eq!(
            multiply(Integer(i64::MIN), Integer(i64::MIN)),
            Some(Float(2_f64.powi(126)))
        );
    }

    #[test]
    fn what_is_no_finite_number_is_no_value() {
        assert_eq!(divide(Integer(1), Integer(0)), None);
        assert_eq!(divide(Float(0.0), Float(-0.0)), None);
        assert_eq!(add(Float(f64::NAN), Integer(1)), None);
        assert_eq!(multiply(Float(1e300), Float(1e300)), None);
        assert_eq!(add(Float(f64::INFINITY), Integer(1)), None);
        assert_eq!(
            add(Float(1e300), Integer(1)),
            Some(Float(1e300)),
            "a large double is one of double arithmetic"
        );
    }

    #[test]
    fn quotients_are_rounded_once() {
        // Text is read with one rounding: forty digits and a trailing one for a rest decide it.
        let mut state = 88_172_645_463_325_252_u64;
        let mut random = |bits: u32| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            u128::from((state >> (64 - bits)).max(1))
        };
        for round in 0..20_000 {
            let (numerator, denominator) = (random(20 + round % 44), random(1 + round % 63));
            let mut text = format!("{}.", numerator / denominator);
            let mut rest = numerator % denominator;
            for _ in 0..40 {
                rest *= 10;
                text.push_str(&(rest / denominator).to_string());
                rest %= denominator;
            }
            if rest != 0 {
                text.push('1');
            }
            let expected: f64 = text.parse().unwrap();
            assert_eq!(
                rounded(numerator, denominator),
                expected,
                "{numerator} / {denominator}"
            );
        }
    }
}
