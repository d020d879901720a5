//! From columns to indexes: walks the streams of a partition, or the attributes of users, and hands
//! what it finds to the index builder. Storage knows no terms and the index knows no rows; this is
//! where they meet.

use crowdset_index::{IndexError, Policy, PostingsBuilder, TermGroup, TermIndexBuilder, TooLarge};
use crowdset_storage::{
    Attribute, Codes, Column, ColumnPart, Damaged, PartData, Partition, Stream, Users,
};
use crowdset_types::{CHUNK_USERS, ChunkId, chunk_count};
use rayon::prelude::*;
use std::ops::Range;

/// Why an index could not be built.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IndexingError {
    /// A column is damaged.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// There are more terms than an index holds.
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// Builds the index of a partition: the users of every event name, and of every value of the text
/// properties that the policy finds worth it. Works on rayon's current pool, stream by stream.
///
/// Costs one pass over the users of every stream and one over the codes of every property indexed.
///
/// # Errors
///
/// [`IndexingError::Damaged`] if a column is; [`IndexingError::Index`] past 4 GiB of terms.
pub(crate) fn build(partition: &Partition, policy: &Policy) -> Result<Vec<u8>, IndexingError> {
    let groups = partition
        .streams()
        .par_iter()
        .map(|stream| stream_groups(stream, policy))
        .collect::<Result<Vec<_>, Damaged>>()?;
    finish(groups.into_iter().flatten())
}

/// Builds the index of attributes: the users of every value of the text attributes that the policy
/// finds worth it, at the end of time.
///
/// # Errors
///
/// As [`build`].
pub(crate) fn build_attributes(users: &Users, policy: &Policy) -> Result<Vec<u8>, IndexingError> {
    let groups = users
        .attributes()
        .par_iter()
        .map(|attribute| attribute_group(attribute, policy))
        .collect::<Result<Vec<_>, Damaged>>()?;
    finish(groups.into_iter().flatten())
}

fn finish(groups: impl Iterator<Item = TermGroup>) -> Result<Vec<u8>, IndexingError> {
    let mut builder = TermIndexBuilder::new();
    for group in groups {
        builder.add(group);
    }
    Ok(builder.finish()?)
}

fn stream_groups(stream: &Stream, policy: &Policy) -> Result<Vec<TermGroup>, Damaged> {
    stream.touch()?;
    let mut groups = stream
        .properties()
        .par_iter()
        .filter(|property| {
            property
                .text_values()
                .is_some_and(|values| values <= policy.values_max as u64)
        })
        .map(|property| {
            Ok(value_group(
                stream,
                property.path(),
                property.column()?,
                policy,
            ))
        })
        .collect::<Result<Vec<Option<TermGroup>>, Damaged>>()?;
    groups.push(Some(event_group(stream)));
    Ok(groups.into_iter().flatten().collect())
}

fn chunks_of(stream: &Stream) -> impl Iterator<Item = (ChunkId, Range<usize>)> {
    (0..stream.chunks() as u32)
        .map(|chunk| (ChunkId(chunk), stream.chunk_rows(ChunkId(chunk))))
        .filter(|(_, rows)| !rows.is_empty())
}

fn event_group(stream: &Stream) -> TermGroup {
    let mut postings = PostingsBuilder::new(1, stream.rows(), &Policy::EVERYTHING);
    for (chunk, rows) in chunks_of(stream) {
        let users = stream.users()[rows].iter().map(|user| (*user, 0));
        // Everything is allowed.
        if postings.add_chunk(chunk, users).is_err() {
            break;
        }
    }
    TermGroup::event_set(stream.name(), postings.finish().pop().unwrap_or_default())
}

/// The sets of a property's texts; `None` if they do not pay.
fn value_group(stream: &Stream, path: &str, column: &Column, policy: &Policy) -> Option<TermGroup> {
    let (part, codes, len) = text_part(column)?;
    let mut postings = PostingsBuilder::new(len, stream.rows(), policy);
    for (chunk, rows) in chunks_of(stream) {
        add_rows(
            &mut postings,
            chunk,
            part,
            codes,
            rows.clone(),
            stream.users()[rows].iter().copied(),
        )
        .ok()?;
    }
    let group = TermGroup::values(stream.name(), path, postings.finish(), policy);
    group.pays(policy, stream.rows()).then_some(group)
}

/// The sets of an attribute's texts; `None` if there are none, or they do not pay.
fn attribute_group(attribute: &Attribute, policy: &Policy) -> Result<Option<TermGroup>, Damaged> {
    if attribute
        .text_values()
        .is_none_or(|values| values > policy.values_max as u64)
    {
        return Ok(None);
    }
    let column = attribute.column()?;
    let Some((part, codes, len)) = text_part(column) else {
        return Ok(None);
    };
    let mut postings = PostingsBuilder::new(len, column.rows, policy);
    for chunk in 0..chunk_count(column.rows) as u32 {
        let first = chunk as usize * CHUNK_USERS;
        let rows = first..column.rows.min(first + CHUNK_USERS);
        if add_rows(
            &mut postings,
            ChunkId(chunk),
            part,
            codes,
            rows,
            0..CHUNK_USERS as u16,
        )
        .is_err()
        {
            return Ok(None);
        }
    }
    let group = TermGroup::attribute(
        attribute.table() as u8,
        attribute.name(),
        postings.finish(),
        policy,
    );
    Ok(group.pays(policy, column.rows).then_some(group))
}

fn text_part(column: &Column) -> Option<(&ColumnPart, &Codes, usize)> {
    column.parts.iter().find_map(|part| match &part.data {
        PartData::Text { dictionary, codes } => Some((part, codes, dictionary.len())),
        _ => None,
    })
}

/// Adds the rows of a chunk that have a text.
fn add_rows(
    postings: &mut PostingsBuilder,
    chunk: ChunkId,
    part: &ColumnPart,
    codes: &Codes,
    rows: Range<usize>,
    users: impl Iterator<Item = u16>,
) -> Result<(), TooLarge> {
    // One loop per width, so that the width is not asked for at every row.
    match codes {
        Codes::U8(codes) => add(
            postings,
            chunk,
            part,
            rows.clone(),
            users,
            codes[rows].iter().map(|code| (*code).into()),
        ),
        Codes::U16(codes) => add(
            postings,
            chunk,
            part,
            rows.clone(),
            users,
            codes[rows].iter().map(|code| (*code).into()),
        ),
        Codes::U32(codes) => add(
            postings,
            chunk,
            part,
            rows.clone(),
            users,
            codes[rows].iter().copied(),
        ),
        // Dictionaries have fewer than 2^32 texts.
        Codes::U64(codes) => add(
            postings,
            chunk,
            part,
            rows.clone(),
            users,
            codes[rows].iter().map(|code| *code as u32),
        ),
    }
}

fn add(
    postings: &mut PostingsBuilder,
    chunk: ChunkId,
    part: &ColumnPart,
    rows: Range<usize>,
    users: impl Iterator<Item = u16>,
    codes: impl Iterator<Item = u32>,
) -> Result<(), TooLarge> {
    let pairs = users.zip(codes);
    match &part.presence {
        None => postings.add_chunk(chunk, pairs),
        Some(bits) => postings.add_chunk(
            chunk,
            rows.zip(pairs)
                .filter(|(row, _)| bits.get(*row))
                .map(|(_, pair)| pair),
        ),
    }
}
