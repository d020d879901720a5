//! The columns of one batch of events, ready to be staged.

use crate::cells::TextCells;
use crate::stage::BlockBuilder;
use crate::values::ValueCells;
use arrow_array::cast::AsArray as _;
use arrow_array::types::Int32Type;
use arrow_array::{Array as _, ArrayRef, Int32Array, StringArray};
use crowdset_storage::UserIds;
use std::sync::{PoisonError, RwLock};

/// The columns of one batch.
pub(crate) struct BatchCells {
    /// Only where they are written or hashed.
    pub(crate) ids: Option<TextCells>,
    pub(crate) users: UserCells,
    pub(crate) events: TextCells,
    pub(crate) json: Option<TextCells>,
    pub(crate) plain: Vec<ValueCells>,
}

/// Ids of users, each row's own or numbers of a list of different ones.
pub(crate) enum UserCells {
    Text(TextCells),
    Listed { keys: Int32Array, list: StringArray },
}

impl UserCells {
    pub(crate) fn new(array: &ArrayRef, file: &str) -> Result<Self, crate::IngestError> {
        if let Some(dictionary) = array.as_dictionary_opt::<Int32Type>()
            && let Some(list) = dictionary.values().as_string_opt()
        {
            return Ok(Self::Listed {
                keys: dictionary.keys().clone(),
                list: list.clone(),
            });
        }
        TextCells::new(array, file).map(Self::Text)
    }

    /// The id of a row that is known to have one; empty otherwise.
    pub(crate) fn text(&self, row: usize) -> &str {
        match self {
            Self::Text(cells) => cells.text(row),
            Self::Listed { keys, list } if keys.is_valid(row) => {
                list.value(keys.value(row) as usize)
            }
            Self::Listed { .. } => "",
        }
    }
}

/// Looks users up, those of a list once for all batches that share it.
#[derive(Default)]
pub(crate) struct UserLookup {
    list: Option<StringArray>,
    of_list: Vec<u32>,
    /// The ordinals of the batch's rows.
    pub(crate) ordinals: Vec<u32>,
}

impl UserLookup {
    /// Looks up the users of all rows of a batch; [`UserIds::MISSING`] for those not yet known.
    pub(crate) fn look_up(&mut self, users: &RwLock<UserIds>, cells: &UserCells, rows: usize) {
        let users = users.read().unwrap_or_else(PoisonError::into_inner);
        self.ordinals.clear();
        match cells {
            UserCells::Text(cells) => {
                let ids: Vec<&str> = (0..rows).map(|row| cells.text(row)).collect();
                self.ordinals.resize(rows, 0);
                users.lookup_batch(&ids, &mut self.ordinals);
            }
            UserCells::Listed { keys, list } => {
                // While it is kept here, no other list can lie in its place.
                let is_same = self.list.as_ref().is_some_and(|kept| {
                    kept.len() == list.len()
                        && kept.value_data().as_ptr_range() == list.value_data().as_ptr_range()
                });
                if !is_same {
                    let ids: Vec<&str> = (0..list.len()).map(|id| list.value(id)).collect();
                    self.of_list.clear();
                    self.of_list.resize(ids.len(), 0);
                    users.lookup_batch(&ids, &mut self.of_list);
                    self.list = Some(list.clone());
                }
                let of_key = |key: &i32| self.of_list.get(*key as usize).copied();
                self.ordinals.extend(
                    keys.values()
                        .iter()
                        .map(|key| of_key(key).unwrap_or(UserIds::MISSING)),
                );
            }
        }
    }
}

/// The rows of a batch apart by stream, in order within each: rows of one stream have the same
/// properties, so that what is learned from one, by us and by the processor, helps with the next.
#[derive(Default)]
pub(crate) struct Grouping {
    /// The stream of each row.
    pub(crate) streams: Vec<u32>,
    /// The rows, stream by stream.
    order: Vec<u32>,
    /// Where the rows of each stream end in `order`.
    ends: Vec<u32>,
}

impl Grouping {
    pub(crate) fn group(&mut self, events: &TextCells, block: &mut BlockBuilder) {
        let views = events.views();
        let mut names = SeenNames::new();
        self.streams.clear();
        self.streams
            .extend(views.iter().enumerate().map(|(row, view)| {
                names.find(*view).unwrap_or_else(|| {
                    let index = block.stream(events.text(row)) as u32;
                    names.keep(*view, index);
                    index
                })
            }));
        // Where each stream begins, then moved on to where it ends.
        self.ends.clear();
        self.ends.resize(block.streams.len(), 0);
        for stream in &self.streams {
            self.ends[*stream as usize] += 1;
        }
        let mut start = 0;
        for end in &mut self.ends {
            start += std::mem::replace(end, start);
        }
        self.order.clear();
        self.order.resize(self.streams.len(), 0);
        for (row, stream) in self.streams.iter().enumerate() {
            let place = &mut self.ends[*stream as usize];
            self.order[*place as usize] = row as u32;
            *place += 1;
        }
    }

    /// Each stream that has rows, and its rows.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (usize, &[u32])> {
        let mut start = 0;
        self.ends
            .iter()
            .enumerate()
            .map(move |(stream, end)| {
                let rows = &self.order[start as usize..*end as usize];
                start = *end;
                (stream, rows)
            })
            .filter(|(_, rows)| !rows.is_empty())
    }
}

/// How many names are remembered.
const SEEN_NAMES: usize = 64;

/// The streams of names of one batch, by the views of the names. Equal views are equal texts, short
/// ones by themselves and long ones as they point at the same text: a dictionary's.
struct SeenNames([(u128, u32); SEEN_NAMES]);

impl SeenNames {
    const NONE: u32 = u32::MAX;

    fn new() -> Self {
        Self([(0, Self::NONE); SEEN_NAMES])
    }

    fn place(view: u128) -> usize {
        // The length, the first letters, and the rest of a short name or the place of a long one.
        let folded = (view ^ view >> 64) as u64;
        (folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as usize % SEEN_NAMES
    }

    #[inline]
    fn find(&self, view: u128) -> Option<u32> {
        let (seen, stream) = self.0[Self::place(view)];
        (seen == view && stream != Self::NONE).then_some(stream)
    }

    fn keep(&mut self, view: u128, stream: u32) {
        self.0[Self::place(view)] = (view, stream);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::StringViewArray;
    use std::sync::Arc;

    #[test]
    fn rows_are_grouped_by_name_in_order() {
        // Two hundred names, short and long, more than are remembered.
        let name = |row: usize| {
            let number = row * 7 % 200;
            if number.is_multiple_of(2) {
                format!("n{number}")
            } else {
                format!("a name of some length {number}")
            }
        };
        let names: Vec<String> = (0..1_000).map(name).collect();
        let array: ArrayRef = Arc::new(StringViewArray::from_iter_values(&names));
        let mut block = BlockBuilder::default();
        let mut grouping = Grouping::default();
        for _ in 0..2 {
            let cells = TextCells::new(&array, "f").unwrap();
            grouping.group(&cells, &mut block);
            let mut seen = vec![false; names.len()];
            for (stream, rows) in grouping.groups() {
                assert!(rows.is_sorted());
                for row in rows {
                    let row = *row as usize;
                    assert!(!std::mem::replace(&mut seen[row], true));
                    assert_eq!(grouping.streams[row] as usize, stream);
                    assert_eq!(block.stream(&names[row]), stream);
                }
            }
            assert!(seen.iter().all(|seen| *seen));
        }
    }
}
