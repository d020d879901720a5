//! Which events, within which window, and one of them by its place.

use super::{Parse, Parser};
use crate::ast::{
    Cast, EventName, EventNames, EventSelector, EventWindow, Measure, Occurrence, PeriodUnit,
    Position, Predicate, Span, Window,
};
use crate::checks;
use crate::diagnostic::Diagnostic;
use crate::lexer::Token;

impl Parser<'_> {
    /// `E [, W])` behind an opening parenthesis, the closing one included.
    pub(super) fn events_and_close(&mut self, open: Span) -> Parse<EventWindow> {
        let events = self.selector()?;
        let window = self.window_and_close(open)?;
        Ok(EventWindow { events, window })
    }

    /// `[, W])`. The comma may be left out before `in`, which nothing else begins with here.
    pub(super) fn window_and_close(&mut self, open: Span) -> Parse<Window> {
        match self.zoned_window_and_close(open)? {
            (window, None) => Ok(window),
            (window, Some((_, span))) => Err(self.useless_zone(&window, span)),
        }
    }

    /// `[, W] [in zone])`: the window and the zone behind it, with its place.
    fn zoned_window_and_close(&mut self, open: Span) -> Parse<(Window, Option<(String, Span)>)> {
        if self.token() == Token::Dot {
            let span = self.span();
            return Err(self.report(
                Diagnostic::error("event-name", "an event name with a dot stands in double quotes")
                    .at(span)
                    .help("write `\"cart.viewed\"`; properties belong into `where` or into `sum(event.property)`"),
            ));
        }
        let (window, zone) = if self.take(Token::Comma) || self.is_word("in") {
            let zoned = self.zoned_window()?;
            if self.token() == Token::Comma {
                return Err(self.expected("`)`"));
            }
            zoned
        } else {
            (Window::Ever, None)
        };
        if self.token() == Token::Word && window == Window::Ever {
            let begins = [
                "last",
                "since",
                "before",
                "after",
                "within",
                "between",
                "from",
                "ever",
                "today",
                "yesterday",
                "this",
                "on",
            ];
            if self.word_among(&begins).is_some() {
                let span = self.span();
                let gap = Span {
                    start: span.start,
                    end: span.start,
                };
                return Err(self.expected_with("`,` or `)`", |finding| {
                    finding
                        .help("a comma stands before the window")
                        .suggest(gap, ", ")
                }));
            }
        }
        self.close(
            open,
            if window == Window::Ever {
                "`where`, `,` or `)`"
            } else {
                "`)`"
            },
        )?;
        Ok((window, zone))
    }

    /// `E [, W] [in zone])` behind `days(`, `weeks(` or `months(`.
    pub(super) fn calendar_measure(&mut self, unit: PeriodUnit, open: Span) -> Parse<Measure> {
        let events = self.selector()?;
        let (window, zone) = self.zoned_window_and_close(open)?;
        let zone = zone.map(|(name, _)| name);
        Ok(Measure::calendar(
            unit,
            zone,
            EventWindow { events, window },
        ))
    }

    /// `E, of D [, W] [, each >= k])` behind `periods(`.
    pub(super) fn periods(&mut self, open: Span) -> Parse<Measure> {
        let events = self.selector()?;
        if !(self.token() == Token::Comma && self.is_word_at(1, "of")) {
            return Err(self.expected("`, of 7 days`: the length of a period"));
        }
        self.advance();
        self.advance();
        let start = self.span();
        let length = self.duration()?;
        let span = self.since(start);
        self.accept(checks::period_problem(length), span)?;
        let (mut window, mut each) = (None, None);
        while self.take(Token::Comma) {
            if each.is_none() && self.is_word("each") {
                each = Some(self.each()?);
            } else if window.is_none() && each.is_none() {
                window = Some(self.window()?);
            } else {
                return Err(self.expected("`)`"));
            }
        }
        self.close(open, "`,` or `)`")?;
        let window = window.unwrap_or(Window::Ever);
        Ok(Measure::Periods {
            length,
            each: each.unwrap_or(1),
            of: EventWindow { events, window },
        })
    }

    /// `each >= k`.
    fn each(&mut self) -> Parse<u32> {
        self.advance();
        if !self.take(Token::GreaterOrEqual) {
            return Err(self.expected("`>=` and how many events each period must hold"));
        }
        let (each, span) = self.whole("a whole number of events", u64::from(u32::MAX))?;
        self.accept(checks::each_problem(each as u32), span)?;
        Ok(each as u32)
    }

    /// `E`: names and `where P`.
    pub(super) fn selector(&mut self) -> Parse<EventSelector> {
        let start = self.span();
        let names = self.event_names()?;
        let filter = self.filter()?;
        Ok(EventSelector {
            names,
            filter,
            span: self.since(start),
        })
    }

    /// `where P`, if it stands here.
    pub(super) fn filter(&mut self) -> Parse<Option<Predicate>> {
        if self.take_word("where") {
            self.predicate().map(Some)
        } else {
            Ok(None)
        }
    }

    fn event_names(&mut self) -> Parse<EventNames> {
        if self.is_word("any") && self.is_word_at(1, "event") {
            self.advance();
            self.advance();
            let mut except = Vec::new();
            if self.take_word("except") {
                let open = self.span();
                if !self.take(Token::Open) {
                    return Err(self.expected("`(` and the event names left out"));
                }
                loop {
                    except.push(self.event_name()?);
                    if !self.take(Token::Comma) {
                        break;
                    }
                }
                self.close(open, "`,` or `)`")?;
            }
            return Ok(EventNames::Any { except });
        }
        if self.is_word("any") && self.is_word_at(1, "of") && self.ahead(2).token == Token::Open {
            self.advance();
            self.advance();
            let open = self.advance().span;
            let mut parts = Vec::new();
            loop {
                let name = self.event_name()?;
                parts.push((name, self.filter()?));
                if !self.take(Token::Comma) {
                    break;
                }
            }
            self.close(open, "`where`, `,` or `)`")?;
            return Ok(EventNames::AnyOf(parts));
        }
        self.event_name().map(EventNames::One)
    }

    fn event_name(&mut self) -> Parse<EventName> {
        let (name, span) = self.name("an event name")?;
        Ok(EventName { name, span })
    }

    /// `[cast(]E.prop[)] [where P] [, W])` behind an opening parenthesis: property, cast, events.
    pub(super) fn property_and_events(
        &mut self,
        open: Span,
        function: &str,
    ) -> Parse<(String, Option<Cast>, EventWindow)> {
        let start = self.span();
        let cast = self.cast_begins();
        let inner = cast.map(|_| {
            self.advance();
            self.advance().span
        });
        let names = self.event_names()?;
        if self.token() != Token::Dot {
            let shown = names.to_string();
            return Err(self.expected_with("`.` and a property", |finding| {
                finding.help(format!(
                    "write `{function}({}.property)`",
                    super::shorten(&shown)
                ))
            }));
        }
        let property_span = self.ahead(1).span;
        self.advance();
        let quoted = self.token() == Token::Quoted;
        let (first, _) = self.name("a property name")?;
        let property = self.path_rest(first)?;
        if !quoted && matches!(property.as_str(), "event_name" | "timestamp") {
            return Err(self.report(
                Diagnostic::error("property", format!("`{property}` cannot be aggregated"))
                    .at(property_span)
                    .help(format!(
                        "a property of that name is written `\"{property}\"`"
                    )),
            ));
        }
        let cast = match (cast, inner) {
            (Some(cast), Some(inner)) => Some(self.cast_rest(cast, inner)?),
            _ => None,
        };
        let filter = self.filter()?;
        let events = EventSelector {
            names,
            filter,
            span: self.since(start),
        };
        let window = self.window_and_close(open)?;
        Ok((property, cast, EventWindow { events, window }))
    }

    /// `first(E [, W])`, `last(…)`, `nth(2, …)`, standing at its first word.
    pub(super) fn occurrence(&mut self, position: Position) -> Parse<Occurrence> {
        self.advance();
        let open = self.advance().span;
        let position = if let Position::Nth(_) = position {
            let (n, span) = self.whole(
                "a whole number and a comma: `nth(2, purchase)`",
                u64::from(u32::MAX),
            )?;
            let position = Position::Nth(n as u32);
            self.accept(checks::position_problem(position), span)?;
            if !self.take(Token::Comma) {
                return Err(self.expected("`,` and an event"));
            }
            position
        } else {
            position
        };
        Ok(Occurrence {
            position,
            of: self.events_and_close(open)?,
        })
    }
}
