//! Windows of the calendar, and what attributes were.

use super::segment::{Kind, Maker, ZONES, reference};
use super::world::{DAY, HOUR};
use crowdset_query::{AttributeTable, CalendarUnit, CivilTime, ExprKind, Literal, Period, Window};

impl Maker<'_> {
    pub(super) fn calendar(&mut self) -> Window {
        let zone = self
            .rng
            .chance(60)
            .then(|| (*self.rng.pick(&ZONES)).to_owned());
        let period = match self.rng.below(if zone.is_some() { 12 } else { 9 }) {
            0 => Period::Today,
            1 => Period::Yesterday,
            // A day is `today`.
            2 | 3 => Period::This(*self.rng.pick(&CalendarUnit::ALL[1..])),
            4..=6 => {
                let count = *self.rng.pick(&[0, 1, 1, 2, 3]);
                Period::Last(count, *self.rng.pick(&CalendarUnit::ALL))
            }
            7 | 8 => Period::On(CivilTime(self.at().div_euclid(DAY) * DAY)),
            // What clocks show is written with a zone only.
            9 => {
                let mut times = [self.shown(), self.shown()];
                times.sort_unstable();
                Period::Between(times[0], times[1])
            }
            10 => Period::Since(self.shown()),
            _ => Period::Before(self.shown()),
        };
        Window::Calendar { period, zone }
    }

    /// What clocks near an instant may show; between one and four, when they are put on or back.
    fn shown(&mut self) -> CivilTime {
        let at = self.at();
        CivilTime(match self.rng.below(3) {
            0 => at,
            1 => at.div_euclid(DAY) * DAY,
            _ => at.div_euclid(DAY) * DAY + *self.rng.pick(&[2, 3, 5]) * HOUR / 2,
        })
    }

    /// `had`, `held` or `changed`, mostly of a property, which has a history.
    pub(super) fn history(&mut self) -> ExprKind {
        let (mut operand, mut kind) = self.attribute_operand();
        if self.rng.chance(70) {
            let (name, of_property) = *self.rng.pick(&[
                ("industry", Kind::Text),
                ("industry", Kind::Text),
                ("size", Kind::Number),
                ("renewed_at", Kind::Any),
            ]);
            operand.attribute = reference(Some(AttributeTable::Property), name);
            if operand.cast.is_none() {
                kind = of_property;
            }
        }
        match self.rng.below(5) {
            0 | 1 => ExprKind::Had {
                operand,
                test: self.test(kind),
                window: self.window(1),
            },
            2 => {
                let mut length = self.length();
                length.0 = length.0.max(1);
                ExprKind::Held {
                    operand,
                    test: self.test(kind),
                    length,
                }
            }
            _ => ExprKind::Changed {
                from: self.value(kind),
                to: self.value(kind),
                window: self.window(1),
                attribute: operand.attribute,
            },
        }
    }

    fn value(&mut self, kind: Kind) -> Option<Literal> {
        let is_named = self.rng.chance(30);
        is_named.then(|| match self.rng.below(3) {
            0 => self.literal(kind),
            _ => Literal::Text((*self.rng.pick(&["SaaS", "Retail", "5", "100"])).to_owned()),
        })
    }
}
