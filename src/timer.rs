//! Deadlines for futures of any runtime: one named thread that wakes them.

use std::{
    collections::BTreeMap,
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant,
};

use parking_lot::{Condvar, Mutex};

use crate::{contain::contained, process::OwnerProcess};

/// Wakes futures when their time has come. Its thread ends when it is dropped; nobody waits for
/// that, for the last future may be dropped in a request, and what wakes may take its time.
#[derive(Debug)]
pub(crate) struct Timer {
    shared: Arc<TimerShared>,
    owner: OwnerProcess,
}

#[derive(Debug, Default)]
struct TimerShared {
    state: Mutex<TimerState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct TimerState {
    /// By moment; the number keeps two sleeps of one moment apart.
    sleepers: BTreeMap<(Instant, u64), Waker>,
    next: u64,
    stopped: bool,
}

impl Timer {
    pub(crate) fn start() -> io::Result<Timer> {
        let shared = Arc::new(TimerShared::default());
        let theirs = Arc::clone(&shared);
        std::thread::Builder::new().name("modelgate-timer".into()).spawn(move || theirs.run())?;
        Ok(Timer { shared, owner: OwnerProcess::current() })
    }

    /// A future that is ready at `moment`.
    pub(crate) fn sleep_until(&self, moment: Instant) -> Sleep {
        Sleep { shared: Arc::clone(&self.shared), moment, number: None }
    }
}

impl Timer {
    /// Wakes somebody at `moment`.
    pub(crate) fn wake_at(&self, moment: Instant, waker: Waker) {
        let mut state = self.shared.state.lock();
        state.next += 1;
        let key = (moment, state.next);
        state.sleepers.insert(key, waker);
        let is_first = state.sleepers.first_key_value().is_some_and(|(first, _)| *first == key);
        drop(state);
        if is_first {
            self.shared.changed.notify_all();
        }
    }
}

impl TimerShared {
    fn run(&self) {
        let mut state = self.state.lock();
        while !state.stopped {
            let now = Instant::now();
            match state.sleepers.first_entry() {
                None => self.changed.wait(&mut state),
                Some(first) if first.key().0 > now => {
                    let moment = first.key().0;
                    self.changed.wait_until(&mut state, moment);
                }
                Some(first) => {
                    let waker = first.remove();
                    // A waker may poll its task right here: never under the lock, and a panic
                    // in it must not end every other deadline.
                    parking_lot::MutexGuard::unlocked(&mut state, || {
                        let _ = contained(|| waker.wake());
                    });
                }
            }
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // In a forked child the lock may be held by a thread that is not there.
        if self.owner.is_current() {
            self.shared.state.lock().stopped = true;
            self.shared.changed.notify_all();
        }
    }
}

/// See [`Timer::sleep_until`].
#[derive(Debug)]
pub(crate) struct Sleep {
    shared: Arc<TimerShared>,
    moment: Instant,
    number: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= self.moment {
            return Poll::Ready(());
        }
        let shared = Arc::clone(&self.shared);
        // A waker's code is an executor's: not under the lock.
        let waker = context.waker().clone();
        let mut state = shared.state.lock();
        let number = *self.number.get_or_insert_with(|| {
            state.next += 1;
            state.next
        });
        let key = (self.moment, number);
        let replaced = state.sleepers.insert(key, waker);
        let is_first = state.sleepers.first_key_value().is_some_and(|(first, _)| *first == key);
        drop(state);
        // Outside the lock: dropping a waker may drop its task, and with it this future.
        drop(replaced);
        if is_first {
            shared.changed.notify_all();
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let waker = self.shared.state.lock().sleepers.remove(&(self.moment, number));
            drop(waker);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn sleeps_end_in_the_order_of_their_moments() {
        let timer = Timer::start().unwrap();
        let start = Instant::now();
        let (first, second) = (start + Duration::from_millis(5), start + Duration::from_millis(20));
        let late = timer.sleep_until(second);
        let early = timer.sleep_until(first);
        futures::executor::block_on(early);
        assert!(Instant::now() >= first);
        futures::executor::block_on(late);
        assert!(Instant::now() >= second);
        assert!(timer.shared.state.lock().sleepers.is_empty());
    }

    #[test]
    fn a_dropped_sleep_leaves_nothing_behind() {
        let timer = Timer::start().unwrap();
        let far = Instant::now() + Duration::from_secs(3_600);
        let mut sleep = timer.sleep_until(far);
        let waker = futures::task::noop_waker();
        assert!(Pin::new(&mut sleep).poll(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(timer.shared.state.lock().sleepers.len(), 1);
        drop(sleep);
        assert!(timer.shared.state.lock().sleepers.is_empty());
        drop(timer);
    }
}
