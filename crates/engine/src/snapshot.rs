//! Questions to one immutable state of the data.

use crate::analysis::Analysis;
use crate::audience::Audience;
use crate::error::EvaluateError;
use crate::state::State;
use crate::stats::Stats;
use crate::verify::Verification;
use crate::why::Why;
use crate::{AsOf, Catalog, Control, Diagnostic, EvalError, Plan, Segment};
use crowdset_executor::{self as executor, ExecOptions};
use crowdset_query::{PlanOptions, plan};
use crowdset_types::TimestampMillis;
use rayon::ThreadPool;
use rayon::prelude::*;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// How a segment is to be answered. Every switch changes the speed of an answer, none the answer.
#[derive(Debug, Clone)]
pub struct EvalOptions {
    /// Names that the data does not hold are errors instead of warnings.
    pub strict: bool,
    /// Whether the planner may try conditions in another order than written.
    pub reorder: bool,
    /// The executor's switches.
    pub execution: ExecOptions,
    /// Cancellation and progress.
    pub control: Control,
}

impl Default for EvalOptions {
    fn default() -> Self {
        Self {
            strict: false,
            reorder: true,
            execution: ExecOptions::default(),
            control: Control::default(),
        }
    }
}

impl EvalOptions {
    pub(crate) fn plan_options(&self) -> PlanOptions {
        PlanOptions {
            strict: self.strict,
            reorder: self.reorder,
        }
    }
}

/// So many plans are made on several threads.
const PLANS_MIN: usize = 64;

/// One consistent state of the data, to be asked any number of times from any thread.
///
/// Taking one costs the copy of two pointers; holding one costs the memory of its state and delays
/// nobody. What is loaded later is not seen.
#[derive(Clone)]
pub struct Snapshot {
    pub(crate) state: Arc<State>,
    pub(crate) pool: Option<Arc<ThreadPool>>,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("universe_len", &self.universe_len())
            .finish_non_exhaustive()
    }
}

impl Snapshot {
    /// How many users there are: the rows of `users`, or everybody seen where there never was such a
    /// table.
    pub fn universe_len(&self) -> u64 {
        self.state.users.universe_len()
    }

    /// The users that `segment` selects at `as_of`.
    ///
    /// # Errors
    ///
    /// [`EvaluateError`] if the definition does not fit the data, or data is damaged. Never a partial
    /// answer.
    ///
    /// # Examples
    ///
    /// ```
    /// use crowdset::{AsOf, Engine, Segment};
    ///
    /// let engine = Engine::in_memory();
    /// let segment: Segment = "everyone".parse()?;
    /// assert!(engine.snapshot().evaluate(&segment, AsOf::now())?.is_empty());
    /// # Ok::<(), crowdset::Error>(())
    /// ```
    pub fn evaluate(&self, segment: &Segment, as_of: AsOf) -> Result<Audience, EvaluateError> {
        self.evaluate_with(segment, as_of, &EvalOptions::default())
    }

    /// The same, with options.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::evaluate`]; a cancelled evaluation is an error too.
    pub fn evaluate_with(
        &self,
        segment: &Segment,
        as_of: AsOf,
        options: &EvalOptions,
    ) -> Result<Audience, EvaluateError> {
        self.prepare_with(segment, as_of, options)?.run()
    }

    /// How many users `segment` selects at `as_of`.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::evaluate`].
    pub fn count(&self, segment: &Segment, as_of: AsOf) -> Result<u64, EvaluateError> {
        self.prepare(segment, as_of)?.count()
    }

    /// Whether `segment` selects one user at `as_of`; no for an id that was never seen.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::evaluate`].
    pub fn contains(
        &self,
        segment: &Segment,
        user_id: &str,
        as_of: AsOf,
    ) -> Result<bool, EvaluateError> {
        self.prepare(segment, as_of)?.contains(user_id)
    }

    /// Whether `segment` selects one user at `as_of`, and why: each condition with what was found,
    /// the events it rests on and what was missing, and the next instant at which time alone changes
    /// the answer.
    ///
    /// # Cost
    ///
    /// Reads one user's rows, each event name once. The next change asks about the user at every
    /// later instant at which an event or a value enters or leaves a window, until the answer
    /// differs; a segment that ranks users looks at everybody each time.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::evaluate`].
    ///
    /// # Examples
    ///
    /// ```
    /// use crowdset::arrow::array::{ArrayRef, StringArray, TimestampMillisecondArray};
    /// use crowdset::arrow::record_batch::RecordBatch;
    /// use crowdset::{AsOf, Engine, NextChange, Segment, TimestampMillis};
    /// use std::sync::Arc;
    ///
    /// let engine = Engine::in_memory();
    /// engine.append(&RecordBatch::try_from_iter([
    ///     ("event_id", Arc::new(StringArray::from(vec!["e1"])) as ArrayRef),
    ///     ("user_id", Arc::new(StringArray::from(vec!["ada"])) as ArrayRef),
    ///     ("event_name", Arc::new(StringArray::from(vec!["purchase"])) as ArrayRef),
    ///     ("timestamp", Arc::new(TimestampMillisecondArray::from(vec![1_000])) as ArrayRef),
    /// ])?)?;
    ///
    /// let segment: Segment = "count(purchase, last 5 seconds) >= 2".parse()?;
    /// let why = engine.snapshot().why(&segment, "ada", AsOf::at_millis(3_000))?;
    /// assert!(!why.is_in);
    /// let tree = why.tree.expect("a user of the universe");
    /// assert_eq!(tree.miss.expect("not true").text, "1 of at least 2");
    /// // The only purchase leaves the window, which changes nothing.
    /// assert_eq!(why.next_change, NextChange::Never);
    ///
    /// let segment: Segment = "not did(purchase, last 5 seconds)".parse()?;
    /// let why = engine.snapshot().why(&segment, "ada", AsOf::at_millis(3_000))?;
    /// assert_eq!(why.next_change, NextChange::At(TimestampMillis(6_001)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn why(&self, segment: &Segment, user_id: &str, as_of: AsOf) -> Result<Why, EvaluateError> {
        self.why_with(segment, user_id, as_of, &EvalOptions::default())
    }

    /// The same, with options.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::why`]; with `strict`, unknown names are errors too.
    pub fn why_with(
        &self,
        segment: &Segment,
        user_id: &str,
        as_of: AsOf,
        options: &EvalOptions,
    ) -> Result<Why, EvaluateError> {
        crate::why::why(self, segment, user_id, as_of, options)
    }

    /// Resolves `segment` against this state at `as_of`, to be run any number of times.
    ///
    /// # Errors
    ///
    /// [`EvaluateError::Segment`] if the definition does not fit the data.
    pub fn prepare(&self, segment: &Segment, as_of: AsOf) -> Result<Prepared, EvaluateError> {
        self.prepare_with(segment, as_of, &EvalOptions::default())
    }

    /// The same, with options.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::prepare`]; with `strict`, unknown names are errors too.
    pub fn prepare_with(
        &self,
        segment: &Segment,
        as_of: AsOf,
        options: &EvalOptions,
    ) -> Result<Prepared, EvaluateError> {
        let _span = tracing::debug_span!("plan").entered();
        let plan = plan(
            segment,
            self.state.catalog(),
            as_of.instant(),
            &options.plan_options(),
        )?;
        Ok(Prepared {
            snapshot: self.clone(),
            plan: Arc::new(plan),
            options: options.clone(),
        })
    }

    /// Answers many segments in one pass over the data; equal conditions are worked out once.
    ///
    /// The answers stand in the order of the questions. Each fails for itself if it cannot be
    /// planned; what stops the pass (damage, cancellation) fails all that were in it, each one tried
    /// again alone, so that only those fail that need what is damaged.
    pub fn evaluate_many(
        &self,
        questions: &[(&Segment, AsOf)],
        options: &EvalOptions,
    ) -> Vec<Result<Audience, EvaluateError>> {
        let control = self.control(options);
        let all = |plans: &[&Plan]| {
            self.state.touch_ids()?;
            executor::evaluate_many(&self.state.dataset, plans, &options.execution, &control)
        };
        let alone = |prepared: &Prepared| {
            self.state.touch_ids()?;
            prepared.set()
        };
        let answers = self.many(questions, options, all, alone);
        answers
            .into_iter()
            .map(|answer| answer.map(|(prepared, set)| prepared.audience(set)))
            .collect()
    }

    /// Counts many segments in one pass, as [`Snapshot::evaluate_many`] does, without making the
    /// audiences: thousands of segments need no more memory than one.
    ///
    /// Each answer comes with its plan, which knows the instant and the warnings.
    pub fn count_many(
        &self,
        questions: &[(&Segment, AsOf)],
        options: &EvalOptions,
    ) -> Vec<Result<(Prepared, u64), EvaluateError>> {
        let control = self.control(options);
        let all = |plans: &[&Plan]| {
            executor::count_many(&self.state.dataset, plans, &options.execution, &control)
        };
        self.many(questions, options, all, Prepared::count)
    }

    /// Answers all questions that can be planned at once, or one by one where that fails.
    fn many<T: Send>(
        &self,
        questions: &[(&Segment, AsOf)],
        options: &EvalOptions,
        all: impl FnOnce(&[&Plan]) -> Result<Vec<T>, EvalError>,
        alone: impl Fn(&Prepared) -> Result<T, EvaluateError>,
    ) -> Vec<Result<(Prepared, T), EvaluateError>> {
        let prepare =
            |(segment, as_of): &(&Segment, AsOf)| self.prepare_with(segment, *as_of, options);
        let prepared: Vec<_> = if questions.len() >= PLANS_MIN && options.execution.parallel {
            let prepare = || questions.par_iter().map(prepare).collect();
            match &self.pool {
                Some(pool) => pool.install(prepare),
                None => prepare(),
            }
        } else {
            questions.iter().map(prepare).collect()
        };
        let plans: Vec<&Plan> = prepared
            .iter()
            .flatten()
            .map(|prepared| &*prepared.plan)
            .collect();
        let mut answers = all(&plans).map(Vec::into_iter).ok();
        prepared
            .into_iter()
            .map(|prepared| {
                let prepared = prepared?;
                let answer = match answers.as_mut().and_then(Iterator::next) {
                    Some(answer) => answer,
                    None => alone(&prepared)?,
                };
                Ok((prepared, answer))
            })
            .collect()
    }

    /// Answers `segment` and tells what every node of its plan cost.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::evaluate`].
    pub fn analyze(
        &self,
        segment: &Segment,
        as_of: AsOf,
        options: &EvalOptions,
    ) -> Result<Analysis, EvaluateError> {
        self.prepare_with(segment, as_of, options)?.analyze()
    }

    /// What the state holds: rows, users, and bytes by column and index.
    pub fn stats(&self) -> Stats {
        Stats::of(&self.state)
    }

    /// Checks every checksum and invariant of the state's files.
    pub fn verify(&self) -> Verification {
        Verification::of(&self.state)
    }

    /// The names a segment may use, with their types and rough numbers.
    pub fn catalog(&self) -> &dyn Catalog {
        self.state.catalog()
    }

    /// The times of the first and the last event; `None` without events.
    pub fn event_span(&self) -> Option<(TimestampMillis, TimestampMillis)> {
        self.catalog().event_span()
    }

    /// The control of an evaluation on the engine's pool, if it has one.
    pub(crate) fn control(&self, options: &EvalOptions) -> Control {
        match &self.pool {
            Some(pool) => options.control.on_pool(pool),
            None => options.control.clone(),
        }
    }
}

/// A segment resolved against one state at one instant.
#[derive(Clone)]
pub struct Prepared {
    snapshot: Snapshot,
    plan: Arc<Plan>,
    options: EvalOptions,
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}

impl Prepared {
    /// The plan; its [`fmt::Display`] draws the tree.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The instant it is bound to.
    pub fn as_of(&self) -> AsOf {
        AsOf::at(self.plan.as_of)
    }

    /// What the definition says that is legal and yet probably not meant.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.plan.warnings
    }

    /// Answers it.
    ///
    /// # Errors
    ///
    /// [`EvaluateError::Execution`] if data is damaged or the evaluation was cancelled.
    pub fn run(&self) -> Result<Audience, EvaluateError> {
        // Checked once per state, so that reading the members' ids cannot fail later.
        self.snapshot.state.touch_ids()?;
        Ok(self.audience(self.set()?))
    }

    /// Whether it selects one user; no for an id that was never seen. Reads that user's rows only,
    /// unless it ranks users: microseconds, most of them spent looking for the rows.
    ///
    /// # Errors
    ///
    /// As [`Prepared::run`].
    pub fn contains(&self, user_id: &str) -> Result<bool, EvaluateError> {
        let (state, options) = (&self.snapshot.state, &self.options);
        state.touch_ids()?;
        let Some(user) = state.users.find(user_id) else {
            return Ok(false);
        };
        Ok(executor::contains(
            &state.dataset,
            &self.plan,
            user,
            &options.execution,
            &options.control,
        )?)
    }

    /// How many users it selects. Does not read user ids, so it is the quickest first question to a
    /// store.
    ///
    /// # Errors
    ///
    /// As [`Prepared::run`].
    pub fn count(&self) -> Result<u64, EvaluateError> {
        let (state, options) = (&self.snapshot.state, &self.options);
        let control = self.snapshot.control(options);
        let plans = &[&*self.plan];
        let counts = executor::count_many(&state.dataset, plans, &options.execution, &control)?;
        Ok(counts.into_iter().sum())
    }

    fn set(&self) -> Result<executor::Audience, EvaluateError> {
        let (state, options) = (&self.snapshot.state, &self.options);
        let control = self.snapshot.control(options);
        let execution = &options.execution;
        Ok(executor::evaluate(
            &state.dataset,
            &self.plan,
            execution,
            &control,
        )?)
    }

    /// Answers it and tells what every node cost.
    ///
    /// # Errors
    ///
    /// As [`Prepared::run`].
    pub fn analyze(&self) -> Result<Analysis, EvaluateError> {
        let (state, options) = (&self.snapshot.state, &self.options);
        state.touch_ids()?;
        let control = self.snapshot.control(options);
        let started = Instant::now();
        let (set, profile) =
            executor::profile(&state.dataset, &self.plan, &options.execution, &control)?;
        let elapsed = started.elapsed();
        Ok(Analysis {
            plan: Arc::clone(&self.plan),
            audience: self.audience(set),
            profile,
            elapsed,
        })
    }

    fn audience(&self, set: executor::Audience) -> Audience {
        Audience {
            set: Arc::new(set),
            state: Arc::clone(&self.snapshot.state),
            pool: self.snapshot.pool.clone(),
            as_of: self.as_of(),
            warnings: self.plan.warnings.clone().into(),
        }
    }
}
