//! `crowdset explain`: the plan, and with `--analyze` what answering it cost.

use crate::args::Explain;
use crate::failure::Failure;
use crate::meaning::{self, Meaning};
use crate::output;
use crowdset::{Analysis, NodeProfile, Path, PlanNode};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::time::Duration;

pub(crate) fn run(args: &Explain, meaning: &mut Meaning) -> Result<(), Failure> {
    let segment = meaning::segment(&args.of.segment)?;
    let engine = meaning.open(&args.of.store)?;
    let prepared = engine
        .snapshot()
        .prepare_with(&segment, meaning.as_of, &meaning.options())
        .map_err(crowdset::Error::from)?;
    if !meaning.json {
        meaning::warn(&segment, prepared.warnings());
    }
    if args.analyze {
        let analysis = prepared.analyze().map_err(crowdset::Error::from)?;
        if meaning.json {
            let mut object = analysis_json(&analysis);
            object["warnings"] = json!(meaning::located(&segment, prepared.warnings()));
            return output::print_json(&mut meaning.out, &object);
        }
        print_analysis(&analysis, &mut meaning.out)?;
        return Ok(());
    }
    if meaning.json {
        let object = json!({
            "as_of": prepared.as_of().to_string(),
            "plan": node_json(&prepared.plan().root, None),
            "warnings": meaning::located(&segment, prepared.warnings()),
        });
        return output::print_json(&mut meaning.out, &object);
    }
    writeln!(meaning.out, "{}", prepared.plan().to_string().trim_end())?;
    Ok(())
}

/// Shows a profile as a table, one node of the plan a line.
pub(crate) fn print_analysis(analysis: &Analysis, out: &mut dyn Write) -> io::Result<()> {
    let mut table = output::table(
        &[
            "#",
            "condition",
            "answered by",
            "users",
            "rows",
            "bytes",
            "time",
        ],
        &[0, 3, 4, 5, 6],
    );
    add_rows(&analysis.plan().root, 0, analysis, &mut table);
    output::print_table(out, &table)?;
    let audience = analysis.audience();
    writeln!(
        out,
        "\n{} of {} users as of {}, in {}",
        output::number(audience.len()),
        output::number(audience.universe_len()),
        audience.as_of(),
        output::duration(analysis.elapsed())
    )
}

fn add_rows(node: &PlanNode, depth: usize, analysis: &Analysis, table: &mut comfy_table::Table) {
    let cost = analysis.node(node.id);
    let shown = |show: fn(&NodeProfile) -> String| cost.map(show).unwrap_or_default();
    table.add_row([
        node.id.to_string(),
        format!("{:1$}{2}", "", depth * 2, node.label()),
        shown(|cost| path_word(cost.path).to_owned()),
        shown(|cost| output::number(cost.users)),
        shown(|cost| output::number(cost.rows)),
        shown(|cost| output::bytes(cost.bytes)),
        shown(|cost| output::duration(Duration::from_nanos(cost.nanos))),
    ]);
    for child in node.children() {
        add_rows(child, depth + 1, analysis, table);
    }
}

/// How a node was answered, in one word.
fn path_word(path: Path) -> &'static str {
    match path {
        Path::Algebra => "algebra",
        Path::Index => "index",
        Path::Summary => "summary",
        Path::Scan => "scan",
        Path::Column => "column",
        Path::History => "history",
        Path::Rank => "rank",
        _ => "other",
    }
}

/// The object that `--analyze --json` prints, but for the warnings.
pub(crate) fn analysis_json(analysis: &Analysis) -> Value {
    let audience = analysis.audience();
    json!({
        "as_of": audience.as_of().to_string(),
        "count": audience.len(),
        "universe": audience.universe_len(),
        "elapsed_us": micros(analysis.elapsed()),
        "plan": node_json(&analysis.plan().root, Some(analysis)),
    })
}

fn node_json(node: &PlanNode, analysis: Option<&Analysis>) -> Value {
    let children: Vec<Value> = node
        .children()
        .iter()
        .map(|child| node_json(child, analysis))
        .collect();
    let mut object = json!({
        "id": node.id,
        "text": node.text,
        "estimated_rows": node.cost_rows,
        "estimated_share": node.selectivity,
        "children": children,
    });
    if let Some(cost) = analysis.and_then(|analysis| analysis.node(node.id)) {
        object["profile"] = json!({
            "answered_by": path_word(cost.path),
            "users": cost.users,
            "rows": cost.rows,
            "bytes": cost.bytes,
            "chunks": cost.chunks,
            "index_sets": cost.index_sets,
            "pruned": cost.pruned,
            "time_us": micros(Duration::from_nanos(cost.nanos)),
        });
    }
    object
}

/// Microseconds with a fraction: many nodes take less than one.
fn micros(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1e3
}
