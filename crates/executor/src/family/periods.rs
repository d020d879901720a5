//! Families of `days(…)`, `weeks(…)`, `months(…)`: calendar periods with an event.
//!
//! Windows that end together are walked from their end back, period by period. Within a period a
//! row sets its user's bit; a period that is done is added to counts kept as bits, all users of a
//! word at once.

use super::windows::Walk;
use super::{Member, Stops};
use crate::EvalError;
use crate::condition::period_starts;
use crate::days::{ActiveDays, CutWindow};
use crate::events::Events;
use crate::pass::ChunkPass;
use crate::planes::Planes;
use crate::words::{self, Words};
use crowdset_query::PeriodUnit;
use crowdset_types::{TimeRange, TimestampMillis};

/// Of more periods than this each condition is worked out by itself.
const PERIODS_MAX: usize = 1_000;

/// Calendar periods of one selector's events in several windows.
pub(crate) struct Periods<'a> {
    events: Events<'a>,
    stops: Vec<Stop>,
    /// The users of each day, if they are kept.
    days: Option<ActiveDays<'a>>,
    /// How many periods there may be.
    count_max: usize,
    rows: u64,
}

/// A window and what is asked there.
struct Stop {
    is_fresh: bool,
    /// What comes to the window, the latest first.
    enter: Vec<Part>,
    /// A condition, and the counts that pass, both ends inclusive.
    asked: Vec<(usize, Vec<(u64, u64)>)>,
}

/// Rows of one period.
struct Part {
    range: TimeRange,
    /// Whether the period begins with it.
    is_begin: bool,
    /// The day, counted from the epoch, of which these are all rows, if its users are kept.
    day: Option<i64>,
}

impl<'a> Periods<'a> {
    /// `None` if there are too many periods.
    pub(super) fn bind(
        members: &[Member<'a>],
        stops: &Stops,
        events: Events<'a>,
        unit: PeriodUnit,
        zone: Option<&str>,
    ) -> Result<Option<Self>, EvalError> {
        let span = stops.span;
        let Some(starts) = period_starts(unit, zone, span, PERIODS_MAX)? else {
            return Ok(None);
        };
        let question = &members[0].question;
        let days = if unit == PeriodUnit::Day && zone.is_none() {
            events.active_days(question.binder, question.events)
        } else {
            None
        };
        let walk = Walk::nested(&stops.windows, true);
        let rows = stops.rows(&walk, &events) as u64;
        let mut of_walk = Vec::with_capacity(walk.steps.len());
        for step in walk.steps {
            let asked = stops.members[step.window].iter().map(|&position| {
                let member = members[position];
                Ok((member.condition, member.question.count_ranges()?))
            });
            of_walk.push(Stop {
                is_fresh: step.is_fresh,
                enter: parts(&starts, step.enter[0], days.as_ref()),
                asked: asked.collect::<Result<_, EvalError>>()?,
            });
        }
        Ok(Some(Self {
            events,
            stops: of_walk,
            days,
            count_max: starts.len(),
            rows,
        }))
    }

    pub(super) fn cost_rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn eval(&self, pass: &mut ChunkPass<'_>, universe: &Words) {
        let mut planes = Planes::new(std::mem::take(&mut pass.scratch.planes), self.count_max);
        // Of the period at hand: its users, and those of them who are counted already.
        let (mut users, mut counted) = (words::EMPTY, words::EMPTY);
        for stop in &self.stops {
            if stop.is_fresh {
                planes.clear();
                (users, counted) = (words::EMPTY, words::EMPTY);
            }
            for part in &stop.enter {
                if let (Some(days), Some(day)) = (&self.days, part.day) {
                    for of_day in days.days(pass.machine, pass.chunk, day..day + 1) {
                        words::or(&mut users, of_day);
                    }
                } else {
                    self.events.did_in(pass, part.range, &mut users);
                }
                if part.is_begin {
                    words::and_not(&mut users, &counted);
                    planes.add(&users);
                    (users, counted) = (words::EMPTY, words::EMPTY);
                }
            }
            words::and_not(&mut users, &counted);
            planes.add(&users);
            words::or(&mut counted, &users);
            for (condition, ranges) in &stop.asked {
                let found = pass.scratch.answers.put(*condition);
                found.fill(0);
                for &(low, high) in ranges {
                    planes.or_within(low, high, found);
                }
                words::and(found, universe);
            }
        }
        pass.scratch.planes = planes.into_inner();
    }
}

/// Cuts a range where periods begin, the latest part first.
fn parts(starts: &[i64], range: TimeRange, days: Option<&ActiveDays<'_>>) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut end = range.to.0;
    let mut next = starts.partition_point(|&start| start < end);
    while end > range.from.0 {
        // The first period begins at or before every row.
        let start = next
            .checked_sub(1)
            .map_or(i64::MIN, |period| starts[period]);
        next = next.saturating_sub(1);
        let from = start.max(range.from.0);
        let range = TimeRange::new(TimestampMillis(from), TimestampMillis(end));
        let cut = days.map(|days| days.cut(range));
        let is_whole = |cut: &CutWindow| {
            cut.whole.end == cut.whole.start + 1 && cut.edges.iter().all(|edge| edge.is_empty())
        };
        parts.push(Part {
            range,
            is_begin: start == from,
            day: cut.filter(is_whole).map(|cut| cut.whole.start),
        });
        end = from;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_end_where_periods_begin() {
        let of = |from, to| {
            let range = TimeRange::new(TimestampMillis(from), TimestampMillis(to));
            let parts = parts(&[0, 10, 20], range, None);
            parts
                .into_iter()
                .map(|part| (part.range.from.0, part.range.to.0, part.is_begin))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(3, 25), [(20, 25, true), (10, 20, true), (3, 10, false)]);
        assert_eq!(of(10, 20), [(10, 20, true)]);
        assert_eq!(of(12, 13), [(12, 13, false)]);
        assert_eq!(of(12, 12), []);
        assert_eq!(of(-5, 5), [(0, 5, true), (-5, 0, false)]);
    }
}
