//! The rows of one stream that matter to a condition.

use super::Rows;
use crate::EvalError;
use crate::anchor::UserBounds;
use crate::filter::{Filter, RowContext};
use crate::kernel::{BLOCK, Code, Machine};
use crate::pass::ChunkPass;
use crate::widths::with_offsets;
use crate::words::{self, Words};
use crowdset_index::{FrozenSet, Term, TermIndex};
use crowdset_query::{CompareOp, Operand};
use crowdset_query::{PlanEvent, PlanLiteral, PlanPredicate, PlanTest};
use crowdset_storage::{PartData, Stream};
use crowdset_types::{CHUNK_USERS, ChunkId, TimeRange};
use std::ops::Range;

/// Sets that are expected to have more users than this in common are taken to have some.
const COMMON_MAX: f64 = 16.0;

/// Bytes of a row's user and, in most streams, of its time.
const USER_BYTES: u64 = 2;
pub(crate) const TIME_BYTES: u64 = 4;

/// The rows of one stream that matter.
pub(crate) struct Source<'a> {
    /// Position of the partition; sources ascend by it, then by event name.
    pub(crate) partition: usize,
    pub(crate) stream: &'a Stream,
    /// The window, cut to the stream's span.
    pub(crate) range: TimeRange,
    pub(crate) filter: Filter<'a>,
    /// Users with at least one row that passes the filter, anywhere in the partition.
    pub(super) sets: Option<Vec<FrozenSet<'a>>>,
    /// About which share of all users they are.
    pub(super) share: f64,
    /// Whether the window holds every row of the stream.
    pub(super) is_covered: bool,
    /// Bytes that the condition reads for each row beside user and filter, for profiles.
    pub(super) value_bytes: u64,
}

impl Source<'_> {
    /// Whether the index alone says who has a row that counts.
    pub(super) fn is_answered(&self) -> bool {
        self.is_covered && self.sets.is_some()
    }

    /// Notes that so many rows of the chunk are read.
    pub(crate) fn read(&self, pass: &mut ChunkPass<'_>, rows: usize) {
        pass.tally.rows += rows as u64;
        pass.tally.bytes +=
            rows as u64 * (USER_BYTES + self.value_bytes + self.filter.bytes_per_row());
    }

    /// Notes that no other rows of the chunk need be read than so many.
    pub(crate) fn skip_all_but(&self, pass: &mut ChunkPass<'_>, rows: usize) {
        let all = self.stream.chunk_rows(pass.chunk).len();
        pass.tally.rows_skipped += all.saturating_sub(rows) as u64;
    }

    pub(super) fn cost_rows(&self) -> u64 {
        let (range, span) = (self.range, self.stream.span());
        let share =
            (range.to.0 - range.from.0) as f64 / ((span.to.0 - span.from.0) as f64).max(1.0);
        (self.stream.rows() as f64 * share) as u64
    }

    /// Adds the users with a row that passes the filter, anywhere in the partition.
    pub(super) fn or_sets(&self, chunk: ChunkId, found: &mut Words) {
        for set in self.sets.iter().flatten() {
            set.or_chunk(chunk, found);
        }
    }

    /// False only if no wanted user of the chunk has a row that passes. `wanted_len`: how many are
    /// wanted.
    pub(crate) fn may_match(&self, chunk: ChunkId, wanted: &Words, wanted_len: u64) -> bool {
        if chunk.index() >= self.stream.chunks() {
            return false;
        }
        // Reading the set costs more than scanning fewer rows than this.
        if self.sets.is_none() || self.stream.chunk_rows(chunk).len() < BLOCK {
            return true;
        }
        // Nor is there much hope that many of many users have nothing in common.
        if self.share * wanted_len as f64 > COMMON_MAX {
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
    pub(super) fn visit(
        &self,
        pass: &mut ChunkPass<'_>,
        position: usize,
        rows: Range<usize>,
        bounds: Option<&UserBounds>,
        visit: &mut dyn FnMut(&Rows<'_>),
    ) {
        self.read(pass, rows.len());
        if rows.is_empty() {
            return;
        }
        let users = self.stream.users();
        if bounds.is_some() {
            pass.tally.bytes += rows.len() as u64 * TIME_BYTES;
        }
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

    /// Brings each user's instant up to the latest of some rows.
    pub(crate) fn max_times(
        &self,
        machine: Machine,
        rows: &Rows<'_>,
        latest: &mut [i64; CHUNK_USERS],
    ) {
        let times = self.stream.times();
        let Some(mask) = rows.mask else {
            with_offsets!(times.offsets, offsets => {
                machine.max_offsets(rows.users, &offsets[rows.range.clone()], times.base, latest);
            });
            return;
        };
        with_offsets!(times.offsets, offsets => {
            machine.max_codes(rows.users, mask, &offsets[rows.range.clone()], times.base, 1, latest);
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
pub(super) fn term_sets<'a>(
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
