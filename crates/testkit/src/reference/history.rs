//! What attributes were.

use super::measure::is_same;
use super::window::Instants;
use super::{Inquiry, ReferenceError, value};
use crowdset_query::{
    AttributeOperand, AttributeRef, AttributeTable, CompareOp, Literal, Test, Window,
};
use crowdset_types::{DurationMillis, Value};

impl Inquiry<'_> {
    /// The value at an instant: what an evaluation a millisecond later sees. A column of users has
    /// always been what it is.
    fn attribute_at(
        self,
        attribute: &AttributeRef,
        instant: i64,
    ) -> Result<Option<Value>, ReferenceError> {
        Inquiry {
            as_of: instant.saturating_add(1),
            ..self
        }
        .attribute(attribute)
    }

    /// The instants of a window at which the value can be another than a millisecond before: the
    /// first one, and those of updates.
    fn turns(self, attribute: &AttributeRef, window: Instants) -> Result<Vec<i64>, ReferenceError> {
        let mut turns = Vec::new();
        if window.from < window.to {
            turns.push(window.from);
        }
        if self.world.table_of(attribute)? == Some(AttributeTable::Property) {
            let updates = self.person.updates(&attribute.name);
            turns.extend(updates.filter(|&at| window.contains(at)));
        }
        Ok(turns)
    }

    /// Whether the test holds at each of the turns of the window.
    fn verdicts(
        self,
        operand: &AttributeOperand,
        test: &Test,
        window: Instants,
    ) -> Result<Vec<bool>, ReferenceError> {
        self.turns(&operand.attribute, window)?
            .into_iter()
            .map(|at| {
                let value = self.attribute_at(&operand.attribute, at)?;
                let value = value::cast(value, operand.cast);
                self.tester(true).holds(value.as_ref(), test)
            })
            .collect()
    }

    pub(super) fn had(
        self,
        operand: &AttributeOperand,
        test: &Test,
        window: &Window,
    ) -> Result<bool, ReferenceError> {
        let window = self.window(window)?;
        Ok(self.verdicts(operand, test, window)?.contains(&true))
    }

    pub(super) fn held(
        self,
        operand: &AttributeOperand,
        test: &Test,
        length: DurationMillis,
    ) -> Result<bool, ReferenceError> {
        let window = self.window(&Window::Last(length))?;
        Ok(!self.verdicts(operand, test, window)?.contains(&false))
    }

    pub(super) fn changed(
        self,
        attribute: &AttributeRef,
        from: Option<&Literal>,
        to: Option<&Literal>,
        window: &Window,
    ) -> Result<bool, ReferenceError> {
        let window = self.window(window)?;
        let is = |value: &Value, literal: Option<&Literal>| {
            literal.map_or(Ok(true), |literal| {
                let test = Test::Compare(CompareOp::Equal, literal.clone());
                self.tester(true).holds(Some(value), &test)
            })
        };
        for at in self.turns(attribute, window)? {
            // Before the beginning of time nothing was.
            let Some(earlier) = at.checked_sub(1) else {
                continue;
            };
            let before = self.attribute_at(attribute, earlier)?;
            let after = self.attribute_at(attribute, at)?;
            if let (Some(before), Some(after)) = (before, after)
                && !is_same(&before, &after)
                && is(&before, from)?
                && is(&after, to)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
