//! Measures that count stretches of time: calendar periods and slices with events in them.
//!
//! All become numbers per row, small ones where they can be, and sets of numbers per user.

use super::measure::UserSets;
use crate::EvalError;
use crate::anchor::UserBounds;
use crate::dataset::Binder;
use crate::days::{ActiveDays, DAY_MS};
use crate::events::{Events, Rows};
use crate::kernel::{BLOCK, Code};
use crate::pass::ChunkPass;
use crate::planes::Planes;
use crate::widths::with_offsets;
use crate::words::{self, Words};
use crowdset_query::{AnchorRelation, PeriodUnit, PlanEvents};
use crowdset_types::{CHUNK_USERS, DurationMillis, TimeRange};
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

const WEEK_MS: i64 = 7 * DAY_MS;

/// A Monday, from which weeks are counted: 1970-01-05.
const MONDAY_MS: i64 = 4 * DAY_MS;

/// `days(…)`, `weeks(…)`, `months(…)`, made ready.
pub(crate) struct Calendar<'a> {
    events: Events<'a>,
    periods: Periods,
    /// Whole days are answered from who was active on them.
    active: Option<ActiveDays<'a>>,
}

/// The periods that may hold rows.
enum Periods {
    /// UTC days, from this instant on.
    Days { start: i64, len: u64 },
    /// UTC weeks, from this instant on.
    Weeks { start: i64, len: u64 },
    /// Where each period begins; the first at or before every row.
    Table(Vec<i64>),
}

impl<'a> Calendar<'a> {
    pub(crate) fn bind(
        binder: Binder<'a>,
        unit: PeriodUnit,
        zone: Option<&str>,
        events: &'a PlanEvents,
    ) -> Result<Self, EvalError> {
        let plan = events;
        let events = Events::bind(binder, plan)?.with_times();
        let (first, last) = span(&events);
        let aligned = |origin: i64, length: i64| {
            let start = (first - origin).div_euclid(length) * length + origin;
            (start, ((last - start) / length + 1) as u64)
        };
        let periods = match (unit, zone) {
            (PeriodUnit::Day, None) => {
                let (start, len) = aligned(0, DAY_MS);
                Periods::Days { start, len }
            }
            (PeriodUnit::Week, None) => {
                let (start, len) = aligned(MONDAY_MS, WEEK_MS);
                Periods::Weeks { start, len }
            }
            (unit, zone) => Periods::Table(starts(unit, &time_zone(zone)?, first, last)),
        };
        let active = match periods {
            Periods::Days { .. } | Periods::Weeks { .. } => events.active_days(binder, plan),
            Periods::Table(_) => None,
        };
        Ok(Self {
            events,
            periods,
            active,
        })
    }

    /// Whether kept days answer it.
    pub(crate) fn is_summarised(&self) -> bool {
        self.active.is_some()
    }

    /// About how many rows are read, over all users.
    pub(crate) fn cost_rows(&self) -> u64 {
        match &self.active {
            Some(active) => active.cost_rows(),
            None => self.events.cost_rows(),
        }
    }

    /// Counts the periods of each user from kept days, if there are any.
    fn count_active(&self, pass: &mut ChunkPass<'_>) -> Option<Planes> {
        let active = self.active.as_ref()?;
        let cut = active.cut(self.events.window());
        // The days at both ends may not be whole.
        let periods_max = (cut.whole.end - cut.whole.start).max(0) as usize + 2;
        let mut planes = Planes::new(std::mem::take(&mut pass.scratch.planes), periods_max);
        let mut edges = [words::EMPTY; 2];
        for (users, range) in edges.iter_mut().zip(cut.edges) {
            self.events.did_in(pass, range, users);
        }
        let whole = active.days(pass.machine, pass.chunk, cut.whole.clone());
        pass.tally.bytes += size_of_val(whole) as u64;
        let before = (!cut.edges[0].is_empty()).then_some((cut.edges[0].from.0, &edges[0]));
        let behind = (!cut.edges[1].is_empty()).then_some((cut.edges[1].from.0, &edges[1]));
        let starts = cut.whole.map(|day| day.saturating_mul(DAY_MS));
        let days = before.into_iter().chain(starts.zip(whole)).chain(behind);
        let mut period = (i64::MIN, words::EMPTY);
        for (start, users) in days {
            let number = match self.periods {
                Periods::Weeks { .. } => (start - MONDAY_MS).div_euclid(WEEK_MS),
                _ => start.div_euclid(DAY_MS),
            };
            if number != period.0 {
                planes.add(&period.1);
                period = (number, words::EMPTY);
            }
            words::or(&mut period.1, users);
        }
        planes.add(&period.1);
        Some(planes)
    }

    /// Adds the users whose number of periods lies in one of the ranges, both ends inclusive; false
    /// if that takes their numbers.
    pub(crate) fn or_within(
        &self,
        pass: &mut ChunkPass<'_>,
        ranges: &[(u64, u64)],
        found: &mut Words,
    ) -> bool {
        let Some(planes) = self.count_active(pass) else {
            return false;
        };
        for &(low, high) in ranges {
            planes.or_within(low, high, found);
        }
        pass.scratch.planes = planes.into_inner();
        true
    }

    pub(crate) fn events(&self) -> &Events<'a> {
        &self.events
    }

    /// The number of each user's periods.
    pub(crate) fn eval(&self, pass: &mut ChunkPass<'_>, wanted: &Words) -> Box<[u32; CHUNK_USERS]> {
        let events = &self.events;
        if let Some(planes) = self.count_active(pass) {
            let mut counts = pass.scratch.u32s.take();
            planes.write(&mut counts[..]);
            pass.scratch.planes = planes.into_inner();
            return counts;
        }
        let mut set = UserSets::new(
            pass.scratch,
            match &self.periods {
                Periods::Days { len, .. } | Periods::Weeks { len, .. } => *len,
                Periods::Table(starts) => starts.len() as u64,
            },
        );
        let mut visit = |rows: &Rows<'_>| match &self.periods {
            Periods::Days { start, .. } => add_aligned::<DAY_MS>(events, *start, rows, &mut set),
            Periods::Weeks { start, .. } => add_aligned::<WEEK_MS>(events, *start, rows, &mut set),
            Periods::Table(starts) => {
                // Rows of a chunk ascend in time, so the period only ever moves on.
                let mut period = 0;
                for_each_block(events, rows, |users, mask, times, numbers| {
                    for (number, &time) in numbers.iter_mut().zip(times) {
                        while starts.get(period + 1).is_some_and(|&start| start <= time) {
                            period += 1;
                        }
                        *number = period as u64;
                    }
                    set.add(users, mask, numbers, |number| number);
                });
            }
        };
        events.scan(pass, wanted, &mut visit);
        set.count(pass.scratch)
    }
}

/// The first and the last instant that a row may have.
fn span(events: &Events<'_>) -> (i64, i64) {
    let ranges = || events.sources.iter().map(|source| source.range);
    let first = ranges().map(|range| range.from.0).min().unwrap_or(0);
    let last = ranges().map(|range| range.to.0 - 1).max().unwrap_or(first);
    (first, last)
}

/// Where the periods begin that lie between two instants, the first of them at or before `first`.
/// A period begins with the first instant of its first day in the zone.
fn starts(unit: PeriodUnit, zone: &TimeZone, first: i64, last: i64) -> Vec<i64> {
    let of_instant = |at: i64| {
        let at = Timestamp::from_millisecond(at).unwrap_or(Timestamp::MIN);
        at.to_zoned(zone.clone()).date()
    };
    let begin_of = |date: Date| match unit {
        PeriodUnit::Day => date,
        PeriodUnit::Week => {
            let past = date.weekday().since(Weekday::Monday);
            date.saturating_sub(i64::from(past).days())
        }
        PeriodUnit::Month => date.first_of_month(),
    };
    let step = match unit {
        PeriodUnit::Day => 1.day(),
        PeriodUnit::Week => 1.week(),
        PeriodUnit::Month => 1.month(),
    };
    // A clock set back past midnight shows the day before once more: begin a period earlier.
    let mut date = begin_of(begin_of(of_instant(first)).saturating_sub(step));
    let mut starts = Vec::new();
    loop {
        // Midnight, or where the clock skips it the first instant after.
        let start = date
            .to_zoned(zone.clone())
            .map_or(i64::MIN, |start| start.timestamp().as_millisecond());
        if start > last {
            break;
        }
        // A day that a zone skips begins where the next one does.
        if starts.last() != Some(&start) {
            starts.push(start);
        }
        let Ok(next) = date.checked_add(step) else {
            break;
        };
        date = next;
    }
    starts
}

/// Where the calendar periods begin that may hold an instant of a range, the first at or before all
/// of them; `None` if there are more than so many.
pub(crate) fn period_starts(
    unit: PeriodUnit,
    zone: Option<&str>,
    range: TimeRange,
    max: usize,
) -> Result<Option<Vec<i64>>, EvalError> {
    if range.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let (first, last) = (range.from.0, range.to.0 - 1);
    // A day of any zone is longer than half a day: what is too long is not counted out.
    let length = match unit {
        PeriodUnit::Day => DAY_MS,
        PeriodUnit::Week => WEEK_MS,
        PeriodUnit::Month => 28 * DAY_MS,
    };
    if i128::from(last) - i128::from(first) > i128::from(length) * max as i128 {
        return Ok(None);
    }
    Ok(Some(starts(unit, &time_zone(zone)?, first, last)))
}

/// How many calendar periods hold one of these instants, which ascend.
pub(crate) fn distinct_periods(
    unit: PeriodUnit,
    zone: Option<&str>,
    instants: &[i64],
) -> Result<usize, EvalError> {
    let (Some(&first), Some(&last)) = (instants.first(), instants.last()) else {
        return Ok(0);
    };
    let mut periods: Vec<i64> = match (unit, zone) {
        (PeriodUnit::Day, None) => instants.iter().map(|at| at.div_euclid(DAY_MS)).collect(),
        (PeriodUnit::Week, None) => instants
            .iter()
            .map(|at| (at - MONDAY_MS).div_euclid(WEEK_MS))
            .collect(),
        (unit, zone) => {
            let starts = starts(unit, &time_zone(zone)?, first, last);
            instants
                .iter()
                .map(|at| starts.partition_point(|start| start <= at) as i64)
                .collect()
        }
    };
    periods.dedup();
    Ok(periods.len())
}

fn time_zone(zone: Option<&str>) -> Result<TimeZone, EvalError> {
    match zone {
        None => Ok(TimeZone::UTC),
        Some(name) => TimeZone::get(name).map_err(|_| EvalError::Zone {
            zone: name.to_owned(),
        }),
    }
}

/// Adds to each row's user the number of its period, of so many milliseconds each.
fn add_aligned<const LENGTH: i64>(
    events: &Events<'_>,
    start: i64,
    rows: &Rows<'_>,
    set: &mut UserSets,
) {
    let times = events.sources[rows.source].stream.times();
    // Milliseconds from the first period to the base; no row counts from before it.
    let lead = times.base.wrapping_sub(start);
    with_offsets!(times.offsets, offsets => {
        let offsets = &offsets[rows.range.clone()];
        set.add(rows.users, rows.mask, offsets, |offset| {
            (lead.wrapping_add(offset.widen() as i64) as u64) / LENGTH as u64
        });
    });
}

/// Hands out users, mask and times of rows, and room for a number each, block by block.
fn for_each_block(
    events: &Events<'_>,
    rows: &Rows<'_>,
    mut visit: impl FnMut(&[u16], Option<&[u8]>, &[i64], &mut [u64]),
) {
    let source = &events.sources[rows.source];
    let mut times = [0_i64; BLOCK];
    let mut numbers = [0_u64; BLOCK];
    for start in (0..rows.users.len()).step_by(BLOCK) {
        let end = rows.users.len().min(start + BLOCK);
        let (times, numbers) = (&mut times[..end - start], &mut numbers[..end - start]);
        source.read_times(rows.range.start + start..rows.range.start + end, times);
        let mask = rows.mask.map(|mask| &mask[start..end]);
        visit(&rows.users[start..end], mask, times, numbers);
    }
}

/// `periods(…)`, made ready.
pub(crate) struct Slices<'a> {
    events: Events<'a>,
    length: i64,
    each: u32,
    /// The instant after the last slice, unless a user's own window ends earlier.
    end: i64,
    /// Whether a user's own window holds the instant that it ends with: it belongs to the last slice.
    holds_its_end: bool,
}

impl<'a> Slices<'a> {
    pub(crate) fn bind(
        binder: Binder<'a>,
        length: DurationMillis,
        each: u32,
        events: &'a PlanEvents,
    ) -> Result<Self, EvalError> {
        Ok(Self {
            events: Events::bind(binder, events)?.with_times(),
            length: length.0.max(1),
            each,
            end: events.window.range.to.0,
            holds_its_end: events.window.anchor.as_ref().is_some_and(|anchor| {
                matches!(
                    anchor.relation,
                    AnchorRelation::WithinAfter(_) | AnchorRelation::WithinBefore(_)
                )
            }),
        })
    }

    pub(crate) fn events(&self) -> &Events<'a> {
        &self.events
    }

    /// The number of each user's slices that hold enough.
    pub(crate) fn eval(&self, pass: &mut ChunkPass<'_>, wanted: &Words) -> Box<[u32; CHUNK_USERS]> {
        let events = &self.events;
        let bounds = events.bounds(pass, wanted);
        let counts = match &bounds {
            None if self.each == 1 => self.eval_any(pass, wanted),
            bounds => self.eval_counted(pass, wanted, bounds.as_ref()),
        };
        if let Some(bounds) = bounds {
            bounds.give(pass.scratch);
        }
        counts
    }

    /// Slices with any event, the same for all users.
    fn eval_any(&self, pass: &mut ChunkPass<'_>, wanted: &Words) -> Box<[u32; CHUNK_USERS]> {
        let (first, last) = span(&self.events);
        let number = |time: i64| (self.end - 1).wrapping_sub(time) as u64 / self.length as u64;
        // The latest slice that may hold a row is number 0, so that few bits do.
        let skipped = number(last);
        let mut set = UserSets::new(pass.scratch, number(first) - skipped + 1);
        let mut visit = |rows: &Rows<'_>| {
            for_each_block(&self.events, rows, |users, mask, times, numbers| {
                for (out, &time) in numbers.iter_mut().zip(times) {
                    *out = number(time).wrapping_sub(skipped);
                }
                set.add(users, mask, numbers, |number| number);
            });
        };
        self.events.scan_within(pass, wanted, None, &mut visit);
        set.count(pass.scratch)
    }

    /// Slices with so many events, or of windows of the users' own.
    fn eval_counted(
        &self,
        pass: &mut ChunkPass<'_>,
        wanted: &Words,
        bounds: Option<&UserBounds>,
    ) -> Box<[u32; CHUNK_USERS]> {
        let mut pairs = std::mem::take(&mut pass.scratch.wide_pairs);
        pairs.clear();
        let mut visit = |rows: &Rows<'_>| {
            for_each_block(&self.events, rows, |users, mask, times, _| {
                for (index, (&user, &time)) in users.iter().zip(times).enumerate() {
                    if mask.is_some_and(|mask| mask[index] == 0) {
                        continue;
                    }
                    let end = bounds.map_or(self.end, |bounds| {
                        let last = bounds.high[user as usize];
                        let after = last.saturating_add(i64::from(!self.holds_its_end));
                        self.end.min(after)
                    });
                    let before = (end - 1).saturating_sub(time).max(0);
                    pairs.push((user, (before / self.length) as u128));
                }
            });
        };
        self.events.scan_within(pass, wanted, bounds, &mut visit);
        pairs.sort_unstable();
        let mut counts = pass.scratch.u32s.take();
        counts.fill(0);
        for slice in pairs.chunk_by(|left, right| left == right) {
            counts[slice[0].0 as usize] += u32::from(slice.len() >= self.each as usize);
        }
        pass.scratch.wide_pairs = pairs;
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crowdset_types::TimestampMillis;

    fn at(text: &str) -> i64 {
        TimestampMillis::parse(text).unwrap().0.0
    }

    fn starts_of(unit: PeriodUnit, zone: &str, first: &str, last: &str) -> Vec<String> {
        let zone = TimeZone::get(zone).unwrap();
        starts(unit, &zone, at(first), at(last))
            .into_iter()
            .map(|start| TimestampMillis(start).to_string())
            .collect()
    }

    #[test]
    fn periods_begin_at_the_first_instant_of_a_day() {
        assert_eq!(
            starts_of(
                PeriodUnit::Day,
                "Europe/Berlin",
                "2026-03-28T23:30:00Z",
                "2026-03-30T12:00:00Z"
            ),
            [
                "2026-03-27T23:00:00Z",
                "2026-03-28T23:00:00Z",
                "2026-03-29T22:00:00Z"
            ]
        );
        // Midnight is skipped.
        assert_eq!(
            starts_of(
                PeriodUnit::Day,
                "America/Sao_Paulo",
                "2018-11-03T12:00:00Z",
                "2018-11-04T12:00:00Z"
            )
            .last()
            .unwrap(),
            "2018-11-04T03:00:00Z"
        );
        // A day that never was: one start for it and the next.
        let apia = starts_of(
            PeriodUnit::Day,
            "Pacific/Apia",
            "2011-12-30T00:00:00Z",
            "2011-12-31T12:00:00Z",
        );
        assert_eq!(apia.len(), 4, "{apia:?}");
        assert!(apia.is_sorted());
    }

    #[test]
    fn weeks_begin_on_monday_and_months_on_the_first() {
        assert_eq!(
            starts_of(
                PeriodUnit::Week,
                "UTC",
                "2026-01-01T00:00:00Z",
                "2026-01-12"
            ),
            [
                "2025-12-22T00:00:00Z",
                "2025-12-29T00:00:00Z",
                "2026-01-05T00:00:00Z",
                "2026-01-12T00:00:00Z"
            ]
        );
        assert_eq!(
            starts_of(
                PeriodUnit::Month,
                "America/New_York",
                "2026-03-01T04:59:59Z",
                "2026-04-01T04:00:00Z"
            ),
            [
                "2026-01-01T05:00:00Z",
                "2026-02-01T05:00:00Z",
                "2026-03-01T05:00:00Z",
                "2026-04-01T04:00:00Z"
            ]
        );
    }
}
