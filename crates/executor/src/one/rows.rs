//! One user's rows: found in the columns, tested one by one.

use super::Asked;
use crate::EvalError;
use crate::clock::ClockTest;
use crate::filter::values_satisfy;
use crate::kernel::Machine;
use crate::truth::{Truth, ValueRef};
use crate::value::Values;
use crowdset_query::{AnchorRelation, CompareOp, Operand};
use crowdset_query::{
    PlanAnchor, PlanAnchorInstant, PlanAttribute, PlanEvents, PlanPredicate, PlanSelector,
    PlanTest, PlanWindow,
};
use crowdset_storage::{Partition, Stream};
use crowdset_types::{Number, TimeRange, TimestampMillis, UserOrdinal};
use std::borrow::Cow;
use std::ops::ControlFlow;

/// Rows are looked at in blocks of so many: a vector loop says which of up to as many blocks hold the
/// user.
const SCAN_BLOCK: usize = 64;

/// One event of the user.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(super) at: i64,
    pub(super) stream: &'a Stream,
    pub(super) index: usize,
}

impl<'a> Row<'a> {
    /// The value of a property; `None` if there is none or it cannot be changed as asked.
    pub(super) fn value(&self, operand: &Operand) -> Result<Option<ValueRef<'a>>, EvalError> {
        let clock = |clock: ClockTest| ValueRef::Number(Number::Integer(clock.number(self.at)));
        let instant = TimeRange::new(
            TimestampMillis(self.at),
            TimestampMillis(self.at.saturating_add(1)),
        );
        Ok(match operand {
            Operand::Property(path) => Values {
                column: self.stream.property(path)?,
                cast: None,
            }
            .get(self.index),
            Operand::Cast { cast, property } => Values {
                column: self.stream.property(property)?,
                cast: Some(*cast),
            }
            .get(self.index),
            Operand::EventName => Some(ValueRef::Text(Cow::Borrowed(self.stream.name()))),
            Operand::Timestamp => Some(ValueRef::Time(self.at)),
            Operand::Hour { zone } => Some(clock(ClockTest::hour(zone.as_deref(), instant)?)),
            Operand::Weekday { zone } => Some(clock(ClockTest::weekday(zone.as_deref(), instant)?)),
        })
    }
}

/// Calls `visit` with the user's rows of one event name in one partition within a range, in order.
pub(super) fn scan<'a>(
    machine: Machine,
    partition: &'a Partition,
    name: &str,
    range: TimeRange,
    user: UserOrdinal,
    visit: &mut dyn FnMut(Row<'a>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, EvalError> {
    if range.intersection(partition.range()).is_empty() {
        return Ok(ControlFlow::Continue(()));
    }
    let Some(stream) = partition.stream(name) else {
        return Ok(ControlFlow::Continue(()));
    };
    if range.intersection(stream.span()).is_empty() {
        return Ok(ControlFlow::Continue(()));
    }
    stream.touch()?;
    let (rows, within) = (stream.rows_in(user.chunk(), range), user.within_chunk());
    let times = stream.times();
    for start in rows.clone().step_by(SCAN_BLOCK * SCAN_BLOCK) {
        let end = rows.end.min(start + SCAN_BLOCK * SCAN_BLOCK);
        let users = &stream.users()[start..end];
        let mut blocks = machine.blocks_of_user(users, within);
        while blocks != 0 {
            let first = blocks.trailing_zeros() as usize * SCAN_BLOCK;
            blocks &= blocks - 1;
            let block = &users[first..users.len().min(first + SCAN_BLOCK)];
            let own = (start + first..).zip(block);
            for (row, _) in own.filter(|(_, other)| **other == within) {
                let found = Row {
                    at: times.get(row),
                    stream,
                    index: row,
                };
                if visit(found).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// A predicate over one event, its expressions compiled.
pub(super) enum RowTest<'p> {
    Always,
    Never,
    And(Vec<RowTest<'p>>),
    Or(Vec<RowTest<'p>>),
    Not(Box<RowTest<'p>>),
    Test(&'p Operand, ValueTest<'p>),
}

/// A test of a value of the user, its expression compiled.
pub(super) enum ValueTest<'p> {
    Value(Truth<'p>),
    Attribute(CompareOp, &'p PlanAttribute),
}

impl<'p> RowTest<'p> {
    pub(super) fn new(predicate: Option<&'p PlanPredicate>) -> Result<Self, EvalError> {
        let all = |parts: &'p [PlanPredicate]| -> Result<Vec<Self>, EvalError> {
            parts.iter().map(|part| Self::new(Some(part))).collect()
        };
        Ok(match predicate {
            None | Some(PlanPredicate::Always) => Self::Always,
            Some(PlanPredicate::Never) => Self::Never,
            Some(PlanPredicate::And(parts)) => Self::And(all(parts)?),
            Some(PlanPredicate::Or(parts)) => Self::Or(all(parts)?),
            Some(PlanPredicate::Not(part)) => Self::Not(Box::new(Self::new(Some(part))?)),
            Some(PlanPredicate::Test { operand, test }) => {
                Self::Test(operand, ValueTest::new(test, false)?)
            }
        })
    }

    fn holds(&self, asked: Asked<'_, '_>, row: &Row<'_>) -> Result<bool, EvalError> {
        Ok(match self {
            Self::Always => true,
            Self::Never => false,
            Self::And(parts) => {
                for part in parts {
                    if !part.holds(asked, row)? {
                        return Ok(false);
                    }
                }
                true
            }
            Self::Or(parts) => {
                for part in parts {
                    if part.holds(asked, row)? {
                        return Ok(true);
                    }
                }
                false
            }
            Self::Not(part) => !part.holds(asked, row)?,
            Self::Test(operand, test) => test.holds(asked, row.value(operand)?.as_ref(), false)?,
        })
    }
}

impl<'p> ValueTest<'p> {
    /// `is_attribute`: text that is wholly a number compares with a number.
    pub(super) fn new(test: &'p PlanTest, is_attribute: bool) -> Result<Self, EvalError> {
        Ok(match test {
            PlanTest::CompareAttribute(op, right) => Self::Attribute(*op, right),
            test => Self::Value(Truth::new(Cow::Borrowed(test), is_attribute)?),
        })
    }

    /// Whether it is true of a value, or of none.
    pub(super) fn holds(
        &self,
        asked: Asked<'_, '_>,
        value: Option<&ValueRef<'_>>,
        is_attribute: bool,
    ) -> Result<bool, EvalError> {
        Ok(match (self, value) {
            (Self::Value(truth), value) => {
                value.map_or(truth.of_missing(), |value| truth.of(value))
            }
            (Self::Attribute(..), None) => false,
            (Self::Attribute(op, right), Some(left)) => asked
                .attribute(right)?
                .value(asked.user().0)
                .is_some_and(|right| values_satisfy(left, *op, &right, is_attribute)),
        })
    }
}

impl<'a> Asked<'_, 'a> {
    /// The first and the last instant of a window, inclusive; `None` if it is empty.
    pub(super) fn bounds(self, window: &PlanWindow) -> Result<Option<(i64, i64)>, EvalError> {
        if window.range.is_empty() {
            return Ok(None);
        }
        let (from, to) = (window.range.from.0, window.range.to.0 - 1);
        let Some(anchor) = &window.anchor else {
            return Ok(Some((from, to)));
        };
        let Some((low, high)) = self.anchored(anchor)? else {
            return Ok(None);
        };
        let (from, to) = (from.max(low), to.min(high));
        Ok((from <= to).then_some((from, to)))
    }

    /// The instant that slices of a window are counted back from: the one after its last, or, where
    /// it holds both its ends, the last itself.
    pub(super) fn slices_end(self, window: &PlanWindow) -> Result<i64, EvalError> {
        let end = window.range.to.0;
        let Some(anchor) = &window.anchor else {
            return Ok(end);
        };
        let holds_its_end = matches!(
            anchor.relation,
            AnchorRelation::WithinAfter(_) | AnchorRelation::WithinBefore(_)
        );
        Ok(self.anchored(anchor)?.map_or(end, |(_, high)| {
            end.min(high.saturating_add(i64::from(!holds_its_end)))
        }))
    }

    fn anchored(self, anchor: &PlanAnchor) -> Result<Option<(i64, i64)>, EvalError> {
        let at = match &anchor.of {
            PlanAnchorInstant::Event(occurrence) => self.occurrence(occurrence)?.map(|row| row.at),
            PlanAnchorInstant::Attribute(attribute) => {
                self.attribute(attribute)?.instant(self.user().0)
            }
        };
        Ok(at.map(|at| match anchor.relation {
            AnchorRelation::Since => (at, i64::MAX),
            AnchorRelation::After => (at.saturating_add(1), i64::MAX),
            AnchorRelation::Before => (i64::MIN, at.saturating_sub(1)),
            AnchorRelation::WithinAfter(length) => (at, at.saturating_add(length.0)),
            AnchorRelation::WithinBefore(length) => (at.saturating_sub(length.0), at),
        }))
    }

    /// The user's events of a condition, in order.
    pub(super) fn events(self, of: &PlanEvents) -> Result<Vec<Row<'a>>, EvalError> {
        match self.bounds(&of.window)? {
            Some(bounds) => self.select(&of.selector, bounds),
            None => Ok(Vec::new()),
        }
    }

    /// The user's events of a selector between two instants, both inclusive, in order.
    pub(super) fn select(
        self,
        selector: &PlanSelector,
        bounds: (i64, i64),
    ) -> Result<Vec<Row<'a>>, EvalError> {
        let mut found = Vec::new();
        self.visit(selector, bounds, &mut |row| {
            found.push(row);
            ControlFlow::Continue(())
        })?;
        // Stable: names came in order, and the rows of a name in theirs.
        found.sort_by_key(|row| row.at);
        Ok(found)
    }

    /// Whether there is any event.
    pub(super) fn did(self, of: &PlanEvents) -> Result<bool, EvalError> {
        let Some(bounds) = self.bounds(&of.window)? else {
            return Ok(false);
        };
        let mut did = false;
        self.visit(&of.selector, bounds, &mut |_| {
            did = true;
            ControlFlow::Break(())
        })?;
        Ok(did)
    }

    /// How many events there are.
    pub(super) fn count(self, of: &PlanEvents) -> Result<i64, EvalError> {
        let mut count = 0;
        if let Some(bounds) = self.bounds(&of.window)? {
            self.visit(&of.selector, bounds, &mut |_| {
                count += 1;
                ControlFlow::Continue(())
            })?;
        }
        Ok(count)
    }

    /// Calls `visit` with the events of a selector, name by name, in order within a name.
    fn visit(
        self,
        selector: &PlanSelector,
        (low, high): (i64, i64),
        visit: &mut dyn FnMut(Row<'a>) -> ControlFlow<()>,
    ) -> Result<(), EvalError> {
        // No event is at the end of time.
        let range = TimeRange::new(
            TimestampMillis(low),
            TimestampMillis(high.saturating_add(1)),
        );
        for event in &selector.events {
            let test = RowTest::new(event.filter.as_ref())?;
            let mut failure = None;
            let flow = self.one.rows(
                &event.name,
                range,
                &mut |row| match test.holds(self, &row) {
                    Ok(true) => visit(row),
                    Ok(false) => ControlFlow::Continue(()),
                    Err(error) => {
                        failure = Some(error);
                        ControlFlow::Break(())
                    }
                },
            )?;
            if let Some(error) = failure {
                return Err(error);
            }
            if flow.is_break() {
                break;
            }
        }
        Ok(())
    }
}
