//! The recommendation over all metrics, and its reasons.

use crate::verdict::{Config, Finding, Health, MetricJudgement, Overall, Role};

use super::words::{counted, percent};

pub(super) fn of(
    config: &Config,
    metrics: &[MetricJudgement],
    health: &Health,
) -> (Overall, Vec<String>) {
    let judged = || config.metrics.iter().zip(metrics);
    // Judged first: nothing that would hold a candidate up keeps it from being rolled back.
    let worse: Vec<String> = judged()
        .filter(|(metric, judged)| metric.may_roll_back() && judged.finding == Finding::Worse)
        .map(|(metric, _)| format!("{} is worse", metric.name))
        .collect();
    if !worse.is_empty() {
        return (Overall::RollBack, worse);
    }
    let mut holds = Vec::new();
    if health.sample_ratio.is_some_and(|ratio| ratio.mismatch) {
        holds.push("users are not split as asked".to_owned());
    }
    if health.too_many_in_both_arms {
        holds.push("too many users were seen in both arms".to_owned());
    }
    if health.too_much_missing {
        holds.push(format!("{} of the pairs wanted are missing", percent(health.missing_share)));
    }
    if health.pairs < config.min_pairs {
        holds.push(format!(
            "{} so far, at least {} are asked for",
            counted(health.pairs, "pair"),
            config.min_pairs
        ));
    }
    for (metric, judged) in judged().filter(|(metric, _)| metric.must_pass()) {
        match judged.finding {
            finding if finding.passes() => {}
            Finding::Worse => holds.push(format!("{} is above its limit", metric.name)),
            Finding::NoData => holds.push(format!("{} has no data", metric.name)),
            _ => holds.push(match judged.expected_pairs {
                Some(more) => format!(
                    "{} is not known yet (about {} more)",
                    metric.name,
                    counted(more, "pair")
                ),
                None => format!("{} is not known yet", metric.name),
            }),
        }
    }
    let by_label = judged().any(|(metric, _)| metric.must_pass() && metric.kind.needs_labels());
    if by_label && health.labels.as_ref().is_some_and(|labels| labels.too_low) {
        holds.push("too few of the labels have come, or of some classes only".to_owned());
    }
    for (metric, _) in judged()
        .filter(|(metric, judged)| metric.role == Role::Signal && judged.finding == Finding::Worse)
    {
        holds.push(format!("{} is worse: a signal, which holds it up", metric.name));
    }
    if !judged().any(|(metric, _)| metric.must_pass()) {
        holds.push("no guardrail could let it pass".to_owned());
    }
    if holds.is_empty() {
        let all = "every guardrail is not worse by its margin".to_owned();
        (Overall::Advance, vec![all])
    } else {
        (Overall::Hold, holds)
    }
}
