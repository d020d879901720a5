//! Columns that must mean something: ids, names, instants. One batch at a time.

use crate::error::{IngestError, RowProblem};
use arrow_array::cast::AsArray as _;
use arrow_array::types::{
    Date32Type, Date64Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt64Type,
};
use arrow_array::{Array, ArrayRef, Int64Array, StringViewArray, UInt64Array};
use arrow_schema::{DataType, TimeUnit};
use crowdset_storage::IdKind;
use crowdset_types::{ParseTimeError, TimestampMillis};
use std::fmt::Write as _;

/// Whether a type is one of the ways to hold text.
pub(crate) fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// The kind of ids that a column of this type holds; `None` if it can hold none.
pub(crate) fn id_kind(kind: &DataType) -> Option<IdKind> {
    match kind {
        DataType::Dictionary(_, values) => id_kind(values),
        _ if is_text(kind) => Some(IdKind::Text),
        _ if kind.is_integer() => Some(IdKind::Integer),
        _ => None,
    }
}

/// Whether a column of this type can hold instants.
pub(crate) fn is_time(kind: &DataType) -> bool {
    is_text(kind)
        || matches!(
            kind,
            DataType::Timestamp(..) | DataType::Date32 | DataType::Date64
        )
}

/// Text of one column.
#[derive(Debug, Clone)]
pub(crate) struct TextCells(StringViewArray);

impl TextCells {
    pub(crate) fn new(array: &ArrayRef, file: &str) -> Result<Self, IngestError> {
        if let Some(view) = array.as_string_view_opt() {
            return Ok(Self(view.clone()));
        }
        let cast =
            arrow::compute::cast(array, &DataType::Utf8View).map_err(IngestError::arrow(file))?;
        Ok(Self(cast.as_string_view().clone()))
    }

    pub(crate) fn get(&self, row: usize) -> Option<&str> {
        self.0.is_valid(row).then(|| self.0.value(row))
    }

    /// What stands for the texts: of two rows with equal views the texts are equal, too.
    pub(crate) fn views(&self) -> &[u128] {
        self.0.views()
    }

    /// The column.
    pub(crate) fn array(&self) -> ArrayRef {
        std::sync::Arc::new(self.0.clone())
    }

    /// The text of a row that is known to have one; empty otherwise.
    pub(crate) fn text(&self, row: usize) -> &str {
        self.get(row).unwrap_or_default()
    }
}

/// Ids of one column, as text whatever their type.
#[derive(Debug, Clone)]
pub(crate) enum IdCells {
    Text(TextCells),
    Integer(Int64Array),
    Unsigned(UInt64Array),
}

impl IdCells {
    pub(crate) fn new(array: &ArrayRef, file: &str) -> Result<Self, IngestError> {
        let cast = |kind| arrow::compute::cast(array, &kind).map_err(IngestError::arrow(file));
        Ok(match array.data_type() {
            DataType::UInt64 => Self::Unsigned(array.as_primitive::<UInt64Type>().clone()),
            DataType::Dictionary(_, values) if **values == DataType::UInt64 => {
                Self::Unsigned(cast(DataType::UInt64)?.as_primitive::<UInt64Type>().clone())
            }
            kind if id_kind(kind) == Some(IdKind::Integer) => {
                Self::Integer(cast(DataType::Int64)?.as_primitive::<Int64Type>().clone())
            }
            _ => Self::Text(TextCells::new(array, file)?),
        })
    }

    /// The id of a row; `Ok(None)` if it is null. Numbers are written into `buffer`.
    pub(crate) fn get<'a>(
        &'a self,
        row: usize,
        buffer: &'a mut String,
    ) -> Result<Option<&'a str>, RowProblem> {
        let number: i64 = match self {
            Self::Text(cells) => return Ok(cells.get(row)),
            Self::Integer(cells) if cells.is_valid(row) => cells.value(row),
            Self::Unsigned(cells) if cells.is_valid(row) => {
                let value = cells.value(row);
                i64::try_from(value).map_err(|_| RowProblem::IdTooLarge(value))?
            }
            Self::Integer(_) | Self::Unsigned(_) => return Ok(None),
        };
        buffer.clear();
        // Writing to a String cannot fail.
        let _ = write!(buffer, "{number}");
        Ok(Some(buffer))
    }
}

/// Appends the instants of a column, in milliseconds; 0 where there is none, and `problem` says why.
/// Returns how many were finer than a millisecond.
pub(crate) fn read_times(
    array: &ArrayRef,
    file: &str,
    times: &mut Vec<i64>,
    mut problem: impl FnMut(usize, TimeProblem),
) -> Result<u64, IngestError> {
    let rows = array.len();
    times.reserve(rows);
    let mut floored = 0;
    let mut push = |row: usize, value: Option<(i64, bool)>| match value {
        Some((millis, finer)) if TimestampMillis(millis).is_in_range() => {
            floored += u64::from(finer);
            times.push(millis);
        }
        _ => {
            problem(row, TimeProblem::OutOfRange);
            times.push(0);
        }
    };
    // Null slots hold arbitrary values; they are reported as null and their value is never used.
    macro_rules! primitive {
        ($kind:ty, $to_millis:expr) => {{
            let cells = array.as_primitive::<$kind>();
            let to_millis = $to_millis;
            for (row, &value) in cells.values().iter().enumerate() {
                push(
                    row,
                    if cells.is_valid(row) {
                        to_millis(value)
                    } else {
                        Some((0, false))
                    },
                );
            }
        }};
    }
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => {
            primitive!(TimestampSecondType, |value: i64| value
                .checked_mul(1_000)
                .map(|millis| (millis, false)));
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            primitive!(TimestampMillisecondType, |value: i64| Some((value, false)));
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            primitive!(TimestampMicrosecondType, |value: i64| Some((
                value.div_euclid(1_000),
                value.rem_euclid(1_000) != 0
            )));
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            primitive!(TimestampNanosecondType, |value: i64| Some((
                value.div_euclid(1_000_000),
                value.rem_euclid(1_000_000) != 0
            )));
        }
        DataType::Date32 => {
            primitive!(Date32Type, |value: i32| Some((
                i64::from(value) * 86_400_000,
                false
            )));
        }
        DataType::Date64 => primitive!(Date64Type, |value: i64| Some((value, false))),
        _ => {
            let cells = TextCells::new(array, file)?;
            for row in 0..rows {
                match cells.get(row).map(TimestampMillis::parse) {
                    None => times.push(0),
                    Some(Ok((instant, finer))) => {
                        floored += u64::from(finer);
                        times.push(instant.0);
                    }
                    Some(Err(error)) => {
                        problem(row, TimeProblem::Unreadable(error));
                        times.push(0);
                    }
                }
            }
        }
    }
    if array.null_count() > 0 {
        for row in 0..rows {
            if array.is_null(row) {
                problem(row, TimeProblem::Null);
            }
        }
    }
    Ok(floored)
}

/// Why a row has no instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TimeProblem {
    Null,
    OutOfRange,
    Unreadable(ParseTimeError),
}

impl TimeProblem {
    pub(crate) fn into_row_problem(self, column: &str) -> RowProblem {
        match self {
            Self::Null => RowProblem::Null {
                column: column.to_owned(),
            },
            Self::OutOfRange => RowProblem::TimeOutOfRange,
            Self::Unreadable(error) => RowProblem::Time(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Int32Array, StringArray, TimestampMicrosecondArray, TimestampSecondArray};
    use std::sync::Arc;

    fn times(array: ArrayRef) -> (Vec<i64>, Vec<(usize, TimeProblem)>, u64) {
        let (mut times, mut problems) = (Vec::new(), Vec::new());
        let floored = read_times(&array, "f", &mut times, |row, problem| {
            problems.push((row, problem));
        })
        .unwrap();
        (times, problems, floored)
    }

    #[test]
    fn times_are_floored_to_the_millisecond() {
        let array = TimestampMicrosecondArray::from(vec![Some(1_500), Some(-1), None, Some(2_000)]);
        let (times, problems, floored) = times(Arc::new(array));
        assert_eq!(times, [1, -1, 0, 2]);
        assert_eq!(problems, [(2, TimeProblem::Null)]);
        assert_eq!(floored, 2);
    }

    #[test]
    fn times_out_of_range_are_problems() {
        let array = TimestampSecondArray::from(vec![
            i64::MAX,
            9_223_372_037,
            9_223_372_036,
            -9_223_372_036,
        ]);
        let (times, problems, _) = times(Arc::new(array));
        assert_eq!(times[2..], [9_223_372_036_000, -9_223_372_036_000]);
        assert_eq!(
            problems,
            [(0, TimeProblem::OutOfRange), (1, TimeProblem::OutOfRange)]
        );
    }

    #[test]
    fn times_are_read_from_text() {
        let array = StringArray::from(vec![Some("1970-01-01T00:00:01.0005Z"), Some("soon"), None]);
        let (times, problems, floored) = times(Arc::new(array));
        assert_eq!(times, [1_000, 0, 0]);
        assert!(matches!(
            problems[..],
            [(1, TimeProblem::Unreadable(_)), (2, TimeProblem::Null)]
        ));
        assert_eq!(floored, 1);
    }

    #[test]
    fn ids_of_every_type_read_as_text() {
        let mut buffer = String::new();
        let cells = IdCells::new(
            &(Arc::new(Int32Array::from(vec![Some(-7), None])) as ArrayRef),
            "f",
        )
        .unwrap();
        assert_eq!(cells.get(0, &mut buffer), Ok(Some("-7")));
        assert_eq!(cells.get(1, &mut buffer), Ok(None));
        let cells = IdCells::new(
            &(Arc::new(UInt64Array::from(vec![u64::MAX])) as ArrayRef),
            "f",
        )
        .unwrap();
        assert_eq!(
            cells.get(0, &mut buffer),
            Err(RowProblem::IdTooLarge(u64::MAX))
        );
    }
}
