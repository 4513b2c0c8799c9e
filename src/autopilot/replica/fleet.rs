//! What the fleet has counted.

use std::{collections::BTreeMap, time::Duration};

use super::{ClockReading, Replica};
use crate::autopilot::{
    judge::Judge,
    phase::{Phase, Running},
    state::RolloutState,
    store::{self, StateStore},
    sums::FleetSums,
    tally::ReplicaTally,
};

/// When a replica's tally was last seen to change, by this process's monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heartbeat {
    seq: u64,
    at: Duration,
}

/// What this replica has read of the fleet.
pub(super) struct Fleet {
    pub(super) sums: FleetSums,
    /// Those of the replicas heard lately that follow this one's plan.
    pub(super) same_plan: usize,
    /// Tallies of this attempt whose replicas are gone, to be kept in the state.
    pub(super) gone: BTreeMap<String, ReplicaTally>,
    /// Replicas that are gone and counted for an attempt that is over.
    pub(super) stale: Vec<String>,
}

impl Replica {
    /// Reads every tally and adds them up.
    pub(super) fn read_fleet(
        &mut self,
        store: &dyn StateStore,
        evidence: &dyn Judge,
        state: &RolloutState,
        time: ClockReading,
    ) -> Result<Fleet, store::Error> {
        let mut tallies = Vec::new();
        for name in store.list(&format!("{}/tally/", self.prefix))? {
            // One that cannot be parsed, or has been removed since, is left out.
            let Some((bytes, _)) = store.load(&name)? else { continue };
            tallies.extend(ReplicaTally::parse(&bytes));
        }
        let mut fleet = Fleet {
            sums: FleetSums::default(),
            same_plan: 0,
            gone: BTreeMap::new(),
            stale: Vec::new(),
        };
        let sums = &mut fleet.sums;
        let mut counts = Vec::new();
        for tally in &tallies {
            // It counts from the state; its replica has not noticed yet.
            if state.closed.contains_key(&tally.replica) {
                continue;
            }
            let silent = self.silent_for(tally, time);
            let fresh = silent <= self.timing.period.saturating_mul(3);
            let counts_here = tally.attempt == state.attempt && tally.artefact == state.artefact;
            let follows = tally.config_hash == state.config_hash;
            if fresh {
                sums.replicas += 1;
                sums.eligible += usize::from(tally.eligible);
                // A conflict that a replica found is over when the replica is gone.
                if sums.conflict.is_none() && !state.resumed_after(tally.conflict_rev) {
                    sums.conflict.clone_from(&tally.conflict);
                }
                sums.other_plan += usize::from(!follows);
                fleet.same_plan += usize::from(tally.config_hash == self.config_hash);
            }
            let is_gone = silent >= self.timing.fold && tally.replica != self.id;
            if !counts_here || !follows {
                if is_gone {
                    fleet.stale.push(tally.replica.clone());
                }
                continue;
            }
            if is_gone {
                fleet.gone.insert(tally.replica.clone(), tally.clone());
            }
            sums.boots = sums.boots.saturating_add(1);
            add(sums, tally);
            counts.push(&tally.counts);
        }
        for tally in state.closed.values() {
            sums.boots = sums.boots.saturating_add(1);
            add(sums, tally);
            counts.push(&tally.counts);
        }
        let stage = match state.phase.running() {
            Some(Running::Ramping { stage }) => stage,
            Some(Running::Guarding) => self.plan.stages.len().saturating_add(1),
            Some(Running::Shadowing) | None => 0,
        };
        if !matches!(state.phase, Phase::Waiting) {
            sums.findings = evidence.judge(&counts, state.attempt, stage);
            self.view.metrics.clone_from(&sums.findings.metrics);
        }
        self.view.replicas = sums.replicas;
        Ok(fleet)
    }

    fn silent_for(&mut self, tally: &ReplicaTally, time: ClockReading) -> Duration {
        let known = self.heartbeats.get(&tally.replica).copied();
        let heartbeat = match known {
            Some(heartbeat) if heartbeat.seq == tally.seq => heartbeat,
            _ => Heartbeat { seq: tally.seq, at: time.monotonic },
        };
        self.heartbeats.insert(tally.replica.clone(), heartbeat);
        time.monotonic.saturating_sub(heartbeat.at)
    }
}

fn add(sums: &mut FleetSums, tally: &ReplicaTally) {
    sums.breaker_opens = sums.breaker_opens.saturating_add(tally.breaker_opens);
    if sums.veto.is_none() {
        sums.veto.clone_from(&tally.veto);
    }
    if sums.alarm.is_none() {
        sums.alarm.clone_from(&tally.alarm);
    }
}
