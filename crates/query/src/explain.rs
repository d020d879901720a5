//! The plan as a tree for people.

use crate::plan::{Plan, PlanKind, PlanNode};
use std::fmt::{self, Display, Formatter};

impl PlanNode {
    /// The parts of a joined condition, in the order in which they are tried.
    pub fn children(&self) -> &[PlanNode] {
        match &self.kind {
            PlanKind::And(parts) | PlanKind::Or(parts) => parts,
            PlanKind::Not(inner) => std::slice::from_ref(inner),
            _ => &[],
        }
    }

    /// One line for the node: `and`, `or`, `not`, or the condition; and what has become of it.
    pub fn label(&self) -> String {
        let label = self.own_label();
        match &self.saved {
            Some(name) => format!("{label}, as segment '{}'", name.replace('\'', "''")),
            None => label,
        }
    }

    fn own_label(&self) -> String {
        match &self.kind {
            PlanKind::And(_) => "and".to_owned(),
            PlanKind::Or(_) => "or".to_owned(),
            PlanKind::Not(_) => "not".to_owned(),
            PlanKind::Everyone if self.text != "everyone" => {
                format!("everyone, as always {}", self.text)
            }
            PlanKind::Nobody if self.text != "nobody" => format!("nobody, as never {}", self.text),
            _ => self.text.clone(),
        }
    }
}

impl Plan {
    /// All nodes, by ascending id.
    pub fn nodes(&self) -> Vec<&PlanNode> {
        fn visit<'a>(node: &'a PlanNode, out: &mut Vec<&'a PlanNode>) {
            out.push(node);
            node.children().iter().for_each(|child| visit(child, out));
        }
        let mut nodes = Vec::with_capacity(self.node_count as usize);
        visit(&self.root, &mut nodes);
        nodes
    }
}

impl Display for Plan {
    /// A tree of one line per node: its id, the condition, the estimated share of users it
    /// selects and rows it reads.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "as of {}", self.as_of)?;
        print(f, &self.root, "", "", "")
    }
}

fn print(
    f: &mut Formatter<'_>,
    node: &PlanNode,
    indent: &str,
    branch: &str,
    below: &str,
) -> fmt::Result {
    let percent = node.selectivity * 100.0;
    let rows = grouped(node.cost_rows);
    write!(
        f,
        "\n{indent}{branch}#{} {}  ~{percent:.1} % of users, ~{rows} rows",
        node.id,
        node.label()
    )?;
    let indent = format!("{indent}{below}");
    let children = node.children();
    for (index, child) in children.iter().enumerate() {
        let (branch, below) = if index + 1 == children.len() {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        print(f, child, &indent, branch, below)?;
    }
    Ok(())
}

/// A number with commas between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
