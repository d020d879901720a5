//! What one property of one event can hold.

use serde::{Deserialize, Serialize};

/// One typed value of an event property or a user attribute.
///
/// A missing value and a JSON `null` are the same thing and have no variant here, and neither has
/// an object: only its paths hold values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// An integer of 64 bits, exact.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// UTF-8 text.
    Text(String),
    /// An instant, from a column of a timestamp type: milliseconds since the epoch.
    Time(i64),
    /// An array, as its compact JSON text. It is set, counts as one value and never equals
    /// anything; `has` looks at its elements.
    Array(String),
}

impl Value {
    /// The value as a number, if it is one.
    pub fn as_number(&self) -> Option<Number> {
        match self {
            Self::Integer(value) => Some(Number::Integer(*value)),
            Self::Float(value) => Some(Number::Float(*value)),
            _ => None,
        }
    }
}

/// A number of either kind. Compare with [`crate::compare_numbers`]: `1` and `1.0` are equal.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Number {
    /// An exact integer.
    Integer(i64),
    /// A double.
    Float(f64),
}

impl Number {
    /// The nearest double.
    pub fn to_f64(self) -> f64 {
        match self {
            Self::Integer(value) => value as f64,
            Self::Float(value) => value,
        }
    }
}
