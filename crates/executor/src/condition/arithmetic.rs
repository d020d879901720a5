//! Numbers made of others, and numbers compared with each other, user by user.

use super::measure::{Measure, Numbers};
use crate::EvalError;
use crate::dataset::Binder;
use crate::pass::ChunkPass;
use crate::truth::satisfies;
use crate::words::{self, Words};
use crowdset_query::{ArithmeticOp, CompareOp, PlanMeasure};
use crowdset_types::{CHUNK_USERS, Number, compare_numbers};

/// `a + b - c`, `a * b / c`, made ready.
pub(crate) struct Arithmetic<'a> {
    first: Box<Measure<'a>>,
    rest: Vec<(ArithmeticOp, Measure<'a>)>,
}

impl<'a> Arithmetic<'a> {
    pub(super) fn bind(
        binder: Binder<'a>,
        first: &'a PlanMeasure,
        rest: &'a [(ArithmeticOp, PlanMeasure)],
    ) -> Result<Self, EvalError> {
        let measure = |plan| Measure::bind(binder, plan, u64::MAX);
        Ok(Self {
            first: Box::new(measure(first)?),
            rest: rest
                .iter()
                .map(|(op, plan)| Ok((*op, measure(plan)?)))
                .collect::<Result<_, EvalError>>()?,
        })
    }

    pub(super) fn parts(&self) -> impl Iterator<Item = &Measure<'a>> {
        let rest = self.rest.iter().map(|(_, part)| part);
        std::iter::once(&*self.first).chain(rest)
    }

    pub(super) fn eval(
        &self,
        pass: &mut ChunkPass<'_>,
        wanted: &Words,
        present: &mut Words,
    ) -> Numbers {
        let mut values = pass.scratch.numbers.pop().unwrap_or_default();
        self.first.numbers(pass, wanted, present, &mut values);
        let mut right = pass.scratch.numbers.pop().unwrap_or_default();
        for (op, part) in &self.rest {
            // Who has no value so far gets none.
            let mut both = words::EMPTY;
            part.numbers(pass, present, &mut both, &mut right);
            present.fill(0);
            words::for_each(&both, |user| {
                if let Some(value) = op.apply(values[user], right[user]) {
                    values[user] = value;
                    words::set(present, user);
                }
            });
        }
        pass.scratch.numbers.push(right);
        Numbers::Any(values)
    }
}

impl Measure<'_> {
    /// As [`Measure::eval`], each number in full.
    pub(super) fn numbers(
        &self,
        pass: &mut ChunkPass<'_>,
        wanted: &Words,
        present: &mut Words,
        into: &mut Vec<Number>,
    ) {
        let numbers = self.eval(pass, wanted, present);
        into.resize(CHUNK_USERS, Number::Integer(0));
        match &numbers {
            Numbers::Counts(counts) => {
                words::for_each(present, |user| {
                    into[user] = Number::Integer(counts[user].into());
                });
            }
            Numbers::Scaled(values) => {
                // Whoever hands out scaled numbers says what they stand for.
                if let Some(scale) = self.scale() {
                    words::for_each(present, |user| into[user] = scale.number(values[user]));
                }
            }
            Numbers::Any(values) => words::for_each(present, |user| into[user] = values[user]),
        }
        numbers.give(pass.scratch);
    }

    /// The users of `wanted` among whom a rank is drawn: those with an event of a measure inside,
    /// or a value of an attribute.
    pub(super) fn candidates(&self, pass: &mut ChunkPass<'_>, wanted: &Words, found: &mut Words) {
        match self {
            Self::Number(_) => found.fill(0),
            Self::Negative(inner) => {
                inner.candidates(pass, wanted, found);
            }
            Self::Arithmetic(arithmetic) => {
                found.fill(0);
                let mut of_part = words::EMPTY;
                for part in arithmetic.parts() {
                    part.candidates(pass, wanted, &mut of_part);
                    words::or(found, &of_part);
                }
            }
            _ => match self.events() {
                Some(events) => events.did(pass, wanted, found),
                None => self.eval(pass, wanted, found).give(pass.scratch),
            },
        }
    }
}

/// `MEASURE OP MEASURE`, made ready.
pub(crate) struct Comparison<'a> {
    left: Measure<'a>,
    op: CompareOp,
    right: Measure<'a>,
}

impl<'a> Comparison<'a> {
    pub(crate) fn bind(
        binder: Binder<'a>,
        left: &'a PlanMeasure,
        op: CompareOp,
        right: &'a PlanMeasure,
    ) -> Result<Self, EvalError> {
        Ok(Self {
            left: Measure::bind(binder, left, u64::MAX)?,
            op,
            right: Measure::bind(binder, right, u64::MAX)?,
        })
    }

    /// About how many rows are read, over all users.
    pub(crate) fn cost_rows(&self) -> u64 {
        (self.left.cost_rows() + self.right.cost_rows()) * 2
    }

    pub(crate) fn eval(&self, pass: &mut ChunkPass<'_>, wanted: &Words, found: &mut Words) {
        let mut left = pass.scratch.numbers.pop().unwrap_or_default();
        let mut right = pass.scratch.numbers.pop().unwrap_or_default();
        let (mut present, mut both) = (words::EMPTY, words::EMPTY);
        self.left.numbers(pass, wanted, &mut present, &mut left);
        self.right.numbers(pass, &present, &mut both, &mut right);
        found.fill(0);
        words::for_each(&both, |user| {
            if compare_numbers(left[user], right[user])
                .is_some_and(|ordering| satisfies(self.op, ordering))
            {
                words::set(found, user);
            }
        });
        pass.scratch.numbers.extend([left, right]);
    }
}
