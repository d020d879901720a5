//! One user, with the reasons: which conditions are true of the user, what was found, what was
//! missing, and when time alone will change the answer.

mod json;
mod next_change;

pub use next_change::NextChange;

use crate::error::EvaluateError;
use crate::snapshot::{EvalOptions, Snapshot};
use crate::{AsOf, Diagnostic, Segment};
use crowdset_executor::{Finding, FindingKind, OneUser};
use crowdset_query::{Expr, ExprKind, PlanOptions, plan};
use crowdset_types::UserOrdinal;

/// Why a segment selects one user, or does not. [`Snapshot::why`] makes it.
///
/// It serializes as one JSON object; docs/CLI.md describes it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Why {
    /// The user's id, as it was asked for.
    pub user_id: String,
    /// The instant of the evaluation.
    pub as_of: AsOf,
    /// Whether the segment selects the user.
    pub is_in: bool,
    /// Whether the user belongs to the universe; nobody else is ever selected.
    pub is_in_universe: bool,
    /// How many events the store holds of the user.
    pub events_total: u64,
    /// The conditions as they were written; `None` for a user outside of the universe.
    pub tree: Option<Finding>,
    /// When the answer will change if no data arrives.
    pub next_change: NextChange,
    /// What the definition says that is legal and yet probably not meant.
    pub warnings: Vec<Diagnostic>,
}

/// Tells why about one user.
pub(crate) fn why(
    snapshot: &Snapshot,
    segment: &Segment,
    user_id: &str,
    as_of: AsOf,
    options: &EvalOptions,
) -> Result<Why, EvaluateError> {
    let prepared = snapshot.prepare_with(segment, as_of, options)?;
    snapshot.state.touch_ids()?;
    let mut why = Why {
        user_id: user_id.to_owned(),
        as_of,
        is_in: false,
        is_in_universe: false,
        events_total: 0,
        tree: None,
        next_change: NextChange::Never,
        warnings: prepared.warnings().to_vec(),
    };
    let Some(user) = snapshot.state.users.find(user_id) else {
        return Ok(why);
    };
    let inquiry = Inquiry {
        snapshot,
        user,
        one: OneUser::new(
            &snapshot.state.dataset,
            user,
            &options.execution,
            &options.control,
        ),
        as_of,
        plan_options: PlanOptions {
            strict: options.strict,
            reorder: options.reorder,
        },
    };
    why.events_total = inquiry.one.event_count()?;
    why.is_in_universe = inquiry.one.is_in_universe();
    if why.is_in_universe {
        why.is_in = inquiry.one.contains(prepared.plan())?;
        why.tree = Some(inquiry.node(&segment.root)?);
        let cost_rows = prepared.plan().root.cost_rows;
        why.next_change = inquiry.next_change(segment, why.is_in, cost_rows)?;
    }
    Ok(why)
}

/// One user, and everything needed to ask about it.
struct Inquiry<'a> {
    snapshot: &'a Snapshot,
    user: UserOrdinal,
    one: OneUser<'a>,
    as_of: AsOf,
    plan_options: PlanOptions,
}

impl Inquiry<'_> {
    /// The tree as it was written: a plan leaves out what cannot matter, and stands in the order of
    /// cost, so every leaf is planned for itself.
    fn node(&self, expr: &Expr) -> Result<Finding, EvaluateError> {
        let joined = |kind, parts: &[Expr], holds: fn(&[Finding]) -> bool| {
            let parts = parts
                .iter()
                .map(|part| self.node(part))
                .collect::<Result<Vec<_>, _>>()?;
            Ok(Finding::new(expr.to_string(), kind, holds(&parts), parts))
        };
        match &expr.kind {
            ExprKind::And(parts) => joined(FindingKind::And, parts, |parts| {
                parts.iter().all(|part| part.is_true)
            }),
            ExprKind::Or(parts) => joined(FindingKind::Or, parts, |parts| {
                parts.iter().any(|part| part.is_true)
            }),
            ExprKind::Not(part) => joined(FindingKind::Not, std::slice::from_ref(part), |parts| {
                !parts.iter().any(|part| part.is_true)
            }),
            ExprKind::SavedSegment(name) => {
                match self.snapshot.state.catalog().saved_segment(name) {
                    Some(Ok(saved)) => joined(
                        FindingKind::Saved,
                        std::slice::from_ref(&saved.root),
                        |parts| parts.iter().all(|part| part.is_true),
                    ),
                    // Planning the whole has refused it already.
                    Some(Err(error)) => Err(error.into()),
                    None => joined(FindingKind::Saved, &[], |_| false),
                }
            }
            _ => {
                let leaf = Segment::new(expr.clone());
                let plan = plan(
                    &leaf,
                    self.snapshot.state.catalog(),
                    self.as_of.instant(),
                    &self.plan_options,
                )?;
                let mut finding = self.one.finding(&plan)?;
                finding.notes = plan.warnings.iter().map(note).collect();
                Ok(finding)
            }
        }
    }
}

fn note(warning: &Diagnostic) -> String {
    match &warning.help {
        Some(help) => format!("{}; {help}", warning.message),
        None => warning.message.clone(),
    }
}
