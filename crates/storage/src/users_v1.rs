//! What an image of the users says of itself in format 1, as format 2 would say it.

use crate::attribute::Table;
use crate::column_meta::{CodesMeta, PartMeta};
use crate::history::{HistoryMeta, TimesMeta};
use crate::ids::IdKind;
use crate::image::SectionId;
use crate::stored_ids::{IdsMeta, OrderMeta, SlotsMeta, StartsMeta};
use crate::users::{AttributeMeta, UsersMeta};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct UsersMetaV1 {
    ordinals: u64,
    universe_len: u64,
    id_kind: IdKind,
    seed: u64,
    text_bytes: u64,
    slot_count: u64,
    texts: SectionId,
    offsets: SectionId,
    slots: SectionId,
    ranked: SectionId,
    ranks: SectionId,
    universe: SectionId,
    attributes: Vec<AttributeMetaV1>,
}

#[derive(Debug, Deserialize)]
struct AttributeMetaV1 {
    table: Table,
    name: String,
    parts: Vec<PartMeta>,
    history: Option<HistoryMetaV1>,
}

#[derive(Debug, Deserialize)]
struct HistoryMetaV1 {
    latest: i64,
    rows: u64,
    chunks: u32,
    starts: SectionId,
    users: SectionId,
    at: SectionId,
    codes: SectionId,
}

impl From<UsersMetaV1> for UsersMeta {
    fn from(old: UsersMetaV1) -> Self {
        Self {
            ordinals: old.ordinals,
            universe_len: old.universe_len,
            id_kind: old.id_kind,
            seed: old.seed,
            ids: IdsMeta {
                text_bytes: old.text_bytes,
                slot_count: old.slot_count,
                texts: old.texts,
                starts: StartsMeta::Each(old.offsets),
                slots: SlotsMeta::Wide(old.slots),
                order: Some(OrderMeta {
                    ranked: old.ranked,
                    ranks: old.ranks,
                }),
            },
            universe: old.universe,
            attributes: old.attributes.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<AttributeMetaV1> for AttributeMeta {
    fn from(old: AttributeMetaV1) -> Self {
        Self {
            table: old.table,
            name: old.name,
            parts: old.parts,
            history: old.history.map(Into::into),
        }
    }
}

impl From<HistoryMetaV1> for HistoryMeta {
    fn from(old: HistoryMetaV1) -> Self {
        Self {
            latest: old.latest,
            rows: old.rows,
            chunks: old.chunks,
            starts: old.starts,
            users: old.users,
            times: TimesMeta::Whole(old.at),
            // All ones of 32 bits: unset.
            codes: CodesMeta {
                width: 4,
                section: old.codes,
            },
        }
    }
}
