//! The definition of the language, read aloud: user by user, row by row. Slow on purpose.

mod history;
mod measure;
mod people;
mod sequence;
mod value;
mod window;

use crate::data::Data;
use crowdset_query::{
    AttributeRef, AttributeTable, EventNames, EventSelector, EventWindow, Expr, ExprKind, Measure,
    NumberTest, Occurrence, OccurrenceTest, Operand, Position, Predicate, RankEnd, RankSize,
    Segment, Test,
};
use crowdset_types::{Number, TimestampMillis, Value, compare_numbers};
use people::{Event, Person};
use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use value::Tester;

/// The world of a [`Data`], after the rules of the tables, ready to be asked.
#[derive(Debug)]
pub struct Reference {
    /// The universe, ascending by user id.
    people: Vec<Person>,
    columns: BTreeSet<String>,
    properties: BTreeSet<String>,
    segments: BTreeMap<String, Segment>,
    lists: BTreeMap<String, Vec<String>>,
    regexes: RefCell<HashMap<String, Option<regex::Regex>>>,
}

/// Why the reference has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// A bare name is found in both tables. Qualify it.
    #[error(
        "`{name}` is a column of users and a user property; write `users.{name}` or `property.{name}`"
    )]
    AmbiguousAttribute {
        /// The name.
        name: String,
    },
    /// No segment or list of this name is saved. Save it, or name another.
    #[error("no segment or list `{name}` is saved")]
    NotSaved {
        /// The name.
        name: String,
    },
}

impl Reference {
    /// Applies the rules of the tables: duplicates, replaced rows, histories, orphans, universe.
    pub fn new(data: &Data) -> Self {
        people::gather(data)
    }

    /// How many users there are.
    pub fn universe_len(&self) -> usize {
        self.people.len()
    }

    /// The ids of the users that the segment selects, ascending.
    ///
    /// # Errors
    ///
    /// [`ReferenceError`] if a name is ambiguous.
    pub fn evaluate(
        &self,
        segment: &Segment,
        as_of: TimestampMillis,
    ) -> Result<Vec<String>, ReferenceError> {
        let members = Evaluation {
            world: self,
            as_of: as_of.0,
        }
        .audience(&segment.root)?;
        let selected = self
            .people
            .iter()
            .zip(members)
            .filter(|(_, member)| *member);
        Ok(selected.map(|(person, _)| person.id.clone()).collect())
    }

    /// The value of an attribute as of an instant for everybody, ascending by user id.
    ///
    /// # Errors
    ///
    /// [`ReferenceError`] if the name is ambiguous.
    pub fn attribute_values(
        &self,
        attribute: &AttributeRef,
        as_of: TimestampMillis,
    ) -> Result<Vec<(String, Option<Value>)>, ReferenceError> {
        let evaluation = Evaluation {
            world: self,
            as_of: as_of.0,
        };
        self.people
            .iter()
            .map(|person| {
                let value = evaluation.about(person).attribute(attribute)?;
                Ok((person.id.clone(), value))
            })
            .collect()
    }

    /// The table of an attribute; `None` if no table has the name.
    fn table_of(&self, attribute: &AttributeRef) -> Result<Option<AttributeTable>, ReferenceError> {
        if let Some(table) = attribute.table {
            return Ok(Some(table));
        }
        match (
            self.columns.contains(&attribute.name),
            self.properties.contains(&attribute.name),
        ) {
            (true, true) => Err(ReferenceError::AmbiguousAttribute {
                name: attribute.name.clone(),
            }),
            (true, false) => Ok(Some(AttributeTable::Users)),
            (false, true) => Ok(Some(AttributeTable::Property)),
            (false, false) => Ok(None),
        }
    }
}

/// One evaluation over everybody.
struct Evaluation<'a> {
    world: &'a Reference,
    as_of: i64,
}

/// What is asked of one user.
#[derive(Clone, Copy)]
struct Inquiry<'a> {
    world: &'a Reference,
    person: &'a Person,
    as_of: i64,
}

impl<'a> Evaluation<'a> {
    fn about(&self, person: &'a Person) -> Inquiry<'a> {
        Inquiry {
            world: self.world,
            person,
            as_of: self.as_of,
        }
    }

    fn each(
        &self,
        condition: impl Fn(Inquiry<'a>) -> Result<bool, ReferenceError>,
    ) -> Result<Vec<bool>, ReferenceError> {
        self.world
            .people
            .iter()
            .map(|person| condition(self.about(person)))
            .collect()
    }

    /// For every user of the universe: in or out.
    fn audience(&self, expr: &Expr) -> Result<Vec<bool>, ReferenceError> {
        let everybody = self.world.people.len();
        match &expr.kind {
            ExprKind::Everyone => Ok(vec![true; everybody]),
            ExprKind::Nobody => Ok(vec![false; everybody]),
            ExprKind::And(parts) => self.combine(parts, true, |a, b| a && b),
            ExprKind::Or(parts) => self.combine(parts, false, |a, b| a || b),
            ExprKind::Not(part) => Ok(self
                .audience(part)?
                .into_iter()
                .map(|member| !member)
                .collect()),
            ExprKind::SavedSegment(name) => match self.world.segments.get(name) {
                Some(segment) => self.audience(&segment.root),
                None => Err(ReferenceError::NotSaved { name: name.clone() }),
            },
            ExprKind::StaticList(name) => match self.world.lists.get(name) {
                Some(ids) => self.each(|user| Ok(ids.contains(&user.person.id))),
                None => Err(ReferenceError::NotSaved { name: name.clone() }),
            },
            ExprKind::UserId(ids) => self.each(|user| Ok(ids.contains(&user.person.id))),
            ExprKind::Attribute { operand, test } => self.each(|user| {
                let value = user.attribute(&operand.attribute)?;
                let value = value::cast(value, operand.cast);
                user.tester(true).holds(value.as_ref(), test)
            }),
            ExprKind::Did(of) => self.each(|user| Ok(!user.events(of)?.is_empty())),
            ExprKind::Measure { measure, test } => self.each(|user| {
                Ok(user
                    .measure(measure)?
                    .is_some_and(|number| number_holds(number, test)))
            }),
            ExprKind::MeasureComparison { left, op, right } => self.each(|user| {
                let pair = user.measure(left)?.zip(user.measure(right)?);
                let order = pair.and_then(|(left, right)| compare_numbers(left, right));
                Ok(order.is_some_and(|order| value::fits(order, *op)))
            }),
            ExprKind::Had {
                operand,
                test,
                window,
            } => self.each(|user| user.had(operand, test, window)),
            ExprKind::Held {
                operand,
                test,
                length,
            } => self.each(|user| user.held(operand, test, *length)),
            ExprKind::Changed {
                attribute,
                from,
                to,
                window,
            } => self.each(|user| user.changed(attribute, from.as_ref(), to.as_ref(), window)),
            ExprKind::Occurrence { occurrence, test } => {
                self.each(|user| user.occurrence_holds(occurrence, test))
            }
            ExprKind::Sequence(sequence) => self.each(|user| user.sequence(sequence)),
            ExprKind::Lifecycle { events, change } => {
                self.each(|user| user.lifecycle(events, *change))
            }
            ExprKind::Rank { end, size, measure } => self.rank(*end, *size, measure),
            other => panic!("the reference does not know {other:?}"),
        }
    }

    fn combine(
        &self,
        parts: &[Expr],
        start: bool,
        with: fn(bool, bool) -> bool,
    ) -> Result<Vec<bool>, ReferenceError> {
        let mut members = vec![start; self.world.people.len()];
        for part in parts {
            for (member, other) in members.iter_mut().zip(self.audience(part)?) {
                *member = with(*member, other);
            }
        }
        Ok(members)
    }

    /// The `size` users with the largest or smallest measure among those with an event of it, or a
    /// value of an attribute or bucket in it. Who has events but no value (the average of nothing), or a value that
    /// is no number to compare (NaN), counts among those the per cent are of, yet is never selected.
    fn rank(
        &self,
        end: RankEnd,
        size: RankSize,
        measure: &Measure,
    ) -> Result<Vec<bool>, ReferenceError> {
        let mut candidates = 0_u64;
        let mut ranked = Vec::new();
        for (position, person) in self.world.people.iter().enumerate() {
            let user = self.about(person);
            if user.is_candidate(measure)? {
                candidates += 1;
                let rankable = user
                    .measure(measure)?
                    .filter(|number| !number.to_f64().is_nan());
                ranked.extend(rankable.map(|number| (number, position)));
            }
        }
        let size = match size {
            RankSize::Users(users) => users,
            // The whole numbers whose hundredfold is not more than so many times the percentage.
            RankSize::Percent(percent) => (1..=candidates)
                .take_while(|&size| !measure::exceeds(100 * size, candidates, percent))
                .count() as u64,
        };
        ranked.sort_by(|(left, left_position), (right, right_position)| {
            let order = compare_numbers(*left, *right).unwrap_or(Ordering::Equal);
            let order = if end == RankEnd::Top {
                order.reverse()
            } else {
                order
            };
            // People stand in the order of their ids.
            order.then(left_position.cmp(right_position))
        });
        let mut members = vec![false; self.world.people.len()];
        for (_, position) in ranked
            .into_iter()
            .take(usize::try_from(size).unwrap_or(usize::MAX))
        {
            members[position] = true;
        }
        Ok(members)
    }
}

fn number_holds(number: Number, test: &NumberTest) -> bool {
    match test {
        NumberTest::Compare(op, other) => {
            compare_numbers(number, *other).is_some_and(|order| value::fits(order, *op))
        }
        NumberTest::Between(low, high) => {
            compare_numbers(number, *low).is_some_and(Ordering::is_ge)
                && compare_numbers(number, *high).is_some_and(Ordering::is_le)
        }
    }
}

impl<'a> Inquiry<'a> {
    fn tester(self, is_attribute: bool) -> Tester<'a> {
        Tester {
            user: self,
            is_attribute,
        }
    }

    /// The value of an attribute as of the instant.
    fn attribute(self, attribute: &AttributeRef) -> Result<Option<Value>, ReferenceError> {
        let table = self.world.table_of(attribute)?;
        Ok(match table {
            Some(AttributeTable::Users) => self.person.columns.get(&attribute.name).cloned(),
            Some(AttributeTable::Property) => self.person.property_at(&attribute.name, self.as_of),
            None => None,
        })
    }

    /// The user's events of a selector in a window, in order.
    fn events(self, of: &EventWindow) -> Result<Vec<&'a Event>, ReferenceError> {
        let range = self.window(&of.window)?;
        let mut found = Vec::new();
        for event in &self.person.events {
            if range.contains(event.at) && self.selects(&of.events, event)? {
                found.push(event);
            }
        }
        Ok(found)
    }

    fn selects(self, selector: &EventSelector, event: &Event) -> Result<bool, ReferenceError> {
        let named = match &selector.names {
            EventNames::Any { except } => !except.iter().any(|name| name.name == event.name),
            EventNames::One(name) => name.name == event.name,
            EventNames::AnyOf(parts) => {
                let mut any = false;
                for (name, filter) in parts {
                    if name.name == event.name {
                        any |= self.filter_holds(filter.as_ref(), event)?;
                    }
                }
                any
            }
        };
        Ok(named && self.filter_holds(selector.filter.as_ref(), event)?)
    }

    fn filter_holds(
        self,
        filter: Option<&Predicate>,
        event: &Event,
    ) -> Result<bool, ReferenceError> {
        filter.map_or(Ok(true), |filter| self.predicate_holds(filter, event))
    }

    fn predicate_holds(self, predicate: &Predicate, event: &Event) -> Result<bool, ReferenceError> {
        match predicate {
            Predicate::And(parts) => parts.iter().try_fold(true, |all, part| {
                Ok(all & self.predicate_holds(part, event)?)
            }),
            Predicate::Or(parts) => parts.iter().try_fold(false, |any, part| {
                Ok(any | self.predicate_holds(part, event)?)
            }),
            Predicate::Not(part) => Ok(!self.predicate_holds(part, event)?),
            Predicate::Test { operand, test, .. } => self.operand_holds(operand, event, test),
        }
    }

    fn operand_holds(
        self,
        operand: &Operand,
        event: &Event,
        test: &Test,
    ) -> Result<bool, ReferenceError> {
        let value = value::look_up(operand, event);
        self.tester(false).holds(value.as_ref(), test)
    }

    /// The one event, if there is it.
    fn occurrence(self, occurrence: &Occurrence) -> Result<Option<&'a Event>, ReferenceError> {
        let events = self.events(&occurrence.of)?;
        Ok(match occurrence.position {
            Position::First => events.first().copied(),
            Position::Last => events.last().copied(),
            Position::Nth(nth) => (nth as usize)
                .checked_sub(1)
                .and_then(|index| events.get(index).copied()),
        })
    }

    fn occurrence_holds(
        self,
        occurrence: &Occurrence,
        test: &OccurrenceTest,
    ) -> Result<bool, ReferenceError> {
        let Some(event) = self.occurrence(occurrence)? else {
            return Ok(false);
        };
        match test {
            OccurrenceTest::When(window) => Ok(self.window(window)?.contains(event.at)),
            OccurrenceTest::Property { operand, test } => self.operand_holds(operand, event, test),
        }
    }
}
