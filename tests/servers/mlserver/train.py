"""Trains small classifiers, and writes what scikit-learn itself answers beside them."""

import json
import pathlib
import sys

import joblib
import numpy
from sklearn.datasets import load_digits, load_iris
from sklearn.linear_model import LogisticRegression


def train(folder, rows, classes, further):
    """`further` rows lie between and beyond those it learned."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = rows.astype(numpy.float32)
    model = LogisticRegression(max_iter=5000).fit(rows, classes)
    joblib.dump(model, folder / "model.joblib")
    settings = {
        "name": folder.name,
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./model.joblib", "version": "2"},
        "inputs": [{"name": "rows", "datatype": "FP32", "shape": [-1, rows.shape[1]]}],
        "outputs": [
            {"name": "predict", "datatype": "INT64", "shape": [-1, 1]},
            {"name": "predict_proba", "datatype": "FP64", "shape": [-1, len(model.classes_)]},
        ],
    }
    (folder / "model-settings.json").write_text(json.dumps(settings))
    rows = numpy.concatenate([rows, further.astype(numpy.float32)])
    answers = {
        "rows": rows.tolist(),
        "labels": model.predict(rows).tolist(),
        "probabilities": model.predict_proba(rows).tolist(),
    }
    (folder / "rows.json").write_text(json.dumps(answers))


models = pathlib.Path(sys.argv[1])
random = numpy.random.default_rng(7)
train(models / "digits", *load_digits(return_X_y=True), random.uniform(0, 16, (10, 64)))
# Last, as it is what the script looks for.
train(models / "iris", *load_iris(return_X_y=True), random.uniform(-3, 12, (100, 4)))
