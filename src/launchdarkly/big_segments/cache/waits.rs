//! Until when evaluations wait for the contexts that are being fetched.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// The contexts that evaluations wait for, each since when. Evaluations of one context share its time:
/// a flag may ask of many segments, and a store that hangs would make it wait for each of them.
#[derive(Default)]
pub(super) struct Waits(Mutex<HashMap<Box<str>, Instant>>);

impl Waits {
    /// How much longer an evaluation may wait for this context, which may be waited for `most`.
    pub(super) fn left(&self, key: &str, most: Duration, now: Instant) -> Duration {
        let mut waits = self.0.lock();
        let since = match waits.get(key) {
            Some(since) => *since,
            None => *waits.entry(key.into()).or_insert(now),
        };
        most.saturating_sub(now.saturating_duration_since(since))
    }

    /// The context was fetched, or will not be: whoever asks for it next has all the time again.
    pub(super) fn end(&self, key: &str) {
        self.0.lock().remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_who_wait_for_a_context_share_its_time_until_it_is_fetched() {
        let (waits, now) = (Waits::default(), Instant::now());
        let [none, half, most] = [0, 5, 10].map(Duration::from_secs);
        let left = |key: &str, after: Duration| waits.left(key, most, now + after);
        assert_eq!(left("a", none), most);
        assert_eq!(left("a", half), half);
        assert_eq!(left("b", half), most, "another context has its own time");
        assert_eq!(left("a", most + half), none);
        waits.end("a");
        assert_eq!(left("a", most + half), most);
        assert_eq!(waits.left("a", Duration::MAX, now), Duration::MAX);
    }
}
