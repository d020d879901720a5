//! What is known of a user as of an instant: columns of `users`, user properties with their history.

use crate::EvalError;
use crate::filter::{Filter, RowContext, values_satisfy};
use crate::kernel::{BLOCK, Code, Machine};
use crate::pass::ChunkPass;
use crate::truth::{Truth, ValueRef};
use crate::value::Values;
use crate::widths::with_codes;
use crate::words::{self, Words};
use crowdset_index::FrozenSet;
use crowdset_query::PlanTest;
use crowdset_query::{Cast, CompareOp};
use crowdset_storage::{Codes, Column, ColumnPart, History, PartData, TimeOffsets, Times};
use crowdset_types::{CHUNK_USERS, ChunkId, TimestampMillis, UserOrdinal};
use std::borrow::Cow;
use std::hint::black_box;
use std::sync::Arc;

/// The code of no value, in histories.
const UNSET: u32 = u32::MAX;

/// The codes of fewer users of a chunk are looked up one by one.
const FEW: u64 = CHUNK_USERS as u64 / 16;

/// An attribute as of an instant.
pub(crate) struct Attribute<'a> {
    values: Values<'a>,
    /// Only if the instant lies before the last change; otherwise the column is the answer.
    history: Option<&'a History>,
    as_of: TimestampMillis,
    /// How many user ordinals there are.
    ordinals: usize,
}

impl<'a> Attribute<'a> {
    pub(crate) fn new(
        attribute: Option<&'a crowdset_storage::Attribute>,
        cast: Option<Cast>,
        as_of: TimestampMillis,
        ordinals: usize,
    ) -> Result<Self, EvalError> {
        let Some(attribute) = attribute else {
            return Ok(Self {
                values: Values { column: None, cast },
                history: None,
                as_of,
                ordinals,
            });
        };
        // Values of updates at `latest` are visible only after it.
        let is_past = attribute.latest().is_some_and(|latest| as_of.0 <= latest);
        let history = if is_past { attribute.history()? } else { None };
        Ok(Self {
            values: Values {
                column: Some(attribute.column()?),
                cast,
            },
            history,
            as_of,
            ordinals,
        })
    }

    /// The attribute with its whole history; [`Attribute::value`] is not for it.
    pub(crate) fn of_all_time(
        attribute: Option<&'a crowdset_storage::Attribute>,
        cast: Option<Cast>,
        ordinals: usize,
    ) -> Result<Self, EvalError> {
        let end = TimestampMillis(i64::MAX);
        let history = match attribute {
            Some(attribute) => attribute.history()?,
            None => None,
        };
        Ok(Self {
            history,
            ..Self::new(attribute, cast, end, ordinals)?
        })
    }

    /// The values over time, if they have to be looked at.
    pub(crate) fn history(&self) -> Option<&'a History> {
        self.history
    }

    /// The stored values at the end of time, with all texts there ever were.
    pub(crate) fn column(&self) -> Option<&'a Column> {
        self.values.column
    }

    /// How many user ordinals there are.
    pub(crate) fn ordinals(&self) -> usize {
        self.ordinals
    }

    /// The value of a code of the history; `None` of no value and where a cast fails.
    pub(crate) fn value_of_code(&self, code: Option<u32>) -> Option<ValueRef<'a>> {
        ValueRef::Text(Cow::Borrowed(self.text(code?)?)).cast(self.values.cast)
    }

    /// What a test says of each code of the history. Not for [`PlanTest::CompareAttribute`].
    pub(crate) fn verdicts(&self, test: Cow<'_, PlanTest>) -> Result<Verdicts, EvalError> {
        let truth = Truth::new(test, true)?;
        let len = self
            .values
            .parts()
            .iter()
            .find_map(|part| match &part.data {
                PartData::Text { dictionary, .. } => Some(dictionary.len()),
                _ => None,
            })
            .unwrap_or(0);
        let verdict = |value: Option<ValueRef<'_>>| {
            value.map_or(truth.of_missing(), |value| truth.of(&value))
        };
        let of_codes = (0..len as u32).map(|code| verdict(self.value_of_code(Some(code))));
        let bytes = of_codes.chain([verdict(None)]).map(u8::from).collect();
        Ok(Verdicts(bytes))
    }

    /// The user's value; `None` if there is none or it cannot be changed as asked.
    pub(crate) fn value(&self, ordinal: u32) -> Option<ValueRef<'a>> {
        let Some(history) = self.history else {
            return self.values.get(ordinal as usize);
        };
        let user = UserOrdinal(ordinal);
        let rows = history.chunk(user.chunk());
        let within = user.within_chunk();
        let first = rows.users.partition_point(|&other| other < within);
        let count = rows.users[first..].partition_point(|&other| other == within);
        if count == 0 {
            return self.values.get(ordinal as usize);
        }
        let visible = rows.count_early(first..first + count, |at| is_visible(at, self.as_of));
        if visible == 0 {
            return None;
        }
        match rows.code(first + visible - 1) {
            UNSET => None,
            code => ValueRef::Text(Cow::Borrowed(self.text(code)?)).cast(self.values.cast),
        }
    }

    /// Reads where the values of some users are, and their first bytes.
    pub(crate) fn fetch(&self, users: &[u32]) {
        for part in self.values.parts() {
            let (PartData::Text { dictionary, codes } | PartData::Array { dictionary, codes }) =
                &part.data
            else {
                continue;
            };
            let stored = |&user: &u32| (user as usize) < codes.len();
            let codes = users
                .iter()
                .filter(|user| stored(user))
                .map(|&user| codes.get(user as usize));
            black_box(codes.clone().fold(0, |all, code| all ^ code));
            // Where there is no value, the code says nothing.
            let known = codes.filter(|code| *code < dictionary.len() as u64);
            let texts = known.map(|code| dictionary.get_bytes(code as usize));
            let first = |text: &[u8]| text.first().copied().unwrap_or(0);
            black_box(texts.fold(0, |all, text| all ^ first(text)));
        }
    }

    /// The instant the user's value stands for: a time, or text that is RFC 3339.
    pub(crate) fn instant(&self, ordinal: u32) -> Option<i64> {
        match self.value(ordinal)? {
            ValueRef::Time(at) => Some(at),
            ValueRef::Text(text) => TimestampMillis::parse(&text).ok().map(|(at, _)| at.0),
            _ => None,
        }
    }

    /// How many texts the attribute's codes stand for.
    pub(crate) fn dictionary_len(&self) -> usize {
        let texts = self.values.parts().iter().map(|part| match &part.data {
            PartData::Text { dictionary, .. } => dictionary.len(),
            _ => 0,
        });
        texts.max().unwrap_or(0)
    }

    /// Writes the code of each of some users' text as of the instant, one that stands for nothing where
    /// there is none; whether text is all there can be. What it writes for others may be anything.
    pub(crate) fn codes(
        &self,
        chunk: ChunkId,
        users: &[u64],
        codes: &mut [u32; CHUNK_USERS],
    ) -> bool {
        match self.history {
            Some(history) => self.codes_as_of(history, chunk, codes),
            None if words::count(users) < FEW => self.codes_of_few(chunk, users, codes),
            None => self.codes_at_the_end(chunk, codes),
        }
        let parts = self.values.parts().iter();
        parts
            .map(|part| &part.data)
            .all(|data| matches!(data, PartData::Text { .. }))
    }

    /// The text of the column at the end of time.
    fn text_part(&self) -> Option<(&'a ColumnPart, &'a Codes)> {
        let mut parts = self.values.parts().iter();
        parts.find_map(|part| match &part.data {
            PartData::Text { codes, .. } => Some((part, codes)),
            _ => None,
        })
    }

    /// The codes of the column; [`UNSET`] for those without a text.
    fn codes_at_the_end(&self, chunk: ChunkId, codes: &mut [u32; CHUNK_USERS]) {
        let rows = self.values.column.map_or(0, |column| column.rows);
        let first = (chunk.first().0 as usize).min(rows);
        let end = rows.min(first + CHUNK_USERS);
        let Some((part, stored)) = self.text_part() else {
            codes.fill(UNSET);
            return;
        };
        with_codes!(stored, stored => {
            for (code, stored) in codes.iter_mut().zip(&stored[first..end]) {
                *code = stored.widen() as u32;
            }
        });
        codes[end - first..].fill(UNSET);
        if part.presence.is_some() {
            for (row, code) in (first..end).zip(codes.iter_mut()) {
                if !part.is_present(row) {
                    *code = UNSET;
                }
            }
        }
    }

    /// The same for some users.
    fn codes_of_few(&self, chunk: ChunkId, users: &[u64], codes: &mut [u32; CHUNK_USERS]) {
        let rows = self.values.column.map_or(0, |column| column.rows);
        let text = self.text_part();
        words::for_each(users, |user| {
            let row = chunk.first().0 as usize + user;
            let text = text.filter(|(part, _)| row < rows && part.is_present(row));
            codes[user & (CHUNK_USERS - 1)] =
                text.map_or(UNSET, |(_, codes)| codes.get(row) as u32);
        });
    }

    fn text(&self, code: u32) -> Option<&'a str> {
        self.values
            .parts()
            .iter()
            .find_map(|part| match &part.data {
                PartData::Text { dictionary, .. } if (code as usize) < dictionary.len() => {
                    Some(dictionary.get(code as usize))
                }
                _ => None,
            })
    }

    /// Writes each user's code as of the instant; [`UNSET`] for those without a value.
    fn codes_as_of(&self, history: &History, chunk: ChunkId, codes: &mut [u32; CHUNK_USERS]) {
        self.codes_at_the_end(chunk, codes);
        let rows = history.chunk(chunk);
        let mut previous = None;
        for (user, at, code) in rows.iter() {
            let slot = &mut codes[user as usize & (CHUNK_USERS - 1)];
            // A user with a history has the values of the history only.
            if previous != Some(user) {
                *slot = UNSET;
                previous = Some(user);
            }
            if is_visible(at, self.as_of) {
                *slot = code;
            }
        }
    }
}

/// The code of a history's row; `None`: unset from then on.
pub(crate) fn code(stored: u32) -> Option<u32> {
    (stored != UNSET).then_some(stored)
}

/// What a test says of each code of a history, and last of no value.
pub(crate) struct Verdicts(Vec<u8>);

impl Verdicts {
    /// The verdict on a value.
    pub(crate) fn of(&self, code: Option<u32>) -> bool {
        self.byte(code.unwrap_or(UNSET)) == 1
    }

    /// The verdict on a stored code, [`UNSET`] among them: 1 for true.
    fn byte(&self, stored: u32) -> u8 {
        let missing = self.0.last().copied().unwrap_or(0);
        self.0.get(stored as usize).copied().unwrap_or(missing)
    }
}

/// The codes of text that passes a test as of an instant, if the attribute is nothing but text, had its
/// last values by then, and the test asks for few.
pub(crate) fn equal_codes(
    attribute: &crowdset_storage::Attribute,
    test: &PlanTest,
    as_of: TimestampMillis,
) -> Result<Option<Vec<(u64, u64)>>, EvalError> {
    let is_equality = matches!(
        test,
        PlanTest::Compare(CompareOp::Equal, _) | PlanTest::In(_)
    );
    let is_past = attribute.latest().is_some_and(|latest| as_of.0 <= latest);
    if !is_equality || is_past {
        return Ok(None);
    }
    let Some(dictionary) = attribute.texts()? else {
        return Ok(None);
    };
    let truth = Truth::new(Cow::Borrowed(test), true)?;
    Ok(crate::filter::text_ranges(&dictionary, &truth))
}

fn is_visible(at: i64, as_of: TimestampMillis) -> bool {
    // The beginning of time stands for "always", also for an evaluation at it.
    at < as_of.0 || at == i64::MIN
}

/// `attr OP value`, made ready.
pub(crate) struct AttributeCondition<'a> {
    attribute: Attribute<'a>,
    how: How<'a>,
}

enum How<'a> {
    /// Users with these values, from the index.
    Sets(Vec<FrozenSet<'a>>),
    /// The column of values at the end of time, and the verdict on users past its end.
    Column { filter: Filter<'a>, missing: bool },
    /// A verdict per code.
    History {
        history: &'a History,
        verdicts: Verdicts,
    },
    /// Against another attribute of the same user.
    Attribute { op: CompareOp, right: Attribute<'a> },
}

impl<'a> AttributeCondition<'a> {
    /// `right` must be given for [`PlanTest::CompareAttribute`], and only then.
    pub(crate) fn new(
        attribute: Attribute<'a>,
        test: Cow<'a, PlanTest>,
        right: Option<Attribute<'a>>,
    ) -> Result<Self, EvalError> {
        if let (PlanTest::CompareAttribute(op, _), Some(right)) = (&*test, right) {
            let op = *op;
            return Ok(Self {
                attribute,
                how: How::Attribute { op, right },
            });
        }
        if let Some(history) = attribute.history {
            let verdicts = attribute.verdicts(test)?;
            let how = How::History { history, verdicts };
            return Ok(Self { attribute, how });
        }
        let truth = Arc::new(Truth::new(test, true)?);
        let how = How::Column {
            filter: Filter::of_values(attribute.values, &truth),
            missing: truth.of_missing(),
        };
        Ok(Self { attribute, how })
    }

    /// The users of these sets.
    pub(crate) fn of_sets(
        sets: Vec<FrozenSet<'a>>,
        as_of: TimestampMillis,
        ordinals: usize,
    ) -> Self {
        let values = Values {
            column: None,
            cast: None,
        };
        Self {
            attribute: Attribute {
                values,
                history: None,
                as_of,
                ordinals,
            },
            how: How::Sets(sets),
        }
    }

    /// How the answer is found, for profiles.
    pub(crate) fn path(&self) -> crate::Path {
        match self.how {
            How::Sets(_) => crate::Path::Index,
            How::Column { .. } | How::Attribute { .. } => crate::Path::Column,
            How::History { .. } => crate::Path::History,
        }
    }

    /// Users to look at, for costs; index sets are nearly free.
    pub(crate) fn rows(&self) -> u64 {
        match self.how {
            How::Sets(_) => 0,
            How::Column { .. } => self.attribute.ordinals as u64 / 8,
            How::History { .. } => self.attribute.ordinals as u64,
            How::Attribute { .. } => self.attribute.ordinals as u64 * 32,
        }
    }

    /// How many users pass, orphans among them, where sets of an index tell it.
    pub(crate) fn known_len(&self) -> Option<u64> {
        match &self.how {
            // A user has one value at the end of time: the sets have nobody in common.
            How::Sets(sets) => Some(sets.iter().map(FrozenSet::len).sum()),
            How::Column { .. } | How::History { .. } | How::Attribute { .. } => None,
        }
    }

    /// The users of a chunk, of whom only those in `wanted` matter.
    pub(crate) fn eval(&self, pass: &mut ChunkPass<'_>, wanted: &Words, found: &mut Words) {
        found.fill(0);
        let (machine, chunk) = (pass.machine, pass.chunk);
        let first = chunk.first().0;
        match &self.how {
            How::Sets(sets) => {
                for set in sets {
                    set.or_chunk(chunk, found);
                }
            }
            How::Column { filter, missing } => {
                self.eval_column(filter, *missing, machine, chunk, found);
            }
            How::History { history, verdicts } => {
                let mut codes = pass.scratch.u32s.take();
                self.attribute.codes_as_of(history, chunk, &mut codes);
                let mut bytes = [0_u8; CHUNK_USERS];
                for (byte, &code) in bytes.iter_mut().zip(codes.iter()) {
                    *byte = verdicts.byte(code);
                }
                machine.pack(&bytes, found);
                pass.scratch.u32s.give(codes);
            }
            How::Attribute { op, right } => words::for_each(wanted, |user| {
                let ordinal = first + user as u32;
                let pair = self.attribute.value(ordinal).zip(right.value(ordinal));
                if pair.is_some_and(|(left, right)| values_satisfy(&left, *op, &right, true)) {
                    words::set(found, user);
                }
            }),
        }
        words::and(found, wanted);
    }

    fn eval_column(
        &self,
        filter: &Filter<'_>,
        missing: bool,
        machine: Machine,
        chunk: ChunkId,
        found: &mut Words,
    ) {
        // Users carry no times: attribute filters never ask for them.
        let times = Times {
            base: 0,
            offsets: TimeOffsets::U32(&[]),
        };
        let context = RowContext {
            machine,
            chunk,
            users: &[],
            times,
        };
        let rows = self.attribute.values.column.map_or(0, |column| column.rows);
        let first = (chunk.first().0 as usize).min(rows);
        let end = rows.min(chunk.first().0 as usize + CHUNK_USERS);
        let mut bytes = [0_u8; CHUNK_USERS];
        for start in (first..end).step_by(BLOCK) {
            let block = start..end.min(start + BLOCK);
            let mask = &mut bytes[start - first..block.end - first];
            filter.eval(&context, block, mask);
        }
        bytes[end - first..].fill(u8::from(missing));
        machine.pack(&bytes, found);
    }
}
