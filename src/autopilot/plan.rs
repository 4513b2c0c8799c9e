//! The plan of a rollout, fixed before it starts.

use std::time::Duration;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::stage::{Share, Stage};
use crate::version::Version;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What happens when a guardrail is worse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum OnWorse {
    /// It is rolled back.
    #[default]
    RollBack,
    /// It is paused and the share stays, for a person to decide: for metrics that are not trusted yet.
    Pause,
}

/// What happens when a guardrail is undecided and every gate before it is passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum OnUndecided {
    /// It waits, and is paused after the longest hold.
    #[default]
    Hold,
    /// It goes on, for want of evidence against the candidate. Every transition says so.
    Advance,
}

/// What happens when no data arrives for three times the
/// [grace](super::Builder::no_data_after).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum OnNoData {
    /// It is paused, and the share stays.
    #[default]
    Pause,
    /// It is rolled back.
    RollBack,
}

/// Everything that a decision depends on besides the evidence. Serialised for its hash: replicas whose plans
/// differ do not decide together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct RolloutPlan {
    pub(super) autopilot: String,
    pub(super) candidate: Version,
    /// Tells one candidate from another of the same name.
    pub(super) artefact: String,
    pub(super) seed: u32,
    pub(super) shadow: Duration,
    pub(super) stages: Vec<Stage>,
    pub(super) guard: Duration,
    pub(super) guard_approval: bool,
    pub(super) min_pairs: u64,
    pub(super) min_held_back: u64,
    pub(super) no_data: Option<Duration>,
    pub(super) max_hold: Duration,
    pub(super) max_pause: Duration,
    pub(super) cool_down: Duration,
    pub(super) breaker_opens: u64,
    pub(super) on_worse: OnWorse,
    pub(super) on_undecided: OnUndecided,
    pub(super) on_no_data: OnNoData,
    /// How long ahead raises are announced: part of the plan, as replicas must agree on it.
    pub(super) lead: Duration,
}

impl RolloutPlan {
    pub(super) fn new(autopilot: String, candidate: Version) -> RolloutPlan {
        RolloutPlan {
            autopilot,
            artefact: candidate.to_string(),
            candidate,
            seed: 0,
            shadow: HOUR,
            stages: vec![
                Stage::percent(5.0).for_at_least(DAY),
                Stage::percent(25.0).for_at_least(2 * DAY),
                Stage::percent(50.0).for_at_least(2 * DAY),
            ],
            guard: 7 * DAY,
            guard_approval: false,
            min_pairs: 100,
            min_held_back: 30,
            no_data: None,
            max_hold: 7 * DAY,
            max_pause: 30 * DAY,
            cool_down: HOUR,
            breaker_opens: 3,
            on_worse: OnWorse::default(),
            on_undecided: OnUndecided::default(),
            on_no_data: OnNoData::default(),
            lead: MINUTE / 2,
        }
    }

    pub(super) fn stage(&self, stage: usize) -> Option<&Stage> {
        self.stages.get(stage.checked_sub(1)?)
    }

    /// The share of a stage; of one past the last, everybody.
    pub(super) fn share(&self, stage: usize) -> Share {
        match stage {
            0 => Share::NOBODY,
            stage => self.stage(stage).map_or(Share::EVERYBODY, |stage| stage.share),
        }
    }

    /// Hexadecimal SHA-256 of the plan and of what it judges by.
    pub(super) fn hash(&self, evidence: &str) -> String {
        let mut hash = Sha256::new();
        // A plan serialises: strings, numbers and lists.
        hash.update(serde_json::to_vec(self).unwrap_or_default());
        hash.update(b"\n");
        hash.update(evidence.as_bytes());
        super::hex(&hash.finalize())
    }
}
