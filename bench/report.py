#!/usr/bin/env python3
"""Makes one table of what the measuring programs found: report.py RESULTS [--json FILE].

RESULTS is the folder into which bench/run.sh has the programs write. A ratio is taken of the least costs of all
rounds; that of the medians stands after it.
"""

import argparse
import json
import pathlib
import sys

# id, what, least or most wanted ("<" or ">"), must, then
TARGETS = [
    ("R1_1M", "whole path ÷ touching one line, 1 M connections", "<", 2.5, 1.6),
    ("R1_10M", "whole path ÷ touching one line, 10 M connections", "<", 2.5, 1.6),
    ("R2_10k", "whole path ÷ receiving alone, 10 k connections", "<", 2.5, 1.8),
    ("R3_1M", "rte_hash in bulk and 64 B state ÷ our lookup, 1 M", ">", 2, 3),
    ("R3_absl", "absl::flat_hash_map ÷ our lookup, 1 M", ">", 3, 5),
    ("R4_50", "rte_hash's insertion ÷ ours, 50 % full", ">", 4, 6),
    ("R4_90", "rte_hash's insertion ÷ ours, 90 % full", ">", 9, 15),
    ("R4_100", "rte_hash's insertion ÷ ours, full", ">", 300, 500),
    ("R5_flood", "packet of a SYN flood at a full table ÷ steady state", "<", 2, 1.5),
    ("R5_kept", "established connections kept in the flood", ">", 0.999, 1),
    ("R6_expiry", "p99.9 of a burst while 1 M connections expire ÷ without", "<", 1.5, 1.2),
    ("R7_scale", "packets/s with 2 workers ÷ 1, analysis included", ">", 1.8, 1.95),
    ("R8_bytes", "octets a concurrent IPv4 connection, 1 M", "<", 96, 80),
    ("R9_events", "diagnosis events/s ÷ 1 M", ">", 1, 3),
    ("R10_read", "user CPU of argus ÷ doorslam read", ">", 5, 9),
    ("R11_flows", "nlohmann::json ÷ our encoder, a flow record", ">", 5, 10),
]


def load(path):
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def collect(results):
    """All ratios as {id: {"minimum", "median"}}, and all else that was measured."""
    ratios, cycles, facts = {}, {}, {}
    for name in ("path", "table", "flood", "expiry", "memory", "scale", "flows"):
        found = load(results / f"{name}.json")
        if found is None:
            continue
        ratios.update(found["ratios"])
        cycles.update(found["cycles"])
        facts.update(found["facts"])
    analysis = load(results / "analysis.json")
    if analysis is not None:
        events = {
            run["name"].split("/", 1)[-1]: run["items_per_second"]
            for run in analysis["benchmarks"]
            if "items_per_second" in run
        }
        facts["analysis_events_per_second"] = events
        # Of ten connections one is refused: more than a network in good health has.
        mixed = events.get("a_tenth_refused")
        if mixed:
            ratios["R9_events"] = {"minimum": mixed / 1e6, "median": mixed / 1e6}
    read = load(results / "read.json")
    if read is not None and read["argus_to_doorslam"] is not None:
        ratios["R10_read"] = {"minimum": read["argus_to_doorslam"], "median": read["argus_to_doorslam_median"]}
        ratios["R10_tcpdump"] = {"minimum": read["doorslam_to_tcpdump"], "median": read["doorslam_to_tcpdump_median"]}
    return ratios, cycles, facts


def verdict(value, direction, must, then):
    if value is None:
        return "not measured"
    reaches = (lambda target: value <= target) if direction == "<" else (lambda target: value >= target)
    if reaches(then):
        return "then"
    return "must" if reaches(must) else "MISS"


def shown(value):
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.4g}"


def table(ratios):
    lines = [("id", "what", "measured", "(medians)", "must", "then", "verdict")]
    for ident, what, direction, must, then in TARGETS:
        ratio = ratios.get(ident)
        value, median = (ratio["minimum"], ratio["median"]) if ratio else (None, None)
        sign = "≤" if direction == "<" else "≥"
        lines.append(
            (
                ident,
                what,
                shown(value),
                f"({shown(median)})",
                f"{sign} {must:g}",
                f"{sign} {then:g}",
                verdict(value, direction, must, then),
            )
        )
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        cells = [cell.ljust(width) if i in (0, 1, 6) else cell.rjust(width) for i, (cell, width) in enumerate(zip(line, widths))]
        print("  ".join(cells).rstrip())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=pathlib.Path)
    parser.add_argument("--json", type=pathlib.Path, help="file to write all of it to")
    arguments = parser.parse_args()
    ratios, cycles, facts = collect(arguments.results)
    table(ratios)
    if arguments.json:
        everything = {
            "ratios": {name: ratio["minimum"] for name, ratio in sorted(ratios.items())},
            "ratios_of_medians": {name: ratio["median"] for name, ratio in sorted(ratios.items())},
            "cycles": cycles,
            "facts": facts,
        }
        try:
            arguments.json.write_text(json.dumps(everything, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            print(f"report: {arguments.json}: {error.strerror}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
