//! Text to tokens. Every token knows its place; values are cut out of the text when asked for.

use crate::ast::Span;
use crate::diagnostic::Diagnostic;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    /// A plain identifier, which may be a keyword where one is expected.
    Word,
    /// A name in double quotes; never a keyword.
    Quoted,
    /// Text in single quotes.
    Text,
    /// Digits, with a fraction and an exponent if written; no sign.
    Number,
    Open,
    Close,
    Comma,
    Dot,
    Percent,
    Plus,
    Minus,
    Star,
    Slash,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// After the last token, as often as asked.
    End,
}

/// A token and its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spanned {
    pub(crate) token: Token,
    pub(crate) span: Span,
}

/// How many findings one run reports before it gives up.
pub(crate) const DIAGNOSTICS_MAX: usize = 20;

/// Whether a name may stand without quotes.
pub(crate) fn is_plain_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(starts_word) && chars.all(continues_word)
}

fn starts_word(c: char) -> bool {
    c == '_' || c.is_alphabetic()
}

fn continues_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// Cuts the text into tokens; the last one is [`Token::End`]. What is no token is reported and
/// left out. Time is linear in the text.
pub(crate) fn tokens(source: &str, diagnostics: &mut Vec<Diagnostic>) -> Vec<Spanned> {
    let mut lexer = Lexer {
        source,
        at: 0,
        diagnostics,
    };
    let mut out = Vec::new();
    loop {
        lexer.skip_blanks();
        let start = lexer.at;
        let Some(first) = lexer.peek() else { break };
        if let Some(token) = lexer.token(first) {
            out.push(Spanned {
                token,
                span: lexer.since(start),
            });
        }
        if lexer.diagnostics.len() >= DIAGNOSTICS_MAX {
            lexer.at = source.len();
        }
    }
    out.push(Spanned {
        token: Token::End,
        span: lexer.since(source.len()),
    });
    out
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Lexer<'_> {
    fn peek(&self) -> Option<char> {
        self.source[self.at..].chars().next()
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.source.as_bytes().get(self.at + ahead).copied()
    }

    fn since(&self, start: usize) -> Span {
        Span {
            start: start as u32,
            end: self.at.max(start) as u32,
        }
    }

    fn skip_blanks(&mut self) {
        while let Some(c) = self.peek() {
            if c.is_whitespace() || c == '\u{feff}' {
                self.at += c.len_utf8();
            } else if c == '-' && self.byte(1) == Some(b'-') {
                self.at += self.source[self.at..]
                    .find('\n')
                    .unwrap_or(self.source.len() - self.at);
            } else {
                break;
            }
        }
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) {
        let rest = &self.source[self.at..];
        self.at += rest.find(|c| !wanted(c)).unwrap_or(rest.len());
    }

    fn token(&mut self, first: char) -> Option<Token> {
        let start = self.at;
        if starts_word(first) {
            self.take_while(continues_word);
            return Some(Token::Word);
        }
        if first.is_ascii_digit() {
            self.number();
            return Some(Token::Number);
        }
        if first == '\'' || first == '"' {
            return self.quoted(first as u8);
        }
        self.at += first.len_utf8();
        let next = self.byte(0);
        let wide = |lexer: &mut Self, token| {
            lexer.at += 1;
            Some(token)
        };
        match first {
            '(' => Some(Token::Open),
            ')' => Some(Token::Close),
            ',' => Some(Token::Comma),
            '.' => Some(Token::Dot),
            '%' => Some(Token::Percent),
            '+' => Some(Token::Plus),
            '-' => Some(Token::Minus),
            '*' => Some(Token::Star),
            '/' => Some(Token::Slash),
            '=' if next == Some(b'=') => {
                self.at += 1;
                self.replace(start, "equality is written `=`", "=");
                Some(Token::Equal)
            }
            '=' => Some(Token::Equal),
            '!' if next == Some(b'=') => wide(self, Token::NotEqual),
            '<' if next == Some(b'=') => wide(self, Token::LessOrEqual),
            '<' if next == Some(b'>') => {
                self.at += 1;
                self.replace(start, "inequality is written `!=`", "!=");
                Some(Token::NotEqual)
            }
            '<' => Some(Token::Less),
            '>' if next == Some(b'=') => wide(self, Token::GreaterOrEqual),
            '>' => Some(Token::Greater),
            '&' | '|' => {
                self.take_while(|c| c == first);
                let word = if first == '&' { "and" } else { "or" };
                self.replace(start, &format!("write `{word}`"), word);
                None
            }
            '!' => {
                self.replace(start, "write `not`", "not ");
                None
            }
            ';' if self.source[self.at..].trim().is_empty() => {
                self.replace(start, "a segment ends without a semicolon", "");
                None
            }
            _ => {
                let shown = first.escape_default();
                let message = if first.is_control() {
                    format!("the character `{shown}` has no meaning here")
                } else {
                    format!("the character `{first}` has no meaning here")
                };
                let finding = Diagnostic::error("character", message)
                    .at(self.since(start))
                    .help("text stands in single quotes, a name that is no plain identifier in double quotes");
                self.diagnostics.push(finding);
                None
            }
        }
    }

    fn replace(&mut self, start: usize, message: &str, text: &str) {
        let span = self.since(start);
        self.diagnostics.push(
            Diagnostic::error("spelling", message)
                .at(span)
                .suggest(span, text),
        );
    }

    fn number(&mut self) {
        let digit = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_digit());
        self.take_while(|c| c.is_ascii_digit());
        if self.byte(0) == Some(b'.') && digit(self.byte(1)) {
            self.at += 1;
            self.take_while(|c| c.is_ascii_digit());
        }
        if matches!(self.byte(0), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(self.byte(1), Some(b'+' | b'-')));
            if digit(self.byte(1 + sign)) {
                self.at += 1 + sign;
                self.take_while(|c| c.is_ascii_digit());
            }
        }
    }

    fn quoted(&mut self, quote: u8) -> Option<Token> {
        let start = self.at;
        self.at += 1;
        loop {
            let Some(found) = self.source[self.at..].find(char::from(quote)) else {
                let what = if quote == b'\'' { "text" } else { "name" };
                // The rest of the input is inside the quotes: there is nothing left to look at.
                let span = Span {
                    start: start as u32,
                    end: start as u32 + 1,
                };
                let finding =
                    Diagnostic::error("unclosed-quote", format!("this {what} is never closed"))
                        .at(span)
                        .help(format!(
                            "end it with `{0}`; inside, `{0}` is written `{0}{0}`",
                            char::from(quote)
                        ));
                self.diagnostics.push(finding);
                self.at = self.source.len();
                return None;
            };
            self.at += found + 1;
            if self.byte(0) != Some(quote) {
                return Some(if quote == b'\'' {
                    Token::Text
                } else {
                    Token::Quoted
                });
            }
            self.at += 1;
        }
    }
}

/// What stands between the quotes of a [`Token::Text`] or [`Token::Quoted`].
pub(crate) fn unquote(token: &str) -> String {
    let quote = &token[..1];
    token[1..token.len() - 1].replace(&format!("{quote}{quote}"), quote)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lex(source: &str) -> (Vec<Token>, Vec<Diagnostic>) {
        let mut diagnostics = Vec::new();
        let tokens = tokens(source, &mut diagnostics)
            .into_iter()
            .map(|spanned| spanned.token)
            .collect();
        (tokens, diagnostics)
    }

    #[test]
    fn numbers_quotes_and_comments() {
        use Token::{Dot, End, GreaterOrEqual, Minus, Number, Quoted, Text, Word};
        let (found, errors) = lex("a.b >= -1.5e-3 'it''s' \"x\"\"y\" -- 'rest\n1.x");
        assert_eq!(
            found,
            [
                Word,
                Dot,
                Word,
                GreaterOrEqual,
                Minus,
                Number,
                Text,
                Quoted,
                Number,
                Dot,
                Word,
                End
            ]
        );
        assert!(errors.is_empty());
        assert_eq!(unquote("'it''s'"), "it's");
        assert_eq!(unquote("\"\""), "");
    }

    #[test]
    fn garbage_is_bounded() {
        let (_, errors) = lex(&"§".repeat(1000));
        assert_eq!(errors.len(), DIAGNOSTICS_MAX);
    }
}
