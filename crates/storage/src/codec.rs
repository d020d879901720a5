//! Frames: small things in files, encoded with bincode, with a version and a checksum.
//!
//! ```text
//! magic "CRWD" │ kind u16 │ format version u16 │ payload bytes u32 │ crc32 of the payload u32 │ payload
//! ```
//!
//! This is the only module that names bincode. Its `legacy` configuration (fixed integers, little-endian)
//! is byte-identical to what other encoders of the family write, so that it can be replaced.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What every frame and image begins with.
pub(crate) const MAGIC: [u8; 4] = *b"CRWD";

/// Bytes before the payload.
pub(crate) const FRAME_HEADER_BYTES: usize = 16;

/// The largest payload: what a hostile length may make us allocate.
const PAYLOAD_BYTES_MAX: usize = 1 << 30;

/// What a frame or an image holds. Numbers are never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameKind {
    /// The list of files that make up a store.
    Manifest,
    /// An image of a partition.
    Partition,
    /// An image of the users.
    Users,
    /// An image of event id hashes.
    EventIds,
    /// The table of an image's sections.
    Sections,
    /// Saved segments and the names of static lists.
    Library,
    /// The ids of a static list.
    List,
}

impl FrameKind {
    pub(crate) const fn number(self) -> u16 {
        match self {
            Self::Manifest => 1,
            Self::Partition => 2,
            Self::Users => 3,
            Self::EventIds => 4,
            Self::Sections => 5,
            Self::Library => 6,
            Self::List => 7,
        }
    }

    /// The format that this build writes, and the newest that it reads. All before it are read too.
    pub(crate) const fn newest_version(self) -> u16 {
        match self {
            // Version 2 of the manifest names the files of saved segments and lists; that of the users has
            // ids in their order, narrow histories, and equal sections once.
            Self::Manifest | Self::Users => 2,
            _ => 1,
        }
    }
}

/// Why bytes are no frame of the wanted kind, or a value cannot be put into one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The bytes do not begin like a frame.
    #[error("this is no file of a Crowdset store")]
    NotOurs,
    /// A frame, but of something else.
    #[error("this holds something else: its kind is {found}, expected was {expected}")]
    OtherKind {
        /// The kind found.
        found: u16,
        /// The kind wanted.
        expected: u16,
    },
    /// A newer build wrote it. Upgrading helps, trying again does not.
    #[error("format {found} is newer than {newest}, the newest this build reads; upgrade Crowdset")]
    TooNew {
        /// The version found.
        found: u16,
        /// The newest version known.
        newest: u16,
    },
    /// No build ever wrote this version.
    #[error("format {found} does not exist")]
    NoSuchVersion {
        /// The version found.
        found: u16,
    },
    /// There are fewer bytes than the frame should have.
    #[error("the frame ends after {found} of {expected} bytes; restore the file from a copy")]
    Truncated {
        /// Bytes the frame should have.
        expected: usize,
        /// Bytes there.
        found: usize,
    },
    /// Bytes follow the frame, or the payload was not used up.
    #[error("{0} bytes are left over; restore the file from a copy")]
    LeftOver(usize),
    /// The payload changed after it was written.
    #[error(
        "the checksum is {computed:#010x}, the header says {stored:#010x}; restore the file from a copy"
    )]
    Damaged {
        /// The checksum that was written.
        stored: u32,
        /// The checksum of what is there.
        computed: u32,
    },
    /// The payload has the right checksum but another structure.
    #[error("the payload cannot be decoded: {0}")]
    Malformed(String),
    /// The value is too large or cannot be expressed.
    #[error("the value cannot be encoded: {0}")]
    Encode(String),
}

/// Puts a value into a frame.
///
/// # Errors
///
/// [`CodecError::Encode`] if the value cannot be expressed or takes more than 1 GiB.
pub fn encode<T: Serialize>(kind: FrameKind, value: &T) -> Result<Vec<u8>, CodecError> {
    let config = bincode::config::legacy();
    let payload = bincode::serde::encode_to_vec(value, config)
        .map_err(|error| CodecError::Encode(error.to_string()))?;
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(CodecError::Encode(format!(
            "{} bytes are more than {PAYLOAD_BYTES_MAX}",
            payload.len()
        )));
    }
    let mut frame = Vec::with_capacity(FRAME_HEADER_BYTES + payload.len());
    frame.extend_from_slice(&MAGIC);
    frame.extend_from_slice(&kind.number().to_le_bytes());
    frame.extend_from_slice(&kind.newest_version().to_le_bytes());
    frame.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    frame.extend_from_slice(&crc32fast::hash(&payload).to_le_bytes());
    frame.extend_from_slice(&payload);
    Ok(frame)
}

/// Takes the value out of a frame that fills `bytes`.
///
/// Checked in this order: magic, kind, version, length, checksum, structure, nothing left over.
///
/// # Errors
///
/// [`CodecError`], which says what is wrong and what helps.
pub fn decode<T: DeserializeOwned>(kind: FrameKind, bytes: &[u8]) -> Result<T, CodecError> {
    if bytes.len() < MAGIC.len() || bytes[..MAGIC.len()] != MAGIC {
        return Err(CodecError::NotOurs);
    }
    let Some((header, rest)) = bytes.split_first_chunk::<FRAME_HEADER_BYTES>() else {
        return Err(CodecError::Truncated {
            expected: FRAME_HEADER_BYTES,
            found: bytes.len(),
        });
    };
    check_kind_and_version(header, kind)?;
    let length = u32_at(header, 8) as usize;
    if rest.len() < length {
        return Err(CodecError::Truncated {
            expected: FRAME_HEADER_BYTES + length,
            found: bytes.len(),
        });
    }
    if rest.len() > length {
        return Err(CodecError::LeftOver(rest.len() - length));
    }
    let (stored, computed) = (u32_at(header, 12), crc32fast::hash(rest));
    if stored != computed {
        return Err(CodecError::Damaged { stored, computed });
    }
    let config = bincode::config::legacy().with_limit::<PAYLOAD_BYTES_MAX>();
    let (value, used) = bincode::serde::decode_from_slice(rest, config)
        .map_err(|error| CodecError::Malformed(error.to_string()))?;
    if used < rest.len() {
        return Err(CodecError::LeftOver(rest.len() - used));
    }
    Ok(value)
}

/// Checks bytes 4 to 8 of a frame or image.
pub(crate) fn check_kind_and_version(header: &[u8], kind: FrameKind) -> Result<(), CodecError> {
    let found = u16_at(header, 4);
    if found != kind.number() {
        return Err(CodecError::OtherKind {
            found,
            expected: kind.number(),
        });
    }
    let newest = kind.newest_version();
    match u16_at(header, 6) {
        0 => Err(CodecError::NoSuchVersion { found: 0 }),
        found if found <= newest => Ok(()),
        found => Err(CodecError::TooNew { found, newest }),
    }
}

/// The format version that the header of a frame tells; 0 if there is no header.
pub(crate) fn version_of(frame: &[u8]) -> u16 {
    if frame.len() < FRAME_HEADER_BYTES {
        return 0;
    }
    u16_at(frame, 6)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Format 1, for ever: if this test fails, the format changed and needs a new version.
    const GOLDEN: [u8; 34] = [
        b'C', b'R', b'W', b'D', 5, 0, 1, 0, 18, 0, 0, 0, 0xf3, 0xf5, 0xb4, 0xd7, // header
        7, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, b'h', b'i', 1, 9, 0,
        1, // 7, "hi", Some(9 as u16), true
    ];

    type Sample = (u32, String, Option<u16>, bool);

    fn sample() -> Sample {
        (7, "hi".to_owned(), Some(9), true)
    }

    #[test]
    fn golden_frame_of_format_1() {
        assert_eq!(encode(FrameKind::Sections, &sample()).unwrap(), GOLDEN);
        assert_eq!(decode::<Sample>(FrameKind::Sections, &GOLDEN), Ok(sample()));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        for bit in 0..GOLDEN.len() * 8 {
            let mut bytes = GOLDEN;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(
                decode::<Sample>(FrameKind::Sections, &bytes).is_err(),
                "bit {bit}"
            );
        }
    }

    #[test]
    fn each_fault_has_its_own_error() {
        let decode = |bytes: &[u8]| decode::<Sample>(FrameKind::Sections, bytes);
        for length in 0..GOLDEN.len() {
            let error = decode(&GOLDEN[..length]).unwrap_err();
            let expected = if length < 4 {
                "no file of"
            } else {
                "ends after"
            };
            assert!(error.to_string().contains(expected), "{length}: {error}");
        }
        assert_eq!(
            decode(&[&GOLDEN[..], &[0]].concat()),
            Err(CodecError::LeftOver(1))
        );
        let mut newer = GOLDEN;
        newer[6] = 2;
        assert_eq!(
            decode(&newer),
            Err(CodecError::TooNew {
                found: 2,
                newest: 1
            })
        );
        let mut other = GOLDEN;
        other[4] = 3;
        assert_eq!(
            decode(&other),
            Err(CodecError::OtherKind {
                found: 3,
                expected: 5
            })
        );
        // A payload with a rest: right checksum, wrong structure.
        let longer = encode(FrameKind::Sections, &(sample(), 1_u8)).unwrap();
        assert_eq!(decode(&longer), Err(CodecError::LeftOver(1)));
        let shorter = encode(FrameKind::Sections, &7_u32).unwrap();
        assert!(matches!(decode(&shorter), Err(CodecError::Malformed(_))));
    }

    #[test]
    fn a_hostile_length_allocates_nothing() {
        let payload = u64::MAX.to_le_bytes();
        let mut frame = encode(FrameKind::Sections, &u64::MAX).unwrap();
        assert!(frame.ends_with(&payload));
        assert!(matches!(
            decode::<Vec<u64>>(FrameKind::Sections, &frame),
            Err(CodecError::Malformed(_))
        ));
        frame[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(
            decode::<Vec<u64>>(FrameKind::Sections, &frame),
            Err(CodecError::Truncated { .. })
        ));
    }
}
