//! The next instant at which time alone changes the answer about one user.
//!
//! An answer can change only when an edge that moves with time passes an instant of the data, or where
//! a number of days passes a bound, or in a ranking another number of days. So the instants are gathered, shifted by the edges, and the user is
//! asked at each of them in order until the answer differs; between two of them nothing but days since
//! an event moves, and the executor finds where that changes the answer.

use super::Inquiry;
use crate::Segment;
use crate::error::EvaluateError;
use crowdset_executor::{Aged, EvalError, attribute_changes, attribute_values, event_instants};
use crowdset_query::{
    AttributeRef, AttributeTable, CalendarUnit, Cast, Drift, DriftEdge, DriftInstants, EventNames,
    Operand, PlanAttribute, calendar_edge, plan,
};
use crowdset_types::{TimestampMillis, UserOrdinal};
use std::collections::{BTreeMap, HashSet};

/// So many of the nearest instants are kept; where there are more, the answer may be a bound.
const INSTANTS_MAX: usize = 100_000;

/// The user is asked at no more instants than this.
const ASKED_MAX: u64 = 2_000;

/// Where every question looks at everybody, so many rows are read in all.
const ROWS_MAX: u64 = 1_000_000_000;

/// So many beginnings of each kind of period are looked at where each of them may bring something new.
const BEGINNINGS_MAX: usize = 20_000;

/// More days than there are between the first and the last instant.
const DAYS_MAX: usize = 250_000;

/// So many spans of time are looked at for days that pass a bound, over all.
const SPANS_MAX: u32 = 200_000;

/// Weeks and the other periods of a calendar begin together again within so many years.
const COMMON_BEGINNING_YEARS: u32 = 28;

/// Slices of several lengths are followed for so long, about ten years.
const CYCLE_MAX_MS: i64 = 3_653 * 86_400_000;

/// When the answer about a user will change if no data arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextChange {
    /// Never: time alone cannot change it.
    Never,
    /// At this instant; until then it stays as it is.
    At(TimestampMillis),
    /// It stays as it is before this instant; what comes then was not looked at, as there are more
    /// instants to look at than is reasonable.
    NotBefore(TimestampMillis),
}

impl Inquiry<'_> {
    /// When the answer `is_in` will change. `cost_rows`: about how many rows it takes to ask about
    /// everybody.
    pub(super) fn next_change(
        &self,
        segment: &Segment,
        is_in: bool,
        cost_rows: u64,
    ) -> Result<NextChange, EvaluateError> {
        let mut moments = Moments::after(self.as_of.instant().0);
        let (mut slices, mut beginnings, mut others) = (Vec::new(), Vec::new(), Vec::new());
        let (mut passes_days, mut overtakes) = (false, false);
        for drift in segment.drifts(self.snapshot.state.catalog()) {
            match (&drift.of, &drift.edge) {
                (DriftInstants::Always, _) => {
                    passes_days = true;
                    overtakes |= drift.is_everybodys;
                }
                (DriftInstants::Beginnings, _) => beginnings.push(drift),
                (_, DriftEdge::Slices { .. }) => slices.push(drift),
                _ => others.push(drift),
            }
        }
        let mut asks_everybody = others
            .iter()
            .chain(&slices)
            .map(|drift| drift.is_everybodys);
        let asked_max = if overtakes || asks_everybody.any(|is_everybodys| is_everybodys) {
            (ROWS_MAX / cost_rows.max(1)).clamp(1, ASKED_MAX)
        } else {
            ASKED_MAX
        };
        for drift in &others {
            self.gather(drift, &mut moments)?;
        }
        if !beginnings.is_empty() {
            moments.begin_periods(&beginnings, passes_days || !slices.is_empty());
        }
        if !slices.is_empty() {
            moments.begin_cycle(&slices);
            for drift in &slices {
                self.gather(drift, &mut moments)?;
            }
        }
        let (instants, bound) = moments.into_sorted();
        let catalog = self.snapshot.state.catalog();
        let mut spans = SPANS_MAX;
        let end = bound.unwrap_or(TimestampMillis::MAX.0);
        // Its own instant is asked about for the days that pass from there on.
        let own = passes_days.then_some(self.as_of.instant().0);
        let asked: Vec<i64> = own.into_iter().chain(instants).collect();
        for (number, at) in (0..).zip(asked.iter().copied()) {
            if number == asked_max {
                return Ok(NextChange::NotBefore(TimestampMillis(at)));
            }
            let plan = plan(segment, catalog, TimestampMillis(at), &self.plan_options)?;
            if self.one.contains(&plan)? != is_in {
                return Ok(NextChange::At(TimestampMillis(at)));
            }
            if passes_days {
                let until = asked.get(number as usize + 1).map_or(end, |next| *next);
                match self
                    .one
                    .aged(&plan, is_in, TimestampMillis(until), &mut spans)?
                {
                    Aged::Never => {}
                    Aged::At(at) => return Ok(NextChange::At(TimestampMillis(at))),
                    Aged::NotBefore(at) => return Ok(NextChange::NotBefore(TimestampMillis(at))),
                }
            }
        }
        Ok(bound.map_or(NextChange::Never, |at| {
            NextChange::NotBefore(TimestampMillis(at))
        }))
    }

    fn gather(&self, drift: &Drift, moments: &mut Moments) -> Result<(), EvalError> {
        let dataset = &self.snapshot.state.dataset;
        let user = (!drift.is_everybodys).then_some(self.user);
        let mut visit = |instant: i64| moments.pass(instant, &drift.edge);
        match &drift.of {
            DriftInstants::Beginnings | DriftInstants::Always => Ok(()),
            DriftInstants::Written(at) => {
                visit(*at);
                Ok(())
            }
            DriftInstants::Events(names) => {
                self.events(user, names, &Operand::Timestamp, &mut visit)
            }
            DriftInstants::Values(names, operand) => self.events(user, names, operand, &mut visit),
            DriftInstants::AttributeChanges(attribute) => match self.attribute(attribute, None) {
                Some(attribute) => attribute_changes(dataset, user, &attribute, &mut visit),
                None => Ok(()),
            },
            DriftInstants::AttributeValues(operand) => {
                match self.attribute(&operand.attribute, operand.cast) {
                    Some(attribute) => attribute_values(dataset, user, &attribute, &mut visit),
                    None => Ok(()),
                }
            }
        }
    }

    fn events(
        &self,
        user: Option<UserOrdinal>,
        names: &EventNames,
        operand: &Operand,
        visit: &mut dyn FnMut(i64),
    ) -> Result<(), EvalError> {
        let wanted = |name: &str| match names {
            EventNames::Any { except } => !except.iter().any(|other| other.name == name),
            EventNames::One(one) => one.name == name,
            EventNames::AnyOf(parts) => parts.iter().any(|(one, _)| one.name == name),
        };
        event_instants(&self.snapshot.state.dataset, user, &wanted, operand, visit)
    }

    /// The attribute that is meant; `None` for an unknown one.
    fn attribute(&self, named: &AttributeRef, cast: Option<Cast>) -> Option<PlanAttribute> {
        let catalog = self.snapshot.state.catalog();
        let tables = match named.table {
            Some(table) => vec![table],
            None => vec![AttributeTable::Users, AttributeTable::Property],
        };
        let table = tables
            .into_iter()
            .find(|table| catalog.attribute_types(*table, &named.name).is_some())?;
        Some(PlanAttribute {
            table,
            name: named.name.clone(),
            cast,
        })
    }
}

/// The nearest instants after the evaluation at which something may change.
struct Moments {
    after: i64,
    instants: Vec<i64>,
    /// Instants from here on were dropped.
    bound: Option<i64>,
    /// What edges that come again and again bring after this instant they have brought before.
    cycle_end: i64,
}

impl Moments {
    fn after(after: i64) -> Self {
        Self {
            after,
            instants: Vec::new(),
            bound: None,
            cycle_end: after,
        }
    }

    /// Everything but slices has been added: once all that is past, slices repeat themselves.
    fn begin_cycle(&mut self, slices: &[Drift]) {
        let lengths = slices.iter().filter_map(|drift| match drift.edge {
            DriftEdge::Slices { length, .. } => Some(length.max(1)),
            DriftEdge::Shift(_) | DriftEdge::Calendar { .. } | DriftEdge::Beginnings { .. } => None,
        });
        // The first instant at which all lengths have come round together.
        let cycle = lengths.fold(1_i64, |cycle, length| {
            (cycle / common_divisor(cycle, length)).saturating_mul(length)
        });
        let settled = self.instants.iter().copied().max().unwrap_or(self.after);
        let end = settled
            .saturating_add(cycle.min(CYCLE_MAX_MS))
            .saturating_add(1);
        if cycle > CYCLE_MAX_MS {
            self.stop_at(end);
        }
        self.cycle_end = end;
    }

    /// Adds the beginnings of periods, at which what was in a period is for an instant in none. Once all
    /// else is past, each beginning is like the one before; `moves_on`: something else still moves then.
    fn begin_periods(&mut self, beginnings: &[Drift], moves_on: bool) {
        let settled = self.instants.iter().copied().max().unwrap_or(self.after);
        let calendars: Vec<(CalendarUnit, Option<&str>)> = beginnings
            .iter()
            .filter_map(|drift| match &drift.edge {
                DriftEdge::Calendar { unit, zone, .. } => Some((*unit, zone.as_deref())),
                DriftEdge::Shift(_) | DriftEdge::Slices { .. } | DriftEdge::Beginnings { .. } => {
                    None
                }
            })
            .collect();
        let Some((first_unit, zone)) = calendars.first().copied() else {
            return;
        };
        let units = || calendars.iter().map(|(unit, _)| *unit);
        let has_weeks = units().any(|unit| unit == CalendarUnit::Week);
        let has_longer =
            units().any(|unit| !matches!(unit, CalendarUnit::Day | CalendarUnit::Week));
        // All shorter periods begin with the longest of them, but weeks do so rarely.
        let (unit, count) = if has_weeks && has_longer {
            (CalendarUnit::Year, COMMON_BEGINNING_YEARS)
        } else {
            (
                units().max_by_key(|unit| rank(*unit)).unwrap_or(first_unit),
                2,
            )
        };
        // When calendars of two zones begin together again follows no rule: all their periods are
        // looked at.
        let is_one_zone = calendars.iter().all(|(_, other)| *other == zone);
        let end = if is_one_zone && !moves_on {
            calendar_edge(settled, unit, zone, count).unwrap_or(TimestampMillis::MAX.0)
        } else {
            TimestampMillis::MAX.0
        };
        let beginnings_max = if moves_on { BEGINNINGS_MAX } else { DAYS_MAX };
        // The evaluation may stand at a beginning itself.
        self.add(self.after.saturating_add(1));
        let mut beginning: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
        for (calendar, (unit, zone)) in calendars.into_iter().enumerate() {
            let mut at = self.after;
            for number in 0..=beginnings_max {
                match calendar_edge(at, unit, zone, 1) {
                    Some(next) if next > at && next <= end => at = next,
                    _ => break,
                }
                if number == beginnings_max {
                    self.stop_at(at);
                    break;
                }
                beginning.entry(at).or_default().push(calendar);
            }
        }
        let mut seen = HashSet::new();
        for (at, calendars) in beginning {
            // Once all else is past, where the same calendars begin it is the same.
            if moves_on || at <= settled || seen.insert(calendars) {
                self.add(at);
                self.add(at.saturating_add(1));
            }
        }
    }

    /// Looks at nothing from an instant on.
    fn stop_at(&mut self, end: i64) {
        self.bound = Some(self.bound.map_or(end, |bound| bound.min(end)));
    }

    /// Adds the moments at which the edge reaches and passes an instant.
    fn pass(&mut self, instant: i64, edge: &DriftEdge) {
        match edge {
            DriftEdge::Shift(by) => {
                let reached = instant.saturating_add(*by);
                self.add(reached);
                self.add(reached.saturating_add(1));
            }
            DriftEdge::Calendar { unit, zone, after } => {
                if let Some(reached) = calendar_edge(instant, *unit, zone.as_deref(), *after) {
                    self.add(reached);
                    self.add(reached.saturating_add(1));
                }
            }
            DriftEdge::Beginnings { unit, zone, count } => {
                let (unit, zone) = (*unit, zone.as_deref());
                let last = calendar_edge(instant, unit, zone, *count);
                let mut at = instant.max(self.after);
                for _ in 0..BEGINNINGS_MAX {
                    match calendar_edge(at, unit, zone, 1) {
                        Some(next) if next > at && last.is_none_or(|last| next <= last) => {
                            at = next;
                        }
                        _ => return,
                    }
                    self.add(at);
                }
                self.stop_at(at.saturating_add(1));
            }
            DriftEdge::Slices { shift, length } => {
                let first = instant.saturating_add(*shift);
                let length = (*length).max(1);
                // From the first edge after the evaluation on.
                let skipped = self.after.saturating_sub(first).max(0) / length;
                let mut at = first.saturating_add(skipped.saturating_mul(length));
                while at <= self.cycle_end && self.bound.is_none_or(|bound| at < bound) {
                    self.add(at);
                    self.add(at.saturating_add(1));
                    at = at.saturating_add(length);
                }
            }
        }
    }

    fn add(&mut self, at: i64) {
        let is_dropped = self.bound.is_some_and(|bound| at >= bound);
        if at <= self.after || is_dropped || !TimestampMillis(at).is_in_range() {
            return;
        }
        self.instants.push(at);
        if self.instants.len() >= 2 * INSTANTS_MAX {
            self.shrink();
        }
    }

    /// Keeps the nearest.
    fn shrink(&mut self) {
        self.instants.sort_unstable();
        self.instants.dedup();
        if self.instants.len() > INSTANTS_MAX {
            self.bound = Some(self.instants[INSTANTS_MAX]);
            self.instants.truncate(INSTANTS_MAX);
        }
    }

    /// The instants, and from where on they are not all.
    fn into_sorted(mut self) -> (Vec<i64>, Option<i64>) {
        self.shrink();
        if let Some(bound) = self.bound {
            self.instants.retain(|&at| at < bound);
        }
        (self.instants, self.bound)
    }
}

/// Units by length.
fn rank(unit: CalendarUnit) -> usize {
    CalendarUnit::ALL
        .iter()
        .position(|other| *other == unit)
        .unwrap_or(0)
}

fn common_divisor(mut left: i64, mut right: i64) -> i64 {
    while right != 0 {
        (left, right) = (right, left % right);
    }
    left.max(1)
}
