//! What a store answers.

mod lifecycle;
mod listeners;
mod status;

use std::sync::mpsc;

use super::{Flags, Snapshot};
use crate::{
    context::Context,
    flag::{ErrorCode, Reason},
    source::{
        FlagUpdates,
        testing::{Scripted, flag, scripted, set, text},
    },
    value::{Map, Value},
};

#[test]
fn flags_made_in_code_are_ready_at_once() {
    let flags =
        Flags::from(set(r#"{"on": true, "n": 3, "x": 0.5, "name": "v2", "map": {"a": 1}}"#));
    let user = Context::new("user");
    assert!(flags.is_ready());
    assert!(flags.boolean("on", &user, false));
    assert_eq!(flags.integer("n", &user, 0), 3);
    assert_eq!(flags.float("x", &user, 0.0), 0.5);
    assert_eq!(flags.float("n", &user, 0.0), 3.0);
    assert_eq!(flags.string("name", &user, ""), "v2");
    assert_eq!(flags.object("map", &user, Map::new()).get("a"), Some(&Value::Int(1)));
}

#[test]
fn a_default_served_says_why() {
    let (flags, updates) = scripted();
    let user = Context::new("user");
    let early = flags.details("name", &user, String::from("mine"));
    assert_eq!((early.reason, &*early.value), (Reason::NotReady, "mine"));
    assert_eq!(flags.snapshot().revision(), 0);
    updates.replace(set(r#"{"name": "v2"}"#));
    let absent = flags.details("other", &user, true);
    assert_eq!((absent.reason, absent.error), (Reason::Error, Some(ErrorCode::FlagNotFound)));
    let mistyped = flags.details("name", &user, 7_i64);
    assert_eq!(mistyped.value, 7);
    assert_eq!(mistyped.error, Some(ErrorCode::TypeMismatch));
    let good = flags.details("name", &user, String::new());
    assert_eq!((good.reason, &*good.value), (Reason::Static, "v2"));
    assert_eq!(flags.snapshot().revision(), 1);
}

#[test]
fn later_sources_override_earlier_ones_flag_by_flag() {
    let flags = Flags::builder()
        .source(set(r#"{"a": "first", "b": "first"}"#))
        .source(set(r#"{"b": "second"}"#))
        .build()
        .unwrap();
    assert_eq!((text(&flags, "a"), text(&flags, "b")), ("first".into(), "second".into()));
    let snapshot = flags.snapshot();
    assert_eq!(snapshot.source_of("a"), Some("static"));
    assert_eq!(snapshot.source_of("b"), Some("static-2"));
    assert_eq!(snapshot.source_of("c"), None);
}

#[test]
fn an_override_that_goes_away_uncovers_what_it_covered() {
    let (send, receive) = mpsc::channel();
    let flags = Flags::builder()
        .source(set(r#"{"a": "base"}"#))
        .optional_source(Scripted("override", send))
        .build()
        .unwrap();
    assert!(flags.is_ready(), "nobody waits for the optional one");
    let updates = receive.recv().unwrap();
    updates.upsert(flag("a", "covered"));
    assert_eq!(text(&flags, "a"), "covered");
    updates.remove("a");
    assert_eq!(text(&flags, "a"), "base");
}

#[test]
fn handles_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Flags>();
    shared::<FlagUpdates>();
    shared::<Snapshot>();
}
