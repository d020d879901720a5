//! The ways to ask about everybody: one plan, many at once, sizes only, with a profile.

use crate::audience::{Audience, Part};
use crate::control::Control;
use crate::dataset::Dataset;
use crate::profile::{NodeProfile, Profile, Tally};
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
    let schedule = Schedule::new(*options, &dataset.workers);
    let (program, tallies) = Program::new(dataset, plans, options, &schedule, control, purpose())?;
    let audiences = collect_audiences(dataset, &program, plans.len(), &schedule, control)?;
    tell(&program, tallies, &schedule);
    Ok(audiences)
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
    let schedule = Schedule::new(*options, &dataset.workers);
    let (program, tallies) = Program::new(dataset, plans, options, &schedule, control, purpose())?;
    let counts = program.count(&schedule, control)?;
    tell(&program, tallies, &schedule);
    Ok(counts)
}

/// The users a plan selects, and what that took, node by node.
///
/// # Errors
///
/// As [`evaluate`].
pub fn profile(
    dataset: &Dataset,
    plan: &Plan,
    options: &ExecOptions,
    control: &Control,
) -> Result<(Audience, Profile), EvalError> {
    let schedule = Schedule::new(*options, &dataset.workers);
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
    let workers = schedule.add_tallies(&mut tallies);
    let chunks = dataset.users.chunks() as u64;
    let mut nodes: Vec<NodeProfile> = tallies
        .iter()
        .zip(program.paths())
        .map(|(tally, (node, path))| tally.profile(node.id, path, chunks))
        .collect();
    nodes.sort_unstable_by_key(|profile| profile.node);
    let profile = Profile {
        nodes,
        chunks,
        workers,
    };
    Ok((audience, profile))
}

/// The target of the events that tell a host what each node took.
const NODE_TARGET: &str = "crowdset::node";

/// Whether a host listens to what nodes take: then they are timed.
fn purpose() -> Purpose {
    if tracing::enabled!(target: NODE_TARGET, tracing::Level::DEBUG) {
        Purpose::Profile
    } else {
        Purpose::Answer
    }
}

/// Tells a host that listens what each node took.
fn tell(program: &Program<'_>, mut tallies: Vec<Tally>, schedule: &Schedule) {
    if purpose() != Purpose::Profile {
        return;
    }
    schedule.add_tallies(&mut tallies);
    for (tally, (node, path)) in tallies.iter().zip(program.paths()) {
        tracing::debug!(
            target: NODE_TARGET,
            node = node.id,
            text = %node.label(),
            answered_by = %path,
            users = tally.users,
            rows = tally.rows,
            rows_skipped = tally.rows_skipped,
            bytes = tally.bytes,
            chunks = tally.chunks,
            nanos = tally.nanos,
            "node"
        );
    }
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
        let mut of_plans: Vec<Part> = Vec::new();
        of_plans.resize_with(plans, Part::default);
        program.run_chunk(schedule.machine(), chunk, None, scratch, |plan, found| {
            of_plans[plan] = Part::new(found, universe);
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
