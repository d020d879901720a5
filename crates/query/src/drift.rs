//! What the passing of time alone can change about a segment.
//!
//! A verdict rests on instants (of events, of changes of attributes, in values) and on edges that
//! move with the evaluation's instant. It can change only when an edge passes an instant, so these
//! are the only moments worth looking at. Every kind of condition must be named here: the matches
//! have no default.

use crate::ast::{
    Anchor, AnchorRelation, AttributeOperand, AttributeRef, CalendarUnit, EventNames,
    EventSelector, EventWindow, Expr, ExprKind, Lifecycle, Literal, Measure, Occurrence,
    OccurrenceTest, Operand, Period, Predicate, Segment, Sequence, Test, TimePoint, Window,
};
use crate::catalog::Catalog;
use crowdset_types::TimestampMillis;
use std::collections::HashSet;

/// Instants, and an edge that passes them as time passes.
#[derive(Debug, Clone, PartialEq)]
pub struct Drift {
    /// Whether the instants of every user count, not only those of the user asked about: in ranks.
    pub is_everybodys: bool,
    /// The instants.
    pub of: DriftInstants,
    /// The edge.
    pub edge: DriftEdge,
}

/// Instants that an edge can pass.
#[derive(Debug, Clone, PartialEq)]
pub enum DriftInstants {
    /// The times of events.
    Events(EventNames),
    /// Times as values of a property of events; also text that is RFC 3339.
    Values(EventNames, Operand),
    /// From when on values of an attribute hold.
    AttributeChanges(AttributeRef),
    /// Times as values of an attribute; also text that is RFC 3339.
    AttributeValues(AttributeOperand),
    /// An instant that the segment names.
    Written(i64),
    /// Every beginning of a period of the edge's calendar from the evaluation on.
    Beginnings,
    /// Every instant from the evaluation on: a number grows with every millisecond.
    Always,
}

/// An edge that moves with the instant of the evaluation.
#[derive(Debug, Clone, PartialEq)]
pub enum DriftEdge {
    /// So many milliseconds before the evaluation: an instant `x` is reached at `x` plus as many, and
    /// passed a millisecond later.
    Shift(i64),
    /// Edges `shift`, `shift + length`, `shift + 2 * length`, … milliseconds before the evaluation.
    /// Once nothing else moves they bring back the same state every `length` milliseconds.
    Slices {
        /// How far back the first edge is.
        shift: i64,
        /// From each edge to the next, more than nothing.
        length: i64,
    },
    /// The beginning of the period of the calendar that comes so many after the one an instant lies
    /// in; see [`calendar_edge`].
    Calendar {
        /// The periods.
        unit: CalendarUnit,
        /// The zone of the calendar; UTC if none.
        zone: Option<String>,
        /// How many periods later, at least 1.
        after: u32,
    },
    /// The beginnings of all the periods that come after the one an instant lies in, so many of them.
    Beginnings {
        /// The periods.
        unit: CalendarUnit,
        /// The zone of the calendar; UTC if none.
        zone: Option<String>,
        /// How many, at least 1.
        count: u32,
    },
}

/// The beginning of the period that comes `after` periods after the one that `instant` lies in;
/// `None` beyond all dates there are.
pub fn calendar_edge(
    instant: i64,
    unit: CalendarUnit,
    zone: Option<&str>,
    after: u32,
) -> Option<i64> {
    crate::planner::calendar_edge(TimestampMillis(instant), unit, zone, after).map(|edge| edge.0)
}

impl Segment {
    /// Everything that the passing of time alone can move; without any of it the segment selects the
    /// same users at every later instant, if no data arrives.
    ///
    /// Saved segments are looked up in the catalog; unknown ones move nothing.
    pub fn drifts(&self, catalog: &dyn Catalog) -> Vec<Drift> {
        let mut walk = Walk {
            catalog,
            drifts: Vec::new(),
            is_everybodys: false,
            walked: HashSet::new(),
        };
        walk.expr(&self.root);
        walk.drifts
    }
}

struct Walk<'a> {
    catalog: &'a dyn Catalog,
    drifts: Vec<Drift>,
    is_everybodys: bool,
    /// Saved segments that were walked already.
    walked: HashSet<String>,
}

impl Walk<'_> {
    fn add(&mut self, of: DriftInstants, edge: DriftEdge) {
        let drift = Drift {
            is_everybodys: self.is_everybodys,
            of,
            edge,
        };
        if !self.drifts.contains(&drift) {
            self.drifts.push(drift);
        }
    }

    fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Everyone
            | ExprKind::Nobody
            | ExprKind::UserId(_)
            | ExprKind::StaticList(_) => {}
            ExprKind::SavedSegment(name) => {
                if self.walked.insert(name.clone())
                    && let Some(Ok(segment)) = self.catalog.saved_segment(name)
                {
                    self.expr(&segment.root);
                }
            }
            ExprKind::And(parts) | ExprKind::Or(parts) => {
                for part in parts {
                    self.expr(part);
                }
            }
            ExprKind::Not(part) => self.expr(part),
            ExprKind::Attribute { operand, test } => {
                self.attribute_changes(&operand.attribute);
                let of = DriftInstants::AttributeValues(operand.clone());
                self.test(&of, test);
            }
            ExprKind::Did(of) => self.events(of),
            ExprKind::Measure { measure, test: _ } => {
                self.measure(measure);
                self.passing_days(measure);
            }
            ExprKind::MeasureComparison { left, op: _, right } => {
                for measure in [&**left, &**right] {
                    self.measure(measure);
                    self.passing_days(measure);
                }
            }
            ExprKind::Had {
                operand,
                test,
                window,
            } => {
                let changes = DriftInstants::AttributeChanges(operand.attribute.clone());
                self.window_of(&changes, window);
                self.beginnings(window);
                self.test(&DriftInstants::AttributeValues(operand.clone()), test);
            }
            ExprKind::Held {
                operand,
                test,
                length,
            } => {
                let changes = DriftInstants::AttributeChanges(operand.attribute.clone());
                self.window_of(&changes, &Window::Last(*length));
                self.test(&DriftInstants::AttributeValues(operand.clone()), test);
            }
            ExprKind::Changed {
                attribute,
                from,
                to,
                window,
            } => {
                let changes = DriftInstants::AttributeChanges(attribute.clone());
                self.window_of(&changes, window);
                let values = DriftInstants::AttributeValues(AttributeOperand {
                    attribute: attribute.clone(),
                    cast: None,
                });
                for value in [from, to].into_iter().flatten() {
                    self.literal(&values, value);
                }
            }
            ExprKind::Occurrence { occurrence, test } => {
                self.events(&occurrence.of);
                let names = &occurrence.of.events.names;
                match test {
                    OccurrenceTest::When(window) => self.window(names, window),
                    OccurrenceTest::Property { operand, test } => {
                        self.test(&DriftInstants::Values(names.clone(), operand.clone()), test);
                    }
                }
            }
            ExprKind::Sequence(Sequence {
                steps,
                within: _,
                window,
                same: _,
                strictly: _,
            }) => {
                for step in steps {
                    self.selector(&step.events);
                    self.window(&step.events.names, window);
                    // What stands between two steps is seen before the second is.
                    for events in &step.hop.without {
                        self.selector(events);
                    }
                }
            }
            ExprKind::Lifecycle { events, change } => {
                self.selector(events);
                let edges = match change {
                    Lifecycle::Stopped { quiet, since } => [quiet.0, since.0],
                    Lifecycle::Restarted { recent, gap } => {
                        [recent.0, recent.0.saturating_add(gap.0)]
                    }
                };
                for by in [0].into_iter().chain(edges) {
                    let of = DriftInstants::Events(events.names.clone());
                    self.add(of, DriftEdge::Shift(by));
                }
            }
            ExprKind::Rank {
                end: _,
                size: _,
                measure,
            } => {
                let before = std::mem::replace(&mut self.is_everybodys, true);
                self.measure(measure);
                if !ages_alike(measure) {
                    self.passing_days(measure);
                }
                self.is_everybodys = before;
            }
        }
    }

    fn measure(&mut self, measure: &Measure) {
        match measure {
            Measure::Count(of)
            | Measure::Aggregate { of, .. }
            | Measure::Calendar {
                unit: _,
                zone: _,
                of,
            }
            | Measure::DaysSinceFirst(of)
            | Measure::DaysSinceLast(of) => self.events(of),
            Measure::Periods {
                length,
                each: _,
                of,
            } => {
                self.events(of);
                let instants = DriftInstants::Events(of.events.names.clone());
                // Slices go back from the window's end. Where that is the end of whole periods of the
                // calendar they stand still, and jump with each new period.
                if let Window::Calendar { period, zone } = &of.window
                    && let Some((unit, edges)) = period.moving()
                    && let [_, .., count] = edges[..]
                {
                    let edge = DriftEdge::Beginnings {
                        unit,
                        zone: zone.clone(),
                        count,
                    };
                    self.add(instants, edge);
                    return;
                }
                // Otherwise they move, whichever of the window's edges its end is.
                for shift in self.edges(&of.events.names, &of.window) {
                    let slices = DriftEdge::Slices {
                        shift,
                        length: length.0,
                    };
                    self.add(instants.clone(), slices);
                }
            }
            Measure::Attribute(operand) => self.attribute_changes(&operand.attribute),
            Measure::Bucket(_) | Measure::Number(_) => {}
            Measure::Negative(inner) => self.measure(inner),
            Measure::Arithmetic(arithmetic) => {
                self.measure(&arithmetic.first);
                for (_, part) in &arithmetic.rest {
                    self.measure(part);
                }
            }
        }
    }

    /// A number that grows with every millisecond passes its bound where no instant of the data tells.
    fn passing_days(&mut self, measure: &Measure) {
        match measure {
            Measure::DaysSinceFirst(_) | Measure::DaysSinceLast(_) => {
                self.add(DriftInstants::Always, DriftEdge::Shift(1));
            }
            Measure::Negative(inner) => self.passing_days(inner),
            Measure::Arithmetic(arithmetic) => {
                self.passing_days(&arithmetic.first);
                for (_, part) in &arithmetic.rest {
                    self.passing_days(part);
                }
            }
            Measure::Count(_)
            | Measure::Aggregate { .. }
            | Measure::Calendar { .. }
            | Measure::Periods { .. }
            | Measure::Attribute(_)
            | Measure::Bucket(_)
            | Measure::Number(_) => {}
        }
    }

    /// Where a window begins to have an instant, or ceases to, without anything in it: what an
    /// attribute was is asked of the instants themselves.
    fn beginnings(&mut self, window: &Window) {
        let mut written = |points: &[&TimePoint]| {
            for point in points {
                if let TimePoint::At(at) = point {
                    self.add(DriftInstants::Written(*at), DriftEdge::Shift(0));
                }
            }
        };
        match window {
            Window::Ever | Window::Last(_) => {}
            Window::Between(from, to) => written(&[from, to]),
            Window::Since(point) | Window::Before(point) => written(&[point]),
            Window::Anchored { relation, anchor } => {
                let length = match relation {
                    AnchorRelation::Since | AnchorRelation::After | AnchorRelation::Before => 0,
                    AnchorRelation::WithinAfter(length) | AnchorRelation::WithinBefore(length) => {
                        length.0
                    }
                };
                let of = match &**anchor {
                    Anchor::Event(Occurrence { position: _, of }) => {
                        DriftInstants::Events(of.events.names.clone())
                    }
                    Anchor::Attribute(attribute) => {
                        DriftInstants::AttributeValues(AttributeOperand {
                            attribute: attribute.clone(),
                            cast: None,
                        })
                    }
                };
                for by in [0, length, length.saturating_neg()] {
                    self.add(of.clone(), DriftEdge::Shift(by));
                }
            }
            Window::Calendar { period, zone } => {
                if let Some((unit, _)) = period.moving() {
                    // At its first instant a period has none that is past.
                    let edge = DriftEdge::Calendar {
                        unit,
                        zone: zone.clone(),
                        after: 1,
                    };
                    self.add(DriftInstants::Beginnings, edge);
                } else {
                    for at in crate::planner::written_instants(*period, zone.as_deref()) {
                        self.add(DriftInstants::Written(at), DriftEdge::Shift(0));
                    }
                }
            }
        }
    }

    /// By how much the edges of a window lie before the evaluation.
    fn edges(&self, names: &EventNames, window: &Window) -> Vec<i64> {
        let mut walk = Walk {
            catalog: self.catalog,
            drifts: Vec::new(),
            is_everybodys: false,
            walked: HashSet::new(),
        };
        walk.window(names, window);
        let of = DriftInstants::Events(names.clone());
        let edges = walk.drifts.iter().filter(|drift| drift.of == of);
        edges
            .filter_map(|drift| match drift.edge {
                DriftEdge::Shift(by) => Some(by),
                DriftEdge::Slices { .. }
                | DriftEdge::Calendar { .. }
                | DriftEdge::Beginnings { .. } => None,
            })
            .collect()
    }

    fn events(&mut self, of: &EventWindow) {
        self.selector(&of.events);
        self.window(&of.events.names, &of.window);
    }

    fn selector(&mut self, selector: &EventSelector) {
        if let Some(filter) = &selector.filter {
            self.predicate(&selector.names, filter);
        }
        match &selector.names {
            EventNames::AnyOf(parts) => {
                for (_, filter) in parts {
                    if let Some(filter) = filter {
                        self.predicate(&selector.names, filter);
                    }
                }
            }
            EventNames::Any { except: _ } | EventNames::One(_) => {}
        }
    }

    fn predicate(&mut self, names: &EventNames, predicate: &Predicate) {
        match predicate {
            Predicate::And(parts) | Predicate::Or(parts) => {
                for part in parts {
                    self.predicate(names, part);
                }
            }
            Predicate::Not(part) => self.predicate(names, part),
            Predicate::Test {
                operand,
                test,
                span: _,
            } => self.test(&DriftInstants::Values(names.clone(), operand.clone()), test),
        }
    }

    /// What a test of values that are times moves.
    fn test(&mut self, of: &DriftInstants, test: &Test) {
        match test {
            Test::Compare(_, literal) | Test::Has(literal) => self.literal(of, literal),
            Test::Between(low, high) => {
                self.literal(of, low);
                self.literal(of, high);
            }
            Test::In(literals)
            | Test::NotIn(literals)
            | Test::HasAny(literals)
            | Test::HasAll(literals) => {
                for literal in literals {
                    self.literal(of, literal);
                }
            }
            Test::CompareAttribute(_, attribute) => self.attribute_changes(attribute),
            Test::Contains(_)
            | Test::StartsWith(_)
            | Test::EndsWith(_)
            | Test::Like(_)
            | Test::ILike(_)
            | Test::Matches(_)
            | Test::IsSet
            | Test::IsNotSet => {}
        }
    }

    fn literal(&mut self, of: &DriftInstants, literal: &Literal) {
        match literal {
            Literal::Time(point) => self.point(of, point),
            Literal::Text(_) | Literal::Integer(_) | Literal::Float(_) | Literal::Bool(_) => {}
        }
    }

    fn point(&mut self, of: &DriftInstants, point: &TimePoint) {
        match point {
            TimePoint::Now => self.add(of.clone(), DriftEdge::Shift(0)),
            TimePoint::Ago(duration) => self.add(of.clone(), DriftEdge::Shift(duration.0)),
            TimePoint::At(_) => {}
        }
    }

    fn attribute_changes(&mut self, attribute: &AttributeRef) {
        let of = DriftInstants::AttributeChanges(attribute.clone());
        self.add(of, DriftEdge::Shift(0));
    }

    /// The edges of a window that events of these names lie in.
    fn window(&mut self, names: &EventNames, window: &Window) {
        self.window_of(&DriftInstants::Events(names.clone()), window);
    }

    /// The edges of a window that these instants lie in.
    fn window_of(&mut self, of: &DriftInstants, window: &Window) {
        let of = of.clone();
        // Every window ends at the evaluation, if not before.
        self.add(of.clone(), DriftEdge::Shift(0));
        match window {
            Window::Ever => {}
            Window::Last(duration) => self.add(of, DriftEdge::Shift(duration.0)),
            Window::Between(from, to) => {
                self.point(&of, from);
                self.point(&of, to);
            }
            Window::Since(point) | Window::Before(point) => self.point(&of, point),
            Window::Anchored { relation, anchor } => {
                match relation {
                    AnchorRelation::Since
                    | AnchorRelation::After
                    | AnchorRelation::Before
                    | AnchorRelation::WithinAfter(_)
                    | AnchorRelation::WithinBefore(_) => {}
                }
                match &**anchor {
                    Anchor::Event(Occurrence { position: _, of }) => self.events(of),
                    Anchor::Attribute(attribute) => self.attribute_changes(attribute),
                }
            }
            Window::Calendar { period, zone } => {
                if let Some((unit, edges)) = period.moving() {
                    for after in edges {
                        let zone = zone.clone();
                        self.add(of.clone(), DriftEdge::Calendar { unit, zone, after });
                    }
                }
            }
        }
    }
}

/// Whether time alone lets nobody overtake another by this number: who is ranked by the time since an
/// event alone grows old like all others.
fn ages_alike(measure: &Measure) -> bool {
    match measure {
        Measure::Negative(inner) => ages_alike(inner),
        Measure::Arithmetic(_) => false,
        _ => true,
    }
}

impl Period {
    /// For a period that moves with the evaluation: its unit, and how many periods after that of an
    /// instant it comes to hold it, or no longer does.
    fn moving(self) -> Option<(CalendarUnit, Vec<u32>)> {
        Some(match self {
            Self::Today => (CalendarUnit::Day, vec![1]),
            Self::Yesterday => (CalendarUnit::Day, vec![1, 2]),
            Self::This(unit) => (unit, vec![1]),
            Self::Last(count, unit) => (unit, vec![1, count.saturating_add(1)]),
            Self::On(_) | Self::Between(..) | Self::Since(_) | Self::Before(_) => return None,
        })
    }
}
