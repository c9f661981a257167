#!/usr/bin/env python3
"""Counts the test cases of a meson test log (testlog.json).

  total.py TESTLOG

A GoogleTest program counts with its cases, any other test as one. A program that ends badly without naming a failed
case (a crash, a time-out) counts as one failure more. Prints "N passed, M failed", with ", K skipped" where K > 0.
Exit 0 where nothing failed and something passed, else 1.
"""
import json
import re
import sys

CASE = re.compile(r"^\[ *(OK|FAILED|SKIPPED) *\] \S.* \(\d+ ms\)$", re.MULTILINE)


def count(test):
    """(passed, failed, skipped) of one line of the log."""
    cases = CASE.findall(test.get("stdout", ""))
    passed, failed, skipped = (cases.count(word) for word in ("OK", "FAILED", "SKIPPED"))
    if test["result"] == "SKIP":
        return passed, failed, max(skipped, 1)
    if test["result"] not in ("OK", "EXPECTEDFAIL"):
        return passed, max(failed, 1), skipped
    if not cases:
        passed = 1
    return passed, failed, skipped


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        with open(sys.argv[1], encoding="utf-8") as log:
            tests = [json.loads(line) for line in log if line.strip()]
    except FileNotFoundError:
        tests = []
    passed, failed, skipped = (sum(column) for column in zip((0, 0, 0), *map(count, tests)))
    if not tests:
        print("no test ran", file=sys.stderr)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
