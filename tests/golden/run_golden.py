#!/usr/bin/env python3
"""Reads the capture of a golden case with doorslam and compares the connections with the expected ones.

  run_golden.py --bin DOORSLAM [--update] CASE_FOLDER...

A case folder holds
  capture.pcap or capture.pcapng   the capture; or
  capture.link                     names of files under tests/captures, one a line, read together
  args                             further arguments of `doorslam read` (optional)
  exit_code                        the expected exit code (optional, else 0)
  stderr                           lines that must each occur in the standard error output (optional)
  expected_flows.ndjson            one connection a line, the fields of FIELDS, ordered by start and endpoints

--update writes expected_flows.ndjson from what doorslam says now; read the difference before you commit it.
Exit 0 where every case agrees, 1 where one does not, 2 where a case is not set up well.
"""
import argparse
import difflib
import json
import pathlib
import shlex
import subprocess
import sys
import tempfile

CAPTURES = pathlib.Path(__file__).resolve().parent.parent / "captures"
TIMEOUT_S = 300


class BadCase(Exception):
    """The case folder itself is wrong."""


def reduced(flow):
    """The fields that a golden case pins down. Probabilities and wording may be tuned without touching the cases."""
    own, source, destination = flow["doorslam"], flow["source"], flow["destination"]
    return {
        "source": f"{source['ip']} {source['port']}",
        "destination": f"{destination['ip']} {destination['port']}",
        "cause": own["cause"],
        "conn_state": own["conn_state"],
        "history": own["history"],
        "stage": own["stage"],
        "bytes": [source["bytes"], destination["bytes"]],
        "packets": [source["packets"], destination["packets"]],
    }


def captures_of(case):
    link = case / "capture.link"
    if link.exists():
        found = [CAPTURES / name for name in link.read_text(encoding="utf-8").split()]
    else:
        found = [case / name for name in ("capture.pcap", "capture.pcapng") if (case / name).exists()]
    if not found:
        raise BadCase(f"{case}: no capture.pcap, capture.pcapng or capture.link")
    for capture in found:
        if not capture.exists():
            raise BadCase(f"{case}: {capture} is not there")
    return found


def read_flows(binary, case):
    """Runs doorslam; returns (reduced flows as lines, exit code, standard error)."""
    arguments = case / "args"
    extra = shlex.split(arguments.read_text(encoding="utf-8")) if arguments.exists() else []
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "flows.ndjson"
        command = [binary, "read", *map(str, captures_of(case)), "--quiet", "--flows", str(out), *extra]
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
                             timeout=TIMEOUT_S, check=False)
        text = out.read_text(encoding="utf-8") if out.exists() else ""
    flows = [json.loads(line) for line in text.splitlines() if line]
    flows.sort(key=lambda f: (f["event"]["start"], f["source"]["ip"], f["source"]["port"], f["event"]["id"]))
    return [json.dumps(reduced(flow)) for flow in flows], run.returncode, run.stderr


def differences(binary, case, update):
    """Lines that say where doorslam and the case disagree; none where they agree."""
    lines, exit_code, stderr = read_flows(binary, case)
    found = []
    wanted_exit = case / "exit_code"
    wanted = int(wanted_exit.read_text(encoding="utf-8")) if wanted_exit.exists() else 0
    if exit_code != wanted:
        found.append(f"exit code {exit_code}, expected {wanted}; it said: {stderr.strip()[-500:]}")
    said = case / "stderr"
    if said.exists():
        found += [f"standard error lacks: {line}\nit was: {stderr.strip()[-500:]}"
                  for line in said.read_text(encoding="utf-8").splitlines() if line and line not in stderr]
    expected = case / "expected_flows.ndjson"
    if update:
        expected.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        return found
    if not expected.exists():
        raise BadCase(f"{case}: no expected_flows.ndjson; write it with --update")
    before = expected.read_text(encoding="utf-8").splitlines()
    return found + list(difflib.unified_diff(before, lines, "expected", "doorslam", lineterm="", n=0))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--update", action="store_true")
    parser.add_argument("cases", nargs="+", type=pathlib.Path)
    args = parser.parse_args()
    worst = 0
    for case in args.cases:
        try:
            found = differences(args.bin, case, args.update)
        except BadCase as error:
            print(error, file=sys.stderr)
            worst = 2
            continue
        print(f"{case.name}: {'differs' if found else 'written' if args.update else 'agrees'}")
        for line in found:
            print(f"  {line}")
        worst = max(worst, 1 if found else 0)
    return worst


if __name__ == "__main__":
    sys.exit(main())
