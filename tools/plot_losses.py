#!/usr/bin/env python3
"""Held-out loss against images seen, one colour a group of runs, one line a seed, as an SVG.

usage: tools/plot_losses.py STAGE OUT.svg LABEL=RUN_DIR,RUN_DIR,…  LABEL=RUN_DIR,…     (reads each run's stats.jsonl)
Prints the last loss of every run and the mean and standard deviation of every group.
"""
import json
import statistics
import sys
from pathlib import Path

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 340, 64, 32, 16, 44
COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00"]
DASHES = ["", "6 3", "2 3", "8 3 2 3"]


def curve(folder, stage):
    ticks = [json.loads(line) for line in (Path(folder) / "stats.jsonl").read_text().splitlines()]
    return [(tick["images"], tick["heldout_loss"]) for tick in ticks if tick["stage"] == stage]


def steps(low, high, count=5):
    """Round numbers between low and high."""
    raw = (high - low) / count
    size = 10 ** len(str(int(raw))) / 10 if raw >= 1 else 10 ** -len(str(int(1 / raw)))
    size *= min((factor for factor in (1, 2, 5, 10) if factor * size >= raw), default=10)
    first = int(low / size) + 1
    return [size * i for i in range(first, int(high / size) + 1)]


def main():
    stage, out, *groups = sys.argv[1:]
    curves = {}
    for group in groups:
        label, folders = group.split("=", 1)
        curves[label] = [curve(folder, stage) for folder in folders.split(",")]
    points = [point for runs in curves.values() for run in runs for point in run]
    most = max(x for x, _ in points)
    low, high = min(y for _, y in points), max(y for _, y in points)
    margin = 0.05 * (high - low)
    low, high = low - margin, high + margin

    def place(x, y):
        return (LEFT + (WIDTH - LEFT - RIGHT) * x / most, TOP + (HEIGHT - TOP - BOTTOM) * (high - y) / (high - low))

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>']
    for y in steps(low, high):
        at = place(0, y)[1]
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="#ddd"/>'
                     f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{y:g}</text>')
    for x in steps(0, most):
        at = place(x, low)[0]
        parts.append(f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{int(x):,}</text>')
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">training images</text>'
                 f'<text transform="rotate(-90)" x="{-(TOP + HEIGHT - BOTTOM) / 2}" y="14" text-anchor="middle">held-out loss</text>')
    for number, (label, runs) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        for seed, run in enumerate(runs):
            line = " ".join("{:.1f},{:.1f}".format(*place(*point)) for point in run)
            parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5" '
                         f'stroke-dasharray="{DASHES[seed % len(DASHES)]}"/>')
        at = TOP + 14 + 16 * number
        parts.append(f'<line x1="{WIDTH - 150}" x2="{WIDTH - 126}" y1="{at - 4}" y2="{at - 4}" stroke="{colour}" stroke-width="2"/>'
                     f'<text x="{WIDTH - 120}" y="{at}">{label}</text>')
        last = [run[-1][1] for run in runs]
        spread = statistics.stdev(last) if len(last) > 1 else 0
        print(f"{label}: {' '.join(f'{loss:.5g}' for loss in last)}; mean {statistics.mean(last):.5g}, standard deviation {spread:.2g}")
    Path(out).write_text("\n".join([*parts, "</svg>"]) + "\n")


if __name__ == "__main__":
    main()
