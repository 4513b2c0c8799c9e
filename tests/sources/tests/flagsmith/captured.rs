//! What a real server sent, through the source, and what it and its client then answered.

use std::time::Duration;

use modelgate::{Context, clock::ManualClock, flagsmith};
use modelgate_source_tests::{
    PATIENCE, expect,
    flagsmith::{Flagsmith, SERVER_KEY, captured},
};
use serde_json::Value;

use crate::{source, store};

#[test]
fn two_hundred_users_get_what_the_server_and_its_client_gave_them() {
    let Some(document) = captured("flagsmith-environment-document.json") else { return };
    let server = Flagsmith::start(&document);
    let flags = store(source(&server.url()));
    flags.wait_ready(PATIENCE).unwrap();
    let (snapshot, clock) = (flags.snapshot(), ManualClock::default());
    let (_, Some(set)) = snapshot.sources().next().unwrap() else { unreachable!() };
    for name in ["flagsmith-server-assignments.json", "flagsmith-python-sdk-assignments.json"] {
        let assignments: Value = serde_json::from_str(&captured(name).unwrap()).unwrap();
        let mut checked = 0;
        for (flag, users) in assignments.as_object().unwrap() {
            for (user, expected) in users.as_object().into_iter().flatten() {
                let context = Context::new(user);
                match expected {
                    Value::Bool(on) => {
                        let answer = set.evaluate_at(flag, &context, &clock);
                        assert_eq!(answer.on, Some(*on), "{user}");
                    }
                    value => {
                        let value = value.as_str().unwrap();
                        assert_eq!(flags.string(flag, &context, "none"), value, "{user}");
                    }
                }
                checked += 1;
            }
        }
        assert!(checked >= 200, "{name}: {checked}");
    }
    assert_eq!(flags.string("ml-model-version", &Context::new("vip-1"), "none"), "v2-pinned");
    assert_eq!(flags.integer("canary-percent", &Context::new("user-1"), 0), 5);
    expect(&flags, |status| status.sources[0].problems.is_empty());
}

#[test]
fn a_captured_document_is_named_by_its_own_moment() {
    let Some(document) = captured("flagsmith-environment-document.json") else { return };
    let server = Flagsmith::start(document);
    let source = flagsmith::Source::new(SERVER_KEY).url(server.url()).analytics(None);
    let flags = store(source.interval(Duration::from_secs(60)));
    flags.wait_ready(PATIENCE).unwrap();
    let revision = flags.status().sources[0].revision.clone();
    assert_eq!(revision.as_deref(), Some("2026-11-22T07:55:08.620212+00:00"));
}
