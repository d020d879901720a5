//! The order of a stream's rows: by chunk of users, then time, then, for rows of one user at the
//! same time, event id.
//!
//! Input is mostly in order of time. A stable counting sort by chunk keeps that order, so that most
//! chunks need a look and no sort.

use crate::error::StorageError;
use crate::event_ids::EventIdKey;
use crate::image::SectionBytes;
use crate::staging::StagedRows;
use crate::stream::SlotsMeta;
use crowdset_types::{CHUNK_USERS, UserOrdinal};
use std::ops::Range;

/// Rows that one slot of the time index should hold: a binary search among them touches few lines.
const SLOT_ROWS: usize = 128;
const SLOTS_MAX: u64 = 4096;

/// A stream's users and times, in order, and where each arrived row went.
#[derive(Debug)]
pub(crate) struct SortedRows {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) chunks: usize,
    pub(crate) slots: SlotsMeta,
    pub(crate) users: SectionBytes,
    pub(crate) times: SectionBytes,
    pub(crate) starts: SectionBytes,
    /// The place of each row, by number of arrival.
    pub(crate) places: Vec<u32>,
    /// Runs of places that hold rows of one user at one time.
    pub(crate) ties: Vec<Range<u32>>,
    /// The positions in the row file of the rows of all ties, one after the other.
    pub(crate) tie_positions: Vec<u32>,
}

/// The times of a stream's rows, as milliseconds since the base.
trait Offset: arrow_buffer::ArrowNativeType + Ord {
    fn of(offset: u64) -> Self;
    fn value(self) -> u64;
}

impl Offset for u32 {
    fn of(offset: u64) -> Self {
        offset as Self
    }

    fn value(self) -> u64 {
        u64::from(self)
    }
}

impl Offset for u64 {
    fn of(offset: u64) -> Self {
        offset
    }

    fn value(self) -> u64 {
        self
    }
}

/// Sorts the rows of one event name. `base` is not later than any row; `wide`: offsets of 64 bits.
pub(crate) fn sort_rows(
    name: &str,
    blocks: &[StagedRows],
    base: i64,
    wide: bool,
) -> Result<SortedRows, StorageError> {
    let rows: u64 = blocks.iter().map(|block| block.users.len() as u64).sum();
    if rows >= u64::from(u32::MAX) {
        let what = format!("rows of `{name}` in one partition");
        return Err(StorageError::TooLarge {
            what,
            found: rows,
            limit: u64::from(u32::MAX),
        });
    }
    for block in blocks {
        if block.users.len() != block.times.len() || block.users.len() != block.positions.len() {
            let what = format!(
                "{} users, {} times, {} positions",
                block.users.len(),
                block.times.len(),
                block.positions.len()
            );
            return Err(StorageError::BadRows {
                event: name.to_owned(),
                what,
            });
        }
    }
    Ok(if wide {
        sort::<u64>(blocks, rows as usize, base)
    } else {
        sort::<u32>(blocks, rows as usize, base)
    })
}

fn sort<T: Offset>(blocks: &[StagedRows], rows: usize, base: i64) -> SortedRows {
    // Counting sort by chunk: how many, where each chunk begins, then each row to the next place.
    let mut counts: Vec<u32> = Vec::new();
    for user in blocks.iter().flat_map(|block| &block.users) {
        let chunk = *user as usize / CHUNK_USERS;
        if chunk >= counts.len() {
            counts.resize(chunk + 1, 0);
        }
        counts[chunk] += 1;
    }
    let mut next = Vec::with_capacity(counts.len());
    let mut total = 0;
    for count in &counts {
        next.push(total);
        total += count;
    }
    let chunk_starts: Vec<u32> = next.iter().copied().chain([total]).collect();

    let mut users = vec![0_u16; rows];
    let mut times = vec![T::of(0); rows];
    let mut places = Vec::with_capacity(rows);
    for block in blocks {
        for (user, time) in block.users.iter().zip(&block.times) {
            let user = UserOrdinal(*user);
            let place = &mut next[user.chunk().index()];
            users[*place as usize] = user.within_chunk();
            times[*place as usize] = T::of(time.wrapping_sub(base) as u64);
            places.push(*place);
            *place += 1;
        }
    }

    let mut fix = Fix::default();
    let mut ties = Vec::new();
    for chunk in chunk_starts.windows(2) {
        let range = chunk[0] as usize..chunk[1] as usize;
        if !times[range.clone()].is_sorted() {
            fix.sort_chunk(range.clone(), &mut users, &mut times);
        }
        fix.find_ties(range, &mut users, &times, &mut ties);
    }
    if let Some(new_places) = fix.into_places() {
        for place in &mut places {
            *place = new_places[*place as usize];
        }
    }

    let tie_positions = if ties.is_empty() {
        Vec::new()
    } else {
        let mut positions = vec![0_u32; rows];
        for (place, position) in places
            .iter()
            .zip(blocks.iter().flat_map(|block| &block.positions))
        {
            positions[*place as usize] = *position;
        }
        ties.iter()
            .flat_map(|tie| &positions[tie.start as usize..tie.end as usize])
            .copied()
            .collect()
    };

    let value = |time: Option<&T>| time.map_or(0, |time| time.value());
    let (first, last) = (value(times.iter().min()), value(times.iter().max()));
    let (slots, starts) = time_slots(&times, &chunk_starts, first, last);
    SortedRows {
        first,
        last,
        chunks: counts.len(),
        slots,
        users: SectionBytes::new(users),
        times: SectionBytes::new(times),
        starts: SectionBytes::new(starts),
        places,
        ties,
        tie_positions,
    }
}

/// Corrections of the order that the counting sort left: made only if something is out of order.
#[derive(Default)]
struct Fix {
    /// For each place, the place from before the corrections.
    origins: Vec<u32>,
}

impl Fix {
    /// Applies an order of a range: `order[i]` is the index, within the range, of what comes `i`-th.
    fn reorder(&mut self, range: Range<usize>, rows: usize, order: &[u32]) {
        if self.origins.is_empty() {
            self.origins = (0..rows as u32).collect();
        }
        let origins = &mut self.origins[range];
        let before = origins.to_vec();
        for (origin, index) in origins.iter_mut().zip(order) {
            *origin = before[*index as usize];
        }
    }

    fn sort_chunk<T: Offset>(&mut self, range: Range<usize>, users: &mut [u16], times: &mut [T]) {
        let mut keys: Vec<(T, u32)> = times[range.clone()].iter().copied().zip(0..).collect();
        // Distinct keys: an unstable sort keeps rows of equal time in order of arrival.
        keys.sort_unstable();
        let order: Vec<u32> = keys.iter().map(|(_, index)| *index).collect();
        for (time, (sorted, _)) in times[range.clone()].iter_mut().zip(&keys) {
            *time = *sorted;
        }
        self.reorder(range.clone(), users.len(), &order);
        permute(&mut users[range], &order);
    }

    /// Brings rows of one user at one time together and notes them.
    fn find_ties<T: Offset>(
        &mut self,
        range: Range<usize>,
        users: &mut [u16],
        times: &[T],
        ties: &mut Vec<Range<u32>>,
    ) {
        let mut start = range.start;
        while start < range.end {
            let mut end = start + 1;
            while end < range.end && times[end] == times[start] {
                end += 1;
            }
            if end - start > 1 && has_repetition(&users[start..end]) {
                let mut order: Vec<u32> = (0..(end - start) as u32).collect();
                order.sort_by_key(|index| users[start + *index as usize]);
                self.reorder(start..end, users.len(), &order);
                permute(&mut users[start..end], &order);
                let mut of_user = start;
                for run in users[start..end].chunk_by(|left, right| left == right) {
                    if run.len() > 1 {
                        ties.push(of_user as u32..(of_user + run.len()) as u32);
                    }
                    of_user += run.len();
                }
            }
            start = end;
        }
    }

    /// For each place from before the corrections, the place now; `None` if nothing moved.
    fn into_places(self) -> Option<Vec<u32>> {
        if self.origins.is_empty() {
            return None;
        }
        let mut places = vec![0; self.origins.len()];
        for (place, origin) in (0_u32..).zip(&self.origins) {
            places[*origin as usize] = place;
        }
        Some(places)
    }
}

fn permute(users: &mut [u16], order: &[u32]) {
    let before = users.to_vec();
    for (user, index) in users.iter_mut().zip(order) {
        *user = before[*index as usize];
    }
}

fn has_repetition(users: &[u16]) -> bool {
    if users.len() <= 16 {
        return users
            .iter()
            .enumerate()
            .any(|(index, user)| users[..index].contains(user));
    }
    let mut sorted = users.to_vec();
    sorted.sort_unstable();
    sorted.windows(2).any(|pair| pair[0] == pair[1])
}

/// The first row of each slot of each chunk, and the number of rows at the end.
fn time_slots<T: Offset>(
    times: &[T],
    chunk_starts: &[u32],
    first: u64,
    last: u64,
) -> (SlotsMeta, Vec<u32>) {
    let chunks = chunk_starts.len() - 1;
    let wanted = (times.len() / (chunks.max(1) * SLOT_ROWS)).max(1) as u64;
    let span = last - first + 1;
    let width = span.div_ceil(wanted.min(SLOTS_MAX)).next_power_of_two();
    let shift = width.trailing_zeros();
    let count = ((span - 1) >> shift) as usize + 1;
    let mut starts = Vec::with_capacity(chunks * count + 1);
    for chunk in chunk_starts.windows(2) {
        let mut row = chunk[0] as usize;
        for slot in 0..count as u64 {
            while row < chunk[1] as usize && (times[row].value() - first) >> shift < slot {
                row += 1;
            }
            starts.push(row as u32);
        }
    }
    starts.push(times.len() as u32);
    (
        SlotsMeta {
            count: count as u32,
            shift,
        },
        starts,
    )
}

impl SortedRows {
    /// Puts the rows of each tie in the order of their event ids, given in the order of
    /// [`SortedRows::tie_positions`].
    pub(crate) fn order_ties(&mut self, ids: &[EventIdKey]) {
        if self.ties.is_empty() {
            return;
        }
        let mut new_places: Vec<u32> = (0..self.places.len() as u32).collect();
        let mut rest = ids;
        for tie in &self.ties {
            let (of_tie, others) = rest.split_at(tie.len());
            rest = others;
            let mut order: Vec<u32> = (0..tie.len() as u32).collect();
            order.sort_by(|left, right| of_tie[*left as usize].cmp(&of_tie[*right as usize]));
            for (place, index) in (tie.start..).zip(order) {
                new_places[(tie.start + index) as usize] = place;
            }
        }
        for place in &mut self.places {
            *place = new_places[*place as usize];
        }
        self.ties = Vec::new();
        self.tie_positions = Vec::new();
    }
}
