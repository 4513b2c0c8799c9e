//! What a replica has counted since it started, for the others to read.

use serde::{Deserialize, Serialize};

use super::state::SCHEMA;

/// What a replica has counted in this attempt. It is cumulative and has one writer, so the newest alone
/// matters, whether it is read late, twice or out of order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct ReplicaTally {
    pub(super) schema: u32,
    /// A random id for each process: one that is restarted is another replica.
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
    /// The revision at which the conflict was found: a resumption after it accepts what is there.
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
        // Text and numbers always serialize.
        serde_json::to_vec(self).unwrap_or_default()
    }
}
