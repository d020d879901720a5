//! What decided a condition about one user: the value found, the events, and what was missing.

use super::Asked;
use super::measure::events_of;
use super::rows::Row;
use crate::EvalError;
use crate::truth::ValueRef;
use crowdset_query::{CompareOp, NumberTest, Position};
use crowdset_query::{
    PlanEvents, PlanKind, PlanNode, PlanOccurrence, PlanOccurrenceTest, PlanSelector,
};
use crowdset_types::{Number, TimestampMillis, Value, compare_numbers};
use std::cmp::Ordering;

/// So many of the deciding events are told in full, the latest of them.
const EVENTS_MAX: usize = 10;

/// What one condition found about one user.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Finding {
    /// The condition in canonical text.
    pub condition: String,
    /// How it is made of others.
    pub kind: FindingKind,
    /// Whether it is true of the user.
    pub is_true: bool,
    /// What was found: the number of a measure, how many events there are, the value of an attribute
    /// or of an event's property, the time of an event. `None`: there is no value, or nothing to find.
    pub value: Option<Value>,
    /// The events it rests on, ascending in time; of many, the latest ten.
    pub events: Vec<FoundEvent>,
    /// How many events it rests on.
    pub events_total: u64,
    /// Where the user stands in a ranking.
    pub place: Option<Place>,
    /// What was missing, if it is not true.
    pub miss: Option<Miss>,
    /// Remarks of who made the plan: names in it that the data does not hold, and the like.
    pub notes: Vec<String>,
    /// The findings of the conditions it is made of.
    pub parts: Vec<Finding>,
}

/// How a condition is made of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindingKind {
    /// All parts must be true.
    And,
    /// One part must be true.
    Or,
    /// The one part must not be true.
    Not,
    /// It is a saved segment; the one part is its definition. Plans hold the definition alone.
    Saved,
    /// It is not made of others.
    Condition,
}

/// One event of the user.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundEvent {
    /// When.
    pub at: TimestampMillis,
    /// Its name.
    pub name: String,
    /// Its properties by dotted path, ascending.
    pub properties: Vec<(String, Value)>,
}

/// How near a condition was to being true.
#[derive(Debug, Clone, PartialEq)]
pub struct Miss {
    /// In words: `4 of more than 5`.
    pub text: String,
    /// How much the found number would have to change at least; for a bound of `>` or `<` on numbers
    /// that are not whole, more than that.
    pub by: Option<Number>,
}

/// A place in a ranking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// From 1; `None` for a user who has no rank.
    pub position: Option<u64>,
    /// How many users are candidates for a rank.
    pub candidates: u64,
    /// How many are selected.
    pub size: u64,
}

impl Place {
    /// Whether who stands here is selected.
    pub fn is_selected(self) -> bool {
        self.position.is_some_and(|position| position <= self.size)
    }
}

impl Miss {
    fn words(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            by: None,
        }
    }
}

impl ValueRef<'_> {
    /// The value on its own.
    pub(super) fn to_value(&self) -> Value {
        match self {
            Self::Bool(value) => Value::Bool(*value),
            Self::Number(number) => of_number(*number),
            Self::Text(text) => Value::Text(text.to_string()),
            Self::Time(at) => Value::Time(*at),
            Self::Array(json) => Value::Array((*json).to_owned()),
        }
    }
}

fn of_number(number: Number) -> Value {
    match number {
        Number::Integer(value) => Value::Integer(value),
        Number::Float(value) => Value::Float(value),
    }
}

/// A value as it would be written in a segment.
fn shown(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Text(text) => format!("'{text}'"),
        Value::Time(at) => TimestampMillis(*at).to_string(),
        Value::Array(json) => json.clone(),
    }
}

impl Asked<'_, '_> {
    /// What the condition finds. True of the same users as [`Asked::holds`].
    pub(super) fn finding(self, node: &PlanNode) -> Result<Finding, EvalError> {
        let kind = match &node.kind {
            PlanKind::And(_) => FindingKind::And,
            PlanKind::Or(_) => FindingKind::Or,
            PlanKind::Not(_) => FindingKind::Not,
            _ => FindingKind::Condition,
        };
        let mut finding = Finding::new(node.text.clone(), kind, self.holds(node)?, Vec::new());
        match &node.kind {
            PlanKind::Everyone | PlanKind::Nobody | PlanKind::UserId(_) | PlanKind::List { .. } => {
            }
            PlanKind::And(parts) | PlanKind::Or(parts) => {
                finding.parts = parts
                    .iter()
                    .map(|part| self.finding(part))
                    .collect::<Result<_, _>>()?;
            }
            PlanKind::Not(part) => finding.parts.push(self.finding(part)?),
            PlanKind::MeasureComparison { left, op, right } => {
                let number = self.number(left)?;
                finding.value = number.map(of_number);
                if let [of] = events_of(left)[..] {
                    finding.rest_on(&self.events(of)?)?;
                }
                finding.miss = Some(match self.number(right)? {
                    Some(right) => miss_of_number(number, &NumberTest::Compare(*op, right)),
                    None => Miss::words("the right side has no value"),
                });
            }
            PlanKind::Attribute { operand, .. }
            | PlanKind::History { operand, .. }
            | PlanKind::Changed {
                attribute: operand, ..
            } => {
                let value = self.attribute(operand)?.value(self.user().0);
                finding.value = value.map(|value| value.to_value());
                finding.miss = Some(Miss::words(match &finding.value {
                    Some(value) => format!("it is {}", shown(value)),
                    None => "no value".to_owned(),
                }));
            }
            PlanKind::Did(of) => {
                let rows = self.events(of)?;
                finding.value = Some(Value::Integer(rows.len() as i64));
                if rows.is_empty() {
                    finding.miss = Some(self.miss_of_did(of)?);
                }
                finding.rest_on(&rows)?;
            }
            PlanKind::Measure { measure, test } => {
                let number = self.number(measure)?;
                finding.value = number.map(of_number);
                if let [of] = events_of(measure)[..] {
                    finding.rest_on(&self.events(of)?)?;
                }
                finding.miss = Some(miss_of_number(number, test));
            }
            PlanKind::Occurrence { occurrence, test } => {
                self.find_occurrence(&mut finding, occurrence, test)?;
            }
            PlanKind::Sequence(sequence) => {
                let rows = self.chain(sequence)?;
                finding.miss = Some(Miss {
                    text: format!("{} of {} steps", rows.len(), sequence.steps.len()),
                    by: Some(Number::Integer((sequence.steps.len() - rows.len()) as i64)),
                });
                finding.rest_on(&rows)?;
            }
            PlanKind::Rank { measure, .. } => {
                finding.value = self.number(measure)?.map(of_number);
                finding.place = self.place(node)?;
                if let Some(place) = finding.place {
                    finding.miss = Some(Miss::words(match place.position {
                        Some(position) => format!(
                            "place {position} of {}, where {} are selected",
                            place.candidates, place.size
                        ),
                        None => format!("no rank among the {} who have one", place.candidates),
                    }));
                }
            }
        }
        if finding.is_true {
            finding.miss = None;
        }
        Ok(finding)
    }

    fn find_occurrence(
        self,
        finding: &mut Finding,
        occurrence: &PlanOccurrence,
        test: &PlanOccurrenceTest,
    ) -> Result<(), EvalError> {
        let Some(row) = self.occurrence(occurrence)? else {
            let found = self.events(&occurrence.of)?.len();
            finding.miss = match occurrence.position {
                Position::Nth(n) if found > 0 => Some(Miss {
                    text: format!("{found} of at least {n} events"),
                    by: Some(Number::Integer(i64::from(n) - found as i64)),
                }),
                _ => Some(self.miss_of_did(&occurrence.of)?),
            };
            return Ok(());
        };
        finding.rest_on(&[row])?;
        let value = match test {
            PlanOccurrenceTest::When(_) => Some(ValueRef::Time(row.at)),
            PlanOccurrenceTest::EventName(_) => Some(ValueRef::Text(row.stream.name().into())),
            PlanOccurrenceTest::Property { operand, .. } => row.value(operand)?,
        };
        finding.value = value.map(|value| value.to_value());
        finding.miss = Some(Miss::words(match (&finding.value, test) {
            (Some(Value::Time(at)), PlanOccurrenceTest::When(_)) => {
                format!("it was at {}", TimestampMillis(*at))
            }
            (Some(value), _) => format!("it is {}", shown(value)),
            (None, _) => "the event has no such value".to_owned(),
        }));
        Ok(())
    }

    /// Why there is no event.
    fn miss_of_did(self, of: &PlanEvents) -> Result<Miss, EvalError> {
        let Some((low, high)) = self.bounds(&of.window)? else {
            return Ok(Miss::words(
                "the user has no such instant, so the window is empty",
            ));
        };
        let everything = (i64::MIN, i64::MAX);
        let nearest = self
            .select(&of.selector, everything)?
            .into_iter()
            .min_by_key(|row| low.saturating_sub(row.at).max(row.at.saturating_sub(high)));
        if let Some(nearest) = nearest {
            let at = TimestampMillis(nearest.at);
            return Ok(Miss::words(if at >= self.as_of {
                format!("none yet; the next is at {at}")
            } else {
                format!("none in the window; the nearest is at {at}")
            }));
        }
        let named = PlanSelector {
            events: of
                .selector
                .events
                .iter()
                .map(|event| crowdset_query::PlanEvent {
                    name: event.name.clone(),
                    filter: None,
                })
                .collect(),
            any_unfiltered: of.selector.any_unfiltered,
        };
        let others = self.select(&named, (low, high))?.len();
        Ok(Miss::words(if others > 0 {
            format!("{others} in the window, but none is as asked")
        } else {
            "none".to_owned()
        }))
    }
}

impl Finding {
    /// A finding that says no more than this.
    pub fn new(condition: String, kind: FindingKind, is_true: bool, parts: Vec<Self>) -> Self {
        Self {
            condition,
            kind,
            is_true,
            value: None,
            events: Vec::new(),
            events_total: 0,
            place: None,
            miss: None,
            notes: Vec::new(),
            parts,
        }
    }

    /// The events that decided it, in order.
    fn rest_on(&mut self, rows: &[Row<'_>]) -> Result<(), EvalError> {
        self.events_total = rows.len() as u64;
        self.events = rows[rows.len().saturating_sub(EVENTS_MAX)..]
            .iter()
            .map(FoundEvent::of)
            .collect::<Result<_, _>>()?;
        Ok(())
    }
}

impl FoundEvent {
    /// Reads an event with all its properties.
    fn of(row: &Row<'_>) -> Result<Self, EvalError> {
        let mut properties = Vec::new();
        for property in row.stream.properties() {
            let operand = crowdset_query::Operand::Property(property.path().to_owned());
            if let Some(value) = row.value(&operand)? {
                properties.push((property.path().to_owned(), value.to_value()));
            }
        }
        Ok(Self {
            at: TimestampMillis(row.at),
            name: row.stream.name().to_owned(),
            properties,
        })
    }
}

/// What a number lacks: `4 of more than 5`.
fn miss_of_number(number: Option<Number>, test: &NumberTest) -> Miss {
    let shown = |number: Number| shown(&of_number(number));
    let (wanted, by) = match test {
        NumberTest::Compare(op, bound) => {
            let words = match op {
                CompareOp::Equal => "exactly",
                CompareOp::NotEqual => "anything but",
                CompareOp::Less => "less than",
                CompareOp::LessOrEqual => "at most",
                CompareOp::Greater => "more than",
                CompareOp::GreaterOrEqual => "at least",
            };
            let strictly = match op {
                CompareOp::Greater => 1,
                CompareOp::Less => -1,
                _ => 0,
            };
            let by = number
                .filter(|_| *op != CompareOp::NotEqual)
                .and_then(|number| distance(number, *bound, strictly));
            (format!("{words} {}", shown(*bound)), by)
        }
        NumberTest::Between(low, high) => {
            let by = number.and_then(|number| {
                let bound = if compare_numbers(number, *low).is_some_and(Ordering::is_lt) {
                    *low
                } else {
                    *high
                };
                distance(number, bound, 0)
            });
            (format!("between {} and {}", shown(*low), shown(*high)), by)
        }
    };
    Miss {
        text: match number {
            Some(number) => format!("{} of {wanted}", shown(number)),
            None => format!("no value, where {wanted} is asked"),
        },
        by,
    }
}

/// From a number to a bound; past it by `strictly` between whole numbers.
fn distance(number: Number, bound: Number, strictly: i64) -> Option<Number> {
    match (number, bound) {
        (Number::Integer(number), Number::Integer(bound)) => bound
            .checked_sub(number)?
            .checked_add(strictly)
            .map(Number::Integer),
        (number, bound) => {
            let distance = bound.to_f64() - number.to_f64();
            distance.is_finite().then_some(Number::Float(distance))
        }
    }
}
