//! The rows that a selector and a window name, partition by partition, and how they are scanned.

mod source;

use crate::anchor::{Anchor, UserBounds};
use crate::dataset::Binder;
use crate::days::ActiveDays;
use crate::edge::Edge;
use crate::filter::Filter;
use crate::kernel::{BLOCK, Machine};
use crate::pass::ChunkPass;
use crate::selection::Selection;
use crate::summary::End;
use crate::totals::Totals;
use crate::value::Values;
use crate::words::{self, Words};
use crate::{EvalError, ExecOptions, Path};
use crowdset_index::FrozenSet;
use crowdset_query::{PlanEvent, PlanEvents, PlanSelector};
use crowdset_storage::Partition;
use crowdset_types::{CHUNK_USERS, ChunkId, TimeRange};
use source::term_sets;
use std::ops::Range;

pub(crate) use source::{Source, TIME_BYTES};

/// Of a block of rows, one in so many may count for the others to be left out first.
pub(crate) const SPARSE: usize = 8;

/// The events of a condition.
pub(crate) struct Events<'a> {
    pub(crate) sources: Vec<Source<'a>>,
    anchor: Option<Box<Anchor<'a>>>,
    /// The window that is the same for all users.
    window: TimeRange,
    /// What [`Events::did`] may be answered from.
    kept: Kept<'a>,
    /// The rows that count, if they are kept.
    selection: Option<Box<Selection<'a>>>,
    /// How many there are, if all count and that is kept.
    totals: Option<Box<Totals<'a>>>,
    options: ExecOptions,
}

/// What is kept of the rows, if it says who did it.
enum Kept<'a> {
    Nothing,
    /// Each user's last row of the one name.
    Last(Box<Edge<'a>>),
    /// All events count.
    Days(Box<ActiveDays<'a>>),
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

impl<'a> Events<'a> {
    pub(crate) fn bind(binder: Binder<'a>, events: &'a PlanEvents) -> Result<Self, EvalError> {
        let anchor = Anchor::bind(binder, &events.window)?;
        Ok(Self {
            anchor,
            ..Self::bind_range(binder, &events.selector, events.window.range)?
        })
    }

    /// The events of a condition that asks who did, [`Events::did`].
    pub(crate) fn bind_did(binder: Binder<'a>, plan: &'a PlanEvents) -> Result<Self, EvalError> {
        Ok(Self::bind(binder, plan)?.with_kept(binder, plan))
    }

    /// Finds out what [`Events::did`] may be answered from.
    pub(crate) fn with_kept(mut self, binder: Binder<'a>, plan: &'a PlanEvents) -> Self {
        if self.sources.is_empty() || self.is_answered_by_index() {
            return self;
        }
        let last = match plain_name(plan) {
            // A scan for windows of the users' own reads times as well.
            Some(name) if self.anchor.is_some() => Edge::bind(binder, End::Last, name),
            Some(name) => Edge::known(binder, End::Last, name),
            None => None,
        };
        self = self.with_selection(binder, plan);
        if let Some(last) = last {
            self.kept = Kept::Last(Box::new(last));
        } else if let Some(days) = self.active_days(binder, plan) {
            self.kept = Kept::Days(Box::new(days));
        }
        self
    }

    /// Uses the rows that pass the predicate, if they are kept: for who asks for users of rows, or for
    /// [`Events::selection`].
    pub(crate) fn with_selection(mut self, binder: Binder<'a>, plan: &'a PlanEvents) -> Self {
        if !self.sources.is_empty() {
            self.selection = Selection::bind(binder, plan).map(Box::new);
        }
        self
    }

    /// Uses what is kept of how many there are: for [`Events::counted`].
    pub(crate) fn with_totals(mut self, binder: Binder<'a>, plan: &PlanEvents) -> Self {
        if plan.selector.any_unfiltered && self.anchor.is_none() && !self.sources.is_empty() {
            self.totals = Totals::bind(binder, self.window).map(Box::new);
        }
        self
    }

    /// How many there are of each user, as far as that is kept: adds it, and leaves ranges of time to be
    /// counted.
    pub(crate) fn counted(
        &self,
        pass: &mut ChunkPass<'_>,
        counts: &mut [u32; CHUNK_USERS],
    ) -> Option<[TimeRange; 2]> {
        let totals = self.totals.as_deref()?;
        let (spans, left) = totals.cut(self.window);
        pass.tally.bytes += totals.add(pass.machine, pass.chunk, spans, counts);
        Some(left)
    }

    /// Whether [`Events::counted`] knows something.
    pub(crate) fn has_totals(&self) -> bool {
        self.totals.is_some()
    }

    /// The rows that count, if they are kept.
    pub(crate) fn selection(&self) -> Option<&Selection<'a>> {
        self.selection.as_deref()
    }

    /// The condition reads the time of every row.
    pub(crate) fn with_times(mut self) -> Self {
        for source in &mut self.sources {
            source.value_bytes = TIME_BYTES;
        }
        self
    }

    /// Whether windows are the users' own.
    pub(crate) fn is_anchored(&self) -> bool {
        self.anchor.is_some()
    }

    /// The days on which users had any event, if all events count and windows are the same for all
    /// users.
    pub(crate) fn active_days(
        &self,
        binder: Binder<'a>,
        plan: &PlanEvents,
    ) -> Option<ActiveDays<'a>> {
        if !plan.selector.any_unfiltered || self.anchor.is_some() || self.sources.is_empty() {
            return None;
        }
        ActiveDays::bind(binder)
    }

    /// The window that is the same for all users.
    pub(crate) fn window(&self) -> TimeRange {
        self.window
    }

    /// The condition reads these columns, one for each source.
    pub(crate) fn with_values(mut self, values: &[Values<'_>]) -> Self {
        for (source, values) in self.sources.iter_mut().zip(values) {
            source.value_bytes = values.bytes_per_row();
        }
        self
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
                let users: u64 = sets.iter().flatten().map(FrozenSet::len).sum();
                let share = users as f64 / (binder.dataset.users.ordinals() as f64).max(1.0);
                sources.push(Source {
                    partition: position,
                    stream,
                    range,
                    filter,
                    sets,
                    share,
                    is_covered,
                    value_bytes: 0,
                });
            }
        }
        Ok(Self {
            sources,
            anchor: None,
            window,
            kept: Kept::Nothing,
            selection: None,
            totals: None,
            options: *binder.options,
        })
    }

    /// About how many rows a scan reads, over all users.
    pub(crate) fn cost_rows(&self) -> u64 {
        if let Some(rows) = self.selection().and_then(Selection::cost_rows) {
            return rows;
        }
        let own: u64 = self.sources.iter().map(Source::cost_rows).sum();
        own + self.anchor.as_ref().map_or(0, |anchor| anchor.cost_rows())
    }

    /// About how many rows [`Events::did`] reads, over all users.
    pub(crate) fn did_cost_rows(&self) -> u64 {
        match (&self.anchor, &self.kept) {
            (_, Kept::Days(days)) => days.cost_rows(),
            (Some(_), _) => self.cost_rows(),
            (None, _) if self.selection.is_some() => self.cost_rows(),
            (None, _) => self
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

    /// How [`Events::did`] finds its answer, for profiles.
    pub(crate) fn did_path(&self) -> Path {
        match self.kept {
            _ if self.is_answered_by_index() => Path::Index,
            Kept::Nothing if self.selection.is_some() => Path::Summary,
            Kept::Nothing => Path::Scan,
            Kept::Last(_) | Kept::Days(_) => Path::Summary,
        }
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
        if let Some(rows) = self.selection().and_then(|selection| selection.rows(pass)) {
            pass.machine.set_users(rows.users, found);
            words::and(found, wanted);
            return;
        }
        let mut open = *wanted;
        match (&self.kept, &self.anchor) {
            (Kept::Days(days), None) => {
                self.did_on_days(days, pass, wanted, found);
                open = words::EMPTY;
            }
            (Kept::Last(last), None) => self.did_last(last, pass, &mut open, found),
            (Kept::Last(last), Some(anchor)) => {
                self.did_last_within(last, anchor, pass, &mut open, found);
            }
            _ => {}
        }
        if !words::is_empty(&open) {
            let bounds = self.bounds(pass, &open);
            self.did_by_rows(pass, &open, bounds.as_ref(), found);
            if let Some(bounds) = bounds {
                bounds.give(pass.scratch);
            }
        }
        words::and(found, wanted);
    }

    /// Adds at least the users of `wanted` with an event, from the index and rows.
    fn did_by_rows(
        &self,
        pass: &mut ChunkPass<'_>,
        wanted: &Words,
        bounds: Option<&UserBounds>,
        found: &mut Words,
    ) {
        let (machine, chunk) = (pass.machine, pass.chunk);
        // What the index answers is nearly free, and may leave nothing to scan for.
        if bounds.is_none() {
            for source in self.sources.iter().filter(|source| source.is_answered()) {
                source.or_sets(chunk, found);
                pass.tally.index_sets += 1;
                source.skip_all_but(pass, 0);
            }
        }
        let wanted_len = words::count(wanted);
        for (position, source) in self.sources.iter().enumerate() {
            if bounds.is_none() && source.is_answered() {
                continue;
            }
            if self.options.short_circuit && words::covers(found, wanted) {
                break;
            }
            if self.options.prune && !source.may_match(chunk, wanted, wanted_len) {
                pass.tally.pruned += 1;
                source.skip_all_but(pass, 0);
                continue;
            }
            self.scan_source(pass, position, bounds, &mut |rows| {
                rows.users(machine, &mut |users, mask| match mask {
                    None => machine.set_users(users, found),
                    Some(mask) => machine.set_users_masked(users, mask, found),
                });
            });
        }
    }

    /// From the days of a window that it holds whole, and the rows of the others.
    fn did_on_days(
        &self,
        days: &ActiveDays<'_>,
        pass: &mut ChunkPass<'_>,
        wanted: &Words,
        found: &mut Words,
    ) {
        let cut = days.cut(self.window);
        for users in days.days(pass.machine, pass.chunk, cut.whole) {
            words::or(found, users);
            pass.tally.bytes += size_of_val(users) as u64;
        }
        for edge in cut.edges {
            if self.options.short_circuit && words::covers(found, wanted) {
                return;
            }
            self.did_in(pass, edge, found);
        }
    }

    /// Who did it last in the window did it; who did it last before it did not. `open` is left with
    /// those who did it after it.
    fn did_last(
        &self,
        last: &Edge<'_>,
        pass: &mut ChunkPass<'_>,
        open: &mut Words,
        found: &mut Words,
    ) {
        let (machine, chunk) = (pass.machine, pass.chunk);
        // Making it costs more than this scan.
        let Some(numbers) = last.known_numbers(chunk) else {
            return;
        };
        pass.tally.bytes += size_of_val(numbers) as u64;
        let before = last.rows_before(chunk, self.window.from);
        let until = last.rows_before(chunk, self.window.to);
        if before < until {
            machine.or_u32_within(numbers, before + 1, until, found);
        }
        let mut after = words::EMPTY;
        if until < last.rows(chunk) {
            machine.or_u32_within(numbers, until + 1, u32::MAX, &mut after);
        }
        words::and(open, &after);
    }

    /// The same with windows of the users' own.
    fn did_last_within(
        &self,
        last: &Edge<'_>,
        anchor: &Anchor<'_>,
        pass: &mut ChunkPass<'_>,
        open: &mut Words,
        found: &mut Words,
    ) {
        let Some(numbers) = last.numbers(pass.machine, pass.chunk) else {
            return;
        };
        pass.tally.bytes += size_of_val(numbers) as u64;
        let times = last.times(pass.chunk);
        let mut asked = std::mem::take(&mut pass.scratch.windows);
        asked.clear();
        anchor.each(pass, open, &mut |user, low, high| {
            let low = low.max(self.window.from.0);
            let high = high.min(self.window.to.0 - 1);
            if low <= high {
                asked.push((user, low, high, None));
            }
        });
        // Times lie far apart: read one after the other, and nothing done with them before, so that
        // reads of memory overlap.
        for (user, .., at) in &mut asked {
            *at = times.get(numbers[*user]);
        }
        open.fill(0);
        for &(user, low, high, at) in &asked {
            // Somebody without a row did not.
            if let Some(at) = at.filter(|at| low <= *at) {
                words::set(if at <= high { &mut *found } else { &mut *open }, user);
            }
        }
        pass.scratch.windows = asked;
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
            source.visit(pass, position, rows, None, &mut |rows| {
                rows.users(machine, &mut |users, mask| match mask {
                    None => machine.set_users(users, found),
                    Some(mask) => machine.set_users_masked(users, mask, found),
                });
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
        let wanted_len = words::count(wanted);
        for (position, source) in self.sources.iter().enumerate() {
            if self.options.prune && !source.may_match(pass.chunk, wanted, wanted_len) {
                pass.tally.pruned += 1;
                source.skip_all_but(pass, 0);
                continue;
            }
            self.scan_source(pass, position, bounds, visit);
        }
    }

    /// Hands out the users of rows, where nothing else is asked of the rows: as [`Events::scan`], but
    /// where few rows of a block count, only those, without a mask.
    pub(crate) fn scan_users(
        &self,
        pass: &mut ChunkPass<'_>,
        wanted: &Words,
        visit: &mut VisitUsers<'_>,
    ) {
        let machine = pass.machine;
        match self.selection().and_then(|selection| selection.rows(pass)) {
            Some(rows) => visit(rows.users, None),
            None => self.scan(pass, wanted, &mut |rows| rows.users(machine, visit)),
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
        source.skip_all_but(pass, rows.len());
        source.visit(pass, position, rows, bounds, visit);
    }
}

/// The one name, if all its rows count that lie in the window.
pub(crate) fn plain_name(plan: &PlanEvents) -> Option<&str> {
    match &plan.selector.events[..] {
        [PlanEvent { name, filter: None }] => Some(name),
        _ => None,
    }
}

/// Is handed users of rows, and 1 for each row that counts; `None`: all do.
pub(crate) type VisitUsers<'v> = dyn FnMut(&[u16], Option<&[u8]>) + 'v;

impl Rows<'_> {
    /// Hands out the users; where few rows of a block count, only those.
    pub(crate) fn users(&self, machine: Machine, visit: &mut VisitUsers<'_>) {
        let Some(mask) = self.mask else {
            visit(self.users, None);
            return;
        };
        let count = machine.count_mask(mask) as usize;
        if count * SPARSE > mask.len() {
            visit(self.users, Some(mask));
        } else if count > 0 {
            let mut some = [0_u16; BLOCK / SPARSE];
            for (place, row) in some.iter_mut().zip(machine.ones(mask)) {
                *place = self.users[row];
            }
            visit(&some[..count], None);
        }
    }
}
