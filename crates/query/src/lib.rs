//! Crowdset's segment language: text and JSON to a syntax tree, and from there to a plan.

mod ast;
mod catalog;
mod checks;
mod diagnostic;
mod explain;
mod lexer;
mod parser;
mod plan;
mod planner;
mod print;

pub use ast::*;
pub use catalog::{Catalog, TypeSet};
pub use diagnostic::{Diagnostic, LocatedDiagnostic, SegmentError, Severity, Suggestion};
pub use plan::*;
pub use planner::{PlanOptions, plan};

impl Segment {
    /// Reads the text form.
    ///
    /// # Errors
    ///
    /// [`SegmentError`] with everything that is wrong.
    pub fn parse_text(text: &str) -> Result<Self, SegmentError> {
        parser::parse(text)
    }
}

impl std::str::FromStr for Segment {
    type Err = SegmentError;

    fn from_str(text: &str) -> Result<Self, SegmentError> {
        Self::parse_text(text)
    }
}
