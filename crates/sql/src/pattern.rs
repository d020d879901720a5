//! Patterns that all engines read alike.

use crate::dialect::Dialect;
use std::fmt::Write;

/// A pattern of `like` with backslashes only where they are needed.
pub(crate) fn tidy(pattern: &str) -> String {
    let mut tidy = String::new();
    let mut chars = pattern.chars();
    while let Some(char) = chars.next() {
        if char == '\\' {
            let literal = chars.next().unwrap_or('\\');
            if matches!(literal, '%' | '_' | '\\') {
                tidy.push('\\');
            }
            tidy.push(literal);
        } else {
            tidy.push(char);
        }
    }
    tidy
}

/// Simple case folding: up, then down, where each is one character.
fn fold(char: char) -> char {
    fn single(mut chars: impl Iterator<Item = char>) -> Option<char> {
        chars.next().filter(|_| chars.next().is_none())
    }
    // The dotless i folds to itself, though its upper case is the I of everyone.
    if char == '\u{131}' {
        return char;
    }
    let upper = single(char.to_uppercase()).unwrap_or(char);
    single(upper.to_lowercase()).unwrap_or(upper)
}

/// A pattern of `ilike` as a regular expression: every character that folds alike is named, as
/// engines fold in ways of their own.
pub(crate) fn folded(pattern: &str) -> String {
    let mut regex = r"(?s)\A".to_owned();
    let mut chars = pattern.chars();
    while let Some(char) = chars.next() {
        let literal = match char {
            '%' => {
                regex.push_str(".*");
                continue;
            }
            '_' => {
                regex.push('.');
                continue;
            }
            '\\' => chars.next().unwrap_or('\\'),
            other => other,
        };
        let wanted = fold(literal);
        let alike: Vec<char> = (char::MIN..=char::MAX)
            .filter(|other| fold(*other) == wanted)
            .collect();
        regex.push_str(if alike.len() > 1 { "[" } else { "" });
        for char in &alike {
            if char.is_ascii_alphanumeric() {
                regex.push(*char);
            } else {
                // Every engine reads the number of a character.
                let _ = write!(regex, r"\x{{{:X}}}", u32::from(*char));
            }
        }
        regex.push_str(if alike.len() > 1 { "]" } else { "" });
    }
    regex.push_str(r"\z");
    regex
}

/// What stands for itself behind a backslash in all engines.
const ESCAPED: &str = r"\.^$|?*+()[]{}/-";

/// Repetitions of more are left to the engines that have limits of their own.
const REPETITIONS_MAX: u32 = 100;

/// A regular expression of the language as the dialect reads it: plain letters, escaped signs, groups,
/// repetition, alternatives and simple classes.
pub(crate) fn common(dialect: Dialect, pattern: &str) -> Option<String> {
    // It has the language's own engine.
    if dialect == Dialect::DataFusion {
        return Some(pattern.to_owned());
    }
    let (case, pattern) = match pattern.strip_prefix("(?i)") {
        // Engines fold letters beyond ASCII in different ways, and two of them into ASCII.
        Some(rest) if !rest.contains(['k', 's', 'K', 'S']) => ("(?i)", rest),
        Some(_) => return None,
        None => ("", pattern),
    };
    let shape = shape(pattern)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || " _/-.*+?^$|()[]:@,=%".contains(c);
    // Classes in classes, possessive repetition, repetition of nothing.
    let odd = [
        "(?", "[:", "[[", "--", "][", "[]", "[^]", "++", "*+", "?+", "**", "+*", "?*", "^*", "^+",
        "^?", "$*", "$+", "$?",
    ];
    let nested = shape.matches('[').count() != shape.matches(']').count();
    if !shape.chars().all(plain) || odd.iter().any(|odd| shape.contains(odd)) || nested {
        return None;
    }
    // Lines end in different places, and so does `.`; without the end of a line they do not.
    let mut read = String::new();
    let (mut in_class, mut is_escaped) = (false, false);
    for char in pattern.chars() {
        if is_escaped || char == '\\' {
            is_escaped = !is_escaped;
            read.push(char);
            continue;
        }
        match char {
            '[' => in_class = true,
            ']' => in_class = false,
            _ => {}
        }
        match char {
            '$' if !in_class => read.push_str(r"\z"),
            '^' if !in_class => read.push_str(r"\A"),
            '.' if !in_class => read.push_str(r"[^\n]"),
            other => read.push(other),
        }
    }
    Some(format!("{case}{read}"))
}

/// A regular expression with a letter for each escaped sign, and without what all engines read alike:
/// that a group is not captured, and counted repetition. `None` for other escapes and counts.
fn shape(pattern: &str) -> Option<String> {
    let mut shape = String::new();
    let mut rest = pattern;
    while let Some(char) = rest.chars().next() {
        rest = &rest[char.len_utf8()..];
        match char {
            '\\' => {
                let sign = rest.chars().next().filter(|sign| ESCAPED.contains(*sign))?;
                rest = &rest[sign.len_utf8()..];
                shape.push('x');
            }
            '(' => {
                shape.push('(');
                rest = rest.strip_prefix("?:").unwrap_or(rest);
            }
            '{' => {
                let (counts, behind) = rest.split_once('}')?;
                let is_count = |count: &str| {
                    count.bytes().all(|byte| byte.is_ascii_digit())
                        && count
                            .parse()
                            .is_ok_and(|count: u32| count <= REPETITIONS_MAX)
                };
                let (least, most) = counts.split_once(',').unwrap_or((counts, counts));
                let repeats =
                    shape.ends_with(|c: char| c.is_ascii_alphanumeric() || ").]".contains(c));
                if !repeats
                    || !is_count(least)
                    || !(most.is_empty() && counts.contains(',') || is_count(most))
                    || behind.starts_with(['+', '*', '?', '{'])
                {
                    return None;
                }
                rest = behind;
            }
            other => shape.push(other),
        }
    }
    Some(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_that_folds_alike_is_named() {
        assert_eq!(folded("a%_"), r"(?s)\A[Aa].*.\z");
        assert_eq!(folded("S"), r"(?s)\A[Ss\x{17F}]\z");
        assert_eq!(folded(r"1\%é"), r"(?s)\A1\x{25}[\x{C9}\x{E9}]\z");
    }

    #[test]
    fn what_engines_read_in_different_ways_is_not_common() {
        let common = |pattern| common(Dialect::Spark, pattern);
        assert_eq!(common("^a.[.$]$").unwrap(), r"\Aa[^\n][.$]\z");
        assert_eq!(common("(?i)ab").unwrap(), "(?i)ab");
        assert_eq!(
            common(r"^/docs/.*\.html$").unwrap(),
            r"\A/docs/[^\n]*\.html\z"
        );
        assert_eq!(
            common(r"(?:a|\[\^\$[\]x-]){2,3}").unwrap(),
            r"(?:a|\[\^\$[\]x-]){2,3}"
        );
        for pattern in [
            r"\d",
            "(?i)ask",
            "(?x)a",
            "[[a]]",
            "[[:alpha:]]",
            "é",
            "a{2}?",
            "a{2}+",
            "a{1000}",
            "(?:a*){2}*",
            r"\<a",
            "a++",
        ] {
            assert_eq!(common(pattern), None, "{pattern}");
        }
    }
}
