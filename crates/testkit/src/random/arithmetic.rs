//! Numbers made of others, and compared with each other.

use super::segment::{Maker, OPS, reference};
use crowdset_query::{
    Arithmetic, ArithmeticOp, AttributeOperand, AttributeTable, Cast, CompareOp, Expr, ExprKind,
    Measure,
};
use crowdset_types::Number;

impl Maker<'_> {
    /// A comparison of which at least one side is calculated.
    pub(super) fn calculated_condition(&mut self) -> ExprKind {
        let left = self.calculated(2);
        if self.rng.chance(30) {
            let test = self.number_test();
            // An attribute alone would be another condition.
            return ExprKind::Measure {
                measure: match left {
                    attribute @ Measure::Attribute(_) => Measure::Negative(Box::new(attribute)),
                    other => other,
                },
                test,
            };
        }
        let right = self.calculated(2);
        let op = *self.rng.pick(&OPS);
        compare(left, op, right).kind
    }

    /// A measure calculated from others, nested to at most `depth`; with some chance a plain one.
    pub(super) fn calculated(&mut self, depth: usize) -> Measure {
        match self.rng.below(if depth == 0 { 50 } else { 100 }) {
            0..=24 => self.measure(),
            25..=34 => Measure::Number(self.number()),
            35..=41 => Measure::Bucket((*self.rng.pick(&["", "salt", "it's"])).to_owned()),
            42..=49 => {
                let (table, name) = *self.rng.pick(&[
                    (AttributeTable::Users, "age"),
                    (AttributeTable::Users, "score"),
                    (AttributeTable::Users, "quota"),
                    (AttributeTable::Property, "size"),
                    (AttributeTable::Property, "nothing"),
                ]);
                Measure::Attribute(AttributeOperand {
                    attribute: reference(Some(table), name),
                    cast: self.rng.chance(20).then_some(Cast::Number),
                })
            }
            50..=57 => match self.calculated(depth - 1) {
                number @ Measure::Number(_) => number,
                other => Measure::Negative(Box::new(other)),
            },
            _ => {
                let ops = if self.rng.chance(50) {
                    [ArithmeticOp::Add, ArithmeticOp::Subtract]
                } else {
                    [ArithmeticOp::Multiply, ArithmeticOp::Divide]
                };
                Measure::Arithmetic(Arithmetic {
                    first: Box::new(self.calculated(depth - 1)),
                    rest: (0..self.rng.between(1, 2))
                        .map(|_| *self.rng.pick(&ops))
                        .collect::<Vec<_>>()
                        .into_iter()
                        .map(|op| (op, self.operand_of(op, depth - 1)))
                        .collect(),
                })
            }
        }
    }

    fn operand_of(&mut self, op: ArithmeticOp, depth: usize) -> Measure {
        // Often a number that makes the result fall on what it is compared with.
        if op.is_multiplicative() && self.rng.chance(50) {
            let factor = *self.rng.pick(&[0.5, 2.0, 0.1, 3.0, -1.0, 0.0, 1e300]);
            return Measure::Number(Number::Float(factor));
        }
        self.calculated(depth)
    }
}

fn compare(left: Measure, op: CompareOp, right: Measure) -> Expr {
    match op {
        CompareOp::Equal => left.eq(right),
        CompareOp::NotEqual => left.ne(right),
        CompareOp::Less => left.lt(right),
        CompareOp::LessOrEqual => left.le(right),
        CompareOp::Greater => left.gt(right),
        CompareOp::GreaterOrEqual => left.ge(right),
    }
}
