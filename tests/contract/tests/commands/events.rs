//! What the vendor receives.

use serde_json::json;

use crate::{
    harness::{Harness, data, user},
    launchdarkly::LaunchDarkly,
};

#[test]
fn events_come_when_they_are_flushed() {
    let (harness, server) = (Harness::start(), LaunchDarkly::start(&data()));
    let client = harness.client(
        &server,
        json!({"tags": {"applicationId": "shop"},
        "wrapper": {"name": "wrapping", "version": "2"}}),
    );
    let shown = json!({"kind": "user", "key": "ada", "_meta": {"redactedAttributes": ["secret"]}});
    client.run("identifyEvent", json!({"context": user()}));
    let events = client.flush(&server);
    assert_eq!((&events[0]["kind"], &events[0]["context"]), (&json!("identify"), &shown));
    client.run(
        "customEvent",
        json!({"eventKey": "bought", "context": user(), "data": {"a": 1}, "metricValue": 2.5}),
    );
    let events = client.flush(&server);
    assert_eq!(events.len(), 1, "who was identified needs no index event");
    assert_eq!(events[0]["kind"], "custom");
    assert_eq!((&events[0]["key"], &events[0]["context"]), (&json!("bought"), &shown));
    assert_eq!((&events[0]["data"], &events[0]["metricValue"]), (&json!({"a": 1}), &json!(2.5)));
    client.evaluate("text", "string", json!("c"), true);
    let events = client.flush(&server);
    let feature = events.iter().find(|event| event["kind"] == "feature").unwrap();
    assert_eq!(feature["reason"], json!({"kind": "FALLTHROUGH"}));
    assert!(events.iter().any(|event| event["kind"] == "summary"));
    let headers = server.payloads().pop().unwrap().headers;
    assert_eq!(headers["x-launchdarkly-tags"], "application-id/shop");
    assert_eq!(headers["x-launchdarkly-wrapper"], "wrapping/2");
    client.close();
}
