#!/usr/bin/env python3
"""Draws cycles a packet over the number of connections: plot.py MEASURED.json OUT.svg.

MEASURED.json is what bench/run.sh --json wrote. Both axes are plain: connections by powers of ten, cycles linear.
"""

import argparse
import json
import math
import pathlib
import sys

WIDTH, HEIGHT = 820, 460
LEFT, RIGHT, TOP, BOTTOM = 70, 190, 50, 60

# series of the measurement, its name in the plot, colour
SERIES = [
    ("path", "whole path", "#1b4f8a"),
    ("decode", "of it: decode", "#c9791f"),
    ("touch", "floor: touching one line", "#5a8f3c"),
]


def short(count):
    for step, unit in ((1_000_000, " M"), (1_000, " k")):
        if count >= step:
            return f"{count / step:g}{unit}"
    return str(count)


def axis_steps(top):
    """Round steps, five to ten of them."""
    step = 10 ** math.floor(math.log10(top / 5))
    for factor in (1, 2, 5, 10):
        if top / (step * factor) <= 8:
            return step * factor
    return step * 10


class Plot:
    def __init__(self, counts, top):
        self.low, self.high = math.log10(min(counts)), math.log10(max(counts))
        self.step = axis_steps(top)
        self.top = math.ceil(top / self.step) * self.step
        self.parts = []

    def x(self, count):
        share = (math.log10(count) - self.low) / (self.high - self.low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, cycles):
        return HEIGHT - BOTTOM - cycles / self.top * (HEIGHT - TOP - BOTTOM)

    def text(self, x, y, words, anchor="middle", colour="#333", weight="normal"):
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-weight="{weight}">{words}</text>'
        )

    def line(self, x1, y1, x2, y2, colour):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>')

    def axes(self, counts):
        cycles = 0
        while cycles <= self.top:
            self.line(LEFT, self.y(cycles), WIDTH - RIGHT, self.y(cycles), "#ddd" if cycles else "#333")
            self.text(LEFT - 8, self.y(cycles) + 4, f"{cycles:g}", "end")
            cycles += self.step
        for count in counts:
            self.line(self.x(count), HEIGHT - BOTTOM, self.x(count), HEIGHT - BOTTOM + 5, "#333")
            self.text(self.x(count), HEIGHT - BOTTOM + 20, short(count))
        self.text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, "concurrent connections, visited in random order")
        self.text(LEFT, TOP - 18, "cycles of the time-stamp counter a packet", "start", weight="bold")

    def curve(self, points, name, colour):
        path = " ".join(f"{self.x(count):.1f},{self.y(cycles):.1f}" for count, cycles in points)
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for count, cycles in points:
            self.parts.append(f'<circle cx="{self.x(count):.1f}" cy="{self.y(cycles):.1f}" r="3" fill="{colour}"/>')
        count, cycles = points[-1]
        self.text(self.x(count) + 10, self.y(cycles) + 4, name, "start", colour)

    def svg(self):
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
            f'font-size="13">\n<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n'
            + "\n".join(self.parts)
            + "\n</svg>\n"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("measured", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    arguments = parser.parse_args()
    try:
        cycles = json.loads(arguments.measured.read_text(encoding="utf-8"))["cycles"]
        curves = {
            series: sorted((int(count), timing["minimum"]) for count, timing in cycles[series].items())
            for series, _, _ in SERIES
        }
    except (OSError, ValueError, KeyError) as error:
        print(f"plot: {arguments.measured}: not what bench/run.sh --json writes ({error!r})", file=sys.stderr)
        return 1
    counts = [count for count, _ in curves["path"]]
    plot = Plot(counts, max(value for curve in curves.values() for _, value in curve))
    plot.axes(counts)
    for series, name, colour in SERIES:
        plot.curve(curves[series], name, colour)
    arguments.out.write_text(plot.svg(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
