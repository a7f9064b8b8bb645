#!/usr/bin/env bash
# Builds the timed programs and compares them with plain eager PyTorch; arguments go to compare.py.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh benchmarks
cmake --preset release
cmake --build --preset release --target benchmarks
exec /usr/bin/python3 benchmarks/compare.py build/release "$@"
