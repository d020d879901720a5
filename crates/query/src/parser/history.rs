//! What an attribute was: `had`, `changed`, `held`.

use super::{Parse, Parser};
use crate::ast::{AttributeOperand, CompareOp, ExprKind, Literal, Operand, Test};
use crate::checks;
use crate::lexer::Token;

impl Parser<'_> {
    /// `had(attr OP value [, W])`, standing at its first word.
    pub(super) fn had(&mut self) -> Parse<ExprKind> {
        self.advance();
        let open = self.advance().span;
        let (operand, test) = self.attribute_and_test()?;
        let window = self.window_and_close(open)?;
        Ok(ExprKind::Had {
            operand,
            test,
            window,
        })
    }

    /// `held(attr OP value, for 7 days)`, standing at its first word.
    pub(super) fn held(&mut self) -> Parse<ExprKind> {
        self.advance();
        let open = self.advance().span;
        let (operand, test) = self.attribute_and_test()?;
        if !self.take(Token::Comma) || !self.take_word("for") {
            return Err(self.expected_with("`, for` and a duration", |finding| {
                finding.help("write `held(plan = 'pro', for 7 days)`")
            }));
        }
        let start = self.span();
        let length = self.duration()?;
        let span = self.since(start);
        self.accept(checks::held_problem(length), span)?;
        self.close(open, "`)`")?;
        Ok(ExprKind::Held {
            operand,
            test,
            length,
        })
    }

    fn attribute_and_test(&mut self) -> Parse<(AttributeOperand, Test)> {
        let start = self.span();
        let cast = self.cast_begins();
        let operand = if let Some(cast) = cast {
            self.advance();
            let open = self.advance().span;
            let attribute = self.attribute()?;
            let cast = self.cast_rest(cast, open)?;
            AttributeOperand {
                attribute,
                cast: Some(cast),
            }
        } else {
            AttributeOperand {
                attribute: self.attribute()?,
                cast: None,
            }
        };
        // The checks of a property's leaf are those of an attribute's.
        let test = self.test_of(start, &Operand::Property(String::new()))?;
        Ok((operand, test))
    }

    /// `changed(attr [from v] [to v] [, W])`, standing at its first word.
    pub(super) fn changed(&mut self) -> Parse<ExprKind> {
        self.advance();
        let open = self.advance().span;
        let attribute = self.attribute()?;
        let from = self.value_behind("from")?;
        let to = self.value_behind("to")?;
        if from.is_none() && to.is_none() && self.test_begins_at(0) {
            return Err(self.expected_with("`from`, `to`, `,` or `)`", |finding| {
                finding.help("write `changed(plan to 'pro')`, or `had(plan = 'pro')`")
            }));
        }
        let window = self.window_and_close(open)?;
        Ok(ExprKind::Changed {
            attribute,
            from,
            to,
            window,
        })
    }

    fn value_behind(&mut self, word: &str) -> Parse<Option<Literal>> {
        if !self.take_word(word) {
            return Ok(None);
        }
        let span = self.span();
        let value = self.literal()?;
        let test = Test::Compare(CompareOp::Equal, value.clone());
        self.accept(checks::test_problem(&test), span)?;
        Ok(Some(value))
    }
}
