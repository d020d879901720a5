//! A ranking while time passes: numbers that are reckoned with days since an event grow at paces of their
//! own, so that one user overtakes another where no instant of the data tells.

use super::aging::{Aging, Growing, Over, Span, decided};
use super::{Asked, OneUser};
use crate::EvalError;
use crowdset_query::{CompareOp, PlanKind, PlanMeasure, PlanNode, RankEnd};
use crowdset_types::{Number, UserOrdinal, compare_numbers};
use std::cmp::Ordering;

/// So many rivals are compared in the time of one other look.
const RIVALS_A_TRY: usize = 64;

/// One user among all who are ranked, while nothing but days since an event moves.
#[derive(Debug)]
pub(super) struct Race {
    own: Growing,
    rivals: Vec<Rival>,
    /// How many always stand before the user.
    ahead: u64,
    /// How many are selected.
    size: u64,
    end: RankEnd,
}

#[derive(Debug)]
struct Rival {
    number: Growing,
    /// Whether the rival stands before the user where their numbers are equal.
    wins_ties: bool,
}

/// How many rankings there are whose order may change by time alone.
pub(super) fn races(node: &PlanNode) -> u64 {
    match &node.kind {
        PlanKind::And(parts) | PlanKind::Or(parts) => parts.iter().map(races).sum(),
        PlanKind::Not(part) => races(part),
        PlanKind::Rank { measure, .. } => u64::from(grows_apart(measure)),
        _ => 0,
    }
}

/// Whether users may overtake each other by this number. By time since an event alone they do not: all
/// grow old alike.
fn grows_apart(measure: &PlanMeasure) -> bool {
    match measure {
        PlanMeasure::Negative(inner) => grows_apart(inner),
        PlanMeasure::Arithmetic { first, rest } => {
            grows(first) || rest.iter().any(|(_, part)| grows(part))
        }
        _ => false,
    }
}

fn grows(measure: &PlanMeasure) -> bool {
    match measure {
        PlanMeasure::DaysSinceFirst(_) | PlanMeasure::DaysSinceLast(_) => true,
        PlanMeasure::Negative(inner) => grows(inner),
        PlanMeasure::Arithmetic { .. } => grows_apart(measure),
        _ => false,
    }
}

impl Asked<'_, '_> {
    /// A ranking while time passes. Reads the events of everybody whose order may change.
    pub(super) fn race(self, node: &PlanNode) -> Result<Aging, EvalError> {
        let settled = |verdict| Ok(Aging::Settled(verdict));
        let PlanKind::Rank { end, measure, .. } = &node.kind else {
            return settled(self.holds(node)?);
        };
        if !grows_apart(measure) {
            return settled(self.holds(node)?);
        }
        let own = self.growing(measure)?;
        let Some(place) = self.place(node)? else {
            return settled(false);
        };
        if matches!(own, Growing::Settled(None)) {
            return settled(false);
        }
        let users = &self.one.dataset.users;
        let mut race = Race {
            own,
            rivals: Vec::new(),
            ahead: 0,
            size: place.size,
            end: *end,
        };
        for user in (0..users.ordinals() as u32).map(UserOrdinal) {
            if user == self.user() || !users.in_universe(user) {
                continue;
            }
            let one = OneUser {
                dataset: self.one.dataset,
                user,
                options: self.one.options,
                control: self.one.control.clone(),
                kept: None,
            };
            let asked = Asked {
                one: &one,
                as_of: self.as_of,
            };
            let number = asked.growing(measure)?;
            let wins_ties = users.rank(user) < users.rank(self.user());
            if number.is_always(&race.own) {
                race.ahead += u64::from(wins_ties);
            } else if !matches!(number, Growing::Settled(None)) {
                race.rivals.push(Rival { number, wins_ties });
            }
        }
        Ok(Aging::Race(race))
    }
}

impl Race {
    /// How many looks one look at it counts for.
    pub(super) fn tries(&self) -> u32 {
        u32::try_from(self.rivals.len() / RIVALS_A_TRY).unwrap_or(u32::MAX)
    }

    /// The answer at an instant.
    pub(super) fn at(&self, at: i64) -> bool {
        let is_number = |number: &Number| !number.to_f64().is_nan();
        let Some(own) = self.own.at(at).filter(is_number) else {
            return false;
        };
        let stands_before = |rival: &&Rival| {
            let number = rival.number.at(at);
            number
                .and_then(|number| compare_numbers(number, own))
                .is_some_and(|order| match (order, self.end) {
                    (Ordering::Equal, _) => rival.wins_ties,
                    (Ordering::Greater, RankEnd::Top) | (Ordering::Less, RankEnd::Bottom) => true,
                    _ => false,
                })
        };
        let before = self.rivals.iter().filter(stands_before).count() as u64;
        self.ahead + before < self.size
    }

    /// The answer at all instants of a span; `None` if it is left open.
    pub(super) fn over(&self, span: Span) -> Option<bool> {
        let own = self.own.over(span);
        match own {
            Over::Nothing => return Some(false),
            Over::Open => return None,
            Over::Within(_) => {}
        }
        let op = match self.end {
            RankEnd::Top => CompareOp::Greater,
            RankEnd::Bottom => CompareOp::Less,
        };
        let (mut before, mut open) = (self.ahead, 0);
        for rival in &self.rivals {
            match decided(rival.number.over(span), op, own) {
                Some(true) => before += 1,
                Some(false) => {}
                None => open += 1,
            }
        }
        if before >= self.size {
            Some(false)
        } else if before + open < self.size {
            Some(true)
        } else {
            None
        }
    }
}
