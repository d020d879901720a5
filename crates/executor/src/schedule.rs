//! Runs of chunks on the threads at hand: those of the control's pool, or of rayon's current one.

use crate::control::Control;
use crate::kernel::Machine;
use crate::profile::Tally;
use crate::scratch::{Scratch, Workers};
use crate::{EvalError, ExecOptions};
use crowdset_types::ChunkId;
use std::hint::spin_loop;
use std::ops::Range;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Work below this stays on the caller's thread: a hand-over costs up to 30 µs.
const PARALLEL_NANOS: u64 = 100_000;

/// What is left is cut into so many runs per thread.
const RUNS_PER_THREAD: usize = 4;

/// Some ten microseconds.
const SPINS: usize = 1_000;

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
        lock(&self.idle)
    }

    /// Calls `f` for each chunk and returns the answers in order of chunks. The answers do not
    /// depend on how many threads there are.
    ///
    /// The caller's thread works as well, and begins at once: waking another takes longer than many
    /// an answer.
    pub(crate) fn run<R: Send>(
        &self,
        work: Work,
        control: &Control,
        f: impl Fn(ChunkId, &mut Scratch) -> Result<R, EvalError> + Sync,
    ) -> Result<Vec<R>, EvalError> {
        let meter = control.meter(work.chunks);
        let each = |chunk: usize, scratch: &mut Scratch| -> Result<(usize, R), EvalError> {
            meter.check()?;
            let answer = f(ChunkId(chunk as u32), scratch)?;
            meter.step();
            Ok((chunk, answer))
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
        let threads = threads.min(work.chunks).max(1);
        let rest = Rest::new(work.chunks, threads);
        let work_off = || -> Result<Vec<(usize, R)>, EvalError> {
            let mut answers = Vec::new();
            let Some(mut chunks) = rest.take() else {
                return Ok(answers);
            };
            answers.reserve(work.chunks.div_ceil(threads));
            let idle = self.idle().pop();
            let mut scratch = idle.unwrap_or_else(|| self.workers.take());
            loop {
                for chunk in chunks {
                    let answer = each(chunk, &mut scratch);
                    answers.push(answer.inspect_err(|_| rest.drop_all())?);
                }
                match rest.take() {
                    Some(more) => chunks = more,
                    None => break,
                }
            }
            self.idle().push(scratch);
            Ok(answers)
        };
        if threads == 1 {
            let answers = work_off()?;
            return Ok(answers.into_iter().map(|(_, answer)| answer).collect());
        }
        let of_helpers = Mutex::new(Vec::with_capacity(threads));
        let working = AtomicUsize::new(0);
        let help = || {
            working.fetch_add(1, Relaxed);
            let answers = work_off();
            lock(&of_helpers).push(answers);
            working.fetch_sub(1, Release);
        };
        let lead = || {
            let own = work_off();
            // A helper is about to be done: sleeping until then takes longer.
            for _ in 0..SPINS {
                if working.load(Acquire) == 0 {
                    break;
                }
                spin_loop();
            }
            own
        };
        let own = match pool {
            Some(pool) => pool.in_place_scope(|scope| {
                spawn(scope, threads - 1, &help);
                lead()
            }),
            None => rayon::in_place_scope(|scope| {
                spawn(scope, threads - 1, &help);
                lead()
            }),
        };
        let mut answers = own?;
        for more in lock(&of_helpers).drain(..) {
            answers.extend(more?);
        }
        answers.sort_unstable_by_key(|(chunk, _)| *chunk);
        Ok(answers.into_iter().map(|(_, answer)| answer).collect())
    }
}

fn spawn<'s>(scope: &rayon::Scope<'s>, helpers: usize, help: &'s (impl Fn() + Sync)) {
    for _ in 0..helpers {
        scope.spawn(move |_| help());
    }
}

/// Lists are whole whenever a panic can come, and memory of workers is as good with any content.
fn lock<T>(list: &Mutex<T>) -> MutexGuard<'_, T> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The chunks that nobody works at yet.
struct Rest {
    first: AtomicUsize,
    end: usize,
    threads: usize,
}

impl Rest {
    fn new(chunks: usize, threads: usize) -> Self {
        Self {
            first: AtomicUsize::new(0),
            end: chunks,
            threads,
        }
    }

    /// The next run of chunks: a part of what is left, so that runs are long and all threads are done
    /// at about the same time.
    fn take(&self) -> Option<Range<usize>> {
        let taken = self.first.fetch_update(Relaxed, Relaxed, |first| {
            (first < self.end).then(|| self.run_from(first).end)
        });
        taken.ok().map(|first| self.run_from(first))
    }

    fn run_from(&self, first: usize) -> Range<usize> {
        let left = self.end - first;
        first..first + (left / (self.threads * RUNS_PER_THREAD)).max(1)
    }

    /// Leaves nothing for others.
    fn drop_all(&self) {
        self.first.store(self.end, Relaxed);
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
            seen.fetch_max(done, Relaxed);
        });
        answers(ExecOptions::default(), 50, &control).unwrap();
        assert_eq!(last.load(Relaxed), 50);
        control.cancel();
        let stopped = answers(ExecOptions::default(), 50, &control);
        assert!(matches!(stopped, Err(EvalError::Cancelled)));
    }
}
