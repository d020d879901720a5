//! Attributes as columns of one type each, to be written down beside user ids.

use crate::EvalError;
use crate::attribute::Attribute;
use crate::dataset::{Dataset, storage_table};
use crate::truth::ValueRef;
use crowdset_query::{Cast, PlanAttribute};
use crowdset_storage::{AttributeValue, PartData};
use crowdset_types::{Number, TimestampMillis, UserOrdinal, parse_number};

/// The one type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// Truth values.
    Bool,
    /// Integers of 64 bits.
    Integer,
    /// Doubles; also where some values are integers, if a double holds each of them exactly.
    Float,
    /// Instants.
    Time,
    /// Text; also where an attribute holds several types, and for arrays, as their JSON text.
    Text,
}

/// The values of one attribute as of an instant, all of one type.
pub struct AttributeColumn<'a> {
    attribute: Attribute<'a>,
    of: ColumnType,
}

impl<'a> AttributeColumn<'a> {
    /// Finds the type that holds all values that the attribute ever had, so that it depends neither
    /// on the instant nor on who is asked about.
    ///
    /// # Cost
    ///
    /// Nothing, but for attributes of integers and other numbers, which are looked at one by one, and
    /// for `number(…)`, for which each different text is.
    ///
    /// # Errors
    ///
    /// [`EvalError`] if data is damaged.
    pub fn type_of(
        dataset: &Dataset,
        attribute: &PlanAttribute,
        as_of: TimestampMillis,
    ) -> Result<ColumnType, EvalError> {
        match attribute.cast {
            Some(Cast::Text) => return Ok(ColumnType::Text),
            Some(Cast::Time | Cast::TimeSeconds | Cast::TimeMillis) => return Ok(ColumnType::Time),
            Some(Cast::Number) | None => {}
        }
        let bound = bind(dataset, attribute, as_of)?;
        let mut types = Types::default();
        let Some(column) = bound.column() else {
            return Ok(types.together(attribute.cast.is_some()));
        };
        for part in &column.parts {
            match &part.data {
                PartData::Text { dictionary, .. } if attribute.cast.is_some() => {
                    let texts = (0..dictionary.len()).map(|code| dictionary.get(code));
                    types.numbers(texts.filter_map(parse_number));
                }
                PartData::Integer { base, offsets } => {
                    let rows = (0..column.rows).filter(|row| part.is_present(*row));
                    types.numbers(
                        rows.map(|row| Number::Integer(base.wrapping_add(offsets.get(row) as i64))),
                    );
                }
                PartData::Decimal { .. } | PartData::Float(_) => types.float = true,
                // A cast to a number leaves no other type.
                _ if attribute.cast.is_some() => {}
                PartData::Bool(_) => types.bool = true,
                PartData::Time { .. } => types.time = true,
                PartData::Text { .. } | PartData::Array { .. } => types.text = true,
            }
        }
        Ok(types.together(attribute.cast.is_some()))
    }

    /// The attribute as a column of a type that [`AttributeColumn::type_of`] found.
    ///
    /// # Errors
    ///
    /// [`EvalError`] if data is damaged.
    pub fn new(
        dataset: &'a Dataset,
        attribute: &'a PlanAttribute,
        of: ColumnType,
        as_of: TimestampMillis,
    ) -> Result<Self, EvalError> {
        Ok(Self {
            attribute: bind(dataset, attribute, as_of)?,
            of,
        })
    }

    /// Has what the values of some users are read from in the cache. Users who follow one another by
    /// id lie anywhere: here no read waits for that of another user.
    pub fn fetch(&self, users: &[u32]) {
        self.attribute.fetch(users);
    }

    /// Hands the user's value to `take`, as the column's type; `None` if there is none.
    pub fn with_value<T>(
        &self,
        user: UserOrdinal,
        take: impl FnOnce(Option<AttributeValue<'_>>) -> T,
    ) -> T {
        let value = self.attribute.value(user.0);
        match (self.of, value) {
            (ColumnType::Text, Some(ValueRef::Array(json))) => {
                take(Some(AttributeValue::Text(json)))
            }
            (ColumnType::Text, Some(value)) => match value.cast(Some(Cast::Text)) {
                Some(ValueRef::Text(text)) => take(Some(AttributeValue::Text(&text))),
                _ => take(None),
            },
            (ColumnType::Bool, Some(ValueRef::Bool(value))) => {
                take(Some(AttributeValue::Bool(value)))
            }
            (ColumnType::Integer, Some(ValueRef::Number(Number::Integer(value)))) => {
                take(Some(AttributeValue::Integer(value)))
            }
            (ColumnType::Float, Some(ValueRef::Number(number))) => {
                take(Some(AttributeValue::Float(number.to_f64())))
            }
            (ColumnType::Time, Some(ValueRef::Time(at))) => take(Some(AttributeValue::Time(at))),
            // No value: the type was found so that it holds all there are.
            _ => take(None),
        }
    }
}

fn bind<'a>(
    dataset: &'a Dataset,
    attribute: &'a PlanAttribute,
    as_of: TimestampMillis,
) -> Result<Attribute<'a>, EvalError> {
    let users = &dataset.users;
    let stored = users.attribute(storage_table(attribute.table), &attribute.name);
    Attribute::new(stored, attribute.cast, as_of, users.ordinals())
}

/// The types that occur.
#[derive(Default)]
struct Types {
    bool: bool,
    integer: bool,
    /// Whether there is an integer that no double holds.
    wide: bool,
    float: bool,
    time: bool,
    text: bool,
}

impl Types {
    fn numbers(&mut self, numbers: impl Iterator<Item = Number>) {
        for number in numbers {
            match number {
                Number::Integer(value) => {
                    self.integer = true;
                    self.wide |= value as f64 as i128 != i128::from(value);
                }
                Number::Float(_) => self.float = true,
            }
        }
    }

    /// The type that holds all of them.
    fn together(&self, is_number: bool) -> ColumnType {
        let kinds = [self.bool, self.integer || self.float, self.time, self.text];
        match kinds {
            [true, false, false, false] => ColumnType::Bool,
            [false, true, false, false] if !self.float => ColumnType::Integer,
            [false, true, false, false] if !(self.integer && self.wide) => ColumnType::Float,
            [false, false, true, false] => ColumnType::Time,
            // Texts of which none is a number.
            [false, false, false, false] if is_number => ColumnType::Float,
            _ => ColumnType::Text,
        }
    }
}
