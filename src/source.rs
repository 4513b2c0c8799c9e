//! Where flags come from: the [`FlagSource`] trait and the sources.

#![cfg_attr(
    not(all(
        feature = "flagd",
        feature = "flagsmith",
        feature = "launchdarkly",
        feature = "unleash"
    )),
    allow(dead_code, reason = "each source uses a part of what they share, together they use all")
)]

mod closure;
#[cfg(feature = "http")]
pub(crate) mod documents;
mod environment;
mod error;
#[cfg(feature = "file")]
mod file;
pub(crate) mod flag_source;
mod flag_updates;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
pub(crate) mod last_good;
mod last_known_good;
#[cfg(feature = "http")]
pub(crate) mod network;
#[cfg(feature = "async")]
mod polled;
#[cfg(any(feature = "flagsmith", feature = "unleash"))]
pub(crate) mod reporting;
#[cfg(feature = "http")]
mod saver;
#[cfg(feature = "http")]
pub(crate) mod server_settings;
#[cfg(feature = "http")]
mod setters;
mod subscription;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(feature = "file")]
mod worker;

#[cfg(any(feature = "async", feature = "file", feature = "http"))]
pub(crate) use self::error::more_than_zero;
#[cfg(feature = "file")]
pub use self::file::FileSource;
pub(crate) use self::flag_source::FlagSource;
#[cfg(feature = "http")]
pub use self::http::HttpSource;
#[cfg(feature = "http")]
pub(crate) use self::last_known_good::digest;
#[cfg(feature = "http")]
pub use self::network::{HttpSettings, KeyHandle};
#[cfg(feature = "http")]
pub(crate) use self::network::{Meter, NetworkSlot};
#[cfg(feature = "async")]
pub use self::polled::Polled;
#[cfg(feature = "http")]
pub(crate) use self::setters::setters;
pub use self::{
    closure::{FnSource, source_fn},
    environment::EnvironmentSource,
    error::Error,
    flag_updates::FlagUpdates,
    last_known_good::{LastKnownGood, LastKnownGoodError, LastKnownGoodFlags},
    subscription::Subscription,
};
pub(crate) use self::{error::chain, flag_updates::Staleness};

#[cfg(any(feature = "file", feature = "http"))]
use crate::{
    dialect::{Dialect, without_mark},
    flag::FlagSet,
};

/// What a file or a URL holds unless the caller says otherwise.
#[cfg(any(feature = "file", feature = "http"))]
fn default_dialect() -> Box<dyn Dialect> {
    Box::new(crate::flagd::Flagd::new())
}

/// Calls the dialect, which may be the user's code.
#[cfg(any(feature = "file", feature = "http"))]
fn compile(dialect: &dyn Dialect, text: &str) -> Result<FlagSet, Error> {
    match crate::contain::contained(|| dialect.compile(without_mark(text))) {
        Some(compiled) => Ok(compiled?),
        None => Err(Error::new("the dialect panicked")),
    }
}
