//! The evaluation of the gates.

use std::time::Duration;

use super::{Gate, GateOutcome, GateReport};
use crate::{
    autopilot::{
        phase::{Phase, Running},
        plan::{OnNoData, OnUndecided, OnWorse, RolloutPlan},
        state::RolloutState,
        sums::{FleetSums, MetricFinding, MetricRole},
        transition::Cause,
    },
    verdict::grouped,
};

/// The Bayes factor at which users do not arrive by the share, as of a verdict's health.
const SAMPLE_RATIO: f64 = 1_000.0;
/// Users in both arms are too many from this number on, if they are more than this share of all.
const IN_BOTH: u64 = 10;
const IN_BOTH_SHARE: f64 = 0.01;
/// A signal begins to hold at this evidence, and stops below 1, so that it does not flap.
const SIGNAL_BAD: f64 = 20.0;
/// Processes may restart this many times as often as they do while nobody reaches the candidate.
const RESTARTS: u64 = 3;
/// Of pairs, where the evidence sets no limits of its own.
const MAX_LOST: f64 = 0.1;
const MIN_LABELLED: f64 = 0.8;

fn holds(why: impl Into<String>) -> GateOutcome {
    GateOutcome::Holds { why: why.into() }
}

fn passed_unless(bad: bool, otherwise: impl FnOnce() -> GateOutcome) -> GateOutcome {
    if bad { otherwise() } else { GateOutcome::Passed }
}

/// How every gate stands, in order. `state` already includes the time of this tick.
pub(in crate::autopilot) fn evaluate(
    plan: &RolloutPlan,
    state: &RolloutState,
    sums: &FleetSums,
) -> Vec<GateReport> {
    let one = |gate: Gate| {
        let outcome = match outcome(plan, state, sums, gate) {
            GateOutcome::Holds { .. } if state.waived.contains(&gate) => GateOutcome::Waived,
            outcome => outcome,
        };
        GateReport { gate, outcome }
    };
    Gate::ALL.into_iter().map(one).collect()
}

fn outcome(plan: &RolloutPlan, state: &RolloutState, sums: &FleetSums, gate: Gate) -> GateOutcome {
    let Some(running) = state.phase.running() else {
        return match (state.phase, gate) {
            (Phase::Waiting, Gate::Eligible) => eligible(plan, sums),
            (Phase::Waiting, Gate::Configuration) => configuration(sums),
            _ => GateOutcome::NotApplicable,
        };
    };
    let guarding = running == Running::Guarding;
    // While paused, only what could roll it back is evaluated.
    let protects = matches!(gate, Gate::Veto | Gate::Worse | Gate::Breaker);
    if state.phase.is_paused() && !protects {
        return GateOutcome::NotApplicable;
    }
    match gate {
        Gate::Veto => match &sums.veto {
            Some(why) => on_worse(plan, Cause::Veto, why.clone()),
            None => GateOutcome::Passed,
        },
        Gate::Worse => worse(plan, sums, guarding),
        Gate::Breaker => breaker(plan, state, sums),
        Gate::Conflict => match &sums.conflict {
            Some(why) => GateOutcome::Pauses { cause: Cause::Conflict, why: why.clone() },
            None => GateOutcome::Passed,
        },
        Gate::Eligible => eligible(plan, sums),
        Gate::SampleRatio if running == Running::Shadowing || guarding => {
            GateOutcome::NotApplicable
        }
        Gate::SampleRatio => sample_ratio(sums),
        Gate::Configuration => configuration(sums),
        Gate::Restarts if running == Running::Shadowing => GateOutcome::NotApplicable,
        Gate::Restarts => restarts(plan, state, sums),
        Gate::NoData => no_data(plan, state, guarding),
        Gate::Dwell => dwell(plan, state, running),
        Gate::MinPairs if guarding => GateOutcome::NotApplicable,
        Gate::MinPairs => min_pairs(plan, sums, running),
        Gate::Coverage if guarding => GateOutcome::NotApplicable,
        Gate::Coverage => coverage(sums),
        Gate::Undecided if guarding => GateOutcome::NotApplicable,
        Gate::Undecided => undecided(plan, sums),
        Gate::Signal if guarding => GateOutcome::NotApplicable,
        Gate::Signal => {
            match state.signal {
                true => holds(bad_signal(sums).unwrap_or_else(|| {
                    "a signal has been bad and has not quite recovered".to_owned()
                })),
                false => GateOutcome::Passed,
            }
        }
        Gate::Approval => approval(plan, state, running),
    }
}

fn on_worse(plan: &RolloutPlan, cause: Cause, why: String) -> GateOutcome {
    match plan.on_worse {
        OnWorse::RollBack => GateOutcome::RollsBack { cause, why },
        OnWorse::Pause => GateOutcome::Pauses { cause, why },
    }
}

fn worse(plan: &RolloutPlan, sums: &FleetSums, guarding: bool) -> GateOutcome {
    if guarding && let Some(why) = &sums.alarm {
        return on_worse(plan, Cause::Alarm, why.clone());
    }
    let mut worse = sums.findings.metrics.iter().filter(|metric| {
        matches!(metric.role, MetricRole::Guardrail | MetricRole::Alarm)
            && metric.finding == MetricFinding::Worse
    });
    match worse.next() {
        Some(metric) => on_worse(plan, Cause::Worse, metric.sentence.clone()),
        None => GateOutcome::Passed,
    }
}

fn breaker(plan: &RolloutPlan, state: &RolloutState, sums: &FleetSums) -> GateOutcome {
    let opens = sums.breaker_opens.saturating_sub(state.breaker.opens);
    passed_unless(plan.breaker_opens > 0 && opens >= plan.breaker_opens, || {
        GateOutcome::RollsBack {
            cause: Cause::BreakerOpened,
            why: format!(
                "the breaker of {} opened {opens} times within ten minutes; {} are enough",
                plan.candidate, plan.breaker_opens
            ),
        }
    })
}

fn eligible(plan: &RolloutPlan, sums: &FleetSums) -> GateOutcome {
    passed_unless(!sums.quorum(), || {
        holds(format!(
            "{} can answer on {} of {} replicas, which is not most of them",
            plan.candidate, sums.eligible, sums.replicas
        ))
    })
}

fn sample_ratio(sums: &FleetSums) -> GateOutcome {
    let findings = &sums.findings;
    if findings.ln_sample_ratio >= SAMPLE_RATIO.ln() {
        return GateOutcome::Pauses {
            cause: Cause::SampleRatio,
            why: "users do not arrive in the arms by the share: the arms cannot be compared"
                .to_owned(),
        };
    }
    let in_both = findings.seen_in_both;
    let too_many = in_both >= IN_BOTH && in_both as f64 > IN_BOTH_SHARE * findings.seen as f64;
    passed_unless(too_many, || GateOutcome::Pauses {
        cause: Cause::SampleRatio,
        why: format!(
            "{} of {} users were seen in both arms",
            grouped(in_both),
            grouped(findings.seen)
        ),
    })
}

fn configuration(sums: &FleetSums) -> GateOutcome {
    passed_unless(sums.other_plan * 2 > sums.replicas, || GateOutcome::Pauses {
        cause: Cause::Configuration,
        why: format!("{} of {} replicas follow another plan", sums.other_plan, sums.replicas),
    })
}

/// A candidate that kills its process takes with it what that had counted, so restarts are evidence.
/// One restart of each process is a deployment.
fn restarts(plan: &RolloutPlan, state: &RolloutState, sums: &FleetSums) -> GateOutcome {
    let started = sums.boots.saturating_sub(state.boots.known);
    let usual = state.boots.usual.max(sums.replicas as u64).max(1);
    passed_unless(started > usual.saturating_mul(RESTARTS), || GateOutcome::Pauses {
        cause: Cause::Restarts,
        why: format!(
            "{started} processes started anew within an hour while {} answers, and {usual} would be \
             usual: does it end them?",
            plan.candidate
        ),
    })
}

/// For how long nothing may arrive before the `no_data` gate holds.
pub(in crate::autopilot) fn grace(plan: &RolloutPlan, state: &RolloutState) -> Duration {
    let dwell =
        state.phase.running().map_or(Duration::ZERO, |running| required_dwell(plan, running));
    plan.no_data.unwrap_or_else(|| (dwell / 10).max(Duration::from_secs(3600)))
}

fn no_data(plan: &RolloutPlan, state: &RolloutState, guarding: bool) -> GateOutcome {
    let (grace, quiet) = (grace(plan, state), Duration::from_millis(state.quiet_ms));
    if quiet < grace {
        return GateOutcome::Passed;
    }
    let why = format!(
        "nothing has arrived to judge {} by for {}: no pair was scored and no new user seen",
        plan.candidate,
        in_words(quiet)
    );
    match (quiet < grace.saturating_mul(3) || guarding, plan.on_no_data) {
        (true, _) => holds(why),
        (false, OnNoData::Pause) => GateOutcome::Pauses { cause: Cause::NoData, why },
        (false, OnNoData::RollBack) => GateOutcome::RollsBack { cause: Cause::NoData, why },
    }
}

/// How long a phase must have been observed.
pub(in crate::autopilot) fn required_dwell(plan: &RolloutPlan, running: Running) -> Duration {
    match running {
        Running::Shadowing => plan.shadow,
        Running::Ramping { stage } => plan.stage(stage).map_or(Duration::ZERO, |stage| stage.dwell),
        Running::Guarding => plan.guard,
    }
}

fn dwell(plan: &RolloutPlan, state: &RolloutState, running: Running) -> GateOutcome {
    let (required, dwelt) = (required_dwell(plan, running), Duration::from_millis(state.dwell_ms));
    passed_unless(dwelt < required, || {
        holds(format!("{} of {} have been observed", in_words(dwelt), in_words(required)))
    })
}

fn min_pairs(plan: &RolloutPlan, sums: &FleetSums, running: Running) -> GateOutcome {
    let stage = match running {
        Running::Ramping { stage } => plan.stage(stage),
        _ => None,
    };
    let required = stage.and_then(|stage| stage.min_pairs).unwrap_or(plan.min_pairs);
    let pairs = sums.findings.pairs;
    if pairs < required {
        return holds(format!(
            "{} of {} pairs have been scored",
            grouped(pairs),
            grouped(required)
        ));
    }
    match sums.findings.keys_held_back {
        Some(keys) if stage.is_some() && keys < plan.min_held_back => holds(format!(
            "{} of {} users have been held back for comparison",
            grouped(keys),
            grouped(plan.min_held_back)
        )),
        _ => GateOutcome::Passed,
    }
}

fn coverage(sums: &FleetSums) -> GateOutcome {
    let percent = |part: f64| (part * 1000.0).round() / 10.0;
    let findings = &sums.findings;
    let max_lost = findings.max_lost.unwrap_or(MAX_LOST);
    if findings.lost > max_lost || findings.lost.is_nan() {
        return holds(format!(
            "{} % of the pairs wanted are missing; at most {} % may be",
            percent(findings.lost),
            percent(max_lost)
        ));
    }
    let Some(labelled) = findings.labelled else { return GateOutcome::Passed };
    let min_labelled = findings.min_labelled.unwrap_or(MIN_LABELLED);
    if labelled < min_labelled || labelled.is_nan() {
        return holds(format!(
            "{} % of the pairs due have their label; at least {} % must have",
            percent(labelled),
            percent(min_labelled)
        ));
    }
    match &findings.labels_uneven {
        Some(uneven) => holds(format!("labels come unevenly: {uneven}")),
        None => GateOutcome::Passed,
    }
}

fn undecided(plan: &RolloutPlan, sums: &FleetSums) -> GateOutcome {
    if plan.on_undecided == OnUndecided::Advance {
        return GateOutcome::NotApplicable;
    }
    let guardrails = || {
        let metrics = sums.findings.metrics.iter();
        metrics.filter(|metric| metric.role == MetricRole::Guardrail)
    };
    let open = guardrails()
        .filter(|metric| metric.finding != MetricFinding::NotWorse)
        .max_by_key(|metric| metric.expected_pairs.unwrap_or(u64::MAX));
    match open {
        Some(metric) => holds(match metric.expected_pairs {
            Some(expected) => {
                format!(
                    "{} is undecided: about {} more pairs are needed",
                    metric.name,
                    grouped(expected)
                )
            }
            None => format!("{} is undecided", metric.name),
        }),
        None if guardrails().next().is_none() => {
            holds("no guardrail is judged, so none can let it go on")
        }
        None => GateOutcome::Passed,
    }
}

fn bad_signal(sums: &FleetSums) -> Option<String> {
    let signals = sums.findings.metrics.iter().filter(|metric| metric.role == MetricRole::Signal);
    let worst = signals.max_by(|one, other| one.ln_e_worse.total_cmp(&other.ln_e_worse))?;
    Some(format!("signal {} is bad: {}", worst.name, worst.sentence))
}

/// Whether a signal holds now, given whether it did before.
pub(in crate::autopilot) fn signal_holds(before: bool, sums: &FleetSums) -> bool {
    let limit = if before { 0.0 } else { SIGNAL_BAD.ln() };
    let mut signals =
        sums.findings.metrics.iter().filter(|metric| metric.role == MetricRole::Signal);
    signals.any(|metric| metric.ln_e_worse >= limit)
}

fn approval(plan: &RolloutPlan, state: &RolloutState, running: Running) -> GateOutcome {
    match needs_approval(plan, running) {
        false => GateOutcome::NotApplicable,
        true => passed_unless(!state.approved, || {
            holds("every other gate is passed: somebody has to approve the next stage")
        }),
    }
}

/// Whether the stage after this one needs an approval.
pub(in crate::autopilot) fn needs_approval(plan: &RolloutPlan, running: Running) -> bool {
    let next = match running {
        Running::Shadowing => 1,
        Running::Ramping { stage } => stage.saturating_add(1),
        Running::Guarding => return false,
    };
    plan.stage(next).map_or(plan.guard_approval, |stage| stage.approval)
}

/// A duration as people write it.
pub(in crate::autopilot) fn in_words(time: Duration) -> String {
    match time.as_secs() {
        0..120 => format!("{} s", (time.as_secs_f64() * 10.0).round() / 10.0),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{:.1} h", seconds as f64 / 3_600.0),
        seconds => format!("{:.1} days", seconds as f64 / 86_400.0),
    }
}
