//! JSON to tree. Every error names the path of the value that is wrong.

use super::place::{Fields, Place, Read};
use crate::ast::{
    Aggregate, Anchor, AnchorRelation, Arithmetic, ArithmeticOp, AttributeOperand, AttributeRef,
    AttributeTable, CalendarUnit, Cast, CivilTime, CompareOp, EventName, EventNames, EventSelector,
    EventWindow, Expr, ExprKind, Literal, Measure, Occurrence, OccurrenceTest, Operand, Period,
    PeriodUnit, Position, Predicate, RankEnd, RankSize, Segment, Source, Span, Test, TimePoint,
    Window,
};
use crate::checks::{self, nearest};
use crate::diagnostic::Diagnostic;
use crate::parser::DEPTH_MAX;
use crowdset_types::Number;
use serde_json::Value;

/// How deeply trees may be nested while they are read; what text could not hold is refused after.
const TREE_DEPTH_MAX: usize = 3 * DEPTH_MAX;

pub(super) fn segment(json: &Value) -> Read<Segment> {
    let mut reader = Reader {
        depth: 0,
        warnings: Vec::new(),
    };
    let top = Place {
        value: json,
        path: "$".to_owned(),
    };
    // `{"segment": "name"}` is a condition, `{"segment": {…}}` a definition without its version.
    let is_wrapped =
        json.get("v").is_some() || json.get("segment").is_some_and(|node| !node.is_string());
    let root = if is_wrapped {
        let mut fields = top.object()?;
        if let Some(version) = fields.take("v")
            && version.value != &Value::from(1)
        {
            return Err(version.error(format!(
                "version {} of the JSON form; this version reads 1",
                version.value
            )));
        }
        let node = fields.need("segment")?;
        fields.finish()?;
        reader.node(&node)?
    } else {
        reader.node(&top)?
    };
    if levels(&root) > DEPTH_MAX {
        return Err(too_deep(&top));
    }
    Ok(Segment {
        root,
        source: Source {
            text: "".into(),
            warnings: reader.warnings,
        },
    })
}

fn no_condition(place: &Place<'_>, fields: &Fields<'_>) -> Diagnostic {
    let known = NODES.join(", ");
    let first = fields.object.keys().next().map_or("", String::as_str);
    let finding = place.error("this object is no condition");
    match nearest(first, NODES.into_iter()) {
        Some(key) => finding.help(format!("did you mean `{key}` instead of `{first}`?")),
        None => finding.help(format!("a condition has one of the keys {known}")),
    }
}

fn too_deep(place: &Place<'_>) -> Diagnostic {
    Diagnostic::error(
        "too-deep",
        format!("{}: nested more than {DEPTH_MAX} levels deep", place.path),
    )
}

/// How many levels the canonical text has, predicates and anchors left out: these have as many in
/// JSON as in text.
fn levels(expr: &Expr) -> usize {
    let joined = |expr: &Expr| matches!(expr.kind, ExprKind::And(_) | ExprKind::Or(_));
    match &expr.kind {
        ExprKind::And(parts) => parts
            .iter()
            .map(|part| levels(part) + usize::from(joined(part)))
            .max()
            .unwrap_or(0),
        ExprKind::Or(parts) => parts
            .iter()
            .map(|part| levels(part) + usize::from(matches!(part.kind, ExprKind::Or(_))))
            .max()
            .unwrap_or(0),
        ExprKind::Not(inner) => 1 + levels(inner) + usize::from(joined(inner)),
        ExprKind::Measure { measure, .. } | ExprKind::Rank { measure, .. } => {
            measure_levels(measure)
        }
        ExprKind::MeasureComparison { left, right, .. } => {
            measure_levels(left).max(measure_levels(right))
        }
        _ => 0,
    }
}

/// The most signs and parentheses that may stand around a part of a measure.
fn measure_levels(measure: &Measure) -> usize {
    match measure {
        Measure::Negative(inner) => 2 + measure_levels(inner),
        Measure::Arithmetic(arithmetic) => {
            let rest = arithmetic.rest.iter().map(|(_, part)| part);
            let parts = rest.chain([&*arithmetic.first]);
            1 + parts.map(measure_levels).max().unwrap_or(0)
        }
        _ => 0,
    }
}

pub(super) const NODES: [&str; 22] = [
    "and",
    "or",
    "not",
    "everyone",
    "nobody",
    "user_id",
    "attr",
    "did",
    "measure",
    "had",
    "changed",
    "held",
    "first",
    "last",
    "nth",
    "sequence",
    "stopped",
    "restarted",
    "top",
    "bottom",
    "segment",
    "list",
];
pub(super) const MEASURES: [&str; 16] = [
    "arithmetic",
    "negative",
    "bucket",
    "count",
    "sum",
    "min",
    "max",
    "avg",
    "distinct",
    "days",
    "weeks",
    "months",
    "periods",
    "days_since_first",
    "days_since_last",
    "attr",
];
pub(super) const SELECTORS: [&str; 3] = ["event", "any_event", "any_of"];
pub(super) const PREDICATES: [&str; 6] = ["and", "or", "not", "prop", "hour", "weekday"];

pub(super) const WINDOWS: [&str; 9] = [
    "last",
    "between",
    "since",
    "before",
    "after",
    "today",
    "yesterday",
    "this",
    "on",
];

pub(super) const ANCHORS: [&str; 4] = ["first", "last", "nth", "attr"];

pub(super) struct Reader {
    depth: usize,
    pub(super) warnings: Vec<Diagnostic>,
}

impl Reader {
    fn nested<T>(&mut self, place: &Place<'_>, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        if self.depth == TREE_DEPTH_MAX {
            return Err(too_deep(place));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn node(&mut self, place: &Place<'_>) -> Read<Expr> {
        // Without a closure: every level has one frame less.
        if self.depth == TREE_DEPTH_MAX {
            return Err(too_deep(place));
        }
        self.depth += 1;
        let kind = self.node_kind(place);
        self.depth -= 1;
        Ok(kind?.into())
    }

    /// What nests is read by functions of their own: their frames are what deep nesting piles up.
    fn node_kind(&mut self, place: &Place<'_>) -> Read<ExprKind> {
        let mut fields = place.object()?;
        let Some(kind) = fields.which(&NODES) else {
            return Err(no_condition(place, &fields));
        };
        let of = fields.need(kind)?;
        let node = match kind {
            "and" | "or" => self.joined(kind == "and", &of)?,
            "not" => self.negated(&of)?,
            _ => self.leaf(kind, &of, place, &mut fields)?,
        };
        fields.finish_kind(kind, &NODES)?;
        Ok(node)
    }

    fn negated(&mut self, of: &Place<'_>) -> Read<ExprKind> {
        Ok(ExprKind::Not(Box::new(self.node(of)?)))
    }

    fn joined(&mut self, is_and: bool, of: &Place<'_>) -> Read<ExprKind> {
        let mut parts = Vec::new();
        for part in of.list()? {
            match self.node(&part)?.kind {
                ExprKind::And(inner) if is_and => parts.extend(inner),
                ExprKind::Or(inner) if !is_and => parts.extend(inner),
                single => parts.push(single.into()),
            }
        }
        Ok(match parts.len() {
            0 => return Err(of.error("the list is empty; it needs at least one condition")),
            1 => parts.swap_remove(0).kind,
            _ if is_and => ExprKind::And(parts),
            _ => ExprKind::Or(parts),
        })
    }

    /// A condition without conditions inside, of the key `kind`.
    fn leaf(
        &mut self,
        kind: &str,
        of: &Place<'_>,
        place: &Place<'_>,
        fields: &mut Fields<'_>,
    ) -> Read<ExprKind> {
        Ok(match kind {
            "everyone" => {
                of.is_true()?;
                ExprKind::Everyone
            }
            "nobody" => {
                of.is_true()?;
                ExprKind::Nobody
            }
            "user_id" => ExprKind::UserId(user_ids(of)?),
            "attr" if of.value == "user_id" => user_id_test(fields)?,
            "attr" => {
                let operand = attribute_operand(of, fields)?;
                let test = test(fields, place, &Operand::Property(String::new()))?;
                ExprKind::Attribute { operand, test }
            }
            "did" => ExprKind::Did(self.events(of)?),
            "measure" => {
                let measure = self.measure(of)?;
                self.measure_condition(measure, fields)?
            }
            "had" => self.had(of)?,
            "changed" => self.changed(of)?,
            "held" => held(of)?,
            "first" | "last" | "nth" => {
                let occurrence = self.occurrence(kind, of)?;
                let test = if let Some(window) = fields.take("in") {
                    OccurrenceTest::When(self.window(&window)?)
                } else {
                    let operand = operand(fields, place, &["event", "event_name"])?;
                    let test = test(fields, place, &operand)?;
                    OccurrenceTest::Property { operand, test }
                };
                ExprKind::Occurrence { occurrence, test }
            }
            "sequence" => self.sequence(of)?,
            "segment" => ExprKind::SavedSegment(of.text("the name of a saved segment")?.to_owned()),
            "list" => ExprKind::StaticList(of.text("the name of a list")?.to_owned()),
            "stopped" | "restarted" => self.lifecycle(kind, of)?,
            _ => {
                let end = if kind == "top" {
                    RankEnd::Top
                } else {
                    RankEnd::Bottom
                };
                let mut inner = of.object()?;
                let size = rank_size(&inner.need("size")?)?;
                let measure = self.measure(&inner.need("measure")?)?;
                inner.finish()?;
                ExprKind::Rank { end, size, measure }
            }
        })
    }

    /// A selector and a window, and no other key.
    fn events(&mut self, place: &Place<'_>) -> Read<EventWindow> {
        let mut fields = place.object()?;
        let events = self.selector(place, &mut fields)?;
        let window = self.optional_window(&mut fields)?;
        fields.finish()?;
        Ok(EventWindow { events, window })
    }

    pub(super) fn selector(
        &mut self,
        place: &Place<'_>,
        fields: &mut Fields<'_>,
    ) -> Read<EventSelector> {
        let Some(kind) = fields.which(&SELECTORS) else {
            return Err(place.error(
                "which event? one of the keys `event`, `any_event` and `any_of` is needed",
            ));
        };
        if let Some(other) = SELECTORS
            .iter()
            .find(|key| **key != kind && fields.has(key))
        {
            return Err(place.error(format!(
                "`{kind}` and `{other}` do not go together in one object"
            )));
        }
        let of = fields.need(kind)?;
        let names = match kind {
            "event" => EventNames::One(event_name(&of)?),
            "any_event" => {
                of.is_true()?;
                let except = match fields.take("except") {
                    Some(list) => list.list()?.iter().map(event_name).collect::<Read<_>>()?,
                    None => Vec::new(),
                };
                EventNames::Any { except }
            }
            _ => {
                let mut parts = Vec::new();
                for part in of.list()? {
                    if part.value.is_string() {
                        parts.push((event_name(&part)?, None));
                        continue;
                    }
                    let mut part_fields = part.object()?;
                    let name = event_name(&part_fields.need("event")?)?;
                    let filter = self.filter(&mut part_fields)?;
                    part_fields.finish()?;
                    parts.push((name, filter));
                }
                if parts.is_empty() {
                    return Err(of.error("the list is empty; it needs at least one event"));
                }
                EventNames::AnyOf(parts)
            }
        };
        let filter = self.filter(fields)?;
        Ok(EventSelector {
            names,
            filter,
            span: Span::default(),
        })
    }

    fn filter(&mut self, fields: &mut Fields<'_>) -> Read<Option<Predicate>> {
        match fields.take("where") {
            Some(place) => self.predicate(&place).map(Some),
            None => Ok(None),
        }
    }

    fn predicate(&mut self, place: &Place<'_>) -> Read<Predicate> {
        self.nested(place, |reader| reader.predicate_kind(place))
    }

    fn predicate_kind(&mut self, place: &Place<'_>) -> Read<Predicate> {
        let mut fields = place.object()?;
        let Some(kind) = fields.which(&PREDICATES) else {
            return Err(place.error("this object is no predicate").help(format!(
                "a predicate has one of the keys {}",
                PREDICATES.join(", ")
            )));
        };
        let predicate = match kind {
            "and" | "or" => {
                let is_and = kind == "and";
                let list = fields.need(kind)?;
                let mut parts = Vec::new();
                for part in list.list()? {
                    match self.predicate(&part)? {
                        Predicate::And(inner) if is_and => parts.extend(inner),
                        Predicate::Or(inner) if !is_and => parts.extend(inner),
                        single => parts.push(single),
                    }
                }
                match parts.len() {
                    0 => {
                        return Err(
                            list.error("the list is empty; it needs at least one predicate")
                        );
                    }
                    1 => parts.swap_remove(0),
                    _ if is_and => Predicate::And(parts),
                    _ => Predicate::Or(parts),
                }
            }
            "not" => {
                let inner = fields.need("not")?;
                Predicate::Not(Box::new(self.predicate(&inner)?))
            }
            _ => {
                let operand = operand(&mut fields, place, &["event_name"])?;
                let test = test(&mut fields, place, &operand)?;
                Predicate::Test {
                    operand,
                    test,
                    span: Span::default(),
                }
            }
        };
        fields.finish_kind(kind, &PREDICATES)?;
        Ok(predicate)
    }

    pub(super) fn optional_window(&mut self, fields: &mut Fields<'_>) -> Read<Window> {
        match fields.take("window") {
            Some(place) => self.window(&place),
            None => Ok(Window::Ever),
        }
    }

    fn window(&mut self, place: &Place<'_>) -> Read<Window> {
        let window = self.bare_window(place)?;
        if checks::is_always_empty(&window) {
            let message = format!(
                "{}: the window `{window}` is empty: no event lies in it",
                place.path
            );
            self.warnings
                .push(Diagnostic::warning("empty-window", message));
        }
        Ok(window)
    }

    fn bare_window(&mut self, place: &Place<'_>) -> Read<Window> {
        if place.value == "ever" {
            return Ok(Window::Ever);
        }
        let mut fields = place.object()?;
        if let Some(within) = fields.take("within") {
            let duration = within.duration()?;
            let window = if let Some(anchor) = fields.take("after") {
                self.anchored(AnchorRelation::WithinAfter(duration), &anchor)?
            } else if let Some(anchor) = fields.take("before") {
                self.anchored(AnchorRelation::WithinBefore(duration), &anchor)?
            } else {
                return Err(place.error("`within` needs `after` or `before` and an anchor"));
            };
            fields.finish_kind("within", &WINDOWS[..3])?;
            return Ok(window);
        }
        let Some(kind) = fields.which(&WINDOWS) else {
            return Err(place.error("this object is no window").help(format!(
                "a window is \"ever\" or has one of the keys {}, within",
                WINDOWS.join(", ")
            )));
        };
        let of = fields.need(kind)?;
        let zone = fields.take("zone");
        if let Some(window) = calendar(kind, &of, &mut fields, zone.as_ref())? {
            fields.finish_kind(kind, &WINDOWS)?;
            return Ok(window);
        }
        if let Some(zone) = zone {
            return Err(zone.error(
                "only calendar periods and written dates without an offset of their own take a zone",
            ));
        }
        let window = match kind {
            "last" => Window::Last(of.duration()?),
            "between" => match of.list()?.as_slice() {
                [from, to] => Window::Between(from.time_point()?, to.time_point()?),
                _ => return Err(of.expected("two instants")),
            },
            "after" => self.anchored(AnchorRelation::After, &of)?,
            _ => {
                let is_anchor = of.value.is_object() && of.relative_time()?.is_none();
                match (kind, is_anchor) {
                    ("since", true) => self.anchored(AnchorRelation::Since, &of)?,
                    ("since", false) => Window::Since(of.time_point()?),
                    (_, true) => self.anchored(AnchorRelation::Before, &of)?,
                    (_, false) => Window::Before(of.time_point()?),
                }
            }
        };
        fields.finish_kind(kind, &WINDOWS)?;
        Ok(window)
    }

    fn anchored(&mut self, relation: AnchorRelation, place: &Place<'_>) -> Read<Window> {
        let anchor = self.nested(place, |reader| reader.anchor(place))?;
        Ok(Window::Anchored {
            relation,
            anchor: Box::new(anchor),
        })
    }

    fn anchor(&mut self, place: &Place<'_>) -> Read<Anchor> {
        let mut fields = place.object()?;
        let Some(kind) = fields.which(&ANCHORS) else {
            return Err(place.error("an anchor has one of the keys first, last, nth and attr"));
        };
        let of = fields.need(kind)?;
        let anchor = if kind == "attr" {
            let attribute = attribute(&of)?;
            if attribute.table.is_none() {
                return Err(of.error(
                    "an anchor names the table of its attribute: `users.x` or `property.x`",
                ));
            }
            Anchor::Attribute(attribute)
        } else {
            Anchor::Event(self.occurrence(kind, &of)?)
        };
        fields.finish_kind(kind, &ANCHORS)?;
        Ok(anchor)
    }

    fn occurrence(&mut self, kind: &str, place: &Place<'_>) -> Read<Occurrence> {
        let mut fields = place.object()?;
        let position = match kind {
            "first" => Position::First,
            "last" => Position::Last,
            _ => {
                let n = fields.need("n")?;
                let number = n.value.as_u64().and_then(|value| u32::try_from(value).ok());
                let position = Position::Nth(number.ok_or_else(|| n.expected("a whole number"))?);
                n.accept(checks::position_problem(position))?;
                position
            }
        };
        let events = self.selector(place, &mut fields)?;
        let window = self.optional_window(&mut fields)?;
        fields.finish()?;
        Ok(Occurrence {
            position,
            of: EventWindow { events, window },
        })
    }

    /// As with conditions, what nests is apart from what does not.
    fn measure(&mut self, place: &Place<'_>) -> Read<Measure> {
        if place.value.is_number() {
            return place.number().map(Measure::Number);
        }
        let mut fields = place.object()?;
        let Some(kind) = fields.which(&MEASURES) else {
            return Err(no_measure(place));
        };
        let of = fields.need(kind)?;
        let measure = match kind {
            "negative" => self.nested_measure(&of, |reader| reader.negative(&of))?,
            "arithmetic" => self.nested_measure(&of, |reader| reader.arithmetic(&of))?,
            _ => self.single_measure(kind, &of, &mut fields)?,
        };
        fields.finish_kind(kind, &MEASURES)?;
        Ok(measure)
    }

    fn negative(&mut self, of: &Place<'_>) -> Read<Measure> {
        let inner = self.measure(of)?;
        if let Measure::Number(_) = inner {
            return Err(of.error("the negative of a number is a number"));
        }
        Ok(Measure::Negative(Box::new(inner)))
    }

    fn single_measure(
        &mut self,
        kind: &str,
        of: &Place<'_>,
        fields: &mut Fields<'_>,
    ) -> Read<Measure> {
        let function = match kind {
            "sum" => Some(Aggregate::Sum),
            "min" => Some(Aggregate::Min),
            "max" => Some(Aggregate::Max),
            "avg" => Some(Aggregate::Avg),
            "distinct" => Some(Aggregate::Distinct),
            _ => None,
        };
        Ok(match (function, kind) {
            (Some(function), _) => {
                let mut inner = of.object()?;
                let events = self.selector(of, &mut inner)?;
                let property_place = inner.need("prop")?;
                let property = path(&property_place)?;
                if property_place.value == "event_name" || property_place.value == "timestamp" {
                    let message = format!(
                        "`{property}` cannot be aggregated; a property of that name is [\"{property}\"]"
                    );
                    return Err(property_place.error(message));
                }
                let cast = cast(&mut inner)?;
                let window = self.optional_window(&mut inner)?;
                inner.finish()?;
                Measure::Aggregate {
                    function,
                    property,
                    cast,
                    of: EventWindow { events, window },
                }
            }
            (None, "bucket") => Measure::Bucket(of.text("a salt")?.to_owned()),
            (None, "count") => Measure::Count(self.events(of)?),
            (None, "days") => self.calendar_measure(PeriodUnit::Day, of)?,
            (None, "weeks") => self.calendar_measure(PeriodUnit::Week, of)?,
            (None, "months") => self.calendar_measure(PeriodUnit::Month, of)?,
            (None, "periods") => self.periods(of)?,
            (None, "days_since_first") => Measure::DaysSinceFirst(self.events(of)?),
            (None, "days_since_last") => Measure::DaysSinceLast(self.events(of)?),
            (None, _) => {
                let operand = attribute_operand(of, fields)?;
                if operand.attribute.table.is_none() {
                    return Err(of.error(
                        "a measure names the table of its attribute: `users.x` or `property.x`",
                    ));
                }
                Measure::Attribute(operand)
            }
        })
    }
}

fn no_measure(place: &Place<'_>) -> Diagnostic {
    place.error("this object is no measure").help(format!(
        "a measure has one of the keys {}",
        MEASURES.join(", ")
    ))
}

/// What attributes were, and what measures are compared with.
impl Reader {
    /// As [`Reader::nested`], as deep as text may be: each level of it is a parenthesis there.
    fn nested_measure<T>(
        &mut self,
        place: &Place<'_>,
        read: impl FnOnce(&mut Self) -> Read<T>,
    ) -> Read<T> {
        const LEVELS: usize = TREE_DEPTH_MAX / DEPTH_MAX;
        if self.depth + LEVELS > TREE_DEPTH_MAX {
            return Err(too_deep(place));
        }
        self.depth += LEVELS;
        let result = read(self);
        self.depth -= LEVELS;
        result
    }

    fn measure_condition(&mut self, measure: Measure, fields: &mut Fields<'_>) -> Read<ExprKind> {
        let op = fields.need("op")?;
        let value = fields.need("value")?;
        let name = op.text("an operator")?;
        if name == "between" {
            return match value.list()?.as_slice() {
                [low, high] => Ok(ExprKind::between(measure, low.number()?, high.number()?)),
                _ => Err(value.expected("two numbers")),
            };
        }
        let Some(op) = compare_op(name) else {
            return Err(op.expected("`=`, `!=`, `<`, `<=`, `>`, `>=` or `between`"));
        };
        let right = if value.value.is_object() {
            self.measure(&value)?
        } else {
            Measure::Number(value.number()?)
        };
        Ok(ExprKind::comparison(measure, op, right))
    }

    /// `[MEASURE, "-", MEASURE, …]`.
    fn arithmetic(&mut self, place: &Place<'_>) -> Read<Measure> {
        const OPS: [ArithmeticOp; 4] = [
            ArithmeticOp::Add,
            ArithmeticOp::Subtract,
            ArithmeticOp::Multiply,
            ArithmeticOp::Divide,
        ];
        let list = place.list()?;
        let Some((first, rest)) = list
            .split_first()
            .filter(|(_, rest)| !rest.is_empty() && rest.len().is_multiple_of(2))
        else {
            return Err(place.expected("measures with operators between them"));
        };
        let first = Box::new(self.measure(first)?);
        let mut parts = Vec::with_capacity(rest.len() / 2);
        for pair in rest.chunks(2) {
            let symbol = pair[0].text("an operator")?;
            let op = OPS
                .into_iter()
                .find(|op| op.symbol() == symbol)
                .ok_or_else(|| pair[0].expected("`+`, `-`, `*` or `/`"))?;
            if let Some((before, _)) = parts.last()
                && ArithmeticOp::is_multiplicative(*before) != op.is_multiplicative()
            {
                return Err(pair[0].error(
                    "one list has either `+` and `-` or `*` and `/`; put the others into a list of their own",
                ));
            }
            parts.push((op, self.measure(&pair[1])?));
        }
        Ok(Measure::Arithmetic(Arithmetic { first, rest: parts }))
    }

    fn had(&mut self, place: &Place<'_>) -> Read<ExprKind> {
        let mut fields = place.object()?;
        let operand = attribute_operand(&fields.need("attr")?, &mut fields)?;
        let test = test(&mut fields, place, &Operand::Property(String::new()))?;
        let window = self.optional_window(&mut fields)?;
        fields.finish()?;
        Ok(ExprKind::Had {
            operand,
            test,
            window,
        })
    }

    fn changed(&mut self, place: &Place<'_>) -> Read<ExprKind> {
        let mut fields = place.object()?;
        let attribute = attribute(&fields.need("attr")?)?;
        let mut value = |key| -> Read<Option<Literal>> {
            let Some(place) = fields.take(key) else {
                return Ok(None);
            };
            let value = literal(&place)?;
            let test = Test::Compare(CompareOp::Equal, value.clone());
            place.accept(checks::test_problem(&test))?;
            Ok(Some(value))
        };
        let (from, to) = (value("from")?, value("to")?);
        let window = self.optional_window(&mut fields)?;
        fields.finish()?;
        Ok(ExprKind::Changed {
            attribute,
            from,
            to,
            window,
        })
    }
}

fn held(place: &Place<'_>) -> Read<ExprKind> {
    let mut fields = place.object()?;
    let operand = attribute_operand(&fields.need("attr")?, &mut fields)?;
    let test = test(&mut fields, place, &Operand::Property(String::new()))?;
    let length_place = fields.need("for")?;
    let length = length_place.duration()?;
    length_place.accept(checks::held_problem(length))?;
    fields.finish()?;
    Ok(ExprKind::Held {
        operand,
        test,
        length,
    })
}

/// The window of a calendar whose key is `kind`; `None` for windows without one.
fn calendar(
    kind: &str,
    of: &Place<'_>,
    fields: &mut Fields<'_>,
    zone: Option<&Place<'_>>,
) -> Read<Option<Window>> {
    let civil = |place: &Place<'_>| -> Read<CivilTime> {
        let at = place.instant()?;
        if place.value.as_str().is_some_and(checks::has_offset) {
            return Err(place.error("leave out either the offset from UTC or the zone"));
        }
        Ok(CivilTime(at))
    };
    let unit = |place: &Place<'_>, ending: &str| -> Read<CalendarUnit> {
        let name = place.text("a unit of the calendar")?;
        let singular = name.strip_suffix(ending).unwrap_or(name);
        CalendarUnit::ALL
            .into_iter()
            .find(|unit| unit.name() == singular)
            .ok_or_else(|| place.expected("days, weeks, months, quarters or years"))
    };
    let period = match kind {
        "today" | "yesterday" => {
            of.is_true()?;
            if kind == "today" {
                Period::Today
            } else {
                Period::Yesterday
            }
        }
        "this" => match unit(of, "")? {
            CalendarUnit::Day => return Err(of.expected("week, month, quarter or year")),
            unit => Period::This(unit),
        },
        "last" => match fields.take("calendar") {
            None => return Ok(None),
            Some(place) => {
                let count = of
                    .value
                    .as_u64()
                    .and_then(|count| u32::try_from(count).ok());
                let count = count.ok_or_else(|| of.expected("a whole number of periods"))?;
                Period::Last(count, unit(&place, "s")?)
            }
        },
        "on" => Period::On(civil(of)?),
        "between" if zone.is_some() => match of.list()?.as_slice() {
            [from, to] => Period::Between(civil(from)?, civil(to)?),
            _ => return Err(of.expected("two instants")),
        },
        "since" if zone.is_some() && of.value.is_string() => Period::Since(civil(of)?),
        "before" if zone.is_some() && of.value.is_string() => Period::Before(civil(of)?),
        _ => return Ok(None),
    };
    let zone = zone
        .map(|zone| zone.text("a time zone"))
        .transpose()?
        .map(str::to_owned);
    of.accept(checks::calendar_problem(&period, zone.as_deref()))?;
    Ok(Some(Window::Calendar { period, zone }))
}

fn event_name(place: &Place<'_>) -> Read<EventName> {
    Ok(EventName {
        name: place.text("the name of an event")?.to_owned(),
        span: Span::default(),
    })
}

/// A user id: text or an integer.
fn user_id(place: &Place<'_>) -> Read<String> {
    match place.value {
        Value::String(id) => Ok(id.clone()),
        Value::Number(id) if id.is_i64() || id.is_u64() => Ok(id.to_string()),
        _ => Err(place.expected("a user id")),
    }
}

fn user_ids(place: &Place<'_>) -> Read<Vec<String>> {
    if !place.value.is_array() {
        return Ok(vec![user_id(place)?]);
    }
    let ids: Vec<String> = place.list()?.iter().map(user_id).collect::<Read<_>>()?;
    if ids.is_empty() {
        Err(place.error("the list is empty; it needs at least one user id"))
    } else {
        Ok(ids)
    }
}

/// `{"attr": "user_id", "op": …, "value": …}`.
fn user_id_test(fields: &mut Fields<'_>) -> Read<ExprKind> {
    let op = fields.need("op")?;
    let value = fields.need("value")?;
    let (negated, list) = match op.text("an operator")? {
        "=" => (false, false),
        "!=" => (true, false),
        "in" => (false, true),
        "not in" => (true, true),
        _ => return Err(op.expected("`=`, `!=`, `in` or `not in`")),
    };
    if list != value.value.is_array() {
        return Err(value.expected(if list { "a list" } else { "a user id" }));
    }
    let ids = ExprKind::UserId(user_ids(&value)?);
    Ok(if negated {
        ExprKind::Not(Box::new(ids.into()))
    } else {
        ids
    })
}

fn rank_size(place: &Place<'_>) -> Read<RankSize> {
    let size = match place.value {
        Value::String(text) => {
            let percent = text
                .strip_suffix('%')
                .and_then(|digits| digits.parse().ok());
            percent.map(RankSize::Percent)
        }
        value => value.as_u64().map(RankSize::Users),
    };
    let size =
        size.ok_or_else(|| place.expected("a number of users or a percentage such as `10%`"))?;
    place.accept(checks::rank_problem(size))?;
    Ok(size)
}

fn attribute(place: &Place<'_>) -> Read<AttributeRef> {
    let plain = |table, name: &str| AttributeRef {
        table,
        name: name.to_owned(),
        span: Span::default(),
    };
    if let Value::String(text) = place.value {
        return Ok(match text.split_once('.') {
            Some(("users", name)) => plain(Some(AttributeTable::Users), name),
            Some(("property", name)) => plain(Some(AttributeTable::Property), name),
            _ => plain(None, text),
        });
    }
    let mut fields = place.object()?;
    let name = fields.need("name")?.text("a name")?.to_owned();
    let table = match fields.take("table") {
        None => None,
        Some(table) => match table.text("`users` or `property`")? {
            "users" => Some(AttributeTable::Users),
            "property" => Some(AttributeTable::Property),
            _ => return Err(table.expected("`users` or `property`")),
        },
    };
    fields.finish()?;
    Ok(plain(table, &name))
}

fn attribute_operand(place: &Place<'_>, fields: &mut Fields<'_>) -> Read<AttributeOperand> {
    Ok(AttributeOperand {
        attribute: attribute(place)?,
        cast: cast(fields)?,
    })
}

fn cast(fields: &mut Fields<'_>) -> Read<Option<Cast>> {
    let Some(place) = fields.take("cast") else {
        return Ok(None);
    };
    let unit = fields.take("unit");
    let cast = match place.text("`number`, `text` or `time`")? {
        "number" => Cast::Number,
        "text" => Cast::Text,
        "time" => Cast::Time,
        _ => return Err(place.expected("`number`, `text` or `time`")),
    };
    let Some(unit) = unit else {
        return Ok(Some(cast));
    };
    match (cast, unit.text("`s` or `ms`")?) {
        (Cast::Time, "s") => Ok(Some(Cast::TimeSeconds)),
        (Cast::Time, "ms") => Ok(Some(Cast::TimeMillis)),
        (Cast::Time, _) => Err(unit.expected("`s` or `ms`")),
        _ => Err(unit.error("only the cast to `time` has a unit")),
    }
}

/// A dotted path, or its parts.
pub(super) fn path(place: &Place<'_>) -> Read<String> {
    if let Value::String(path) = place.value {
        return Ok(path.clone());
    }
    let parts = place.list()?;
    if parts.is_empty() {
        return Err(place.expected("a property"));
    }
    let parts: Vec<&str> = parts
        .iter()
        .map(|part| part.text("a part of a path"))
        .collect::<Read<_>>()?;
    Ok(parts.join("."))
}

/// What a test looks at; `names` are the words that stand for the event's name.
fn operand(fields: &mut Fields<'_>, place: &Place<'_>, names: &[&str]) -> Read<Operand> {
    const KINDS: [&str; 3] = ["prop", "hour", "weekday"];
    let Some(kind) = fields.which(&KINDS) else {
        return Err(
            place.error("what is tested? one of the keys `prop`, `hour` and `weekday` is needed")
        );
    };
    let of = fields.need(kind)?;
    if kind != "prop" {
        if of.value != "timestamp" {
            return Err(of.expected("`timestamp`"));
        }
        let zone_place = fields.take("zone");
        let zone = zone_place
            .as_ref()
            .map(|zone| zone.text("a time zone"))
            .transpose()?
            .map(str::to_owned);
        let operand = if kind == "hour" {
            Operand::Hour { zone }
        } else {
            Operand::Weekday { zone }
        };
        zone_place
            .as_ref()
            .unwrap_or(&of)
            .accept(checks::operand_problem(&operand))?;
        return Ok(operand);
    }
    let property = path(&of)?;
    let always_there = match of.value.as_str() {
        Some(name) if names.contains(&name) => Some(Operand::EventName),
        Some("timestamp") => Some(Operand::Timestamp),
        _ => None,
    };
    match (always_there, cast(fields)?) {
        (None, None) => Ok(Operand::Property(property)),
        (None, Some(cast)) => Ok(Operand::Cast { cast, property }),
        (Some(operand), None) => Ok(operand),
        (Some(_), Some(_)) => Err(of.error(format!(
            "`{property}` needs no cast; a cast takes a property"
        ))),
    }
}

fn compare_op(op: &str) -> Option<CompareOp> {
    Some(match op {
        "=" => CompareOp::Equal,
        "!=" => CompareOp::NotEqual,
        "<" => CompareOp::Less,
        "<=" => CompareOp::LessOrEqual,
        ">" => CompareOp::Greater,
        ">=" => CompareOp::GreaterOrEqual,
        _ => return None,
    })
}

fn test(fields: &mut Fields<'_>, place: &Place<'_>, operand: &Operand) -> Read<Test> {
    let op = fields.need("op")?;
    let name = op.text("an operator")?;
    let test = match name {
        "is set" => Test::IsSet,
        "is not set" => Test::IsNotSet,
        _ => {
            let value = fields.need("value")?;
            test_with_value(&op, name, &value)?
        }
    };
    place.accept(checks::leaf_problem(operand, &test))?;
    Ok(test)
}

fn test_with_value(op: &Place<'_>, name: &str, value: &Place<'_>) -> Read<Test> {
    let list = || value.list()?.iter().map(literal).collect::<Read<Vec<_>>>();
    let text = || value.text("text").map(str::to_owned);
    if let Some(op) = compare_op(name) {
        if value.value.get("attr").is_some() {
            let mut inner = value.object()?;
            let right = attribute(&inner.need("attr")?)?;
            inner.finish()?;
            if right.table.is_none() {
                return Err(value.error(
                    "an attribute on the right side names its table: `users.x` or `property.x`",
                ));
            }
            return Ok(Test::CompareAttribute(op, right));
        }
        return Ok(Test::Compare(op, literal(value)?));
    }
    Ok(match name {
        "between" => match value.list()?.as_slice() {
            [low, high] => Test::Between(literal(low)?, literal(high)?),
            _ => return Err(value.expected("two values")),
        },
        "in" => Test::In(list()?),
        "not in" => Test::NotIn(list()?),
        "contains" => Test::Contains(text()?),
        "starts with" => Test::StartsWith(text()?),
        "ends with" => Test::EndsWith(text()?),
        "like" => Test::Like(text()?),
        "ilike" => Test::ILike(text()?),
        "matches" => Test::Matches(text()?),
        "has" => Test::Has(literal(value)?),
        "has any" => Test::HasAny(list()?),
        "has all" => Test::HasAll(list()?),
        _ => return Err(op.expected("an operator such as `=`, `in`, `starts with` or `is set`")),
    })
}

fn literal(place: &Place<'_>) -> Read<Literal> {
    Ok(match place.value {
        Value::String(text) => Literal::Text(text.clone()),
        Value::Bool(value) => Literal::Bool(*value),
        Value::Number(_) => match place.number()? {
            Number::Integer(value) => Literal::Integer(value),
            Number::Float(value) => Literal::Float(value),
        },
        Value::Object(_) => {
            if let Some(point) = place.relative_time()? {
                return Ok(Literal::Time(point));
            }
            let mut fields = place.object()?;
            let instant = fields.need("at")?.instant()?;
            fields.finish()?;
            Literal::Time(TimePoint::At(instant))
        }
        Value::Null | Value::Array(_) => return Err(place.expected("a value")),
    })
}
