//! What one replica has counted since it started, for the others to read.

use serde::{Deserialize, Serialize};

use super::state::SCHEMA;

/// What one replica has counted in this attempt. Cumulative, and written by nobody else: read late,
/// twice or out of order, the newest is all there is to know.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct ReplicaTally {
    pub(super) schema: u32,
    /// Random, a process: one that is restarted is another replica.
    pub(super) replica: String,
    pub(super) seq: u64,
    /// Milliseconds since 1970, for people.
    pub(super) at: u64,
    pub(super) config_hash: String,
    pub(super) artefact: String,
    pub(super) attempt: u32,
    pub(super) eligible: bool,
    pub(super) breaker_opens: u64,
    pub(super) veto: Option<String>,
    pub(super) alarm: Option<String>,
    pub(super) conflict: Option<String>,
    /// At which revision: a person who resumed after it has agreed to what is there.
    #[serde(default)]
    pub(super) conflict_rev: u64,
    /// What the evidence counts.
    pub(super) counts: serde_json::Value,
}

impl ReplicaTally {
    pub(super) fn parse(bytes: &[u8]) -> Option<ReplicaTally> {
        let tally: ReplicaTally = serde_json::from_slice(bytes).ok()?;
        (tally.schema == SCHEMA && !tally.replica.is_empty()).then_some(tally)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        // Text and numbers: this cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }
}
