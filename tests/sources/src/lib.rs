//! What the tests of the sources share: stand-ins for the servers, a proxy that misbehaves, and
//! ways to wait.

pub mod flagd;
pub mod flagsmith;
pub mod http;
pub mod launchdarkly;
pub mod load;
pub mod log;
pub mod process;
pub mod proxy;
pub mod server;
pub mod soak;
pub mod tls;
pub mod tunnel;
pub mod unleash;
pub mod unleash_admin;
pub mod vendor;

mod eventually;

pub use eventually::{PATIENCE, eventually};
use modelgate::{
    Context, FlagSource, Flags,
    flag::store::{self, SourceState},
};

/// A store with this source alone.
pub fn store(source: impl FlagSource) -> Flags {
    Flags::builder().source(source).build().unwrap()
}

/// Waits until the status is so.
#[track_caller]
pub fn expect(flags: &Flags, condition: impl FnMut(&store::Status) -> bool) -> store::Status {
    assert!(flags.wait_until(PATIENCE, condition), "{:#?}", flags.status());
    flags.status()
}

/// Waits until the string flag `key` answers so.
#[track_caller]
pub fn expect_text(flags: &Flags, key: &str, wanted: &str) {
    let context = Context::new("user-1");
    expect(flags, |_| flags.string(key, &context, "none") == wanted);
}

/// What the status says is wrong with its first source; empty when nothing is.
pub fn reason(status: &store::Status) -> &str {
    match &status.sources[0].state {
        SourceState::Stale { reason, .. } | SourceState::Rejected { reason, .. } => reason,
        SourceState::Starting { last_error: Some(error), .. } => error,
        _ => "",
    }
}

/// How many attempts have failed since the first source was fresh.
pub fn attempts(status: &store::Status) -> u64 {
    match status.sources[0].state {
        SourceState::Stale { attempts, .. }
        | SourceState::Rejected { attempts, .. }
        | SourceState::Starting { attempts, .. } => attempts,
        _ => 0,
    }
}
