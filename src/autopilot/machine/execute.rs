//! The commands of a person.

use std::time::Duration;

use super::{Action, go, rolls_back};
use crate::autopilot::{
    command::{Command, CommandError, CommandKind},
    gate::{self, Gate, GateReport},
    phase::{Phase, Running},
    plan::RolloutPlan,
    state::RolloutState,
    transition::Cause,
};

/// What a command does to the state, or why it is refused.
pub(super) fn execute(
    plan: &RolloutPlan,
    state: &mut RolloutState,
    command: &Command,
    gates: &[GateReport],
) -> Result<Action, CommandError> {
    let Command { kind, reason } = command;
    if reason.trim().is_empty() {
        return Err(CommandError::NoReason);
    }
    let phase = state.phase;
    let not_now = |expected| CommandError::NotNow { command: kind.name(), phase, expected };
    match (kind, phase) {
        (CommandKind::Abort, Phase::RolledBack | Phase::Released) => {
            Err(not_now("one before RolledBack or Released"))
        }
        (CommandKind::Abort, _) => {
            Ok(go(Phase::RolledBack, Cause::Aborted, format!("aborted: {reason}")))
        }
        (CommandKind::Pause, Phase::Shadowing | Phase::Ramping { .. } | Phase::Guarding) => {
            let from = phase.running().unwrap_or(Running::Shadowing);
            Ok(go(Phase::Paused { from }, Cause::PausedByOperator, format!("paused: {reason}")))
        }
        (CommandKind::Pause, _) => Err(not_now("Shadowing, Ramping or Guarding")),
        (CommandKind::Resume, Phase::Paused { from }) => {
            // A rollback comes before a resumption.
            match rolls_back(gates) {
                Some(act) => Ok(act),
                None => Ok(go(from.into(), Cause::Resumed, format!("resumed: {reason}"))),
            }
        }
        (CommandKind::Resume, _) => Err(not_now("Paused")),
        (CommandKind::Retry, Phase::RolledBack) => {
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
        (CommandKind::Retry, _) => Err(not_now("RolledBack")),
        (CommandKind::Approve { waived }, _) => approve(plan, state, waived, reason),
    }
}

fn approve(
    plan: &RolloutPlan,
    state: &mut RolloutState,
    waived: &[Gate],
    reason: &str,
) -> Result<Action, CommandError> {
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
        if !gate::needs_approval(plan, running) {
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
