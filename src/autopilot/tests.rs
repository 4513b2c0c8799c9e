//! Tests of what is hidden: the machine, the fleet on a virtual clock, the document.

mod fleet;
mod machine;
mod scenarios;
#[cfg(feature = "http")]
mod writers;

use std::time::Duration;

use super::{
    plan::RolloutPlan,
    stage::Stage,
    sums::{Findings, FleetSums, MetricFinding, MetricRole, MetricSum},
};

/// Stages of 5, 25 and 50 %, ten minutes each; a shadow of five.
fn plan() -> RolloutPlan {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let mut plan = RolloutPlan::new("test".to_owned(), "v2".into());
    plan.shadow = minutes(5);
    plan.stages =
        [5.0, 25.0, 50.0].map(|percent| Stage::percent(percent).for_at_least(minutes(10))).into();
    plan.guard = minutes(30);
    plan
}

fn metric(role: MetricRole, finding: MetricFinding) -> MetricSum {
    MetricSum {
        name: "failures".to_owned(),
        role,
        finding,
        ln_e_worse: 0.0,
        expected_pairs: Some(12),
        sentence: "the candidate fails more often".to_owned(),
    }
}

/// Sums by which everything is as it should be.
fn good() -> FleetSums {
    FleetSums {
        findings: Findings {
            pairs: 1_000,
            keys_let_through: 500,
            keys_held_back: Some(500),
            metrics: vec![metric(MetricRole::Guardrail, MetricFinding::NotWorse)],
            seen: 1_000,
            ..Findings::default()
        },
        replicas: 3,
        eligible: 3,
        ..FleetSums::default()
    }
}
