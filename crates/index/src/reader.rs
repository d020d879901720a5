//! Reading an index.

use crate::error::IndexError;
use crate::format::{
    GROUP_BYTES, HEADER_BYTES, MAGIC, POSTING_BIT, SET_BYTES, VERSION, u16_at, u32_at, u64_at,
};
use crate::frozen::FrozenSet;
use crate::term::{GroupKey, Term};
use bytes::Bytes;
use std::sync::OnceLock;

/// An index over mapped or shared bytes: from terms to sets of users.
#[derive(Debug)]
pub struct TermIndex {
    file: String,
    bytes: Bytes,
    groups: Vec<Group>,
    /// Where the entries of sets begin.
    entries: usize,
}

#[derive(Debug)]
struct Group {
    kind: u16,
    first: String,
    second: String,
    first_set: usize,
    sets: usize,
    stored: u32,
    /// The checksum of what is there, once the group was asked for.
    computed: OnceLock<u32>,
}

impl Group {
    fn key(&self) -> GroupKey<'_> {
        GroupKey {
            kind: self.kind,
            first: &self.first,
            second: &self.second,
        }
    }
}

/// What one group of an index costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupStats {
    /// What it holds: `event purchase`, `values of purchase.product_id`, `values of attribute plan`.
    pub name: String,
    /// Whether it holds the users of an event name.
    pub is_event: bool,
    /// How many sets.
    pub sets: u64,
    /// Bytes of the sets and their entries.
    pub bytes: u64,
    /// Users of all sets together.
    pub users: u64,
}

impl TermIndex {
    /// Opens the bytes of an index; `file` is named in errors. Checks and reads its directory only.
    ///
    /// # Errors
    ///
    /// [`IndexError`] if the bytes are foreign, newer than this build, cut off, or the directory is
    /// damaged.
    pub fn open(file: &str, bytes: Bytes) -> Result<Self, IndexError> {
        let file = file.to_owned();
        if bytes.len() >= 4 && bytes[..4] != MAGIC {
            return Err(IndexError::NotOurs { file });
        }
        let found = bytes.len() as u64;
        if bytes.len() < HEADER_BYTES {
            return Err(IndexError::Length {
                file,
                expected: HEADER_BYTES as u64,
                found,
            });
        }
        let damaged = |section: &str, stored, computed| IndexError::Damaged {
            file: file.clone(),
            section: section.to_owned(),
            stored,
            computed,
        };
        let version = u32_at(&bytes, 4);
        if version > VERSION {
            return Err(IndexError::TooNew {
                file,
                found: version,
                newest: VERSION,
            });
        }
        let (stored, computed) = (u32_at(&bytes, 28), crc32fast::hash(&bytes[..28]));
        if stored != computed {
            return Err(damaged("header", stored, computed));
        }
        let (group_count, set_count) = (u32_at(&bytes, 8) as usize, u32_at(&bytes, 12) as usize);
        let directory_end = u64_at(&bytes, 16).saturating_add(HEADER_BYTES as u64);
        if directory_end > found {
            return Err(IndexError::Length {
                file,
                expected: directory_end,
                found,
            });
        }
        let directory = &bytes[HEADER_BYTES..directory_end as usize];
        let (stored, computed) = (u32_at(&bytes, 24), crc32fast::hash(directory));
        if stored != computed {
            return Err(damaged("directory", stored, computed));
        }
        let malformed = |what: &str| IndexError::Malformed {
            file: file.clone(),
            what: what.to_owned(),
        };
        let entries = group_count * GROUP_BYTES;
        let names = entries + set_count * SET_BYTES + 8;
        if directory.len() < names {
            return Err(malformed("the directory is too short"));
        }
        let end = u64_at(directory, names - 8);
        if end != found {
            return Err(IndexError::Length {
                file,
                expected: end,
                found,
            });
        }

        let mut groups = Vec::with_capacity(group_count);
        let mut next_set = 0;
        for group in directory[..entries].chunks_exact(GROUP_BYTES) {
            let name_at = names + u32_at(group, 8) as usize;
            let middle = name_at + usize::from(u16_at(group, 2));
            let name_end = middle + usize::from(u16_at(group, 4));
            let text = |from: usize, to: usize| {
                let text = directory
                    .get(from..to)
                    .and_then(|bytes| std::str::from_utf8(bytes).ok());
                text.map(str::to_owned)
                    .ok_or_else(|| malformed("a name is no text"))
            };
            let (first_set, sets) = (u32_at(group, 12) as usize, u32_at(group, 16) as usize);
            if first_set != next_set {
                return Err(malformed("the groups do not follow one another"));
            }
            next_set += sets;
            groups.push(Group {
                kind: u16_at(group, 0),
                first: text(name_at, middle)?,
                second: text(middle, name_end)?,
                first_set,
                sets,
                stored: u32_at(group, 20),
                computed: OnceLock::new(),
            });
        }
        let mut places = directory[entries..names]
            .chunks_exact(SET_BYTES)
            .map(|entry| u64_at(entry, 0) & !POSTING_BIT);
        let fits = next_set == set_count
            && places.by_ref().is_sorted()
            && (set_count == 0 || u64_at(directory, entries) & !POSTING_BIT >= directory_end)
            && (set_count == 0 || u64_at(directory, names - 8 - SET_BYTES) & !POSTING_BIT <= end);
        if !fits {
            return Err(malformed("the sets do not follow one another"));
        }
        if !groups.is_sorted_by(|left: &Group, right: &Group| left.key() < right.key()) {
            return Err(malformed("the groups are not in order"));
        }
        Ok(Self {
            file,
            entries: HEADER_BYTES + entries,
            groups,
            bytes,
        })
    }

    fn group(&self, key: GroupKey<'_>) -> Option<&Group> {
        self.groups
            .binary_search_by(|group| group.key().cmp(&key))
            .ok()
            .map(|index| &self.groups[index])
    }

    /// Place and kind of a set; of the one after the last, the end.
    fn place(&self, set: usize) -> (usize, bool) {
        let entry = u64_at(&self.bytes, self.entries + set * SET_BYTES);
        ((entry & !POSTING_BIT) as usize, entry & POSTING_BIT != 0)
    }

    fn check(&self, group: &Group) -> Result<(), IndexError> {
        let computed = *group.computed.get_or_init(|| self.checksum(group));
        self.compare(group, computed)
    }

    fn checksum(&self, group: &Group) -> u32 {
        let (from, to) = (
            self.place(group.first_set).0,
            self.place(group.first_set + group.sets).0,
        );
        crc32fast::hash(&self.bytes[from..to])
    }

    fn compare(&self, group: &Group, computed: u32) -> Result<(), IndexError> {
        if computed == group.stored {
            return Ok(());
        }
        Err(IndexError::Damaged {
            file: self.file.clone(),
            section: group.key().to_string(),
            stored: group.stored,
            computed,
        })
    }

    /// The users of a term. `None`: the term is not indexed, which says nothing about users; a code
    /// past the last of an indexed group has no users. Checks the group's checksum the first time.
    ///
    /// # Errors
    ///
    /// [`IndexError::Damaged`] names the group.
    pub fn get(&self, term: Term<'_>) -> Result<Option<FrozenSet<'_>>, IndexError> {
        let (key, code) = term.split();
        let Some(group) = self.group(key) else {
            return Ok(None);
        };
        if code as usize >= group.sets {
            return Ok(Some(FrozenSet::EMPTY));
        }
        self.check(group)?;
        let set = group.first_set + code as usize;
        let (at, is_posting) = self.place(set);
        let bytes = &self.bytes[at..self.place(set + 1).0];
        if is_posting {
            return Ok(Some(FrozenSet::posting(bytes)));
        }
        match FrozenSet::roaring(bytes, self.set_len(set)) {
            Some(set) => Ok(Some(set)),
            None => Err(IndexError::Malformed {
                file: self.file.clone(),
                what: format!("a set of {key}"),
            }),
        }
    }

    fn set_len(&self, set: usize) -> u64 {
        u64::from(u32_at(&self.bytes, self.entries + set * SET_BYTES + 8))
    }

    /// How many users a term has, from the directory alone. `None`: the term is not indexed.
    pub fn users_of(&self, term: Term<'_>) -> Option<u64> {
        let (key, code) = term.split();
        let group = self.group(key)?;
        Some(if (code as usize) < group.sets {
            self.set_len(group.first_set + code as usize)
        } else {
            0
        })
    }

    /// Whether the values of a property of an event are indexed: all of them or none.
    pub fn is_indexed(&self, event: &str, property: &str) -> bool {
        self.group(GroupKey::value(event, property)).is_some()
    }

    /// Whether the values of an attribute are indexed: all of them or none.
    pub fn is_attribute_indexed(&self, table: u8, name: &str) -> bool {
        self.group(GroupKey::attribute(table, name)).is_some()
    }

    /// How many terms have a set.
    pub fn terms(&self) -> usize {
        self.groups.iter().map(|group| group.sets).sum()
    }

    /// Bytes of the index.
    pub fn bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// What each group costs, events first.
    pub fn stats(&self) -> impl Iterator<Item = GroupStats> {
        self.groups.iter().map(|group| {
            let sets = group.first_set..group.first_set + group.sets;
            let bytes = self.place(sets.end).0 - self.place(sets.start).0 + group.sets * SET_BYTES;
            GroupStats {
                name: group.key().to_string(),
                is_event: group.kind == GroupKey::EVENT,
                sets: group.sets as u64,
                bytes: bytes as u64,
                users: sets.map(|set| self.set_len(set)).sum(),
            }
        })
    }

    /// Reads every set again, whatever is remembered; calls `damaged` for each group that changed.
    pub fn verify(&self, damaged: &mut dyn FnMut(IndexError)) {
        for group in &self.groups {
            if let Err(error) = self.compare(group, self.checksum(group)) {
                damaged(error);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::{TermGroup, TermIndexBuilder};
    use crate::policy::Policy;
    use roaring::RoaringBitmap;

    fn sample() -> Vec<u8> {
        let policy = Policy::default();
        let sets = [
            (0..70_000).collect(),
            RoaringBitmap::new(),
            RoaringBitmap::from_iter([5, 9]),
        ];
        let mut builder = TermIndexBuilder::new();
        builder.add(TermGroup::values(
            "purchase",
            "product_id",
            sets.clone(),
            &policy,
        ));
        builder.add(TermGroup::attribute(1, "plan", sets, &policy));
        builder.add(TermGroup::event(
            "purchase",
            (0..200_000).filter(|user| user % 3 == 0),
        ));
        builder.add(TermGroup::event("a", [1]));
        builder.finish().unwrap()
    }

    #[test]
    fn terms_come_back() {
        let index = TermIndex::open("p.index", sample().into()).unwrap();
        let users = |term| index.get(term).unwrap().map(|set| set.to_bitmap());
        assert_eq!(users(Term::Event("a")), Some(RoaringBitmap::from_iter([1])));
        assert_eq!(users(Term::Event("b")), None);
        assert_eq!(users(Term::Event("purchase")).unwrap().len(), 66_667);
        let value = |code| Term::Value {
            event: "purchase",
            property: "product_id",
            code,
        };
        assert_eq!(users(value(0)).unwrap().len(), 70_000);
        assert_eq!(users(value(1)), Some(RoaringBitmap::new()));
        assert_eq!(users(value(2)), Some(RoaringBitmap::from_iter([5, 9])));
        assert_eq!(users(value(3)), Some(RoaringBitmap::new()));
        assert_eq!(index.users_of(value(0)), Some(70_000));
        let plan = |table| Term::Attribute {
            table,
            name: "plan",
            code: 2,
        };
        assert_eq!(users(plan(1)), Some(RoaringBitmap::from_iter([5, 9])));
        assert_eq!(users(plan(0)), None);
        assert!(
            index.is_indexed("purchase", "product_id") && !index.is_indexed("purchase", "price")
        );
        assert!(index.is_attribute_indexed(1, "plan") && !index.is_attribute_indexed(0, "plan"));
        assert_eq!(index.terms(), 8);
        let stats: Vec<GroupStats> = index.stats().collect();
        assert_eq!(
            stats[0],
            GroupStats {
                name: "event a".to_owned(),
                is_event: true,
                sets: 1,
                bytes: 20,
                users: 1
            }
        );
        assert!(stats.iter().map(|group| group.bytes).sum::<u64>() < index.bytes());
    }

    #[test]
    fn an_empty_index_is_fine() {
        let index =
            TermIndex::open("p.index", TermIndexBuilder::new().finish().unwrap().into()).unwrap();
        assert_eq!(
            (
                index.terms(),
                index.get(Term::Event("a")).unwrap().is_none()
            ),
            (0, true)
        );
    }

    #[test]
    fn every_flipped_bit_outside_of_padding_is_noticed() {
        let bytes = sample();
        // The sets begin at the next multiple of four after the directory.
        let directory_end = HEADER_BYTES + u64_at(&bytes, 16) as usize;
        let padding = directory_end..directory_end.next_multiple_of(4);
        for at in (0..bytes.len().min(600)).chain((600..bytes.len()).step_by(97)) {
            let mut changed = bytes.clone();
            changed[at] ^= 16;
            let noticed = match TermIndex::open("p.index", changed.into()) {
                Err(_) => true,
                Ok(index) => {
                    let mut count = 0;
                    index.verify(&mut |error| {
                        assert!(matches!(error, IndexError::Damaged { .. }));
                        count += 1;
                    });
                    let read = index.get(Term::Event("purchase")).is_err()
                        || index.get(Term::Event("a")).is_err()
                        || index
                            .get(Term::Value {
                                event: "purchase",
                                property: "product_id",
                                code: 0,
                            })
                            .is_err()
                        || index
                            .get(Term::Attribute {
                                table: 1,
                                name: "plan",
                                code: 2,
                            })
                            .is_err();
                    assert_eq!(read, count == 1, "byte {at}");
                    count == 1
                }
            };
            assert_eq!(noticed, !padding.contains(&at), "byte {at}");
        }
    }

    #[test]
    fn every_truncation_is_an_error() {
        let bytes = sample();
        for length in (0..bytes.len().min(600)).chain((600..bytes.len()).step_by(97)) {
            assert!(
                TermIndex::open("p.index", bytes[..length].to_vec().into()).is_err(),
                "{length}"
            );
        }
    }
}
