//! What an answer cost, as a picture: a row a node, its time as a bar, who is left of all users.

use super::{Cost, workers};
use crate::output;
use crowdset::{NodeProfile, PlanNode};
use std::fmt::Write;
use std::time::Duration;

const WIDTH: f64 = 1_100.0;
const TOP: f64 = 112.0;
const ROW: f64 = 46.0;
const INDENT: f64 = 18.0;
/// Where time begins and ends.
const TIME: (f64, f64) = (470.0, 800.0);
/// Where users begin and end.
const USERS: (f64, f64) = (900.0, 1_000.0);
/// Letters of a label that fit, at the root.
const LABEL_LETTERS: usize = 62;

const INK: &str = "#1f2328";
const PALE: &str = "#59636e";
const LINE: &str = "#d1d9e0";

/// The ways to answer, in the order of the legend, with what they mean to a reader.
const PATHS: [(&str, &str, &str); 7] = [
    ("scan", "#2f6fd0", "rows of events"),
    ("index", "#0a7d5a", "sets of users"),
    ("summary", "#6a9b1f", "what is kept of rows"),
    ("column", "#1b8fa6", "a column of attributes"),
    ("history", "#8250c4", "values over time"),
    ("rank", "#d1690e", "everybody ranked"),
    ("algebra", "#8c959f", "parts combined"),
];

/// The picture as the text of an SVG file.
pub(super) fn draw(cost: &Cost, segment: &str) -> String {
    let root = &cost.analysis.plan().root;
    let mut rows = Vec::new();
    flatten(root, 0, &mut rows);
    let height = TOP + ROW * rows.len() as f64 + 16.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    let audience = cost.analysis.audience();
    let title = shorten(&one_line(segment), 120);
    text(
        &mut svg,
        16.0,
        26.0,
        INK,
        "font-size=\"15\" font-weight=\"600\"",
        &title,
    );
    let summary = format!(
        "{} of {} users as of {}, in {} by {}; {} read, {} of the machine's {:.1} GB/s",
        output::number(audience.len()),
        output::number(audience.universe_len()),
        audience.as_of(),
        output::duration(cost.analysis.elapsed()),
        workers(&cost.analysis),
        output::bytes(cost.analysis.bytes()),
        output::ratio(cost.rate() / cost.bandwidth),
        cost.bandwidth / 1e9,
    );
    text(&mut svg, 16.0, 46.0, PALE, "", &summary);
    let mut x = 16.0;
    let taken = &cost.analysis.profile().nodes;
    for (word, colour, meaning) in PATHS {
        if !taken.iter().any(|node| node.path.to_string() == word) {
            continue;
        }
        bar(&mut svg, (x, 62.0), 10.0, 10.0, colour, 1.0);
        let label = format!("{word}: {meaning}");
        text(&mut svg, x + 15.0, 71.0, PALE, "", &label);
        x += 34.0 + 6.4 * label.chars().count() as f64;
    }
    text(
        &mut svg,
        TIME.0,
        98.0,
        PALE,
        "",
        "time of all threads; pale: in its parts",
    );
    text(&mut svg, USERS.0, 98.0, PALE, "", "users found");
    let whole = cost
        .analysis
        .node(root.id)
        .map_or(1, |node| node.nanos.max(1));
    for (place, &(depth, node)) in rows.iter().enumerate() {
        let y = TOP + ROW * place as f64;
        let x = 16.0 + INDENT * depth as f64;
        let _ = writeln!(
            svg,
            "<line x1=\"16\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\" stroke=\"{LINE}\"/>",
            WIDTH - 16.0
        );
        let letters = LABEL_LETTERS.saturating_sub(depth * 3).max(16);
        text(
            &mut svg,
            x,
            y + 18.0,
            INK,
            "",
            &shorten(&one_line(&node.label()), letters),
        );
        if let Some(profile) = cost.analysis.node(node.id) {
            text(
                &mut svg,
                x,
                y + 35.0,
                PALE,
                "font-size=\"11\"",
                &told(cost, profile),
            );
            times(&mut svg, cost, node, profile, whole, y);
            found(&mut svg, profile, audience.universe_len(), y);
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn flatten<'p>(node: &'p PlanNode, depth: usize, rows: &mut Vec<(usize, &'p PlanNode)>) {
    rows.push((depth, node));
    for child in node.children() {
        flatten(child, depth + 1, rows);
    }
}

/// How a node was answered and what it read, in one line.
fn told(cost: &Cost, profile: &NodeProfile) -> String {
    let mut line = profile.path.to_string();
    if profile.chunks_skipped > 0 {
        let all = profile.chunks + profile.chunks_skipped;
        let _ = write!(line, ", {} of {all} chunks", profile.chunks);
    }
    if profile.rows + profile.rows_skipped > 0 {
        let _ = write!(
            line,
            ", {} rows read, {} skipped",
            output::number(profile.rows),
            output::number(profile.rows_skipped)
        );
    }
    if let Some(share) = cost.share(profile) {
        let _ = write!(
            line,
            ", {} at {} of bandwidth",
            output::bytes(profile.bytes),
            output::ratio(share)
        );
    }
    line
}

/// The node's own time in the colour of its path, that of its parts pale behind it.
fn times(
    svg: &mut String,
    cost: &Cost,
    node: &PlanNode,
    profile: &NodeProfile,
    whole: u64,
    y: f64,
) {
    let of_parts: u64 = node
        .children()
        .iter()
        .filter_map(|child| cost.analysis.node(child.id))
        .map(|child| child.nanos)
        .sum();
    let own = profile.nanos.saturating_sub(of_parts);
    let scale = |nanos: u64| (TIME.1 - TIME.0) * (nanos as f64 / whole as f64).min(1.0);
    let word = profile.path.to_string();
    let colour = PATHS
        .iter()
        .find(|(path, ..)| *path == word)
        .map_or(PALE, |(_, colour, _)| colour);
    bar(
        svg,
        (TIME.0, y + 12.0),
        scale(profile.nanos),
        20.0,
        colour,
        0.25,
    );
    bar(
        svg,
        (TIME.0, y + 12.0),
        scale(own).max(1.0),
        20.0,
        colour,
        1.0,
    );
    let label = output::duration(Duration::from_nanos(profile.nanos));
    text(
        svg,
        TIME.0 + scale(profile.nanos) + 6.0,
        y + 26.0,
        INK,
        "",
        &label,
    );
}

fn found(svg: &mut String, profile: &NodeProfile, universe: u64, y: f64) {
    let width = USERS.1 - USERS.0;
    let share = profile.users as f64 / universe.max(1) as f64;
    bar(svg, (USERS.0, y + 16.0), width, 12.0, LINE, 1.0);
    bar(
        svg,
        (USERS.0, y + 16.0),
        width * share.min(1.0),
        12.0,
        INK,
        1.0,
    );
    text(
        svg,
        USERS.1 + 8.0,
        y + 26.0,
        INK,
        "",
        &output::number(profile.users),
    );
}

fn bar(svg: &mut String, (x, y): (f64, f64), width: f64, height: f64, fill: &str, opacity: f64) {
    let _ = writeln!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height}\" fill=\"{fill}\" opacity=\"{opacity}\"/>"
    );
}

fn text(svg: &mut String, x: f64, y: f64, fill: &str, more: &str, content: &str) {
    let _ = write!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"{fill}\" {more}>"
    );
    for letter in content.chars() {
        match letter {
            '<' => svg.push_str("&lt;"),
            '>' => svg.push_str("&gt;"),
            '&' => svg.push_str("&amp;"),
            // No other control character may stand in XML.
            letter if letter.is_control() => svg.push(' '),
            letter => svg.push(letter),
        }
    }
    svg.push_str("</text>\n");
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn shorten(text: &str, letters: usize) -> String {
    if text.chars().count() <= letters {
        return text.to_owned();
    }
    let kept: String = text.chars().take(letters.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}
