//! Images: files of aligned sections that are read in place.
//!
//! ```text
//! header, 64 bytes      magic │ kind │ format version │ zeros
//! section 0             at a multiple of 64
//! section 1, …
//! table                 a frame: name, place, length and crc32 of each section, and the metadata
//! footer, 32 bytes      place of the table │ length of the table │ length of the file │ crc32 │ magic
//! ```
//!
//! Opening reads header, footer and table. A section's checksum is checked when it is first asked
//! for, and the outcome is remembered.

use crate::codec::{CodecError, FrameKind, MAGIC, check_kind_and_version, decode, encode, u32_at};
use crate::directory::{Directory, FileBytes, FileWriter};
use crate::error::{Damaged, StorageError};
use crate::manifest::FileEntry;
use arrow_buffer::{ArrowNativeType, Buffer, ScalarBuffer, ToByteSlice};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, OnceLock};

const ALIGNMENT: u64 = 64;
const FOOTER_BYTES: usize = 32;

/// So much of a file's end is fetched before its footer says where the table begins.
const TAIL_BYTES: usize = 64 << 10;

/// Which section of an image, in the order in which they were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SectionId(pub(crate) u32);

#[derive(Debug, Serialize, Deserialize)]
struct SectionEntry {
    name: String,
    offset: u64,
    bytes: u64,
    crc: u32,
}

#[derive(Serialize, Deserialize)]
struct Table<M> {
    sections: Vec<SectionEntry>,
    meta: M,
}

/// Bytes of a section on their way into an image, their checksum taken.
#[derive(Debug)]
pub(crate) struct SectionBytes {
    buffer: Buffer,
    crc: u32,
}

impl SectionBytes {
    pub(crate) fn new<T: ArrowNativeType>(values: Vec<T>) -> Self {
        let buffer = Buffer::from_vec(values);
        let crc = crc32fast::hash(&buffer);
        Self { buffer, crc }
    }
}

/// Writes an image, section by section.
pub struct ImageWriter {
    file: Box<dyn FileWriter>,
    name: String,
    written: u64,
    sections: Vec<SectionEntry>,
    /// What was written, by checksum, if equal sections are to be written once.
    shared: Option<HashMap<u32, Vec<(Buffer, SectionId)>>>,
}

impl std::fmt::Debug for ImageWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImageWriter")
            .field("name", &self.name)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

impl ImageWriter {
    /// Begins the image `name` of a kind.
    ///
    /// # Errors
    ///
    /// As [`Directory::create`].
    pub fn create(
        directory: &dyn Directory,
        name: &str,
        kind: FrameKind,
    ) -> Result<Self, StorageError> {
        let mut writer = Self {
            file: directory.create(name)?,
            name: name.to_owned(),
            written: 0,
            sections: Vec::new(),
            shared: None,
        };
        writer.put(&header(kind, kind.newest_version()))?;
        Ok(writer)
    }

    /// As [`FileWriter::expect_no_reads`].
    pub fn expect_no_reads(&mut self) {
        self.file.expect_no_reads();
    }

    /// From here on [`ImageWriter::put_section`] writes equal sections once. It holds on to their bytes
    /// until the image is finished.
    pub(crate) fn share_sections(&mut self) {
        self.shared = Some(HashMap::new());
    }

    /// Appends a section. Its name is what an error says if it is damaged one day.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn section<T: ArrowNativeType>(
        &mut self,
        name: String,
        values: &[T],
    ) -> Result<SectionId, StorageError> {
        let bytes = values.to_byte_slice();
        self.append(name, bytes, crc32fast::hash(bytes))
    }

    pub(crate) fn put_section(
        &mut self,
        name: String,
        section: &SectionBytes,
    ) -> Result<SectionId, StorageError> {
        let equal = self.shared.as_ref().and_then(|shared| {
            let mut alike = shared.get(&section.crc)?.iter();
            alike.find(|(buffer, _)| *buffer == section.buffer)
        });
        if let Some((_, id)) = equal {
            return Ok(*id);
        }
        let id = self.append(name, &section.buffer, section.crc)?;
        if let Some(shared) = &mut self.shared {
            let alike = shared.entry(section.crc).or_default();
            alike.push((section.buffer.clone(), id));
        }
        Ok(id)
    }

    fn append(&mut self, name: String, bytes: &[u8], crc: u32) -> Result<SectionId, StorageError> {
        self.pad()?;
        let offset = self.written;
        self.put(bytes)?;
        self.sections.push(SectionEntry {
            name,
            offset,
            bytes: bytes.len() as u64,
            crc,
        });
        let last = u32::try_from(self.sections.len() - 1).map_err(|_| StorageError::TooLarge {
            what: format!("sections of {}", self.name),
            found: self.sections.len() as u64,
            limit: u64::from(u32::MAX),
        })?;
        Ok(SectionId(last))
    }

    /// Appends table and footer, and makes the file visible ([`FileWriter::finish`]).
    ///
    /// # Errors
    ///
    /// If the file cannot be written; then there is none.
    pub fn finish<M: Serialize>(mut self, meta: M) -> Result<FileEntry, StorageError> {
        self.pad()?;
        let table = encode(
            FrameKind::Sections,
            &Table {
                sections: std::mem::take(&mut self.sections),
                meta,
            },
        )?;
        let at = self.written;
        self.put(&table)?;
        let footer = footer(at, table.len() as u64, self.written + FOOTER_BYTES as u64);
        self.put(&footer)?;
        self.file.finish()
    }

    fn pad(&mut self) -> Result<(), StorageError> {
        let missing = self.written.next_multiple_of(ALIGNMENT) - self.written;
        self.put(&[0; ALIGNMENT as usize][..missing as usize])
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.file
            .write_all(bytes)
            .map_err(StorageError::io("write", &self.name))?;
        self.written += bytes.len() as u64;
        Ok(())
    }
}

fn header(kind: FrameKind, version: u16) -> [u8; ALIGNMENT as usize] {
    let mut header = [0; ALIGNMENT as usize];
    header[..4].copy_from_slice(&MAGIC);
    header[4..6].copy_from_slice(&kind.number().to_le_bytes());
    header[6..8].copy_from_slice(&version.to_le_bytes());
    header
}

fn footer(table_at: u64, table_bytes: u64, file_bytes: u64) -> [u8; FOOTER_BYTES] {
    let mut footer = [0; FOOTER_BYTES];
    footer[..8].copy_from_slice(&table_at.to_le_bytes());
    footer[8..16].copy_from_slice(&table_bytes.to_le_bytes());
    footer[16..24].copy_from_slice(&file_bytes.to_le_bytes());
    let crc = crc32fast::hash(&footer[..24]);
    footer[24..28].copy_from_slice(&crc.to_le_bytes());
    footer[28..].copy_from_slice(&MAGIC);
    footer
}

/// An open image. Cheap to clone; clones remember checked sections together.
#[derive(Debug, Clone)]
pub struct Image {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: String,
    file: FileBytes,
    buffer: Buffer,
    sections: Vec<SectionEntry>,
    /// The checksum of what is there, once a section was asked for.
    computed: Vec<OnceLock<u32>>,
}

impl Image {
    /// Opens the image `name` of a kind and decodes its metadata.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the file is missing, of another kind, newer than this build, cut off, or
    /// its table is damaged.
    pub fn open<M: DeserializeOwned>(
        directory: &dyn Directory,
        name: &str,
        kind: FrameKind,
    ) -> Result<(Self, M), StorageError> {
        Self::of_file(name, directory.open(name)?, kind)
    }

    /// The image in a file that is open already.
    pub(crate) fn of_file<M: DeserializeOwned>(
        name: &str,
        file: FileBytes,
        kind: FrameKind,
    ) -> Result<(Self, M), StorageError> {
        file.expect_scattered_reads();
        let frame_error = |source: CodecError| StorageError::Frame {
            file: name.to_owned(),
            source,
        };
        let found = file.len() as u64;
        let shortest = ALIGNMENT as usize + FOOTER_BYTES;
        if file.len() >= 4 && file[..4] != MAGIC {
            return Err(frame_error(CodecError::NotOurs));
        }
        if file.len() < shortest {
            return Err(StorageError::Length {
                file: name.to_owned(),
                expected: shortest as u64,
                found,
            });
        }
        check_kind_and_version(&file[..8], kind).map_err(frame_error)?;
        if file[..ALIGNMENT as usize] != header(kind, Self::version_of(&file)) {
            return Err(StorageError::malformed(
                name,
                "the header has bytes that should be zero",
            ));
        }
        // Nothing is read ahead in an image: a table that is not in memory would come page by page.
        file.will_need(file.len().saturating_sub(TAIL_BYTES)..file.len());
        let footer = &file[file.len() - FOOTER_BYTES..];
        if footer[28..] != MAGIC || u32_at(footer, 24) != crc32fast::hash(&footer[..24]) {
            return Err(StorageError::malformed(
                name,
                "the footer is damaged, or the file is cut off",
            ));
        }
        let [table_at, table_bytes, file_bytes] = [0, 8, 16].map(|at| u64_at(footer, at));
        if file_bytes != found {
            return Err(StorageError::Length {
                file: name.to_owned(),
                expected: file_bytes,
                found,
            });
        }
        if table_at
            .checked_add(table_bytes)
            .and_then(|end| end.checked_add(FOOTER_BYTES as u64))
            != Some(found)
        {
            return Err(StorageError::malformed(
                name,
                "the footer points beyond the file",
            ));
        }
        if file_bytes - table_at > TAIL_BYTES as u64 {
            file.will_need(table_at as usize..file.len());
        }
        let table: Table<M> = decode(
            FrameKind::Sections,
            &file[table_at as usize..(table_at + table_bytes) as usize],
        )
        .map_err(frame_error)?;
        for section in &table.sections {
            let end = section.offset.checked_add(section.bytes);
            if section.offset % ALIGNMENT != 0 || end.is_none_or(|end| end > table_at) {
                return Err(StorageError::malformed(
                    name,
                    format!("section `{}` is misplaced", section.name),
                ));
            }
        }
        let mut buffer = Buffer::from(file.bytes().clone());
        if buffer.as_ptr().align_offset(ALIGNMENT as usize) != 0 {
            // Only bytes that a foreign `Directory` hands out can be here.
            buffer = Buffer::from_slice_ref(buffer.as_slice());
        }
        let computed = table.sections.iter().map(|_| OnceLock::new()).collect();
        let inner = Inner {
            name: name.to_owned(),
            file,
            buffer,
            sections: table.sections,
            computed,
        };
        Ok((
            Self {
                inner: Arc::new(inner),
            },
            table.meta,
        ))
    }

    /// The format version that a file says it has, whatever it is.
    pub(crate) fn version_of(file: &[u8]) -> u16 {
        file.get(6..8)
            .map_or(0, |bytes| u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    /// Name of the file.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Bytes of the file.
    pub fn file_bytes(&self) -> u64 {
        self.inner.buffer.len() as u64
    }

    /// Bytes of a section.
    pub(crate) fn section_bytes(&self, id: SectionId) -> u64 {
        self.inner.sections[id.0 as usize].bytes
    }

    /// Checks that a section exists and holds exactly `rows` values of `T`. Opening calls it for
    /// every section, so that [`Image::values`] cannot fail.
    pub(crate) fn expect<T: ArrowNativeType>(
        &self,
        id: SectionId,
        rows: usize,
    ) -> Result<(), StorageError> {
        let Some(section) = self.inner.sections.get(id.0 as usize) else {
            return Err(StorageError::malformed(
                self.name(),
                format!("there is no section {}", id.0),
            ));
        };
        let expected = (rows as u64).checked_mul(size_of::<T>() as u64);
        if expected != Some(section.bytes) {
            let what = format!(
                "section `{}` has {} bytes for {rows} values",
                section.name, section.bytes
            );
            return Err(StorageError::malformed(self.name(), what));
        }
        Ok(())
    }

    /// A section's values in place. Checked with [`Image::expect`] before; says nothing about damage.
    pub(crate) fn values<T: ArrowNativeType>(&self, id: SectionId) -> ScalarBuffer<T> {
        let section = &self.inner.sections[id.0 as usize];
        let buffer = self
            .inner
            .buffer
            .slice_with_length(section.offset as usize, section.bytes as usize);
        ScalarBuffer::from(buffer)
    }

    /// A section's bytes in place; says nothing about damage.
    pub(crate) fn buffer(&self, id: SectionId) -> Buffer {
        let section = &self.inner.sections[id.0 as usize];
        self.inner
            .buffer
            .slice_with_length(section.offset as usize, section.bytes as usize)
    }

    /// Checks a section's checksum, the first time it is asked for.
    pub(crate) fn check(&self, id: SectionId) -> Result<(), Damaged> {
        let index = id.0 as usize;
        let section = &self.inner.sections[index];
        let computed = *self.inner.computed[index].get_or_init(|| {
            let range = section.offset as usize..(section.offset + section.bytes) as usize;
            self.inner.file.will_need(range.clone());
            crc32fast::hash(&self.inner.buffer.as_slice()[range])
        });
        if computed == section.crc {
            return Ok(());
        }
        Err(Damaged {
            file: self.inner.name.clone(),
            section: section.name.clone(),
            stored: section.crc,
            computed,
        })
    }

    /// Checks several sections; the system is told of all of them before the first is read.
    pub(crate) fn check_all(&self, ids: &[SectionId]) -> Result<(), Damaged> {
        for id in ids {
            let index = id.0 as usize;
            if self.inner.computed[index].get().is_none() {
                let section = &self.inner.sections[index];
                self.inner
                    .file
                    .will_need(section.offset as usize..(section.offset + section.bytes) as usize);
            }
        }
        ids.iter().try_for_each(|id| self.check(*id))
    }

    /// Reads every section again, whatever is remembered; calls `damaged` for each that changed.
    pub fn verify(&self, damaged: &mut dyn FnMut(Damaged)) {
        for section in &self.inner.sections {
            let range = section.offset as usize..(section.offset + section.bytes) as usize;
            self.inner.file.will_need(range.clone());
            let computed = crc32fast::hash(&self.inner.buffer.as_slice()[range]);
            if computed != section.crc {
                damaged(Damaged {
                    file: self.inner.name.clone(),
                    section: section.name.clone(),
                    stored: section.crc,
                    computed,
                });
            }
        }
    }
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory_directory::MemoryDirectory;

    fn write(directory: &MemoryDirectory) {
        let mut writer = ImageWriter::create(directory, "a.columns", FrameKind::Users).unwrap();
        writer
            .section("numbers".to_owned(), &[1_u32, 2, 3])
            .unwrap();
        writer.section("nothing".to_owned(), &[0_u64; 0]).unwrap();
        writer.section("bytes".to_owned(), &[9_u8; 100]).unwrap();
        writer.finish("meta").unwrap();
    }

    fn open(directory: &dyn Directory) -> Result<(Image, String), StorageError> {
        Image::open(directory, "a.columns", FrameKind::Users)
    }

    #[test]
    fn equal_sections_are_written_once_if_they_may_be() {
        let directory = MemoryDirectory::new();
        let section = |value: u32| SectionBytes::new(vec![value; 10]);
        for (shared, expected) in [(false, [0, 1, 2]), (true, [0, 1, 0])] {
            let name = if shared { "b.columns" } else { "a.columns" };
            let mut writer = ImageWriter::create(&directory, name, FrameKind::Users).unwrap();
            if shared {
                writer.share_sections();
            }
            let ids = [1, 2, 1].map(|value| {
                let written = writer.put_section(value.to_string(), &section(value));
                written.unwrap().0
            });
            assert_eq!(ids, expected);
            writer.finish("meta").unwrap();
            let (image, _): (Image, String) =
                Image::open(&directory, name, FrameKind::Users).unwrap();
            for (id, value) in ids.into_iter().zip([1, 2, 1]) {
                let id = SectionId(id);
                image.expect::<u32>(id, 10).unwrap();
                image.check(id).unwrap();
                assert_eq!(image.values::<u32>(id), ScalarBuffer::from(vec![value; 10]));
            }
        }
    }

    #[test]
    fn sections_come_back_in_place() {
        let directory = MemoryDirectory::new();
        write(&directory);
        let (image, meta) = open(&directory).unwrap();
        assert_eq!(meta, "meta");
        image.expect::<u32>(SectionId(0), 3).unwrap();
        assert!(image.expect::<u32>(SectionId(0), 4).is_err());
        assert!(image.expect::<u32>(SectionId(3), 0).is_err());
        assert_eq!(&image.values::<u32>(SectionId(0))[..], [1, 2, 3]);
        assert_eq!(image.values::<u64>(SectionId(1)).len(), 0);
        assert_eq!(image.buffer(SectionId(2)).as_slice(), [9; 100]);
        image
            .check_all(&[SectionId(0), SectionId(1), SectionId(2)])
            .unwrap();
        image.verify(&mut |damaged| panic!("{damaged}"));
        assert!(Image::open::<String>(&directory, "a.columns", FrameKind::Partition).is_err());
    }

    #[test]
    fn every_flipped_bit_outside_of_padding_is_noticed() {
        let directory = MemoryDirectory::new();
        write(&directory);
        let bytes = directory.open("a.columns").unwrap().to_vec();
        let mut unnoticed = Vec::new();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 4;
            let directory = MemoryDirectory::new();
            directory.replace("a.columns", &changed).unwrap();
            let noticed = match open(&directory) {
                Err(_) => true,
                Ok((image, _)) => {
                    let mut names = Vec::new();
                    image.verify(&mut |damaged| names.push(damaged.section));
                    let by_name = u8::from(image.check(SectionId(0)).is_err())
                        + 2 * u8::from(image.check(SectionId(2)).is_err());
                    match names.as_slice() {
                        [] => false,
                        [name] if name == "numbers" => by_name == 1,
                        [name] if name == "bytes" => by_name == 2,
                        _ => panic!("{names:?}"),
                    }
                }
            };
            if !noticed {
                unnoticed.push(at);
            }
        }
        // Numbers end at 76, the next section begins at 128; bytes end at 228, the table begins at 256.
        let padding: Vec<usize> = (76..128).chain(228..256).collect();
        assert_eq!(unnoticed, padding);
    }

    #[test]
    fn every_truncation_is_an_error() {
        let directory = MemoryDirectory::new();
        write(&directory);
        let bytes = directory.open("a.columns").unwrap().to_vec();
        for length in 0..bytes.len() {
            let directory = MemoryDirectory::new();
            directory.replace("a.columns", &bytes[..length]).unwrap();
            assert!(open(&directory).is_err(), "{length}");
        }
    }
}
