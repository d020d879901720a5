//! The whole data set: options in, three tables and a report out.

use std::fmt;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rayon::prelude::*;

use crate::calendar::{DAY_MS, date};
use crate::error::GenerateError;
use crate::events::{EventWriter, Schedule};
use crate::population::Population;
use crate::{properties, users};

/// End of the data, exclusive: 2026-10-01T00:00:00Z in milliseconds since 1970. Ask with this
/// instant as `as_of`.
pub const END_MS: i64 = 1_790_812_800_000;

/// The longest period: a century.
const DAYS_MAX: u32 = 36_525;

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Events made so far, on all threads together.
    pub events: u64,
    /// Events there will be.
    pub events_total: u64,
}

/// Hears of progress: called from any thread, about once per 8,192 events.
pub type ProgressFn = Arc<dyn Fn(Progress) + Send + Sync>;

/// What to make, and where.
#[derive(Clone)]
pub struct GenerateOptions {
    /// The folder that gets the tables. It is created if need be.
    pub dir: PathBuf,
    /// How many users; at least one.
    pub users: u32,
    /// How many events; may be none.
    pub events: u64,
    /// How many days, the last of which ends at [`END_MS`]; from 1 to 36,525.
    pub days: u32,
    /// Chooses one of 2^64 data sets. The other options being equal, equal seeds give equal bytes
    /// (where the platform's `ln`, `exp` and `cos` agree).
    pub seed: u64,
    /// Threads of a pool made for this run; `None` uses the rayon pool of the caller.
    pub threads: Option<NonZeroUsize>,
    /// Hears of progress.
    pub progress: Option<ProgressFn>,
}

impl GenerateOptions {
    /// 1,000 users, 20,000 events, 90 days, seed 42: some 2 MB, made in a blink.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            users: 1_000,
            events: 20_000,
            days: 90,
            seed: 42,
            threads: None,
            progress: None,
        }
    }
}

impl fmt::Debug for GenerateOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("GenerateOptions")
            .field("dir", &self.dir)
            .field("users", &self.users)
            .field("events", &self.events)
            .field("days", &self.days)
            .field("seed", &self.seed)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenerateReport {
    /// Rows of `users.parquet`.
    pub users: u64,
    /// Rows of all files of `events/`.
    pub events: u64,
    /// Rows of `user_properties.parquet`.
    pub user_properties: u64,
    /// Files written.
    pub files: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Time taken.
    pub elapsed: Duration,
}

/// Makes the three tables of a data set.
///
/// Users act by a lognormal law (sigma 1.5), never before they came; forty event names follow
/// Zipf's law with exponent 1.1, and so do pages, products and countries. Days are busier than
/// nights, weekdays than weekends. Every user has a row and every event a user: no orphans, no
/// duplicates.
///
/// # Cost
///
/// About 1.5 µs of one core per event, and 40 bytes of disk. Memory: 12 bytes per user plus
/// some tens of megabytes per thread, whatever the number of events.
///
/// # Errors
///
/// [`GenerateError::Exists`] if the folder holds one of the tables already, and
/// [`GenerateError::Option`] for options that make no sense: nothing was touched then. Any other
/// error comes from writing; what had been written of the tables is removed.
///
/// # Examples
///
/// ```
/// use crowdset_generate::{GenerateOptions, generate};
///
/// let dir = tempfile::tempdir()?;
/// let options = GenerateOptions { users: 100, events: 2_000, days: 7, ..GenerateOptions::new(dir.path()) };
/// let report = generate(&options)?;
/// assert_eq!((report.users, report.events), (100, 2_000));
/// assert!(dir.path().join("events/2026-09-30.parquet").exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn generate(options: &GenerateOptions) -> Result<GenerateReport, GenerateError> {
    check(options)?;
    let tables = Tables::new(&options.dir);
    tables.claim()?;
    let made = match options.threads {
        None => make(options, &tables),
        Some(threads) => rayon::ThreadPoolBuilder::new()
            .num_threads(threads.get())
            .thread_name(|index| format!("generate-{index}"))
            .build()
            .map_err(|source| GenerateError::Threads {
                threads: threads.get(),
                source,
            })
            .and_then(|pool| pool.install(|| make(options, &tables))),
    };
    if made.is_err() {
        tables.remove();
    }
    made
}

fn check(options: &GenerateOptions) -> Result<(), GenerateError> {
    if options.users == 0 {
        return Err(GenerateError::Option {
            option: "users",
            value: 0,
            allowed: "give at least 1, every event needs a user",
        });
    }
    if options.days == 0 || options.days > DAYS_MAX {
        return Err(GenerateError::Option {
            option: "days",
            value: options.days.into(),
            allowed: "give 1 to 36525 (a century)",
        });
    }
    Ok(())
}

/// Where the tables go.
struct Tables {
    users: PathBuf,
    events: PathBuf,
    user_properties: PathBuf,
}

impl Tables {
    fn new(dir: &Path) -> Self {
        Self {
            users: dir.join("users.parquet"),
            events: dir.join("events"),
            user_properties: dir.join("user_properties.parquet"),
        }
    }

    /// Makes the folders, if nothing is in the way.
    fn claim(&self) -> Result<(), GenerateError> {
        for path in [&self.users, &self.events, &self.user_properties] {
            if path.exists() {
                return Err(GenerateError::Exists { path: path.clone() });
            }
        }
        fs::create_dir_all(&self.events).map_err(|source| GenerateError::Write {
            path: self.events.clone(),
            source,
        })
    }

    /// Takes back what was claimed. A file that can't be removed is left: the error that led here
    /// says more than a second one would.
    fn remove(&self) {
        for path in [&self.users, &self.user_properties] {
            let _ = fs::remove_file(path);
            let _ = fs::remove_file(path.with_extension("parquet.partial"));
        }
        let _ = fs::remove_dir_all(&self.events);
    }
}

/// A file to write. Files are independent, so the order in which they are made does not matter.
enum Job {
    Users,
    UserProperties,
    Day(u32),
}

fn make(options: &GenerateOptions, tables: &Tables) -> Result<GenerateReport, GenerateError> {
    let started = Instant::now();
    let start_ms = END_MS - i64::from(options.days) * DAY_MS;
    let population = Population::new(options.seed, options.users, start_ms, END_MS);
    let schedule = Schedule::new(options.events, start_ms, options.days);
    let writer = EventWriter::new(options.seed, &population, &schedule);

    let made = AtomicU64::new(0);
    let advance = |events: u64| {
        let events = made.fetch_add(events, Ordering::Relaxed) + events;
        if let Some(progress) = &options.progress {
            progress(Progress {
                events,
                events_total: options.events,
            });
        }
    };

    // The properties are the longest file, so they start first.
    let jobs: Vec<Job> = [Job::UserProperties, Job::Users]
        .into_iter()
        .chain((0..options.days).map(Job::Day))
        .collect();
    let written: Vec<(u64, u64)> = jobs
        .par_iter()
        .with_max_len(1)
        .map(|job| match job {
            Job::Users => users::write(&tables.users, options.seed, &population),
            Job::UserProperties => {
                properties::write(&tables.user_properties, options.seed, &population)
            }
            Job::Day(day) => {
                let name = date(start_ms.div_euclid(DAY_MS) + i64::from(*day));
                let path = tables.events.join(format!("{name}.parquet"));
                writer.write_day(&path, *day, &advance)
            }
        })
        .collect::<Result<_, _>>()?;

    Ok(GenerateReport {
        user_properties: written[0].0,
        users: written[1].0,
        events: written[2..].iter().map(|(rows, _)| rows).sum(),
        files: written.len() as u64,
        bytes: written.iter().map(|(_, bytes)| bytes).sum(),
        elapsed: started.elapsed(),
    })
}
