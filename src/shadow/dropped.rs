//! Shadow runs that came to no comparison: what sinks are told of them.
//!
//! A run may be dropped on the path of a request, where no sink may be called: it would be
//! somebody else's code. So what is known of it is put into a bounded queue, which the shadow
//! threads empty. Of drops that find the queue full sinks hear the number by candidate, once what
//! is in it has been told.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::counts::{CandidateCounts, DropCause};
use crate::{compare::key::KeyHash, prediction_id::PredictionId, version::Version};

/// A shadow run that was wanted and dropped, as a
/// [`ComparisonSink`](crate::compare::sink::ComparisonSink) is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// The answer that the caller got, or was to get.
    pub prediction_id: PredictionId,
    /// When the run was wanted.
    pub time: SystemTime,
    /// The flag revision that chose both versions.
    pub revision: u64,
    /// The user's keyed hash; `None` when nothing identified the caller.
    pub key_hash: Option<KeyHash>,
    /// The version that answered the caller.
    pub primary: Version,
    /// The version that was to run in its shadow.
    pub candidate: Version,
    /// Why it did not, or why its outcome does not count.
    pub cause: DropCause,
}

impl Dropped {
    /// A run of these versions, dropped for this cause, with a new id and nothing else filled in:
    /// for tests of your own sinks.
    ///
    /// ```
    /// use modelgate::shadow::{DropCause, Dropped};
    ///
    /// let dropped = Dropped::new("v1", "v2", DropCause::Budget);
    /// assert_eq!((dropped.candidate.as_str(), dropped.cause.as_str()), ("v2", "budget"));
    /// ```
    pub fn new(
        primary: impl Into<Version>,
        candidate: impl Into<Version>,
        cause: DropCause,
    ) -> Dropped {
        Dropped {
            prediction_id: PredictionId::generate(),
            time: UNIX_EPOCH,
            revision: 0,
            key_hash: None,
            primary: primary.into(),
            candidate: candidate.into(),
            cause,
        }
    }
}

/// The request that wanted a shadow.
#[derive(Clone, Debug)]
pub(crate) struct ShadowRequest {
    pub(crate) prediction_id: PredictionId,
    pub(crate) revision: u64,
    /// Hashed on the shadow side.
    pub(crate) targeting_key: Option<Box<str>>,
    pub(crate) primary: Version,
}

/// A dropped run on its way to the sinks.
#[derive(Debug)]
pub(super) struct DropNotice {
    pub(super) wanted: ShadowRequest,
    pub(super) candidate: Arc<CandidateCounts>,
    pub(super) cause: DropCause,
    pub(super) time: Duration,
}

/// Notices that wait, so many at most.
const ROOM: usize = 1_024;

/// The queue of [`DropNotice`]s.
#[derive(Debug)]
pub(super) struct DropNotices {
    /// `None` where there is no sink to tell.
    queue: Option<(Sender<DropNotice>, Receiver<DropNotice>)>,
    /// Candidates of which there are numbers to be told: each about once, however many drops it has.
    behind: (Sender<Arc<CandidateCounts>>, Receiver<Arc<CandidateCounts>>),
    unreported: AtomicU64,
}

impl DropNotices {
    pub(super) fn new(wanted: bool) -> DropNotices {
        DropNotices {
            queue: wanted.then(|| bounded(ROOM)),
            behind: unbounded(),
            unreported: AtomicU64::new(0),
        }
    }

    /// Whether anybody wants to know.
    pub(super) fn are_wanted(&self) -> bool {
        self.queue.is_some()
    }

    /// Never waits. Answers whether it is time to empty the queue: once for every half of it.
    pub(super) fn put(&self, notice: DropNotice) -> bool {
        let Some((sender, _)) = &self.queue else { return false };
        if let Err(full) = sender.try_send(notice) {
            let candidate = full.into_inner().candidate;
            if candidate.unreported() {
                // Both ends are here: it cannot be closed.
                let _ = self.behind.0.send(candidate);
            }
            self.unreported.fetch_add(1, Ordering::Relaxed);
        }
        sender.len() == ROOM / 2
    }

    /// The next that waits.
    pub(super) fn take(&self) -> Option<DropNotice> {
        self.queue.as_ref().and_then(|(_, receiver)| receiver.try_recv().ok())
    }

    /// The next candidate of which there is a number to be told, and the number.
    pub(super) fn take_unreported(&self) -> Option<(Arc<CandidateCounts>, u64)> {
        let candidate = self.behind.1.try_recv().ok()?;
        let runs = candidate.take_unreported();
        Some((candidate, runs))
    }

    pub(super) fn are_empty(&self) -> bool {
        self.queue.as_ref().is_none_or(|(_, receiver)| receiver.is_empty())
            && self.behind.1.is_empty()
    }

    /// Drops of which sinks hear the number only, because the queue was full.
    pub(super) fn unreported(&self) -> u64 {
        self.unreported.load(Ordering::Relaxed)
    }
}

/// A run that was taken on: whoever has this says how it ended.
pub(super) struct Claim {
    candidate: Arc<CandidateCounts>,
    wanted: Option<ShadowRequest>,
    time: Duration,
    notices: Arc<DropNotices>,
}

impl Claim {
    /// `wanted` is asked for only where a sink may want to know.
    pub(super) fn new(
        candidate: &Arc<CandidateCounts>,
        notices: &Arc<DropNotices>,
        time: Duration,
        wanted: impl FnOnce() -> ShadowRequest,
    ) -> Claim {
        Claim {
            candidate: Arc::clone(candidate),
            wanted: notices.are_wanted().then(wanted),
            time,
            notices: Arc::clone(notices),
        }
    }

    /// It came to an answer or an error, which is in a comparison.
    pub(super) fn completed(
        self,
        agrees: Option<bool>,
        (primary, candidate): (Option<Duration>, Option<Duration>),
    ) {
        self.candidate.took(primary, candidate);
        self.candidate.panics.end();
        self.candidate.completed(agrees);
    }

    /// It panicked, and the comparison says so.
    pub(super) fn panicked(self, now: Duration) {
        self.candidate.panics.panicked(now);
        self.candidate.dropped(DropCause::Panic);
    }

    /// The run was not wanted after all.
    pub(super) fn passed_over(self) {
        self.candidate.passed_over();
    }

    /// There will be no comparison.
    pub(super) fn dropped(self, cause: DropCause) {
        self.candidate.dropped(cause);
        if let Some(wanted) = self.wanted {
            let candidate = self.candidate;
            self.notices.put(DropNotice { wanted, candidate, cause, time: self.time });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice() -> DropNotice {
        let wanted = ShadowRequest {
            prediction_id: PredictionId::from_u128(1),
            revision: 1,
            targeting_key: None,
            primary: Version::new("v1"),
        };
        DropNotice {
            wanted,
            candidate: Arc::new(CandidateCounts::new(Version::new("v2"))),
            cause: DropCause::Budget,
            time: Duration::ZERO,
        }
    }

    #[test]
    fn a_full_queue_counts_what_it_cannot_take_and_calls_once_at_half() {
        let notices = DropNotices::new(true);
        let called: Vec<usize> = (0..ROOM + 3).filter(|_| notices.put(notice())).collect();
        assert_eq!(called, [ROOM / 2 - 1]);
        assert_eq!(notices.unreported(), 3);
        assert_eq!(std::iter::from_fn(|| notices.take()).count(), ROOM);
        assert!(!notices.are_empty(), "three numbers are to be told");
        assert_eq!(std::iter::from_fn(|| notices.take_unreported()).count(), 3);
        assert!(notices.are_empty());
    }

    #[test]
    fn nothing_is_kept_where_nobody_wants_to_know() {
        let notices = DropNotices::new(false);
        assert!(!notices.put(notice()) && notices.take().is_none());
        assert_eq!(notices.unreported(), 0);
    }
}
