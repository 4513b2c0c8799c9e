//! Waiting for a condition.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Long enough for any machine; nothing waits it out unless the test fails.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until something else than flags is so.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "never happened: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}
