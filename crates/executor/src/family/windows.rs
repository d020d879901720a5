//! In which order the windows of a family are counted, so that few rows are read.

use crowdset_types::{TimeRange, TimestampMillis};

/// A window joins one of so many chains, the latest ones: thousands of windows are put into order
/// in no more than milliseconds.
const CHAINS_MAX: usize = 256;

const NONE: TimeRange = TimeRange {
    from: TimestampMillis(0),
    to: TimestampMillis(0),
};

/// From one window to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// What was counted is forgotten first.
    pub(super) is_fresh: bool,
    /// Rows that are now inside, the earlier ones first; may be empty.
    pub(super) enter: [TimeRange; 2],
    /// Rows that are no longer inside; none in a nested walk.
    pub(super) leave: [TimeRange; 2],
    /// Position of the window that is reached.
    pub(super) window: usize,
}

impl Step {
    /// Milliseconds of rows that are read.
    fn length(&self) -> u64 {
        self.enter
            .iter()
            .chain(&self.leave)
            .copied()
            .map(length)
            .fold(0, u64::saturating_add)
    }

    fn fresh(windows: &[TimeRange], window: usize) -> Self {
        Self {
            is_fresh: true,
            enter: [windows[window], NONE],
            leave: [NONE; 2],
            window,
        }
    }
}

/// All windows, each reached once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Walk {
    pub(super) steps: Vec<Step>,
}

impl Walk {
    /// Milliseconds of rows that are read, over all steps.
    pub(super) fn length(&self) -> u64 {
        self.steps
            .iter()
            .map(Step::length)
            .fold(0, u64::saturating_add)
    }

    /// Windows that only grow: chains in which each holds the one before, so that nothing is ever
    /// taken back. With `same_end`, all windows of a chain end together.
    pub(super) fn nested(windows: &[TimeRange], same_end: bool) -> Self {
        let mut order: Vec<usize> = (0..windows.len()).collect();
        // Shorter ones first; what is equally long starts the later chain.
        order.sort_by_key(|&window| (length(windows[window]), windows[window].to, window));
        let mut chains: Vec<Vec<usize>> = Vec::new();
        for window in order {
            let to = windows[window];
            let first = chains.len().saturating_sub(CHAINS_MAX);
            let held = chains[first..].iter_mut().filter(|chain| {
                chain.last().is_some_and(|&last| {
                    let last = windows[last];
                    to.covers(last) && !last.is_empty() && (!same_end || last.to == to.to)
                })
            });
            // The longest leaves the least to be read.
            let best = held.max_by_key(|chain| chain.last().map(|&last| length(windows[last])));
            match best {
                Some(chain) => chain.push(window),
                None => chains.push(vec![window]),
            }
        }
        let steps = chains.iter().flat_map(|chain| {
            chain.iter().enumerate().map(|(place, &window)| {
                if place == 0 {
                    Step::fresh(windows, window)
                } else {
                    between(windows, chain[place - 1], window)
                }
            })
        });
        Self {
            steps: steps.collect(),
        }
    }

    /// Windows in order of time: from one to the next rows enter and leave, unless a fresh start
    /// reads fewer.
    pub(super) fn sliding(windows: &[TimeRange]) -> Self {
        let mut order: Vec<usize> = (0..windows.len()).collect();
        order.sort_by_key(|&window| (windows[window].to, windows[window].from));
        let mut steps: Vec<Step> = Vec::with_capacity(order.len());
        for window in order {
            let fresh = Step::fresh(windows, window);
            let step = match steps.last() {
                Some(last)
                    if !windows[last.window]
                        .intersection(windows[window])
                        .is_empty() =>
                {
                    let moved = between(windows, last.window, window);
                    if moved.length() < fresh.length() {
                        moved
                    } else {
                        fresh
                    }
                }
                _ => fresh,
            };
            steps.push(step);
        }
        Self { steps }
    }
}

/// The step between two windows that overlap.
fn between(windows: &[TimeRange], last: usize, window: usize) -> Step {
    let (old, new) = (windows[last], windows[window]);
    let part = |from: TimestampMillis, to: TimestampMillis| {
        if from < to {
            TimeRange::new(from, to)
        } else {
            NONE
        }
    };
    Step {
        is_fresh: false,
        enter: [part(new.from, old.from), part(old.to, new.to)],
        leave: [part(old.from, new.from), part(new.to, old.to)],
        window,
    }
}

fn length(range: TimeRange) -> u64 {
    if range.is_empty() {
        0
    } else {
        range.to.0.wrapping_sub(range.from.0) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn range(from: i64, to: i64) -> TimeRange {
        TimeRange::new(TimestampMillis(from), TimestampMillis(to))
    }

    /// Follows a walk instant by instant.
    fn check(walk: &Walk, windows: &[TimeRange]) {
        let instants = |range: TimeRange| range.from.0..range.to.0.max(range.from.0);
        let mut inside = BTreeSet::new();
        let mut reached = BTreeSet::new();
        for step in &walk.steps {
            if step.is_fresh {
                inside.clear();
            }
            for instant in step.enter.iter().copied().flat_map(instants) {
                assert!(inside.insert(instant), "{instant} enters twice");
            }
            for instant in step.leave.iter().copied().flat_map(instants) {
                assert!(inside.remove(&instant), "{instant} was not inside");
            }
            let expected: BTreeSet<i64> = instants(windows[step.window]).collect();
            assert_eq!(inside, expected, "{step:?}");
            assert!(reached.insert(step.window));
        }
        assert_eq!(reached.len(), windows.len());
    }

    #[test]
    fn every_window_is_reached() {
        let mut seed = 7_u64;
        let mut below = |bound: i64| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as i64 % bound
        };
        for _ in 0..300 {
            let windows: Vec<TimeRange> = (0..below(9))
                .map(|_| {
                    let from = below(20);
                    range(from, from + below(12))
                })
                .collect();
            for same_end in [false, true] {
                let walk = Walk::nested(&windows, same_end);
                check(&walk, &windows);
                let leave = walk.steps.iter().flat_map(|step| step.leave);
                assert!(leave.map(length).all(|left| left == 0));
                if same_end {
                    assert!(
                        walk.steps
                            .iter()
                            .all(|step| step.is_fresh || step.enter[1].is_empty())
                    );
                }
            }
            check(&Walk::sliding(&windows), &windows);
        }
    }

    #[test]
    fn windows_that_end_together_are_read_once() {
        let windows = [range(10, 100), range(70, 100), range(40, 100)];
        assert_eq!(Walk::nested(&windows, true).length(), 90);
        // One end, then the other: each row once again.
        let windows = [range(0, 30), range(10, 20), range(15, 18)];
        assert_eq!(Walk::nested(&windows, false).length(), 30);
    }

    #[test]
    fn windows_that_move_read_what_comes_and_goes() {
        let windows: Vec<TimeRange> = (0..30).map(|day| range(day, day + 7)).collect();
        assert_eq!(Walk::sliding(&windows).length(), 7 + 29 * 2);
        assert_eq!(Walk::nested(&windows, false).length(), 30 * 7);
        // Far apart: a fresh start each.
        let windows = [range(0, 10), range(8, 18), range(100, 110)];
        assert!(
            Walk::sliding(&windows)
                .steps
                .iter()
                .all(|step| step.is_fresh)
        );
    }
}
