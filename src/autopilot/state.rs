//! The one document that the replicas agree on.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{
    gate::Gate,
    phase::Phase,
    plan::RolloutPlan,
    stage::Share,
    tally::ReplicaTally,
    transition::{Cause, Transition},
};

/// The form of the document. A replica does not read another form, and lets nobody through then.
pub(super) const SCHEMA: u32 = 1;

/// Transitions kept in the document.
pub(super) const TRANSITIONS: usize = 100;
/// How many of them, the newest, keep the sums that they were decided by; the others keep a digest.
pub(super) const WITH_SUMS: usize = 12;

/// What the fleet agrees on. Replaced as a whole by compare-and-swap, a revision at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RolloutState {
    pub(super) schema: u32,
    pub(super) rev: u64,
    pub(super) autopilot: String,
    pub(super) candidate: String,
    pub(super) artefact: String,
    pub(super) config_hash: String,
    pub(super) attempt: u32,
    pub(super) phase: Phase,
    pub(super) share: Share,
    /// The share in force until `effective_at`.
    pub(super) previous_share: Share,
    /// When `share` takes effect, in milliseconds since 1970.
    pub(super) effective_at: u64,
    /// When the phase began, by the clock of the replica that committed it: for people.
    pub(super) entered_at: u64,
    /// When each stage began, from stage 1 on; the last is the guard.
    pub(super) stages_entered_at: Vec<u64>,
    /// For how many milliseconds this phase has been observed.
    pub(super) dwell_ms: u64,
    /// Milliseconds since anything arrived.
    pub(super) quiet_ms: u64,
    /// Milliseconds for which something other than the dwell has kept the phase from ending.
    pub(super) held_ms: u64,
    /// How often the candidate's breakers have opened.
    pub(super) breaker: Breakers,
    /// How many processes have started.
    #[serde(default)]
    pub(super) boots: ProcessStarts,
    /// Pairs and users that had arrived by the last tick.
    pub(super) arrived: u64,
    /// Whether a signal has been bad and not recovered yet.
    pub(super) signal: bool,
    /// Whether somebody approved the next stage.
    pub(super) approved: bool,
    /// Gates that somebody waived for the present stage.
    pub(super) waived: Vec<Gate>,
    /// The gate that held the last decision, if one did.
    pub(super) held_by: Option<Gate>,
    pub(super) tick: Tick,
    pub(super) transitions: Vec<Transition>,
    /// The tallies of replicas that are gone, by id.
    pub(super) closed: BTreeMap<String, ReplicaTally>,
}

/// How often the candidate's breakers had opened when the present window began, and how long that is
/// ago.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Breakers {
    pub(super) opens: u64,
    pub(super) window_ms: u64,
}

/// How many processes had started when the present window began, how long that is ago, and how many
/// start in a window at most while nobody reaches the candidate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProcessStarts {
    pub(super) known: u64,
    pub(super) window_ms: u64,
    pub(super) usual: u64,
}

/// The last decision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tick {
    pub(super) by: String,
    /// Milliseconds since 1970, by that replica's clock.
    pub(super) at: u64,
    /// The number of decisions so far, by which a reader sees that one was made.
    pub(super) count: u64,
}

impl RolloutState {
    /// Whether somebody has resumed the rollout after this revision.
    pub(super) fn resumed_after(&self, rev: u64) -> bool {
        self.transitions.iter().any(|one| one.rev > rev && one.cause == Cause::Resumed)
    }

    /// Whether, after this revision, the rollout was paused by a writer's conflict and then resumed.
    pub(super) fn conflict_resolved_after(&self, rev: u64) -> bool {
        let mut later = self.transitions.iter().filter(|one| one.rev > rev);
        let conflict = later.find(|one| one.cause == Cause::Conflict);
        conflict.is_some_and(|conflict| self.resumed_after(conflict.rev))
    }

    /// The state in which every rollout begins.
    pub(super) fn new(plan: &RolloutPlan, config_hash: &str, at: u64) -> RolloutState {
        RolloutState {
            schema: SCHEMA,
            rev: 0,
            autopilot: plan.autopilot.clone(),
            candidate: plan.candidate.to_string(),
            artefact: plan.artefact.clone(),
            config_hash: config_hash.to_owned(),
            attempt: 0,
            phase: Phase::Waiting,
            share: Share::NOBODY,
            previous_share: Share::NOBODY,
            effective_at: 0,
            entered_at: at,
            stages_entered_at: Vec::new(),
            dwell_ms: 0,
            quiet_ms: 0,
            held_ms: 0,
            breaker: Breakers::default(),
            boots: ProcessStarts::default(),
            arrived: 0,
            signal: false,
            approved: false,
            waived: Vec::new(),
            held_by: None,
            tick: Tick::default(),
            transitions: Vec::new(),
            closed: BTreeMap::new(),
        }
    }

    /// Reads a document.
    pub(super) fn parse(bytes: &[u8]) -> Result<RolloutState, StateParseError> {
        let state: RolloutState =
            serde_json::from_slice(bytes).map_err(|error| StateParseError(error.to_string()))?;
        match state.schema {
            SCHEMA => Ok(state),
            other => Err(StateParseError(format!("schema: found {other}, expected {SCHEMA}"))),
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        // Maps with text keys, numbers and lists always serialize.
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(super) fn last_digest(&self) -> String {
        self.transitions.last().map(|last| last.digest.clone()).unwrap_or_default()
    }
}

/// A document that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StateParseError(String);

impl fmt::Display for StateParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "state.json cannot be read: {}", self.0)
    }
}

impl std::error::Error for StateParseError {}
