#!/usr/bin/env python3
"""Times our programs and the peer in turn, on the same machine in the same minutes, and prints the ratios.

    compare.py BUILD_DIR [--rounds 5] [--seconds 4] [--only PART] [--json OUT]

First both compute the same denoised images from the same weights (or it stops). Then every round times each peer setting and ours
one after another, so that a noisy neighbour falls on all; a ratio is taken within a round.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
LIBRARIES = pathlib.Path("/usr/lib/x86_64-linux-gnu")
PYTHON = "/usr/bin/python3"  # Debian's, which has python3-torch
TUNED = {"LD_LIBRARY_PATH": str(LIBRARIES / "openblas-openmp"), "LD_PRELOAD": str(LIBRARIES / "libjemalloc.so.2")}
# name: environment, arguments
PEERS = {
    "as installed": ({"LD_LIBRARY_PATH": str(LIBRARIES / "blas")}, []),
    "2 threads": ({"LD_LIBRARY_PATH": str(LIBRARIES / "blas")}, ["--threads", "2"]),
    "tuned": (TUNED, ["--threads", "2"]),
    "tuned bf16": (TUNED, ["--threads", "2", "--bf16"]),
}
# ours: program, name; the peer's: script, arguments
WORK = [
    ("bench_training", "train/S/64", "peer_pytorch.py", ["S", "train", "64"]),
    ("bench_training", "train_tiw/S/64", "peer_pytorch.py", ["S", "train_tiw", "64"]),
    ("bench_sampling", "forward/S/64", "peer_pytorch.py", ["S", "forward", "64"]),
    ("bench_sampling", "forward/S/8", "peer_pytorch.py", ["S", "forward", "8"]),
    ("bench_sampling", "forward/S/1", "peer_pytorch.py", ["S", "forward", "1"]),
    ("bench_training", "train/C/4", "peer_pytorch.py", ["C", "train", "4"]),
    ("bench_sampling", "forward/C/4", "peer_pytorch.py", ["C", "forward", "4"]),
    ("bench_methods", "sample/plain/64", "peer_sampling.py", ["plain"]),
    ("bench_methods", "sample/discriminator/64", "peer_sampling.py", ["discriminator"]),
    ("bench_methods", "sample/rejection/64", "peer_sampling.py", ["rejection"]),
]
# ours: program, what it writes; the peer's: script, what it reads
CHECKS = {
    "/S/": ("bench_sampling", ["S"], "peer_pytorch.py", ["S"]),
    "/C/": ("bench_sampling", ["C"], "peer_pytorch.py", ["C"]),
    "sample/": ("bench_methods", [], "peer_sampling.py", []),
}


def has_bf16():
    return "avx512_bf16" in pathlib.Path("/proc/cpuinfo").read_text()


def run(command, extra=None):
    done = subprocess.run(command, env={**os.environ, **(extra or {})}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def check(build, program, writes, script, reads):
    with tempfile.TemporaryDirectory() as folder:
        model = f"{folder}/check.safetensors"
        run([build / program, "--write-check", *writes, model])
        print(run([PYTHON, HERE / script, "check", *reads, model]).strip())


def time_ours(build, program, name, seconds):
    """Images a second, and denoiser calls an image where whole images are made."""
    output = run([build / program, f"--benchmark_filter=^{name}/real_time$", "--benchmark_format=json",
                  f"--benchmark_min_time={seconds}"])
    timed = json.loads(output)["benchmarks"][0]
    return timed["items_per_second"], timed.get("calls")


def time_peer(setting, script, arguments, seconds):
    environment, options = PEERS[setting]
    length = ["--seconds", str(seconds)] if script == "peer_pytorch.py" else []
    timed = json.loads(run([PYTHON, HERE / script, "time", *arguments, *length, *options], environment))
    return timed["images_per_sec"], timed.get("calls")


def spread(values):
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--only", default="", help="workloads whose name contains this")
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()

    settings = [name for name in PEERS if name != "tuned bf16" or has_bf16()]
    if len(settings) < len(PEERS):
        print("bf16 left out: this processor has no bf16 instructions")
    work = [entry for entry in WORK if args.only in entry[1]]
    for part, how in CHECKS.items():
        if any(part in name for _, name, _, _ in work):
            check(args.build, *how)
    results = []
    for program, name, script, arguments in work:
        known = [setting for setting in settings if script == "peer_pytorch.py" or "bf16" not in setting]
        ours, peers, calls = [], {setting: [] for setting in known}, {}
        for _ in range(args.rounds):
            rate, calls["ours"] = time_ours(args.build, program, name, args.seconds)
            ours.append(rate)
            for setting in known:
                rate, calls["peer"] = time_peer(setting, script, arguments, args.seconds)
                peers[setting].append(rate)
        print(f"\n{name}: ours {spread(ours)} images/s")
        if calls["ours"]:
            print(f"  denoiser calls an image: ours {calls['ours']:.4g}, peer {calls['peer']:.4g}")
        for setting, rates in peers.items():
            ratios = [mine / theirs for mine, theirs in zip(ours, rates)]
            print(f"  against {setting:12} {spread(rates):28} ratio {spread(ratios)}", flush=True)
        results.append({"name": name, "ours": ours, "peers": peers, "calls": calls})
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
