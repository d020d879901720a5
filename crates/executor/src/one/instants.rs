//! The instants in the data that a moving edge can pass: of one user, or of everybody.

use super::rows::{self, Row};
use crate::dataset::{Dataset, storage_table};
use crate::kernel::Machine;
use crate::truth::ValueRef;
use crate::value::Values;
use crate::{EvalError, Kernels};
use crowdset_query::{Operand, PlanAttribute};
use crowdset_storage::PartData;
use crowdset_types::{TimeRange, TimestampMillis, UserOrdinal};
use std::borrow::Cow;
use std::ops::ControlFlow;

/// Calls `visit` with the instants that `operand` holds over the events whose names `wanted`
/// accepts: times, and text that is RFC 3339. `user`: of one user; `None`: of everybody.
///
/// # Errors
///
/// [`EvalError::Damaged`].
pub fn event_instants(
    dataset: &Dataset,
    user: Option<UserOrdinal>,
    wanted: &dyn Fn(&str) -> bool,
    operand: &Operand,
    visit: &mut dyn FnMut(i64),
) -> Result<(), EvalError> {
    for handle in &dataset.partitions {
        for stream in handle.partition.streams() {
            if !wanted(stream.name()) {
                continue;
            }
            stream.touch()?;
            let times = stream.times();
            let mut look = |row: Row<'_>| -> Result<(), EvalError> {
                if let Some(at) = row.value(operand)?.and_then(|value| instant(&value)) {
                    visit(at);
                }
                Ok(())
            };
            match user {
                Some(user) => {
                    let mut outcome = Ok(());
                    let _ = rows::scan(
                        Machine::new(Kernels::default()),
                        &handle.partition,
                        stream.name(),
                        TimeRange::ALL,
                        user,
                        &mut |row| {
                            outcome = look(row);
                            if outcome.is_ok() {
                                ControlFlow::Continue(())
                            } else {
                                ControlFlow::Break(())
                            }
                        },
                    )?;
                    outcome?;
                }
                None => {
                    for row in 0..stream.rows() {
                        look(Row {
                            at: times.get(row),
                            stream,
                            index: row,
                        })?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// Calls `visit` with the instants from which values of an attribute hold; values that hold always
/// have none.
///
/// # Errors
///
/// [`EvalError::Damaged`].
pub fn attribute_changes(
    dataset: &Dataset,
    user: Option<UserOrdinal>,
    attribute: &PlanAttribute,
    visit: &mut dyn FnMut(i64),
) -> Result<(), EvalError> {
    history(dataset, user, attribute, &mut |at, _| {
        if at != i64::MIN {
            visit(at);
        }
    })
}

/// Calls `visit` with the instants that an attribute ever has as its value: times, and text that is
/// RFC 3339.
///
/// # Errors
///
/// [`EvalError::Damaged`].
pub fn attribute_values(
    dataset: &Dataset,
    user: Option<UserOrdinal>,
    attribute: &PlanAttribute,
    visit: &mut dyn FnMut(i64),
) -> Result<(), EvalError> {
    let users = &dataset.users;
    let Some(stored) = users.attribute(storage_table(attribute.table), &attribute.name) else {
        return Ok(());
    };
    let column = stored.column()?;
    let values = Values {
        column: Some(column),
        cast: attribute.cast,
    };
    let rows = match user {
        Some(user) => user.0 as usize..user.0 as usize + 1,
        None => 0..column.rows,
    };
    for row in rows {
        if let Some(at) = values.get(row).and_then(|value| instant(&value)) {
            visit(at);
        }
    }
    let dictionary = column.parts.iter().find_map(|part| match &part.data {
        PartData::Text { dictionary, .. } => Some(dictionary),
        _ => None,
    });
    let Some(dictionary) = dictionary else {
        return Ok(());
    };
    history(dataset, user, attribute, &mut |_, code| {
        // A code past the end stands for no value.
        if (code as usize) < dictionary.len() {
            let text = ValueRef::Text(Cow::Borrowed(dictionary.get(code as usize)));
            if let Some(at) = text.cast(attribute.cast).and_then(|value| instant(&value)) {
                visit(at);
            }
        }
    })
}

/// Calls `visit` with instant and code of each row of an attribute's history.
fn history(
    dataset: &Dataset,
    user: Option<UserOrdinal>,
    attribute: &PlanAttribute,
    visit: &mut dyn FnMut(i64, u32),
) -> Result<(), EvalError> {
    let users = &dataset.users;
    let Some(stored) = users.attribute(storage_table(attribute.table), &attribute.name) else {
        return Ok(());
    };
    let Some(history) = stored.history()? else {
        return Ok(());
    };
    let chunks = match user {
        Some(user) => user.chunk().0..user.chunk().0 + 1,
        None => 0..users.chunks() as u32,
    };
    for chunk in chunks.map(crowdset_types::ChunkId) {
        let rows = history.chunk(chunk);
        for (within, at, code) in rows.iter() {
            if user.is_none_or(|user| user.within_chunk() == within) {
                visit(at, code);
            }
        }
    }
    Ok(())
}

/// The instant a value stands for.
fn instant(value: &ValueRef<'_>) -> Option<i64> {
    match value {
        ValueRef::Time(at) => Some(*at),
        ValueRef::Text(text) => TimestampMillis::parse(text).ok().map(|(at, _)| at.0),
        ValueRef::Bool(_) | ValueRef::Number(_) | ValueRef::Array(_) => None,
    }
}
