//! What a store says of its sources, and to whom: refusals, recoveries, and documents with a mark.

#![cfg(feature = "file")]

use std::{sync::mpsc, time::Duration};

use modelgate::{
    Context, FlagSet, Flags,
    flag::store::SourceState,
    flagd::Flagd,
    source::{self, FileSource, FlagUpdates, Subscription, source_fn},
};

const PATIENCE: Duration = Duration::from_secs(30);

/// A store, and what its one source would deliver with.
fn scripted() -> (Flags, FlagUpdates) {
    let (send, receive) = mpsc::channel();
    let source = source_fn("scripted", move |updates| {
        send.send(updates).unwrap();
        Ok(Subscription::none())
    });
    let flags = Flags::builder().source(source).build().unwrap();
    (flags, receive.recv().unwrap())
}

#[test]
fn nobody_waits_for_a_source_that_is_refused() {
    let (flags, updates) = scripted();
    updates.report(source::Error::new("no route"));
    assert!(!flags.wait_ready(Duration::ZERO).unwrap_err().is_rejected());
    updates.reject(source::Error::new("who are you"));
    let error = flags.wait_ready(Duration::MAX).unwrap_err();
    assert!(error.is_rejected() && error.to_string().contains("who are you"), "{error}");
    let status = &flags.status().sources[0];
    assert!(status.is_rejected() && !status.is_stale(), "there is nothing to be stale");
    updates.replace(FlagSet::new());
    flags.wait_ready(PATIENCE).unwrap();
    updates.reject(source::Error::new("who are you"));
    assert!(flags.is_ready(), "what was delivered stays in force");
    flags.wait_ready(Duration::ZERO).unwrap();
    updates.confirm();
    assert!(flags.status().sources[0].is_ready());
}

#[test]
fn every_change_of_a_state_is_told_once_and_in_order() {
    let (flags, updates) = scripted();
    let (tell, told) = mpsc::channel();
    flags.on_status_change(|_| panic!("a watcher's mistake"));
    flags.on_status_change(move |source| {
        let state = match &source.state {
            SourceState::Starting { .. } => "starting",
            SourceState::Ready => "ready",
            SourceState::Stale { .. } => "stale",
            SourceState::Rejected { .. } => "rejected",
            _ => "new",
        };
        tell.send(format!("{} {state}", source.name)).unwrap();
    });
    updates.report(source::Error::new("no route"));
    updates.reject(source::Error::new("who are you"));
    updates.reject(source::Error::new("who are you"));
    updates.replace(FlagSet::new());
    updates.replace(FlagSet::new());
    updates.report(source::Error::new("lost"));
    updates.report(source::Error::new("still lost"));
    updates.confirm();
    let all: Vec<String> = told.try_iter().collect();
    let wanted = ["rejected", "ready", "stale", "ready"].map(|state| format!("scripted {state}"));
    assert_eq!(all, wanted);
    drop(flags);
    updates.report(source::Error::new("after the end"));
    assert!(told.try_recv().is_err());
}

#[test]
fn a_file_with_a_byte_order_mark_is_no_error() {
    let flagd = r#"{"flags": {"m": {"state": "ENABLED", "variants": {"it": "v1"}, "defaultVariant": "it"}}}"#;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.json");
    std::fs::write(&path, format!("\u{feff}{flagd}")).unwrap();
    let flags = Flags::builder().source(FileSource::watch(&path)).build().unwrap();
    flags.wait_ready(PATIENCE).unwrap();
    assert_eq!(flags.string("m", &Context::new("u"), "none"), "v1");
    assert!(Flagd::new().compile(&format!("\u{feff}{flagd}")).is_ok());
}

#[cfg(all(feature = "launchdarkly", feature = "unleash", feature = "flagsmith"))]
#[test]
fn every_dialect_reads_a_document_with_a_byte_order_mark() {
    use modelgate::{flagsmith::Flagsmith, launchdarkly::LaunchDarkly, unleash::Unleash};

    let launchdarkly = "\u{feff}{\"flags\": {}, \"segments\": {}}";
    LaunchDarkly::new().compile(launchdarkly).unwrap();
    Unleash::new().compile("\u{feff}{\"version\": 2, \"features\": []}").unwrap();
    let environment = r#"{"id": 1, "api_key": "k", "project": {"id": 1, "name": "p", "segments": []}, "feature_states": []}"#;
    let bare = Flagsmith::new().compile(environment).is_ok();
    assert_eq!(Flagsmith::new().compile(&format!("\u{feff}{environment}")).is_ok(), bare);
    assert!(bare);
}
