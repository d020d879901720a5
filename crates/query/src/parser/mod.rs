//! Tokens to tree: recursive descent with one token of decision, several errors per run.
//!
//! An error inside one condition is reported, the condition is skipped, and reading goes on behind
//! it, so that a long segment shows all that is wrong with it at once. Whatever was reported, no
//! tree leaves this module unless everything was in order.

mod arithmetic;
mod condition;
mod event;
mod history;
mod predicate;
mod sequence;
mod window;

use crate::ast::{AttributeOperand, Expr, ExprKind, Segment, Source, Span};
use crate::checks;
use crate::diagnostic::{Diagnostic, SegmentError};
use crate::lexer::{self, DIAGNOSTICS_MAX, Spanned, Token};
use crowdset_types::Number;

/// How deeply conditions, predicates and anchors may be nested.
pub(crate) const DEPTH_MAX: usize = 128;

/// The error has been reported; who gets this only has to stop.
#[derive(Debug)]
struct Reported;

type Parse<T> = Result<T, Reported>;

/// Reads a segment's text.
pub(crate) fn parse(source: &str) -> Result<Segment, SegmentError> {
    let (root, warnings) = parse_with(source, |parser: &mut Parser<'_>| Parser::segment(parser))?;
    Ok(Segment {
        root,
        source: Source {
            text: source.into(),
            warnings,
        },
    })
}

/// Reads an attribute, or a cast of one, that stands alone.
pub(crate) fn parse_attribute(source: &str) -> Result<AttributeOperand, SegmentError> {
    let (operand, _) = parse_with(source, |parser: &mut Parser<'_>| {
        Parser::lone_attribute(parser)
    })?;
    Ok(operand)
}

/// Reads a whole text; what `read` leaves over is an error of its own.
fn parse_with<T>(
    source: &str,
    read: impl FnOnce(&mut Parser<'_>) -> Parse<T>,
) -> Result<(T, Vec<Diagnostic>), SegmentError> {
    if u32::try_from(source.len()).is_err() {
        let finding = Diagnostic::error("too-long", "the segment is longer than 4 GB");
        return Err(SegmentError::new(vec![finding], "".into()));
    }
    let mut diagnostics = Vec::new();
    let tokens = lexer::tokens(source, &mut diagnostics);
    if tokens.len() == 1 && diagnostics.is_empty() {
        let finding = Diagnostic::error("empty", "the segment is empty")
            .at(tokens[0].span)
            .help("`everyone` selects every user");
        return Err(SegmentError::new(vec![finding], source.into()));
    }
    let levels = levels(&tokens);
    let mut parser = Parser {
        source,
        tokens,
        levels,
        at: 0,
        depth: 0,
        hopeless: false,
        diagnostics,
        warnings: Vec::new(),
    };
    let root = read(&mut parser);
    let Parser {
        mut diagnostics,
        warnings,
        ..
    } = parser;
    match root {
        Ok(root) if diagnostics.is_empty() => Ok((root, warnings)),
        _ => {
            diagnostics.sort_by_key(|finding| finding.span.map(|span| span.start));
            Err(SegmentError::new(diagnostics, source.into()))
        }
    }
}

/// How many parentheses are open around each token; a parenthesis belongs to its outside.
fn levels(tokens: &[Spanned]) -> Vec<u32> {
    let mut open = 0_u32;
    tokens
        .iter()
        .map(|spanned| match spanned.token {
            Token::Open => {
                open += 1;
                open - 1
            }
            Token::Close => {
                open = open.saturating_sub(1);
                open
            }
            _ => open,
        })
        .collect()
}

struct Parser<'a> {
    source: &'a str,
    tokens: Vec<Spanned>,
    levels: Vec<u32>,
    at: usize,
    depth: usize,
    /// Set when going on would only produce noise: too deep, or too many errors.
    hopeless: bool,
    diagnostics: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

/// Tokens.
impl Parser<'_> {
    fn ahead(&self, count: usize) -> Spanned {
        // The last token is `End`, and there always is one.
        self.tokens[(self.at + count).min(self.tokens.len() - 1)]
    }

    fn token(&self) -> Token {
        self.ahead(0).token
    }

    fn span(&self) -> Span {
        self.ahead(0).span
    }

    fn slice(&self, span: Span) -> &str {
        &self.source[span.start as usize..span.end as usize]
    }

    fn advance(&mut self) -> Spanned {
        let spanned = self.ahead(0);
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        spanned
    }

    /// From `start` to the end of the last token read.
    fn since(&self, start: Span) -> Span {
        let last = self.tokens[self.at.saturating_sub(1)].span.end;
        Span {
            start: start.start,
            end: last.max(start.start),
        }
    }

    fn take(&mut self, token: Token) -> bool {
        let found = self.token() == token;
        if found {
            self.advance();
        }
        found
    }

    fn is_word_at(&self, count: usize, word: &str) -> bool {
        let ahead = self.ahead(count);
        ahead.token == Token::Word && self.slice(ahead.span).eq_ignore_ascii_case(word)
    }

    fn is_word(&self, word: &str) -> bool {
        self.is_word_at(0, word)
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.advance();
        }
        found
    }

    fn word_among(&self, words: &[&'static str]) -> Option<&'static str> {
        words.iter().copied().find(|word| self.is_word(word))
    }

    /// The word at the front in lower case, if a parenthesis follows it.
    fn function(&self) -> Option<String> {
        (self.token() == Token::Word && self.ahead(1).token == Token::Open)
            .then(|| self.slice(self.span()).to_ascii_lowercase())
    }

    /// Whether a comparison begins `count` tokens ahead. A name before one is always a name.
    fn test_begins_at(&self, count: usize) -> bool {
        let next = self.ahead(count + 1).token;
        match self.ahead(count).token {
            Token::Equal
            | Token::NotEqual
            | Token::Less
            | Token::LessOrEqual
            | Token::Greater
            | Token::GreaterOrEqual => true,
            Token::Word => {
                let word = |word| self.is_word_at(count, word);
                let followed = |word| self.is_word_at(count + 1, word);
                let value = matches!(next, Token::Text | Token::Number | Token::Minus);
                word("in") && next == Token::Open
                    || word("not") && followed("in") && self.ahead(count + 2).token == Token::Open
                    || word("is")
                        && (followed("set") || followed("not") && self.is_word_at(count + 2, "set"))
                    || word("between") && (value || followed("now"))
                    || ["contains", "like", "ilike", "matches"]
                        .into_iter()
                        .any(word)
                        && next == Token::Text
                    || ["starts", "ends"].into_iter().any(word) && followed("with")
                    || word("has")
                        && (value
                            || followed("true")
                            || followed("false")
                            || (followed("any") || followed("all"))
                                && self.ahead(count + 2).token == Token::Open)
            }
            _ => false,
        }
    }
}

/// Errors.
impl Parser<'_> {
    fn report(&mut self, finding: Diagnostic) -> Reported {
        if !self.hopeless {
            self.diagnostics.push(finding);
        }
        self.hopeless |= self.diagnostics.len() >= DIAGNOSTICS_MAX;
        Reported
    }

    fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) -> Reported {
        self.report(Diagnostic::error(code, message).at(span))
    }

    /// Reports that something else should stand here.
    fn expected(&mut self, what: &str) -> Reported {
        self.expected_with(what, |finding| finding)
    }

    fn expected_with(
        &mut self,
        what: &str,
        add: impl FnOnce(Diagnostic) -> Diagnostic,
    ) -> Reported {
        let Spanned { token, span } = self.ahead(0);
        // After an error everything up to the end may have been skipped: that it ends is no news.
        if token == Token::End && !self.diagnostics.is_empty() {
            return Reported;
        }
        // Nor is it that something is missing where the lexer left out what is no token.
        let before = self
            .at
            .checked_sub(1)
            .map_or(0, |last| self.tokens[last].span.end);
        let left_out = |finding: &Diagnostic| {
            finding.span.is_some_and(|place| {
                before <= place.start && place.end <= span.start && place.start < span.start
            })
        };
        if self.diagnostics.iter().any(left_out) {
            return Reported;
        }
        let found = match token {
            Token::End => "the end".to_owned(),
            _ => format!("`{}`", shorten(self.slice(span))),
        };
        let finding =
            Diagnostic::error("expected", format!("expected {what}, found {found}")).at(span);
        self.report(add(finding))
    }

    /// Reports a finding of [`checks`] at a place.
    fn accept(&mut self, finding: Option<Diagnostic>, span: Span) -> Parse<()> {
        match finding {
            Some(finding) => Err(self.report(finding.at(span))),
            None => Ok(()),
        }
    }

    /// Reads the `)` that belongs to the `(` at `open`.
    fn close(&mut self, open: Span, expected: &str) -> Parse<()> {
        if self.take(Token::Close) {
            return Ok(());
        }
        if self.token() == Token::End && self.diagnostics.is_empty() {
            return Err(self.error("unclosed", open, "this `(` is never closed"));
        }
        Err(self.expected(expected))
    }

    /// Runs `read` one level deeper.
    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        if self.depth == DEPTH_MAX {
            let span = self.span();
            let message = format!("nested more than {DEPTH_MAX} levels deep");
            let reported = self.error("too-deep", span, message);
            self.hopeless = true;
            return Err(reported);
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }
}

/// The beginning of a text that may be of any length, for a message.
pub(crate) fn shorten(text: &str) -> String {
    const CHARS_MAX: usize = 40;
    let mut chars = text.chars();
    let mut short: String = chars.by_ref().take(CHARS_MAX).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    short
}

/// Conditions and how they are joined.
impl Parser<'_> {
    fn segment(&mut self) -> Parse<Expr> {
        let root = self.expr()?;
        match self.token() {
            Token::End => Ok(root),
            Token::Close => {
                let span = self.span();
                Err(self.error("unopened", span, "this `)` closes nothing"))
            }
            _ => Err(self.expected_with("`and`, `or` or the end", |finding| {
                finding.help("two conditions are joined by `and` or `or`")
            })),
        }
    }

    fn expr(&mut self) -> Parse<Expr> {
        self.joined(
            "or",
            Self::conjunction,
            ExprKind::Or,
            |part, parts| match part.kind {
                ExprKind::Or(inner) => parts.extend(inner),
                _ => parts.push(part),
            },
        )
    }

    fn conjunction(&mut self) -> Parse<Expr> {
        self.joined(
            "and",
            Self::negation,
            ExprKind::And,
            |part, parts| match part.kind {
                ExprKind::And(inner) => parts.extend(inner),
                _ => parts.push(part),
            },
        )
    }

    /// Parts with `word` between them; `add` takes those apart that are joined by the same word.
    fn joined(
        &mut self,
        word: &str,
        part: fn(&mut Self) -> Parse<Expr>,
        join: fn(Vec<Expr>) -> ExprKind,
        add: fn(Expr, &mut Vec<Expr>),
    ) -> Parse<Expr> {
        let start = self.span();
        let first = part(self)?;
        if !self.is_word(word) {
            return Ok(first);
        }
        let mut parts = Vec::new();
        add(first, &mut parts);
        while self.take_word(word) {
            add(part(self)?, &mut parts);
        }
        Ok(Expr {
            kind: join(parts),
            span: self.since(start),
        })
    }

    /// What nests is read by functions of their own: their frames are what deep nesting piles up.
    fn negation(&mut self) -> Parse<Expr> {
        if self.is_word("not") && !self.test_begins_at(1) {
            self.negated()
        } else if self.token() == Token::Open && !self.parenthesis_is_measure() {
            self.parenthesized()
        } else {
            self.leaf()
        }
    }

    fn negated(&mut self) -> Parse<Expr> {
        let start = self.advance().span;
        let inner = self.nested(Self::negation)?;
        Ok(Expr {
            kind: ExprKind::Not(Box::new(inner)),
            span: self.since(start),
        })
    }

    fn parenthesized(&mut self) -> Parse<Expr> {
        let open = self.advance().span;
        let mut inner = self.nested(Self::expr)?;
        self.close(open, "`and`, `or` or `)`")?;
        inner.span = self.since(open);
        Ok(inner)
    }

    /// A condition, or what stands for one that could not be read. Never inlined, or its frame would
    /// be one of those.
    #[inline(never)]
    fn leaf(&mut self) -> Parse<Expr> {
        let start = self.span();
        let begin = self.at;
        match self.condition() {
            Ok(kind) => Ok(Expr {
                kind,
                span: self.since(start),
            }),
            Err(reported) if self.hopeless => Err(reported),
            Err(Reported) => {
                self.skip_condition(begin);
                // Stands for what could not be read; the run as a whole fails.
                Ok(Expr {
                    kind: ExprKind::Nobody,
                    span: self.since(start),
                })
            }
        }
    }

    /// Moves behind the condition that began at token `begin` and could not be read: to the next
    /// `and`, `or` or `)` of its level.
    fn skip_condition(&mut self, begin: usize) {
        let level = self.levels[begin];
        loop {
            let here = self.levels[self.at];
            let joins = here <= level && (self.is_word("and") || self.is_word("or"));
            match self.token() {
                Token::End => return,
                Token::Close if here < level => return,
                // The `and` of a `between x and y` is followed by a value, never by a condition.
                Token::Word
                    if joins
                        && !matches!(
                            self.ahead(1).token,
                            Token::Number | Token::Text | Token::Minus
                        ) =>
                {
                    return;
                }
                _ => {
                    self.advance();
                }
            }
        }
    }
}

/// Values.
impl Parser<'_> {
    /// A number with its sign.
    fn number(&mut self, what: &str) -> Parse<(Number, Span)> {
        let start = self.span();
        let negative = self.take(Token::Minus);
        if !negative {
            self.take_plus();
        }
        if self.token() != Token::Number {
            return Err(self.expected(what));
        }
        self.advance();
        let span = self.since(start);
        let digits = self.slice(self.tokens[self.at - 1].span);
        let text = if negative {
            format!("-{digits}")
        } else {
            digits.to_owned()
        };
        let number = match text.parse::<i64>() {
            Ok(value) => Number::Integer(value),
            // Digits, point and exponent are always a float, however large.
            Err(_) => Number::Float(text.parse().unwrap_or(f64::INFINITY)),
        };
        self.accept(checks::number_problem(number), span)?;
        Ok((number, span))
    }

    fn take_plus(&mut self) {
        // A plus sign is harmless before a number and nothing else may follow it.
        if self.ahead(1).token == Token::Number {
            self.take(Token::Plus);
        }
    }

    /// A whole number of at least zero and at most `max`.
    fn whole(&mut self, what: &str, max: u64) -> Parse<(u64, Span)> {
        if self.token() != Token::Number {
            return Err(self.expected(what));
        }
        let span = self.advance().span;
        let digits = self.slice(span);
        match digits.parse::<u64>() {
            Ok(value) if value <= max => Ok((value, span)),
            _ if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                let message = format!("`{}` is too large; at most {max}", shorten(digits));
                Err(self.error("number", span, message))
            }
            _ => {
                let message = format!("`{}` is no whole number", shorten(digits));
                Err(self.error("number", span, message))
            }
        }
    }

    /// Text in single quotes.
    fn text(&mut self, what: &str) -> Parse<String> {
        if self.token() == Token::Text {
            let span = self.advance().span;
            return Ok(lexer::unquote(self.slice(span)));
        }
        if self.token() == Token::Quoted || self.token() == Token::Word {
            return Err(self.bare_text(what));
        }
        Err(self.expected(what))
    }

    /// Reports a name where text was meant.
    fn bare_text(&mut self, what: &str) -> Reported {
        let Spanned { token, span } = self.ahead(0);
        let quoted = token == Token::Quoted;
        let value = if quoted {
            lexer::unquote(self.slice(span))
        } else {
            self.slice(span).to_owned()
        };
        let text = format!("'{}'", value.replace('\'', "''"));
        let shown = shorten(&text);
        self.expected_with(what, |finding| {
            finding
                .help(format!("text stands in single quotes: `{shown}`"))
                .suggest(span, text)
        })
    }

    /// A name, plain or in double quotes; no word is reserved here.
    fn name(&mut self, what: &str) -> Parse<(String, Span)> {
        let Spanned { token, span } = self.ahead(0);
        let value = match token {
            Token::Word => self.slice(span).to_owned(),
            Token::Quoted => lexer::unquote(self.slice(span)),
            Token::Text => {
                let text = lexer::unquote(self.slice(span));
                let name = if lexer::is_plain_name(&text) {
                    text
                } else {
                    format!("\"{}\"", text.replace('"', "\"\""))
                };
                let shown = shorten(&name);
                return Err(self.expected_with(what, |finding| {
                    finding
                        .help(format!(
                            "single quotes are for text; a name is written `{shown}`"
                        ))
                        .suggest(span, name)
                }));
            }
            _ => return Err(self.expected(what)),
        };
        self.advance();
        Ok((value, span))
    }

    /// The rest of a dotted path, each part after its dot, appended to `path`.
    fn path_rest(&mut self, mut path: String) -> Parse<String> {
        while self.take(Token::Dot) {
            let (part, _) = self.name("a name after the dot")?;
            path.push('.');
            path.push_str(&part);
        }
        Ok(path)
    }
}
