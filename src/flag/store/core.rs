//! The writer's side of a store: what sources do to it, one at a time.

mod trouble;

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

use super::{
    Snapshot, SnapshotCell, Status,
    listeners::StatusListeners,
    status::{Delivery, Progress},
};
use crate::{
    clock::Clock,
    contain::contained,
    flag::{Flag, FlagSet, Problem, ProblemSeverity},
    hash::NameSet,
    source::Staleness,
};

/// How many flags that one update got wrong are logged one by one, and how many warnings: all flags of
/// a document may be wrong alike, and the status lists them all.
const LOGGED_PROBLEMS: usize = 20;

/// Somebody in the crate who prepares for each snapshot before it is announced: a router building
/// its table.
pub(crate) trait SnapshotListener: Send + Sync {
    /// Called with every snapshot, in order, one call at a time. The writer waits for it; it must
    /// not change the store.
    fn published(&self, snapshot: &Arc<Snapshot>);
}

pub(super) type Callback = Arc<dyn Fn(&Arc<Snapshot>) + Send + Sync>;

/// Locks are taken in the order of the fields, and none is held while a user's code runs.
pub(crate) struct Core {
    pub(super) cell: SnapshotCell<Snapshot>,
    pub(super) clock: Arc<dyn Clock>,
    /// The thread of all network sources, while there is one.
    #[cfg(feature = "http")]
    pub(crate) network: crate::source::NetworkSlot,
    closed: AtomicBool,
    /// Held for the whole of a change: makes changes one sequence.
    writer: Mutex<Vec<Weak<dyn SnapshotListener>>>,
    progress: Mutex<Progress>,
    changed: Condvar,
    callbacks: Mutex<Callbacks>,
    status_listeners: StatusListeners,
}

#[derive(Default)]
struct Callbacks {
    list: Vec<Callback>,
    /// Published and not announced yet. Only the newest: a slow callback is spared the rest.
    pending: Option<Arc<Snapshot>>,
    /// One thread announces at a time, so that callbacks see snapshots in order.
    announcing: bool,
}

impl Core {
    pub(super) fn new(sources: Vec<(Arc<str>, bool)>, clock: Arc<dyn Clock>) -> Core {
        let deliveries = sources.iter().map(|(name, _)| Delivery::new(Arc::clone(name))).collect();
        let snapshot = Snapshot::of_sources(sources);
        Core {
            cell: SnapshotCell::new(snapshot.clone()),
            clock,
            #[cfg(feature = "http")]
            network: crate::source::NetworkSlot::default(),
            closed: AtomicBool::new(false),
            writer: Mutex::default(),
            progress: Mutex::new(Progress {
                tick: 0,
                snapshot: Arc::new(snapshot),
                sources: deliveries,
            }),
            changed: Condvar::new(),
            callbacks: Mutex::default(),
            status_listeners: StatusListeners::default(),
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        // Relaxed: a source that reads it late is stopped by the check under the writer's lock.
        self.closed.load(Ordering::Relaxed)
    }

    /// Nothing is published once this has returned.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        drop(self.writer.lock());
        let callbacks = std::mem::take(&mut self.callbacks.lock().list);
        drop(callbacks);
        self.status_listeners.clear();
    }

    pub(crate) fn replace(
        &self,
        source: usize,
        set: FlagSet,
        staleness: Option<Staleness>,
    ) -> bool {
        self.change(source, staleness, |previous| match previous {
            Some(previous) if set.sequence() < previous.sequence() && set.sequence().is_some() => {
                None
            }
            Some(previous) => Some(set.keeping_last_good(previous)),
            None => Some(set),
        })
    }

    pub(crate) fn upsert(&self, source: usize, flag: Flag) {
        self.change(source, None, |previous| {
            let set = previous.cloned().unwrap_or_default();
            Some(set.without_problems_of(flag.key()).with(flag))
        });
    }

    pub(crate) fn remove(&self, source: usize, key: &str) {
        self.change(source, None, |previous| {
            Some(previous?.clone().without_problems_of(key).without(key))
        });
    }

    /// Makes and publishes the snapshot in which `source` has what `change` makes of its set.
    fn change(
        &self,
        source: usize,
        staleness: Option<Staleness>,
        change: impl FnOnce(Option<&FlagSet>) -> Option<FlagSet>,
    ) -> bool {
        let mut writer = self.writer.lock();
        if self.is_closed() {
            return false;
        }
        let previous = Arc::clone(&self.progress.lock().snapshot);
        let Some(set) = change(previous.set(source)) else {
            drop(writer);
            self.refused(source);
            return false;
        };
        let problems = new_problems(previous.set(source), &set);
        let snapshot = Arc::new(previous.with(source, set));
        self.cell.publish(Arc::clone(&snapshot));

        // Kept until the lock is free: the last handle of a router may go here, and with it the
        // last handle of this store.
        let mut listeners = Vec::new();
        writer.retain(|listener| match listener.upgrade() {
            Some(listener) => {
                announce_to(&*listener, &snapshot);
                listeners.push(listener);
                true
            }
            None => false,
        });
        let mut name = Arc::default();
        {
            let mut progress = self.progress.lock();
            let before = progress.standing(source);
            progress.tick = progress.tick.wrapping_add(1);
            progress.snapshot = Arc::clone(&snapshot);
            if let Some(delivery) = progress.sources.get_mut(source) {
                let now = self.clock.monotonic();
                match staleness {
                    None => delivery.fresh(now),
                    Some(staleness) => delivery.stale(now, staleness),
                }
                name = Arc::clone(&delivery.name);
            }
            self.note(&progress, source, before);
        }
        let revision = snapshot.revision();
        self.callbacks.lock().pending = Some(snapshot);
        drop(writer);
        self.changed.notify_all();
        drop(listeners);
        drop(previous);
        tracing::debug!(target: "modelgate::source", source = &*name, revision, "published");
        log_problems(&name, &problems);
        self.announce();
        self.notify_listeners();
        true
    }

    /// Shows what the meter counts in the status of this source.
    #[cfg(feature = "http")]
    pub(crate) fn watch(&self, source: usize, meter: crate::source::Meter) {
        meter.set_clock(Arc::clone(&self.clock));
        if let Some(delivery) = self.progress.lock().sources.get_mut(source) {
            delivery.watch(meter);
        }
    }

    pub(super) fn listen(&self, listener: Weak<dyn SnapshotListener>) {
        let mut writer = self.writer.lock();
        let snapshot = Arc::clone(&self.progress.lock().snapshot);
        let alive = listener.upgrade();
        if let Some(listener) = &alive {
            announce_to(&**listener, &snapshot);
        }
        writer.push(listener);
        drop(writer);
        drop(alive);
    }

    pub(super) fn on_change(&self, callback: Callback) {
        self.callbacks.lock().list.push(callback);
    }

    /// Calls the callbacks with what was published last. Holds no lock while they run.
    fn announce(&self) {
        loop {
            let (snapshot, callbacks) = {
                let mut callbacks = self.callbacks.lock();
                if callbacks.announcing {
                    // Whoever is at it finds the pending snapshot next; if that is a caller of
                    // ours, a callback that changed the store, it goes on after that callback.
                    return;
                }
                let Some(snapshot) = callbacks.pending.take() else { return };
                callbacks.announcing = true;
                (snapshot, callbacks.list.clone())
            };
            for callback in callbacks {
                if self.is_closed() {
                    break;
                }
                if contained(|| callback(&snapshot)).is_none() {
                    tracing::error!(
                        target: "modelgate::source",
                        revision = snapshot.revision(),
                        "a callback for changed flags panicked"
                    );
                }
            }
            self.callbacks.lock().announcing = false;
        }
    }

    pub(super) fn status(&self) -> Status {
        self.progress.lock().status(self.clock.monotonic())
    }

    pub(super) fn age(&self) -> Option<Duration> {
        self.progress.lock().age(self.clock.monotonic())
    }

    /// Waits until `condition` holds; says whether it did within `timeout`.
    pub(super) fn wait_until(
        &self,
        timeout: Duration,
        mut condition: impl FnMut(&Status) -> bool,
    ) -> bool {
        // A timeout past the end of time waits for ever.
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let (status, tick) = {
                let progress = self.progress.lock();
                (progress.status(self.clock.monotonic()), progress.tick)
            };
            if condition(&status) {
                return true;
            }
            let mut progress = self.progress.lock();
            while progress.tick == tick {
                match deadline {
                    None => self.changed.wait(&mut progress),
                    Some(deadline) => {
                        if self.changed.wait_until(&mut progress, deadline).timed_out()
                            && progress.tick == tick
                        {
                            return false;
                        }
                    }
                }
            }
        }
    }
}

/// The problems that the last set did not have.
fn new_problems(previous: Option<&FlagSet>, set: &FlagSet) -> Vec<Problem> {
    let known = previous.map_or(&[][..], FlagSet::problems);
    // Compared by hash: two long lists would make this quadratic.
    let known: NameSet<&Problem> = known.iter().collect();
    set.problems().iter().filter(|problem| !known.contains(problem)).cloned().collect()
}

/// Flags that were refused come first: an operator has to see them, however many warnings there are.
fn log_problems(source: &str, problems: &[Problem]) {
    let (refused, warnings): (Vec<&Problem>, Vec<&Problem>) =
        problems.iter().partition(|problem| problem.severity == ProblemSeverity::Rejected);
    for problem in refused.iter().take(LOGGED_PROBLEMS) {
        let (flag, error) = (&*problem.key, problem.to_string());
        tracing::warn!(
            target: "modelgate::source", source, flag, error,
            "flag refused: its last good form stays in force"
        );
    }
    let more = refused.len().saturating_sub(LOGGED_PROBLEMS);
    if more > 0 {
        tracing::warn!(target: "modelgate::source", source, more, "more flags refused");
    }
    for problem in warnings.iter().take(LOGGED_PROBLEMS) {
        let (flag, error) = (&*problem.key, problem.to_string());
        tracing::info!(
            target: "modelgate::source", source, flag, error, "flag warned about"
        );
    }
    let more = warnings.len().saturating_sub(LOGGED_PROBLEMS);
    if more > 0 {
        tracing::info!(target: "modelgate::source", source, more, "more warnings about flags");
    }
}

/// Our own listeners do not panic, but what they call of the user's might.
fn announce_to(listener: &dyn SnapshotListener, snapshot: &Arc<Snapshot>) {
    if contained(|| listener.published(snapshot)).is_none() {
        tracing::error!(
            target: "modelgate::router",
            revision = snapshot.revision(),
            "preparing for changed flags panicked"
        );
    }
}
