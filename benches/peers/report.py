"""The table and the pictures of a run: Markdown and plain SVG.

`report.py FOLDER [DOCUMENT]` draws them again from results.json, and puts the table into a document.
"""

import json
import math
import os
import statistics
import sys
from html import escape
from pathlib import Path

INK, PALE, GRID = "#1f2328", "#59636e", "#d1d9e0"
COLOURS = {"Crowdset": "#0a7d5a", "DuckDB": "#d99a00", "Polars": "#2f6fd0", "DataFusion": "#c2452d", "ClickHouse (chdb)": "#8250c4"}


def name_of(peer):
    return peer["peer"]


def agrees(ours, theirs):
    """Whether two answers are one; a peer may have answered only the first of many sizes."""
    if "sizes" in ours and "sizes" in theirs:
        return len(theirs["sizes"]) > 0 and ours["sizes"][: len(theirs["sizes"])] == theirs["sizes"]
    if "groups" in ours and "groups" in theirs:
        return sorted(map(list, ours["groups"])) == sorted(map(list, theirs["groups"]))
    return all(ours.get(key) == theirs.get(key) for key in ours.keys() | theirs.keys())


def compare(results):
    """What peers answered otherwise, a line each."""
    wrong = []
    for peer in results["peers"]:
        for question, told in peer["questions"].items():
            if "answer" in told:
                ours = results["crowdset"]["questions"][question]["answer"]
                told["equal"] = agrees(ours, told["answer"])
                if not told["equal"]:
                    wrong.append(f"{question}: {name_of(peer)} {short(told['answer'])}, Crowdset {short(ours)}")
    return wrong


def short(answer):
    return json.dumps(answer)[:120]


def write(results, folder):
    compare(results)
    (folder / "table.md").write_text(table(results))
    (folder / "queries.svg").write_text(queries(results))
    (folder / "memory.svg").write_text(bars("Memory, GB", memory(results)))
    (folder / "load.svg").write_text(bars("Load: Parquet with JSON text, to the first answer; million events a second", loads(results)))


def insert(results, folder, document):
    """Puts the table and the pictures between the document's marks for as many events."""
    begin = f"<!-- results: {results['crowdset']['state']['events']} events -->"
    end = "<!-- end of results -->"
    before, found, rest = document.read_text().partition(begin)
    if not found or end not in rest:
        sys.exit(f"{document} has no `{begin}` … `{end}` to put the table between")
    after = rest.partition(end)[2]
    near = Path(os.path.relpath(folder, document.parent)).as_posix()
    pictures = "\n".join(f"![{name}]({near}/{name}.svg)" for name in ("queries", "memory", "load"))
    document.write_text(f"{before}{begin}\n\n{table(results)}\n{pictures}\n\n{end}{after}")


def milliseconds(micros):
    value = micros / 1e3
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def times(factor):
    return f"{factor:.1f}" if factor < 10 else f"{factor:,.0f}"


def best_of(results, question, figure="median_us"):
    """The fastest peer with the right answer: its time and name."""
    told = [(peer["questions"][question][figure], name_of(peer)) for peer in results["peers"]
            if peer["questions"].get(question, {}).get("equal")]
    return min(told, default=None)


def table(results):
    crowdset, peers = results["crowdset"], results["peers"]
    events = crowdset["state"]["events"]
    lines = [
        f"{events:,} events of {crowdset['state']['users']:,} users over 90 days; {crowdset['machine']}; {crowdset['threads']} threads;",
        f"{results['date']}, load average before the run {results['load_average']:.1f}. Medians of {crowdset['runs']} warm runs, in milliseconds.",
        "**Bold** is the fastest. Factor: the fastest peer's time over Crowdset's; CPU: the same of processor time, which other",
        "work on the machine disturbs less.",
        "",
        "| | question | answer | Crowdset | " + " | ".join(name_of(peer) for peer in peers) + " | factor | CPU |",
        "|---|---|--:|--:|" + "--:|" * (len(peers) + 2),
    ]
    if earlier := results.get("peers_run"):
        lines[4:4] = [f"The peers' figures are those of a run on {earlier['date']} (load average before it {earlier['load_average']:.1f}); Crowdset was",
                      "measured again since: same machine, same tables, all answers compared again."]
    if results["load_average"] > 1:
        lines[4:4] = ["**The machine was busy with other work: believe the CPU column, not the times.**"]
    factors, worked, notes = [], [], []
    for question, ours in crowdset["questions"].items():
        fastest = best_of(results, question)
        cells = []
        for peer in peers:
            told = peer["questions"].get(question)
            if told is None:
                cells.append("not reached")
            elif "error" in told:
                cells.append("failed")
                notes.append(f"{name_of(peer)}, {question}: {told['error']}")
            else:
                cell = milliseconds(told["median_us"])
                if not told["equal"]:
                    cell += " (wrong)"
                elif fastest and fastest[1] == name_of(peer) and fastest[0] < ours["median_us"]:
                    cell = f"**{cell}**"
                if "asked" in told:
                    cell = f"~{cell}"
                    notes.append(f"{name_of(peer)}, {question}: {told['asked']} of {len(ours['answer']['sizes'])} segments asked, their time scaled.")
                cells.append(cell)
        mine, factor = milliseconds(ours["median_us"]), ""
        if fastest:
            factors.append(fastest[0] / ours["median_us"])
            factor = times(factors[-1])
            worked.append(best_of(results, question, "processor_us")[0] / ours["processor_us"])
            if factors[-1] >= 1:
                mine = f"**{mine}**"
        lines.append(f"| {question} | {ours['title']} | {ours['total']:,} | {mine} | " + " | ".join(cells) + f" | {factor} | {times(worked[-1]) if fastest else ''} |")
    if factors:
        lost = [question for question in crowdset["questions"] if (best := best_of(results, question))
                and best[0] < crowdset["questions"][question]["median_us"]]
        below = [question for question in crowdset["questions"] if (best := best_of(results, question))
                 and best[0] < 10 * crowdset["questions"][question]["median_us"]]
        lines += ["", f"Against the fastest peer of each question: geometric mean {statistics.geometric_mean(factors):.0f}, "
                  f"smallest {min(factors):.1f}; in processor time {statistics.geometric_mean(worked):.0f} and {min(worked):.1f}. Lost: {', '.join(lost) or 'none'}. Below 10: {', '.join(below) or 'none'}."]
    checked = sum(told.get("equal", False) for peer in peers for told in peer["questions"].values())
    lines += [f"{checked} answers of peers compared and equal: sizes, and for sets of users a checksum of all ids in order."]
    lines += ["", "| | load, s | M events/s | peak of the load, GB | resident after it, GB | on disk, GB |", "|---|--:|--:|--:|--:|--:|"]
    for name, load in [("Crowdset", ours_load(crowdset)), *((name_of(peer), peer.get("load")) for peer in peers)]:
        if not load or not load.get("seconds"):
            lines.append(f"| {name} | failed | | | | |")
            continue
        gb = lambda key: f"{load[key] / 1e9:.2f}" if load.get(key) else "in memory only"
        lines.append(f"| {name} | {load['seconds']:.1f} | {events / load['seconds'] / 1e6:.2f} | {gb('peak_bytes')} | {gb('resident_bytes')} | {gb('disk_bytes')} |")
    reopen = crowdset["reopen"]
    lines += ["", f"Crowdset's resident memory is that after all questions, mapped files included. A new process opens the store in "
              f"{milliseconds(reopen['open_us'])} ms and has answered q02 {milliseconds(reopen['first_answer_us'])} ms after its start. "
              f"Read bandwidth of the memory in this run: {crowdset['memory_bandwidth'] / 1e9:.1f} GB/s.", ""]
    if members := crowdset.get("members"):
        rate = lambda form: f"{milliseconds(members[form + '_median_us'])} ms ({members['size'] / members[form + '_median_us']:.0f} M ids/s)"
        lines += [f"The {members['size']:,} ids of `{members['segment']}`, in order and the answer known: as batches of Arrow {rate('arrow')}, "
                  f"as lines of a new file {rate('lines')}.", ""]
    lines += [*reads(crowdset), ""]
    lines += [f"- {name_of(peer)} {peer.get('version', '')}: {peer.get('form', 'did not start')}"
              + (f". {peer['failure']}" if "failure" in peer else "") for peer in peers]
    lines += [f"- {note}" for note in notes]
    lines += ["", f"`{results['command']}`", ""]
    if earlier := results.get("peers_run"):
        lines += [f"The peers: `{earlier['command']}`", ""]
    return "\n".join(lines)


def reads(crowdset):
    """What Crowdset reads for each question that is one segment, and how near that is to the memory's limit."""
    lines = ["What Crowdset reads for the questions that are one segment; the share is that of the bandwidth above, in the median run.", "",
             "| | rows | MB | share | processor time per row, ns |", "|---|--:|--:|--:|--:|"]
    for question, ours in crowdset["questions"].items():
        if "bytes" in ours:
            share = ours["bytes"] / (ours["median_us"] * 1e-6) / crowdset["memory_bandwidth"]
            per_row = f"{ours['processor_us'] * 1e3 / ours['rows']:.1f}" if ours["rows"] else ""
            lines.append(f"| {question} | {ours['rows']:,} | {ours['bytes'] / 1e6:.1f} | {share:.0%} | {per_row} |")
    return lines


def ours_load(crowdset):
    load = crowdset.get("load") or {}
    return load | {"resident_bytes": crowdset["state"]["resident_bytes"], "disk_bytes": crowdset["disk_bytes"]} if load else None


def memory(results):
    crowdset = results["crowdset"]
    rows = [("Crowdset", [("peak of the load", (crowdset.get("load") or {}).get("peak_bytes")), ("resident", crowdset["state"]["resident_bytes"])])]
    for peer in results["peers"]:
        load = peer.get("load") or {}
        rows.append((name_of(peer), [("peak of the load", load.get("peak_bytes")), ("resident", load.get("resident_bytes"))]))
    return [(name, label, value / 1e9 if value else None) for name, values in rows for label, value in values]


def loads(results):
    events = results["crowdset"]["state"]["events"]
    all_loads = [("Crowdset", results["crowdset"].get("load"))] + [(name_of(peer), peer.get("load")) for peer in results["peers"]]
    return [(name, "", events / load["seconds"] / 1e6 if load else None) for name, load in all_loads]


def svg(width, height, title, body):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'font-family="system-ui, sans-serif" font-size="12" role="img"><title>{escape(title)}</title>'
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>\n' + "\n".join(body) + "\n</svg>\n")


def text(x, y, content, anchor="start", fill=INK, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}"{more}>{escape(content)}</text>'


def queries(results):
    """A row a question, a dot an engine, time on a log scale."""
    crowdset, peers = results["crowdset"], results["peers"]
    series = [("Crowdset", {q: told["median_us"] for q, told in crowdset["questions"].items()})]
    series += [(name_of(peer), {q: told["median_us"] for q, told in peer["questions"].items() if told.get("equal")}) for peer in peers]
    times = [value for _, values in series for value in values.values()]
    low, high = math.floor(math.log10(min(times))), math.ceil(math.log10(max(times)))
    left, right, top, step = 320, 30, 64, 22
    width, height = 980, top + step * len(crowdset["questions"]) + 40
    place = lambda micros: left + (math.log10(micros) - low) / (high - low) * (width - left - right)
    body = [text(16, 22, f"Time per question, {crowdset['state']['events']:,} events; log scale, further left is faster", more=' font-size="15" font-weight="600"')]
    x = 16
    for name, _ in series:
        body += [f'<circle cx="{x + 5}" cy="42" r="5" fill="{COLOURS[name]}"/>', text(x + 15, 46, name)]
        x += 34 + 7 * len(name)
    bottom = top + step * len(crowdset["questions"])
    for power in range(low, high + 1):
        at = place(10 ** power)
        label = {0: "1 µs", 1: "10 µs", 2: "100 µs", 3: "1 ms", 4: "10 ms", 5: "100 ms", 6: "1 s", 7: "10 s", 8: "100 s", 9: "1,000 s"}.get(power, f"10^{power} µs")
        body += [f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{top - 8}" y2="{bottom}" stroke="{GRID}"/>', text(at, bottom + 18, label, "middle", PALE)]
    for row, (question, ours) in enumerate(crowdset["questions"].items()):
        y = top + step * row + 6
        found = [(place(values[question]), name) for name, values in series if question in values]
        body.append(text(16, y + 4, f"{question}  {ours['title']}"))
        body.append(f'<line x1="{min(found)[0]:.1f}" x2="{max(found)[0]:.1f}" y1="{y}" y2="{y}" stroke="{GRID}" stroke-width="2"/>')
        for at, name in reversed(found):
            body.append(f'<circle cx="{at:.1f}" cy="{y}" r="{6 if name == "Crowdset" else 4.5}" fill="{COLOURS[name]}"><title>{escape(name)}</title></circle>')
    return svg(width, height, "Time per question", body)


def bars(title, rows):
    """A bar a row: name, label, value; None for a failure."""
    left, right, top, step = 290, 90, 48, 24
    width, height = 980, top + step * len(rows) + 16
    largest = max((value for _, _, value in rows if value), default=1)
    body = [text(16, 24, title, more=' font-size="15" font-weight="600"')]
    for row, (name, label, value) in enumerate(rows):
        y = top + step * row
        body.append(text(left - 10, y + 13, f"{name}{', ' + label if label else ''}", "end"))
        if value is None:
            body.append(text(left, y + 13, "failed", fill=PALE))
            continue
        length = value / largest * (width - left - right)
        body.append(f'<rect x="{left}" y="{y}" width="{max(length, 1):.1f}" height="{step - 8}" fill="{COLOURS[name]}" opacity="{0.55 if label == "resident" else 1}"/>')
        body.append(text(left + length + 8, y + 13, f"{value:.2f}", fill=PALE))
    return svg(width, height, title, body)


if __name__ == "__main__":
    into = Path(sys.argv[1])
    told = json.loads((into / "results.json").read_text())
    write(told, into)
    if len(sys.argv) > 2:
        insert(told, into, Path(sys.argv[2]))
