//! Where a rollout's evidence comes from.

pub(super) mod sums;
mod verdict;

use serde_json::Value;

use super::stage::Share;
use super::sums::{Findings, MetricFinding, MetricRole, MetricSum};

/// What an autopilot judges a candidate by: counts in every replica, that add up.
///
/// A [`Verdict`](crate::verdict::Verdict) is one. Implement it for evidence of your own; the
/// autopilot calls it from its thread, never from a request.
pub trait Evidence: Send + Sync + 'static {
    /// What the evidence is judged by, as a hash: replicas where it differs do not decide together.
    fn config_hash(&self) -> String;

    /// Forgets what was counted: another attempt begins. Called once for each that this process sees,
    /// the first included.
    fn begin(&self, attempt: u32);

    /// Users are divided by this share from now on. Each stage has one share; stage 0 is nobody, and
    /// the last is everybody. Called when the share in force changes.
    fn enter(&self, stage: usize, share: Share);

    /// What this process has counted in this attempt.
    fn counts(&self) -> Value;

    /// Judges the counts of all replicas together; each is what [`counts`](Self::counts) returned on
    /// one. Those that cannot be read are left out.
    fn judge(&self, counts: &[&Value], attempt: u32, stage: usize) -> Findings;

    /// Whether what this process alone has counted condemns the candidate; and why.
    ///
    /// It is one more look at the same users, so it must be paid for: a part of the error budget
    /// belongs to it.
    fn veto(&self, attempt: u32) -> Option<String>;

    /// Whether it counts each user once, and knows them by the hash of their keys: then every process of
    /// a fleet must make the same hash of a key. Default: no.
    fn knows_users(&self) -> bool {
        false
    }

    /// Whom this process has counted, for the others not to count again; `None` where that does not
    /// matter. Asked for once a minute.
    fn seen(&self) -> Option<Vec<u8>> {
        None
    }

    /// Takes in whom another process has counted: what its [`seen`](Self::seen) returned.
    fn merge_seen(&self, other: &[u8]) {
        let _ = other;
    }

    /// Whether the guard after 100 % sounds on this process; and why.
    fn alarm(&self, replicas: usize) -> Option<String> {
        let _ = replicas;
        None
    }
}

/// Checks that findings follow from the sums that they were made of.
pub(super) fn verify(findings: &Findings) -> Result<(), String> {
    sums::verify(findings)
}
