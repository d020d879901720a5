//! Estimates: rows to read and users selected, good enough to order conditions by.
//!
//! Events are taken to be spread over the users that have any at random (a Poisson distribution)
//! and values to be equally frequent. Wrong estimates cost time, never an answer.

use super::window::overlap;
use super::{Planner, number_passes};
use crate::ast::{Aggregate, CompareOp, NumberTest, Operand, RankSize};
use crate::plan::{
    PlanAnchorInstant, PlanEvents, PlanKind, PlanMeasure, PlanOccurrenceTest, PlanPredicate,
    PlanSelector, PlanTest, PlanWindow,
};
use crowdset_types::{Number, TimeRange};

/// What a condition costs and selects.
#[derive(Debug, Clone, Copy)]
pub(super) struct Estimate {
    /// Rows to read.
    pub(super) rows: f64,
    /// Share of the universe.
    pub(super) share: f64,
}

impl Estimate {
    pub(super) const EVERYONE: Self = Self {
        rows: 0.0,
        share: 1.0,
    };
    pub(super) const NOBODY: Self = Self {
        rows: 0.0,
        share: 0.0,
    };
}

/// What is known about some events in a window.
struct Events {
    /// Rows to look at.
    rows: f64,
    /// Of these, rows that match.
    matching: f64,
    /// Share of the universe that has any of the events at any time.
    active: f64,
    /// Rows that an anchor reads on top.
    anchor_rows: f64,
    /// Whether a term index answers whole partitions.
    indexed: bool,
    universe: f64,
}

impl Events {
    /// Matching rows per user that has any.
    fn mean(&self) -> f64 {
        self.matching / (self.active * self.universe).max(1.0)
    }

    /// Share of the universe with at least one matching row.
    fn share(&self) -> f64 {
        self.active * (1.0 - (-self.mean()).exp())
    }
}

/// A scan reads a row this much faster if it needs only users and times.
const BARE_SCAN: f64 = 0.5;
/// The share of rows at the edges of a window, which an index cannot answer.
const INDEX_EDGES: f64 = 1.0 / 16.0;
/// Order, position and steps cost more per row than counting.
const ORDERED_SCAN: f64 = 4.0;

impl Planner<'_> {
    fn universe(&self) -> f64 {
        (self.catalog.universe_len() as f64).max(1.0)
    }

    pub(super) fn estimate(&self, kind: &PlanKind) -> Estimate {
        match kind {
            PlanKind::Everyone => Estimate::EVERYONE,
            // Joined conditions are estimated where they are joined, from their parts.
            PlanKind::Nobody | PlanKind::And(_) | PlanKind::Or(_) | PlanKind::Not(_) => {
                Estimate::NOBODY
            }
            PlanKind::UserId(ids) => Estimate {
                rows: 0.0,
                share: (ids.len() as f64 / self.universe()).min(1.0),
            },
            PlanKind::List { ids, .. } => Estimate {
                rows: 0.0,
                share: (ids.len() as f64 / self.universe()).min(1.0),
            },
            PlanKind::Attribute { operand, test } => {
                let values = self.catalog.attribute_values(operand.table, &operand.name);
                let indexed = operand.cast.is_none() && test_is_equality(test);
                let rows = self.universe() / if indexed { 64.0 } else { 4.0 };
                Estimate {
                    rows,
                    share: test_share(test, values),
                }
            }
            PlanKind::Did(of) => {
                let events = self.events_known(of);
                let factor = if events.indexed { INDEX_EDGES } else { 1.0 };
                Estimate {
                    rows: events.rows * factor + events.anchor_rows,
                    share: events.share(),
                }
            }
            PlanKind::Measure { measure, test } => self.measure_estimate(measure, test),
            PlanKind::Occurrence { occurrence, test } => {
                let events = self.events_known(&occurrence.of);
                let share = events.share()
                    * match test {
                        PlanOccurrenceTest::When(window) => self.window_share(window.range),
                        PlanOccurrenceTest::EventName(verdicts) => {
                            verdicts.iter().filter(|(_, verdict)| *verdict).count() as f64
                                / verdicts.len().max(1) as f64
                        }
                        PlanOccurrenceTest::Property { test, .. } => test_share(test, None),
                    };
                Estimate {
                    rows: events.rows * ORDERED_SCAN + events.anchor_rows,
                    share,
                }
            }
            PlanKind::Sequence(sequence) => {
                let window = &sequence.window;
                let (mut rows, mut share) = (self.anchor_rows(window), 1.0);
                let between = sequence.steps.iter().flat_map(|step| &step.hop.without);
                for selector in between.chain(&sequence.all) {
                    rows += self.selector_known(selector, window).rows * ORDERED_SCAN;
                }
                for step in &sequence.steps {
                    let events = self.selector_known(&step.selector, window);
                    rows += events.rows * ORDERED_SCAN;
                    // Having done a step says little; having done it in order halves what is left.
                    share *= events.share() / 2.0;
                }
                Estimate {
                    rows,
                    share: share * 2.0,
                }
            }
            PlanKind::MeasureComparison { left, right, .. } => {
                let test = NumberTest::Compare(CompareOp::GreaterOrEqual, Number::Integer(1));
                let rows = self.measure_estimate(left, &test).rows
                    + self.measure_estimate(right, &test).rows;
                Estimate {
                    rows: rows * 2.0,
                    share: number_test_share(&test),
                }
            }
            PlanKind::History { test, window, .. } => Estimate {
                rows: self.universe() + self.anchor_rows(window),
                share: test_share(test, None),
            },
            PlanKind::Changed { window, .. } => Estimate {
                rows: self.universe() + self.anchor_rows(window),
                share: 0.1,
            },
            PlanKind::Rank { size, measure, .. } => {
                let all = self.measure_estimate(
                    measure,
                    &NumberTest::Compare(CompareOp::GreaterOrEqual, Number::Integer(1)),
                );
                let share = match *size {
                    RankSize::Users(users) => (users as f64 / self.universe()).min(all.share),
                    RankSize::Percent(percent) => all.share * percent / 100.0,
                };
                // Needs the numbers of everybody, whatever else has been decided.
                Estimate {
                    rows: all.rows * 2.0 + self.universe(),
                    share,
                }
            }
        }
    }

    fn measure_estimate(&self, measure: &PlanMeasure, test: &NumberTest) -> Estimate {
        let zero = |passes: bool| if passes { 1.0 } else { 0.0 };
        let passes_zero = number_passes(Number::Integer(0), test);
        match measure {
            PlanMeasure::Count(of)
            | PlanMeasure::Calendar { of, .. }
            | PlanMeasure::Periods { of, .. } => {
                let events = self.events_known(of);
                let factor = if matches!(measure, PlanMeasure::Count(_)) {
                    BARE_SCAN
                } else {
                    1.0
                };
                let share = events.active * poisson_share(events.mean(), test)
                    + (1.0 - events.active) * zero(passes_zero);
                Estimate {
                    rows: events.rows * factor + events.anchor_rows,
                    share,
                }
            }
            PlanMeasure::Aggregate { function, of, .. } => {
                let events = self.events_known(of);
                let some = events.share();
                let total = matches!(function, Aggregate::Sum | Aggregate::Distinct);
                let nothing = if total {
                    (1.0 - some) * zero(passes_zero)
                } else {
                    0.0
                };
                let factor = if *function == Aggregate::Distinct {
                    ORDERED_SCAN
                } else {
                    2.0
                };
                Estimate {
                    rows: events.rows * factor + events.anchor_rows,
                    share: some * number_test_share(test) + nothing,
                }
            }
            PlanMeasure::DaysSinceFirst(of) | PlanMeasure::DaysSinceLast(of) => {
                let events = self.events_known(of);
                Estimate {
                    rows: events.rows + events.anchor_rows,
                    share: events.share() * number_test_share(test),
                }
            }
            PlanMeasure::Negative(inner) => Estimate {
                share: number_test_share(test),
                ..self.measure_estimate(inner, test)
            },
            PlanMeasure::Arithmetic { first, rest } => {
                let parts = rest.iter().map(|(_, part)| part).chain([&**first]);
                Estimate {
                    rows: parts
                        .map(|part| self.measure_estimate(part, test).rows * 2.0)
                        .sum(),
                    share: number_test_share(test),
                }
            }
            PlanMeasure::Number(value) => Estimate {
                rows: 0.0,
                share: zero(number_passes(*value, test)),
            },
            PlanMeasure::Bucket(_) => Estimate {
                rows: self.universe() / 4.0,
                share: bucket_share(test),
            },
            PlanMeasure::Attribute(_) => Estimate {
                rows: self.universe() / 4.0,
                share: number_test_share(test),
            },
        }
    }

    fn events_known(&self, of: &PlanEvents) -> Events {
        let mut events = self.selector_known(&of.selector, &of.window);
        events.anchor_rows = self.anchor_rows(&of.window);
        if of.window.anchor.is_some() {
            events.indexed = false;
            events.matching /= 2.0;
        }
        events
    }

    fn selector_known(&self, selector: &PlanSelector, window: &PlanWindow) -> Events {
        let universe = self.universe();
        let (mut rows, mut matching, mut users) = (0.0, 0.0, 0.0);
        let mut indexed = true;
        for event in &selector.events {
            let here = self.catalog.event_rows(&event.name, window.range) as f64;
            users += self.catalog.event_users(&event.name) as f64;
            let (leaves, share) = match &event.filter {
                None => (0, 1.0),
                Some(filter) => {
                    indexed &= matches!(
                        filter,
                        PlanPredicate::Test { operand: Operand::Property(_), test } if test_is_equality(test)
                    );
                    self.predicate_share(filter, &event.name)
                }
            };
            rows += here * f64::from(1 + leaves);
            matching += here * share;
        }
        Events {
            rows,
            matching,
            active: (users / universe).min(1.0),
            anchor_rows: 0.0,
            indexed,
            universe,
        }
    }

    /// Leaves of a predicate, and the share of rows it lets through.
    fn predicate_share(&self, predicate: &PlanPredicate, event: &str) -> (u32, f64) {
        match predicate {
            PlanPredicate::Always => (0, 1.0),
            PlanPredicate::Never => (0, 0.0),
            PlanPredicate::And(parts) => parts.iter().fold((0, 1.0), |(leaves, share), part| {
                let (more, passes) = self.predicate_share(part, event);
                (leaves + more, share * passes)
            }),
            PlanPredicate::Or(parts) => {
                let (leaves, fails) = parts.iter().fold((0, 1.0), |(leaves, fails), part| {
                    let (more, passes) = self.predicate_share(part, event);
                    (leaves + more, fails * (1.0 - passes))
                });
                (leaves, 1.0 - fails)
            }
            PlanPredicate::Not(inner) => {
                let (leaves, share) = self.predicate_share(inner, event);
                (leaves, 1.0 - share)
            }
            PlanPredicate::Test { operand, test } => {
                let values = match operand {
                    Operand::Property(path) | Operand::Cast { property: path, .. } => {
                        self.catalog.property_values(event, path)
                    }
                    Operand::Hour { .. } => Some(24),
                    Operand::Weekday { .. } => Some(7),
                    Operand::EventName | Operand::Timestamp => None,
                };
                (1, test_share(test, values))
            }
        }
    }

    fn anchor_rows(&self, window: &PlanWindow) -> f64 {
        match window.anchor.as_deref().map(|anchor| &anchor.of) {
            Some(PlanAnchorInstant::Event(occurrence)) => {
                let events = self.events_known(&occurrence.of);
                events.rows + events.anchor_rows
            }
            Some(PlanAnchorInstant::Attribute(_)) => self.universe() / 4.0,
            None => 0.0,
        }
    }

    /// The share of the events' time that lies in a range.
    fn window_share(&self, range: TimeRange) -> f64 {
        let Some((first, last)) = self.catalog.event_span() else {
            return 0.0;
        };
        let whole = overlap(TimeRange::ALL, first, last).0.max(1);
        overlap(range, first, last).0 as f64 / whole as f64
    }
}

fn test_is_equality(test: &PlanTest) -> bool {
    matches!(
        test,
        PlanTest::Compare(CompareOp::Equal, _) | PlanTest::In(_)
    )
}

/// The share of values that pass, if there are `values` equally frequent ones.
fn test_share(test: &PlanTest, values: Option<u64>) -> f64 {
    let one = 1.0 / values.map_or(20.0, |values| values.max(1) as f64);
    let some = |count: usize| (one * count as f64).min(1.0);
    match test {
        PlanTest::Compare(CompareOp::Equal, _) => one,
        PlanTest::Compare(CompareOp::NotEqual, _) => 1.0 - one,
        PlanTest::In(list) => some(list.len()),
        PlanTest::NotIn(list) => 1.0 - some(list.len()),
        PlanTest::Between(..) => 0.25,
        PlanTest::Compare(..) | PlanTest::CompareAttribute(..) => 0.35,
        PlanTest::Contains(_)
        | PlanTest::StartsWith(_)
        | PlanTest::EndsWith(_)
        | PlanTest::Matches(_)
        | PlanTest::IsNotSet
        | PlanTest::Has(_)
        | PlanTest::HasAll(_) => 0.1,
        PlanTest::IsSet => 0.9,
        PlanTest::HasAny(_) => 0.2,
    }
}

/// The share of numbers that pass, if they are spread evenly from 0 to 1.
fn bucket_share(test: &NumberTest) -> f64 {
    let below = |bound: Number| bound.to_f64().clamp(0.0, 1.0);
    match *test {
        NumberTest::Compare(CompareOp::Equal, _) => 0.0,
        NumberTest::Compare(CompareOp::NotEqual, _) => 1.0,
        NumberTest::Compare(CompareOp::Less | CompareOp::LessOrEqual, bound) => below(bound),
        NumberTest::Compare(_, bound) => 1.0 - below(bound),
        NumberTest::Between(low, high) => (below(high) - below(low)).max(0.0),
    }
}

/// The share of numbers nothing is known about that pass.
fn number_test_share(test: &NumberTest) -> f64 {
    match test {
        NumberTest::Compare(CompareOp::Equal, _) => 0.05,
        NumberTest::Compare(CompareOp::NotEqual, _) => 0.95,
        NumberTest::Compare(..) => 0.35,
        NumberTest::Between(..) => 0.25,
    }
}

/// The probability that a count with this mean passes.
fn poisson_share(mean: f64, test: &NumberTest) -> f64 {
    /// Up to here the terms are summed; beyond, the count is taken to be its mean.
    const TERMS: i64 = 500;
    if mean > 300.0 {
        return if number_passes(Number::Float(mean), test) {
            1.0
        } else {
            0.0
        };
    }
    let (mut term, mut passing) = ((-mean).exp(), 0.0);
    let mut rest = 1.0;
    for count in 0..TERMS {
        if number_passes(Number::Integer(count), test) {
            passing += term;
        }
        rest -= term;
        if rest < 1e-9 {
            break;
        }
        term *= mean / (count + 1) as f64;
    }
    passing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poisson_shares_are_probabilities() {
        let at_least =
            |count| NumberTest::Compare(CompareOp::GreaterOrEqual, Number::Integer(count));
        assert!((poisson_share(2.0, &at_least(0)) - 1.0).abs() < 1e-6);
        assert!((poisson_share(2.0, &at_least(1)) - (1.0 - (-2.0_f64).exp())).abs() < 1e-6);
        assert!(poisson_share(1000.0, &at_least(5)) > 0.99);
        assert!(poisson_share(0.0, &at_least(1)) < 1e-9);
    }
}
