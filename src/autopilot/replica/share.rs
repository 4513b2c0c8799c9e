//! The share that a replica lets through.

use std::{sync::Arc, time::Duration};

use super::{ClockReading, ReplicaView};
use crate::autopilot::{
    command::Command,
    judge::Judge,
    phase::{Phase, Running},
    plan::RolloutPlan,
    replica::ReplicaTiming,
    stage::Share,
    state::RolloutState,
    sums::MetricSum,
};

/// The share in force in this process, from what the replica knows and how old that is.
#[derive(Debug, Default)]
pub(in crate::autopilot) struct ShareInForce {
    in_force: Share,
    entered: Option<(u32, usize, Share)>,
}

impl ShareInForce {
    /// The share to let through now, and why; tells the evidence when it changes.
    pub(in crate::autopilot) fn update(
        &mut self,
        view: &ReplicaView,
        plan: &RolloutPlan,
        timing: &ReplicaTiming,
        evidence: &dyn Judge,
        time: ClockReading,
    ) -> (Share, String) {
        let (share, why) = self.share(view, plan, timing, time);
        self.in_force = share;
        let Some(state) = view.state() else { return (share, why) };
        // By the share in force, which lags behind the phase while a raise is announced.
        let stage = match share {
            Share::NOBODY => 0,
            share => {
                plan.stages.iter().take_while(|stage| stage.share < share).count().saturating_add(1)
            }
        };
        let entered = Some((state.attempt, stage, share));
        if self.entered != entered {
            self.entered = entered;
            evidence.enter(stage, share);
        }
        (share, why)
    }

    fn share(
        &self,
        view: &ReplicaView,
        plan: &RolloutPlan,
        timing: &ReplicaTiming,
        time: ClockReading,
    ) -> (Share, String) {
        let nobody = |why: &str| (Share::NOBODY, why.to_owned());
        let Some(state) = view.state() else { return nobody("the state has not been read yet") };
        if let Some(veto) = &view.veto {
            return (Share::NOBODY, format!("this process stopped on its own evidence: {veto}"));
        }
        if let Some(command) = &view.aborting {
            return (Share::NOBODY, format!("aborted: {}", command.reason));
        }
        if state.artefact != plan.artefact {
            return nobody("the fleet rolls out another candidate");
        }
        // Once released it cannot be rolled back, so nothing can be missed.
        let released = state.phase == Phase::Released;
        let age = view.age(time).unwrap_or(Duration::MAX);
        if age > timing.lapse && !released {
            return nobody("the state is lost: the store has not answered for too long");
        }
        let announced = state.previous_share < state.share && !view.is_due(plan, time);
        let share = if announced { state.previous_share } else { state.share };
        let why = phase_in_words(plan, state, announced);
        if age > timing.freeze && share > self.in_force && !released {
            return (self.in_force, format!("{why}; not raised: the store does not answer"));
        }
        (share, why)
    }
}

impl ReplicaView {
    pub(in crate::autopilot) fn state(&self) -> Option<&RolloutState> {
        self.seen.as_ref().map(|seen| &*seen.state)
    }

    /// The same, to be kept.
    pub(in crate::autopilot) fn shared_state(&self) -> Option<Arc<RolloutState>> {
        self.seen.as_ref().map(|seen| Arc::clone(&seen.state))
    }

    /// The id under which this replica commits.
    pub(in crate::autopilot) fn id(&self) -> &str {
        &self.id
    }

    /// How long ago the state was last read.
    pub(in crate::autopilot) fn age(&self, time: ClockReading) -> Option<Duration> {
        self.read_at.map(|read_at| time.monotonic.saturating_sub(read_at))
    }

    /// The metrics as this process last judged them, or else as of the last transition.
    pub(in crate::autopilot) fn metrics(&self) -> Vec<MetricSum> {
        if !self.metrics.is_empty() {
            return self.metrics.clone();
        }
        let last = self.state().and_then(|state| state.transitions.last());
        last.map(|last| last.evidence.metrics.clone()).unwrap_or_default()
    }

    /// Lets nobody through from now on, before it is committed.
    pub(in crate::autopilot) fn abort(&mut self, command: Command) {
        self.aborting = Some(command);
    }

    /// Whether an announced raise is due. By the wall clock, so that the fleet raises together; a replica
    /// whose clock is far behind waits for twice the announcement at most.
    fn is_due(&self, plan: &RolloutPlan, time: ClockReading) -> bool {
        let Some(seen) = &self.seen else { return false };
        let waited = time.monotonic.saturating_sub(seen.announced);
        time.unix >= seen.state.effective_at || waited >= plan.lead.saturating_mul(2)
    }
}

fn phase_in_words(plan: &RolloutPlan, state: &RolloutState, announced: bool) -> String {
    let of = plan.stages.len().saturating_add(1);
    let phase = match state.phase {
        Phase::Ramping { stage } => format!("stage {stage} of {of}"),
        Phase::Paused { from: Running::Ramping { stage } } => {
            format!("paused at stage {stage} of {of}")
        }
        Phase::RolledBack => match state.transitions.last() {
            Some(last) => format!("rolled back: {}", last.sentence),
            None => "rolled back".to_owned(),
        },
        other => other.to_string(),
    };
    match announced {
        true => format!("{phase}, raise to {} announced", state.share),
        false => phase,
    }
}
