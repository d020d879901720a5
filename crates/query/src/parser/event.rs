//! Which events, within which window, and one of them by its place.

use super::{LATER_SEQUENCE_OPTIONS, LATER_STEP_WORDS, Parse, Parser};
use crate::ast::{
    Cast, EventName, EventNames, EventSelector, EventWindow, ExprKind, Occurrence, Position,
    Predicate, Span, Window,
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
        if self.token() == Token::Dot {
            let span = self.span();
            return Err(self.report(
                Diagnostic::error("event-name", "an event name with a dot stands in double quotes")
                    .at(span)
                    .help("write `\"cart.viewed\"`; properties belong into `where` or into `sum(event.property)`"),
            ));
        }
        let window = if self.take(Token::Comma) || self.is_word("in") {
            let window = self.window()?;
            if self.token() == Token::Comma {
                return Err(self.expected("`)`"));
            }
            window
        } else {
            Window::Ever
        };
        if self.token() == Token::Word && window == Window::Ever {
            let begins = [
                "last", "since", "before", "after", "within", "between", "from", "ever",
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
        Ok(window)
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

    /// `E then E … [, within D] [, W])` behind an opening parenthesis.
    pub(super) fn sequence(&mut self, open: Span) -> Parse<ExprKind> {
        let mut steps = vec![self.step()?];
        while self.take_word("then") {
            if self.word_among(&["within", "after", "between"]).is_some()
                && self.ahead(1).token == Token::Number
            {
                let span = self.span();
                return Err(self.later("a bound between two steps", span));
            }
            steps.push(self.step()?);
        }
        let (mut within, mut window) = (None, None);
        while self.take(Token::Comma) {
            let start = self.span();
            if let Some(word) = self.word_among(&LATER_SEQUENCE_OPTIONS) {
                return Err(self.later(&format!("`{word}`"), start));
            }
            if self.take_word("within") {
                let duration = self.duration()?;
                if self.is_word("after") || self.is_word("before") {
                    let bound = self.within_window(duration)?;
                    self.once(&mut window, bound, start, "a window")?;
                } else {
                    self.once(&mut within, duration, start, "`within`")?;
                }
            } else {
                let bound = self.window()?;
                self.once(&mut window, bound, start, "a window")?;
            }
        }
        self.close(open, "`then`, `,` or `)`")?;
        Ok(ExprKind::Sequence {
            steps,
            within,
            window: window.unwrap_or(Window::Ever),
        })
    }

    fn step(&mut self) -> Parse<EventSelector> {
        let step = self.selector()?;
        if let Some(word) = self.word_among(&LATER_STEP_WORDS) {
            let span = self.span();
            return Err(self.later(&format!("`{word}`"), span));
        }
        Ok(step)
    }

    fn once<T>(&mut self, option: &mut Option<T>, value: T, start: Span, what: &str) -> Parse<()> {
        if option.replace(value).is_some() {
            let span = self.since(start);
            return Err(self.error(
                "repeated",
                span,
                format!("{what} is given twice; a sequence takes one"),
            ));
        }
        Ok(())
    }
}
