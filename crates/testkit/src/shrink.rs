//! Making a failing pair of a world and a segment small.

use crate::data::Data;
use crowdset_query::{
    EventNames, EventSelector, EventWindow, Expr, ExprKind, Hop, HopTime, Measure, Occurrence,
    OccurrenceTest, Predicate, References, Segment, Sequence, SequenceStep, Window, build,
};
use std::ops::Range;

/// Greedily removes rows, properties and parts of the segment as long as `fails` stays true.
///
/// The answer still fails, and no single removal of those tried leaves a failing pair.
pub fn shrink(
    data: &Data,
    segment: &Segment,
    mut fails: impl FnMut(&Data, &Segment) -> bool,
) -> (Data, Segment) {
    let (mut data, mut segment) = (data.clone(), segment.clone());
    loop {
        if let Some(smaller) = smaller_segments(&data, &segment)
            .into_iter()
            .find(|smaller| fails(&data, smaller))
        {
            segment = smaller;
            continue;
        }
        let smaller = smaller_worlds(&data, &segment).find(|smaller| fails(smaller, &segment));
        match smaller {
            Some(smaller) => data = smaller,
            None => return (data, segment),
        }
    }
}

/// Something that can be left out of a world.
enum Removal {
    Events(Range<usize>),
    Properties(Range<usize>),
    Users(Range<usize>),
    Key(usize, String),
    EventColumn(usize, String),
    Column(usize, String),
    Segment(String),
    List(String),
}

impl Removal {
    fn applied(&self, data: &Data) -> Data {
        let mut data = data.clone();
        match self {
            Self::Events(rows) => drop(data.events.drain(rows.clone())),
            Self::Properties(rows) => drop(data.properties.drain(rows.clone())),
            Self::Users(rows) => data
                .users
                .iter_mut()
                .for_each(|users| drop(users.drain(rows.clone()))),
            Self::Key(event, key) => drop(data.events[*event].properties.remove(key)),
            Self::EventColumn(event, name) => drop(data.events[*event].columns.remove(name)),
            Self::Segment(name) => drop(data.segments.remove(name)),
            Self::List(name) => drop(data.lists.remove(name)),
            Self::Column(user, name) => {
                data.users
                    .iter_mut()
                    .for_each(|users| drop(users[*user].columns.remove(name)));
            }
        }
        data
    }
}

/// Worlds with something less, large parts first.
fn smaller_worlds<'a>(data: &'a Data, segment: &Segment) -> impl Iterator<Item = Data> + 'a {
    let mut removals = Vec::new();
    // What is still named stays.
    let named: Vec<References> = std::iter::once(segment)
        .chain(data.segments.values())
        .map(Segment::references)
        .collect();
    for name in data.segments.keys() {
        if !named.iter().any(|named| named.segments.contains(name)) {
            removals.push(Removal::Segment(name.clone()));
        }
    }
    for name in data.lists.keys() {
        if !named.iter().any(|named| named.lists.contains(name)) {
            removals.push(Removal::List(name.clone()));
        }
    }
    removals.extend(ranges(data.events.len()).map(Removal::Events));
    removals.extend(ranges(data.properties.len()).map(Removal::Properties));
    removals.extend(ranges(data.users.as_ref().map_or(0, Vec::len)).map(Removal::Users));
    for (index, event) in data.events.iter().enumerate() {
        removals.extend(
            event
                .properties
                .keys()
                .map(|key| Removal::Key(index, key.clone())),
        );
        removals.extend(
            event
                .columns
                .keys()
                .map(|name| Removal::EventColumn(index, name.clone())),
        );
    }
    for (index, user) in data.users.iter().flatten().enumerate() {
        removals.extend(
            user.columns
                .keys()
                .map(|name| Removal::Column(index, name.clone())),
        );
    }
    removals.into_iter().map(|removal| removal.applied(data))
}

/// Halves, quarters and so on down to single rows; parts of many rows are not cut so finely that
/// there would be more than some hundred of them.
fn ranges(rows: usize) -> impl Iterator<Item = Range<usize>> {
    let sizes = std::iter::successors(Some(rows.div_ceil(2)), |size| (*size > 1).then(|| size / 2));
    let sizes = sizes.filter(move |size| *size > 0 && rows / size <= 128);
    sizes.flat_map(move |size| {
        (0..rows)
            .step_by(size)
            .map(move |start| start..(start + size).min(rows))
    })
}

fn smaller_segments(data: &Data, segment: &Segment) -> Vec<Segment> {
    let mut all = Vec::new();
    // A definition in the place of its name can be made smaller itself.
    if !segment.references().segments.is_empty() {
        all.push(Segment::new(written_out(data, &segment.root)));
    }
    all.extend(exprs(&segment.root).into_iter().map(Segment::new));
    all
}

/// The same with the definitions of saved segments in the place of their names.
fn written_out(data: &Data, expr: &Expr) -> Expr {
    let all = |parts: &[Expr]| -> Vec<Expr> {
        parts.iter().map(|part| written_out(data, part)).collect()
    };
    match &expr.kind {
        ExprKind::And(parts) => build::all(all(parts)),
        ExprKind::Or(parts) => build::any(all(parts)),
        ExprKind::Not(part) => build::not(written_out(data, part)),
        ExprKind::SavedSegment(name) => match data.segments.get(name) {
            Some(segment) => segment.root.clone(),
            None => expr.clone(),
        },
        _ => expr.clone(),
    }
}

/// All lists with one element less, if any is left, and with one element made smaller.
fn lists<T: Clone>(list: &[T], smaller: impl Fn(&T) -> Vec<T>) -> Vec<Vec<T>> {
    let mut all = Vec::new();
    for index in 0..list.len() {
        if list.len() > 1 {
            let mut less = list.to_vec();
            less.remove(index);
            all.push(less);
        }
        for part in smaller(&list[index]) {
            let mut changed = list.to_vec();
            changed[index] = part;
            all.push(changed);
        }
    }
    all
}

fn exprs(expr: &Expr) -> Vec<Expr> {
    let kinds: Vec<ExprKind> = match &expr.kind {
        ExprKind::And(parts) => junctions(parts, ExprKind::And),
        ExprKind::Or(parts) => junctions(parts, ExprKind::Or),
        ExprKind::Not(part) => {
            let inner = exprs(part)
                .into_iter()
                .map(|part| ExprKind::Not(Box::new(part)));
            std::iter::once(part.kind.clone()).chain(inner).collect()
        }
        ExprKind::UserId(ids) => lists(ids, |_| Vec::new())
            .into_iter()
            .map(ExprKind::UserId)
            .collect(),
        ExprKind::Did(of) => event_windows(of).into_iter().map(ExprKind::Did).collect(),
        ExprKind::Measure { measure, test } => measures(measure)
            .into_iter()
            .map(|measure| ExprKind::Measure {
                measure,
                test: test.clone(),
            })
            .collect(),
        ExprKind::MeasureComparison { left, op, right } => {
            let with_left = |left| ExprKind::MeasureComparison {
                left: Box::new(left),
                op: *op,
                right: right.clone(),
            };
            let with_right = |right| ExprKind::MeasureComparison {
                left: left.clone(),
                op: *op,
                right: Box::new(right),
            };
            // A number on the right is another kind of condition.
            let rights = measures(right).into_iter();
            let rights = rights.filter(|right| !matches!(right, Measure::Number(_)));
            let lefts = measures(left).into_iter().map(with_left);
            lefts.chain(rights.map(with_right)).collect()
        }
        ExprKind::Had {
            operand,
            test,
            window,
        } => windows(window)
            .into_iter()
            .map(|window| ExprKind::Had {
                operand: operand.clone(),
                test: test.clone(),
                window,
            })
            .collect(),
        ExprKind::Changed {
            attribute,
            from,
            to,
            window,
        } => {
            let changed = |from: &Option<_>, to: &Option<_>, window: &Window| ExprKind::Changed {
                attribute: attribute.clone(),
                from: from.clone(),
                to: to.clone(),
                window: window.clone(),
            };
            let mut all: Vec<ExprKind> = windows(window)
                .iter()
                .map(|window| changed(from, to, window))
                .collect();
            if from.is_some() {
                all.push(changed(&None, to, window));
            }
            if to.is_some() {
                all.push(changed(from, &None, window));
            }
            all
        }
        ExprKind::Occurrence { occurrence, test } => {
            let mut all: Vec<ExprKind> = occurrences(occurrence)
                .into_iter()
                .map(|occurrence| ExprKind::Occurrence {
                    occurrence,
                    test: test.clone(),
                })
                .collect();
            if let OccurrenceTest::When(window) = test {
                all.extend(
                    windows(window)
                        .into_iter()
                        .filter(|window| *window != Window::Ever)
                        .map(|window| ExprKind::Occurrence {
                            occurrence: occurrence.clone(),
                            test: OccurrenceTest::When(window),
                        }),
                );
            }
            all
        }
        ExprKind::Sequence(sequence) => sequences(sequence)
            .into_iter()
            .map(ExprKind::Sequence)
            .collect(),
        ExprKind::Lifecycle { events, change } => selectors(events)
            .into_iter()
            .map(|events| ExprKind::Lifecycle {
                events,
                change: *change,
            })
            .collect(),
        ExprKind::Rank { end, size, measure } => measures(measure)
            .into_iter()
            .map(|measure| ExprKind::Rank {
                end: *end,
                size: *size,
                measure,
            })
            .collect(),
        _ => Vec::new(),
    };
    kinds.into_iter().map(Expr::from).collect()
}

fn sequences(sequence: &Sequence) -> Vec<Sequence> {
    let mut all = Vec::new();
    for mut steps in lists(&sequence.steps, steps) {
        // The first step has no way to it.
        steps[0].hop = Hop::default();
        all.push(Sequence {
            steps,
            ..sequence.clone()
        });
    }
    all.extend(
        windows(&sequence.window)
            .into_iter()
            .map(|window| Sequence {
                window,
                ..sequence.clone()
            }),
    );
    if sequence.within.is_some() {
        all.push(Sequence {
            within: None,
            ..sequence.clone()
        });
    }
    if sequence.strictly {
        all.push(Sequence {
            strictly: false,
            ..sequence.clone()
        });
    }
    all.extend((0..sequence.same.len()).map(|left_out| {
        let mut same = sequence.same.clone();
        same.remove(left_out);
        Sequence {
            same,
            ..sequence.clone()
        }
    }));
    all
}

fn steps(step: &SequenceStep) -> Vec<SequenceStep> {
    let SequenceStep { events, hop } = step;
    let mut all: Vec<SequenceStep> = selectors(events)
        .into_iter()
        .map(|events| SequenceStep {
            events,
            hop: hop.clone(),
        })
        .collect();
    let mut hops = Vec::new();
    if hop.time != HopTime::Any {
        hops.push(Hop {
            time: HopTime::Any,
            ..hop.clone()
        });
    }
    if hop.directly {
        hops.push(Hop {
            directly: false,
            ..hop.clone()
        });
    }
    if !hop.without.is_empty() {
        hops.push(Hop {
            without: Vec::new(),
            ..hop.clone()
        });
    }
    hops.extend(
        lists(&hop.without, selectors)
            .into_iter()
            .map(|without| Hop {
                without,
                ..hop.clone()
            }),
    );
    all.extend(hops.into_iter().map(|hop| SequenceStep {
        events: events.clone(),
        hop,
    }));
    all
}

fn junctions(parts: &[Expr], join: fn(Vec<Expr>) -> ExprKind) -> Vec<ExprKind> {
    let mut all: Vec<ExprKind> = parts.iter().map(|part| part.kind.clone()).collect();
    let is_same =
        |kind: &ExprKind| std::mem::discriminant(kind) == std::mem::discriminant(&join(Vec::new()));
    // A junction directly inside of one of its own kind is not written that way.
    let fewer = lists(parts, exprs).into_iter();
    all.extend(
        fewer
            .filter(|parts| parts.len() > 1 && !parts.iter().any(|part| is_same(&part.kind)))
            .map(join),
    );
    all
}

fn measures(measure: &Measure) -> Vec<Measure> {
    match measure {
        Measure::Count(of) => event_windows(of).into_iter().map(Measure::Count).collect(),
        Measure::Calendar { unit, zone, of } => event_windows(of)
            .into_iter()
            .map(|of| Measure::Calendar {
                unit: *unit,
                zone: zone.clone(),
                of,
            })
            .collect(),
        Measure::Periods { length, each, of } => event_windows(of)
            .into_iter()
            .map(|of| Measure::Periods {
                length: *length,
                each: *each,
                of,
            })
            .collect(),
        Measure::DaysSinceFirst(of) => event_windows(of)
            .into_iter()
            .map(Measure::DaysSinceFirst)
            .collect(),
        Measure::DaysSinceLast(of) => event_windows(of)
            .into_iter()
            .map(Measure::DaysSinceLast)
            .collect(),
        Measure::Aggregate {
            function,
            property,
            cast,
            of,
        } => event_windows(of)
            .into_iter()
            .map(|of| Measure::Aggregate {
                function: *function,
                property: property.clone(),
                cast: *cast,
                of,
            })
            .collect(),
        Measure::Negative(inner) => vec![(**inner).clone()],
        Measure::Arithmetic(arithmetic) => {
            let rest = arithmetic.rest.iter().map(|(_, part)| part.clone());
            std::iter::once((*arithmetic.first).clone())
                .chain(rest)
                .collect()
        }
        _ => Vec::new(),
    }
}

fn occurrences(occurrence: &Occurrence) -> Vec<Occurrence> {
    event_windows(&occurrence.of)
        .into_iter()
        .map(|of| Occurrence {
            position: occurrence.position,
            of,
        })
        .collect()
}

fn event_windows(of: &EventWindow) -> Vec<EventWindow> {
    let mut all: Vec<EventWindow> = windows(&of.window)
        .into_iter()
        .map(|window| EventWindow {
            events: of.events.clone(),
            window,
        })
        .collect();
    all.extend(selectors(&of.events).into_iter().map(|events| EventWindow {
        events,
        window: of.window.clone(),
    }));
    all
}

fn windows(window: &Window) -> Vec<Window> {
    match window {
        Window::Ever => Vec::new(),
        Window::Anchored { relation, anchor } => {
            let mut all = vec![Window::Ever];
            if let crowdset_query::Anchor::Event(occurrence) = &**anchor {
                all.extend(occurrences(occurrence).into_iter().map(|occurrence| {
                    Window::Anchored {
                        relation: *relation,
                        anchor: Box::new(crowdset_query::Anchor::Event(occurrence)),
                    }
                }));
            }
            all
        }
        _ => vec![Window::Ever],
    }
}

fn selectors(selector: &EventSelector) -> Vec<EventSelector> {
    let mut all: Vec<EventSelector> = filters(selector.filter.as_ref())
        .into_iter()
        .map(|filter| EventSelector {
            filter,
            ..selector.clone()
        })
        .collect();
    let names: Vec<EventNames> = match &selector.names {
        EventNames::Any { except } if !except.is_empty() => {
            vec![EventNames::Any { except: Vec::new() }]
        }
        EventNames::AnyOf(parts) => {
            let smaller = lists(parts, |(name, filter)| {
                filters(filter.as_ref())
                    .into_iter()
                    .map(|filter| (name.clone(), filter))
                    .collect()
            });
            smaller.into_iter().map(EventNames::AnyOf).collect()
        }
        _ => Vec::new(),
    };
    all.extend(names.into_iter().map(|names| EventSelector {
        names,
        ..selector.clone()
    }));
    all
}

fn filters(filter: Option<&Predicate>) -> Vec<Option<Predicate>> {
    filter.map_or_else(Vec::new, |filter| {
        std::iter::once(None)
            .chain(predicates(filter).into_iter().map(Some))
            .collect()
    })
}

fn predicates(predicate: &Predicate) -> Vec<Predicate> {
    match predicate {
        Predicate::And(parts) | Predicate::Or(parts) => parts.clone(),
        Predicate::Not(part) => {
            let inner = predicates(part)
                .into_iter()
                .map(|part| Predicate::Not(Box::new(part)));
            std::iter::once((**part).clone()).chain(inner).collect()
        }
        Predicate::Test { .. } => Vec::new(),
    }
}
