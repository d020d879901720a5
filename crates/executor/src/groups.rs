//! Users by the value of an attribute.

use crate::attribute::Attribute;
use crate::scratch::Pool;
use crate::truth::ValueRef;
use crate::words;
use crowdset_types::{CHUNK_USERS, ChunkId, Number, Value, compare_numbers};
use std::cmp::Ordering;

/// So many values are gathered before they are joined with those counted already.
const GATHERED_MIN: usize = 1 << 16;

/// Counts of values, while users are looked at.
pub(crate) struct Groups {
    missing: u64,
    /// By code of the attribute's text, if it has any.
    by_code: Vec<u64>,
    codes: Box<[u32; CHUNK_USERS]>,
    /// Values that are no text, still to be counted.
    gathered: Vec<Value>,
    /// In order, each value once.
    counted: Vec<(Value, u64)>,
}

impl Groups {
    pub(crate) fn new(attribute: &Attribute<'_>) -> Self {
        Self {
            missing: 0,
            by_code: vec![0; attribute.dictionary_len()],
            codes: Pool::default().take(),
            gathered: Vec::new(),
            counted: Vec::new(),
        }
    }

    /// Counts the users of a chunk; no words stand for nobody.
    pub(crate) fn add(&mut self, attribute: &Attribute<'_>, chunk: ChunkId, users: &[u64]) {
        let is_all_text = attribute.codes(chunk, &mut self.codes);
        words::for_each(users, |user| {
            let code = self.codes[user & (CHUNK_USERS - 1)] as usize;
            if let Some(count) = self.by_code.get_mut(code) {
                *count += 1;
                return;
            }
            let value = if is_all_text {
                None
            } else {
                attribute.value(chunk.first().0 + user as u32)
            };
            match value {
                None => self.missing += 1,
                Some(value) => self.gathered.push(owned(value)),
            }
        });
        if self.gathered.len() >= GATHERED_MIN.max(self.counted.len()) {
            self.count_gathered();
        }
    }

    fn count_gathered(&mut self) {
        let gathered = self.gathered.drain(..).map(|value| (value, 1));
        self.counted.extend(gathered);
        join_equal(&mut self.counted);
    }

    /// The groups, the largest first.
    pub(crate) fn finish(mut self, attribute: &Attribute<'_>) -> Vec<(Option<Value>, u64)> {
        self.count_gathered();
        for (code, &count) in self.by_code.iter().enumerate() {
            if count > 0 {
                match attribute.value_of_code(Some(code as u32)) {
                    Some(value) => self.counted.push((owned(value), count)),
                    // What cannot be changed as asked is missing.
                    None => self.missing += count,
                }
            }
        }
        join_equal(&mut self.counted);
        // Stable: of equal size the smaller value comes first.
        self.counted
            .sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let mut groups: Vec<_> = self
            .counted
            .into_iter()
            .map(|(value, count)| (Some(value), count))
            .collect();
        if self.missing > 0 {
            let at = groups.partition_point(|(_, count)| *count >= self.missing);
            groups.insert(at, (None, self.missing));
        }
        groups
    }
}

/// Sorts by value and adds up the counts of equal ones.
fn join_equal(groups: &mut Vec<(Value, u64)>) {
    groups.sort_by(|(left, _), (right, _)| order(left, right));
    groups.dedup_by(|(value, count), (kept, total)| {
        let is_equal = order(value, kept).is_eq();
        if is_equal {
            *total += *count;
        }
        is_equal
    });
}

pub(crate) fn owned(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Bool(value) => Value::Bool(value),
        ValueRef::Number(Number::Integer(value)) => Value::Integer(value),
        // One value, one print: an integer that came as a double is that integer.
        ValueRef::Number(Number::Float(value)) => {
            let whole = value as i64;
            let is_whole = compare_numbers(Number::Integer(whole), Number::Float(value))
                .is_some_and(Ordering::is_eq);
            if is_whole {
                Value::Integer(whole)
            } else {
                Value::Float(value)
            }
        }
        ValueRef::Text(text) => Value::Text(text.into_owned()),
        ValueRef::Time(at) => Value::Time(at),
        ValueRef::Array(json) => Value::Array(json.to_owned()),
    }
}

/// Truth values, numbers (what is none last), times, text by bytes, arrays.
fn order(left: &Value, right: &Value) -> Ordering {
    let kind = |value: &Value| match value {
        Value::Bool(_) => 0,
        Value::Integer(_) | Value::Float(_) => 1,
        Value::Time(_) => 2,
        Value::Text(_) => 3,
        Value::Array(_) => 4,
    };
    match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::Time(left), Value::Time(right)) => left.cmp(right),
        (Value::Text(left), Value::Text(right)) | (Value::Array(left), Value::Array(right)) => {
            left.as_bytes().cmp(right.as_bytes())
        }
        _ => match (left.as_number(), right.as_number()) {
            (Some(left), Some(right)) => compare_numbers(left, right)
                .unwrap_or_else(|| left.to_f64().is_nan().cmp(&right.to_f64().is_nan())),
            _ => kind(left).cmp(&kind(right)),
        },
    }
}
