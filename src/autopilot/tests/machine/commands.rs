//! What a person can tell a rollout, and what a new plan does to it.

use super::*;

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
