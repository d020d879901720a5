//! Goal: planning changes the form of a question, never its answer.
//! Method: plan a random segment against the catalog of a random world, write the plan down as a
//! segment again, and let the reference answer both.

use crowdset_query::{
    Anchor, Arithmetic, AttributeOperand, AttributeRef, EventName, EventNames, EventSelector,
    EventWindow, Expr, ExprKind, HistoryExtent, Hop, HopTime, Literal, Measure, Occurrence,
    OccurrenceTest, Operand, PlanAnchorInstant, PlanAttribute, PlanEvents, PlanKind, PlanLiteral,
    PlanMeasure, PlanNode, PlanOccurrence, PlanOccurrenceTest, PlanOptions, PlanPredicate,
    PlanSelector, PlanSequence, PlanTest, PlanWindow, Predicate, Segment, Sequence, SequenceStep,
    Span, Test, TimePoint, Window, plan,
};
use crowdset_testkit::random::{Rng, segment, world};
use crowdset_testkit::{Data, Reference, WorldCatalog, shrink, suite};
use crowdset_types::{DurationMillis, TimestampMillis};
use std::collections::BTreeSet;
use std::path::Path;

fn expr(node: &PlanNode) -> Expr {
    let kind = match &node.kind {
        PlanKind::Everyone => ExprKind::Everyone,
        PlanKind::Nobody => ExprKind::Nobody,
        PlanKind::And(parts) => ExprKind::And(parts.iter().map(expr).collect()),
        PlanKind::Or(parts) => ExprKind::Or(parts.iter().map(expr).collect()),
        PlanKind::Not(part) => ExprKind::Not(Box::new(expr(part))),
        PlanKind::UserId(ids) => ExprKind::UserId(ids.clone()),
        PlanKind::List { ids, .. } => ExprKind::UserId(ids.to_vec()),
        PlanKind::Attribute {
            operand,
            test: wanted,
        } => ExprKind::Attribute {
            operand: AttributeOperand {
                attribute: attribute(operand),
                cast: operand.cast,
            },
            test: test(wanted),
        },
        PlanKind::Did(of) => ExprKind::Did(events(of)),
        PlanKind::Measure { measure: of, test } => ExprKind::Measure {
            measure: measure(of),
            test: test.clone(),
        },
        PlanKind::MeasureComparison { left, op, right } => ExprKind::MeasureComparison {
            left: Box::new(measure(left)),
            op: *op,
            right: Box::new(measure(right)),
        },
        PlanKind::History {
            operand,
            test: wanted,
            extent,
            window: at,
        } => {
            let operand = AttributeOperand {
                attribute: attribute(operand),
                cast: operand.cast,
            };
            let test = test(wanted);
            match extent {
                HistoryExtent::Some => ExprKind::Had {
                    operand,
                    test,
                    window: window(at),
                },
                HistoryExtent::All => ExprKind::Held {
                    operand,
                    test,
                    length: DurationMillis(at.range.to.0 - at.range.from.0),
                },
            }
        }
        PlanKind::Changed {
            attribute: of,
            from,
            to,
            window: at,
        } => ExprKind::Changed {
            attribute: attribute(of),
            from: from.as_ref().map(literal),
            to: to.as_ref().map(literal),
            window: window(at),
        },
        PlanKind::Occurrence {
            occurrence: of,
            test: wanted,
        } => {
            let wanted = match wanted {
                PlanOccurrenceTest::When(of) => OccurrenceTest::When(window(of)),
                PlanOccurrenceTest::EventName(names) => {
                    let names = names
                        .iter()
                        .filter(|(_, holds)| *holds)
                        .map(|(name, _)| Literal::Text(name.clone()));
                    OccurrenceTest::Property {
                        operand: Operand::EventName,
                        test: Test::In(names.collect()),
                    }
                }
                PlanOccurrenceTest::Property {
                    operand,
                    test: wanted,
                } => OccurrenceTest::Property {
                    operand: operand.clone(),
                    test: test(wanted),
                },
            };
            ExprKind::Occurrence {
                occurrence: occurrence(of),
                test: wanted,
            }
        }
        PlanKind::Sequence(of) => ExprKind::Sequence(sequence(of)),
        PlanKind::Rank {
            end,
            size,
            measure: of,
        } => ExprKind::Rank {
            end: *end,
            size: *size,
            measure: measure(of),
        },
    };
    kind.into()
}

fn sequence(of: &PlanSequence) -> Sequence {
    let steps = of
        .steps
        .iter()
        .enumerate()
        .map(|(index, step)| SequenceStep {
            events: selector(&step.selector),
            hop: Hop {
                time: match (index, step.hop.most) {
                    (0, _) => HopTime::Any,
                    (_, None) => HopTime::After(step.hop.least),
                    (_, Some(most)) => HopTime::Between(step.hop.least, most),
                },
                without: step.hop.without.iter().map(selector).collect(),
                directly: step.hop.directly,
            },
        });
    Sequence {
        steps: steps.collect(),
        within: of.within,
        window: window(&of.window),
        same: of.same.clone(),
        strictly: of.strictly,
    }
}

fn attribute(of: &PlanAttribute) -> AttributeRef {
    AttributeRef {
        table: Some(of.table),
        name: of.name.clone(),
        span: Span::default(),
    }
}

fn events(of: &PlanEvents) -> EventWindow {
    EventWindow {
        events: selector(&of.selector),
        window: window(&of.window),
    }
}

fn selector(of: &PlanSelector) -> EventSelector {
    let part = |name: &str, filter: Option<&PlanPredicate>| {
        (
            EventName {
                name: name.to_owned(),
                span: Span::default(),
            },
            filter.map(predicate),
        )
    };
    let parts = of
        .events
        .iter()
        .map(|event| part(&event.name, event.filter.as_ref()))
        .collect();
    EventSelector {
        names: EventNames::AnyOf(parts),
        filter: None,
        span: Span::default(),
    }
}

fn window(of: &PlanWindow) -> Window {
    let Some(anchor) = &of.anchor else {
        return Window::Between(TimePoint::At(of.range.from.0), TimePoint::At(of.range.to.0));
    };
    assert_eq!(
        of.range.from.0,
        i64::MIN,
        "an anchor is the only lower bound"
    );
    let instant = match &anchor.of {
        PlanAnchorInstant::Event(of) => Anchor::Event(occurrence(of)),
        PlanAnchorInstant::Attribute(of) => Anchor::Attribute(attribute(of)),
    };
    Window::Anchored {
        relation: anchor.relation,
        anchor: Box::new(instant),
    }
}

fn occurrence(of: &PlanOccurrence) -> Occurrence {
    Occurrence {
        position: of.position,
        of: events(&of.of),
    }
}

fn measure(of: &PlanMeasure) -> Measure {
    match of {
        PlanMeasure::Count(of) => Measure::Count(events(of)),
        PlanMeasure::Aggregate {
            function,
            operand,
            of,
        } => {
            let (property, cast) = match operand {
                Operand::Property(path) => (path.clone(), None),
                Operand::Cast { cast, property } => (property.clone(), Some(*cast)),
                other => panic!("{other:?} is not summed"),
            };
            Measure::Aggregate {
                function: *function,
                property,
                cast,
                of: events(of),
            }
        }
        PlanMeasure::Calendar { unit, zone, of } => Measure::Calendar {
            unit: *unit,
            zone: zone.clone(),
            of: events(of),
        },
        PlanMeasure::Periods { length, each, of } => Measure::Periods {
            length: *length,
            each: *each,
            of: events(of),
        },
        PlanMeasure::DaysSinceFirst(of) => Measure::DaysSinceFirst(events(of)),
        PlanMeasure::DaysSinceLast(of) => Measure::DaysSinceLast(events(of)),
        PlanMeasure::Attribute(of) => Measure::Attribute(AttributeOperand {
            attribute: attribute(of),
            cast: of.cast,
        }),
        PlanMeasure::Bucket(salt) => Measure::Bucket(salt.clone()),
        PlanMeasure::Number(number) => Measure::Number(*number),
        PlanMeasure::Negative(inner) => Measure::Negative(Box::new(measure(inner))),
        PlanMeasure::Arithmetic { first, rest } => Measure::Arithmetic(Arithmetic {
            first: Box::new(measure(first)),
            rest: rest.iter().map(|(op, part)| (*op, measure(part))).collect(),
        }),
    }
}

fn predicate(of: &PlanPredicate) -> Predicate {
    match of {
        PlanPredicate::Always => Predicate::And(Vec::new()),
        PlanPredicate::Never => Predicate::Or(Vec::new()),
        PlanPredicate::And(parts) => Predicate::And(parts.iter().map(predicate).collect()),
        PlanPredicate::Or(parts) => Predicate::Or(parts.iter().map(predicate).collect()),
        PlanPredicate::Not(part) => Predicate::Not(Box::new(predicate(part))),
        PlanPredicate::Test {
            operand,
            test: wanted,
        } => {
            assert_ne!(
                *operand,
                Operand::EventName,
                "the name of an event is known where it stands"
            );
            Predicate::Test {
                operand: operand.clone(),
                test: test(wanted),
                span: Span::default(),
            }
        }
    }
}

fn test(of: &PlanTest) -> Test {
    let literals = |of: &[PlanLiteral]| of.iter().map(literal).collect();
    match of {
        PlanTest::Compare(op, value) => Test::Compare(*op, literal(value)),
        PlanTest::CompareAttribute(op, of) => Test::CompareAttribute(*op, attribute(of)),
        PlanTest::Between(low, high) => Test::Between(literal(low), literal(high)),
        PlanTest::In(values) => Test::In(literals(values)),
        PlanTest::NotIn(values) => Test::NotIn(literals(values)),
        PlanTest::Contains(part) => Test::Contains(part.clone()),
        PlanTest::StartsWith(part) => Test::StartsWith(part.clone()),
        PlanTest::EndsWith(part) => Test::EndsWith(part.clone()),
        PlanTest::Matches(pattern) => Test::Matches(pattern.clone()),
        PlanTest::IsSet => Test::IsSet,
        PlanTest::IsNotSet => Test::IsNotSet,
        PlanTest::Has(value) => Test::Has(literal(value)),
        PlanTest::HasAny(values) => Test::HasAny(literals(values)),
        PlanTest::HasAll(values) => Test::HasAll(literals(values)),
    }
}

fn literal(of: &PlanLiteral) -> Literal {
    match of {
        PlanLiteral::Text(text, instant) => {
            let read = TimestampMillis::parse(text)
                .ok()
                .map(|(instant, _)| instant);
            assert_eq!(*instant, read, "`{text}` is an instant or is none");
            Literal::Text(text.clone())
        }
        PlanLiteral::Integer(value) => Literal::Integer(*value),
        PlanLiteral::Float(value) => Literal::Float(*value),
        PlanLiteral::Bool(value) => Literal::Bool(*value),
        PlanLiteral::Time(instant) => Literal::Time(TimePoint::At(instant.0)),
    }
}

/// The answer by way of the plan.
fn answer(
    data: &Data,
    segment: &Segment,
    as_of: TimestampMillis,
    reorder: bool,
) -> Result<Vec<String>, String> {
    let options = PlanOptions {
        reorder,
        ..PlanOptions::default()
    };
    let plan = plan(segment, &WorldCatalog::new(data), as_of, &options)
        .map_err(|error| error.to_string())?;
    Reference::new(data)
        .evaluate(&Segment::new(expr(&plan.root)), as_of)
        .map_err(|error| error.to_string())
}

#[test]
fn plans_of_random_segments_answer_the_same() {
    for seed in 0..1_500 {
        let world = world(seed);
        let mut rng = Rng::new(seed ^ 0x91a);
        for number in 0..4 {
            let segment = segment(&mut rng, &world, number);
            let as_of = *rng.pick(&world.as_of);
            let reorder = number % 2 == 0;
            let differs = |data: &Data, segment: &Segment| {
                let expected = Reference::new(data)
                    .evaluate(segment, as_of)
                    .map_err(|error| error.to_string());
                answer(data, segment, as_of, reorder) != expected
            };
            if differs(&world.data, &segment) {
                let (data, segment) = shrink(&world.data, &segment, differs);
                let expected = Reference::new(&data)
                    .evaluate(&segment, as_of)
                    .unwrap_or_default();
                panic!(
                    "seed {seed}: the plan answers {:?}\n{}",
                    answer(&data, &segment, as_of, reorder),
                    suite::print("to be named", &data, &segment, as_of, &expected)
                );
            }
        }
    }
}

#[test]
fn plans_of_the_suite_answer_the_same() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/suite");
    let cases = suite::load(&folder).expect("the suite");
    for case in &cases {
        let found = case
            .segment
            .parse::<Segment>()
            .map_err(|error| error.to_string())
            .and_then(|segment| answer(&case.data, &segment, case.as_of, true));
        match (&case.expect, &found) {
            (suite::Expect::Users(expected), Ok(found)) => {
                assert_eq!(found, expected, "{}", case.name);
            }
            (suite::Expect::Error(part), Err(error)) => {
                assert!(error.contains(part), "{}: {error}", case.name);
            }
            (expected, found) => panic!("{}: {found:?} instead of {expected:?}", case.name),
        }
    }
    let tested: BTreeSet<_> = cases
        .iter()
        .map(|case| case.name.split(':').next())
        .collect();
    assert!(
        cases.len() >= 400 && tested.len() >= 15,
        "{} cases of {} subjects",
        cases.len(),
        tested.len()
    );
}
