//! Crowdset's segment language: text and JSON to a syntax tree, and from there to a plan.

mod ast;
mod catalog;
mod diagnostic;
mod plan;

pub use ast::*;
pub use catalog::{Catalog, TypeSet};
pub use diagnostic::{Diagnostic, LocatedDiagnostic, SegmentError, Severity, Suggestion};
pub use plan::*;
