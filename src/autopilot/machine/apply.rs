//! Applying a decision to the state.

use super::{Action, DecisionContext, next_revision};
use crate::autopilot::{
    gate::{self, GateReport},
    phase::Phase,
    plan::RolloutPlan,
    stage::Share,
    state::{Breakers, ProcessStarts, RolloutState, TRANSITIONS, WITH_SUMS},
    sums::FleetSums,
    transition::{Cause, Transition},
};

/// Applies a decision to the state, and returns how the gates stand after it.
pub(super) fn apply(
    plan: &RolloutPlan,
    state: &mut RolloutState,
    sums: &FleetSums,
    act: Action,
    now: DecisionContext<'_>,
    gates: Vec<GateReport>,
) -> Vec<GateReport> {
    let Action::Go { to, cause, sentence } = act else { return gates };
    let from = state.phase;
    if to != from {
        enter(plan, state, to, cause, now.at);
    }
    match cause {
        Cause::Retried => begin(state, sums),
        // A person has looked at the restarts so far, if these were why it was paused.
        Cause::Resumed => {
            state.boots = ProcessStarts { known: sums.boots, window_ms: 0, ..state.boots }
        }
        _ => {}
    }
    record(state, from, cause, sentence, sums, now);
    match to == from {
        true => gates,
        false => gate::evaluate(plan, state, sums),
    }
}

/// Adds a transition to the history.
fn record(
    state: &mut RolloutState,
    from: Phase,
    cause: Cause,
    sentence: String,
    sums: &FleetSums,
    now: DecisionContext<'_>,
) {
    let transition = Transition {
        rev: state.rev,
        attempt: state.attempt,
        at: now.at,
        from,
        to: state.phase,
        share: state.share,
        cause,
        sentence,
        by: now.by.to_owned(),
        evidence: sums.findings.clone(),
        previous: state.last_digest(),
        digest: String::new(),
    };
    let history = &mut state.transitions;
    history.push(transition.sealed());
    history.drain(..history.len().saturating_sub(TRANSITIONS));
    let old = history.len().saturating_sub(WITH_SUMS);
    history.iter_mut().take(old).for_each(Transition::drop_sums);
}

fn enter(plan: &RolloutPlan, state: &mut RolloutState, to: Phase, cause: Cause, at: u64) {
    let share = match to {
        Phase::Waiting | Phase::Shadowing | Phase::RolledBack => Share::NOBODY,
        Phase::Ramping { stage } => plan.share(stage),
        Phase::Guarding | Phase::Released => Share::EVERYBODY,
        // A pause keeps the share.
        Phase::Paused { .. } => state.share,
    };
    let resumed = cause == Cause::Resumed;
    let raised = share > state.share;
    // A pause, and its end, leave an announced raise at the time announced.
    if !to.is_paused() && !resumed {
        // A raise is announced, so that the replicas make it together; all else takes effect at once.
        let lead = u64::try_from(plan.lead.as_millis()).unwrap_or(u64::MAX);
        state.previous_share = if raised { state.share } else { share };
        state.effective_at = if raised { at.saturating_add(lead) } else { at };
    }
    state.share = share;
    state.phase = to;
    state.entered_at = at;
    // A resumed stage is observed for its whole time again: it was paused for a reason.
    state.dwell_ms = 0;
    state.quiet_ms = 0;
    state.held_ms = 0;
    state.held_by = None;
    if !to.is_paused() && !resumed {
        state.waived.clear();
        state.approved = false;
    }
    match to {
        Phase::Ramping { .. } | Phase::Guarding if !resumed => state.stages_entered_at.push(at),
        Phase::Waiting | Phase::Shadowing if !resumed => state.stages_entered_at.clear(),
        _ => {}
    }
}

/// Begins an attempt, of which nothing is known yet.
fn begin(state: &mut RolloutState, sums: &FleetSums) {
    state.arrived = 0;
    state.signal = false;
    state.breaker = Breakers { opens: sums.breaker_opens, window_ms: 0 };
    state.boots = ProcessStarts::default();
    state.closed.clear();
}

/// The next state under another plan, when the candidate or what it is judged by was replaced.
///
/// Another artefact begins a rollout of its own. Another plan for the same one makes another attempt,
/// unless it was rolled back, which only a person can undo, or released.
pub(in crate::autopilot) fn replan(
    plan: &RolloutPlan,
    config_hash: &str,
    state: &RolloutState,
    sums: &FleetSums,
    now: DecisionContext<'_>,
) -> RolloutState {
    let mut next = next_revision(state, now);
    next.config_hash = config_hash.to_owned();
    let new_candidate = state.artefact != plan.artefact;
    let from = state.phase;
    next.artefact.clone_from(&plan.artefact);
    next.candidate = plan.candidate.to_string();
    let sentence = match (new_candidate, from) {
        (true, _) => {
            next.attempt = 0;
            enter(plan, &mut next, Phase::Waiting, Cause::NewPlan, now.at);
            begin(&mut next, sums);
            format!("the candidate is {} now: the rollout begins anew", plan.artefact)
        }
        (false, Phase::RolledBack | Phase::Released) => {
            "the plan has changed, which changes nothing in this phase".to_owned()
        }
        (false, _) => {
            next.attempt = state.attempt.saturating_add(1);
            enter(plan, &mut next, Phase::Waiting, Cause::NewPlan, now.at);
            begin(&mut next, sums);
            "the plan has changed: another attempt begins".to_owned()
        }
    };
    record(&mut next, from, Cause::NewPlan, sentence, sums, now);
    next
}
