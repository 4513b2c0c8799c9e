//! What keeps a source running.

use std::fmt;

use crate::contain::contained;

/// Keeps a source running; dropping it stops the source.
#[must_use = "the source stops when its subscription is dropped"]
pub struct Subscription(Option<Box<dyn FnOnce() + Send>>);

impl Subscription {
    /// Nothing to stop.
    pub fn none() -> Subscription {
        Subscription(None)
    }

    /// Runs `stop` when dropped. It should return soon: dropping the last handle of the store
    /// waits for it.
    pub fn on_drop(stop: impl FnOnce() + Send + 'static) -> Subscription {
        Subscription(Some(Box::new(stop)))
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let Some(stop) = self.0.take() else { return };
        if contained(stop).is_none() {
            tracing::error!(target: "modelgate::source", "stopping a source panicked");
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}
