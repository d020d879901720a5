//! `crowdset explain`: the plan, and with `--analyze` what answering it cost.

mod picture;

use crate::args::Explain;
use crate::failure::Failure;
use crate::meaning::{self, Meaning};
use crate::output;
use crowdset::{Analysis, NodeProfile, PlanNode, Prepared, memory_bandwidth};
use serde_json::{Value, json};
use std::fs;
use std::io::{self, Write};
use std::thread;
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
        let cost = Cost::of(&prepared, meaning.threads)?;
        if let Some(path) = &args.svg {
            let text = meaning::segment_text(&args.of.segment)?;
            fs::write(path, picture::draw(&cost, &text)).map_err(|error| {
                Failure::io(format_args!("cannot write `{}`", path.display()), &error)
            })?;
        }
        if meaning.json {
            let mut object = cost.to_json();
            object["warnings"] = json!(meaning::located(&segment, prepared.warnings()));
            return output::print_json(&mut meaning.out, &object);
        }
        cost.print(&mut meaning.out)?;
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

/// What answering a segment cost, on this machine, now.
pub(crate) struct Cost {
    /// The second answer: files are mapped and checked.
    analysis: Analysis,
    /// How long the first one took.
    first: Duration,
    /// Bytes a second that the threads can read from memory.
    bandwidth: f64,
}

impl Cost {
    /// Answers twice, then measures the machine's memory.
    pub(crate) fn of(prepared: &Prepared, threads: Option<usize>) -> Result<Self, Failure> {
        let first = prepared.analyze().map_err(crowdset::Error::from)?.elapsed();
        let analysis = prepared.analyze().map_err(crowdset::Error::from)?;
        let cores = || thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Ok(Self {
            analysis,
            first,
            bandwidth: memory_bandwidth(threads.unwrap_or_else(cores)),
        })
    }

    /// Shows it as a table, one node of the plan a line.
    pub(crate) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let head = [
            "#",
            "condition",
            "answered by",
            "users",
            "chunks",
            "rows",
            "skipped",
            "bytes",
            "time",
            "bandwidth",
        ];
        let mut table = output::table(&head, &[0, 3, 4, 5, 6, 7, 8, 9]);
        self.add_rows(&self.analysis.plan().root, 0, &mut table);
        output::print_table(out, &table)?;
        let audience = self.analysis.audience();
        writeln!(
            out,
            "\n{} of {} users as of {}, in {}; the first time in {}",
            output::number(audience.len()),
            output::number(audience.universe_len()),
            audience.as_of(),
            output::duration(self.analysis.elapsed()),
            output::duration(self.first),
        )?;
        writeln!(
            out,
            "{} read by {}, {} of the {:.1} GB/s that this machine reads from memory",
            output::bytes(self.analysis.bytes()),
            workers(&self.analysis),
            output::ratio(self.rate() / self.bandwidth),
            self.bandwidth / 1e9,
        )
    }

    /// Bytes a second over the whole answer.
    fn rate(&self) -> f64 {
        let seconds = self.analysis.elapsed().as_secs_f64();
        self.analysis.bytes() as f64 / seconds.max(f64::MIN_POSITIVE)
    }

    /// The share of the machine's bandwidth that a node reached.
    fn share(&self, node: &NodeProfile) -> Option<f64> {
        let rate = self.analysis.bytes_per_second(node)?;
        Some(rate / self.bandwidth)
    }

    fn add_rows(&self, node: &PlanNode, depth: usize, table: &mut comfy_table::Table) {
        let label = format!("{:1$}{2}", "", depth * 2, node.label());
        let mut cells = vec![node.id.to_string(), label];
        if let Some(cost) = self.analysis.node(node.id) {
            cells.extend([
                cost.path.to_string(),
                output::number(cost.users),
                format!("{} of {}", cost.chunks, cost.chunks + cost.chunks_skipped),
                output::number(cost.rows),
                output::number(cost.rows_skipped),
                output::bytes(cost.bytes),
                output::duration(Duration::from_nanos(cost.nanos)),
                self.share(cost).map(output::ratio).unwrap_or_default(),
            ]);
        }
        table.add_row(cells);
        for child in node.children() {
            self.add_rows(child, depth + 1, table);
        }
    }

    /// The object that `--analyze --json` prints, but for the warnings.
    pub(crate) fn to_json(&self) -> Value {
        let audience = self.analysis.audience();
        json!({
            "as_of": audience.as_of().to_string(),
            "count": audience.len(),
            "universe": audience.universe_len(),
            "elapsed_us": micros(self.analysis.elapsed()),
            "first_elapsed_us": micros(self.first),
            "workers": self.analysis.profile().workers,
            "chunks": self.analysis.profile().chunks,
            "bytes": self.analysis.bytes(),
            "bytes_per_second": self.rate(),
            "memory_bandwidth": self.bandwidth,
            "plan": node_json(&self.analysis.plan().root, Some(self)),
        })
    }
}

/// `1 thread`, `2 threads`.
fn workers(analysis: &Analysis) -> String {
    match analysis.profile().workers {
        1 => "1 thread".to_owned(),
        workers => format!("{workers} threads"),
    }
}

fn node_json(node: &PlanNode, cost: Option<&Cost>) -> Value {
    let children: Vec<Value> = node
        .children()
        .iter()
        .map(|child| node_json(child, cost))
        .collect();
    let mut object = json!({
        "id": node.id,
        "text": node.text,
        "estimated_rows": node.cost_rows,
        "estimated_share": node.selectivity,
        "children": children,
    });
    if let Some((cost, profile)) = cost.and_then(|cost| Some((cost, cost.analysis.node(node.id)?)))
    {
        object["profile"] = json!({
            "answered_by": profile.path.to_string(),
            "users": profile.users,
            "chunks": profile.chunks,
            "chunks_skipped": profile.chunks_skipped,
            "rows": profile.rows,
            "rows_skipped": profile.rows_skipped,
            "bytes": profile.bytes,
            "index_sets": profile.index_sets,
            "pruned": profile.pruned,
            "time_us": micros(Duration::from_nanos(profile.nanos)),
            "bytes_per_second": cost.analysis.bytes_per_second(profile),
            "bandwidth_share": cost.share(profile),
        });
    }
    object
}

/// Microseconds with a fraction: many nodes take less than one.
fn micros(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1e3
}
