//! What a sequence with bound steps needs of the rows: their order, what each fits, the values that
//! must be the same, and what may not lie between.

use super::hops::{Event, Rules, Search, Sets};
use super::same::{KeyColumn, Numbers};
use super::sequence::Block;
use crate::EvalError;
use crate::words::{self, Words};
use crowdset_query::PlanSequence;
use crowdset_storage::Stream;

/// A sequence whose steps are bound, made ready.
pub(super) struct Binding<'a> {
    rules: Rules,
    steps: usize,
    /// Of the lookers behind the steps: which step's hop does not want the events.
    unwanted_by: Vec<usize>,
    /// How many lookers there are: steps, what is unwanted, all events.
    lookers: usize,
    /// By stream, the properties of which all steps have one value.
    same: Vec<Vec<KeyColumn<'a>>>,
}

/// Rows of candidate users.
#[derive(Default)]
pub(crate) struct Linked {
    rows: Vec<Row>,
    /// What each row fits: so many words each.
    bits: Vec<u64>,
    /// The values of each row: so many numbers each.
    keys: Vec<u128>,
}

#[derive(Clone, Copy)]
struct Row {
    user: u16,
    /// Position of the stream: by partition, which are apart in time, then by name.
    stream: u32,
    /// Its position there: rows of one user at one time ascend by event id.
    position: u32,
    time: i64,
    /// Position of its bits and keys.
    set: u32,
}

impl<'a> Binding<'a> {
    pub(super) fn new(
        plan: &'a PlanSequence,
        streams: impl Iterator<Item = &'a Stream>,
    ) -> Result<Self, EvalError> {
        let mut unwanted_by = Vec::new();
        for (step, of) in plan.steps.iter().enumerate() {
            unwanted_by.extend(of.hop.without.iter().map(|_| step));
        }
        let mut numbers = Numbers::new();
        let same = streams.map(|stream| {
            let columns = plan.same.iter();
            columns
                .map(|path| KeyColumn::bind(stream, path, &mut numbers))
                .collect()
        });
        Ok(Self {
            rules: Rules::new(plan),
            steps: plan.steps.len(),
            lookers: plan.steps.len() + unwanted_by.len() + usize::from(plan.all.is_some()),
            unwanted_by,
            same: same.collect::<Result<_, _>>()?,
        })
    }

    fn words(&self) -> usize {
        self.lookers.div_ceil(64)
    }

    fn keys(&self) -> usize {
        self.same.first().map_or(0, Vec::len)
    }

    /// Forgets all rows.
    pub(super) fn reset(linked: &mut Linked) {
        linked.rows.clear();
        linked.bits.clear();
        linked.keys.clear();
    }

    /// Adds the candidates' rows that somebody looks for.
    pub(super) fn add(&self, linked: &mut Linked, block: &Block<'_>, candidates: &Words) {
        let (words, columns) = (self.words(), &self.same[block.stream]);
        for (index, (&user, &time)) in block.users.iter().zip(block.times).enumerate() {
            if !words::get(candidates, user as usize) {
                continue;
            }
            let start = linked.bits.len();
            linked.bits.resize(start + words, 0);
            let (mut is_step, mut is_other) = (false, false);
            for (mask, &(looker, _)) in block.masks.iter().zip(block.lookers) {
                if mask[index] == 1 {
                    linked.bits[start + looker / 64] |= 1 << (looker % 64);
                    is_step |= looker < self.steps;
                    is_other |= looker >= self.steps;
                }
            }
            let row = block.rows.start + index;
            if is_step && !add_keys(linked, columns, row) {
                // Without a value it is no step, though it may still be in the way.
                for step in 0..self.steps {
                    linked.bits[start + step / 64] &= !(1 << (step % 64));
                }
                is_step = false;
            }
            if !is_step && !is_other {
                linked.bits.truncate(start);
                continue;
            }
            if !is_step {
                linked.keys.resize(linked.keys.len() + columns.len(), 0);
            }
            linked.rows.push(Row {
                user,
                stream: block.stream as u32,
                position: row as u32,
                time,
                set: (start / words) as u32,
            });
        }
    }

    /// The users whose rows hold a whole chain.
    pub(super) fn find(&self, linked: &mut Linked, found: &mut Words) -> Result<(), EvalError> {
        let Linked { rows, bits, keys } = linked;
        rows.sort_unstable_by_key(|row| (row.user, row.time, row.stream, row.position));
        let sets = Sets {
            words: self.words(),
            bits,
        };
        let columns = self.keys();
        let keys_of = |event: &Event| &keys[event.set as usize * columns..][..columns];
        let mut search = Search::new(&self.rules);
        let mut events: Vec<Event> = Vec::new();
        for of_user in rows.chunk_by(|left, right| left.user == right.user) {
            search.begin_user();
            events.clear();
            for (rank, row) in (0..).zip(of_user) {
                let bits = &sets.bits[row.set as usize * sets.words..][..sets.words];
                let has = |looker: usize| bits[looker / 64] >> (looker % 64) & 1 == 1;
                for (unwanted, &step) in (self.steps..).zip(&self.unwanted_by) {
                    if has(unwanted) {
                        search.unwanted[step].push(row.time);
                    }
                }
                if (0..self.steps).any(has) {
                    events.push(Event {
                        time: row.time,
                        rank,
                        set: row.set,
                    });
                }
            }
            if columns > 0 {
                events.sort_unstable_by(|left, right| {
                    let order = keys_of(left).cmp(keys_of(right));
                    order.then(left.rank.cmp(&right.rank))
                });
            }
            for alike in events.chunk_by(|left, right| keys_of(left) == keys_of(right)) {
                if search.run(alike, &sets)? {
                    words::set(found, of_user[0].user as usize);
                    break;
                }
            }
        }
        Ok(())
    }
}

/// Adds the values of a row, or nothing if one is missing.
fn add_keys(linked: &mut Linked, columns: &[KeyColumn<'_>], row: usize) -> bool {
    let start = linked.keys.len();
    for column in columns {
        let Some(key) = column.key(row) else {
            linked.keys.truncate(start);
            return false;
        };
        linked.keys.push(key);
    }
    true
}
