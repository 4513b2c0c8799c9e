//! What each gate does to a rollout.

use super::*;

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
fn missing_pairs_and_labels_hold_by_the_limits_of_the_evidence() {
    let plan = plan();
    let state = at(&plan, Phase::Shadowing);
    let held = |change: &dyn Fn(&mut Findings)| {
        let mut sums = good();
        change(&mut sums.findings);
        tick(&plan, &state, &sums, MINUTE).held_by
    };
    let coverage = Some(Gate::Coverage);
    assert_eq!(held(&|findings| findings.lost = 0.1), None);
    assert_eq!(held(&|findings| findings.lost = 0.11), coverage);
    assert_eq!(held(&|findings| findings.lost = f64::NAN), coverage);
    let lost = |lost: f64, max: f64| {
        held(&|findings| (findings.lost, findings.max_lost) = (lost, Some(max)))
    };
    assert_eq!((lost(0.25, 0.3), lost(0.05, 0.02)), (None, coverage));
    assert_eq!(held(&|findings| findings.labelled = Some(0.8)), None);
    assert_eq!(held(&|findings| findings.labelled = Some(0.79)), coverage);
    let labelled = |labelled: f64, min: f64| {
        held(&|findings| (findings.labelled, findings.min_labelled) = (Some(labelled), Some(min)))
    };
    assert_eq!((labelled(0.6, 0.5), labelled(0.9, 0.95)), (None, coverage));
    let uneven = held(&|findings| {
        findings.labelled = Some(1.0);
        findings.labels_uneven = Some("of one class only".to_owned());
    });
    assert_eq!(uneven, coverage);
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
