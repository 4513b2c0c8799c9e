//! The status of a rollout, for people and pages.

use std::{fmt, time::Duration};

use serde::Serialize;

use super::{
    gate::{self, Gate, GateOutcome, GateReport},
    phase::{Phase, Running},
    plan::RolloutPlan,
    replica::{ClockReading, ReplicaView},
    stage::Share,
    sums::MetricSum,
    transition::Transition,
};
use crate::version::Version;

/// A rollout as this process sees it: what is in force here, and what the fleet has agreed on.
///
/// It displays as its headline, one sentence.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Status {
    /// The autopilot's name.
    pub autopilot: String,
    /// The version it rolls out.
    pub candidate: Version,
    /// What tells this candidate from another of the same name.
    pub artefact: String,
    /// Who reaches the candidate, and what happens next, in one sentence.
    pub headline: String,
    /// The phase; `None` before the state was first read.
    #[serde(flatten)]
    pub phase: Option<Phase>,
    /// The share of users that this process's routers let through now, in percent.
    pub share: f64,
    /// Why it is that share.
    pub share_because: String,
    /// The share that the fleet has agreed on, in percent.
    pub agreed_share: f64,
    /// When an announced raise to that share takes effect, in milliseconds since 1970.
    pub raise_at: Option<u64>,
    /// When the phase began, in milliseconds since 1970.
    pub since: Option<u64>,
    /// The attempt, from 0.
    pub attempt: u32,
    /// Whether it goes on by itself, with time at most.
    pub advancing: bool,
    /// The gate that holds it, if one does.
    pub held_by: Option<GateReport>,
    /// Every stage, the shadow first and the guard last.
    pub stages: Vec<StageStatus>,
    /// Every gate, in order, as of this process's last decision; empty where others have always decided.
    pub gates: Vec<GateReport>,
    /// The metrics as this process last judged them, or else as of the last transition.
    pub metrics: Vec<MetricSum>,
    /// What happened, oldest first; at most the last hundred.
    pub transitions: Vec<Transition>,
    /// Replicas heard lately, as of this process's last decision; 0 where others have always decided.
    pub replicas: usize,
    /// The revision of the state.
    pub rev: u64,
    /// How long ago the store last answered, in seconds.
    pub state_age_seconds: Option<f64>,
    /// Why the store did not do what was asked, if it did not.
    pub problem: Option<String>,
    /// Whether an operator has blocked the candidate or pinned a version on a router of this process.
    /// Then the share decides nothing there, and the live answers are no evidence.
    pub overruled: bool,
}

/// One stage of a rollout, and how far it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct StageStatus {
    /// Its name: `"shadow"`, `"5 %"`, `"100 %, guarded"`.
    pub name: String,
    /// The share, in percent.
    pub share: f64,
    /// Whether it is over, going on, or to come.
    pub progress: StageProgress,
    /// When it began, in milliseconds since 1970.
    pub entered_at: Option<u64>,
    /// How long it has been observed, in seconds, while it goes on.
    pub dwelt_seconds: Option<f64>,
    /// How long it must be observed, in seconds.
    pub asked_seconds: f64,
    /// How many scored pairs it needs.
    pub min_pairs: Option<u64>,
    /// Whether it needs an approval to begin.
    pub approval: bool,
}

/// How far a stage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StageProgress {
    /// It is over.
    Done,
    /// It is the present one, paused or not.
    Current,
    /// It is to come.
    ToCome,
}

pub(super) fn status(
    plan: &RolloutPlan,
    freeze: Duration,
    view: &ReplicaView,
    (share, why): (Share, String),
    metrics: Vec<MetricSum>,
    overruled: bool,
    time: ClockReading,
) -> Status {
    let state = view.state();
    let phase = state.map(|state| state.phase);
    let held_by = state.and_then(|state| held_by(view, state.held_by));
    let raise_at = state
        .filter(|state| state.share > share && time.unix < state.effective_at)
        .map(|state| state.effective_at);
    let advancing = matches!(
        phase,
        Some(Phase::Waiting | Phase::Shadowing | Phase::Ramping { .. } | Phase::Guarding)
    ) && held_by.as_ref().is_none_or(|held| held.gate == Gate::Dwell);
    let mut status = Status {
        autopilot: plan.autopilot.clone(),
        candidate: plan.candidate.clone(),
        artefact: plan.artefact.clone(),
        headline: String::new(),
        phase,
        share: share.percent(),
        share_because: why,
        agreed_share: state.map_or(0.0, |state| state.share.percent()),
        raise_at,
        since: state.map(|state| state.entered_at),
        attempt: state.map_or(0, |state| state.attempt),
        advancing,
        held_by,
        stages: stages(plan, view),
        gates: view.gates.clone(),
        metrics,
        transitions: state.map(|state| state.transitions.clone()).unwrap_or_default(),
        replicas: view.replicas,
        rev: state.map_or(0, |state| state.rev),
        state_age_seconds: view.age(time).map(|age| age.as_secs_f64()),
        problem: view.problem.clone(),
        overruled,
    };
    status.headline = headline(plan, &status, freeze);
    status
}

/// The gate that held the fleet's last decision, with the reason where this process has evaluated it.
fn held_by(view: &ReplicaView, gate: Option<Gate>) -> Option<GateReport> {
    let gate = gate?;
    let known = view.gates.iter().find(|report| report.gate == gate);
    let known = known.filter(|report| !report.outcome.lets_pass()).cloned();
    Some(known.unwrap_or_else(|| GateReport {
        gate,
        outcome: GateOutcome::Holds { why: format!("gate `{gate}` is not passed yet") },
    }))
}

fn stages(plan: &RolloutPlan, view: &ReplicaView) -> Vec<StageStatus> {
    let state = view.state();
    let current = state.and_then(|state| match state.phase {
        Phase::Released => Some(usize::MAX),
        phase => phase.running().map(|running| match running {
            Running::Shadowing => 0,
            Running::Ramping { stage } => stage,
            Running::Guarding => plan.stages.len().saturating_add(1),
        }),
    });
    let one = |place: usize, name: String, running: Running| {
        let stage = plan.stage(place);
        let progress = match current {
            Some(current) if place < current => StageProgress::Done,
            Some(current) if place == current => StageProgress::Current,
            _ => StageProgress::ToCome,
        };
        let entered = |place: usize| {
            let entered = &state?.stages_entered_at;
            entered.get(place.checked_sub(1)?).copied()
        };
        let current = progress == StageProgress::Current;
        let dwelt = state.filter(|_| current).map(|state| state.dwell_ms as f64 / 1_000.0);
        StageStatus {
            name,
            share: plan.share(place).percent(),
            progress,
            entered_at: entered(place),
            dwelt_seconds: dwelt,
            asked_seconds: gate::required_dwell(plan, running).as_secs_f64(),
            min_pairs: match running {
                Running::Guarding => None,
                _ => Some(stage.and_then(|stage| stage.min_pairs).unwrap_or(plan.min_pairs)),
            },
            approval: match running {
                Running::Guarding => plan.guard_approval,
                _ => stage.is_some_and(|stage| stage.approval),
            },
        }
    };
    let ramp = plan.stages.iter().enumerate().map(|(place, stage)| {
        let place = place.saturating_add(1);
        one(place, stage.share.to_string(), Running::Ramping { stage: place })
    });
    let guard = plan.stages.len().saturating_add(1);
    std::iter::once(one(0, "shadow".to_owned(), Running::Shadowing))
        .chain(ramp)
        .chain(std::iter::once(one(guard, "100 %, guarded".to_owned(), Running::Guarding)))
        .collect()
}

fn headline(plan: &RolloutPlan, status: &Status, freeze: Duration) -> String {
    let candidate = &plan.candidate;
    let whom = match status.share {
        0.0 => format!("{candidate} answers nobody"),
        100.0 => format!("{candidate} answers all users whom its flag names"),
        share => format!("{candidate} answers {share} % of the users whom its flag names"),
    };
    let then = match (status.phase, &status.held_by) {
        (None, _) => status.share_because.clone(),
        (Some(Phase::Waiting), _) => "the rollout waits until it can answer".to_owned(),
        (Some(Phase::Released), _) => "it is released".to_owned(),
        (Some(Phase::RolledBack), _) => match status.transitions.last() {
            Some(last) => format!("it was rolled back: {}", last.sentence),
            None => "it was rolled back".to_owned(),
        },
        (Some(Phase::Paused { .. }), _) => match status.transitions.last() {
            Some(last) => format!("it is paused: {}", last.sentence),
            None => "it is paused".to_owned(),
        },
        (Some(_), Some(held)) => {
            let why = match &held.outcome {
                GateOutcome::Holds { why } | GateOutcome::Pauses { why, .. } => why.as_str(),
                _ => held.gate.as_str(),
            };
            format!("it will not go on yet: {why}")
        }
        (Some(_), None) => "it goes on".to_owned(),
    };
    let mut headline = format!("{whom}; {then}");
    if status.overruled {
        headline.push_str("; an operator blocks it or pins a version here, and live answers are no evidence meanwhile");
    }
    if let Some(age) = status.state_age_seconds.filter(|age| *age > freeze.as_secs_f64()) {
        headline.push_str("; the store has not answered for ");
        headline.push_str(&gate::in_words(Duration::try_from_secs_f64(age).unwrap_or_default()));
    }
    headline
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.headline)
    }
}
