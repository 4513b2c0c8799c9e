//! The state machine: from a state, the fleet's sums and perhaps a command to the next state.
//!
//! A pure and total function: every pair of phase and event has a result, and none panics, reads a clock
//! or waits.

mod apply;
mod execute;

use std::time::Duration;

pub(super) use self::apply::replan;
use self::{apply::apply, execute::execute};
use super::{
    command::{Command, CommandError},
    gate::{self, Gate, GateOutcome, GateReport},
    phase::{Phase, Running},
    plan::{OnUndecided, RolloutPlan},
    stage::Share,
    state::{Breakers, ProcessStarts, RolloutState},
    sums::FleetSums,
    transition::Cause,
};
use crate::verdict::grouped;

/// The opening of breakers is counted over windows of this length.
const BREAKER_WINDOW: Duration = Duration::from_secs(600);

/// Restarts of processes are counted over windows of this length.
const RESTART_WINDOW: Duration = Duration::from_secs(3_600);

/// When a decision is made, and by whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct DecisionContext<'a> {
    /// Time since the last decision in which the fleet was observed.
    pub(super) elapsed: Duration,
    /// Milliseconds since 1970.
    pub(super) at: u64,
    pub(super) by: &'a str,
}

/// The result of a tick.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// The next state; its revision is one more.
    pub(super) state: RolloutState,
    /// How each gate stood.
    pub(super) gates: Vec<GateReport>,
    /// Why the command was not carried out.
    pub(super) refused: Option<CommandError>,
}

/// What a tick decides.
enum Action {
    Stay,
    Go { to: Phase, cause: Cause, sentence: String },
}

/// Decides. The first of these that applies: the command, a gate that rolls back, the first gate that
/// pauses or holds, and else the next phase.
pub(super) fn step(
    plan: &RolloutPlan,
    state: &RolloutState,
    sums: &FleetSums,
    command: Option<&Command>,
    now: DecisionContext<'_>,
) -> Step {
    let mut next = next_revision(state, now);
    observe(plan, &mut next, sums, now.elapsed);
    let gates = gate::evaluate(plan, &next, sums);

    if let Some(command) = command {
        return match execute(plan, &mut next, command, &gates) {
            Ok(act) => {
                let gates = apply(plan, &mut next, sums, act, now, gates);
                Step { state: next, gates, refused: None }
            }
            Err(refused) => Step { state: state.clone(), gates, refused: Some(refused) },
        };
    }
    let act = decide(plan, &mut next, sums, &gates, now.elapsed);
    let gates = apply(plan, &mut next, sums, act, now, gates);
    Step { state: next, gates, refused: None }
}

/// The same state at its next revision, by whoever decides now.
fn next_revision(state: &RolloutState, now: DecisionContext<'_>) -> RolloutState {
    let mut next = state.clone();
    next.rev = state.rev.saturating_add(1);
    next.tick.by = now.by.to_owned();
    next.tick.at = now.at;
    next.tick.count = state.tick.count.saturating_add(1);
    next
}

/// Adds the time and the arrivals of this tick to the state.
fn observe(plan: &RolloutPlan, state: &mut RolloutState, sums: &FleetSums, elapsed: Duration) {
    let elapsed = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    let findings = &sums.findings;
    let arrived = [findings.pairs, findings.keys_let_through, findings.keys_held_back.unwrap_or(0)];
    let arrived = arrived.into_iter().fold(0, u64::saturating_add);
    // A sum that falls is an arrival too: a replica has begun another attempt, or its tally is gone.
    let quiet = arrived == state.arrived;
    state.arrived = arrived;
    state.quiet_ms = if quiet { state.quiet_ms.saturating_add(elapsed) } else { 0 };
    state.signal = gate::signal_holds(state.signal, sums);
    state.breaker.window_ms = state.breaker.window_ms.saturating_add(elapsed);
    if u128::from(state.breaker.window_ms) >= BREAKER_WINDOW.as_millis() {
        state.breaker = Breakers { opens: sums.breaker_opens, window_ms: 0 };
    }
    // The fleet's count falls when a replica is gone for good.
    state.breaker.opens = state.breaker.opens.min(sums.breaker_opens);
    observe_boots(state, sums, elapsed);
    let observed = match state.phase {
        // Time in which nothing could be learned does not count as observed.
        Phase::Shadowing | Phase::Ramping { .. } | Phase::Guarding => {
            sums.quorum()
                && u128::from(state.quiet_ms) < gate::grace(plan, state).as_millis().max(1)
        }
        Phase::Waiting | Phase::Paused { .. } | Phase::RolledBack | Phase::Released => true,
    };
    if observed {
        state.dwell_ms = state.dwell_ms.saturating_add(elapsed);
    }
}

/// Counts how many processes have started, by windows.
fn observe_boots(state: &mut RolloutState, sums: &FleetSums, elapsed: u64) {
    let known = state.boots.known.min(sums.boots);
    if state.phase == Phase::Waiting {
        // The fleet itself is starting, which is no restart.
        state.boots = ProcessStarts { known: sums.boots, window_ms: 0, ..state.boots };
        return;
    }
    let window_ms = state.boots.window_ms.saturating_add(elapsed);
    state.boots = ProcessStarts { known, window_ms, ..state.boots };
    if u128::from(window_ms) >= RESTART_WINDOW.as_millis() {
        let started = sums.boots.saturating_sub(known);
        let usual = match state.share {
            Share::NOBODY => state.boots.usual.max(started),
            _ => state.boots.usual,
        };
        state.boots = ProcessStarts { known: sums.boots, window_ms: 0, usual };
    }
}

fn go(to: Phase, cause: Cause, sentence: impl Into<String>) -> Action {
    Action::Go { to, cause, sentence: sentence.into() }
}

/// What the gates decide.
fn decide(
    plan: &RolloutPlan,
    state: &mut RolloutState,
    sums: &FleetSums,
    gates: &[GateReport],
    elapsed: Duration,
) -> Action {
    if state.phase.running().is_some()
        && let Some(act) = rolls_back(gates)
    {
        return act;
    }
    match state.phase {
        Phase::Released | Phase::RolledBack => Action::Stay,
        Phase::Waiting => match gates.iter().find(|report| !report.outcome.lets_pass()) {
            // A plan that most replicas do not follow does not begin.
            Some(report) => {
                state.held_by = Some(report.gate);
                Action::Stay
            }
            None => go(
                Phase::Shadowing,
                Cause::Started,
                format!(
                    "{} can answer on {} of {} replicas and runs in shadow from now on",
                    plan.candidate, sums.eligible, sums.replicas
                ),
            ),
        },
        Phase::Paused { .. } => match u128::from(state.dwell_ms) >= plan.max_pause.as_millis() {
            false => Action::Stay,
            true => go(
                Phase::RolledBack,
                Cause::PausedTooLong,
                format!("paused for {}, and nobody resumed it", gate::in_words(plan.max_pause)),
            ),
        },
        Phase::Shadowing | Phase::Ramping { .. } | Phase::Guarding => {
            let from = state.phase.running().unwrap_or(Running::Shadowing);
            proceed(plan, state, sums, gates, from, elapsed)
        }
    }
}

fn rolls_back(gates: &[GateReport]) -> Option<Action> {
    gates.iter().find_map(|report| match &report.outcome {
        GateOutcome::RollsBack { cause, why } => Some(go(Phase::RolledBack, *cause, why.clone())),
        _ => None,
    })
}

fn proceed(
    plan: &RolloutPlan,
    state: &mut RolloutState,
    sums: &FleetSums,
    gates: &[GateReport],
    from: Running,
    elapsed: Duration,
) -> Action {
    let closed = gates.iter().find(|report| !report.outcome.lets_pass());
    state.held_by = closed.map(|report| report.gate);
    match closed.map(|report| (report.gate, &report.outcome)) {
        Some((_, GateOutcome::Pauses { cause, why })) => {
            go(Phase::Paused { from }, *cause, why.clone())
        }
        Some((gate, GateOutcome::Holds { why })) => {
            // A dwell ends by itself, a lack of data has a limit of its own, and a guard only watches.
            let limited = !matches!(gate, Gate::Dwell | Gate::NoData) && from != Running::Guarding;
            if limited {
                let elapsed = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
                state.held_ms = state.held_ms.saturating_add(elapsed);
            }
            match limited && u128::from(state.held_ms) >= plan.max_hold.as_millis() {
                false => Action::Stay,
                true => go(
                    Phase::Paused { from },
                    Cause::HeldTooLong,
                    format!("held for {}: {why}", gate::in_words(plan.max_hold)),
                ),
            }
        }
        Some(_) => Action::Stay,
        None => advance(plan, sums, from),
    }
}

/// Goes on by exactly one stage.
fn advance(plan: &RolloutPlan, sums: &FleetSums, from: Running) -> Action {
    let next = match from {
        Running::Guarding => {
            return go(
                Phase::Released,
                Cause::Released,
                format!(
                    "{} answered everybody for {} and nothing was found against it",
                    plan.candidate,
                    gate::in_words(plan.guard)
                ),
            );
        }
        Running::Shadowing => 1,
        Running::Ramping { stage } => stage.saturating_add(1),
    };
    let pairs = grouped(sums.findings.pairs);
    let shown = match plan.on_undecided {
        OnUndecided::Hold => "no guardrail is worse by its margin",
        OnUndecided::Advance => {
            "nothing was found against it, which is all that was asked: it may be worse"
        }
    };
    match plan.stage(next) {
        Some(stage) => go(
            Phase::Ramping { stage: next },
            Cause::Advanced,
            format!("{pairs} pairs: {shown}; {} goes to {}", plan.candidate, stage.share),
        ),
        None => go(
            Phase::Guarding,
            Cause::Advanced,
            format!("{pairs} pairs: {shown}; {} answers everybody, guarded", plan.candidate),
        ),
    }
}
