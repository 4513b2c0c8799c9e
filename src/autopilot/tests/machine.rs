//! Every phase with every event and every outcome of the gates.

use std::time::Duration;

mod commands;
mod gates;
mod history;

use super::{good, metric, plan};
use crate::autopilot::{
    Cause, CommandError, Gate, MetricFinding, MetricRole, OnNoData, OnUndecided, OnWorse, Phase,
    Running, Share,
    command::{Command, CommandKind},
    machine::{DecisionContext, Step, replan, step},
    plan::RolloutPlan,
    stage::Stage,
    state::RolloutState,
    sums::{Findings, FleetSums},
    transition::verify_history,
};

const MINUTE: Duration = Duration::from_secs(60);

fn now(elapsed: Duration) -> DecisionContext<'static> {
    DecisionContext { elapsed, at: 1_000_000, by: "replica" }
}

fn tick(
    plan: &RolloutPlan,
    state: &RolloutState,
    sums: &FleetSums,
    elapsed: Duration,
) -> RolloutState {
    let Step { state, refused, .. } = step(plan, state, sums, None, now(elapsed));
    assert_eq!(refused, None);
    state
}

fn commanded(
    plan: &RolloutPlan,
    state: &RolloutState,
    sums: &FleetSums,
    kind: CommandKind,
) -> Result<RolloutState, CommandError> {
    let command = Command { kind, reason: "because".to_owned() };
    let step = step(plan, state, sums, Some(&command), now(Duration::ZERO));
    match step.refused {
        Some(refused) => {
            assert_eq!(step.state, *state, "what is refused changes nothing");
            Err(refused)
        }
        None => Ok(step.state),
    }
}

fn approve() -> CommandKind {
    CommandKind::Approve { waived: Vec::new() }
}

/// Every phase there is.
fn phases() -> Vec<Phase> {
    let running = [
        Running::Shadowing,
        Running::Ramping { stage: 1 },
        Running::Ramping { stage: 2 },
        Running::Ramping { stage: 3 },
        Running::Guarding,
    ];
    running
        .into_iter()
        .map(Phase::from)
        .chain(running.into_iter().map(|from| Phase::Paused { from }))
        .chain([Phase::Waiting, Phase::RolledBack, Phase::Released])
        .collect()
}

/// A state in this phase as a rollout would have come to it, observed for an hour.
fn at(plan: &RolloutPlan, phase: Phase) -> RolloutState {
    let mut state = RolloutState::new(plan, "hash", 0);
    state.phase = phase;
    state.share = match phase.running() {
        Some(Running::Shadowing) => Share::NOBODY,
        Some(Running::Ramping { stage }) => plan.share(stage),
        Some(Running::Guarding) => Share::EVERYBODY,
        None if phase == Phase::Released => Share::EVERYBODY,
        None => Share::NOBODY,
    };
    state.previous_share = state.share;
    state.dwell_ms = 3_600_000;
    state
}

/// What can be wrong, each alone; the sums and the change to the state that make it so.
const WRONGS: usize = 13;

fn wrong(number: usize, sums: &mut FleetSums, state: &mut RolloutState, plan: &mut RolloutPlan) {
    match number {
        0 => sums.veto = Some("own evidence".to_owned()),
        1 => sums.findings.metrics.push(metric(MetricRole::Guardrail, MetricFinding::Worse)),
        2 => sums.breaker_opens = state.breaker.opens + 3,
        3 => sums.conflict = Some("somebody else changed it".to_owned()),
        4 => sums.eligible = 1,
        5 => sums.findings.ln_sample_ratio = 7.0,
        6 => sums.other_plan = 2,
        7 => {
            state.quiet_ms = 3_600_000;
            state.arrived = 2_000;
        }
        8 => state.dwell_ms = 0,
        9 => sums.findings.pairs = 99,
        10 => sums.boots = state.boots.known + 10,
        11 => sums.findings.metrics.push(metric(MetricRole::Guardrail, MetricFinding::Undecided)),
        _ => plan.stages.iter_mut().for_each(|stage| stage.approval = true),
    }
}

fn allowed(from: Phase, to: Phase) -> bool {
    match (from, to) {
        _ if from == to => true,
        (Phase::Waiting, Phase::Shadowing) => true,
        (Phase::Shadowing, Phase::Ramping { stage: 1 }) => true,
        (Phase::Ramping { stage }, Phase::Ramping { stage: next }) => next == stage + 1,
        (Phase::Ramping { stage: 3 }, Phase::Guarding) => true,
        (Phase::Guarding, Phase::Released) => true,
        (Phase::Released, _) => false,
        (Phase::RolledBack, Phase::Shadowing) => true,
        (_, Phase::RolledBack) => true,
        (from, Phase::Paused { from: running }) => from == running.into(),
        (Phase::Paused { from }, to) => to == from.into(),
        _ => false,
    }
}

#[test]
fn every_phase_and_event_and_set_of_gates_has_one_lawful_outcome() {
    let orders = [
        None,
        Some(approve()),
        Some(CommandKind::Approve { waived: vec![Gate::Undecided] }),
        Some(CommandKind::Approve { waived: vec![Gate::Worse] }),
        Some(CommandKind::Pause),
        Some(CommandKind::Resume),
        Some(CommandKind::Abort),
        Some(CommandKind::Retry),
    ];
    let mut tried = 0_u64;
    for phase in phases() {
        for set in 0..1_usize << WRONGS {
            let (mut plan, mut sums) = (plan(), good());
            let mut state = at(&plan, phase);
            for number in (0..WRONGS).filter(|number| set >> number & 1 == 1) {
                wrong(number, &mut sums, &mut state, &mut plan);
            }
            // Every event with every pair of wrongs; more of them with the tick alone.
            let orders = if set.count_ones() <= 2 { &orders[..] } else { &orders[..1] };
            for kind in orders {
                let command = kind.clone().map(|kind| Command { kind, reason: "because".into() });
                let step = step(&plan, &state, &sums, command.as_ref(), now(Duration::ZERO));
                tried += 1;
                let next = &step.state;
                assert!(allowed(phase, next.phase), "{phase} -> {} by {kind:?}", next.phase);
                if step.refused.is_some() {
                    assert_eq!(*next, state);
                    continue;
                }
                assert_eq!(next.rev, state.rev + 1);
                let recorded = next.transitions.len();
                assert!(recorded <= 1 && (recorded == 1 || next.phase == phase));
                // A rollback is judged before everything else that the evidence could bring about.
                let worse = set & 0b111 != 0;
                let exposed = phase.running().is_some();
                if kind.is_none() && exposed && worse {
                    assert_eq!(next.phase, Phase::RolledBack, "{phase}, {set:013b}");
                }
                if next.phase == Phase::RolledBack {
                    assert_eq!((next.share, next.previous_share), (Share::NOBODY, Share::NOBODY));
                }
                if next.share > state.share {
                    // Arms are compared where there are two of them.
                    let split = if phase == Phase::Shadowing { 0 } else { 1 << 5 | 1 << 10 };
                    assert_eq!(
                        set & (0b1011_1101_1111 | split),
                        0,
                        "raised although {set:013b}, by {kind:?}"
                    );
                    assert_eq!(next.previous_share, state.share);
                    assert_eq!(next.effective_at, 1_000_000 + 30_000);
                }
                verify_history(&next.transitions).unwrap();
            }
        }
    }
    assert!(tried > 50_000, "{tried}");
}

#[test]
fn a_good_candidate_climbs_one_stage_at_a_time_to_its_release() {
    let (plan, mut sums) = (plan(), good());
    let mut state = RolloutState::new(&plan, "hash", 0);
    let mut seen = Vec::new();
    for minute in 0..200 {
        sums.findings.pairs += 10;
        state = tick(&plan, &state, &sums, MINUTE);
        let entry = (state.phase.name(), state.share.percent());
        if seen.last().map(|(_, entry)| *entry) != Some(entry) {
            seen.push((minute, entry));
        }
    }
    assert_eq!(
        seen,
        [
            (0, ("Shadowing", 0.0)),
            (5, ("Ramping", 5.0)),
            (15, ("Ramping", 25.0)),
            (25, ("Ramping", 50.0)),
            (35, ("Guarding", 100.0)),
            (65, ("Released", 100.0)),
        ]
    );
    verify_history(&state.transitions).unwrap();
}
