//! Rows are stored as narrow as they can be: one body for whatever width they have.

/// Evaluates an expression in which a name stands for the slice of codes, of whatever width.
macro_rules! with_codes {
    ($of:expr, $codes:ident => $body:expr) => {
        match $of {
            crowdset_storage::Codes::U8($codes) => $body,
            crowdset_storage::Codes::U16($codes) => $body,
            crowdset_storage::Codes::U32($codes) => $body,
            crowdset_storage::Codes::U64($codes) => $body,
        }
    };
}

/// Evaluates an expression in which a name stands for the slice of offsets of times.
macro_rules! with_offsets {
    ($of:expr, $offsets:ident => $body:expr) => {
        match $of {
            crowdset_storage::TimeOffsets::U32($offsets) => $body,
            crowdset_storage::TimeOffsets::U64($offsets) => $body,
        }
    };
}

pub(crate) use {with_codes, with_offsets};
