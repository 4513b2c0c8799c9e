//! An autopilot as sections of a report.

use super::{
    content::{Content, Event, Gate, Headline, Progress, Rollout, StageRow, Standing},
    figure::{Moment, Seconds},
};
use crate::autopilot::{self, GateOutcome, Phase, StageProgress, StageStatus};

pub(super) fn fill(content: &mut Content, status: &autopilot::Status) {
    content.candidate = Some(status.candidate.to_string());
    content.headline = Headline { sentence: status.headline.clone(), standing: standing(status) };
    content.rollout = Some(Rollout {
        phase: status.phase.map_or("not read yet".to_owned(), |phase| phase.name().to_owned()),
        share: status.share,
        attempt: u64::from(status.attempt),
        advancing: advancing(status),
        replicas: (status.replicas > 0).then(|| status.replicas.to_string()),
        state_age_seconds: status.state_age_seconds,
        stages: stages(status),
    });
    content.gates = status
        .gates
        .iter()
        .map(|report| {
            let (standing, outcome, reason) = match &report.outcome {
                GateOutcome::Passed => (Standing::Good, "passed", ""),
                GateOutcome::NotApplicable => (Standing::Neutral, "not applicable", ""),
                GateOutcome::Waived => (Standing::Caution, "waived", "by a person, for this stage"),
                GateOutcome::Holds { why } => (Standing::Caution, "holds", why.as_str()),
                GateOutcome::Pauses { why, .. } => (Standing::Bad, "pauses", why.as_str()),
                GateOutcome::RollsBack { why, .. } => (Standing::Bad, "rolls back", why.as_str()),
            };
            Gate {
                name: report.gate.as_str().replace('_', " "),
                standing,
                outcome: outcome.to_owned(),
                reason: reason.to_owned(),
            }
        })
        .collect();
    content.history = status
        .transitions
        .iter()
        .map(|transition| Event {
            at_ms: transition.at,
            from: transition.from.to_string(),
            to: format!("{}, {}", transition.to, transition.share),
            cause: transition.cause.as_str().replace('_', " "),
            sentence: transition.sentence.clone(),
        })
        .collect();
}

fn standing(status: &autopilot::Status) -> Standing {
    match status.phase {
        None => Standing::Neutral,
        Some(Phase::RolledBack) => Standing::Bad,
        Some(Phase::Paused { .. }) => Standing::Caution,
        Some(_) if status.problem.is_some() => Standing::Caution,
        Some(_) if status.advancing => Standing::Good,
        Some(Phase::Released) => Standing::Good,
        Some(_) => Standing::Neutral,
    }
}

fn advancing(status: &autopilot::Status) -> String {
    let why = status.held_by.as_ref().and_then(|held| match &held.outcome {
        GateOutcome::Holds { why } | GateOutcome::Pauses { why, .. } => Some(why.as_str()),
        _ => None,
    });
    match (status.advancing, why) {
        (true, None) => "yes".to_owned(),
        (true, Some(why)) => format!("yes: {why}"),
        (false, Some(why)) => format!("no: {why}"),
        (false, None) => "no".to_owned(),
    }
}

/// The stages, and where a rollback ended them.
fn stages(status: &autopilot::Status) -> Vec<StageRow> {
    let mut stages: Vec<StageRow> = status.stages.iter().map(stage).collect();
    let last = status.transitions.last().map(|last| last.from);
    let ended = match (status.phase, last) {
        (Some(Phase::RolledBack), Some(from)) => place(from, stages.len()),
        _ => None,
    };
    for (at, stage) in stages.iter_mut().enumerate() {
        stage.progress = match ended {
            None => continue,
            Some(ended) if at < ended => Progress::Done,
            Some(ended) if at == ended => Progress::Stopped,
            Some(_) => Progress::NotReached,
        };
    }
    stages
}

/// Which of so many stages a phase is in.
fn place(phase: Phase, stages: usize) -> Option<usize> {
    match phase {
        Phase::Shadowing => Some(0),
        Phase::Ramping { stage } => Some(stage),
        Phase::Guarding => stages.checked_sub(1),
        Phase::Paused { from } => place(from.into(), stages),
        _ => None,
    }
}

fn stage(status: &StageStatus) -> StageRow {
    let progress = match status.progress {
        StageProgress::Done => Progress::Done,
        StageProgress::Current => Progress::Current,
        StageProgress::ToCome => Progress::ToCome,
    };
    let mut notes = Vec::new();
    if let Some(entered) = status.entered_at {
        notes.push(format!("entered {}", Moment(entered)));
    }
    match status.dwelt_seconds {
        Some(dwelt) => {
            notes.push(format!("{} of {}", Seconds(dwelt), Seconds(status.asked_seconds)));
        }
        None => notes.push(format!("at least {}", Seconds(status.asked_seconds))),
    }
    if status.approval {
        notes.push("begins with an approval".to_owned());
    }
    StageRow { name: status.name.clone(), progress, note: notes.join(", ") }
}
