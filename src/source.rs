//! Where flags come from: the [`FlagSource`] trait and the sources.

#[cfg(feature = "http")]
#[cfg_attr(
    not(all(
        feature = "flagd",
        feature = "flagsmith",
        feature = "launchdarkly",
        feature = "unleash"
    )),
    allow(dead_code, reason = "each source uses a part of it, together they use all")
)]
mod documents;
mod environment;
mod error;
#[cfg(feature = "file")]
mod file;
#[cfg(feature = "flagd")]
mod flagd;
#[cfg(feature = "flagsmith")]
mod flagsmith;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
#[cfg_attr(
    not(all(
        feature = "flagd",
        feature = "flagsmith",
        feature = "launchdarkly",
        feature = "unleash"
    )),
    allow(dead_code, reason = "each source uses a part of it, together they use all")
)]
mod last_good;
#[cfg(feature = "launchdarkly")]
mod launchdarkly;
#[cfg(feature = "http")]
#[cfg_attr(
    not(all(
        feature = "flagd",
        feature = "flagsmith",
        feature = "launchdarkly",
        feature = "unleash"
    )),
    allow(dead_code, reason = "each source uses a part of it, together they use all")
)]
pub(crate) mod network;
#[cfg(any(feature = "flagsmith", feature = "unleash"))]
mod reporting;
mod sink;
mod subscription;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(feature = "unleash")]
mod unleash;
#[cfg(feature = "file")]
mod worker;

use std::borrow::Cow;

#[cfg(feature = "file")]
pub use self::file::FileSource;
#[cfg(feature = "flagd")]
pub use self::flagd::FlagdSource;
#[cfg(feature = "flagsmith")]
pub use self::flagsmith::FlagsmithSource;
#[cfg(feature = "http")]
pub use self::http::HttpSource;
#[cfg(feature = "launchdarkly")]
pub use self::launchdarkly::{
    BigSegmentCache, BigSegmentCacheBuilder, BigSegmentStore, DualReads, LaunchDarklyEvents,
    LaunchDarklySource, Preparing,
};
#[cfg(feature = "http")]
pub use self::network::HttpSettings;
#[cfg(feature = "http")]
pub(crate) use self::network::{Meter, NetworkSlot};
#[cfg(feature = "unleash")]
pub use self::unleash::UnleashSource;
pub use self::{
    environment::EnvironmentSource, error::SourceError, sink::FlagSink, subscription::Subscription,
};
pub(crate) use self::{error::chain, sink::Staleness};
use crate::{
    dialect::{flagd::Flagd, flagsmith::Flagsmith, launchdarkly::LaunchDarkly, unleash::Unleash},
    flag::{DocumentError, Flag, FlagSet},
};

/// Where flags come from: a file, a vendor's stream, your own configuration service.
///
/// Push style, and of no particular runtime: start whatever you need (a thread, a task on a
/// runtime you were given), keep the [`FlagSink`], push when something changes, and stop when the
/// returned [`Subscription`] is dropped.
///
/// ```
/// use std::{borrow::Cow, sync::mpsc, thread, time::Duration};
/// use modelgate::{FlagSet, FlagSink, FlagSource, Flags, SourceError, Subscription};
///
/// /// Flags that somebody else sends through a channel.
/// struct Received(mpsc::Receiver<FlagSet>);
///
/// impl FlagSource for Received {
///     fn name(&self) -> Cow<'static, str> {
///         "channel".into()
///     }
///     fn subscribe(self: Box<Self>, sink: FlagSink) -> Result<Subscription, SourceError> {
///         // The thread ends when the sender is dropped, or at the first set after the store.
///         thread::spawn(move || {
///             for set in self.0 {
///                 if sink.is_closed() {
///                     break;
///                 }
///                 sink.replace(set);
///             }
///         });
///         Ok(Subscription::none())
///     }
/// }
///
/// let (sender, receiver) = mpsc::channel();
/// let flags = Flags::builder().source(Received(receiver)).build()?;
/// sender.send(FlagSet::new())?;
/// flags.wait_ready(Duration::from_secs(5))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait FlagSource: Send + 'static {
    /// A short name for logs, metrics and [`FlagsStatus`](crate::FlagsStatus).
    fn name(&self) -> Cow<'static, str>;

    /// Starts delivering. Push the first set before returning if that takes no waiting: a store
    /// whose sources have all pushed is ready as soon as it is built.
    ///
    /// # Errors
    ///
    /// Only what trying again will not mend, a malformed URL for instance; the store is then not
    /// built. Anything that may pass belongs in [`FlagSink::report`] while you keep trying.
    fn subscribe(self: Box<Self>, sink: FlagSink) -> Result<Subscription, SourceError>;
}

impl<S: FlagSource + ?Sized> FlagSource for Box<S> {
    fn name(&self) -> Cow<'static, str> {
        (**self).name()
    }
    fn subscribe(self: Box<Self>, sink: FlagSink) -> Result<Subscription, SourceError> {
        (*self).subscribe(sink)
    }
}

/// A set made in code is a source that delivers once.
impl FlagSource for FlagSet {
    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed("static")
    }
    fn subscribe(self: Box<Self>, sink: FlagSink) -> Result<Subscription, SourceError> {
        sink.replace(*self);
        Ok(Subscription::none())
    }
}

/// A flag made in code, a [`Rollout`](crate::Rollout) for instance, is a source of one.
impl FlagSource for Flag {
    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed("static")
    }
    fn subscribe(self: Box<Self>, sink: FlagSink) -> Result<Subscription, SourceError> {
        sink.replace(FlagSet::new().with(*self));
        Ok(Subscription::none())
    }
}

/// Makes flags of a document: what a source does with the text it fetched.
///
/// Implemented by the dialects and by closures.
pub trait Compile: Send + 'static {
    /// Compiles a whole document.
    ///
    /// # Errors
    ///
    /// When the document as a whole cannot be read. A single bad flag is no error: it goes into
    /// [`FlagSet::problems`].
    fn compile(&self, text: &str) -> Result<FlagSet, DocumentError>;
}

impl<C> Compile for C
where
    C: Fn(&str) -> Result<FlagSet, DocumentError> + Send + 'static,
{
    fn compile(&self, text: &str) -> Result<FlagSet, DocumentError> {
        self(text)
    }
}

impl Compile for Flagd {
    fn compile(&self, text: &str) -> Result<FlagSet, DocumentError> {
        Flagd::compile(self, text)
    }
}

impl Compile for LaunchDarkly {
    fn compile(&self, text: &str) -> Result<FlagSet, DocumentError> {
        LaunchDarkly::compile(self, text)
    }
}

impl Compile for Flagsmith {
    fn compile(&self, text: &str) -> Result<FlagSet, DocumentError> {
        Flagsmith::compile(self, text)
    }
}

impl Compile for Unleash {
    fn compile(&self, text: &str) -> Result<FlagSet, DocumentError> {
        Unleash::compile(self, text)
    }
}

/// What a file or a URL holds unless the caller says otherwise.
#[cfg(any(feature = "file", feature = "http"))]
fn default_dialect() -> Box<dyn Compile> {
    Box::new(Flagd::new())
}

/// Calls the dialect, which may be the user's code.
#[cfg(any(feature = "file", feature = "http"))]
fn compile(dialect: &dyn Compile, text: &str) -> Result<FlagSet, SourceError> {
    match crate::contain::contained(|| dialect.compile(text)) {
        Some(compiled) => Ok(compiled?),
        None => Err(SourceError::new("the dialect panicked")),
    }
}
