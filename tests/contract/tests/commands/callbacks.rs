//! What the service asks of the harness: the store of big segments, and hooks.

use std::sync::{Arc, Mutex};

use axum::{Router, extract::State, routing::post};
use serde_json::{Value as Json, json};

use crate::{
    harness::{Harness, data, serve, user},
    launchdarkly::LaunchDarkly,
};

#[test]
fn big_segments_are_asked_of_the_harness_in_the_midst_of_an_evaluation() {
    let data = json!({"flags": {"m": {"key": "m", "version": 1, "on": true, "salt": "s",
        "variations": ["out", "in"], "fallthrough": {"variation": 0}, "rules": [
            {"id": "r", "variation": 1, "clauses": [
                {"attribute": "", "op": "segmentMatch", "values": ["beta"]}]}]}},
        "segments": {"beta": {"key": "beta", "version": 1, "unbounded": true, "generation": 2}}});
    let (harness, server) = (Harness::start(), LaunchDarkly::start(&data.to_string()));
    let received: Arc<Mutex<Vec<Json>>> = Arc::default();
    let members = |State(received): State<Arc<Mutex<Vec<Json>>>>, body: String| async move {
        received.lock().unwrap().push(serde_json::from_str(&body).unwrap());
        json!({"values": {"beta.g2": true, "other.g1": null}}).to_string()
    };
    // In a year that is far away the store is never stale.
    let metadata = || async { json!({"lastUpToDate": 32_503_680_000_000_u64}).to_string() };
    let app = Router::new()
        .route("/store/getMembership", post(members))
        .route("/store/getMetadata", post(metadata))
        .with_state(Arc::clone(&received));
    let url = serve(&harness.runtime, app) + "/store";
    let client = harness.client(
        &server,
        json!({"bigSegments": {"callbackUri": url, "userCacheSize": 10, "userCacheTimeMs": 600_000,
            "statusPollIntervalMs": 600_000, "staleAfterMs": 600_000}}),
    );
    let status = client.run("getBigSegmentStoreStatus", Json::Null);
    assert_eq!(status, json!({"available": true, "stale": false}));
    for _ in 0..2 {
        let answer = client.evaluate("m", "string", json!("none"), true);
        assert_eq!(answer["value"], "in");
        assert_eq!(answer["reason"]["bigSegmentsStatus"], "HEALTHY");
    }
    // The base64 of the SHA-256 of `ada`, by Python's hashlib; asked for once.
    let hash = "/e5DDUC9V97qwYbNl5ADPQ8G+QmogG585ucXq3x9UCk=";
    assert_eq!(*received.lock().unwrap(), [json!({"contextHash": hash})]);
    client.close();
}

#[test]
fn a_store_of_big_segments_that_fails_is_reported_as_unavailable() {
    let (harness, server) = (Harness::start(), LaunchDarkly::start(&data()));
    let url = serve(&harness.runtime, Router::new());
    let client = harness.client(&server, json!({"bigSegments": {"callbackUri": url}}));
    let status = client.run("getBigSegmentStoreStatus", Json::Null);
    assert_eq!(status, json!({"available": false, "stale": false}));
    client.close();
}

#[test]
fn hooks_report_their_stages_unless_they_fail() {
    let (harness, server) = (Harness::start(), LaunchDarkly::start(&data()));
    let received: Arc<Mutex<Vec<Json>>> = Arc::default();
    let receive = |State(received): State<Arc<Mutex<Vec<Json>>>>, body: String| async move {
        received.lock().unwrap().push(serde_json::from_str(&body).unwrap());
    };
    let app = Router::new().route("/", post(receive)).with_state(Arc::clone(&received));
    let url = serve(&harness.runtime, app);
    let hooks = json!({"hooks": {"hooks": [
        {"name": "one", "callbackUri": url, "data": {"beforeEvaluation": {"x": "y"}}},
        {"name": "two", "callbackUri": url, "errors": {"beforeEvaluation": "no", "afterTrack": "no"}},
    ]}});
    let client = harness.client(&server, hooks);
    let answer = client.evaluate("text", "string", json!("c"), true);
    let take_calls = || std::mem::take(&mut *received.lock().unwrap());
    let calls = take_calls();
    let stages: Vec<_> = calls.iter().map(|call| call["stage"].as_str().unwrap()).collect();
    assert_eq!(stages, ["beforeEvaluation", "afterEvaluation", "afterEvaluation"]);
    let series = &calls[0]["evaluationSeriesContext"];
    assert_eq!((&series["flagKey"], &series["defaultValue"]), (&json!("text"), &json!("c")));
    assert_eq!(series["context"], user());
    assert_eq!(calls[1]["evaluationSeriesData"], json!({}), "its first stage failed");
    assert_eq!(calls[2]["evaluationSeriesData"], json!({"x": "y"}));
    assert_eq!(calls[2]["evaluationDetail"], answer);
    client.run(
        "customEvent",
        json!({"eventKey": "bought", "context": user(), "metricValue": 2,
        "omitNullData": true}),
    );
    let calls = take_calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(
        calls[0],
        json!({"stage": "afterTrack", "trackSeriesContext": {"key": "bought", "context": user(),
            "metricValue": 2.0}})
    );
    client.close();
}
