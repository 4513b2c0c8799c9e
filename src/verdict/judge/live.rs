//! Metrics of live answers: two groups of users instead of pairs.

use crate::verdict::{
    Finding, MetricConfig, MetricJudgement, MetricKind, Tally,
    stats::{
        asymptotic::{self, Arm, Contrast},
        budget::ErrorBudget,
        rate_ratio::{self, LN_LARGEST_RATIO, Stratum},
    },
};

use super::SHOWN;

/// The number of values at which the asymptotic sequence is tightest.
const TUNED_FOR: f64 = 2_000.0;
/// Values before which the asymptotic sequence is not trusted, in both arms together and in each.
const BURN_IN: f64 = 500.0;
const LEAST_IN_AN_ARM: f64 = 100.0;

pub(super) fn rate(judged: &mut MetricJudgement, metric: &MetricConfig, tally: &Tally) {
    let stages: Vec<Stratum> = tally
        .live
        .values()
        .map(|stage| match metric.kind {
            MetricKind::LiveLate => stage.late(&metric.name),
            _ => stage.failures(),
        })
        .filter(|stage| stage.share > 0.0 && stage.share < 1.0)
        .collect();
    let total = |of: fn(&Stratum) -> u64| stages.iter().map(of).fold(0_u64, u64::saturating_add);
    let (candidate, held_back) = (total(|s| s.candidate), total(|s| s.held_back));
    judged.pairs = candidate.saturating_add(held_back);
    if judged.pairs == 0 {
        return;
    }
    judged.ln_e_worse = rate_ratio::ln_e_above(&stages, metric.ratio.unwrap_or(1.0));
    // How many of the candidate's users would have failed at equal rates, stage by stage: a pooled
    // ratio would be Simpson's paradox when the rate rises together with the share.
    let expected: f64 =
        stages.iter().map(|stage| stage.held_back as f64 * stage.share / (1.0 - stage.share)).sum();
    let largest = LN_LARGEST_RATIO.exp();
    judged.estimate = (expected > 0.0).then(|| (candidate as f64 / expected).min(largest));
    let (lower, upper) = rate_ratio::limits(&stages, SHOWN);
    judged.interval = Some((lower, upper.unwrap_or(largest)));
    judged.finding = if judged.ln_e_worse >= judged.threshold.worse {
        Finding::Worse
    } else {
        Finding::Undecided
    };
}

pub(super) fn outcome(
    judged: &mut MetricJudgement,
    metric: &MetricConfig,
    tally: &Tally,
    budget: ErrorBudget,
) {
    let (low, high) = metric.range.unwrap_or((0.0, 1.0));
    let arms = |of: fn(&crate::verdict::StageCounts) -> &crate::verdict::ArmCounts| {
        let name = &metric.name;
        tally.live.values().map(move |stage| {
            of(stage).outcomes.get(name).map(crate::verdict::OutcomeCounts::arm).unwrap_or_default()
        })
    };
    let sum = |arms: &mut dyn Iterator<Item = Arm>| {
        arms.fold(Arm::default(), |a, b| Arm {
            n: a.n + b.n,
            sum: a.sum + b.sum,
            sum_of_squares: a.sum_of_squares + b.sum_of_squares,
        })
    };
    let candidate = sum(&mut arms(|stage| &stage.candidate));
    let held_back = sum(&mut arms(|stage| &stage.held_back));
    let n = candidate.n + held_back.n;
    // A sum of counts: a whole number.
    judged.pairs = n as u64;
    if candidate.n <= 0.0 || held_back.n <= 0.0 {
        return;
    }
    let centre = (candidate.sum + held_back.sum) / n;
    let contrast = tally
        .live
        .values()
        .zip(arms(|stage| &stage.candidate).zip(arms(|stage| &stage.held_back)))
        .map(|(stage, (c, h))| Contrast::of(c, h, stage.share(), centre))
        .fold(Contrast::default(), Contrast::and);
    judged.finding = Finding::Undecided;
    if contrast.n <= 0.0 {
        return;
    }
    let unit = high - low;
    judged.candidate = Some(low + candidate.sum / candidate.n * unit);
    judged.champion = Some(low + held_back.sum / held_back.n * unit);
    judged.estimate = Some(contrast.mean() * unit);
    let deviation = contrast.variance().sqrt();
    if contrast.n < BURN_IN || candidate.n.min(held_back.n) < LEAST_IN_AN_ARM || deviation <= 0.0 {
        return;
    }
    let half = asymptotic::half_width(deviation, contrast.n, 2.0 * SHOWN, TUNED_FOR);
    judged.interval = Some(((contrast.mean() - half) * unit, (contrast.mean() + half) * unit));
    // The clamp keeps `rho` positive and finite, however small later attempts make the budget.
    let rho = asymptotic::rho(budget.promote.clamp(1e-12, 0.2), TUNED_FOR, true);
    let worse = if metric.larger_is_better { -contrast.mean() } else { contrast.mean() };
    let evidence =
        |mean: f64, null: f64| asymptotic::ln_e_above(contrast.n, mean, null, deviation, rho);
    judged.ln_e_worse = evidence(worse, 0.0);
    let better = evidence(-worse, 0.0);
    judged.ln_e_better = Some(better);
    let margin = metric.margin.map(|margin| margin / unit);
    judged.ln_e_not_worse = margin.map(|margin| evidence(-worse, -margin));
    let enough = |ln_e: f64| ln_e >= judged.threshold.not_worse;
    judged.finding = if judged.ln_e_worse >= judged.threshold.worse {
        Finding::Worse
    } else if enough(better) {
        Finding::Better
    } else if judged.ln_e_not_worse.is_some_and(enough) {
        Finding::NotWorse
    } else {
        Finding::Undecided
    };
}
