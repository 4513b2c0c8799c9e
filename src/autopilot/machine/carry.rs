//! Carrying a decision out.

use super::{Action, DecisionContext};
use crate::autopilot::{
    gate::{self, GateReport},
    phase::Phase,
    plan::RolloutPlan,
    stage::Share,
    state::{Breakers, ProcessStarts, RolloutState},
    sums::FleetSums,
    transition::{Cause, Transition},
};

/// Carries a decision out on the state.
pub(super) fn conclude(
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
        // Whoever resumes it has looked at why it was paused.
        Cause::Resumed => {
            state.boots = ProcessStarts { known: sums.boots, window_ms: 0, ..state.boots }
        }
        _ => {}
    }
    record(state, from, cause, sentence, sums, now);
    match to == from {
        true => gates,
        false => gate::look(plan, state, sums),
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
    let surplus = state
        .transitions
        .len()
        .saturating_add(1)
        .saturating_sub(crate::autopilot::state::TRANSITIONS);
    state.transitions.drain(..surplus.min(state.transitions.len()));
    state.transitions.push(transition.sealed());
    let old = state.transitions.len().saturating_sub(crate::autopilot::state::WITH_SUMS);
    state.transitions.iter_mut().take(old).for_each(Transition::without_sums);
}

fn enter(plan: &RolloutPlan, state: &mut RolloutState, to: Phase, cause: Cause, at: u64) {
    let share = match to {
        Phase::Waiting | Phase::Shadowing | Phase::RolledBack => Share::NOBODY,
        Phase::Ramping { stage } => plan.share(stage),
        Phase::Guarding | Phase::Released => Share::EVERYBODY,
        // What is paused keeps its share.
        Phase::Paused { .. } => state.share,
    };
    let resumed = cause == Cause::Resumed;
    let raised = share > state.share;
    // A pause that comes before an announced raise does not bring it forward, nor does its end.
    if !to.is_paused() && !resumed {
        // A raise is announced, so that the replicas make it together; everything else is at once.
        let lead = u64::try_from(plan.lead.as_millis()).unwrap_or(u64::MAX);
        state.previous_share = if raised { state.share } else { share };
        state.effective_at = if raised { at.saturating_add(lead) } else { at };
    }
    state.share = share;
    state.phase = to;
    state.entered_at = at;
    // A resumed stage is observed anew: what was paused has a reason to be looked at longer.
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

/// A new attempt begins with nothing known.
fn begin(state: &mut RolloutState, sums: &FleetSums) {
    state.arrived = 0;
    state.signal = false;
    state.breaker = Breakers { opens: sums.breaker_opens, window_ms: 0 };
    state.boots = ProcessStarts::default();
    state.closed.clear();
}

/// Follows another plan from now on: the candidate, or what it is judged by, was replaced.
///
/// A new candidate begins anew. New rules for the same one make another attempt of it, unless it was
/// rolled back, which only a person undoes, or released.
pub(in crate::autopilot) fn replan(
    plan: &RolloutPlan,
    config_hash: &str,
    state: &RolloutState,
    sums: &FleetSums,
    now: DecisionContext<'_>,
) -> RolloutState {
    let mut next = state.clone();
    next.rev = state.rev.saturating_add(1);
    next.tick.by = now.by.to_owned();
    next.tick.at = now.at;
    next.tick.count = state.tick.count.saturating_add(1);
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
            format!("the candidate is {} now: it begins anew", plan.artefact)
        }
        (false, Phase::RolledBack | Phase::Released) => {
            "the rules are others now, which changes nothing here".to_owned()
        }
        (false, _) => {
            next.attempt = state.attempt.saturating_add(1);
            enter(plan, &mut next, Phase::Waiting, Cause::NewPlan, now.at);
            begin(&mut next, sums);
            "the rules are others now: another attempt begins".to_owned()
        }
    };
    record(&mut next, from, Cause::NewPlan, sentence, sums, now);
    next
}
