//! modelgate and the vendors' official crates, each behind one small trait, on the same flags for
//! the same users.

use std::sync::LazyLock;

#[path = "../../support/mod.rs"]
pub mod support;

mod contender;
mod counting;
mod flagd;
mod flagsmith;
mod launchdarkly;
mod measure;
mod ours;
mod unleash;

pub use self::{
    contender::{Contender, Entry, Task, assert_alike},
    counting::Counting,
    measure::{Measured, Work, measure},
};

use support::{Dialect, User};

/// Everybody who decides on the flags of a dialect: ours first, then the vendor's.
pub fn entries(dialect: Dialect) -> &'static [Entry] {
    match dialect {
        Dialect::Flagd => flagd::ENTRIES,
        Dialect::LaunchDarkly => launchdarkly::ENTRIES,
        Dialect::Unleash => unleash::ENTRIES,
        Dialect::Flagsmith => flagsmith::ENTRIES,
    }
}

/// The users who ask, everywhere.
pub fn users() -> &'static [User] {
    static MADE: LazyLock<Vec<User>> = LazyLock::new(support::users);
    &MADE
}
