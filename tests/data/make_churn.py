#!/usr/bin/env python3
"""Write churn.onnx: a pipeline over columns of several types, an input for each, as scikit-learn's
exporter makes it of a table; and churn.golden.json, ONNX Runtime's answers for six of its rows.

    python make_churn.py   (scikit-learn 1.9.1, skl2onnx 1.20.0, onnx 1.23.2, onnxruntime, pandas)
"""
import json
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
from skl2onnx import to_onnx
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

HERE = Path(__file__).resolve().parent
random = np.random.RandomState(0)
ROWS = 200
table = pd.DataFrame({
    "age": random.randint(18, 90, ROWS),
    "income": (random.rand(ROWS) * 90000).astype(np.float32),
    "plan": random.choice(["free", "pro", "team"], ROWS),
})
answers = np.where((table.income > 40000) & (table["plan"] != "free"), "stays", "leaves")
prepare = ColumnTransformer([
    ("numbers", StandardScaler(), ["age", "income"]),
    ("categories", OneHotEncoder(handle_unknown="ignore"), ["plan"])])
model = make_pipeline(prepare, LogisticRegression()).fit(table, answers)
onnx = to_onnx(model, table[:1], options={"zipmap": False}, target_opset=17)
file = onnx.SerializeToString(deterministic=True)
(HERE / "churn.onnx").write_bytes(file)

rows = table[:6]
session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
labels, probabilities = session.run(None, {
    "age": rows.age.to_numpy(np.int64)[:, None],
    "income": rows.income.to_numpy(np.float32)[:, None],
    "plan": rows["plan"].to_numpy(object)[:, None]})
golden = [
    {"features": {"age": int(age), "income": float(income), "plan": plan},
     "label": label, "probabilities": [float(value) for value in scores]}
    for age, income, plan, label, scores in zip(
        rows.age, rows.income, rows["plan"], labels, probabilities)]
(HERE / "churn.golden.json").write_text(json.dumps(golden, indent=1) + "\n")
