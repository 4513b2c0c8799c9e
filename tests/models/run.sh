#!/usr/bin/env bash
# Makes the matrix of models anew from an empty machine with Python 3.11 to 3.13, and runs it:
#
#     bash tests/models/run.sh FOLDER            # train, export, answer, run
#     bash tests/models/run.sh FOLDER --keep     # and replace the archive in the repository
#
# PyTorch's wheel for CPUs is enough: name PyTorch's own index in PIP_EXTRA_INDEX_URL to take it.
set -euo pipefail
cd "$(dirname "$0")/../.."

folder="${1:?a folder to work in}"
mkdir -p "$folder"
folder="$(cd "$folder" && pwd)"
[ -x "$folder/venv/bin/python" ] || python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check -r tests/models/requirements.txt
OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1 "$folder/venv/bin/python" \
  tests/models/make_models.py "$folder/models" "$folder/onnx_models.tar.gz"
export MODELGATE_MODELS="$folder/onnx_models.tar.gz"
if [ "${2:-}" = --keep ]; then
  cp "$MODELGATE_MODELS" tests/data/onnx_models.tar.gz
  export MODELGATE_WRITE_TABLE=1
fi
cargo test --no-default-features --features onnx --test onnx_models -- --nocapture
