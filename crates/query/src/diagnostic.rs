//! Errors and warnings as data: what, where, why, and what would be right.

use crate::ast::Span;
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};
use std::fmt;
use std::sync::Arc;

/// The longest part of a source line, in characters, that a rendered message shows.
const EXCERPT_CHARS: usize = 160;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The segment has no meaning as written.
    Error,
    /// It has one, but probably not the one that was meant.
    Warning,
}

/// One finding about a segment.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable name of the kind of finding, for programs: `unknown-event`, `expected`.
    pub code: &'static str,
    /// What is wrong, in one line.
    pub message: String,
    /// Where in the text; `None` for trees that came from JSON or the builder.
    pub span: Option<Span>,
    /// A few words to stand beside the carets.
    pub label: Option<String>,
    /// What would be right, if the message does not say so already.
    pub help: Option<String>,
    /// A change of the text that a program may apply.
    pub suggestion: Option<Box<Suggestion>>,
}

/// A replacement of one part of the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Suggestion {
    /// What to replace; empty to insert.
    pub span: Span,
    /// What to put there.
    pub text: String,
}

impl Diagnostic {
    /// An error without a place.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            span: None,
            label: None,
            help: None,
            suggestion: None,
        }
    }

    /// A warning without a place.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, message)
        }
    }

    /// The same at a place.
    pub fn at(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    /// The same with words beside the carets.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// The same with a cure.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same with a change that would cure it.
    pub fn suggest(mut self, span: Span, text: impl Into<String>) -> Self {
        self.suggestion = Some(Box::new(Suggestion {
            span,
            text: text.into(),
        }));
        self
    }

    /// Line and column of the first character, both from 1, the column in characters. `None`
    /// without a place, or if the place does not lie in `source`.
    pub fn position(&self, source: &str) -> Option<(usize, usize)> {
        let start = self.span?.start as usize;
        let before = source.get(..start)?;
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = 1 + before.bytes().filter(|&byte| byte == b'\n').count();
        Some((line, 1 + before[line_start..].chars().count()))
    }

    /// The finding for people: `line:column: message`, the line of `source` with carets under the
    /// place, and the cure. Without a final line break.
    pub fn render(&self, source: &str) -> String {
        let mut out = match self.position(source) {
            Some((line, column)) => format!("{line}:{column}: {}", self.message),
            None => self.message.clone(),
        };
        if let (Some(span), Some(_)) = (self.span, self.position(source)) {
            self.render_line(&mut out, source, span);
        }
        if let Some(help) = &self.help {
            out.push_str("\n  help: ");
            out.push_str(help);
        }
        out
    }

    fn render_line(&self, out: &mut String, source: &str, span: Span) {
        let start = span.start as usize;
        let line_start = source[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = source[start..]
            .find('\n')
            .map_or(source.len(), |newline| start + newline);
        let end = (span.end as usize).clamp(start, line_end);
        let end = (end..=line_end)
            .find(|&at| source.is_char_boundary(at))
            .unwrap_or(line_end);

        // A line of a megabyte would bury the message: show the neighbourhood of the place.
        let before: Vec<char> = tail_chars(&source[line_start..start], EXCERPT_CHARS / 2);
        let cut_left = before.len() < source[line_start..start].chars().count();
        let marked: Vec<char> = source[start..end].chars().take(EXCERPT_CHARS / 2).collect();
        let room = EXCERPT_CHARS - before.len() - marked.len();
        let mut rest = source[start..line_end].chars().skip(marked.len());
        let after: Vec<char> = rest.by_ref().take(room).collect();
        let cut_right = rest.next().is_some();

        let visible = |c: char| if c.is_control() { ' ' } else { c };
        out.push_str("\n  ");
        if cut_left {
            out.push('…');
        }
        out.extend(
            before
                .iter()
                .chain(&marked)
                .chain(&after)
                .copied()
                .map(visible),
        );
        if cut_right {
            out.push('…');
        }
        // An empty line at the end of the text would only trail a blank.
        out.truncate(out.trim_end_matches([' ', '\r']).len());
        out.push_str("\n  ");
        out.extend(std::iter::repeat_n(
            ' ',
            before.len() + usize::from(cut_left),
        ));
        out.extend(std::iter::repeat_n('^', marked.len().max(1)));
        if let Some(label) = &self.label {
            out.push(' ');
            out.push_str(label);
        }
    }

    /// The finding with its line and column, ready to be serialized: `severity`, `code`,
    /// `message`, `start`, `end` (byte offsets), `line`, `column`, `label`, `help`, `suggestion`;
    /// null where there is none.
    pub fn located<'a>(&'a self, source: &'a str) -> LocatedDiagnostic<'a> {
        LocatedDiagnostic {
            diagnostic: self,
            source,
        }
    }
}

fn tail_chars(text: &str, count: usize) -> Vec<char> {
    let mut chars: Vec<char> = text.chars().rev().take(count).collect();
    chars.reverse();
    chars
}

/// A finding together with the text it is about. Serializes to a flat object.
#[derive(Debug, Clone, Copy)]
pub struct LocatedDiagnostic<'a> {
    diagnostic: &'a Diagnostic,
    source: &'a str,
}

impl Serialize for LocatedDiagnostic<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Change<'a> {
            start: u32,
            end: u32,
            text: &'a str,
        }
        let Diagnostic {
            severity,
            code,
            message,
            span,
            label,
            help,
            suggestion,
        } = self.diagnostic;
        let position = self.diagnostic.position(self.source);
        let mut object = serializer.serialize_struct("Diagnostic", 10)?;
        object.serialize_field("severity", severity)?;
        object.serialize_field("code", code)?;
        object.serialize_field("message", message)?;
        object.serialize_field("start", &span.map(|span| span.start))?;
        object.serialize_field("end", &span.map(|span| span.end))?;
        object.serialize_field("line", &position.map(|(line, _)| line))?;
        object.serialize_field("column", &position.map(|(_, column)| column))?;
        object.serialize_field("label", label)?;
        object.serialize_field("help", help)?;
        object.serialize_field(
            "suggestion",
            &suggestion.as_ref().map(|change| Change {
                start: change.span.start,
                end: change.span.end,
                text: &change.text,
            }),
        )?;
        object.end()
    }
}

/// Why a segment could not be read or planned: one or more errors, and the text they are about.
///
/// [`fmt::Display`] prints each with its line and carets. Serializes as the list of
/// [`Diagnostic::located`] findings.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentError {
    /// The findings in the order of the text; at least one is an error.
    pub diagnostics: Vec<Diagnostic>,
    /// The text; empty if the segment came from the builder.
    pub source: Arc<str>,
}

impl SegmentError {
    /// These findings about this text.
    pub fn new(diagnostics: Vec<Diagnostic>, source: Arc<str>) -> Self {
        Self {
            diagnostics,
            source,
        }
    }

    /// The first error's message, without place.
    pub fn message(&self) -> &str {
        self.diagnostics
            .first()
            .map_or("", |diagnostic| &diagnostic.message)
    }
}

impl fmt::Display for SegmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.diagnostics.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&diagnostic.render(&self.source))?;
        }
        Ok(())
    }
}

impl std::error::Error for SegmentError {}

impl Serialize for SegmentError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(
            self.diagnostics
                .iter()
                .map(|diagnostic| diagnostic.located(&self.source)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: u32, end: u32) -> Diagnostic {
        Diagnostic::error("test", "wrong").at(Span { start, end })
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(at(7, 8).render("a\nüß ?"), "2:4: wrong\n  üß ?\n     ^");
        assert_eq!(at(0, 0).render(""), "1:1: wrong\n\n  ^");
        assert_eq!(at(9, 10).render("short"), "wrong");
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let source = "x".repeat(100_000);
        let rendered = at(50_000, 60_000).render(&source);
        assert!(rendered.len() < 600, "{}", rendered.len());
        assert!(rendered.starts_with("1:50001: wrong\n  …xxx"));
    }

    #[test]
    fn serializes_with_line_and_column() {
        let error = SegmentError::new(vec![at(2, 3).help("cure")], "ab?".into());
        let json = serde_json::to_value(&error).expect("serializes");
        assert_eq!(
            json,
            serde_json::json!([{
                "severity": "error", "code": "test", "message": "wrong", "start": 2, "end": 3,
                "line": 1, "column": 3, "label": null, "help": "cure", "suggestion": null
            }])
        );
    }
}
