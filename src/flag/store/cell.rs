//! The cell that hands one immutable value from a writer to many readers who never wait.
//!
//! # Protocol
//!
//! The value stands behind a small lock, its number (the epoch) beside it in an atomic. A writer
//! changes both while it holds the lock. A reader keeps the last value it saw, with its epoch, in
//! a thread-local cache. Weakly: what keeps it alive is a handle of this thread's own, lent out by
//! the cell, which takes all such handles back when the value is replaced and when it goes itself.
//!
//! 1. the epoch equals the cached one: the cached value is served. One acquire load, a short scan
//!    of thread-local memory and a count that no other thread writes;
//! 2. it differs: the reader *tries* the lock, and takes the new value and its epoch together;
//! 3. the lock is held, so a writer is swapping at this moment: the cached value is served, and
//!    the next read looks again. Only a thread that has nothing to serve waits, for the length of
//!    a pointer swap: at its first read, and when it has missed a value altogether.
//!
//! # Why it is right
//!
//! *Whole.* Values are immutable and travel as an `Arc` through the lock, which orders everything
//! the writer did before `publish` ahead of everything a reader does after step 2.
//!
//! *Never back.* Value and epoch change together under the lock, so what step 2 reads is a pair
//! that belonged together. Epochs only grow, and a cache entry is only replaced by a pair read
//! later under the same lock.
//!
//! *Never stuck.* The epoch is stored with release inside the lock. A reader that comes after a
//! finished `publish` (by any chain of synchronisation) sees an epoch at least as new, so its
//! cached one differs and it goes to step 2; should that meet yet another writer, it serves the
//! old value once and tries again at its next read, because its cached epoch still differs.
//!
//! *Never kept.* Handles are lent under the read lock and taken back under the write lock: none of
//! an old value is lent after a newer one stands. So a thread that stops reading keeps nothing.
//!
//! `tests/loom` checks these four over every interleaving of small programs.
//!
//! # What it costs
//!
//! A read in the midst of a `publish` keeps the old value until its guard is dropped; the last of
//! them does not free it, [`reaper`](crate::reaper) does.

use std::{
    any::Any,
    cell::RefCell,
    ops::Deref,
    sync::{Arc, Weak},
};

use super::sync::{AtomicU64, Mutex, Ordering, PoisonError, RwLock, TryLockError, thread_local};
use crate::reaper;

/// One value for many readers. See the module's documentation.
pub(crate) struct SnapshotCell<T> {
    pub(super) epoch: AtomicU64,
    pub(super) current: RwLock<Arc<T>>,
    /// What the caches of threads have of the current value. Only locked by those who hold
    /// `current`.
    pub(super) lent: Mutex<Lent<T>>,
    /// Names the cell in the caches. A cache entry holds it weakly, so the address is not used
    /// again for another cell while an entry for this one is left.
    identity: Arc<()>,
}

/// One thread's own: the outer count is written by that thread alone, the inner one keeps the value.
pub(super) type Handle<T> = Arc<Arc<T>>;

/// One handle for each thread that has read the value.
pub(super) struct Lent<T> {
    pub(super) handles: Vec<Handle<T>>,
    /// At this length those of threads that have ended are thrown out.
    full: usize,
}

/// Handles that are kept without looking whether their threads are still there.
pub(super) const FEW: usize = 32;

impl<T> Lent<T> {
    const fn new() -> Lent<T> {
        Lent { handles: Vec::new(), full: FEW }
    }

    fn lend(&mut self, handle: &Handle<T>) {
        if self.handles.len() >= self.full {
            self.handles.retain(|handle| Arc::weak_count(handle) > 0);
            self.full = self.handles.len().saturating_mul(2).max(FEW);
        }
        self.handles.push(Arc::clone(handle));
    }
}

/// The value as it was at one moment, for one thread.
pub(crate) struct Guard<T>(Handle<T>);

struct Entry {
    /// The address of the cell's identity, beside it so that the scan follows no pointer.
    address: usize,
    identity: Weak<()>,
    epoch: u64,
    /// An `Arc<T>`.
    value: Weak<dyn Any + Send + Sync>,
}

impl Entry {
    fn value<T: Send + Sync + 'static>(&self) -> Option<Guard<T>> {
        self.value.upgrade()?.downcast::<Arc<T>>().ok().map(Guard)
    }
}

thread_local! {
    static CACHE: RefCell<Vec<Entry>> = const { RefCell::new(Vec::new()) };
}

impl<T: Send + Sync + 'static> SnapshotCell<T> {
    pub(crate) fn new(value: T) -> SnapshotCell<T> {
        SnapshotCell {
            epoch: AtomicU64::new(0),
            current: RwLock::new(Arc::new(value)),
            lent: Mutex::new(Lent::new()),
            identity: Arc::new(()),
        }
    }

    /// Puts `value` in the place of the current one, which is freed here if nobody reads it just
    /// now, and on the reaper's thread otherwise.
    pub(crate) fn publish(&self, value: Arc<T>) {
        let old = self.replace(value);
        match Arc::strong_count(&old) {
            // After the lock: freeing a large value takes a while, and its `Drop` may read this
            // cell.
            1 => drop(old),
            _ => reaper::drop_when_last(old),
        }
    }

    /// Puts `value` in the place of the current one, which is returned: for those whose readers
    /// must not free it.
    #[must_use]
    pub(crate) fn replace(&self, value: Arc<T>) -> Arc<T> {
        let (old, lent) = {
            let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
            let old = std::mem::replace(&mut *current, value);
            // Only writers change it, and they hold the lock. Release pairs with the acquire in
            // `load`; inside the lock, so that `read` finds value and epoch together.
            let epoch = self.epoch.load(Ordering::Relaxed);
            self.epoch.store(epoch.wrapping_add(1), Ordering::Release);
            let mut lent = self.lent.lock().unwrap_or_else(PoisonError::into_inner);
            (old, std::mem::replace(&mut *lent, Lent::new()))
        };
        // These are many, perhaps, but none is the last.
        drop(lent);
        old
    }

    /// The current value. Waits for nobody, but where this thread has none to serve.
    #[inline]
    pub(crate) fn load(&self) -> Guard<T> {
        let epoch = self.epoch.load(Ordering::Acquire);
        let fresh = CACHE.try_with(|cache| {
            let cache = cache.try_borrow().ok()?;
            let address = address(&self.identity);
            let entry = cache.iter().find(|entry| entry.address == address)?;
            if entry.epoch != epoch {
                return None;
            }
            entry.value()
        });
        match fresh {
            Ok(Some(value)) => value,
            _ => self.look(),
        }
    }

    /// The current value, to keep or to send to another thread. Takes the lock.
    pub(crate) fn load_full(&self) -> Arc<T> {
        self.read()
    }

    /// Everything but the usual case.
    #[cold]
    fn look(&self) -> Guard<T> {
        let cached = CACHE.try_with(|cache| {
            let cache = cache.try_borrow().ok()?;
            let address = address(&self.identity);
            cache.iter().find(|entry| entry.address == address)?.value()
        });
        let current = match cached {
            Ok(Some(cached)) => match self.current.try_read() {
                Ok(current) => current,
                Err(TryLockError::Poisoned(current)) => current.into_inner(),
                Err(TryLockError::WouldBlock) => return cached,
            },
            _ => self.current.read().unwrap_or_else(PoisonError::into_inner),
        };
        let value = Arc::new(Arc::clone(&current));
        let lent = match self.lent.try_lock() {
            Ok(lent) => Some(lent),
            Err(TryLockError::Poisoned(lent)) => Some(lent.into_inner()),
            // Another reader: this one's next read looks again.
            Err(TryLockError::WouldBlock) => None,
        };
        if let Some(mut lent) = lent {
            // Relaxed: the lock orders it. No writer is here, so it is this value's.
            let epoch = self.epoch.load(Ordering::Relaxed);
            if self.keep(&value, epoch) {
                lent.lend(&value);
            }
        }
        drop(current);
        Guard(value)
    }

    fn read(&self) -> Arc<T> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether it is in the cache now. Runs no user's code: the cache keeps nothing alive.
    fn keep(&self, value: &Handle<T>, epoch: u64) -> bool {
        let weak = Arc::downgrade(value);
        let entry = Entry {
            address: address(&self.identity),
            identity: Arc::downgrade(&self.identity),
            epoch,
            value: weak,
        };
        let kept = CACHE.try_with(|cache| {
            let Ok(mut cache) = cache.try_borrow_mut() else { return false };
            cache.retain(|other| {
                other.address != entry.address && other.identity.strong_count() > 0
            });
            cache.push(entry);
            true
        });
        kept.unwrap_or(false)
    }
}

impl<T> Deref for Guard<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Guard<T> {
    /// The value, to keep or to send to another thread.
    #[cfg(feature = "async")]
    pub(crate) fn to_arc(&self) -> Arc<T> {
        Arc::clone(&*self.0)
    }
}

impl<T> std::fmt::Debug for SnapshotCell<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotCell").finish_non_exhaustive()
    }
}

fn address(identity: &Arc<()>) -> usize {
    Arc::as_ptr(identity).addr()
}
