//! What became of each shadow run, counted exactly.

use std::{
    fmt,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::{sharded::Sharded, version::Version};

/// Why a shadow run that was wanted did not come to an answer in time.
///
/// A candidate that returns an error is none of these: its run completed, and is compared as an
/// error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LossCause {
    /// The queue was full.
    QueueFull,
    /// The processor-time budget was used up.
    Budget,
    /// The deadline passed while the run waited, or before it ended.
    Deadline,
    /// The candidate panicked. Sinks see the run all the same, with the panic as its error.
    Panic,
    /// The router was shut down first.
    Shutdown,
}

impl LossCause {
    pub(crate) const COUNT: usize = 5;

    /// Every cause.
    pub const ALL: [LossCause; LossCause::COUNT] = [
        LossCause::QueueFull,
        LossCause::Budget,
        LossCause::Deadline,
        LossCause::Panic,
        LossCause::Shutdown,
    ];

    /// A stable name for logs and metrics: `queue_full`, `budget`, and so on.
    pub fn as_str(self) -> &'static str {
        match self {
            LossCause::QueueFull => "queue_full",
            LossCause::Budget => "budget",
            LossCause::Deadline => "deadline",
            LossCause::Panic => "panic",
            LossCause::Shutdown => "shutdown",
        }
    }

    fn index(self) -> usize {
        match self {
            LossCause::QueueFull => 0,
            LossCause::Budget => 1,
            LossCause::Deadline => 2,
            LossCause::Panic => 3,
            LossCause::Shutdown => 4,
        }
    }
}

impl fmt::Display for LossCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One candidate version of a router, with the counts of its runs.
#[derive(Debug)]
pub(crate) struct Candidate {
    version: Version,
    /// Requests write to them.
    shards: Sharded<Shard>,
    warned: AtomicBool,
}

#[derive(Debug, Default)]
struct Shard {
    handed_over: AtomicU64,
    refused: AtomicU64,
    lost: [AtomicU64; LossCause::COUNT],
    agreed: AtomicU64,
    disagreed: AtomicU64,
    not_compared: AtomicU64,
}

impl Shard {
    fn count_lost(&self, cause: LossCause) {
        if let Some(count) = self.lost.get(cause.index()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Candidate {
    pub(crate) fn new(version: Version) -> Candidate {
        Candidate { version, shards: Sharded::new(Shard::default), warned: AtomicBool::new(false) }
    }

    pub(crate) fn version(&self) -> &Version {
        &self.version
    }

    // Relaxed throughout: each count stands for itself.

    /// A run was wanted, and not taken on.
    pub(super) fn refused(&self, cause: LossCause) {
        let shard = self.shards.mine();
        shard.refused.fetch_add(1, Ordering::Relaxed);
        shard.count_lost(cause);
    }

    /// A run was taken on: it will be lost or completed.
    pub(super) fn handed_over(&self) {
        self.shards.mine().handed_over.fetch_add(1, Ordering::Relaxed);
    }

    /// A run that was taken on ended without an answer.
    pub(super) fn lost(&self, cause: LossCause) {
        self.shards.mine().count_lost(cause);
        if cause == LossCause::Panic && !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                target: "modelgate::shadow",
                candidate = %self.version,
                cause = cause.as_str(),
                "a shadow run panicked; further panics are only counted"
            );
        } else {
            tracing::debug!(
                target: "modelgate::shadow",
                candidate = %self.version,
                cause = cause.as_str(),
                "a shadow run was lost"
            );
        }
    }

    /// A run that was taken on ended with an answer or an error.
    pub(super) fn completed(&self, agrees: Option<bool>) {
        let shard = self.shards.mine();
        let count = match agrees {
            Some(true) => &shard.agreed,
            Some(false) => &shard.disagreed,
            None => &shard.not_compared,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// The sums over all shards.
    pub(crate) fn counts(&self) -> ShadowCounts {
        let sum = |count: fn(&Shard) -> &AtomicU64| {
            self.shards
                .iter()
                .fold(0_u64, |sum, shard| sum.wrapping_add(count(shard).load(Ordering::Relaxed)))
        };
        // Endings before beginnings, so that a run is not seen to end before it began.
        let (agreed, disagreed) = (sum(|s| &s.agreed), sum(|s| &s.disagreed));
        let not_compared = sum(|s| &s.not_compared);
        let mut lost = [0_u64; LossCause::COUNT];
        for shard in self.shards.iter() {
            for (total, count) in lost.iter_mut().zip(&shard.lost) {
                *total = total.wrapping_add(count.load(Ordering::Relaxed));
            }
        }
        ShadowCounts {
            candidate: self.version.clone(),
            agreed,
            disagreed,
            not_compared,
            lost,
            refused: sum(|s| &s.refused),
            handed_over: sum(|s| &s.handed_over),
        }
    }
}

/// What became of a candidate's shadow runs since the router was built.
///
/// Each run that was wanted is handed over or refused; each one handed over ends as completed or
/// lost, by exactly one cause. So at rest `wanted = completed + lost`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShadowCounts {
    candidate: Version,
    handed_over: u64,
    refused: u64,
    agreed: u64,
    disagreed: u64,
    not_compared: u64,
    lost: [u64; LossCause::COUNT],
}

impl ShadowCounts {
    /// The candidate.
    pub fn candidate(&self) -> &Version {
        &self.candidate
    }

    /// Runs wanted: the flag asked for them, and the sample drew them.
    pub fn wanted(&self) -> u64 {
        self.handed_over.saturating_add(self.refused)
    }

    /// Runs taken on.
    pub fn handed_over(&self) -> u64 {
        self.handed_over
    }

    /// Runs not taken on, which are among the lost: no room, no budget, shutting down, or a panic
    /// while features or output were copied.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Runs that came to an answer or an error in time.
    pub fn completed(&self) -> u64 {
        self.agreed.saturating_add(self.disagreed).saturating_add(self.not_compared)
    }

    /// Completed runs whose answer agreed with the primary's.
    pub fn agreed(&self) -> u64 {
        self.agreed
    }

    /// Completed runs whose answer did not agree.
    pub fn disagreed(&self) -> u64 {
        self.disagreed
    }

    /// Completed runs that were not compared: one side failed, or there is no comparator.
    pub fn not_compared(&self) -> u64 {
        self.not_compared
    }

    /// Runs lost by this cause.
    pub fn lost(&self, cause: LossCause) -> u64 {
        self.lost.get(cause.index()).copied().unwrap_or(0)
    }

    /// Runs lost by any cause.
    pub fn lost_in_all(&self) -> u64 {
        self.lost.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Runs handed over that have not ended yet.
    pub fn pending(&self) -> u64 {
        self.wanted().saturating_sub(self.completed()).saturating_sub(self.lost_in_all())
    }
}

/// As a map: `candidate`, `wanted`, `completed`, `agreed`, `disagreed`, `not_compared`, `pending`,
/// and `lost` by cause.
impl Serialize for ShadowCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut counts = serializer.serialize_struct("ShadowCounts", 8)?;
        counts.serialize_field("candidate", &self.candidate)?;
        counts.serialize_field("wanted", &self.wanted())?;
        counts.serialize_field("completed", &self.completed())?;
        counts.serialize_field("agreed", &self.agreed)?;
        counts.serialize_field("disagreed", &self.disagreed)?;
        counts.serialize_field("not_compared", &self.not_compared)?;
        counts.serialize_field("pending", &self.pending())?;
        counts.serialize_field("lost", &Losses(self))?;
        counts.end()
    }
}

struct Losses<'a>(&'a ShadowCounts);

impl Serialize for Losses<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let lost = LossCause::ALL.map(|cause| (cause.as_str(), self.0.lost(cause)));
        serializer.collect_map(lost)
    }
}
