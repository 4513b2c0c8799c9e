//! The phases of a rollout.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The phase that a rollout is in.
///
/// How many users reach the candidate and whether the rollout goes on are two different things: a
/// paused rollout keeps its share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "phase")]
#[non_exhaustive]
pub enum Phase {
    /// It waits until the candidate can answer on most replicas.
    Waiting,
    /// Nobody reaches the candidate; it runs in shadow.
    Shadowing,
    /// Some users reach the candidate.
    Ramping {
        /// Which stage, from 1.
        stage: usize,
    },
    /// Everybody reaches the candidate, and the rollout can still be rolled back.
    Guarding,
    /// The share stays until somebody resumes or aborts it, or the candidate turns out to be worse.
    Paused {
        /// The phase that it resumes with.
        from: Running,
    },
    /// Nobody reaches the candidate; only a retry, or another candidate, leads out of this.
    RolledBack,
    /// Everybody reaches the candidate, and nothing is watched any more.
    Released,
}

/// A phase that can be paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "phase")]
pub enum Running {
    /// [`Phase::Shadowing`].
    Shadowing,
    /// [`Phase::Ramping`].
    Ramping {
        /// Which stage, from 1.
        stage: usize,
    },
    /// [`Phase::Guarding`].
    Guarding,
}

impl Phase {
    /// The phase's name, without its stage: `"Shadowing"`, `"Ramping"`, and so on.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Waiting => "Waiting",
            Phase::Shadowing => "Shadowing",
            Phase::Ramping { .. } => "Ramping",
            Phase::Guarding => "Guarding",
            Phase::Paused { .. } => "Paused",
            Phase::RolledBack => "RolledBack",
            Phase::Released => "Released",
        }
    }

    /// The phase that runs, or is paused.
    pub(super) fn running(self) -> Option<Running> {
        match self {
            Phase::Shadowing => Some(Running::Shadowing),
            Phase::Ramping { stage } => Some(Running::Ramping { stage }),
            Phase::Guarding => Some(Running::Guarding),
            Phase::Paused { from } => Some(from),
            Phase::Waiting | Phase::RolledBack | Phase::Released => None,
        }
    }

    pub(super) fn is_paused(self) -> bool {
        matches!(self, Phase::Paused { .. })
    }
}

impl From<Running> for Phase {
    fn from(running: Running) -> Phase {
        match running {
            Running::Shadowing => Phase::Shadowing,
            Running::Ramping { stage } => Phase::Ramping { stage },
            Running::Guarding => Phase::Guarding,
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Phase::Ramping { stage } => write!(f, "Ramping (stage {stage})"),
            Phase::Paused { from } => write!(f, "Paused (from {})", Phase::from(*from)),
            other => f.write_str(other.name()),
        }
    }
}
