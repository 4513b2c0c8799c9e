//! Documents of every dialect and of many shapes, at a size to choose.

/// One shape: what a document begins with, what is repeated in it, and what it ends with. In the
/// repeated part `%` is a number that counts up.
pub struct Shape {
    pub name: &'static str,
    head: &'static str,
    part: &'static str,
    tail: &'static str,
}

const fn shape(
    name: &'static str,
    head: &'static str,
    part: &'static str,
    tail: &'static str,
) -> Shape {
    Shape { name, head, part, tail }
}

impl Shape {
    /// A document of about so many bytes, and how often the part is in it.
    pub fn document(&self, bytes: usize) -> (String, usize) {
        let mut text = self.head.to_owned();
        let mut parts = 0;
        while text.len() < bytes {
            if parts > 0 {
                text.push(',');
            }
            text.push_str(&self.part.replace('%', &parts.to_string()));
            parts += 1;
        }
        text.push_str(self.tail);
        (text, parts)
    }
}

/// What services have: these must be let in at any size.
pub const USUAL: [(&str, &[Shape]); 4] = [
    (
        "flagd",
        &[
            shape(
                "a split",
                r#"{"flags": {"#,
                r#""ml-model-version-%": {"state": "ENABLED", "variants": {"v1": "fraud-v1", "v2": "fraud-v2"},
  "defaultVariant": "v1", "targeting": {"fractional": [["v2", 25], ["v1", 75]]}}"#,
                "}}",
            ),
            shape(
                "rules",
                r#"{"flags": {"#,
                r#""ml-model-version-%": {
    "state": "ENABLED",
    "variants": {"v1": "fraud-v1", "v2": "fraud-v2"},
    "defaultVariant": "v1",
    "metadata": {"owner": "risk"},
    "targeting": {"if": [
      {"and": [{"in": [{"var": "region"}, ["eu-central-1", "eu-west-1"]]}, {"ends_with": [{"var": "email"}, "@example.com"]}]},
      "v2",
      {"fractional": [["v2", 25], ["v1", 75]]}
    ]}
  }"#,
                "}}",
            ),
        ],
    ),
    (
        "launchdarkly",
        &[
            shape(
                "as the service sends them",
                r#"{"segments": {}, "flags": {"#,
                r#""ml-model-version-%":{"key":"ml-model-version-%","on":true,"prerequisites":[],"targets":[{"values":["user-1","user-2"],"variation":1,"contextKind":"user"}],"contextTargets":[],"rules":[{"variation":1,"id":"2f6f1b0e-4b1c-4bfa-9d55-1d0a1c5a8a10","clauses":[{"contextKind":"user","attribute":"region","op":"in","values":["eu","us"],"negate":false}],"trackEvents":false}],"fallthrough":{"rollout":{"contextKind":"user","variations":[{"variation":0,"weight":75000},{"variation":1,"weight":25000}],"bucketBy":"key"}},"offVariation":0,"variations":["fraud-v1","fraud-v2"],"clientSideAvailability":{"usingMobileKey":false,"usingEnvironmentId":false},"clientSide":false,"salt":"6a1c1a5e0d9b4a0b8d6f2d0a3f6f7b11","trackEvents":false,"trackEventsFallthrough":false,"debugEventsUntilDate":null,"version":17,"deleted":false}"#,
                "}}",
            ),
            shape(
                "switched off, without rules",
                r#"{"flags": {"#,
                r#""a-team-s-feature-that-is-not-released-%": {"key": "a-team-s-feature-that-is-not-released-%", "version": 1, "on": false, "variations": [true], "offVariation": 0}"#,
                "}}",
            ),
            shape(
                "a segment of many users",
                r#"{"flags": {}, "segments": {"beta": {"key": "beta", "version": 1, "salt": "a", "rules": [], "excluded": [], "included": ["#,
                r#""2f6f1b0e-4b1c-4bfa-9d55-1d0a1c5a8a10-%""#,
                "]}}}",
            ),
        ],
    ),
    (
        "unleash",
        &[shape(
            "as the server sends them",
            r#"{"version":2,"features":["#,
            r#"{"name":"ml-model-version-%","type":"release","enabled":true,"project":"default","stale":false,"strategies":[{"name":"flexibleRollout","constraints":[{"values":["eu","us"],"inverted":false,"operator":"IN","contextName":"region","caseInsensitive":false}],"parameters":{"groupId":"ml-model-version","rollout":"25","stickiness":"default"},"variants":[]}],"variants":[{"name":"v1","weight":750,"weightType":"variable","stickiness":"default","payload":{"type":"string","value":"fraud-v1"},"overrides":[]},{"name":"v2","weight":250,"weightType":"variable","stickiness":"default","payload":{"type":"string","value":"fraud-v2"},"overrides":[]}],"description":null,"impressionData":false}"#,
            r#"],"segments":[]}"#,
        )],
    ),
    (
        "flagsmith",
        &[shape(
            "as the server sends them",
            r#"{"api_key":"ser.key","name":"Production","project":{"id":1,"name":"p","segments":[]},"identity_overrides":[],"feature_states":["#,
            r#"{"feature":{"id":1,"name":"ml-model-version-%","type":"MULTIVARIATE"},"enabled":true,"django_id":12,"feature_segment":null,"featurestate_uuid":"2f6f1b0e-4b1c-4bfa-9d55-1d0a1c5a8a10","feature_state_value":"fraud-v1","multivariate_feature_state_values":[{"id":1,"mv_fs_value_uuid":"5d0f9e5e-3c4c-4b5a-8f6b-0a4c8a8f7c11","percentage_allocation":25.0,"multivariate_feature_option":{"id":1,"value":"fraud-v2"}}]}"#,
            "]}",
        )],
    ),
];

/// What nobody has, and somebody might send.
pub const HOSTILE: [(&str, &[Shape]); 4] = [
    (
        "flagd",
        &[
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
            shape(
                "the smallest flags",
                r#"{"flags": {"#,
                r#""%":{"state":"ENABLED","variants":{}}"#,
                "}}",
            ),
            shape(
                "flags that are remarked upon",
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
                "variants that are remarked upon",
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
        ],
    ),
    (
        "launchdarkly",
        &[
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
            shape(
                "segments that are remarked upon",
                r#"{"segments": {"#,
                r#""%":{"unbounded":true}"#,
                "}}",
            ),
            shape(
                "flags that are remarked upon",
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
            shape(
                "rules of a segment",
                r#"{"segments": {"s": {"rules": ["#,
                r#"{"weight":1}"#,
                "]}}}",
            ),
            shape(
                "members of a segment",
                r#"{"segments": {"s": {"included": ["#,
                r##""%""##,
                "]}}}",
            ),
            shape(
                "contexts of a segment",
                r#"{"segments": {"s": {"includedContexts": ["#,
                "{}",
                "]}}}",
            ),
        ],
    ),
    (
        "unleash",
        &[
            shape(
                "the smallest features",
                r#"{"features": ["#,
                r##"{"name":"%","enabled":true}"##,
                "]}",
            ),
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
            shape(
                "segments without anything",
                r#"{"features": [], "segments": ["#,
                r#"{"id":1}"#,
                "]}",
            ),
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
        ],
    ),
    (
        "flagsmith",
        &[
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
            shape(
                "segments that are none",
                r#"{"api_key": "k", "project": {"segments": ["#,
                "0",
                "]}}",
            ),
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
        ],
    ),
];
