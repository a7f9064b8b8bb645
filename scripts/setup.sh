#!/usr/bin/env bash
# Installs what Equipoise needs on Debian 12: as root, or through sudo. Does nothing when everything is there.
#   scripts/setup.sh             to build and run the program
#   scripts/setup.sh tests       to build and run its tests as well
#   scripts/setup.sh benchmarks  to compare its speed with PyTorch's
set -euo pipefail

packages=(
  g++ cmake ninja-build pkg-config ca-certificates
  libtorch-dev libopenblas0-openmp libdnnl-dev
  libcli11-dev libtomlplusplus-dev nlohmann-json3-dev libfmt-dev libboost-dev
  libprotozero-dev libcpp-httplib-dev libmpich-dev mpich
  libpng-dev libjpeg62-turbo-dev libzip-dev zlib1g-dev liblzma-dev libssl-dev
  dataset-fashion-mnist nodejs npm
)
if [ "${1:-}" = tests ]; then
  packages+=(libgtest-dev libgmock-dev librapidcheck-dev python3-numpy chromium protobuf-compiler qemu-user)
fi
if [ "${1:-}" = benchmarks ]; then
  packages+=(libbenchmark-dev python3-torch libblas3 libjemalloc2 python3-numpy python3-scipy time)
fi

missing=()
for package in "${packages[@]}"; do
  # A tool that is already there from elsewhere (a newer node, say) counts.
  case "$package" in
    nodejs) command -v node >/dev/null 2>&1 && continue ;;
    npm | cmake) command -v "$package" >/dev/null 2>&1 && continue ;;
  esac
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null 2>&1; then
  echo "setup: no apt-get on this machine, so these Debian packages cannot be installed: ${missing[*]}" >&2
  echo "setup: install their equivalents (a C++20 compiler, CMake 3.25, LibTorch 1.13 or newer, …) and build with the presets." >&2
  exit 5
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null 2>&1; then
    echo "setup: neither root nor sudo, so these packages cannot be installed: ${missing[*]}" >&2
    echo "setup: ask an administrator to run: apt-get install ${missing[*]}" >&2
    exit 5
  fi
  as_root=(sudo)
fi
echo "setup: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
