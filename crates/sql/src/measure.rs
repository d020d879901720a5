//! Numbers per user.

use crate::Refusal;
use crate::calculated::Table;
use crate::dialect::{As, Dialect};
use crate::number::{EXACT, Number};
use crate::scope::Scope;
use crate::value::{Sides, any, sign, sure};
use crate::window::Edge;
use crate::writer::Writer;
use crowdset_query::{
    Aggregate, AnchorRelation, AttributeOperand, Cast, CompareOp, EventWindow, Measure, NumberTest,
    Span, Window,
};
use crowdset_types::compare_numbers;

/// What one measure says of each user who has events of it.
pub(crate) struct Leaf {
    /// Users and their `value`, which may be NULL.
    pub(crate) query: String,
    /// Who has no rows has 0 rather than no value.
    pub(crate) is_total: bool,
    /// What it is made of.
    pub(crate) kind: LeafKind,
}

/// What numbers a measure has.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum LeafKind {
    /// As many as there are events at most.
    Count,
    /// Doubles.
    Double,
    /// Numbers of more than 53 bits among them, read as doubles.
    Wide,
}

impl Writer<'_> {
    pub(crate) fn measure_holds(
        &mut self,
        users: &mut Scope,
        measure: &Measure,
        test: &NumberTest,
        span: Span,
    ) -> Result<String, Refusal> {
        match measure {
            Measure::Attribute(operand) => {
                let of = self.attribute_number(users, operand, span)?;
                let tests = of.iter().map(|number| {
                    let test = self.number_test(&number.double, test, span)?;
                    Ok(sure(&test))
                });
                Ok(any(tests.collect::<Result<_, Refusal>>()?))
            }
            Measure::Negative(_)
            | Measure::Arithmetic(_)
            | Measure::Number(_)
            | Measure::Bucket(_) => {
                let mut table = self.calculation();
                let amount = self.amount(&mut table, measure, span)?;
                let holds = self.number_test(&amount.value, test, span)?;
                Ok(self.numbers_hold(&table, &holds))
            }
            leaf => {
                let Leaf {
                    query, is_total, ..
                } = self.leaf(leaf, span)?;
                let row = self.alias("g");
                let holds = self.number_test(&format!("{row}.value"), test, span)?;
                Ok(if is_total && zero_holds(test) {
                    format!(
                        "u.user_id NOT IN (SELECT {row}.user_id FROM ({query}) AS {row} WHERE NOT ({holds}))"
                    )
                } else {
                    format!(
                        "u.user_id IN (SELECT {row}.user_id FROM ({query}) AS {row} WHERE {holds})"
                    )
                })
            }
        }
    }

    pub(crate) fn number_test(
        &self,
        value: &str,
        test: &NumberTest,
        span: Span,
    ) -> Result<String, Refusal> {
        let number = |number: crowdset_types::Number| {
            let number = number.to_f64();
            if number.abs() < EXACT {
                Ok(self.dialect.double(number))
            } else {
                Err(self.cannot("a measure beside a number of more than 53 bits", span))
            }
        };
        Ok(match test {
            NumberTest::Compare(op, other) => format!("{value} {} {}", sign(*op), number(*other)?),
            NumberTest::Between(low, high) => {
                format!(
                    "({value} >= {} AND {value} <= {})",
                    number(*low)?,
                    number(*high)?
                )
            }
        })
    }

    /// The number that an attribute is, or reads as.
    pub(crate) fn attribute_number(
        &mut self,
        users: &mut Scope,
        operand: &AttributeOperand,
        span: Span,
    ) -> Result<Option<Number>, Refusal> {
        let of = self.attribute(users, &operand.attribute)?;
        let of = self.cast(of, operand.cast, span)?;
        // Text made by a cast reads as a number as other text does.
        let Sides {
            number, read, text, ..
        } = of;
        let d = self.dialect;
        let read = match (read, text) {
            (None, Some(text)) if operand.cast == Some(Cast::Text) => {
                Some(Number::of(d, d.number_of_text(&text), &text))
            }
            (read, _) => read,
        };
        Ok(match (number, read) {
            (Some(number), Some(read)) => Some(number.or(read)),
            (number, read) => number.or(read),
        })
    }

    pub(crate) fn calculation(&mut self) -> Table {
        let row = self.alias("w");
        Table::new(Scope::of_users(row))
    }

    /// A measure of events.
    pub(crate) fn leaf(&mut self, measure: &Measure, span: Span) -> Result<Leaf, Refusal> {
        let d = self.dialect;
        let leaf = |scope: &Scope, value: &str, is_total: bool, kind: LeafKind| Leaf {
            query: grouped(scope, value),
            is_total,
            kind,
        };
        match measure {
            Measure::Count(of) => {
                let scope = self.events(of)?;
                let count = d.as_double("COUNT(*)");
                Ok(leaf(&scope, &count, true, LeafKind::Count))
            }
            Measure::DaysSinceFirst(of) => self.days_since(of, "MIN"),
            Measure::DaysSinceLast(of) => self.days_since(of, "MAX"),
            Measure::Calendar { unit, zone, of } => {
                let scope = self.events(of)?;
                let zone = zone.as_deref().or(of.window.zone());
                let period = self.period(&scope, *unit, zone, span)?;
                let count = d.as_double(&format!("COUNT(DISTINCT {period})"));
                Ok(leaf(&scope, &count, true, LeafKind::Count))
            }
            Measure::Periods { length, each, of } => {
                let (scope, mut bounds) = self.events_in(of)?;
                // A window that holds both its ends ends with an instant.
                if let (
                    Window::Anchored {
                        relation: AnchorRelation::WithinAfter(_) | AnchorRelation::WithinBefore(_),
                        ..
                    },
                    Some(Edge::Own(_, later)),
                ) = (&of.window, &mut bounds.to)
                {
                    *later -= 1;
                }
                let end = self.end(&bounds);
                let before = format!("{end} - 1 - {}.at_ms", scope.row);
                // An event at the very end belongs to the slice before it.
                let slice = format!(
                    "FLOOR(CASE WHEN {before} > 0 THEN {before} ELSE 0 END / {})",
                    d.double(length.0 as f64)
                );
                let row = self.alias("q");
                let slices = format!(
                    "SELECT {user} AS user_id, {slice} AS slice, COUNT(*) AS held FROM {} WHERE {} GROUP BY {user}, {slice}",
                    scope.from(),
                    scope.filter(),
                    user = scope.user,
                );
                let scope = Scope::new(&format!("({slices})"), row);
                let full = format!(
                    "SUM(CASE WHEN {}.held >= {each} THEN 1 ELSE 0 END)",
                    scope.row
                );
                Ok(leaf(&scope, &d.as_double(&full), true, LeafKind::Count))
            }
            Measure::Aggregate {
                function,
                property,
                cast,
                of,
            } => self.aggregate(*function, property, *cast, of, span),
            _ => Err(self.cannot("this measure", span)),
        }
    }

    fn days_since(&mut self, of: &EventWindow, which: &str) -> Result<Leaf, Refusal> {
        let d = self.dialect;
        let scope = self.events(of)?;
        let since = format!("{} - {which}({}.at_ms)", self.as_of.0, scope.row);
        let days = format!("{} / {}", d.as_double(&since), d.double(8.64e7));
        Ok(Leaf {
            query: grouped(&scope, &days),
            is_total: false,
            kind: LeafKind::Double,
        })
    }

    fn aggregate(
        &mut self,
        function: Aggregate,
        property: &str,
        cast: Option<Cast>,
        of: &EventWindow,
        span: Span,
    ) -> Result<Leaf, Refusal> {
        let d = self.dialect;
        let scope = self.events(of)?;
        let sides = self.property(&scope.row, property, span)?;
        let sides = self.cast(sides, cast, span)?;
        let number = sides.number.as_ref().map(|number| number.double.clone());
        let number = number.unwrap_or_else(|| d.try_double("'none'"));
        let (query, is_total, kind) = match function {
            Aggregate::Min => (
                grouped(&scope, &format!("MIN({number})")),
                false,
                LeafKind::Wide,
            ),
            Aggregate::Max => (
                grouped(&scope, &format!("MAX({number})")),
                false,
                LeafKind::Wide,
            ),
            Aggregate::Distinct => {
                let count = format!("COUNT(DISTINCT {})", self.distinct(&sides));
                (grouped(&scope, &d.as_double(&count)), true, LeafKind::Count)
            }
            Aggregate::Sum | Aggregate::Avg => {
                let sum = self.alias("t");
                let query = format!(
                    "SELECT {user} AS user_id, SUM({}) AS millionths, COUNT({number}) AS numbers FROM {} WHERE {} GROUP BY {user}",
                    millionths(d, &number),
                    scope.from(),
                    scope.filter(),
                    user = scope.user
                );
                let total = total(d, &format!("{sum}.millionths"));
                let (value, is_total) = if function == Aggregate::Sum {
                    (format!("COALESCE({total}, {})", d.double(0.0)), true)
                } else {
                    let numbers = d.as_double(&format!("NULLIF({sum}.numbers, 0)"));
                    (format!("{total} / {numbers}"), false)
                };
                let query = format!(
                    "SELECT {sum}.user_id AS user_id, {value} AS value FROM ({query}) AS {sum}"
                );
                let kind = if is_total {
                    LeafKind::Wide
                } else {
                    LeafKind::Double
                };
                (query, is_total, kind)
            }
        };
        Ok(Leaf {
            query,
            is_total,
            kind,
        })
    }
}

fn grouped(scope: &Scope, value: &str) -> String {
    format!(
        "SELECT {user} AS user_id, {value} AS value FROM {} WHERE {} GROUP BY {user}",
        scope.from(),
        scope.filter(),
        user = scope.user
    )
}

/// A double in millionths, for exact sums. Stops the statement where it has more places or more than
/// 53 bits: its sum would depend on the order of rows.
fn millionths(d: Dialect, number: &str) -> String {
    let million = d.double(1e6);
    let scaled = format!("FLOOR({number} * {million} + {})", d.double(0.5));
    let small = d.wide(&d.as_integer(&scaled));
    let whole = d.wide(&d.as_integer(number));
    let stop = d.stop(
        "no exact sum: a number has more than 6 places or 53 bits: ",
        number,
        As::Integer,
    );
    format!(
        "CASE WHEN {number} IS NULL THEN NULL WHEN ABS({number}) < {} AND {scaled} / {million} = {number} THEN {small} WHEN {number} = FLOOR({number}) AND ABS({number}) < {} THEN {} ELSE {stop} END",
        d.double(9e9),
        d.double(EXACT),
        d.wide(&format!("{whole} * 1000000")),
    )
}

/// The double nearest to a sum of millionths.
fn total(d: Dialect, sum: &str) -> String {
    let text = d.joined(&[&d.as_text(sum), "'e-6'"]);
    format!(
        "CASE WHEN ABS({sum}) < 9007199254740992 THEN {} / {} ELSE {} END",
        d.as_double(sum),
        d.double(1e6),
        d.try_double(&text)
    )
}

/// Whether 0 passes.
fn zero_holds(test: &NumberTest) -> bool {
    let order = |other| compare_numbers(crowdset_types::Number::Integer(0), other);
    match test {
        NumberTest::Compare(op, other) => order(*other).is_some_and(|order| match op {
            CompareOp::Equal => order.is_eq(),
            CompareOp::NotEqual => order.is_ne(),
            CompareOp::Less => order.is_lt(),
            CompareOp::LessOrEqual => order.is_le(),
            CompareOp::Greater => order.is_gt(),
            CompareOp::GreaterOrEqual => order.is_ge(),
        }),
        NumberTest::Between(low, high) => {
            order(*low).is_some_and(std::cmp::Ordering::is_ge)
                && order(*high).is_some_and(std::cmp::Ordering::is_le)
        }
    }
}
