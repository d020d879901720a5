//! The values of a user property over time.
//!
//! ```text
//! starts   the first row of each chunk, and the end
//! users    ordinal within the chunk
//! times    since when: low 32 bits, and, if they take more, the others at their width
//! codes    of the attribute's dictionary, at the narrowest width; all ones: unset from then on
//! ```
//!
//! Sorted by user, then time. Properties that are set together have the same users and times, and where
//! everybody has one value the codes are those of the column: equal sections are written once.

use crate::column::Codes;
use crate::column_meta::CodesMeta;
use crate::encode::{EncodedCodes, scatter};
use crate::error::{Damaged, StorageError};
use crate::image::{Image, ImageWriter, SectionBytes, SectionId};
use arrow_buffer::ScalarBuffer;
use crowdset_types::{CHUNK_USERS, ChunkId, UserOrdinal, chunk_count};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::OnceLock;

/// The code of "unset from then on".
pub(crate) const UNSET: u32 = u32::MAX;

/// The time of what holds always.
const ALWAYS: i64 = i64::MIN;

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct HistoryMeta {
    pub(crate) latest: i64,
    pub(crate) rows: u64,
    pub(crate) chunks: u32,
    pub(crate) starts: SectionId,
    pub(crate) users: SectionId,
    pub(crate) times: TimesMeta,
    pub(crate) codes: CodesMeta,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum TimesMeta {
    /// Milliseconds since the epoch, 64 bits each: of the first format.
    Whole(SectionId),
    /// Milliseconds since `base`; 0 stands for always.
    Offsets {
        base: i64,
        low: SectionId,
        high: Option<CodesMeta>,
    },
}

impl HistoryMeta {
    pub(crate) fn sections(&self) -> Vec<SectionId> {
        let mut sections = vec![self.starts, self.users];
        match self.times {
            TimesMeta::Whole(times) => sections.push(times),
            TimesMeta::Offsets { low, high, .. } => {
                sections.push(low);
                sections.extend(high.map(|high| high.section));
            }
        }
        sections.push(self.codes.section);
        sections
    }
}

/// A history of an image: its sections are checked when it is first asked for.
#[derive(Debug)]
pub(crate) struct LazyHistory {
    image: Image,
    pub(crate) meta: HistoryMeta,
    history: History,
    checked: OnceLock<Result<(), Damaged>>,
}

impl LazyHistory {
    /// Checks that all sections are there and have the right lengths.
    pub(crate) fn open(image: &Image, meta: HistoryMeta) -> Result<Self, StorageError> {
        let rows = meta.rows as usize;
        image.expect::<u32>(meta.starts, (meta.chunks as usize).saturating_add(1))?;
        image.expect::<u16>(meta.users, rows)?;
        let times = match meta.times {
            TimesMeta::Whole(times) => {
                image.expect::<i64>(times, rows)?;
                OwnedTimes::Whole(image.values(times))
            }
            TimesMeta::Offsets { base, low, high } => {
                image.expect::<u32>(low, rows)?;
                if let Some(high) = high {
                    high.expect(image, rows)?;
                }
                OwnedTimes::Offsets {
                    base,
                    low: image.values(low),
                    high: high.map(|high| high.open(image)),
                }
            }
        };
        meta.codes.expect(image, rows)?;
        let history = History {
            latest: meta.latest,
            starts: image.values(meta.starts),
            users: image.values(meta.users),
            times,
            codes: meta.codes.open(image),
        };
        Ok(Self {
            image: image.clone(),
            meta,
            history,
            checked: OnceLock::new(),
        })
    }

    pub(crate) fn get(&self) -> Result<&History, Damaged> {
        self.checked
            .get_or_init(|| self.image.check_all(&self.meta.sections()))
            .clone()?;
        Ok(&self.history)
    }
}

/// The values of one user property over time.
#[derive(Debug)]
pub struct History {
    latest: i64,
    starts: ScalarBuffer<u32>,
    users: ScalarBuffer<u16>,
    times: OwnedTimes,
    codes: Codes,
}

#[derive(Debug)]
enum OwnedTimes {
    Whole(ScalarBuffer<i64>),
    Offsets {
        base: i64,
        low: ScalarBuffer<u32>,
        high: Option<Codes>,
    },
}

impl OwnedTimes {
    #[inline]
    fn get(&self, row: usize) -> i64 {
        match self {
            Self::Whole(times) => times[row],
            Self::Offsets { base, low, high } => {
                let high = match high {
                    None => 0,
                    Some(Codes::U8(high)) => u64::from(high[row]),
                    Some(high) => high.get(row),
                };
                match high << 32 | u64::from(low[row]) {
                    0 => ALWAYS,
                    offset => base.wrapping_add(offset as i64),
                }
            }
        }
    }
}

/// A chunk's part of a [`History`], sorted by user, then time; one row per user and time.
#[derive(Debug, Clone, Copy)]
pub struct HistoryRows<'a> {
    /// Ordinal within the chunk.
    pub users: &'a [u16],
    /// The number of the first row in the history.
    first: usize,
    history: &'a History,
}

impl HistoryRows<'_> {
    /// Since when a row holds, milliseconds since the epoch; `i64::MIN`: always.
    ///
    /// # Panics
    ///
    /// If there are not so many rows in the history.
    #[inline]
    pub fn at(&self, row: usize) -> i64 {
        self.history.times.get(self.first + row)
    }

    /// A row's code of the attribute's text dictionary; `u32::MAX`: unset from then on.
    ///
    /// # Panics
    ///
    /// If there are not so many rows in the history.
    #[inline]
    pub fn code(&self, row: usize) -> u32 {
        let row = self.first + row;
        match &self.history.codes {
            Codes::U8(codes) if codes[row] == u8::MAX => UNSET,
            Codes::U8(codes) => u32::from(codes[row]),
            Codes::U16(codes) if codes[row] == u16::MAX => UNSET,
            Codes::U16(codes) => u32::from(codes[row]),
            Codes::U32(codes) => codes[row],
            Codes::U64(codes) => u32::try_from(codes[row]).unwrap_or(UNSET),
        }
    }

    /// User, time and code of each row.
    pub fn iter(&self) -> impl Iterator<Item = (u16, i64, u32)> {
        let users = self.users.iter().enumerate();
        users.map(|(row, &user)| (user, self.at(row), self.code(row)))
    }

    /// How many of a user's rows, which are given, begin while `is_early` holds; it holds for
    /// earlier times if it does for later ones.
    pub fn count_early(&self, rows: Range<usize>, is_early: impl Fn(i64) -> bool) -> usize {
        let (mut low, mut high) = (rows.start, rows.end);
        while low < high {
            let middle = low.midpoint(high);
            if is_early(self.at(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low - rows.start
    }
}

impl History {
    /// The latest time of a value: for any later instant the attribute's column is exact.
    pub fn latest(&self) -> i64 {
        self.latest
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.users.len()
    }

    /// The rows of a chunk; none beyond the last chunk.
    pub fn chunk(&self, chunk: ChunkId) -> HistoryRows<'_> {
        let rows = match self.starts.get(chunk.index()..chunk.index() + 2) {
            Some(starts) => starts[0] as usize..starts[1] as usize,
            None => 0..0,
        };
        HistoryRows {
            first: rows.start,
            users: &self.users[rows],
            history: self,
        }
    }
}

/// What held for a user from a time on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HistoryRow {
    pub(crate) user: u32,
    pub(crate) code: u32,
    pub(crate) at: i64,
}

/// A history, encoded, not yet written.
#[derive(Debug)]
pub(crate) struct EncodedHistory {
    latest: i64,
    rows: u64,
    chunks: u32,
    starts: SectionBytes,
    users: SectionBytes,
    base: i64,
    low: SectionBytes,
    high: Option<EncodedCodes>,
    codes: EncodedCodes,
}

impl EncodedHistory {
    /// Rows sorted by user and time, their codes fewer than `texts`.
    pub(crate) fn new(rows: &[HistoryRow], texts: u64, ordinals: usize) -> Self {
        let chunks = chunk_count(ordinals);
        let starts: Vec<u32> = (0..=chunks)
            .map(|chunk| {
                rows.partition_point(|row| (row.user as usize) < chunk * CHUNK_USERS) as u32
            })
            .collect();
        let users = rows
            .iter()
            .map(|row| UserOrdinal(row.user).within_chunk())
            .collect();
        let times = || rows.iter().map(|row| row.at).filter(|at| *at != ALWAYS);
        let base = times().min().map_or(0, |first| first.wrapping_sub(1));
        let offset = |at: i64| match at {
            ALWAYS => 0,
            at => at.wrapping_sub(base) as u64,
        };
        let longest = times().max().map_or(0, offset);
        let high = (longest >> 32 > 0).then(|| {
            scatter(rows.len(), longest >> 32, |sink| {
                for (place, row) in rows.iter().enumerate() {
                    sink.put(place, offset(row.at) >> 32);
                }
            })
        });
        // All ones must be no text's code.
        let codes = scatter(rows.len(), texts, |sink| {
            for (place, row) in rows.iter().enumerate() {
                let code = if row.code == UNSET {
                    u64::MAX
                } else {
                    u64::from(row.code)
                };
                sink.put(place, code);
            }
        });
        Self {
            latest: rows.iter().map(|row| row.at).max().unwrap_or(ALWAYS),
            rows: rows.len() as u64,
            chunks: chunks as u32,
            starts: SectionBytes::new(starts),
            users: SectionBytes::new(users),
            base,
            low: SectionBytes::new(rows.iter().map(|row| offset(row.at) as u32).collect()),
            high,
            codes,
        }
    }

    pub(crate) fn write(
        self,
        writer: &mut ImageWriter,
        shown: &str,
    ) -> Result<HistoryMeta, StorageError> {
        let name = |what: &str| format!("{shown}, history {what}");
        Ok(HistoryMeta {
            latest: self.latest,
            rows: self.rows,
            chunks: self.chunks,
            starts: writer.put_section(name("starts"), &self.starts)?,
            users: writer.put_section(name("users"), &self.users)?,
            times: TimesMeta::Offsets {
                base: self.base,
                low: writer.put_section(name("times"), &self.low)?,
                high: self
                    .high
                    .map(|high| high.write(writer, name("times, upper bits")))
                    .transpose()?,
            },
            codes: self.codes.write(writer, name("codes"))?,
        })
    }
}
