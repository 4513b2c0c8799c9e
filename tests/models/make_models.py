"""Trains and exports the matrix of models that `tests/onnx_models` runs, with ONNX Runtime's
answers; `run.sh` beside this calls it from an empty machine.

Versions are pinned and every random state is fixed. What still differs from run to run are names that
some converters draw at random, and the last digits of what linear algebra gives on other processors
or with more threads. `manifest.json` lists the models, and what could not
be exported, with the exporter's reason. All of it goes into one archive.
"""
import json
import sys

import onnxruntime

from answers import FOLDER, MODELS, SKIPPED, pack
from booster_models import boosters, catboost
from more_models import more
from scikit_models import classifiers, opsets, pipelines, preparation, regressors, texts
from torch_models import torch_models


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for part in [classifiers, regressors, preparation, pipelines, texts, boosters, catboost,
                 torch_models, opsets, more]:
        part()
    manifest = {"onnxruntime": onnxruntime.__version__, "models": MODELS, "skipped": SKIPPED}
    (FOLDER / "manifest.json").write_text(json.dumps(manifest, indent=1))
    size = sum(path.stat().st_size for path in FOLDER.glob("*.onnx"))
    print(f"{len(MODELS)} models, {size / 1e6:.1f} MB of ONNX, {len(SKIPPED)} not exported")
    pack(sys.argv[2], MODELS)


if __name__ == "__main__":
    main()
