//! The file that a source starts from, and keeps.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use super::{
    build, document, good, quick,
    server::{Reply, Server},
    starting_with,
};
use crate::source::{
    LastKnownGood,
    testing::{PATIENCE, expect, expect_text, text},
};

/// Waits until the file holds this: a document is saved on a thread of its own, after it is published.
#[track_caller]
fn expect_saved(path: &Path, document: &str) {
    let file = LastKnownGood::at(path);
    let deadline = Instant::now() + PATIENCE;
    loop {
        // Replaced at once, so that it is never read half written.
        let saved = file.load();
        match &saved {
            Ok(Some(saved)) if saved.text() == document => return,
            _ => assert!(Instant::now() < deadline, "it stayed {saved:?}"),
        }
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_service_starts_from_its_last_known_good_file_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.lkg");
    {
        let server = Server::new(vec![good("saved")]);
        let flags = build(quick(server.url()).last_known_good(&path));
        flags.wait_ready(PATIENCE).unwrap();
        expect_saved(&path, &document("saved"));
    }
    let server = Server::new(vec![Reply::Silence]);
    let flags = build(quick(server.url()).last_known_good(&path));
    assert!(flags.is_ready(), "before any request was answered");
    assert_eq!(text(&flags, "a"), "saved");
    let status = flags.status();
    assert!(status.sources[0].is_stale() && status.age.is_some());
    drop(flags);
    drop(server);

    let server = Server::new(vec![good("saved")]);
    let flags = build(quick(server.url()).last_known_good(&path));
    expect(&flags, |status| status.sources[0].is_ready());
    assert_eq!(flags.status().revision, 1, "the server has what the file had");
    server.now(good("newer"));
    expect_text(&flags, "a", "newer");
    expect_saved(&path, &document("newer"));
}

#[test]
fn a_damaged_last_known_good_file_is_ignored_and_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.lkg");
    let file = LastKnownGood::at(&path);
    file.save(&document("saved")).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let server = Server::new(vec![Reply::Silence]);
    let flags = build(quick(server.url()).last_known_good(&path));
    let status = flags.status();
    assert!(!status.ready);
    assert!(starting_with(&status, "its checksum does not match"), "{status:#?}");
    drop(flags);
    drop(server);

    file.save("whole, but garbage").unwrap();
    let server = Server::new(vec![Reply::Silence]);
    let flags = build(quick(server.url()).last_known_good(&path));
    assert!(starting_with(&flags.status(), "last-known-good file ignored: document refused"));
    drop(flags);
    drop(server);

    let server = Server::new(vec![good("1")]);
    let flags = build(quick(server.url()).last_known_good(&path));
    flags.wait_ready(PATIENCE).unwrap();
    expect_saved(&path, &document("1"));
}

#[test]
fn a_file_that_cannot_be_saved_harms_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("absent").join("flags.lkg");
    let server = Server::new(vec![good("1")]);
    let flags = build(quick(server.url()).last_known_good(&path));
    flags.wait_ready(PATIENCE).unwrap();
    // Several polls later, each of which tries to save what could not be saved.
    for _ in 0..3 {
        server.next_request();
    }
    assert!(flags.status().sources[0].is_ready());
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    // Tried again.
    expect_saved(&path, &document("1"));
}
