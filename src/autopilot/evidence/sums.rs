//! Judging the tallies of a verdict over a whole fleet.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Findings, MetricFinding, MetricRole, MetricSum};
use crate::verdict::{
    self, Finding, Judgement, MetricConfig, MetricJudgement, Role, Tally, judge_within,
    stats::budget::ErrorBudget,
};

/// A quarter of the budget for rollbacks belongs to the replicas, each of which looks at its own
/// counts too; the fleet has the rest.
const OF_THE_FLEET: f64 = 0.75;

/// What a judgement was made of: enough to make it again.
#[derive(Serialize, Deserialize)]
struct Made {
    config: verdict::Config,
    tally: Tally,
}

fn fleet_budget(config: &verdict::Config) -> ErrorBudget {
    let budget = config.budget;
    ErrorBudget { rollback: budget.rollback * OF_THE_FLEET, promote: budget.promote }
}

/// The tallies of all replicas, added up and judged. One that does not fit is left out.
pub(in crate::autopilot) fn judge(
    config: &verdict::Config,
    counts: &[&Value],
    attempt: u32,
    stage: usize,
) -> Findings {
    let mut sum = Tally::new(config.hash(), attempt);
    for counts in counts {
        // Deserialized by reference: a tally may hold thousands of hashes.
        let added = Tally::deserialize(*counts).map_err(|error| error.to_string());
        let added = added.and_then(|tally| sum.merge(&tally).map_err(|error| error.to_string()));
        if let Err(error) = added {
            tracing::debug!(target: "modelgate::autopilot", error, "a tally was left out");
        }
    }
    let judgement = judge_within(config, &sum, fleet_budget(config));
    let mut findings = findings(config, &judgement);
    // Users are counted only where a live metric asks for them.
    let counted = config.metrics.iter().any(|metric| !metric.kind.is_paired());
    if counted && let Some(live) = u32::try_from(stage).ok().and_then(|stage| sum.live.get(&stage))
    {
        findings.keys_let_through = live.candidate.keys;
        findings.keys_held_back = Some(live.held_back.keys);
    }
    // What no finding depends on stays out of the record.
    sum.agreement = Default::default();
    sum.times = Default::default();
    sum.slices.clear();
    sum.drift.clear();
    findings.judgement =
        serde_json::to_value(Made { config: config.clone(), tally: sum }).unwrap_or_default();
    findings
}

fn findings(config: &verdict::Config, judgement: &Judgement) -> Findings {
    let health = &judgement.health;
    let metrics = judgement.metrics.iter().zip(&config.metrics);
    let seen =
        health.sample_ratio.map_or(0, |ratio| ratio.candidate.saturating_add(ratio.held_back));
    let labels = health.labels.as_ref();
    Findings {
        pairs: health.pairs,
        keys_let_through: 0,
        keys_held_back: None,
        metrics: metrics.map(|(judged, config)| metric(judged, config)).collect(),
        lost: health.missing_share,
        labelled: labels.map(|labels| match labels.too_low {
            // Too uneven is as good as too few.
            true => labels.coverage.unwrap_or(0.0).min(0.0),
            false => labels.coverage.unwrap_or(1.0),
        }),
        ln_sample_ratio: health.sample_ratio.map_or(0.0, |ratio| ratio.ln_bayes_factor),
        seen_in_both: health.seen_in_both_arms,
        seen,
        judgement: Value::Null,
    }
}

fn metric(judged: &MetricJudgement, config: &MetricConfig) -> MetricSum {
    let role = match (judged.role, config.must_pass(), config.may_roll_back()) {
        (Role::Guardrail, true, _) => MetricRole::Guardrail,
        (Role::Guardrail, false, true) => MetricRole::Alarm,
        (Role::Guardrail, false, false) | (Role::Watch, ..) => MetricRole::Watch,
        (Role::Signal, ..) => MetricRole::Signal,
    };
    let finding = match judged.finding {
        // Different is not worse: such a metric holds, and takes nothing back.
        Finding::Worse if !config.may_roll_back() => MetricFinding::Undecided,
        Finding::Worse => MetricFinding::Worse,
        Finding::NotWorse | Finding::Better | Finding::Equivalent => MetricFinding::NotWorse,
        Finding::Undecided => MetricFinding::Undecided,
        Finding::NoData => MetricFinding::NoData,
    };
    MetricSum {
        name: judged.name.clone(),
        role,
        finding,
        ln_e_worse: judged.ln_e_worse,
        expected_pairs: judged.expected_pairs,
        sentence: judged.sentence.clone(),
    }
}

/// Why one replica's own counts condemn the candidate, within the part of the budget that is theirs.
pub(in crate::autopilot) fn veto(config: &verdict::Config, own: &Tally) -> Option<String> {
    let budget = ErrorBudget {
        rollback: config.budget.rollback * (1.0 - OF_THE_FLEET),
        promote: config.budget.promote,
    };
    let judgement = judge_within(config, own, budget);
    let metrics = judgement.metrics.iter().zip(&config.metrics);
    let mut worse = metrics
        .filter(|(judged, config)| judged.finding == Finding::Worse && config.may_roll_back());
    worse.next().map(|(judged, _)| judged.sentence.clone())
}

/// Judges the sums in these findings again.
pub(super) fn verify(of: &Findings) -> Result<(), String> {
    let Ok(Made { config, tally }) = Made::deserialize(&of.judgement) else {
        // Evidence of another kind, or sums that were dropped with their digest kept.
        return Ok(());
    };
    let again = findings(&config, &judge_within(&config, &tally, fleet_budget(&config)));
    for (told, found) in of.metrics.iter().zip(&again.metrics) {
        let off = (told.ln_e_worse - found.ln_e_worse).abs();
        let far = off > 1e-9 * found.ln_e_worse.abs().max(1.0);
        if far || told.finding != found.finding || told.name != found.name {
            return Err(format!(
                "metric {}: found {:?} with ln E {}, and its sums say {:?} with ln E {}",
                told.name, told.finding, told.ln_e_worse, found.finding, found.ln_e_worse
            ));
        }
    }
    match of.metrics.len() == again.metrics.len() {
        true => Ok(()),
        false => {
            Err(format!("{} metrics, and its sums have {}", of.metrics.len(), again.metrics.len()))
        }
    }
}
