//! The decision itself: from a state, the fleet's sums and perhaps a command to the next state.
//!
//! A pure function. Every pair of phase and event has an answer; none panics, reads a clock or waits.

use std::time::Duration;

use super::{
    command::{Command, CommandError, Order},
    gate::{self, Gate, GateOutcome, GateReport},
    phase::{Phase, Running},
    plan::{OnUndecided, Plan},
    stage::Share,
    state::{Breakers, State},
    sums::Sums,
    transition::{Cause, Transition},
};

/// Breakers are counted over this long.
const BREAKER_WINDOW: Duration = Duration::from_secs(600);

/// When a decision is made, and by whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now<'a> {
    /// Time since the last decision in which the fleet was observed.
    pub(super) elapsed: Duration,
    /// Milliseconds since 1970.
    pub(super) at: u64,
    pub(super) by: &'a str,
}

/// What came of a tick.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// The next state; its revision is one more.
    pub(super) state: State,
    /// How each gate stood.
    pub(super) gates: Vec<GateReport>,
    /// Why the command was not carried out.
    pub(super) refused: Option<CommandError>,
}

/// What a tick comes to.
enum Act {
    Stay,
    Go { to: Phase, cause: Cause, sentence: String },
}

/// Decides. The first that applies of: the command, a gate that takes the rollout back, one that
/// pauses it, one that holds it, and else the next phase.
pub(super) fn step(
    plan: &Plan,
    state: &State,
    sums: &Sums,
    command: Option<&Command>,
    now: Now<'_>,
) -> Step {
    let mut next = state.clone();
    next.rev = state.rev.saturating_add(1);
    next.tick.by = now.by.to_owned();
    next.tick.at = now.at;
    next.tick.count = state.tick.count.saturating_add(1);
    observe(plan, &mut next, sums, now.elapsed);
    let gates = gate::look(plan, &next, sums);

    if let Some(command) = command {
        return match order(plan, &mut next, command, &gates) {
            Ok(act) => {
                let gates = conclude(plan, &mut next, sums, act, now, gates);
                Step { state: next, gates, refused: None }
            }
            Err(refused) => Step { state: state.clone(), gates, refused: Some(refused) },
        };
    }
    let act = decide(plan, &mut next, sums, &gates, now.elapsed);
    let gates = conclude(plan, &mut next, sums, act, now, gates);
    Step { state: next, gates, refused: None }
}

/// Takes the time and the arrivals of this tick into the state.
fn observe(plan: &Plan, state: &mut State, sums: &Sums, elapsed: Duration) {
    let elapsed = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    let findings = &sums.findings;
    let arrived = [findings.pairs, findings.keys_let_through, findings.keys_held_back.unwrap_or(0)];
    let arrived = arrived.into_iter().fold(0, u64::saturating_add);
    // A tally that comes late, or is new with its replica, may lower the sum: that is news as well.
    let quiet = arrived == state.arrived;
    state.arrived = arrived;
    state.quiet_ms = if quiet { state.quiet_ms.saturating_add(elapsed) } else { 0 };
    state.signal = gate::signal(state.signal, sums);
    state.breaker.window_ms = state.breaker.window_ms.saturating_add(elapsed);
    if u128::from(state.breaker.window_ms) >= BREAKER_WINDOW.as_millis() {
        state.breaker = Breakers { opens: sums.breaker_opens, window_ms: 0 };
    }
    // A replica that is gone for good takes its count with it.
    state.breaker.opens = state.breaker.opens.min(sums.breaker_opens);
    let observed = match state.phase {
        // Time in which nothing could be learned is no time observed.
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

fn go(to: Phase, cause: Cause, sentence: impl Into<String>) -> Act {
    Act::Go { to, cause, sentence: sentence.into() }
}

/// What a person's word comes to.
fn order(
    plan: &Plan,
    state: &mut State,
    command: &Command,
    gates: &[GateReport],
) -> Result<Act, CommandError> {
    let Command { order, reason } = command;
    if reason.trim().is_empty() {
        return Err(CommandError::NoReason);
    }
    let phase = state.phase;
    let not_now = |expected| CommandError::NotNow { command: order.name(), phase, expected };
    match (order, phase) {
        (Order::Abort, Phase::RolledBack | Phase::Released) => {
            Err(not_now("one before RolledBack or Released"))
        }
        (Order::Abort, _) => {
            Ok(go(Phase::RolledBack, Cause::Aborted, format!("aborted: {reason}")))
        }
        (Order::Pause, Phase::Shadowing | Phase::Ramping { .. } | Phase::Guarding) => {
            let from = phase.running().unwrap_or(Running::Shadowing);
            Ok(go(Phase::Paused { from }, Cause::PausedByOperator, format!("paused: {reason}")))
        }
        (Order::Pause, _) => Err(not_now("Shadowing, Ramping or Guarding")),
        (Order::Resume, Phase::Paused { from }) => {
            // What has to be taken back is not resumed first.
            match rolls_back(gates) {
                Some(act) => Ok(act),
                None => Ok(go(from.into(), Cause::Resumed, format!("resumed: {reason}"))),
            }
        }
        (Order::Resume, _) => Err(not_now("Paused")),
        (Order::Retry, Phase::RolledBack) => {
            let cooled = Duration::from_millis(state.dwell_ms);
            match plan.cool_down.checked_sub(cooled).filter(|left| !left.is_zero()) {
                Some(left) => Err(CommandError::CoolingDown { left }),
                None => {
                    state.attempt = state.attempt.saturating_add(1);
                    Ok(go(
                        Phase::Shadowing,
                        Cause::Retried,
                        format!(
                            "attempt {}, which needs twice the evidence of the one before: {reason}",
                            state.attempt.saturating_add(1)
                        ),
                    ))
                }
            }
        }
        (Order::Retry, _) => Err(not_now("RolledBack")),
        (Order::Approve { waived }, _) => approve(plan, state, waived, reason),
    }
}

fn approve(
    plan: &Plan,
    state: &mut State,
    waived: &[Gate],
    reason: &str,
) -> Result<Act, CommandError> {
    let phase = state.phase;
    let running = match phase.running() {
        Some(running @ (Running::Shadowing | Running::Ramping { .. })) => running,
        _ => {
            return Err(CommandError::NotNow {
                command: "approve",
                phase,
                expected: "Shadowing or Ramping, paused or not",
            });
        }
    };
    if let Some(gate) = waived.iter().find(|gate| !gate.is_waivable()) {
        return Err(CommandError::NotWaivable(*gate));
    }
    if waived.is_empty() {
        if !gate::asks_approval(plan, running) {
            return Err(CommandError::NothingToApprove { phase });
        }
        if state.approved {
            return Err(CommandError::ApprovedAlready { phase });
        }
    }
    state.approved = true;
    let fresh = waived.iter().filter(|gate| !state.waived.contains(gate)).copied();
    let fresh: Vec<Gate> = fresh.collect();
    state.waived.extend(fresh);
    let names: Vec<&str> = waived.iter().map(|gate| gate.as_str()).collect();
    let sentence = match names.as_slice() {
        [] => format!("the next stage is approved: {reason}"),
        names => format!(
            "the next stage is approved, without waiting for {}: {reason}",
            names.join(", ")
        ),
    };
    Ok(go(phase, Cause::Approved, sentence))
}

/// What the evidence comes to.
fn decide(
    plan: &Plan,
    state: &mut State,
    sums: &Sums,
    gates: &[GateReport],
    elapsed: Duration,
) -> Act {
    if state.phase.running().is_some()
        && let Some(act) = rolls_back(gates)
    {
        return act;
    }
    match state.phase {
        Phase::Released | Phase::RolledBack => Act::Stay,
        Phase::Waiting => match gates.iter().find(|report| !report.outcome.lets_pass()) {
            // A plan that most do not follow does not begin.
            Some(report) => {
                state.held_by = Some(report.gate);
                Act::Stay
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
            false => Act::Stay,
            true => go(
                Phase::RolledBack,
                Cause::PausedTooLong,
                format!("paused for {}, and nobody resumed it", gate::words(plan.max_pause)),
            ),
        },
        Phase::Shadowing | Phase::Ramping { .. } | Phase::Guarding => {
            let from = state.phase.running().unwrap_or(Running::Shadowing);
            proceed(plan, state, sums, gates, from, elapsed)
        }
    }
}

fn rolls_back(gates: &[GateReport]) -> Option<Act> {
    gates.iter().find_map(|report| match &report.outcome {
        GateOutcome::RollsBack { cause, why } => Some(go(Phase::RolledBack, *cause, why.clone())),
        _ => None,
    })
}

fn proceed(
    plan: &Plan,
    state: &mut State,
    sums: &Sums,
    gates: &[GateReport],
    from: Running,
    elapsed: Duration,
) -> Act {
    let stands = gates.iter().find(|report| !report.outcome.lets_pass());
    state.held_by = stands.map(|report| report.gate);
    match stands.map(|report| (report.gate, &report.outcome)) {
        Some((_, GateOutcome::Pauses { cause, why })) => {
            go(Phase::Paused { from }, *cause, why.clone())
        }
        Some((gate, GateOutcome::Holds { why })) => {
            // The dwell ends by itself, silence has a limit of its own, and a guard only watches.
            let limited = !matches!(gate, Gate::Dwell | Gate::NoData) && from != Running::Guarding;
            if limited {
                let elapsed = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
                state.held_ms = state.held_ms.saturating_add(elapsed);
            }
            match limited && u128::from(state.held_ms) >= plan.max_hold.as_millis() {
                false => Act::Stay,
                true => go(
                    Phase::Paused { from },
                    Cause::HeldTooLong,
                    format!("held for {}: {why}", gate::words(plan.max_hold)),
                ),
            }
        }
        Some(_) => Act::Stay,
        None => advance(plan, sums, from),
    }
}

/// Exactly one stage on.
fn advance(plan: &Plan, sums: &Sums, from: Running) -> Act {
    let next = match from {
        Running::Guarding => {
            return go(
                Phase::Released,
                Cause::Released,
                format!(
                    "{} answered everybody for {} and nothing was found against it",
                    plan.candidate,
                    gate::words(plan.guard)
                ),
            );
        }
        Running::Shadowing => 1,
        Running::Ramping { stage } => stage.saturating_add(1),
    };
    let pairs = sums.findings.pairs;
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

/// Carries a decision out on the state.
fn conclude(
    plan: &Plan,
    state: &mut State,
    sums: &Sums,
    act: Act,
    now: Now<'_>,
    gates: Vec<GateReport>,
) -> Vec<GateReport> {
    let Act::Go { to, cause, sentence } = act else { return gates };
    let from = state.phase;
    if to != from {
        enter(plan, state, to, cause, now.at);
    }
    if cause == Cause::Retried {
        begin(state, sums);
    }
    record(state, from, cause, sentence, sums, now);
    match to == from {
        true => gates,
        false => gate::look(plan, state, sums),
    }
}

/// Adds a transition to the history.
fn record(
    state: &mut State,
    from: Phase,
    cause: Cause,
    sentence: String,
    sums: &Sums,
    now: Now<'_>,
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
    let surplus =
        state.transitions.len().saturating_add(1).saturating_sub(super::state::TRANSITIONS);
    state.transitions.drain(..surplus.min(state.transitions.len()));
    state.transitions.push(transition.sealed());
    let old = state.transitions.len().saturating_sub(super::state::WITH_SUMS);
    state.transitions.iter_mut().take(old).for_each(Transition::without_sums);
}

fn enter(plan: &Plan, state: &mut State, to: Phase, cause: Cause, at: u64) {
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
fn begin(state: &mut State, sums: &Sums) {
    state.arrived = 0;
    state.signal = false;
    state.breaker = Breakers { opens: sums.breaker_opens, window_ms: 0 };
    state.closed.clear();
}

/// Follows another plan from now on: the candidate, or what it is judged by, was replaced.
///
/// A new candidate begins anew. New rules for the same one make another attempt of it, unless it was
/// rolled back, which only a person undoes, or released.
pub(super) fn replan(
    plan: &Plan,
    config_hash: &str,
    state: &State,
    sums: &Sums,
    now: Now<'_>,
) -> State {
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
