//! What a replica writes for the others: its tally, and the users that it has counted.

use std::time::Duration;

use super::{ClockReading, LocalHealth, Replica};
use crate::autopilot::{
    judge::Judge,
    phase::Running,
    state::SCHEMA,
    store::{self, Expect, StateStore},
    tally::ReplicaTally,
};

/// How often replicas exchange the users that they have counted; more often where their period is short.
const EXCHANGE_SEEN: Duration = Duration::from_secs(60);

impl Replica {
    /// Writes what this process has counted.
    pub(super) fn write_tally(
        &mut self,
        store: &dyn StateStore,
        evidence: &dyn Judge,
        local: &LocalHealth,
        time: ClockReading,
    ) -> Result<(), store::Error> {
        let Some((artefact, attempt)) = self.begun.clone() else { return Ok(()) };
        self.seq = self.seq.saturating_add(1);
        let guarding = self
            .state()
            .is_some_and(|state| matches!(state.phase.running(), Some(Running::Guarding)));
        let tally = ReplicaTally {
            schema: SCHEMA,
            replica: self.id.clone(),
            seq: self.seq,
            at: time.unix,
            config_hash: self.config_hash.clone(),
            artefact,
            attempt,
            eligible: local.eligible,
            breaker_opens: local.breaker_opens,
            veto: self.view.veto.clone(),
            alarm: if guarding { evidence.alarm(self.view.replicas.max(1)) } else { None },
            conflict: local.conflict.as_ref().map(|(_, why)| why.clone()),
            conflict_rev: local.conflict.as_ref().map_or(0, |(rev, _)| *rev),
            counts: evidence.counts(),
        };
        let name = format!("{}/tally/{}.json", self.prefix, self.id);
        store.store(&name, &tally.to_bytes(), Expect::Any)?;
        Ok(())
    }

    /// Exchanges the users counted with the other replicas.
    pub(super) fn exchange_seen(
        &mut self,
        store: &dyn StateStore,
        evidence: &dyn Judge,
        time: ClockReading,
    ) -> Result<(), store::Error> {
        let since = self.exchanged_at.map(|at| time.monotonic.saturating_sub(at));
        let pause = EXCHANGE_SEEN.min(self.timing.period.saturating_mul(6));
        if since.is_some_and(|since| since < pause) {
            return Ok(());
        }
        self.exchanged_at = Some(time.monotonic);
        let (Some((_, attempt)), Some(seen)) = (&self.begun, evidence.seen()) else {
            return Ok(());
        };
        let folder = format!("{}/seen-{attempt}/", self.prefix);
        let own = format!("{folder}{}", self.id);
        for name in store.list(&folder)?.into_iter().filter(|name| *name != own) {
            if let Some((bytes, _)) = store.load(&name)? {
                evidence.merge_seen(&bytes);
            }
        }
        store.store(&own, &seen, Expect::Any)?;
        Ok(())
    }
}
