//! How fast this machine reads its memory.

use std::hint::black_box;
use std::thread;
use std::time::Instant;

/// Larger than the last cache of nearly every processor, small enough to be read in some
/// milliseconds.
const BUFFER_BYTES: usize = 256 << 20;

/// Words of one line of cache.
const LANES: usize = 8;

/// The bytes a second that so many threads read from memory, in order and together: what a scan can
/// reach at most on this machine, now.
///
/// Reads a buffer of 256 MiB, which is allocated and freed here, four times and takes the fastest:
/// some tens of milliseconds, most of them for the buffer's first touch. Other work on the machine
/// makes the figure smaller.
pub fn memory_bandwidth(threads: usize) -> f64 {
    let threads = threads.max(1);
    let words = BUFFER_BYTES / size_of::<u64>();
    // Written, as pages that never were are all the same page of zeros.
    let mut buffer = vec![0_u64; words];
    thread::scope(|scope| {
        for part in buffer.chunks_mut(words.div_ceil(threads)) {
            scope.spawn(|| part.fill(black_box(1)));
        }
    });
    let mut fastest = f64::INFINITY;
    for _ in 0..4 {
        let started = Instant::now();
        thread::scope(|scope| {
            for part in buffer.chunks(words.div_ceil(threads)) {
                scope.spawn(|| black_box(sum(part)));
            }
        });
        fastest = fastest.min(started.elapsed().as_secs_f64());
    }
    BUFFER_BYTES as f64 / fastest.max(f64::MIN_POSITIVE)
}

/// Adds up a line of cache at a time, so that no addition waits for the one before.
fn sum(part: &[u64]) -> u64 {
    let mut sums = [0_u64; LANES];
    for line in part.chunks_exact(LANES) {
        for (sum, word) in sums.iter_mut().zip(line) {
            *sum = sum.wrapping_add(*word);
        }
    }
    sums.iter().fold(0, |all, sum| all.wrapping_add(*sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_number_above_zero() {
        let bandwidth = memory_bandwidth(2);
        assert!(bandwidth.is_finite() && bandwidth > 0.0, "{bandwidth}");
    }
}
