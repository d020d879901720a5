//! Which steps of a sequence can be taken at one instant.
//!
//! Events with equal timestamps may be taken in any order, each for one step: whether a run of
//! steps can be taken is a question of matching steps to events.

/// Finds for each step how far one can get from it with the events of one instant.
#[derive(Default)]
pub(super) struct TieMatcher {
    /// The event that each step has taken.
    event_of: Vec<Option<usize>>,
    /// The step that each event was taken for.
    step_of: Vec<Option<usize>>,
    /// Events seen by the search at hand.
    seen: Vec<bool>,
}

impl TieMatcher {
    /// Writes to `reach[k]` the largest `j` for which steps `k..j` can be taken by different events.
    ///
    /// `fits(event, step)` says whether an event can be taken for a step. Costs at most two searches
    /// per step, each over steps times events.
    pub(super) fn reach(
        &mut self,
        events: usize,
        steps: usize,
        fits: &dyn Fn(usize, usize) -> bool,
        reach: &mut Vec<usize>,
    ) {
        self.event_of.clear();
        self.event_of.resize(steps, None);
        self.step_of.clear();
        self.step_of.resize(events, None);
        reach.clear();
        let mut end = 0;
        for start in 0..steps {
            // A run that can be taken can be taken without its first step as well.
            end = end.max(start);
            while end < steps && self.take(end, events, fits) {
                end += 1;
            }
            reach.push(end);
            if let Some(event) = self.event_of[start].take() {
                self.step_of[event] = None;
            }
        }
    }

    /// Finds an event for a step, moving earlier steps to other events where that helps.
    fn take(&mut self, step: usize, events: usize, fits: &dyn Fn(usize, usize) -> bool) -> bool {
        self.seen.clear();
        self.seen.resize(events, false);
        // Breadth first: steps that look for an event, and the event and step each came by.
        let mut queue = vec![step];
        let mut came_by: Vec<(usize, usize)> = Vec::new(); // (event, position in queue of who wants it)
        let mut next = 0;
        while next < queue.len() {
            let seeker = queue[next];
            for event in 0..events {
                if self.seen[event] || !fits(event, seeker) {
                    continue;
                }
                self.seen[event] = true;
                if let Some(other) = self.step_of[event] {
                    queue.push(other);
                    came_by.push((event, next));
                } else {
                    // Free: hand it over, and each event on the way to whoever wanted it.
                    let (mut event, mut position) = (event, next);
                    loop {
                        let seeker = queue[position];
                        self.event_of[seeker] = Some(event);
                        self.step_of[event] = Some(seeker);
                        if position == 0 {
                            return true;
                        }
                        (event, position) = came_by[position - 1];
                    }
                }
            }
            next += 1;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tries every choice.
    fn can_take(masks: &[u32], from: usize, to: usize, used: u32) -> bool {
        from == to
            || (0..masks.len()).any(|event| {
                used >> event & 1 == 0
                    && masks[event] >> from & 1 == 1
                    && can_take(masks, from + 1, to, used | 1 << event)
            })
    }

    #[test]
    fn reaches_as_far_as_trying_every_choice() {
        let mut seed = 3_u64;
        let mut matcher = TieMatcher::default();
        for _ in 0..3_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (events, steps) = ((seed >> 40) as usize % 5 + 1, (seed >> 50) as usize % 5 + 1);
            let masks: Vec<u32> = (0..events)
                .map(|event| (seed >> (5 * event + 7)) as u32 & 31)
                .collect();
            let mut reach = Vec::new();
            matcher.reach(
                events,
                steps,
                &|event, step| masks[event] >> step & 1 == 1,
                &mut reach,
            );
            for (start, &end) in reach.iter().enumerate() {
                assert!(can_take(&masks, start, end, 0), "{masks:?} {start} {end}");
                assert!(
                    end == steps || !can_take(&masks, start, end + 1, 0),
                    "{masks:?} {start} {end}"
                );
            }
        }
    }
}
