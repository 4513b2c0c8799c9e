"""Trains and exports the matrix of models that `tests/onnx_models` runs, with ONNX Runtime's
answers; `run.sh` beside this calls it from an empty machine.

Versions are pinned and every random state is fixed. What still differs from run to run are names that
some converters draw at random, and the last digits of what linear algebra gives on other processors
or with more threads. `manifest.json` lists the models, and what could not
be exported, with the exporter's reason. All of it goes into one archive.
"""
import gzip
import io
import json
import sys
import tarfile

import onnxruntime

from answers import FOLDER, MODELS, SKIPPED
from booster_models import boosters, catboost
from scikit_models import classifiers, opsets, pipelines, preparation, regressors, texts
from torch_models import torch_models


def pack(archive):
    """The same bytes for the same files: no times, no owners."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        names = ["manifest.json"]
        for model in MODELS:
            names += [f"{model['name']}.{end}" for end in ("onnx", "json")]
        for name in names:
            if (FOLDER / name).exists():
                content = (FOLDER / name).read_bytes()
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    with open(archive, "wb") as file:
        file.write(gzip.compress(plain.getvalue(), mtime=0))


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for part in [classifiers, regressors, preparation, pipelines, texts, boosters, catboost,
                 torch_models, opsets]:
        part()
    manifest = {"onnxruntime": onnxruntime.__version__, "models": MODELS, "skipped": SKIPPED}
    (FOLDER / "manifest.json").write_text(json.dumps(manifest, indent=1))
    size = sum(path.stat().st_size for path in FOLDER.glob("*.onnx"))
    print(f"{len(MODELS)} models, {size / 1e6:.1f} MB of ONNX, {len(SKIPPED)} not exported")
    pack(sys.argv[2])


if __name__ == "__main__":
    main()
