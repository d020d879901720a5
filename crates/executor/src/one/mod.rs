//! One user: the same plan, asked of the rows of one user alone.
//!
//! A user's rows are found by binary search to chunk and window and one vector loop over 16-bit
//! ordinals; every condition is then worked out from these few rows, one by one, which also says
//! what decided it. What compares users with each other (ranks) still has to look at everybody.

mod aging;
mod finding;
mod instants;
mod measure;
mod overtaking;
mod rows;
mod sequence;

use crate::attribute::Attribute;
use crate::condition::Rank;
use crate::control::Control;
use crate::dataset::{Binder, Dataset, storage_table};
use crate::kernel::Machine;
use crate::program::{Program, Purpose};
use crate::schedule::Schedule;
use crate::truth::{Truth, ValueRef, satisfies};
use crate::words;
use crate::{EvalError, ExecOptions};
pub use aging::Aged;
use crowdset_query::{Plan, PlanAttribute, PlanKind, PlanNode};
use crowdset_query::{PlanOccurrence, PlanOccurrenceTest, Position};
use crowdset_types::{TimeRange, TimestampMillis, UserOrdinal, compare_numbers};
pub use finding::{Finding, FindingKind, FoundEvent, Miss, Place};
use hashbrown::HashMap;
pub use instants::{attribute_changes, attribute_values, event_instants};
use rows::{Row, ValueTest};
use std::cell::RefCell;
use std::ops::ControlFlow;
use std::rc::Rc;

/// One user of a data set, to be asked any number of plans.
///
/// The user's rows are read once per event name and kept, so that one user can be asked about many
/// instants quickly.
#[derive(Debug)]
pub struct OneUser<'a> {
    dataset: &'a Dataset,
    user: UserOrdinal,
    options: ExecOptions,
    control: Control,
    /// The user's rows by event name; `None`: rows are not kept, and only windows are read.
    kept: Option<Kept<'a>>,
}

type Kept<'a> = RefCell<HashMap<String, Rc<[Row<'a>]>>>;

/// A user and an instant.
#[derive(Clone, Copy)]
struct Asked<'o, 'a> {
    one: &'o OneUser<'a>,
    as_of: TimestampMillis,
}

/// Whether a plan selects one user. Reads the rows of that user only, unless the plan ranks
/// everybody.
///
/// # Cost
///
/// For each condition and partition a binary search and a scan of the two-byte ordinals of the
/// chunk's rows within the window: microseconds.
///
/// # Errors
///
/// As [`crate::evaluate`].
pub fn contains(
    dataset: &Dataset,
    plan: &Plan,
    user: UserOrdinal,
    options: &ExecOptions,
    control: &Control,
) -> Result<bool, EvalError> {
    OneUser {
        dataset,
        user,
        options: *options,
        control: control.clone(),
        kept: None,
    }
    .contains(plan)
}

impl<'a> OneUser<'a> {
    /// The user of an ordinal.
    pub fn new(
        dataset: &'a Dataset,
        user: UserOrdinal,
        options: &ExecOptions,
        control: &Control,
    ) -> Self {
        Self {
            dataset,
            user,
            options: *options,
            control: control.clone(),
            kept: Some(RefCell::default()),
        }
    }

    /// Whether the user belongs to the universe.
    pub fn is_in_universe(&self) -> bool {
        self.dataset.users.in_universe(self.user)
    }

    /// Whether a plan selects the user.
    ///
    /// # Errors
    ///
    /// As [`crate::evaluate`].
    pub fn contains(&self, plan: &Plan) -> Result<bool, EvalError> {
        if !self.is_in_universe() {
            return Ok(false);
        }
        let asked = Asked {
            one: self,
            as_of: plan.as_of,
        };
        asked.holds(&plan.root)
    }

    /// The first instant before `until` at which the answer of a plan is no longer `is_in`, its answer at
    /// its own instant, if days since events are all that moves until then. `tries` is how many spans
    /// of time may be looked at, and what is left of them; a ranking takes more of them the more users
    /// there are.
    ///
    /// # Errors
    ///
    /// As [`crate::evaluate`].
    pub fn aged(
        &self,
        plan: &Plan,
        is_in: bool,
        until: TimestampMillis,
        tries: &mut u32,
    ) -> Result<Aged, EvalError> {
        let asked = Asked {
            one: self,
            as_of: plan.as_of,
        };
        let from = plan.as_of.0.saturating_add(1);
        asked.aged(&plan.root, is_in, from, until.0, tries)
    }

    /// What a plan finds about the user. Means something of users of the universe only.
    ///
    /// # Errors
    ///
    /// As [`crate::evaluate`].
    pub fn finding(&self, plan: &Plan) -> Result<Finding, EvalError> {
        let asked = Asked {
            one: self,
            as_of: plan.as_of,
        };
        asked.finding(&plan.root)
    }

    /// How many events the user has, of whatever name.
    ///
    /// # Errors
    ///
    /// [`EvalError::Damaged`].
    pub fn event_count(&self) -> Result<u64, EvalError> {
        let mut count = 0;
        for name in self.event_names() {
            let _ = self.rows(name, TimeRange::ALL, &mut |_| {
                count += 1;
                ControlFlow::Continue(())
            })?;
        }
        Ok(count)
    }

    /// All event names, ascending.
    fn event_names(&self) -> impl Iterator<Item = &'a str> {
        let mut names: Vec<&'a str> = self
            .dataset
            .partitions
            .iter()
            .flat_map(|handle| handle.partition.streams())
            .map(crowdset_storage::Stream::name)
            .collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter()
    }

    /// Calls `visit` with the user's rows of one event name within a range, in order.
    fn rows(
        &self,
        name: &str,
        range: TimeRange,
        visit: &mut dyn FnMut(Row<'a>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, EvalError> {
        let Some(kept) = &self.kept else {
            return self.scan(name, range, visit);
        };
        let known = kept.borrow().get(name).cloned();
        let rows = if let Some(rows) = known {
            rows
        } else {
            let mut rows = Vec::new();
            let _ = self.scan(name, TimeRange::ALL, &mut |row| {
                rows.push(row);
                ControlFlow::Continue(())
            })?;
            let rows: Rc<[Row<'a>]> = rows.into();
            kept.borrow_mut().insert(name.to_owned(), Rc::clone(&rows));
            rows
        };
        let first = rows.partition_point(|row| row.at < range.from.0);
        for row in rows[first..].iter().take_while(|row| row.at < range.to.0) {
            if visit(*row).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn scan(
        &self,
        name: &str,
        range: TimeRange,
        visit: &mut dyn FnMut(Row<'a>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, EvalError> {
        let machine = Machine::new(self.options.kernels);
        // Partitions ascend in time.
        for handle in &self.dataset.partitions {
            let partition = &handle.partition;
            if rows::scan(machine, partition, name, range, self.user, visit)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

impl<'a> Asked<'_, 'a> {
    fn user(self) -> UserOrdinal {
        self.one.user
    }

    fn attribute(self, attribute: &PlanAttribute) -> Result<Attribute<'a>, EvalError> {
        let users = &self.one.dataset.users;
        let stored = users.attribute(storage_table(attribute.table), &attribute.name);
        Attribute::new(stored, attribute.cast, self.as_of, users.ordinals())
    }

    /// Whether a user of the universe is selected.
    fn holds(self, node: &PlanNode) -> Result<bool, EvalError> {
        Ok(match &node.kind {
            PlanKind::Everyone => true,
            PlanKind::Nobody => false,
            PlanKind::And(parts) => {
                for part in parts {
                    if !self.holds(part)? {
                        return Ok(false);
                    }
                }
                true
            }
            PlanKind::Or(parts) => {
                for part in parts {
                    if self.holds(part)? {
                        return Ok(true);
                    }
                }
                false
            }
            PlanKind::Not(part) => !self.holds(part)?,
            PlanKind::UserId(ids) => self.has_id(ids)?,
            PlanKind::List { name: _, ids } => self.has_id(ids)?,
            PlanKind::Attribute { operand, test } => {
                let value = self.attribute(operand)?.value(self.user().0);
                ValueTest::new(test, true)?.holds(self, value.as_ref(), true)?
            }
            PlanKind::Did(of) => self.did(of)?,
            PlanKind::Measure { measure, test } => {
                let number = self.number(measure)?;
                measure::passes(number, test)?
            }
            PlanKind::Occurrence { occurrence, test } => match self.occurrence(occurrence)? {
                Some(row) => self.occurrence_holds(&row, test)?,
                None => false,
            },
            PlanKind::MeasureComparison { left, op, right } => {
                let pair = self.number(left)?.zip(self.number(right)?);
                pair.and_then(|(left, right)| compare_numbers(left, right))
                    .is_some_and(|ordering| satisfies(*op, ordering))
            }
            PlanKind::Sequence(_) | PlanKind::History { .. } | PlanKind::Changed { .. } => {
                self.by_pass(node)?
            }
            PlanKind::Rank { .. } => self.place(node)?.is_some_and(Place::is_selected),
        })
    }

    fn has_id(self, ids: &[String]) -> Result<bool, EvalError> {
        let users = &self.one.dataset.users;
        users.touch_ids()?;
        let own = users.id(self.user());
        Ok(ids.binary_search_by(|id| id.as_str().cmp(own)).is_ok())
    }

    /// One event by its place.
    fn occurrence(self, occurrence: &PlanOccurrence) -> Result<Option<Row<'a>>, EvalError> {
        let events = self.events(&occurrence.of)?;
        Ok(match occurrence.position {
            Position::First => events.first(),
            Position::Last => events.last(),
            Position::Nth(n) => (n as usize)
                .checked_sub(1)
                .and_then(|index| events.get(index)),
        }
        .copied())
    }

    fn occurrence_holds(self, row: &Row<'a>, test: &PlanOccurrenceTest) -> Result<bool, EvalError> {
        Ok(match test {
            PlanOccurrenceTest::When(window) => self
                .bounds(window)?
                .is_some_and(|(low, high)| (low..=high).contains(&row.at)),
            PlanOccurrenceTest::EventName(verdicts) => verdicts
                .iter()
                .any(|(name, holds)| name == row.stream.name() && *holds),
            PlanOccurrenceTest::Property { operand, test } => {
                ValueTest::new(test, false)?.holds(self, row.value(operand)?.as_ref(), false)?
            }
        })
    }

    /// Where the user stands in a ranking; `None` for what is no ranking.
    fn place(self, node: &PlanNode) -> Result<Option<Place>, EvalError> {
        let PlanKind::Rank { end, size, measure } = &node.kind else {
            return Ok(None);
        };
        let schedule = Schedule::new(self.one.options, &self.one.dataset.workers);
        let rank = Rank::bind(self.binder(), *end, *size, measure)?;
        Ok(Some(rank.place(
            self.user(),
            &schedule,
            &self.one.control,
        )?))
    }

    fn binder(&self) -> Binder<'_> {
        Binder {
            dataset: self.one.dataset,
            options: &self.one.options,
            as_of: self.as_of,
        }
    }

    /// The verdict of the pass over chunks, run for this user's chunk and wanting this user only.
    fn by_pass(self, node: &PlanNode) -> Result<bool, EvalError> {
        let plan = Plan {
            as_of: self.as_of,
            root: node.clone(),
            warnings: Vec::new(),
            node_count: 1,
        };
        let options = &self.one.options;
        let schedule = Schedule::new(*options, &self.one.dataset.workers);
        let (program, _) = Program::new(
            self.one.dataset,
            &[&plan],
            options,
            &schedule,
            &self.one.control,
            Purpose::Answer,
        )?;
        let within = usize::from(self.user().within_chunk());
        let mut wanted = words::EMPTY;
        words::set(&mut wanted, within);
        let mut is_in = false;
        let mut scratch = self.one.dataset.workers.take();
        program.run_chunk(
            schedule.machine(),
            self.user().chunk(),
            Some(&wanted),
            &mut scratch,
            |_, found| is_in = words::get(found, within),
        )?;
        self.one.dataset.workers.give(vec![scratch]);
        Ok(is_in)
    }
}

/// Whether a test is true of a value, or of none.
fn is_true(truth: &Truth<'_>, value: Option<&ValueRef<'_>>) -> bool {
    value.map_or(truth.of_missing(), |value| truth.of(value))
}
