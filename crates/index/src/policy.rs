//! Which values are worth a set.

/// When the values of a property or attribute are indexed.
///
/// A set per value answers `did(E where p = v)` over whole partitions and equality of attributes
/// without reading a row. It pays while values repeat: with few values the sets are small bitmaps
/// that replace scans of millions of rows; with nearly as many values as rows they would cost as
/// much as the column and each would be asked for hardly ever.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// A property with more distinct texts is not indexed. 4,096 by default.
    pub values_max: usize,
    /// A property whose sets take more bytes than this, per row of its stream (or per user, for an
    /// attribute), is not indexed. 0.5 by default: some 7 to 8 bytes per row are columns.
    pub bytes_per_row_max: f64,
    /// Sets of at most this many users are stored as plain sorted ordinals of four bytes. 64 by
    /// default: a roaring set takes 16 bytes and more per 65,536 ordinals that it touches.
    pub posting_len_max: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            values_max: 4_096,
            bytes_per_row_max: 0.5,
            posting_len_max: 64,
        }
    }
}

impl Policy {
    /// What suits attributes: a user has at most one value of each, so that all sets of one attribute
    /// take at most two bytes per user and their headers, and every segment asks for them.
    pub const ATTRIBUTES: Self = Self {
        values_max: 4_096,
        bytes_per_row_max: 2.5,
        posting_len_max: 64,
    };

    /// Indexes every value, whatever it costs. For tests.
    pub const EVERYTHING: Self = Self {
        values_max: usize::MAX,
        bytes_per_row_max: f64::INFINITY,
        posting_len_max: 64,
    };

    /// Indexes no values, only event names.
    pub const EVENTS_ONLY: Self = Self {
        values_max: 0,
        bytes_per_row_max: 0.0,
        posting_len_max: 64,
    };

    /// The most bytes that the sets of a property may take.
    pub(crate) fn bytes_max(&self, rows: usize) -> u64 {
        // Not by way of the product, which is no number without rows.
        if self.bytes_per_row_max == f64::INFINITY {
            u64::MAX
        } else {
            (rows as f64 * self.bytes_per_row_max) as u64
        }
    }
}
