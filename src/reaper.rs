//! Freeing what others may still hold, on a thread of our own.
//!
//! The last to let go of a model, a table or a router is often a live request, and what is freed
//! may take its time: an engine's memory, a user's `Drop`, the grace of a shadow. So one more
//! handle is kept here until it is the last.

use std::{sync::Arc, time::Duration};

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::contain::contained;

/// How often the thread looks, at first and at last.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Threads that go on beside each other while there is something to free.
const MOST_WATCHERS: usize = 8;

/// Frees the value when nobody else holds it, a tenth of a second later at most.
///
/// There is a thread for this only while something waits. Where the system has none to give, what
/// waits goes on waiting until the next call.
pub(crate) fn drop_when_last<T: Send + Sync + ?Sized + 'static>(value: Arc<T>) {
    let mut state = REAPER.state.lock();
    state.waiting.push(Box::new(value));
    ensure_watcher(state);
}

static REAPER: Reaper = Reaper {
    state: Mutex::new(ReaperState { waiting: Vec::new(), watchers: 0 }),
    changed: Condvar::new(),
};

struct Reaper {
    state: Mutex<ReaperState>,
    changed: Condvar,
}

struct ReaperState {
    waiting: Vec<Box<dyn Reapable>>,
    /// Threads that look after those that wait; one that is freeing a value is none of them.
    watchers: usize,
}

trait Reapable: Send {
    fn is_last(&self) -> bool;
}

impl<T: Send + Sync + ?Sized> Reapable for Arc<T> {
    fn is_last(&self) -> bool {
        Arc::strong_count(self) == 1
    }
}

impl ReaperState {
    /// One that nobody else holds.
    fn take_last(&mut self) -> Option<Box<dyn Reapable>> {
        let place = self.waiting.iter().position(|value| value.is_last())?;
        Some(self.waiting.swap_remove(place))
    }
}

/// Has a thread look after those that wait.
fn ensure_watcher(mut state: MutexGuard<'_, ReaperState>) {
    if state.watchers > 0 || state.waiting.is_empty() {
        drop(state);
        REAPER.changed.notify_one();
        return;
    }
    state.watchers = 1;
    drop(state);
    let thread = std::thread::Builder::new().name("modelgate-reaper".into()).spawn(watch);
    if thread.is_err() {
        leave(&mut REAPER.state.lock());
    }
}

fn leave(state: &mut ReaperState) {
    state.watchers = state.watchers.saturating_sub(1);
}

/// Where many values are free at once a few threads take turns: starting one for each would take longer
/// than a store that changes all the time takes to replace them.
fn watch() {
    let mut pause = SHORTEST_PAUSE;
    let mut state = REAPER.state.lock();
    loop {
        if let Some(free) = state.take_last() {
            // Whatever this does when it is freed, another thread looks after the rest.
            leave(&mut state);
            ensure_watcher(state);
            let _ = contained(|| drop(free));
            state = REAPER.state.lock();
            state.watchers = state.watchers.saturating_add(1);
            pause = SHORTEST_PAUSE;
            if state.watchers <= MOST_WATCHERS {
                continue;
            }
        }
        // One is enough to wait.
        if state.waiting.is_empty() || state.watchers > 1 {
            leave(&mut state);
            return;
        }
        let woken = !REAPER.changed.wait_for(&mut state, pause).timed_out();
        pause = if woken { SHORTEST_PAUSE } else { pause.saturating_mul(2).min(LONGEST_PAUSE) };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// Says on which thread it was freed, after whatever it is told to wait for.
    struct Tells(mpsc::Sender<String>, Option<Mutex<mpsc::Receiver<()>>>);

    impl Drop for Tells {
        fn drop(&mut self) {
            if let Some(wait) = &self.1 {
                let _ = wait.lock().recv_timeout(PATIENCE);
            }
            let thread = std::thread::current();
            let _ = self.0.send(thread.name().unwrap_or_default().to_owned());
        }
    }

    #[test]
    fn the_last_user_does_not_free_it() {
        let (freed, told) = mpsc::channel();
        let value = Arc::new(Tells(freed, None));
        drop_when_last(Arc::clone(&value));
        assert!(told.try_recv().is_err());
        drop(value);
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), "modelgate-reaper");
    }

    #[test]
    fn one_that_takes_its_time_holds_up_no_other() {
        let (go_on, wait) = mpsc::channel();
        let ((slow, slow_told), (quick, quick_told)) = (mpsc::channel(), mpsc::channel());
        drop_when_last(Arc::new(Tells(slow, Some(Mutex::new(wait)))));
        let later = Arc::new(Tells(quick, None));
        drop_when_last(Arc::clone(&later));
        drop(later);
        assert_eq!(quick_told.recv_timeout(PATIENCE).unwrap(), "modelgate-reaper");
        assert!(slow_told.try_recv().is_err());
        go_on.send(()).unwrap();
        slow_told.recv_timeout(PATIENCE).unwrap();
    }

    #[test]
    fn many_that_are_free_at_once_are_all_freed() {
        let (freed, told) = mpsc::channel();
        let held: Vec<_> = (0..5_000).map(|_| Arc::new(Tells(freed.clone(), None))).collect();
        held.iter().for_each(|value| drop_when_last(Arc::clone(value)));
        drop(held);
        for _ in 0..5_000 {
            told.recv_timeout(PATIENCE).unwrap();
        }
    }
}
