//! Windows, instants and durations.

use super::{LATER_WINDOWS, Parse, Parser, Reported};
use crate::ast::{Anchor, AnchorRelation, Position, Span, TimePoint, Window};
use crate::checks;
use crate::diagnostic::Diagnostic;
use crate::lexer::{self, Token};
use crowdset_types::{DurationMillis, TimestampMillis};

/// Units without a fixed length, and about how many days they have.
const CALENDAR_UNITS: [(&str, u64); 3] = [("month", 30), ("quarter", 90), ("year", 365)];

impl Parser<'_> {
    /// A window, `in` before it if somebody likes.
    pub(super) fn window(&mut self) -> Parse<Window> {
        match self.zoned_window()? {
            (window, None) => Ok(window),
            (_, Some((_, span))) => Err(self.later("the time zone of a window", span)),
        }
    }

    /// A window and a zone behind it, with its place; or a zone alone.
    pub(super) fn zoned_window(&mut self) -> Parse<(Window, Option<(String, Span)>)> {
        if let Some(zone) = self.zone()? {
            return Ok((Window::Ever, Some(zone)));
        }
        let window = self.checked_window()?;
        Ok((window, self.zone()?))
    }

    /// `in 'Europe/Berlin'`, if it stands here.
    fn zone(&mut self) -> Parse<Option<(String, Span)>> {
        if !(self.is_word("in") && self.ahead(1).token == Token::Text) {
            return Ok(None);
        }
        let start = self.advance().span;
        let name = self.text("a time zone")?;
        Ok(Some((name, self.since(start))))
    }

    fn checked_window(&mut self) -> Parse<Window> {
        self.take_word("in");
        let start = self.span();
        let window = self.bare_window()?;
        if checks::is_always_empty(&window) {
            let span = self.since(start);
            let shown = self.slice(span).to_owned();
            self.warnings.push(
                Diagnostic::warning(
                    "empty-window",
                    format!("the window `{shown}` is empty: no event lies in it"),
                )
                .at(span),
            );
        }
        Ok(window)
    }

    fn bare_window(&mut self) -> Parse<Window> {
        let start = self.span();
        if let Some(word) = self.word_among(&LATER_WINDOWS) {
            return Err(self.later(&format!("`{word}`"), start));
        }
        if self.take_word("ever") {
            return Ok(Window::Ever);
        }
        if self.take_word("last") {
            return self.last_window(start);
        }
        if self.take_word("between") {
            let from = self.time_point()?;
            if !self.take_word("and") {
                return Err(self.expected("`and` and the window's end"));
            }
            return Ok(Window::Between(from, self.time_point()?));
        }
        if self.take_word("from") {
            let from = self.time_point()?;
            if !self.take_word("to") {
                return Err(self.expected("`to` and the window's end"));
            }
            return Ok(Window::Between(from, self.time_point()?));
        }
        if self.take_word("since") {
            return match self.anchor()? {
                Some(anchor) => Ok(anchored(AnchorRelation::Since, anchor)),
                None => Ok(Window::Since(self.time_point()?)),
            };
        }
        if self.take_word("before") {
            return match self.anchor()? {
                Some(anchor) => Ok(anchored(AnchorRelation::Before, anchor)),
                None => Ok(Window::Before(self.time_point()?)),
            };
        }
        if self.take_word("after") {
            return match self.anchor()? {
                Some(anchor) => Ok(anchored(AnchorRelation::After, anchor)),
                None => Err(self.after_instant(start)),
            };
        }
        if self.take_word("within") {
            let duration = self.duration()?;
            return self.within_window(duration);
        }
        let known =
            "a window such as `last 30 days`, `since '2026-01-01'` or `after last(signed_in)`";
        Err(self.expected(known))
    }

    /// What follows `within D`: a side and an anchor.
    pub(super) fn within_window(&mut self, duration: DurationMillis) -> Parse<Window> {
        let relation = if self.take_word("after") {
            AnchorRelation::WithinAfter(duration)
        } else if self.take_word("before") {
            AnchorRelation::WithinBefore(duration)
        } else {
            return Err(
                self.expected("`after` or `before` and an anchor such as `first(purchase)`")
            );
        };
        match self.anchor()? {
            Some(anchor) => Ok(anchored(relation, anchor)),
            None => Err(self.expected(
                "an anchor: `first(E)`, `last(E)`, `nth(2, E)`, `users.created_at` or `property.name`",
            )),
        }
    }

    fn last_window(&mut self, start: Span) -> Parse<Window> {
        if self.token() == Token::Number && self.is_word_at(1, "calendar") {
            self.advance();
            let span = self.advance().span;
            return Err(self.later(
                "a window of `calendar` periods",
                Span {
                    start: start.start,
                    end: span.end,
                },
            ));
        }
        Ok(Window::Last(self.duration_of(start, "last ", "")?))
    }

    fn after_instant(&mut self, start: Span) -> Reported {
        self.expected_with(
            "an anchor after `after`: `first(E)`, `last(E)`, `nth(2, E)` or `users.created_at`",
            |finding| {
                finding
                    .help("from an instant on is written `since`")
                    .suggest(start, "since")
            },
        )
    }

    /// `7 days`.
    pub(super) fn duration(&mut self) -> Parse<DurationMillis> {
        let start = self.span();
        self.duration_of(start, "", "")
    }

    /// A duration whose phrase began at `start`; `before` and `after` are put around a cure.
    fn duration_of(&mut self, start: Span, before: &str, after: &str) -> Parse<DurationMillis> {
        if self.token() != Token::Number {
            return Err(self.expected("a whole number and a unit such as `7 days`"));
        }
        let digits_span = self.advance().span;
        if self.token() != Token::Word {
            return Err(
                self.expected("a unit: milliseconds, seconds, minutes, hours, days or weeks")
            );
        }
        let word_span = self.advance().span;
        let span = Span {
            start: start.start,
            end: word_span.end,
        };
        let digits = self.slice(digits_span).to_owned();
        let word = self.slice(word_span).to_ascii_lowercase();
        let singular = word.strip_suffix('s').unwrap_or(&word);
        let Some((_, _, unit)) = DurationMillis::UNITS
            .into_iter()
            .find(|(name, _, _)| *name == singular)
        else {
            return Err(self.unknown_unit(&digits, &word, span, word_span, before, after));
        };
        let Ok(amount) = digits.parse::<i64>() else {
            if digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(self.error(
                    "duration",
                    span,
                    "the duration is longer than any time can be",
                ));
            }
            let finding =
                Diagnostic::error("duration", "a duration is a whole number of units").at(span);
            // `1.5 hours` is `90 minutes`: offer it where it comes out whole.
            let exact = digits
                .parse::<f64>()
                .ok()
                .map(|amount| amount * unit as f64);
            let finding = match exact {
                Some(millis) if millis.fract() == 0.0 && millis < 9e15 => {
                    let cure = format!("{before}{}{after}", DurationMillis(millis as i64));
                    finding.help(format!("write `{cure}`")).suggest(span, cure)
                }
                _ => finding.help("use a smaller unit"),
            };
            return Err(self.report(finding));
        };
        match amount.checked_mul(unit) {
            Some(millis) => Ok(DurationMillis(millis)),
            None => Err(self.error(
                "duration",
                span,
                "the duration is longer than any time can be",
            )),
        }
    }

    fn unknown_unit(
        &mut self,
        digits: &str,
        word: &str,
        span: Span,
        word_span: Span,
        before: &str,
        after: &str,
    ) -> Reported {
        let singular = word.strip_suffix('s').unwrap_or(word);
        if let Some((unit, days)) = CALENDAR_UNITS
            .into_iter()
            .find(|(unit, _)| *unit == singular)
        {
            let days = digits
                .parse::<u64>()
                .ok()
                .and_then(|amount| amount.checked_mul(days));
            let cure = days.map(|days| format!("{before}{days} days{after}"));
            let calendar = if before == "last " {
                format!(" or `last {digits} calendar {unit}s`")
            } else {
                String::new()
            };
            let message = match &cure {
                Some(cure) => format!("a {unit} has no fixed length; write `{cure}`{calendar}"),
                None => format!("a {unit} has no fixed length; write a number of days"),
            };
            let finding = Diagnostic::error("unit", message).at(span);
            return self.report(match cure {
                Some(cure) => finding.suggest(span, cure),
                None => finding,
            });
        }
        let short = DurationMillis::UNITS
            .into_iter()
            .find(|(_, short, _)| *short == word);
        let names = DurationMillis::UNITS.into_iter().map(|(name, _, _)| name);
        let meant = short
            .map(|(name, _, _)| name)
            .or_else(|| checks::nearest(singular, names));
        let finding = Diagnostic::error(
            "unit",
            format!("`{}` is no unit of time", super::shorten(word)),
        )
        .at(word_span);
        self.report(match meant {
            Some(name) => {
                let cure = format!("{name}s");
                finding
                    .help(format!("write `{digits} {cure}`"))
                    .suggest(word_span, cure)
            }
            None => finding.help("units are milliseconds, seconds, minutes, hours, days and weeks"),
        })
    }

    /// `now`, `30 days ago`, `'2026-01-01'`.
    pub(super) fn time_point(&mut self) -> Parse<TimePoint> {
        match self.token() {
            Token::Text => {
                let span = self.advance().span;
                let text = lexer::unquote(self.slice(span));
                self.instant(&text, span).map(TimePoint::At)
            }
            Token::Number => self.ago(),
            Token::Word if self.take_word("now") => Ok(TimePoint::Now),
            Token::Word if self.is_word("last") && self.ahead(1).token == Token::Number => {
                Err(self.expected_with("an instant", |finding| {
                    finding.help("`last 7 days` is a window of its own; the instant is written `7 days ago`")
                }))
            }
            Token::Word | Token::Quoted => Err(self.expected_with(
                "an instant: `'2026-01-01'`, `30 days ago` or `now`",
                |finding| finding.help("an anchor is `first(E)`, `last(E)`, `nth(2, E)`, `users.created_at` or `property.name`"),
            )),
            _ => Err(self.expected("an instant: `'2026-01-01'`, `30 days ago` or `now`")),
        }
    }

    /// `30 days ago`.
    pub(super) fn ago(&mut self) -> Parse<TimePoint> {
        let start = self.span();
        let duration = self.duration_of(start, "", " ago")?;
        if !self.take_word("ago") {
            return Err(self.expected("`ago`"));
        }
        Ok(TimePoint::Ago(duration))
    }

    /// The instant that a quoted text names.
    pub(super) fn instant(&mut self, text: &str, span: Span) -> Parse<i64> {
        match TimestampMillis::parse(text) {
            Ok((instant, _)) => Ok(instant.0),
            Err(error) => Err(self.error("time", span, error.to_string())),
        }
    }

    /// An anchor, if one begins here.
    fn anchor(&mut self) -> Parse<Option<Anchor>> {
        if let Some(position) = self.occurrence_begins() {
            let occurrence = self.nested(|parser| parser.occurrence(position))?;
            return Ok(Some(Anchor::Event(occurrence)));
        }
        if self.table().is_some() {
            return Ok(Some(Anchor::Attribute(self.attribute()?)));
        }
        Ok(None)
    }

    /// Which of `first(`, `last(` and `nth(` stands here.
    pub(super) fn occurrence_begins(&self) -> Option<Position> {
        match self.function()?.as_str() {
            "first" => Some(Position::First),
            "last" => Some(Position::Last),
            "nth" => Some(Position::Nth(0)),
            _ => None,
        }
    }
}

fn anchored(relation: AnchorRelation, anchor: Anchor) -> Window {
    Window::Anchored {
        relation,
        anchor: Box::new(anchor),
    }
}
