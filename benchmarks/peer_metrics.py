#!/usr/bin/env python3
"""The metrics of `equipoise evaluate` in plain numpy and scipy, as one would write them for a notebook.

    peer_metrics.py SAMPLES.npz REFERENCE.npz      both with uint8 images in arr_0; features are pixels / 127.5 - 1

Prints one JSON object: the numbers, and the seconds each took.
"""
import json
import sys
import time

import numpy as np
from scipy.linalg import sqrtm

K = 3


def frechet(x, y):
    mean_x, mean_y = x.mean(0), y.mean(0)
    cov_x, cov_y = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = sqrtm(cov_x @ cov_y).real
    return float(((mean_x - mean_y) ** 2).sum() + np.trace(cov_x + cov_y - 2 * root))


def kernel(x, y):
    return (x @ y.T / x.shape[1] + 1) ** 3


def kernel_distance(x, y):
    xx, yy, xy = kernel(x, x), kernel(y, y), kernel(x, y)
    n, m = len(x), len(y)
    return float((xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1)) - 2 * xy.mean())


def kid_blocks(x, y, rng):
    values = [kernel_distance(x[rng.choice(len(x), 1000, False)], y[rng.choice(len(y), 1000, False)]) for _ in range(100)]
    return float(np.mean(values))


def distances_between(x, y):
    squares = (x**2).sum(1)[:, None] + (y**2).sum(1)[None] - 2 * x @ y.T
    return np.sqrt(np.maximum(squares, 0))


def radii(x, k):
    distances = distances_between(x, x)
    np.fill_diagonal(distances, np.inf)
    return np.partition(distances, k - 1, axis=1)[:, k - 1]


def precision_recall(x, y):
    distances = distances_between(x, y)
    return (float((distances <= radii(y, K)[None]).any(1).mean()), float((distances <= radii(x, K)[:, None]).any(0).mean()))


def coverage_density(x, y):
    inside = distances_between(x, y) < radii(y, 5)[None]
    return float(inside.any(0).mean()), float(inside.sum() / (5 * len(x)))


def realism(x, y):
    of_reference = radii(y, K)
    kept = of_reference <= np.median(of_reference)
    return float(((of_reference[kept][None] / distances_between(x, y[kept])).max(1) >= 1).mean())


def rarity(x, y):
    of_reference = radii(y, K)
    smallest = np.where(distances_between(x, y) <= of_reference[None], of_reference[None], np.inf).min(1)
    return float(smallest[np.isfinite(smallest)].mean())


def average_neighbours(x, y):
    return float(np.sort(distances_between(x, y), axis=1)[:, :5].mean())


def local_outlier_factor(x, y, k=20):
    own = distances_between(y, y)
    np.fill_diagonal(own, np.inf)
    near = np.argsort(own, axis=1)[:, :k]
    distances = np.take_along_axis(own, near, 1)
    radius = distances[:, -1]
    density = 1 / np.maximum(distances, radius[near]).mean(1)
    to_y = distances_between(x, y)
    near_x = np.argsort(to_y, axis=1)[:, :k]
    reach = np.maximum(np.take_along_axis(to_y, near_x, 1), radius[near_x]).mean(1)
    return float((density[near_x].mean(1) * reach).mean())


def main():
    x, y = (np.load(path)["arr_0"].reshape(10_000, -1) / 127.5 - 1 for path in sys.argv[1:3])
    rng = np.random.default_rng(0)
    tasks = {
        "frechet": lambda: frechet(x, y),
        "kid": lambda: [kernel_distance(x, y), kid_blocks(x, y, rng)],
        "precision_recall": lambda: precision_recall(x, y),
        "coverage": lambda: coverage_density(x, y),
        "realism": lambda: realism(x, y),
        "rarity": lambda: rarity(x, y),
        "avg_knn": lambda: average_neighbours(x, y),
        "lof": lambda: local_outlier_factor(x, y),
    }
    result = {}
    for name, task in tasks.items():
        start = time.perf_counter()
        value = task()
        result[name] = {"value": value, "seconds": time.perf_counter() - start}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
