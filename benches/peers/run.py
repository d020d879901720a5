#!/usr/bin/env python3
"""Measures Crowdset beside DuckDB, DataFusion, Polars and ClickHouse: one run, one machine, the same files.

    crowdset generate TABLES --users 200000 --events 10000000 --days 90 --seed 42
    cargo build --release -p crowdset-benches --bin measure
    $(benches/peers/setup.sh) benches/peers/run.py TABLES --work FOLDER --out docs/performance/10m --document docs/PERFORMANCE.md

Crowdset goes first, then each peer in a process of its own, one after the other. Every answer of a peer is compared
with Crowdset's: sizes, and for sets of users a checksum of their ids in order. A peer that fails or takes too long
loses what it has not answered, and the table says so. Needs `requirements.txt`; `setup.sh` makes an environment.
"""

import argparse
import datetime
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import report

HERE = Path(__file__).resolve().parent
PEERS = ["duckdb", "polars", "datafusion", "clickhouse"]


def shown_argument(text, options):
    """An argument as others would give it: folders of this machine say nothing to them."""
    return {str(options.tables): "TABLES", str(options.work): "FOLDER", str(options.measure): "MEASURE", str(options.peers_from): "RESULTS"}.get(text, text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path, help="folder that `crowdset generate` wrote")
    parser.add_argument("--work", type=Path, required=True, help="folder for the stores that are made; emptied before")
    parser.add_argument("--out", type=Path, required=True, help="folder for results.json, the table and the pictures")
    parser.add_argument("--document", type=Path, help="a Markdown file with marks for the table of so many events")
    parser.add_argument("--measure", type=Path, help="the program `measure`; default: target/release/measure")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--peers-from", type=Path, metavar="RESULTS",
                        help="measure Crowdset alone, beside the peers of an earlier run's results.json: same machine, same tables")
    parser.add_argument("--memory", type=int, default=14, help="GB for peers that can be told")
    parser.add_argument("--question-seconds", type=float, default=12, help="no further run of one question after this long")
    parser.add_argument("--peer-minutes", type=float, default=12, help="a peer is stopped after this long")
    options = parser.parse_args()

    target = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent.parent / "target"))
    measure = options.measure or target / "release" / "measure"
    if not measure.exists():
        sys.exit(f"{measure} is not there; build it: cargo build --release -p crowdset-benches --bin measure")
    shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    options.out.mkdir(parents=True, exist_ok=True)

    began = datetime.datetime.now(datetime.timezone.utc)
    load_before = os.getloadavg()[0]  # other work disturbs every time that is taken
    crowdset = options.work / "crowdset.json"
    say("Crowdset")
    subprocess.run([measure, options.tables, options.work / "store", "--threads", str(options.threads), "--runs",
                    str(options.runs), "--json", crowdset], check=True, stdout=sys.stderr)
    shutil.rmtree(options.work / "store")
    results = {
        "date": began.strftime("%Y-%m-%d"),
        "command": " ".join(["benches/peers/run.py", *(shown_argument(text, options) for text in sys.argv[1:])]),
        "load_average": load_before,
        "crowdset": json.loads(crowdset.read_text()),
        "peers": [],
    }
    if options.peers_from:
        results |= peers_of(json.loads(options.peers_from.read_text()), results["crowdset"])
    for peer in [] if options.peers_from else options.peers.split(","):
        say(peer)
        results["peers"].append(run_peer(peer, crowdset, options))
        # Kept as it grows: whatever happens to the next peer, this much is known.
        keep(results, options.out)
    wrong = report.compare(results)
    keep(results, options.out)
    report.write(results, options.out)
    if options.document:
        report.insert(results, options.out, options.document)
    for line in wrong:
        print("DIFFERENT:", line, file=sys.stderr)
    print(f"{options.out}: table.md, pictures, results.json")
    sys.exit(1 if wrong else 0)


def keep(results, folder):
    (folder / "results.json").write_text(json.dumps(without_parameters(results), indent=1) + "\n")


def peers_of(earlier, crowdset):
    """The peers of an earlier run, if it was one of the same machine and tables."""
    same = [earlier["crowdset"]["machine"] == crowdset["machine"], earlier["crowdset"]["threads"] == crowdset["threads"],
            all(earlier["crowdset"]["state"][part] == crowdset["state"][part] for part in ("events", "users"))]
    if not all(same):
        sys.exit("the peers were measured on another machine, with other threads or over other tables: measure them again")
    return {"peers": earlier["peers"], "peers_run": earlier.get("peers_run") or {key: earlier[key] for key in ("date", "command", "load_average")}}


def run_peer(peer, crowdset, options):
    """What one peer told, up to its end or its failure."""
    work = options.work / peer
    environment = os.environ | {"POLARS_MAX_THREADS": str(options.threads), "TOKIO_WORKER_THREADS": str(options.threads),
                                "RAYON_NUM_THREADS": str(options.threads), "OMP_NUM_THREADS": str(options.threads)}
    command = [sys.executable, HERE / f"{peer}_peer.py", options.tables, work, crowdset, "--threads", str(options.threads),
               "--runs", str(options.runs), "--memory", str(options.memory), "--question-seconds", str(options.question_seconds)]
    found = {"peer": peer, "questions": {}}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=HERE)
    late = threading.Event()

    def stop():
        late.set()
        process.kill()

    timer = threading.Timer(options.peer_minutes * 60, stop)
    timer.start()
    started = time.monotonic()
    for line in process.stdout:
        try:
            told = json.loads(line)
        except ValueError:
            continue  # libraries print too
        if "question" in told:
            found["questions"][told.pop("question")] = told
        else:
            found |= told
    status = process.wait()
    timer.cancel()
    if late.is_set():
        found["failure"] = f"stopped after {options.peer_minutes:g} minutes"
    elif status != 0:
        found["failure"] = f"ended with status {status}" + (" (killed: out of memory?)" if status == -9 else "")
    if "failure" in found:
        say(f"{peer}: {found['failure']}")
    found["minutes"] = (time.monotonic() - started) / 60
    shutil.rmtree(work, ignore_errors=True)
    return found


def without_parameters(results):
    """A thousand drawn parameters are always the same and say nothing to a reader."""
    crowdset = {key: value for key, value in results["crowdset"].items() if key != "generated"}
    return results | {"crowdset": crowdset}


def say(text):
    print(f"[{datetime.datetime.now():%H:%M:%S}] {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
