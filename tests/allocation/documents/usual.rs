//! Documents that services have.

use super::{Shape, shape};

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
