//! What queries make of the rows the first time they need it, and keep: an array per chunk of users.
//!
//! Everything here can be made again from the rows, so it may be dropped at any time, and is, when
//! its memory is wanted for something asked for later.

use crate::words::Words;
use crowdset_types::ChunkId;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

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
}

impl Default for SummaryPolicy {
    fn default() -> Self {
        Self {
            bytes_max: 64 << 20,
            day_rows_min: 512,
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
}

#[derive(Debug)]
struct Entry {
    key: Key,
    table: AnyTable,
    /// The bytes it takes once every chunk was asked about.
    bytes_full: u64,
    used: u64,
}

#[derive(Debug, PartialEq)]
enum Key {
    Edge(End, Box<str>),
    Days,
}

#[derive(Debug, Clone)]
enum AnyTable {
    Edge(Arc<Table<u32>>),
    Days(Arc<Table<Words>>),
}

/// An array per chunk of users, made one by one.
#[derive(Debug)]
pub(crate) struct Table<T>(Box<[OnceLock<Box<[T]>>]>);

impl<T> Table<T> {
    fn new(chunks: usize) -> Arc<Self> {
        Arc::new(Self((0..chunks).map(|_| OnceLock::new()).collect()))
    }

    /// The array of a chunk. Nobody else makes it while `make` runs: it must not wait for others.
    pub(crate) fn get_or_make(
        &self,
        chunk: ChunkId,
        make: impl FnOnce() -> Box<[T]>,
    ) -> Option<&[T]> {
        let slot = self.0.get(chunk.index())?;
        Some(slot.get_or_init(make))
    }

    /// The array of a chunk if it was made already.
    pub(crate) fn get(&self, chunk: ChunkId) -> Option<&[T]> {
        self.0.get(chunk.index())?.get().map(|made| &**made)
    }

    /// How many chunks there are.
    pub(crate) fn chunks(&self) -> usize {
        self.0.len()
    }

    fn bytes(&self) -> u64 {
        let made = self.0.iter().filter_map(OnceLock::get);
        made.map(|made| size_of_val(&**made) as u64).sum()
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
            AnyTable::Days(table) => table.bytes(),
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
    pub(crate) fn edge(&self, end: End, name: &str, chunks: usize) -> Option<Arc<Table<u32>>> {
        let bytes_full = (chunks * crowdset_types::CHUNK_USERS * size_of::<u32>()) as u64;
        let is_it =
            |key: &Key| matches!(key, Key::Edge(of, other) if *of == end && **other == *name);
        let make = || {
            (
                Key::Edge(end, name.into()),
                AnyTable::Edge(Table::new(chunks)),
            )
        };
        match self.table(bytes_full, is_it, make)? {
            AnyTable::Edge(table) => Some(table),
            AnyTable::Days(_) => None,
        }
    }

    /// The same if somebody asked for it before.
    pub(crate) fn known_edge(&self, end: End, name: &str) -> Option<Arc<Table<u32>>> {
        let kept = self.lock();
        kept.tables.iter().find_map(|entry| match &entry.table {
            AnyTable::Edge(table) => match &entry.key {
                Key::Edge(of, other) if *of == end && **other == *name => Some(Arc::clone(table)),
                _ => None,
            },
            AnyTable::Days(_) => None,
        })
    }

    /// The table of who was active on each of so many days; `None` if it would take too much.
    pub(crate) fn days(&self, chunks: usize, days: usize) -> Option<Arc<Table<Words>>> {
        let bytes_full = chunks.checked_mul(days)?.checked_mul(size_of::<Words>())? as u64;
        let is_it = |key: &Key| *key == Key::Days;
        let make = || (Key::Days, AnyTable::Days(Table::new(chunks)));
        match self.table(bytes_full, is_it, make)? {
            AnyTable::Days(table) => Some(table),
            AnyTable::Edge(_) => None,
        }
    }

    fn table(
        &self,
        bytes_full: u64,
        is_it: impl Fn(&Key) -> bool,
        make: impl FnOnce() -> (Key, AnyTable),
    ) -> Option<AnyTable> {
        if bytes_full > self.0.policy.bytes_max {
            return None;
        }
        let mut kept = self.lock();
        kept.clock += 1;
        let now = kept.clock;
        if let Some(entry) = kept.tables.iter_mut().find(|entry| is_it(&entry.key)) {
            entry.used = now;
            return Some(entry.table.clone());
        }
        let mut bytes: u64 = kept.tables.iter().map(|entry| entry.bytes_full).sum();
        while bytes + bytes_full > self.0.policy.bytes_max {
            let tables = kept.tables.iter().enumerate();
            let (oldest, _) = tables.min_by_key(|(_, entry)| entry.used)?;
            bytes -= kept.tables.swap_remove(oldest).bytes_full;
        }
        let (key, table) = make();
        kept.tables.push(Entry {
            key,
            table: table.clone(),
            bytes_full,
            used: now,
        });
        Some(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
