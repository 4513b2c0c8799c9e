"""Exports a scikit-learn estimator to ONNX, with what modelgate reads beside it.

    python export.py MODEL.pkl ROWS.csv OUT.onnx [--target COLUMN] [--golden 5]

MODEL.pkl is a fitted estimator or pipeline, pickled or saved by joblib. ROWS.csv holds rows with a header: the names and
kinds of the features are read from it, and its first rows become golden rows. Beside OUT.onnx stands OUT.schema.json:
features with their types, classes, the file's SHA-256, and what the estimator itself answers for the golden rows.

modelgate loads a pipeline of named columns (`ColumnTransformer` first) as `onnx::ColumnClassifier` or
`onnx::ColumnRegressor`, any other as `onnx::Classifier` or `onnx::Regressor`.

From Python: `from export import export; export(pipeline, frame, "model.onnx")`.

A pickle is a program: open only those you made. Needs: scikit-learn, skl2onnx, pandas.
"""

import argparse
import hashlib
import json
import pathlib
import pickle

import numpy as np
import pandas as pd
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline


def by_columns(model):
    """Whether the first step picks columns by name, and so takes an input for each."""
    first = model.steps[0][1] if isinstance(model, Pipeline) else model
    return type(first).__name__ == "ColumnTransformer"


def is_text(column):
    return not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column))


def feature(name, column):
    """What the schema says of a column."""
    if is_text(column):
        return {"name": name, "type": "text"}
    if pd.api.types.is_bool_dtype(column):
        return {"name": name, "type": "boolean"}
    found = {"name": name, "type": "integer" if pd.api.types.is_integer_dtype(column) else "number"}
    if column.isna().any():
        # A missing number is NaN, which has no integer.
        found |= {"type": "number", "optional": True}
    return found


def plain(value):
    """A value as JSON has it; a missing number is null."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and np.isnan(value) else value


def to_single(frame):
    """Numbers as the model's inputs have them: 32-bit floats."""
    return frame.apply(lambda column: column if is_text(column) else column.astype(np.float32))


def export(model, frame, path, golden=5, target_opset=None):
    """Writes the model, and beside it its schema. Returns the path of the schema."""
    path = pathlib.Path(path)
    columns = by_columns(model)
    texts = [name for name in frame if is_text(frame[name])]
    if texts and not columns:
        raise ValueError(f"columns of texts ({', '.join(texts)}), and no ColumnTransformer that takes them by name")
    if columns:
        kinds = [(name, StringTensorType([None, 1]) if name in texts else FloatTensorType([None, 1]))
                 for name in frame]
    else:
        kinds = [("input", FloatTensorType([None, frame.shape[1]]))]
    classifies = is_classifier(model)
    onnx = to_onnx(model, initial_types=kinds, options={id(model): {"zipmap": False}} if classifies else None,
                   target_opset=target_opset or {"": 17, "ai.onnx.ml": 3})
    written = onnx.SerializeToString()
    path.write_bytes(written)

    rows = to_single(frame.head(golden))
    asked = rows if columns or hasattr(model, "feature_names_in_") else rows.to_numpy()
    answers = np.asarray(model.predict(asked))
    scores = model.predict_proba(asked) if classifies and hasattr(model, "predict_proba") else None
    examples = []
    for place, (_, row) in enumerate(frame.head(golden).iterrows()):
        example = {"features": {name: plain(frame[name].iloc[place]) for name in frame}}
        if classifies:
            example["label"] = plain(answers[place])
            if scores is not None:
                example["probabilities"] = [float(score) for score in scores[place]]
        else:
            example["outputs"] = [float(value) for value in np.atleast_1d(answers[place])]
        examples.append(example)
    schema = {
        "features": [feature(name, frame[name]) for name in frame],
        "sha256": hashlib.sha256(written).hexdigest(),
        "golden": examples,
        # The estimator computes in 64 bits, the file in 32.
        "tolerance": 1e-4,
    }
    if classifies:
        schema["classes"] = [plain(label) for label in model.classes_]
    beside = path.with_suffix(".schema.json")
    beside.write_text(json.dumps(schema, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return beside


def load(path):
    try:
        import joblib
        return joblib.load(path)
    except ImportError:
        with open(path, "rb") as file:
            return pickle.load(file)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("rows")
    parser.add_argument("out")
    parser.add_argument("--target", help="a column of the rows that is no feature")
    parser.add_argument("--golden", type=int, default=5)
    arguments = parser.parse_args()
    frame = pd.read_csv(arguments.rows)
    if arguments.target:
        frame = frame.drop(columns=arguments.target)
    print(export(load(arguments.model), frame, arguments.out, arguments.golden))


if __name__ == "__main__":
    main()
