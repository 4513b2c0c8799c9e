//! How a rollout goes, for the `metrics` facade.

use crate::autopilot;

const PHASES: [&str; 7] =
    ["Waiting", "Shadowing", "Ramping", "Guarding", "Paused", "RolledBack", "Released"];

/// Publishes how a rollout goes, labelled `autopilot` and `candidate`.
///
/// | metric | kind | labels, beside those | what |
/// |---|---|---|---|
/// | `modelgate_autopilot_share` | gauge | | what this process lets through, in percent |
/// | `modelgate_autopilot_agreed_share` | gauge | | what the fleet agreed on, in percent |
/// | `modelgate_autopilot_phase` | gauge | `phase` | 1 for the phase it is in, 0 for the others |
/// | `modelgate_autopilot_attempt` | gauge | | from 0 |
/// | `modelgate_autopilot_held` | gauge | `gate` | 1 for the gate that holds it |
/// | `modelgate_autopilot_ln_e` | gauge | `metric` | the logarithm of the evidence that it is worse |
/// | `modelgate_autopilot_replicas` | gauge | | heard lately |
/// | `modelgate_autopilot_state_age_seconds` | gauge | | since the store answered; infinite if it never has |
pub fn publish_autopilot_metrics(status: &autopilot::Status) {
    let gauge = |name: &'static str, value: f64| {
        let candidate = status.candidate.to_string();
        metrics::gauge!(name, "autopilot" => status.autopilot.clone(), "candidate" => candidate)
            .set(value);
    };
    let labelled = |name: &'static str, label: &'static str, of: &str, value: f64| {
        let candidate = status.candidate.to_string();
        let autopilot = status.autopilot.clone();
        metrics::gauge!(name, "autopilot" => autopilot, "candidate" => candidate, label => of.to_owned())
            .set(value);
    };
    gauge("modelgate_autopilot_share", status.share);
    gauge("modelgate_autopilot_agreed_share", status.agreed_share);
    gauge("modelgate_autopilot_attempt", f64::from(status.attempt));
    gauge("modelgate_autopilot_replicas", status.replicas as f64);
    // An alert on a large age must not miss a store that never answered.
    let age = status.state_age_seconds.unwrap_or(f64::INFINITY);
    gauge("modelgate_autopilot_state_age_seconds", age);
    let phase = status.phase.map(|phase| phase.name());
    for name in PHASES {
        labelled("modelgate_autopilot_phase", "phase", name, f64::from(phase == Some(name)));
    }
    for gate in crate::autopilot::Gate::ALL {
        let holds = status.held_by.as_ref().is_some_and(|held| held.gate == gate);
        labelled("modelgate_autopilot_held", "gate", gate.as_str(), f64::from(holds));
    }
    for metric in &status.metrics {
        labelled("modelgate_autopilot_ln_e", "metric", &metric.name, metric.ln_e_worse);
    }
}
