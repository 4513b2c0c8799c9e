//! The end of a router.

use std::sync::Arc;

use crate::{process::OwnerProcess, reaper};

/// Dropped first when the last handle of a router goes. That is often a request that was under way
/// when the service put another router in its place: it must not wait for shadows, sinks, sources
/// and models to end. So they end on the reaper's thread.
///
/// In a forked child they do not end at all: their threads are not there, and their locks may be
/// held by nobody.
pub(super) struct DeferredDrop {
    owner: OwnerProcess,
    rest: Option<Box<dyn FnOnce() + Send + Sync>>,
}

impl DeferredDrop {
    /// Takes the handles that are to be the last ones.
    pub(super) fn of<A, B>(first: &Arc<A>, then: &Arc<B>) -> DeferredDrop
    where
        A: Send + Sync + 'static,
        B: Send + Sync + ?Sized + 'static,
    {
        let (first, then) = (Arc::clone(first), Arc::clone(then));
        let rest = move || {
            reaper::drop_when_last(first);
            reaper::drop_when_last(then);
        };
        DeferredDrop { owner: OwnerProcess::current(), rest: Some(Box::new(rest)) }
    }
}

impl Drop for DeferredDrop {
    fn drop(&mut self) {
        match self.rest.take() {
            Some(end) if self.owner.is_current() => end(),
            rest => std::mem::forget(rest),
        }
    }
}
