//! The bytes of an index.
//!
//! ```text
//! header, 32 bytes   magic "CIDX" │ version u32 │ groups u32 │ sets u32 │ directory bytes u64 │
//!                    crc32 of the directory u32 │ crc32 of the 28 bytes before u32
//! directory          groups, ascending by key, 24 bytes each:
//!                      kind u16 │ length of first name u16 │ length of second name u16 │ zero u16 │
//!                      names at u32 │ first set u32 │ sets u32 │ crc32 of the group's sets u32
//!                    sets, 16 bytes each: place u64 (top bit: posting) │ users u32 │ zero u32
//!                    the end of the last set: u64
//!                    names, one after the other
//! sets               each a roaring bitmap in its portable format, or, as a posting, sorted u32s
//! ```
//!
//! All numbers are little-endian; sets begin at multiples of four, counted from the start. Opening
//! checks the directory; the sets of a group are checked when the group is first asked for.

pub(crate) const MAGIC: [u8; 4] = *b"CIDX";
pub(crate) const VERSION: u32 = 1;
pub(crate) const HEADER_BYTES: usize = 32;
pub(crate) const GROUP_BYTES: usize = 24;
pub(crate) const SET_BYTES: usize = 16;
pub(crate) const POSTING_BIT: u64 = 1 << 63;

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
