//! Terms: the keys of sets.

use std::fmt;

/// The key of one set of users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Term<'a> {
    /// Users with an event of this name.
    Event(&'a str),
    /// Users with an event whose property has this text.
    Value {
        /// The event name.
        event: &'a str,
        /// The dotted path.
        property: &'a str,
        /// The text's code in the dictionary of that stream's column.
        code: u32,
    },
    /// Users with this value of an attribute, at the end of time.
    Attribute {
        /// A number for the table, chosen by the caller.
        table: u8,
        /// The attribute's name.
        name: &'a str,
        /// The text's code in the dictionary of the attribute's column.
        code: u32,
    },
}

impl<'a> Term<'a> {
    /// The group of the term, and its place there.
    pub(crate) fn split(self) -> (GroupKey<'a>, u32) {
        match self {
            Self::Event(name) => (
                GroupKey {
                    kind: GroupKey::EVENT,
                    first: name,
                    second: "",
                },
                0,
            ),
            Self::Value {
                event,
                property,
                code,
            } => (GroupKey::value(event, property), code),
            Self::Attribute { table, name, code } => (GroupKey::attribute(table, name), code),
        }
    }
}

/// What the sets of one group have in common: everything but the code.
///
/// Ordered by kind, then names: the order of groups in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GroupKey<'a> {
    /// 0: event, 1: values of a property, 2 and up: attributes of table `kind - 2`.
    pub(crate) kind: u16,
    pub(crate) first: &'a str,
    pub(crate) second: &'a str,
}

impl<'a> GroupKey<'a> {
    pub(crate) const EVENT: u16 = 0;
    pub(crate) const VALUE: u16 = 1;
    pub(crate) const ATTRIBUTE: u16 = 2;

    pub(crate) fn value(event: &'a str, property: &'a str) -> Self {
        Self {
            kind: Self::VALUE,
            first: event,
            second: property,
        }
    }

    pub(crate) fn attribute(table: u8, name: &'a str) -> Self {
        Self {
            kind: Self::ATTRIBUTE + u16::from(table),
            first: name,
            second: "",
        }
    }
}

impl fmt::Display for GroupKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Self::EVENT => write!(f, "event {}", self.first),
            Self::VALUE => write!(f, "values of {}.{}", self.first, self.second),
            _ => write!(f, "values of attribute {}", self.first),
        }
    }
}
