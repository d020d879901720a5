//! Saved segments and static lists: `segment('x')` becomes the definition of `x`, planned in its
//! place and at the same instant; `list('x')` becomes the ids it holds.

use super::Planner;
use crate::ast::{Expr, Span};
use crate::checks::nearest;
use crate::diagnostic::Diagnostic;
use crate::plan::{PlanKind, PlanNode};
use std::mem;

/// How many conditions saved segments may become all together: a chain in which each segment names
/// the one before twice doubles with every link, and no memory holds what comes of fifty.
const INLINED_NODES_MAX: usize = 1_000_000;

/// A saved segment that is being planned.
pub(super) struct Inlined {
    name: String,
    /// Where the outermost one was written: what is inside has no place in the text at hand.
    span: Span,
}

impl Planner<'_> {
    /// A finding as the reader of the text at hand can use it: one about the inside of a saved
    /// segment names that segment and stands where the text names the outermost one.
    pub(super) fn seen_from_outside(
        &self,
        mut finding: Diagnostic,
        span: Span,
    ) -> (Diagnostic, Span) {
        let (Some(outermost), Some(innermost)) = (self.inlined.first(), self.inlined.last()) else {
            return (finding, span);
        };
        finding.message = format!("in segment `{}`: {}", innermost.name, finding.message);
        finding.span = None;
        (finding, outermost.span)
    }

    /// The definition in the place of its name; nobody, and a finding, where there is none.
    pub(super) fn saved_segment(&mut self, expr: &Expr, name: &str) -> PlanNode {
        let nobody = || PlanNode {
            id: 0,
            text: expr.to_string(),
            kind: PlanKind::Nobody,
            saved: None,
            cost_rows: 0,
            selectivity: 0.0,
        };
        let outer = self.own_name.iter().map(String::as_str);
        let outer: Vec<&str> = outer
            .chain(self.inlined.iter().map(|outer| &*outer.name))
            .collect();
        if let Some(position) = outer.iter().position(|outer| *outer == name) {
            let path = [&outer[position..], &[name]].concat();
            let finding = Diagnostic::error(
                "cycle",
                format!("saved segments form a cycle: {}", path.join(" → ")),
            )
            .help("a segment cannot be part of its own definition");
            self.report(finding, expr.span);
            return nobody();
        }
        let segment = match self.catalog.saved_segment(name) {
            None => {
                let names = self.catalog.saved_segment_names();
                let is_list = self.catalog.static_list(name).is_some();
                let elsewhere = is_list.then(|| call("list", name));
                self.not_saved(
                    "saved segment",
                    "segment",
                    name,
                    &names,
                    elsewhere,
                    expr.span,
                );
                return nobody();
            }
            Some(Err(error)) => {
                let finding = Diagnostic::error(
                    "saved-segment",
                    format!("saved segment `{name}` cannot be read: {}", error.message()),
                )
                .help("save it again");
                self.report(finding, expr.span);
                return nobody();
            }
            Some(Ok(segment)) => segment,
        };
        self.inlined.push(Inlined {
            name: name.to_owned(),
            span: expr.span,
        });
        for warning in segment.warnings() {
            self.report(warning.clone(), Span::default());
        }
        let mut node = self.nested(nobody(), |planner| planner.node(&segment.root));
        self.inlined.pop();
        node.saved = Some(name.to_owned());
        node
    }

    /// Counts a condition of a saved segment; false if there have been too many.
    pub(super) fn may_inline(&mut self) -> bool {
        if self.inlined.is_empty() {
            return true;
        }
        self.inlined_nodes += 1;
        if self.inlined_nodes == INLINED_NODES_MAX {
            let message = format!(
                "saved segments within saved segments become more than {INLINED_NODES_MAX} conditions"
            );
            // Seen from the text at hand, whichever segment was the last.
            let inlined = mem::take(&mut self.inlined);
            let span = inlined.first().map_or(Span::default(), |outer| outer.span);
            self.report(Diagnostic::error("too-large", message), span);
            self.inlined = inlined;
        }
        self.inlined_nodes < INLINED_NODES_MAX
    }

    /// The users of a list; nobody, and a finding, where there is none.
    pub(super) fn static_list(&mut self, name: &str, span: Span) -> PlanKind {
        match self.catalog.static_list(name) {
            Some(Ok(ids)) if ids.is_empty() => PlanKind::Nobody,
            Some(Ok(ids)) => PlanKind::List {
                name: name.to_owned(),
                ids,
            },
            Some(Err(reason)) => {
                let message = format!("list `{name}` cannot be read: {reason}");
                let finding = Diagnostic::error("static-list", message).help("save it again");
                self.report(finding, span);
                PlanKind::Nobody
            }
            None => {
                let names = self.catalog.static_list_names();
                let is_segment = self.catalog.saved_segment(name).is_some();
                let elsewhere = is_segment.then(|| call("segment", name));
                self.not_saved("list", "list", name, &names, elsewhere, span);
                PlanKind::Nobody
            }
        }
    }

    /// A name that was never saved is an error: unlike an event it does not come by itself.
    fn not_saved(
        &mut self,
        what: &str,
        function: &str,
        name: &str,
        names: &[String],
        elsewhere: Option<String>,
        span: Span,
    ) {
        let shown: String = name.chars().take(60).collect();
        let finding = Diagnostic::error("not-saved", format!("there is no {what} `{shown}`"));
        let like = elsewhere.or_else(|| {
            let near = nearest(name, names.iter().map(String::as_str))?;
            Some(call(function, near))
        });
        let finding = match like {
            Some(like) if self.located && self.inlined.is_empty() => finding
                .help(format!("did you mean `{like}`?"))
                .suggest(span, like),
            Some(like) => finding.help(format!("did you mean `{like}`?")),
            None => finding.help(format!(
                "`crowdset {function} list` shows what is saved, `crowdset {function} save` saves"
            )),
        };
        self.report(finding, span);
    }
}

fn call(function: &str, name: &str) -> String {
    format!("{function}('{}')", name.replace('\'', "''"))
}
