//! Numbers per user that are made of others: `count(a) / (count(b) + 1)`.

use super::condition::is_measure;
use super::{Parse, Parser};
use crate::ast::{Arithmetic, ArithmeticOp, ExprKind, Measure};
use crate::lexer::Token;
use crowdset_types::{Number, arithmetic};

impl Parser<'_> {
    /// A measure, or several with `+ - * /` and parentheses.
    pub(super) fn measure(&mut self) -> Parse<Measure> {
        self.left_to_right(Self::product, |token| match token {
            Token::Plus => Some(ArithmeticOp::Add),
            Token::Minus => Some(ArithmeticOp::Subtract),
            _ => None,
        })
    }

    fn product(&mut self) -> Parse<Measure> {
        self.left_to_right(Self::signed, |token| match token {
            Token::Star => Some(ArithmeticOp::Multiply),
            Token::Slash => Some(ArithmeticOp::Divide),
            _ => None,
        })
    }

    fn left_to_right(
        &mut self,
        part: fn(&mut Self) -> Parse<Measure>,
        op: fn(Token) -> Option<ArithmeticOp>,
    ) -> Parse<Measure> {
        let first = part(self)?;
        let mut rest = Vec::new();
        while let Some(op) = op(self.token()) {
            self.advance();
            rest.push((op, part(self)?));
        }
        Ok(if rest.is_empty() {
            first
        } else {
            Measure::Arithmetic(Arithmetic {
                first: Box::new(first),
                rest,
            })
        })
    }

    fn signed(&mut self) -> Parse<Measure> {
        let next = self.ahead(1).token;
        match self.token() {
            Token::Number => {}
            Token::Minus | Token::Plus if next == Token::Number => {}
            Token::Minus => {
                self.advance();
                return Ok(match self.nested(Self::signed)? {
                    Measure::Number(number) => Measure::Number(
                        // The negative of a finite number is finite.
                        arithmetic::negate(number).unwrap_or(number),
                    ),
                    other => Measure::Negative(Box::new(other)),
                });
            }
            Token::Open => {
                let open = self.advance().span;
                let inner = self.nested(Self::measure)?;
                self.close(open, "an operator or `)`")?;
                return Ok(inner);
            }
            Token::Word | Token::Quoted => return self.single_measure(),
            _ => return Err(self.expected("a number or a measure such as `count(purchase)`")),
        }
        let (number, _) = self.number("a number")?;
        if self.token() == Token::Percent {
            return Err(self.expected("a plain number"));
        }
        Ok(Measure::Number(number))
    }

    /// What a measure is compared with, behind it.
    pub(super) fn measure_condition(&mut self, measure: Measure) -> Parse<ExprKind> {
        if let Some(op) = self.compare_op() {
            let right = self.measure()?;
            return Ok(ExprKind::comparison(measure, op, right));
        }
        if self.take_word("between") {
            let low = self.plain_number()?;
            if !self.take_word("and") {
                return Err(self.expected("`and` and the upper end"));
            }
            let high = self.plain_number()?;
            return Ok(ExprKind::between(measure, low, high));
        }
        let start = self.span();
        if self.take_word("in") || self.is_word("not") && self.is_word_at(1, "in") {
            return Err(self.error(
                "expected",
                start,
                "a measure is compared with one number; join several with `or`",
            ));
        }
        Err(self.expected("`=`, `!=`, `<`, `<=`, `>`, `>=` or `between` after the measure"))
    }

    /// An end of `between`.
    fn plain_number(&mut self) -> Parse<Number> {
        let (number, _) = self.number("a number")?;
        if is_operator(self.token()) {
            return Err(self.expected_with("`and`, `or` or the end", |finding| {
                finding
                    .help("the ends of `between` are numbers; compare with `>=` and `<=` instead")
            }));
        }
        if self.token() == Token::Percent {
            return Err(self.expected("a plain number"));
        }
        Ok(number)
    }

    /// Whether the `(` here begins a measure rather than conditions: behind its `)` stands
    /// something that only a number can have.
    pub(super) fn parenthesis_is_measure(&self) -> bool {
        let level = self.levels[self.at];
        let close = (self.at + 1..self.tokens.len()).find(|&index| self.levels[index] <= level);
        let Some(close) = close.filter(|&index| self.tokens[index].token == Token::Close) else {
            return false;
        };
        let count = close + 1 - self.at;
        let next = self.ahead(count).token;
        is_operator(next) || is_comparison(next) || self.is_word_at(count, "between")
    }

    /// Whether the condition that begins here with an attribute compares measures: it has an
    /// operator, or a measure on its right side.
    pub(super) fn compares_measures(&self) -> bool {
        let level = self.levels[self.at];
        let mut previous = Token::End;
        let mut compared = false;
        for index in self.at..self.tokens.len() {
            if self.levels[index] > level {
                continue;
            }
            let token = self.tokens[index].token;
            let count = index - self.at;
            let follows_operand = matches!(
                previous,
                Token::Number | Token::Close | Token::Word | Token::Quoted
            );
            match token {
                _ if self.levels[index] < level => return false,
                Token::End | Token::Comma => return false,
                Token::Star | Token::Slash => return true,
                Token::Plus | Token::Minus if follows_operand => return true,
                // A sign before a number belongs to it.
                Token::Minus if compared && self.ahead(count + 1).token != Token::Number => {
                    return true;
                }
                Token::Open if is_comparison(previous) => return true,
                Token::Word if self.is_word_at(count, "and") || self.is_word_at(count, "or") => {
                    return false;
                }
                Token::Word if compared && self.ahead(count + 1).token == Token::Open => {
                    let word = self.slice(self.tokens[index].span).to_ascii_lowercase();
                    if word == "number" || is_measure(&word) {
                        return true;
                    }
                }
                token => compared |= is_comparison(token),
            }
            // Behind these words a value begins: a sign there is its own and no operator.
            let begins_value = follows_operand
                && (self.is_word_at(count, "between") || self.is_word_at(count, "has"));
            previous = if begins_value { Token::Comma } else { token };
        }
        false
    }
}

/// Whether it is one of `+ - * /`.
pub(super) fn is_operator(token: Token) -> bool {
    matches!(
        token,
        Token::Plus | Token::Minus | Token::Star | Token::Slash
    )
}

fn is_comparison(token: Token) -> bool {
    matches!(
        token,
        Token::Equal
            | Token::NotEqual
            | Token::Less
            | Token::LessOrEqual
            | Token::Greater
            | Token::GreaterOrEqual
    )
}
