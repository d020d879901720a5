//! The bytes of one Parquet file, read by many tasks at once.

use crate::buffers::Buffers;
use bytes::{Buf as _, Bytes};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::sync::Arc;

/// A file, or bytes in memory. Cloning shares it.
///
/// `File` itself is no safe choice for several tasks: its clones share one position.
#[derive(Debug, Clone)]
pub(crate) enum Backing {
    Memory(Bytes),
    File {
        file: Arc<File>,
        bytes: u64,
        buffers: Arc<Buffers>,
    },
}

impl Backing {
    pub(crate) fn from_file(file: File) -> io::Result<Self> {
        let bytes = file.metadata()?.len();
        Ok(Self::File {
            file: Arc::new(file),
            bytes,
            buffers: Buffers::shared(),
        })
    }
}

impl Length for Backing {
    fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { bytes, .. } => *bytes,
        }
    }
}

impl ChunkReader for Backing {
    type T = BufReader<Position>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        // Page headers are read through this, one at a time: a large buffer would be thrown away.
        Ok(BufReader::with_capacity(
            512,
            Position {
                backing: self.clone(),
                at: start,
            },
        ))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        match self {
            Self::Memory(bytes) => {
                let end = start.saturating_add(length as u64);
                if end > bytes.len() as u64 {
                    return Err(ParquetError::EOF(format!(
                        "the file ends before byte {end}"
                    )));
                }
                Ok(bytes.slice(start as usize..end as usize))
            }
            Self::File { file, buffers, .. } => {
                let mut buffer = buffers.take(length);
                read_exact_at(file, buffer.as_mut(), start)?;
                Ok(buffer.share())
            }
        }
    }
}

/// The bytes of a column chunk on their way into another file: the same bytes, in large pieces.
#[derive(Debug)]
pub(crate) struct Copied<'a>(pub(crate) &'a Backing);

impl Length for Copied<'_> {
    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl ChunkReader for Copied<'_> {
    type T = BufReader<Position>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(BufReader::with_capacity(
            256 << 10,
            Position {
                backing: self.0.clone(),
                at: start,
            },
        ))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        self.0.get_bytes(start, length)
    }
}

/// A place in a [`Backing`] from which bytes are read in order.
#[derive(Debug)]
pub(crate) struct Position {
    backing: Backing,
    at: u64,
}

impl Read for Position {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &self.backing {
            Backing::Memory(bytes) => {
                let mut rest = bytes.get(self.at as usize..).unwrap_or_default();
                let count = rest.remaining().min(buffer.len());
                rest.copy_to_slice(&mut buffer[..count]);
                count
            }
            Backing::File { file, .. } => read_at(file, buffer, self.at)?,
        };
        self.at += count as u64;
        Ok(count)
    }
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, at)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, at)
}

fn read_exact_at(file: &File, mut buffer: &mut [u8], mut at: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match read_at(file, buffer, at) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                at += count as u64;
                buffer = &mut buffer[count..];
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
