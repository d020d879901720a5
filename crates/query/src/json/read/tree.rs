//! What `and`, `or` and `not` join: conditions, and predicates over properties.
//!
//! They are read without recursion: what is open stands in a list, so that deep nesting takes no
//! stack.

use super::{NODES, PREDICATES, Reader, TREE_DEPTH_MAX, too_deep};
use crate::ast::{Expr, ExprKind, Predicate};
use crate::diagnostic::Diagnostic;
use crate::json::place::{Fields, Place, Read};

/// A tree of `and`, `or`, `not` and leaves.
pub(super) trait Tree: Sized {
    /// The keys that say what an object is, `and`, `or` and `not` among them.
    const KEYS: &'static [&'static str];
    /// What a leaf is called.
    const NAME: &'static str;

    /// The leaf of the key `kind`, whose value is `of`.
    fn leaf(
        reader: &mut Reader,
        kind: &str,
        of: &Place<'_>,
        place: &Place<'_>,
        fields: &mut Fields<'_>,
    ) -> Read<Self>;

    /// What is said of an object that has none of the keys.
    fn unknown(place: &Place<'_>, fields: &Fields<'_>) -> Diagnostic;

    fn not(inner: Self) -> Self;

    /// Of two parts or more.
    fn joined(is_and: bool, parts: Vec<Self>) -> Self;

    /// The parts, if it is joined in that way itself.
    fn parts(self, is_and: bool) -> Result<Vec<Self>, Self>;
}

impl Tree for Expr {
    const KEYS: &'static [&'static str] = &NODES;
    const NAME: &'static str = "condition";

    fn leaf(
        reader: &mut Reader,
        kind: &str,
        of: &Place<'_>,
        place: &Place<'_>,
        fields: &mut Fields<'_>,
    ) -> Read<Self> {
        reader.condition(kind, of, place, fields).map(Self::from)
    }

    fn unknown(place: &Place<'_>, fields: &Fields<'_>) -> Diagnostic {
        super::condition::no_condition(place, fields)
    }

    fn not(inner: Self) -> Self {
        ExprKind::Not(Box::new(inner)).into()
    }

    fn joined(is_and: bool, parts: Vec<Self>) -> Self {
        if is_and {
            ExprKind::And(parts).into()
        } else {
            ExprKind::Or(parts).into()
        }
    }

    fn parts(self, is_and: bool) -> Result<Vec<Self>, Self> {
        match self.kind {
            ExprKind::And(parts) if is_and => Ok(parts),
            ExprKind::Or(parts) if !is_and => Ok(parts),
            _ => Err(self),
        }
    }
}

impl Tree for Predicate {
    const KEYS: &'static [&'static str] = &PREDICATES;
    const NAME: &'static str = "predicate";

    fn leaf(
        _: &mut Reader,
        _: &str,
        _: &Place<'_>,
        place: &Place<'_>,
        fields: &mut Fields<'_>,
    ) -> Read<Self> {
        super::event::predicate_test(place, fields)
    }

    fn unknown(place: &Place<'_>, _: &Fields<'_>) -> Diagnostic {
        place.error("this object is no predicate").help(format!(
            "a predicate has one of the keys {}",
            PREDICATES.join(", ")
        ))
    }

    fn not(inner: Self) -> Self {
        Self::Not(Box::new(inner))
    }

    fn joined(is_and: bool, parts: Vec<Self>) -> Self {
        if is_and {
            Self::And(parts)
        } else {
            Self::Or(parts)
        }
    }

    fn parts(self, is_and: bool) -> Result<Vec<Self>, Self> {
        match self {
            Self::And(parts) if is_and => Ok(parts),
            Self::Or(parts) if !is_and => Ok(parts),
            _ => Err(self),
        }
    }
}

/// What has begun and waits for its parts.
enum Open<'a, T> {
    Not,
    Joined {
        is_and: bool,
        /// The parts still to be read.
        rest: Box<dyn Iterator<Item = Place<'a>> + 'a>,
        parts: Vec<T>,
    },
}

impl Reader {
    /// Reads a condition or a predicate.
    pub(super) fn tree<T: Tree>(&mut self, top: Place<'_>) -> Read<T> {
        let before = self.depth;
        let mut open = Vec::new();
        let tree = self.branches(top, &mut open);
        self.depth = before;
        tree
    }

    fn branches<'a, T: Tree>(
        &mut self,
        mut next: Place<'a>,
        open: &mut Vec<Open<'a, T>>,
    ) -> Read<T> {
        loop {
            if self.depth == TREE_DEPTH_MAX {
                return Err(too_deep(&next));
            }
            self.depth += 1;
            let mut done = match self.branch(&next, open)? {
                Branch::Inner(inner) => {
                    next = inner;
                    continue;
                }
                Branch::Leaf(leaf) => leaf,
            };
            self.depth -= 1;
            // What is complete becomes a part of what it stands in, up to where parts are missing.
            next = loop {
                match open.pop() {
                    None => return Ok(done),
                    Some(Open::Not) => done = T::not(done),
                    Some(Open::Joined {
                        is_and,
                        mut rest,
                        mut parts,
                    }) => {
                        match done.parts(is_and) {
                            Ok(inner) => parts.extend(inner),
                            Err(single) => parts.push(single),
                        }
                        if let Some(place) = rest.next() {
                            open.push(Open::Joined {
                                is_and,
                                rest,
                                parts,
                            });
                            break place;
                        }
                        done = if parts.len() == 1 {
                            parts.swap_remove(0)
                        } else {
                            T::joined(is_and, parts)
                        };
                    }
                }
                self.depth -= 1;
            };
        }
    }

    /// Begins what stands at a place.
    fn branch<'a, T: Tree>(
        &mut self,
        place: &Place<'a>,
        open: &mut Vec<Open<'a, T>>,
    ) -> Read<Branch<'a, T>> {
        let mut fields = place.object()?;
        let Some(kind) = fields.which(T::KEYS) else {
            return Err(T::unknown(place, &fields));
        };
        let of = fields.need(kind)?;
        Ok(match kind {
            "not" => {
                fields.finish_kind(kind, T::KEYS)?;
                open.push(Open::Not);
                Branch::Inner(of)
            }
            "and" | "or" => {
                fields.finish_kind(kind, T::KEYS)?;
                let mut rest = of.items()?;
                let Some(first) = rest.next() else {
                    return Err(of.error(format!(
                        "the list is empty; it needs at least one {}",
                        T::NAME
                    )));
                };
                open.push(Open::Joined {
                    is_and: kind == "and",
                    rest: Box::new(rest),
                    parts: Vec::new(),
                });
                Branch::Inner(first)
            }
            _ => {
                let leaf = T::leaf(self, kind, &of, place, &mut fields)?;
                fields.finish_kind(kind, T::KEYS)?;
                Branch::Leaf(leaf)
            }
        })
    }
}

enum Branch<'a, T> {
    /// What is open now; this stands in it.
    Inner(Place<'a>),
    Leaf(T),
}
