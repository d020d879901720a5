"""What every peer's process does alike: load, check, time, and tell it line by line.

A peer is a class with `name`, `version`, `form` (how it holds the data, in a sentence), `load()`, and `questions()`:
a dict from a question's id to a list of `Variant`, the ways that might be its fastest. Each is tried once; the one
that is quickest then is timed. A variant that answers otherwise than the first is a failure, not a choice.

User ids are numbered by their rank in the order of their text, from 0, so that a set of numbers in order is a set of
ids in order. Money is whole cents. Time is milliseconds since the epoch.
"""

import argparse
import gc
import json
import os
import statistics
import sys
import time
import traceback
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

DAY = 86_400_000
NOW = 1_790_812_800_000  # 2026-10-01T00:00:00Z
PAIRED = ["q01", "q02", "q03", "q04", "q05", "q06", "q08", "q10", "q11", "q12", "q13", "q15"]
TEN = [f"feature_{n:02}_used" for n in range(1, 11)]
ATTRIBUTES = ["industry", "company_size", "country", "language", "lifecycle_stage"]

# The properties of each event, with their kinds; the features have the last line's.
PROPERTIES = {
    "page_viewed": {"url": "text", "source": "text"},
    "product_viewed": {"product_id": "text", "source": "text"},
    "item_added_to_cart": {"product_id": "text", "price": "money"},
    "purchase": {"product_id": "text", "amount": "money", "currency": "text", "coupon": "text"},
    "report_generated": {"report_type": "text", "duration_ms": "integer"},
    "trial_started": {"plan": "text"},
    "webinar_attended": {"webinar_id": "text", "minutes": "integer"},
    "signed_in": {"method": "text", "device": "text"},
}
FEATURE = {"source": "text", "value": "integer"}
TEXTS = ["url", "source", "product_id", "currency", "coupon", "report_type", "plan", "webinar_id", "method", "device"]
MONEY = ["price", "amount"]
INTEGERS = ["duration_ms", "minutes", "value"]


def properties_of(event):
    return PROPERTIES.get(event, FEATURE)


def ago(days):
    return NOW - days * DAY


# What the templates of q20 have in common with the questions they are like.
DRAWN = {
    "q02": ("account", "days", "over"),
    "q03": ("url", "days", "least"),
    "q04": ("bought", "seen"),
    "q05": ("webinar",),
    "q06": ("industry", "size", "webinar"),
    "q08": ("days", "least"),
    "q11": ("days", "least"),
    "q12": ("event", "from", "recent"),
    "q13": ("events", "sources", "days", "countries"),
    "q14": ("over", "days", "least"),
    "q15": ("prefix", "days", "least"),
}

# The questions themselves, as parameters of the same templates.
ASKED = {
    "q02": ("free", 30, 5),
    "q03": ("/pricing", 7, 3),
    "q04": ("p0001", "p0002"),
    "q05": ("w07",),
    "q06": ("SaaS", "51-200", "w03"),
    "q08": (90, 500),
    "q11": (14, 5),
    "q12": ("feature_03_used", 60, 30),
    "q13": (TEN, ["email", "ads", "partner", "app"], 3, ["US", "GB", "DE", "FR", "NL"]),
    "q14": (100, 60, 2),
    "q15": ("/docs/", 30, 10),
}


def drawn(parameters):
    """The template and its arguments for one generated segment."""
    like = parameters["like"]
    return like, tuple(parameters[key] for key in DRAWN[like])


def pairs(mask_counts):
    """Sizes of 12 segments and of their pairs, from how many users have each set of them as bits."""
    sizes = []
    for left in range(12):
        for right in range(left, 12):
            both = (1 << left) | (1 << right)
            sizes.append(sum(count for mask, count in mask_counts if mask & both == both))
    return sizes


def trend(rows):
    """Sizes by day from (day, size), days without anybody included."""
    sizes = dict(rows)
    return [int(sizes.get(day, 0)) for day in range(30)]


@dataclass
class Variant:
    """One way to ask: `run` is timed and gives the answer (a size for a set of users); `members` gives that set once,
    as ascending numbers; `label` tells variants apart."""

    run: Callable[[], Any]
    members: Callable[[], Any] | None = None
    label: str = ""
    parts: int = 1  # of how many sizes the whole question consists; fewer answers are a sample, and its time is scaled


def resident():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    return 0


def peak():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    return 0


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("tables", type=Path, help="folder that `crowdset generate` wrote")
    parser.add_argument("work", type=Path, help="folder for this peer's own files; must not exist yet")
    parser.add_argument("crowdset", type=Path, help="what `measure --json` wrote: the user of q23, the segments of q20")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--memory", type=int, default=14, help="GB that the peer may use, where it can be told")
    parser.add_argument("--question-seconds", type=float, default=20, help="no further run of a question after this long")
    parser.add_argument("--only", default="")
    return parser.parse_args()


def main(make):
    """Runs a peer. Each line of standard output is one JSON object; the runner keeps what came before a failure."""
    options = arguments()
    tell = lambda **fields: print(json.dumps(fields), flush=True)
    known = json.loads(options.crowdset.read_text())
    options.user, options.generated = known["user"], known["generated"]
    options.work.mkdir(parents=True, exist_ok=True)
    peer = make(options)
    tell(peer=peer.name, version=peer.version, form=peer.form)
    started = time.perf_counter()
    ids = peer.load()  # user ids ascending
    gc.collect()
    seconds = time.perf_counter() - started
    tell(load={"seconds": seconds, "peak_bytes": peak(), "resident_bytes": resident(), "disk_bytes": folder(options.work)})
    only = set(filter(None, options.only.split(",")))
    for question, variants in peer.questions().items():
        if only and question not in only:
            continue
        try:
            tell(question=question, **ask(variants, ids, options))
        except Exception as error:  # a peer that cannot answer one question still answers the others
            traceback.print_exc(file=sys.stderr)
            tell(question=question, error=f"{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}")
    tell(end={"peak_bytes": peak(), "resident_bytes": resident()})


def ask(variants, ids, options):
    best, answers = None, []
    for variant in variants:
        variant.run()  # caches, compiled code, pages
        started = time.perf_counter()
        answer = plain(variant.run())
        seconds = time.perf_counter() - started
        if variant.members:
            members = variant.members()
            text = b"".join(ids[int(member)] + b"\n" for member in members)
            answer |= {"members": zlib.crc32(text)}
            assert len(members) == answer["size"], f"{variant.label}: {len(members)} members, counted {answer['size']}"
        answers.append(answer)
        if best is None or seconds < best[0]:
            best = (seconds, variant)
    for variant, answer in zip(variants, answers):
        assert answer == answers[0], f"`{variant.label}` answers otherwise than `{variants[0].label}`"
    times, worked = [], time.process_time()
    deadline = time.perf_counter() + options.question_seconds
    while len(times) < options.runs and (not times or time.perf_counter() < deadline):
        started = time.perf_counter()
        best[1].run()
        times.append((time.perf_counter() - started) * 1e6)
    worked = (time.process_time() - worked) / len(times) * 1e6
    result = {"answer": answers[0], "median_us": statistics.median(times), "min_us": min(times), "processor_us": worked, "runs": len(times)}
    if best[1].label:
        result["variant"] = best[1].label
    asked = len(answers[0].get("sizes", "?"))
    if asked < best[1].parts:
        factor = best[1].parts / asked
        result |= {key: result[key] * factor for key in ("median_us", "min_us", "processor_us")} | {"asked": asked}
    return result


def plain(answer):
    """An answer in the form that `measure --json` writes."""
    if isinstance(answer, bool):
        return {"member": answer}
    if isinstance(answer, dict):
        return {"groups": sorted([str(key), int(size)] for key, size in answer.items())}
    if isinstance(answer, list):
        return {"sizes": [int(size) for size in answer]}
    return {"size": int(answer)}


def sample_of(count_of, options, least=55):
    """Asks the generated segments one by one: all, or as many as fit into a quarter of the time for a question."""
    limit = None

    def run():
        nonlocal limit
        started, sizes = time.perf_counter(), []
        for parameters in options.generated[:limit]:
            sizes.append(count_of(*drawn(parameters)))
            if limit is None and len(sizes) >= least and time.perf_counter() - started > options.question_seconds / 4:
                break
        limit = len(sizes)
        return sizes

    return run


def folder(path):
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
