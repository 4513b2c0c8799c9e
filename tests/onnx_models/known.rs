//! What does not agree with ONNX Runtime, or does not load, and why.

/// Models whose answers differ for rows of some kinds. All their other rows agree.
pub struct Known {
    pub models: &'static [&'static str],
    pub rows: &'static [&'static str],
    pub why: &'static str,
}

pub const KNOWN: &[Known] = &[
    Known {
        models: &[
            "k_neighbors_3",
            "k_neighbors_names_3",
            "k_neighbors_regressor",
            "k_neighbors_regressor_double",
        ],
        rows: &["nan"],
        why: "which neighbour is nearest to NaN depends on the sort",
    },
    Known {
        models: &["one_class_svm"],
        rows: &["nan"],
        why: "NaN as an integer is undefined: 0 here, the smallest one in ONNX Runtime",
    },
    Known {
        models: &["one_vs_one_3", "linear_regression_targets", "svc_sigmoid_3"],
        rows: &["huge"],
        why: "numbers of 1e30 cancel to what rounding left of them",
    },
    Known {
        models: &["gaussian_process_regressor"],
        rows: &["plain", "denormal", "zero"],
        why: "32-bit weights nearly cancel: ONNX Runtime is itself outside on 23 of 200 rows of \
              scikit-learn's own answers; exported in double precision every row agrees",
    },
    Known {
        models: &["k_bins", "k_bins_ordinal"],
        rows: &["nan", "inf"],
        why: "the exporter adds a row times 0, which is NaN, and which NaN is the largest is \
              undefined",
    },
    Known {
        models: &["k_means", "mini_batch_k_means"],
        rows: &["huge", "inf"],
        why: "squares beyond 32-bit floats: whether infinity or NaN is left depends on the order \
              in which they are added",
    },
];

/// Models that do not load: what the error says of it, and why.
pub const NOT_LOADED: &[(&[&str], &str, &str)] = &[(
    &["dict_vectorizer"],
    "DictVectorizer",
    "it takes a map, and inputs are tensors: export from the columns on",
)];

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
    (
        &["labels_chain", "regressor_chain", "transformed_target"],
        "skl2onnx has no converter for chains and transformed targets",
    ),
    (&["lightgbm_fair", "lightgbm_mape"], "onnxmltools does not know these objectives"),
    (&["catboost_deep"], "CatBoost exports symmetric trees only"),
];

/// Models of texts, of which the matrix has no rows: `tests/onnx_operators/texts.py` compares their kind.
pub const OF_TEXTS: &[&str] = &["count_vectorizer", "tfidf_vectorizer"];
