//! Numbers made of others, and ranks by numbers.
//!
//! The language reckons with decimals as people do: 0.1 and 0.2 are 0.3. Engines reckon with doubles.
//! So whole numbers are added, multiplied and divided, which doubles do exactly up to 53 bits, and
//! the point is put back; where that many bits do not do, the statement stops.

use crate::Refusal;
use crate::dialect::{As, Dialect};
use crate::measure::{Leaf, LeafKind};
use crate::number::EXACT;
use crate::scope::Scope;
use crate::value::{any, sign};
use crate::writer::Writer;
use crowdset_query::{ArithmeticOp, CompareOp, Measure, RankEnd, RankSize, Span};
use crowdset_types::{DECIMAL_PLACES_MAX, Decimal, as_decimal};

/// No table has more events.
const COUNT_MAX: f64 = 1_099_511_627_776.0;

/// 2^63: a double of at least so much is no integer of 64 bits.
const TOO_LARGE: f64 = 9_223_372_036_854_775_808.0;

/// Stands for the query before.
const BEFORE: &str = "<before>";

/// A row for each user, with the numbers that a calculation needs.
pub(crate) struct Table {
    users: Scope,
    /// Of measures and attributes, by name.
    leaves: Vec<(String, String)>,
    /// Of numbers made of others, each from those before.
    steps: Vec<Vec<(String, String)>>,
    /// Who is ranked: who has any of these.
    candidates: Vec<String>,
}

/// A number of each user; NULL is no value.
pub(crate) struct Amount {
    /// Of the row `c`.
    pub(crate) value: String,
    digits: Option<Digits>,
}

/// A number that is known to be short: whole digits, divided by a power of ten.
struct Digits {
    whole: String,
    places: u32,
    /// The digits are no more.
    limit: f64,
}

impl Digits {
    /// The digits with so many places, and their bound.
    fn with(&self, d: Dialect, places: u32) -> (String, f64) {
        let factor = 10_f64.powi((places - self.places) as i32);
        let whole = if places == self.places {
            self.whole.clone()
        } else {
            format!("({} * {})", self.whole, d.double(factor))
        };
        (whole, self.limit * factor)
    }
}

impl Table {
    pub(crate) fn new(users: Scope) -> Self {
        Self {
            users,
            leaves: Vec::new(),
            steps: Vec::new(),
            candidates: Vec::new(),
        }
    }

    /// A row for each user: queries, each over the one before as [`BEFORE`]. Where numbers are made of
    /// others, users are grouped, each alone: engines write out what a name stands for wherever it is
    /// used, but not beyond a group, and here every number is used many times.
    fn queries(&self) -> Vec<String> {
        let is_grouped = !self.steps.is_empty();
        let column = |name: &str, value: &str| {
            if is_grouped {
                format!("MAX({value}) AS {name}")
            } else {
                format!("{value} AS {name}")
            }
        };
        let group = |user: &str| {
            if is_grouped {
                format!(" GROUP BY {user}")
            } else {
                String::new()
            }
        };
        let user = &self.users.user;
        let is_candidate = format!(
            "CASE WHEN {} THEN 1 ELSE 0 END",
            any(self.candidates.clone())
        );
        let mut columns = vec![
            format!("{user} AS user_id"),
            column("is_candidate", &is_candidate),
        ];
        columns.extend(self.leaves.iter().map(|(name, value)| column(name, value)));
        let mut queries = vec![format!(
            "SELECT {} FROM {}{}",
            columns.join(", "),
            self.users.from(),
            group(user)
        )];
        let mut known: Vec<&str> = vec!["is_candidate"];
        known.extend(self.leaves.iter().map(|(name, _)| name.as_str()));
        for step in &self.steps {
            let mut columns = vec!["c.user_id AS user_id".to_owned()];
            let before = known.iter();
            columns.extend(before.map(|name| column(name, &format!("c.{name}"))));
            columns.extend(step.iter().map(|(name, value)| column(name, value)));
            known.extend(step.iter().map(|(name, _)| name.as_str()));
            queries.push(format!(
                "SELECT {} FROM {BEFORE} AS c{}",
                columns.join(", "),
                group("c.user_id")
            ));
        }
        queries
    }
}

impl Amount {
    fn plain(value: String) -> Self {
        Self {
            value,
            digits: None,
        }
    }

    fn short(d: Dialect, digits: Digits) -> Self {
        let value = if digits.places == 0 {
            digits.whole.clone()
        } else {
            format!(
                "({} / {})",
                digits.whole,
                d.double(10_f64.powi(digits.places as i32))
            )
        };
        Self {
            value,
            digits: Some(digits),
        }
    }
}

impl Writer<'_> {
    /// The rows of the table, to stand behind FROM.
    fn rows(&mut self, table: &Table) -> String {
        let mut queries = table.queries();
        if queries.len() == 1 {
            return format!("({})", queries.remove(0));
        }
        // One inside the other would be nested deeper than some engines read.
        let mut before = String::new();
        for query in queries {
            let query = query.replace(BEFORE, &before);
            before = self.table("crowdset_numbers_", &query);
        }
        before
    }

    /// That the numbers of the user are so.
    pub(crate) fn numbers_hold(&mut self, table: &Table, holds: &str) -> String {
        let rows = self.rows(table);
        format!("u.user_id IN (SELECT c.user_id FROM {rows} AS c WHERE {holds})")
    }

    /// A measure as a number of the table's rows.
    pub(crate) fn amount(
        &mut self,
        table: &mut Table,
        measure: &Measure,
        span: Span,
    ) -> Result<Amount, Refusal> {
        let d = self.dialect;
        match measure {
            Measure::Number(number) => {
                let value = number.to_f64();
                if value.abs() >= EXACT && value.abs() < TOO_LARGE {
                    return Err(self.cannot("arithmetic of more than 53 bits", span));
                }
                Ok(match as_decimal(value) {
                    Some(Decimal { scaled, places }) => Amount::short(
                        d,
                        Digits {
                            whole: d.double(scaled as f64),
                            places,
                            limit: scaled.unsigned_abs() as f64,
                        },
                    ),
                    None => Amount::plain(d.double(value)),
                })
            }
            Measure::Negative(inner) => {
                let inner = self.amount(table, inner, span)?;
                let zero = d.double(0.0);
                Ok(match inner.digits {
                    Some(digits) => Amount::short(
                        d,
                        Digits {
                            whole: format!("({zero} - {})", digits.whole),
                            ..digits
                        },
                    ),
                    None => Amount::plain(format!("({zero} - {})", inner.value)),
                })
            }
            Measure::Arithmetic(arithmetic) => {
                let mut amount = self.amount(table, &arithmetic.first, span)?;
                for (op, part) in &arithmetic.rest {
                    let part = self.amount(table, part, span)?;
                    amount = self.calculated(table, *op, &amount, &part);
                }
                Ok(amount)
            }
            Measure::Attribute(operand) => {
                let of = self.attribute_number(&mut table.users, operand, span)?;
                let Some(number) = of else {
                    return Ok(Amount::plain(d.try_double("'none'")));
                };
                // What is no number to compare (NaN) is a value all the same.
                let of = self.attribute(&mut table.users, &operand.attribute)?;
                table.candidates.push(if of.read.is_none() {
                    of.is_set
                } else {
                    format!("{} IS NOT NULL", number.double)
                });
                let settled = settled(d, &number.double);
                Ok(Amount::plain(self.leaf_column(table, settled)))
            }
            Measure::Bucket(salt) => {
                let user = d.as_text(&table.users.user);
                let Some(share) = d.bucket(salt, &user) else {
                    return Err(self.cannot("`bucket`, which takes a hash it has not,", span));
                };
                table.candidates.push("TRUE".to_owned());
                Ok(Amount::plain(self.leaf_column(table, share)))
            }
            leaf => {
                let Leaf {
                    query,
                    is_total,
                    kind,
                } = self.leaf(leaf, span)?;
                let row = self.alias("g");
                table
                    .users
                    .join("LEFT JOIN", &format!("({query})"), &row, "");
                table.candidates.push(format!("{row}.user_id IS NOT NULL"));
                let mut value = format!("{row}.value");
                if is_total {
                    value = format!("COALESCE({value}, {})", d.double(0.0));
                }
                if kind == LeafKind::Wide {
                    value = settled(d, &value);
                }
                let column = self.leaf_column(table, value);
                if kind != LeafKind::Count {
                    return Ok(Amount::plain(column));
                }
                Ok(Amount::short(
                    d,
                    Digits {
                        whole: column,
                        places: 0,
                        limit: COUNT_MAX,
                    },
                ))
            }
        }
    }

    fn leaf_column(&mut self, table: &mut Table, value: String) -> String {
        let name = self.alias("v");
        let column = format!("c.{name}");
        table.leaves.push((name, value));
        column
    }

    fn step(&mut self, table: &mut Table, value: String) -> String {
        let name = self.alias("v");
        let column = format!("c.{name}");
        table.steps.push(vec![(name, value)]);
        column
    }

    fn calculated(
        &mut self,
        table: &mut Table,
        op: ArithmeticOp,
        left: &Amount,
        right: &Amount,
    ) -> Amount {
        let d = self.dialect;
        let symbol = op.symbol();
        if op == ArithmeticOp::Divide && right.digits.as_ref().is_some_and(|two| two.limit == 0.0) {
            // A quotient by a written zero, which some engines do not even plan.
            return Amount::plain(d.try_double("'none'"));
        }
        if let (Some(one), Some(two)) = (&left.digits, &right.digits) {
            let places = one.places.max(two.places);
            let ((a, a_limit), (b, b_limit)) = (one.with(d, places), two.with(d, places));
            let product = one.places + two.places;
            let digits = match op {
                ArithmeticOp::Add | ArithmeticOp::Subtract => Digits {
                    whole: format!("({a} {symbol} {b})"),
                    places,
                    limit: a_limit + b_limit,
                },
                ArithmeticOp::Multiply => Digits {
                    whole: format!("({} * {})", one.whole, two.whole),
                    places: product,
                    limit: one.limit * two.limit,
                },
                ArithmeticOp::Divide => Digits {
                    whole: format!("({a} / NULLIF({b}, {}))", d.double(0.0)),
                    places: 0,
                    limit: a_limit.max(b_limit),
                },
            };
            if digits.limit < EXACT {
                let is_short = op != ArithmeticOp::Divide && digits.places <= DECIMAL_PLACES_MAX;
                let amount = Amount::short(d, digits);
                return if is_short {
                    amount
                } else {
                    Amount::plain(self.step(table, amount.value))
                };
            }
        }
        let (a, b) = (&left.value, &right.value);
        let mut scales = Vec::new();
        let mut scale = |amount: &Amount| {
            if let Some(digits) = &amount.digits {
                return d.double(10_f64.powi(digits.places as i32));
            }
            let name = self.alias("v");
            let column = format!("c.{name}");
            scales.push((name, scale_of(d, &amount.value)));
            column
        };
        let (one, two) = (scale(left), scale(right));
        if !scales.is_empty() {
            table.steps.push(scales);
        }
        let whole =
            |value: &str, scale: &str| format!("FLOOR({value} * {scale} + {})", d.double(0.5));
        let both = format!("GREATEST({one}, {two})");
        let (same_a, same_b) = (whole(a, &both), whole(b, &both));
        let half = d.double(EXACT / 2.0);
        let fits = format!("ABS({same_a}) < {half} AND ABS({same_b}) < {half}");
        let (fits, exact) = match op {
            ArithmeticOp::Add | ArithmeticOp::Subtract => {
                (fits, format!("({same_a} {symbol} {same_b}) / {both}"))
            }
            ArithmeticOp::Multiply => {
                let product = format!("{} * {}", whole(a, &one), whole(b, &two));
                (
                    format!("ABS({product}) < {}", d.double(EXACT)),
                    format!("{product} / ({one} * {two})"),
                )
            }
            ArithmeticOp::Divide => (fits, format!("{same_a} / {same_b}")),
        };
        let stop = d.stop(
            "no exact arithmetic: a result has more than 53 bits, of user ",
            "c.user_id",
            As::Double,
        );
        let by_zero = if op == ArithmeticOp::Divide {
            format!(" WHEN {b} = {} THEN NULL", d.double(0.0))
        } else {
            String::new()
        };
        let rough = format!("({a} {symbol} {b})");
        let largest = d.double(f64::MAX);
        let value = format!(
            "CASE WHEN {a} IS NULL OR {b} IS NULL THEN NULL{by_zero} WHEN {one} IS NOT NULL AND {two} IS NOT NULL THEN CASE WHEN {fits} THEN {exact} ELSE {stop} END WHEN ABS({rough}) <= {largest} THEN {rough} END"
        );
        Amount::plain(self.step(table, value))
    }

    pub(crate) fn measures_compare(
        &mut self,
        left: &Measure,
        op: CompareOp,
        right: &Measure,
        span: Span,
    ) -> Result<String, Refusal> {
        let mut table = self.calculation();
        let left = self.amount(&mut table, left, span)?;
        let right = self.amount(&mut table, right, span)?;
        let holds = format!("{} {} {}", left.value, sign(op), right.value);
        Ok(self.numbers_hold(&table, &holds))
    }

    pub(crate) fn rank(
        &mut self,
        end: RankEnd,
        size: RankSize,
        measure: &Measure,
        span: Span,
    ) -> Result<String, Refusal> {
        let mut table = self.calculation();
        let amount = self.amount(&mut table, measure, span)?;
        let order = if end == RankEnd::Top { "DESC" } else { "ASC" };
        let (measured, ranked) = (self.alias("m"), self.alias("r"));
        let place = format!("{ranked}.place");
        let is_in = match size {
            RankSize::Users(users) => format!("{place} <= {}", users.min(i64::MAX as u64)),
            RankSize::Percent(percent) => {
                // Whole numbers: a share that falls on a user's place includes that user.
                let text = percent.to_string();
                let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
                let digits = format!("{whole}{part}");
                if digits.len() > 9 {
                    return Err(self.cannot("a share of so many digits", span));
                }
                let hundred = format!("100{}", "0".repeat(part.len()));
                let digits = digits.trim_start_matches('0');
                format!("{place} * {hundred} <= {ranked}.candidates * {digits}")
            }
        };
        let rows = self.rows(&table);
        // Who has events but no value counts among those the per cent are of, and ranks last.
        let missing = format!("CASE WHEN {measured}.number IS NULL THEN 1 ELSE 0 END");
        Ok(format!(
            "u.user_id IN (SELECT {ranked}.user_id FROM (SELECT {measured}.user_id AS user_id, {measured}.number AS number, COUNT(*) OVER () AS candidates, ROW_NUMBER() OVER (ORDER BY {missing}, {measured}.number {order}, {measured}.user_id) AS place FROM (SELECT c.user_id AS user_id, {} AS number FROM {rows} AS c WHERE c.is_candidate = 1) AS {measured}) AS {ranked} WHERE {ranked}.number IS NOT NULL AND {is_in})",
            amount.value
        ))
    }
}

/// A number that is exact as a double; stops the statement where it may not be.
fn settled(d: Dialect, value: &str) -> String {
    let stop = d.stop("no exact number: more than 53 bits: ", value, As::Double);
    format!(
        "CASE WHEN ABS({value}) >= {} AND ABS({value}) < {} THEN {stop} ELSE {value} END",
        d.double(EXACT),
        d.double(TOO_LARGE)
    )
}

/// The power of ten that makes a number whole, NULL if it has more than six places. Stops the
/// statement where digits do not fit 53 bits.
fn scale_of(d: Dialect, value: &str) -> String {
    let whole = |power: f64| {
        let power = d.double(power);
        let half = d.double(0.5);
        format!("FLOOR({value} * {power} + {half}) / {power} = {value}")
    };
    let below = |bound: f64| format!("ABS({value}) < {}", d.double(bound));
    let stop = d.stop(
        "no exact arithmetic: a number has more than 53 bits, of user ",
        "c.user_id",
        As::Double,
    );
    format!(
        "CASE WHEN {} AND {value} = FLOOR({value}) THEN {} WHEN {} AND {} THEN {} WHEN {} AND {} THEN {} WHEN NOT {} AND {} THEN {stop} END",
        below(EXACT),
        d.double(1.0),
        below(9e13),
        whole(1e2),
        d.double(1e2),
        below(9e9),
        whole(1e6),
        d.double(1e6),
        below(9e9),
        below(TOO_LARGE),
    )
}
