//! What does not agree with ONNX Runtime, or does not load, and why.

/// Models whose answers differ for rows of some kinds. All their other rows agree.
pub struct Known {
    pub models: &'static [&'static str],
    pub rows: &'static [&'static str],
    pub why: &'static str,
}

pub const KNOWN: &[Known] = &[
    Known {
        models: &["sgd_log_2", "mlp_2", "mlp_3", "mlp_names_2", "mlp_names_3"],
        rows: &["nan", "inf", "huge"],
        why: "the engine's Sigmoid and Relu make numbers of NaN",
    },
    Known {
        models: &[
            "k_neighbors_3",
            "k_neighbors_names_3",
            "k_neighbors_regressor",
            "k_neighbors_regressor_double",
            "local_outlier_factor",
        ],
        rows: &["nan"],
        why: "which neighbour is nearest to NaN depends on the sort",
    },
    Known {
        models: &["one_class_svm"],
        rows: &["nan"],
        why: "NaN has no sign; what it becomes as an integer is undefined",
    },
    Known {
        models: &["one_vs_one_3", "linear_regression_targets", "svc_sigmoid_3"],
        rows: &["huge"],
        why: "numbers of 1e30 cancel to what rounding left of them",
    },
    Known {
        models: &["gaussian_process_regressor"],
        rows: &["plain", "denormal", "zero"],
        why: "weights that nearly cancel: within 1e-3, not 1e-4, in 32-bit floats",
    },
    Known {
        models: &["min_max_scaler"],
        rows: &["nan"],
        why: "the engine's Clip makes a number of NaN",
    },
    Known {
        models: &["k_bins", "k_bins_ordinal"],
        rows: &["nan", "inf"],
        why: "which NaN is the largest is undefined",
    },
    Known {
        models: &["k_means", "mini_batch_k_means"],
        rows: &["huge", "inf"],
        why: "a distance is infinite or NaN as the squares are added up",
    },
];

/// Models that do not load: what the error says of it, and why.
pub const NOT_LOADED: &[(&[&str], &str, &str)] = &[
    (
        &["knn_imputer"],
        "local_domain",
        "written with functions of its own (`local_domain`), which the engine does not read",
    ),
    (
        &["torch_mlp_double"],
        "accessed as F64",
        "the engine's Gemm mixes its 32-bit factor with 64-bit floats",
    ),
    (
        &["dict_vectorizer"],
        "DictVectorizer",
        "it takes a map, and inputs are tensors: export from the columns on",
    ),
    (
        &["count_vectorizer", "tfidf_vectorizer"],
        "TfIdfVectorizer",
        "text is prepared before the model: export what comes after",
    ),
];

/// Models that could not be exported, or that ONNX Runtime itself does not load.
pub const NOT_EXPORTED: &[(&[&str], &str)] = &[
    (
        &["gaussian_process_2"],
        "exported with an operator (`com.microsoft:Solve`) that ONNX Runtime does not have",
    ),
    (&["gaussian_process_3"], "skl2onnx converts binary ones only"),
    (
        &["gradient_boosting_double_3", "random_forest_regressor_double"],
        "skl2onnx writes a graph of mixed precision, which ONNX Runtime refuses",
    ),
    (&["xgboost_dart", "xgboost_linear"], "onnxmltools reads only the booster `gbtree`"),
    (&["xgboost_targets"], "XGBoost itself does not print trees with several targets a leaf"),
    (&["catboost_deep"], "CatBoost exports symmetric trees only"),
];
