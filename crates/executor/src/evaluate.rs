//! The ways to ask about everybody: one plan, many at once, sizes only, with a profile.

use crate::audience::{Audience, Part};
use crate::control::Control;
use crate::dataset::Dataset;
use crate::profile::{NodeProfile, Tally};
use crate::program::{Program, Purpose};
use crate::schedule::Schedule;
use crate::{EvalError, ExecOptions};
use crowdset_query::Plan;

/// The users of the universe that a plan selects.
///
/// # Cost
///
/// Binding costs microseconds per condition and partition; the pass reads only the rows that the
/// conditions name, within their windows. Runs on rayon's current pool where the work is worth it.
///
/// # Errors
///
/// [`EvalError`]; there is never a partial answer.
pub fn evaluate(
    dataset: &Dataset,
    plan: &Plan,
    options: &ExecOptions,
    control: &Control,
) -> Result<Audience, EvalError> {
    let mut audiences = evaluate_many(dataset, &[plan], options, control)?;
    Ok(audiences
        .pop()
        .unwrap_or_else(|| Audience::nobody(dataset.users.clone())))
}

/// The users that each plan selects, in the order of the plans, in one pass: what several plans ask
/// alike is worked out once per chunk of users.
///
/// # Errors
///
/// As [`evaluate`]; one plan that fails fails all.
pub fn evaluate_many(
    dataset: &Dataset,
    plans: &[&Plan],
    options: &ExecOptions,
    control: &Control,
) -> Result<Vec<Audience>, EvalError> {
    let _span = tracing::debug_span!("evaluate", plans = plans.len()).entered();
    let schedule = Schedule::new(*options);
    let (program, _) = Program::new(dataset, plans, options, &schedule, control, Purpose::Answer)?;
    collect_audiences(dataset, &program, plans.len(), &schedule, control)
}

/// How many users each plan selects: [`evaluate_many`] without making the sets.
///
/// # Errors
///
/// As [`evaluate_many`].
pub fn count_many(
    dataset: &Dataset,
    plans: &[&Plan],
    options: &ExecOptions,
    control: &Control,
) -> Result<Vec<u64>, EvalError> {
    let _span = tracing::debug_span!("count", plans = plans.len()).entered();
    let schedule = Schedule::new(*options);
    let (program, _) = Program::new(dataset, plans, options, &schedule, control, Purpose::Answer)?;
    program.count(&schedule, control)
}

/// The users a plan selects, and what each of its nodes took, in order of the nodes' numbers.
///
/// # Errors
///
/// As [`evaluate`].
pub fn profile(
    dataset: &Dataset,
    plan: &Plan,
    options: &ExecOptions,
    control: &Control,
) -> Result<(Audience, Vec<NodeProfile>), EvalError> {
    let schedule = Schedule::new(*options);
    let (program, mut tallies) = Program::new(
        dataset,
        &[plan],
        options,
        &schedule,
        control,
        Purpose::Profile,
    )?;
    let mut audiences = collect_audiences(dataset, &program, 1, &schedule, control)?;
    let audience = audiences
        .pop()
        .unwrap_or_else(|| Audience::nobody(dataset.users.clone()));
    for scratch in schedule.into_scratches() {
        for (total, tally) in tallies.iter_mut().zip(&scratch.tallies) {
            total.add(tally);
        }
    }
    let mut profiles: Vec<NodeProfile> = program
        .paths()
        .into_iter()
        .zip(&tallies)
        .map(|((node, path), tally)| Tally::profile(tally, node, path))
        .collect();
    profiles.sort_unstable_by_key(|profile| profile.node);
    Ok((audience, profiles))
}

fn collect_audiences(
    dataset: &Dataset,
    program: &Program<'_>,
    plans: usize,
    schedule: &Schedule,
    control: &Control,
) -> Result<Vec<Audience>, EvalError> {
    let mut answers = schedule.run(program.work(), control, |chunk, scratch| {
        let universe = dataset.users.universe(chunk);
        let mut of_plans: Vec<Part> = Vec::with_capacity(plans);
        program.run_chunk(schedule.machine(), chunk, None, scratch, |_, found| {
            of_plans.push(Part::new(found, universe));
        })?;
        Ok(of_plans)
    })?;
    let audience = |position: usize| {
        let of_chunks = answers.iter_mut();
        let parts = of_chunks.map(|of_plans| std::mem::take(&mut of_plans[position]));
        Audience::from_parts(dataset.users.clone(), parts.collect())
    };
    Ok((0..plans).map(audience).collect())
}
