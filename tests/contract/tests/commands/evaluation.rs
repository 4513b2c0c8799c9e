//! Flags evaluated, contexts built, converted and hashed.

use serde_json::{Value as Json, json};

use crate::{
    harness::{Harness, data, user},
    launchdarkly::LaunchDarkly,
};

#[test]
fn flags_answer_in_every_type_with_and_without_detail() {
    let (harness, server) = (Harness::start(), LaunchDarkly::start(&data()));
    let client = harness.client(&server, json!({}));
    let reason = json!({"kind": "FALLTHROUGH"});
    for (flag, value_type, default, value) in [
        ("switch", "bool", json!(false), json!(true)),
        ("number", "int", json!(7), json!(2)),
        ("number", "double", json!(7), json!(2.5)),
        ("text", "string", json!("c"), json!("b")),
        ("object", "any", Json::Null, json!({"x": [1]})),
    ] {
        let plain = client.evaluate(flag, value_type, default.clone(), false);
        assert_eq!(plain, json!({"value": value}));
        let detail = client.evaluate(flag, value_type, default, true);
        assert_eq!(detail, json!({"value": value, "variationIndex": 1, "reason": reason}));
    }
    let wrong = client.evaluate("text", "bool", json!(true), true);
    assert_eq!(
        wrong,
        json!({"value": true, "variationIndex": null,
            "reason": {"kind": "ERROR", "errorKind": "WRONG_TYPE"}})
    );
    let asked = json!({"flagKey": "text", "user": {"key": "old"}, "valueType": "string",
        "defaultValue": "c", "detail": false});
    assert_eq!(client.run("evaluate", asked), json!({"value": "b"}));
    let nobody = json!({"flagKey": "text", "context": {"kind": "user", "key": ""},
        "valueType": "string", "defaultValue": "c", "detail": true});
    assert_eq!(client.run("evaluate", nobody)["reason"]["errorKind"], "USER_NOT_SPECIFIED");
    let state = client.run("evaluateAll", json!({"context": user(), "withReasons": true}));
    assert_eq!(state["state"]["text"], "b");
    assert_eq!(
        state["state"]["$flagsState"]["text"],
        json!({"variation": 1, "version": 3, "trackEvents": true, "reason": reason})
    );
    client.close();
}

#[test]
fn contexts_are_built_converted_and_hashed() {
    let (harness, server) = (Harness::start(), LaunchDarkly::start(&data()));
    let client = harness.create(json!({"credential": "sdk-01234567-89ab-cdef-0123-456789abcdef",
        "streaming": {"baseUri": server.url()}}));
    let client = client.unwrap();
    let output = |answer: Json| -> Json {
        serde_json::from_str(answer["output"].as_str().unwrap_or_else(|| panic!("{answer}")))
            .unwrap()
    };
    let single = json!({"single": {"kind": "org", "key": "acme", "name": "Acme", "anonymous": true,
        "private": ["plan"], "custom": {"plan": "pro", "none": null}}});
    assert_eq!(
        output(client.run("contextBuild", single)),
        json!({"kind": "org", "key": "acme", "name": "Acme", "anonymous": true, "plan": "pro",
            "_meta": {"privateAttributes": ["plan"]}})
    );
    let multi = json!({"multi": [{"kind": "org", "key": "acme"}, {"key": "ada"}]});
    assert_eq!(
        output(client.run("contextBuild", multi)),
        json!({"kind": "multi", "org": {"key": "acme"}, "user": {"key": "ada"}})
    );
    assert!(client.run("contextBuild", json!({"single": {"key": ""}}))["error"].is_string());
    assert!(
        client.run("contextBuild", json!({"single": {"kind": "a b", "key": "x"}}))["error"]
            .is_string()
    );
    let old = json!({"input": r#"{"key": "a", "email": "e", "privateAttributeNames": ["email"]}"#});
    assert_eq!(
        output(client.run("contextConvert", old)),
        json!({"kind": "user", "key": "a", "email": "e",
            "_meta": {"privateAttributes": ["email"]}})
    );
    assert!(client.run("contextConvert", json!({"input": "{"}))["error"].is_string());
    let hash =
        client.run("secureModeHash", json!({"context": {"kind": "user", "key": "user-key-123"}}));
    assert_eq!(hash["result"], "73df666a13f2c474e50aa34ca5a761e89abb737fb139ff65fdde7fa85c9dcacd");
    let status = client.run("getBigSegmentStoreStatus", Json::Null);
    assert_eq!(status, json!({"available": false, "stale": false}));
    client.close();
}
