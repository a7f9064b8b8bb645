#!/usr/bin/env bash
# Writes what every command says of itself to docs/help/, or checks that it is what stands there.
#   tools/generate_help.sh [--check] [PROGRAM]        PROGRAM: build/release/equipoise unless given
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
check=no
if [ "${1:-}" = --check ]; then
  check=yes
  shift
fi
program=${1:-$root/build/release/equipoise}

commands=("" demo run data "data check" "data split" "data convert" train sample guide minority "minority score" "minority label" "minority train" evaluate audit gate report serve events import "import edm" "import adm" list doctor)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for command in "${commands[@]}"; do
  name=${command:-equipoise}
  # shellcheck disable=SC2086  # "data check" is two words
  "$program" $command --help >"$folder/${name// /-}.txt"
done

if [ "$check" = no ]; then
  mkdir -p "$root/docs/help"
  rm -f "$root"/docs/help/*.txt
  cp "$folder"/*.txt "$root/docs/help/"
elif ! diff -ru "$root/docs/help" "$folder"; then
  echo "docs/help differs from --help; run tools/generate_help.sh" >&2
  exit 1
fi
