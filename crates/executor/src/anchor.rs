//! Windows of the users' own: bounds that an event or an attribute of the user sets.

use crate::EvalError;
use crate::attribute::Attribute;
use crate::condition::Occurrence;
use crate::dataset::Binder;
use crate::filter::Attributes;
use crate::pass::ChunkPass;
use crate::scratch::Scratch;
use crate::words::{self, Words};
use crowdset_query::{AnchorRelation, PlanAnchorInstant, PlanWindow};
use crowdset_types::{CHUNK_USERS, TimeRange, TimestampMillis};

/// A bound of the user's own.
pub(crate) struct Anchor<'a> {
    relation: AnchorRelation,
    instant: AnchorInstant<'a>,
}

enum AnchorInstant<'a> {
    Event(Occurrence<'a>),
    Attribute(Attribute<'a>),
}

/// The first and the last instant of each user's own window, inclusive; the first is after the last
/// where it is empty.
pub(crate) struct UserBounds {
    pub(crate) low: Box<[i64; CHUNK_USERS]>,
    pub(crate) high: Box<[i64; CHUNK_USERS]>,
    /// Holds every user's window.
    pub(crate) hull: TimeRange,
}

impl<'a> Anchor<'a> {
    pub(crate) fn bind(
        binder: Binder<'a>,
        window: &'a PlanWindow,
    ) -> Result<Option<Box<Self>>, EvalError> {
        let Some(anchor) = &window.anchor else {
            return Ok(None);
        };
        let instant = match &anchor.of {
            PlanAnchorInstant::Event(occurrence) => {
                AnchorInstant::Event(Occurrence::bind(binder, occurrence)?)
            }
            PlanAnchorInstant::Attribute(attribute) => {
                AnchorInstant::Attribute(binder.attribute(attribute)?)
            }
        };
        Ok(Some(Box::new(Self {
            relation: anchor.relation,
            instant,
        })))
    }

    /// About how many rows are read, over all users.
    pub(crate) fn cost_rows(&self) -> u64 {
        match &self.instant {
            AnchorInstant::Event(occurrence) => occurrence.cost_rows(),
            AnchorInstant::Attribute(_) => 0,
        }
    }

    /// Calls `visit` with each wanted user that has a window, and its first and last instant. Windows
    /// may be empty: the first is after the last then.
    pub(crate) fn each(
        &self,
        pass: &mut ChunkPass<'_>,
        wanted: &Words,
        visit: &mut dyn FnMut(usize, i64, i64),
    ) {
        let first_user = pass.chunk.first().0;
        let mut bound = |user: usize, at: i64| {
            let (from, to) = match self.relation {
                AnchorRelation::Since => (at, i64::MAX),
                AnchorRelation::After => (at.saturating_add(1), i64::MAX),
                AnchorRelation::Before => (i64::MIN, at.saturating_sub(1)),
                AnchorRelation::WithinAfter(length) => (at, at.saturating_add(length.0)),
                AnchorRelation::WithinBefore(length) => (at.saturating_sub(length.0), at),
            };
            visit(user, from, to);
        };
        match &self.instant {
            AnchorInstant::Attribute(attribute) => words::for_each(wanted, |user| {
                if let Some(at) = attribute.instant(first_user + user as u32) {
                    bound(user, at);
                }
            }),
            AnchorInstant::Event(occurrence) => {
                let mut times = pass.scratch.i64s.take();
                let mut found = words::EMPTY;
                occurrence.times(pass, wanted, &mut times, &mut found);
                words::for_each(&found, |user| bound(user, times[user]));
                pass.scratch.i64s.give(times);
            }
        }
    }

    /// Each wanted user's own window. Give the arrays back with [`UserBounds::give`].
    pub(crate) fn bounds(&self, pass: &mut ChunkPass<'_>, wanted: &Words) -> UserBounds {
        let mut low = pass.scratch.i64s.take();
        let mut high = pass.scratch.i64s.take();
        low.fill(i64::MAX);
        high.fill(i64::MIN);
        let (mut first, mut last) = (i64::MAX, i64::MIN);
        self.each(pass, wanted, &mut |user, from, to| {
            (low[user], high[user]) = (from, to);
            (first, last) = (first.min(from), last.max(to));
        });
        let hull = TimeRange::new(
            TimestampMillis(first),
            TimestampMillis(last.saturating_add(1)),
        );
        UserBounds { low, high, hull }
    }
}

impl UserBounds {
    pub(crate) fn give(self, scratch: &mut Scratch) {
        scratch.i64s.give(self.low);
        scratch.i64s.give(self.high);
    }
}
