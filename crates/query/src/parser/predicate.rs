//! Tests: over one event's properties, and what they share with attributes.

use super::{Parse, Parser};
use crate::ast::{
    AttributeRef, AttributeTable, Cast, CompareOp, Literal, Operand, Predicate, Span, Test,
    TimePoint,
};
use crate::checks;
use crate::diagnostic::Diagnostic;
use crate::lexer::{self, Token};
use crowdset_types::{DurationMillis, Number};

/// Makes a test of a text.
type OfText = fn(String) -> Test;

impl Parser<'_> {
    /// `P`: tests joined by `and`, `or`, `not` and parentheses.
    pub(super) fn predicate(&mut self) -> Parse<Predicate> {
        let mut parts = Vec::new();
        loop {
            match self.predicate_conjunction()? {
                Predicate::Or(inner) => parts.extend(inner),
                single => parts.push(single),
            }
            if !self.take_word("or") {
                break;
            }
        }
        Ok(one_or(parts, Predicate::Or))
    }

    fn predicate_conjunction(&mut self) -> Parse<Predicate> {
        let mut parts = Vec::new();
        loop {
            match self.predicate_negation()? {
                Predicate::And(inner) => parts.extend(inner),
                single => parts.push(single),
            }
            if !self.take_word("and") {
                break;
            }
        }
        Ok(one_or(parts, Predicate::And))
    }

    fn predicate_negation(&mut self) -> Parse<Predicate> {
        if self.is_word("not") && !self.test_begins_at(1) {
            self.advance();
            let inner = self.nested(Self::predicate_negation)?;
            return Ok(Predicate::Not(Box::new(inner)));
        }
        if self.token() == Token::Open {
            let open = self.advance().span;
            let inner = self.nested(Self::predicate)?;
            self.close(open, "`and`, `or` or `)`")?;
            return Ok(inner);
        }
        self.predicate_leaf()
    }

    /// One test. Never inlined: its frame would be one of those that deep nesting piles up.
    #[inline(never)]
    fn predicate_leaf(&mut self) -> Parse<Predicate> {
        let start = self.span();
        let operand = self.operand()?;
        let test = self.test_of(start, &operand)?;
        Ok(Predicate::Test {
            operand,
            test,
            span: self.since(start),
        })
    }

    /// A property, or something made of one.
    fn operand(&mut self) -> Parse<Operand> {
        if let Some(cast) = self.cast_begins() {
            self.advance();
            let open = self.advance().span;
            let start = self.span();
            let operand = self.plain_operand()?;
            let span = self.since(start);
            let cast = self.cast_rest(cast, open)?;
            return self.cast_of(cast, operand, span);
        }
        let calendar = self
            .function()
            .filter(|function| matches!(function.as_str(), "hour" | "weekday"));
        if let Some(function) = calendar {
            self.advance();
            let open = self.advance().span;
            let start = self.span();
            let operand = self.plain_operand()?;
            let span = self.since(start);
            return self.calendar_rest(&function, &operand, span, open);
        }
        if let Some(function) = self.function() {
            let span = self.span();
            let finding = Diagnostic::error("function", format!("`{}` is no function of a property", super::shorten(&function)))
                .at(span)
                .help("there are `number(p)`, `text(p)`, `time(p)`, `hour(timestamp)` and `weekday(timestamp)`");
            return Err(self.report(finding));
        }
        self.plain_operand()
    }

    /// `hour` or `weekday` of what has been read: the zone and the closing parenthesis.
    pub(super) fn calendar_rest(
        &mut self,
        function: &str,
        operand: &Operand,
        span: Span,
        open: Span,
    ) -> Parse<Operand> {
        if *operand != Operand::Timestamp {
            let message = format!("`{function}` takes `timestamp`, the time of the event");
            return Err(self.error("operand", span, message));
        }
        let zone = if self.take(Token::Comma) {
            let zone_span = self.span();
            let zone = self.text("a time zone such as `'Europe/Berlin'`")?;
            self.accept(
                checks::operand_problem(&Operand::Hour {
                    zone: Some(zone.clone()),
                }),
                zone_span,
            )?;
            Some(zone)
        } else {
            None
        };
        self.close(open, "`,` or `)`")?;
        Ok(if function == "hour" {
            Operand::Hour { zone }
        } else {
            Operand::Weekday { zone }
        })
    }

    fn plain_operand(&mut self) -> Parse<Operand> {
        let quoted = self.token() == Token::Quoted;
        let (first, _) = self.name("a property")?;
        let path = self.path_rest(first)?;
        Ok(match path.as_str() {
            "event_name" if !quoted => Operand::EventName,
            "timestamp" if !quoted => Operand::Timestamp,
            _ => Operand::Property(path),
        })
    }

    /// Which cast stands here, its unit not read yet.
    pub(super) fn cast_begins(&self) -> Option<Cast> {
        match self.function()?.as_str() {
            "number" => Some(Cast::Number),
            "text" => Some(Cast::Text),
            "time" => Some(Cast::Time),
            _ => None,
        }
    }

    /// The unit of a `time` cast and the closing parenthesis.
    pub(super) fn cast_rest(&mut self, cast: Cast, open: Span) -> Parse<Cast> {
        let cast = if cast == Cast::Time && self.take(Token::Comma) {
            let span = self.span();
            match self.text("`'s'` or `'ms'`")?.as_str() {
                "s" => Cast::TimeSeconds,
                "ms" => Cast::TimeMillis,
                _ => {
                    return Err(self.error(
                        "unit",
                        span,
                        "numbers are times in seconds, `'s'`, or milliseconds, `'ms'`",
                    ));
                }
            }
        } else {
            cast
        };
        self.close(
            open,
            if cast == Cast::Time {
                "`,` or `)`"
            } else {
                "`)`"
            },
        )?;
        Ok(cast)
    }

    /// A cast around what has been read.
    pub(super) fn cast_of(&mut self, cast: Cast, operand: Operand, span: Span) -> Parse<Operand> {
        match operand {
            Operand::Property(property) => Ok(Operand::Cast { cast, property }),
            other => {
                let message = format!("`{other}` needs no cast; a cast takes a property");
                Err(self.error("operand", span, message))
            }
        }
    }

    /// The operator and its values, behind an operand that began at `start`.
    pub(super) fn test_of(&mut self, start: Span, operand: &Operand) -> Parse<Test> {
        let operator = self.span();
        let test = self.test()?;
        if let Test::Matches(pattern) = &test {
            let literal = self.tokens[self.at - 1].span;
            return match checks::regex_problem(pattern) {
                None => Ok(test),
                Some(problem) => {
                    let span = problem
                        .offset
                        .map_or(literal, |offset| self.within_text(literal, pattern, offset));
                    Err(self.report(problem.finding.at(span)))
                }
            };
        }
        let span = Span {
            start: operator.start.max(start.start),
            end: self.since(operator).end,
        };
        self.accept(checks::leaf_problem(operand, &test), span)?;
        Ok(test)
    }

    /// Where byte `offset` of a text's value stands in the source.
    fn within_text(&self, literal: Span, value: &str, offset: usize) -> Span {
        // A quote inside is doubled in the source.
        let doubled = value[..offset]
            .bytes()
            .filter(|&byte| byte == b'\'')
            .count();
        let start = literal.start as usize + 1 + offset + doubled;
        let width = self.source[start..]
            .chars()
            .next()
            .map_or(0, char::len_utf8);
        Span {
            start: start as u32,
            end: (start + width) as u32,
        }
    }

    /// `= != < <= > >=`, if one stands here.
    pub(super) fn compare_op(&mut self) -> Option<CompareOp> {
        let op = match self.token() {
            Token::Equal => CompareOp::Equal,
            Token::NotEqual => CompareOp::NotEqual,
            Token::Less => CompareOp::Less,
            Token::LessOrEqual => CompareOp::LessOrEqual,
            Token::Greater => CompareOp::Greater,
            Token::GreaterOrEqual => CompareOp::GreaterOrEqual,
            _ => return None,
        };
        self.advance();
        Some(op)
    }

    fn test(&mut self) -> Parse<Test> {
        if let Some(op) = self.compare_op() {
            if self.table().is_some() {
                let attribute = self.attribute()?;
                self.no_arithmetic()?;
                return Ok(Test::CompareAttribute(op, attribute));
            }
            return Ok(Test::Compare(op, self.literal()?));
        }
        if self.take_word("between") {
            let low = self.literal()?;
            if !self.take_word("and") {
                return Err(self.expected("`and` and the upper end"));
            }
            return Ok(Test::Between(low, self.literal()?));
        }
        if self.take_word("in") {
            return self.list().map(Test::In);
        }
        if self.is_word("not") && self.is_word_at(1, "in") {
            self.advance();
            self.advance();
            return self.list().map(Test::NotIn);
        }
        let patterns: [(&str, OfText); 4] = [
            ("contains", Test::Contains),
            ("like", Test::Like),
            ("ilike", Test::ILike),
            ("matches", Test::Matches),
        ];
        for (word, make) in patterns {
            if self.take_word(word) {
                return self.text("text in single quotes").map(make);
            }
        }
        let ends: [(&str, OfText); 2] = [("starts", Test::StartsWith), ("ends", Test::EndsWith)];
        for (word, make) in ends {
            if self.take_word(word) {
                if !self.take_word("with") {
                    return Err(self.expected("`with`"));
                }
                return self.text("text in single quotes").map(make);
            }
        }
        if self.take_word("is") {
            let negated = self.take_word("not");
            if self.take_word("set") {
                return Ok(if negated { Test::IsNotSet } else { Test::IsSet });
            }
            let (span, cure) = (self.span(), if negated { "is set" } else { "is not set" });
            if self.is_word("null") {
                return Err(self.error(
                    "expected",
                    span,
                    format!("null is being without a value; write `{cure}`"),
                ));
            }
            return Err(self.expected("`set` or `not set`"));
        }
        if self.take_word("has") {
            if (self.is_word("any") || self.is_word("all")) && self.ahead(1).token == Token::Open {
                let any = self.is_word("any");
                self.advance();
                return self
                    .list()
                    .map(if any { Test::HasAny } else { Test::HasAll });
            }
            return self.literal().map(Test::Has);
        }
        Err(self.expected("an operator such as `=`, `>`, `in`, `contains` or `is set`"))
    }

    fn list(&mut self) -> Parse<Vec<Literal>> {
        let open = self.span();
        if !self.take(Token::Open) {
            return Err(self.expected("`(` and a list of values"));
        }
        let mut values = Vec::new();
        if self.take(Token::Close) {
            return Ok(values);
        }
        loop {
            values.push(self.literal()?);
            if !self.take(Token::Comma) {
                break;
            }
        }
        self.close(open, "`,` or `)`")?;
        Ok(values)
    }

    /// A value as written.
    pub(super) fn literal(&mut self) -> Parse<Literal> {
        let literal = self.bare_literal()?;
        self.no_arithmetic()?;
        Ok(literal)
    }

    fn no_arithmetic(&mut self) -> Parse<()> {
        if super::arithmetic::is_operator(self.token()) {
            return Err(self.expected_with("the end of the test", |finding| {
                finding.help("only measures are calculated with: `count(a) > 2 * count(b)`, `users.x + 1 > 5`")
            }));
        }
        Ok(())
    }

    fn bare_literal(&mut self) -> Parse<Literal> {
        const WHAT: &str = "a value";
        match self.token() {
            Token::Text => self.text(WHAT).map(Literal::Text),
            Token::Number if self.unit_at(1) => self.ago().map(Literal::Time),
            Token::Number | Token::Minus | Token::Plus => Ok(match self.number(WHAT)?.0 {
                Number::Integer(value) => Literal::Integer(value),
                Number::Float(value) => Literal::Float(value),
            }),
            Token::Word if self.cast_begins() == Some(Cast::Time) => {
                self.advance();
                let open = self.advance().span;
                let span = self.span();
                let text = self.text("a time in single quotes")?;
                let instant = self.instant(&text, span)?;
                self.close(open, "`)`")?;
                Ok(Literal::Time(TimePoint::At(instant)))
            }
            Token::Word if self.take_word("true") => Ok(Literal::Bool(true)),
            Token::Word if self.take_word("false") => Ok(Literal::Bool(false)),
            Token::Word if self.take_word("now") => Ok(Literal::Time(TimePoint::Now)),
            Token::Word if self.is_word("null") => {
                let span = self.span();
                Err(self.error(
                    "expected",
                    span,
                    "nothing equals null; write `is set` or `is not set`",
                ))
            }
            Token::Word if self.ahead(1).token == Token::Dot => {
                Err(self.expected_with(WHAT, |finding| {
                    finding.help(
                        "an attribute on the right side is written `users.name` or `property.name`",
                    )
                }))
            }
            Token::Word if self.is_word("and") || self.is_word("or") => Err(self.expected(WHAT)),
            Token::Word | Token::Quoted => Err(self.bare_text(WHAT)),
            _ => Err(self.expected(WHAT)),
        }
    }

    /// Whether a unit of time stands `count` tokens ahead, one without a fixed length included.
    fn unit_at(&self, count: usize) -> bool {
        let ahead = self.ahead(count);
        if ahead.token != Token::Word {
            return false;
        }
        if self.is_word_at(count + 1, "ago") {
            return true;
        }
        let word = self.slice(ahead.span).to_ascii_lowercase();
        let singular = word.strip_suffix('s').unwrap_or(&word);
        DurationMillis::UNITS
            .into_iter()
            .any(|(name, _, _)| name == singular)
    }

    /// The table that is named before a dot here.
    pub(super) fn table(&self) -> Option<AttributeTable> {
        if self.ahead(1).token != Token::Dot {
            return None;
        }
        if self.is_word("users") {
            Some(AttributeTable::Users)
        } else if self.is_word("property") {
            Some(AttributeTable::Property)
        } else {
            None
        }
    }

    /// `users.x`, `property.x`, or a bare name.
    pub(super) fn attribute(&mut self) -> Parse<AttributeRef> {
        let start = self.span();
        let table = self.table();
        if table.is_some() {
            self.advance();
            self.advance();
        }
        let (first, _) = self.name("the name of an attribute")?;
        let name = self.path_rest(first)?;
        Ok(AttributeRef {
            table,
            name,
            span: self.since(start),
        })
    }

    /// Text in single quotes, or an integer as its text: a user id.
    pub(super) fn user_id(&mut self) -> Parse<String> {
        if matches!(self.token(), Token::Number | Token::Minus) {
            let start = self.span();
            let negative = self.take(Token::Minus);
            if self.token() != Token::Number {
                return Err(self.expected("a user id"));
            }
            self.advance();
            let digits = lexer_digits(self.slice(self.tokens[self.at - 1].span));
            let Some(digits) = digits else {
                let span = self.since(start);
                return Err(self.error("user-id", span, "a user id is text or an integer"));
            };
            return Ok(if negative && digits != "0" {
                format!("-{digits}")
            } else {
                digits
            });
        }
        if self.token() == Token::Text {
            let span = self.advance().span;
            return Ok(lexer::unquote(self.slice(span)));
        }
        self.text("a user id in single quotes")
    }
}

/// An integer's digits without leading zeros; `None` if it is no integer.
fn lexer_digits(text: &str) -> Option<String> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let trimmed = text.trim_start_matches('0');
    Some(if trimmed.is_empty() {
        "0".to_owned()
    } else {
        trimmed.to_owned()
    })
}

fn one_or(mut parts: Vec<Predicate>, join: fn(Vec<Predicate>) -> Predicate) -> Predicate {
    if parts.len() == 1 {
        parts.swap_remove(0)
    } else {
        join(parts)
    }
}
