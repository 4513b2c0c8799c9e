"""Everything of scikit-learn that skl2onnx exports."""
import warnings

import numpy as np
import onnx
from skl2onnx import to_onnx
from skl2onnx.common.data_types import (DictionaryType, DoubleTensorType, FloatTensorType,
                                        Int64TensorType, StringTensorType)
from sklearn import (calibration, cluster, compose, cross_decomposition, decomposition,
                     discriminant_analysis, ensemble, feature_extraction, feature_selection,
                     gaussian_process, impute, linear_model, mixture, multiclass, multioutput,
                     naive_bayes, neighbors, neural_network, pipeline, preprocessing,
                     random_projection, svm, tree)

from answers import attempt, list_unrun, write
from data_rows import (CLASS2, CLASS3, COLOURS, COUNTS, MISSING, NAMES2, NAMES3, POSITIVE, SIZES, TARGET,
                  TARGETS, TEXTS, TRAIN, WHOLE, X)

warnings.filterwarnings("ignore")
make_attribute = onnx.helper.make_attribute


def plain_attribute(key, value, *more, **named):
    """skl2onnx 1.20 writes the missing tracks of scikit-learn 1.9 as booleans, which onnx refuses."""
    if isinstance(value, list) and any(isinstance(one, (bool, np.bool_)) for one in value):
        value = [int(one) for one in value]
    return make_attribute(key, value, *more, **named)


onnx.helper.make_attribute = plain_attribute

OPSET = {"": 17, "ai.onnx.ml": 3}


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
    # Its weights nearly cancel: the exporter's documentation asks for double precision.
    scikit("gaussian_process_regressor_double",
           gaussian_process.GaussianProcessRegressor(alpha=1.0), data=X.astype(np.float64),
           target=TARGET, tags=["regressor", "double"])
    scikit("k_neighbors_regressor_double", neighbors.KNeighborsRegressor(5),
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


def texts():
    """What takes texts or maps, and so no tensor of numbers."""
    words = [f"{colour} and {size}" for colour, size in TEXTS]
    maps = [{"colour": colour, "weight": float(row[0])} for colour, row in zip(COLOURS, X)]

    def make(estimator, data, kind, name):
        estimator.fit(data[:TRAIN])
        model = to_onnx(estimator, initial_types=[("X", kind)], target_opset=OPSET)
        list_unrun(name, model, ["texts and maps"])
    for name, estimator, data, kind in [
            ("count_vectorizer", feature_extraction.text.CountVectorizer(), words,
             StringTensorType([None])),
            ("tfidf_vectorizer", feature_extraction.text.TfidfVectorizer(), words,
             StringTensorType([None])),
            ("dict_vectorizer", feature_extraction.DictVectorizer(sparse=False),
             [{"weight": one["weight"]} for one in maps],
             DictionaryType(StringTensorType([1]), FloatTensorType([1])))]:
        attempt(name, lambda: make(estimator, data, kind, name))


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
