//! Plans bound to a data set: trees of conditions, equal conditions bound once.

mod counting;
mod turns;

use crate::attribute::{AttributeCondition, equal_codes};
use crate::condition::{
    Changed, Comparison, Held, MeasureCondition, OccurrenceCondition, Rank, Sequence,
};
use crate::control::Control;
use crate::dataset::{Binder, Dataset, storage_table};
use crate::events::Events;
use crate::family::{self, Family, Question};
use crate::filter::Attributes;
use crate::kernel::Machine;
use crate::pass::ChunkPass;
use crate::profile::{Path, Tally};
use crate::schedule::Schedule;
use crate::scratch::Scratch;
use crate::words::{self, Words};
use crate::{EvalError, ExecOptions};
use crowdset_index::{FrozenSet, Term};
use crowdset_query::{Plan, PlanAttribute, PlanKind, PlanNode, PlanTest};
use crowdset_types::{CHUNK_WORDS, ChunkId, TimestampMillis};
use hashbrown::HashMap;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;
use turns::Turns;

/// Bound plans, to be run chunk by chunk.
pub(crate) struct Program<'a> {
    dataset: &'a Dataset,
    options: ExecOptions,
    roots: Vec<Node<'a>>,
    turns: Turns,
    conditions: Vec<Bound<'a>>,
    families: Vec<Family<'a>>,
    nodes: usize,
    purpose: Purpose,
}

/// What a program is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Plans as they are.
    Answer,
    /// The same, with the time of each node.
    Profile,
}

/// A node of one of the plans.
struct Node<'a> {
    /// Its tally.
    slot: usize,
    plan: &'a PlanNode,
    kind: NodeKind<'a>,
}

enum NodeKind<'a> {
    Everyone,
    Nobody,
    And(Vec<Node<'a>>),
    Or(Vec<Node<'a>>),
    Not(Box<Node<'a>>),
    Condition(usize),
}

/// A condition and who asks for it.
struct Bound<'a> {
    condition: Condition<'a>,
    /// The first node that asked.
    slot: usize,
    /// Several nodes ask: it is worked out once per chunk, for the whole universe.
    is_shared: bool,
}

enum Condition<'a> {
    Attribute(AttributeCondition<'a>),
    Did(Events<'a>),
    Measure(MeasureCondition<'a>),
    Comparison(Comparison<'a>),
    Held(Held<'a>),
    Changed(Changed<'a>),
    Occurrence(OccurrenceCondition<'a>),
    Sequence(Sequence<'a>),
    Rank(Rank<'a>),
    /// Worked out with all others of its family.
    Member(usize),
    /// Users known before the pass: one bit per ordinal.
    Users(Arc<Vec<u64>>, Path),
}

/// A condition that is still to be bound.
struct Leaf<'a> {
    binder: Binder<'a>,
    kind: &'a PlanKind,
    slot: usize,
    is_shared: bool,
}

/// The trees of plans and their conditions, equal ones once.
#[derive(Default)]
struct Leaves<'a> {
    nodes: usize,
    found: Vec<Leaf<'a>>,
    /// Finds equal conditions: by text first, as plans cannot be hashed, then by what they ask.
    known: HashMap<(&'a str, TimestampMillis), Vec<usize>>,
}

impl<'a> Leaves<'a> {
    fn add(&mut self, binder: Binder<'a>, plan: &'a PlanNode) -> Node<'a> {
        let slot = self.nodes;
        self.nodes += 1;
        let mut all = |parts: &'a [PlanNode]| -> Vec<Node<'a>> {
            parts.iter().map(|part| self.add(binder, part)).collect()
        };
        let kind = match &plan.kind {
            PlanKind::Everyone => NodeKind::Everyone,
            PlanKind::Nobody => NodeKind::Nobody,
            PlanKind::And(parts) => NodeKind::And(all(parts)),
            PlanKind::Or(parts) => NodeKind::Or(all(parts)),
            PlanKind::Not(part) => NodeKind::Not(Box::new(self.add(binder, part))),
            kind => NodeKind::Condition(self.leaf(binder, plan, kind, slot)),
        };
        Node { slot, plan, kind }
    }

    /// The number of the condition.
    fn leaf(
        &mut self,
        binder: Binder<'a>,
        plan: &'a PlanNode,
        kind: &'a PlanKind,
        slot: usize,
    ) -> usize {
        // What is the same at every instant is worked out once.
        let instant = if is_timeless(binder, kind) {
            TimestampMillis(i64::MIN)
        } else {
            binder.as_of
        };
        let alike = self.known.entry((plan.text.as_str(), instant)).or_default();
        let found = alike.iter().find(|&&leaf| self.found[leaf].kind == kind);
        if let Some(&leaf) = found {
            self.found[leaf].is_shared = true;
            return leaf;
        }
        alike.push(self.found.len());
        self.found.push(Leaf {
            binder,
            kind,
            slot,
            is_shared: false,
        });
        self.found.len() - 1
    }

    /// Conditions ready to run; families are worked out together.
    fn bind(self, options: ExecOptions) -> Result<(Vec<Bound<'a>>, Vec<Family<'a>>), EvalError> {
        let (families, family_of) = if options.families {
            let questions = self.found.iter();
            let questions = questions.map(|leaf| Question::of(leaf.binder, leaf.kind));
            family::gather(&questions.collect::<Vec<_>>())?
        } else {
            (Vec::new(), vec![None; self.found.len()])
        };
        let conditions = self.found.into_iter().zip(family_of);
        let conditions = conditions.map(|(leaf, family)| {
            let condition = match family {
                Some(family) => Condition::Member(family),
                None => bind_condition(leaf.binder, leaf.kind)?,
            };
            Ok(Bound {
                condition,
                slot: leaf.slot,
                is_shared: leaf.is_shared || family.is_some(),
            })
        });
        Ok((conditions.collect::<Result<_, EvalError>>()?, families))
    }
}

impl<'a> Program<'a> {
    /// Binds plans to a data set, and ranks what must be ranked.
    pub(crate) fn new(
        dataset: &'a Dataset,
        plans: &[&'a Plan],
        options: &'a ExecOptions,
        schedule: &Schedule,
        control: &Control,
        purpose: Purpose,
    ) -> Result<(Self, Vec<Tally>), EvalError> {
        let mut leaves = Leaves::default();
        let roots = plans.iter().map(|plan| {
            let binder = Binder {
                dataset,
                options,
                as_of: plan.as_of,
            };
            leaves.add(binder, &plan.root)
        });
        let roots: Vec<Node<'a>> = roots.collect();
        let nodes = leaves.nodes;
        let mut tallies = vec![Tally::default(); nodes];
        let (mut conditions, families) = leaves.bind(*options)?;
        for bound in &mut conditions {
            if let Condition::Rank(rank) = &bound.condition {
                let start = Instant::now();
                let (users, tally) = rank.select(schedule, control)?;
                tallies[bound.slot].add(&tally);
                tallies[bound.slot].nanos += start.elapsed().as_nanos() as u64;
                bound.condition = Condition::Users(Arc::new(users), Path::Rank);
            }
        }
        let program = Self {
            dataset,
            options: *options,
            turns: Turns::new(&roots, &conditions),
            roots,
            conditions,
            families,
            nodes,
            purpose,
        };
        Ok((program, tallies))
    }

    /// How much there is to do.
    pub(crate) fn work(&self) -> crate::schedule::Work {
        let of_conditions = self
            .conditions
            .iter()
            .map(|bound| bound.condition.cost_rows());
        let of_families = self.families.iter().map(Family::cost_rows);
        let rows = of_conditions.chain(of_families).sum();
        let chunks = self.dataset.users.chunks();
        crate::schedule::Work {
            chunks,
            rows,
            conditions: self.conditions.len() as u64,
        }
    }

    /// Prepares a worker's memory for this program.
    fn prepare(&self, scratch: &mut Scratch) {
        if scratch.tallies.len() != self.nodes {
            scratch.tallies = vec![Tally::default(); self.nodes];
        }
        scratch.answers.reset(self.conditions.len());
    }

    /// How many users each plan selects.
    pub(crate) fn count(
        &self,
        schedule: &Schedule,
        control: &Control,
    ) -> Result<Vec<u64>, EvalError> {
        let known = self.known_counts();
        let mut totals: Vec<u64> = known.iter().map(|count| count.unwrap_or(0)).collect();
        if known.iter().all(Option::is_some) {
            return Ok(totals);
        }
        let of_chunks = schedule.run(self.work(), control, |chunk, scratch| {
            let worker = self.worker(schedule.machine(), chunk, scratch);
            let mut counts = vec![0; self.roots.len()];
            for (root, parts, last_asked) in self.turns.iter() {
                if known[root].is_none() {
                    counts[root] = worker.count(&self.roots[root], parts, scratch);
                }
                end_turn(last_asked, scratch)?;
            }
            Ok(counts)
        })?;
        for counts in of_chunks {
            for (total, count) in totals.iter_mut().zip(counts) {
                *total += count;
            }
        }
        Ok(totals)
    }

    /// Calls `visit` with the position of each plan and its users in the chunk, in any order.
    pub(crate) fn run_chunk(
        &self,
        machine: Machine,
        chunk: ChunkId,
        wanted: Option<&Words>,
        scratch: &mut Scratch,
        mut visit: impl FnMut(usize, &Words),
    ) -> Result<(), EvalError> {
        let worker = self.worker(machine, chunk, scratch);
        let mut asked = worker.universe;
        if let Some(wanted) = wanted {
            words::and(&mut asked, wanted);
        }
        let mut found = words::EMPTY;
        for (root, _, last_asked) in self.turns.iter() {
            worker.eval(&self.roots[root], &asked, scratch, &mut found);
            visit(root, &found);
            end_turn(last_asked, scratch)?;
        }
        Ok(())
    }

    /// The evaluation of a chunk.
    fn worker(&self, machine: Machine, chunk: ChunkId, scratch: &mut Scratch) -> Worker<'_, 'a> {
        self.prepare(scratch);
        let mut universe = words::EMPTY;
        universe.copy_from_slice(self.dataset.users.universe(chunk));
        Worker {
            program: self,
            machine,
            chunk,
            universe,
        }
    }

    /// Each node of the plans and how it was answered, in order of tallies.
    pub(crate) fn paths(&self) -> Vec<(&'a PlanNode, Path)> {
        let mut paths = Vec::with_capacity(self.nodes);
        let mut rest: Vec<&Node<'a>> = self.roots.iter().collect();
        while let Some(node) = rest.pop() {
            let path = match &node.kind {
                NodeKind::Everyone | NodeKind::Nobody => Path::Algebra,
                NodeKind::And(parts) | NodeKind::Or(parts) => {
                    rest.extend(parts);
                    Path::Algebra
                }
                NodeKind::Not(part) => {
                    rest.push(part);
                    Path::Algebra
                }
                NodeKind::Condition(index) => self.conditions[*index].condition.path(),
            };
            paths.push((node.slot, node.plan, path));
        }
        paths.sort_unstable_by_key(|&(slot, ..)| slot);
        let in_order = paths.into_iter();
        in_order.map(|(_, plan, path)| (plan, path)).collect()
    }
}

/// To be called after each root: `last_asked` are the conditions that no other asks for.
fn end_turn(last_asked: &[usize], scratch: &mut Scratch) -> Result<(), EvalError> {
    for &condition in last_asked {
        scratch.answers.release(condition);
    }
    scratch.failure.take().map_or(Ok(()), Err)
}

fn bind_condition<'a>(binder: Binder<'a>, kind: &'a PlanKind) -> Result<Condition<'a>, EvalError> {
    Ok(match kind {
        PlanKind::Attribute { operand, test } => {
            Condition::Attribute(bind_attribute(binder, operand, test)?)
        }
        PlanKind::Did(events) => Condition::Did(Events::bind_did(binder, events)?),
        PlanKind::Measure { measure, test } => {
            Condition::Measure(MeasureCondition::bind(binder, measure, test)?)
        }
        PlanKind::MeasureComparison { left, op, right } => {
            Condition::Comparison(Comparison::bind(binder, left, *op, right)?)
        }
        PlanKind::History {
            operand,
            test,
            extent,
            window,
        } => Condition::Held(Held::bind(binder, operand, test, *extent, window)?),
        PlanKind::Changed {
            attribute,
            from,
            to,
            window,
        } => Condition::Changed(Changed::bind(
            binder,
            attribute,
            from.as_ref(),
            to.as_ref(),
            window,
        )?),
        PlanKind::Occurrence { occurrence, test } => {
            Condition::Occurrence(OccurrenceCondition::bind(binder, occurrence, test)?)
        }
        PlanKind::Sequence(sequence) => Condition::Sequence(Sequence::bind(binder, sequence)?),
        PlanKind::Rank { end, size, measure } => {
            Condition::Rank(Rank::bind(binder, *end, *size, measure)?)
        }
        PlanKind::UserId(ids) => {
            let users = &binder.dataset.users;
            users.touch_ids()?;
            Condition::Users(Arc::new(crate::dataset::words_of(users, ids)), Path::Index)
        }
        PlanKind::List { name, ids } => {
            Condition::Users(binder.dataset.list(name, ids)?, Path::Index)
        }
        PlanKind::Everyone
        | PlanKind::Nobody
        | PlanKind::And(_)
        | PlanKind::Or(_)
        | PlanKind::Not(_) => Condition::Users(Arc::default(), Path::Algebra),
    })
}

/// Whether a condition selects the same users at every instant for which its plan is the same.
fn is_timeless(binder: Binder<'_>, kind: &PlanKind) -> bool {
    let is_final = |attribute: &PlanAttribute| {
        let table = storage_table(attribute.table);
        let stored = binder.dataset.users.attribute(table, &attribute.name);
        // Values of updates at `latest` are visible only after it.
        stored
            .and_then(crowdset_storage::Attribute::latest)
            .is_none_or(|latest| binder.as_of.0 > latest)
    };
    match kind {
        PlanKind::UserId(_) | PlanKind::List { .. } => true,
        PlanKind::Attribute { operand, test } => {
            is_final(operand)
                && match test {
                    PlanTest::CompareAttribute(_, right) => is_final(right),
                    _ => true,
                }
        }
        // Windows stand where they stand, wherever they were reckoned from.
        kind => Question::of(binder, kind).is_some_and(|question| question.is_timeless()),
    }
}

fn bind_attribute<'a>(
    binder: Binder<'a>,
    operand: &'a PlanAttribute,
    test: &'a PlanTest,
) -> Result<AttributeCondition<'a>, EvalError> {
    if let Some(sets) = indexed_users(binder, operand, test)? {
        let ordinals = binder.dataset.users.ordinals();
        return Ok(AttributeCondition::of_sets(sets, binder.as_of, ordinals));
    }
    let attribute = binder.attribute(operand)?;
    let right = match test {
        PlanTest::CompareAttribute(_, right) => Some(binder.attribute(right)?),
        _ => None,
    };
    AttributeCondition::new(attribute, Cow::Borrowed(test), right)
}

/// The users that pass a test of equality, from the index; `None` if it does not have them. Reads the
/// texts of the attribute, and not whose they are.
fn indexed_users<'a>(
    binder: Binder<'a>,
    operand: &PlanAttribute,
    test: &PlanTest,
) -> Result<Option<Vec<FrozenSet<'a>>>, EvalError> {
    let index = binder.dataset.attribute_index.as_deref();
    let users = &binder.dataset.users;
    let (Some(index), Some(stored)) = (
        index.filter(|_| binder.options.use_index && operand.cast.is_none()),
        users.attribute(storage_table(operand.table), &operand.name),
    ) else {
        return Ok(None);
    };
    let (table, name) = (storage_table(operand.table) as u8, operand.name.as_str());
    if !index.is_attribute_indexed(table, name) {
        return Ok(None);
    }
    let Some(ranges) = equal_codes(stored, test, binder.as_of)? else {
        return Ok(None);
    };
    let mut sets = Vec::new();
    for code in ranges.iter().flat_map(|&(low, high)| low..=high) {
        match index.get(Term::Attribute {
            table,
            name,
            code: code as u32,
        })? {
            Some(set) => sets.push(set),
            None => return Ok(None),
        }
    }
    Ok(Some(sets))
}

impl Condition<'_> {
    fn cost_rows(&self) -> u64 {
        match self {
            Self::Attribute(attribute) => attribute.rows(),
            Self::Did(events) => events.did_cost_rows(),
            Self::Measure(measure) => measure.cost_rows(),
            Self::Comparison(comparison) => comparison.cost_rows(),
            Self::Held(held) => held.cost_rows(),
            Self::Changed(changed) => changed.cost_rows(),
            Self::Occurrence(occurrence) => occurrence.cost_rows(),
            Self::Sequence(sequence) => sequence.cost_rows(),
            // Families are counted by themselves.
            Self::Rank(_) | Self::Users(..) | Self::Member(_) => 0,
        }
    }

    fn path(&self) -> Path {
        match self {
            Self::Attribute(attribute) => attribute.path(),
            Self::Did(events) => events.did_path(),
            Self::Measure(measure) => measure.path(),
            Self::Held(held) => held.path(),
            Self::Changed(_) => Path::History,
            Self::Occurrence(occurrence) => occurrence.path(),
            Self::Comparison(_) | Self::Sequence(_) | Self::Member(_) => Path::Scan,
            Self::Rank(_) => Path::Rank,
            Self::Users(_, path) => *path,
        }
    }
}

/// One chunk's evaluation.
struct Worker<'w, 'a> {
    program: &'w Program<'a>,
    machine: Machine,
    chunk: ChunkId,
    universe: Words,
}

impl Worker<'_, '_> {
    /// The users of `wanted` that the node selects.
    fn eval(&self, node: &Node<'_>, wanted: &Words, scratch: &mut Scratch, found: &mut Words) {
        if self.program.purpose != Purpose::Profile {
            self.eval_kind(node, wanted, scratch, found);
            return;
        }
        let start = Instant::now();
        self.eval_kind(node, wanted, scratch, found);
        let tally = &mut scratch.tallies[node.slot];
        tally.nanos += start.elapsed().as_nanos() as u64;
        tally.chunks += 1;
        tally.users += words::count(found);
    }

    fn eval_kind(&self, node: &Node<'_>, wanted: &Words, scratch: &mut Scratch, found: &mut Words) {
        let short_circuit = self.program.options.short_circuit;
        match &node.kind {
            NodeKind::Everyone => *found = *wanted,
            NodeKind::Nobody => found.fill(0),
            NodeKind::And(parts) => {
                if parts.iter().any(|part| self.is_known_nobody(part, scratch)) {
                    found.fill(0);
                    return;
                }
                *found = *wanted;
                for part in parts {
                    if short_circuit && words::is_empty(found) {
                        break;
                    }
                    if let Some((answer, is_negated)) = self.known(part, scratch) {
                        if is_negated {
                            words::and_not(found, answer);
                        } else {
                            words::and(found, answer);
                        }
                        continue;
                    }
                    let asked = if short_circuit { *found } else { *wanted };
                    let mut of_part = words::EMPTY;
                    self.eval(part, &asked, scratch, &mut of_part);
                    words::and(found, &of_part);
                }
            }
            NodeKind::Or(parts) => {
                found.fill(0);
                for part in parts {
                    if short_circuit && words::covers(found, wanted) {
                        break;
                    }
                    if let Some((answer, is_negated)) = self.known(part, scratch) {
                        words::or_some(found, wanted, answer, is_negated);
                        continue;
                    }
                    let mut asked = *wanted;
                    if short_circuit {
                        words::and_not(&mut asked, found);
                    }
                    let mut of_part = words::EMPTY;
                    self.eval(part, &asked, scratch, &mut of_part);
                    words::or(found, &of_part);
                }
            }
            NodeKind::Not(part) => {
                let mut of_part = words::EMPTY;
                self.eval(part, wanted, scratch, &mut of_part);
                *found = *wanted;
                words::and_not(found, &of_part);
            }
            NodeKind::Condition(index) => {
                let bound = &self.program.conditions[*index];
                if !bound.is_shared {
                    self.eval_condition(&bound.condition, node.slot, wanted, scratch, found);
                    return;
                }
                if scratch.answers.get(*index).is_none() {
                    if short_circuit && words::is_empty(wanted) {
                        found.fill(0);
                        return;
                    }
                    self.answer(*index, node.slot, scratch);
                }
                found.fill(0);
                if let Some(answer) = scratch.answers.get(*index) {
                    *found = *answer;
                    words::and(found, wanted);
                }
            }
        }
    }

    /// The answer to a condition that several nodes ask for, for everybody, and whether the node is its
    /// negation: a node that is no more than this need not be worked out before it is combined with
    /// others.
    fn known<'s>(&self, node: &Node<'_>, scratch: &'s mut Scratch) -> Option<(&'s Words, bool)> {
        let program = self.program;
        if program.purpose == Purpose::Profile || !program.options.short_circuit {
            return None;
        }
        let part = node.part(&program.conditions)?;
        if scratch.answers.get(part.condition).is_none() {
            self.answer(part.condition, part.slot, scratch);
        }
        let answer = scratch.answers.get(part.condition)?;
        Some((answer, part.is_negated))
    }

    /// Whether a node was answered before, and nobody passes it.
    fn is_known_nobody(&self, node: &Node<'_>, scratch: &Scratch) -> bool {
        let program = self.program;
        matches!(node.kind, NodeKind::Condition(index) if scratch.answers.is_nobody(index))
            && program.options.short_circuit
            && program.purpose != Purpose::Profile
    }

    /// Answers a condition that several nodes ask for, or all of its family, for everybody.
    fn answer(&self, condition: usize, slot: usize, scratch: &mut Scratch) {
        match &self.program.conditions[condition].condition {
            Condition::Member(family) => {
                let pass = &mut ChunkPass::new(self.machine, self.chunk, scratch);
                self.program.families[*family].eval(pass, &self.universe);
                let read = pass.tally;
                scratch.tallies[slot].add(&read);
            }
            condition_alone => {
                let mut found = words::EMPTY;
                self.eval_condition(condition_alone, slot, &self.universe, scratch, &mut found);
                *scratch.answers.put(condition) = found;
            }
        }
    }

    fn eval_condition(
        &self,
        condition: &Condition<'_>,
        slot: usize,
        wanted: &Words,
        scratch: &mut Scratch,
        found: &mut Words,
    ) {
        if self.program.options.short_circuit && words::is_empty(wanted) {
            found.fill(0);
            return;
        }
        let pass = &mut ChunkPass::new(self.machine, self.chunk, scratch);
        match condition {
            Condition::Attribute(attribute) => {
                attribute.eval(pass, wanted, found);
            }
            Condition::Did(events) => {
                events.did(pass, wanted, found);
            }
            Condition::Measure(measure) => {
                measure.eval(pass, wanted, found);
            }
            Condition::Comparison(comparison) => {
                comparison.eval(pass, wanted, found);
            }
            Condition::Held(held) => {
                held.eval(pass, wanted, found);
            }
            Condition::Changed(changed) => {
                changed.eval(pass, wanted, found);
            }
            Condition::Occurrence(occurrence) => {
                occurrence.eval(pass, wanted, found);
            }
            Condition::Sequence(sequence) => {
                sequence.eval(pass, wanted, found);
            }
            // Ranks have become users before the first chunk; members are answered by their family.
            Condition::Rank(_) | Condition::Member(_) => found.fill(0),
            Condition::Users(users, _) => match users.get(self.chunk.index() * CHUNK_WORDS..) {
                Some(users) if users.len() >= CHUNK_WORDS => {
                    found.copy_from_slice(&users[..CHUNK_WORDS]);
                    words::and(found, wanted);
                }
                _ => found.fill(0),
            },
        }
        let read = pass.tally;
        scratch.tallies[slot].add(&read);
    }
}
