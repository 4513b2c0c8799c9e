//! The limit on requests in flight, and on those that wait.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Error;
use crate::shadow::is_shadow;

#[derive(Debug)]
pub(super) struct Limit {
    places: Arc<Semaphore>,
    /// A share for shadows alone, so that shadows which wait for a slow server take no place from live
    /// requests.
    shadow_places: Arc<Semaphore>,
    in_flight: usize,
    waiting: AtomicUsize,
    most_waiting: usize,
    refused: AtomicUsize,
}

impl Limit {
    pub(super) fn new(in_flight: usize, most_waiting: usize) -> Limit {
        Limit {
            places: Arc::new(Semaphore::new(in_flight)),
            // An eighth: enough for a sample, and little load on the server beside live requests.
            shadow_places: Arc::new(Semaphore::new((in_flight / 8).max(1))),
            in_flight,
            waiting: AtomicUsize::new(0),
            most_waiting,
            refused: AtomicUsize::new(0),
        }
    }

    /// Waits for a place among the requests in flight. Dropping the permit gives it back.
    pub(super) async fn place(&self) -> Result<OwnedSemaphorePermit, Error> {
        let overloaded =
            || Error::Overloaded { in_flight: self.in_flight, waiting: self.most_waiting };
        if is_shadow() {
            let place = Arc::clone(&self.shadow_places).acquire_owned().await;
            return place.map_err(|_| overloaded());
        }
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(place);
        }
        // Relaxed: a count that no other memory depends on.
        let taken = self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |waiting| {
            (waiting < self.most_waiting).then_some(waiting + 1)
        });
        if taken.is_err() {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(overloaded());
        }
        let _waits = WaitingCount(&self.waiting);
        // Cannot fail: the semaphore is never closed.
        Arc::clone(&self.places).acquire_owned().await.map_err(|_| overloaded())
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.saturating_sub(self.places.available_permits())
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(super) fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }
}

/// Counts a waiting request until it is dropped.
struct WaitingCount<'a>(&'a AtomicUsize);

impl Drop for WaitingCount<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    #[test]
    fn those_beyond_the_limit_wait_or_are_refused_and_leave_when_they_give_up() {
        let limit = Limit::new(1, 1);
        let mut context = Context::from_waker(Waker::noop());
        let mut poll =
            |future: std::pin::Pin<&mut dyn Future<Output = _>>| future.poll(&mut context);
        let Poll::Ready(Ok(place)) = poll(pin!(limit.place())) else { panic!("no place") };
        {
            let mut second = pin!(limit.place());
            assert!(poll(second.as_mut()).is_pending());
            assert_eq!((limit.in_flight(), limit.waiting()), (1, 1));
            let refused = poll(pin!(limit.place()));
            assert!(matches!(refused, Poll::Ready(Err(Error::Overloaded { .. }))));
        }
        assert_eq!((limit.waiting(), limit.refused()), (0, 1));
        drop(place);
        assert!(matches!(poll(pin!(limit.place())), Poll::Ready(Ok(_))));
    }

    #[test]
    fn a_shadow_takes_no_place_of_a_live_request() {
        let limit = Limit::new(1, 1);
        let mut context = Context::from_waker(Waker::noop());
        let mut poll =
            |future: std::pin::Pin<&mut dyn Future<Output = _>>| future.poll(&mut context);
        let _shadow = {
            let _inside = crate::shadow::ShadowScope::enter(None);
            let Poll::Ready(Ok(place)) = poll(pin!(limit.place())) else { panic!("no place") };
            assert!(poll(pin!(limit.place())).is_pending(), "shadows take turns");
            place
        };
        assert_eq!(limit.in_flight(), 0);
        assert!(matches!(poll(pin!(limit.place())), Poll::Ready(Ok(_))));
    }
}
