//! Numbers for the distinct texts of a block: most are short, and seen before.

use crowdset_storage::StagedTexts;
use hashbrown::HashTable;
use std::hash::BuildHasher;

/// A text of a block's dictionary would end beyond 4 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TextTooLarge;

/// Finds the code of a text in the dictionary of [`StagedTexts`].
#[derive(Debug, Default)]
pub(crate) struct TextCodes {
    /// Texts that one number holds: they are hashed and compared without a look at their bytes.
    short: HashTable<Short>,
    long: HashTable<u32>,
}

#[derive(Debug)]
struct Short {
    text: u128,
    code: u32,
}

impl TextCodes {
    /// The code of a text; a new text is appended to the dictionary.
    pub(crate) fn intern(
        &mut self,
        texts: &mut StagedTexts,
        text: &str,
        hasher: &foldhash::fast::FixedState,
    ) -> Result<u32, TextTooLarge> {
        let text = text.as_bytes();
        if let Some(packed) = pack(text) {
            let hash = mix(packed);
            if let Some(found) = self.short.find(hash, |short| short.text == packed) {
                return Ok(found.code);
            }
            let code = append(texts, text)?;
            let short = Short { text: packed, code };
            self.short
                .insert_unique(hash, short, |short| mix(short.text));
            return Ok(code);
        }
        let hash = hasher.hash_one(text);
        let found = self.long.find(hash, |&code| {
            text_at(&texts.ends, &texts.bytes, code) == text
        });
        if let Some(&code) = found {
            return Ok(code);
        }
        let code = append(texts, text)?;
        self.long.insert_unique(hash, code, |&code| {
            hasher.hash_one(text_at(&texts.ends, &texts.bytes, code))
        });
        Ok(code)
    }
}

fn append(texts: &mut StagedTexts, text: &[u8]) -> Result<u32, TextTooLarge> {
    let end = u32::try_from(texts.bytes.len() + text.len()).map_err(|_| TextTooLarge)?;
    let code = texts.ends.len() as u32;
    texts.bytes.extend_from_slice(text);
    texts.ends.push(end);
    Ok(code)
}

fn text_at<'a>(ends: &[u32], bytes: &'a [u8], code: u32) -> &'a [u8] {
    let start = if code == 0 {
        0
    } else {
        ends[code as usize - 1] as usize
    };
    &bytes[start..ends[code as usize] as usize]
}

/// Up to fifteen bytes, and in the last one how many; no two texts give the same number.
#[inline]
fn pack(text: &[u8]) -> Option<u128> {
    let len = text.len();
    if len > 15 {
        return None;
    }
    let (low, high) = if let (Some(first), Some(last)) =
        (text.first_chunk::<8>(), text.last_chunk::<8>())
    {
        // The last eight bytes, without those that the first eight have already.
        let rest = u64::from_le_bytes(*last).checked_shr(8 * (16 - len as u32));
        (u64::from_le_bytes(*first), rest.unwrap_or(0))
    } else if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        let rest = u64::from(u32::from_le_bytes(*last)) >> (8 * (8 - len as u32));
        (u64::from(u32::from_le_bytes(*first)) | rest << 32, 0)
    } else {
        let byte = |at: usize| u64::from(text[at]) << (8 * at);
        let low = if len == 0 {
            0
        } else {
            byte(0) | byte(len / 2) | byte(len - 1)
        };
        (low, 0)
    };
    Some(u128::from(low) | u128::from(high | (len as u64) << 56) << 64)
}

#[inline]
fn mix(packed: u128) -> u64 {
    // Both halves of the product, as good hashes of short keys do; the numbers are digits of pi.
    let low = packed as u64 ^ 0x243f_6a88_85a3_08d3;
    let high = (packed >> 64) as u64 ^ 0x1319_8a2e_0370_7344;
    let product = u128::from(low) * u128::from(high);
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn equal_texts_have_one_code_and_others_have_others() {
        let hasher = foldhash::fast::FixedState::default();
        let mut texts = StagedTexts::default();
        let mut codes = TextCodes::default();
        // All lengths around the bounds, with and without a byte of zero at the end.
        let mut all: Vec<String> = (0..40).map(|len| "x".repeat(len)).collect();
        all.extend((0..20).map(|len| format!("{}\0", "x".repeat(len))));
        all.extend((0..20).map(|len| format!("{}y", "x".repeat(len))));
        for _ in 0..2 {
            for (number, text) in all.iter().enumerate() {
                let code = codes.intern(&mut texts, text, &hasher).unwrap();
                assert_eq!(code as usize, number, "{text:?}");
                assert_eq!(
                    text_at(&texts.ends, &texts.bytes, code),
                    text.as_bytes(),
                    "{text:?}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn packing_loses_nothing(left in "[a-c\0]{0,16}", right in "[a-c\0]{0,16}") {
            let (packed_left, packed_right) = (pack(left.as_bytes()), pack(right.as_bytes()));
            prop_assert_eq!(packed_left.is_some(), left.len() <= 15);
            if packed_left.is_some() && packed_right.is_some() {
                prop_assert_eq!(packed_left == packed_right, left == right);
            }
        }
    }
}
