//! Random trees, as the parser would make them: joined parts are flat, a measure of an attribute
//! stands in ranks only.

use crowdset_query::{
    Aggregate, Anchor, AnchorRelation, Arithmetic, ArithmeticOp, AttributeOperand, AttributeRef,
    AttributeTable, CalendarUnit, Cast, CivilTime, CompareOp, EventName, EventNames, EventSelector,
    EventWindow, Expr, ExprKind, Hop, HopTime, Lifecycle, Literal, Measure, NumberTest, Occurrence,
    OccurrenceTest, Operand, Period, PeriodUnit, Position, Predicate, RankEnd, RankSize, Segment,
    Sequence, SequenceStep, Span, Test, TimePoint, Window, build,
};
use crowdset_types::{DurationMillis, Number};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// Names that are plain, names that are words of the language, and names that need quotes.
fn name() -> impl Strategy<Value = String> {
    let listed = |names: &[&str]| {
        prop::sample::select(
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>(),
        )
    };
    prop_oneof![
        4 => listed(&["a", "purchase", "page_viewed", "ünïcode"]),
        2 => listed(&[
            "any", "event", "of", "where", "then", "not", "and", "or", "in", "is", "has", "within", "last", "first",
            "number", "time", "hour", "users", "property", "user_id", "everyone", "event_name", "timestamp", "now",
            "between", "like", "Not", "USERS", "except", "ever", "did", "count", "before", "matches", "with", "set",
        ]),
        1 => listed(&["", " ", "Page Viewed", "it's", "say \"hi\"", "a-b", "1st", "--x", "a\nb"]),
        1 => "\\PC{0,6}",
    ]
}

fn path() -> impl Strategy<Value = String> {
    vec(name(), 1..3).prop_map(|parts| parts.join("."))
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("x".to_owned()),
        Just("it's".to_owned()),
        Just("2026-01-01".to_owned()),
        "\\PC{0,8}"
    ]
}

fn instant() -> impl Strategy<Value = i64> {
    prop_oneof![
        Just(0),
        Just(86_400_000 * 20_000),
        -9_000_000_000_000_i64..9_000_000_000_000
    ]
}

fn duration() -> impl Strategy<Value = DurationMillis> {
    prop_oneof![
        (0..100_i64).prop_map(DurationMillis::days),
        (0..100_i64).prop_map(DurationMillis::hours),
        (0..100_000_i64).prop_map(DurationMillis),
        Just(DurationMillis(i64::MAX)),
    ]
}

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        any::<i64>().prop_map(Number::Integer),
        (-5..100_i64).prop_map(Number::Integer),
        prop::num::f64::NORMAL.prop_map(Number::Float),
        (-5..100_i64).prop_map(|value| Number::Float(value as f64)),
    ]
}

fn time_point() -> impl Strategy<Value = TimePoint> {
    prop_oneof![
        Just(TimePoint::Now),
        duration().prop_map(TimePoint::Ago),
        instant().prop_map(TimePoint::At)
    ]
}

fn unordered_literal() -> impl Strategy<Value = Literal> {
    prop_oneof![4 => literal(), 1 => any::<bool>().prop_map(Literal::Bool)]
}

fn literal() -> impl Strategy<Value = Literal> {
    prop_oneof![
        text().prop_map(Literal::Text),
        number().prop_map(|number| match number {
            Number::Integer(value) => Literal::Integer(value),
            Number::Float(value) => Literal::Float(value),
        }),
        time_point().prop_map(Literal::Time),
    ]
}

fn order() -> impl Strategy<Value = CompareOp> {
    prop::sample::select(vec![
        CompareOp::Less,
        CompareOp::LessOrEqual,
        CompareOp::Greater,
        CompareOp::GreaterOrEqual,
        CompareOp::Equal,
        CompareOp::NotEqual,
    ])
}

fn table() -> impl Strategy<Value = AttributeTable> {
    prop::sample::select(vec![AttributeTable::Users, AttributeTable::Property])
}

fn attribute_in_table() -> impl Strategy<Value = AttributeRef> {
    (table(), path()).prop_map(|(table, name)| AttributeRef {
        table: Some(table),
        name,
        span: Span::default(),
    })
}

fn attribute() -> impl Strategy<Value = AttributeRef> {
    (option::of(table()), path()).prop_map(|(table, name)| AttributeRef {
        table,
        name,
        span: Span::default(),
    })
}

fn test() -> impl Strategy<Value = Test> {
    let equality = prop::sample::select(vec![CompareOp::Equal, CompareOp::NotEqual]);
    let list = || vec(unordered_literal(), 1..3);
    prop_oneof![
        (equality, unordered_literal()).prop_map(|(op, value)| Test::Compare(op, value)),
        (order(), literal()).prop_map(|(op, value)| Test::Compare(op, value)),
        (order(), attribute_in_table()).prop_map(|(op, right)| Test::CompareAttribute(op, right)),
        (literal(), literal()).prop_map(|(low, high)| Test::Between(low, high)),
        list().prop_map(Test::In),
        list().prop_map(Test::NotIn),
        text().prop_map(Test::Contains),
        text().prop_map(Test::StartsWith),
        text().prop_map(Test::EndsWith),
        text().prop_map(|text| Test::Like(text.replace('\\', "\\\\"))),
        text().prop_map(|text| Test::ILike(text.replace('\\', "%"))),
        prop::sample::select(vec!["^a+$", "it's", "(?i)x|y"])
            .prop_map(|regex| Test::Matches(regex.to_owned())),
        Just(Test::IsSet),
        Just(Test::IsNotSet),
        unordered_literal().prop_map(Test::Has),
        list().prop_map(Test::HasAny),
        list().prop_map(Test::HasAll),
    ]
}

fn cast() -> impl Strategy<Value = Cast> {
    prop::sample::select(vec![
        Cast::Number,
        Cast::Text,
        Cast::Time,
        Cast::TimeSeconds,
        Cast::TimeMillis,
    ])
}

fn zone() -> impl Strategy<Value = Option<String>> {
    option::of(Just("Europe/Berlin".to_owned()))
}

fn operand() -> impl Strategy<Value = Operand> {
    prop_oneof![
        6 => path().prop_map(Operand::Property),
        1 => Just(Operand::Timestamp),
        1 => zone().prop_map(|zone| Operand::Hour { zone }),
        1 => zone().prop_map(|zone| Operand::Weekday { zone }),
        2 => (cast(), path()).prop_map(|(cast, property)| Operand::Cast { cast, property }),
    ]
}

fn operand_and_test() -> impl Strategy<Value = (Operand, Test)> {
    let of_name = test().prop_filter("no attribute beside the name", |test| {
        !matches!(test, Test::CompareAttribute(..))
    });
    prop_oneof![9 => (operand(), test()), 1 => of_name.prop_map(|test| (Operand::EventName, test))]
}

fn predicate() -> impl Strategy<Value = Predicate> {
    let leaf = operand_and_test().prop_map(|(operand, test)| Predicate::Test {
        operand,
        test,
        span: Span::default(),
    });
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 2..4)
                .prop_map(|parts| parts.into_iter().reduce(Predicate::and).expect("has parts")),
            vec(inner.clone(), 2..4)
                .prop_map(|parts| parts.into_iter().reduce(Predicate::or).expect("has parts")),
            inner.prop_map(Predicate::negate),
        ]
    })
}

fn event_name() -> impl Strategy<Value = EventName> {
    name().prop_map(|name| EventName {
        name,
        span: Span::default(),
    })
}

fn selector() -> impl Strategy<Value = EventSelector> {
    let names = prop_oneof![
        4 => event_name().prop_map(EventNames::One),
        1 => vec(event_name(), 0..3).prop_map(|except| EventNames::Any { except }),
        1 => vec((event_name(), option::of(predicate())), 1..3).prop_map(EventNames::AnyOf),
    ];
    (names, option::of(predicate())).prop_map(|(names, filter)| EventSelector {
        names,
        filter,
        span: Span::default(),
    })
}

fn fixed_window() -> impl Strategy<Value = Window> {
    prop_oneof![
        3 => Just(Window::Ever),
        2 => duration().prop_map(Window::Last),
        1 => (time_point(), time_point()).prop_map(|(from, to)| Window::Between(from, to)),
        1 => time_point().prop_map(Window::Since),
        1 => time_point().prop_map(Window::Before),
        2 => calendar(),
    ]
}

fn calendar() -> impl Strategy<Value = Window> {
    let zone_name = || {
        prop::sample::select(vec!["Europe/Berlin", "America/Port-au-Prince"])
            .prop_map(str::to_owned)
    };
    let unit = || prop::sample::select(CalendarUnit::ALL.to_vec());
    let longer = prop::sample::select(CalendarUnit::ALL[1..].to_vec());
    let period = prop_oneof![
        Just(Period::Today),
        Just(Period::Yesterday),
        longer.prop_map(Period::This),
        (any::<u32>(), unit()).prop_map(|(count, unit)| Period::Last(count, unit)),
        (0..4_u32, unit()).prop_map(|(count, unit)| Period::Last(count, unit)),
        (-100_000..100_000_i64).prop_map(|day| Period::On(CivilTime(day * 86_400_000))),
    ];
    let time = || instant().prop_map(CivilTime);
    let written = prop_oneof![
        (time(), time()).prop_map(|(from, to)| Period::Between(from, to)),
        time().prop_map(Period::Since),
        time().prop_map(Period::Before),
    ];
    prop_oneof![
        (period, option::of(zone_name()))
            .prop_map(|(period, zone)| Window::Calendar { period, zone }),
        // Without a zone these are written as other windows.
        (written, zone_name()).prop_map(|(period, zone)| Window::Calendar {
            period,
            zone: Some(zone)
        }),
    ]
}

fn position() -> impl Strategy<Value = Position> {
    prop_oneof![
        Just(Position::First),
        Just(Position::Last),
        (1..u32::MAX).prop_map(Position::Nth)
    ]
}

fn window() -> impl Strategy<Value = Window> {
    fixed_window().prop_recursive(2, 6, 1, |inner| {
        let event = (position(), selector(), inner).prop_map(|(position, events, window)| {
            Anchor::Event(Occurrence {
                position,
                of: EventWindow { events, window },
            })
        });
        let anchor = prop_oneof![3 => event, 1 => attribute_in_table().prop_map(Anchor::Attribute)];
        let relation = prop_oneof![
            Just(AnchorRelation::Since),
            Just(AnchorRelation::After),
            Just(AnchorRelation::Before),
            duration().prop_map(AnchorRelation::WithinAfter),
            duration().prop_map(AnchorRelation::WithinBefore),
        ];
        (relation, anchor).prop_map(|(relation, anchor)| Window::Anchored {
            relation,
            anchor: Box::new(anchor),
        })
    })
}

fn events() -> impl Strategy<Value = EventWindow> {
    (selector(), window())
        .prop_map(|(events, window)| EventWindow { events, window })
        .boxed()
}

fn aggregate() -> impl Strategy<Value = Measure> {
    let function = prop::sample::select(vec![
        Aggregate::Sum,
        Aggregate::Min,
        Aggregate::Max,
        Aggregate::Avg,
        Aggregate::Distinct,
    ]);
    let property = path().prop_filter("has a meaning of its own", |path| {
        path != "event_name" && path != "timestamp"
    });
    (function, property, option::of(cast()), events()).prop_map(|(function, property, cast, of)| {
        Measure::Aggregate {
            function,
            property,
            cast,
            of,
        }
    })
}

fn period_unit() -> impl Strategy<Value = PeriodUnit> {
    prop::sample::select(vec![PeriodUnit::Day, PeriodUnit::Week, PeriodUnit::Month])
}

fn period() -> impl Strategy<Value = DurationMillis> {
    duration().prop_filter("longer than nothing", |length| length.0 > 0)
}

fn hop() -> impl Strategy<Value = Hop> {
    let time = prop_oneof![
        2 => Just(HopTime::Any),
        1 => duration().prop_map(HopTime::Within),
        1 => duration().prop_map(HopTime::After),
        1 => (duration(), duration()).prop_map(|(least, most)| HopTime::Between(least, most)),
    ];
    (time, vec(selector(), 0..3), any::<bool>()).prop_map(|(time, without, directly)| Hop {
        time,
        without,
        directly,
    })
}

fn sequence() -> impl Strategy<Value = Sequence> {
    let step = (selector(), hop()).prop_map(|(events, hop)| SequenceStep { events, hop });
    (
        vec(step, 1..4),
        option::of(duration()),
        window(),
        vec(path(), 0..3),
        any::<bool>(),
    )
        .prop_map(|(mut steps, within, window, same, strictly)| {
            steps[0].hop = Hop::default();
            Sequence {
                steps,
                within,
                window,
                same,
                strictly,
            }
        })
}

fn lifecycle() -> impl Strategy<Value = ExprKind> {
    (selector(), duration(), duration(), any::<bool>()).prop_map(
        |(events, first, second, stopped)| ExprKind::Lifecycle {
            events,
            change: if stopped {
                Lifecycle::Stopped {
                    quiet: first,
                    since: second,
                }
            } else {
                Lifecycle::Restarted {
                    recent: first,
                    gap: second,
                }
            },
        },
    )
}

fn event_measure() -> impl Strategy<Value = Measure> {
    prop_oneof![
        2 => events().prop_map(Measure::Count),
        2 => aggregate(),
        1 => (period_unit(), zone(), events())
            .prop_map(|(unit, zone, of)| {
                // A window of the calendar has the zone of its own.
                let zone = zone.filter(|_| !matches!(of.window, Window::Calendar { .. }));
                Measure::Calendar { unit, zone, of }
            }),
        1 => (period(), 1..4_u32, events())
            .prop_map(|(length, each, of)| Measure::Periods { length, each, of }),
        1 => events().prop_map(Measure::DaysSinceFirst),
        1 => events().prop_map(Measure::DaysSinceLast),
    ]
}

/// A measure, calculated or not, and none that is an attribute or a number alone.
fn measure() -> impl Strategy<Value = Measure> {
    let leaf = prop_oneof![
        3 => event_measure(),
        1 => text().prop_map(Measure::Bucket),
    ];
    let part = prop_oneof![
        3 => event_measure(),
        1 => text().prop_map(Measure::Bucket),
        1 => attribute_measure(),
        1 => number().prop_map(Measure::Number),
    ];
    let calculated = part.prop_recursive(3, 8, 3, |inner| {
        let operator = |ops: Vec<ArithmeticOp>| prop::sample::select(ops);
        let sums = vec![ArithmeticOp::Add, ArithmeticOp::Subtract];
        let products = vec![ArithmeticOp::Multiply, ArithmeticOp::Divide];
        let of = |inner: BoxedStrategy<Measure>, ops| {
            (inner.clone(), vec((operator(ops), inner), 1..3)).prop_map(|(first, rest)| {
                Measure::Arithmetic(Arithmetic {
                    first: Box::new(first),
                    rest,
                })
            })
        };
        let negative = inner.clone().prop_map(|part| match part {
            Measure::Number(_) => part,
            part => Measure::Negative(Box::new(part)),
        });
        prop_oneof![
            2 => of(inner.clone().boxed(), sums),
            2 => of(inner.boxed(), products),
            1 => negative,
        ]
    });
    let calculated = calculated.prop_filter("an attribute alone is another condition", |measure| {
        !matches!(measure, Measure::Attribute(_) | Measure::Number(_))
    });
    prop_oneof![2 => leaf, 1 => calculated]
}

fn attribute_measure() -> impl Strategy<Value = Measure> {
    (attribute_in_table(), option::of(cast()))
        .prop_map(|(attribute, cast)| Measure::Attribute(AttributeOperand { attribute, cast }))
}

fn condition() -> impl Strategy<Value = ExprKind> {
    let ranked = prop_oneof![3 => measure(), 1 => attribute_measure()];
    let size = prop_oneof![
        (1..u64::MAX).prop_map(RankSize::Users),
        (0.001..100.0_f64).prop_map(RankSize::Percent),
        (1..100_u32).prop_map(|percent| RankSize::Percent(f64::from(percent))),
    ];
    let number_test = prop_oneof![
        (order(), number()).prop_map(|(op, value)| NumberTest::Compare(op, value)),
        (number(), number()).prop_map(|(low, high)| NumberTest::Between(low, high)),
    ];
    let occurrence_test = prop_oneof![
        window().prop_map(OccurrenceTest::When),
        operand_and_test().prop_map(|(operand, test)| OccurrenceTest::Property { operand, test }),
    ];
    prop_oneof![
        Just(ExprKind::Everyone),
        Just(ExprKind::Nobody),
        vec(text(), 1..3).prop_map(ExprKind::UserId),
        text().prop_map(ExprKind::SavedSegment),
        text().prop_map(ExprKind::StaticList),
        (attribute(), option::of(cast()), test()).prop_map(|(attribute, cast, test)| {
            ExprKind::Attribute {
                operand: AttributeOperand { attribute, cast },
                test,
            }
        }),
        events().prop_map(ExprKind::Did),
        (measure(), number_test).prop_map(|(measure, test)| ExprKind::Measure { measure, test }),
        (measure(), order(), measure()).prop_map(|(left, op, right)| ExprKind::MeasureComparison {
            left: Box::new(left),
            op,
            right: Box::new(right)
        }),
        (attribute(), option::of(cast()), test(), window()).prop_map(
            |(attribute, cast, test, window)| ExprKind::Had {
                operand: AttributeOperand { attribute, cast },
                test,
                window
            }
        ),
        (
            attribute(),
            option::of(cast()),
            test(),
            1..9_000_000_000_i64
        )
            .prop_map(|(attribute, cast, test, length)| ExprKind::Held {
                operand: AttributeOperand { attribute, cast },
                test,
                length: DurationMillis(length)
            }),
        (
            attribute(),
            option::of(unordered_literal()),
            option::of(unordered_literal()),
            window()
        )
            .prop_map(|(attribute, from, to, window)| ExprKind::Changed {
                attribute,
                from,
                to,
                window
            }),
        (position(), events(), occurrence_test).prop_map(|(position, of, test)| {
            ExprKind::Occurrence {
                occurrence: Occurrence { position, of },
                test,
            }
        }),
        sequence().prop_map(ExprKind::Sequence),
        lifecycle(),
        (any::<bool>(), size, ranked).prop_map(|(top, size, measure)| ExprKind::Rank {
            end: if top { RankEnd::Top } else { RankEnd::Bottom },
            size,
            measure
        }),
    ]
    // A strategy holds all its parts in place; this many do not fit a test's stack.
    .boxed()
}

/// A random segment.
pub(crate) fn segment() -> impl Strategy<Value = Segment> {
    let leaf = condition().prop_map(Expr::from);
    leaf.prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 2..4).prop_map(build::all),
            vec(inner.clone(), 2..4).prop_map(build::any),
            inner.prop_map(build::not),
        ]
    })
    .prop_map(Segment::from)
}
