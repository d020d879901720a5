//! Random segments: every part of the language, nested, over a world's names and instants.

use super::Rng;
use super::world::{EVENTS, LENGTHS, World};
use crowdset_query::{
    Aggregate, Anchor, AnchorRelation, AttributeOperand, AttributeRef, AttributeTable, Cast,
    CompareOp, EventName, EventNames, EventSelector, EventWindow, Expr, ExprKind, Literal, Measure,
    NumberTest, Occurrence, OccurrenceTest, Operand, Position, Predicate, RankEnd, RankSize,
    Segment, Span, Test, TimePoint, Window,
};
use crowdset_types::{DurationMillis, Number};

pub(super) const OPS: [CompareOp; 6] = [
    CompareOp::Equal,
    CompareOp::NotEqual,
    CompareOp::Less,
    CompareOp::LessOrEqual,
    CompareOp::Greater,
    CompareOp::GreaterOrEqual,
];
const TEXTS: [&str; 14] = [
    "x",
    "xy",
    "X",
    "y",
    "",
    "1",
    "5",
    "é",
    "free",
    "pro",
    "SaaS",
    "2026-02-01",
    "x%y",
    "it's",
];
const TIMES: [&str; 5] = [
    "2026-03-01",
    "2026-03-04T10:30:00Z",
    "2026-02-02T00:00:00Z",
    "1970-01-01",
    "2026-03-01T01:00:00+01:00",
];
const PATHS: [&str; 10] = [
    "n",
    "n",
    "s",
    "s",
    "tags",
    "cart.total",
    "cart.id",
    "at",
    "ok",
    "odd name",
];
pub(super) const ZONES: [&str; 4] = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC"];

/// A random segment for a world, nested to at most `depth`.
pub fn segment(rng: &mut Rng, world: &World, depth: usize) -> Segment {
    Segment::new(Maker { rng, world }.expr(depth))
}

pub(super) struct Maker<'a> {
    pub(super) rng: &'a mut Rng,
    pub(super) world: &'a World,
}

/// What the values of an operand are mostly, which decides what is worth comparing them with.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Any,
    Number,
    Text,
    Bool,
    /// Compares with instants and with nothing else.
    Time,
    Array,
}

impl Maker<'_> {
    fn expr(&mut self, depth: usize) -> Expr {
        let kind = match self.rng.below(if depth == 0 { 70 } else { 100 }) {
            0 => ExprKind::Everyone,
            1 => ExprKind::Nobody,
            2..=3 => ExprKind::UserId(self.user_ids()),
            4..=6 => self.saved(),
            7..=10 => self.history(),
            11..=16 => {
                let (operand, kind) = self.attribute_operand();
                ExprKind::Attribute {
                    operand,
                    test: self.test(kind),
                }
            }
            17..=26 => ExprKind::Did(self.event_window(2)),
            27..=39 => ExprKind::Measure {
                measure: self.measure(),
                test: self.number_test(),
            },
            40..=44 => self.calculated_condition(),
            45..=54 => ExprKind::Occurrence {
                occurrence: self.occurrence(1),
                test: self.occurrence_test(),
            },
            55..=62 => ExprKind::Sequence(self.sequence()),
            63 | 64 => self.lifecycle(),
            65..=69 => self.rank(),
            70..=79 => ExprKind::Not(Box::new(self.expr(depth - 1))),
            80..=89 => {
                let parts = self.parts(depth);
                let mut flat = Vec::new();
                for part in parts {
                    match part.kind {
                        ExprKind::And(inner) => flat.extend(inner),
                        _ => flat.push(part),
                    }
                }
                ExprKind::And(flat)
            }
            _ => {
                let parts = self.parts(depth);
                let mut flat = Vec::new();
                for part in parts {
                    match part.kind {
                        ExprKind::Or(inner) => flat.extend(inner),
                        _ => flat.push(part),
                    }
                }
                ExprKind::Or(flat)
            }
        };
        kind.into()
    }

    fn parts(&mut self, depth: usize) -> Vec<Expr> {
        (0..self.rng.between(2, 3))
            .map(|_| self.expr(depth - 1))
            .collect()
    }

    /// A saved segment or a static list, if the world has any.
    fn saved(&mut self) -> ExprKind {
        let data = &self.world.data;
        let segments: Vec<&String> = data.segments.keys().collect();
        let lists: Vec<&String> = data.lists.keys().collect();
        if !segments.is_empty() && self.rng.chance(60) {
            ExprKind::SavedSegment((*self.rng.pick(&segments)).clone())
        } else if !lists.is_empty() {
            ExprKind::StaticList((*self.rng.pick(&lists)).clone())
        } else {
            ExprKind::UserId(self.user_ids())
        }
    }

    fn user_ids(&mut self) -> Vec<String> {
        let mut ids = self.rng.picks(&self.world.ids, 3);
        if self.rng.chance(20) {
            ids.push("999999".to_owned());
        }
        ids
    }

    fn rank(&mut self) -> ExprKind {
        let measure = if self.rng.chance(25) {
            let attribute = *self.rng.pick(&[
                (Some(AttributeTable::Users), "age"),
                (Some(AttributeTable::Users), "score"),
                (Some(AttributeTable::Property), "size"),
                (Some(AttributeTable::Users), "quota"),
            ]);
            let cast = self.rng.chance(30).then_some(Cast::Number);
            Measure::Attribute(AttributeOperand {
                attribute: reference(attribute.0, attribute.1),
                cast,
            })
        } else {
            self.measure()
        };
        let measure = if self.rng.chance(25) {
            self.calculated(2)
        } else {
            measure
        };
        let end = *self.rng.pick(&[RankEnd::Top, RankEnd::Bottom]);
        let size = if self.rng.chance(50) {
            RankSize::Users(self.rng.between(1, 5) as u64)
        } else {
            RankSize::Percent(
                *self
                    .rng
                    .pick(&[10.0, 25.0, 33.3, 50.0, 66.666_666_7, 100.0]),
            )
        };
        ExprKind::Rank { end, size, measure }
    }

    /// Attributes by their table where both have the name.
    pub(super) fn attribute(&mut self) -> (AttributeRef, Kind) {
        let users = Some(AttributeTable::Users);
        let property = Some(AttributeTable::Property);
        let all = [
            (users, "plan", Kind::Text),
            (users, "age", Kind::Number),
            (users, "score", Kind::Number),
            (users, "vip", Kind::Bool),
            (users, "created_at", Kind::Time),
            (users, "quota", Kind::Number),
            (users, "only_once", Kind::Text),
            (property, "industry", Kind::Text),
            (property, "industry", Kind::Text),
            (property, "size", Kind::Any),
            (property, "renewed_at", Kind::Any),
            (property, "quota", Kind::Number),
            (property, "nothing", Kind::Any),
            (users, "nothing", Kind::Any),
        ];
        let (table, name, kind) = *self.rng.pick(&all);
        let is_bare = name != "quota" && self.rng.chance(50);
        (reference(table.filter(|_| !is_bare), name), kind)
    }

    pub(super) fn attribute_operand(&mut self) -> (AttributeOperand, Kind) {
        let (attribute, kind) = self.attribute();
        if self.rng.chance(15) {
            let (cast, kind) = *self.rng.pick(&[
                (Cast::Number, Kind::Number),
                (Cast::Text, Kind::Text),
                (Cast::Time, Kind::Time),
                (Cast::TimeSeconds, Kind::Time),
                (Cast::TimeMillis, Kind::Time),
            ]);
            return (
                AttributeOperand {
                    attribute,
                    cast: Some(cast),
                },
                kind,
            );
        }
        (
            AttributeOperand {
                attribute,
                cast: None,
            },
            kind,
        )
    }

    fn event_name(&mut self) -> EventName {
        let name = if self.rng.chance(5) {
            "ghost"
        } else {
            *self.rng.pick(&EVENTS)
        };
        EventName {
            name: name.to_owned(),
            span: Span::default(),
        }
    }

    pub(super) fn selector(&mut self) -> EventSelector {
        let names = match self.rng.below(10) {
            0 => EventNames::Any { except: Vec::new() },
            1 => EventNames::Any {
                except: (0..self.rng.between(1, 2))
                    .map(|_| self.event_name())
                    .collect(),
            },
            2 | 3 => EventNames::AnyOf(
                (0..self.rng.between(1, 3))
                    .map(|_| (self.event_name(), self.rng.chance(40).then_some(())))
                    .collect::<Vec<_>>()
                    .into_iter()
                    .map(|(name, filtered)| (name, filtered.map(|()| self.predicate(1))))
                    .collect(),
            ),
            _ => EventNames::One(self.event_name()),
        };
        let filter = self
            .rng
            .chance(30)
            .then_some(())
            .map(|()| self.predicate(2));
        EventSelector {
            names,
            filter,
            span: Span::default(),
        }
    }

    fn event_window(&mut self, anchors: usize) -> EventWindow {
        EventWindow {
            events: self.selector(),
            window: self.window(anchors),
        }
    }

    fn predicate(&mut self, depth: usize) -> Predicate {
        match self.rng.below(if depth == 0 { 70 } else { 100 }) {
            70..=79 => Predicate::Not(Box::new(self.predicate(depth - 1))),
            80..=89 => {
                let parts = [self.predicate(depth - 1), self.predicate(depth - 1)];
                let flat = parts.into_iter().flat_map(|part| match part {
                    Predicate::And(inner) => inner,
                    other => vec![other],
                });
                Predicate::And(flat.collect())
            }
            90.. => {
                let parts = [self.predicate(depth - 1), self.predicate(depth - 1)];
                let flat = parts.into_iter().flat_map(|part| match part {
                    Predicate::Or(inner) => inner,
                    other => vec![other],
                });
                Predicate::Or(flat.collect())
            }
            _ => {
                let (operand, kind) = self.operand();
                let test = match operand {
                    // A row always has a name and a time.
                    Operand::EventName => self.event_name_test(),
                    _ => self.test(kind),
                };
                Predicate::Test {
                    operand,
                    test,
                    span: Span::default(),
                }
            }
        }
    }

    fn event_name_test(&mut self) -> Test {
        let name = Literal::Text(self.event_name().name);
        match self.rng.below(4) {
            0 => Test::In(vec![name, Literal::Text(self.event_name().name)]),
            1 => Test::StartsWith("P".to_owned()),
            2 => Test::NotIn(vec![name]),
            _ => Test::Compare(*self.rng.pick(&OPS), name),
        }
    }

    fn zone(&mut self) -> Option<String> {
        self.rng
            .chance(60)
            .then(|| (*self.rng.pick(&ZONES)).to_owned())
    }

    pub(super) fn path(&mut self) -> (String, Kind) {
        let path = if self.rng.chance(4) {
            "unheard"
        } else {
            *self.rng.pick(&PATHS)
        };
        let kind = match path {
            "n" | "cart.total" => Kind::Number,
            "tags" => Kind::Array,
            "ok" => Kind::Bool,
            "s" | "cart.id" => Kind::Text,
            _ => Kind::Any,
        };
        (path.to_owned(), kind)
    }

    fn operand(&mut self) -> (Operand, Kind) {
        match self.rng.below(20) {
            0 => (Operand::EventName, Kind::Text),
            1 => (Operand::Timestamp, Kind::Time),
            2 => (Operand::Hour { zone: self.zone() }, Kind::Number),
            3 => (Operand::Weekday { zone: self.zone() }, Kind::Number),
            4 | 5 => {
                let property = (*self.rng.pick(&["at", "at", "n", "s", "ok", "tags"])).to_owned();
                let (cast, kind) = *self.rng.pick(&[
                    (Cast::Number, Kind::Number),
                    (Cast::Text, Kind::Text),
                    (Cast::Time, Kind::Time),
                    (Cast::TimeSeconds, Kind::Time),
                    (Cast::TimeMillis, Kind::Time),
                ]);
                (Operand::Cast { cast, property }, kind)
            }
            _ => {
                let (path, kind) = self.path();
                (Operand::Property(path), kind)
            }
        }
    }

    pub(super) fn test(&mut self, kind: Kind) -> Test {
        // Now and then a test that the values are not made for, which then is false.
        let kind = if kind != Kind::Time && self.rng.chance(8) {
            Kind::Any
        } else {
            kind
        };
        match self.rng.below(20) {
            0 => Test::IsSet,
            1 => Test::IsNotSet,
            2 => {
                let (mut attribute, other) = self.attribute();
                // On the right a name stands with its table: a bare one would be read as text
                // without quotes.
                attribute.table = attribute.table.or(Some(table_of(&attribute.name)));
                // Only = and != mean something for every type.
                let op = if other == Kind::Bool {
                    CompareOp::Equal
                } else {
                    *self.rng.pick(&OPS)
                };
                Test::CompareAttribute(op, attribute)
            }
            3 | 4 if kind != Kind::Bool => {
                let (low, high) = (self.literal(kind), self.literal(kind));
                match (&low, &high) {
                    (Literal::Bool(_), _) | (_, Literal::Bool(_)) => Test::In(vec![low, high]),
                    _ if std::mem::discriminant(&low) == std::mem::discriminant(&high) => {
                        Test::Between(low, high)
                    }
                    _ => Test::NotIn(vec![low, high]),
                }
            }
            5 | 6 => Test::In(self.literals(kind)),
            7 => Test::NotIn(self.literals(kind)),
            8..=12 if matches!(kind, Kind::Text | Kind::Any) => self.text_test(),
            8..=16 if kind == Kind::Array => match self.rng.below(3) {
                0 => Test::Has(self.literal(Kind::Any)),
                1 => Test::HasAny(self.literals(Kind::Any)),
                _ => Test::HasAll(self.literals(Kind::Any)),
            },
            _ => {
                let literal = self.literal(kind);
                let op = match literal {
                    Literal::Bool(_) => *self.rng.pick(&OPS[..2]),
                    _ => *self.rng.pick(&OPS),
                };
                Test::Compare(op, literal)
            }
        }
    }

    fn text_test(&mut self) -> Test {
        let part = (*self.rng.pick(&["x", "y", "", "é", "re", "S", "5"])).to_owned();
        match self.rng.below(6) {
            0 => Test::Contains(part),
            1 => Test::StartsWith(part),
            2 => Test::EndsWith(part),
            3 => Test::Like(
                (*self.rng.pick(&["x%", "%y", "_", "%", "x\\%y", "", "f__e"])).to_owned(),
            ),
            4 => Test::ILike((*self.rng.pick(&["x%", "SAAS", "É", "%E", "_Y"])).to_owned()),
            _ => Test::Matches(
                (*self.rng.pick(&[
                    "^x",
                    "x|y",
                    "[0-9]+",
                    "",
                    "(?i)saas$",
                    "^.$",
                    r"^[0-9]{1,2}\.[0-9]$",
                ]))
                .to_owned(),
            ),
        }
    }

    fn literals(&mut self, kind: Kind) -> Vec<Literal> {
        (0..self.rng.between(1, 3))
            .map(|_| self.literal(kind))
            .collect()
    }

    pub(super) fn literal(&mut self, kind: Kind) -> Literal {
        let kind = match kind {
            // A time as a literal, though not as text: quoted text is compared as text.
            Kind::Any if self.rng.chance(15) => {
                return Literal::Time(TimePoint::Ago(self.length()));
            }
            Kind::Any | Kind::Array => *self.rng.pick(&[Kind::Number, Kind::Text, Kind::Bool]),
            kind => kind,
        };
        match kind {
            Kind::Bool => Literal::Bool(self.rng.chance(50)),
            Kind::Text => Literal::Text((*self.rng.pick(&TEXTS)).to_owned()),
            Kind::Time => match self.rng.below(3) {
                0 => Literal::Text((*self.rng.pick(&TIMES)).to_owned()),
                1 => Literal::Time(TimePoint::Now),
                _ => Literal::Time(TimePoint::Ago(self.length())),
            },
            _ => {
                if self.rng.chance(70) {
                    Literal::Integer(*self.rng.pick(&[
                        0,
                        1,
                        2,
                        5,
                        10,
                        18,
                        -3,
                        9_007_199_254_740_993,
                    ]))
                } else {
                    Literal::Float(*self.rng.pick(&[
                        0.5,
                        2.5,
                        1.0,
                        5.0,
                        0.1,
                        -0.5,
                        9_007_199_254_740_992.0,
                    ]))
                }
            }
        }
    }

    pub(super) fn length(&mut self) -> DurationMillis {
        if self.rng.chance(3) {
            return DurationMillis(0);
        }
        DurationMillis(*self.rng.pick(&LENGTHS))
    }

    pub(super) fn window(&mut self, anchors: usize) -> Window {
        match self.rng.below(if anchors == 0 { 24 } else { 30 }) {
            0..=4 | 15..=19 => Window::Ever,
            5..=8 => {
                let length = self.length();
                // Mostly long ones: a window that holds nothing tells little.
                Window::Last(if self.rng.chance(50) {
                    length.max(self.length())
                } else {
                    length
                })
            }
            9 => {
                let mut lengths = [self.length(), self.length()];
                lengths.sort_unstable_by(|a, b| b.cmp(a));
                Window::Between(TimePoint::Ago(lengths[0]), TimePoint::Ago(lengths[1]))
            }
            10 => {
                let mut instants = [self.at(), self.at()];
                instants.sort_unstable();
                Window::Between(TimePoint::At(instants[0]), TimePoint::At(instants[1]))
            }
            11 => Window::Since(TimePoint::Ago(self.length())),
            12 => Window::Since(TimePoint::At(self.at())),
            13 => Window::Before(TimePoint::Ago(self.length())),
            14 => Window::Before(TimePoint::At(self.at())),
            20..=23 => self.calendar(),
            _ => {
                let relation = match self.rng.below(5) {
                    0 => AnchorRelation::Since,
                    1 => AnchorRelation::After,
                    2 => AnchorRelation::Before,
                    3 => AnchorRelation::WithinAfter(self.length()),
                    _ => AnchorRelation::WithinBefore(self.length()),
                };
                let anchor = if self.rng.chance(75) {
                    Anchor::Event(self.occurrence(anchors - 1))
                } else {
                    let name = *self
                        .rng
                        .pick(&["created_at", "created_at", "renewed_at", "plan"]);
                    let table = if name == "renewed_at" {
                        AttributeTable::Property
                    } else {
                        AttributeTable::Users
                    };
                    Anchor::Attribute(reference(Some(table), name))
                };
                Window::Anchored {
                    relation,
                    anchor: Box::new(anchor),
                }
            }
        }
    }

    pub(super) fn at(&mut self) -> i64 {
        *self.rng.pick(&self.world.instants)
    }

    fn occurrence(&mut self, anchors: usize) -> Occurrence {
        let position = match self.rng.below(5) {
            0 | 1 => Position::First,
            2 | 3 => Position::Last,
            _ => Position::Nth(self.rng.between(1, 4) as u32),
        };
        Occurrence {
            position,
            of: self.event_window(anchors),
        }
    }

    fn occurrence_test(&mut self) -> OccurrenceTest {
        if self.rng.chance(40) {
            loop {
                let window = self.window(1);
                if window != Window::Ever {
                    return OccurrenceTest::When(window);
                }
            }
        }
        if self.rng.chance(15) {
            return OccurrenceTest::Property {
                operand: Operand::EventName,
                test: self.event_name_test(),
            };
        }
        let (path, kind) = self.path();
        OccurrenceTest::Property {
            operand: Operand::Property(path),
            test: self.test(kind),
        }
    }

    pub(super) fn measure(&mut self) -> Measure {
        let of = self.event_window(1);
        match self.rng.below(14) {
            0..=2 => Measure::Count(of),
            3 | 12 | 13 => self.period_measure(of),
            4 => Measure::DaysSinceFirst(of),
            5 => Measure::DaysSinceLast(of),
            _ => {
                let function = *self.rng.pick(&[
                    Aggregate::Sum,
                    Aggregate::Min,
                    Aggregate::Max,
                    Aggregate::Avg,
                    Aggregate::Distinct,
                ]);
                let property = match function {
                    Aggregate::Distinct => self.path().0,
                    _ => (*self.rng.pick(&["n", "n", "cart.total", "s", "at"])).to_owned(),
                };
                let cast = match self.rng.below(20) {
                    0 | 1 => Some(Cast::Number),
                    2 if function == Aggregate::Distinct => Some(Cast::Text),
                    3 if function == Aggregate::Distinct => Some(Cast::Time),
                    _ => None,
                };
                Measure::Aggregate {
                    function,
                    property,
                    cast,
                    of,
                }
            }
        }
    }

    pub(super) fn number(&mut self) -> Number {
        if self.rng.chance(75) {
            Number::Integer(
                *self
                    .rng
                    .pick(&[0, 1, 1, 2, 2, 3, 4, 5, 7, 14, 30, -1, 255, 256, 300]),
            )
        } else {
            Number::Float(*self.rng.pick(&[0.5, 1.0, 1.5, 2.5, -0.5, 5.1, 3.0]))
        }
    }

    pub(super) fn number_test(&mut self) -> NumberTest {
        if self.rng.chance(15) {
            return NumberTest::Between(self.number(), self.number());
        }
        NumberTest::Compare(*self.rng.pick(&OPS), self.number())
    }
}

/// The table that has the name, where only one has.
fn table_of(name: &str) -> AttributeTable {
    match name {
        "industry" | "size" | "renewed_at" => AttributeTable::Property,
        _ => AttributeTable::Users,
    }
}

pub(super) fn reference(table: Option<AttributeTable>, name: &str) -> AttributeRef {
    AttributeRef {
        table,
        name: name.to_owned(),
        span: Span::default(),
    }
}
