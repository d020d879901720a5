//! The rows that a selector and a window name, partition by partition, and how they are scanned.

use crate::attribute::Attribute;
use crate::condition::Occurrence;
use crate::dataset::Binder;
use crate::filter::{Attributes, Filter, RowContext};
use crate::kernel::{BLOCK, Code};
use crate::pass::ChunkPass;
use crate::scratch::Scratch;
use crate::widths::with_offsets;
use crate::words::{self, Words};
use crate::{EvalError, ExecOptions};
use crowdset_index::{FrozenSet, Term, TermIndex};
use crowdset_query::{AnchorRelation, CompareOp, Operand};
use crowdset_query::{
    PlanAnchorInstant, PlanEvent, PlanEvents, PlanLiteral, PlanPredicate, PlanSelector, PlanTest,
    PlanWindow,
};
use crowdset_storage::{PartData, Partition, Stream};
use crowdset_types::{CHUNK_USERS, ChunkId, TimeRange, TimestampMillis};
use std::ops::Range;

/// The rows of one stream that matter.
pub(crate) struct Source<'a> {
    /// Position of the partition; sources ascend by it, then by event name.
    pub(crate) partition: usize,
    pub(crate) stream: &'a Stream,
    /// The window, cut to the stream's span.
    pub(crate) range: TimeRange,
    pub(crate) filter: Filter<'a>,
    /// Users with at least one row that passes the filter, anywhere in the partition.
    sets: Option<Vec<FrozenSet<'a>>>,
    /// Whether the window holds every row of the stream.
    is_covered: bool,
}

/// The events of a condition.
pub(crate) struct Events<'a> {
    pub(crate) sources: Vec<Source<'a>>,
    anchor: Option<Box<Anchor<'a>>>,
    options: ExecOptions,
}

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
    hull: TimeRange,
}

/// What a scan hands out: consecutive rows of one stream, all of one chunk.
pub(crate) struct Rows<'s> {
    /// Position in [`Events::sources`].
    pub(crate) source: usize,
    pub(crate) range: Range<usize>,
    /// Users of just these rows.
    pub(crate) users: &'s [u16],
    /// 1 for each row that counts; `None`: all do.
    pub(crate) mask: Option<&'s [u8]>,
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

    fn cost_rows(&self) -> u64 {
        match &self.instant {
            AnchorInstant::Event(occurrence) => occurrence.cost_rows(),
            AnchorInstant::Attribute(_) => 0,
        }
    }

    /// Each wanted user's own window. Give the arrays back with [`UserBounds::give`].
    pub(crate) fn bounds(&self, pass: &mut ChunkPass<'_>, wanted: &Words) -> UserBounds {
        let mut low = pass.scratch.i64s.take();
        let mut high = pass.scratch.i64s.take();
        low.fill(i64::MAX);
        high.fill(i64::MIN);
        let first_user = pass.chunk.first().0;
        let (mut first, mut last) = (i64::MAX, i64::MIN);
        let mut bound = |user: usize, at: i64| {
            let (from, to) = match self.relation {
                AnchorRelation::Since => (at, i64::MAX),
                AnchorRelation::After => (at.saturating_add(1), i64::MAX),
                AnchorRelation::Before => (i64::MIN, at.saturating_sub(1)),
                AnchorRelation::WithinAfter(length) => (at, at.saturating_add(length.0)),
                AnchorRelation::WithinBefore(length) => (at.saturating_sub(length.0), at),
            };
            (low[user], high[user]) = (from, to);
            (first, last) = (first.min(from), last.max(to));
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

impl<'a> Events<'a> {
    pub(crate) fn bind(binder: Binder<'a>, events: &'a PlanEvents) -> Result<Self, EvalError> {
        let anchor = Anchor::bind(binder, &events.window)?;
        Ok(Self {
            anchor,
            ..Self::bind_range(binder, &events.selector, events.window.range)?
        })
    }

    /// The events of a range that is the same for all users.
    pub(crate) fn bind_range(
        binder: Binder<'a>,
        selector: &'a PlanSelector,
        window: TimeRange,
    ) -> Result<Self, EvalError> {
        let mut sources = Vec::new();
        for (position, handle) in binder.dataset.partitions.iter().enumerate() {
            let partition: &'a Partition = &handle.partition;
            let is_apart = window.intersection(partition.range()).is_empty();
            if window.is_empty() || (binder.options.prune && is_apart) {
                continue;
            }
            for plan in &selector.events {
                let Some(stream) = partition.stream(&plan.name) else {
                    continue;
                };
                let range = window.intersection(stream.span());
                if range.is_empty() {
                    continue;
                }
                stream.touch()?;
                let filter = Filter::bind(plan.filter.as_ref(), stream, &binder)?;
                if matches!(filter, Filter::Never) {
                    continue;
                }
                let index = handle.index.as_deref().filter(|_| binder.options.use_index);
                let sets = match index {
                    Some(index) => term_sets(index, stream, plan, &filter)?,
                    None => None,
                };
                let is_covered = window.covers(stream.span());
                sources.push(Source {
                    partition: position,
                    stream,
                    range,
                    filter,
                    sets,
                    is_covered,
                });
            }
        }
        Ok(Self {
            sources,
            anchor: None,
            options: *binder.options,
        })
    }

    /// About how many rows a scan reads, over all users.
    pub(crate) fn cost_rows(&self) -> u64 {
        let own: u64 = self.sources.iter().map(Source::cost_rows).sum();
        own + self.anchor.as_ref().map_or(0, |anchor| anchor.cost_rows())
    }

    /// About how many rows [`Events::did`] reads, over all users.
    pub(crate) fn did_cost_rows(&self) -> u64 {
        match &self.anchor {
            Some(_) => self.cost_rows(),
            None => self
                .sources
                .iter()
                .filter(|source| !source.is_answered())
                .map(Source::cost_rows)
                .sum(),
        }
    }

    /// Whether [`Events::did`] reads no rows.
    pub(crate) fn is_answered_by_index(&self) -> bool {
        self.anchor.is_none() && self.sources.iter().all(Source::is_answered)
    }

    /// The most rows that any chunk of users has.
    pub(crate) fn chunk_rows_max(&self) -> u64 {
        let chunks = self
            .sources
            .iter()
            .map(|source| source.stream.chunks())
            .max()
            .unwrap_or(0);
        (0..chunks as u32)
            .map(|chunk| {
                self.sources
                    .iter()
                    .map(|source| source.stream.chunk_rows(ChunkId(chunk)).len() as u64)
                    .sum::<u64>()
            })
            .max()
            .unwrap_or(0)
    }

    /// Each wanted user's own window, if windows are the users' own.
    pub(crate) fn bounds(&self, pass: &mut ChunkPass<'_>, wanted: &Words) -> Option<UserBounds> {
        self.anchor
            .as_ref()
            .map(|anchor| anchor.bounds(pass, wanted))
    }

    /// The users of `wanted` with at least one event.
    pub(crate) fn did(&self, pass: &mut ChunkPass<'_>, wanted: &Words, found: &mut Words) {
        found.fill(0);
        let (machine, chunk) = (pass.machine, pass.chunk);
        let bounds = self.bounds(pass, wanted);
        // What the index answers is nearly free, and may leave nothing to scan for.
        if bounds.is_none() {
            for source in self.sources.iter().filter(|source| source.is_answered()) {
                source.or_sets(chunk, found);
                pass.tally.index_sets += 1;
            }
        }
        for (position, source) in self.sources.iter().enumerate() {
            if bounds.is_none() && source.is_answered() {
                continue;
            }
            if self.options.short_circuit && words::covers(found, wanted) {
                break;
            }
            if self.options.prune && !source.may_match(chunk, wanted) {
                pass.tally.pruned += 1;
                continue;
            }
            self.scan_source(
                pass,
                position,
                bounds.as_ref(),
                &mut |rows| match rows.mask {
                    None => machine.set_users(rows.users, found),
                    Some(mask) => machine.set_users_masked(rows.users, mask, found),
                },
            );
        }
        if let Some(bounds) = bounds {
            bounds.give(pass.scratch);
        }
        words::and(found, wanted);
    }

    /// Adds the users with an event in a range that every user shares.
    pub(crate) fn did_in(&self, pass: &mut ChunkPass<'_>, range: TimeRange, found: &mut Words) {
        let machine = pass.machine;
        for (position, source) in self.sources.iter().enumerate() {
            let span = source.stream.span();
            if range.intersection(span).is_empty() {
                continue;
            }
            if source.sets.is_some() && range.covers(span) {
                source.or_sets(pass.chunk, found);
                pass.tally.index_sets += 1;
                continue;
            }
            let rows = source.stream.rows_in(pass.chunk, range);
            source.visit(pass, position, rows, None, &mut |rows| match rows.mask {
                None => machine.set_users(rows.users, found),
                Some(mask) => machine.set_users_masked(rows.users, mask, found),
            });
        }
    }

    /// Hands out the rows of all sources that may concern `wanted` and lie in their users' own
    /// windows, in order of sources.
    pub(crate) fn scan(
        &self,
        pass: &mut ChunkPass<'_>,
        wanted: &Words,
        visit: &mut dyn FnMut(&Rows<'_>),
    ) {
        let bounds = self.bounds(pass, wanted);
        self.scan_within(pass, wanted, bounds.as_ref(), visit);
        if let Some(bounds) = bounds {
            bounds.give(pass.scratch);
        }
    }

    /// The same, with the users' own windows at hand.
    pub(crate) fn scan_within(
        &self,
        pass: &mut ChunkPass<'_>,
        wanted: &Words,
        bounds: Option<&UserBounds>,
        visit: &mut dyn FnMut(&Rows<'_>),
    ) {
        for (position, source) in self.sources.iter().enumerate() {
            if self.options.prune && !source.may_match(pass.chunk, wanted) {
                pass.tally.pruned += 1;
                continue;
            }
            self.scan_source(pass, position, bounds, visit);
        }
    }

    /// Hands out the rows of a range that every user shares, in order of sources.
    pub(crate) fn scan_range(
        &self,
        pass: &mut ChunkPass<'_>,
        range: TimeRange,
        visit: &mut dyn FnMut(&Rows<'_>),
    ) {
        for (position, source) in self.sources.iter().enumerate() {
            let range = source.range.intersection(range);
            if !range.is_empty() {
                let rows = source.stream.rows_in(pass.chunk, range);
                source.visit(pass, position, rows, None, visit);
            }
        }
    }

    /// Hands out the rows of one source: all at once if every row counts, otherwise in blocks.
    pub(crate) fn scan_source(
        &self,
        pass: &mut ChunkPass<'_>,
        position: usize,
        bounds: Option<&UserBounds>,
        visit: &mut dyn FnMut(&Rows<'_>),
    ) {
        let source = &self.sources[position];
        let mut range = source.range;
        if let Some(bounds) = bounds {
            range = range.intersection(bounds.hull);
        }
        let rows = if range.is_empty() {
            0..0
        } else {
            source.stream.rows_in(pass.chunk, range)
        };
        source.visit(pass, position, rows, bounds, visit);
    }
}

impl Source<'_> {
    /// Whether the index alone says who has a row that counts.
    fn is_answered(&self) -> bool {
        self.is_covered && self.sets.is_some()
    }

    fn cost_rows(&self) -> u64 {
        let (range, span) = (self.range, self.stream.span());
        let share =
            (range.to.0 - range.from.0) as f64 / ((span.to.0 - span.from.0) as f64).max(1.0);
        (self.stream.rows() as f64 * share) as u64
    }

    /// Adds the users with a row that passes the filter, anywhere in the partition.
    fn or_sets(&self, chunk: ChunkId, found: &mut Words) {
        for set in self.sets.iter().flatten() {
            set.or_chunk(chunk, found);
        }
    }

    /// False only if no wanted user of the chunk has a row that passes.
    pub(crate) fn may_match(&self, chunk: ChunkId, wanted: &Words) -> bool {
        if chunk.index() >= self.stream.chunks() {
            return false;
        }
        // Reading the set costs more than scanning fewer rows than this.
        if self.sets.is_none() || self.stream.chunk_rows(chunk).len() < BLOCK {
            return true;
        }
        if !self.sets.iter().flatten().any(|set| set.may_touch(chunk)) {
            return false;
        }
        let mut users = words::EMPTY;
        self.or_sets(chunk, &mut users);
        words::and(&mut users, wanted);
        !words::is_empty(&users)
    }

    /// Hands out `rows`, all of one chunk.
    fn visit(
        &self,
        pass: &mut ChunkPass<'_>,
        position: usize,
        rows: Range<usize>,
        bounds: Option<&UserBounds>,
        visit: &mut dyn FnMut(&Rows<'_>),
    ) {
        if rows.is_empty() {
            return;
        }
        let users = self.stream.users();
        let time_bytes = if bounds.is_some() { 4 } else { 0 };
        pass.tally.rows += rows.len() as u64;
        pass.tally.bytes += rows.len() as u64 * (2 + time_bytes + self.filter.bytes_per_row());
        if bounds.is_none() && matches!(self.filter, Filter::Always) {
            visit(&Rows {
                source: position,
                users: &users[rows.clone()],
                range: rows,
                mask: None,
            });
            return;
        }
        let mut mask = [0_u8; BLOCK];
        for start in rows.clone().step_by(BLOCK) {
            let block = start..rows.end.min(start + BLOCK);
            let mask = &mut mask[..block.len()];
            self.mask(pass, block.clone(), bounds, mask);
            visit(&Rows {
                source: position,
                users: &users[block.clone()],
                range: block,
                mask: Some(mask),
            });
        }
    }

    /// Writes the times of rows, milliseconds since the epoch.
    pub(crate) fn read_times(&self, rows: Range<usize>, out: &mut [i64]) {
        let times = self.stream.times();
        with_offsets!(times.offsets, offsets => {
            for (out, &offset) in out.iter_mut().zip(&offsets[rows]) {
                *out = times.base.wrapping_add(offset.widen() as i64);
            }
        });
    }

    /// Writes 1 for each row that passes the filter and lies in its user's own window. At most
    /// [`BLOCK`] rows, all of one chunk.
    pub(crate) fn mask(
        &self,
        pass: &ChunkPass<'_>,
        rows: Range<usize>,
        bounds: Option<&UserBounds>,
        mask: &mut [u8],
    ) {
        let (machine, chunk) = (pass.machine, pass.chunk);
        let (users, times) = (self.stream.users(), self.stream.times());
        self.filter.eval(
            &RowContext {
                machine,
                chunk,
                users,
                times,
            },
            rows.clone(),
            mask,
        );
        if let Some(UserBounds { low, high, .. }) = bounds {
            let users = &users[rows.clone()];
            with_offsets!(times.offsets, offsets => {
                machine.and_user_bounds(users, times.base, &offsets[rows], low, high, mask);
            });
        }
    }
}

/// The users with a row that passes, if the index has exactly them.
fn term_sets<'a>(
    index: &'a TermIndex,
    stream: &Stream,
    plan: &PlanEvent,
    filter: &Filter<'a>,
) -> Result<Option<Vec<FrozenSet<'a>>>, EvalError> {
    if matches!(filter, Filter::Always) {
        return Ok(index.get(Term::Event(&plan.name))?.map(|set| vec![set]));
    }
    let Some(PlanPredicate::Test {
        operand: Operand::Property(path),
        test,
    }) = &plan.filter
    else {
        return Ok(None);
    };
    let literals = match test {
        PlanTest::Compare(CompareOp::Equal, literal) => std::slice::from_ref(literal),
        PlanTest::In(literals) => literals,
        _ => return Ok(None),
    };
    if !index.is_indexed(&plan.name, path)
        || !literals
            .iter()
            .all(|literal| matches!(literal, PlanLiteral::Text(_, None)))
    {
        // Text that names an instant also matches columns of times, which the index knows nothing of.
        return Ok(None);
    }
    let Some(column) = stream.property(path)? else {
        return Ok(None);
    };
    let dictionary = column.parts.iter().find_map(|part| match &part.data {
        PartData::Text { dictionary, .. } => Some(dictionary),
        _ => None,
    });
    let Some(dictionary) = dictionary else {
        return Ok(None);
    };
    let mut codes: Vec<usize> = literals
        .iter()
        .filter_map(|literal| match literal {
            PlanLiteral::Text(text, _) => dictionary.find(text).ok(),
            _ => None,
        })
        .collect();
    codes.sort_unstable();
    codes.dedup();
    let mut sets = Vec::with_capacity(codes.len());
    for code in codes {
        let term = Term::Value {
            event: &plan.name,
            property: path,
            code: code as u32,
        };
        match index.get(term)? {
            Some(set) => sets.push(set),
            None => return Ok(None),
        }
    }
    Ok(Some(sets))
}
