#!/usr/bin/env bash
# ONNX Runtime's library, out of its Python package (PyPI), for the feature `ort`.
#
#   eval "$(tests/servers/onnxruntime.sh FOLDER)"    installs it there if it is missing, and prints
#                                                    what to `eval` to have it found
set -euo pipefail

. "$(dirname "$0")/common.sh"

version=1.32.0

[ $# = 1 ] || fail "found $# arguments, expected a folder"
mkdir -p "$1"
folder=$(cd "$1" && pwd)

library() { find "$folder" -name "libonnxruntime.so.$version" -print -quit; }

if [ -z "$(library)" ]; then
  python3 -m venv "$folder/venv" >&2
  "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "onnxruntime==$version" >&2
fi
[ -n "$(library)" ] || fail "found no libonnxruntime.so.$version in the package"
printf 'export ORT_DYLIB_PATH=%q\n' "$(library)"
