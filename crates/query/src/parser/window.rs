//! Windows, instants and durations.

use super::{Parse, Parser, Reported};
use crate::ast::{
    Anchor, AnchorRelation, CalendarUnit, CivilTime, Period, Position, Span, TimePoint, Window,
};
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
            (window, Some((_, span))) => Err(self.useless_zone(&window, span)),
        }
    }

    /// Reports a zone behind a window that takes none.
    pub(super) fn useless_zone(&mut self, window: &Window, span: Span) -> Reported {
        let finding = Diagnostic::error("zone", format!("`{window}` has no use for a time zone"))
            .at(span)
            .help("a zone stands behind calendar periods, `this month in 'Europe/Berlin'`, and dates without an offset of their own");
        self.report(finding)
    }

    /// A window and a zone behind it that it did not take, with its place; or a zone alone.
    pub(super) fn zoned_window(&mut self) -> Parse<(Window, Option<(String, Span)>)> {
        if let Some(zone) = self.zone()? {
            return Ok((Window::Ever, Some(zone)));
        }
        let window = self.checked_window()?;
        Ok((window, self.zone()?))
    }

    /// Whether `in 'Europe/Berlin'` stands here.
    fn zone_begins(&self) -> bool {
        self.is_word("in") && self.ahead(1).token == Token::Text
    }

    /// `in 'Europe/Berlin'`, if it stands here.
    fn zone(&mut self) -> Parse<Option<(String, Span)>> {
        if !self.zone_begins() {
            return Ok(None);
        }
        let start = self.advance().span;
        let span = self.span();
        let name = self.text("a time zone")?;
        self.accept(checks::zone_problem(&name), span)?;
        Ok(Some((name, self.since(start))))
    }

    /// A window with the zone that is part of it.
    fn checked_window(&mut self) -> Parse<Window> {
        self.take_word("in");
        let start = self.span();
        let mut window = self.bare_window()?;
        if self.zone_begins() {
            window = self.with_own_zone(window, start)?;
        }
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

    /// The window in the zone that stands here, if it is one that takes a zone: not what says itself
    /// how far from UTC it is.
    fn with_own_zone(&mut self, window: Window, start: Span) -> Parse<Window> {
        use TimePoint::At;
        let period = match window {
            Window::Calendar { period, zone: None } => period,
            Window::Between(At(from), At(to)) => Period::Between(CivilTime(from), CivilTime(to)),
            Window::Since(At(from)) => Period::Since(CivilTime(from)),
            Window::Before(At(to)) => Period::Before(CivilTime(to)),
            other => return Ok(other),
        };
        let written = self.since(start);
        let texts = self.tokens[..self.at]
            .iter()
            .filter(|spanned| spanned.span.start >= written.start && spanned.token == Token::Text);
        let is_fixed = |span| checks::has_offset(&lexer::unquote(self.slice(span)));
        let (fixed, free): (Vec<Span>, Vec<Span>) = texts
            .map(|spanned| spanned.span)
            .partition(|&span| is_fixed(span));
        if let Some(&span) = fixed.first() {
            if free.is_empty() {
                return Ok(window);
            }
            let finding =
                Diagnostic::error("zone", "an instant that names its own offset from UTC")
                    .at(span)
                    .help("leave out either the offset or the zone");
            return Err(self.report(finding));
        }
        let zone = self.zone()?.map(|(name, _)| name);
        Ok(Window::Calendar { period, zone })
    }

    /// What nests is apart from what does not: its frames are what deep nesting piles up.
    fn bare_window(&mut self) -> Parse<Window> {
        let start = self.span();
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
        self.plain_window()
    }

    /// A window that hangs on nothing. Never inlined, or its frame would be one of those.
    #[inline(never)]
    fn plain_window(&mut self) -> Parse<Window> {
        let start = self.span();
        let calendar = |period| Window::Calendar { period, zone: None };
        if self.take_word("today") {
            return Ok(calendar(Period::Today));
        }
        if self.take_word("yesterday") {
            return Ok(calendar(Period::Yesterday));
        }
        if self.take_word("this") {
            return self.calendar_unit().map(Period::This).map(calendar);
        }
        if self.take_word("on") {
            let span = self.span();
            let text = self.text("a date such as `'2026-01-05'`")?;
            let day = Period::On(CivilTime(self.instant(&text, span)?));
            self.accept(checks::calendar_problem(&day, None), span)?;
            return Ok(calendar(day));
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
            let (count, _) = self.whole("a whole number of periods", u64::from(u32::MAX))?;
            self.advance();
            let unit = self.calendar_unit_of(start, count)?;
            return Ok(Window::Calendar {
                period: Period::Last(count as u32, unit),
                zone: None,
            });
        }
        Ok(Window::Last(self.duration_of(start, "last ", "")?))
    }

    /// The unit behind `this`.
    fn calendar_unit(&mut self) -> Parse<CalendarUnit> {
        const WHAT: &str = "`week`, `month`, `quarter` or `year`";
        let span = self.span();
        let unit = CalendarUnit::ALL
            .into_iter()
            .find(|unit| self.is_word(unit.name()));
        match unit {
            Some(CalendarUnit::Day) => {
                Err(self.expected_with(WHAT, |finding| finding.help("this day is written `today`")))
            }
            Some(unit) => {
                self.advance();
                Ok(unit)
            }
            None => {
                let word = self.slice(span).to_ascii_lowercase();
                let names = CalendarUnit::ALL
                    .into_iter()
                    .skip(1)
                    .map(CalendarUnit::name);
                let meant = checks::nearest(&word, names).filter(|_| self.token() == Token::Word);
                Err(self.expected_with(WHAT, |finding| match meant {
                    Some(name) => finding
                        .help(format!("did you mean `{name}`?"))
                        .suggest(span, name),
                    None => finding,
                }))
            }
        }
    }

    /// The unit behind `last N calendar`, singular or plural; the phrase began at `start`.
    fn calendar_unit_of(&mut self, start: Span, count: u64) -> Parse<CalendarUnit> {
        const WHAT: &str = "`days`, `weeks`, `months`, `quarters` or `years`";
        if self.token() != Token::Word {
            return Err(self.expected(WHAT));
        }
        let span = self.span();
        let word = self.slice(span).to_ascii_lowercase();
        let singular = word.strip_suffix('s').unwrap_or(&word);
        if let Some(unit) = CalendarUnit::ALL
            .into_iter()
            .find(|unit| unit.name() == singular)
        {
            self.advance();
            return Ok(unit);
        }
        let is_exact = DurationMillis::UNITS
            .into_iter()
            .any(|(name, _, _)| name == singular);
        if is_exact {
            self.advance();
            let whole = self.since(start);
            let cure = format!("last {count} {word}");
            let finding = Diagnostic::error("unit", format!("`{word}` are no calendar periods"))
                .at(span)
                .help(format!("write `{cure}`"))
                .suggest(whole, cure);
            return Err(self.report(finding));
        }
        let names = CalendarUnit::ALL.into_iter().map(CalendarUnit::name);
        let meant = checks::nearest(singular, names).map(|name| format!("{name}s"));
        Err(self.expected_with(WHAT, |finding| match meant {
            Some(name) => finding
                .help(format!("did you mean `{name}`?"))
                .suggest(span, name),
            None => finding,
        }))
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
