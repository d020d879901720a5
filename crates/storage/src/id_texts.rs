//! The ids of many users, put together one after the other.
//!
//! Users are asked for in the order of their ids, and their texts lie in the order in which they
//! appeared: each is a miss of the cache, or two. So ids are copied by loops in which the misses of
//! one id do not wait for those of another, and without a look at what they say: that a whole result
//! is UTF-8 is cheaper to find out than that each id is.

use crate::users::Users;
use arrow_buffer::ArrowNativeType;
use rayon::prelude::*;
use std::hint::black_box;

/// So many ids of different lengths are looked for at a time.
const BLOCK: usize = 64;

/// More ids than these are put together by several threads, where they have one length.
const PIECE: usize = 65_536;

impl Users {
    /// The length of all ids in bytes, if they have one in common: then the place of an id is known
    /// without a look at the offsets. Valid after [`Users::touch_ids`]; reads all offsets the first
    /// time.
    pub fn id_width(&self) -> Option<usize> {
        *self.id_width.get_or_init(|| {
            let offsets = self.id_table().offsets;
            let width = *offsets.get(1)?;
            // Branch-free, so that it runs at the speed of memory.
            let differ = (0_u64..).zip(offsets).fold(0, |differ, (index, offset)| {
                differ | (index.wrapping_mul(width) ^ offset)
            });
            (differ == 0).then_some(width as usize)
        })
    }

    /// The bytes of the ids of some users, one after the other, and where each begins and the last
    /// ends: what Arrow wants of a column of text. Valid after [`Users::touch_ids`].
    ///
    /// # Panics
    ///
    /// If there is no such ordinal, or the last end does not fit into `O`.
    pub fn texts_of<O: ArrowNativeType>(&self, ordinals: &[u32]) -> (Vec<u8>, Vec<O>) {
        let mut ends = Vec::with_capacity(ordinals.len() + 1);
        let texts = if let Some(width) = self.id_width() {
            ends.extend((0..=ordinals.len()).map(|index| O::usize_as(index * width)));
            self.same_texts(ordinals, width, width)
        } else {
            ends.push(O::default());
            let mut texts = self.room_for(ordinals, 0);
            self.different_texts(ordinals, |text| {
                texts.extend_from_slice(text);
                ends.push(O::usize_as(texts.len()));
            });
            texts
        };
        assert!(
            ends.last().map(|end| end.as_usize()) == Some(texts.len()),
            "the ids are longer than their offsets can say"
        );
        (texts, ends)
    }

    /// The bytes of the ids of some users, a line feed behind each. Valid after
    /// [`Users::touch_ids`].
    ///
    /// # Panics
    ///
    /// If there is no such ordinal.
    pub fn lines_of(&self, ordinals: &[u32]) -> Vec<u8> {
        if let Some(width) = self.id_width() {
            return self.same_texts(ordinals, width, width + 1);
        }
        let mut lines = self.room_for(ordinals, 1);
        self.different_texts(ordinals, |text| {
            lines.extend_from_slice(text);
            lines.push(b'\n');
        });
        lines
    }

    /// The ids of some users, in the order of `ordinals`. Valid after [`Users::touch_ids`].
    ///
    /// # Panics
    ///
    /// If there is no such ordinal.
    pub fn ids_of<'a>(
        &'a self,
        ordinals: impl AsRef<[u32]> + 'a,
    ) -> impl Iterator<Item = &'a str> + 'a {
        let mut block: [&[u8]; BLOCK] = [&[]; BLOCK];
        let mut next = 0;
        std::iter::from_fn(move || {
            let left = ordinals
                .as_ref()
                .get(next..)
                .filter(|left| !left.is_empty())?;
            if next % BLOCK == 0 {
                self.find_texts(left, &mut block);
            }
            let text = block[next % BLOCK];
            next += 1;
            Some(std::str::from_utf8(text).unwrap_or_default())
        })
    }

    /// Ids of `width` bytes, each at the next multiple of `stride`, line feeds between them.
    fn same_texts(&self, ordinals: &[u32], width: usize, stride: usize) -> Vec<u8> {
        let mut texts = vec![0; ordinals.len() * stride];
        let all = self.id_table().texts;
        let put = |(texts, ordinals): (&mut [u8], &[u32])| {
            for (text, &ordinal) in texts.chunks_exact_mut(stride).zip(ordinals) {
                let at = ordinal as usize * width;
                let (text, end) = text.split_at_mut(width);
                copy_short(text, &all[at..at + width]);
                end.fill(b'\n');
            }
        };
        if stride > 0 && ordinals.len() > PIECE {
            let pieces = texts.par_chunks_mut(PIECE * stride);
            pieces.zip(ordinals.par_chunks(PIECE)).for_each(put);
        } else if stride > 0 {
            put((&mut texts, ordinals));
        }
        texts
    }

    /// Hands over the texts of ids of different lengths, in the order of `ordinals`.
    fn different_texts<'a>(&'a self, ordinals: &[u32], mut take: impl FnMut(&'a [u8])) {
        let mut block: [&[u8]; BLOCK] = [&[]; BLOCK];
        for ordinals in ordinals.chunks(BLOCK) {
            self.find_texts(ordinals, &mut block);
            for text in &block[..ordinals.len()] {
                take(text);
            }
        }
    }

    /// Finds the first texts, and has them in the cache: passes of independent reads, each of which
    /// waits for memory once, not once per id.
    fn find_texts<'a>(&'a self, ordinals: &[u32], block: &mut [&'a [u8]; BLOCK]) {
        let table = self.id_table();
        let mut edges = 0;
        for (text, &ordinal) in block.iter_mut().zip(ordinals) {
            *text = table.text(ordinal);
        }
        for text in block.iter().take(ordinals.len()) {
            let edge = |byte: Option<&u8>| byte.copied().unwrap_or(0);
            edges ^= edge(text.first()) ^ edge(text.last());
        }
        black_box(edges);
    }

    /// Room for what ids usually take, each with so many bytes more.
    fn room_for(&self, ordinals: &[u32], more: usize) -> Vec<u8> {
        let usual = self.id_bytes() / self.ordinals().max(1) + 1 + more;
        Vec::with_capacity(ordinals.len() * usual)
    }
}

/// Copies a text. Ids are short: two overlapping pieces of a known length cost less than a call.
fn copy_short(to: &mut [u8], from: &[u8]) {
    match from.len() {
        32..=64 => copy_ends::<32>(to, from),
        16..=31 => copy_ends::<16>(to, from),
        8..=15 => copy_ends::<8>(to, from),
        _ => to.copy_from_slice(from),
    }
}

/// Copies the first and the last `N` bytes, which are all there are.
fn copy_ends<const N: usize>(to: &mut [u8], from: &[u8]) {
    if let (Some(to), Some(from)) = (to.first_chunk_mut::<N>(), from.first_chunk::<N>()) {
        *to = *from;
    }
    if let (Some(to), Some(from)) = (to.last_chunk_mut::<N>(), from.last_chunk::<N>()) {
        *to = *from;
    }
}

#[cfg(test)]
mod tests {
    use crate::{IdKind, MemoryDirectory, Universe, UserIds, Users, UsersBuilder};
    use crowdset_types::UserOrdinal;

    fn users(ids: &[String]) -> Users {
        let mut known = UserIds::new(7);
        for id in ids {
            known.get_or_insert(id);
        }
        let directory = MemoryDirectory::new();
        UsersBuilder::new(&known, IdKind::Text, Universe::Everyone)
            .write(&directory, "u.columns")
            .unwrap();
        let users = Users::open(&directory, "u.columns").unwrap();
        users.touch_ids().unwrap();
        users
    }

    #[test]
    fn ids_of_every_length_come_out_as_they_went_in() {
        let alike = (0..80_usize).map(|width| {
            let ids: Vec<String> = (0..10)
                .map(|digit| format!("{digit}{}", "ä".repeat(width / 2) + &"x".repeat(width % 2)))
                .collect();
            (ids, Some(width + 1))
        });
        let mixed = |count: usize| (0..count).map(|id| "é".repeat(id % 9) + &id.to_string());
        let others = [0, 1, 2, 63, 64, 65, 300].map(|count| {
            let ids: Vec<String> = mixed(count).collect();
            let width = (count == 1).then_some(1);
            (ids, width)
        });
        for (ids, width) in alike.chain(others) {
            let users = users(&ids);
            assert_eq!(users.id_width(), width);
            let every = ids.len() as u32;
            let orders: [Vec<u32>; 3] = [
                (0..every).collect(),
                (0..every)
                    .rev()
                    .filter(|ordinal| ordinal % 3 != 1)
                    .collect(),
                Vec::new(),
            ];
            for ordinals in orders {
                let asked = || {
                    let ids = ordinals.iter().map(|&ordinal| &ids[ordinal as usize]);
                    ids.map(String::as_str)
                };
                let (texts, ends) = users.texts_of::<i32>(&ordinals);
                let found: Vec<&str> = ends
                    .windows(2)
                    .map(|ends| &texts[ends[0] as usize..ends[1] as usize])
                    .map(|text| std::str::from_utf8(text).unwrap())
                    .collect();
                assert!(found.into_iter().eq(asked()));
                assert_eq!(ends.last().copied(), Some(texts.len() as i32));
                let lines: String = asked().flat_map(|id| [id, "\n"]).collect();
                assert_eq!(String::from_utf8(users.lines_of(&ordinals)).unwrap(), lines);
                assert!(users.ids_of(&ordinals).eq(asked()));
                let one_by_one = ordinals
                    .iter()
                    .map(|&ordinal| users.id(UserOrdinal(ordinal)));
                assert!(one_by_one.eq(asked()));
            }
        }
    }
}
