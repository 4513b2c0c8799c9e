//! A sink that sends comparisons through a channel.

use std::{
    fmt,
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
};

use crate::compare::{
    Comparison,
    sink::{ComparisonSink, Counts},
};

/// Sends each comparison through a bounded channel. Never waits: when the channel is full, or
/// nobody receives any more, the comparison is dropped and counted.
///
/// ```
/// use modelgate::compare::sink::ChannelSink;
///
/// let (sink, comparisons) = ChannelSink::<f32>::new(1024);
/// std::thread::spawn(move || {
///     for comparison in comparisons {
///         println!("{:?}", comparison.agreement);
///     }
/// });
/// # drop(sink);
/// ```
pub struct ChannelSink<P> {
    sender: SyncSender<Comparison<P>>,
    recorded: AtomicU64,
    dropped: AtomicU64,
}

impl<P> ChannelSink<P> {
    /// A sink, and the receiving end of its channel. The channel holds up to `capacity` comparisons, a
    /// million at most; memory for them is taken at once.
    pub fn new(capacity: usize) -> (ChannelSink<P>, Receiver<Comparison<P>>) {
        let (sender, receiver) = sync_channel(capacity.min(1_000_000));
        let sink = ChannelSink { sender, recorded: AtomicU64::new(0), dropped: AtomicU64::new(0) };
        (sink, receiver)
    }
}

impl<P: Clone + Send> ComparisonSink<P> for ChannelSink<P> {
    fn record(&self, comparison: &Comparison<P>) {
        let count = match self.sender.try_send(comparison.clone()) {
            Ok(()) => &self.recorded,
            Err(_) => &self.dropped,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn counts(&self) -> Counts {
        Counts {
            recorded: self.recorded.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            failed: 0,
        }
    }
}

impl<P> fmt::Debug for ChannelSink<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelSink").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::compare::Run;

    #[test]
    fn a_full_or_closed_channel_drops_and_counts() {
        let (sink, receiver) = ChannelSink::new(1);
        let side = || Run::new("v", Ok(1_u8), Duration::ZERO);
        sink.record(&Comparison::new(side(), side()));
        sink.record(&Comparison::new(side(), side()));
        assert_eq!(receiver.try_iter().count(), 1);
        drop(receiver);
        sink.record(&Comparison::new(side(), side()));
        assert_eq!(sink.counts(), Counts { recorded: 1, dropped: 2, failed: 0 });
    }
}
