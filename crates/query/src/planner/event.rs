//! Event selectors: names against the catalog, predicates folded for each name.

use super::{Planner, test};
use crate::ast::{EventName, EventNames, EventSelector, Operand, Predicate, Span, Test};
use crate::catalog::TypeSet;
use crate::checks::nearest;
use crate::diagnostic::Diagnostic;
use crate::plan::{PlanEvent, PlanPredicate, PlanSelector, PlanTest};
use std::collections::BTreeMap;

impl Planner<'_> {
    pub(super) fn is_event(&self, name: &str) -> bool {
        self.catalog
            .event_names()
            .binary_search_by(|known| known.as_str().cmp(name))
            .is_ok()
    }

    /// Whether the name is known; an unknown one is reported.
    fn known_event(&mut self, event: &EventName) -> bool {
        if self.is_event(&event.name) {
            return true;
        }
        let like = nearest(
            &event.name,
            self.catalog.event_names().iter().map(String::as_str),
        );
        let like = like.map(|name| {
            if crate::lexer::is_plain_name(name) {
                name.to_owned()
            } else {
                format!("\"{name}\"")
            }
        });
        self.unknown("unknown-event", "event", &event.name, like, event.span);
        false
    }

    pub(super) fn selector(&mut self, selector: &EventSelector) -> PlanSelector {
        // Each name with the alternatives of its parts; `None` is a part without a predicate.
        let mut parts: BTreeMap<&str, Vec<Option<&Predicate>>> = BTreeMap::new();
        match &selector.names {
            EventNames::Any { except } => {
                for event in except {
                    self.known_event(event);
                }
                let left_out: Vec<&str> = except.iter().map(|event| event.name.as_str()).collect();
                let catalog = self.catalog;
                let names = catalog.event_names().iter().map(String::as_str);
                parts.extend(
                    names
                        .filter(|name| !left_out.contains(name))
                        .map(|name| (name, vec![None])),
                );
            }
            EventNames::One(event) => {
                if self.known_event(event) {
                    parts.insert(&event.name, vec![None]);
                }
            }
            EventNames::AnyOf(list) => {
                if list.is_empty() {
                    self.report(
                        Diagnostic::error("empty-list", "`any of` needs at least one event"),
                        selector.span,
                    );
                }
                for (event, filter) in list {
                    let known = self.known_event(event);
                    if let Some(filter) = filter {
                        let scope: &[&str] = if known { &[&event.name] } else { &[] };
                        self.lint(filter, scope);
                    }
                    if known {
                        parts.entry(&event.name).or_default().push(filter.as_ref());
                    }
                }
            }
        }
        if let Some(filter) = &selector.filter {
            let scope: Vec<&str> = parts.keys().copied().collect();
            self.lint(filter, &scope);
        }
        let mut events = Vec::with_capacity(parts.len());
        for (name, alternatives) in parts {
            let alternatives = alternatives
                .into_iter()
                .map(|filter| {
                    filter.map_or(PlanPredicate::Always, |filter| self.predicate(filter, name))
                })
                .collect();
            let shared = selector
                .filter
                .as_ref()
                .map_or(PlanPredicate::Always, |filter| self.predicate(filter, name));
            let filter = match all_of(vec![any_of(alternatives), shared]) {
                PlanPredicate::Never => continue,
                PlanPredicate::Always => None,
                filter => Some(filter),
            };
            events.push(PlanEvent {
                name: name.to_owned(),
                filter,
            });
        }
        let any_unfiltered = events.len() == self.catalog.event_names().len()
            && events.iter().all(|event| event.filter.is_none());
        PlanSelector {
            events,
            any_unfiltered,
        }
    }

    /// Looks over a predicate for events of these names: unknown properties, values that cannot
    /// be meant.
    fn lint(&mut self, predicate: &Predicate, names: &[&str]) {
        match predicate {
            Predicate::And(parts) | Predicate::Or(parts) => {
                for part in parts {
                    self.nested((), |planner| planner.lint(part, names));
                }
            }
            Predicate::Not(inner) => self.nested((), |planner| planner.lint(inner, names)),
            Predicate::Test {
                operand,
                test,
                span,
            } => {
                self.lint_operand(operand, test, names, *span);
            }
        }
    }

    /// Looks over one test. Returns whether any of the names has a value for the operand.
    pub(super) fn lint_operand(
        &mut self,
        operand: &Operand,
        test: &Test,
        names: &[&str],
        span: Span,
    ) -> bool {
        let (types, known) = match operand {
            Operand::Property(path) => {
                let types = self.property_types(path, names);
                (types.unwrap_or_default(), types.is_some())
            }
            Operand::Cast { cast, property } => (
                test::types_of_cast(*cast),
                self.property_types(property, names).is_some(),
            ),
            Operand::Timestamp => (
                TypeSet {
                    time: true,
                    ..TypeSet::default()
                },
                true,
            ),
            Operand::EventName | Operand::Hour { .. } | Operand::Weekday { .. } => {
                (TypeSet::default(), true)
            }
        };
        if let (false, Operand::Property(path) | Operand::Cast { property: path, .. }) =
            (known, operand)
        {
            self.lint_property(path, names, span);
        }
        self.lint_test(operand, test, types, span);
        known
    }

    /// The types of a property over these events; `None` if none of them has it.
    pub(super) fn property_types(&self, path: &str, names: &[&str]) -> Option<TypeSet> {
        let mut all: Option<TypeSet> = None;
        for name in names {
            if let Some(types) = self.catalog.property_types(name, path) {
                let all = all.get_or_insert_default();
                all.bool |= types.bool;
                all.number |= types.number;
                all.text |= types.text;
                all.time |= types.time;
                all.array |= types.array;
            }
        }
        all
    }

    /// Reports a property that none of these events has. Without a known event there is nothing
    /// to say about its properties.
    pub(super) fn lint_property(&mut self, path: &str, names: &[&str], span: Span) {
        if names.is_empty() || self.property_types(path, names).is_some() {
            return;
        }
        let mut known: Vec<String> = names
            .iter()
            .flat_map(|name| self.catalog.property_names(name))
            .collect();
        known.sort_unstable();
        known.dedup();
        let like = nearest(path, known.iter().map(String::as_str))
            .map(|path| Operand::Property(path.to_owned()).to_string());
        let shown: String = path.chars().take(60).collect();
        let events = match names {
            [name] => format!("event `{name}` has no property `{shown}`: it matches nothing"),
            _ => format!("none of the events has a property `{shown}`: it matches nothing"),
        };
        let mut finding = if self.options.strict {
            Diagnostic::error("unknown-property", events)
        } else {
            Diagnostic::warning("unknown-property", events)
        };
        if let Some(like) = like {
            finding = finding.help(format!("did you mean `{like}`?"));
        }
        self.report(finding, span);
    }

    /// A predicate over the rows of one event.
    fn predicate(&mut self, predicate: &Predicate, name: &str) -> PlanPredicate {
        match predicate {
            Predicate::And(parts) => all_of(self.predicates(parts, name)),
            Predicate::Or(parts) => any_of(self.predicates(parts, name)),
            Predicate::Not(inner) => {
                match self.nested(PlanPredicate::Never, |planner| {
                    planner.predicate(inner, name)
                }) {
                    PlanPredicate::Always => PlanPredicate::Never,
                    PlanPredicate::Never => PlanPredicate::Always,
                    inner => PlanPredicate::Not(Box::new(inner)),
                }
            }
            Predicate::Test { operand, test, .. } => self.predicate_test(operand, test, name),
        }
    }

    fn predicates(&mut self, parts: &[Predicate], name: &str) -> Vec<PlanPredicate> {
        parts
            .iter()
            .map(|part| {
                self.nested(PlanPredicate::Never, |planner| {
                    planner.predicate(part, name)
                })
            })
            .collect()
    }

    fn predicate_test(&mut self, operand: &Operand, test: &Test, name: &str) -> PlanPredicate {
        let constant = |verdict| {
            if verdict {
                PlanPredicate::Always
            } else {
                PlanPredicate::Never
            }
        };
        match operand {
            Operand::EventName => return constant(test::text_passes(test, name)),
            Operand::Property(path) | Operand::Cast { property: path, .. } => {
                if self.catalog.property_types(name, path).is_none() {
                    return constant(matches!(test, Test::IsNotSet));
                }
            }
            // Every event has a time.
            Operand::Timestamp | Operand::Hour { .. } | Operand::Weekday { .. } => match test {
                Test::IsSet => return PlanPredicate::Always,
                Test::IsNotSet => return PlanPredicate::Never,
                _ => {}
            },
        }
        match self.test(test) {
            Some(test) => PlanPredicate::Test {
                operand: operand.clone(),
                test: PlanTest::clone(&test),
            },
            None => PlanPredicate::Never,
        }
    }
}

/// The conjunction, flat and without constants.
fn all_of(parts: Vec<PlanPredicate>) -> PlanPredicate {
    let mut flat = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            PlanPredicate::Never => return PlanPredicate::Never,
            PlanPredicate::Always => {}
            PlanPredicate::And(inner) => flat.extend(inner),
            other => flat.push(other),
        }
    }
    match flat.len() {
        0 => PlanPredicate::Always,
        1 => flat.swap_remove(0),
        _ => PlanPredicate::And(flat),
    }
}

/// The disjunction, flat and without constants.
fn any_of(parts: Vec<PlanPredicate>) -> PlanPredicate {
    let mut flat = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            PlanPredicate::Always => return PlanPredicate::Always,
            PlanPredicate::Never => {}
            PlanPredicate::Or(inner) => flat.extend(inner),
            other => flat.push(other),
        }
    }
    match flat.len() {
        0 => PlanPredicate::Never,
        1 => flat.swap_remove(0),
        _ => PlanPredicate::Or(flat),
    }
}
