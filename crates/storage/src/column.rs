//! Typed columns over Arrow buffers: what one property of a stream, or one attribute, looks like in
//! memory and in a mapped file.
//!
//! ```text
//! Column (rows)
//! ├ ColumnPart  presence bits │ Text   dictionary in byte order + codes u8/u16/u32
//! ├ ColumnPart  presence bits │ Integer base + offsets u8/u16/u32/u64
//! └ …           one part for each type that occurs; a row is present in one part at most
//! ```

use arrow_buffer::{Buffer, ScalarBuffer};

/// Unsigned numbers at the narrowest width that holds them all.
#[derive(Debug, Clone)]
pub enum Codes {
    /// One byte each.
    U8(ScalarBuffer<u8>),
    /// Two bytes each.
    U16(ScalarBuffer<u16>),
    /// Four bytes each.
    U32(ScalarBuffer<u32>),
    /// Eight bytes each.
    U64(ScalarBuffer<u64>),
}

impl Codes {
    /// The number at `row`.
    ///
    /// # Panics
    ///
    /// If there are not so many rows.
    pub fn get(&self, row: usize) -> u64 {
        match self {
            Self::U8(codes) => u64::from(codes[row]),
            Self::U16(codes) => u64::from(codes[row]),
            Self::U32(codes) => u64::from(codes[row]),
            Self::U64(codes) => codes[row],
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(codes) => codes.len(),
            Self::U16(codes) => codes.len(),
            Self::U32(codes) => codes.len(),
            Self::U64(codes) => codes.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes per number.
    pub fn width(&self) -> usize {
        match self {
            Self::U8(_) => 1,
            Self::U16(_) => 2,
            Self::U32(_) => 4,
            Self::U64(_) => 8,
        }
    }
}

/// One bit per row, least significant first, in 64-bit words; bits past the last row are zero.
#[derive(Debug, Clone)]
pub struct Bits(pub ScalarBuffer<u64>);

impl Bits {
    /// The bit of `row`.
    ///
    /// # Panics
    ///
    /// If there are not so many rows.
    pub fn get(&self, row: usize) -> bool {
        self.0[row / 64] >> (row % 64) & 1 == 1
    }
}

/// Distinct texts in byte order; the position of a text is its code.
#[derive(Debug, Clone)]
pub struct Dictionary {
    /// `len + 1` positions into `bytes`.
    pub(crate) offsets: ScalarBuffer<u32>,
    /// All texts, one after the other, valid UTF-8 (checked when the dictionary was opened or built).
    pub(crate) bytes: Buffer,
}

impl Dictionary {
    /// How many texts.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text of a code; empty if its bytes were damaged after they were checked.
    ///
    /// # Panics
    ///
    /// If there is no such code.
    pub fn get(&self, code: usize) -> &str {
        std::str::from_utf8(self.get_bytes(code)).unwrap_or_default()
    }

    /// The bytes of a code's text.
    ///
    /// # Panics
    ///
    /// If there is no such code.
    pub fn get_bytes(&self, code: usize) -> &[u8] {
        &self.bytes.as_slice()[self.offsets[code] as usize..self.offsets[code + 1] as usize]
    }

    /// The code of a text: `Ok` where it is, `Err` where it would stand. Costs a binary search.
    ///
    /// # Errors
    ///
    /// The position at which the text would stand, if it is not there.
    pub fn find(&self, text: &str) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.get_bytes(middle).cmp(text.as_bytes()) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }
}

/// One property of a stream (a row per event) or one attribute (a row per user ordinal).
#[derive(Debug, Clone)]
pub struct Column {
    /// A part for each type that occurs. A row that is in no part has no value.
    pub parts: Vec<ColumnPart>,
    /// How many rows.
    pub rows: usize,
}

/// The values of one type.
#[derive(Debug, Clone)]
pub struct ColumnPart {
    /// Which rows have a value of this type; `None`: all of them.
    pub presence: Option<Bits>,
    /// The values, one per row; arbitrary where there is none.
    pub data: PartData,
}

impl ColumnPart {
    /// Whether `row` has a value of this type.
    pub fn is_present(&self, row: usize) -> bool {
        self.presence.as_ref().is_none_or(|bits| bits.get(row))
    }
}

/// Values of one type, a row each.
#[derive(Debug, Clone)]
pub enum PartData {
    /// Truth values.
    Bool(Bits),
    /// `base + offset`, in wrapping 64-bit arithmetic.
    Integer {
        /// The smallest value.
        base: i64,
        /// How much larger each value is.
        offsets: Codes,
    },
    /// Doubles that all are short decimals: `(base + offset) / 10^places` is exactly each double.
    Decimal {
        /// Digits behind the point, 0 to [`crowdset_types::DECIMAL_PLACES_MAX`].
        places: u32,
        /// The smallest scaled value.
        base: i64,
        /// How much larger each scaled value is.
        offsets: Codes,
    },
    /// Any doubles; NaN and infinities can come from plain columns.
    Float(ScalarBuffer<f64>),
    /// Instants, `base + offset` milliseconds since the epoch.
    Time {
        /// The earliest.
        base: i64,
        /// How much later each is.
        offsets: Codes,
    },
    /// Text, as codes of a dictionary.
    Text {
        /// The distinct texts, in byte order.
        dictionary: Dictionary,
        /// A code per row.
        codes: Codes,
    },
    /// Arrays, as codes of a dictionary of their compact JSON text.
    Array {
        /// The distinct arrays, in byte order of their JSON text.
        dictionary: Dictionary,
        /// A code per row.
        codes: Codes,
    },
}
