//! Attributes: where they stand, and what they are by type.

use crate::Refusal;
use crate::number::Number;
use crate::schema::ColumnType;
use crate::scope::Scope;
use crate::value::Sides;
use crate::writer::Writer;
use crowdset_query::{AttributeRef, AttributeTable, Diagnostic, Span};

impl Writer<'_> {
    /// The table of an attribute; `None` if no table has it.
    pub(crate) fn table_of(
        &self,
        attribute: &AttributeRef,
    ) -> Result<Option<AttributeTable>, Refusal> {
        let name = attribute.name.as_str();
        let is_column = self.schema.columns.contains_key(name);
        let properties = &self.schema.properties;
        let is_property = properties
            .as_ref()
            .is_some_and(|known| known.contains(name));
        Ok(match attribute.table {
            Some(AttributeTable::Users) => {
                (is_column || properties.is_none()).then_some(AttributeTable::Users)
            }
            Some(AttributeTable::Property) => {
                (is_property || properties.is_none()).then_some(AttributeTable::Property)
            }
            None if is_column && is_property => {
                let message = format!("`{name}` is a column of users and a user property");
                let cure = format!("write `users.{name}` or `property.{name}`");
                return Err(Refusal::Name(Box::new(
                    Diagnostic::error("ambiguous", message)
                        .at(attribute.span)
                        .help(cure),
                )));
            }
            None if is_column => Some(AttributeTable::Users),
            None => (is_property || properties.is_none()).then_some(AttributeTable::Property),
        })
    }

    /// An attribute of the user whose row is looked at.
    pub(crate) fn attribute(
        &mut self,
        scope: &mut Scope,
        attribute: &AttributeRef,
    ) -> Result<Sides, Refusal> {
        let name = attribute.name.as_str();
        Ok(match self.table_of(attribute)? {
            None => Sides::new("FALSE".to_owned()),
            Some(AttributeTable::Property) => {
                let row = self.property_row(scope, name);
                Sides::of_text(self.dialect, format!("{row}.property_value"))
            }
            Some(AttributeTable::Users) => {
                let row = self.users_row(scope);
                let value = format!("{row}.{}", self.dialect.ident(name));
                self.column(
                    value,
                    self.schema.columns.get(name).copied(),
                    attribute.span,
                )?
            }
        })
    }

    /// The row of the value that the user's property has, which may be missing.
    fn property_row(&mut self, scope: &mut Scope, name: &str) -> String {
        self.uses_properties = true;
        let known = scope
            .joined
            .iter()
            .find(|(table, known, _)| *table == AttributeTable::Property && known == name);
        if let Some((_, _, row)) = known {
            return row.clone();
        }
        let row = self.alias("p");
        let named = format!(" AND {row}.property_name = {}", self.dialect.text(name));
        scope.join("LEFT JOIN", "crowdset_properties", &row, &named);
        let joined = (AttributeTable::Property, name.to_owned(), row.clone());
        scope.joined.push(joined);
        row
    }

    fn users_row(&mut self, scope: &mut Scope) -> String {
        let mut rows = scope.joined.iter();
        if let Some((_, _, row)) = rows.find(|(table, _, _)| *table == AttributeTable::Users) {
            return row.clone();
        }
        let row = self.alias("w");
        scope.join("LEFT JOIN", "users", &row, "");
        let joined = (AttributeTable::Users, String::new(), row.clone());
        scope.joined.push(joined);
        row
    }

    fn column(
        &self,
        value: String,
        kind: Option<ColumnType>,
        span: Span,
    ) -> Result<Sides, Refusal> {
        let number = || {
            let double = self.dialect.as_double(&value);
            let double = format!(
                "CASE WHEN NOT {} THEN {double} END",
                self.dialect.is_nan(&double)
            );
            Number::of(self.dialect, double, &value)
        };
        let sides = Sides::new(format!("{value} IS NOT NULL"));
        Ok(match kind {
            Some(ColumnType::Text) => Sides::of_text(self.dialect, value),
            Some(ColumnType::Number) => Sides {
                number: Some(number()),
                ..sides
            },
            Some(ColumnType::Bool) => Sides {
                flag: Some(value),
                ..sides
            },
            Some(ColumnType::Time) => Sides {
                time: Some(self.dialect.epoch_ms(&value)),
                ..sides
            },
            Some(ColumnType::Other) => {
                return Err(self.cannot("a column of several types", span));
            }
            None => Sides {
                number: Some(number()),
                time: Some(self.dialect.epoch_ms(&value)),
                text: Some(value.clone()),
                flag: Some(value),
                is_assumed: true,
                ..sides
            },
        })
    }
}
