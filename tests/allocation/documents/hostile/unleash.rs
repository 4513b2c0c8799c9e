//! For the dialect `unleash`.

use super::{Shape, shape};

pub(super) const SHAPES: [Shape; 18] = [
    shape("the smallest features", r#"{"features": ["#, r##"{"name":"%","enabled":true}"##, "]}"),
    shape(
        "features of long names",
        r#"{"features": ["#,
        r#"{"name":"a-name-of-which-nobody-would-expect-that-anything-bears-it-in-full-%","enabled":true}"#,
        "]}",
    ),
    shape("features that are none", r#"{"features": ["#, "0", "]}"),
    shape("features that are malformed", r#"{"features": ["#, r##"{"name":"%"}"##, "]}"),
    shape(
        "a hydration",
        r#"{"events": [{"type": "hydration", "eventId": 1, "features": ["#,
        r##"{"name":"%","enabled":true}"##,
        "]}]}",
    ),
    shape("events that are none", r#"{"events": ["#, "0", "]}"),
    shape("events of no type", r#"{"events": ["#, r#"{"type":""}"#, "]}"),
    shape("segments without anything", r#"{"features": [], "segments": ["#, r#"{"id":1}"#, "]}"),
    shape(
        "strategies",
        r#"{"features": [{"name": "f", "enabled": true, "strategies": ["#,
        r#"{"name":"default"}"#,
        "]}]}",
    ),
    shape(
        "rollouts",
        r#"{"features": [{"name": "f", "enabled": true, "strategies": ["#,
        r#"{"name":"flexibleRollout","parameters":{"rollout":"1"}}"#,
        "]}]}",
    ),
    shape(
        "features with a missing segment",
        r#"{"features": ["#,
        r##"{"name":"%","enabled":true,"strategies":[{"name":"default","segments":[1]}]}"##,
        "]}",
    ),
    shape(
        "constraints",
        r#"{"features": [{"name": "f", "enabled": true, "strategies": [{"name": "default", "constraints": ["#,
        r#"{"contextName":"a","operator":"IN"}"#,
        "]}]}]}",
    ),
    shape(
        "values of one constraint",
        r#"{"features": [{"name": "f", "enabled": true, "strategies": [{"name": "default", "constraints": [{"contextName":"a","operator":"IN","values":["#,
        r##""%""##,
        "]}]}]}]}",
    ),
    shape(
        "variants",
        r#"{"features": [{"name": "f", "enabled": true, "variants": ["#,
        r#"{"name":"a","weight":1}"#,
        "]}]}",
    ),
    shape(
        "features of 15 variants",
        r#"{"features": ["#,
        r##"{"name":"%","enabled":true,"variants":[{"name":"a","weight":1},{"name":"a","weight":1},{"name":"a","weight":1},{"name":"a","weight":1},{"name":"a","weight":1},{"name":"a","weight":1},{"name":"a","weight":1},{"name":"a","weight":1},{"name":"a","weight":1},{"name":"a","weight":1},{"name":"a","weight":1},{"name":"a","weight":1},{"name":"a","weight":1},{"name":"a","weight":1},{"name":"a","weight":1}]}"##,
        "]}",
    ),
    shape(
        "overrides",
        r#"{"features": [{"name": "f", "enabled": true, "variants": [{"name":"a","weight":1,"overrides":["#,
        r#"{"contextName":"userId","values":["1"]}"#,
        "]}]}]}",
    ),
    shape(
        "dependencies",
        r#"{"features": [{"name": "f", "enabled": true, "dependencies": ["#,
        r##"{"feature":"%"}"##,
        "]}]}",
    ),
    shape(
        "parameters of a strategy of the caller's",
        r#"{"features": [{"name": "f", "enabled": true, "strategies": [{"name": "own", "parameters": {"#,
        r##""%":"""##,
        "}}]}]}",
    ),
];
