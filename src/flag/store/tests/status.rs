//! What a store says of its sources: whether they are ready, stale or rejected, and what is wrong with
//! their flags.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use super::super::{Flags, SourceState};
use crate::{
    clock::ManualClock,
    flag::{FlagSet, Problem},
    source::{
        self,
        testing::{PATIENCE, Scripted, flag, logged, scripted, set, text},
    },
};

#[test]
fn a_source_that_keeps_failing_is_never_called_ready() {
    let (flags, updates) = scripted();
    for attempt in 1..=3 {
        updates.report(source::Error::with_source(
            "request failed",
            std::io::Error::other(format!("no route, attempt {attempt}")),
        ));
    }
    assert!(!flags.is_ready());
    let status = flags.status();
    assert!(!status.ready);
    assert_eq!(
        status.sources[0].state,
        SourceState::Starting {
            attempts: 3,
            last_error: Some("request failed: no route, attempt 3".into())
        }
    );
    let error = flags.wait_ready(Duration::ZERO).unwrap_err();
    assert_eq!(error.sources().collect::<Vec<_>>(), ["scripted"]);
    assert_eq!(
        error.to_string(),
        "flags are not ready: source `scripted` has delivered nothing after 3 failed attempts \
         (the last: request failed: no route, attempt 3)"
    );
    updates.confirm();
    assert!(!flags.is_ready(), "there is nothing to confirm yet");
}

#[test]
fn wait_ready_returns_when_the_last_source_delivers() {
    let (send, receive) = mpsc::channel();
    let flags = Flags::builder()
        .source(Scripted("one", send.clone()))
        .source(Scripted("two", send))
        .build()
        .unwrap();
    let (one, two) = (receive.recv().unwrap(), receive.recv().unwrap());
    one.replace(FlagSet::new());
    let error = flags.wait_ready(Duration::ZERO).unwrap_err();
    assert_eq!(error.to_string(), "flags are not ready: source `two` has delivered nothing");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| flags.wait_ready(PATIENCE));
        two.replace(FlagSet::new());
        waiting.join().unwrap().unwrap();
    });
}

#[test]
fn a_source_that_flaps_keeps_its_last_good_flags_and_shows_their_age() {
    let clock = Arc::new(ManualClock::default());
    let (send, receive) = mpsc::channel();
    let flags =
        Flags::builder().clock(clock.clone()).source(Scripted("scripted", send)).build().unwrap();
    let updates = receive.recv().unwrap();
    assert_eq!(flags.age(), None);
    for round in 1..=20 {
        updates.replace(set(&format!(r#"{{"a": "{round}"}}"#)));
        assert!(flags.status().sources[0].is_ready());
        assert_eq!(flags.age(), Some(Duration::ZERO));
        clock.advance(Duration::from_secs(7));
        updates.report(source::Error::new("lost"));
        updates.report(source::Error::new("lost"));
        let status = flags.status();
        assert_eq!(
            status.sources[0].state,
            SourceState::Stale { reason: "lost".into(), attempts: 2 }
        );
        assert_eq!(status.age, Some(Duration::from_secs(7)));
        assert!(status.ready);
        assert_eq!(text(&flags, "a"), round.to_string());
    }
    updates.confirm();
    let status = flags.status();
    assert!(status.sources[0].is_ready());
    assert_eq!((status.age, status.revision), (Some(Duration::ZERO), 20));
}

#[test]
fn a_set_known_to_be_old_is_served_as_stale() {
    let (flags, updates) = scripted();
    let age = Duration::from_secs(3600);
    assert!(updates.replace_stale(set(r#"{"a": "old"}"#), Some(age), "from a file"));
    assert!(flags.is_ready());
    let status = flags.status();
    assert_eq!(
        status.sources[0].state,
        SourceState::Stale { reason: "from a file".into(), attempts: 0 }
    );
    assert!(status.age >= Some(age));
    updates.replace(set(r#"{"a": "new"}"#));
    assert!(flags.status().sources[0].is_ready());
}

#[test]
fn a_bad_flag_keeps_its_last_good_form_and_is_reported_by_name() {
    let (flags, updates) = scripted();
    updates.replace(set(r#"{"a": "1", "b": "1"}"#));
    updates.replace(set(r#"{"a": "!bad", "b": "2", "c": "!bad"}"#));
    assert_eq!((text(&flags, "a"), text(&flags, "b")), ("1".into(), "2".into()));
    assert_eq!(text(&flags, "c"), "absent");
    let keys = |flags: &Flags| -> Vec<String> {
        flags.status().sources[0].problems.iter().map(|problem| problem.key.clone()).collect()
    };
    assert_eq!(keys(&flags), ["a", "c"]);
    updates.upsert(flag("a", "3"));
    assert_eq!((text(&flags, "a"), keys(&flags)), ("3".into(), vec!["c".to_owned()]));
    updates.replace(set(r#"{"b": "4"}"#));
    assert_eq!(text(&flags, "a"), "absent", "a flag that is gone is gone");
    assert!(keys(&flags).is_empty());
}

#[test]
fn an_older_sequence_never_replaces_a_newer_one() {
    let (flags, updates) = scripted();
    assert!(updates.replace(set(r#"{"a": "5"}"#).with_sequence(5)));
    assert!(!updates.replace(set(r#"{"a": "4"}"#).with_sequence(4)));
    assert_eq!(text(&flags, "a"), "5");
    let status = flags.status();
    assert_eq!((status.revision, status.sources[0].refused), (1, 1));
    assert!(updates.replace(set(r#"{"a": "6"}"#).with_sequence(6)));
    assert!(!updates.replace_stale(set("{}").with_sequence(5), None, "old"));
    updates.upsert(flag("b", "1"));
    assert!(!updates.replace(set("{}").with_sequence(5)), "an upsert keeps the sequence");
    assert_eq!((text(&flags, "a"), flags.status().sources[0].refused), ("6".into(), 3));
}

#[test]
fn a_source_that_panics_on_its_thread_leaves_its_flags_and_shows_as_stale() {
    let (flags, updates) = scripted();
    updates.replace(set(r#"{"a": "good"}"#));
    let ended = thread::spawn(move || {
        let _updates = updates;
        panic!("a source's mistake");
    })
    .join();
    assert!(ended.is_err());
    assert_eq!(text(&flags, "a"), "good");
    let reason = "the source panicked".into();
    assert_eq!(flags.status().sources[0].state, SourceState::Stale { reason, attempts: 1 });
}

#[test]
fn the_status_is_written_as_json() {
    let (flags, updates) = scripted();
    let status = serde_json::to_value(flags.status()).unwrap();
    assert_eq!(status["sources"][0]["state"], "starting");
    assert_eq!(status["sources"][0]["attempts"], 0);
    assert_eq!(status["age_seconds"], serde_json::Value::Null);
    updates.replace(set(r#"{"a": "!bad", "b": 1}"#).with_revision("etag"));
    updates.report(source::Error::new("lost"));
    let status = serde_json::to_value(flags.status()).unwrap();
    let source = &status["sources"][0];
    assert_eq!(status["ready"], true);
    assert_eq!((&source["state"], &source["reason"]), (&"stale".into(), &"lost".into()));
    assert_eq!((&source["revision"], &source["flags"]), (&"etag".into(), &1.into()));
    assert_eq!(source["problems"][0]["key"], "a");
}

#[test]
fn refused_flags_are_logged_however_many_warnings_come_before_them() {
    let (_flags, updates) = scripted();
    let warning = |number: usize| Problem::warning(format!("odd-{number}"), "", "a", "b");
    let refused = [Problem::rejected("bad", "", "a", "b")];
    let problems = (0..30).map(warning).chain(refused).collect();
    let log = logged(|| {
        updates.replace(FlagSet::new().with_problems(problems));
    });
    let warnings: Vec<_> = log.lines().filter(|line| line.contains(" WARN ")).collect();
    // A warning is nobody's to mend at once, however many there are.
    let [warning] = &*warnings else { panic!("{log}") };
    assert!(warning.contains("flag `bad`"), "{log}");
    assert!(log.contains("flag `odd-0`") && log.contains("more=10"), "{log}");
}

#[test]
fn a_rejected_source_that_has_delivered_an_empty_set_keeps_nobody_from_waiting_for_the_others() {
    let (send, receive) = mpsc::channel();
    let flags = Flags::builder()
        .source(Scripted("empty", send.clone()))
        .source(Scripted("late", send))
        .build()
        .unwrap();
    let (empty, late) = (receive.recv().unwrap(), receive.recv().unwrap());
    empty.replace(FlagSet::new());
    empty.reject(source::Error::new("key was revoked"));
    let status = flags.status();
    assert!(status.sources[0].is_rejected() && status.sources[0].is_stale());
    let error = flags.wait_ready(Duration::ZERO).unwrap_err();
    assert!(!error.is_rejected());
    assert_eq!(error.to_string(), "flags are not ready: source `late` has delivered nothing");
    late.replace(FlagSet::new());
    flags.wait_ready(PATIENCE).unwrap();
}
