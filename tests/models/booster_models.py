"""XGBoost, LightGBM and CatBoost."""
import tempfile

import lightgbm
import numpy as np
import onnx
import xgboost
from catboost import CatBoostClassifier, CatBoostRegressor
from onnxmltools import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType as MltFloat

from answers import attempt, write
from data_rows import (CLASS2, CLASS3, MISSING, NAMES2, NAMES3, POSITIVE, TARGET, TRAIN, WIDTH, X)


def boosters():
    def xgb(name, model, data, target, with_opset=15, **more):
        def make(model=model):
            model.fit(data[:TRAIN], target[:TRAIN], **more)
            if isinstance(model, xgboost.XGBRanker):
                # Only what is inside it has a converter, which takes any ranking for classes, and its base
                # score for a probability.
                scores, model = model.predict(data[TRAIN:]), model.get_booster()
                model.set_param({"objective": "reg:squarederror"})
                assert np.allclose(model.inplace_predict(data[TRAIN:]), scores)
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
    xgb("xgboost_missing_3", xgboost.XGBClassifier(**fast), MISSING, CLASS3)
    xgb("xgboost_dart", xgboost.XGBRegressor(booster="dart", **fast), X, TARGET)
    xgb("xgboost_forest_regressor", xgboost.XGBRFRegressor(**fast), X, TARGET)
    xgb("xgboost_targets", xgboost.XGBRegressor(multi_strategy="multi_output_tree", **fast), X,
        np.stack([TARGET, POSITIVE], axis=1))
    xgb("xgboost_linear", xgboost.XGBRegressor(booster="gblinear", n_estimators=20), X, TARGET)
    groups = [30] * 10
    xgb("xgboost_ranker", xgboost.XGBRanker(**fast), X, CLASS3, group=groups)
    xgb("xgboost_ranker_map", xgboost.XGBRanker(objective="rank:pairwise", **fast), MISSING,
        CLASS3, group=groups)
    for opset in [9, 11, 13]:
        xgb(f"xgboost_opset_{opset}", xgboost.XGBClassifier(**fast), X, CLASS3, with_opset=opset)
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
    lgb("lightgbm_ranker", lightgbm.LGBMRanker(**fast), X, CLASS3, group=groups)
    lgb("lightgbm_missing_ranker", lightgbm.LGBMRanker(**fast), MISSING, CLASS3, group=groups)
    lgb("lightgbm_dart", lightgbm.LGBMClassifier(boosting_type="dart", **fast), X, CLASS3)
    lgb("lightgbm_missing_3", lightgbm.LGBMClassifier(**fast), MISSING, CLASS3)
    lgb("lightgbm_names_3", lightgbm.LGBMClassifier(**fast), X, NAMES3)
    lgb("lightgbm_zero_missing", lightgbm.LGBMRegressor(zero_as_missing=True, **fast), X, TARGET)
    lgb("lightgbm_quantile", lightgbm.LGBMRegressor(objective="quantile", alpha=0.9, **fast), X,
        TARGET)
    lgb("lightgbm_forest", lightgbm.LGBMClassifier(
        boosting_type="rf", subsample=0.7, subsample_freq=1, **fast), X, CLASS2)
    whole = X.copy()
    whole[:, 0] = np.abs(np.round(whole[:, 0]))
    lgb("lightgbm_categories", lightgbm.LGBMRegressor(min_data_per_group=5, cat_smooth=1, **fast),
        whole, TARGET, categorical_feature=[0])


def catboost():
    def cat(name, model, data, target):
        def make():
            model.fit(data[:TRAIN], target[:TRAIN])
            with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
                model.save_model(file.name, format="onnx")
                exported = onnx.load(file.name)
            write(name, exported, {"features": data[TRAIN:]}, ["catboost"])
        attempt(name, make)

    fast = {"iterations": 20, "depth": 4, "random_seed": 0, "thread_count": 1, "verbose": False,
            "allow_writing_files": False}
    cat("catboost_2", CatBoostClassifier(**fast), X, CLASS2)
    cat("catboost_3", CatBoostClassifier(**fast), X, CLASS3)
    cat("catboost_names_2", CatBoostClassifier(**fast), X, NAMES2)
    cat("catboost_names_3", CatBoostClassifier(**fast), X, NAMES3)
    cat("catboost_missing_2", CatBoostClassifier(**fast), MISSING, CLASS2)
    cat("catboost_regressor", CatBoostRegressor(**fast), X, TARGET)
    cat("catboost_missing_regressor", CatBoostRegressor(**fast), MISSING, TARGET)
    cat("catboost_deep", CatBoostRegressor(grow_policy="Depthwise", **fast), X, TARGET)
