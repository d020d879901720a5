//! Numbers per user, and what they are compared with.

use super::{Planner, number_passes, ordering_passes};
use crate::ast::{
    Aggregate, Arithmetic, ArithmeticOp, CompareOp, Measure, NumberTest, Operand, RankEnd,
    RankSize, Span,
};
use crate::checks;
use crate::diagnostic::Diagnostic;
use crate::plan::{PlanAttribute, PlanEvents, PlanKind, PlanMeasure};
use crowdset_types::{Number, arithmetic, compare_numbers};

/// What a measure has become.
pub(super) enum Measured {
    /// Something to work out.
    Measure(PlanMeasure),
    /// The same for every user.
    Constant(Option<Number>),
}

impl Planner<'_> {
    pub(super) fn measure_condition(
        &mut self,
        measure: &Measure,
        test: &NumberTest,
        span: Span,
    ) -> PlanKind {
        let numbers = match *test {
            NumberTest::Compare(_, value) => [value, value],
            NumberTest::Between(low, high) => [low, high],
        };
        for number in numbers {
            self.check(checks::number_problem(number), span);
        }
        match self.measure(measure, span) {
            Measured::Measure(measure) => PlanKind::Measure {
                measure,
                test: test.clone(),
            },
            Measured::Constant(value) => {
                if value.is_some_and(|value| number_passes(value, test)) {
                    PlanKind::Everyone
                } else {
                    PlanKind::Nobody
                }
            }
        }
    }

    /// What nests is planned by functions of their own: their frames are what deep nesting piles up.
    pub(super) fn measure(&mut self, measure: &Measure, span: Span) -> Measured {
        match measure {
            Measure::Negative(inner) => match self.nested_measure(inner, span) {
                Measured::Measure(inner) => {
                    Measured::Measure(PlanMeasure::Negative(Box::new(inner)))
                }
                Measured::Constant(value) => Measured::Constant(value.and_then(arithmetic::negate)),
            },
            Measure::Arithmetic(arithmetic) => {
                if !self.is_of_one_rank(arithmetic, span) {
                    return Measured::Constant(None);
                }
                let first = self.nested_measure(&arithmetic.first, span);
                let mut rest = Vec::with_capacity(arithmetic.rest.len());
                for (op, part) in &arithmetic.rest {
                    rest.push((*op, self.nested_measure(part, span)));
                }
                calculated(first, rest)
            }
            _ => self.single_measure(measure, span),
        }
    }

    fn nested_measure(&mut self, measure: &Measure, span: Span) -> Measured {
        self.nested(Measured::Constant(None), |planner| {
            planner.measure(measure, span)
        })
    }

    fn is_of_one_rank(&mut self, arithmetic: &Arithmetic, span: Span) -> bool {
        let mut ranks = arithmetic.rest.iter().map(|(op, _)| op.is_multiplicative());
        let is_of_one = ranks
            .next()
            .is_some_and(|first| ranks.all(|rank| rank == first));
        if !is_of_one {
            let finding = Diagnostic::error(
                "arithmetic",
                "a list of measures has either `+` and `-` or `*` and `/` between them",
            );
            self.report(finding, span);
        }
        is_of_one
    }

    /// A measure that holds no others. Never inlined, or its frame would be one of those.
    #[inline(never)]
    fn single_measure(&mut self, measure: &Measure, span: Span) -> Measured {
        const ZERO: Option<Number> = Some(Number::Integer(0));
        let (of, make, nothing): (_, fn(PlanEvents) -> PlanMeasure, _) = match measure {
            Measure::Count(of) => (of, PlanMeasure::Count, ZERO),
            Measure::DaysSinceFirst(of) => (of, PlanMeasure::DaysSinceFirst, None),
            Measure::DaysSinceLast(of) => (of, PlanMeasure::DaysSinceLast, None),
            Measure::Aggregate {
                function,
                property,
                cast,
                of,
            } => {
                let operand = match cast {
                    Some(cast) => Operand::Cast {
                        cast: *cast,
                        property: property.clone(),
                    },
                    None => Operand::Property(property.clone()),
                };
                return match self.events(of) {
                    Some(events) => {
                        let names: Vec<&str> = events
                            .selector
                            .events
                            .iter()
                            .map(|event| event.name.as_str())
                            .collect();
                        self.lint_property(property, &names, span);
                        Measured::Measure(PlanMeasure::Aggregate {
                            function: *function,
                            operand,
                            of: events,
                        })
                    }
                    None => Measured::Constant(match function {
                        Aggregate::Sum | Aggregate::Distinct => ZERO,
                        Aggregate::Min | Aggregate::Max | Aggregate::Avg => None,
                    }),
                };
            }
            Measure::Calendar { unit, zone, of } => {
                if let Some(zone) = zone {
                    self.check(checks::zone_problem(zone), span);
                }
                // A tree from the builder may say it in another way.
                let Measure::Calendar { zone, of, .. } =
                    Measure::calendar(*unit, zone.clone(), of.clone())
                else {
                    return Measured::Constant(ZERO);
                };
                if let (Some(zone), Some(own)) = (&zone, of.window.zone()) {
                    let message =
                        format!("the window's zone is `{own}`, that of the periods `{zone}`");
                    let finding = Diagnostic::error("zone", message).help("write the zone once");
                    self.report(finding, span);
                }
                let zone = zone.or_else(|| of.window.zone().map(str::to_owned));
                return match self.events(&of) {
                    Some(of) => Measured::Measure(PlanMeasure::Calendar {
                        unit: *unit,
                        zone,
                        of,
                    }),
                    None => Measured::Constant(ZERO),
                };
            }
            Measure::Periods { length, each, of } => {
                self.check(checks::period_problem(*length), span);
                self.check(checks::each_problem(*each), span);
                return match self.events(of) {
                    Some(of) => Measured::Measure(PlanMeasure::Periods {
                        length: *length,
                        each: *each,
                        of,
                    }),
                    None => Measured::Constant(ZERO),
                };
            }
            Measure::Bucket(salt) => return Measured::Measure(PlanMeasure::Bucket(salt.clone())),
            Measure::Number(value) => {
                self.check(checks::number_problem(*value), span);
                return Measured::Constant(Some(*value));
            }
            // Measures that hold others are made by `measure`.
            Measure::Negative(_) | Measure::Arithmetic(_) => return Measured::Constant(None),
            Measure::Attribute(operand) => {
                return match self.attribute(&operand.attribute) {
                    Some(attribute) => Measured::Measure(PlanMeasure::Attribute(PlanAttribute {
                        cast: operand.cast,
                        ..attribute
                    })),
                    None => Measured::Constant(None),
                };
            }
        };
        match self.events(of) {
            Some(events) => Measured::Measure(make(events)),
            None => Measured::Constant(nothing),
        }
    }

    pub(super) fn measure_comparison(
        &mut self,
        left: &Measure,
        op: CompareOp,
        right: &Measure,
        span: Span,
    ) -> PlanKind {
        match (self.measure(left, span), self.measure(right, span)) {
            (Measured::Measure(left), Measured::Measure(right)) => {
                PlanKind::MeasureComparison { left, op, right }
            }
            (Measured::Measure(measure), Measured::Constant(Some(value))) => PlanKind::Measure {
                measure,
                test: NumberTest::Compare(op, value),
            },
            (Measured::Constant(Some(value)), Measured::Measure(measure)) => PlanKind::Measure {
                measure,
                test: NumberTest::Compare(op.reversed(), value),
            },
            (Measured::Constant(Some(left)), Measured::Constant(Some(right))) => {
                let passes = compare_numbers(left, right)
                    .is_some_and(|ordering| ordering_passes(op, ordering));
                if passes {
                    PlanKind::Everyone
                } else {
                    PlanKind::Nobody
                }
            }
            _ => PlanKind::Nobody,
        }
    }

    pub(super) fn rank(
        &mut self,
        end: RankEnd,
        size: RankSize,
        measure: &Measure,
        span: Span,
    ) -> PlanKind {
        self.check(checks::rank_problem(size), span);
        match self.measure(measure, span) {
            Measured::Measure(measure) => PlanKind::Rank { end, size, measure },
            // Without an event or a value nobody has a rank.
            Measured::Constant(_) => PlanKind::Nobody,
        }
    }
}

/// What parts of which some are numbers come to.
fn calculated(first: Measured, rest: Vec<(ArithmeticOp, Measured)>) -> Measured {
    // What has no value for anybody takes the value of all.
    let is_missing = |part: &Measured| matches!(part, Measured::Constant(None));
    if is_missing(&first) || rest.iter().any(|(_, part)| is_missing(part)) {
        return Measured::Constant(None);
    }
    // Numbers at the front are worked out here.
    let mut rest = rest.into_iter().peekable();
    let mut first = first;
    while let (Measured::Constant(Some(left)), Some((op, Measured::Constant(Some(right))))) =
        (&first, rest.peek())
    {
        let Some(value) = op.apply(*left, *right) else {
            return Measured::Constant(None);
        };
        first = Measured::Constant(Some(value));
        rest.next();
    }
    if rest.peek().is_none() {
        return first;
    }
    let plan = |part| match part {
        Measured::Measure(measure) => Some(measure),
        Measured::Constant(value) => value.map(PlanMeasure::Number),
    };
    let rest: Option<Vec<_>> = rest
        .map(|(op, part)| plan(part).map(|part| (op, part)))
        .collect();
    match (plan(first), rest) {
        (Some(first), Some(rest)) => Measured::Measure(PlanMeasure::Arithmetic {
            first: Box::new(first),
            rest,
        }),
        _ => Measured::Constant(None),
    }
}
