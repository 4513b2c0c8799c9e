//! For the dialect `flagsmith`.

use super::{Shape, shape};

pub(super) const SHAPES: [Shape; 19] = [
    shape(
        "the smallest features",
        r#"{"api_key": "k", "feature_states": ["#,
        r##"{"feature":{"id":1,"name":"%"},"enabled":true}"##,
        "]}",
    ),
    shape(
        "features of long names",
        r#"{"api_key": "k", "feature_states": ["#,
        r#"{"feature":{"id":1,"name":"a-name-of-which-nobody-would-expect-that-anything-bears-it-in-full-%"},"enabled":true}"#,
        "]}",
    ),
    shape("features that are none", r#"{"api_key": "k", "feature_states": ["#, "0", "]}"),
    shape(
        "variants",
        r#"{"api_key": "k", "feature_states": [{"feature":{"id":1,"name":"f"},"enabled":true,"multivariate_feature_state_values":["#,
        r#"{"multivariate_feature_option":{},"percentage_allocation":1}"#,
        "]}]}",
    ),
    shape(
        "features of 14 variants",
        r#"{"api_key": "k", "feature_states": ["#,
        r##"{"feature":{"id":1,"name":"%"},"enabled":true,"multivariate_feature_state_values":[{"multivariate_feature_option":{},"percentage_allocation":1},{"multivariate_feature_option":{},"percentage_allocation":1},{"multivariate_feature_option":{},"percentage_allocation":1},{"multivariate_feature_option":{},"percentage_allocation":1},{"multivariate_feature_option":{},"percentage_allocation":1},{"multivariate_feature_option":{},"percentage_allocation":1},{"multivariate_feature_option":{},"percentage_allocation":1},{"multivariate_feature_option":{},"percentage_allocation":1},{"multivariate_feature_option":{},"percentage_allocation":1},{"multivariate_feature_option":{},"percentage_allocation":1},{"multivariate_feature_option":{},"percentage_allocation":1},{"multivariate_feature_option":{},"percentage_allocation":1},{"multivariate_feature_option":{},"percentage_allocation":1},{"multivariate_feature_option":{},"percentage_allocation":1}]}"##,
        "]}",
    ),
    shape(
        "segments without anything",
        r#"{"api_key": "k", "project": {"segments": ["#,
        r#"{"id":1%,"name":""}"#,
        "]}}",
    ),
    shape("segments that are none", r#"{"api_key": "k", "project": {"segments": ["#, "0", "]}}"),
    shape(
        "segments that are malformed",
        r#"{"api_key": "k", "project": {"segments": ["#,
        r#"{"id":1}"#,
        "]}}",
    ),
    shape(
        "rules",
        r#"{"api_key": "k", "project": {"segments": [{"id":1,"name":"","rules":["#,
        r#"{"type":"ALL"}"#,
        "]}]}}",
    ),
    shape(
        "conditions",
        r#"{"api_key": "k", "project": {"segments": [{"id":1,"name":"","rules":[{"type":"ALL","conditions":["#,
        r#"{"operator":"EQUAL","value":1}"#,
        "]}]}]}}",
    ),
    shape(
        "conditions that nobody knows",
        r#"{"api_key": "k", "project": {"segments": [{"id":1,"name":"","rules":[{"type":"ALL","conditions":["#,
        r#"{"operator":""}"#,
        "]}]}]}}",
    ),
    shape(
        "features of a segment",
        r#"{"api_key": "k", "project": {"segments": [{"id":1,"name":"","feature_states":["#,
        r##"{"feature":{"id":1,"name":"%"},"enabled":true}"##,
        "]}]}}",
    ),
    shape(
        "identities",
        r#"{"api_key": "k", "identity_overrides": ["#,
        r##"{"identifier":"%"}"##,
        "]}",
    ),
    shape(
        "identities with a feature",
        r#"{"api_key": "k", "identity_overrides": ["#,
        r##"{"identifier":"%","identity_features":[{"feature":{"id":1,"name":"f"},"enabled":true}]}"##,
        "]}",
    ),
    shape(
        "identities that are malformed",
        r#"{"api_key": "k", "identity_overrides": ["#,
        r##"{"identifier":"%","identity_features":0}"##,
        "]}",
    ),
    shape(
        "features of a context",
        r#"{"environment": {"key": "k"}, "features": {"#,
        r##""%":{"name":"%","enabled":true}"##,
        "}}",
    ),
    shape(
        "segments of a context",
        r#"{"environment": {"key": "k"}, "segments": {"#,
        r##""%":{"name":""}"##,
        "}}",
    ),
    shape(
        "metadata of a feature",
        r#"{"environment": {"key": "k"}, "features": {"f": {"name":"f","enabled":true,"metadata":{"#,
        r##""%":0"##,
        "}}}}",
    ),
    shape(
        "a value of many elements",
        r#"{"environment": {"key": "k"}, "segments": {"s": {"name":"","rules":[{"type":"ALL","conditions":[{"operator":"IN","property":"a","value":["#,
        "0",
        "]}]}]}}}",
    ),
];
