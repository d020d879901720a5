//! What queries make of the rows the first time they need it, and keep: an array per chunk of users.
//!
//! Everything here can be made again from the rows, so it may be dropped at any time, and is, when
//! its memory is wanted for something asked for later.

use crate::edge::EdgeCodes;
use crate::selection::Selected;
use crate::totals::ChunkTotals;
use crate::words::Words;
use crowdset_query::PlanPredicate;
use crowdset_types::{CHUNK_USERS, ChunkId};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// So many predicates that were asked for, and are not kept, are remembered.
const NOTED_MAX: usize = 256;

/// Which of a user's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    First,
    Last,
}

/// What is worth keeping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SummaryPolicy {
    /// Never more bytes than these; with 0, queries read rows each time. 64 MiB by default.
    pub bytes_max: u64,
    /// Active days are kept if a chunk of users has on average at least so many rows on a day: a day
    /// takes 2 KB of each chunk, and reading fewer rows is as quick. 512 by default.
    pub day_rows_min: u64,
    /// The rows that pass a predicate are kept when it is asked for so many times: finding them all
    /// takes longer than a scan of one window. 2 by default; no larger number means more than that.
    pub predicate_asks_min: u32,
}

impl Default for SummaryPolicy {
    fn default() -> Self {
        Self {
            bytes_max: 64 << 20,
            day_rows_min: 512,
            predicate_asks_min: 2,
        }
    }
}

/// Arrays per chunk of users over one immutable state of a store, made when a query first asks, for
/// the chunks that it asks about. Copies share them.
#[derive(Debug, Clone, Default)]
pub struct Summaries(Arc<Shelf>);

#[derive(Debug, Default)]
struct Shelf {
    policy: SummaryPolicy,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Counts questions: the table asked for least recently goes first.
    clock: u64,
    tables: Vec<Entry>,
    /// Predicates that were asked for once, and when; the oldest first.
    noted: VecDeque<(Key, u64)>,
}

#[derive(Debug)]
struct Entry {
    key: Key,
    table: AnyTable,
    /// The most that it takes once every chunk was asked about.
    bytes_full: u64,
    used: u64,
}

impl Entry {
    /// The bytes to reckon with.
    fn bytes(&self) -> u64 {
        match &self.table {
            // Only here the rows tell how much it is.
            AnyTable::Selected(table) if table.is_complete() => table.bytes(),
            _ => self.bytes_full,
        }
    }
}

#[derive(Debug, PartialEq)]
enum Key {
    Edge(End, Box<str>),
    Codes(End, Box<str>, Box<str>),
    Selected(Box<str>, PlanPredicate),
    Days,
    Totals,
}

#[derive(Debug, Clone)]
enum AnyTable {
    Edge(Arc<Table<Box<[u32]>>>),
    Codes(Arc<EdgeCodes>),
    Selected(Arc<Table<Selected>>),
    Days(Arc<Table<Box<[Words]>>>),
    Totals(Arc<Table<ChunkTotals>>),
}

/// What is kept of one chunk of users.
pub(crate) trait OfChunk {
    /// How much it is.
    fn bytes(&self) -> u64;
}

impl<T> OfChunk for Box<[T]> {
    fn bytes(&self) -> u64 {
        size_of_val(&**self) as u64
    }
}

/// Something of each chunk of users, made one by one.
#[derive(Debug)]
pub(crate) struct Table<T>(Box<[OnceLock<T>]>);

impl<T: OfChunk> Table<T> {
    pub(crate) fn new(chunks: usize) -> Self {
        Self((0..chunks).map(|_| OnceLock::new()).collect())
    }

    /// What there is of a chunk. Nobody else makes it while `make` runs: it must not wait for others.
    pub(crate) fn get_or_make(&self, chunk: ChunkId, make: impl FnOnce() -> T) -> Option<&T> {
        let slot = self.0.get(chunk.index())?;
        Some(slot.get_or_init(make))
    }

    /// What there is of a chunk if it was made already.
    pub(crate) fn get(&self, chunk: ChunkId) -> Option<&T> {
        self.0.get(chunk.index())?.get()
    }

    /// What was made already.
    pub(crate) fn made(&self) -> impl Iterator<Item = &T> {
        self.0.iter().filter_map(OnceLock::get)
    }

    /// Whether nothing is left to be made.
    pub(crate) fn is_complete(&self) -> bool {
        self.0.iter().all(|slot| slot.get().is_some())
    }

    /// How many chunks there are.
    pub(crate) fn chunks(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.made().map(OfChunk::bytes).sum()
    }
}

impl Summaries {
    /// Nothing yet.
    pub fn new(policy: SummaryPolicy) -> Self {
        Self(Arc::new(Shelf {
            policy,
            kept: Mutex::default(),
        }))
    }

    /// The bytes that are kept now.
    pub fn bytes(&self) -> u64 {
        let kept = self.lock();
        let bytes = kept.tables.iter().map(|entry| match &entry.table {
            AnyTable::Edge(table) => table.bytes(),
            AnyTable::Codes(codes) => codes.bytes(),
            AnyTable::Selected(table) => table.bytes(),
            AnyTable::Days(table) => table.bytes(),
            AnyTable::Totals(table) => table.bytes(),
        });
        bytes.sum()
    }

    /// What is worth keeping.
    pub fn policy(&self) -> SummaryPolicy {
        self.0.policy
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // A panic while the lock was held left the list whole: entries are added when they are done.
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The table of the first or last rows of an event name; `None` if it would take too much.
    pub(crate) fn edge(
        &self,
        end: End,
        name: &str,
        chunks: usize,
    ) -> Option<Arc<Table<Box<[u32]>>>> {
        let bytes_full = (chunks * CHUNK_USERS * size_of::<u32>()) as u64;
        let make = || {
            let table = Arc::new(Table::new(chunks));
            Some((Key::Edge(end, name.into()), AnyTable::Edge(table)))
        };
        match self.table(bytes_full, |key| is_edge(key, end, name), make)? {
            AnyTable::Edge(table) => Some(table),
            _ => None,
        }
    }

    /// The same if somebody asked for it before.
    pub(crate) fn known_edge(&self, end: End, name: &str) -> Option<Arc<Table<Box<[u32]>>>> {
        let kept = self.lock();
        kept.tables.iter().find_map(|entry| match &entry.table {
            AnyTable::Edge(table) if is_edge(&entry.key, end, name) => Some(Arc::clone(table)),
            _ => None,
        })
    }

    /// What a property is in the first or last rows of an event name; `None` if it would take too much
    /// or `make` makes nothing.
    pub(crate) fn codes(
        &self,
        end: End,
        name: &str,
        property: &str,
        chunks: usize,
        make: impl FnOnce() -> Option<EdgeCodes>,
    ) -> Option<Arc<EdgeCodes>> {
        let bytes_full = (chunks * CHUNK_USERS) as u64;
        let is_it = |key: &Key| {
            matches!(key, Key::Codes(of, event, path)
                if *of == end && **event == *name && **path == *property)
        };
        let make = || {
            let key = Key::Codes(end, name.into(), property.into());
            Some((key, AnyTable::Codes(Arc::new(make()?))))
        };
        match self.table(bytes_full, is_it, make)? {
            AnyTable::Codes(codes) => Some(codes),
            _ => None,
        }
    }

    /// The table of the rows of an event name that pass a predicate, of at most so many bytes; `None`
    /// if they would take too much or the predicate was not asked for often enough. Nothing goes for
    /// it that was used since it was asked for last: many predicates one after the other, again and
    /// again, must not all be made and none of them read.
    pub(crate) fn selected(
        &self,
        name: &str,
        predicate: &PlanPredicate,
        bytes_full: u64,
        chunks: usize,
    ) -> Option<Arc<Table<Selected>>> {
        if bytes_full > self.0.policy.bytes_max {
            return None;
        }
        let is_it = |key: &Key| matches!(key, Key::Selected(event, of) if **event == *name && of == predicate);
        let mut kept = self.lock();
        kept.clock += 1;
        let now = kept.clock;
        if let Some(AnyTable::Selected(table)) = kept.find(&is_it) {
            return Some(table);
        }
        let noted = kept.noted.iter().position(|(key, _)| is_it(key));
        let (key, noted_at) = match noted.and_then(|noted| kept.noted.remove(noted)) {
            Some(noted) => noted,
            None => (Key::Selected(name.into(), predicate.clone()), now),
        };
        let is_due = noted.is_some() || self.0.policy.predicate_asks_min < 2;
        if !is_due || !kept.make_room(bytes_full, self.0.policy.bytes_max, noted_at) {
            kept.noted.push_back((key, now));
            if kept.noted.len() > NOTED_MAX {
                kept.noted.pop_front();
            }
            return None;
        }
        let table = Arc::new(Table::new(chunks));
        kept.add(key, AnyTable::Selected(Arc::clone(&table)), bytes_full);
        Some(table)
    }

    /// The table of who was active on each of so many days; `None` if it would take too much.
    pub(crate) fn days(&self, chunks: usize, days: usize) -> Option<Arc<Table<Box<[Words]>>>> {
        let bytes_full = chunks.checked_mul(days)?.checked_mul(size_of::<Words>())? as u64;
        let make = || Some((Key::Days, AnyTable::Days(Arc::new(Table::new(chunks)))));
        match self.table(bytes_full, |key| *key == Key::Days, make)? {
            AnyTable::Days(table) => Some(table),
            _ => None,
        }
    }

    /// The table of how many events users had; `None` if it would take too much.
    pub(crate) fn totals(&self, chunks: usize, bytes_full: u64) -> Option<Arc<Table<ChunkTotals>>> {
        let make = || Some((Key::Totals, AnyTable::Totals(Arc::new(Table::new(chunks)))));
        match self.table(bytes_full, |key| *key == Key::Totals, make)? {
            AnyTable::Totals(table) => Some(table),
            _ => None,
        }
    }

    fn table(
        &self,
        bytes_full: u64,
        is_it: impl Fn(&Key) -> bool,
        make: impl FnOnce() -> Option<(Key, AnyTable)>,
    ) -> Option<AnyTable> {
        if bytes_full > self.0.policy.bytes_max {
            return None;
        }
        let mut kept = self.lock();
        kept.clock += 1;
        if let Some(table) = kept.find(&is_it) {
            return Some(table);
        }
        let (key, table) = make()?;
        if !kept.make_room(bytes_full, self.0.policy.bytes_max, u64::MAX) {
            return None;
        }
        kept.add(key, table.clone(), bytes_full);
        Some(table)
    }
}

impl Kept {
    /// Finds a table, and notes that it was used.
    fn find(&mut self, is_it: &impl Fn(&Key) -> bool) -> Option<AnyTable> {
        let now = self.clock;
        let entry = self.tables.iter_mut().find(|entry| is_it(&entry.key))?;
        entry.used = now;
        Some(entry.table.clone())
    }

    /// Drops what was used least recently, and before an instant, until there is room; whether there
    /// is.
    fn make_room(&mut self, bytes: u64, bytes_max: u64, used_before: u64) -> bool {
        let mut taken: u64 = self.tables.iter().map(Entry::bytes).sum();
        let mut by_use: Vec<usize> = (0..self.tables.len()).collect();
        by_use.sort_unstable_by_key(|&table| self.tables[table].used);
        let mut going = Vec::new();
        for table in by_use {
            if taken + bytes <= bytes_max || self.tables[table].used >= used_before {
                break;
            }
            taken -= self.tables[table].bytes();
            going.push(table);
        }
        if taken + bytes > bytes_max {
            return false;
        }
        going.sort_unstable();
        for table in going.into_iter().rev() {
            self.tables.swap_remove(table);
        }
        true
    }

    fn add(&mut self, key: Key, table: AnyTable, bytes_full: u64) {
        let used = self.clock;
        self.tables.push(Entry {
            key,
            table,
            bytes_full,
            used,
        });
    }
}

fn is_edge(key: &Key, end: End, name: &str) -> bool {
    matches!(key, Key::Edge(of, other) if *of == end && **other == *name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crowdset_query::{CompareOp, Operand, PlanLiteral, PlanTest};

    #[test]
    fn keeps_what_was_asked_for_last_within_its_bound() {
        const TABLE_BYTES: u64 = 2 * 65_536;
        let summaries = Summaries::new(SummaryPolicy {
            bytes_max: 2 * TABLE_BYTES,
            ..SummaryPolicy::default()
        });
        let ask = |name: &str| {
            let table = summaries.edge(End::Last, name, 2).unwrap();
            for chunk in 0..2 {
                table.get_or_make(ChunkId(chunk), || vec![7; 16_384].into());
            }
            assert!(table.get_or_make(ChunkId(2), Box::default).is_none());
        };
        ask("a");
        ask("b");
        ask("a");
        assert_eq!(summaries.bytes(), 2 * TABLE_BYTES);
        ask("c");
        assert!(summaries.known_edge(End::Last, "a").is_some());
        assert!(summaries.known_edge(End::Last, "b").is_none());
        assert!(summaries.known_edge(End::First, "a").is_none());
        assert_eq!(summaries.bytes(), summaries.policy().bytes_max);
        // Too large for it ever, whatever else goes.
        assert!(summaries.edge(End::Last, "d", 5).is_none());
        assert!(summaries.days(1, 1_000).is_none());
        assert!(summaries.known_edge(End::Last, "c").is_some());
    }

    #[test]
    fn predicates_are_kept_when_asked_for_again_and_push_out_nothing_that_is_in_use() {
        const TABLE_BYTES: u64 = 1_000;
        let summaries = Summaries::new(SummaryPolicy {
            bytes_max: 2 * TABLE_BYTES,
            ..SummaryPolicy::default()
        });
        let ask = |number: i64| {
            let predicate = PlanPredicate::Test {
                operand: Operand::Property("price".to_owned()),
                test: PlanTest::Compare(CompareOp::Equal, PlanLiteral::Integer(number)),
            };
            let table = summaries.selected("a", &predicate, TABLE_BYTES, 2);
            table.is_some()
        };
        assert!(!ask(1) && ask(1));
        for round in 0..4 {
            let kept = [1, 2, 3, 4].map(ask);
            // There is room for one more, and for no other while these two are asked for in turn.
            assert_eq!(kept, [true, round > 0, false, false]);
        }
        // Since 3 was asked for last, nobody wanted 1.
        assert!(ask(3) && !ask(1) && ask(2));
        assert_eq!(summaries.bytes(), 0, "nothing was made yet");
    }
}
