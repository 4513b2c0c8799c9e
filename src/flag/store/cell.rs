//! The cell that hands one immutable value from a writer to many readers who never wait.
//!
//! # Protocol
//!
//! The value stands behind a small lock, its number (the epoch) beside it in an atomic. A writer
//! changes both while it holds the lock. A reader keeps the last value it saw, with its epoch, in
//! a thread-local cache:
//!
//! 1. the epoch equals the cached one: the cached value is served. One acquire load, a short scan
//!    of thread-local memory and a count that no other thread sees;
//! 2. it differs: the reader *tries* the lock, and takes the new value and its epoch together;
//! 3. the lock is held, so a writer is swapping at this moment: the cached value is served, and
//!    the next read looks again. Only a thread's first read has nothing to serve and waits, for
//!    the length of a pointer swap.
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
//! `tests/loom` checks these three over every interleaving of small programs.
//!
//! # What it costs
//!
//! A thread that stops reading keeps its last value alive until it reads this cell again, looks
//! up any cell whose value changed, or ends. A guard is not `Send`: it cannot cross an `await` in
//! a future that moves between threads.

use std::{
    any::Any,
    cell::RefCell,
    ops::Deref,
    rc::Rc,
    sync::{Arc, Weak},
};

use super::sync::{AtomicU64, Ordering, PoisonError, RwLock, TryLockError, thread_local};

/// One value for many readers. See the module's documentation.
pub(crate) struct SnapshotCell<T> {
    pub(super) epoch: AtomicU64,
    pub(super) current: RwLock<Arc<T>>,
    /// Names the cell in the caches. A cache entry holds it weakly, so the address is not used
    /// again for another cell while an entry for this one is left.
    identity: Arc<()>,
}

/// The value as it was at one moment, for one thread.
// `Rc` makes the count thread-local, `Arc` keeps the value.
#[expect(clippy::redundant_allocation)]
pub(crate) struct Guard<T>(Rc<Arc<T>>);

/// What a new value has replaced: the value before, and what the writing thread still had in its
/// cache.
pub(crate) struct Replaced<T> {
    _old: Arc<T>,
    _cached: Vec<Entry>,
}

struct Entry {
    /// The address of the cell's identity, beside it so that the scan follows no pointer.
    address: usize,
    identity: Weak<()>,
    epoch: u64,
    /// An `Rc<Arc<T>>`.
    value: Rc<dyn Any>,
}

thread_local! {
    static CACHE: RefCell<Vec<Entry>> = const { RefCell::new(Vec::new()) };
}

/// What the cache has of a cell whose newest value it does not have.
enum Cached<T> {
    /// A value that has been replaced since.
    Old(Guard<T>),
    /// Nothing: the first read of this thread.
    Absent,
    /// The thread is in the middle of changing its cache.
    Gone,
}

impl<T: Send + Sync + 'static> SnapshotCell<T> {
    pub(crate) fn new(value: T) -> SnapshotCell<T> {
        SnapshotCell {
            epoch: AtomicU64::new(0),
            current: RwLock::new(Arc::new(value)),
            identity: Arc::new(()),
        }
    }

    /// Puts `value` in the place of the current one, which is dropped.
    pub(crate) fn publish(&self, value: Arc<T>) {
        // After the lock: freeing a large value takes a while, and its `Drop` may read this cell.
        drop(self.replace(value));
    }

    /// Puts `value` in the place of the current one. What it replaces is returned: for those who
    /// hold a lock of their own that its `Drop` might want.
    #[must_use]
    pub(crate) fn replace(&self, value: Arc<T>) -> Replaced<T> {
        let old = {
            let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
            let old = std::mem::replace(&mut *current, value);
            // Only writers change it, and they hold the lock. Release pairs with the acquire in
            // `load`; inside the lock, so that `read` finds value and epoch together.
            let epoch = self.epoch.load(Ordering::Relaxed);
            self.epoch.store(epoch.wrapping_add(1), Ordering::Release);
            old
        };
        // A thread that only writes would otherwise keep a value it once read: perhaps an older
        // one than `old`, of which it is the last user.
        Replaced { _old: old, _cached: forget(&self.identity) }
    }

    /// The current value. Waits for nobody, but for a thread's first read of this cell.
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
            Rc::clone(&entry.value).downcast::<Arc<T>>().ok()
        });
        match fresh {
            Ok(Some(value)) => Guard(value),
            _ => self.look(),
        }
    }

    /// The current value, to keep or to send to another thread. Takes the lock.
    pub(crate) fn load_full(&self) -> Arc<T> {
        self.read().0
    }

    /// Everything but the usual case.
    #[cold]
    fn look(&self) -> Guard<T> {
        let cached = CACHE.try_with(|cache| {
            let Ok(cache) = cache.try_borrow() else { return Cached::Gone };
            let address = address(&self.identity);
            let entry = cache.iter().find(|entry| entry.address == address);
            match entry.and_then(|entry| Rc::clone(&entry.value).downcast::<Arc<T>>().ok()) {
                Some(value) => Cached::Old(Guard(value)),
                None => Cached::Absent,
            }
        });
        match cached {
            Ok(Cached::Old(guard)) => self.refresh(guard),
            Ok(Cached::Absent) => self.first(),
            Ok(Cached::Gone) | Err(_) => Guard(Rc::new(self.read().0)),
        }
    }

    fn refresh(&self, cached: Guard<T>) -> Guard<T> {
        let (value, epoch) = match self.current.try_read() {
            Ok(current) => (Arc::clone(&current), self.epoch.load(Ordering::Relaxed)),
            Err(TryLockError::Poisoned(current)) => {
                (Arc::clone(current.get_ref()), self.epoch.load(Ordering::Relaxed))
            }
            Err(TryLockError::WouldBlock) => return cached,
        };
        self.keep(value, epoch)
    }

    fn first(&self) -> Guard<T> {
        let (value, epoch) = self.read();
        self.keep(value, epoch)
    }

    fn read(&self) -> (Arc<T>, u64) {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        // Relaxed: the lock orders it. No writer is here, so it is this value's.
        (Arc::clone(&current), self.epoch.load(Ordering::Relaxed))
    }

    fn keep(&self, value: Arc<T>, epoch: u64) -> Guard<T> {
        let value = Rc::new(value);
        let entry = Entry {
            address: address(&self.identity),
            identity: Arc::downgrade(&self.identity),
            epoch,
            value: Rc::clone(&value) as Rc<dyn Any>,
        };
        let mut entry = Some(entry);
        // `replaced` outlives the borrow: dropping a value may read this very cache.
        let replaced = CACHE.try_with(|cache| {
            let mut replaced = Vec::new();
            if let Ok(mut cache) = cache.try_borrow_mut() {
                let address = address(&self.identity);
                replaced = remove(&mut cache, |other| {
                    other.address == address || other.identity.strong_count() == 0
                });
                cache.extend(entry.take());
            }
            replaced
        });
        drop(replaced);
        Guard(value)
    }
}

impl<T> Drop for SnapshotCell<T> {
    fn drop(&mut self) {
        drop(forget(&self.identity));
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
        Arc::clone(&self.0)
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

/// Takes this thread's entry for the cell out of the cache; the caller drops it.
fn forget(identity: &Arc<()>) -> Vec<Entry> {
    CACHE
        .try_with(|cache| match cache.try_borrow_mut() {
            Ok(mut cache) => remove(&mut cache, |entry| entry.address == address(identity)),
            Err(_) => Vec::new(),
        })
        .unwrap_or_default()
}

fn remove(cache: &mut Vec<Entry>, matches: impl Fn(&Entry) -> bool) -> Vec<Entry> {
    let mut removed = Vec::new();
    let mut position = 0;
    while let Some(entry) = cache.get(position) {
        if matches(entry) {
            removed.push(cache.swap_remove(position));
        } else {
            position += 1;
        }
    }
    removed
}
