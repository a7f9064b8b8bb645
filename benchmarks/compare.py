#!/usr/bin/env python3
"""Times our programs and the peer in turn, on the same machine in the same minutes, and prints the ratios.

    compare.py BUILD_DIR [--rounds 5] [--seconds 4] [--only PART] [--device cuda] [--json OUT]

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
CUDA_PEERS = {
    "eager": ({}, ["--device", "cuda"]),
    "tuned": ({}, ["--device", "cuda", "--tuned"]),
    "tuned bf16": ({}, ["--device", "cuda", "--tuned", "--bf16"]),
}
# name: flags
OURS = {"fp32-fast": [], "bf16": ["--precision=bf16"]}
CUDA_OURS = {
    "fp32-fast": ["--device=cuda"],
    "fp32-fast without graphs": ["--device=cuda", "--cuda_graphs=off"],
    "bf16": ["--device=cuda", "--precision=bf16"],
}
# ours: program, name; the peer's: script, arguments
NETWORK_WORK = [
    ("bench_training", "train", "S", 64),
    ("bench_training", "train_tiw", "S", 64),
    ("bench_sampling", "forward", "S", 64),
    ("bench_sampling", "forward", "S", 8),
    ("bench_sampling", "forward", "S", 1),
    ("bench_training", "train", "C", 4),
    ("bench_sampling", "forward", "C", 4),
]
CUDA_WORK = [
    ("bench_training", "train", "S", 64),
    ("bench_training", "train", "S", 512),
    ("bench_training", "train_tiw", "S", 64),
    ("bench_training", "train", "C", 128),
    ("bench_sampling", "forward", "S", 512),
    ("bench_sampling", "forward", "S", 64),
    ("bench_sampling", "forward", "C", 128),
    ("bench_sampling", "forward", "C", 4),
]
METHOD_WORK = [
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
    # Whatever holds a library back from its best kernels is not part of a comparison.
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("OPENBLAS_", "OMP_", "DNNL_"))}
    done = subprocess.run(command, env={**plain, **(extra or {})}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def check(build, program, writes, script, reads):
    with tempfile.TemporaryDirectory() as folder:
        model = f"{folder}/check.safetensors"
        run([build / program, "--write-check", *writes, model])
        print(run([PYTHON, HERE / script, "check", *reads, model]).strip())


def work_of(networks):
    return [(program, f"{task}/{workload}/{batch}", "peer_pytorch.py", [workload, task, str(batch)])
            for program, task, workload, batch in networks]


def time_ours(build, program, name, flags, seconds):
    """Images a second, and denoiser calls an image where whole images are made."""
    output = run([build / program, *flags, f"--benchmark_filter=^{name}/(real|manual)_time$", "--benchmark_format=json",
                  f"--benchmark_min_time={seconds}"])
    timed = json.loads(output)["benchmarks"][0]
    return timed["items_per_second"], timed.get("calls")


def time_peer(python, setting, script, arguments, seconds):
    environment, options = setting
    length = ["--seconds", str(seconds)] if script == "peer_pytorch.py" else []
    timed = json.loads(run([python, HERE / script, "time", *arguments, *length, *options], environment))
    return timed["images_per_sec"], timed.get("calls")


def spread(values):
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--only", default="", help="workloads whose name contains this")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()

    on_cuda = args.device == "cuda"
    python = sys.executable if on_cuda else PYTHON
    peers_known, ours_known = (CUDA_PEERS, CUDA_OURS) if on_cuda else (PEERS, OURS)
    if not on_cuda and not has_bf16():
        print("bf16 left out: this processor has no bf16 instructions")
        peers_known, ours_known = ({name: how for name, how in known.items() if "bf16" not in name}
                                   for known in (peers_known, ours_known))
    work = work_of(CUDA_WORK) if on_cuda else work_of(NETWORK_WORK) + METHOD_WORK
    work = [entry for entry in work if args.only in entry[1]]
    for part, how in CHECKS.items():
        if not on_cuda and any(part in name for _, name, _, _ in work):
            check(args.build, *how)
    results = []
    for program, name, script, arguments in work:
        has_precisions = script == "peer_pytorch.py"
        settings = [setting for setting in peers_known if has_precisions or "bf16" not in setting]
        ours = {setting: [] for setting in ours_known if has_precisions or setting == "fp32-fast"}
        peers, calls = {setting: [] for setting in settings}, {}
        for _ in range(args.rounds):
            for setting, rates in ours.items():
                rate, calls["ours"] = time_ours(args.build, program, name, ours_known[setting], args.seconds)
                rates.append(rate)
            for setting, rates in peers.items():
                rate, calls["peer"] = time_peer(python, peers_known[setting], script, arguments, args.seconds)
                rates.append(rate)
        print(f"\n{name}: images/s, median (least to most)")
        if calls["ours"]:
            print(f"  denoiser calls an image: ours {calls['ours']:.4g}, peer {calls['peer']:.4g}")
        for setting, rates in peers.items():
            print(f"  peer, {setting:14} {spread(rates)}")
        for mine, my_rates in ours.items():
            print(f"  ours, {mine:14} {spread(my_rates)}")
            for setting, rates in peers.items():
                ratios = [a / b for a, b in zip(my_rates, rates)]
                print(f"    against {setting:14} {spread(ratios)}", flush=True)
        results.append({"name": name, "ours": ours, "peers": peers, "calls": calls})
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
