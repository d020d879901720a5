//! Plain columns of any Arrow type as typed values.
//!
//! | Arrow type | value |
//! |---|---|
//! | boolean | bool |
//! | integers, and decimals without fraction | integer; a double where 64 bits do not hold it |
//! | floats, other decimals | double |
//! | text of any kind, dictionaries of it | text |
//! | timestamps, dates | instant, floored to the millisecond; none if it is beyond 64 bits |
//! | struct, map | one property for each dotted path |
//! | lists | array: compact JSON text, in which an instant is RFC 3339 text |
//! | binary, time of day, duration, interval, union | their text form |

use crate::error::IngestError;
use crate::stage::ValueRef;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow_array::cast::AsArray as _;
use arrow_array::types::{
    Date32Type, Date64Type, Decimal128Type, Decimal256Type, Float64Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array, MapArray,
    StringViewArray, StructArray, TimestampMillisecondArray, UInt64Array,
};
use arrow_schema::{DataType, TimeUnit};
use crowdset_types::{Number, TimestampMillis, parse_number};
use serde_json::Value as Json;

/// One column of a batch, ready to be read row by row.
#[derive(Debug)]
pub(crate) enum ValueCells {
    Bool(BooleanArray),
    Integer(Int64Array),
    Unsigned(UInt64Array),
    Float(Float64Array),
    Decimal(Decimal128Array, u32),
    Text(StringViewArray),
    Time(TimestampMillisecondArray),
    /// The fields, each with its own presence.
    Struct(StructArray, Vec<(String, ValueCells)>),
    /// The keys and the values of all entries.
    Map(MapArray, StringViewArray, Box<ValueCells>),
    /// The lists, as a column of any list type, and their elements.
    List(ArrayRef, Box<ValueCells>),
    Null,
}

impl ValueCells {
    pub(crate) fn new(array: &ArrayRef, file: &str) -> Result<Self, IngestError> {
        let cast =
            |kind: &DataType| arrow::compute::cast(array, kind).map_err(IngestError::arrow(file));
        Ok(match array.data_type() {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Bool(array.as_boolean().clone()),
            DataType::UInt64 => Self::Unsigned(array.as_primitive::<UInt64Type>().clone()),
            kind if kind.is_integer() => {
                Self::Integer(cast(&DataType::Int64)?.as_primitive::<Int64Type>().clone())
            }
            DataType::Float16 | DataType::Float32 | DataType::Float64 => Self::Float(
                cast(&DataType::Float64)?
                    .as_primitive::<Float64Type>()
                    .clone(),
            ),
            DataType::Decimal32(_, scale)
            | DataType::Decimal64(_, scale)
            | DataType::Decimal128(_, scale)
                if *scale >= 0 =>
            {
                let wide = cast(&DataType::Decimal128(38, *scale))?;
                Self::Decimal(
                    wide.as_primitive::<Decimal128Type>().clone(),
                    u32::from(scale.unsigned_abs()),
                )
            }
            DataType::Decimal32(..)
            | DataType::Decimal64(..)
            | DataType::Decimal128(..)
            | DataType::Decimal256(..) => wide_decimals(array, file)?,
            kind if crate::cells::is_text(kind) => {
                Self::Text(cast(&DataType::Utf8View)?.as_string_view().clone())
            }
            DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => {
                Self::Time(instants(array))
            }
            DataType::Dictionary(_, values) => Self::new(&cast(values)?, file)?,
            DataType::RunEndEncoded(_, values) => Self::new(&cast(values.data_type())?, file)?,
            DataType::Struct(fields) => {
                let columns = array.as_struct();
                let cells = fields
                    .iter()
                    .zip(columns.columns())
                    .map(|(field, column)| Ok((field.name().clone(), Self::new(column, file)?)))
                    .collect::<Result<_, IngestError>>()?;
                Self::Struct(columns.clone(), cells)
            }
            DataType::Map(..) => {
                let map = array.as_map();
                let keys = arrow::compute::cast(map.keys(), &DataType::Utf8View)
                    .map_err(IngestError::arrow(file))?;
                let values = Self::new(map.values(), file)?;
                Self::Map(map.clone(), keys.as_string_view().clone(), Box::new(values))
            }
            DataType::List(_) => Self::List(
                array.clone(),
                Box::new(Self::new(array.as_list::<i32>().values(), file)?),
            ),
            DataType::LargeList(_) => Self::List(
                array.clone(),
                Box::new(Self::new(array.as_list::<i64>().values(), file)?),
            ),
            DataType::FixedSizeList(field, _)
            | DataType::ListView(field)
            | DataType::LargeListView(field) => {
                let list = cast(&DataType::LargeList(field.clone()))?;
                let elements = Self::new(list.as_list::<i64>().values(), file)?;
                Self::List(list, Box::new(elements))
            }
            _ => Self::Text(shown(array, file)?),
        })
    }

    /// Whether values stand below the column and not in it.
    pub(crate) fn is_nested(&self) -> bool {
        matches!(self, Self::Struct(..) | Self::Map(..))
    }

    /// Calls `found` with the path below this column (empty for a plain value) and the value, for
    /// each value the row holds. `path` and `buffer` are scratch.
    pub(crate) fn visit<E>(
        &self,
        row: usize,
        path: &mut String,
        found: &mut impl FnMut(&str, ValueRef<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        match self {
            Self::Bool(cells) if cells.is_valid(row) => {
                found(path, ValueRef::Bool(cells.value(row)))
            }
            Self::Integer(cells) if cells.is_valid(row) => {
                found(path, ValueRef::Integer(cells.value(row)))
            }
            Self::Unsigned(cells) if cells.is_valid(row) => {
                let value = cells.value(row);
                found(
                    path,
                    i64::try_from(value).map_or(ValueRef::Float(value as f64), ValueRef::Integer),
                )
            }
            Self::Float(cells) if cells.is_valid(row) => {
                found(path, ValueRef::Float(cells.value(row)))
            }
            Self::Decimal(cells, scale) if cells.is_valid(row) => {
                found(path, as_value(decimal_number(cells.value(row), *scale)))
            }
            Self::Text(cells) if cells.is_valid(row) => {
                found(path, ValueRef::Text(cells.value(row)))
            }
            Self::Time(cells) if cells.is_valid(row) => {
                found(path, ValueRef::Time(cells.value(row)))
            }
            Self::Struct(cells, fields) if cells.is_valid(row) => {
                for (name, field) in fields {
                    let parent = push_path(path, name);
                    field.visit(row, path, found)?;
                    path.truncate(parent);
                }
                Ok(())
            }
            Self::Map(cells, keys, values) if cells.is_valid(row) => {
                let (start, end) = (
                    cells.value_offsets()[row] as usize,
                    cells.value_offsets()[row + 1] as usize,
                );
                for entry in start..end {
                    // Of a key given twice the last counts, as in JSON.
                    if (entry + 1..end).any(|later| keys.value(later) == keys.value(entry)) {
                        continue;
                    }
                    let parent = push_path(path, keys.value(entry));
                    values.visit(entry, path, found)?;
                    path.truncate(parent);
                }
                Ok(())
            }
            Self::List(cells, _) if cells.is_valid(row) => {
                found(path, ValueRef::Array(&self.json(row).to_string()))
            }
            _ => Ok(()),
        }
    }

    /// The value as JSON.
    fn json(&self, row: usize) -> Json {
        match self {
            Self::Bool(cells) if cells.is_valid(row) => cells.value(row).into(),
            Self::Integer(cells) if cells.is_valid(row) => cells.value(row).into(),
            Self::Unsigned(cells) if cells.is_valid(row) => cells.value(row).into(),
            Self::Float(cells) if cells.is_valid(row) => cells.value(row).into(),
            Self::Decimal(cells, scale) if cells.is_valid(row) => {
                match decimal_number(cells.value(row), *scale) {
                    Number::Integer(value) => value.into(),
                    Number::Float(value) => value.into(),
                }
            }
            Self::Text(cells) if cells.is_valid(row) => cells.value(row).into(),
            Self::Time(cells) if cells.is_valid(row) => {
                TimestampMillis(cells.value(row)).to_string().into()
            }
            Self::Struct(cells, fields) if cells.is_valid(row) => Json::Object(
                fields
                    .iter()
                    .map(|(name, field)| (name.clone(), field.json(row)))
                    .collect(),
            ),
            Self::Map(cells, keys, values) if cells.is_valid(row) => {
                let entries =
                    cells.value_offsets()[row] as usize..cells.value_offsets()[row + 1] as usize;
                Json::Object(
                    entries
                        .map(|entry| (keys.value(entry).to_owned(), values.json(entry)))
                        .collect(),
                )
            }
            Self::List(cells, elements) if cells.is_valid(row) => {
                let range = if let Some(list) = cells.as_list_opt::<i32>() {
                    list.value_offsets()[row] as usize..list.value_offsets()[row + 1] as usize
                } else {
                    let offsets = cells.as_list::<i64>().value_offsets();
                    offsets[row] as usize..offsets[row + 1] as usize
                };
                Json::Array(range.map(|element| elements.json(element)).collect())
            }
            _ => Json::Null,
        }
    }
}

/// Appends a name to a dotted path; returns the length to truncate it to afterwards.
fn push_path(path: &mut String, name: &str) -> usize {
    let parent = path.len();
    if parent > 0 {
        path.push('.');
    }
    path.push_str(name);
    parent
}

fn as_value(number: Number) -> ValueRef<'static> {
    match number {
        Number::Integer(value) => ValueRef::Integer(value),
        Number::Float(value) => ValueRef::Float(value),
    }
}

fn decimal_number(value: i128, scale: u32) -> Number {
    if scale == 0
        && let Ok(value) = i64::try_from(value)
    {
        return Number::Integer(value);
    }
    // Both exact as doubles: the quotient is rounded once.
    if value.unsigned_abs() < 1 << 53 && scale <= 22 {
        return Number::Float(value as f64 / 10_f64.powi(scale as i32));
    }
    let digits = format!("{value}e-{scale}");
    parse_number(&digits).unwrap_or(Number::Float(f64::NAN))
}

/// Decimals of 256 bits or with a negative scale, through their text.
fn wide_decimals(array: &ArrayRef, file: &str) -> Result<ValueCells, IngestError> {
    let shown = shown(array, file)?;
    let whole = match array.data_type() {
        DataType::Decimal256(_, scale) => {
            debug_assert!(array.as_primitive_opt::<Decimal256Type>().is_some());
            *scale <= 0
        }
        _ => true,
    };
    let numbers: Vec<Option<Number>> = shown
        .iter()
        .map(|text| text.and_then(parse_number))
        .collect();
    if whole
        && numbers
            .iter()
            .flatten()
            .all(|number| matches!(number, Number::Integer(_)))
    {
        return Ok(ValueCells::Integer(
            numbers
                .into_iter()
                .map(|number| match number {
                    Some(Number::Integer(value)) => Some(value),
                    _ => None,
                })
                .collect(),
        ));
    }
    Ok(ValueCells::Float(
        numbers
            .into_iter()
            .map(|number| number.map(Number::to_f64))
            .collect(),
    ))
}

/// Instants in milliseconds; null where 64 bits do not hold them.
fn instants(array: &ArrayRef) -> TimestampMillisecondArray {
    macro_rules! millis {
        ($kind:ty, $to_millis:expr) => {
            array
                .as_primitive::<$kind>()
                .iter()
                .map(|value| value.and_then($to_millis))
                .collect()
        };
    }
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => {
            millis!(TimestampSecondType, |value: i64| value.checked_mul(1_000))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            millis!(TimestampMicrosecondType, |value: i64| Some(
                value.div_euclid(1_000)
            ))
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            millis!(TimestampNanosecondType, |value: i64| Some(
                value.div_euclid(1_000_000)
            ))
        }
        DataType::Date32 => millis!(Date32Type, |value: i32| Some(i64::from(value) * 86_400_000)),
        DataType::Date64 => millis!(Date64Type, Some),
        _ => millis!(TimestampMillisecondType, Some),
    }
}

/// Every value's text form.
fn shown(array: &ArrayRef, file: &str) -> Result<StringViewArray, IngestError> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(array, &options).map_err(IngestError::arrow(file))?;
    (0..array.len())
        .map(|row| {
            array
                .is_valid(row)
                .then(|| formatter.value(row).try_to_string())
                .transpose()
        })
        .collect::<Result<_, _>>()
        .map_err(IngestError::arrow(file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::builder::{Int32Builder, ListBuilder, MapBuilder, StringBuilder};
    use arrow_array::{Date32Array, DictionaryArray, Int32Array, StringArray, Time32SecondArray};
    use arrow_schema::Field;
    use std::sync::Arc;

    fn values(array: ArrayRef) -> Vec<Vec<String>> {
        let cells = ValueCells::new(&array, "f").unwrap();
        let mut path = String::new();
        (0..array.len())
            .map(|row| {
                let mut found = Vec::new();
                cells
                    .visit::<()>(row, &mut path, &mut |path, value| {
                        found.push(format!("{path}:{value:?}"));
                        Ok(())
                    })
                    .unwrap();
                found
            })
            .collect()
    }

    #[test]
    fn scalars() {
        assert_eq!(
            values(Arc::new(UInt64Array::from(vec![
                Some(1),
                Some(u64::MAX),
                None
            ]))),
            [
                vec![":Integer(1)"],
                vec![":Float(1.8446744073709552e19)"],
                vec![]
            ]
        );
        let decimals = Decimal128Array::from(vec![1234, -5])
            .with_precision_and_scale(10, 2)
            .unwrap();
        assert_eq!(
            values(Arc::new(decimals)),
            [[":Float(12.34)"], [":Float(-0.05)"]]
        );
        let decimals = Decimal128Array::from(vec![i128::from(i64::MAX) + 1, 7])
            .with_precision_and_scale(38, 0)
            .unwrap();
        assert_eq!(
            values(Arc::new(decimals)),
            [[":Float(9.223372036854776e18)"], [":Integer(7)"]]
        );
        assert_eq!(
            values(Arc::new(Date32Array::from(vec![1]))),
            [[":Time(86400000)"]]
        );
        assert_eq!(
            values(Arc::new(Time32SecondArray::from(vec![61]))),
            [[":Text(\"00:01:01\")"]]
        );
        let dictionary: DictionaryArray<arrow_array::types::Int8Type> =
            vec![Some("a"), None, Some("a")].into_iter().collect();
        assert_eq!(
            values(Arc::new(dictionary)),
            [vec![":Text(\"a\")"], vec![], vec![":Text(\"a\")"]]
        );
    }

    #[test]
    fn nested() {
        let inner = StructArray::from(vec![
            (
                Arc::new(Field::new("total", DataType::Int32, true)),
                Arc::new(Int32Array::from(vec![Some(5), None])) as ArrayRef,
            ),
            (
                Arc::new(Field::new("code", DataType::Utf8, true)),
                Arc::new(StringArray::from(vec!["x", "y"])) as ArrayRef,
            ),
        ]);
        assert_eq!(
            values(Arc::new(inner)),
            [
                vec!["total:Integer(5)", "code:Text(\"x\")"],
                vec!["code:Text(\"y\")"]
            ]
        );

        let mut lists = ListBuilder::new(Int32Builder::new());
        lists.append_value([Some(1), None]);
        lists.append_null();
        lists.append_value([]);
        assert_eq!(
            values(Arc::new(lists.finish())),
            [vec![":Array(\"[1,null]\")"], vec![], vec![":Array(\"[]\")"]]
        );

        let mut maps = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
        for (key, value) in [("a", 1), ("b", 2), ("a", 3)] {
            maps.keys().append_value(key);
            maps.values().append_value(value);
        }
        maps.append(true).unwrap();
        assert_eq!(
            values(Arc::new(maps.finish())),
            [["b:Integer(2)", "a:Integer(3)"]]
        );
    }
}
