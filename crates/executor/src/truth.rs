//! What one test says of one value. Slow and plain; columns ask it once per distinct value.

use crate::EvalError;
use crowdset_query::{Cast, CompareOp};
use crowdset_query::{PlanLiteral, PlanTest};
use crowdset_types::{Number, TimestampMillis, compare_numbers, parse_number};
use regex::Regex;
use std::borrow::Cow;
use std::cmp::Ordering;

/// One value of a property or attribute.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ValueRef<'a> {
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    Time(i64),
    Array(&'a str),
}

impl ValueRef<'_> {
    /// Changes the type as `cast` asks; `None` if this value cannot be changed so.
    pub(crate) fn cast(self, cast: Option<Cast>) -> Option<Self> {
        Some(match (cast, self) {
            (None, value)
            | (Some(Cast::Number), value @ Self::Number(_))
            | (Some(Cast::Text), value @ Self::Text(_))
            | (Some(Cast::Time | Cast::TimeSeconds | Cast::TimeMillis), value @ Self::Time(_)) => {
                value
            }
            (Some(Cast::Number), Self::Text(text)) => Self::Number(parse_number(&text)?),
            (Some(Cast::Text), Self::Number(Number::Integer(value))) => {
                Self::Text(Cow::Owned(value.to_string()))
            }
            (Some(Cast::Text), Self::Number(Number::Float(value))) => {
                Self::Text(Cow::Owned(value.to_string()))
            }
            (Some(Cast::Text), Self::Bool(value)) => {
                Self::Text(Cow::Borrowed(if value { "true" } else { "false" }))
            }
            (Some(Cast::Text), Self::Time(at)) => {
                Self::Text(Cow::Owned(TimestampMillis(at).to_string()))
            }
            (Some(Cast::Time), Self::Text(text)) => {
                Self::Time(TimestampMillis::parse(&text).ok()?.0.0)
            }
            (Some(Cast::TimeSeconds), Self::Number(number)) => Self::Time(instant(number, 1_000)?),
            (Some(Cast::TimeMillis), Self::Number(number)) => Self::Time(instant(number, 1)?),
            _ => return None,
        })
    }

    /// The value as a number; NaN is one.
    pub(crate) fn number(&self) -> Option<Number> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// Whether it is NaN, which equals nothing.
    pub(crate) fn is_nan(&self) -> bool {
        matches!(self, Self::Number(Number::Float(value)) if value.is_nan())
    }
}

/// `number * factor`, floored, if it is an instant that input may hold.
fn instant(number: Number, factor: i64) -> Option<i64> {
    let millis = match number {
        Number::Integer(value) => value.checked_mul(factor)?,
        // Saturates far out of range; NaN would become zero.
        Number::Float(value) if value.is_nan() => return None,
        Number::Float(value) => (value * factor as f64).floor() as i64,
    };
    TimestampMillis(millis).is_in_range().then_some(millis)
}

/// Whether `ordering` satisfies the operator.
pub(crate) fn satisfies(op: CompareOp, ordering: Ordering) -> bool {
    match op {
        CompareOp::Equal => ordering.is_eq(),
        CompareOp::NotEqual => ordering.is_ne(),
        CompareOp::Less => ordering.is_lt(),
        CompareOp::LessOrEqual => ordering.is_le(),
        CompareOp::Greater => ordering.is_gt(),
        CompareOp::GreaterOrEqual => ordering.is_ge(),
    }
}

/// How a value stands to a literal; `None` if their types do not compare.
fn compare_literal(
    value: &ValueRef<'_>,
    literal: &PlanLiteral,
    text_numbers: bool,
) -> Option<Ordering> {
    match (value, literal) {
        (ValueRef::Text(text), PlanLiteral::Text(other, _)) => {
            Some(text.as_bytes().cmp(other.as_bytes()))
        }
        (ValueRef::Time(at), PlanLiteral::Text(_, Some(other)) | PlanLiteral::Time(other)) => {
            Some(at.cmp(&other.0))
        }
        // Text that is RFC 3339 is an instant where it meets one.
        (ValueRef::Text(text), PlanLiteral::Time(other)) => {
            Some(TimestampMillis::parse(text).ok()?.0.cmp(other))
        }
        (ValueRef::Bool(value), PlanLiteral::Bool(other)) => Some(value.cmp(other)),
        (ValueRef::Number(number), _) => compare_numbers(*number, literal_number(literal)?),
        (ValueRef::Text(text), _) if text_numbers => {
            compare_numbers(parse_number(text)?, literal_number(literal)?)
        }
        _ => None,
    }
}

fn literal_number(literal: &PlanLiteral) -> Option<Number> {
    match literal {
        PlanLiteral::Integer(value) => Some(Number::Integer(*value)),
        PlanLiteral::Float(value) => Some(Number::Float(*value)),
        _ => None,
    }
}

/// How a value stands to an attribute's value of the same user. Text that is wholly a number
/// compares with a number if it is an attribute's (`left_is_attribute` for the left side); text that
/// is RFC 3339 compares with a time.
pub(crate) fn compare_values(
    left: &ValueRef<'_>,
    right: &ValueRef<'_>,
    left_is_attribute: bool,
) -> Option<Ordering> {
    match (left, right) {
        (ValueRef::Bool(left), ValueRef::Bool(right)) => Some(left.cmp(right)),
        (ValueRef::Text(left), ValueRef::Text(right)) => {
            Some(left.as_bytes().cmp(right.as_bytes()))
        }
        (ValueRef::Time(left), ValueRef::Time(right)) => Some(left.cmp(right)),
        (ValueRef::Text(left), ValueRef::Time(right)) => {
            Some(TimestampMillis::parse(left).ok()?.0.0.cmp(right))
        }
        (ValueRef::Time(left), ValueRef::Text(right)) => {
            Some(left.cmp(&TimestampMillis::parse(right).ok()?.0.0))
        }
        (ValueRef::Number(left), ValueRef::Number(right)) => compare_numbers(*left, *right),
        (ValueRef::Number(left), ValueRef::Text(right)) => {
            compare_numbers(*left, parse_number(right)?)
        }
        (ValueRef::Text(left), ValueRef::Number(right)) if left_is_attribute => {
            compare_numbers(parse_number(left)?, *right)
        }
        _ => None,
    }
}

/// A test made ready: its regular expression compiled. Not for [`PlanTest::CompareAttribute`],
/// whose other side differs from user to user: it is true of no value here.
pub(crate) struct Truth<'p> {
    test: Cow<'p, PlanTest>,
    pattern: Option<Regex>,
    text_numbers: bool,
}

impl<'p> Truth<'p> {
    /// `text_numbers`: text that is wholly a JSON number compares with a number (attributes only).
    pub(crate) fn new(test: Cow<'p, PlanTest>, text_numbers: bool) -> Result<Self, EvalError> {
        let pattern = match &*test {
            PlanTest::Matches(pattern) => {
                Some(Regex::new(pattern).map_err(|source| EvalError::Pattern {
                    pattern: pattern.clone(),
                    reason: source.to_string(),
                })?)
            }
            _ => None,
        };
        Ok(Self {
            test,
            pattern,
            text_numbers,
        })
    }

    /// What the test says where there is no value.
    pub(crate) fn of_missing(&self) -> bool {
        matches!(*self.test, PlanTest::IsNotSet)
    }

    /// What the test says of a value.
    pub(crate) fn of(&self, value: &ValueRef<'_>) -> bool {
        let compare = |literal: &PlanLiteral| compare_literal(value, literal, self.text_numbers);
        let text = |holds: &dyn Fn(&str) -> bool| match value {
            ValueRef::Text(text) => holds(text),
            _ => false,
        };
        match &*self.test {
            PlanTest::Compare(op, literal) => {
                compare(literal).is_some_and(|ordering| satisfies(*op, ordering))
                    && (!matches!(value, ValueRef::Bool(_))
                        || matches!(op, CompareOp::Equal | CompareOp::NotEqual))
            }
            PlanTest::CompareAttribute(..) | PlanTest::IsNotSet => false,
            PlanTest::Between(low, high) => {
                !matches!(value, ValueRef::Bool(_))
                    && compare(low).is_some_and(Ordering::is_ge)
                    && compare(high).is_some_and(Ordering::is_le)
            }
            PlanTest::In(literals) => literals
                .iter()
                .any(|literal| compare(literal).is_some_and(Ordering::is_eq)),
            PlanTest::NotIn(literals) => {
                let mut comparable = literals.iter().filter_map(compare).peekable();
                comparable.peek().is_some() && comparable.all(Ordering::is_ne)
            }
            PlanTest::Contains(part) => text(&|text| text.contains(part.as_str())),
            PlanTest::StartsWith(part) => text(&|text| text.starts_with(part.as_str())),
            PlanTest::EndsWith(part) => text(&|text| text.ends_with(part.as_str())),
            PlanTest::Matches(_) => text(&|text| {
                self.pattern
                    .as_ref()
                    .is_some_and(|pattern| pattern.is_match(text))
            }),
            PlanTest::IsSet => true,
            PlanTest::Has(literal) => elements(value)
                .iter()
                .any(|element| element_is(element, literal)),
            PlanTest::HasAny(literals) => {
                let elements = elements(value);
                literals
                    .iter()
                    .any(|literal| elements.iter().any(|element| element_is(element, literal)))
            }
            PlanTest::HasAll(literals) => {
                matches!(value, ValueRef::Array(_)) && {
                    let elements = elements(value);
                    literals
                        .iter()
                        .all(|literal| elements.iter().any(|element| element_is(element, literal)))
                }
            }
        }
    }

    /// The test itself.
    pub(crate) fn test(&self) -> &PlanTest {
        &self.test
    }

    /// Whether text that is wholly a number compares with a number.
    pub(crate) fn text_numbers(&self) -> bool {
        self.text_numbers
    }

    /// The parts of an ordered domain in which the test is true: `offset` in `0..=last` stands for
    /// the value `value(offset)`, which never falls as the offset grows. Costs a binary search per
    /// literal. `None` if the test is no union of ranges, which no test of numbers or times is.
    pub(crate) fn ranges<'v>(
        &self,
        last: u64,
        value: impl Fn(u64) -> ValueRef<'v>,
    ) -> Option<Vec<(u64, u64)>> {
        // The first offset whose value is at least (`strictly`: greater than) the literal, up to
        // last + 1. None: the types do not compare.
        let bound = |literal: &PlanLiteral, strictly: bool| -> Option<u128> {
            compare_literal(&value(0), literal, false)?;
            let (mut low, mut high) = (0_u128, u128::from(last) + 1);
            while low < high {
                let middle = low.midpoint(high);
                let ordering = compare_literal(&value(middle as u64), literal, false)?;
                if ordering.is_lt() || (strictly && ordering.is_eq()) {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            Some(low)
        };
        let end = u128::from(last) + 1;
        let mut spans: Vec<(u128, u128)> = Vec::new(); // half-open
        match &*self.test {
            PlanTest::Compare(op, literal) => {
                if let (Some(at_least), Some(above)) = (bound(literal, false), bound(literal, true))
                {
                    match op {
                        CompareOp::Equal => spans.push((at_least, above)),
                        CompareOp::NotEqual => spans.extend([(0, at_least), (above, end)]),
                        CompareOp::Less => spans.push((0, at_least)),
                        CompareOp::LessOrEqual => spans.push((0, above)),
                        CompareOp::Greater => spans.push((above, end)),
                        CompareOp::GreaterOrEqual => spans.push((at_least, end)),
                    }
                }
            }
            PlanTest::Between(low, high) => {
                if let (Some(low), Some(high)) = (bound(low, false), bound(high, true)) {
                    spans.push((low, high));
                }
            }
            PlanTest::In(literals) | PlanTest::NotIn(literals) => {
                let mut equal: Vec<(u128, u128)> = literals
                    .iter()
                    .filter_map(|literal| Some((bound(literal, false)?, bound(literal, true)?)))
                    .collect();
                equal.sort_unstable();
                if matches!(*self.test, PlanTest::In(_)) {
                    spans = equal;
                } else if !equal.is_empty() {
                    let mut from = 0;
                    for (low, high) in equal {
                        spans.push((from, low));
                        from = from.max(high);
                    }
                    spans.push((from, end));
                }
            }
            PlanTest::IsSet => spans.push((0, end)),
            // Tests of text and arrays, and what is true of no value.
            PlanTest::CompareAttribute(..) => return None,
            _ => {}
        }
        let mut ranges: Vec<(u64, u64)> = spans
            .into_iter()
            .filter(|(low, high)| low < high)
            .map(|(low, high)| (low as u64, (high - 1) as u64))
            .collect();
        ranges.sort_unstable();
        // Neighbours become one: `!= 2.5` is true of every integer.
        ranges.dedup_by(|next, kept| {
            let touches = kept.1 == u64::MAX || next.0 <= kept.1 + 1;
            if touches {
                kept.1 = kept.1.max(next.1);
            }
            touches
        });
        Some(ranges)
    }
}

fn elements(value: &ValueRef<'_>) -> Vec<serde_json::Value> {
    match value {
        ValueRef::Array(json) => serde_json::from_str(json).unwrap_or_default(),
        _ => Vec::new(),
    }
}

fn element_is(element: &serde_json::Value, literal: &PlanLiteral) -> bool {
    let value = match element {
        serde_json::Value::Bool(value) => ValueRef::Bool(*value),
        serde_json::Value::String(text) => ValueRef::Text(Cow::Borrowed(text)),
        serde_json::Value::Number(number) => {
            ValueRef::Number(match (number.as_i64(), number.as_f64()) {
                (Some(value), _) => Number::Integer(value),
                (None, Some(value)) => Number::Float(value),
                (None, None) => return false,
            })
        }
        _ => return false,
    };
    compare_literal(&value, literal, false).is_some_and(Ordering::is_eq)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> PlanLiteral {
        PlanLiteral::Text(
            text.to_owned(),
            TimestampMillis::parse(text).ok().map(|(at, _)| at),
        )
    }

    fn holds(test: &PlanTest, value: &ValueRef<'_>) -> bool {
        Truth::new(Cow::Borrowed(test), false).unwrap().of(value)
    }

    #[test]
    fn a_value_of_another_type_fails_every_test_but_set() {
        let seven = ValueRef::Number(Number::Integer(7));
        for test in [
            PlanTest::Compare(CompareOp::NotEqual, text("x")),
            PlanTest::NotIn(vec![text("x"), text("y")]),
            PlanTest::Contains(String::new()),
            PlanTest::HasAll(vec![]),
            PlanTest::IsNotSet,
        ] {
            assert!(!holds(&test, &seven), "{test:?}");
        }
        assert!(holds(&PlanTest::IsSet, &seven));
        assert!(holds(
            &PlanTest::NotIn(vec![text("x"), PlanLiteral::Float(7.5)]),
            &seven
        ));
        assert!(!holds(
            &PlanTest::NotIn(vec![text("x"), PlanLiteral::Float(7.0)]),
            &seven
        ));
    }

    #[test]
    fn text_is_a_number_for_attributes_only() {
        let test = PlanTest::Compare(CompareOp::Greater, PlanLiteral::Integer(9));
        let ten = ValueRef::Text("10".into());
        assert!(Truth::new(Cow::Borrowed(&test), true).unwrap().of(&ten));
        assert!(!Truth::new(Cow::Borrowed(&test), false).unwrap().of(&ten));
        assert!(
            !Truth::new(Cow::Borrowed(&test), true)
                .unwrap()
                .of(&ValueRef::Text("10 ".into()))
        );
    }

    #[test]
    fn arrays_are_asked_for_their_elements() {
        let array = ValueRef::Array(r#"["a",1,2.5,true,[3],null]"#);
        assert!(holds(&PlanTest::Has(text("a")), &array));
        assert!(holds(&PlanTest::Has(PlanLiteral::Float(1.0)), &array));
        assert!(!holds(&PlanTest::Has(PlanLiteral::Integer(3)), &array));
        assert!(holds(
            &PlanTest::HasAll(vec![PlanLiteral::Bool(true), PlanLiteral::Float(2.5)]),
            &array
        ));
        assert!(!holds(
            &PlanTest::Has(text("a")),
            &ValueRef::Text("a".into())
        ));
        assert!(!holds(
            &PlanTest::Compare(CompareOp::Equal, text("a")),
            &array
        ));
    }

    #[test]
    fn ranges_say_what_the_test_says() {
        let literal = |value: f64| PlanLiteral::Float(value);
        let tests = [
            PlanTest::Compare(CompareOp::NotEqual, literal(3.0)),
            PlanTest::Compare(CompareOp::NotEqual, literal(3.5)),
            PlanTest::Compare(CompareOp::Less, literal(-100.0)),
            PlanTest::Compare(CompareOp::GreaterOrEqual, literal(2.5)),
            PlanTest::Between(literal(1.0), literal(4.2)),
            PlanTest::Between(literal(4.0), literal(1.0)),
            PlanTest::In(vec![
                literal(0.5),
                literal(2.0),
                PlanLiteral::Integer(2),
                text("2"),
            ]),
            PlanTest::NotIn(vec![
                literal(0.5),
                literal(2.0),
                PlanLiteral::Integer(-9),
                text("2"),
            ]),
            PlanTest::NotIn(vec![text("2")]),
            PlanTest::IsSet,
            PlanTest::IsNotSet,
            PlanTest::Contains("2".to_owned()),
        ];
        let value = |offset: u64| ValueRef::Number(Number::Integer(offset as i64 - 3));
        for test in &tests {
            let truth = Truth::new(Cow::Borrowed(test), false).unwrap();
            let ranges = truth.ranges(10, value).unwrap();
            for offset in 0..=10 {
                let inside = ranges
                    .iter()
                    .any(|&(low, high)| (low..=high).contains(&offset));
                assert_eq!(inside, truth.of(&value(offset)), "{test:?} at {offset}");
            }
        }
    }

    #[test]
    fn casts_change_what_can_be_changed() {
        let text = |text: &'static str| ValueRef::Text(text.into());
        let number = |value| ValueRef::Number(Number::Float(value));
        assert_eq!(
            text("5").cast(Some(Cast::Number)),
            Some(ValueRef::Number(Number::Integer(5)))
        );
        assert_eq!(number(5.0).cast(Some(Cast::Text)), Some(text("5")));
        assert_eq!(
            text("1970-01-02").cast(Some(Cast::Time)),
            Some(ValueRef::Time(86_400_000))
        );
        assert_eq!(
            number(1.5).cast(Some(Cast::TimeSeconds)),
            Some(ValueRef::Time(1_500))
        );
        assert_eq!(
            number(-0.5).cast(Some(Cast::TimeMillis)),
            Some(ValueRef::Time(-1))
        );
        assert_eq!(ValueRef::Array("[]").cast(Some(Cast::Text)), None);
        assert_eq!(text("x").cast(Some(Cast::Time)), None);
    }
}
