//! The users a segment selects, with their ids.

use crate::state::State;
use crate::{AsOf, Diagnostic};
use crowdset_executor::Audience as UserSet;
use crowdset_storage::IdKind;
use rayon::ThreadPool;
use rayon::prelude::*;
use std::fmt;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;

/// An audience of at least one user in so many is listed by walking all ids in order: a bit test per
/// user is cheaper than sorting the ranks of the members.
const WALK_SHARE: u64 = 16;

/// So many users are one piece of work.
pub(crate) const PIECE: usize = 65_536;

/// So many ids are text at a time while they are written.
const LINES_AT_ONCE: usize = 4 * PIECE;

/// The users a segment selects at one instant.
///
/// Holds one bit per user and the state it was answered from, so it stays valid, and says the same,
/// whatever is loaded later. Cloning is cheap.
#[derive(Clone)]
pub struct Audience {
    pub(crate) set: Arc<UserSet>,
    pub(crate) state: Arc<State>,
    /// Where ids are put together; the registry of the caller where there is none.
    pub(crate) pool: Option<Arc<ThreadPool>>,
    pub(crate) as_of: AsOf,
    pub(crate) warnings: Arc<[Diagnostic]>,
}

impl fmt::Debug for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audience")
            .field("len", &self.len())
            .field("as_of", &self.as_of)
            .finish_non_exhaustive()
    }
}

impl Audience {
    /// Other users of the same state, at the same instant.
    pub(crate) fn with_set(&self, set: UserSet) -> Self {
        Self {
            set: Arc::new(set),
            ..self.clone()
        }
    }

    /// How many users it holds.
    pub fn len(&self) -> u64 {
        self.set.len()
    }

    /// Whether it holds nobody.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The instant it was answered for.
    pub fn as_of(&self) -> AsOf {
        self.as_of
    }

    /// What the definition says that is legal and yet probably not meant, such as unknown names.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// How many users the universe has, members or not.
    pub fn universe_len(&self) -> u64 {
        self.state.users.universe_len()
    }

    /// Whether the user is a member; no for an id that was never seen.
    pub fn contains_user(&self, user_id: &str) -> bool {
        self.state
            .users
            .find(user_id)
            .is_some_and(|ordinal| self.set.contains(ordinal))
    }

    /// The members' places in the order of all user ids, ascending: text by bytes, integers as numbers.
    pub(crate) fn ranks(&self) -> Vec<u32> {
        let users = &self.state.users;
        if users.is_in_order() {
            return self.set.iter().map(|user| user.0).collect();
        }
        let (members, ordinals) = (self.len(), users.ordinals());
        if members.saturating_mul(WALK_SHARE) > ordinals as u64 {
            let words = self.set.to_words();
            let pieces: Vec<Range<u32>> = (0..ordinals)
                .step_by(PIECE)
                .map(|first| first as u32..(first + PIECE).min(ordinals) as u32)
                .collect();
            let pieces = self.map(&pieces, |ranks| {
                // Branch-free: whether the next one is a member is anybody's guess.
                let mut kept = vec![0; ranks.len()];
                let mut len = 0;
                for rank in ranks.clone() {
                    kept[len] = rank;
                    let ordinal = users.by_rank(rank).0;
                    let word = words.get(ordinal as usize / 64).copied().unwrap_or(0);
                    len += (word >> (ordinal % 64) & 1) as usize;
                }
                kept.truncate(len);
                kept
            });
            return pieces.concat();
        }
        let mut ranks: Vec<u32> = self.set.iter().map(|ordinal| users.rank(ordinal)).collect();
        ranks.sort_unstable();
        ranks
    }

    /// What `f` makes of some things, in their order; on several threads where there are several.
    pub(crate) fn map<T: Sync, R: Send>(
        &self,
        things: &[T],
        f: impl Fn(&T) -> R + Send + Sync,
    ) -> Vec<R> {
        if things.len() <= 1 {
            return things.iter().map(f).collect();
        }
        let all = || things.par_iter().with_max_len(1).map(f).collect();
        match &self.pool {
            Some(pool) => pool.install(all),
            None => all(),
        }
    }

    /// Writes the members' ids as text, ascending, each followed by a line feed.
    ///
    /// # Cost
    ///
    /// 4 bytes per member, and some megabytes of text at a time: several threads make them while those
    /// before are written.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    ///
    /// # Examples
    ///
    /// ```
    /// # use crowdset::{AsOf, Engine, Tables};
    /// # let engine = Engine::in_memory();
    /// let audience = engine.snapshot().evaluate(&"everyone".parse()?, AsOf::now())?;
    /// let mut lines = Vec::new();
    /// audience.write_lines(&mut lines)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write_lines(&self, mut out: impl Write) -> io::Result<()> {
        let users = &self.state.users;
        let make = |ranks: &[u32]| {
            let pieces: Vec<&[u32]> = ranks.chunks(PIECE).collect();
            self.map(&pieces, |ranks| users.lines_of(ranks))
        };
        let ranks = self.ranks();
        let mut lots = ranks.chunks(LINES_AT_ONCE);
        let mut ready = lots.next().map(make).unwrap_or_default();
        while !ready.is_empty() {
            let lot = lots.next();
            let mut next = Vec::new();
            let mut write = || ready.iter().try_for_each(|lines| out.write_all(lines));
            match lot {
                Some(lot) => self.beside(|| next = make(lot), write)?,
                None => write()?,
            }
            ready = next;
        }
        Ok(())
    }

    /// Does `mine` on this thread while `theirs` is done on one of the pool's.
    fn beside<T>(&self, theirs: impl FnOnce() + Send, mine: impl FnOnce() -> T) -> T {
        match &self.pool {
            Some(pool) => pool.in_place_scope(|scope| {
                scope.spawn(|_| theirs());
                mine()
            }),
            None => rayon::in_place_scope(|scope| {
                scope.spawn(|_| theirs());
                mine()
            }),
        }
    }

    /// The members' ids as text, ascending: text by bytes, integers as numbers.
    ///
    /// # Examples
    ///
    /// ```
    /// # use crowdset::{AsOf, Engine, Tables};
    /// # let engine = Engine::in_memory();
    /// let audience = engine.snapshot().evaluate(&"everyone".parse()?, AsOf::now())?;
    /// assert_eq!(audience.iter().count() as u64, audience.len());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = &str> + '_ {
        self.state.users.ids_of(self.ranks())
    }

    /// Whether user ids are integers, to be printed without quotes.
    pub fn has_integer_ids(&self) -> bool {
        matches!(self.state.users.id_kind(), IdKind::Integer)
    }

    /// The members as a portable roaring bitmap of user ordinals.
    /// Ordinals are dense numbers that a store gives its users once and for ever;
    /// [`Audience::to_roaring`] holds the ids themselves.
    pub fn to_roaring_bytes(&self) -> Vec<u8> {
        let bitmap = self.set.to_bitmap();
        let mut bytes = Vec::with_capacity(bitmap.serialized_size());
        // Writing to a vector cannot fail.
        let written = bitmap.serialize_into(&mut bytes);
        debug_assert!(written.is_ok());
        bytes
    }
}
