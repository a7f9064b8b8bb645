#!/usr/bin/env python3
"""Features of 1,000 images by `equipoise evaluate` and by plain eager PyTorch in turn: images a second, memory, and whether they agree.

    compare_features.py BUILD_DIR WEIGHTS.safetensors [--rounds 3]

The network is the face descriptor (its weights are no part of this project), images are 64x64 uniform noise; both sides resize them to 150x150,
and keep mean and covariance of the features.
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

COUNT, BATCH = 1000, 50
MEAN = (122.782, 117.001, 104.298)
LIBRARIES = pathlib.Path("/usr/lib/x86_64-linux-gnu")
PEERS = {
    "as installed": {},
    "2 threads": {"OMP_NUM_THREADS": "2"},
    "tuned": {"OMP_NUM_THREADS": "2", "LD_LIBRARY_PATH": str(LIBRARIES / "openblas-openmp"),
              "LD_PRELOAD": str(LIBRARIES / "libjemalloc.so.2")},
}


def make_descriptor(path):
    """As a researcher would write it: every layer an operator."""
    import torch
    import torch.nn.functional as F

    from peer_networks import read_safetensors

    weights = read_safetensors(path)
    names = sorted({name.split(".")[0] for name in weights if name.startswith("conv") and ".conv1." in name},
                   key=lambda name: (int(re.search(r"\d+", name).group()), "_out" in name, "_down" not in name, name))

    def layer(x, name, stride=1, padding=1):
        y = F.conv2d(x, weights[f"{name}.conv.filters"], weights[f"{name}.conv.bias"], stride, padding)
        return y * weights[f"{name}.scale.weights"][:, None, None] + weights[f"{name}.scale.biases"][:, None, None]

    def block(x, name):
        halves = "_down" in name
        hidden = layer(F.relu(layer(x, f"{name}.conv1", 2 if halves else 1, 0 if halves else 1)), f"{name}.conv2")
        if halves:
            x = F.avg_pool2d(x, 2)
            hidden = F.pad(hidden, (0, x.shape[3] - hidden.shape[3], 0, x.shape[2] - hidden.shape[2]))
            x = F.pad(x, (0, 0, 0, 0, 0, hidden.shape[1] - x.shape[1]))
        return F.relu(hidden + x)

    def features(images):
        x = torch.from_numpy(images).permute(0, 3, 1, 2).float()
        x = F.interpolate(x, size=150, mode="bilinear", align_corners=False)
        x = (x - torch.tensor(MEAN)[:, None, None]) / 255
        x = F.max_pool2d(F.relu(layer(x, "conv32_down", 2, 0)), 3, 2)
        for name in names:
            x = block(x, name)
        return F.linear(x.mean((2, 3)), weights["fc.weights"])

    return features


def peer(images, weights, out):
    import torch

    if "OMP_NUM_THREADS" in os.environ:
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    features, rows = make_descriptor(weights), []
    images = np.load(images)["arr_0"]
    begin = time.perf_counter()
    with torch.no_grad():
        for at in range(0, len(images), BATCH):
            rows.append(features(images[at : at + BATCH]).numpy())
    seconds = time.perf_counter() - begin
    rows = np.concatenate(rows).astype(np.float64)
    np.savez(out, mu=rows.mean(0), sigma=np.cov(rows, rowvar=False))
    print(json.dumps({"images_per_sec": len(images) / seconds}))


def run(command, extra=None):
    done = subprocess.run(["/usr/bin/time", "-f", "TIME %e %M", *map(str, command)], env={**os.environ, **(extra or {})},
                          capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    seconds, kib = re.search(r"TIME ([0-9.]+) (\d+)", done.stderr).groups()
    return done.stdout, float(seconds), int(kib) / 1024


def main():
    if len(sys.argv) > 1 and sys.argv[1] == "peer":
        return peer(*sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("weights", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        images, mine, theirs = folder / "images.npz", folder / "mine.npz", folder / "theirs.npz"
        np.savez(images, arr_0=np.random.default_rng(0).integers(0, 256, (COUNT, 64, 64, 3), np.uint8))
        ours, peers = [], {setting: [] for setting in PEERS}
        for _ in range(options.rounds):
            # The whole program is timed, reading and starting included; of the peer, its loop alone.
            _, seconds, mib = run([options.build / "equipoise", "evaluate", "--reference", images, "--features", "face_descriptor",
                                   "--weights", options.weights, "--save-stats", mine])
            ours.append((COUNT / seconds, mib))
            for setting, environment in PEERS.items():
                text, _, mib = run(["/usr/bin/python3", __file__, "peer", images, options.weights, theirs], environment)
                peers[setting].append((json.loads(text)["images_per_sec"], mib))
        a, b = np.load(mine), np.load(theirs)
        for key in ("mu", "sigma"):
            print(f"{key}: largest relative difference {np.abs(a[key] - b[key]).max() / np.abs(b[key]).max():.1e}")
        print(f"ours {statistics.median(rate for rate, _ in ours):.4g} images/s, {max(mib for _, mib in ours):,.0f} MiB")
        for setting, found in peers.items():
            ratios = [own / rate for (own, _), (rate, _) in zip(ours, found)]
            print(f"peer {setting:12} {statistics.median(rate for rate, _ in found):.4g} images/s, {max(mib for _, mib in found):,.0f} MiB; "
                  f"times as fast: {min(ratios):.2f} {statistics.median(ratios):.2f} {max(ratios):.2f} (min, median, max)")


if __name__ == "__main__":
    main()
