//! Tree to plan: names looked up, time made absolute, what cannot match folded away, conditions
//! ordered by what they cost and what they decide.
//!
//! Folding follows the rules of truth exactly. An unknown name has no rows and no values: `did`,
//! and every comparison, is false of it, `is not set` is true, `count`, `sum`, `distinct` and
//! `days` are 0, all other measures have no value.

mod attribute;
mod calendar;
mod cost;
mod event;
mod history;
mod measure;
mod saved;
mod sequence;
mod test;
mod window;

use crate::ast::{
    AttributeTable, CompareOp, Expr, ExprKind, NumberTest, Occurrence, OccurrenceTest, Operand,
    Segment, Span, Test,
};
use crate::catalog::{Catalog, TypeSet};
use crate::diagnostic::{Diagnostic, SegmentError, Severity};
use crate::parser::DEPTH_MAX;
use crate::plan::{Plan, PlanKind, PlanNode, PlanOccurrenceTest};
use cost::Estimate;
use crowdset_types::{Number, TimestampMillis, compare_numbers};
use std::cmp::Ordering;
use std::collections::HashSet;

pub use attribute::plan_attribute;
pub(crate) use window::{calendar_edge, calendar_range, written_instants};

/// How deep a tree may be. Text of [`DEPTH_MAX`] levels makes trees of twice as many: in
/// `a and (b or c and (…))` each parenthesis holds an `or` and an `and`.
const TREE_DEPTH_MAX: usize = 3 * DEPTH_MAX;

/// How to plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanOptions {
    /// Unknown names are errors instead of warnings.
    pub strict: bool,
    /// Conditions are tried in the order of cost and selectivity; otherwise as written. Never
    /// changes an answer.
    pub reorder: bool,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self {
            strict: false,
            reorder: true,
        }
    }
}

/// Binds a segment to a catalog and an instant.
///
/// # Cost
///
/// A few look-ups in the catalog per condition; `any event` looks at every event name. No rows are
/// read.
///
/// # Errors
///
/// [`SegmentError`] for a bare attribute name that is in both tables, text that is no time beside
/// a time, an unknown name if `options.strict`, and whatever a tree from the builder holds that
/// the text form could not.
pub fn plan(
    segment: &Segment,
    catalog: &dyn Catalog,
    as_of: TimestampMillis,
    options: &PlanOptions,
) -> Result<Plan, SegmentError> {
    plan_named(None, segment, catalog, as_of, options)
}

/// Whether a segment may be saved as `name` in the catalog's store: it can be planned, everything it
/// names is saved, and it is no part of itself. The catalog must know it by that name already.
/// Returns what is legal yet probably not meant.
///
/// # Errors
///
/// As [`plan`]; a cycle is named beginning with `name`.
pub fn check_saved(
    name: &str,
    segment: &Segment,
    catalog: &dyn Catalog,
    as_of: TimestampMillis,
    options: &PlanOptions,
) -> Result<Vec<Diagnostic>, SegmentError> {
    plan_named(Some(name), segment, catalog, as_of, options).map(|plan| plan.warnings)
}

fn plan_named(
    own_name: Option<&str>,
    segment: &Segment,
    catalog: &dyn Catalog,
    as_of: TimestampMillis,
    options: &PlanOptions,
) -> Result<Plan, SegmentError> {
    let located = !segment.source.text.is_empty();
    let warnings = segment.source.warnings.clone();
    let mut planner = Planner::new(catalog, as_of, options, warnings, located);
    planner.own_name = own_name.map(str::to_owned);
    let mut root = planner.node(&segment.root);
    let findings = planner.findings;
    if findings
        .iter()
        .any(|finding| finding.severity == Severity::Error)
    {
        return Err(SegmentError::new(findings, segment.source.text.clone()));
    }
    let mut node_count = 0;
    number_nodes(&mut root, &mut node_count);
    Ok(Plan {
        as_of,
        root,
        warnings: findings,
        node_count,
    })
}

/// The complement of a node.
fn negation(inner: Box<PlanNode>) -> (PlanKind, Estimate) {
    let estimate = Estimate {
        rows: inner.cost_rows as f64,
        share: 1.0 - inner.selectivity,
    };
    let kind = match inner.kind {
        PlanKind::Everyone => PlanKind::Nobody,
        PlanKind::Nobody => PlanKind::Everyone,
        _ => PlanKind::Not(inner),
    };
    (kind, estimate)
}

fn number_nodes(node: &mut PlanNode, next: &mut u32) {
    node.id = *next;
    *next += 1;
    match &mut node.kind {
        PlanKind::And(parts) | PlanKind::Or(parts) => {
            for part in parts {
                number_nodes(part, next);
            }
        }
        PlanKind::Not(inner) => number_nodes(inner, next),
        _ => {}
    }
}

struct Planner<'a> {
    catalog: &'a dyn Catalog,
    as_of: TimestampMillis,
    options: &'a PlanOptions,
    /// Whether the spans of the tree point into a text.
    located: bool,
    /// Ascending by table and name.
    attributes: Vec<(AttributeTable, String)>,
    findings: Vec<Diagnostic>,
    /// What has been reported, and where: a name that is wrong twice at one place is told once.
    seen: HashSet<(String, u32)>,
    depth: usize,
    /// The name under which the segment itself is to be saved.
    own_name: Option<String>,
    /// The saved segments that are being planned, the outermost first.
    inlined: Vec<saved::Inlined>,
    /// How many conditions saved segments have become.
    inlined_nodes: usize,
}

impl<'a> Planner<'a> {
    fn new(
        catalog: &'a dyn Catalog,
        as_of: TimestampMillis,
        options: &'a PlanOptions,
        findings: Vec<Diagnostic>,
        located: bool,
    ) -> Self {
        Self {
            catalog,
            as_of,
            options,
            located,
            attributes: catalog.attribute_names(),
            findings,
            seen: HashSet::new(),
            depth: 0,
            own_name: None,
            inlined: Vec::new(),
            inlined_nodes: 0,
        }
    }
}

/// Findings.
impl Planner<'_> {
    fn report(&mut self, finding: Diagnostic, span: Span) {
        let (finding, span) = self.seen_from_outside(finding, span);
        if self.seen.insert((finding.message.clone(), span.start)) {
            self.findings.push(if self.located {
                finding.at(span)
            } else {
                finding
            });
        }
    }

    fn check(&mut self, problem: Option<Diagnostic>, span: Span) -> bool {
        match problem {
            Some(finding) => {
                self.report(finding, span);
                false
            }
            None => true,
        }
    }

    /// Reports an unknown name; `like` is the nearest known one.
    fn unknown(
        &mut self,
        code: &'static str,
        what: &str,
        name: &str,
        like: Option<String>,
        span: Span,
    ) {
        let shown: String = name.chars().take(60).collect();
        let message = format!("unknown {what} `{shown}`: it matches nothing");
        let finding = if self.options.strict {
            Diagnostic::error(code, message)
        } else {
            Diagnostic::warning(code, message)
        };
        let finding = match like {
            Some(like) if self.located && self.inlined.is_empty() => finding
                .help(format!("did you mean `{like}`?"))
                .suggest(span, like),
            Some(like) => finding.help(format!("did you mean `{like}`?")),
            None => finding,
        };
        self.report(finding, span);
    }

    /// Runs `plan` one level deeper, or reports that a tree is too deep. Only a tree from the
    /// builder can be.
    fn nested<T>(&mut self, fallback: T, plan: impl FnOnce(&mut Self) -> T) -> T {
        if self.depth > TREE_DEPTH_MAX {
            let message = format!("nested more than {TREE_DEPTH_MAX} levels deep");
            self.report(Diagnostic::error("too-deep", message), Span::default());
            return fallback;
        }
        self.depth += 1;
        let result = plan(self);
        self.depth -= 1;
        result
    }
}

/// Conditions.
impl Planner<'_> {
    fn node(&mut self, expr: &Expr) -> PlanNode {
        if let ExprKind::SavedSegment(name) = &expr.kind {
            return self.saved_segment(expr, name);
        }
        let (kind, estimate) = if self.may_inline() {
            let nobody = (PlanKind::Nobody, Estimate::NOBODY);
            self.nested(nobody, |planner| planner.kind(expr))
        } else {
            (PlanKind::Nobody, Estimate::NOBODY)
        };
        // What holds for all or nobody costs nothing, however it was found out.
        let estimate = match kind {
            PlanKind::Everyone => Estimate::EVERYONE,
            PlanKind::Nobody => Estimate::NOBODY,
            _ => estimate,
        };
        PlanNode {
            id: 0,
            text: expr.to_string(),
            kind,
            saved: None,
            cost_rows: estimate.rows as u64,
            selectivity: estimate.share.clamp(0.0, 1.0),
        }
    }

    /// What nests is planned by functions of their own: their frames are what deep nesting piles up.
    fn kind(&mut self, expr: &Expr) -> (PlanKind, Estimate) {
        match &expr.kind {
            ExprKind::And(parts) | ExprKind::Or(parts) => {
                let mut nodes = Vec::with_capacity(parts.len());
                for part in parts {
                    nodes.push(self.node(part));
                }
                self.junction(nodes, matches!(expr.kind, ExprKind::And(_)))
            }
            ExprKind::Not(inner) => negation(Box::new(self.node(inner))),
            _ => self.leaf(expr),
        }
    }

    /// A condition that holds no others. Never inlined, or its frame would be one of those.
    #[inline(never)]
    fn leaf(&mut self, expr: &Expr) -> (PlanKind, Estimate) {
        let kind = match &expr.kind {
            ExprKind::Everyone => PlanKind::Everyone,
            // Conditions that hold others and nodes of saved segments are made by `kind` and `node`.
            ExprKind::Nobody
            | ExprKind::SavedSegment(_)
            | ExprKind::And(_)
            | ExprKind::Or(_)
            | ExprKind::Not(_) => PlanKind::Nobody,
            ExprKind::UserId(ids) => {
                let mut ids = ids.clone();
                ids.sort_unstable();
                ids.dedup();
                if ids.is_empty() {
                    PlanKind::Nobody
                } else {
                    PlanKind::UserId(ids)
                }
            }
            ExprKind::StaticList(name) => self.static_list(name, expr.span),
            ExprKind::Attribute { operand, test } => {
                self.attribute_condition(operand, test, expr.span)
            }
            ExprKind::Did(of) => self.events(of).map_or(PlanKind::Nobody, PlanKind::Did),
            ExprKind::Measure { measure, test } => self.measure_condition(measure, test, expr.span),
            ExprKind::Occurrence { occurrence, test } => {
                self.occurrence_condition(occurrence, test, expr.span)
            }
            ExprKind::Sequence(sequence) => self.sequence(sequence, expr.span),
            ExprKind::Lifecycle { events, change } => {
                return self.lifecycle(events, *change, expr.span);
            }
            ExprKind::MeasureComparison { left, op, right } => {
                self.measure_comparison(left, *op, right, expr.span)
            }
            ExprKind::Had {
                operand,
                test,
                window,
            } => self.had(operand, test, window, expr.span),
            ExprKind::Held {
                operand,
                test,
                length,
            } => self.held(operand, test, *length, expr.span),
            ExprKind::Changed {
                attribute,
                from,
                to,
                window,
            } => self.changed(attribute, from.as_ref(), to.as_ref(), window, expr.span),
            ExprKind::Rank { end, size, measure } => self.rank(*end, *size, measure, expr.span),
        };
        let estimate = self.estimate(&kind);
        (kind, estimate)
    }

    /// `and` (`all`) or `or` over parts. Never inlined, as a leaf is not.
    #[inline(never)]
    fn junction(&self, mut nodes: Vec<PlanNode>, all: bool) -> (PlanKind, Estimate) {
        let (neutral, absorbing) = if all {
            (PlanKind::Everyone, PlanKind::Nobody)
        } else {
            (PlanKind::Nobody, PlanKind::Everyone)
        };
        if nodes.iter().any(|node| node.kind == absorbing) {
            return (absorbing, Estimate::NOBODY);
        }
        nodes.retain(|node| node.kind != neutral);
        if nodes.len() < 2 {
            return match nodes.pop() {
                Some(node) => {
                    let estimate = Estimate {
                        rows: node.cost_rows as f64,
                        share: node.selectivity,
                    };
                    (node.kind, estimate)
                }
                None => (neutral, Estimate::NOBODY),
            };
        }
        if self.options.reorder {
            nodes.sort_by(|left, right| priority(left, all).total_cmp(&priority(right, all)));
        }
        // The share of users that is still undecided when a part is reached pays for it.
        let (mut rows, mut undecided) = (0.0, 1.0);
        for node in &nodes {
            rows += node.cost_rows as f64 * undecided;
            undecided *= if all {
                node.selectivity
            } else {
                1.0 - node.selectivity
            };
        }
        let share = if all { undecided } else { 1.0 - undecided };
        let kind = if all {
            PlanKind::And(nodes)
        } else {
            PlanKind::Or(nodes)
        };
        (kind, Estimate { rows, share })
    }

    fn occurrence_condition(
        &mut self,
        occurrence: &Occurrence,
        test: &OccurrenceTest,
        span: Span,
    ) -> PlanKind {
        let Some(occurrence) = self.occurrence(occurrence, span) else {
            // The rest is still looked at for what is wrong with it.
            match test {
                OccurrenceTest::When(window) => {
                    self.window(window, span);
                }
                OccurrenceTest::Property { operand, test } => {
                    self.lint_test(operand, test, TypeSet::default(), span);
                }
            }
            return PlanKind::Nobody;
        };
        let names: Vec<&str> = occurrence
            .of
            .selector
            .events
            .iter()
            .map(|event| event.name.as_str())
            .collect();
        let test = match test {
            OccurrenceTest::When(window) => {
                let window = self.window(window, span);
                if window.range.is_empty() {
                    return PlanKind::Nobody;
                }
                PlanOccurrenceTest::When(window)
            }
            OccurrenceTest::Property {
                operand: Operand::EventName,
                test,
            } => {
                if !self.lint_test(&Operand::EventName, test, TypeSet::default(), span) {
                    return PlanKind::Nobody;
                }
                let verdicts: Vec<_> = names
                    .iter()
                    .map(|&name| (name.to_owned(), test::text_passes(test, name)))
                    .collect();
                if !verdicts.iter().any(|(_, verdict)| *verdict) {
                    return PlanKind::Nobody;
                }
                PlanOccurrenceTest::EventName(verdicts)
            }
            OccurrenceTest::Property { operand, test } => {
                let known = self.lint_operand(operand, test, &names, span);
                let Some(planned) = self.test(test) else {
                    return PlanKind::Nobody;
                };
                if !known && !matches!(test, Test::IsNotSet) {
                    return PlanKind::Nobody;
                }
                PlanOccurrenceTest::Property {
                    operand: operand.clone(),
                    test: planned,
                }
            }
        };
        PlanKind::Occurrence { occurrence, test }
    }
}

/// Smaller is tried first: cost for what it decides.
fn priority(node: &PlanNode, all: bool) -> f64 {
    // A part that decides nothing still has to be run; the bound keeps the order by cost.
    let decides = if all {
        1.0 - node.selectivity
    } else {
        node.selectivity
    };
    (node.cost_rows as f64 + 1.0) / decides.max(0.001)
}

/// Whether a number passes a test.
fn number_passes(value: Number, test: &NumberTest) -> bool {
    match *test {
        NumberTest::Compare(op, bound) => {
            compare_numbers(value, bound).is_some_and(|ordering| ordering_passes(op, ordering))
        }
        NumberTest::Between(low, high) => {
            compare_numbers(value, low).is_some_and(Ordering::is_ge)
                && compare_numbers(value, high).is_some_and(Ordering::is_le)
        }
    }
}

/// Whether two values that compare as `ordering` pass an operator.
fn ordering_passes(op: CompareOp, ordering: Ordering) -> bool {
    match op {
        CompareOp::Equal => ordering.is_eq(),
        CompareOp::NotEqual => ordering.is_ne(),
        CompareOp::Less => ordering.is_lt(),
        CompareOp::LessOrEqual => ordering.is_le(),
        CompareOp::Greater => ordering.is_gt(),
        CompareOp::GreaterOrEqual => ordering.is_ge(),
    }
}
