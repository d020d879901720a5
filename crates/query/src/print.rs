//! Canonical text: what `fmt` prints, and what parses back into the same tree.

mod event;
mod levels;
mod measure;
mod sequence;
mod window;

use crate::ast::{
    AttributeOperand, AttributeRef, AttributeTable, Cast, Expr, ExprKind, Lifecycle, RankEnd,
    RankSize, Segment,
};

use crate::lexer::is_plain_name;
use event::occurrence_test;
use std::fmt::{self, Display, Formatter, Write};
use window::option;

pub(crate) use levels::levels;
pub(crate) use window::time_text;

/// Words that a name at the beginning of a test must not be mistaken for.
const WORDS_BEFORE_TESTS: [&str; 20] = [
    "and", "or", "not", "in", "is", "between", "contains", "starts", "ends", "like", "ilike",
    "matches", "has", "everyone", "nobody", "true", "false", "now", "where", "then",
];

impl Display for Segment {
    /// The canonical text.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}

impl Display for Expr {
    /// The canonical text.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Everyone => f.write_str("everyone"),
            ExprKind::Nobody => f.write_str("nobody"),
            ExprKind::And(parts) if parts.is_empty() => f.write_str("everyone"),
            ExprKind::Or(parts) if parts.is_empty() => f.write_str("nobody"),
            ExprKind::And(parts) => joined(f, parts, " and ", |f, part| {
                parenthesized(f, part, self.needs_parentheses(part))
            }),
            ExprKind::Or(parts) => joined(f, parts, " or ", |f, part| {
                parenthesized(f, part, self.needs_parentheses(part))
            }),
            ExprKind::Not(inner) => {
                f.write_str("not ")?;
                parenthesized(f, inner, self.needs_parentheses(inner))
            }
            ExprKind::UserId(ids) => match ids.as_slice() {
                [] => f.write_str("nobody"),
                [id] => {
                    f.write_str("user_id = ")?;
                    text(f, id)
                }
                ids => {
                    f.write_str("user_id in (")?;
                    joined(f, ids, ", ", |f, id| text(f, id))?;
                    f.write_str(")")
                }
            },
            ExprKind::SavedSegment(name) => {
                f.write_str("segment(")?;
                text(f, name)?;
                f.write_str(")")
            }
            ExprKind::StaticList(name) => {
                f.write_str("list(")?;
                text(f, name)?;
                f.write_str(")")
            }
            ExprKind::Attribute { operand, test } => write!(f, "{operand}{test}"),
            ExprKind::Did(of) => write!(f, "did({of})"),
            ExprKind::Measure { measure, test } => write!(f, "{measure}{test}"),
            ExprKind::Occurrence { occurrence, test } => occurrence_test(f, occurrence, test),
            ExprKind::Sequence(sequence) => sequence.fmt(f),
            ExprKind::Lifecycle { events, change } => match change {
                Lifecycle::Stopped { quiet, since } => {
                    write!(f, "stopped({events}, for {quiet}, after {since})")
                }
                Lifecycle::Restarted { recent, gap } => {
                    write!(f, "restarted({events}, in {recent}, after gap of {gap})")
                }
            },
            ExprKind::MeasureComparison { left, op, right } => write!(f, "{left} {op} {right}"),
            ExprKind::Had {
                operand,
                test,
                window,
            } => {
                write!(f, "had({operand}{test}")?;
                option(f, window)?;
                f.write_str(")")
            }
            ExprKind::Changed {
                attribute,
                from,
                to,
                window,
            } => {
                write!(f, "changed({attribute}")?;
                if let Some(from) = from {
                    write!(f, " from {from}")?;
                }
                if let Some(to) = to {
                    write!(f, " to {to}")?;
                }
                option(f, window)?;
                f.write_str(")")
            }
            ExprKind::Held {
                operand,
                test,
                length,
            } => write!(f, "held({operand}{test}, for {length})"),
            ExprKind::Rank { end, size, measure } => {
                let end = match end {
                    RankEnd::Top => "top",
                    RankEnd::Bottom => "bottom",
                };
                match size {
                    RankSize::Users(users) => write!(f, "{end}({users}, {measure})"),
                    RankSize::Percent(percent) => write!(f, "{end}({percent}%, {measure})"),
                }
            }
        }
    }
}

impl Expr {
    /// Whether a part of it stands in parentheses.
    fn needs_parentheses(&self, part: &Self) -> bool {
        match part.kind {
            ExprKind::And(_) => !matches!(self.kind, ExprKind::Or(_)),
            ExprKind::Or(_) => true,
            _ => false,
        }
    }
}

fn joined<T>(
    f: &mut Formatter<'_>,
    parts: &[T],
    separator: &str,
    print: impl Fn(&mut Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(separator)?;
        }
        print(f, part)?;
    }
    Ok(())
}

fn parenthesized(f: &mut Formatter<'_>, part: &impl Display, needed: bool) -> fmt::Result {
    if needed {
        write!(f, "({part})")
    } else {
        part.fmt(f)
    }
}

fn text(f: &mut Formatter<'_>, value: &str) -> fmt::Result {
    quoted(f, value, '\'')
}

fn quoted(f: &mut Formatter<'_>, value: &str, quote: char) -> fmt::Result {
    f.write_char(quote)?;
    for c in value.chars() {
        if c == quote {
            f.write_char(quote)?;
        }
        f.write_char(c)?;
    }
    f.write_char(quote)
}

/// A name that stands where no keyword can.
fn name(f: &mut Formatter<'_>, value: &str) -> fmt::Result {
    if is_plain_name(value) {
        f.write_str(value)
    } else {
        quoted(f, value, '"')
    }
}

/// A dotted path after a dot, where no keyword can stand.
fn path(f: &mut Formatter<'_>, value: &str) -> fmt::Result {
    for (index, part) in value.split('.').enumerate() {
        if index > 0 {
            f.write_str(".")?;
        }
        name(f, part)?;
    }
    Ok(())
}

/// A dotted path at the beginning of a test, where `taken` words mean something else.
fn leading_path(
    f: &mut Formatter<'_>,
    value: &str,
    taken: impl Fn(&str, bool) -> bool,
) -> fmt::Result {
    let (first, rest) = value
        .split_once('.')
        .map_or((value, None), |(first, rest)| (first, Some(rest)));
    let word = WORDS_BEFORE_TESTS
        .iter()
        .any(|word| word.eq_ignore_ascii_case(first));
    if word || taken(first, rest.is_some()) {
        quoted(f, first, '"')?;
    } else {
        name(f, first)?;
    }
    if let Some(rest) = rest {
        f.write_str(".")?;
        path(f, rest)?;
    }
    Ok(())
}

impl Display for AttributeRef {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.table {
            Some(table) => {
                write!(f, "{table}.")?;
                path(f, &self.name)
            }
            None => leading_path(f, &self.name, |first, dotted| {
                first == "user_id"
                    || (dotted
                        && (first.eq_ignore_ascii_case("users")
                            || first.eq_ignore_ascii_case("property")))
            }),
        }
    }
}

impl Display for AttributeTable {
    /// `users` or `property`, as before the dot.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Users => "users",
            Self::Property => "property",
        })
    }
}

impl Display for AttributeOperand {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.cast {
            Some(cast) => with_cast(f, cast, |f| self.attribute.fmt(f)),
            None => self.attribute.fmt(f),
        }
    }
}

fn with_cast(
    f: &mut Formatter<'_>,
    cast: Cast,
    inner: impl Fn(&mut Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    let (function, unit) = match cast {
        Cast::Number => ("number", ""),
        Cast::Text => ("text", ""),
        Cast::Time => ("time", ""),
        Cast::TimeSeconds => ("time", ", 's'"),
        Cast::TimeMillis => ("time", ", 'ms'"),
    };
    write!(f, "{function}(")?;
    inner(f)?;
    write!(f, "{unit})")
}
