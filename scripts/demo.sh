#!/usr/bin/env bash
# From a bare Debian 12 to the finished report in one command: packages, release build, demo. What is done already is skipped.
#   scripts/demo.sh [OUT_DIR]
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-runs/demo}

scripts/setup.sh
cmake --preset release >/dev/null
cmake --build --preset release
if [ -f "$out/report.html" ]; then
  echo "demo: $out holds a finished run; remove it to run the demo again"
else
  build/release/equipoise demo --out "$out"
fi
echo "report: $(realpath "$out")/report.html"
