//! Attributes: found in their tables, and compared.

use super::{PlanOptions, Planner, test};
use crate::ast::{AttributeOperand, AttributeRef, AttributeTable, Cast, Operand, Span, Test};
use crate::catalog::{Catalog, TypeSet};
use crate::checks::nearest;
use crate::diagnostic::{Diagnostic, SegmentError};
use crate::parser::shorten;
use crate::plan::{PlanAttribute, PlanKind};
use crowdset_types::TimestampMillis;

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
        match self.find(attribute) {
            Ok(known) => Some(known),
            Err(Unfound::InBoth) => {
                self.report(in_both(name), *span);
                None
            }
            Err(Unfound::Nowhere { like }) => {
                let is_event = like.is_none() && table.is_none() && self.is_event(name);
                let like = like.or_else(|| is_event.then(|| format!("did({name})")));
                self.unknown("unknown-attribute", "attribute", name, like, *span);
                None
            }
        }
    }

    fn find(&self, attribute: &AttributeRef) -> Result<PlanAttribute, Unfound> {
        let AttributeRef { table, name, .. } = attribute;
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
        match *found.as_slice() {
            [] => {}
            [table] => {
                return Ok(PlanAttribute {
                    table,
                    name: name.clone(),
                    cast: None,
                });
            }
            _ => return Err(Unfound::InBoth),
        }
        let named = |table, name: &str| {
            let name = name.to_owned();
            let span = attribute.span;
            AttributeRef { table, name, span }.to_string()
        };
        let other = table.map(|table| match table {
            AttributeTable::Users => AttributeTable::Property,
            AttributeTable::Property => AttributeTable::Users,
        });
        if let Some(other) = other.filter(|other| is_in(*other)) {
            let like = Some(named(Some(other), name));
            return Err(Unfound::Nowhere { like });
        }
        let names = self
            .attributes
            .iter()
            .filter(|(table, _)| candidates.contains(table));
        let like = nearest(name, names.map(|(_, name)| name.as_str()));
        let like = like.map(|near| named(*table, near));
        Err(Unfound::Nowhere { like })
    }
}

/// Why a name is no attribute.
enum Unfound {
    /// It is one in either table.
    InBoth,
    /// It is none; the nearest name there is.
    Nowhere { like: Option<String> },
}

fn in_both(name: &str) -> Diagnostic {
    Diagnostic::error(
        "ambiguous-attribute",
        format!("`{name}` is both a column of users and a user property"),
    )
    .help(format!("write `users.{name}` or `property.{name}`"))
}

/// Binds an attribute that is asked for itself, as a column or to group by, to a catalog.
///
/// # Errors
///
/// [`SegmentError`] for a name that no table has, and for a bare name that is in both: a condition
/// may wait for a name to come, whereas a column of it would be a guess.
pub fn plan_attribute(
    operand: &AttributeOperand,
    catalog: &dyn Catalog,
) -> Result<PlanAttribute, SegmentError> {
    const SHOWN_MAX: usize = 8;
    // An attribute by itself has no instant.
    let options = PlanOptions::default();
    let planner = Planner::new(catalog, TimestampMillis(0), &options, Vec::new(), false);
    let name = &operand.attribute.name;
    let finding = match planner.find(&operand.attribute) {
        Ok(attribute) => {
            return Ok(PlanAttribute {
                cast: operand.cast,
                ..attribute
            });
        }
        Err(Unfound::InBoth) => in_both(name),
        Err(Unfound::Nowhere { like }) => {
            let shown = shorten(name);
            let finding = Diagnostic::error(
                "unknown-attribute",
                format!("there is no attribute `{shown}`"),
            );
            let known = planner.attributes.iter().map(|(_, known)| known.as_str());
            let mut names: Vec<&str> = known.take(SHOWN_MAX).collect();
            if planner.attributes.len() > SHOWN_MAX {
                names.push("…");
            }
            match like {
                Some(like) => finding.help(format!("did you mean `{like}`?")),
                None if names.is_empty() => finding.help("the data has no attributes at all"),
                None => finding.help(format!("there are {}", names.join(", "))),
            }
        }
    };
    Err(SegmentError::new(vec![finding], "".into()))
}
