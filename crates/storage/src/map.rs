//! Mapped files: the only module of the workspace with `unsafe` code.
//!
//! A mapped file that somebody changes shows the change through a `&[u8]`, and one that somebody
//! truncates kills the process. What makes mapping sound here are the rules of a store's directory:
//!
//! - files are written once under a temporary name, renamed into place, and never changed;
//! - they are removed by unlinking only, which leaves open maps intact, and names are never reused;
//! - there is one writer, by lock file;
//! - readers check the length and the checksums of what they use.
//!
//! Nothing else is ever mapped: a file that a user hands us is read.

#![allow(
    unsafe_code,
    reason = "memory maps have no safe constructor; the module documentation says why this is sound"
)]

use memmap2::{Advice, Mmap};
use std::fs::File;
use std::io;
use std::ops::Range;

/// A whole file of a store, mapped for reading.
#[derive(Debug)]
pub(crate) struct FileMap(Mmap);

impl FileMap {
    /// Maps a file of a store's directory, which must follow the rules of this module.
    pub(crate) fn of_store_file(file: &File) -> io::Result<Self> {
        // SAFETY: the caller is `FsDirectory`, which hands out files that were renamed into place
        // after they were complete. By the rules above no process of ours changes or truncates
        // them while they are mapped. A foreign process that does is outside of what any reader of
        // mapped files can defend against; checksums find its changes when sections are touched.
        let map = unsafe { Mmap::map(file)? };
        Ok(Self(map))
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// Advice is only advice: a system that refuses it reads as before.
    pub(crate) fn expect_scattered_reads(&self) {
        #[cfg(unix)]
        let _ = self.0.advise(Advice::Random);
    }

    /// As [`FileMap::expect_scattered_reads`].
    pub(crate) fn will_need(&self, range: Range<usize>) {
        #[cfg(unix)]
        if range.start < range.end && range.end <= self.0.len() {
            let _ = self
                .0
                .advise_range(Advice::WillNeed, range.start, range.len());
        }
    }
}
