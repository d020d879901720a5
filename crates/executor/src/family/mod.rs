//! Conditions about the same events, answered together.
//!
//! Many segments ask about few things: the same event in windows of many lengths, with many
//! thresholds. Such conditions form a family. One walk over the rows reaches window after window
//! ([`windows::Walk`]); at each the counters say who passes every test that is asked there.
//!
//! ```text
//! count(E, last 7 days) > 3      ┐          rows of E in one chunk, from the newest back
//! count(E, last 30 days) >= 5    ├─ family  ├── 7 days ──┤ > 3?
//! count(E, last 30 days) >= 9    ┘          ├──────────── 30 days ───────────┤ >= 5? >= 9?
//! ```
//!
//! A family is worked out when the first of its members is asked for, for everybody in the chunk;
//! the answers are kept until the chunk is left. A condition without relatives is no family: it can
//! leave out users who no longer matter.

mod classes;
mod counts;
mod followed;
mod numbers;
mod periods;
mod picked;
mod split;
mod tallied;
mod watch;
mod windows;

use crate::EvalError;
use crate::condition::count_ranges;
use crate::dataset::Binder;
use crate::events::{self, Events};
use crate::pass::ChunkPass;
use crate::words::Words;
use classes::Candidate;
use counts::Counts;
use crowdset_query::{
    Aggregate, AnchorRelation, NumberTest, Operand, PeriodUnit, PlanAnchor, PlanAnchorInstant,
    PlanEvents, PlanKind, PlanLiteral, PlanMeasure, PlanPredicate, PlanTest, Position,
};
use crowdset_storage::Codes;
use crowdset_types::{TimeRange, TimestampMillis};
use hashbrown::HashMap;
use numbers::Numbers;
use periods::Periods;
use split::Split;
use std::hash::{DefaultHasher, Hash, Hasher};
use tallied::Tallied;

pub(crate) use picked::Picks;
pub(crate) use split::Sorted;
pub(crate) use tallied::Tallies;

/// Members of one walk.
pub(crate) enum Family<'a> {
    Counts(Events<'a>, Counts),
    Numbers(Numbers<'a>),
    Periods(Periods<'a>),
    Split(Split<'a>),
    Tallied(Tallied<'a>),
}

/// A condition that may have relatives.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    binder: Binder<'a>,
    events: &'a PlanEvents,
    what: What<'a>,
    test: Option<&'a NumberTest>,
}

/// What a condition makes of its events: its kin agree.
#[derive(Clone, Copy, PartialEq)]
enum What<'a> {
    /// How many there are.
    Count,
    /// One number out of their values.
    Numeric(Aggregate, &'a Operand),
    /// In how many calendar periods they lie.
    Calendar(PeriodUnit, Option<&'a str>),
    /// Whether one of them, by its place, is followed by others.
    Followed(By<'a>),
}

/// What has to follow an event.
#[derive(Clone, Copy, PartialEq)]
struct By<'a> {
    events: &'a PlanEvents,
    /// The last one is to be followed; otherwise the first.
    last: bool,
    /// An event of the same instant follows as well.
    since: bool,
}

/// A question and the number of the condition that asks it.
#[derive(Clone, Copy)]
struct Member<'a> {
    condition: usize,
    question: Question<'a>,
}

impl<'a> Question<'a> {
    /// `None` for a condition that cannot share a walk: most windows of the users' own, and what is
    /// not worked out from counters.
    pub(crate) fn of(binder: Binder<'a>, kind: &'a PlanKind) -> Option<Self> {
        let (events, what, test) = match kind {
            PlanKind::Did(events) => match &events.window.anchor {
                None => (events, What::Count, None),
                Some(anchor) => {
                    let (followed, by) = followed(events, anchor)?;
                    (followed, What::Followed(by), None)
                }
            },
            PlanKind::Measure { measure, test } => match measure {
                PlanMeasure::Count(events) => (events, What::Count, Some(test)),
                PlanMeasure::Aggregate {
                    function: function @ (Aggregate::Sum | Aggregate::Min | Aggregate::Max),
                    operand,
                    of,
                } => (of, What::Numeric(*function, operand), Some(test)),
                PlanMeasure::Calendar { unit, zone, of } => {
                    (of, What::Calendar(*unit, zone.as_deref()), Some(test))
                }
                _ => return None,
            },
            _ => return None,
        };
        (events.window.anchor.is_none() && !events.window.range.is_empty()).then_some(Self {
            binder,
            events,
            what,
            test,
        })
    }

    /// Whether rows count or do not, whatever the instant is: attributes have a history.
    pub(crate) fn is_timeless(&self) -> bool {
        let is_steady = |events: &PlanEvents| {
            let mut filters = events.selector.events.iter();
            filters.all(|event| event.filter.as_ref().is_none_or(is_timeless))
        };
        let by = match self.what {
            What::Followed(by) => Some(by.events),
            _ => None,
        };
        is_steady(self.events) && by.is_none_or(is_steady)
    }

    fn is_kin(&self, other: &Self) -> bool {
        self.what == other.what
            && self.events.selector == other.events.selector
            && (self.binder.as_of == other.binder.as_of || self.is_timeless())
    }

    /// Equal for kin.
    fn fingerprint(&self) -> u64 {
        let mut state = DefaultHasher::new();
        let selector = &self.events.selector;
        if selector.any_unfiltered {
            0.hash(&mut state);
        } else {
            for event in &selector.events {
                event.name.hash(&mut state);
                if let Some(filter) = &event.filter {
                    hash_predicate(filter, &mut state);
                }
            }
        }
        state.finish()
    }

    /// The event and the property, if it is about rows of one name that pass one test of one property.
    fn split_by(&self) -> Option<(&'a str, &'a str)> {
        let [event] = &self.events.selector.events[..] else {
            return None;
        };
        match (self.what, &event.filter) {
            (
                What::Count | What::Followed(_),
                Some(PlanPredicate::Test {
                    operand: Operand::Property(path),
                    ..
                }),
            ) if self.is_timeless() => Some((&event.name, path)),
            _ => None,
        }
    }

    /// The numbers that pass, of those that are counts.
    fn count_ranges(&self) -> Result<Vec<(u64, u64)>, EvalError> {
        self.test
            .map_or_else(|| Ok(vec![(1, u64::from(u32::MAX))]), count_ranges)
    }
}

/// What is followed by events after, or since, the first or last one.
fn followed<'a>(
    events: &'a PlanEvents,
    anchor: &'a PlanAnchor,
) -> Option<(&'a PlanEvents, By<'a>)> {
    let PlanAnchorInstant::Event(occurrence) = &anchor.of else {
        return None;
    };
    let by = By {
        events,
        last: match occurrence.position {
            Position::First | Position::Nth(1) => false,
            Position::Last => true,
            Position::Nth(_) => return None,
        },
        since: match anchor.relation {
            AnchorRelation::Since => true,
            AnchorRelation::After => false,
            _ => return None,
        },
    };
    (!events.window.range.is_empty()).then_some((&occurrence.of, by))
}

/// Whether a predicate says the same of a row at every instant.
pub(crate) fn is_timeless(predicate: &PlanPredicate) -> bool {
    match predicate {
        PlanPredicate::Always | PlanPredicate::Never => true,
        PlanPredicate::And(parts) | PlanPredicate::Or(parts) => parts.iter().all(is_timeless),
        PlanPredicate::Not(part) => is_timeless(part),
        PlanPredicate::Test { test, .. } => !matches!(test, PlanTest::CompareAttribute(..)),
    }
}

/// Equal predicates come to the same; of different ones most do not.
fn hash_predicate(predicate: &PlanPredicate, state: &mut impl Hasher) {
    match predicate {
        PlanPredicate::Always | PlanPredicate::Never => {}
        PlanPredicate::And(parts) | PlanPredicate::Or(parts) => {
            for part in parts {
                hash_predicate(part, state);
            }
        }
        PlanPredicate::Not(part) => hash_predicate(part, state),
        PlanPredicate::Test { operand, test } => {
            if let Operand::Property(path) = operand {
                path.hash(state);
            }
            let literal = |literal: &PlanLiteral, state: &mut _| match literal {
                PlanLiteral::Text(text, _) => Hash::hash(text, state),
                PlanLiteral::Integer(value) => Hash::hash(value, state),
                PlanLiteral::Bool(value) => Hash::hash(value, state),
                PlanLiteral::Time(at) => Hash::hash(&at.0, state),
                // Equal doubles may have different bits.
                PlanLiteral::Float(value) => Hash::hash(&(value * 64.0).to_bits(), state),
            };
            match test {
                PlanTest::Compare(_, value) | PlanTest::Has(value) => literal(value, state),
                PlanTest::Between(low, high) => {
                    literal(low, state);
                    literal(high, state);
                }
                PlanTest::In(values)
                | PlanTest::NotIn(values)
                | PlanTest::HasAny(values)
                | PlanTest::HasAll(values) => {
                    for value in values {
                        literal(value, state);
                    }
                }
                PlanTest::Contains(text)
                | PlanTest::StartsWith(text)
                | PlanTest::EndsWith(text)
                | PlanTest::Matches(text) => text.hash(state),
                PlanTest::CompareAttribute(..) | PlanTest::IsSet | PlanTest::IsNotSet => {}
            }
        }
    }
}

/// Finds the families among conditions: they, and the family of each condition that is in one.
pub(crate) fn gather<'a>(
    questions: &[Option<Question<'a>>],
) -> Result<(Vec<Family<'a>>, Vec<Option<usize>>), EvalError> {
    let mut families = Vec::new();
    let mut family_of = vec![None; questions.len()];
    if questions.iter().flatten().nth(1).is_none() {
        return Ok((families, family_of));
    }
    let mut groups: Vec<Vec<Member<'a>>> = Vec::new();
    let mut known: HashMap<u64, Vec<usize>> = HashMap::new();
    for (condition, question) in questions.iter().enumerate() {
        let Some(question) = *question else { continue };
        let member = Member {
            condition,
            question,
        };
        let alike = known.entry(question.fingerprint()).or_default();
        let kin = alike
            .iter()
            .copied()
            .find(|&group| groups[group][0].question.is_kin(&question));
        if let Some(group) = kin {
            groups[group].push(member);
        } else {
            alike.push(groups.len());
            groups.push(vec![member]);
        }
    }
    let mut add = |family: Family<'a>, groups: &mut dyn Iterator<Item = &Vec<Member<'a>>>| {
        for member in groups.flatten() {
            family_of[member.condition] = Some(families.len());
        }
        families.push(family);
    };
    let mut properties: Vec<(&str, &str)> = Vec::new();
    let mut by_property: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
    for (number, group) in groups.iter().enumerate() {
        if let Some(property) = group[0].question.split_by() {
            let alike = by_property.entry(property).or_insert_with(|| {
                properties.push(property);
                Vec::new()
            });
            alike.push(number);
        }
    }
    let mut is_taken = vec![false; groups.len()];
    for property in properties {
        for (family, taken) in told_apart(&groups, &by_property[&property])? {
            for &group in &taken {
                is_taken[group] = true;
            }
            add(family, &mut taken.iter().map(|&group| &groups[group]));
        }
    }
    for (group, is_taken) in groups.iter().zip(is_taken) {
        if group.len() > 1
            && !is_taken
            && let Some(family) = Family::bind(group)?
        {
            add(family, &mut std::iter::once(group));
        }
    }
    Ok((families, family_of))
}

/// Families of groups, each of one filter, that tell rows apart by the codes of one property; and which
/// groups these are.
fn told_apart<'a>(
    groups: &[Vec<Member<'a>>],
    alike: &[usize],
) -> Result<Vec<(Family<'a>, Vec<usize>)>, EvalError> {
    let mut families = Vec::new();
    if alike.len() < tallied::FILTERS_MIN.min(split::FILTERS_MIN) {
        return Ok(families);
    }
    let mut candidates: Vec<Candidate<'_, 'a>> = Vec::new();
    let mut columns: HashMap<usize, &'a Codes> = HashMap::new();
    for &group in alike {
        let members = &groups[group];
        let events = bind_events(members)?;
        let is_known = |source: &events::Source<'a>| {
            let codes = source.filter.codes().map(|test| test.codes);
            codes.filter(|codes| match columns.get(&source.partition) {
                // A column may have several parts.
                Some(known) => std::ptr::eq(*known, *codes),
                None => true,
            })
        };
        let codes: Option<Vec<&'a Codes>> = events.sources.iter().map(is_known).collect();
        // What the index answers needs no rows.
        if let Some(codes) = codes
            && !events.is_answered_by_index()
        {
            let partitions = events.sources.iter().map(|source| source.partition);
            columns.extend(partitions.zip(codes));
            let stops = Stops::new(members, &events);
            candidates.push(Candidate {
                group,
                members,
                events,
                stops,
            });
        }
    }
    if let Some((tallied, places)) = Tallied::bind(&candidates)? {
        let mut taken = Vec::with_capacity(places.len());
        for place in places.into_iter().rev() {
            taken.push(candidates.remove(place).group);
        }
        families.push((Family::Tallied(tallied), taken));
    }
    if let Some(split) = Split::bind(&candidates)? {
        let taken = candidates.iter().map(|candidate| candidate.group);
        families.push((Family::Split(split), taken.collect()));
    }
    Ok(families)
}

/// All events that a group's windows may hold.
fn bind_events<'a>(members: &[Member<'a>]) -> Result<Events<'a>, EvalError> {
    let question = members[0].question;
    let windows = members
        .iter()
        .map(|member| member.question.events.window.range);
    // No window is empty.
    let hull = windows
        .reduce(|hull, window| TimeRange::new(hull.from.min(window.from), hull.to.max(window.to)));
    Events::bind_range(
        question.binder,
        &question.events.selector,
        hull.unwrap_or(question.events.window.range),
    )
}

impl<'a> Family<'a> {
    /// `None` if these conditions are better off alone.
    fn bind(members: &[Member<'a>]) -> Result<Option<Self>, EvalError> {
        let question = members[0].question;
        let mut events = bind_events(members)?;
        if question.what == What::Count {
            events = events.with_selection(question.binder, question.events);
        }
        let stops = Stops::new(members, &events);
        Ok(match question.what {
            What::Count => {
                let counts = Counts::bind(members, &stops, &events)?;
                Some(Self::Counts(events, counts))
            }
            // Without others to sort rows with there is nothing to share.
            What::Followed(_) => None,
            What::Numeric(function, operand) => {
                Numbers::bind(members, &stops, events, function, operand)?.map(Self::Numbers)
            }
            What::Calendar(unit, zone) => {
                Periods::bind(members, &stops, events, unit, zone)?.map(Self::Periods)
            }
        })
    }

    /// About how many rows are read, over all users.
    pub(crate) fn cost_rows(&self) -> u64 {
        match self {
            Self::Counts(_, counts) => counts.cost_rows(),
            Self::Numbers(numbers) => numbers.cost_rows(),
            Self::Periods(periods) => periods.cost_rows(),
            Self::Split(split) => split.cost_rows(),
            Self::Tallied(tallied) => tallied.cost_rows(),
        }
    }

    /// Puts the answers of all members for the chunk among those of the chunk's pass.
    pub(crate) fn eval(&self, pass: &mut ChunkPass<'_>, universe: &Words) {
        match self {
            Self::Counts(events, counts) => counts.eval_events(events, pass, universe),
            Self::Numbers(numbers) => numbers.eval(pass, universe),
            Self::Periods(periods) => periods.eval(pass, universe),
            Self::Split(split) => split.eval(pass, universe),
            Self::Tallied(tallied) => tallied.eval(pass, universe),
        }
    }
}

/// The windows of a family, each once, cut to where there are rows.
struct Stops {
    windows: Vec<TimeRange>,
    /// For each window, the positions of the members that ask there.
    members: Vec<Vec<usize>>,
    span: TimeRange,
}

impl Stops {
    fn new(members: &[Member<'_>], events: &Events<'_>) -> Self {
        let ranges = || events.sources.iter().map(|source| source.range);
        let nowhere = TimestampMillis(0);
        let span = TimeRange::new(
            ranges().map(|range| range.from).min().unwrap_or(nowhere),
            ranges().map(|range| range.to).max().unwrap_or(nowhere),
        );
        let mut stops = Self {
            windows: Vec::new(),
            members: Vec::new(),
            span,
        };
        let mut known: HashMap<(TimestampMillis, TimestampMillis), usize> = HashMap::new();
        for (position, member) in members.iter().enumerate() {
            let mut window = member.question.events.window.range.intersection(span);
            if window.is_empty() {
                window = TimeRange::new(nowhere, nowhere);
            }
            let stop = *known.entry((window.from, window.to)).or_insert_with(|| {
                stops.windows.push(window);
                stops.members.push(Vec::new());
                stops.windows.len() - 1
            });
            stops.members[stop].push(position);
        }
        stops
    }

    /// How many rows a walk reads over all users, if rows are spread evenly.
    fn rows(&self, walk: &windows::Walk, events: &Events<'_>) -> f64 {
        let span = self.span.to.0.saturating_sub(self.span.from.0).max(1);
        events.cost_rows() as f64 * walk.length() as f64 / span as f64
    }
}
