//! Every phase with every event and every outcome of the gates.

use std::time::Duration;

use super::{good, metric, plan};
use crate::autopilot::{
    Cause, CommandError, Gate, MetricFinding, MetricRole, OnNoData, OnUndecided, OnWorse, Phase,
    Running, Share,
    command::{Command, CommandKind},
    machine::{DecisionContext, Step, replan, step},
    plan::RolloutPlan,
    stage::Stage,
    state::RolloutState,
    sums::FleetSums,
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
        6 => sums.strangers = 2,
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

#[test]
fn no_data_is_neither_a_pass_nor_a_failure() {
    let plan = plan();
    let mut sums = good();
    sums.findings.metrics[0].finding = MetricFinding::NoData;
    sums.findings.pairs = 0;
    let mut state = at(&plan, Phase::Ramping { stage: 1 });
    // An hour's grace, thrice; arrivals of the first tick count as one.
    for minute in 0..181 {
        state = tick(&plan, &state, &sums, MINUTE);
        match minute {
            0..60 => assert_ne!(state.held_by, Some(Gate::NoData), "{minute}"),
            60..180 => assert_eq!(state.held_by, Some(Gate::NoData), "{minute}"),
            _ => {}
        }
    }
    assert_eq!(state.phase, Phase::Paused { from: Running::Ramping { stage: 1 } });
    assert_eq!(state.transitions.last().unwrap().cause, Cause::NoData);
    assert_eq!(state.share.percent(), 5.0, "the share stays");

    let plan = RolloutPlan { on_no_data: OnNoData::RollBack, ..plan };
    let mut state = at(&plan, Phase::Ramping { stage: 1 });
    (0..181).for_each(|_| state = tick(&plan, &state, &sums, MINUTE));
    assert_eq!(state.phase, Phase::RolledBack);
}

#[test]
fn data_that_comes_again_resumes_the_hold_by_itself() {
    let plan = plan();
    let mut sums = good();
    let (state, dwelt) = (tick(&plan, &at(&plan, Phase::Waiting), &sums, MINUTE), 60_000);
    let mut quiet = at(&plan, Phase::Ramping { stage: 2 });
    quiet.dwell_ms = dwelt;
    quiet.quiet_ms = 3_600_000;
    quiet.arrived = state.arrived;
    let held = tick(&plan, &quiet, &sums, MINUTE);
    assert_eq!((held.held_by, held.dwell_ms), (Some(Gate::NoData), dwelt), "no time observed");
    sums.findings.pairs += 1;
    let back = tick(&plan, &held, &sums, MINUTE);
    assert_eq!((back.held_by, back.quiet_ms), (Some(Gate::Dwell), 0));
    assert!(back.dwell_ms > dwelt);
}

#[test]
fn dwell_counts_only_while_the_candidate_can_answer() {
    let plan = plan();
    let mut sums = good();
    sums.eligible = 1;
    let mut state = at(&plan, Phase::Ramping { stage: 1 });
    state.dwell_ms = 0;
    for _ in 0..30 {
        sums.findings.pairs += 1;
        state = tick(&plan, &state, &sums, MINUTE);
    }
    assert_eq!((state.dwell_ms, state.held_by), (0, Some(Gate::Eligible)));
}

#[test]
fn worse_and_ready_in_the_same_tick_is_rolled_back() {
    let plan = plan();
    let mut sums = good();
    sums.findings.metrics.push(metric(MetricRole::Alarm, MetricFinding::Worse));
    for phase in phases().into_iter().filter(|phase| phase.running().is_some()) {
        let state = tick(&plan, &at(&plan, phase), &sums, MINUTE);
        assert_eq!((state.phase, state.share), (Phase::RolledBack, Share::NOBODY), "{phase}");
        let last = state.transitions.last().unwrap();
        assert_eq!((last.cause, last.from), (Cause::Worse, phase));
        assert_eq!(last.sentence, "the candidate fails more often");
    }
}

#[test]
fn worse_pauses_where_that_is_asked_for() {
    let plan = RolloutPlan { on_worse: OnWorse::Pause, ..plan() };
    let mut sums = good();
    sums.findings.metrics[0].finding = MetricFinding::Worse;
    let state = tick(&plan, &at(&plan, Phase::Ramping { stage: 2 }), &sums, MINUTE);
    assert_eq!(state.phase, Phase::Paused { from: Running::Ramping { stage: 2 } });
    assert_eq!(state.share.percent(), 25.0);
    assert_eq!(tick(&plan, &state, &sums, MINUTE).phase, state.phase, "and stays so");
}

#[test]
fn an_approval_is_asked_for_last_and_lasts_for_one_stage() {
    let mut plan = plan();
    plan.stages[1] = plan.stages[1].clone().approval();
    let sums = good();
    let state = at(&plan, Phase::Ramping { stage: 1 });
    let held = tick(&plan, &state, &sums, MINUTE);
    assert_eq!((held.phase, held.held_by), (Phase::Ramping { stage: 1 }, Some(Gate::Approval)));
    let approved = commanded(&plan, &held, &sums, approve()).unwrap();
    assert_eq!(approved.phase, held.phase, "the next tick goes on");
    assert_eq!(
        commanded(&plan, &approved, &sums, approve()).unwrap_err(),
        CommandError::ApprovedAlready { phase: held.phase }
    );
    let next = tick(&plan, &approved, &sums, MINUTE);
    assert_eq!((next.phase, next.approved), (Phase::Ramping { stage: 2 }, false));
    assert_eq!(
        commanded(&plan, &next, &sums, approve()).unwrap_err(),
        CommandError::NothingToApprove { phase: next.phase }
    );
    let mut worse = good();
    worse.findings.metrics[0].finding = MetricFinding::Worse;
    assert_eq!(tick(&plan, &held, &worse, MINUTE).phase, Phase::RolledBack, "while it waits");
}

#[test]
fn what_was_waived_is_waived_for_one_stage_and_written_down() {
    let plan = plan();
    let mut sums = good();
    sums.findings.metrics[0].finding = MetricFinding::Undecided;
    let state = at(&plan, Phase::Ramping { stage: 1 });
    assert_eq!(tick(&plan, &state, &sums, MINUTE).held_by, Some(Gate::Undecided));
    let waived = CommandKind::Approve { waived: vec![Gate::Undecided] };
    let waived = commanded(&plan, &state, &sums, waived).unwrap();
    let last = waived.transitions.last().unwrap();
    assert_eq!(last.cause, Cause::Approved);
    assert!(last.sentence.contains("undecided") && last.sentence.contains("because"), "{last}");
    let next = tick(&plan, &waived, &sums, MINUTE);
    assert_eq!(next.phase, Phase::Ramping { stage: 2 });
    let mut dwelt = next;
    dwelt.dwell_ms = 3_600_000;
    assert_eq!(tick(&plan, &dwelt, &sums, MINUTE).held_by, Some(Gate::Undecided), "only once");
    for gate in [Gate::Worse, Gate::Veto, Gate::Breaker, Gate::SampleRatio, Gate::Approval] {
        let refused = commanded(&plan, &state, &sums, CommandKind::Approve { waived: vec![gate] });
        assert_eq!(refused.unwrap_err(), CommandError::NotWaivable(gate));
    }
}

#[test]
fn going_on_undecided_is_asked_for_and_said() {
    let plan = RolloutPlan { on_undecided: OnUndecided::Advance, ..plan() };
    let mut sums = good();
    sums.findings.metrics[0].finding = MetricFinding::Undecided;
    let next = tick(&plan, &at(&plan, Phase::Ramping { stage: 1 }), &sums, MINUTE);
    assert_eq!(next.phase, Phase::Ramping { stage: 2 });
    assert!(next.transitions.last().unwrap().sentence.contains("may be worse"));
}

#[test]
fn without_a_guardrail_nothing_goes_on() {
    let plan = plan();
    let mut sums = good();
    sums.findings.metrics.clear();
    let state = at(&plan, Phase::Shadowing);
    assert_eq!(tick(&plan, &state, &sums, MINUTE).held_by, Some(Gate::Undecided));
}

#[test]
fn a_signal_does_not_flap() {
    let plan = plan();
    let mut sums = good();
    let mut signal = metric(MetricRole::Signal, MetricFinding::Undecided);
    let mut state = at(&plan, Phase::Shadowing);
    let mut held = Vec::new();
    for evidence in [1.0, 19.0, 21.0, 19.0, 2.0, 0.9, 19.0_f64] {
        signal.ln_e_worse = evidence.ln();
        sums.findings.metrics.truncate(1);
        sums.findings.metrics.push(signal.clone());
        state =
            tick(&plan, &RolloutState { phase: Phase::Shadowing, ..state }, &sums, Duration::ZERO);
        held.push(state.signal);
    }
    assert_eq!(held, [false, false, true, true, true, false, false]);
}

#[test]
fn what_is_held_for_too_long_is_paused() {
    let plan = plan();
    let mut sums = good();
    sums.findings.metrics[0].finding = MetricFinding::Undecided;
    let mut state = at(&plan, Phase::Ramping { stage: 1 });
    let hour = MINUTE * 60;
    for _ in 0..7 * 24 {
        assert_eq!(state.phase, Phase::Ramping { stage: 1 });
        sums.findings.pairs += 1;
        state = tick(&plan, &state, &sums, hour);
    }
    assert_eq!(state.phase, Phase::Paused { from: Running::Ramping { stage: 1 } });
    assert_eq!(state.transitions.last().unwrap().cause, Cause::HeldTooLong);
    // And what is paused for too long is taken back.
    (0..29 * 24).for_each(|_| state = tick(&plan, &state, &sums, hour));
    assert_eq!(state.phase.name(), "Paused");
    (0..24).for_each(|_| state = tick(&plan, &state, &sums, hour));
    assert_eq!(state.transitions.last().unwrap().cause, Cause::PausedTooLong);
}

#[test]
fn commands_are_refused_with_the_phase_and_what_was_expected() {
    let (plan, sums) = (plan(), good());
    let refused = |phase, kind| commanded(&plan, &at(&plan, phase), &sums, kind).unwrap_err();
    assert_eq!(
        refused(Phase::Waiting, CommandKind::Pause).to_string(),
        "pause: found phase Waiting, expected Shadowing, Ramping or Guarding"
    );
    assert_eq!(
        refused(Phase::Released, CommandKind::Abort).to_string(),
        "abort: found phase Released, expected one before RolledBack or Released"
    );
    assert_eq!(
        refused(Phase::Ramping { stage: 2 }, CommandKind::Retry).to_string(),
        "retry: found phase Ramping (stage 2), expected RolledBack"
    );
    assert_eq!(
        refused(Phase::Shadowing, CommandKind::Resume).to_string(),
        "resume: found phase Shadowing, expected Paused"
    );
    let empty = Command { kind: CommandKind::Abort, reason: " ".to_owned() };
    let step = step(&plan, &at(&plan, Phase::Shadowing), &sums, Some(&empty), now(MINUTE));
    assert_eq!(step.refused, Some(CommandError::NoReason));
}

#[test]
fn a_retry_waits_for_the_cool_down_and_begins_with_nothing() {
    let (plan, sums) = (plan(), good());
    let mut state = at(&plan, Phase::RolledBack);
    state.dwell_ms = 3_599_000;
    assert_eq!(
        commanded(&plan, &state, &sums, CommandKind::Retry).unwrap_err(),
        CommandError::CoolingDown { left: Duration::from_secs(1) }
    );
    state.dwell_ms = 3_600_000;
    let again = commanded(&plan, &state, &sums, CommandKind::Retry).unwrap();
    assert_eq!((again.phase, again.attempt, again.share), (Phase::Shadowing, 1, Share::NOBODY));
    assert_eq!(again.transitions.last().unwrap().cause, Cause::Retried);
    assert!(again.closed.is_empty() && again.waived.is_empty());
}

#[test]
fn a_pause_before_an_announced_raise_brings_nothing_forward() {
    let (plan, sums) = (plan(), good());
    let raised = tick(&plan, &at(&plan, Phase::Ramping { stage: 1 }), &sums, MINUTE);
    let paused = commanded(&plan, &raised, &sums, CommandKind::Pause).unwrap();
    let announced = |state: &RolloutState| (state.previous_share, state.share, state.effective_at);
    assert_eq!(announced(&paused), announced(&raised));
    let resumed = commanded(&plan, &paused, &sums, CommandKind::Resume).unwrap();
    assert_eq!(announced(&resumed), announced(&raised));
}

#[test]
fn what_is_resumed_while_it_is_worse_is_rolled_back() {
    let plan = plan();
    let mut sums = good();
    sums.findings.metrics[0].finding = MetricFinding::Worse;
    let paused = at(&plan, Phase::Paused { from: Running::Ramping { stage: 2 } });
    let state = commanded(&plan, &paused, &sums, CommandKind::Resume).unwrap();
    assert_eq!(state.phase, Phase::RolledBack);
}

#[test]
fn the_guard_takes_a_finished_rollout_back() {
    let plan = plan();
    let mut sums = good();
    sums.alarm = Some("failures have risen".to_owned());
    let state = tick(&plan, &at(&plan, Phase::Guarding), &sums, MINUTE);
    assert_eq!(state.phase, Phase::RolledBack);
    assert_eq!(state.transitions.last().unwrap().cause, Cause::Alarm);
    let before = at(&plan, Phase::Ramping { stage: 3 });
    assert_ne!(tick(&plan, &before, &sums, MINUTE).phase, Phase::RolledBack, "it guards later");
}

#[test]
fn another_candidate_begins_anew_and_other_rules_make_another_attempt() {
    let (plan, sums) = (plan(), good());
    let other = RolloutPlan { artefact: "v2-b".to_owned(), ..plan.clone() };
    for phase in phases() {
        let state = RolloutState { attempt: 2, ..at(&plan, phase) };
        let next = replan(&other, "other", &state, &sums, now(Duration::ZERO));
        assert_eq!((next.phase, next.attempt, next.share), (Phase::Waiting, 0, Share::NOBODY));
        let next = replan(&plan, "other", &state, &sums, now(Duration::ZERO));
        match phase {
            Phase::RolledBack | Phase::Released => {
                assert_eq!((next.phase, next.attempt, next.share), (phase, 2, state.share));
            }
            _ => assert_eq!(
                (next.phase, next.attempt, next.share),
                (Phase::Waiting, 3, Share::NOBODY)
            ),
        }
        assert_eq!(next.config_hash, "other");
        verify_history(&next.transitions).unwrap();
    }
}

#[test]
fn a_candidate_that_ends_its_processes_is_paused_and_a_deployment_is_not() {
    let plan = plan();
    let mut sums = good();
    sums.boots = 3;
    let mut state = at(&plan, Phase::Ramping { stage: 1 });
    state.boots.known = 3;
    // Every process starts anew once an hour.
    for hour in 0..5 {
        for _ in 0..60 {
            sums.findings.pairs += 1;
            state.dwell_ms = 0;
            state = tick(&plan, &state, &sums, MINUTE);
            assert_eq!(state.phase, Phase::Ramping { stage: 1 }, "{hour}");
        }
        sums.boots += 3;
    }
    for _ in 0..3 {
        sums.boots += 3;
        state.dwell_ms = 0;
        state = tick(&plan, &state, &sums, MINUTE);
    }
    let last = state.transitions.last().unwrap();
    assert_eq!((state.phase.is_paused(), last.cause), (true, Cause::Restarts));
    // Whoever resumes it has looked.
    state = commanded(&plan, &state, &sums, CommandKind::Resume).unwrap();
    state = tick(&plan, &state, &sums, MINUTE);
    assert_eq!(state.phase, Phase::Ramping { stage: 1 });
}

#[test]
fn processes_that_always_start_anew_are_no_news() {
    let plan = plan();
    let mut sums = good();
    let mut state = at(&plan, Phase::Shadowing);
    // Twenty an hour, before anybody reaches the candidate and after.
    for minute in 0..180 {
        sums.boots += u64::from(minute % 3 == 0);
        sums.findings.pairs += 1;
        state.dwell_ms = 0;
        state = tick(&plan, &state, &sums, MINUTE);
    }
    assert_eq!(state.boots.usual, 20);
    state.phase = Phase::Ramping { stage: 1 };
    state.share = plan.share(1);
    for minute in 0..180 {
        sums.boots += u64::from(minute % 3 == 0);
        sums.findings.pairs += 1;
        state.dwell_ms = 0;
        state = tick(&plan, &state, &sums, MINUTE);
        assert_eq!(state.phase, Phase::Ramping { stage: 1 }, "{minute}");
    }
}

#[test]
fn the_breaker_counts_within_ten_minutes() {
    let plan = plan();
    let mut sums = good();
    let mut state = at(&plan, Phase::Shadowing);
    state.dwell_ms = 0;
    // Twice in each window of ten minutes: never three times.
    for minute in 0..100 {
        sums.findings.pairs += 1;
        sums.breaker_opens += u64::from(minute % 10 == 3 || minute % 10 == 6);
        state.dwell_ms = 0;
        state = tick(&plan, &state, &sums, MINUTE);
        assert_eq!(state.phase, Phase::Shadowing, "{minute}");
    }
    sums.breaker_opens += 3;
    state = tick(&plan, &state, &sums, MINUTE);
    assert_eq!(state.transitions.last().unwrap().cause, Cause::BreakerOpened);
}

#[test]
fn a_history_that_was_touched_does_not_verify() {
    let (plan, mut sums) = (plan(), good());
    let mut state = RolloutState::new(&plan, "hash", 0);
    for _ in 0..40 {
        sums.findings.pairs += 10;
        state = tick(&plan, &state, &sums, MINUTE);
    }
    let text = serde_json::to_string(&state.transitions).unwrap();
    let mut caught = 0;
    for place in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[place] = if bytes[place] == b'7' { b'8' } else { b'7' };
        let Ok(touched) = serde_json::from_slice::<Vec<crate::autopilot::Transition>>(&bytes)
        else {
            continue;
        };
        if touched == state.transitions {
            continue;
        }
        assert!(verify_history(&touched).is_err(), "byte {place} of {text}");
        caught += 1;
    }
    assert!(caught > 500, "{caught}");
    let shortened: Vec<_> =
        state.transitions.iter().enumerate().filter(|(n, _)| *n != 1).map(|(_, t)| t).collect();
    assert!(verify_history(shortened).is_err(), "one was taken out");
}

#[test]
fn old_sums_are_dropped_and_what_they_prove_is_kept() {
    let mut plan = plan();
    plan.stages = vec![Stage::percent(5.0)];
    let mut sums = good();
    sums.findings.judgement = serde_json::json!({"long": "sums"});
    let mut state = at(&plan, Phase::Shadowing);
    for _ in 0..80 {
        state = commanded(&plan, &state, &sums, CommandKind::Pause).unwrap();
        state = commanded(&plan, &state, &sums, CommandKind::Resume).unwrap();
    }
    assert_eq!(state.transitions.len(), 100);
    verify_history(&state.transitions).unwrap();
    let kept = state.transitions.iter().filter(|one| one.evidence.judgement.get("long").is_some());
    assert_eq!(kept.count(), 12);
}
