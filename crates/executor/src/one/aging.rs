//! What the mere passing of time does to the answer about one user.
//!
//! Days since an event grow with every millisecond, so that a number calculated with them passes its
//! bound where no instant of the data tells. The instant is found by halving spans of time: over a
//! whole span each number lies between bounds that are worked out together with how fast it grows,
//! and only spans whose bounds leave the answer open are looked into, down to single milliseconds.

use super::Asked;
use super::measure::{days_between, passes};
use super::overtaking::{Race, races};
use crate::EvalError;
use crate::truth::satisfies;
use crowdset_query::{ArithmeticOp, CompareOp, NumberTest, PlanKind, PlanMeasure, PlanNode};
use crowdset_types::{Number, arithmetic, compare_numbers};
use std::cmp::Ordering;

const DAY_MS: f64 = 86_400_000.0;

/// More than what one operation on doubles is off, relative to its result.
const ROUNDING: f64 = 1e-15;

/// When the answer changes within a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aged {
    /// Not at all.
    Never,
    /// First at this instant.
    At(i64),
    /// Not before this instant: what comes then was not looked at.
    NotBefore(i64),
}

/// A condition about one user while nothing but days since an event moves.
#[derive(Debug)]
pub(super) enum Aging {
    Settled(bool),
    Not(Box<Aging>),
    /// Of these one that is so decides.
    Joined(Vec<Aging>, bool),
    Number(Growing, NumberTest),
    Comparison(Growing, CompareOp, Growing),
    Race(Race),
}

/// A number of one user while nothing but days since an event moves.
#[derive(Debug, PartialEq)]
pub(super) enum Growing {
    Settled(Option<Number>),
    /// Days since this instant.
    DaysSince(i64),
    Negative(Box<Growing>),
    Arithmetic(Box<Growing>, Vec<(ArithmeticOp, Growing)>),
}

impl Asked<'_, '_> {
    /// The first instant in `from..until` at which the answer is no longer `is_in`, if only days since
    /// an event move there. Looks at no more spans than `tries`, which it uses up.
    pub(super) fn aged(
        self,
        node: &PlanNode,
        is_in: bool,
        from: i64,
        until: i64,
        tries: &mut u32,
    ) -> Result<Aged, EvalError> {
        let users = self.one.dataset.users.ordinals() as u64;
        let Some(left) = races(node)
            .checked_mul(users)
            .and_then(|reads| tries.checked_sub(u32::try_from(reads).ok()?))
        else {
            return Ok(Aged::NotBefore(from));
        };
        *tries = left;
        let aging = self.aging(node)?;
        let cost = aging.tries();
        if matches!(aging, Aging::Settled(_)) || from >= until {
            return Ok(Aged::Never);
        }
        // The earliest span is the last.
        let mut spans = vec![(from, until - 1)];
        while let Some((first, last)) = spans.pop() {
            let Some(left) = tries.checked_sub(cost) else {
                return Ok(Aged::NotBefore(first));
            };
            *tries = left;
            let verdict = if first == last {
                Some(aging.at(first)?)
            } else {
                aging.over(Span { first, last })
            };
            match verdict {
                Some(verdict) if verdict == is_in => {}
                Some(_) => return Ok(Aged::At(first)),
                None => {
                    let middle = first + (last - first) / 2;
                    spans.push((middle + 1, last));
                    spans.push((first, middle));
                }
            }
        }
        Ok(Aged::Never)
    }

    fn aging(self, node: &PlanNode) -> Result<Aging, EvalError> {
        Ok(match &node.kind {
            PlanKind::And(parts) => self.joined(parts, false)?,
            PlanKind::Or(parts) => self.joined(parts, true)?,
            PlanKind::Not(part) => match self.aging(part)? {
                Aging::Settled(verdict) => Aging::Settled(!verdict),
                part => Aging::Not(Box::new(part)),
            },
            PlanKind::Measure { measure, test } => match self.growing(measure)? {
                Growing::Settled(number) => Aging::Settled(passes(number, test)?),
                number => Aging::Number(number, test.clone()),
            },
            PlanKind::MeasureComparison { left, op, right } => {
                match (self.growing(left)?, self.growing(right)?) {
                    (Growing::Settled(_), Growing::Settled(_)) => Aging::Settled(self.holds(node)?),
                    (left, right) => Aging::Comparison(left, *op, right),
                }
            }
            PlanKind::Rank { .. } => self.race(node)?,
            _ => Aging::Settled(self.holds(node)?),
        })
    }

    /// Parts of which one that is `deciding` decides.
    fn joined(self, parts: &[PlanNode], deciding: bool) -> Result<Aging, EvalError> {
        let mut open = Vec::new();
        for part in parts {
            match self.aging(part)? {
                Aging::Settled(verdict) if verdict == deciding => {
                    return Ok(Aging::Settled(deciding));
                }
                Aging::Settled(_) => {}
                part => open.push(part),
            }
        }
        Ok(if open.is_empty() {
            Aging::Settled(!deciding)
        } else {
            Aging::Joined(open, deciding)
        })
    }

    pub(super) fn growing(self, measure: &PlanMeasure) -> Result<Growing, EvalError> {
        Ok(match measure {
            PlanMeasure::DaysSinceFirst(of) => self
                .events(of)?
                .first()
                .map_or(Growing::Settled(None), |row| Growing::DaysSince(row.at)),
            PlanMeasure::DaysSinceLast(of) => self
                .events(of)?
                .last()
                .map_or(Growing::Settled(None), |row| Growing::DaysSince(row.at)),
            PlanMeasure::Negative(inner) => match self.growing(inner)? {
                Growing::Settled(_) => Growing::Settled(self.number(measure)?),
                inner => Growing::Negative(Box::new(inner)),
            },
            PlanMeasure::Arithmetic { first, rest } => {
                let first = self.growing(first)?;
                let rest = rest
                    .iter()
                    .map(|(op, part)| Ok((*op, self.growing(part)?)))
                    .collect::<Result<Vec<_>, EvalError>>()?;
                let is_settled = |part: &Growing| matches!(part, Growing::Settled(_));
                if is_settled(&first) && rest.iter().all(|(_, part)| is_settled(part)) {
                    Growing::Settled(self.number(measure)?)
                } else {
                    Growing::Arithmetic(Box::new(first), rest)
                }
            }
            other => Growing::Settled(self.number(other)?),
        })
    }
}

impl Aging {
    /// How many looks one look at all of it counts for.
    fn tries(&self) -> u32 {
        match self {
            Self::Settled(_) | Self::Number(..) | Self::Comparison(..) => 1,
            Self::Not(part) => part.tries(),
            Self::Joined(parts, _) => parts
                .iter()
                .fold(1, |tries, part| tries.saturating_add(part.tries())),
            Self::Race(race) => race.tries().saturating_add(1),
        }
    }

    /// The answer at an instant.
    fn at(&self, at: i64) -> Result<bool, EvalError> {
        Ok(match self {
            Self::Settled(verdict) => *verdict,
            Self::Not(part) => !part.at(at)?,
            Self::Joined(parts, deciding) => {
                for part in parts {
                    if part.at(at)? == *deciding {
                        return Ok(*deciding);
                    }
                }
                !deciding
            }
            Self::Number(number, test) => passes(number.at(at), test)?,
            Self::Comparison(left, op, right) => left
                .at(at)
                .zip(right.at(at))
                .and_then(|(left, right)| compare_numbers(left, right))
                .is_some_and(|ordering| satisfies(*op, ordering)),
            Self::Race(race) => race.at(at),
        })
    }

    /// The answer at all instants of a span; `None` if it is left open.
    fn over(&self, span: Span) -> Option<bool> {
        match self {
            Self::Settled(verdict) => Some(*verdict),
            Self::Not(part) => part.over(span).map(|verdict| !verdict),
            Self::Joined(parts, deciding) => {
                let mut is_open = false;
                for part in parts {
                    match part.over(span) {
                        Some(verdict) if verdict == *deciding => return Some(*deciding),
                        Some(_) => {}
                        None => is_open = true,
                    }
                }
                (!is_open).then_some(!deciding)
            }
            Self::Number(number, test) => {
                let number = number.over(span);
                let compare = |op, bound| decided(number, op, Over::Within(Bounds::of(bound)));
                match *test {
                    NumberTest::Compare(op, bound) => compare(op, bound),
                    NumberTest::Between(low, high) => {
                        let low = compare(CompareOp::GreaterOrEqual, low);
                        let high = compare(CompareOp::LessOrEqual, high);
                        match (low, high) {
                            (Some(false), _) | (_, Some(false)) => Some(false),
                            (low, high) => low.and(high),
                        }
                    }
                }
            }
            Self::Comparison(left, op, right) => decided(left.over(span), *op, right.over(span)),
            Self::Race(race) => race.over(span),
        }
    }
}

/// How numbers compare at all instants of a span; `None` if that is left open.
pub(super) fn decided(left: Over, op: CompareOp, right: Over) -> Option<bool> {
    match (left, right) {
        (Over::Nothing, _) | (_, Over::Nothing) => Some(false),
        (Over::Within(left), Over::Within(right)) => {
            let difference = left.plus(right.negative());
            let Range { low, high } = difference.value;
            let ordering = if low > difference.off {
                Ordering::Greater
            } else if high < -difference.off {
                Ordering::Less
            } else {
                return None;
            };
            Some(satisfies(op, ordering))
        }
        _ => None,
    }
}

impl Growing {
    /// Whether it is the other number at every instant.
    pub(super) fn is_always(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Settled(Some(left)), Self::Settled(Some(right))) => {
                compare_numbers(*left, *right) == Some(Ordering::Equal)
            }
            _ => self == other,
        }
    }

    /// The number at an instant, as a plan of that instant works it out.
    pub(super) fn at(&self, at: i64) -> Option<Number> {
        match self {
            Self::Settled(number) => *number,
            Self::DaysSince(since) => Some(days_between(*since, at)),
            Self::Negative(inner) => arithmetic::negate(inner.at(at)?),
            Self::Arithmetic(first, rest) => {
                rest.iter().try_fold(first.at(at)?, |value, (op, part)| {
                    op.apply(value, part.at(at)?)
                })
            }
        }
    }

    pub(super) fn over(&self, span: Span) -> Over {
        match self {
            Self::Settled(None) => Over::Nothing,
            Self::Settled(Some(number)) => Over::Within(Bounds::of(*number)),
            Self::DaysSince(since) => Over::Within(Bounds::days(*since, span)),
            Self::Negative(inner) => match inner.over(span) {
                Over::Within(bounds) => Over::Within(bounds.negative()),
                other => other,
            },
            Self::Arithmetic(first, rest) => {
                let mut value = first.over(span);
                for (op, part) in rest {
                    value = match (value, part.over(span)) {
                        (Over::Nothing, _) | (_, Over::Nothing) => return Over::Nothing,
                        (Over::Within(left), Over::Within(right)) => left
                            .apply(*op, right)
                            .map_or(Over::Open, |bounds| Over::Within(bounds.tight(span))),
                        _ => Over::Open,
                    };
                }
                value
            }
        }
    }
}

/// What a number is over a span of time.
#[derive(Debug, Clone, Copy)]
pub(super) enum Over {
    /// It has no value at any instant.
    Nothing,
    Within(Bounds),
    /// Anything.
    Open,
}

/// Instants in milliseconds, both included.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    first: i64,
    last: i64,
}

impl Span {
    /// From its middle to either end, in milliseconds.
    fn reach(self) -> f64 {
        (self.last.abs_diff(self.first) as f64 / 2.0) * (1.0 + ROUNDING)
    }
}

/// Bounds of a number over a span: of the true number, from which a calculated one is a little off.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    value: Range,
    /// In the middle of the span.
    middle: Range,
    /// By how much it grows in a millisecond.
    growth: Range,
    /// How far the calculated number may be off at most.
    off: f64,
}

impl Bounds {
    fn of(number: Number) -> Self {
        let value = Range::around(number.to_f64());
        Self {
            value,
            middle: value,
            growth: Range {
                low: 0.0,
                high: 0.0,
            },
            off: value.size() * ROUNDING,
        }
    }

    fn days(since: i64, span: Span) -> Self {
        let days = |at: i64| at.saturating_sub(since) as f64 / DAY_MS;
        let [first, last] = [span.first, span.last].map(|at| Range::around(days(at)));
        let value = Range {
            low: first.low,
            high: last.high,
        };
        let half = Range::around(0.5);
        Self {
            value,
            middle: first.plus(last).times(half),
            growth: Range::around(1.0 / DAY_MS),
            off: value.size() * ROUNDING,
        }
    }

    fn negative(self) -> Self {
        Self {
            value: self.value.negative(),
            middle: self.middle.negative(),
            growth: self.growth.negative(),
            off: self.off,
        }
    }

    fn plus(self, other: Self) -> Self {
        let value = self.value.plus(other.value);
        Self {
            value,
            middle: self.middle.plus(other.middle),
            growth: self.growth.plus(other.growth),
            off: self.off + other.off + value.size() * ROUNDING,
        }
    }

    fn times(self, other: Self) -> Self {
        let value = self.value.times(other.value);
        let [left, right] = [self.value.size(), other.value.size()];
        Self {
            value,
            middle: self.middle.times(other.middle),
            growth: self
                .growth
                .times(other.value)
                .plus(self.value.times(other.growth)),
            off: (self.off * right + other.off * left + self.off * other.off) * (1.0 + ROUNDING)
                + value.size() * ROUNDING,
        }
    }

    /// `None` where the divisor may be zero.
    fn divided_by(self, other: Self) -> Option<Self> {
        let least = other.value.distance_of_zero() - other.off;
        if least <= 0.0 {
            return None;
        }
        let value = self.value.divided_by(other.value);
        // (u / v)' = (u' - (u / v) * v') / v
        let growth = self
            .growth
            .plus(value.times(other.growth).negative())
            .divided_by(other.value);
        Some(Self {
            value,
            middle: self.middle.divided_by(other.middle),
            growth,
            off: (self.off + value.size() * other.off) / least * (1.0 + ROUNDING)
                + value.size() * ROUNDING,
        })
    }

    /// `None` for what is not bounded.
    fn apply(self, op: ArithmeticOp, other: Self) -> Option<Self> {
        let bounds = match op {
            ArithmeticOp::Add => self.plus(other),
            ArithmeticOp::Subtract => self.plus(other.negative()),
            ArithmeticOp::Multiply => self.times(other),
            ArithmeticOp::Divide => self.divided_by(other)?,
        };
        (bounds.value.size() + bounds.off)
            .is_finite()
            .then_some(bounds)
    }

    /// No further from the middle than it grows on the way.
    fn tight(self, span: Span) -> Self {
        let reach = span.reach();
        let way = self.growth.times(Range {
            low: -reach,
            high: reach,
        });
        let near = self.middle.plus(way);
        let value = Range {
            low: self.value.low.max(near.low),
            high: self.value.high.min(near.high),
        };
        // Where nothing is known of the growth, nothing is gained.
        if value.low <= value.high {
            Self { value, ..self }
        } else {
            self
        }
    }
}

/// All numbers from `low` to `high`.
#[derive(Debug, Clone, Copy)]
struct Range {
    low: f64,
    high: f64,
}

impl Range {
    /// A number that was rounded a few times.
    fn around(value: f64) -> Self {
        Self {
            low: value,
            high: value,
        }
        .wide()
    }

    /// A little further out than rounding has brought the ends in.
    fn wide(self) -> Self {
        let out = |value: f64| value.abs() * ROUNDING + f64::MIN_POSITIVE;
        Self {
            low: self.low - out(self.low),
            high: self.high + out(self.high),
        }
    }

    fn negative(self) -> Self {
        Self {
            low: -self.high,
            high: -self.low,
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            low: self.low + other.low,
            high: self.high + other.high,
        }
        .wide()
    }

    fn times(self, other: Self) -> Self {
        Self::of_ends(self, other, |left, right| left * right)
    }

    /// The other is not around zero.
    fn divided_by(self, other: Self) -> Self {
        Self::of_ends(self, other, |left, right| left / right)
    }

    fn of_ends(left: Self, right: Self, op: fn(f64, f64) -> f64) -> Self {
        let ends = [
            op(left.low, right.low),
            op(left.low, right.high),
            op(left.high, right.low),
            op(left.high, right.high),
        ];
        Self {
            low: ends.into_iter().fold(f64::INFINITY, f64::min),
            high: ends.into_iter().fold(f64::NEG_INFINITY, f64::max),
        }
        .wide()
    }

    /// The largest absolute value.
    fn size(self) -> f64 {
        self.low.abs().max(self.high.abs())
    }

    /// The smallest absolute value; negative around zero.
    fn distance_of_zero(self) -> f64 {
        self.low.max(-self.high)
    }
}
