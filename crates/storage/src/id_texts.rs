//! The ids of many users, put together one after the other.
//!
//! Ids lie in the order in which they are asked for, so that memory is read as it comes; what is left
//! to save is work per id. Ids are short: a piece of a known length that is cut off behind the id costs
//! less than a copy of just the id. And nobody looks at what they say: that a whole result is UTF-8 is
//! cheaper to find out than that each id is.

use crate::ids::Starts;
use crate::users::Users;
use arrow_buffer::ArrowNativeType;
use rayon::prelude::*;

/// Ids of at most so many bytes are copied as a piece of this length.
const SHORT: usize = 64;

/// More ids than these are put together by several threads, where they have one length.
const PIECE: usize = 65_536;

impl Users {
    /// The length of all ids in bytes, if the image says that they have one in common.
    pub fn id_width(&self) -> Option<usize> {
        match self.stored_ids().table().starts {
            Starts::Same(width) => Some(width),
            Starts::Each(_) => None,
        }
    }

    /// The bytes of the ids at some ranks, one after the other, and where each begins and the last
    /// ends: what Arrow wants of a column of text. Valid after [`Users::touch_ids`].
    ///
    /// # Panics
    ///
    /// If there is no such rank, or the last end does not fit into `O`.
    pub fn texts_of<O: ArrowNativeType>(&self, ranks: &[u32]) -> (Vec<u8>, Vec<O>) {
        let mut ends = Vec::with_capacity(ranks.len() + 1);
        let texts = if let Some(width) = self.id_width() {
            ends.extend((0..=ranks.len()).map(|index| O::usize_as(index * width)));
            if ranks.len() > PIECE && width > 0 {
                self.many_texts(ranks, width)
            } else {
                let mut texts = Vec::with_capacity(ranks.len() * width + SHORT);
                self.each_text(ranks, |all, start, end| {
                    append(&mut texts, all, start, end);
                });
                texts
            }
        } else {
            ends.push(O::default());
            let mut texts = self.room_for(ranks, 0);
            self.each_text(ranks, |all, start, end| {
                append(&mut texts, all, start, end);
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

    /// The bytes of the ids at some ranks, a line feed behind each. Valid after [`Users::touch_ids`].
    ///
    /// # Panics
    ///
    /// If there is no such rank.
    pub fn lines_of(&self, ranks: &[u32]) -> Vec<u8> {
        let mut lines = self.room_for(ranks, 1);
        self.each_text(ranks, |all, start, end| {
            append(&mut lines, all, start, end);
            lines.push(b'\n');
        });
        lines
    }

    /// The ids at some ranks, in their order. Valid after [`Users::touch_ids`].
    ///
    /// # Panics
    ///
    /// If there is no such rank.
    pub fn ids_of<'a>(
        &'a self,
        ranks: impl IntoIterator<Item = u32> + 'a,
    ) -> impl Iterator<Item = &'a str> + 'a {
        let ids = self.stored_ids();
        let texts = ranks.into_iter().map(|rank| ids.text_of_rank(rank));
        texts.map(|text| std::str::from_utf8(text).unwrap_or_default())
    }

    /// Tells where each id is, and in what: a loop for each way in which ids lie.
    #[inline]
    fn each_text(&self, ranks: &[u32], mut take: impl FnMut(&[u8], usize, usize)) {
        let ids = self.stored_ids();
        let table = ids.table();
        match (ids.numbers(), table.starts) {
            (None, Starts::Same(width)) => {
                for &rank in ranks {
                    let start = rank as usize * width;
                    take(table.texts, start, start + width);
                }
            }
            (None, Starts::Each(starts)) => {
                for &rank in ranks {
                    let (start, end) = (starts[rank as usize], starts[rank as usize + 1]);
                    take(table.texts, start as usize, end as usize);
                }
            }
            (Some(numbers), _) => {
                for &rank in ranks {
                    let (start, end) = table.place(numbers[rank as usize]);
                    take(table.texts, start, end);
                }
            }
        }
    }

    /// Ids of one length, by all threads.
    fn many_texts(&self, ranks: &[u32], width: usize) -> Vec<u8> {
        let mut texts = vec![0; ranks.len() * width];
        let pieces = texts.par_chunks_mut(PIECE * width);
        pieces
            .zip(ranks.par_chunks(PIECE))
            .for_each(|(texts, ranks)| {
                let mut places = texts.chunks_exact_mut(width);
                self.each_text(ranks, |all, start, end| {
                    if let Some(place) = places.next() {
                        copy_short(place, &all[start..end]);
                    }
                });
            });
        texts
    }

    /// Room for what ids usually take, each with so many bytes more.
    fn room_for(&self, ranks: &[u32], more: usize) -> Vec<u8> {
        let usual = self.id_bytes().div_ceil(self.ordinals().max(1)) + more;
        Vec::with_capacity(ranks.len() * usual + SHORT)
    }
}

/// Appends a part of `all`.
#[inline]
fn append(to: &mut Vec<u8>, all: &[u8], start: usize, end: usize) {
    match all[start..].first_chunk::<SHORT>() {
        Some(piece) if end - start <= SHORT => {
            let wanted = to.len() + end - start;
            to.extend_from_slice(piece);
            to.truncate(wanted);
        }
        _ => to.extend_from_slice(&all[start..end]),
    }
}

/// Copies a text by two overlapping pieces of a known length, which cost less than a call.
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
            let width = (count <= 1).then_some(count);
            (ids, width)
        });
        for (ids, width) in alike.chain(others) {
            let users = users(&ids);
            assert_eq!(users.id_width(), width);
            let mut sorted = ids.clone();
            sorted.sort_unstable();
            let every = ids.len() as u32;
            let orders: [Vec<u32>; 3] = [
                (0..every).collect(),
                (0..every).rev().filter(|rank| rank % 3 != 1).collect(),
                Vec::new(),
            ];
            for ranks in orders {
                let asked = || {
                    let ids = ranks.iter().map(|&rank| &sorted[rank as usize]);
                    ids.map(String::as_str)
                };
                let (texts, ends) = users.texts_of::<i32>(&ranks);
                let found: Vec<&str> = ends
                    .windows(2)
                    .map(|ends| &texts[ends[0] as usize..ends[1] as usize])
                    .map(|text| std::str::from_utf8(text).unwrap())
                    .collect();
                assert!(found.into_iter().eq(asked()));
                assert_eq!(ends.last().copied(), Some(texts.len() as i32));
                let lines: String = asked().flat_map(|id| [id, "\n"]).collect();
                assert_eq!(String::from_utf8(users.lines_of(&ranks)).unwrap(), lines);
                assert!(users.ids_of(ranks.clone()).eq(asked()));
                let one_by_one = ranks.iter().map(|&rank| users.id(users.by_rank(rank)));
                assert!(one_by_one.eq(asked()));
            }
        }
    }
}
