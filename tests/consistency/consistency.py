#!/usr/bin/env python3
"""Reads captures again and again with doorslam: what may not matter must not.

  consistency.py sharding --bin DOORSLAM CAPTURE...       the flow records of 1 and of 4 workers are the same set, and
                                                          the alerts the same in the same order
  consistency.py repeatability --bin DOORSLAM CAPTURE...  two runs give the same bytes: flows, alerts and report
  consistency.py coarse_stamps --bin DOORSLAM CAPTURE...  stamps of whole milliseconds, as packets that are polled
                                                          together share them, give the same causes

Exit 0 where it holds for every capture, else 1.
"""
import argparse
import json
import pathlib
import struct
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


def round_stamps(capture, out):
    """Writes the capture, a classic one in microseconds or nanoseconds, with its stamps cut to milliseconds."""
    octets = capture.read_bytes()
    order = "<" if octets[0] in (0xD4, 0x4D) else ">"
    fraction_in_ms = {0xA1B2C3D4: 1000, 0xA1B23C4D: 1_000_000}[struct.unpack(order + "I", octets[:4])[0]]
    written, at = bytearray(octets[:24]), 24
    while at < len(octets):
        seconds, fraction, captured, wire = struct.unpack_from(order + "IIII", octets, at)
        fraction -= fraction % fraction_in_ms
        written += struct.pack(order + "IIII", seconds, fraction, captured, wire)
        written += octets[at + 16:at + 16 + captured]
        at += 16 + captured
    out.write_bytes(written)


def causes(flows):
    """What was said of each connection, by its ends; of those that use the same ones, in order."""
    said = {}
    for flow in sorted(map(json.loads, flows.splitlines()), key=lambda flow: flow["@timestamp"]):
        ends = tuple(flow[side][part] for side in ("source", "destination") for part in ("ip", "port"))
        said.setdefault(ends, []).append(flow["doorslam"]["cause"])
    return said


def coarse_stamps(binary, capture):
    with tempfile.TemporaryDirectory() as folder:
        coarse = pathlib.Path(folder) / "coarse.pcap"
        round_stamps(pathlib.Path(capture), coarse)
        fine, said = (causes(read(binary, one, "--quiet")["flows"]) for one in (capture, coarse))
    if not fine:
        return "no flow records at all"
    differing = [f"  {ends}: {fine[ends]}, with coarse stamps {said.get(ends)}" for ends in fine if fine[ends] != said.get(ends)]
    return "\n".join([f"{len(differing)} of {len(fine)} connections are read otherwise:"] + differing) if differing else None


PROPERTIES = {"sharding": sharding, "repeatability": repeatability, "coarse_stamps": coarse_stamps}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("property", choices=tuple(PROPERTIES))
    parser.add_argument("--bin", required=True)
    parser.add_argument("captures", nargs="+")
    args = parser.parse_args()
    holds = PROPERTIES[args.property]
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
