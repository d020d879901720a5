//! Random batches of segments that have much in common.

use super::Rng;
use super::segment::{Kind, Maker};
use super::world::World;
use crowdset_query::{
    Aggregate, Anchor, AnchorRelation, EventNames, EventSelector, EventWindow, Expr, ExprKind,
    Measure, Occurrence, Operand, Position, Predicate, Segment, Span, Window,
};

/// So many segments about the same few events, in other windows, with other thresholds, or about
/// other values of one property: what many segments of one product are like.
pub fn kin(rng: &mut Rng, world: &World, count: usize) -> Vec<Segment> {
    let mut maker = Maker { rng, world };
    let origin = Origin::new(&mut maker);
    (0..count)
        .map(|_| Segment::new(origin.child(&mut maker)))
        .collect()
}

/// What the segments of a batch have in common.
struct Origin {
    /// Any events.
    events: EventSelector,
    /// Events of one name, told apart by one property.
    name: EventNames,
    property: (String, Kind),
    /// A measure of periods, for any events.
    periods: Measure,
    /// A property with numbers.
    numbers: &'static str,
    /// All ask how many events of the name have one value or another of the property.
    is_about_values: bool,
}

impl Origin {
    fn new(maker: &mut Maker<'_>) -> Self {
        let events = maker.selector();
        let name = loop {
            if let names @ EventNames::One(_) = maker.selector().names {
                break names;
            }
        };
        let window = Window::Ever;
        let events_ever = EventWindow {
            events: events.clone(),
            window,
        };
        let is_about_values = maker.rng.chance(35);
        let property = if is_about_values {
            let (path, kind) = *maker.rng.pick(&[("s", Kind::Text), ("n", Kind::Number)]);
            (path.to_owned(), kind)
        } else {
            maker.path()
        };
        Self {
            events,
            name,
            property,
            is_about_values,
            periods: maker.period_measure(events_ever),
            numbers: *maker.rng.pick(&["n", "n", "cart.total"]),
        }
    }

    fn child(&self, maker: &mut Maker<'_>) -> Expr {
        match maker.rng.below(10) {
            0 => ExprKind::And(vec![self.condition(maker), self.condition(maker)]).into(),
            1 => ExprKind::Or(vec![self.condition(maker), self.condition(maker)]).into(),
            2 => ExprKind::Not(Box::new(self.condition(maker))).into(),
            _ => self.condition(maker),
        }
    }

    fn condition(&self, maker: &mut Maker<'_>) -> Expr {
        let anchors = usize::from(maker.rng.chance(10));
        let window = maker.window(anchors);
        let of = EventWindow {
            events: self.selector(maker),
            window,
        };
        if self.is_about_values && maker.rng.chance(25) {
            return ExprKind::Did(self.following(maker, of)).into();
        }
        let measure = match maker.rng.below(if self.is_about_values { 6 } else { 10 }) {
            0..=2 => return ExprKind::Did(of).into(),
            3..=5 => Measure::Count(of),
            6 => Measure::Aggregate {
                function: *maker
                    .rng
                    .pick(&[Aggregate::Min, Aggregate::Max, Aggregate::Distinct]),
                property: self.numbers.to_owned(),
                cast: None,
                of,
            },
            7 => Measure::Aggregate {
                function: Aggregate::Sum,
                property: self.numbers.to_owned(),
                cast: None,
                of,
            },
            _ => match &self.periods {
                Measure::Calendar { unit, zone, .. } => Measure::Calendar {
                    unit: *unit,
                    // A window of the calendar has the zone of its own.
                    zone: zone
                        .clone()
                        .filter(|_| !matches!(of.window, Window::Calendar { .. })),
                    of,
                },
                Measure::Periods { length, each, .. } => Measure::Periods {
                    length: *length,
                    each: *each,
                    of,
                },
                _ => Measure::Count(of),
            },
        };
        ExprKind::Measure {
            measure,
            test: maker.number_test(),
        }
        .into()
    }

    /// Events after, or since, one of the others.
    fn following(&self, maker: &mut Maker<'_>, of: EventWindow) -> EventWindow {
        let position = *maker.rng.pick(&[
            Position::First,
            Position::Last,
            Position::Last,
            Position::Nth(2),
        ]);
        let relation = *maker.rng.pick(&[
            AnchorRelation::After,
            AnchorRelation::After,
            AnchorRelation::Since,
            AnchorRelation::Before,
        ]);
        EventWindow {
            events: self.events.clone(),
            window: Window::Anchored {
                relation,
                anchor: Box::new(Anchor::Event(Occurrence { position, of })),
            },
        }
    }

    fn selector(&self, maker: &mut Maker<'_>) -> EventSelector {
        if !self.is_about_values && maker.rng.chance(40) {
            return self.events.clone();
        }
        let (path, kind) = &self.property;
        let filter = maker.rng.chance(if self.is_about_values { 98 } else { 80 });
        let filter = filter.then(|| Predicate::Test {
            operand: Operand::Property(path.clone()),
            test: maker.test(*kind),
            span: Span::default(),
        });
        EventSelector {
            names: self.name.clone(),
            filter,
            span: Span::default(),
        }
    }
}
