//! What attributes were: at some instant of a window, throughout it, from one value to another.

use crate::anchor::{Anchor, UserBounds};
use crate::attribute::{Attribute, AttributeCondition, Verdicts, code};
use crate::dataset::{Binder, storage_table};
use crate::filter::{Attributes, values_satisfy};
use crate::pass::ChunkPass;
use crate::words::{self, Words};
use crate::{EvalError, Path};
use crowdset_query::{CompareOp, HistoryExtent, PlanAttribute, PlanLiteral, PlanTest, PlanWindow};
use crowdset_storage::HistoryRows;
use crowdset_types::{ChunkId, TimeRange};
use std::borrow::Cow;
use std::ops::Range;

/// A window of instants, the same for everybody or each user's own.
struct Instants<'a> {
    range: TimeRange,
    anchor: Option<Box<Anchor<'a>>>,
}

impl<'a> Instants<'a> {
    fn bind(binder: Binder<'a>, window: &'a PlanWindow) -> Result<Self, EvalError> {
        Ok(Self {
            range: window.range,
            anchor: Anchor::bind(binder, window)?,
        })
    }

    fn bounds(&self, pass: &mut ChunkPass<'_>, wanted: &Words) -> Option<UserBounds> {
        self.anchor
            .as_ref()
            .map(|anchor| anchor.bounds(pass, wanted))
    }

    /// The first and the last instant of a user's window; `None` if it has none.
    fn of(&self, bounds: Option<&UserBounds>, user: usize) -> Option<(i64, i64)> {
        let (mut low, mut high) = (self.range.from.0, self.range.to.0.saturating_sub(1));
        if let Some(bounds) = bounds {
            low = low.max(bounds.low[user]);
            high = high.min(bounds.high[user]);
        }
        (low <= high && !self.range.is_empty()).then_some((low, high))
    }

    /// Takes those out of `found` whose window has no instant.
    fn keep_nonempty(&self, bounds: Option<&UserBounds>, found: &mut Words) {
        let all = *found;
        words::for_each(&all, |user| {
            if self.of(bounds, user).is_none() {
                found[user / 64] &= !(1 << (user % 64));
            }
        });
    }
}

/// The rows of each user that has any, as ranges of the chunk's rows.
fn for_each_user(rows: &HistoryRows<'_>, mut visit: impl FnMut(usize, Range<usize>)) {
    let mut start = 0;
    for run in rows.users.chunk_by(|left, right| left == right) {
        visit(run[0] as usize, start..start + run.len());
        start += run.len();
    }
}

/// Whether a test held at some instant of a window, or at all of them.
pub(crate) struct Held<'a> {
    instants: Instants<'a>,
    extent: HistoryExtent,
    how: How<'a>,
}

enum How<'a> {
    /// There is but one value for all time.
    Constant(AttributeCondition<'a>),
    /// A verdict on each value.
    Verdicts {
        attribute: Attribute<'a>,
        verdicts: Verdicts,
    },
    /// Against another attribute, as it is at the evaluation's instant.
    Attribute {
        attribute: Attribute<'a>,
        op: CompareOp,
        right: Attribute<'a>,
    },
}

impl<'a> Held<'a> {
    pub(crate) fn bind(
        binder: Binder<'a>,
        operand: &'a PlanAttribute,
        test: &'a PlanTest,
        extent: HistoryExtent,
        window: &'a PlanWindow,
    ) -> Result<Self, EvalError> {
        let attribute = all_of_time(binder, operand)?;
        let right = match test {
            PlanTest::CompareAttribute(op, right) => Some((*op, binder.attribute(right)?)),
            _ => None,
        };
        let how = match (attribute.history(), right) {
            (None, right) => How::Constant(AttributeCondition::new(
                attribute,
                Cow::Borrowed(test),
                right.map(|(_, right)| right),
            )?),
            (Some(_), Some((op, right))) => How::Attribute {
                attribute,
                op,
                right,
            },
            (Some(_), None) => How::Verdicts {
                verdicts: attribute.verdicts(Cow::Borrowed(test))?,
                attribute,
            },
        };
        Ok(Self {
            instants: Instants::bind(binder, window)?,
            extent,
            how,
        })
    }

    pub(crate) fn path(&self) -> Path {
        match &self.how {
            How::Constant(condition) => condition.path(),
            _ => Path::History,
        }
    }

    pub(crate) fn cost_rows(&self) -> u64 {
        match &self.how {
            How::Constant(condition) => condition.rows(),
            How::Verdicts { attribute, .. } => attribute.ordinals() as u64,
            How::Attribute { attribute, .. } => attribute.ordinals() as u64 * 32,
        }
    }

    pub(crate) fn eval(&self, pass: &mut ChunkPass<'_>, wanted: &Words, found: &mut Words) {
        let bounds = self.instants.bounds(pass, wanted);
        match &self.how {
            How::Constant(condition) => {
                condition.eval(pass, wanted, found);
                self.instants.keep_nonempty(bounds.as_ref(), found);
            }
            How::Verdicts {
                attribute,
                verdicts,
            } => {
                let holds = |_, code| verdicts.of(code);
                self.eval_rows(attribute, holds, pass.chunk, wanted, bounds.as_ref(), found);
            }
            How::Attribute {
                attribute,
                op,
                right,
            } => {
                let first = pass.chunk.first().0;
                let holds = |user: usize, code| {
                    let pair = attribute
                        .value_of_code(code)
                        .zip(right.value(first + user as u32));
                    pair.is_some_and(|(left, right)| values_satisfy(&left, *op, &right, true))
                };
                self.eval_rows(attribute, holds, pass.chunk, wanted, bounds.as_ref(), found);
            }
        }
        if let Some(bounds) = bounds {
            bounds.give(pass.scratch);
        }
    }

    /// `holds`: the verdict on a user's value.
    fn eval_rows(
        &self,
        attribute: &Attribute<'_>,
        holds: impl Fn(usize, Option<u32>) -> bool,
        chunk: ChunkId,
        wanted: &Words,
        bounds: Option<&UserBounds>,
        found: &mut Words,
    ) {
        found.fill(0);
        let Some(history) = attribute.history() else {
            return;
        };
        // Who has no row never had a value.
        let mut without = *wanted;
        let rows = history.chunk(chunk);
        for_each_user(&rows, |user, range| {
            if !words::get(wanted, user) {
                return;
            }
            without[user / 64] &= !(1 << (user % 64));
            let Some((low, high)) = self.instants.of(bounds, user) else {
                return;
            };
            // The value at the window's first instant, then those that began inside.
            let begun = range.start + rows.count_early(range.clone(), |at| at <= low);
            let end = range.start + rows.count_early(range.clone(), |at| at <= high);
            let before = (begun > range.start).then(|| code(rows.code(begun - 1)));
            let inside = (begun..end).map(|row| code(rows.code(row)));
            let mut values = std::iter::once(before.flatten()).chain(inside);
            let verdict = match self.extent {
                HistoryExtent::Some => values.any(|code| holds(user, code)),
                HistoryExtent::All => values.all(|code| holds(user, code)),
            };
            if verdict {
                words::set(found, user);
            }
        });
        words::for_each(&without, |user| {
            if self.instants.of(bounds, user).is_some() && holds(user, None) {
                words::set(found, user);
            }
        });
    }
}

/// The attribute with all its values, whatever the instant.
fn all_of_time<'a>(
    binder: Binder<'a>,
    operand: &'a PlanAttribute,
) -> Result<Attribute<'a>, EvalError> {
    let users = &binder.dataset.users;
    let stored = users.attribute(storage_table(operand.table), &operand.name);
    Attribute::of_all_time(stored, operand.cast, users.ordinals())
}

/// Whether one value followed another in a window.
pub(crate) struct Changed<'a> {
    attribute: Attribute<'a>,
    instants: Instants<'a>,
    from: Option<Verdicts>,
    to: Option<Verdicts>,
}

impl<'a> Changed<'a> {
    pub(crate) fn bind(
        binder: Binder<'a>,
        attribute: &'a PlanAttribute,
        from: Option<&'a PlanLiteral>,
        to: Option<&'a PlanLiteral>,
        window: &'a PlanWindow,
    ) -> Result<Self, EvalError> {
        let attribute = all_of_time(binder, attribute)?;
        let verdicts = |value: Option<&PlanLiteral>| {
            value
                .map(|value| {
                    let test = PlanTest::Compare(CompareOp::Equal, value.clone());
                    attribute.verdicts(Cow::Owned(test))
                })
                .transpose()
        };
        let (from, to) = (verdicts(from)?, verdicts(to)?);
        Ok(Self {
            attribute,
            instants: Instants::bind(binder, window)?,
            from,
            to,
        })
    }

    pub(crate) fn cost_rows(&self) -> u64 {
        self.attribute.ordinals() as u64
    }

    pub(crate) fn eval(&self, pass: &mut ChunkPass<'_>, wanted: &Words, found: &mut Words) {
        found.fill(0);
        // Without a history there is one value for all time.
        let Some(history) = self.attribute.history() else {
            return;
        };
        let bounds = self.instants.bounds(pass, wanted);
        let rows = history.chunk(pass.chunk);
        let fits = |verdicts: &Option<Verdicts>, code| {
            verdicts
                .as_ref()
                .is_none_or(|verdicts| verdicts.of(Some(code)))
        };
        for_each_user(&rows, |user, range| {
            if !words::get(wanted, user) {
                return;
            }
            let Some((low, high)) = self.instants.of(bounds.as_ref(), user) else {
                return;
            };
            let is_change = |row: usize| {
                let (before, after) = (code(rows.code(row - 1)), code(rows.code(row)));
                before.zip(after).is_some_and(|(before, after)| {
                    before != after
                        && (low..=high).contains(&rows.at(row))
                        && fits(&self.from, before)
                        && fits(&self.to, after)
                })
            };
            if range.skip(1).any(is_change) {
                words::set(found, user);
            }
        });
        if let Some(bounds) = bounds {
            bounds.give(pass.scratch);
        }
    }
}
