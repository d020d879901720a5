//! JSON properties: one object of text to typed values of a stream's properties.
//!
//! Three readers, each for what the one before it does not understand:
//!
//! 1. flat objects of strings without backslash, numbers and literals, in one pass over the bytes,
//!    guessing that the keys come in the order they were first seen in;
//! 2. everything else, streamed through `serde_json`: nested objects become dotted paths, arrays
//!    compact JSON text;
//! 3. objects in which one path is given twice, with a list of the keys seen.
//!
//! What they agree on (a property test holds 1 and 2 equal):
//!
//! - of a key given twice, the last counts, also if it is `null`: a repeated key replaces all that
//!   was set at its path or below it;
//! - `null` and a text that is `null` as a whole stand for no value and for no properties;
//! - integers of 64 bits are exact, larger ones become doubles; `-0` is the double 0;
//! - a number too large for a double (`1e400`) makes the object unreadable, since every value that
//!   could stand for it would be wrong.

use crate::error::RowProblem;
use crate::stage::{StreamBuilder, ValueRef};
use crate::texts::TextTooLarge;
use crowdset_types::{Number, parse_number};
use serde::Deserialize as _;
use serde::de::{
    DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor, value::SeqAccessDeserializer,
};
use std::fmt;

type Hasher = foldhash::fast::FixedState;

/// A value that has been read but not stored yet.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Token {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    /// A piece of the text that is being read.
    Slice(u32, u32),
    /// A piece of the arena: text that had to be unescaped.
    Owned(u32, u32),
    /// A piece of the arena: an array.
    Array(u32, u32),
}

/// What happened to names while properties were stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct NameCounts {
    /// JSON values that gave way to a plain column of the same name.
    pub(crate) column_over_key: u64,
    /// JSON keys with a dot in them, which name the same property as the path.
    pub(crate) dotted_keys: u64,
}

/// Reads objects; keeps its buffers from row to row.
#[derive(Debug, Default)]
pub(crate) struct JsonReader {
    fields: Vec<(u32, Token)>,
    arena: String,
    dotted_keys: u64,
    /// How many texts were begun: marks the properties that the current one has named.
    reading: u64,
}

/// The text is not of the simple form; another reader must look at it.
struct NotFlat;

impl JsonReader {
    /// Reads `text` as the properties of the stream's next row. Nothing is stored yet.
    pub(crate) fn read(
        &mut self,
        stream: &mut StreamBuilder,
        text: &str,
        hasher: &Hasher,
    ) -> Result<(), RowProblem> {
        self.fields.clear();
        self.dotted_keys = 0;
        if self.read_flat(stream, text, hasher).is_ok() {
            return Ok(());
        }
        if self.read_nested(stream, text, hasher, false)? {
            self.read_nested(stream, text, hasher, true)?;
        }
        Ok(())
    }

    /// Stores what [`JsonReader::read`] read from the same `text` as properties of row `row`.
    pub(crate) fn store(
        &self,
        stream: &mut StreamBuilder,
        text: &str,
        row: u32,
        hasher: &Hasher,
        counts: &mut NameCounts,
    ) -> Result<(), TextTooLarge> {
        counts.dotted_keys += self.dotted_keys;
        for (slot, value) in self.values(text) {
            let property = &mut stream.properties[slot];
            if property.column_row == row {
                counts.column_over_key += 1;
                continue;
            }
            property.push(row, value, hasher)?;
        }
        Ok(())
    }

    /// What [`JsonReader::read`] read from the same `text`: slots of the stream, and values.
    pub(crate) fn values<'a>(
        &'a self,
        text: &'a str,
    ) -> impl Iterator<Item = (usize, ValueRef<'a>)> {
        self.fields.iter().filter_map(move |&(slot, token)| {
            let value = match token {
                Token::Null => return None,
                Token::Bool(value) => ValueRef::Bool(value),
                Token::Integer(value) => ValueRef::Integer(value),
                Token::Float(value) => ValueRef::Float(value),
                Token::Slice(start, end) => ValueRef::Text(&text[start as usize..end as usize]),
                Token::Owned(start, end) => {
                    ValueRef::Text(&self.arena[start as usize..end as usize])
                }
                Token::Array(start, end) => {
                    ValueRef::Array(&self.arena[start as usize..end as usize])
                }
            };
            Some((slot as usize, value))
        })
    }

    fn read_flat(
        &mut self,
        stream: &mut StreamBuilder,
        text: &str,
        hasher: &Hasher,
    ) -> Result<(), NotFlat> {
        let bytes = text.as_bytes();
        if u32::try_from(bytes.len()).is_err() {
            return Err(NotFlat);
        }
        self.reading += 1;
        let mut at = expect(bytes, skip_blanks(bytes, 0), b'{')?;
        at = skip_blanks(bytes, at);
        if bytes.get(at) == Some(&b'}') {
            return if skip_blanks(bytes, at + 1) == bytes.len() {
                Ok(())
            } else {
                Err(NotFlat)
            };
        }
        let mut guess = 0;
        loop {
            let key_start = expect(bytes, at, b'"')?;
            let guessed = stream.properties.get(guess);
            let key = &bytes[key_start..];
            let (slot, key_end) = if let Some(length) = guessed.and_then(|guess| guess.key_end(key))
            {
                (guess, key_start + length)
            } else {
                let key_end = string_end(bytes, key_start)?;
                let key = &text[key_start..key_end];
                (stream.slot(key, guess, hasher), key_end)
            };
            guess = slot + 1;
            let property = &mut stream.properties[slot];
            if property.seen_in == self.reading {
                return Err(NotFlat);
            }
            property.seen_in = self.reading;
            self.dotted_keys += u64::from(property.has_dot);
            at = skip_blanks(bytes, key_end + 1);
            at = skip_blanks(bytes, expect(bytes, at, b':')?);
            let token;
            (token, at) = flat_value(text, at)?;
            self.fields.push((slot as u32, token));
            at = skip_blanks(bytes, at);
            match bytes.get(at) {
                Some(b',') => at = skip_blanks(bytes, at + 1),
                Some(b'}') if skip_blanks(bytes, at + 1) == bytes.len() => return Ok(()),
                _ => return Err(NotFlat),
            }
        }
    }

    /// Whether a path was given twice, which only the exact reading gets right.
    fn read_nested(
        &mut self,
        stream: &mut StreamBuilder,
        text: &str,
        hasher: &Hasher,
        exact: bool,
    ) -> Result<bool, RowProblem> {
        self.fields.clear();
        self.arena.clear();
        self.dotted_keys = 0;
        self.reading += 1;
        let mut sink = Sink {
            stream,
            fields: &mut self.fields,
            arena: &mut self.arena,
            path: String::new(),
            reading: self.reading,
            hasher,
            repeated: false,
            exact,
            dotted_keys: 0,
            no_object: false,
        };
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let outcome = deserializer
            .deserialize_any(TopVisitor(&mut sink))
            .and_then(|()| deserializer.end());
        self.dotted_keys = sink.dotted_keys;
        match outcome {
            Ok(()) => Ok(sink.repeated),
            Err(_) if sink.no_object => Err(RowProblem::NoObject),
            Err(error) => Err(RowProblem::Json(error.to_string())),
        }
    }
}

fn expect(bytes: &[u8], at: usize, byte: u8) -> Result<usize, NotFlat> {
    if bytes.get(at) == Some(&byte) {
        Ok(at + 1)
    } else {
        Err(NotFlat)
    }
}

fn skip_blanks(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\t' | b'\r') = bytes.get(at) {
        at += 1;
    }
    at
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Where the closing quote stands, if neither a backslash nor a control character comes before it.
fn string_end(bytes: &[u8], start: usize) -> Result<usize, NotFlat> {
    let mut at = start;
    // Eight bytes at a time. The lowest mark is exact; borrows only reach bytes above a true one.
    while let Some(window) = bytes.get(at..at + 8) {
        let word = u64::from_le_bytes(window.try_into().map_err(|_| NotFlat)?);
        let quote = word ^ (ONES * u64::from(b'"'));
        let backslash = word ^ (ONES * u64::from(b'\\'));
        let marks = ((quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash)
            | (word.wrapping_sub(ONES * 0x20) & !word))
            & HIGHS;
        if marks != 0 {
            at += marks.trailing_zeros() as usize / 8;
            return if bytes[at] == b'"' {
                Ok(at)
            } else {
                Err(NotFlat)
            };
        }
        at += 8;
    }
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return Ok(at),
            b'\\' | 0..0x20 => return Err(NotFlat),
            _ => at += 1,
        }
    }
    Err(NotFlat)
}

fn flat_value(text: &str, at: usize) -> Result<(Token, usize), NotFlat> {
    let bytes = text.as_bytes();
    match bytes.get(at) {
        Some(b'"') => {
            let end = string_end(bytes, at + 1)?;
            Ok((Token::Slice(at as u32 + 1, end as u32), end + 1))
        }
        Some(b'-' | b'0'..=b'9') => flat_number(text, at),
        Some(b't') if bytes[at..].starts_with(b"true") => Ok((Token::Bool(true), at + 4)),
        Some(b'f') if bytes[at..].starts_with(b"false") => Ok((Token::Bool(false), at + 5)),
        Some(b'n') if bytes[at..].starts_with(b"null") => Ok((Token::Null, at + 4)),
        _ => Err(NotFlat),
    }
}

/// Powers of ten that are exact as doubles and whose quotients of short mantissas are therefore
/// rounded once.
const EXACT_POWERS: [f64; 16] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];

fn flat_number(text: &str, start: usize) -> Result<(Token, usize), NotFlat> {
    let bytes = text.as_bytes();
    let negative = bytes[start] == b'-';
    let digits_start = start + usize::from(negative);
    let mut at = digits_start;
    let mut mantissa = 0_u64;
    while let Some(byte @ b'0'..=b'9') = bytes.get(at) {
        mantissa = mantissa
            .wrapping_mul(10)
            .wrapping_add(u64::from(byte - b'0'));
        at += 1;
    }
    let whole = at - digits_start;
    if whole == 0 || (whole > 1 && bytes[digits_start] == b'0') {
        return Err(NotFlat);
    }
    let mut places = 0;
    if bytes.get(at) == Some(&b'.') {
        let fraction_start = at + 1;
        at = fraction_start;
        while let Some(byte @ b'0'..=b'9') = bytes.get(at) {
            mantissa = mantissa
                .wrapping_mul(10)
                .wrapping_add(u64::from(byte - b'0'));
            at += 1;
        }
        places = at - fraction_start;
        if places == 0 {
            return Err(NotFlat);
        }
    }
    let has_exponent = matches!(bytes.get(at), Some(b'e' | b'E'));
    // Fifteen digits stay below 2^53, eighteen below 2^63: nothing has wrapped.
    if !has_exponent && places > 0 && whole + places <= 15 {
        let value = mantissa as f64 / EXACT_POWERS[places];
        return Ok((Token::Float(if negative { -value } else { value }), at));
    }
    if !has_exponent && places == 0 && whole <= 18 && !(negative && mantissa == 0) {
        let value = mantissa as i64;
        return Ok((Token::Integer(if negative { -value } else { value }), at));
    }
    while let Some(b'0'..=b'9' | b'e' | b'E' | b'+' | b'-' | b'.') = bytes.get(at) {
        at += 1;
    }
    match parse_number(&text[start..at]) {
        Some(Number::Integer(0)) if negative => Ok((Token::Float(0.0), at)),
        Some(Number::Integer(value)) => Ok((Token::Integer(value), at)),
        Some(Number::Float(value)) => Ok((Token::Float(value), at)),
        None => Err(NotFlat),
    }
}

/// Where the values of one object go.
struct Sink<'s> {
    stream: &'s mut StreamBuilder,
    fields: &'s mut Vec<(u32, Token)>,
    arena: &'s mut String,
    /// The path of the value that is being read.
    path: String,
    reading: u64,
    hasher: &'s Hasher,
    repeated: bool,
    exact: bool,
    dotted_keys: u64,
    no_object: bool,
}

impl Sink<'_> {
    /// Notes that the current path was met; its slot.
    fn mark(&mut self) -> u32 {
        let slot = self.stream.slot(&self.path, self.fields.len(), self.hasher);
        let property = &mut self.stream.properties[slot];
        self.repeated |= property.seen_in == self.reading;
        property.seen_in = self.reading;
        slot as u32
    }

    fn set(&mut self, token: Token) {
        let slot = self.mark();
        if self.exact {
            self.fields.retain(|(other, _)| *other != slot);
        }
        self.fields.push((slot, token));
    }

    fn keep(&mut self, text: &str) -> (u32, u32) {
        let start = self.arena.len() as u32;
        self.arena.push_str(text);
        (start, self.arena.len() as u32)
    }

    /// Forgets all that was set at the current path or below it.
    fn clear_path(&mut self) {
        let (path, properties) = (&self.path, &self.stream.properties);
        self.fields.retain(|(slot, _)| {
            let other = &properties[*slot as usize].path;
            !other
                .strip_prefix(path.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        });
    }

    /// Reads an object whose keys belong behind the current path.
    fn read_object<'de, A: MapAccess<'de>>(&mut self, mut map: A) -> Result<(), A::Error> {
        let base = self.path.len();
        let mut seen: Vec<String> = Vec::new();
        while map.next_key_seed(KeySeed(self))?.is_some() {
            if self.exact {
                let key = &self.path[base..];
                if seen.iter().any(|other| other == key) {
                    self.clear_path();
                } else {
                    seen.push(key.to_owned());
                }
            }
            map.next_value_seed(ValueVisitor(self))?;
            self.path.truncate(base);
        }
        Ok(())
    }
}

/// Appends a key to the path.
struct KeySeed<'a, 's>(&'a mut Sink<'s>);

impl<'de> DeserializeSeed<'de> for KeySeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<(), E> {
        self.0.dotted_keys += u64::from(key.contains('.'));
        self.0.path.push_str(key);
        Ok(())
    }
}

/// Stores the value of the current path.
struct ValueVisitor<'a, 's>(&'a mut Sink<'s>);

impl<'de> DeserializeSeed<'de> for ValueVisitor<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueVisitor<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.set(Token::Null);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.0.set(Token::Bool(value));
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.0.set(Token::Integer(value));
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.0.set(match i64::try_from(value) {
            Ok(value) => Token::Integer(value),
            Err(_) => Token::Float(value as f64),
        });
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.0.set(Token::Float(value));
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        let (start, end) = self.0.keep(value);
        self.0.set(Token::Owned(start, end));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        let array = serde_json::Value::deserialize(SeqAccessDeserializer::new(seq))?;
        let (start, end) = self.0.keep(&array.to_string());
        self.0.set(Token::Array(start, end));
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        self.0.mark();
        self.0.path.push('.');
        self.0.read_object(map)
    }
}

/// The whole text: an object, or `null`.
struct TopVisitor<'a, 's>(&'a mut Sink<'s>);

impl TopVisitor<'_, '_> {
    fn refuse<E: serde::de::Error>(self) -> Result<(), E> {
        self.0.no_object = true;
        Err(E::custom("no object"))
    }
}

impl<'de> Visitor<'de> for TopVisitor<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        self.0.read_object(map)
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        self.refuse()
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        self.refuse()
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        self.refuse()
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.refuse()
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        self.refuse()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        self.refuse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::BlockBuilder;
    use proptest::prelude::*;

    #[derive(Clone, Copy, PartialEq)]
    enum Path {
        Usual,
        NestedOnly,
    }

    /// The stored properties of one text, as `path=value` lines, or the problem.
    fn read(text: &str, way: Path) -> Result<Vec<String>, RowProblem> {
        let mut block = BlockBuilder::default();
        let hasher = block.hasher.clone();
        let index = block.stream("e");
        let stream = &mut block.streams[index];
        let mut reader = JsonReader::default();
        match way {
            Path::Usual => reader.read(stream, text, &hasher)?,
            Path::NestedOnly => {
                if reader.read_nested(stream, text, &hasher, false)? {
                    reader.read_nested(stream, text, &hasher, true)?;
                }
            }
        }
        reader
            .store(stream, text, 0, &hasher, &mut NameCounts::default())
            .unwrap();
        stream.push_row(0, 0, 0);
        let block = block.finish();
        let mut lines = Vec::new();
        for (path, column) in &block.streams["e"].properties {
            let text = |texts: &crowdset_storage::StagedTexts| {
                String::from_utf8(texts.bytes.clone()).unwrap()
            };
            let mut values: Vec<String> = Vec::new();
            values.extend(column.bools.values.iter().map(|value| format!("{value:?}")));
            values.extend(
                column
                    .integers
                    .values
                    .iter()
                    .map(|value| format!("{value:?}i")),
            );
            values.extend(
                column
                    .floats
                    .values
                    .iter()
                    .map(|value| format!("{value:?}f")),
            );
            values.extend(
                column
                    .texts
                    .codes
                    .values
                    .iter()
                    .map(|_| format!("{:?}", text(&column.texts))),
            );
            values.extend(
                column
                    .arrays
                    .codes
                    .values
                    .iter()
                    .map(|_| text(&column.arrays)),
            );
            lines.push(format!("{path}={}", values.join("|")));
        }
        Ok(lines)
    }

    fn ok(text: &str) -> Vec<String> {
        let usual = read(text, Path::Usual).unwrap();
        assert_eq!(usual, read(text, Path::NestedOnly).unwrap(), "{text}");
        usual
    }

    #[test]
    fn reads_every_type() {
        assert_eq!(
            ok(r#" {"t":"text","b":true,"f":false,"i":-12,"d":2.50,"n":null,"e":1e3,"":0} "#),
            [
                "=0i",
                "b=true",
                "d=2.5f",
                "e=1000.0f",
                "f=false",
                "i=-12i",
                "t=\"text\""
            ]
        );
        assert_eq!(ok("{}"), [""; 0]);
        assert_eq!(ok(" { } "), [""; 0]);
        assert_eq!(ok("null"), [""; 0]);
    }

    #[test]
    fn nests_escapes_and_arrays() {
        assert_eq!(
            ok(
                r#"{"cart":{"total":5,"item":{"x":"é\n\u00e9"}},"tags":[ 1, "a", 1.0, null, {"b":1,"a":[]}],"o":{}}"#
            ),
            [
                "cart.item.x=\"é\\né\"",
                "cart.total=5i",
                r#"tags=[1,"a",1.0,null,{"a":[],"b":1}]"#
            ]
        );
    }

    #[test]
    fn of_a_repeated_key_the_last_counts() {
        assert_eq!(ok(r#"{"a":1,"b":2,"a":"x"}"#), ["a=\"x\"", "b=2i"]);
        assert_eq!(ok(r#"{"a":1,"a":null}"#), [""; 0]);
        assert_eq!(ok(r#"{"a":{"b":1,"c":2},"a":{"b":3}}"#), ["a.b=3i"]);
        assert_eq!(ok(r#"{"a":{"b":1},"a":5}"#), ["a=5i"]);
        assert_eq!(ok(r#"{"a.b":1,"a":{"b":2,"c":3}}"#), ["a.b=2i", "a.c=3i"]);
        assert_eq!(ok(r#"{"a":{"b":2},"a.b":1}"#), ["a.b=1i"]);
    }

    #[test]
    fn numbers_are_exact() {
        assert_eq!(
            ok(
                r#"{"a":9007199254740993,"b":9223372036854775807,"c":9223372036854775808,"d":-9223372036854775808,"e":0.1,"f":123456789.123456789,"g":-0,"h":-0.0,"i":1e-400,"j":100000000000000000000}"#
            ),
            [
                "a=9007199254740993i",
                "b=9223372036854775807i",
                "c=9.223372036854776e18f",
                "d=-9223372036854775808i",
                "e=0.1f",
                "f=123456789.12345679f",
                "g=0.0f",
                "h=0.0f",
                "i=0.0f",
                "j=1e20f"
            ]
        );
        assert!(matches!(
            read(r#"{"a":1e400}"#, Path::Usual),
            Err(RowProblem::Json(_))
        ));
    }

    #[test]
    fn refuses_what_is_no_object() {
        for text in ["[]", "1", "\"a\"", "true", "-1", "1.5"] {
            assert_eq!(read(text, Path::Usual), Err(RowProblem::NoObject), "{text}");
        }
        for text in [
            "",
            "{",
            "{\"a\"}",
            "{\"a\":1,}",
            "{\"a\":01}",
            "{\"a\":1.}",
            "{\"a\":+1}",
            "{} x",
            "{\"a\":tru}",
            "{\"a\":\"\t\"}",
            "{'a':1}",
        ] {
            assert!(
                matches!(read(text, Path::Usual), Err(RowProblem::Json(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn a_broken_row_leaves_nothing_for_the_next_one() {
        let mut block = BlockBuilder::default();
        let hasher = block.hasher.clone();
        let index = block.stream("e");
        let stream = &mut block.streams[index];
        let mut reader = JsonReader::default();
        assert!(reader.read(stream, r#"{"a":1,"b":"#, &hasher).is_err());
        let text = r#"{"a":2}"#;
        reader.read(stream, text, &hasher).unwrap();
        reader
            .store(stream, text, 0, &hasher, &mut NameCounts::default())
            .unwrap();
        stream.push_row(0, 0, 0);
        let block = block.finish();
        let rows = &block.streams["e"];
        assert_eq!(rows.properties.len(), 1);
        assert_eq!(rows.properties["a"].integers.values, [2]);
    }

    /// Texts that are nearly or wholly JSON objects.
    fn object_text() -> impl Strategy<Value = String> {
        let scalar = prop_oneof![
            "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
            Just("true".to_owned()),
            Just("null".to_owned()),
            "\"[ -~é]{0,12}\"",
            "[-+0-9.eE]{1,6}",
        ];
        let value = scalar.prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3)
                    .prop_map(|items| format!("[{}]", items.join(","))),
                prop::collection::vec(("[ab.]{1,2}", inner), 0..3)
                    .prop_map(|fields| object(&fields)),
            ]
        });
        prop::collection::vec(("[ab.]{0,2}", value), 0..5).prop_map(|fields| object(&fields))
    }

    fn object(fields: &[(String, String)]) -> String {
        let fields: Vec<String> = fields
            .iter()
            .map(|(key, value)| format!("\"{key}\" :{value} "))
            .collect();
        format!("{{{}}}", fields.join(", "))
    }

    proptest! {
        #[test]
        fn the_flat_and_the_nested_reader_agree(text in object_text()) {
            prop_assert_eq!(read(&text, Path::Usual), read(&text, Path::NestedOnly));
        }

        #[test]
        fn no_text_is_too_strange(text in "[{}\\[\\]:,\"\\\\0-9a-e. -]{0,24}") {
            prop_assert_eq!(read(&text, Path::Usual), read(&text, Path::NestedOnly));
        }
    }
}
