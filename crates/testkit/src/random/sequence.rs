//! Random sequences, lifecycles and measures of periods.

use super::segment::{Maker, ZONES};
use super::world::LENGTHS;
use crowdset_query::{
    EventWindow, ExprKind, Hop, HopTime, Lifecycle, Measure, PeriodUnit, Sequence, SequenceStep,
    Window,
};
use crowdset_types::DurationMillis;

impl Maker<'_> {
    pub(super) fn sequence(&mut self) -> Sequence {
        let count = *self.rng.pick(&[1, 2, 2, 3, 3, 4]);
        // One in three is plain.
        let is_plain = self.rng.chance(33);
        let steps = (0..count).map(|number| SequenceStep {
            events: self.selector(),
            hop: if number == 0 || is_plain {
                Hop::default()
            } else {
                self.hop()
            },
        });
        let steps = steps.collect();
        let same = if is_plain || self.rng.chance(70) {
            0
        } else {
            self.rng.between(1, 2)
        };
        Sequence {
            steps,
            within: self.rng.chance(50).then(|| self.length()),
            window: self.window(1),
            same: (0..same).map(|_| self.path().0).collect(),
            strictly: !is_plain && self.rng.chance(20),
        }
    }

    fn hop(&mut self) -> Hop {
        let time = match self.rng.below(8) {
            0 | 1 => HopTime::Within(self.length()),
            2 => HopTime::After(self.length()),
            3 => {
                let mut lengths = [self.length(), self.length()];
                if self.rng.chance(90) {
                    lengths.sort_unstable();
                }
                HopTime::Between(lengths[0], lengths[1])
            }
            _ => HopTime::Any,
        };
        let without = if self.rng.chance(70) {
            0
        } else {
            self.rng.between(1, 2)
        };
        Hop {
            time,
            without: (0..without).map(|_| self.selector()).collect(),
            directly: self.rng.chance(25),
        }
    }

    pub(super) fn lifecycle(&mut self) -> ExprKind {
        let events = self.selector();
        let (first, second) = (self.length(), self.length());
        let change = if self.rng.chance(50) {
            // Mostly such that it can be true of somebody.
            let is_sorted = self.rng.chance(90);
            Lifecycle::Stopped {
                quiet: if is_sorted { first.min(second) } else { first },
                since: if is_sorted { first.max(second) } else { second },
            }
        } else {
            Lifecycle::Restarted {
                recent: first,
                gap: second,
            }
        };
        ExprKind::Lifecycle { events, change }
    }

    pub(super) fn period_measure(&mut self, of: EventWindow) -> Measure {
        if self.rng.chance(40) {
            return Measure::Periods {
                length: DurationMillis(*self.rng.pick(&LENGTHS)),
                each: *self.rng.pick(&[1, 1, 2, 2, 3]),
                of,
            };
        }
        let unit = *self
            .rng
            .pick(&[PeriodUnit::Day, PeriodUnit::Week, PeriodUnit::Month]);
        let zone = self
            .rng
            .chance(50)
            .then(|| (*self.rng.pick(&ZONES)).to_owned());
        // A window of the calendar has the zone of its own.
        let zone = zone.filter(|_| !matches!(of.window, Window::Calendar { .. }));
        Measure::Calendar { unit, zone, of }
    }
}
