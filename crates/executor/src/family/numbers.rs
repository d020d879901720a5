//! Families of sums, least and greatest values.

use super::windows::{Step, Walk};
use super::{Member, Stops};
use crate::EvalError;
use crate::condition::{Numeric, scaled_ranges};
use crate::events::Events;
use crate::pass::ChunkPass;
use crate::words::{self, Words};
use crowdset_query::{Aggregate, Operand};

/// One aggregate of one property's numbers in several windows.
pub(crate) struct Numbers<'a> {
    numeric: Numeric<'a>,
    stops: Vec<Stop>,
    rows: u64,
}

/// A window and what is asked there.
struct Stop {
    step: Step,
    /// A condition, and the scaled values that pass, both ends inclusive.
    asked: Vec<(usize, Vec<(i64, i64)>)>,
}

impl<'a> Numbers<'a> {
    /// `None` if the numbers have no common scale: then each is worked out by itself, slowly.
    pub(super) fn bind(
        members: &[Member<'a>],
        stops: &Stops,
        events: Events<'a>,
        function: Aggregate,
        operand: &'a Operand,
    ) -> Result<Option<Self>, EvalError> {
        let nested = Walk::nested(&stops.windows, false);
        let sliding = Walk::sliding(&stops.windows);
        // What left can be subtracted, but the least that is left is not known.
        let slides = function == Aggregate::Sum && sliding.length() < nested.length();
        let walk = if slides { sliding } else { nested };
        let rows = stops.rows(&walk, &events) as u64;
        let numeric = Numeric::bind(function, events, operand)?;
        let Some(scale) = numeric.scale() else {
            return Ok(None);
        };
        let mut of_walk = Vec::with_capacity(walk.steps.len());
        for step in walk.steps {
            let asked = stops.members[step.window].iter().map(|&position| {
                let Member {
                    condition,
                    question,
                } = members[position];
                let ranges = match question.test {
                    Some(test) => scaled_ranges(test, scale)?,
                    None => Vec::new(),
                };
                Ok((condition, ranges))
            });
            let asked = asked.collect::<Result<_, EvalError>>()?;
            of_walk.push(Stop { step, asked });
        }
        Ok(Some(Self {
            numeric,
            stops: of_walk,
            rows,
        }))
    }

    pub(super) fn cost_rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn eval(&self, pass: &mut ChunkPass<'_>, universe: &Words) {
        let machine = pass.machine;
        let events = self.numeric.events();
        let mut values = pass.scratch.i64s.take();
        for Stop { step, asked } in &self.stops {
            if step.is_fresh {
                values.fill(self.numeric.nothing());
            }
            for &range in &step.enter {
                events.scan_range(pass, range, &mut |rows| {
                    self.numeric.add(machine, rows, &mut values);
                });
            }
            for &range in &step.leave {
                events.scan_range(pass, range, &mut |rows| {
                    self.numeric.subtract(machine, rows, &mut values);
                });
            }
            let mut having = *universe;
            self.numeric.and_having(machine, &values, &mut having);
            for (condition, ranges) in asked {
                let found = pass.scratch.answers.put(*condition);
                found.fill(0);
                for &(low, high) in ranges {
                    machine.or_i64_within(&values, low, high, found);
                }
                words::and(found, &having);
            }
        }
        pass.scratch.i64s.give(values);
    }
}
