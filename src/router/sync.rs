//! What the router's own protocols synchronise with. A file of its own so that the models in
//! `tests/loom` compile the very same code over loom's doubles of these.

#[cfg(feature = "async")]
pub(crate) use std::sync::Condvar;
pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard, PoisonError};

/// Starts a named thread that nobody waits for.
#[cfg(feature = "async")]
pub(crate) fn start(name: String, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    std::thread::Builder::new().name(name).spawn(work).map(drop)
}
