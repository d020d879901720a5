//! Windows: where in time rows must lie.

use crate::Refusal;
use crate::scope::Scope;
use crate::writer::Writer;
use crowdset_query::{Anchor, AnchorRelation, Span, Window};

/// Longer than any two instants are apart.
const LONGEST: i64 = 1 << 53;

/// An instant that every dialect can write, and beyond which there are no events.
fn bounded(instant: i64) -> i64 {
    instant.clamp(-LONGEST, LONGEST)
}

/// One end of a window, in milliseconds.
#[derive(Clone)]
pub(crate) enum Edge {
    Written(i64),
    /// An instant of the user's own, and how much later the edge is.
    Own(String, i64),
}

impl Edge {
    pub(crate) fn sql(&self) -> String {
        match self {
            Self::Written(instant) => instant.to_string(),
            Self::Own(anchor, 0) => anchor.clone(),
            Self::Own(anchor, later) if *later < 0 => format!("({anchor} - {})", later.abs()),
            Self::Own(anchor, later) => format!("({anchor} + {later})"),
        }
    }
}

/// From, and up to but not at. `None`: the beginning of time, the instant of the evaluation.
#[derive(Clone, Default)]
pub(crate) struct Bounds {
    pub(crate) from: Option<Edge>,
    pub(crate) to: Option<Edge>,
}

impl Writer<'_> {
    /// The bounds of a window; an anchor is joined to the rows of the scope.
    pub(crate) fn bounds(
        &mut self,
        scope: &mut Scope,
        window: &Window,
        span: Span,
    ) -> Result<Bounds, Refusal> {
        let written = |instant: i64| Some(Edge::Written(bounded(instant)));
        Ok(match window {
            Window::Ever => Bounds::default(),
            Window::Last(length) => Bounds {
                from: written(self.as_of.0.saturating_sub(length.0)),
                to: None,
            },
            Window::Between(start, end) => Bounds {
                from: written(self.instant(start)),
                to: written(self.instant(end)),
            },
            Window::Since(start) => Bounds {
                from: written(self.instant(start)),
                to: None,
            },
            Window::Before(end) => Bounds {
                from: None,
                to: written(self.instant(end)),
            },
            Window::Anchored { relation, anchor } => {
                let anchors = self.anchor(anchor)?;
                let alias = self.alias("a");
                scope.join("JOIN", &format!("({anchors})"), &alias, "");
                let own = |later: i64| Some(Edge::Own(format!("{alias}.anchor_at"), later));
                let (from, to) = match relation {
                    AnchorRelation::Since => (own(0), None),
                    AnchorRelation::After => (own(1), None),
                    AnchorRelation::Before => (None, own(0)),
                    AnchorRelation::WithinAfter(length) => (own(0), own(length.0.min(LONGEST) + 1)),
                    AnchorRelation::WithinBefore(length) => (own(-length.0.min(LONGEST)), own(1)),
                };
                Bounds { from, to }
            }
            other => match other.calendar_range(self.as_of) {
                Some(range) => Bounds {
                    from: written(range.from.0),
                    to: written(range.to.0),
                },
                None => return Err(self.cannot("this window", span)),
            },
        })
    }

    /// Bounds the instants of the rows.
    pub(crate) fn window(
        &mut self,
        scope: &mut Scope,
        window: &Window,
        span: Span,
    ) -> Result<Bounds, Refusal> {
        let bounds = self.bounds(scope, window, span)?;
        let at = format!("{}.at_ms", scope.row);
        if let Some(from) = &bounds.from {
            if let Edge::Written(from) = from {
                scope.since = Some(scope.since.map_or(*from, |since| since.max(*from)));
            }
            scope.must(format!("{at} >= {}", from.sql()));
        }
        if let Some(to) = &bounds.to {
            scope.must(format!("{at} < {}", to.sql()));
        }
        Ok(bounds)
    }

    /// Where the window ends at the latest: its end, or the instant of the evaluation.
    pub(crate) fn end(&self, bounds: &Bounds) -> String {
        let now = self.as_of.0;
        match &bounds.to {
            None => now.to_string(),
            Some(Edge::Written(to)) => (*to).min(now).to_string(),
            Some(own) => format!("LEAST({}, {now})", own.sql()),
        }
    }

    /// That the window holds an instant.
    pub(crate) fn is_open(&self, bounds: &Bounds) -> String {
        match (&bounds.from, &bounds.to) {
            // Before an instant there always was time.
            (None, _) => "TRUE".to_owned(),
            (Some(Edge::Written(from)), None | Some(Edge::Written(_))) => {
                let end = match bounds.to {
                    Some(Edge::Written(to)) => to.min(self.as_of.0),
                    _ => self.as_of.0,
                };
                if *from < end { "TRUE" } else { "FALSE" }.to_owned()
            }
            (Some(from), _) => format!("{} < {}", from.sql(), self.end(bounds)),
        }
    }

    /// Users and the instants of their anchors, one each.
    fn anchor(&mut self, anchor: &Anchor) -> Result<String, Refusal> {
        match anchor {
            Anchor::Event(occurrence) => {
                let chosen = self.alias("o");
                let rows = self.occurrence(occurrence)?;
                Ok(format!(
                    "SELECT {chosen}.user_id AS user_id, {chosen}.at_ms AS anchor_at FROM ({rows}) AS {chosen}"
                ))
            }
            Anchor::Attribute(attribute) => {
                let row = self.alias("w");
                let mut scope = Scope::of_users(row);
                let of = self.attribute(&mut scope, attribute)?;
                let read = of.text.filter(|_| !of.is_assumed);
                let read = read.map(|text| self.dialect.instant_of_text(&text));
                let instant = of.time.or(read);
                let instant = instant.unwrap_or_else(|| self.dialect.try_integer("'never'"));
                scope.must(format!("{instant} IS NOT NULL"));
                Ok(format!(
                    "SELECT {user} AS user_id, {instant} AS anchor_at FROM {} WHERE {}",
                    scope.from(),
                    scope.filter(),
                    user = scope.user
                ))
            }
        }
    }
}
