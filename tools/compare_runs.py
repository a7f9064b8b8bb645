#!/usr/bin/env python3
"""Tables over several runs: mean and spread of every method's headline numbers.

usage: tools/compare_runs.py RUN_DIR...      (each holds a results.json of the same preset, one a seed)
"""
import json
import statistics
import sys
from pathlib import Path

COLUMNS = {
    "total variation": "/total_variation/raw/value",
    "corrected": "/total_variation/corrected/value",
    "Frechet": "/frechet/value",
    "coverage": "/coverage/value",
    "nearest (ratio)": "/nearest_reference/ratio",
    "img/s": "/training/images_per_sec",
}


def look_up(tree, pointer):
    for key in pointer.strip("/").split("/"):
        if not isinstance(tree, dict) or key not in tree:
            return None
        tree = tree[key]
    return tree


def main():
    runs = [json.loads((Path(folder) / "results.json").read_text()) for folder in sys.argv[1:]]
    if not runs:
        sys.exit(__doc__)
    numbers = {}
    for run in runs:
        for method in run["methods"]:
            for title, pointer in COLUMNS.items():
                value = look_up(method, pointer)
                if value is not None:
                    numbers.setdefault(method["name"], {}).setdefault(title, []).append(value)
    print("| method | " + " | ".join(COLUMNS) + " |\n|" + " --- |" * (len(COLUMNS) + 1))
    for name, columns in numbers.items():
        cells = []
        for title in COLUMNS:
            values = columns.get(title, [])
            spread = f" ± {statistics.stdev(values):.3g}" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.4g}{spread}" if values else "")
        print(f"| {name} | " + " | ".join(cells) + " |")
    areas = [run["ratio_error"]["area_ratio"] for run in runs if "ratio_error" in run]
    if areas:
        print(f"\nratio of error areas: mean {statistics.mean(areas):.3f}, each " + " ".join(f"{a:.3f}" for a in areas))
    print(f"\nseeds: {', '.join(str(run['seed']) for run in runs)}")


main()
