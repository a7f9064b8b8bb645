#!/usr/bin/env bash
# Sets the machine up, builds the program with its tests and runs them all.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh tests
cmake --preset dev >/dev/null
# A job a core: Ninja would start two more, a quarter slower where page faults are dear (virtual machines).
cmake --build --preset dev -j "$(nproc)"
ctest --preset dev -j "$(nproc)" "$@"
