//! Judging the tallies of a verdict over a whole fleet.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Findings, MetricFinding, MetricRole, MetricSum};
use crate::verdict::{
    self, EVIDENCE_TOLERANCE as TOLERANCE, Finding, Judgement, MetricConfig, MetricJudgement, Role,
    Tally, judge_within, stats::budget::ErrorBudget,
};

/// The fleet's part of the error budget for rollbacks. The rest is for the replicas, each of which tests
/// its own counts as well.
const FLEET_PART: f64 = 0.75;

/// What a judgement was made from: enough to recompute it.
#[derive(Serialize, Deserialize)]
struct JudgedSums {
    config: verdict::Config,
    tally: Tally,
}

fn fleet_budget(config: &verdict::Config) -> ErrorBudget {
    let budget = config.budget;
    ErrorBudget { rollback: budget.rollback * FLEET_PART, promote: budget.promote }
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
        // By reference, as a tally may hold thousands of hashes.
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
    // The record leaves out what no finding depends on.
    sum.agreement = Default::default();
    sum.times = Default::default();
    sum.slices.clear();
    sum.drift.clear();
    findings.judgement =
        serde_json::to_value(JudgedSums { config: config.clone(), tally: sum }).unwrap_or_default();
    findings
}

fn findings(config: &verdict::Config, judgement: &Judgement) -> Findings {
    let health = &judgement.health;
    let metrics = judgement.metrics.iter().zip(&config.metrics);
    let seen =
        health.sample_ratio.map_or(0, |ratio| ratio.candidate.saturating_add(ratio.held_back));
    // A metric that is only watched waits for no labels.
    let needs_labels = |metric: &MetricConfig| metric.must_pass() && metric.kind.needs_labels();
    let labels = health.labels.as_ref().filter(|_| config.metrics.iter().any(needs_labels));
    Findings {
        pairs: health.pairs,
        keys_let_through: 0,
        keys_held_back: None,
        metrics: metrics.map(|(judged, config)| metric(judged, config)).collect(),
        lost: health.missing_share,
        max_lost: Some(config.max_missing),
        labelled: labels.map(|labels| labels.coverage.unwrap_or(0.0)),
        min_labelled: Some(config.min_coverage),
        labels_uneven: labels.and_then(|labels| labels.uneven.clone()),
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
        // Different is not worse: such a metric holds, and never rolls back.
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

/// Why one replica's own counts show the candidate to be worse, within the replicas' part of the budget.
pub(in crate::autopilot) fn veto(config: &verdict::Config, own: &Tally) -> Option<String> {
    let budget = ErrorBudget {
        rollback: config.budget.rollback * (1.0 - FLEET_PART),
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
    let Ok(JudgedSums { config, tally }) = JudgedSums::deserialize(&of.judgement) else {
        // Evidence of another kind, or sums that were dropped with their digest kept.
        return Ok(());
    };
    let again = findings(&config, &judge_within(&config, &tally, fleet_budget(&config)));
    for (recorded, found) in of.metrics.iter().zip(&again.metrics) {
        let off = (recorded.ln_e_worse - found.ln_e_worse).abs();
        let far = off > TOLERANCE * found.ln_e_worse.abs().max(1.0);
        if far || recorded.finding != found.finding || recorded.name != found.name {
            return Err(format!(
                "metric {}: found {:?} with ln E {}, and its sums say {:?} with ln E {}",
                recorded.name,
                recorded.finding,
                recorded.ln_e_worse,
                found.finding,
                found.ln_e_worse
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Metric, Verdict};

    #[test]
    fn findings_carry_the_verdicts_own_limits_and_the_shares_as_they_are() {
        let labelled = Metric::<i64, i64>::accuracy();
        let verdict = Verdict::builder("v2").metric(labelled).max_missing(0.3).min_coverage(0.5);
        let verdict = verdict.build().unwrap();
        let mut tally = verdict.tally();
        tally.labels.joined = 6;
        tally.labels.expired = 4;
        let counts = serde_json::to_value(&tally).unwrap();
        let findings = judge(verdict.config(), &[&counts], 0, 0);
        assert_eq!((findings.max_lost, findings.min_labelled), (Some(0.3), Some(0.5)));
        assert_eq!((findings.labelled, findings.labels_uneven), (Some(0.6), None));
        let watched = Verdict::builder("v2").metric(Metric::<i64, i64>::accuracy().watch());
        let watched = watched.build().unwrap();
        assert_eq!(judge(watched.config(), &[], 0, 0).labelled, None);
    }
}
