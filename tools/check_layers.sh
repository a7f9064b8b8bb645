#!/usr/bin/env bash
# Holds the #include lines of src/ against the order of folders in src/CMakeLists.txt: a folder may include itself, core, and what
# the folders after its DEPENDS may include. Also: nobody but a test includes torch/torch.h (20 s to parse; core/libtorch.h instead).
set -euo pipefail
cd "$(dirname "$0")/../src"

declare -A allowed
while read -r folder depends || [ -n "$folder" ]; do
  closure=" $folder "
  for d in $depends; do closure+="${allowed[$d]:?unknown folder $d}"; done
  allowed[$folder]=$closure
done < <(tr '\n' ' ' < CMakeLists.txt | sed 's/equipoise_folder(/\n/g' | sed -n 's/^\([a-z]\+\) *\(DEPENDS *\([a-z ]*\)\)\?.*/\1 \3/p')

bad=0
for file in $(find . -name "*.h" -o -name "*.cpp" | sed "s,^./,,"); do
  folder=${file%%/*}
  [ -n "${allowed[$folder]:-}" ] || { echo "$file: folder '$folder' is not in src/CMakeLists.txt"; bad=1; continue; }
  case "$file" in *_test.cpp) continue ;; esac
  while read -r included; do
    [ -d "$included" ] || continue
    case "${allowed[$folder]}" in
      *" $included "*) ;;
      *) echo "$file: '$folder' must not include '$included'"; bad=1 ;;
    esac
  done < <(sed -n 's/^#include "\([a-z]*\)\/.*/\1/p' "$file" | sort -u)
  if grep -q '#include <torch/torch.h>' "$file"; then echo "$file: include core/libtorch.h instead of torch/torch.h"; bad=1; fi
done
[ $bad -eq 0 ] && echo "layers: all includes follow the order"
exit $bad
