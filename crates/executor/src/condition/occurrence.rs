//! The first, last or n-th event of each user.
//!
//! What is looked for is the number of a row ([`RowNumbers`]): finding it costs a comparison and a
//! store per row, and time and properties are read once per user afterwards. Where every row of one
//! name counts, the numbers are kept from query to query. Partitions do not overlap in time, so they
//! are visited in the order of the question and left as soon as every user that can have an answer
//! has one. Within a partition rows of one name stand in the order of the contract; several names
//! are held apart by their times, ties by name.

use crate::anchor::{Anchor, UserBounds};
use crate::dataset::Binder;
use crate::edge::{Edge, EdgeTest, RowNumbers, no_row};
use crate::events::{Events, SPARSE, plain_name};
use crate::filter::{Filter, RowContext};
use crate::kernel::{BLOCK, Code, Machine};
use crate::pass::ChunkPass;
use crate::scratch::Scratch;
use crate::selection::Selection;
use crate::summary::End;
use crate::widths::with_offsets;
use crate::words::{self, Words};
use crate::{EvalError, Path};
use crowdset_query::{Operand, PlanEvents, PlanOccurrence, PlanOccurrenceTest, Position};
use crowdset_types::{CHUNK_USERS, TimeRange};
use std::ops::Range;

/// Users of one source from which on all users of the chunk are looked at, one after the other.
const DENSE_USERS: u64 = 3_000;

/// One event of each user by its place.
pub(crate) struct Occurrence<'a> {
    position: Position,
    events: Events<'a>,
    short_circuit: bool,
    edge: Option<Edge<'a>>,
}

/// One row of each user that has one.
struct Chosen<'o> {
    numbers: Numbers<'o>,
    /// For each source the number before that of the first row of the chunk.
    bases: Vec<u32>,
    /// The times of the rows, if they had to be read anyway.
    times: Option<Box<[i64; CHUNK_USERS]>>,
    /// Who has one.
    found: Words,
}

enum Numbers<'o> {
    Kept(&'o RowNumbers),
    Made(Box<RowNumbers>),
}

impl Chosen<'_> {
    fn numbers(&self) -> &RowNumbers {
        match &self.numbers {
            Numbers::Kept(numbers) => numbers,
            Numbers::Made(numbers) => numbers,
        }
    }

    fn give(self, scratch: &mut Scratch) {
        if let Numbers::Made(numbers) = self.numbers {
            scratch.u32s.give(numbers);
        }
        if let Some(times) = self.times {
            scratch.i64s.give(times);
        }
        scratch.bases = self.bases;
    }
}

impl<'a> Occurrence<'a> {
    pub(crate) fn bind(binder: Binder<'a>, plan: &'a PlanOccurrence) -> Result<Self, EvalError> {
        Self::new(binder, plan.position, &plan.of)
    }

    pub(crate) fn new(
        binder: Binder<'a>,
        position: Position,
        plan: &'a PlanEvents,
    ) -> Result<Self, EvalError> {
        let events = Events::bind(binder, plan)?;
        let position = if position == Position::Nth(1) {
            Position::First
        } else {
            position
        };
        let end = match position {
            Position::First => Some(End::First),
            Position::Last => Some(End::Last),
            Position::Nth(_) => None,
        };
        let rows: u64 = events
            .sources
            .iter()
            .map(|of| of.stream.rows() as u64)
            .sum();
        // The sum over all users is quick, and nearly always small enough.
        if rows >= u64::from(u32::MAX) && events.chunk_rows_max() >= u64::from(u32::MAX) {
            return Err(EvalError::OccurrenceRows);
        }
        let events = match end {
            Some(_) => events.with_selection(binder, plan),
            None => events,
        };
        let edge = match (end, plain_name(plan)) {
            (Some(end), Some(name)) if !events.is_anchored() => Edge::bind(binder, end, name),
            _ => None,
        };
        Ok(Self {
            position,
            events,
            short_circuit: binder.options.short_circuit,
            edge,
        })
    }

    pub(crate) fn events(&self) -> &Events<'a> {
        &self.events
    }

    pub(crate) fn cost_rows(&self) -> u64 {
        match &self.edge {
            Some(edge) => edge.cost_rows().min(self.events.cost_rows()),
            None => self.events.cost_rows(),
        }
    }

    /// Whether kept numbers answer it, as far as they reach.
    pub(crate) fn is_summarised(&self) -> bool {
        self.edge.is_some() || self.events.selection().is_some()
    }

    /// The time of the event of each wanted user that has one; `found` says who.
    pub(crate) fn times(
        &self,
        pass: &mut ChunkPass<'_>,
        wanted: &Words,
        times: &mut [i64; CHUNK_USERS],
        found: &mut Words,
    ) {
        if self.edge.is_none()
            && let Some(selection) = self.events.selection()
            && let Some(rows) = selection.rows(pass)
        {
            found.fill(0);
            pass.machine.set_users(rows.users, found);
            words::and(found, wanted);
            // What is written last stays.
            let is_first = self.position == Position::First;
            selection.each_time(pass.chunk, rows, is_first, |user, time| {
                times[user as usize & (CHUNK_USERS - 1)] = time;
            });
            return;
        }
        let chosen = self.choose(pass, wanted);
        *found = chosen.found;
        if let Some(read) = &chosen.times {
            times.copy_from_slice(&read[..]);
        } else {
            let numbers = chosen.numbers();
            self.each_source(pass, &chosen, |position, users, rows, base| {
                let of_rows = self.events.sources[position].stream.times();
                with_offsets!(of_rows.offsets, offsets => {
                    let offsets = &offsets[rows];
                    words::for_each(users, |user| {
                        let offset = offsets[(numbers[user] - base) as usize - 1];
                        times[user] = of_rows.base.wrapping_add(offset.widen() as i64);
                    });
                });
            });
        }
        chosen.give(pass.scratch);
    }

    /// The wanted users whose event lies in a range, which is the same for all of them.
    fn within(
        &self,
        pass: &mut ChunkPass<'_>,
        wanted: &Words,
        range: TimeRange,
        found: &mut Words,
    ) {
        found.fill(0);
        if range.is_empty() {
            return;
        }
        let machine = pass.machine;
        let chosen = self.choose(pass, wanted);
        if let Some(times) = &chosen.times {
            machine.or_i64_within(times, range.from.0, range.to.0 - 1, found);
        } else {
            // Rows of a range follow one another, and so do their numbers, but for those of several
            // streams of one partition.
            let numbers = chosen.numbers();
            let mut run: Option<(u32, u32)> = None;
            for (source, base) in self.events.sources.iter().zip(&chosen.bases) {
                let rows = source.stream.rows_in(pass.chunk, range);
                if rows.is_empty() {
                    continue;
                }
                let first = source.stream.chunk_rows(pass.chunk).start;
                let low = base + (rows.start - first) as u32 + 1;
                let high = base + (rows.end - first) as u32;
                run = Some(match run {
                    Some((run_low, run_high)) if run_high + 1 == low => (run_low, high),
                    Some((run_low, run_high)) => {
                        machine.or_u32_within(numbers, run_low, run_high, found);
                        (low, high)
                    }
                    None => (low, high),
                });
            }
            if let Some((low, high)) = run {
                machine.or_u32_within(numbers, low, high, found);
            }
        }
        words::and(found, &chosen.found);
        chosen.give(pass.scratch);
    }

    /// The wanted users that have the event and of whose event the source's filter is true.
    fn verdicts(
        &self,
        pass: &mut ChunkPass<'_>,
        wanted: &Words,
        tests: &[Filter<'_>],
        kept: Option<&EdgeTest<'_>>,
    ) -> Words {
        let (machine, chunk) = (pass.machine, pass.chunk);
        let kept = kept.zip(self.edge.as_ref());
        // Nothing need be known of the rows themselves if all of them lie in the window.
        if let Some((test, edge)) = kept
            && edge.is_covered(self.events.window())
            && let Some(mut passing) = test.passing(edge, machine, chunk)
        {
            pass.tally.bytes += CHUNK_USERS as u64;
            words::and(&mut passing, wanted);
            return passing;
        }
        let chosen = self.choose(pass, wanted);
        if let Some((test, edge)) = kept
            && let Numbers::Kept(_) = chosen.numbers
            && let Some(mut passing) = test.passing(edge, machine, chunk)
        {
            pass.tally.bytes += CHUNK_USERS as u64;
            words::and(&mut passing, &chosen.found);
            chosen.give(pass.scratch);
            return passing;
        }
        let mut passing = words::EMPTY;
        let mut bytes = pass.scratch.u8s.take();
        let mut places = pass.scratch.u32s.take();
        let numbers = chosen.numbers();
        self.each_source(pass, &chosen, |position, users, rows, base| {
            let source = &self.events.sources[position];
            let context = RowContext {
                machine,
                chunk,
                users: source.stream.users(),
                times: source.stream.times(),
            };
            let test = &tests[position];
            let mut verdicts = words::EMPTY;
            if words::count(users) >= DENSE_USERS {
                // Others get the verdict on any row, and are left out below.
                let (first, last) = (rows.start as u32, rows.end as u32 - 1);
                for (place, number) in places.iter_mut().zip(numbers) {
                    *place = number
                        .wrapping_sub(base + 1)
                        .wrapping_add(first)
                        .min(last)
                        .max(first);
                }
                test.eval_scattered(&context, &places[..], &mut bytes[..]);
                machine.pack(&bytes[..], &mut verdicts);
                words::and(&mut verdicts, users);
            } else {
                let mut len = 0;
                words::for_each(users, |user| {
                    places[len] = rows.start as u32 + (numbers[user] - base - 1);
                    len += 1;
                });
                test.eval_scattered(&context, &places[..len], &mut bytes[..len]);
                words::mark(users, &bytes[..len], &mut verdicts);
            }
            words::or(&mut passing, &verdicts);
        });
        pass.scratch.u8s.give(bytes);
        pass.scratch.u32s.give(places);
        chosen.give(pass.scratch);
        passing
    }

    /// Calls `visit` with the position of each source that holds somebody's row: who, the rows that the source has of
    /// the chunk, and the number before that of the first of them.
    fn each_source(
        &self,
        pass: &ChunkPass<'_>,
        chosen: &Chosen<'_>,
        mut visit: impl FnMut(usize, &Words, Range<usize>, u32),
    ) {
        let mut rest = chosen.found;
        let sources = &self.events.sources;
        for step in 0..sources.len() {
            // Where most of them are comes first.
            let position = if self.position == Position::Last {
                sources.len() - 1 - step
            } else {
                step
            };
            if words::is_empty(&rest) {
                break;
            }
            let (source, base) = (&sources[position], chosen.bases[position]);
            let rows = source.stream.chunk_rows(pass.chunk);
            if rows.is_empty() {
                continue;
            }
            let mut users = words::EMPTY;
            let last = base + rows.len() as u32;
            pass.machine
                .or_u32_within(chosen.numbers(), base + 1, last, &mut users);
            words::and(&mut users, &rest);
            if !words::is_empty(&users) {
                visit(position, &users, rows, base);
                words::and_not(&mut rest, &users);
            }
        }
    }

    /// The row of each wanted user.
    fn choose(&self, pass: &mut ChunkPass<'_>, wanted: &Words) -> Chosen<'_> {
        if let Some(chosen) = self.kept(pass, wanted) {
            return chosen;
        }
        let selection = self.events.selection();
        selection
            .and_then(|selection| self.select(selection, pass, wanted))
            .unwrap_or_else(|| self.scan(pass, wanted))
    }

    /// The rows that are kept, unless rows outside of the window hide some of those inside.
    fn kept(&self, pass: &mut ChunkPass<'_>, wanted: &Words) -> Option<Chosen<'_>> {
        let edge = self.edge.as_ref()?;
        let (machine, chunk) = (pass.machine, pass.chunk);
        let numbers = edge.numbers(machine, chunk)?;
        pass.tally.bytes += size_of_val(numbers) as u64;
        let window = self.events.window();
        let before = edge.rows_before(chunk, window.from);
        let last = edge.rows_before(chunk, window.to);
        let mut hidden = words::EMPTY;
        match self.position {
            Position::First if before > 0 => {
                machine.or_u32_within(numbers, 1, before, &mut hidden);
            }
            Position::Last if last < edge.rows(chunk) => {
                machine.or_u32_within(numbers, last + 1, u32::MAX, &mut hidden);
            }
            _ => {}
        }
        words::and(&mut hidden, wanted);
        if !words::is_empty(&hidden) {
            return None;
        }
        let mut found = words::EMPTY;
        if before < last {
            machine.or_u32_within(numbers, before + 1, last, &mut found);
            words::and(&mut found, wanted);
        }
        let mut bases = std::mem::take(&mut pass.scratch.bases);
        bases.clear();
        let partitions = self.events.sources.iter().map(|source| source.partition);
        bases.extend(partitions.map(|partition| edge.base(chunk, partition)));
        Some(Chosen {
            numbers: Numbers::Kept(numbers),
            bases,
            times: None,
            found,
        })
    }

    /// From the rows that pass the predicate, if they are kept.
    fn select(
        &self,
        selection: &Selection<'_>,
        pass: &mut ChunkPass<'_>,
        wanted: &Words,
    ) -> Option<Chosen<'static>> {
        let is_first = match self.position {
            Position::First => true,
            Position::Last => false,
            Position::Nth(_) => return None,
        };
        let rows = selection.rows(pass)?;
        let mut numbers = pass.scratch.u32s.take();
        let mut found = words::EMPTY;
        if !rows.users.is_empty() {
            numbers.fill(no_row(if is_first { End::First } else { End::Last }));
            pass.machine.set_users(rows.users, &mut found);
            words::and(&mut found, wanted);
            // What is written last stays.
            let mut put = |(&user, &number): (&u16, &u32)| {
                numbers[user as usize & (CHUNK_USERS - 1)] = number;
            };
            let rows = rows.users.iter().zip(rows.numbers);
            if is_first {
                rows.rev().for_each(&mut put);
            } else {
                rows.for_each(&mut put);
            }
        }
        let mut bases = std::mem::take(&mut pass.scratch.bases);
        bases.clear();
        let partitions = self.events.sources.iter().map(|source| source.partition);
        bases.extend(partitions.map(|partition| selection.base(pass.chunk, partition)));
        Some(Chosen {
            numbers: Numbers::Made(numbers),
            bases,
            times: None,
            found,
        })
    }

    /// Looks for the rows.
    fn scan(&self, pass: &mut ChunkPass<'_>, wanted: &Words) -> Chosen<'_> {
        let sources = &self.events.sources;
        let bounds = self.events.bounds(pass, wanted);
        let mut bases = std::mem::take(&mut pass.scratch.bases);
        bases.clear();
        let mut next = 0;
        for source in sources {
            bases.push(next);
            next += source.stream.chunk_rows(pass.chunk).len() as u32;
        }
        let mut groups: Vec<Range<usize>> = Vec::new();
        for position in 0..sources.len() {
            match groups.last_mut() {
                Some(group) if sources[group.start].partition == sources[position].partition => {
                    group.end += 1;
                }
                _ => groups.push(position..position + 1),
            }
        }
        if self.position == Position::Last {
            groups.reverse();
        }
        let needs_times = groups.iter().any(|group| group.len() > 1);
        let mut walk = Walk {
            occurrence: self,
            pass,
            wanted,
            bounds: bounds.as_ref(),
            bases: &bases,
            none: no_row(match self.position {
                Position::First => End::First,
                _ => End::Last,
            }),
        };
        let mut numbers = walk.pass.scratch.u32s.take();
        numbers.fill(walk.none);
        let mut found = words::EMPTY;
        let mut times = None;
        match self.position {
            Position::Nth(n) => walk.nth(&groups, n, &mut numbers, &mut found),
            _ if needs_times => {
                let mut best = walk.pass.scratch.i64s.take();
                walk.best_by_time(&groups, &mut best, &mut numbers, &mut found);
                times = Some(best);
            }
            _ => walk.best_by_number(&groups, &mut numbers, &mut found),
        }
        words::and(&mut found, wanted);
        if let Some(bounds) = bounds {
            bounds.give(pass.scratch);
        }
        Chosen {
            numbers: Numbers::Made(numbers),
            bases,
            times,
            found,
        }
    }
}

/// A walk over the rows of a chunk, partition by partition.
struct Walk<'p, 's, 'a> {
    occurrence: &'p Occurrence<'a>,
    pass: &'p mut ChunkPass<'s>,
    wanted: &'p Words,
    bounds: Option<&'p UserBounds>,
    bases: &'p [u32],
    /// The number of who has no row.
    none: u32,
}

impl Walk<'_, '_, '_> {
    /// Calls `step` with the users of some rows of a source, which of them count, the rows, and the
    /// number of the first.
    fn rows(
        &mut self,
        position: usize,
        mut step: impl FnMut(Machine, &[u16], Option<&[u8]>, Range<usize>, u32),
    ) {
        let events = &self.occurrence.events;
        let source = &events.sources[position];
        let wanted_len = words::count(self.wanted);
        if !source.may_match(self.pass.chunk, self.wanted, wanted_len) {
            return;
        }
        let machine = self.pass.machine;
        let first = source.stream.chunk_rows(self.pass.chunk).start;
        let base = self.bases[position];
        events.scan_source(self.pass, position, self.bounds, &mut |rows| {
            let number = base + (rows.range.start - first) as u32 + 1;
            step(machine, rows.users, rows.mask, rows.range.clone(), number);
        });
    }

    /// The same in blocks with a mask in any case.
    fn blocks(
        &mut self,
        position: usize,
        mut step: impl FnMut(Machine, &[u16], &[u8], Range<usize>, u32),
    ) {
        self.rows(position, |machine, users, mask, rows, number| {
            for start in (0..users.len()).step_by(BLOCK) {
                let end = users.len().min(start + BLOCK);
                let mask = mask.map_or(&[1; BLOCK][..end - start], |mask| &mask[start..end]);
                let rows = rows.start + start..rows.start + end;
                step(
                    machine,
                    &users[start..end],
                    mask,
                    rows,
                    number + start as u32,
                );
            }
        });
    }

    /// Who has a row; whether that is everybody wanted.
    fn is_done(&self, numbers: &RowNumbers, found: &mut Words) -> bool {
        found.fill(0);
        let (low, high) = if self.none == 0 {
            (1, u32::MAX)
        } else {
            (1, u32::MAX - 1)
        };
        self.pass.machine.or_u32_within(numbers, low, high, found);
        self.occurrence.short_circuit && words::covers(found, self.wanted)
    }

    /// First and last rows where each partition has one name: numbers ascend in time.
    fn best_by_number(
        &mut self,
        groups: &[Range<usize>],
        numbers: &mut RowNumbers,
        found: &mut Words,
    ) {
        let is_first = self.occurrence.position == Position::First;
        for group in groups {
            for position in group.clone() {
                self.rows(position, |machine, users, mask, _, number| {
                    let count = mask.map_or(users.len(), |mask| machine.count_mask(mask) as usize);
                    match (is_first, mask) {
                        (true, None) => machine.least_row(users, number, numbers),
                        (false, None) => machine.greatest_row(users, number, numbers),
                        (_, Some(mask)) if count * SPARSE <= users.len() => {
                            for row in machine.ones(mask) {
                                let best = &mut numbers[users[row] as usize & (CHUNK_USERS - 1)];
                                let number = number + row as u32;
                                *best = if is_first {
                                    number.min(*best)
                                } else {
                                    number.max(*best)
                                };
                            }
                        }
                        (true, Some(mask)) => {
                            machine.least_row_masked(users, mask, number, numbers);
                        }
                        (false, Some(mask)) => {
                            machine.greatest_row_masked(users, mask, number, numbers);
                        }
                    }
                });
            }
            if self.is_done(numbers, found) {
                return;
            }
        }
    }

    /// First and last rows of several names.
    fn best_by_time(
        &mut self,
        groups: &[Range<usize>],
        best: &mut [i64; CHUNK_USERS],
        numbers: &mut RowNumbers,
        found: &mut Words,
    ) {
        let is_first = self.occurrence.position == Position::First;
        best.fill(if is_first { i64::MAX } else { i64::MIN });
        let sources = &self.occurrence.events.sources;
        let mut times = [0_i64; BLOCK];
        for group in groups {
            for position in group.clone() {
                self.blocks(position, |machine, users, mask, rows, number| {
                    let times = &mut times[..rows.len()];
                    sources[position].read_times(rows, times);
                    if is_first {
                        machine.earliest_row(users, mask, times, number, best, numbers);
                    } else {
                        machine.latest_row(users, mask, times, number, best, numbers);
                    }
                });
            }
            if self.is_done(numbers, found) {
                return;
            }
        }
    }

    fn nth(
        &mut self,
        groups: &[Range<usize>],
        n: u32,
        numbers: &mut RowNumbers,
        found: &mut Words,
    ) {
        let mut counts = self.pass.scratch.u32s.take();
        counts.fill(0);
        for group in groups {
            if group.len() == 1 {
                self.blocks(group.start, |machine, users, mask, _, number| {
                    machine.nth_row_masked(users, mask, number, n, &mut counts, numbers);
                });
            } else {
                self.nth_of_many(group.clone(), n, &mut counts, numbers);
            }
            if self.is_done(numbers, found) {
                break;
            }
        }
        self.pass.scratch.u32s.give(counts);
    }

    fn nth_of_many(
        &mut self,
        group: Range<usize>,
        n: u32,
        counts: &mut [u32; CHUNK_USERS],
        numbers: &mut RowNumbers,
    ) {
        let sources = &self.occurrence.events.sources;
        let mut rows: Vec<(u16, i64, u32)> = Vec::new();
        let mut times = [0_i64; BLOCK];
        for position in group {
            self.blocks(position, |_, users, mask, block, number| {
                let times = &mut times[..block.len()];
                sources[position].read_times(block, times);
                let of_rows = users.iter().zip(mask).zip(times).zip(number..);
                for (((&user, &mask), &mut time), number) in of_rows {
                    if mask == 1 {
                        rows.push((user, time, number));
                    }
                }
            });
        }
        // Stable: rows were added by name, and in order within a name.
        rows.sort_by_key(|&(user, time, _)| (user, time));
        for (user, _, number) in rows {
            let user = user as usize;
            counts[user] = counts[user].saturating_add(1);
            if counts[user] == n {
                numbers[user] = number;
            }
        }
    }
}

/// `first(E) PRED` and the like.
pub(crate) struct OccurrenceCondition<'a> {
    occurrence: Occurrence<'a>,
    test: Test<'a>,
}

enum Test<'a> {
    /// The event's time lies in the range and in the user's own window.
    When {
        range: TimeRange,
        anchor: Option<Box<Anchor<'a>>>,
    },
    /// A filter for each source, and the same test of what is kept of the rows.
    Rows {
        filters: Vec<Filter<'a>>,
        kept: Option<EdgeTest<'a>>,
    },
}

impl<'a> OccurrenceCondition<'a> {
    pub(crate) fn bind(
        binder: Binder<'a>,
        plan: &'a PlanOccurrence,
        test: &'a PlanOccurrenceTest,
    ) -> Result<Self, EvalError> {
        let occurrence = Occurrence::bind(binder, plan)?;
        let sources = &occurrence.events.sources;
        let test = match test {
            PlanOccurrenceTest::When(window) => Test::When {
                range: window.range,
                anchor: Anchor::bind(binder, window)?,
            },
            PlanOccurrenceTest::EventName(verdicts) => {
                let filters = sources.iter().map(|source| {
                    let name = source.stream.name();
                    let holds = verdicts
                        .iter()
                        .any(|(other, holds)| other == name && *holds);
                    if holds { Filter::Always } else { Filter::Never }
                });
                Test::Rows {
                    filters: filters.collect(),
                    kept: None,
                }
            }
            PlanOccurrenceTest::Property { operand, test } => {
                let filters = sources
                    .iter()
                    .map(|source| Filter::bind_test(operand, test, source.stream, &binder));
                let filters = filters.collect::<Result<_, _>>()?;
                let kept = match (operand, &occurrence.edge) {
                    (Operand::Property(path), Some(edge)) => {
                        EdgeTest::bind(binder, edge, path, test)
                    }
                    _ => None,
                };
                Test::Rows { filters, kept }
            }
        };
        Ok(Self { occurrence, test })
    }

    pub(crate) fn cost_rows(&self) -> u64 {
        self.occurrence.cost_rows()
    }

    /// How the answer is found, for profiles.
    pub(crate) fn path(&self) -> Path {
        if self.occurrence.is_summarised() {
            Path::Summary
        } else {
            Path::Scan
        }
    }

    pub(crate) fn eval(&self, pass: &mut ChunkPass<'_>, wanted: &Words, found: &mut Words) {
        let (range, anchor) = match &self.test {
            Test::Rows { filters, kept } => {
                *found = self
                    .occurrence
                    .verdicts(pass, wanted, filters, kept.as_ref());
                return;
            }
            Test::When { range, anchor } => (range, anchor),
        };
        let Some(anchor) = anchor else {
            self.occurrence.within(pass, wanted, *range, found);
            return;
        };
        found.fill(0);
        if range.is_empty() {
            return;
        }
        let mut times = pass.scratch.i64s.take();
        let mut having = words::EMPTY;
        self.occurrence.times(pass, wanted, &mut times, &mut having);
        let (from, to) = (range.from.0, range.to.0 - 1);
        pass.machine.or_i64_within(&times, from, to, found);
        words::and(found, &having);
        let having = *found;
        let bounds = anchor.bounds(pass, &having);
        words::for_each(&having, |user| {
            if !(bounds.low[user]..=bounds.high[user]).contains(&times[user]) {
                found[user / 64] &= !(1 << (user % 64));
            }
        });
        bounds.give(pass.scratch);
        pass.scratch.i64s.give(times);
    }
}
