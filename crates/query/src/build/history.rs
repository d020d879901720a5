//! What attributes were: had, changed, held.

use super::{Subject, Testable, attribute};
use crate::ast::{
    AttributeOperand, AttributeRef, Cast, Expr, ExprKind, Literal, Segment, Test, Window,
};
use crowdset_types::DurationMillis;

fn operand(name: &str) -> AttributeOperand {
    AttributeOperand {
        attribute: attribute(name),
        cast: None,
    }
}

/// An attribute in the past, to be tested. Made by [`had`].
#[derive(Debug, Clone, PartialEq)]
pub struct Past(AttributeOperand);

/// `had(attr …)`: `had("plan").eq("pro").within(last(days(30)))`.
pub fn had(name: &str) -> Subject<Past> {
    Subject(Past(operand(name)))
}

impl Testable for Past {
    type Tested = Had;

    fn tested(self, test: Test) -> Had {
        Had {
            operand: self.0,
            test,
            window: Window::Ever,
        }
    }

    fn cast_to(self, cast: Cast) -> Self {
        Self(self.0.cast_to(cast))
    }
}

/// `had(attr OP value)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Had {
    operand: AttributeOperand,
    test: Test,
    window: Window,
}

impl Had {
    /// The same within a window.
    pub fn within(mut self, window: Window) -> Self {
        self.window = window;
        self
    }
}

impl From<Had> for Expr {
    fn from(had: Had) -> Self {
        let Had {
            operand,
            test,
            window,
        } = had;
        ExprKind::Had {
            operand,
            test,
            window,
        }
        .into()
    }
}

impl From<Had> for Segment {
    fn from(had: Had) -> Self {
        Self::new(had.into())
    }
}

/// An attribute over the last so many days, to be tested. Made by [`held`].
#[derive(Debug, Clone, PartialEq)]
pub struct Throughout {
    operand: AttributeOperand,
    length: DurationMillis,
}

/// `held(attr …, for 7 days)`: `held("plan", days(7)).eq("pro")`.
pub fn held(name: &str, length: DurationMillis) -> Subject<Throughout> {
    Subject(Throughout {
        operand: operand(name),
        length,
    })
}

impl Testable for Throughout {
    type Tested = Expr;

    fn tested(self, test: Test) -> Expr {
        ExprKind::Held {
            operand: self.operand,
            test,
            length: self.length,
        }
        .into()
    }

    fn cast_to(self, cast: Cast) -> Self {
        Self {
            operand: self.operand.cast_to(cast),
            ..self
        }
    }
}

/// `changed(attr)`. Made by [`changed`].
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    attribute: AttributeRef,
    from: Option<Literal>,
    to: Option<Literal>,
    window: Window,
}

/// `changed(attr)`: one value followed another.
pub fn changed(name: &str) -> Changed {
    Changed {
        attribute: attribute(name),
        from: None,
        to: None,
        window: Window::Ever,
    }
}

impl Changed {
    /// `from v`: the value before.
    pub fn from(mut self, value: impl Into<Literal>) -> Self {
        self.from = Some(value.into());
        self
    }

    /// `to v`: the value after.
    pub fn to(mut self, value: impl Into<Literal>) -> Self {
        self.to = Some(value.into());
        self
    }

    /// The same within a window.
    pub fn within(mut self, window: Window) -> Self {
        self.window = window;
        self
    }
}

impl From<Changed> for Expr {
    fn from(changed: Changed) -> Self {
        let Changed {
            attribute,
            from,
            to,
            window,
        } = changed;
        ExprKind::Changed {
            attribute,
            from,
            to,
            window,
        }
        .into()
    }
}

impl From<Changed> for Segment {
    fn from(changed: Changed) -> Self {
        Self::new(changed.into())
    }
}
