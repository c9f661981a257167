#!/usr/bin/env python3
"""Plays the scenarios with real server programs and writes their captures and labels.

  make.py [--install] [--jobs N] [--out FOLDER] [SCENARIO...]      --list names the scenarios

Needs root (network namespaces) and the Debian 12 packages that --install fetches. Writes FOLDER/SCENARIO.pcap and the
rows of FOLDER/labels.jsonl (by default the folder `captures` beside this file). A label comes from how the scenario
provoked the connection's fate, never from the packets; a scenario in which a server did something else than was
provoked writes nothing and fails. The captures are in the repository: only who adds or changes a scenario runs this.
Exit 0 where all were played, 1 where one failed, 2 where this host cannot play them.
"""
import argparse
import concurrent.futures
import inspect
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import traceback

import packages
import scenarios
from stage import HERE, Stage, StageError


def play(name, folder):
    """Plays one scenario in this process; returns (labels, None) or (None, what went wrong)."""
    with tempfile.TemporaryDirectory() as scratch:
        capture = pathlib.Path(scratch) / f"{name}.pcap"
        try:
            with Stage(name, capture) as stage:
                try:
                    scenarios.ALL[name](stage)
                    stage.stop_recording()
                except Exception as error:
                    raise StageError(f"{error}\n{stage.said_by_servers()}") from error
        except Exception as error:  # whatever it was, the other scenarios go on and this one's row says it
            return None, f"{error}\n{traceback.format_exc(limit=-2, chain=False)}"
        (pathlib.Path(folder) / capture.name).write_bytes(capture.read_bytes())
        return stage.labels, None


def write_labels(folder, labels_by_name):
    """Replaces the rows of the captures that were made anew."""
    path = folder / "labels.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    made = {f"{name}.pcap" for name in labels_by_name}
    rows = [row for row in map(json.loads, lines) if row["pcap"] not in made]
    rows += [row for labels in labels_by_name.values() for row in labels]
    rows.sort(key=lambda row: (row["pcap"], row["start_ts_approx"]))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--install", action="store_true", help="install the server programs first")
    parser.add_argument("--jobs", type=int, default=4, help="scenarios at a time")
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "captures")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("names", nargs="*", metavar="SCENARIO")
    args = parser.parse_args()
    if args.list:
        for name, function in scenarios.ALL.items():
            print(f"{name:28} {inspect.getdoc(function).splitlines()[0]}")
        return 0
    unknown = sorted(set(args.names) - set(scenarios.ALL))
    if unknown:
        print(f"make: no scenario {', '.join(unknown)}; --list names them", file=sys.stderr)
        return 2
    if os.geteuid() != 0:
        print("make: SKIPPED, nothing was made: network namespaces need root", file=sys.stderr)
        return 2
    if args.install:
        packages.install()
    missing = packages.missing()
    if missing:
        print(f"make: SKIPPED, nothing was made: not installed: {' '.join(missing)}; run with --install",
              file=sys.stderr)
        return 2
    args.out.mkdir(parents=True, exist_ok=True)
    made, failed = {}, 0
    with concurrent.futures.ProcessPoolExecutor(args.jobs, max_tasks_per_child=1) as pool:
        jobs = {pool.submit(play, name, args.out): name for name in args.names or scenarios.ALL}
        for job in concurrent.futures.as_completed(jobs):
            labels, error = job.result()
            failed += error is not None
            print(f"{jobs[job]}: {'FAILED: ' + error if error else f'{len(labels)} connections'}", flush=True)
            if labels:
                made[jobs[job]] = labels
    write_labels(args.out, made)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
