//! The service itself: what it says of itself, how clients begin, how it ends.

use serde_json::{Value as Json, json};

use crate::{
    harness::{Harness, PATIENCE, data, serve, user},
    launchdarkly::LaunchDarkly,
};

#[test]
fn the_service_says_what_it_can_and_refuses_what_it_cannot_read() {
    let harness = Harness::start();
    let text = ureq::get(&harness.url).call().unwrap().body_mut().read_to_string().unwrap();
    let status: Json = serde_json::from_str(&text).unwrap();
    assert_eq!(status["name"], "modelgate");
    assert!(status["clientVersion"].as_str().is_some_and(|version| version.contains('.')));
    let capabilities = status["capabilities"].as_array().unwrap();
    assert!(capabilities.contains(&json!("server-side")));
    assert_eq!(harness.create(json!({"credential": 3})).err(), Some(400));
    assert_eq!(harness.create(json!({"credential": "k", "dataSystem": {}})).err(), Some(400));
    let server = LaunchDarkly::start(&data());
    let client = harness.client(&server, json!({}));
    assert_eq!(client.try_run("migrationOperation", json!({})), Err(400));
    assert_eq!(client.try_run("evaluate", json!({"flagKey": 3})), Err(400));
    assert_eq!(client.try_run("evaluate", Json::Null), Err(400));
    client.close();
}

#[test]
fn a_client_may_start_without_flags_where_that_is_allowed() {
    let (harness, server) = (Harness::start(), LaunchDarkly::start(&data()));
    server.set_status(401);
    let configuration = |can_fail: bool| {
        json!({"credential": "k", "initCanFail": can_fail, "startWaitTimeMs": 60_000,
            "streaming": {"baseUri": server.url()}})
    };
    assert_eq!(harness.create(configuration(false)).err(), Some(500));
    let client = harness.create(configuration(true)).unwrap();
    let answer = client.evaluate("text", "string", json!("c"), true);
    assert_eq!(answer["value"], "c");
    assert_eq!(answer["reason"], json!({"kind": "ERROR", "errorKind": "CLIENT_NOT_READY"}));
    let state = client.run("evaluateAll", json!({"context": user()}));
    assert_eq!(state["state"], json!({"$flagsState": {}, "$valid": false}));
    client.close();
}

#[test]
fn a_client_polls_where_it_is_configured_to() {
    let (harness, server) = (Harness::start(), LaunchDarkly::start(&data()));
    let client = harness
        .create(json!({"credential": "k", "polling": {"pollIntervalMs": 1000, "filter": "models"},
            "serviceEndpoints": {"polling": server.url(), "events": server.url()}, "events": {
            "enableGzip": true}}))
        .unwrap();
    assert_eq!(client.evaluate("text", "string", json!("c"), false), json!({"value": "b"}));
    assert_eq!(server.polls()[0].0, "/sdk/latest-all?filter=models");
    assert!(server.streams().is_empty());
    client.flush(&server);
    assert_eq!(server.payloads()[0].headers["content-encoding"], "gzip");
    client.close();
}

#[test]
fn the_service_stops_when_it_is_asked_to() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (app, stop) = modelgate_contract_tests::app();
    let harness = Harness::start();
    let url = serve(&harness.runtime, app);
    assert_eq!(ureq::delete(&url).call().unwrap().status(), 204);
    runtime.block_on(async { tokio::time::timeout(PATIENCE, stop.notified()).await }).unwrap();
}
