//! Sessions, handed out one caller at a time.

use crossbeam_channel::{Receiver, Sender, bounded};

/// Things of which each serves one caller at a time.
///
/// Taking and giving back are a compare-and-swap each while one is idle. When none is, a caller
/// sleeps until one comes back.
pub(super) struct Pool<T> {
    give: Sender<T>,
    take: Receiver<T>,
}

impl<T> Pool<T> {
    pub(super) fn new(things: Vec<T>) -> Pool<T> {
        let (give, take) = bounded(things.len());
        for thing in things {
            // There is room for each.
            let _ = give.try_send(thing);
        }
        Pool { give, take }
    }

    /// The next that is idle; `None` only for a pool of none.
    pub(super) fn take(&self) -> Option<Borrowed<'_, T>> {
        if self.take.capacity() == Some(0) {
            return None;
        }
        Some(Borrowed { thing: Some(self.take.recv().ok()?), pool: self })
    }
}

/// One of a pool's; it goes back when it is dropped, after a panic too.
pub(super) struct Borrowed<'a, T> {
    thing: Option<T>,
    pool: &'a Pool<T>,
}

impl<T> Borrowed<'_, T> {
    pub(super) fn get(&mut self) -> Option<&mut T> {
        self.thing.as_mut()
    }
}

impl<T> Drop for Borrowed<'_, T> {
    fn drop(&mut self) {
        if let Some(thing) = self.thing.take() {
            let _ = self.pool.give.try_send(thing);
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
    fn each_serves_one_caller_at_a_time_and_everybody_is_served() {
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
    fn one_comes_back_after_a_panic() {
        let pool = Pool::new(vec![7]);
        let _ = catch_unwind(AssertUnwindSafe(|| {
            let _taken = pool.take();
            panic!("on purpose");
        }));
        assert_eq!(pool.take().unwrap().get(), Some(&mut 7));
    }
}
