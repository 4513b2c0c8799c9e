"""Trains and exports the matrix of models that `tests/onnx_models.rs` runs, with ONNX Runtime's
answers.

    python -m venv venv && venv/bin/pip install -r tests/models/requirements.txt
    venv/bin/python tests/models/make_models.py FOLDER
    MODELGATE_MODELS_MATRIX=FOLDER cargo test --no-default-features --features onnx \
        --test onnx_models -- --nocapture

Versions are pinned and every random state is fixed, so that the folder comes out the same. For
each model there is `NAME.onnx` and `NAME.json`: inputs and outputs by name, floats as their bits
(NaN and infinities have no JSON), and what kind of row each is. `manifest.json` lists them, and
what could not be exported, with the exporter's reason.
"""
import json
import pathlib
import sys
import warnings

import lightgbm
import numpy as np
import onnx
import onnxruntime
import xgboost
from onnxmltools import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType as MltFloat
from skl2onnx import to_onnx
from skl2onnx.common.data_types import (DoubleTensorType, FloatTensorType, Int64TensorType,
                                        StringTensorType)
from sklearn import (calibration, cluster, compose, cross_decomposition, datasets, decomposition,
                     discriminant_analysis, ensemble, feature_selection,
                     gaussian_process, impute, linear_model, mixture, multiclass, multioutput,
                     naive_bayes, neighbors, neural_network, pipeline, preprocessing,
                     random_projection, svm, tree)

warnings.filterwarnings("ignore")
make_attribute = onnx.helper.make_attribute


def plain_attribute(key, value, *more, **named):
    """skl2onnx 1.20 writes the missing tracks of scikit-learn 1.9 as booleans, which onnx refuses."""
    if isinstance(value, list) and any(isinstance(one, (bool, np.bool_)) for one in value):
        value = [int(one) for one in value]
    return make_attribute(key, value, *more, **named)


onnx.helper.make_attribute = plain_attribute
onnxruntime.set_default_logger_severity(4)

ROWS = 200
TRAIN = 300
WIDTH = 8
OPSET = {"": 17, "ai.onnx.ml": 3}

random = np.random.RandomState(20)


def grid(values):
    """Multiples of an eighth: thresholds lie between them, or are hit exactly."""
    return np.round(np.asarray(values) * 8) / 8


X, CLASS3 = datasets.make_classification(TRAIN + ROWS, WIDTH, n_informative=5, n_classes=3,
                                         random_state=1)
X = grid(X).astype(np.float32)
CLASS2 = (CLASS3 > 0).astype(np.int64)
CLASS3 = CLASS3.astype(np.int64)
NAMES2 = np.array(["no", "yes"])[CLASS2]
NAMES3 = np.array(["ant", "bee", "cow"])[CLASS3]
TARGET = (X @ np.linspace(-1, 1, WIDTH) + 0.25 * X[:, 0] * X[:, 1]).astype(np.float32)
TARGETS = np.stack([TARGET, X[:, 2] - X[:, 3]], axis=1).astype(np.float32)
POSITIVE = np.exp(TARGET / 4).astype(np.float32)
COUNTS = np.abs(np.round(X)).astype(np.float32)
MISSING = X.copy()
MISSING[random.rand(*MISSING.shape) < 0.15] = np.nan
COLOURS = np.array(["red", "green", "blue"])[random.randint(0, 3, TRAIN + ROWS)]
SIZES = np.array(["s", "m", "l", "xl"])[random.randint(0, 4, TRAIN + ROWS)]
TEXTS = np.stack([COLOURS, SIZES], axis=1)
WHOLE = random.randint(0, 5, (TRAIN + ROWS, 3)).astype(np.int64)

MODELS = []
SKIPPED = []
FOLDER = None


def edges(plain, model):
    """Rows at the edges of what a float can be, and on the thresholds of the model's trees."""
    kinds, rows = ["plain"] * len(plain), [plain]

    def add(kind, row):
        kinds.append(kind)
        rows.append(np.asarray(row, dtype=plain.dtype)[None, :])

    base = plain[0]
    for kind, value in [("nan", np.nan), ("inf", np.inf), ("inf", -np.inf), ("huge", 1e30),
                        ("huge", -1e30), ("huge", 3e38), ("denormal", 1e-40), ("zero", -0.0)]:
        one = base.copy()
        one[1] = value
        add(kind, one)
        add(kind, np.full_like(base, value))
    for node in model.graph.node:
        attributes = {a.name: a for a in node.attribute}
        if "nodes_featureids" not in attributes:
            continue
        features = list(attributes["nodes_featureids"].ints)
        if "nodes_values" in attributes:
            thresholds = list(attributes["nodes_values"].floats)
        else:
            name = "nodes_splits" if "nodes_splits" in attributes else "nodes_values_as_tensor"
            thresholds = list(onnx.numpy_helper.to_array(attributes[name].t))
        for feature, threshold in list(zip(features, thresholds))[:40:2]:
            threshold = plain.dtype.type(threshold)
            if feature >= len(base):
                continue
            for value in [threshold, np.nextafter(threshold, plain.dtype.type(np.inf)),
                          np.nextafter(threshold, plain.dtype.type(-np.inf))]:
                one = plain[feature % len(plain)].copy()
                one[feature] = value
                add("threshold", one)
    return kinds, np.concatenate(rows)


def stored(array):
    array = np.asarray(array)
    if array.dtype == np.float32:
        kind, values = "f32", array.ravel().view(np.uint32).tolist()
    elif array.dtype == np.float64:
        kind, values = "f64", array.ravel().view(np.uint64).tolist()
    elif array.dtype in (np.int64, np.int32, np.uint8):
        kind, values = {"int64": "i64", "int32": "i32", "uint8": "u8"}[str(array.dtype)], \
            array.ravel().tolist()
    elif array.dtype == bool:
        kind, values = "bool", array.ravel().tolist()
    else:
        kind, values = "text", [str(value) for value in array.ravel()]
    return {"type": kind, "shape": list(array.shape), "values": values}


def write(name, model, inputs, tags, with_edges=True):
    """Runs a model in ONNX Runtime and writes it down with the answers."""
    kinds = ["plain"] * len(next(iter(inputs.values())))
    if with_edges and len(inputs) == 1:
        (key, plain), = inputs.items()
        if plain.dtype in (np.float32, np.float64) and plain.ndim == 2 and plain.shape[1] > 1:
            kinds, plain = edges(plain, model)
            inputs = {key: plain}
    content = model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    given = session.run(None, inputs)
    outputs = {}
    for described, value in zip(session.get_outputs(), given):
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value = np.array([list(row.values()) for row in value], dtype=np.float32)
        elif isinstance(value, list):
            value = np.array(value)
        outputs[described.name] = stored(value)
    (FOLDER / f"{name}.onnx").write_bytes(content)
    answers = {"inputs": {key: stored(value) for key, value in inputs.items()},
               "outputs": outputs, "kinds": kinds}
    (FOLDER / f"{name}.json").write_text(json.dumps(answers, separators=(",", ":")))
    operators = sorted({node.op_type for node in model.graph.node})
    opset = max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0)
    MODELS.append({"name": name, "rows": len(kinds), "operators": operators, "opset": opset,
                   "tags": tags})


def attempt(name, make):
    try:
        make()
    except Exception as error:  # what an exporter cannot do is part of the matrix
        reason = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        SKIPPED.append({"name": name, "reason": reason[:200]})
        print("skipped", name, reason[:120])


def shape_type(data):
    width = data.shape[1]
    kinds = {"float32": FloatTensorType, "float64": DoubleTensorType, "int64": Int64TensorType}
    kind = kinds.get(str(data.dtype), StringTensorType)
    return kind([None, width])


def scikit(name, estimator, data=None, target=None, options=None, opset=None, batch=None,
           with_edges=True, tags=()):
    """Fits an estimator on the first rows and exports it."""
    data = X if data is None else data

    def make():
        if target is None:
            estimator.fit(data[:TRAIN])
        else:
            estimator.fit(data[:TRAIN], target[:TRAIN])
        if hasattr(estimator, "_baseline_prediction"):
            # The exporter expects a list of numbers; scikit-learn 1.9 keeps a matrix.
            estimator._baseline_prediction = estimator._baseline_prediction.ravel()
        chosen = {id(estimator): options} if options else None
        model = to_onnx(estimator, initial_types=[("X", shape_type(data))],
                        options=chosen, target_opset=opset or OPSET)
        if batch:
            for value in model.graph.input:
                value.type.tensor_type.shape.dim[0].dim_param = batch
        write(name, model, {"X": data[TRAIN:]}, list(tags), with_edges)
    attempt(name, make)


PLAIN = {"zipmap": False}


def classifiers():
    fast = {"n_estimators": 10, "random_state": 0}
    kinds = {
        "logistic": lambda: linear_model.LogisticRegression(),
        "logistic_cv": lambda: linear_model.LogisticRegressionCV(cv=2, Cs=2),
        "sgd_log": lambda: linear_model.SGDClassifier(loss="log_loss", random_state=0),
        "sgd_hinge": lambda: linear_model.SGDClassifier(random_state=0),
        "perceptron": lambda: linear_model.Perceptron(random_state=0),
        "ridge_classifier": lambda: linear_model.RidgeClassifier(),
        "linear_svc": lambda: svm.LinearSVC(random_state=0),
        "svc_rbf": lambda: svm.SVC(),
        "svc_rbf_probability": lambda: svm.SVC(probability=True, random_state=0),
        "svc_linear": lambda: svm.SVC(kernel="linear"),
        "svc_poly": lambda: svm.SVC(kernel="poly", degree=2, coef0=1.0),
        "svc_sigmoid": lambda: svm.SVC(kernel="sigmoid", gamma=0.01),
        "nu_svc": lambda: svm.NuSVC(nu=0.3),
        "tree": lambda: tree.DecisionTreeClassifier(max_depth=6, random_state=0),
        "extra_tree": lambda: tree.ExtraTreeClassifier(max_depth=6, random_state=0),
        "random_forest": lambda: ensemble.RandomForestClassifier(**fast),
        "extra_trees": lambda: ensemble.ExtraTreesClassifier(max_depth=7, **fast),
        "gradient_boosting": lambda: ensemble.GradientBoostingClassifier(**fast),
        "hist_gradient_boosting":
            lambda: ensemble.HistGradientBoostingClassifier(max_iter=10, random_state=0),
        "ada_boost": lambda: ensemble.AdaBoostClassifier(n_estimators=5, random_state=0),
        "bagging": lambda: ensemble.BaggingClassifier(n_estimators=4, random_state=0),
        "voting_soft": lambda: ensemble.VotingClassifier(
            [("a", linear_model.LogisticRegression()),
             ("b", tree.DecisionTreeClassifier(max_depth=4, random_state=0))], voting="soft", flatten_transform=False),
        "voting_hard": lambda: ensemble.VotingClassifier(
            [("a", linear_model.LogisticRegression()),
             ("b", tree.DecisionTreeClassifier(max_depth=4, random_state=0)),
             ("c", naive_bayes.GaussianNB())], flatten_transform=False),
        "stacking": lambda: ensemble.StackingClassifier(
            [("a", linear_model.LogisticRegression()),
             ("b", tree.DecisionTreeClassifier(max_depth=4, random_state=0))], cv=2),
        "k_neighbors": lambda: neighbors.KNeighborsClassifier(5),
        "gaussian_nb": lambda: naive_bayes.GaussianNB(),
        "bernoulli_nb": lambda: naive_bayes.BernoulliNB(),
        "lda": lambda: discriminant_analysis.LinearDiscriminantAnalysis(),
        "qda": lambda: discriminant_analysis.QuadraticDiscriminantAnalysis(),
        "mlp": lambda: neural_network.MLPClassifier((16, 8), max_iter=60, random_state=0),
        "gaussian_process":
            lambda: gaussian_process.GaussianProcessClassifier(max_iter_predict=20),
        "calibrated_sigmoid":
            lambda: calibration.CalibratedClassifierCV(svm.LinearSVC(random_state=0), cv=2),
        "calibrated_isotonic": lambda: calibration.CalibratedClassifierCV(
            naive_bayes.GaussianNB(), cv=2, method="isotonic"),
        "one_vs_rest": lambda: multiclass.OneVsRestClassifier(linear_model.LogisticRegression()),
        "one_vs_one": lambda: multiclass.OneVsOneClassifier(linear_model.LogisticRegression()),
    }
    for name, make in kinds.items():
        # This one has no probabilities to put in a map.
        options = None if name == "linear_svc" else PLAIN
        scikit(f"{name}_2", make(), target=CLASS2, options=options, tags=["classifier"])
        scikit(f"{name}_3", make(), target=CLASS3, options=options, tags=["classifier"])
    # Text labels and maps, for one of each family.
    for name in ["logistic", "svc_rbf", "svc_rbf_probability", "random_forest", "tree",
                 "gradient_boosting", "ada_boost", "k_neighbors", "gaussian_nb", "mlp",
                 "voting_soft", "voting_hard", "calibrated_sigmoid", "lda"]:
        scikit(f"{name}_names_2", kinds[name](), target=NAMES2, options=PLAIN,
               tags=["classifier", "text labels"])
        scikit(f"{name}_names_3", kinds[name](), target=NAMES3, tags=["classifier", "text labels",
                                                                     "zipmap"])
    for name in ["logistic", "random_forest", "gradient_boosting", "svc_rbf"]:
        scikit(f"{name}_zipmap_3", kinds[name](), target=CLASS3, tags=["classifier", "zipmap"])
        scikit(f"{name}_double_3", kinds[name](), data=X.astype(np.float64), target=CLASS3,
               options=PLAIN, tags=["classifier", "double"])
        scikit(f"{name}_named_batch_3", kinds[name](), target=CLASS3, options=PLAIN, batch="rows",
               tags=["classifier", "named batch"])
    scikit("hist_gradient_boosting_missing_2",
           ensemble.HistGradientBoostingClassifier(max_iter=10, random_state=0), data=MISSING,
           target=CLASS2, options=PLAIN, tags=["classifier", "missing"])
    scikit("random_forest_missing_3", ensemble.RandomForestClassifier(**fast), data=MISSING,
           target=CLASS3, options=PLAIN, tags=["classifier", "missing"])
    for name, estimator in [("multinomial_nb", naive_bayes.MultinomialNB()),
                            ("complement_nb", naive_bayes.ComplementNB()),
                            ("categorical_nb", naive_bayes.CategoricalNB(min_categories=12))]:
        scikit(name, estimator, data=COUNTS, target=CLASS3, options=PLAIN, with_edges=False,
               tags=["classifier"])
    for name, estimator in [
            ("isolation_forest", ensemble.IsolationForest(**fast)),
            ("one_class_svm", svm.OneClassSVM(nu=0.1)),
            ("local_outlier_factor", neighbors.LocalOutlierFactor(5, novelty=True))]:
        scikit(name, estimator, tags=["outliers"])


def regressors():
    fast = {"n_estimators": 10, "random_state": 0}
    kinds = {
        "linear_regression": linear_model.LinearRegression(),
        "ridge": linear_model.Ridge(),
        "lasso": linear_model.Lasso(0.1),
        "elastic_net": linear_model.ElasticNet(0.1),
        "lars": linear_model.Lars(),
        "bayesian_ridge": linear_model.BayesianRidge(),
        "ard": linear_model.ARDRegression(),
        "huber": linear_model.HuberRegressor(),
        "ransac": linear_model.RANSACRegressor(random_state=0),
        "theil_sen": linear_model.TheilSenRegressor(random_state=0, max_subpopulation=200),
        "quantile": linear_model.QuantileRegressor(alpha=0.1),
        "sgd": linear_model.SGDRegressor(random_state=0),
        "linear_svr": svm.LinearSVR(random_state=0),
        "svr_rbf": svm.SVR(),
        "svr_poly": svm.SVR(kernel="poly", degree=3),
        "nu_svr": svm.NuSVR(),
        "tree_regressor": tree.DecisionTreeRegressor(max_depth=6, random_state=0),
        "random_forest_regressor": ensemble.RandomForestRegressor(**fast),
        "extra_trees_regressor": ensemble.ExtraTreesRegressor(max_depth=7, **fast),
        "gradient_boosting_regressor": ensemble.GradientBoostingRegressor(**fast),
        "hist_gradient_boosting_regressor":
            ensemble.HistGradientBoostingRegressor(max_iter=10, random_state=0),
        "ada_boost_regressor": ensemble.AdaBoostRegressor(n_estimators=5, random_state=0),
        "bagging_regressor": ensemble.BaggingRegressor(n_estimators=4, random_state=0),
        "voting_regressor": ensemble.VotingRegressor(
            [("a", linear_model.Ridge()),
             ("b", tree.DecisionTreeRegressor(max_depth=4, random_state=0))]),
        "stacking_regressor": ensemble.StackingRegressor(
            [("a", linear_model.Ridge()),
             ("b", tree.DecisionTreeRegressor(max_depth=4, random_state=0))], cv=2),
        "k_neighbors_regressor": neighbors.KNeighborsRegressor(5),
        "mlp_regressor": neural_network.MLPRegressor(hidden_layer_sizes=(16, 8), max_iter=60, random_state=0),
        "gaussian_process_regressor": gaussian_process.GaussianProcessRegressor(alpha=1.0),
    }
    for name, estimator in kinds.items():
        scikit(name, estimator, target=TARGET, tags=["regressor"])
    for name, estimator in [
            ("poisson", linear_model.PoissonRegressor()),
            ("gamma", linear_model.GammaRegressor()),
            ("tweedie", linear_model.TweedieRegressor(power=1.5))]:
        scikit(name, estimator, target=POSITIVE, tags=["regressor"])
    for name, estimator in [
            ("linear_regression_targets", linear_model.LinearRegression()),
            ("pls", cross_decomposition.PLSRegression()),
            ("tree_regressor_targets", tree.DecisionTreeRegressor(max_depth=6, random_state=0)),
            ("random_forest_targets", ensemble.RandomForestRegressor(**fast)),
            ("multi_output_regressor", multioutput.MultiOutputRegressor(linear_model.Ridge()))]:
        scikit(name, estimator, target=TARGETS, tags=["regressor"])
    scikit("random_forest_regressor_double", ensemble.RandomForestRegressor(**fast),
           data=X.astype(np.float64), target=TARGET, tags=["regressor", "double"])
    scikit("hist_gradient_boosting_regressor_missing",
           ensemble.HistGradientBoostingRegressor(max_iter=10, random_state=0), data=MISSING,
           target=TARGET, tags=["regressor", "missing"])


def preparation():
    kinds = {
        "standard_scaler": preprocessing.StandardScaler(),
        "min_max_scaler": preprocessing.MinMaxScaler(clip=True),
        "max_abs_scaler": preprocessing.MaxAbsScaler(),
        "robust_scaler": preprocessing.RobustScaler(),
        "normalizer_l1": preprocessing.Normalizer("l1"),
        "normalizer_l2": preprocessing.Normalizer("l2"),
        "normalizer_max": preprocessing.Normalizer("max"),
        "binarizer": preprocessing.Binarizer(threshold=0.5),
        "k_bins": preprocessing.KBinsDiscretizer(3, encode="onehot-dense"),
        "k_bins_ordinal": preprocessing.KBinsDiscretizer(4, encode="ordinal"),
        "polynomial": preprocessing.PolynomialFeatures(2),
        "power_transformer": preprocessing.PowerTransformer(),
        "pca": decomposition.PCA(3),
        "incremental_pca": decomposition.IncrementalPCA(3),
        "truncated_svd": decomposition.TruncatedSVD(3, random_state=0),
        "kernel_pca": decomposition.KernelPCA(3, kernel="rbf"),
        "random_projection": random_projection.GaussianRandomProjection(3, random_state=0),
        "variance_threshold": feature_selection.VarianceThreshold(0.5),
        "k_means": cluster.KMeans(3, n_init=1, random_state=0),
        "mini_batch_k_means": cluster.MiniBatchKMeans(3, n_init=1, random_state=0),
        "gaussian_mixture": mixture.GaussianMixture(3, random_state=0),
    }
    for name, estimator in kinds.items():
        # ONNX Runtime's Binarizer refuses NaN.
        scikit(name, estimator, with_edges=name != "binarizer", tags=["preparation"])
    for name, estimator in [
            ("select_k_best", feature_selection.SelectKBest(k=3)),
            ("select_from_model", feature_selection.SelectFromModel(linear_model.Lasso(0.1)))]:
        scikit(name, estimator, target=TARGET if name == "select_from_model" else CLASS3,
               tags=["preparation"])
    for strategy in ["mean", "median", "most_frequent"]:
        scikit(f"imputer_{strategy}", impute.SimpleImputer(strategy=strategy), data=MISSING,
               tags=["preparation", "missing"])
    scikit("imputer_constant", impute.SimpleImputer(strategy="constant", fill_value=-1.0),
           data=MISSING, tags=["preparation", "missing"])
    scikit("knn_imputer", impute.KNNImputer(n_neighbors=3), data=MISSING, with_edges=False,
           opset={"": 18, "ai.onnx.ml": 3}, tags=["preparation", "missing"])
    for name, data in [("texts", TEXTS), ("integers", WHOLE)]:
        scikit(f"one_hot_{name}", preprocessing.OneHotEncoder(
            handle_unknown="ignore", sparse_output=False), data=data, tags=["categories"])
        scikit(f"ordinal_{name}", preprocessing.OrdinalEncoder(), data=data, tags=["categories"])
    scikit("one_hot_drop_texts", preprocessing.OneHotEncoder(drop="first", sparse_output=False),
           data=TEXTS, tags=["categories"])
    scikit("target_encoder", preprocessing.TargetEncoder(random_state=0), data=TEXTS,
           target=TARGET, tags=["categories"])
    scikit("double_scaler", preprocessing.StandardScaler(), data=X.astype(np.float64),
           tags=["preparation", "double"])


def pipelines():
    fast = {"n_estimators": 10, "random_state": 0}
    steps = pipeline.make_pipeline
    scikit("scaled_logistic", steps(preprocessing.StandardScaler(),
                                    linear_model.LogisticRegression()), target=CLASS3,
           tags=["pipeline", "zipmap"])
    scikit("imputed_forest", steps(impute.SimpleImputer(), ensemble.RandomForestClassifier(**fast)),
           data=MISSING, target=CLASS2, tags=["pipeline", "missing", "zipmap"])
    scikit("imputed_scaled_boosting",
           steps(impute.SimpleImputer(strategy="median"), preprocessing.RobustScaler(),
                 ensemble.GradientBoostingClassifier(**fast)),
           data=MISSING, target=NAMES2, tags=["pipeline", "missing", "text labels", "zipmap"])
    scikit("pca_svc", steps(preprocessing.MinMaxScaler(), decomposition.PCA(4), svm.SVC()),
           target=CLASS3, options=None, tags=["pipeline", "zipmap"])
    scikit("poly_ridge", steps(preprocessing.PolynomialFeatures(2), linear_model.Ridge()),
           target=TARGET, tags=["pipeline"])
    scikit("selected_mlp", steps(feature_selection.SelectKBest(k=4),
                                 neural_network.MLPClassifier((8,), max_iter=60, random_state=0)),
           target=CLASS3, tags=["pipeline", "zipmap"])
    scikit("union_logistic",
           steps(pipeline.make_union(decomposition.PCA(2), preprocessing.StandardScaler()),
                 linear_model.LogisticRegression()), target=CLASS2, tags=["pipeline", "zipmap"])
    scikit("one_hot_logistic",
           steps(preprocessing.OneHotEncoder(handle_unknown="ignore"),
                 linear_model.LogisticRegression()), data=TEXTS, target=NAMES3,
           tags=["pipeline", "categories", "text labels", "zipmap"])
    scikit("ordinal_tree", steps(preprocessing.OrdinalEncoder(),
                                 tree.DecisionTreeRegressor(max_depth=4, random_state=0)),
           data=TEXTS, target=TARGET, tags=["pipeline", "categories"])

    def columns(name, last, target, options=None):
        import pandas
        frame = pandas.DataFrame({"age": X[:, 0], "height": MISSING[:, 1], "colour": COLOURS,
                                  "size": SIZES})
        numbers = steps(impute.SimpleImputer(), preprocessing.StandardScaler())
        prepare = compose.ColumnTransformer([
            ("numbers", numbers, ["age", "height"]),
            ("categories", preprocessing.OneHotEncoder(handle_unknown="ignore"),
             ["colour", "size"])])
        whole = steps(prepare, last)

        def make():
            whole.fit(frame[:TRAIN], target[:TRAIN])
            types = [("age", FloatTensorType([None, 1])), ("height", FloatTensorType([None, 1])),
                     ("colour", StringTensorType([None, 1])),
                     ("size", StringTensorType([None, 1]))]
            chosen = {id(last): options} if options else None
            model = to_onnx(whole, initial_types=types, options=chosen, target_opset=OPSET)
            rows = frame[TRAIN:]
            inputs = {
                "age": rows["age"].to_numpy(np.float32)[:, None],
                "height": rows["height"].to_numpy(np.float32)[:, None],
                "colour": rows["colour"].to_numpy(object)[:, None],
                "size": rows["size"].to_numpy(object)[:, None]}
            inputs["colour"][0, 0] = "an unknown one"
            write(name, model, inputs, ["pipeline", "columns", "categories"])
        attempt(name, make)

    columns("columns_logistic", linear_model.LogisticRegression(), CLASS2, PLAIN)
    columns("columns_forest", ensemble.RandomForestClassifier(**fast), NAMES3)
    columns("columns_boosting", ensemble.GradientBoostingRegressor(**fast), TARGET)


def boosters():
    def xgb(name, model, data, target, with_opset=15, **more):
        def make():
            model.fit(data[:TRAIN], target[:TRAIN], **more)
            exported = convert_xgboost(model, initial_types=[("X", MltFloat([None, WIDTH]))],
                                       target_opset=with_opset)
            write(name, exported, {"X": data[TRAIN:]}, ["xgboost"])
        attempt(name, make)

    def lgb(name, model, data, target, zipmap=False, **more):
        def make():
            model.fit(data[:TRAIN], target[:TRAIN], **more)
            exported = convert_lightgbm(model, initial_types=[("X", MltFloat([None, WIDTH]))],
                                        zipmap=zipmap, target_opset=15)
            write(name, exported, {"X": data[TRAIN:]}, ["lightgbm"])
        attempt(name, make)

    groups = [30] * 10
    relevance = CLASS3
    fast = {"n_estimators": 20, "max_depth": 4, "random_state": 0, "n_jobs": 1}
    xgb("xgboost_2", xgboost.XGBClassifier(**fast), X, CLASS2)
    xgb("xgboost_3", xgboost.XGBClassifier(**fast), X, CLASS3)
    xgb("xgboost_missing_2", xgboost.XGBClassifier(**fast), MISSING, CLASS2)
    xgb("xgboost_regressor", xgboost.XGBRegressor(**fast), X, TARGET)
    xgb("xgboost_missing_regressor", xgboost.XGBRegressor(**fast), MISSING, TARGET)
    xgb("xgboost_poisson", xgboost.XGBRegressor(objective="count:poisson", **fast), X, POSITIVE)
    xgb("xgboost_logistic_regressor", xgboost.XGBRegressor(objective="reg:logistic", **fast), X,
        CLASS2)
    xgb("xgboost_forest_2", xgboost.XGBRFClassifier(**fast), X, CLASS2)
    xgb("xgboost_base_score", xgboost.XGBRegressor(base_score=2.5, **fast), X, TARGET)
    fast = {"n_estimators": 20, "num_leaves": 12, "random_state": 0, "n_jobs": 1, "verbose": -1,
            "deterministic": True, "force_row_wise": True}
    lgb("lightgbm_2", lightgbm.LGBMClassifier(**fast), X, CLASS2)
    lgb("lightgbm_3", lightgbm.LGBMClassifier(**fast), X, CLASS3)
    lgb("lightgbm_zipmap_3", lightgbm.LGBMClassifier(**fast), X, CLASS3, zipmap=True)
    lgb("lightgbm_zipmap_2", lightgbm.LGBMClassifier(**fast), X, CLASS2, zipmap=True)
    lgb("lightgbm_missing_2", lightgbm.LGBMClassifier(**fast), MISSING, CLASS2)
    lgb("lightgbm_regressor", lightgbm.LGBMRegressor(**fast), X, TARGET)
    lgb("lightgbm_missing_regressor", lightgbm.LGBMRegressor(**fast), MISSING, TARGET)
    lgb("lightgbm_poisson", lightgbm.LGBMRegressor(objective="poisson", **fast), X, POSITIVE)
    lgb("lightgbm_ranker", lightgbm.LGBMRanker(**fast), X, relevance, group=groups)
    lgb("lightgbm_forest", lightgbm.LGBMClassifier(
        boosting_type="rf", subsample=0.7, subsample_freq=1, **fast), X, CLASS2)
    whole = X.copy()
    whole[:, 0] = np.abs(np.round(whole[:, 0]))
    lgb("lightgbm_categories", lightgbm.LGBMRegressor(min_data_per_group=5, cat_smooth=1, **fast),
        whole, TARGET, categorical_feature=[0])


def opsets():
    for opset in [9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 21, 22]:
        ml = 1 if opset < 11 else 2 if opset < 15 else 3
        wanted = {"": opset, "ai.onnx.ml": ml}
        scikit(f"opset_{opset}_logistic",
               pipeline.make_pipeline(preprocessing.StandardScaler(),
                                      linear_model.LogisticRegression()),
               target=CLASS3, opset=wanted, tags=["opset", "zipmap"])
        scikit(f"opset_{opset}_forest",
               ensemble.RandomForestClassifier(n_estimators=5, max_depth=5, random_state=0),
               target=CLASS2, options=PLAIN, opset=wanted, tags=["opset"])
        scikit(f"opset_{opset}_mlp",
               neural_network.MLPRegressor(hidden_layer_sizes=(8,), max_iter=60, random_state=0), target=TARGET,
               opset=wanted, tags=["opset"])


def main():
    global FOLDER
    FOLDER = pathlib.Path(sys.argv[1])
    FOLDER.mkdir(parents=True, exist_ok=True)
    for part in [classifiers, regressors, preparation, pipelines, boosters, opsets]:
        part()
    manifest = {"onnxruntime": onnxruntime.__version__, "models": MODELS, "skipped": SKIPPED}
    (FOLDER / "manifest.json").write_text(json.dumps(manifest, indent=1))
    size = sum(path.stat().st_size for path in FOLDER.glob("*.onnx"))
    print(f"{len(MODELS)} models, {size / 1e6:.1f} MB of ONNX, {len(SKIPPED)} not exported")


if __name__ == "__main__":
    main()
