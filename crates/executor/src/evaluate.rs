//! The ways to ask about everybody: one plan, many at once, sizes only, with a profile.

use crate::audience::Audience;
use crate::control::Control;
use crate::dataset::Dataset;
use crate::profile::{NodeProfile, Tally};
use crate::program::{Program, Purpose};
use crate::schedule::Schedule;
use crate::words::{self, Words};
use crate::{EvalError, ExecOptions};
use crowdset_query::Plan;
use crowdset_types::CHUNK_WORDS;

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
    let answers = schedule.run(program.work(), control, |chunk, scratch| {
        let mut of_plans: Vec<Option<Box<Words>>> = vec![None; plans];
        program.run_chunk(
            schedule.machine(),
            chunk,
            None,
            scratch,
            |position, found| {
                // Empty chunks are common where there are many plans.
                if !words::is_empty(found) {
                    of_plans[position] = Some(Box::new(*found));
                }
            },
        )?;
        Ok(of_plans)
    })?;
    let audience = |position: usize| {
        let mut all = Vec::with_capacity(answers.len() * CHUNK_WORDS);
        for of_plans in &answers {
            match &of_plans[position] {
                Some(found) => all.extend_from_slice(&found[..]),
                None => all.resize(all.len() + CHUNK_WORDS, 0),
            }
        }
        Audience::from_words(dataset.users.clone(), all)
    };
    Ok((0..plans).map(audience).collect())
}
