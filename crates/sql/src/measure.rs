//! Numbers per user, and ranks by them.

use crate::Refusal;
use crate::condition::Writer;
use crate::event::Rows;
use crate::value::{all, sign};
use crowdset_query::{
    Aggregate, CompareOp, Measure, NumberTest, PeriodUnit, RankEnd, RankSize, Span, Window,
};
use crowdset_types::{Number, as_decimal, compare_numbers};

/// A number per user that has rows: the aggregate over the rows of a group.
struct Grouped {
    user: String,
    from: String,
    filter: String,
    value: String,
    /// Who has no rows, or none that count, has 0 rather than no value.
    is_total: bool,
    /// Numbers are decimals of six places, not doubles.
    is_decimal: bool,
    /// Doubles hold every value of it.
    is_exact: bool,
}

impl Writer<'_> {
    pub(crate) fn measure_holds(
        &mut self,
        measure: &Measure,
        test: &NumberTest,
        span: Span,
    ) -> Result<String, Refusal> {
        if let Measure::Attribute(operand) = measure {
            let of = self.attribute(&operand.attribute)?;
            let sides = self.cast(of.sides, operand.cast, true, span)?;
            let Some(number) = sides.number else {
                return Ok("FALSE".to_owned());
            };
            let test = self.number_test(&number, test, false, span)?;
            return Ok(of.place.user_with(&format!("COALESCE({test}, FALSE)")));
        }
        let Grouped {
            user,
            from,
            filter,
            value,
            is_total,
            is_decimal,
            ..
        } = self.grouped(measure, span)?;
        let condition = self.number_test(&value, test, is_decimal, span)?;
        let (word, having) = if is_total && holds(Number::Integer(0), test) {
            ("NOT IN", format!("NOT ({condition})"))
        } else {
            ("IN", condition)
        };
        Ok(format!(
            "u.user_id {word} (SELECT {user} FROM {from} WHERE {filter} GROUP BY {user} HAVING {having})"
        ))
    }

    fn number_test(
        &self,
        value: &str,
        test: &NumberTest,
        is_decimal: bool,
        span: Span,
    ) -> Result<String, Refusal> {
        let number = |number: Number| {
            let literal = self.number(number.to_f64(), span)?;
            if !is_decimal {
                return Ok(literal);
            }
            match as_decimal(number.to_f64()) {
                Some(decimal) => Ok(format!(
                    "(CAST({} AS DECIMAL(38, 6)) / 1{})",
                    decimal.scaled,
                    "0".repeat(decimal.places as usize)
                )),
                None => {
                    Err(self.cannot("a sum compared with a number of more than 6 places", span))
                }
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

    fn grouped(&mut self, measure: &Measure, span: Span) -> Result<Grouped, Refusal> {
        let d = self.dialect;
        let over = |rows: Rows, value: String, is_total: bool| Grouped {
            user: format!("{}.user_id", rows.row),
            from: rows.from,
            filter: rows.filter,
            value,
            is_total,
            is_decimal: false,
            is_exact: true,
        };
        match measure {
            Measure::Count(of) => {
                let rows = self.events(of)?;
                Ok(over(rows, d.as_double("COUNT(*)"), true))
            }
            Measure::DaysSinceFirst(of) => {
                let rows = self.events(of)?;
                let since = d.as_double(&format!("{} - MIN({}.at_ms)", self.as_of.0, rows.row));
                Ok(over(rows, format!("{since} / {}", d.double(8.64e7)), false))
            }
            Measure::DaysSinceLast(of) => {
                let rows = self.events(of)?;
                let since = d.as_double(&format!("{} - MAX({}.at_ms)", self.as_of.0, rows.row));
                Ok(over(rows, format!("{since} / {}", d.double(8.64e7)), false))
            }
            Measure::Calendar { unit, zone, of } => {
                let zone = zone.as_deref().or(of.window.zone());
                if zone.is_some_and(|zone| zone != "UTC") {
                    return Err(self.cannot("a time zone other than UTC", span));
                }
                let rows = self.events(of)?;
                let at = format!("{}.at_ms", rows.row);
                let day = format!("FLOOR({at} / {})", d.double(8.64e7));
                let period = match unit {
                    PeriodUnit::Day => day,
                    // The first day of the epoch was a Thursday.
                    PeriodUnit::Week => {
                        format!("FLOOR(({day} + {}) / {})", d.double(3.0), d.double(7.0))
                    }
                    PeriodUnit::Month => match d.month(&at) {
                        Some(month) => month,
                        None => return Err(self.cannot("`months`", span)),
                    },
                };
                let value = d.as_double(&format!("COUNT(DISTINCT {period})"));
                Ok(over(rows, value, true))
            }
            Measure::Periods { length, each, of } => {
                let end = match &of.window {
                    Window::Ever | Window::Last(_) | Window::Since(_) => self.as_of.0,
                    Window::Between(_, end) | Window::Before(end) => {
                        self.instant(end).min(self.as_of.0)
                    }
                    other => match other.calendar_range(self.as_of) {
                        Some(range) => range.to.0.min(self.as_of.0),
                        None => {
                            return Err(
                                self.cannot("`periods` in a window of the user's own", span)
                            );
                        }
                    },
                };
                let rows = self.events(of)?;
                let slice = format!(
                    "FLOOR(({} - {}.at_ms) / {})",
                    end.saturating_sub(1),
                    rows.row,
                    d.double(length.0 as f64)
                );
                let alias = self.alias("p");
                let from = format!(
                    "(SELECT {row}.user_id AS user_id, {slice} AS slice FROM {} WHERE {} GROUP BY {row}.user_id, {slice} HAVING COUNT(*) >= {each}) AS {alias}",
                    rows.from,
                    rows.filter,
                    row = rows.row
                );
                let rows = Rows {
                    row: alias,
                    from,
                    filter: "TRUE".to_owned(),
                };
                Ok(over(rows, d.as_double("COUNT(*)"), true))
            }
            Measure::Aggregate {
                function,
                property,
                cast,
                of,
            } => {
                let rows = self.events(of)?;
                let sides = self.property(&rows.row, property, span)?;
                let sides = self.cast(sides, *cast, false, span)?;
                let number = sides.number.clone().unwrap_or_else(|| "NULL".to_owned());
                match function {
                    Aggregate::Min | Aggregate::Max => {
                        let name = if *function == Aggregate::Min {
                            "MIN"
                        } else {
                            "MAX"
                        };
                        Ok(Grouped {
                            is_exact: false,
                            ..over(rows, format!("{name}({number})"), false)
                        })
                    }
                    Aggregate::Sum | Aggregate::Avg => {
                        let Some(decimal) = d.decimal(&number) else {
                            return Err(self.cannot("an exact sum", span));
                        };
                        if *function == Aggregate::Sum {
                            let value = format!("COALESCE(SUM({decimal}), 0)");
                            return Ok(Grouped {
                                is_decimal: true,
                                ..over(rows, value, true)
                            });
                        }
                        let sum = d.as_double(&d.as_text(&format!("SUM({decimal})")));
                        let value = format!("{sum} / NULLIF(COUNT({number}), 0)");
                        Ok(over(rows, value, false))
                    }
                    Aggregate::Distinct => {
                        let Some(key) = d.distinct(&sides) else {
                            return Err(self.cannot("`distinct`", span));
                        };
                        let value = d.as_double(&format!("COUNT(DISTINCT {key})"));
                        Ok(over(rows, value, true))
                    }
                }
            }
            _ => Err(self.cannot("this measure", span)),
        }
    }

    pub(crate) fn rank(
        &mut self,
        end: RankEnd,
        size: RankSize,
        measure: &Measure,
        span: Span,
    ) -> Result<String, Refusal> {
        if matches!(measure, Measure::Attribute(_) | Measure::Periods { .. }) {
            return Err(self.cannot("a rank by this measure", span));
        }
        let Grouped {
            user,
            from,
            filter,
            value,
            is_exact,
            ..
        } = self.grouped(measure, span)?;
        if !is_exact {
            return Err(self.cannot("a rank by numbers that may have more than 53 bits", span));
        }
        let order = if end == RankEnd::Top { "DESC" } else { "ASC" };
        let (measured, ranked) = (self.alias("m"), self.alias("r"));
        let bound = match size {
            RankSize::Users(users) => users.min(i64::MAX as u64).to_string(),
            RankSize::Percent(percent) => {
                let d = self.dialect;
                let (candidates, percent) = (
                    d.as_double(&format!("{ranked}.candidates")),
                    d.double(percent),
                );
                format!("FLOOR({candidates} * {percent} / {})", d.double(100.0))
            }
        };
        // Who has events but no value counts among those the per cent are of, and ranks last.
        let missing = format!("CASE WHEN {measured}.number IS NULL THEN 1 ELSE 0 END");
        let filter = all(vec![
            filter,
            format!("{user} IN (SELECT user_id FROM users)"),
        ]);
        Ok(format!(
            "u.user_id IN (SELECT {ranked}.user_id FROM (SELECT {measured}.user_id AS user_id, {measured}.number AS number, COUNT(*) OVER () AS candidates, ROW_NUMBER() OVER (ORDER BY {missing}, {measured}.number {order}, {measured}.user_id) AS place FROM (SELECT {user} AS user_id, {value} AS number FROM {from} WHERE {filter} GROUP BY {user}) AS {measured}) AS {ranked} WHERE {ranked}.number IS NOT NULL AND {ranked}.place <= {bound})"
        ))
    }
}

/// Whether a known number passes.
fn holds(number: Number, test: &NumberTest) -> bool {
    let order = |other| compare_numbers(number, other);
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
