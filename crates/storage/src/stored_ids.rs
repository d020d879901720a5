//! The ids in an image of the users.
//!
//! They ascend: an id's number is its rank. So many ids are read one after the other, as they lie in
//! the file. Where ordinals ascend by id too, as they do in a store whose users came in one load, rank
//! and ordinal are the same; otherwise two arrays lead from one to the other. In images of the first
//! format the texts lie in the order of ordinals.

use crate::error::StorageError;
use crate::ids::{IdHasher, IdKind, IdTable, Starts, UserIds, narrowed, ranks};
use crate::image::{Image, ImageWriter, SectionId};
use arrow_buffer::{Buffer, ScalarBuffer};
use crowdset_types::UserOrdinal;
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

/// Where the ids of an image are.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct IdsMeta {
    pub(crate) text_bytes: u64,
    pub(crate) slot_count: u64,
    pub(crate) texts: SectionId,
    pub(crate) starts: StartsMeta,
    pub(crate) slots: SlotsMeta,
    /// `None`: ordinals ascend by id.
    pub(crate) order: Option<OrderMeta>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum StartsMeta {
    /// All ids have this length.
    Same(u64),
    Each(SectionId),
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum SlotsMeta {
    /// 32 bits each, for ranks.
    Narrow(SectionId),
    /// Of the first format: 64 bits each, for ordinals, in whose order the texts lie.
    Wide(SectionId),
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct OrderMeta {
    /// The ordinal of each rank.
    pub(crate) ranked: SectionId,
    /// The rank of each ordinal.
    pub(crate) ranks: SectionId,
}

impl IdsMeta {
    /// The sections that reading ids touches.
    pub(crate) fn sections(&self) -> Vec<SectionId> {
        let mut sections = self.text_sections();
        sections.push(self.slots_section());
        sections.extend(self.order_sections());
        sections
    }

    pub(crate) fn text_sections(&self) -> Vec<SectionId> {
        match self.starts {
            StartsMeta::Same(_) => vec![self.texts],
            StartsMeta::Each(starts) => vec![self.texts, starts],
        }
    }

    pub(crate) fn slots_section(&self) -> SectionId {
        match self.slots {
            SlotsMeta::Narrow(slots) | SlotsMeta::Wide(slots) => slots,
        }
    }

    pub(crate) fn order_sections(&self) -> Vec<SectionId> {
        let order = self.order.iter();
        order
            .flat_map(|order| [order.ranked, order.ranks])
            .collect()
    }
}

/// The ids of an open image.
#[derive(Debug)]
pub(crate) struct StoredIds {
    pub(crate) meta: IdsMeta,
    texts: Buffer,
    starts: StoredStarts,
    slots: Slots,
    order: Option<Order>,
}

#[derive(Debug)]
enum StoredStarts {
    Same(usize),
    Each(ScalarBuffer<u64>),
}

#[derive(Debug)]
enum Slots {
    Narrow(ScalarBuffer<u32>),
    /// With what becomes of them when they are first asked for.
    Wide(ScalarBuffer<u64>, OnceLock<Vec<u32>>),
}

#[derive(Debug)]
struct Order {
    ranked: ScalarBuffer<u32>,
    ranks: ScalarBuffer<u32>,
}

impl StoredIds {
    /// Checks that all sections are there and have the right lengths.
    pub(crate) fn open(
        image: &Image,
        meta: IdsMeta,
        ordinals: usize,
    ) -> Result<Self, StorageError> {
        let malformed = |what: &str| Err(StorageError::malformed(image.name(), what));
        let (text_bytes, slot_count) = (meta.text_bytes as usize, meta.slot_count as usize);
        image.expect::<u8>(meta.texts, text_bytes)?;
        let starts = match meta.starts {
            StartsMeta::Same(width) => {
                if (ordinals as u64).checked_mul(width) != Some(meta.text_bytes) {
                    return malformed("the user ids do not have the length they should have");
                }
                StoredStarts::Same(width as usize)
            }
            StartsMeta::Each(starts) => {
                image.expect::<u64>(starts, ordinals.saturating_add(1))?;
                StoredStarts::Each(image.values(starts))
            }
        };
        if !slot_count.is_power_of_two() || slot_count <= ordinals {
            return malformed("the number of hash slots is no power of two, or too small");
        }
        let slots = match meta.slots {
            SlotsMeta::Narrow(slots) => {
                image.expect::<u32>(slots, slot_count)?;
                Slots::Narrow(image.values(slots))
            }
            SlotsMeta::Wide(slots) => {
                image.expect::<u64>(slots, slot_count)?;
                Slots::Wide(image.values(slots), OnceLock::new())
            }
        };
        let order = match meta.order {
            None => None,
            Some(order) => {
                image.expect::<u32>(order.ranked, ordinals)?;
                image.expect::<u32>(order.ranks, ordinals)?;
                Some(Order {
                    ranked: image.values(order.ranked),
                    ranks: image.values(order.ranks),
                })
            }
        };
        Ok(Self {
            texts: image.buffer(meta.texts),
            starts,
            slots,
            order,
            meta,
        })
    }

    pub(crate) fn table(&self) -> IdTable<'_> {
        IdTable {
            texts: &self.texts,
            starts: match &self.starts {
                StoredStarts::Same(width) => Starts::Same(*width),
                StoredStarts::Each(starts) => Starts::Each(starts),
            },
            slots: match &self.slots {
                Slots::Narrow(slots) => slots,
                Slots::Wide(wide, narrow) => narrow.get_or_init(|| {
                    let narrow = wide.iter().map(|slot| narrowed(*slot, wide.len()));
                    narrow.collect()
                }),
            },
        }
    }

    /// The ordinal of each rank; `None` if it is the rank itself.
    pub(crate) fn ranked(&self) -> Option<&[u32]> {
        self.order.as_ref().map(|order| &*order.ranked)
    }

    /// The ordinal of each number of the table, where that is not the number itself.
    fn ordinals(&self) -> Option<&[u32]> {
        match self.slots {
            Slots::Narrow(_) => self.ranked(),
            Slots::Wide(..) => None,
        }
    }

    /// The number in the table of each rank, where that is not the rank itself.
    pub(crate) fn numbers(&self) -> Option<&[u32]> {
        match self.slots {
            Slots::Narrow(_) => None,
            Slots::Wide(..) => self.ranked(),
        }
    }

    /// The place of an ordinal in the order of ids.
    pub(crate) fn rank(&self, user: UserOrdinal) -> u32 {
        match &self.order {
            None => user.0,
            Some(order) => order.ranks[user.0 as usize],
        }
    }

    /// The ordinal at a place in the order of ids.
    pub(crate) fn by_rank(&self, rank: u32) -> UserOrdinal {
        UserOrdinal(match self.ranked() {
            None => rank,
            Some(ranked) => ranked[rank as usize],
        })
    }

    /// The text of an ordinal.
    pub(crate) fn text(&self, user: UserOrdinal) -> &[u8] {
        let number = match self.slots {
            Slots::Narrow(_) => self.rank(user),
            Slots::Wide(..) => user.0,
        };
        self.table().text(number)
    }

    /// The text at a place in the order of ids.
    pub(crate) fn text_of_rank(&self, rank: u32) -> &[u8] {
        self.table().text(match self.numbers() {
            None => rank,
            Some(numbers) => numbers[rank as usize],
        })
    }

    /// The ordinal of an id, if it has one.
    pub(crate) fn find(&self, hasher: &IdHasher, id: &str) -> Option<UserOrdinal> {
        let number = self.table().find(hasher.hash(id), id)?;
        Some(UserOrdinal(match self.ordinals() {
            None => number,
            Some(ordinals) => ordinals[number as usize],
        }))
    }

    /// The slots as they are while loading.
    pub(crate) fn slots_by_ordinal(&self) -> Vec<u32> {
        match self.ordinals() {
            None => self.table().slots.to_vec(),
            Some(ordinals) => self.table().renumbered(|number| ordinals[number as usize]),
        }
    }
}

/// Writes ids into an image, in their order.
pub(crate) fn write_ids(
    writer: &mut ImageWriter,
    ids: &UserIds,
    kind: IdKind,
) -> Result<IdsMeta, StorageError> {
    let order = ids.order(kind);
    let in_order = (0..)
        .zip(&order)
        .all(|(rank, &ordinal): (u32, _)| rank == ordinal);
    if in_order {
        return write_table(writer, ids.table(), None);
    }
    let ranks = ranks(&order);
    let sorted = ids.renumbered(&order, &ranks);
    let order = OrderMeta {
        ranked: writer.section("user ids, order".to_owned(), &order)?,
        ranks: writer.section("user ids, ranks".to_owned(), &ranks)?,
    };
    write_table(writer, sorted.table(), Some(order))
}

fn write_table(
    writer: &mut ImageWriter,
    table: IdTable<'_>,
    order: Option<OrderMeta>,
) -> Result<IdsMeta, StorageError> {
    Ok(IdsMeta {
        text_bytes: table.texts.len() as u64,
        slot_count: table.slots.len() as u64,
        texts: writer.section("user ids, text".to_owned(), table.texts)?,
        starts: match table.starts {
            Starts::Same(width) => StartsMeta::Same(width as u64),
            Starts::Each(starts) => {
                StartsMeta::Each(writer.section("user ids, offsets".to_owned(), starts)?)
            }
        },
        slots: SlotsMeta::Narrow(writer.section("user ids, hash table".to_owned(), table.slots)?),
        order,
    })
}
