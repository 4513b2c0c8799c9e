//! A pool of sessions, each lent to one caller at a time.

use crossbeam_channel::{Receiver, Sender, bounded};

/// Items that serve one caller at a time each.
///
/// Taking an idle one and returning it are a compare-and-swap each. While none is idle, a caller
/// sleeps until one is returned.
pub(super) struct Pool<T> {
    returned: Sender<T>,
    idle: Receiver<T>,
}

impl<T> Pool<T> {
    pub(super) fn new(items: Vec<T>) -> Pool<T> {
        let (returned, idle) = bounded(items.len());
        for item in items {
            // The channel has room for every item, so this cannot fail.
            let _ = returned.try_send(item);
        }
        Pool { returned, idle }
    }

    /// Takes an idle item, waiting for one if all are in use; `None` only if the pool has no items.
    pub(super) fn take(&self) -> Option<Borrowed<'_, T>> {
        if self.idle.capacity() == Some(0) {
            return None;
        }
        Some(Borrowed { item: Some(self.idle.recv().ok()?), pool: self })
    }
}

/// An item lent by a pool. Dropping it returns the item, also while a panic unwinds.
pub(super) struct Borrowed<'a, T> {
    item: Option<T>,
    pool: &'a Pool<T>,
}

impl<T> Borrowed<'_, T> {
    pub(super) fn get(&mut self) -> Option<&mut T> {
        self.item.as_mut()
    }
}

impl<T> Drop for Borrowed<'_, T> {
    fn drop(&mut self) {
        if let Some(item) = self.item.take() {
            let _ = self.pool.returned.try_send(item);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        panic::{AssertUnwindSafe, catch_unwind},
        sync::atomic::{AtomicUsize, Ordering},
        thread,
    };

    use super::*;

    #[test]
    fn each_item_serves_one_caller_at_a_time_and_every_caller_is_served() {
        let pool = Pool::new(vec![AtomicUsize::new(0), AtomicUsize::new(0)]);
        let served = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let mut taken = pool.take().unwrap();
                        let users = taken.get().unwrap();
                        assert_eq!(users.fetch_add(1, Ordering::SeqCst), 0);
                        thread::yield_now();
                        users.fetch_sub(1, Ordering::SeqCst);
                        served.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(served.into_inner(), 1_200);
    }

    #[test]
    fn an_item_is_returned_after_a_panic() {
        let pool = Pool::new(vec![7]);
        let _ = catch_unwind(AssertUnwindSafe(|| {
            let _taken = pool.take();
            panic!("on purpose");
        }));
        assert_eq!(pool.take().unwrap().get(), Some(&mut 7));
    }
}
