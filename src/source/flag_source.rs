//! The trait of sources.

use std::borrow::Cow;

use super::{Error, FlagUpdates, Subscription};
use crate::flag::{Flag, FlagSet};

/// Where flags come from: a file, a vendor's stream, your own configuration service.
///
/// Push style, and of no particular runtime: start whatever you need (a thread, a task on a
/// runtime you were given), keep the [`FlagUpdates`], push when something changes, and stop when the
/// returned [`Subscription`] is dropped.
///
/// ```
/// use std::{borrow::Cow, sync::mpsc, thread, time::Duration};
/// use modelgate::{FlagSet, FlagSource, Flags, source::{self, FlagUpdates, Subscription}};
///
/// /// Flags that somebody else sends through a channel.
/// struct Received(mpsc::Receiver<FlagSet>);
///
/// impl FlagSource for Received {
///     fn name(&self) -> Cow<'static, str> {
///         "channel".into()
///     }
///     fn subscribe(self: Box<Self>, updates: FlagUpdates) -> Result<Subscription, source::Error> {
///         // The thread ends when the sender is dropped, or at the first set after the store.
///         thread::spawn(move || {
///             for set in self.0 {
///                 if updates.is_closed() {
///                     break;
///                 }
///                 updates.replace(set);
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
    /// A short name for logs, metrics and [`store::Status`](crate::flag::store::Status).
    fn name(&self) -> Cow<'static, str>;

    /// Starts delivering. Push the first set before returning if that takes no waiting: a store
    /// whose sources have all pushed is ready as soon as it is built.
    ///
    /// # Errors
    ///
    /// Only what trying again will not mend, a malformed URL for instance; the store is then not
    /// built. Anything that may pass belongs in [`FlagUpdates::report`] while you keep trying.
    fn subscribe(self: Box<Self>, updates: FlagUpdates) -> Result<Subscription, Error>;
}

impl<S: FlagSource + ?Sized> FlagSource for Box<S> {
    fn name(&self) -> Cow<'static, str> {
        (**self).name()
    }
    fn subscribe(self: Box<Self>, updates: FlagUpdates) -> Result<Subscription, Error> {
        (*self).subscribe(updates)
    }
}

/// A set made in code is a source that delivers once.
impl FlagSource for FlagSet {
    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed("static")
    }
    fn subscribe(self: Box<Self>, updates: FlagUpdates) -> Result<Subscription, Error> {
        updates.replace(*self);
        Ok(Subscription::none())
    }
}

/// A flag made in code, a [`Rollout`](crate::Rollout) for instance, is a source of one.
impl FlagSource for Flag {
    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed("static")
    }
    fn subscribe(self: Box<Self>, updates: FlagUpdates) -> Result<Subscription, Error> {
        updates.replace(FlagSet::new().with(*self));
        Ok(Subscription::none())
    }
}
