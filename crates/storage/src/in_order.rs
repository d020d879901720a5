//! Parallel work whose results are taken in order.
//!
//! No thread waits for others at the end of a wave: each takes the next number, works, and whoever
//! finds that the front is complete hands it over, while the others go on.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Does `work` for all inputs on rayon's current pool and hands the results to `take`, one at a time and
/// in the order of the inputs, so that nothing depends on threads.
///
/// Inputs are begun in order too, and at most `ahead` for each thread are begun and not yet taken;
/// results wait in memory. Unless `ahead` is unlimited (`usize::MAX`), neither `work` nor `take` may
/// wait for other work of the pool.
///
/// # Errors
///
/// The first of `take`, after which it is not called any more.
///
/// # Examples
///
/// ```
/// let mut text = String::new();
/// crowdset_storage::in_order(4, 0..5, |number: u32| number.to_string(), |digit| {
///     text.push_str(&digit);
///     Ok::<(), ()>(())
/// })?;
/// assert_eq!(text, "01234");
/// # Ok::<(), ()>(())
/// ```
pub fn in_order<I, T: Send, E: Send>(
    ahead: usize,
    inputs: impl ExactSizeIterator<Item = I> + Send,
    work: impl Fn(I) -> T + Sync,
    take: impl FnMut(T) -> Result<(), E> + Send,
) -> Result<(), E> {
    let threads = rayon::current_num_threads().min(inputs.len()).max(1);
    let queue = Queue {
        state: Mutex::new(State {
            inputs,
            waiting: BTreeMap::new(),
            begun: 0,
            taken: 0,
            is_being_taken: false,
            is_over: false,
        }),
        has_moved: Condvar::new(),
        ahead: ahead.saturating_mul(threads),
    };
    let taker = Mutex::new((take, Ok(())));
    rayon::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|_| {
                let _end = EndOnPanic(&queue);
                while let Some((number, input)) = queue.begin() {
                    let result = work(input);
                    let mut ready = queue.put(number, result);
                    while let Some(result) = ready {
                        // No one else comes here before `taken`.
                        let mut taker = taker.lock().unwrap_or_else(PoisonError::into_inner);
                        let taken = (taker.0)(result);
                        let is_over = taken.is_err();
                        if is_over {
                            taker.1 = taken;
                        }
                        drop(taker);
                        ready = queue.taken(is_over);
                    }
                }
            });
        }
    });
    taker.into_inner().unwrap_or_else(PoisonError::into_inner).1
}

struct Queue<N, T> {
    state: Mutex<State<N, T>>,
    has_moved: Condvar,
    ahead: usize,
}

struct State<N, T> {
    inputs: N,
    waiting: BTreeMap<usize, T>,
    /// How many inputs were begun.
    begun: usize,
    /// How many results were taken, which is the number of the next one.
    taken: usize,
    is_being_taken: bool,
    is_over: bool,
}

impl<N: Iterator, T> Queue<N, T> {
    fn state(&self) -> MutexGuard<'_, State<N, T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next input and its number, when it is not too far ahead; none at the end.
    fn begin(&self) -> Option<(usize, N::Item)> {
        let mut state = self.state();
        while !state.is_over && state.begun - state.taken >= self.ahead {
            state = self
                .has_moved
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if state.is_over {
            return None;
        }
        let input = state.inputs.next()?;
        state.begun += 1;
        Some((state.begun - 1, input))
    }

    /// Adds a result; gives the front one if it is there and nobody is at it.
    fn put(&self, number: usize, result: T) -> Option<T> {
        let mut state = self.state();
        state.waiting.insert(number, result);
        if state.is_being_taken {
            return None;
        }
        state.front()
    }

    /// Notes that the front was taken; gives the next one if it is there.
    fn taken(&self, is_over: bool) -> Option<T> {
        let mut state = self.state();
        state.taken += 1;
        state.is_over |= is_over;
        self.has_moved.notify_all();
        state.front()
    }
}

impl<N, T> State<N, T> {
    fn front(&mut self) -> Option<T> {
        let front = if self.is_over {
            None
        } else {
            self.waiting.remove(&self.taken)
        };
        self.is_being_taken = front.is_some();
        front
    }
}

/// Lets the other threads end when this one panics, rather than wait for its result for ever.
struct EndOnPanic<'a, N: Iterator, T>(&'a Queue<N, T>);

impl<N: Iterator, T> Drop for EndOnPanic<'_, N, T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.state().is_over = true;
            self.0.has_moved.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    const AHEAD: usize = 4;

    fn pool() -> rayon::ThreadPool {
        rayon::ThreadPoolBuilder::new()
            .num_threads(4)
            .build()
            .unwrap()
    }

    #[test]
    fn results_come_in_order_and_few_wait() {
        let pool = pool();
        for count in [0, 1, 3, 1_000] {
            let begun = AtomicUsize::new(0);
            let mut taken = Vec::new();
            let mut most = 0;
            let work = |number: usize| {
                begun.fetch_add(1, Ordering::SeqCst);
                // Late ones are quick.
                std::thread::sleep(Duration::from_micros(200 - (number % 7) as u64 * 25));
                number
            };
            let take = |number| {
                most = most.max(begun.load(Ordering::SeqCst) - taken.len());
                taken.push(number);
                Ok::<(), ()>(())
            };
            pool.install(|| in_order(AHEAD, 0..count, work, take))
                .unwrap();
            assert_eq!(taken, (0..count).collect::<Vec<_>>());
            assert!(most <= 4 * AHEAD, "{most}");
        }
    }

    #[test]
    fn a_slow_first_one_holds_the_others_up() {
        let pool = pool();
        let begun = AtomicUsize::new(0);
        let work = |number: usize| {
            begun.fetch_add(1, Ordering::SeqCst);
            // The others get as far as they may, and here it is seen how far that is.
            while number == 0 && begun.load(Ordering::SeqCst) < 4 * AHEAD {
                std::thread::yield_now();
            }
            if number == 0 {
                std::thread::sleep(Duration::from_millis(20));
                assert_eq!(begun.load(Ordering::SeqCst), 4 * AHEAD);
            }
        };
        pool.install(|| in_order(AHEAD, 0..1_000, work, |()| Ok::<(), ()>(())))
            .unwrap();
        assert_eq!(begun.into_inner(), 1_000);
    }

    #[test]
    fn the_first_error_ends_it() {
        let pool = pool();
        for _ in 0..50 {
            let mut taken = Vec::new();
            let begun = AtomicUsize::new(0);
            let outcome = pool.install(|| {
                in_order(
                    AHEAD,
                    0..100_000,
                    |number| {
                        begun.fetch_add(1, Ordering::SeqCst);
                        number
                    },
                    |number| {
                        taken.push(number);
                        if number >= 20 { Err(number) } else { Ok(()) }
                    },
                )
            });
            assert_eq!(outcome, Err(20));
            assert_eq!(taken, (0..=20).collect::<Vec<_>>());
            assert!(begun.into_inner() <= 20 + 4 * AHEAD);
        }
    }

    #[test]
    fn a_panic_ends_it_too() {
        let pool = pool();
        let work = |number: usize| assert!(number != 30, "on purpose");
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            pool.install(|| in_order(AHEAD, 0..1_000, work, |()| Ok::<(), ()>(())))
        }));
        assert!(outcome.is_err());
    }
}
