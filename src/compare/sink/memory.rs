//! Comparisons kept in memory.

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

/// Keeps the newest comparisons in memory, for tests and for a page that shows them. When it is
/// full the oldest makes room, and counts as dropped.
///
/// Hand the router one behind an `Arc`, and keep the other.
pub struct MemorySink<P> {
    kept: Mutex<Kept<P>>,
    arrived: Condvar,
    capacity: usize,
}

struct Kept<P> {
    comparisons: VecDeque<Comparison<P>>,
    counts: Counts,
}

impl<P> MemorySink<P> {
    /// Keeps at most this many comparisons.
    pub fn new(capacity: usize) -> MemorySink<P> {
        let kept = Kept { comparisons: VecDeque::new(), counts: Counts::default() };
        MemorySink { kept: Mutex::new(kept), arrived: Condvar::new(), capacity }
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.kept.lock().comparisons.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes all that are kept, oldest first.
    pub fn take(&self) -> Vec<Comparison<P>> {
        std::mem::take(&mut self.kept.lock().comparisons).into()
    }

    /// Waits until this many comparisons were recorded in all, at most for `timeout`. Answers
    /// whether they were.
    pub fn wait_for(&self, recorded: u64, timeout: Duration) -> bool {
        let until = Instant::now() + timeout.min(Duration::from_secs(86_400));
        let mut kept = self.kept.lock();
        while kept.counts.recorded < recorded {
            if self.arrived.wait_until(&mut kept, until).timed_out() {
                return kept.counts.recorded >= recorded;
            }
        }
        true
    }
}

impl<P: Clone> MemorySink<P> {
    /// A copy of all that are kept, oldest first.
    pub fn comparisons(&self) -> Vec<Comparison<P>> {
        self.kept.lock().comparisons.iter().cloned().collect()
    }
}

impl<P: Clone + Send> ComparisonSink<P> for MemorySink<P> {
    fn record(&self, comparison: &Comparison<P>) {
        let comparison = comparison.clone();
        let mut kept = self.kept.lock();
        let oldest = if kept.comparisons.len() >= self.capacity {
            kept.counts.dropped += 1;
            kept.comparisons.pop_front()
        } else {
            None
        };
        if self.capacity > 0 {
            kept.comparisons.push_back(comparison);
        }
        kept.counts.recorded += 1;
        drop(kept);
        // An answer's own `drop` runs outside the lock.
        drop(oldest);
        self.arrived.notify_all();
    }

    fn counts(&self) -> Counts {
        self.kept.lock().counts
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
