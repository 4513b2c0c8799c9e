//! A sink that keeps comparisons in memory.

use std::{
    collections::VecDeque,
    fmt,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

use crate::compare::{
    Comparison,
    sink::{ComparisonSink, Counts},
};

/// Keeps the newest comparisons in memory, for tests and for a page that shows them. When it is full
/// the oldest makes room, and counts as dropped.
///
/// Put it behind an `Arc`: give the router a clone of that, and keep the other.
pub struct MemorySink<P> {
    contents: Mutex<Contents<P>>,
    arrived: Condvar,
    capacity: usize,
}

struct Contents<P> {
    comparisons: VecDeque<Comparison<P>>,
    counts: Counts,
}

impl<P> MemorySink<P> {
    /// Keeps at most this many comparisons.
    pub fn new(capacity: usize) -> MemorySink<P> {
        let contents = Contents { comparisons: VecDeque::new(), counts: Counts::default() };
        MemorySink { contents: Mutex::new(contents), arrived: Condvar::new(), capacity }
    }

    /// How many comparisons are kept.
    pub fn len(&self) -> usize {
        self.contents.lock().comparisons.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes all that are kept, oldest first.
    pub fn take(&self) -> Vec<Comparison<P>> {
        std::mem::take(&mut self.contents.lock().comparisons).into()
    }

    /// Waits until this many comparisons have been recorded in all, for `timeout` at most. Returns
    /// whether they have.
    pub fn wait_for(&self, recorded: u64, timeout: Duration) -> bool {
        // A day at most: a longer time could be more than an instant holds.
        let until = Instant::now() + timeout.min(Duration::from_secs(86_400));
        let mut contents = self.contents.lock();
        while contents.counts.recorded < recorded {
            if self.arrived.wait_until(&mut contents, until).timed_out() {
                return contents.counts.recorded >= recorded;
            }
        }
        true
    }
}

impl<P: Clone> MemorySink<P> {
    /// A copy of all that are kept, oldest first.
    pub fn comparisons(&self) -> Vec<Comparison<P>> {
        self.contents.lock().comparisons.iter().cloned().collect()
    }
}

impl<P: Clone + Send> ComparisonSink<P> for MemorySink<P> {
    fn record(&self, comparison: &Comparison<P>) {
        let comparison = comparison.clone();
        let mut contents = self.contents.lock();
        let oldest = if contents.comparisons.len() >= self.capacity {
            contents.counts.dropped += 1;
            contents.comparisons.pop_front()
        } else {
            None
        };
        if self.capacity > 0 {
            contents.comparisons.push_back(comparison);
        }
        contents.counts.recorded += 1;
        drop(contents);
        // An answer's own `drop` runs outside the lock.
        drop(oldest);
        self.arrived.notify_all();
    }

    fn counts(&self) -> Counts {
        self.contents.lock().counts
    }
}

impl<P> fmt::Debug for MemorySink<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySink").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Run;

    #[test]
    fn the_oldest_makes_room_for_the_newest() {
        let sink = MemorySink::new(2);
        for number in 0..5_u8 {
            let side = || Run::new("v", Ok(number), Duration::ZERO);
            sink.record(&Comparison::new(side(), side()));
        }
        let kept: Vec<u8> =
            sink.comparisons().into_iter().map(|c| c.primary.outcome.unwrap()).collect();
        assert_eq!(kept, [3, 4]);
        assert_eq!(sink.counts(), Counts { recorded: 5, dropped: 3, failed: 0 });
        assert!(!sink.wait_for(6, Duration::ZERO));
    }
}
