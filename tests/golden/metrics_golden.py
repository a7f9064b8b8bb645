"""Numbers that src/metrics tests compare with, computed apart by numpy, scipy and scikit-learn.

Run `python3 tests/golden/metrics_golden.py`; the committed values came from numpy 1.24.2, scipy 1.10.1 and
scikit-learn 1.2.1 (Debian 12).
The features are a formula rather than a file, so that C++ and Python make the same ones.
"""
import numpy as np
import scipy.linalg
import scipy.special
import scipy.stats
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.neighbors import LocalOutlierFactor


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


def kernel_distance(a, b):
    kernel_aa, kernel_bb, kernel_ab = (polynomial_kernel(x, y, degree=3, coef0=1) for x, y in ((a, a), (b, b), (a, b)))
    n, m = len(a), len(b)
    off_diagonal = (kernel_aa.sum() - np.trace(kernel_aa)) / (n * (n - 1)) + (kernel_bb.sum() - np.trace(kernel_bb)) / (m * (m - 1))
    return off_diagonal - 2 * kernel_ab.mean()


left_out = np.array([kernel_distance(np.delete(samples, i, 0), references) for i in range(len(samples))])
print("kernel distance", repr(kernel_distance(samples, references)))
print("its standard error", repr(np.sqrt((len(samples) - 1) * left_out.var())))

references = features(150, 3, 0.1, 1.05)


def radii(points, k):
    return np.sort(cdist(points, points), 1)[:, k]  # column 0 is the point itself


def inside(points, centres, k):
    return cdist(points, centres) <= radii(centres, k)


print("precision", inside(samples, references, 3).any(1).mean(), "recall", inside(references, samples, 3).any(1).mean())

ball = radii(references, 3)
rarity = np.where(inside(samples, references, 3), ball, np.inf).min(1)
print("rarity", repr(rarity[np.isfinite(rarity)].mean()), "undefined", np.isinf(rarity).sum())
kept = ball <= np.median(ball)
realism = (ball[kept] / cdist(samples, references[kept])).max(1)
print("realism", repr(np.median(realism)), repr(realism.mean()), "at least 1", (realism >= 1).sum())

print("average distance to 5 neighbours", repr(np.sort(cdist(samples, references), 1)[:, :5].mean()))
novelty = LocalOutlierFactor(n_neighbors=20, novelty=True).fit(references)
print("outlier factor, new", repr(-novelty.score_samples(samples).mean()), repr(-novelty.score_samples(samples).min()))
print("outlier factor, own", repr(-novelty.negative_outlier_factor_.mean()), repr(novelty.negative_outlier_factor_.min()))
angle = 2 * np.pi * np.arange(40) / 40
circle = np.append(np.stack([np.cos(angle), np.sin(angle)], 1), [[5.0, 0.0]], 0)
print("outlier factor, circle", repr(-LocalOutlierFactor(n_neighbors=4).fit(circle).negative_outlier_factor_[-1]))

probabilities = scipy.special.softmax(features(200, 10, 0.4, 3.0), 1)
divergence = scipy.stats.entropy(probabilities, np.broadcast_to(probabilities.mean(0), probabilities.shape), axis=1)
print("predicted-class score", repr(np.exp(divergence.mean())))

line = scipy.stats.linregress([1 / 50, 1 / 100, 1 / 200, 1 / 400], [3.1, 2.4, 2.3, 2.1])
print("line", repr(line.intercept), repr(line.slope), repr(line.intercept_stderr))
