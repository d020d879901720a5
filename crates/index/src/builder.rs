//! Building an index: groups of sets, made one by one or in parallel, then put together.

use crate::error::IndexError;
use crate::format::{GROUP_BYTES, HEADER_BYTES, MAGIC, POSTING_BIT, SET_BYTES, VERSION};
use crate::policy::Policy;
use crate::term::GroupKey;
use roaring::RoaringBitmap;

/// The sets of one event name, or of all values of one property or attribute, encoded.
///
/// Groups can be made on many threads and are handed to one [`TermIndexBuilder`].
#[derive(Debug, Clone)]
pub struct TermGroup {
    kind: u16,
    first: String,
    second: String,
    sets: Vec<EncodedSet>,
    bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct EncodedSet {
    at: u64,
    len: u32,
    is_posting: bool,
}

impl TermGroup {
    /// The users with an event of this name; ascending.
    ///
    /// # Panics
    ///
    /// If the users are not ascending, or one is there twice.
    pub fn event(name: &str, users: impl IntoIterator<Item = u32>) -> Self {
        Self::event_set(
            name,
            RoaringBitmap::from_sorted_iter(users).expect("users are ascending"),
        )
    }

    /// As [`TermGroup::event`], from a bitmap.
    pub fn event_set(name: &str, users: RoaringBitmap) -> Self {
        let mut group = Self::new(GroupKey {
            kind: GroupKey::EVENT,
            first: name,
            second: "",
        });
        group.push(users, Policy::default().posting_len_max);
        group
    }

    /// The users of each value of a property of an event: the set at place `c` is that of code `c`.
    pub fn values(
        event: &str,
        property: &str,
        sets: impl IntoIterator<Item = RoaringBitmap>,
        policy: &Policy,
    ) -> Self {
        let mut group = Self::new(GroupKey::value(event, property));
        for set in sets {
            group.push(set, policy.posting_len_max);
        }
        group
    }

    /// The users of each value of an attribute: the set at place `c` is that of code `c`.
    pub fn attribute(
        table: u8,
        name: &str,
        sets: impl IntoIterator<Item = RoaringBitmap>,
        policy: &Policy,
    ) -> Self {
        let mut group = Self::new(GroupKey::attribute(table, name));
        for set in sets {
            group.push(set, policy.posting_len_max);
        }
        group
    }

    fn new(key: GroupKey<'_>) -> Self {
        Self {
            kind: key.kind,
            first: key.first.to_owned(),
            second: key.second.to_owned(),
            sets: Vec::new(),
            bytes: Vec::new(),
        }
    }

    fn key(&self) -> GroupKey<'_> {
        GroupKey {
            kind: self.kind,
            first: &self.first,
            second: &self.second,
        }
    }

    /// Bytes of the group's sets and their entries: what a [`Policy`] limits.
    pub fn encoded_bytes(&self) -> u64 {
        (self.bytes.len() + self.sets.len() * SET_BYTES) as u64
    }

    /// Whether the group may be kept, given how many rows its column has.
    pub fn pays(&self, policy: &Policy, rows: usize) -> bool {
        self.encoded_bytes() <= policy.bytes_max(rows)
    }

    fn push(&mut self, mut set: RoaringBitmap, posting_len_max: usize) {
        let len = set.len() as u32;
        let at = self.bytes.len() as u64;
        let is_posting = len as usize <= posting_len_max;
        if is_posting {
            self.bytes.extend(set.iter().flat_map(u32::to_le_bytes));
        } else {
            set.optimize();
            // Writing into memory cannot fail.
            set.serialize_into(&mut self.bytes)
                .expect("a vector takes all bytes");
            let padded = self.bytes.len().next_multiple_of(4);
            self.bytes.resize(padded, 0);
        }
        self.sets.push(EncodedSet {
            at,
            len,
            is_posting,
        });
    }
}

/// Puts groups together into the bytes of an index.
#[derive(Debug, Default)]
pub struct TermIndexBuilder {
    groups: Vec<TermGroup>,
}

impl TermIndexBuilder {
    /// No groups yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a group; no other may have the same names.
    pub fn add(&mut self, group: TermGroup) {
        self.groups.push(group);
    }

    /// The bytes of the index, which [`crate::TermIndex::open`] reads.
    ///
    /// # Errors
    ///
    /// [`IndexError::TooLarge`] past 2^32 sets, or if a name has more than 65,535 bytes.
    pub fn finish(mut self) -> Result<Vec<u8>, IndexError> {
        self.groups
            .sort_by(|left, right| left.key().cmp(&right.key()));
        let too_large = |what: &str| IndexError::TooLarge {
            what: what.to_owned(),
        };
        let sets: usize = self.groups.iter().map(|group| group.sets.len()).sum();
        let names: usize = self
            .groups
            .iter()
            .map(|group| group.first.len() + group.second.len())
            .sum();
        let directory_bytes = self.groups.len() * GROUP_BYTES + sets * SET_BYTES + 8 + names;
        if sets >= u32::MAX as usize || directory_bytes >= u32::MAX as usize {
            return Err(too_large("more than 4 GiB of terms"));
        }
        let sets_at = (HEADER_BYTES + directory_bytes).next_multiple_of(4);
        let set_bytes: usize = self.groups.iter().map(|group| group.bytes.len()).sum();

        let mut groups = Vec::with_capacity(self.groups.len() * GROUP_BYTES);
        let mut entries = Vec::with_capacity(sets * SET_BYTES);
        let mut text = Vec::with_capacity(names);
        let (mut first_set, mut at) = (0_u32, sets_at as u64);
        for group in &self.groups {
            let length = |name: &str| {
                u16::try_from(name.len()).map_err(|_| too_large("a name of more than 65,535 bytes"))
            };
            groups.extend(group.kind.to_le_bytes());
            groups.extend(length(&group.first)?.to_le_bytes());
            groups.extend(length(&group.second)?.to_le_bytes());
            groups.extend([0; 2]);
            groups.extend((text.len() as u32).to_le_bytes());
            groups.extend(first_set.to_le_bytes());
            groups.extend((group.sets.len() as u32).to_le_bytes());
            groups.extend(crc32fast::hash(&group.bytes).to_le_bytes());
            text.extend(group.first.as_bytes());
            text.extend(group.second.as_bytes());
            for set in &group.sets {
                let place = at + set.at;
                entries
                    .extend((place | if set.is_posting { POSTING_BIT } else { 0 }).to_le_bytes());
                entries.extend(set.len.to_le_bytes());
                entries.extend([0; 4]);
            }
            first_set += group.sets.len() as u32;
            at += group.bytes.len() as u64;
        }

        let mut bytes = Vec::with_capacity(sets_at + set_bytes);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend((self.groups.len() as u32).to_le_bytes());
        bytes.extend((sets as u32).to_le_bytes());
        bytes.extend((directory_bytes as u64).to_le_bytes());
        let mut crc = crc32fast::Hasher::new();
        for part in [&groups, &entries, &at.to_le_bytes().to_vec(), &text] {
            crc.update(part);
        }
        bytes.extend(crc.finalize().to_le_bytes());
        bytes.extend(crc32fast::hash(&bytes[..28]).to_le_bytes());
        bytes.extend(groups);
        bytes.extend(entries);
        bytes.extend(at.to_le_bytes());
        bytes.extend(text);
        bytes.resize(sets_at, 0);
        for group in self.groups {
            bytes.extend(group.bytes);
        }
        Ok(bytes)
    }
}
