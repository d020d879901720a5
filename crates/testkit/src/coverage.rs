//! Which parts of the language a segment uses, by name.

use crowdset_query::{
    Aggregate, Anchor, AnchorRelation, AttributeOperand, AttributeRef, AttributeTable,
    CalendarUnit, Cast, CompareOp, EventNames, EventSelector, EventWindow, Expr, ExprKind, HopTime,
    Lifecycle, Literal, Measure, NumberTest, Occurrence, OccurrenceTest, Operand, Period,
    PeriodUnit, Position, Predicate, RankEnd, RankSize, Segment, Sequence, Test, TimePoint, Window,
};
use std::collections::BTreeSet;

/// Every part of the language that a segment may use. A test over random segments that never
/// reaches one of these proves nothing about it.
pub const PARTS: &[&str] = &[
    "everyone",
    "nobody",
    "and",
    "or",
    "not",
    "user_id",
    "segment",
    "list",
    "attribute",
    "did",
    "measure",
    "occurrence",
    "sequence",
    "sequence within",
    "sequence strictly",
    "sequence same",
    "sequence same twice",
    "hop within",
    "hop after",
    "hop between",
    "hop without",
    "hop without twice",
    "hop directly",
    "stopped",
    "restarted",
    "rank",
    "attribute bare",
    "attribute users",
    "attribute property",
    "attribute cast",
    "event any",
    "event any except",
    "event one",
    "event any of",
    "event any of where",
    "event where",
    "predicate and",
    "predicate or",
    "predicate not",
    "operand property",
    "operand event_name",
    "operand timestamp",
    "operand hour",
    "operand hour zone",
    "operand weekday",
    "operand weekday zone",
    "operand cast",
    "cast number",
    "cast text",
    "cast time",
    "cast time s",
    "cast time ms",
    "=",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "compare attribute",
    "test between",
    "test in",
    "test not in",
    "test contains",
    "test starts with",
    "test ends with",
    "test like",
    "test ilike",
    "test matches",
    "test is set",
    "test is not set",
    "test has",
    "test has any",
    "test has all",
    "literal text",
    "literal integer",
    "literal float",
    "literal bool",
    "literal time",
    "point now",
    "point ago",
    "point at",
    "window ever",
    "window last",
    "window between",
    "window since",
    "window before",
    "window anchored",
    "anchor since",
    "anchor after",
    "anchor before",
    "anchor within after",
    "anchor within before",
    "anchor event",
    "anchor attribute",
    "first",
    "last",
    "nth",
    "occurrence when",
    "occurrence property",
    "measure count",
    "measure sum",
    "measure min",
    "measure max",
    "measure avg",
    "measure distinct",
    "measure cast",
    "measure days",
    "measure weeks",
    "measure months",
    "measure zone",
    "measure periods",
    "measure periods each",
    "measure days_since_first",
    "measure days_since_last",
    "measure attribute",
    "number compare",
    "number between",
    "top",
    "bottom",
    "rank users",
    "rank percent",
    "measure comparison",
    "measure bucket",
    "measure number",
    "measure negative",
    "+",
    "-",
    "*",
    "/",
    "had",
    "held",
    "changed",
    "changed from",
    "changed to",
    "window today",
    "window yesterday",
    "window this",
    "window last calendar",
    "window on",
    "window between in zone",
    "window since in zone",
    "window before in zone",
    "window zone",
    "calendar day",
    "calendar week",
    "calendar month",
    "calendar quarter",
    "calendar year",
];

/// Adds the parts that the segment uses.
pub fn reached(segment: &Segment, into: &mut BTreeSet<&'static str>) {
    Walk(into).expr(&segment.root);
}

struct Walk<'a>(&'a mut BTreeSet<&'static str>);

impl Walk<'_> {
    fn saw(&mut self, part: &'static str) {
        self.0.insert(part);
    }

    fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Everyone => self.saw("everyone"),
            ExprKind::Nobody => self.saw("nobody"),
            ExprKind::And(parts) => {
                self.saw("and");
                for part in parts {
                    self.expr(part);
                }
            }
            ExprKind::Or(parts) => {
                self.saw("or");
                for part in parts {
                    self.expr(part);
                }
            }
            ExprKind::Not(part) => {
                self.saw("not");
                self.expr(part);
            }
            ExprKind::UserId(_) => self.saw("user_id"),
            ExprKind::SavedSegment(_) => self.saw("segment"),
            ExprKind::StaticList(_) => self.saw("list"),
            ExprKind::Attribute { operand, test } => {
                self.saw("attribute");
                self.attribute_operand(operand);
                self.test(test);
            }
            ExprKind::Did(of) => {
                self.saw("did");
                self.event_window(of);
            }
            ExprKind::Measure { measure, test } => {
                self.saw("measure");
                self.measure(measure);
                match test {
                    NumberTest::Compare(op, _) => {
                        self.saw("number compare");
                        self.op(*op);
                    }
                    NumberTest::Between(..) => self.saw("number between"),
                }
            }
            ExprKind::MeasureComparison { left, op, right } => {
                self.saw("measure comparison");
                self.measure(left);
                self.op(*op);
                self.measure(right);
            }
            ExprKind::Had {
                operand,
                test,
                window,
            } => {
                self.saw("had");
                self.attribute_operand(operand);
                self.test(test);
                self.window(window);
            }
            ExprKind::Held { operand, test, .. } => {
                self.saw("held");
                self.attribute_operand(operand);
                self.test(test);
            }
            ExprKind::Changed {
                attribute,
                from,
                to,
                window,
            } => {
                self.saw("changed");
                self.attribute(attribute);
                for (part, value) in [("changed from", from), ("changed to", to)] {
                    if let Some(value) = value {
                        self.saw(part);
                        self.literal(value);
                    }
                }
                self.window(window);
            }
            ExprKind::Occurrence { occurrence, test } => {
                self.saw("occurrence");
                self.occurrence(occurrence);
                match test {
                    OccurrenceTest::When(window) => {
                        self.saw("occurrence when");
                        self.window(window);
                    }
                    OccurrenceTest::Property { operand, test } => {
                        self.saw("occurrence property");
                        self.operand(operand);
                        self.test(test);
                    }
                }
            }
            ExprKind::Sequence(sequence) => self.sequence(sequence),
            ExprKind::Lifecycle { events, change } => {
                self.saw(match change {
                    Lifecycle::Stopped { .. } => "stopped",
                    Lifecycle::Restarted { .. } => "restarted",
                });
                self.selector(events);
            }
            ExprKind::Rank { end, size, measure } => {
                self.saw("rank");
                self.saw(match end {
                    RankEnd::Top => "top",
                    RankEnd::Bottom => "bottom",
                });
                self.saw(match size {
                    RankSize::Users(_) => "rank users",
                    RankSize::Percent(_) => "rank percent",
                });
                self.measure(measure);
            }
            other => panic!("coverage does not know {other:?}"),
        }
    }

    fn sequence(&mut self, sequence: &Sequence) {
        self.saw("sequence");
        if sequence.within.is_some() {
            self.saw("sequence within");
        }
        if sequence.strictly {
            self.saw("sequence strictly");
        }
        match sequence.same.len() {
            0 => {}
            1 => self.saw("sequence same"),
            _ => self.saw("sequence same twice"),
        }
        for step in &sequence.steps {
            self.selector(&step.events);
            match step.hop.time {
                HopTime::Any => {}
                HopTime::Within(_) => self.saw("hop within"),
                HopTime::After(_) => self.saw("hop after"),
                HopTime::Between(..) => self.saw("hop between"),
            }
            match step.hop.without.len() {
                0 => {}
                1 => self.saw("hop without"),
                _ => self.saw("hop without twice"),
            }
            for selector in &step.hop.without {
                self.selector(selector);
            }
            if step.hop.directly {
                self.saw("hop directly");
            }
        }
        self.window(&sequence.window);
    }

    fn attribute(&mut self, attribute: &AttributeRef) {
        self.saw(match attribute.table {
            None => "attribute bare",
            Some(AttributeTable::Users) => "attribute users",
            Some(AttributeTable::Property) => "attribute property",
        });
    }

    fn attribute_operand(&mut self, operand: &AttributeOperand) {
        self.attribute(&operand.attribute);
        if let Some(cast) = operand.cast {
            self.saw("attribute cast");
            self.cast(cast);
        }
    }

    fn cast(&mut self, cast: Cast) {
        self.saw(match cast {
            Cast::Number => "cast number",
            Cast::Text => "cast text",
            Cast::Time => "cast time",
            Cast::TimeSeconds => "cast time s",
            Cast::TimeMillis => "cast time ms",
        });
    }

    fn event_window(&mut self, of: &EventWindow) {
        self.selector(&of.events);
        self.window(&of.window);
    }

    fn selector(&mut self, selector: &EventSelector) {
        match &selector.names {
            EventNames::Any { except } if except.is_empty() => self.saw("event any"),
            EventNames::Any { .. } => self.saw("event any except"),
            EventNames::One(_) => self.saw("event one"),
            EventNames::AnyOf(parts) => {
                self.saw("event any of");
                for filter in parts.iter().filter_map(|(_, filter)| filter.as_ref()) {
                    self.saw("event any of where");
                    self.predicate(filter);
                }
            }
        }
        if let Some(filter) = &selector.filter {
            self.saw("event where");
            self.predicate(filter);
        }
    }

    fn predicate(&mut self, predicate: &Predicate) {
        match predicate {
            Predicate::And(parts) => {
                self.saw("predicate and");
                for part in parts {
                    self.predicate(part);
                }
            }
            Predicate::Or(parts) => {
                self.saw("predicate or");
                for part in parts {
                    self.predicate(part);
                }
            }
            Predicate::Not(part) => {
                self.saw("predicate not");
                self.predicate(part);
            }
            Predicate::Test { operand, test, .. } => {
                self.operand(operand);
                self.test(test);
            }
        }
    }

    fn operand(&mut self, operand: &Operand) {
        if let Operand::Cast { cast, .. } = operand {
            self.cast(*cast);
        }
        self.saw(match operand {
            Operand::Property(_) => "operand property",
            Operand::EventName => "operand event_name",
            Operand::Timestamp => "operand timestamp",
            Operand::Hour { zone: None } => "operand hour",
            Operand::Hour { zone: Some(_) } => "operand hour zone",
            Operand::Weekday { zone: None } => "operand weekday",
            Operand::Weekday { zone: Some(_) } => "operand weekday zone",
            Operand::Cast { .. } => "operand cast",
        });
    }

    fn op(&mut self, op: CompareOp) {
        self.saw(match op {
            CompareOp::Equal => "=",
            CompareOp::NotEqual => "!=",
            CompareOp::Less => "<",
            CompareOp::LessOrEqual => "<=",
            CompareOp::Greater => ">",
            CompareOp::GreaterOrEqual => ">=",
        });
    }

    fn test(&mut self, test: &Test) {
        let literals: &[Literal] = match test {
            Test::Compare(op, literal) => {
                self.op(*op);
                std::slice::from_ref(literal)
            }
            Test::CompareAttribute(op, attribute) => {
                self.saw("compare attribute");
                self.op(*op);
                self.attribute(attribute);
                &[]
            }
            Test::Between(low, high) => {
                self.saw("test between");
                self.literal(low);
                std::slice::from_ref(high)
            }
            Test::In(literals) => {
                self.saw("test in");
                literals
            }
            Test::NotIn(literals) => {
                self.saw("test not in");
                literals
            }
            Test::Has(literal) => {
                self.saw("test has");
                std::slice::from_ref(literal)
            }
            Test::HasAny(literals) => {
                self.saw("test has any");
                literals
            }
            Test::HasAll(literals) => {
                self.saw("test has all");
                literals
            }
            other => {
                self.saw(match other {
                    Test::Contains(_) => "test contains",
                    Test::StartsWith(_) => "test starts with",
                    Test::EndsWith(_) => "test ends with",
                    Test::Like(_) => "test like",
                    Test::ILike(_) => "test ilike",
                    Test::Matches(_) => "test matches",
                    Test::IsSet => "test is set",
                    _ => "test is not set",
                });
                &[]
            }
        };
        for literal in literals {
            self.literal(literal);
        }
    }

    fn literal(&mut self, literal: &Literal) {
        match literal {
            Literal::Text(_) => self.saw("literal text"),
            Literal::Integer(_) => self.saw("literal integer"),
            Literal::Float(_) => self.saw("literal float"),
            Literal::Bool(_) => self.saw("literal bool"),
            Literal::Time(point) => {
                self.saw("literal time");
                self.point(point);
            }
        }
    }

    fn point(&mut self, point: &TimePoint) {
        self.saw(match point {
            TimePoint::Now => "point now",
            TimePoint::Ago(_) => "point ago",
            TimePoint::At(_) => "point at",
        });
    }

    fn window(&mut self, window: &Window) {
        match window {
            Window::Ever => self.saw("window ever"),
            Window::Last(_) => self.saw("window last"),
            Window::Between(from, to) => {
                self.saw("window between");
                self.point(from);
                self.point(to);
            }
            Window::Since(from) => {
                self.saw("window since");
                self.point(from);
            }
            Window::Before(to) => {
                self.saw("window before");
                self.point(to);
            }
            Window::Anchored { relation, anchor } => {
                self.saw("window anchored");
                self.saw(match relation {
                    AnchorRelation::Since => "anchor since",
                    AnchorRelation::After => "anchor after",
                    AnchorRelation::Before => "anchor before",
                    AnchorRelation::WithinAfter(_) => "anchor within after",
                    AnchorRelation::WithinBefore(_) => "anchor within before",
                });
                match &**anchor {
                    Anchor::Event(occurrence) => {
                        self.saw("anchor event");
                        self.occurrence(occurrence);
                    }
                    Anchor::Attribute(attribute) => {
                        self.saw("anchor attribute");
                        self.attribute(attribute);
                    }
                }
            }
            Window::Calendar { period, zone } => {
                if zone.is_some() {
                    self.saw("window zone");
                }
                self.period(*period);
            }
            other => panic!("coverage does not know {other:?}"),
        }
    }

    fn period(&mut self, period: Period) {
        self.saw(match period {
            Period::Today => "window today",
            Period::Yesterday => "window yesterday",
            Period::This(_) => "window this",
            Period::Last(..) => "window last calendar",
            Period::On(_) => "window on",
            Period::Between(..) => "window between in zone",
            Period::Since(_) => "window since in zone",
            Period::Before(_) => "window before in zone",
        });
        if let Period::This(unit) | Period::Last(_, unit) = period {
            self.saw(match unit {
                CalendarUnit::Day => "calendar day",
                CalendarUnit::Week => "calendar week",
                CalendarUnit::Month => "calendar month",
                CalendarUnit::Quarter => "calendar quarter",
                CalendarUnit::Year => "calendar year",
            });
        }
    }

    fn occurrence(&mut self, occurrence: &Occurrence) {
        self.saw(match occurrence.position {
            Position::First => "first",
            Position::Last => "last",
            Position::Nth(_) => "nth",
        });
        self.event_window(&occurrence.of);
    }

    fn measure(&mut self, measure: &Measure) {
        let (part, of) = match measure {
            Measure::Count(of) => ("measure count", of),
            Measure::Aggregate {
                function, cast, of, ..
            } => {
                if let Some(cast) = cast {
                    self.saw("measure cast");
                    self.cast(*cast);
                }
                let part = match function {
                    Aggregate::Sum => "measure sum",
                    Aggregate::Min => "measure min",
                    Aggregate::Max => "measure max",
                    Aggregate::Avg => "measure avg",
                    Aggregate::Distinct => "measure distinct",
                };
                (part, of)
            }
            Measure::Calendar { unit, zone, of } => {
                if zone.is_some() {
                    self.saw("measure zone");
                }
                let part = match unit {
                    PeriodUnit::Day => "measure days",
                    PeriodUnit::Week => "measure weeks",
                    PeriodUnit::Month => "measure months",
                };
                (part, of)
            }
            Measure::Periods { each: 1, of, .. } => ("measure periods", of),
            Measure::Periods { of, .. } => ("measure periods each", of),
            Measure::DaysSinceFirst(of) => ("measure days_since_first", of),
            Measure::DaysSinceLast(of) => ("measure days_since_last", of),
            Measure::Attribute(operand) => {
                self.saw("measure attribute");
                return self.attribute_operand(operand);
            }
            Measure::Bucket(_) => return self.saw("measure bucket"),
            Measure::Number(_) => return self.saw("measure number"),
            Measure::Negative(inner) => {
                self.saw("measure negative");
                return self.measure(inner);
            }
            Measure::Arithmetic(arithmetic) => {
                self.measure(&arithmetic.first);
                for (op, part) in &arithmetic.rest {
                    self.saw(op.symbol());
                    self.measure(part);
                }
                return;
            }
            other => panic!("coverage does not know {other:?}"),
        };
        self.saw(part);
        self.event_window(of);
    }
}
