//! From sums to a judgement: a pure function.

mod health;
mod live;
mod overall;
mod paired;
mod words;

pub(crate) use self::words::grouped;
use super::{
    AgreementFigures, Config, Finding, Judgement, MetricConfig, MetricCounts, MetricJudgement,
    MetricKind, Role, SliceJudgement, Tally, Thresholds,
    stats::{
        agreement,
        budget::ErrorBudget,
        drift, e_bh,
        grid::{expected_more, ln_e_above, mean},
    },
};

/// The probability with which each end of a shown interval is missed.
const SHOWN: f64 = 0.025;
/// The false discovery rate of slices.
const SLICES: f64 = 0.1;
/// The level at which the drift of scores between the versions is shown.
const SCORES: f64 = 0.05;

/// Judges these sums under this configuration: the same bits for the same sums, whoever asks,
/// whenever.
///
/// The configuration's error budget is halved for each attempt before this one
/// ([`Tally::attempt`]).
pub fn judge(config: &Config, tally: &Tally) -> Judgement {
    judge_within(config, tally, config.budget)
}

/// Judges with another error budget than the configuration's: for several judges who divide it, as
/// where each replica looks at its own counts and the fleet at their sum. `budget` is that of the
/// first attempt.
pub fn judge_within(config: &Config, tally: &Tally, budget: ErrorBudget) -> Judgement {
    let budget = budget.of_attempt(tally.attempt);
    let metrics: Vec<MetricJudgement> =
        config.metrics.iter().map(|metric| of_metric(config, metric, tally, budget)).collect();
    let health = health::of(config, tally, &metrics);
    let (overall, why) = overall::of(config, &metrics, &health);
    Judgement {
        overall,
        why,
        candidate: config.candidate.clone(),
        champion: config.champion.clone(),
        attempt: tally.attempt,
        slices: slices(config, tally),
        metrics,
        health,
        config_hash: config.hash(),
    }
}

/// The evidence that each finding of this metric takes.
fn thresholds(config: &Config, metric: &MetricConfig, budget: ErrorBudget) -> Thresholds {
    let sharing = if metric.may_roll_back() { config.rollback_metrics() } else { 1 };
    Thresholds { worse: budget.ln_rollback(sharing), not_worse: budget.ln_promote() }
}

/// The judgement of a paired metric by these sums alone; `None` without data.
pub(super) fn of_counts(
    config: &Config,
    name: &str,
    counts: &MetricCounts,
) -> Option<MetricJudgement> {
    let metric = config.metric(name)?;
    let mut judged = unjudged(config, metric, config.budget);
    paired::judge(&mut judged, metric, counts);
    judged.estimate.map(|_| judged)
}

fn of_metric(
    config: &Config,
    metric: &MetricConfig,
    tally: &Tally,
    budget: ErrorBudget,
) -> MetricJudgement {
    let mut judged = unjudged(config, metric, budget);
    match metric.kind {
        MetricKind::LiveFailures | MetricKind::LiveLate => {
            live::rate(&mut judged, metric, tally);
        }
        MetricKind::Outcome => live::outcome(&mut judged, metric, tally, budget),
        _ => {
            if let Some(counts) = tally.metrics.get(&metric.name) {
                paired::judge(&mut judged, metric, counts);
            }
        }
    }
    judged.sentence = words::sentence(config, metric, &judged);
    judged
}

fn unjudged(config: &Config, metric: &MetricConfig, budget: ErrorBudget) -> MetricJudgement {
    MetricJudgement {
        name: metric.name.clone(),
        kind: metric.kind,
        role: metric.role,
        finding: Finding::NoData,
        estimate: None,
        interval: None,
        margin: metric.margin,
        champion: None,
        candidate: None,
        ln_e_worse: 0.0,
        ln_e_not_worse: None,
        ln_e_better: None,
        ln_e_not_better: None,
        threshold: thresholds(config, metric, budget),
        pairs: 0,
        expected_pairs: None,
        sentence: String::new(),
    }
}

/// The slices in which a paired difference is worse, by e-BH over all slices and metrics.
fn slices(config: &Config, tally: &Tally) -> Vec<SliceJudgement> {
    let difference = |name: &str| {
        config.metric(name).is_some_and(|metric| {
            metric.kind.is_paired()
                && metric.role != Role::Watch
                && !matches!(metric.kind, MetricKind::Disagreement | MetricKind::Distance)
        })
    };
    let all: Vec<SliceJudgement> = tally
        .slices
        .iter()
        .flat_map(|(slice, metrics)| {
            metrics.iter().map(move |(name, counts)| (slice, name, counts))
        })
        .filter(|(_, name, _)| difference(name))
        .filter_map(|(slice, name, counts)| {
            let seen = counts.observations();
            Some(SliceJudgement {
                slice: slice.clone(),
                metric: name.clone(),
                estimate: (2.0 * mean(&seen)? - 1.0) * config.metric(name)?.bound,
                ln_e_worse: ln_e_above(&seen, 0.5),
                pairs: counts.observed(),
            })
        })
        .collect();
    let ln_e: Vec<f64> = all.iter().map(|slice| slice.ln_e_worse).collect();
    let worse = e_bh::reject(&ln_e, SLICES);
    all.into_iter().enumerate().filter(|(at, _)| worse.contains(at)).map(|(_, s)| s).collect()
}

/// The figures of agreement in these sums.
pub fn agreement_figures(tally: &Tally) -> AgreementFigures {
    let counts = &tally.agreement;
    let mut classes: Vec<&String> =
        counts.classes.iter().flat_map(|(row, columns)| columns.keys().chain([row])).collect();
    classes.sort();
    classes.dedup();
    let cell = |row: &String, column: &String| {
        counts.classes.get(row).and_then(|columns| columns.get(column)).copied().unwrap_or(0)
    };
    let table: Vec<Vec<u64>> = classes
        .iter()
        .map(|row| classes.iter().map(|column| cell(row, column)).collect())
        .collect();
    let kappa = agreement::kappa(&table);
    let [right, champion, candidate, wrong] = [
        counts.both_right,
        counts.only_champion_right,
        counts.only_candidate_right,
        counts.both_wrong,
    ];
    let labelled = [right, champion, candidate, wrong].iter().map(|n| *n as f64).sum::<f64>();
    let share = |part: u64| (labelled > 0.0).then(|| part as f64 / labelled);
    let scores = counts.scores.as_ref().filter(|scores| scores.n > 0);
    let moments = scores.map(super::ScoreCounts::moments);
    let moved = scores.and_then(|s| drift::compare(&s.champion, &s.candidate, SCORES));
    AgreementFigures {
        churn: kappa.map(|kappa| 1.0 - kappa.observed),
        kappa: kappa.map(|kappa| kappa.kappa),
        negative_flips: share(champion),
        champion_accuracy: share(right.saturating_add(champion)),
        candidate_accuracy: share(right.saturating_add(candidate)),
        right_and_wrong: (labelled > 0.0).then_some([right, champion, candidate, wrong]),
        classes: classes.into_iter().cloned().collect(),
        table,
        concordance: moments.and_then(|moments| moments.concordance()),
        mean_difference: moments.and_then(|moments| moments.mean_difference()),
        root_mean_square: moments.and_then(|moments| moments.root_mean_square()),
        score_psi: moved.map(|moved| moved.psi),
        score_psi_critical: moved.map(|moved| moved.critical),
    }
}

/// About how many pairs it takes to decide a metric that compares two yes-or-no observations, for
/// traffic in which `worse` is the share of pairs bad for the candidate only and `better` that of
/// pairs bad for the champion only: until the candidate is worse, or not worse by `margin`, each at
/// the error probability `alpha`. `None` when it would take more than ten million pairs, or an
/// argument is out of range (shares that add up to at most 1, a margin from 0 to 0.5).
///
/// It is what pairs in exactly these shares would take. By chance about half of all rollouts take
/// less and half more, a few twice as many.
///
/// ```
/// use modelgate::verdict::expected_pairs;
///
/// // Neither version ever fails, and half a point is the margin.
/// assert_eq!(expected_pairs(0.0, 0.0, 0.005, 0.05), Some(903));
/// // The candidate fails five times in a hundred, the champion once in two hundred.
/// assert!(expected_pairs(0.05, 0.005, 0.005, 0.05).is_some_and(|pairs| pairs < 300));
/// ```
pub fn expected_pairs(worse: f64, better: f64, margin: f64, alpha: f64) -> Option<u64> {
    let shares = 0.0..=1.0;
    let known = [worse, better, worse + better].iter().all(|share| shares.contains(share));
    let is_probability = alpha > 0.0 && alpha < 1.0;
    if !known || !is_probability || !(0.0..=0.5).contains(&margin) {
        return None;
    }
    let seen = [(1.0, worse), (0.5, 1.0 - worse - better), (0.0, better)];
    let enough = -alpha.ln();
    let below = f64::midpoint(1.0, margin);
    // One pair in these shares, and however many more.
    expected_more(&seen, Some((0.5, enough)), Some((below, enough)))
        .map(|more| more.saturating_add(1))
}
