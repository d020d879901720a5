//! What the caller may do with an evaluation while it runs: watch it and stop it.

use crate::EvalError;
use rayon::ThreadPool;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Called with (chunks done, chunks in all), from whichever thread finished one.
pub type ProgressFn = dyn Fn(usize, usize) + Send + Sync;

/// A flag to stop an evaluation, a callback to follow it, and the threads it may use. The default has
/// neither of the first two, and uses the rayon pool that it is called in.
///
/// Both are looked at once per chunk of users, so an evaluation stops within about a millisecond. A
/// segment that ranks users passes over all chunks once for each ranking before the last pass, and
/// each pass counts from the start.
///
/// # Examples
///
/// ```
/// # use crowdset_executor::Control;
/// let control = Control::default();
/// let handle = control.clone();
/// handle.cancel();
/// assert!(control.is_cancelled());
/// ```
#[derive(Clone, Default)]
pub struct Control {
    cancelled: Arc<AtomicBool>,
    progress: Option<Arc<ProgressFn>>,
    pool: Option<Arc<ThreadPool>>,
}

impl Control {
    /// A control that reports each finished chunk of users.
    pub fn with_progress(progress: impl Fn(usize, usize) + Send + Sync + 'static) -> Self {
        Self {
            progress: Some(Arc::new(progress)),
            ..Self::default()
        }
    }

    /// The same control, for evaluations on as many threads as a pool has: the caller's, which begins at
    /// once, and all but one of the pool's where the work is worth a hand-over.
    #[must_use]
    pub fn on_pool(&self, pool: &Arc<ThreadPool>) -> Self {
        Self {
            pool: Some(Arc::clone(pool)),
            ..self.clone()
        }
    }

    /// Asks every evaluation under this control, or a clone of it, to stop. They end with
    /// [`EvalError::Cancelled`].
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether [`Control::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    pub(crate) fn pool(&self) -> Option<&ThreadPool> {
        self.pool.as_deref()
    }

    pub(crate) fn check(&self) -> Result<(), EvalError> {
        if self.is_cancelled() {
            Err(EvalError::Cancelled)
        } else {
            Ok(())
        }
    }

    pub(crate) fn meter(&self, total: usize) -> Meter<'_> {
        Meter {
            control: self,
            done: AtomicUsize::new(0),
            total,
        }
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control")
            .field("cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

/// Counts the chunks of one evaluation.
pub(crate) struct Meter<'a> {
    control: &'a Control,
    done: AtomicUsize,
    total: usize,
}

impl Meter<'_> {
    /// To be called before each chunk.
    pub(crate) fn check(&self) -> Result<(), EvalError> {
        self.control.check()
    }

    /// To be called after each chunk.
    pub(crate) fn step(&self) {
        if let Some(progress) = &self.control.progress {
            progress(self.done.fetch_add(1, Ordering::Relaxed) + 1, self.total);
        }
    }
}
