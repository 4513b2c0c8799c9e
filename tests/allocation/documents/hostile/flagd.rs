//! For the dialect `flagd`.

use super::{Shape, shape};

pub(super) const SHAPES: [Shape; 18] = [
    shape("flags without anything", r#"{"flags": {"#, r#""%":{}"#, "}}"),
    shape("flags that are none", r#"{"flags": {"#, r#""%":0"#, "}}"),
    shape(
        "flags of long names",
        r#"{"flags": {"#,
        r#""a-name-of-which-nobody-would-expect-that-anything-bears-it-in-full-%":{"state":"ENABLED","variants":{}}"#,
        "}}",
    ),
    shape(
        "long names and long texts",
        r#"{"flags": {"f": {"state": "ENABLED", "variants": {"#,
        r#""a-name-of-which-nobody-would-expect-that-anything-bears-it-in-full-%":"and-a-text-that-is-not-much-shorter-than-the-name-that-it-has""#,
        "}}}}",
    ),
    shape("a list of flags that are none", r#"{"flags": ["#, "0", "]}"),
    shape("the smallest flags", r#"{"flags": {"#, r#""%":{"state":"ENABLED","variants":{}}"#, "}}"),
    shape(
        "flags that are warned about",
        r#"{"flags": {"#,
        r#""%":{"state":"ENABLED","variants":{"\"":0,"<":0},"defaultVariant":"z","targeting":{"-":[[]]}}"#,
        "}}",
    ),
    shape(
        "one flag of many variants",
        r#"{"flags": {"f": {"state": "ENABLED", "variants": {"#,
        r#""%":0"#,
        "}}}}",
    ),
    shape(
        "variants that are warned about",
        r#"{"flags": {"f": {"state": "ENABLED", "variants": {"#,
        r#""<%":0"#,
        "}}}}",
    ),
    shape(
        "lists within a variant",
        r#"{"flags": {"f": {"state": "ENABLED", "variants": {"v": ["#,
        "[]",
        "]}}}}",
    ),
    shape(
        "objects within a variant",
        r#"{"flags": {"f": {"state": "ENABLED", "variants": {"v": ["#,
        r#"{"":0}"#,
        "]}}}}",
    ),
    shape(
        "numbers within a variant",
        r#"{"flags": {"f": {"state": "ENABLED", "variants": {"v": ["#,
        "0",
        "]}}}}",
    ),
    shape(
        "conditions",
        r#"{"flags": {"f": {"state": "ENABLED", "variants": {}, "targeting": {"or": ["#,
        r#"{"!":0}"#,
        "]}}}}",
    ),
    shape(
        "variables",
        r#"{"flags": {"f": {"state": "ENABLED", "variants": {}, "targeting": {"cat": ["#,
        r#"{"var":"a"}"#,
        "]}}}}",
    ),
    shape(
        "splits",
        r#"{"flags": {"f": {"state": "ENABLED", "variants": {}, "targeting": {"if": ["#,
        r#"0,{"fractional":[]}"#,
        "]}}}}",
    ),
    shape(
        "operators that nobody has",
        r#"{"flags": {"f": {"state": "ENABLED", "variants": {}, "targeting": {"if": ["#,
        r#"{"x":0},0"#,
        "]}}}}",
    ),
    shape(
        "comparisons",
        r#"{"flags": {"f": {"state": "ENABLED", "variants": {}, "targeting": {"and": ["#,
        r#"{"==":[{"var":"a"},"b"]}"#,
        "]}}}}",
    ),
    shape(
        "a long list to look in",
        r#"{"flags": {"f": {"state": "ENABLED", "variants": {}, "targeting": {"if": [{"in": [{"var": "a"}, ["#,
        r##""%""##,
        "]]}]}}}}",
    ),
];
