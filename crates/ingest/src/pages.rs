//! The pages of Parquet files, unpacked into buffers that are used again.
//!
//! Decoded text points into its page, so that a page lives as long as its last batch. The usual page
//! reader takes fresh memory for each; see [`crate::buffers`]. Here it hands out pages as they are
//! in the file, which are then unpacked; other codecs than the two common ones are left to it.

use crate::backing::Backing;
use crate::buffers::Buffers;
use bytes::Bytes;
use parquet::arrow::arrow_reader::RowGroups;
use parquet::basic::Compression;
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;
use std::io::Read as _;
use std::sync::Arc;
use zstd::bulk::Decompressor;
use zstd::zstd_safe::get_frame_content_size;

/// The format gives the size of a page 32 bits, of which one is the sign.
const PAGE_BYTES_MAX: u64 = i32::MAX as u64;

/// Some row groups of a file.
pub(crate) struct Groups<'a> {
    backing: Arc<Backing>,
    metadata: &'a Arc<ParquetMetaData>,
    numbers: Vec<usize>,
    buffers: Arc<Buffers>,
}

impl<'a> Groups<'a> {
    pub(crate) fn new(
        backing: &Backing,
        metadata: &'a Arc<ParquetMetaData>,
        numbers: Vec<usize>,
    ) -> Self {
        Self {
            backing: Arc::new(backing.clone()),
            metadata,
            numbers,
            buffers: Buffers::shared(),
        }
    }
}

impl RowGroups for Groups<'_> {
    fn num_rows(&self) -> usize {
        self.row_groups()
            .map(|group| group.num_rows() as usize)
            .sum()
    }

    fn column_chunks(&self, leaf: usize) -> Result<Box<dyn PageIterator>> {
        Ok(Box::new(Chunks {
            backing: Arc::clone(&self.backing),
            metadata: Arc::clone(self.metadata),
            groups: self.numbers.clone().into_iter(),
            leaf,
            buffers: Arc::clone(&self.buffers),
        }))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(
            self.numbers
                .iter()
                .map(|number| self.metadata.row_group(*number)),
        )
    }

    fn metadata(&self) -> &ParquetMetaData {
        self.metadata
    }
}

/// The chunks of one column, one for each row group.
struct Chunks {
    backing: Arc<Backing>,
    metadata: Arc<ParquetMetaData>,
    groups: std::vec::IntoIter<usize>,
    leaf: usize,
    buffers: Arc<Buffers>,
}

impl Iterator for Chunks {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        let group = self.metadata.row_group(self.groups.next()?);
        let pages = Pages::new(
            &self.backing,
            group.column(self.leaf),
            group.num_rows() as usize,
            &self.buffers,
        );
        Some(pages.map(|pages| Box::new(pages) as Box<dyn PageReader>))
    }
}

impl PageIterator for Chunks {}

/// How the pages of a chunk are packed.
enum Codec {
    Zstd(Decompressor<'static>),
    Snappy(snap::raw::Decoder),
    /// Not at all, or the inner reader sees to it.
    None,
}

/// The pages of one column chunk.
struct Pages {
    inner: SerializedPageReader<Backing>,
    codec: Codec,
    buffers: Arc<Buffers>,
}

impl Pages {
    fn new(
        backing: &Arc<Backing>,
        chunk: &ColumnChunkMetaData,
        rows: usize,
        buffers: &Arc<Buffers>,
    ) -> Result<Self> {
        let codec = match chunk.compression() {
            Compression::ZSTD(_) => Codec::Zstd(Decompressor::new()?),
            Compression::SNAPPY => Codec::Snappy(snap::raw::Decoder::new()),
            _ => Codec::None,
        };
        let packed = Arc::clone(backing);
        let inner = if matches!(codec, Codec::None) {
            SerializedPageReader::new(packed, chunk, rows, None)?
        } else {
            let chunk = chunk
                .clone()
                .into_builder()
                .set_compression(Compression::UNCOMPRESSED)
                .build()?;
            SerializedPageReader::new(packed, &chunk, rows, None)?
        };
        Ok(Self {
            inner,
            codec,
            buffers: Arc::clone(buffers),
        })
    }

    /// Unpacks what comes behind the first `plain` bytes, which are no part of what was packed.
    fn unpack(&mut self, page: Bytes, plain: usize) -> Result<Bytes> {
        let packed = page.get(plain..).ok_or_else(|| {
            ParquetError::General("the levels of a page are longer than the page".to_owned())
        })?;
        let size = match &self.codec {
            Codec::None => return Ok(page),
            // Pages without any value.
            _ if packed.is_empty() => return Ok(page),
            Codec::Snappy(_) => Some(
                snap::raw::decompress_len(packed)
                    .map_err(|error| ParquetError::External(Box::new(error)))?
                    as u64,
            ),
            Codec::Zstd(_) => get_frame_content_size(packed)
                .map_err(|_| ParquetError::General("a page is no Zstandard frame".to_owned()))?,
        };
        let Some(size) = size else {
            // The frame does not tell its size, as its writer did not know it.
            let mut unpacked = page[..plain].to_vec();
            zstd::stream::read::Decoder::new(packed)?
                .take(PAGE_BYTES_MAX)
                .read_to_end(&mut unpacked)?;
            return Ok(unpacked.into());
        };
        if size > PAGE_BYTES_MAX {
            return Err(ParquetError::General(format!(
                "a page claims to unpack to {size} bytes, more than a page can have"
            )));
        }
        let mut buffer = self.buffers.take(plain + size as usize);
        let (levels, values) = buffer.as_mut().split_at_mut(plain);
        levels.copy_from_slice(&page[..plain]);
        let count = match &mut self.codec {
            Codec::Zstd(decoder) => decoder.decompress_to_buffer(packed, values)?,
            Codec::Snappy(decoder) => decoder
                .decompress(packed, values)
                .map_err(|error| ParquetError::External(Box::new(error)))?,
            Codec::None => values.len(),
        };
        if count != values.len() {
            return Err(ParquetError::General(format!(
                "a page unpacks to {count} bytes and should to {size}"
            )));
        }
        Ok(buffer.share())
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let Some(mut page) = self.inner.get_next_page()? else {
            return Ok(None);
        };
        match &mut page {
            Page::DataPage { buf, .. } | Page::DictionaryPage { buf, .. } => {
                *buf = self.unpack(std::mem::take(buf), 0)?;
            }
            Page::DataPageV2 {
                buf,
                def_levels_byte_len,
                rep_levels_byte_len,
                is_compressed: true,
                ..
            } => {
                let levels = *def_levels_byte_len as usize + *rep_levels_byte_len as usize;
                *buf = self.unpack(std::mem::take(buf), levels)?;
            }
            Page::DataPageV2 { .. } => {}
        }
        Ok(Some(page))
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.inner.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.inner.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.inner.at_record_boundary()
    }
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}
