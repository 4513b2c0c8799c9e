//! Where a source puts its flags.

use std::{
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use super::Error;
use crate::flag::{Flag, FlagSet, store::Core};

/// The store's end of one source. Clone it into threads and tasks.
///
/// Every method is synchronous and waits for no reader. Calls take effect in the order they are
/// made; after the store is dropped they do nothing.
#[derive(Clone)]
pub struct FlagUpdates {
    core: Weak<Core>,
    source: usize,
    name: Arc<str>,
}

impl FlagUpdates {
    pub(crate) fn new(core: &Arc<Core>, source: usize, name: Arc<str>) -> FlagUpdates {
        FlagUpdates { core: Arc::downgrade(core), source, name }
    }

    /// Puts `set` in the place of everything the source delivered before, and says whether it is
    /// in force now.
    ///
    /// A flag that the set's document got wrong stays as it was before. A set whose
    /// [sequence](FlagSet::with_sequence) is lower than that of the set in force is refused.
    pub fn replace(&self, set: FlagSet) -> bool {
        self.core().is_some_and(|core| core.replace(self.source, set, None))
    }

    /// Like [`replace`](FlagUpdates::replace) for a set that did not come from its origin just now,
    /// a last-known-good file for instance. The source then counts as stale for this `reason`
    /// until it delivers or [confirms](FlagUpdates::confirm).
    ///
    /// `age` is how old the set is, where that is known.
    pub fn replace_stale(
        &self,
        set: FlagSet,
        age: Option<Duration>,
        reason: impl Into<String>,
    ) -> bool {
        let staleness = Staleness { age, reason: reason.into() };
        self.core().is_some_and(|core| core.replace(self.source, set, Some(staleness)))
    }

    /// Adds or replaces one flag. Until the source has delivered a whole set, it is the first of
    /// one.
    pub fn upsert(&self, flag: Flag) {
        if let Some(core) = self.core() {
            core.upsert(self.source, flag);
        }
    }

    /// Removes one flag.
    pub fn remove(&self, key: &str) {
        if let Some(core) = self.core() {
            core.remove(self.source, key);
        }
    }

    /// What was delivered last is still what the origin has.
    pub fn confirm(&self) {
        if let Some(core) = self.core() {
            core.confirm(self.source);
        }
    }

    /// Trouble. What was delivered stays in force and counts as stale; before the first delivery
    /// the source is still starting, and this is one more failed attempt.
    pub fn report(&self, error: Error) {
        if let Some(core) = self.core() {
            core.report(self.source, &error, false);
        }
    }

    /// Trouble that trying again soon will not mend: the origin refuses the key, the URL or the
    /// request. Like [`report`](FlagUpdates::report), and the status says
    /// [rejected](crate::flag::store::SourceState::Rejected) until the source delivers or confirms:
    /// [`Flags::wait_ready`](crate::Flags::wait_ready) does not wait for it.
    pub fn reject(&self, error: Error) {
        if let Some(core) = self.core() {
            core.report(self.source, &error, true);
        }
    }

    /// Whether the store is gone: the source can stop.
    pub fn is_closed(&self) -> bool {
        self.core().is_none()
    }

    /// The thread of the store's network sources.
    #[cfg(feature = "http")]
    pub(crate) fn network(&self) -> Result<Arc<super::network::Network>, Error> {
        match self.core.upgrade() {
            Some(core) => core.network.get(),
            None => Err(Error::new("the store is gone")),
        }
    }

    /// Shows in the source's status what this counts.
    #[cfg(feature = "http")]
    pub(crate) fn watch(&self, meter: &super::Meter) {
        if let Some(core) = self.core.upgrade() {
            core.watch(self.source, meter.clone());
        }
    }

    fn core(&self) -> Option<Arc<Core>> {
        self.core.upgrade().filter(|core| !core.is_closed())
    }
}

/// A set that is known not to be fresh.
pub(crate) struct Staleness {
    pub(crate) age: Option<Duration>,
    pub(crate) reason: String,
}

impl Drop for FlagUpdates {
    /// A source that panics takes its handle with it: nobody else would say that no more is coming.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.report(Error::new("the source panicked"));
        }
    }
}

impl fmt::Debug for FlagUpdates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlagUpdates").field("source", &self.name).finish_non_exhaustive()
    }
}
