//! Polling for what has changed, and servers that do not say it.

use std::time::Duration;

use modelgate::source::LastKnownGood;
use modelgate_source_tests::{
    eventually, expect, expect_text,
    unleash::{Answer, Place, Unleash},
};

use crate::{TOKEN, feature, features, reason, source, store};

fn changed(server: &Unleash, value: &str) {
    let event = format!(r#"{{"type": "feature-updated", "feature": {}}}"#, feature("m", value));
    server.change(&event, &features(value));
}

fn server(value: &str) -> Unleash {
    let server = Unleash::start(&features(value));
    server.set(Place::Delta, Answer::Well);
    server
}

#[test]
fn a_poll_brings_only_what_has_changed() {
    let server = server("v1");
    let flags = store(source(&server.url()).deltas().name_prefix("m"));
    expect_text(&flags, "m", "v1");
    changed(&server, "v2");
    expect_text(&flags, "m", "v2");
    assert_eq!(flags.status().sources[0].revision.as_deref(), Some("2"));
    let other = format!(r#"{{"type": "feature-updated", "feature": {}}}"#, feature("other", "x"));
    server.change(&other, &format!("[{}, {}]", feature("m", "v2"), feature("other", "x")));
    expect_text(&flags, "other", "x");
    expect_text(&flags, "m", "v2");
    let gone = r#"{"type": "feature-removed", "featureName": "other", "project": "default"}"#;
    server.change(gone, &features("v2"));
    expect_text(&flags, "other", "none");
    let polls = server.asked(Place::Delta);
    assert_eq!(polls[0].uri, "/api/client/delta?namePrefix=m");
    assert_eq!(polls[0].headers["authorization"], TOKEN);
    assert_eq!(polls[0].headers["unleash-client-spec"], "5.2.0");
    assert!(polls[0].headers.get("if-none-match").is_none());
    let tagged = |tag: &str| {
        polls.iter().any(|poll| {
            poll.headers.get("if-none-match").is_some_and(|held| held.as_bytes() == tag.as_bytes())
        })
    };
    assert!(["\"1\"", "\"2\"", "\"3\""].into_iter().all(tagged));
    assert!(server.asked(Place::Features).is_empty());
    expect(&flags, |status| status.sources[0].is_ready());
}

#[test]
fn who_has_missed_too_much_is_sent_everything() {
    let server = server("v1");
    let flags = store(source(&server.url()).deltas());
    expect_text(&flags, "m", "v1");
    server.set_features(&format!("[{}]", feature("another", "v2")));
    expect_text(&flags, "another", "v2");
    expect_text(&flags, "m", "none");
    assert!(server.asked(Place::Features).is_empty());
}

#[test]
fn a_server_that_was_set_back_is_followed() {
    let server = server("v1");
    server.set_revision(900);
    let flags = store(source(&server.url()).deltas());
    expect_text(&flags, "m", "v1");
    server.set_revision(3);
    changed(&server, "v2");
    expect_text(&flags, "m", "v2");
    assert_eq!(flags.status().sources[0].revision.as_deref(), Some("4"));
    changed(&server, "v3");
    expect_text(&flags, "m", "v3");
}

#[test]
fn a_server_without_deltas_is_asked_for_everything_and_that_is_no_trouble() {
    for status in [404, 403, 400, 501] {
        let server = Unleash::start(&features("v1"));
        server.set(Place::Delta, Answer::Status(status));
        let flags = store(source(&server.url()).deltas());
        let mut troubled = false;
        expect(&flags, |status| {
            troubled |= !reason(status).is_empty();
            status.sources[0].is_ready()
        });
        server.set_features(&features("v2"));
        expect_text(&flags, "m", "v2");
        assert!(!troubled);
        assert_eq!(server.asked(Place::Delta).len(), 1, "{status}");
    }
}

#[test]
fn answers_that_are_no_deltas_make_it_ask_for_everything() {
    let update = format!(
        r#"{{"type": "feature-updated", "eventId": 9, "feature": {}}}"#,
        feature("m", "half")
    );
    let old = r#"{"revisionId": 9, "updated": [], "removed": [], "segments": []}"#.to_owned();
    let without_the_rest = format!(r#"{{"events": [{update}]}}"#);
    let nothing = r#"{"events": []}"#.to_owned();
    for body in [old, without_the_rest, nothing, "<html>".to_owned()] {
        let server = server("v1");
        server.set_delta(&body);
        let flags = store(source(&server.url()).deltas());
        // Whatever fails five times in a row is given up; until then nothing is in force.
        expect(&flags, |status| status.sources[0].is_ready());
        expect_text(&flags, "m", "v1");
        server.set_features(&features("v2"));
        expect_text(&flags, "m", "v2");
        assert_eq!(server.asked(Place::Delta).len(), 5, "{body}");
    }
}

#[test]
fn a_server_that_is_away_is_said_and_asked_for_deltas_again() {
    let server = server("v1");
    let flags = store(source(&server.url()).deltas());
    expect_text(&flags, "m", "v1");
    for place in [Place::Delta, Place::Features] {
        server.set(place, Answer::Status(500));
    }
    expect(&flags, |status| reason(status) == "server answered 500");
    eventually("both are tried", || server.asked(Place::Features).len() >= 2);
    expect_text(&flags, "m", "v1");
    changed(&server, "v2");
    server.set(Place::Delta, Answer::Well);
    expect_text(&flags, "m", "v2");
    expect(&flags, |status| status.sources[0].is_ready());
    let polls = server.asked(Place::Features).len();
    changed(&server, "v3");
    expect_text(&flags, "m", "v3");
    assert_eq!(server.asked(Place::Features).len(), polls);
}

#[test]
fn what_came_last_is_in_the_last_known_good_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.lkg");
    let server = server("v1");
    let flags = store(source(&server.url()).deltas().last_known_good(&path));
    expect_text(&flags, "m", "v1");
    changed(&server, "v2");
    expect_text(&flags, "m", "v2");
    drop(flags);
    eventually("saved", || {
        LastKnownGood::at(&path).load().unwrap().is_some_and(|saved| saved.text().contains("v2"))
    });
    let flags = store(source("http://127.0.0.1:9/api").deltas().last_known_good(&path));
    assert!(flags.is_ready() && flags.status().sources[0].is_stale());
    expect_text(&flags, "m", "v2");
}

#[test]
fn a_change_soon_after_another_is_in_the_last_known_good_file_long_before_the_next_poll() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.lkg");
    let saved = |value: &str| {
        let saved = LastKnownGood::at(&path).load();
        saved.is_ok_and(|saved| saved.is_some_and(|saved| saved.text().contains(value)))
    };
    let server = server("v1");
    let hour = Duration::from_secs(3600);
    let source = source(&server.url()).deltas().last_known_good(&path).interval(hour);
    let token = source.token_handle();
    let flags = store(source);
    expect_text(&flags, "m", "v1");
    eventually("the first is saved", || saved("v1"));
    changed(&server, "v2");
    // Which makes it ask at once.
    token.set("another").unwrap();
    expect_text(&flags, "m", "v2");
    eventually("the second is saved", || saved("v2"));
    assert_eq!(server.asked(Place::Delta).len(), 2);
}

#[test]
fn a_stream_falls_back_to_deltas() {
    let server = server("v1");
    let flags = store(source(&server.url()).streaming().deltas());
    expect_text(&flags, "m", "v1");
    changed(&server, "v2");
    expect_text(&flags, "m", "v2");
    assert_eq!(server.asked(Place::Stream).len(), 1);
    assert!(server.asked(Place::Features).is_empty());
}
