"""Classifiers of texts as scikit-learn and skl2onnx write them, against ONNX Runtime, label for label.

    texts.py RUN_MODEL
"""

import pathlib
import sys
import tempfile
import warnings

import numpy as np
import onnxruntime
from onnx import helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import StringTensorType
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

from run import Runner, decode

warnings.simplefilter("ignore")

SPAM = ["win money now", "cheap pills, cheap pills", "you WIN a prize", "click here for money", "prize money waits",
        "free money!", "act now and win", "cheap prize inside"]
HAM = ["see you at lunch", "the meeting moved to noon", "lunch at noon?", "notes of the meeting", "call me after lunch",
       "the report is attached", "thanks for the notes", "are you at the office"]
ASKED = SPAM + HAM + ["", "money", "noon, money & lunch", "UPPER CASE MEETING", "a b c", "Käse für alle"]


def pipelines():
    yield "count_words", make_pipeline(CountVectorizer(), MultinomialNB())
    yield "count_word_pairs", make_pipeline(CountVectorizer(ngram_range=(1, 2)), LogisticRegression())
    yield "count_stop_words", make_pipeline(CountVectorizer(stop_words=["the", "at"]), LogisticRegression())
    yield "count_binary", make_pipeline(CountVectorizer(binary=True), MultinomialNB())
    yield "tfidf_words", make_pipeline(TfidfVectorizer(), LogisticRegression())
    yield "tfidf_sublinear", make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression())
    yield "tfidf_letters", make_pipeline(TfidfVectorizer(analyzer="char", ngram_range=(1, 3)), LogisticRegression())
    yield "tfidf_cased", make_pipeline(TfidfVectorizer(lowercase=False, norm=None), LogisticRegression())


def main():
    runner = Runner(sys.argv[1], "tract")
    labels = np.array(["spam"] * len(SPAM) + ["ham"] * len(HAM))
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, model in pipelines():
            model.fit(SPAM + HAM, labels)
            path = pathlib.Path(folder, f"{name}.onnx")
            onnx = to_onnx(model, initial_types=[("text", StringTensorType([None, 1]))],
                           options={id(model): {"zipmap": False}}, target_opset={"": 17, "ai.onnx.ml": 3})
            path.write_bytes(onnx.SerializeToString())
            # ONNX Runtime asks the system for American English, which not every machine has.
            for node in onnx.graph.node:
                if node.op_type == "StringNormalizer":
                    node.attribute.append(helper.make_attribute("locale", "C.UTF-8"))
            rows = np.array(ASKED, dtype=object).reshape(-1, 1)
            expected = onnxruntime.InferenceSession(onnx.SerializeToString()).run(None, {"text": rows})
            answer = runner.ask({"model": str(path), "inputs": [
                {"name": "text", "datatype": "BYTES", "shape": list(rows.shape), "data": ASKED}]})
            if "outputs" not in answer:
                print(f"{name}: {answer}")
                wrong += 1
                continue
            found = [decode(tensor) for tensor in answer["outputs"]]
            same = list(found[0]) == list(expected[0])
            off = np.abs(found[1] - expected[1]).max()
            print(f"{name}: labels {'equal' if same else 'differ'}, probabilities off by {off:.1e}")
            wrong += not same or off > 1e-5
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
