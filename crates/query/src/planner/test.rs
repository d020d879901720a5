//! Tests: literals resolved, patterns translated, event names decided at once.

use super::{Planner, ordering_passes};
use crate::ast::CompareOp;
use crate::ast::{Cast, Literal, Operand, Span, Test, TimePoint};
use crate::catalog::TypeSet;
use crate::checks;
use crate::diagnostic::Diagnostic;
use crate::plan::{PlanLiteral, PlanTest};
use crowdset_types::TimestampMillis;

impl Planner<'_> {
    /// Looks over a test against values of these types. Returns whether it can be planned.
    pub(super) fn lint_test(
        &mut self,
        operand: &Operand,
        test: &Test,
        types: TypeSet,
        span: Span,
    ) -> bool {
        if !self.check(checks::leaf_problem(operand, test), span) {
            return false;
        }
        if let Test::CompareAttribute(_, attribute) = test {
            self.attribute(attribute);
        }
        if let Test::Like(pattern) | Test::ILike(pattern) = test
            && checks::compile(&like_regex(
                &like_parts(pattern),
                matches!(test, Test::ILike(_)),
            ))
            .is_err()
        {
            self.report(
                Diagnostic::error("pattern", "the pattern is too large"),
                span,
            );
            return false;
        }
        if types.time && !types.text {
            let literals: Vec<&Literal> = match test {
                Test::Compare(_, value) => vec![value],
                Test::Between(low, high) => vec![low, high],
                Test::In(values) | Test::NotIn(values) => values.iter().collect(),
                _ => Vec::new(),
            };
            for literal in literals {
                if let Literal::Text(text) = literal
                    && let Err(error) = TimestampMillis::parse(text)
                {
                    self.report(
                        Diagnostic::error("time", format!("compared with a time: {error}")),
                        span,
                    );
                    return false;
                }
            }
        }
        true
    }

    /// The test with its literals resolved; `None` if it is false of every value, as a comparison
    /// with an unknown attribute is.
    pub(super) fn test(&mut self, test: &Test) -> Option<PlanTest> {
        let as_of = self.as_of;
        let literal = |literal: &Literal| resolve(literal, as_of);
        let literals = |values: &[Literal]| values.iter().map(literal).collect();
        Some(match test {
            Test::Compare(op, value) => PlanTest::Compare(*op, literal(value)),
            Test::CompareAttribute(op, attribute) => {
                PlanTest::CompareAttribute(*op, self.attribute(attribute)?)
            }
            Test::Between(low, high) => PlanTest::Between(literal(low), literal(high)),
            Test::In(values) => PlanTest::In(literals(values)),
            Test::NotIn(values) => PlanTest::NotIn(literals(values)),
            Test::Contains(text) => PlanTest::Contains(text.clone()),
            Test::StartsWith(text) => PlanTest::StartsWith(text.clone()),
            Test::EndsWith(text) => PlanTest::EndsWith(text.clone()),
            Test::Like(pattern) => like(pattern),
            Test::ILike(pattern) => PlanTest::Matches(like_regex(&like_parts(pattern), true)),
            Test::Matches(pattern) => PlanTest::Matches(pattern.clone()),
            Test::IsSet => PlanTest::IsSet,
            Test::IsNotSet => PlanTest::IsNotSet,
            Test::Has(value) => PlanTest::Has(literal(value)),
            Test::HasAny(values) => PlanTest::HasAny(literals(values)),
            Test::HasAll(values) => PlanTest::HasAll(literals(values)),
        })
    }
}

/// What a cast yields.
pub(super) fn types_of_cast(cast: Cast) -> TypeSet {
    match cast {
        Cast::Number => TypeSet {
            number: true,
            ..TypeSet::default()
        },
        Cast::Text => TypeSet {
            text: true,
            ..TypeSet::default()
        },
        Cast::Time | Cast::TimeSeconds | Cast::TimeMillis => TypeSet {
            time: true,
            ..TypeSet::default()
        },
    }
}

pub(super) fn resolve(literal: &Literal, as_of: TimestampMillis) -> PlanLiteral {
    match literal {
        Literal::Text(text) => PlanLiteral::Text(
            text.clone(),
            TimestampMillis::parse(text)
                .ok()
                .map(|(instant, _)| instant),
        ),
        Literal::Integer(value) => PlanLiteral::Integer(*value),
        Literal::Float(value) => PlanLiteral::Float(*value),
        Literal::Bool(value) => PlanLiteral::Bool(*value),
        Literal::Time(TimePoint::Now) => PlanLiteral::Time(as_of),
        Literal::Time(TimePoint::Ago(duration)) => PlanLiteral::Time(as_of.minus(*duration)),
        Literal::Time(TimePoint::At(instant)) => PlanLiteral::Time(TimestampMillis(*instant)),
    }
}

/// Whether a text that is no attribute's passes a test: text matches text only.
pub(super) fn text_passes(test: &Test, text: &str) -> bool {
    let compare = |op: CompareOp, literal: &Literal| match literal {
        Literal::Text(value) => ordering_passes(op, text.cmp(value)),
        _ => false,
    };
    let is_among = |values: &[Literal]| values.iter().any(|value| compare(CompareOp::Equal, value));
    let matches = |pattern: &str| checks::compile(pattern).is_ok_and(|regex| regex.is_match(text));
    match test {
        Test::Compare(op, literal) => compare(*op, literal),
        Test::Between(low, high) => {
            compare(CompareOp::GreaterOrEqual, low) && compare(CompareOp::LessOrEqual, high)
        }
        Test::In(values) => is_among(values),
        // Text is of another type than a list without text, and so it is like missing.
        Test::NotIn(values) => {
            values.iter().any(|value| matches!(value, Literal::Text(_))) && !is_among(values)
        }
        Test::Contains(part) => text.contains(part.as_str()),
        Test::StartsWith(part) => text.starts_with(part.as_str()),
        Test::EndsWith(part) => text.ends_with(part.as_str()),
        Test::Like(pattern) => matches(&like_regex(&like_parts(pattern), false)),
        Test::ILike(pattern) => matches(&like_regex(&like_parts(pattern), true)),
        Test::Matches(pattern) => matches(pattern),
        Test::IsSet => true,
        Test::CompareAttribute(..)
        | Test::IsNotSet
        | Test::Has(_)
        | Test::HasAny(_)
        | Test::HasAll(_) => false,
    }
}

/// A piece of a `like` pattern.
#[derive(Debug, PartialEq)]
enum LikePart {
    /// This text.
    Text(String),
    /// `_`: one character.
    One,
    /// `%`: any characters, or none.
    Many,
}

fn like_parts(pattern: &str) -> Vec<LikePart> {
    let mut parts: Vec<LikePart> = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        let literal = match c {
            '%' => {
                if parts.last() != Some(&LikePart::Many) {
                    parts.push(LikePart::Many);
                }
                continue;
            }
            '_' => {
                parts.push(LikePart::One);
                continue;
            }
            // A lone backslash at the end has been refused before.
            '\\' => chars.next().unwrap_or('\\'),
            c => c,
        };
        match parts.last_mut() {
            Some(LikePart::Text(text)) => text.push(literal),
            _ => parts.push(LikePart::Text(literal.to_string())),
        }
    }
    parts
}

/// The regular expression of a pattern, anchored at both ends.
fn like_regex(parts: &[LikePart], fold_case: bool) -> String {
    let mut regex = String::from(if fold_case { r"(?is)\A" } else { r"(?s)\A" });
    for part in parts {
        match part {
            LikePart::Text(text) => regex.push_str(&regex::escape(text)),
            LikePart::One => regex.push('.'),
            LikePart::Many => regex.push_str(".*"),
        }
    }
    regex.push_str(r"\z");
    regex
}

/// `like`, as the cheapest test that means the same.
fn like(pattern: &str) -> PlanTest {
    let parts = like_parts(pattern);
    match parts.as_slice() {
        [] => PlanTest::Compare(CompareOp::Equal, PlanLiteral::Text(String::new(), None)),
        [LikePart::Text(text)] => {
            PlanTest::Compare(CompareOp::Equal, PlanLiteral::Text(text.clone(), None))
        }
        [LikePart::Many] => PlanTest::StartsWith(String::new()),
        [LikePart::Text(text), LikePart::Many] => PlanTest::StartsWith(text.clone()),
        [LikePart::Many, LikePart::Text(text)] => PlanTest::EndsWith(text.clone()),
        [LikePart::Many, LikePart::Text(text), LikePart::Many] => PlanTest::Contains(text.clone()),
        parts => PlanTest::Matches(like_regex(parts, false)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_becomes_the_cheapest_test() {
        assert_eq!(like("a%"), PlanTest::StartsWith("a".into()));
        assert_eq!(like(r"%10\%"), PlanTest::EndsWith("10%".into()));
        assert_eq!(like("%%x%"), PlanTest::Contains("x".into()));
        assert_eq!(like("a.c_%"), PlanTest::Matches(r"(?s)\Aa\.c..*\z".into()));
    }

    #[test]
    fn like_and_ilike_match_whole_texts() {
        for (test, text, expected) in [
            (Test::Like("a_c".into()), "abc", true),
            (Test::Like("a_c".into()), "abcd", false),
            (Test::Like("a%".into()), "a\nb", true),
            (Test::Like(r"a\_c".into()), "abc", false),
            (Test::Like("ABC".into()), "abc", false),
            (Test::ILike("ÄBC".into()), "äbc", true),
            (Test::ILike("a.c".into()), "abc", false),
        ] {
            assert_eq!(text_passes(&test, text), expected, "{test} {text}");
        }
    }

    #[test]
    fn another_type_is_like_missing() {
        let five = || Literal::Integer(5);
        assert!(!text_passes(
            &Test::Compare(CompareOp::NotEqual, five()),
            "5"
        ));
        assert!(!text_passes(&Test::NotIn(vec![five()]), "5"));
        assert!(text_passes(
            &Test::NotIn(vec![five(), Literal::Text("6".into())]),
            "5"
        ));
    }
}
