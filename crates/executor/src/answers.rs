//! Answers about several segments, several instants, or the values of an attribute.

use crate::audience::Audience;
use crate::control::Control;
use crate::dataset::{Binder, Dataset};
use crate::filter::Attributes;
use crate::groups::{ChunkGroups, Groups};
use crate::program::{Program, Purpose};
use crate::schedule::{Schedule, Work};
use crate::words::{self, Words};
use crate::{EvalError, ExecOptions};
use crowdset_query::{Plan, PlanAttribute};
use crowdset_types::{TimestampMillis, Value};

/// Looking at a member's value costs as much as scanning so many rows.
const ROWS_PER_MEMBER: u64 = 9;

/// How many users each pair of plans has in common, in one pass: `sizes[i][j]` is that of plans `i`
/// and `j`, and `sizes[i][i]` the size of plan `i`.
///
/// # Cost
///
/// That of evaluating the plans together, and for each pair a look at one bit per user. Takes 2 KB per
/// plan and worker, and no audience is made.
///
/// # Errors
///
/// [`EvalError`]; there is never a partial answer.
pub fn overlap(
    dataset: &Dataset,
    plans: &[&Plan],
    options: &ExecOptions,
    control: &Control,
) -> Result<Vec<Vec<u64>>, EvalError> {
    let _span = tracing::debug_span!("overlap", plans = plans.len()).entered();
    let schedule = Schedule::new(*options, &dataset.workers);
    let (program, _) = Program::new(dataset, plans, options, &schedule, control, Purpose::Answer)?;
    let of_chunks = schedule.run(program.work(), control, |chunk, scratch| {
        let mut of_plans: Vec<Words> = vec![words::EMPTY; plans.len()];
        program.run_chunk(schedule.machine(), chunk, None, scratch, |plan, found| {
            of_plans[plan] = *found;
        })?;
        let mut sizes = Vec::with_capacity(plans.len() * (plans.len() + 1) / 2);
        for (position, left) in of_plans.iter().enumerate() {
            for right in &of_plans[position..] {
                sizes.push(schedule.machine().count_common(left, right));
            }
        }
        Ok(sizes)
    })?;
    let mut sizes = vec![vec![0; plans.len()]; plans.len()];
    for of_chunk in of_chunks {
        let mut of_chunk = of_chunk.into_iter();
        for (left, row) in sizes.iter_mut().enumerate() {
            for (size, more) in row[left..].iter_mut().zip(&mut of_chunk) {
                *size += more;
            }
        }
    }
    for left in 1..plans.len() {
        let (above, row) = sizes.split_at_mut(left);
        for (size, above) in row[0].iter_mut().zip(above) {
            *size = above[left];
        }
    }
    Ok(sizes)
}

/// How many members have each value of an attribute as of an instant, by descending size, then by
/// value; `None` is for members without one, behind those of equal size.
///
/// # Cost
///
/// One look at each member's value. Text is counted by its stored code.
///
/// # Errors
///
/// [`EvalError`] if data is damaged or the work was cancelled.
pub fn breakdown(
    audience: &Audience,
    dataset: &Dataset,
    attribute: &PlanAttribute,
    as_of: TimestampMillis,
    options: &ExecOptions,
    control: &Control,
) -> Result<Vec<(Option<Value>, u64)>, EvalError> {
    let binder = Binder {
        dataset,
        options,
        as_of,
    };
    let attribute = binder.attribute(attribute)?;
    let work = Work {
        chunks: dataset.users.chunks(),
        rows: audience.len() * ROWS_PER_MEMBER,
        conditions: 0,
    };
    let schedule = Schedule::new(*options, &dataset.workers);
    let of_chunks = schedule.run(work, control, |chunk, scratch| {
        let users = audience.chunk(chunk);
        Ok(ChunkGroups::new(&attribute, chunk, users, scratch))
    })?;
    let mut groups = Groups::new(&attribute);
    for of_chunk in of_chunks {
        groups.add(of_chunk);
    }
    Ok(groups.finish(&attribute))
}
