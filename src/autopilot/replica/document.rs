//! The fleet's document, as a replica reads it: never older than what it has read before.

use std::sync::Arc;

use super::{ClockReading, Replica, StoredState};
use crate::autopilot::{
    judge::Judge,
    phase::Phase,
    state::RolloutState,
    store::{self, Expect, StateStore, Tag},
};

impl Replica {
    /// Reads the state; creates the first, and restores what the store has lost.
    pub(super) fn read(
        &mut self,
        store: &dyn StateStore,
        evidence: &dyn Judge,
        time: ClockReading,
    ) -> Result<(), store::Error> {
        let name = self.state_name();
        match store.load(&name)? {
            Some((bytes, tag)) => {
                let state = RolloutState::parse(&bytes).map_err(|error| {
                    store::Error::new(format!("{name} cannot be followed"), error)
                })?;
                let lost = self.view.seen.as_ref().and_then(|seen| lost(&seen.state, &state));
                match lost {
                    None => self.adopt(state, tag, evidence, time),
                    Some(mine) => {
                        let tag = store.store(&name, &mine.to_bytes(), Expect::Tag(tag))?;
                        self.adopt(mine, tag, evidence, time);
                    }
                }
            }
            None => {
                let state = match &self.view.seen {
                    Some(seen) => RolloutState::clone(&seen.state),
                    None => RolloutState::new(&self.plan, &self.config_hash, time.unix),
                };
                let tag = store.store(&name, &state.to_bytes(), Expect::Absent)?;
                self.adopt(state, tag, evidence, time);
            }
        }
        self.view.read_at = Some(time.monotonic);
        self.publish();
        Ok(())
    }

    pub(super) fn adopt(
        &mut self,
        state: RolloutState,
        tag: Tag,
        evidence: &dyn Judge,
        time: ClockReading,
    ) {
        let (ticked, announced) = match &self.view.seen {
            Some(seen) => (
                seen.state.tick.count != state.tick.count,
                match seen.state.effective_at == state.effective_at {
                    true => seen.announced,
                    false => time.monotonic,
                },
            ),
            None => (true, time.monotonic),
        };
        if ticked {
            self.ticked_at = time.monotonic;
        }
        let begins = (state.artefact.clone(), state.attempt);
        let folded = state.closed.contains_key(&self.id);
        if folded {
            // The fleet took this process for gone. What it had counted is kept in the state, so it
            // goes on under another id and counts from zero.
            self.id = crate::prediction_id::PredictionId::generate().to_string();
            self.seq = 0;
        }
        if folded || self.begun.as_ref() != Some(&begins) {
            evidence.begin(state.attempt);
            self.begun = Some(begins);
            self.exchanged_at = None;
            self.view.veto = None;
        }
        self.view.seen = Some(StoredState { state: Arc::new(state), tag, announced });
        self.publish();
    }
}

/// The state to restore, if the store has lost something that was committed.
fn lost(mine: &RolloutState, found: &RolloutState) -> Option<RolloutState> {
    if found.rev < mine.rev {
        return Some(mine.clone());
    }
    // Only another attempt, artefact or plan ends a rollback.
    let same = found.artefact == mine.artefact && found.attempt == mine.attempt;
    let undone = mine.phase == Phase::RolledBack
        && !matches!(found.phase, Phase::RolledBack)
        && found.config_hash == mine.config_hash;
    (same && undone).then(|| RolloutState { rev: found.rev.saturating_add(1), ..mine.clone() })
}
