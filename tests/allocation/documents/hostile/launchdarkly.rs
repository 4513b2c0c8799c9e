//! For the dialect `launchdarkly`.

use super::{Shape, shape};

pub(super) const SHAPES: [Shape; 27] = [
    shape("flags without anything", r#"{"flags": {"#, r#""%":{}"#, "}}"),
    shape(
        "flags of long names",
        r#"{"flags": {"#,
        r#""a-name-of-which-nobody-would-expect-that-anything-bears-it-in-full-%":{"key":"a-name-of-which-nobody-would-expect-that-anything-bears-it-in-full-%"}"#,
        "}}",
    ),
    shape("flags under data", r#"{"data": {"flags": {"#, r#""%":{}"#, "}}}"),
    shape("flags that are none", r#"{"flags": {"#, r#""%":0"#, "}}"),
    shape("values", r#"{"flagValues": {"#, r#""%":0"#, "}}"),
    shape(
        "flags of 8 variations",
        r#"{"flags": {"#,
        r#""%":{"variations":[0,0,0,0,0,0,0,0]}"#,
        "}}",
    ),
    shape(
        "flags of 16 variations",
        r#"{"flags": {"#,
        r#""%":{"variations":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}"#,
        "}}",
    ),
    shape(
        "flags of 64 variations",
        r#"{"flags": {"#,
        r#""%":{"variations":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}"#,
        "}}",
    ),
    shape("segments without anything", r#"{"segments": {"#, r#""%":{}"#, "}}"),
    shape("segments that are none", r#"{"segments": {"#, r#""%":0"#, "}}"),
    shape("segments that are warned about", r#"{"segments": {"#, r#""%":{"unbounded":true}"#, "}}"),
    shape(
        "flags that are warned about",
        r#"{"flags": {"#,
        r#""%":{"offVariation":1,"fallthrough":{"variation":1}}"#,
        "}}",
    ),
    shape("rules", r#"{"flags": {"f": {"rules": ["#, "{}", "]}}}"),
    shape("clauses", r#"{"flags": {"f": {"rules": [{"clauses": ["#, "{}", "]}]}}}"),
    shape(
        "clauses with values",
        r#"{"flags": {"f": {"rules": [{"clauses": ["#,
        r#"{"attribute":"a","op":"in","values":["b"]}"#,
        "]}]}}}",
    ),
    shape(
        "values of one clause",
        r#"{"flags": {"f": {"rules": [{"clauses": [{"attribute":"a","op":"in","values":["#,
        r##""%""##,
        "]}]}]}}}",
    ),
    shape(
        "versions of one clause",
        r#"{"flags": {"f": {"rules": [{"clauses": [{"attribute":"a","op":"semVerEqual","values":["#,
        r#""1.2""#,
        "]}]}]}}}",
    ),
    shape(
        "shares",
        r#"{"flags": {"f": {"fallthrough": {"rollout": {"variations": ["#,
        "{}",
        "]}}}}}",
    ),
    shape("rollouts", r#"{"flags": {"f": {"rules": ["#, r#"{"rollout":{}}"#, "]}}}"),
    shape("targets", r#"{"flags": {"f": {"targets": ["#, "{}", "]}}}"),
    shape(
        "targets with values",
        r#"{"flags": {"f": {"targets": ["#,
        r#"{"values":["%"],"variation":0}"#,
        r#"]}}}"#,
    ),
    shape(
        "values of one target",
        r#"{"flags": {"f": {"targets": [{"variation":0,"values":["#,
        r##""%""##,
        r#"]}]}}}"#,
    ),
    shape("prerequisites", r#"{"flags": {"f": {"prerequisites": ["#, "{}", "]}}}"),
    shape("variations", r#"{"flags": {"f": {"variations": ["#, "{}", "]}}}"),
    shape("rules of a segment", r#"{"segments": {"s": {"rules": ["#, r#"{"weight":1}"#, "]}}}"),
    shape("members of a segment", r#"{"segments": {"s": {"included": ["#, r##""%""##, "]}}}"),
    shape("contexts of a segment", r#"{"segments": {"s": {"includedContexts": ["#, "{}", "]}}}"),
];
