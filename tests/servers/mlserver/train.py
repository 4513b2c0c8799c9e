"""Trains a small classifier, and writes what scikit-learn itself answers beside it."""

import json
import pathlib
import sys

import joblib
import numpy
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)

rows, classes = load_iris(return_X_y=True)
rows = rows.astype(numpy.float32)
model = LogisticRegression(max_iter=1000).fit(rows, classes)
joblib.dump(model, folder / "model.joblib")

settings = {
    "name": "iris",
    "implementation": "mlserver_sklearn.SKLearnModel",
    "parameters": {"uri": "./model.joblib", "version": "2"},
    "inputs": [{"name": "rows", "datatype": "FP32", "shape": [-1, 4]}],
    "outputs": [
        {"name": "predict", "datatype": "INT64", "shape": [-1, 1]},
        {"name": "predict_proba", "datatype": "FP64", "shape": [-1, 3]},
    ],
}
(folder / "model-settings.json").write_text(json.dumps(settings))

# Last, as it is what the script looks for. Further rows lie between and beyond those it learned.
random = numpy.random.default_rng(7)
rows = numpy.concatenate([rows, random.uniform(-3, 12, (100, 4)).astype(numpy.float32)])
answers = {
    "rows": rows.tolist(),
    "labels": model.predict(rows).tolist(),
    "probabilities": model.predict_proba(rows).tolist(),
}
(folder / "rows.json").write_text(json.dumps(answers))
