//! What the tests of the sources share: stand-ins for the servers, a proxy that misbehaves, and
//! ways to wait.

pub mod flagd;
pub mod flagsmith;
pub mod launchdarkly;
pub mod proxy;
pub mod unleash;
pub mod unleash_admin;

use std::time::Duration;

use modelgate::{Context, Flags, FlagsStatus};

/// Long enough for any machine; nothing waits it out unless the test fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until the status is so.
#[track_caller]
pub fn expect(flags: &Flags, condition: impl FnMut(&FlagsStatus) -> bool) -> FlagsStatus {
    assert!(flags.wait_until(PATIENCE, condition), "{:#?}", flags.status());
    flags.status()
}

/// Waits until the string flag `key` answers so.
#[track_caller]
pub fn expect_text(flags: &Flags, key: &str, wanted: &str) {
    let context = Context::new("user-1");
    expect(flags, |_| flags.string(key, &context, "none") == wanted);
}

/// Waits until something else than flags is so.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let started = std::time::Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
