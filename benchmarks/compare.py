#!/usr/bin/env python3
"""Times our programs and the peer in turn, on the same machine in the same minutes, and prints the ratios.

    compare.py BUILD_DIR [--rounds 5] [--seconds 4] [--only S] [--json OUT]

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
# name of ours, peer's task, workload, batch
WORK = [
    ("train/S/64", "train", "S", 64),
    ("forward/S/64", "forward", "S", 64),
    ("forward/S/8", "forward", "S", 8),
    ("forward/S/1", "forward", "S", 1),
    ("train/C/4", "train", "C", 4),
    ("forward/C/4", "forward", "C", 4),
]


def has_bf16():
    return "avx512_bf16" in pathlib.Path("/proc/cpuinfo").read_text()


def run(command, extra=None):
    done = subprocess.run(command, env={**os.environ, **(extra or {})}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def check(build, workload):
    with tempfile.TemporaryDirectory() as folder:
        model = f"{folder}/check.safetensors"
        run([build / "bench_sampling", "--write-check", workload, model])
        print(run([PYTHON, HERE / "peer_pytorch.py", "check", workload, model]).strip())


def time_ours(build, name, seconds):
    program = "bench_training" if name.startswith("train") else "bench_sampling"
    output = run([build / program, f"--benchmark_filter=^{name}/real_time$", "--benchmark_format=json",
                  f"--benchmark_min_time={seconds}"])
    return json.loads(output)["benchmarks"][0]["items_per_second"]


def time_peer(setting, task, workload, batch, seconds):
    environment, arguments = PEERS[setting]
    command = [PYTHON, HERE / "peer_pytorch.py", "time", workload, task, str(batch), "--seconds", str(seconds), *arguments]
    return json.loads(run(command, environment))["images_per_sec"]


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
    work = [entry for entry in WORK if args.only in entry[0]]
    for workload in sorted({entry[2] for entry in work}):
        check(args.build, workload)
    results = []
    for name, task, workload, batch in work:
        ours, peers = [], {setting: [] for setting in settings}
        for _ in range(args.rounds):
            ours.append(time_ours(args.build, name, args.seconds))
            for setting in settings:
                peers[setting].append(time_peer(setting, task, workload, batch, args.seconds))
        print(f"\n{name}: ours {spread(ours)} images/s")
        for setting, rates in peers.items():
            ratios = [mine / theirs for mine, theirs in zip(ours, rates)]
            print(f"  against {setting:12} {spread(rates):28} ratio {spread(ratios)}", flush=True)
        results.append({"name": name, "ours": ours, "peers": peers})
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
