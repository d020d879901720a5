//! Tree to JSON.

use super::sequence::{write_calendar, write_lifecycle, write_periods, write_sequence};
use crate::ast::{
    Anchor, AnchorRelation, AttributeOperand, AttributeRef, Cast, EventName, EventNames,
    EventSelector, EventWindow, Expr, ExprKind, Literal, Measure, NumberTest, Occurrence,
    OccurrenceTest, Operand, Period, Position, Predicate, RankEnd, RankSize, Test, TimePoint,
    Window,
};
use crate::print::time_text;
use crowdset_types::{DurationMillis, Number};
use serde_json::{Map, Value, json};

type Object = Map<String, Value>;

/// An object of one key.
fn one(key: &str, value: Value) -> Value {
    Value::Object(Object::from_iter([(key.to_owned(), value)]))
}

/// What nests is apart from what does not: its frames are what deep nesting piles up.
pub(super) fn expr(expr: &Expr) -> Value {
    let list = |parts: &[Expr]| parts.iter().map(self::expr).collect::<Value>();
    match &expr.kind {
        ExprKind::And(parts) if !parts.is_empty() => one("and", list(parts)),
        ExprKind::Or(parts) if !parts.is_empty() => one("or", list(parts)),
        ExprKind::Not(inner) => one("not", self::expr(inner)),
        leaf => self::leaf(leaf),
    }
}

/// A condition that holds no others. Never inlined, or its frame would be one of those.
#[inline(never)]
fn leaf(kind: &ExprKind) -> Value {
    match kind {
        // A tree from the builder may have no parts.
        ExprKind::Everyone | ExprKind::And(_) => json!({"everyone": true}),
        ExprKind::Nobody | ExprKind::Or(_) | ExprKind::Not(_) => json!({"nobody": true}),
        ExprKind::UserId(ids) if ids.is_empty() => json!({"nobody": true}),
        ExprKind::UserId(ids) => json!({"user_id": ids}),
        ExprKind::SavedSegment(name) => json!({"segment": name}),
        ExprKind::StaticList(name) => json!({"list": name}),
        ExprKind::Attribute { operand, test } => {
            let mut object = attribute_operand(operand);
            put_test(&mut object, test);
            object.into()
        }
        ExprKind::Did(of) => one("did", events(of).into()),
        ExprKind::Measure { measure, test } => {
            let (op, value) = match test {
                NumberTest::Compare(op, value) => (op.symbol(), number(*value)),
                NumberTest::Between(low, high) => ("between", json!([number(*low), number(*high)])),
            };
            json!({"measure": self::measure(measure), "op": op, "value": value})
        }
        ExprKind::Occurrence { occurrence, test } => {
            let mut object = self::occurrence(occurrence);
            match test {
                OccurrenceTest::When(window) => {
                    object.insert("in".into(), self::window(window));
                }
                OccurrenceTest::Property { operand, test } => {
                    put_operand(
                        &mut object,
                        operand,
                        "event",
                        &["event", "event_name", "timestamp"],
                    );
                    put_test(&mut object, test);
                }
            }
            object.into()
        }
        ExprKind::Sequence(sequence) => one("sequence", write_sequence(sequence)),
        ExprKind::Lifecycle { events, change } => write_lifecycle(events, *change),
        ExprKind::MeasureComparison { left, op, right } => {
            json!({"measure": measure(left), "op": op.symbol(), "value": measure(right)})
        }
        ExprKind::Had {
            operand,
            test,
            window,
        } => {
            let mut object = attribute_operand(operand);
            put_test(&mut object, test);
            put_window(&mut object, window);
            one("had", object.into())
        }
        ExprKind::Changed {
            attribute,
            from,
            to,
            window,
        } => {
            let mut object = Object::from_iter([("attr".to_owned(), self::attribute(attribute))]);
            for (key, value) in [("from", from), ("to", to)] {
                if let Some(value) = value {
                    object.insert(key.into(), literal(value));
                }
            }
            put_window(&mut object, window);
            one("changed", object.into())
        }
        ExprKind::Held {
            operand,
            test,
            length,
        } => {
            let mut object = attribute_operand(operand);
            put_test(&mut object, test);
            object.insert("for".into(), duration(*length));
            one("held", object.into())
        }
        ExprKind::Rank { end, size, measure } => {
            let end = match end {
                RankEnd::Top => "top",
                RankEnd::Bottom => "bottom",
            };
            let size = match size {
                RankSize::Users(users) => json!(users),
                RankSize::Percent(percent) => json!(format!("{percent}%")),
            };
            one(
                end,
                json!({"size": size, "measure": self::measure(measure)}),
            )
        }
    }
}

fn attribute(attribute: &AttributeRef) -> Value {
    let name = &attribute.name;
    match attribute.table {
        Some(table) => json!(format!("{table}.{name}")),
        // As a plain string it would mean something else.
        None if name.starts_with("users.")
            || name.starts_with("property.")
            || name == "user_id" =>
        {
            json!({"name": name})
        }
        None => json!(name),
    }
}

fn attribute_operand(operand: &AttributeOperand) -> Object {
    let mut object = Object::new();
    object.insert("attr".into(), attribute(&operand.attribute));
    put_cast(&mut object, operand.cast);
    object
}

fn put_cast(object: &mut Object, cast: Option<Cast>) {
    let (name, unit) = match cast {
        None => return,
        Some(Cast::Number) => ("number", None),
        Some(Cast::Text) => ("text", None),
        Some(Cast::Time) => ("time", None),
        Some(Cast::TimeSeconds) => ("time", Some("s")),
        Some(Cast::TimeMillis) => ("time", Some("ms")),
    };
    object.insert("cast".into(), json!(name));
    if let Some(unit) = unit {
        object.insert("unit".into(), json!(unit));
    }
}

/// A property's path; in parts where the plain text is taken by something else.
pub(super) fn taken_path(property: &str, taken: &[&str]) -> Value {
    if taken.contains(&property) {
        json!([property])
    } else {
        json!(property)
    }
}

fn put_operand(object: &mut Object, operand: &Operand, event_name: &str, taken: &[&str]) {
    let mut calendar = |function: &str, zone: &Option<String>| {
        object.insert(function.into(), json!("timestamp"));
        if let Some(zone) = zone {
            object.insert("zone".into(), json!(zone));
        }
    };
    match operand {
        Operand::Hour { zone } => calendar("hour", zone),
        Operand::Weekday { zone } => calendar("weekday", zone),
        Operand::EventName => {
            object.insert("prop".into(), json!(event_name));
        }
        Operand::Timestamp => {
            object.insert("prop".into(), json!("timestamp"));
        }
        Operand::Property(property) => {
            object.insert("prop".into(), taken_path(property, taken));
        }
        Operand::Cast { cast, property } => {
            object.insert("prop".into(), taken_path(property, taken));
            put_cast(object, Some(*cast));
        }
    }
}

fn put_test(object: &mut Object, test: &Test) {
    let list = |values: &[Literal]| values.iter().map(literal).collect::<Value>();
    let (op, value) = match test {
        Test::Compare(op, value) => (op.symbol(), Some(literal(value))),
        Test::CompareAttribute(op, right) => (op.symbol(), Some(one("attr", attribute(right)))),
        Test::Between(low, high) => ("between", Some(json!([literal(low), literal(high)]))),
        Test::In(values) => ("in", Some(list(values))),
        Test::NotIn(values) => ("not in", Some(list(values))),
        Test::Contains(text) => ("contains", Some(json!(text))),
        Test::StartsWith(text) => ("starts with", Some(json!(text))),
        Test::EndsWith(text) => ("ends with", Some(json!(text))),
        Test::Like(text) => ("like", Some(json!(text))),
        Test::ILike(text) => ("ilike", Some(json!(text))),
        Test::Matches(text) => ("matches", Some(json!(text))),
        Test::IsSet => ("is set", None),
        Test::IsNotSet => ("is not set", None),
        Test::Has(value) => ("has", Some(literal(value))),
        Test::HasAny(values) => ("has any", Some(list(values))),
        Test::HasAll(values) => ("has all", Some(list(values))),
    };
    object.insert("op".into(), json!(op));
    if let Some(value) = value {
        object.insert("value".into(), value);
    }
}

fn literal(literal: &Literal) -> Value {
    match literal {
        Literal::Text(text) => json!(text),
        Literal::Integer(value) => json!(value),
        Literal::Float(value) => json!(value),
        Literal::Bool(value) => json!(value),
        Literal::Time(TimePoint::At(instant)) => json!({"at": time_text(*instant)}),
        Literal::Time(point) => time_point(point),
    }
}

fn number(number: Number) -> Value {
    match number {
        Number::Integer(value) => json!(value),
        Number::Float(value) => json!(value),
    }
}

pub(super) fn duration(duration: DurationMillis) -> Value {
    let (_, short, unit) = DurationMillis::UNITS
        .into_iter()
        .skip(1)
        .find(|(_, _, unit)| duration.0 % unit == 0)
        .unwrap_or(DurationMillis::UNITS[5]);
    json!(format!("{}{short}", duration.0 / unit))
}

fn time_point(point: &TimePoint) -> Value {
    match point {
        TimePoint::Now => json!({"now": true}),
        TimePoint::Ago(ago) => one("ago", duration(*ago)),
        TimePoint::At(instant) => json!(time_text(*instant)),
    }
}

pub(super) fn events(of: &EventWindow) -> Object {
    let mut object = selector(&of.events);
    put_window(&mut object, &of.window);
    object
}

pub(super) fn selector(selector: &EventSelector) -> Object {
    let mut object = Object::new();
    match &selector.names {
        EventNames::One(event) => {
            object.insert("event".into(), json!(event.name));
        }
        EventNames::Any { except } => {
            object.insert("any_event".into(), json!(true));
            if !except.is_empty() {
                object.insert(
                    "except".into(),
                    except.iter().map(|event| event.name.as_str()).collect(),
                );
            }
        }
        EventNames::AnyOf(parts) => {
            let part = |(event, filter): &(EventName, Option<Predicate>)| {
                let mut object = Object::new();
                object.insert("event".into(), json!(event.name));
                put_filter(&mut object, filter.as_ref());
                Value::Object(object)
            };
            object.insert("any_of".into(), parts.iter().map(part).collect());
        }
    }
    put_filter(&mut object, selector.filter.as_ref());
    object
}

fn put_filter(object: &mut Object, filter: Option<&Predicate>) {
    if let Some(filter) = filter {
        object.insert("where".into(), predicate(filter));
    }
}

pub(super) fn put_window(object: &mut Object, window: &Window) {
    if *window != Window::Ever {
        object.insert("window".into(), self::window(window));
    }
}

fn predicate(predicate: &Predicate) -> Value {
    let list = |parts: &[Predicate]| parts.iter().map(self::predicate).collect::<Value>();
    match predicate {
        Predicate::And(parts) => one("and", list(parts)),
        Predicate::Or(parts) => one("or", list(parts)),
        Predicate::Not(inner) => one("not", self::predicate(inner)),
        Predicate::Test { operand, test, .. } => {
            let mut object = Object::new();
            put_operand(
                &mut object,
                operand,
                "event_name",
                &["event_name", "timestamp"],
            );
            put_test(&mut object, test);
            object.into()
        }
    }
}

fn window(window: &Window) -> Value {
    match window {
        Window::Ever => json!("ever"),
        Window::Last(length) => one("last", duration(*length)),
        Window::Between(from, to) => json!({"between": [time_point(from), time_point(to)]}),
        Window::Since(from) => one("since", time_point(from)),
        Window::Before(to) => one("before", time_point(to)),
        Window::Anchored { relation, anchor } => {
            let anchor = self::anchor(anchor);
            match *relation {
                AnchorRelation::Since => one("since", anchor),
                AnchorRelation::After => one("after", anchor),
                AnchorRelation::Before => one("before", anchor),
                AnchorRelation::WithinAfter(length) => {
                    json!({"within": duration(length), "after": anchor})
                }
                AnchorRelation::WithinBefore(length) => {
                    json!({"within": duration(length), "before": anchor})
                }
            }
        }
        Window::Calendar { period, zone } => {
            let mut window = match period {
                Period::Today => json!({"today": true}),
                Period::Yesterday => json!({"yesterday": true}),
                Period::This(unit) => json!({"this": unit.name()}),
                Period::Last(count, unit) => {
                    json!({"last": count, "calendar": format!("{}s", unit.name())})
                }
                Period::On(day) => json!({"on": day.text()}),
                Period::Between(from, to) => json!({"between": [from.text(), to.text()]}),
                Period::Since(from) => json!({"since": from.text()}),
                Period::Before(to) => json!({"before": to.text()}),
            };
            if let Some(zone) = zone {
                window["zone"] = json!(zone);
            }
            window
        }
    }
}

fn anchor(anchor: &Anchor) -> Value {
    match anchor {
        Anchor::Event(occurrence) => self::occurrence(occurrence).into(),
        Anchor::Attribute(attribute) => one("attr", self::attribute(attribute)),
    }
}

fn occurrence(occurrence: &Occurrence) -> Object {
    let mut of = events(&occurrence.of);
    let key = match occurrence.position {
        Position::First => "first",
        Position::Last => "last",
        Position::Nth(n) => {
            of.insert("n".into(), json!(n));
            "nth"
        }
    };
    Object::from_iter([(key.to_owned(), of.into())])
}

fn measure(measure: &Measure) -> Value {
    match measure {
        Measure::Count(of) => one("count", events(of).into()),
        Measure::Calendar { unit, zone, of } => write_calendar(*unit, zone.as_deref(), of),
        Measure::Periods { length, each, of } => write_periods(*length, *each, of),
        Measure::DaysSinceFirst(of) => one("days_since_first", events(of).into()),
        Measure::DaysSinceLast(of) => one("days_since_last", events(of).into()),
        Measure::Aggregate {
            function,
            property,
            cast,
            of,
        } => {
            let mut object = events(of);
            object.insert(
                "prop".into(),
                taken_path(property, &["event_name", "timestamp"]),
            );
            put_cast(&mut object, *cast);
            one(function.name(), object.into())
        }
        Measure::Attribute(operand) => attribute_operand(operand).into(),
        Measure::Bucket(salt) => json!({"bucket": salt}),
        Measure::Number(value) => number(*value),
        Measure::Negative(inner) => one("negative", self::measure(inner)),
        Measure::Arithmetic(arithmetic) => {
            let mut list = vec![self::measure(&arithmetic.first)];
            for (op, part) in &arithmetic.rest {
                list.push(json!(op.symbol()));
                list.push(self::measure(part));
            }
            one("arithmetic", list.into())
        }
    }
}
