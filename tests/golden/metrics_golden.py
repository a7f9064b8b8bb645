"""Numbers that src/metrics tests compare with, computed apart by numpy and scipy.

Run `python3 tests/golden/metrics_golden.py`; the committed values came from numpy 1.24.2 and scipy 1.10.1 (Debian 12).
The features are a formula rather than a file, so that C++ and Python make the same ones.
"""
import numpy as np
import scipy.linalg
from scipy.spatial.distance import cdist


def features(num_rows, num_features, phase, scale):
    i = np.arange(num_rows)[:, None].astype(float)
    j = np.arange(num_features)[None, :].astype(float)
    return scale * np.sin(0.37 * (i + 1) * (j + 1) + phase) + 0.1 * np.cos(1.3 * i * (j + 2) + 2 * phase) + 0.02 * j


def frechet(a, b):
    mean_a, mean_b = a.mean(0), b.mean(0)
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(cov_a @ cov_b)
    return ((mean_a - mean_b) ** 2).sum() + np.trace(cov_a + cov_b) - 2 * np.trace(root).real


a, b = features(200, 12, 0.0, 1.0), features(150, 12, 0.7, 1.2)
print("frechet", repr(frechet(a, b)))
print("frechet, 8 rows of 12 features", repr(frechet(a[:8], b)))

samples, references, k = features(200, 3, 0.0, 1.0), features(150, 3, 0.7, 1.2), 5
own = cdist(references, references)
np.fill_diagonal(own, np.inf)
inside = cdist(references, samples) < np.sort(own, 1)[:, k - 1][:, None]
print("coverage", inside.any(1).mean())
print("density", inside.sum() / (k * len(samples)))
print("sum of nearest distances", repr(cdist(references, samples).min(1).sum()))
