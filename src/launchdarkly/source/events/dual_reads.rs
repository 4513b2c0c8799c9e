//! A shadow's comparisons, reported as the vendor's own dual reads.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::UNIX_EPOCH,
};

use crossbeam_channel::{Receiver, Sender};
use serde_json::{Value as Json, json};

use super::context::Privacy;
use crate::{
    compare::{
        Comparison, Run,
        sink::{self, ComparisonSink},
    },
    launchdarkly::{
        ContextSnapshot, SingleContext,
        time::{milliseconds, now},
    },
    version::Version,
};

/// How many comparisons wait for the next payload; further ones are dropped and counted.
const CAPACITY: usize = 10_000;

/// Reports a shadow's comparisons to LaunchDarkly as `migration_op` events: which versions ran, whether
/// they agreed, how long each took, and which failed.
///
/// Give it to a router as a sink, and to the source that reports it. Comparisons of other versions
/// than these two are left out. Where the old version answered and the new one ran in its shadow, the
/// migration is in the stage `shadow`; the other way around, in `live`.
///
/// An event needs a context: its key is the targeting key if the
/// [shadow policy keeps it](crate::Shadow::record_targeting_key), or else its keyed hash, marked as
/// anonymous. A comparison of nobody is left out. The event does not say which variation of the
/// migration flag the stage came of, nor why: a router is not routed by that flag.
///
/// ```no_run
/// use modelgate::{
///     ModelRouter, Shadow, compare::Tolerance, launchdarkly::{DualReads, self}, model_fn,
/// };
///
/// # let key = "";
/// let dual_reads = DualReads::new("fraud-migration", "v1", "v2");
/// let router = ModelRouter::<[f64], f64>::builder("ml-model-version")
///     .model("v1", model_fn(|features: &[f64]| Ok(features.iter().sum())))
///     .model("v2", model_fn(|features: &[f64]| Ok(features.iter().product())))
///     .fallback("v1")
///     .source(launchdarkly::Source::new(key).dual_reads(&dual_reads))
///     .shadow(Shadow::always().candidate("v2"))
///     .compare(Tolerance::absolute(0.1))
///     .sink(dual_reads)
///     .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct DualReads(Arc<DualReadsState>);

struct DualReadsState {
    flag: Box<str>,
    old: Version,
    new: Version,
    queue: Sender<DualRead>,
    noted: Receiver<DualRead>,
    recorded: AtomicU64,
    dropped: AtomicU64,
}

/// One comparison.
struct DualRead {
    time: u64,
    key: Box<str>,
    is_hashed: bool,
    stage: &'static str,
    agrees: Option<bool>,
    /// Milliseconds, by origin.
    latencies: BTreeMap<&'static str, f64>,
    errors: BTreeMap<&'static str, bool>,
}

impl DualReads {
    /// Comparisons of these two versions, reported as those of the migration flag with this key.
    pub fn new(
        flag: impl Into<Box<str>>,
        old: impl Into<Version>,
        new: impl Into<Version>,
    ) -> DualReads {
        let (queue, noted) = crossbeam_channel::bounded(CAPACITY);
        DualReads(Arc::new(DualReadsState {
            flag: flag.into(),
            old: old.into(),
            new: new.into(),
            queue,
            noted,
            recorded: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }))
    }

    /// Takes what was compared since, as events.
    pub(super) fn take(&self, privacy: &Privacy, mut each: impl FnMut(Json)) {
        // No more than there is now: shadows go on comparing.
        for read in self.0.noted.try_iter().take(self.0.noted.len()) {
            each(self.event(read, privacy));
        }
    }

    fn event(&self, read: DualRead, privacy: &Privacy) -> Json {
        let user = SingleContext {
            kind: "user".into(),
            key: read.key,
            anonymous: read.is_hashed,
            attributes: Vec::new(),
            private: Vec::new(),
        };
        let mut measurements =
            vec![json!({"key": "invoked", "values": {"old": true, "new": true}})];
        if let Some(agrees) = read.agrees {
            measurements.push(json!({"key": "consistent", "value": agrees}));
        }
        if !read.errors.is_empty() {
            measurements.push(json!({"key": "error", "values": read.errors}));
        }
        measurements.push(json!({"key": "latency_ms", "values": read.latencies}));
        json!({
            "kind": "migration_op",
            "creationDate": read.time,
            "context": privacy.shown(&ContextSnapshot { parts: vec![user] }, true),
            "operation": "read",
            "evaluation": {"key": self.0.flag, "value": read.stage, "default": "off"},
            "measurements": measurements,
        })
    }

    fn read<P>(&self, comparison: &Comparison<P>) -> Option<DualRead> {
        let (primary, candidate) = (&comparison.primary, &comparison.candidate);
        let (old, new) = (&self.0.old, &self.0.new);
        let stage = match () {
            () if primary.version == *old && candidate.version == *new => "shadow",
            () if primary.version == *new && candidate.version == *old => "live",
            () => return None,
        };
        let hashed = || Some((comparison.key_hash?.to_string().into(), true));
        let key = comparison.targeting_key.clone().map(|key| (key, false));
        let (key, is_hashed) = key.or_else(hashed)?;
        let sides = if stage == "shadow" { [primary, candidate] } else { [candidate, primary] };
        let origins = || ["old", "new"].into_iter().zip(sides);
        Some(DualRead {
            time: match comparison.time.duration_since(UNIX_EPOCH) {
                Ok(time) if !time.is_zero() => milliseconds(time),
                _ => now(),
            },
            key,
            is_hashed,
            stage,
            agrees: comparison.agreement.agrees(),
            latencies: origins().map(|(origin, side)| (origin, latency(side))).collect(),
            errors: origins()
                .filter(|(_, side)| side.outcome.is_err())
                .map(|(origin, _)| (origin, true))
                .collect(),
        })
    }
}

/// Milliseconds.
fn latency<P>(side: &Run<P>) -> f64 {
    side.service_time.as_secs_f64() * 1e3
}

impl<P> ComparisonSink<P> for DualReads {
    fn record(&self, comparison: &Comparison<P>) {
        let Some(read) = self.read(comparison) else { return };
        let counter = match self.0.queue.try_send(read) {
            Ok(()) => &self.0.recorded,
            Err(_) => &self.0.dropped,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn counts(&self) -> sink::Counts {
        sink::Counts {
            recorded: self.0.recorded.load(Ordering::Relaxed),
            dropped: self.0.dropped.load(Ordering::Relaxed),
            ..sink::Counts::default()
        }
    }
}

impl fmt::Debug for DualReads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DualReads")
            .field("flag", &self.0.flag)
            .field("old", &self.0.old)
            .field("new", &self.0.new)
            .finish_non_exhaustive()
    }
}
