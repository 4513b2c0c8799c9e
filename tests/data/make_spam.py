#!/usr/bin/env python3
"""Write the classifier of texts that the tests read, and ONNX Runtime's answers to some texts.

    python make_spam.py        (needs the packages that tests/onnx_operators/requirements.txt lists)
"""
import json
from pathlib import Path

import onnxruntime
from onnx import helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import StringTensorType
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

HERE = Path(__file__).resolve().parent
SPAM = ["win a free prize now", "free money, claim your prize", "cheap loans, apply now", "you win money",
        "claim a free loan today", "prize draw: reply to win"]
HAM = ["lunch at noon today", "the report is ready for review", "can we move the meeting", "thanks for the notes",
       "see you at the review today", "notes from the meeting"]
ASKED = ["Win a FREE prize today!", "the meeting notes are ready", "", "loan", "free lunch at noon?", "entirely different",
         "a\nline; and another line"]

pipeline = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=10.0))
pipeline.fit(SPAM + HAM, ["spam"] * len(SPAM) + ["ham"] * len(HAM))
model = to_onnx(pipeline, initial_types=[("text", StringTensorType([None, 1]))], options={"zipmap": False},
                target_opset={"": 17, "ai.onnx.ml": 3})
model.graph.name = "spam"
for node in model.graph.node:
    if node.op_type == "StringNormalizer":
        # ONNX Runtime wants a locale that is installed; this one always is.
        node.attribute.append(helper.make_attribute("locale", "C.UTF-8"))
(HERE / "spam.onnx").write_bytes(model.SerializeToString(deterministic=True))
session = onnxruntime.InferenceSession(HERE / "spam.onnx")
labels, probabilities = session.run(None, {"text": [[text] for text in ASKED]})
golden = [{"features": [text], "label": str(label), "probabilities": [float(value) for value in row]}
          for text, label, row in zip(ASKED, labels, probabilities)]
(HERE / "spam.golden.json").write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
