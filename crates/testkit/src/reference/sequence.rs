//! Events in order, by trying every choice.

use super::people::Event;
use super::{Inquiry, ReferenceError};
use crowdset_query::{EventSelector, Window};

impl Inquiry<'_> {
    /// Whether there are different events, one per step, each at or after the one before, the last
    /// at most `within` milliseconds after the first, all in the window.
    pub(super) fn sequence(
        self,
        steps: &[EventSelector],
        within: Option<i64>,
        window: &Window,
    ) -> Result<bool, ReferenceError> {
        let range = self.window(window)?;
        let events: Vec<&Event> = self
            .person
            .events
            .iter()
            .filter(|event| range.contains(event.at))
            .collect();
        let mut fits = Vec::new();
        for step in steps {
            let fitting: Result<Vec<bool>, _> = events
                .iter()
                .map(|event| self.selects(step, event))
                .collect();
            fits.push(fitting?);
        }
        Ok(choose(&fits, &events, within, &mut Vec::new()))
    }
}

/// Tries every event for the next step after those chosen.
fn choose(
    fits: &[Vec<bool>],
    events: &[&Event],
    within: Option<i64>,
    chosen: &mut Vec<usize>,
) -> bool {
    let Some(fitting) = fits.get(chosen.len()) else {
        return true;
    };
    for (index, event) in events.iter().enumerate() {
        let is_in_order = chosen
            .last()
            .is_none_or(|last| event.at >= events[*last].at);
        let is_in_time = match (chosen.first(), within) {
            (Some(first), Some(within)) => event.at - events[*first].at <= within,
            _ => true,
        };
        if fitting[index] && is_in_order && is_in_time && !chosen.contains(&index) {
            chosen.push(index);
            if choose(fits, events, within, chosen) {
                return true;
            }
            chosen.pop();
        }
    }
    false
}
