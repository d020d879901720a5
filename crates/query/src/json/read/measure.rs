//! Numbers per user.

use super::value::{attribute_operand, cast, compare_op, path};
use super::{MEASURES, Reader, TREE_DEPTH_MAX, too_deep};
use crate::ast::{Aggregate, Arithmetic, ArithmeticOp, EventWindow, ExprKind, Measure, PeriodUnit};
use crate::diagnostic::Diagnostic;
use crate::json::place::{Fields, Place, Read};

impl Reader {
    pub(super) fn measure_condition(
        &mut self,
        measure: Measure,
        fields: &mut Fields<'_>,
    ) -> Read<ExprKind> {
        let op = fields.need("op")?;
        let value = fields.need("value")?;
        let name = op.text("an operator")?;
        if name == "between" {
            let [low, high] = value.pair("two numbers")?;
            return Ok(ExprKind::between(measure, low.number()?, high.number()?));
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

    /// What is made of other measures is read without recursion, as conditions are.
    pub(super) fn measure(&mut self, place: &Place<'_>) -> Read<Measure> {
        let mut open: Vec<Open<'_>> = Vec::new();
        let mut next = place.clone();
        loop {
            if self.depth + open.len() == TREE_DEPTH_MAX {
                return Err(too_deep(&next));
            }
            let mut done = match self.branch_of_measure(&next)? {
                Branch::Inner(what, inner) => {
                    open.push(what);
                    next = inner;
                    continue;
                }
                Branch::Leaf(leaf) => leaf,
            };
            next = loop {
                match open.pop() {
                    None => return Ok(done),
                    Some(Open::Negative(of)) => {
                        if let Measure::Number(_) = done {
                            return Err(of.error("the negative of a number is a number"));
                        }
                        done = Measure::Negative(Box::new(done));
                    }
                    Some(Open::Arithmetic { before, mut items }) => {
                        let arithmetic = match before {
                            None => Arithmetic {
                                first: Box::new(done),
                                rest: Vec::new(),
                            },
                            Some((mut arithmetic, op)) => {
                                arithmetic.rest.push((op, done));
                                arithmetic
                            }
                        };
                        if let Some((op, place)) = next_part(&arithmetic, &mut *items)? {
                            let before = Some((arithmetic, op));
                            open.push(Open::Arithmetic { before, items });
                            break place;
                        }
                        done = Measure::Arithmetic(arithmetic);
                    }
                }
            };
        }
    }

    fn branch_of_measure<'a>(&mut self, place: &Place<'a>) -> Read<Branch<'a>> {
        if place.value.is_number() {
            return Ok(Branch::Leaf(Measure::Number(place.number()?)));
        }
        let mut fields = place.object()?;
        let Some(kind) = fields.which(&MEASURES) else {
            return Err(no_measure(place));
        };
        let of = fields.need(kind)?;
        let branch = match kind {
            "negative" => Branch::Inner(Open::Negative(of.clone()), of),
            "arithmetic" => {
                let count = of.value.as_array().map_or(0, Vec::len);
                let mut items = of.items()?;
                let (Some(first), false) = (items.next(), count < 3 || count.is_multiple_of(2))
                else {
                    return Err(of.expected("measures with operators between them"));
                };
                let arithmetic = Open::Arithmetic {
                    before: None,
                    items: Box::new(items),
                };
                Branch::Inner(arithmetic, first)
            }
            _ => Branch::Leaf(self.single_measure(kind, &of, &mut fields)?),
        };
        fields.finish_kind(kind, &MEASURES)?;
        Ok(branch)
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

pub(super) fn no_measure(place: &Place<'_>) -> Diagnostic {
    place.error("this object is no measure").help(format!(
        "a measure has one of the keys {}",
        MEASURES.join(", ")
    ))
}

/// What stands at the place of a measure.
enum Branch<'a> {
    /// What is open now, and what stands in it first.
    Inner(Open<'a>, Place<'a>),
    Leaf(Measure),
}

/// What has begun and waits for its parts.
enum Open<'a> {
    /// Of what stands here.
    Negative(Place<'a>),
    /// `[MEASURE, "-", MEASURE, …]`, of which some measure is being read.
    Arithmetic {
        /// What stands before it.
        before: Option<(Arithmetic, ArithmeticOp)>,
        /// What stands behind it.
        items: Box<dyn Iterator<Item = Place<'a>> + 'a>,
    },
}

/// The operator behind what was read of a list, and where the measure behind it stands.
fn next_part<'a>(
    read: &Arithmetic,
    items: &mut dyn Iterator<Item = Place<'a>>,
) -> Read<Option<(ArithmeticOp, Place<'a>)>> {
    const OPS: [ArithmeticOp; 4] = [
        ArithmeticOp::Add,
        ArithmeticOp::Subtract,
        ArithmeticOp::Multiply,
        ArithmeticOp::Divide,
    ];
    let (Some(symbol), Some(part)) = (items.next(), items.next()) else {
        return Ok(None);
    };
    let text = symbol.text("an operator")?;
    let op = OPS
        .into_iter()
        .find(|op| op.symbol() == text)
        .ok_or_else(|| symbol.expected("`+`, `-`, `*` or `/`"))?;
    if let Some((before, _)) = read.rest.last()
        && before.is_multiplicative() != op.is_multiplicative()
    {
        return Err(symbol.error(
            "one list has either `+` and `-` or `*` and `/`; put the others into a list of their own",
        ));
    }
    Ok(Some((op, part)))
}
