//! Tree to plan: names looked up, time made absolute, what cannot match folded away, conditions
//! ordered by what they cost and what they decide.
//!
//! Folding follows the rules of truth exactly. An unknown name has no rows and no values: `did`,
//! and every comparison, is false of it, `is not set` is true, `count`, `sum`, `distinct` and
//! `days` are 0, all other measures have no value.

mod calendar;
mod cost;
mod event;
mod history;
mod measure;
mod saved;
mod sequence;
mod test;

use crate::ast::{
    Anchor, AttributeOperand, AttributeRef, AttributeTable, CalendarUnit, Cast, CompareOp,
    EventWindow, Expr, ExprKind, NumberTest, Occurrence, OccurrenceTest, Operand, Period, Segment,
    Span, Test, TimePoint, Window,
};
use crate::catalog::{Catalog, TypeSet};
use crate::checks::{self, nearest};
use crate::diagnostic::{Diagnostic, SegmentError, Severity};
use crate::parser::DEPTH_MAX;
use crate::plan::{
    Plan, PlanAnchor, PlanAnchorInstant, PlanAttribute, PlanEvents, PlanKind, PlanNode,
    PlanOccurrence, PlanOccurrenceTest, PlanWindow,
};
use cost::Estimate;
use crowdset_types::{DurationMillis, Number, TimeRange, TimestampMillis, compare_numbers};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use std::cmp::Ordering;
use std::collections::HashSet;

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

/// Binds an attribute to a catalog, and says what is remarkable about it; `None` for a name that no
/// table has.
///
/// # Errors
///
/// [`SegmentError`] for a bare name that is in both tables, and for an unknown one if
/// `options.strict`.
pub fn plan_attribute(
    operand: &AttributeOperand,
    catalog: &dyn Catalog,
    options: &PlanOptions,
) -> Result<(Option<PlanAttribute>, Vec<Diagnostic>), SegmentError> {
    // An attribute by itself has no instant.
    let mut planner = Planner::new(catalog, TimestampMillis(0), options, Vec::new(), false);
    let attribute = planner.attribute(&operand.attribute);
    let findings = planner.findings;
    if findings
        .iter()
        .any(|finding| finding.severity == Severity::Error)
    {
        return Err(SegmentError::new(findings, "".into()));
    }
    let attribute = attribute.map(|attribute| PlanAttribute {
        cast: operand.cast,
        ..attribute
    });
    Ok((attribute, findings))
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
        let may_plan = self.may_inline();
        let nobody = (PlanKind::Nobody, Estimate::NOBODY);
        let (kind, estimate) = if may_plan {
            self.nested(nobody, |planner| planner.kind(expr))
        } else {
            nobody
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

    fn kind(&mut self, expr: &Expr) -> (PlanKind, Estimate) {
        let kind = match &expr.kind {
            ExprKind::Everyone => PlanKind::Everyone,
            // Nodes of saved segments are made by `node`.
            ExprKind::Nobody | ExprKind::SavedSegment(_) => PlanKind::Nobody,
            ExprKind::And(parts) => return self.junction(parts, true),
            ExprKind::Or(parts) => return self.junction(parts, false),
            ExprKind::Not(inner) => {
                let inner = self.node(inner);
                let estimate = Estimate {
                    rows: inner.cost_rows as f64,
                    share: 1.0 - inner.selectivity,
                };
                let kind = match inner.kind {
                    PlanKind::Everyone => PlanKind::Nobody,
                    PlanKind::Nobody => PlanKind::Everyone,
                    _ => PlanKind::Not(Box::new(inner)),
                };
                return (kind, estimate);
            }
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

    /// `and` (`all`) or `or` over parts.
    fn junction(&mut self, parts: &[Expr], all: bool) -> (PlanKind, Estimate) {
        let (neutral, absorbing) = if all {
            (PlanKind::Everyone, PlanKind::Nobody)
        } else {
            (PlanKind::Nobody, PlanKind::Everyone)
        };
        let mut nodes: Vec<PlanNode> = parts.iter().map(|part| self.node(part)).collect();
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

    fn attribute_condition(
        &mut self,
        operand: &AttributeOperand,
        test: &Test,
        span: Span,
    ) -> PlanKind {
        let known = self.attribute(&operand.attribute);
        let types = known
            .as_ref()
            .map(|known| self.types_behind(known, operand.cast));
        self.lint_test(
            &Operand::Property(String::new()),
            test,
            types.unwrap_or_default(),
            span,
        );
        let test = self.test(test);
        match (known, test) {
            (Some(attribute), Some(test)) => PlanKind::Attribute {
                operand: PlanAttribute {
                    cast: operand.cast,
                    ..attribute
                },
                test,
            },
            (None, Some(crate::plan::PlanTest::IsNotSet)) => PlanKind::Everyone,
            _ => PlanKind::Nobody,
        }
    }

    /// The types a comparison meets, the cast applied.
    fn types_behind(&self, attribute: &PlanAttribute, cast: Option<Cast>) -> TypeSet {
        match cast {
            None => self
                .catalog
                .attribute_types(attribute.table, &attribute.name)
                .unwrap_or_default(),
            Some(cast) => test::types_of_cast(cast),
        }
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

/// Attributes, windows and instants.
impl Planner<'_> {
    /// The attribute that is meant; `None` if there is none, which has been reported.
    fn attribute(&mut self, attribute: &AttributeRef) -> Option<PlanAttribute> {
        let AttributeRef { table, name, span } = attribute;
        let is_in = |table: AttributeTable| {
            self.attributes
                .binary_search_by(|(known_table, known)| {
                    known_table
                        .cmp(&table)
                        .then_with(|| known.as_str().cmp(name))
                })
                .is_ok()
        };
        let candidates = match table {
            Some(table) => vec![*table],
            None => vec![AttributeTable::Users, AttributeTable::Property],
        };
        let found: Vec<AttributeTable> = candidates
            .iter()
            .copied()
            .filter(|table| is_in(*table))
            .collect();
        if let [table] = *found.as_slice() {
            return Some(PlanAttribute {
                table,
                name: name.clone(),
                cast: None,
            });
        }
        if found.len() > 1 {
            let message = format!("`{name}` is both a column of users and a user property");
            let finding = Diagnostic::error("ambiguous-attribute", message)
                .help(format!("write `users.{name}` or `property.{name}`"));
            self.report(finding, *span);
            return None;
        }
        let elsewhere = table.and_then(|table| {
            let other = match table {
                AttributeTable::Users => AttributeTable::Property,
                AttributeTable::Property => AttributeTable::Users,
            };
            is_in(other).then(|| {
                AttributeRef {
                    table: Some(other),
                    name: name.clone(),
                    span: *span,
                }
                .to_string()
            })
        });
        let like = elsewhere.or_else(|| {
            let names = self
                .attributes
                .iter()
                .filter(|(table, _)| candidates.contains(table));
            nearest(name, names.map(|(_, name)| name.as_str())).map(|near| {
                AttributeRef {
                    table: *table,
                    name: near.to_owned(),
                    span: *span,
                }
                .to_string()
            })
        });
        let is_event = like.is_none() && table.is_none() && self.is_event(name);
        let like = like.or_else(|| is_event.then(|| format!("did({name})")));
        self.unknown("unknown-attribute", "attribute", name, like, *span);
        None
    }

    fn instant(&mut self, point: &TimePoint, span: Span) -> TimestampMillis {
        self.check(checks::time_point_problem(point), span);
        match *point {
            TimePoint::Now => self.as_of,
            TimePoint::Ago(duration) => self.as_of.minus(duration),
            TimePoint::At(instant) => TimestampMillis(instant),
        }
    }

    /// The window cut at `as_of`. One that cannot hold an event has an empty range and no anchor.
    fn window(&mut self, window: &Window, span: Span) -> PlanWindow {
        const BEGINNING: TimestampMillis = TimestampMillis(i64::MIN);
        let as_of = self.as_of;
        let mut anchor = None;
        let range = match window {
            Window::Ever => TimeRange::new(BEGINNING, as_of),
            Window::Last(duration) => {
                self.check(checks::duration_problem(*duration), span);
                TimeRange::new(as_of.minus(*duration), as_of)
            }
            Window::Between(from, to) => {
                TimeRange::new(self.instant(from, span), self.instant(to, span))
            }
            Window::Since(from) => TimeRange::new(self.instant(from, span), as_of),
            Window::Before(to) => TimeRange::new(BEGINNING, self.instant(to, span)),
            Window::Calendar { period, zone } => {
                let problem = checks::calendar_problem(period, zone.as_deref());
                if self.check(problem, span) {
                    calendar::range(*period, &time_zone(zone.as_deref()), as_of)
                } else {
                    TimeRange::new(as_of, as_of)
                }
            }
            Window::Anchored {
                relation,
                anchor: of,
            } => {
                use crate::ast::AnchorRelation::{WithinAfter, WithinBefore};
                if let WithinAfter(duration) | WithinBefore(duration) = *relation {
                    self.check(checks::duration_problem(duration), span);
                }
                match self.nested(None, |planner| planner.anchor(of, span)) {
                    Some(of) => {
                        anchor = Some(Box::new(PlanAnchor {
                            relation: *relation,
                            of,
                        }));
                        TimeRange::new(BEGINNING, as_of)
                    }
                    None => TimeRange::new(as_of, as_of),
                }
            }
        };
        let range = range.intersection(TimeRange::new(BEGINNING, as_of));
        if range.is_empty() {
            return PlanWindow {
                range: TimeRange::new(as_of, as_of),
                anchor: None,
            };
        }
        PlanWindow { range, anchor }
    }

    fn anchor(&mut self, anchor: &Anchor, span: Span) -> Option<PlanAnchorInstant> {
        match anchor {
            Anchor::Event(occurrence) => self
                .occurrence(occurrence, span)
                .map(PlanAnchorInstant::Event),
            Anchor::Attribute(attribute) => {
                self.attribute(attribute).map(PlanAnchorInstant::Attribute)
            }
        }
    }

    /// `None` if nobody can have such an event.
    fn occurrence(&mut self, occurrence: &Occurrence, span: Span) -> Option<PlanOccurrence> {
        self.check(checks::position_problem(occurrence.position), span);
        let of = self.events(&occurrence.of)?;
        Some(PlanOccurrence {
            position: occurrence.position,
            of,
        })
    }

    /// `None` if nobody can have such an event.
    fn events(&mut self, of: &EventWindow) -> Option<PlanEvents> {
        let selector = self.selector(&of.events);
        let window = self.window(&of.window, of.events.span);
        (!selector.events.is_empty() && !window.range.is_empty())
            .then_some(PlanEvents { selector, window })
    }
}

/// See [`crate::calendar_edge`].
pub(crate) fn calendar_edge(
    instant: TimestampMillis,
    unit: CalendarUnit,
    zone: Option<&str>,
    after: u32,
) -> Option<TimestampMillis> {
    calendar::edge_after(instant, unit, &time_zone(zone), after)
}

/// The instants at which a period begins and ends that does not move with the evaluation.
pub(crate) fn written_instants(period: Period, zone: Option<&str>) -> [i64; 2] {
    // No such period asks for the instant of the evaluation.
    let range = calendar::range(period, &time_zone(zone), TimestampMillis(0));
    [range.from.0, range.to.0]
}

/// The zone of this name, which has been checked; UTC without one.
/// The instants of a period of the calendar; `None` for a zone or a date that there is not.
pub(crate) fn calendar_range(
    period: Period,
    zone: Option<&str>,
    as_of: TimestampMillis,
) -> Option<TimeRange> {
    checks::calendar_problem(&period, zone)
        .is_none()
        .then(|| calendar::range(period, &time_zone(zone), as_of))
}

fn time_zone(name: Option<&str>) -> TimeZone {
    name.and_then(|name| TimeZoneDatabase::bundled().get(name).ok())
        .unwrap_or(TimeZone::UTC)
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

/// The share of `range` within the time from `first` to `last`.
fn overlap(range: TimeRange, first: TimestampMillis, last: TimestampMillis) -> DurationMillis {
    let events = TimeRange::new(first, last.plus(DurationMillis(1)));
    let both = range.intersection(events);
    DurationMillis(if both.is_empty() {
        0
    } else {
        both.to.0.saturating_sub(both.from.0)
    })
}
