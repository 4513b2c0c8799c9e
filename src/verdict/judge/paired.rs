//! Metrics that compare both versions on the same request.

use crate::verdict::{
    Finding, MetricConfig, MetricCounts, MetricJudgement, MetricKind,
    stats::{
        bernoulli,
        grid::{self, Observed, ln_e_above, ln_e_below},
    },
};

use super::SHOWN;

pub(super) fn judge(judged: &mut MetricJudgement, metric: &MetricConfig, counts: &MetricCounts) {
    let seen = counts.observations();
    let Some(mean) = grid::mean(&seen) else { return };
    judged.pairs = counts.observed();
    match metric.kind {
        MetricKind::Disagreement | MetricKind::Distance => {
            share(judged, metric, counts, &seen, mean);
        }
        _ => difference(judged, metric, &seen, mean),
    }
    if let MetricCounts::Paired { worse, better, both_bad, .. } = counts {
        let of_all = |count: u64| count as f64 / judged.pairs.max(1) as f64;
        // The quotient itself: `2 · mean - 1` would differ in the last bits.
        judged.estimate = Some((*worse as f64 - *better as f64) / judged.pairs.max(1) as f64);
        judged.candidate = Some(of_all(worse.saturating_add(*both_bad)));
        judged.champion = Some(of_all(better.saturating_add(*both_bad)));
    }
}

/// A mean difference, of observations `d` in `[-bound, bound]` kept as `x = (d / bound + 1) / 2`.
fn difference(judged: &mut MetricJudgement, metric: &MetricConfig, seen: &[Observed], mean: f64) {
    let unit = |x: f64| (2.0 * x - 1.0) * metric.bound;
    judged.estimate = Some(unit(mean));
    judged.interval =
        Some((unit(grid::lower_limit(seen, SHOWN)), unit(grid::upper_limit(seen, SHOWN))));
    let thresholds = judged.threshold;
    judged.ln_e_worse = ln_e_above(seen, 0.5);
    let better = ln_e_below(seen, 0.5);
    judged.ln_e_better = Some(better);
    let margin = metric.margin.map(|margin| (margin / metric.bound).clamp(0.0, 0.5));
    let not_worse = margin.map(|margin| ln_e_below(seen, f64::midpoint(1.0, margin)));
    let not_better = margin.map(|margin| ln_e_above(seen, f64::midpoint(1.0, -margin)));
    judged.ln_e_not_worse = not_worse;
    judged.ln_e_not_better = not_better;
    let enough = |ln_e: Option<f64>| ln_e.is_some_and(|ln_e| ln_e >= thresholds.not_worse);
    judged.finding = if judged.ln_e_worse >= thresholds.worse {
        Finding::Worse
    } else if enough(Some(better)) {
        Finding::Better
    } else if enough(not_worse) && enough(not_better) {
        Finding::Equivalent
    } else if enough(not_worse) {
        Finding::NotWorse
    } else {
        Finding::Undecided
    };
    if judged.finding == Finding::Undecided {
        let below = f64::midpoint(1.0, margin.unwrap_or(0.0));
        judged.expected_pairs = grid::expected_more(
            seen,
            Some((0.5, thresholds.worse)),
            Some((below, thresholds.not_worse)),
        );
    }
}

/// A share or a mean distance, compared with the most allowed where there is a limit.
fn share(
    judged: &mut MetricJudgement,
    metric: &MetricConfig,
    counts: &MetricCounts,
    seen: &[Observed],
    mean: f64,
) {
    judged.estimate = Some(mean * metric.bound);
    let (low, high) = match counts {
        MetricCounts::Share { yes, no } => {
            bernoulli::interval(*yes, yes.saturating_add(*no), (1.0, 1.0), 2.0 * SHOWN)
        }
        _ => (grid::lower_limit(seen, SHOWN), grid::upper_limit(seen, SHOWN)),
    };
    judged.interval = Some((low * metric.bound, high * metric.bound));
    judged.finding = Finding::Undecided;
    let Some(most) = metric.margin.map(|most| (most / metric.bound).clamp(0.0, 1.0)) else {
        return;
    };
    let thresholds = judged.threshold;
    judged.ln_e_worse = ln_e_above(seen, most);
    let not_worse = ln_e_below(seen, most);
    judged.ln_e_not_worse = Some(not_worse);
    if judged.ln_e_worse >= thresholds.worse {
        judged.finding = Finding::Worse;
    } else if not_worse >= thresholds.not_worse {
        judged.finding = Finding::NotWorse;
    } else {
        judged.expected_pairs = grid::expected_more(
            seen,
            Some((most, thresholds.worse)),
            Some((most, thresholds.not_worse)),
        );
    }
}
