//! One condition: what stands between `and`, `or` and `not`.

use super::arithmetic::is_operator;
use super::{Parse, Parser, Reported, shorten};
use crate::ast::{
    Aggregate, AttributeOperand, AttributeRef, Expr, ExprKind, Measure, Occurrence, OccurrenceTest,
    Operand, PeriodUnit, RankEnd, RankSize, Span,
};
use crate::checks;
use crate::diagnostic::Diagnostic;
use crate::lexer::Token;

/// Functions that begin a condition, for suggestions.
const FUNCTIONS: [&str; 31] = [
    "did",
    "had",
    "changed",
    "held",
    "bucket",
    "count",
    "sum",
    "min",
    "max",
    "avg",
    "distinct",
    "days",
    "weeks",
    "months",
    "periods",
    "days_since_first",
    "days_since_last",
    "first",
    "last",
    "nth",
    "sequence",
    "stopped",
    "restarted",
    "top",
    "bottom",
    "segment",
    "list",
    "number",
    "text",
    "time",
    "not",
];

impl Parser<'_> {
    pub(super) fn condition(&mut self) -> Parse<ExprKind> {
        match self.token() {
            Token::Word => {}
            Token::Quoted => return self.attribute_condition(),
            Token::Number | Token::Minus | Token::Plus | Token::Open => {
                let measure = self.measure()?;
                return self.measure_condition(measure);
            }
            Token::Text => {
                // `name` explains how names are quoted.
                self.name("a condition")?;
                return Err(Reported);
            }
            _ => return Err(self.expected("a condition")),
        }
        let may_be_measured = self.table().is_some() || self.cast_begins().is_some();
        if may_be_measured && self.compares_measures() {
            let measure = self.measure()?;
            return self.measure_condition(measure);
        }
        if self.test_begins_at(1) || self.ahead(1).token == Token::Dot {
            return self.named_condition();
        }
        for word in ["and", "or", "then", "where", "in", "is", "like"] {
            if self.is_word(word) {
                return Err(self.expected("a condition"));
            }
        }
        if let Some(function) = self.function() {
            return self.function_condition(&function);
        }
        if self.take_word("everyone") {
            return Ok(ExprKind::Everyone);
        }
        if self.take_word("nobody") {
            return Ok(ExprKind::Nobody);
        }
        if self.is_word("true") || self.is_word("false") {
            let cure = if self.is_word("true") {
                "everyone"
            } else {
                "nobody"
            };
            let span = self.span();
            return Err(self.expected_with("a condition", |finding| {
                finding.help(format!("write `{cure}`")).suggest(span, cure)
            }));
        }
        self.named_condition()
    }

    fn named_condition(&mut self) -> Parse<ExprKind> {
        let is_user_id = self.token() == Token::Word && self.slice(self.span()) == "user_id";
        if is_user_id && self.ahead(1).token != Token::Dot {
            self.advance();
            return self.user_id_condition();
        }
        self.attribute_condition()
    }

    fn attribute_condition(&mut self) -> Parse<ExprKind> {
        let start = self.span();
        let attribute = self.attribute()?;
        if !self.test_begins_at(0) && self.token() != Token::Word {
            let name = shorten(&attribute.name);
            let span = attribute.span;
            if is_operator(self.token()) {
                return Err(self.arithmetic_of_attribute(&name));
            }
            if matches!(self.token(), Token::End | Token::Close) {
                let finding =
                    Diagnostic::error("expected", format!("`{name}` alone is no condition"))
                        .at(span)
                        .help(format!(
                            "compare it: `{name} = 'x'`; or, if it is an event, write `did({name})`"
                        ));
                return Err(self.report(finding));
            }
        }
        self.attribute_test(
            start,
            AttributeOperand {
                attribute,
                cast: None,
            },
        )
    }

    fn arithmetic_of_attribute(&mut self, name: &str) -> Reported {
        self.expected_with("a comparison", |finding| {
            finding.help(format!(
                "an attribute to calculate with is written with its table: `users.{name}` or `property.{name}`"
            ))
        })
    }

    fn attribute_test(&mut self, start: Span, operand: AttributeOperand) -> Parse<ExprKind> {
        // The checks of a property's leaf are those of an attribute's.
        let test = self.test_of(start, &Operand::Property(String::new()))?;
        Ok(ExprKind::Attribute { operand, test })
    }

    fn user_id_condition(&mut self) -> Parse<ExprKind> {
        let start = self.span();
        if self.take(Token::Equal) {
            return Ok(ExprKind::UserId(vec![self.user_id()?]));
        }
        if self.take(Token::NotEqual) {
            let ids = vec![self.user_id()?];
            return Ok(negated(ids, self.since(start)));
        }
        let not_in = self.is_word("not") && self.is_word_at(1, "in");
        if not_in {
            self.advance();
        }
        if !self.take_word("in") {
            return Err(self.expected("`=` or `in` after `user_id`"));
        }
        let open = self.span();
        if !self.take(Token::Open) {
            return Err(self.expected("`(` and a list of user ids"));
        }
        let mut ids = Vec::new();
        loop {
            ids.push(self.user_id()?);
            if !self.take(Token::Comma) {
                break;
            }
        }
        self.close(open, "`,` or `)`")?;
        Ok(if not_in {
            negated(ids, self.since(start))
        } else {
            ExprKind::UserId(ids)
        })
    }

    fn function_condition(&mut self, function: &str) -> Parse<ExprKind> {
        let start = self.span();
        match function {
            "did" => {
                self.advance();
                let open = self.advance().span;
                Ok(ExprKind::Did(self.events_and_close(open)?))
            }
            "sequence" => {
                self.advance();
                let open = self.advance().span;
                self.sequence(open)
            }
            "stopped" => {
                self.advance();
                let open = self.advance().span;
                self.stopped(open)
            }
            "restarted" => {
                self.advance();
                let open = self.advance().span;
                self.restarted(open)
            }
            "had" => self.had(),
            "changed" => self.changed(),
            "held" => self.held(),
            "top" | "bottom" => {
                self.advance();
                let open = self.advance().span;
                self.rank(
                    if function == "top" {
                        RankEnd::Top
                    } else {
                        RankEnd::Bottom
                    },
                    open,
                )
            }
            "segment" => self
                .named("the name of a saved segment, such as `'paying'`")
                .map(ExprKind::SavedSegment),
            "list" => self
                .named("the name of a list, such as `'beta testers'`")
                .map(ExprKind::StaticList),
            "first" | "last" | "nth" => {
                let occurrence = self.any_occurrence()?;
                self.occurrence_condition(occurrence)
            }
            "number" | "text" | "time" | "hour" | "weekday" => self.around_condition(function),
            _ if is_measure(function) => {
                let measure = self.measure()?;
                self.measure_condition(measure)
            }
            _ => {
                let finding = Diagnostic::error(
                    "function",
                    format!("there is no function `{}`", shorten(function)),
                )
                .at(start);
                let finding = match checks::nearest(function, FUNCTIONS.into_iter()) {
                    Some(name) => finding
                        .help(format!("did you mean `{name}`?"))
                        .suggest(start, name),
                    None => {
                        finding.help("an event is asked for with `did(name)` or `count(name) > 5`")
                    }
                };
                Err(self.report(finding))
            }
        }
    }

    /// The one text that stands in the parentheses of `segment` and `list`.
    fn named(&mut self, what: &str) -> Parse<String> {
        self.advance();
        let open = self.advance().span;
        let name = self.text(what)?;
        self.close(open, "`)`")?;
        Ok(name)
    }

    /// An attribute or a cast of one, and nothing behind it.
    pub(super) fn lone_attribute(&mut self) -> Parse<AttributeOperand> {
        let operand = if let Some(cast) = self.cast_begins() {
            self.advance();
            let open = self.advance().span;
            let attribute = self.attribute()?;
            let cast = Some(self.cast_rest(cast, open)?);
            AttributeOperand { attribute, cast }
        } else {
            AttributeOperand {
                attribute: self.attribute()?,
                cast: None,
            }
        };
        if self.token() != Token::End {
            return Err(self.expected("the end of the attribute"));
        }
        Ok(operand)
    }

    /// A cast, `hour` or `weekday` around an attribute or a property of one event.
    fn around_condition(&mut self, function: &str) -> Parse<ExprKind> {
        let start = self.span();
        let cast = self.cast_begins();
        self.advance();
        let open = self.advance().span;
        let inner = self.span();
        if self.occurrence_begins().is_some() {
            let occurrence = self.any_occurrence()?;
            let operand = self.occurrence_operand()?;
            let span = self.since(inner);
            let operand = match cast {
                Some(cast) => {
                    let cast = self.cast_rest(cast, open)?;
                    self.cast_of(cast, operand, span)?
                }
                None => self.calendar_rest(function, &operand, span, open)?,
            };
            let test = self.test_of(start, &operand)?;
            return Ok(ExprKind::Occurrence {
                occurrence,
                test: OccurrenceTest::Property { operand, test },
            });
        }
        let Some(cast) = cast else {
            return Err(self.expected(&format!(
                "`last(E).timestamp` or the like inside `{function}`"
            )));
        };
        let attribute = self.attribute()?;
        let cast = self.cast_rest(cast, open)?;
        self.attribute_test(
            start,
            AttributeOperand {
                attribute,
                cast: Some(cast),
            },
        )
    }

    fn any_occurrence(&mut self) -> Parse<Occurrence> {
        match self.occurrence_begins() {
            Some(position) => self.occurrence(position),
            None => Err(self.expected("`first(E)`, `last(E)` or `nth(2, E)`")),
        }
    }

    fn occurrence_condition(&mut self, occurrence: Occurrence) -> Parse<ExprKind> {
        let start = self.span();
        let test = match self.token() {
            Token::Dot => {
                let operand = self.occurrence_operand()?;
                let test = self.test_of(start, &operand)?;
                OccurrenceTest::Property { operand, test }
            }
            Token::Word if !self.is_word("and") && !self.is_word("or") => {
                OccurrenceTest::When(self.window()?)
            }
            _ => {
                return Err(self.expected_with("a window or `.property`", |finding| {
                    finding.help("write `first(E) in last 14 days`, `last(E).source = 'email'` or `last(E).timestamp > '2026-01-01'`")
                }));
            }
        };
        Ok(ExprKind::Occurrence { occurrence, test })
    }

    /// `.prop`, `.event` or `.timestamp` behind an occurrence.
    fn occurrence_operand(&mut self) -> Parse<Operand> {
        if !self.take(Token::Dot) {
            return Err(self.expected("`.` and a property"));
        }
        let quoted = self.token() == Token::Quoted;
        let (first, _) = self.name("a property")?;
        let path = self.path_rest(first)?;
        Ok(match path.as_str() {
            "event" | "event_name" if !quoted => Operand::EventName,
            "timestamp" if !quoted => Operand::Timestamp,
            _ => Operand::Property(path),
        })
    }

    fn rank(&mut self, end: RankEnd, open: Span) -> Parse<ExprKind> {
        let start = self.span();
        let size = if self.ahead(1).token == Token::Percent && self.token() == Token::Number {
            let digits = self.advance().span;
            let text = self.slice(digits).to_owned();
            self.advance();
            // Digits, point and exponent are always a float.
            RankSize::Percent(text.parse().unwrap_or(f64::INFINITY))
        } else {
            RankSize::Users(
                self.whole("a number of users or a percentage such as `10%`", u64::MAX)?
                    .0,
            )
        };
        let span = self.since(start);
        self.accept(checks::rank_problem(size), span)?;
        if !self.take(Token::Comma) {
            return Err(self.expected("`,` and a measure such as `count(purchase)`"));
        }
        let measure = self.measure()?;
        self.close(open, "`)`")?;
        Ok(ExprKind::Rank { end, size, measure })
    }

    /// A number per user without arithmetic, attributes included.
    pub(super) fn single_measure(&mut self) -> Parse<Measure> {
        if self.table().is_some() {
            let attribute = self.attribute()?;
            return Ok(Measure::Attribute(AttributeOperand {
                attribute,
                cast: None,
            }));
        }
        if let Some(cast) = self.cast_begins() {
            self.advance();
            let open = self.advance().span;
            let attribute = self.table_attribute()?;
            let cast = self.cast_rest(cast, open)?;
            return Ok(Measure::Attribute(AttributeOperand {
                attribute,
                cast: Some(cast),
            }));
        }
        let Some(function) = self.function().filter(|function| is_measure(function)) else {
            return Err(self.bare_measure());
        };
        self.advance();
        let open = self.advance().span;
        let aggregate = match function.as_str() {
            "bucket" => {
                let salt = self.text("a salt in single quotes: `bucket('a')`")?;
                self.close(open, "`)`")?;
                return Ok(Measure::Bucket(salt));
            }
            "count" => return Ok(Measure::Count(self.events_and_close(open)?)),
            "days" => return self.calendar_measure(PeriodUnit::Day, open),
            "weeks" => return self.calendar_measure(PeriodUnit::Week, open),
            "months" => return self.calendar_measure(PeriodUnit::Month, open),
            "periods" => return self.periods(open),
            "days_since_first" => return Ok(Measure::DaysSinceFirst(self.events_and_close(open)?)),
            "days_since_last" => return Ok(Measure::DaysSinceLast(self.events_and_close(open)?)),
            "sum" => Aggregate::Sum,
            "min" => Aggregate::Min,
            "max" => Aggregate::Max,
            "avg" => Aggregate::Avg,
            _ => Aggregate::Distinct,
        };
        let (property, cast, of) = self.property_and_events(open, &function)?;
        Ok(Measure::Aggregate {
            function: aggregate,
            property,
            cast,
            of,
        })
    }

    fn table_attribute(&mut self) -> Parse<AttributeRef> {
        if self.table().is_none() {
            return Err(self.bare_measure());
        }
        self.attribute()
    }

    fn bare_measure(&mut self) -> Reported {
        let bare = matches!(self.token(), Token::Word | Token::Quoted)
            && self.ahead(1).token != Token::Open;
        let shown = shorten(self.slice(self.span()));
        self.expected_with("a measure such as `count(purchase, last 30 days)`", |finding| {
            if bare {
                finding.help(format!("an attribute is a measure with its table: `users.{shown}` or `property.{shown}`"))
            } else {
                finding
            }
        })
    }
}

/// Whether a function is a number per user.
pub(super) fn is_measure(function: &str) -> bool {
    matches!(
        function,
        "bucket"
            | "count"
            | "sum"
            | "min"
            | "max"
            | "avg"
            | "distinct"
            | "days"
            | "weeks"
            | "months"
            | "periods"
            | "days_since_first"
            | "days_since_last"
    )
}

fn negated(ids: Vec<String>, span: Span) -> ExprKind {
    ExprKind::Not(Box::new(Expr {
        kind: ExprKind::UserId(ids),
        span,
    }))
}

#[cfg(test)]
mod tests {
    use super::FUNCTIONS;

    #[test]
    fn every_suggested_function_is_one() {
        for function in FUNCTIONS {
            let error =
                crate::parser::parse(&format!("{function}()")).expect_err("has no argument");
            assert!(
                !error.message().contains("no function"),
                "{function}: {error}"
            );
        }
    }
}
