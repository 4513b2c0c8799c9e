//! What became of each shadow run, counted exactly.

use std::{
    fmt,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::panic_pause::PanicPause;
use crate::{
    latency::{Latencies, Latency},
    sharded::Sharded,
    version::Version,
};

/// Why a shadow run that was wanted did not come to an answer in time.
///
/// A candidate that returns an error is none of these: its run completed, and is compared as an
/// error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropCause {
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
    /// The candidate has panicked three times or more in a row, and is left alone for a while: for a
    /// second, and after each further panic for twice as long, up to five minutes. An answer, or
    /// another model under its name, ends that.
    Resting,
    /// The request itself was refused or given up by its caller: there is no answer to compare with.
    Unanswered,
}

impl DropCause {
    pub(crate) const COUNT: usize = 7;

    /// Every cause.
    pub const ALL: [DropCause; DropCause::COUNT] = [
        DropCause::QueueFull,
        DropCause::Budget,
        DropCause::Deadline,
        DropCause::Panic,
        DropCause::Shutdown,
        DropCause::Resting,
        DropCause::Unanswered,
    ];

    /// A stable name for logs and metrics: `queue_full`, `budget`, and so on.
    pub fn as_str(self) -> &'static str {
        match self {
            DropCause::QueueFull => "queue_full",
            DropCause::Budget => "budget",
            DropCause::Deadline => "deadline",
            DropCause::Panic => "panic",
            DropCause::Shutdown => "shutdown",
            DropCause::Resting => "resting",
            DropCause::Unanswered => "unanswered",
        }
    }

    fn index(self) -> usize {
        match self {
            DropCause::QueueFull => 0,
            DropCause::Budget => 1,
            DropCause::Deadline => 2,
            DropCause::Panic => 3,
            DropCause::Shutdown => 4,
            DropCause::Resting => 5,
            DropCause::Unanswered => 6,
        }
    }
}

impl fmt::Display for DropCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One candidate version of a router, with the counts of its runs.
#[derive(Debug)]
pub(crate) struct CandidateCounts {
    version: Version,
    /// Requests write to them.
    shards: Sharded<Shard>,
    warned: AtomicBool,
    /// Drops of which sinks have not heard, and will hear the number.
    unreported: AtomicU64,
    /// Processor time of the answers and of the candidate's runs. Only shadow threads write to them.
    cpu_times: [Latencies; 2],
    /// Panics in a row, and the pause that they earned it.
    pub(super) panics: PanicPause,
}

#[derive(Debug, Default)]
struct Shard {
    handed_over: AtomicU64,
    refused: AtomicU64,
    dropped: [AtomicU64; DropCause::COUNT],
    agreed: AtomicU64,
    disagreed: AtomicU64,
    not_compared: AtomicU64,
    passed_over: AtomicU64,
}

impl Shard {
    fn count_dropped(&self, cause: DropCause) {
        if let Some(count) = self.dropped.get(cause.index()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl CandidateCounts {
    pub(crate) fn new(version: Version) -> CandidateCounts {
        CandidateCounts {
            version,
            shards: Sharded::new(Shard::default),
            warned: AtomicBool::new(false),
            unreported: AtomicU64::new(0),
            cpu_times: [Latencies::new(), Latencies::new()],
            panics: PanicPause::default(),
        }
    }

    pub(crate) fn version(&self) -> &Version {
        &self.version
    }

    // Relaxed throughout: each count stands for itself.

    /// A run was wanted, and not taken on.
    pub(super) fn refused(&self, cause: DropCause) {
        let shard = self.shards.of_this_thread();
        shard.refused.fetch_add(1, Ordering::Relaxed);
        shard.count_dropped(cause);
    }

    /// A run was taken on: it will be lost or completed.
    pub(super) fn handed_over(&self) {
        self.shards.of_this_thread().handed_over.fetch_add(1, Ordering::Relaxed);
    }

    /// A run that was taken on ended without an answer.
    pub(super) fn dropped(&self, cause: DropCause) {
        self.shards.of_this_thread().count_dropped(cause);
        if cause == DropCause::Panic && !self.warned.swap(true, Ordering::Relaxed) {
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
                "a shadow run was dropped"
            );
        }
    }

    /// A run that was taken on turned out not to be wanted.
    pub(super) fn passed_over(&self) {
        self.shards.of_this_thread().passed_over.fetch_add(1, Ordering::Relaxed);
    }

    /// A run that was taken on ended with an answer or an error.
    pub(super) fn completed(&self, agrees: Option<bool>) {
        let shard = self.shards.of_this_thread();
        let count = match agrees {
            Some(true) => &shard.agreed,
            Some(false) => &shard.disagreed,
            None => &shard.not_compared,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// There was no room to tell sinks of a drop. Answers whether it is the first since they heard
    /// the number.
    #[cold]
    pub(super) fn unreported(&self) -> bool {
        self.unreported.fetch_add(1, Ordering::Relaxed) == 0
    }

    /// How many drops there was no room to tell of, since this was last asked.
    pub(super) fn take_unreported(&self) -> u64 {
        self.unreported.swap(0, Ordering::Relaxed)
    }

    /// What an answer and the candidate's run took of processor time, where both are known.
    pub(super) fn took(&self, primary: Option<Duration>, candidate: Option<Duration>) {
        let [of_primary, of_candidate] = &self.cpu_times;
        if let (Some(primary), Some(candidate)) = (primary, candidate) {
            of_primary.count(primary);
            of_candidate.count(candidate);
        }
    }

    /// The sums over all shards.
    pub(crate) fn counts(&self) -> Counts {
        let sum = |count: fn(&Shard) -> &AtomicU64| {
            self.shards
                .iter()
                .fold(0_u64, |sum, shard| sum.wrapping_add(count(shard).load(Ordering::Relaxed)))
        };
        // Endings before beginnings, so that a run is not seen to end before it began.
        let (agreed, disagreed) = (sum(|s| &s.agreed), sum(|s| &s.disagreed));
        let not_compared = sum(|s| &s.not_compared);
        let mut dropped = [0_u64; DropCause::COUNT];
        for shard in self.shards.iter() {
            for (total, count) in dropped.iter_mut().zip(&shard.dropped) {
                *total = total.wrapping_add(count.load(Ordering::Relaxed));
            }
        }
        Counts {
            candidate: self.version.clone(),
            agreed,
            disagreed,
            not_compared,
            dropped,
            passed_over: sum(|s| &s.passed_over),
            refused: sum(|s| &s.refused),
            handed_over: sum(|s| &s.handed_over),
            primary_cpu: Latencies::read(self.cpu_times.iter().take(1)),
            candidate_cpu: Latencies::read(self.cpu_times.iter().skip(1)),
        }
    }
}

/// What became of a candidate's shadow runs since the router was built.
///
/// Each run that was wanted is handed over or refused; each one handed over ends as completed or
/// dropped, by exactly one cause. So at rest `wanted = completed + dropped`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    candidate: Version,
    handed_over: u64,
    refused: u64,
    passed_over: u64,
    agreed: u64,
    disagreed: u64,
    not_compared: u64,
    dropped: [u64; DropCause::COUNT],
    primary_cpu: Latency,
    candidate_cpu: Latency,
}

impl Counts {
    /// The candidate.
    pub fn candidate(&self) -> &Version {
        &self.candidate
    }

    /// Runs wanted: the flag asked for them, the sample drew them, and the policy's
    /// [filter](crate::Shadow::admit) did not pass them over.
    pub fn wanted(&self) -> u64 {
        self.handed_over.saturating_add(self.refused).saturating_sub(self.passed_over)
    }

    /// Runs taken on that the policy's [filter](crate::Shadow::admit) did not want: not among the
    /// wanted.
    pub fn passed_over(&self) -> u64 {
        self.passed_over
    }

    /// Runs taken on.
    pub fn handed_over(&self) -> u64 {
        self.handed_over
    }

    /// Runs not taken on, which are among the dropped: no room, no budget, shutting down, or a panic
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

    /// Runs dropped by this cause.
    pub fn dropped(&self, cause: DropCause) -> u64 {
        self.dropped.get(cause.index()).copied().unwrap_or(0)
    }

    /// Runs dropped by any cause.
    pub fn dropped_in_all(&self) -> u64 {
        self.dropped.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The processor time of the answers that were compared: of those pairs of which both sides
    /// [know it](crate::compare::Run::cpu_time), so that it can be held against
    /// [`candidate_cpu`](Self::candidate_cpu). A version's
    /// [service time](crate::router::stats::VersionStats::service_time) is by the clock on the wall, and cannot.
    pub fn primary_cpu(&self) -> Latency {
        self.primary_cpu
    }

    /// The processor time of the candidate's runs, of the same pairs.
    pub fn candidate_cpu(&self) -> Latency {
        self.candidate_cpu
    }

    /// Runs handed over that have not ended yet.
    pub fn pending(&self) -> u64 {
        self.wanted().saturating_sub(self.completed()).saturating_sub(self.dropped_in_all())
    }
}

/// As a map: `candidate`, `wanted`, `completed`, `agreed`, `disagreed`, `not_compared`, `pending`,
/// `passed_over`, `dropped` by cause, and `primary_cpu` and `candidate_cpu` as distributions.
impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut counts = serializer.serialize_struct("Counts", 11)?;
        counts.serialize_field("candidate", &self.candidate)?;
        counts.serialize_field("wanted", &self.wanted())?;
        counts.serialize_field("completed", &self.completed())?;
        counts.serialize_field("agreed", &self.agreed)?;
        counts.serialize_field("disagreed", &self.disagreed)?;
        counts.serialize_field("not_compared", &self.not_compared)?;
        counts.serialize_field("pending", &self.pending())?;
        counts.serialize_field("passed_over", &self.passed_over)?;
        counts.serialize_field("dropped", &Dropped(self))?;
        counts.serialize_field("primary_cpu", &self.primary_cpu)?;
        counts.serialize_field("candidate_cpu", &self.candidate_cpu)?;
        counts.end()
    }
}

struct Dropped<'a>(&'a Counts);

impl Serialize for Dropped<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let lost = DropCause::ALL.map(|cause| (cause.as_str(), self.0.dropped(cause)));
        serializer.collect_map(lost)
    }
}
