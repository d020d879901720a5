//! Attributes: found in their tables, and compared.

use super::{Planner, test};
use crate::ast::{AttributeOperand, AttributeRef, AttributeTable, Cast, Operand, Span, Test};
use crate::catalog::TypeSet;
use crate::checks::nearest;
use crate::diagnostic::Diagnostic;
use crate::plan::{PlanAttribute, PlanKind};

impl Planner<'_> {
    pub(super) fn attribute_condition(
        &mut self,
        operand: &AttributeOperand,
        test: &Test,
        span: Span,
    ) -> PlanKind {
        let known = self.attribute(&operand.attribute);
        let types = known
            .as_ref()
            .map(|known| self.types_behind(known, operand.cast));
        self.lint_test(
            &Operand::Property(String::new()),
            test,
            types.unwrap_or_default(),
            span,
        );
        let test = self.test(test);
        match (known, test) {
            (Some(attribute), Some(test)) => PlanKind::Attribute {
                operand: PlanAttribute {
                    cast: operand.cast,
                    ..attribute
                },
                test,
            },
            (None, Some(crate::plan::PlanTest::IsNotSet)) => PlanKind::Everyone,
            _ => PlanKind::Nobody,
        }
    }

    /// The types a comparison meets, the cast applied.
    pub(super) fn types_behind(&self, attribute: &PlanAttribute, cast: Option<Cast>) -> TypeSet {
        match cast {
            None => self
                .catalog
                .attribute_types(attribute.table, &attribute.name)
                .unwrap_or_default(),
            Some(cast) => test::types_of_cast(cast),
        }
    }

    /// The attribute that is meant; `None` if there is none, which has been reported.
    pub(super) fn attribute(&mut self, attribute: &AttributeRef) -> Option<PlanAttribute> {
        let AttributeRef { table, name, span } = attribute;
        let is_in = |table: AttributeTable| {
            self.attributes
                .binary_search_by(|(known_table, known)| {
                    known_table
                        .cmp(&table)
                        .then_with(|| known.as_str().cmp(name))
                })
                .is_ok()
        };
        let candidates = match table {
            Some(table) => vec![*table],
            None => vec![AttributeTable::Users, AttributeTable::Property],
        };
        let found: Vec<AttributeTable> = candidates
            .iter()
            .copied()
            .filter(|table| is_in(*table))
            .collect();
        if let [table] = *found.as_slice() {
            return Some(PlanAttribute {
                table,
                name: name.clone(),
                cast: None,
            });
        }
        if found.len() > 1 {
            let message = format!("`{name}` is both a column of users and a user property");
            let finding = Diagnostic::error("ambiguous-attribute", message)
                .help(format!("write `users.{name}` or `property.{name}`"));
            self.report(finding, *span);
            return None;
        }
        let elsewhere = table.and_then(|table| {
            let other = match table {
                AttributeTable::Users => AttributeTable::Property,
                AttributeTable::Property => AttributeTable::Users,
            };
            is_in(other).then(|| {
                AttributeRef {
                    table: Some(other),
                    name: name.clone(),
                    span: *span,
                }
                .to_string()
            })
        });
        let like = elsewhere.or_else(|| {
            let names = self
                .attributes
                .iter()
                .filter(|(table, _)| candidates.contains(table));
            nearest(name, names.map(|(_, name)| name.as_str())).map(|near| {
                AttributeRef {
                    table: *table,
                    name: near.to_owned(),
                    span: *span,
                }
                .to_string()
            })
        });
        let is_event = like.is_none() && table.is_none() && self.is_event(name);
        let like = like.or_else(|| is_event.then(|| format!("did({name})")));
        self.unknown("unknown-attribute", "attribute", name, like, *span);
        None
    }
}
