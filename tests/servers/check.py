#!/usr/bin/env python3
"""Compares what doorslam says of the captures with their labels.

  check.py --bin DOORSLAM [--folder FOLDER] CAPTURE...
  check.py --list NAME...       checks that these are all captures of the folder, with labels for each

Every labelled connection must be found, with the labelled cause or one that its label also accepts. What doorslam is
known to get wrong stands in known_misses.json, with the reason; the label stays right all the same. A connection that
is wrong without being listed fails the test, and so does a listed one that has become right: take it off the list then.
Exit 0 where all is as stated, 1 where it is not, 2 where the folder is not set up well.
"""
import argparse
import collections
import ipaddress
import json
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TIMEOUT_S = 300


def read_labels(folder):
    """The labels by capture."""
    by_capture = collections.defaultdict(list)
    for line in (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines():
        label = json.loads(line)
        by_capture[label["pcap"]].append(label)
    return by_capture


def key(client_ip, client_port, server_ip, server_port):
    return (ipaddress.ip_address(client_ip).compressed, client_port, ipaddress.ip_address(server_ip).compressed, server_port)


def read_flows(binary, capture, extra=()):
    """The flow records of a capture, by endpoints."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "flows.ndjson"
        run = subprocess.run([binary, "read", str(capture), "--quiet", "--flows", str(out), *extra], stderr=subprocess.PIPE,
                             text=True, errors="replace", timeout=TIMEOUT_S, check=False)
        if run.returncode != 0:
            raise RuntimeError(f"{capture}: doorslam ended with {run.returncode}: {run.stderr.strip()[-500:]}")
        flows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    return {key(f["source"]["ip"], f["source"]["port"], f["destination"]["ip"], f["destination"]["port"]): f for f in flows}


def compare(labels, flows):
    """Yields (label, said, confidence) for each connection that is wrong."""
    for label in labels:
        flow = flows.get(key(label["client_ip"], label["client_port"], label["server_ip"], label["server_port"]))
        said = flow["doorslam"]["cause"] if flow else "no record"
        if said not in (label["truth"]["cause"], *label["truth"].get("also_acceptable", ())):
            yield label, said, flow["doorslam"]["confidence"] if flow else 0.0


def check(binary, folder, name, labels, known):
    """Lines that say where doorslam and the labels disagree other than known."""
    wrong, listed = collections.Counter(), collections.Counter()
    lines = {}
    for label, said, confidence in compare(labels, read_flows(binary, folder / name)):
        cause = label["truth"]["cause"]
        wrong[cause] += 1
        lines.setdefault(cause, []).append(
            f"  {label['client_ip']}:{label['client_port']} is {cause} ({label['truth']['notes']}), doorslam says {said}"
            f" ({confidence:.2f})")
    for miss in known:
        listed[miss["truth"]] += miss["connections"]
    found = []
    for cause in sorted(set(wrong) | set(listed)):
        if wrong[cause] > listed[cause]:
            found.append(f"{wrong[cause]} of {cause} wrong, {listed[cause]} known:")
            found += lines[cause]
        elif wrong[cause] < listed[cause]:
            found.append(f"known_misses.json lists {listed[cause]} of {cause} as wrong, now {wrong[cause]} are: bring it up to date")
    return found


def compare_lists(folder, labels, tested):
    """0 where the captures of the folder, those with labels and those tested are the same ones."""
    there = {path.name for path in folder.glob("*.pcap")}
    for what, names in (("is not tested", there - tested), ("has no label", there - set(labels)),
                        ("is not there", tested - there), ("is labelled, but not there", set(labels) - there)):
        for name in sorted(names):
            print(f"{name} {what}")
    return int(not there == tested == set(labels))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--folder", type=pathlib.Path, default=HERE / "captures")
    parser.add_argument("captures", nargs="+")
    args = parser.parse_args()
    labels = read_labels(args.folder)
    if args.list:
        return compare_lists(args.folder, labels, {f"{name}.pcap" for name in args.captures})
    if not args.bin:
        parser.error("--bin is missing")
    misses = json.loads((HERE / "known_misses.json").read_text(encoding="utf-8"))
    worst = 0
    for name in args.captures:
        if not labels.get(name):
            print(f"{name}: no label in {args.folder}/labels.jsonl", file=sys.stderr)
            return 2
        found = check(args.bin, args.folder, name, labels[name], [miss for miss in misses if miss["pcap"] == name])
        print(f"{name}: {len(labels[name])} connections, {'differs' if found else 'as stated'}")
        for line in found:
            print(f"  {line}")
        worst = max(worst, bool(found))
    return worst


if __name__ == "__main__":
    sys.exit(main())
