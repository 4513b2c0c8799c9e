//! The real-time service, which only makes changes come sooner.

use std::time::Duration;

use modelgate::flagsmith;
use modelgate_source_tests::{
    eventually, expect, expect_text,
    flagsmith::{
        Answer, CLIENT_KEY, Flagsmith, NEVER, OTHER_CLIENT_KEY, OTHER_SERVER_KEY, Place, document,
        feature,
    },
};

use crate::{MOMENT, environment, source, store};

/// A source that polls once, and then only when it is told to.
fn listening(server: &Flagsmith) -> flagsmith::Source {
    source(&server.url())
        .interval(NEVER)
        .realtime_url(server.realtime_url())
        .retry(Duration::from_millis(2), Duration::from_millis(20))
}

/// Until the poll that follows the beginning of listening is over.
fn settled(server: &Flagsmith) {
    eventually("listening", || server.listeners() == 1);
    eventually("caught up", || server.asked(Place::Document).len() == 2);
}

#[test]
fn a_change_comes_when_it_is_announced_in_seconds_and_in_milliseconds() {
    let server = Flagsmith::start(environment("v1"));
    let flags = store(listening(&server));
    expect_text(&flags, "m", "v1");
    settled(&server);
    let moments = [
        ("2026-11-22T07:55:09+00:00", "1795334109"),
        ("2026-11-22T07:55:10.5+00:00", "1795334110.5"),
        ("2026-11-22T07:55:11+00:00", "1795334111000"),
        ("2026-11-22T07:55:12+00:00", r#""2026-11-22T07:55:12+00:00""#),
    ];
    for (number, (updated_at, announced)) in moments.into_iter().enumerate() {
        let value = format!("v{}", number + 2);
        server.set_document(document(updated_at, &[feature(1, "m", &value)]));
        server.announce(announced);
        expect_text(&flags, "m", &value);
    }
    assert_eq!(server.asked(Place::Document).len(), 6, "once each");
    let asked = server.asked(Place::Stream);
    assert_eq!(asked[0].uri, format!("/sse/environments/{CLIENT_KEY}/stream"));
    assert!(asked[0].headers.get("x-environment-key").is_none(), "that key is for the API alone");
    assert_eq!(asked[0].headers["accept"], "text/event-stream");
}

#[test]
fn what_is_known_already_is_not_fetched_again() {
    let server = Flagsmith::start(environment("v1"));
    let flags = store(listening(&server));
    expect_text(&flags, "m", "v1");
    settled(&server);
    for known in ["1795334108.620212", "1795334108", "5"] {
        server.announce(known);
    }
    server.send("something_else", r#"{"updated_at": 1795334200}"#);
    server.set_document(document("2026-11-22T07:56:49+00:00", &[feature(1, "m", "v2")]));
    server.announce("1795334209");
    expect_text(&flags, "m", "v2");
    assert_eq!(server.asked(Place::Document).len(), 3);
}

#[test]
fn an_announcement_that_cannot_be_read_may_mean_anything() {
    let server = Flagsmith::start(environment("v1"));
    let flags = store(listening(&server));
    expect_text(&flags, "m", "v1");
    settled(&server);
    for (number, data) in ["{", r#"{"updated_at": null}"#, "hello"].into_iter().enumerate() {
        let value = format!("v{}", number + 2);
        server.set_document(document(MOMENT, &[feature(1, "m", &value)]));
        server.send("environment_updated", data);
        expect_text(&flags, "m", &value);
    }
}

#[test]
fn an_announcement_that_comes_before_the_change_is_not_forgotten() {
    let server = Flagsmith::start(environment("v1"));
    let flags = store(listening(&server));
    expect_text(&flags, "m", "v1");
    settled(&server);
    server.announce("1795334109");
    eventually("the old document", || server.asked(Place::Document).len() == 3);
    server.set_document(document("2026-11-22T07:55:09+00:00", &[feature(1, "m", "v2")]));
    expect_text(&flags, "m", "v2");
}

#[test]
fn announcements_without_end_are_answered_with_few_requests() {
    let server = Flagsmith::start(environment("v1"));
    let flags = store(listening(&server));
    expect_text(&flags, "m", "v1");
    settled(&server);
    let started = std::time::Instant::now();
    for second in 0..2_000 {
        server.announce(1_795_334_200 + second);
    }
    eventually("some requests", || server.asked(Place::Document).len() >= 4);
    let requests = server.asked(Place::Document).len() as u128;
    assert!(requests <= 4 + started.elapsed().as_millis() / 250, "{requests}");
    expect(&flags, |status| status.sources[0].is_ready());
}

#[test]
fn a_connection_that_breaks_is_made_again_and_what_was_missed_is_fetched() {
    let server = Flagsmith::start(environment("v1"));
    let realtime = Flagsmith::start("{}");
    let address = realtime.address;
    let flags = store(
        source(&server.url()).interval(NEVER).realtime_url(format!("{}/", realtime.realtime_url())),
    );
    expect_text(&flags, "m", "v1");
    eventually("listening", || realtime.listeners() == 1);
    drop(realtime);
    server.set_document(environment("v2"));
    let realtime = Flagsmith::at(address, "{}");
    expect_text(&flags, "m", "v2");
    eventually("listening", || realtime.listeners() == 1);
    expect(&flags, |status| status.sources[0].is_ready());
}

#[test]
fn without_the_service_changes_come_by_polling_and_nothing_is_stale() {
    for answer in [Answer::Status(404), Answer::Status(500), Answer::Hang] {
        let server = Flagsmith::start(environment("v1"));
        server.set(Place::Stream, answer.clone());
        let flags = store(listening(&server).interval(Duration::from_millis(5)));
        expect_text(&flags, "m", "v1");
        eventually("asked", || !server.asked(Place::Stream).is_empty());
        server.set_document(environment("v2"));
        expect_text(&flags, "m", "v2");
        expect(&flags, |status| status.sources[0].is_ready());
        if answer == Answer::Status(404) {
            assert_eq!(server.asked(Place::Stream).len(), 1, "not asked again soon");
        }
    }
}

#[test]
fn a_client_key_that_is_given_counts_and_needs_no_document() {
    let server = Flagsmith::start(environment("v1"));
    server.set(Place::Document, Answer::Status(500));
    let flags = store(listening(&server).client_key("a/b key"));
    eventually("listening", || !server.asked(Place::Stream).is_empty());
    assert_eq!(server.asked(Place::Stream)[0].uri, "/sse/environments/a%2Fb%20key/stream");
    assert!(!flags.is_ready());
}

#[test]
fn a_key_of_another_environment_listens_to_that_one() {
    let server = Flagsmith::start(environment("v1"));
    let source = listening(&server);
    let key = source.key_handle();
    let flags = store(source);
    expect_text(&flags, "m", "v1");
    settled(&server);
    // The other environment was changed before the first, so that its moments are older.
    let other = |second: u32, value: &str| {
        let updated_at = format!("2026-11-01T00:00:{second:02}+00:00");
        let mut other = document(&updated_at, &[feature(1, "m", value)]);
        other["api_key"] = OTHER_CLIENT_KEY.into();
        other
    };
    server.set_document(other(0, "other"));
    key.set(OTHER_SERVER_KEY).unwrap();
    expect_text(&flags, "m", "other");
    eventually("listening to the other", || {
        let asked = server.asked(Place::Stream);
        asked.last().unwrap().uri == format!("/sse/environments/{OTHER_CLIENT_KEY}/stream")
    });
    eventually("only one listens", || server.listeners() == 1);
    server.set_document(other(9, "changed"));
    server.announce(r#""2026-11-01T00:00:09+00:00""#);
    expect_text(&flags, "m", "changed");
}
