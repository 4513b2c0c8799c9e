//! What real servers sent, replayed where there is no server. Read from the folder that
//! `MODELGATE_PAYLOADS` names, in place: none of it is part of this repository.

use std::{env, fs, path::PathBuf};

use modelgate::{Context, Flags};
use modelgate_source_tests::{
    expect,
    unleash::{Answer, Place, Unleash},
};
use serde_json::Value;

use crate::{source, store};

fn payload(name: &str) -> Option<String> {
    let Some(folder) = env::var_os("MODELGATE_PAYLOADS").map(PathBuf::from) else {
        eprintln!("skipped: MODELGATE_PAYLOADS is not set: {name} was not read");
        return None;
    };
    let path = folder.join(name);
    Some(fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// The official Node SDK's answers, for the flag as all these payloads have it at the end.
fn assert_official(flags: &Flags) {
    let Some(captured) = payload("unleash-node-sdk-assignments.json") else { return };
    let captured: Value = serde_json::from_str(&captured).unwrap();
    let assignments = captured["assignments"].as_object().unwrap();
    assert_eq!(assignments.len(), 200);
    for (user, expected) in assignments {
        let answer = flags.string("ml-model-version", &Context::new(user), "off").to_owned();
        let expected = expected.as_str().map_or("off".to_owned(), |it| format!("fraud-{it}"));
        assert_eq!(answer, expected, "{user}");
    }
    let shadow = |region| {
        flags.boolean("shadow-mode-v2", &Context::new("user-1").with("region", region), false)
    };
    assert!(shadow("eu-west-1") && !shadow("ap-south-1"));
}

fn events(payload: &str) -> Value {
    serde_json::from_str(payload).unwrap()
}

#[test]
fn polled_features_of_a_real_server_assign_as_the_official_sdk_does() {
    let Some(document) = payload("unleash-client-features.json") else { return };
    let document = events(&document);
    let server = Unleash::start(&document["features"].to_string());
    let flags = store(source(&server.url()));
    expect(&flags, |status| status.sources[0].is_ready() && status.sources[0].problems.is_empty());
    assert_official(&flags);
}

#[test]
fn a_stream_of_a_real_edge_assigns_as_the_official_sdk_does() {
    for (name, last) in
        [("unleash-edge-streaming.sse.txt", "40"), ("unleash-streaming.sse.txt", "")]
    {
        let Some(stream) = payload(name) else { return };
        let server = Unleash::start("[]");
        server.set(Place::Stream, Answer::Well);
        server.set_recorded(&stream);
        let flags = store(source(&server.url()).streaming());
        let ids = stream.match_indices("\"eventId\":").filter_map(|(at, key)| {
            let digits = stream[at + key.len()..].split(|c: char| !c.is_ascii_digit()).next()?;
            digits.parse::<u64>().ok()
        });
        let newest = ids.max().unwrap().to_string();
        assert!(last.is_empty() || last == newest);
        let status =
            expect(&flags, |status| status.sources[0].revision.as_deref() == Some(&newest));
        assert!(
            status.sources[0].is_ready() && status.sources[0].problems.is_empty(),
            "{status:?}"
        );
        assert_official(&flags);
        assert_eq!(server.asked(Place::Stream).len(), 1, "{name}");
    }
}

#[test]
fn deltas_of_a_real_server_assign_as_the_official_sdk_does() {
    let (Some(hydration), Some(since)) =
        (payload("unleash-delta-hydration.json"), payload("unleash-delta-since.json"))
    else {
        return;
    };
    let server = Unleash::start("[]");
    server.set(Place::Delta, Answer::Well);
    server.set_delta(&hydration);
    let flags = store(source(&server.url()).deltas());
    let hydrated = events(&hydration)["events"][0]["eventId"].to_string();
    expect(&flags, |status| status.sources[0].revision.as_deref() == Some(&hydrated));
    assert_official(&flags);
    // Its events are older than the hydration: they change nothing, and everything is asked for.
    server.set_delta(&since);
    let before = server.asked(Place::Delta).len();
    modelgate_source_tests::eventually("it is asked anew", || {
        let asked = server.asked(Place::Delta);
        asked[before..].iter().any(|poll| poll.headers.get("if-none-match").is_none())
    });
    assert_official(&flags);
}
