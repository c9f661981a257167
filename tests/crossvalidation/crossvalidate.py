#!/usr/bin/env python3
"""Leave-one-server-program-out cross-validation of the diagnosis, and of the scaling of its confidence.

  crossvalidate.py --bin DOORSLAM [--corpus FOLDER]... [--refit] [--strict] [--min-f1 X] [--weights FILE] [--errors]

A corpus is a folder of captures with labels.jsonl; without --corpus, tests/servers/captures. For every server program P
(programs.py says which connection is whose) the connections of P are read with all signatures of P switched off, by a
generated signature file, and judged
  - with the weights that doorslam has (they were chosen by people who had seen some of the programs); or
  - with --refit, with weights fitted to the other programs' connections alone, starting from nothing but which evidence
    speaks for or against which cause;
and scaled by a temperature fitted to the judgements of the other programs, each of which was made without that program.
--strict also switches off what is known of a protocol that P alone speaks.
Where no program decides (a firewall, a full queue, a client that leaves), its scenario is left out instead.
What is not left out: the evidence functions themselves, and signatures of protocols and common words that other
programs use as well.
Prints one row per program, then the figures over all of them. --weights writes the weights fitted to all programs.
Exit 0 where macro-F1 reaches --min-f1, else 1.
"""
import argparse
import collections
import json
import pathlib
import sys
import tempfile

import model
import readings
import signatures

ROOT = pathlib.Path(__file__).resolve().parents[2]
PULL = 0.3  # of the fit towards its start; as if each weight had been seen at work a few times


def read_all(args, labels, scratch):
    """(rows with all signatures, by program the rows with its signatures off, by program their names)."""
    full, unseen, off = [], collections.defaultdict(list), {}
    captures_of = collections.defaultdict(list)
    for capture, of_capture in labels.items():
        rows = readings.read(args.bin, capture, of_capture, scratch / "cache")
        full += rows
        for program in {row.program for row in rows}:
            captures_of[program].append(capture)
    for program, captures in sorted(captures_of.items()):
        folder = scratch / "signatures" / program.replace(" ", "-")
        folder.mkdir(parents=True)
        off[program] = signatures.write_without(program, ROOT / "config" / "signatures", folder, args.strict)
        for capture in captures:
            rows = readings.read(args.bin, capture, labels[capture], scratch / "cache", folder if off[program] else None)
            unseen[program] += [row for row in rows if row.program == program]
    return full, unseen, off


def judge(args, full, unseen):
    """[(row, log-odds)] of every program, judged without what is known of it."""
    judged = {}
    for program, rows in unseen.items():
        weights = None
        if args.refit:
            others = [row for row in full if row.program != program]
            blank = model.blank_weights(full + rows)
            weights = model.fit_weights(others, blank, PULL)
        judged[program] = [(row, model.log_odds(row, weights)) for row in rows]
    return judged


def scale(judged):
    """By program, (temperature fitted to the others, verdicts)."""
    out = {}
    for program, pairs in judged.items():
        others = [pair for name, of_name in judged.items() if name != program for pair in of_name if pair[0].terms]
        temperature = model.fit_temperature(others)
        out[program] = temperature, [(row, *model.verdict(row, sums, temperature)) for row, sums in pairs]
    return out


def print_row(name, count, temperature, one):
    print(f"{name:34}{count:5}{temperature:6.1f}{one['connections']:6}{one['accuracy']:7.2f}"
          f"{one['confident_mistakes'] * one['connections']:9.0f}{one['false_alarms']:7}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--corpus", type=pathlib.Path, action="append")
    parser.add_argument("--refit", action="store_true")
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--errors", action="store_true", help="list every wrong connection")
    parser.add_argument("--min-f1", type=float, default=0.0)
    parser.add_argument("--weights", type=pathlib.Path)
    args = parser.parse_args()
    labels = readings.read_labels(args.corpus or [ROOT / "tests" / "servers" / "captures"])
    with tempfile.TemporaryDirectory() as scratch:
        full, unseen, off = read_all(args, labels, pathlib.Path(scratch))
    folds = scale(judge(args, full, unseen))

    print(f"{'left out':34}{'sigs':>5}{'temp':>6}{'conns':>6}{'right':>7}{'sure+bad':>9}{'alarms':>7}")
    for program, (temperature, verdicts) in sorted(folds.items()):
        print_row(program, len(off[program]), temperature, model.figures(verdicts))
        if args.errors:
            for row, cause, confidence in verdicts:
                if cause not in row.acceptable:
                    print(f"    {row.capture} {row.client} is {row.truth}, said {cause} ({confidence:.2f})")
    total = model.figures([verdict for _, verdicts in folds.values() for verdict in verdicts])
    by_cause = total.pop("f1")
    print("\nF1 by cause: " + ", ".join(f"{cause} {f1:.2f}" for cause, f1 in by_cause.items()))
    alone = sorted(cause for cause in by_cause if len({row.program for row in full if row.truth == cause}) == 1)
    if alone:
        rest = [f1 for cause, f1 in by_cause.items() if cause not in alone]
        print(f"macro-F1 without {', '.join(alone)}, which one fold alone shows, so that no fit to the others can learn them:"
              f" {sum(rest) / len(rest):.4f}")
    seen = model.fit_temperature([(row, model.log_odds(row)) for row in full if row.terms])
    everything = [pair for row_list in unseen.values() for pair in ((row, model.log_odds(row)) for row in row_list) if pair[0].terms]
    print(f"temperature for doorslam's weights: {seen:.1f} on programs that its signatures know,"
          f" {model.fit_temperature(everything):.1f} on programs that they do not")
    print(" ".join(f"{name}={value:.4f}" if isinstance(value, float) else f"{name}={value}" for name, value in total.items()))
    if args.weights:
        fitted = model.fit_weights(full, model.blank_weights(full), PULL)
        shipped = {(evidence, cause): weight for row in full for evidence, cause, weight, _ in row.terms}
        args.weights.write_text("".join(
            json.dumps({"evidence": key[0], "cause": key[1], "fitted": round(value, 2), "now": shipped[key]}) + "\n"
            for key, value in sorted(fitted.items())), encoding="utf-8")
    return int(total["macro_f1"] < args.min_f1)


if __name__ == "__main__":
    sys.exit(main())
