//! Users by the value of an attribute.

use crate::attribute::Attribute;
use crate::scratch::Scratch;
use crate::truth::ValueRef;
use crate::words;
use crowdset_types::{CHUNK_USERS, ChunkId, Number, Value, compare_numbers};
use std::cmp::Ordering;

/// So many values are gathered before they are joined with those counted already.
const GATHERED_MIN: usize = 1 << 16;

/// How many users of one chunk have each value.
#[derive(Default)]
pub(crate) struct ChunkGroups {
    missing: u64,
    /// By code of the attribute's text, if it has any.
    codes: Vec<(u32, u64)>,
    /// In order, each value once.
    values: Vec<(Value, u64)>,
}

impl ChunkGroups {
    /// Counts users of a chunk; no words stand for nobody.
    pub(crate) fn new(
        attribute: &Attribute<'_>,
        chunk: ChunkId,
        users: &[u64],
        scratch: &mut Scratch,
    ) -> Self {
        let mut groups = Self::default();
        if users.is_empty() {
            return groups;
        }
        let mut codes = scratch.u32s.take();
        let is_all_text = attribute.codes(chunk, users, &mut codes);
        let texts = attribute.dictionary_len();
        // One counter per text, if they are few, otherwise the codes themselves, to be sorted.
        let mut counters = scratch.u32s.take();
        let is_counted = texts <= CHUNK_USERS;
        counters[..texts.min(CHUNK_USERS)].fill(0);
        let mut of_many: Vec<u32> = Vec::new();
        words::for_each(users, |user| {
            let code = codes[user & (CHUNK_USERS - 1)];
            if (code as usize) < texts {
                if is_counted {
                    counters[code as usize & (CHUNK_USERS - 1)] += 1;
                } else {
                    of_many.push(code);
                }
                return;
            }
            let value = if is_all_text {
                None
            } else {
                attribute.value(chunk.first().0 + user as u32)
            };
            match value {
                None => groups.missing += 1,
                Some(value) => groups.values.push((owned(value), 1)),
            }
        });
        if is_counted {
            let counted = counters[..texts].iter().enumerate();
            let counted = counted.filter(|(_, count)| **count > 0);
            let counted = counted.map(|(code, &count)| (code as u32, u64::from(count)));
            groups.codes = counted.collect();
        } else {
            of_many.sort_unstable();
            let equal = of_many.chunk_by(|left, right| left == right);
            groups.codes = equal.map(|codes| (codes[0], codes.len() as u64)).collect();
        }
        join_equal(&mut groups.values);
        scratch.u32s.give(codes);
        scratch.u32s.give(counters);
        groups
    }
}

/// Counts of values of all users.
pub(crate) struct Groups {
    missing: u64,
    /// By code of the attribute's text, if it has any.
    by_code: Vec<u64>,
    /// Values that are no text, still to be joined with those counted.
    gathered: Vec<(Value, u64)>,
    /// In order, each value once.
    counted: Vec<(Value, u64)>,
}

impl Groups {
    pub(crate) fn new(attribute: &Attribute<'_>) -> Self {
        Self {
            missing: 0,
            by_code: vec![0; attribute.dictionary_len()],
            gathered: Vec::new(),
            counted: Vec::new(),
        }
    }

    /// Adds the users of a chunk.
    pub(crate) fn add(&mut self, mut groups: ChunkGroups) {
        self.missing += groups.missing;
        for (code, count) in groups.codes {
            self.by_code[code as usize] += count;
        }
        self.gathered.append(&mut groups.values);
        if self.gathered.len() >= GATHERED_MIN.max(self.counted.len()) {
            self.count_gathered();
        }
    }

    fn count_gathered(&mut self) {
        self.counted.append(&mut self.gathered);
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
