//! What an image says about a column: types, widths, and where its sections are.

use crate::column::{Bits, Codes, Column, ColumnPart, Dictionary, PartData};
use crate::error::{Damaged, StorageError};
use crate::image::{Image, SectionId};
use crate::stats::ColumnBytes;
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

/// How the values of one type are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DataKind {
    /// Truth values, a bit each.
    Bool,
    /// Integers as base and offset.
    Integer,
    /// Doubles as scaled integers.
    Decimal,
    /// Doubles.
    Float,
    /// Instants as base and offset.
    Time,
    /// Text as codes of a dictionary.
    Text,
    /// Arrays as codes of a dictionary of their JSON text.
    Array,
}

impl DataKind {
    /// The name of the type, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Float => "float",
            Self::Time => "time",
            Self::Text => "text",
            Self::Array => "array",
        }
    }
}

/// The types that occur in a column, as a segment can tell them apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kinds {
    /// Truth values.
    pub bool: bool,
    /// Integers, decimals, doubles.
    pub number: bool,
    /// Text.
    pub text: bool,
    /// Instants of a timestamp column.
    pub time: bool,
    /// Arrays.
    pub array: bool,
}

impl Kinds {
    /// The types of either.
    pub fn union(self, other: Self) -> Self {
        Self {
            bool: self.bool || other.bool,
            number: self.number || other.number,
            text: self.text || other.text,
            time: self.time || other.time,
            array: self.array || other.array,
        }
    }

    fn add(&mut self, kind: DataKind) {
        match kind {
            DataKind::Bool => self.bool = true,
            DataKind::Integer | DataKind::Decimal | DataKind::Float => self.number = true,
            DataKind::Time => self.time = true,
            DataKind::Text => self.text = true,
            DataKind::Array => self.array = true,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PartMeta {
    /// Rows with a value of this type.
    pub(crate) present: u64,
    pub(crate) presence: Option<SectionId>,
    pub(crate) data: DataMeta,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum DataMeta {
    Bool {
        values: SectionId,
    },
    Integer {
        base: i64,
        offsets: CodesMeta,
    },
    Decimal {
        places: u32,
        base: i64,
        offsets: CodesMeta,
    },
    Float {
        values: SectionId,
    },
    Time {
        base: i64,
        offsets: CodesMeta,
    },
    Text {
        dictionary: DictionaryMeta,
        codes: CodesMeta,
    },
    Array {
        dictionary: DictionaryMeta,
        codes: CodesMeta,
    },
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct CodesMeta {
    /// Bytes per number: 1, 2, 4 or 8.
    pub(crate) width: u8,
    pub(crate) section: SectionId,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct DictionaryMeta {
    /// How many texts.
    pub(crate) len: u64,
    /// Bytes of all texts.
    pub(crate) bytes: u64,
    pub(crate) offsets: SectionId,
    pub(crate) texts: SectionId,
}

impl CodesMeta {
    pub(crate) fn expect(self, image: &Image, rows: usize) -> Result<(), StorageError> {
        match self.width {
            1 => image.expect::<u8>(self.section, rows),
            2 => image.expect::<u16>(self.section, rows),
            4 => image.expect::<u32>(self.section, rows),
            8 => image.expect::<u64>(self.section, rows),
            width => Err(StorageError::malformed(
                image.name(),
                format!("there are no numbers of {width} bytes"),
            )),
        }
    }

    pub(crate) fn open(self, image: &Image) -> Codes {
        match self.width {
            1 => Codes::U8(image.values(self.section)),
            2 => Codes::U16(image.values(self.section)),
            4 => Codes::U32(image.values(self.section)),
            _ => Codes::U64(image.values(self.section)),
        }
    }
}

impl DictionaryMeta {
    fn expect(self, image: &Image) -> Result<(), StorageError> {
        image.expect::<u32>(self.offsets, (self.len as usize).saturating_add(1))?;
        image.expect::<u8>(self.texts, self.bytes as usize)
    }

    fn open(self, image: &Image) -> Dictionary {
        Dictionary {
            offsets: image.values(self.offsets),
            bytes: image.buffer(self.texts),
        }
    }
}

/// Words that hold a bit per row.
pub(crate) fn bit_words(rows: usize) -> usize {
    rows.div_ceil(64)
}

impl PartMeta {
    pub(crate) fn kind(&self) -> DataKind {
        match self.data {
            DataMeta::Bool { .. } => DataKind::Bool,
            DataMeta::Integer { .. } => DataKind::Integer,
            DataMeta::Decimal { .. } => DataKind::Decimal,
            DataMeta::Float { .. } => DataKind::Float,
            DataMeta::Time { .. } => DataKind::Time,
            DataMeta::Text { .. } => DataKind::Text,
            DataMeta::Array { .. } => DataKind::Array,
        }
    }

    fn expect(&self, image: &Image, rows: usize) -> Result<(), StorageError> {
        if let Some(presence) = self.presence {
            image.expect::<u64>(presence, bit_words(rows))?;
        }
        match &self.data {
            DataMeta::Bool { values } => image.expect::<u64>(*values, bit_words(rows)),
            DataMeta::Float { values } => image.expect::<f64>(*values, rows),
            DataMeta::Decimal { places, .. } if *places > crowdset_types::DECIMAL_PLACES_MAX => {
                Err(StorageError::malformed(
                    image.name(),
                    format!("there are no decimals of {places} places"),
                ))
            }
            DataMeta::Integer { offsets, .. }
            | DataMeta::Decimal { offsets, .. }
            | DataMeta::Time { offsets, .. } => offsets.expect(image, rows),
            DataMeta::Text { dictionary, codes } | DataMeta::Array { dictionary, codes } => {
                dictionary.expect(image)?;
                codes.expect(image, rows)
            }
        }
    }

    fn open(&self, image: &Image) -> ColumnPart {
        let data = match &self.data {
            DataMeta::Bool { values } => PartData::Bool(Bits(image.values(*values))),
            DataMeta::Integer { base, offsets } => PartData::Integer {
                base: *base,
                offsets: offsets.open(image),
            },
            DataMeta::Decimal {
                places,
                base,
                offsets,
            } => PartData::Decimal {
                places: *places,
                base: *base,
                offsets: offsets.open(image),
            },
            DataMeta::Float { values } => PartData::Float(image.values(*values)),
            DataMeta::Time { base, offsets } => PartData::Time {
                base: *base,
                offsets: offsets.open(image),
            },
            DataMeta::Text { dictionary, codes } => PartData::Text {
                dictionary: dictionary.open(image),
                codes: codes.open(image),
            },
            DataMeta::Array { dictionary, codes } => PartData::Array {
                dictionary: dictionary.open(image),
                codes: codes.open(image),
            },
        };
        ColumnPart {
            presence: self.presence.map(|bits| Bits(image.values(bits))),
            data,
        }
    }

    /// The dictionary and all other sections.
    fn sections(&self) -> (Option<DictionaryMeta>, Vec<SectionId>) {
        let mut sections: Vec<SectionId> = self.presence.into_iter().collect();
        let dictionary = match &self.data {
            DataMeta::Bool { values } | DataMeta::Float { values } => {
                sections.push(*values);
                None
            }
            DataMeta::Integer { offsets, .. }
            | DataMeta::Decimal { offsets, .. }
            | DataMeta::Time { offsets, .. } => {
                sections.push(offsets.section);
                None
            }
            DataMeta::Text { dictionary, codes } | DataMeta::Array { dictionary, codes } => {
                sections.push(codes.section);
                Some(*dictionary)
            }
        };
        (dictionary, sections)
    }

    fn dictionary_len(&self) -> Option<u64> {
        self.sections().0.map(|dictionary| dictionary.len)
    }
}

/// A column of an image: what is known from the metadata at once, its values when first asked for.
#[derive(Debug)]
pub(crate) struct LazyColumn {
    image: Image,
    parts: Vec<PartMeta>,
    rows: usize,
    opened: OnceLock<Result<Column, Damaged>>,
}

impl LazyColumn {
    /// Checks that all sections are there and have the right lengths.
    pub(crate) fn open(
        image: &Image,
        parts: Vec<PartMeta>,
        rows: usize,
    ) -> Result<Self, StorageError> {
        for part in &parts {
            part.expect(image, rows)?;
        }
        Ok(Self {
            image: image.clone(),
            parts,
            rows,
            opened: OnceLock::new(),
        })
    }

    /// The values; checks their checksums the first time.
    pub(crate) fn get(&self) -> Result<&Column, Damaged> {
        self.opened
            .get_or_init(|| self.read())
            .as_ref()
            .map_err(Clone::clone)
    }

    /// The dictionary, where the column is nothing but text; checks its checksums the first time.
    pub(crate) fn dictionary(&self) -> Result<Option<Dictionary>, Damaged> {
        let [
            PartMeta {
                data: DataMeta::Text { dictionary, .. },
                ..
            },
        ] = &*self.parts
        else {
            return Ok(None);
        };
        self.image
            .check_all(&[dictionary.offsets, dictionary.texts])?;
        Ok(Some(dictionary.open(&self.image)))
    }

    fn read(&self) -> Result<Column, Damaged> {
        let mut all = Vec::new();
        for part in &self.parts {
            let (dictionary, sections) = part.sections();
            all.extend(sections);
            all.extend(
                dictionary
                    .into_iter()
                    .flat_map(|dictionary| [dictionary.offsets, dictionary.texts]),
            );
        }
        self.image.check_all(&all)?;
        Ok(Column {
            parts: self
                .parts
                .iter()
                .map(|part| part.open(&self.image))
                .collect(),
            rows: self.rows,
        })
    }

    pub(crate) fn kinds(&self) -> Kinds {
        let mut kinds = Kinds::default();
        for part in &self.parts {
            if part.present > 0 {
                kinds.add(part.kind());
            }
        }
        kinds
    }

    pub(crate) fn present(&self) -> u64 {
        self.parts.iter().map(|part| part.present).sum()
    }

    /// Distinct values where every part knows them: texts, arrays, truth values.
    pub(crate) fn distinct(&self) -> Option<u64> {
        self.parts
            .iter()
            .map(|part| {
                if part.kind() == DataKind::Bool {
                    Some(2)
                } else {
                    part.dictionary_len()
                }
            })
            .sum()
    }

    pub(crate) fn text_dictionary_len(&self) -> Option<u64> {
        self.parts
            .iter()
            .find(|part| part.kind() == DataKind::Text)
            .and_then(PartMeta::dictionary_len)
    }

    pub(crate) fn bytes(&self) -> ColumnBytes {
        self.bytes_by(|section| self.image.section_bytes(section))
    }

    /// As [`LazyColumn::bytes`], by how much each section counts.
    pub(crate) fn bytes_by(&self, mut count: impl FnMut(SectionId) -> u64) -> ColumnBytes {
        let mut bytes = ColumnBytes::default();
        for part in &self.parts {
            let (dictionary, sections) = part.sections();
            for section in sections {
                let counted = count(section);
                if part.presence == Some(section) {
                    bytes.presence += counted;
                } else {
                    bytes.values += counted;
                }
            }
            if let Some(dictionary) = dictionary {
                bytes.dictionary += count(dictionary.offsets) + count(dictionary.texts);
            }
        }
        bytes
    }

    /// The storage of each part, for people.
    pub(crate) fn data_kinds(&self) -> Vec<DataKind> {
        self.parts.iter().map(PartMeta::kind).collect()
    }
}
