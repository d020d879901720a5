//! Events in order, and habits that stopped or came back.

use super::{Parse, Parser};
use crate::ast::{
    EventSelector, ExprKind, Hop, HopTime, Lifecycle, Sequence, SequenceStep, Span, Window,
};
use crate::checks;
use crate::diagnostic::Diagnostic;
use crate::lexer::Token;
use crowdset_types::DurationMillis;

impl Parser<'_> {
    /// `E hop E … [, option]…)` behind an opening parenthesis.
    pub(super) fn sequence(&mut self, open: Span) -> Parse<ExprKind> {
        let mut steps = vec![SequenceStep {
            events: self.selector()?,
            hop: Hop::default(),
        }];
        while let Some(hop) = self.hop()? {
            let events = self.selector()?;
            steps.push(SequenceStep { events, hop });
        }
        let (mut within, mut window, mut strictly) = (None, None, None);
        let mut same = Vec::new();
        while self.take(Token::Comma) {
            let start = self.span();
            if self.is_word("same") {
                self.advance();
                same.push(self.same_property()?);
            } else if self.take_word("strictly") {
                self.once(&mut strictly, (), start, "`strictly`")?;
            } else if self.take_word("within") {
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
        Ok(ExprKind::Sequence(Sequence {
            steps,
            within,
            window: window.unwrap_or(Window::Ever),
            same,
            strictly: strictly.is_some(),
        }))
    }

    /// `[without X]… [directly] then [within D | after D | between D and D]`; `None` if no further
    /// step follows.
    fn hop(&mut self) -> Parse<Option<Hop>> {
        let mut hop = Hop::default();
        while self.take_word("without") {
            hop.without.push(self.selector()?);
        }
        hop.directly = self.take_word("directly");
        if !self.take_word("then") {
            return if hop == Hop::default() {
                Ok(None)
            } else {
                Err(self.expected("`then` and the next step"))
            };
        }
        let follows = self.ahead(1).token;
        let start = self.span();
        let ends_step = ["then", "where", "without", "directly"]
            .into_iter()
            .any(|word| self.is_word_at(1, word));
        if self.is_word("directly") && matches!(follows, Token::Word | Token::Quoted) && !ends_step
        {
            return Err(self.expected_with("the next step", |finding| {
                finding.help("`directly` stands before `then`: `a directly then b`")
            }));
        }
        // An event of that name is never followed by a number.
        if follows != Token::Number {
            return Ok(Some(hop));
        }
        hop.time = if self.take_word("within") {
            HopTime::Within(self.duration()?)
        } else if self.take_word("after") {
            HopTime::After(self.duration()?)
        } else if self.take_word("between") {
            let least = self.duration()?;
            if !self.take_word("and") {
                return Err(self.expected("`and` and the longest time between the steps"));
            }
            HopTime::Between(least, self.duration()?)
        } else {
            HopTime::Any
        };
        if let Some(warning) = checks::hop_warning(hop.time) {
            let span = self.since(start);
            self.warnings.push(warning.at(span));
        }
        Ok(Some(hop))
    }

    /// A dotted path behind `same`.
    fn same_property(&mut self) -> Parse<String> {
        let start = self.span();
        let quoted = self.token() == Token::Quoted;
        let (first, _) = self.name("a property")?;
        let property = self.path_rest(first)?;
        if !quoted && matches!(property.as_str(), "event_name" | "timestamp") {
            let span = self.since(start);
            return Err(self.report(
                Diagnostic::error(
                    "property",
                    format!("`same {property}` asks for no property"),
                )
                .at(span)
                .help(format!(
                    "a property of that name is written `\"{property}\"`"
                )),
            ));
        }
        Ok(property)
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

    /// `E, for D, after D)` behind `stopped(`.
    pub(super) fn stopped(&mut self, open: Span) -> Parse<ExprKind> {
        let events = self.selector()?;
        let shape = "`, for 30 days, after 60 days`: how long nothing was done, and since when to look for the habit";
        let quiet = self.lifecycle_part(&["for"], shape)?;
        let since = self.lifecycle_part(&["after"], shape)?;
        self.lifecycle(open, events, Lifecycle::Stopped { quiet, since })
    }

    /// `E, in D, after gap of D)` behind `restarted(`.
    pub(super) fn restarted(&mut self, open: Span) -> Parse<ExprKind> {
        let events = self.selector()?;
        let shape = "`, in 7 days, after gap of 30 days`: how recent the new start is, and how long nothing was done before it";
        let recent = self.lifecycle_part(&["in"], shape)?;
        let gap = self.lifecycle_part(&["after", "gap", "of"], shape)?;
        self.lifecycle(open, events, Lifecycle::Restarted { recent, gap })
    }

    /// A comma, words and a duration.
    fn lifecycle_part(&mut self, words: &[&str], shape: &str) -> Parse<DurationMillis> {
        let stands = self.token() == Token::Comma
            && (1..).zip(words).all(|(at, word)| self.is_word_at(at, word));
        if !stands {
            return Err(self.expected(shape));
        }
        for _ in 0..=words.len() {
            self.advance();
        }
        self.duration()
    }

    fn lifecycle(
        &mut self,
        open: Span,
        events: EventSelector,
        change: Lifecycle,
    ) -> Parse<ExprKind> {
        self.close(open, "`)`")?;
        if let Some(warning) = checks::lifecycle_warning(change) {
            let span = self.since(open);
            self.warnings.push(warning.at(span));
        }
        Ok(ExprKind::Lifecycle { events, change })
    }
}
