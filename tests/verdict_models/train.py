#!/usr/bin/env python3
"""Trains the versions whose kept predictions tests/verdict/real_data.rs judges, as ONNX models:
`train.py FOLDER`. Needs scikit-learn and skl2onnx.

Each pair of versions has a folder of its own: `rows.csv` (fold, label, features), and a champion and
a candidate for each of ten folds, trained on the other nine. So each row is answered by models that
have not seen it, as `cross_val_predict` has it.
"""
import pathlib
import sys
import warnings

import numpy as np
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

warnings.filterwarnings("ignore")


def logistic(**settings):
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, **settings))


PAIRS = {
    "digits_2": (load_digits, logistic(), SVC(gamma=0.001)),
    "digits_3": (load_digits, logistic(), DecisionTreeClassifier(random_state=0)),
    "digits_4": (load_digits, logistic(), logistic(C=0.9)),
    "breast_cancer_5": (load_breast_cancer, logistic(), DecisionTreeClassifier(random_state=0)),
    "breast_cancer_6": (load_breast_cancer, logistic(), GaussianNB()),
    "breast_cancer_7": (load_breast_cancer, DecisionTreeClassifier(random_state=0), logistic()),
    "wine_8": (load_wine, logistic(), GaussianNB()),
    # Of numbers instead of classes.
    "diabetes_9": (load_diabetes, Ridge(1.0), DecisionTreeRegressor(random_state=0)),
}


def main(folder):
    for name, (load, champion, candidate) in PAIRS.items():
        place = pathlib.Path(folder, name)
        place.mkdir(parents=True, exist_ok=True)
        data = load()
        features, labels = data.data, data.target
        folds = np.empty(len(labels), int)
        regresses = isinstance(champion, Ridge)
        folding = KFold if regresses else StratifiedKFold
        split = folding(10, shuffle=True, random_state=0).split(features, labels)
        for fold, (train, test) in enumerate(split):
            folds[test] = fold
            for version, model in (("champion", champion), ("candidate", candidate)):
                fitted = clone(model).fit(features[train], labels[train])
                # Only the label is judged: probabilities of a support vector machine would need a
                # second training.
                exported = convert_sklearn(
                    fitted,
                    initial_types=[("input", FloatTensorType([None, features.shape[1]]))],
                    options={} if regresses else {id(fitted): {"zipmap": False}},
                    target_opset=17,
                )
                (place / f"{version}_{fold}.onnx").write_bytes(exported.SerializeToString())
        with open(place / "rows.csv", "w", encoding="utf-8") as file:
            for fold, label, row in zip(folds, labels, features):
                file.write(",".join([str(fold), str(int(label)), *(repr(float(x)) for x in row)]) + "\n")
        print(name, len(labels))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
