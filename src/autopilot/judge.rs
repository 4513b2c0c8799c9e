//! Who judges a rollout's candidate: the trait, and the verdict that implements it.

pub(super) mod sums;
mod verdict;

use serde_json::Value;

use super::{
    stage::Share,
    sums::{Findings, MetricFinding, MetricRole, MetricSum},
};

/// Judges a candidate for an autopilot, by counts of every replica, which add up.
///
/// A [`Verdict`](crate::verdict::Verdict) does. Implement the trait for your own; the
/// autopilot calls it from its threads, never on the path of a request.
pub trait Judge: Send + Sync + 'static {
    /// A hash of the rules that the evidence is judged by: replicas with different ones do not decide
    /// together.
    fn config_hash(&self) -> String;

    /// Forgets what was counted: this attempt begins. Called once for each attempt that this process
    /// sees, the first included.
    fn begin(&self, attempt: u32);

    /// From now on, this share of the users reaches the candidate. Each stage has one share: stage 0
    /// nobody, the last everybody. Called when the share in force changes.
    fn enter(&self, stage: usize, share: Share);

    /// What this process has counted in this attempt.
    fn counts(&self) -> Value;

    /// Judges the counts of all replicas together, each as its [`counts`](Self::counts) returned them.
    /// Those that cannot be read are left out.
    fn judge(&self, counts: &[&Value], attempt: u32, stage: usize) -> Findings;

    /// Why what this process alone has counted shows the candidate to be worse, if it does.
    ///
    /// This is one more test on the same users, so it must have a part of the error budget.
    fn veto(&self, attempt: u32) -> Option<String>;

    /// Whether it tells users apart by the hash of their keys: then every process of a fleet must make
    /// the same hash of a key. Default: no.
    fn knows_users(&self) -> bool {
        false
    }

    /// Which users this process has counted, so that no other counts them again; `None` where that does
    /// not matter. Called about once a minute.
    fn seen(&self) -> Option<Vec<u8>> {
        None
    }

    /// Adds the users that another process has counted, as its [`seen`](Self::seen) returned them.
    fn merge_seen(&self, other: &[u8]) {
        let _ = other;
    }

    /// Why the guard after 100 % raises its alarm in this process, if it does. Each of so many replicas
    /// has a guard.
    fn alarm(&self, replicas: usize) -> Option<String> {
        let _ = replicas;
        None
    }
}

/// Checks that findings follow from the sums that they were made of.
pub(super) fn verify(findings: &Findings) -> Result<(), String> {
    sums::verify(findings)
}
