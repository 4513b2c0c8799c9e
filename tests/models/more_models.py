"""Kinds of models beside the commonest: several labels, odd objectives, columns of counts, texts, recurrent and
attending networks, numbers of 8 and 16 bits.

    python more_models.py FOLDER ARCHIVE     # adds them to an archive that has the others
"""
import json
import pathlib
import sys
import tarfile
import tempfile

import lightgbm
import numpy as np
import onnx
import xgboost
from onnx import TensorProto, helper, numpy_helper
from onnxmltools import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType as MltFloat
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.float16 import convert_float_to_float16
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn import (calibration, compose, cross_decomposition, decomposition, ensemble, feature_selection,
                     linear_model, multiclass, multioutput, naive_bayes, neighbors, neural_network, pipeline,
                     preprocessing, svm, tree)
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from answers import FOLDER, MODELS, SKIPPED, attempt, pack, write
from data_rows import (CLASS2, CLASS3, COLOURS, MISSING, NAMES2, NAMES3, POSITIVE, SIZES, TARGET, TARGETS, TRAIN,
                       WIDTH, X)
from scikit_models import OPSET, PLAIN, scikit

LABELS = np.stack([CLASS2, (TARGET > 0).astype(np.int64)], axis=1)


def scikit_kinds():
    steps = pipeline.make_pipeline
    fast = {"n_estimators": 8, "random_state": 0}
    logistic = linear_model.LogisticRegression
    for name, estimator in [
            ("polynomial_interactions", preprocessing.PolynomialFeatures(3, interaction_only=True)),
            ("polynomial_3", preprocessing.PolynomialFeatures(3, include_bias=False)),
            ("quantile_transformer", preprocessing.QuantileTransformer(n_quantiles=20)),
            ("kernel_pca_poly", decomposition.KernelPCA(3, kernel="poly", degree=2)),
            ("whitened_pca", decomposition.PCA(4, whiten=True))]:
        scikit(name, estimator, tags=["preparation"])
    scikit("box_cox", preprocessing.PowerTransformer("box-cox"), data=np.exp(X / 4), with_edges=False,
           tags=["preparation"])
    for name, estimator in [
            ("select_percentile", feature_selection.SelectPercentile(percentile=50)),
            ("recursive_elimination", feature_selection.RFE(logistic(), n_features_to_select=4))]:
        scikit(name, estimator, target=CLASS3, tags=["preparation"])
    for name, estimator in [
            ("interactions_logistic", steps(preprocessing.PolynomialFeatures(3, interaction_only=True), logistic())),
            ("quantile_logistic", steps(preprocessing.QuantileTransformer(n_quantiles=20), logistic())),
            ("power_svc", steps(preprocessing.PowerTransformer(), svm.SVC(probability=True, random_state=0))),
            ("stacking_passthrough", ensemble.StackingClassifier(
                [("a", steps(preprocessing.StandardScaler(), logistic())),
                 ("b", tree.DecisionTreeClassifier(max_depth=4, random_state=0)), ("c", naive_bayes.GaussianNB())],
                cv=2, passthrough=True)),
            ("voting_weighted", ensemble.VotingClassifier(
                [("a", steps(preprocessing.StandardScaler(), logistic())),
                 ("b", ensemble.RandomForestClassifier(**fast))],
                voting="soft", weights=np.array([1, 3]), flatten_transform=False)),
            ("calibrated_forest", calibration.CalibratedClassifierCV(
                ensemble.RandomForestClassifier(**fast), cv=2, method="isotonic")),
            ("calibrated_boosting", calibration.CalibratedClassifierCV(
                ensemble.GradientBoostingClassifier(**fast), cv=2))]:
        scikit(name, estimator, target=CLASS3, options=PLAIN, with_edges="quantile" not in name, tags=["classifier"])
    for name, estimator in [
            ("labels_forest", ensemble.RandomForestClassifier(**fast)),
            ("labels_neighbors", neighbors.KNeighborsClassifier(5)),
            ("labels_mlp", neural_network.MLPClassifier((8,), max_iter=60, random_state=0)),
            ("labels_one_vs_rest", multiclass.OneVsRestClassifier(logistic())),
            ("labels_each", multioutput.MultiOutputClassifier(logistic())),
            ("labels_chain", multioutput.ClassifierChain(logistic()))]:
        options = PLAIN if "each" not in name else None
        scikit(name, estimator, target=LABELS, options=options, with_edges=False, tags=["several labels"])
    scikit("isolation_forest_sampled", ensemble.IsolationForest(max_samples=64, contamination=0.1, **fast),
           tags=["outliers"])
    scikit("pls_3", cross_decomposition.PLSRegression(3), target=TARGETS, tags=["regressor"])
    scikit("regressor_chain", multioutput.RegressorChain(linear_model.Ridge()), target=TARGETS, tags=["regressor"])
    scikit("boosting_absolute", ensemble.GradientBoostingRegressor(loss="absolute_error", **fast), target=TARGET,
           tags=["regressor"])
    scikit("hist_boosting_gamma", ensemble.HistGradientBoostingRegressor(loss="gamma", max_iter=8, random_state=0),
           target=POSITIVE, tags=["regressor"])
    scikit("transformed_target", compose.TransformedTargetRegressor(
        linear_model.Ridge(), func=np.log1p, inverse_func=np.expm1), target=POSITIVE, tags=["regressor"])


def columns():
    import pandas

    table = pandas.DataFrame({"size": SIZES, "colour": COLOURS, "first": X[:, 0], "second": MISSING[:, 1]})
    numbers = pipeline.make_pipeline(preprocessing.StandardScaler())
    types = [("size", StringTensorType([None, 1])), ("colour", StringTensorType([None, 1])),
             ("first", FloatTensorType([None, 1])), ("second", FloatTensorType([None, 1]))]
    given = {name: table[[name]].to_numpy()[TRAIN:] for name in table}
    given = {name: rows.astype(np.float32 if rows.dtype.kind == "f" else object) for name, rows in given.items()}
    given["second"] = np.nan_to_num(given["second"])
    table["second"] = table["second"].fillna(0)
    for name, encoder, estimator, target in [
            ("columns_passthrough", preprocessing.OneHotEncoder(handle_unknown="ignore"),
             linear_model.LogisticRegression(), NAMES3),
            ("columns_ordinal_boosting", preprocessing.OrdinalEncoder(),
             ensemble.GradientBoostingClassifier(n_estimators=8, random_state=0), NAMES2),
            ("columns_neighbors", preprocessing.OneHotEncoder(sparse_output=False),
             neighbors.KNeighborsClassifier(3), CLASS3)]:
        def make():
            prepared = compose.ColumnTransformer(
                [("texts", encoder, ["size", "colour"]), ("numbers", numbers, ["first"])], remainder="passthrough")
            model = pipeline.make_pipeline(prepared, estimator).fit(table[:TRAIN], target[:TRAIN])
            write(name, to_onnx(model, initial_types=types, options={"zipmap": False}, target_opset=OPSET), given,
                  ["pipeline"], with_edges=False)
        attempt(name, make)


def boosted():
    fast = {"n_estimators": 12, "max_depth": 4, "random_state": 0, "n_jobs": 1}

    def exported(name, model, convert, data, target, tag):
        def make():
            model.fit(data[:TRAIN], target[:TRAIN])
            write(name, convert(model), {"X": data[TRAIN:]}, [tag])
        attempt(name, make)

    def of_xgboost(model):
        return convert_xgboost(model, initial_types=[("X", MltFloat([None, WIDTH]))], target_opset=15)

    def of_lightgbm(model):
        return convert_lightgbm(model, initial_types=[("X", MltFloat([None, WIDTH]))], zipmap=False, target_opset=15)

    for objective, target in [("reg:gamma", POSITIVE), ("reg:tweedie", POSITIVE), ("reg:absoluteerror", TARGET),
                              ("reg:pseudohubererror", TARGET), ("reg:squaredlogerror", POSITIVE)]:
        exported("xgboost_" + objective.split(":")[1], xgboost.XGBRegressor(objective=objective, **fast), of_xgboost, X,
                 target, "xgboost")
    exported("xgboost_softmax", xgboost.XGBClassifier(objective="multi:softmax", **fast), of_xgboost, MISSING, CLASS3,
             "xgboost")
    leaves = {"n_estimators": 12, "num_leaves": 10, "random_state": 0, "n_jobs": 1, "verbose": -1,
              "deterministic": True, "force_row_wise": True}
    for objective, target in [("huber", TARGET), ("fair", TARGET), ("mape", POSITIVE), ("tweedie", POSITIVE),
                              ("gamma", POSITIVE), ("regression_l1", TARGET)]:
        exported(f"lightgbm_{objective}", lightgbm.LGBMRegressor(objective=objective, **leaves), of_lightgbm, X, target,
                 "lightgbm")
    exported("lightgbm_one_vs_all", lightgbm.LGBMClassifier(objective="multiclassova", **leaves), of_lightgbm, X, CLASS3,
             "lightgbm")


def texts():
    spam = ["win money now", "cheap pills, cheap pills", "you WIN a prize", "click here for money",
            "free money!", "act now and win", "cheap prize inside"]
    ham = ["see you at lunch", "the meeting moved to noon", "lunch at noon?", "notes of the meeting",
           "the report is attached", "thanks for the notes", "are you at the office"]
    asked = spam + ham + ["", "money", "noon, money & lunch", "UPPER CASE MEETING", "a b c", "free  lunch\ttoday"]
    labels = ["spam"] * len(spam) + ["ham"] * len(ham)
    for name, counted, estimator in [
            ("texts_count_bayes", CountVectorizer(), naive_bayes.MultinomialNB()),
            ("texts_count_pairs", CountVectorizer(ngram_range=(1, 2)), linear_model.LogisticRegression()),
            ("texts_stop_words", CountVectorizer(stop_words=["the", "at"]), linear_model.LogisticRegression()),
            ("texts_binary", CountVectorizer(binary=True), naive_bayes.BernoulliNB()),
            ("texts_tfidf", TfidfVectorizer(), linear_model.LogisticRegression()),
            ("texts_tfidf_sublinear", TfidfVectorizer(sublinear_tf=True, norm="l1"), linear_model.LogisticRegression()),
            ("texts_tfidf_letters", TfidfVectorizer(analyzer="char", ngram_range=(1, 3)),
             linear_model.LogisticRegression()),
            ("texts_tfidf_forest", TfidfVectorizer(), ensemble.RandomForestClassifier(8, random_state=0))]:
        def make():
            model = pipeline.make_pipeline(counted, estimator).fit(spam + ham, labels)
            exported = to_onnx(model, initial_types=[("text", StringTensorType([None, 1]))],
                               options={"zipmap": False}, target_opset=OPSET)
            for node in exported.graph.node:
                if node.op_type == "StringNormalizer":
                    # ONNX Runtime asks the system for American English, which not every machine has.
                    node.attribute.append(helper.make_attribute("locale", "C.UTF-8"))
            write(name, exported, {"text": np.array(asked, dtype=object).reshape(-1, 1)}, ["texts"], with_edges=False)
        attempt(name, make)


def graph(nodes, row, weights, classes=4):
    inputs = [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["rows", *row])]
    outputs = [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", classes])]
    made = helper.make_graph(nodes, "network", inputs, outputs, weights)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def networks():
    """As PyTorch's exporter writes them, with weights drawn here."""
    random = np.random.RandomState(5)
    node = helper.make_node

    def weight(name, *shape, scale=0.4):
        return numpy_helper.from_array((random.normal(size=shape) * scale).astype(np.float32), name)

    def ints(name, *values):
        return numpy_helper.from_array(np.array(values, np.int64), name)

    def recurrent(kind, gates, hidden=6, direction="forward"):
        ways = 2 if direction == "bidirectional" else 1
        return graph([
            node("Transpose", ["X"], ["t"], perm=[1, 0, 2]),
            node(kind, ["t", "W", "R", "B"], ["", "h"], hidden_size=hidden, direction=direction,
                 **({"linear_before_reset": 1} if kind == "GRU" else {})),
            node("Transpose", ["h"], ["b"], perm=[1, 0, 2]),
            node("Flatten", ["b"], ["f"]),
            node("Gemm", ["f", "V", "c"], ["l"], transB=1),
            node("Softmax", ["l"], ["probabilities"], axis=1),
        ], (10, 3), [weight("W", ways, gates * hidden, 3), weight("R", ways, gates * hidden, hidden),
                     weight("B", ways, 2 * gates * hidden), weight("V", 4, ways * hidden), weight("c", 4)])

    def attending(width=8, heads=2, length=6):
        norm = [node("LayerNormalization", ["s", "g", "e"], ["n"], axis=-1)]
        split = [node("Reshape", [f"{which}m", "split"], [f"{which}r"]) for which in "qkv"]
        turned = [node("Transpose", [f"{which}r"], [f"{which}t"], perm=[0, 2, 3, 1] if which == "k" else [0, 2, 1, 3])
                  for which in "qkv"]
        return graph([
            *[node("MatMul", ["X", f"W{which}"], [f"{which}m"]) for which in "qkv"], *split, *turned,
            node("MatMul", ["qt", "kt"], ["scores"]), node("Mul", ["scores", "scale"], ["scaled"]),
            node("Softmax", ["scaled"], ["shares"], axis=-1), node("MatMul", ["shares", "vt"], ["mixed"]),
            node("Transpose", ["mixed"], ["back"], perm=[0, 2, 1, 3]), node("Reshape", ["back", "join"], ["joined"]),
            node("Add", ["X", "joined"], ["s"]), *norm,
            node("MatMul", ["n", "U"], ["u"]), node("Div", ["u", "root"], ["d"]), node("Erf", ["d"], ["erf"]),
            node("Add", ["erf", "one"], ["p"]), node("Mul", ["u", "p"], ["w"]), node("Mul", ["w", "half"], ["gelu"]),
            node("MatMul", ["gelu", "D"], ["down"]), node("Add", ["n", "down"], ["z"]),
            node("ReduceMean", ["z"], ["mean"], axes=[1], keepdims=0),
            node("Gemm", ["mean", "V", "c"], ["l"], transB=1), node("Softmax", ["l"], ["probabilities"], axis=1),
        ], (length, width), [
            *[weight(f"W{which}", width, width) for which in "qkv"], ints("split", 0, 0, heads, width // heads),
            ints("join", 0, 0, width), weight("U", width, 16), weight("D", 16, width), weight("g", width), weight("e", width),
            *[numpy_helper.from_array(np.array(value, np.float32), name) for name, value in
              (("scale", (width // heads) ** -0.5), ("root", 2 ** 0.5), ("one", 1.0), ("half", 0.5))],
            weight("V", 4, width), weight("c", 4)])

    dense = graph([
        node("Gemm", ["X", "A", "a"], ["h"], transB=1), node("Relu", ["h"], ["r"]),
        node("Gemm", ["r", "V", "c"], ["l"], transB=1), node("Softmax", ["l"], ["probabilities"], axis=1),
    ], (12,), [weight("A", 24, 12), weight("a", 24), weight("V", 4, 24), weight("c", 4)])

    def eighth(model):
        with tempfile.TemporaryDirectory() as folder:
            plain, made = pathlib.Path(folder, "plain.onnx"), pathlib.Path(folder, "made.onnx")
            onnx.save(model, plain)
            quantize_dynamic(plain, made, weight_type=QuantType.QInt8)
            return onnx.load(made)

    lstm = recurrent("LSTM", 4)
    for name, model, row in [
            ("lstm", lstm, (10, 3)), ("lstm_both_ways", recurrent("LSTM", 4, direction="bidirectional"), (10, 3)),
            ("gru", recurrent("GRU", 3), (10, 3)), ("gru_both_ways", recurrent("GRU", 3, direction="bidirectional"), (10, 3)),
            ("rnn", recurrent("RNN", 1), (10, 3)), ("attending", attending(), (6, 8)),
            ("half_dense", convert_float_to_float16(dense, keep_io_types=True), (12,)),
            ("half_attending", convert_float_to_float16(attending(), keep_io_types=True), (6, 8)),
            ("eighth_dense", eighth(dense), (12,)), ("eighth_attending", eighth(attending()), (6, 8)),
            ("eighth_lstm", eighth(lstm), (10, 3))]:
        rows = (random.normal(size=(40, *row))).astype(np.float32)
        attempt(name, lambda: write(name, model, {"X": rows},
                                    ["network"] + ["half"] * name.startswith("half"), with_edges=False))


def more():
    for part in [scikit_kinds, columns, boosted, texts, networks]:
        part()


def main():
    """Puts what is made here into an archive, in the place of what it has of the same name."""
    archive = pathlib.Path(sys.argv[2])
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as tar:
        tar.extractall(FOLDER, filter="data")
    known = json.loads((FOLDER / "manifest.json").read_text())
    more()
    made = {model["name"] for model in MODELS} | {skipped["name"] for skipped in SKIPPED}
    models = [model for model in known["models"] if model["name"] not in made] + MODELS
    skipped = [one for one in known["skipped"] if one["name"] not in made] + SKIPPED
    manifest = {"onnxruntime": known["onnxruntime"], "models": models, "skipped": skipped}
    (FOLDER / "manifest.json").write_text(json.dumps(manifest, indent=1))
    pack(archive, models)
    print(f"{len(MODELS)} models added, {len(SKIPPED)} not exported, {archive.stat().st_size / 1e6:.1f} MB in all")


if __name__ == "__main__":
    main()
