//! What `launchdarkly::Source` reports, against a stand-in for the service that takes it.

#[path = "launchdarkly_events/contexts.rs"]
mod contexts;
#[path = "launchdarkly_events/counts.rs"]
mod counts;
#[path = "launchdarkly_events/delivery.rs"]
mod delivery;
#[path = "launchdarkly_events/dual_reads.rs"]
mod dual_reads;
#[path = "launchdarkly_events/telling.rs"]
mod telling;

use std::time::Duration;

use modelgate::{Context, Flags, launchdarkly, source::HttpSettings};
use modelgate_source_tests::{
    PATIENCE, eventually, expect_text,
    launchdarkly::{Answer, LaunchDarkly},
};
use serde_json::{Value as Json, json};

const KEY: &str = "sdk-hidden";

/// A flag whose rollout serves `v1` to all but the region `eu`.
fn flag(key: &str, members: Json) -> Json {
    let mut flag = json!({"key": key, "version": 7, "on": true, "salt": "s",
        "variations": ["v1", "v2"], "offVariation": 0, "fallthrough": {"variation": 0},
        "prerequisites": [], "targets": [],
        "rules": [{"id": "eu", "variation": 1, "clauses": [
            {"contextKind": "user", "attribute": "region", "op": "in", "values": ["eu"],
             "negate": false}]}]});
    for (name, value) in members.as_object().unwrap() {
        flag[name] = value.clone();
    }
    flag
}

fn data<const N: usize>(flags: [Json; N]) -> String {
    let flags: serde_json::Map<_, _> =
        flags.into_iter().map(|flag| (flag["key"].as_str().unwrap().to_owned(), flag)).collect();
    json!({"flags": flags, "segments": {}}).to_string()
}

/// So quick that a test need not wait, and undisturbed by a slow machine.
fn events(server: &LaunchDarkly) -> launchdarkly::Events {
    launchdarkly::Events::new()
        .url(server.url())
        .flush_interval(Duration::from_millis(5))
        .retry(Duration::from_millis(2))
        .diagnostics(None)
}

fn source(server: &LaunchDarkly) -> launchdarkly::Source {
    launchdarkly::Source::new(KEY)
        .base_urls(server.url(), server.url())
        .retry(Duration::from_millis(2), Duration::from_millis(20))
        .settings(HttpSettings::new().timeout(PATIENCE))
        .events(events(server))
}

fn store(source: launchdarkly::Source) -> Flags {
    let flags = Flags::builder().source(source).build().unwrap();
    flags.wait_ready(PATIENCE).unwrap();
    flags
}

/// A store whose payloads are sent when it is dropped, and not before.
fn patient(server: &LaunchDarkly) -> launchdarkly::Events {
    events(server).flush_interval(Duration::from_secs(3600))
}

/// Drops the store, and waits for its last payload.
fn last_payload(
    flags: Flags,
    server: &LaunchDarkly,
) -> modelgate_source_tests::launchdarkly::Payload {
    let before = server.payloads().len();
    drop(flags);
    eventually("the last payload", || server.payloads().len() > before);
    server.payloads().pop().unwrap()
}

#[test]
fn payloads_say_who_sends_them_and_in_what_form() {
    let server = LaunchDarkly::start(&data([flag("m", json!({}))]));
    let flags = store(source(&server));
    expect_text(&flags, "m", "v1");
    eventually("a payload", || !server.payloads().is_empty());
    let payload = &server.payloads()[0];
    assert_eq!(payload.headers["authorization"], KEY);
    assert_eq!(payload.headers["content-type"], "application/json");
    assert_eq!(payload.headers["content-encoding"], "gzip");
    assert_eq!(payload.headers["x-launchdarkly-event-schema"], "4");
    assert_eq!(payload.id().len(), 36);
    drop(flags);
    let flags = store(source(&server).events(events(&server).gzip(false)));
    let before = server.payloads().len();
    expect_text(&flags, "m", "v1");
    eventually("another", || server.payloads().len() > before);
    let payload = server.payloads().pop().unwrap();
    assert!(payload.headers.get("content-encoding").is_none());
}

#[test]
fn nothing_is_reported_unless_there_is_where_to() {
    let server = LaunchDarkly::start(&data([flag("m", json!({}))]));
    let unsaid = launchdarkly::Events::new().flush_interval(Duration::from_millis(1));
    let own = launchdarkly::Source::new(KEY).base_urls(server.url(), server.url()).events(unsaid);
    let silent = source(&server).events(None);
    let relayed = launchdarkly::Source::new(KEY).relay(server.url());
    for (source, payloads) in [(own, 0), (silent, 0), (relayed, 1)] {
        let flags = store(source);
        expect_text(&flags, "m", "v1");
        drop(flags);
        eventually("what there is to come", || server.payloads().len() >= payloads);
    }
    assert_eq!(server.payloads().len(), 1);
    assert_eq!(server.diagnostics().len(), 1, "the relayed one's");
}

#[test]
fn diagnostics_describe_the_client_and_can_be_left_out() {
    let server = LaunchDarkly::start(&data([flag("m", json!({}))]));
    let often = Some(Duration::from_secs(60));
    let flags = store(source(&server).events(events(&server).diagnostics(often)));
    eventually("the first", || !server.diagnostics().is_empty());
    let first = &server.diagnostics()[0];
    assert_eq!(first["kind"], "diagnostic-init");
    assert_eq!(first["id"]["diagnosticId"].as_str().unwrap().len(), 36);
    assert_eq!(first["id"]["sdkKeySuffix"], "hidden");
    assert_eq!(first["configuration"]["eventsCapacity"], 10_000);
    assert_eq!(first["configuration"]["customStreamURI"], true);
    assert_eq!(first["configuration"]["allAttributesPrivate"], true);
    assert_eq!(first["sdk"]["name"], "modelgate");
    drop(flags);
    let server = LaunchDarkly::start(&data([flag("m", json!({}))]));
    let flags = store(source(&server));
    expect_text(&flags, "m", "v1");
    eventually("a payload", || !server.payloads().is_empty());
    assert!(server.diagnostics().is_empty());
}

fn user(key: &str) -> Context<'_> {
    Context::new(key)
}
