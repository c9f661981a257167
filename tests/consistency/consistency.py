#!/usr/bin/env python3
"""Reads captures again and again with doorslam: what may not matter must not.

  consistency.py sharding --bin DOORSLAM CAPTURE...       the flow records of 1 and of 4 workers are the same set, and
                                                          the alerts the same in the same order
  consistency.py repeatability --bin DOORSLAM CAPTURE...  two runs give the same bytes: flows, alerts and report

Exit 0 where it holds for every capture, else 1.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

TIMEOUT_S = 300


def read(binary, capture, *arguments):
    """Runs `doorslam read` and returns what it wrote, by name. The exit code is part of it."""
    with tempfile.TemporaryDirectory() as folder:
        flows, alerts = pathlib.Path(folder) / "flows", pathlib.Path(folder) / "alerts"
        run = subprocess.run([binary, "read", capture, "--flows", flows, "--alerts", alerts, *arguments],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=TIMEOUT_S, check=False)
        return {
            "exit code": str(run.returncode).encode(),
            "flows": flows.read_bytes() if flows.exists() else b"",
            "alerts": alerts.read_bytes() if alerts.exists() else b"",
            "report": run.stdout.replace(folder.encode(), b""),
        }


def first_difference(one, four):
    """Of the alerts of 1 and of 4 workers; None where there is none."""
    if one == four:
        return None
    at = next((i for i, (a, b) in enumerate(zip(one, four)) if a != b), min(len(one), len(four)))
    return "\n".join([f"{len(one)} alerts with 1 worker, {len(four)} with 4; the first that differ:"]
                     + [f"  1 worker:  {line.decode()}" for line in one[at:at + 1]]
                     + [f"  4 workers: {line.decode()}" for line in four[at:at + 1]])


def sharding(binary, capture):
    written = [read(binary, capture, "--quiet", "--workers", n) for n in ("1", "4")]
    one, four = (of["flows"].splitlines() for of in written)
    if not one:
        return "no flow records at all"
    if sorted(one) == sorted(four):
        return first_difference(*(of["alerts"].splitlines() for of in written))
    only_one, only_four = sorted(set(one) - set(four)), sorted(set(four) - set(one))
    return "\n".join([f"{len(one)} records with 1 worker, {len(four)} with 4; the first that differ:"]
                     + [f"  1 worker:  {line.decode()}" for line in only_one[:2]]
                     + [f"  4 workers: {line.decode()}" for line in only_four[:2]])


def repeatability(binary, capture):
    first, second = read(binary, capture), read(binary, capture)
    if first["exit code"] != b"0":
        return f"exit code {first['exit code'].decode()}"
    differing = [name for name in first if first[name] != second[name]]
    return f"two runs differ in: {', '.join(differing)}" if differing else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("property", choices=("sharding", "repeatability"))
    parser.add_argument("--bin", required=True)
    parser.add_argument("captures", nargs="+")
    args = parser.parse_args()
    holds = {"sharding": sharding, "repeatability": repeatability}[args.property]
    failures = 0
    for capture in args.captures:
        problem = holds(args.bin, capture)
        if problem:
            failures += 1
            print(f"{capture}: {problem}")
    print(f"{args.property}: holds for {len(args.captures) - failures} of {len(args.captures)} captures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
