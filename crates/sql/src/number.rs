//! Numbers that are compared exactly, though engines compare doubles with integers as doubles.

use crate::dialect::Dialect;
use crate::value::sign;
use crowdset_query::CompareOp;

/// Below this, comparing as doubles is comparing exactly: no other integer rounds to it.
pub(crate) const EXACT: f64 = 9_007_199_254_740_992.0;

/// The first double that is too large for 64 bits.
const TOO_LARGE: f64 = 9_223_372_036_854_775_808.0;

/// A number: the nearest double, and what an integer of more than 53 bits is more than that.
/// Ordered by both, numbers are in their exact order.
#[derive(Debug, Clone)]
pub(crate) struct Number {
    /// NULL where there is no number; never NaN.
    pub(crate) double: String,
    /// `None` if it is 0 for all.
    pub(crate) rest: Option<String>,
}

impl Number {
    pub(crate) fn double(double: String) -> Self {
        Self { double, rest: None }
    }

    /// A number whose integer, where it may be one, is written as `integer`, a text or a number.
    pub(crate) fn of(dialect: Dialect, double: String, integer: &str) -> Self {
        let whole = dialect.try_integer(integer);
        let nearest = dialect.try_integer(&double);
        let rest = format!(
            "CASE WHEN ABS({double}) >= {} THEN COALESCE(CASE WHEN {double} >= {} THEN ({whole} - 9223372036854775807) - 1 ELSE {whole} - {nearest} END, 0) ELSE 0 END",
            dialect.double(EXACT),
            dialect.double(TOO_LARGE),
        );
        Self {
            double,
            rest: Some(rest),
        }
    }

    pub(crate) fn integer(dialect: Dialect, value: i64) -> Self {
        let double = value as f64;
        // Below 2^53 there is no rest; above it fits by far.
        let rest = (i128::from(value) - double as i128) as i64;
        Self {
            double: dialect.double(double),
            rest: (double.abs() >= EXACT).then(|| rest.to_string()),
        }
    }

    pub(crate) fn float(dialect: Dialect, value: f64) -> Self {
        Self {
            double: dialect.double(value),
            rest: (value.abs() >= EXACT).then(|| "0".to_owned()),
        }
    }

    /// The first of the two that is there.
    pub(crate) fn or(self, other: Self) -> Self {
        let rest = match (self.rest, other.rest) {
            // One of the two has no number, and so 0.
            (Some(one), Some(two)) => Some(format!("({one} + {two})")),
            (one, two) => one.or(two),
        };
        Self {
            double: format!("COALESCE({}, {})", self.double, other.double),
            rest,
        }
    }

    /// NULL or FALSE where either is no number.
    pub(crate) fn compare(&self, op: CompareOp, other: &Self) -> String {
        let (left, right) = (&self.double, &other.double);
        let plain = format!("{left} {} {right}", sign(op));
        // A literal that is no wider than a double is on the same side of an integer as of the
        // double nearest to it.
        let (Some(rest), Some(other)) = (&self.rest, &other.rest) else {
            return plain;
        };
        let by_rest = format!("({left} = {right} AND {rest} {} {other})", sign(op));
        match op {
            CompareOp::Equal => by_rest,
            CompareOp::NotEqual => format!("({plain} OR {by_rest})"),
            CompareOp::Less | CompareOp::LessOrEqual => {
                format!("({left} < {right} OR {by_rest})")
            }
            CompareOp::Greater | CompareOp::GreaterOrEqual => {
                format!("({left} > {right} OR {by_rest})")
            }
        }
    }
}
