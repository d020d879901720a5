//! Windows: which instants lie inside, for one user.

use super::{Inquiry, ReferenceError};
use crowdset_query::{Anchor, AnchorRelation, TimePoint, Window};
use crowdset_types::{TimestampMillis, Value};

/// The instants of a window as its definition bounds them: `from <= t < to`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Instants {
    from: i64,
    to: i64,
    /// The instant that slices of time are counted back from.
    pub(super) end: i64,
}

impl Instants {
    pub(super) fn contains(self, instant: i64) -> bool {
        self.from <= instant && instant < self.to
    }
}

impl Inquiry<'_> {
    /// The window's instants, always cut at `as_of`.
    pub(super) fn window(self, window: &Window) -> Result<Instants, ReferenceError> {
        const BEGINNING: i64 = i64::MIN;
        let now = self.as_of;
        let (from, to) = match window {
            Window::Ever => (BEGINNING, now),
            Window::Last(length) => (now.saturating_sub(length.0), now),
            Window::Between(from, to) => (self.instant(from), self.instant(to)),
            Window::Since(from) => (self.instant(from), now),
            Window::Before(to) => (BEGINNING, self.instant(to)),
            Window::Anchored { relation, anchor } => match self.anchor(anchor)? {
                // No such instant: the window is empty.
                None => (0, 0),
                Some(at) => match relation {
                    AnchorRelation::Since => (at, now),
                    AnchorRelation::After => (at + 1, now),
                    AnchorRelation::Before => (BEGINNING, at),
                    // These two hold both their ends: [anchor, anchor + w].
                    AnchorRelation::WithinAfter(length) => {
                        (at, at.saturating_add(length.0).saturating_add(1))
                    }
                    AnchorRelation::WithinBefore(length) => (at.saturating_sub(length.0), at + 1),
                },
            },
            other => panic!("the reference does not know {other:?}"),
        };
        // Windows that hold both their ends end with an instant, others before one.
        let holds_its_end = matches!(
            window,
            Window::Anchored {
                relation: AnchorRelation::WithinAfter(_) | AnchorRelation::WithinBefore(_),
                ..
            }
        );
        let end = if holds_its_end { to - 1 } else { to };
        Ok(Instants {
            from,
            to: to.min(now),
            end: end.min(now),
        })
    }

    pub(super) fn instant(self, point: &TimePoint) -> i64 {
        match point {
            TimePoint::Now => self.as_of,
            TimePoint::Ago(length) => self.as_of.saturating_sub(length.0),
            TimePoint::At(instant) => *instant,
        }
    }

    /// The anchor's instant: that of an event, or an attribute that is a time or RFC 3339 text.
    fn anchor(self, anchor: &Anchor) -> Result<Option<i64>, ReferenceError> {
        Ok(match anchor {
            Anchor::Event(occurrence) => self.occurrence(occurrence)?.map(|event| event.at),
            Anchor::Attribute(attribute) => match self.attribute(attribute)? {
                Some(Value::Time(at)) => Some(at),
                Some(Value::Text(text)) => TimestampMillis::parse(&text).ok().map(|(at, _)| at.0),
                _ => None,
            },
        })
    }
}
