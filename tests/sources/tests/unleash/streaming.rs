//! Changes that are streamed, and servers that stream none.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use modelgate::source::LastKnownGood;
use modelgate_source_tests::{
    eventually, expect, expect_text,
    proxy::Proxy,
    unleash::{Answer, Place, Unleash},
};

use crate::{TOKEN, feature, features, reason, source, store};

fn updated(feature: &str) -> String {
    format!(r#"{{"type": "feature-updated", "feature": {feature}}}"#)
}

#[test]
fn changes_arrive_by_the_stream() {
    let server = Unleash::start(&features("v1"));
    server.set(Place::Stream, Answer::Well);
    let flags = store(source(&server.url()).streaming().name_prefix("m"));
    expect_text(&flags, "m", "v1");
    server.update(5, &updated(&feature("m", "v5")));
    expect_text(&flags, "m", "v5");
    assert_eq!(flags.status().sources[0].revision.as_deref(), Some("5"));
    // Once more, late, and of a kind nobody knows.
    server.update(5, &updated(&feature("m", "v5")));
    server.update(4, &updated(&feature("m", "v4")));
    server.send("something-new", "{}");
    server.update(6, &updated(&feature("other", "x")));
    expect_text(&flags, "other", "x");
    expect_text(&flags, "m", "v5");
    let wrong = r#"{"name": "m", "enabled": "yes"}"#;
    server.update(7, &updated(wrong));
    let status = expect(&flags, |status| !status.sources[0].problems.is_empty());
    assert_eq!(status.sources[0].problems[0].key, "m");
    expect_text(&flags, "m", "v5");
    server
        .update(8, r#"{"type": "feature-removed", "featureName": "other", "project": "default"}"#);
    expect_text(&flags, "other", "none");
    let streams = server.asked(Place::Stream);
    assert_eq!(streams.len(), 1);
    assert_eq!(streams[0].uri, "/api/client/streaming?namePrefix=m");
    assert_eq!(streams[0].headers["authorization"], TOKEN);
    assert_eq!(streams[0].headers["accept"], "text/event-stream");
    // Compressed events may be held back on the way.
    assert_eq!(streams[0].headers["accept-encoding"], "identity");
    assert!(server.asked(Place::Features).is_empty());
    expect(&flags, |status| status.sources[0].is_ready());
}

#[test]
fn a_segment_changes_without_its_features() {
    let by_segment = r#"[{"name": "m", "enabled": true, "strategies": [{"name": "default",
        "segments": [7], "variants": [{"name": "in", "weight": 1000, "stickiness": "default",
        "payload": {"type": "string", "value": "in"}}]}]}]"#;
    let server = Unleash::start(by_segment);
    server.set(Place::Stream, Answer::Well);
    let flags = store(source(&server.url()).streaming());
    // It is off for everybody while its segment is not there.
    expect(&flags, |status| status.sources[0].is_ready());
    expect_text(&flags, "m", "none");
    server.update(
        2,
        r#"{"type": "segment-updated", "segment": {"id": 7, "name": "beta", "constraints": [
            {"contextName": "userId", "operator": "IN", "values": ["user-1"]}]}}"#,
    );
    expect_text(&flags, "m", "in");
    server.update(3, r#"{"type": "segment-removed", "segmentId": 7}"#);
    expect_text(&flags, "m", "none");
}

#[test]
fn events_that_cannot_be_read_open_the_stream_anew() {
    let server = Unleash::start(&features("v1"));
    server.set(Place::Stream, Answer::Well);
    let flags = store(source(&server.url()).streaming());
    expect_text(&flags, "m", "v1");
    server.set_features(&features("v2"));
    server.send("unleash-updated", r#"{"events": [{"#);
    expect_text(&flags, "m", "v2");
    expect(&flags, |status| status.sources[0].is_ready());
    assert_eq!(server.asked(Place::Stream).len(), 2);
    assert!(server.asked(Place::Features).is_empty());
}

#[test]
fn a_new_stream_may_number_its_events_from_one() {
    let server = Unleash::start(&features("v1"));
    server.set(Place::Stream, Answer::Well);
    let proxy = Proxy::before(server.address);
    let flags = store(source(&format!("{}/api", proxy.url())).streaming());
    expect_text(&flags, "m", "v1");
    server.update(900, &updated(&feature("m", "v900")));
    expect_text(&flags, "m", "v900");
    proxy.cut();
    expect_text(&flags, "m", "v1");
    server.update(3, &updated(&feature("m", "v3")));
    expect_text(&flags, "m", "v3");
}

#[test]
fn a_server_without_a_stream_is_polled_and_that_is_no_trouble() {
    for status in [404, 403, 429, 501] {
        let server = Unleash::start(&features("v1"));
        server.set(Place::Stream, Answer::Status(status));
        let troubled = Arc::new(Mutex::new(false));
        let flags = store(source(&server.url()).streaming());
        expect(&flags, |status| {
            *troubled.lock().unwrap() |= !reason(status).is_empty();
            status.sources[0].is_ready()
        });
        server.set_features(&features("v2"));
        expect_text(&flags, "m", "v2");
        assert!(!*troubled.lock().unwrap());
        assert_eq!(server.asked(Place::Stream).len(), 1, "{status}");
    }
}

#[test]
fn a_stream_that_brings_nothing_is_given_up_for_polling() {
    let server = Unleash::start(&features("v1"));
    server.set(Place::Stream, Answer::Mute);
    let flags = store(source(&server.url()).streaming().silence(Duration::from_millis(200)));
    expect_text(&flags, "m", "v1");
    expect(&flags, |status| status.sources[0].is_ready());
    assert_eq!(server.asked(Place::Stream).len(), 1);
}

#[test]
fn a_stream_that_breaks_again_and_again_is_given_up_for_polling() {
    let server = Unleash::start(&features("v1"));
    server.set(Place::Stream, Answer::Status(503));
    let flags = store(source(&server.url()).streaming());
    expect_text(&flags, "m", "v1");
    eventually("a few polls", || server.asked(Place::Features).len() >= 3);
    expect(&flags, |status| status.sources[0].is_ready());
    assert_eq!(server.asked(Place::Stream).len(), 5);
}

#[test]
fn the_server_says_whether_it_wants_to_be_polled() {
    let server = Unleash::start(&features("v1"));
    server.set(Place::Stream, Answer::Well);
    server.set_fetch_mode(Some("streaming"));
    let flags = store(source(&server.url()));
    eventually("it is streamed", || server.asked(Place::Stream).len() == 1);
    server.update(9, &updated(&feature("m", "v9")));
    expect_text(&flags, "m", "v9");
    assert_eq!(server.asked(Place::Features).len(), 1);
    // A server that cannot make up its mind is not asked in circles.
    server.set_features(&features("v10"));
    server.send("fetch-mode", "polling");
    expect_text(&flags, "m", "v10");
    let polls = server.asked(Place::Features).len();
    eventually("a few polls", || server.asked(Place::Features).len() >= polls + 5);
    assert_eq!(server.asked(Place::Stream).len(), 1);
    expect(&flags, |status| status.sources[0].is_ready());
}

#[test]
fn a_server_that_asks_for_streaming_and_has_no_stream_is_polled() {
    let server = Unleash::start(&features("v1"));
    server.set_fetch_mode(Some("streaming"));
    let flags = store(source(&server.url()));
    expect_text(&flags, "m", "v1");
    for value in ["v2", "v3", "v4"] {
        server.set_features(&features(value));
        expect_text(&flags, "m", value);
    }
    assert_eq!(server.asked(Place::Stream).len(), 1);
}

#[test]
fn what_was_streamed_last_is_in_the_last_known_good_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.lkg");
    let server = Unleash::start(&features("v1"));
    server.set(Place::Stream, Answer::Well);
    let flags = store(source(&server.url()).streaming().last_known_good(&path));
    expect_text(&flags, "m", "v1");
    server.update(2, &updated(&feature("other", "x")));
    server.update(3, &updated(&feature("m", "v3")));
    server.update(4, &updated(r#"{"name": "m", "enabled": "yes"}"#));
    server.update(5, r#"{"type": "feature-removed", "featureName": "other"}"#);
    expect(&flags, |status| status.sources[0].revision.as_deref() == Some("5"));
    drop(flags);
    eventually("saved", || {
        LastKnownGood::at(&path).load().unwrap().is_some_and(|saved| saved.text().contains("v3"))
    });
    let flags = store(source("http://127.0.0.1:9/api").last_known_good(&path));
    assert!(flags.is_ready() && flags.status().sources[0].is_stale());
    expect_text(&flags, "m", "v3");
    expect_text(&flags, "other", "none");
}
