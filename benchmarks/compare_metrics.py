#!/usr/bin/env python3
"""Evaluates 10,000 images with `equipoise evaluate` and with peer_metrics.py in turn: time, memory, and whether they agree.

    compare_metrics.py BUILD_DIR [--data /usr/share/datasets/fashion-mnist] [--rounds 3]

Samples are the first 10,000 training images of the IDX set, the reference its 10,000 test images, features their pixels.
"""
import argparse
import gzip
import json
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

import numpy as np

HERE = pathlib.Path(__file__).parent
METRICS = ["frechet", "kid", "precision_recall", "coverage", "realism", "rarity", "avg_knn", "lof"]


def read_images(folder, part):
    (path,) = folder.glob(f"{part}-images*gz")
    return np.frombuffer(gzip.open(path).read(), np.uint8)[16:].reshape(-1, 28, 28, 1)[:10_000]


def timed(command):
    done = subprocess.run(["/usr/bin/time", "-f", "TIME %e %M", *map(str, command)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    seconds, kib = re.search(r"TIME ([0-9.]+) (\d+)", done.stderr).groups()
    return done.stdout, float(seconds), int(kib) / 1024


def ours(build, samples, reference, folder):
    out = folder / "ours.json"
    _, seconds, mib = timed([build / "equipoise", "evaluate", "--samples", samples, "--reference", reference, "--features", "pixels",
                             "--metrics", ",".join(METRICS), "--option", "kid.blocks=100", "--json", out])
    numbers = json.loads(out.read_text())
    return numbers.get("metrics", numbers), seconds, mib


def agreement(ours_, peer):
    pairs = {
        "frechet": (ours_["frechet"]["value"], peer["frechet"]["value"]),
        "kernel distance": (ours_["kid"]["value"], peer["kid"]["value"][0]),
        "precision": (ours_["precision_recall"]["precision"]["value"], peer["precision_recall"]["value"][0]),
        "recall": (ours_["precision_recall"]["recall"]["value"], peer["precision_recall"]["value"][1]),
        "coverage": (ours_["coverage"]["value"], peer["coverage"]["value"][0]),
        "density": (ours_["coverage"]["density"], peer["coverage"]["value"][1]),
        "realism": (ours_["realism"]["value"], peer["realism"]["value"]),
        "rarity": (ours_["rarity"]["value"], peer["rarity"]["value"]),
        "avg_knn": (ours_["avg_knn"]["value"], peer["avg_knn"]["value"]),
        "lof": (ours_["lof"]["value"], peer["lof"]["value"]),
    }
    for name, (a, b) in pairs.items():
        print(f"{name:<16}{a:>16.8g}{b:>16.8g}   {abs(a - b) / max(abs(b), 1e-12):.1e}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        samples, reference = folder / "samples.npz", folder / "reference.npz"
        np.savez(samples, arr_0=read_images(options.data, "train"))
        np.savez(reference, arr_0=read_images(options.data, "t10k"))
        rounds = []
        for _ in range(options.rounds):
            text, peer_seconds, peer_mib = timed(["/usr/bin/python3", HERE / "peer_metrics.py", samples, reference])
            numbers, seconds, mib = ours(options.build, samples, reference, folder)
            rounds.append((seconds, peer_seconds, mib, peer_mib))
        print(f"{'':<16}{'ours':>16}{'numpy':>16}   relative")
        agreement(numbers, json.loads(text))
        ratios = [peer / own for own, peer, _, _ in rounds]
        print("ours   ", " ".join(f"{own:.1f} s" for own, *_ in rounds), f"{max(r[2] for r in rounds):,.0f} MiB")
        print("numpy  ", " ".join(f"{peer:.1f} s" for _, peer, *_ in rounds), f"{max(r[3] for r in rounds):,.0f} MiB")
        print(f"times as fast: {min(ratios):.2f} {statistics.median(ratios):.2f} {max(ratios):.2f} (min, median, max)")


if __name__ == "__main__":
    main()
