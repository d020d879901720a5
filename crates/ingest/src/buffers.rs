//! Large buffers that are used again.
//!
//! Pages of Parquet come and go by the megabyte. Memory that goes back to the system each time comes
//! back cleared, page fault by page fault, which takes longer than unpacking the bytes into it; a
//! buffer that was just used still lies in the cache.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Bytes of unused buffers that are kept, at most.
const KEPT_BYTES_MAX: usize = 64 << 20;

/// Smaller buffers are of this size.
const BUFFER_BYTES_MIN: usize = 4_096;

/// Unused buffers, apart by size.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    unused: Mutex<Unused>,
}

#[derive(Debug, Default)]
struct Unused {
    /// By their size, a power of two.
    by_size: BTreeMap<usize, Vec<Vec<u8>>>,
    bytes: usize,
}

impl Buffers {
    /// The buffers that all open files share; they are given back when the last file is closed.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Buffers>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let buffers = Arc::default();
            *shared = Arc::downgrade(&buffers);
            buffers
        })
    }

    /// A buffer of so many bytes, which may hold anything.
    pub(crate) fn take(self: &Arc<Self>, len: usize) -> Buffer {
        let size = len.max(BUFFER_BYTES_MIN).next_power_of_two();
        let mut unused = self.unused.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = match unused.by_size.get_mut(&size).and_then(Vec::pop) {
            Some(bytes) => {
                unused.bytes -= size;
                bytes
            }
            // The system clears what is touched, and only then.
            None => vec![0; size],
        };
        Buffer {
            bytes,
            len,
            home: Arc::clone(self),
        }
    }

    fn give_back(&self, bytes: Vec<u8>) {
        let size = bytes.len();
        let mut unused = self.unused.lock().unwrap_or_else(PoisonError::into_inner);
        if unused.bytes + size <= KEPT_BYTES_MAX {
            unused.bytes += size;
            unused.by_size.entry(size).or_default().push(bytes);
        }
    }
}

/// A buffer that goes back to where it came from.
#[derive(Debug)]
pub(crate) struct Buffer {
    /// A power of two of them.
    bytes: Vec<u8>,
    len: usize,
    home: Arc<Buffers>,
}

impl Buffer {
    pub(crate) fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }

    /// The bytes, to be shared; the buffer goes back when the last share is dropped.
    pub(crate) fn share(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.home.give_back(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_when_its_last_share_is_dropped() {
        let buffers = Arc::new(Buffers::default());
        let mut buffer = buffers.take(5_000);
        buffer.as_mut().fill(7);
        let bytes = buffer.share();
        let part = bytes.slice(10..20);
        drop(bytes);
        assert_eq!(*part, [7; 10]);
        assert_eq!(buffers.unused.lock().unwrap().bytes, 0);
        drop(part);
        assert_eq!(buffers.unused.lock().unwrap().bytes, 8_192);
        let again = buffers.take(8_000);
        assert_eq!((again.as_ref().len(), again.as_ref()[4_999]), (8_000, 7));
        assert_eq!(buffers.unused.lock().unwrap().bytes, 0);
    }

    #[test]
    fn no_more_is_kept_than_the_bound() {
        let buffers = Arc::new(Buffers::default());
        let many: Vec<Buffer> = (0..3).map(|_| buffers.take(KEPT_BYTES_MAX / 2)).collect();
        drop(many);
        assert_eq!(buffers.unused.lock().unwrap().bytes, KEPT_BYTES_MAX);
        drop(buffers.take(2 * KEPT_BYTES_MAX));
        assert_eq!(buffers.unused.lock().unwrap().bytes, KEPT_BYTES_MAX);
    }
}
