//! A source made of a closure.

use std::{borrow::Cow, fmt};

use super::{Error, FlagSource, FlagUpdates, Subscription};

/// A closure as a [`FlagSource`]; made by [`source_fn`].
pub struct FnSource<T> {
    name: Cow<'static, str>,
    subscribe: T,
}

/// Makes a source of a closure: it is called once, with the store's end of the source, and starts
/// whatever delivers.
///
/// ```
/// use modelgate::{Context, FlagSet, Flags, flag::Flag, source::{Subscription, source_fn}};
///
/// let (sender, receiver) = std::sync::mpsc::channel::<(String, String)>();
/// let settings = source_fn("settings", move |updates| {
///     updates.replace(FlagSet::new());
///     // Ends when the sender is dropped, or at the first change after the store.
///     std::thread::spawn(move || {
///         for (key, value) in receiver {
///             if updates.is_closed() {
///                 break;
///             }
///             updates.upsert(Flag::constant(key, value));
///         }
///     });
///     Ok(Subscription::none())
/// });
/// let flags = Flags::builder().source(settings).build()?;
/// sender.send(("ml-model-version".into(), "v2".into()))?;
/// # flags.wait_until(std::time::Duration::from_secs(60), |status| status.revision > 1);
/// assert_eq!(flags.string("ml-model-version", &Context::new("user-42"), "v1"), "v2");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn source_fn<T>(name: impl Into<Cow<'static, str>>, subscribe: T) -> FnSource<T>
where
    T: FnOnce(FlagUpdates) -> Result<Subscription, Error> + Send + 'static,
{
    FnSource { name: name.into(), subscribe }
}

impl<T> FlagSource for FnSource<T>
where
    T: FnOnce(FlagUpdates) -> Result<Subscription, Error> + Send + 'static,
{
    fn name(&self) -> Cow<'static, str> {
        self.name.clone()
    }
    fn subscribe(self: Box<Self>, updates: FlagUpdates) -> Result<Subscription, Error> {
        (self.subscribe)(updates)
    }
}

impl<T> fmt::Debug for FnSource<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FnSource").field("name", &self.name).finish_non_exhaustive()
    }
}
