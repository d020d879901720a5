//! Runs of chunks on the threads at hand: those of the control's pool, or of rayon's current one.

use crate::control::Control;
use crate::kernel::Machine;
use crate::profile::Tally;
use crate::scratch::{Scratch, Workers};
use crate::{EvalError, ExecOptions};
use crowdset_types::ChunkId;
use rayon::prelude::*;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Work below this stays on the caller's thread: a hand-over costs up to 30 µs.
const PARALLEL_NANOS: u64 = 100_000;

/// Tasks per thread: enough that a slow one does not keep the others waiting for long.
const TASKS_PER_THREAD: usize = 8;

/// How much there is to do, to decide whether threads are worth it.
#[derive(Clone, Copy)]
pub(crate) struct Work {
    pub(crate) chunks: usize,
    pub(crate) rows: u64,
    pub(crate) conditions: u64,
}

impl Work {
    /// A third of a nanosecond a row, a microsecond a chunk and condition.
    fn nanos(self) -> u64 {
        self.rows / 3 + self.chunks as u64 * self.conditions * 1_000
    }
}

/// What one evaluation runs on.
pub(crate) struct Schedule {
    machine: Machine,
    is_parallel: bool,
    /// Memory of workers that are between two tasks.
    idle: Mutex<Vec<Scratch>>,
    /// Where it comes from, and goes to in the end.
    workers: Workers,
}

impl Schedule {
    pub(crate) fn new(options: ExecOptions, workers: &Workers) -> Self {
        Self {
            machine: Machine::new(options.kernels),
            is_parallel: options.parallel,
            idle: Mutex::default(),
            workers: workers.clone(),
        }
    }

    pub(crate) fn machine(&self) -> Machine {
        self.machine
    }

    /// Adds what all workers tallied, once they are done; also returns how many there were.
    pub(crate) fn add_tallies(&self, totals: &mut [Tally]) -> usize {
        let idle = self.idle();
        for scratch in &*idle {
            for (total, tally) in totals.iter_mut().zip(&scratch.tallies) {
                total.add(tally);
            }
        }
        idle.len()
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Scratch>> {
        // What a panic left there is as good as any: memory with arbitrary content.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `f` for each chunk and returns the answers in order of chunks. The answers do not
    /// depend on how many threads there are.
    pub(crate) fn run<R: Send>(
        &self,
        work: Work,
        control: &Control,
        f: impl Fn(ChunkId, &mut Scratch) -> Result<R, EvalError> + Sync,
    ) -> Result<Vec<R>, EvalError> {
        let meter = control.meter(work.chunks);
        let run = |chunks: std::ops::Range<usize>| -> Result<Vec<R>, EvalError> {
            let idle = self.idle().pop();
            let mut scratch = idle.unwrap_or_else(|| self.workers.take());
            let mut answers = Vec::with_capacity(chunks.len());
            for chunk in chunks {
                meter.check()?;
                answers.push(f(ChunkId(chunk as u32), &mut scratch)?);
                meter.step();
            }
            self.idle().push(scratch);
            Ok(answers)
        };
        let pool = control.pool();
        let threads = if self.is_parallel && work.nanos() >= PARALLEL_NANOS {
            pool.map_or_else(
                rayon::current_num_threads,
                rayon::ThreadPool::current_num_threads,
            )
        } else {
            1
        };
        if threads <= 1 || work.chunks <= 1 {
            return run(0..work.chunks);
        }
        let per_task = work.chunks.div_ceil(threads * TASKS_PER_THREAD).max(1);
        let tasks = work.chunks.div_ceil(per_task);
        let spread = || -> Result<Vec<Vec<R>>, EvalError> {
            (0..tasks)
                .into_par_iter()
                .with_max_len(1)
                .map(|task| run(task * per_task..work.chunks.min((task + 1) * per_task)))
                .collect()
        };
        let answers = match pool {
            Some(pool) => pool.install(spread)?,
            None => spread()?,
        };
        Ok(answers.into_iter().flatten().collect())
    }
}

impl Drop for Schedule {
    fn drop(&mut self) {
        self.workers.give(std::mem::take(&mut *self.idle()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn answers(
        options: ExecOptions,
        chunks: usize,
        control: &Control,
    ) -> Result<Vec<u32>, EvalError> {
        // Enough rows to be worth any number of threads.
        let work = Work {
            chunks,
            rows: 1 << 40,
            conditions: 1,
        };
        let schedule = Schedule::new(options, &Workers::default());
        schedule.run(work, control, |chunk, scratch| {
            // Memory of an earlier chunk must not show.
            let mut counts = scratch.u32s.take();
            counts.fill(chunk.0);
            let answer = counts[7] * 3;
            scratch.u32s.give(counts);
            Ok(answer)
        })
    }

    #[test]
    fn answers_come_in_order_from_any_number_of_threads() {
        let expected = |chunks: usize| {
            (0..chunks as u32)
                .map(|chunk| chunk * 3)
                .collect::<Vec<_>>()
        };
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let pool = std::sync::Arc::new(pool.unwrap());
            for chunks in [0, 1, 2, 39, 41, 200] {
                for parallel in [true, false] {
                    let options = ExecOptions {
                        parallel,
                        ..ExecOptions::default()
                    };
                    let inside = pool.install(|| answers(options, chunks, &Control::default()));
                    let handed = answers(options, chunks, &Control::default().on_pool(&pool));
                    for found in [inside, handed] {
                        assert_eq!(
                            found.unwrap(),
                            expected(chunks),
                            "{threads} threads, {chunks} chunks"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn can_be_followed_and_stopped() {
        let last = std::sync::Arc::new(AtomicUsize::new(0));
        let seen = last.clone();
        let control = Control::with_progress(move |done, all| {
            assert_eq!(all, 50);
            seen.fetch_max(done, Ordering::Relaxed);
        });
        answers(ExecOptions::default(), 50, &control).unwrap();
        assert_eq!(last.load(Ordering::Relaxed), 50);
        control.cancel();
        let stopped = answers(ExecOptions::default(), 50, &control);
        assert!(matches!(stopped, Err(EvalError::Cancelled)));
    }
}
